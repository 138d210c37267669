//  ivf_calibrate.c - measures recall on the rows themselves: lists and reach -> recall, kept with the index
//  SPDX-License-Identifier: Apache-2.0
//
//  A drawn row asks for its neighbours as if it were not there. Of each true neighbour two things are noted: how many lists come
//  before its own, and how many times its error it takes for its code not to rule it out (a search rules out by the k-th distance, which is
//  no less than the neighbour's own). A search of n lists with a reach of r finds at least those with less of both, so that one pass gives
//  the recall of every n and r. The bound is one-sided, 95 %, over the drawn rows.
#include <math.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/ivf_layout.h"

enum {
    ROWS_MIN = 400,    //  fewer are all probed
    SAMPLE = 1024,     //  rows that ask
    BATCH = 64,        //  of one part
    NEAR = 10,
    FAR = 100,
    DEEP = 1000,          //  what a filter makes of 10
    DEEP_SAMPLE = 256,    //  rows that ask so deep
    DEEP_ROWS = 20000     //  fewer rows are not asked so deep
};

//  Of all that the lists miss, codes may miss this share more
#define CODE_SHARE 0.1
#define CODE_MIN 0.0004
#define ENOUGH 0.9985f
//  RaBitQ's bound: rows may be more regular than the queries that will come
#define REACH_MIN 1.9f

//  A true neighbour
typedef struct {
    uint32_t before;    //  lists nearer than its own
    float reach;        //  that it needs
} s_true_t;

typedef struct {
    const kith_ivf_t *self;
    uint32_t *slot_of;         //  of each row: position in its list
    uint32_t *list_of;         //  of each row
    uint32_t rows [SAMPLE];    //  drawn
    s_true_t *of;              //  SAMPLE x FAR, nearest first
    s_true_t *deep;            //  DEEP_SAMPLE x DEEP, or null
    atomic_bool failed;
} s_measure_t;

uint64_t
kith_ivf_calibrate_bytes (const kith_rows_t *rows, uint32_t threads)
{
    return rows->rows * 8ull + SAMPLE * FAR * sizeof (s_true_t) * 2
           + (rows->rows >= DEEP_ROWS ? DEEP_SAMPLE * DEEP * sizeof (s_true_t) : 0)
           + threads
                 * (BATCH * (rows->dim * 4ull + (DEEP + 1) * sizeof (kith_hit_t))
                    + (4u << 20)
                    + kith_ivf_lists (rows, &(kith_index_params_t){0}) * 64ull);
}

//  ---------------------------------------------------------------------
//  Measure

//  The reach that neighbour `hit` needs
static float
s_needs (const s_measure_t *measure, const kith_ivf_ask_t *ask,
         const kith_ivf_near_t *near, const kith_hit_t *hit)
{
    float least, unit;
    kith_ivf_bound (measure->self, ask, near, measure->slot_of [hit->row], hit->distance,
                    &least, &unit);
    if (!(least > 0))
        return 0;
    float reach = least / unit;
    return reach < INFINITY ? reach : INFINITY;
}

static void
s_note (s_measure_t *measure, kith_ivf_scratch_t *scratch, const kith_ivf_ask_t *ask,
        uint32_t index, const kith_topk_t *top)
{
    const kith_ivf_t *self = measure->self;
    uint32_t lists = kith_ivf_pick (self, scratch, ask, self->header.lists);
    uint32_t *before = (uint32_t *) scratch->values;
    for (uint32_t list = 0; list < lists; list++)
        before [scratch->near [list].list] = list;
    s_true_t *deep = measure->deep && index < DEEP_SAMPLE ? measure->deep : NULL;
    uint32_t seen = 0, most = deep ? DEEP : FAR;
    for (uint32_t hit = 0; hit < top->count && seen < most; hit++) {
        uint32_t row = (uint32_t) top->hits [hit].row;
        if (row == measure->rows [index])
            continue;
        s_true_t one = {.before = before [measure->list_of [row]]};
        one.reach = s_needs (measure, ask, &scratch->near [one.before], &top->hits [hit]);
        if (seen < FAR)
            measure->of [index * FAR + seen] = one;
        if (deep)
            deep [index * DEEP + seen] = one;
        seen++;
    }
}

