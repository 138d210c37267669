//  sums_avx512.h - folds of integer sums in AVX-512 registers
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_SUMS_AVX512_H
#define KITH_SUMS_AVX512_H

#include <immintrin.h>

//  The sums of four registers of sixteen 32-bit integers each
static inline __m128i
kith_avx512_sum4 (const __m512i sums [4])
{
    __m512i left = _mm512_add_epi32 (_mm512_unpacklo_epi32 (sums [0], sums [1]),
                                     _mm512_unpackhi_epi32 (sums [0], sums [1]));
    __m512i right = _mm512_add_epi32 (_mm512_unpacklo_epi32 (sums [2], sums [3]),
                                      _mm512_unpackhi_epi32 (sums [2], sums [3]));
    __m512i both = _mm512_add_epi32 (_mm512_unpacklo_epi64 (left, right),
                                     _mm512_unpackhi_epi64 (left, right));
    __m256i half = _mm256_add_epi32 (_mm512_castsi512_si256 (both),
                                     _mm512_extracti64x4_epi64 (both, 1));
    return _mm_add_epi32 (_mm256_castsi256_si128 (half),
                          _mm256_extracti128_si256 (half, 1));
}

//  All ones in the first `count` bytes: 1 .. 63
static inline __mmask64
kith_avx512_bytes (uint32_t count)
{
    return ((__mmask64) 1 << count) - 1;
}

#endif
