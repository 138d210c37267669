//  ivf_scan.c - one query meets lists: which are near, and what in a list may be near enough
//  SPDX-License-Identifier: Apache-2.0
//
//  Lists come nearest first, so that the k-th distance is nearly final after the first: its best rows by code are scored at once and
//  give a limit (seed). Then a row is scored by its vector only if its least possible distance is within the limit. Vectors are
//  asked for when a row is found and scored some blocks later, when they have arrived.
#include <float.h>
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/ivf_layout.h"

enum {
    BUCKETS = 256,        //  of coarse distances
    SEED_BLOCKS = 64,     //  of a list that a seed looks at
    VECTOR_LINES = 12,    //  of a vector asked for; the hardware finds the rest
    ARRIVING = 12,        //  candidates that wait for their vectors
    INSERTION = 24        //  fewer are sorted by insertion
};

#define TINY 1e-15f       //  lengths whose squares lose bits
#define ROUNDING 1e-6f    //  of sums, by the square of the size of what is added

//  ---------------------------------------------------------------------
//  Query

static bool
s_grow (void **data, size_t *room, size_t bytes)
{
    if (*room >= bytes)
        return true;
    free (*data);
    *data = kith_alloc64 (bytes);
    *room = *data ? bytes : 0;
    return *data != NULL;
}

bool
kith_ivf_room (const kith_ivf_t *self, kith_ivf_scratch_t *scratch, uint32_t asks)
{
    const size_t dim = kith_round64 (self->header.dim * sizeof (float));
    const uint32_t blocks = kith_ivf_coarse_blocks (self->header.lists);
    const uint32_t values =
        (blocks > SEED_BLOCKS ? blocks : SEED_BLOCKS) * KITH_FASTSCAN_ROWS;
    void *vectors = scratch->vectors, *work = scratch->work, *tables = scratch->tables,
         *coarse = scratch->coarse;
    bool made = s_grow (&vectors, &scratch->vectors_room, asks * dim)
                && s_grow (&work, &scratch->work_room, 2 * dim)
                && s_grow (&tables, &scratch->tables_room,
                           asks * kith_quantiser_asked_bytes (&self->quantiser) + 64)
                && s_grow (&coarse, &scratch->coarse_room,
                           kith_quantiser_asked_bytes (&self->coarse) + 64);
    scratch->vectors = vectors;
    scratch->work = work;
    scratch->tables = tables;
    scratch->coarse = coarse;
    if (scratch->values_room < values) {
        free (scratch->values);
        free (scratch->near);
        free (scratch->spare);
        scratch->values = kith_alloc64 (2 * values * sizeof *scratch->values);
        scratch->near = kith_alloc64 (values * sizeof *scratch->near);
        scratch->spare = kith_alloc64 (values * sizeof *scratch->spare);
        bool all = scratch->values && scratch->near && scratch->spare;
        scratch->values_room = all ? values : 0;
        made = made && all;
    }
    return made;
}

void
kith_ivf_ask (const kith_ivf_t *self, kith_ivf_scratch_t *scratch, uint32_t slot,
              const kith_index_query_t *query, uint32_t number, kith_ivf_ask_t *ask)
{
    const uint32_t dim = self->header.dim;
    const void *exact = (const char *) query->queries + number * self->vector_bytes;
    float *room =
        scratch->vectors
        + (size_t) slot * (kith_round64 (dim * sizeof (float)) / sizeof (float));
    const float *numbers = kith_vector_numbers (self->index.rows.type, exact, dim, room);
    float norm = query->norms ? query->norms [number] : 0;
    *ask = (kith_ivf_ask_t){.query = query,
                            .exact = exact,
                            .vector = numbers,
                            .norm = norm,
                            .limit = INFINITY,
                            .pending = &scratch->pending [0]};
    if (self->index.rows.metric == KITH_METRIC_COSINE) {
        for (uint32_t each = 0; each < dim; each++)
            room [each] = norm > 0 ? numbers [each] / norm : 0;
        ask->vector = room;
    }
    ask->square = kith_kernels ()->dot (ask->vector, ask->vector, dim);
    ask->asked.table =
        scratch->tables + slot * kith_quantiser_asked_bytes (&self->quantiser);
    kith_quantiser_ask (&self->quantiser, ask->vector, self->mean, scratch->work,
                        &ask->asked);
    ask->size = self->header.radius + ask->asked.away;
    if (self->index.rows.metric != KITH_METRIC_L2)
        ask->size += sqrtf (ask->square);
    //  The length of such a query is not 1
    if (self->index.rows.metric == KITH_METRIC_COSINE && norm > 0 && norm < TINY)
        ask->asked.bias = NAN;
}

