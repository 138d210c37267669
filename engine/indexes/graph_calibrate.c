//  graph_calibrate.c - measures recall on the rows themselves: effort -> recall, kept with the graph
//  SPDX-License-Identifier: Apache-2.0
//
//  A drawn row asks for its neighbours before it enters the graph: that is what a query from the same distribution meets. One that is in
//  already is taken out (marked as seen before the walk begins), which leaves a hole: neighbours that were to be reached through it are not, so
//  that the recall measured is a little low. The bound is one-sided, 95 %, over the drawn rows.
//  An exact search of all drawn rows would take a tenth of the build. So it is made for some of them; they tell at which effort nearly nothing
//  is missed, and there the others find what narrow beams are measured by. What that misses may be what a narrow beam has beside true
//  neighbours at worst, and is taken off.
#include <math.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/graph_lists.h"

enum {
    ROWS_MIN = 400,    //  fewer are scanned, not walked
    DRAWN = 64,        //  rows whose neighbours are searched in one part
    BATCH = 32,        //  drawn rows that walk in one part
    CODED = 64,        //  drawn rows that tell good codes from bad ones
    SOME = 256,        //  drawn rows whose neighbours are searched exactly
    NEAR = 10,
    FAR = 100,
    SPARE = 28,    //  neighbours that may be away
    EFFORT_LEAST = 2,
    ASKING = 256    //  drawn rows that go by lists in one part
};

//  From STEADY on recall differs so little from row to row that some rows tell enough; at TRUSTED what is found stands for what is there
#define ENOUGH 0.9985f    //  nothing wider is measured
#define STEADY 0.995f
#define TRUSTED 0.998f

typedef struct {
    const kith_graph_t *self;
    kith_graph_truth_t *truth;
    uint32_t first, last;    //  drawn rows that are at work
    uint32_t effort;
    float *shares10;                           //  of each drawn row
    float *shares100;                          //  null: not wanted
    float *scanned10 [KITH_GRAPH_SHALLOWS];    //  where all codes are scanned, by depth
    atomic_bool failed;
} s_measure_t;

