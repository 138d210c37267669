//  bench_ivf.c - recall and speed of an index of any kind and code on an fbin file; one line of JSON per effort
//  SPDX-License-Identifier: Apache-2.0
//
//  bench_ivf FILE.fbin [metric] [key=value ...]. keys: kind, code, lists, threads, queries, rounds, batch (queries of one call), efforts (a,b,c).
//  The queries are taken out of the rows by a seeded draw. One thread asks; the best of the rounds counts. Lines with "asked" ask
//  for a recall instead of an effort.
#include <errno.h>
#include <math.h>
#include <time.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/index.h"
#include "engine/kernels/gemm.h"
#include "storage/huge.h"

enum { K = 10, EFFORTS_MAX = 32 };

typedef struct {
    const char *path;
    kith_metric_t metric;
    kith_index_kind_t kind;
    kith_index_code_t code;
    uint32_t lists, threads, queries, rounds, batch;
    uint32_t efforts [EFFORTS_MAX];
    uint32_t count;
} s_options_t;

typedef struct {
    kith_rows_t rows;
    float *vectors, *norms;
    float *queries, *query_norms;
    uint32_t nq;
    kith_topk_t *truth;
} s_data_t;

static double
s_now (clockid_t clock)
{
    struct timespec now;
    clock_gettime (clock, &now);
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
s_load (s_data_t *data, const s_options_t *options)
{
    FILE *file = fopen (options->path, "rb");
    uint32_t head [2] = {0, 0}, nq = options->queries;
    if (!file || fread (head, sizeof head, 1, file) != 1 || head [0] <= nq) {
        fprintf (stderr, "%s: %s\n", options->path,
                 file ? "too short" : strerror (errno));
        return -1;
    }
    uint32_t rows = head [0], dim = head [1];
    data->vectors = kith_huge_new ((size_t) rows * dim * sizeof (float));
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
    data->rows =
        (kith_rows_t){.vectors = data->vectors,
                      .norms = options->metric == KITH_METRIC_COSINE ? data->norms : NULL,
                      .rows = rows - nq,
                      .dim = dim,
                      .metric = options->metric};
    data->truth = kith_new (nq * sizeof *data->truth);
    for (uint32_t query = 0; query < nq; query++)
        kith_topk_init (&data->truth [query], K);
    kith_flat_search (&data->rows, data->queries, data->query_norms, nq, NULL, 0, 0,
                      data->truth);
    for (uint32_t query = 0; query < nq; query++)
        kith_topk_sort (&data->truth [query]);
    return 0;
}

//  cpu: queries a second of this thread's own time, which neighbours on the machine disturb less
typedef struct {
    double recall, qps, cpu, compared;
} s_point_t;

static s_point_t
s_round (const s_data_t *data, const s_options_t *options, const kith_index_t *index,
         kith_index_query_t ask, kith_index_scratch_t *scratch)
{
    uint64_t found = 0, compared = 0;
    kith_topk_t *tops = kith_new (options->batch * sizeof *tops);
    double start = s_now (CLOCK_MONOTONIC);
    double cpu = s_now (CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t first = 0; first < data->nq; first += options->batch) {
        ask.nq = data->nq - first < options->batch ? data->nq - first : options->batch;
        ask.queries = data->queries + (size_t) first * data->rows.dim;
        ask.norms = data->rows.norms ? data->query_norms + first : NULL;
        for (uint32_t query = 0; query < ask.nq; query++)
            kith_topk_init (&tops [query], K);
        kith_index_search (index, &ask, scratch, tops, &compared, NULL);
        for (uint32_t query = 0; query < ask.nq; query++) {
            float limit = data->truth [first + query].hits [K - 1].distance;
            for (uint32_t hit = 0; hit < tops [query].count; hit++)
                found += tops [query].hits [hit].distance <= limit;
            kith_topk_free (&tops [query]);
        }
    }
    double seconds = s_now (CLOCK_MONOTONIC) - start;
    cpu = s_now (CLOCK_THREAD_CPUTIME_ID) - cpu;
    free (tops);
    return (s_point_t){.recall = (double) found / data->nq / K,
                       .qps = data->nq / seconds,
                       .cpu = data->nq / cpu,
                       .compared = (double) compared / data->nq};
}

static void
s_line (const s_data_t *data, const s_options_t *options, const kith_index_t *index,
        kith_index_query_t ask, kith_index_scratch_t *scratch)
{
    s_point_t best = {.qps = 0};
    for (uint32_t round = 0; round < options->rounds; round++) {
        s_point_t point = s_round (data, options, index, ask, scratch);
        best = point.cpu > best.cpu ? point : best;
    }
    uint32_t effort = ask.effort ? ask.effort : kith_index_effort (index, ask.recall, K);
    printf ("{\"asked\": %.2f, \"effort\": %u, \"recall\": %.4f, \"promised\": %.4f, "
            "\"qps\": %.0f, \"cpu_qps\": %.0f, \"compared\": %.0f}\n",
            (double) ask.recall, effort, best.recall,
            (double) kith_index_recall (index, effort), best.qps, best.cpu,
            best.compared);
    fflush (stdout);
}

static kith_index_t *
s_build (const s_data_t *data, const s_options_t *options)
{
    kith_parallel_t *parallel = kith_parallel_threads_new (options->threads);
    kith_index_params_t params = {.kind = options->kind,
                                  .code = options->code,
                                  .lists = options->lists,
                                  .seed = 1,
                                  .parallel = parallel};
    kith_error_t error;
    double start = s_now (CLOCK_MONOTONIC);
    kith_index_t *index = kith_index_build (&data->rows, &params, &error);
    kith_parallel_threads_destroy (&parallel);
    if (!index) {
        fprintf (stderr, "%s\n", error.message);
        return NULL;
    }
    kith_index_info_t info;
    kith_index_describe (index, &info);
    printf ("{\"build_seconds\": %.2f, \"kind\": \"%s\", \"code\": \"%s\", \"rows\": %u, "
            "\"lists\": %u, \"bytes_per_row\": %.0f}\n",
            s_now (CLOCK_MONOTONIC) - start, kith_index_kind_name (info.kind),
            kith_index_code_name (info.code), info.rows, info.lists,
            (double) info.bytes / info.rows);
    fflush (stdout);
    return index;
}

static bool
s_key (s_options_t *options, const char *key, const char *value)
{
    uint32_t number = (uint32_t) strtoul (value, NULL, 10);
    if (strcmp (key, "kind") == 0)
        return kith_index_kind_of (value, &options->kind, NULL) == 0;
    if (strcmp (key, "code") == 0)
        return kith_index_code_of (value, &options->code, NULL) == 0;
    uint32_t *numbers [] = {&options->lists, &options->threads, &options->queries,
                            &options->rounds, &options->batch};
    const char *const names [] = {"lists", "threads", "queries", "rounds", "batch"};
    for (size_t index = 0; index < sizeof names / sizeof names [0]; index++)
        if (strcmp (key, names [index]) == 0) {
            *numbers [index] = number;
            return true;
        }
    if (strcmp (key, "efforts") != 0)
        return false;
    char *next = NULL;
    for (const char *at = value; *at && options->count < EFFORTS_MAX; at = next) {
        options->efforts [options->count++] = (uint32_t) strtoul (at, &next, 10);
        next += *next == ',';
    }
    return true;
}

static bool
s_parse (s_options_t *options, int argc, char **argv)
{
    *options = (s_options_t){.metric = KITH_METRIC_COSINE,
                             .kind = KITH_INDEX_IVF,
                             .threads = 2,
                             .queries = 2000,
                             .rounds = 3,
                             .batch = 1,
                             .path = argc > 1 ? argv [1] : NULL};
    if (argc > 2)
        options->metric = kith_metric_of_name (argv [2]);
    for (int index = 3; index < argc; index++) {
        char *value = strchr (argv [index], '=');
        if (!value)
            return false;
        *value = 0;
        if (!s_key (options, argv [index], value + 1))
            return false;
    }
    return options->path && options->metric && options->batch;
}

int
main (int argc, char **argv)
{
    static const float recalls [] = {0.90f, 0.95f, 0.99f};
    s_options_t options;
    if (!s_parse (&options, argc, argv)) {
        fprintf (stderr, "usage: bench_ivf FILE.fbin [l2|ip|cosine] [kind=] [code=] "
                         "[lists=] [threads=] [queries=] [rounds=] [batch=] "
                         "[efforts=1,2,3]\n");
        return 2;
    }
    printf ("{\"kernels\": \"%s\", \"gemm\": \"%s\"}\n", kith_kernels ()->name,
            kith_gemm_init ());
    s_data_t data = {.nq = 0};
    if (s_load (&data, &options) != 0)
        return 1;
    kith_index_t *index = s_build (&data, &options);
    if (!index)
        return 1;
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    for (uint32_t each = 0; each < options.count; each++)
        s_line (&data, &options, index,
                (kith_index_query_t){.k = K, .effort = options.efforts [each]}, scratch);
    for (size_t each = 0; each < sizeof recalls / sizeof recalls [0]; each++)
        s_line (&data, &options, index,
                (kith_index_query_t){.k = K, .recall = recalls [each]}, scratch);
    kith_index_scratch_destroy (&scratch);
    kith_index_destroy (&index);
    return 0;
}
