//  order.h - the order of rows in an answer
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_ORDER_H
#define KITH_ORDER_H

#include "engine/query/answer.h"

//  Numbers by size, text by bytes; NaN after all numbers, rows without a value last.
int kith_value_compare (const kith_column_t *a, uint32_t row_a, const kith_column_t *b,
                        uint32_t row_b);

//  True for types that can be ordered.
bool kith_order_type (kith_type_t type);

//  Keeps the first `most` of any number of picks.
typedef struct {
    const kith_column_t
        *values;    //  a source each: what they are ordered by; null: by key
    const kith_column_t *keys;    //  a source each; equal values are ordered by it
    bool descending;
    uint64_t most;
    kith_bytes_t picks;    //  kith_pick_t
    kith_pick_t worst;     //  no later one need enter, if is_full
    bool is_full;
} kith_order_t;

void kith_order_push (kith_order_t *self, kith_pick_t pick);

//  Sorts what was kept and drops the first `offset`; returns how many are left. They lie in picks.data from *first on.
uint32_t
kith_order_finish (kith_order_t *self, uint64_t offset, const kith_pick_t **first);

#endif
