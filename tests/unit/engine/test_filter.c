//  test_filter.c - the filter language: how it groups, what it refuses, and its limits
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <math.h>

#include "engine/query/filter.h"
#include "tests/unit/engine/model.h"

//  How operators group, seen in where canonical text needs brackets
static const char *const s_pairs [][2] = {
    {"number=1", "number == 1"},
    {"(number == 1)", "number == 1"},
    {"number == 1 or small == 2 and flag", "number == 1 or small == 2 and flag"},
    {"(number == 1 or small == 2) and flag", "(number == 1 or small == 2) and flag"},
    {"not flag and flag", "not flag and flag"},
    {"not (flag and flag)", "not (flag and flag)"},
    {"! number > 5", "not number > 5"},
    {"not number in [1]", "not number in [1]"},
    {"number + 1 * 2 == 3", "number + 1 * 2 == 3"},
    {"(number + 1) * 2 == 3", "(number + 1) * 2 == 3"},
    {"number - (1 - 2) == 3", "number - (1 - 2) == 3"},
    {"number - 1 - 2 == 3", "number - 1 - 2 == 3"},
    {"-2 ** 2 == real", "-2 ** 2 == real"},
    {"(-2) ** 2 == real", "(-2) ** 2 == real"},
    {"2 ** 3 ** 2 == real", "2 ** 3 ** 2 == real"},
    {"(2 ** 3) ** 2 == real", "(2 ** 3) ** 2 == real"},
    {"2 ** -1 == real", "2 ** (-1) == real"},
    {"1 < number <= 5", "1 < number and number <= 5"},
    {"1 < number < 5 == true", "(1 < number and number < 5) == true"},
    {"number between 1 and 5 and flag", "number >= 1 and number <= 5 and flag"},
    {"number not between 1 and 5", "not (number >= 1 and number <= 5)"},
    {"number == 1 == flag", "number == 1 == flag"},
    {"flag == (number == 1)", "flag == (number == 1)"},
    {"number + 1 in (1, 0x10, 0b11)", "number + 1 in [1, 16, 3]"},
    {"flag and (flag and flag)", "flag and (flag and flag)"},
    {"flag and flag and flag", "flag and flag and flag"},
    {"narrow == 0.1", "narrow == 0.10000000149011612"},
    {"real == 0.1", "real == 0.10000000000000001"},
    {"real == 2.0", "real == 2.0"},
    {"number == -9223372036854775808", "number == -9223372036854775808"},
    {"text like 'a\\_b'", "text like \"a\\\\_b\""},
    {"text == '\\u00e4\\x41\\n\"'", "text == \"\303\244A\\u000a\\\"\""},
    {"text is not null", "text is not null"},
    {"vector is null", "vector is null"},
};

Test (filter, precedence)
{
    model_t *model = model_new (1, false, KITH_METRIC_L2);
    for (size_t index = 0; index < sizeof s_pairs / sizeof s_pairs [0]; index++) {
        kith_error_t error = {0};
        kith_filter_t *filter =
            kith_filter_new (s_pairs [index][0], model->schema, &error);
        cr_assert (filter, "%s: %s at %d", s_pairs [index][0], error.message, error.at);
        char *printed = kith_filter_print (filter);
        cr_assert_str_eq (printed, s_pairs [index][1]);
        kith_filter_t *again = kith_filter_new (printed, model->schema, &error);
        cr_assert (again, "%s: %s at %d", printed, error.message, error.at);
        char *printed_again = kith_filter_print (again);
        cr_assert_str_eq (printed, printed_again);
        free (printed);
        free (printed_again);
        kith_filter_destroy (&filter);
        kith_filter_destroy (&again);
    }
    model_destroy (&model);
}

