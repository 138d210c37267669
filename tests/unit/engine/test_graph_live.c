//  test_graph_live.c - a graph that changes: against fresh builds, against exact search, and under searches
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/graph_layout.h"
#include "engine/indexes/graph_live.h"

//  A byte a dimension fills a line nearly, so that the trailers of the codes lie apart
enum { ROWS = 8000, DIM = 60, QUERIES = 100, K = 10, EFFORT = 60, CENTRES = 150 };

typedef struct {
    kith_rows_t rows;
    float *vectors, *norms;
    float *queries;
} data_t;

//  `room` rows about common centres, of which the first `rows` count
static data_t
s_data (kith_metric_t metric, uint32_t rows, uint32_t room)
{
    data_t data = {.vectors = kith_alloc64 ((size_t) room * DIM * sizeof (float)),
                   .norms = kith_alloc64 (room * sizeof (float)),
                   .queries = kith_alloc64 (QUERIES * DIM * sizeof (float))};
    kith_random_t random;
    kith_random_seed (&random, 11);
    float centres [CENTRES][DIM];
    for (uint32_t index = 0; index < CENTRES * DIM; index++)
        centres [index / DIM][index % DIM] = (float) kith_random_normal (&random);
    for (uint32_t row = 0; row < room + QUERIES; row++) {
        float *vector =
            row < room ? data.vectors + row * DIM : data.queries + (row - room) * DIM;
        const float *centre = centres [kith_random_below (&random, CENTRES)];
        for (uint32_t index = 0; index < DIM; index++)
            vector [index] = centre [index] + 0.6f * (float) kith_random_normal (&random);
        if (row < room)
            data.norms [row] = kith_norm (vector, DIM);
    }
    data.rows = (kith_rows_t){.vectors = data.vectors,
                              .norms = metric == KITH_METRIC_COSINE ? data.norms : NULL,
                              .rows = rows,
                              .dim = DIM,
                              .metric = metric};
    return data;
}

static void
s_free (data_t *data)
{
    free (data->vectors);
    free (data->norms);
    free (data->queries);
}

static kith_graph_t *
s_build (const kith_rows_t *rows, const kith_graph_t *base, const uint32_t *base_rows,
         uint32_t threads)
{
    kith_parallel_t *parallel = threads > 1 ? kith_parallel_threads_new (threads) : NULL;
    kith_graph_params_t params = {
        .seed = 3, .parallel = parallel, .base = base, .base_rows = base_rows};
    kith_error_t error;
    kith_graph_t *graph = kith_graph_build (rows, &params, &error);
    cr_assert (graph, "%s", error.message);
    if (parallel)
        kith_parallel_threads_destroy (&parallel);
    return graph;
}

//  Share of the nearest among the first `rows` that are alive (null: all) which a search of EFFORT finds
static double
s_recall (const data_t *data, const kith_graph_t *graph, uint32_t rows,
          const kith_bits_t *alive, const kith_bits_t *given)
{
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    kith_rows_t all = data->rows;
    all.rows = rows;
    uint32_t found = 0;
    for (uint32_t query = 0; query < QUERIES; query++) {
        const float *vector = data->queries + query * DIM;
        float norm = kith_norm (vector, DIM);
        kith_topk_t exact, top;
        kith_topk_init (&exact, K);
        kith_topk_init (&top, K);
        kith_flat_search (&all, vector, &norm, 1, alive, 0, 0, &exact);
        kith_topk_sort (&exact);
        kith_graph_query_t options = {.k = K, .effort = EFFORT, .live = given};
        kith_graph_search (graph, vector, norm, &options, scratch, &top);
        cr_assert_eq (top.count, (uint32_t) K);
        for (uint32_t hit = 0; hit < top.count; hit++) {
            cr_assert (!alive || kith_bits_get (alive, (uint32_t) top.hits [hit].row));
            found += top.hits [hit].distance <= exact.hits [K - 1].distance;
        }
        kith_topk_free (&exact);
        kith_topk_free (&top);
    }
    kith_graph_scratch_destroy (&scratch);
    return (double) found / (QUERIES * K);
}

//  The living rows, one after another, and a graph built over them
static double
s_fresh_recall (const data_t *data, uint32_t rows, const kith_bits_t *alive)
{
    data_t living = *data;
    uint32_t count = 0;
    living.vectors = kith_alloc64 ((size_t) rows * DIM * sizeof (float));
    living.norms = kith_alloc64 (rows * sizeof (float));
    for (uint32_t row = 0; row < rows; row++) {
        if (!kith_bits_get (alive, row))
            continue;
        memcpy (living.vectors + count * DIM, data->vectors + row * DIM,
                DIM * sizeof (float));
        living.norms [count++] = data->norms [row];
    }
    living.rows.vectors = living.vectors;
    living.rows.norms = data->rows.norms ? living.norms : NULL;
    living.rows.rows = count;
    kith_graph_t *graph = s_build (&living.rows, NULL, NULL, 2);
    double recall = s_recall (&living, graph, count, NULL, NULL);
    kith_graph_destroy (&graph);
    free (living.vectors);
    free (living.norms);
    return recall;
}

