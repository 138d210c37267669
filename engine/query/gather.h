//  gather.h - a batch out of rows that lie in many sources
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_GATHER_H
#define KITH_GATHER_H

#include "engine/segments/cells.h"

//  Gives the cell of row index of the answer in column `column` of it.
typedef kith_cell_t (kith_gather_fn) (void *arg, uint32_t column, uint32_t index);

typedef struct {
    const kith_column_t *shapes;    //  field, type and dim of each column
    uint32_t columns;
    uint32_t rows;
    kith_gather_fn *cell;
    void *arg;
} kith_gather_t;

//  Appends the batch to out. LIMIT, with nothing appended, if its data take over KITH_MESSAGE_BYTES_MAX.
int
kith_gather_batch (const kith_gather_t *gather, kith_bytes_t *out, kith_error_t *error);

#endif
