//  kernels.c - chooses the table of kernels; scores and names of metrics
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "engine/kernels/fastscan_isa.h"
#include "engine/kernels/kernels_isa.h"

//  Best table of this CPU for a call that came before any choice
static const kith_kernels_t *s_best (void);

//  The one global of Kith: written before other threads run, or with the same value by each
static const kith_kernels_t *s_chosen;

#if defined(__x86_64__)

static bool
s_cpu_has (kith_isa_t isa)
{
    __builtin_cpu_init ();
    bool avx2 = __builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma");
    switch (isa) {
        case KITH_ISA_SCALAR:
            return true;
        case KITH_ISA_AVX2:
            return avx2;
        case KITH_ISA_AVX512:
            return avx2 && __builtin_cpu_supports ("avx512f")
                   && __builtin_cpu_supports ("avx512bw")
                   && __builtin_cpu_supports ("avx512vl")
                   && __builtin_cpu_supports ("avx512dq");
    }
    return false;
}

static kith_kernels_t s_tables [3];

__attribute__ ((constructor)) static void
s_fill (void)
{
    s_tables [KITH_ISA_SCALAR] = kith_kernels_scalar;
    s_tables [KITH_ISA_AVX2] = kith_kernels_avx2;
    s_tables [KITH_ISA_AVX512] = kith_kernels_avx512;
    kith_fill_fastscan_scalar (&s_tables [KITH_ISA_SCALAR]);
    kith_fill_fastscan_avx2 (&s_tables [KITH_ISA_AVX2]);
    kith_fill_fastscan_avx512 (&s_tables [KITH_ISA_AVX512]);
}

static const kith_kernels_t *
s_table (kith_isa_t isa)
{
    return &s_tables [isa];
}

#else

static bool
s_cpu_has (kith_isa_t isa)
{
    return isa == KITH_ISA_SCALAR;
}

static const kith_kernels_t *
s_table (kith_isa_t isa)
{
    return isa == KITH_ISA_SCALAR ? &kith_kernels_scalar : NULL;
}

#endif

const kith_kernels_t *
kith_kernels_of (kith_isa_t isa)
{
    return s_cpu_has (isa) ? s_table (isa) : NULL;
}

static const kith_kernels_t *
s_best (void)
{
    const kith_kernels_t *best = kith_kernels_of (KITH_ISA_AVX512);
    if (!best)
        best = kith_kernels_of (KITH_ISA_AVX2);
    return best ? best : s_table (KITH_ISA_SCALAR);
}

const kith_kernels_t *
kith_kernels (void)
{
    const kith_kernels_t *table = __atomic_load_n (&s_chosen, __ATOMIC_RELAXED);
    if (!table) {
        table = s_best ();
        __atomic_store_n (&s_chosen, table, __ATOMIC_RELAXED);
    }
    return table;
}

int
kith_kernels_choose (const char *name)
{
    const kith_kernels_t *table = NULL;
    if (strcmp (name, "auto") == 0)
        table = s_best ();
    for (kith_isa_t isa = KITH_ISA_SCALAR; isa <= KITH_ISA_AVX512 && !table; isa++) {
        const kith_kernels_t *candidate = kith_kernels_of (isa);
        if (candidate && strcmp (candidate->name, name) == 0)
            table = candidate;
    }
    if (!table)
        return -1;
    __atomic_store_n (&s_chosen, table, __ATOMIC_RELAXED);
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
