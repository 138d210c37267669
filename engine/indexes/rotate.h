//  rotate.h - a random rotation of vectors in d log d steps
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_ROTATE_H
#define KITH_ROTATE_H

#include "base/base.h"

//  Signs of a rotation; the same seed gives the same. Freed with free (); null: no memory.
float *kith_rotate_new (uint32_t dim, uint64_t seed);

//  Writes the rotated `from` to `to` (dim floats each, not the same); lengths and products stay.
void kith_rotate (const float *signs, uint32_t dim, const float *from, float *to);

#endif
