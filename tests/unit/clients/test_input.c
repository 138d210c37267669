//  test_input.c - files of rows, written here by plain code and read back
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "clients/cli/input.h"
#include "clients/cli/npy.h"
#include <criterion/criterion.h>
#include <math.h>
#include <unistd.h>

static char s_folder [64];

static void
s_setup (void)
{
    const char *base = getenv ("TMPDIR");
    snprintf (s_folder, sizeof s_folder, "%.40s/kith-input-XXXXXX", base ? base : "/tmp");
    cr_assert (mkdtemp (s_folder));
}

static const char *
s_path (const char *name)
{
    static char paths [8][160];
    static int turn;
    char *path = paths [turn++ % 8];
    snprintf (path, sizeof paths [0], "%s/%s", s_folder, name);
    return path;
}

static void
s_teardown (void)
{
    char command [120];
    snprintf (command, sizeof command, "rm -rf %s", s_folder);
    cr_assert_eq (system (command), 0);
}

TestSuite (input, .init = s_setup, .fini = s_teardown);

static const char *
s_write (const char *name, const void *data, size_t size)
{
    const char *path = s_path (name);
    FILE *file = fopen (path, "wb");
    cr_assert (file);
    cr_assert_eq (fwrite (data, 1, size, file), size);
    fclose (file);
    return path;
}

