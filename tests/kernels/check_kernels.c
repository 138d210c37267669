//  check_kernels.c - every kernel of every instruction set of this CPU against the scalar one, bit for bit
//  SPDX-License-Identifier: Apache-2.0
//
//  All dimensions 1 .. 1100, odd addresses, ordinary, tiny, huge, signed-zero, denormal, infinite and NaN values; buffers end
//  where the vector ends, so that a sanitizer build sees a read past it. Prints which instruction sets ran.
#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "engine/kernels/kernels.h"

enum { DIM_MAX = 1100, ROWS = 7, COUNT = 300 };

typedef enum {
    PLAIN,
    MIXED,      //  magnitudes from denormal to nearly overflowing
    SPECIAL,    //  zeros of both signs, infinities, NaN among plain ones
    KINDS
} kind_t;

typedef struct {
    const kith_kernels_t *fast;
    const kith_kernels_t *scalar;
    kith_random_t random;
    uint64_t checks;
    uint64_t failures;
} check_t;

static float
s_special (kith_random_t *random)
{
    const float values [] = {0.0f,   -0.0f,   INFINITY, -INFINITY, NAN,
                             1e-45f, -1e-45f, 1e-40f,   3e38f};
    return values [kith_random_below (random, sizeof values / sizeof values [0])];
}

static float
s_value (kith_random_t *random, kind_t kind)
{
    double plain = kith_random_unit (random) * 2 - 1;
    if (kind == MIXED)
        return (float) (plain * pow (10, kith_random_unit (random) * 60 - 42));
    if (kind == SPECIAL && kith_random_below (random, 40) == 0)
        return s_special (random);
    return (float) plain;
}

static void
s_report (check_t *check, const char *kernel, uint32_t dim, kind_t kind)
{
    check->failures++;
    if (check->failures < 20)
        fprintf (stderr, "%s %s differs from scalar: dim %u, values %d\n",
                 check->fast->name, kernel, dim, (int) kind);
}

//  Equal bits, or both not a number (which operand's NaN survives is not specified)
static void
s_same (check_t *check, const float *a, const float *b, uint32_t count,
        const char *kernel, uint32_t dim, kind_t kind)
{
    for (uint32_t index = 0; index < count; index++) {
        bool same = memcmp (a + index, b + index, sizeof *a) == 0
                    || (isnan (a [index]) && isnan (b [index]));
        check->checks++;
        if (!same)
            s_report (check, kernel, dim, kind);
    }
}

static void
s_check_scores (check_t *check, uint32_t dim, kind_t kind)
{
    //  One odd byte in front: nothing may rely on alignment
    size_t stride = dim * sizeof (float) + 3;
    char *query = malloc (1 + dim * sizeof (float));
    char *rows = malloc (1 + ROWS * stride);
    for (uint32_t index = 0; index < dim; index++) {
        float value = s_value (&check->random, kind);
        memcpy (query + 1 + index * sizeof value, &value, sizeof value);
        for (uint32_t row = 0; row < ROWS; row++) {
            value = s_value (&check->random, kind);
            memcpy (rows + 1 + row * stride + index * sizeof value, &value, sizeof value);
        }
    }
    float a [ROWS], b [ROWS];
    check->fast->dot_rows (query + 1, rows + 1, stride, ROWS, dim, a);
    check->scalar->dot_rows (query + 1, rows + 1, stride, ROWS, dim, b);
    s_same (check, a, b, ROWS, "dot_rows", dim, kind);
    check->fast->l2_rows (query + 1, rows + 1, stride, ROWS, dim, a);
    check->scalar->l2_rows (query + 1, rows + 1, stride, ROWS, dim, b);
    s_same (check, a, b, ROWS, "l2_rows", dim, kind);
    const void *four [4];
    for (uint32_t row = 0; row < 4; row++)
        four [row] = rows + 1 + (ROWS - 1 - row) * stride;
    check->fast->dot4 (query + 1, four, dim, a);
    check->scalar->dot4 (query + 1, four, dim, b);
    s_same (check, a, b, 4, "dot4", dim, kind);
    check->fast->l2_4 (query + 1, four, dim, a);
    check->scalar->l2_4 (query + 1, four, dim, b);
    s_same (check, a, b, 4, "l2_4", dim, kind);
    a [0] = check->fast->dot (query + 1, four [0], dim);
    a [1] = check->fast->l2 (query + 1, four [0], dim);
    b [0] = check->scalar->dot (query + 1, four [0], dim);
    b [1] = check->scalar->l2 (query + 1, four [0], dim);
    s_same (check, a, b, 2, "dot, l2", dim, kind);
    free (rows);
    free (query);
}

