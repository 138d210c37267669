//  fastscan_scalar.c - blocks of 32 codes, in plain C: the specification
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "engine/kernels/isa.h"

static void
s_fastscan (const kith_fastscan_t *scan, float *sums)
{
    for (uint32_t block = 0; block < scan->blocks; block++) {
        const uint8_t *codes = scan->codes + block * scan->stride;
        uint32_t of [KITH_FASTSCAN_ROWS] = {0};
        for (uint32_t sub = 0; sub < scan->subs; sub++)
            for (uint32_t row = 0; row < 16; row++) {
                uint8_t pair = codes [16 * sub + row];
                of [row] += scan->table [16 * sub + (pair & 15)];
                of [16 + row] += scan->table [16 * sub + (pair >> 4)];
            }
        for (uint32_t row = 0; row < KITH_FASTSCAN_ROWS; row++)
            sums [KITH_FASTSCAN_ROWS * block + row] = (float) of [row];
    }
}

static void
s_judge (const kith_judge_t *judge, float *least, uint32_t *masks)
{
    for (uint32_t block = 0; block < judge->blocks; block++) {
        const kith_factors_t *factors =
            (const void *) ((const char *) judge->factors + block * judge->stride);
        masks [block] = 0;
        for (uint32_t row = 0; row < KITH_FASTSCAN_ROWS; row++) {
            uint32_t at = KITH_FASTSCAN_ROWS * block + row;
            float product = fmaf (judge->step, judge->products [at], judge->bias);
            float value = fmaf (factors->scale [row], product, factors->shift [row]);
            value = fmaf (-judge->reach, factors->error [row], value);
            least [at] = value;
            if (!(value > judge->limit))
                masks [block] |= 1u << row;
        }
    }
}

static uint32_t
s_nearest (const float *dots, const float *shift, uint32_t count, float *least)
{
    uint32_t best = 0;
    *least = INFINITY;
    for (uint32_t index = 0; index < count; index++) {
        float value = shift [index] - dots [index];
        if (value < *least) {
            *least = value;
            best = index;
        }
    }
    return best;
}

void
kith_fill_fastscan_scalar (kith_kernels_t *table)
{
    table->fastscan = s_fastscan;
    table->judge = s_judge;
    table->nearest = s_nearest;
}
