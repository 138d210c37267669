//  codec_unpack.c - msgpack from outside -> a struct of an arena
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/codec_walk.h"
#include "codecs/prescan.h"
#include "codecs/utf8.h"

#include <float.h>
#include <math.h>
#include <msgpack.h>

typedef struct {
    kith_arena_t *arena;
    uint64_t budget;    //  bytes that lists may still take
    kith_error_t *error;
} unpack_t;

static int s_struct (unpack_t *self, const kith_codec_table_t *table, void *body,
                     const msgpack_object *object, const kith_codec_path_t *path);

static const char *
s_found (const msgpack_object *object)
{
    switch (object->type) {
        case MSGPACK_OBJECT_NIL:
            return "nil";
        case MSGPACK_OBJECT_BOOLEAN:
            return "a bool";
        case MSGPACK_OBJECT_POSITIVE_INTEGER:
        case MSGPACK_OBJECT_NEGATIVE_INTEGER:
            return "an integer";
        case MSGPACK_OBJECT_FLOAT32:
        case MSGPACK_OBJECT_FLOAT64:
            return "a float";
        case MSGPACK_OBJECT_STR:
            return "a string";
        case MSGPACK_OBJECT_ARRAY:
            return "an array";
        case MSGPACK_OBJECT_MAP:
            return "a map";
        case MSGPACK_OBJECT_BIN:
            return "bytes";
        case MSGPACK_OBJECT_EXT:
            return "an extension";
    }
    return "something else";
}

//  Each of these is 0 if the object is a value of the type.
static int
s_unsigned (const msgpack_object *object, uint64_t max, uint64_t *value)
{
    *value = object->via.u64;
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= max ? 0
                                                                                     : -1;
}

static int
s_signed (const msgpack_object *object, int64_t *value)
{
    *value = object->via.i64;
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        return object->via.u64 <= INT64_MAX ? 0 : -1;
    return object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? 0 : -1;
}

//  Encoders of other languages send whole numbers as integers.
static int
s_real (const msgpack_object *object, double max, double *value)
{
    if (object->type == MSGPACK_OBJECT_FLOAT32 || object->type == MSGPACK_OBJECT_FLOAT64)
        *value = object->via.f64;
    else if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        *value = (double) object->via.u64;
    else if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        *value = (double) object->via.i64;
    else
        return -1;
    return fabs (*value) <= max ? 0 : -1;    //  false for NaN too
}

static int
s_string (unpack_t *self, const msgpack_object *object, const char **text)
{
    if (object->type != MSGPACK_OBJECT_STR)
        return -1;
    uint32_t size = object->via.str.size;
    if (size == 0)
        return 0;
    if (kith_utf8_run (object->via.str.ptr, size) < size)
        return -1;
    char *copy = kith_arena_alloc (self->arena, (size_t) size + 1);
    memcpy (copy, object->via.str.ptr, size);
    *text = copy;
    return 0;
}

static int
s_blob (unpack_t *self, const msgpack_object *object, kith_blob_t *blob)
{
    if (object->type != MSGPACK_OBJECT_BIN)
        return -1;
    blob->size = object->via.bin.size;
    if (blob->size)
        blob->data = kith_arena_copy (self->arena, object->via.bin.ptr, blob->size);
    return 0;
}

//  A value that is no struct, at a place that holds its zero already
static int
s_scalar (unpack_t *self, const kith_codec_field_t *field, void *at,
          const msgpack_object *object)
{
    uint64_t number = 0;
    double real = 0;
    int rc = -1;
    switch (field->type) {
        case KITH_WIRE_BOOL:
            rc = object->type == MSGPACK_OBJECT_BOOLEAN ? 0 : -1;
            *(bool *) at = rc == 0 && object->via.boolean;
            return rc;
        case KITH_WIRE_U32:
        case KITH_WIRE_FRAME:
            rc = s_unsigned (object, UINT32_MAX, &number);
            *(uint32_t *) at = (uint32_t) number;
            return rc;
        case KITH_WIRE_U64:
            return s_unsigned (object, UINT64_MAX, at);
        case KITH_WIRE_I64:
            return s_signed (object, at);
        case KITH_WIRE_F32:
            rc = s_real (object, (double) FLT_MAX, &real);
            *(float *) at = rc == 0 ? (float) real : 0;
            return rc;
        case KITH_WIRE_F64:
            return s_real (object, DBL_MAX, at);
        case KITH_WIRE_STRING:
            return s_string (self, object, at);
        case KITH_WIRE_BYTES:
            return s_blob (self, object, at);
        case KITH_WIRE_STRUCT:
            return -1;
    }
    return -1;
}