static const struct {
    const char *text;
    kith_code_t code;
    int at;
    const char *message;
} s_refusals [] = {
    {"", KITH_ERR_FILTER, 0, "empty"},
    {"   ", KITH_ERR_FILTER, 0, "empty"},
    {"nmber < 10", KITH_ERR_FIELD_NOT_FOUND, 0, "no field 'nmber' in things"},
    {"flag and nmber < 10", KITH_ERR_FIELD_NOT_FOUND, 9, "no field"},
    {"number <", KITH_ERR_FILTER, 8, "ends where"},
    {"number < < 3", KITH_ERR_FILTER, 9, "expected a field or a value, not <"},
    {"number == 'x'", KITH_ERR_FILTER, 7, "an integer cannot be compared with text"},
    {"flag < true", KITH_ERR_FILTER, 5, "only be equal"},
    {"number", KITH_ERR_FILTER, 0, "not a condition"},
    {"number + 1", KITH_ERR_FILTER, 7, "not a condition"},
    {"number and flag", KITH_ERR_FILTER, 7, "condition on both sides"},
    {"number == null", KITH_ERR_FILTER, 10, "use is null"},
    {"number in [1, 'x']", KITH_ERR_FILTER, 7, "value 2 of the list is text"},
    {"number in [1 2]", KITH_ERR_FILTER, 13, "expected ','"},
    {"number in 5", KITH_ERR_FILTER, 10, "a list"},
    {"text like number", KITH_ERR_FILTER, 10, "a text after it"},
    {"number like 'x'", KITH_ERR_FILTER, 7, "varchar field"},
    {"text like 'x\\\\'", KITH_ERR_FILTER, 10, "backslash"},
    {"text == 'x", KITH_ERR_FILTER, 8, "no end"},
    {"text == '\\q'", KITH_ERR_FILTER, 9, "escape"},
    {"vector == 1", KITH_ERR_FILTER, 0, "float_vector"},
    {"number == 9223372036854775808", KITH_ERR_FILTER, 10, "int64"},
    {"number == 99999999999999999999", KITH_ERR_FILTER, 10, "64 bits"},
    {"number == 1e999", KITH_ERR_FILTER, 10, "too large"},
    {"number == 010", KITH_ERR_FILTER, 10, "begin with 0"},
    {"number == 1x", KITH_ERR_FILTER, 11, "followed by 'x'"},
    {"number == $1", KITH_ERR_FILTER, 10, "parameters"},
    {"number ; 1", KITH_ERR_FILTER, 7, "';' has no meaning"},
    {"number & 1", KITH_ERR_FILTER, 7, "'&' has no meaning"},
    {"(number == 1", KITH_ERR_FILTER, 12, "ends where ')'"},
    {"number == 1)", KITH_ERR_FILTER, 11, "not )"},
    {"number == 1 number", KITH_ERR_FILTER, 12, "expected and, or"},
    {"number not 5", KITH_ERR_FILTER, 11, "in, like or between"},
    {"number is 5", KITH_ERR_FILTER, 10, "expected null"},
    {"number between 1", KITH_ERR_FILTER, 16, "ends where and"},
    {"1 is null", KITH_ERR_FILTER, 2, "only a field"},
    {"real % 2 == 1", KITH_ERR_FILTER, 5, "integers"},
    {"-text == 'x'", KITH_ERR_FILTER, 0, "needs a number"},
    {"not number", KITH_ERR_FILTER, 0, "needs a condition"},
    {"text == \"\xff\"", KITH_ERR_FILTER, 0, "UTF-8"},
};

Test (filter, refusals)
{
    model_t *model = model_new (1, false, KITH_METRIC_L2);
    for (size_t index = 0; index < sizeof s_refusals / sizeof s_refusals [0]; index++) {
        kith_error_t error = {0};
        kith_filter_t *filter =
            kith_filter_new (s_refusals [index].text, model->schema, &error);
        cr_assert (!filter, "%s", s_refusals [index].text);
        cr_expect_eq (error.code, s_refusals [index].code, "%s: %d %s",
                      s_refusals [index].text, error.code, error.message);
        cr_expect_eq (error.at, s_refusals [index].at, "%s: at %d: %s",
                      s_refusals [index].text, error.at, error.message);
        cr_expect (strstr (error.message, s_refusals [index].message), "%s: %s",
                   s_refusals [index].text, error.message);
    }
    kith_error_t error = {0};
    cr_assert (!kith_filter_new ("nmber < 10", model->schema, &error));
    cr_assert_str_eq (error.hint, "did you mean 'number'? fields: id, number, real, "
                                  "narrow, small, flag, text, vector");
    //  Without an error to fill in, too
    cr_assert (!kith_filter_new ("nmber < 10", model->schema, NULL));
    cr_assert (!kith_filter_new ("number <", model->schema, NULL));
    model_destroy (&model);
}

//  Text of a repeated part between two ends
static char *
s_repeat (const char *begin, const char *part, uint32_t count, const char *end)
{
    kith_bytes_t out = {0};
    kith_bytes_printf (&out, "%s", begin);
    for (uint32_t index = 0; index < count; index++)
        kith_bytes_printf (&out, "%s", part);
    kith_bytes_printf (&out, "%s", end);
    kith_bytes_put_u8 (&out, 0);
    char *text = kith_strdup ((const char *) out.data);
    kith_bytes_free (&out);
    return text;
}

static const struct {
    const char *begin, *part, *end;
    uint32_t count;
    bool good;
} s_limits [] = {
    {"", "(", "", 60000, false},
    {"", "!", "flag", 60000, false},
    {"", "not ", "flag", 10000, false},
    {"number == ", "-", "1", 60000, false},
    {"number == ", "- ", "1", 40, true},
    {"real == 2", " ** 2", "", 10000, false},
    {"real == 2", " ** 2", "", 40, true},
    {"flag", " and flag", "", 1000, true},
    {"flag", " or flag", "", 1000, true},
    {"flag", " or flag", "", 6000, false},
    {"flag", " == flag", "", 6000, false},
    {"number == 1", " + 1", "", 6000, false},
    {"number == 1", " + 1", "", 50, true},
    {"1 < number", " < 5", "", 1000, true},
    {"number in [1", ",12", "]", 20000, true},
    {"number in [1", ",12", "]", 30000, false},
    {"text == '", "x", "'", 60000, true},
};

