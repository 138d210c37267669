//  codec.c - walks over structs by table: packing, copying, settling
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/codec.h"

#include "codecs/codec_walk.h"

#include <msgpack.h>

size_t
kith_codec_width (const kith_codec_field_t *field)
{
    switch (field->type) {
        case KITH_WIRE_BOOL:
            return sizeof (bool);
        case KITH_WIRE_U32:
        case KITH_WIRE_FRAME:
            return sizeof (uint32_t);
        case KITH_WIRE_U64:
            return sizeof (uint64_t);
        case KITH_WIRE_I64:
            return sizeof (int64_t);
        case KITH_WIRE_F32:
            return sizeof (float);
        case KITH_WIRE_F64:
            return sizeof (double);
        case KITH_WIRE_STRING:
            return sizeof (const char *);
        case KITH_WIRE_BYTES:
            return sizeof (kith_blob_t);
        case KITH_WIRE_STRUCT:
            return field->table->size;
    }
    return 0;
}

const char *
kith_codec_type_name (const kith_codec_field_t *field)
{
    static const char *const names [] = {"bool", "u32",    "u64",   "i64",    "f32",
                                         "f64",  "string", "bytes", "struct", "frame"};
    static const char *const lists [] = {
        "list of bool",   "list of u32",  "list of u64",    "list of i64",
        "list of f32",    "list of f64",  "list of string", "list of bytes",
        "list of struct", "list of frame"};
    return field->list ? lists [field->type] : names [field->type];
}

int
kith_codec_refuse (const kith_codec_path_t *path, kith_error_t *error, const char *format,
                   ...)
{
    const kith_codec_path_t *steps [32];
    uint32_t count = 0;
    for (; path && count < 32; path = path->up)
        steps [count++] = path;
    char text [256] = "";
    size_t used = 0;
    while (count-- && used < sizeof text) {
        const char *dot = used ? "." : "";
        int more = steps [count]->index < 0
                       ? snprintf (text + used, sizeof text - used, "%s%s", dot,
                                   steps [count]->name)
                       : snprintf (text + used, sizeof text - used, "%s%s[%" PRId64 "]",
                                   dot, steps [count]->name, steps [count]->index);
        used += more > 0 ? (size_t) more : 0;
    }
    char reason [200];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (reason, sizeof reason, format, arguments);
    va_end (arguments);
    return kith_error_set (error, KITH_ERR_PROTOCOL, "%s: %s", text, reason);
}

//  Packing
static int
s_put (void *arg, const char *data, size_t size)
{
    kith_bytes_put (arg, data, size);
    return 0;
}

static void
s_pack_struct (msgpack_packer *packer, const kith_codec_table_t *table, const void *body);

static void
s_pack_string (msgpack_packer *packer, const char *text)
{
    size_t size = text ? strlen (text) : 0;
    msgpack_pack_str (packer, size);
    if (size)
        msgpack_pack_str_body (packer, text, size);
}

static void
s_pack_blob (msgpack_packer *packer, const kith_blob_t *blob)
{
    msgpack_pack_bin (packer, blob->size);
    if (blob->size)
        msgpack_pack_bin_body (packer, blob->data, blob->size);
}

//  NOLINTBEGIN(misc-no-recursion): as deep as tables nest, and no table holds itself (codegen sees to it)
static void
s_pack_value (msgpack_packer *packer, const kith_codec_field_t *field, const void *at)
{
    switch (field->type) {
        case KITH_WIRE_BOOL:
            if (*(const bool *) at)
                msgpack_pack_true (packer);
            else
                msgpack_pack_false (packer);
            break;
        case KITH_WIRE_U32:
        case KITH_WIRE_FRAME:
            msgpack_pack_uint32 (packer, *(const uint32_t *) at);
            break;
        case KITH_WIRE_U64:
            msgpack_pack_uint64 (packer, *(const uint64_t *) at);
            break;
        case KITH_WIRE_I64:
            msgpack_pack_int64 (packer, *(const int64_t *) at);
            break;
        case KITH_WIRE_F32:
            msgpack_pack_float (packer, *(const float *) at);
            break;
        case KITH_WIRE_F64:
            msgpack_pack_double (packer, *(const double *) at);
            break;
        case KITH_WIRE_STRING:
            s_pack_string (packer, *(const char *const *) at);
            break;
        case KITH_WIRE_BYTES:
            s_pack_blob (packer, at);
            break;
        case KITH_WIRE_STRUCT:
            s_pack_struct (packer, field->table, at);
            break;
    }
}

