//  graph.h - a navigable graph over the rows of a segment (ENGINE 3.1-3.3)
//  SPDX-License-Identifier: Apache-2.0
//
//  HNSW (Malkov and Yashunin 2016) with a flat level 0: uint32 rows of R ids (a multiple of 16, unused 0xffffffff, nearest
//  first, 64-byte aligned), upper levels as arrays, built in prefix-doubling batches (ParlayANN 2024) so that the same seed gives the
//  same graph for any number of threads. The float32 vectors are not part of it: the caller lends them (a snapshot's column,
//  mapped), rows are the segment's rows. Saved as sections of a container, used in place after mmap.
#ifndef KITH_GRAPH_H
#define KITH_GRAPH_H

#include "base/bits.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/topk.h"
#include "engine/indexes/flat.h"
#include "storage/snapshot.h"

typedef struct kith_graph kith_graph_t;

typedef struct {
    uint32_t degree;          //  R of level 0; 0: by dimension (32, 48, 64)
    uint32_t build_effort;    //  beam width of the build; 0: 150
    uint64_t seed;
    float recall;                 //  what calibration aims at; 0: 0.95
    kith_parallel_t *parallel;    //  null: serial
    //  Called now and then with rows done; returning false cancels the build.
    bool (*progress) (void *arg, uint64_t done, uint64_t of);
    void *progress_arg;
    //  A graph over some of the rows, whose links are taken over instead of searched for, and for each of its rows the row here, or
    //  UINT32_MAX: it is gone. Null: none. It should be the largest that there is.
    const kith_graph_t *base;
    const uint32_t *base_rows;
    //  0: the shortest that keeps neighbours apart, else 1 + kith_graph_code_t: 1 the vectors, 2 half a byte a dimension, 3 a byte,
    //  4 a bit
    uint32_t code;
    bool
        links_only;    //  for who takes the links over: neither calibrated nor grouped in lists
} kith_graph_params_t;

//  Bytes that a build needs beside the vectors, before it starts.
uint64_t
kith_graph_build_bytes (uint32_t rows, uint32_t dim, const kith_graph_params_t *params);

//  Bytes that the graph itself takes at most, beside the vectors.
uint64_t
kith_graph_load_bytes (uint32_t rows, uint32_t dim, const kith_graph_params_t *params);

//  Builds over all rows (dead ones too: they navigate). CANCELLED or NO_MEMORY on failure. After the build the graph measures itself on
//  rows that are not in yet, against exact search, and keeps recall@10 -> effort (kith_graph_effort).
kith_graph_t *kith_graph_build (const kith_rows_t *rows,
                                const kith_graph_params_t *params, kith_error_t *error);
void kith_graph_destroy (kith_graph_t **self_p);

//  Sections to store (ids and bytes point into the graph; count <= 16).
size_t kith_graph_sections (const kith_graph_t *self, kith_section_t sections [16]);

//  Uses sections in place (they must outlive the graph); every id, count and position is checked against rows, so that hostile bytes
//  end in CORRUPT. rows are the same as at the build.
kith_graph_t *kith_graph_open (const kith_rows_t *rows, const kith_section_t *sections,
                               size_t count, kith_error_t *error);

//  A search's scratch memory, reused from search to search by one thread at a time; grows as needed.
typedef struct kith_graph_scratch kith_graph_scratch_t;
kith_graph_scratch_t *kith_graph_scratch_new (void);
void kith_graph_scratch_destroy (kith_graph_scratch_t **self_p);

typedef struct {
    uint32_t k;
    uint32_t effort;            //  beam width, k at least; 0: by recall
    float recall;               //  wanted; 0: 0.95
    const kith_bits_t *live;    //  rows that may be answered; null: all
    uint32_t part;              //  for the hits
    uint64_t first_row;         //  added to each hit's row
} kith_graph_query_t;

//  Pushes the k nearest live rows it finds into top, with exact scores as distances. When `live` leaves few rows, scans
//  them instead (filter planner: never worse than an exact scan of the live rows). Returns rows compared.
uint64_t kith_graph_search (const kith_graph_t *self, const void *query, float query_norm,
                            const kith_graph_query_t *options,
                            kith_graph_scratch_t *scratch, kith_topk_t *top);

typedef struct {
    const void *queries;    //  count vectors as rows are stored, one after another
    const float *norms;     //  of each; null unless cosine
    uint32_t count;
    bool (*stop) (void *arg);    //  asked before each: true ends the search; null: never
    void *stop_arg;
} kith_graph_batch_t;

//  The same for many queries, into a top of each: one after another, with what is the same for all (which rows may be answered, and the
//  plan) found out once. *stopped (needed if stop is there): stop said so, and the tops of the queries from there on are as they were.
uint64_t
kith_graph_search_batch (const kith_graph_t *self, const kith_graph_batch_t *batch,
                         const kith_graph_query_t *options, kith_graph_scratch_t *scratch,
                         kith_topk_t *tops, bool *stopped);

//  Calibrated effort for a recall@k (which may be below k), and what was measured there.
uint32_t kith_graph_effort (const kith_graph_t *self, float recall, uint32_t k);
float kith_graph_recall (const kith_graph_t *self, uint32_t effort);

//  Rows, degree, levels, bytes in memory.
typedef struct {
    uint32_t rows, degree, levels;
    uint64_t bytes;
    float recall;    //  calibrated at `effort`
    uint32_t effort;
} kith_graph_info_t;
void kith_graph_describe (const kith_graph_t *self, kith_graph_info_t *info);

#endif
