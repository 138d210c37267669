//  bits_avx512.c - distances of binary vectors, AVX-512 BW
//  SPDX-License-Identifier: Apache-2.0
//
//  Ones are counted by looking up nibbles, as in bits_avx2.c.
#include "engine/kernels/bits_avx512.h"
#include "engine/kernels/isa.h"

//  Ones of each 8 bytes; their upper half stays zero
KITH_INLINE __m512i
s_ones (__m512i bits)
{
    const __m512i ones = _mm512_broadcast_i32x4 (
        _mm_setr_epi8 (0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i nibble = _mm512_set1_epi8 (15);
    __m512i low = _mm512_shuffle_epi8 (ones, _mm512_and_si512 (bits, nibble));
    __m512i high = _mm512_shuffle_epi8 (
        ones, _mm512_and_si512 (_mm512_srli_epi16 (bits, 4), nibble));
    return _mm512_sad_epu8 (_mm512_add_epi8 (low, high), _mm512_setzero_si512 ());
}

KITH_MEASURE (s_hamming, false);
KITH_MEASURE (s_jaccard, true);

void
kith_fill_bits_avx512 (kith_kernels_t *table)
{
    table->hamming = s_hamming;
    table->jaccard = s_jaccard;
}
