//  isa_other.c - the levels of an architecture that Kith has no kernels of its own for
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/isa.h"

static bool
s_has_scalar (void)
{
    return true;
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

const kith_isa_level_t kith_isa_levels [] = {
    {KITH_ISA_SCALAR, "scalar", "scalar", s_has_scalar, s_fill_scalar},
};

const uint32_t kith_isa_levels_count =
    sizeof kith_isa_levels / sizeof kith_isa_levels [0];
