//  graph_link.h - how a node of the graph gets its links: search, prune, links back
//  SPDX-License-Identifier: Apache-2.0
//
//  Builds, merges and inserts into a live graph share it. Readers may walk the level meanwhile without a lock: a link is stored
//  with release after all that it leads to is there, a row of links is at every moment a run of valid ids, and one
//  that is being rewritten shows some of the old and some of the new.
#ifndef KITH_GRAPH_LINK_H
#define KITH_GRAPH_LINK_H

#include "engine/indexes/graph_layout.h"

#define KITH_GRAPH_PRUNE_MAX 1024u    //  candidates that one prune looks at

//  What one thread links with
typedef struct {
    kith_graph_scratch_t *scratch;
    kith_near_t near [KITH_GRAPH_PRUNE_MAX];    //  candidates
    uint32_t rows [KITH_GRAPH_PRUNE_MAX];
    float distances [KITH_GRAPH_PRUNE_MAX];
    uint32_t count;
} kith_graph_hand_t;

//  The level that is being linked
typedef struct {
    kith_graph_t *self;
    uint32_t level;
    uint32_t *links;    //  of the level
    uint32_t effort;    //  beam width
} kith_graph_linker_t;

//  A link back: to `node` from `from`
typedef struct {
    uint32_t node;
    uint32_t from;
} kith_graph_back_t;

//  Null: no memory.
kith_graph_hand_t *kith_graph_hand_new (void);
void kith_graph_hand_destroy (kith_graph_hand_t **self_p);

static inline uint32_t *
kith_graph_links_of (const kith_graph_linker_t *linker, uint32_t node)
{
    return linker->links + (size_t) node * linker->self->layers [linker->level].degree;
}

static inline void
kith_graph_link_set (uint32_t *link, uint32_t node)
{
    __atomic_store_n (link, node, __ATOMIC_RELEASE);
}

//  Makes hand ready to look from `node`. False: no memory.
bool kith_graph_link_ask (const kith_graph_linker_t *linker, kith_graph_hand_t *hand,
                          uint32_t node);

//  Adds a candidate, if there is room.
void kith_graph_link_add (kith_graph_hand_t *hand, uint32_t node);

//  Fills in the candidates' exact distances to the node that was asked for, sorts them, drops the second of two equal ones.
void kith_graph_link_measure (const kith_graph_linker_t *linker, kith_graph_hand_t *hand);

//  The same by codes, if there are any: an order that is good enough to read by.
void
kith_graph_link_estimate (const kith_graph_linker_t *linker, kith_graph_hand_t *hand);

//  Keeps of the measured candidates what no nearer kept one hides, at most `most`; then fills up to `fill` with the nearest of
//  the hidden. Writes links, the rest empty.
void
kith_graph_link_prune (const kith_graph_linker_t *linker, const kith_graph_hand_t *hand,
                       uint32_t most, uint32_t fill, uint32_t *links);

//  Searches the level from `entry` and measures what was found; node, which was asked for, is never among it.
void kith_graph_link_search (const kith_graph_linker_t *linker, kith_graph_hand_t *hand,
                             uint32_t node, uint32_t entry);

//  Gives the target of count backs links to where they come from: in free places, or by a prune of all. False: no memory.
bool kith_graph_link_back (const kith_graph_linker_t *linker, kith_graph_hand_t *hand,
                           const kith_graph_back_t *backs, uint32_t count);

#endif
