//  cells.c - one column block out of values that lie in many columns
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/cells.h"

#include "base/column_layout.h"

static bool
s_has_value (const kith_cell_t *cell)
{
    return cell->column && kith_column_valid (cell->column, cell->row);
}

uint64_t
kith_cells_bytes (kith_type_t type, uint32_t dim, const kith_cell_t *cells,
                  uint32_t count)
{
    if (!kith_type_is_varlen (type))
        return (uint64_t) count * kith_type_width (type, dim);
    uint64_t bytes = 0;
    for (uint32_t index = 0; index < count; index++) {
        uint32_t length = 0;
        if (s_has_value (&cells [index]))
            kith_column_string (cells [index].column, cells [index].row, &length);
        bytes += length;
    }
    return bytes;
}

static bool
s_any_null (const kith_cell_t *cells, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++) {
        if (!s_has_value (&cells [index]))
            return true;
    }
    return false;
}

//  Consecutive rows of one column are one copy: what a flush of whole records mostly is
static void
s_gather_fixed (uint8_t *to, size_t width, const kith_cell_t *cells, uint32_t count)
{
    for (uint32_t index = 0; index < count;) {
        const kith_cell_t *first = &cells [index];
        if (!first->column) {
            index++;
            continue;
        }
        uint32_t run = 1;
        while (index + run < count && cells [index + run].column == first->column
               && cells [index + run].row == first->row + run)
            run++;
        assert (first->row < first->column->rows
                && run <= first->column->rows - first->row);
        memcpy (to + index * width, first->column->data + first->row * width,
                run * width);
        index += run;
    }
}

static void
s_gather_varlen (kith_column_parts_t parts, const kith_cell_t *cells, uint32_t count)
{
    uint32_t at = 0;
    for (uint32_t index = 0; index < count; index++) {
        const kith_cell_t *cell = &cells [index];
        if (s_has_value (cell)) {
            uint32_t length;
            const char *text = kith_column_string (cell->column, cell->row, &length);
            memcpy (parts.data + at, text, length);
            at += length;
        }
        kith_put_u32 (parts.offsets + ((size_t) index + 1) * 4, at);
    }
}

void
kith_cells_gather (kith_bytes_t *out, const kith_column_t *shape,
                   const kith_cell_t *cells, uint32_t count)
{
    kith_column_t block = {
        .type = shape->type, .field = shape->field, .dim = shape->dim, .rows = count};
    block.data_bytes = kith_cells_bytes (shape->type, shape->dim, cells, count);
    kith_column_parts_t parts =
        kith_column_append (out, &block, s_any_null (cells, count));
    for (uint32_t index = 0; parts.validity && index < count; index++) {
        unsigned bit = s_has_value (&cells [index]);
        parts.validity [index / 8] |= (uint8_t) (bit << (index % 8));
    }
    if (parts.offsets)
        s_gather_varlen (parts, cells, count);
    else {
        //  The data of an appended block are not zeroed; rows without a value are
        if (parts.validity)
            memset (parts.data, 0, (size_t) block.data_bytes);
        s_gather_fixed (parts.data, kith_type_width (shape->type, shape->dim), cells,
                        count);
    }
}
