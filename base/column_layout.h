//  column_layout.h - positions inside column blocks and batches; for base/column*.c alone
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_COLUMN_LAYOUT_H
#define KITH_COLUMN_LAYOUT_H

#include "base/column.h"

#define KITH_COLUMN_HEADER 64u
#define KITH_COLUMN_MAGIC 0x4c4f434bu    //  "KCOL"
#define KITH_BATCH_HEADER 64u
#define KITH_BATCH_MAGIC 0x5441424bu    //  "KBAT"
#define KITH_BATCH_VERSION 1u
#define KITH_COLUMN_HAS_VALIDITY 1u

//  Where the header keeps what
enum {
    KITH_COLUMN_AT_TYPE = 4,
    KITH_COLUMN_AT_FLAGS = 5,
    KITH_COLUMN_AT_ZERO = 6,
    KITH_COLUMN_AT_FIELD = 8,
    KITH_COLUMN_AT_ROWS = 12,
    KITH_COLUMN_AT_DIM = 16,
    KITH_COLUMN_AT_ZERO2 = 20,
    KITH_COLUMN_AT_BYTES = 24,
    KITH_COLUMN_AT_VALIDITY = 32,
    KITH_COLUMN_AT_OFFSETS = 40,
    KITH_COLUMN_AT_DATA = 48,
    KITH_COLUMN_AT_DATA_BYTES = 56
};

//  A block being appended: its parts zeroed and in place, to be filled in. Filled by the writer from type,
//  field, rows, dim and data_bytes.
typedef struct {
    uint8_t *validity;    //  null: none
    uint8_t *offsets;     //  null: fixed width
    uint8_t *data;
} kith_column_parts_t;

//  True for types whose values differ in length.
static inline bool
kith_type_is_varlen (kith_type_t type)
{
    return type == KITH_TYPE_VARCHAR || type == KITH_TYPE_JSON;
}

//  Appends the header and zeroed parts of a block shaped like `column` (its type, field, rows, dim and
//  data_bytes), with validity bits or without.
kith_column_parts_t
kith_column_append (kith_bytes_t *out, const kith_column_t *column, bool validity);

#endif
