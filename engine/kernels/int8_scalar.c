//  int8_scalar.c - sums of int8 vectors: the specification
//  SPDX-License-Identifier: Apache-2.0
//
//  Exact in 32 bits up to 33,025 dimensions (255 * 255 each), rounded once to float32.
#include "engine/kernels/isa.h"
#include "engine/kernels/measure.h"

static float
s_pair (const void *a, const void *b, uint32_t dim, bool l2)
{
    const int8_t *left = a, *right = b;
    int32_t sum = 0;
    for (uint32_t index = 0; index < dim; index++) {
        int32_t difference = left [index] - right [index];
        sum += l2 ? difference * difference : left [index] * right [index];
    }
    return (float) sum;
}

static void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, bool l2)
{
    for (uint32_t row = 0; row < 4; row++)
        out [row] = s_pair (query, rows [row], dim, l2);
}

KITH_MEASURE (s_dot, false);
KITH_MEASURE (s_l2, true);

void
kith_fill_int8_scalar (kith_kernels_t *table)
{
    table->int8_dot = s_dot;
    table->int8_l2 = s_l2;
}
