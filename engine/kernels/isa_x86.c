//  isa_x86.c - the levels of x86-64 by cpuid
//  SPDX-License-Identifier: Apache-2.0
//
//  __builtin_cpu_supports asks cpuid and whether the system saves the registers (xgetbv).
#include <cpuid.h>

#include "engine/kernels/isa.h"

static bool
s_has_scalar (void)
{
    __builtin_cpu_init ();
    return true;
}

//  Conversion of float16, which not every compiler's __builtin_cpu_supports knows
static bool
s_has_f16c (void)
{
    uint32_t eax, ebx, ecx, edx;
    return __get_cpuid (1, &eax, &ebx, &ecx, &edx) && ecx & bit_F16C;
}

//  Haswell, Zen
static bool
s_has_avx2 (void)
{
    return __builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma")
           && s_has_f16c () && __builtin_cpu_supports ("popcnt");
}

//  Skylake-X
static bool
s_has_avx512 (void)
{
    return __builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw")
           && __builtin_cpu_supports ("avx512vl") && __builtin_cpu_supports ("avx512dq");
}

//  Cascade Lake
static bool
s_has_avx512vnni (void)
{
    return __builtin_cpu_supports ("avx512vnni");
}

//  Ice Lake, Zen 4
static bool
s_has_avx512icl (void)
{
    return __builtin_cpu_supports ("avx512vpopcntdq")
           && __builtin_cpu_supports ("avx512bitalg")
           && __builtin_cpu_supports ("avx512vbmi")
           && __builtin_cpu_supports ("avx512vbmi2");
}

static void
s_fill_scalar (kith_kernels_t *table)
{
    kith_fill_float_scalar (table);
    kith_fill_half_scalar (table);
    kith_fill_int8_scalar (table);
    kith_fill_bits_scalar (table);
    kith_fill_codes_scalar (table);
    kith_fill_fastscan_scalar (table);
    kith_fill_rotate_scalar (table);
    kith_fill_set_scalar (table);
    kith_fill_near_scalar (table);
    kith_fill_query_scalar (table);
    kith_fill_panel_scalar (table);
}

static void
s_fill_avx2 (kith_kernels_t *table)
{
    kith_fill_float_avx2 (table);
    kith_fill_half_avx2 (table);
    kith_fill_int8_avx2 (table);
    kith_fill_bits_avx2 (table);
    kith_fill_codes_avx2 (table);
    kith_fill_fastscan_avx2 (table);
    kith_fill_rotate_avx2 (table);
    kith_fill_query_avx2 (table);
    kith_fill_set_avx2 (table);
    kith_fill_panel_avx2 (table);
}

static void
s_fill_avx512 (kith_kernels_t *table)
{
    kith_fill_float_avx512 (table);
    kith_fill_half_avx512 (table);
    kith_fill_int8_avx512 (table);
    kith_fill_bits_avx512 (table);
    kith_fill_codes_avx512 (table);
    kith_fill_fastscan_avx512 (table);
    kith_fill_rotate_avx512 (table);
    kith_fill_set_avx512 (table);
    kith_fill_near_avx512 (table);
    kith_fill_query_avx512 (table);
    kith_fill_panel_avx512 (table);
}

static void
s_fill_avx512vnni (kith_kernels_t *table)
{
    kith_fill_int8_avx512vnni (table);
    kith_fill_codes_avx512vnni (table);
    kith_fill_panel_avx512vnni (table);
}

static void
s_fill_avx512icl (kith_kernels_t *table)
{
    kith_fill_bits_avx512icl (table);
    kith_fill_fastscan_avx512icl (table);
    kith_fill_set_avx512icl (table);
}

const kith_isa_level_t kith_isa_levels [] = {
    {KITH_ISA_SCALAR, "scalar", "scalar", s_has_scalar, s_fill_scalar},
    {KITH_ISA_AVX2, "avx2", "avx2", s_has_avx2, s_fill_avx2},
    {KITH_ISA_AVX512, "avx512", "avx512", s_has_avx512, s_fill_avx512},
    {KITH_ISA_AVX512VNNI, "avx512vnni", "avx512 vnni", s_has_avx512vnni,
     s_fill_avx512vnni},
    {KITH_ISA_AVX512ICL, "avx512icl", "avx512 vnni vpopcntdq vbmi", s_has_avx512icl,
     s_fill_avx512icl},
};

const uint32_t kith_isa_levels_count =
    sizeof kith_isa_levels / sizeof kith_isa_levels [0];
