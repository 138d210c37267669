//  json.h - reads JSON text piece by piece, without a tree
//  SPDX-License-Identifier: Apache-2.0
//
//  For rows and vectors, which are large and whose shape is known. What is not JSON (RFC 8259) is refused with its place.
#ifndef KITH_JSON_H
#define KITH_JSON_H

#include "base/bytes.h"
#include "base/error.h"

#define KITH_JSON_DEPTH_MAX 64u

//  Plain struct, made by init. After an error nothing more is read.
typedef struct {
    const char *start;
    const char *at;
    const char *end;
    kith_error_t *error;    //  lent by the caller; may be null
    bool failed;
} kith_json_t;

typedef enum {
    KITH_JSON_END,    //  no more text, or an error
    KITH_JSON_OBJECT,
    KITH_JSON_ARRAY,
    KITH_JSON_STRING,
    KITH_JSON_NUMBER,
    KITH_JSON_BOOL,
    KITH_JSON_NULL
} kith_json_kind_t;

void
kith_json_init (kith_json_t *self, const char *text, size_t size, kith_error_t *error);

//  What comes next; nothing is taken.
kith_json_kind_t kith_json_peek (kith_json_t *self);

//  Objects and arrays: open, then next until false. next_key gives the name (out is cleared; NUL after it) and stands before the
//  value; next_item stands before the value. False with self->failed: an error.
bool kith_json_open (kith_json_t *self, char bracket);
bool kith_json_next_key (kith_json_t *self, bool *first, kith_bytes_t *name);
bool kith_json_next_item (kith_json_t *self, bool *first);

//  Values. integer: the number has neither point nor exponent and fits int64. string appends UTF-8 to out.
bool
kith_json_number (kith_json_t *self, double *real, int64_t *integer, bool *is_integer);
bool kith_json_bool (kith_json_t *self, bool *value);
bool kith_json_null (kith_json_t *self);
bool kith_json_text (kith_json_t *self, kith_bytes_t *out);

//  Any value: its text from *text on, *size bytes.
bool kith_json_raw (kith_json_t *self, const char **text, size_t *size);

//  True if only blanks are left.
bool kith_json_done (kith_json_t *self);

//  Fills the error with what was expected here; returns false.
bool kith_json_fail (kith_json_t *self, const char *expected);

//  An array of numbers, appended to out as float32; *count is how many. Numbers that are not finite as float32 are refused.
bool kith_json_floats (kith_json_t *self, kith_bytes_t *out, uint32_t *count);

//  Appends text as a JSON string with its quotes; appends the shortest number that reads back as the same.
void kith_json_put_string (kith_bytes_t *out, const char *text, size_t size);
void kith_json_put_float (kith_bytes_t *out, float value);
void kith_json_put_double (kith_bytes_t *out, double value);

//  True if the bytes are UTF-8 without a NUL.
bool kith_text_valid (const char *text, size_t size);

#endif
