//  graph_filter.c - walk, scan the codes, or scan the vectors: what a filter leaves decides
//  SPDX-License-Identifier: Apache-2.0
//
//  Three ways, chosen by estimated cost (ENGINE 3.7). When nearly all rows may be answered, the walk is the plain one in a wider beam,
//  of which the others are left out at the end; how far down the last answer was tells whether it was wide enough. When fewer may, the
//  walk goes over them alone, in two hops where one does not give enough (ACORN-1, Patel et al. 2024): the neighbours of a neighbour that
//  is filtered out stand in for it. Such a walk begins at answerable rows, the best of a sample, so that a filter which leaves nothing
//  near the query does not strand it; the links of its end tell of a hole about the query, which only a plain walk crosses. When few
//  may be answered, or the walk found too little or cost too much, their codes are scanned, or their vectors. Costs are in units of
//  about 10 ns.
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
    EXPAND = 2,    //  nodes expanded at once
    HOPS_ONE_OF =
        3,          //  two hops where fewer new links than one of so many may be answered
    BRIDGES = 4,    //  of a node
    BRIDGES_MAX = 3 * BRIDGES,
    WIDE_TIMES = 3,       //  so many times k, and some more, must be answerable of what
    WIDE_MORE = 5,        //  such a walk finds where little may be answered
    DEPTH_ROWS = 2000,    //  of a scan, for each of which one more is scored exactly
    //  As wide a beam at most when little near the query may be answered
    FAR_TIMES = 8,
    EFFORT_MIN = 56,     //  a narrower beam does not shrink
    EFFORT_MORE = 12,    //  two hops lead less straight than one
    WIDER_TIMES = 4,     //  as wide is a plain walk behind one that found too few
    HOLE_NODES = 10,     //  the nearest of a walk, whose links tell of a hole
    HOLE_MORE = 3,       //  nearer links than chance explains are none yet
    SAMPLE_MIN = 32,     //  answerable rows that a walk begins with,
    SAMPLE = 512,        //  half of the beam, but at most
    DEPTH_TIMES =
        3    //  as deep an exact look after a walk in two hops, or a scan of single bits
};

#define NOWHERE UINT32_MAX
#define LITTLE_RECALL 0.951f    //  up to here few are scored exactly
//  Of a scan's cost, that a plain walk before it must stay below, and a wider one behind that
#define WIDE_FIRST 0.15
#define WIDE_SHARE 0.6
#define THROUGH_SHARE 0.8    //  from here on rows that are filtered out lead the way
#define HOPS_TIMES 2.3       //  what a step in two hops costs more than a plain one
#define HOPS_SHARE 0.08      //  of the rows that two hops need
#define HOLE_STRAY 2.0       //  standard deviations that chance explains
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
    double share = (double) plan.live / rows;
    //  What a vector, a code, and a row of a walk cost, as measured at 100, 384 and 784 dimensions
    double row = 0.4 + self->rows.dim / 128.0;
    double code = 0.35 + self->header.code_bytes / 400.0;
    double step =
        self->codes ? 2 + self->header.code_bytes / 256.0 : 2 + self->rows.dim / 24.0;
    double scan = plan.live * row, scan_codes = (double) INFINITY;
    if (self->codes)
        scan_codes = plan.live * code + s_depth (self, options, plan.live) * (3 + row);
    const bool through = share > THROUGH_SHARE;
    plan.plain = self->header.degree / 2.0 * step;
    plan.each = plan.plain * (through ? 1 / share : HOPS_TIMES);
    plan.sample = effort < 2 * SAMPLE ? effort / 2 : SAMPLE;
    plan.sample = plan.sample > SAMPLE_MIN ? plan.sample : SAMPLE_MIN;
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

//  The plain walk in a beam of `wide` nodes, of which those that may not be answered are left out at its end
typedef struct {
    uint32_t
        place;    //  of the k-th of the others in the beam, from 1; NOWHERE: there are fewer
    bool all;    //  no node that can be reached is missing
} s_through_t;

