//  panel_avx512vnni.c - queries of a batch beside panels of coded rows: AVX-512 VNNI
//  SPDX-License-Identifier: Apache-2.0
//
//  dpbusd adds four products to each of sixteen sums. Two panels by eight queries keep sixteen registers of sums, so that a step loads
//  ten registers for sixteen dpbusd.
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/isa.h"

enum { QUERIES = 8 };    //  at once

static inline __m512i
s_query (const int8_t *query, uint32_t step)
{
    int32_t four;
    memcpy (&four, query + (size_t) step * 4, sizeof four);
    return _mm512_set1_epi32 (four);
}

static void
s_two_panels (const kith_panels_t *panels, const int8_t *const *queries,
              const uint8_t *panel, int32_t *products)
{
    const size_t bytes = (size_t) panels->steps * 64;
    __m512i sums [QUERIES], more [QUERIES];
#pragma GCC unroll 8
    for (uint32_t query = 0; query < QUERIES; query++)
        sums [query] = more [query] = _mm512_setzero_si512 ();
    for (uint32_t step = 0; step < panels->steps; step++) {
        const __m512i codes = _mm512_load_si512 (panel + (size_t) step * 64);
        const __m512i other = _mm512_load_si512 (panel + bytes + (size_t) step * 64);
#pragma GCC unroll 8
        for (uint32_t query = 0; query < QUERIES; query++) {
            const __m512i four = s_query (queries [query], step);
            sums [query] = _mm512_dpbusd_epi32 (sums [query], codes, four);
            more [query] = _mm512_dpbusd_epi32 (more [query], other, four);
        }
    }
#pragma GCC unroll 8
    for (uint32_t query = 0; query < QUERIES; query++) {
        int32_t *out = products + (size_t) query * panels->products_step;
        _mm512_storeu_si512 (out, sums [query]);
        _mm512_storeu_si512 (out + KITH_PANEL_ROWS, more [query]);
    }
}

static void
s_one_panel (const kith_panels_t *panels, const int8_t *const *queries,
             const uint8_t *panel, int32_t *products)
{
    __m512i sums [QUERIES];
#pragma GCC unroll 8
    for (uint32_t query = 0; query < QUERIES; query++)
        sums [query] = _mm512_setzero_si512 ();
    for (uint32_t step = 0; step < panels->steps; step++) {
        const __m512i codes = _mm512_load_si512 (panel + (size_t) step * 64);
#pragma GCC unroll 8
        for (uint32_t query = 0; query < QUERIES; query++)
            sums [query] = _mm512_dpbusd_epi32 (sums [query], codes,
                                                s_query (queries [query], step));
    }
#pragma GCC unroll 8
    for (uint32_t query = 0; query < QUERIES; query++)
        _mm512_storeu_si512 (products + (size_t) query * panels->products_step,
                             sums [query]);
}

static void
s_panels (const kith_panels_t *panels)
{
    for (uint32_t first = 0; first < panels->asking; first += QUERIES) {
        const int8_t *const *queries = panels->queries + first;
        const uint8_t *panel = panels->panels;
        int32_t *products = panels->products + (size_t) first * panels->products_step;
        uint32_t left = panels->count;
        for (; left >= 2; left -= 2) {
            s_two_panels (panels, queries, panel, products);
            panel += (size_t) panels->steps * 128;
            products += 2 * KITH_PANEL_ROWS;
        }
        if (left)
            s_one_panel (panels, queries, panel, products);
    }
}

static uint32_t
s_near (const kith_panel_near_t *near)
{
    const __m512i pairs_low =
        _mm512_setr_epi32 (0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i pairs_high =
        _mm512_setr_epi32 (8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const __m512 base = _mm512_set1_ps (near->base), step = _mm512_set1_ps (near->step),
                 worst = _mm512_set1_ps (near->worst);
    uint32_t found = 0;
    for (uint32_t index = 0; index < near->count; index += 16) {
        const uint32_t left = near->count - index;
        const __mmask16 there = left < 16 ? (__mmask16) ((1u << left) - 1) : 0xffff;
        const __m512 products =
            _mm512_cvtepi32_ps (_mm512_loadu_si512 (near->products + index));
        const __m512 scaled =
            _mm512_mul_ps (_mm512_loadu_ps (near->scales + index),
                           _mm512_add_ps (base, _mm512_mul_ps (step, products)));
        const __m512 distances =
            _mm512_sub_ps (_mm512_loadu_ps (near->shifts + index), scaled);
        const __mmask16 kept =
            _mm512_mask_cmp_ps_mask (there, distances, worst, _CMP_LE_OQ);
        if (!kept)
            continue;
        const __m512i far =
            _mm512_castps_si512 (_mm512_maskz_compress_ps (kept, distances));
        const __m512i rows =
            _mm512_maskz_compress_epi32 (kept, _mm512_loadu_si512 (near->rows + index));
        _mm512_storeu_si512 (near->near + found,
                             _mm512_permutex2var_epi32 (far, pairs_low, rows));
        _mm512_storeu_si512 (near->near + found + 8,
                             _mm512_permutex2var_epi32 (far, pairs_high, rows));
        found += (uint32_t) __builtin_popcount (kept);
    }
    return found;
}

void
kith_fill_panel_avx512vnni (kith_kernels_t *table)
{
    table->panels = s_panels;
    table->panel_near = s_near;
    table->panel_rate = 3000;
}
