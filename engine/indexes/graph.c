//  graph.c - asks a graph, stores it and opens it again
//  SPDX-License-Identifier: Apache-2.0
#include "engine/indexes/graph.h"

#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/graph_lists.h"

enum {
    NEAR = 10,    //  recall was measured at these k
    FAR = 100,
    HALVINGS = 12,    //  of a recall that is searched
    KEPT_SHARE = 5    //  by codes, k + k / 5 are kept
};

//  Nodes expanded for each answer beyond FAR at least: where clusters end the answers before ask for too few. Fashion-MNIST wants .31 for
//  .95 of 1,000.
#define SLOPE_MIN 0.5

void *
kith_graph_own (kith_graph_t *self, void *data)
{
    assert (self->owned_count < sizeof self->owned / sizeof self->owned [0]);
    if (data)
        self->owned [self->owned_count++] = data;
    return data;
}

void
kith_graph_disown (kith_graph_t *self, const void *data)
{
    for (uint32_t index = 0; index < self->owned_count; index++)
        if (self->owned [index] == data) {
            free (self->owned [index]);
            self->owned [index] = self->owned [--self->owned_count];
            return;
        }
}

void
kith_graph_destroy (kith_graph_t **self_p)
{
    assert (self_p);
    kith_graph_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t index = 0; index < self->owned_count; index++)
        free (self->owned [index]);
    kith_graph_live_destroy (&self->live);
    free (self);
    *self_p = NULL;
}

bool
kith_graph_mark_twins (kith_graph_t *self, uint32_t rows)
{
    self->twinned = kith_graph_own (
        self, kith_alloc64 (kith_bits_words (rows) * sizeof *self->twinned));
    if (!self->twinned)
        return false;
    for (uint32_t row = 0; row < self->rows.rows; row++)
        if (self->twins [row] != KITH_GRAPH_EMPTY)
            self->twinned [row / 64] |= (uint64_t) 1 << row % 64;
    return true;
}

void
kith_graph_lay (kith_graph_t *self)
{
    const kith_graph_header_t *header = &self->header;
    self->layers [0] = (kith_graph_layer_t){
        .links = self->links, .degree = header->degree, .count = header->rows};
    const uint32_t *links = self->upper_links;
    for (uint32_t level = 1; level <= header->levels; level++) {
        uint32_t count = header->counts [level - 1];
        self->layers [level] = (kith_graph_layer_t){.links = links,
                                                    .rows = self->upper_rows,
                                                    .degree = header->upper_degree,
                                                    .count = count};
        links += (size_t) count * header->upper_degree;
    }
}

//  ---------------------------------------------------------------------
//  Calibration, read

static float
s_bound (const kith_graph_grid_t *grid, uint32_t index, bool far)
{
    return far ? grid->points [index].bound100 : grid->points [index].bound10;
}

//  Recall rises the slower the wider the beam, so that a straight line between two points promises no more than there is
static uint32_t
s_effort_at (const kith_graph_grid_t *grid, float recall, bool far)
{
    uint32_t index = 0;
    while (index < grid->count && s_bound (grid, index, far) < recall)
        index++;
    if (index == grid->count)
        return grid->points [grid->count - 1].effort;
    const uint32_t effort = grid->points [index].effort;
    if (index == 0)
        return effort;
    const float low = s_bound (grid, index - 1, far);
    const float share = (recall - low) / (s_bound (grid, index, far) - low);
    const uint32_t before = grid->points [index - 1].effort;
    return before + (uint32_t) ceilf (share * (float) (effort - before));
}

double
kith_graph_grid_effort (const kith_graph_grid_t *grid, float recall, uint32_t k)
{
    const double near = s_effort_at (grid, recall, false),
                 far = s_effort_at (grid, recall, true);
    const double slope = fmax (far - near, 0) / (FAR - NEAR);
    if (k <= FAR)
        return near + (k > NEAR ? slope * (k - NEAR) : 0);
    return near + slope * (FAR - NEAR) + fmax (slope, SLOPE_MIN) * (k - FAR);
}

bool
kith_graph_grid_reaches (const kith_graph_grid_t *grid, float recall, uint32_t k)
{
    return grid->count > 0 && s_bound (grid, grid->count - 1, false) >= recall
           && (k <= NEAR || s_bound (grid, grid->count - 1, true) >= recall);
}

//  The bound at an effort: s_effort_at the other way about
static double
s_bound_at (const kith_graph_grid_t *grid, double effort, bool far)
{
    uint32_t index = 0;
    while (index < grid->count && grid->points [index].effort < effort)
        index++;
    if (index == 0 || index == grid->count)
        return (double) s_bound (grid, index == 0 ? 0 : grid->count - 1, far);
    const double before = grid->points [index - 1].effort,
                 low = (double) s_bound (grid, index - 1, far);
    const double share = (effort - before) / (grid->points [index].effort - before);
    return low + share * ((double) s_bound (grid, index, far) - low);
}

