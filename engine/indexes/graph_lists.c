//  graph_lists.c - many queries at once, list after list
//  SPDX-License-Identifier: Apache-2.0
//
//  The order of work: codes of all queries; their distances to the centres by BLAS, and of these the nearest; for each list the queries
//  that named it. Then list after list: its rows are unpacked into panels (engine/kernels), sixteen queries at a time meet them, and what
//  is near enough is gathered for each query. At the end the nearest by code are scored exactly, as after a walk. What a
//  query is answered does not depend on the others of its batch.
#include "engine/indexes/graph_lists.h"

#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/kmeans.h"
#include "engine/kernels/gemm.h"

enum {
    QUERIES = 1024,       //  at once
    QUERIES_MIN = 48,     //  fewer walk
    ROWS = 256,           //  of a list that are unpacked at once
    COARSE = 64,          //  queries that meet the centres at once
    AHEAD = 64,           //  rows whose codes are asked for ahead of their turn
    FAR = 100,            //  the largest k that was measured
    MEMORY = 32 << 20,    //  of a block of queries
    STRAY_ONE_OF = 2    //  of what a query's lists hold that must be answerable at least
};

#define LIVE_SHARE 0.8    //  of the rows; with fewer the planner of filters knows better
#define GAIN                                                                             \
    0.6    //  of a walk's cost, that lists must stay below: the estimates are rough
#define GEMM_RATE 1000.0    //  products of floats in 10 ns
#define UNPACK_ROW 1.0      //  cost of a row of a list, once for all queries: 10 ns,
#define UNPACK_DIM 0.006    //  and for each dimension
#define GATHER_ROW 0.02     //  cost of a row for each query, beside its product
#define RANK_LIST 0.4       //  cost of a centre for each query

typedef struct {
    const kith_graph_t *self;
    const kith_graph_many_t *many;
    uint32_t first, count;     //  queries of the batch
    uint32_t depth;            //  rows scored exactly
    uint32_t room;             //  of each in near
    uint32_t steps;            //  groups of four dimensions
    float *vectors;            //  [count] [dim], of length 1 for cosine
    int8_t *codes;             //  [count] [4 x steps]
    float *bases, *factors;    //  product = base + factor * integer product
    float *products;           //  [COARSE] [lists]
    kith_near_t *ranked;       //  [lists]
    uint32_t *named;           //  [count] [many->lists]
    uint32_t *starts;          //  [lists + 1]
    uint32_t *askers;          //  [count x many->lists]: queries of list after list
    kith_near_t *near;         //  [count] [room]
    uint32_t *sizes;           //  [count]
    float *worst;              //  [count]
    uint64_t *seen,
        *lived;         //  [count]: rows of their lists, and those that may be answered
    uint8_t *panels;    //  [ROWS] of steps x 4 bytes
    float *shifts, *scales;    //  [ROWS]
    uint32_t *rows;            //  [ROWS]
    int32_t *met;              //  [KITH_PANEL_QUERIES] [ROWS]
} s_block_t;

//  ---------------------------------------------------------------------
//  How many lists

uint32_t
kith_graph_lists_wanted (const kith_graph_t *self, const kith_graph_query_t *options,
                         uint32_t count, uint32_t live, double walk)
{
    const kith_graph_header_t *header = &self->header;
    const double share = (double) live / header->rows;
    const double k = ceil (options->k / share);
    if (self->live || header->list_grid == 0 || count < QUERIES_MIN || share < LIVE_SHARE
        || k > FAR)
        return 0;
    const float recall = kith_graph_recall_of (self, options, options->effort);
    const kith_graph_grid_t grid = {header->list_points, header->list_grid};
    if (!kith_graph_grid_reaches (&grid, recall, (uint32_t) k))
        return 0;
    const double lists = kith_graph_grid_effort (&grid, recall, (uint32_t) k);
    const double rows = header->rows;
    const double seen = rows * lists / header->lists;
    const double unpack = UNPACK_ROW + UNPACK_DIM * header->dim;
    const double meet = header->coded / (double) kith_kernels ()->panel_rate + GATHER_ROW;
    const double cost = seen * meet + fmin (seen, rows / count) * unpack
                        + header->lists * (header->dim / GEMM_RATE + RANK_LIST);
    return cost < GAIN * walk ? (uint32_t) lists : 0;
}

