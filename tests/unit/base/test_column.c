//  test_column.c - column blocks and batches: written, read, gathered, and refused when they are wrong
//  SPDX-License-Identifier: Apache-2.0
//
//  The oracle is a plain array of values. Damaged blocks lie in memory of just their length, so that a
//  sanitizer sees any read outside.
#include "base/column.h"

#include "base/random.h"

#include <criterion/criterion.h>

#define ROWS_MAX 200u
#define TEXT_MAX 40u

static const kith_type_t s_types [] = {
    KITH_TYPE_BOOL,         KITH_TYPE_INT8,           KITH_TYPE_INT16,
    KITH_TYPE_INT32,        KITH_TYPE_INT64,          KITH_TYPE_FLOAT,
    KITH_TYPE_DOUBLE,       KITH_TYPE_VARCHAR,        KITH_TYPE_JSON,
    KITH_TYPE_FLOAT_VECTOR, KITH_TYPE_FLOAT16_VECTOR, KITH_TYPE_BFLOAT16_VECTOR,
    KITH_TYPE_INT8_VECTOR,  KITH_TYPE_BINARY_VECTOR};
#define TYPES (sizeof s_types / sizeof s_types [0])

typedef struct {
    bool null;
    int64_t integer;
    double real;
    char text [TEXT_MAX];
    uint32_t length;
    float vector [8];
} value_t;

typedef struct {
    kith_type_t type;
    uint32_t dim;
    uint32_t rows;
    value_t values [ROWS_MAX];
} plain_t;

static bool
s_is_text (kith_type_t type)
{
    return type == KITH_TYPE_VARCHAR || type == KITH_TYPE_JSON;
}

static bool
s_is_real (kith_type_t type)
{
    return type == KITH_TYPE_FLOAT || type == KITH_TYPE_DOUBLE;
}

static value_t
s_value (kith_random_t *random, kith_type_t type)
{
    static const int64_t limits [] = {[KITH_TYPE_BOOL] = 0,
                                      [KITH_TYPE_INT8] = INT8_MIN,
                                      [KITH_TYPE_INT16] = INT16_MIN,
                                      [KITH_TYPE_INT32] = INT32_MIN,
                                      [KITH_TYPE_INT64] = INT64_MIN};
    value_t value = {.null = false};
    if (s_is_text (type)) {
        value.length = (uint32_t) kith_random_below (random, TEXT_MAX);
        for (uint32_t at = 0; at < value.length; at++)
            value.text [at] = (char) kith_random_next (random);
    }
    else if (s_is_real (type))
        value.real = (double) (float) kith_random_normal (random);
    else if (kith_type_is_vector (type)) {
        for (int at = 0; at < 8; at++)
            value.vector [at] = (float) kith_random_normal (random);
    }
    else if (type == KITH_TYPE_BOOL)
        value.integer = (int64_t) kith_random_below (random, 2);
    else {
        //  All magnitudes, and both ends
        int64_t low = limits [type];
        value.integer =
            (int64_t) kith_random_next (random) >> kith_random_below (random, 64);
        if (value.integer < low)
            value.integer = low;
        if (value.integer > -(low + 1))
            value.integer = -(low + 1);
    }
    return value;
}

static void
s_plain (plain_t *self, kith_random_t *random, kith_type_t type, uint32_t rows,
         bool nulls)
{
    self->type = type;
    self->dim =
        kith_type_is_vector (type) ? 1 + (uint32_t) kith_random_below (random, 8) : 0;
    if (type == KITH_TYPE_BINARY_VECTOR)
        self->dim *= 8;
    self->rows = rows;
    for (uint32_t row = 0; row < rows; row++) {
        self->values [row] = s_value (random, type);
        self->values [row].null = nulls && kith_random_below (random, 3) == 0;
    }
}

static void
s_build (const plain_t *self, uint32_t field, kith_bytes_t *out)
{
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, field, self->type, self->dim);
    for (uint32_t row = 0; row < self->rows; row++) {
        const value_t *value = &self->values [row];
        if (value->null)
            kith_column_builder_null (&builder);
        else if (s_is_text (self->type))
            kith_column_builder_string (&builder, value->text, value->length);
        else if (s_is_real (self->type))
            kith_column_builder_real (&builder, value->real);
        else if (kith_type_is_vector (self->type))
            kith_column_builder_fixed (&builder, value->vector);
        else
            kith_column_builder_int (&builder, value->integer);
    }
    kith_column_builder_finish (&builder, out);
    kith_column_builder_free (&builder);
}

