//  input.c - rows from files: JSON lines, CSV, NumPy arrays, one file a column
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/input.h"

#include "base/limits.h"
#include "clients/cli/npy.h"
#include "clients/json.h"
#include <strings.h>

typedef enum { FORMAT_JSONL, FORMAT_CSV, FORMAT_COLUMNS } format_t;

//  One file of a column
typedef struct {
    uint32_t column;    //  place in the definition
    const kith_proto_field_t *field;
    char *path;
    const uint8_t *map;    //  arrays: the file
    uint64_t map_size;
    kith_npy_t array;
    kith_lines_t *lines;    //  texts: a value a line
} part_t;

struct kith_input {
    format_t format;
    kith_opened_t *opened;
    kith_lines_t *lines;               //  jsonl, csv
    uint32_t csv [KITH_FIELDS_MAX];    //  csv: column of each place
    uint32_t csv_count;
    part_t parts [KITH_FIELDS_MAX];    //  columns
    uint32_t part_count;
    uint64_t rows;          //  columns: in all
    uint64_t row;           //  columns: the next one
    uint64_t one_by_one;    //  columns: rows before this one are added singly
    bool numbered;          //  keys are row numbers
    int64_t number_from;
    uint32_t key;        //  place of the key in the definition
    kith_bytes_t bad;    //  text of the row at fault
    kith_bytes_t cell;
    kith_bytes_t floats;
};

void
kith_input_close (kith_input_t **self_p)
{
    assert (self_p);
    kith_input_t *self = *self_p;
    if (!self)
        return;
    kith_lines_close (&self->lines);
    for (uint32_t index = 0; index < self->part_count; index++) {
        kith_lines_close (&self->parts [index].lines);
        kith_file_unmap (self->parts [index].map, self->parts [index].map_size);
        free (self->parts [index].path);
    }
    kith_opened_destroy (&self->opened);
    kith_bytes_free (&self->bad);
    kith_bytes_free (&self->cell);
    kith_bytes_free (&self->floats);
    free (self);
    *self_p = NULL;
}

static const char *
s_extension (const char *path)
{
    const char *dot = strrchr (path, '.');
    return dot && !strchr (dot, '/') ? dot + 1 : "";
}

static uint32_t
s_place (const kith_opened_t *opened, const kith_proto_field_t *field)
{
    return (uint32_t) (field - opened->definition->fields);
}

static kith_input_t *
s_new (format_t format, kith_opened_t *opened)
{
    kith_input_t *self = kith_new (sizeof *self);
    self->format = format;
    self->opened = kith_opened_share (opened);
    self->key = s_place (opened, opened->key);
    return self;
}

void
kith_input_number_from (kith_input_t *self, int64_t first)
{
    self->number_from = first;
}

//  --- Columns

//  Does the file hold the vectors just as the field stores them?
static bool
s_as_stored (const part_t *part)
{
    static const struct {
        kith_npy_kind_t kind;
        uint32_t width;
    } stored [] = {[KITH_TYPE_FLOAT_VECTOR] = {KITH_NPY_FLOAT, 4},
                   [KITH_TYPE_FLOAT16_VECTOR] = {KITH_NPY_FLOAT, 2},
                   [KITH_TYPE_BFLOAT16_VECTOR] = {KITH_NPY_BFLOAT, 2},
                   [KITH_TYPE_INT8_VECTOR] = {KITH_NPY_INT, 1},
                   [KITH_TYPE_BINARY_VECTOR] = {KITH_NPY_UINT, 1}};
    const kith_type_t type = (kith_type_t) part->field->type;
    return part->map && part->array.matrix && kith_type_is_vector (type)
           && part->array.kind == stored [type].kind
           && part->array.dim * part->array.width
                  == kith_type_width (type, part->field->dim);
}

static const uint8_t *
s_stored (const part_t *part, uint64_t row)
{
    return part->array.data + row * part->array.dim * part->array.width;
}