Test (graph_live, half_replaced_is_as_good_as_fresh)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++) {
        data_t data = s_data (metric, ROWS, ROWS + ROWS / 2);
        kith_graph_t *graph = s_build (&data.rows, NULL, NULL, 2);
        kith_error_t error;
        cr_assert_eq (kith_graph_thaw (graph, &data.rows, ROWS + ROWS / 2, &error), 0);
        kith_bits_t alive;
        kith_bits_init (&alive, ROWS + ROWS / 2, false);
        for (uint32_t row = 0; row < ROWS; row++)
            kith_bits_set (&alive, row);
        kith_random_t random;
        kith_random_seed (&random, 5);
        kith_parallel_t *parallel = kith_parallel_threads_new (2);
        kith_graph_params_t params = {.seed = 3, .parallel = parallel};
        for (uint32_t turn = 0; turn < ROWS / 2; turn++) {
            uint32_t row;
            do
                row = (uint32_t) kith_random_below (&random, ROWS);
            while (!kith_bits_get (&alive, row));
            kith_graph_remove (graph, row);
            kith_bits_drop (&alive, row);
            cr_assert_eq (kith_graph_insert (graph, 1, &error), 0);
            kith_bits_set (&alive, ROWS + turn);
            if (kith_graph_broken (graph) > ROWS / 16)
                cr_assert_eq (kith_graph_repair (graph, &params, &error), 0);
        }
        cr_assert_eq (kith_graph_rows (graph), (uint32_t) (ROWS + ROWS / 2));
        cr_assert_eq (kith_graph_removed (graph), (uint32_t) (ROWS / 2));
        cr_assert_eq (graph->header.code, (uint32_t) KITH_GRAPH_BYTES);
        cr_assert (graph->trailers);
        cr_assert_neq (kith_graph_insert (graph, 1, &error), 0);
        cr_assert_eq (error.code, KITH_ERR_LIMIT);
        double fresh = s_fresh_recall (&data, alive.count, &alive);
        double changed = s_recall (&data, graph, alive.count, &alive, NULL);
        cr_expect_geq (changed, fresh - 0.01, "%s: %.4f, fresh %.4f",
                       kith_metric_name (metric), changed, fresh);
        //  Laid out, stored and opened again it is the same graph
        cr_assert_eq (kith_graph_freeze (graph, &params, &error), 0);
        kith_section_t sections [16];
        size_t count = kith_graph_sections (graph, sections);
        kith_rows_t rows = data.rows;
        rows.rows = ROWS + ROWS / 2;
        kith_graph_t *opened = kith_graph_open (&rows, sections, count, &error);
        cr_assert (opened, "%s", error.message);
        double stored = s_recall (&data, opened, alive.count, &alive, &alive);
        cr_expect_geq (stored, fresh - 0.01);
        cr_expect_geq ((double) kith_graph_recall (opened, EFFORT), fresh - 0.03);
        kith_graph_destroy (&opened);
        kith_graph_destroy (&graph);
        kith_parallel_threads_destroy (&parallel);
        kith_bits_free (&alive);
        s_free (&data);
    }
}

//  Dimensions that told nothing at the build are not coded. Rows inserted later may differ in them: what codes then miss is found by a wider
//  look at the vectors, if not all, and a build codes them.
Test (graph_live, rows_that_differ_in_what_is_not_coded)
{
    enum { BARE = 6 };
    data_t data = s_data (KITH_METRIC_L2, ROWS, 2 * ROWS);
    for (uint32_t row = 0; row < ROWS; row++)
        for (uint32_t index = 0; index < BARE; index++)
            data.vectors [row * DIM + index] *= 0.001f;
    kith_graph_t *graph = s_build (&data.rows, NULL, NULL, 2);
    kith_error_t error;
    cr_assert_eq (graph->header.coded, 64 - KITH_GRAPH_TRAILER,
                  "a line less without some of the bare ones");
    cr_assert_eq (kith_graph_thaw (graph, &data.rows, 2 * ROWS, &error), 0);
    cr_assert_eq (kith_graph_insert (graph, ROWS, &error), 0);
    const double recall = s_recall (&data, graph, 2 * ROWS, NULL, NULL);
    cr_expect_geq (recall, 0.8, "%.4f", recall);
    kith_graph_destroy (&graph);
    data.rows.rows = 2 * ROWS;
    graph = s_build (&data.rows, NULL, NULL, 2);
    cr_assert_eq (graph->header.coded, DIM);
    const double built = s_recall (&data, graph, 2 * ROWS, NULL, NULL);
    cr_expect_geq (built, 0.95, "%.4f", built);
    kith_graph_destroy (&graph);
    s_free (&data);
}

