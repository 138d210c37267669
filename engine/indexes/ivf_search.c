//  ivf_search.c - answers queries: one by one, or list by list for many
//  SPDX-License-Identifier: Apache-2.0
//
//  Many queries: each first scans its nearest list, for a limit; what is left is sorted by list, and each list is scanned for all
//  queries that want it while it is in cache.
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/ivf_layout.h"

enum {
    MANY = 16,           //  from so many queries on list by list
    GROUP = 256,         //  queries of one turn
    VISITS = 1 << 18,    //  of lists in one turn
    PATIENCE = 4,        //  lists between two questions whether to stop
    STARVED = 2          //  so many times fewer live rows than wanted end a probe
};

static bool
s_stop (const kith_index_query_t *query)
{
    return query->stop && query->stop (query->stop_arg);
}

static uint64_t
s_scan_all (const kith_ivf_t *self, const kith_index_query_t *query, uint32_t number,
            kith_topk_t *top)
{
    return kith_flat_search (&self->index.rows,
                             (const char *) query->queries + number * self->vector_bytes,
                             query->norms ? query->norms + number : NULL, 1, query->live,
                             query->part, query->first_row, top);
}

//  ---------------------------------------------------------------------
//  One by one

//  False: the filter keeps away from where the query is, fewer live rows were met there than elsewhere
static bool
s_probe (const kith_ivf_t *self, kith_ivf_scratch_t *scratch, kith_ivf_ask_t *ask,
         const kith_ivf_plan_t *plan, bool *stopped)
{
    bool counting = ask->query->live != NULL && plan->live > 0;
    uint32_t count = kith_ivf_pick (self, scratch, ask, plan->most), index = 0;
    uint64_t met = 0;
    for (; index < count; index++) {
        if (index >= plan->lists && met >= plan->live && ask->top->count == ask->top->k)
            break;
        if (index == plan->lists && met < plan->live / STARVED)
            break;
        if (index % PATIENCE == PATIENCE - 1 && s_stop (ask->query)) {
            *stopped = true;
            break;
        }
        if (counting)
            met += kith_ivf_live (self, ask->query->live, scratch->near [index].list);
        kith_ivf_scan (self, ask, &scratch->near [index]);
    }
    kith_ivf_settle (self, ask);
    return *stopped || !counting || index == self->header.lists || met >= plan->live;
}

//  The nearest live rows apart from the others in top, so that what a probe found can be put away when it was not enough
static uint64_t
s_search_live (const kith_ivf_t *self, kith_ivf_scratch_t *scratch, kith_ivf_ask_t *ask,
               uint32_t number, const kith_ivf_plan_t *plan, bool *stopped)
{
    kith_topk_t *top = ask->top, found;
    uint64_t compared = 0;
    kith_topk_init (&found, top->k);
    ask->top = &found;
    ask->limit = kith_topk_worst (top);
    if (!s_probe (self, scratch, ask, plan, stopped)) {
        kith_ivf_plan_t all = *plan;
        all.lists = all.most = self->header.lists;
        kith_topk_free (&found);
        kith_topk_init (&found, top->k);
        if (plan->codes)
            s_probe (self, scratch, ask, &all, stopped);
        else
            compared = s_scan_all (self, ask->query, number, &found);
    }
    for (uint32_t index = 0; index < found.count; index++)
        kith_topk_push (top, found.hits [index]);
    kith_topk_free (&found);
    return compared + ask->compared;
}

static uint64_t
s_search_one (const kith_ivf_t *self, kith_ivf_scratch_t *scratch,
              const kith_index_query_t *query, uint32_t number,
              const kith_ivf_plan_t *plan, kith_topk_t *top, bool *stopped)
{
    kith_ivf_ask_t ask;
    if (plan->scan)
        return s_scan_all (self, query, number, top);
    kith_ivf_ask (self, scratch, 0, query, number, &ask);
    ask.top = top;
    ask.reach = plan->reach;
    if (plan->live > 0)
        return s_search_live (self, scratch, &ask, number, plan, stopped);
    s_probe (self, scratch, &ask, plan, stopped);
    return ask.compared;
}

//  ---------------------------------------------------------------------
//  List by list

typedef struct {
    kith_ivf_near_t near;
    uint32_t ask;
} s_visit_t;

typedef struct {
    const kith_ivf_t *self;
    kith_ivf_scratch_t *scratch;
    const kith_index_query_t *query;
    const kith_ivf_plan_t *plan;
    kith_topk_t *tops;
    kith_ivf_ask_t *asks;
    s_visit_t *visits, *sorted;
    uint32_t *firsts;    //  lists + 1
    uint32_t count;      //  visits
} s_batch_t;

static void
s_sort_visits (s_batch_t *batch)
{
    uint32_t lists = batch->self->header.lists;
    memset (batch->firsts, 0, (lists + 1) * sizeof *batch->firsts);
    for (uint32_t index = 0; index < batch->count; index++)
        batch->firsts [batch->visits [index].near.list + 1]++;
    for (uint32_t list = 0; list < lists; list++)
        batch->firsts [list + 1] += batch->firsts [list];
    for (uint32_t index = 0; index < batch->count; index++)
        batch->sorted [batch->firsts [batch->visits [index].near.list]++] =
            batch->visits [index];
}

