//  test_topk.c - the k best, against sorting all
//  SPDX-License-Identifier: Apache-2.0
#include "base/topk.h"

#include "base/random.h"

#include <criterion/criterion.h>
#include <math.h>

#define HITS_MAX 2000u

static int
s_by_quality (const void *a, const void *b)
{
    const kith_hit_t *left = a, *right = b;
    if (left->distance < right->distance || left->distance > right->distance)
        return left->distance < right->distance ? -1 : 1;
    if (left->part != right->part)
        return left->part < right->part ? -1 : 1;
    return left->row < right->row ? -1 : left->row > right->row;
}

Test (topk, against_sort)
{
    kith_random_t random;
    kith_random_seed (&random, 1);
    static kith_hit_t hits [HITS_MAX];
    for (int turn = 0; turn < 400; turn++) {
        uint32_t count = (uint32_t) kith_random_below (&random, HITS_MAX);
        uint32_t k = (uint32_t) kith_random_below (&random, turn % 2 ? 20 : 2500);
        //  Few distances, so that many are equal
        for (uint32_t index = 0; index < count; index++)
            hits [index] =
                (kith_hit_t){.distance = (float) kith_random_below (&random, 50) - 25,
                             .part = (uint32_t) kith_random_below (&random, 3),
                             .row = kith_random_below (&random, 1000)};
        kith_topk_t best;
        kith_topk_init (&best, k);
        float worst = INFINITY;
        for (uint32_t index = 0; index < count; index++) {
            kith_topk_push (&best, hits [index]);
            float now = kith_topk_worst (&best);
            cr_assert_leq (now, worst);
            cr_assert (best.count < k ? isinf (now) : true);
            worst = now;
        }
        qsort (hits, count, sizeof *hits, s_by_quality);
        cr_assert_eq (best.count, count < k ? count : k);
        if (best.count == k && k > 0)
            cr_assert_float_eq (worst, hits [k - 1].distance, 0);
        kith_topk_sort (&best);
        for (uint32_t index = 0; index < best.count; index++)
            cr_assert_eq (s_by_quality (&best.hits [index], &hits [index]), 0);
        kith_topk_free (&best);
        cr_assert_null (best.hits);
    }
}

Test (topk, better)
{
    kith_hit_t a = {.distance = 1, .part = 2, .row = 3}, b = a;
    cr_assert_not (kith_hit_better (&a, &b));
    b.row = 4;
    cr_assert (kith_hit_better (&a, &b) && !kith_hit_better (&b, &a));
    b.part = 1;
    cr_assert (kith_hit_better (&b, &a) && !kith_hit_better (&a, &b));
    a.distance = 0.5f;
    cr_assert (kith_hit_better (&a, &b) && !kith_hit_better (&b, &a));
    a.distance = -INFINITY;
    cr_assert (kith_hit_better (&a, &b));
}
