//  bin_calibrate.c - measures recall on the rows themselves: lists probed -> recall, kept with the index
//  SPDX-License-Identifier: Apache-2.0
//
//  A drawn row asks for its neighbours, itself left out: what a query from the same distribution would meet. Once the true
//  neighbours are known nothing has to be searched: a neighbour is found as soon as the list it lies in is probed, so one
//  order of the lists gives the recall of every effort. The bound is one-sided, 95 %, over the drawn rows.
#include <math.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/bin_layout.h"

enum {
    DRAWN = 512,
    BATCH = 16,    //  drawn rows of one part
    HITS =
        1200    //  neighbours that are known: the deepest recall, and equals of the last
};

static const uint32_t s_depths [KITH_BIN_DEPTHS] = {10, 100, 1000};

typedef struct {
    float of [KITH_BIN_GRID_MAX][KITH_BIN_DEPTHS];
} s_shares_t;

typedef struct {
    const kith_bin_t *self;
    const uint32_t *list_of;
    uint32_t drawn [DRAWN];
    uint32_t probes [KITH_BIN_GRID_MAX];    //  efforts that are measured
    uint32_t grid;
    s_shares_t *shares;    //  of each drawn row
    atomic_bool failed;
} s_measure_t;

//  Share of the `depth` nearest that lie in lists of a rank below each effort. Rows as near as the last of them are as good.
static void
s_weigh (const s_measure_t *measure, const kith_topk_t *near, const uint32_t *ranks,
         uint32_t level, s_shares_t *shares)
{
    uint32_t depth = s_depths [level] < near->count ? s_depths [level] : near->count;
    uint32_t equals = depth;
    while (equals < near->count
           && near->hits [equals].distance <= near->hits [depth - 1].distance)
        equals++;
    for (uint32_t point = 0; point < measure->grid; point++) {
        uint32_t found = 0;
        for (uint32_t hit = 0; hit < equals; hit++)
            found += ranks [hit] < measure->probes [point];
        shares->of [point][level] =
            depth == 0 || found >= depth ? 1 : (float) found / (float) depth;
    }
}

//  Ranks of the lists that the hits lie in, without the drawn row itself
static void
s_rank (const s_measure_t *measure, uint32_t drawn, kith_topk_t *near, uint32_t *rank_of,
        uint32_t *ranks)
{
    uint32_t kept = 0;
    for (uint32_t hit = 0; hit < near->count; hit++) {
        if (near->hits [hit].row == measure->drawn [drawn])
            continue;
        near->hits [kept] = near->hits [hit];
        ranks [kept++] = rank_of [measure->list_of [near->hits [hit].row]];
    }
    near->count = kept;
}

static void
s_measure_part (void *arg, uint32_t part)
{
    s_measure_t *measure = arg;
    const kith_bin_t *self = measure->self;
    const kith_rows_t *rows = &self->index.rows;
    size_t bytes = kith_bin_bytes (rows);
    uint32_t lists = self->header.lists, ranks [HITS];
    kith_bin_order_t order = {0};
    kith_topk_t near [BATCH];
    uint8_t *queries = kith_alloc64 (BATCH * bytes);
    uint32_t *rank_of = kith_alloc64 (lists * sizeof *rank_of);
    if (queries && rank_of && kith_bin_order_reserve (&order, lists)) {
        for (uint32_t index = 0; index < BATCH; index++) {
            uint32_t row = measure->drawn [part * BATCH + index];
            memcpy (queries + index * bytes,
                    (const uint8_t *) rows->vectors + row * bytes, bytes);
            kith_topk_init (&near [index], HITS);
        }
        kith_flat_search (rows, queries, NULL, BATCH, NULL, 0, 0, near);
        for (uint32_t index = 0; index < BATCH; index++) {
            kith_bin_order_fill (&order, self, queries + index * bytes, lists);
            for (uint32_t rank = 0; rank < lists; rank++)
                rank_of [order.order [rank]] = rank;
            kith_topk_sort (&near [index]);
            s_rank (measure, part * BATCH + index, &near [index], rank_of, ranks);
            for (uint32_t level = 0; level < KITH_BIN_DEPTHS; level++)
                s_weigh (measure, &near [index], ranks, level,
                         &measure->shares [part * BATCH + index]);
            kith_topk_free (&near [index]);
        }
    }
    else
        atomic_store (&measure->failed, true);
    kith_bin_order_free (&order);
    free (rank_of);
    free (queries);
}

//  Mean over the drawn rows, and its bound
static void
s_mean (const s_measure_t *measure, uint32_t point, uint32_t level, kith_bin_point_t *out)
{
    double sum = 0, squares = 0;
    for (uint32_t drawn = 0; drawn < DRAWN; drawn++)
        sum += (double) measure->shares [drawn].of [point][level];
    for (uint32_t drawn = 0; drawn < DRAWN; drawn++)
        squares +=
            pow ((double) measure->shares [drawn].of [point][level] - sum / DRAWN, 2);
    out->recall [level] = (float) (sum / DRAWN);
    out->bound [level] = (float) (sum / DRAWN - 1.645 * sqrt (squares / DRAWN / DRAWN));
}

bool
kith_bin_calibrate (kith_bin_t *self, const uint32_t *list_of,
                    const kith_index_params_t *params)
{
    uint32_t lists = self->header.lists;
    s_measure_t *measure = kith_new (sizeof *measure);
    measure->self = self;
    measure->list_of = list_of;
    measure->shares = kith_alloc64 (DRAWN * sizeof *measure->shares);
    kith_random_t random;
    kith_random_seed (&random, params->seed ^ 0x63616c69u);
    for (uint32_t drawn = 0; drawn < DRAWN; drawn++)
        measure->drawn [drawn] =
            (uint32_t) kith_random_below (&random, self->header.rows);
    for (uint32_t probes = 1; probes < lists && measure->grid + 1 < KITH_BIN_GRID_MAX;
         probes += probes / 4 + 1)
        measure->probes [measure->grid++] = probes;
    measure->probes [measure->grid++] = lists;
    if (measure->shares)
        kith_bin_run (params, DRAWN / BATCH, s_measure_part, measure);
    bool measured = measure->shares && !atomic_load (&measure->failed);
    self->header.grid = measured ? measure->grid : 0;
    for (uint32_t point = 0; point < self->header.grid; point++) {
        self->header.points [point].probes = measure->probes [point];
        for (uint32_t level = 0; level < KITH_BIN_DEPTHS; level++)
            s_mean (measure, point, level, &self->header.points [point]);
    }
    free (measure->shares);
    free (measure);
    return measured;
}