float
kith_graph_promised (const kith_graph_t *self, uint32_t effort, uint32_t k)
{
    const kith_graph_grid_t grid = {self->header.points, self->header.grid};
    if (grid.count == 0)
        return 0;
    const double near = s_bound_at (&grid, effort, false);
    if (k <= NEAR)
        return (float) near;
    if (k <= FAR)
        return (float) (near
                        + (s_bound_at (&grid, effort, true) - near) * (k - NEAR)
                              / (FAR - NEAR));
    //  The recall whose effort it is
    float low = 0, high = 1;
    for (uint32_t turn = 0; turn < HALVINGS; turn++) {
        const float middle = (low + high) / 2;
        if (kith_graph_grid_effort (&grid, middle, k) <= effort)
            low = middle;
        else
            high = middle;
    }
    return low;
}

float
kith_graph_recall_of (const kith_graph_t *self, const kith_graph_query_t *options,
                      uint32_t effort)
{
    if (options->effort == 0)
        return options->recall > 0 ? options->recall : 0.95f;
    return kith_graph_promised (self, effort, options->k);
}

uint32_t
kith_graph_effort (const kith_graph_t *self, float recall, uint32_t k)
{
    const kith_graph_grid_t grid = {self->header.points, self->header.grid};
    double effort = k > 64 ? k : 64;
    if (grid.count)
        effort = kith_graph_grid_effort (&grid, recall, k);
    return effort < KITH_GRAPH_EFFORT_MAX ? (uint32_t) effort : KITH_GRAPH_EFFORT_MAX;
}

float
kith_graph_recall (const kith_graph_t *self, uint32_t effort)
{
    const kith_graph_header_t *header = &self->header;
    for (uint32_t index = 0; index < header->grid; index++) {
        const kith_graph_point_t *point = &header->points [index];
        if (point->effort < effort && index + 1 < header->grid)
            continue;
        if (index == 0 || point->effort <= effort)
            return point->recall10;
        const kith_graph_point_t *before = point - 1;
        float share =
            (float) (effort - before->effort) / (float) (point->effort - before->effort);
        return before->recall10 + share * (point->recall10 - before->recall10);
    }
    return 1;
}

void
kith_graph_describe (const kith_graph_t *self, kith_graph_info_t *info)
{
    const kith_graph_header_t *header = &self->header;
    kith_section_t sections [16];
    size_t count = kith_graph_sections (self, sections);
    *info = (kith_graph_info_t){
        .rows = header->rows, .degree = header->degree, .levels = header->levels + 1};
    for (size_t index = 0; index < count; index++)
        info->bytes += sections [index].size;
    info->effort = kith_graph_effort (self, header->recall, 10);
    info->recall = kith_graph_recall (self, info->effort);
}

//  ---------------------------------------------------------------------
//  Search

uint32_t
kith_graph_depth (const kith_graph_t *self, uint32_t k)
{
    if (!self->codes)
        return k + 8;
    //  A bit a dimension only says who is worth a look
    if (self->header.code == KITH_GRAPH_BITS)
        return 8 * k + 200;
    return kith_graph_shallow (self->header.shallow, k);
}

//  By codes the last of the k nearest may be a few places behind, and there is no calibration below NEAR
static uint32_t
s_kept (const kith_graph_t *self, uint32_t k)
{
    if (!self->codes)
        return k;
    k = k > NEAR ? k : NEAR;
    return k + k / KEPT_SHARE;
}

uint32_t
kith_graph_kept (const kith_graph_t *self, uint32_t k, uint32_t effort)
{
    const uint32_t kept = s_kept (self, k), most = s_kept (self, FAR);
    if (k <= NEAR || k >= FAR || effort >= most)
        return kept;
    //  NEAR were measured in a beam of the effort, FAR in one of `most`: those between want one between
    const uint32_t between = effort + (most - effort) * (k - NEAR) / (FAR - NEAR);
    return between > kept ? between : kept;
}

static void
s_offer (const kith_graph_t *self, uint32_t row, float distance,
         const kith_graph_ask_t *ask, kith_topk_t *top)
{
    const kith_graph_query_t *options = ask->options;
    const bool twins = self->twins && !ask->apart;
    //  Twins follow in ascending order, so the first k that may be answered are enough
    uint32_t offered = 0;
    for (; row < ask->rows && offered < options->k;
         row = twins && kith_graph_has_twin (self, row) ? kith_graph_twin (self, row)
                                                        : KITH_GRAPH_EMPTY) {
        if (options->live && !kith_bits_get (options->live, row))
            continue;
        kith_topk_push (top, (kith_hit_t){.distance = distance,
                                          .part = options->part,
                                          .row = row + options->first_row});
        offered++;
    }
}

