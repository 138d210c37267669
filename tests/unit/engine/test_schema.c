//  test_schema.c - what a schema allows, what an insert must look like, and keys
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <math.h>

#include "base/random.h"
#include "engine/segments/schema.h"
#include "engine/segments/text.h"

static kith_schema_t *
s_words (void)
{
    kith_field_t fields [] = {
        {.id = 100,
         .name = "word",
         .type = KITH_TYPE_VARCHAR,
         .max_length = 8,
         .key = true},
        {.id = 101, .name = "rank", .type = KITH_TYPE_INT64},
        {.id = 102, .name = "note", .type = KITH_TYPE_JSON, .nullable = true},
        {.id = 103,
         .name = "vector",
         .type = KITH_TYPE_FLOAT_VECTOR,
         .dim = 2,
         .metric = KITH_METRIC_COSINE}};
    kith_error_t error = {0};
    kith_schema_t *schema = kith_schema_new ("words", fields, 4, 3, &error);
    cr_assert (schema, "%s", error.message);
    return schema;
}

Test (schema, access)
{
    kith_schema_t *schema = s_words ();
    cr_assert_str_eq (kith_schema_name (schema), "words");
    cr_assert_eq (kith_schema_version (schema), 3);
    cr_assert_eq (kith_schema_count (schema), 4);
    cr_assert_str_eq (kith_schema_key (schema)->name, "word");
    cr_assert_eq (kith_schema_by_id (schema, 101), kith_schema_field (schema, 1));
    cr_assert_null (kith_schema_by_id (schema, 1));
    kith_error_t error = {0};
    cr_assert_eq (kith_schema_find (schema, "rank", &error),
                  kith_schema_field (schema, 1));
    cr_assert_null (kith_schema_find (schema, "rnk", &error));
    cr_assert_eq (error.code, KITH_ERR_FIELD_NOT_FOUND);
    cr_assert_str_eq (error.message, "no field 'rnk' in words");
    cr_assert_str_eq (error.hint,
                      "did you mean 'rank'? fields: word, rank, note, vector");
    cr_assert_null (kith_schema_find (schema, "quite_another", &error));
    cr_assert_str_eq (error.hint, "fields: word, rank, note, vector");
    cr_assert_eq (kith_schema_vector (schema, "", &error), kith_schema_field (schema, 3));
    cr_assert_null (kith_schema_vector (schema, "rank", &error));
    cr_assert_eq (error.code, KITH_ERR_TYPE_MISMATCH);
    kith_schema_t *shared = kith_schema_share (schema);
    kith_schema_destroy (&schema);
    cr_assert_str_eq (kith_schema_name (shared), "words");
    kith_schema_destroy (&shared);
}

