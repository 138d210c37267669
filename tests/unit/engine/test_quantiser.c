//  test_quantiser.c - codes in blocks: products, factors and bounds against the vectors themselves
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <math.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/quantiser.h"
#include "engine/indexes/rotate.h"

enum { COUNT = 1024, BLOCKS = COUNT / 32 };

static float *
s_normal (uint32_t count, uint64_t seed, float scale, float middle)
{
    float *values = kith_alloc64 (count * sizeof *values);
    kith_random_t random;
    kith_random_seed (&random, seed);
    for (uint32_t each = 0; each < count; each++)
        values [each] = middle + scale * (float) kith_random_normal (&random);
    return values;
}

Test (quantiser, rotation_keeps_products)
{
    for (uint32_t dim = 1; dim < 130; dim += dim < 20 ? 1 : 13) {
        float *signs = kith_rotate_new (dim, 4), *again = kith_rotate_new (dim, 4);
        float *a = s_normal (dim, 1, 1, 0), *b = s_normal (dim, 2, 1, 3);
        float *x = kith_alloc64 (dim * sizeof *x), *y = kith_alloc64 (dim * sizeof *y);
        cr_assert_eq (memcmp (signs, again, 4 * dim * sizeof *signs), 0);
        kith_rotate (signs, dim, a, x);
        kith_rotate (signs, dim, b, y);
        double before = 0, after = 0, size = 0;
        for (uint32_t each = 0; each < dim; each++) {
            before += (double) a [each] * (double) b [each];
            after += (double) x [each] * (double) y [each];
            size += fabs ((double) a [each] * (double) b [each]);
        }
        cr_assert (fabs (before - after) <= 1e-5 * size + 1e-6, "dim %u", dim);
        free (y);
        free (x);
        free (b);
        free (a);
        free (again);
        free (signs);
    }
}

typedef struct {
    kith_quantiser_t self;
    float *book, *work, *mean, *centre, *offset;
    uint8_t *blocks;
} s_made_t;

//  Codes of rows about their centre, which is itself off the mean of all
static s_made_t
s_make (kith_index_code_t code, kith_metric_t metric, uint32_t dim, const float *rows)
{
    s_made_t made;
    cr_assert (kith_quantiser_init (&made.self, code, metric, dim, 9));
    made.book =
        kith_alloc64 (kith_quantiser_book_floats (code, dim) * sizeof (float) + 64);
    made.self.book = made.book;
    made.mean = s_normal (dim, 21, 1, 5);
    made.centre = s_normal (dim, 22, 1, 5);
    made.offset = kith_alloc64 (dim * sizeof (float));
    made.work = kith_alloc64 (4 * dim * sizeof (float));
    made.blocks = kith_alloc64 (BLOCKS * made.self.block_bytes);
    float *residuals = kith_alloc64 (COUNT * dim * sizeof *residuals);
    memset (made.centre, 0, dim * sizeof *made.centre);
    for (uint32_t each = 0; each < COUNT * dim; each++)
        made.centre [each % dim] += rows [each] / COUNT;
    for (uint32_t each = 0; each < COUNT * dim; each++)
        residuals [each] = rows [each] - made.centre [each % dim];
    for (uint32_t each = 0; each < dim; each++)
        made.offset [each] = made.centre [each] - made.mean [each];
    cr_assert (kith_quantiser_fit (&made.self, residuals, COUNT, NULL, made.book));
    kith_quantiser_centre_t centre = {.centre = made.centre,
                                      .offset = made.offset,
                                      .turned = made.work,
                                      .scratch = made.work + dim};
    kith_quantiser_face (&made.self, &centre);
    for (uint32_t row = 0; row < COUNT; row++)
        kith_quantiser_encode (&made.self, &centre, rows + row * dim,
                               made.blocks + row / 32 * made.self.block_bytes, row % 32);
    free (residuals);
    return made;
}

static void
s_end (s_made_t *made)
{
    kith_quantiser_free (&made->self);
    free (made->blocks);
    free (made->work);
    free (made->offset);
    free (made->centre);
    free (made->mean);
    free (made->book);
}

