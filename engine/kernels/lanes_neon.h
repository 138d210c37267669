//  lanes_neon.h - the sixteen lanes of a float sum in four NEON registers
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_LANES_NEON_H
#define KITH_LANES_NEON_H

#include <arm_neon.h>

#include "engine/kernels/measure.h"

typedef struct {
    float32x4_t of [4];    //  lanes 0 .. 3, 4 .. 7, 8 .. 11, 12 .. 15
} kith_neon_lanes_t;

KITH_INLINE kith_neon_lanes_t
kith_neon_zero (void)
{
    const float32x4_t zero = vdupq_n_f32 (0);
    return (kith_neon_lanes_t){{zero, zero, zero, zero}};
}

//  One step of four lanes
KITH_INLINE float32x4_t
kith_neon_add4 (float32x4_t a, float32x4_t b, float32x4_t sum, bool l2)
{
    if (l2) {
        a = vsubq_f32 (a, b);
        b = a;
    }
    return vfmaq_f32 (sum, a, b);
}

//  One step of every lane
KITH_INLINE kith_neon_lanes_t
kith_neon_add (kith_neon_lanes_t a, kith_neon_lanes_t b, kith_neon_lanes_t sum, bool l2)
{
#pragma GCC unroll 4
    for (uint32_t part = 0; part < 4; part++)
        sum.of [part] = kith_neon_add4 (a.of [part], b.of [part], sum.of [part], l2);
    return sum;
}

//  A step of the first `count` lanes; the others stay as they are: adding a product of zeros would turn -0 into +0
KITH_INLINE kith_neon_lanes_t
kith_neon_add_tail (kith_neon_lanes_t a, kith_neon_lanes_t b, uint32_t count,
                    kith_neon_lanes_t sum, bool l2)
{
    static const uint32_t numbers [16] = {0, 1, 2,  3,  4,  5,  6,  7,
                                          8, 9, 10, 11, 12, 13, 14, 15};
    kith_neon_lanes_t added = kith_neon_add (a, b, sum, l2);
#pragma GCC unroll 4
    for (uint32_t part = 0; part < 4; part++) {
        uint32x4_t mask = vcltq_u32 (vld1q_u32 (numbers + 4 * part), vdupq_n_u32 (count));
        sum.of [part] = vbslq_f32 (mask, added.of [part], sum.of [part]);
    }
    return sum;
}

//  Lanes i and i + 8, then i and i + 4, i + 2, i + 1
KITH_INLINE float
kith_neon_one (kith_neon_lanes_t lanes)
{
    float32x4_t four = vaddq_f32 (vaddq_f32 (lanes.of [0], lanes.of [2]),
                                  vaddq_f32 (lanes.of [1], lanes.of [3]));
    float32x2_t two = vadd_f32 (vget_low_f32 (four), vget_high_f32 (four));
    return vget_lane_f32 (two, 0) + vget_lane_f32 (two, 1);
}

#endif
