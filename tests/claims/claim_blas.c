//  claim_blas - exact search of 256 queries in one call against the speed of the matrix product alone
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "engine/indexes/flat.h"
#include "engine/kernels/gemm.h"
#include "tests/claims/common.h"
#include "tests/demo/word_set.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NQ = 256, K = 10, ROUNDS = 7 };

//  Seconds of the product by itself, the better way of two: in one call, and in tiles that stay in the cache
static double
s_product (const float *queries, const word_set_t *set, float *out, size_t tile)
{
    double began = claim_now_ms ();
    for (size_t from = 0; from < set->rows; from += tile) {
        size_t rows = from + tile < set->rows ? tile : set->rows - from;
        kith_gemm (queries, NQ, set->dim, set->vectors + from * set->dim, (uint32_t) rows,
                   set->dim, (uint32_t) set->dim, out);
    }
    return (claim_now_ms () - began) / 1000;
}

static double
s_search (const kith_rows_t *rows, const float *queries, const float *norms,
          kith_topk_t *tops)
{
    double began = claim_now_ms ();
    for (int i = 0; i < NQ; i++)
        kith_topk_init (&tops [i], K);
    (void) kith_flat_search (rows, queries, norms, NQ, NULL, 0, 0, tops);
    for (int i = 0; i < NQ; i++)
        kith_topk_sort (&tops [i]);
    return (claim_now_ms () - began) / 1000;
}

//  How many of the hits are as near as an exact search of its own says
static size_t
s_right (const word_set_t *set, const float *queries, const kith_topk_t *tops)
{
    word_near_t *near = calloc (NQ * K, sizeof *near);
    size_t right = 0;
    word_set_nearest (set, queries, NULL, NQ, K, near);
    for (int i = 0; i < NQ; i++)
        for (int j = 0; j < K; j++)
            right += -tops [i].hits [j].distance > near [i * K + j].score - 1e-5f;
    free (near);
    return right;
}

int
main (void)
{
    claim_t *claim = claim_new ("blas");
    word_set_t *set = word_set_open (claim_words (claim));
    if (!set)
        return 1;
    float *queries = kith_alloc64 (NQ * set->dim * sizeof (float));
    float *norms = calloc (set->rows, sizeof (float)), query_norms [NQ];
    float *out = kith_alloc64 (NQ * set->rows * sizeof (float));
    static kith_topk_t tops [NQ];
    const char *blas = kith_gemm_init ();
    if (!kith_gemm_by_blas ())
        claim_fail (claim, "%s", blas);
    for (size_t i = 0; i < NQ; i++) {
        memcpy (queries + i * set->dim,
                set->vectors + word_set_asked (set, i, NQ) * set->dim,
                set->dim * sizeof (float));
        query_norms [i] = kith_norm (queries + i * set->dim, (uint32_t) set->dim);
    }
    for (size_t i = 0; i < set->rows; i++)
        norms [i] = kith_norm (set->vectors + i * set->dim, (uint32_t) set->dim);
    kith_rows_t rows = {.vectors = set->vectors,
                        .norms = norms,
                        .rows = (uint32_t) set->rows,
                        .dim = (uint32_t) set->dim,
                        .metric = KITH_METRIC_COSINE};
    claim_say ("blas: %d queries x %zu rows x %zu, one thread, %s", NQ, set->rows,
               set->dim, blas);
    double product [ROUNDS], search [ROUNDS];
    size_t right = NQ * K;
    for (int i = 0; i < ROUNDS; i++) {
        double whole = s_product (queries, set, out, set->rows);
        double tiles = s_product (queries, set, out, 2048);
        product [i] = tiles < whole ? tiles : whole;
        search [i] = s_search (&rows, queries, query_norms, tops);
        size_t now = s_right (set, queries, tops);
        right = now < right ? now : right;
        for (int j = 0; j < NQ; j++)
            kith_topk_free (&tops [j]);
    }
    double flops = 2.0 * NQ * (double) set->rows * (double) set->dim / 1e9;
    double by_product = claim_percentile (product, ROUNDS, 0.5);
    double by_search = claim_percentile (search, ROUNDS, 0.5);
    claim_say (
        "sgemm alone %.3f s (%.0f GFLOP/s); search %.3f s (%.0f); %zu of %d hits right",
        by_product, flops / by_product, by_search, flops / by_search, right, NQ * K);
    int rc = claim_figure (by_product >= 0.5 * by_search && right == NQ * K,
                           ">= 50 % of cblas_sgemm, all hits right",
                           "%.0f %% of cblas_sgemm's speed (%zu of %d hits right)",
                           100 * by_product / by_search, right, NQ * K);
    free (queries);
    free (norms);
    free (out);
    word_set_close (&set);
    claim_destroy (&claim);
    return rc;
}