static void
s_ask_part (s_measure_t *measure, uint32_t part, kith_ivf_scratch_t *scratch,
            void *queries)
{
    const kith_ivf_t *self = measure->self;
    const kith_rows_t *rows = &self->index.rows;
    float norms [BATCH] = {0};
    kith_topk_t tops [BATCH];
    for (uint32_t index = 0; index < BATCH; index++) {
        uint32_t row = measure->rows [part * BATCH + index];
        memcpy ((char *) queries + index * self->vector_bytes,
                kith_ivf_vector (self, row), self->vector_bytes);
        norms [index] = rows->norms ? rows->norms [row] : 0;
        bool deep = measure->deep && part * BATCH + index < DEEP_SAMPLE;
        kith_topk_init (&tops [index], (deep ? DEEP : FAR) + 1);
    }
    kith_flat_search (rows, queries, norms, BATCH, NULL, 0, 0, tops);
    const kith_index_query_t query = {
        .queries = queries, .norms = rows->norms ? norms : NULL, .nq = BATCH, .k = FAR};
    for (uint32_t index = 0; index < BATCH; index++) {
        kith_ivf_ask_t ask;
        kith_topk_sort (&tops [index]);
        kith_ivf_ask (self, scratch, 0, &query, index, &ask);
        s_note (measure, scratch, &ask, part * BATCH + index, &tops [index]);
        kith_topk_free (&tops [index]);
    }
}

static void
s_measure_part (void *arg, uint32_t part)
{
    s_measure_t *measure = arg;
    const kith_ivf_t *self = measure->self;
    kith_ivf_scratch_t *scratch = kith_index_ivf.scratch_new ();
    void *queries = kith_alloc64 (BATCH * self->vector_bytes);
    if (queries && kith_ivf_room (self, scratch, 1))
        s_ask_part (measure, part, scratch, queries);
    else
        atomic_store (&measure->failed, true);
    free (queries);
    kith_index_ivf.scratch_free (scratch);
}

//  ---------------------------------------------------------------------
//  Points

static int
s_compare (const void *a, const void *b)
{
    float one = *(const float *) a, other = *(const float *) b;
    return (one > other) - (one < other);
}

//  The least reach with which codes miss no more than their share beside what `lists` lists miss
static float
s_reach (const s_measure_t *measure, uint32_t lists, float *needs)
{
    uint32_t found = 0, all = SAMPLE * NEAR;
    for (uint32_t index = 0; index < SAMPLE; index++)
        for (uint32_t each = 0; each < NEAR; each++) {
            const s_true_t *one = &measure->of [index * FAR + each];
            if (one->before < lists)
                needs [found++] = one->reach;
        }
    double miss = (double) (all - found) / all;
    double allowed = fmax (miss * CODE_SHARE, CODE_MIN);
    uint32_t spare = (uint32_t) (allowed * all);
    if (found <= spare)
        return REACH_MIN;
    qsort (needs, found, sizeof *needs, s_compare);
    float reach = needs [found - 1 - spare];
    return isfinite (reach) ? fmaxf (reach * 1.0001f, REACH_MIN) : 1e6f;
}

//  Neighbours of each of some rows, `width` apart
typedef struct {
    const s_true_t *of;
    uint32_t count, width;
} s_truth_t;

//  Mean share of the first k neighbours that are found, and its bound
static void
s_mean (s_truth_t truth, const kith_ivf_point_t *point, uint32_t k, float *mean,
        float *bound)
{
    double sum = 0, squares = 0;
    for (uint32_t index = 0; index < truth.count; index++) {
        uint32_t found = 0;
        for (uint32_t each = 0; each < k; each++) {
            const s_true_t *one = &truth.of [index * truth.width + each];
            found += one->before < point->lists && one->reach <= point->reach;
        }
        double share = (double) found / k;
        sum += share;
        squares += share * share;
    }
    double average = sum / truth.count;
    double variance = fmax (0, squares / truth.count - average * average);
    *mean = (float) average;
    *bound = (float) (average - 1.645 * sqrt (variance / truth.count));
}

