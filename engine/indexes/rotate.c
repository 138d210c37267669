//  rotate.c - a random rotation of vectors in d log d steps
//  SPDX-License-Identifier: Apache-2.0
//
//  Four rounds of random signs and a Hadamard transform (Ailon and Chazelle 2009) of the longest power of two, at the head and at
//  the tail in turn; when that leaves dimensions out, a turn by 45 degrees mixes both halves after each round (Kac's walk), as in the
//  RaBitQ library.
#include "engine/indexes/rotate.h"

#include <math.h>

#include "base/bytes.h"
#include "base/random.h"

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

static void
s_hadamard (float *values, uint32_t count)
{
    for (uint32_t half = 1; half < count; half *= 2)
        for (uint32_t first = 0; first < count; first += 2 * half) {
            float *restrict low = values + first;
            float *restrict high = low + half;
            for (uint32_t index = 0; index < half; index++) {
                float sum = low [index] + high [index];
                high [index] = low [index] - high [index];
                low [index] = sum;
            }
        }
}

static void
s_turn_halves (float *values, uint32_t dim)
{
    const float by = 0.70710678f;
    uint32_t half = dim / 2;
    for (uint32_t index = 0; index < half; index++) {
        float sum = values [index] + values [index + half];
        values [index + half] = (values [index] - values [index + half]) * by;
        values [index] = sum * by;
    }
}

void
kith_rotate (const float *signs, uint32_t dim, const float *from, float *to)
{
    uint32_t power = 1;
    while (2 * power <= dim)
        power *= 2;
    const float by = 1 / sqrtf ((float) power);
    memcpy (to, from, dim * sizeof *to);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        float *part = round % 2 ? to + (dim - power) : to;
        for (uint32_t index = 0; index < dim; index++)
            to [index] *= signs [(size_t) round * dim + index];
        s_hadamard (part, power);
        for (uint32_t index = 0; index < power; index++)
            part [index] *= by;
        if (power < dim)
            s_turn_halves (to, dim);
    }
}
