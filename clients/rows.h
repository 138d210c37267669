//  rows.h - rows of an opened collection, gathered by column, cut into batches
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_ROWS_H
#define KITH_ROWS_H

#include "base/column.h"
#include "clients/client.h"

#define KITH_ROWS_REQUEST_BYTES (1u << 20)    //  a request of rows aims at this size

//  Empty rows of a collection (shared).
kith_rows_t *kith_rows_new (kith_opened_t *opened);
kith_opened_t *kith_rows_opened (const kith_rows_t *self);

//  The partition of these rows (null: _default).
int kith_rows_to (kith_rows_t *self, const char *partition, kith_error_t *error);
const char *kith_rows_goes_to (const kith_rows_t *self);

//  For readers of files: `index` is the place of a field in the definition. raw: count values of the field's own
//  width (no varlen), copied as they are; vectors that are not finite are refused.
int kith_rows_place (const kith_rows_t *self, const char *field, uint32_t *column,
                     kith_error_t *error);
int kith_rows_put_raw (kith_rows_t *self, uint32_t index, const void *values,
                       size_t count, kith_error_t *error);
int
kith_rows_put_int (kith_rows_t *self, uint32_t index, int64_t value, kith_error_t *error);
int
kith_rows_put_real (kith_rows_t *self, uint32_t index, double value, kith_error_t *error);
int kith_rows_put_text (kith_rows_t *self, uint32_t index, const char *text, size_t size,
                        kith_error_t *error);
//  Of numbers, converted to the field's type (base/vector.h).
int kith_rows_put_vector (kith_rows_t *self, uint32_t index, const float *values,
                          size_t count, kith_error_t *error);
int kith_rows_put_null (kith_rows_t *self, uint32_t index, kith_error_t *error);

//  A value from JSON text, or from plain text as in CSV (numbers, true, false; vectors and json as JSON; empty: null).
int kith_rows_put_value (kith_rows_t *self, uint32_t index, const char *text, size_t size,
                         bool plain, kith_error_t *error);

//  One row: a JSON object. Nothing is added when it fails.
int kith_rows_put_json (kith_rows_t *self, const char *text, size_t size,
                        kith_error_t *error);

//  A row is begun, its values are put in any order, and it is ended, which fills what is missing (default, null) or, when
//  that is not allowed, takes the row back and fails. undo takes back what was put of the row.
void kith_rows_begin (kith_rows_t *self);
int kith_rows_end (kith_rows_t *self, kith_error_t *error);
void kith_rows_undo (kith_rows_t *self);

//  Rows that a column has, and back to fewer of them.
size_t kith_rows_column_rows (const kith_rows_t *self, uint32_t index);
void kith_rows_cut_column (kith_rows_t *self, uint32_t index, size_t rows);

//  Are all columns of one length, and is the key there (keys_only: it alone)? Fills the keys of a collection whose
//  keys the client makes.
int kith_rows_check (kith_rows_t *self, kith_client_t *client, bool keys_only,
                     kith_error_t *error);

//  Where a request that begins at row `from` ends: KITH_ROWS_REQUEST_BYTES are not passed, except by a single row. LIMIT: the row
//  is too large. Then the batch of these rows.
int kith_rows_cut (const kith_rows_t *self, size_t from, size_t *to, kith_error_t *error);
void kith_rows_batch (const kith_rows_t *self, size_t from, size_t to, kith_bytes_t *out);

//  Hash of a row's key, and about how many bytes all rows have.
uint64_t kith_rows_key_hash (const kith_rows_t *self, size_t row);
uint64_t kith_rows_bytes (const kith_rows_t *self);

#endif
