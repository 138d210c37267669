//  fuzz_disk.c - opens sections of a disk index that the input damaged, and searches what opens
//  SPDX-License-Identifier: Apache-2.0
//
//  The first bytes choose an index that was built well and say which words of it the rest of the input overwrites, as in
//  fuzz_graph.c. Of damaged blocks every second input makes the checksums right again: what is behind them is checked too. Nothing may crash,
//  hits are rows that exist and may be answered, and none comes twice.
#include "base/bytes.h"
#include "engine/indexes/disk_layout.h"
#include "tests/fuzz/fuzz.h"

enum { ROWS = 600, DIM = 10, EDIT = 9 };

typedef struct {
    float vectors [ROWS * DIM];
    float norms [ROWS];
    kith_rows_t rows;
    kith_disk_header_t header;
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
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
    kith_index_params_t params = {
        .kind = KITH_INDEX_DISK, .degree = 16, .build_effort = 20};
    kith_index_t *index = kith_index_build (&self->rows, &params, NULL);
    assert (index);
    self->header = ((const kith_disk_t *) index)->header;
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
s_make_sound (const s_world_t *world, uint8_t *records)
{
    for (uint32_t block = 0; block < world->header.blocks; block++) {
        uint8_t *at = records + (size_t) block * KITH_BLOCK_BYTES;
        kith_disk_block_close (&world->header, at, kith_get_u32 (at + 4),
                               kith_get_u32 (at + 8));
    }
}

static void
s_search (const kith_index_t *index, const s_world_t *world, uint8_t choice)
{
    kith_bits_t live, given;
    kith_bits_init (&live, ROWS, true);
    kith_bits_init (&given, ROWS, false);
    for (uint32_t row = 0; row < ROWS; row += 2)
        kith_bits_drop (&live, row);
    kith_index_query_t query = {.queries = world->vectors,
                                .norms = world->norms,
                                .nq = 1,
                                .k = 1 + choice % 8,
                                .effort = choice % 16,
                                .live = choice & 128 ? &live : NULL};
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_topk_t top;
    kith_topk_init (&top, query.k);
    (void) kith_index_search (index, &query, scratch, &top, NULL, NULL);
    for (uint32_t hit = 0; hit < top.count; hit++) {
        assert (top.hits [hit].row < ROWS);
        uint32_t row = (uint32_t) top.hits [hit].row;
        assert (!query.live || kith_bits_get (&live, row));
        assert (!kith_bits_get (&given, row));
        kith_bits_set (&given, row);
    }
    kith_topk_free (&top);
    kith_index_scratch_destroy (&scratch);
    kith_bits_free (&live);
    kith_bits_free (&given);
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
    for (size_t index = 0; index < world->count; index++)
        if (sections [index].id == KITH_INDEX_RECORDS && data [0] & 128)
            s_make_sound (world, bytes [index]);
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
