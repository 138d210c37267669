//  graph_link.c - how a node of the graph gets its links
//  SPDX-License-Identifier: Apache-2.0
//
//  Pruning is the heuristic of HNSW (Malkov and Yashunin 2016, algorithm 4): a candidate that is nearer to a kept link than to
//  the node is reached through that link.
#include "engine/indexes/graph_link.h"

#include "base/bytes.h"

enum {
    CANDIDATES = 96,    //  of a walk: what is found beyond them is hardly ever linked
    INSERT_MAX = 256    //  candidates that are sorted by insertion
};

kith_graph_hand_t *
kith_graph_hand_new (void)
{
    kith_graph_hand_t *self = kith_alloc64 (sizeof *self);
    if (self)
        self->scratch = kith_graph_scratch_new ();
    return self;
}

void
kith_graph_hand_destroy (kith_graph_hand_t **self_p)
{
    assert (self_p);
    kith_graph_hand_t *self = *self_p;
    if (!self)
        return;
    kith_graph_scratch_destroy (&self->scratch);
    free (self);
    *self_p = NULL;
}

static uint32_t
s_row (const kith_graph_linker_t *linker, uint32_t node)
{
    return linker->level == 0 ? node : linker->self->upper_rows [node];
}

//  ---------------------------------------------------------------------
//  Candidates

bool
kith_graph_link_ask (const kith_graph_linker_t *linker, kith_graph_hand_t *hand,
                     uint32_t node)
{
    kith_graph_t *self = linker->self;
    uint32_t row = s_row (linker, node);
    float norm = self->rows.norms ? self->rows.norms [row] : 0;
    hand->count = 0;
    return kith_graph_prepare (self, hand->scratch, kith_graph_vector (self, row), norm)
           && kith_graph_beam_reset (&hand->scratch->beam, linker->effort);
}

void
kith_graph_link_add (kith_graph_hand_t *hand, uint32_t node)
{
    if (hand->count < KITH_GRAPH_PRUNE_MAX)
        hand->near [hand->count++].id = node;
}