//  ---------------------------------------------------------------------
//  Room

//  A piece of memory that is cut up in turn; without memory only `used` grows
typedef struct {
    char *memory;
    size_t used;
} s_room_t;

static void *
s_carve (s_room_t *room, size_t bytes)
{
    void *piece = room->memory ? room->memory + room->used : NULL;
    room->used += kith_round64 (bytes);
    return piece;
}

//  Lays the arrays of a block of so many queries one after another
static void
s_lay (s_block_t *block, uint32_t count, s_room_t *room)
{
    const kith_graph_header_t *header = &block->self->header;
    const size_t lists = header->lists, visits = (size_t) count * block->many->lists;
    const size_t bytes = (size_t) block->steps * 4;
    block->vectors = s_carve (room, (size_t) count * header->dim * sizeof (float));
    block->codes = s_carve (room, count * bytes);
    block->bases = s_carve (room, count * sizeof (float));
    block->factors = s_carve (room, count * sizeof (float));
    block->products = s_carve (room, COARSE * lists * sizeof (float));
    block->ranked = s_carve (room, lists * sizeof (kith_near_t));
    block->named = s_carve (room, visits * sizeof (uint32_t));
    block->starts = s_carve (room, (lists + 1) * sizeof (uint32_t));
    block->askers = s_carve (room, visits * sizeof (uint32_t));
    block->near = s_carve (room, (size_t) count * block->room * sizeof (kith_near_t));
    block->sizes = s_carve (room, count * sizeof (uint32_t));
    block->worst = s_carve (room, count * sizeof (float));
    block->seen = s_carve (room, count * sizeof (uint64_t));
    block->lived = s_carve (room, count * sizeof (uint64_t));
    block->panels = s_carve (room, ROWS * bytes);
    block->shifts = s_carve (room, ROWS * sizeof (float));
    block->scales = s_carve (room, ROWS * sizeof (float));
    block->rows = s_carve (room, ROWS * sizeof (uint32_t));
    block->met = s_carve (room, KITH_PANEL_QUERIES * ROWS * sizeof (int32_t));
}

//  Queries of a block: as many as MEMORY holds
static uint32_t
s_most (const s_block_t *block)
{
    const size_t each = block->self->header.dim * (sizeof (float) + 1)
                        + block->room * sizeof (kith_near_t)
                        + block->many->lists * 2 * sizeof (uint32_t);
    const size_t fit = MEMORY / each < QUERIES_MIN ? QUERIES_MIN : MEMORY / each;
    const uint32_t most = fit < QUERIES ? (uint32_t) fit : QUERIES;
    return block->many->batch->count < most ? block->many->batch->count : most;
}

//  ---------------------------------------------------------------------
//  Queries

static bool
s_encode (s_block_t *block, kith_graph_scratch_t *scratch)
{
    const kith_graph_t *self = block->self;
    const kith_graph_batch_t *batch = block->many->batch;
    const uint32_t dim = self->header.dim, coded = self->header.coded,
                   bytes = block->steps * 4;
    const size_t stored = kith_graph_vector_bytes (self);
    for (uint32_t index = 0; index < block->count; index++) {
        const uint32_t query = block->first + index;
        if (!kith_graph_prepare_scan (self, scratch,
                                      (const char *) batch->queries + query * stored,
                                      batch->norms ? batch->norms [query] : 0))
            return false;
        memcpy (block->vectors + (size_t) index * dim, scratch->vector,
                dim * sizeof (float));
        int8_t *code = block->codes + (size_t) index * bytes;
        memset (code + coded, 0, bytes - coded);
        kith_graph_plain_query (self, scratch, code);
        block->bases [index] = scratch->code_base;
        block->factors [index] = scratch->code_step;
        block->sizes [index] = 0;
        block->worst [index] = INFINITY;
        block->seen [index] = block->lived [index] = 0;
    }
    return true;
}

