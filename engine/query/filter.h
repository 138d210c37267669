//  filter.h - the filter language: text -> checked tree -> a bit per row
//  SPDX-License-Identifier: Apache-2.0
//
//  Comparisons (== != < <= > >=, = as ==; a number on either side, chained 1 < x <= 5), between A and B, in [..] and not in [..]
//  ((..) too), like with % and _, is null, is not null, and && or || not ! with Milvus's precedence, arithmetic on numbers
//  (+ - * / % **), true false, "text" and 'text' with escapes; $1 .. parameters are not in yet. Three-valued: a comparison with null is
//  not true. docs/reference/filter.md has it for users.
#ifndef KITH_FILTER_H
#define KITH_FILTER_H

#include "engine/segments/segment.h"

typedef struct kith_filter kith_filter_t;

//  Parses and checks against the schema. FILTER or FIELD_NOT_FOUND: error->at is the byte position, message one sentence, hint the
//  nearest name. Limits: KITH_FILTER_*. Immutable, shared by reference count.
kith_filter_t *
kith_filter_new (const char *text, kith_schema_t *schema, kith_error_t *error);
kith_filter_t *kith_filter_share (kith_filter_t *self);
void kith_filter_destroy (kith_filter_t **self_p);

//  Canonical text (print (parse (x)) parses to the same tree); caller frees.
char *kith_filter_print (const kith_filter_t *self);

//  Rows 0 .. bits->count - 1 of the segment that pass stay set in bits, the others are dropped.
void kith_filter_eval (const kith_filter_t *self, const kith_segment_t *segment,
                       kith_bits_t *bits);

#endif
