//  graph_build.c - builds the graph in batches whose result no thread count changes
//  SPDX-License-Identifier: Apache-2.0
//
//  Levels from the top down, nodes in random order, those of upper levels first. A batch (as many as are in, at most 2 % of all)
//  searches the graph as it stands, each node prunes what it found to its own links; then the links back are grouped by target
//  and each target takes them in, or prunes. Every step writes only what belongs to its node: no locks (ParlayANN, Manohar et al.
//  2024). Equal rows are linked as twins behind the first of them, so that a thousand copies cannot fill each other's links.
#include <math.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/graph_link.h"
#include "engine/indexes/graph_lists.h"

#define SHALLOW_LOSS 0.002f    //  codes that lose less by it are refined less deep
#define CODE_RECALL 0.985f     //  codes that lose more are not used

enum {
    CHUNK = 16,    //  nodes that a thread takes at once
    EFFORT = 150,
    UPPER_DEGREE = 16,    //  at most, in upper levels: a line, and as good as more
    BATCH_SHARE = 50,     //  a batch is at most 1 / 50 of the level
    HASHED = 4096,        //  rows hashed in one part
    HELD_SHARE = 16    //  at most 1 / 16 of the rows measure the graph before they enter
};

typedef struct {
    kith_graph_t *self;
    const kith_graph_params_t *params;
    kith_graph_hand_t **hands;    //  one per part
    uint32_t parts;
    uint32_t
        *order;    //  rows as they enter: those of upper levels first, twins left out
    uint32_t ordered;
    uint32_t *entered;    //  the same for level 0: what a base brings comes first
    uint32_t based;       //  of them with links from the base
    uint32_t *olds;       //  what those were in the base
    kith_bits_t nodes;    //  rows that are to enter level 0
    kith_graph_linker_t linker;
    uint32_t *all_links;    //  of level 0
    uint32_t *upper_links;
    uint32_t first, last;    //  batch, in the order of the level
    uint32_t above;    //  nodes of the level that are in before the one above can be used
    kith_graph_back_t *backs;    //  sorted by node
    kith_graph_back_t *spare;    //  for sorting
    uint32_t *groups;            //  where each target's links begin; one more at the end
    uint32_t group_count;
    atomic_uint next;    //  next chunk
    atomic_bool failed;
    kith_graph_truth_t truth;
    uint32_t held;       //  rows at the end of the order that enter after they have asked
    kith_bits_t away;    //  those rows
} s_build_t;

static uint32_t
s_node (const s_build_t *build, uint32_t place)
{
    return build->linker.level == 0 ? build->entered [place] : place;
}

static uint32_t
s_degree_of (const s_build_t *build)
{
    return build->self->layers [build->linker.level].degree;
}

//  ---------------------------------------------------------------------
//  First half of a batch: every node finds its own links

static bool
s_search_node (s_build_t *build, kith_graph_hand_t *hand, uint32_t place)
{
    kith_graph_t *self = build->self;
    const kith_graph_linker_t *linker = &build->linker;
    uint32_t node = s_node (build, place), degree = s_degree_of (build);
    if (!kith_graph_link_ask (linker, hand, node))
        return false;
    //  The level above leads to nodes that are in only when all of its nodes are in
    bool above = linker->level < self->header.levels && build->first >= build->above;
    uint32_t entry = above ? kith_graph_descend (self, hand->scratch, linker->level)
                           : s_node (build, 0);
    kith_graph_link_search (linker, hand, node, entry);
    kith_graph_link_prune (linker, hand, degree / 2, degree / 2,
                           kith_graph_links_of (linker, node));
    return true;
}

//  Calls fn for chunk after chunk of count places until there are none
static void
s_each (s_build_t *build, uint32_t part, uint64_t first, uint64_t last,
        bool (*fn) (s_build_t *build, kith_graph_hand_t *hand, uint32_t place))
{
    while (!atomic_load_explicit (&build->failed, memory_order_relaxed)) {
        uint64_t chunk =
            atomic_fetch_add_explicit (&build->next, 1, memory_order_relaxed);
        uint64_t place = first + chunk * CHUNK, end = place + CHUNK;
        if (place >= last)
            return;
        for (; place < end && place < last; place++)
            if (!fn (build, build->hands [part], (uint32_t) place))
                atomic_store (&build->failed, true);
    }
}