static void
s_check_keep (check_t *check, uint32_t count, kind_t kind)
{
    float *values = malloc (3 * count * sizeof (float));
    for (uint32_t index = 0; index < 3 * count; index++)
        values [index] = s_value (&check->random, kind);
    kith_keep_t keep = {.dots = values,
                        .scale = values + count,
                        .shift = values + 2 * count,
                        .limit = s_value (&check->random, kind),
                        .count = count};
    uint32_t *fast = calloc (count, sizeof *fast);
    uint32_t *scalar = calloc (count, sizeof *scalar);
    uint32_t found = check->fast->keep (&keep, fast);
    check->checks++;
    if (found != check->scalar->keep (&keep, scalar)
        || memcmp (fast, scalar, found * sizeof *fast) != 0)
        s_report (check, "keep", count, kind);
    free (scalar);
    free (fast);
    free (values);
}

static void
s_check_codes (check_t *check, uint32_t bytes, bool extreme)
{
    uint8_t *data = malloc (6 * bytes);
    for (uint32_t index = 0; index < 6 * bytes; index++)
        data [index] = extreme ? 0xff : (uint8_t) kith_random_next (&check->random);
    if (extreme)
        memset (data, 0x80, 2 * bytes);    //  query of -128
    const uint8_t *const codes [4] = {data + 2 * bytes, data + 3 * bytes,
                                      data + 4 * bytes, data + 5 * bytes};
    int32_t fast [4], scalar [4];
    check->fast->nibbles4 ((const int8_t *) data, codes, bytes, fast);
    check->scalar->nibbles4 ((const int8_t *) data, codes, bytes, scalar);
    check->checks += 2;
    if (memcmp (fast, scalar, sizeof fast) != 0)
        s_report (check, "nibbles4", bytes, PLAIN);
    check->fast->bytes4 ((const int8_t *) data, codes, bytes, fast);
    check->scalar->bytes4 ((const int8_t *) data, codes, bytes, scalar);
    if (memcmp (fast, scalar, sizeof fast) != 0)
        s_report (check, "bytes4", bytes, PLAIN);
    free (data);
}

static void
s_check_fastscan (check_t *check, uint32_t subs, bool extreme)
{
    enum { BLOCKS = 3 };
    size_t stride = subs * 16 + 64, table = subs * 16;
    uint8_t *data = malloc (1 + table + BLOCKS * stride);
    for (size_t index = 0; index < 1 + table + BLOCKS * stride; index++)
        data [index] = extreme ? 0xff : (uint8_t) kith_random_next (&check->random);
    kith_fastscan_t scan = {.codes = data + 1 + table,
                            .stride = stride,
                            .table = data + 1,
                            .subs = subs,
                            .blocks = BLOCKS};
    float fast [BLOCKS * KITH_FASTSCAN_ROWS], scalar [BLOCKS * KITH_FASTSCAN_ROWS];
    check->fast->fastscan (&scan, fast);
    check->scalar->fastscan (&scan, scalar);
    s_same (check, fast, scalar, BLOCKS * KITH_FASTSCAN_ROWS, "fastscan", subs, PLAIN);
    free (data);
}

static void
s_check_judge (check_t *check, kind_t kind)
{
    enum { BLOCKS = 3, COUNTED = BLOCKS * KITH_FASTSCAN_ROWS };
    kith_factors_t factors [BLOCKS];
    float products [COUNTED], fast [COUNTED], scalar [COUNTED];
    uint32_t fast_masks [BLOCKS], scalar_masks [BLOCKS];
    for (uint32_t at = 0; at < COUNTED; at++) {
        uint32_t row = at % KITH_FASTSCAN_ROWS, block = at / KITH_FASTSCAN_ROWS;
        factors [block].shift [row] = s_value (&check->random, kind);
        factors [block].scale [row] = s_value (&check->random, kind);
        factors [block].error [row] = s_value (&check->random, kind);
        products [at] = s_value (&check->random, kind);
    }
    kith_judge_t judge = {.products = products,
                          .factors = factors,
                          .stride = sizeof *factors,
                          .step = s_value (&check->random, kind),
                          .bias = s_value (&check->random, kind),
                          .reach = s_value (&check->random, kind),
                          .limit = s_value (&check->random, kind),
                          .blocks = BLOCKS};
    check->fast->judge (&judge, fast, fast_masks);
    check->scalar->judge (&judge, scalar, scalar_masks);
    s_same (check, fast, scalar, COUNTED, "judge", 0, kind);
    if (memcmp (fast_masks, scalar_masks, sizeof fast_masks) != 0)
        s_report (check, "judge", 0, kind);
}

