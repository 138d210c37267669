//  vectors.h - what a vector field means to the engine: its kernels' type, its metrics, the norms of its rows
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_VECTORS_H
#define KITH_VECTORS_H

#include "engine/indexes/flat.h"
#include "engine/segments/schema.h"

//  How the kernels call the numbers of a vector column.
kith_vector_t kith_vector_of_type (kith_type_t type);

//  Can vectors of that type be compared so? Names of those that can ("l2, ip, cosine").
bool kith_metric_allowed (kith_type_t type, kith_metric_t metric);
const char *kith_metrics_of_type (kith_type_t type);

//  Does the field keep a norm beside each row?
bool kith_field_has_norms (const kith_field_t *field);

//  Norms of `count` vectors of the field, one after another.
void kith_field_norms (const kith_field_t *field, const void *vectors, uint32_t count,
                       float *norms);

//  Rows as searches and builds take them, of the field's dim, metric and type.
kith_rows_t kith_field_rows (const kith_field_t *field, const void *vectors,
                             const float *norms, uint32_t count);

#endif