//  Each case is a good schema with one thing wrong
static const struct {
    const char *what;
    kith_field_t field;
    const char *message;
} s_refusals [] = {
    {"no name", {.id = 101, .type = KITH_TYPE_BOOL}, "field name ''"},
    {"bad name", {.id = 101, .name = "a-b", .type = KITH_TYPE_BOOL}, "letters, digits"},
    {"digit", {.id = 101, .name = "1a", .type = KITH_TYPE_BOOL}, "no digit first"},
    {"not utf-8", {.id = 101, .name = "\303\244", .type = KITH_TYPE_BOOL}, "letters"},
    {"word", {.id = 101, .name = "Not", .type = KITH_TYPE_BOOL}, "word of the filter"},
    {"same name",
     {.id = 101, .name = "id", .type = KITH_TYPE_BOOL},
     "two fields are named id"},
    {"same id",
     {.id = 100, .name = "x", .type = KITH_TYPE_BOOL},
     "two fields have the id 100"},
    {"small id", {.id = 99, .name = "x", .type = KITH_TYPE_BOOL}, "id 99"},
    {"type", {.id = 101, .name = "x", .type = 77}, "unknown type"},
    {"dim",
     {.id = 101, .name = "x", .type = KITH_TYPE_FLOAT_VECTOR, .metric = KITH_METRIC_L2},
     "dimension 0"},
    {"large dim",
     {.id = 101,
      .name = "x",
      .type = KITH_TYPE_FLOAT_VECTOR,
      .dim = 40000,
      .metric = KITH_METRIC_L2},
     "dimension 40000"},
    {"metric",
     {.id = 101, .name = "x", .type = KITH_TYPE_FLOAT_VECTOR, .dim = 4},
     "needs a metric"},
    {"null vector",
     {.id = 101,
      .name = "x",
      .type = KITH_TYPE_FLOAT_VECTOR,
      .dim = 4,
      .metric = KITH_METRIC_L2,
      .nullable = true},
     "neither null"},
    {"binary dim",
     {.id = 101,
      .name = "x",
      .type = KITH_TYPE_BINARY_VECTOR,
      .dim = 12,
      .metric = KITH_METRIC_HAMMING},
     "dimension 12, multiples of 8 from 8 to 32768"},
    {"binary metric",
     {.id = 101,
      .name = "x",
      .type = KITH_TYPE_BINARY_VECTOR,
      .dim = 16,
      .metric = KITH_METRIC_COSINE},
     "binary_vector needs a metric of its own: hamming, jaccard"},
    {"half metric",
     {.id = 101,
      .name = "x",
      .type = KITH_TYPE_FLOAT16_VECTOR,
      .dim = 16,
      .metric = KITH_METRIC_JACCARD},
     "float16_vector needs a metric of its own: l2, ip, cosine"},
    {"scalar dim",
     {.id = 101, .name = "x", .type = KITH_TYPE_BOOL, .dim = 4},
     "only a vector"},
    {"length", {.id = 101, .name = "x", .type = KITH_TYPE_VARCHAR}, "varchar(0)"},
    {"large length",
     {.id = 101, .name = "x", .type = KITH_TYPE_VARCHAR, .max_length = 65536},
     "varchar(65536)"},
    {"two keys",
     {.id = 101, .name = "x", .type = KITH_TYPE_INT64, .key = true},
     "2 key fields"},
    {"key type",
     {.id = 101, .name = "x", .type = KITH_TYPE_INT32, .key = true},
     "int64 or varchar"},
    {"null key",
     {.id = 101, .name = "x", .type = KITH_TYPE_INT64, .key = true, .nullable = true},
     "neither null"},
    {"default",
     {.id = 101, .name = "x", .type = KITH_TYPE_INT8, .default_value = "128"},
     "the default 128"},
    {"default",
     {.id = 101, .name = "x", .type = KITH_TYPE_INT64, .default_value = "1.5"},
     "is no int64"},
    {"default",
     {.id = 101, .name = "x", .type = KITH_TYPE_FLOAT, .default_value = "1e99"},
     "is no float"},
    {"default",
     {.id = 101, .name = "x", .type = KITH_TYPE_BOOL, .default_value = "1"},
     "is no bool"},
    {"default",
     {.id = 101,
      .name = "x",
      .type = KITH_TYPE_VARCHAR,
      .max_length = 2,
      .default_value = "\"abc\""},
     "is no varchar"},
    {"default",
     {.id = 101,
      .name = "x",
      .type = KITH_TYPE_VARCHAR,
      .max_length = 9,
      .default_value = "abc"},
     "is no varchar"},
    {"default",
     {.id = 101, .name = "x", .type = KITH_TYPE_JSON, .default_value = "{"},
     "is no json"},
    {"default",
     {.id = 101, .name = "x", .type = KITH_TYPE_INT64, .default_value = "null"},
     "is no int64"},
    {"default",
     {.id = 101, .name = "x", .type = KITH_TYPE_INT64, .default_value = ""},
     "is no int64"},
};

Test (schema, refusals)
{
    for (size_t index = 0; index < sizeof s_refusals / sizeof s_refusals [0]; index++) {
        kith_field_t fields [2] = {
            {.id = 100, .name = "id", .type = KITH_TYPE_INT64, .key = true},
            s_refusals [index].field};
        kith_error_t error = {0};
        kith_schema_t *schema = kith_schema_new ("c", fields, 2, 1, &error);
        cr_assert (!schema, "%s", s_refusals [index].what);
        cr_expect (strstr (error.message, s_refusals [index].message), "%s: %s",
                   s_refusals [index].what, error.message);
    }
    kith_field_t key = {.id = 100, .name = "id", .type = KITH_TYPE_INT64, .key = true};
    kith_field_t none = {.id = 100, .name = "id", .type = KITH_TYPE_INT64};
    cr_assert (!kith_schema_new ("", &key, 1, 1, NULL));
    cr_assert (!kith_schema_new ("a b", &key, 1, 1, NULL));
    cr_assert (!kith_schema_new ("a", &none, 1, 1, NULL));
    cr_assert (!kith_schema_new ("a", &key, 0, 1, NULL));
    cr_assert (!kith_schema_new ("a", &key, 65, 1, NULL));
}

//  ---------------------------------------------------------------------
//  Batches

