//  check.h - what the checks of kernels share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CHECK_H
#define KITH_CHECK_H

#include "base/random.h"
#include "engine/kernels/kernels.h"

enum { DIM_MAX = 1100, ROWS = 7, COUNT = 300, DIM_LARGE = 32768 };

typedef enum {
    PLAIN,
    MIXED,      //  magnitudes from denormal to nearly overflowing; any bytes
    SPECIAL,    //  zeros of both signs, infinities, NaN among plain ones; the largest bytes
    KINDS
} kind_t;

typedef struct {
    const kith_kernels_t *fast;
    const kith_kernels_t *scalar;
    kith_random_t random;
    uint64_t checks;
    uint64_t failures;
} check_t;

//  A number of a kind.
float check_value (kith_random_t *random, kind_t kind);

//  A kernel of check->fast is not as it must be.
void check_report (check_t *check, const char *kernel, uint32_t dim, kind_t kind);

//  Panels and what they are made for, of many shapes.
void check_panels (check_t *check);

#endif
