//  test_graph.c - the graph against exact search, under filters, stored and opened, and damaged
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <math.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/graph.h"
#include "engine/indexes/graph_layout.h"
#include "engine/indexes/graph_lists.h"

typedef enum {
    UNIFORM,
    CLUSTERS,    //  200 tight ones
    COPIES,      //  every row up to 100 times
    ZEROS,       //  a third of the rows zero
    HEAVY,       //  a few dimensions carry nearly all: no short code is good enough
    SCALED,      //  lengths from 0.01 to 100
    BARE         //  clusters; a dimension of four hardly differs from row to row
} shape_t;

typedef struct {
    kith_rows_t rows;
    float *vectors;
    float *norms;
    kith_graph_t *graph;
} data_t;

enum { ROWS = 6000, DIM = 24, QUERIES = 60, K = 10, BARE_DIM = 144 };

static void
s_vector (kith_random_t *random, shape_t shape, uint32_t row, float *vector, uint32_t dim)
{
    kith_random_t center;
    kith_random_seed (&center, shape == COPIES ? row % 97 + row % 3 * 1000 : row % 200);
    if (shape == COPIES)
        random = &center;
    double scale = shape == SCALED ? pow (10, kith_random_unit (random) * 4 - 2) : 1;
    for (uint32_t index = 0; index < dim; index++) {
        double value = kith_random_normal (random) * scale;
        if (shape == CLUSTERS || shape == BARE)
            value = value * 0.05 + kith_random_normal (&center);
        if (shape == HEAVY)
            value = value * value * value * (index % 8 ? 0.01 : 100);
        if (shape == BARE && index % 4 == 0)
            value = 3 + 0.01 * value;
        vector [index] = (float) value;
    }
    if (shape == ZEROS && row % 3 == 0)
        memset (vector, 0, dim * sizeof *vector);
}

static data_t
s_data (kith_metric_t metric, uint32_t rows, uint32_t dim, shape_t shape)
{
    data_t data = {.graph = NULL};
    kith_random_t random;
    kith_random_seed (&random, 5);
    data.vectors = kith_alloc64 ((size_t) rows * dim * sizeof (float));
    data.norms = kith_alloc64 (rows * sizeof (float));
    for (uint32_t row = 0; row < rows; row++) {
        s_vector (&random, shape, row, data.vectors + (size_t) row * dim, dim);
        data.norms [row] = kith_norm (data.vectors + (size_t) row * dim, dim);
    }
    data.rows = (kith_rows_t){.vectors = data.vectors,
                              .norms = metric == KITH_METRIC_COSINE ? data.norms : NULL,
                              .rows = rows,
                              .dim = dim,
                              .metric = metric};
    return data;
}

static void
s_build (data_t *data, uint32_t threads)
{
    kith_parallel_t *parallel = threads > 1 ? kith_parallel_threads_new (threads) : NULL;
    kith_graph_params_t params = {.seed = 3, .parallel = parallel, .build_effort = 100};
    kith_error_t error;
    data->graph = kith_graph_build (&data->rows, &params, &error);
    cr_assert (data->graph, "%s", error.message);
    if (parallel)
        kith_parallel_threads_destroy (&parallel);
}

static void
s_free (data_t *data)
{
    kith_graph_destroy (&data->graph);
    cr_assert_null (data->graph);
    free (data->vectors);
    free (data->norms);
}

static void
s_query (const data_t *data, shape_t shape, uint32_t number, float *query)
{
    kith_random_t random;
    kith_random_seed (&random, 1000 + number);
    s_vector (&random, shape, number, query, data->rows.dim);
}

//  What the graph answers, checked for order, allowed rows, exact scores and no row twice
static kith_topk_t
s_ask (const data_t *data, const float *query, kith_graph_query_t options,
       kith_graph_scratch_t *scratch)
{
    kith_topk_t top;
    float norm = kith_norm (query, data->rows.dim);
    kith_topk_init (&top, options.k);
    options.part = 7;
    options.first_row = 100000;
    kith_graph_search (data->graph, query, norm, &options, scratch, &top);
    kith_topk_sort (&top);
    for (uint32_t index = 0; index < top.count; index++) {
        cr_assert_eq (top.hits [index].part, 7);
        cr_assert (top.hits [index].row >= 100000
                   && top.hits [index].row < 100000 + data->rows.rows);
        uint32_t row = (uint32_t) (top.hits [index].row - 100000);
        cr_assert (!options.live || kith_bits_get (options.live, row));
        float score = kith_score (data->rows.metric, query, norm,
                                  data->vectors + (size_t) row * data->rows.dim,
                                  data->norms [row], data->rows.dim);
        cr_assert_eq (top.hits [index].distance,
                      kith_score_distance (data->rows.metric, score));
        cr_assert (index == 0
                       || kith_hit_better (&top.hits [index - 1], &top.hits [index]),
                   "hits out of order, or one twice");
    }
    return top;
}

