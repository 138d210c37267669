//  score.c - scores of pairs of vectors, and the names of metrics
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "engine/kernels/kernels.h"

size_t
kith_vector_bytes (kith_vector_t type, uint32_t dim)
{
    switch (type) {
        case KITH_VECTOR_FLOAT32:
            return (size_t) dim * 4;
        case KITH_VECTOR_FLOAT16:
        case KITH_VECTOR_BFLOAT16:
            return (size_t) dim * 2;
        case KITH_VECTOR_INT8:
            return dim;
        case KITH_VECTOR_BINARY:
            return (dim + 7) / 8;
    }
    return 0;
}

const char *
kith_metric_name (kith_metric_t metric)
{
    switch (metric) {
        case KITH_METRIC_L2:
            return "l2";
        case KITH_METRIC_IP:
            return "ip";
        case KITH_METRIC_COSINE:
            return "cosine";
        case KITH_METRIC_HAMMING:
            return "hamming";
        case KITH_METRIC_JACCARD:
            return "jaccard";
    }
    return "unknown";
}

kith_metric_t
kith_metric_of_name (const char *name)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_JACCARD; metric++)
        if (strcmp (kith_metric_name (metric), name) == 0)
            return metric;
    return (kith_metric_t) 0;
}

float
kith_norm (const void *vector, uint32_t dim)
{
    return sqrtf (kith_kernels ()->dot (vector, vector, dim));
}

float
kith_norm_of (kith_vector_t type, const void *vector, uint32_t dim)
{
    kith_measure_t dot;
    if (!kith_kernels_measure (kith_kernels (), type, KITH_METRIC_IP, &dot))
        return 0;
    return sqrtf (dot.pair (vector, vector, dim));
}

//  Huge but finite values can overflow to a NaN (inf - inf, inf / inf). Such a pair has no meaningful
//  score, but an order must exist: it is last.
static float
s_ordered (float score, float last)
{
    return isnan (score) ? last : score;
}

float
kith_score_of_product (kith_metric_t metric, float product, float norm_a, float norm_b)
{
    float norms = norm_a * norm_b;
    switch (metric) {
        case KITH_METRIC_L2:
            return s_ordered (product, INFINITY);
        case KITH_METRIC_IP:
            return s_ordered (product, -INFINITY);
        case KITH_METRIC_COSINE:
            return norms > 0 ? s_ordered (product / norms, 0) : 0;
        case KITH_METRIC_HAMMING:
        case KITH_METRIC_JACCARD:
            return product;
    }
    return 0;
}

float
kith_score (kith_metric_t metric, const void *a, float norm_a, const void *b,
            float norm_b, uint32_t dim)
{
    const kith_kernels_t *kernels = kith_kernels ();
    kith_pair_fn *pair = metric == KITH_METRIC_L2 ? kernels->l2 : kernels->dot;
    return kith_score_of_product (metric, pair (a, b, dim), norm_a, norm_b);
}

float
kith_score_of (kith_vector_t type, kith_metric_t metric, kith_side_t a, kith_side_t b,
               uint32_t dim)
{
    kith_measure_t measure;
    bool sensible = kith_kernels_measure (kith_kernels (), type, metric, &measure);
    assert (sensible);
    return kith_score_of_product (metric, measure.pair (a.vector, b.vector, dim), a.norm,
                                  b.norm);
}