//  Do the rows of an array fit the field?
static int
s_check_part (const part_t *part, kith_error_t *error)
{
    const kith_proto_field_t *field = part->field;
    const bool vector = kith_type_is_vector ((kith_type_t) field->type);
    const bool binary = field->type == KITH_TYPE_BINARY_VECTOR;
    if (part->array.matrix != vector)
        return kith_error_set (error, KITH_ERR_TYPE_MISMATCH,
                               "%s: has %d dimension%s; field '%s' needs %d", part->path,
                               part->array.matrix ? 2 : 1, part->array.matrix ? "s" : "",
                               field->name, vector ? 2 : 1);
    if (!vector || part->array.dim == field->dim
        || (binary && part->array.dim == field->dim / 8))
        return 0;
    return binary ? kith_error_set (error, KITH_ERR_DIMENSION_MISMATCH,
                                    "%s: rows of %" PRIu64 " numbers; field '%s' has "
                                    "%" PRIu32 " bits, %" PRIu32 " bytes",
                                    part->path, part->array.dim, field->name, field->dim,
                                    field->dim / 8)
                  : kith_error_set (error, KITH_ERR_DIMENSION_MISMATCH,
                                    "%s: rows of %" PRIu64
                                    " numbers; field '%s' has %" PRIu32,
                                    part->path, part->array.dim, field->name, field->dim);
}

static int
s_open_part (kith_input_t *self, const kith_proto_field_t *field, const char *path,
             const char *format, kith_error_t *error)
{
    for (uint32_t index = 0; index < self->part_count; index++) {
        if (self->parts [index].field == field)
            return kith_error_set (error, KITH_ERR_INVALID, "field '%s' is given twice",
                                   field->name);
    }
    part_t *part = &self->parts [self->part_count++];
    part->field = field;
    part->column = s_place (self->opened, field);
    part->path = kith_strdup (path);
    if (strcasecmp (format, "txt") == 0) {
        part->lines = kith_lines_open (path, error);
        return part->lines ? 0 : -1;
    }
    bool npy = strcasecmp (format, "npy") == 0;
    if (!npy && !kith_fbin_format (format))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "%s: a column comes from a .npy, .fbin, .u8bin, .i8bin or "
                               ".txt file",
                               path);
    part->map = kith_file_map (path, &part->map_size, error);
    if (!part->map)
        return -1;
    int result =
        npy ? kith_npy_open (&part->array, part->map, part->map_size, path, error)
            : kith_fbin_open (&part->array, format, part->map, part->map_size, path,
                              error);
    return result == 0 ? s_check_part (part, error) : -1;
}

static uint64_t
s_count_lines (const char *path, kith_error_t *error)
{
    kith_lines_t *lines = kith_lines_open (path, error);
    const char *line;
    size_t size;
    while (lines && kith_lines_next (lines, false, &line, &size, error) > 0)
        continue;
    uint64_t count = lines ? kith_lines_number (lines) : 0;
    kith_lines_close (&lines);
    return count;
}

//  All files must have the same number of rows; a key that is missing is the row's number
static int
s_check_parts (kith_input_t *self, kith_error_t *error)
{
    const part_t *first = &self->parts [0];
    bool key = false;
    for (uint32_t index = 0; index < self->part_count; index++) {
        const part_t *part = &self->parts [index];
        uint64_t rows =
            part->lines ? s_count_lines (part->path, error) : part->array.rows;
        if (index == 0)
            self->rows = rows;
        if (rows != self->rows)
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "%s has %" PRIu64 " rows, %s %" PRIu64
                                   ": columns of one import have as many rows each",
                                   part->path, rows, first->path, self->rows);
        key = key || part->field->key;
    }
    if (key || self->opened->definition->auto_id)
        return 0;
    if (self->opened->key->type != KITH_TYPE_INT64)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "the key field '%s' is missing: --column %s=FILE",
                               self->opened->key->name, self->opened->key->name);
    self->numbered = true;
    return 0;
}