static void
s_search_part (void *arg, uint32_t part)
{
    s_build_t *build = arg;
    s_each (build, part, build->first, build->last, s_search_node);
}

//  ---------------------------------------------------------------------
//  Second half: links back, grouped by their target

//  Stable sort by target, a byte at a time
static void
s_sort_backs (s_build_t *build, uint32_t count)
{
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        uint32_t starts [257] = {0};
        for (uint32_t index = 0; index < count; index++)
            starts [1 + (build->backs [index].node >> shift & 255)]++;
        if (starts [1 + (build->backs [0].node >> shift & 255)] == count)
            continue;
        for (uint32_t byte = 0; byte < 256; byte++)
            starts [byte + 1] += starts [byte];
        for (uint32_t index = 0; index < count; index++)
            build->spare [starts [build->backs [index].node >> shift & 255]++] =
                build->backs [index];
        kith_graph_back_t *sorted = build->spare;
        build->spare = build->backs;
        build->backs = sorted;
    }
}

static void
s_group_backs (s_build_t *build)
{
    uint32_t degree = s_degree_of (build), count = 0;
    for (uint32_t place = build->first; place < build->last; place++) {
        uint32_t node = s_node (build, place);
        const uint32_t *links = kith_graph_links_of (&build->linker, node);
        for (uint32_t index = 0; index < degree && links [index] != KITH_GRAPH_EMPTY;
             index++)
            build->backs [count++] =
                (kith_graph_back_t){.node = links [index], .from = node};
    }
    build->group_count = 0;
    if (count == 0)
        return;
    s_sort_backs (build, count);
    for (uint32_t index = 0; index < count; index++)
        if (index == 0 || build->backs [index].node != build->backs [index - 1].node)
            build->groups [build->group_count++] = index;
    build->groups [build->group_count] = count;
}

static bool
s_take_back (s_build_t *build, kith_graph_hand_t *hand, uint32_t group)
{
    uint32_t first = build->groups [group];
    return kith_graph_link_back (&build->linker, hand, build->backs + first,
                                 build->groups [group + 1] - first);
}

static void
s_back_part (void *arg, uint32_t part)
{
    s_build_t *build = arg;
    s_each (build, part, 0, build->group_count, s_take_back);
}

static void
s_run (s_build_t *build, kith_part_fn *fn)
{
    atomic_store (&build->next, 0);
    kith_graph_run (build->params->parallel, build->parts, fn, build);
}

static bool
s_go_on (const s_build_t *build, uint64_t done)
{
    const kith_graph_params_t *params = build->params;
    return !params->progress
           || params->progress (params->progress_arg, done, build->ordered);
}

//  Links the nodes of a level from place `done` on
static int
s_build_level (s_build_t *build, uint32_t level, uint32_t done, uint32_t count,
               kith_error_t *error)
{
    build->linker.level = level;
    uint32_t largest = count / BATCH_SHARE > CHUNK ? count / BATCH_SHARE : CHUNK;
    while (done < count) {
        build->first = done;
        uint32_t size = done < largest ? done : largest;
        build->last = count - done < size ? count : done + size;
        s_run (build, s_search_part);
        if (!atomic_load (&build->failed)) {
            s_group_backs (build);
            s_run (build, s_back_part);
        }
        if (atomic_load (&build->failed))
            return kith_error_set (error, KITH_ERR_NO_MEMORY,
                                   "no memory to build the index");
        done = build->last;
        if (level == 0 && !s_go_on (build, done))
            return kith_error_set (error, KITH_ERR_CANCELLED,
                                   "the build of the index was cancelled");
    }
    return 0;
}

//  ---------------------------------------------------------------------
//  Twins

typedef struct {
    uint64_t hash;
    uint32_t row;
} s_hashed_t;

static int
s_compare_hashed (const void *a, const void *b)
{
    const s_hashed_t *left = a, *right = b;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    return left->row < right->row ? -1 : left->row > right->row;
}

typedef struct {
    const kith_graph_t *self;
    s_hashed_t *hashed;
} s_hashing_t;

