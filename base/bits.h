//  bits.h - a bit per row
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_BITS_H
#define KITH_BITS_H

#include "base/base.h"

//  Bits of `count` rows in words of 64; bits at and above count are zero.
typedef struct {
    uint64_t *words;
    uint32_t count;
} kith_bits_t;

static inline size_t
kith_bits_words (uint32_t count)
{
    return ((size_t) count + 63) / 64;
}

void kith_bits_init (kith_bits_t *self, uint32_t count, bool value);
void kith_bits_free (kith_bits_t *self);
uint32_t kith_bits_popcount (const kith_bits_t *self);
void kith_bits_and (kith_bits_t *self, const kith_bits_t *other);    //  same count
void kith_bits_or (kith_bits_t *self, const kith_bits_t *other);
void kith_bits_not (kith_bits_t *self);

static inline bool
kith_bits_get (const kith_bits_t *self, uint32_t row)
{
    return self->words [row / 64] >> (row % 64) & 1;
}

static inline void
kith_bits_set (kith_bits_t *self, uint32_t row)
{
    self->words [row / 64] |= (uint64_t) 1 << (row % 64);
}

static inline void
kith_bits_drop (kith_bits_t *self, uint32_t row)
{
    self->words [row / 64] &= ~((uint64_t) 1 << (row % 64));
}

#endif
