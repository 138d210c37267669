//  set_avx2.c - rows of a bitmap, counted: POPCNT
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/isa.h"

static uint32_t
s_count (const uint64_t *words, size_t count)
{
    uint64_t total = 0;
    for (size_t index = 0; index < count; index++)
        total += (uint64_t) __builtin_popcountll (words [index]);
    return (uint32_t) total;
}

void
kith_fill_set_avx2 (kith_kernels_t *table)
{
    table->set_count = s_count;
}