//  ---------------------------------------------------------------------
//  Lists

//  Not a number is furthest; then by list, so that the order is always the same
static inline bool
s_before (const kith_ivf_near_t *a, const kith_ivf_near_t *b)
{
    return a->order < b->order || (!(b->order < a->order) && a->list < b->list);
}

static int
s_compare (const void *a, const void *b)
{
    return s_before (a, b) ? -1 : s_before (b, a) ? 1 : 0;
}

static void
s_sort (kith_ivf_near_t *near, uint32_t count)
{
    if (count > INSERTION) {
        qsort (near, count, sizeof *near, s_compare);
        return;
    }
    for (uint32_t index = 1; index < count; index++) {
        kith_ivf_near_t one = near [index];
        uint32_t at = index;
        for (; at > 0 && s_before (&one, &near [at - 1]); at--)
            near [at] = near [at - 1];
        near [at] = one;
    }
}

//  The `wanted` least of values by buckets, into near and in order
static uint32_t
s_choose (kith_ivf_scratch_t *scratch, uint32_t count, uint32_t wanted)
{
    float *values = scratch->values, least = FLT_MAX, most = -FLT_MAX;
    for (uint32_t index = 0; index < count; index++) {
        //  NaN fails both
        values [index] = values [index] < FLT_MAX ? values [index] : FLT_MAX;
        values [index] = values [index] > -FLT_MAX ? values [index] : -FLT_MAX;
        least = values [index] < least ? values [index] : least;
        most = values [index] > most && values [index] < FLT_MAX ? values [index] : most;
    }
    float by = most > least ? (BUCKETS - 2) / (most - least) : 0;
    uint32_t sizes [BUCKETS + 1] = {0};
    uint8_t *buckets = (uint8_t *) scratch->spare;
    for (uint32_t index = 0; index < count; index++) {
        float at = (values [index] - least) * by;
        buckets [index] = (uint8_t) (at < BUCKETS - 1 ? (int) at : BUCKETS - 1);
        sizes [buckets [index] + 1]++;
    }
    uint32_t last = 0, taken = 0;
    for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
        sizes [bucket + 1] += sizes [bucket];
        if (sizes [bucket] < wanted)
            last = bucket;
    }
    uint32_t chosen = sizes [last + 1];
    for (uint32_t index = 0; index < count && taken < chosen; index++)
        if (buckets [index] <= last) {
            scratch->near [sizes [buckets [index]]++] =
                (kith_ivf_near_t){.order = values [index], .list = index};
            taken++;
        }
    //  Each bucket's beginning has moved to its end
    for (uint32_t bucket = 0, first = 0; bucket <= last; bucket++) {
        s_sort (scratch->near + first, sizes [bucket] - first);
        first = sizes [bucket];
    }
    return chosen < wanted ? chosen : wanted;
}

