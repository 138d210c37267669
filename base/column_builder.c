//  column_builder.c - writes column blocks and batches: row by row, or chosen rows of others
//  SPDX-License-Identifier: Apache-2.0
#include "base/column.h"

#include "base/column_layout.h"

kith_column_parts_t
kith_column_append (kith_bytes_t *out, const kith_column_t *column, bool validity)
{
    assert (out->size % 64 == 0);
    uint64_t rows = column->rows;
    bool varlen = kith_type_is_varlen (column->type);
    assert (!varlen || column->data_bytes <= UINT32_MAX);
    uint64_t validity_at = KITH_COLUMN_HEADER;
    uint64_t offsets_at = validity_at + (validity ? kith_round64 ((rows + 7) / 8) : 0);
    uint64_t data_at = offsets_at + (varlen ? kith_round64 ((rows + 1) * 4) : 0);
    uint64_t bytes = data_at + kith_round64 (column->data_bytes);

    //  Only what stays unwritten is zeroed: the data would be passed over twice otherwise
    kith_bytes_reserve (out, (size_t) bytes);
    uint8_t *block = out->data + out->size;
    out->size += (size_t) bytes;
    memset (block, 0, (size_t) data_at);
    memset (block + data_at + column->data_bytes, 0,
            (size_t) (bytes - data_at - column->data_bytes));

    kith_put_u32 (block, KITH_COLUMN_MAGIC);
    block [KITH_COLUMN_AT_TYPE] = (uint8_t) column->type;
    block [KITH_COLUMN_AT_FLAGS] = validity ? KITH_COLUMN_HAS_VALIDITY : 0;
    kith_put_u32 (block + KITH_COLUMN_AT_FIELD, column->field);
    kith_put_u32 (block + KITH_COLUMN_AT_ROWS, column->rows);
    kith_put_u32 (block + KITH_COLUMN_AT_DIM, column->dim);
    kith_put_u64 (block + KITH_COLUMN_AT_BYTES, bytes);
    kith_put_u64 (block + KITH_COLUMN_AT_VALIDITY, validity ? validity_at : 0);
    kith_put_u64 (block + KITH_COLUMN_AT_OFFSETS, varlen ? offsets_at : 0);
    kith_put_u64 (block + KITH_COLUMN_AT_DATA, data_at);
    kith_put_u64 (block + KITH_COLUMN_AT_DATA_BYTES, column->data_bytes);
    return (kith_column_parts_t){.validity = validity ? block + validity_at : NULL,
                                 .offsets = varlen ? block + offsets_at : NULL,
                                 .data = block + data_at};
}

//  Row that comes index-th
static inline uint32_t
s_row (const uint32_t *rows, uint32_t index)
{
    return rows ? rows [index] : index;
}

static bool
s_any_null (const kith_column_t *column, const uint32_t *rows, uint32_t count)
{
    if (!column->validity)
        return false;
    for (uint32_t index = 0; index < count; index++) {
        if (!kith_column_valid (column, s_row (rows, index)))
            return true;
    }
    return false;
}

//  One loop a width, so that the copy of a value is one load and one store
static void
s_gather_fixed (uint8_t *to, const kith_column_t *column, const uint32_t *rows,
                uint32_t count)
{
    const uint8_t *data = column->data;
    size_t width = kith_type_width (column->type, column->dim);
    if (!rows) {
        if (column->data_bytes)
            memcpy (to, data, (size_t) column->data_bytes);
        return;
    }
    for (uint32_t index = 0; index < count; index++)
        assert (rows [index] < column->rows);
    if (width == 8) {
        for (uint32_t index = 0; index < count; index++)
            memcpy (to + (size_t) index * 8, data + (size_t) rows [index] * 8, 8);
    }
    else if (width == 4) {
        for (uint32_t index = 0; index < count; index++)
            memcpy (to + (size_t) index * 4, data + (size_t) rows [index] * 4, 4);
    }
    else {
        for (uint32_t index = 0; index < count; index++)
            memcpy (to + index * width, data + rows [index] * width, width);
    }
}

static void
s_gather_varlen (kith_column_parts_t parts, const kith_column_t *column,
                 const uint32_t *rows, uint32_t count)
{
    if (!rows) {
        memcpy (parts.offsets, column->offsets, ((size_t) count + 1) * 4);
        if (column->data_bytes)
            memcpy (parts.data, column->data, (size_t) column->data_bytes);
        return;
    }
    uint32_t at = 0;
    for (uint32_t index = 0; index < count; index++) {
        uint32_t length;
        const char *text = kith_column_string (column, rows [index], &length);
        memcpy (parts.data + at, text, length);
        at += length;
        kith_put_u32 (parts.offsets + ((size_t) index + 1) * 4, at);
    }
}

void
kith_column_gather (kith_bytes_t *out, const kith_column_t *column, const uint32_t *rows,
                    uint32_t count)
{
    if (!rows)
        count = column->rows;
    kith_column_t shape = *column;
    shape.rows = count;
    bool varlen = kith_type_is_varlen (column->type);
    if (rows && varlen) {
        shape.data_bytes = 0;
        for (uint32_t index = 0; index < count; index++) {
            uint32_t length;
            kith_column_string (column, rows [index], &length);
            shape.data_bytes += length;
        }
    }
    else if (rows)
        shape.data_bytes = (uint64_t) count * kith_type_width (column->type, column->dim);

    kith_column_parts_t parts =
        kith_column_append (out, &shape, s_any_null (column, rows, count));
    for (uint32_t index = 0; parts.validity && index < count; index++) {
        unsigned bit = kith_column_valid (column, s_row (rows, index));
        parts.validity [index / 8] |= (uint8_t) (bit << (index % 8));
    }
    if (varlen)
        s_gather_varlen (parts, column, rows, count);
    else
        s_gather_fixed (parts.data, column, rows, count);
}