static inline uint32_t
s_least (uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

//  Runs fn for rows first .. last - 1 in parts of `size`. False: no memory.
static bool
s_run (s_measure_t *measure, uint32_t first, uint32_t last, uint32_t size,
       kith_part_fn *fn, kith_parallel_t *parallel)
{
    measure->first = first;
    measure->last = last;
    if (first < last)
        kith_graph_run (parallel, (last - first + size - 1) / size, fn, measure);
    return !atomic_load (&measure->failed);
}

//  ---------------------------------------------------------------------
//  Draw

//  Distances of the 10th and 100th of `top` without the row itself and those that are away; too few are left only if many of
//  a cluster are away, and the last of them makes the measure stricter
static void
s_keep_truth (kith_graph_truth_t *truth, uint32_t index, const kith_topk_t *top)
{
    uint32_t seen = 0;
    for (uint32_t hit = 0; hit < top->count; hit++) {
        const uint64_t row = top->hits [hit].row;
        if (row == truth->rows [index]
            || (truth->away && kith_bits_get (truth->away, (uint32_t) row)))
            continue;
        seen++;
        if (seen <= NEAR)
            truth->distance10 [index] = top->hits [hit].distance;
        if (seen <= FAR)
            truth->distance100 [index] = top->hits [hit].distance;
    }
}

static void
s_draw_part (void *arg, uint32_t part)
{
    s_measure_t *measure = arg;
    const kith_rows_t *rows = &measure->self->rows;
    kith_graph_truth_t *truth = measure->truth;
    uint32_t first = measure->first + part * DRAWN;
    uint32_t count = s_least (measure->last - first, DRAWN);
    const size_t bytes = kith_graph_vector_bytes (measure->self);
    char *queries = kith_alloc64 (count * bytes);
    if (!queries) {
        atomic_store (&measure->failed, true);
        return;
    }
    float norms [DRAWN] = {0};
    kith_topk_t tops [DRAWN];
    for (uint32_t index = 0; index < count; index++) {
        uint32_t row = truth->rows [first + index];
        memcpy (queries + index * bytes, kith_graph_vector (measure->self, row), bytes);
        norms [index] = rows->norms ? rows->norms [row] : 0;
        kith_topk_init (&tops [index], FAR + 1 + (truth->away ? SPARE : 0));
    }
    kith_flat_search (rows, queries, norms, count, truth->live, 0, 0, tops);
    for (uint32_t index = 0; index < count; index++) {
        kith_topk_sort (&tops [index]);
        s_keep_truth (truth, first + index, &tops [index]);
        kith_topk_free (&tops [index]);
    }
    free (queries);
}

void
kith_graph_draw (const kith_graph_t *self, uint64_t seed, kith_graph_truth_t *truth)
{
    truth->count = 0;
    const uint32_t live =
        truth->live ? kith_bits_popcount (truth->live) : self->rows.rows;
    if (live < ROWS_MIN)
        return;
    kith_random_t random;
    kith_random_seed (&random, seed ^ 0x63616c69u);
    const uint32_t count = live / 2 < KITH_GRAPH_SAMPLE ? live / 2 : KITH_GRAPH_SAMPLE;
    for (uint32_t index = 0; index < count; index++)
        do
            truth->rows [index] = (uint32_t) kith_random_below (&random, self->rows.rows);
        while (truth->live && !kith_bits_get (truth->live, truth->rows [index]));
    truth->count = count;
}

bool
kith_graph_find_truth (const kith_graph_t *self, kith_parallel_t *parallel,
                       kith_graph_truth_t *truth)
{
    s_measure_t measure = {.self = self, .truth = truth};
    return s_run (&measure, 0, s_least (truth->count, SOME), DRAWN, s_draw_part,
                  parallel);
}

//  ---------------------------------------------------------------------
//  Measure

//  What a search for k answers would look at of the beam, into top
static void
s_look (const s_measure_t *measure, kith_graph_scratch_t *scratch, uint32_t index,
        uint32_t k, kith_topk_t *top)
{
    const kith_graph_t *self = measure->self;
    uint32_t row = measure->truth->rows [index];
    kith_topk_init (top, k + 1);
    kith_graph_query_t options = {.k = k, .live = measure->truth->live};
    kith_graph_ask_t ask = {.query = kith_graph_vector (self, row),
                            .norm = self->rows.norms ? self->rows.norms [row] : 0,
                            .rows = self->rows.rows,
                            .options = &options};
    kith_graph_refine (self, scratch, &scratch->beam, &ask, kith_graph_depth (self, k),
                       top);
}

//  Share of the true neighbours (as near as the k-th) in a top
static float
s_share_of (const kith_graph_truth_t *truth, uint32_t index, uint32_t k,
            const kith_topk_t *top)
{
    const uint32_t row = truth->rows [index];
    const float limit =
        k == NEAR ? truth->distance10 [index] : truth->distance100 [index];
    uint32_t found = 0;
    for (uint32_t hit = 0; hit < top->count; hit++)
        found += top->hits [hit].row != row && top->hits [hit].distance <= limit;
    return found < k ? (float) found / (float) k : 1;
}

//  The same of what a search for k answers would look at of the beam
static float
s_share (const s_measure_t *measure, kith_graph_scratch_t *scratch, uint32_t index,
         uint32_t k)
{
    kith_topk_t top;
    s_look (measure, scratch, index, k, &top);
    const float share = s_share_of (measure->truth, index, k, &top);
    kith_topk_free (&top);
    return share;
}

static bool
s_ready (s_measure_t *measure, kith_graph_scratch_t *scratch, uint32_t index)
{
    const kith_graph_t *self = measure->self;
    uint32_t row = measure->truth->rows [index];
    bool ready = kith_graph_prepare (self, scratch, kith_graph_vector (self, row),
                                     self->rows.norms ? self->rows.norms [row] : 0);
    if (!ready)
        atomic_store (&measure->failed, true);
    return ready;
}

//  A search for k answers of which the row that asks is none. False: no memory.
static bool
s_walk (s_measure_t *measure, kith_graph_scratch_t *scratch, uint32_t index, uint32_t k)
{
    const kith_graph_t *self = measure->self;
    if (!kith_graph_beam_begin (self, &scratch->beam, measure->effort, k)) {
        atomic_store (&measure->failed, true);
        return false;
    }
    uint32_t entry = kith_graph_descend (self, scratch, 0);
    kith_graph_forget (scratch);
    //  Equal rows are reached through the first of them
    if (!kith_graph_has_twin (self, measure->truth->rows [index]))
        scratch->marks [measure->truth->rows [index]] = scratch->epoch;
    kith_graph_walk (self, scratch, 0, entry);
    return true;
}

//  What is done with a row that has walked
typedef void (s_walked_fn) (s_measure_t *measure, kith_graph_scratch_t *scratch,
                            uint32_t index);

//  Lets the rows of a part walk for NEAR answers, one after another
static void
s_walk_rows (s_measure_t *measure, uint32_t part, s_walked_fn *walked)
{
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    const uint32_t first = measure->first + part * BATCH;
    for (uint32_t index = first; index < measure->last && index < first + BATCH;
         index++) {
        if (!s_ready (measure, scratch, index) || !s_walk (measure, scratch, index, NEAR))
            break;
        walked (measure, scratch, index);
    }
    kith_graph_scratch_destroy (&scratch);
}

static void
s_count_shares (s_measure_t *measure, kith_graph_scratch_t *scratch, uint32_t index)
{
    measure->shares10 [index] = s_share (measure, scratch, index, NEAR);
    if (!measure->shares100)
        return;
    //  A wide beam is the same for both
    if (measure->effort < kith_graph_kept (measure->self, FAR, 0)
        && !s_walk (measure, scratch, index, FAR))
        return;
    measure->shares100 [index] = s_share (measure, scratch, index, FAR);
}

static void
s_walk_part (void *arg, uint32_t part)
{
    s_walk_rows (arg, part, s_count_shares);
}

//  The neighbours that a wide beam finds, as if they were the true ones
static void
s_trust (s_measure_t *measure, kith_graph_scratch_t *scratch, uint32_t index)
{
    kith_topk_t top;
    s_look (measure, scratch, index, NEAR, &top);
    kith_topk_sort (&top);
    s_keep_truth (measure->truth, index, &top);
    kith_topk_free (&top);
}

static void
s_trust_part (void *arg, uint32_t part)
{
    s_walk_rows (arg, part, s_trust);
}

static void
s_scan_part (void *arg, uint32_t part)
{
    s_measure_t *measure = arg;
    const kith_graph_t *self = measure->self;
    const kith_graph_truth_t *truth = measure->truth;
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    const uint32_t begin = measure->first + part * BATCH;
    for (uint32_t index = begin; index < measure->last && index < begin + BATCH;
         index++) {
        if (!s_ready (measure, scratch, index))
            break;
        if (!kith_graph_beam_reset (&scratch->beam, kith_graph_depth (self, NEAR))) {
            atomic_store (&measure->failed, true);
            break;
        }
        for (uint32_t first = 0; first < self->rows.rows;
             first += KITH_GRAPH_DEGREE_MAX) {
            uint32_t count = 0;
            for (; count < KITH_GRAPH_DEGREE_MAX && first + count < self->rows.rows;
                 count++)
                scratch->rows [count] = first + count;
            kith_graph_distances (self, scratch, scratch->rows, count,
                                  scratch->distances);
            for (uint32_t each = 0; each < count; each++)
                if (first + each != truth->rows [index]
                    && !(truth->away && kith_bits_get (truth->away, first + each)))
                    kith_graph_beam_put (&scratch->beam, scratch->distances [each],
                                         first + each);
        }
        for (uint32_t depth = 0; depth < KITH_GRAPH_SHALLOWS; depth++) {
            const uint32_t most = kith_graph_shallow (depth, NEAR);
            if (depth > 0)
                scratch->beam.size = s_least (scratch->beam.size, most);
            measure->scanned10 [depth][index] = s_share (measure, scratch, index, NEAR);
        }
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

bool
kith_graph_code_recall (const kith_graph_t *self, kith_graph_truth_t *truth,
                        kith_parallel_t *parallel, float recalls [KITH_GRAPH_SHALLOWS])
{
    float shares [KITH_GRAPH_SHALLOWS][CODED], bound;
    const uint32_t count = s_least (truth->count, CODED);
    s_measure_t measure = {.self = self, .truth = truth};
    for (uint32_t depth = 0; depth < KITH_GRAPH_SHALLOWS; depth++) {
        measure.scanned10 [depth] = shares [depth];
        recalls [depth] = 1;
    }
    if (!s_run (&measure, 0, count, BATCH, s_scan_part, parallel))
        return false;
    for (uint32_t depth = 0; count && depth < KITH_GRAPH_SHALLOWS; depth++)
        s_mean (shares [depth], count, &recalls [depth], &bound);
    return true;
}

//  The next effort to be measured: the less there is, the faster recall rises with it
static uint32_t
s_wider (uint32_t effort)
{
    uint32_t share = effort < 32 ? 4 : effort < 128 ? 3 : effort < 1024 ? 2 : 1;
    return effort + effort / share + 1;
}

//  Measures with the rows whose neighbours are known. False: no memory.
static bool
s_make_grid (kith_graph_t *self, s_measure_t *measure, kith_parallel_t *parallel)
{
    const uint32_t count = s_least (measure->truth->count, SOME);
    const kith_graph_query_t any = {.k = NEAR};
    float shares10 [SOME], shares100 [SOME];
    measure->shares10 = shares10;
    measure->shares100 = shares100;
    bool enough = count == 0;
    for (uint32_t effort = EFFORT_LEAST;
         !enough && self->header.grid < KITH_GRAPH_GRID_MAX; effort = s_wider (effort)) {
        measure->effort = effort;
        if (!s_run (measure, 0, count, BATCH, s_walk_part, parallel))
            return false;
        kith_graph_point_t *point = &self->header.points [self->header.grid++];
        point->effort = effort;
        s_mean (shares10, count, &point->recall10, &point->bound10);
        s_mean (shares100, count, &point->recall100, &point->bound100);
        //  No search walks wider than where a scan is cheaper
        enough = (point->bound10 > ENOUGH && point->bound100 > ENOUGH)
                 || kith_graph_plan (self, NULL, self->rows.rows, effort, &any).way
                        != KITH_GRAPH_WALK;
    }
    return true;
}

//  The first point at which nearly nothing is missed; null: none
static const kith_graph_point_t *
s_trusted (const kith_graph_t *self)
{
    const kith_graph_header_t *header = &self->header;
    for (uint32_t index = 0; index < header->grid; index++)
        if (header->points [index].recall10 >= TRUSTED)
            return &header->points [index];
    return NULL;
}

//  Measures beams that miss something with all drawn rows. False: no memory.
static bool
s_sharpen (kith_graph_t *self, s_measure_t *measure, kith_parallel_t *parallel)
{
    const uint32_t count = measure->truth->count;
    const kith_graph_point_t *trusted = s_trusted (self);
    if (!trusted || count <= SOME)
        return true;
    float shares10 [KITH_GRAPH_SAMPLE];
    measure->shares10 = shares10;
    measure->shares100 = NULL;
    measure->effort = trusted->effort;
    bool done = s_run (measure, SOME, count, BATCH, s_trust_part, parallel);
    const float missed = 1 - trusted->recall10;
    for (kith_graph_point_t *point = self->header.points;
         done && point < trusted && point->recall10 < STEADY; point++) {
        measure->effort = point->effort;
        done = s_run (measure, 0, count, BATCH, s_walk_part, parallel);
        if (!done)
            break;
        s_mean (shares10, count, &point->recall10, &point->bound10);
        point->recall10 -= missed;
        point->bound10 -= missed;
    }
    return done;
}

bool
kith_graph_calibrate (kith_graph_t *self, kith_graph_truth_t *truth,
                      kith_parallel_t *parallel)
{
    s_measure_t measure = {.self = self, .truth = truth};
    self->header.grid = 0;
    return s_make_grid (self, &measure, parallel) && s_sharpen (self, &measure, parallel);
}

//  ---------------------------------------------------------------------
//  Lists

typedef struct {
    const kith_graph_t *self;
    const kith_graph_truth_t *truth;
    kith_bits_t live;    //  rows that count and are not away
    uint32_t count;      //  drawn rows that ask
    uint32_t lists;
    uint32_t k;
    float *shares;    //  of each drawn row
    atomic_bool failed;
} s_lists_t;

//  Some drawn rows ask in one batch
static void
s_ask_part (void *arg, uint32_t part)
{
    s_lists_t *lists = arg;
    const kith_graph_t *self = lists->self;
    const kith_graph_truth_t *truth = lists->truth;
    const uint32_t first = part * ASKING;
    const uint32_t count = s_least (lists->count - first, ASKING);
    const size_t bytes = kith_graph_vector_bytes (self);
    char *queries = kith_alloc64 (count * bytes);
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    float norms [ASKING];
    kith_topk_t tops [ASKING];
    for (uint32_t index = 0; queries && index < count; index++) {
        const uint32_t row = truth->rows [first + index];
        memcpy (queries + index * bytes, kith_graph_vector (self, row), bytes);
        norms [index] = self->rows.norms ? self->rows.norms [row] : 0;
        kith_topk_init (&tops [index], lists->k + 1);
    }
    const kith_graph_batch_t batch = {.queries = queries, .norms = norms, .count = count};
    const kith_graph_query_t options = {.k = lists->k, .live = &lists->live};
    const kith_graph_many_t many = {.batch = &batch,
                                    .options = &options,
                                    .rows = self->rows.rows,
                                    .live = self->rows.rows,
                                    .lists = lists->lists};
    uint64_t compared = 0;
    bool stopped = false;
    if (!queries
        || !kith_graph_lists_search (self, &many, scratch, tops, &compared, &stopped))
        atomic_store (&lists->failed, true);
    for (uint32_t index = 0; queries && index < count; index++) {
        lists->shares [first + index] =
            s_share_of (truth, first + index, lists->k, &tops [index]);
        kith_topk_free (&tops [index]);
    }
    kith_graph_scratch_destroy (&scratch);
    free (queries);
}

//  The first `count` drawn rows ask for k. False: no memory.
static bool
s_ask (s_lists_t *lists, uint32_t k, uint32_t count, kith_parallel_t *parallel,
       float *mean, float *bound)
{
    float shares [KITH_GRAPH_SAMPLE];
    lists->k = k;
    lists->count = count;
    lists->shares = shares;
    kith_graph_run (parallel, (count + ASKING - 1) / ASKING, s_ask_part, lists);
    if (!atomic_load (&lists->failed))
        s_mean (shares, count, mean, bound);
    return !atomic_load (&lists->failed);
}

//  One point of the grid: twice as many rows tell of NEAR if calibration found their neighbours. *enough: nearly nothing of what was taken
//  for true is missed. False: no memory.
static bool
s_measure_lists (s_lists_t *lists, kith_parallel_t *parallel, kith_graph_point_t *point,
                 bool *enough)
{
    const uint32_t some = s_least (lists->truth->count, SOME);
    const kith_graph_point_t *trusted = s_trusted (lists->self);
    point->effort = lists->lists;
    if (!s_ask (lists, NEAR, trusted ? s_least (lists->truth->count, 2 * SOME) : some,
                parallel, &point->recall10, &point->bound10)
        || !s_ask (lists, FAR, some, parallel, &point->recall100, &point->bound100))
        return false;
    *enough = point->bound10 > ENOUGH && point->bound100 > ENOUGH;
    if (trusted) {
        point->recall10 -= 1 - trusted->recall10;
        point->bound10 -= 1 - trusted->recall10;
    }
    return true;
}

bool
kith_graph_lists_calibrate (kith_graph_t *self, const kith_graph_truth_t *truth,
                            kith_parallel_t *parallel)
{
    kith_graph_header_t *header = &self->header;
    header->list_grid = 0;
    if (header->lists == 0 || truth->count == 0)
        return true;
    s_lists_t lists = {.self = self, .truth = truth};
    kith_bits_init (&lists.live, header->rows, true);
    for (uint32_t row = 0; row < header->rows; row++)
        if ((truth->away && kith_bits_get (truth->away, row))
            || (truth->live && !kith_bits_get (truth->live, row)))
            kith_bits_drop (&lists.live, row);
    bool done = true, enough = false;
    //  Where more than half of them are wanted, walks are cheaper
    for (lists.lists = 1; done && !enough && lists.lists <= (header->lists + 1) / 2
                          && header->list_grid < KITH_GRAPH_LIST_GRID_MAX;
         lists.lists += lists.lists / 2 + 1) {
        kith_graph_point_t *point = &header->list_points [header->list_grid];
        done = s_measure_lists (&lists, parallel, point, &enough);
        header->list_grid += done;
    }
    kith_bits_free (&lists.live);
    return done;
}