//  Share of the exact answers' distances that the graph's answers reach
static double
s_recall (const data_t *data, shape_t shape, kith_graph_query_t options)
{
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    float *query = kith_alloc64 (data->rows.dim * sizeof *query);
    uint64_t found = 0, wanted = 0;
    for (uint32_t number = 0; number < QUERIES; number++) {
        s_query (data, shape, number, query);
        float norm = kith_norm (query, data->rows.dim);
        kith_topk_t exact;
        kith_topk_init (&exact, options.k);
        kith_flat_search (&data->rows, query, &norm, 1, options.live, 7, 100000, &exact);
        kith_topk_t top = s_ask (data, query, options, scratch);
        cr_assert_eq (top.count, exact.count);
        kith_topk_sort (&exact);
        wanted += exact.count;
        for (uint32_t index = 0; index < top.count; index++)
            found += top.hits [index].distance <= exact.hits [exact.count - 1].distance;
        kith_topk_free (&exact);
        kith_topk_free (&top);
    }
    free (query);
    kith_graph_scratch_destroy (&scratch);
    return wanted ? (double) found / (double) wanted : 1;
}

static void
s_check_recall (kith_metric_t metric, shape_t shape, uint32_t dim, double least)
{
    data_t data = s_data (metric, ROWS, dim, shape);
    s_build (&data, 2);
    double recall = s_recall (&data, shape, (kith_graph_query_t){.k = K, .effort = 60});
    cr_expect (recall >= least, "%s, shape %d, dim %u: recall %.3f < %.3f",
               kith_metric_name (metric), (int) shape, dim, recall, least);
    s_free (&data);
}

Test (graph, recall_on_uniform_rows)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++)
        s_check_recall (metric, UNIFORM, DIM, 0.9);
}

Test (graph, recall_on_clusters)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++)
        s_check_recall (metric, CLUSTERS, DIM, 0.95);
}

Test (graph, recall_on_copies)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++)
        s_check_recall (metric, COPIES, DIM, 0.95);
}

Test (graph, recall_among_zero_vectors)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++)
        s_check_recall (metric, ZEROS, DIM, 0.9);
}

Test (graph, recall_where_codes_fail)
{
    s_check_recall (KITH_METRIC_L2, HEAVY, 64, 0.9);
    s_check_recall (KITH_METRIC_COSINE, HEAVY, 64, 0.9);
}

Test (graph, recall_with_unequal_lengths)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++)
        s_check_recall (metric, SCALED, DIM, 0.9);
}

Test (graph, recall_in_many_dimensions)
{
    s_check_recall (KITH_METRIC_L2, CLUSTERS, 200, 0.95);
    s_check_recall (KITH_METRIC_COSINE, CLUSTERS, 601, 0.95);
    s_check_recall (KITH_METRIC_L2, UNIFORM, 1, 0.95);
    s_check_recall (KITH_METRIC_L2, UNIFORM, 3, 0.95);
}

//  All queries at once, by all lists
static double
s_recall_by_lists (const data_t *data, shape_t shape)
{
    const uint32_t dim = data->rows.dim;
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    float *queries = kith_alloc64 (QUERIES * dim * sizeof *queries), norms [QUERIES];
    kith_topk_t tops [QUERIES];
    for (uint32_t number = 0; number < QUERIES; number++) {
        s_query (data, shape, number, queries + number * dim);
        norms [number] = kith_norm (queries + number * dim, dim);
        kith_topk_init (&tops [number], K);
    }
    const kith_graph_batch_t batch = {
        .queries = queries, .norms = norms, .count = QUERIES};
    const kith_graph_query_t options = {.k = K};
    const kith_graph_many_t many = {.batch = &batch,
                                    .options = &options,
                                    .rows = data->rows.rows,
                                    .live = data->rows.rows,
                                    .lists = data->graph->header.lists};
    uint64_t compared = 0;
    bool stopped = false;
    cr_assert (
        kith_graph_lists_search (data->graph, &many, scratch, tops, &compared, &stopped));
    uint32_t found = 0;
    for (uint32_t number = 0; number < QUERIES; number++) {
        kith_topk_t exact;
        kith_topk_init (&exact, K);
        kith_flat_search (&data->rows, queries + number * dim, &norms [number], 1, NULL,
                          0, 0, &exact);
        kith_topk_sort (&exact);
        for (uint32_t index = 0; index < tops [number].count; index++)
            found += tops [number].hits [index].distance <= exact.hits [K - 1].distance;
        kith_topk_free (&exact);
        kith_topk_free (&tops [number]);
    }
    free (queries);
    kith_graph_scratch_destroy (&scratch);
    return (double) found / (K * QUERIES);
}

