//  table.h - figures for people: aligned tables, numbers with separators, sizes, times
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_TABLE_H
#define KITH_TABLE_H

#include "base/bytes.h"

typedef struct kith_table kith_table_t;

kith_table_t *kith_table_new (void);
void kith_table_destroy (kith_table_t **self_p);

//  Adds a column (before any row); right: numbers.
void kith_table_column (kith_table_t *self, const char *name, bool right);

//  Adds a row by adding its cells, from left to right. Control characters are shown as "?".
void kith_table_cell (kith_table_t *self, const char *text, size_t size);
void kith_table_printf (kith_table_t *self, const char *format, ...) KITH_PRINTF (2, 3);

//  Prints it, `indent` blanks before each line, `bold` heads; lines are cut to `width` columns (0: not cut).
void
kith_table_print (const kith_table_t *self, FILE *out, int indent, int width, bool bold);

//  "341,479"   "214 MB"   "3 h"   "0.6 ms"; text is returned.
char *kith_show_count (uint64_t value, char text [32]);
char *kith_show_size (uint64_t bytes, char text [32]);
char *kith_show_age (uint64_t ms, char text [32]);
char *kith_show_ms (double ms, char text [32]);

//  "171k": a rate in three digits
char *kith_show_rate (double value, char text [32]);

#endif