static int
s_compare_near (const void *a, const void *b)
{
    const kith_near_t *left = a, *right = b;
    if (left->distance != right->distance)
        return left->distance < right->distance ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

//  What comes is nearly in order: by code, or old links before new ones
static void
s_sort_near (kith_near_t *near, uint32_t count)
{
    if (count > INSERT_MAX) {
        qsort (near, count, sizeof *near, s_compare_near);
        return;
    }
    for (uint32_t index = 1; index < count; index++) {
        const kith_near_t next = near [index];
        uint32_t place = index;
        for (; place > 0 && s_compare_near (&next, &near [place - 1]) < 0; place--)
            near [place] = near [place - 1];
        near [place] = next;
    }
}

static void
s_list_rows (const kith_graph_linker_t *linker, kith_graph_hand_t *hand)
{
    for (uint32_t index = 0; index < hand->count; index++)
        hand->rows [index] = s_row (linker, hand->near [index].id);
}

//  Takes over the distances, sorts by them, drops the second of two equal ones
static void
s_sort (kith_graph_hand_t *hand)
{
    for (uint32_t index = 0; index < hand->count; index++)
        hand->near [index].distance = hand->distances [index];
    s_sort_near (hand->near, hand->count);
    uint32_t kept = 0;
    for (uint32_t index = 0; index < hand->count; index++)
        if (kept == 0 || hand->near [index].id != hand->near [kept - 1].id)
            hand->near [kept++] = hand->near [index];
    hand->count = kept;
}

void
kith_graph_link_measure (const kith_graph_linker_t *linker, kith_graph_hand_t *hand)
{
    s_list_rows (linker, hand);
    kith_graph_exact_distances (linker->self, hand->scratch, hand->rows, hand->count,
                                hand->distances);
    s_sort (hand);
}

void
kith_graph_link_estimate (const kith_graph_linker_t *linker, kith_graph_hand_t *hand)
{
    s_list_rows (linker, hand);
    kith_graph_distances (linker->self, hand->scratch, hand->rows, hand->count,
                          hand->distances);
    s_sort (hand);
}

//  ---------------------------------------------------------------------
//  Prune

//  Whether a kept node is nearer to the candidate than the node itself is
static bool
s_occluded (const kith_graph_linker_t *linker, const kith_near_t *candidate,
            const uint32_t *kept, uint32_t count)
{
    const kith_graph_t *self = linker->self;
    kith_gather4_fn *four = kith_graph_four (self);
    const float *norms = self->rows.norms;
    uint32_t row = s_row (linker, candidate->id);
    for (uint32_t first = 0; first < count; first += 4) {
        const void *vectors [4];
        uint32_t rows [4];
        float products [4];
        for (uint32_t each = 0; each < 4; each++) {
            rows [each] =
                s_row (linker, kept [first + each < count ? first + each : first]);
            vectors [each] = kith_graph_vector (self, rows [each]);
        }
        four (kith_graph_vector (self, row), vectors, self->rows.dim, products);
        for (uint32_t each = 0; each < 4; each++) {
            float score = kith_score_of_product (self->rows.metric, products [each],
                                                 norms ? norms [row] : 0,
                                                 norms ? norms [rows [each]] : 0);
            if (kith_score_distance (self->rows.metric, score) < candidate->distance)
                return true;
        }
    }
    return false;
}

void
kith_graph_link_prune (const kith_graph_linker_t *linker, const kith_graph_hand_t *hand,
                       uint32_t most, uint32_t fill, uint32_t *links)
{
    uint32_t degree = linker->self->layers [linker->level].degree;
    uint32_t kept [KITH_GRAPH_DEGREE_MAX], hidden [KITH_GRAPH_DEGREE_MAX];
    uint32_t kept_count = 0, hidden_count = 0;
    for (uint32_t index = 0; index < hand->count && kept_count < most; index++) {
        const kith_near_t *candidate = &hand->near [index];
        if (!s_occluded (linker, candidate, kept, kept_count))
            kept [kept_count++] = candidate->id;
        else if (hidden_count < fill)
            hidden [hidden_count++] = candidate->id;
    }
    for (uint32_t index = 0; index < hidden_count && kept_count < fill; index++)
        kept [kept_count++] = hidden [index];
    for (uint32_t index = 0; index < degree; index++)
        kith_graph_link_set (&links [index],
                             index < kept_count ? kept [index] : KITH_GRAPH_EMPTY);
}

//  ---------------------------------------------------------------------
//  Both halves of an insert

void
kith_graph_link_search (const kith_graph_linker_t *linker, kith_graph_hand_t *hand,
                        uint32_t node, uint32_t entry)
{
    kith_graph_scratch_t *scratch = hand->scratch;
    kith_graph_forget (scratch);
    kith_graph_walk (linker->self, scratch, linker->level, entry);
    const kith_graph_beam_t *beam = &scratch->beam;
    for (uint32_t index = 0; index < beam->size && index < CANDIDATES; index++) {
        uint32_t found = beam->near [index].id & ~KITH_GRAPH_EXPANDED;
        if (found != node)
            kith_graph_link_add (hand, found);
    }
    kith_graph_link_measure (linker, hand);
}

bool
kith_graph_link_back (const kith_graph_linker_t *linker, kith_graph_hand_t *hand,
                      const kith_graph_back_t *backs, uint32_t count)
{
    uint32_t degree = linker->self->layers [linker->level].degree;
    uint32_t *links = kith_graph_links_of (linker, backs [0].node);
    uint32_t used = 0;
    while (used < degree && links [used] != KITH_GRAPH_EMPTY)
        used++;
    if (used + count <= degree) {
        for (uint32_t index = 0; index < count; index++)
            kith_graph_link_set (&links [used + index], backs [index].from);
        return true;
    }
    if (!kith_graph_link_ask (linker, hand, backs [0].node))
        return false;
    for (uint32_t index = 0; index < used; index++)
        kith_graph_link_add (hand, links [index]);
    for (uint32_t index = 0; index < count; index++)
        kith_graph_link_add (hand, backs [index].from);
    kith_graph_link_measure (linker, hand);
    kith_graph_link_prune (linker, hand, degree, degree / 2, links);
    return true;
}
