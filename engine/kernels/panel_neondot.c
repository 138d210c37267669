//  panel_neondot.c - queries of a batch beside panels of coded rows: NEON with dot products of bytes
//  SPDX-License-Identifier: Apache-2.0
#include <arm_neon.h>
#include <string.h>

#include "engine/kernels/isa.h"

enum { QUERIES = 4, QUARTERS = 4 };    //  at once: sixteen registers of sums

//  Codes below 128 are signed bytes as well
static inline void
s_panel (const kith_panels_t *panels, uint32_t first, const uint8_t *panel,
         int32_t *products)
{
    int32x4_t sums [QUERIES][QUARTERS];
#pragma GCC unroll 4
    for (uint32_t query = 0; query < QUERIES; query++)
#pragma GCC unroll 4
        for (uint32_t quarter = 0; quarter < QUARTERS; quarter++)
            sums [query][quarter] = vdupq_n_s32 (0);
    for (uint32_t step = 0; step < panels->steps; step++) {
        int8x16_t codes [QUARTERS];
#pragma GCC unroll 4
        for (uint32_t quarter = 0; quarter < QUARTERS; quarter++)
            codes [quarter] = vreinterpretq_s8_u8 (
                vld1q_u8 (panel + (size_t) step * 64 + (size_t) quarter * 16));
#pragma GCC unroll 4
        for (uint32_t query = 0; query < QUERIES; query++) {
            int32_t four;
            memcpy (&four, panels->queries [first + query] + (size_t) step * 4,
                    sizeof four);
            const int8x16_t asked = vreinterpretq_s8_s32 (vdupq_n_s32 (four));
#pragma GCC unroll 4
            for (uint32_t quarter = 0; quarter < QUARTERS; quarter++)
                sums [query][quarter] =
                    vdotq_s32 (sums [query][quarter], codes [quarter], asked);
        }
    }
#pragma GCC unroll 4
    for (uint32_t query = 0; query < QUERIES; query++)
#pragma GCC unroll 4
        for (uint32_t quarter = 0; quarter < QUARTERS; quarter++)
            vst1q_s32 (products + (size_t) query * panels->products_step
                           + (size_t) quarter * 4,
                       sums [query][quarter]);
}

static void
s_panels (const kith_panels_t *panels)
{
    for (uint32_t index = 0; index < panels->count; index++)
        for (uint32_t first = 0; first < panels->asking; first += QUERIES)
            s_panel (panels, first, panels->panels + (size_t) index * panels->steps * 64,
                     panels->products + (size_t) first * panels->products_step
                         + (size_t) index * KITH_PANEL_ROWS);
}

//  Most rows are not near: four at once are passed over
static uint32_t
s_near (const kith_panel_near_t *near)
{
    const float32x4_t base = vdupq_n_f32 (near->base), worst = vdupq_n_f32 (near->worst);
    uint32_t found = 0;
    for (uint32_t index = 0; index < near->count; index += 4) {
        const float32x4_t products = vcvtq_f32_s32 (vld1q_s32 (near->products + index));
        const float32x4_t scaled =
            vmulq_f32 (vld1q_f32 (near->scales + index),
                       vaddq_f32 (base, vmulq_n_f32 (products, near->step)));
        const float32x4_t distances =
            vsubq_f32 (vld1q_f32 (near->shifts + index), scaled);
        if (vmaxvq_u32 (vcleq_f32 (distances, worst)) == 0)
            continue;
        float each [4];
        vst1q_f32 (each, distances);
        for (uint32_t lane = 0; lane < 4 && index + lane < near->count; lane++) {
            near->near [found] =
                (kith_near_t){.distance = each [lane], .id = near->rows [index + lane]};
            found += each [lane] <= near->worst;
        }
    }
    return found;
}

void
kith_fill_panel_neondot (kith_kernels_t *table)
{
    table->panels = s_panels;
    table->panel_near = s_near;
    table->panel_rate = 900;
}
