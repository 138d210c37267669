//  cells.h - one column block out of values that lie in many columns
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CELLS_H
#define KITH_CELLS_H

#include "base/column.h"

//  A value: a row of an opened column; a null column is no value.
typedef struct {
    const kith_column_t *column;
    uint32_t row;
} kith_cell_t;

//  Bytes that the data of such a block take, without header, offsets and validity bits.
uint64_t kith_cells_bytes (kith_type_t type, uint32_t dim, const kith_cell_t *cells,
                           uint32_t count);

//  Appends the block of the cells, in that order, as field `field`. All columns are of this type and dim; data of varlen types
//  stay below 4 GiB (the caller asked kith_cells_bytes).
void kith_cells_gather (kith_bytes_t *out, const kith_column_t *shape,
                        const kith_cell_t *cells, uint32_t count);

#endif
