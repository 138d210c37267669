//  disk_calibrate.c - measures recall and reads on the rows themselves: effort -> recall, kept with the disk index
//  SPDX-License-Identifier: Apache-2.0
//
//  As graph_calibrate.c: a drawn row asks for its neighbours while it is itself left out, which is what a query from the same
//  distribution that is not in the data would meet; the bound is one-sided, 95 %, over the drawn rows. Reads are of blocks in memory here, but
//  as many as they will be of the file.
#include <math.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/disk_layout.h"

enum {
    ROWS_MIN = 400,    //  fewer are not measured
    BATCH = 32,        //  drawn rows of one part
    NEAR = 10,
    FAR = 100,
    TRIES = 16    //  for a row that has no equal
};

typedef struct {
    const kith_disk_t *self;
    uint32_t count;
    uint32_t rows [KITH_DISK_SAMPLE];
    float distance10 [KITH_DISK_SAMPLE], distance100 [KITH_DISK_SAMPLE];
    uint32_t effort;
    float share10 [KITH_DISK_SAMPLE], share100 [KITH_DISK_SAMPLE];
    float reads [KITH_DISK_SAMPLE], hops [KITH_DISK_SAMPLE];
    atomic_bool failed;
} s_measure_t;

static void
s_run (kith_parallel_t *parallel, uint32_t parts, kith_part_fn *fn, void *arg)
{
    kith_parallel_t *threads = parallel ? parallel : kith_parallel_serial ();
    threads->run (threads, parts, fn, arg);
}

//  ---------------------------------------------------------------------
//  Draw

//  Distances of the 10th and 100th of `top` without the row that asked
static void
s_keep (s_measure_t *measure, uint32_t index, const kith_topk_t *top)
{
    uint32_t seen = 0;
    for (uint32_t hit = 0; hit < top->count; hit++) {
        if (top->hits [hit].row == measure->rows [index])
            continue;
        seen++;
        if (seen == NEAR)
            measure->distance10 [index] = top->hits [hit].distance;
        if (seen == FAR)
            measure->distance100 [index] = top->hits [hit].distance;
    }
}

static void
s_draw_part (void *arg, uint32_t part)
{
    s_measure_t *measure = arg;
    const kith_rows_t *rows = &measure->self->index.rows;
    uint32_t first = part * BATCH;
    uint32_t count = measure->count - first < BATCH ? measure->count - first : BATCH;
    const size_t bytes = kith_vector_bytes (rows->type, rows->dim);
    uint8_t *queries = kith_alloc64 (count * bytes);
    if (!queries) {
        atomic_store (&measure->failed, true);
        return;
    }
    float norms [BATCH] = {0};
    kith_topk_t tops [BATCH];
    for (uint32_t index = 0; index < count; index++) {
        uint32_t row = measure->rows [first + index];
        memcpy (queries + index * bytes, kith_rows_vector (rows, row), bytes);
        norms [index] = rows->norms ? rows->norms [row] : 0;
        kith_topk_init (&tops [index], FAR + 1);
    }
    kith_flat_search (rows, queries, norms, count, NULL, 0, 0, tops);
    for (uint32_t index = 0; index < count; index++) {
        kith_topk_sort (&tops [index]);
        s_keep (measure, first + index, &tops [index]);
        kith_topk_free (&tops [index]);
    }
    free (queries);
}

static void
s_draw (s_measure_t *measure, const kith_index_params_t *params)
{
    const kith_disk_t *self = measure->self;
    kith_random_t random;
    kith_random_seed (&random, params->seed ^ 0x6469736bu);
    measure->count = KITH_DISK_SAMPLE;
    for (uint32_t index = 0; index < measure->count; index++)
        //  The equals of a row would lead straight to it, though it is left out
        for (uint32_t tries = 0; tries < TRIES; tries++) {
            uint32_t row = (uint32_t) kith_random_below (&random, self->header.rows);
            measure->rows [index] = row;
            if (!self->twins || self->twins [row] == KITH_DISK_NONE)
                break;
        }
    s_run (params->parallel, (measure->count + BATCH - 1) / BATCH, s_draw_part, measure);
}

//  ---------------------------------------------------------------------
//  Measure

//  Share of the k nearest (as near as the k-th, at `limit`) that top holds
static float
s_share (const kith_topk_t *top, float limit, uint32_t k)
{
    uint32_t found = 0;
    for (uint32_t hit = 0; hit < top->count; hit++)
        found += top->hits [hit].distance <= limit;
    return found < k ? (float) found / (float) k : 1;
}

static void
s_walk_part (void *arg, uint32_t part)
{
    s_measure_t *measure = arg;
    const kith_disk_t *self = measure->self;
    const kith_rows_t *rows = &self->index.rows;
    kith_disk_scratch_t *scratch = kith_disk_scratch_new ();
    for (uint32_t index = part * BATCH;
         index < measure->count && index < (part + 1) * BATCH; index++) {
        uint32_t row = measure->rows [index];
        const kith_disk_ask_t ask = {.query = kith_rows_vector (rows, row),
                                     .norm = rows->norms ? rows->norms [row] : 0,
                                     .k = FAR,
                                     .effort = measure->effort,
                                     .live_count = rows->rows,
                                     .reads_max = UINT64_MAX,
                                     .without = row};
        kith_topk_t top;
        kith_topk_init (&top, FAR);
        if (!kith_disk_prepare (self, scratch, &ask)
            || kith_disk_walk (self, scratch, &ask, &top) == KITH_DISK_FAILED)
            atomic_store (&measure->failed, true);
        measure->share10 [index] = s_share (&top, measure->distance10 [index], NEAR);
        measure->share100 [index] = s_share (&top, measure->distance100 [index], FAR);
        measure->reads [index] = (float) scratch->cost.reads;
        measure->hops [index] = (float) scratch->cost.hops;
        kith_topk_free (&top);
    }
    kith_disk_scratch_destroy (&scratch);
}

