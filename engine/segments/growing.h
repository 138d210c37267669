//  growing.h - the rows of a segment in memory: chunks, and a map from key to newest row
//  SPDX-License-Identifier: Apache-2.0
//
//  One writer. Readers may call what is marked so at any time: chunks are published by an atomic count, rows by another,
//  keys by the map.
#ifndef KITH_GROWING_H
#define KITH_GROWING_H

#include "engine/segments/chunk.h"
#include "storage/log.h"

typedef struct kith_growing kith_growing_t;

//  schema is lent. Chunks have up to chunk_rows rows; 0: as many as suit it.
kith_growing_t *kith_growing_new (kith_schema_t *schema, uint32_t chunk_rows);
void kith_growing_destroy (kith_growing_t **self_p);

//  Appends the rows of an INSERT (columns as the schema's fields, checked), ending older versions.
int kith_growing_insert (kith_growing_t *self, const kith_record_t *record,
                         const kith_column_t *const *columns, uint32_t rows,
                         kith_error_t *error);

//  Ends the newest versions of the keys at seq, if they are older.
void kith_growing_end (kith_growing_t *self, const kith_column_t *keys, uint64_t seq);
void kith_growing_end_partition (kith_growing_t *self, uint32_t partition, uint64_t seq);

//  Ends a row; false if it had ended before.
bool kith_growing_end_row (kith_growing_t *self, uint32_t row, uint64_t seq);

//  Readers
uint32_t kith_growing_rows (const kith_growing_t *self);
uint32_t kith_growing_ended (const kith_growing_t *self);
uint32_t kith_growing_chunks (const kith_growing_t *self);
const kith_chunk_t *kith_growing_chunk (const kith_growing_t *self, uint32_t index,
                                        uint32_t *rows);    //  rows published
uint32_t kith_growing_chunk_of (const kith_growing_t *self, uint32_t row);
int64_t kith_growing_find (const kith_growing_t *self, const kith_column_t *keys,
                           uint32_t row, uint64_t s);
uint64_t kith_growing_memory (const kith_growing_t *self);    //  with indexes
uint64_t kith_growing_index_memory (const kith_growing_t *self);

//  First full chunk of at least rows_min rows without an index for spec over the field at this place of the schema; -1: none.
int64_t kith_growing_unindexed (const kith_growing_t *self, uint32_t place, uint64_t spec,
                                uint32_t rows_min);

//  Takes an index over all rows of a full chunk; from any one thread at a time. Searches that begin later use it.
void kith_growing_set_index (kith_growing_t *self, uint32_t chunk, uint32_t place,
                             uint64_t spec, kith_index_t **index_p);

#endif
