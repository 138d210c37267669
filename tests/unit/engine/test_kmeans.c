//  test_kmeans.c - centres of clouds, in one level and in two
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <math.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/kmeans.h"
#include "engine/kernels/kernels.h"

enum { POINTS = 6000, DIM = 9, CLOUDS = 12 };

static float *
s_clouds (uint64_t seed, float spread)
{
    float *points = kith_alloc64 (POINTS * DIM * sizeof *points);
    kith_random_t random;
    kith_random_seed (&random, seed);
    for (uint32_t point = 0; point < POINTS; point++)
        for (uint32_t each = 0; each < DIM; each++)
            points [point * DIM + each] =
                10 * (float) (kith_mix64 ((point % CLOUDS) * DIM + each) % 7)
                + spread * (float) kith_random_normal (&random);
    return points;
}

//  Mean square distance to the nearest centre, and that centre in nearest, by plain loops
static double
s_distance (const float *points, const float *centres, uint32_t clusters,
            uint32_t *nearest)
{
    double sum = 0;
    for (uint32_t point = 0; point < POINTS; point++) {
        double least = (double) INFINITY;
        for (uint32_t cluster = 0; cluster < clusters; cluster++) {
            double distance = 0;
            for (uint32_t each = 0; each < DIM; each++)
                distance += pow ((double) (points [point * DIM + each]
                                           - centres [cluster * DIM + each]),
                                 2);
            if (distance < least) {
                least = distance;
                nearest [point] = cluster;
            }
        }
        sum += least;
    }
    return sum / POINTS;
}

Test (kmeans, finds_the_clouds)
{
    float *points = s_clouds (3, 0.1f);
    float centres [4 * CLOUDS * DIM], halves [4 * CLOUDS];
    uint32_t *nearest = kith_alloc64 (POINTS * sizeof *nearest);
    uint32_t *assigned = kith_alloc64 (POINTS * sizeof *assigned);
    kith_kmeans_t params = {.points = points,
                            .count = POINTS,
                            .dim = DIM,
                            .clusters = 4 * CLOUDS,
                            .rounds = 10,
                            .seed = 1};
    cr_assert_eq (kith_kmeans_train (&params, centres, NULL), 0);
    //  The clouds' own variance is DIM * 0.01
    cr_assert_leq (s_distance (points, centres, 4 * CLOUDS, nearest), DIM * 0.011);
    kith_kmeans_assign_t assign = {.points = points,
                                   .count = POINTS,
                                   .dim = DIM,
                                   .centres = centres,
                                   .halves = halves,
                                   .clusters = 4 * CLOUDS};
    kith_kmeans_halves (centres, 4 * CLOUDS, DIM, false, halves);
    cr_assert (kith_kmeans_assign (&assign, assigned));
    uint32_t same = 0;
    for (uint32_t point = 0; point < POINTS; point++)
        same += assigned [point] == nearest [point];
    //  Products round: what lies between two centres may fall either way
    cr_assert_geq (same, POINTS * 99 / 100);
    free (assigned);
    free (nearest);
    free (points);
}

Test (kmeans, centres_by_angle_have_length_one)
{
    float *points = s_clouds (4, 1);
    float centres [CLOUDS * DIM];
    for (uint32_t point = 0; point < POINTS; point++) {
        float norm = kith_norm (points + point * DIM, DIM);
        for (uint32_t each = 0; each < DIM; each++)
            points [point * DIM + each] /= norm;
    }
    kith_kmeans_t params = {.points = points,
                            .count = POINTS,
                            .dim = DIM,
                            .clusters = CLOUDS,
                            .rounds = 6,
                            .spherical = true};
    cr_assert_eq (kith_kmeans_train (&params, centres, NULL), 0);
    for (uint32_t cluster = 0; cluster < CLOUDS; cluster++)
        cr_assert_float_eq (kith_norm (centres + cluster * DIM, DIM), 1, 1e-3);
    free (points);
}

Test (kmeans, threads_do_not_show)
{
    float *points = s_clouds (5, 5);
    float one [100 * DIM], other [100 * DIM];
    kith_kmeans_t params = {.points = points,
                            .count = POINTS,
                            .dim = DIM,
                            .clusters = 100,
                            .rounds = 4,
                            .seed = 8};
    cr_assert_eq (kith_kmeans_train (&params, one, NULL), 0);
    params.parallel = kith_parallel_threads_new (3);
    cr_assert_eq (kith_kmeans_train (&params, other, NULL), 0);
    cr_assert_eq (memcmp (one, other, sizeof one), 0);
    params.seed = 9;
    cr_assert_eq (kith_kmeans_train (&params, other, NULL), 0);
    cr_assert_neq (memcmp (one, other, sizeof one), 0);
    kith_parallel_threads_destroy (&params.parallel);
    free (points);
}

Test (kmeans, equal_points_leave_no_centre_undefined)
{
    float *points = kith_alloc64 (POINTS * DIM * sizeof *points);
    float centres [50 * DIM];
    for (uint32_t each = 0; each < POINTS * DIM; each++)
        points [each] = 3.0e38f;
    kith_kmeans_t params = {
        .points = points, .count = POINTS, .dim = DIM, .clusters = 50, .rounds = 5};
    cr_assert_eq (kith_kmeans_train (&params, centres, NULL), 0);
    for (uint32_t each = 0; each < 50 * DIM; each++)
        cr_assert (isfinite (centres [each]) && centres [each] > 2.9e38f);
    free (points);
}

static bool
s_go_on (void *arg, uint32_t done, uint32_t of)
{
    (void) arg;
    return done < of / 2;
}

//  More than 16,384 centres are trained under upper ones
Test (kmeans, two_levels)
{
    enum { MANY = 17000, COUNT = 34000, SMALL = 2 };
    float *points = kith_alloc64 (COUNT * SMALL * sizeof *points);
    float *centres = kith_alloc64 (MANY * SMALL * sizeof *centres);
    kith_random_t random;
    kith_random_seed (&random, 2);
    for (uint32_t each = 0; each < COUNT * SMALL; each++)
        points [each] = (float) kith_random_unit (&random);
    kith_kmeans_t params = {.points = points,
                            .count = COUNT,
                            .dim = SMALL,
                            .clusters = MANY,
                            .rounds = 3,
                            .seed = 1};
    cr_assert_eq (kith_kmeans_train (&params, centres, NULL), 0);
    //  Centres cover the square: each cell of 32 x 32 has some
    uint32_t cells [32][32] = {{0}}, empty = 0;
    for (uint32_t cluster = 0; cluster < MANY; cluster++)
        cells [(int) (centres [2 * cluster] * 32)]
              [(int) (centres [2 * cluster + 1] * 32)]++;
    for (uint32_t cell = 0; cell < 32 * 32; cell++)
        empty += cells [cell / 32][cell % 32] == 0;
    cr_assert_leq (empty, 5);
    params.go_on = s_go_on;
    kith_error_t error;
    cr_assert_neq (kith_kmeans_train (&params, centres, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_CANCELLED);
    free (centres);
    free (points);
}