typedef struct {
    const char *word;    //  null: none
    int64_t rank;
    const char *note;
    float x, y;
    uint32_t leave_out;    //  a field id
    uint32_t dim;
    kith_type_t rank_type;
    bool rank_null;
} insert_t;

//  A batch of two rows: a good one, and the one described
static void
s_insert (const insert_t *insert, kith_bytes_t *out)
{
    size_t place = kith_batch_begin (out, 2, 4 - (insert->leave_out > 0));
    uint32_t dim = insert->dim ? insert->dim : 2;
    kith_column_builder_t builders [4];
    kith_column_builder_init (&builders [0], 100, KITH_TYPE_VARCHAR, 0);
    kith_column_builder_init (&builders [1], 101,
                              insert->rank_type ? insert->rank_type : KITH_TYPE_INT64, 0);
    kith_column_builder_init (&builders [2], 102, KITH_TYPE_JSON, 0);
    kith_column_builder_init (&builders [3], 103, KITH_TYPE_FLOAT_VECTOR, dim);
    float *vector = kith_new (dim * sizeof (float));
    for (uint32_t row = 0; row < 2; row++) {
        const char *word = row ? insert->word : "good";
        if (word)
            kith_column_builder_string (&builders [0], word, (uint32_t) strlen (word));
        else
            kith_column_builder_null (&builders [0]);
        if (row && insert->rank_null)
            kith_column_builder_null (&builders [1]);
        else
            kith_column_builder_int (&builders [1], row ? insert->rank : 1);
        if (row && insert->note)
            kith_column_builder_string (&builders [2], insert->note,
                                        (uint32_t) strlen (insert->note));
        else
            kith_column_builder_null (&builders [2]);
        vector [0] = row ? insert->x : 1;
        vector [dim - 1] = row ? insert->y : 1;
        kith_column_builder_fixed (&builders [3], vector);
    }
    for (uint32_t index = 0; index < 4; index++) {
        if (insert->leave_out != 100 + index)
            kith_column_builder_finish (&builders [index], out);
        kith_column_builder_free (&builders [index]);
    }
    free (vector);
    kith_batch_end (out, place);
}

static const struct {
    insert_t insert;
    kith_code_t code;
    const char *message;
} s_inserts [] = {
    {{.word = "fine", .note = " {\"a\": [1, -2.5e3, true, null, \"\\u00e4\"]} "},
     KITH_OK,
     ""},
    {{.word = "k\303\244se"}, KITH_OK, ""},
    {{.word = "", .leave_out = 102}, KITH_OK, ""},
    {{.word = NULL}, KITH_ERR_INVALID, "field word, row 1: no value"},
    {{.word = "far too long"},
     KITH_ERR_INVALID,
     "field word, row 1: 12 bytes, at most 8"},
    {{.word = "a\xff"}, KITH_ERR_INVALID, "field word, row 1: the text is not UTF-8"},
    {{.word = "a", .rank_null = true}, KITH_ERR_INVALID, "field rank, row 1: no value"},
    {{.word = "a", .rank_type = KITH_TYPE_INT32},
     KITH_ERR_TYPE_MISMATCH,
     "field rank is int64, not int32"},
    {{.word = "a", .dim = 3},
     KITH_ERR_DIMENSION_MISMATCH,
     "field vector: vectors of 3 numbers, the field has 2"},
    {{.word = "a", .x = NAN}, KITH_ERR_NOT_FINITE, "field vector, row 1"},
    {{.word = "a", .y = -INFINITY}, KITH_ERR_NOT_FINITE, "field vector, row 1"},
    {{.word = "a", .note = "{a}"},
     KITH_ERR_INVALID,
     "field note, row 1: the text is not JSON"},
    {{.word = "a", .leave_out = 100}, KITH_ERR_INVALID, "field word of words is missing"},
    {{.word = "a", .leave_out = 101}, KITH_ERR_INVALID, "field rank of words is missing"},
};

