//  test_indexes.c - specifications of indexes: what a field may have, and what makes two of them the same
//  SPDX-License-Identifier: Apache-2.0
#include "actors/indexes.h"

#include <criterion/criterion.h>

static kith_field_t
s_field (kith_type_t type, kith_metric_t metric)
{
    return (kith_field_t){
        .id = 101, .name = "v", .type = type, .dim = 64, .metric = metric};
}

static kith_proto_index_spec_t
s_spec (const char *type, const char *code)
{
    return (kith_proto_index_spec_t){.type = type, .code = code, .recall = 0.95f};
}

Test (indexes, what_is_given_is_named_properly)
{
    static const struct {
        kith_type_t type;
        kith_metric_t metric;
        const char *kind, *code;              //  asked for
        const char *kind_name, *code_name;    //  kept
    } cases [] = {
        {KITH_TYPE_FLOAT_VECTOR, KITH_METRIC_L2, "", "", "auto", "auto"},
        {KITH_TYPE_FLOAT_VECTOR, KITH_METRIC_IP, "hnsw", "auto", "graph", "auto"},
        {KITH_TYPE_FLOAT_VECTOR, KITH_METRIC_COSINE, "graph", "sq8", "graph", "sq8"},
        {KITH_TYPE_FLOAT_VECTOR, KITH_METRIC_L2, "flat", "", "flat", "auto"},
        {KITH_TYPE_FLOAT16_VECTOR, KITH_METRIC_L2, "auto", "", "auto", "auto"},
        {KITH_TYPE_INT8_VECTOR, KITH_METRIC_IP, "flat", "", "flat", "auto"},
        {KITH_TYPE_BINARY_VECTOR, KITH_METRIC_JACCARD, "flat", "", "flat", "auto"}};
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        kith_field_t field = s_field (cases [index].type, cases [index].metric);
        kith_proto_index_spec_t spec = s_spec (cases [index].kind, cases [index].code);
        kith_error_t error = {0};
        cr_assert_eq (kith_index_spec_check (&spec, &field, &error), 0, "%zu: %s", index,
                      error.message);
        cr_assert_eq (spec.field, 101);
        cr_assert_str_eq (spec.type, cases [index].kind_name);
        cr_assert_str_eq (spec.code, cases [index].code_name);
    }
}

Test (indexes, what_makes_no_sense_is_refused_with_what_does)
{
    static const struct {
        kith_type_t type;
        kith_metric_t metric;
        kith_proto_index_spec_t spec;
        const char *message, *hint;    //  parts of them
    } cases [] = {
        {KITH_TYPE_FLOAT_VECTOR,
         KITH_METRIC_L2,
         {.type = "tree", .code = ""},
         "no index of type 'tree' (allowed: auto, flat, graph",
         ""},
        {KITH_TYPE_FLOAT_VECTOR,
         KITH_METRIC_L2,
         {.type = "", .code = "zip"},
         "no code 'zip' (allowed: auto, float32",
         ""},
        {KITH_TYPE_FLOAT_VECTOR,
         KITH_METRIC_L2,
         {.type = "graph", .code = "pq4"},
         "field 'v': a graph has no code pq4",
         "graph over float_vector(64) l2 may have the code: auto, float32, sq8, sq4"},
        {KITH_TYPE_FLOAT_VECTOR,
         KITH_METRIC_L2,
         {.type = "flat", .code = "sq8"},
         "field 'v': flat compares the vectors themselves, it has no code sq8",
         "may have the code: auto, float32"},
        {KITH_TYPE_BINARY_VECTOR,
         KITH_METRIC_HAMMING,
         {.type = "graph", .code = ""},
         "field 'v': ",
         "a binary_vector(64) may have: auto, flat"},
        {KITH_TYPE_BINARY_VECTOR,
         KITH_METRIC_HAMMING,
         {.type = "auto", .code = "sq8"},
         "field 'v': no kind of index has the code sq8 here",
         "may have the code: auto"},
        {KITH_TYPE_FLOAT_VECTOR,
         KITH_METRIC_L2,
         {.type = "graph", .code = "", .lists = 4},
         "lists is a parameter of ivf",
         ""},
        {KITH_TYPE_FLOAT_VECTOR,
         KITH_METRIC_L2,
         {.type = "flat", .code = "", .degree = 4},
         "M is a parameter of graph and disk, not of flat",
         ""},
        {KITH_TYPE_FLOAT_VECTOR,
         KITH_METRIC_L2,
         {.type = "", .code = "", .degree = 513},
         "M is 513, at most 512",
         ""},
        {KITH_TYPE_FLOAT_VECTOR,
         KITH_METRIC_L2,
         {.type = "", .code = "", .recall = 1},
         "recall is 1, from 0 to below 1",
         ""}};
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        kith_field_t field = s_field (cases [index].type, cases [index].metric);
        kith_proto_index_spec_t spec = cases [index].spec;
        kith_error_t error = {0};
        cr_assert_eq (kith_index_spec_check (&spec, &field, &error), -1, "%zu", index);
        cr_assert_eq (error.code, KITH_ERR_INVALID);
        cr_assert (strstr (error.message, cases [index].message), "%s", error.message);
        cr_assert (strstr (error.hint, cases [index].hint), "%s", error.hint);
    }
}

Test (indexes, a_specification_is_told_by_its_hash)
{
    const kith_proto_index_spec_t one = s_spec ("graph", "auto");
    kith_proto_index_spec_t others [6];
    for (size_t index = 0; index < 6; index++)
        others [index] = one;
    others [0].type = "ivf";
    others [1].code = "sq8";
    others [2].recall = 0.99f;
    others [3].degree = 24;
    others [4].effort = 100;
    others [5].lists = 7;
    kith_proto_index_spec_t same = one;
    same.field = 200;
    cr_assert_eq (kith_index_spec_hash (&same), kith_index_spec_hash (&one));
    cr_assert_neq (kith_index_spec_hash (&one), 0);
    for (size_t index = 0; index < 6; index++)
        cr_assert_neq (kith_index_spec_hash (&others [index]),
                       kith_index_spec_hash (&one));
    //  Definitions and index rows from before there were codes go together
    const kith_proto_index_spec_t old = s_spec ("graph", "");
    cr_assert_eq (kith_index_spec_hash (&old), 0);
    cr_assert_eq (kith_index_spec_params (&old).kind, KITH_INDEX_GRAPH);
}

Test (indexes, rows_in_use_are_counted_by_field_and_specification)
{
    kith_loaded_t loaded = {0};
    kith_loaded_add (&loaded, &(kith_proto_index_loaded_t){100, 5, 10});
    kith_loaded_add (&loaded, &(kith_proto_index_loaded_t){100, 6, 20});
    kith_loaded_add (&loaded, &(kith_proto_index_loaded_t){101, 5, 30});
    kith_loaded_add (&loaded, &(kith_proto_index_loaded_t){100, 5, 1});
    cr_assert_eq (kith_loaded_rows (&loaded, 100, 5), 11);
    cr_assert_eq (kith_loaded_rows (&loaded, 100, 6), 20);
    cr_assert_eq (kith_loaded_rows (&loaded, 101, 5), 30);
    cr_assert_eq (kith_loaded_rows (&loaded, 101, 6), 0);
    for (uint32_t field = 200; field < 300; field++)
        kith_loaded_add (&loaded, &(kith_proto_index_loaded_t){field, 1, 1});
    cr_assert_eq (loaded.count, 2 * KITH_INDEXES_MAX);
}
