//  random.c - a small seeded generator and two hashes
//  SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include "base/bytes.h"

#include <math.h>

uint64_t
kith_mix64 (uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

void
kith_random_seed (kith_random_t *self, uint64_t seed)
{
    for (int word = 0; word < 4; word++) {
        seed += 0x9e3779b97f4a7c15u;
        self->state [word] = kith_mix64 (seed);
    }
}

static inline uint64_t
s_rotate (uint64_t value, int by)
{
    return (value << by) | (value >> (64 - by));
}

uint64_t
kith_random_next (kith_random_t *self)
{
    uint64_t *state = self->state;
    uint64_t result = s_rotate (state [1] * 5, 7) * 9;
    uint64_t shifted = state [1] << 17;
    state [2] ^= state [0];
    state [3] ^= state [1];
    state [1] ^= state [2];
    state [0] ^= state [3];
    state [2] ^= shifted;
    state [3] = s_rotate (state [3], 45);
    return result;
}

uint64_t
kith_random_below (kith_random_t *self, uint64_t limit)
{
    assert (limit > 0);
    //  High half of a 128-bit product; the rare low halves that would favour some results are drawn
    //  again (Lemire, "Fast random integer generation in an interval", 2019)
    __extension__ typedef unsigned __int128 wide_t;
    wide_t product = (wide_t) kith_random_next (self) * limit;
    if ((uint64_t) product < limit) {
        uint64_t threshold = -limit % limit;
        while ((uint64_t) product < threshold)
            product = (wide_t) kith_random_next (self) * limit;
    }
    return (uint64_t) (product >> 64);
}

double
kith_random_unit (kith_random_t *self)
{
    return (double) (kith_random_next (self) >> 11) * 0x1p-53;
}

double
kith_random_exponential (kith_random_t *self, double mean)
{
    return -mean * log1p (-kith_random_unit (self));
}

double
kith_random_normal (kith_random_t *self)
{
    //  Polar method: no trigonometry, so the same numbers with every libm
    double x, y, square;
    do {
        x = 2 * kith_random_unit (self) - 1;
        y = 2 * kith_random_unit (self) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square <= 0);
    return x * sqrt (-2 * log (square) / square);
}

//  Eight bytes at a time through the mix, the length first, a short tail padded with zeros.
uint64_t
kith_hash64 (const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t hash = kith_mix64 ((uint64_t) size + 0x9e3779b97f4a7c15u);
    for (; size >= 8; at += 8, size -= 8)
        hash = kith_mix64 (hash ^ kith_get_u64 (at)) + 0x9e3779b97f4a7c15u;
    if (size) {
        uint64_t tail = 0;
        memcpy (&tail, at, size);
        hash = kith_mix64 (hash ^ tail) + 0x9e3779b97f4a7c15u;
    }
    return kith_mix64 (hash);
}