static void
s_hash_part (void *arg, uint32_t part)
{
    const s_hashing_t *hashing = arg;
    const kith_graph_t *self = hashing->self;
    const size_t bytes = kith_graph_vector_bytes (self);
    const uint32_t rows = self->rows.rows, first = part * HASHED;
    for (uint32_t row = first; row < rows && row < first + HASHED; row++)
        hashing->hashed [row] =
            (s_hashed_t){kith_hash64 (kith_graph_vector (self, row), bytes), row};
}

//  Chains equal rows in ascending order and marks all but the first in `behind`; returns how many are behind
static uint32_t
s_find_twins (const kith_graph_t *self, kith_parallel_t *parallel, s_hashed_t *hashed,
              uint32_t *twins, kith_bits_t *behind)
{
    uint32_t rows = self->rows.rows, found = 0;
    size_t bytes = kith_graph_vector_bytes (self);
    s_hashing_t hashing = {.self = self, .hashed = hashed};
    kith_graph_run (parallel, (rows + HASHED - 1) / HASHED, s_hash_part, &hashing);
    memset (twins, 0xff, rows * sizeof *twins);
    qsort (hashed, rows, sizeof *hashed, s_compare_hashed);
    uint32_t tail = 0;
    for (uint32_t index = 1; index < rows; index++) {
        uint32_t row = hashed [index].row;
        bool same = hashed [index].hash == hashed [index - 1].hash
                    && memcmp (kith_graph_vector (self, hashed [tail].row),
                               kith_graph_vector (self, row), bytes)
                           == 0;
        if (same) {
            twins [hashed [tail].row] = row;
            kith_bits_set (behind, row);
            found++;
        }
        tail = index;
    }
    return found;
}

//  ---------------------------------------------------------------------
//  Order and levels

//  A row is in level l with a chance of kith_graph_thinning ^ -l: integers only, so that every machine agrees
static uint32_t
s_level (const kith_graph_t *self, uint64_t seed, uint32_t row)
{
    uint64_t limit = UINT64_MAX, value = kith_mix64 (seed ^ kith_mix64 (row + 1));
    uint32_t level = 0;
    while (level < KITH_GRAPH_LEVELS_MAX
           && value < (limit /= kith_graph_thinning (&self->header)))
        level++;
    return level;
}

//  Random order of the rows that are not behind a twin, higher levels first; counts them per level
static void
s_order (s_build_t *build, const kith_bits_t *behind, uint64_t seed)
{
    kith_graph_t *self = build->self;
    kith_random_t random;
    kith_random_seed (&random, seed);
    for (uint32_t row = 0; row < self->rows.rows; row++)
        if (!kith_bits_get (behind, row))
            build->order [build->ordered++] = row;
    for (uint32_t left = build->ordered; left > 1; left--) {
        uint32_t other = (uint32_t) kith_random_below (&random, left),
                 row = build->order [left - 1];
        build->order [left - 1] = build->order [other];
        build->order [other] = row;
    }
    uint32_t placed = 0;
    for (uint32_t level = KITH_GRAPH_LEVELS_MAX; level > 0; level--) {
        for (uint32_t index = placed; index < build->ordered; index++) {
            uint32_t row = build->order [index];
            if (s_level (self, seed, row) < level)
                continue;
            build->order [index] = build->order [placed];
            build->order [placed++] = row;
        }
        self->header.counts [level - 1] = placed;
        if (placed && self->header.levels == 0)
            self->header.levels = level;
    }
    self->header.entry = build->ordered ? build->order [0] : 0;
}

//  ---------------------------------------------------------------------
//  All of it

static uint32_t
s_degree (uint32_t dim, const kith_graph_params_t *params)
{
    uint32_t degree = params->degree ? params->degree
                      : dim <= 32    ? 32
                      : dim < 512    ? 48
                                     : 64;
    degree = (degree + 15) / 16 * 16;
    return degree < KITH_GRAPH_DEGREE_MAX ? degree : KITH_GRAPH_DEGREE_MAX;
}

static void
s_build_free (s_build_t *build)
{
    for (uint32_t part = 0; build->hands && part < build->parts; part++)
        kith_graph_hand_destroy (&build->hands [part]);
    free (build->hands);
    free (build->order);
    free (build->entered);
    free (build->olds);
    kith_bits_free (&build->nodes);
    kith_bits_free (&build->away);
    free (build->backs);
    free (build->spare);
    free (build->groups);
}

