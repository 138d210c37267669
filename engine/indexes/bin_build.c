//  bin_build.c - inverted lists of binary vectors by k-majority
//  SPDX-License-Identifier: Apache-2.0
//
//  k-means with binary centroids (Grana, Borghesani, Manfredi, Cucchiara: "A fast approach for integrating ORB descriptors in the bag of
//  words model", 2013): rows go to the nearest centroid, a centroid's bit becomes what most of its rows have. Sparse sets
//  under Jaccard would leave it empty, so there it takes as many of the most frequent bits as its rows have on average.
//  The same seed gives the same lists, whatever the threads: rows are assigned apart, and votes are integers.
#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/bin_layout.h"

enum {
    ROWS_LISTED = 20000,    //  fewer are scanned: the centroids would cost as much
    PER_LIST = 64,          //  rows of the sample for each list
    ROUNDS = 8,
    PART = 256,         //  rows of one part
    PARTS = 256,        //  between two calls of progress
    RESEED_MAX = 64,    //  empty lists given a new centroid in one round
    BLOCK = 64          //  centroids compared at once
};

typedef struct {
    kith_bin_t *self;
    const kith_index_params_t *params;
    kith_measure_t measure;
    size_t bytes;
    uint8_t *centroids;
    uint32_t *sample;    //  rows
    uint32_t sampled;
    uint32_t *members;     //  positions in the sample, by list
    uint32_t *starts;      //  lists + 1
    uint32_t *list_of;     //  of each position of the sample, later of each row
    float *distance_of;    //  of each position of the sample
    uint32_t first;        //  row of the first part of a run
} s_build_t;

static const uint8_t *
s_row (const s_build_t *build, uint32_t row)
{
    return (const uint8_t *) build->self->index.rows.vectors + row * build->bytes;
}

uint32_t
kith_bin_lists (const kith_rows_t *rows, const kith_index_params_t *params)
{
    uint32_t lists = params->lists;
    if (lists == 0 && rows->rows >= ROWS_LISTED)
        for (lists = 1; (uint64_t) lists * lists < 16ull * rows->rows;)
            lists += lists / 16 + 1;
    if (lists > rows->rows / 2)
        lists = rows->rows / 2;
    return lists < KITH_BIN_LISTS_MAX ? lists : KITH_BIN_LISTS_MAX;
}

//  ---------------------------------------------------------------------
//  Assignment

//  The nearest centroid, the first of equals
static uint32_t
s_nearest (const s_build_t *build, const uint8_t *vector, float *distance)
{
    const uint32_t lists = build->self->header.lists, dim = build->self->header.dim;
    float distances [BLOCK];
    uint32_t best = 0;
    *distance = 0;
    for (uint32_t first = 0; first < lists; first += BLOCK) {
        uint32_t count = lists - first < BLOCK ? lists - first : BLOCK;
        build->measure.rows (vector, build->centroids + first * build->bytes,
                             build->bytes, count, dim, distances);
        for (uint32_t index = 0; index < count; index++)
            if (distances [index] < *distance || first + index == 0) {
                *distance = distances [index];
                best = first + index;
            }
    }
    return best;
}

static void
s_assign_sample (void *arg, uint32_t part)
{
    s_build_t *build = arg;
    for (uint32_t at = part * PART; at < build->sampled && at < (part + 1) * PART; at++)
        build->list_of [at] = s_nearest (build, s_row (build, build->sample [at]),
                                         &build->distance_of [at]);
}

static void
s_assign_rows (void *arg, uint32_t part)
{
    s_build_t *build = arg;
    uint32_t rows = build->self->header.rows;
    uint32_t first = build->first + part * PART;
    float distance;
    for (uint32_t row = first; row < rows && row < first + PART; row++)
        build->list_of [row] = s_nearest (build, s_row (build, row), &distance);
}

//  Counting sort of `count` members by list_of
static void
s_sort (const s_build_t *build, uint32_t count, uint32_t *members, uint32_t *starts)
{
    uint32_t lists = build->self->header.lists;
    memset (starts, 0, (lists + 1) * sizeof *starts);
    for (uint32_t at = 0; at < count; at++)
        starts [build->list_of [at] + 1]++;
    for (uint32_t list = 0; list < lists; list++)
        starts [list + 1] += starts [list];
    for (uint32_t at = 0; at < count; at++)
        members [starts [build->list_of [at]]++] = at;
    memmove (starts + 1, starts, lists * sizeof *starts);
    starts [0] = 0;
}

