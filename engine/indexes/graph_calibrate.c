//  graph_calibrate.c - measures recall on the rows themselves: effort -> recall, kept with the graph
//  SPDX-License-Identifier: Apache-2.0
//
//  A drawn row asks for its neighbours while it is itself taken out of the graph (marked as seen before the walk begins): what
//  a query from the same distribution that is not in the data would meet. The bound is one-sided, 95 %, over the drawn rows.
#include <math.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/graph_layout.h"

enum {
    ROWS_MIN = 400,    //  fewer are scanned, not walked
    BATCH = 32,        //  drawn rows of one part
    NEAR = 10,
    FAR = 100
};

typedef struct {
    const kith_graph_t *self;
    kith_graph_truth_t *drawn;    //  written by draw
    const kith_graph_truth_t *truth;
    uint32_t effort;
    float *shares10;    //  of each drawn row
    float *shares100;
    atomic_bool failed;
} s_measure_t;

//  ---------------------------------------------------------------------
//  Draw

//  Distances of the 10th and 100th of `top` without `row`
static void
s_keep_truth (kith_graph_truth_t *truth, uint32_t index, const kith_topk_t *top)
{
    uint32_t seen = 0;
    for (uint32_t hit = 0; hit < top->count; hit++) {
        if (top->hits [hit].row == truth->rows [index])
            continue;
        seen++;
        if (seen == NEAR)
            truth->distance10 [index] = top->hits [hit].distance;
        if (seen == FAR)
            truth->distance100 [index] = top->hits [hit].distance;
    }
}

static void
s_draw_part (void *arg, uint32_t part)
{
    s_measure_t *measure = arg;
    const kith_rows_t *rows = &measure->self->rows;
    kith_graph_truth_t *truth = measure->drawn;
    uint32_t first = part * BATCH;
    uint32_t count = truth->count - first < BATCH ? truth->count - first : BATCH;
    float *queries = kith_alloc64 ((size_t) count * rows->dim * sizeof *queries);
    if (!queries) {
        atomic_store (&measure->failed, true);
        return;
    }
    float norms [BATCH] = {0};
    kith_topk_t tops [BATCH];
    for (uint32_t index = 0; index < count; index++) {
        uint32_t row = truth->rows [first + index];
        memcpy (queries + (size_t) index * rows->dim,
                kith_graph_vector (measure->self, row), rows->dim * sizeof *queries);
        norms [index] = rows->norms ? rows->norms [row] : 0;
        kith_topk_init (&tops [index], FAR + 1);
    }
    kith_flat_search (rows, queries, norms, count, truth->live, 0, 0, tops);
    for (uint32_t index = 0; index < count; index++) {
        kith_topk_sort (&tops [index]);
        s_keep_truth (truth, first + index, &tops [index]);
        kith_topk_free (&tops [index]);
    }
    free (queries);
}

bool
kith_graph_draw (const kith_graph_t *self, const kith_graph_params_t *params,
                 kith_graph_truth_t *truth)
{
    truth->count = 0;
    const uint32_t live =
        truth->live ? kith_bits_popcount (truth->live) : self->rows.rows;
    if (live < ROWS_MIN)
        return true;
    kith_random_t random;
    kith_random_seed (&random, params->seed ^ 0x63616c69u);
    for (uint32_t index = 0; index < KITH_GRAPH_SAMPLE; index++)
        do
            truth->rows [index] = (uint32_t) kith_random_below (&random, self->rows.rows);
        while (truth->live && !kith_bits_get (truth->live, truth->rows [index]));
    truth->count = KITH_GRAPH_SAMPLE;
    s_measure_t measure = {.self = self, .drawn = truth};
    kith_graph_run (params->parallel, (truth->count + BATCH - 1) / BATCH, s_draw_part,
                    &measure);
    return !atomic_load (&measure.failed);
}

//  ---------------------------------------------------------------------
//  Measure

//  Share of the true neighbours (as near as the k-th) among what the beam holds
static float
s_share (const s_measure_t *measure, kith_graph_scratch_t *scratch, uint32_t index,
         uint32_t k)
{
    const kith_graph_t *self = measure->self;
    uint32_t row = measure->truth->rows [index];
    float limit = k == NEAR ? measure->truth->distance10 [index]
                            : measure->truth->distance100 [index];
    kith_topk_t top;
    kith_topk_init (&top, k + 1);
    kith_graph_query_t options = {.k = k, .live = measure->truth->live};
    kith_graph_ask_t ask = {.query = kith_graph_vector (self, row),
                            .norm = self->rows.norms ? self->rows.norms [row] : 0,
                            .rows = self->rows.rows,
                            .options = &options};
    kith_graph_refine (self, scratch, &scratch->beam, &ask, kith_graph_depth (self, k),
                       &top);
    uint32_t found = 0;
    for (uint32_t hit = 0; hit < top.count; hit++)
        found += top.hits [hit].row != row && top.hits [hit].distance <= limit;
    kith_topk_free (&top);
    return found < k ? (float) found / (float) k : 1;
}

