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

Test (kernels, scores_of_every_type)
{
    const uint16_t float16 [2][2] = {{0x4200, 0x4400},
                                     {0x4400, 0x4200}};    //  3, 4; 4, 3
    const uint16_t bfloat16 [2][2] = {{0x4040, 0x4080}, {0x4080, 0x4040}};
    const int8_t int8 [2][2] = {{3, 4}, {4, 3}};
    const struct {
        kith_vector_t type;
        const void *a, *b;
    } cases [] = {{KITH_VECTOR_FLOAT16, float16 [0], float16 [1]},
                  {KITH_VECTOR_BFLOAT16, bfloat16 [0], bfloat16 [1]},
                  {KITH_VECTOR_INT8, int8 [0], int8 [1]}};
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        kith_vector_t type = cases [index].type;
        kith_side_t a = {cases [index].a, kith_norm_of (type, cases [index].a, 2)};
        kith_side_t b = {cases [index].b, kith_norm_of (type, cases [index].b, 2)};
        cr_assert_eq (a.norm, 5.0f);
        cr_assert_eq (kith_score_of (type, KITH_METRIC_L2, a, b, 2), 2.0f);
        cr_assert_eq (kith_score_of (type, KITH_METRIC_IP, a, b, 2), 24.0f);
        cr_assert_eq (kith_score_of (type, KITH_METRIC_COSINE, a, b, 2), 24.0f / 25.0f);
    }
}

Test (kernels, scores_of_binary_vectors)
{
    const uint8_t bits [2][2] = {{0x0f, 0x01}, {0x3c, 0xfe}};
    kith_side_t a = {bits [0], 0}, b = {bits [1], 0};
    kith_vector_t type = KITH_VECTOR_BINARY;
    cr_assert_eq (kith_norm_of (type, bits [0], 9), 0.0f);
    //  Of the second byte one bit counts
    cr_assert_eq (kith_score_of (type, KITH_METRIC_HAMMING, a, b, 9), 5.0f);
    cr_assert_eq (kith_score_of (type, KITH_METRIC_JACCARD, a, b, 9), 5.0f / 7.0f);
    cr_assert_eq (kith_score_of (type, KITH_METRIC_JACCARD, a, a, 9), 0.0f);
    cr_assert_eq (kith_score_distance (KITH_METRIC_HAMMING, 5), 5.0f);
    const uint8_t empty [2] = {0, 0};
    kith_side_t none = {empty, 0};
    cr_assert_eq (kith_score_of (type, KITH_METRIC_JACCARD, none, none, 9), 0.0f);
    cr_assert_eq (kith_score_of (type, KITH_METRIC_JACCARD, none, a, 9), 1.0f);
}

Test (kernels, metrics_are_for_their_types)
{
    kith_measure_t measure;
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_JACCARD; metric++)
        for (kith_vector_t type = KITH_VECTOR_FLOAT32; type <= KITH_VECTOR_BINARY; type++)
            cr_assert_eq (kith_kernels_measure (kith_kernels (), type, metric, &measure),
                          (metric >= KITH_METRIC_HAMMING)
                              == (type == KITH_VECTOR_BINARY));
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
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_JACCARD; metric++)
        cr_assert_eq (kith_metric_of_name (kith_metric_name (metric)), metric);
    cr_assert_eq ((int) kith_metric_of_name ("manhattan"), 0);
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
