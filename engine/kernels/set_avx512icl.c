//  set_avx512icl.c - rows of a bitmap, counted and listed: AVX-512 VPOPCNTDQ and VBMI2
//  SPDX-License-Identifier: Apache-2.0
//
//  The numbers 0 .. 63 as bytes, compressed by a word, are the places of its rows; compressed by a mask of 64 words, those that are not empty.
//  Where few have rows these are listed first, for a long stretch: hardly a branch depends on where rows are. Up to sixteen ids are written
//  at once: what is too much, the next word overwrites.
#include <immintrin.h>

#include "engine/kernels/isa.h"

static uint32_t
s_count (const uint64_t *words, size_t count)
{
    __m512i even = _mm512_setzero_si512 (), odd = _mm512_setzero_si512 ();
    size_t index = 0;
    for (; index + 16 <= count; index += 16) {
        __m512i first = _mm512_loadu_si512 (words + index);
        __m512i second = _mm512_loadu_si512 (words + index + 8);
        even = _mm512_add_epi64 (even, _mm512_popcnt_epi64 (first));
        odd = _mm512_add_epi64 (odd, _mm512_popcnt_epi64 (second));
    }
    for (; index < count; index += 8) {
        const size_t left = count - index;
        const __mmask8 there = left < 8 ? (__mmask8) ((1u << left) - 1) : 0xff;
        __m512i rest = _mm512_maskz_loadu_epi64 (there, words + index);
        even = _mm512_add_epi64 (even, _mm512_popcnt_epi64 (rest));
    }
    return (uint32_t) _mm512_reduce_add_epi64 (_mm512_add_epi64 (even, odd));
}

static const uint8_t s_numbers [64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                       13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
                                       26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38,
                                       39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51,
                                       52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

//  A word of a sparse set has one row or two, nearly always; both are written
static inline uint32_t
s_few (uint64_t word, uint32_t first, uint32_t *rows)
{
    const uint64_t end = (uint64_t) 1 << 63;
    const uint32_t found = (uint32_t) __builtin_popcountll (word);
    rows [0] = first + (uint32_t) __builtin_ctzll (word | end);
    word &= word - 1;
    rows [1] = first + (uint32_t) __builtin_ctzll (word | end);
    for (uint32_t each = 2; each < found; each++) {
        word &= word - 1;
        rows [each] = first + (uint32_t) __builtin_ctzll (word | end);
    }
    return found;
}

//  Sixteen rows at a time
static inline uint32_t
s_many (uint64_t word, __m512i numbers, uint32_t first, uint32_t *rows)
{
    const uint32_t found = (uint32_t) __builtin_popcountll (word);
    const __m512i base = _mm512_set1_epi32 ((int) first);
    __m512i places = _mm512_maskz_compress_epi8 (word, numbers);
    __m512i ids = _mm512_cvtepu8_epi32 (_mm512_castsi512_si128 (places));
    _mm512_storeu_si512 (rows, _mm512_add_epi32 (ids, base));
    for (uint32_t at = 16; at < found; at += 16) {
        places = _mm512_alignr_epi64 (places, places, 2);
        ids = _mm512_cvtepu8_epi32 (_mm512_castsi512_si128 (places));
        _mm512_storeu_si512 (rows + at, _mm512_add_epi32 (ids, base));
    }
    return found;
}

//  Which of up to 64 words are not empty
static inline uint64_t
s_full (const uint64_t *words, uint32_t count)
{
    uint64_t full = 0;
    if (count == 64) {
#pragma GCC unroll 8
        for (uint32_t part = 0; part < 8; part++) {
            __m512i eight = _mm512_loadu_si512 (words + 8 * part);
            full |= (uint64_t) _mm512_test_epi64_mask (eight, eight) << 8 * part;
        }
        return full;
    }
    for (uint32_t index = 0; index < count; index++)
        full |= (uint64_t) (words [index] != 0) << index;
    return full;
}

enum {
    STRETCH = 16 * 64    //  words looked through before their rows are listed
};

//  Which words of a stretch are not empty, up to the first 64 of which most are not; moves *end_p to these
static inline uint32_t
s_sparse (const kith_set_t *set, uint32_t *end_p, uint16_t *places)
{
    const __m512i numbers = _mm512_loadu_si512 (s_numbers);
    const uint32_t left = set->count - set->next;
    const uint32_t most = left < STRETCH ? left : STRETCH;
    uint32_t used = 0, end = 0;
    while (end < most) {
        const uint32_t some = most - end < 64 ? most - end : 64;
        const uint64_t full = s_full (set->words + set->next + end, some);
        const uint32_t more = (uint32_t) __builtin_popcountll (full);
        if (more > some / 2)
            break;
        const __m256i bytes =
            _mm512_castsi512_si256 (_mm512_maskz_compress_epi8 (full, numbers));
        const __m512i at = _mm512_add_epi16 (_mm512_cvtepu8_epi16 (bytes),
                                             _mm512_set1_epi16 ((short) end));
        _mm512_storeu_si512 (places + used, at);
        used += more;
        end += some;
    }
    *end_p = set->next + end;
    return used;
}

static uint32_t
s_list (kith_set_t *set, uint32_t most, uint32_t *rows)
{
    uint16_t places [STRETCH / 2 + 32];
    const __m512i numbers = _mm512_loadu_si512 (s_numbers);
    uint32_t found = 0;
    while (set->next < set->count) {
        uint32_t end;
        const uint32_t used = s_sparse (set, &end, places);
        for (uint32_t each = 0; each < used; each++) {
            const uint32_t at = set->next + places [each];
            if (found + 64 > most) {
                set->next = at;
                return found;
            }
            found += s_few (set->words [at], 64 * at, rows + found);
        }
        //  Most of the next 64 have rows
        const uint32_t dense = end - set->next == STRETCH || end == set->count ? 0
                               : set->count - end < 64 ? set->count - end
                                                       : 64;
        set->next = end;
        for (uint32_t each = 0; each < dense; each++, set->next++) {
            if (found + 64 > most)
                return found;
            found +=
                s_many (set->words [set->next], numbers, 64 * set->next, rows + found);
        }
    }
    return found;
}

void
kith_fill_set_avx512icl (kith_kernels_t *table)
{
    table->set_count = s_count;
    table->set_list = s_list;
}
