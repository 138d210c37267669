//  gather.c - a batch out of rows that lie in many sources
//  SPDX-License-Identifier: Apache-2.0
#include "engine/query/gather.h"

static void
s_fill (const kith_gather_t *gather, uint32_t column, kith_cell_t *cells)
{
    for (uint32_t index = 0; index < gather->rows; index++)
        cells [index] = gather->cell (gather->arg, column, index);
}

//  Bytes of the answer, before any of it is copied
static uint64_t
s_bytes (const kith_gather_t *gather, kith_cell_t *cells)
{
    uint64_t bytes = 0;
    for (uint32_t column = 0; column < gather->columns; column++) {
        const kith_column_t *shape = &gather->shapes [column];
        bool varlen = shape->type == KITH_TYPE_VARCHAR || shape->type == KITH_TYPE_JSON;
        if (varlen)
            s_fill (gather, column, cells);
        bytes += kith_cells_bytes (shape->type, shape->dim, cells, gather->rows);
    }
    return bytes;
}

int
kith_gather_batch (const kith_gather_t *gather, kith_bytes_t *out, kith_error_t *error)
{
    assert (gather && out);
    kith_cell_t *cells = kith_new (gather->rows * sizeof *cells);
    uint64_t bytes = s_bytes (gather, cells);
    if (bytes > KITH_MESSAGE_BYTES_MAX) {
        free (cells);
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "the answer would take %" PRIu64
                               " bytes, at most %u are allowed: ask for fewer rows or "
                               "fields",
                               bytes, KITH_MESSAGE_BYTES_MAX);
    }
    kith_bytes_align64 (out);
    size_t place = kith_batch_begin (out, gather->rows, gather->columns);
    for (uint32_t column = 0; column < gather->columns; column++) {
        s_fill (gather, column, cells);
        kith_cells_gather (out, &gather->shapes [column], cells, gather->rows);
    }
    kith_batch_end (out, place);
    free (cells);
    return 0;
}
