//  test_growing.c - indexes over the full pieces of a growing segment: which there are, which a search uses, what they take
//  SPDX-License-Identifier: Apache-2.0
//
//  That answers are the same with them is test_read.c's matter, that they stay so beside a writer race_segment.c's.
#include <criterion/criterion.h>

#include "base/bytes.h"
#include "engine/query/read.h"
#include "tests/unit/engine/model.h"

enum { PIECE = 24, SPEC = 77 };

typedef struct {
    model_t *model;
    kith_segment_t *growing;
} s_world_t;

static s_world_t
s_world (void)
{
    s_world_t self = {.model = model_new (5, true, KITH_METRIC_L2)};
    while (model_count (self.model) < 20 * PIECE)
        model_step (self.model, 40, 3000);
    self.growing = kith_segment_grow (self.model->schema, 0, PIECE);
    for (uint64_t seq = 1; seq <= self.model->seq; seq++)
        cr_assert_eq (
            kith_segment_apply (self.growing, model_record (self.model, seq), NULL), 0);
    return self;
}

static void
s_free (s_world_t *self)
{
    kith_segment_destroy (&self->growing);
    model_destroy (&self->model);
}

static int64_t
s_unindexed (const s_world_t *self, uint64_t spec)
{
    return kith_segment_unindexed (self->growing, MODEL_VECTOR, spec, 1);
}

static void
s_build (s_world_t *self, uint64_t spec, kith_index_kind_t kind)
{
    const kith_index_params_t params = {.kind = kind};
    kith_error_t error;
    cr_assert_eq (kith_segment_build_index (self->growing,
                                            (uint32_t) s_unindexed (self, spec),
                                            MODEL_VECTOR, spec, &params, &error),
                  0, "%s", error.message);
}

//  The kind of index that --explain tells of the growing rows, and how many of them were compared
static const char *
s_kind (const s_world_t *self, uint64_t spec)
{
    kith_view_t view = {.schema = self->model->schema,
                        .segments = (kith_segment_t **) (uintptr_t) &self->growing,
                        .count = 1,
                        .s = self->model->seq};
    float *query = kith_alloc64 (MODEL_DIM * sizeof *query);
    kith_search_t search = {.field = kith_schema_by_id (view.schema, MODEL_VECTOR),
                            .queries = query,
                            .nq = 1,
                            .k = 5,
                            .spec = spec,
                            .explain = true};
    kith_found_t found;
    cr_assert_eq (kith_view_search (&view, &search, &found, NULL), 0);
    cr_assert_eq (found.stage_count, 1);
    const char *kind = found.stages [0].index;
    kith_found_free (&found);
    free (query);
    return kind;
}

Test (growing, full_pieces_are_indexed_one_by_one)
{
    s_world_t world = s_world ();
    cr_assert_eq (kith_segment_index_memory (world.growing), 0);
    //  Not those that are too small, not the last, not of a field that is none
    cr_assert_eq (kith_segment_unindexed (world.growing, MODEL_VECTOR, SPEC, PIECE + 1),
                  -1);
    cr_assert_eq (kith_segment_unindexed (world.growing, MODEL_VECTOR + 1000, SPEC, 1),
                  -1);
    int64_t piece, before = -1;
    while ((piece = s_unindexed (&world, SPEC)) >= 0) {
        const uint64_t memory = kith_segment_memory (world.growing);
        cr_assert_eq (piece, before + 1);
        s_build (&world, SPEC, KITH_INDEX_GRAPH);
        cr_assert_gt (kith_segment_memory (world.growing), memory);
        before = piece;
    }
    cr_assert_geq (before, 18);
    cr_assert_lt (((uint32_t) before + 1) * PIECE, kith_segment_rows (world.growing));
    s_free (&world);
}

Test (growing, a_search_uses_indexes_of_its_specification_only)
{
    s_world_t world = s_world ();
    cr_assert_str_eq (s_kind (&world, SPEC), "");
    s_build (&world, SPEC, KITH_INDEX_GRAPH);
    cr_assert_str_eq (s_kind (&world, SPEC), "graph");
    cr_assert_str_eq (s_kind (&world, SPEC + 1), "");
    cr_assert_str_eq (s_kind (&world, 0), "");
    //  A later specification takes over; what both take is counted
    const uint64_t memory = kith_segment_index_memory (world.growing);
    s_build (&world, SPEC + 1, KITH_INDEX_IVF);
    cr_assert_str_eq (s_kind (&world, SPEC + 1), "ivf");
    cr_assert_str_eq (s_kind (&world, SPEC), "");
    cr_assert_eq (s_unindexed (&world, SPEC), 0);
    cr_assert_eq (s_unindexed (&world, SPEC + 1), 1);
    cr_assert_gt (kith_segment_index_memory (world.growing), memory);
    s_free (&world);
}

static bool
s_never (void *arg, uint64_t done, uint64_t of)
{
    (void) arg;
    (void) done;
    (void) of;
    return false;
}

Test (growing, a_build_that_ends_early_leaves_nothing)
{
    s_world_t world = s_world ();
    const kith_index_params_t params = {.kind = KITH_INDEX_GRAPH, .progress = s_never},
                              tight = {.kind = KITH_INDEX_GRAPH, .memory_max = 1};
    kith_error_t error;
    cr_assert_neq (
        kith_segment_build_index (world.growing, 0, MODEL_VECTOR, SPEC, &params, &error),
        0);
    cr_assert_eq (error.code, KITH_ERR_CANCELLED);
    cr_assert_neq (
        kith_segment_build_index (world.growing, 0, MODEL_VECTOR, SPEC, &tight, &error),
        0);
    cr_assert_eq (error.code, KITH_ERR_NO_MEMORY);
    cr_assert_eq (kith_segment_index_memory (world.growing), 0);
    cr_assert_eq (s_unindexed (&world, SPEC), 0);
    s_free (&world);
}
