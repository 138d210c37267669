//  api_rows.c - the functions of kith.h that gather rows
//  SPDX-License-Identifier: Apache-2.0
#include "clients/json.h"
#include "clients/rows.h"

//  Columns are added whole or not at all: a mark before, and back to it when a value is refused
static int
s_begin (kith_rows_t *self, const char *field, uint32_t *column, kith_error_t *error)
{
    return kith_rows_place (self, field, column, error);
}

static int
s_end (kith_rows_t *self, uint32_t column, size_t rows, int result, size_t value,
       const kith_error_t *error, kith_failure_t *failure)
{
    if (result == 0)
        return 0;
    kith_rows_cut_column (self, column, rows);
    kith_error_t with_place = *error;
    kith_error_prefix (&with_place, "value %zu", value + 1);
    return kith_failure_set (failure, &with_place);
}

int
kith_rows_int64 (kith_rows_t *self, const char *field, const int64_t *values,
                 size_t count, kith_failure_t *failure)
{
    kith_error_t error = {0};
    uint32_t column;
    if (s_begin (self, field, &column, &error) != 0)
        return kith_failure_set (failure, &error);
    size_t rows = kith_rows_column_rows (self, column), index = 0;
    int result = 0;
    for (; index < count; index++) {
        result = kith_rows_put_int (self, column, values [index], &error);
        if (result != 0)
            break;
    }
    return s_end (self, column, rows, result, index, &error, failure);
}

int
kith_rows_double (kith_rows_t *self, const char *field, const double *values,
                  size_t count, kith_failure_t *failure)
{
    kith_error_t error = {0};
    uint32_t column;
    if (s_begin (self, field, &column, &error) != 0)
        return kith_failure_set (failure, &error);
    size_t rows = kith_rows_column_rows (self, column), index = 0;
    int result = 0;
    for (; index < count; index++) {
        result = kith_rows_put_real (self, column, values [index], &error);
        if (result != 0)
            break;
    }
    return s_end (self, column, rows, result, index, &error, failure);
}

int
kith_rows_strings (kith_rows_t *self, const char *field, const char *const *values,
                   const size_t *lengths, size_t count, kith_failure_t *failure)
{
    kith_error_t error = {0};
    uint32_t column;
    if (s_begin (self, field, &column, &error) != 0)
        return kith_failure_set (failure, &error);
    size_t rows = kith_rows_column_rows (self, column), index = 0;
    int result = 0;
    for (; index < count; index++) {
        size_t length = lengths ? lengths [index] : strlen (values [index]);
        result = kith_rows_put_text (self, column, values [index], length, &error);
        if (result != 0)
            break;
    }
    return s_end (self, column, rows, result, index, &error, failure);
}

int
kith_rows_vectors (kith_rows_t *self, const char *field, const float *values, size_t dim,
                   size_t count, kith_failure_t *failure)
{
    kith_error_t error = {0};
    uint32_t column;
    if (s_begin (self, field, &column, &error) != 0)
        return kith_failure_set (failure, &error);
    size_t rows = kith_rows_column_rows (self, column), index = 0;
    int result = 0;
    for (; index < count; index++) {
        result = kith_rows_put_vector (self, column, values + index * dim, dim, &error);
        if (result != 0)
            break;
    }
    return s_end (self, column, rows, result, index, &error, failure);
}

int
kith_rows_raw_vectors (kith_rows_t *self, const char *field, const void *values,
                       size_t bytes, kith_failure_t *failure)
{
    kith_error_t error = {0};
    uint32_t column;
    if (s_begin (self, field, &column, &error) != 0)
        return kith_failure_set (failure, &error);
    const kith_proto_field_t *shape =
        kith_opened_field (kith_rows_opened (self), field, NULL);
    const kith_type_t type = (kith_type_t) shape->type;
    const uint32_t width = kith_type_width (type, shape->dim);
    if (!kith_type_is_vector (type) || bytes % width)
        kith_error_set (&error, KITH_ERR_TYPE_MISMATCH,
                        kith_type_is_vector (type) ? "field '%s' is %s(%" PRIu32
                                                     "): %" PRIu32 " bytes a vector, %zu "
                                                     "are no multiple"
                                                   : "field '%s' is %s, not a vector",
                        field, kith_type_name (type), shape->dim, width, bytes);
    else if (kith_rows_put_raw (self, column, values, bytes / width, &error) == 0)
        return 0;
    return kith_failure_set (failure, &error);
}

int
kith_rows_nulls (kith_rows_t *self, const char *field, size_t count,
                 kith_failure_t *failure)
{
    kith_error_t error = {0};
    uint32_t column;
    if (s_begin (self, field, &column, &error) != 0)
        return kith_failure_set (failure, &error);
    int result = 0;
    size_t rows = kith_rows_column_rows (self, column), index = 0;
    for (; index < count; index++) {
        result = kith_rows_put_null (self, column, &error);
        if (result != 0)
            break;
    }
    return s_end (self, column, rows, result, index, &error, failure);
}

int
kith_rows_json (kith_rows_t *self, const char *text, size_t size, kith_failure_t *failure)
{
    kith_error_t error = {0};
    if (kith_rows_put_json (self, text, size, &error) != 0)
        return kith_failure_set (failure, &error);
    return 0;
}

int
kith_rows_partition (kith_rows_t *self, const char *partition, kith_failure_t *failure)
{
    kith_error_t error = {0};
    return kith_rows_to (self, partition, &error) ? kith_failure_set (failure, &error)
                                                  : 0;
}
