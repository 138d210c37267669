//  graph_lists_build.c - deals the rows of a graph to lists
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "base/random.h"
#include "base/vector.h"
#include "engine/indexes/graph_lists.h"
#include "engine/indexes/kmeans.h"

enum {
    ROWS_MIN = 512,    //  of a graph that has lists
    LISTS_MIN = 16,
    SAMPLE_EACH = 32,    //  rows that a centre is trained with
    ROUNDS = 4,
    ASSIGN = 16384    //  rows between two looks at the cancel flag
};

//  A power of two about the root of the rows. With twice as many a third less rows are seen for the same recall, but more centres, and lists
//  by less queries: as fast, measured.
uint32_t
kith_graph_lists_of (uint32_t rows)
{
    if (rows < ROWS_MIN)
        return 0;
    uint32_t lists = LISTS_MIN;
    while (lists < KITH_GRAPH_LISTS_MAX && 2ull * lists * lists <= rows)
        lists *= 2;
    return lists;
}

uint64_t
kith_graph_lists_bytes (uint32_t rows, uint32_t dim)
{
    const uint64_t lists = kith_graph_lists_of (rows);
    return lists ? lists * (dim * 4ull + 8) + rows * 4ull : 0;
}

static uint32_t
s_sampled (uint32_t rows, uint32_t lists)
{
    return rows / SAMPLE_EACH < lists ? rows : lists * SAMPLE_EACH;
}

uint64_t
kith_graph_lists_build_bytes (uint32_t rows, uint32_t dim, uint32_t threads)
{
    const uint32_t lists = kith_graph_lists_of (rows);
    if (lists == 0)
        return 0;
    const uint32_t sampled = s_sampled (rows, lists);
    return sampled * dim * 4ull + rows * 4ull
           + kith_kmeans_bytes (sampled, dim, lists, threads);
}

//  ---------------------------------------------------------------------

typedef struct {
    kith_graph_t *self;
    const kith_graph_params_t *params;
    uint32_t lists;
    float *points;    //  of a sample
    float *centres;
    float *halves;        //  of them, as k-means assigns by
    uint32_t *list_of;    //  of each row
} s_build_t;

//  As of a build that has not begun to link
static bool
s_go_on (void *arg, uint32_t done, uint32_t of)
{
    const s_build_t *build = arg;
    const kith_graph_params_t *params = build->params;
    (void) done;
    (void) of;
    return !params->progress
           || params->progress (params->progress_arg, 0, build->self->rows.rows);
}

static int
s_no_memory (kith_error_t *error)
{
    return kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to build the index");
}

static int
s_train (s_build_t *build, kith_error_t *error)
{
    const kith_graph_t *self = build->self;
    const uint32_t rows = self->rows.rows, dim = self->rows.dim,
                   sampled = s_sampled (rows, build->lists);
    kith_random_t random;
    kith_random_seed (&random, build->params->seed ^ 0x6c697374u);
    //  One row of each of as many equal stretches
    for (uint32_t index = 0; index < sampled; index++) {
        const uint64_t first = (uint64_t) index * rows / sampled,
                       after = (index + 1ull) * rows / sampled;
        kith_graph_point (self,
                          (uint32_t) (first + kith_random_below (&random, after - first)),
                          build->points + (size_t) index * dim);
    }
    const kith_kmeans_t params = {.points = build->points,
                                  .count = sampled,
                                  .dim = dim,
                                  .clusters = build->lists,
                                  .rounds = ROUNDS,
                                  .spherical = self->rows.metric == KITH_METRIC_COSINE,
                                  .seed = build->params->seed,
                                  .parallel = build->params->parallel,
                                  .go_on = s_go_on,
                                  .go_on_arg = build};
    return kith_kmeans_train (&params, build->centres, error);
}

