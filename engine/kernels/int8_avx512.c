//  int8_avx512.c - sums of int8 vectors, AVX-512 BW, VL
//  SPDX-License-Identifier: Apache-2.0
//
//  Thirty-two numbers a step, widened to 16 bits, where a product and a difference fit.
#include "engine/kernels/isa.h"
#include "engine/kernels/measure.h"
#include "engine/kernels/sums_avx512.h"

KITH_INLINE __m512i
s_load (const char *vector, uint32_t index)
{
    return _mm512_cvtepi8_epi16 (
        _mm256_loadu_si256 ((const __m256i_u *) (vector + index)));
}

KITH_INLINE __m512i
s_load_tail (const char *vector, uint32_t index, __mmask32 mask)
{
    return _mm512_cvtepi8_epi16 (_mm256_maskz_loadu_epi8 (mask, vector + index));
}

KITH_INLINE __m512i
s_add (__m512i a, __m512i b, __m512i sum, bool l2)
{
    if (l2) {
        a = _mm512_sub_epi16 (a, b);
        b = a;
    }
    return _mm512_add_epi32 (sum, _mm512_madd_epi16 (a, b));
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, bool l2)
{
    __m512i sum = _mm512_setzero_si512 ();
    uint32_t index = 0;
    for (; index + 32 <= dim; index += 32)
        sum = s_add (s_load (a, index), s_load (b, index), sum, l2);
    if (index < dim) {
        __mmask32 mask = (__mmask32) kith_avx512_bytes (dim - index);
        sum = s_add (s_load_tail (a, index, mask), s_load_tail (b, index, mask), sum, l2);
    }
    return (float) _mm512_reduce_add_epi32 (sum);
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, bool l2)
{
    __m512i sums [4] = {_mm512_setzero_si512 (), _mm512_setzero_si512 (),
                        _mm512_setzero_si512 (), _mm512_setzero_si512 ()};
    uint32_t index = 0;
    for (; index + 32 <= dim; index += 32) {
        __m512i part = s_load (query, index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_add (part, s_load (rows [row], index), sums [row], l2);
    }
    if (index < dim) {
        __mmask32 mask = (__mmask32) kith_avx512_bytes (dim - index);
        __m512i part = s_load_tail (query, index, mask);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] =
                s_add (part, s_load_tail (rows [row], index, mask), sums [row], l2);
    }
    _mm_storeu_ps (out, _mm_cvtepi32_ps (kith_avx512_sum4 (sums)));
}

KITH_MEASURE (s_dot, false);
KITH_MEASURE (s_l2, true);

void
kith_fill_int8_avx512 (kith_kernels_t *table)
{
    table->int8_dot = s_dot;
    table->int8_l2 = s_l2;
}