//  Exact distances to the centres of `count` lists
static void
s_measure (const kith_ivf_t *self, const kith_ivf_ask_t *ask, kith_ivf_near_t *near,
           uint32_t count)
{
    const kith_kernels_t *kernels = kith_kernels ();
    const uint32_t dim = self->header.dim;
    bool l2 = self->index.rows.metric == KITH_METRIC_L2;
    kith_gather4_fn *four = l2 ? kernels->l2_4 : kernels->dot4;
    for (uint32_t first = 0; first < count; first += 4) {
        const void *centres [4];
        float products [4];
        for (uint32_t each = 0; each < 4; each++) {
            uint32_t at = first + each < count ? first + each : first;
            centres [each] = self->centres + (size_t) near [at].list * dim;
        }
        four (ask->vector, centres, dim, products);
        for (uint32_t each = 0; each < 4 && first + each < count; each++) {
            kith_ivf_near_t *one = &near [first + each];
            float product = products [each];
            float away =
                l2 ? product : ask->square + self->squares [one->list] - 2 * product;
            one->base = l2 ? product : -product;
            one->order = isnan (one->base) ? FLT_MAX : one->base;
            one->away = sqrtf (away > 0 ? away : 0);
            if (isnan (away))
                one->away = NAN;
        }
    }
}

uint32_t
kith_ivf_pick (const kith_ivf_t *self, kith_ivf_scratch_t *scratch,
               const kith_ivf_ask_t *ask, uint32_t wanted)
{
    const kith_kernels_t *kernels = kith_kernels ();
    const uint32_t lists = self->header.lists, blocks = kith_ivf_coarse_blocks (lists);
    const bool signs = self->coarse.code == KITH_CODE_RABITQ;
    //  Codes of centres are not exact: some more are measured
    uint32_t some = signs ? 2 * wanted + 16 : wanted + wanted / 4 + 8;
    some = some < lists ? some : lists;
    wanted = wanted < lists ? wanted : lists;
    kith_quantiser_asked_t asked = {.table = scratch->coarse};
    if (signs && self->quantiser.code == KITH_CODE_RABITQ)
        asked = ask->asked;
    else
        kith_quantiser_ask (&self->coarse, ask->vector, self->mean, scratch->work,
                            &asked);
    float *products = scratch->values + blocks * KITH_FASTSCAN_ROWS;
    uint32_t *masks = (uint32_t *) scratch->spare;
    kith_quantiser_products (&self->coarse, &asked, self->coarse_blocks, blocks,
                             products);
    kith_judge_t judge = {.products = products,
                          .factors = (const void *) self->coarse_blocks,
                          .stride = self->coarse.block_bytes,
                          .step = asked.step,
                          .bias = asked.bias,
                          .limit = INFINITY,
                          .blocks = blocks};
    kernels->judge (&judge, scratch->values, masks);
    uint32_t count = s_choose (scratch, lists, some);
    s_measure (self, ask, scratch->near, count);
    //  Nearly in order: a pass of insertion puts right what the codes had wrong
    for (uint32_t index = 1; index < count; index++) {
        kith_ivf_near_t one = scratch->near [index];
        uint32_t at = index;
        for (; at > 0 && s_before (&one, &scratch->near [at - 1]); at--)
            scratch->near [at] = scratch->near [at - 1];
        scratch->near [at] = one;
    }
    return wanted < count ? wanted : count;
}

//  ---------------------------------------------------------------------
//  Candidates

static inline float
s_limit (const kith_ivf_ask_t *ask)
{
    float worst = kith_topk_worst (ask->top);
    return worst < ask->limit ? worst : ask->limit;
}

//  Scores up to four candidates
static void
s_score (const kith_ivf_t *self, kith_ivf_ask_t *ask,
         const kith_ivf_candidate_t *candidates, uint32_t count, float distances [4])
{
    const kith_rows_t *rows = &self->index.rows;
    kith_gather4_fn *four = kith_kernels_four (rows->type, rows->metric);
    const void *vectors [4];
    float products [4];
    for (uint32_t each = 0; each < 4; each++)
        vectors [each] = kith_ivf_vector (self, candidates [each < count ? each : 0].row);
    four (ask->exact, vectors, rows->dim, products);
    for (uint32_t each = 0; each < count; each++) {
        uint32_t row = candidates [each].row;
        float score = kith_score_of_product (rows->metric, products [each], ask->norm,
                                             rows->norms ? rows->norms [row] : 0);
        distances [each] = kith_score_distance (rows->metric, score);
    }
    ask->compared += count;
}

