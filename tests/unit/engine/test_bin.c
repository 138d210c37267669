//  test_bin.c - the index over binary vectors against exact search
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <math.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/random.h"
#include "engine/indexes/index.h"

enum { ROWS = 24000, FEW = 1500, DIM = 256, BYTES = DIM / 8, NQ = 60, K = 10 };

typedef struct {
    kith_rows_t rows;
    uint8_t *vectors;
    uint8_t *queries;
    uint32_t *centres;    //  of each row
} s_data_t;

//  Rows and queries about the same centres of random density: some bits of each are drawn anew
static void
s_make (s_data_t *data, kith_metric_t metric, uint32_t rows)
{
    enum { CENTRES = 300 };
    kith_random_t random;
    kith_random_seed (&random, 11);
    uint8_t centres [CENTRES][BYTES];
    uint32_t density = metric == KITH_METRIC_JACCARD ? 20 : 50;
    for (uint32_t centre = 0; centre < CENTRES; centre++)
        for (uint32_t bit = 0; bit < DIM; bit++) {
            if (bit % 8 == 0)
                centres [centre][bit / 8] = 0;
            uint32_t one = kith_random_below (&random, 100) < density;
            centres [centre][bit / 8] |= (uint8_t) (one << bit % 8);
        }
    data->vectors = kith_alloc64 ((size_t) rows * BYTES);
    data->queries = kith_alloc64 ((size_t) NQ * BYTES);
    data->centres = kith_alloc64 (rows * sizeof (uint32_t));
    for (uint32_t row = 0; row < rows + NQ; row++) {
        uint8_t *vector = row < rows ? data->vectors + (size_t) row * BYTES
                                     : data->queries + (row - rows) * BYTES;
        uint32_t centre = (uint32_t) kith_random_below (&random, CENTRES);
        memcpy (vector, centres [centre], BYTES);
        if (row < rows)
            data->centres [row] = centre;
        for (uint32_t draw = 0; draw < DIM / 4; draw++) {
            uint32_t bit = (uint32_t) kith_random_below (&random, DIM);
            uint32_t one = kith_random_below (&random, 100) < density;
            vector [bit / 8] &= (uint8_t) ~(1u << bit % 8);
            vector [bit / 8] |= (uint8_t) (one << bit % 8);
        }
    }
    data->rows = (kith_rows_t){.vectors = data->vectors,
                               .rows = rows,
                               .dim = DIM,
                               .metric = metric,
                               .type = KITH_VECTOR_BINARY};
}

static void
s_free (s_data_t *data)
{
    free (data->vectors);
    free (data->queries);
    free (data->centres);
}

static kith_index_query_t
s_query (const s_data_t *data, uint32_t query, uint32_t k)
{
    return (kith_index_query_t){
        .queries = (const float *) (const void *) (data->queries + query * BYTES),
        .nq = 1,
        .k = k};
}

static kith_index_t *
s_build (const s_data_t *data, kith_index_kind_t kind)
{
    kith_index_params_t params = {.kind = kind, .seed = 5};
    kith_error_t error;
    kith_index_t *index = kith_index_build (&data->rows, &params, &error);
    cr_assert (index, "%s", error.message);
    return index;
}

//  Recall of all queries, and the share of the live rows that were compared
static double
s_found (const s_data_t *data, const kith_index_t *index, const kith_index_query_t *ask,
         double *share)
{
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    uint64_t compared = 0, scanned = 0;
    uint32_t found = 0, wanted = 0;
    for (uint32_t query = 0; query < NQ; query++) {
        kith_topk_t exact, top;
        kith_index_query_t one = *ask;
        one.nq = 1;
        one.queries = s_query (data, query, ask->k).queries;
        kith_topk_init (&exact, ask->k);
        kith_topk_init (&top, ask->k);
        scanned +=
            kith_flat_search (&data->rows, one.queries, NULL, 1, ask->live, 0, 0, &exact);
        cr_assert_eq (kith_index_search (index, &one, scratch, &top, &compared, NULL), 0);
        kith_topk_sort (&exact);
        wanted += exact.count;
        for (uint32_t hit = 0; hit < top.count; hit++) {
            uint32_t row = (uint32_t) top.hits [hit].row;
            cr_assert (!ask->live || kith_bits_get (ask->live, row));
            kith_side_t a = {one.queries, 0},
                        b = {data->vectors + (size_t) row * BYTES, 0};
            cr_assert (
                top.hits [hit].distance
                == kith_score_of (KITH_VECTOR_BINARY, data->rows.metric, a, b, DIM));
            found += top.hits [hit].distance <= exact.hits [exact.count - 1].distance;
        }
        kith_topk_free (&exact);
        kith_topk_free (&top);
    }
    kith_index_scratch_destroy (&scratch);
    if (share)
        *share = (double) compared / (double) scanned;
    return (double) found / wanted;
}

