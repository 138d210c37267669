//  graph_filter.c - walk, scan the codes, or scan the vectors: what a filter leaves decides
//  SPDX-License-Identifier: Apache-2.0
//
//  Rows that may not be answered still lead the way; those that may are gathered apart, as many as the effort says. That costs about
//  effort / share nodes, so that below some share a scan of the live rows is cheaper: of their codes first if there are many. Costs are in
//  units of about 10 ns, as measured at 100 and at 768 dimensions on data that no cache holds.
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/graph_layout.h"

enum {
    BATCH = 64,        //  codes asked for before the first is used
    DEPTH_TIMES = 3    //  a scan of codes looks deeper than a walk: its recall is to be 1
};

static uint32_t
s_live (uint32_t rows, const kith_bits_t *live)
{
    if (!live)
        return rows;
    assert (live->count == rows);
    return kith_bits_popcount (live);
}

kith_graph_plan_t
kith_graph_plan (const kith_graph_t *self, uint32_t rows, uint32_t effort,
                 const kith_graph_query_t *options)
{
    kith_graph_plan_t plan = {
        .effort = effort, .rows = rows, .live = s_live (rows, options->live)};
    double share = (double) plan.live / rows;
    double row = options->live && share < 0.9 ? 1 + self->rows.dim / 32.0
                                              : 1 + self->rows.dim / 64.0;
    double code = 1 + self->header.code_bytes / 192.0;
    double step =
        self->codes ? 3 + self->header.code_bytes / 64.0 : 2 + self->rows.dim / 24.0;
    double scan = plan.live * row;
    double scan_codes = (double) INFINITY;
    //  To keep and re-score the best of the codes costs as much as some thousand vectors
    if (self->codes)
        scan_codes = plan.live * code
                     + DEPTH_TIMES * kith_graph_depth (self, options->k) * (40 + row);
    double walk = effort / share * self->header.degree / 2 * step;
    double cheapest = fmin (scan, fmin (scan_codes, walk));
    plan.way = cheapest == scan         ? KITH_GRAPH_SCAN
               : cheapest == scan_codes ? KITH_GRAPH_SCAN_CODES
                                        : KITH_GRAPH_WALK;
    plan.budget = (uint64_t) (fmin (scan, scan_codes) / step);
    return plan;
}

//  ---------------------------------------------------------------------
//  Walk

static bool
s_answerable (const kith_graph_t *self, const kith_bits_t *live, uint32_t row)
{
    if (!self->twins)
        return row < live->count && kith_bits_get (live, row);
    for (; row < live->count; row = kith_graph_twin (self, row))
        if (kith_bits_get (live, row))
            return true;
    return false;
}

static float
s_worst (const kith_graph_beam_t *found)
{
    return found->size < found->capacity ? INFINITY
                                         : found->near [found->size - 1].distance;
}

//  False: more was compared than a scan would cost
static bool
s_walk_live (const kith_graph_t *self, kith_graph_scratch_t *scratch,
             const kith_bits_t *live, uint64_t budget)
{
    kith_graph_beam_t *beam = &scratch->beam, *found = &scratch->found;
    while (beam->next < beam->size
           && !(beam->near [beam->next].distance > s_worst (found))) {
        if (scratch->compared > budget)
            return false;
        uint32_t count = kith_graph_expand (self, scratch, 0);
        kith_graph_distances (self, scratch, scratch->rows, count, scratch->distances);
        for (uint32_t index = 0; index < count; index++) {
            float distance = scratch->distances [index];
            if (!(distance < s_worst (found)))
                continue;
            kith_graph_beam_put (beam, distance, scratch->ids [index]);
            if (s_answerable (self, live, scratch->ids [index]))
                kith_graph_beam_put (found, distance, scratch->ids [index]);
        }
    }
    return true;
}

bool
kith_graph_search_live (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                        const kith_graph_ask_t *ask, const kith_graph_plan_t *plan,
                        kith_topk_t *top)
{
    const kith_bits_t *live = ask->options->live;
    double wide = plan->effort * 2.0 * plan->rows / plan->live + 64;
    uint32_t capacity = wide < plan->rows ? (uint32_t) wide : plan->rows;
    if (!kith_graph_prepare (self, scratch, ask->query, ask->norm)
        || !kith_graph_beam_reset (&scratch->beam, capacity)
        || !kith_graph_beam_reset (&scratch->found, plan->effort))
        return false;
    uint32_t entry = kith_graph_descend (self, scratch, 0);
    float distance;
    kith_graph_forget (scratch);
    kith_graph_distances (self, scratch, &entry, 1, &distance);
    scratch->marks [entry] = scratch->epoch;
    kith_graph_beam_put (&scratch->beam, distance, entry);
    if (s_answerable (self, live, entry))
        kith_graph_beam_put (&scratch->found, distance, entry);
    if (!s_walk_live (self, scratch, live, plan->budget))
        return false;
    //  Fewer than asked for although more are there: the walk did not reach them
    uint32_t wanted = ask->options->k < plan->live ? ask->options->k : plan->live;
    if (scratch->found.size < wanted && !self->twins)
        return false;
    kith_graph_refine (self, scratch, &scratch->found, ask,
                       kith_graph_depth (self, ask->options->k), top);
    return true;
}

//  ---------------------------------------------------------------------
//  Scan of codes

static void
s_scan_batch (const kith_graph_t *self, kith_graph_scratch_t *scratch, uint32_t count)
{
    kith_graph_distances (self, scratch, scratch->rows, count, scratch->distances);
    for (uint32_t index = 0; index < count; index++)
        if (scratch->distances [index] < s_worst (&scratch->beam))
            kith_graph_beam_put (&scratch->beam, scratch->distances [index],
                                 scratch->rows [index]);
}

bool
kith_graph_scan_codes (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                       const kith_graph_ask_t *ask, const kith_graph_plan_t *plan,
                       kith_topk_t *top)
{
    uint32_t depth = DEPTH_TIMES * kith_graph_depth (self, ask->options->k);
    depth = depth < plan->live ? depth : plan->live;
    uint64_t compared = scratch->compared;
    if (!self->codes || !kith_graph_prepare (self, scratch, ask->query, ask->norm)
        || !kith_graph_beam_reset (&scratch->beam, depth))
        return false;
    const uint32_t bytes = self->header.code_bytes;
    const kith_bits_t *live = ask->options->live;
    uint32_t count = 0;
    for (uint32_t first = 0; first < plan->rows; first += 64) {
        uint32_t left = plan->rows - first;
        uint64_t word = live ? live->words [first / 64] : ~(uint64_t) 0;
        if (left < 64)
            word &= ((uint64_t) 1 << left) - 1;
        for (; word; word &= word - 1) {
            uint32_t row = first + (uint32_t) __builtin_ctzll (word);
            for (uint32_t at = 0; at < bytes && at < 256; at += 64)
                __builtin_prefetch (self->codes + (size_t) row * bytes + at);
            scratch->rows [count++] = row;
        }
        if (count >= BATCH) {
            s_scan_batch (self, scratch, count);
            count = 0;
        }
    }
    s_scan_batch (self, scratch, count);
    scratch->compared = compared + plan->live;
    kith_graph_ask_t apart = *ask;
    apart.apart = true;
    kith_graph_refine (self, scratch, &scratch->beam, &apart, depth, top);
    return true;
}
