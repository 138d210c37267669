//  rotate.c - a random rotation of vectors in d log d steps
//  SPDX-License-Identifier: Apache-2.0
//
//  Four rounds of random signs and a Hadamard transform (Ailon and Chazelle 2009) of the longest power of two, at the head and at
//  the tail in turn; when that leaves dimensions out, a turn by 45 degrees mixes both halves after each round (Kac's walk), as in the
//  RaBitQ library. The steps are a kernel.
#include "engine/indexes/rotate.h"

#include "base/bytes.h"
#include "base/random.h"
#include "engine/kernels/kernels.h"

enum { ROUNDS = 4 };

float *
kith_rotate_new (uint32_t dim, uint64_t seed)
{
    float *signs = kith_alloc64 ((size_t) ROUNDS * dim * sizeof *signs);
    kith_random_t random;
    kith_random_seed (&random, seed ^ 0x726f7461u);
    for (size_t index = 0; signs && index < (size_t) ROUNDS * dim; index++)
        signs [index] = kith_random_next (&random) >> 63 ? 1.0f : -1.0f;
    return signs;
}

void
kith_rotate (const float *signs, uint32_t dim, const float *from, float *to)
{
    memcpy (to, from, dim * sizeof *to);
    kith_kernels ()->rotate (signs, dim, to);
}
