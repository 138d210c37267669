//  quantiser.h - short codes of vectors in blocks of 32, and distances from them with a bound
//  SPDX-License-Identifier: Apache-2.0
//
//  A row x near a centre c is coded as its residual r = x - c; the code stands for a vector h, and s h with s = <r, r> / <r, h> is its
//  best guess of r along r itself, so that the rest e = r - s h is at right angles to r (RaBitQ: Gao and Long 2024). For a query q:
//
//      L2        |q - x|^2  =  |q - c|^2 + |r|^2 - 2 s <q - c, h> - 2 <q - c, e>
//      IP        - <q, x>   =  - <q, c> - <c, r> - s <q - c, h> - <q - c, e>          (cosine: of vectors of length 1)
//
//  All but the last term is base (list) + shift (row) + scale (row) * <q - m, h>, with one table for all lists; m is the mean of all
//  rows, so that a table's levels are not spent on what all queries have in common. <q - c, e> is about w |e| / sqrt (dim - 1), w being the part
//  of q - c at right angles to r: at most |q - c|, and at most |q - x|. A row's error is |e| / sqrt (dim - 1), twice that for L2; how
//  many times it a search allows for is calibrated.
#ifndef KITH_QUANTISER_H
#define KITH_QUANTISER_H

#include "engine/indexes/index.h"
#include "engine/kernels/kernels.h"

typedef struct {
    kith_index_code_t code;    //  FLOAT32, SQ8, PQ4 or RABITQ
    kith_metric_t metric;
    uint32_t dim;
    uint32_t subs;         //  FastScan codes: sub-quantisers, padded
    size_t block_bytes;    //  factors and codes of 32 rows
    const float *book;     //  PQ4: [subs] [2] [16]; SQ8: [dim] half widths; else null
    float *signs;          //  RABITQ: of the rotation, owned
} kith_quantiser_t;

//  Floats that `code` keeps for all rows: the size of book.
size_t kith_quantiser_book_floats (kith_index_code_t code, uint32_t dim);

//  Sets sizes; seed is that of the rotation. False: no memory.
bool kith_quantiser_init (kith_quantiser_t *self, kith_index_code_t code,
                          kith_metric_t metric, uint32_t dim, uint64_t seed);
void kith_quantiser_free (kith_quantiser_t *self);

//  Bytes of a block, also before there is a quantiser.
size_t kith_quantiser_block_bytes (kith_index_code_t code, uint32_t dim);

//  Fits book to residuals (count x dim). Deterministic; false: no memory.
bool kith_quantiser_fit (const kith_quantiser_t *self, const float *residuals,
                         uint32_t count, kith_parallel_t *parallel, float *book);

//  A centre as the encoder needs it. turned: dim floats, the rotated c - m for RABITQ.
typedef struct {
    const float *centre;    //  c
    const float *offset;    //  c - m
    float *turned;
    float *scratch;    //  2 x dim
} kith_quantiser_centre_t;

//  Once per centre, before its rows: fills turned.
void kith_quantiser_face (const kith_quantiser_t *self, kith_quantiser_centre_t *centre);

//  Codes the row with vector x (of length 1 for cosine) as number `row` of a block.
void kith_quantiser_encode (const kith_quantiser_t *self,
                            const kith_quantiser_centre_t *centre, const float *x,
                            uint8_t *block, uint32_t row);

//  A query, ready to meet blocks. Buffers belong to the caller: kith_quantiser_asked_bytes, 64-byte aligned.
typedef struct {
    const float *vector;    //  q, of length 1 for cosine; dim
    uint8_t *table;
    float step, bias;    //  <q - m, h> = step * product + bias
    float slack;         //  rounding of the table
} kith_quantiser_asked_t;

size_t kith_quantiser_asked_bytes (const kith_quantiser_t *self);

//  scratch: 2 x dim floats
void
kith_quantiser_ask (const kith_quantiser_t *self, const float *vector, const float *mean,
                    float *scratch, kith_quantiser_asked_t *asked);

//  Products of the rows of some blocks, for kith_judge_fn.
void kith_quantiser_products (const kith_quantiser_t *self,
                              const kith_quantiser_asked_t *asked, const uint8_t *blocks,
                              uint32_t count, float *products);

#endif
