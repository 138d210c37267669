//  test_json.c - the reader of JSON: values, places of errors, numbers against strtod
//  SPDX-License-Identifier: Apache-2.0
#include "base/random.h"
#include "clients/json.h"
#include <criterion/criterion.h>
#include <math.h>

static bool
s_accepts (const char *text)
{
    kith_json_t json;
    const char *raw;
    size_t size;
    kith_json_init (&json, text, strlen (text), NULL);
    return kith_json_raw (&json, &raw, &size) && kith_json_done (&json);
}

Test (json, grammar)
{
    const char *const good [] = {"0",
                                 "-0",
                                 "1.5e-3",
                                 "\"\"",
                                 "[]",
                                 "{}",
                                 "[1,2,[3,{\"a\":null}]]",
                                 " { \"a\" : [ true , false ] } ",
                                 "\"\\u00e9\\ud83d\\ude00\"",
                                 "\"\xc3\xa9\"",
                                 "1E400",
                                 "123456789012345678901234567890"};
    const char *const bad [] = {
        "",        "01",          "1.",          ".5",       "+1",       "1e",
        "nul",     "[1,]",        "{\"a\"}",     "{a:1}",    "[1 2]",    "\"a",
        "\"\\x\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\x01\"", "\"\xff\"", "\"\\u0000\"",
        "0x10",    "NaN",         "Infinity",    "1 2",      "[",        "{\"a\":1,}"};
    for (size_t index = 0; index < sizeof good / sizeof good [0]; index++)
        cr_assert (s_accepts (good [index]), "%s", good [index]);
    for (size_t index = 0; index < sizeof bad / sizeof bad [0]; index++)
        cr_assert_not (s_accepts (bad [index]), "%s", bad [index]);
}

Test (json, depth_is_bounded)
{
    char text [200] = "";
    for (int level = 0; level < 64; level++)
        text [level] = '[';
    for (int level = 64; level < 128; level++)
        text [level] = ']';
    cr_assert (s_accepts (text));
    memset (text, '[', 65);
    cr_assert_not (s_accepts (text));
}

Test (json, numbers_are_those_of_strtod)
{
    kith_random_t random;
    kith_random_seed (&random, 7);
    for (int round = 0; round < 200000; round++) {
        char text [64];
        double wanted;
        uint64_t bits = kith_random_next (&random);
        if (round % 3 == 0) {
            memcpy (&wanted, &bits, sizeof wanted);
            if (!isfinite (wanted))
                continue;
            snprintf (text, sizeof text, "%.17g", wanted);
        }
        else
            snprintf (text, sizeof text, "%s%" PRIu64 ".%0*" PRIu64, round % 2 ? "-" : "",
                      bits % 1000, round % 12 + 1, (bits >> 32) % 100000);
        wanted = strtod (text, NULL);
        kith_json_t json;
        double real;
        int64_t integer;
        bool is_integer;
        kith_json_init (&json, text, strlen (text), NULL);
        cr_assert (kith_json_number (&json, &real, &integer, &is_integer), "%s", text);
        cr_assert_eq (memcmp (&real, &wanted, sizeof real), 0, "%s: %.17g", text, real);
    }
}

Test (json, integers_are_exact)
{
    const struct {
        const char *text;
        int64_t value;
        bool is_integer;
    } cases [] = {{"9223372036854775807", INT64_MAX, true},
                  {"-9223372036854775808", INT64_MIN, true},
                  {"9223372036854775808", 0, false},
                  {"-9223372036854775809", 0, false},
                  {"9007199254740993", 9007199254740993, true},
                  {"1.0", 0, false},
                  {"1e3", 0, false}};
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        kith_json_t json;
        double real;
        int64_t integer;
        bool is_integer;
        kith_json_init (&json, cases [index].text, strlen (cases [index].text), NULL);
        cr_assert (kith_json_number (&json, &real, &integer, &is_integer));
        cr_assert_eq (is_integer, cases [index].is_integer, "%s", cases [index].text);
        if (is_integer)
            cr_assert_eq (integer, cases [index].value);
    }
}

Test (json, an_error_names_the_place)
{
    kith_error_t error = {0};
    kith_json_t json;
    kith_bytes_t floats = {0};
    uint32_t count;
    const char *text = "[1, 2, x]";
    kith_json_init (&json, text, strlen (text), &error);
    cr_assert_not (kith_json_floats (&json, &floats, &count));
    cr_assert_eq (error.at, 7);
    text = "[1, 1e39]";
    kith_json_init (&json, text, strlen (text), &error);
    cr_assert_not (kith_json_floats (&json, &floats, &count));
    cr_assert_eq (error.at, 4);
    kith_bytes_free (&floats);
}

Test (json, texts_round_trip)
{
    const char text [] = "a\"b\\c\nd\te\x01 \xc3\xa9 \xf0\x9f\x98\x80";
    kith_bytes_t out = {0}, back = {0};
    kith_json_put_string (&out, text, sizeof text - 1);
    kith_json_t json;
    kith_json_init (&json, (const char *) out.data, out.size, NULL);
    cr_assert (kith_json_text (&json, &back));
    cr_assert (kith_json_done (&json));
    cr_assert_eq (back.size, sizeof text - 1);
    cr_assert_eq (memcmp (back.data, text, back.size), 0);
    kith_bytes_free (&out);
    kith_bytes_free (&back);
}

Test (json, numbers_are_written_so_that_they_read_back)
{
    kith_random_t random;
    kith_random_seed (&random, 9);
    for (int round = 0; round < 100000; round++) {
        uint32_t bits = (uint32_t) kith_random_next (&random);
        float value, back;
        memcpy (&value, &bits, sizeof value);
        if (!isfinite (value))
            continue;
        kith_bytes_t out = {0};
        kith_json_put_float (&out, value);
        kith_bytes_put_u8 (&out, 0);
        back = strtof ((const char *) out.data, NULL);
        cr_assert_eq (memcmp (&back, &value, sizeof back), 0, "%s",
                      (const char *) out.data);
        kith_bytes_free (&out);
    }
}