static bool
s_ready (s_measure_t *measure, kith_graph_scratch_t *scratch, uint32_t index,
         uint32_t capacity)
{
    const kith_graph_t *self = measure->self;
    uint32_t row = measure->truth->rows [index];
    bool ready = kith_graph_prepare (self, scratch, kith_graph_vector (self, row),
                                     self->rows.norms ? self->rows.norms [row] : 0)
                 && kith_graph_beam_reset (&scratch->beam, capacity);
    if (!ready)
        atomic_store (&measure->failed, true);
    return ready;
}

static void
s_walk_part (void *arg, uint32_t part)
{
    s_measure_t *measure = arg;
    const kith_graph_truth_t *truth = measure->truth;
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    for (uint32_t index = part * BATCH;
         index < truth->count && index < (part + 1) * BATCH; index++) {
        if (!s_ready (measure, scratch, index, measure->effort))
            break;
        uint32_t entry = kith_graph_descend (measure->self, scratch, 0);
        kith_graph_forget (scratch);
        scratch->marks [truth->rows [index]] = scratch->epoch;
        kith_graph_walk (measure->self, scratch, 0, entry);
        measure->shares10 [index] = s_share (measure, scratch, index, NEAR);
        if (measure->effort >= FAR)
            measure->shares100 [index] = s_share (measure, scratch, index, FAR);
    }
    kith_graph_scratch_destroy (&scratch);
}

static void
s_scan_part (void *arg, uint32_t part)
{
    s_measure_t *measure = arg;
    const kith_graph_t *self = measure->self;
    const kith_graph_truth_t *truth = measure->truth;
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    for (uint32_t index = part * BATCH;
         index < truth->count && index < (part + 1) * BATCH; index++) {
        if (!s_ready (measure, scratch, index, kith_graph_depth (self, NEAR)))
            break;
        for (uint32_t first = 0; first < self->rows.rows;
             first += KITH_GRAPH_DEGREE_MAX) {
            uint32_t count = 0;
            for (; count < KITH_GRAPH_DEGREE_MAX && first + count < self->rows.rows;
                 count++)
                scratch->rows [count] = first + count;
            kith_graph_distances (self, scratch, scratch->rows, count,
                                  scratch->distances);
            for (uint32_t each = 0; each < count; each++)
                if (first + each != truth->rows [index])
                    kith_graph_beam_put (&scratch->beam, scratch->distances [each],
                                         first + each);
        }
        measure->shares10 [index] = s_share (measure, scratch, index, NEAR);
    }
    kith_graph_scratch_destroy (&scratch);
}

//  Mean of shares and its bound
static void
s_mean (const float *shares, uint32_t count, float *mean, float *bound)
{
    double sum = 0, squares = 0;
    for (uint32_t index = 0; index < count; index++)
        sum += (double) shares [index];
    for (uint32_t index = 0; index < count; index++)
        squares += pow ((double) shares [index] - sum / count, 2);
    double error = sqrt (squares / count / count);
    *mean = (float) (sum / count);
    *bound = (float) (sum / count - 1.645 * error);
}

float
kith_graph_code_recall (const kith_graph_t *self, const kith_graph_truth_t *truth,
                        kith_parallel_t *parallel)
{
    if (truth->count == 0)
        return 1;
    //  A quarter of the drawn rows tells good codes from bad ones
    kith_graph_truth_t some = *truth;
    some.count = truth->count / 4;
    float shares [KITH_GRAPH_SAMPLE], mean, bound;
    s_measure_t measure = {.self = self, .truth = &some, .shares10 = shares};
    kith_graph_run (parallel, (some.count + BATCH - 1) / BATCH, s_scan_part, &measure);
    if (atomic_load (&measure.failed))
        return -1;
    s_mean (shares, some.count, &mean, &bound);
    return mean;
}

bool
kith_graph_calibrate (kith_graph_t *self, const kith_graph_truth_t *truth,
                      kith_parallel_t *parallel)
{
    float shares10 [KITH_GRAPH_SAMPLE], shares100 [KITH_GRAPH_SAMPLE] = {0};
    s_measure_t measure = {
        .self = self, .truth = truth, .shares10 = shares10, .shares100 = shares100};
    self->header.grid = 0;
    bool enough = truth->count == 0;
    for (uint32_t effort = NEAR; !enough && self->header.grid < KITH_GRAPH_GRID_MAX;
         effort += effort / 3 + 1) {
        measure.effort = effort;
        kith_graph_run (parallel, (truth->count + BATCH - 1) / BATCH, s_walk_part,
                        &measure);
        if (atomic_load (&measure.failed))
            return false;
        kith_graph_point_t *point = &self->header.points [self->header.grid++];
        point->effort = effort;
        s_mean (shares10, truth->count, &point->recall10, &point->bound10);
        s_mean (shares100, truth->count, &point->recall100, &point->bound100);
        //  Beyond this a scan is as cheap
        enough = (point->bound10 > 0.9985f && point->bound100 > 0.9985f)
                 || (uint64_t) effort * self->header.degree / 2 > self->rows.rows;
    }
    return true;
}
