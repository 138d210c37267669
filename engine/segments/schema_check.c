//  schema_check.c - what an insert must look like, and the fields that it may leave out
//  SPDX-License-Identifier: Apache-2.0
#include "base/vector.h"
#include "engine/segments/cells.h"
#include "engine/segments/schema.h"
#include "engine/segments/schema_default.h"
#include "engine/segments/text.h"

//  ---------------------------------------------------------------------
//  Values of one column

static int
s_check_nulls (const kith_field_t *field, const kith_column_t *column,
               kith_error_t *error)
{
    if (!column->validity || field->nullable)
        return 0;
    for (uint32_t row = 0; row < column->rows; row++) {
        if (!kith_column_valid (column, row))
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "field %s, row %" PRIu32
                                   ": no value, but the field cannot be null",
                                   field->name, row);
    }
    return 0;
}

static int
s_check_vectors (const kith_field_t *field, const kith_column_t *column,
                 kith_error_t *error)
{
    if (kith_vector_finite (column->type, column->dim, column->data, column->rows))
        return 0;
    uint32_t row = 0;
    while (kith_vector_finite (column->type, column->dim, kith_column_fixed (column, row),
                               1))
        row++;
    return kith_error_set (error, KITH_ERR_NOT_FINITE,
                           "field %s, row %" PRIu32
                           ": the vector has a number that is not finite",
                           field->name, row);
}

static int
s_check_text (const kith_field_t *field, const kith_column_t *column, uint32_t row,
              kith_error_t *error)
{
    uint32_t length;
    const char *text = kith_column_string (column, row, &length);
    if (field->type == KITH_TYPE_VARCHAR && length > field->max_length)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field %s, row %" PRIu32 ": %" PRIu32
                               " bytes, at most %" PRIu32 " are allowed",
                               field->name, row, length, field->max_length);
    if (field->type == KITH_TYPE_VARCHAR && !kith_utf8_valid (text, length))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field %s, row %" PRIu32 ": the text is not UTF-8",
                               field->name, row);
    if (field->type == KITH_TYPE_JSON && !kith_json_valid (text, length))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field %s, row %" PRIu32 ": the text is not JSON",
                               field->name, row);
    return 0;
}

static int
s_check_values (const kith_field_t *field, const kith_column_t *column,
                kith_error_t *error)
{
    if (s_check_nulls (field, column, error) != 0)
        return -1;
    if (kith_type_is_vector (field->type))
        return s_check_vectors (field, column, error);
    if (!column->offsets)
        return 0;
    for (uint32_t row = 0; row < column->rows; row++) {
        if (kith_column_valid (column, row)
            && s_check_text (field, column, row, error) != 0)
            return -1;
    }
    return 0;
}

static int
s_check_column (const kith_schema_t *self, const kith_column_t *column,
                kith_error_t *error)
{
    const kith_field_t *field = kith_schema_by_id (self, column->field);
    if (!field)
        return kith_error_set (error, KITH_ERR_FIELD_NOT_FOUND,
                               "no field with id %" PRIu32 " in %.80s", column->field,
                               kith_schema_name (self));
    if (column->type != field->type)
        return kith_error_set (error, KITH_ERR_TYPE_MISMATCH, "field %s is %s, not %s",
                               field->name, kith_type_name (field->type),
                               kith_type_name (column->type));
    if (column->dim != field->dim)
        return kith_error_set (error, KITH_ERR_DIMENSION_MISMATCH,
                               "field %s: vectors of %" PRIu32
                               " numbers, the field has %" PRIu32,
                               field->name, column->dim, field->dim);
    return s_check_values (field, column, error);
}

//  ---------------------------------------------------------------------
//  A whole batch

