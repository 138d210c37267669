//  quantiser.c - asks blocks of codes: tables of a query, products with rows
//  SPDX-License-Identifier: Apache-2.0
//
//  PQ4: pairs of dimensions, 16 centres each (product quantisation: Jegou, Douze and Schmid 2011); RABITQ: the signs of the rotated
//  residual, four to a table of 16; both are scanned as FastScan blocks. SQ8: a byte a dimension, row after row. FLOAT32: the vectors.
#include "engine/indexes/quantiser.h"

#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/rotate.h"

enum {
    LEVELS = 127,    //  of SQ8
    ENTRIES = 16     //  of a table
};

static uint32_t
s_subs (kith_index_code_t code, uint32_t dim)
{
    uint32_t each = code == KITH_CODE_PQ4 ? 2 : 4;
    uint32_t subs = (dim + each - 1) / each;
    return (subs + KITH_FASTSCAN_SUBS - 1) / KITH_FASTSCAN_SUBS * KITH_FASTSCAN_SUBS;
}

size_t
kith_quantiser_block_bytes (kith_index_code_t code, uint32_t dim)
{
    size_t codes = 0;
    switch (code) {
        case KITH_CODE_FLOAT32:
            codes = KITH_FASTSCAN_ROWS * (size_t) dim * sizeof (float);
            break;
        case KITH_CODE_SQ8:
            codes = KITH_FASTSCAN_ROWS * (size_t) kith_round64 (dim);
            break;
        case KITH_CODE_PQ4:
        case KITH_CODE_RABITQ:
            codes = s_subs (code, dim) * (size_t) 16;
            break;
        case KITH_CODE_AUTO:
        case KITH_CODE_SQ4:
            return 0;
    }
    return sizeof (kith_factors_t) + codes;
}

size_t
kith_quantiser_book_floats (kith_index_code_t code, uint32_t dim)
{
    if (code == KITH_CODE_PQ4)
        return (size_t) s_subs (code, dim) * 2 * ENTRIES;
    return code == KITH_CODE_SQ8 ? dim : 0;
}

bool
kith_quantiser_init (kith_quantiser_t *self, kith_index_code_t code, kith_metric_t metric,
                     uint32_t dim, uint64_t seed)
{
    *self = (kith_quantiser_t){.code = code,
                               .metric = metric,
                               .dim = dim,
                               .subs = s_subs (code, dim),
                               .block_bytes = kith_quantiser_block_bytes (code, dim)};
    if (code != KITH_CODE_RABITQ)
        return true;
    self->signs = kith_rotate_new (dim, seed);
    return self->signs != NULL;
}

void
kith_quantiser_free (kith_quantiser_t *self)
{
    free (self->signs);
    self->signs = NULL;
}

//  ---------------------------------------------------------------------
//  Query

size_t
kith_quantiser_asked_bytes (const kith_quantiser_t *self)
{
    switch (self->code) {
        case KITH_CODE_SQ8:
            return kith_round64 (self->dim);
        case KITH_CODE_PQ4:
        case KITH_CODE_RABITQ:
            return self->subs * (size_t) ENTRIES;
        case KITH_CODE_AUTO:
        case KITH_CODE_FLOAT32:
        case KITH_CODE_SQ4:
            return 0;
    }
    return 0;
}

//  The 16 sums of a sub-quantiser
static inline void
s_entries (const kith_quantiser_t *self, const float *query, uint32_t sub, float *sums)
{
    if (self->code == KITH_CODE_PQ4) {
        const float *book = self->book + (size_t) sub * 2 * ENTRIES;
        float first = 2 * sub < self->dim ? query [2 * sub] : 0;
        float second = 2 * sub + 1 < self->dim ? query [2 * sub + 1] : 0;
        for (uint32_t entry = 0; entry < ENTRIES; entry++)
            sums [entry] = first * book [entry] + second * book [ENTRIES + entry];
        return;
    }
    float of [4];
    for (uint32_t each = 0; each < 4; each++)
        of [each] = 4 * sub + each < self->dim ? query [4 * sub + each] : 0;
    const float low [4] = {-of [0] - of [1], of [0] - of [1], of [1] - of [0],
                           of [0] + of [1]};
    const float high [4] = {-of [2] - of [3], of [2] - of [3], of [3] - of [2],
                            of [2] + of [3]};
    for (uint32_t upper = 0; upper < 4; upper++)
        for (uint32_t lower = 0; lower < 4; lower++)
            sums [4 * upper + lower] = low [lower] + high [upper];
}

static inline void
s_border (const kith_quantiser_t *self, const float *sums, float *least, float *most)
{
    *least = *most = sums [0];
    if (self->code == KITH_CODE_RABITQ) {
        //  One of the two of each pair of opposite signs
        for (uint32_t entry = 0; entry < ENTRIES / 2; entry++) {
            float size = fabsf (sums [entry]);
            *most = size > *most ? size : *most;
        }
        *least = -*most;
        return;
    }
    for (uint32_t entry = 1; entry < ENTRIES; entry++) {
        *least = sums [entry] < *least ? sums [entry] : *least;
        *most = sums [entry] > *most ? sums [entry] : *most;
    }
}

