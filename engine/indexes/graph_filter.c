//  graph_filter.c - walk, scan the codes, or scan the vectors: what a filter leaves decides
//  SPDX-License-Identifier: Apache-2.0
//
//  Three ways, chosen by estimated cost (ENGINE 3.7), which a look at the links about the query begins with: how much of what is near may
//  be answered. The plain walk leaves the others out at its end; the places of its answers tell how wide it must be, and it goes on until
//  it is, or until another way is cheaper. Where less is left near the query than elsewhere the walk may go over what is left alone, in
//  two hops where one does not give enough (ACORN-1, Patel et al. 2024): the neighbours of a neighbour that is filtered out stand in for
//  it. Such a walk begins at answerable rows, the best of a sample, so that a filter which leaves nothing near the query does not strand
//  it; the links of its end tell of a hole about the query, which only a plain walk crosses. Or the codes of all rows left are scanned,
//  or their vectors. Costs are in units of about 10 ns.
#include <float.h>
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/graph_layout.h"

enum {
    BATCH = 1024,       //  codes compared at once
    AHEAD = 48,         //  codes asked for ahead of their turn
    KEPT_TIMES = 4,     //  as many rows are gathered before the nearest are selected
    GROUPS_MIN = 64,    //  of the rows of a scan
    GROUPS_MAX = 512,
    HALVINGS = 16,
    SOME = 32,     //  distances passed over at once
    EXPAND = 2,    //  nodes expanded at once
    HOPS_ONE_OF =
        3,          //  two hops where fewer new links than one of so many may be answered
    BRIDGES = 4,    //  of a node
    BRIDGES_MAX = 3 * BRIDGES,
    DEPTH_ROWS = 2000,    //  of a scan, for each of which one more is scored exactly
    //  As wide a beam at most when little near the query may be answered
    FAR_TIMES = 8,
    EFFORT_MIN = 56,     //  a narrower beam does not shrink
    EFFORT_MORE = 12,    //  two hops lead less straight than one
    HOLE_NODES = 10,     //  the nearest of a walk, whose links tell of a hole
    HOLE_MORE = 3,       //  nearer links than chance explains are none yet
    SAMPLE_MIN = 32,     //  answerable rows that a walk begins with,
    SAMPLE = 512,        //  half of the beam, but at most
    DEPTH_TIMES =
        3    //  as deep an exact look after a walk in two hops, or a scan of single bits
};

#define LITTLE_RECALL 0.951f    //  up to here few are scored exactly
#define THROUGH_SHARE 0.8       //  from here on rows that are filtered out lead the way
#define ROOM_TIMES                                                                       \
    4    //  of the first window of a plain walk, if a wider one is expected
#define ROOM_GROWTH 1.5    //  of a walk from the beginning, at least
#define WIDE_ENOUGH 1.1    //  so much wider is not worth a second walk
#define HOPS_TIMES 2.3     //  what a step in two hops costs more than a plain one
#define HOPS_MISS                                                                        \
    1.4    //  another way may cost so many times as much: two hops miss more
#define HOPS_SHARE 0.08      //  of the rows that two hops need
#define CHANCE 2.0           //  standard deviations that chance explains
#define FEW_POWER 0.1        //  how the beam shrinks where a filter leaves fewer rows,
#define FAR_FEW_POWER 0.3    //  and where it leaves less near than elsewhere
#define FAR_POWER 0.5        //  how the beam grows where less is near than elsewhere
#define FAR_CLEAR 1.5    //  so many times less is no chance of the few links looked at
#define FAR_MORE 1.15    //  how it grows beyond that

//  Counts the rows that may be answered. The first of them are listed on the way: few rows are read once only.
static void
s_count_live (kith_graph_plan_t *plan, kith_graph_scratch_t *scratch,
              const kith_bits_t *live)
{
    plan->live = plan->rows;
    if (!live)
        return;
    assert (live->count == plan->rows);
    plan->set = (kith_set_t){.words = live->words,
                             .count = (uint32_t) kith_bits_words (plan->rows)};
    plan->listed =
        kith_kernels ()->set_list (&plan->set, KITH_GRAPH_LISTED, scratch->listed);
    plan->live = plan->listed
                 + kith_kernels ()->set_count (live->words + plan->set.next,
                                               plan->set.count - plan->set.next);
}

