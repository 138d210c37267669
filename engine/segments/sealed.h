//  sealed.h - the rows of a segment in a mapped snapshot, their deaths, and their indexes
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_SEALED_H
#define KITH_SEALED_H

#include "engine/indexes/index.h"
#include "engine/segments/ends.h"
#include "engine/segments/schema.h"
#include "storage/snapshot.h"

//  Sections of a snapshot beside the columns (docs/internals/segments.md)
#define KITH_SECTION_KEYS 16u
#define KITH_SECTION_NORMS(field)                                                        \
    (0x10000u + (field))    //  float32 a row, of a cosine field

typedef struct kith_sealed kith_sealed_t;

//  schema is lent, the container is taken also on failure.
kith_sealed_t *kith_sealed_open (kith_schema_t *schema, kith_container_t **snapshot_p,
                                 kith_error_t *error);
void kith_sealed_destroy (kith_sealed_t **self_p);

//  Writer. end: ends the versions of the keys that are older than seq. end_row: false if it had ended before.
void kith_sealed_end (kith_sealed_t *self, const kith_column_t *keys, uint64_t seq);
void kith_sealed_end_partition (kith_sealed_t *self, uint32_t partition, uint64_t seq);
bool kith_sealed_end_row (kith_sealed_t *self, uint32_t row, uint64_t seq);
int kith_sealed_set_index (kith_sealed_t *self, uint32_t field,
                           kith_container_t **index_p, kith_error_t *error);
void kith_sealed_drop_index (kith_sealed_t *self, uint32_t field);
void kith_sealed_trim (kith_sealed_t *self);    //  no reader is there

//  Readers
const kith_file_info_t *kith_sealed_info (const kith_sealed_t *self);
uint32_t kith_sealed_rows (const kith_sealed_t *self);
uint64_t kith_sealed_newest (const kith_sealed_t *self);    //  greatest seq of a row
const kith_ends_t *
kith_sealed_ends (const kith_sealed_t *self);    //  null: no death so far
const kith_column_t *
kith_sealed_column (const kith_sealed_t *self, uint32_t field);    //  null: none
const float *
kith_sealed_norms (const kith_sealed_t *self, uint32_t field);    //  null: none
void
kith_sealed_partitions (const kith_sealed_t *self, uint32_t *least, uint32_t *greatest);
const kith_index_t *kith_sealed_index (const kith_sealed_t *self, uint32_t field);
int64_t kith_sealed_find (const kith_sealed_t *self, const kith_column_t *keys,
                          uint32_t row, uint64_t s);
uint64_t kith_sealed_memory (const kith_sealed_t *self);    //  with indexes
uint64_t kith_sealed_index_memory (const kith_sealed_t *self);

#endif
