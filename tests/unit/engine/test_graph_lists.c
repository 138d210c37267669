//  test_graph_lists.c - many queries by lists, against an exact search
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <math.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/graph_lists.h"
#include "engine/indexes/graph_live.h"

enum {
    ROWS = 6000,
    DIM = 43,    //  no multiple of four
    QUERIES = 150,
    CLOUDS = 40,
    K = 10,
    COPIED = 9    //  every so many rows one is equal to another
};

typedef struct {
    kith_rows_t rows;
    char *vectors, *queries;
    float *norms, *query_norms;
    kith_graph_t *graph;
    kith_graph_scratch_t *scratch;
    kith_topk_t tops [QUERIES];
    uint64_t compared;
} data_t;

//  Clouds about centres far from the origin, so that inner products and angles are not alike
static void
s_vectors (uint64_t seed, kith_vector_t type, uint32_t count, char *vectors, float *norms)
{
    const size_t bytes = kith_vector_bytes (type, DIM);
    kith_random_t random, cloud;
    kith_random_seed (&random, seed);
    for (uint32_t row = 0; row < count; row++) {
        char *vector = vectors + row * bytes;
        kith_random_seed (&cloud, 77 + kith_random_below (&random, CLOUDS));
        for (uint32_t index = 0; index < DIM; index++) {
            const float value = (float) (0.7 + 1.5 * kith_random_normal (&cloud)
                                         + kith_random_normal (&random));
            const int8_t small = (int8_t) lrintf (fmaxf (fminf (value * 15, 127), -128));
            if (type == KITH_VECTOR_INT8)
                memcpy (vector + index * sizeof small, &small, sizeof small);
            else
                memcpy (vector + index * sizeof value, &value, sizeof value);
        }
        if (row % COPIED == 0 && row > COPIED)
            memcpy (vector, vectors + row / 2 * bytes, bytes);
        norms [row] = kith_norm_of (type, vector, DIM);
    }
}

static kith_graph_t *
s_build (const data_t *data, kith_graph_code_t code, kith_parallel_t *parallel)
{
    const kith_graph_params_t params = {
        .seed = 3, .build_effort = 60, .code = 1 + code, .parallel = parallel};
    kith_error_t error;
    kith_graph_t *graph = kith_graph_build (&data->rows, &params, &error);
    cr_assert (graph, "%s", error.message);
    return graph;
}

static data_t
s_data (kith_metric_t metric, kith_vector_t type, kith_graph_code_t code)
{
    data_t data = {.scratch = kith_graph_scratch_new ()};
    const size_t bytes = kith_vector_bytes (type, DIM);
    data.vectors = kith_alloc64 (ROWS * bytes);
    data.queries = kith_alloc64 (QUERIES * bytes);
    data.norms = kith_alloc64 (ROWS * sizeof (float));
    data.query_norms = kith_alloc64 (QUERIES * sizeof (float));
    s_vectors (1, type, ROWS, data.vectors, data.norms);
    s_vectors (2, type, QUERIES, data.queries, data.query_norms);
    data.rows = (kith_rows_t){.vectors = data.vectors,
                              .norms = metric == KITH_METRIC_COSINE ? data.norms : NULL,
                              .rows = ROWS,
                              .dim = DIM,
                              .metric = metric,
                              .type = type};
    data.graph = s_build (&data, code, NULL);
    return data;
}

static void
s_free (data_t *data)
{
    kith_graph_destroy (&data->graph);
    kith_graph_scratch_destroy (&data->scratch);
    free (data->vectors);
    free (data->queries);
    free (data->norms);
    free (data->query_norms);
}

static void
s_free_tops (data_t *data)
{
    for (uint32_t query = 0; query < QUERIES; query++)
        kith_topk_free (&data->tops [query]);
}

