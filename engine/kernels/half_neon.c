//  half_neon.c - sums of float16 and bfloat16 vectors, NEON
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/isa.h"
#include "engine/kernels/lanes_neon.h"

enum { L2 = 1, BFLOAT16 = 2 };

//  Four numbers
KITH_INLINE float32x4_t
s_widen4 (uint16x4_t halves, int kind)
{
    if (kind & BFLOAT16)
        return vreinterpretq_f32_u32 (vshll_n_u16 (halves, 16));
    return vcvt_f32_f16 (vreinterpret_f16_u16 (halves));
}

KITH_INLINE kith_neon_lanes_t
s_load (const char *vector, size_t index, int kind)
{
    const uint16_t *from = (const uint16_t *) (const void *) vector + index;
    return (kith_neon_lanes_t){
        {s_widen4 (vld1_u16 (from), kind), s_widen4 (vld1_u16 (from + 4), kind),
         s_widen4 (vld1_u16 (from + 8), kind), s_widen4 (vld1_u16 (from + 12), kind)}};
}

//  Adds the last `count` numbers, fewer than 16, copied beside zeros
KITH_INLINE kith_neon_lanes_t
s_finish (const char *a, const char *b, uint32_t count, kith_neon_lanes_t sum, int kind)
{
    char left [32] = {0}, right [32] = {0};
    if (count == 0)
        return sum;
    memcpy (left, a, 2 * (size_t) count);
    memcpy (right, b, 2 * (size_t) count);
    return kith_neon_add_tail (s_load (left, 0, kind), s_load (right, 0, kind), count,
                               sum, kind & L2);
}

KITH_INLINE float
s_pair (const void *a, const void *b, uint32_t dim, int kind)
{
    const char *left = a, *right = b;
    kith_neon_lanes_t sum = kith_neon_zero ();
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16)
        sum = kith_neon_add (s_load (left, index, kind), s_load (right, index, kind), sum,
                             kind & L2);
    size_t at = 2 * (size_t) index;
    return kith_neon_one (s_finish (left + at, right + at, dim - index, sum, kind));
}

KITH_INLINE void
s_four (const void *query, const void *const rows [4], uint32_t dim, float *out, int kind)
{
    const char *left = query;
    const char *const right [4] = {rows [0], rows [1], rows [2], rows [3]};
    const kith_neon_lanes_t zero = kith_neon_zero ();
    kith_neon_lanes_t sums [4] = {zero, zero, zero, zero};
    uint32_t index = 0;
    for (; index + 16 <= dim; index += 16) {
        kith_neon_lanes_t part = s_load (left, index, kind);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] = kith_neon_add (part, s_load (right [row], index, kind),
                                        sums [row], kind & L2);
    }
    size_t at = 2 * (size_t) index;
    for (uint32_t row = 0; row < 4; row++)
        out [row] = kith_neon_one (
            s_finish (left + at, right [row] + at, dim - index, sums [row], kind));
}

KITH_MEASURE (s_float16_dot, 0);
KITH_MEASURE (s_float16_l2, L2);
KITH_MEASURE (s_bfloat16_dot, BFLOAT16);
KITH_MEASURE (s_bfloat16_l2, BFLOAT16 | L2);

KITH_INLINE void
s_widen_all (const char *halves, size_t count, float *out, int kind)
{
    for (; count >= 4; count -= 4, halves += 8, out += 4)
        vst1q_f32 (out,
                   s_widen4 (vld1_u16 ((const uint16_t *) (const void *) halves), kind));
    uint16_t left [4] = {0};
    float last [4];
    memcpy (left, halves, 2 * count);
    vst1q_f32 (last, s_widen4 (vld1_u16 (left), kind));
    memcpy (out, last, 4 * count);
}

static void
s_float16_widen (const void *halves, size_t count, float *out)
{
    s_widen_all (halves, count, out, 0);
}

static void
s_bfloat16_widen (const void *halves, size_t count, float *out)
{
    s_widen_all (halves, count, out, BFLOAT16);
}

void
kith_fill_half_neon (kith_kernels_t *table)
{
    table->float16_dot = s_float16_dot;
    table->float16_l2 = s_float16_l2;
    table->bfloat16_dot = s_bfloat16_dot;
    table->bfloat16_l2 = s_bfloat16_l2;
    table->float16_widen = s_float16_widen;
    table->bfloat16_widen = s_bfloat16_widen;
}
