//  subject_live.c - a graph that changes between searches, for the benchmarks' harness
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "engine/indexes/graph_live.h"
#include "tests/bench/engine/subject_impl.h"

enum { WHY_BYTES = 512 };

struct bench_live {
    const bench_rows_t *rows;
    kith_graph_t *graph;
};

bench_live_t *
bench_live_new (const bench_rows_t *rows, uint32_t count, uint32_t threads, char *why)
{
    kith_error_t error;
    kith_rows_t first = rows->rows;
    first.rows = count;
    kith_graph_params_t params = {.seed = 1,
                                  .parallel = kith_parallel_threads_new (threads)};
    kith_graph_t *graph = kith_graph_build (&first, &params, &error);
    kith_parallel_threads_destroy (&params.parallel);
    if (!graph || kith_graph_thaw (graph, &first, rows->rows.rows, &error) != 0) {
        snprintf (why, WHY_BYTES, "%s", error.message);
        kith_graph_destroy (&graph);
        return NULL;
    }
    bench_live_t *self = kith_new (sizeof *self);
    self->rows = rows;
    self->graph = graph;
    return self;
}

void
bench_live_destroy (bench_live_t **self_p)
{
    if (*self_p)
        kith_graph_destroy (&(*self_p)->graph);
    free (*self_p);
    *self_p = NULL;
}

double
bench_live_insert (bench_live_t *self, uint32_t count)
{
    kith_error_t error;
    double began = bench_cpu ();
    int rc = kith_graph_insert (self->graph, count, &error);
    return rc == 0 ? bench_cpu () - began : -1;
}

double
bench_live_remove (bench_live_t *self, const uint32_t *rows, uint32_t count)
{
    double began = bench_cpu ();
    for (uint32_t i = 0; i < count; i++)
        kith_graph_remove (self->graph, rows [i]);
    return bench_cpu () - began;
}

double
bench_live_repair (bench_live_t *self, uint32_t threads)
{
    kith_error_t error;
    kith_graph_params_t params = {.parallel = kith_parallel_threads_new (threads)};
    double began = bench_now ();
    int rc = kith_graph_repair (self->graph, &params, &error);
    double seconds = bench_now () - began;
    kith_parallel_threads_destroy (&params.parallel);
    return rc == 0 ? seconds : -1;
}

double
bench_live_ask (const bench_live_t *self, bench_ask_t *ask)
{
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    kith_graph_query_t options = {
        .k = ask->k, .effort = ask->effort, .recall = ask->recall};
    uint32_t dim = self->rows->rows.dim;
    double seconds = 0;
    for (uint32_t query = 0; query < ask->nq; query++) {
        const float *vector = ask->queries + (size_t) query * ask->stride;
        float norm = kith_norm (vector, dim);
        kith_topk_t top;
        double began = bench_cpu ();
        kith_topk_init (&top, ask->k);
        kith_graph_search (self->graph, vector, norm, &options, scratch, &top);
        kith_topk_sort (&top);
        seconds += bench_cpu () - began;
        for (uint32_t hit = 0; hit < ask->k; hit++)
            ask->rows [(size_t) query * ask->k + hit] =
                hit < top.count ? (int64_t) top.hits [hit].row : -1;
        kith_topk_free (&top);
    }
    kith_graph_scratch_destroy (&scratch);
    return seconds;
}
