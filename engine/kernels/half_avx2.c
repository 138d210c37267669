//  half_avx2.c - sums of float16 and bfloat16 vectors, AVX2 with FMA and F16C
//  SPDX-License-Identifier: Apache-2.0
//
//  Sixteen-bit numbers cannot be loaded by mask: a tail is copied beside zeros first.
#include "engine/kernels/isa.h"
#include "engine/kernels/lanes_avx2.h"

enum { L2 = 1, BFLOAT16 = 2 };

//  Eight numbers
KITH_INLINE __m256
s_load (const char *vector, uint32_t index, int kind)
{
    __m128i halves = _mm_loadu_si128 ((const __m128i_u *) (vector + 2 * (size_t) index));
    if (kind & BFLOAT16)
        return _mm256_castsi256_ps (
            _mm256_slli_epi32 (_mm256_cvtepu16_epi32 (halves), 16));
    return _mm256_cvtph_ps (halves);
}

KITH_INLINE kith_avx2_lanes_t
s_step (__m256 low, __m256 high, const char *row, uint32_t index, kith_avx2_lanes_t lanes,
        int kind)
{
    lanes.low = kith_avx2_add (low, s_load (row, index, kind), lanes.low, kind & L2);
    lanes.high =
        kith_avx2_add (high, s_load (row, index + 8, kind), lanes.high, kind & L2);
    return lanes;
}

//  Adds the last `count` numbers, fewer than 16
KITH_INLINE kith_avx2_lanes_t
s_finish (const char *a, const char *b, uint32_t count, kith_avx2_lanes_t lanes, int kind)
{
    char left [32] = {0}, right [32] = {0};
    if (count == 0)
        return lanes;
    memcpy (left, a, 2 * (size_t) count);
    memcpy (right, b, 2 * (size_t) count);
    __m256i mask = kith_avx2_mask (count);
    lanes.low = kith_avx2_add_tail (s_load (left, 0, kind), s_load (right, 0, kind), mask,
                                    lanes.low, kind & L2);
    if (count > 8) {
        mask = kith_avx2_mask (count - 8);
        lanes.high = kith_avx2_add_tail (s_load (left, 8, kind), s_load (right, 8, kind),
                                         mask, lanes.high, kind & L2);
    }
    return lanes;
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, int kind)
{
    const char *left = a, *right = b;
    kith_avx2_lanes_t lanes = {_mm256_setzero_ps (), _mm256_setzero_ps ()};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16)
        lanes = s_step (s_load (left, index, kind), s_load (left, index + 8, kind), right,
                        index, lanes, kind);
    return kith_avx2_one (s_finish (left + 2 * (size_t) index, right + 2 * (size_t) index,
                                    dim - index, lanes, kind));
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, int kind)
{
    const char *left = query;
    const char *const right [4] = {rows [0], rows [1], rows [2], rows [3]};
    const __m256 zero = _mm256_setzero_ps ();
    kith_avx2_lanes_t sums [4] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        __m256 low = s_load (left, index, kind);
        __m256 high = s_load (left, index + 8, kind);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_step (low, high, right [row], index, sums [row], kind);
    }
#pragma GCC unroll 4
    for (uint32_t row = 0; row < 4; row++)
        sums [row] =
            s_finish (left + 2 * (size_t) index, right [row] + 2 * (size_t) index,
                      dim - index, sums [row], kind);
    kith_avx2_store4 (sums, out);
}

KITH_MEASURE (s_float16_dot, 0);
KITH_MEASURE (s_float16_l2, L2);
KITH_MEASURE (s_bfloat16_dot, BFLOAT16);
KITH_MEASURE (s_bfloat16_l2, BFLOAT16 | L2);

KITH_INLINE void
s_widen_all (const char *halves, size_t count, float *out, int kind)
{
    for (; count >= 8; count -= 8, halves += 16, out += 8)
        _mm256_storeu_ps (out, s_load (halves, 0, kind));
    if (count > 0) {
        char left [16] = {0};
        memcpy (left, halves, 2 * count);
        _mm256_maskstore_ps (out, kith_avx2_mask ((uint32_t) count),
                             s_load (left, 0, kind));
    }
}

static void
s_float16_widen (const void *halves, size_t count, float *out)
{
    s_widen_all (halves, count, out, 0);
}

static void
s_bfloat16_widen (const void *halves, size_t count, float *out)
{
    s_widen_all (halves, count, out, BFLOAT16);
}

void
kith_fill_half_avx2 (kith_kernels_t *table)
{
    table->float16_dot = s_float16_dot;
    table->float16_l2 = s_float16_l2;
    table->bfloat16_dot = s_bfloat16_dot;
    table->bfloat16_l2 = s_bfloat16_l2;
    table->float16_widen = s_float16_widen;
    table->bfloat16_widen = s_bfloat16_widen;
}
