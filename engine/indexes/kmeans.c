//  kmeans.c - centres of clouds of points: training and assignment by BLAS tiles
//  SPDX-License-Identifier: Apache-2.0
//
//  Lloyd's algorithm from points drawn at random (Lloyd 1982). Points meet centres in tiles of one matrix product whose least entry
//  of each row is found while the tile is in cache. Tiles are cut by position and means are summed in order of points, so that
//  threads do not show in the result. By angle: Dhillon and Modha 2001.
#include "engine/indexes/kmeans.h"

#include <math.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/kernels/gemm.h"

enum {
    PART = 2048,         //  points of one part
    TILE = 128,          //  points of one product
    CENTRES = 1024,      //  centres of one product
    MEANS = 64,          //  centres of one part of an update
    FLAT_MAX = 16384,    //  clusters trained in one level
    TOP_ROUNDS = 6
};

static void
s_run (kith_parallel_t *parallel, uint32_t parts, kith_part_fn *fn, void *arg)
{
    if (!parallel)
        parallel = kith_parallel_serial ();
    parallel->run (parallel, parts, fn, arg);
}

//  ---------------------------------------------------------------------
//  Assignment

typedef struct {
    const kith_kmeans_assign_t *assign;
    uint32_t *nearest;
    atomic_bool failed;
} s_assignment_t;

//  wide: TILE x dim floats, for points that are not float32
static void
s_assign_tile (const kith_kmeans_assign_t *assign, uint32_t first, uint32_t count,
               float *products, float *wide, uint32_t *nearest)
{
    const kith_kernels_t *kernels = kith_kernels ();
    float best [TILE];
    const char *stored = (const char *) assign->points
                         + first * kith_vector_bytes (assign->type, assign->dim);
    const float *points =
        kith_vector_numbers (assign->type, stored, (size_t) count * assign->dim, wide);
    for (uint32_t from = 0; from < assign->clusters; from += CENTRES) {
        uint32_t some =
            assign->clusters - from < CENTRES ? assign->clusters - from : CENTRES;
        kith_gemm (points, count, assign->dim,
                   assign->centres + (size_t) from * assign->dim, some, assign->dim,
                   assign->dim, products);
        for (uint32_t index = 0; index < count; index++) {
            float least;
            uint32_t found = kernels->nearest (products + (size_t) index * some,
                                               assign->halves + from, some, &least);
            if (from == 0 || least < best [index]) {
                best [index] = least;
                nearest [first + index] = from + found;
            }
        }
    }
}

static void
s_assign_part (void *arg, uint32_t part)
{
    s_assignment_t *self = arg;
    const kith_kmeans_assign_t *assign = self->assign;
    uint32_t width = assign->clusters < CENTRES ? assign->clusters : CENTRES;
    float *products = kith_alloc64 ((size_t) TILE * width * sizeof *products);
    bool widens = assign->type != KITH_VECTOR_FLOAT32;
    float *wide =
        widens ? kith_alloc64 ((size_t) TILE * assign->dim * sizeof *wide) : NULL;
    if (!products || (widens && !wide)) {
        atomic_store (&self->failed, true);
        free (products);
        free (wide);
        return;
    }
    uint32_t last =
        assign->count - part * PART < PART ? assign->count : part * PART + PART;
    for (uint32_t first = part * PART; first < last; first += TILE)
        s_assign_tile (assign, first, last - first < TILE ? last - first : TILE, products,
                       wide, self->nearest);
    free (products);
    free (wide);
}

bool
kith_kmeans_assign (const kith_kmeans_assign_t *assign, uint32_t *nearest)
{
    s_assignment_t self = {.assign = assign, .nearest = nearest};
    s_run (assign->parallel, (assign->count + PART - 1) / PART, s_assign_part, &self);
    return !atomic_load (&self.failed);
}

