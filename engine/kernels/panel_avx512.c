//  panel_avx512.c - panels of coded rows, made sixteen words at a time: AVX-512 F
//  SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "engine/kernels/isa.h"

//  Sixteen rows of sixteen words become sixteen words of sixteen rows
static inline void
s_transpose (__m512i rows [16])
{
    __m512i pairs [16], fours [16];
#pragma GCC unroll 8
    for (uint32_t each = 0; each < 16; each += 2) {
        pairs [each] = _mm512_unpacklo_epi32 (rows [each], rows [each + 1]);
        pairs [each + 1] = _mm512_unpackhi_epi32 (rows [each], rows [each + 1]);
    }
#pragma GCC unroll 4
    for (uint32_t each = 0; each < 16; each += 4)
#pragma GCC unroll 2
        for (uint32_t half = 0; half < 2; half++) {
            fours [each + 2 * half] =
                _mm512_unpacklo_epi64 (pairs [each + half], pairs [each + 2 + half]);
            fours [each + 2 * half + 1] =
                _mm512_unpackhi_epi64 (pairs [each + half], pairs [each + 2 + half]);
        }
        //  fours [4 g + w] has words w, 4 + w, 8 + w, 12 + w of rows 4 g .. 4 g + 3
#pragma GCC unroll 4
    for (uint32_t word = 0; word < 4; word++) {
        const __m512i even = _mm512_shuffle_i32x4 (fours [word], fours [4 + word], 0x88);
        const __m512i odd = _mm512_shuffle_i32x4 (fours [word], fours [4 + word], 0xdd);
        const __m512i even_behind =
            _mm512_shuffle_i32x4 (fours [8 + word], fours [12 + word], 0x88);
        const __m512i odd_behind =
            _mm512_shuffle_i32x4 (fours [8 + word], fours [12 + word], 0xdd);
        rows [word] = _mm512_shuffle_i32x4 (even, even_behind, 0x88);
        rows [4 + word] = _mm512_shuffle_i32x4 (odd, odd_behind, 0x88);
        rows [8 + word] = _mm512_shuffle_i32x4 (even, even_behind, 0xdd);
        rows [12 + word] = _mm512_shuffle_i32x4 (odd, odd_behind, 0xdd);
    }
}

static void
s_fill (const kith_panel_fill_t *fill)
{
    const __m512i mask = _mm512_set1_epi32 ((int32_t) fill->mask);
    for (uint32_t first = 0; first < fill->low || first < fill->high; first += 16) {
        __m512i words [16];
#pragma GCC unroll 16
        for (uint32_t row = 0; row < KITH_PANEL_ROWS; row++)
            words [row] = _mm512_loadu_si512 (fill->codes [row] + (size_t) first * 4);
        s_transpose (words);
#pragma GCC unroll 16
        for (uint32_t word = 0; word < 16; word++) {
            const uint32_t step = first + word;
            if (step < fill->low)
                _mm512_store_si512 (fill->panel + (size_t) step * 64,
                                    _mm512_and_si512 (words [word], mask));
            if (step < fill->high)
                _mm512_store_si512 (
                    fill->panel + (size_t) (fill->low + step) * 64,
                    _mm512_and_si512 (_mm512_srli_epi32 (words [word], 4), mask));
        }
    }
}

void
kith_fill_panel_avx512 (kith_kernels_t *table)
{
    table->panel_fill = s_fill;
}
