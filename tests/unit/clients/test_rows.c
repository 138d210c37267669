//  test_rows.c - rows gathered by column and cut into requests: all of them once, none too large
//  SPDX-License-Identifier: Apache-2.0
#include "base/random.h"
#include "clients/rows.h"
#include <criterion/criterion.h>

//  Every kind of field
static kith_opened_t *
s_opened (bool auto_id)
{
    static const struct {
        const char *name;
        kith_type_t type;
        uint32_t dim, max_length;
        bool nullable, has_default;
        const char *default_value;
    } fields [] = {{"id", KITH_TYPE_INT64, 0, 0, false, false, ""},
                   {"small", KITH_TYPE_INT8, 0, 0, false, true, "7"},
                   {"flag", KITH_TYPE_BOOL, 0, 0, true, false, ""},
                   {"price", KITH_TYPE_FLOAT, 0, 0, true, false, ""},
                   {"exact", KITH_TYPE_DOUBLE, 0, 0, true, false, ""},
                   {"text", KITH_TYPE_VARCHAR, 0, 60000, true, false, ""},
                   {"doc", KITH_TYPE_JSON, 0, 0, true, false, ""},
                   {"v", KITH_TYPE_FLOAT_VECTOR, 3, 0, false, false, ""}};
    kith_opened_t *opened = kith_new (sizeof *opened);
    opened->references = 1;
    kith_proto_collection_t *definition =
        kith_arena_alloc (&opened->arena, sizeof *definition);
    definition->name = "all";
    definition->auto_id = auto_id;
    definition->fields_count = 8;
    definition->fields =
        kith_arena_alloc (&opened->arena, 8 * sizeof *definition->fields);
    for (uint32_t index = 0; index < 8; index++)
        definition->fields [index] =
            (kith_proto_field_t){.id = 100 + index,
                                 .name = fields [index].name,
                                 .type = fields [index].type,
                                 .dim = fields [index].dim,
                                 .max_length = fields [index].max_length,
                                 .key = index == 0,
                                 .nullable = fields [index].nullable,
                                 .has_default = fields [index].has_default,
                                 .default_value = fields [index].default_value};
    opened->definition = definition;
    opened->key = &definition->fields [0];
    return opened;
}

static int
s_put (kith_rows_t *rows, const char *text, kith_error_t *error)
{
    return kith_rows_put_json (rows, text, strlen (text), error);
}

Test (rows, a_json_row_becomes_columns)
{
    kith_opened_t *opened = s_opened (false);
    kith_rows_t *rows = kith_rows_new (opened);
    kith_error_t error = {0};
    cr_assert_eq (
        s_put (rows,
               "{\"v\": [1, 2.5, -3], \"id\": -9223372036854775808, \"flag\": true, "
               "\"price\": 2, \"exact\": 0.1, \"text\": \"h\\u00e9\", "
               "\"doc\": {\"a\": [1, \"x\"]}}",
               &error),
        0, "%s", error.message);
    cr_assert_eq (s_put (rows,
                         "{\"id\": 2, \"v\": [0,0,0], \"small\": -128, \"text\": null}",
                         &error),
                  0, "%s", error.message);
    kith_bytes_t bytes = {0};
    kith_batch_t batch;
    kith_rows_batch (rows, 0, 2, &bytes);
    cr_assert_eq (kith_batch_open (&batch, bytes.data, bytes.size, &error), 0, "%s",
                  error.message);
    cr_assert_eq (kith_column_int (kith_batch_field (&batch, 100), 0), INT64_MIN);
    cr_assert_eq (kith_column_int (kith_batch_field (&batch, 101), 0), 7, "the default");
    cr_assert_eq (kith_column_int (kith_batch_field (&batch, 101), 1), -128);
    cr_assert (kith_column_valid (kith_batch_field (&batch, 102), 0));
    cr_assert_not (kith_column_valid (kith_batch_field (&batch, 102), 1));
    cr_assert_float_eq (kith_column_real (kith_batch_field (&batch, 103), 0), 2, 1e-9);
    uint32_t size;
    const char *text = kith_column_string (kith_batch_field (&batch, 105), 0, &size);
    cr_assert_eq (size, 3);
    cr_assert_eq (memcmp (text, "h\xc3\xa9", 3), 0);
    text = kith_column_string (kith_batch_field (&batch, 106), 0, &size);
    cr_assert_eq (size, strlen ("{\"a\": [1, \"x\"]}"));
    float vector [3];
    memcpy (vector, kith_column_fixed (kith_batch_field (&batch, 107), 0), sizeof vector);
    cr_assert_float_eq (vector [1], 2.5f, 1e-9);
    kith_bytes_free (&bytes);
    kith_rows_destroy (&rows);
    kith_opened_destroy (&opened);
}