static void
s_same (const plain_t *self, const kith_column_t *column, const uint32_t *rows,
        uint32_t count)
{
    cr_assert_eq (column->type, self->type);
    cr_assert_eq (column->dim, self->dim);
    cr_assert_eq (column->rows, count);
    for (uint32_t row = 0; row < count; row++) {
        const value_t *value = &self->values [rows ? rows [row] : row];
        cr_assert_eq (kith_column_valid (column, row), !value->null);
        if (value->null)
            continue;
        if (s_is_text (self->type)) {
            uint32_t length;
            const char *text = kith_column_string (column, row, &length);
            cr_assert_eq (length, value->length);
            cr_assert_eq (memcmp (text, value->text, length), 0);
        }
        else if (kith_type_is_vector (self->type))
            cr_assert_eq (memcmp (kith_column_fixed (column, row), value->vector,
                                  kith_type_width (self->type, self->dim)),
                          0);
        else if (s_is_real (self->type))
            cr_assert_float_eq (kith_column_real (column, row), value->real, 0);
        else {
            cr_assert_eq (kith_column_int (column, row), value->integer);
            cr_assert_float_eq (kith_column_real (column, row), (double) value->integer,
                                0);
        }
    }
}

Test (column, types)
{
    for (size_t index = 0; index < TYPES; index++) {
        kith_type_t type = s_types [index];
        cr_assert_eq (kith_type_of_name (kith_type_name (type)), type);
    }
    cr_assert_eq (kith_type_of_name ("nonsense"), 0);
    cr_assert_str_eq (kith_type_name (KITH_TYPE_FLOAT_VECTOR), "float_vector");
    cr_assert_str_eq (kith_type_name ((kith_type_t) 99), "unknown");
    for (kith_type_t type = KITH_TYPE_FLOAT_VECTOR; type <= KITH_TYPE_BINARY_VECTOR;
         type++) {
        cr_assert (kith_type_dim_allowed (type, 8) && !kith_type_dim_allowed (type, 0));
        cr_assert (kith_type_dim_allowed (type, KITH_DIM_MAX));
        cr_assert_not (kith_type_dim_allowed (type, KITH_DIM_MAX + 8));
        cr_assert_eq (kith_type_dim_allowed (type, 12), type != KITH_TYPE_BINARY_VECTOR);
    }
    static const uint32_t widths [TYPES] = {1, 1, 2,   4,   8,   4,   8,
                                            0, 0, 416, 208, 208, 104, 13};
    for (size_t index = 0; index < TYPES; index++)
        cr_assert_eq (kith_type_width (s_types [index], 104), widths [index]);
}

Test (column, round_trip_and_gather)
{
    kith_random_t random;
    kith_random_seed (&random, 1);
    static plain_t plain;
    for (int turn = 0; turn < 1000; turn++) {
        kith_type_t type = s_types [(size_t) turn % TYPES];
        s_plain (&plain, &random, type, (uint32_t) kith_random_below (&random, ROWS_MAX),
                 turn % 3 == 0);
        kith_bytes_t out = {0};
        if (turn % 2)
            kith_bytes_extend (&out, 128);
        size_t place = out.size;
        s_build (&plain, 100 + (uint32_t) turn, &out);
        kith_column_t column, other;
        kith_error_t error;
        cr_assert_eq (
            kith_column_open (&column, out.data + place, out.size - place, &error), 0,
            "%s", error.message);
        cr_assert_eq (column.bytes, out.size - place);
        cr_assert_eq (column.field, 100 + (uint32_t) turn);
        s_same (&plain, &column, NULL, plain.rows);

        uint32_t rows [300], count = (uint32_t) kith_random_below (&random, 300);
        for (uint32_t row = 0; row < count; row++)
            rows [row] =
                plain.rows ? (uint32_t) kith_random_below (&random, plain.rows) : 0;
        count = plain.rows ? count : 0;
        kith_bytes_t chosen = {0};
        kith_column_gather (&chosen, &column, rows, count);
        cr_assert_eq (kith_column_open (&other, chosen.data, chosen.size, &error), 0,
                      "%s", error.message);
        s_same (&plain, &other, rows, count);
        kith_bytes_clear (&chosen);

        //  All rows: the very same bytes, as what the builder makes is the only form
        kith_column_gather (&chosen, &column, NULL, 12345);
        cr_assert_eq (chosen.size, out.size - place);
        cr_assert_eq (memcmp (chosen.data, out.data + place, chosen.size), 0);
        kith_bytes_free (&chosen);
        kith_bytes_free (&out);
    }
}

