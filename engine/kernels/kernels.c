//  kernels.c - the tables of kernels, filled by cpuid, and the choice among them
//  SPDX-License-Identifier: Apache-2.0
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

static kith_measure_t
s_float32 (const kith_kernels_t *kernels, bool l2)
{
    if (l2)
        return (kith_measure_t){kernels->l2, kernels->l2_4, kernels->l2_rows};
    return (kith_measure_t){kernels->dot, kernels->dot4, kernels->dot_rows};
}

bool
kith_kernels_measure (const kith_kernels_t *kernels, kith_vector_t type,
                      kith_metric_t metric, kith_measure_t *measure)
{
    bool l2 = metric == KITH_METRIC_L2;
    bool bits = metric == KITH_METRIC_HAMMING || metric == KITH_METRIC_JACCARD;
    if (bits != (type == KITH_VECTOR_BINARY))
        return false;
    switch (type) {
        case KITH_VECTOR_FLOAT32:
            *measure = s_float32 (kernels, l2);
            return true;
        case KITH_VECTOR_FLOAT16:
            *measure = l2 ? kernels->float16_l2 : kernels->float16_dot;
            return true;
        case KITH_VECTOR_BFLOAT16:
            *measure = l2 ? kernels->bfloat16_l2 : kernels->bfloat16_dot;
            return true;
        case KITH_VECTOR_INT8:
            *measure = l2 ? kernels->int8_l2 : kernels->int8_dot;
            return true;
        case KITH_VECTOR_BINARY:
            *measure =
                metric == KITH_METRIC_JACCARD ? kernels->jaccard : kernels->hamming;
            return true;
    }
    return false;
}

kith_gather4_fn *
kith_kernels_four (kith_vector_t type, kith_metric_t metric)
{
    kith_measure_t measure = {0};
    bool sensible = kith_kernels_measure (kith_kernels (), type, metric, &measure);
    assert (sensible);
    (void) sensible;
    return measure.four;
}

const float *
kith_vector_numbers (kith_vector_t type, const void *vector, size_t count, float *room)
{
    switch (type) {
        case KITH_VECTOR_FLOAT16:
            kith_kernels ()->float16_widen (vector, count, room);
            return room;
        case KITH_VECTOR_BFLOAT16:
            kith_kernels ()->bfloat16_widen (vector, count, room);
            return room;
        case KITH_VECTOR_INT8:
            for (size_t index = 0; index < count; index++)
                room [index] = ((const int8_t *) vector) [index];
            return room;
        case KITH_VECTOR_FLOAT32:
        case KITH_VECTOR_BINARY:
            break;
    }
    return vector;
}
