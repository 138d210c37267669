//  codes_neondot.c - products of a query with quantised rows, NEON with dot products of bytes
//  SPDX-License-Identifier: Apache-2.0
//
//  sdot adds four products of signed bytes to 32 bits. Codes below 128 are signed bytes as well; of codes up to 255 128 is taken
//  off, which costs 128 times the query's own sum.
#include "engine/kernels/codes_rows.h"
#include "engine/kernels/codes_steps_neon.h"
#include "engine/kernels/isa.h"

KITH_INLINE int32x4_t
s_step (int32x4_t sum, uint8x16_t code, int8x16_t query)
{
    return vdotq_s32 (sum, vreinterpretq_s8_u8 (code), query);
}

static void
s_nibbles4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
            int32_t out [4])
{
    kith_neon_nibbles4 (query, codes, bytes, out, s_step);
}

static void
s_bytes4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
          int32_t out [4])
{
    kith_neon_bytes4 (query, codes, bytes, out, s_step);
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
            sums [row] = s_step (sums [row], veorq_u8 (code, vdupq_n_u8 (128)), part);
        }
    }
    for (uint32_t row = 0; row < 4; row++)
        sums [row] = vaddq_s32 (sums [row], vshlq_n_s32 (whole, 7));
    kith_neon_store4 (sums, out);
}

KITH_CODES_ROWS (s_nibbles_rows, s_nibbles4);
KITH_CODES_ROWS (s_bytes_rows, s_bytes4);

void
kith_fill_codes_neondot (kith_kernels_t *table)
{
    table->nibbles4 = s_nibbles4;
    table->nibbles_rows = s_nibbles_rows;
    table->bytes4 = s_bytes4;
    table->bytes_rows = s_bytes_rows;
    table->full4 = s_full4;
}
