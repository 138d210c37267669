//  gemm.h - tiles of query x row products by OpenBLAS, with a self-check
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_GEMM_H
#define KITH_GEMM_H

#include "base/base.h"

//  Once at start, before other threads: loads OpenBLAS with the kernels for this CPU (OPENBLAS_CORETYPE in the environment
//  chooses others) and one thread; compares a small sgemm with scalar; from then on kith_gemm uses OpenBLAS if it was right,
//  else Kith's own tiles. Returns "OpenBLAS 0.3.21, checked" or the reason why not; static text.
const char *kith_gemm_init (void);

//  Whether OpenBLAS is used. False before kith_gemm_init, and where it was wrong: worth a warning.
bool kith_gemm_by_blas (void);

//  out [q * rows + r] = dot (queries [q], base [r]); row-major, dim floats each, strides in floats.
void kith_gemm (const float *queries, uint32_t nq, size_t query_stride, const float *base,
                uint32_t rows, size_t base_stride, uint32_t dim, float *out);

#endif