Test (graph, dimensions_that_tell_nothing_are_not_coded)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++) {
        data_t data = s_data (metric, ROWS, BARE_DIM, BARE);
        s_build (&data, 2);
        const kith_graph_t *graph = data.graph;
        cr_assert_eq (graph->header.code, KITH_GRAPH_NIBBLES);
        cr_assert_eq (graph->header.code_bytes, 64, "a line holds those that tell");
        cr_assert_eq (graph->header.coded, 2 * (64 - KITH_GRAPH_TRAILER));
        for (uint32_t index = 0, next = 0; index < BARE_DIM; index++) {
            const bool coded = next < graph->header.coded && graph->coded [next] == index;
            cr_assert (coded || index % 4 == 0, "dimension %u is left out", index);
            next += coded;
        }
        cr_expect_geq (s_recall (&data, BARE, (kith_graph_query_t){.k = K, .effort = 60}),
                       0.97);
        cr_assert_gt (graph->header.lists, 0);
        cr_expect_geq (s_recall_by_lists (&data, BARE), 0.99);
        s_free (&data);
    }
    //  One line is as few as there can be, and a dimension that tells is not left out
    data_t one = s_data (KITH_METRIC_L2, 1000, 100, BARE);
    s_build (&one, 1);
    cr_assert_null (one.graph->coded);
    s_free (&one);
    data_t all = s_data (KITH_METRIC_L2, 1000, BARE_DIM, CLUSTERS);
    s_build (&all, 1);
    cr_assert_null (all.graph->coded);
    cr_assert_eq (all.graph->header.coded, BARE_DIM);
    s_free (&all);
}

Test (graph, calibrated_recall_is_kept)
{
    data_t data = s_data (KITH_METRIC_L2, ROWS, DIM, UNIFORM);
    s_build (&data, 2);
    for (uint32_t k = 1; k <= 100; k *= 10) {
        double recall =
            s_recall (&data, UNIFORM, (kith_graph_query_t){.k = k, .recall = 0.9f});
        cr_expect (recall >= 0.87, "k %u: asked .9, got %.3f", k, recall);
    }
    uint32_t before = 0;
    for (float wanted = 0.5f; wanted < 1; wanted += 0.01f) {
        uint32_t effort = kith_graph_effort (data.graph, wanted, K);
        cr_assert (effort >= before && effort > 0);
        before = effort;
    }
    kith_graph_info_t info;
    kith_graph_describe (data.graph, &info);
    cr_assert_eq (info.rows, ROWS);
    cr_assert_eq (info.degree, 32);
    cr_assert (info.recall >= 0.95f && info.recall <= 1);
    cr_assert_eq (info.effort, kith_graph_effort (data.graph, 0.95f, 10));
    cr_assert_gt (info.bytes, (uint64_t) ROWS * 32 * 4);
    s_free (&data);
}

//  Recall asked for may take a beam that expands fewer rows than it answers with; an effort that is given is k at least
Test (graph, narrow_beams_answer_k_rows)
{
    data_t data = s_data (KITH_METRIC_L2, ROWS, DIM, UNIFORM);
    s_build (&data, 2);
    cr_assert_lt (kith_graph_effort (data.graph, 0.5f, 777), 777);
    for (uint32_t k = 1; k <= 1000; k *= 10) {
        //  s_recall checks that there are k
        s_recall (&data, UNIFORM, (kith_graph_query_t){.k = k, .recall = 0.01f});
        double given =
            s_recall (&data, UNIFORM, (kith_graph_query_t){.k = k, .effort = 1});
        double whole =
            s_recall (&data, UNIFORM, (kith_graph_query_t){.k = k, .effort = k});
        cr_expect_float_eq (given, whole, 1e-9);
    }
    s_free (&data);
}

static bool
s_same_sections (const kith_graph_t *a, const kith_graph_t *b)
{
    kith_section_t left [16], right [16];
    size_t count = kith_graph_sections (a, left);
    if (count != kith_graph_sections (b, right))
        return false;
    for (size_t index = 0; index < count; index++)
        if (left [index].id != right [index].id || left [index].size != right [index].size
            || memcmp (left [index].data, right [index].data, left [index].size) != 0)
            return false;
    return true;
}

