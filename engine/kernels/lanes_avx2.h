//  lanes_avx2.h - the sixteen lanes of a float sum in two AVX2 registers
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_LANES_AVX2_H
#define KITH_LANES_AVX2_H

#include <immintrin.h>

#include "engine/kernels/measure.h"

typedef struct {
    __m256 low;     //  lanes 0 .. 7
    __m256 high;    //  lanes 8 .. 15
} kith_avx2_lanes_t;

//  All ones in lanes below `count`
KITH_INLINE __m256i
kith_avx2_mask (uint32_t count)
{
    const __m256i lane = _mm256_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32 (_mm256_set1_epi32 ((int) count), lane);
}

//  One step of eight lanes
KITH_INLINE __m256
kith_avx2_add (__m256 a, __m256 b, __m256 sum, bool l2)
{
    if (l2) {
        a = _mm256_sub_ps (a, b);
        b = a;
    }
    return _mm256_fmadd_ps (a, b, sum);
}

//  A tail is blended, not merely masked: adding a product of zeros would turn -0 into +0
KITH_INLINE __m256
kith_avx2_add_tail (__m256 a, __m256 b, __m256i mask, __m256 sum, bool l2)
{
    return _mm256_blendv_ps (sum, kith_avx2_add (a, b, sum, l2),
                             _mm256_castsi256_ps (mask));
}

//  Lanes i and i + 8, then i and i + 4: four sums are left
KITH_INLINE __m128
kith_avx2_fold (kith_avx2_lanes_t lanes)
{
    __m256 eight = _mm256_add_ps (lanes.low, lanes.high);
    return _mm_add_ps (_mm256_castps256_ps128 (eight), _mm256_extractf128_ps (eight, 1));
}

KITH_INLINE float
kith_avx2_one (kith_avx2_lanes_t lanes)
{
    __m128 four = kith_avx2_fold (lanes);
    __m128 two = _mm_add_ps (four, _mm_movehl_ps (four, four));
    return _mm_cvtss_f32 (_mm_add_ss (two, _mm_movehdup_ps (two)));
}

KITH_INLINE void
kith_avx2_store4 (const kith_avx2_lanes_t sums [4], float *out)
{
    __m128 four [4];
#pragma GCC unroll 4
    for (uint32_t row = 0; row < 4; row++)
        four [row] = kith_avx2_fold (sums [row]);
    _MM_TRANSPOSE4_PS (four [0], four [1], four [2], four [3]);
    __m128 even = _mm_add_ps (four [0], four [2]);
    __m128 odd = _mm_add_ps (four [1], four [3]);
    _mm_storeu_ps (out, _mm_add_ps (even, odd));
}

#endif
