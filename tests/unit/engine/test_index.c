//  test_index.c - what every kind of index promises, asked of every kind
//  SPDX-License-Identifier: Apache-2.0
//
//  The oracle is exact search over the same rows.
#include <criterion/criterion.h>
#include <math.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/random.h"
#include "engine/indexes/index.h"

enum { ROWS = 6000, DIM = 24, NQ = 40, K = 10, CLUSTERS = 60 };

typedef struct {
    kith_rows_t rows;
    float *vectors, *norms, *queries;
    float query_norms [NQ];
} s_data_t;

//  Rows and queries about the same centres
static void
s_make (s_data_t *data, kith_metric_t metric)
{
    kith_random_t random;
    kith_random_seed (&random, 7);
    float centres [CLUSTERS][DIM];
    for (uint32_t index = 0; index < CLUSTERS * DIM; index++)
        centres [index / DIM][index % DIM] = (float) (kith_random_unit (&random) * 4 - 2);
    data->vectors = kith_alloc64 (ROWS * DIM * sizeof (float));
    data->norms = kith_alloc64 (ROWS * sizeof (float));
    data->queries = kith_alloc64 (NQ * DIM * sizeof (float));
    for (uint32_t row = 0; row < ROWS + NQ; row++) {
        const float *centre = centres [kith_random_below (&random, CLUSTERS)];
        float *vector =
            row < ROWS ? data->vectors + row * DIM : data->queries + (row - ROWS) * DIM;
        for (uint32_t index = 0; index < DIM; index++)
            vector [index] =
                centre [index] + (float) (kith_random_unit (&random) * 1.5 - 0.75);
        if (row < ROWS)
            data->norms [row] = kith_norm (vector, DIM);
        else
            data->query_norms [row - ROWS] = kith_norm (vector, DIM);
    }
    data->rows = (kith_rows_t){.vectors = data->vectors,
                               .norms = metric == KITH_METRIC_COSINE ? data->norms : NULL,
                               .rows = ROWS,
                               .dim = DIM,
                               .metric = metric};
}

static void
s_free (s_data_t *data)
{
    free (data->vectors);
    free (data->norms);
    free (data->queries);
}

static kith_index_query_t
s_query (const s_data_t *data, uint32_t query)
{
    return (kith_index_query_t){.queries = data->queries + query * DIM,
                                .norms = data->rows.metric == KITH_METRIC_COSINE
                                             ? data->query_norms + query
                                             : NULL,
                                .nq = 1,
                                .k = K};
}

static kith_index_t *
s_build (const s_data_t *data, kith_index_kind_t kind)
{
    kith_index_params_t params = {.kind = kind, .seed = 3};
    kith_error_t error;
    kith_index_t *index = kith_index_build (&data->rows, &params, &error);
    cr_assert (index, "%s: %s", kith_index_kind_name (kind), error.message);
    return index;
}

//  Kinds for float vectors
static const kith_index_kind_t s_kinds [] = {KITH_INDEX_FLAT, KITH_INDEX_GRAPH,
                                             KITH_INDEX_IVF, KITH_INDEX_DISK};
enum { KINDS = sizeof s_kinds / sizeof s_kinds [0] };

static double
s_found (const s_data_t *data, const kith_index_t *index, kith_index_scratch_t *scratch,
         const kith_bits_t *live)
{
    uint32_t found = 0, wanted = 0;
    for (uint32_t query = 0; query < NQ; query++) {
        kith_topk_t exact, top;
        kith_index_query_t ask = s_query (data, query);
        ask.live = live;
        kith_topk_init (&exact, K);
        kith_topk_init (&top, K);
        kith_flat_search (&data->rows, ask.queries, ask.norms, 1, live, 0, 0, &exact);
        cr_assert_eq (kith_index_search (index, &ask, scratch, &top, NULL, NULL), 0);
        kith_topk_sort (&exact);
        kith_topk_sort (&top);
        wanted += exact.count;
        for (uint32_t hit = 0; hit < top.count; hit++) {
            uint32_t row = (uint32_t) top.hits [hit].row;
            cr_assert (!live || kith_bits_get (live, row));
            //  Whatever the codes, the score is the exact one
            float score =
                kith_score (data->rows.metric, ask.queries, ask.norms ? ask.norms [0] : 0,
                            data->vectors + row * DIM, data->norms [row], DIM);
            cr_assert (top.hits [hit].distance
                       == kith_score_distance (data->rows.metric, score));
            found += top.hits [hit].distance <= exact.hits [exact.count - 1].distance;
        }
        kith_topk_free (&exact);
        kith_topk_free (&top);
    }
    return (double) found / wanted;
}

