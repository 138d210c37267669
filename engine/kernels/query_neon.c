//  query_neon.c - a query on the scale of quantised rows: NEON
//  SPDX-License-Identifier: Apache-2.0
#include <arm_neon.h>
#include <string.h>

#include "engine/kernels/isa.h"

//  Four numbers, zero where fewer are left
static inline float32x4_t
s_load (const float *numbers, uint32_t left)
{
    if (left >= 4)
        return vld1q_f32 (numbers);
    float four [4] = {0};
    memcpy (four, numbers, left * sizeof *four);
    return vld1q_f32 (four);
}

static float
s_scale (const float *vector, const float *halves, uint32_t dim, float *scaled)
{
    const uint32x4_t magnitude = vdupq_n_u32 (INT32_MAX);
    uint32x4_t most = vdupq_n_u32 (0);
    for (uint32_t index = 0; index < dim; index += 4) {
        const uint32_t left = dim - index;
        const float32x4_t apart = vsubq_f32 (s_load (vector + index, left),
                                             s_load (halves + dim + index, left));
        const float32x4_t each = vmulq_f32 (apart, s_load (halves + index, left));
        memcpy (scaled + index, &each, (left < 4 ? left : 4) * sizeof *scaled);
        most = vmaxq_u32 (most, vandq_u32 (vreinterpretq_u32_f32 (each), magnitude));
    }
    const uint32_t bits = vmaxvq_u32 (most);
    float widest;
    memcpy (&widest, &bits, sizeof widest);
    return widest;
}

static int32_t
s_round (const float *scaled, uint32_t count, float up, int8_t *levels)
{
    const uint32x4_t sign = vdupq_n_u32 (1u << 31);
    const uint32x4_t half = vreinterpretq_u32_f32 (vdupq_n_f32 (0.5f));
    int32_t sum = 0;
    for (uint32_t index = 0; index < count; index += 4) {
        const uint32_t left = count - index < 4 ? count - index : 4;
        int32_t four [4];
        const float32x4_t value = vmulq_n_f32 (s_load (scaled + index, left), up);
        const uint32x4_t toward =
            vorrq_u32 (vandq_u32 (vreinterpretq_u32_f32 (value), sign), half);
        vst1q_s32 (four,
                   vcvtq_s32_f32 (vaddq_f32 (value, vreinterpretq_f32_u32 (toward))));
        for (uint32_t each = 0; each < left; each++) {
            levels [index + each] = (int8_t) four [each];
            sum += four [each];
        }
    }
    return sum;
}

void
kith_fill_query_neon (kith_kernels_t *table)
{
    table->query_scale = s_scale;
    table->query_round = s_round;
}