Test (rows, a_refused_row_leaves_nothing)
{
    static const struct {
        const char *text;
        kith_code_t code;
    } cases [] = {
        {"{\"id\": 1}", KITH_ERR_INVALID},
        {"{\"v\": [1,2,3]}", KITH_ERR_INVALID},
        {"{\"id\": 1, \"v\": [1,2]}", KITH_ERR_DIMENSION_MISMATCH},
        {"{\"id\": 1, \"v\": [1,2,3], \"colour\": 1}", KITH_ERR_FIELD_NOT_FOUND},
        {"{\"id\": 1, \"v\": [1,2,3], \"id\": 2}", KITH_ERR_INVALID},
        {"{\"id\": 1.5, \"v\": [1,2,3]}", KITH_ERR_TYPE_MISMATCH},
        {"{\"id\": \"x\", \"v\": [1,2,3]}", KITH_ERR_TYPE_MISMATCH},
        {"{\"id\": null, \"v\": [1,2,3]}", KITH_ERR_TYPE_MISMATCH},
        {"{\"id\": 1, \"v\": [1,2,3], \"small\": 128}", KITH_ERR_TYPE_MISMATCH},
        {"{\"id\": 1, \"v\": [1,2,3], \"price\": 1e39}", KITH_ERR_TYPE_MISMATCH},
        {"{\"id\": 1, \"v\": [1,2,NaN]}", KITH_ERR_INVALID},
        {"{\"id\": 1, \"v\": 5}", KITH_ERR_TYPE_MISMATCH},
        {"{\"id\": 1, \"v\": [1,2,3]} x", KITH_ERR_INVALID},
        {"[1]", KITH_ERR_INVALID}};
    kith_opened_t *opened = s_opened (false);
    kith_rows_t *rows = kith_rows_new (opened);
    cr_assert_eq (s_put (rows, "{\"id\": 1, \"v\": [1,2,3], \"text\": \"a\"}", NULL), 0);
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        kith_error_t error = {0};
        cr_assert_eq (s_put (rows, cases [index].text, &error), -1, "%s",
                      cases [index].text);
        cr_assert_eq (error.code, cases [index].code, "%s: %s", cases [index].text,
                      error.message);
        cr_assert_eq (kith_rows_count (rows), 1);
    }
    cr_assert_eq (s_put (rows, "{\"id\": 2, \"v\": [4,5,6]}", NULL), 0);
    cr_assert_eq (kith_rows_check (rows, NULL, false, NULL), 0);
    kith_rows_destroy (&rows);
    kith_opened_destroy (&opened);
}

//  Fields of every type of vector
static kith_opened_t *
s_opened_vectors (void)
{
    static const struct {
        const char *name;
        kith_type_t type;
        uint32_t dim;
    } fields [] = {{"id", KITH_TYPE_INT64, 0},
                   {"half", KITH_TYPE_FLOAT16_VECTOR, 2},
                   {"brain", KITH_TYPE_BFLOAT16_VECTOR, 2},
                   {"byte", KITH_TYPE_INT8_VECTOR, 2},
                   {"bit", KITH_TYPE_BINARY_VECTOR, 16}};
    enum { COUNT = sizeof fields / sizeof fields [0] };
    kith_opened_t *opened = kith_new (sizeof *opened);
    opened->references = 1;
    kith_proto_collection_t *definition =
        kith_arena_alloc (&opened->arena, sizeof *definition);
    definition->name = "vectors";
    definition->fields_count = COUNT;
    definition->fields =
        kith_arena_alloc (&opened->arena, COUNT * sizeof *definition->fields);
    for (uint32_t index = 0; index < COUNT; index++)
        definition->fields [index] = (kith_proto_field_t){.id = 100 + index,
                                                          .name = fields [index].name,
                                                          .type = fields [index].type,
                                                          .dim = fields [index].dim,
                                                          .key = index == 0,
                                                          .default_value = ""};
    opened->definition = definition;
    opened->key = &definition->fields [0];
    return opened;
}

