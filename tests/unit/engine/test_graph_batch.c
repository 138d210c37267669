//  test_graph_batch.c - queries of a batch against the same queries one by one
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/graph_layout.h"
#include "engine/indexes/graph_live.h"

enum {
    ROWS = 4000,
    LATER = 400,    //  rows that a graph which changes gets
    DIM = 40,
    QUERIES = 33,
    K = 10,
    COPIED = 7    //  every so many rows one is equal to another
};

static const uint32_t s_sizes [] = {1, 3, 8, QUERIES};

typedef struct {
    kith_rows_t rows;
    char *vectors, *queries;
    float *norms, *query_norms;
    kith_graph_t *graph;
    kith_graph_scratch_t *scratch, *alone;
} data_t;

static void
s_vector (kith_random_t *random, kith_vector_t type, char *vector)
{
    for (uint32_t index = 0; index < DIM; index++) {
        const float value = (float) kith_random_normal (random);
        uint32_t bits;
        memcpy (&bits, &value, sizeof bits);
        const uint16_t upper = (uint16_t) (bits >> 16);
        const int8_t small = (int8_t) (value * 20);
        if (type == KITH_VECTOR_INT8)
            memcpy (vector + index * sizeof small, &small, sizeof small);
        else if (type == KITH_VECTOR_BFLOAT16)
            memcpy (vector + index * sizeof upper, &upper, sizeof upper);
        else
            memcpy (vector + index * sizeof value, &value, sizeof value);
    }
}

static void
s_vectors (kith_random_t *random, kith_vector_t type, uint32_t count, char *vectors,
           float *norms)
{
    const size_t bytes = kith_vector_bytes (type, DIM);
    for (uint32_t index = 0; index < count; index++) {
        char *vector = vectors + index * bytes;
        if (index % COPIED == 0 && index > COPIED)
            memcpy (vector, vectors + index / 2 * bytes, bytes);
        else
            s_vector (random, type, vector);
        norms [index] = kith_norm_of (type, vector, DIM);
    }
}

static data_t
s_data (kith_metric_t metric, kith_vector_t type, uint32_t rows, kith_graph_code_t code)
{
    data_t data = {.scratch = kith_graph_scratch_new (),
                   .alone = kith_graph_scratch_new ()};
    const uint32_t room = rows + LATER;
    const size_t bytes = kith_vector_bytes (type, DIM);
    kith_random_t random;
    kith_random_seed (&random, 11);
    data.vectors = kith_alloc64 (room * bytes);
    data.queries = kith_alloc64 (QUERIES * bytes);
    data.norms = kith_alloc64 (room * sizeof (float));
    data.query_norms = kith_alloc64 (QUERIES * sizeof (float));
    s_vectors (&random, type, room, data.vectors, data.norms);
    s_vectors (&random, type, QUERIES, data.queries, data.query_norms);
    data.rows = (kith_rows_t){.vectors = data.vectors,
                              .norms = metric == KITH_METRIC_COSINE ? data.norms : NULL,
                              .rows = rows,
                              .dim = DIM,
                              .metric = metric,
                              .type = type};
    kith_graph_params_t params = {.seed = 3, .build_effort = 60, .code = 1 + code};
    kith_error_t error;
    data.graph = kith_graph_build (&data.rows, &params, &error);
    cr_assert (data.graph, "%s", error.message);
    cr_assert_eq (data.graph->header.code, code);
    return data;
}

static void
s_free (data_t *data)
{
    kith_graph_destroy (&data->graph);
    kith_graph_scratch_destroy (&data->scratch);
    kith_graph_scratch_destroy (&data->alone);
    free (data->vectors);
    free (data->queries);
    free (data->norms);
    free (data->query_norms);
}

static void
s_check_top (kith_topk_t *got, kith_topk_t *wanted, uint32_t query)
{
    kith_topk_sort (got);
    kith_topk_sort (wanted);
    cr_assert_eq (got->count, wanted->count, "query %u", query);
    for (uint32_t hit = 0; hit < got->count; hit++) {
        cr_assert_eq (got->hits [hit].row, wanted->hits [hit].row, "query %u, hit %u",
                      query, hit);
        cr_assert_eq (got->hits [hit].distance, wanted->hits [hit].distance);
        cr_assert_eq (got->hits [hit].part, wanted->hits [hit].part);
    }
}

