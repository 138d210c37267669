//  test_json.c - structs <-> JSON
//  SPDX-License-Identifier: Apache-2.0
#include "base/random.h"
#include "codecs/proto.h"
#include "tests/unit/codecs/body.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>

Test (json, every_kind_comes_back)
{
    kith_random_t random;
    kith_random_seed (&random, 21);
    for (uint32_t turn = 0; turn < 20 * 128; turn++) {
        const kith_codec_table_t *table = kith_kind_table ((kith_kind_t) (turn % 128));
        if (!table)
            continue;
        kith_arena_t arena = {0};
        kith_error_t error = {0};
        kith_bytes_t text = {0};
        void *body = body_random (table, 3, &random, &arena);
        kith_codec_json (table, body, turn & 128, &text);
        void *back = kith_codec_unjson (table, (const char *) text.data, text.size,
                                        &arena, &error);
        cr_assert (back, "%s\n%.*s", error.message, (int) text.size,
                   (const char *) text.data);
        cr_assert_null (body_differs (table, body, back), "%s.%s\n%.*s", table->name,
                        body_differs (table, body, back), (int) text.size,
                        (const char *) text.data);
        kith_bytes_free (&text);
        kith_arena_free (&arena);
    }
}

//  The same text through another reader
Test (json, text_is_json_and_says_what_the_struct_says)
{
    kith_proto_position_t token [] = {{1, 2, UINT64_MAX}};
    const char *output [] = {"a\"b", "c\\d\n\x01"};
    kith_proto_search_t body = {.collection = "w\xc3\xb6rter",
                                .nq = 3,
                                .output = output,
                                .output_count = 2,
                                .token = token,
                                .token_count = 1,
                                .recall = 0.95f,
                                .partial = true};
    for (int pretty = 0; pretty < 2; pretty++) {
        kith_bytes_t text = {0};
        kith_codec_json (&kith_proto_search_table, &body, pretty, &text);
        json_error_t mistake;
        json_t *json = json_loadb ((const char *) text.data, text.size,
                                   JSON_DECODE_INT_AS_REAL, &mistake);
        cr_assert (json, "%s", mistake.text);
        cr_assert_eq (json_object_size (json), kith_proto_search_table.count);
        cr_assert_str_eq (json_string_value (json_object_get (json, "collection")),
                          "w\xc3\xb6rter");
        const json_t *list = json_object_get (json, "output");
        cr_assert_str_eq (json_string_value (json_array_get (list, 0)), "a\"b");
        cr_assert_str_eq (json_string_value (json_array_get (list, 1)), "c\\d\n\x01");
        cr_assert (json_is_true (json_object_get (json, "partial")));
        const json_t *position = json_array_get (json_object_get (json, "token"), 0);
        cr_assert_float_eq (json_real_value (json_object_get (position, "seq")), 0x1p64,
                            1);
        cr_assert (strstr ((const char *) text.data, "0.95,"));
        cr_assert (strstr ((const char *) text.data, "18446744073709551615"));
        json_decref (json);
        kith_bytes_free (&text);
    }
}

//  RFC 4648, section 10
Test (json, base64_is_the_standard_one)
{
    static const char *const pairs [] = {
        "",       "",         "f",        "Zg==",     "fo",       "Zm8=",
        "foo",    "Zm9v",     "foob",     "Zm9vYg==", "fooba",    "Zm9vYmE=",
        "foobar", "Zm9vYmFy", "\xff\xfe", "//4=",     "\xfb\xef", "++8="};
    for (size_t index = 0; index < sizeof pairs / sizeof *pairs; index += 2) {
        kith_proto_kv_value_t body = {
            {(const uint8_t *) pairs [index], (uint32_t) strlen (pairs [index])}, 0};
        kith_bytes_t text = {0};
        char want [64];
        kith_arena_t arena = {0};
        snprintf (want, sizeof want, "{\"value\":\"%s\",\"revision\":0}",
                  pairs [index + 1]);
        kith_codec_json (&kith_proto_kv_value_table, &body, false, &text);
        cr_assert_eq (text.size, strlen (want));
        cr_assert_arr_eq (text.data, want, text.size);
        kith_proto_kv_value_t *back = kith_codec_unjson (&kith_proto_kv_value_table, want,
                                                         strlen (want), &arena, NULL);
        cr_assert (back);
        cr_assert_eq (back->value.size, body.value.size);
        if (body.value.size)
            cr_assert_arr_eq (back->value.data, pairs [index], body.value.size);
        kith_bytes_free (&text);
        kith_arena_free (&arena);
    }
}

typedef struct {
    const char *text;
    const char *told;
    const char *hint;
} refusal_t;

static void
s_refused (const kith_codec_table_t *table, const refusal_t *refusals, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        kith_arena_t arena = {0};
        kith_error_t error = {0};
        const char *text = refusals [index].text;
        cr_expect_null (kith_codec_unjson (table, text, strlen (text), &arena, &error),
                        "%s", text);
        cr_expect_eq (error.code, KITH_ERR_INVALID);
        cr_expect (strstr (error.message, refusals [index].told), "%s: %s", text,
                   error.message);
        cr_expect (strstr (error.hint, refusals [index].hint), "%s: %s", text,
                   error.hint);
        kith_arena_free (&arena);
    }
}

