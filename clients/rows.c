//  rows.c - rows of an opened collection, gathered by column, cut into batches
//  SPDX-License-Identifier: Apache-2.0
#include "clients/rows.h"

#include "base/limits.h"
#include "base/random.h"
#include "base/vector.h"
#include "clients/json.h"
#include <float.h>
#include <math.h>

#define BLOCK_OVERHEAD 256u    //  of a column in a batch: header and paddings

typedef struct {
    const kith_proto_field_t *field;
    uint32_t width;    //  bytes of a value; 0: varlen
    size_t rows;
    size_t nulls;
    kith_bytes_t data;
    kith_bytes_t ends;        //  varlen: u64 a row, where its value ends in data
    kith_bytes_t validity;    //  a byte a row; empty while there are no nulls
} column_t;

struct kith_rows {
    kith_opened_t *opened;
    column_t columns [KITH_FIELDS_MAX];
    uint32_t count;
    size_t begun;                          //  rows before the one that is begun
    char partition [KITH_NAME_MAX + 1];    //  empty: _default
    kith_bytes_t scratch;
};

int
kith_rows_to (kith_rows_t *self, const char *partition, kith_error_t *error)
{
    if (partition && strlen (partition) > KITH_NAME_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "a partition's name has at most %u characters",
                               KITH_NAME_MAX);
    snprintf (self->partition, sizeof self->partition, "%s", partition ? partition : "");
    return 0;
}

const char *
kith_rows_goes_to (const kith_rows_t *self)
{
    return self->partition;
}

kith_rows_t *
kith_rows_new (kith_opened_t *opened)
{
    kith_rows_t *self = kith_new (sizeof *self);
    self->opened = kith_opened_share (opened);
    const kith_proto_collection_t *definition = opened->definition;
    self->count = definition->fields_count < KITH_FIELDS_MAX ? definition->fields_count
                                                             : KITH_FIELDS_MAX;
    for (uint32_t index = 0; index < self->count; index++) {
        const kith_proto_field_t *field = &definition->fields [index];
        self->columns [index].field = field;
        self->columns [index].width =
            kith_type_width ((kith_type_t) field->type, field->dim);
    }
    return self;
}

void
kith_rows_clear (kith_rows_t *self)
{
    for (uint32_t index = 0; index < self->count; index++) {
        column_t *column = &self->columns [index];
        column->rows = column->nulls = 0;
        kith_bytes_clear (&column->data);
        kith_bytes_clear (&column->ends);
        kith_bytes_clear (&column->validity);
    }
    self->begun = 0;
}

void
kith_rows_destroy (kith_rows_t **self_p)
{
    assert (self_p);
    kith_rows_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t index = 0; index < self->count; index++) {
        kith_bytes_free (&self->columns [index].data);
        kith_bytes_free (&self->columns [index].ends);
        kith_bytes_free (&self->columns [index].validity);
    }
    kith_bytes_free (&self->scratch);
    kith_opened_destroy (&self->opened);
    free (self);
    *self_p = NULL;
}

kith_opened_t *
kith_rows_opened (const kith_rows_t *self)
{
    return self->opened;
}

size_t
kith_rows_count (const kith_rows_t *self)
{
    size_t rows = 0;
    for (uint32_t index = 0; index < self->count; index++) {
        if (self->columns [index].rows > rows)
            rows = self->columns [index].rows;
    }
    return rows;
}

uint64_t
kith_rows_bytes (const kith_rows_t *self)
{
    uint64_t bytes = 0;
    for (uint32_t index = 0; index < self->count; index++)
        bytes += self->columns [index].data.size + self->columns [index].ends.size / 2;
    return bytes;
}

int
kith_rows_place (const kith_rows_t *self, const char *field, uint32_t *column,
                 kith_error_t *error)
{
    const kith_proto_field_t *found = kith_opened_field (self->opened, field, error);
    if (!found)
        return -1;
    *column = (uint32_t) (found - self->opened->definition->fields);
    if (*column >= self->count)
        return kith_error_set (error, KITH_ERR_LIMIT, "%s has more than %u fields",
                               self->opened->definition->name, KITH_FIELDS_MAX);
    return 0;
}

