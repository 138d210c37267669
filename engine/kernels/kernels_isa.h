//  kernels_isa.h - the tables that the files of one instruction set each export to kernels.c
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_KERNELS_ISA_H
#define KITH_KERNELS_ISA_H

#include "engine/kernels/kernels.h"

extern const kith_kernels_t kith_kernels_scalar;
extern const kith_kernels_t kith_kernels_avx2;
extern const kith_kernels_t kith_kernels_avx512;

#endif