//  Asks queries first .. first + count - 1 in one batch, which see `lists` lists each; strayed may be null
static void
s_ask (data_t *data, const kith_graph_t *graph, uint32_t first, uint32_t count,
       uint32_t lists, const kith_bits_t *live, bool *strayed)
{
    const bool cosine = data->rows.metric == KITH_METRIC_COSINE;
    const kith_graph_batch_t batch = {
        .queries = data->queries + first * kith_vector_bytes (data->rows.type, DIM),
        .norms = cosine ? data->query_norms + first : NULL,
        .count = count};
    const kith_graph_query_t options = {.k = K, .live = live};
    const kith_graph_many_t many = {.batch = &batch,
                                    .options = &options,
                                    .rows = ROWS,
                                    .live = live ? kith_bits_popcount (live) : ROWS,
                                    .lists = lists,
                                    .strayed = strayed};
    bool stopped = false;
    data->compared = 0;
    for (uint32_t query = first; query < first + count; query++)
        kith_topk_init (&data->tops [query], K);
    cr_assert (kith_graph_lists_search (graph, &many, data->scratch, data->tops + first,
                                        &data->compared, &stopped));
    cr_assert (!stopped);
    for (uint32_t query = first; query < first + count; query++)
        kith_topk_sort (&data->tops [query]);
}

//  Share of the true neighbours among the answers; each of these must have its exact distance
static double
s_recall (data_t *data, const kith_bits_t *live)
{
    const bool cosine = data->rows.metric == KITH_METRIC_COSINE;
    const size_t bytes = kith_vector_bytes (data->rows.type, DIM);
    uint32_t found = 0;
    for (uint32_t query = 0; query < QUERIES; query++) {
        const char *vector = data->queries + query * bytes;
        kith_topk_t truth;
        kith_topk_init (&truth, K);
        kith_flat_search (&data->rows, vector, &data->query_norms [query], 1, live, 0, 0,
                          &truth);
        kith_topk_sort (&truth);
        const kith_topk_t *top = &data->tops [query];
        for (uint32_t hit = 0; hit < top->count; hit++) {
            const uint64_t row = top->hits [hit].row;
            const float score = kith_score_of (
                data->rows.type, data->rows.metric,
                (kith_side_t){vector, cosine ? data->query_norms [query] : 0},
                (kith_side_t){data->vectors + row * bytes,
                              cosine ? data->norms [row] : 0},
                DIM);
            cr_assert_eq (top->hits [hit].distance,
                          kith_score_distance (data->rows.metric, score));
            cr_assert (!live || kith_bits_get (live, (uint32_t) row));
            cr_assert (hit == 0 || row != top->hits [hit - 1].row);
            found += top->hits [hit].distance <= truth.hits [K - 1].distance;
        }
        kith_topk_free (&truth);
    }
    return found / (double) (QUERIES * K);
}

static uint32_t
s_lists_for (const kith_graph_t *graph, float recall)
{
    const kith_graph_grid_t grid = {graph->header.list_points, graph->header.list_grid};
    cr_assert (kith_graph_grid_reaches (&grid, recall, K));
    return (uint32_t) kith_graph_grid_effort (&grid, recall, K);
}

Test (graph_lists, find_what_was_asked_for)
{
    const kith_vector_t types [] = {KITH_VECTOR_FLOAT32, KITH_VECTOR_INT8};
    for (size_t type = 0; type < 2; type++)
        for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE;
             metric++)
            for (kith_graph_code_t code = KITH_GRAPH_NIBBLES; code <= KITH_GRAPH_BYTES;
                 code++) {
                data_t data = s_data (metric, types [type], code);
                cr_assert_eq (data.graph->header.lists, kith_graph_lists_of (ROWS));
                const uint32_t lists = s_lists_for (data.graph, 0.95f);
                cr_assert_lt (lists, data.graph->header.lists);
                s_ask (&data, data.graph, 0, QUERIES, lists, NULL, NULL);
                cr_assert_gt (s_recall (&data, NULL), 0.93,
                              "metric %d, code %d, %u lists", (int) metric, (int) code,
                              lists);
                cr_assert_lt (data.compared, (uint64_t) QUERIES * ROWS / 2);
                s_free_tops (&data);
                //  All of them: nothing but the codes misses anything
                s_ask (&data, data.graph, 0, QUERIES, data.graph->header.lists, NULL,
                       NULL);
                cr_assert_gt (s_recall (&data, NULL), 0.985);
                s_free_tops (&data);
                s_free (&data);
            }
}

