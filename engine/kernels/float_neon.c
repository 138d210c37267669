//  float_neon.c - sums of float32 vectors, NEON
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/isa.h"
#include "engine/kernels/lanes_neon.h"

KITH_INLINE kith_neon_lanes_t
s_load (const char *vector, size_t index)
{
    const float *from = (const float *) (const void *) vector + index;
    return (kith_neon_lanes_t){{vld1q_f32 (from), vld1q_f32 (from + 4),
                                vld1q_f32 (from + 8), vld1q_f32 (from + 12)}};
}

//  Adds the last `count` numbers, fewer than 16, copied beside zeros
KITH_INLINE kith_neon_lanes_t
s_finish (const char *a, const char *b, uint32_t count, kith_neon_lanes_t sum, bool l2)
{
    char left [64] = {0}, right [64] = {0};
    if (count == 0)
        return sum;
    memcpy (left, a, 4 * (size_t) count);
    memcpy (right, b, 4 * (size_t) count);
    return kith_neon_add_tail (s_load (left, 0), s_load (right, 0), count, sum, l2);
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, bool l2)
{
    const char *left = a, *right = b;
    kith_neon_lanes_t sum = kith_neon_zero ();
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16)
        sum = kith_neon_add (s_load (left, index), s_load (right, index), sum, l2);
    size_t at = 4 * (size_t) index;
    return kith_neon_one (s_finish (left + at, right + at, dim - index, sum, l2));
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, bool l2)
{
    const char *left = query;
    const char *const right [4] = {rows [0], rows [1], rows [2], rows [3]};
    const kith_neon_lanes_t zero = kith_neon_zero ();
    kith_neon_lanes_t sums [4] = {zero, zero, zero, zero};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        kith_neon_lanes_t part = s_load (left, index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] =
                kith_neon_add (part, s_load (right [row], index), sums [row], l2);
    }
    size_t at = 4 * (size_t) index;
    for (uint32_t row = 0; row < 4; row++)
        out [row] = kith_neon_one (
            s_finish (left + at, right [row] + at, dim - index, sums [row], l2));
}

KITH_MEASURE (s_dot, false);
KITH_MEASURE (s_l2, true);

static uint32_t
s_keep (const kith_keep_t *keep, uint32_t *kept)
{
    const float32x4_t limit = vdupq_n_f32 (keep->limit);
    uint32_t found = 0, index = 0;
    for (; index + 4 <= keep->count; index += 4) {
        float32x4_t value =
            vfmsq_f32 (vld1q_f32 (keep->shift + index), vld1q_f32 (keep->scale + index),
                       vld1q_f32 (keep->dots + index));
        uint32_t stays [4];
        vst1q_u32 (stays, vmvnq_u32 (vcgtq_f32 (value, limit)));
        for (uint32_t each = 0; each < 4; each++)
            if (stays [each])
                kept [found++] = index + each;
    }
    for (; index < keep->count; index++) {
        float value = __builtin_fmaf (-keep->scale [index], keep->dots [index],
                                      keep->shift [index]);
        if (!(value > keep->limit))
            kept [found++] = index;
    }
    return found;
}

void
kith_fill_float_neon (kith_kernels_t *table)
{
    kith_kernels_set_float32 (table, &s_dot, &s_l2);
    table->keep = s_keep;
}
