//  codes_avx512vnni.c - products of a query with quantised rows, AVX-512 VNNI
//  SPDX-License-Identifier: Apache-2.0
//
//  dpbusd adds four products of unsigned by signed bytes to 32 bits, exactly.
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

void
kith_fill_codes_avx512vnni (kith_kernels_t *table)
{
    table->nibbles4 = s_nibbles4;
    table->bytes4 = s_bytes4;
    table->full4 = s_full4;
    table->bits4 = s_bits4;
}