//  Asks `count` queries in one call and one by one; returns the rows compared
static uint64_t
s_check_batch (data_t *data, kith_graph_query_t options, uint32_t count)
{
    const bool cosine = data->rows.metric == KITH_METRIC_COSINE;
    const size_t bytes = kith_vector_bytes (data->rows.type, DIM);
    kith_graph_batch_t batch = {.queries = data->queries,
                                .norms = cosine ? data->query_norms : NULL,
                                .count = count};
    kith_topk_t tops [QUERIES];
    bool stopped = false;
    uint64_t alone = 0;
    options.part = 5;
    options.first_row = 70000;
    for (uint32_t query = 0; query < count; query++)
        kith_topk_init (&tops [query], options.k);
    const uint64_t compared = kith_graph_search_batch (data->graph, &batch, &options,
                                                       data->scratch, tops, &stopped);
    cr_assert (!stopped);
    for (uint32_t query = 0; query < count; query++) {
        kith_topk_t top;
        kith_topk_init (&top, options.k);
        alone += kith_graph_search (data->graph, data->queries + query * bytes,
                                    cosine ? data->query_norms [query] : 0, &options,
                                    data->alone, &top);
        s_check_top (&tops [query], &top, query);
        kith_topk_free (&top);
        kith_topk_free (&tops [query]);
    }
    cr_assert_eq (compared, alone);
    return compared;
}

static void
s_check (data_t *data, const kith_bits_t *live)
{
    const uint32_t efforts [] = {10, 40, 150};
    for (size_t size = 0; size < sizeof s_sizes / sizeof s_sizes [0]; size++)
        for (size_t index = 0; index < sizeof efforts / sizeof efforts [0]; index++) {
            kith_graph_query_t options = {
                .k = K, .effort = efforts [index], .live = live};
            cr_assert_gt (s_check_batch (data, options, s_sizes [size]), 0);
        }
}

Test (graph_batch, answers_as_one_by_one_for_all_codes)
{
    for (kith_graph_code_t code = KITH_GRAPH_FLOATS; code <= KITH_GRAPH_BITS; code++)
        for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE;
             metric++) {
            data_t data = s_data (metric, KITH_VECTOR_FLOAT32, ROWS, code);
            s_check (&data, NULL);
            s_free (&data);
        }
}

Test (graph_batch, answers_as_one_by_one_for_other_vectors)
{
    const kith_vector_t types [] = {KITH_VECTOR_BFLOAT16, KITH_VECTOR_INT8};
    for (size_t type = 0; type < sizeof types / sizeof types [0]; type++)
        for (kith_graph_code_t code = KITH_GRAPH_FLOATS; code <= KITH_GRAPH_BYTES;
             code += KITH_GRAPH_BYTES) {
            data_t data = s_data (KITH_METRIC_COSINE, types [type], ROWS, code);
            s_check (&data, NULL);
            s_free (&data);
        }
}

//  More rows than are listed at once: what one query lists, the next one must not take for its own
Test (graph_batch, answers_as_one_by_one_when_rows_are_listed_in_turns)
{
    const uint32_t rows = 3 * KITH_GRAPH_LISTED;
    data_t data = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, rows, KITH_GRAPH_NIBBLES);
    kith_bits_t live;
    kith_bits_init (&live, rows, false);
    for (uint32_t row = 0; row < rows; row++)
        if (kith_mix64 (row) % 10 < 7)
            kith_bits_set (&live, row);
    kith_graph_query_t options = {.k = K, .effort = rows / 2, .live = &live};
    kith_graph_plan_t plan =
        kith_graph_plan (data.graph, data.alone, rows, options.effort, &options);
    cr_assert_eq (plan.way, KITH_GRAPH_SCAN_CODES);
    cr_assert_gt (plan.live, plan.listed);
    s_check_batch (&data, options, 3);
    kith_bits_free (&live);
    s_free (&data);
}