static inline void
s_offer (const kith_ivf_ask_t *ask, uint32_t row, float distance)
{
    if (distance <= kith_topk_worst (ask->top))
        kith_topk_push (ask->top, (kith_hit_t){.distance = distance,
                                               .part = ask->query->part,
                                               .row = row + ask->query->first_row});
}

//  Scores waiting candidates until at most `stay` wait; those that the limit has left behind meanwhile are dropped
static void
s_drain (const kith_ivf_t *self, kith_ivf_ask_t *ask, uint32_t stay)
{
    kith_ivf_pending_t *pending = ask->pending;
    uint32_t next = 0;
    while (pending->count - next > stay) {
        kith_ivf_candidate_t four [4];
        float distances [4], limit = s_limit (ask);
        uint32_t count = 0;
        while (count < 4 && next < pending->count) {
            four [count] = pending->of [next++];
            count += !(four [count].least > limit);
        }
        if (count == 0)
            break;
        s_score (self, ask, four, count, distances);
        for (uint32_t each = 0; each < count; each++)
            s_offer (ask, four [each].row, distances [each]);
    }
    pending->count -= next;
    memmove (pending->of, pending->of + next, pending->count * sizeof *pending->of);
}

void
kith_ivf_settle (const kith_ivf_t *self, kith_ivf_ask_t *ask)
{
    s_drain (self, ask, 0);
}

static inline void
s_prefetch (const kith_ivf_t *self, uint32_t row)
{
    const char *vector = kith_ivf_vector (self, row);
    const size_t bytes = self->vector_bytes;
    for (size_t at = 0; at < bytes && at < VECTOR_LINES * 64; at += 64)
        __builtin_prefetch (vector + at);
    __builtin_prefetch (vector + bytes - 1);
}

//  ---------------------------------------------------------------------
//  Scan

//  How far the part of q - c at right angles to a row's residual can reach if the row is within limit
static inline float
s_width (const kith_ivf_t *self, float away, float limit)
{
    float within = limit;
    if (self->index.rows.metric == KITH_METRIC_COSINE)
        within = 2 + 2 * limit;
    else if (self->index.rows.metric == KITH_METRIC_IP)
        return away;
    within = sqrtf (within > 0 ? within : 0);
    return within < away ? within : away;
}

//  By how much sums that nearly cancel may be off
static inline float
s_rounding (const kith_ivf_ask_t *ask, const kith_ivf_near_t *near, float limit)
{
    float size = ask->size + near->away;
    float more = isinf (limit) ? 0 : 4 * fabsf (limit);
    return ROUNDING * (size * size + more) + FLT_MIN;
}

//  What a judge needs for a limit; see quantiser.h.
static void
s_prepare (const kith_ivf_t *self, const kith_ivf_ask_t *ask, const kith_ivf_near_t *near,
           float limit, kith_judge_t *judge)
{
    bool floats = self->quantiser.code == KITH_CODE_FLOAT32;
    float base = floats ? 0 : near->base;
    judge->stride = self->quantiser.block_bytes;
    judge->step = ask->asked.step;
    judge->bias = ask->asked.bias + ask->asked.slack;
    judge->reach = floats ? 0 : ask->reach * s_width (self, near->away, limit);
    judge->limit = limit - base + s_rounding (ask, near, limit);
    //  Nothing is known yet, or a sum overflowed: all rows stay
    if (isinf (limit) || isnan (judge->limit))
        judge->limit = INFINITY;
    if (!(judge->reach < INFINITY))
        judge->reach = judge->limit < INFINITY ? NAN : 0;
}