Test (json, what_does_not_fit_is_refused)
{
    static const refusal_t searches [] = {
        {"{\"colection\":\"a\"}", "search: there is no field \"colection\"",
         "\"collection\""},
        {"{\"zzzzzzzzzz\":1}", "there is no field", ""},
        {"{\"k\":1,\"k\":2}", "duplicate", ""},
        {"{\"k\":-1}", "search.k: an integer that is no u32", ""},
        {"{\"k\":4294967296}", "search.k", ""},
        {"{\"k\":1.0}", "search.k: a number that is no u32", ""},
        {"{\"channel\":18446744073709551616}", "search.channel", ""},
        {"{\"channel\":\"\"}", "search.channel", ""},
        {"{\"channel\":\"12a\"}", "search.channel", ""},
        {"{\"channel\":\"-1\"}", "search.channel", ""},
        {"{\"recall\":1e39}", "search.recall", ""},
        {"{\"recall\":\"1\"}", "search.recall", ""},
        {"{\"partial\":1}", "search.partial: an integer that is no bool", ""},
        {"{\"token\":[{\"log\":1},{\"sec\":1}]}",
         "search.token[1]: there is no field \"sec\"", "\"seq\""},
        {"{\"token\":{}}", "search.token: an object that is no list of struct", ""},
        {"{\"token\":[1]}", "search.token[0]: an integer that is no object", ""},
        {"{\"output\":[\"a\",2]}", "search.output[1]", ""},
        {"{\"filter\":\"a\\u0000b\"}", "line 1", ""},
        {"{\"filter\":\"\xc3\x28\"}", "line 1", ""},
        {"{\"k\":1}x", "line 1", ""},
        {"[]", "search: an array that is no object", ""},
        {"", "line 1", ""},
        {"{\"k\":1,}", "line 1", ""}};
    s_refused (&kith_proto_search_table, searches, sizeof searches / sizeof *searches);
    static const refusal_t values [] = {{"{\"value\":\"Zg=\"}", "kv_value.value", ""},
                                        {"{\"value\":\"Zh==\"}", "kv_value.value", ""},
                                        {"{\"value\":\"Z===\"}", "kv_value.value", ""},
                                        {"{\"value\":\"====\"}", "kv_value.value", ""},
                                        {"{\"value\":\"Zg=v\"}", "kv_value.value", ""},
                                        {"{\"value\":\"Z*==\"}", "kv_value.value", ""},
                                        {"{\"value\":7}", "kv_value.value", ""}};
    s_refused (&kith_proto_kv_value_table, values, sizeof values / sizeof *values);
}

Test (json, integers_up_to_the_last_one)
{
    static const char text [] = "{\"channel\": 18446744073709551615 , \"filter\": \"n = "
                                "18446744073709551615 \\\" 18446744073709551615\"}";
    kith_arena_t arena = {0};
    kith_error_t error = {0};
    kith_proto_search_t *body = kith_codec_unjson (&kith_proto_search_table, text,
                                                   sizeof text - 1, &arena, &error);
    cr_assert (body, "%s", error.message);
    cr_assert_eq (body->channel, UINT64_MAX);
    cr_assert_str_eq (body->filter, "n = 18446744073709551615 \" 18446744073709551615");
    static const char digits [] =
        "{\"at\": \"-9223372036854775808\", \"code\": \"7\", \"hint\": null}";
    kith_proto_failed_t *failed = kith_codec_unjson (&kith_proto_failed_table, digits,
                                                     sizeof digits - 1, &arena, &error);
    cr_assert (failed, "%s", error.message);
    cr_assert_eq (failed->at, INT64_MIN);
    cr_assert_eq (failed->code, 7);
    cr_assert_str_eq (failed->hint, "");
    cr_assert_str_eq (failed->message, "");
    kith_arena_free (&arena);
}

Test (json, numbers_that_json_has_not)
{
    kith_proto_found_t body = {.coverage = (double) NAN};
    kith_bytes_t text = {0};
    kith_codec_json (&kith_proto_found_table, &body, false, &text);
    kith_bytes_put_u8 (&text, 0);
    cr_assert (strstr ((const char *) text.data, "\"coverage\":null"));
    kith_bytes_free (&text);

    kith_proto_failed_t failed = {.message = "cut \xc3"};
    kith_codec_json (&kith_proto_failed_table, &failed, false, &text);
    kith_bytes_put_u8 (&text, 0);
    cr_assert (strstr ((const char *) text.data, "\"cut ?\""));
    kith_bytes_free (&text);
}

//  Any text: an error or a struct, never a crash
Test (json, mutated_text_is_refused_or_makes_sense, .timeout = 300)
{
    kith_random_t random;
    kith_random_seed (&random, 22);
    uint32_t taken = 0;
    uint32_t refused = 0;
    for (uint32_t turn = 0; turn < 20000; turn++) {
        const kith_codec_table_t *table =
            kith_kind_table ((kith_kind_t) kith_random_below (&random, 128));
        if (!table)
            continue;
        kith_arena_t arena = {0};
        kith_error_t error = {0};
        kith_bytes_t text = {0};
        kith_codec_json (table, body_random (table, 3, &random, &arena), false, &text);
        static const char letters [] = "{}[]\",:0123456789eE+-.\\ truefalsn";
        text.data [kith_random_below (&random, text.size)] =
            (uint8_t) letters [kith_random_below (&random, sizeof letters - 1)];
        if (kith_codec_unjson (table, (const char *) text.data, text.size, &arena,
                               &error))
            taken++;
        else {
            refused++;
            cr_assert_eq (error.code, KITH_ERR_INVALID);
        }
        kith_bytes_free (&text);
        kith_arena_free (&arena);
    }
    cr_assert_gt (taken, 500);
    cr_assert_gt (refused, 2000);
}
