//  graph_filter.c - walk, scan the codes, or scan the vectors: what a filter leaves decides
//  SPDX-License-Identifier: Apache-2.0
//
//  Three ways, chosen by estimated cost (ENGINE 3.7). When nearly all rows may be answered, the others lead the way like they, and those
//  that may are gathered apart. When fewer may, the walk goes over them alone, in two hops where one does not give enough
//  (ACORN-1, Patel et al. 2024): the neighbours of a neighbour that is filtered out stand in for it. Such a walk begins at answerable
//  rows, the best of a sample, so that a filter which leaves nothing near the query does not strand it. When few may be answered, or the
//  walk found too little or cost too much, their codes are scanned, or their vectors. Costs are in units of about 10 ns.
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/graph_layout.h"

enum {
    BATCH = 64,    //  codes asked for before the first is used
    LINE = 64,
    EXPAND = 2,     //  nodes expanded at once
    BRIDGES = 4,    //  of a node
    BRIDGES_MAX = 3 * BRIDGES,
    //  As wide a beam at most when little near the query may be answered
    FAR_TIMES = 5,
    EFFORT_MIN = 64,     //  a narrower beam does not shrink
    EFFORT_MORE = 24,    //  two hops lead less straight than one
    SAMPLE = 512,        //  answerable rows that a walk begins with at most
    DEPTH_TIMES = 3    //  a scan of codes looks deeper than a walk: its recall is to be 1
};

#define THROUGH_SHARE 0.8    //  from here on rows that are filtered out lead the way
#define HOPS_TIMES 2.3       //  what a step in two hops costs more than a plain one
#define HOPS_SHARE 0.08      //  of the rows that two hops need
#define FEW_POWER 0.3        //  how the beam shrinks where a filter leaves fewer rows
#define FAR_POWER 0.35       //  how the beam grows where less is near than elsewhere

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
    //  What a vector, a code, and a row of a walk cost, as measured at 100, 384 and 784 dimensions
    double row = 0.4 + self->rows.dim / 128.0;
    double code = 0.35 + self->header.code_bytes / 400.0;
    double step =
        self->codes ? 2 + self->header.code_bytes / 256.0 : 2 + self->rows.dim / 24.0;
    double scan = plan.live * row, scan_codes = (double) INFINITY;
    if (self->codes)
        scan_codes = plan.live * code
                     + DEPTH_TIMES * kith_graph_depth (self, options->k) * (8 + row);
    const bool through = share > THROUGH_SHARE;
    plan.each = self->header.degree / 2.0 * step * (through ? 1 / share : HOPS_TIMES);
    plan.sample = effort < SAMPLE / 2 ? 2 * effort : SAMPLE;
    double walk = effort * plan.each;
    if (!through)
        walk =
            walk * pow (share, FEW_POWER) + EFFORT_MORE * plan.each + plan.sample * step;
    //  Two hops do not find enough
    if (share < HOPS_SHARE && self->codes)
        walk = (double) INFINITY;
    const double cheapest = fmin (scan, fmin (scan_codes, walk));
    plan.way = cheapest == scan         ? KITH_GRAPH_SCAN
               : cheapest == scan_codes ? KITH_GRAPH_SCAN_CODES
                                        : KITH_GRAPH_WALK;
    plan.scan = fmin (scan, scan_codes);
    plan.budget = (uint64_t) (plan.scan / step);
    return plan;
}

//  ---------------------------------------------------------------------
//  Walk

