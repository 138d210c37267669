//  local_graph - the graph of Kith in this process, for comparing with a server
//  SPDX-License-Identifier: Apache-2.0
#include "tests/claims/local_graph.h"
#include "base/bytes.h"
#include "engine/indexes/graph.h"
#include <stdio.h>

struct local_graph {
    kith_rows_t rows;
    float *norms;
    kith_graph_t *graph;
    kith_graph_scratch_t *scratch;
};

local_graph_t *
local_graph_new (const float *vectors, size_t rows, size_t dim)
{
    kith_error_t error = {.at = -1};
    local_graph_t *self = kith_new (sizeof *self);
    kith_parallel_t *parallel = kith_parallel_threads_new (0);
    kith_graph_params_t params = {.seed = 1, .parallel = parallel};
    self->norms = kith_alloc64 (rows * sizeof (float));
    for (size_t i = 0; i < rows; i++)
        self->norms [i] = kith_norm (vectors + i * dim, (uint32_t) dim);
    self->rows =
        (kith_rows_t){.vectors = vectors, .norms = self->norms, .rows = (uint32_t) rows};
    self->rows.dim = (uint32_t) dim;
    self->rows.metric = KITH_METRIC_COSINE;
    self->graph = kith_graph_build (&self->rows, &params, &error);
    self->scratch = kith_graph_scratch_new ();
    kith_parallel_threads_destroy (&parallel);
    if (!self->graph) {
        fprintf (stderr, "local_graph: %s\n", error.message);
        local_graph_destroy (&self);
    }
    return self;
}

void
local_graph_destroy (local_graph_t **self_p)
{
    local_graph_t *self = *self_p;
    if (!self)
        return;
    kith_graph_scratch_destroy (&self->scratch);
    kith_graph_destroy (&self->graph);
    free (self->norms);
    free (self);
    *self_p = NULL;
}

uint32_t
local_graph_effort (const local_graph_t *self, uint32_t k)
{
    return kith_graph_effort (self->graph, 0.95f, k);
}

size_t
local_graph_search (local_graph_t *self, const float *query, uint32_t k, uint32_t effort,
                    float least)
{
    kith_graph_query_t options = {.k = k, .effort = effort};
    kith_topk_t top;
    size_t hits = 0;
    kith_topk_init (&top, k);
    (void) kith_graph_search (self->graph, query, kith_norm (query, self->rows.dim),
                              &options, self->scratch, &top);
    kith_topk_sort (&top);
    for (size_t i = 0; i < top.count; i++)
        hits += -top.hits [i].distance >= least;
    kith_topk_free (&top);
    return hits;
}
