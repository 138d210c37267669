//  flat.h - exact search over rows of one contiguous block
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FLAT_H
#define KITH_FLAT_H

#include "base/bits.h"
#include "base/topk.h"
#include "engine/kernels/kernels.h"

//  Rows of one block, as a segment or a growing chunk holds them.
typedef struct {
    const void *vectors;    //  rows x dim of `type`, contiguous
    const float *norms;     //  rows; null unless cosine
    uint32_t rows;
    uint32_t dim;
    kith_metric_t metric;
    kith_vector_t type;    //  0: float32
} kith_rows_t;

//  A row's vector, of the rows' type
static inline const void *
kith_rows_vector (const kith_rows_t *rows, uint32_t row)
{
    return (const char *) rows->vectors + row * kith_vector_bytes (rows->type, rows->dim);
}

//  Pushes the rows allowed by `live` (null: all) into tops [0 .. nq), each hit with part and row + first_row. Distances pushed are
//  exact scores by kith_score_of (as kith_score_distance), whatever nq: BLAS tiles (nq >= 8 or so, not for int8 and binary vectors) only choose
//  candidates, with a margin that covers their rounding. queries: nq vectors of the rows' type, one after another, 64-byte aligned; query_norms: nq,
//  by kith_norm_of. Returns rows compared (summed over queries).
uint64_t kith_flat_search (const kith_rows_t *rows, const void *queries,
                           const float *query_norms, uint32_t nq, const kith_bits_t *live,
                           uint32_t part, uint64_t first_row, kith_topk_t *tops);

#endif
