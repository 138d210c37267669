//  int8_steps_neon.h - the loops over int8 vectors that NEON's levels share; what a level brings is a step
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_INT8_STEPS_NEON_H
#define KITH_INT8_STEPS_NEON_H

#include "engine/kernels/lanes_neon.h"

//  Adds the products of sixteen numbers, or the squares of their differences
typedef int32x4_t kith_neon_int8_fn (int8x16_t a, int8x16_t b, int32x4_t sum, bool l2);

KITH_INLINE int8x16_t
kith_neon_int8 (const char *vector, size_t index)
{
    return vld1q_s8 ((const int8_t *) vector + index);
}

//  Sixteen numbers of which `count` are the vector's
KITH_INLINE int8x16_t
kith_neon_int8_tail (const char *vector, uint32_t index, uint32_t count)
{
    char left [16] = {0};
    memcpy (left, vector + index, count);
    return kith_neon_int8 (left, 0);
}

KITH_INLINE float
kith_neon_int8_pair (const void *a, const void *b, uint32_t dim, bool l2,
                     kith_neon_int8_fn *step)
{
    int32x4_t sum = vdupq_n_s32 (0);
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16)
        sum = step (kith_neon_int8 (a, index), kith_neon_int8 (b, index), sum, l2);
    if (index < dim)
        sum = step (kith_neon_int8_tail (a, index, dim - index),
                    kith_neon_int8_tail (b, index, dim - index), sum, l2);
    return (float) vaddvq_s32 (sum);
}

KITH_INLINE void
kith_neon_int8_four (const void *query, const void *const rows [4], uint32_t dim,
                     float *out, bool l2, kith_neon_int8_fn *step)
{
    const int32x4_t zero = vdupq_n_s32 (0);
    int32x4_t sums [4] = {zero, zero, zero, zero};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        int8x16_t part = kith_neon_int8 (query, index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = step (part, kith_neon_int8 (rows [row], index), sums [row], l2);
    }
    if (index < dim) {
        int8x16_t part = kith_neon_int8_tail (query, index, dim - index);
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = step (part, kith_neon_int8_tail (rows [row], index, dim - index),
                               sums [row], l2);
    }
    int32x4_t both =
        vpaddq_s32 (vpaddq_s32 (sums [0], sums [1]), vpaddq_s32 (sums [2], sums [3]));
    vst1q_f32 (out, vcvtq_f32_s32 (both));
}

#endif