//  A .npy as NumPy writes it
static size_t
s_npy (uint8_t *out, const char *descr, const char *shape, const void *data, size_t size)
{
    char head [128];
    int length =
        snprintf (head, sizeof head,
                  "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape);
    memcpy (out, "\x93NUMPY\x01\x00", 8);
    memset (out + 10, ' ', 118);
    memcpy (out + 10, head, (size_t) length);
    out [127] = '\n';
    kith_put_u16 (out + 8, 118);
    memcpy (out + 128, data, size);
    return 128 + size;
}

static kith_opened_t *
s_opened_of (kith_type_t type, uint32_t dim)
{
    kith_opened_t *opened = kith_new (sizeof *opened);
    kith_proto_field_t *fields = kith_arena_alloc (&opened->arena, 3 * sizeof *fields);
    kith_proto_collection_t *definition =
        kith_arena_alloc (&opened->arena, sizeof *definition);
    fields [0] = (kith_proto_field_t){.id = 100,
                                      .name = "id",
                                      .type = KITH_TYPE_INT64,
                                      .key = true,
                                      .default_value = ""};
    fields [1] = (kith_proto_field_t){.id = 101,
                                      .name = "label",
                                      .type = KITH_TYPE_VARCHAR,
                                      .max_length = 10,
                                      .nullable = true,
                                      .default_value = ""};
    fields [2] = (kith_proto_field_t){
        .id = 102, .name = "v", .type = type, .dim = dim, .default_value = ""};
    definition->name = "things";
    definition->fields = fields;
    definition->fields_count = 3;
    opened->references = 1;
    opened->definition = definition;
    opened->key = &fields [0];
    return opened;
}

static kith_opened_t *
s_opened (void)
{
    return s_opened_of (KITH_TYPE_FLOAT_VECTOR, 2);
}

//  Reads all; returns the number of rows refused, and the batch of the others
static uint32_t
s_read (kith_input_t *input, kith_rows_t *rows, kith_bytes_t *bytes, kith_batch_t *batch,
        kith_error_t *error)
{
    uint32_t refused = 0;
    for (int got = 1; got != 0;) {
        bool row_only = false;
        got = kith_input_fill (input, rows, 1 << 20, &row_only, error);
        cr_assert (got >= 0 || row_only, "%s", error->message);
        refused += got < 0;
    }
    kith_rows_batch (rows, 0, kith_rows_count (rows), bytes);
    cr_assert_eq (kith_batch_open (batch, bytes->data, bytes->size, NULL), 0);
    return refused;
}

Test (input, json_lines)
{
    static const char text [] = "{\"id\": 1, \"v\": [1, 2], \"label\": \"a\"}\r\n"
                                "\n"
                                "{\"id\": 2, \"v\": [1]}\n"
                                "{\"id\": 3, \"v\": [3, 4]}";
    kith_opened_t *opened = s_opened ();
    kith_rows_t *rows = kith_rows_new (opened);
    kith_error_t error = {0};
    kith_input_t *input = kith_input_open (s_write ("rows.jsonl", text, sizeof text - 1),
                                           NULL, opened, &error);
    cr_assert (input, "%s", error.message);
    kith_bytes_t bytes = {0};
    kith_batch_t batch;
    cr_assert_eq (s_read (input, rows, &bytes, &batch, &error), 1);
    cr_assert (strstr (error.message, "rows.jsonl:3"), "%s", error.message);
    cr_assert_eq (batch.rows, 2);
    cr_assert_eq (kith_column_int (kith_batch_field (&batch, 100), 1), 3);
    size_t size;
    const char *bad = kith_input_bad (input, &size);
    cr_assert_eq (size, strlen ("{\"id\": 2, \"v\": [1]}"));
    cr_assert_eq (memcmp (bad, "{\"id\": 2", 8), 0);
    kith_bytes_free (&bytes);
    kith_input_close (&input);
    kith_rows_destroy (&rows);
    kith_opened_destroy (&opened);
}

Test (input, csv_with_quotes_and_lines_inside)
{
    static const char text [] = "\xef\xbb\xbfv,label,id\n"
                                "\"[1, 2]\",\"a,\"\"b\n\",1\n"
                                "\"[3, 4]\",,2\n"
                                "\"[3, 4]\",x\n"
                                "\"[3, 4]\",x,3,4\n"
                                "\"[5, 6]\",\"y\"z,3\n"
                                "\"[7, 8]\",last,9\n";
    kith_opened_t *opened = s_opened ();
    kith_rows_t *rows = kith_rows_new (opened);
    kith_error_t error = {0};
    kith_input_t *input = kith_input_open (s_write ("rows.csv", text, sizeof text - 1),
                                           NULL, opened, &error);
    cr_assert (input, "%s", error.message);
    kith_bytes_t bytes = {0};
    kith_batch_t batch;
    cr_assert_eq (s_read (input, rows, &bytes, &batch, &error), 3);
    cr_assert_eq (batch.rows, 3);
    uint32_t size;
    const kith_column_t *labels = kith_batch_field (&batch, 101);
    cr_assert_eq (memcmp (kith_column_string (labels, 0, &size), "a,\"b\n", 5), 0);
    cr_assert_eq (size, 5);
    cr_assert_eq (kith_column_string (labels, 1, &size) != NULL && size == 0, true);
    cr_assert_eq (kith_column_int (kith_batch_field (&batch, 100), 2), 9);
    kith_bytes_free (&bytes);
    kith_input_close (&input);
    kith_rows_destroy (&rows);
    static const char *const heads [] = {"", "id,colour\n", "id,id\n"};
    for (size_t index = 0; index < 3; index++) {
        input =
            kith_input_open (s_write ("head.csv", heads [index], strlen (heads [index])),
                             NULL, opened, &error);
        cr_assert_null (input);
    }
    kith_opened_destroy (&opened);
}

Test (input, columns_of_files)
{
    uint8_t file [1000];
    float vectors [] = {1, 2, 3, 4, NAN, 6, 7, 8};
    int32_t ids [] = {10, -20, 30, 40};
    size_t size = s_npy (file, "<f4", "(4, 2)", vectors, sizeof vectors);
    char v [200], id [200], label [200];
    snprintf (v, sizeof v, "v=%s", s_write ("v.npy", file, size));
    size = s_npy (file, "<i4", "(4,)", ids, sizeof ids);
    snprintf (id, sizeof id, "id=%s", s_write ("id.npy", file, size));
    snprintf (label, sizeof label, "label=%s", s_write ("label.txt", "a\nb\nc\nd", 7));
    const char *columns [] = {v, id, label, NULL};
    kith_opened_t *opened = s_opened ();
    kith_rows_t *rows = kith_rows_new (opened);
    kith_error_t error = {0};
    kith_input_t *input = kith_input_columns (columns, opened, &error);
    cr_assert (input, "%s", error.message);
    kith_bytes_t bytes = {0};
    kith_batch_t batch;
    cr_assert_eq (s_read (input, rows, &bytes, &batch, &error), 1);
    cr_assert (strstr (error.message, "v.npy") && strstr (error.message, "row 3"), "%s",
               error.message);
    cr_assert_eq (batch.rows, 3);
    cr_assert_eq (kith_column_int (kith_batch_field (&batch, 100), 1), -20);
    uint32_t length;
    cr_assert_eq (*kith_column_string (kith_batch_field (&batch, 101), 2, &length), 'd');
    kith_bytes_free (&bytes);
    kith_input_close (&input);
    kith_rows_destroy (&rows);

    //  Another number of rows, another field
    snprintf (label, sizeof label, "label=%s", s_write ("short.txt", "a\n", 2));
    cr_assert_null (kith_input_columns (columns, opened, &error));
    cr_assert (strstr (error.message, "short.txt"), "%s", error.message);
    columns [2] = "colour=x.npy";
    cr_assert_null (kith_input_columns (columns, opened, &error));
    columns [2] = "label=gone.txt";
    cr_assert_null (kith_input_columns (columns, opened, &error));
    kith_opened_destroy (&opened);
}

Test (input, vectors_alone_are_numbered)
{
    uint8_t file [64];
    float vectors [] = {1, 2, 3, 4};
    kith_put_u32 (file, 2);
    kith_put_u32 (file + 4, 2);
    memcpy (file + 8, vectors, sizeof vectors);
    kith_opened_t *opened = s_opened ();
    kith_rows_t *rows = kith_rows_new (opened);
    kith_error_t error = {0};
    kith_input_t *input = kith_input_open (s_write ("v.fbin", file, 8 + sizeof vectors),
                                           NULL, opened, &error);
    cr_assert (input, "%s", error.message);
    kith_input_number_from (input, 100);
    cr_assert_eq (kith_input_rows (input), 2);
    kith_bytes_t bytes = {0};
    kith_batch_t batch;
    cr_assert_eq (s_read (input, rows, &bytes, &batch, &error), 0);
    cr_assert_eq (kith_column_int (kith_batch_field (&batch, 100), 1), 101);
    cr_assert_eq (
        memcmp (kith_column_fixed (kith_batch_field (&batch, 102), 1), vectors + 2, 8),
        0);
    kith_bytes_free (&bytes);
    kith_input_close (&input);
    kith_rows_destroy (&rows);
    kith_opened_destroy (&opened);
}

Test (input, numbers_of_every_kind)
{
    uint8_t file [400];
    kith_npy_t array;
    const uint16_t halves [] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x0000};
    size_t size = s_npy (file, "<f2", "(6,)", halves, sizeof halves);
    cr_assert_eq (kith_npy_open (&array, file, size, "h", NULL), 0);
    cr_assert_float_eq (kith_npy_real (&array, 0), 1, 1e-12);
    cr_assert_float_eq (kith_npy_real (&array, 1), -2, 1e-12);
    cr_assert_float_eq (kith_npy_real (&array, 2), 5.960464477539063e-08, 1e-20);
    cr_assert_float_eq (kith_npy_real (&array, 3), 65504, 1e-6);
    cr_assert (isinf (kith_npy_real (&array, 4)));
    int64_t value;
    cr_assert_not (kith_npy_int (&array, 0, &value));
    const int8_t small [] = {-128, 127};
    size = s_npy (file, "|i1", "(2,)", small, sizeof small);
    cr_assert_eq (kith_npy_open (&array, file, size, "i", NULL), 0);
    cr_assert (kith_npy_int (&array, 0, &value) && value == -128);
    const uint64_t wide [] = {1, UINT64_MAX};
    size = s_npy (file, "<u8", "(2,)", wide, sizeof wide);
    cr_assert_eq (kith_npy_open (&array, file, size, "u", NULL), 0);
    cr_assert (kith_npy_int (&array, 0, &value) && value == 1);
    cr_assert_not (kith_npy_int (&array, 1, &value));
    const double real [] = {0.1, -2};
    float out [2];
    size = s_npy (file, "<f8", "(1, 2)", real, sizeof real);
    cr_assert_eq (kith_npy_open (&array, file, size, "d", NULL), 0);
    kith_npy_floats (&array, 0, 1, out);
    cr_assert_float_eq (out [0], 0.1f, 1e-9);
}