Test (index, finds_what_exact_search_finds)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++) {
        s_data_t data;
        s_make (&data, metric);
        kith_index_scratch_t *scratch = kith_index_scratch_new ();
        kith_bits_t few, many;
        kith_bits_init (&few, ROWS, false);
        kith_bits_init (&many, ROWS, false);
        for (uint32_t row = 0; row < ROWS; row++) {
            if (row % 97 == 3)
                kith_bits_set (&few, row);
            if (row % 5 != 2)
                kith_bits_set (&many, row);
        }
        for (uint32_t kind = 0; kind < KINDS; kind++) {
            kith_index_t *index = s_build (&data, s_kinds [kind]);
            const char *name = kith_index_kind_name (s_kinds [kind]);
            cr_expect_geq (s_found (&data, index, scratch, NULL), 0.93, "%s", name);
            cr_expect_geq (s_found (&data, index, scratch, &few), 0.93, "%s", name);
            cr_expect_geq (s_found (&data, index, scratch, &many), 0.93, "%s", name);
            kith_index_destroy (&index);
        }
        kith_bits_free (&few);
        kith_bits_free (&many);
        kith_index_scratch_destroy (&scratch);
        s_free (&data);
    }
}

//  Whatever the code, a graph finds what was asked for: shorter ones make it look at more rows
Test (index, a_graph_finds_by_every_code)
{
    static const kith_index_code_t codes [] = {KITH_CODE_FLOAT32, KITH_CODE_SQ8,
                                               KITH_CODE_SQ4, KITH_CODE_RABITQ};
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++) {
        s_data_t data;
        s_make (&data, metric);
        for (size_t each = 0; each < sizeof codes / sizeof codes [0]; each++) {
            kith_index_params_t params = {
                .kind = KITH_INDEX_GRAPH, .code = codes [each], .seed = 3};
            kith_error_t error;
            kith_index_t *built = kith_index_build (&data.rows, &params, &error);
            cr_assert (built, "%s", error.message);
            kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
            size_t count = kith_index_sections (built, sections);
            kith_index_t *opened = kith_index_open (&data.rows, sections, count, &error);
            cr_assert (opened, "%s", error.message);
            kith_index_info_t info;
            kith_index_describe (opened, &info);
            cr_assert_eq (info.code, codes [each]);
            double found = s_found (&data, opened, scratch, NULL);
            cr_expect_geq (found, 0.93, "%s, %s: %.3f", kith_metric_name (metric),
                           kith_index_code_name (codes [each]), found);
            kith_index_destroy (&opened);
            kith_index_destroy (&built);
        }
        s_free (&data);
    }
    kith_index_scratch_destroy (&scratch);
}

