//  fuzz_filter - hostile text as a filter; what is accepted prints as text that means the same
//  SPDX-License-Identifier: Apache-2.0
#include "engine/query/filter.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_MAX = 4096 };

static kith_schema_t *
s_schema (void)
{
    static const kith_field_t fields [] = {
        {.id = KITH_FIELD_USER,
         .name = "word",
         .type = KITH_TYPE_VARCHAR,
         .max_length = 64,
         .key = true},
        {.id = KITH_FIELD_USER + 1, .name = "rank", .type = KITH_TYPE_INT64},
        {.id = KITH_FIELD_USER + 2,
         .name = "share",
         .type = KITH_TYPE_DOUBLE,
         .nullable = true},
        {.id = KITH_FIELD_USER + 3,
         .name = "known",
         .type = KITH_TYPE_BOOL,
         .nullable = true},
        {.id = KITH_FIELD_USER + 4, .name = "small", .type = KITH_TYPE_INT8},
        {.id = KITH_FIELD_USER + 5,
         .name = "vector",
         .type = KITH_TYPE_FLOAT_VECTOR,
         .dim = 4,
         .metric = KITH_METRIC_L2},
    };
    return kith_schema_new ("fuzz", fields, sizeof fields / sizeof fields [0], 1, NULL);
}

//  print (parse (x)) parses, and prints as itself
static void
s_round (const kith_filter_t *filter, kith_schema_t *schema)
{
    char *text = kith_filter_print (filter);
    kith_error_t error = {.at = -1};
    kith_filter_t *again = kith_filter_new (text, schema, &error);
    if (!again) {
        fprintf (stderr, "fuzz_filter: %s: %s\n", text, error.message);
        abort ();
    }
    char *twice = kith_filter_print (again);
    if (strcmp (text, twice) != 0) {
        fprintf (stderr, "fuzz_filter: %s became %s\n", text, twice);
        abort ();
    }
    kith_filter_destroy (&again);
    free (text);
    free (twice);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static kith_schema_t *schema;
    char text [TEXT_MAX + 1];
    kith_error_t error = {.at = -1};
    if (!schema)
        schema = s_schema ();
    if (size > TEXT_MAX || memchr (data, 0, size))
        return 0;
    memcpy (text, data, size);
    text [size] = 0;
    kith_filter_t *filter = kith_filter_new (text, schema, &error);
    if (filter)
        s_round (filter, schema);
    else if (error.code == KITH_OK || !*error.message || error.at > (int) size)
        abort ();
    kith_filter_destroy (&filter);
    return 0;
}