static s_through_t
s_walk_through (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                const kith_graph_ask_t *ask, double wide, uint32_t entry)
{
    s_through_t through = {.place = NOWHERE};
    kith_graph_beam_t *beam = &scratch->beam;
    if (!kith_graph_beam_reset (beam, (uint32_t) ceil (wide)))
        return through;
    kith_graph_forget (scratch);
    kith_graph_walk (self, scratch, 0, entry);
    through.all = beam->size < beam->capacity;
    uint32_t kept = 0;
    for (uint32_t index = 0; index < beam->size; index++) {
        const kith_near_t near = beam->near [index];
        if (!s_answerable (self, ask->options->live, near.id & ~KITH_GRAPH_EXPANDED))
            continue;
        beam->near [kept++] = near;
        if (kept == ask->options->k)
            through.place = index + 1;
    }
    beam->size = kept;
    return through;
}

//  How wide a plain walk must be to find the k answers when the last of them is the place-th nearest of all rows
static double
s_width (const kith_graph_t *self, const kith_graph_plan_t *plan,
         const kith_graph_query_t *options, double place)
{
    const uint32_t k = options->k;
    const kith_graph_grid_t grid = {self->header.points, self->header.grid};
    if (place <= k)
        return plan->effort;
    if (grid.count == 0)
        return plan->effort * place / k;
    const float recall = kith_graph_recall_of (self, options, plan->effort);
    //  Of so many rows the farthest are found less often than the mean tells
    const uint32_t rows = (uint32_t) (2 * place - k);
    return fmax (
        fmax (kith_graph_grid_effort (&grid, recall, rows), kith_graph_kept (self, rows)),
        plan->effort);
}

