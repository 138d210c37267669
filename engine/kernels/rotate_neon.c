//  rotate_neon.c - random rotation of a vector, NEON
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/rotate_steps.h"

static void
s_turn (const float *signs, uint32_t dim, float *values)
{
    s_rotate (signs, dim, values);
}

void
kith_fill_rotate_neon (kith_kernels_t *table)
{
    table->rotate = s_turn;
}