void
kith_graph_refine (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                   const kith_graph_beam_t *beam, const kith_graph_ask_t *ask,
                   uint32_t depth, kith_topk_t *top)
{
    const kith_rows_t *rows = &self->rows;
    const size_t bytes = kith_graph_vector_bytes (self);
    kith_gather4_fn *four = kith_graph_four (self);
    depth = depth < beam->size ? depth : beam->size;
    for (uint32_t index = 0; self->codes && index < depth; index++) {
        uint32_t row = beam->near [index].id & ~KITH_GRAPH_EXPANDED;
        const char *vector = (const char *) kith_graph_vector (self, row);
        for (size_t at = 0; at < bytes && at < 512; at += 64)
            __builtin_prefetch (vector + at);
    }
    for (uint32_t first = 0; first < depth; first += 4) {
        const void *vectors [4];
        uint32_t ids [4];
        float products [4];
        for (uint32_t each = 0; each < 4; each++) {
            uint32_t index = first + each < depth ? first + each : first;
            ids [each] = beam->near [index].id & ~KITH_GRAPH_EXPANDED;
            vectors [each] = kith_graph_vector (self, ids [each]);
        }
        four (ask->query, vectors, rows->dim, products);
        for (uint32_t each = 0; each < 4 && first + each < depth; each++) {
            float score =
                kith_score_of_product (rows->metric, products [each], ask->norm,
                                       rows->norms ? rows->norms [ids [each]] : 0);
            s_offer (self, ids [each], kith_score_distance (rows->metric, score), ask,
                     top);
        }
    }
    if (self->codes)
        scratch->compared += depth;
}

static bool
s_search_all (const kith_graph_t *self, kith_graph_scratch_t *scratch,
              const kith_graph_ask_t *ask, uint32_t effort, kith_topk_t *top)
{
    if (!kith_graph_prepare (self, scratch, ask->query, ask->norm)
        || !kith_graph_beam_begin (self, &scratch->beam, effort, ask->options->k))
        return false;
    uint32_t entry = kith_graph_descend (self, scratch, 0);
    kith_graph_forget (scratch);
    kith_graph_walk (self, scratch, 0, entry);
    kith_graph_refine (self, scratch, &scratch->beam, ask,
                       kith_graph_depth (self, ask->options->k), top);
    return true;
}

uint32_t
kith_graph_effort_of (const kith_graph_t *self, const kith_graph_query_t *options)
{
    if (options->effort == 0)
        return kith_graph_effort (self, kith_graph_recall_of (self, options, 0),
                                  options->k);
    uint32_t effort = options->effort > options->k ? options->effort : options->k;
    return effort < KITH_GRAPH_EFFORT_MAX ? effort : KITH_GRAPH_EFFORT_MAX;
}

static uint64_t
s_search (const kith_graph_t *self, kith_graph_scratch_t *scratch,
          const kith_graph_ask_t *ask, const kith_graph_plan_t *plan, uint32_t effort,
          kith_topk_t *top)
{
    scratch->compared = 0;
    bool answered = false;
    if (plan->way == KITH_GRAPH_WALK)
        answered = plan->live < plan->rows
                       ? kith_graph_search_live (self, scratch, ask, plan, top)
                       : s_search_all (self, scratch, ask, effort, top);
    //  A filtered walk that went astray ends as a scan
    if (!answered && plan->way != KITH_GRAPH_SCAN)
        answered = kith_graph_scan_codes (self, scratch, ask, plan, top);
    if (!answered) {
        const kith_graph_query_t *options = ask->options;
        kith_rows_t all = self->rows;
        all.rows = plan->rows;
        scratch->compared +=
            kith_flat_search (&all, ask->query, &ask->norm, 1, options->live,
                              options->part, options->first_row, top);
    }
    return scratch->compared;
}

//  Queries of a batch one after another, or those of them that strayed. False: the batch said stop.
static bool
s_search_each (const kith_graph_t *self, const kith_graph_many_t *many,
               kith_graph_plan_t *plan, uint32_t effort, kith_graph_scratch_t *scratch,
               kith_topk_t *tops, uint64_t *compared)
{
    const kith_graph_batch_t *batch = many->batch;
    const size_t bytes = kith_graph_vector_bytes (self);
    for (uint32_t index = 0; index < batch->count; index++) {
        if (many->strayed && !many->strayed [index])
            continue;
        if (batch->stop && batch->stop (batch->stop_arg))
            return false;
        const kith_graph_ask_t ask = {.query =
                                          (const char *) batch->queries + index * bytes,
                                      .norm = batch->norms ? batch->norms [index] : 0,
                                      .rows = many->rows,
                                      .options = many->options};
        *compared += s_search (self, scratch, &ask, plan, effort, &tops [index]);
        //  A scan of more rows than a list holds has listed others over the first
        if (plan->listed < plan->live) {
            plan->listed = 0;
            plan->set.next = 0;
        }
    }
    return true;
}

