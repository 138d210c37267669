//  bench_kernels.c - nanoseconds of each kernel by instruction set, and the share of the memory's own speed
//  SPDX-License-Identifier: Apache-2.0
//
//  bench_kernels [part of a kernel's name] [instruction set]. One JSON line per kernel, instruction set, dimension and working set (one that stays in the
//  second cache, one far beyond the last). The limit is how fast memchr reads a block of the same size: a row costs at
//  least its bytes. Best of 5.
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/kernels/kernels.h"

enum { ROUNDS = 5, SMALL = 256 << 10, LARGE = 192 << 20, ROWS = 1024 };

typedef struct {
    const kith_kernels_t *kernels;
    const char *only;    //  part of a name, or null
    char *query;
    char *rows;
    size_t size;     //  of the working set
    double limit;    //  GB/s that memory gives
} bench_t;

static double
s_now (void)
{
    struct timespec now;
    clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static double
s_read_speed (size_t size)
{
    char *block = kith_alloc64 (size);
    memset (block, 0, size);
    double best = (double) INFINITY;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        size_t passes = size < LARGE ? LARGE / size : 1;
        double start = s_now ();
        for (size_t pass = 0; pass < passes; pass++) {
            const char *found = memchr (block, 1 + (int) pass % 100, size);
            assert (!found);
        }
        best = fmin (best, (s_now () - start) / (double) (passes * size));
    }
    free (block);
    return 1e-9 / best;
}

static void
s_print (const bench_t *bench, const char *name, uint32_t dim, size_t bytes, double best)
{
    double speed = (double) bytes / best * 1e-9;
    printf ("{\"kernel\": \"%s\", \"isa\": \"%s\", \"dim\": %u, \"working_set\": %zu, "
            "\"ns_per_vector\": %.2f, \"gb_per_second\": %.1f, \"limit\": %.1f, "
            "\"percent_of_limit\": %.0f}\n",
            name, bench->kernels->name, dim, bench->size, best * 1e9, speed, bench->limit,
            100 * speed / bench->limit);
}

//  Seconds of one pass of the working set, divided by its rows
static void
s_codes (const bench_t *bench, const char *name, kith_codes4_fn *four, uint32_t bytes)
{
    if (bench->only && !strstr (name, bench->only))
        return;
    size_t rows = bench->size / bytes, passes = LARGE / bench->size;
    double best = (double) INFINITY;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        double start = s_now ();
        for (size_t pass = 0; pass < passes; pass++)
            for (size_t row = 0; row + 4 <= rows; row += 4) {
                const uint8_t *first =
                    (const uint8_t *) bench->rows + row * (size_t) bytes;
                const uint8_t *const codes [4] = {first, first + bytes, first + 2 * bytes,
                                                  first + 3 * bytes};
                int32_t out [4];
                four ((const int8_t *) bench->query, codes, bytes, out);
                __asm__ volatile("" : : "r"(out) : "memory");
            }
        best = fmin (best, (s_now () - start) / (double) (passes * rows));
    }
    s_print (bench, name, bytes, bytes, best);
}

static void
s_rows (const bench_t *bench, const char *name, kith_rows_fn *all, uint32_t dim,
        size_t bytes)
{
    if (bench->only && !strstr (name, bench->only))
        return;
    float out [ROWS];
    size_t rows = bench->size / bytes, passes = LARGE / bench->size;
    double best = (double) INFINITY;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        double start = s_now ();
        for (size_t pass = 0; pass < passes; pass++)
            for (size_t row = 0; row < rows; row += ROWS) {
                uint32_t count = rows - row < ROWS ? (uint32_t) (rows - row) : ROWS;
                all (bench->query, bench->rows + row * bytes, bytes, count, dim, out);
                __asm__ volatile("" : : "r"(out) : "memory");
            }
        best = fmin (best, (s_now () - start) / (double) (passes * rows));
    }
    s_print (bench, name, dim, bytes, best);
}

static void
s_measures (const bench_t *bench, uint32_t dim)
{
    static const char *const types [] = {"float32", "float16", "bfloat16", "int8",
                                         "binary"};
    for (kith_vector_t type = KITH_VECTOR_FLOAT32; type <= KITH_VECTOR_BINARY; type++)
        for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_JACCARD;
             metric++) {
            kith_measure_t measure;
            char name [64];
            if (metric == KITH_METRIC_COSINE    //  by the kernel of ip
                || !kith_kernels_measure (bench->kernels, type, metric, &measure))
                continue;
            snprintf (name, sizeof name, "%s %s", types [type],
                      kith_metric_name (metric));
            s_rows (bench, name, measure.rows, dim, kith_vector_bytes (type, dim));
        }
}

