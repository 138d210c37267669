//  codes_steps_avx512.h - the loops over quantised rows that the levels of AVX-512 share; what a level brings is a step
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CODES_STEPS_AVX512_H
#define KITH_CODES_STEPS_AVX512_H

#include "engine/kernels/measure.h"
#include "engine/kernels/sums_avx512.h"

//  Adds to sum the products of two times 64 codes of 4 bits with as many bytes of a query
typedef __m512i kith_avx512_nibbles_fn (__m512i sum, __m512i low, __m512i first,
                                        __m512i high, __m512i second);

//  The same of 64 codes of 7 bits
typedef __m512i kith_avx512_bytes_fn (__m512i sum, __m512i code, __m512i query);

KITH_INLINE void
kith_avx512_nibbles4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
                      int32_t out [4], kith_avx512_nibbles_fn *step)
{
    const __m512i nibble = _mm512_set1_epi8 (15);
    __m512i sums [4] = {_mm512_setzero_si512 (), _mm512_setzero_si512 (),
                        _mm512_setzero_si512 (), _mm512_setzero_si512 ()};
    for (uint32_t index = 0; index < bytes; index += 64) {
        __m512i first = _mm512_loadu_si512 (query + index);
        __m512i second = _mm512_loadu_si512 (query + bytes + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            __m512i code = _mm512_loadu_si512 (codes [row] + index);
            __m512i low = _mm512_and_si512 (code, nibble);
            __m512i high = _mm512_and_si512 (_mm512_srli_epi16 (code, 4), nibble);
            sums [row] = step (sums [row], low, first, high, second);
        }
    }
    _mm_storeu_si128 ((__m128i_u *) out, kith_avx512_sum4 (sums));
}

KITH_INLINE void
kith_avx512_bytes4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
                    int32_t out [4], kith_avx512_bytes_fn *step)
{
    const __m512i seven = _mm512_set1_epi8 (127);
    __m512i sums [4] = {_mm512_setzero_si512 (), _mm512_setzero_si512 (),
                        _mm512_setzero_si512 (), _mm512_setzero_si512 ()};
    for (uint32_t index = 0; index < bytes; index += 64) {
        __m512i first = _mm512_loadu_si512 (query + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            __m512i code = _mm512_loadu_si512 (codes [row] + index);
            sums [row] = step (sums [row], _mm512_and_si512 (code, seven), first);
        }
    }
    _mm_storeu_si128 ((__m128i_u *) out, kith_avx512_sum4 (sums));
}

#endif