//  ---------------------------------------------------------------------
//  Centroids

//  Votes that a bit needs so that at least `wanted` bits have as many
static uint32_t
s_threshold (const uint32_t *votes, uint32_t dim, uint32_t members, uint32_t wanted)
{
    uint32_t least = 1, most = members;
    while (least < most) {
        uint32_t middle = most - (most - least) / 2, have = 0;
        for (uint32_t bit = 0; bit < dim; bit++)
            have += votes [bit] >= middle;
        if (have >= wanted)
            least = middle;
        else
            most = middle - 1;
    }
    return least;
}

static void
s_elect (const s_build_t *build, const uint32_t *votes, uint32_t members,
         uint8_t *centroid)
{
    uint32_t dim = build->self->header.dim, needed = members / 2 + 1;
    if (build->self->header.metric == KITH_METRIC_JACCARD) {
        uint64_t ones = 0;
        for (uint32_t bit = 0; bit < dim; bit++)
            ones += votes [bit];
        needed = s_threshold (votes, dim, members,
                              (uint32_t) ((ones + members / 2) / members));
    }
    memset (centroid, 0, build->bytes);
    for (uint32_t bit = 0; bit < dim; bit++)
        if (votes [bit] >= needed)
            centroid [bit / 8] = (uint8_t) (centroid [bit / 8] | 1u << bit % 8);
}

static void
s_update_part (void *arg, uint32_t part)
{
    s_build_t *build = arg;
    uint32_t lists = build->self->header.lists, dim = build->self->header.dim;
    uint32_t *votes = kith_new (build->bytes * 8 * sizeof *votes);
    for (uint32_t list = part * BLOCK; list < lists && list < (part + 1) * BLOCK;
         list++) {
        uint32_t first = build->starts [list], last = build->starts [list + 1];
        if (first == last)
            continue;
        memset (votes, 0, build->bytes * 8 * sizeof *votes);
        for (uint32_t at = first; at < last; at++) {
            const uint8_t *row = s_row (build, build->sample [build->members [at]]);
            for (uint32_t bit = 0; bit < dim; bit++)
                votes [bit] += row [bit / 8] >> bit % 8 & 1;
        }
        s_elect (build, votes, last - first, build->centroids + list * build->bytes);
    }
    free (votes);
}

//  An empty list begins again at the row that lies farthest from its own centroid
static void
s_reseed (const s_build_t *build)
{
    uint32_t seeded = 0;
    for (uint32_t list = 0; list < build->self->header.lists && seeded < RESEED_MAX;
         list++) {
        if (build->starts [list] != build->starts [list + 1])
            continue;
        uint32_t farthest = 0;
        for (uint32_t at = 1; at < build->sampled; at++)
            if (build->distance_of [at] > build->distance_of [farthest])
                farthest = at;
        if (!(build->distance_of [farthest] > 0))
            return;
        build->distance_of [farthest] = 0;
        memcpy (build->centroids + list * build->bytes,
                s_row (build, build->sample [farthest]), build->bytes);
        seeded++;
    }
}

//  Rows from all over the segment, in random order; the first are the first centroids
static void
s_draw (s_build_t *build)
{
    kith_random_t random;
    kith_random_seed (&random, build->params->seed ^ 0x6269746cu);
    uint64_t rows = build->self->header.rows;
    for (uint32_t at = 0; at < build->sampled; at++) {
        uint64_t first = rows * at / build->sampled;
        uint64_t after = rows * (at + 1ull) / build->sampled;
        build->sample [at] =
            (uint32_t) (first + kith_random_below (&random, after - first));
    }
    for (uint32_t at = build->sampled - 1; at > 0; at--) {
        uint32_t other = (uint32_t) kith_random_below (&random, at + 1);
        uint32_t row = build->sample [at];
        build->sample [at] = build->sample [other];
        build->sample [other] = row;
    }
    for (uint32_t list = 0; list < build->self->header.lists; list++)
        memcpy (build->centroids + list * build->bytes,
                s_row (build, build->sample [list]), build->bytes);
}

static bool
s_go_on (const s_build_t *build, uint64_t done)
{
    const kith_index_params_t *params = build->params;
    return !params->progress
           || params->progress (params->progress_arg, done, build->self->header.rows);
}

