//  fastscan_avx2.c - blocks of 32 codes, AVX2 with FMA
//  SPDX-License-Identifier: Apache-2.0
//
//  A register holds the codes, and the tables, of two sub-quantisers; bytes are added as in fastscan_avx512.c.
#include <immintrin.h>
#include <math.h>

#include "engine/kernels/isa.h"

enum {
    SUBS = 256    //  of 255 each that 16 bits can add
};

//  Adds both lanes of what is left of even and of odd rows, and puts the 16 rows in order
static inline __m256i
s_in_order (__m256i all, __m256i odd)
{
    __m256i even = _mm256_sub_epi16 (all, _mm256_slli_epi16 (odd, 8));
    __m128i evens =
        _mm_add_epi16 (_mm256_castsi256_si128 (even), _mm256_extracti128_si256 (even, 1));
    __m128i odds =
        _mm_add_epi16 (_mm256_castsi256_si128 (odd), _mm256_extracti128_si256 (odd, 1));
    return _mm256_set_m128i (_mm_unpackhi_epi16 (evens, odds),
                             _mm_unpacklo_epi16 (evens, odds));
}

//  Adds sums of one block over some sub-quantisers to four registers of eight rows
static inline void
s_add_sums (const uint8_t *codes, const uint8_t *table, uint32_t bytes, __m256i sums [4])
{
    const __m256i nibble = _mm256_set1_epi8 (15);
    __m256i low = _mm256_setzero_si256 (), low_odd = low, high = low, high_odd = low;
    for (uint32_t at = 0; at < bytes; at += 32) {
        __m256i code = _mm256_loadu_si256 ((const void *) (codes + at));
        __m256i values = _mm256_loadu_si256 ((const void *) (table + at));
        __m256i first = _mm256_shuffle_epi8 (values, _mm256_and_si256 (code, nibble));
        code = _mm256_and_si256 (_mm256_srli_epi16 (code, 4), nibble);
        __m256i second = _mm256_shuffle_epi8 (values, code);
        low = _mm256_add_epi16 (low, first);
        low_odd = _mm256_add_epi16 (low_odd, _mm256_srli_epi16 (first, 8));
        high = _mm256_add_epi16 (high, second);
        high_odd = _mm256_add_epi16 (high_odd, _mm256_srli_epi16 (second, 8));
    }
    low = s_in_order (low, low_odd);
    high = s_in_order (high, high_odd);
    const __m128i rows [4] = {
        _mm256_castsi256_si128 (low), _mm256_extracti128_si256 (low, 1),
        _mm256_castsi256_si128 (high), _mm256_extracti128_si256 (high, 1)};
    for (uint32_t part = 0; part < 4; part++)
        sums [part] = _mm256_add_epi32 (sums [part], _mm256_cvtepu16_epi32 (rows [part]));
}

static void
s_fastscan (const kith_fastscan_t *scan, float *sums)
{
    const uint32_t bytes = scan->subs * 16;
    for (uint32_t block = 0; block < scan->blocks; block++) {
        const uint8_t *codes = scan->codes + block * scan->stride;
        __m256i of [4] = {_mm256_setzero_si256 (), _mm256_setzero_si256 (),
                          _mm256_setzero_si256 (), _mm256_setzero_si256 ()};
        for (uint32_t from = 0; from < bytes; from += SUBS * 16) {
            uint32_t some = bytes - from < SUBS * 16 ? bytes - from : SUBS * 16;
            s_add_sums (codes + from, scan->table + from, some, of);
        }
        for (uint32_t part = 0; part < 4; part++)
            _mm256_storeu_ps (sums + block * KITH_FASTSCAN_ROWS + part * 8,
                              _mm256_cvtepi32_ps (of [part]));
    }
}

static void
s_judge (const kith_judge_t *judge, float *least, uint32_t *masks)
{
    const __m256 limit = _mm256_set1_ps (judge->limit);
    for (uint32_t block = 0; block < judge->blocks; block++) {
        const kith_factors_t *factors =
            (const void *) ((const char *) judge->factors + block * judge->stride);
        masks [block] = 0;
        for (uint32_t row = 0; row < KITH_FASTSCAN_ROWS; row += 8) {
            uint32_t at = block * KITH_FASTSCAN_ROWS + row;
            __m256 product = _mm256_fmadd_ps (_mm256_set1_ps (judge->step),
                                              _mm256_loadu_ps (judge->products + at),
                                              _mm256_set1_ps (judge->bias));
            __m256 value =
                _mm256_fmadd_ps (_mm256_loadu_ps (factors->scale + row), product,
                                 _mm256_loadu_ps (factors->shift + row));
            value = _mm256_fnmadd_ps (_mm256_set1_ps (judge->reach),
                                      _mm256_loadu_ps (factors->error + row), value);
            _mm256_storeu_ps (least + at, value);
            __m256 near = _mm256_cmp_ps (value, limit, _CMP_NGT_UQ);
            masks [block] |= (uint32_t) _mm256_movemask_ps (near) << row;
        }
    }
}

static uint32_t
s_nearest (const float *dots, const float *shift, uint32_t count, float *least)
{
    __m256i at = _mm256_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7);
    __m256i best = at;
    __m256 low = _mm256_set1_ps (INFINITY);
    uint32_t index = 0;
    for (; index + 8 <= count; index += 8) {
        __m256 value = _mm256_sub_ps (_mm256_loadu_ps (shift + index),
                                      _mm256_loadu_ps (dots + index));
        __m256 less = _mm256_cmp_ps (value, low, _CMP_LT_OQ);
        low = _mm256_blendv_ps (low, value, less);
        best = _mm256_blendv_epi8 (best, at, _mm256_castps_si256 (less));
        at = _mm256_add_epi32 (at, _mm256_set1_epi32 (8));
    }
    float lows [8];
    uint32_t bests [8], found = 0;
    _mm256_storeu_ps (lows, low);
    _mm256_storeu_si256 ((void *) bests, best);
    *least = INFINITY;
    for (uint32_t lane = 0; lane < 8; lane++)
        if (lows [lane] < *least || (lows [lane] == *least && bests [lane] < found)) {
            *least = lows [lane];
            found = bests [lane];
        }
    for (; index < count; index++)
        if (shift [index] - dots [index] < *least) {
            *least = shift [index] - dots [index];
            found = index;
        }
    return *least < INFINITY ? found : 0;
}

void
kith_fill_fastscan_avx2 (kith_kernels_t *table)
{
    table->fastscan = s_fastscan;
    table->judge = s_judge;
    table->nearest = s_nearest;
}
