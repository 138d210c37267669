//  half_scalar.c - sums of float16 and bfloat16 vectors: the specification
//  SPDX-License-Identifier: Apache-2.0
//
//  Each number becomes the float32 of the same value, exactly; then the order of sums is that of float32.
#include "engine/kernels/isa.h"
#include "engine/kernels/lanes_scalar.h"

enum { L2 = 1, BFLOAT16 = 2 };

static uint16_t
s_half (const void *vector, size_t index)
{
    uint16_t half;
    memcpy (&half, (const char *) vector + index * sizeof half, sizeof half);
    return half;
}

static float
s_float_of_bits (uint32_t bits)
{
    float value;
    memcpy (&value, &bits, sizeof value);
    return value;
}

//  IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction
static float
s_of_float16 (uint16_t half)
{
    uint32_t sign = (uint32_t) (half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 31;
    uint32_t fraction = half & 1023;
    if (exponent == 31)
        return s_float_of_bits (sign | 0x7f800000 | fraction << 13);
    if (exponent > 0)
        return s_float_of_bits (sign | (exponent + 127 - 15) << 23 | fraction << 13);
    float small = (float) fraction * 0x1p-24f;
    return sign ? -small : small;
}

//  The upper half of a float32
static float
s_of_bfloat16 (uint16_t half)
{
    return s_float_of_bits ((uint32_t) half << 16);
}

static float
s_at (const void *vector, size_t index, int kind)
{
    uint16_t half = s_half (vector, index);
    return kind & BFLOAT16 ? s_of_bfloat16 (half) : s_of_float16 (half);
}

static float
s_pair (const void *a, const void *b, uint32_t dim, int kind)
{
    kith_scalar_lanes_t lanes = {{0}};
    for (uint32_t index = 0; index < dim; index++)
        kith_scalar_add (&lanes, index, s_at (a, index, kind), s_at (b, index, kind),
                         kind & L2);
    return kith_scalar_fold (&lanes);
}

static void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, int kind)
{
    for (uint32_t row = 0; row < 4; row++)
        out [row] = s_pair (query, rows [row], dim, kind);
}

KITH_MEASURE (s_float16_dot, 0);
KITH_MEASURE (s_float16_l2, L2);
KITH_MEASURE (s_bfloat16_dot, BFLOAT16);
KITH_MEASURE (s_bfloat16_l2, BFLOAT16 | L2);

static void
s_float16_widen (const void *halves, size_t count, float *out)
{
    for (size_t index = 0; index < count; index++)
        out [index] = s_at (halves, index, 0);
}

static void
s_bfloat16_widen (const void *halves, size_t count, float *out)
{
    for (size_t index = 0; index < count; index++)
        out [index] = s_at (halves, index, BFLOAT16);
}

void
kith_fill_half_scalar (kith_kernels_t *table)
{
    table->float16_dot = s_float16_dot;
    table->float16_l2 = s_float16_l2;
    table->bfloat16_dot = s_bfloat16_dot;
    table->bfloat16_l2 = s_bfloat16_l2;
    table->float16_widen = s_float16_widen;
    table->bfloat16_widen = s_bfloat16_widen;
}