kith_input_t *
kith_input_columns (const char *const *columns, kith_opened_t *opened,
                    kith_error_t *error)
{
    kith_input_t *self = s_new (FORMAT_COLUMNS, opened);
    int result = 0;
    for (; *columns && result == 0; columns++) {
        const char *equals = strchr (*columns, '=');
        char name [KITH_NAME_MAX + 1] = "";
        if (!equals || equals - *columns > (ptrdiff_t) KITH_NAME_MAX) {
            result = kith_error_set (error, KITH_ERR_INVALID,
                                     "'%s': FIELD=FILE is expected", *columns);
            break;
        }
        memcpy (name, *columns, (size_t) (equals - *columns));
        const kith_proto_field_t *field = kith_opened_field (opened, name, error);
        result =
            field ? s_open_part (self, field, equals + 1, s_extension (equals + 1), error)
                  : -1;
    }
    if (result == 0)
        result = s_check_parts (self, error);
    if (result != 0)
        kith_input_close (&self);
    return self;
}

//  A whole file of vectors: they go to the only vector field
static int
s_open_vectors (kith_input_t *self, const char *path, const char *format,
                kith_error_t *error)
{
    const kith_proto_collection_t *definition = self->opened->definition;
    const kith_proto_field_t *found = NULL;
    for (uint32_t index = 0; index < definition->fields_count; index++) {
        if (!kith_type_is_vector ((kith_type_t) definition->fields [index].type))
            continue;
        if (found)
            return kith_error_set (
                error, KITH_ERR_INVALID,
                "%s has several vector fields: --column FIELD=%s says which",
                definition->name, path);
        found = &definition->fields [index];
    }
    if (!found)
        return kith_error_set (error, KITH_ERR_INVALID, "%s has no vector field",
                               definition->name);
    if (s_open_part (self, found, path, format, error) != 0)
        return -1;
    return s_check_parts (self, error);
}

//  One value of a column's file
static int
s_put_part (kith_input_t *self, part_t *part, kith_rows_t *rows, kith_error_t *error)
{
    const char *line;
    size_t size;
    int64_t integer;
    if (part->lines) {
        int got = kith_lines_next (part->lines, false, &line, &size, error);
        if (got <= 0)
            return got < 0 ? -1
                           : kith_error_set (error, KITH_ERR_INVALID,
                                             "%s: became shorter", part->path);
        return kith_rows_put_value (rows, part->column, line, size, true, error);
    }
    if (s_as_stored (part))
        return kith_rows_put_raw (rows, part->column, s_stored (part, self->row), 1,
                                  error);
    if (kith_type_is_vector ((kith_type_t) part->field->type)) {
        kith_bytes_clear (&self->floats);
        float *out = kith_bytes_extend (&self->floats, (size_t) part->array.dim * 4);
        kith_npy_floats (&part->array, self->row, 1, out);
        return kith_rows_put_vector (rows, part->column, out, (size_t) part->array.dim,
                                     error);
    }
    if (part->array.kind == KITH_NPY_BOOL && part->field->type == KITH_TYPE_BOOL)
        return kith_rows_put_raw (rows, part->column, part->array.data + self->row, 1,
                                  error);
    if (kith_npy_int (&part->array, self->row, &integer))
        return kith_rows_put_int (rows, part->column, integer, error);
    return kith_rows_put_real (rows, part->column,
                               kith_npy_real (&part->array, self->row), error);
}