Test (column, builder_copy)
{
    kith_random_t random;
    kith_random_seed (&random, 2);
    static plain_t plain;
    for (size_t index = 0; index < TYPES; index++) {
        s_plain (&plain, &random, s_types [index], 100, true);
        kith_bytes_t out = {0}, copy = {0};
        s_build (&plain, 5, &out);
        kith_column_t column;
        cr_assert_eq (kith_column_open (&column, out.data, out.size, NULL), 0);
        kith_column_builder_t builder;
        kith_column_builder_init (&builder, 5, plain.type, plain.dim);
        for (uint32_t row = 0; row < 100; row++)
            kith_column_builder_copy (&builder, &column, row);
        kith_column_builder_finish (&builder, &copy);
        cr_assert_eq (copy.size, out.size);
        cr_assert_eq (memcmp (copy.data, out.data, out.size), 0);
        kith_column_builder_free (&builder);
        kith_bytes_free (&out);
        kith_bytes_free (&copy);
    }
}

//  Reads everything of an opened block
static uint64_t
s_touch (const kith_column_t *column)
{
    uint64_t sum = 0;
    for (uint32_t row = 0; row < column->rows; row++) {
        sum += kith_column_valid (column, row);
        if (s_is_text (column->type)) {
            uint32_t length;
            const char *text = kith_column_string (column, row, &length);
            sum += kith_hash64 (text, length);
        }
        else
            sum += kith_hash64 (kith_column_fixed (column, row),
                                kith_type_width (column->type, column->dim));
        if (!s_is_text (column->type) && !kith_type_is_vector (column->type))
            sum += kith_column_real (column, row) > 0;
    }
    return sum;
}

//  Header fields and offsets set to values that are likely to pass one check too few
static void
s_damage (kith_random_t *random, uint8_t *bytes, size_t size)
{
    static const uint64_t values [] = {0,
                                       1,
                                       63,
                                       64,
                                       65,
                                       128,
                                       0x7fffffff,
                                       0x80000000,
                                       0xffffffff,
                                       0x100000000,
                                       0xffffffffffffffc0u,
                                       0xffffffffffffffffu,
                                       0x7fffffffffffffc0u,
                                       0x3fffffff};
    for (uint64_t left = 1 + kith_random_below (random, 3); left; left--) {
        size_t at = kith_random_below (random, size < 400 ? size : 400);
        uint64_t value =
            values [kith_random_below (random, sizeof values / sizeof values [0])];
        switch (kith_random_below (random, 4)) {
            case 0:
                bytes [at] ^= (uint8_t) (1u << kith_random_below (random, 8));
                break;
            case 1:
                at -= at % 8;
                value = kith_random_below (random, 2)
                            ? value
                            : kith_random_below (random, size * 2);
                memcpy (bytes + at, &value, size - at < 8 ? size - at : 8);
                break;
            case 2:
                at -= at % 4;
                memcpy (bytes + at, &value, size - at < 4 ? size - at : 4);
                break;
            default:
                at -= at % 8;
                value = kith_random_below (random, size / 64 + 2) * 64;
                memcpy (bytes + at, &value, size - at < 8 ? size - at : 8);
                break;
        }
    }
}

Test (column, damaged)
{
    kith_random_t random;
    kith_random_seed (&random, 3);
    static plain_t plain;
    size_t refused = 0, opened = 0;
    for (int turn = 0; turn < 60000; turn++) {
        s_plain (&plain, &random, s_types [(size_t) turn % TYPES],
                 (uint32_t) kith_random_below (&random, 20), turn % 2);
        kith_bytes_t out = {0};
        s_build (&plain, 7, &out);
        size_t size = kith_random_below (&random, 10)
                          ? out.size
                          : kith_random_below (&random, out.size + 1);
        uint8_t *copy = malloc (size ? size : 1);
        memcpy (copy, out.data, size);
        if (size)
            s_damage (&random, copy, size);
        kith_column_t column;
        kith_error_t error;
        if (kith_column_open (&column, copy, size, &error) == 0) {
            (void) s_touch (&column);
            opened++;
        }
        else {
            cr_assert_eq (error.code, KITH_ERR_PROTOCOL);
            refused++;
        }
        free (copy);
        kith_bytes_free (&out);
    }
    cr_assert (refused > 10000 && opened > 1000);
}

static void
s_batch (kith_random_t *random, plain_t *plains, uint32_t columns, uint32_t rows,
         kith_bytes_t *out)
{
    size_t place = kith_batch_begin (out, rows, columns);
    for (uint32_t index = 0; index < columns; index++) {
        s_plain (&plains [index], random, s_types [index % TYPES], rows, index % 2);
        s_build (&plains [index], 100 + index, out);
    }
    kith_batch_end (out, place);
}

