//  codes_avx512vnni.c - products of a query with quantised rows, AVX-512 VNNI
//  SPDX-License-Identifier: Apache-2.0
//
//  dpbusd adds four products of unsigned by signed bytes to 32 bits, exactly.
#include "engine/kernels/codes_rows.h"
#include "engine/kernels/codes_steps_avx512.h"
#include "engine/kernels/isa.h"

KITH_INLINE __m512i
s_two (__m512i sum, __m512i low, __m512i first, __m512i high, __m512i second)
{
    return _mm512_dpbusd_epi32 (_mm512_dpbusd_epi32 (sum, low, first), high, second);
}

KITH_INLINE __m512i
s_one (__m512i sum, __m512i code, __m512i query)
{
    return _mm512_dpbusd_epi32 (sum, code, query);
}

static void
s_nibbles4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
            int32_t out [4])
{
    kith_avx512_nibbles4 (query, codes, bytes, out, s_two);
}

static void
s_bytes4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
          int32_t out [4])
{
    kith_avx512_bytes4 (query, codes, bytes, out, s_one);
}

static void
s_full4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
         int32_t out [4])
{
    __m512i sums [4] = {_mm512_setzero_si512 (), _mm512_setzero_si512 (),
                        _mm512_setzero_si512 (), _mm512_setzero_si512 ()};
    for (uint32_t index = 0; index < bytes; index += 64) {
        __m512i first = _mm512_loadu_si512 (query + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            __m512i code = _mm512_loadu_si512 (codes [row] + index);
            sums [row] = _mm512_dpbusd_epi32 (sums [row], code, first);
        }
    }
    _mm_storeu_si128 ((__m128i_u *) out, kith_avx512_sum4 (sums));
}

//  64 bits of a code are a mask over 64 bytes of the query
static void
s_bits4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
         int32_t out [4])
{
    const __m512i ones = _mm512_set1_epi8 (1);
    __m512i sums [4] = {_mm512_setzero_si512 (), _mm512_setzero_si512 (),
                        _mm512_setzero_si512 (), _mm512_setzero_si512 ()};
    for (uint32_t index = 0; index < bytes; index += 8) {
        __m512i part = _mm512_loadu_si512 (query + 8 * index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            uint64_t bits;
            memcpy (&bits, codes [row] + index, sizeof bits);
            sums [row] = _mm512_dpbusd_epi32 (sums [row], ones,
                                              _mm512_maskz_mov_epi8 (bits, part));
        }
    }
    _mm_storeu_si128 ((__m128i_u *) out, kith_avx512_sum4 (sums));
}

//  A query of one line, which has the trailer too, stays in two registers, four rows at a time
static inline __m128
s_line4 (const kith_coded_t *coded, const uint8_t *const codes [4], __m512i first,
         __m512i second)
{
    const __m512i nibble = _mm512_set1_epi8 (15);
    __m512i sums [4];
#pragma GCC unroll 4
    for (uint32_t row = 0; row < 4; row++) {
        __m512i code = _mm512_loadu_si512 (codes [row]);
        __m512i low = _mm512_and_si512 (code, nibble);
        __m512i high = _mm512_and_si512 (_mm512_srli_epi16 (code, 4), nibble);
        sums [row] = s_two (_mm512_setzero_si512 (), low, first, high, second);
    }
    __m128 product = _mm_add_ps (_mm_set1_ps (coded->base),
                                 _mm_mul_ps (_mm_set1_ps (coded->step),
                                             _mm_cvtepi32_ps (kith_avx512_sum4 (sums))));
    const __m128i two = _mm_unpacklo_epi32 (_mm_loadu_si64 (codes [0] + 56),
                                            _mm_loadu_si64 (codes [1] + 56));
    const __m128i more = _mm_unpacklo_epi32 (_mm_loadu_si64 (codes [2] + 56),
                                             _mm_loadu_si64 (codes [3] + 56));
    const __m128 shift = _mm_castsi128_ps (_mm_unpacklo_epi64 (two, more));
    const __m128 scale = _mm_castsi128_ps (_mm_unpackhi_epi64 (two, more));
    return _mm_sub_ps (shift, _mm_mul_ps (scale, product));
}

static void
s_nibbles_rows (const kith_coded_t *coded, float *out)
{
    if (coded->bytes != 64 || coded->trailer_step != 64) {
        kith_codes_rows (coded, s_nibbles4, out);
        return;
    }
    const __m512i first = _mm512_loadu_si512 (coded->query);
    const __m512i second = _mm512_loadu_si512 (coded->query + 64);
    const uint32_t *rows = coded->rows;
    const uint8_t *codes = coded->codes;
    uint32_t index = 0;
    for (; index + 4 <= coded->count; index += 4) {
        if (coded->ahead && index + coded->ahead + 4 <= coded->count)
#pragma GCC unroll 4
            for (uint32_t each = 0; each < 4; each++)
                __builtin_prefetch (codes
                                    + (size_t) rows [index + coded->ahead + each] * 64);
        const uint8_t *const four [4] = {codes + (size_t) rows [index] * 64,
                                         codes + (size_t) rows [index + 1] * 64,
                                         codes + (size_t) rows [index + 2] * 64,
                                         codes + (size_t) rows [index + 3] * 64};
        _mm_storeu_ps (out + index, s_line4 (coded, four, first, second));
    }
    kith_coded_t rest = *coded;
    rest.rows += index;
    rest.count -= index;
    rest.ahead = 0;
    kith_codes_rows (&rest, s_nibbles4, out + index);
}

KITH_CODES_ROWS (s_bytes_rows, s_bytes4);
KITH_CODES_ROWS (s_bits_rows, s_bits4);

void
kith_fill_codes_avx512vnni (kith_kernels_t *table)
{
    table->nibbles4 = s_nibbles4;
    table->nibbles_rows = s_nibbles_rows;
    table->bytes4 = s_bytes4;
    table->bytes_rows = s_bytes_rows;
    table->full4 = s_full4;
    table->bits4 = s_bits4;
    table->bits_rows = s_bits_rows;
}
