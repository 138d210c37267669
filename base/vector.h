//  vector.h - vectors as columns store them: halves, bytes and bits, made of float32 numbers and back
//  SPDX-License-Identifier: Apache-2.0
//
//  One vector takes kith_type_width (type, dim) bytes, little-endian: float32 (IEEE 754 binary32), float16 (binary16), bfloat16 (the upper half of
//  a float32), int8 (two's complement), binary (a bit a dimension, the lowest bit of each byte first). Nothing here needs alignment.
#ifndef KITH_VECTOR_H
#define KITH_VECTOR_H

#include "base/column.h"

//  The nearest that there is, of two as near the even one; too large: infinity; NaN stays NaN.
uint16_t kith_half_of_float (float value);
uint16_t kith_bfloat_of_float (float value);

//  Exact.
float kith_float_of_half (uint16_t half);
float kith_float_of_bfloat (uint16_t half);

//  Writes `count` numbers as one vector. A binary vector is made of dim numbers 0 or 1, or of dim / 8 bytes 0 .. 255. DIMENSION_MISMATCH: another
//  count; NOT_FINITE; TYPE_MISMATCH: a number that the type cannot hold (which one: counted from 1).
int kith_vector_encode (kith_type_t type, uint32_t dim, const float *numbers,
                        size_t count, void *out, kith_error_t *error);

//  The dim numbers of a vector; of a binary one 0 and 1.
void
kith_vector_decode (kith_type_t type, uint32_t dim, const void *vector, float *numbers);

//  Are `count` vectors, one after another, free of infinity and NaN?
bool
kith_vector_finite (kith_type_t type, uint32_t dim, const void *vectors, size_t count);

#endif
