//  unjson.c - JSON from outside -> a struct of an arena, by table
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/codec_walk.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <jansson.h>
#include <math.h>

typedef struct {
    kith_arena_t *arena;
    kith_error_t *error;
} unjson_t;

static int s_struct (unjson_t *self, const kith_codec_table_t *table, void *body,
                     const json_t *json, const kith_codec_path_t *path);

//  Jansson's integers end at 2^63 - 1. Longer ones are quoted before it sees them, and a string of digits
//  is taken for an integer: which also serves readers and writers whose numbers are all doubles.
static size_t
s_number_size (const char *text, size_t size, bool *whole)
{
    size_t at = 0;
    *whole = true;
    for (;
         at < size && (isalnum ((unsigned char) text [at]) || strchr ("+-.", text [at]));
         at++)
        if (!isdigit ((unsigned char) text [at]))
            *whole = false;
    return at;
}

static bool
s_is_long (const char *text, size_t size)
{
    char digits [24] = "";
    if (size < 19 || size > 20)
        return false;
    memcpy (digits, text, size);
    errno = 0;
    strtoll (digits, NULL, 10);
    return errno == ERANGE;
}

static void
s_quote_long (const char *text, size_t size, kith_bytes_t *out)
{
    bool inside = false;
    for (size_t at = 0; at < size;) {
        size_t step = 1;
        bool whole = false;
        if (inside && text [at] == '\\' && at + 1 < size)
            step = 2;
        else if (text [at] == '"')
            inside = !inside;
        else if (!inside && text [at]
                 && (isalnum ((unsigned char) text [at]) || text [at] == '-'))
            step = s_number_size (text + at, size - at, &whole);
        bool quote = whole && s_is_long (text + at, step);
        kith_bytes_put (out, "\"", quote);
        kith_bytes_put (out, text + at, step);
        kith_bytes_put (out, "\"", quote);
        at += step;
    }
}

static const char *
s_found (const json_t *json)
{
    switch (json_typeof (json)) {
        case JSON_OBJECT:
            return "an object";
        case JSON_ARRAY:
            return "an array";
        case JSON_STRING:
            return "a string";
        case JSON_INTEGER:
            return "an integer";
        case JSON_REAL:
            return "a number";
        case JSON_TRUE:
        case JSON_FALSE:
            return "a bool";
        case JSON_NULL:
            return "null";
    }
    return "something";
}

//  Each of these is 0 if json is a value of the type.
static int
s_unsigned (const json_t *json, uint64_t max, uint64_t *value)
{
    if (json_is_integer (json)) {
        *value = (uint64_t) json_integer_value (json);
        return json_integer_value (json) >= 0 && *value <= max ? 0 : -1;
    }
    const char *text = json_string_value (json);
    if (!text || !*text || strlen (text) > 20 || text [strspn (text, "0123456789")])
        return -1;
    errno = 0;
    *value = strtoull (text, NULL, 10);
    return errno == 0 && *value <= max ? 0 : -1;
}

static int
s_signed (const json_t *json, int64_t *value)
{
    if (json_is_integer (json)) {
        *value = json_integer_value (json);
        return 0;
    }
    const char *text = json_string_value (json);
    const char *digits = text && *text == '-' ? text + 1 : text;
    if (!digits || !*digits || strlen (digits) > 19
        || digits [strspn (digits, "0123456789")])
        return -1;
    errno = 0;
    *value = strtoll (text, NULL, 10);
    return errno == 0 ? 0 : -1;
}

static int
s_real (const json_t *json, double max, double *value)
{
    if (!json_is_number (json))
        return -1;
    *value = json_number_value (json);
    return fabs (*value) <= max ? 0 : -1;
}

