//  bin.c - index over binary vectors: a scan, or inverted lists probed in order of distance
//  SPDX-License-Identifier: Apache-2.0
//
//  A list's vectors lie one after another, so that a probe streams them through the popcount kernels, whose distances are
//  the scores themselves: nothing is refined. How many lists are probed is calibrated (bin_calibrate.c). A filter that
//  passes a share s of the rows makes the k-th of them about the k / s-th of all, and is given the lists of that depth; few rows
//  that pass are compared one by one instead.
#include "base/bytes.h"
#include "engine/indexes/bin_layout.h"

#include <math.h>

enum {
    BLOCK = 256,       //  positions compared at once
    BUCKETS = 1024,    //  of the order of lists
    //  Nanoseconds of a plan: a row fetched by itself, a list put in order, a row of a list whose filter is asked
    GATHER = 6,
    ORDER = 4,
    CHECKED = 2,
    SCARCE = 3,      //  so many times fewer rows pass near the query than elsewhere
    PATIENCE = 64    //  lists between two questions whether to stop
};

static const uint32_t s_depths [KITH_BIN_DEPTHS] = {10, 100, 1000};

//  ---------------------------------------------------------------------
//  Order of lists

bool
kith_bin_order_reserve (kith_bin_order_t *self, uint32_t lists)
{
    if (lists <= self->lists)
        return true;
    kith_bin_order_free (self);
    self->distances = kith_alloc64 (lists * sizeof *self->distances);
    self->order = kith_alloc64 (lists * sizeof *self->order);
    self->buckets = kith_alloc64 ((BUCKETS + 1) * sizeof *self->buckets);
    if (!self->distances || !self->order || !self->buckets) {
        kith_bin_order_free (self);
        return false;
    }
    self->lists = lists;
    return true;
}

void
kith_bin_order_free (kith_bin_order_t *self)
{
    free (self->distances);
    free (self->order);
    free (self->buckets);
    *self = (kith_bin_order_t){0};
}

void
kith_bin_order_fill (kith_bin_order_t *self, const kith_bin_t *bin, const void *query)
{
    const kith_rows_t *rows = &bin->index.rows;
    uint32_t lists = bin->header.lists;
    kith_measure_t measure = kith_bin_measure (rows);
    measure.rows (query, bin->centroids, kith_bin_bytes (rows), lists, rows->dim,
                  self->distances);
    float least = self->distances [0], most = least;
    for (uint32_t list = 1; list < lists; list++) {
        float distance = self->distances [list];
        least = distance < least ? distance : least;
        most = distance > most ? distance : most;
    }
    float scale = most > least ? (BUCKETS - 1) / (most - least) : 0;
    memset (self->buckets, 0, (BUCKETS + 1) * sizeof *self->buckets);
    for (uint32_t list = 0; list < lists; list++)
        self->buckets [1 + (uint32_t) ((self->distances [list] - least) * scale)]++;
    for (uint32_t bucket = 0; bucket < BUCKETS; bucket++)
        self->buckets [bucket + 1] += self->buckets [bucket];
    for (uint32_t list = 0; list < lists; list++) {
        uint32_t bucket = (uint32_t) ((self->distances [list] - least) * scale);
        self->order [self->buckets [bucket]++] = list;
    }
}

//  ---------------------------------------------------------------------
//  Calibration, read

//  Lists for a recall at one of the depths, between the points that it lies between
static double
s_probes_at (const kith_bin_header_t *header, float recall, uint32_t level)
{
    for (uint32_t index = 0; index < header->grid; index++) {
        const kith_bin_point_t *point = &header->points [index];
        if (point->bound [level] < recall)
            continue;
        if (index == 0)
            return point->probes;
        const kith_bin_point_t *before = point - 1;
        float rise = point->bound [level] - before->bound [level];
        float share = rise > 0 ? (recall - before->bound [level]) / rise : 1;
        return before->probes + (double) share * (point->probes - before->probes);
    }
    return header->lists;
}

