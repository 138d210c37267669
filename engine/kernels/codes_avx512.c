//  codes_avx512.c - products of a query with quantised rows, AVX-512 BW
//  SPDX-License-Identifier: Apache-2.0
//
//  maddubs multiplies unsigned by signed bytes and adds pairs to 16 bits.
#include "engine/kernels/codes_rows.h"
#include "engine/kernels/codes_steps_avx512.h"
#include "engine/kernels/isa.h"

//  Adds 16-bit sums in pairs
KITH_INLINE __m512i
s_widen (__m512i sum, __m512i pairs)
{
    return _mm512_add_epi32 (sum, _mm512_madd_epi16 (pairs, _mm512_set1_epi16 (1)));
}

//  16-bit sums cannot overflow: two pairs of 15 * 128 each stay below 2^15
KITH_INLINE __m512i
s_two (__m512i sum, __m512i low, __m512i first, __m512i high, __m512i second)
{
    return s_widen (sum, _mm512_add_epi16 (_mm512_maddubs_epi16 (low, first),
                                           _mm512_maddubs_epi16 (high, second)));
}

//  A pair of 127 * 128 stays below 2^15
KITH_INLINE __m512i
s_one (__m512i sum, __m512i code, __m512i query)
{
    return s_widen (sum, _mm512_maddubs_epi16 (code, query));
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

//  A pair of 255 * 128 would not fit: even and odd bytes are multiplied as 16-bit numbers
static void
s_full4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
         int32_t out [4])
{
    const __m512i low = _mm512_set1_epi16 (255);
    __m512i sums [4] = {_mm512_setzero_si512 (), _mm512_setzero_si512 (),
                        _mm512_setzero_si512 (), _mm512_setzero_si512 ()};
    for (uint32_t index = 0; index < bytes; index += 64) {
        __m512i first = _mm512_loadu_si512 (query + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            __m512i code = _mm512_loadu_si512 (codes [row] + index);
            __m512i even = _mm512_and_si512 (code, low);
            __m512i odd = _mm512_srli_epi16 (code, 8);
            sums [row] = _mm512_add_epi32 (
                sums [row],
                _mm512_madd_epi16 (even,
                                   _mm512_srai_epi16 (_mm512_slli_epi16 (first, 8), 8)));
            sums [row] = _mm512_add_epi32 (
                sums [row], _mm512_madd_epi16 (odd, _mm512_srai_epi16 (first, 8)));
        }
    }
    _mm_storeu_si128 ((__m128i_u *) out, kith_avx512_sum4 (sums));
}

KITH_CODES_ROWS (s_nibbles_rows, s_nibbles4);
KITH_CODES_ROWS (s_bytes_rows, s_bytes4);

void
kith_fill_codes_avx512 (kith_kernels_t *table)
{
    table->nibbles4 = s_nibbles4;
    table->nibbles_rows = s_nibbles_rows;
    table->bytes4 = s_bytes4;
    table->bytes_rows = s_bytes_rows;
    table->full4 = s_full4;
}