static void
s_check_recalls (kith_metric_t metric)
{
    static const float recalls [] = {0.9f, 0.95f, 0.99f};
    s_data_t data;
    s_make (&data, metric, ROWS);
    kith_index_t *index = s_build (&data, KITH_INDEX_AUTO);
    kith_index_info_t info;
    kith_index_describe (index, &info);
    cr_assert_eq (info.kind, KITH_INDEX_BIN);
    cr_assert_gt (info.lists, 100u);
    for (size_t each = 0; each < 3; each++) {
        kith_index_query_t ask = {.k = K, .recall = recalls [each]};
        double share, found = s_found (&data, index, &ask, &share);
        cr_expect_geq (found, (double) recalls [each] - 0.02, "%f", found);
        cr_expect_leq (share, 0.2, "%s: %f of the rows compared at %f",
                       kith_metric_name (metric), share, (double) recalls [each]);
    }
    kith_index_query_t deep = {.k = 100, .recall = 0.95f};
    cr_expect_geq (s_found (&data, index, &deep, NULL), 0.93);
    //  All lists are all rows
    kith_index_query_t all = {.k = K, .effort = info.lists};
    cr_expect_eq (s_found (&data, index, &all, NULL), 1.0);
    kith_index_destroy (&index);
    s_free (&data);
}

Test (bin, reaches_the_recall_asked_for_with_a_fraction_of_a_scan)
{
    s_check_recalls (KITH_METRIC_HAMMING);
}

Test (bin, jaccard_too)
{
    s_check_recalls (KITH_METRIC_JACCARD);
}

Test (bin, filters_of_every_kind)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_HAMMING, ROWS);
    kith_index_t *index = s_build (&data, KITH_INDEX_BIN);
    for (uint32_t filter = 0; filter < 5; filter++) {
        kith_bits_t live;
        kith_bits_init (&live, ROWS, false);
        for (uint32_t row = 0; row < ROWS; row++) {
            bool passes = filter == 0   ? row % 2 == 0
                          : filter == 1 ? row % 10 == 0
                          : filter == 2 ? row % 100 == 0
                          : filter == 3
                              ? row == 77
                              : data.centres [row] < 60;    //  far from most queries
            if (passes)
                kith_bits_set (&live, row);
        }
        kith_index_query_t ask = {.k = K, .live = &live};
        cr_expect_geq (s_found (&data, index, &ask, NULL), 0.93, "filter %u", filter);
        kith_bits_free (&live);
    }
    kith_index_destroy (&index);
    s_free (&data);
}

Test (bin, few_rows_are_scanned)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_JACCARD, FEW);
    kith_index_t *index = s_build (&data, KITH_INDEX_BIN);
    kith_index_info_t info;
    kith_index_describe (index, &info);
    cr_assert_eq (info.lists, 0u);
    kith_index_query_t ask = {.k = K};
    cr_assert_eq (s_found (&data, index, &ask, NULL), 1.0);
    kith_index_destroy (&index);
    s_free (&data);
}

Test (bin, a_batch_answers_as_each_alone)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_HAMMING, ROWS);
    kith_index_t *index = s_build (&data, KITH_INDEX_BIN);
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_topk_t many [NQ], one;
    kith_index_query_t ask = s_query (&data, 0, K);
    ask.nq = NQ;
    ask.part = 3;
    ask.first_row = 1000000;
    for (uint32_t query = 0; query < NQ; query++)
        kith_topk_init (&many [query], K);
    cr_assert_eq (kith_index_search (index, &ask, scratch, many, NULL, NULL), 0);
    for (uint32_t query = 0; query < NQ; query++) {
        ask.queries = s_query (&data, query, K).queries;
        ask.nq = 1;
        kith_topk_init (&one, K);
        kith_index_search (index, &ask, scratch, &one, NULL, NULL);
        kith_topk_sort (&one);
        kith_topk_sort (&many [query]);
        cr_assert_eq (one.count, many [query].count);
        for (uint32_t hit = 0; hit < one.count; hit++) {
            cr_assert_eq (one.hits [hit].row, many [query].hits [hit].row);
            cr_assert_eq (one.hits [hit].part, 3u);
            cr_assert_geq (one.hits [hit].row, 1000000u);
        }
        kith_topk_free (&one);
        kith_topk_free (&many [query]);
    }
    kith_index_scratch_destroy (&scratch);
    kith_index_destroy (&index);
    s_free (&data);
}