static int
s_sextet (char letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - '0' + 52;
    return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

//  RFC 4648 with padding; one text for each run of bytes, so bits that carry nothing must be zero.
static int
s_base64 (unjson_t *self, const json_t *json, kith_blob_t *blob)
{
    const char *text = json_string_value (json);
    size_t length = text ? strlen (text) : 1;
    if (length % 4 || length > UINT32_MAX)
        return -1;
    if (length == 0)
        return 0;
    size_t padding = text [length - 1] != '=' ? 0 : text [length - 2] != '=' ? 1 : 2;
    uint8_t *bytes = kith_arena_alloc (self->arena, length / 4 * 3);
    uint32_t group = 0;
    for (size_t at = 0; at < length; at++) {
        int sextet = at < length - padding ? s_sextet (text [at]) : 0;
        if (sextet < 0)
            return -1;
        group = group << 6 | (uint32_t) sextet;
        if (at % 4 == 3) {
            bytes [at / 4 * 3] = (uint8_t) (group >> 16);
            bytes [at / 4 * 3 + 1] = (uint8_t) (group >> 8);
            bytes [at / 4 * 3 + 2] = (uint8_t) group;
        }
    }
    if ((padding == 1 && (group & 0xff)) || (padding == 2 && (group & 0xffff)))
        return -1;
    blob->data = bytes;
    blob->size = (uint32_t) (length / 4 * 3 - padding);
    return 0;
}

static int
s_scalar (unjson_t *self, const kith_codec_field_t *field, void *at, const json_t *json)
{
    uint64_t number = 0;
    double real = 0;
    int rc = -1;
    switch (field->type) {
        case KITH_WIRE_BOOL:
            *(bool *) at = json_is_true (json);
            return json_is_boolean (json) ? 0 : -1;
        case KITH_WIRE_U32:
        case KITH_WIRE_FRAME:
            rc = s_unsigned (json, UINT32_MAX, &number);
            *(uint32_t *) at = (uint32_t) number;
            return rc;
        case KITH_WIRE_U64:
            return s_unsigned (json, UINT64_MAX, at);
        case KITH_WIRE_I64:
            return s_signed (json, at);
        case KITH_WIRE_F32:
            rc = s_real (json, (double) FLT_MAX, &real);
            *(float *) at = rc == 0 ? (float) real : 0;
            return rc;
        case KITH_WIRE_F64:
            return s_real (json, DBL_MAX, at);
        case KITH_WIRE_STRING:
            if (json_is_string (json))
                *(const char **) at =
                    kith_arena_strdup (self->arena, json_string_value (json));
            return json_is_string (json) ? 0 : -1;
        case KITH_WIRE_BYTES:
            return s_base64 (self, json, at);
        case KITH_WIRE_STRUCT:
            return -1;
    }
    return -1;
}

//  NOLINTBEGIN(misc-no-recursion): as deep as tables nest, and no table holds itself (codegen sees to it)
static int
s_value (unjson_t *self, const kith_codec_field_t *field, void *at, const json_t *json,
         const kith_codec_path_t *path)
{
    if (field->type == KITH_WIRE_STRUCT)
        return s_struct (self, field->table, at, json, path);
    if (field->type == KITH_WIRE_STRING)
        *(const char **) at = "";
    if (json_is_null (json) || s_scalar (self, field, at, json) == 0)
        return 0;
    kith_codec_field_t one = *field;
    one.list = false;
    return kith_codec_refuse (path, self->error, "%s that is no %s", s_found (json),
                              kith_codec_type_name (&one));
}

static int
s_list (unjson_t *self, const kith_codec_field_t *field, void *body, const json_t *json,
        const kith_codec_path_t *path)
{
    if (json_is_null (json))
        return 0;
    size_t count = json_array_size (json);
    if (!json_is_array (json) || count > UINT32_MAX)
        return kith_codec_refuse (path, self->error, "%s that is no %s", s_found (json),
                                  kith_codec_type_name (field));
    size_t width = kith_codec_width (field);
    char *at = count ? kith_arena_alloc (self->arena, count * width) : NULL;
    *(void **) kith_codec_place (body, field->offset) = at;
    *(uint32_t *) kith_codec_place (body, field->count_offset) = (uint32_t) count;
    kith_codec_path_t step = *path;
    for (size_t index = 0; index < count; index++, at += width) {
        step.index = (int64_t) index;
        if (s_value (self, field, at, json_array_get (json, index), &step))
            return -1;
    }
    return 0;
}

//  Letters to change, add or leave out (Wagner and Fischer 1974), for names up to 63 letters
static size_t
s_distance (const char *one, const char *two)
{
    size_t row [64];
    size_t width = strlen (two);
    if (width > 63 || strlen (one) > 63)
        return SIZE_MAX;
    for (size_t column = 0; column <= width; column++)
        row [column] = column;
    for (size_t line = 1; one [line - 1]; line++) {
        size_t corner = row [0];
        row [0] = line;
        for (size_t column = 1; column <= width; column++) {
            size_t best = corner + (one [line - 1] != two [column - 1]);
            corner = row [column];
            if (row [column] + 1 < best)
                best = row [column] + 1;
            if (row [column - 1] + 1 < best)
                best = row [column - 1] + 1;
            row [column] = best;
        }
    }
    return row [width];
}

static int
s_unknown (unjson_t *self, const kith_codec_table_t *table, const char *name,
           const kith_codec_path_t *path)
{
    const char *nearest = NULL;
    size_t least = 4;
    for (uint32_t index = 0; index < table->count; index++) {
        size_t distance = s_distance (name, table->fields [index].name);
        if (distance < least) {
            least = distance;
            nearest = table->fields [index].name;
        }
    }
    kith_codec_refuse (path, self->error, "there is no field \"%.64s\"", name);
    if (nearest)
        kith_error_hint (self->error, "did you mean \"%s\"?", nearest);
    return -1;
}

static const kith_codec_field_t *
s_field (const kith_codec_table_t *table, const char *name)
{
    for (uint32_t index = 0; index < table->count; index++)
        if (strcmp (table->fields [index].name, name) == 0)
            return &table->fields [index];
    return NULL;
}

static int
s_struct (unjson_t *self, const kith_codec_table_t *table, void *body, const json_t *json,
          const kith_codec_path_t *path)
{
    kith_codec_settle (table, body);
    if (json_is_null (json))
        return 0;
    if (!json_is_object (json))
        return kith_codec_refuse (path, self->error, "%s that is no object",
                                  s_found (json));
    //  Jansson iterates over what it does not change, but has no const iterator
    json_t *object = json_incref (kith_unconst (json));
    int rc = 0;
    for (void *at = json_object_iter (object); at && rc == 0;
         at = json_object_iter_next (object, at)) {
        const char *name = json_object_iter_key (at);
        const json_t *value = json_object_iter_value (at);
        const kith_codec_field_t *field = s_field (table, name);
        kith_codec_path_t step = {path, name, -1};
        if (!field)
            rc = s_unknown (self, table, name, path);
        else if (field->list)
            rc = s_list (self, field, body, value, &step);
        else
            rc = s_value (self, field, kith_codec_place (body, field->offset), value,
                          &step);
    }
    json_decref (object);
    return rc;
}
//  NOLINTEND(misc-no-recursion)

void *
kith_codec_unjson (const kith_codec_table_t *table, const char *text, size_t size,
                   kith_arena_t *arena, kith_error_t *error)
{
    assert (table && arena && (text || size == 0));
    kith_bytes_t quoted = {0};
    s_quote_long (text, size, &quoted);
    json_error_t mistake;
    json_t *json = json_loadb (quoted.data ? (const char *) quoted.data : "", quoted.size,
                               JSON_REJECT_DUPLICATES, &mistake);
    kith_bytes_free (&quoted);
    if (!json) {
        kith_error_set (error, KITH_ERR_INVALID, "%s: line %d, column %d: %s",
                        table->name, mistake.line, mistake.column, mistake.text);
        if (error)
            error->at = mistake.position;
        return NULL;
    }
    unjson_t unjson = {arena, error};
    kith_codec_path_t path = {NULL, table->name, -1};
    void *body = kith_arena_alloc (arena, table->size);
    if (s_struct (&unjson, table, body, json, &path)) {
        body = NULL;
        if (error)
            error->code = KITH_ERR_INVALID;
    }
    json_decref (json);
    return body;
}
