//  test_flat.c - exact search against a sort in double precision, and batch against single queries
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/flat.h"
#include "engine/kernels/gemm.h"

typedef struct {
    kith_rows_t rows;
    float *vectors;
    float *norms;
    float *queries;
    float *query_norms;
    uint32_t nq;
} data_t;

typedef enum {
    NORMAL,
    GRID,     //  few distinct values: ties everywhere
    ZEROS,    //  every fifth row zero, and the first query
    SCALES    //  magnitudes from 1e-25 to 1e25
} shape_t;

static float
s_value (kith_random_t *random, shape_t shape, double scale)
{
    if (shape == GRID)
        return (float) kith_random_below (random, 3) - 1;
    return (float) (kith_random_normal (random) * scale);
}

static void
s_fill (kith_random_t *random, shape_t shape, float *vector, uint32_t dim, uint32_t row)
{
    double scale = shape == SCALES ? pow (10, kith_random_unit (random) * 50 - 25) : 1;
    for (uint32_t index = 0; index < dim; index++)
        vector [index] = s_value (random, shape, scale);
    if (shape == ZEROS && row % 5 == 0)
        memset (vector, 0, dim * sizeof *vector);
}

static data_t
s_data (kith_metric_t metric, uint32_t rows, uint32_t dim, uint32_t nq, shape_t shape)
{
    data_t data = {.nq = nq};
    kith_random_t random;
    kith_random_seed (&random, rows * 31 + dim + (uint32_t) shape);
    data.vectors = kith_alloc64 ((size_t) rows * dim * 4 + 64);
    data.norms = kith_alloc64 ((size_t) rows * 4 + 64);
    data.queries = kith_alloc64 ((size_t) nq * dim * 4 + 64);
    data.query_norms = kith_alloc64 ((size_t) nq * 4 + 64);
    for (uint32_t row = 0; row < rows; row++) {
        s_fill (&random, shape, data.vectors + (size_t) row * dim, dim, row);
        data.norms [row] = kith_norm (data.vectors + (size_t) row * dim, dim);
    }
    for (uint32_t query = 0; query < nq; query++) {
        s_fill (&random, shape, data.queries + (size_t) query * dim, dim, query);
        data.query_norms [query] = kith_norm (data.queries + (size_t) query * dim, dim);
    }
    data.rows = (kith_rows_t){.vectors = data.vectors,
                              .norms = metric == KITH_METRIC_COSINE ? data.norms : NULL,
                              .rows = rows,
                              .dim = dim,
                              .metric = metric};
    return data;
}

static void
s_data_free (data_t *data)
{
    free (data->vectors);
    free (data->norms);
    free (data->queries);
    free (data->query_norms);
}

static kith_topk_t *
s_run (const data_t *data, uint32_t first, uint32_t nq, uint32_t k,
       const kith_bits_t *live)
{
    kith_topk_t *tops = calloc (nq, sizeof *tops);
    for (uint32_t query = 0; query < nq; query++)
        kith_topk_init (&tops [query], k);
    uint64_t compared =
        kith_flat_search (&data->rows, data->queries + (size_t) first * data->rows.dim,
                          data->query_norms + first, nq, live, 5, 1000, tops);
    uint32_t rows = live ? kith_bits_popcount (live) : data->rows.rows;
    cr_assert_eq (compared, (uint64_t) rows * nq);
    for (uint32_t query = 0; query < nq; query++)
        kith_topk_sort (&tops [query]);
    return tops;
}

static void
s_tops_free (kith_topk_t *tops, uint32_t nq)
{
    for (uint32_t query = 0; query < nq; query++)
        kith_topk_free (&tops [query]);
    free (tops);
}

//  The oracle: every live row by kith_score, one insertion into a sorted list after another
static void
s_check_against_sort (const data_t *data, uint32_t query, const kith_topk_t *top,
                      const kith_bits_t *live)
{
    const kith_rows_t *rows = &data->rows;
    uint32_t better = 0, allowed = 0;
    for (uint32_t row = 0; row < rows->rows; row++) {
        if (live && !kith_bits_get (live, row))
            continue;
        allowed++;
        float score = kith_score (
            rows->metric, data->queries + (size_t) query * rows->dim,
            data->query_norms [query], data->vectors + (size_t) row * rows->dim,
            data->norms [row], rows->dim);
        kith_hit_t hit = {.distance = kith_score_distance (rows->metric, score),
                          .part = 5,
                          .row = row + 1000};
        bool among = false;
        for (uint32_t index = 0; index < top->count; index++)
            if (top->hits [index].row == hit.row) {
                among = true;
                cr_assert_eq (memcmp (&top->hits [index].distance, &hit.distance, 4), 0);
                cr_assert_eq (top->hits [index].part, 5);
            }
        if (!among && top->count)
            better += kith_hit_better (&hit, &top->hits [top->count - 1]);
    }
    cr_assert_eq (better, 0, "%u rows better than the last hit are missing", better);
    cr_assert_eq (top->count, allowed < top->k ? allowed : top->k);
    for (uint32_t index = 1; index < top->count; index++)
        cr_assert (kith_hit_better (&top->hits [index - 1], &top->hits [index]));
}