static bool
s_build_alloc (s_build_t *build)
{
    uint32_t rows = build->self->rows.rows, degree = build->self->header.degree;
    size_t batch = rows / BATCH_SHARE + CHUNK + 1;
    build->parts = build->params->parallel ? build->params->parallel->threads : 1;
    build->order = kith_huge_new ((size_t) rows * sizeof *build->order);
    build->entered = kith_huge_new ((size_t) rows * sizeof *build->entered);
    build->backs = kith_huge_new (batch * degree * sizeof *build->backs);
    build->spare = kith_huge_new (batch * degree * sizeof *build->spare);
    build->groups = kith_huge_new ((batch * degree + 1) * sizeof *build->groups);
    build->hands = kith_new (build->parts * sizeof (kith_graph_hand_t *));
    bool hands = true;
    for (uint32_t part = 0; part < build->parts; part++) {
        build->hands [part] = kith_graph_hand_new ();
        hands = hands && build->hands [part];
    }
    return build->order && build->entered && build->backs && build->spare && build->groups
           && hands;
}

//  Twins, order, levels, and room for the links; -1: no memory
static int
s_prepare (s_build_t *build)
{
    kith_graph_t *self = build->self;
    uint32_t rows = self->rows.rows;
    uint32_t *twins = kith_huge_new ((size_t) rows * sizeof *twins);
    s_hashed_t *hashed = kith_huge_new ((size_t) rows * sizeof *hashed);
    if (!twins || !hashed) {
        free (twins);
        free (hashed);
        return -1;
    }
    kith_bits_t behind;
    kith_bits_init (&behind, rows, false);
    uint32_t twinned =
        s_find_twins (self, build->params->parallel, hashed, twins, &behind);
    free (hashed);
    bool marked = true;
    if (twinned > 0) {
        self->twins = kith_graph_own (self, twins);
        marked = kith_graph_mark_twins (self, rows);
    }
    else
        free (twins);
    s_order (build, &behind, build->params->seed);
    kith_bits_free (&behind);
    size_t upper = 0;
    for (uint32_t level = 0; level < self->header.levels; level++)
        upper += self->header.counts [level];
    size_t upper_bytes = upper * self->header.upper_degree * sizeof (uint32_t);
    size_t bytes = (size_t) rows * self->header.degree * sizeof (uint32_t);
    uint32_t *upper_rows = kith_huge_new (self->header.counts [0] * sizeof *upper_rows);
    build->all_links = kith_graph_own (self, kith_huge_new (bytes));
    build->upper_links = kith_graph_own (self, kith_huge_new (upper_bytes));
    kith_graph_own (self, upper_rows);
    if (!build->all_links || !build->upper_links || !upper_rows || !marked)
        return -1;
    memset (build->all_links, 0xff, bytes);
    memset (build->upper_links, 0xff, upper_bytes);
    memcpy (upper_rows, build->order, self->header.counts [0] * sizeof *upper_rows);
    self->links = build->all_links;
    self->upper_links = build->upper_links;
    self->upper_rows = upper_rows;
    kith_graph_lay (self);
    return 0;
}

//  Lets drawn rows ask for their neighbours before they enter, at the end of the order. Those with equal rows ask while they are in, as do
//  those of upper levels.
static void
s_hold_back (s_build_t *build)
{
    const kith_graph_t *self = build->self;
    kith_graph_truth_t *truth = &build->truth;
    kith_graph_draw (self, build->params->seed, truth);
    //  A base brings most rows at once
    if (build->params->base || truth->count > build->ordered / HELD_SHARE)
        return;
    kith_bits_t drawn;
    kith_bits_init (&drawn, self->rows.rows, false);
    kith_bits_init (&build->away, self->rows.rows, false);
    for (uint32_t index = 0; index < truth->count; index++)
        kith_bits_set (&drawn, truth->rows [index]);
    uint32_t kept = self->header.levels ? self->header.counts [0] : 0;
    for (uint32_t place = kept; place < build->ordered; place++) {
        const uint32_t row = build->order [place];
        if (kith_bits_get (&drawn, row) && !kith_graph_has_twin (self, row)) {
            kith_bits_set (&build->away, row);
            build->entered [build->held++] = row;
        }
        else
            build->order [kept++] = row;
    }
    memcpy (build->order + kept, build->entered, build->held * sizeof *build->order);
    kith_bits_free (&drawn);
    truth->away = &build->away;
}