//  What a query is answered does not depend on the others
Test (graph_lists, batches_of_any_size_answer_alike)
{
    data_t data = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, KITH_GRAPH_NIBBLES);
    const uint32_t sizes [] = {1, 7, 8, 9, 50};
    const uint32_t lists = s_lists_for (data.graph, 0.9f);
    s_ask (&data, data.graph, 0, QUERIES, lists, NULL, NULL);
    data_t parts = data;
    for (size_t size = 0; size < sizeof sizes / sizeof sizes [0]; size++) {
        for (uint32_t first = 0; first < QUERIES; first += sizes [size]) {
            const uint32_t left = QUERIES - first;
            s_ask (&parts, data.graph, first, left < sizes [size] ? left : sizes [size],
                   lists, NULL, NULL);
        }
        for (uint32_t query = 0; query < QUERIES; query++) {
            cr_assert_eq (parts.tops [query].count, data.tops [query].count);
            cr_assert_arr_eq (parts.tops [query].hits, data.tops [query].hits,
                              K * sizeof (kith_hit_t));
        }
        s_free_tops (&parts);
    }
    s_free_tops (&data);
    s_free (&data);
}

//  Rows that may not be answered: some at random, then those that are nearest to a third of the queries, which stray
Test (graph_lists, leave_out_rows_and_tell_who_strayed)
{
    data_t data = s_data (KITH_METRIC_COSINE, KITH_VECTOR_FLOAT32, KITH_GRAPH_NIBBLES);
    const uint32_t lists = s_lists_for (data.graph, 0.95f);
    bool strayed [QUERIES];
    kith_bits_t live;
    kith_bits_init (&live, ROWS, true);
    for (uint32_t row = 0; row < ROWS; row += 10)
        kith_bits_drop (&live, row);
    s_ask (&data, data.graph, 0, QUERIES, lists, &live, strayed);
    for (uint32_t query = 0; query < QUERIES; query++)
        cr_assert (!strayed [query]);
    cr_assert_gt (s_recall (&data, &live), 0.92);
    s_free_tops (&data);
    for (uint32_t query = 0; query < QUERIES; query += 3) {
        kith_topk_t top;
        kith_topk_init (&top, ROWS / CLOUDS * 2);
        kith_flat_search (&data.rows, data.queries + query * DIM * sizeof (float),
                          &data.query_norms [query], 1, NULL, 0, 0, &top);
        for (uint32_t hit = 0; hit < top.count; hit++)
            kith_bits_drop (&live, (uint32_t) top.hits [hit].row);
        kith_topk_free (&top);
    }
    s_ask (&data, data.graph, 0, QUERIES, 2, &live, strayed);
    uint32_t count = 0;
    for (uint32_t query = 0; query < QUERIES; query++) {
        count += strayed [query];
        cr_assert (!strayed [query] || data.tops [query].count == 0);
    }
    cr_assert_geq (count, QUERIES / 4);
    s_free_tops (&data);
    kith_bits_free (&live);
    s_free (&data);
}

