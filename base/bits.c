//  bits.c - a bit per row
//  SPDX-License-Identifier: Apache-2.0
#include "base/bits.h"

#include "base/bytes.h"

//  Clears the bits at and above count, which every operation promises to leave zero.
static void
s_trim (kith_bits_t *self)
{
    uint32_t used = self->count % 64;
    if (used)
        self->words [self->count / 64] &= ((uint64_t) 1 << used) - 1;
}

void
kith_bits_init (kith_bits_t *self, uint32_t count, bool value)
{
    assert (self);
    size_t words = kith_bits_words (count);
    self->words = kith_new (words * sizeof (uint64_t));
    self->count = count;
    if (value) {
        memset (self->words, 0xff, words * sizeof (uint64_t));
        s_trim (self);
    }
}

void
kith_bits_free (kith_bits_t *self)
{
    assert (self);
    free (self->words);
    *self = (kith_bits_t){0};
}

//  Ones of each nibble
static inline uint64_t
s_nibbles (uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    return (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
}

//  Ones of a word whose nibbles hold counts up to 12
static inline uint32_t
s_total (uint64_t nibbles)
{
    const uint64_t low = 0x0f0f0f0f0f0f0f0fu;
    uint64_t bytes = (nibbles & low) + (nibbles >> 4 & low);
    return (uint32_t) (bytes * 0x0101010101010101u >> 56);
}

//  Without the instruction, which not every CPU has, three words share the last steps
uint32_t
kith_bits_popcount (const kith_bits_t *self)
{
    size_t words = kith_bits_words (self->count), word = 0;
    uint32_t total = 0;
    for (; word + 3 <= words; word += 3)
        total +=
            s_total (s_nibbles (self->words [word]) + s_nibbles (self->words [word + 1])
                     + s_nibbles (self->words [word + 2]));
    for (; word < words; word++)
        total += s_total (s_nibbles (self->words [word]));
    return total;
}

void
kith_bits_and (kith_bits_t *self, const kith_bits_t *other)
{
    assert (self->count == other->count);
    for (size_t word = 0; word < kith_bits_words (self->count); word++)
        self->words [word] &= other->words [word];
}

void
kith_bits_or (kith_bits_t *self, const kith_bits_t *other)
{
    assert (self->count == other->count);
    for (size_t word = 0; word < kith_bits_words (self->count); word++)
        self->words [word] |= other->words [word];
}

void
kith_bits_not (kith_bits_t *self)
{
    for (size_t word = 0; word < kith_bits_words (self->count); word++)
        self->words [word] = ~self->words [word];
    s_trim (self);
}
