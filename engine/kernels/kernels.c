//  kernels.c - chooses the table of kernels; scores and names of metrics
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "engine/kernels/isa.h"

//  Tables of the levels that this CPU has, weakest first; written once, before main.
static kith_kernels_t s_tables [KITH_ISA_LEVELS_MAX];
static uint32_t s_count;

//  The choice: the one variable of Kith. Written before other threads run.
static const kith_kernels_t *s_chosen;

__attribute__ ((constructor)) static void
s_fill (void)
{
    assert (kith_isa_levels_count <= KITH_ISA_LEVELS_MAX);
    for (uint32_t index = 0; index < kith_isa_levels_count; index++) {
        const kith_isa_level_t *level = &kith_isa_levels [index];
        if (!level->has ())
            break;
        if (index > 0)
            s_tables [index] = s_tables [index - 1];
        s_tables [index].isa = level->isa;
        s_tables [index].name = level->name;
        s_tables [index].says = level->says;
        level->fill (&s_tables [index]);
        s_count = index + 1;
    }
    s_chosen = &s_tables [s_count - 1];
}

const kith_kernels_t *
kith_kernels_of (kith_isa_t isa)
{
    for (uint32_t index = 0; index < s_count; index++)
        if (s_tables [index].isa == isa)
            return &s_tables [index];
    return NULL;
}

const kith_kernels_t *
kith_kernels (void)
{
    return s_chosen;
}

int
kith_kernels_choose (const char *name)
{
    const kith_kernels_t *table = NULL;
    if (strcmp (name, "auto") == 0)
        table = &s_tables [s_count - 1];
    for (uint32_t index = 0; index < s_count; index++)
        if (strcmp (s_tables [index].name, name) == 0)
            table = &s_tables [index];
    if (!table)
        return -1;
    s_chosen = table;
    return 0;
}

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
    }
    return "unknown";
}

kith_metric_t
kith_metric_of_name (const char *name)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++)
        if (strcmp (kith_metric_name (metric), name) == 0)
            return metric;
    return (kith_metric_t) 0;
}

float
kith_norm (const void *vector, uint32_t dim)
{
    return sqrtf (kith_kernels ()->dot (vector, vector, dim));
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
