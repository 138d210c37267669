//  fuzz_filter.c - hostile filter text; what is accepted prints, reads back as the same, and runs over rows
//  SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz.h"

#include "engine/query/filter.h"

static kith_schema_t *
s_schema (void)
{
    kith_field_t fields [] = {
        {.id = 100,
         .name = "word",
         .type = KITH_TYPE_VARCHAR,
         .max_length = 64,
         .key = true},
        {.id = 101, .name = "rank", .type = KITH_TYPE_INT64},
        {.id = 102, .name = "share", .type = KITH_TYPE_DOUBLE, .nullable = true},
        {.id = 103, .name = "known", .type = KITH_TYPE_BOOL, .nullable = true},
        {.id = 104, .name = "small", .type = KITH_TYPE_INT8},
        {.id = 105, .name = "narrow", .type = KITH_TYPE_FLOAT},
        {.id = 106,
         .name = "vector",
         .type = KITH_TYPE_FLOAT_VECTOR,
         .dim = 1,
         .metric = KITH_METRIC_L2}};
    return kith_schema_new ("c", fields, sizeof fields / sizeof fields [0], 1, NULL);
}

//  A column of rows with small values, some without one
static void
s_column (const kith_field_t *field, uint32_t rows, kith_bytes_t *out)
{
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, field->id, field->type, field->dim);
    for (uint32_t row = 0; row < rows; row++) {
        static const char word [] = "a%b_\303\244";
        float vector = (float) row;
        if (field->nullable && row % 3 == 0)
            kith_column_builder_null (&builder);
        else if (field->type == KITH_TYPE_VARCHAR)
            kith_column_builder_string (&builder, &word [row % 5], 6 - row % 5);
        else if (field->type == KITH_TYPE_FLOAT || field->type == KITH_TYPE_DOUBLE)
            kith_column_builder_real (&builder, (double) row / 8 - 1);
        else if (field->type == KITH_TYPE_FLOAT_VECTOR)
            kith_column_builder_fixed (&builder, &vector);
        else
            kith_column_builder_int (&builder, (int64_t) row - 3);
    }
    kith_column_builder_finish (&builder, out);
    kith_column_builder_free (&builder);
}

static kith_segment_t *
s_segment (kith_schema_t *schema)
{
    enum { ROWS = 70 };
    kith_bytes_t body = {0};
    size_t place = kith_batch_begin (&body, ROWS, kith_schema_count (schema));
    for (uint32_t index = 0; index < kith_schema_count (schema); index++)
        s_column (kith_schema_field (schema, index), ROWS, &body);
    kith_batch_end (&body, place);
    kith_record_t record = {
        .kind = KITH_RECORD_INSERT, .seq = 1, .body = body.data, .body_bytes = body.size};
    kith_segment_t *segment = kith_segment_grow (schema, 0, 0);
    int status = kith_segment_apply (segment, &record, NULL);
    assert (status == 0);
    kith_bytes_free (&body);
    return segment;
}

//  The rows that pass
static void
s_run (const kith_filter_t *filter, const kith_segment_t *segment, kith_bits_t *bits)
{
    kith_bits_init (bits, kith_segment_rows (segment), true);
    kith_filter_eval (filter, segment, bits);
}

//  What a filter means and says must not change when it is read again
static void
s_check (kith_filter_t *filter, kith_schema_t *schema, const kith_segment_t *segment)
{
    char *printed = kith_filter_print (filter);
    kith_bits_t first, second;
    s_run (filter, segment, &first);
    kith_error_t error = {0};
    kith_filter_t *again = kith_filter_new (printed, schema, &error);
    //  Brackets and escapes may make a text longer than texts may be
    assert (again || strlen (printed) > KITH_FILTER_BYTES_MAX
            || strstr (error.message, "nested") || strstr (error.message, "parts"));
    if (again) {
        char *printed_again = kith_filter_print (again);
        assert (strcmp (printed, printed_again) == 0);
        s_run (again, segment, &second);
        assert (memcmp (first.words, second.words,
                        kith_bits_words (first.count) * sizeof first.words [0])
                == 0);
        kith_bits_free (&second);
        free (printed_again);
    }
    kith_bits_free (&first);
    kith_filter_destroy (&again);
    free (printed);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    if (size > KITH_FILTER_BYTES_MAX)
        return 0;
    kith_schema_t *schema = s_schema ();
    kith_bytes_t text = {0};
    kith_bytes_put (&text, data, size);
    kith_bytes_put_u8 (&text, 0);
    kith_error_t error = {0};
    kith_filter_t *filter = kith_filter_new ((const char *) text.data, schema, &error);
    if (filter) {
        kith_segment_t *segment = s_segment (schema);
        s_check (filter, schema, segment);
        kith_segment_destroy (&segment);
    }
    else
        assert (*error.message && error.at >= 0 && (size_t) error.at <= size);
    kith_filter_destroy (&filter);
    kith_bytes_free (&text);
    kith_schema_destroy (&schema);
    return 0;
}