//  For the `depth` nearest rows; by the logarithm of the depth between those that were measured
static uint32_t
s_probes (const kith_bin_header_t *header, float recall, double depth)
{
    uint32_t level = 0;
    while (level + 2 < KITH_BIN_DEPTHS && depth > s_depths [level + 1])
        level++;
    double near = s_probes_at (header, recall, level);
    double far = s_probes_at (header, recall, level + 1);
    double probes = near;
    if (depth > s_depths [level])
        probes += (fmax (near, far) - near) * log10 (depth / s_depths [level]);
    if (depth > s_depths [KITH_BIN_DEPTHS - 1])
        probes = fmax (probes, far * depth / s_depths [KITH_BIN_DEPTHS - 1]);
    probes = ceil (probes);
    return probes < header->lists ? (uint32_t) probes : header->lists;
}

static const kith_bin_header_t *
s_header (const kith_index_t *index)
{
    return &((const kith_bin_t *) index)->header;
}

static uint32_t
s_effort (const kith_index_t *index, float recall, uint32_t k)
{
    return s_header (index)->lists ? s_probes (s_header (index), recall, k) : 0;
}

static float
s_recall (const kith_index_t *index, uint32_t effort)
{
    const kith_bin_header_t *header = s_header (index);
    for (uint32_t at = header->grid; at > 0; at--)
        if (header->points [at - 1].probes <= effort)
            return header->points [at - 1].recall [0];
    return header->grid ? header->points [0].recall [0] : 1;
}

//  ---------------------------------------------------------------------
//  Search

typedef struct {
    const kith_bin_t *self;
    const kith_index_query_t *query;
    kith_measure_t measure;
    size_t bytes;
    uint32_t probes;
    double share;      //  of the rows that pass the filter
    uint32_t level;    //  of calibration, for the depth of the filter
    kith_bin_order_t *order;
} s_search_t;

//  Positions of live rows among `count` from `first` on
static uint32_t
s_list_live (const s_search_t *search, uint32_t first, uint32_t count, uint32_t *at)
{
    const uint32_t *ids = search->self->ids;
    const kith_bits_t *live = search->query->live;
    uint32_t found = 0;
    for (uint32_t position = first; position < first + count; position++) {
        at [found] = position;
        found += !live || kith_bits_get (live, ids [position]);
    }
    return found;
}

static void
s_compare (const s_search_t *search, const void *vector, const uint32_t *at,
           uint32_t count, float *distances)
{
    const uint8_t *codes = search->self->codes;
    uint32_t dim = search->self->header.dim, index = 0;
    if (at [count - 1] - at [0] + 1 == count) {
        search->measure.rows (vector, codes + at [0] * search->bytes, search->bytes,
                              count, dim, distances);
        return;
    }
    for (; index + 4 <= count; index += 4) {
        const void *four [4];
        for (uint32_t each = 0; each < 4; each++)
            four [each] = codes + at [index + each] * search->bytes;
        search->measure.four (vector, four, dim, distances + index);
    }
    for (; index < count; index++)
        distances [index] =
            search->measure.pair (vector, codes + at [index] * search->bytes, dim);
}

static uint32_t
s_scan_list (const s_search_t *search, const void *vector, uint32_t list,
             kith_topk_t *top)
{
    const kith_bin_t *self = search->self;
    uint32_t at [BLOCK], compared = 0;
    float distances [BLOCK];
    for (uint32_t first = self->starts [list]; first < self->starts [list + 1];
         first += BLOCK) {
        uint32_t left = self->starts [list + 1] - first;
        uint32_t count = s_list_live (search, first, left < BLOCK ? left : BLOCK, at);
        if (count == 0)
            continue;
        s_compare (search, vector, at, count, distances);
        float worst = kith_topk_worst (top);
        for (uint32_t index = 0; index < count; index++) {
            if (distances [index] > worst)
                continue;
            kith_topk_push (top, (kith_hit_t){.distance = distances [index],
                                              .part = search->query->part,
                                              .row = self->ids [at [index]]
                                                     + search->query->first_row});
            worst = kith_topk_worst (top);
        }
        compared += count;
    }
    return compared;
}

//  How much of the probed lists a filter passes, each list weighed by the share of neighbours that such a one holds
typedef struct {
    const kith_bin_header_t *header;
    uint32_t level;    //  depth whose calibration tells the shares
    uint32_t point;    //  that the next lists belong to
    uint64_t rows, live;
    double weight, passed;
} s_sight_t;