//  Two rows of an array, and what a field of a type stores of them; null: the array is refused
typedef struct {
    kith_type_t type;
    uint32_t dim;
    const char *descr;    //  of a .npy, or the extension of a file with two u32 in front
    uint32_t numbers;     //  a row
    size_t size;
    const char *data;
    const char *stored;
    uint32_t refused;    //  rows
} array_case_t;

static const array_case_t s_arrays [] = {
    {KITH_TYPE_FLOAT16_VECTOR, 2, "<f2", 2, 8, "\0\x3c\0\xc0\1\0\xff\x7b",
     "\0\x3c\0\xc0\1\0\xff\x7b", 0},
    {KITH_TYPE_FLOAT16_VECTOR, 2, "<f2", 2, 8, "\0\x3c\0\xc0\1\0\0\x7c", "\0\x3c\0\xc0",
     1},
    {KITH_TYPE_FLOAT16_VECTOR, 2, "<f4", 2, 16,
     "\0\0\x80\x3f\0\0\0\xc0\0\0\x80\x33\0\xe0\x7f\x47", "\0\x3c\0\xc0\1\0\xff\x7b", 0},
    {KITH_TYPE_FLOAT16_VECTOR, 2, "|i1", 2, 4, "\1\xfe\0\x80", "\0\x3c\0\xc0\0\0\0\xd8",
     0},
    {KITH_TYPE_BFLOAT16_VECTOR, 2, "|V2", 2, 8, "\x80\x3f\0\xc0\x7f\x7f\0\0",
     "\x80\x3f\0\xc0\x7f\x7f\0\0", 0},
    {KITH_TYPE_BFLOAT16_VECTOR, 2, "<V2", 2, 8, "\x80\x3f\0\xc0\x80\x7f\0\0",
     "\x80\x3f\0\xc0", 1},
    {KITH_TYPE_BFLOAT16_VECTOR, 2, "fbin", 2, 16,
     "\0\0\x80\x3f\0\0\0\xc0\0\x80\x80\x3f\0\x80\x81\x3f",
     "\x80\x3f\0\xc0\x80\x3f\x82\x3f", 0},
    {KITH_TYPE_INT8_VECTOR, 2, "|i1", 2, 4, "\1\x80\x7f\xff", "\1\x80\x7f\xff", 0},
    {KITH_TYPE_INT8_VECTOR, 2, "i8bin", 2, 4, "\1\x80\x7f\xff", "\1\x80\x7f\xff", 0},
    {KITH_TYPE_INT8_VECTOR, 2, "|u1", 2, 4, "\1\x7f\x7f\x80", "\1\x7f", 1},
    {KITH_TYPE_INT8_VECTOR, 2, "<f4", 2, 16, "\0\0\x80\x3f\0\0\0\xc0\0\0\0\x3f\0\0\0\0",
     "\1\xfe", 1},
    {KITH_TYPE_BINARY_VECTOR, 8, "|u1", 1, 2, "\x81\xff", "\x81\xff", 0},
    {KITH_TYPE_BINARY_VECTOR, 8, "u8bin", 1, 2, "\x81\xff", "\x81\xff", 0},
    {KITH_TYPE_BINARY_VECTOR, 8, "|b1", 8, 16, "\1\0\0\0\0\0\0\1\1\1\1\1\1\1\1\1",
     "\x81\xff", 0},
    {KITH_TYPE_BINARY_VECTOR, 8, "|u1", 8, 16, "\1\0\0\0\0\0\0\1\1\1\2\1\1\1\1\1", "\x81",
     1},
    {KITH_TYPE_BINARY_VECTOR, 8, "|u1", 2, 4, "\1\2\3\4", NULL, 0},
    {KITH_TYPE_INT8_VECTOR, 4, "|i1", 2, 4, "\1\2\3\4", NULL, 0},
    {KITH_TYPE_FLOAT_VECTOR, 2, "<c8", 2, 32, "                                ", NULL,
     0},
};

