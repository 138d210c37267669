//  schema_default.c - default values of fields, as one-row columns
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/schema_default.h"

#include <errno.h>
#include <math.h>

#include "engine/segments/text.h"

static int
s_refuse (const kith_field_t *field, kith_error_t *error)
{
    return kith_error_set (error, KITH_ERR_INVALID,
                           "field %s: the default %.80s is no %s", field->name,
                           field->default_value, kith_type_name (field->type));
}

static int
s_put_integer (const kith_field_t *field, kith_column_builder_t *builder)
{
    char *end;
    errno = 0;
    long long value = strtoll (field->default_value, &end, 10);
    int bits = (int) kith_type_width (field->type, 0) * 8;
    long long limit = bits == 64 ? INT64_MAX : (1ll << (bits - 1)) - 1;
    if (errno || *end || value > limit || value < -limit - 1)
        return -1;
    kith_column_builder_int (builder, value);
    return 0;
}

static int
s_put_real (const kith_field_t *field, kith_column_builder_t *builder)
{
    char *end;
    double value = strtod (field->default_value, &end);
    bool narrow = field->type == KITH_TYPE_FLOAT;
    if (*end || !isfinite (value) || (narrow && !isfinite ((float) value)))
        return -1;
    kith_column_builder_real (builder, value);
    return 0;
}

static int
s_put_text (const kith_field_t *field, kith_column_builder_t *builder)
{
    const char *text = field->default_value;
    size_t length = strlen (text);
    if (field->type == KITH_TYPE_JSON) {
        if (length > KITH_VARCHAR_MAX)
            return -1;
        kith_column_builder_string (builder, text, (uint32_t) length);
        return 0;
    }
    if (text [0] != '"' || text [length - 1] != '"' || length < 2)
        return -1;
    kith_bytes_t decoded = {0};
    bool good =
        kith_json_string (text, length, &decoded) && decoded.size <= field->max_length;
    if (good)
        kith_column_builder_string (builder, (const char *) decoded.data,
                                    (uint32_t) decoded.size);
    kith_bytes_free (&decoded);
    return good ? 0 : -1;
}

static int
s_put_bool (const kith_field_t *field, kith_column_builder_t *builder)
{
    bool value = strcmp (field->default_value, "true") == 0;
    if (!value && strcmp (field->default_value, "false") != 0)
        return -1;
    kith_column_builder_int (builder, value);
    return 0;
}

static int
s_put (const kith_field_t *field, kith_column_builder_t *builder)
{
    switch (field->type) {
        case KITH_TYPE_BOOL:
            return s_put_bool (field, builder);
        case KITH_TYPE_INT8:
        case KITH_TYPE_INT16:
        case KITH_TYPE_INT32:
        case KITH_TYPE_INT64:
            return s_put_integer (field, builder);
        case KITH_TYPE_FLOAT:
        case KITH_TYPE_DOUBLE:
            return s_put_real (field, builder);
        case KITH_TYPE_VARCHAR:
        case KITH_TYPE_JSON:
            return s_put_text (field, builder);
        case KITH_TYPE_FLOAT_VECTOR:
        case KITH_TYPE_FLOAT16_VECTOR:
        case KITH_TYPE_BFLOAT16_VECTOR:
        case KITH_TYPE_INT8_VECTOR:
        case KITH_TYPE_BINARY_VECTOR:
            break;
    }
    return -1;
}

int
kith_default_parse (const kith_field_t *field, kith_bytes_t *out, kith_error_t *error)
{
    const char *text = field->default_value;
    assert (text);
    //  A leading space would be skipped by strtoll, a bare word taken by strtod
    if (!kith_json_valid (text, strlen (text)) || text [0] == ' ' || text [0] == '\n')
        return s_refuse (field, error);
    if (strcmp (text, "null") == 0 && field->type != KITH_TYPE_JSON)
        return field->nullable ? 0 : s_refuse (field, error);
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, field->id, field->type, field->dim);
    int status = s_put (field, &builder);
    if (status == 0)
        kith_column_builder_finish (&builder, out);
    kith_column_builder_free (&builder);
    return status == 0 ? 0 : s_refuse (field, error);
}