//  ---------------------------------------------------------------------
//  Last: the nearest links first, and nobody left alone

static bool
s_sort_links (s_build_t *build, kith_graph_hand_t *hand, uint32_t row)
{
    uint32_t degree = build->self->header.degree;
    uint32_t *links = kith_graph_links_of (&build->linker, row);
    if (links [0] == KITH_GRAPH_EMPTY)
        return true;
    if (!kith_graph_link_ask (&build->linker, hand, row))
        return false;
    for (uint32_t index = 0; index < degree && links [index] != KITH_GRAPH_EMPTY; index++)
        kith_graph_link_add (hand, links [index]);
    kith_graph_link_estimate (&build->linker, hand);
    for (uint32_t index = 0; index < degree; index++)
        links [index] = index < hand->count ? hand->near [index].id : KITH_GRAPH_EMPTY;
    return true;
}

static void
s_sort_part (void *arg, uint32_t part)
{
    s_build_t *build = arg;
    s_each (build, part, 0, build->self->rows.rows, s_sort_links);
}

//  ---------------------------------------------------------------------
//  What a base brings (FreshDiskANN, Singh et al. 2021: neighbours of what is gone take its place)

//  The row that a row of the base became; EMPTY: left out, or no node of the new graph
static uint32_t
s_became (const s_build_t *build, uint32_t old)
{
    const kith_graph_t *base = build->params->base;
    uint32_t row = build->params->base_rows [old];
    bool linked = base->header.rows == 1
                  || base->links [(size_t) old * base->header.degree] != KITH_GRAPH_EMPTY;
    return linked && row != KITH_GRAPH_EMPTY && kith_bits_get (&build->nodes, row)
               ? row
               : KITH_GRAPH_EMPTY;
}

static void
s_add_links (const s_build_t *build, kith_graph_hand_t *hand, uint32_t old, bool *gone)
{
    const kith_graph_t *base = build->params->base;
    const uint32_t *links = base->links + (size_t) old * base->header.degree;
    for (uint32_t index = 0;
         index < base->header.degree && links [index] != KITH_GRAPH_EMPTY; index++) {
        uint32_t row = s_became (build, links [index]);
        if (row != KITH_GRAPH_EMPTY)
            kith_graph_link_add (hand, row);
        else
            *gone = true;
    }
}

//  The links of entered [place], which was olds [place] in the base: as they are, or pruned from those of the neighbours that
//  are gone too
static bool
s_inherit (s_build_t *build, kith_graph_hand_t *hand, uint32_t place)
{
    const kith_graph_t *base = build->params->base;
    uint32_t row = build->entered [place], old = build->olds [place];
    uint32_t degree = build->self->header.degree;
    uint32_t *links = kith_graph_links_of (&build->linker, row);
    const uint32_t *had = base->links + (size_t) old * base->header.degree;
    bool gone = false, more = false;
    if (!kith_graph_link_ask (&build->linker, hand, row))
        return false;
    s_add_links (build, hand, old, &gone);
    if (!gone && hand->count <= degree) {
        for (uint32_t index = 0; index < hand->count; index++)
            links [index] = hand->near [index].id;
        return true;
    }
    for (uint32_t index = 0;
         index < base->header.degree && had [index] != KITH_GRAPH_EMPTY; index++)
        if (s_became (build, had [index]) == KITH_GRAPH_EMPTY)
            s_add_links (build, hand, had [index], &more);
    //  A neighbour's neighbour may be the row itself
    uint32_t kept = 0;
    for (uint32_t index = 0; index < hand->count; index++)
        if (hand->near [index].id != row)
            hand->near [kept++] = hand->near [index];
    hand->count = kept;
    kith_graph_link_measure (&build->linker, hand);
    kith_graph_link_prune (&build->linker, hand, degree, degree / 2, links);
    return true;
}

static void
s_inherit_part (void *arg, uint32_t part)
{
    s_build_t *build = arg;
    s_each (build, part, 0, build->based, s_inherit);
}