static inline uint32_t
s_valid (const kith_ivf_t *self, uint32_t list, uint32_t block)
{
    uint32_t left =
        self->counts [list] - (block - self->starts [list]) * KITH_FASTSCAN_ROWS;
    return left >= KITH_FASTSCAN_ROWS ? 0xffffffffu : (1u << left) - 1;
}

//  Bits of the rows of a block that may be answered
static inline uint32_t
s_live (const kith_ivf_t *self, const kith_bits_t *live, uint32_t block, uint32_t valid)
{
    const uint32_t *ids = self->ids + (size_t) block * KITH_FASTSCAN_ROWS;
    uint32_t mask = 0;
    for (uint32_t left = valid; left; left &= left - 1) {
        uint32_t slot = (uint32_t) __builtin_ctz (left);
        mask |= (uint32_t) kith_bits_get (live, ids [slot]) << slot;
    }
    return mask;
}

//  The best k of the first blocks of a list by code, scored: no answer need be further than the worst of them
static void
s_seed (const kith_ivf_t *self, kith_ivf_ask_t *ask, const kith_ivf_near_t *near)
{
    const kith_bits_t *live = ask->query->live;
    uint32_t first = self->starts [near->list];
    uint32_t blocks = self->starts [near->list + 1] - first;
    if (self->counts [near->list] < ask->top->k)
        return;
    blocks = blocks < SEED_BLOCKS ? blocks : SEED_BLOCKS;
    kith_judge_t judge = {.blocks = 1};
    kith_topk_t best;
    kith_topk_init (&best, ask->top->k);
    s_prepare (self, ask, near, INFINITY, &judge);
    judge.reach = 0;
    for (uint32_t block = first; block < first + blocks; block++) {
        const uint8_t *at = self->blocks + (size_t) block * self->quantiser.block_bytes;
        float products [KITH_FASTSCAN_ROWS], least [KITH_FASTSCAN_ROWS];
        uint32_t mask;
        kith_quantiser_products (&self->quantiser, &ask->asked, at, 1, products);
        judge.products = products;
        judge.factors = (const void *) at;
        judge.limit = kith_topk_worst (&best);
        kith_kernels ()->judge (&judge, least, &mask);
        for (mask &= s_valid (self, near->list, block); mask; mask &= mask - 1) {
            uint32_t slot = (uint32_t) __builtin_ctz (mask);
            uint32_t row = self->ids [(size_t) block * KITH_FASTSCAN_ROWS + slot];
            if ((!live || kith_bits_get (live, row)) && !isnan (least [slot]))
                kith_topk_push (&best,
                                (kith_hit_t){.distance = least [slot], .row = row});
        }
    }
    float worst = -INFINITY;
    for (uint32_t index = 0; index < best.count; index++)
        s_prefetch (self, (uint32_t) best.hits [index].row);
    for (uint32_t index = 0; index < best.count; index += 4) {
        kith_ivf_candidate_t four [4];
        float distances [4];
        uint32_t count = best.count - index < 4 ? best.count - index : 4;
        for (uint32_t each = 0; each < count; each++)
            four [each].row = (uint32_t) best.hits [index + each].row;
        s_score (self, ask, four, count, distances);
        for (uint32_t each = 0; each < count; each++)
            worst = distances [each] > worst ? distances [each] : worst;
    }
    if (best.count == ask->top->k && worst < ask->limit)
        ask->limit = worst;
    kith_topk_free (&best);
}

