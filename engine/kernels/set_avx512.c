//  set_avx512.c - rows of a bitmap, listed: AVX-512 F
//  SPDX-License-Identifier: Apache-2.0
//
//  Eight words at a time tell which of them are empty. A word with few rows gives them one by one; of one with many, four registers of
//  sixteen ids are compressed, and written whole: what is too much, the next one overwrites. (Compressing straight into memory takes Zen 4
//  hundreds of cycles.)
#include <immintrin.h>

#include "engine/kernels/isa.h"

enum {
    FEW = 4    //  rows of a word
};

static inline uint32_t
s_word (uint64_t word, uint32_t first, uint32_t *rows)
{
    uint32_t found = 0;
    if (__builtin_popcountll (word) <= FEW) {
        for (; word; word &= word - 1)
            rows [found++] = first + (uint32_t) __builtin_ctzll (word);
        return found;
    }
    __m512i ids = _mm512_add_epi32 (
        _mm512_set1_epi32 ((int) first),
        _mm512_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    for (uint32_t part = 0; part < 4; part++) {
        const uint32_t bits = word >> 16 * part & 0xffff;
        _mm512_storeu_si512 (rows + found,
                             _mm512_maskz_compress_epi32 ((__mmask16) bits, ids));
        found += (uint32_t) __builtin_popcount (bits);
        ids = _mm512_add_epi32 (ids, _mm512_set1_epi32 (16));
    }
    return found;
}

static uint32_t
s_list (kith_set_t *set, uint32_t most, uint32_t *rows)
{
    uint32_t found = 0;
    while (set->next < set->count) {
        const uint32_t left = set->count - set->next;
        const __mmask8 there = left < 8 ? (__mmask8) ((1u << left) - 1) : 0xff;
        __m512i eight = _mm512_maskz_loadu_epi64 (there, set->words + set->next);
        for (uint32_t full = _mm512_test_epi64_mask (eight, eight); full;
             full &= full - 1) {
            const uint32_t at = set->next + (uint32_t) __builtin_ctz (full);
            if (found + 64 > most) {
                set->next = at;
                return found;
            }
            found += s_word (set->words [at], 64 * at, rows + found);
        }
        set->next += left < 8 ? left : 8;
    }
    return found;
}

void
kith_fill_set_avx512 (kith_kernels_t *table)
{
    table->set_list = s_list;
}