//  Lists are not of one size: who sees fewer rows than are asked for is not answered with fewer
Test (graph_lists, tell_who_saw_too_few_rows)
{
    enum { MANY = 100 };
    data_t data = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, KITH_GRAPH_NIBBLES);
    const kith_graph_batch_t batch = {.queries = data.queries, .count = QUERIES};
    const kith_graph_query_t options = {.k = MANY};
    bool strayed [QUERIES], stopped = false;
    const kith_graph_many_t many = {.batch = &batch,
                                    .options = &options,
                                    .rows = ROWS,
                                    .live = ROWS,
                                    .lists = 1,
                                    .strayed = strayed};
    uint32_t count = 0;
    for (uint32_t query = 0; query < QUERIES; query++)
        kith_topk_init (&data.tops [query], MANY);
    cr_assert (kith_graph_lists_search (data.graph, &many, data.scratch, data.tops,
                                        &data.compared, &stopped));
    for (uint32_t query = 0; query < QUERIES; query++) {
        count += strayed [query];
        cr_assert_eq (data.tops [query].count, strayed [query] ? 0 : MANY);
    }
    cr_assert_gt (count, 0);
    s_free_tops (&data);
    s_free (&data);
}

//  The whole way, whichever it is on this CPU: k and efforts that lists were measured for, and those that they were not
Test (graph_lists, a_large_batch_finds_what_was_asked_for)
{
    data_t data = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, KITH_GRAPH_NIBBLES);
    kith_bits_t live;
    kith_bits_init (&live, ROWS, true);
    for (uint32_t query = 0; query < QUERIES; query += 3) {
        kith_topk_t top;
        kith_topk_init (&top, 25);
        kith_flat_search (&data.rows, data.queries + query * DIM * sizeof (float), NULL,
                          1, NULL, 0, 0, &top);
        for (uint32_t hit = 0; hit < top.count; hit++)
            kith_bits_drop (&live, (uint32_t) top.hits [hit].row);
        kith_topk_free (&top);
    }
    const kith_bits_t *lives [] = {NULL, &live};
    const uint32_t efforts [] = {0, 30, 5000};
    for (size_t which = 0; which < 2; which++)
        for (size_t effort = 0; effort < 3; effort++) {
            const kith_graph_query_t options = {
                .k = K, .effort = efforts [effort], .live = lives [which]};
            const kith_graph_batch_t batch = {.queries = data.queries, .count = QUERIES};
            bool stopped = false;
            for (uint32_t query = 0; query < QUERIES; query++)
                kith_topk_init (&data.tops [query], K);
            cr_assert_gt (kith_graph_search_batch (data.graph, &batch, &options,
                                                   data.scratch, data.tops, &stopped),
                          0);
            cr_assert (!stopped);
            for (uint32_t query = 0; query < QUERIES; query++)
                kith_topk_sort (&data.tops [query]);
            cr_assert_gt (s_recall (&data, lives [which]), 0.92);
            s_free_tops (&data);
        }
    kith_bits_free (&live);
    s_free (&data);
}

static bool
s_stop (void *arg)
{
    uint32_t *left = arg;
    return (*left)-- == 0;
}

Test (graph_lists, stop_when_told)
{
    data_t data = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, KITH_GRAPH_NIBBLES);
    uint32_t left = 3;
    const kith_graph_batch_t batch = {
        .queries = data.queries, .count = QUERIES, .stop = s_stop, .stop_arg = &left};
    const kith_graph_query_t options = {.k = K};
    const kith_graph_many_t many = {
        .batch = &batch, .options = &options, .rows = ROWS, .live = ROWS, .lists = 5};
    bool stopped = false;
    for (uint32_t query = 0; query < QUERIES; query++)
        kith_topk_init (&data.tops [query], K);
    cr_assert (kith_graph_lists_search (data.graph, &many, data.scratch, data.tops,
                                        &data.compared, &stopped));
    cr_assert (stopped);
    for (uint32_t query = 0; query < QUERIES; query++)
        cr_assert_eq (data.tops [query].count, 0);
    s_free_tops (&data);
    s_free (&data);
}

static const kith_section_t *
s_section (const kith_section_t *sections, size_t count, uint32_t id)
{
    for (size_t index = 0; index < count; index++)
        if (sections [index].id == id)
            return &sections [index];
    cr_assert_fail ("no section %u", id);
    return NULL;
}

