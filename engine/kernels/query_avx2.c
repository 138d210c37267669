//  query_avx2.c - a query on the scale of quantised rows: AVX2
//  SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "engine/kernels/isa.h"

//  The lanes of eight numbers that are there
static inline __m256i
s_there (uint32_t left)
{
    const __m256i lanes = _mm256_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32 (_mm256_set1_epi32 (left < 8 ? (int) left : 8), lanes);
}

static float
s_scale (const float *vector, const float *halves, uint32_t dim, float *scaled)
{
    const __m256i magnitude = _mm256_set1_epi32 (INT32_MAX);
    __m256i most = _mm256_setzero_si256 ();
    for (uint32_t index = 0; index < dim; index += 8) {
        const __m256i there = s_there (dim - index);
        const __m256 apart =
            _mm256_sub_ps (_mm256_maskload_ps (vector + index, there),
                           _mm256_maskload_ps (halves + dim + index, there));
        const __m256 each =
            _mm256_mul_ps (apart, _mm256_maskload_ps (halves + index, there));
        _mm256_maskstore_ps (scaled + index, there, each);
        most = _mm256_max_epi32 (
            most, _mm256_and_si256 (_mm256_castps_si256 (each), magnitude));
    }
    __m128i four =
        _mm_max_epi32 (_mm256_castsi256_si128 (most), _mm256_extracti128_si256 (most, 1));
    four = _mm_max_epi32 (four, _mm_shuffle_epi32 (four, 0x4e));
    four = _mm_max_epi32 (four, _mm_shuffle_epi32 (four, 0xb1));
    return _mm_cvtss_f32 (_mm_castsi128_ps (four));
}

static int32_t
s_round (const float *scaled, uint32_t count, float up, int8_t *levels)
{
    const __m256 sign = _mm256_set1_ps (-0.0f), half = _mm256_set1_ps (0.5f);
    int32_t sum = 0;
    for (uint32_t index = 0; index < count; index += 8) {
        const uint32_t left = count - index < 8 ? count - index : 8;
        int32_t eight [8];
        const __m256 value = _mm256_mul_ps (
            _mm256_maskload_ps (scaled + index, s_there (left)), _mm256_set1_ps (up));
        const __m256 toward = _mm256_or_ps (_mm256_and_ps (value, sign), half);
        _mm256_storeu_si256 ((__m256i_u *) eight,
                             _mm256_cvttps_epi32 (_mm256_add_ps (value, toward)));
        for (uint32_t each = 0; each < left; each++) {
            levels [index + each] = (int8_t) eight [each];
            sum += eight [each];
        }
    }
    return sum;
}

void
kith_fill_query_avx2 (kith_kernels_t *table)
{
    table->query_scale = s_scale;
    table->query_round = s_round;
}