//  Each query names the lists with the nearest centres
static void
s_name (s_block_t *block)
{
    const kith_graph_t *self = block->self;
    const uint32_t dim = self->header.dim, lists = self->header.lists,
                   wanted = block->many->lists;
    for (uint32_t first = 0; first < block->count; first += COARSE) {
        const uint32_t some =
            block->count - first < COARSE ? block->count - first : COARSE;
        kith_gemm (block->vectors + (size_t) first * dim, some, dim, self->centres, lists,
                   dim, dim, block->products);
        for (uint32_t index = 0; index < some; index++) {
            const float *products = block->products + (size_t) index * lists;
            for (uint32_t list = 0; list < lists; list++) {
                //  What is no number comes last
                const float distance = self->list_halves [list] - products [list];
                block->ranked [list] = (kith_near_t){
                    .distance = distance <= INFINITY ? distance : INFINITY, .id = list};
            }
            if (wanted < lists)
                kith_kernels ()->near_select (block->ranked, lists, wanted);
            uint32_t *named = block->named + (size_t) (first + index) * wanted;
            for (uint32_t each = 0; each < wanted; each++)
                named [each] = block->ranked [each].id;
        }
    }
}

//  Turns lists of queries into queries of lists
static void
s_deal (s_block_t *block)
{
    const uint32_t wanted = block->many->lists;
    const size_t visits = (size_t) block->count * wanted;
    kith_kmeans_sort (block->named, visits, block->self->header.lists, block->starts,
                      block->askers);
    for (size_t visit = 0; visit < visits; visit++)
        block->askers [visit] /= wanted;
}

//  ---------------------------------------------------------------------
//  Rows

//  Unpacks rows of a list from *member on, as many as may be answered and there is room for; moves *member behind them. Returns how many.
static uint32_t
s_unpack (s_block_t *block, uint32_t *member, uint32_t end)
{
    const kith_graph_t *self = block->self;
    const kith_bits_t *live = block->many->options->live;
    uint32_t count = 0;
    for (; *member < end && count < ROWS; (*member)++) {
        const uint32_t row = self->members [*member];
        if (live && !kith_bits_get (live, row))
            continue;
        block->rows [count++] = row;
    }
    for (uint32_t index = 0; index < count && index < AHEAD; index++)
        kith_graph_prefetch_code (self, block->rows [index]);
    for (uint32_t first = 0; first < count; first += KITH_PANEL_ROWS) {
        for (uint32_t ahead = first + AHEAD;
             ahead < first + AHEAD + KITH_PANEL_ROWS && ahead < count; ahead++)
            kith_graph_prefetch_code (self, block->rows [ahead]);
        kith_graph_plain_codes (self, block->rows + first, count - first,
                                block->panels + (size_t) first * block->steps * 4,
                                block->shifts + first, block->scales + first);
    }
    return count;
}

//  What of the unpacked rows is near enough to a query
static void
s_gather (s_block_t *block, uint32_t query, const int32_t *products, uint32_t count)
{
    kith_near_t *near = block->near + (size_t) query * block->room;
    uint32_t size = block->sizes [query];
    if (size > 2 * block->depth) {
        block->worst [query] = kith_kernels ()->near_select (near, size, block->depth);
        size = block->depth;
    }
    const kith_panel_near_t wanted = {.products = products,
                                      .shifts = block->shifts,
                                      .scales = block->scales,
                                      .rows = block->rows,
                                      .count = count,
                                      .base = block->bases [query],
                                      .step = block->factors [query],
                                      .worst = block->worst [query],
                                      .near = near + size};
    block->sizes [query] = size + kith_kernels ()->panel_near (&wanted);
}

//  The unpacked rows meet the queries of a list
static void
s_meet (s_block_t *block, const uint32_t *askers, uint32_t asking, uint32_t count)
{
    const size_t bytes = (size_t) block->steps * 4;
    kith_panels_t panels = {.steps = block->steps,
                            .panels = block->panels,
                            .count = (count + KITH_PANEL_ROWS - 1) / KITH_PANEL_ROWS,
                            .products = block->met,
                            .products_step = ROWS};
    for (uint32_t first = 0; first < asking; first += KITH_PANEL_QUERIES) {
        const uint32_t some =
            asking - first < KITH_PANEL_QUERIES ? asking - first : KITH_PANEL_QUERIES;
        panels.asking = some;
        for (uint32_t each = 0; each < KITH_PANEL_QUERIES; each++)
            panels.queries [each] =
                block->codes + askers [first + (each < some ? each : 0)] * bytes;
        kith_kernels ()->panels (&panels);
        for (uint32_t each = 0; each < some; each++)
            s_gather (block, askers [first + each], block->met + (size_t) each * ROWS,
                      count);
    }
}