Test (graph_lists, are_the_same_whatever_the_threads)
{
    data_t data = s_data (KITH_METRIC_IP, KITH_VECTOR_FLOAT32, KITH_GRAPH_BYTES);
    kith_parallel_t *threads = kith_parallel_threads_new (3);
    kith_graph_t *other = s_build (&data, KITH_GRAPH_BYTES, threads);
    kith_section_t one [16], two [16];
    const size_t count = kith_graph_sections (data.graph, one);
    cr_assert_eq (kith_graph_sections (other, two), count);
    for (uint32_t id = KITH_GRAPH_CENTRES; id <= KITH_GRAPH_LIST_MEMBERS; id++) {
        const kith_section_t *left = s_section (one, count, id),
                             *right = s_section (two, count, id);
        cr_assert_eq (left->size, right->size);
        cr_assert_eq (memcmp (left->data, right->data, left->size), 0);
    }
    cr_assert_eq (memcmp (&data.graph->header, &other->header, sizeof other->header), 0);
    kith_graph_destroy (&other);
    kith_parallel_threads_destroy (&threads);
    s_free (&data);
}

//  Writes a number over one of a section's and puts it back; returns whether the index was opened
static bool
s_opens_with (const data_t *data, const kith_section_t *sections, size_t count,
              uint32_t id, size_t at, uint32_t value)
{
    const kith_section_t *section = s_section (sections, count, id);
    char *place = (char *) (uintptr_t) section->data + at;
    uint32_t before;
    memcpy (&before, place, sizeof before);
    memcpy (place, &value, sizeof value);
    kith_error_t error;
    kith_error_clear (&error);
    kith_graph_t *graph = kith_graph_open (&data->rows, sections, count, &error);
    const bool opened = graph != NULL;
    cr_assert (opened || error.code == KITH_ERR_CORRUPT);
    kith_graph_destroy (&graph);
    memcpy (place, &before, sizeof before);
    return opened;
}

Test (graph_lists, are_stored_and_believed_only_if_sane)
{
    data_t data = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, KITH_GRAPH_NIBBLES);
    kith_section_t sections [16];
    const size_t count = kith_graph_sections (data.graph, sections);
    kith_error_t error;
    kith_graph_t *opened = kith_graph_open (&data.rows, sections, count, &error);
    cr_assert (opened, "%s", error.message);
    s_ask (&data, data.graph, 0, QUERIES, 6, NULL, NULL);
    data_t again = data;
    s_ask (&again, opened, 0, QUERIES, 6, NULL, NULL);
    for (uint32_t query = 0; query < QUERIES; query++)
        cr_assert_arr_eq (again.tops [query].hits, data.tops [query].hits,
                          K * sizeof (kith_hit_t));
    s_free_tops (&again);
    s_free_tops (&data);
    kith_graph_destroy (&opened);

    const size_t lists_at = offsetof (kith_graph_header_t, lists),
                 grid_at = offsetof (kith_graph_header_t, list_grid),
                 point_at = offsetof (kith_graph_header_t, list_points);
    const uint32_t lists = data.graph->header.lists;
    const struct {
        uint32_t id;
        size_t at;
        uint32_t value;
        bool opens;
    } cases [] = {
        {KITH_GRAPH_LIST_STARTS, 0, 0, true},
        {KITH_GRAPH_LIST_STARTS, 0, 1, false},
        {KITH_GRAPH_LIST_STARTS, 4, ROWS + 1, false},
        {KITH_GRAPH_LIST_STARTS, lists * 4ull, ROWS - 1, false},
        {KITH_GRAPH_LIST_STARTS, lists * 4ull, UINT32_MAX, false},
        {KITH_GRAPH_LIST_MEMBERS, 0, ROWS, false},
        {KITH_GRAPH_LIST_MEMBERS, (ROWS - 1) * 4ull, UINT32_MAX, false},
        {KITH_GRAPH_LIST_MEMBERS, 40, data.graph->members [9], false},    //  twice
        {KITH_GRAPH_CENTRES, 0, 0x7fc00000, false},                       //  NaN
        {KITH_GRAPH_CENTRES, 4, 0x7f800000, false},                       //  infinity
        {KITH_GRAPH_HEADER, lists_at, 0, false},
        {KITH_GRAPH_HEADER, lists_at, lists + 1, false},
        {KITH_GRAPH_HEADER, lists_at, UINT32_MAX, false},
        {KITH_GRAPH_HEADER, grid_at, KITH_GRAPH_LIST_GRID_MAX + 1, false},
        {KITH_GRAPH_HEADER, grid_at, 0, true},
        {KITH_GRAPH_HEADER, point_at, 0, false},
        {KITH_GRAPH_HEADER, point_at, lists + 1, false},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++)
        cr_assert_eq (s_opens_with (&data, sections, count, cases [index].id,
                                    cases [index].at, cases [index].value),
                      cases [index].opens, "case %zu", index);
    s_free (&data);
}