//  Mean and, if bound is not null, its bound
static float
s_mean (const float *values, uint32_t count, float *bound)
{
    double sum = 0, squares = 0;
    for (uint32_t index = 0; index < count; index++)
        sum += (double) values [index];
    for (uint32_t index = 0; index < count; index++)
        squares += pow ((double) values [index] - sum / count, 2);
    if (bound)
        *bound = (float) (sum / count - 1.645 * sqrt (squares / count / count));
    return (float) (sum / count);
}

static void
s_keep_point (const s_measure_t *measure, kith_disk_point_t *point)
{
    uint32_t count = measure->count;
    point->effort = measure->effort;
    point->recall10 = s_mean (measure->share10, count, &point->bound10);
    point->recall100 = s_mean (measure->share100, count, &point->bound100);
    point->reads = s_mean (measure->reads, count, NULL);
    point->hops = s_mean (measure->hops, count, NULL);
}

bool
kith_disk_calibrate (kith_disk_t *self, const kith_index_params_t *params,
                     kith_error_t *error)
{
    kith_disk_header_t *header = &self->header;
    header->grid = 0;
    if (header->rows < ROWS_MIN)
        return true;
    s_measure_t *measure = kith_new (sizeof *measure);
    measure->self = self;
    s_draw (measure, params);
    bool enough = false, cancelled = false;
    for (uint32_t effort = NEAR;
         !enough && !cancelled && header->grid < KITH_DISK_GRID_MAX
         && !atomic_load (&measure->failed);
         effort += effort / 3 + 1) {
        kith_disk_point_t *point = &header->points [header->grid++];
        measure->effort = effort;
        s_run (params->parallel, (measure->count + BATCH - 1) / BATCH, s_walk_part,
               measure);
        s_keep_point (measure, point);
        //  Beyond this a scan of the codes is as cheap
        enough = (point->bound10 > 0.9985f && point->bound100 > 0.9985f)
                 || (uint64_t) effort * 64 > header->rows;
        cancelled = params->progress
                    && !params->progress (params->progress_arg,
                                          header->rows / 20 * (19 + (uint64_t) enough),
                                          header->rows);
    }
    bool failed = atomic_load (&measure->failed);
    free (measure);
    if (failed)
        kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to measure a disk index");
    else if (cancelled)
        kith_error_set (error, KITH_ERR_CANCELLED, "the build was cancelled");
    return !failed && !cancelled;
}

//  ---------------------------------------------------------------------
//  Read

static float
s_bound (const kith_disk_point_t *point, bool far)
{
    return far ? point->bound100 : point->bound10;
}

//  Between two points the way is at least as good as a straight line: recall bends down as effort grows
static double
s_effort_at (const kith_disk_header_t *header, float recall, bool far)
{
    for (uint32_t index = 0; index < header->grid; index++) {
        const kith_disk_point_t *point = &header->points [index];
        float bound = s_bound (point, far);
        if (bound < recall)
            continue;
        if (index == 0)
            return point->effort;
        float below = s_bound (point - 1, far);
        double share =
            bound > below ? (double) (recall - below) / (double) (bound - below) : 1;
        return ceil ((point - 1)->effort + share * (point->effort - (point - 1)->effort));
    }
    return header->points [header->grid - 1].effort;
}

uint32_t
kith_disk_effort (const kith_disk_t *self, float recall, uint32_t k)
{
    const kith_disk_header_t *header = &self->header;
    double effort = 64;
    if (header->grid) {
        double near = s_effort_at (header, recall, false),
               far = s_effort_at (header, recall, true);
        effort = near;
        if (k > NEAR && k < FAR && far > near)
            effort = near + (far - near) * (k - NEAR) / (FAR - NEAR);
        if (k >= FAR)
            effort = fmax (near, far * k / FAR);
    }
    effort = effort > k ? effort : k;
    return effort < KITH_DISK_EFFORT_MAX ? (uint32_t) effort : KITH_DISK_EFFORT_MAX;
}

//  The points about an effort: after = before + 1, or the same at the ends; the share of the way from one to the other
static float
s_between (const kith_disk_header_t *header, uint32_t effort,
           const kith_disk_point_t *found [2])
{
    uint32_t after = 0;
    while (after + 1 < header->grid && header->points [after].effort < effort)
        after++;
    const kith_disk_point_t *point = &header->points [after];
    found [0] = after == 0 || point->effort <= effort ? point : point - 1;
    found [1] = point;
    if (found [0] == found [1])
        return 0;
    return (float) (effort - found [0]->effort)
           / (float) (found [1]->effort - found [0]->effort);
}

float
kith_disk_recall (const kith_disk_t *self, uint32_t effort)
{
    const kith_disk_point_t *found [2];
    if (self->header.grid == 0)
        return 1;
    float share = s_between (&self->header, effort, found);
    return found [0]->recall10 + share * (found [1]->recall10 - found [0]->recall10);
}

void
kith_disk_cost_at (const kith_disk_t *self, uint32_t effort, float *reads, float *hops)
{
    const kith_disk_point_t *found [2];
    *reads = *hops = 0;
    if (self->header.grid == 0)
        return;
    float share = s_between (&self->header, effort, found);
    *reads = found [0]->reads + share * (found [1]->reads - found [0]->reads);
    *hops = found [0]->hops + share * (found [1]->hops - found [0]->hops);
}
