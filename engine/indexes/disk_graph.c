//  disk_graph.c - all that the disk index knows of the graph in memory, its links when it is built, and codes of rows
//  SPDX-License-Identifier: Apache-2.0
#include "engine/indexes/disk_graph.h"

#include "base/bytes.h"
#include "engine/indexes/disk_bits.h"
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
//  Codes

struct kith_disk_coder {
    kith_graph_t *graph;       //  that has codes and nothing else; null: bits
    kith_disk_bits_t *bits;    //  null: graph
};

bool
kith_disk_code_known (uint32_t code)
{
    return code == KITH_CODE_SQ4 || code == KITH_CODE_SQ8 || code == KITH_CODE_RABITQ;
}

static kith_graph_code_t
s_graph_code (kith_index_code_t code)
{
    return code == KITH_CODE_SQ4 ? KITH_GRAPH_NIBBLES : KITH_GRAPH_BYTES;
}

uint32_t
kith_disk_code_bytes (kith_index_code_t code, uint32_t dim)
{
    assert (kith_disk_code_known (code));
    return code == KITH_CODE_RABITQ ? kith_disk_bits_bytes (dim)
                                    : kith_graph_code_bytes (s_graph_code (code), dim);
}

uint32_t
kith_disk_trailer_bytes (kith_index_code_t code, uint32_t dim)
{
    return code == KITH_CODE_RABITQ ? 0
                                    : kith_graph_trailer_bytes (s_graph_code (code), dim);
}

uint32_t
kith_disk_code_scale (kith_index_code_t code, uint32_t dim)
{
    return code == KITH_CODE_RABITQ ? dim : 2 * dim;
}

//  A graph of no rows: marks, which are as many, the disk index keeps itself
static kith_graph_t *
s_graph_new (const kith_rows_t *rows)
{
    kith_graph_t *graph = kith_new (sizeof *graph);
    graph->rows = *rows;
    graph->rows.rows = 0;
    graph->header.rows = rows->rows;
    graph->header.dim = graph->header.coded = rows->dim;
    graph->header.metric = (uint32_t) rows->metric;
    return graph;
}

kith_disk_coder_t *
kith_disk_coder_new (const kith_rows_t *rows, kith_index_code_t code,
                     kith_parallel_t *parallel)
{
    kith_disk_coder_t *self = kith_new (sizeof *self);
    bool coded;
    if (code == KITH_CODE_RABITQ) {
        self->bits = kith_disk_bits_new (rows, parallel);
        coded = self->bits != NULL;
    }
    else {
        self->graph = s_graph_new (rows);
        self->graph->rows.rows = rows->rows;
        coded = kith_graph_encode (self->graph, s_graph_code (code), parallel);
        self->graph->rows.rows = 0;
    }
    if (!coded)
        kith_disk_coder_destroy (&self);
    return self;
}

kith_disk_coder_t *
kith_disk_coder_open (const kith_rows_t *rows, kith_index_code_t code,
                      const kith_disk_coded_t *coded)
{
    kith_disk_coder_t *self = kith_new (sizeof *self);
    if (code == KITH_CODE_RABITQ) {
        self->bits = kith_disk_bits_open (rows, coded->codes, coded->scale);
        if (!self->bits)
            kith_disk_coder_destroy (&self);
        return self;
    }
    self->graph = s_graph_new (rows);
    self->graph->header.code = s_graph_code (code);
    self->graph->header.code_bytes = kith_disk_code_bytes (code, rows->dim);
    self->graph->codes = coded->codes;
    self->graph->trailers = coded->trailers;
    self->graph->scale = coded->scale;
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
    kith_disk_bits_destroy (&(*self_p)->bits);
    free (*self_p);
    *self_p = NULL;
}

kith_disk_coded_t
kith_disk_coder_coded (const kith_disk_coder_t *self)
{
    if (self->bits)
        return (kith_disk_coded_t){.codes = kith_disk_bits_codes (self->bits),
                                   .scale = kith_disk_bits_middle (self->bits)};
    return (kith_disk_coded_t){.codes = self->graph->codes,
                               .trailers = self->graph->trailers,
                               .scale = self->graph->scale};
}

//  ---------------------------------------------------------------------
//  Query

struct kith_disk_code_scratch {
    kith_graph_scratch_t *graph;
    kith_disk_bits_query_t bits;
};

kith_disk_code_scratch_t *
kith_disk_code_scratch_new (void)
{
    kith_disk_code_scratch_t *self = kith_new (sizeof *self);
    self->graph = kith_graph_scratch_new ();
    return self;
}

void
kith_disk_code_scratch_destroy (kith_disk_code_scratch_t **self_p)
{
    assert (self_p);
    if (!*self_p)
        return;
    kith_graph_scratch_destroy (&(*self_p)->graph);
    kith_disk_bits_query_free (&(*self_p)->bits);
    free (*self_p);
    *self_p = NULL;
}

bool
kith_disk_coder_prepare (const kith_disk_coder_t *self, kith_disk_code_scratch_t *scratch,
                         const void *vector, float norm)
{
    if (self->bits)
        return kith_disk_bits_prepare (self->bits, &scratch->bits, vector, norm);
    return kith_graph_prepare (self->graph, scratch->graph, vector, norm);
}

void
kith_disk_coder_distances (const kith_disk_coder_t *self,
                           const kith_disk_code_scratch_t *scratch, const uint32_t *rows,
                           uint32_t count, float *distances)
{
    if (self->bits) {
        kith_disk_bits_distances (self->bits, &scratch->bits, rows, count, distances);
        return;
    }
    for (uint32_t index = 0; index < count; index++)
        kith_graph_prefetch_code (self->graph, rows [index]);
    kith_graph_distances (self->graph, scratch->graph, rows, count, distances);
}