Test (graph_live, grows_from_nothing)
{
    data_t data = s_data (KITH_METRIC_L2, 0, ROWS);
    kith_graph_t *graph = s_build (&data.rows, NULL, NULL, 1);
    kith_error_t error;
    cr_assert_eq (kith_graph_thaw (graph, &data.rows, ROWS, &error), 0);
    cr_assert_eq (kith_graph_insert (graph, ROWS, &error), 0);
    double fresh;
    kith_bits_t alive;
    kith_bits_init (&alive, ROWS, true);
    fresh = s_fresh_recall (&data, ROWS, &alive);
    double grown = s_recall (&data, graph, ROWS, NULL, NULL);
    cr_expect_geq (grown, fresh - 0.01, "%.4f, fresh %.4f", grown, fresh);
    kith_bits_free (&alive);
    kith_graph_destroy (&graph);
    s_free (&data);
}

Test (graph_live, equal_rows_are_found_and_go_one_by_one)
{
    data_t data = s_data (KITH_METRIC_L2, 1000, 1300);
    for (uint32_t row = 1000; row < 1300; row++)
        memcpy (data.vectors + row * DIM, data.vectors + row % 3 * DIM,
                DIM * sizeof (float));
    kith_graph_t *graph = s_build (&data.rows, NULL, NULL, 1);
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    kith_error_t error;
    cr_assert_eq (kith_graph_thaw (graph, &data.rows, 1300, &error), 0);
    cr_assert_eq (kith_graph_insert (graph, 300, &error), 0);
    //  Row 1 has 100 copies: 1000 + 3 i
    kith_graph_remove (graph, 1);
    cr_assert_eq (kith_graph_repair (graph, NULL, &error), 0);
    for (uint32_t left = 100; left > 0; left--) {
        kith_graph_query_t options = {.k = 200, .effort = 200};
        kith_topk_t top;
        kith_topk_init (&top, 200);
        kith_graph_search (graph, data.vectors + DIM, 0, &options, scratch, &top);
        kith_topk_sort (&top);
        uint32_t equal = 0;
        while (equal < top.count && top.hits [equal].distance <= 0)
            equal++;
        cr_assert_eq (equal, left);
        kith_graph_remove (graph, (uint32_t) top.hits [0].row);
        kith_topk_free (&top);
    }
    kith_graph_scratch_destroy (&scratch);
    kith_graph_destroy (&graph);
    s_free (&data);
}

//  Two graphs become one: the rows of the larger that stay, then those of the smaller
Test (graph_live, a_merge_is_as_good_as_a_fresh_build_for_any_threads)
{
    data_t data = s_data (KITH_METRIC_COSINE, ROWS, ROWS);
    kith_rows_t larger = data.rows;
    larger.rows = ROWS * 3 / 4;
    kith_graph_t *base = s_build (&larger, NULL, NULL, 2);
    //  Every eighth row of the larger goes
    uint32_t *became = kith_new (larger.rows * sizeof *became), count = 0;
    data_t merged = s_data (KITH_METRIC_COSINE, 0, ROWS);
    for (uint32_t row = 0; row < ROWS; row++) {
        bool stays = row >= larger.rows || row % 8 != 5;
        if (row < larger.rows)
            became [row] = stays ? count : UINT32_MAX;
        if (!stays)
            continue;
        memcpy (merged.vectors + count * DIM, data.vectors + row * DIM,
                DIM * sizeof (float));
        merged.norms [count++] = data.norms [row];
    }
    merged.rows.rows = count;
    kith_graph_t *fresh = s_build (&merged.rows, NULL, NULL, 2);
    kith_graph_t *one = s_build (&merged.rows, base, became, 1);
    kith_graph_t *three = s_build (&merged.rows, base, became, 3);
    cr_assert_eq (memcmp (one->links, three->links,
                          (size_t) count * one->header.degree * sizeof (uint32_t)),
                  0);
    double built = s_recall (&merged, fresh, count, NULL, NULL);
    double joined = s_recall (&merged, one, count, NULL, NULL);
    cr_expect_geq (joined, built - 0.01, "%.4f, fresh %.4f", joined, built);
    kith_graph_destroy (&fresh);
    kith_graph_destroy (&one);
    kith_graph_destroy (&three);
    kith_graph_destroy (&base);
    free (became);
    s_free (&merged);
    s_free (&data);
}
