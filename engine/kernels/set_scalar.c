//  set_scalar.c - rows of a bitmap, counted and listed: the specification
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/isa.h"

static uint32_t
s_count (const uint64_t *words, size_t count)
{
    uint32_t total = 0;
    for (size_t index = 0; index < count; index++) {
        uint64_t word = words [index];
        word -= word >> 1 & 0x5555555555555555u;
        word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
        word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
        total += (uint32_t) (word * 0x0101010101010101u >> 56);
    }
    return total;
}

static uint32_t
s_list (kith_set_t *set, uint32_t most, uint32_t *rows)
{
    uint32_t found = 0;
    for (; set->next < set->count && found + 64 <= most; set->next++)
        for (uint64_t word = set->words [set->next]; word; word &= word - 1)
            rows [found++] = 64 * set->next + (uint32_t) __builtin_ctzll (word);
    return found;
}

void
kith_fill_set_scalar (kith_kernels_t *table)
{
    table->set_count = s_count;
    table->set_list = s_list;
}
