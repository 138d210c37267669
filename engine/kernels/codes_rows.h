//  codes_rows.h - distances by code to many rows, out of a level's products with four
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CODES_ROWS_H
#define KITH_CODES_ROWS_H

#include "engine/kernels/measure.h"

//  Asks for codes ahead of their turn
KITH_INLINE void
kith_codes_ahead (const kith_coded_t *coded, uint32_t first)
{
    const uint32_t last = first + 4 < coded->count ? first + 4 : coded->count;
    for (uint32_t index = first; index < last; index++) {
        const uint8_t *code = coded->codes + (size_t) coded->rows [index] * coded->bytes;
        for (uint32_t at = 0; at < coded->bytes && at < 256; at += 64)
            __builtin_prefetch (code + at);
        __builtin_prefetch (coded->trailers
                            + (size_t) coded->rows [index] * coded->trailer_step);
    }
}

//  Each operation is rounded by itself, so that all levels agree
KITH_INLINE float
kith_code_distance (const kith_coded_t *coded, uint32_t row, int32_t product)
{
    float trailer [2];
    memcpy (trailer, coded->trailers + (size_t) row * coded->trailer_step,
            sizeof trailer);
    return trailer [0] - trailer [1] * (coded->base + coded->step * (float) product);
}

KITH_INLINE void
kith_codes_rows (const kith_coded_t *coded, kith_codes4_fn *four, float *out)
{
    for (uint32_t first = 0; first < coded->count; first += 4) {
        const uint8_t *codes [4];
        int32_t products [4];
        const uint32_t left = coded->count - first < 4 ? coded->count - first : 4;
        if (coded->ahead)
            kith_codes_ahead (coded, first + coded->ahead);
        for (uint32_t each = 0; each < 4; each++) {
            const uint32_t row = coded->rows [first + (each < left ? each : 0)];
            codes [each] = coded->codes + (size_t) row * coded->bytes;
        }
        four (coded->query, codes, coded->bytes, products);
        for (uint32_t each = 0; each < left; each++)
            out [first + each] =
                kith_code_distance (coded, coded->rows [first + each], products [each]);
    }
}

//  The kernel of many rows out of a level's products with four
#define KITH_CODES_ROWS(name, four)                                                      \
    static void name (const kith_coded_t *coded, float *out)                             \
    {                                                                                    \
        kith_codes_rows (coded, four, out);                                              \
    }                                                                                    \
    _Static_assert(1, "takes the semicolon")

#endif
