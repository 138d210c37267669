//  isa_arm.c - the levels of aarch64
//  SPDX-License-Identifier: Apache-2.0
//
//  NEON with fused multiply-add and conversion of float16 is part of every ARMv8-A; Linux tells what else there is.
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "engine/kernels/isa.h"

static bool
s_has (void)
{
    return true;
}

static bool
s_has_dot (void)
{
    return getauxval (AT_HWCAP) & HWCAP_ASIMDDP;
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
s_fill_neon (kith_kernels_t *table)
{
    kith_fill_float_neon (table);
    kith_fill_half_neon (table);
    kith_fill_int8_neon (table);
    kith_fill_bits_neon (table);
    kith_fill_fastscan_neon (table);
    kith_fill_rotate_neon (table);
    kith_fill_query_neon (table);
    kith_fill_codes_neon (table);
}

static void
s_fill_neondot (kith_kernels_t *table)
{
    kith_fill_int8_neondot (table);
    kith_fill_codes_neondot (table);
    kith_fill_panel_neondot (table);
}

const kith_isa_level_t kith_isa_levels [] = {
    {KITH_ISA_SCALAR, "scalar", "scalar", s_has, s_fill_scalar},
    {KITH_ISA_NEON, "neon", "neon", s_has, s_fill_neon},
    {KITH_ISA_NEONDOT, "neondot", "neon dotprod", s_has_dot, s_fill_neondot},
};

const uint32_t kith_isa_levels_count =
    sizeof kith_isa_levels / sizeof kith_isa_levels [0];