Test (graph, same_bytes_for_any_number_of_threads)
{
    for (shape_t shape = UNIFORM; shape <= ZEROS; shape++) {
        data_t one = s_data (KITH_METRIC_COSINE, 3000, DIM, shape);
        s_build (&one, 1);
        for (uint32_t threads = 2; threads <= 3; threads++) {
            data_t more = one;
            s_build (&more, threads);
            cr_assert (s_same_sections (one.graph, more.graph), "shape %d, %u threads",
                       (int) shape, threads);
            kith_graph_destroy (&more.graph);
        }
        s_free (&one);
    }
}

//  Sections as a file would give them back
static size_t
s_copy (const kith_graph_t *graph, kith_section_t sections [16])
{
    size_t count = kith_graph_sections (graph, sections);
    for (size_t index = 0; index < count; index++) {
        void *data = kith_alloc64 (sections [index].size);
        memcpy (data, sections [index].data, sections [index].size);
        sections [index].data = data;
    }
    return count;
}

static void
s_drop (kith_section_t *sections, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        union {
            const void *from;
            void *to;
        } data = {.from = sections [index].data};
        free (data.to);
    }
}

static void
s_check_opened (const data_t *built, const data_t *opened, shape_t shape)
{
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    float *query = kith_alloc64 (built->rows.dim * sizeof *query);
    for (uint32_t number = 0; number < QUERIES; number++) {
        s_query (built, shape, number, query);
        kith_topk_t a = s_ask (built, query, (kith_graph_query_t){.k = K}, scratch);
        kith_topk_t b = s_ask (opened, query, (kith_graph_query_t){.k = K}, scratch);
        cr_assert_eq (a.count, b.count);
        for (uint32_t index = 0; index < a.count; index++)
            cr_assert_eq (a.hits [index].row, b.hits [index].row);
        kith_topk_free (&a);
        kith_topk_free (&b);
    }
    free (query);
    kith_graph_scratch_destroy (&scratch);
}

Test (graph, opened_answers_as_built)
{
    const shape_t shapes [] = {UNIFORM, COPIES, HEAVY, BARE};
    for (uint32_t index = 0; index < 4; index++) {
        data_t built = s_data (KITH_METRIC_COSINE, ROWS,
                               shapes [index] == BARE ? BARE_DIM : DIM, shapes [index]);
        s_build (&built, 2);
        kith_section_t sections [16];
        size_t count = s_copy (built.graph, sections);
        data_t opened = built;
        kith_error_t error;
        opened.graph = kith_graph_open (&built.rows, sections, count, &error);
        cr_assert (opened.graph, "%s", error.message);
        cr_assert (s_same_sections (built.graph, opened.graph));
        s_check_opened (&built, &opened, shapes [index]);
        kith_graph_destroy (&opened.graph);
        s_drop (sections, count);
        s_free (&built);
    }
}

Test (graph, sections_of_other_rows_are_refused)
{
    data_t data = s_data (KITH_METRIC_L2, 1000, DIM, UNIFORM);
    s_build (&data, 1);
    kith_section_t sections [16];
    size_t count = kith_graph_sections (data.graph, sections);
    kith_rows_t wrong [3] = {data.rows, data.rows, data.rows};
    wrong [0].rows--;
    wrong [1].dim--;
    wrong [2].metric = KITH_METRIC_IP;
    for (uint32_t index = 0; index < 3; index++) {
        kith_error_t error;
        cr_assert_null (kith_graph_open (&wrong [index], sections, count, &error));
        cr_assert_eq (error.code, KITH_ERR_CORRUPT);
        cr_assert_neq (error.message [0], '\0');
    }
    for (size_t missing = 0; missing < count; missing++) {
        kith_section_t fewer [16];
        memcpy (fewer, sections, sizeof fewer);
        fewer [missing].size = 0;
        cr_assert_null (kith_graph_open (&data.rows, fewer, count, NULL));
        fewer [missing].size = sections [missing].size - 4;
        cr_assert_null (kith_graph_open (&data.rows, fewer, count, NULL));
    }
    s_free (&data);
}

//  One damage: a word of a section becomes something else; the graph is refused or searched, never a crash
static bool
s_mutate (const data_t *data, kith_section_t *sections, size_t count, uint64_t seed)
{
    kith_random_t random;
    kith_random_seed (&random, seed);
    size_t which = (size_t) kith_random_below (&random, count);
    const uint32_t values [] = {
        0,          1,          0x7fffffff, 0x80000000,      0xffffffff,
        0xfffffffe, 0x7fc00000, 0x7f800000, data->rows.rows, data->rows.rows - 1};
    size_t at = (size_t) kith_random_below (&random, sections [which].size / 4) * 4;
    uint32_t value = kith_random_below (&random, 2)
                         ? values [kith_random_below (&random, sizeof values / 4)]
                         : (uint32_t) kith_random_next (&random);
    union {
        const void *from;
        uint8_t *to;
    } bytes = {.from = sections [which].data};
    uint32_t saved = kith_get_u32 (bytes.to + at);
    kith_put_u32 (bytes.to + at, value);
    kith_graph_t *graph = kith_graph_open (&data->rows, sections, count, NULL);
    if (graph) {
        kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
        kith_topk_t top;
        kith_topk_init (&top, K);
        kith_graph_query_t options = {.k = K, .effort = 1 + (uint32_t) (seed % 40)};
        kith_graph_search (graph, data->vectors, data->norms [0], &options, scratch,
                           &top);
        for (uint32_t index = 0; index < top.count; index++)
            cr_assert_lt (top.hits [index].row, data->rows.rows);
        kith_topk_free (&top);
        kith_graph_scratch_destroy (&scratch);
    }
    bool opened = graph != NULL;
    kith_graph_destroy (&graph);
    kith_put_u32 (bytes.to + at, saved);
    return opened;
}

