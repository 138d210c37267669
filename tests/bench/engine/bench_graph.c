//  bench_graph.c - recall and speed of the graph on an fbin file; one line of JSON per effort
//  SPDX-License-Identifier: Apache-2.0
//
//  bench_graph FILE.fbin [metric] [key=value ...]. keys: degree, build (effort of it), code (1 + kith_graph_code_t), threads, queries,
//  rounds; split=OUT only writes {rows, dim, queries, floats} for a peer; turns=1 runs one round for each line read, for peers.py. The
//  queries are taken out of the rows by a seeded draw. One thread asks, one query per call; the best of the rounds counts.
#include <errno.h>
#include <math.h>
#include <time.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/graph.h"
#include "engine/kernels/gemm.h"

enum { K = 10, EFFORTS = 14 };

static const uint32_t s_efforts [EFFORTS] = {10,  20,  30,  40,  60,  80,  100,
                                             130, 160, 200, 300, 400, 600, 1000};

typedef struct {
    const char *path;
    kith_metric_t metric;
    uint32_t degree, build, threads, queries, rounds, code;
    const char *split;
    bool turns;
} s_options_t;

typedef struct {
    kith_rows_t rows;
    float *vectors, *norms;
    float *queries, *query_norms;
    uint32_t nq;
    kith_topk_t *truth;
} s_data_t;