Test (rows, numbers_become_vectors_of_every_type)
{
    kith_opened_t *opened = s_opened_vectors ();
    kith_rows_t *rows = kith_rows_new (opened);
    kith_error_t error = {0};
    cr_assert_eq (s_put (rows,
                         "{\"id\": 1, \"half\": [0.1, -65504], \"brain\": [0.1, 1e38], "
                         "\"byte\": [-128, 127], \"bit\": [13, 130]}",
                         &error),
                  0, "%s", error.message);
    cr_assert_eq (s_put (rows,
                         "{\"id\": 2, \"half\": [1, 65519], \"brain\": [1, 0], \"byte\": "
                         "[1.0, -1e0], \"bit\": [1,0,1,1,0,0,0,0, 0,1,0,0,0,0,0,1]}",
                         &error),
                  0, "%s", error.message);
    kith_bytes_t bytes = {0};
    kith_batch_t batch;
    kith_rows_batch (rows, 0, 2, &bytes);
    cr_assert_eq (kith_batch_open (&batch, bytes.data, bytes.size, NULL), 0);
    //  0.1 is 0x2e66 and 0x3dcd; 65519 is nearer to 65504 than to what comes after it
    static const uint8_t halves [] = {0x66, 0x2e, 0xff, 0xfb, 0x00, 0x3c, 0xff, 0x7b};
    static const uint8_t brains [] = {0xcd, 0x3d, 0x96, 0x7e, 0x80, 0x3f, 0, 0};
    static const uint8_t small [] = {0x80, 0x7f, 0x01, 0xff};
    static const uint8_t bits [] = {13, 130, 13, 130};
    cr_assert_arr_eq (kith_batch_field (&batch, 101)->data, halves, sizeof halves);
    cr_assert_arr_eq (kith_batch_field (&batch, 102)->data, brains, sizeof brains);
    cr_assert_arr_eq (kith_batch_field (&batch, 103)->data, small, sizeof small);
    cr_assert_arr_eq (kith_batch_field (&batch, 104)->data, bits, sizeof bits);
    kith_bytes_free (&bytes);
    kith_rows_destroy (&rows);
    kith_opened_destroy (&opened);
}

Test (rows, numbers_that_a_vector_cannot_hold_are_refused)
{
    static const struct {
        const char *text, *message;
    } cases [] = {
        {"{\"half\": [0, 65520]}",
         "field 'half': number 2 is 65520; float16_vector holds -65504 to 65504"},
        {"{\"half\": [0]}", "field 'half': a vector of 1 numbers, 2 expected"},
        {"{\"brain\": [3.4e38, 0]}",
         "field 'brain': number 1 is 3.4e+38; bfloat16_vector holds -3.38953e38 to "
         "3.38953e38"},
        {"{\"byte\": [0, 128]}", "field 'byte': number 2 is 128; int8_vector holds whole "
                                 "numbers from -128 to 127"},
        {"{\"byte\": [0, 0.5]}", "field 'byte': number 2 is 0.5; int8_vector holds whole "
                                 "numbers from -128 to 127"},
        {"{\"bit\": [0, 256]}",
         "field 'bit': number 2 is 256; 2 numbers are bytes, from 0 to 255"},
        {"{\"bit\": [0]}",
         "field 'bit': a vector of 1 numbers, 16 bits or 2 bytes expected"},
        {"{\"bit\": \"AAA=\"}", "field 'bit' is binary_vector(16), not a text"},
        {"{\"half\": 5}", "field 'half' is float16_vector(2), not a number"}};
    kith_opened_t *opened = s_opened_vectors ();
    kith_rows_t *rows = kith_rows_new (opened);
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        kith_error_t error = {0};
        cr_assert_eq (s_put (rows, cases [index].text, &error), -1);
        cr_assert_str_eq (error.message, cases [index].message);
        cr_assert_eq (kith_rows_count (rows), 0);
    }
    kith_rows_destroy (&rows);
    kith_opened_destroy (&opened);
}

