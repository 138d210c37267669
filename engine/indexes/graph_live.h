//  graph_live.h - a graph that changes while others search it
//  SPDX-License-Identifier: Apache-2.0
//
//  One writer at a time (the caller sees to it), any number of searches meanwhile, which take no lock: rows are only added behind
//  the others, and each becomes reachable when all that belongs to it is there. Removed rows are left out of answers at
//  once, but lead the way until a repair; their rows are used again only by the next build (kith_graph_params_t.base).
#ifndef KITH_GRAPH_LIVE_H
#define KITH_GRAPH_LIVE_H

#include "engine/indexes/graph.h"

//  Makes room for `capacity` rows, once, before others search. rows: the same rows, with room behind them for so many vectors and
//  norms, which stay where they are. NO_MEMORY: the graph is as it was.
int kith_graph_thaw (kith_graph_t *self, const kith_rows_t *rows, uint32_t capacity,
                     kith_error_t *error);

//  Links the next `count` rows, whose vectors (and norms) the caller has written behind the others. LIMIT: there is no room.
int kith_graph_insert (kith_graph_t *self, uint32_t count, kith_error_t *error);

//  No search that begins later answers with row.
void kith_graph_remove (kith_graph_t *self, uint32_t row);

//  Rows inserted so far, those removed among them, and how many were removed since the last repair.
uint32_t kith_graph_rows (const kith_graph_t *self);
uint32_t kith_graph_removed (const kith_graph_t *self);
uint32_t kith_graph_broken (const kith_graph_t *self);

//  Leads around removed rows: who had a link to one gets links to what that one led to, pruned. Worth while when some 5 to
//  10 in 100 rows are broken. params: parallel and progress; null: serial. CANCELLED: what is done stays done.
int kith_graph_repair (kith_graph_t *self, const kith_graph_params_t *params,
                       kith_error_t *error);

//  Ends the changes, when nobody searches: calibrates anew and lays the arrays out as kith_graph_sections wants them. From then on
//  the caller leaves removed rows out (kith_graph_query_t.live).
int kith_graph_freeze (kith_graph_t *self, const kith_graph_params_t *params,
                       kith_error_t *error);

#endif
