//  bits_rest.h - what binary vectors of every level share: the last bits, and the quotient of Jaccard
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_BITS_REST_H
#define KITH_BITS_REST_H

#include "engine/kernels/measure.h"

//  Bits in which two vectors differ, and that either has
typedef struct {
    uint32_t differ;
    uint32_t either;
} kith_bit_counts_t;

KITH_INLINE uint32_t
kith_byte_ones (uint32_t byte)
{
    byte -= byte >> 1 & 0x55;
    byte = (byte & 0x33) + (byte >> 2 & 0x33);
    return (byte + (byte >> 4)) & 15;
}

//  Adds the bits of the byte that is not whole; bits at and above dim are not the vectors'
KITH_INLINE kith_bit_counts_t
kith_bits_rest (const uint8_t *a, const uint8_t *b, uint32_t dim,
                kith_bit_counts_t counts)
{
    if (dim % 8 == 0)
        return counts;
    uint32_t mask = (1u << dim % 8) - 1;
    counts.differ += kith_byte_ones ((a [dim / 8] ^ b [dim / 8]) & mask);
    counts.either += kith_byte_ones ((a [dim / 8] | b [dim / 8]) & mask);
    return counts;
}

//  Hamming: the bits that differ. Jaccard: their share of the bits that either has; two empty vectors are equal.
KITH_INLINE float
kith_bits_distance (kith_bit_counts_t counts, bool jaccard)
{
    if (!jaccard)
        return (float) counts.differ;
    return counts.either ? (float) counts.differ / (float) counts.either : 0;
}

#endif
