//  subject.c - builds and asks Kith's indexes for the benchmarks' harness
//  SPDX-License-Identifier: Apache-2.0
#include "tests/bench/engine/subject.h"
#include "base/bytes.h"
#include "engine/indexes/index.h"
#include "engine/kernels/gemm.h"
#include "tests/bench/engine/subject_impl.h"
#include <sys/mman.h>
#include <time.h>

enum { HUGE_BYTES = 2 << 20, WHY_BYTES = 512, TILE_ROWS = 2048, THREADS_MAX = 64 };

static double
s_clock (clockid_t clock)
{
    struct timespec now;
    clock_gettime (clock, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

double
bench_now (void)
{
    return s_clock (CLOCK_MONOTONIC);
}

double
bench_cpu (void)
{
    return s_clock (CLOCK_THREAD_CPUTIME_ID);
}

const char *
bench_kernels (void)
{
    return kith_kernels ()->name;
}

const char *
bench_product (void)
{
    return kith_gemm_init ();
}

void *
bench_alloc (size_t bytes)
{
    void *data = NULL;
    bytes = (bytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    if (posix_memalign (&data, HUGE_BYTES, bytes) != 0)
        return NULL;
    (void) madvise (data, bytes, MADV_HUGEPAGE);
    memset (data, 0, bytes);
    return data;
}

bench_rows_t *
bench_rows_new (const float *vectors, uint32_t rows, uint32_t dim, const char *metric)
{
    bench_rows_t *self = kith_new (sizeof *self);
    self->norms = kith_alloc64 (rows * sizeof (float));
    for (uint32_t row = 0; row < rows; row++)
        self->norms [row] = kith_norm (vectors + (size_t) row * dim, dim);
    self->rows = (kith_rows_t){.vectors = vectors,
                               .rows = rows,
                               .dim = dim,
                               .metric = kith_metric_of_name (metric)};
    if (self->rows.metric == KITH_METRIC_COSINE)
        self->rows.norms = self->norms;
    return self;
}

void
bench_rows_destroy (bench_rows_t **self_p)
{
    if (*self_p)
        free ((*self_p)->norms);
    free (*self_p);
    *self_p = NULL;
}

bench_index_t *
bench_index_build (const bench_rows_t *rows, const bench_build_t *build, char *why)
{
    kith_error_t error;
    kith_index_params_t params = {.degree = build->degree,
                                  .build_effort = build->build_effort,
                                  .lists = build->lists,
                                  .recall = build->recall,
                                  .seed = build->seed};
    kith_index_t *index = NULL;
    if (kith_index_kind_of (build->kind, &params.kind, &error) == 0
        && kith_index_code_of (build->code, &params.code, &error) == 0
        && kith_index_settle (&rows->rows, &params, &error) == 0) {
        params.parallel = kith_parallel_threads_new (build->threads);
        index = kith_index_build (&rows->rows, &params, &error);
        kith_parallel_threads_destroy (&params.parallel);
    }
    if (!index) {
        snprintf (why, WHY_BYTES, "%s", error.message);
        return NULL;
    }
    bench_index_t *self = kith_new (sizeof *self);
    self->rows = rows;
    self->index = index;
    return self;
}

void
bench_index_destroy (bench_index_t **self_p)
{
    if (*self_p)
        kith_index_destroy (&(*self_p)->index);
    free (*self_p);
    *self_p = NULL;
}

void
bench_index_describe (const bench_index_t *self, bench_info_t *info)
{
    kith_index_info_t own = {.rows = 0};
    kith_index_describe (self->index, &own);
    *info = (bench_info_t){.kind = kith_index_kind_name (own.kind),
                           .code = kith_index_code_name (own.code),
                           .rows = own.rows,
                           .degree = own.degree,
                           .lists = own.lists,
                           .effort = own.effort,
                           .bytes = own.bytes,
                           .recall = own.recall};
}

uint32_t
bench_index_effort (const bench_index_t *self, float recall, uint32_t k)
{
    return kith_index_effort (self->index, recall, k);
}

//  One asking: the threads' shares of it are parts
typedef struct {
    const bench_rows_t *rows;
    const kith_index_t *index;    //  null: exact search
    const bench_ask_t *ask;
    float *norms;    //  of the queries
    kith_bits_t live;
    uint64_t compared;               //  one thread only
    double seconds [THREADS_MAX];    //  that each thread computed
    bool failed;
} s_job_t;

static int
s_search (s_job_t *job, uint32_t first, uint32_t count, kith_index_scratch_t *scratch,
          kith_topk_t *tops)
{
    const bench_ask_t *ask = job->ask;
    const float *queries = ask->queries + (size_t) first * ask->stride;
    const float *norms = job->rows->rows.norms ? job->norms + first : NULL;
    const kith_bits_t *live = ask->live ? &job->live : NULL;
    if (!job->index) {
        kith_flat_search (&job->rows->rows, queries, norms, count, live, 0, 0, tops);
        return 0;
    }
    kith_error_t error;
    kith_index_query_t query = {.queries = queries,
                                .norms = norms,
                                .nq = count,
                                .k = ask->k,
                                .effort = ask->effort,
                                .recall = ask->recall,
                                .live = live};
    uint64_t *compared = ask->threads > 1 ? NULL : &job->compared;
    return kith_index_search (job->index, &query, scratch, tops, compared, &error);
}

static void
s_keep (const s_job_t *job, uint32_t query, kith_topk_t *top)
{
    const bench_ask_t *ask = job->ask;
    kith_topk_sort (top);
    for (uint32_t hit = 0; ask->rows && hit < ask->k; hit++)
        ask->rows [(size_t) query * ask->k + hit] =
            hit < top->count ? (int64_t) top->hits [hit].row : -1;
    kith_topk_free (top);
}

static void
s_part (void *arg, uint32_t part)
{
    s_job_t *job = arg;
    const bench_ask_t *ask = job->ask;
    uint32_t first = (uint32_t) ((uint64_t) ask->nq * part / ask->threads);
    uint32_t end = (uint32_t) ((uint64_t) ask->nq * (part + 1) / ask->threads);
    uint32_t step = ask->whole && end > first ? end - first : 1;
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_topk_t *tops = kith_new (step * sizeof *tops);
    double cpu = bench_cpu ();
    for (uint32_t query = first; query < end; query += step) {
        double began = ask->ns ? bench_now () : 0;
        for (uint32_t top = 0; top < step; top++)
            kith_topk_init (&tops [top], ask->k);
        if (s_search (job, query, step, scratch, tops) != 0)
            job->failed = true;
        for (uint32_t top = 0; top < step; top++)
            s_keep (job, query + top, &tops [top]);
        if (ask->ns && !ask->whole)
            ask->ns [query] = (uint32_t) ((bench_now () - began) * 1e9);
    }
    job->seconds [part] = bench_cpu () - cpu;
    free (tops);
    kith_index_scratch_destroy (&scratch);
}

static double
s_ask (const bench_rows_t *rows, const kith_index_t *index, bench_ask_t *ask)
{
    s_job_t job = {.rows = rows, .index = index, .ask = ask};
    job.norms = kith_new (ask->nq * sizeof (float));
    job.live = (kith_bits_t){.words = ask->live, .count = rows->rows.rows};
    for (uint32_t query = 0; query < ask->nq; query++)
        job.norms [query] =
            kith_norm (ask->queries + (size_t) query * ask->stride, rows->rows.dim);
    kith_parallel_t *parallel =
        ask->threads > 1 ? kith_parallel_threads_new (ask->threads) : NULL;
    if (parallel)
        parallel->run (parallel, ask->threads, s_part, &job);
    else
        s_part (&job, 0);
    double seconds = 0;
    for (uint32_t part = 0; part < ask->threads; part++)
        seconds = job.seconds [part] > seconds ? job.seconds [part] : seconds;
    kith_parallel_threads_destroy (&parallel);
    ask->compared = job.compared;
    free (job.norms);
    return job.failed ? -1 : seconds;
}

double
bench_index_ask (const bench_index_t *self, bench_ask_t *ask)
{
    return s_ask (self->rows, self->index, ask);
}

double
bench_rows_ask (const bench_rows_t *self, bench_ask_t *ask)
{
    return s_ask (self, NULL, ask);
}

static double
s_product (const kith_rows_t *rows, const float *queries, uint32_t nq, float *out,
           uint32_t tile)
{
    double began = bench_cpu ();
    for (uint32_t from = 0; from < rows->rows; from += tile) {
        const uint32_t dim = rows->dim;
        uint32_t count = from + tile < rows->rows ? tile : rows->rows - from;
        kith_gemm (queries, nq, dim, (const float *) rows->vectors + (size_t) from * dim,
                   count, dim, dim, out);
    }
    return bench_cpu () - began;
}

double
bench_rows_product (const bench_rows_t *self, const float *queries, uint32_t nq)
{
    float *out = bench_alloc ((size_t) nq * self->rows.rows * sizeof (float));
    double whole = s_product (&self->rows, queries, nq, out, self->rows.rows);
    double tiles = s_product (&self->rows, queries, nq, out, TILE_ROWS);
    free (out);
    return tiles < whole ? tiles : whole;
}
