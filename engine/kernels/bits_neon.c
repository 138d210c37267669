//  bits_neon.c - distances of binary vectors, NEON
//  SPDX-License-Identifier: Apache-2.0
#include <arm_neon.h>

#include "engine/kernels/bits_rest.h"
#include "engine/kernels/isa.h"

typedef struct {
    uint32x4_t differ;
    uint32x4_t either;
} s_counts_t;

KITH_INLINE uint8x16_t
s_load_tail (const uint8_t *vector, uint32_t index, uint32_t count)
{
    uint8_t left [16] = {0};
    memcpy (left, vector + index, count);
    return vld1q_u8 (left);
}

KITH_INLINE uint32x4_t
s_ones (uint32x4_t sum, uint8x16_t bits)
{
    return vpadalq_u16 (sum, vpaddlq_u8 (vcntq_u8 (bits)));
}

KITH_INLINE s_counts_t
s_add (uint8x16_t a, uint8x16_t b, s_counts_t sums, bool jaccard)
{
    sums.differ = s_ones (sums.differ, veorq_u8 (a, b));
    if (jaccard)
        sums.either = s_ones (sums.either, vorrq_u8 (a, b));
    return sums;
}

KITH_INLINE float
s_finish (s_counts_t sums, const uint8_t *a, const uint8_t *b, uint32_t dim, bool jaccard)
{
    kith_bit_counts_t counts = {vaddvq_u32 (sums.differ), vaddvq_u32 (sums.either)};
    return kith_bits_distance (kith_bits_rest (a, b, dim, counts), jaccard);
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, bool jaccard)
{
    const uint8_t *left = a, *right = b;
    const uint32_t bytes = dim / 8;
    s_counts_t sums = {vdupq_n_u32 (0), vdupq_n_u32 (0)};
    uint32_t index = 0;
    for (; index + 16 <= bytes; index += 16)
        sums = s_add (vld1q_u8 (left + index), vld1q_u8 (right + index), sums, jaccard);
    if (index < bytes)
        sums = s_add (s_load_tail (left, index, bytes - index),
                      s_load_tail (right, index, bytes - index), sums, jaccard);
    return s_finish (sums, left, right, dim, jaccard);
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out,
        bool jaccard)
{
    const uint8_t *left = query;
    const uint8_t *const right [4] = {rows [0], rows [1], rows [2], rows [3]};
    const uint32_t bytes = dim / 8;
    const uint32x4_t zero = vdupq_n_u32 (0);
    s_counts_t sums [4] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
    uint32_t index = 0;
    for (; index + 16 <= bytes; index += 16) {
        uint8x16_t part = vld1q_u8 (left + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] =
                s_add (part, vld1q_u8 (right [row] + index), sums [row], jaccard);
    }
    if (index < bytes) {
        uint8x16_t part = s_load_tail (left, index, bytes - index);
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_add (part, s_load_tail (right [row], index, bytes - index),
                                sums [row], jaccard);
    }
    for (uint32_t row = 0; row < 4; row++)
        out [row] = s_finish (sums [row], left, right [row], dim, jaccard);
}

KITH_MEASURE (s_hamming, false);
KITH_MEASURE (s_jaccard, true);

void
kith_fill_bits_neon (kith_kernels_t *table)
{
    table->hamming = s_hamming;
    table->jaccard = s_jaccard;
}