Test (schema, inserts)
{
    kith_schema_t *schema = s_words ();
    for (size_t index = 0; index < sizeof s_inserts / sizeof s_inserts [0]; index++) {
        kith_bytes_t bytes = {0};
        s_insert (&s_inserts [index].insert, &bytes);
        kith_batch_t batch;
        cr_assert_eq (kith_batch_open (&batch, bytes.data, bytes.size, NULL), 0);
        kith_error_t error = {0};
        int status = kith_schema_check (schema, &batch, false, &error);
        cr_expect_eq (status, s_inserts [index].code ? -1 : 0, "%zu: %s", index,
                      error.message);
        cr_expect_eq (error.code, s_inserts [index].code, "%zu: %s", index,
                      error.message);
        cr_expect (strstr (error.message, s_inserts [index].message), "%zu: %s", index,
                   error.message);
        bool whole = !s_inserts [index].insert.leave_out;
        cr_expect_eq (kith_schema_check (schema, &batch, true, &error), -1,
                      "only the key was wanted");

        kith_bytes_t completed = {0};
        bool needed = true;
        if (status == 0) {
            cr_expect_eq (
                kith_schema_complete (schema, &batch, &needed, &completed, &error), 0);
            cr_expect_eq (needed, !whole);
        }
        if (status == 0 && needed) {
            cr_assert_eq (kith_batch_open (&batch, completed.data, completed.size, NULL),
                          0);
            cr_expect_eq (batch.count, 4);
            cr_expect_eq (kith_schema_check (schema, &batch, false, &error), 0, "%s",
                          error.message);
            cr_expect (!kith_column_valid (kith_batch_field (&batch, 102), 1));
        }
        kith_bytes_free (&completed);
        kith_bytes_free (&bytes);
    }
    kith_schema_destroy (&schema);
}

//  A short request must not become a long one by its defaults
Test (schema, defaults_are_bounded)
{
    char text [60003];
    memset (text, 'x', sizeof text);
    text [0] = text [60001] = '"';
    text [60002] = 0;
    kith_field_t fields [] = {
        {.id = 100, .name = "id", .type = KITH_TYPE_INT64, .key = true},
        {.id = 101,
         .name = "x",
         .type = KITH_TYPE_VARCHAR,
         .max_length = 65535,
         .default_value = text}};
    kith_error_t error = {0};
    kith_schema_t *schema = kith_schema_new ("c", fields, 2, 1, &error);
    cr_assert (schema, "%s", error.message);
    for (uint32_t rows = 1000; rows <= 2000; rows += 1000) {
        kith_bytes_t bytes = {0};
        size_t place = kith_batch_begin (&bytes, rows, 1);
        kith_column_builder_t keys;
        kith_column_builder_init (&keys, 100, KITH_TYPE_INT64, 0);
        for (uint32_t row = 0; row < rows; row++)
            kith_column_builder_int (&keys, row);
        kith_column_builder_finish (&keys, &bytes);
        kith_column_builder_free (&keys);
        kith_batch_end (&bytes, place);
        kith_batch_t batch;
        cr_assert_eq (kith_batch_open (&batch, bytes.data, bytes.size, NULL), 0);
        cr_assert_eq (kith_schema_check (schema, &batch, true, &error), 0);
        int status = kith_schema_check (schema, &batch, false, &error);
        cr_assert_eq (status, rows > 1000 ? -1 : 0, "%s", error.message);
        cr_assert (!status || error.code == KITH_ERR_LIMIT);
        kith_bytes_free (&bytes);
    }
    kith_schema_destroy (&schema);
}

//  ---------------------------------------------------------------------

Test (schema, keys)
{
    static const char *const texts [] = {"", "a", "aa", "ab", "b", "\303\244"};
    kith_bytes_t bytes = {0};
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, 100, KITH_TYPE_VARCHAR, 0);
    for (uint32_t index = 0; index < 6; index++)
        kith_column_builder_string (&builder, texts [index],
                                    (uint32_t) strlen (texts [index]));
    kith_column_builder_finish (&builder, &bytes);
    kith_column_builder_free (&builder);
    kith_column_t keys;
    cr_assert_eq (kith_column_open (&keys, bytes.data, bytes.size, NULL), 0);
    for (uint32_t a = 0; a < 6; a++) {
        cr_assert_eq (kith_key_hash (&keys, a),
                      kith_hash64 (texts [a], strlen (texts [a])));
        for (uint32_t b = 0; b < 6; b++) {
            cr_assert_eq (kith_key_equal (&keys, a, &keys, b), a == b);
            int order = kith_key_compare (&keys, a, &keys, b);
            cr_assert_eq ((order > 0) - (order < 0), (a > b) - (a < b));
        }
    }
    kith_bytes_clear (&bytes);
    static const int64_t numbers [] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    kith_column_builder_init (&builder, 100, KITH_TYPE_INT64, 0);
    for (uint32_t index = 0; index < 5; index++)
        kith_column_builder_int (&builder, numbers [index]);
    kith_column_builder_finish (&builder, &bytes);
    kith_column_builder_free (&builder);
    cr_assert_eq (kith_column_open (&keys, bytes.data, bytes.size, NULL), 0);
    for (uint32_t a = 0; a < 5; a++) {
        cr_assert_eq (kith_key_hash (&keys, a), kith_hash64 (&numbers [a], 8));
        for (uint32_t b = 0; b < 5; b++) {
            cr_assert_eq (kith_key_equal (&keys, a, &keys, b), a == b);
            cr_assert_eq (kith_key_compare (&keys, a, &keys, b), (a > b) - (a < b));
        }
    }
    kith_bytes_free (&bytes);
}

