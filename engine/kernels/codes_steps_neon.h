//  codes_steps_neon.h - the loops over quantised rows that NEON's levels share; what a level brings is a step
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CODES_STEPS_NEON_H
#define KITH_CODES_STEPS_NEON_H

#include <arm_neon.h>

#include "engine/kernels/measure.h"

//  Adds the products of sixteen codes below 128 with as many bytes of a query
typedef int32x4_t kith_neon_codes_fn (int32x4_t sum, uint8x16_t code, int8x16_t query);

KITH_INLINE void
kith_neon_store4 (const int32x4_t sums [4], int32_t *out)
{
    vst1q_s32 (out, vpaddq_s32 (vpaddq_s32 (sums [0], sums [1]),
                                vpaddq_s32 (sums [2], sums [3])));
}

KITH_INLINE void
kith_neon_nibbles4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
                    int32_t out [4], kith_neon_codes_fn *step)
{
    const int32x4_t zero = vdupq_n_s32 (0);
    int32x4_t sums [4] = {zero, zero, zero, zero};
    for (uint32_t index = 0; index < bytes; index += 16) {
        int8x16_t first = vld1q_s8 (query + index);
        int8x16_t second = vld1q_s8 (query + bytes + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            uint8x16_t code = vld1q_u8 (codes [row] + index);
            sums [row] = step (sums [row], vandq_u8 (code, vdupq_n_u8 (15)), first);
            sums [row] = step (sums [row], vshrq_n_u8 (code, 4), second);
        }
    }
    kith_neon_store4 (sums, out);
}

KITH_INLINE void
kith_neon_bytes4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
                  int32_t out [4], kith_neon_codes_fn *step)
{
    const int32x4_t zero = vdupq_n_s32 (0);
    int32x4_t sums [4] = {zero, zero, zero, zero};
    for (uint32_t index = 0; index < bytes; index += 16) {
        int8x16_t part = vld1q_s8 (query + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++)
            sums [row] =
                step (sums [row],
                      vandq_u8 (vld1q_u8 (codes [row] + index), vdupq_n_u8 (127)), part);
    }
    kith_neon_store4 (sums, out);
}

#endif