//  --- Values

//  Marks what was just appended as valid
static void
s_added (column_t *column, size_t count)
{
    column->rows += count;
    if (column->nulls)
        memset (kith_bytes_extend (&column->validity, count), 1, count);
    if (!column->width) {
        for (; count; count--)
            kith_bytes_put_u64 (&column->ends, column->data.size);
    }
}

int
kith_rows_put_null (kith_rows_t *self, uint32_t index, kith_error_t *error)
{
    column_t *column = &self->columns [index];
    if (!column->field->nullable)
        return kith_error_set (error, KITH_ERR_TYPE_MISMATCH,
                               "field '%s' may not be null", column->field->name);
    if (!column->nulls && column->rows)
        memset (kith_bytes_extend (&column->validity, column->rows), 1, column->rows);
    kith_bytes_extend (&column->validity, 1);
    if (column->width)
        kith_bytes_extend (&column->data, column->width);
    else
        kith_bytes_put_u64 (&column->ends, column->data.size);
    column->nulls++;
    column->rows++;
    return 0;
}

int
kith_rows_put_raw (kith_rows_t *self, uint32_t index, const void *values, size_t count,
                   kith_error_t *error)
{
    column_t *column = &self->columns [index];
    assert (column->width);
    const uint8_t *bytes = values;
    const kith_type_t type = (kith_type_t) column->field->type;
    const uint32_t dim = column->field->dim;
    if (kith_type_is_vector (type) && !kith_vector_finite (type, dim, values, count)) {
        size_t row = 0;
        while (kith_vector_finite (type, dim, bytes + row * column->width, 1))
            row++;
        return kith_error_set (error, KITH_ERR_NOT_FINITE,
                               "field '%s': NaN or infinity in vector %zu",
                               column->field->name, row + 1);
    }
    kith_bytes_put (&column->data, values, count * column->width);
    s_added (column, count);
    return 0;
}

static int
s_mismatch (const kith_proto_field_t *field, const char *what, kith_error_t *error)
{
    const char *type = kith_type_name ((kith_type_t) field->type);
    if (field->dim)
        return kith_error_set (error, KITH_ERR_TYPE_MISMATCH,
                               "field '%s' is %s(%" PRIu32 "), not %s", field->name, type,
                               field->dim, what);
    return kith_error_set (error, KITH_ERR_TYPE_MISMATCH, "field '%s' is %s, not %s",
                           field->name, type, what);
}

int
kith_rows_put_int (kith_rows_t *self, uint32_t index, int64_t value, kith_error_t *error)
{
    column_t *column = &self->columns [index];
    int64_t limit = INT64_MAX;
    float single = (float) value;
    double real = (double) value;
    const void *bytes = &value;    //  little-endian: the low bytes come first
    switch ((kith_type_t) column->field->type) {
        case KITH_TYPE_BOOL:
            return s_mismatch (column->field, "a number", error);
        case KITH_TYPE_INT8:
            limit = INT8_MAX;
            break;
        case KITH_TYPE_INT16:
            limit = INT16_MAX;
            break;
        case KITH_TYPE_INT32:
            limit = INT32_MAX;
            break;
        case KITH_TYPE_INT64:
            break;
        case KITH_TYPE_FLOAT:
            bytes = &single;
            break;
        case KITH_TYPE_DOUBLE:
            bytes = &real;
            break;
        case KITH_TYPE_JSON: {
            char text [24];
            snprintf (text, sizeof text, "%" PRId64, value);
            return kith_rows_put_text (self, index, text, strlen (text), error);
        }
        case KITH_TYPE_VARCHAR:
        case KITH_TYPE_FLOAT_VECTOR:
        case KITH_TYPE_FLOAT16_VECTOR:
        case KITH_TYPE_BFLOAT16_VECTOR:
        case KITH_TYPE_INT8_VECTOR:
        case KITH_TYPE_BINARY_VECTOR:
            return s_mismatch (column->field, "a number", error);
    }
    if (value > limit || value < -limit - 1)
        return kith_error_set (error, KITH_ERR_TYPE_MISMATCH,
                               "field '%s' is %s: %" PRId64 " does not fit",
                               column->field->name,
                               kith_type_name ((kith_type_t) column->field->type), value);
    kith_bytes_put (&column->data, bytes, column->width);
    s_added (column, 1);
    return 0;
}