Test (graph, damaged_sections_never_crash)
{
    const shape_t shapes [] = {UNIFORM, COPIES, HEAVY, BARE};
    uint32_t opened = 0, refused = 0;
    for (uint32_t index = 0; index < 4; index++) {
        data_t data = s_data (KITH_METRIC_COSINE, 2000,
                              shapes [index] == BARE ? BARE_DIM : 12, shapes [index]);
        s_build (&data, 2);
        kith_section_t sections [16];
        size_t count = s_copy (data.graph, sections);
        for (uint64_t seed = 0; seed < 2000; seed++)
            if (s_mutate (&data, sections, count, seed))
                opened++;
            else
                refused++;
        s_drop (sections, count);
        s_free (&data);
    }
    cr_assert (opened > 100 && refused > 100, "%u opened, %u refused", opened, refused);
}

static void
s_check_filter (const data_t *data, shape_t shape, uint32_t keep, double least)
{
    kith_bits_t live;
    kith_bits_init (&live, data->rows.rows, false);
    for (uint32_t row = 0; row < data->rows.rows; row++)
        if (kith_mix64 (row) % 1000 < keep)
            kith_bits_set (&live, row);
    double recall =
        s_recall (data, shape, (kith_graph_query_t){.k = K, .effort = 60, .live = &live});
    cr_expect (recall >= least, "%u of 1000 live: recall %.3f", keep, recall);
    kith_bits_free (&live);
}

//  10 and 100 answers are calibrated; as good must be those between them and far beyond. Clusters end behind the hundredth.
Test (graph, recall_at_any_k)
{
    for (uint32_t code = 1; code <= 3; code += 2) {
        data_t data = s_data (KITH_METRIC_COSINE, 20000, 64, CLUSTERS);
        kith_graph_params_t params = {.seed = 3, .build_effort = 100, .code = code};
        kith_error_t error;
        data.graph = kith_graph_build (&data.rows, &params, &error);
        cr_assert (data.graph, "%s", error.message);
        const uint32_t ks [] = {1, 5, 10, 15, 20, 30, 50, 80, 100, 600, 1000};
        for (uint32_t index = 0; index < sizeof ks / sizeof *ks; index++) {
            kith_graph_query_t options = {.k = ks [index], .recall = 0.95f};
            double recall = s_recall (&data, CLUSTERS, options);
            cr_expect (recall >= 0.93, "code %u, k %u: recall %.3f", code, options.k,
                       recall);
        }
        s_free (&data);
    }
}

//  Few rows left: all their codes are compared, and as few as 2 k + 4 of the rows exactly. k from one to more than there are
Test (graph, filters_that_leave_few_by_recall)
{
    data_t data = s_data (KITH_METRIC_COSINE, 20011, 100, CLUSTERS);
    s_build (&data, 2);
    const uint32_t one_in [] = {3, 20, 64, 300, 2500, 19000}, ks [] = {1, 10, 100, 400};
    for (uint32_t which = 0; which < 24; which++) {
        kith_bits_t live;
        kith_bits_init (&live, data.rows.rows, false);
        for (uint32_t row = 0; row < data.rows.rows; row++)
            if (kith_mix64 (row) % one_in [which / 4] == 0)
                kith_bits_set (&live, row);
        //  The last word has rows of its own
        kith_bits_set (&live, data.rows.rows - 1);
        kith_graph_query_t options = {
            .k = ks [which % 4], .recall = 0.95f, .live = &live};
        double recall = s_recall (&data, CLUSTERS, options);
        cr_expect (recall >= 0.93, "one in %u live, k %u: recall %.3f",
                   one_in [which / 4], options.k, recall);
        kith_bits_free (&live);
    }
    s_free (&data);
}

