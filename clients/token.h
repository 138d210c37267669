//  token.h - positions in logs: what writes and reads have seen
//  SPDX-License-Identifier: Apache-2.0
//
//  As text: base64url without padding of a JSON object log -> [epoch, seq]: {"0":[1,891]}.
#ifndef KITH_TOKEN_H
#define KITH_TOKEN_H

#include "base/bytes.h"
#include "base/error.h"
#include "codecs/proto.h"

//  Plain struct: a zeroed one is empty and valid. Sorted by log.
typedef struct {
    kith_proto_position_t *items;
    uint32_t count;
    uint32_t capacity;
} kith_token_t;

void kith_token_free (kith_token_t *self);

//  Keeps the newer of what is there and what is given.
void kith_token_put (kith_token_t *self, const kith_proto_position_t *position);
void
kith_token_merge (kith_token_t *self, const kith_proto_position_t *items, uint32_t count);

//  Position of a log; null: none.
const kith_proto_position_t *kith_token_find (const kith_token_t *self, uint32_t log);

//  A copy of the positions in an arena.
kith_proto_position_t *kith_token_copy (const kith_token_t *self, kith_arena_t *arena);

//  Text of a token, appended with a NUL that is not counted; and back (merged in; INVALID).
void kith_token_print (const kith_token_t *self, kith_bytes_t *out);
int kith_token_parse (kith_token_t *self, const char *text, kith_error_t *error);

//  base64url without padding; decode refuses anything else.
void kith_base64_encode (kith_bytes_t *out, const void *data, size_t size);
int kith_base64_decode (kith_bytes_t *out, const char *text, size_t size,
                        kith_error_t *error);

#endif