static inline bool
s_answerable (const kith_graph_t *self, const kith_bits_t *live, uint32_t row)
{
    while (row < live->count) {
        if (kith_bits_get (live, row))
            return true;
        if (!kith_graph_has_twin (self, row))
            return false;
        row = kith_graph_twin (self, row);
    }
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

//  Begins at the node that the levels lead to
static bool
s_begin_through (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                 const kith_bits_t *live, const kith_graph_plan_t *plan)
{
    double wide = plan->effort * 2.0 * plan->rows / plan->live + 64;
    uint32_t capacity = wide < plan->rows ? (uint32_t) wide : plan->rows;
    if (!kith_graph_beam_reset (&scratch->beam, capacity)
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
    return true;
}

//  ---------------------------------------------------------------------
//  Walk over answerable rows alone

//  What the walk takes of the nodes that it expands at once
typedef struct {
    const kith_graph_t *self;
    kith_graph_scratch_t *scratch;
    const kith_bits_t *live;
    uint32_t count;                    //  answerable rows listed in scratch
    uint32_t bridges [BRIDGES_MAX];    //  nearest links that are filtered out
    uint32_t bridge_count;
    uint32_t seen, answerable;    //  links looked at in first hops
} s_hops_t;

static inline void
s_list (s_hops_t *hops, uint32_t row)
{
    const kith_graph_t *self = hops->self;
    const uint32_t bytes = self->header.code_bytes;
    hops->scratch->ids [hops->count] = row;
    hops->scratch->rows [hops->count++] = row;
    for (uint32_t at = 0; self->codes && at < bytes && at < 4 * LINE; at += LINE)
        __builtin_prefetch (self->codes + (size_t) row * bytes + at);
}

static void
s_first_hop (s_hops_t *hops, uint32_t node)
{
    const kith_graph_layer_t *layer = &hops->self->layers [0];
    const uint32_t *links = layer->links + (size_t) node * layer->degree;
    kith_graph_scratch_t *scratch = hops->scratch;
    uint32_t before = hops->count, bridges = hops->bridge_count;
    for (uint32_t index = 0; index < layer->degree; index++) {
        uint32_t row = __atomic_load_n (&links [index], __ATOMIC_ACQUIRE);
        if (row == KITH_GRAPH_EMPTY)
            break;
        if (scratch->marks [row] == scratch->epoch)
            continue;
        scratch->marks [row] = scratch->epoch;
        hops->seen++;
        if (s_answerable (hops->self, hops->live, row))
            s_list (hops, row);
        else if (hops->bridge_count - bridges < BRIDGES) {
            hops->bridges [hops->bridge_count++] = row;
            kith_graph_prefetch_links (layer, row);
        }
    }
    hops->answerable += hops->count - before;
}

//  Over the bridges until `most` rows are listed
static void
s_second_hop (s_hops_t *hops, uint32_t most)
{
    const kith_graph_layer_t *layer = &hops->self->layers [0];
    kith_graph_scratch_t *scratch = hops->scratch;
    for (uint32_t each = 0; each < hops->bridge_count && hops->count < most; each++) {
        const uint32_t *links =
            layer->links + (size_t) hops->bridges [each] * layer->degree;
        for (uint32_t index = 0; index < layer->degree && hops->count < most; index++) {
            uint32_t row = __atomic_load_n (&links [index], __ATOMIC_ACQUIRE);
            if (row == KITH_GRAPH_EMPTY)
                break;
            if (!s_answerable (hops->self, hops->live, row)
                || scratch->marks [row] == scratch->epoch)
                continue;
            scratch->marks [row] = scratch->epoch;
            s_list (hops, row);
        }
    }
}

static void
s_offer_listed (s_hops_t *hops)
{
    kith_graph_scratch_t *scratch = hops->scratch;
    kith_graph_distances (hops->self, scratch, scratch->rows, hops->count,
                          scratch->distances);
    for (uint32_t index = 0; index < hops->count; index++)
        if (scratch->distances [index] < s_worst (&scratch->beam))
            kith_graph_beam_put (&scratch->beam, scratch->distances [index],
                                 scratch->ids [index]);
    scratch->compared += hops->count;
    hops->count = 0;
    hops->bridge_count = 0;
}

//  The first live row from `row` on; rows at and above count: none
static uint32_t
s_next (const kith_bits_t *live, uint32_t row)
{
    if (row >= live->count)
        return live->count;
    uint64_t word = live->words [row / 64] >> row % 64;
    if (word)
        return row + (uint32_t) __builtin_ctzll (word);
    for (size_t index = row / 64 + 1; index < kith_bits_words (live->count); index++)
        if (live->words [index])
            return (uint32_t) (index * 64)
                   + (uint32_t) __builtin_ctzll (live->words [index]);
    return live->count;
}

//  Fills the beam with answerable rows of a sample, and with those about the node that the levels lead to
static void
s_begin_hops (s_hops_t *hops, const kith_graph_plan_t *plan)
{
    const kith_graph_t *self = hops->self;
    kith_graph_scratch_t *scratch = hops->scratch;
    uint32_t entry = kith_graph_descend (self, scratch, 0);
    kith_graph_forget (scratch);
    scratch->marks [entry] = scratch->epoch;
    if (s_answerable (self, hops->live, entry))
        s_list (hops, entry);
    s_first_hop (hops, entry);
    //  Two steps around it tell how much of what is near may be answered
    for (uint32_t each = 0, count = hops->count; each < 2 && each < count; each++)
        s_first_hop (hops, scratch->ids [each]);
    s_second_hop (hops, KITH_GRAPH_BATCH_MAX / 2);
    s_offer_listed (hops);
    //  Rows lie in no order of nearness, so that those behind equal steps are a fair sample
    const uint32_t step = plan->rows / plan->sample + 1;
    for (uint32_t row = s_next (hops->live, 0); row < plan->rows;
         row = s_next (hops->live, row + step)) {
        //  Rows behind a twin are no nodes
        const uint32_t *links = self->links + (size_t) row * self->header.degree;
        if (scratch->marks [row] == scratch->epoch
            || (self->twins && links [0] == KITH_GRAPH_EMPTY))
            continue;
        scratch->marks [row] = scratch->epoch;
        s_list (hops, row);
        if (hops->count == KITH_GRAPH_BATCH_MAX / 2)
            s_offer_listed (hops);
    }
    s_offer_listed (hops);
}

//  False: more was compared than a scan would cost
static bool
s_walk_hops (s_hops_t *hops, const kith_graph_plan_t *plan)
{
    kith_graph_scratch_t *scratch = hops->scratch;
    kith_graph_beam_t *beam = &scratch->beam;
    const uint32_t degree = hops->self->header.degree;
    while (beam->next < beam->size) {
        if (scratch->compared > plan->budget)
            return false;
        uint32_t nodes [EXPAND];
        uint32_t taken = kith_graph_beam_ahead (hops->self, beam, 0, EXPAND, nodes);
        for (uint32_t index = 0; index < taken; index++)
            s_first_hop (hops, nodes [index]);
        s_second_hop (hops, taken * degree / 3);
        s_offer_listed (hops);
    }
    return true;
}

//  How wide a beam the rows want. The fewer there are, the less; but where a filter leaves less near the query than elsewhere,
//  what is nearest lies far off, where all distances are alike. The first hops about the query tell.
static uint32_t
s_effort (const s_hops_t *hops, const kith_graph_plan_t *plan)
{
    double share = (double) plan->live / plan->rows;
    double near = (hops->answerable + share) / (hops->seen + 1.0);
    double times = pow (share, FEW_POWER) * pow (share / near, FAR_POWER);
    times = times < FAR_TIMES ? times : FAR_TIMES;
    double effort =
        fmax (plan->effort * times, fmin (plan->effort, EFFORT_MIN)) + EFFORT_MORE;
    return effort < KITH_GRAPH_EFFORT_MAX ? (uint32_t) effort : KITH_GRAPH_EFFORT_MAX;
}

static bool
s_search_hops (const kith_graph_t *self, kith_graph_scratch_t *scratch,
               const kith_bits_t *live, const kith_graph_plan_t *plan)
{
    s_hops_t hops = {.self = self, .scratch = scratch, .live = live};
    //  The beam is cut to what is wanted once that is known
    if (!kith_graph_beam_reset (&scratch->beam, FAR_TIMES * plan->effort))
        return false;
    s_begin_hops (&hops, plan);
    uint32_t effort = s_effort (&hops, plan);
    if (effort * plan->each > plan->scan)
        return false;
    scratch->beam.capacity = effort;
    scratch->beam.size = scratch->beam.size < effort ? scratch->beam.size : effort;
    return s_walk_hops (&hops, plan);
}

bool
kith_graph_search_live (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                        const kith_graph_ask_t *ask, const kith_graph_plan_t *plan,
                        kith_topk_t *top)
{
    const kith_bits_t *live = ask->options->live;
    const bool through = plan->live > THROUGH_SHARE * plan->rows;
    if (!kith_graph_prepare (self, scratch, ask->query, ask->norm))
        return false;
    bool walked = through ? s_begin_through (self, scratch, live, plan)
                                && s_walk_live (self, scratch, live, plan->budget)
                          : s_search_hops (self, scratch, live, plan);
    if (!walked)
        return false;
    //  Fewer than asked for although more are there: the walk did not reach them
    const kith_graph_beam_t *found = through ? &scratch->found : &scratch->beam;
    uint32_t wanted = ask->options->k < plan->live ? ask->options->k : plan->live;
    if (found->size < wanted && !self->twins)
        return false;
    kith_graph_refine (
        self, scratch, found, ask,
        (through ? 1 : DEPTH_TIMES) * kith_graph_depth (self, ask->options->k), top);
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
