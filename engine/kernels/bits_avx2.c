//  bits_avx2.c - distances of binary vectors, AVX2
//  SPDX-License-Identifier: Apache-2.0
//
//  Ones are counted by looking up nibbles (Mula, Kurz and Lemire, "Faster population counts using AVX2 instructions", 2018).
#include "engine/kernels/bits_rest.h"
#include "engine/kernels/isa.h"
#include "engine/kernels/sums_avx2.h"

typedef struct {
    __m256i differ;
    __m256i either;
} s_counts_t;

KITH_INLINE __m256i
s_load (const uint8_t *vector, uint32_t index)
{
    return _mm256_loadu_si256 ((const __m256i_u *) (vector + index));
}

//  Adds the bytes of words of 64 bits that do not fill a register, then the last ones
KITH_INLINE kith_bit_counts_t
s_finish (const uint8_t *a, const uint8_t *b, uint32_t index, uint32_t dim,
          kith_bit_counts_t counts)
{
    for (; index + 8 <= dim / 8; index += 8) {
        uint64_t left, right;
        memcpy (&left, a + index, sizeof left);
        memcpy (&right, b + index, sizeof right);
        counts.differ += (uint32_t) __builtin_popcountll (left ^ right);
        counts.either += (uint32_t) __builtin_popcountll (left | right);
    }
    for (; index < dim / 8; index++) {
        counts.differ += (uint32_t) __builtin_popcount (a [index] ^ b [index]);
        counts.either += (uint32_t) __builtin_popcount (a [index] | b [index]);
    }
    return kith_bits_rest (a, b, dim, counts);
}

//  Ones of each 8 bytes; their upper half stays zero
KITH_INLINE __m256i
s_ones (__m256i bits)
{
    const __m256i ones = _mm256_broadcastsi128_si256 (
        _mm_setr_epi8 (0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m256i nibble = _mm256_set1_epi8 (15);
    __m256i low = _mm256_shuffle_epi8 (ones, _mm256_and_si256 (bits, nibble));
    __m256i high = _mm256_shuffle_epi8 (
        ones, _mm256_and_si256 (_mm256_srli_epi16 (bits, 4), nibble));
    return _mm256_sad_epu8 (_mm256_add_epi8 (low, high), _mm256_setzero_si256 ());
}

KITH_INLINE s_counts_t
s_add (__m256i a, __m256i b, s_counts_t sums, bool jaccard)
{
    sums.differ = _mm256_add_epi32 (sums.differ, s_ones (_mm256_xor_si256 (a, b)));
    if (jaccard)
        sums.either = _mm256_add_epi32 (sums.either, s_ones (_mm256_or_si256 (a, b)));
    return sums;
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, bool jaccard)
{
    s_counts_t sums = {_mm256_setzero_si256 (), _mm256_setzero_si256 ()};
    uint32_t index = 0;
    for (; index + 32 <= dim / 8; index += 32)
        sums = s_add (s_load (a, index), s_load (b, index), sums, jaccard);
    kith_bit_counts_t counts = {(uint32_t) kith_avx2_sum (sums.differ),
                                (uint32_t) kith_avx2_sum (sums.either)};
    return kith_bits_distance (s_finish (a, b, index, dim, counts), jaccard);
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out,
        bool jaccard)
{
    const __m256i zero = _mm256_setzero_si256 ();
    s_counts_t sums [4] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
    uint32_t index = 0;
    for (; index + 32 <= dim / 8; index += 32) {
        __m256i part = s_load (query, index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_add (part, s_load (rows [row], index), sums [row], jaccard);
    }
    for (uint32_t row = 0; row < 4; row++) {
        kith_bit_counts_t counts = {(uint32_t) kith_avx2_sum (sums [row].differ),
                                    (uint32_t) kith_avx2_sum (sums [row].either)};
        out [row] = kith_bits_distance (s_finish (query, rows [row], index, dim, counts),
                                        jaccard);
    }
}

KITH_MEASURE (s_hamming, false);
KITH_MEASURE (s_jaccard, true);

void
kith_fill_bits_avx2 (kith_kernels_t *table)
{
    table->hamming = s_hamming;
    table->jaccard = s_jaccard;
}
