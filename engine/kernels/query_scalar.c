//  query_scalar.c - a query on the scale of quantised rows: the specification
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "engine/kernels/isa.h"

//  Magnitudes of floats are in the order of their bits, and integers have a maximum that compilers make wide
static float
s_scale (const float *vector, const float *halves, uint32_t dim, float *scaled)
{
    int32_t most = 0;
    for (uint32_t index = 0; index < dim; index++) {
        int32_t bits;
        scaled [index] = (vector [index] - halves [dim + index]) * halves [index];
        memcpy (&bits, &scaled [index], sizeof bits);
        bits &= INT32_MAX;
        most = bits > most ? bits : most;
    }
    float widest;
    memcpy (&widest, &most, sizeof widest);
    return widest;
}

static int32_t
s_round (const float *scaled, uint32_t count, float up, int8_t *levels)
{
    int32_t sum = 0;
    for (uint32_t index = 0; index < count; index++) {
        float value = scaled [index] * up;
        int32_t level = (int32_t) (value + copysignf (0.5f, value));
        levels [index] = (int8_t) level;
        sum += level;
    }
    return sum;
}

void
kith_fill_query_scalar (kith_kernels_t *table)
{
    table->query_scale = s_scale;
    table->query_round = s_round;
}
