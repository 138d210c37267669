//  column.c - opens and reads column blocks and batches
//  SPDX-License-Identifier: Apache-2.0
#include "base/column.h"

#include "base/column_layout.h"

#define TYPE_LAST KITH_TYPE_BINARY_VECTOR

static const char *const s_type_names [TYPE_LAST + 1] = {
    [KITH_TYPE_BOOL] = "bool",
    [KITH_TYPE_INT8] = "int8",
    [KITH_TYPE_INT16] = "int16",
    [KITH_TYPE_INT32] = "int32",
    [KITH_TYPE_INT64] = "int64",
    [KITH_TYPE_FLOAT] = "float",
    [KITH_TYPE_DOUBLE] = "double",
    [KITH_TYPE_VARCHAR] = "varchar",
    [KITH_TYPE_JSON] = "json",
    [KITH_TYPE_FLOAT_VECTOR] = "float_vector",
    [KITH_TYPE_FLOAT16_VECTOR] = "float16_vector",
    [KITH_TYPE_BFLOAT16_VECTOR] = "bfloat16_vector",
    [KITH_TYPE_INT8_VECTOR] = "int8_vector",
    [KITH_TYPE_BINARY_VECTOR] = "binary_vector",
};

//  Of a value, of vectors the number of a dimension
static const uint8_t s_type_bits [TYPE_LAST + 1] = {
    [KITH_TYPE_BOOL] = 8,
    [KITH_TYPE_INT8] = 8,
    [KITH_TYPE_INT16] = 16,
    [KITH_TYPE_INT32] = 32,
    [KITH_TYPE_INT64] = 64,
    [KITH_TYPE_FLOAT] = 32,
    [KITH_TYPE_DOUBLE] = 64,
    [KITH_TYPE_FLOAT_VECTOR] = 32,
    [KITH_TYPE_FLOAT16_VECTOR] = 16,
    [KITH_TYPE_BFLOAT16_VECTOR] = 16,
    [KITH_TYPE_INT8_VECTOR] = 8,
    [KITH_TYPE_BINARY_VECTOR] = 1,
};

const char *
kith_type_name (kith_type_t type)
{
    if (!kith_type_known (type))
        return "unknown";
    return s_type_names [type];
}

uint32_t
kith_type_width (kith_type_t type, uint32_t dim)
{
    assert (kith_type_known (type));
    uint32_t bits = s_type_bits [type];
    return (kith_type_is_vector (type) ? bits * dim : bits) / 8;
}

bool
kith_type_known (uint32_t type)
{
    return type >= KITH_TYPE_BOOL && type <= TYPE_LAST;
}

bool
kith_type_dim_allowed (kith_type_t type, uint32_t dim)
{
    if (!kith_type_is_vector (type))
        return dim == 0;
    return dim > 0 && dim <= KITH_DIM_MAX
           && (type != KITH_TYPE_BINARY_VECTOR || dim % 8 == 0);
}

kith_type_t
kith_type_of_name (const char *name)
{
    assert (name);
    for (int type = KITH_TYPE_BOOL; type <= TYPE_LAST; type++) {
        if (strcmp (s_type_names [type], name) == 0)
            return (kith_type_t) type;
    }
    return (kith_type_t) 0;
}

//  True if a part of `bytes` bytes at `at` lies in the block after its header. Nothing here can overflow:
//  at is compared before it is subtracted.
static bool
s_part_inside (const kith_column_t *self, uint64_t at, uint64_t bytes)
{
    return at % 64 == 0 && at >= KITH_COLUMN_HEADER && at <= self->bytes
           && bytes <= self->bytes - at;
}

static int
s_refuse (const kith_column_t *self, kith_error_t *error, const char *what)
{
    return kith_error_set (error, KITH_ERR_PROTOCOL,
                           "column block of field %" PRIu32 ": %s", self->field, what);
}

static int
s_open_offsets (kith_column_t *self, uint64_t at, kith_error_t *error)
{
    if (!s_part_inside (self, at, ((uint64_t) self->rows + 1) * 4))
        return s_refuse (self, error, "the offsets lie outside");
    self->offsets = self->block + at;
    uint32_t before = 0;
    bool falls = kith_get_u32 (self->offsets) != 0;
    for (uint64_t row = 0; row <= self->rows; row++) {
        uint32_t offset = kith_get_u32 (self->offsets + row * 4);
        falls |= offset < before;
        before = offset;
    }
    if (falls)
        return s_refuse (self, error, "the offsets do not rise from 0");
    if (before != self->data_bytes)
        return s_refuse (self, error, "the last offset is not the length of the data");
    return 0;
}

