//  int8_avx512vnni.c - sums of int8 vectors, AVX-512 VNNI
//  SPDX-License-Identifier: Apache-2.0
//
//  dpbusd multiplies unsigned by signed bytes: a row's numbers plus 128 are unsigned, and the sum is too large by 128 times
//  the query's own sum, which is taken off at the end. Squares of differences need 16 bits: dpwssd.
#include "engine/kernels/isa.h"
#include "engine/kernels/measure.h"
#include "engine/kernels/sums_avx512.h"

KITH_INLINE __m512i
s_load_tail (const char *vector, uint32_t index, uint32_t count)
{
    return _mm512_maskz_loadu_epi8 (kith_avx512_bytes (count), vector + index);
}

KITH_INLINE __m512i
s_add_dot (__m512i query, __m512i row, __m512i sum)
{
    __m512i above = _mm512_xor_si512 (row, _mm512_set1_epi8 (-128));
    return _mm512_dpbusd_epi32 (sum, above, query);
}

//  Minus 128 times the sum of the query, in sixteen parts
KITH_INLINE __m512i
s_excess (const char *query, uint32_t dim)
{
    const __m512i weight = _mm512_set1_epi8 (-128);    //  128 as unsigned
    __m512i sum = _mm512_setzero_si512 ();
    uint32_t index = 0;
    for (; index + 64 <= dim; index += 64)
        sum = _mm512_dpbusd_epi32 (sum, weight, _mm512_loadu_si512 (query + index));
    if (index < dim)
        sum = _mm512_dpbusd_epi32 (sum, weight, s_load_tail (query, index, dim - index));
    return _mm512_sub_epi32 (_mm512_setzero_si512 (), sum);
}

KITH_INLINE __m512i
s_add_l2 (__m512i query, __m512i row, __m512i sum)
{
    __m512i low = _mm512_sub_epi16 (_mm512_cvtepi8_epi16 (_mm512_castsi512_si256 (query)),
                                    _mm512_cvtepi8_epi16 (_mm512_castsi512_si256 (row)));
    __m512i high =
        _mm512_sub_epi16 (_mm512_cvtepi8_epi16 (_mm512_extracti64x4_epi64 (query, 1)),
                          _mm512_cvtepi8_epi16 (_mm512_extracti64x4_epi64 (row, 1)));
    return _mm512_dpwssd_epi32 (_mm512_dpwssd_epi32 (sum, low, low), high, high);
}

KITH_INLINE __m512i
s_add (__m512i query, __m512i row, __m512i sum, bool l2)
{
    return l2 ? s_add_l2 (query, row, sum) : s_add_dot (query, row, sum);
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, bool l2)
{
    const char *left = a, *right = b;
    __m512i sum = l2 ? _mm512_setzero_si512 () : s_excess (left, dim);
    uint32_t index = 0;
    for (; index + 64 <= dim; index += 64)
        sum = s_add (_mm512_loadu_si512 (left + index),
                     _mm512_loadu_si512 (right + index), sum, l2);
    if (index < dim)
        sum = s_add (s_load_tail (left, index, dim - index),
                     s_load_tail (right, index, dim - index), sum, l2);
    return (float) _mm512_reduce_add_epi32 (sum);
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, bool l2)
{
    const char *left = query;
    const char *const right [4] = {rows [0], rows [1], rows [2], rows [3]};
    const __m512i excess = l2 ? _mm512_setzero_si512 () : s_excess (left, dim);
    __m512i sums [4] = {excess, excess, excess, excess};
    uint32_t index = 0;
    for (; index + 64 <= dim; index += 64) {
        __m512i part = _mm512_loadu_si512 (left + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] =
                s_add (part, _mm512_loadu_si512 (right [row] + index), sums [row], l2);
    }
    if (index < dim) {
        __m512i part = s_load_tail (left, index, dim - index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_add (part, s_load_tail (right [row], index, dim - index),
                                sums [row], l2);
    }
    _mm_storeu_ps (out, _mm_cvtepi32_ps (kith_avx512_sum4 (sums)));
}

KITH_MEASURE (s_dot, false);
KITH_MEASURE (s_l2, true);

void
kith_fill_int8_avx512vnni (kith_kernels_t *table)
{
    table->int8_dot = s_dot;
    table->int8_l2 = s_l2;
}
