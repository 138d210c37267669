//  isa_x86.c - the levels of x86-64 by cpuid
//  SPDX-License-Identifier: Apache-2.0
//
//  __builtin_cpu_supports asks cpuid and whether the system saves the registers (xgetbv).
#include <cpuid.h>
#ifdef __linux__
#    include <sys/syscall.h>
#    include <unistd.h>
#endif

#include "engine/kernels/isa.h"

//  Whether the system lets this process use an extended state of the processor
static bool
s_ask_for (unsigned long state)
{
#ifdef __linux__
    enum { REQUEST = 0x1023 };    //  ARCH_REQ_XCOMP_PERM, which old headers do not know
    return syscall (SYS_arch_prctl, REQUEST, state) == 0;
#else
    (void) state;
    return false;
#endif
}

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

//  Sapphire Rapids. The registers are so large that a process has to ask the system for them, once for all of its threads; systems that
//  know nothing of them say no.
static bool
s_has_amx (void)
{
    enum { AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25, TILE_DATA = 18 };
    uint32_t eax, ebx, ecx, edx;
    return __get_cpuid_count (7, 0, &eax, &ebx, &ecx, &edx) && edx & AMX_TILE
           && edx & AMX_INT8 && s_ask_for (TILE_DATA);
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

static void
s_fill_amx (kith_kernels_t *table)
{
    kith_fill_panel_amx (table);
}

const kith_isa_level_t kith_isa_levels [] = {
    {KITH_ISA_SCALAR, "scalar", "scalar", s_has_scalar, s_fill_scalar},
    {KITH_ISA_AVX2, "avx2", "avx2", s_has_avx2, s_fill_avx2},
    {KITH_ISA_AVX512, "avx512", "avx512", s_has_avx512, s_fill_avx512},
    {KITH_ISA_AVX512VNNI, "avx512vnni", "avx512 vnni", s_has_avx512vnni,
     s_fill_avx512vnni},
    {KITH_ISA_AVX512ICL, "avx512icl", "avx512 vnni vpopcntdq vbmi", s_has_avx512icl,
     s_fill_avx512icl},
    {KITH_ISA_AMX, "amx", "avx512 vnni vpopcntdq vbmi amx", s_has_amx, s_fill_amx},
};

const uint32_t kith_isa_levels_count =
    sizeof kith_isa_levels / sizeof kith_isa_levels [0];
