//  json.c - structs -> JSON, by table
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/codec_walk.h"
#include "codecs/utf8.h"

#include <math.h>

typedef struct {
    kith_bytes_t *out;
    bool pretty;
    uint32_t level;
} print_t;

static void s_struct (print_t *self, const kith_codec_table_t *table, const void *body);

static void
s_line (print_t *self)
{
    if (self->pretty)
        kith_bytes_printf (self->out, "\n%*s", (int) self->level * 2, "");
}

static void
s_escaped (print_t *self, uint8_t byte)
{
    static const char letters [] = "btn\vfr";    //  of 8 .. 13; 11 has none
    if (byte == '"' || byte == '\\')
        kith_bytes_printf (self->out, "\\%c", byte);
    else if (byte >= 8 && byte <= 13 && byte != 11)
        kith_bytes_printf (self->out, "\\%c", letters [byte - 8]);
    else if (byte < 0x20 || byte == 0x7f)
        kith_bytes_printf (self->out, "\\u%04x", byte);
    else
        kith_bytes_put_u8 (self->out, byte);
}

static void
s_string (print_t *self, const char *text)
{
    kith_bytes_put_u8 (self->out, '"');
    size_t size = text ? strlen (text) : 0;
    for (size_t at = 0; at < size;) {
        size_t run = kith_utf8_run (text + at, size - at);
        for (size_t index = 0; index < run; index++)
            s_escaped (self, (uint8_t) text [at + index]);
        at += run;
        if (at < size) {
            kith_bytes_put_u8 (self->out,
                               '?');    //  no UTF-8: what reads JSON would choke on it
            at++;
        }
    }
    kith_bytes_put_u8 (self->out, '"');
}

static void
s_base64 (print_t *self, const kith_blob_t *blob)
{
    static const char letters [] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    kith_bytes_put_u8 (self->out, '"');
    for (uint32_t at = 0; at < blob->size; at += 3) {
        uint32_t left = blob->size - at;
        uint32_t group = (uint32_t) blob->data [at] << 16;
        group |= left > 1 ? (uint32_t) blob->data [at + 1] << 8 : 0;
        group |= left > 2 ? blob->data [at + 2] : 0;
        char text [4] = {letters [group >> 18], letters [group >> 12 & 63],
                         letters [group >> 6 & 63], letters [group & 63]};
        for (uint32_t pad = left < 3 ? left + 1 : 4; pad < 4; pad++)
            text [pad] = '=';
        kith_bytes_put (self->out, text, 4);
    }
    kith_bytes_put_u8 (self->out, '"');
}

//  The fewest digits that read back as the same number. JSON has no NaN and no infinity.
static void
s_real (print_t *self, double value, bool single)
{
    if (!isfinite (value)) {
        kith_bytes_printf (self->out, "null");
        return;
    }
    char text [40];
    int last = single ? 9 : 17;
    for (int digits = single ? 6 : 15; digits <= last; digits++) {
        snprintf (text, sizeof text, "%.*g", digits, value);
        bool same =
            single ? (double) strtof (text, NULL) == value : strtod (text, NULL) == value;
        if (same)
            break;
    }
    kith_bytes_put (self->out, text, strlen (text));
}

//  NOLINTBEGIN(misc-no-recursion): as deep as tables nest, and no table holds itself (codegen sees to it)
static void
s_value (print_t *self, const kith_codec_field_t *field, const void *at)
{
    switch (field->type) {
        case KITH_WIRE_BOOL:
            kith_bytes_printf (self->out, "%s", *(const bool *) at ? "true" : "false");
            break;
        case KITH_WIRE_U32:
        case KITH_WIRE_FRAME:
            kith_bytes_printf (self->out, "%" PRIu32, *(const uint32_t *) at);
            break;
        case KITH_WIRE_U64:
            kith_bytes_printf (self->out, "%" PRIu64, *(const uint64_t *) at);
            break;
        case KITH_WIRE_I64:
            kith_bytes_printf (self->out, "%" PRId64, *(const int64_t *) at);
            break;
        case KITH_WIRE_F32:
            s_real (self, (double) *(const float *) at, true);
            break;
        case KITH_WIRE_F64:
            s_real (self, *(const double *) at, false);
            break;
        case KITH_WIRE_STRING:
            s_string (self, *(const char *const *) at);
            break;
        case KITH_WIRE_BYTES:
            s_base64 (self, at);
            break;
        case KITH_WIRE_STRUCT:
            s_struct (self, field->table, at);
            break;
    }
}

static void
s_list (print_t *self, const kith_codec_field_t *field, const void *body)
{
    uint32_t count = kith_codec_count (field, body);
    const char *at = kith_codec_list (field, body);
    size_t width = kith_codec_width (field);
    //  A line for each struct; plain values in one line
    bool lines = field->type == KITH_WIRE_STRUCT && count;
    kith_bytes_put_u8 (self->out, '[');
    self->level++;
    for (uint32_t index = 0; index < count; index++, at += width) {
        if (index)
            kith_bytes_printf (self->out, self->pretty && !lines ? ", " : ",");
        if (lines)
            s_line (self);
        s_value (self, field, at);
    }
    self->level--;
    if (lines)
        s_line (self);
    kith_bytes_put_u8 (self->out, ']');
}

static void
s_struct (print_t *self, const kith_codec_table_t *table, const void *body)
{
    kith_bytes_put_u8 (self->out, '{');
    self->level++;
    for (uint32_t index = 0; index < table->count; index++) {
        const kith_codec_field_t *field = &table->fields [index];
        if (index)
            kith_bytes_put_u8 (self->out, ',');
        s_line (self);
        kith_bytes_printf (self->out, self->pretty ? "\"%s\": " : "\"%s\":", field->name);
        if (field->list)
            s_list (self, field, body);
        else
            s_value (self, field, kith_codec_at (body, field->offset));
    }
    self->level--;
    if (table->count)
        s_line (self);
    kith_bytes_put_u8 (self->out, '}');
}
//  NOLINTEND(misc-no-recursion)

void
kith_codec_json (const kith_codec_table_t *table, const void *body, bool pretty,
                 kith_bytes_t *out)
{
    assert (table && body && out);
    print_t print = {out, pretty, 0};
    s_struct (&print, table, body);
}