Test (index, answers_the_same_after_store_and_open)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_COSINE);
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        kith_index_t *built = s_build (&data, s_kinds [kind]);
        kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
        size_t count = kith_index_sections (built, sections);
        for (size_t each = 0; each < count; each++) {
            void *copy = kith_alloc64 (sections [each].size);
            memcpy (copy, sections [each].data, sections [each].size);
            sections [each].data = copy;
        }
        kith_error_t error;
        kith_index_t *opened = kith_index_open (&data.rows, sections, count, &error);
        cr_assert (opened, "%s", error.message);
        for (uint32_t query = 0; query < NQ; query++) {
            kith_topk_t one, other;
            kith_index_query_t ask = s_query (&data, query);
            uint64_t compared = 0, again = 0;
            kith_topk_init (&one, K);
            kith_topk_init (&other, K);
            kith_index_search (built, &ask, scratch, &one, &compared, NULL);
            kith_index_search (opened, &ask, scratch, &other, &again, NULL);
            kith_topk_sort (&one);
            kith_topk_sort (&other);
            cr_assert_eq (compared, again);
            cr_assert_eq (one.count, other.count);
            for (uint32_t hit = 0; hit < one.count; hit++)
                cr_assert_eq (one.hits [hit].row, other.hits [hit].row);
            kith_topk_free (&one);
            kith_topk_free (&other);
        }
        kith_index_info_t info;
        kith_index_describe (opened, &info);
        cr_assert_eq (info.kind, s_kinds [kind]);
        cr_assert_eq (info.rows, (uint32_t) ROWS);
        kith_index_destroy (&built);
        kith_index_destroy (&opened);
        //  Anything missing or shorter is refused
        for (size_t each = 0; each < count; each++) {
            kith_section_t cut [KITH_INDEX_SECTIONS_MAX];
            memcpy (cut, sections, sizeof cut);
            cut [each].size -= cut [each].size > 4 ? 4 : cut [each].size;
            cr_assert (!kith_index_open (&data.rows, cut, count, &error));
            cr_assert_eq (error.code, KITH_ERR_CORRUPT);
        }
        for (size_t each = 0; each < count; each++)
            free ((void *) (uintptr_t) sections [each].data);
    }
    kith_index_scratch_destroy (&scratch);
    s_free (&data);
}

Test (index, ranges_are_those_of_a_scan)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++) {
        s_data_t data;
        s_make (&data, metric);
        kith_index_scratch_t *scratch = kith_index_scratch_new ();
        for (uint32_t kind = 0; kind < KINDS; kind++) {
            kith_index_t *index = s_build (&data, s_kinds [kind]);
            uint32_t found = 0, wanted = 0;
            for (uint32_t query = 0; query < NQ; query++) {
                kith_topk_t exact, top;
                kith_index_query_t ask = s_query (&data, query);
                kith_topk_init (&exact, ROWS);
                kith_flat_search (&data.rows, ask.queries, ask.norms, 1, NULL, 0, 0,
                                  &exact);
                kith_topk_sort (&exact);
                //  From the 6th to the 300th, some queries to the 3,000th
                kith_index_range_t range = {
                    .beyond = exact.hits [4].distance,
                    .radius = exact.hits [query % 8 ? 299 : 2999].distance,
                    .most = KITH_K_MAX};
                ask.recall = 0.98f;
                cr_assert_eq (kith_index_range (index, &ask, &range, scratch, &top, NULL),
                              0);
                for (uint32_t hit = 0; hit < ROWS; hit++)
                    wanted += exact.hits [hit].distance > range.beyond
                              && exact.hits [hit].distance <= range.radius;
                found += top.count;
                for (uint32_t hit = 0; hit < top.count; hit++) {
                    cr_assert (top.hits [hit].distance > range.beyond);
                    cr_assert (top.hits [hit].distance <= range.radius);
                    cr_assert (hit == 0
                               || top.hits [hit].distance >= top.hits [hit - 1].distance);
                }
                kith_topk_free (&exact);
                kith_topk_free (&top);
            }
            cr_expect_geq ((double) found / wanted, 0.97, "%s: %u of %u",
                           kith_index_kind_name (s_kinds [kind]), found, wanted);
            kith_index_destroy (&index);
        }
        kith_index_scratch_destroy (&scratch);
        s_free (&data);
    }
}

