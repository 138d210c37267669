//  codes_neondot.c - products of a query with quantised rows, NEON with dot products of bytes
//  SPDX-License-Identifier: Apache-2.0
//
//  sdot adds four products of signed bytes to 32 bits. Codes below 128 are signed bytes as well; of codes up to 255 128 is taken
//  off, which costs 128 times the query's own sum.
#include <arm_neon.h>

#include "engine/kernels/isa.h"

static inline int32x4_t
s_add (int32x4_t sum, uint8x16_t code, int8x16_t query)
{
    return vdotq_s32 (sum, vreinterpretq_s8_u8 (code), query);
}

static inline void
s_store (const int32x4_t sums [4], int32_t *out)
{
    vst1q_s32 (out, vpaddq_s32 (vpaddq_s32 (sums [0], sums [1]),
                                vpaddq_s32 (sums [2], sums [3])));
}

static void
s_nibbles4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
            int32_t out [4])
{
    const int32x4_t zero = vdupq_n_s32 (0);
    int32x4_t sums [4] = {zero, zero, zero, zero};
    for (uint32_t index = 0; index < bytes; index += 16) {
        int8x16_t first = vld1q_s8 (query + index);
        int8x16_t second = vld1q_s8 (query + bytes + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            uint8x16_t code = vld1q_u8 (codes [row] + index);
            sums [row] = s_add (sums [row], vandq_u8 (code, vdupq_n_u8 (15)), first);
            sums [row] = s_add (sums [row], vshrq_n_u8 (code, 4), second);
        }
    }
    s_store (sums, out);
}

static void
s_bytes4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
          int32_t out [4])
{
    const int32x4_t zero = vdupq_n_s32 (0);
    int32x4_t sums [4] = {zero, zero, zero, zero};
    for (uint32_t index = 0; index < bytes; index += 16) {
        int8x16_t part = vld1q_s8 (query + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            uint8x16_t code = vld1q_u8 (codes [row] + index);
            sums [row] = s_add (sums [row], vandq_u8 (code, vdupq_n_u8 (127)), part);
        }
    }
    s_store (sums, out);
}

static void
s_full4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
         int32_t out [4])
{
    const int32x4_t zero = vdupq_n_s32 (0);
    int32x4_t sums [4] = {zero, zero, zero, zero}, whole = zero;
    for (uint32_t index = 0; index < bytes; index += 16) {
        int8x16_t part = vld1q_s8 (query + index);
        whole = vdotq_s32 (whole, vdupq_n_s8 (1), part);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            uint8x16_t code = vld1q_u8 (codes [row] + index);
            sums [row] = s_add (sums [row], veorq_u8 (code, vdupq_n_u8 (128)), part);
        }
    }
    for (uint32_t row = 0; row < 4; row++)
        sums [row] = vaddq_s32 (sums [row], vshlq_n_s32 (whole, 7));
    s_store (sums, out);
}

void
kith_fill_codes_neondot (kith_kernels_t *table)
{
    table->nibbles4 = s_nibbles4;
    table->bytes4 = s_bytes4;
    table->full4 = s_full4;
}
