//  disk_walk.c - searches of the disk index: best-first with reads ahead, or all codes
//  SPDX-License-Identifier: Apache-2.0
//
//  As in DiskANN (Subramanya et al. 2019) codes in memory say which row to read next, and its record has the exact vector and the links. As in
//  PipeANN there are no rounds: as soon as one read is taken the next best row is asked for, so that up to `width` are always under
//  way. Early reads are likely to be of no use (the way is not yet known), so the width begins small, grows while what comes
//  back is still among the best, and shrinks when it is not. As in Starling (Wang et al. 2024) the other rows of a block, packed there
//  because they are near, are scored too and lead on if they are good enough.
#include "base/bytes.h"
#include "engine/indexes/disk_layout.h"

enum {
    ENTRY_EFFORT = 32,       //  of the sample's graph
    SCAN_STOP = 1u << 14,    //  codes compared between two questions whether to stop
    SCAN_BATCH = 64,
    MET_MIN = 200    //  rows that tell how many of those about a query may be answered
};

//  ---------------------------------------------------------------------
//  Walk

typedef struct {
    const kith_disk_t *self;
    kith_disk_scratch_t *scratch;
    const kith_disk_ask_t *ask;
    kith_topk_t *top;
    uint32_t streak;    //  reads of use, one after another
    uint32_t met,
        met_live;    //  rows found by links, and of them those that may be answered
} s_walk_t;

static bool
s_answerable (const s_walk_t *walk, uint32_t row)
{
    const uint32_t *twins = walk->self->twins;
    for (; row != KITH_DISK_NONE; row = twins ? twins [row] : KITH_DISK_NONE)
        if (kith_bits_get (walk->ask->live, row))
            return true;
    return false;
}

//  Distance by code beyond which a row is of no use
static float
s_limit (const s_walk_t *walk)
{
    const kith_disk_scratch_t *scratch = walk->scratch;
    return kith_disk_beam_worst (walk->ask->live ? &scratch->found : &scratch->beam);
}

static void
s_put (s_walk_t *walk, float distance, uint32_t row, uint32_t taken)
{
    bool live = walk->ask->live && s_answerable (walk, row);
    walk->met++;
    walk->met_live += live;
    if (!(distance < s_limit (walk)))
        return;
    kith_disk_beam_put (&walk->scratch->beam, distance, row | taken);
    if (live)
        kith_disk_beam_put (&walk->scratch->found, distance, row);
}

//  Puts the rows of scratch->rows by their codes
static void
s_put_all (s_walk_t *walk, uint32_t count)
{
    kith_disk_scratch_t *scratch = walk->scratch;
    kith_disk_coder_distances (walk->self->coder, scratch->code, scratch->rows, count,
                               scratch->distances);
    for (uint32_t index = 0; index < count; index++)
        s_put (walk, scratch->distances [index], scratch->rows [index], 0);
    scratch->compared += count;
}

//  Rows to begin with: the nearest of the sample
static void
s_begin (s_walk_t *walk)
{
    const kith_disk_t *self = walk->self;
    kith_disk_scratch_t *scratch = walk->scratch;
    const kith_graph_query_t query = {.k = KITH_DISK_ENTRIES, .effort = ENTRY_EFFORT};
    kith_topk_t near;
    kith_topk_init (&near, KITH_DISK_ENTRIES);
    scratch->compared += kith_graph_search (
        self->entry, walk->ask->query, walk->ask->norm, &query, scratch->entry, &near);
    kith_topk_sort (&near);
    uint32_t count = 0;
    for (uint32_t index = 0; index < near.count; index++) {
        uint32_t row = self->sample_rows [near.hits [index].row];
        if (kith_disk_seen (scratch, row))
            continue;
        kith_disk_see (scratch, row, 1);
        scratch->rows [count++] = row;
    }
    kith_topk_free (&near);
    s_put_all (walk, count);
}

//  The best row that is not read, or KITH_DISK_NONE
static uint32_t
s_next (const s_walk_t *walk)
{
    kith_disk_beam_t *beam = &walk->scratch->beam;
    while (beam->next < beam->size
           && !(beam->near [beam->next].distance > s_limit (walk))) {
        uint32_t row = kith_disk_beam_take (beam);
        if (!kith_disk_read (walk->scratch, row))
            return row;
    }
    return KITH_DISK_NONE;
}

