//  index_graph.c - the graph as a kind of index
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "engine/indexes/graph_layout.h"
#include "engine/indexes/index_class.h"

typedef struct {
    kith_index_t index;
    kith_graph_t *graph;
} s_index_t;

static const kith_graph_t *
s_graph (const kith_index_t *self)
{
    return ((const s_index_t *) self)->graph;
}

static kith_graph_params_t
s_params (const kith_index_params_t *params)
{
    static const uint32_t codes [KITH_CODE_LAST + 1] = {
        [KITH_CODE_FLOAT32] = 1 + KITH_GRAPH_FLOATS,
        [KITH_CODE_SQ4] = 1 + KITH_GRAPH_NIBBLES,
        [KITH_CODE_SQ8] = 1 + KITH_GRAPH_BYTES,
        [KITH_CODE_RABITQ] = 1 + KITH_GRAPH_BITS};
    return (kith_graph_params_t){.degree = params->degree,
                                 .code = codes [params->code],
                                 .build_effort = params->build_effort,
                                 .seed = params->seed,
                                 .recall = params->recall,
                                 .parallel = params->parallel,
                                 .progress = params->progress,
                                 .progress_arg = params->progress_arg};
}

static int
s_fits (const kith_rows_t *rows, const kith_index_params_t *params, kith_error_t *error)
{
    if (rows->type == KITH_VECTOR_BINARY)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "a graph is made over vectors of numbers, not of bits");
    if (params->code > KITH_CODE_RABITQ)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "a graph has no code %s: float32, sq8, sq4 and rabitq "
                               "are allowed",
                               kith_index_code_name (params->code));
    return 0;
}

static uint64_t
s_build_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    kith_graph_params_t graph = s_params (params);
    return kith_graph_build_bytes (rows->rows, rows->dim, &graph);
}

static uint64_t
s_load_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    kith_graph_params_t graph = s_params (params);
    return kith_graph_load_bytes (rows->rows, rows->dim, &graph);
}

static kith_index_t *
s_wrap (kith_graph_t *graph)
{
    if (!graph)
        return NULL;
    s_index_t *self = kith_new (sizeof *self);
    self->graph = graph;
    return &self->index;
}

static kith_index_t *
s_build (const kith_rows_t *rows, const kith_index_params_t *params, kith_error_t *error)
{
    kith_graph_params_t graph = s_params (params);
    return s_wrap (kith_graph_build (rows, &graph, error));
}

static kith_index_t *
s_open (const kith_rows_t *rows, const kith_section_t *sections, size_t count,
        kith_error_t *error)
{
    return s_wrap (kith_graph_open (rows, sections, count, error));
}

static void
s_destroy (kith_index_t *self)
{
    kith_graph_destroy (&((s_index_t *) self)->graph);
    free (self);
}

static size_t
s_sections (const kith_index_t *self, kith_section_t *sections)
{
    return kith_graph_sections (s_graph (self), sections);
}

static uint64_t
s_search (const kith_index_t *self, const kith_index_query_t *query, void *scratch,
          kith_topk_t *tops, bool *stopped)
{
    const kith_graph_query_t options = {.k = query->k,
                                        .effort = query->effort,
                                        .recall = query->recall,
                                        .live = query->live,
                                        .part = query->part,
                                        .first_row = query->first_row};
    const kith_graph_batch_t batch = {.queries = query->queries,
                                      .norms = query->norms,
                                      .count = query->nq,
                                      .stop = query->stop,
                                      .stop_arg = query->stop_arg};
    return kith_graph_search_batch (s_graph (self), &batch, &options, scratch, tops,
                                    stopped);
}

static void *
s_scratch_new (void)
{
    return kith_graph_scratch_new ();
}

static void
s_scratch_free (void *scratch)
{
    kith_graph_scratch_t *mine = scratch;
    kith_graph_scratch_destroy (&mine);
}

static uint32_t
s_effort (const kith_index_t *self, float recall, uint32_t k)
{
    return kith_graph_effort (s_graph (self), recall, k);
}

static float
s_recall (const kith_index_t *self, uint32_t effort)
{
    return kith_graph_recall (s_graph (self), effort);
}

static void
s_describe (const kith_index_t *self, kith_index_info_t *info)
{
    static const kith_index_code_t codes [] = {
        [KITH_GRAPH_FLOATS] = KITH_CODE_FLOAT32,
        [KITH_GRAPH_NIBBLES] = KITH_CODE_SQ4,
        [KITH_GRAPH_BYTES] = KITH_CODE_SQ8,
        [KITH_GRAPH_BITS] = KITH_CODE_RABITQ,
    };
    kith_graph_info_t graph;
    kith_graph_describe (s_graph (self), &graph);
    info->code = codes [s_graph (self)->header.code];
    info->degree = graph.degree;
    info->recall = graph.recall;
    info->effort = graph.effort;
}

const kith_index_class_t kith_index_graph = {.kind = KITH_INDEX_GRAPH,
                                             .name = "graph",
                                             .magic = KITH_GRAPH_MAGIC,
                                             .fits = s_fits,
                                             .build_bytes = s_build_bytes,
                                             .load_bytes = s_load_bytes,
                                             .build = s_build,
                                             .open = s_open,
                                             .destroy = s_destroy,
                                             .sections = s_sections,
                                             .search = s_search,
                                             .scratch_new = s_scratch_new,
                                             .scratch_free = s_scratch_free,
                                             .effort = s_effort,
                                             .recall = s_recall,
                                             .describe = s_describe};
