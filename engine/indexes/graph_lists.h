//  graph_lists.h - the rows of a graph in lists of near ones, by which many queries are answered at once
//  SPDX-License-Identifier: Apache-2.0
//
//  A walk waits for memory at every step, and what one query waited for is of no use to the next. Many queries at once can do better:
//  rows are dealt to the nearest of some centres, each query names the lists it wants to see, and every list is read once for all queries
//  that named it, as a product of two small matrices of bytes (the inverted file of Jegou et al. 2011, list by list instead of
//  query by query). The codes are those of the graph, unpacked on the way: lists take 4 bytes a row and the centres.
#ifndef KITH_GRAPH_LISTS_H
#define KITH_GRAPH_LISTS_H

#include "engine/indexes/graph_layout.h"

//  Lists that a graph of so many rows has; 0: none.
uint32_t kith_graph_lists_of (uint32_t rows);

//  Bytes of the lists, and what making them takes beside that.
uint64_t kith_graph_lists_bytes (uint32_t rows, uint32_t dim);
uint64_t kith_graph_lists_build_bytes (uint32_t rows, uint32_t dim, uint32_t threads);

//  Makes lists of all rows, owned by self, if it has codes of more than a bit and enough rows. CANCELLED or NO_MEMORY.
int kith_graph_lists_make (kith_graph_t *self, const kith_graph_params_t *params,
                           kith_error_t *error);

//  What is not stored, from the centres; owned by self. False: no memory.
bool kith_graph_lists_derive (kith_graph_t *self);

//  Takes the lists off: self is about to change.
void kith_graph_lists_drop (kith_graph_t *self);

//  Fills header's list_points, as kith_graph_calibrate does points; after it. False: no memory.
bool kith_graph_lists_calibrate (kith_graph_t *self, const kith_graph_truth_t *truth,
                                 kith_parallel_t *parallel);

//  Queries that go by lists
typedef struct {
    const kith_graph_batch_t *batch;
    const kith_graph_query_t *options;
    uint32_t rows, live;    //  of the graph; of them that may be answered
    uint32_t lists;         //  that each query sees
    //  Set for each query that is not answered, because most of what its lists hold may not be, or fewer than k rows of it; null: all are
    //  answered
    bool *strayed;
} kith_graph_many_t;

//  How many lists each of count queries sees; 0: there are none, they were not measured for this, or a walk is cheaper. walk: its cost
//  in units of 10 ns.
uint32_t
kith_graph_lists_wanted (const kith_graph_t *self, const kith_graph_query_t *options,
                         uint32_t count, uint32_t live, double walk);

//  Answers all queries, into a top of each; adds the rows compared to *compared. False: no memory, nothing was offered. *stopped: the
//  batch said so, some queries are not answered.
bool kith_graph_lists_search (const kith_graph_t *self, const kith_graph_many_t *many,
                              kith_graph_scratch_t *scratch, kith_topk_t *tops,
                              uint64_t *compared, bool *stopped);

#endif
