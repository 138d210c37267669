//  int8_neondot.c - sums of int8 vectors, NEON with dot products of bytes
//  SPDX-License-Identifier: Apache-2.0
//
//  sdot and udot add four products of bytes to 32 bits; the size of a difference is an unsigned byte.
#include "engine/kernels/int8_steps_neon.h"
#include "engine/kernels/isa.h"

KITH_INLINE int32x4_t
s_step (int8x16_t a, int8x16_t b, int32x4_t sum, bool l2)
{
    if (!l2)
        return vdotq_s32 (sum, a, b);
    uint8x16_t size = vreinterpretq_u8_s8 (vabdq_s8 (a, b));
    return vreinterpretq_s32_u32 (vdotq_u32 (vreinterpretq_u32_s32 (sum), size, size));
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
kith_fill_int8_neondot (kith_kernels_t *table)
{
    table->int8_dot = s_dot;
    table->int8_l2 = s_l2;
}