Test (graph, filters_of_every_selectivity)
{
    const shape_t shapes [] = {UNIFORM, CLUSTERS, COPIES};
    for (uint32_t index = 0; index < 3; index++) {
        data_t data = s_data (KITH_METRIC_L2, 20000, DIM, shapes [index]);
        s_build (&data, 2);
        for (uint32_t keep = 0; keep <= 1000; keep = keep * 2 + 1)
            s_check_filter (&data, shapes [index], keep, 0.9);
        s_check_filter (&data, shapes [index], 990, 0.9);
        s_free (&data);
    }
}

//  Live rows far from every query: the walk must not wander for longer than a scan, nor give up short
Test (graph, filter_against_the_query)
{
    data_t data = s_data (KITH_METRIC_L2, 20000, DIM, CLUSTERS);
    s_build (&data, 2);
    kith_bits_t live;
    kith_bits_init (&live, data.rows.rows, false);
    for (uint32_t row = 0; row < data.rows.rows; row++)
        if (row % 200 >= 100)
            kith_bits_set (&live, row);
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    float *query = kith_alloc64 (DIM * sizeof *query);
    for (uint32_t number = 0; number < 50; number++) {
        s_query (&data, CLUSTERS, number, query);
        kith_topk_t top;
        kith_topk_init (&top, K);
        kith_graph_query_t options = {.k = K, .effort = 60, .live = &live};
        uint64_t compared =
            kith_graph_search (data.graph, query, 0, &options, scratch, &top);
        cr_assert_eq (top.count, K);
        cr_assert_leq (compared, 2 * 10000 + 1000);
        kith_topk_free (&top);
    }
    double recall = s_recall (&data, CLUSTERS,
                              (kith_graph_query_t){.k = K, .effort = 60, .live = &live});
    cr_expect (recall >= 0.85, "recall %.3f", recall);
    free (query);
    kith_graph_scratch_destroy (&scratch);
    kith_bits_free (&live);
    s_free (&data);
}

//  Where little near the query may be answered and a scan is dear, a plain walk is tried; it finds what there is or says that it did not
Test (graph, filter_that_leaves_little_near_the_query)
{
    data_t data = s_data (KITH_METRIC_L2, 20000, DIM, CLUSTERS);
    s_build (&data, 2);
    const uint32_t rows = data.rows.rows;
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    float *query = kith_alloc64 (DIM * sizeof *query);
    uint32_t answered = 0, found = 0;
    //  One row of so many of the clusters that are left out otherwise
    for (uint32_t one_of = 4; one_of <= 64; one_of *= 4) {
        kith_bits_t live;
        kith_bits_init (&live, rows, false);
        for (uint32_t row = 0; row < rows; row++)
            if (row % 200 >= 100 || kith_mix64 (row) % one_of == 0)
                kith_bits_set (&live, row);
        const kith_graph_query_t options = {.k = K, .live = &live};
        for (uint32_t number = 0; number < 60; number++) {
            kith_topk_t truth, top;
            kith_topk_init (&truth, K);
            kith_topk_init (&top, K);
            s_query (&data, CLUSTERS, number, query);
            kith_flat_search (&data.rows, query, NULL, 1, &live, 0, 0, &truth);
            const kith_graph_ask_t ask = {
                .query = query, .rows = rows, .options = &options};
            kith_graph_plan_t plan =
                kith_graph_plan (data.graph, scratch, rows, 60, &options);
            //  As in a graph so large that a scan is dear
            plan.scan *= 50;
            plan.budget *= 50;
            if (kith_graph_search_live (data.graph, scratch, &ask, &plan, &top)) {
                answered++;
                cr_assert_eq (top.count, K);
                for (uint32_t hit = 0; hit < K; hit++) {
                    cr_assert (kith_bits_get (&live, (uint32_t) top.hits [hit].row));
                    found += top.hits [hit].distance <= kith_topk_worst (&truth);
                }
            }
            kith_topk_free (&truth);
            kith_topk_free (&top);
        }
        kith_bits_free (&live);
    }
    cr_assert_eq (answered, 180);
    cr_assert_geq (found, 0.9 * K * answered, "%u of %u", found, K * answered);
    free (query);
    kith_graph_scratch_destroy (&scratch);
    s_free (&data);
}

