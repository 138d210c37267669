//  local_graph - the graph of Kith in this process, for comparing with a server
//  SPDX-License-Identifier: Apache-2.0
//
//  A part by itself because the engine and the client library both name something kith_rows_t.
#ifndef KITH_CLAIMS_LOCAL_GRAPH_H
#define KITH_CLAIMS_LOCAL_GRAPH_H

#include <stddef.h>
#include <stdint.h>

typedef struct local_graph local_graph_t;

//  Builds over rows x dim vectors by cosine (not copied), with every core; null with the reason on standard error.
local_graph_t *local_graph_new (const float *vectors, size_t rows, size_t dim);
void local_graph_destroy (local_graph_t **self_p);

//  Effort that the graph's own calibration names for recall@k 0.95.
uint32_t local_graph_effort (const local_graph_t *self, uint32_t k);

//  Searches; returns how many of the k scores found are at or above `least`.
size_t local_graph_search (local_graph_t *self, const float *query, uint32_t k,
                           uint32_t effort, float least);

#endif