//  NOLINTBEGIN(misc-no-recursion): as deep as tables nest, and no table holds itself (codegen sees to it)
static int
s_value (unpack_t *self, const kith_codec_field_t *field, void *at,
         const msgpack_object *object, const kith_codec_path_t *path)
{
    if (field->type == KITH_WIRE_STRUCT)
        return s_struct (self, field->table, at, object, path);
    if (field->type == KITH_WIRE_STRING)
        *(const char **) at = "";
    if (object->type == MSGPACK_OBJECT_NIL)
        return 0;
    if (s_scalar (self, field, at, object) == 0)
        return 0;
    kith_codec_field_t one = *field;
    one.list = false;
    return kith_codec_refuse (path, self->error, "%s that is no %s", s_found (object),
                              kith_codec_type_name (&one));
}

static int
s_list (unpack_t *self, const kith_codec_field_t *field, void *body,
        const msgpack_object *object, const kith_codec_path_t *path)
{
    if (object->type == MSGPACK_OBJECT_NIL)
        return 0;
    if (object->type != MSGPACK_OBJECT_ARRAY)
        return kith_codec_refuse (path, self->error, "%s that is no %s", s_found (object),
                                  kith_codec_type_name (field));
    uint32_t count = object->via.array.size;
    size_t width = kith_codec_width (field);
    if (count == 0)
        return 0;
    if (count * (uint64_t) width > self->budget)
        return kith_codec_refuse (path, self->error,
                                  "a list of %u is too long for its bytes", count);
    self->budget -= count * (uint64_t) width;
    char *at = kith_arena_alloc (self->arena, count * width);
    *(void **) kith_codec_place (body, field->offset) = at;
    *(uint32_t *) kith_codec_place (body, field->count_offset) = count;
    kith_codec_path_t step = *path;
    for (uint32_t index = 0; index < count; index++, at += width) {
        step.index = index;
        if (s_value (self, field, at, &object->via.array.ptr [index], &step))
            return -1;
    }
    return 0;
}

//  body is zeroed; fields that did not come keep their zero.
static int
s_struct (unpack_t *self, const kith_codec_table_t *table, void *body,
          const msgpack_object *object, const kith_codec_path_t *path)
{
    uint32_t count = 0;
    if (object->type == MSGPACK_OBJECT_ARRAY)
        count = object->via.array.size;
    else if (object->type != MSGPACK_OBJECT_NIL)
        return kith_codec_refuse (path, self->error, "%s that is no array of fields",
                                  s_found (object));
    if (count < table->count)
        kith_codec_settle (table, body);
    else
        count = table->count;
    for (uint32_t index = 0; index < count; index++) {
        const kith_codec_field_t *field = &table->fields [index];
        const msgpack_object *value = &object->via.array.ptr [index];
        kith_codec_path_t step = {path, field->name, -1};
        int rc = field->list
                     ? s_list (self, field, body, value, &step)
                     : s_value (self, field, kith_codec_place (body, field->offset),
                                value, &step);
        if (rc)
            return -1;
    }
    return 0;
}
//  NOLINTEND(misc-no-recursion)

void *
kith_codec_unpack (const kith_codec_table_t *table, const void *data, size_t size,
                   kith_arena_t *arena, kith_error_t *error)
{
    assert (table && arena);
    size_t objects = 0;
    if (kith_prescan_count (data, size, &objects, error)) {
        kith_error_prefix (error, "%s", table->name);
        return NULL;
    }
    msgpack_zone zone;
    if (!msgpack_zone_init (&zone, objects * sizeof (msgpack_object) + 64)) {
        kith_error_set (error, KITH_ERR_NO_MEMORY, "%s: no memory to unpack %zu bytes",
                        table->name, size);
        return NULL;
    }
    unpack_t unpack = {arena, size * (uint64_t) KITH_CODEC_GROWTH + KITH_CODEC_SLACK,
                       error};
    kith_codec_path_t path = {NULL, table->name, -1};
    msgpack_object object;
    size_t offset = 0;
    void *body = NULL;
    if (msgpack_unpack (data, size, &offset, &zone, &object) != MSGPACK_UNPACK_SUCCESS)
        kith_codec_refuse (&path, error, "not msgpack");
    else {
        body = kith_arena_alloc (arena, table->size);
        if (s_struct (&unpack, table, body, &object, &path))
            body = NULL;
    }
    msgpack_zone_destroy (&zone);
    return body;
}