//  The next row, value by value. Lines are taken even when the row is refused.
static int
s_fill_row (kith_input_t *self, kith_rows_t *rows, kith_error_t *error)
{
    int result = 0;
    kith_rows_begin (rows);
    for (uint32_t index = 0; index < self->part_count; index++) {
        kith_error_t own;
        part_t *part = &self->parts [index];
        if (s_put_part (self, part, rows, &own) == 0)
            continue;
        kith_error_prefix (&own, "%s, row %" PRIu64, part->path, self->row + 1);
        if (result == 0 && error)
            *error = own;
        result = -1;
    }
    if (result == 0 && self->numbered)
        result = kith_rows_put_int (rows, self->key,
                                    self->number_from + (int64_t) self->row, error);
    self->row++;
    if (result == 0)
        return kith_rows_end (rows, error);
    kith_rows_undo (rows);
    kith_bytes_clear (&self->bad);
    kith_bytes_printf (&self->bad, "{\"row\": %" PRIu64 "}", self->row);
    return -1;
}

//  Many vectors at once, when they are all that there is
static bool
s_fill_raw (kith_input_t *self, kith_rows_t *rows, uint64_t count)
{
    const part_t *part = &self->parts [0];
    bool plain =
        self->part_count == 1 && s_as_stored (part) && self->row >= self->one_by_one;
    if (!plain || self->opened->definition->fields_count != 2)
        return false;
    if (kith_rows_put_raw (rows, part->column, s_stored (part, self->row), (size_t) count,
                           NULL)
        != 0) {
        self->one_by_one = self->row + count;    //  one of them is bad: find it
        return false;
    }
    for (uint64_t row = 0; self->numbered && row < count; row++)
        kith_rows_put_int (rows, self->key,
                           self->number_from + (int64_t) (self->row + row), NULL);
    self->row += count;
    return true;
}

static int
s_fill_columns (kith_input_t *self, kith_rows_t *rows, uint64_t bytes, bool *row_only,
                kith_error_t *error)
{
    while (self->row < self->rows && kith_rows_bytes (rows) < bytes) {
        uint64_t left = self->rows - self->row;
        uint64_t step = self->part_count == 1 && self->parts [0].array.dim
                            ? 65536 / self->parts [0].array.dim + 1
                            : 1;
        if (s_fill_raw (self, rows, step < left ? step : left))
            continue;
        if (s_fill_row (self, rows, error) != 0) {
            *row_only = true;
            return -1;
        }
    }
    return self->row < self->rows;
}

//  --- Lines

//  One cell of a CSV line: bare, or in quotes with "" for a quote. *at stands behind its comma; false: no more.
static bool
s_cell (kith_input_t *self, const char **at, const char *end, bool *more,
        kith_error_t *error)
{
    kith_bytes_clear (&self->cell);
    const char *from = *at;
    if (from < end && *from == '"') {
        for (from++; from < end; from++) {
            if (*from == '"' && from + 1 < end && from [1] == '"')
                from++;
            else if (*from == '"')
                break;
            kith_bytes_put_u8 (&self->cell, (uint8_t) *from);
        }
        if (from >= end || (from + 1 < end && from [1] != ',')) {
            kith_error_set (error, KITH_ERR_INVALID,
                            "a quote is not closed, or something follows it");
            return false;
        }
        from++;
    }
    else {
        const char *comma = memchr (from, ',', (size_t) (end - from));
        const char *stop = comma ? comma : end;
        kith_bytes_put (&self->cell, from, (size_t) (stop - from));
        from = stop;
    }
    *more = from < end;
    *at = from + *more;
    return true;
}