//  Scores what visit `index` left waiting
static void
s_settle_visit (s_batch_t *batch, uint32_t index)
{
    kith_ivf_ask_t *ask = &batch->asks [batch->sorted [index].ask];
    ask->pending = &batch->scratch->pending [index % KITH_IVF_VISITS];
    kith_ivf_settle (batch->self, ask);
}

//  The vectors that one visit asked for arrive while the next ones scan
static bool
s_visit_all (s_batch_t *batch)
{
    const uint32_t behind = KITH_IVF_VISITS - 1;
    uint32_t index = 0;
    bool stopped = false;
    for (; index < batch->count && !stopped; index++) {
        const s_visit_t *visit = &batch->sorted [index];
        kith_ivf_ask_t *ask = &batch->asks [visit->ask];
        ask->pending = &batch->scratch->pending [index % KITH_IVF_VISITS];
        kith_ivf_scan (batch->self, ask, &visit->near);
        if (index >= behind)
            s_settle_visit (batch, index - behind);
        stopped = index % GROUP == 0 && s_stop (batch->query);
    }
    for (uint32_t left = index > behind ? index - behind : 0; left < index; left++)
        s_settle_visit (batch, left);
    return !stopped;
}

//  Queries [first .. first + count)
static bool
s_turn (s_batch_t *batch, uint32_t first, uint32_t count)
{
    const kith_ivf_t *self = batch->self;
    kith_ivf_scratch_t *scratch = batch->scratch;
    batch->count = 0;
    for (uint32_t index = 0; index < count; index++) {
        kith_ivf_ask_t *ask = &batch->asks [index];
        if (s_stop (batch->query))
            return false;
        kith_ivf_ask (self, scratch, index, batch->query, first + index, ask);
        ask->top = &batch->tops [first + index];
        ask->reach = batch->plan->reach;
        uint32_t lists = kith_ivf_pick (self, scratch, ask, batch->plan->lists);
        for (uint32_t list = 1; list < lists; list++)
            batch->visits [batch->count++] =
                (s_visit_t){.near = scratch->near [list], .ask = index};
        kith_ivf_scan (self, ask, &scratch->near [0]);
        kith_ivf_settle (self, ask);
    }
    s_sort_visits (batch);
    return s_visit_all (batch);
}

//  False: no memory, nothing was done
static bool
s_search_many (const kith_ivf_t *self, kith_ivf_scratch_t *scratch,
               const kith_index_query_t *query, const kith_ivf_plan_t *plan,
               kith_topk_t *tops, uint64_t *compared, bool *stopped)
{
    uint32_t group = VISITS / plan->lists;
    group = group < GROUP ? group : GROUP;
    group = group < query->nq ? group : query->nq;
    if (group < MANY || !kith_ivf_room (self, scratch, group))
        return false;
    size_t visits = (size_t) group * plan->lists;
    s_batch_t batch = {.self = self,
                       .scratch = scratch,
                       .query = query,
                       .plan = plan,
                       .tops = tops,
                       .asks = kith_alloc64 (group * sizeof *batch.asks),
                       .visits = kith_alloc64 (visits * sizeof *batch.visits),
                       .sorted = kith_alloc64 (visits * sizeof *batch.sorted),
                       .firsts = kith_alloc64 ((self->header.lists + (size_t) 1)
                                               * sizeof *batch.firsts)};
    bool made = batch.asks && batch.visits && batch.sorted && batch.firsts;
    for (uint32_t first = 0; made && !*stopped && first < query->nq; first += group) {
        uint32_t count = query->nq - first < group ? query->nq - first : group;
        memset (batch.asks, 0, count * sizeof *batch.asks);
        *stopped = !s_turn (&batch, first, count);
        for (uint32_t index = 0; index < count; index++)
            *compared += batch.asks [index].compared;
    }
    free (batch.firsts);
    free (batch.sorted);
    free (batch.visits);
    free (batch.asks);
    return made;
}

uint64_t
kith_ivf_search (const kith_index_t *index, const kith_index_query_t *query,
                 void *scratch_of, kith_topk_t *tops, bool *stopped)
{
    const kith_ivf_t *self = (const kith_ivf_t *) index;
    kith_ivf_scratch_t *scratch = scratch_of;
    kith_ivf_plan_t plan = kith_ivf_plan (self, query);
    uint64_t compared = 0;
    plan.scan |= !kith_ivf_room (self, scratch, 1);
    if (query->nq >= MANY && !plan.scan && plan.live == 0
        && s_search_many (self, scratch, query, &plan, tops, &compared, stopped))
        return compared;
    for (uint32_t number = 0; number < query->nq && !*stopped; number++) {
        if (s_stop (query)) {
            *stopped = true;
            break;
        }
        compared +=
            s_search_one (self, scratch, query, number, &plan, &tops [number], stopped);
    }
    return compared;
}
