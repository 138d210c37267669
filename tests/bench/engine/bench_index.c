//  bench_index.c - recall and speed of an index of any kind and code on an fbin file; one line of JSON per effort
//  SPDX-License-Identifier: Apache-2.0
//
//  bench_index FILE.fbin [metric] [key=value ...]. keys: kind, code, degree, build (effort of it), lists, threads, queries, rounds,
//  batch (queries of one call), efforts (a,b,c), one_of (a filter that leaves one row of so many).
//  The queries are taken out of the rows by a seeded draw. One thread asks; the best of the rounds counts. Lines with "asked" ask
//  for a recall instead of an effort.
#include "engine/indexes/index.h"
#include "engine/kernels/gemm.h"
#include "tests/bench/engine/held_out.h"

enum { K = 10, EFFORTS_MAX = 32 };

typedef struct {
    const char *path;
    kith_metric_t metric;
    kith_index_kind_t kind;
    kith_index_code_t code;
    uint32_t degree, build, lists, threads, queries, rounds, batch;
    uint32_t one_of;    //  filter: one row of so many may be answered, drawn at random
    uint32_t efforts [EFFORTS_MAX];
    uint32_t count;
} s_options_t;

//  Queries a second of processor time that an exact scan of the live rows answers
static double
s_scan_rate (const bench_held_out_t *data)
{
    enum { SOME = 20 };
    double start = bench_seconds (CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t query = 0; query < SOME; query++) {
        kith_topk_t top;
        kith_topk_init (&top, K);
        kith_flat_search (&data->rows,
                          data->queries + (size_t) (query % data->nq) * data->rows.dim,
                          data->query_norms + query % data->nq, 1,
                          bench_held_out_live (data), 0, 0, &top);
        kith_topk_free (&top);
    }
    return SOME / (bench_seconds (CLOCK_THREAD_CPUTIME_ID) - start);
}

//  cpu: queries a second of this thread's own time, which neighbours on the machine disturb less
typedef struct {
    double recall, qps, cpu, compared;
} s_point_t;

static s_point_t
s_round (const bench_held_out_t *data, const s_options_t *options,
         const kith_index_t *index, kith_index_query_t ask, kith_index_scratch_t *scratch)
{
    uint64_t found = 0, compared = 0;
    kith_topk_t *tops = kith_new (options->batch * sizeof *tops);
    double start = bench_seconds (CLOCK_MONOTONIC);
    double cpu = bench_seconds (CLOCK_THREAD_CPUTIME_ID);
    for (uint32_t first = 0; first < data->nq; first += options->batch) {
        ask.nq = data->nq - first < options->batch ? data->nq - first : options->batch;
        ask.live = bench_held_out_live (data);
        ask.queries = data->queries + (size_t) first * data->rows.dim;
        ask.norms = data->rows.norms ? data->query_norms + first : NULL;
        for (uint32_t query = 0; query < ask.nq; query++)
            kith_topk_init (&tops [query], K);
        kith_index_search (index, &ask, scratch, tops, &compared, NULL);
        for (uint32_t query = 0; query < ask.nq; query++) {
            found += bench_held_out_right (data, first + query, &tops [query]);
            kith_topk_free (&tops [query]);
        }
    }
    double seconds = bench_seconds (CLOCK_MONOTONIC) - start;
    cpu = bench_seconds (CLOCK_THREAD_CPUTIME_ID) - cpu;
    free (tops);
    return (s_point_t){.recall = (double) found / data->nq / K,
                       .qps = data->nq / seconds,
                       .cpu = data->nq / cpu,
                       .compared = (double) compared / data->nq};
}

static void
s_line (const bench_held_out_t *data, const s_options_t *options,
        const kith_index_t *index, kith_index_query_t ask, kith_index_scratch_t *scratch)
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
s_build (const bench_held_out_t *data, const s_options_t *options)
{
    kith_parallel_t *parallel = kith_parallel_threads_new (options->threads);
    kith_index_params_t params = {.kind = options->kind,
                                  .code = options->code,
                                  .degree = options->degree,
                                  .build_effort = options->build,
                                  .lists = options->lists,
                                  .seed = 1,
                                  .parallel = parallel};
    kith_error_t error;
    double start = bench_seconds (CLOCK_MONOTONIC);
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
            bench_seconds (CLOCK_MONOTONIC) - start, kith_index_kind_name (info.kind),
            kith_index_code_name (info.code), info.rows, info.lists,
            (double) info.bytes / info.rows);
    fflush (stdout);
    return index;
}

//  Opens what would be stored: all is checked, nothing is copied
static void
s_open (const bench_held_out_t *data, const kith_index_t *index)
{
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_index_sections (index, sections);
    double start = bench_seconds (CLOCK_MONOTONIC);
    kith_index_t *opened = kith_index_open (&data->rows, sections, count, NULL);
    printf ("{\"open_seconds\": %.4f}\n", bench_seconds (CLOCK_MONOTONIC) - start);
    kith_index_destroy (&opened);
}

static bool
s_key (s_options_t *options, const char *key, const char *value)
{
    uint32_t number = (uint32_t) strtoul (value, NULL, 10);
    if (strcmp (key, "kind") == 0)
        return kith_index_kind_of (value, &options->kind, NULL) == 0;
    if (strcmp (key, "code") == 0)
        return kith_index_code_of (value, &options->code, NULL) == 0;
    uint32_t *numbers [] = {&options->degree,  &options->build,   &options->lists,
                            &options->threads, &options->queries, &options->rounds,
                            &options->batch,   &options->one_of};
    const char *const names [] = {"degree",  "build",  "lists", "threads",
                                  "queries", "rounds", "batch", "one_of"};
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
                             .kind = KITH_INDEX_AUTO,
                             .threads = 2,
                             .queries = 2000,
                             .rounds = 3,
                             .batch = 1,
                             .one_of = 1,
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
    return options->path && options->metric && options->batch && options->one_of;
}

int
main (int argc, char **argv)
{
    static const float recalls [] = {0.90f, 0.95f, 0.99f};
    s_options_t options;
    if (!s_parse (&options, argc, argv)) {
        fprintf (stderr, "usage: bench_index FILE.fbin [l2|ip|cosine] [kind=] [code=] "
                         "[degree=] [build=] [lists=] [threads=] [queries=] [rounds=] "
                         "[batch=] [one_of=] "
                         "[efforts=1,2,3]\n");
        return 2;
    }
    printf ("{\"kernels\": \"%s\", \"gemm\": \"%s\"}\n", kith_kernels ()->name,
            kith_gemm_init ());
    bench_held_out_t data;
    if (bench_held_out_load (&data, options.path, options.metric, options.queries) != 0)
        return 1;
    if (options.one_of > 1)
        bench_held_out_filter (&data, 1.0 / options.one_of);
    bench_held_out_exact (&data, K);
    printf ("{\"live\": %u, \"scan_qps\": %.0f}\n",
            data.live.words ? kith_bits_popcount (&data.live) : data.rows.rows,
            s_scan_rate (&data));
    kith_index_t *index = s_build (&data, &options);
    if (!index)
        return 1;
    s_open (&data, index);
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    for (uint32_t each = 0; each < options.count; each++)
        s_line (&data, &options, index,
                (kith_index_query_t){.k = K, .effort = options.efforts [each]}, scratch);
    for (size_t each = 0; each < sizeof recalls / sizeof recalls [0]; each++)
        s_line (&data, &options, index,
                (kith_index_query_t){.k = K, .recall = recalls [each]}, scratch);
    kith_index_scratch_destroy (&scratch);
    kith_index_destroy (&index);
    bench_held_out_free (&data);
    return 0;
}