//  A filter that leaves out what is nearest to the query, and of the other rows all but one of so many: recall of the walk
static double
s_hole_recall (const data_t *data, uint32_t hole, uint32_t one_of)
{
    const uint32_t rows = data->rows.rows, dim = data->rows.dim;
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    float *query = kith_alloc64 (dim * sizeof *query);
    uint32_t found = 0;
    for (uint32_t number = 0; number < QUERIES; number++) {
        kith_bits_t live;
        kith_topk_t near, truth, top;
        kith_bits_init (&live, rows, false);
        for (uint32_t row = 0; row < rows; row++)
            if (kith_mix64 (row) % one_of == 0)
                kith_bits_set (&live, row);
        s_query (data, UNIFORM, number, query);
        kith_topk_init (&near, hole);
        kith_topk_init (&truth, K);
        kith_topk_init (&top, K);
        kith_flat_search (&data->rows, query, NULL, 1, NULL, 0, 0, &near);
        for (uint32_t hit = 0; hit < near.count; hit++)
            kith_bits_drop (&live, (uint32_t) near.hits [hit].row);
        kith_flat_search (&data->rows, query, NULL, 1, &live, 0, 0, &truth);
        const kith_graph_query_t options = {.k = K, .recall = 0.95f, .live = &live};
        const kith_graph_ask_t ask = {.query = query, .rows = rows, .options = &options};
        kith_graph_plan_t plan =
            kith_graph_plan (data->graph, scratch, rows,
                             kith_graph_effort_of (data->graph, &options), &options);
        //  As in a graph so large that a scan is dear
        plan.scan *= 50;
        plan.budget *= 50;
        const bool walked =
            kith_graph_search_live (data->graph, scratch, &ask, &plan, &top);
        cr_assert (walked);
        for (uint32_t hit = 0; hit < top.count; hit++)
            found += top.hits [hit].distance <= kith_topk_worst (&truth);
        kith_topk_free (&near);
        kith_topk_free (&truth);
        kith_topk_free (&top);
        kith_bits_free (&live);
    }
    free (query);
    kith_graph_scratch_destroy (&scratch);
    return (double) found / (K * QUERIES);
}

Test (graph, filter_with_a_hole_about_the_query)
{
    data_t data = s_data (KITH_METRIC_L2, 20000, DIM, UNIFORM);
    s_build (&data, 2);
    for (uint32_t one_of = 1; one_of <= 8; one_of *= 2)
        for (uint32_t hole = 1; hole <= 512; hole *= 4) {
            const double recall = s_hole_recall (&data, hole, one_of);
            cr_expect (recall >= (one_of == 1 ? 0.93 : 0.84),
                       "one of %u live but for the nearest %u: recall %.3f", one_of, hole,
                       recall);
        }
    s_free (&data);
}

//  Islands farther apart than the beam is wide: every row must still be found by a walk
Test (graph, islands_stay_connected)
{
    data_t data = s_data (KITH_METRIC_L2, 12000, DIM, UNIFORM);
    for (uint32_t row = 0; row < data.rows.rows; row++)
        data.vectors [(size_t) row * DIM] += (float) (row % 6) * 1e4f;
    s_build (&data, 2);
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    uint32_t found = 0, asked = 0;
    for (uint32_t row = 0; row < data.rows.rows; row += 7) {
        kith_topk_t top = s_ask (&data, data.vectors + (size_t) row * DIM,
                                 (kith_graph_query_t){.k = 1, .effort = 60}, scratch);
        found += top.hits [0].row == 100000 + row;
        asked++;
        kith_topk_free (&top);
    }
    cr_expect (found * 100 >= asked * 97, "%u of %u rows find themselves", found, asked);
    kith_graph_scratch_destroy (&scratch);
    s_free (&data);
}

//  Rows that can be reached from the entry
static uint32_t
s_reachable (const kith_graph_t *graph, const uint32_t *links)
{
    uint32_t rows = graph->header.rows, degree = graph->header.degree, count = 0,
             depth = 0;
    uint8_t *seen = calloc (rows, 1);
    uint32_t *stack = calloc (rows, sizeof *stack);
    stack [depth++] = graph->header.entry;
    seen [graph->header.entry] = 1;
    while (depth) {
        const uint32_t *row = links + (size_t) stack [--depth] * degree;
        count++;
        for (uint32_t index = 0; index < degree && row [index] != KITH_GRAPH_EMPTY;
             index++)
            if (!seen [row [index]]) {
                seen [row [index]] = 1;
                stack [depth++] = row [index];
            }
    }
    free (stack);
    free (seen);
    return count;
}

