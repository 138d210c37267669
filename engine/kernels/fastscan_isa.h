//  fastscan_isa.h - what each instruction set brings to the kernels of inverted lists
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FASTSCAN_ISA_H
#define KITH_FASTSCAN_ISA_H

#include "engine/kernels/kernels.h"

void kith_fill_fastscan_scalar (kith_kernels_t *table);
void kith_fill_fastscan_avx2 (kith_kernels_t *table);
void kith_fill_fastscan_avx512 (kith_kernels_t *table);
void kith_fill_fastscan_neon (kith_kernels_t *table);

#endif