static void
s_expand (s_walk_t *walk, const kith_disk_node_t *node)
{
    kith_disk_scratch_t *scratch = walk->scratch;
    uint32_t hops = (scratch->hops [node->row] & KITH_DISK_HOPS_MAX) + 1u, count = 0;
    for (uint32_t index = 0; index < node->count; index++) {
        uint32_t row = kith_get_u32 (node->links + 4 * (size_t) index);
        if (kith_disk_seen (scratch, row))
            continue;
        kith_disk_see (scratch, row, hops);
        scratch->rows [count++] = row;
    }
    s_put_all (walk, count);
}

//  Scores all nodes of a block; the one that was asked for and its good neighbours lead on. Whether that one was of use still
static bool
s_take_block (s_walk_t *walk, const kith_disk_flight_t *flight, const uint8_t *block)
{
    const kith_disk_t *self = walk->self;
    kith_disk_scratch_t *scratch = walk->scratch;
    uint32_t rows [KITH_DISK_NODES_MAX] = {0}, nodes = kith_get_u32 (block + 8);
    float near [KITH_DISK_NODES_MAX];
    uint32_t hops = scratch->hops [flight->row] & KITH_DISK_HOPS_MAX;
    bool useful = false;
    for (uint32_t slot = 0; slot < nodes; slot++)
        rows [slot] = kith_disk_node (&self->header, block, slot).row;
    kith_disk_coder_distances (self->coder, scratch->code, rows, nodes, near);
    for (uint32_t slot = 0; slot < nodes; slot++) {
        kith_disk_node_t node = kith_disk_node (&self->header, block, slot);
        if (node.row == walk->ask->without || kith_disk_read (scratch, node.row))
            continue;
        if (!kith_disk_seen (scratch, node.row)) {
            kith_disk_see (scratch, node.row, hops);
            s_put (walk, near [slot], node.row, KITH_DISK_TAKEN);
        }
        kith_disk_offer (self, scratch, walk->ask, &node, walk->top);
        bool good = !(near [slot] > s_limit (walk));
        if (good || node.row == flight->row)
            s_expand (walk, &node);
        useful |= good && node.row == flight->row;
    }
    scratch->cost.hops = hops > scratch->cost.hops ? hops : scratch->cost.hops;
    return useful;
}

static void
s_widen (s_walk_t *walk, bool useful)
{
    uint32_t *width = &walk->scratch->cost.width;
    walk->streak = useful ? walk->streak + 1 : 0;
    if (!useful)
        *width -= *width > KITH_DISK_WIDTH_MIN;
    else if (walk->streak > 2) {
        *width += *width < KITH_DISK_WIDTH_MAX;
        walk->streak = 0;
    }
}

//  A filter that leaves far fewer rows about the query than elsewhere: what is nearest may lie behind a gap that no walk crosses
static bool
s_astray (const s_walk_t *walk)
{
    const kith_disk_ask_t *ask = walk->ask;
    if (!ask->live || walk->met < MET_MIN)
        return false;
    double share = (double) ask->live_count / walk->self->header.rows;
    return walk->met_live < share / 2 * walk->met;
}

static bool
s_make_beams (const s_walk_t *walk)
{
    const kith_disk_ask_t *ask = walk->ask;
    kith_disk_scratch_t *scratch = walk->scratch;
    uint32_t rows = walk->self->header.rows;
    double wide = ask->effort;
    if (ask->live)
        wide = wide * 2.0 * rows / (ask->live_count ? ask->live_count : 1) + 64;
    uint32_t capacity = wide < rows ? (uint32_t) wide : rows;
    if (kith_disk_beam_reset (&scratch->beam, capacity)
        && kith_disk_beam_reset (&scratch->found, ask->live ? ask->effort : 0))
        return true;
    kith_error_set (&scratch->error, KITH_ERR_NO_MEMORY,
                    "no memory for a search of %" PRIu32 " rows", capacity);
    return false;
}

static kith_disk_end_t
s_run (s_walk_t *walk)
{
    const kith_disk_ask_t *ask = walk->ask;
    kith_disk_scratch_t *scratch = walk->scratch;
    for (;;) {
        uint32_t row = 0;
        while (scratch->flying < scratch->cost.width
               && (row = s_next (walk)) != KITH_DISK_NONE)
            kith_disk_send (walk->self, scratch, row);
        if (scratch->flying == 0)
            break;
        if (ask->stop && ask->stop (ask->stop_arg))
            return KITH_DISK_STOPPED;
        if (scratch->cost.reads >= ask->reads_max)
            return KITH_DISK_SHORT;
        kith_disk_flight_t flight;
        const uint8_t *block = kith_disk_wait (walk->self, scratch, &flight);
        if (!block)
            return KITH_DISK_FAILED;
        s_widen (walk, s_take_block (walk, &flight, block));
        if (s_astray (walk))
            return KITH_DISK_SHORT;
    }
    uint32_t wanted = ask->k < ask->live_count ? ask->k : ask->live_count;
    return scratch->offered < wanted ? KITH_DISK_SHORT : KITH_DISK_ANSWERED;
}