static void
s_check_batch (const data_t *data, uint32_t k, const kith_bits_t *live)
{
    kith_topk_t *batch = s_run (data, 0, data->nq, k, live);
    for (uint32_t query = 0; query < data->nq; query++) {
        kith_topk_t *single = s_run (data, query, 1, k, live);
        cr_assert_eq (single->count, batch [query].count);
        for (uint32_t index = 0; index < single->count; index++) {
            const kith_hit_t *a = &single->hits [index], *b = &batch [query].hits [index];
            cr_assert_eq (a->row, b->row, "query %u, hit %u", query, index);
            cr_assert_eq (memcmp (&a->distance, &b->distance, 4), 0);
        }
        if (query % 7 == 0)
            s_check_against_sort (data, query, single, live);
        s_tops_free (single, 1);
    }
    s_tops_free (batch, data->nq);
}

static void
s_check_shape (shape_t shape, uint32_t dim)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++) {
        data_t data = s_data (metric, 2600, dim, 40, shape);
        s_check_batch (&data, 10, NULL);
        for (uint32_t keep = 1; keep <= 1000; keep *= 10) {
            kith_bits_t live;
            kith_bits_init (&live, data.rows.rows, false);
            for (uint32_t row = 0; row < data.rows.rows; row++)
                if (kith_mix64 (row) % keep == 0)
                    kith_bits_set (&live, row);
            s_check_batch (&data, 10, &live);
            kith_bits_free (&live);
        }
        s_data_free (&data);
    }
}

Test (flat, batch_equals_single_on_normal_data)
{
    kith_gemm_init ();
    s_check_shape (NORMAL, 37);
}

Test (flat, batch_equals_single_with_ties)
{
    kith_gemm_init ();
    s_check_shape (GRID, 9);
}

Test (flat, batch_equals_single_with_zero_vectors)
{
    kith_gemm_init ();
    s_check_shape (ZEROS, 16);
}

Test (flat, batch_equals_single_over_all_magnitudes)
{
    kith_gemm_init ();
    s_check_shape (SCALES, 24);
}

Test (flat, own_tiles_give_the_same)
{
    s_check_shape (NORMAL, 20);
}

Test (flat, many_queries_cross_a_tile)
{
    kith_gemm_init ();
    data_t data = s_data (KITH_METRIC_COSINE, 3000, 50, 300, NORMAL);
    s_check_batch (&data, 3, NULL);
    s_data_free (&data);
}

Test (flat, small_and_empty)
{
    for (uint32_t rows = 0; rows < 4; rows++)
        for (uint32_t nq = 1; nq <= 9; nq += 8) {
            data_t data = s_data (KITH_METRIC_L2, rows, 5, nq, NORMAL);
            s_check_batch (&data, 100, NULL);
            kith_bits_t none;
            kith_bits_init (&none, rows, false);
            s_check_batch (&data, 100, &none);
            kith_bits_free (&none);
            s_data_free (&data);
        }
}

Test (flat, same_on_every_instruction_set)
{
    kith_gemm_init ();
    data_t data = s_data (KITH_METRIC_COSINE, 1500, 101, 16, NORMAL);
    kith_topk_t *first = s_run (&data, 0, 16, 20, NULL);
    cr_assert_eq (kith_kernels_choose ("scalar"), 0);
    kith_topk_t *second = s_run (&data, 0, 16, 20, NULL);
    for (uint32_t query = 0; query < 16; query++)
        for (uint32_t index = 0; index < 20; index++) {
            const kith_hit_t *a = &first [query].hits [index],
                             *b = &second [query].hits [index];
            cr_assert_eq (a->row, b->row);
            cr_assert_eq (memcmp (&a->distance, &b->distance, 4), 0);
        }
    s_tops_free (first, 16);
    s_tops_free (second, 16);
    s_data_free (&data);
}
