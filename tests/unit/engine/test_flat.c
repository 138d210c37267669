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
    void *vectors;    //  of the rows' type, as are queries
    float *norms;
    void *queries;
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
    float *vectors = kith_alloc64 ((size_t) rows * dim * 4 + 64);
    float *queries = kith_alloc64 ((size_t) nq * dim * 4 + 64);
    kith_random_t random;
    kith_random_seed (&random, rows * 31 + dim + (uint32_t) shape);
    data.vectors = vectors;
    data.queries = queries;
    data.norms = kith_alloc64 ((size_t) rows * 4 + 64);
    data.query_norms = kith_alloc64 ((size_t) nq * 4 + 64);
    for (uint32_t row = 0; row < rows; row++) {
        s_fill (&random, shape, vectors + (size_t) row * dim, dim, row);
        data.norms [row] = kith_norm (vectors + (size_t) row * dim, dim);
    }
    for (uint32_t query = 0; query < nq; query++) {
        s_fill (&random, shape, queries + (size_t) query * dim, dim, query);
        data.query_norms [query] = kith_norm (queries + (size_t) query * dim, dim);
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

static const void *
s_query (const data_t *data, uint32_t query)
{
    size_t bytes = kith_vector_bytes (data->rows.type, data->rows.dim);
    return (const char *) data->queries + query * bytes;
}

//  The nearest float16 towards zero, of values in its range
static uint16_t
s_float16 (float value)
{
    int exponent;
    double size = frexp (fabs ((double) value), &exponent);
    uint16_t sign = value < 0 ? 0x8000 : 0;
    if (size <= 0 || exponent < -24)
        return sign;
    if (exponent < -13)
        return (uint16_t) (sign | (uint16_t) ldexp (size, exponent + 24));
    return (uint16_t) (sign | (((exponent + 13) << 10) + (uint16_t) ldexp (size, 11)));
}

//  Makes numbers of another type out of floats, in their place; float16 as wide as its range
static void
s_narrow (kith_vector_t type, uint32_t dim, uint32_t count, void *vectors)
{
    size_t bytes = kith_vector_bytes (type, dim);
    for (uint32_t row = 0; row < count; row++) {
        const float *from = (const float *) vectors + (size_t) row * dim;
        uint8_t *to = (uint8_t *) vectors + row * bytes;
        uint8_t bits = 0;
        for (uint32_t index = 0; index < dim; index++) {
            float value = from [index];
            uint16_t half = s_float16 (value);
            if (type == KITH_VECTOR_BFLOAT16)
                memcpy (&half, (const char *) &value + 2, 2);
            if (type == KITH_VECTOR_INT8)
                to [index] = (uint8_t) (int8_t) fmaxf (-128, fminf (127, value * 40));
            else if (type != KITH_VECTOR_BINARY)
                memcpy (to + 2 * index, &half, 2);
            else {
                bits = index % 8 ? bits : 0;
                bits = (uint8_t) (bits | (value > 0) << index % 8);
                to [index / 8] = bits;
            }
        }
    }
}

//  Rows and queries of any type
static data_t
s_data_of (kith_vector_t type, kith_metric_t metric, uint32_t dim, shape_t shape)
{
    enum { ROWS = 1500, NQ = 20 };
    data_t data = s_data (metric, ROWS, dim, NQ, shape);
    size_t bytes = kith_vector_bytes (type, dim);
    s_narrow (type, dim, ROWS, data.vectors);
    s_narrow (type, dim, NQ, data.queries);
    data.rows.type = type;
    for (uint32_t row = 0; row < ROWS; row++)
        data.norms [row] =
            kith_norm_of (type, (const char *) data.vectors + row * bytes, dim);
    for (uint32_t query = 0; query < NQ; query++)
        data.query_norms [query] = kith_norm_of (type, s_query (&data, query), dim);
    return data;
}

static kith_topk_t *
s_run (const data_t *data, uint32_t first, uint32_t nq, uint32_t k,
       const kith_bits_t *live)
{
    kith_topk_t *tops = calloc (nq, sizeof *tops);
    for (uint32_t query = 0; query < nq; query++)
        kith_topk_init (&tops [query], k);
    uint64_t compared =
        kith_flat_search (&data->rows, s_query (data, first), data->query_norms + first,
                          nq, live, 5, 1000, tops);
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
        size_t bytes = kith_vector_bytes (rows->type, rows->dim);
        kith_side_t a = {s_query (data, query), data->query_norms [query]};
        kith_side_t b = {(const char *) data->vectors + row * bytes, data->norms [row]};
        float score = kith_score_of (rows->type, rows->metric, a, b, rows->dim);
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

//  Every type of vectors under every metric that makes sense for it, few queries and many, with and without a filter
Test (flat, vectors_of_every_type)
{
    kith_gemm_init ();
    for (kith_vector_t type = KITH_VECTOR_FLOAT16; type <= KITH_VECTOR_BINARY; type++)
        for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_JACCARD;
             metric++)
            for (shape_t shape = NORMAL; shape <= ZEROS; shape++) {
                kith_measure_t measure;
                if (!kith_kernels_measure (kith_kernels (), type, metric, &measure))
                    continue;
                data_t data = s_data_of (type, metric, 43, shape);
                s_check_batch (&data, 10, NULL);
                kith_bits_t live;
                kith_bits_init (&live, data.rows.rows, false);
                for (uint32_t row = 0; row < data.rows.rows; row++)
                    if (kith_mix64 (row) % 7 == 0)
                        kith_bits_set (&live, row);
                s_check_batch (&data, 10, &live);
                kith_bits_free (&live);
                s_data_free (&data);
            }
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
