//  lanes_avx512.h - the sixteen lanes of a float sum in one AVX-512 register
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_LANES_AVX512_H
#define KITH_LANES_AVX512_H

#include <immintrin.h>

#include "engine/kernels/measure.h"

//  All ones in the first `count` lanes: 1 .. 15
KITH_INLINE __mmask16
kith_avx512_mask (uint32_t count)
{
    return (__mmask16) ((1u << count) - 1);
}

//  One step of every lane
KITH_INLINE __m512
kith_avx512_add (__m512 a, __m512 b, __m512 sum, bool l2)
{
    if (l2) {
        a = _mm512_sub_ps (a, b);
        b = a;
    }
    return _mm512_fmadd_ps (a, b, sum);
}

//  A tail leaves the other lanes as they are: adding a product of zeros would turn -0 into +0
KITH_INLINE __m512
kith_avx512_add_tail (__m512 a, __m512 b, __mmask16 mask, __m512 sum, bool l2)
{
    if (l2) {
        a = _mm512_sub_ps (a, b);
        b = a;
    }
    return _mm512_mask3_fmadd_ps (a, b, sum, mask);
}

//  Lanes i and i + 8, then i and i + 4: four sums are left
KITH_INLINE __m128
kith_avx512_fold (__m512 lanes)
{
    __m256 eight =
        _mm256_add_ps (_mm512_castps512_ps256 (lanes), _mm512_extractf32x8_ps (lanes, 1));
    return _mm_add_ps (_mm256_castps256_ps128 (eight), _mm256_extractf128_ps (eight, 1));
}

KITH_INLINE float
kith_avx512_one (__m512 lanes)
{
    __m128 four = kith_avx512_fold (lanes);
    __m128 two = _mm_add_ps (four, _mm_movehl_ps (four, four));
    return _mm_cvtss_f32 (_mm_add_ss (two, _mm_movehdup_ps (two)));
}

KITH_INLINE void
kith_avx512_store4 (const __m512 sums [4], float *out)
{
    __m128 four [4];
#pragma GCC unroll 4
    for (uint32_t row = 0; row < 4; row++)
        four [row] = kith_avx512_fold (sums [row]);
    _MM_TRANSPOSE4_PS (four [0], four [1], four [2], four [3]);
    __m128 even = _mm_add_ps (four [0], four [2]);
    __m128 odd = _mm_add_ps (four [1], four [3]);
    _mm_storeu_ps (out, _mm_add_ps (even, odd));
}

#endif
