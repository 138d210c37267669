//  fastscan.h - kernels of inverted lists: sums of 4-bit codes in blocks of 32 rows, and who of a block may be near enough
//  SPDX-License-Identifier: Apache-2.0
//
//  FastScan (Andre, Kermarrec and Le Scouarnec 2015): the table of a sub-quantiser has 16 bytes, so it fits a lane of a register and
//  one shuffle looks up 16 rows. Bytes of a sub-quantiser: byte i has the code of row i in its low nibble, of row 16 + i in its high one.
//  Sums are integers, so that every instruction set has the same; distances follow from them by fused operations in a fixed order.
#ifndef KITH_FASTSCAN_H
#define KITH_FASTSCAN_H

#include "base/base.h"

#define KITH_FASTSCAN_ROWS 32u    //  of a block
#define KITH_FASTSCAN_SUBS 4u     //  sub-quantisers come in fours: 64 bytes

//  sums [32 b + r] = sum over m of table [16 m + code of row r of block b in m]
typedef struct {
    const uint8_t *codes;    //  of the first block: subs x 16 bytes
    size_t stride;           //  bytes from block to block
    const uint8_t *table;    //  subs x 16
    uint32_t subs;           //  a multiple of KITH_FASTSCAN_SUBS
    uint32_t blocks;
} kith_fastscan_t;

typedef void (kith_fastscan_fn) (const kith_fastscan_t *scan, float *sums);

//  What a block keeps for each row beside its code, in this order
typedef struct {
    float shift [KITH_FASTSCAN_ROWS];
    float scale [KITH_FASTSCAN_ROWS];
    float error [KITH_FASTSCAN_ROWS];
} kith_factors_t;

//  The least distance that a row can have, by its code: least = fma (-reach, error, fma (scale, fma (step, product, bias), shift)).
typedef struct {
    const float *products;            //  blocks x 32
    const kith_factors_t *factors;    //  of the first block
    size_t stride;                    //  bytes from factors to factors
    float step, bias, reach;
    float limit;
    uint32_t blocks;
} kith_judge_t;

//  Writes least [blocks x 32], and to masks [blocks] the rows with not (least > limit): a NaN stays.
typedef void (kith_judge_fn) (const kith_judge_t *judge, float *least, uint32_t *masks);

//  Position of the least of shift [i] - dots [i] (the first of equals; NaN is never less; 0 if there is none) and its value in *least.
typedef uint32_t (kith_nearest_fn) (const float *dots, const float *shift, uint32_t count,
                                    float *least);

#endif