kith_disk_end_t
kith_disk_walk (const kith_disk_t *self, kith_disk_scratch_t *scratch,
                const kith_disk_ask_t *ask, kith_topk_t *top)
{
    s_walk_t walk = {.self = self, .scratch = scratch, .ask = ask, .top = top};
    if (!s_make_beams (&walk))
        return KITH_DISK_FAILED;
    s_begin (&walk);
    kith_disk_end_t end = s_run (&walk);
    kith_disk_drain (scratch);
    return end;
}

//  ---------------------------------------------------------------------
//  Scan

//  Adds rows to scratch->rows and, when there are enough, their codes to the beam
static uint32_t
s_scan_word (const s_walk_t *walk, uint32_t first, uint64_t word, uint32_t count)
{
    kith_disk_scratch_t *scratch = walk->scratch;
    for (; word; word &= word - 1) {
        uint32_t row = first + (uint32_t) __builtin_ctzll (word);
        if (kith_disk_read (scratch, row) || row == walk->ask->without)
            continue;
        scratch->rows [count++] = row;
    }
    if (count < SCAN_BATCH && first + 64 < walk->self->header.rows)
        return count;
    kith_disk_coder_distances (walk->self->coder, scratch->code, scratch->rows, count,
                               scratch->distances);
    for (uint32_t index = 0; index < count; index++)
        if (scratch->distances [index] < kith_disk_beam_worst (&scratch->beam))
            kith_disk_beam_put (&scratch->beam, scratch->distances [index],
                                scratch->rows [index]);
    scratch->compared += count;
    return 0;
}

//  False: told to stop
static bool
s_scan_codes (const s_walk_t *walk)
{
    const kith_disk_ask_t *ask = walk->ask;
    uint32_t rows = walk->self->header.rows, count = 0;
    for (uint32_t first = 0; first < rows; first += 64) {
        uint64_t word = ask->live ? ask->live->words [first / 64] : ~(uint64_t) 0;
        if (rows - first < 64)
            word &= ((uint64_t) 1 << (rows - first)) - 1;
        if (first % SCAN_STOP == 0 && ask->stop && ask->stop (ask->stop_arg))
            return false;
        count = s_scan_word (walk, first, word, count);
    }
    return true;
}

static kith_disk_end_t
s_read_beam (const s_walk_t *walk)
{
    kith_disk_scratch_t *scratch = walk->scratch;
    kith_disk_beam_t *beam = &scratch->beam;
    for (;;) {
        while (scratch->flying < KITH_DISK_WIDTH_MAX && beam->next < beam->size) {
            uint32_t row = kith_disk_beam_take (beam);
            if (!kith_disk_read (scratch, row))
                kith_disk_send (walk->self, scratch, row);
        }
        if (scratch->flying == 0)
            return KITH_DISK_ANSWERED;
        if (walk->ask->stop && walk->ask->stop (walk->ask->stop_arg))
            return KITH_DISK_STOPPED;
        kith_disk_flight_t flight;
        const uint8_t *block = kith_disk_wait (walk->self, scratch, &flight);
        if (!block)
            return KITH_DISK_FAILED;
        uint32_t nodes = kith_get_u32 (block + 8);
        for (uint32_t slot = 0; slot < nodes; slot++) {
            kith_disk_node_t node = kith_disk_node (&walk->self->header, block, slot);
            if (!kith_disk_read (scratch, node.row) && node.row != walk->ask->without)
                kith_disk_offer (walk->self, scratch, walk->ask, &node, walk->top);
        }
    }
}

kith_disk_end_t
kith_disk_scan (const kith_disk_t *self, kith_disk_scratch_t *scratch,
                const kith_disk_ask_t *ask, kith_topk_t *top)
{
    s_walk_t walk = {.self = self, .scratch = scratch, .ask = ask, .top = top};
    uint32_t depth = kith_disk_depth (ask->k);
    depth = depth < ask->live_count ? depth : ask->live_count;
    if (!kith_disk_beam_reset (&scratch->beam, depth)) {
        kith_error_set (&scratch->error, KITH_ERR_NO_MEMORY,
                        "no memory for a search of %" PRIu32 " rows", depth);
        return KITH_DISK_FAILED;
    }
    scratch->cost.hops++;
    kith_disk_end_t end = s_scan_codes (&walk) ? s_read_beam (&walk) : KITH_DISK_STOPPED;
    kith_disk_drain (scratch);
    return end;
}
