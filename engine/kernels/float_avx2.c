//  float_avx2.c - sums of float32 vectors, AVX2 with FMA
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/isa.h"
#include "engine/kernels/lanes_avx2.h"

KITH_INLINE kith_avx2_lanes_t
s_step (__m256 low, __m256 high, const float *row, kith_avx2_lanes_t lanes, bool l2)
{
    lanes.low = kith_avx2_add (low, _mm256_loadu_ps (row), lanes.low, l2);
    lanes.high = kith_avx2_add (high, _mm256_loadu_ps (row + 8), lanes.high, l2);
    return lanes;
}

KITH_INLINE __m256
s_tail (const float *a, const float *b, uint32_t count, __m256 sum, bool l2)
{
    __m256i mask = kith_avx2_mask (count);
    return kith_avx2_add_tail (_mm256_maskload_ps (a, mask), _mm256_maskload_ps (b, mask),
                               mask, sum, l2);
}

//  Adds the last `count` numbers, fewer than 16
KITH_INLINE kith_avx2_lanes_t
s_finish (const float *a, const float *b, uint32_t count, kith_avx2_lanes_t lanes,
          bool l2)
{
    if (count >= 8) {
        lanes.low =
            kith_avx2_add (_mm256_loadu_ps (a), _mm256_loadu_ps (b), lanes.low, l2);
        if (count > 8)
            lanes.high = s_tail (a + 8, b + 8, count - 8, lanes.high, l2);
    }
    else if (count > 0)
        lanes.low = s_tail (a, b, count, lanes.low, l2);
    return lanes;
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, bool l2)
{
    const float *left = a, *right = b;
    kith_avx2_lanes_t lanes = {_mm256_setzero_ps (), _mm256_setzero_ps ()};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16)
        lanes = s_step (_mm256_loadu_ps (left + index),
                        _mm256_loadu_ps (left + index + 8), right + index, lanes, l2);
    return kith_avx2_one (s_finish (left + index, right + index, dim - index, lanes, l2));
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, bool l2)
{
    const float *left = query;
    const float *const right [4] = {rows [0], rows [1], rows [2], rows [3]};
    const __m256 zero = _mm256_setzero_ps ();
    kith_avx2_lanes_t sums [4] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        __m256 low = _mm256_loadu_ps (left + index);
        __m256 high = _mm256_loadu_ps (left + index + 8);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_step (low, high, right [row] + index, sums [row], l2);
    }
#pragma GCC unroll 4
    for (uint32_t row = 0; row < 4; row++)
        sums [row] =
            s_finish (left + index, right [row] + index, dim - index, sums [row], l2);
    kith_avx2_store4 (sums, out);
}

KITH_MEASURE (s_dot, false);
KITH_MEASURE (s_l2, true);

static uint32_t
s_keep (const kith_keep_t *keep, uint32_t *kept)
{
    const __m256 limit = _mm256_set1_ps (keep->limit);
    uint32_t found = 0;
    for (uint32_t index = 0; index < keep->count; index += 8) {
        __m256i mask = kith_avx2_mask (keep->count - index);
        __m256 dots = _mm256_maskload_ps (keep->dots + index, mask);
        __m256 scale = _mm256_maskload_ps (keep->scale + index, mask);
        __m256 shift = _mm256_maskload_ps (keep->shift + index, mask);
        __m256 value = _mm256_fnmadd_ps (scale, dots, shift);
        __m256 stays = _mm256_and_ps (_mm256_cmp_ps (value, limit, _CMP_NGT_UQ),
                                      _mm256_castsi256_ps (mask));
        uint32_t bits = (uint32_t) _mm256_movemask_ps (stays);
        for (; bits; bits &= bits - 1)
            kept [found++] = index + (uint32_t) __builtin_ctz (bits);
    }
    return found;
}

void
kith_fill_float_avx2 (kith_kernels_t *table)
{
    kith_kernels_set_float32 (table, &s_dot, &s_l2);
    table->keep = s_keep;
}
