//  fuzz_bin.c - opens sections made of the input over fixed binary rows, and searches what opens
//  SPDX-License-Identifier: Apache-2.0
//
//  As fuzz_graph.c: the input overwrites words of an index that was built well. Nothing may crash, and hits are rows that exist,
//  each once.
#include "base/bytes.h"
#include "engine/indexes/index.h"
#include "tests/fuzz/fuzz.h"

enum { ROWS = 600, DIM = 72, BYTES = DIM / 8, EDIT = 9, LISTS = 24 };

typedef struct {
    uint8_t vectors [ROWS * BYTES];
    kith_rows_t rows;
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count;
} s_world_t;

static s_world_t *
s_world_new (kith_metric_t metric)
{
    s_world_t *self = kith_new (sizeof *self);
    for (uint32_t index = 0; index < ROWS * BYTES; index++)
        self->vectors [index] = (uint8_t) (index * 2654435761u >> 17);
    self->rows = (kith_rows_t){.vectors = self->vectors,
                               .rows = ROWS,
                               .dim = DIM,
                               .metric = metric,
                               .type = KITH_VECTOR_BINARY};
    kith_index_params_t params = {.kind = KITH_INDEX_BIN, .lists = LISTS};
    kith_index_t *index = kith_index_build (&self->rows, &params, NULL);
    assert (index);
    self->count = kith_index_sections (index, self->sections);
    for (size_t each = 0; each < self->count; each++) {
        void *copy = kith_alloc64 (self->sections [each].size);
        memcpy (copy, self->sections [each].data, self->sections [each].size);
        self->sections [each].data = copy;
    }
    kith_index_destroy (&index);
    return self;
}

//  An edit: section, offset (4), value (4)
static void
s_edit (uint8_t *const *bytes, const s_world_t *world, const uint8_t *edit)
{
    size_t which = edit [0] % world->count;
    size_t words = world->sections [which].size / 4;
    kith_put_u32 (bytes [which] + kith_get_u32 (edit + 1) % words * 4,
                  kith_get_u32 (edit + 5));
}

static void
s_search (const kith_index_t *index, const s_world_t *world, uint8_t choice)
{
    kith_bits_t live, seen;
    kith_bits_init (&live, ROWS, true);
    kith_bits_init (&seen, ROWS, false);
    for (uint32_t row = 0; row < ROWS; row += 2)
        kith_bits_drop (&live, row);
    kith_index_query_t query = {.queries =
                                    (const float *) (const void *) world->rows.vectors,
                                .nq = 1,
                                .k = 1 + choice % 8,
                                .effort = choice % 32,
                                .live = choice & 128 ? &live : NULL};
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_topk_t top;
    kith_topk_init (&top, query.k);
    kith_index_search (index, &query, scratch, &top, NULL, NULL);
    for (uint32_t hit = 0; hit < top.count; hit++) {
        assert (top.hits [hit].row < ROWS);
        assert (!kith_bits_get (&seen, (uint32_t) top.hits [hit].row));
        kith_bits_set (&seen, (uint32_t) top.hits [hit].row);
    }
    kith_topk_free (&top);
    kith_index_scratch_destroy (&scratch);
    kith_bits_free (&seen);
    kith_bits_free (&live);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static s_world_t *worlds [2];
    if (!worlds [0]) {
        worlds [0] = s_world_new (KITH_METRIC_HAMMING);
        worlds [1] = s_world_new (KITH_METRIC_JACCARD);
    }
    if (size < 3)
        return 0;
    const s_world_t *world = worlds [data [0] % 2];
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    uint8_t *bytes [KITH_INDEX_SECTIONS_MAX];
    for (size_t index = 0; index < world->count; index++) {
        sections [index] = world->sections [index];
        bytes [index] = kith_alloc64 (sections [index].size);
        memcpy (bytes [index], sections [index].data, sections [index].size);
        sections [index].data = bytes [index];
    }
    for (size_t at = 3; at + EDIT <= size; at += EDIT)
        s_edit (bytes, world, data + at);
    //  Now and then a section of the wrong length
    if (data [2] & 128)
        sections [data [2] % world->count].size -= data [2] & 96;
    kith_index_t *index = kith_index_open (&world->rows, sections, world->count, NULL);
    if (index)
        s_search (index, world, data [1]);
    kith_index_destroy (&index);
    for (size_t each = 0; each < world->count; each++)
        free (bytes [each]);
    return 0;
}
