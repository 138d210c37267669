//  kernels_avx512.c - kernels for AVX-512 F, BW, VL, DQ (512-bit)
//  SPDX-License-Identifier: Apache-2.0
//
//  One register is the 16 lanes of the specification; a tail leaves the other lanes as they are (mask3).
#include <immintrin.h>

#include "engine/kernels/kernels_isa.h"

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

static inline __m256i
s_half (__m512i sum)
{
    return _mm256_add_epi32 (_mm512_castsi512_si256 (sum),
                             _mm512_extracti64x4_epi64 (sum, 1));
}

//  Four registers of sixteen 32-bit sums to four sums
static inline void
s_fold_integers (const __m512i sums [4], int32_t *out)
{
    __m256i left = _mm256_hadd_epi32 (s_half (sums [0]), s_half (sums [1]));
    __m256i right = _mm256_hadd_epi32 (s_half (sums [2]), s_half (sums [3]));
    __m256i both = _mm256_hadd_epi32 (left, right);
    __m128i low = _mm256_castsi256_si128 (both);
    __m128i high = _mm256_extracti128_si256 (both, 1);
    _mm_storeu_si128 ((__m128i_u *) out, _mm_add_epi32 (low, high));
}

//  16-bit sums cannot overflow: two pairs of 15 * 128 each stay below 2^15
static void
s_nibbles4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
            int32_t out [4])
{
    const __m512i nibble = _mm512_set1_epi8 (15);
    const __m512i ones = _mm512_set1_epi16 (1);
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
            __m512i pairs = _mm512_add_epi16 (_mm512_maddubs_epi16 (low, first),
                                              _mm512_maddubs_epi16 (high, second));
            sums [row] = _mm512_add_epi32 (sums [row], _mm512_madd_epi16 (pairs, ones));
        }
    }
    s_fold_integers (sums, out);
}

//  A pair of 127 * 128 stays below 2^15
static void
s_bytes4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
          int32_t out [4])
{
    const __m512i seven = _mm512_set1_epi8 (127);
    const __m512i ones = _mm512_set1_epi16 (1);
    __m512i sums [4] = {_mm512_setzero_si512 (), _mm512_setzero_si512 (),
                        _mm512_setzero_si512 (), _mm512_setzero_si512 ()};
    for (uint32_t index = 0; index < bytes; index += 64) {
        __m512i first = _mm512_loadu_si512 (query + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            __m512i code =
                _mm512_and_si512 (_mm512_loadu_si512 (codes [row] + index), seven);
            __m512i pairs = _mm512_maddubs_epi16 (code, first);
            sums [row] = _mm512_add_epi32 (sums [row], _mm512_madd_epi16 (pairs, ones));
        }
    }
    s_fold_integers (sums, out);
}

const kith_kernels_t kith_kernels_avx512 = {
    .isa = KITH_ISA_AVX512,
    .name = "avx512",
    .dot = s_dot,
    .l2 = s_l2,
    .dot4 = s_dot4,
    .l2_4 = s_l2_4,
    .dot_rows = s_dot_rows,
    .l2_rows = s_l2_rows,
    .keep = s_keep,
    .nibbles4 = s_nibbles4,
    .bytes4 = s_bytes4,
};