static int
s_open_parts (kith_column_t *self, kith_error_t *error)
{
    uint64_t validity_at = kith_get_u64 (self->block + KITH_COLUMN_AT_VALIDITY);
    uint64_t offsets_at = kith_get_u64 (self->block + KITH_COLUMN_AT_OFFSETS);
    uint64_t data_at = kith_get_u64 (self->block + KITH_COLUMN_AT_DATA);
    self->data_bytes = kith_get_u64 (self->block + KITH_COLUMN_AT_DATA_BYTES);

    bool has_validity = self->block [KITH_COLUMN_AT_FLAGS] & KITH_COLUMN_HAS_VALIDITY;
    if (has_validity != (validity_at != 0))
        return s_refuse (self, error, "flag and position of the validity bits disagree");
    if (has_validity) {
        if (!s_part_inside (self, validity_at, ((uint64_t) self->rows + 7) / 8))
            return s_refuse (self, error, "the validity bits lie outside");
        self->validity = self->block + validity_at;
    }
    if (!s_part_inside (self, data_at, self->data_bytes))
        return s_refuse (self, error, "the data lie outside");
    self->data = self->block + data_at;

    if (kith_type_is_varlen (self->type))
        return s_open_offsets (self, offsets_at, error);
    if (offsets_at != 0)
        return s_refuse (self, error, "a type of fixed width has offsets");
    if (self->data_bytes
        != (uint64_t) self->rows * kith_type_width (self->type, self->dim))
        return s_refuse (self, error,
                         "the length of the data does not fit the number of rows");
    return 0;
}

int
kith_column_open (kith_column_t *self, const void *block, uint64_t size,
                  kith_error_t *error)
{
    assert (self && (block || size == 0));
    *self = (kith_column_t){.block = block};
    if (size < KITH_COLUMN_HEADER)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "column block: %" PRIu64 " bytes, fewer than its header",
                               size);
    const uint8_t *at = block;
    if (kith_get_u32 (at) != KITH_COLUMN_MAGIC)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "column block: it does not begin with KCOL");
    self->field = kith_get_u32 (at + KITH_COLUMN_AT_FIELD);
    self->rows = kith_get_u32 (at + KITH_COLUMN_AT_ROWS);
    self->dim = kith_get_u32 (at + KITH_COLUMN_AT_DIM);
    self->bytes = kith_get_u64 (at + KITH_COLUMN_AT_BYTES);
    uint8_t type = at [KITH_COLUMN_AT_TYPE];
    if (!kith_type_known (type))
        return s_refuse (self, error, "unknown type");
    self->type = (kith_type_t) type;
    if (at [KITH_COLUMN_AT_FLAGS] > KITH_COLUMN_HAS_VALIDITY
        || kith_get_u16 (at + KITH_COLUMN_AT_ZERO)
        || kith_get_u32 (at + KITH_COLUMN_AT_ZERO2))
        return s_refuse (self, error, "unknown flags");
    if (self->bytes % 64 || self->bytes < KITH_COLUMN_HEADER || self->bytes > size)
        return s_refuse (self, error,
                         "its length is not a multiple of 64 or more than is there");
    if (!kith_type_dim_allowed (self->type, self->dim))
        return s_refuse (self, error, "its dimension is not allowed");
    return s_open_parts (self, error);
}

bool
kith_column_valid (const kith_column_t *self, uint32_t row)
{
    assert (row < self->rows);
    return !self->validity || (self->validity [row / 8] >> (row % 8) & 1);
}

int64_t
kith_column_int (const kith_column_t *self, uint32_t row)
{
    assert (row < self->rows);
    switch (self->type) {
        case KITH_TYPE_BOOL:
            return self->data [row] != 0;
        case KITH_TYPE_INT8:
            return (int8_t) self->data [row];
        case KITH_TYPE_INT16:
            return (int16_t) kith_get_u16 (self->data + (size_t) row * 2);
        case KITH_TYPE_INT32:
            return (int32_t) kith_get_u32 (self->data + (size_t) row * 4);
        case KITH_TYPE_INT64:
            return (int64_t) kith_get_u64 (self->data + (size_t) row * 8);
        case KITH_TYPE_FLOAT:
        case KITH_TYPE_DOUBLE:
        case KITH_TYPE_VARCHAR:
        case KITH_TYPE_JSON:
        case KITH_TYPE_FLOAT_VECTOR:
        case KITH_TYPE_FLOAT16_VECTOR:
        case KITH_TYPE_BFLOAT16_VECTOR:
        case KITH_TYPE_INT8_VECTOR:
        case KITH_TYPE_BINARY_VECTOR:
            break;
    }
    assert (false && "an integer was asked of a column of another type");
    return 0;
}

