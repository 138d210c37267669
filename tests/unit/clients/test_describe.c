//  test_describe.c - fields from their text, and definitions as JSON
//  SPDX-License-Identifier: Apache-2.0
#include "base/column.h"
#include "clients/describe.h"
#include <criterion/criterion.h>
#include <jansson.h>

static int
s_parse (const char *text, kith_proto_field_t *field, kith_error_t *error)
{
    static kith_arena_t arena;
    return kith_field_parse (text, field, &arena, error);
}

Test (describe, fields)
{
    kith_proto_field_t field;
    cr_assert_eq (s_parse ("word varchar(64) key", &field, NULL), 0);
    cr_assert_str_eq (field.name, "word");
    cr_assert_eq (field.type, KITH_TYPE_VARCHAR);
    cr_assert_eq (field.max_length, 64);
    cr_assert (field.key && !field.nullable && !field.has_default);
    cr_assert_eq (s_parse ("  v   float_vector( 100)  l2", &field, NULL), 0);
    cr_assert_eq (field.dim, 100);
    cr_assert_eq (field.metric, 1);
    cr_assert_eq (s_parse ("v float_vector(3)", &field, NULL), 0);
    cr_assert_eq (field.metric, 3, "cosine unless said");
    cr_assert_eq (s_parse ("rank int32 nullable default {\"a\": 1}", &field, NULL), 0);
    cr_assert (field.nullable && field.has_default);
    cr_assert_str_eq (field.default_value, "{\"a\": 1}");
}

Test (describe, wrong_fields)
{
    static const char *const texts [] = {"",
                                         "word",
                                         "word text",
                                         "word varchar",
                                         "word varchar()",
                                         "word varchar(0)",
                                         "word varchar(65536)",
                                         "word varchar(x)",
                                         "word varchar(5",
                                         "word varchar(-5)",
                                         "v float_vector(32769)",
                                         "rank int64(5)",
                                         "rank int64 kee",
                                         "rank int64 cosine",
                                         "1a int64",
                                         "a-b int64",
                                         "rank int64 default"};
    for (size_t index = 0; index < sizeof texts / sizeof texts [0]; index++) {
        kith_proto_field_t field;
        kith_error_t error = {0};
        cr_assert_eq (s_parse (texts [index], &field, &error), -1, "%s", texts [index]);
        cr_assert_eq (error.code, KITH_ERR_INVALID);
        cr_assert (error.message [0]);
    }
}

Test (describe, json_is_json_with_the_keys_of_the_contract)
{
    kith_proto_field_t fields [2] = {{.id = 100,
                                      .name = "wo\"rd",
                                      .type = KITH_TYPE_VARCHAR,
                                      .max_length = 64,
                                      .key = true,
                                      .default_value = ""},
                                     {.id = 101,
                                      .name = "v",
                                      .type = KITH_TYPE_FLOAT_VECTOR,
                                      .dim = 3,
                                      .metric = 3,
                                      .nullable = true,
                                      .default_value = ""}};
    kith_proto_index_state_t index = {.field = 101,
                                      .type = "graph",
                                      .code = "sq4",
                                      .rows = 4,
                                      .built = 1,
                                      .recall = 0.95f,
                                      .effort = 61,
                                      .failed = ""};
    kith_proto_collection_info_t info = {.rows = 341479,
                                         .disk = 5,
                                         .memory = 6,
                                         .growing = 1,
                                         .sealed = 2,
                                         .indexed = 3,
                                         .indexes = &index,
                                         .indexes_count = 1};
    info.definition.name = "words";
    info.definition.fields = fields;
    info.definition.fields_count = 2;
    info.definition.channels_count = 2;
    info.definition.created = 1732269667123ull << 18;
    kith_bytes_t text = {0};
    kith_json_collection (&info, &text);
    json_error_t error;
    json_t *json = json_loadb ((const char *) text.data, text.size, 0, &error);
    cr_assert (json, "%s: %.*s", error.text, (int) text.size, (const char *) text.data);
    const char *const keys [] = {"name",   "rows",    "shards", "partitions", "disk",
                                 "memory", "created", "fields", "indexes",    "segments"};
    for (size_t place = 0; place < sizeof keys / sizeof keys [0]; place++)
        cr_assert (json_object_get (json, keys [place]), "%s", keys [place]);
    cr_assert_eq (json_integer_value (json_object_get (json, "rows")), 341479);
    cr_assert_str_eq (json_string_value (json_object_get (json, "created")),
                      "2024-11-22T10:01:07.123Z");
    json_t *field = json_array_get (json_object_get (json, "fields"), 0);
    cr_assert_str_eq (json_string_value (json_object_get (field, "name")), "wo\"rd");
    cr_assert_str_eq (json_string_value (json_object_get (field, "type")), "varchar(64)");
    json_t *state = json_array_get (json_object_get (json, "indexes"), 0);
    cr_assert_float_eq (json_number_value (json_object_get (state, "built")), 0.25, 1e-9);
    cr_assert_eq (json_integer_value (json_object_get (state, "effort")), 61);
    json_decref (json);
    kith_bytes_free (&text);
}
