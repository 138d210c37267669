//  codes_neon.c - products of a query with quantised rows, NEON
//  SPDX-License-Identifier: Apache-2.0
//
//  Codes below 128 are signed bytes as well as unsigned ones.
#include "engine/kernels/codes_rows.h"
#include "engine/kernels/codes_steps_neon.h"
#include "engine/kernels/isa.h"

//  Adds the products of sixteen bytes: 127 * 128 fits in 16 bits
KITH_INLINE int32x4_t
s_step (int32x4_t sum, uint8x16_t code, int8x16_t query)
{
    int8x16_t signed_code = vreinterpretq_s8_u8 (code);
    sum = vpadalq_s16 (sum, vmull_s8 (vget_low_s8 (signed_code), vget_low_s8 (query)));
    return vpadalq_s16 (sum, vmull_s8 (vget_high_s8 (signed_code), vget_high_s8 (query)));
}

//  Of codes up to 255, in 16 bits each
static inline int32x4_t
s_add_full (int32x4_t sum, uint8x8_t code, int8x8_t query)
{
    int16x8_t wide_code = vreinterpretq_s16_u16 (vmovl_u8 (code));
    int16x8_t wide = vmovl_s8 (query);
    sum = vmlal_s16 (sum, vget_low_s16 (wide_code), vget_low_s16 (wide));
    return vmlal_s16 (sum, vget_high_s16 (wide_code), vget_high_s16 (wide));
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
    int32x4_t sums [4] = {zero, zero, zero, zero};
    for (uint32_t index = 0; index < bytes; index += 16) {
        int8x16_t part = vld1q_s8 (query + index);
#pragma GCC unroll 4
        for (uint32_t row = 0; row < 4; row++) {
            uint8x16_t code = vld1q_u8 (codes [row] + index);
            sums [row] = s_add_full (sums [row], vget_low_u8 (code), vget_low_s8 (part));
            sums [row] =
                s_add_full (sums [row], vget_high_u8 (code), vget_high_s8 (part));
        }
    }
    kith_neon_store4 (sums, out);
}

KITH_CODES_ROWS (s_nibbles_rows, s_nibbles4);
KITH_CODES_ROWS (s_bytes_rows, s_bytes4);

void
kith_fill_codes_neon (kith_kernels_t *table)
{
    table->nibbles4 = s_nibbles4;
    table->nibbles_rows = s_nibbles_rows;
    table->bytes4 = s_bytes4;
    table->bytes_rows = s_bytes_rows;
    table->full4 = s_full4;
}
