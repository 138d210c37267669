//  test_kernels.c - scores, norms and metric names (every kernel against scalar: tests/kernels)
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#include "engine/kernels/kernels.h"

Test (kernels, scores_of_small_vectors)
{
    const float a [] = {3, 4}, b [] = {4, 3};
    cr_assert_eq (kith_norm (a, 2), 5.0f);
    cr_assert_eq (kith_score (KITH_METRIC_L2, a, 0, b, 0, 2), 2.0f);
    cr_assert_eq (kith_score (KITH_METRIC_IP, a, 0, b, 0, 2), 24.0f);
    cr_assert_eq (kith_score (KITH_METRIC_COSINE, a, 5, b, 5, 2), 24.0f / 25.0f);
    cr_assert_eq (kith_score_distance (KITH_METRIC_L2, 2), 2.0f);
    cr_assert_eq (kith_score_distance (KITH_METRIC_COSINE, 2), -2.0f);
}

Test (kernels, zero_vector_scores_zero_under_cosine)
{
    const float zero [] = {0, 0, 0}, b [] = {1, 2, 3};
    cr_assert_eq (kith_norm (zero, 3), 0.0f);
    cr_assert_eq (kith_score (KITH_METRIC_COSINE, zero, 0, b, kith_norm (b, 3), 3), 0.0f);
    cr_assert_eq (kith_score (KITH_METRIC_COSINE, zero, 0, zero, 0, 3), 0.0f);
}

Test (kernels, overflow_never_scores_nan)
{
    const float huge [] = {FLT_MAX, -FLT_MAX}, same [] = {FLT_MAX, FLT_MAX};
    float norm = kith_norm (huge, 2);
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++) {
        cr_assert (!isnan (kith_score (metric, huge, norm, same, norm, 2)));
        cr_assert (!isnan (kith_score (metric, huge, norm, huge, norm, 2)));
    }
}

Test (kernels, metric_names_there_and_back)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++)
        cr_assert_eq (kith_metric_of_name (kith_metric_name (metric)), metric);
    cr_assert_eq ((int) kith_metric_of_name ("hamming"), 0);
}

Test (kernels, choice_by_name)
{
    const kith_kernels_t *before = kith_kernels ();
    cr_assert_eq (kith_kernels_choose ("sse"), -1);
    cr_assert_eq (kith_kernels (), before, "a refused name changes nothing");
    cr_assert_eq (kith_kernels_choose ("scalar"), 0);
    cr_assert_eq (kith_kernels ()->isa, KITH_ISA_SCALAR);
    cr_assert_eq (kith_kernels_choose ("auto"), 0);
    cr_assert_eq (kith_kernels (), before);
}
