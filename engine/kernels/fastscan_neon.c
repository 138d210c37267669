//  fastscan_neon.c - blocks of 32 codes, NEON
//  SPDX-License-Identifier: Apache-2.0
//
//  A register holds the codes, and the table, of one sub-quantiser. Eight rows of bytes are widened as they are added, so that 16 bits
//  hold 257 sub-quantisers.
#include <arm_neon.h>
#include <math.h>

#include "engine/kernels/isa.h"

enum {
    SUBS = 256    //  of 255 each that 16 bits can add
};

//  Adds sums of one block over some sub-quantisers to eight registers of four rows
static inline void
s_add_sums (const uint8_t *codes, const uint8_t *table, uint32_t bytes,
            uint32x4_t sums [8])
{
    uint16x8_t of [4] = {vdupq_n_u16 (0), vdupq_n_u16 (0), vdupq_n_u16 (0),
                         vdupq_n_u16 (0)};
    for (uint32_t at = 0; at < bytes; at += 16) {
        uint8x16_t code = vld1q_u8 (codes + at), values = vld1q_u8 (table + at);
        uint8x16_t first = vqtbl1q_u8 (values, vandq_u8 (code, vdupq_n_u8 (15)));
        uint8x16_t second = vqtbl1q_u8 (values, vshrq_n_u8 (code, 4));
        of [0] = vaddw_u8 (of [0], vget_low_u8 (first));
        of [1] = vaddw_u8 (of [1], vget_high_u8 (first));
        of [2] = vaddw_u8 (of [2], vget_low_u8 (second));
        of [3] = vaddw_u8 (of [3], vget_high_u8 (second));
    }
    for (uint32_t part = 0; part < 4; part++) {
        sums [2 * part] = vaddw_u16 (sums [2 * part], vget_low_u16 (of [part]));
        sums [2 * part + 1] = vaddw_u16 (sums [2 * part + 1], vget_high_u16 (of [part]));
    }
}

static void
s_fastscan (const kith_fastscan_t *scan, float *sums)
{
    const uint32_t bytes = scan->subs * 16;
    for (uint32_t block = 0; block < scan->blocks; block++) {
        const uint8_t *codes = scan->codes + block * scan->stride;
        uint32x4_t of [8];
        for (uint32_t part = 0; part < 8; part++)
            of [part] = vdupq_n_u32 (0);
        for (uint32_t from = 0; from < bytes; from += SUBS * 16) {
            uint32_t some = bytes - from < SUBS * 16 ? bytes - from : SUBS * 16;
            s_add_sums (codes + from, scan->table + from, some, of);
        }
        for (uint32_t part = 0; part < 8; part++)
            vst1q_f32 (sums + block * KITH_FASTSCAN_ROWS + 4 * part,
                       vcvtq_f32_u32 (of [part]));
    }
}

static void
s_judge (const kith_judge_t *judge, float *least, uint32_t *masks)
{
    const uint32_t bits [4] = {1, 2, 4, 8};
    const uint32x4_t bit = vld1q_u32 (bits);
    for (uint32_t block = 0; block < judge->blocks; block++) {
        const kith_factors_t *factors =
            (const void *) ((const char *) judge->factors + block * judge->stride);
        masks [block] = 0;
        for (uint32_t row = 0; row < KITH_FASTSCAN_ROWS; row += 4) {
            uint32_t at = block * KITH_FASTSCAN_ROWS + row;
            float32x4_t product =
                vfmaq_f32 (vdupq_n_f32 (judge->bias), vdupq_n_f32 (judge->step),
                           vld1q_f32 (judge->products + at));
            float32x4_t value = vfmaq_f32 (vld1q_f32 (factors->shift + row),
                                           vld1q_f32 (factors->scale + row), product);
            value = vfmsq_f32 (value, vdupq_n_f32 (judge->reach),
                               vld1q_f32 (factors->error + row));
            vst1q_f32 (least + at, value);
            uint32x4_t near = vmvnq_u32 (vcgtq_f32 (value, vdupq_n_f32 (judge->limit)));
            masks [block] |= vaddvq_u32 (vandq_u32 (near, bit)) << row;
        }
    }
}

static uint32_t
s_nearest (const float *dots, const float *shift, uint32_t count, float *least)
{
    const uint32_t lanes [4] = {0, 1, 2, 3};
    uint32x4_t at = vld1q_u32 (lanes), best = at;
    float32x4_t low = vdupq_n_f32 (INFINITY);
    uint32_t index = 0;
    for (; index + 4 <= count; index += 4) {
        float32x4_t value =
            vsubq_f32 (vld1q_f32 (shift + index), vld1q_f32 (dots + index));
        uint32x4_t less = vcltq_f32 (value, low);
        low = vbslq_f32 (less, value, low);
        best = vbslq_u32 (less, at, best);
        at = vaddq_u32 (at, vdupq_n_u32 (4));
    }
    float lows [4];
    uint32_t bests [4], found = 0;
    vst1q_f32 (lows, low);
    vst1q_u32 (bests, best);
    *least = INFINITY;
    for (uint32_t lane = 0; lane < 4; lane++)
        if (lows [lane] < *least || (lows [lane] == *least && bests [lane] < found)) {
            *least = lows [lane];
            found = bests [lane];
        }
    for (; index < count; index++)
        if (shift [index] - dots [index] < *least) {
            *least = shift [index] - dots [index];
            found = index;
        }
    return *least < INFINITY ? found : 0;
}

void
kith_fill_fastscan_neon (kith_kernels_t *table)
{
    table->fastscan = s_fastscan;
    table->judge = s_judge;
    table->nearest = s_nearest;
}
