//  float_scalar.c - sums of float32 vectors: the specification
//  SPDX-License-Identifier: Apache-2.0
//
//  What the other files compute must be what this one computes, bit for bit: tests/kernels proves it.
#include <math.h>

#include "engine/kernels/isa.h"

enum { LANES = 16 };

static inline float
s_at (const void *vector, uint32_t index)
{
    float value;
    memcpy (&value, (const char *) vector + (size_t) index * sizeof value, sizeof value);
    return value;
}

static inline float
s_fold (float lanes [LANES])
{
    for (uint32_t width = LANES / 2; width > 0; width /= 2)
        for (uint32_t lane = 0; lane < width; lane++)
            lanes [lane] += lanes [lane + width];
    return lanes [0];
}

static float
s_dot (const void *a, const void *b, uint32_t dim)
{
    float lanes [LANES] = {0};
    for (uint32_t index = 0; index < dim; index++) {
        float *lane = &lanes [index % LANES];
        *lane = fmaf (s_at (a, index), s_at (b, index), *lane);
    }
    return s_fold (lanes);
}

static float
s_l2 (const void *a, const void *b, uint32_t dim)
{
    float lanes [LANES] = {0};
    for (uint32_t index = 0; index < dim; index++) {
        float *lane = &lanes [index % LANES];
        float difference = s_at (a, index) - s_at (b, index);
        *lane = fmaf (difference, difference, *lane);
    }
    return s_fold (lanes);
}

static void
s_dot4 (const void *query, const void *const rows [4], uint32_t dim, float out [4])
{
    for (uint32_t row = 0; row < 4; row++)
        out [row] = s_dot (query, rows [row], dim);
}

static void
s_l2_4 (const void *query, const void *const rows [4], uint32_t dim, float out [4])
{
    for (uint32_t row = 0; row < 4; row++)
        out [row] = s_l2 (query, rows [row], dim);
}

static void
s_dot_rows (const void *query, const void *first, size_t stride, uint32_t count,
            uint32_t dim, float *out)
{
    for (uint32_t row = 0; row < count; row++)
        out [row] = s_dot (query, (const char *) first + row * stride, dim);
}

static void
s_l2_rows (const void *query, const void *first, size_t stride, uint32_t count,
           uint32_t dim, float *out)
{
    for (uint32_t row = 0; row < count; row++)
        out [row] = s_l2 (query, (const char *) first + row * stride, dim);
}

static uint32_t
s_keep (const kith_keep_t *keep, uint32_t *kept)
{
    uint32_t found = 0;
    for (uint32_t index = 0; index < keep->count; index++) {
        float value =
            fmaf (-keep->scale [index], keep->dots [index], keep->shift [index]);
        if (!(value > keep->limit))
            kept [found++] = index;
    }
    return found;
}

void
kith_fill_float_scalar (kith_kernels_t *table)
{
    table->dot = s_dot;
    table->l2 = s_l2;
    table->dot4 = s_dot4;
    table->l2_4 = s_l2_4;
    table->dot_rows = s_dot_rows;
    table->l2_rows = s_l2_rows;
    table->keep = s_keep;
}
