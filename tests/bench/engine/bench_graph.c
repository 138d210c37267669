//  bench_graph.c - recall and speed of the graph on an fbin file; one line of JSON per effort
//  SPDX-License-Identifier: Apache-2.0
//
//  bench_graph FILE.fbin [metric] [degree] [build effort] [threads] [queries] [rounds]. The last `queries` rows after a seeded
//  shuffle are left out and asked. One thread asks, one query per call. Prints the machine's word on itself first, so that two
//  runs are only compared if it is the same; peers.py runs hnswlib on the same split between two of our rounds.
#include <errno.h>
#include <math.h>
#include <time.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/graph.h"
#include "engine/kernels/gemm.h"

enum { K = 10, EFFORTS = 14 };

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

static void
s_measure (const s_data_t *data, const kith_graph_t *graph, uint32_t effort,
           uint32_t rounds)
{
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    double best = INFINITY;
    uint64_t found = 0, compared = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        double start = s_now ();
        found = compared = 0;
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
        best = seconds < best ? seconds : best;
    }
    printf ("{\"effort\": %u, \"recall\": %.4f, \"promised\": %.4f, \"qps\": %.0f, "
            "\"compared\": %.0f}\n",
            effort, (double) found / data->nq / K,
            (double) kith_graph_recall (graph, effort), data->nq / best,
            (double) compared / data->nq);
    fflush (stdout);
    kith_graph_scratch_destroy (&scratch);
}

static uint32_t
s_number (int argc, char **argv, int index, uint32_t otherwise)
{
    return argc > index ? (uint32_t) strtoul (argv [index], NULL, 10) : otherwise;
}

int
main (int argc, char **argv)
{
    if (argc < 2) {
        fprintf (
            stderr,
            "usage: bench_graph FILE.fbin [metric] [degree] [build effort] [threads] "
            "[queries] [rounds]\n");
        return 2;
    }
    printf ("{\"kernels\": \"%s\", \"gemm\": \"%s\"}\n", kith_kernels ()->name,
            kith_gemm_init ());
    kith_metric_t metric = kith_metric_of_name (argc > 2 ? argv [2] : "cosine");
    s_data_t data = {.nq = 0};
    if (!metric || s_load (&data, argv [1], metric, s_number (argc, argv, 6, 1000)) != 0)
        return 1;
    s_exact (&data);
    kith_parallel_t *parallel = kith_parallel_threads_new (s_number (argc, argv, 5, 2));
    kith_graph_params_t params = {.degree = s_number (argc, argv, 3, 0),
                                  .build_effort = s_number (argc, argv, 4, 0),
                                  .seed = 1,
                                  .parallel = parallel};
    kith_error_t error;
    double start = s_now ();
    kith_graph_t *graph = kith_graph_build (&data.rows, &params, &error);
    if (!graph) {
        fprintf (stderr, "%s\n", error.message);
        return 1;
    }
    kith_graph_info_t info;
    kith_graph_describe (graph, &info);
    printf ("{\"build_seconds\": %.1f, \"rows\": %u, \"degree\": %u, \"levels\": %u, "
            "\"bytes_per_row\": %.0f, "
            "\"effort_95\": %u, \"effort_99\": %u}\n",
            s_now () - start, info.rows, info.degree, info.levels,
            (double) info.bytes / info.rows, kith_graph_effort (graph, 0.95f, K),
            kith_graph_effort (graph, 0.99f, K));
    const uint32_t efforts [EFFORTS] = {10,  20,  30,  40,  60,  80,  100,
                                        130, 160, 200, 300, 400, 600, 1000};
    for (uint32_t index = 0; index < EFFORTS; index++)
        s_measure (&data, graph, efforts [index], s_number (argc, argv, 7, 3));
    kith_graph_destroy (&graph);
    kith_parallel_threads_destroy (&parallel);
    return 0;
}
