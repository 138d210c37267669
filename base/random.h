//  random.h - a small seeded generator (xoshiro256**, Blackman and Vigna 2018)
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_RANDOM_H
#define KITH_RANDOM_H

#include "base/base.h"

typedef struct {
    uint64_t state [4];
} kith_random_t;

void kith_random_seed (kith_random_t *self, uint64_t seed);    //  by splitmix64
uint64_t kith_random_next (kith_random_t *self);
uint64_t
kith_random_below (kith_random_t *self, uint64_t limit);    //  0 .. limit - 1, unbiased
double kith_random_unit (kith_random_t *self);              //  [0, 1)
double kith_random_exponential (kith_random_t *self, double mean);
double kith_random_normal (kith_random_t *self);

//  A good 64-bit mix (splitmix64's finaliser) and a hash of bytes (pk -> shard: part of the protocol,
//  documented in docs/protocol.md; never changes).
uint64_t kith_mix64 (uint64_t value);
uint64_t kith_hash64 (const void *data, size_t size);

#endif
