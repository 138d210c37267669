//  disk_bits.h - codes of a bit a dimension, d / 8 + 12 bytes a row (RaBitQ)
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_DISK_BITS_H
#define KITH_DISK_BITS_H

#include "base/parallel.h"
#include "engine/indexes/flat.h"

typedef struct kith_disk_bits kith_disk_bits_t;

//  Bytes of a row's code.
uint32_t kith_disk_bits_bytes (uint32_t dim);

//  Codes all rows; null: no memory.
kith_disk_bits_t *kith_disk_bits_new (const kith_rows_t *rows, kith_parallel_t *parallel);

//  Uses stored codes and their middle (dim floats); null: no memory.
kith_disk_bits_t *
kith_disk_bits_open (const kith_rows_t *rows, const uint8_t *codes, const float *middle);
void kith_disk_bits_destroy (kith_disk_bits_t **self_p);
const uint8_t *kith_disk_bits_codes (const kith_disk_bits_t *self);
const float *kith_disk_bits_middle (const kith_disk_bits_t *self);

//  A query, rotated, in 4 planes of a bit a dimension. A zeroed one is empty and valid.
typedef struct {
    float *numbers;     //  2 x dim
    uint8_t *planes;    //  4 x bytes of a plane
    uint32_t room;      //  dim that there is room for
    float base, per_one,
        per_bit;    //  product = base + per_one * ones - per_bit * differing bits
} kith_disk_bits_query_t;

void kith_disk_bits_query_free (kith_disk_bits_query_t *query);

//  vector: of the rows' type. False: no memory.
bool kith_disk_bits_prepare (const kith_disk_bits_t *self, kith_disk_bits_query_t *query,
                             const void *vector, float norm);

//  Distances of the prepared query to rows: right up to a constant of the query.
void kith_disk_bits_distances (const kith_disk_bits_t *self,
                               const kith_disk_bits_query_t *query, const uint32_t *rows,
                               uint32_t count, float *distances);

#endif
