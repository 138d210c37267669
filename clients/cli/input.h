//  input.h - rows from files: JSON lines, CSV, NumPy arrays, one file a column
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_INPUT_H
#define KITH_INPUT_H

#include "clients/rows.h"

//  Lines of a file or of standard input ("-")
typedef struct kith_lines kith_lines_t;

kith_lines_t *kith_lines_open (const char *path, kith_error_t *error);

//  Lines of a text that lives longer; name stands for it in errors.
kith_lines_t *kith_lines_of (const char *text, size_t size, const char *name);
void kith_lines_close (kith_lines_t **self_p);

//  The next line, without its end; 1: there is one, 0: no more, -1: error. quotes: a line goes on while a quote is open (CSV).
int kith_lines_next (kith_lines_t *self, bool quotes, const char **line, size_t *size,
                     kith_error_t *error);
uint64_t
kith_lines_number (const kith_lines_t *self);           //  of the line given last, from 1
uint64_t kith_lines_read (const kith_lines_t *self);    //  bytes so far
uint64_t kith_lines_size (const kith_lines_t *self);    //  of the file; 0: not known
const char *kith_lines_name (const kith_lines_t *self);

//  A file in memory, mapped; null: error. An empty file is an error.
const uint8_t *kith_file_map (const char *path, uint64_t *size, kith_error_t *error);
void kith_file_unmap (const uint8_t *data, uint64_t size);

//  A source of rows
typedef struct kith_input kith_input_t;

//  format: jsonl, csv, npy, fbin; null: by the extension.
kith_input_t *kith_input_open (const char *path, const char *format,
                               kith_opened_t *opened, kith_error_t *error);

//  One file a column: texts "FIELD=FILE" (.npy, .fbin, .txt with a value a line), null at the end.
kith_input_t *kith_input_columns (const char *const *columns, kith_opened_t *opened,
                                  kith_error_t *error);

//  Keys that are numbered from here when the file has none (int64).
void kith_input_number_from (kith_input_t *self, int64_t first);
void kith_input_close (kith_input_t **self_p);

//  Adds rows until `bytes` are there or the source ends. 1: there may be more, 0: end, -1: a row or the file is wrong (after a
//  wrong row the next call goes on behind it; *row_only tells).
int kith_input_fill (kith_input_t *self, kith_rows_t *rows, uint64_t bytes,
                     bool *row_only, kith_error_t *error);

//  Rows in all (0: not known), share of the source that was read, text of the row at fault (for --errors).
uint64_t kith_input_rows (const kith_input_t *self);
double kith_input_share (const kith_input_t *self);
const char *kith_input_bad (const kith_input_t *self, size_t *size);

//  Query vectors of a file: .npy, .fbin, or lines with an array each.
int kith_input_vectors (const char *path, kith_bytes_t *out, uint32_t *dim, size_t *count,
                        kith_error_t *error);

#endif