//  The order of level 0: what the base brings, then the others, those of upper levels first
static bool
s_enter (s_build_t *build)
{
    const kith_graph_t *base = build->params->base;
    uint32_t upper = build->self->header.levels ? build->self->header.counts [0] : 0;
    uint32_t count = 0;
    kith_bits_init (&build->nodes, build->self->rows.rows, false);
    for (uint32_t place = 0; place < build->ordered; place++)
        kith_bits_set (&build->nodes, build->order [place]);
    if (base) {
        build->olds = kith_huge_new ((size_t) build->ordered * sizeof *build->olds + 4);
        if (!build->olds)
            return false;
        for (uint32_t old = 0; old < base->header.rows; old++) {
            uint32_t row = s_became (build, old);
            if (row == KITH_GRAPH_EMPTY)
                continue;
            build->olds [count] = old;
            build->entered [count++] = row;
        }
        build->based = count;
        s_run (build, s_inherit_part);
    }
    for (uint32_t place = 0; place < count; place++)
        kith_bits_drop (&build->nodes, build->entered [place]);
    for (uint32_t place = 0; place < build->ordered; place++) {
        if (kith_bits_get (&build->nodes, build->order [place]))
            build->entered [count++] = build->order [place];
        if (place + 1 == upper)
            build->above = count;
    }
    return !atomic_load (&build->failed);
}

//  The codes that were asked for, or the shortest that keep the neighbours apart on these rows; the vectors themselves if none does
static bool
s_choose_code (s_build_t *build)
{
    kith_graph_t *self = build->self;
    kith_graph_code_t code = KITH_GRAPH_NIBBLES;
    if (build->params->code) {
        code = (kith_graph_code_t) (build->params->code - 1);
        return kith_graph_choose_coded (self, code)
               && kith_graph_encode (self, code, build->params->parallel);
    }
    if (kith_graph_code_bytes (KITH_GRAPH_BYTES, self->rows.dim) == 64)
        code = KITH_GRAPH_BYTES;
    for (; code != KITH_GRAPH_FLOATS;
         code = code == KITH_GRAPH_NIBBLES ? KITH_GRAPH_BYTES : KITH_GRAPH_FLOATS) {
        if (!kith_graph_choose_coded (self, code)
            || !kith_graph_encode (self, code, build->params->parallel))
            return false;
        float recalls [KITH_GRAPH_SHALLOWS];
        self->header.shallow = 0;
        if (!kith_graph_code_recall (self, &build->truth, build->params->parallel,
                                     recalls))
            return false;
        for (uint32_t depth = 1; depth < KITH_GRAPH_SHALLOWS; depth++)
            if (recalls [0] - recalls [depth] < SHALLOW_LOSS)
                self->header.shallow = depth;
        if (recalls [0] >= CODE_RECALL)
            return true;
        kith_graph_disown (self, self->codes);
        kith_graph_disown (self, self->scale);
        kith_graph_disown (self, self->trailers);
        self->codes = NULL;
        self->trailers = NULL;
        self->scale = NULL;
    }
    self->header.shallow = 0;
    return kith_graph_choose_coded (self, KITH_GRAPH_FLOATS)
           && kith_graph_encode (self, KITH_GRAPH_FLOATS, build->params->parallel);
}

static bool
s_calibrate (s_build_t *build)
{
    kith_parallel_t *parallel = build->params->parallel;
    return kith_graph_calibrate (build->self, &build->truth, parallel)
           && kith_graph_lists_calibrate (build->self, &build->truth, parallel);
}

static int
s_build (s_build_t *build, kith_error_t *error)
{
    kith_graph_t *self = build->self;
    const char *none = "no memory to build the index";
    if (!s_build_alloc (build) || s_prepare (build) != 0)
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "%s", none);
    const bool whole = !build->params->links_only;
    if (whole)
        s_hold_back (build);
    if (!kith_graph_find_truth (self, build->params->parallel, &build->truth)
        || !s_choose_code (build))
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "%s", none);
    if (whole && kith_graph_lists_make (self, build->params, error) != 0)
        return -1;
    size_t offset = 0;
    for (uint32_t level = 1; level <= self->header.levels; level++)
        offset += (size_t) self->header.counts [level - 1] * self->header.upper_degree;
    for (uint32_t level = self->header.levels; level > 0; level--) {
        uint32_t count = self->header.counts [level - 1];
        offset -= (size_t) count * self->header.upper_degree;
        build->linker.links = build->upper_links + offset;
        build->above = level < self->header.levels ? self->header.counts [level] : 0;
        if (s_build_level (build, level, 1, count, error) != 0)
            return -1;
    }
    build->linker.level = 0;
    build->linker.links = build->all_links;
    if (!s_enter (build))
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "%s", none);
    const uint32_t asking = build->ordered - build->held;
    if (s_build_level (build, 0, build->based > 1 ? build->based : 1, asking, error) != 0)
        return -1;
    if (build->held && !s_calibrate (build))
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "%s", none);
    if (build->held && s_build_level (build, 0, asking, build->ordered, error) != 0)
        return -1;
    bool mended =
        kith_graph_mend (self, build->all_links, build->entered, build->ordered);
    s_run (build, s_sort_part);
    const bool measured = build->held || !whole || s_calibrate (build);
    if (!mended || atomic_load (&build->failed) || !measured)
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "%s", none);
    return 0;
}