static void
s_pack_list (msgpack_packer *packer, const kith_codec_field_t *field, const void *body)
{
    uint32_t count = kith_codec_count (field, body);
    const char *at = kith_codec_list (field, body);
    size_t width = kith_codec_width (field);
    assert (at || count == 0);
    msgpack_pack_array (packer, count);
    for (uint32_t index = 0; index < count; index++, at += width)
        s_pack_value (packer, field, at);
}

static void
s_pack_struct (msgpack_packer *packer, const kith_codec_table_t *table, const void *body)
{
    msgpack_pack_array (packer, table->count);
    for (uint32_t index = 0; index < table->count; index++) {
        const kith_codec_field_t *field = &table->fields [index];
        if (field->list)
            s_pack_list (packer, field, body);
        else
            s_pack_value (packer, field, kith_codec_at (body, field->offset));
    }
}
//  NOLINTEND(misc-no-recursion)

void
kith_codec_pack (const kith_codec_table_t *table, const void *body, kith_bytes_t *out)
{
    assert (table && body && out);
    kith_bytes_reserve (out, 256);
    msgpack_packer packer;
    msgpack_packer_init (&packer, out, s_put);
    s_pack_struct (&packer, table, body);
}

//  Settling: what kith_codec_unpack promises of strings, for a struct that was filled by hand.
static void s_settle_value (const kith_codec_field_t *field, void *at);

//  NOLINTBEGIN(misc-no-recursion): as deep as tables nest, and no table holds itself (codegen sees to it)
void
kith_codec_settle (const kith_codec_table_t *table, void *body)
{
    assert (table && body);
    for (uint32_t index = 0; index < table->count; index++) {
        const kith_codec_field_t *field = &table->fields [index];
        if (field->type != KITH_WIRE_STRING && field->type != KITH_WIRE_STRUCT)
            continue;
        if (!field->list) {
            s_settle_value (field, kith_codec_place (body, field->offset));
            continue;
        }
        uint32_t count = kith_codec_count (field, body);
        char *at = *(char **) kith_codec_place (body, field->offset);
        for (uint32_t item = 0; item < count; item++)
            s_settle_value (field, at + item * kith_codec_width (field));
    }
}

static void
s_settle_value (const kith_codec_field_t *field, void *at)
{
    const char **text = at;
    if (field->type == KITH_WIRE_STRUCT)
        kith_codec_settle (field->table, at);
    else if (!*text)
        *text = "";
}
//  NOLINTEND(misc-no-recursion)

//  Copying
static void
s_copy_inside (const kith_codec_table_t *table, void *body, kith_arena_t *arena);

//  NOLINTBEGIN(misc-no-recursion): as deep as tables nest, and no table holds itself (codegen sees to it)
//  What a value that was copied flat still borrows becomes its own.
static void
s_copy_value (const kith_codec_field_t *field, void *at, kith_arena_t *arena)
{
    if (field->type == KITH_WIRE_STRING) {
        const char **text = at;
        *text = *text && **text ? kith_arena_strdup (arena, *text) : "";
    }
    else if (field->type == KITH_WIRE_BYTES) {
        kith_blob_t *blob = at;
        blob->data = blob->size ? kith_arena_copy (arena, blob->data, blob->size) : NULL;
    }
    else if (field->type == KITH_WIRE_STRUCT)
        s_copy_inside (field->table, at, arena);
}

static void
s_copy_inside (const kith_codec_table_t *table, void *body, kith_arena_t *arena)
{
    for (uint32_t index = 0; index < table->count; index++) {
        const kith_codec_field_t *field = &table->fields [index];
        if (!field->list) {
            s_copy_value (field, kith_codec_place (body, field->offset), arena);
            continue;
        }
        size_t width = kith_codec_width (field);
        uint32_t count = kith_codec_count (field, body);
        char **list = kith_codec_place (body, field->offset);
        *list = count ? kith_arena_copy (arena, *list, count * width) : NULL;
        for (uint32_t item = 0; item < count; item++)
            s_copy_value (field, *list + item * width, arena);
    }
}
//  NOLINTEND(misc-no-recursion)

void *
kith_codec_copy (const kith_codec_table_t *table, const void *body, kith_arena_t *arena)
{
    assert (table && body && arena);
    void *copy = kith_arena_copy (arena, body, table->size);
    s_copy_inside (table, copy, arena);
    return copy;
}

void
kith_codec_copy_into (const kith_codec_table_t *table, const void *body, void *to,
                      kith_arena_t *arena)
{
    assert (table && body && to && arena);
    memmove (to, body, table->size);
    s_copy_inside (table, to, arena);
}
