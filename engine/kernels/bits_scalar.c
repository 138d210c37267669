//  bits_scalar.c - distances of binary vectors: the specification
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/bits_rest.h"
#include "engine/kernels/isa.h"

static float
s_pair (const void *a, const void *b, uint32_t dim, bool jaccard)
{
    const uint8_t *left = a, *right = b;
    kith_bit_counts_t counts = {0, 0};
    for (uint32_t index = 0; index < dim / 8; index++) {
        counts.differ += kith_byte_ones (left [index] ^ right [index]);
        counts.either += kith_byte_ones (left [index] | right [index]);
    }
    return kith_bits_distance (kith_bits_rest (left, right, dim, counts), jaccard);
}

static void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out,
        bool jaccard)
{
    for (uint32_t row = 0; row < 4; row++)
        out [row] = s_pair (query, rows [row], dim, jaccard);
}

KITH_MEASURE (s_hamming, false);
KITH_MEASURE (s_jaccard, true);

void
kith_fill_bits_scalar (kith_kernels_t *table)
{
    table->hamming = s_hamming;
    table->jaccard = s_jaccard;
}
