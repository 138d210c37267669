//  fastscan_avx512.c - blocks of 32 codes, AVX-512 F, BW, VL, DQ
//  SPDX-License-Identifier: Apache-2.0
//
//  A register holds the codes, and the tables, of four sub-quantisers. Bytes are added as if they were 16-bit numbers: of each pair
//  the upper one is kept apart and taken out of the sum in the end (as faiss does), so that no byte is ever widened.
#include <immintrin.h>
#include <math.h>

#include "engine/kernels/isa.h"

enum {
    SUBS = 256,    //  of 255 each that 16 bits can add
    AHEAD = 2      //  blocks asked for early
};

//  Sums of one block over some sub-quantisers: 16 bits for each row, in order
static inline __m512i
s_sums (const uint8_t *codes, const uint8_t *table, uint32_t bytes)
{
    const __m512i nibble = _mm512_set1_epi8 (15);
    __m512i low = _mm512_setzero_si512 (), low_odd = low, high = low, high_odd = low;
    for (uint32_t at = 0; at < bytes; at += 64) {
        __m512i code = _mm512_loadu_si512 (codes + at);
        __m512i values = _mm512_loadu_si512 (table + at);
        __m512i first = _mm512_shuffle_epi8 (values, _mm512_and_si512 (code, nibble));
        code = _mm512_and_si512 (_mm512_srli_epi16 (code, 4), nibble);
        __m512i second = _mm512_shuffle_epi8 (values, code);
        low = _mm512_add_epi16 (low, first);
        low_odd = _mm512_add_epi16 (low_odd, _mm512_srli_epi16 (first, 8));
        high = _mm512_add_epi16 (high, second);
        high_odd = _mm512_add_epi16 (high_odd, _mm512_srli_epi16 (second, 8));
    }
    low = _mm512_sub_epi16 (low, _mm512_slli_epi16 (low_odd, 8));
    high = _mm512_sub_epi16 (high, _mm512_slli_epi16 (high_odd, 8));
    //  Adds the four lanes of each: what is left is {low even, low odd, high even, high odd} rows
    __m512i left = _mm512_add_epi16 (_mm512_shuffle_i64x2 (low, low_odd, 0x44),
                                     _mm512_shuffle_i64x2 (low, low_odd, 0xee));
    __m512i right = _mm512_add_epi16 (_mm512_shuffle_i64x2 (high, high_odd, 0x44),
                                      _mm512_shuffle_i64x2 (high, high_odd, 0xee));
    __m512i all = _mm512_add_epi16 (_mm512_shuffle_i64x2 (left, right, 0x88),
                                    _mm512_shuffle_i64x2 (left, right, 0xdd));
    const __m512i order =
        _mm512_set_epi16 (31, 23, 30, 22, 29, 21, 28, 20, 27, 19, 26, 18, 25, 17, 24, 16,
                          15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0);
    return _mm512_permutexvar_epi16 (order, all);
}

static void
s_fastscan (const kith_fastscan_t *scan, float *sums)
{
    const uint32_t bytes = scan->subs * 16;
    for (uint32_t block = 0; block < scan->blocks; block++) {
        const uint8_t *codes = scan->codes + block * scan->stride;
        for (size_t at = 0; at < scan->stride; at += 64)
            _mm_prefetch ((const char *) codes + AHEAD * scan->stride + at, _MM_HINT_T0);
        __m512i first = _mm512_setzero_si512 (), second = first;
        for (uint32_t from = 0; from < bytes; from += SUBS * 16) {
            uint32_t some = bytes - from < SUBS * 16 ? bytes - from : SUBS * 16;
            __m512i all = s_sums (codes + from, scan->table + from, some);
            first = _mm512_add_epi32 (
                first, _mm512_cvtepu16_epi32 (_mm512_castsi512_si256 (all)));
            second = _mm512_add_epi32 (
                second, _mm512_cvtepu16_epi32 (_mm512_extracti64x4_epi64 (all, 1)));
        }
        float *out = sums + block * KITH_FASTSCAN_ROWS;
        _mm512_storeu_ps (out, _mm512_cvtepi32_ps (first));
        _mm512_storeu_ps (out + 16, _mm512_cvtepi32_ps (second));
    }
}

//  16 rows from `row` on; returns their bits
static inline uint32_t
s_judge_half (const kith_judge_t *judge, const kith_factors_t *factors,
              const float *products, uint32_t row, float *least)
{
    __m512 product =
        _mm512_fmadd_ps (_mm512_set1_ps (judge->step), _mm512_loadu_ps (products + row),
                         _mm512_set1_ps (judge->bias));
    __m512 value = _mm512_fmadd_ps (_mm512_loadu_ps (factors->scale + row), product,
                                    _mm512_loadu_ps (factors->shift + row));
    value = _mm512_fnmadd_ps (_mm512_set1_ps (judge->reach),
                              _mm512_loadu_ps (factors->error + row), value);
    _mm512_storeu_ps (least + row, value);
    return _mm512_cmp_ps_mask (value, _mm512_set1_ps (judge->limit), _CMP_NGT_UQ);
}

static void
s_judge (const kith_judge_t *judge, float *least, uint32_t *masks)
{
    for (uint32_t block = 0; block < judge->blocks; block++) {
        const kith_factors_t *factors =
            (const void *) ((const char *) judge->factors + block * judge->stride);
        uint32_t at = block * KITH_FASTSCAN_ROWS;
        uint32_t low = s_judge_half (judge, factors, judge->products + at, 0, least + at);
        uint32_t high =
            s_judge_half (judge, factors, judge->products + at, 16, least + at);
        masks [block] = low | high << 16;
    }
}

static uint32_t
s_nearest (const float *dots, const float *shift, uint32_t count, float *least)
{
    const __m512i sixteen = _mm512_set1_epi32 (16);
    __m512i at = _mm512_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i best = at;
    __m512 low = _mm512_set1_ps (INFINITY);
    for (uint32_t index = 0; index < count; index += 16) {
        uint32_t left = count - index;
        __mmask16 mask = (__mmask16) (left < 16 ? (1u << left) - 1 : 0xffff);
        __m512 value = _mm512_sub_ps (_mm512_maskz_loadu_ps (mask, shift + index),
                                      _mm512_maskz_loadu_ps (mask, dots + index));
        __mmask16 less = _mm512_mask_cmp_ps_mask (mask, value, low, _CMP_LT_OQ);
        low = _mm512_mask_mov_ps (low, less, value);
        best = _mm512_mask_mov_epi32 (best, less, at);
        at = _mm512_add_epi32 (at, sixteen);
    }
    *least = _mm512_reduce_min_ps (low);
    if (!(*least < INFINITY))
        return 0;
    __mmask16 same = _mm512_cmp_ps_mask (low, _mm512_set1_ps (*least), _CMP_EQ_OQ);
    return _mm512_mask_reduce_min_epu32 (same, best);
}

void
kith_fill_fastscan_avx512 (kith_kernels_t *table)
{
    table->fastscan = s_fastscan;
    table->judge = s_judge;
    table->nearest = s_nearest;
}
