//  panel_avx2.c - queries of a batch beside panels of coded rows: AVX2
//  SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/isa.h"

enum { QUERIES = 4 };    //  at once: two registers of sums each

//  Pairs of products of codes up to 127 fit 16 bits
static inline __m256i
s_add (__m256i sum, __m256i codes, __m256i query)
{
    const __m256i pairs = _mm256_maddubs_epi16 (codes, query);
    return _mm256_add_epi32 (sum, _mm256_madd_epi16 (pairs, _mm256_set1_epi16 (1)));
}

static inline void
s_panel (const kith_panels_t *panels, uint32_t first, const uint8_t *panel,
         int32_t *products)
{
    const int8_t *const *queries = panels->queries + first;
    __m256i low [QUERIES], high [QUERIES];
#pragma GCC unroll 4
    for (uint32_t query = 0; query < QUERIES; query++)
        low [query] = high [query] = _mm256_setzero_si256 ();
    for (uint32_t step = 0; step < panels->steps; step++) {
        const void *codes = panel + (size_t) step * 64,
                   *behind = panel + (size_t) step * 64 + 32;
        const __m256i eight = _mm256_load_si256 (codes),
                      other = _mm256_load_si256 (behind);
#pragma GCC unroll 4
        for (uint32_t query = 0; query < QUERIES; query++) {
            int32_t four;
            memcpy (&four, queries [query] + (size_t) step * 4, sizeof four);
            low [query] = s_add (low [query], eight, _mm256_set1_epi32 (four));
            high [query] = s_add (high [query], other, _mm256_set1_epi32 (four));
        }
    }
#pragma GCC unroll 4
    for (uint32_t query = 0; query < QUERIES; query++) {
        int32_t *out = products + (size_t) query * panels->products_step;
        _mm256_storeu_si256 ((__m256i_u *) out, low [query]);
        _mm256_storeu_si256 ((__m256i_u *) (out + 8), high [query]);
    }
}

static void
s_panels (const kith_panels_t *panels)
{
    for (uint32_t index = 0; index < panels->count; index++)
        for (uint32_t first = 0; first < panels->asking; first += QUERIES)
            s_panel (panels, first, panels->panels + (size_t) index * panels->steps * 64,
                     panels->products + (size_t) first * panels->products_step
                         + (size_t) index * KITH_PANEL_ROWS);
}

static uint32_t
s_near (const kith_panel_near_t *near)
{
    const __m256 base = _mm256_set1_ps (near->base), step = _mm256_set1_ps (near->step),
                 worst = _mm256_set1_ps (near->worst);
    uint32_t found = 0;
    for (uint32_t index = 0; index < near->count; index += 8) {
        const __m256 products = _mm256_cvtepi32_ps (
            _mm256_loadu_si256 ((const __m256i_u *) (near->products + index)));
        const __m256 scaled =
            _mm256_mul_ps (_mm256_loadu_ps (near->scales + index),
                           _mm256_add_ps (base, _mm256_mul_ps (step, products)));
        const __m256 distances =
            _mm256_sub_ps (_mm256_loadu_ps (near->shifts + index), scaled);
        uint32_t kept =
            (uint32_t) _mm256_movemask_ps (_mm256_cmp_ps (distances, worst, _CMP_LE_OQ));
        if (near->count - index < 8)
            kept &= (1u << (near->count - index)) - 1;
        if (!kept)
            continue;
        float each [8];
        _mm256_storeu_ps (each, distances);
        for (; kept; kept &= kept - 1) {
            const uint32_t lane = (uint32_t) __builtin_ctz (kept);
            near->near [found++] =
                (kith_near_t){.distance = each [lane], .id = near->rows [index + lane]};
        }
    }
    return found;
}

void
kith_fill_panel_avx2 (kith_kernels_t *table)
{
    table->panels = s_panels;
    table->panel_near = s_near;
    table->panel_rate = 700;
}