//  What the rows that may be answered decide is the same for all queries, and costs a look at a bit a row
uint64_t
kith_graph_search_batch (const kith_graph_t *self, const kith_graph_batch_t *batch,
                         const kith_graph_query_t *options, kith_graph_scratch_t *scratch,
                         kith_topk_t *tops, bool *stopped)
{
    const uint32_t rows = kith_graph_count (self);
    kith_graph_query_t mine = *options;
    uint64_t compared = 0;
    if (rows == 0 || options->k == 0)
        return 0;
    if (self->live)
        mine.live = kith_graph_live_rows (self, scratch, rows, options->live);
    const uint32_t effort = kith_graph_effort_of (self, &mine);
    kith_graph_plan_t plan = kith_graph_plan (self, scratch, rows, effort, &mine);
    kith_graph_many_t many = {
        .batch = batch, .options = &mine, .rows = rows, .live = plan.live};
    if (plan.way == KITH_GRAPH_WALK)
        many.lists = kith_graph_lists_wanted (self, &mine, batch->count, plan.live,
                                              effort * plan.plain * rows / plan.live);
    if (many.lists)
        many.strayed = kith_new (batch->count * sizeof *many.strayed);
    bool *strayed = many.strayed, ended = false;
    const bool listed =
        many.lists
        && kith_graph_lists_search (self, &many, scratch, tops, &compared, &ended);
    if (!listed)
        many.strayed = NULL;
    if (!ended && (!listed || many.strayed))
        ended = !s_search_each (self, &many, &plan, effort, scratch, tops, &compared);
    if (ended)
        *stopped = true;
    free (strayed);
    return compared;
}

uint64_t
kith_graph_search (const kith_graph_t *self, const void *query, float query_norm,
                   const kith_graph_query_t *options, kith_graph_scratch_t *scratch,
                   kith_topk_t *top)
{
    const kith_graph_batch_t one = {.queries = query, .norms = &query_norm, .count = 1};
    return kith_graph_search_batch (self, &one, options, scratch, top, NULL);
}

//  ---------------------------------------------------------------------
//  Sections

static size_t
s_upper_links (const kith_graph_header_t *header)
{
    size_t count = 0;
    for (uint32_t level = 0; level < header->levels; level++)
        count += header->counts [level];
    return count * header->upper_degree;
}

//  What each section must be; data null: it must be absent
static size_t
s_layout (const kith_graph_t *self, kith_section_t sections [16])
{
    const kith_graph_header_t *header = &self->header;
    const kith_section_t all [] = {
        {KITH_GRAPH_HEADER, header, sizeof *header, 0},
        {KITH_GRAPH_LINKS, self->links, (uint64_t) header->rows * header->degree * 4, 0},
        {KITH_GRAPH_UPPER_ROWS, self->upper_rows,
         header->levels ? (uint64_t) header->counts [0] * 4 : 0, 0},
        {KITH_GRAPH_UPPER_LINKS, self->upper_links, (uint64_t) s_upper_links (header) * 4,
         0},
        {KITH_GRAPH_TWINS, self->twins, self->twins ? (uint64_t) header->rows * 4 : 0, 0},
        {KITH_GRAPH_CODES, self->codes, (uint64_t) header->rows * header->code_bytes, 0},
        {KITH_GRAPH_TRAILERS, self->trailers,
         self->trailers ? (uint64_t) header->rows * KITH_GRAPH_TRAILER : 0, 0},
        {KITH_GRAPH_SCALE, self->scale, header->code ? (uint64_t) header->coded * 8 : 0,
         0},
        {KITH_GRAPH_CODED, self->coded, self->coded ? (uint64_t) header->coded * 4 : 0,
         0},
        {KITH_GRAPH_CENTRES, self->centres, (uint64_t) header->lists * header->dim * 4,
         0},
        {KITH_GRAPH_LIST_STARTS, self->list_starts,
         header->lists ? (header->lists + 1ull) * 4 : 0, 0},
        {KITH_GRAPH_LIST_MEMBERS, self->members,
         header->lists ? (uint64_t) header->rows * 4 : 0, 0},
    };
    memcpy (sections, all, sizeof all);
    return sizeof all / sizeof all [0];
}

size_t
kith_graph_sections (const kith_graph_t *self, kith_section_t sections [16])
{
    size_t count = s_layout (self, sections), used = 0;
    for (size_t index = 0; index < count; index++)
        if (sections [index].data && sections [index].size)
            sections [used++] = sections [index];
    return used;
}
