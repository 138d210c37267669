//  float_avx2.c - sums of float32 vectors, AVX2 with FMA
//  SPDX-License-Identifier: Apache-2.0
//
//  Two registers are the 16 lanes of the specification. A tail is blended, not merely masked: adding a product of zeros
//  would turn a lane of -0 into +0.
#include <immintrin.h>

#include "engine/kernels/isa.h"

enum {
    SHORT = 1024    //  bytes of a row that the hardware does not prefetch well by itself
};

//  Sums of the 16 lanes of one row
typedef struct {
    __m256 low;     //  lanes 0 .. 7
    __m256 high;    //  lanes 8 .. 15
} s_lanes_t;

//  All ones in lanes below `count`
static inline __m256i
s_mask (uint32_t count)
{
    const __m256i lane = _mm256_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32 (_mm256_set1_epi32 ((int) count), lane);
}

static inline __m256
s_tail (const float *a, const float *b, uint32_t count, __m256 sum, bool l2)
{
    __m256i mask = s_mask (count);
    __m256 left = _mm256_maskload_ps (a, mask);
    __m256 right = _mm256_maskload_ps (b, mask);
    if (l2) {
        left = _mm256_sub_ps (left, right);
        right = left;
    }
    return _mm256_blendv_ps (sum, _mm256_fmadd_ps (left, right, sum),
                             _mm256_castsi256_ps (mask));
}

static inline __m256
s_step (__m256 query, const float *row, __m256 sum, bool l2)
{
    __m256 other = _mm256_loadu_ps (row);
    if (l2) {
        other = _mm256_sub_ps (query, other);
        query = other;
    }
    return _mm256_fmadd_ps (query, other, sum);
}

//  Adds what remains from `index` on
static inline s_lanes_t
s_finish (const float *a, const float *b, uint32_t index, uint32_t dim, s_lanes_t lanes,
          bool l2)
{
    if (index + 8 <= dim) {
        lanes.low = s_step (_mm256_loadu_ps (a + index), b + index, lanes.low, l2);
        index += 8;
        if (index < dim)
            lanes.high = s_tail (a + index, b + index, dim - index, lanes.high, l2);
    }
    else if (index < dim)
        lanes.low = s_tail (a + index, b + index, dim - index, lanes.low, l2);
    return lanes;
}

//  Lanes i and i + 8, then i and i + 4: four sums are left
static inline __m128
s_fold (s_lanes_t lanes)
{
    __m256 eight = _mm256_add_ps (lanes.low, lanes.high);
    return _mm_add_ps (_mm256_castps256_ps128 (eight), _mm256_extractf128_ps (eight, 1));
}

static inline float
s_pair (const float *a, const float *b, uint32_t dim, bool l2)
{
    s_lanes_t lanes = {_mm256_setzero_ps (), _mm256_setzero_ps ()};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        lanes.low = s_step (_mm256_loadu_ps (a + index), b + index, lanes.low, l2);
        lanes.high =
            s_step (_mm256_loadu_ps (a + index + 8), b + index + 8, lanes.high, l2);
    }
    __m128 four = s_fold (s_finish (a, b, index, dim, lanes, l2));
    __m128 two = _mm_add_ps (four, _mm_movehl_ps (four, four));
    return _mm_cvtss_f32 (_mm_add_ss (two, _mm_movehdup_ps (two)));
}

static inline void
s_four (const float *query, const float *const rows [4], uint32_t dim, float *out,
        bool l2)
{
    const __m256 zero = _mm256_setzero_ps ();
    s_lanes_t sums [4] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        __m256 low = _mm256_loadu_ps (query + index);
        __m256 high = _mm256_loadu_ps (query + index + 8);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            sums [row].low = s_step (low, rows [row] + index, sums [row].low, l2);
            sums [row].high = s_step (high, rows [row] + index + 8, sums [row].high, l2);
        }
    }
    __m128 four [4];
#pragma GCC unroll 4
    for (uint32_t row = 0; row < 4; row++)
        four [row] = s_fold (s_finish (query, rows [row], index, dim, sums [row], l2));
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
    const __m256 limit = _mm256_set1_ps (keep->limit);
    uint32_t found = 0;
    for (uint32_t index = 0; index < keep->count; index += 8) {
        __m256i mask = s_mask (keep->count - index);
        __m256 dots = _mm256_maskload_ps (keep->dots + index, mask);
        __m256 scale = _mm256_maskload_ps (keep->scale + index, mask);
        __m256 shift = _mm256_maskload_ps (keep->shift + index, mask);
        __m256 value = _mm256_fnmadd_ps (scale, dots, shift);
        __m256 stays = _mm256_and_ps (_mm256_cmp_ps (value, limit, _CMP_NGT_UQ),
                                      _mm256_castsi256_ps (mask));
        uint32_t bits = (uint32_t) _mm256_movemask_ps (stays);
        for (; bits; bits &= bits - 1)
            kept [found++] = index + (uint32_t) __builtin_ctz (bits);
    }
    return found;
}

void
kith_fill_float_avx2 (kith_kernels_t *table)
{
    table->dot = s_dot;
    table->l2 = s_l2;
    table->dot4 = s_dot4;
    table->l2_4 = s_l2_4;
    table->dot_rows = s_dot_rows;
    table->l2_rows = s_l2_rows;
    table->keep = s_keep;
}
