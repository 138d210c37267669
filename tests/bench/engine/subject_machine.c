//  subject_machine.c - what the machine can do: the constants that the physical limits are made of
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "base/random.h"
#include "engine/kernels/gemm.h"
#include "tests/bench/engine/subject_impl.h"

enum { LINE = 8 };    //  words of 64 bits in a cache line

#define S_BYTES ((size_t) 512 << 20)
#define S_READS (1u << 21)

//  Best of three passes over the buffer
static double
s_sequential (const uint64_t *data)
{
    double best = 0;
    for (int pass = 0; pass < 3; pass++) {
        uint64_t sums [LINE] = {0};
        double began = bench_cpu ();
        for (size_t i = 0; i < S_BYTES / 8; i += LINE)
            for (size_t j = 0; j < LINE; j++)
                sums [j] += data [i + j];
        double seconds = bench_cpu () - began;
        volatile uint64_t kept = sums [0] + sums [1] + sums [2] + sums [3] + sums [4]
                                 + sums [5] + sums [6] + sums [7];
        (void) kept;
        double speed = (double) S_BYTES / seconds / 1e9;
        best = speed > best ? speed : best;
    }
    return best;
}

//  A cycle through all lines in random order (Sattolo 1986): each read says where the next is
static void
s_link (uint64_t *data, kith_random_t *random)
{
    size_t lines = S_BYTES / 64;
    for (size_t i = 0; i < lines; i++)
        data [i * LINE] = i;
    for (size_t i = lines - 1; i > 0; i--) {
        size_t other = (size_t) kith_random_below (random, i);
        uint64_t value = data [i * LINE];
        data [i * LINE] = data [other * LINE];
        data [other * LINE] = value;
    }
}

static double
s_latency (const uint64_t *data)
{
    uint64_t at = 0;
    double began = bench_cpu ();
    for (uint32_t i = 0; i < S_READS / 2; i++)
        at = data [at * LINE];
    double seconds = bench_cpu () - began;
    volatile uint64_t kept = at;
    (void) kept;
    return seconds * 1e9 / (S_READS / 2);
}

//  Records of `lines` lines at random places, asked for 32 records ahead
static double
s_records (const uint64_t *data, kith_random_t *random, size_t lines)
{
    enum { AHEAD = 32 };
    size_t records = S_BYTES / 64 / lines;
    uint32_t *order = kith_new ((S_READS + AHEAD) * sizeof *order);
    for (size_t i = 0; i < S_READS + AHEAD; i++)
        order [i] = (uint32_t) kith_random_below (random, records);
    uint64_t sum = 0;
    double began = bench_cpu ();
    for (size_t i = 0; i < S_READS; i++) {
        const uint64_t *next = data + (size_t) order [i + AHEAD] * lines * LINE;
        const uint64_t *here = data + (size_t) order [i] * lines * LINE;
        for (size_t line = 0; line < lines; line++) {
            __builtin_prefetch (next + line * LINE);
            sum += here [line * LINE];
        }
    }
    double seconds = bench_cpu () - began;
    volatile uint64_t kept = sum;
    (void) kept;
    free (order);
    return seconds * 1e9 / S_READS;
}

static double
s_sgemm (uint32_t dim)
{
    enum { QUERIES = 256, ROWS = 4096, TIMES = 12 };
    float *queries = bench_alloc ((size_t) QUERIES * dim * sizeof (float));
    float *rows = bench_alloc ((size_t) ROWS * dim * sizeof (float));
    float *out = bench_alloc ((size_t) QUERIES * ROWS * sizeof (float));
    double best = 0;
    for (int i = 0; i < TIMES; i++) {
        double began = bench_cpu ();
        kith_gemm (queries, QUERIES, dim, rows, ROWS, dim, dim, out);
        double speed = 2.0 * QUERIES * ROWS * dim / (bench_cpu () - began) / 1e9;
        best = speed > best ? speed : best;
    }
    free (queries);
    free (rows);
    free (out);
    return best;
}

void
bench_machine (double out [6])
{
    kith_random_t random;
    kith_random_seed (&random, 42);
    uint64_t *data = bench_alloc (S_BYTES);
    out [0] = s_sequential (data);
    s_link (data, &random);
    out [1] = s_latency (data);
    out [2] = s_records (data, &random, 1);
    out [3] = s_records (data, &random, 4);
    out [4] = s_sgemm (128);
    out [5] = s_sgemm (768);
    free (data);
}
