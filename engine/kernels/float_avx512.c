//  float_avx512.c - sums of float32 vectors, AVX-512 F, BW, VL, DQ
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/isa.h"
#include "engine/kernels/lanes_avx512.h"

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, bool l2)
{
    const float *left = a, *right = b;
    __m512 lanes = _mm512_setzero_ps ();
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16)
        lanes = kith_avx512_add (_mm512_loadu_ps (left + index),
                                 _mm512_loadu_ps (right + index), lanes, l2);
    if (index < dim) {
        __mmask16 mask = kith_avx512_mask (dim - index);
        lanes = kith_avx512_add_tail (_mm512_maskz_loadu_ps (mask, left + index),
                                      _mm512_maskz_loadu_ps (mask, right + index), mask,
                                      lanes, l2);
    }
    return kith_avx512_one (lanes);
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, bool l2)
{
    const float *left = query;
    const float *const right [4] = {rows [0], rows [1], rows [2], rows [3]};
    __m512 sums [4] = {_mm512_setzero_ps (), _mm512_setzero_ps (), _mm512_setzero_ps (),
                       _mm512_setzero_ps ()};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        __m512 part = _mm512_loadu_ps (left + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = kith_avx512_add (part, _mm512_loadu_ps (right [row] + index),
                                          sums [row], l2);
    }
    if (index < dim) {
        __mmask16 mask = kith_avx512_mask (dim - index);
        __m512 part = _mm512_maskz_loadu_ps (mask, left + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = kith_avx512_add_tail (
                part, _mm512_maskz_loadu_ps (mask, right [row] + index), mask, sums [row],
                l2);
    }
    kith_avx512_store4 (sums, out);
}

KITH_MEASURE (s_dot, false);
KITH_MEASURE (s_l2, true);

static uint32_t
s_keep (const kith_keep_t *keep, uint32_t *kept)
{
    const __m512 limit = _mm512_set1_ps (keep->limit);
    uint32_t found = 0;
    for (uint32_t index = 0; index < keep->count; index += 16) {
        uint32_t left = keep->count - index;
        __mmask16 mask = left < 16 ? kith_avx512_mask (left) : (__mmask16) 0xffff;
        __m512 dots = _mm512_maskz_loadu_ps (mask, keep->dots + index);
        __m512 scale = _mm512_maskz_loadu_ps (mask, keep->scale + index);
        __m512 shift = _mm512_maskz_loadu_ps (mask, keep->shift + index);
        __m512 value = _mm512_fnmadd_ps (scale, dots, shift);
        uint32_t bits = _mm512_mask_cmp_ps_mask (mask, value, limit, _CMP_NGT_UQ);
        for (; bits; bits &= bits - 1)
            kept [found++] = index + (uint32_t) __builtin_ctz (bits);
    }
    return found;
}

void
kith_fill_float_avx512 (kith_kernels_t *table)
{
    kith_kernels_set_float32 (table, &s_dot, &s_l2);
    table->keep = s_keep;
}
