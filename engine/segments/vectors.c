//  vectors.c - what a vector field means to the engine: its kernels' type, its metrics, the norms of its rows
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/vectors.h"

kith_vector_t
kith_vector_of_type (kith_type_t type)
{
    static const kith_vector_t types [] = {
        [KITH_TYPE_FLOAT_VECTOR] = KITH_VECTOR_FLOAT32,
        [KITH_TYPE_FLOAT16_VECTOR] = KITH_VECTOR_FLOAT16,
        [KITH_TYPE_BFLOAT16_VECTOR] = KITH_VECTOR_BFLOAT16,
        [KITH_TYPE_INT8_VECTOR] = KITH_VECTOR_INT8,
        [KITH_TYPE_BINARY_VECTOR] = KITH_VECTOR_BINARY};
    assert (kith_type_is_vector (type));
    return types [type];
}

bool
kith_metric_allowed (kith_type_t type, kith_metric_t metric)
{
    if (type == KITH_TYPE_BINARY_VECTOR)
        return metric == KITH_METRIC_HAMMING || metric == KITH_METRIC_JACCARD;
    return metric == KITH_METRIC_L2 || metric == KITH_METRIC_IP
           || metric == KITH_METRIC_COSINE;
}

const char *
kith_metrics_of_type (kith_type_t type)
{
    return type == KITH_TYPE_BINARY_VECTOR ? "hamming, jaccard" : "l2, ip, cosine";
}

bool
kith_field_has_norms (const kith_field_t *field)
{
    return kith_type_is_vector (field->type) && field->metric == KITH_METRIC_COSINE;
}

void
kith_field_norms (const kith_field_t *field, const void *vectors, uint32_t count,
                  float *norms)
{
    size_t width = kith_type_width (field->type, field->dim);
    for (uint32_t row = 0; row < count; row++)
        norms [row] = kith_norm_of (kith_vector_of_type (field->type),
                                    (const char *) vectors + row * width, field->dim);
}

kith_rows_t
kith_field_rows (const kith_field_t *field, const void *vectors, const float *norms,
                 uint32_t count)
{
    return (kith_rows_t){.vectors = vectors,
                         .norms = norms,
                         .rows = count,
                         .dim = field->dim,
                         .metric = field->metric,
                         .type = kith_vector_of_type (field->type)};
}
