//  bench_flat.c - exact search against the speed of its own matrix product, and against memory
//  SPDX-License-Identifier: Apache-2.0
//
//  bench_flat [rows] [dim]. Prints, for 1,000 queries in one call, seconds of kith_flat_search and of cblas_sgemm alone for the same
//  product (whole, and share reached), and for one query the bytes read per second. Best of 5, in turns.
#include <math.h>
#include <time.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/flat.h"
#include "engine/kernels/gemm.h"

enum { NQ = 1000, K = 10, ROUNDS = 5, TILE = 1024 };

static double
s_now (void)
{
    struct timespec now;
    clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static float *
s_normal (kith_random_t *random, size_t count)
{
    float *values = kith_alloc64 (count * sizeof *values);
    for (size_t index = 0; index < count; index++)
        values [index] =
            (float) (kith_random_unit (random) + kith_random_unit (random) - 1);
    return values;
}

static double
s_search (const kith_rows_t *rows, const float *queries, const float *norms, uint32_t nq)
{
    kith_topk_t tops [NQ];
    for (uint32_t query = 0; query < nq; query++)
        kith_topk_init (&tops [query], K);
    double start = s_now ();
    kith_flat_search (rows, queries, norms, nq, NULL, 0, 0, tops);
    double seconds = s_now () - start;
    for (uint32_t query = 0; query < nq; query++)
        kith_topk_free (&tops [query]);
    return seconds;
}

//  The whole product by BLAS alone, in tiles of 4 MiB: faster than at once
static double
s_blas (const kith_rows_t *rows, const float *queries, float *out)
{
    double start = s_now ();
    for (uint32_t first = 0; first < rows->rows; first += TILE) {
        uint32_t count = rows->rows - first < TILE ? rows->rows - first : TILE;
        const float *base = rows->vectors;
        kith_gemm (queries, NQ, rows->dim, base + (size_t) first * rows->dim, count,
                   rows->dim, rows->dim, out);
    }
    return s_now () - start;
}

int
main (int argc, char **argv)
{
    uint32_t count = argc > 1 ? (uint32_t) strtoul (argv [1], NULL, 10) : 200000;
    uint32_t dim = argc > 2 ? (uint32_t) strtoul (argv [2], NULL, 10) : 128;
    printf ("{\"kernels\": \"%s\", \"gemm\": \"%s\"}\n", kith_kernels ()->name,
            kith_gemm_init ());
    kith_random_t random;
    kith_random_seed (&random, 1);
    float *vectors = s_normal (&random, (size_t) count * dim);
    float *queries = s_normal (&random, (size_t) NQ * dim);
    float *norms = kith_alloc64 (count * sizeof *norms);
    float query_norms [NQ];
    float *out = kith_alloc64 ((size_t) NQ * TILE * sizeof *out);
    for (uint32_t row = 0; row < count; row++)
        norms [row] = kith_norm (vectors + (size_t) row * dim, dim);
    for (uint32_t query = 0; query < NQ; query++)
        query_norms [query] = kith_norm (queries + (size_t) query * dim, dim);
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++) {
        kith_rows_t rows = {.vectors = vectors,
                            .norms = metric == KITH_METRIC_COSINE ? norms : NULL,
                            .rows = count,
                            .dim = dim,
                            .metric = metric};
        double many = (double) INFINITY, one = (double) INFINITY,
               blas = (double) INFINITY;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            many = fmin (many, s_search (&rows, queries, query_norms, NQ));
            blas = fmin (blas, s_blas (&rows, queries, out));
            one = fmin (one, s_search (&rows, queries, query_norms, 1));
        }
        double flops = 2.0 * NQ * count * dim;
        printf (
            "{\"metric\": \"%s\", \"rows\": %u, \"dim\": %u, \"batch_seconds\": %.3f, "
            "\"sgemm_seconds\": %.3f, \"share_of_sgemm\": %.2f, \"sgemm_gflops\": %.1f, "
            "\"one_gb_per_second\": %.1f}\n",
            kith_metric_name (metric), count, dim, many, blas, blas / many,
            flops / blas * 1e-9, (double) count * dim * 4 / one * 1e-9);
    }
    free (out);
    free (norms);
    free (queries);
    free (vectors);
    return 0;
}
