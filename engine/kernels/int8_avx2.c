//  int8_avx2.c - sums of int8 vectors, AVX2
//  SPDX-License-Identifier: Apache-2.0
//
//  Sixteen numbers a step, widened to 16 bits, where a product and a difference fit.
#include "engine/kernels/isa.h"
#include "engine/kernels/measure.h"
#include "engine/kernels/sums_avx2.h"

KITH_INLINE __m256i
s_load (const char *vector, uint32_t index)
{
    return _mm256_cvtepi8_epi16 (_mm_loadu_si128 ((const __m128i_u *) (vector + index)));
}

//  Sixteen numbers of which `count` are the vector's
KITH_INLINE __m256i
s_load_tail (const char *vector, uint32_t index, uint32_t count)
{
    char left [16] = {0};
    memcpy (left, vector + index, count);
    return s_load (left, 0);
}

KITH_INLINE __m256i
s_add (__m256i a, __m256i b, __m256i sum, bool l2)
{
    if (l2) {
        a = _mm256_sub_epi16 (a, b);
        b = a;
    }
    return _mm256_add_epi32 (sum, _mm256_madd_epi16 (a, b));
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, bool l2)
{
    __m256i sum = _mm256_setzero_si256 ();
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16)
        sum = s_add (s_load (a, index), s_load (b, index), sum, l2);
    if (index < dim)
        sum = s_add (s_load_tail (a, index, dim - index),
                     s_load_tail (b, index, dim - index), sum, l2);
    return (float) kith_avx2_sum (sum);
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, bool l2)
{
    __m256i sums [4] = {_mm256_setzero_si256 (), _mm256_setzero_si256 (),
                        _mm256_setzero_si256 (), _mm256_setzero_si256 ()};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        __m256i part = s_load (query, index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_add (part, s_load (rows [row], index), sums [row], l2);
    }
    if (index < dim) {
        __m256i part = s_load_tail (query, index, dim - index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_add (part, s_load_tail (rows [row], index, dim - index),
                                sums [row], l2);
    }
    _mm_storeu_ps (out, _mm_cvtepi32_ps (kith_avx2_sum4 (sums)));
}

KITH_MEASURE (s_dot, false);
KITH_MEASURE (s_l2, true);

void
kith_fill_int8_avx2 (kith_kernels_t *table)
{
    table->int8_dot = s_dot;
    table->int8_l2 = s_l2;
}