Test (column, batch)
{
    kith_random_t random;
    kith_random_seed (&random, 4);
    static plain_t plains [20];
    static kith_batch_t batch, chosen;
    kith_error_t error;
    for (uint32_t columns = 1; columns < 20; columns++) {
        kith_bytes_t out = {0}, other = {0};
        s_batch (&random, plains, columns, 50, &out);
        cr_assert_eq (kith_batch_open (&batch, out.data, out.size, &error), 0, "%s",
                      error.message);
        cr_assert (batch.rows == 50 && batch.count == columns && batch.bytes == out.size);
        for (uint32_t index = 0; index < columns; index++) {
            cr_assert_eq (kith_batch_field (&batch, 100 + index), &batch.columns [index]);
            s_same (&plains [index], &batch.columns [index], NULL, 50);
        }
        cr_assert_null (kith_batch_field (&batch, 99));
        uint32_t rows [] = {49, 0, 7, 7};
        kith_batch_gather (&other, &batch, rows, 4);
        cr_assert_eq (kith_batch_open (&chosen, other.data, other.size, &error), 0, "%s",
                      error.message);
        for (uint32_t index = 0; index < columns; index++)
            s_same (&plains [index], &chosen.columns [index], rows, 4);
        kith_bytes_clear (&other);
        kith_batch_gather (&other, &batch, NULL, 0);
        cr_assert_eq (other.size, out.size);
        cr_assert_eq (memcmp (other.data, out.data, out.size), 0);
        kith_bytes_free (&other);
        kith_bytes_free (&out);
    }
}

Test (column, batch_refused)
{
    kith_random_t random;
    kith_random_seed (&random, 5);
    static plain_t plains [20];
    static kith_batch_t batch;
    static const struct {
        size_t at;
        uint32_t value;
        kith_code_t code;
    } cases [] = {{0, 7, KITH_ERR_PROTOCOL},   {4, 2, KITH_ERR_VERSION},
                  {8, 9, KITH_ERR_PROTOCOL},   {12, 2, KITH_ERR_PROTOCOL},
                  {12, 4, KITH_ERR_PROTOCOL},  {12, 73, KITH_ERR_LIMIT},
                  {16, 63, KITH_ERR_PROTOCOL}, {16, 64, KITH_ERR_PROTOCOL},
                  {20, 1, KITH_ERR_PROTOCOL},  {24, 1, KITH_ERR_PROTOCOL},
                  {60, 1, KITH_ERR_PROTOCOL},  {12, 0, KITH_ERR_PROTOCOL}};
    kith_bytes_t out = {0};
    s_batch (&random, plains, 3, 10, &out);
    kith_error_t error;
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        kith_bytes_t copy = {0};
        kith_bytes_put (&copy, out.data, out.size);
        kith_put_u32 (copy.data + cases [index].at, cases [index].value);
        cr_assert_neq (kith_batch_open (&batch, copy.data, copy.size, &error), 0, "%zu",
                       index);
        cr_assert_eq (error.code, cases [index].code, "%zu: %s", index, error.message);
        kith_bytes_free (&copy);
    }
    for (size_t size = 0; size < out.size; size++) {
        cr_assert_neq (kith_batch_open (&batch, out.data, size, &error), 0);
        cr_assert_eq (error.code, KITH_ERR_PROTOCOL);
    }
    //  A field twice
    kith_batch_open (&batch, out.data, out.size, NULL);
    kith_put_u32 (out.data + (batch.columns [2].block - out.data) + 8, 100);
    cr_assert_neq (kith_batch_open (&batch, out.data, out.size, &error), 0);
    cr_assert (strstr (error.message, "twice"));
    kith_bytes_free (&out);
}

Test (column, batch_damaged)
{
    kith_random_t random;
    kith_random_seed (&random, 6);
    static plain_t plains [20];
    static kith_batch_t batch;
    size_t opened = 0;
    for (int turn = 0; turn < 20000; turn++) {
        kith_bytes_t out = {0};
        s_batch (&random, plains, (uint32_t) kith_random_below (&random, 4), 6, &out);
        uint8_t *copy = malloc (out.size);
        memcpy (copy, out.data, out.size);
        s_damage (&random, copy, out.size);
        if (kith_batch_open (&batch, copy, out.size, NULL) == 0) {
            opened++;
            for (uint32_t index = 0; index < batch.count; index++)
                (void) s_touch (&batch.columns [index]);
            kith_bytes_t again = {0};
            kith_batch_gather (&again, &batch, (const uint32_t []){0, 0},
                               batch.rows ? 2 : 0);
            kith_bytes_free (&again);
        }
        free (copy);
        kith_bytes_free (&out);
    }
    cr_assert_gt (opened, 500);
}