void
kith_kmeans_halves (const float *centres, uint32_t clusters, uint32_t dim, bool spherical,
                    float *halves)
{
    const kith_kernels_t *kernels = kith_kernels ();
    for (uint32_t index = 0; index < clusters; index++) {
        const float *centre = centres + (size_t) index * dim;
        halves [index] = spherical ? 0 : kernels->dot (centre, centre, dim) / 2;
    }
}

//  ---------------------------------------------------------------------
//  Update

typedef struct {
    const kith_kmeans_t *params;
    float *centres;
    float *halves;        //  clusters
    uint32_t *nearest;    //  of each point
    uint32_t *order;      //  points by centre
    uint32_t *first;      //  clusters + 1: where each centre's points begin in order
    uint32_t *sizes;      //  clusters
} s_training_t;

void
kith_kmeans_sort (const uint32_t *nearest, size_t count, uint32_t clusters,
                  uint32_t *first, uint32_t *order)
{
    memset (first, 0, ((size_t) clusters + 1) * sizeof *first);
    for (size_t point = 0; point < count; point++)
        first [nearest [point] + 1]++;
    for (uint32_t cluster = 0; cluster < clusters; cluster++)
        first [cluster + 1] += first [cluster];
    //  Backwards: what was the end of each cluster becomes its beginning
    for (size_t point = count; point-- > 0;)
        order [--first [nearest [point] + 1]] = (uint32_t) point;
    memmove (first, first + 1, clusters * sizeof *first);
    first [clusters] = (uint32_t) count;
}

static void
s_sort (s_training_t *self)
{
    const kith_kmeans_t *params = self->params;
    kith_kmeans_sort (self->nearest, params->count, params->clusters, self->first,
                      self->order);
    for (uint32_t cluster = 0; cluster < params->clusters; cluster++)
        self->sizes [cluster] = self->first [cluster + 1] - self->first [cluster];
}

static void
s_mean (const s_training_t *self, uint32_t cluster, double *sum)
{
    const kith_kmeans_t *params = self->params;
    uint32_t dim = params->dim, size = self->sizes [cluster];
    float *centre = self->centres + (size_t) cluster * dim;
    if (size == 0)
        return;
    memset (sum, 0, dim * sizeof *sum);
    for (uint32_t index = 0; index < size; index++) {
        const float *point =
            params->points + (size_t) self->order [self->first [cluster] + index] * dim;
        for (uint32_t each = 0; each < dim; each++)
            sum [each] += (double) point [each];
    }
    double length = 0;
    for (uint32_t each = 0; each < dim; each++)
        length += sum [each] * sum [each];
    double by = params->spherical ? sqrt (length) : size;
    //  Points that cancel out have no direction: the centre stays
    for (uint32_t each = 0; each < dim && by > 0 && isfinite (by); each++)
        centre [each] = (float) (sum [each] / by);
}

static void
s_mean_part (void *arg, uint32_t part)
{
    const s_training_t *self = arg;
    uint32_t clusters = self->params->clusters;
    double *sum = kith_new (self->params->dim * sizeof *sum);
    for (uint32_t cluster = part * MEANS;
         cluster < clusters && cluster < (part + 1) * MEANS; cluster++)
        s_mean (self, cluster, sum);
    free (sum);
}

//  A centre without points shares those of the largest
static void
s_split (s_training_t *self)
{
    const kith_kmeans_t *params = self->params;
    uint32_t dim = params->dim;
    for (uint32_t cluster = 0; cluster < params->clusters; cluster++) {
        if (self->sizes [cluster])
            continue;
        uint32_t largest = 0;
        for (uint32_t other = 1; other < params->clusters; other++)
            if (self->sizes [other] > self->sizes [largest])
                largest = other;
        if (self->sizes [largest] < 2)
            return;
        float *one = self->centres + (size_t) largest * dim;
        float *new = self->centres + (size_t) cluster *dim;
        for (uint32_t each = 0; each < dim; each++) {
            //  Towards zero only: the largest numbers stay finite
            float by = 1 - 0x1p-10f;
            bool first = (each + cluster) % 2;
            new [each] = one [each] * (first ? by : 1);
            one [each] *= first ? 1 : by;
        }
        self->sizes [cluster] = self->sizes [largest] / 2;
        self->sizes [largest] -= self->sizes [cluster];
    }
}

