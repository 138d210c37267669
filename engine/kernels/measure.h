//  measure.h - makes the three functions of a measure out of a family's pair and four
//  SPDX-License-Identifier: Apache-2.0
//
//  A family's file writes two functions, s_pair and s_four, for all its measures: `kind` is a constant at each use and folds
//  away. The one macro of the kernels spares each file the same forty lines for each measure.
#ifndef KITH_MEASURE_H
#define KITH_MEASURE_H

#include "engine/kernels/kernels.h"

#define KITH_INLINE static inline __attribute__ ((always_inline))

//  Rows of up to so many bytes are too short for the hardware to see a stream in each
#define KITH_ROW_SHORT 2048u

//  Asks for the four rows that come after
KITH_INLINE void
kith_rows_ahead (const char *after, size_t stride)
{
    for (size_t at = 0; at < 4 * stride && stride <= KITH_ROW_SHORT; at += 64)
        __builtin_prefetch (after + at);
}

#define KITH_MEASURE(name, kind)                                                         \
    static float name##_pair (const void *a, const void *b, uint32_t dim)                \
    {                                                                                    \
        return s_pair (a, b, dim, kind);                                                 \
    }                                                                                    \
    static void name##_four (const void *query, const void *const rows [4],              \
                             uint32_t dim, float out [4])                                \
    {                                                                                    \
        s_four (query, rows, dim, out, kind);                                            \
    }                                                                                    \
    static void name##_rows (const void *query, const void *first, size_t stride,        \
                             uint32_t count, uint32_t dim, float *out)                   \
    {                                                                                    \
        const char *row = first;                                                         \
        for (; count >= 4; count -= 4, row += 4 * stride, out += 4) {                    \
            const void *const rows [4] = {row, row + stride, row + 2 * stride,           \
                                          row + 3 * stride};                             \
            kith_rows_ahead (row + 4 * stride, stride);                                  \
            s_four (query, rows, dim, out, kind);                                        \
        }                                                                                \
        for (; count > 0; count--, row += stride)                                        \
            *out++ = s_pair (query, row, dim, kind);                                     \
    }                                                                                    \
    static const kith_measure_t name = {name##_pair, name##_four, name##_rows}

#endif