Test (rows, raw_vectors)
{
    static const uint8_t good [] = {0, 0x3c, 0, 0xc0}, bad [] = {0, 0x3c, 1, 0x7c};
    kith_opened_t *opened = s_opened_vectors ();
    kith_rows_t *rows = kith_rows_new (opened);
    kith_failure_t failure = {0};
    cr_assert_eq (kith_rows_raw_vectors (rows, "half", good, 4, &failure), 0);
    cr_assert_eq (kith_rows_count (rows), 1);
    cr_assert_eq (kith_rows_raw_vectors (rows, "half", bad, 4, &failure), -1);
    cr_assert_str_eq (failure.message, "field 'half': NaN or infinity in vector 1");
    cr_assert_eq (kith_rows_raw_vectors (rows, "half", good, 3, &failure), -1);
    cr_assert_str_eq (
        failure.message,
        "field 'half' is float16_vector(2): 4 bytes a vector, 3 are no multiple");
    cr_assert_eq (kith_rows_raw_vectors (rows, "id", good, 4, &failure), -1);
    cr_assert_str_eq (failure.message, "field 'id' is int64, not a vector");
    cr_assert_eq (kith_rows_count (rows), 1);
    kith_rows_destroy (&rows);
    kith_opened_destroy (&opened);
}

//  Model: plain arrays of what was put
#define ROWS 40000

typedef struct {
    int64_t id;
    bool has_text;
    uint32_t text_size;
    float v [3];
} model_t;

static void
s_check_row (const kith_batch_t *batch, uint32_t row, const model_t *model)
{
    const kith_column_t *text = kith_batch_field (batch, 105);
    cr_assert_eq (kith_column_int (kith_batch_field (batch, 100), row), model->id);
    cr_assert_eq (
        memcmp (kith_column_fixed (kith_batch_field (batch, 107), row), model->v, 12), 0);
    cr_assert_eq (kith_column_valid (text, row), model->has_text);
    if (!model->has_text)
        return;
    uint32_t size;
    const char *value = kith_column_string (text, row, &size);
    cr_assert_eq (size, model->text_size);
    for (uint32_t at = 0; at < size; at++)
        cr_assert_eq (value [at], 'a' + (char) (model->id % 26));
}

Test (rows, cuts_hold_every_row_once)
{
    kith_opened_t *opened = s_opened (false);
    kith_rows_t *rows = kith_rows_new (opened);
    kith_random_t random;
    kith_random_seed (&random, 3);
    model_t *model = kith_new (ROWS * sizeof *model);
    char *text = kith_new (60001);
    for (uint32_t row = 0; row < ROWS; row++) {
        model_t *entry = &model [row];
        entry->id = row;
        entry->has_text = kith_random_below (&random, 4) != 0;
        entry->text_size = (uint32_t) kith_random_below (
            &random, kith_random_below (&random, 200) == 0 ? 60000 : 50);
        for (int at = 0; at < 3; at++)
            entry->v [at] = (float) kith_random_unit (&random);
        memset (text, 'a' + (int) (row % 26), entry->text_size);
        kith_rows_begin (rows);
        cr_assert_eq (kith_rows_put_int (rows, 0, entry->id, NULL), 0);
        cr_assert_eq (kith_rows_put_vector (rows, 7, entry->v, 3, NULL), 0);
        if (entry->has_text)
            cr_assert_eq (kith_rows_put_text (rows, 5, text, entry->text_size, NULL), 0);
        cr_assert_eq (kith_rows_end (rows, NULL), 0);
    }
    size_t from = 0, cuts = 0;
    while (from < ROWS) {
        size_t to;
        kith_bytes_t bytes = {0};
        kith_batch_t batch;
        cr_assert_eq (kith_rows_cut (rows, from, &to, NULL), 0);
        cr_assert_gt (to, from);
        kith_rows_batch (rows, from, to, &bytes);
        cr_assert_leq (bytes.size, KITH_ROWS_REQUEST_BYTES);
        cr_assert_eq (kith_batch_open (&batch, bytes.data, bytes.size, NULL), 0);
        cr_assert_eq (batch.rows, to - from);
        for (uint32_t row = 0; row < batch.rows; row++)
            s_check_row (&batch, row, &model [from + row]);
        kith_bytes_free (&bytes);
        from = to;
        cuts++;
    }
    cr_assert_eq (from, ROWS);
    cr_assert_gt (cuts, 3);
    free (model);
    free (text);
    kith_rows_destroy (&rows);
    kith_opened_destroy (&opened);
}