Test (graph_batch, answers_as_one_by_one_under_filters)
{
    data_t data = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, ROWS, KITH_GRAPH_NIBBLES);
    const uint32_t keeps [] = {1000, 950, 400, 10};
    for (size_t keep = 0; keep < sizeof keeps / sizeof keeps [0]; keep++) {
        kith_bits_t live;
        kith_bits_init (&live, ROWS, false);
        for (uint32_t row = 0; row < ROWS; row++)
            if (kith_mix64 (row) % 1000 < keeps [keep])
                kith_bits_set (&live, row);
        s_check (&data, &live);
        kith_bits_free (&live);
    }
    s_free (&data);
}

//  Graphs without upper levels and without rows, a wide answer, one that takes all rows
Test (graph_batch, small_graphs_and_large_answers)
{
    for (uint32_t rows = 0; rows <= 60; rows += 20) {
        data_t data =
            s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, rows, KITH_GRAPH_NIBBLES);
        s_check_batch (&data, (kith_graph_query_t){.k = K, .effort = 12}, QUERIES);
        s_check_batch (&data, (kith_graph_query_t){.k = 100}, QUERIES);
        s_check_batch (&data, (kith_graph_query_t){.k = 0}, QUERIES);
        s_free (&data);
    }
    data_t data = s_data (KITH_METRIC_IP, KITH_VECTOR_FLOAT32, ROWS, KITH_GRAPH_BYTES);
    s_check_batch (&data, (kith_graph_query_t){.k = 300, .recall = 0.9f}, QUERIES);
    s_check_batch (&data, (kith_graph_query_t){.k = 1, .recall = 0.5f}, QUERIES);
    s_free (&data);
}

Test (graph_batch, answers_as_one_by_one_while_the_graph_changes)
{
    data_t data =
        s_data (KITH_METRIC_COSINE, KITH_VECTOR_FLOAT32, ROWS, KITH_GRAPH_NIBBLES);
    kith_error_t error;
    cr_assert_eq (kith_graph_thaw (data.graph, &data.rows, ROWS + LATER, &error), 0);
    s_check (&data, NULL);
    cr_assert_eq (kith_graph_insert (data.graph, LATER, &error), 0);
    data.rows.rows += LATER;
    s_check (&data, NULL);
    for (uint32_t row = 0; row < ROWS; row += 9)
        kith_graph_remove (data.graph, row);
    s_check (&data, NULL);
    s_free (&data);
}

//  One scratch for graphs of several sizes: what one left behind does not show in the next
Test (graph_batch, scratch_serves_many_graphs)
{
    data_t small = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, 500, KITH_GRAPH_NIBBLES);
    data_t large = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, ROWS, KITH_GRAPH_FLOATS);
    kith_graph_scratch_t *own = large.scratch;
    large.scratch = small.scratch;
    for (uint32_t round = 0; round < 20; round++)
        s_check_batch (round % 2 ? &large : &small,
                       (kith_graph_query_t){.k = K, .effort = 30}, QUERIES);
    large.scratch = own;
    s_free (&small);
    s_free (&large);
}

static bool
s_stop (void *arg)
{
    uint32_t *left = arg;
    return (*left)-- == 0;
}

//  Queries that were answered before the stop are whole, the others are empty
Test (graph_batch, stops_when_told)
{
    data_t data = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, ROWS, KITH_GRAPH_NIBBLES);
    for (uint32_t asked = 0; asked < 20; asked += 5) {
        kith_topk_t tops [QUERIES];
        bool stopped = false;
        uint32_t left = asked, whole = 0;
        const kith_graph_query_t options = {.k = K, .effort = 40};
        const kith_graph_batch_t batch = {
            .queries = data.queries, .count = QUERIES, .stop = s_stop, .stop_arg = &left};
        for (uint32_t query = 0; query < QUERIES; query++)
            kith_topk_init (&tops [query], K);
        kith_graph_search_batch (data.graph, &batch, &options, data.scratch, tops,
                                 &stopped);
        cr_assert (stopped);
        for (uint32_t query = 0; query < QUERIES; query++) {
            whole += tops [query].count == K;
            kith_topk_free (&tops [query]);
        }
        cr_assert_leq (whole, asked);
    }
    s_check (&data, NULL);
    s_free (&data);
}
