//  float_scalar.c - sums of float32 vectors: the specification
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/isa.h"
#include "engine/kernels/lanes_scalar.h"

KITH_INLINE float
s_at (const void *vector, uint32_t index)
{
    float value;
    memcpy (&value, (const char *) vector + (size_t) index * sizeof value, sizeof value);
    return value;
}

static float
s_pair (const void *a, const void *b, uint32_t dim, bool l2)
{
    kith_scalar_lanes_t lanes = {{0}};
    for (uint32_t index = 0; index < dim; index++)
        kith_scalar_add (&lanes, index, s_at (a, index), s_at (b, index), l2);
    return kith_scalar_fold (&lanes);
}

static void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, bool l2)
{
    for (uint32_t row = 0; row < 4; row++)
        out [row] = s_pair (query, rows [row], dim, l2);
}

KITH_MEASURE (s_dot, false);
KITH_MEASURE (s_l2, true);

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
    kith_kernels_set_float32 (table, &s_dot, &s_l2);
    table->keep = s_keep;
}