//  How many of the nearest by code are scored exactly when all codes are compared: less than after a walk, which misses some by itself
static uint32_t
s_depth (const kith_graph_t *self, const kith_graph_query_t *options, uint32_t live)
{
    if (self->header.code == KITH_GRAPH_BITS)
        return DEPTH_TIMES * kith_graph_depth (self, options->k);
    const bool little = options->effort == 0 && options->recall <= LITTLE_RECALL;
    const uint32_t depth = kith_graph_depth (self, options->k);
    const uint32_t few = 2 * options->k + 4 + (uint32_t) (live / DEPTH_ROWS);
    return little && few < depth ? few : depth;
}

kith_graph_plan_t
kith_graph_plan (const kith_graph_t *self, kith_graph_scratch_t *scratch, uint32_t rows,
                 uint32_t effort, const kith_graph_query_t *options)
{
    kith_graph_plan_t plan = {.effort = effort, .rows = rows};
    s_count_live (&plan, scratch, options->live);
    //  What a vector, a code, and a row of a walk cost, as measured at 100, 384 and 784 dimensions
    double row = 0.4 + self->rows.dim / 128.0;
    double code = 0.35 + self->header.code_bytes / 400.0;
    double step =
        self->codes ? 2 + self->header.code_bytes / 256.0 : 2 + self->rows.dim / 24.0;
    double scan = plan.live * row, scan_codes = (double) INFINITY;
    if (self->codes)
        scan_codes = plan.live * code + s_depth (self, options, plan.live) * (3 + row);
    plan.plain = self->header.degree / 2.0 * step;
    plan.scan = fmin (scan, scan_codes);
    plan.sample = effort < 2 * SAMPLE ? effort / 2 : SAMPLE;
    plan.sample = plan.sample > SAMPLE_MIN ? plan.sample : SAMPLE_MIN;
    plan.sampling = plan.sample * step;
    plan.way = effort * plan.plain < plan.scan ? KITH_GRAPH_WALK
               : scan <= scan_codes            ? KITH_GRAPH_SCAN
                                               : KITH_GRAPH_SCAN_CODES;
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

//  What a plain walk has in its beam of those that may be answered
typedef struct {
    bool enough;    //  k of them and more
    double
        place;    //  the mean of the first k in the beam, from 1; if there are fewer, what it may be
} s_through_t;

static s_through_t
s_count_through (const kith_graph_t *self, const kith_graph_beam_t *beam,
                 const kith_graph_query_t *options, const kith_graph_plan_t *plan)
{
    double sum = 0;
    uint32_t found = 0;
    for (uint32_t index = 0; index < beam->size && found < options->k; index++)
        if (s_answerable (self, options->live,
                          beam->near [index].id & ~KITH_GRAPH_EXPANDED)) {
            sum += index + 1;
            found++;
        }
    if (found == options->k)
        return (s_through_t){.enough = true, .place = sum / found};
    const double among = (double) options->k * beam->size / (found ? found : 0.5);
    return (s_through_t){.place = fmin (among, plan->rows) / 2};
}

//  Leaves out the others
static void
s_keep_answerable (const kith_graph_t *self, kith_graph_beam_t *beam,
                   const kith_bits_t *live)
{
    uint32_t kept = 0;
    for (uint32_t index = 0; index < beam->size; index++) {
        const kith_near_t near = beam->near [index];
        if (s_answerable (self, live, near.id & ~KITH_GRAPH_EXPANDED))
            beam->near [kept++] = near;
    }
    beam->size = kept;
}

//  How many nodes a plain walk keeps for answers that are, on the mean, the place-th nearest of all rows
static double
s_kept (const kith_graph_t *self, double place, uint32_t effort)
{
    return kith_graph_kept (self, (uint32_t) ceil (2 * place), effort);
}

//  How wide a plain walk must be to find k answers that are, on the mean, the place-th nearest of all rows
static double
s_width (const kith_graph_t *self, const kith_graph_plan_t *plan,
         const kith_graph_query_t *options, double place)
{
    //  The nearest so many rows have this mean
    const double rows = 2 * place - 1;
    const kith_graph_grid_t grid = {self->header.points, self->header.grid};
    if (rows <= options->k)
        return plan->effort;
    if (grid.count == 0)
        return plan->effort * rows / options->k;
    const float recall = kith_graph_recall_of (self, options, plan->effort);
    const uint32_t whole = (uint32_t) fmin (ceil (rows), plan->rows);
    return fmax (kith_graph_grid_effort (&grid, recall, whole), plan->effort);
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
    bool far;                     //  less may be answered near the query than elsewhere
} s_hops_t;

static inline void
s_list (s_hops_t *hops, uint32_t row)
{
    const kith_graph_t *self = hops->self;
    hops->scratch->ids [hops->count] = row;
    hops->scratch->rows [hops->count++] = row;
    if (self->codes)
        kith_graph_prefetch_code (self, row);
}

//  Takes over what was put into ids behind those that are listed
static void
s_list_ids (s_hops_t *hops, uint32_t count)
{
    const kith_graph_t *self = hops->self;
    const uint32_t *ids = hops->scratch->ids;
    for (uint32_t index = hops->count; index < count; index++) {
        hops->scratch->rows [index] = ids [index];
        if (self->codes)
            kith_graph_prefetch_code (self, ids [index]);
    }
    hops->count = count;
}

//  Whether a link leads to what was not seen, and whether that may be answered, cannot be foretold: no branch depends on it
static inline bool
s_leads_to_answerable (const s_hops_t *hops, uint32_t row)
{
    if (hops->self->twins)
        return s_answerable (hops->self, hops->live, row);
    return row < hops->live->count && kith_bits_get (hops->live, row);
}

static void
s_first_hop (s_hops_t *hops, uint32_t node)
{
    const kith_graph_layer_t *layer = &hops->self->layers [0];
    const uint32_t *links = layer->links + (size_t) node * layer->degree;
    uint8_t *marks = hops->scratch->marks;
    const uint8_t epoch = hops->scratch->epoch;
    uint32_t *ids = hops->scratch->ids;
    uint32_t others [KITH_GRAPH_DEGREE_MAX];
    uint32_t count = hops->count, other = 0;
    for (uint32_t index = 0; index < layer->degree; index++) {
        const uint32_t row = __atomic_load_n (&links [index], __ATOMIC_ACQUIRE);
        if (row == KITH_GRAPH_EMPTY)
            break;
        const bool unseen = marks [row] != epoch;
        const bool live = s_leads_to_answerable (hops, row);
        marks [row] = epoch;
        ids [count] = others [other] = row;
        count += unseen & live;
        other += unseen & !live;
    }
    hops->seen += count - hops->count + other;
    hops->answerable += count - hops->count;
    s_list_ids (hops, count);
    for (uint32_t index = 0; index < other && index < BRIDGES; index++) {
        hops->bridges [hops->bridge_count++] = others [index];
        kith_graph_prefetch_links (layer, others [index]);
    }
}

//  Over the bridges until `most` rows are listed
static void
s_second_hop (s_hops_t *hops, uint32_t most)
{
    const kith_graph_layer_t *layer = &hops->self->layers [0];
    uint8_t *marks = hops->scratch->marks;
    const uint8_t epoch = hops->scratch->epoch;
    uint32_t *ids = hops->scratch->ids;
    uint32_t count = hops->count;
    for (uint32_t each = 0; each < hops->bridge_count && count < most; each++) {
        const uint32_t *links =
            layer->links + (size_t) hops->bridges [each] * layer->degree;
        for (uint32_t index = 0; index < layer->degree && count < most; index++) {
            const uint32_t row = __atomic_load_n (&links [index], __ATOMIC_ACQUIRE);
            if (row == KITH_GRAPH_EMPTY)
                break;
            const uint8_t mark = marks [row];
            const bool fresh = (mark != epoch) & s_leads_to_answerable (hops, row);
            marks [row] = fresh ? epoch : mark;
            ids [count] = row;
            count += fresh;
        }
    }
    s_list_ids (hops, count);
}

static void
s_offer_listed (s_hops_t *hops)
{
    kith_graph_scratch_t *scratch = hops->scratch;
    kith_graph_distances (hops->self, scratch, scratch->rows, hops->count,
                          scratch->distances);
    kith_graph_beam_put_all (&scratch->beam, scratch->distances, scratch->ids,
                             hops->count);
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

//  Two steps around the node that the levels lead to, of which the share tells that may be answered near the query
static double
s_look_around (s_hops_t *hops, const kith_graph_plan_t *plan, uint32_t entry)
{
    kith_graph_scratch_t *scratch = hops->scratch;
    const double share = (double) plan->live / plan->rows;
    hops->count = hops->bridge_count = 0;
    hops->seen = hops->answerable = 0;
    kith_graph_forget (scratch);
    scratch->marks [entry] = scratch->epoch;
    if (s_answerable (hops->self, hops->live, entry))
        s_list (hops, entry);
    s_first_hop (hops, entry);
    for (uint32_t each = 0, count = hops->count; each < 2 && each < count; each++)
        s_first_hop (hops, scratch->ids [each]);
    //  What chance explains is no difference
    const double near = (hops->answerable + share) / (hops->seen + 1.0);
    const double stray = CHANCE * sqrt (share * (1 - share) / (hops->seen + 1.0));
    return fabs (near - share) > stray ? near : share;
}

//  Fills the beam with answerable rows of a sample, and with those about the node that the levels lead to
static void
s_begin_hops (s_hops_t *hops, const kith_graph_plan_t *plan, uint32_t entry)
{
    const kith_graph_t *self = hops->self;
    kith_graph_scratch_t *scratch = hops->scratch;
    if (hops->count == 0)
        s_look_around (hops, plan, entry);
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
    const uint64_t before = scratch->compared;
    while (beam->next < beam->size) {
        if (scratch->compared - before > plan->budget)
            return false;
        uint32_t nodes [EXPAND];
        uint32_t taken = kith_graph_beam_ahead (hops->self, beam, 0, EXPAND, nodes);
        const uint32_t seen = hops->seen, answerable = hops->answerable;
        for (uint32_t index = 0; index < taken; index++)
            s_first_hop (hops, nodes [index]);
        //  Where many links lead to answerable rows these are linked among themselves, but for those about a hole
        if (hops->far
            || HOPS_ONE_OF * (hops->answerable - answerable) < hops->seen - seen)
            s_second_hop (hops, taken * degree / 3);
        s_offer_listed (hops);
    }
    return true;
}

//  Compares the links of the nearest nodes that may not be answered; counts those nearer than the last of these nodes, and the links
//  among them that may.
static void
s_count_nearer (s_hops_t *hops, uint32_t nodes, uint32_t *nearer, uint32_t *answerable)
{
    const kith_graph_t *self = hops->self;
    const kith_graph_layer_t *layer = &self->layers [0];
    kith_graph_scratch_t *scratch = hops->scratch;
    const kith_near_t *near = scratch->beam.near;
    uint32_t listed = 0;
    *nearer = *answerable = 0;
    kith_graph_forget (scratch);
    //  A node that is marked is one of them to which no link has led yet
    for (uint32_t each = 0; each < nodes; each++)
        scratch->marks [near [each].id & ~KITH_GRAPH_EXPANDED] = scratch->epoch;
    for (uint32_t each = 0; each < nodes; each++) {
        const uint32_t node = near [each].id & ~KITH_GRAPH_EXPANDED;
        const uint32_t *links = layer->links + (size_t) node * layer->degree;
        for (uint32_t index = 0; index < layer->degree; index++) {
            const uint32_t row = __atomic_load_n (&links [index], __ATOMIC_ACQUIRE);
            if (row == KITH_GRAPH_EMPTY || listed == KITH_GRAPH_BATCH_MAX)
                break;
            const bool marked = scratch->marks [row] == scratch->epoch;
            if (s_answerable (self, hops->live, row)) {
                *answerable += marked;
                scratch->marks [row] = (uint8_t) (scratch->epoch - 1);
                continue;
            }
            if (marked)
                continue;
            scratch->marks [row] = scratch->epoch;
            scratch->rows [listed++] = row;
            if (self->codes)
                kith_graph_prefetch_code (self, row);
        }
    }
    kith_graph_distances (self, scratch, scratch->rows, listed, scratch->distances);
    scratch->compared += listed;
    for (uint32_t index = 0; index < listed; index++)
        *nearer += scratch->distances [index] < near [nodes - 1].distance;
}

//  A filter may leave out just what is around the query, where no level led: then a walk over the others sees one side of the hole.
//  Returns the mean place that the answers have about among all rows; 0: there is no hole.
static double
s_hole (s_hops_t *hops, const kith_graph_plan_t *plan, uint32_t k)
{
    const uint32_t size = hops->scratch->beam.size,
                   nodes = size < HOLE_NODES ? size : HOLE_NODES;
    if (nodes == 0)
        return 0;
    uint32_t nearer, answerable;
    s_count_nearer (hops, nodes, &nearer, &answerable);
    //  As many as elsewhere, and how far chance strays from it: others before so many answerable ones (negative binomial)
    const double share = (double) plan->live / plan->rows;
    const double usual = answerable * (1 - share) / share;
    if (nearer <= usual + CHANCE * sqrt (usual / share) + HOLE_MORE)
        return 0;
    return fmin (nearer + k / 2.0, plan->rows / 2.0);
}

//  False: it took longer than a scan
static bool
s_search_hops (s_hops_t *hops, const kith_graph_plan_t *plan, uint32_t effort,
               uint32_t entry)
{
    if (!kith_graph_beam_reset (&hops->scratch->beam, effort))
        return false;
    s_begin_hops (hops, plan, entry);
    return s_walk_hops (hops, plan);
}

//  ---------------------------------------------------------------------
//  Choice

//  What the ways to k answers cost that are, on the mean, the place-th nearest of all rows
typedef struct {
    double width, through;    //  of a plain walk, and its cost
    double effort, hops;      //  of a walk in two hops
    bool far;                 //  less may be answered near the query than elsewhere
} s_costs_t;

//  How wide a beam a walk in two hops wants. The fewer rows there are, the less; but where a filter leaves less near the query than
//  elsewhere, what is nearest lies far off, where all distances are alike.
static double
s_hops_effort (const kith_graph_t *self, const kith_graph_plan_t *plan, uint32_t k,
               double less)
{
    const double share = (double) plan->live / plan->rows;
    const double usual = fmax (plan->effort, kith_graph_kept (self, k, plan->effort));
    double times = pow (share, less > 1 ? FAR_FEW_POWER : FEW_POWER)
                   * pow (less, FAR_POWER) * pow (fmax (less / FAR_CLEAR, 1), FAR_MORE);
    times = times < FAR_TIMES ? times : FAR_TIMES;
    const double effort = fmax (usual * times, fmin (usual, EFFORT_MIN)) + EFFORT_MORE;
    return fmin (effort, KITH_GRAPH_EFFORT_MAX);
}

static s_costs_t
s_costs (const kith_graph_t *self, const kith_graph_plan_t *plan,
         const kith_graph_query_t *options, double place)
{
    const double share = (double) plan->live / plan->rows;
    const double less = share * 2 * place / options->k;
    s_costs_t costs = {.width = s_width (self, plan, options, place),
                       .effort = s_hops_effort (self, plan, options->k, less),
                       .far = less > FAR_CLEAR};
    costs.through = costs.width * plan->plain;
    costs.hops = costs.effort * plan->plain * HOPS_TIMES + plan->sampling;
    //  Two hops do not find enough where few are left
    if (share < HOPS_SHARE && self->codes)
        costs.hops = (double) INFINITY;
    return costs;
}

//  Walks on in a wider window if the beam has room for it, else from the beginning. False: no memory.
static bool
s_widen (const kith_graph_t *self, kith_graph_scratch_t *scratch, uint32_t entry,
         double window, double room)
{
    kith_graph_beam_t *beam = &scratch->beam;
    const uint32_t capacity = (uint32_t) ceil (fmax (window, room));
    const bool on = capacity <= beam->capacity;
    if (!on && !kith_graph_beam_reset (beam, capacity))
        return false;
    beam->window = (uint32_t) ceil (window);
    if (on)
        kith_graph_walk_on (self, scratch, 0);
    else {
        kith_graph_forget (scratch);
        kith_graph_walk (self, scratch, 0, entry);
    }
    return true;
}

//  The plain walk, as wide as the place of its answers asks for. False: that may be *place, and another way is cheaper, which is a scan if
//  `only` says so.
static bool
s_search_through (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                  const kith_graph_ask_t *ask, const kith_graph_plan_t *plan,
                  uint32_t entry, bool only, double *place)
{
    const kith_graph_query_t *options = ask->options;
    kith_graph_beam_t *beam = &scratch->beam;
    double window = plan->effort;
    //  The walk goes on until the beam is full, which costs the more the farther the answers are
    const double most =
        ROOM_TIMES * fmax (window, options->k * (double) plan->rows / plan->live);
    double room =
        fmax (s_width (self, plan, options, *place), s_kept (self, *place, plan->effort));
    room = fmax (fmin (room, most), kith_graph_kept (self, options->k, plan->effort));
    beam->capacity = 0;
    while (s_widen (self, scratch, entry, window, room)) {
        const s_through_t through = s_count_through (self, beam, options, plan);
        const s_costs_t costs = s_costs (self, plan, options, through.place);
        *place = through.place;
        room = fmax (costs.width, s_kept (self, *place, plan->effort));
        const bool wide = costs.width <= WIDE_ENOUGH * window;
        if (beam->size < beam->capacity
            || (wide && (through.enough || room <= beam->capacity))) {
            s_keep_answerable (self, beam, options->live);
            return true;
        }
        const double done = room <= beam->capacity ? window * plan->plain : 0;
        if (room > beam->capacity)
            room = fmax (room, ROOM_GROWTH * beam->capacity);
        const double other = only ? (double) INFINITY : costs.hops * HOPS_MISS;
        window = costs.width;
        if (costs.through - done > fmin (other, plan->scan)
            || window > KITH_GRAPH_EFFORT_MAX)
            break;
    }
    return false;
}

//  False: a scan is cheaper. Else *place is where the answers are on the mean among all rows; 0: not known.
static bool
s_search_cheapest (s_hops_t *hops, const kith_graph_ask_t *ask,
                   const kith_graph_plan_t *plan, uint32_t entry, double *place)
{
    const kith_graph_t *self = hops->self;
    kith_graph_scratch_t *scratch = hops->scratch;
    const kith_graph_query_t *options = ask->options;
    const double share = (double) plan->live / plan->rows;
    //  So few are filtered out that those left lie behind them, if not among them
    const bool only = share > THROUGH_SHARE;
    const double near = only ? share : s_look_around (hops, plan, entry);
    *place = fmin (options->k / near, plan->rows) / 2;
    s_costs_t costs = s_costs (self, plan, options, *place);
    if (only || costs.through < fmin (costs.hops * HOPS_MISS, plan->scan)) {
        if (s_search_through (self, scratch, ask, plan, entry, only, place))
            return true;
        hops->count = 0;    //  the walk put its own over what was listed
        costs = s_costs (self, plan, options, *place);
    }
    hops->far = costs.far;
    if (only || costs.hops * HOPS_MISS > plan->scan
        || !s_search_hops (hops, plan, (uint32_t) costs.effort, entry))
        return false;
    *place = hops->far ? 0 : s_hole (hops, plan, options->k);
    return *place <= 0 || s_search_through (self, scratch, ask, plan, entry, true, place);
}

bool
kith_graph_search_live (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                        const kith_graph_ask_t *ask, const kith_graph_plan_t *plan,
                        kith_topk_t *top)
{
    const kith_graph_query_t *options = ask->options;
    if (!kith_graph_prepare (self, scratch, ask->query, ask->norm))
        return false;
    s_hops_t hops = {.self = self, .scratch = scratch, .live = options->live};
    const uint32_t entry = kith_graph_descend (self, scratch, 0);
    double place;
    if (!s_search_cheapest (&hops, ask, plan, entry, &place))
        return false;
    //  Far off, and behind two hops, codes tell less of who is nearer
    const uint32_t k = options->k, depth = kith_graph_depth (self, k);
    const double less = 2 * place * plan->live / plan->rows / k;
    const double looked = depth * (place > 0 ? fmax (less, 1) : DEPTH_TIMES);
    //  Fewer than asked for although more are there: the walk did not reach them
    const uint32_t wanted = k < plan->live ? k : plan->live;
    if (scratch->beam.size < wanted && !self->twins)
        return false;
    kith_graph_refine (self, scratch, &scratch->beam, ask,
                       (uint32_t) fmin (looked, scratch->beam.size), top);
    return true;
}

//  ---------------------------------------------------------------------
//  Scan of codes

//  What a scan keeps: a beam that gathers, in no order, what is not farther than `worst`. That falls as the depth-th nearest row comes nearer.
typedef struct {
    kith_graph_beam_t *beam;
    uint32_t depth;
    float worst;
    //  The rows are dealt out into groups, of which each has a nearest row; the depth-th nearest of these is as near as the depth-th of all, at most
    uint32_t groups;    //  0: too few for the depth
    float nearest [GROUPS_MAX];
} s_kept_t;

static void
s_keep (s_kept_t *kept, kith_graph_beam_t *beam, uint32_t depth)
{
    kept->beam = beam;
    kept->depth = depth;
    kept->worst = INFINITY;
    kept->groups = GROUPS_MIN;
    while (kept->groups < 5 * depth / 2)
        kept->groups *= 2;
    if (kept->groups > GROUPS_MAX)
        kept->groups = 0;
    for (uint32_t group = 0; group < kept->groups; group++)
        kept->nearest [group] = INFINITY;
}

static uint32_t
s_below (const s_kept_t *kept, float bound)
{
    uint32_t count = 0;
    for (uint32_t group = 0; group < kept->groups; group++)
        count += kept->nearest [group] <= bound;
    return count;
}

//  Takes the nearer of each pair
static inline void
s_nearer (float *restrict nearest, const float *restrict distances, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        nearest [index] =
            distances [index] < nearest [index] ? distances [index] : nearest [index];
}

//  Takes further distances into account. Halving finds a bound that is about as low as can be.
static void
s_lower (s_kept_t *kept, const float *distances, uint32_t count)
{
    float low = INFINITY, high = kept->worst;
    for (uint32_t first = 0; first < count; first += kept->groups)
        s_nearer (kept->nearest, distances + first,
                  count - first < kept->groups ? count - first : kept->groups);
    //  A bound that hardly more are below than need be is good enough
    if (s_below (kept, fminf (kept->worst, FLT_MAX)) < kept->depth + kept->depth / 4)
        return;
    float most = -INFINITY;
    for (uint32_t group = 0; group < kept->groups; group++) {
        const float nearest = kept->nearest [group];
        low = nearest < low ? nearest : low;
        most = nearest > most && nearest <= FLT_MAX ? nearest : most;
    }
    high = most < high ? most : high;
    for (uint32_t turn = 0; turn < HALVINGS; turn++) {
        const float middle = low + (high - low) / 2;
        const uint32_t below = s_below (kept, middle);
        if (below >= kept->depth)
            high = middle;
        else
            low = middle;
        if (below == kept->depth)
            break;
    }
    kept->worst = high;
}

//  Leaves the `most` nearest of a beam; returns the distance of the farthest
static float
s_select (kith_graph_beam_t *beam, uint32_t most)
{
    const float worst = kith_kernels ()->near_select (beam->near, beam->size, most);
    beam->size = most;
    return worst;
}

static bool
s_any_below (const float *distances, float worst)
{
    uint32_t below = 0;
    for (uint32_t index = 0; index < SOME; index++)
        below += distances [index] <= worst;
    return below > 0;
}

//  Puts what is near enough into the beam
static void
s_gather_some (s_kept_t *kept, const uint32_t *rows, const float *distances,
               uint32_t count)
{
    kith_graph_beam_t *beam = kept->beam;
    kith_near_t *near = beam->near;
    uint32_t size = beam->size;
    float worst = kept->worst;
    for (uint32_t index = 0; index < count; index++) {
        near [size] = (kith_near_t){.distance = distances [index], .id = rows [index]};
        size += distances [index] <= worst;
        if (size == beam->capacity) {
            beam->size = size;
            worst = s_select (beam, kept->depth);
            size = beam->size;
        }
    }
    beam->size = size;
    kept->worst = worst;
}

//  The same for many: soon hardly a row is near enough
static void
s_gather (s_kept_t *kept, const uint32_t *rows, const float *distances, uint32_t count)
{
    uint32_t first = 0;
    for (; first + SOME <= count; first += SOME)
        if (s_any_below (distances + first, kept->worst))
            s_gather_some (kept, rows + first, distances + first, SOME);
    s_gather_some (kept, rows + first, distances + first, count - first);
}

//  Compares listed rows; codes are asked for some way ahead of their turn
static void
s_scan_listed (const kith_graph_t *self, kith_graph_scratch_t *scratch, uint32_t count,
               s_kept_t *kept)
{
    const uint32_t *rows = scratch->listed;
    for (uint32_t first = 0; first < count; first += BATCH) {
        const uint32_t some = count - first < BATCH ? count - first : BATCH;
        kith_coded_t coded = kith_graph_coded (self, scratch, rows + first, some);
        coded.ahead = AHEAD;
        kith_graph_by_code (self) (&coded, scratch->distances);
        if (kept->groups)
            s_lower (kept, scratch->distances, some);
        s_gather (kept, rows + first, scratch->distances, some);
    }
}

//  Lists the next rows that may be answered; without a filter there is no set, and they count from `next`
static uint32_t
s_list_more (kith_graph_scratch_t *scratch, kith_set_t *set, uint32_t *next,
             uint32_t rows)
{
    if (set->words)
        return kith_kernels ()->set_list (set, KITH_GRAPH_LISTED, scratch->listed);
    uint32_t count = 0;
    for (; *next < rows && count < KITH_GRAPH_LISTED; (*next)++)
        scratch->listed [count++] = *next;
    return count;
}

//  All rows that may be answered: those that the plan has listed, then the others. A list of all of them is left as it is, for the next query.
static void
s_scan_live (const kith_graph_t *self, kith_graph_scratch_t *scratch,
             const kith_graph_plan_t *plan, s_kept_t *kept)
{
    kith_set_t set = plan->set;
    uint32_t next = 0, done = 0, count = plan->listed;
    while (done < plan->live) {
        if (count == 0)
            count = s_list_more (scratch, &set, &next, plan->rows);
        assert (count > 0);
        s_scan_listed (self, scratch, count, kept);
        done += count;
        count = 0;
    }
}

bool
kith_graph_scan_codes (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                       const kith_graph_ask_t *ask, const kith_graph_plan_t *plan,
                       kith_topk_t *top)
{
    uint32_t depth = s_depth (self, ask->options, plan->live);
    depth = depth < plan->live ? depth : plan->live;
    uint64_t compared = scratch->compared;
    if (!self->codes || !kith_graph_prepare_scan (self, scratch, ask->query, ask->norm)
        || !kith_graph_beam_reset (&scratch->beam, KEPT_TIMES * depth + GROUPS_MIN))
        return false;
    s_kept_t kept;
    s_keep (&kept, &scratch->beam, depth);
    s_scan_live (self, scratch, plan, &kept);
    if (scratch->beam.size > depth + depth / 2)
        s_select (&scratch->beam, depth);
    scratch->compared = compared + plan->live;
    kith_graph_ask_t apart = *ask;
    apart.apart = true;
    kith_graph_refine (self, scratch, &scratch->beam, &apart, scratch->beam.size, top);
    return true;
}