kith_graph_t *
kith_graph_build (const kith_rows_t *rows, const kith_graph_params_t *params,
                  kith_error_t *error)
{
    assert (rows->metric != KITH_METRIC_COSINE || rows->norms || rows->rows == 0);
    if (rows->rows > KITH_GRAPH_ROWS_MAX) {
        kith_error_set (error, KITH_ERR_LIMIT,
                        "%" PRIu32 " rows are more than an index can hold", rows->rows);
        return NULL;
    }
    kith_graph_t *self = kith_new (sizeof *self);
    self->rows = *rows;
    self->capacity = rows->rows;
    self->header.magic = KITH_GRAPH_MAGIC;
    self->header.rows = rows->rows;
    self->header.dim = self->header.coded = rows->dim;
    self->header.metric = rows->metric;
    self->header.degree = s_degree (rows->dim, params);
    self->header.upper_degree =
        self->header.degree / 2 < UPPER_DEGREE ? self->header.degree / 2 : UPPER_DEGREE;
    self->header.recall =
        params->recall > 0 && params->recall < 1 ? params->recall : 0.95f;
    uint32_t effort = params->build_effort ? params->build_effort : EFFORT;
    s_build_t build = {.self = self, .params = params, .linker = {.self = self}};
    build.linker.effort = effort < KITH_GRAPH_PRUNE_MAX ? effort : KITH_GRAPH_PRUNE_MAX;
    if (s_build (&build, error) != 0)
        kith_graph_destroy (&self);
    s_build_free (&build);
    return self;
}

//  Of a row, before it is known what a build will choose
static uint32_t
s_code_bytes (uint32_t dim, const kith_graph_params_t *params)
{
    const kith_graph_code_t code =
        params->code ? (kith_graph_code_t) (params->code - 1) : KITH_GRAPH_NIBBLES;
    return kith_graph_code_bytes (code, dim) + kith_graph_trailer_bytes (code, dim);
}

uint64_t
kith_graph_build_bytes (uint32_t rows, uint32_t dim, const kith_graph_params_t *params)
{
    uint64_t degree = s_degree (dim, params);
    uint64_t threads = params->parallel ? params->parallel->threads : 1;
    uint64_t row = degree * sizeof (uint32_t)       //  links
                   + 4 * sizeof (uint32_t)          //  upper levels
                   + 4 + sizeof (s_hashed_t) + 8    //  twins, orders
                   + s_code_bytes (dim, params) + 64;
    uint64_t batch =
        (rows / BATCH_SHARE + CHUNK) * degree * (2 * sizeof (kith_graph_back_t) + 4);
    return rows * row + batch + threads * (rows + sizeof (kith_graph_hand_t) + 65536)
           + kith_graph_lists_bytes (rows, dim)
           + kith_graph_lists_build_bytes (rows, dim, (uint32_t) threads);
}

uint64_t
kith_graph_load_bytes (uint32_t rows, uint32_t dim, const kith_graph_params_t *params)
{
    uint64_t degree = s_degree (dim, params);
    //  Upper levels hold one row in degree / 2, each with its row, and half the links; the last 4 are twins
    return rows
               * (degree * sizeof (uint32_t) + sizeof (uint32_t) + 4
                  + s_code_bytes (dim, params))
           + sizeof (kith_graph_header_t) + 8ull * dim
           + kith_graph_lists_bytes (rows, dim);
}