//  ---------------------------------------------------------------------
//  Training

//  Distinct points in an order drawn at random
static void
s_begin (s_training_t *self)
{
    const kith_kmeans_t *params = self->params;
    kith_random_t random;
    kith_random_seed (&random, params->seed ^ 0x6b6d6561u);
    for (uint32_t point = 0; point < params->count; point++)
        self->order [point] = point;
    for (uint32_t cluster = 0; cluster < params->clusters; cluster++) {
        uint32_t other =
            cluster + (uint32_t) kith_random_below (&random, params->count - cluster);
        uint32_t point = self->order [other];
        self->order [other] = self->order [cluster];
        self->order [cluster] = point;
        memcpy (self->centres + (size_t) cluster * params->dim,
                params->points + (size_t) point * params->dim,
                params->dim * sizeof (float));
    }
}

static int
s_assign (s_training_t *self, kith_error_t *error)
{
    const kith_kmeans_t *params = self->params;
    kith_kmeans_assign_t assign = {.points = params->points,
                                   .count = params->count,
                                   .dim = params->dim,
                                   .centres = self->centres,
                                   .halves = self->halves,
                                   .clusters = params->clusters,
                                   .parallel = params->parallel};
    kith_kmeans_halves (self->centres, params->clusters, params->dim, params->spherical,
                        self->halves);
    if (kith_kmeans_assign (&assign, self->nearest))
        return 0;
    return kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to train an index");
}

static int
s_train (s_training_t *self, kith_error_t *error)
{
    const kith_kmeans_t *params = self->params;
    s_begin (self);
    for (uint32_t round = 0; round < params->rounds; round++) {
        if (params->go_on && !params->go_on (params->go_on_arg, round, params->rounds))
            return kith_error_set (error, KITH_ERR_CANCELLED, "the build was cancelled");
        if (s_assign (self, error) != 0)
            return -1;
        s_sort (self);
        s_run (params->parallel, (params->clusters + MEANS - 1) / MEANS, s_mean_part,
               self);
        //  After the last round nobody would come
        if (round + 1 < params->rounds)
            s_split (self);
    }
    return 0;
}

static int
s_train_flat (const kith_kmeans_t *params, float *centres, kith_error_t *error)
{
    s_training_t self = {.params = params, .centres = centres};
    size_t clusters = params->clusters;
    self.halves = kith_alloc64 (clusters * sizeof *self.halves);
    self.nearest = kith_alloc64 (params->count * sizeof *self.nearest);
    self.order = kith_alloc64 (params->count * sizeof *self.order);
    self.first = kith_alloc64 ((clusters + 1) * sizeof *self.first);
    self.sizes = kith_alloc64 (clusters * sizeof *self.sizes);
    int status;
    if (self.halves && self.nearest && self.order && self.first && self.sizes)
        status = s_train (&self, error);
    else
        status =
            kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to train an index");
    free (self.sizes);
    free (self.first);
    free (self.order);
    free (self.nearest);
    free (self.halves);
    return status;
}

//  ---------------------------------------------------------------------
//  Two levels

//  Trains the share of one upper cluster over its own points
static int
s_train_below (const kith_kmeans_t *params, const s_training_t *top, uint32_t cluster,
               float *centres, kith_error_t *error)
{
    uint32_t size = top->sizes [cluster], dim = params->dim;
    kith_kmeans_t below = *params;
    float *points = kith_alloc64 ((size_t) size * dim * sizeof *points);
    if (!points)
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to train an index");
    for (uint32_t index = 0; index < size; index++)
        memcpy (points + (size_t) index * dim,
                params->points + (size_t) top->order [top->first [cluster] + index] * dim,
                dim * sizeof *points);
    below.points = points;
    below.count = size;
    below.go_on = NULL;
    below.clusters = top->nearest [cluster];
    below.seed = kith_mix64 (params->seed + cluster);
    int status = s_train_flat (&below, centres, error);
    free (points);
    return status;
}

