//  isa.h - the levels of instruction sets of this architecture, and what each brings to the table
//  SPDX-License-Identifier: Apache-2.0
//
//  As in dav1d: a table is filled by the weakest level first, then by each stronger one that the CPU has, so that a fill can
//  only improve it. One file per family and level; no file calls another's functions.
#ifndef KITH_ISA_H
#define KITH_ISA_H

#include <math.h>

#include "engine/kernels/kernels.h"

#define KITH_ISA_LEVELS_MAX 8u

typedef struct {
    kith_isa_t isa;
    const char *name;      //  in the configuration: "avx512vnni"
    const char *says;      //  for people: "avx512 vnni"
    bool (*has) (void);    //  whether the CPU has what the level adds to the one before
    void (*fill) (kith_kernels_t *table);
} kith_isa_level_t;

//  Weakest first; the first is the scalar one, which every CPU has. Chosen by architecture when Kith is built.
extern const kith_isa_level_t kith_isa_levels [];
extern const uint32_t kith_isa_levels_count;

//  How far a node may be that is put into the beam
static inline float
kith_near_worst (const kith_near_put_t *put)
{
    return put->size < put->capacity ? INFINITY : put->near [put->size - 1].distance;
}

//  Distances in the order of integers
static inline int32_t
kith_near_key (float distance)
{
    int32_t bits;
    memcpy (&bits, &distance, sizeof bits);
    return bits < 0 ? bits ^ INT32_MAX : bits;
}

static inline float
kith_near_of_key (int32_t key)
{
    const int32_t bits = key < 0 ? key ^ INT32_MAX : key;
    float distance;
    memcpy (&distance, &bits, sizeof distance);
    return distance;
}

//  Half way from low to high, rounded down; low <= high
static inline int32_t
kith_near_between (int32_t low, int32_t high)
{
    return (int32_t) (low + ((int64_t) high - low) / 2);
}

//  Sets the fields that float32 has of its own
static inline void
kith_kernels_set_float32 (kith_kernels_t *table, const kith_measure_t *dot,
                          const kith_measure_t *l2)
{
    table->dot = dot->pair;
    table->dot4 = dot->four;
    table->dot_rows = dot->rows;
    table->l2 = l2->pair;
    table->l2_4 = l2->four;
    table->l2_rows = l2->rows;
}

//  Families: float, half (float16, bfloat16), int8, bits (Hamming, Jaccard), codes (of quantisers), fastscan (blocks of
//  32 codes), rotate, set (bitmaps of rows), near (beams), query (on its way to a code), panel (batches of queries)
void kith_fill_float_scalar (kith_kernels_t *table);
void kith_fill_half_scalar (kith_kernels_t *table);
void kith_fill_int8_scalar (kith_kernels_t *table);
void kith_fill_bits_scalar (kith_kernels_t *table);
void kith_fill_codes_scalar (kith_kernels_t *table);
void kith_fill_fastscan_scalar (kith_kernels_t *table);
void kith_fill_rotate_scalar (kith_kernels_t *table);
void kith_fill_set_scalar (kith_kernels_t *table);
void kith_fill_near_scalar (kith_kernels_t *table);
void kith_fill_query_scalar (kith_kernels_t *table);
void kith_fill_panel_scalar (kith_kernels_t *table);

//  near_put of the scalar kernels, which takes a beam of any width
void kith_near_put_scalar (kith_near_put_t *put);

void kith_fill_float_avx2 (kith_kernels_t *table);
void kith_fill_half_avx2 (kith_kernels_t *table);
void kith_fill_int8_avx2 (kith_kernels_t *table);
void kith_fill_bits_avx2 (kith_kernels_t *table);
void kith_fill_codes_avx2 (kith_kernels_t *table);
void kith_fill_fastscan_avx2 (kith_kernels_t *table);
void kith_fill_rotate_avx2 (kith_kernels_t *table);
void kith_fill_query_avx2 (kith_kernels_t *table);
void kith_fill_set_avx2 (kith_kernels_t *table);
void kith_fill_panel_avx2 (kith_kernels_t *table);

void kith_fill_float_avx512 (kith_kernels_t *table);
void kith_fill_half_avx512 (kith_kernels_t *table);
void kith_fill_int8_avx512 (kith_kernels_t *table);
void kith_fill_bits_avx512 (kith_kernels_t *table);
void kith_fill_codes_avx512 (kith_kernels_t *table);
void kith_fill_fastscan_avx512 (kith_kernels_t *table);
void kith_fill_rotate_avx512 (kith_kernels_t *table);
void kith_fill_set_avx512 (kith_kernels_t *table);
void kith_fill_near_avx512 (kith_kernels_t *table);
void kith_fill_query_avx512 (kith_kernels_t *table);
void kith_fill_panel_avx512 (kith_kernels_t *table);

void kith_fill_int8_avx512vnni (kith_kernels_t *table);
void kith_fill_codes_avx512vnni (kith_kernels_t *table);
void kith_fill_panel_avx512vnni (kith_kernels_t *table);

void kith_fill_bits_avx512icl (kith_kernels_t *table);
void kith_fill_fastscan_avx512icl (kith_kernels_t *table);
void kith_fill_set_avx512icl (kith_kernels_t *table);

void kith_fill_panel_amx (kith_kernels_t *table);

void kith_fill_float_neon (kith_kernels_t *table);
void kith_fill_half_neon (kith_kernels_t *table);
void kith_fill_int8_neon (kith_kernels_t *table);
void kith_fill_bits_neon (kith_kernels_t *table);
void kith_fill_fastscan_neon (kith_kernels_t *table);
void kith_fill_rotate_neon (kith_kernels_t *table);
void kith_fill_query_neon (kith_kernels_t *table);
void kith_fill_codes_neon (kith_kernels_t *table);

void kith_fill_int8_neondot (kith_kernels_t *table);
void kith_fill_codes_neondot (kith_kernels_t *table);
void kith_fill_panel_neondot (kith_kernels_t *table);

#endif
