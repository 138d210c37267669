//  query_avx512.c - a query on the scale of quantised rows: AVX-512 F
//  SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "engine/kernels/isa.h"

//  The lanes of sixteen numbers from `index` on that are there
static inline __mmask16
s_there (uint32_t count, uint32_t index)
{
    return count - index < 16 ? (__mmask16) ((1u << (count - index)) - 1) : 0xffff;
}

static float
s_scale (const float *vector, const float *halves, uint32_t dim, float *scaled)
{
    const __m512i magnitude = _mm512_set1_epi32 (INT32_MAX);
    __m512i most = _mm512_setzero_si512 ();
    for (uint32_t index = 0; index < dim; index += 16) {
        const __mmask16 there = s_there (dim, index);
        const __m512 apart =
            _mm512_sub_ps (_mm512_maskz_loadu_ps (there, vector + index),
                           _mm512_maskz_loadu_ps (there, halves + dim + index));
        const __m512 each =
            _mm512_mul_ps (apart, _mm512_maskz_loadu_ps (there, halves + index));
        _mm512_mask_storeu_ps (scaled + index, there, each);
        most = _mm512_max_epi32 (
            most, _mm512_and_si512 (_mm512_castps_si512 (each), magnitude));
    }
    return _mm_cvtss_f32 (
        _mm_castsi128_ps (_mm_cvtsi32_si128 (_mm512_reduce_max_epi32 (most))));
}

static int32_t
s_round (const float *scaled, uint32_t count, float up, int8_t *levels)
{
    const __m512i sign = _mm512_set1_epi32 (INT32_MIN);
    const __m512i half = _mm512_castps_si512 (_mm512_set1_ps (0.5f));
    __m512i sums = _mm512_setzero_si512 ();
    for (uint32_t index = 0; index < count; index += 16) {
        const __mmask16 there = s_there (count, index);
        const __m512 value = _mm512_mul_ps (_mm512_maskz_loadu_ps (there, scaled + index),
                                            _mm512_set1_ps (up));
        const __m512i toward =
            _mm512_or_si512 (_mm512_and_si512 (_mm512_castps_si512 (value), sign), half);
        const __m512i level = _mm512_maskz_cvttps_epi32 (
            there, _mm512_add_ps (value, _mm512_castsi512_ps (toward)));
        _mm512_mask_cvtepi32_storeu_epi8 (levels + index, there, level);
        sums = _mm512_add_epi32 (sums, level);
    }
    return _mm512_reduce_add_epi32 (sums);
}

void
kith_fill_query_avx512 (kith_kernels_t *table)
{
    table->query_scale = s_scale;
    table->query_round = s_round;
}