static int
s_csv_head (kith_input_t *self, kith_error_t *error)
{
    const char *line;
    size_t size;
    int got = kith_lines_next (self->lines, true, &line, &size, error);
    if (got <= 0)
        return got < 0 ? -1
                       : kith_error_set (error, KITH_ERR_INVALID,
                                         "%s: empty; the first line names the fields",
                                         kith_lines_name (self->lines));
    const char *at = line, *end = line + size;
    if (size >= 3 && memcmp (at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    for (bool more = true; more;) {
        if (!s_cell (self, &at, end, &more, error))
            return -1;
        kith_bytes_put_u8 (&self->cell, 0);
        const kith_proto_field_t *field =
            kith_opened_field (self->opened, (const char *) self->cell.data, error);
        if (!field)
            return kith_error_prefix (error, "%s:1", kith_lines_name (self->lines));
        if (self->csv_count == KITH_FIELDS_MAX)
            return kith_error_set (error, KITH_ERR_LIMIT, "%s:1: more than %u fields",
                                   kith_lines_name (self->lines), KITH_FIELDS_MAX);
        for (uint32_t index = 0; index < self->csv_count; index++) {
            if (self->csv [index] == s_place (self->opened, field))
                return kith_error_set (error, KITH_ERR_INVALID,
                                       "%s:1: field '%s' is there twice",
                                       kith_lines_name (self->lines), field->name);
        }
        self->csv [self->csv_count++] = s_place (self->opened, field);
    }
    return 0;
}

static int
s_csv_row (kith_input_t *self, kith_rows_t *rows, const char *line, size_t size,
           kith_error_t *error)
{
    const char *at = line, *end = line + size;
    bool more = true;
    uint32_t index = 0;
    int result = 0;
    kith_rows_begin (rows);
    for (; more && result == 0; index++) {
        if (!s_cell (self, &at, end, &more, error))
            result = -1;
        else if (index == self->csv_count)
            result = kith_error_set (error, KITH_ERR_INVALID,
                                     "more values than the %" PRIu32 " fields of line 1",
                                     self->csv_count);
        else {
            const char *text = self->cell.data ? (const char *) self->cell.data : "";
            result = kith_rows_put_value (rows, self->csv [index], text, self->cell.size,
                                          true, error);
        }
    }
    if (result == 0 && index < self->csv_count)
        result = kith_error_set (error, KITH_ERR_INVALID,
                                 "%" PRIu32 " values; line 1 names %" PRIu32 " fields",
                                 index, self->csv_count);
    if (result == 0)
        return kith_rows_end (rows, error);
    kith_rows_undo (rows);
    return -1;
}

static bool
s_blank (const char *line, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        if (line [at] != ' ' && line [at] != '\t')
            return false;
    }
    return true;
}

static int
s_fill_lines (kith_input_t *self, kith_rows_t *rows, uint64_t bytes, bool *row_only,
              kith_error_t *error)
{
    bool csv = self->format == FORMAT_CSV;
    const char *line;
    size_t size;
    while (kith_rows_bytes (rows) < bytes) {
        int got = kith_lines_next (self->lines, csv, &line, &size, error);
        if (got <= 0)
            return got;
        if (s_blank (line, size))
            continue;
        int result = csv ? s_csv_row (self, rows, line, size, error)
                         : kith_rows_put_json (rows, line, size, error);
        if (result == 0)
            continue;
        kith_bytes_clear (&self->bad);
        kith_bytes_put (&self->bad, line, size);
        kith_error_prefix (error, "%s:%" PRIu64, kith_lines_name (self->lines),
                           kith_lines_number (self->lines));
        *row_only = true;
        return -1;
    }
    return 1;
}

//  --- Any of them

kith_input_t *
kith_input_open (const char *path, const char *format, kith_opened_t *opened,
                 kith_error_t *error)
{
    if (!format)
        format = strcmp (path, "-") == 0 ? "jsonl" : s_extension (path);
    bool jsonl = strcasecmp (format, "jsonl") == 0 || strcasecmp (format, "ndjson") == 0
                 || strcasecmp (format, "json") == 0;
    bool csv = strcasecmp (format, "csv") == 0;
    bool vectors = strcasecmp (format, "npy") == 0 || kith_fbin_format (format);
    if (!jsonl && !csv && !vectors) {
        kith_error_set (error, KITH_ERR_INVALID, "%s: its extension tells no format",
                        path);
        kith_error_hint (error, "--format jsonl, csv, npy, fbin, u8bin or i8bin");
        return NULL;
    }
    kith_input_t *self = s_new (csv     ? FORMAT_CSV
                                : jsonl ? FORMAT_JSONL
                                        : FORMAT_COLUMNS,
                                opened);
    int result = 0;
    if (vectors)
        result = s_open_vectors (self, path, format, error);
    else {
        self->lines = kith_lines_open (path, error);
        result = self->lines ? 0 : -1;
        if (result == 0 && csv)
            result = s_csv_head (self, error);
    }
    if (result != 0)
        kith_input_close (&self);
    return self;
}

int
kith_input_fill (kith_input_t *self, kith_rows_t *rows, uint64_t bytes, bool *row_only,
                 kith_error_t *error)
{
    *row_only = false;
    if (self->format == FORMAT_COLUMNS)
        return s_fill_columns (self, rows, bytes, row_only, error);
    return s_fill_lines (self, rows, bytes, row_only, error);
}

uint64_t
kith_input_rows (const kith_input_t *self)
{
    return self->rows;
}

double
kith_input_share (const kith_input_t *self)
{
    if (self->format == FORMAT_COLUMNS)
        return self->rows ? (double) self->row / (double) self->rows : 1;
    uint64_t size = kith_lines_size (self->lines);
    return size ? (double) kith_lines_read (self->lines) / (double) size : 0;
}

const char *
kith_input_bad (const kith_input_t *self, size_t *size)
{
    *size = self->bad.size;
    return (const char *) self->bad.data;
}

//  --- Query vectors

static int
s_vector_lines (const char *path, kith_bytes_t *out, uint32_t *dim, size_t *count,
                kith_error_t *error)
{
    kith_lines_t *lines = kith_lines_open (path, error);
    const char *line;
    size_t size;
    int got = lines ? 1 : -1;
    while (got > 0 && (got = kith_lines_next (lines, false, &line, &size, error)) > 0) {
        if (s_blank (line, size))
            continue;
        kith_json_t json;
        uint32_t numbers = 0;
        kith_json_init (&json, line, size, error);
        bool good = kith_json_floats (&json, out, &numbers);
        if (good && !kith_json_done (&json))
            good = kith_json_fail (&json, "nothing after the vector");
        if (good && (!numbers || (*count && numbers != *dim)))
            good = kith_error_set (error, KITH_ERR_DIMENSION_MISMATCH,
                                   "%" PRIu32 " numbers, the lines before have %" PRIu32,
                                   numbers, *dim)
                   == 0;
        if (!good) {
            kith_error_prefix (error, "%s:%" PRIu64, path, kith_lines_number (lines));
            got = -1;
        }
        *dim = numbers;
        *count += 1;
    }
    kith_lines_close (&lines);
    if (got == 0 && !*count)
        return kith_error_set (error, KITH_ERR_INVALID, "%s has no vector", path);
    return got;
}

int
kith_input_vectors (const char *path, kith_bytes_t *out, uint32_t *dim, size_t *count,
                    kith_error_t *error)
{
    const char *format = s_extension (path);
    bool npy = strcasecmp (format, "npy") == 0;
    *count = 0;
    *dim = 0;
    if (!npy && !kith_fbin_format (format))
        return s_vector_lines (path, out, dim, count, error);
    uint64_t size = 0;
    kith_npy_t array;
    const uint8_t *map = kith_file_map (path, &size, error);
    if (!map)
        return -1;
    int result = npy ? kith_npy_open (&array, map, size, path, error)
                     : kith_fbin_open (&array, format, map, size, path, error);
    if (result == 0 && !array.rows)
        result = kith_error_set (error, KITH_ERR_INVALID, "%s has no vector", path);
    if (result == 0) {
        //  A single row of numbers is one vector
        *dim = (uint32_t) (array.matrix ? array.dim : array.rows);
        *count = (size_t) (array.matrix ? array.rows : 1);
        float *to = kith_bytes_extend (out, *count * *dim * 4);
        kith_npy_floats (&array, 0, array.rows, to);
    }
    kith_file_unmap (map, size);
    return result;
}