static int
s_assign (s_build_t *build, kith_error_t *error)
{
    const kith_graph_t *self = build->self;
    const uint32_t rows = self->rows.rows;
    for (uint32_t first = 0; first < rows; first += ASSIGN) {
        const uint32_t some = rows - first < ASSIGN ? rows - first : ASSIGN;
        //  By angle the length of a row does not matter
        const kith_kmeans_assign_t assign = {.points = kith_graph_vector (self, first),
                                             .count = some,
                                             .dim = self->rows.dim,
                                             .type = self->rows.type,
                                             .centres = build->centres,
                                             .halves = build->halves,
                                             .clusters = build->lists,
                                             .parallel = build->params->parallel};
        if (!s_go_on (build, 0, 0))
            return kith_error_set (error, KITH_ERR_CANCELLED,
                                   "the build of the index was cancelled");
        if (!kith_kmeans_assign (&assign, build->list_of + first))
            return s_no_memory (error);
    }
    return 0;
}

static int
s_make (s_build_t *build, kith_error_t *error)
{
    kith_graph_t *self = build->self;
    const uint32_t rows = self->rows.rows, dim = self->rows.dim,
                   sampled = s_sampled (rows, build->lists);
    uint32_t *starts = kith_alloc64 ((build->lists + (size_t) 1) * sizeof *starts),
             *members = kith_huge_new ((size_t) rows * sizeof *members);
    build->centres = kith_alloc64 ((size_t) build->lists * dim * sizeof (float));
    build->points = kith_huge_new ((size_t) sampled * dim * sizeof (float));
    build->halves = kith_alloc64 (build->lists * sizeof *build->halves);
    build->list_of = kith_huge_new ((size_t) rows * sizeof *build->list_of);
    self->centres = kith_graph_own (self, build->centres);
    self->list_starts = kith_graph_own (self, starts);
    self->members = kith_graph_own (self, members);
    if (!starts || !members || !build->centres || !build->points || !build->halves
        || !build->list_of)
        return s_no_memory (error);
    if (s_train (build, error) != 0)
        return -1;
    //  Sums of the largest numbers overflow: no lists then
    if (!kith_vector_finite (KITH_TYPE_FLOAT_VECTOR, dim, build->centres, build->lists))
        return 0;
    kith_kmeans_halves (build->centres, build->lists, dim,
                        self->rows.metric == KITH_METRIC_COSINE, build->halves);
    if (s_assign (build, error) != 0)
        return -1;
    kith_kmeans_sort (build->list_of, rows, build->lists, starts, members);
    self->header.lists = build->lists;
    return kith_graph_lists_derive (self) ? 0 : s_no_memory (error);
}

int
kith_graph_lists_make (kith_graph_t *self, const kith_graph_params_t *params,
                       kith_error_t *error)
{
    s_build_t build = {
        .self = self, .params = params, .lists = kith_graph_lists_of (self->rows.rows)};
    if (build.lists == 0 || self->header.code == KITH_GRAPH_FLOATS
        || self->header.code == KITH_GRAPH_BITS)
        return 0;
    const int failed = s_make (&build, error);
    free (build.points);
    free (build.halves);
    free (build.list_of);
    if (self->header.lists == 0 || failed)
        kith_graph_lists_drop (self);
    return failed;
}

bool
kith_graph_lists_derive (kith_graph_t *self)
{
    float *halves = kith_alloc64 (self->header.lists * sizeof *halves);
    self->list_halves = kith_graph_own (self, halves);
    //  The inner product with a centre is what is wanted, unless it is a distance
    if (halves)
        kith_kmeans_halves (self->centres, self->header.lists, self->header.dim,
                            self->rows.metric != KITH_METRIC_L2, halves);
    return halves != NULL;
}

void
kith_graph_lists_drop (kith_graph_t *self)
{
    kith_graph_disown (self, self->centres);
    kith_graph_disown (self, self->list_starts);
    kith_graph_disown (self, self->members);
    kith_graph_disown (self, self->list_halves);
    self->centres = NULL;
    self->list_starts = NULL;
    self->members = NULL;
    self->list_halves = NULL;
    self->header.lists = 0;
    self->header.list_grid = 0;
}