//  Blocks of 32 rows as inverted lists have them
static void
s_fastscan (const bench_t *bench, uint32_t subs)
{
    if (bench->only && !strstr ("fastscan", bench->only))
        return;
    enum { BLOCKS = 8 };
    float sums [BLOCKS * KITH_FASTSCAN_ROWS];
    size_t bytes = subs * (size_t) 16, blocks = bench->size / bytes,
           passes = LARGE / bench->size;
    double best = (double) INFINITY;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        double start = s_now ();
        for (size_t pass = 0; pass < passes; pass++)
            for (size_t block = 0; block + BLOCKS <= blocks; block += BLOCKS) {
                kith_fastscan_t scan = {.codes =
                                            (const uint8_t *) bench->rows + block * bytes,
                                        .stride = bytes,
                                        .table = (const uint8_t *) bench->query,
                                        .subs = subs,
                                        .blocks = BLOCKS};
                bench->kernels->fastscan (&scan, sums);
                __asm__ volatile("" : : "r"(sums) : "memory");
            }
        best = fmin (best, (s_now () - start)
                               / (double) (passes * blocks * KITH_FASTSCAN_ROWS));
    }
    s_print (bench, "fastscan", subs, bytes / KITH_FASTSCAN_ROWS, best);
}

//  Sixteen queries beside panels; seconds of one row and one query
static void
s_panels (const bench_t *bench, uint32_t dim)
{
    if (bench->only && !strstr ("panels", bench->only))
        return;
    enum { PANELS = 16 };
    static int32_t products [KITH_PANEL_QUERIES * PANELS * KITH_PANEL_ROWS];
    const uint32_t steps = (dim + 3) / 4;
    const size_t bytes = (size_t) PANELS * steps * KITH_PANEL_ROWS * 4,
                 groups = bench->size / bytes, passes = LARGE / bench->size;
    kith_panels_t panels = {.asking = KITH_PANEL_QUERIES,
                            .steps = steps,
                            .count = PANELS,
                            .products = products,
                            .products_step = PANELS * KITH_PANEL_ROWS};
    double best = (double) INFINITY;
    for (uint32_t query = 0; query < KITH_PANEL_QUERIES; query++)
        panels.queries [query] = (const int8_t *) bench->query + (size_t) query * 64;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        double start = s_now ();
        for (size_t pass = 0; pass < passes; pass++)
            for (size_t group = 0; group < groups; group++) {
                panels.panels = (const uint8_t *) bench->rows + group * bytes;
                bench->kernels->panels (&panels);
                __asm__ volatile("" : : "r"(products) : "memory");
            }
        best = fmin (best, (s_now () - start)
                               / (double) (passes * groups * PANELS * KITH_PANEL_ROWS
                                           * KITH_PANEL_QUERIES));
    }
    s_print (bench, "panels", dim, dim, best);
}

static void
s_bench (const bench_t *bench)
{
    const kith_kernels_t *kernels = bench->kernels;
    static const uint32_t dims [] = {100, 128, 384, 768, 960};
    static const uint32_t code_bytes [] = {64, 128, 192, 384};
    for (size_t index = 0; index < sizeof dims / sizeof dims [0]; index++)
        s_measures (bench, dims [index]);
    for (size_t index = 0; index < sizeof code_bytes / sizeof code_bytes [0]; index++) {
        s_codes (bench, "nibbles4", kernels->nibbles4, code_bytes [index]);
        s_codes (bench, "bytes4", kernels->bytes4, code_bytes [index]);
        s_codes (bench, "full4", kernels->full4, code_bytes [index]);
    }
    for (size_t index = 0; index < sizeof dims / sizeof dims [0]; index++)
        s_panels (bench, dims [index]);
    s_fastscan (bench, 52);
    s_fastscan (bench, 196);
}

int
main (int argc, char **argv)
{
    static const size_t sizes [] = {SMALL, LARGE};
    kith_random_t random;
    kith_random_seed (&random, 1);
    bench_t bench = {.only = argc > 1 ? argv [1] : NULL};
    bench.query = kith_alloc64 (8192);
    bench.rows = kith_alloc64 (LARGE);
    //  Floats of moderate size, whatever the kernel takes the bytes for
    for (size_t index = 0; index < LARGE / sizeof (float); index++)
        ((float *) (void *) bench.rows) [index] = (float) kith_random_unit (&random);
    memcpy (bench.query, bench.rows, 8192);
    for (size_t size = 0; size < sizeof sizes / sizeof sizes [0]; size++) {
        bench.size = sizes [size];
        bench.limit = s_read_speed (bench.size);
        for (kith_isa_t isa = KITH_ISA_SCALAR; isa <= KITH_ISA_LAST; isa++) {
            bench.kernels = kith_kernels_of (isa);
            if (bench.kernels
                && (argc < 3 || strcmp (bench.kernels->name, argv [2]) == 0))
                s_bench (&bench);
        }
    }
    free (bench.rows);
    free (bench.query);
    return 0;
}
