//  chunk.h - rows of a growing segment that lie together; they never move
//  SPDX-License-Identifier: Apache-2.0
//
//  One mapping a chunk, given back as a whole. Each column lies as a column block's parts do (base/column.h): validity bits, u32
//  offsets, data; capacity is reserved and pages are touched as they fill. A chunk is full when a row does not fit
//  into one of them. One writer appends; readers look at rows that were published to them.
#ifndef KITH_CHUNK_H
#define KITH_CHUNK_H

#include "base/arena.h"
#include "engine/indexes/index.h"
#include "engine/segments/ends.h"
#include "engine/segments/schema.h"

//  An index of a vector field over all rows of a full chunk
typedef struct kith_chunk_index {
    kith_index_t *index;
    uint64_t spec;    //  specification that it was made for
    uint32_t rows;
    struct kith_chunk_index *older;
} kith_chunk_index_t;

typedef struct {
    _Atomic uint8_t *validity;    //  null: the field cannot be null
    uint8_t *offsets;             //  null: fixed width
    uint8_t *data;
    float *norms;                            //  cosine vectors, else null
    uint64_t data_capacity;                  //  bytes, of varlen types
    _Atomic (kith_chunk_index_t *) index;    //  the newest; null: none
} kith_chunk_column_t;

typedef struct {
    uint32_t first_row;    //  in the segment
    uint32_t capacity;     //  rows
    uint32_t used;         //  rows; the writer's
    uint32_t column_count;
    size_t bytes;    //  of the mapping
    uint64_t *seqs;
    uint64_t *timestamps;
    uint32_t *places;    //  row in its record
    uint32_t *partitions;
    uint32_t *previous;    //  row + 1 of the key's version before; 0: none
    kith_ends_t ends;
    kith_chunk_column_t columns [];    //  as the schema's fields
} kith_chunk_t;

//  Rows to append: those of a record from `first` on, columns in the order of the schema's fields.
typedef struct {
    const kith_column_t *const *columns;
    uint32_t first;
    uint32_t rows;    //  of the record
    uint64_t seq;
    uint64_t timestamp;
    uint32_t partition;
} kith_chunk_input_t;

//  Makes a chunk of at most rows_max rows into which at least the input's first row fits; null: NO_MEMORY.
kith_chunk_t *
kith_chunk_new (const kith_schema_t *schema, uint32_t first_row, uint32_t rows_max,
                const kith_chunk_input_t *input, kith_error_t *error);
void kith_chunk_destroy (kith_chunk_t **self_p);

//  Appends as many of the input's rows as fit; returns how many.
uint32_t kith_chunk_append (kith_chunk_t *self, const kith_schema_t *schema,
                            const kith_chunk_input_t *input);

//  About as many bytes of the mapping as rows have touched; the writer's.
uint64_t kith_chunk_resident (const kith_chunk_t *self, const kith_schema_t *schema);

//  The first `rows` rows of a field, index as in the schema, as a column. Validity bits are copied into arena, because
//  the writer shares their bytes.
void
kith_chunk_column (const kith_chunk_t *self, const kith_field_t *field, uint32_t index,
                   uint32_t rows, kith_arena_t *arena, kith_column_t *column);

#endif
