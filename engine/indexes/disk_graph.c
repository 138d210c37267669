//  disk_graph.c - all that the disk index knows of the graph in memory: its links when it is built, and its codes
//  SPDX-License-Identifier: Apache-2.0
#include "engine/indexes/disk_graph.h"

#include "base/bytes.h"
#include "engine/indexes/graph_layout.h"

void
kith_disk_links_of (const kith_graph_t *graph, kith_disk_links_t *links)
{
    *links = (kith_disk_links_t){.links = graph->links,
                                 .degree = graph->header.degree,
                                 .entry = graph->header.entry,
                                 .twins = graph->twins};
    if (graph->header.levels > 0)
        links->entry = graph->upper_rows [0];
}

//  ---------------------------------------------------------------------
//  Codes: a graph that has nothing else

struct kith_disk_coder {
    kith_graph_t *graph;
};

static kith_graph_code_t
s_code (kith_index_code_t code)
{
    assert (code == KITH_CODE_SQ4 || code == KITH_CODE_SQ8);
    return code == KITH_CODE_SQ4 ? KITH_GRAPH_NIBBLES : KITH_GRAPH_BYTES;
}

uint32_t
kith_disk_code_bytes (kith_index_code_t code, uint32_t dim)
{
    return kith_graph_code_bytes (s_code (code), dim);
}

static kith_disk_coder_t *
s_coder_new (const kith_rows_t *rows)
{
    kith_disk_coder_t *self = kith_new (sizeof *self);
    self->graph = kith_new (sizeof *self->graph);
    self->graph->rows = *rows;
    self->graph->header.rows = rows->rows;
    self->graph->header.dim = rows->dim;
    self->graph->header.metric = (uint32_t) rows->metric;
    return self;
}

kith_disk_coder_t *
kith_disk_coder_new (const kith_rows_t *rows, kith_index_code_t code,
                     kith_parallel_t *parallel)
{
    kith_disk_coder_t *self = s_coder_new (rows);
    bool coded = kith_graph_encode (self->graph, s_code (code), parallel);
    //  For the size of marks alone, which the disk index keeps itself
    self->graph->rows.rows = 0;
    if (!coded)
        kith_disk_coder_destroy (&self);
    return self;
}

kith_disk_coder_t *
kith_disk_coder_open (const kith_rows_t *rows, kith_index_code_t code,
                      const uint8_t *codes, const float *scale)
{
    kith_disk_coder_t *self = s_coder_new (rows);
    self->graph->header.code = s_code (code);
    self->graph->header.code_bytes = kith_disk_code_bytes (code, rows->dim);
    self->graph->rows.rows = 0;
    self->graph->codes = codes;
    self->graph->scale = scale;
    if (!kith_graph_derive (self->graph))
        kith_disk_coder_destroy (&self);
    return self;
}

void
kith_disk_coder_destroy (kith_disk_coder_t **self_p)
{
    assert (self_p);
    if (!*self_p)
        return;
    kith_graph_destroy (&(*self_p)->graph);
    free (*self_p);
    *self_p = NULL;
}

const uint8_t *
kith_disk_coder_codes (const kith_disk_coder_t *self)
{
    return self->graph->codes;
}

const float *
kith_disk_coder_scale (const kith_disk_coder_t *self)
{
    return self->graph->scale;
}

bool
kith_disk_coder_prepare (const kith_disk_coder_t *self, kith_disk_code_scratch_t *scratch,
                         const float *vector, float norm)
{
    return kith_graph_prepare (self->graph, scratch, vector, norm);
}

void
kith_disk_coder_distances (const kith_disk_coder_t *self,
                           const kith_disk_code_scratch_t *scratch, const uint32_t *rows,
                           uint32_t count, float *distances)
{
    const uint8_t *codes = self->graph->codes;
    uint32_t bytes = self->graph->header.code_bytes;
    for (uint32_t index = 0; index < count; index++)
        for (uint32_t at = 0; at < bytes && at < 256; at += 64)
            __builtin_prefetch (codes + (size_t) rows [index] * bytes + at);
    kith_graph_distances (self->graph, scratch, rows, count, distances);
}