int
kith_rows_put_real (kith_rows_t *self, uint32_t index, double value, kith_error_t *error)
{
    column_t *column = &self->columns [index];
    if (column->field->type == KITH_TYPE_DOUBLE)
        kith_bytes_put (&column->data, &value, sizeof value);
    else if (column->field->type == KITH_TYPE_FLOAT) {
        if (isfinite (value) && fabs (value) > (double) FLT_MAX)
            return kith_error_set (error, KITH_ERR_TYPE_MISMATCH,
                                   "field '%s' is float: %g does not fit",
                                   column->field->name, value);
        float single = (float) value;
        kith_bytes_put (&column->data, &single, sizeof single);
    }
    else if (column->field->type == KITH_TYPE_JSON) {
        kith_bytes_clear (&self->scratch);
        kith_json_put_double (&self->scratch, value);
        kith_bytes_put (&column->data, self->scratch.data, self->scratch.size);
    }
    else
        return s_mismatch (column->field, "a number with a fraction", error);
    s_added (column, 1);
    return 0;
}

int
kith_rows_put_text (kith_rows_t *self, uint32_t index, const char *text, size_t size,
                    kith_error_t *error)
{
    column_t *column = &self->columns [index];
    const kith_proto_field_t *field = column->field;
    if (column->width)
        return s_mismatch (field, "a text", error);
    size_t limit = field->type == KITH_TYPE_JSON ? KITH_ROW_BYTES_MAX : field->max_length;
    if (size > limit)
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "field '%s': a text of %zu bytes, at most %zu are allowed",
                               field->name, size, limit);
    if (!kith_text_valid (text, size))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field '%s': the text is not UTF-8", field->name);
    kith_bytes_put (&column->data, text, size);
    s_added (column, 1);
    return 0;
}

int
kith_rows_put_vector (kith_rows_t *self, uint32_t index, const float *values,
                      size_t count, kith_error_t *error)
{
    column_t *column = &self->columns [index];
    const kith_proto_field_t *field = column->field;
    const kith_type_t type = (kith_type_t) field->type;
    if (!kith_type_is_vector (type))
        return s_mismatch (field, "a vector", error);
    const size_t before = column->data.size;
    uint8_t *to = kith_bytes_extend (&column->data, column->width);
    if (kith_vector_encode (type, field->dim, values, count, to, error) != 0) {
        column->data.size = before;
        return kith_error_prefix (error, "field '%s'", field->name);
    }
    s_added (column, 1);
    return 0;
}

//  --- Values from text

static int
s_put_bool (kith_rows_t *self, uint32_t index, bool value, kith_error_t *error)
{
    column_t *column = &self->columns [index];
    if (column->field->type == KITH_TYPE_JSON)
        return kith_rows_put_text (self, index, value ? "true" : "false", value ? 4 : 5,
                                   error);
    if (column->field->type != KITH_TYPE_BOOL)
        return s_mismatch (column->field, "true or false", error);
    kith_bytes_put_u8 (&column->data, value);
    s_added (column, 1);
    return 0;
}

static int
s_put_number (kith_rows_t *self, uint32_t index, kith_json_t *json, kith_error_t *error)
{
    double real;
    int64_t integer;
    bool is_integer;
    if (!kith_json_number (json, &real, &integer, &is_integer))
        return -1;
    uint32_t type = self->columns [index].field->type;
    bool whole = type == KITH_TYPE_FLOAT || type == KITH_TYPE_DOUBLE;
    if (is_integer && !whole)
        return kith_rows_put_int (self, index, integer, error);
    if (!isfinite (real))
        return kith_error_set (error, KITH_ERR_TYPE_MISMATCH,
                               "field '%s': the number is too large",
                               self->columns [index].field->name);
    return kith_rows_put_real (self, index, real, error);
}