static void
s_sight_add (s_sight_t *sight, uint32_t probed, uint32_t rows, uint32_t live, bool last)
{
    const kith_bin_header_t *header = sight->header;
    sight->rows += rows;
    sight->live += live;
    if (sight->point == header->grid
        || (probed < header->points [sight->point].probes && !last))
        return;
    const float *recall = header->points [sight->point].recall;
    double weight = (double) recall [sight->level];
    if (sight->point > 0)
        weight -= (double) header->points [sight->point - 1].recall [sight->level];
    sight->weight += weight;
    if (sight->rows > 0)
        sight->passed += weight * (double) sight->live / (double) sight->rows;
    sight->rows = sight->live = 0;
    sight->point++;
}

//  Probes the nearest lists. Where a filter leaves far fewer rows in them than its share promises, it keeps what is far from the query: such
//  rows lie anywhere, so that all lists are probed.
static uint64_t
s_probe (const s_search_t *search, const void *vector, kith_topk_t *top, bool *stopped)
{
    const kith_bin_t *self = search->self;
    const kith_index_query_t *query = search->query;
    uint32_t lists = self->header.lists, probes = search->probes;
    uint64_t compared = 0;
    s_sight_t sight = {.header = &self->header, .level = search->level};
    kith_bin_order_fill (search->order, self, vector);
    for (uint32_t rank = 0; rank < lists && rank < probes; rank++) {
        if (rank % PATIENCE == PATIENCE - 1 && query->stop
            && query->stop (query->stop_arg)) {
            *stopped = true;
            break;
        }
        uint32_t list = search->order->order [rank];
        uint32_t live = s_scan_list (search, vector, list, top);
        compared += live;
        if (!query->live || probes == lists)
            continue;
        bool last = rank + 1 == probes;
        s_sight_add (&sight, rank + 1, self->starts [list + 1] - self->starts [list],
                     live, last);
        if (last && sight.passed * SCARCE < sight.weight * search->share)
            probes = lists;
    }
    return compared + lists;
}

//  Whether comparing every live row costs no more than probing
static bool
s_plan (s_search_t *search)
{
    const kith_bin_header_t *header = &search->self->header;
    const kith_index_query_t *query = search->query;
    uint64_t live = query->live ? kith_bits_popcount (query->live) : header->rows;
    if (header->lists == 0 || live <= query->k)
        return true;
    double share = (double) live / header->rows;
    float recall = query->recall > 0 ? query->recall : header->recall;
    //  Of the rows that a filter leaves the k nearest may lie deeper than on average
    double depth = query->live ? 1.5 * query->k / share : query->k;
    search->probes = query->effort ? query->effort : s_probes (header, recall, depth);
    double probed = (double) search->probes * header->rows / header->lists;
    search->share = share;
    while (search->level + 1 < KITH_BIN_DEPTHS && depth > s_depths [search->level])
        search->level++;
    double scan = (double) live * GATHER + header->rows / 12.0;
    double probe = header->lists * ORDER + probed * CHECKED;
    return probed >= header->rows || (query->live && scan < probe);
}

static uint64_t
s_search (const kith_index_t *index, const kith_index_query_t *query, void *scratch,
          kith_topk_t *tops, bool *stopped)
{
    s_search_t search = {.self = (const kith_bin_t *) index,
                         .query = query,
                         .measure = kith_bin_measure (&index->rows),
                         .bytes = kith_bin_bytes (&index->rows),
                         .order = scratch};
    bool scan =
        s_plan (&search) || !kith_bin_order_reserve (scratch, search.self->header.lists);
    uint64_t compared = 0;
    for (uint32_t each = 0; each < query->nq && !*stopped; each++) {
        const uint8_t *vector =
            (const uint8_t *) (const void *) query->queries + each * search.bytes;
        if (query->stop && query->stop (query->stop_arg))
            *stopped = true;
        else if (scan) {
            //  All at once: each block of rows is read once for all queries
            uint32_t left = query->stop ? 1 : query->nq - each;
            compared += kith_flat_search (&index->rows, vector, NULL, left, query->live,
                                          query->part, query->first_row, tops + each);
            each += left - 1;
        }
        else
            compared += s_probe (&search, vector, &tops [each], stopped);
    }
    return compared;
}

