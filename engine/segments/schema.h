//  schema.h - the fields of a collection, and what rows must look like
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_SCHEMA_H
#define KITH_SCHEMA_H

#include "base/column.h"
#include "engine/kernels/kernels.h"

typedef struct {
    uint32_t id;    //  KITH_FIELD_USER and up
    const char *name;
    kith_type_t type;
    uint32_t dim;           //  vectors
    uint32_t max_length;    //  varchar, bytes
    bool key;
    bool nullable;
    kith_metric_t metric;         //  vectors
    const char *default_value;    //  JSON text; null: none
} kith_field_t;

//  Immutable, shared by reference count from any thread.
typedef struct kith_schema kith_schema_t;

//  Checks (names, exactly one int64 or varchar key, limits, metric and dim of vectors, defaults) and copies; fields in the order given.
kith_schema_t *kith_schema_new (const char *name, const kith_field_t *fields,
                                uint32_t count, uint64_t version, kith_error_t *error);
kith_schema_t *kith_schema_share (kith_schema_t *self);
void kith_schema_destroy (kith_schema_t **self_p);

const char *kith_schema_name (const kith_schema_t *self);
uint64_t kith_schema_version (const kith_schema_t *self);
uint32_t kith_schema_count (const kith_schema_t *self);
const kith_field_t *kith_schema_field (const kith_schema_t *self, uint32_t index);
const kith_field_t *kith_schema_key (const kith_schema_t *self);
const kith_field_t *
kith_schema_by_id (const kith_schema_t *self, uint32_t id);    //  null: none
uint32_t kith_schema_place (const kith_schema_t *self,
                            uint32_t id);    //  among the fields; their count: none

//  By name; null fills FIELD_NOT_FOUND with the nearest name as hint and the list of fields.
const kith_field_t *
kith_schema_find (const kith_schema_t *self, const char *name, kith_error_t *error);
//  The vector field of that name, or the only one when name is empty; null with an error otherwise.
const kith_field_t *
kith_schema_vector (const kith_schema_t *self, const char *name, kith_error_t *error);

//  Refuses an insert batch that does not fit: unknown or missing fields (a nullable one or one with a default may lack), types, dims,
//  lengths, nulls, non-finite vectors, rows over KITH_ROW_BYTES_MAX, invalid UTF-8; names field and row. keys_only: a batch of the key field alone.
int kith_schema_check (const kith_schema_t *self, const kith_batch_t *batch,
                       bool keys_only, kith_error_t *error);

//  Appends to out the batch with missing fields filled (defaults, nulls), columns in schema order; used only when *needed (some were missing).
int kith_schema_complete (const kith_schema_t *self, const kith_batch_t *batch,
                          bool *needed, kith_bytes_t *out, kith_error_t *error);

//  Hash of row's key (kith_hash64 of the int64's 8 bytes or of the text); shard = hash % shards.
uint64_t kith_key_hash (const kith_column_t *keys, uint32_t row);
bool kith_key_equal (const kith_column_t *a, uint32_t row_a, const kith_column_t *b,
                     uint32_t row_b);
int kith_key_compare (const kith_column_t *a, uint32_t row_a, const kith_column_t *b,
                      uint32_t row_b);

#endif
