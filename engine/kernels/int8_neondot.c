//  int8_neondot.c - sums of int8 vectors, NEON with dot products of bytes
//  SPDX-License-Identifier: Apache-2.0
//
//  sdot and udot add four products of bytes to 32 bits; the size of a difference is an unsigned byte.
#include "engine/kernels/isa.h"
#include "engine/kernels/lanes_neon.h"

KITH_INLINE int8x16_t
s_load (const char *vector, size_t index)
{
    return vld1q_s8 ((const int8_t *) vector + index);
}

//  Sixteen numbers of which `count` are the vector's
KITH_INLINE int8x16_t
s_load_tail (const char *vector, uint32_t index, uint32_t count)
{
    char left [16] = {0};
    memcpy (left, vector + index, count);
    return s_load (left, 0);
}

KITH_INLINE int32x4_t
s_add (int8x16_t a, int8x16_t b, int32x4_t sum, bool l2)
{
    if (!l2)
        return vdotq_s32 (sum, a, b);
    uint8x16_t size = vreinterpretq_u8_s8 (vabdq_s8 (a, b));
    return vreinterpretq_s32_u32 (vdotq_u32 (vreinterpretq_u32_s32 (sum), size, size));
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, bool l2)
{
    int32x4_t sum = vdupq_n_s32 (0);
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16)
        sum = s_add (s_load (a, index), s_load (b, index), sum, l2);
    if (index < dim)
        sum = s_add (s_load_tail (a, index, dim - index),
                     s_load_tail (b, index, dim - index), sum, l2);
    return (float) vaddvq_s32 (sum);
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, bool l2)
{
    const int32x4_t zero = vdupq_n_s32 (0);
    int32x4_t sums [4] = {zero, zero, zero, zero};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        int8x16_t part = s_load (query, index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_add (part, s_load (rows [row], index), sums [row], l2);
    }
    if (index < dim) {
        int8x16_t part = s_load_tail (query, index, dim - index);
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = s_add (part, s_load_tail (rows [row], index, dim - index),
                                sums [row], l2);
    }
    int32x4_t both =
        vpaddq_s32 (vpaddq_s32 (sums [0], sums [1]), vpaddq_s32 (sums [2], sums [3]));
    vst1q_f32 (out, vcvtq_f32_s32 (both));
}

KITH_MEASURE (s_dot, false);
KITH_MEASURE (s_l2, true);

void
kith_fill_int8_neondot (kith_kernels_t *table)
{
    table->int8_dot = s_dot;
    table->int8_l2 = s_l2;
}
