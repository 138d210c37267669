//  graph_mend.c - leads to every node that no links lead to
//  SPDX-License-Identifier: Apache-2.0
//
//  Pruning keeps a graph together nearly always, not always: clusters wider than the beam can drift apart. So after the build everything that
//  can be reached is marked; what cannot is searched for, and gets a link from the nearest node found that has room (or loses a link to a node
//  with others). Real data need none of this: the marking is what it costs.
#include "base/bytes.h"
#include "engine/indexes/graph_link.h"

typedef struct {
    kith_graph_t *self;
    uint32_t *links;
    kith_bits_t reached;
    uint32_t *stack;
    uint32_t depth;
} s_mend_t;

static void
s_reach (s_mend_t *mend, uint32_t row)
{
    uint32_t degree = mend->self->header.degree;
    if (kith_bits_get (&mend->reached, row))
        return;
    kith_bits_set (&mend->reached, row);
    mend->stack [mend->depth++] = row;
    while (mend->depth) {
        const uint32_t *links =
            mend->links + (size_t) mend->stack [--mend->depth] * degree;
        for (uint32_t index = 0; index < degree && links [index] != KITH_GRAPH_EMPTY;
             index++)
            if (!kith_bits_get (&mend->reached, links [index])) {
                kith_bits_set (&mend->reached, links [index]);
                mend->stack [mend->depth++] = links [index];
            }
    }
}

//  A link from the nearest found node with a free place; if all are full, in the last place of the nearest
static void
s_link (s_mend_t *mend, const kith_graph_beam_t *beam, uint32_t row)
{
    uint32_t degree = mend->self->header.degree;
    for (uint32_t index = 0; index < beam->size; index++) {
        uint32_t *links =
            mend->links
            + (size_t) (beam->near [index].id & ~KITH_GRAPH_EXPANDED) * degree;
        if (links [degree - 1] != KITH_GRAPH_EMPTY)
            continue;
        uint32_t used = 0;
        while (links [used] != KITH_GRAPH_EMPTY)
            used++;
        kith_graph_link_set (&links [used], row);
        return;
    }
    if (beam->size)
        kith_graph_link_set (
            &mend->links [(size_t) (beam->near [0].id & ~KITH_GRAPH_EXPANDED) * degree
                          + degree - 1],
            row);
}

static bool
s_mend_row (s_mend_t *mend, kith_graph_scratch_t *scratch, uint32_t row)
{
    kith_graph_t *self = mend->self;
    float norm = self->rows.norms ? self->rows.norms [row] : 0;
    if (!kith_graph_prepare (self, scratch, kith_graph_vector (self, row), norm)
        || !kith_graph_beam_reset (&scratch->beam, 64))
        return false;
    uint32_t entry = kith_graph_descend (self, scratch, 0);
    //  The descent may end on the very island that is to be found
    if (!kith_bits_get (&mend->reached, entry))
        entry = self->header.entry;
    kith_graph_forget (scratch);
    kith_graph_walk (self, scratch, 0, entry);
    s_link (mend, &scratch->beam, row);
    s_reach (mend, row);
    return true;
}

bool
kith_graph_mend (kith_graph_t *self, uint32_t *links, const uint32_t *order,
                 uint32_t count)
{
    s_mend_t mend = {.self = self, .links = links};
    mend.stack = kith_huge_new ((size_t) self->rows.rows * sizeof *mend.stack);
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    bool done = mend.stack != NULL;
    kith_bits_init (&mend.reached, self->rows.rows, false);
    if (done && count)
        s_reach (&mend, self->header.entry);
    for (uint32_t index = 0; done && index < count; index++)
        if (!kith_bits_get (&mend.reached, order [index]))
            done = s_mend_row (&mend, scratch, order [index]);
    kith_bits_free (&mend.reached);
    kith_graph_scratch_destroy (&scratch);
    free (mend.stack);
    return done;
}
