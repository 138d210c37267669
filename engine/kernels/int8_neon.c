//  int8_neon.c - sums of int8 vectors, NEON
//  SPDX-License-Identifier: Apache-2.0
//
//  A product of two bytes fits in 16 bits and so does a difference; pairs are added to 32 bits at once.
#include "engine/kernels/int8_steps_neon.h"
#include "engine/kernels/isa.h"

KITH_INLINE int32x4_t
s_step (int8x16_t a, int8x16_t b, int32x4_t sum, bool l2)
{
    if (!l2) {
        sum = vpadalq_s16 (sum, vmull_s8 (vget_low_s8 (a), vget_low_s8 (b)));
        return vpadalq_s16 (sum, vmull_s8 (vget_high_s8 (a), vget_high_s8 (b)));
    }
    //  The size of a difference is below 256: its square fits in 16 bits without sign
    uint8x16_t size = vreinterpretq_u8_s8 (vabdq_s8 (a, b));
    uint16x8_t low = vmull_u8 (vget_low_u8 (size), vget_low_u8 (size));
    uint16x8_t high = vmull_u8 (vget_high_u8 (size), vget_high_u8 (size));
    uint32x4_t squares =
        vpadalq_u16 (vpadalq_u16 (vreinterpretq_u32_s32 (sum), low), high);
    return vreinterpretq_s32_u32 (squares);
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, bool l2)
{
    return kith_neon_int8_pair (a, b, dim, l2, s_step);
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, bool l2)
{
    kith_neon_int8_four (query, rows, dim, out, l2, s_step);
}

KITH_MEASURE (s_dot, false);
KITH_MEASURE (s_l2, true);

void
kith_fill_int8_neon (kith_kernels_t *table)
{
    table->int8_dot = s_dot;
    table->int8_l2 = s_l2;
}
