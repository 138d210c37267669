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
    PATIENCE = 4         //  lists between two questions whether to stop
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
    const uint32_t dim = self->header.dim;
    return kith_flat_search (&self->index.rows, query->queries + (size_t) number * dim,
                             query->norms ? query->norms + number : NULL, 1, query->live,
                             query->part, query->first_row, top);
}

//  ---------------------------------------------------------------------
//  One by one

//  False: too few live rows were met in all the lists that were picked
static bool
s_probe (const kith_ivf_t *self, kith_ivf_scratch_t *scratch, kith_ivf_ask_t *ask,
         const kith_ivf_plan_t *plan, bool *stopped)
{
    bool counting = plan->live > 0;
    uint32_t count = kith_ivf_pick (self, scratch, ask, plan->most);
    uint64_t met = 0;
    for (uint32_t index = 0; index < count; index++) {
        if (index >= plan->lists && met >= plan->live && ask->top->count == ask->top->k)
            break;
        if (index % PATIENCE == PATIENCE - 1 && s_stop (ask->query)) {
            *stopped = true;
            break;
        }
        met += kith_ivf_scan (self, scratch, ask, &scratch->near [index], counting);
    }
    kith_ivf_settle (self, scratch, ask);
    return *stopped || !counting || count == self->header.lists || met >= plan->live;
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
    if (s_probe (self, scratch, &ask, plan, stopped))
        return ask.compared;
    //  The filter keeps away from where the query is: what was found may be offered again
    kith_topk_t all;
    kith_topk_init (&all, top->k);
    uint64_t compared = ask.compared + s_scan_all (self, query, number, &all);
    for (uint32_t index = 0; index < all.count; index++) {
        bool held = false;
        for (uint32_t other = 0; other < top->count && !held; other++)
            held = top->hits [other].row == all.hits [index].row
                   && top->hits [other].part == all.hits [index].part;
        if (!held)
            kith_topk_push (top, all.hits [index]);
    }
    kith_topk_free (&all);
    return compared;
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
        kith_ivf_scan (self, scratch, ask, &scratch->near [0], false);
        kith_ivf_settle (self, scratch, ask);
    }
    s_sort_visits (batch);
    for (uint32_t index = 0; index < batch->count; index++) {
        const s_visit_t *visit = &batch->sorted [index];
        if (index % GROUP == 0 && s_stop (batch->query))
            return false;
        kith_ivf_scan (self, scratch, &batch->asks [visit->ask], &visit->near, false);
        kith_ivf_settle (self, scratch, &batch->asks [visit->ask]);
    }
    return true;
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