//  Distances by codes of all rows
static void
s_guess (const s_made_t *made, const float *query, float *guesses)
{
    const kith_quantiser_t *self = &made->self;
    bool floats = self->code == KITH_CODE_FLOAT32, l2 = self->metric == KITH_METRIC_L2;
    uint8_t *table = kith_alloc64 (kith_quantiser_asked_bytes (self) + 64);
    float *products = kith_alloc64 (COUNT * sizeof *products);
    uint32_t masks [BLOCKS];
    kith_quantiser_asked_t asked = {.table = table};
    kith_quantiser_ask (self, query, made->mean, made->work, &asked);
    kith_quantiser_products (self, &asked, made->blocks, BLOCKS, products);
    kith_judge_t judge = {.products = products,
                          .factors = (const void *) made->blocks,
                          .stride = self->block_bytes,
                          .step = asked.step,
                          .bias = asked.bias,
                          .limit = INFINITY,
                          .blocks = BLOCKS};
    kith_kernels ()->judge (&judge, guesses, masks);
    const kith_kernels_t *kernels = kith_kernels ();
    float base = l2 ? kernels->l2 (query, made->centre, self->dim)
                    : -kernels->dot (query, made->centre, self->dim);
    for (uint32_t row = 0; row < COUNT && !floats; row++)
        guesses [row] += base;
    free (products);
    free (table);
}

//  Guesses are right on average, and off by about what the rows' errors say
static void
s_check (kith_index_code_t code, kith_metric_t metric, uint32_t dim)
{
    float *rows = s_normal (COUNT * dim, 31, 1, 5), *query = s_normal (dim, 32, 1, 5);
    float *guesses = kith_alloc64 (COUNT * sizeof *guesses);
    s_made_t made = s_make (code, metric, dim, rows);
    const kith_kernels_t *kernels = kith_kernels ();
    float away = sqrtf (kernels->l2 (query, made.centre, dim));
    double bias = 0, spread = 0, outside = 0, most = 0;
    s_guess (&made, query, guesses);
    for (uint32_t row = 0; row < COUNT; row++) {
        const kith_factors_t *factors =
            (const void *) (made.blocks + row / 32 * made.self.block_bytes);
        float exact = metric == KITH_METRIC_L2
                          ? kernels->l2 (query, rows + row * dim, dim)
                          : -kernels->dot (query, rows + row * dim, dim);
        double off = (double) (guesses [row] - exact);
        double error = (double) (factors->error [row % 32] * away);
        bias += off / COUNT;
        spread += error / COUNT;
        outside += fabs (off) > 4 * error + 1e-3 * fabs ((double) exact);
        most = fmax (most, fabs ((double) exact));
    }
    cr_expect (fabs (bias) <= 0.3 * spread + 2e-3 * most, "%s metric %d dim %u: %f of %f",
               kith_index_code_name (code), (int) metric, dim, bias, spread);
    cr_expect_leq (outside, COUNT / 50, "%s metric %d dim %u: %.0f outside",
                   kith_index_code_name (code), (int) metric, dim, outside);
    s_end (&made);
    free (guesses);
    free (query);
    free (rows);
}

Test (quantiser, guesses_are_as_good_as_they_say)
{
    static const kith_index_code_t codes [] = {KITH_CODE_FLOAT32, KITH_CODE_SQ8,
                                               KITH_CODE_PQ4, KITH_CODE_RABITQ};
    static const uint32_t dims [] = {5, 37, 100, 384};
    for (uint32_t code = 0; code < 4; code++)
        for (uint32_t each = 0; each < 4; each++) {
            s_check (codes [code], KITH_METRIC_L2, dims [each]);
            s_check (codes [code], KITH_METRIC_IP, dims [each]);
        }
}

Test (quantiser, overflow_rules_nothing_out)
{
    const uint32_t dim = 24;
    float *rows = s_normal (COUNT * dim, 41, 1e37f, 0);
    float *query = s_normal (dim, 42, 1e37f, 0);
    float *guesses = kith_alloc64 (COUNT * sizeof *guesses);
    static const kith_index_code_t codes [] = {KITH_CODE_SQ8, KITH_CODE_PQ4,
                                               KITH_CODE_RABITQ};
    for (uint32_t code = 0; code < 3; code++) {
        s_made_t made = s_make (codes [code], KITH_METRIC_L2, dim, rows);
        s_guess (&made, query, guesses);
        for (uint32_t row = 0; row < COUNT; row++)
            cr_assert (!(guesses [row] > 0), "%s", kith_index_code_name (codes [code]));
        s_end (&made);
    }
    free (guesses);
    free (query);
    free (rows);
}
