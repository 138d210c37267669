//  disk_graph.h - all that the disk index knows of the graph in memory, its links when it is built, and codes of rows
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_DISK_GRAPH_H
#define KITH_DISK_GRAPH_H

#include "engine/indexes/graph.h"
#include "engine/indexes/index.h"

#define KITH_DISK_NO_LINK 0xffffffffu    //  no link here, nor after it

//  Level 0 of a built graph
typedef struct {
    const uint32_t *links;    //  [rows] [degree], nearest first
    uint32_t degree;
    uint32_t entry;
    const uint32_t *twins;    //  null: all rows differ
} kith_disk_links_t;

//  Points links into graph.
void kith_disk_links_of (const kith_graph_t *graph, kith_disk_links_t *links);

//  Short codes of rows: KITH_CODE_SQ4 and KITH_CODE_SQ8 as the graph has them (graph_codes.c), KITH_CODE_RABITQ (disk_bits.c)
typedef struct kith_disk_coder kith_disk_coder_t;
bool kith_disk_code_known (uint32_t code);

//  Bytes of a row's code, of its trailer where that lies apart (else 0), floats of what all codes share (their scale).
uint32_t kith_disk_code_bytes (kith_index_code_t code, uint32_t dim);
uint32_t kith_disk_trailer_bytes (kith_index_code_t code, uint32_t dim);
uint32_t kith_disk_code_scale (kith_index_code_t code, uint32_t dim);

//  Codes all rows; null: no memory.
kith_disk_coder_t *kith_disk_coder_new (const kith_rows_t *rows, kith_index_code_t code,
                                        kith_parallel_t *parallel);

//  What is stored of the codes
typedef struct {
    const uint8_t *codes, *trailers;    //  trailers null: in the codes
    const float *scale;
} kith_disk_coded_t;

//  Uses what is stored; null: no memory.
kith_disk_coder_t *kith_disk_coder_open (const kith_rows_t *rows, kith_index_code_t code,
                                         const kith_disk_coded_t *coded);
void kith_disk_coder_destroy (kith_disk_coder_t **self_p);
kith_disk_coded_t kith_disk_coder_coded (const kith_disk_coder_t *self);

//  A query as a code, of any kind
typedef struct kith_disk_code_scratch kith_disk_code_scratch_t;
kith_disk_code_scratch_t *kith_disk_code_scratch_new (void);
void kith_disk_code_scratch_destroy (kith_disk_code_scratch_t **self_p);

//  vector: of the rows' type. False: no memory.
bool
kith_disk_coder_prepare (const kith_disk_coder_t *self, kith_disk_code_scratch_t *scratch,
                         const void *vector, float norm);

//  Distances of the prepared query to rows by their codes: right up to a constant of the query.
void kith_disk_coder_distances (const kith_disk_coder_t *self,
                                const kith_disk_code_scratch_t *scratch,
                                const uint32_t *rows, uint32_t count, float *distances);

#endif