Test (filter, limits)
{
    model_t *model = model_new (1, false, KITH_METRIC_L2);
    for (size_t index = 0; index < sizeof s_limits / sizeof s_limits [0]; index++) {
        char *text = s_repeat (s_limits [index].begin, s_limits [index].part,
                               s_limits [index].count, s_limits [index].end);
        kith_error_t error = {0};
        kith_filter_t *filter = kith_filter_new (text, model->schema, &error);
        cr_expect_eq (filter != NULL, s_limits [index].good, "%zu: %s at %d", index,
                      error.message, error.at);
        kith_filter_t *shared = filter ? kith_filter_share (filter) : NULL;
        kith_filter_destroy (&filter);
        if (shared)
            free (kith_filter_print (shared));
        kith_filter_destroy (&shared);
        free (text);
    }
    model_destroy (&model);
}

//  Numbers that a conversion to double would confuse
static const struct {
    const char *text;
    uint64_t rows;    //  a bit each
} s_exact [] = {
    {"id == 9223372036854775807", 0x01},
    {"id == 9223372036854775807.0", 0x00},
    {"id < 9223372036854775808.0", 0xff},
    {"id >= 9007199254740992.0", 0x33},
    {"id > 9007199254740992.0", 0x13},
    {"id in [9007199254740992.0, -1.0, 0.5]", 0xa0},
    {"id == -9223372036854775808.0", 0x04},
    {"x == id", 0x40},
    {"x > id", 0x95},
    {"x == x", 0xf7},
    {"x != x", 0x08},
    {"not x < 5", 0x1d},
    {"x < 5", 0xe2},
    {"x == 0", 0x40},
    {"x in [0, 9007199254740992, 9007199254740993]", 0x44},
    {"x not in [0]", 0xbf},
    {"id + 1 > 0", 0x72},
    {"id / 0 == 1 or not (id / 0 == 1)", 0x00},
    {"id % -1 == 0", 0xff},
    {"id / -1 > 0", 0x88},
    {"-id > 0", 0x88},
    {"id % 2 == -1", 0x88},
};

Test (filter, exact_numbers)
{
    kith_field_t fields [] = {
        {.id = 100, .name = "id", .type = KITH_TYPE_INT64, .key = true},
        {.id = 101, .name = "x", .type = KITH_TYPE_DOUBLE}};
    kith_schema_t *schema = kith_schema_new ("exact", fields, 2, 1, NULL);
    static const int64_t ids [] = {
        INT64_MAX,       INT64_MAX - 1, INT64_MIN, INT64_MIN + 1,
        (1ll << 53) + 1, 1ll << 53,     0,         -1};
    static const double xs [] = {9223372036854775808.0,
                                 -9223372036854775808.0,
                                 9007199254740992.0,
                                 (double) NAN,
                                 (double) INFINITY,
                                 -(double) (double) INFINITY,
                                 -0.0,
                                 0.5};
    kith_bytes_t body = {0};
    size_t place = kith_batch_begin (&body, 8, 2);
    kith_column_builder_t keys, reals;
    kith_column_builder_init (&keys, 100, KITH_TYPE_INT64, 0);
    kith_column_builder_init (&reals, 101, KITH_TYPE_DOUBLE, 0);
    for (uint32_t row = 0; row < 8; row++) {
        kith_column_builder_int (&keys, ids [row]);
        kith_column_builder_real (&reals, xs [row]);
    }
    kith_column_builder_finish (&keys, &body);
    kith_column_builder_finish (&reals, &body);
    kith_column_builder_free (&keys);
    kith_column_builder_free (&reals);
    kith_batch_end (&body, place);
    kith_segment_t *segment = kith_segment_grow (schema, 0, 0);
    kith_record_t record = {
        .kind = KITH_RECORD_INSERT, .seq = 1, .body = body.data, .body_bytes = body.size};
    cr_assert_eq (kith_segment_apply (segment, &record, NULL), 0);

    for (size_t index = 0; index < sizeof s_exact / sizeof s_exact [0]; index++) {
        kith_error_t error = {0};
        kith_filter_t *filter = kith_filter_new (s_exact [index].text, schema, &error);
        cr_assert (filter, "%s: %s", s_exact [index].text, error.message);
        kith_bits_t bits;
        kith_bits_init (&bits, 8, true);
        kith_filter_eval (filter, segment, &bits);
        cr_expect_eq (bits.words [0], s_exact [index].rows,
                      "%s: %02" PRIx64 ", not %02" PRIx64, s_exact [index].text,
                      bits.words [0], s_exact [index].rows);
        kith_bits_free (&bits);
        kith_filter_destroy (&filter);
    }
    kith_segment_destroy (&segment);
    kith_schema_destroy (&schema);
    kith_bytes_free (&body);
}
