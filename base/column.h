//  column.h - the one column layout: wire frame, log record, segment block and growing chunk
//  SPDX-License-Identifier: Apache-2.0
//
//  A column block is one run of bytes; positions count from its start and are multiples of 64:
//
//       0  u32 magic "KCOL"     4  u8 type    5  u8 flags (1: has validity bits)    6  u16 zero
//       8  u32 field id        12  u32 rows  16  u32 dim (vectors, else 0)         20  u32 zero
//      24  u64 bytes of the whole block (a multiple of 64)
//      32  u64 validity_at (0: none; bit i set: row i has a value)
//      40  u64 offsets_at  (0: fixed width; u32 offsets [rows + 1] into data)
//      48  u64 data_at        56  u64 data_bytes
//
//  A batch is rows of several fields: a header of 64 bytes, then its column blocks one after another.
//
//       0  u32 magic "KBAT"     4  u32 version (1)   8  u32 rows   12  u32 columns   16  u64 bytes   24.. zero
//
//  Blocks and batches that come from outside are opened, which checks every position, count and offset;
//  the accessors below may then be used without a further check. Views point into the opened bytes.
#ifndef KITH_COLUMN_H
#define KITH_COLUMN_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"

typedef enum {
    KITH_TYPE_BOOL = 1,
    KITH_TYPE_INT8 = 2,
    KITH_TYPE_INT16 = 3,
    KITH_TYPE_INT32 = 4,
    KITH_TYPE_INT64 = 5,
    KITH_TYPE_FLOAT = 6,
    KITH_TYPE_DOUBLE = 7,
    KITH_TYPE_VARCHAR = 8,
    KITH_TYPE_JSON = 9,
    KITH_TYPE_FLOAT_VECTOR = 10,    //  base/vector.h says how the numbers of vectors lie
    KITH_TYPE_FLOAT16_VECTOR = 11,
    KITH_TYPE_BFLOAT16_VECTOR = 12,
    KITH_TYPE_INT8_VECTOR = 13,
    KITH_TYPE_BINARY_VECTOR = 14    //  a bit a dimension; dim is a multiple of 8
} kith_type_t;

//  Fields that Kith adds to stored rows; user fields count from KITH_FIELD_USER.
enum {
    KITH_FIELD_SEQ = 1,          //  int64: seq of the record that wrote the row
    KITH_FIELD_ROW = 2,          //  int32: place of the row in its record
    KITH_FIELD_TIMESTAMP = 3,    //  int64: hybrid timestamp
    KITH_FIELD_PARTITION = 4,    //  int32: partition id
    KITH_FIELD_USER = 100
};

typedef struct {
    kith_type_t type;
    uint32_t field;    //  field id
    uint32_t rows;
    uint32_t dim;               //  vectors, else 0
    uint64_t bytes;             //  of the whole block
    const uint8_t *block;       //  start of the block
    const uint8_t *validity;    //  null: every row has a value
    const uint8_t *offsets;     //  u32, null for fixed width
    const uint8_t *data;
    uint64_t data_bytes;
} kith_column_t;

typedef struct {
    uint32_t rows;
    uint32_t count;          //  columns
    uint64_t bytes;          //  of the whole batch
    const uint8_t *start;    //  batch header
    kith_column_t columns [KITH_FIELDS_MAX + 8];
} kith_batch_t;

//  Name ("int64"), width in bytes of one value (vectors: dim values; 0 for varchar and json), type of a name (0: none).
const char *kith_type_name (kith_type_t type);
uint32_t kith_type_width (kith_type_t type, uint32_t dim);
kith_type_t kith_type_of_name (const char *name);

//  Numbers that came from outside: is there such a type, and may a column of it have that dim (vectors: 1 .. KITH_DIM_MAX, of binary ones a
//  multiple of 8; others: 0)?
bool kith_type_known (uint32_t type);
bool kith_type_dim_allowed (kith_type_t type, uint32_t dim);

static inline bool
kith_type_is_vector (kith_type_t type)
{
    return type >= KITH_TYPE_FLOAT_VECTOR && type <= KITH_TYPE_BINARY_VECTOR;
}

//  Opens a block; size is how many bytes there are at least.
int kith_column_open (kith_column_t *self, const void *block, uint64_t size,
                      kith_error_t *error);

//  Values of an opened column; row < rows.
bool kith_column_valid (const kith_column_t *self, uint32_t row);
int64_t
kith_column_int (const kith_column_t *self, uint32_t row);    //  bool and int types
double kith_column_real (const kith_column_t *self, uint32_t row);    //  any numeric type
const char *
kith_column_string (const kith_column_t *self, uint32_t row, uint32_t *length);
const void *
kith_column_fixed (const kith_column_t *self, uint32_t row);    //  fixed width, unaligned

//  Appends a block of the chosen rows of a column to out, in that order (rows null: all, count ignored).
void kith_column_gather (kith_bytes_t *out, const kith_column_t *column,
                         const uint32_t *rows, uint32_t count);

//  Builds a block row by row. A builder is used for one block, then freed.
typedef struct {
    kith_type_t type;
    uint32_t field;
    uint32_t dim;
    uint32_t rows;
    bool nulls;               //  some row has no value
    kith_bytes_t validity;    //  a byte a row
    kith_bytes_t offsets;
    kith_bytes_t data;
} kith_column_builder_t;

void kith_column_builder_init (kith_column_builder_t *self, uint32_t field,
                               kith_type_t type, uint32_t dim);
void kith_column_builder_free (kith_column_builder_t *self);
void kith_column_builder_null (kith_column_builder_t *self);
void kith_column_builder_int (kith_column_builder_t *self,
                              int64_t value);    //  bool and int types
void kith_column_builder_real (kith_column_builder_t *self,
                               double value);    //  float and double
void kith_column_builder_string (kith_column_builder_t *self, const char *text,
                                 uint32_t length);
void kith_column_builder_fixed (kith_column_builder_t *self,
                                const void *value);    //  any fixed width
void kith_column_builder_copy (kith_column_builder_t *self, const kith_column_t *column,
                               uint32_t row);
void kith_column_builder_finish (kith_column_builder_t *self,
                                 kith_bytes_t *out);    //  appends the block

//  Opens a batch: all its blocks, the same number of rows in each, no field twice.
int kith_batch_open (kith_batch_t *self, const void *bytes, uint64_t size,
                     kith_error_t *error);

//  Column of a field id; null if the batch has none.
const kith_column_t *kith_batch_field (const kith_batch_t *self, uint32_t field);

//  Writes a batch: begin, append `columns` blocks to out (builder_finish or gather), end with the place
//  that begin returned. out must be 64-byte aligned at the call of begin.
size_t kith_batch_begin (kith_bytes_t *out, uint32_t rows, uint32_t columns);
void kith_batch_end (kith_bytes_t *out, size_t place);

//  Appends a batch of the chosen rows of a batch to out.
void kith_batch_gather (kith_bytes_t *out, const kith_batch_t *batch,
                        const uint32_t *rows, uint32_t count);

#endif