static bool
s_train (s_build_t *build)
{
    uint32_t lists = build->self->header.lists;
    s_draw (build);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        if (!s_go_on (build, 0))
            return false;
        kith_bin_run (build->params, (build->sampled + PART - 1) / PART, s_assign_sample,
                      build);
        s_sort (build, build->sampled, build->members, build->starts);
        kith_bin_run (build->params, (lists + BLOCK - 1) / BLOCK, s_update_part, build);
        s_reseed (build);
    }
    return true;
}

//  ---------------------------------------------------------------------
//  Lists

//  Every row to its list, in rounds so that progress is told
static bool
s_assign_all (s_build_t *build)
{
    uint32_t rows = build->self->header.rows;
    for (build->first = 0; build->first < rows;) {
        uint32_t left = rows - build->first;
        uint32_t count = left < PART * PARTS ? left : PART * PARTS;
        kith_bin_run (build->params, (count + PART - 1) / PART, s_assign_rows, build);
        build->first += count;
        if (!s_go_on (build, build->first))
            return false;
    }
    return true;
}

static bool
s_lay (const s_build_t *build)
{
    kith_bin_t *self = build->self;
    uint32_t rows = self->header.rows, lists = self->header.lists;
    uint32_t *starts = kith_alloc64 ((lists + 1ull) * sizeof *starts);
    uint32_t *ids = kith_alloc64 (rows * sizeof *ids);
    uint8_t *codes = kith_alloc64 (rows * build->bytes);
    self->starts = starts;
    self->ids = ids;
    self->codes = codes;
    if (!starts || !ids || !codes)
        return false;
    s_sort (build, rows, ids, starts);
    for (uint32_t at = 0; at < rows; at++)
        memcpy (codes + at * build->bytes, s_row (build, ids [at]), build->bytes);
    return true;
}

//  Memory of a build; false: there is none
static bool
s_take (s_build_t *build)
{
    kith_bin_t *self = build->self;
    uint32_t lists = self->header.lists, rows = self->header.rows;
    build->sampled = lists > rows / PER_LIST ? rows : lists * PER_LIST;
    build->centroids = kith_alloc64 (lists * build->bytes);
    build->sample = kith_alloc64 (build->sampled * sizeof *build->sample);
    build->members = kith_alloc64 (build->sampled * sizeof *build->members);
    build->starts = kith_alloc64 ((lists + 1ull) * sizeof *build->starts);
    build->list_of = kith_alloc64 (rows * sizeof *build->list_of);
    build->distance_of = kith_alloc64 (build->sampled * sizeof *build->distance_of);
    self->centroids = build->centroids;
    self->owned = true;
    return build->centroids && build->sample && build->members && build->starts
           && build->list_of && build->distance_of;
}

static void
s_give (const s_build_t *build)
{
    free (build->sample);
    free (build->members);
    free (build->starts);
    free (build->list_of);
    free (build->distance_of);
}

kith_index_t *
kith_bin_build (const kith_rows_t *rows, const kith_index_params_t *params,
                kith_error_t *error)
{
    kith_bin_t *self = kith_new (sizeof *self);
    self->index.rows = *rows;
    self->header =
        (kith_bin_header_t){.magic = KITH_BIN_MAGIC,
                            .rows = rows->rows,
                            .dim = rows->dim,
                            .metric = (uint32_t) rows->metric,
                            .lists = kith_bin_lists (rows, params),
                            .recall = params->recall > 0 ? params->recall : 0.95f};
    s_build_t build = {.self = self,
                       .params = params,
                       .measure = kith_bin_measure (rows),
                       .bytes = kith_bin_bytes (rows)};
    bool goes_on, room = true;
    if (self->header.lists) {
        room = s_take (&build);
        goes_on = room && s_train (&build) && s_assign_all (&build);
        room = room && (!goes_on || s_lay (&build));
        room = room && (!goes_on || kith_bin_calibrate (self, build.list_of, params));
        s_give (&build);
    }
    else
        goes_on = s_go_on (&build, rows->rows);
    if (room && goes_on)
        return &self->index;
    kith_bin_destroy (&self->index);
    if (room)
        kith_error_set (error, KITH_ERR_CANCELLED, "the build was cancelled");
    else
        kith_error_set (error, KITH_ERR_NO_MEMORY,
                        "no memory to build lists of binary vectors");
    return NULL;
}
