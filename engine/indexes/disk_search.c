//  disk_search.c - answers queries from a disk index: walk or scan, a few of them side by side
//  SPDX-License-Identifier: Apache-2.0
//
//  A walk waits for the device most of its time: at first for few reads, since the way is not known. So several queries of one call
//  are answered together, each with scratch memory and reads of its own, one read of each in turn. No answer depends on the others.
#include "base/bytes.h"
#include "engine/indexes/disk_layout.h"

//  What a read of a block costs, in codes compared: about 6 us of one thread with many under way, against 20 ns
enum { READ_COST = 300 };

//  One query of a group
typedef struct {
    kith_disk_ask_t ask;
    kith_disk_walk_t walk;
    kith_disk_end_t end;
} s_side_t;

//  Walks, or leaves it to a scan (SHORT), whichever is likely to cost less
static void
s_start (s_side_t *side)
{
    const kith_disk_t *self = side->walk.self;
    const kith_disk_header_t *header = &self->header;
    kith_disk_ask_t *ask = &side->ask;
    double live = ask->live_count ? ask->live_count : 1, depth = kith_disk_depth (ask->k);
    double scan = live * (0.5 + header->code_bytes / 128.0)
                  + (depth < live ? depth : live) * READ_COST;
    double walk = (double) ask->effort * header->rows / live * READ_COST;
    ask->reads_max = ask->live ? (uint64_t) (2 * scan / READ_COST) : UINT64_MAX;
    if (!kith_disk_prepare (self, side->walk.scratch, ask))
        side->end = KITH_DISK_FAILED;
    else if (ask->live && walk > scan)
        side->end = KITH_DISK_SHORT;
    else
        side->end =
            kith_disk_walk_begin (&side->walk) ? KITH_DISK_MORE : KITH_DISK_FAILED;
}

static bool
s_broken (kith_disk_end_t end)
{
    return end == KITH_DISK_STOPPED || end == KITH_DISK_FAILED;
}

//  What a walk did not answer
static void
s_finish (s_side_t *side)
{
    const kith_disk_t *self = side->walk.self;
    const kith_disk_ask_t *ask = &side->ask;
    kith_disk_scratch_t *scratch = side->walk.scratch;
    if (side->end == KITH_DISK_SHORT)
        side->end = kith_disk_scan (self, scratch, ask, side->walk.top);
    //  Codes of such a query (its numbers are too great) say nothing: the vectors that were lent do
    if (side->end == KITH_DISK_ANSWERED && scratch->offered == 0 && ask->live_count > 0)
        scratch->compared +=
            kith_flat_search (&self->index.rows, ask->query, &ask->norm, 1, ask->live,
                              ask->part, ask->first_row, side->walk.top);
}

//  ANSWERED, or how the first that was not ended
static kith_disk_end_t
s_group (s_side_t *sides, uint32_t count)
{
    kith_disk_end_t broken = KITH_DISK_ANSWERED;
    for (uint32_t index = 0; index < count && !s_broken (broken); index++) {
        s_start (&sides [index]);
        broken = sides [index].end;
    }
    for (bool more = true; more && !s_broken (broken);) {
        more = false;
        for (uint32_t index = 0; index < count && !s_broken (broken); index++) {
            s_side_t *side = &sides [index];
            if (side->end != KITH_DISK_MORE)
                continue;
            side->end = kith_disk_walk_step (&side->walk);
            more |= side->end == KITH_DISK_MORE;
            broken = side->end;
        }
    }
    for (uint32_t index = 0; index < count && !s_broken (broken); index++) {
        s_finish (&sides [index]);
        broken = sides [index].end;
    }
    for (uint32_t index = 0; index < count; index++)
        kith_disk_drain (sides [index].walk.scratch);
    return s_broken (broken) ? broken : KITH_DISK_ANSWERED;
}

static kith_disk_scratch_t *
s_scratch (kith_disk_scratch_t *scratch, uint32_t index)
{
    if (index == 0)
        return scratch;
    if (!scratch->more [index - 1])
        scratch->more [index - 1] = kith_disk_scratch_new ();
    return scratch->more [index - 1];
}

static kith_disk_ask_t
s_ask (const kith_disk_t *self, const kith_index_query_t *query)
{
    uint32_t rows = self->header.rows;
    assert (!query->live || query->live->count == rows);
    float recall = query->recall > 0 ? query->recall : self->header.recall;
    uint32_t effort =
        query->effort ? query->effort : kith_disk_effort (self, recall, query->k);
    effort = effort < KITH_DISK_EFFORT_MAX ? effort : KITH_DISK_EFFORT_MAX;
    return (kith_disk_ask_t){.k = query->k,
                             .effort = effort > query->k ? effort : query->k,
                             .live = query->live,
                             .live_count =
                                 query->live ? kith_bits_popcount (query->live) : rows,
                             .without = KITH_DISK_NONE,
                             .part = query->part,
                             .first_row = query->first_row,
                             .stop = query->stop,
                             .stop_arg = query->stop_arg};
}

kith_disk_end_t
kith_disk_search (const kith_disk_t *self, const kith_index_query_t *query,
                  kith_disk_scratch_t *scratch, kith_topk_t *tops, uint64_t *compared)
{
    s_side_t sides [KITH_DISK_GROUP];
    kith_disk_cost_t cost = {0};
    kith_disk_end_t end = KITH_DISK_ANSWERED;
    kith_disk_ask_t ask = s_ask (self, query);
    const size_t bytes = kith_vector_bytes (self->index.rows.type, self->header.dim);
    for (uint32_t first = 0; first < query->nq && !s_broken (end);
         first += KITH_DISK_GROUP) {
        uint32_t count = query->nq - first;
        count = count < KITH_DISK_GROUP ? count : KITH_DISK_GROUP;
        for (uint32_t index = 0; index < count; index++) {
            s_side_t *side = &sides [index];
            ask.query = (const char *) query->queries + (first + index) * bytes;
            ask.norm = query->norms ? query->norms [first + index] : 0;
            side->ask = ask;
            side->walk = (kith_disk_walk_t){.self = self,
                                            .scratch = s_scratch (scratch, index),
                                            .ask = &side->ask,
                                            .top = &tops [first + index]};
            side->walk.scratch->compared = 0;
            side->walk.scratch->cost = (kith_disk_cost_t){0};
            kith_error_clear (&side->walk.scratch->error);
        }
        end = s_group (sides, count);
        for (uint32_t index = 0; index < count; index++) {
            const kith_disk_scratch_t *its = sides [index].walk.scratch;
            *compared += its->compared;
            cost.reads += its->cost.reads;
            cost.hops += its->cost.hops;
            cost.width = its->cost.width;
            if (its->error.code != KITH_OK)
                scratch->error = its->error;
        }
    }
    scratch->cost = cost;
    return end;
}
