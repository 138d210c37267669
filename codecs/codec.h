//  codec.h - structs <-> msgpack and JSON, by the tables that the generator writes from protocol.zpl
//  SPDX-License-Identifier: Apache-2.0
//
//  A message is a msgpack array, its fields by position. Unknown fields at the end are skipped, missing ones at
//  the end stay zero: that is how versions live together.
#ifndef KITH_CODEC_H
#define KITH_CODEC_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

//  A counted run of bytes in a decoded struct (type `bytes` of the model)
typedef struct {
    const uint8_t *data;
    uint32_t size;
} kith_blob_t;

typedef enum {
    KITH_WIRE_BOOL,    //  bool
    KITH_WIRE_U32,     //  uint32_t
    KITH_WIRE_U64,     //  uint64_t
    KITH_WIRE_I64,     //  int64_t
    KITH_WIRE_F32,     //  float
    KITH_WIRE_F64,     //  double
    KITH_WIRE_STRING,    //  const char *, never null after unpack; "" when absent; UTF-8, no NUL inside
    KITH_WIRE_BYTES,     //  kith_blob_t
    KITH_WIRE_STRUCT,    //  the nested struct in place
    KITH_WIRE_FRAME      //  uint32_t: 1 + index of a frame of the message; 0: none
} kith_wire_type_t;

struct kith_codec_table;

typedef struct {
    const char *name;
    kith_wire_type_t type;
    bool list;                               //  T *name; uint32_t name_count;
    uint16_t offset;                         //  of the value or the pointer
    uint16_t count_offset;                   //  of name_count
    const struct kith_codec_table *table;    //  STRUCT only
    const char *doc;
} kith_codec_field_t;

typedef struct kith_codec_table {
    const char *name;
    uint32_t size;    //  sizeof the struct
    uint32_t count;
    const kith_codec_field_t *fields;
    const char *doc;
} kith_codec_table_t;

//  Appends body as msgpack.
void
kith_codec_pack (const kith_codec_table_t *table, const void *body, kith_bytes_t *out);

//  Pre-scans (declared counts <= bytes left, cumulatively; depth <= KITH_MSGPACK_DEPTH_MAX), then decodes into a struct of the arena. Strings
//  and blobs are copied into the arena too. Null: PROTOCOL, with the field at fault.
void *kith_codec_unpack (const kith_codec_table_t *table, const void *data, size_t size,
                         kith_arena_t *arena, kith_error_t *error);

//  The pre-scan alone: 0 if the bytes are one well-formed msgpack object within bounds.
int kith_prescan (const void *data, size_t size, kith_error_t *error);

//  JSON of the same structs: an object with the fields by name (bytes as base64, 64-bit integers as numbers). `pretty`: 2 blanks a level.
void kith_codec_json (const kith_codec_table_t *table, const void *body, bool pretty,
                      kith_bytes_t *out);
void *kith_codec_unjson (const kith_codec_table_t *table, const char *text, size_t size,
                         kith_arena_t *arena, kith_error_t *error);

//  Deep copy into another arena; copy_into: into a struct that is there.
void *
kith_codec_copy (const kith_codec_table_t *table, const void *body, kith_arena_t *arena);
void kith_codec_copy_into (const kith_codec_table_t *table, const void *body, void *to,
                           kith_arena_t *arena);

//  Makes null strings "", in nested structs and lists too: a struct that was filled by hand then keeps unpack's promise.
void kith_codec_settle (const kith_codec_table_t *table, void *body);

#endif
