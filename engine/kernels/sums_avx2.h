//  sums_avx2.h - folds of integer sums in AVX2 registers
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_SUMS_AVX2_H
#define KITH_SUMS_AVX2_H

#include <immintrin.h>

//  The sums of four registers of eight 32-bit integers each
static inline __m128i
kith_avx2_sum4 (const __m256i sums [4])
{
    __m256i left = _mm256_add_epi32 (_mm256_unpacklo_epi32 (sums [0], sums [1]),
                                     _mm256_unpackhi_epi32 (sums [0], sums [1]));
    __m256i right = _mm256_add_epi32 (_mm256_unpacklo_epi32 (sums [2], sums [3]),
                                      _mm256_unpackhi_epi32 (sums [2], sums [3]));
    __m256i both = _mm256_add_epi32 (_mm256_unpacklo_epi64 (left, right),
                                     _mm256_unpackhi_epi64 (left, right));
    return _mm_add_epi32 (_mm256_castsi256_si128 (both),
                          _mm256_extracti128_si256 (both, 1));
}

//  The sum of one
static inline int32_t
kith_avx2_sum (__m256i sums)
{
    __m128i four =
        _mm_add_epi32 (_mm256_castsi256_si128 (sums), _mm256_extracti128_si256 (sums, 1));
    __m128i two = _mm_add_epi32 (four, _mm_unpackhi_epi64 (four, four));
    return _mm_cvtsi128_si32 (_mm_add_epi32 (two, _mm_shuffle_epi32 (two, 1)));
}

#endif