double
kith_column_real (const kith_column_t *self, uint32_t row)
{
    assert (row < self->rows);
    if (self->type == KITH_TYPE_FLOAT) {
        float value;
        memcpy (&value, self->data + (size_t) row * sizeof value, sizeof value);
        return (double) value;
    }
    if (self->type == KITH_TYPE_DOUBLE) {
        double value;
        memcpy (&value, self->data + (size_t) row * sizeof value, sizeof value);
        return value;
    }
    return (double) kith_column_int (self, row);
}

const char *
kith_column_string (const kith_column_t *self, uint32_t row, uint32_t *length)
{
    assert (row < self->rows && self->offsets && length);
    const uint8_t *offset = self->offsets + (size_t) row * 4;
    uint32_t from = kith_get_u32 (offset);
    *length = kith_get_u32 (offset + 4) - from;
    return (const char *) self->data + from;
}

const void *
kith_column_fixed (const kith_column_t *self, uint32_t row)
{
    assert (row < self->rows && !self->offsets);
    return self->data + (size_t) row * kith_type_width (self->type, self->dim);
}

static int
s_batch_columns (kith_batch_t *self, kith_error_t *error)
{
    uint64_t at = KITH_BATCH_HEADER;
    for (uint32_t index = 0; index < self->count; index++) {
        kith_column_t *column = &self->columns [index];
        if (kith_column_open (column, self->start + at, self->bytes - at, error) != 0)
            return kith_error_prefix (error, "batch: column %" PRIu32, index);
        if (column->rows != self->rows)
            return kith_error_set (error, KITH_ERR_PROTOCOL,
                                   "batch: field %" PRIu32 " has %" PRIu32
                                   " rows, the batch has %" PRIu32,
                                   column->field, column->rows, self->rows);
        for (uint32_t other = 0; other < index; other++) {
            if (self->columns [other].field == column->field)
                return kith_error_set (error, KITH_ERR_PROTOCOL,
                                       "batch: field %" PRIu32 " is there twice",
                                       column->field);
        }
        at += column->bytes;
    }
    if (at != self->bytes)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "batch: there are bytes after its last column");
    return 0;
}

int
kith_batch_open (kith_batch_t *self, const void *bytes, uint64_t size,
                 kith_error_t *error)
{
    assert (self && (bytes || size == 0));
    self->start = bytes;
    self->rows = self->count = 0;
    self->bytes = 0;
    if (size < KITH_BATCH_HEADER || kith_get_u32 (bytes) != KITH_BATCH_MAGIC)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "batch: it does not begin with KBAT");
    const uint8_t *at = bytes;
    uint32_t version = kith_get_u32 (at + 4);
    if (version != KITH_BATCH_VERSION)
        return kith_error_set (error, KITH_ERR_VERSION,
                               "batch: version %" PRIu32 ", this program knows %u",
                               version, KITH_BATCH_VERSION);
    uint32_t count = kith_get_u32 (at + 12);
    uint64_t total = kith_get_u64 (at + 16);
    if (count > sizeof self->columns / sizeof self->columns [0])
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "batch: %" PRIu32 " columns, at most %zu are allowed",
                               count, sizeof self->columns / sizeof self->columns [0]);
    //  Rows that take no bytes could be any number
    if (count == 0 && kith_get_u32 (at + 8) != 0)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "batch: it has rows but no columns");
    if (total % 64 || total < KITH_BATCH_HEADER || total > size)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "batch: its length %" PRIu64
                               " is no multiple of 64 or over the %" PRIu64
                               " bytes there are",
                               total, size);
    for (uint32_t zero = 24; zero < KITH_BATCH_HEADER; zero += 8) {
        if (kith_get_u64 (at + zero))
            return kith_error_set (error, KITH_ERR_PROTOCOL,
                                   "batch: unknown bytes in its header");
    }
    self->rows = kith_get_u32 (at + 8);
    self->count = count;
    self->bytes = total;
    return s_batch_columns (self, error);
}

const kith_column_t *
kith_batch_field (const kith_batch_t *self, uint32_t field)
{
    for (uint32_t index = 0; index < self->count; index++) {
        if (self->columns [index].field == field)
            return &self->columns [index];
    }
    return NULL;
}
