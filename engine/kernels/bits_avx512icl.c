//  bits_avx512icl.c - distances of binary vectors, AVX-512 VPOPCNTDQ
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/bits_avx512.h"
#include "engine/kernels/isa.h"

KITH_INLINE __m512i
s_ones (__m512i bits)
{
    return _mm512_popcnt_epi32 (bits);
}

KITH_MEASURE (s_hamming, false);
KITH_MEASURE (s_jaccard, true);

void
kith_fill_bits_avx512icl (kith_kernels_t *table)
{
    table->hamming = s_hamming;
    table->jaccard = s_jaccard;
}
