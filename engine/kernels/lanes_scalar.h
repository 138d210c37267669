//  lanes_scalar.h - the sixteen lanes of a float sum: the specification of its order
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_LANES_SCALAR_H
#define KITH_LANES_SCALAR_H

#include <math.h>

#include "engine/kernels/measure.h"

#define KITH_LANES 16u

typedef struct {
    float of [KITH_LANES];
} kith_scalar_lanes_t;

//  Adds element `index` of two vectors
KITH_INLINE void
kith_scalar_add (kith_scalar_lanes_t *lanes, uint32_t index, float a, float b, bool l2)
{
    float *lane = &lanes->of [index % KITH_LANES];
    *lane = l2 ? fmaf (a - b, a - b, *lane) : fmaf (a, b, *lane);
}

KITH_INLINE float
kith_scalar_fold (kith_scalar_lanes_t *lanes)
{
    for (uint32_t width = KITH_LANES / 2; width > 0; width /= 2)
        for (uint32_t lane = 0; lane < width; lane++)
            lanes->of [lane] += lanes->of [lane + width];
    return lanes->of [0];
}

#endif