//  Puts the rows of a mask among the candidates
static inline void
s_put (const kith_ivf_t *self, kith_ivf_pending_t *pending, const kith_bits_t *live,
       uint32_t block, uint32_t mask, const float *least, float base)
{
    const uint32_t *ids = self->ids + (size_t) block * KITH_FASTSCAN_ROWS;
    for (; mask; mask &= mask - 1) {
        uint32_t slot = (uint32_t) __builtin_ctz (mask);
        uint32_t row = ids [slot];
        if (live && !kith_bits_get (live, row))
            continue;
        s_prefetch (self, row);
        pending->of [pending->count++] =
            (kith_ivf_candidate_t){.least = least [slot] + base, .row = row};
    }
}

void
kith_ivf_scan (const kith_ivf_t *self, kith_ivf_ask_t *ask, const kith_ivf_near_t *near)
{
    const kith_kernels_t *kernels = kith_kernels ();
    const kith_bits_t *live = ask->query->live;
    const size_t bytes = self->quantiser.block_bytes;
    const uint32_t last = self->starts [near->list + 1];
    const float base = self->quantiser.code == KITH_CODE_FLOAT32 ? 0 : near->base;
    if (isinf (s_limit (ask)))
        s_seed (self, ask, near);
    for (uint32_t block = self->starts [near->list]; block < last;
         block += KITH_IVF_CHUNK) {
        uint32_t count = last - block < KITH_IVF_CHUNK ? last - block : KITH_IVF_CHUNK;
        const uint8_t *at = self->blocks + block * bytes;
        float products [KITH_IVF_CHUNK * KITH_FASTSCAN_ROWS];
        float least [KITH_IVF_CHUNK * KITH_FASTSCAN_ROWS];
        uint32_t masks [KITH_IVF_CHUNK];
        kith_judge_t judge = {
            .products = products, .factors = (const void *) at, .blocks = count};
        float limit = s_limit (ask);
        float least_base = base - 2 * s_rounding (ask, near, limit);
        s_prepare (self, ask, near, limit, &judge);
        kith_quantiser_products (&self->quantiser, &ask->asked, at, count, products);
        kernels->judge (&judge, least, masks);
        for (uint32_t each = 0; each < count; each++)
            s_put (self, ask->pending, live, block + each,
                   masks [each] & s_valid (self, near->list, block + each),
                   least + each * KITH_FASTSCAN_ROWS, least_base);
        s_drain (self, ask, ARRIVING);
    }
    ask->compared += self->counts [near->list];
}

uint32_t
kith_ivf_live (const kith_ivf_t *self, const kith_bits_t *live, uint32_t list)
{
    uint32_t first = self->starts [list], rows = self->counts [list];
    if (rows == 0)
        return 0;
    uint32_t seen = rows < KITH_FASTSCAN_ROWS ? rows : KITH_FASTSCAN_ROWS;
    uint32_t mask = s_live (self, live, first, s_valid (self, list, first));
    return (uint32_t) ((uint64_t) rows * (uint32_t) __builtin_popcount (mask) / seen);
}

void
kith_ivf_bound (const kith_ivf_t *self, const kith_ivf_ask_t *ask,
                const kith_ivf_near_t *near, uint32_t slot, float distance, float *least,
                float *unit)
{
    const uint8_t *at = self->blocks
                        + (size_t) (self->starts [near->list] + slot / KITH_FASTSCAN_ROWS)
                              * self->quantiser.block_bytes;
    const kith_factors_t *factors = (const void *) at;
    float products [KITH_FASTSCAN_ROWS], values [KITH_FASTSCAN_ROWS];
    uint32_t mask;
    kith_judge_t judge = {.products = products, .factors = factors, .blocks = 1};
    s_prepare (self, ask, near, distance, &judge);
    judge.reach = 0;
    kith_quantiser_products (&self->quantiser, &ask->asked, at, 1, products);
    kith_kernels ()->judge (&judge, values, &mask);
    //  Over the judge's limit by so much, in the judge's own terms
    *least = values [slot % KITH_FASTSCAN_ROWS] - judge.limit;
    *unit =
        s_width (self, near->away, distance) * factors->error [slot % KITH_FASTSCAN_ROWS];
}