static const char *
s_write_array (const array_case_t *array)
{
    uint8_t file [400];
    char shape [32];
    size_t size;
    if (strchr ("<|", array->descr [0])) {
        snprintf (shape, sizeof shape, "(2, %" PRIu32 ")", array->numbers);
        size = s_npy (file, array->descr, shape, array->data, array->size);
        return s_write ("v.npy", file, size);
    }
    kith_put_u32 (file, 2);
    kith_put_u32 (file + 4, array->numbers);
    memcpy (file + 8, array->data, array->size);
    snprintf (shape, sizeof shape, "v.%s", array->descr);
    return s_write (shape, file, 8 + array->size);
}

Test (input, arrays_become_vectors_of_the_fields_type)
{
    for (size_t index = 0; index < sizeof s_arrays / sizeof s_arrays [0]; index++) {
        const array_case_t *array = &s_arrays [index];
        kith_opened_t *opened = s_opened_of (array->type, array->dim);
        kith_rows_t *rows = kith_rows_new (opened);
        kith_error_t error = {0};
        kith_input_t *input =
            kith_input_open (s_write_array (array), NULL, opened, &error);
        cr_assert_eq (input != NULL, array->stored != NULL, "%zu: %s", index,
                      error.message);
        if (input) {
            kith_bytes_t bytes = {0};
            kith_batch_t batch;
            cr_assert_eq (s_read (input, rows, &bytes, &batch, &error), array->refused,
                          "%zu: %s", index, error.message);
            cr_assert_eq (batch.rows, 2 - array->refused);
            cr_assert_arr_eq (kith_batch_field (&batch, 102)->data, array->stored,
                              batch.rows * kith_type_width (array->type, array->dim),
                              "%zu", index);
            kith_bytes_free (&bytes);
        }
        kith_input_close (&input);
        kith_rows_destroy (&rows);
        kith_opened_destroy (&opened);
    }
}

