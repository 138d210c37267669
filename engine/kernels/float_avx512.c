//  float_avx512.c - sums of float32 vectors, AVX-512 F, BW, VL, DQ
//  SPDX-License-Identifier: Apache-2.0
//
//  One register is the 16 lanes of the specification; a tail leaves the other lanes as they are (mask3).
#include <immintrin.h>

#include "engine/kernels/isa.h"

enum {
    SHORT = 1024    //  bytes of a row that the hardware does not prefetch well by itself
};

//  count: 1 .. 15
static inline __mmask16
s_mask (uint32_t count)
{
    return (__mmask16) ((1u << count) - 1);
}

static inline __m512
s_step (__m512 query, const float *row, __m512 sum, bool l2)
{
    __m512 other = _mm512_loadu_ps (row);
    if (l2) {
        other = _mm512_sub_ps (query, other);
        query = other;
    }
    return _mm512_fmadd_ps (query, other, sum);
}

static inline __m512
s_tail (__m512 query, const float *row, __mmask16 mask, __m512 sum, bool l2)
{
    __m512 other = _mm512_maskz_loadu_ps (mask, row);
    if (l2) {
        other = _mm512_sub_ps (query, other);
        query = other;
    }
    return _mm512_mask3_fmadd_ps (query, other, sum, mask);
}

//  Lanes i and i + 8, then i and i + 4: four sums are left
static inline __m128
s_fold (__m512 lanes)
{
    __m256 eight =
        _mm256_add_ps (_mm512_castps512_ps256 (lanes), _mm512_extractf32x8_ps (lanes, 1));
    return _mm_add_ps (_mm256_castps256_ps128 (eight), _mm256_extractf128_ps (eight, 1));
}

static inline float
s_pair (const float *a, const float *b, uint32_t dim, bool l2)
{
    __m512 lanes = _mm512_setzero_ps ();
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16)
        lanes = s_step (_mm512_loadu_ps (a + index), b + index, lanes, l2);
    if (index < dim) {
        __mmask16 mask = s_mask (dim - index);
        lanes =
            s_tail (_mm512_maskz_loadu_ps (mask, a + index), b + index, mask, lanes, l2);
    }
    __m128 four = s_fold (lanes);
    __m128 two = _mm_add_ps (four, _mm_movehl_ps (four, four));
    return _mm_cvtss_f32 (_mm_add_ss (two, _mm_movehdup_ps (two)));
}

static inline void
s_four (const float *query, const float *const rows [4], uint32_t dim, float *out,
        bool l2)
{
    __m512 sums [4] = {_mm512_setzero_ps (), _mm512_setzero_ps (), _mm512_setzero_ps (),
                       _mm512_setzero_ps ()};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        __m512 part = _mm512_loadu_ps (query + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_step (part, rows [row] + index, sums [row], l2);
    }
    if (index < dim) {
        __mmask16 mask = s_mask (dim - index);
        __m512 part = _mm512_maskz_loadu_ps (mask, query + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_tail (part, rows [row] + index, mask, sums [row], l2);
    }
    __m128 four [4];
#pragma GCC unroll 4
    for (uint32_t row = 0; row < 4; row++)
        four [row] = s_fold (sums [row]);
    _MM_TRANSPOSE4_PS (four [0], four [1], four [2], four [3]);
    __m128 even = _mm_add_ps (four [0], four [2]);
    __m128 odd = _mm_add_ps (four [1], four [3]);
    _mm_storeu_ps (out, _mm_add_ps (even, odd));
}

static inline void
s_rows (const float *query, const char *first, size_t stride, uint32_t count,
        uint32_t dim, float *out, bool l2)
{
    uint32_t row = 0;
    for (; row + 4 <= count; row += 4) {
        const void *four [4];
        for (uint32_t each = 0; each < 4; each++)
            four [each] = first + (row + each) * stride;
        //  Rows are too short for the hardware to see a stream in each
        const char *after = first + (row + 4) * stride;
        for (size_t at = 0; at < 4 * stride && stride <= SHORT; at += 64)
            __builtin_prefetch (after + at);
        const float *const rows [4] = {four [0], four [1], four [2], four [3]};
        s_four (query, rows, dim, out + row, l2);
    }
    for (; row < count; row++) {
        const void *last = first + row * stride;
        out [row] = s_pair (query, last, dim, l2);
    }
}

static float
s_dot (const void *a, const void *b, uint32_t dim)
{
    return s_pair (a, b, dim, false);
}

static float
s_l2 (const void *a, const void *b, uint32_t dim)
{
    return s_pair (a, b, dim, true);
}

static void
s_dot4 (const void *query, const void *const rows [4], uint32_t dim, float out [4])
{
    const float *const floats [4] = {rows [0], rows [1], rows [2], rows [3]};
    s_four (query, floats, dim, out, false);
}

static void
s_l2_4 (const void *query, const void *const rows [4], uint32_t dim, float out [4])
{
    const float *const floats [4] = {rows [0], rows [1], rows [2], rows [3]};
    s_four (query, floats, dim, out, true);
}

static void
s_dot_rows (const void *query, const void *first, size_t stride, uint32_t count,
            uint32_t dim, float *out)
{
    s_rows (query, first, stride, count, dim, out, false);
}

static void
s_l2_rows (const void *query, const void *first, size_t stride, uint32_t count,
           uint32_t dim, float *out)
{
    s_rows (query, first, stride, count, dim, out, true);
}

static uint32_t
s_keep (const kith_keep_t *keep, uint32_t *kept)
{
    const __m512 limit = _mm512_set1_ps (keep->limit);
    uint32_t found = 0;
    for (uint32_t index = 0; index < keep->count; index += 16) {
        uint32_t left = keep->count - index;
        __mmask16 mask = left < 16 ? s_mask (left) : (__mmask16) 0xffff;
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
    table->dot = s_dot;
    table->l2 = s_l2;
    table->dot4 = s_dot4;
    table->l2_4 = s_l2_4;
    table->dot_rows = s_dot_rows;
    table->l2_rows = s_l2_rows;
    table->keep = s_keep;
}