//  How many centres each upper cluster gets, into nearest: by its points, none more than it has
static void
s_share (const kith_kmeans_t *params, s_training_t *top, uint32_t uppers)
{
    uint32_t given = 0;
    for (uint32_t cluster = 0; cluster < uppers; cluster++) {
        top->nearest [cluster] = (uint32_t) ((uint64_t) top->sizes [cluster]
                                             * params->clusters / params->count);
        given += top->nearest [cluster];
    }
    for (uint32_t cluster = 0; given < params->clusters; cluster = (cluster + 1) % uppers)
        if (top->nearest [cluster] < top->sizes [cluster]) {
            top->nearest [cluster]++;
            given++;
        }
}

static int
s_train_uppers (const kith_kmeans_t *params, s_training_t *top, float *centres,
                kith_error_t *error)
{
    uint32_t uppers = top->params->clusters;
    if (s_train (top, error) != 0 || s_assign (top, error) != 0)
        return -1;
    s_sort (top);
    s_share (params, top, uppers);
    size_t done = 0;
    for (uint32_t cluster = 0; cluster < uppers; cluster++) {
        if (params->go_on
            && !params->go_on (params->go_on_arg, cluster * params->rounds / uppers,
                               params->rounds))
            return kith_error_set (error, KITH_ERR_CANCELLED, "the build was cancelled");
        if (top->nearest [cluster]
            && s_train_below (params, top, cluster, centres + done * params->dim, error)
                   != 0)
            return -1;
        done += top->nearest [cluster];
    }
    return 0;
}

static int
s_train_deep (const kith_kmeans_t *params, float *centres, kith_error_t *error)
{
    kith_kmeans_t upper = *params;
    upper.clusters = (uint32_t) sqrt (params->clusters);
    upper.rounds = TOP_ROUNDS;
    upper.go_on = NULL;
    s_training_t top = {.params = &upper};
    size_t uppers = upper.clusters;
    top.centres = kith_alloc64 (uppers * params->dim * sizeof *top.centres);
    top.halves = kith_alloc64 (uppers * sizeof *top.halves);
    top.nearest = kith_alloc64 (params->count * sizeof *top.nearest);
    top.order = kith_alloc64 (params->count * sizeof *top.order);
    top.first = kith_alloc64 ((uppers + 1) * sizeof *top.first);
    top.sizes = kith_alloc64 (uppers * sizeof *top.sizes);
    int status;
    if (top.centres && top.halves && top.nearest && top.order && top.first && top.sizes)
        status = s_train_uppers (params, &top, centres, error);
    else
        status =
            kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to train an index");
    free (top.sizes);
    free (top.first);
    free (top.order);
    free (top.nearest);
    free (top.halves);
    free (top.centres);
    return status;
}

int
kith_kmeans_train (const kith_kmeans_t *params, float *centres, kith_error_t *error)
{
    assert (params->clusters > 0 && params->count >= params->clusters);
    return params->clusters > FLAT_MAX ? s_train_deep (params, centres, error)
                                       : s_train_flat (params, centres, error);
}

uint64_t
kith_kmeans_bytes (uint32_t count, uint32_t dim, uint32_t clusters, uint32_t threads)
{
    uint64_t width = clusters < CENTRES ? clusters : CENTRES;
    uint64_t bytes = count * 8ull + clusters * 16ull
                     + threads * (TILE * width * 4 + TILE * dim * 4ull + dim * 8ull)
                     + 4096;
    if (clusters > FLAT_MAX)
        bytes += count * (8 + dim * 4ull) + clusters * 16ull;
    return bytes;
}
