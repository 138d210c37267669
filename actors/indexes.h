//  indexes.h - specifications of indexes, and which of them are in use: what several roles must see the same way
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_INDEXES_H
#define KITH_INDEXES_H

#include "codecs/proto.h"
#include "engine/indexes/index.h"
#include "engine/segments/schema.h"

//  Hash of a specification, told by its index rows. 0: it was made before specifications had a code, when all indexes were alike.
uint64_t kith_index_spec_hash (const kith_proto_index_spec_t *spec);

//  Of all specifications of a collection
uint64_t kith_index_specs_hash (const kith_proto_collection_t *definition);

//  Of a field; null: it has none.
const kith_proto_index_spec_t *
kith_index_spec_of (const kith_proto_collection_t *definition, uint32_t field);

//  Checks a specification against its field and fills in type and code by their proper names. INVALID, with what is allowed as hint.
int kith_index_spec_check (kith_proto_index_spec_t *spec, const kith_field_t *field,
                           kith_error_t *error);

//  Parameters of a build by a checked specification.
kith_index_params_t kith_index_spec_params (const kith_proto_index_spec_t *spec);

//  Rows that are searched through an index, by field and specification: two a field while one is built anew
typedef struct {
    kith_proto_index_loaded_t items [2 * KITH_INDEXES_MAX];
    uint32_t count;
} kith_loaded_t;

void kith_loaded_add (kith_loaded_t *self, const kith_proto_index_loaded_t *loaded);
uint64_t kith_loaded_rows (const kith_loaded_t *self, uint32_t field, uint64_t spec);

#endif
