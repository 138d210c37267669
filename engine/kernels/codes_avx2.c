//  codes_avx2.c - products of a query with quantised rows, AVX2
//  SPDX-License-Identifier: Apache-2.0
//
//  maddubs multiplies unsigned by signed bytes and adds pairs to 16 bits.
#include "engine/kernels/codes_rows.h"
#include "engine/kernels/isa.h"
#include "engine/kernels/sums_avx2.h"

//  Adds 16-bit sums in pairs
static inline __m256i
s_widen (__m256i sum, __m256i pairs)
{
    return _mm256_add_epi32 (sum, _mm256_madd_epi16 (pairs, _mm256_set1_epi16 (1)));
}

//  16-bit sums cannot overflow: two pairs of 15 * 128 each stay below 2^15
static void
s_nibbles4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
            int32_t out [4])
{
    const __m256i nibble = _mm256_set1_epi8 (15);
    __m256i sums [4] = {_mm256_setzero_si256 (), _mm256_setzero_si256 (),
                        _mm256_setzero_si256 (), _mm256_setzero_si256 ()};
    for (uint32_t index = 0; index < bytes; index += 32) {
        __m256i first = _mm256_loadu_si256 ((const __m256i_u *) (query + index));
        __m256i second = _mm256_loadu_si256 ((const __m256i_u *) (query + bytes + index));
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            __m256i code = _mm256_loadu_si256 ((const __m256i_u *) (codes [row] + index));
            __m256i low = _mm256_and_si256 (code, nibble);
            __m256i high = _mm256_and_si256 (_mm256_srli_epi16 (code, 4), nibble);
            sums [row] = s_widen (sums [row],
                                  _mm256_add_epi16 (_mm256_maddubs_epi16 (low, first),
                                                    _mm256_maddubs_epi16 (high, second)));
        }
    }
    _mm_storeu_si128 ((__m128i_u *) out, kith_avx2_sum4 (sums));
}

//  A pair of 127 * 128 stays below 2^15
static void
s_bytes4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
          int32_t out [4])
{
    const __m256i seven = _mm256_set1_epi8 (127);
    __m256i sums [4] = {_mm256_setzero_si256 (), _mm256_setzero_si256 (),
                        _mm256_setzero_si256 (), _mm256_setzero_si256 ()};
    for (uint32_t index = 0; index < bytes; index += 32) {
        __m256i first = _mm256_loadu_si256 ((const __m256i_u *) (query + index));
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            __m256i code = _mm256_loadu_si256 ((const __m256i_u *) (codes [row] + index));
            sums [row] = s_widen (
                sums [row], _mm256_maddubs_epi16 (_mm256_and_si256 (code, seven), first));
        }
    }
    _mm_storeu_si128 ((__m128i_u *) out, kith_avx2_sum4 (sums));
}

//  A pair of 255 * 128 would not fit: even and odd bytes are multiplied as 16-bit numbers
static void
s_full4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
         int32_t out [4])
{
    const __m256i low = _mm256_set1_epi16 (255);
    __m256i sums [4] = {_mm256_setzero_si256 (), _mm256_setzero_si256 (),
                        _mm256_setzero_si256 (), _mm256_setzero_si256 ()};
    for (uint32_t index = 0; index < bytes; index += 32) {
        __m256i first = _mm256_loadu_si256 ((const __m256i_u *) (query + index));
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            __m256i code = _mm256_loadu_si256 ((const __m256i_u *) (codes [row] + index));
            __m256i even = _mm256_and_si256 (code, low);
            __m256i odd = _mm256_srli_epi16 (code, 8);
            sums [row] = _mm256_add_epi32 (
                sums [row],
                _mm256_madd_epi16 (even,
                                   _mm256_srai_epi16 (_mm256_slli_epi16 (first, 8), 8)));
            sums [row] = _mm256_add_epi32 (
                sums [row], _mm256_madd_epi16 (odd, _mm256_srai_epi16 (first, 8)));
        }
    }
    _mm_storeu_si128 ((__m128i_u *) out, kith_avx2_sum4 (sums));
}

//  32 bits become 32 bytes of 0 or -1
static inline __m256i
s_spread (const uint8_t *bits)
{
    const __m256i which = _mm256_set1_epi64x ((long long) 0x8040201008040201u);
    const __m256i bytes = _mm256_setr_epi64x (0, 0x0101010101010101, 0x0202020202020202,
                                              0x0303030303030303);
    int word;
    memcpy (&word, bits, sizeof word);
    __m256i spread = _mm256_shuffle_epi8 (_mm256_set1_epi32 (word), bytes);
    return _mm256_cmpeq_epi8 (_mm256_and_si256 (spread, which), which);
}

static void
s_bits4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
         int32_t out [4])
{
    const __m256i ones = _mm256_set1_epi8 (1);
    __m256i sums [4] = {_mm256_setzero_si256 (), _mm256_setzero_si256 (),
                        _mm256_setzero_si256 (), _mm256_setzero_si256 ()};
    for (uint32_t index = 0; index < bytes; index += 4) {
        __m256i part = _mm256_loadu_si256 ((const __m256i_u *) (query + 8 * index));
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            __m256i taken = _mm256_and_si256 (s_spread (codes [row] + index), part);
            sums [row] = s_widen (sums [row], _mm256_maddubs_epi16 (ones, taken));
        }
    }
    _mm_storeu_si128 ((__m128i_u *) out, kith_avx2_sum4 (sums));
}

KITH_CODES_ROWS (s_nibbles_rows, s_nibbles4);
KITH_CODES_ROWS (s_bytes_rows, s_bytes4);
KITH_CODES_ROWS (s_bits_rows, s_bits4);

void
kith_fill_codes_avx2 (kith_kernels_t *table)
{
    table->nibbles4 = s_nibbles4;
    table->nibbles_rows = s_nibbles_rows;
    table->bytes4 = s_bytes4;
    table->bytes_rows = s_bytes_rows;
    table->full4 = s_full4;
    table->bits4 = s_bits4;
    table->bits_rows = s_bits_rows;
}