void
kith_column_builder_init (kith_column_builder_t *self, uint32_t field, kith_type_t type,
                          uint32_t dim)
{
    assert (self && kith_type_known (type) && kith_type_dim_allowed (type, dim));
    *self = (kith_column_builder_t){.type = type, .field = field, .dim = dim};
}

void
kith_column_builder_free (kith_column_builder_t *self)
{
    assert (self);
    kith_bytes_free (&self->validity);
    kith_bytes_free (&self->offsets);
    kith_bytes_free (&self->data);
}

//  Every row ends here. Validity bytes are kept from the first null on; most columns never have one.
static void
s_row_done (kith_column_builder_t *self, bool valid)
{
    assert (self->rows < UINT32_MAX);
    if (!valid && !self->nulls) {
        self->nulls = true;
        memset (kith_bytes_extend (&self->validity, self->rows), 1, self->rows);
    }
    if (self->nulls)
        kith_bytes_put_u8 (&self->validity, valid);
    self->rows++;
    if (kith_type_is_varlen (self->type)) {
        assert (self->data.size <= UINT32_MAX);
        kith_bytes_put_u32 (&self->offsets, (uint32_t) self->data.size);
    }
}

void
kith_column_builder_null (kith_column_builder_t *self)
{
    kith_bytes_extend (&self->data, kith_type_width (self->type, self->dim));
    s_row_done (self, false);
}

void
kith_column_builder_int (kith_column_builder_t *self, int64_t value)
{
    assert (self->type >= KITH_TYPE_BOOL && self->type <= KITH_TYPE_INT64);
    if (self->type == KITH_TYPE_BOOL)
        value = value != 0;
    //  Little-endian: the first bytes of a value that fits are the narrow value
    uint32_t width = kith_type_width (self->type, 0);
    int64_t above = value >> (width * 8 - 1);
    assert (above == 0 || above == -1);
    (void) above;
    kith_bytes_put (&self->data, &value, width);
    s_row_done (self, true);
}

void
kith_column_builder_real (kith_column_builder_t *self, double value)
{
    if (self->type == KITH_TYPE_FLOAT) {
        float narrow = (float) value;
        kith_bytes_put (&self->data, &narrow, sizeof narrow);
    }
    else {
        assert (self->type == KITH_TYPE_DOUBLE);
        kith_bytes_put (&self->data, &value, sizeof value);
    }
    s_row_done (self, true);
}

void
kith_column_builder_string (kith_column_builder_t *self, const char *text,
                            uint32_t length)
{
    assert (kith_type_is_varlen (self->type));
    kith_bytes_put (&self->data, text, length);
    s_row_done (self, true);
}

void
kith_column_builder_fixed (kith_column_builder_t *self, const void *value)
{
    assert (!kith_type_is_varlen (self->type));
    kith_bytes_put (&self->data, value, kith_type_width (self->type, self->dim));
    s_row_done (self, true);
}

void
kith_column_builder_copy (kith_column_builder_t *self, const kith_column_t *column,
                          uint32_t row)
{
    assert (self->type == column->type && self->dim == column->dim);
    if (!kith_column_valid (column, row))
        kith_column_builder_null (self);
    else if (kith_type_is_varlen (self->type)) {
        uint32_t length;
        const char *text = kith_column_string (column, row, &length);
        kith_column_builder_string (self, text, length);
    }
    else
        kith_column_builder_fixed (self, kith_column_fixed (column, row));
}

void
kith_column_builder_finish (kith_column_builder_t *self, kith_bytes_t *out)
{
    kith_column_t shape = {.type = self->type,
                           .field = self->field,
                           .rows = self->rows,
                           .dim = self->dim,
                           .data_bytes = self->data.size};
    kith_column_parts_t parts = kith_column_append (out, &shape, self->nulls);
    for (uint32_t row = 0; parts.validity && row < self->rows; row++)
        parts.validity [row / 8] |= (uint8_t) (self->validity.data [row] << (row % 8));
    if (parts.offsets && self->rows)
        memcpy (parts.offsets + 4, self->offsets.data, self->offsets.size);
    if (self->data.size)
        memcpy (parts.data, self->data.data, self->data.size);
}

size_t
kith_batch_begin (kith_bytes_t *out, uint32_t rows, uint32_t columns)
{
    assert (out->size % 64 == 0);
    size_t place = out->size;
    uint8_t *header = kith_bytes_extend (out, KITH_BATCH_HEADER);
    kith_put_u32 (header, KITH_BATCH_MAGIC);
    kith_put_u32 (header + 4, KITH_BATCH_VERSION);
    kith_put_u32 (header + 8, rows);
    kith_put_u32 (header + 12, columns);
    return place;
}

void
kith_batch_end (kith_bytes_t *out, size_t place)
{
    assert (place + KITH_BATCH_HEADER <= out->size && (out->size - place) % 64 == 0);
    kith_put_u64 (out->data + place + 16, out->size - place);
}

void
kith_batch_gather (kith_bytes_t *out, const kith_batch_t *batch, const uint32_t *rows,
                   uint32_t count)
{
    size_t place = kith_batch_begin (out, rows ? count : batch->rows, batch->count);
    for (uint32_t index = 0; index < batch->count; index++)
        kith_column_gather (out, &batch->columns [index], rows, count);
    kith_batch_end (out, place);
}
