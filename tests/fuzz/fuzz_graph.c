//  fuzz_graph.c - opens sections made of the input over fixed rows, and searches what opens
//  SPDX-License-Identifier: Apache-2.0
//
//  The first bytes choose a graph that was built well and say which words of it the rest of the input overwrites: damage near a
//  valid graph gets past the header, which random bytes never would. Nothing may crash, and hits are rows that exist.
#include "base/bytes.h"
#include "engine/indexes/graph.h"
#include "tests/fuzz/fuzz.h"

enum { ROWS = 600, DIM = 10, EDIT = 9 };

typedef struct {
    float vectors [ROWS * DIM];
    float norms [ROWS];
    kith_rows_t rows;
    kith_section_t sections [16];
    size_t count;
} s_world_t;

//  Every third row equal to its neighbour if `twins`
static s_world_t *
s_world_new (kith_metric_t metric, bool twins)
{
    s_world_t *self = kith_new (sizeof *self);
    for (uint32_t index = 0; index < ROWS * DIM; index++) {
        uint32_t row = index / DIM;
        uint32_t source = twins && row % 3 == 1 ? index - DIM : index;
        self->vectors [index] = (float) (source * 2654435761u >> 16 & 1023) - 512;
    }
    for (uint32_t row = 0; row < ROWS; row++)
        self->norms [row] = kith_norm (self->vectors + row * DIM, DIM);
    self->rows = (kith_rows_t){.vectors = self->vectors,
                               .norms = self->norms,
                               .rows = ROWS,
                               .dim = DIM,
                               .metric = metric};
    kith_graph_params_t params = {.degree = 16, .build_effort = 20};
    kith_graph_t *graph = kith_graph_build (&self->rows, &params, NULL);
    assert (graph);
    self->count = kith_graph_sections (graph, self->sections);
    for (size_t index = 0; index < self->count; index++) {
        void *copy = kith_alloc64 (self->sections [index].size);
        memcpy (copy, self->sections [index].data, self->sections [index].size);
        self->sections [index].data = copy;
    }
    kith_graph_destroy (&graph);
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
s_search (const kith_graph_t *graph, const s_world_t *world, uint8_t choice)
{
    kith_bits_t live;
    kith_bits_init (&live, ROWS, true);
    for (uint32_t row = 0; row < ROWS; row += 2)
        kith_bits_drop (&live, row);
    kith_graph_query_t options = {
        .k = 1 + choice % 8, .effort = choice % 16, .live = choice & 128 ? &live : NULL};
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    kith_topk_t top;
    kith_topk_init (&top, options.k);
    kith_graph_search (graph, world->vectors, world->norms [0], &options, scratch, &top);
    for (uint32_t index = 0; index < top.count; index++)
        assert (top.hits [index].row < ROWS);
    kith_topk_free (&top);
    kith_graph_scratch_destroy (&scratch);
    kith_bits_free (&live);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static s_world_t *worlds [2];
    if (!worlds [0]) {
        worlds [0] = s_world_new (KITH_METRIC_L2, false);
        worlds [1] = s_world_new (KITH_METRIC_COSINE, true);
    }
    if (size < 3)
        return 0;
    const s_world_t *world = worlds [data [0] % 2];
    kith_section_t sections [16];
    uint8_t *bytes [16];
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
    kith_graph_t *graph = kith_graph_open (&world->rows, sections, world->count, NULL);
    if (graph)
        s_search (graph, world, data [1]);
    kith_graph_destroy (&graph);
    for (size_t index = 0; index < world->count; index++)
        free (bytes [index]);
    return 0;
}