//  ---------------------------------------------------------------------
//  Class

static int
s_fits (const kith_rows_t *rows, const kith_index_params_t *params, kith_error_t *error)
{
    if (rows->type != KITH_VECTOR_BINARY)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "an index of type bin is for binary vectors only");
    if (rows->metric != KITH_METRIC_HAMMING && rows->metric != KITH_METRIC_JACCARD)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "binary vectors are compared by hamming or jaccard, "
                               "not by %s",
                               kith_metric_name (rows->metric));
    if (params->code != KITH_CODE_AUTO)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "an index of type bin has no code %s",
                               kith_index_code_name (params->code));
    return 0;
}

static uint64_t
s_load_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    uint64_t lists = kith_bin_lists (rows, params), bytes = kith_bin_bytes (rows);
    if (lists == 0)
        return sizeof (kith_bin_t);
    return sizeof (kith_bin_t) + lists * bytes + (lists + 1) * sizeof (uint32_t)
           + rows->rows * (bytes + sizeof (uint32_t));
}

//  The sample of a training, and the list of every row
static uint64_t
s_build_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    return s_load_bytes (rows, params)
           + (kith_bin_lists (rows, params) ? 16ull * rows->rows : 0);
}

void
kith_bin_destroy (kith_index_t *index)
{
    kith_bin_t *self = (kith_bin_t *) index;
    if (self->owned) {
        free ((void *) (uintptr_t) self->centroids);
        free ((void *) (uintptr_t) self->starts);
        free ((void *) (uintptr_t) self->ids);
        free ((void *) (uintptr_t) self->codes);
    }
    free (self);
}

static size_t
s_sections (const kith_index_t *index, kith_section_t *sections)
{
    const kith_bin_t *self = (const kith_bin_t *) index;
    uint64_t lists = self->header.lists, rows = self->header.rows;
    uint64_t bytes = kith_bin_bytes (&index->rows);
    size_t count = 0;
    sections [count++] = (kith_section_t){
        .id = KITH_INDEX_HEADER, .data = &self->header, .size = sizeof self->header};
    if (lists == 0)
        return count;
    sections [count++] = (kith_section_t){
        .id = KITH_BIN_CENTROIDS, .data = self->centroids, .size = lists * bytes};
    sections [count++] = (kith_section_t){.id = KITH_BIN_STARTS,
                                          .data = self->starts,
                                          .size = (lists + 1) * sizeof (uint32_t)};
    sections [count++] = (kith_section_t){
        .id = KITH_BIN_IDS, .data = self->ids, .size = rows * sizeof (uint32_t)};
    sections [count++] =
        (kith_section_t){.id = KITH_BIN_CODES, .data = self->codes, .size = rows * bytes};
    return count;
}

static void *
s_scratch_new (void)
{
    return kith_new (sizeof (kith_bin_order_t));
}

static void
s_scratch_free (void *scratch)
{
    kith_bin_order_free (scratch);
    free (scratch);
}

static void
s_describe (const kith_index_t *index, kith_index_info_t *info)
{
    const kith_bin_header_t *header = s_header (index);
    info->code = KITH_CODE_AUTO;
    info->lists = header->lists;
    if (header->lists) {
        info->effort = s_probes (header, header->recall, 10);
        info->recall = s_recall (index, info->effort);
    }
}

const kith_index_class_t kith_index_bin = {.kind = KITH_INDEX_BIN,
                                           .name = "bin",
                                           .magic = KITH_BIN_MAGIC,
                                           .fits = s_fits,
                                           .build_bytes = s_build_bytes,
                                           .load_bytes = s_load_bytes,
                                           .build = kith_bin_build,
                                           .open = kith_bin_open,
                                           .destroy = kith_bin_destroy,
                                           .sections = s_sections,
                                           .search = s_search,
                                           .scratch_new = s_scratch_new,
                                           .scratch_free = s_scratch_free,
                                           .effort = s_effort,
                                           .recall = s_recall,
                                           .describe = s_describe};
