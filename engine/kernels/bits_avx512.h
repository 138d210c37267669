//  bits_avx512.h - distances of binary vectors in AVX-512 registers
//  SPDX-License-Identifier: Apache-2.0
//
//  Included by a file that has defined how ones are counted: s_ones, 32-bit sums of which only their total matters.
#ifndef KITH_BITS_AVX512_H
#define KITH_BITS_AVX512_H

#include "engine/kernels/bits_rest.h"
#include "engine/kernels/sums_avx512.h"

typedef struct {
    __m512i differ;
    __m512i either;
} s_counts_t;

KITH_INLINE __m512i s_ones (__m512i bits);

KITH_INLINE s_counts_t
s_add (__m512i a, __m512i b, s_counts_t sums, bool jaccard)
{
    sums.differ = _mm512_add_epi32 (sums.differ, s_ones (_mm512_xor_si512 (a, b)));
    if (jaccard)
        sums.either = _mm512_add_epi32 (sums.either, s_ones (_mm512_or_si512 (a, b)));
    return sums;
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, bool jaccard)
{
    const uint8_t *left = a, *right = b;
    const uint32_t bytes = dim / 8;
    s_counts_t sums = {_mm512_setzero_si512 (), _mm512_setzero_si512 ()};
    uint32_t index = 0;
    for (; index + 64 <= bytes; index += 64)
        sums = s_add (_mm512_loadu_si512 (left + index),
                      _mm512_loadu_si512 (right + index), sums, jaccard);
    if (index < bytes) {
        __mmask64 mask = kith_avx512_bytes (bytes - index);
        sums = s_add (_mm512_maskz_loadu_epi8 (mask, left + index),
                      _mm512_maskz_loadu_epi8 (mask, right + index), sums, jaccard);
    }
    kith_bit_counts_t counts = {(uint32_t) _mm512_reduce_add_epi32 (sums.differ),
                                (uint32_t) _mm512_reduce_add_epi32 (sums.either)};
    return kith_bits_distance (kith_bits_rest (left, right, dim, counts), jaccard);
}

//  Distances of four rows from sums over their whole bytes
KITH_INLINE void
s_finish (const s_counts_t sums [4], const uint8_t *query, const void *const rows [4],
          uint32_t dim, float *out, bool jaccard)
{
    const __m512i differ [4] = {sums [0].differ, sums [1].differ, sums [2].differ,
                                sums [3].differ};
    const __m512i either [4] = {sums [0].either, sums [1].either, sums [2].either,
                                sums [3].either};
    int32_t differ4 [4], either4 [4] = {0};
    _mm_storeu_si128 ((__m128i_u *) differ4, kith_avx512_sum4 (differ));
    if (jaccard)
        _mm_storeu_si128 ((__m128i_u *) either4, kith_avx512_sum4 (either));
    for (uint32_t row = 0; row < 4; row++) {
        kith_bit_counts_t counts = {(uint32_t) differ4 [row], (uint32_t) either4 [row]};
        out [row] =
            kith_bits_distance (kith_bits_rest (query, rows [row], dim, counts), jaccard);
    }
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out,
        bool jaccard)
{
    const uint8_t *left = query;
    const uint8_t *const right [4] = {rows [0], rows [1], rows [2], rows [3]};
    const uint32_t bytes = dim / 8;
    const __m512i zero = _mm512_setzero_si512 ();
    s_counts_t sums [4] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
    uint32_t index = 0;
    for (; index + 64 <= bytes; index += 64) {
        __m512i part = _mm512_loadu_si512 (left + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_add (part, _mm512_loadu_si512 (right [row] + index),
                                sums [row], jaccard);
    }
    if (index < bytes) {
        __mmask64 mask = kith_avx512_bytes (bytes - index);
        __m512i part = _mm512_maskz_loadu_epi8 (mask, left + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_add (part, _mm512_maskz_loadu_epi8 (mask, right [row] + index),
                                sums [row], jaccard);
    }
    s_finish (sums, left, rows, dim, out, jaccard);
}

#endif