static int
s_put_string (kith_rows_t *self, uint32_t index, kith_json_t *json, kith_error_t *error)
{
    kith_bytes_clear (&self->scratch);
    if (!kith_json_text (json, &self->scratch))
        return -1;
    const char *text = self->scratch.data ? (const char *) self->scratch.data : "";
    return kith_rows_put_text (self, index, text, self->scratch.size, error);
}

static int
s_put_array (kith_rows_t *self, uint32_t index, kith_json_t *json, kith_error_t *error)
{
    const kith_proto_field_t *field = self->columns [index].field;
    if (!kith_type_is_vector ((kith_type_t) field->type))
        return s_mismatch (field, "an array", error);
    uint32_t count;
    kith_bytes_clear (&self->scratch);
    if (!kith_json_floats (json, &self->scratch, &count))
        return -1;
    const float *values = (const float *) (const void *) self->scratch.data;
    return kith_rows_put_vector (self, index, values, count, error);
}

static int
s_put_any (kith_rows_t *self, uint32_t index, kith_json_t *json, kith_error_t *error)
{
    const kith_proto_field_t *field = self->columns [index].field;
    kith_json_kind_t kind = kith_json_peek (json);
    if (kind == KITH_JSON_NULL)
        return kith_json_null (json) ? kith_rows_put_null (self, index, error) : -1;
    if (field->type == KITH_TYPE_JSON) {
        const char *raw;
        size_t raw_size;
        if (!kith_json_raw (json, &raw, &raw_size))
            return -1;
        return kith_rows_put_text (self, index, raw, raw_size, error);
    }
    if (kind == KITH_JSON_NUMBER)
        return s_put_number (self, index, json, error);
    if (kind == KITH_JSON_STRING)
        return s_put_string (self, index, json, error);
    if (kind == KITH_JSON_ARRAY)
        return s_put_array (self, index, json, error);
    if (kind == KITH_JSON_BOOL) {
        bool value;
        return kith_json_bool (json, &value) ? s_put_bool (self, index, value, error)
                                             : -1;
    }
    if (kind == KITH_JSON_OBJECT)
        return s_mismatch (field, "an object", error);
    kith_json_fail (json, "a value");
    return -1;
}

int
kith_rows_put_value (kith_rows_t *self, uint32_t index, const char *text, size_t size,
                     bool plain, kith_error_t *error)
{
    const kith_proto_field_t *field = self->columns [index].field;
    if (plain && field->type == KITH_TYPE_VARCHAR)
        return kith_rows_put_text (self, index, text, size, error);
    if (plain && !size)
        return kith_rows_put_null (self, index, error);
    kith_json_t json;
    kith_json_init (&json, text, size, error);
    if (s_put_any (self, index, &json, error) != 0)
        //  What is wrong with a value names its field, what is wrong with its text does not
        return error && strncmp (error->message, "field '", 7) != 0
                   ? kith_error_prefix (error, "field '%s'", field->name)
                   : -1;
    if (kith_json_done (&json))
        return 0;
    kith_json_fail (&json, "the end of the value");
    return kith_error_prefix (error, "field '%s'", field->name);
}

//  --- Rows

void
kith_rows_begin (kith_rows_t *self)
{
    self->begun = kith_rows_count (self);
}

size_t
kith_rows_column_rows (const kith_rows_t *self, uint32_t index)
{
    return self->columns [index].rows;
}

void
kith_rows_cut_column (kith_rows_t *self, uint32_t index, size_t rows)
{
    column_t *column = &self->columns [index];
    if (column->rows <= rows)
        return;
    for (size_t row = rows; column->nulls && row < column->rows; row++)
        column->nulls -= !column->validity.data [row];
    column->validity.size = column->nulls ? rows : 0;
    column->rows = rows;
    if (column->width) {
        column->data.size = rows * column->width;
        return;
    }
    column->ends.size = rows * 8;
    column->data.size =
        rows ? (size_t) kith_get_u64 (column->ends.data + column->ends.size - 8) : 0;
}

void
kith_rows_undo (kith_rows_t *self)
{
    for (uint32_t index = 0; index < self->count; index++)
        kith_rows_cut_column (self, index, self->begun);
}