Test (bin, same_lists_for_any_number_of_threads_and_after_a_store)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_HAMMING, ROWS);
    kith_parallel_t *threads = kith_parallel_threads_new (2);
    kith_index_params_t params = {.kind = KITH_INDEX_BIN, .seed = 5, .parallel = threads};
    kith_index_t *one = s_build (&data, KITH_INDEX_BIN);
    kith_index_t *two = kith_index_build (&data.rows, &params, NULL);
    kith_section_t a [KITH_INDEX_SECTIONS_MAX], b [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_index_sections (one, a);
    cr_assert_eq (kith_index_sections (two, b), count);
    for (size_t each = 0; each < count; each++) {
        cr_assert_eq (a [each].size, b [each].size);
        cr_assert_eq (memcmp (a [each].data, b [each].data, a [each].size), 0);
    }
    kith_error_t error;
    kith_index_t *opened = kith_index_open (&data.rows, a, count, &error);
    cr_assert (opened, "%s", error.message);
    kith_index_query_t ask = {.k = K};
    cr_assert_eq (s_found (&data, opened, &ask, NULL), s_found (&data, one, &ask, NULL));
    kith_index_destroy (&opened);
    //  Each section cut short, and each word of the lists that is out of range
    for (size_t each = 0; each < count; each++) {
        memcpy (b, a, sizeof b);
        b [each].size -= 4;
        cr_assert (!kith_index_open (&data.rows, b, count, &error));
        cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    }
    for (size_t each = 2; each < 4; each++) {
        uint32_t *words = kith_alloc64 (a [each].size);
        memcpy (words, a [each].data, a [each].size);
        memcpy (b, a, sizeof b);
        b [each].data = words;
        words [a [each].size / 8] = words [0] + 0x7fffffff;
        cr_assert (!kith_index_open (&data.rows, b, count, &error));
        words [a [each].size / 8] =
            words [0];    //  a row twice, or a list that ends before it begins
        cr_assert (!kith_index_open (&data.rows, b, count, &error));
        cr_assert_eq (error.code, KITH_ERR_CORRUPT);
        free (words);
    }
    kith_index_destroy (&one);
    kith_index_destroy (&two);
    kith_parallel_threads_destroy (&threads);
    s_free (&data);
}

Test (bin, ranges_and_iterators)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_HAMMING, ROWS);
    kith_index_t *index = s_build (&data, KITH_INDEX_BIN);
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_index_query_t ask = s_query (&data, 4, K);
    kith_index_range_t range = {.radius = 60, .beyond = -INFINITY, .most = KITH_K_MAX};
    kith_topk_t top, exact;
    ask.recall = 0.99f;
    cr_assert_eq (kith_index_range (index, &ask, &range, scratch, &top, NULL), 0);
    kith_topk_init (&exact, ROWS);
    kith_flat_search (&data.rows, ask.queries, NULL, 1, NULL, 0, 0, &exact);
    kith_topk_sort (&exact);
    uint32_t within = 0;
    while (within < exact.count && exact.hits [within].distance <= 60)
        within++;
    cr_assert_gt (within, 20u);
    cr_assert_geq (top.count, within * 9 / 10);
    cr_assert_leq (top.count, within);
    kith_index_iterator_t *iterator = kith_index_iterator_new (index, &ask);
    kith_hit_t hits [100];
    uint32_t count = 0, got;
    while ((got = kith_index_iterator_next (iterator, scratch, hits, 100)) > 0)
        count += got;
    cr_assert_eq (count, (uint32_t) ROWS);
    kith_index_iterator_destroy (&iterator);
    kith_topk_free (&top);
    kith_topk_free (&exact);
    kith_index_scratch_destroy (&scratch);
    kith_index_destroy (&index);
    s_free (&data);
}

static bool
s_no_progress (void *arg, uint64_t done, uint64_t of)
{
    (void) of;
    uint32_t *left = arg;
    (void) done;
    return (*left)-- > 0;
}

Test (bin, refuses_and_stops)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_HAMMING, ROWS);
    kith_error_t error;
    uint32_t left = 0;
    kith_index_params_t params = {
        .kind = KITH_INDEX_BIN, .progress = s_no_progress, .progress_arg = &left};
    for (uint32_t calls = 0; calls < 9; calls += 4) {
        left = calls;
        cr_assert (!kith_index_build (&data.rows, &params, &error));
        cr_assert_eq (error.code, KITH_ERR_CANCELLED);
    }
    params = (kith_index_params_t){.kind = KITH_INDEX_BIN, .memory_max = 1000};
    cr_assert (!kith_index_build (&data.rows, &params, &error));
    cr_assert_eq (error.code, KITH_ERR_NO_MEMORY);
    params = (kith_index_params_t){.kind = KITH_INDEX_BIN, .code = KITH_CODE_SQ8};
    cr_assert (!kith_index_build (&data.rows, &params, &error));
    cr_assert_eq (error.code, KITH_ERR_INVALID);
    params = (kith_index_params_t){.kind = KITH_INDEX_GRAPH};
    cr_assert (!kith_index_build (&data.rows, &params, &error));
    params = (kith_index_params_t){.kind = KITH_INDEX_BIN};
    data.rows.metric = KITH_METRIC_L2;
    cr_assert (!kith_index_build (&data.rows, &params, &error));
    data.rows.type = KITH_VECTOR_FLOAT32;
    cr_assert (!kith_index_build (&data.rows, &params, &error));
    cr_assert_eq (error.code, KITH_ERR_INVALID);
    s_free (&data);
}