Test (index, an_iterator_gives_every_live_row_once)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_L2);
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_bits_t live;
    kith_bits_init (&live, ROWS, false);
    for (uint32_t row = 0; row < ROWS; row += 3)
        kith_bits_set (&live, row);
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        kith_index_t *index = s_build (&data, s_kinds [kind]);
        kith_index_query_t ask = s_query (&data, 1);
        ask.live = &live;
        kith_index_iterator_t *iterator = kith_index_iterator_new (index, &ask);
        kith_bits_t seen;
        kith_bits_init (&seen, ROWS, false);
        kith_hit_t hits [37];
        uint32_t count = 0, got;
        float first = INFINITY, last = 0;
        while ((got = kith_index_iterator_next (iterator, scratch, hits, 37)) > 0) {
            for (uint32_t hit = 0; hit < got; hit++) {
                uint32_t row = (uint32_t) hits [hit].row;
                cr_assert (kith_bits_get (&live, row) && !kith_bits_get (&seen, row));
                kith_bits_set (&seen, row);
            }
            first = count == 0 ? hits [got - 1].distance : first;
            last = hits [0].distance;
            count += got;
        }
        cr_assert_eq (count, kith_bits_popcount (&live));
        cr_assert (first < last);
        kith_bits_free (&seen);
        kith_index_iterator_destroy (&iterator);
        kith_index_destroy (&index);
    }
    kith_bits_free (&live);
    kith_index_scratch_destroy (&scratch);
    s_free (&data);
}

static bool
s_stop (void *arg)
{
    uint32_t *left = arg;
    return (*left)-- == 0;
}

static bool
s_no_progress (void *arg, uint64_t done, uint64_t of)
{
    (void) arg;
    (void) done;
    (void) of;
    return false;
}

Test (index, stops_and_refuses_when_told)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_L2);
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_error_t error;
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        kith_index_t *index = s_build (&data, s_kinds [kind]);
        kith_index_query_t ask = s_query (&data, 0);
        uint32_t asked = 0;
        kith_topk_t top;
        ask.stop = s_stop;
        ask.stop_arg = &asked;
        kith_topk_init (&top, K);
        cr_assert_neq (kith_index_search (index, &ask, scratch, &top, NULL, &error), 0);
        cr_assert_eq (error.code, KITH_ERR_CANCELLED);
        kith_topk_free (&top);
        kith_index_info_t info;
        kith_index_describe (index, &info);
        kith_index_params_t params = {.kind = s_kinds [kind], .seed = 3};
        cr_assert_leq (info.bytes, kith_index_load_bytes (&data.rows, &params));
        kith_index_destroy (&index);
        params.memory_max = 8;
        cr_assert (!kith_index_build (&data.rows, &params, &error));
        cr_assert_eq (error.code, KITH_ERR_NO_MEMORY);
        cr_assert (strstr (error.message, "allowed are 8"));
        params.memory_max = 0;
        params.progress = s_no_progress;
        if (s_kinds [kind] == KITH_INDEX_FLAT)
            continue;
        cr_assert (!kith_index_build (&data.rows, &params, &error));
        cr_assert_eq (error.code, KITH_ERR_CANCELLED);
    }
    kith_index_scratch_destroy (&scratch);
    s_free (&data);
}

Test (index, names_and_choice)
{
    kith_index_kind_t kind;
    kith_index_code_t code;
    kith_error_t error;
    cr_assert_eq (kith_index_kind_of ("hnsw", &kind, &error), 0);
    cr_assert_eq (kind, KITH_INDEX_GRAPH);
    cr_assert_eq (kith_index_kind_of ("auto", &kind, &error), 0);
    cr_assert_eq (kind, KITH_INDEX_AUTO);
    cr_assert_neq (kith_index_kind_of ("tree", &kind, &error), 0);
    cr_assert (strstr (error.message, "'tree'") && strstr (error.message, "graph"));
    cr_assert_eq (kith_index_code_of ("sq4", &code, &error), 0);
    cr_assert_eq (code, KITH_CODE_SQ4);
    cr_assert_neq (kith_index_code_of ("sq5", &code, &error), 0);
    s_data_t data;
    s_make (&data, KITH_METRIC_IP);
    kith_index_params_t params = {.kind = KITH_INDEX_AUTO};
    cr_assert_eq (kith_index_settle (&data.rows, &params, &error), 0);
    cr_assert_eq (params.kind, KITH_INDEX_GRAPH);
    kith_rows_t few = data.rows;
    few.rows = 200;
    params.kind = KITH_INDEX_AUTO;
    cr_assert_eq (kith_index_settle (&few, &params, &error), 0);
    cr_assert_eq (params.kind, KITH_INDEX_FLAT);
    s_free (&data);
}