static int
s_check_row_bytes (const kith_batch_t *batch, kith_error_t *error)
{
    if (batch->bytes <= KITH_ROW_BYTES_MAX)
        return 0;
    uint64_t fixed = 0;
    for (uint32_t index = 0; index < batch->count; index++)
        fixed +=
            kith_type_width (batch->columns [index].type, batch->columns [index].dim);
    for (uint32_t row = 0; row < batch->rows; row++) {
        uint64_t bytes = fixed;
        for (uint32_t index = 0; index < batch->count; index++) {
            uint32_t length = 0;
            if (batch->columns [index].offsets)
                kith_column_string (&batch->columns [index], row, &length);
            bytes += length;
        }
        if (bytes > KITH_ROW_BYTES_MAX)
            return kith_error_set (error, KITH_ERR_LIMIT,
                                   "row %" PRIu32 ": %" PRIu64
                                   " bytes, at most %u are allowed",
                                   row, bytes, KITH_ROW_BYTES_MAX);
    }
    return 0;
}

static int
s_check_missing (const kith_schema_t *self, const kith_batch_t *batch, bool keys_only,
                 kith_error_t *error)
{
    uint64_t bytes = 0;
    for (uint32_t index = 0; index < kith_schema_count (self); index++) {
        const kith_field_t *field = kith_schema_field (self, index);
        if (kith_batch_field (batch, field->id))
            continue;
        const kith_column_t *value = kith_schema_default (self, field);
        bytes += value ? value->data_bytes * batch->rows : 0;
        if (field->key || (!keys_only && !field->nullable && !field->default_value))
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "field %s of %.80s is missing", field->name,
                                   kith_schema_name (self));
    }
    //  A long default times many rows must not become more than a request could have been
    if (!keys_only && bytes > KITH_MESSAGE_BYTES_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "the default values of %" PRIu32 " rows take %" PRIu64
                               " bytes, at most %u are allowed",
                               batch->rows, bytes, KITH_MESSAGE_BYTES_MAX);
    return 0;
}

int
kith_schema_check (const kith_schema_t *self, const kith_batch_t *batch, bool keys_only,
                   kith_error_t *error)
{
    assert (self && batch);
    if (batch->rows == 0)
        return kith_error_set (error, KITH_ERR_INVALID, "there are no rows");
    for (uint32_t index = 0; index < batch->count; index++) {
        const kith_column_t *column = &batch->columns [index];
        if (s_check_column (self, column, error) != 0)
            return -1;
        if (keys_only && column->field != kith_schema_key (self)->id)
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "field %s: only the key %s is wanted here",
                                   kith_schema_by_id (self, column->field)->name,
                                   kith_schema_key (self)->name);
    }
    if (s_check_missing (self, batch, keys_only, error) != 0)
        return -1;
    return s_check_row_bytes (batch, error);
}

//  Appends a column whose rows are all the default of the field, or null
static void
s_complete_column (const kith_schema_t *self, const kith_field_t *field, uint32_t rows,
                   kith_bytes_t *out)
{
    kith_cell_t *cells = kith_new (rows * sizeof *cells);
    for (uint32_t row = 0; row < rows; row++)
        cells [row].column = kith_schema_default (self, field);
    kith_column_t shape = {.type = field->type, .field = field->id, .dim = field->dim};
    kith_cells_gather (out, &shape, cells, rows);
    free (cells);
}

int
kith_schema_complete (const kith_schema_t *self, const kith_batch_t *batch, bool *needed,
                      kith_bytes_t *out, kith_error_t *error)
{
    assert (self && batch && needed && out);
    *needed = false;
    if (s_check_missing (self, batch, false, error) != 0)
        return -1;
    uint32_t count = kith_schema_count (self);
    for (uint32_t index = 0; index < count && !*needed; index++)
        *needed = !kith_batch_field (batch, kith_schema_field (self, index)->id);
    if (!*needed)
        return 0;
    kith_bytes_align64 (out);
    size_t place = kith_batch_begin (out, batch->rows, count);
    for (uint32_t index = 0; index < count; index++) {
        const kith_field_t *field = kith_schema_field (self, index);
        const kith_column_t *column = kith_batch_field (batch, field->id);
        if (column)
            kith_column_gather (out, column, NULL, 0);
        else
            s_complete_column (self, field, batch->rows, out);
    }
    kith_batch_end (out, place);
    return 0;
}