//  False: the batch said stop
static bool
s_read_lists (s_block_t *block)
{
    const kith_graph_t *self = block->self;
    const kith_graph_batch_t *batch = block->many->batch;
    for (uint32_t list = 0; list < self->header.lists; list++) {
        const uint32_t *askers = block->askers + block->starts [list];
        const uint32_t asking = block->starts [list + 1] - block->starts [list];
        if (asking == 0)
            continue;
        if (batch->stop && batch->stop (batch->stop_arg))
            return false;
        const uint32_t begin = self->list_starts [list],
                       end = self->list_starts [list + 1];
        uint32_t lived = 0;
        for (uint32_t member = begin; member < end;) {
            const uint32_t count = s_unpack (block, &member, end);
            if (count)
                s_meet (block, askers, asking, count);
            lived += count;
        }
        for (uint32_t each = 0; each < asking; each++) {
            block->seen [askers [each]] += end - begin;
            block->lived [askers [each]] += lived;
        }
    }
    return true;
}

//  ---------------------------------------------------------------------
//  Answers

static void
s_answer (s_block_t *block, kith_graph_scratch_t *scratch, kith_topk_t *tops,
          uint64_t *compared)
{
    const kith_graph_t *self = block->self;
    const kith_graph_many_t *many = block->many;
    for (uint32_t index = 0; index < block->count; index++) {
        const uint32_t query = block->first + index;
        *compared += block->lived [index];
        if (many->strayed) {
            const uint64_t lived = block->lived [index];
            many->strayed [query] =
                lived < block->seen [index] / STRAY_ONE_OF || lived < many->options->k;
            if (many->strayed [query])
                continue;
        }
        kith_graph_beam_t beam = {.near = block->near + (size_t) index * block->room,
                                  .size = block->sizes [index]};
        if (beam.size > block->depth) {
            kith_kernels ()->near_select (beam.near, beam.size, block->depth);
            beam.size = block->depth;
        }
        const kith_graph_ask_t ask = {
            .query = (const char *) many->batch->queries
                     + query * kith_graph_vector_bytes (self),
            .norm = many->batch->norms ? many->batch->norms [query] : 0,
            .rows = many->rows,
            .options = many->options,
            .apart = true};
        scratch->compared = 0;
        kith_graph_refine (self, scratch, &beam, &ask, beam.size, &tops [query]);
        *compared += scratch->compared;
    }
}

bool
kith_graph_lists_search (const kith_graph_t *self, const kith_graph_many_t *many,
                         kith_graph_scratch_t *scratch, kith_topk_t *tops,
                         uint64_t *compared, bool *stopped)
{
    s_block_t block = {.self = self,
                       .many = many,
                       .depth = kith_graph_depth (self, many->options->k),
                       .steps = (self->header.coded + 3) / 4};
    block.room = 2 * block.depth + ROWS + KITH_NEAR_MORE;
    const uint32_t most = s_most (&block);
    s_room_t room = {0};
    s_lay (&block, most, &room);
    room = (s_room_t){.memory = kith_alloc64 (room.used)};
    if (!room.memory)
        return false;
    s_lay (&block, most, &room);
    bool done = true;
    for (; done && !*stopped && block.first < many->batch->count; block.first += most) {
        const uint32_t left = many->batch->count - block.first;
        block.count = left < most ? left : most;
        done = s_encode (&block, scratch);
        if (!done)
            break;
        s_name (&block);
        s_deal (&block);
        *stopped = !s_read_lists (&block);
        if (!*stopped)
            s_answer (&block, scratch, tops, compared);
    }
    free (room.memory);
    return done;
}