//  One step for all sub-quantisers, since their entries are added as integers; each begins at its own least entry
static void
s_ask_tables (const kith_quantiser_t *self, const float *query,
              kith_quantiser_asked_t *asked)
{
    float sums [ENTRIES], least, most, widest = 0;
    double bias = 0;
    for (uint32_t sub = 0; sub < self->subs; sub++) {
        s_entries (self, query, sub, sums);
        s_border (self, sums, &least, &most);
        widest = fmaxf (widest, most - least);
        bias += (double) least;
    }
    float up = widest > 0 ? 255 / widest : 0;
    asked->step = widest / 255;
    asked->bias = (float) bias;
    asked->slack = 2.5f * asked->step * sqrtf ((float) self->subs / 12);
    if (!isfinite (widest) || !isfinite (up) || !isfinite (asked->bias)) {
        asked->bias = NAN;
        memset (asked->table, 0, self->subs * (size_t) ENTRIES);
        return;
    }
    for (uint32_t sub = 0; sub < self->subs; sub++) {
        s_entries (self, query, sub, sums);
        s_border (self, sums, &least, &most);
        //  An array of its own: bytes written through a pointer could be anybody's
        uint8_t levels [ENTRIES];
        for (uint32_t entry = 0; entry < ENTRIES; entry++)
            levels [entry] = (uint8_t) (int) ((sums [entry] - least) * up + 0.5f);
        memcpy (asked->table + sub * ENTRIES, levels, ENTRIES);
    }
}

//  With the centre of the levels moved to zero the product is step * (sum of q8 * level - 63.5 * sum of q8)
static void
s_ask_bytes (const kith_quantiser_t *self, const float *query,
             kith_quantiser_asked_t *asked)
{
    float widest = 0;
    for (uint32_t each = 0; each < self->dim; each++)
        widest = fmaxf (widest, fabsf (query [each] * self->book [each]));
    float up = widest > 0 ? 127 / widest : 0;
    int32_t sum = 0;
    memset (asked->table, 0, kith_round64 (self->dim));
    for (uint32_t each = 0; each < self->dim && up > 0 && isfinite (up); each++) {
        float value = query [each] * self->book [each] * up;
        int8_t level = (int8_t) (value < 0 ? value - 0.5f : value + 0.5f);
        asked->table [each] = (uint8_t) level;
        sum += level;
    }
    asked->step = up > 0 ? 2 / (up * LEVELS) : 0;
    asked->bias = -asked->step * LEVELS / 2 * (float) sum;
    asked->slack = 2.5f * 30 * asked->step * sqrtf ((float) self->dim / 12);
    if (!isfinite (widest) || !isfinite (up))
        asked->bias = NAN;
}

void
kith_quantiser_ask (const kith_quantiser_t *self, const float *vector, const float *mean,
                    float *scratch, kith_quantiser_asked_t *asked)
{
    asked->vector = vector;
    asked->step = 1;
    asked->bias = asked->slack = 0;
    float *turned = scratch + self->dim;
    for (uint32_t each = 0; each < self->dim; each++)
        scratch [each] = vector [each] - mean [each];
    asked->away = kith_norm (scratch, self->dim);
    if (self->code == KITH_CODE_FLOAT32)
        return;
    if (self->code == KITH_CODE_SQ8)
        s_ask_bytes (self, scratch, asked);
    else if (self->code == KITH_CODE_PQ4)
        s_ask_tables (self, scratch, asked);
    else {
        kith_rotate (self->signs, self->dim, scratch, turned);
        s_ask_tables (self, turned, asked);
    }
}

//  ---------------------------------------------------------------------
//  Products

static void
s_products_bytes (const kith_quantiser_t *self, const kith_quantiser_asked_t *asked,
                  const uint8_t *block, float *products)
{
    const kith_kernels_t *kernels = kith_kernels ();
    const uint32_t stride = (uint32_t) kith_round64 (self->dim);
    const uint8_t *codes = block + sizeof (kith_factors_t);
    for (uint32_t row = 0; row < KITH_FASTSCAN_ROWS; row += 4) {
        const uint8_t *four [4];
        int32_t sums [4];
        for (uint32_t each = 0; each < 4; each++)
            four [each] = codes + (row + each) * stride;
        kernels->bytes4 ((const int8_t *) asked->table, four, stride, sums);
        for (uint32_t each = 0; each < 4; each++)
            products [row + each] = (float) sums [each];
    }
}

void
kith_quantiser_products (const kith_quantiser_t *self,
                         const kith_quantiser_asked_t *asked, const uint8_t *blocks,
                         uint32_t count, float *products)
{
    const kith_kernels_t *kernels = kith_kernels ();
    kith_rows_fn *rows =
        self->metric == KITH_METRIC_L2 ? kernels->l2_rows : kernels->dot_rows;
    if (self->code == KITH_CODE_PQ4 || self->code == KITH_CODE_RABITQ) {
        kith_fastscan_t scan = {.codes = blocks + sizeof (kith_factors_t),
                                .stride = self->block_bytes,
                                .table = asked->table,
                                .subs = self->subs,
                                .blocks = count};
        kernels->fastscan (&scan, products);
        return;
    }
    for (uint32_t block = 0; block < count; block++) {
        const uint8_t *at = blocks + block * self->block_bytes;
        float *out = products + block * KITH_FASTSCAN_ROWS;
        if (self->code == KITH_CODE_SQ8)
            s_products_bytes (self, asked, at, out);
        else
            rows (asked->vector, at + sizeof (kith_factors_t), self->dim * sizeof (float),
                  KITH_FASTSCAN_ROWS, self->dim, out);
    }
}