static void
s_fill (kith_ivf_t *self, const s_measure_t *measure, float *needs)
{
    kith_ivf_header_t *header = &self->header;
    const s_truth_t truth = {.of = measure->of, .count = SAMPLE, .width = FAR};
    const s_truth_t deep = {.of = measure->deep, .count = DEEP_SAMPLE, .width = DEEP};
    bool enough = false;
    for (uint32_t lists = 1; !enough && header->grid < KITH_IVF_GRID_MAX;
         lists += lists / 5 + 1) {
        lists = lists < header->lists ? lists : header->lists;
        kith_ivf_point_t *point = &header->points [header->grid++];
        point->lists = lists;
        point->reach = s_reach (measure, lists, needs);
        //  More lists never rule out sooner
        if (header->grid > 1)
            point->reach = fmaxf (point->reach, (point - 1)->reach);
        s_mean (truth, point, NEAR, &point->recall10, &point->bound10);
        s_mean (truth, point, FAR, &point->recall100, &point->bound100);
        point->recall1000 = point->bound1000 = 1;
        if (measure->deep)
            s_mean (deep, point, DEEP, &point->recall1000, &point->bound1000);
        enough = lists == header->lists
                 || (point->bound10 > ENOUGH && point->bound100 > ENOUGH
                     && point->bound1000 > ENOUGH);
    }
}

static void
s_find_rows (const kith_ivf_t *self, s_measure_t *measure)
{
    for (uint32_t list = 0; list < self->header.lists; list++) {
        const uint32_t *ids =
            self->ids + (size_t) self->starts [list] * KITH_FASTSCAN_ROWS;
        for (uint32_t slot = 0; slot < self->counts [list]; slot++) {
            measure->slot_of [ids [slot]] = slot;
            measure->list_of [ids [slot]] = list;
        }
    }
}

int
kith_ivf_calibrate (kith_ivf_t *self, const kith_index_params_t *params,
                    kith_error_t *error)
{
    const uint32_t rows = self->header.rows;
    self->header.grid = 0;
    if (rows < ROWS_MIN)
        return 0;
    s_measure_t *measure = kith_new (sizeof *measure);
    kith_random_t random;
    kith_random_seed (&random, params->seed ^ 0x63616c69u);
    measure->self = self;
    measure->slot_of = kith_alloc64 (rows * sizeof *measure->slot_of);
    measure->list_of = kith_alloc64 (rows * sizeof *measure->list_of);
    measure->of = kith_alloc64 (SAMPLE * FAR * sizeof *measure->of);
    if (rows >= DEEP_ROWS)
        measure->deep = kith_alloc64 (DEEP_SAMPLE * DEEP * sizeof *measure->deep);
    float *needs = kith_alloc64 (SAMPLE * NEAR * sizeof *needs);
    bool made = measure->slot_of && measure->list_of && measure->of && needs
                && (measure->deep || rows < DEEP_ROWS);
    for (uint32_t index = 0; index < SAMPLE; index++)
        measure->rows [index] = (uint32_t) kith_random_below (&random, rows);
    if (made) {
        kith_parallel_t *parallel =
            params->parallel ? params->parallel : kith_parallel_serial ();
        s_find_rows (self, measure);
        parallel->run (parallel, SAMPLE / BATCH, s_measure_part, measure);
        made = !atomic_load (&measure->failed);
    }
    if (made)
        s_fill (self, measure, needs);
    free (needs);
    free (measure->deep);
    free (measure->of);
    free (measure->list_of);
    free (measure->slot_of);
    free (measure);
    return made ? 0
                : kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to calibrate");
}
