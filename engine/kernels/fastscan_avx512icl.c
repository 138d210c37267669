//  fastscan_avx512icl.c - blocks of 32 codes, AVX-512 with VBMI and VNNI
//  SPDX-License-Identifier: Apache-2.0
//
//  Four bytes side by side become the codes of one row in four sub-quantisers, each with its own quarter of a table of 64 entries;
//  one permutation looks them all up and vpdpbusd adds the four: 32-bit sums in order of rows, nothing to fold in the end.
#include <immintrin.h>

#include "engine/kernels/isa.h"

enum {
    AHEAD = 2    //  blocks asked for early
};

//  From 16 rows of each of four sub-quantisers to four sub-quantisers of each of 16 rows
static inline __m512i
s_by_row (void)
{
    return _mm512_set_epi8 (63, 47, 31, 15, 62, 46, 30, 14, 61, 45, 29, 13, 60, 44, 28,
                            12, 59, 43, 27, 11, 58, 42, 26, 10, 57, 41, 25, 9, 56, 40, 24,
                            8, 55, 39, 23, 7, 54, 38, 22, 6, 53, 37, 21, 5, 52, 36, 20, 4,
                            51, 35, 19, 3, 50, 34, 18, 2, 49, 33, 17, 1, 48, 32, 16, 0);
}

static inline void
s_block (const uint8_t *codes, const uint8_t *table, uint32_t bytes, float *sums)
{
    const __m512i nibble = _mm512_set1_epi8 (15), ones = _mm512_set1_epi8 (1);
    const __m512i quarter = _mm512_set1_epi32 (0x30201000), order = s_by_row ();
    __m512i low = _mm512_setzero_si512 (), high = low;
    for (uint32_t at = 0; at < bytes; at += 64) {
        __m512i code = _mm512_permutexvar_epi8 (order, _mm512_loadu_si512 (codes + at));
        __m512i values = _mm512_loadu_si512 (table + at);
        //  (code & nibble) | quarter
        __m512i first = _mm512_ternarylogic_epi32 (code, nibble, quarter, 0xea);
        __m512i second = _mm512_ternarylogic_epi32 (_mm512_srli_epi16 (code, 4), nibble,
                                                    quarter, 0xea);
        low = _mm512_dpbusd_epi32 (low, _mm512_permutexvar_epi8 (first, values), ones);
        high = _mm512_dpbusd_epi32 (high, _mm512_permutexvar_epi8 (second, values), ones);
    }
    _mm512_storeu_ps (sums, _mm512_cvtepi32_ps (low));
    _mm512_storeu_ps (sums + 16, _mm512_cvtepi32_ps (high));
}

static void
s_fastscan (const kith_fastscan_t *scan, float *sums)
{
    for (uint32_t block = 0; block < scan->blocks; block++) {
        const uint8_t *codes = scan->codes + block * scan->stride;
        for (size_t at = 0; at < scan->stride; at += 64)
            _mm_prefetch ((const char *) codes + AHEAD * scan->stride + at, _MM_HINT_T0);
        s_block (codes, scan->table, scan->subs * 16, sums + block * KITH_FASTSCAN_ROWS);
    }
}

void
kith_fill_fastscan_avx512icl (kith_kernels_t *table)
{
    table->fastscan = s_fastscan;
}