static double
s_now (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static void
s_swap (float *a, float *b, uint32_t dim)
{
    for (uint32_t index = 0; index < dim; index++) {
        float value = a [index];
        a [index] = b [index];
        b [index] = value;
    }
}

//  Reads {rows, dim, floats}, shuffles, splits off the queries
static int
s_load (s_data_t *data, const char *path, kith_metric_t metric, uint32_t nq)
{
    FILE *file = fopen (path, "rb");
    uint32_t head [2] = {0, 0};
    if (!file || fread (head, sizeof head, 1, file) != 1 || head [0] <= nq) {
        fprintf (stderr, "%s: %s\n", path, file ? "too short" : strerror (errno));
        return -1;
    }
    uint32_t rows = head [0], dim = head [1];
    data->vectors = kith_alloc64 ((size_t) rows * dim * sizeof (float));
    data->norms = kith_alloc64 (rows * sizeof (float));
    size_t got = fread (data->vectors, dim * sizeof (float), rows, file);
    fclose (file);
    if (got != rows)
        return -1;
    kith_random_t random;
    kith_random_seed (&random, 42);
    for (uint32_t index = 0; index < nq; index++) {
        uint32_t other = (uint32_t) kith_random_below (&random, rows - index);
        s_swap (data->vectors + (size_t) other * dim,
                data->vectors + (size_t) (rows - 1 - index) * dim, dim);
    }
    for (uint32_t row = 0; row < rows; row++)
        data->norms [row] = kith_norm (data->vectors + (size_t) row * dim, dim);
    data->nq = nq;
    data->queries = kith_alloc64 ((size_t) nq * dim * sizeof (float));
    memcpy (data->queries, data->vectors + (size_t) (rows - nq) * dim,
            (size_t) nq * dim * sizeof (float));
    data->query_norms = data->norms + rows - nq;
    data->rows = (kith_rows_t){.vectors = data->vectors,
                               .norms = metric == KITH_METRIC_COSINE ? data->norms : NULL,
                               .rows = rows - nq,
                               .dim = dim,
                               .metric = metric};
    return 0;
}

static void
s_exact (s_data_t *data)
{
    data->truth = kith_new (data->nq * sizeof *data->truth);
    for (uint32_t query = 0; query < data->nq; query++)
        kith_topk_init (&data->truth [query], K);
    double start = s_now ();
    kith_flat_search (&data->rows, data->queries, data->query_norms, data->nq, NULL, 0, 0,
                      data->truth);
    printf ("{\"exact_seconds\": %.2f}\n", s_now () - start);
    for (uint32_t query = 0; query < data->nq; query++)
        kith_topk_sort (&data->truth [query]);
}

typedef struct {
    double recall, qps, compared;
} s_point_t;

static s_point_t
s_round (const s_data_t *data, const kith_graph_t *graph, uint32_t effort,
         kith_graph_scratch_t *scratch)
{
    uint64_t found = 0, compared = 0;
    double start = s_now ();
    for (uint32_t query = 0; query < data->nq; query++) {
        kith_graph_query_t options = {.k = K, .effort = effort};
        kith_topk_t top;
        kith_topk_init (&top, K);
        compared +=
            kith_graph_search (graph, data->queries + (size_t) query * data->rows.dim,
                               data->query_norms [query], &options, scratch, &top);
        float limit = data->truth [query].hits [K - 1].distance;
        for (uint32_t hit = 0; hit < top.count; hit++)
            found += top.hits [hit].distance <= limit;
        kith_topk_free (&top);
    }
    double seconds = s_now () - start;
    return (s_point_t){.recall = (double) found / data->nq / K,
                       .qps = data->nq / seconds,
                       .compared = (double) compared / data->nq};
}

//  One line per effort, the best of the rounds
static void
s_table (const s_data_t *data, const kith_graph_t *graph, uint32_t rounds)
{
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    for (uint32_t index = 0; index < EFFORTS; index++) {
        s_point_t best = {.qps = 0};
        for (uint32_t round = 0; round < rounds; round++) {
            s_point_t point = s_round (data, graph, s_efforts [index], scratch);
            best = point.qps > best.qps ? point : best;
        }
        printf ("{\"effort\": %u, \"recall\": %.4f, \"promised\": %.4f, \"qps\": %.0f, "
                "\"compared\": %.0f}\n",
                s_efforts [index], best.recall,
                (double) kith_graph_recall (graph, s_efforts [index]), best.qps,
                best.compared);
        fflush (stdout);
    }
    kith_graph_scratch_destroy (&scratch);
}

//  [[recall, qps] ...] for every line that comes in
static void
s_turns (const s_data_t *data, const kith_graph_t *graph)
{
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    char line [64];
    while (fgets (line, sizeof line, stdin)) {
        for (uint32_t index = 0; index < EFFORTS; index++) {
            s_point_t point = s_round (data, graph, s_efforts [index], scratch);
            printf ("%s[%.5f, %.1f]", index ? ", " : "[", point.recall, point.qps);
        }
        printf ("]\n");
        fflush (stdout);
    }
    kith_graph_scratch_destroy (&scratch);
}

static int
s_split (const s_data_t *data, const char *path)
{
    FILE *file = fopen (path, "wb");
    if (!file)
        return 1;
    const uint32_t head [3] = {data->rows.rows, data->rows.dim, data->nq};
    size_t rows = (size_t) data->rows.rows + data->nq;
    bool written =
        fwrite (head, sizeof head, 1, file) == 1
        && fwrite (data->vectors, data->rows.dim * sizeof (float), rows, file) == rows;
    return fclose (file) == 0 && written ? 0 : 1;
}

static kith_graph_t *
s_build (const s_data_t *data, const s_options_t *options)
{
    kith_parallel_t *parallel = kith_parallel_threads_new (options->threads);
    kith_graph_params_t params = {.degree = options->degree,
                                  .code = options->code,
                                  .build_effort = options->build,
                                  .seed = 1,
                                  .parallel = parallel};
    kith_error_t error;
    double start = s_now ();
    kith_graph_t *graph = kith_graph_build (&data->rows, &params, &error);
    kith_parallel_threads_destroy (&parallel);
    if (!graph) {
        fprintf (stderr, "%s\n", error.message);
        return NULL;
    }
    kith_graph_info_t info;
    kith_graph_describe (graph, &info);
    printf ("{\"build_seconds\": %.1f, \"rows\": %u, \"degree\": %u, \"levels\": %u, "
            "\"bytes_per_row\": %.0f, \"effort_95\": %u, \"effort_99\": %u}\n",
            s_now () - start, info.rows, info.degree, info.levels,
            (double) info.bytes / info.rows, kith_graph_effort (graph, 0.95f, K),
            kith_graph_effort (graph, 0.99f, K));
    fflush (stdout);
    return graph;
}

static bool
s_parse (s_options_t *options, int argc, char **argv)
{
    *options = (s_options_t){.metric = KITH_METRIC_COSINE,
                             .threads = 2,
                             .queries = 1000,
                             .rounds = 3,
                             .path = argc > 1 ? argv [1] : NULL};
    if (argc > 2)
        options->metric = kith_metric_of_name (argv [2]);
    for (int index = 3; index < argc; index++) {
        const char *value = strchr (argv [index], '=');
        if (!value)
            return false;
        uint32_t number = (uint32_t) strtoul (value + 1, NULL, 10);
        switch (argv [index][0]) {
            case 'd':
                options->degree = number;
                break;
            case 'b':
                options->build = number;
                break;
            case 'c':
                options->code = number;
                break;
            case 'q':
                options->queries = number;
                break;
            case 'r':
                options->rounds = number;
                break;
            case 's':
                options->split = value + 1;
                break;
            case 't':
                if (argv [index][1] == 'u')
                    options->turns = number > 0;
                else
                    options->threads = number;
                break;
            default:
                return false;
        }
    }
    return options->path && options->metric;
}

int
main (int argc, char **argv)
{
    s_options_t options;
    if (!s_parse (&options, argc, argv)) {
        fprintf (
            stderr,
            "usage: bench_graph FILE.fbin [l2|ip|cosine] [degree=] [build=] [threads=] "
            "[queries=] [rounds=] [split=FILE] [turns=1]\n");
        return 2;
    }
    s_data_t data = {.nq = 0};
    if (s_load (&data, options.path, options.metric, options.queries) != 0)
        return 1;
    if (options.split)
        return s_split (&data, options.split);
    printf ("{\"kernels\": \"%s\", \"gemm\": \"%s\"}\n", kith_kernels ()->name,
            kith_gemm_init ());
    s_exact (&data);
    kith_graph_t *graph = s_build (&data, &options);
    if (!graph)
        return 1;
    if (options.turns)
        s_turns (&data, graph);
    else
        s_table (&data, graph, options.rounds);
    kith_graph_destroy (&graph);
    return 0;
}
