//  rotate_steps.h - the steps of a random rotation, for the compiler to make as wide as its registers
//  SPDX-License-Identifier: Apache-2.0
//
//  Every number is the sum or difference of two, or a product: whatever the width, the bits are the same. Inner loops have a fixed
//  length, which is what makes a compiler vectorise them.
#ifndef KITH_ROTATE_STEPS_H
#define KITH_ROTATE_STEPS_H

#include <math.h>

#include "engine/kernels/isa.h"

enum {
    ROUNDS = 4,
    WIDTH = 16    //  numbers of one inner loop
};

static inline void
s_times (float *restrict values, const float *restrict by, uint32_t count)
{
    uint32_t first = 0;
    for (; first + WIDTH <= count; first += WIDTH)
        for (uint32_t index = first; index < first + WIDTH; index++)
            values [index] *= by [index];
    for (; first < count; first++)
        values [first] *= by [first];
}

//  Sums and differences of two runs, times `by`
static inline void
s_meet (float *restrict low, float *restrict high, float by, uint32_t count)
{
    uint32_t first = 0;
    for (; first + WIDTH <= count; first += WIDTH)
        for (uint32_t index = first; index < first + WIDTH; index++) {
            float sum = (low [index] + high [index]) * by;
            high [index] = (low [index] - high [index]) * by;
            low [index] = sum;
        }
    for (; first < count; first++) {
        float sum = (low [first] + high [first]) * by;
        high [first] = (low [first] - high [first]) * by;
        low [first] = sum;
    }
}

//  Steps of 1 and 2 within four numbers
static inline void
s_four (float *values)
{
    float first = values [0] + values [1], second = values [0] - values [1];
    float third = values [2] + values [3], fourth = values [2] - values [3];
    values [0] = first + third;
    values [1] = second + fourth;
    values [2] = first - third;
    values [3] = second - fourth;
}

//  The last step takes out the length that the transform adds
static inline void
s_hadamard (float *values, uint32_t count)
{
    const float by = 1 / sqrtf ((float) count);
    for (uint32_t first = 0; first + 4 <= count && count > 4; first += 4)
        s_four (values + first);
    for (uint32_t half = count > 4 ? 4 : 1; half < count; half *= 2)
        for (uint32_t first = 0; first < count; first += 2 * half)
            s_meet (values + first, values + first + half, 2 * half == count ? by : 1,
                    half);
}

static inline void
s_rotate (const float *signs, uint32_t dim, float *values)
{
    uint32_t power = 1;
    while (2 * power <= dim)
        power *= 2;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        s_times (values, signs + (size_t) round * dim, dim);
        s_hadamard (round % 2 ? values + (dim - power) : values, power);
        if (power < dim)
            s_meet (values, values + dim / 2, 0.70710678f, dim / 2);
    }
}

#endif