static void
s_check_nearest (check_t *check, uint32_t count, kind_t kind)
{
    float *values = malloc (2 * count * sizeof (float));
    for (uint32_t index = 0; index < 2 * count; index++)
        values [index] = s_value (&check->random, kind);
    //  Equals too: the first must win
    values [count - 1] = values [0];
    values [2 * count - 1] = values [count];
    float fast, scalar;
    uint32_t one = check->fast->nearest (values, values + count, count, &fast);
    uint32_t other = check->scalar->nearest (values, values + count, count, &scalar);
    s_same (check, &fast, &scalar, 1, "nearest", count, kind);
    if (one != other)
        s_report (check, "nearest", count, kind);
    free (values);
}

//  The scalar kernels themselves against double precision
static uint64_t
s_check_scalar (check_t *check)
{
    uint64_t failures = 0;
    for (uint32_t dim = 1; dim <= DIM_MAX; dim += 7) {
        float *a = malloc (dim * sizeof *a), *b = malloc (dim * sizeof *b);
        double dot = 0, l2 = 0, size = 1;
        for (uint32_t index = 0; index < dim; index++) {
            a [index] = s_value (&check->random, PLAIN);
            b [index] = s_value (&check->random, PLAIN);
            double difference = (double) a [index] - (double) b [index];
            dot += (double) a [index] * (double) b [index];
            l2 += difference * difference;
            size += fabs ((double) a [index] * (double) b [index]);
        }
        double limit = 1e-6 * (size + l2);
        failures += !(fabs ((double) check->scalar->dot (a, b, dim) - dot) <= limit);
        failures += !(fabs ((double) check->scalar->l2 (a, b, dim) - l2) <= limit);
        free (b);
        free (a);
    }
    return failures;
}

static uint64_t
s_check_isa (check_t *check)
{
    for (uint32_t dim = 1; dim <= DIM_MAX; dim++)
        for (kind_t kind = PLAIN; kind < KINDS; kind++)
            s_check_scores (check, dim, kind);
    for (uint32_t count = 1; count <= COUNT; count++)
        for (kind_t kind = PLAIN; kind < KINDS; kind++)
            s_check_keep (check, count, kind);
    for (uint32_t bytes = 64; bytes <= 16384;
         bytes += bytes < 1024 ? 64 : 4096 - bytes % 4096) {
        s_check_codes (check, bytes, false);
        s_check_codes (check, bytes, true);
    }
    for (uint32_t subs = 4; subs <= 1100; subs += subs < 600 ? 4 : 252) {
        s_check_fastscan (check, subs, false);
        s_check_fastscan (check, subs, true);
    }
    for (uint32_t count = 1; count <= COUNT; count++)
        for (kind_t kind = PLAIN; kind < KINDS; kind++) {
            s_check_judge (check, kind);
            s_check_nearest (check, count, kind);
        }
    return check->failures;
}

int
main (void)
{
    const kith_kernels_t *scalar = kith_kernels_of (KITH_ISA_SCALAR);
    uint64_t failures = 0;
    for (kith_isa_t isa = KITH_ISA_SCALAR; isa <= KITH_ISA_AVX512; isa++) {
        check_t check = {.fast = kith_kernels_of (isa), .scalar = scalar};
        if (!check.fast) {
            printf ("instruction set %d: not on this CPU, not run\n", (int) isa);
            continue;
        }
        kith_random_seed (&check.random, 7 + isa);
        failures +=
            isa == KITH_ISA_SCALAR ? s_check_scalar (&check) : s_check_isa (&check);
        printf ("%s: %" PRIu64 " comparisons, %" PRIu64 " differences\n",
                check.fast->name, check.checks, check.failures);
    }
    if (kith_kernels_choose ("no such") != -1 || kith_kernels_choose ("scalar") != 0
        || kith_kernels ()->isa != KITH_ISA_SCALAR)
        failures++;
    return failures ? 1 : 0;
}
