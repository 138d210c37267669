//  bench_bin.c - the index over binary vectors against a scan
//  SPDX-License-Identifier: Apache-2.0
//
//  bench_bin [rows] [bits]. Vectors are signs of random projections of points about 2,000 centres in 24 dimensions, as binarised
//  embeddings are. Prints the seconds of a build, and for each recall asked for what was reached on queries that were not
//  indexed, microseconds of a query and how many times faster than a scan; once without and once with a filter of each share.
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/index.h"

enum { NQ = 300, K = 10, LATENT = 24, CENTRES = 2000 };

typedef struct {
    kith_rows_t rows;
    uint8_t *queries;
    size_t bytes;
    kith_index_t *index;
    kith_index_scratch_t *scratch;
} bench_t;

static double
s_now (void)
{
    struct timespec now;
    clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static void
s_vector (kith_random_t *random, const float *centres, const float *planes, uint32_t bits,
          uint8_t *out)
{
    const float *centre = centres + kith_random_below (random, CENTRES) * LATENT;
    float point [LATENT];
    for (uint32_t index = 0; index < LATENT; index++)
        point [index] = centre [index] + 0.6f * (float) kith_random_normal (random);
    for (uint32_t bit = 0; bit < bits; bit++)
        if (kith_kernels ()->dot (point, planes + bit * LATENT, LATENT) > 0)
            out [bit / 8] = (uint8_t) (out [bit / 8] | 1u << bit % 8);
}

static void
s_make (bench_t *bench, uint32_t rows, uint32_t bits)
{
    kith_random_t random;
    kith_random_seed (&random, 9);
    float *centres = kith_alloc64 (CENTRES * LATENT * sizeof *centres);
    float *planes = kith_alloc64 (bits * LATENT * sizeof *planes);
    for (uint32_t index = 0; index < CENTRES * LATENT; index++)
        centres [index] = (float) kith_random_normal (&random);
    for (uint32_t index = 0; index < bits * LATENT; index++)
        planes [index] = (float) kith_random_normal (&random);
    bench->bytes = kith_vector_bytes (KITH_VECTOR_BINARY, bits);
    uint8_t *vectors = kith_alloc64 (rows * bench->bytes);
    bench->queries = kith_alloc64 (NQ * bench->bytes);
    for (uint32_t row = 0; row < rows; row++)
        s_vector (&random, centres, planes, bits, vectors + row * bench->bytes);
    for (uint32_t query = 0; query < NQ; query++)
        s_vector (&random, centres, planes, bits, bench->queries + query * bench->bytes);
    bench->rows = (kith_rows_t){
        .vectors = vectors, .rows = rows, .dim = bits, .type = KITH_VECTOR_BINARY};
    free (centres);
    free (planes);
}

//  Asks each query by index and by scan, in turns
static void
s_ask (const bench_t *bench, float recall, const kith_bits_t *live, double share)
{
    double index_seconds = 0, scan_seconds = 0;
    uint64_t compared = 0, found = 0, wanted = 0;
    for (uint32_t query = 0; query < NQ; query++) {
        kith_index_query_t ask = {
            .queries =
                (const float *) (const void *) (bench->queries + query * bench->bytes),
            .nq = 1,
            .k = K,
            .recall = recall,
            .live = live};
        kith_topk_t top, exact;
        kith_topk_init (&top, K);
        kith_topk_init (&exact, K);
        double start = s_now ();
        kith_index_search (bench->index, &ask, bench->scratch, &top, &compared, NULL);
        double between = s_now ();
        kith_flat_search (&bench->rows, ask.queries, NULL, 1, live, 0, 0, &exact);
        scan_seconds += s_now () - between;
        index_seconds += between - start;
        float limit = kith_topk_worst (&exact);
        wanted += exact.count;
        for (uint32_t hit = 0; hit < top.count; hit++)
            found += top.hits [hit].distance <= limit;
        kith_topk_free (&top);
        kith_topk_free (&exact);
    }
    printf (
        "{\"metric\": \"%s\", \"asked\": %.2f, \"filter_share\": %.3f, \"recall\": %.4f, "
        "\"us\": %.1f, \"scan_us\": %.1f, \"times_faster\": %.1f, \"compared\": %.0f}\n",
        kith_metric_name (bench->rows.metric), (double) recall, share,
        (double) found / (double) wanted, index_seconds / NQ * 1e6,
        scan_seconds / NQ * 1e6, scan_seconds / index_seconds, (double) compared / NQ);
}

static void
s_filters (const bench_t *bench)
{
    static const double shares [] = {0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.003, 0.001};
    for (size_t each = 0; each < sizeof shares / sizeof shares [0]; each++) {
        kith_random_t random;
        kith_random_seed (&random, 4);
        kith_bits_t live;
        kith_bits_init (&live, bench->rows.rows, false);
        for (uint32_t row = 0; row < bench->rows.rows; row++)
            if (kith_random_unit (&random) < shares [each])
                kith_bits_set (&live, row);
        s_ask (bench, 0.95f, &live, shares [each]);
        kith_bits_free (&live);
    }
}

int
main (int argc, char **argv)
{
    static const float recalls [] = {0.9f, 0.95f, 0.99f};
    bench_t bench = {.scratch = kith_index_scratch_new ()};
    s_make (&bench, argc > 1 ? (uint32_t) strtoul (argv [1], NULL, 10) : 300000,
            argc > 2 ? (uint32_t) strtoul (argv [2], NULL, 10) : 512);
    for (kith_metric_t metric = KITH_METRIC_HAMMING; metric <= KITH_METRIC_JACCARD;
         metric++) {
        bench.rows.metric = metric;
        kith_index_params_t params = {.kind = KITH_INDEX_BIN, .seed = 1};
        double start = s_now ();
        bench.index = kith_index_build (&bench.rows, &params, NULL);
        assert (bench.index);
        kith_index_info_t info;
        kith_index_describe (bench.index, &info);
        printf ("{\"metric\": \"%s\", \"kernels\": \"%s\", \"rows\": %u, \"bits\": %u, "
                "\"build_seconds\": %.2f, "
                "\"lists\": %u, \"bytes\": %" PRIu64 "}\n",
                kith_metric_name (metric), kith_kernels ()->name, bench.rows.rows,
                bench.rows.dim, s_now () - start, info.lists, info.bytes);
        for (size_t each = 0; each < sizeof recalls / sizeof recalls [0]; each++)
            s_ask (&bench, recalls [each], NULL, 1);
        s_filters (&bench);
        kith_index_destroy (&bench.index);
    }
    kith_index_scratch_destroy (&bench.scratch);
    free ((void *) (uintptr_t) bench.rows.vectors);
    free (bench.queries);
    return 0;
}
