//  fuzz_ivf.c - opens sections made of the input over fixed rows, and searches what opens
//  SPDX-License-Identifier: Apache-2.0
//
//  As fuzz_graph.c: the first bytes choose an index that was built well, and the rest says which of its words are overwritten. Nothing
//  may crash, and hits are rows that exist.
#include "base/bytes.h"
#include "engine/indexes/index.h"
#include "tests/fuzz/fuzz.h"

enum { ROWS = 600, DIM = 10, EDIT = 9, LISTS = 9, WORLDS = 4 };

typedef struct {
    float vectors [ROWS * DIM];
    float norms [ROWS];
    kith_rows_t rows;
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count;
} s_world_t;

static s_world_t *
s_world_new (kith_metric_t metric, kith_index_code_t code)
{
    s_world_t *self = kith_new (sizeof *self);
    for (uint32_t index = 0; index < ROWS * DIM; index++)
        self->vectors [index] = (float) (index * 2654435761u >> 16 & 1023) - 512;
    for (uint32_t row = 0; row < ROWS; row++)
        self->norms [row] = kith_norm (self->vectors + row * DIM, DIM);
    self->rows = (kith_rows_t){.vectors = self->vectors,
                               .norms = self->norms,
                               .rows = ROWS,
                               .dim = DIM,
                               .metric = metric};
    kith_index_params_t params = {
        .kind = KITH_INDEX_IVF, .code = code, .lists = LISTS, .seed = 1};
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
    kith_bits_t live;
    kith_bits_init (&live, ROWS, true);
    for (uint32_t row = 0; row < ROWS; row += 2)
        kith_bits_drop (&live, row);
    uint32_t nq = choice & 64 ? 20 : 1;
    kith_index_query_t query = {.queries = world->vectors,
                                .norms = world->norms,
                                .nq = nq,
                                .k = 1 + choice % 8,
                                .effort = choice % 16,
                                .live = choice & 128 ? &live : NULL};
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_topk_t tops [20];
    for (uint32_t each = 0; each < nq; each++)
        kith_topk_init (&tops [each], query.k);
    kith_index_search (index, &query, scratch, tops, NULL, NULL);
    for (uint32_t each = 0; each < nq; each++) {
        for (uint32_t hit = 0; hit < tops [each].count; hit++)
            assert (tops [each].hits [hit].row < ROWS);
        kith_topk_free (&tops [each]);
    }
    kith_index_scratch_destroy (&scratch);
    kith_bits_free (&live);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static s_world_t *worlds [WORLDS];
    if (!worlds [0]) {
        worlds [0] = s_world_new (KITH_METRIC_L2, KITH_CODE_PQ4);
        worlds [1] = s_world_new (KITH_METRIC_COSINE, KITH_CODE_RABITQ);
        worlds [2] = s_world_new (KITH_METRIC_IP, KITH_CODE_SQ8);
        worlds [3] = s_world_new (KITH_METRIC_L2, KITH_CODE_FLOAT32);
    }
    if (size < 3)
        return 0;
    const s_world_t *world = worlds [data [0] % WORLDS];
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
