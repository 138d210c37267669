//  subject.h - Kith's indexes as the benchmarks' harness reaches them: a shared library with a few plain functions
//  SPDX-License-Identifier: Apache-2.0
//
//  bench.py loads it beside the peers (peer_*.cpp), so that all are asked by loops of native code and none pays for a call from Python.
#ifndef KITH_BENCH_SUBJECT_H
#define KITH_BENCH_SUBJECT_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_EXPORT __attribute__ ((visibility ("default")))

typedef struct bench_rows bench_rows_t;
typedef struct bench_index bench_index_t;

//  How an index is built; the names are those of kith_index_kind_of and kith_index_code_of
typedef struct {
    const char *kind;
    const char *code;
    uint32_t degree, build_effort, lists, threads;
    float recall;
    uint64_t seed;
} bench_build_t;

//  Questions, and where the answers go
typedef struct {
    const float *queries;    //  the first of each `stride` floats; whole: without gaps
    uint32_t nq, stride, k;
    uint32_t effort;    //  0: by recall
    float recall;
    uint32_t threads;     //  each gets its share of the queries
    uint32_t whole;       //  1: one call for a thread's share; 0: a call a query
    uint64_t *live;       //  a bit a row; null: all
    int64_t *rows;        //  nq x k, -1 where nothing was found; may be null
    uint32_t *ns;         //  of each query (not if whole); may be null
    uint64_t compared;    //  rows compared, over all queries (one thread only)
} bench_ask_t;

//  What an index says of itself
typedef struct {
    const char *kind, *code;
    uint32_t rows, degree, lists, effort;
    uint64_t bytes;
    float recall;
} bench_info_t;

//  Names of the kernels and of the matrix product in use; static text.
BENCH_EXPORT const char *bench_kernels (void);
BENCH_EXPORT const char *bench_product (void);

//  Zeroed memory in huge pages, where the system gives them; never freed.
BENCH_EXPORT void *bench_alloc (size_t bytes);

//  Lent vectors (they outlive it) and their norms, in a metric of kith_metric_of_name.
BENCH_EXPORT bench_rows_t *
bench_rows_new (const float *vectors, uint32_t rows, uint32_t dim, const char *metric);
BENCH_EXPORT void bench_rows_destroy (bench_rows_t **self_p);

//  Builds; null, and the reason in why [512].
BENCH_EXPORT bench_index_t *
bench_index_build (const bench_rows_t *rows, const bench_build_t *build, char *why);
BENCH_EXPORT void bench_index_destroy (bench_index_t **self_p);
BENCH_EXPORT void bench_index_describe (const bench_index_t *self, bench_info_t *info);
BENCH_EXPORT uint32_t bench_index_effort (const bench_index_t *self, float recall,
                                          uint32_t k);

//  Asks all; returns seconds, or -1 if a search failed. Seconds are those that the slowest thread computed.
BENCH_EXPORT double bench_index_ask (const bench_index_t *self, bench_ask_t *ask);

//  Exact search of the rows by kith_flat_search; whole: all in one call.
BENCH_EXPORT double bench_rows_ask (const bench_rows_t *self, bench_ask_t *ask);

//  Seconds of cblas_sgemm alone for nq queries and all rows: the better of one call and of tiles that stay in the cache.
BENCH_EXPORT double
bench_rows_product (const bench_rows_t *self, const float *queries, uint32_t nq);

//  Stores an index with the norms of its rows as a container NAME in a folder; 0, or -1 with the reason.
BENCH_EXPORT int
bench_index_store (const bench_index_t *self, const char *folder, char *why);

//  Opens what was stored over the rows of an fbin file, both by mmap, and asks one query of k = 10. Seconds of {open the container, open the
//  index, first answer}, and the answer's rows; 0, or -1 with the reason.
BENCH_EXPORT int bench_load (const char *folder, const char *fbin, const char *metric,
                             double seconds [3], int64_t rows [10], char *why);

//  A graph over the first `count` rows that grows into the others and loses some, while it is asked
typedef struct bench_live bench_live_t;
BENCH_EXPORT bench_live_t *
bench_live_new (const bench_rows_t *rows, uint32_t count, uint32_t threads, char *why);
BENCH_EXPORT void bench_live_destroy (bench_live_t **self_p);

//  Links the next `count` rows; seconds, or -1.
BENCH_EXPORT double bench_live_insert (bench_live_t *self, uint32_t count);

//  Removes rows; seconds.
BENCH_EXPORT double
bench_live_remove (bench_live_t *self, const uint32_t *rows, uint32_t count);

//  Leads around removed rows; seconds, or -1.
BENCH_EXPORT double bench_live_repair (bench_live_t *self, uint32_t threads);

//  One query per call, one thread; seconds that it computed.
BENCH_EXPORT double bench_live_ask (const bench_live_t *self, bench_ask_t *ask);

//  The machine: GB/s of a sequential read, ns of a dependent read, ns of an independent 64-byte record and of a 256-byte one, GFLOP/s of
//  sgemm at 128 and at 768 dimensions; huge pages.
BENCH_EXPORT void bench_machine (double out [6]);

#endif