//  A graph that changes has none, and gets them anew when it is laid out
Test (graph_lists, go_when_a_graph_changes)
{
    data_t data = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, KITH_GRAPH_NIBBLES);
    const kith_graph_params_t params = {.seed = 5};
    const kith_graph_query_t options = {.k = K};
    kith_error_t error;
    cr_assert_eq (kith_graph_thaw (data.graph, &data.rows, ROWS, &error), 0);
    cr_assert_eq (data.graph->header.lists, 0);
    cr_assert_eq (kith_graph_lists_wanted (data.graph, &options, QUERIES, ROWS, 1e9), 0);
    cr_assert_eq (kith_graph_freeze (data.graph, &params, &error), 0);
    cr_assert_eq (data.graph->header.lists, kith_graph_lists_of (ROWS));
    cr_assert_gt (kith_graph_lists_wanted (data.graph, &options, QUERIES, ROWS, 1e9), 0);
    s_ask (&data, data.graph, 0, QUERIES, s_lists_for (data.graph, 0.95f), NULL, NULL);
    cr_assert_gt (s_recall (&data, NULL), 0.93);
    s_free_tops (&data);
    s_free (&data);
}

Test (graph_lists, are_used_only_where_they_were_measured)
{
    data_t data = s_data (KITH_METRIC_L2, KITH_VECTOR_FLOAT32, KITH_GRAPH_NIBBLES);
    const kith_graph_t *graph = data.graph;
    kith_graph_query_t options = {.k = K};
    const double dear = 1e9;
    const uint32_t lists = kith_graph_lists_wanted (graph, &options, 1000, ROWS, dear);
    cr_assert_gt (lists, 0);
    cr_assert_eq (kith_graph_lists_wanted (graph, &options, 5, ROWS, dear), 0);
    cr_assert_eq (kith_graph_lists_wanted (graph, &options, 1000, ROWS / 2, dear), 0);
    cr_assert_eq (kith_graph_lists_wanted (graph, &options, 1000, ROWS, 1), 0);
    options.recall = 0.99f;
    cr_assert_gt (kith_graph_lists_wanted (graph, &options, 1000, ROWS, dear), lists);
    //  An effort stands for what its walk was calibrated to
    options.effort = graph->header.points [0].effort;
    cr_assert_lt (kith_graph_lists_wanted (graph, &options, 1000, ROWS, dear), lists);
    options.effort = 0;
    options.recall = 1;
    cr_assert_eq (kith_graph_lists_wanted (graph, &options, 1000, ROWS, dear), 0);
    options.recall = 0.9f;
    options.k = 101;
    cr_assert_eq (kith_graph_lists_wanted (graph, &options, 1000, ROWS, dear), 0);
    s_free (&data);
}