Test (schema, utf8)
{
    //  Every sequence of up to three bytes against the definition by code point
    for (uint32_t first = 0; first < 256; first++) {
        for (uint32_t rest = 0; rest < 65536; rest += first < 0x80 ? 4099 : 1) {
            uint8_t text [3] = {(uint8_t) first, (uint8_t) (rest >> 8), (uint8_t) rest};
            bool tail2 = (text [1] & 0xc0) == 0x80;
            bool tail3 = (text [2] & 0xc0) == 0x80;
            uint32_t two = (first & 0x1f) << 6 | (text [1] & 0x3f);
            uint32_t three = (first & 0x0f) << 12 | (uint32_t) (text [1] & 0x3f) << 6
                             | (text [2] & 0x3f);
            bool good2 = first >> 5 == 6 && tail2 && two >= 0x80;
            bool good3 = first >> 4 == 14 && tail2 && tail3 && three >= 0x800
                         && (three < 0xd800 || three > 0xdfff);
            cr_assert_eq (kith_utf8_valid (text, 1), first < 0x80);
            cr_assert_eq (kith_utf8_valid (text, 2),
                          (first < 0x80 && text [1] < 0x80) || good2);
            bool ascii3 = first < 0x80
                          && ((text [1] < 0x80 && text [2] < 0x80)
                              || (text [1] >> 5 == 6 && tail3 && text [1] >= 0xc2));
            cr_assert_eq (kith_utf8_valid (text, 3),
                          ascii3 || good3 || (good2 && text [2] < 0x80));
        }
    }
    cr_assert (kith_utf8_valid ("\360\237\230\200 and more text", 18));
    cr_assert (!kith_utf8_valid ("\360\217\277\277", 4));
    cr_assert (!kith_utf8_valid ("\364\220\200\200", 4));
    cr_assert (!kith_utf8_valid ("12345678\xff", 9));
}

Test (schema, json)
{
    static const struct {
        const char *text;
        bool good;
    } cases [] = {
        {"0", true},           {"-0.5e+10", true},     {"01", false},
        {"1.", false},         {".5", false},          {"+1", false},
        {"1e", false},         {"\"\"", true},         {"\"\\x\"", false},
        {"\"\t\"", false},     {"\"\\u12g4\"", false}, {"[]", true},
        {"[1,]", false},       {"[1 2]", false},       {"{}", true},
        {"{\"a\":1,}", false}, {"{\"a\" 1}", false},   {"{1:2}", false},
        {"tru", false},        {"true", true},         {" null ", true},
        {"", false},           {"1 1", false},         {"[[[]]]", true},
        {"[", false},          {"\"a", false},         {"nul\1", false},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++)
        cr_expect_eq (kith_json_valid (cases [index].text, strlen (cases [index].text)),
                      cases [index].good, "%s", cases [index].text);
    char deep [400];
    memset (deep, '[', 200);
    memset (deep + 200, ']', 200);
    cr_expect (!kith_json_valid (deep, 400));
    cr_expect (kith_json_valid (deep + 150, 100));
    kith_bytes_t out = {0};
    const char *text = "\"\\ud83d\\ude00\\/\\b\"";
    cr_assert (kith_json_valid (text, strlen (text)));
    cr_assert (kith_json_string (text, strlen (text), &out));
    cr_assert_arr_eq (out.data, "\360\237\230\200/\b", 6);
    cr_assert (!kith_json_string ("\"\\ud83d\"", 8, &out));
    kith_bytes_free (&out);
}

Test (schema, name_distance)
{
    cr_assert_eq (kith_name_distance ("rank", "rank"), 0);
    cr_assert_eq (kith_name_distance ("rnk", "rank"), 1);
    cr_assert_eq (kith_name_distance ("rnak", "rank"), 1);
    cr_assert_eq (kith_name_distance ("Ranks", "rank"), 1);
    cr_assert_eq (kith_name_distance ("tank", "rank"), 1);
    cr_assert_eq (kith_name_distance ("", "rank"), 4);
    cr_assert_eq (kith_name_distance ("kitten", "sitting"), 3);
}