int
kith_rows_end (kith_rows_t *self, kith_error_t *error)
{
    bool auto_id = self->opened->definition->auto_id;
    for (uint32_t index = 0; index < self->count; index++) {
        column_t *column = &self->columns [index];
        const kith_proto_field_t *field = column->field;
        int result = 0;
        if (column->rows > self->begun || (field->key && auto_id))
            continue;
        if (field->has_default)
            result = kith_rows_put_value (self, index, field->default_value,
                                          strlen (field->default_value), false, error);
        else if (field->nullable)
            result = kith_rows_put_null (self, index, error);
        else
            result = kith_error_set (error, KITH_ERR_INVALID, "field '%s' is missing",
                                     field->name);
        if (result != 0) {
            kith_rows_undo (self);
            return -1;
        }
    }
    return 0;
}

//  The column of a name, looked for after the one before: objects repeat their order
static int
s_column (const kith_rows_t *self, const char *name, uint32_t *index, kith_error_t *error)
{
    for (uint32_t step = 0; step < self->count; step++) {
        uint32_t candidate = (*index + 1 + step) % self->count;
        if (strcmp (self->columns [candidate].field->name, name) == 0) {
            *index = candidate;
            return 0;
        }
    }
    return kith_rows_place (self, name, index, error);
}

static int
s_put_pairs (kith_rows_t *self, kith_json_t *json, kith_bytes_t *name,
             kith_error_t *error)
{
    bool first = true;
    uint32_t index = self->count - 1;
    if (!kith_json_open (json, '{'))
        return -1;
    while (kith_json_next_key (json, &first, name)) {
        if (s_column (self, (const char *) name->data, &index, error) != 0)
            return -1;
        if (self->columns [index].rows > self->begun)
            return kith_error_set (error, KITH_ERR_INVALID, "field '%s' is there twice",
                                   self->columns [index].field->name);
        if (s_put_any (self, index, json, error) != 0)
            return -1;
    }
    if (json->failed)
        return -1;
    if (kith_json_done (json))
        return 0;
    kith_json_fail (json, "nothing after the object");
    return -1;
}

int
kith_rows_put_json (kith_rows_t *self, const char *text, size_t size, kith_error_t *error)
{
    kith_json_t json;
    kith_bytes_t name = {0};
    kith_json_init (&json, text, size, error);
    kith_rows_begin (self);
    int result = s_put_pairs (self, &json, &name, error);
    kith_bytes_free (&name);
    if (result == 0)
        return kith_rows_end (self, error);
    kith_rows_undo (self);
    return -1;
}

//  --- Batches

static int
s_check_keys (kith_rows_t *self, kith_client_t *client, bool keys_only, size_t rows,
              kith_error_t *error)
{
    const kith_proto_collection_t *definition = self->opened->definition;
    column_t *key = &self->columns [self->opened->key - definition->fields];
    if (key->rows)
        return 0;
    if (!definition->auto_id || keys_only || key->field->type != KITH_TYPE_INT64)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "%s: the key field '%s' is missing", definition->name,
                               key->field->name);
    for (size_t row = 0; row < rows; row++) {
        int64_t value = kith_client_next_key (client);
        kith_bytes_put (&key->data, &value, sizeof value);
    }
    s_added (key, rows);
    return 0;
}

int
kith_rows_check (kith_rows_t *self, kith_client_t *client, bool keys_only,
                 kith_error_t *error)
{
    size_t rows = kith_rows_count (self);
    if (rows && s_check_keys (self, client, keys_only, rows, error) != 0)
        return -1;
    for (uint32_t index = 0; index < self->count; index++) {
        const column_t *column = &self->columns [index];
        if (column->rows && keys_only && !column->field->key)
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "keys were expected, and field '%s' is there too",
                                   column->field->name);
        if (column->rows && column->rows != rows)
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "field '%s' has %zu values, another one %zu",
                                   column->field->name, column->rows, rows);
    }
    return 0;
}

