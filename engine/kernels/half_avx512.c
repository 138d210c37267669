//  half_avx512.c - sums of float16 and bfloat16 vectors, AVX-512 F, BW, VL, DQ
//  SPDX-License-Identifier: Apache-2.0
//
//  The dot products of AVX512-BF16 flush denormals and round otherwise: numbers are widened, which is exact.
#include "engine/kernels/isa.h"
#include "engine/kernels/lanes_avx512.h"

enum { L2 = 1, BFLOAT16 = 2 };

KITH_INLINE __m512
s_widen (__m256i halves, int kind)
{
    if (kind & BFLOAT16)
        return _mm512_castsi512_ps (
            _mm512_slli_epi32 (_mm512_cvtepu16_epi32 (halves), 16));
    return _mm512_cvtph_ps (halves);
}

KITH_INLINE __m512
s_load (const char *vector, uint32_t index, int kind)
{
    return s_widen (
        _mm256_loadu_si256 ((const __m256i_u *) (vector + 2 * (size_t) index)), kind);
}

KITH_INLINE __m512
s_load_tail (const char *vector, uint32_t index, __mmask16 mask, int kind)
{
    return s_widen (_mm256_maskz_loadu_epi16 (mask, vector + 2 * (size_t) index), kind);
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, int kind)
{
    __m512 lanes = _mm512_setzero_ps ();
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16)
        lanes = kith_avx512_add (s_load (a, index, kind), s_load (b, index, kind), lanes,
                                 kind & L2);
    if (index < dim) {
        __mmask16 mask = kith_avx512_mask (dim - index);
        lanes = kith_avx512_add_tail (s_load_tail (a, index, mask, kind),
                                      s_load_tail (b, index, mask, kind), mask, lanes,
                                      kind & L2);
    }
    return kith_avx512_one (lanes);
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, int kind)
{
    __m512 sums [4] = {_mm512_setzero_ps (), _mm512_setzero_ps (), _mm512_setzero_ps (),
                       _mm512_setzero_ps ()};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        __m512 part = s_load (query, index, kind);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = kith_avx512_add (part, s_load (rows [row], index, kind),
                                          sums [row], kind & L2);
    }
    if (index < dim) {
        __mmask16 mask = kith_avx512_mask (dim - index);
        __m512 part = s_load_tail (query, index, mask, kind);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] =
                kith_avx512_add_tail (part, s_load_tail (rows [row], index, mask, kind),
                                      mask, sums [row], kind & L2);
    }
    kith_avx512_store4 (sums, out);
}

KITH_MEASURE (s_float16_dot, 0);
KITH_MEASURE (s_float16_l2, L2);
KITH_MEASURE (s_bfloat16_dot, BFLOAT16);
KITH_MEASURE (s_bfloat16_l2, BFLOAT16 | L2);

KITH_INLINE void
s_widen_all (const char *halves, size_t count, float *out, int kind)
{
    for (; count >= 16; count -= 16, halves += 32, out += 16)
        _mm512_storeu_ps (out, s_load (halves, 0, kind));
    if (count > 0) {
        __mmask16 mask = kith_avx512_mask ((uint32_t) count);
        _mm512_mask_storeu_ps (out, mask, s_load_tail (halves, 0, mask, kind));
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
kith_fill_half_avx512 (kith_kernels_t *table)
{
    table->float16_dot = s_float16_dot;
    table->float16_l2 = s_float16_l2;
    table->bfloat16_dot = s_bfloat16_dot;
    table->bfloat16_l2 = s_bfloat16_l2;
    table->float16_widen = s_float16_widen;
    table->bfloat16_widen = s_bfloat16_widen;
}