//  Cuts every link into rows of the first tenth, then mends
Test (graph, mending_reaches_every_row)
{
    data_t data = s_data (KITH_METRIC_L2, 4000, DIM, UNIFORM);
    s_build (&data, 2);
    kith_graph_t *graph = data.graph;
    uint32_t degree = graph->header.degree;
    size_t count = (size_t) graph->header.rows * degree;
    uint32_t *links = kith_alloc64 (count * sizeof *links);
    uint32_t *order = kith_alloc64 (graph->header.rows * sizeof *order);
    for (uint32_t row = 0; row < graph->header.rows; row++) {
        order [row] = row;
        uint32_t kept = 0;
        for (uint32_t index = 0; index < degree; index++) {
            uint32_t other = graph->links [(size_t) row * degree + index];
            if (other != KITH_GRAPH_EMPTY
                && (other >= 400 || other == graph->header.entry))
                links [(size_t) row * degree + kept++] = other;
        }
        for (; kept < degree; kept++)
            links [(size_t) row * degree + kept] = KITH_GRAPH_EMPTY;
    }
    cr_assert_eq (s_reachable (graph, graph->links), 4000);
    cr_assert_leq (s_reachable (graph, links), 3601);
    graph->links = links;
    kith_graph_lay (graph);
    cr_assert (kith_graph_mend (graph, links, order, graph->header.rows));
    cr_assert_eq (s_reachable (graph, links), 4000);
    free (order);
    kith_graph_destroy (&data.graph);
    free (links);
    s_free (&data);
}

Test (graph, tiny)
{
    for (uint32_t rows = 0; rows <= 40; rows = rows < 3 ? rows + 1 : rows * 3)
        for (shape_t shape = UNIFORM; shape <= ZEROS; shape++) {
            data_t data = s_data (KITH_METRIC_COSINE, rows, 5, shape);
            s_build (&data, 2);
            cr_assert_eq (s_recall (&data, shape, (kith_graph_query_t){.k = 100}), 1.0);
            kith_section_t sections [16];
            size_t count = kith_graph_sections (data.graph, sections);
            kith_graph_t *opened = kith_graph_open (&data.rows, sections, count, NULL);
            cr_assert (opened, "%u rows, shape %d", rows, (int) shape);
            kith_graph_destroy (&opened);
            s_free (&data);
        }
}

Test (graph, all_rows_equal)
{
    data_t data = s_data (KITH_METRIC_L2, 3000, 8, UNIFORM);
    for (uint32_t row = 1; row < 3000; row++)
        memcpy (data.vectors + (size_t) row * 8, data.vectors, 8 * sizeof (float));
    s_build (&data, 2);
    cr_assert_eq (s_recall (&data, UNIFORM, (kith_graph_query_t){.k = 1000, .effort = 5}),
                  1.0);
    s_free (&data);
}

Test (graph, k_beyond_effort_and_rows)
{
    data_t data = s_data (KITH_METRIC_L2, ROWS, DIM, UNIFORM);
    s_build (&data, 2);
    cr_assert_geq (s_recall (&data, UNIFORM, (kith_graph_query_t){.k = 50, .effort = 1}),
                   0.5);
    cr_assert_eq (s_recall (&data, UNIFORM, (kith_graph_query_t){.k = ROWS + 5}), 1.0);
    s_free (&data);
}

//  More searches than marks have epochs, on graphs of two sizes with one scratch
Test (graph, scratch_serves_many_searches)
{
    data_t small = s_data (KITH_METRIC_L2, 3000, DIM, UNIFORM);
    data_t large = s_data (KITH_METRIC_L2, ROWS, 2 * DIM, UNIFORM);
    s_build (&small, 2);
    s_build (&large, 2);
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    float *query = kith_alloc64 (2 * DIM * sizeof *query);
    uint64_t rows [2] = {0, 0};
    for (uint32_t round = 0; round < 600; round++) {
        const data_t *data = round % 2 ? &large : &small;
        s_query (data, UNIFORM, 1, query);
        kith_topk_t top =
            s_ask (data, query, (kith_graph_query_t){.k = 1, .effort = 20}, scratch);
        cr_assert (round < 2 || rows [round % 2] == top.hits [0].row, "round %u", round);
        rows [round % 2] = top.hits [0].row;
        kith_topk_free (&top);
    }
    free (query);
    kith_graph_scratch_destroy (&scratch);
    cr_assert_null (scratch);
    s_free (&small);
    s_free (&large);
}

static bool
s_stop_at_half (void *arg, uint64_t done, uint64_t of)
{
    uint32_t *calls = arg;
    (*calls)++;
    return done < of / 2;
}

Test (graph, build_can_be_cancelled)
{
    data_t data = s_data (KITH_METRIC_L2, ROWS, DIM, UNIFORM);
    uint32_t calls = 0;
    kith_graph_params_t params = {.progress = s_stop_at_half, .progress_arg = &calls};
    kith_error_t error;
    kith_error_clear (&error);
    cr_assert_null (kith_graph_build (&data.rows, &params, &error));
    cr_assert_eq (error.code, KITH_ERR_CANCELLED);
    cr_assert_gt (calls, 5);
    cr_assert_gt (kith_graph_build_bytes (ROWS, DIM, &params), (uint64_t) ROWS * 32 * 4);
    s_free (&data);
}
