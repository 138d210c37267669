//  index_fuzz.c - opens an index that was built well and then damaged by the input, and searches what opens
//  SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/index_fuzz.h"

#include "base/bytes.h"
#include "base/random.h"
#include "base/vector.h"

enum { ROWS = 600, DIM = 64, HEAD = 3, EDIT = 9, CASES_MAX = 8, BATCH = 64 };

typedef struct {
    kith_rows_t rows;
    void *vectors;    //  BATCH more than the rows: the queries
    float *norms;
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count;
} s_world_t;

static void
s_fill (s_world_t *self, const index_fuzz_case_t *one)
{
    const size_t width = kith_vector_bytes (one->type, DIM);
    uint8_t *vectors = self->vectors;
    for (uint32_t row = 0; row < ROWS + BATCH; row++) {
        uint8_t *at = vectors + row * width;
        for (size_t index = 0; index < DIM; index++) {
            uint32_t number = (uint32_t) kith_mix64 (row * DIM + index) & 1023;
            const float value =
                one->rows == INDEX_FUZZ_BARE && index % 4 == 0 ? 7 : (float) number - 512;
            if (one->type == KITH_VECTOR_FLOAT32)
                memcpy (at + 4 * index, &value, sizeof value);
            else if (one->type == KITH_VECTOR_FLOAT16)
                kith_put_u16 (at + 2 * index, kith_half_of_float (value));
            else if (index < width)
                at [index] = (uint8_t) number;
        }
        if (one->rows == INDEX_FUZZ_TWINS && row % 3 == 1)
            memcpy (at, at - width, width);
        self->norms [row] = kith_norm_of (one->type, at, DIM);
    }
}

static s_world_t *
s_world_new (const index_fuzz_case_t *one)
{
    s_world_t *self = kith_new (sizeof *self);
    self->vectors = kith_alloc64 ((ROWS + BATCH) * kith_vector_bytes (one->type, DIM));
    self->norms = kith_alloc64 ((ROWS + BATCH) * sizeof *self->norms);
    s_fill (self, one);
    self->rows = (kith_rows_t){.vectors = self->vectors,
                               .norms = self->norms,
                               .rows = ROWS,
                               .dim = DIM,
                               .metric = one->metric,
                               .type = one->type};
    kith_index_params_t params = {.kind = one->kind, .code = one->code, .seed = 1};
    if (one->kind == KITH_INDEX_IVF || one->kind == KITH_INDEX_BIN)
        params.lists = 16;
    else {
        params.degree = 16;
        params.build_effort = 20;
    }
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

static void
s_check (const kith_topk_t *top, const kith_bits_t *live)
{
    kith_bits_t seen;
    kith_bits_init (&seen, ROWS, false);
    for (uint32_t hit = 0; hit < top->count; hit++) {
        assert (top->hits [hit].row < ROWS);
        uint32_t row = (uint32_t) top->hits [hit].row;
        assert (!live || kith_bits_get (live, row));
        assert (!kith_bits_get (&seen, row));
        kith_bits_set (&seen, row);
    }
    kith_bits_free (&seen);
}

static void
s_search (const kith_index_t *index, const s_world_t *world, uint8_t choice)
{
    kith_bits_t live;
    kith_bits_init (&live, ROWS, true);
    for (uint32_t row = 0; row < ROWS; row += 2)
        kith_bits_drop (&live, row);
    const size_t first = ROWS * kith_vector_bytes (world->rows.type, DIM);
    kith_index_query_t query = {
        .queries = (const float *) (const void *) ((const char *) world->vectors + first),
        .norms = world->norms + ROWS,
        .nq = choice & 64 ? BATCH : 1,
        .k = 1 + choice % 8,
        .effort = choice % 16,
        .live = choice & 128 ? &live : NULL};
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_topk_t tops [BATCH];
    for (uint32_t each = 0; each < query.nq; each++)
        kith_topk_init (&tops [each], query.k);
    (void) kith_index_search (index, &query, scratch, tops, NULL, NULL);
    for (uint32_t each = 0; each < query.nq; each++) {
        s_check (&tops [each], query.live);
        kith_topk_free (&tops [each]);
    }
    kith_index_scratch_destroy (&scratch);
    kith_bits_free (&live);
}

static void
s_edit (uint8_t *const *bytes, const s_world_t *world, const uint8_t *edit)
{
    size_t which = edit [0] % world->count;
    size_t words = world->sections [which].size / 4;
    kith_put_u32 (bytes [which] + kith_get_u32 (edit + 1) % words * 4,
                  kith_get_u32 (edit + 5));
}

void
index_fuzz (const index_fuzz_case_t *cases, size_t count, index_fuzz_mend_fn *mend,
            const uint8_t *data, size_t size)
{
    static s_world_t *worlds [CASES_MAX];
    assert (count <= CASES_MAX);
    if (size < HEAD)
        return;
    const size_t which = data [0] % 128 % count;
    if (!worlds [which])
        worlds [which] = s_world_new (&cases [which]);
    const s_world_t *world = worlds [which];
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    uint8_t *bytes [KITH_INDEX_SECTIONS_MAX];
    for (size_t index = 0; index < world->count; index++) {
        sections [index] = world->sections [index];
        bytes [index] = kith_alloc64 (sections [index].size);
        memcpy (bytes [index], sections [index].data, sections [index].size);
        sections [index].data = bytes [index];
    }
    for (size_t at = HEAD; at + EDIT <= size; at += EDIT)
        s_edit (bytes, world, data + at);
    if (mend && data [0] & 128)
        mend (world->sections, bytes, world->count);
    if (data [2] & 128)
        sections [data [2] % world->count].size -= data [2] & 96;
    kith_index_t *index = kith_index_open (&world->rows, sections, world->count, NULL);
    if (index)
        s_search (index, world, data [1]);
    kith_index_destroy (&index);
    for (size_t each = 0; each < world->count; each++)
        free (bytes [each]);
}