Test (rows, one_large_row_is_a_request_and_too_large_a_refusal)
{
    kith_opened_t *opened = s_opened (false);
    kith_rows_t *rows = kith_rows_new (opened);
    float vector [3] = {1, 2, 3};
    size_t size = 1800000, to;
    char *text = kith_new (3000000);
    memset (text, '1', 3000000);
    for (int row = 0; row < 2; row++) {
        kith_rows_begin (rows);
        kith_rows_put_int (rows, 0, row, NULL);
        kith_rows_put_vector (rows, 7, vector, 3, NULL);
        cr_assert_eq (kith_rows_put_text (rows, 6, text, size, NULL), 0);
        cr_assert_eq (kith_rows_end (rows, NULL), 0);
    }
    cr_assert_eq (kith_rows_cut (rows, 0, &to, NULL), 0);
    cr_assert_eq (to, 1);
    kith_bytes_t bytes = {0};
    kith_rows_batch (rows, 0, 1, &bytes);
    cr_assert_lt (bytes.size, KITH_WRITE_BYTES_MAX);
    kith_bytes_free (&bytes);
    cr_assert_eq (kith_rows_put_text (rows, 6, text, 3000000, NULL), -1);
    free (text);
    kith_rows_destroy (&rows);
    kith_opened_destroy (&opened);
}

Test (rows, columns_must_be_of_one_length)
{
    kith_opened_t *opened = s_opened (false);
    kith_rows_t *rows = kith_rows_new (opened);
    kith_failure_t failure = {0};
    int64_t ids [] = {1, 2, 3};
    float vectors [] = {1, 2, 3, 4, 5, 6};
    int64_t wide [] = {1, 300};
    cr_assert_eq (kith_rows_int64 (rows, "id", ids, 3, &failure), 0);
    cr_assert_eq (kith_rows_vectors (rows, "v", vectors, 3, 2, &failure), 0);
    kith_error_t error = {0};
    cr_assert_eq (kith_rows_check (rows, NULL, false, &error), -1);
    cr_assert_eq (kith_rows_vectors (rows, "v", vectors, 3, 1, &failure), 0);
    cr_assert_eq (kith_rows_check (rows, NULL, false, &error), 0);
    //  A value that does not fit: none of the call is added
    cr_assert_eq (kith_rows_int64 (rows, "small", wide, 2, &failure), -1);
    cr_assert (strstr (failure.message, "value 2"), "%s", failure.message);
    cr_assert_eq (kith_rows_column_rows (rows, 1), 0);
    cr_assert_eq (kith_rows_int64 (rows, "smell", wide, 1, &failure), -1);
    cr_assert (strstr (failure.hint, "small"), "%s", failure.hint);
    kith_rows_destroy (&rows);
    kith_opened_destroy (&opened);
}

Test (rows, keys_are_made_where_the_collection_says_so)
{
    kith_opened_t *opened = s_opened (true);
    kith_rows_t *rows = kith_rows_new (opened);
    kith_client_t *client = kith_client_new ("tcp://127.0.0.1:1", NULL, NULL);
    for (int row = 0; row < 10000; row++)
        cr_assert_eq (s_put (rows, "{\"v\": [1,2,3]}", NULL), 0);
    cr_assert_eq (kith_rows_check (rows, client, false, NULL), 0);
    kith_bytes_t bytes = {0};
    kith_batch_t batch;
    kith_rows_batch (rows, 0, 10000, &bytes);
    cr_assert_eq (kith_batch_open (&batch, bytes.data, bytes.size, NULL), 0);
    int64_t last = 0;
    for (uint32_t row = 0; row < 10000; row++) {
        int64_t key = kith_column_int (kith_batch_field (&batch, 100), row);
        cr_assert_gt (key, last);
        last = key;
    }
    kith_bytes_free (&bytes);
    kith_client_destroy (&client);
    kith_rows_destroy (&rows);
    kith_opened_destroy (&opened);
}
