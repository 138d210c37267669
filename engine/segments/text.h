//  text.h - checks on text that comes from outside: UTF-8, JSON, names, and the name that was meant
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_TEXT_H
#define KITH_TEXT_H

#include "base/bytes.h"

//  True if the bytes are UTF-8 (no overlong form, no surrogate, nothing above U+10FFFF).
bool kith_utf8_valid (const void *text, size_t length);

//  True if the bytes are one JSON value (RFC 8259), at most 64 levels deep.
bool kith_json_valid (const void *text, size_t length);

//  Decodes a JSON string literal, quotes included, that kith_json_valid accepted; appends UTF-8 to out. False: a lone surrogate or a zero
//  character.
bool kith_json_string (const char *text, size_t length, kith_bytes_t *out);

//  Appends a code point as UTF-8.
void kith_utf8_put (kith_bytes_t *out, uint32_t point);

//  True if name is [A-Za-z_][A-Za-z0-9_]*, at most KITH_NAME_MAX bytes.
bool kith_name_valid (const char *name);

//  Changes of one letter (insert, drop, replace, swap of neighbours) from a to b, letter case ignored; at most 64 letters
//  are looked at.
uint32_t kith_name_distance (const char *a, const char *b);

#endif