//  Bytes of row `row` in a batch, and those that no row changes
static uint64_t
s_row_bytes (const kith_rows_t *self, size_t row, uint64_t *fixed)
{
    uint64_t bytes = 0;
    *fixed = KITH_ROWS_REQUEST_BYTES / 64;
    for (uint32_t index = 0; index < self->count; index++) {
        const column_t *column = &self->columns [index];
        if (!column->rows)
            continue;
        *fixed += BLOCK_OVERHEAD;
        bytes += column->nulls ? 1 : 0;
        if (column->width)
            bytes += column->width;
        else {
            const uint8_t *ends = column->ends.data;
            uint64_t begin = row ? kith_get_u64 (ends + (row - 1) * 8) : 0;
            bytes += 4 + kith_get_u64 (ends + row * 8) - begin;
        }
    }
    return bytes;
}

int
kith_rows_cut (const kith_rows_t *self, size_t from, size_t *to, kith_error_t *error)
{
    size_t rows = kith_rows_count (self);
    uint64_t fixed;
    uint64_t bytes = 0;
    size_t end = from;
    while (end < rows) {
        uint64_t row_bytes = s_row_bytes (self, end, &fixed);
        if (row_bytes > KITH_ROW_BYTES_MAX)
            return kith_error_set (error, KITH_ERR_LIMIT,
                                   "row %zu has %" PRIu64
                                   " bytes, at most %u are allowed",
                                   end + 1, row_bytes, KITH_ROW_BYTES_MAX);
        if (end > from && bytes + row_bytes + fixed > KITH_ROWS_REQUEST_BYTES)
            break;
        bytes += row_bytes;
        end++;
    }
    *to = end;
    return 0;
}

//  A block of some rows of a column: a view over them, gathered whole
static void
s_put_block (const column_t *column, size_t from, size_t to, kith_bytes_t *out)
{
    uint32_t rows = (uint32_t) (to - from);
    kith_column_t view = {.type = (kith_type_t) column->field->type,
                          .field = column->field->id,
                          .rows = rows,
                          .dim = column->field->dim};
    kith_bytes_t offsets = {0}, bits = {0};
    if (column->width) {
        view.data = column->data.data + from * column->width;
        view.data_bytes = (uint64_t) rows * column->width;
    }
    else {
        uint64_t begin = from ? kith_get_u64 (column->ends.data + (from - 1) * 8) : 0;
        kith_bytes_put_u32 (&offsets, 0);
        for (size_t row = from; row < to; row++)
            kith_bytes_put_u32 (
                &offsets,
                (uint32_t) (kith_get_u64 (column->ends.data + row * 8) - begin));
        view.offsets = offsets.data;
        view.data = column->data.data + begin;
        view.data_bytes = kith_get_u32 (offsets.data + (size_t) rows * 4);
    }
    if (column->nulls) {
        uint8_t *at = kith_bytes_extend (&bits, (rows + 7) / 8);
        for (uint32_t row = 0; row < rows; row++)
            at [row / 8] |= (uint8_t) (column->validity.data [from + row] << (row % 8));
        view.validity = bits.data;
    }
    kith_column_gather (out, &view, NULL, 0);
    kith_bytes_free (&offsets);
    kith_bytes_free (&bits);
}

void
kith_rows_batch (const kith_rows_t *self, size_t from, size_t to, kith_bytes_t *out)
{
    uint32_t columns = 0;
    for (uint32_t index = 0; index < self->count; index++)
        columns += self->columns [index].rows > 0;
    size_t place = kith_batch_begin (out, (uint32_t) (to - from), columns);
    for (uint32_t index = 0; index < self->count; index++) {
        if (self->columns [index].rows)
            s_put_block (&self->columns [index], from, to, out);
    }
    kith_batch_end (out, place);
}

uint64_t
kith_rows_key_hash (const kith_rows_t *self, size_t row)
{
    const column_t *key =
        &self->columns [self->opened->key - self->opened->definition->fields];
    if (key->width)
        return kith_hash64 (key->data.data + row * key->width, key->width);
    uint64_t begin = row ? kith_get_u64 (key->ends.data + (row - 1) * 8) : 0;
    uint64_t end = kith_get_u64 (key->ends.data + row * 8);
    return kith_hash64 (key->data.data + begin, (size_t) (end - begin));
}