//  Plain walks, each as wide as what the one before found asks for. Returns the place of the last answer among all rows; 0: a scan is
//  cheaper.
static double
s_search_through (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                  const kith_graph_ask_t *ask, const kith_graph_plan_t *plan, double wide,
                  uint32_t entry)
{
    while (wide * plan->plain < plan->scan && wide < KITH_GRAPH_EFFORT_MAX) {
        const s_through_t through = s_walk_through (self, scratch, ask, wide, entry);
        const double wanted = through.place == NOWHERE
                                  ? WIDER_TIMES * wide
                                  : s_width (self, plan, ask->options, through.place);
        if (through.all || wanted <= wide)
            return through.place == NOWHERE ? wide : through.place;
        wide = wanted;
    }
    return 0;
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

//  Fills the beam with answerable rows of a sample, and with those about the node that the levels lead to
static void
s_begin_hops (s_hops_t *hops, const kith_graph_plan_t *plan, uint32_t entry)
{
    const kith_graph_t *self = hops->self;
    kith_graph_scratch_t *scratch = hops->scratch;
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

//  How wide a beam the rows want. The fewer there are, the less; but where a filter leaves less near the query than elsewhere,
//  what is nearest lies far off, where all distances are alike. The first hops about the query tell.
static uint32_t
s_effort (s_hops_t *hops, const kith_graph_plan_t *plan)
{
    double share = (double) plan->live / plan->rows;
    double near = (hops->answerable + share) / (hops->seen + 1.0);
    double less = share / near;
    hops->far = less > FAR_CLEAR;
    double times = pow (share, less > 1 ? FAR_FEW_POWER : FEW_POWER)
                   * pow (less, FAR_POWER) * pow (fmax (less / FAR_CLEAR, 1), FAR_MORE);
    times = times < FAR_TIMES ? times : FAR_TIMES;
    double effort =
        fmax (plan->effort * times, fmin (plan->effort, EFFORT_MIN)) + EFFORT_MORE;
    return effort < KITH_GRAPH_EFFORT_MAX ? (uint32_t) effort : KITH_GRAPH_EFFORT_MAX;
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
//  Returns the place that the k-th answer has about among all rows; 0: there is no hole.
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
    if (nearer <= usual + HOLE_STRAY * sqrt (usual / share) + HOLE_MORE)
        return 0;
    return k + nearer;
}

//  False: a scan is cheaper
static bool
s_search_hops (const kith_graph_t *self, kith_graph_scratch_t *scratch,
               const kith_graph_ask_t *ask, const kith_graph_plan_t *plan, uint32_t entry,
               double *place)
{
    const kith_bits_t *live = ask->options->live;
    s_hops_t hops = {.self = self, .scratch = scratch, .live = live};
    //  The beam is cut to what is wanted once that is known
    if (!kith_graph_beam_reset (&scratch->beam, FAR_TIMES * plan->effort + EFFORT_MORE))
        return false;
    s_begin_hops (&hops, plan, entry);
    uint32_t effort = s_effort (&hops, plan);
    if (effort * plan->each > plan->scan)
        return false;
    scratch->beam.capacity = effort;
    scratch->beam.size = scratch->beam.size < effort ? scratch->beam.size : effort;
    if (!s_walk_hops (&hops, plan))
        return false;
    if (!hops.far)
        *place = s_hole (&hops, plan, ask->options->k);
    return true;
}

//  A plain walk where a scan would take many times as long: what few hops saw is a small sample of what is near. A wider one if that is all it takes.
//  False: scan.
static bool
s_search_wide (const kith_graph_t *self, kith_graph_scratch_t *scratch,
               const kith_graph_ask_t *ask, const kith_graph_plan_t *plan, uint32_t entry)
{
    const uint32_t enough = WIDE_TIMES * ask->options->k;
    if (plan->effort * plan->plain > WIDE_FIRST * plan->scan)
        return false;
    if (s_walk_through (self, scratch, ask, plan->effort, entry).all
        || scratch->beam.size >= enough)
        return true;
    const uint32_t found = scratch->beam.size;
    const double wide = (enough + WIDE_MORE) * (double) plan->effort / fmax (found, 0.5);
    return wide * plan->plain < WIDE_SHARE * plan->scan
           && (s_walk_through (self, scratch, ask, wide, entry).all
               || scratch->beam.size >= enough);
}

bool
kith_graph_search_live (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                        const kith_graph_ask_t *ask, const kith_graph_plan_t *plan,
                        kith_topk_t *top)
{
    const kith_graph_query_t *options = ask->options;
    if (!kith_graph_prepare (self, scratch, ask->query, ask->norm))
        return false;
    const uint32_t entry = kith_graph_descend (self, scratch, 0);
    const double share = (double) plan->live / plan->rows;
    const uint32_t k = options->k, depth = kith_graph_depth (self, k);
    bool found = true, through = share > THROUGH_SHARE;
    double wide = plan->effort / share, looked = DEPTH_TIMES * depth;
    if (!through) {
        double hole = 0;
        found = s_search_hops (self, scratch, ask, plan, entry, &hole);
        through = found && hole > 0;
        wide = s_width (self, plan, options, hole);
    }
    if (through) {
        const double place = s_search_through (self, scratch, ask, plan, wide, entry);
        found = place > 0;
        //  So far off, codes tell less of who is nearer
        looked = depth * fmax (place * share / k, 1);
    }
    else if (!found) {
        found = s_search_wide (self, scratch, ask, plan, entry);
        looked = depth;
    }
    //  Fewer than asked for although more are there: the walk did not reach them
    const uint32_t wanted = k < plan->live ? k : plan->live;
    if (!found || (scratch->beam.size < wanted && !self->twins))
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
    if (s_below (kept, FLT_MAX) < kept->depth)
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

//  Puts what is near enough into the beam
static void
s_gather (s_kept_t *kept, const uint32_t *rows, const float *distances, uint32_t count)
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