Test (input, damaged_arrays_are_refused)
{
    uint8_t good [400], bad [400];
    float vectors [] = {1, 2, 3, 4};
    size_t size = s_npy (good, "<f4", "(2, 2)", vectors, sizeof vectors);
    kith_npy_t array;
    kith_error_t error = {0};
    cr_assert_eq (kith_npy_open (&array, good, size, "x.npy", &error), 0);
    for (size_t cut = 0; cut < size; cut++) {
        cr_assert_eq (kith_npy_open (&array, good, cut, "x.npy", &error), -1,
                      "cut at %zu", cut);
        cr_assert (strstr (error.message, "x.npy"));
    }
    cr_assert_eq (kith_npy_open (&array, good, size + 1, "x.npy", &error), -1);
    static const struct {
        const char *descr, *shape;
    } cases [] = {
        {">f4", "(2, 2)"},     {"<c8", "(2, 2)"},  {"<f4", "(2, 2, 1)"},
        {"<f4", "()"},         {"<f4", "(2, 0)"},  {"<f4", "(999999999999, 2)"},
        {"<f4", "(2, 99999)"}, {"<f4", "(-2, 2)"}, {"<f4", "(99999999999999999999, 2)"}};
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        size = s_npy (bad, cases [index].descr, cases [index].shape, vectors,
                      sizeof vectors);
        cr_assert_eq (kith_npy_open (&array, bad, size, "x.npy", &error), -1, "%s %s",
                      cases [index].descr, cases [index].shape);
    }
    uint8_t bin [24] = {0};
    cr_assert_eq (kith_fbin_open (&array, "fbin", bin, 7, "x.fbin", &error), -1);
    kith_put_u32 (bin, UINT32_MAX);
    kith_put_u32 (bin + 4, UINT32_MAX);
    cr_assert_eq (kith_fbin_open (&array, "fbin", bin, sizeof bin, "x.fbin", &error), -1);
}

Test (input, query_vectors)
{
    kith_bytes_t floats = {0};
    uint32_t dim;
    size_t count;
    kith_error_t error = {0};
    const char *path = s_write ("q.jsonl", "[1, 2]\n\n[3, 4]\n", 15);
    cr_assert_eq (kith_input_vectors (path, &floats, &dim, &count, &error), 0, "%s",
                  error.message);
    cr_assert_eq (count, 2);
    cr_assert_eq (dim, 2);
    float values [4];
    memcpy (values, floats.data, sizeof values);
    cr_assert_float_eq (values [3], 4, 1e-9);
    path = s_write ("q.jsonl", "[1, 2]\n[3]\n", 11);
    cr_assert_eq (kith_input_vectors (path, &floats, &dim, &count, &error), -1);
    cr_assert (strstr (error.message, "q.jsonl:2"), "%s", error.message);
    cr_assert_eq (kith_input_vectors (s_path ("gone.npy"), &floats, &dim, &count, &error),
                  -1);
    kith_bytes_free (&floats);
}
