//  body.c - bodies of messages with random content, and whether two are equal; for the tests of codecs
//  SPDX-License-Identifier: Apache-2.0
#include "tests/unit/codecs/body.h"

typedef struct {
    kith_random_t *random;
    kith_arena_t *arena;
    uint32_t frames;
} fill_t;

static void s_fill_struct (fill_t *self, const kith_codec_table_t *table, char *body);

//  Numbers near the ends of every encoding as often as others
static uint64_t
s_number (fill_t *self)
{
    uint64_t value =
        kith_random_next (self->random) >> kith_random_below (self->random, 64);
    return value + kith_random_below (self->random, 3) - 1;
}

static const char *
s_text (fill_t *self)
{
    static const char *const parts [] = {"a",
                                         "key",
                                         "\"",
                                         "\\",
                                         "\n",
                                         "\x01",
                                         "/",
                                         "\t",
                                         "é",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "7",
                                         "\x7f",
                                         " "};
    char text [256] = "";
    uint64_t count = kith_random_below (self->random, 20);
    for (uint64_t index = 0; index < count; index++)
        strcat (text,
                parts [kith_random_below (self->random, sizeof parts / sizeof *parts)]);
    return kith_arena_strdup (self->arena, text);
}

static kith_blob_t
s_blob (fill_t *self)
{
    kith_blob_t blob = {NULL, (uint32_t) kith_random_below (self->random, 40)};
    if (blob.size == 0)
        return blob;
    uint8_t *data = kith_arena_alloc (self->arena, blob.size);
    for (uint32_t index = 0; index < blob.size; index++)
        data [index] = (uint8_t) kith_random_next (self->random);
    blob.data = data;
    return blob;
}

static double
s_real (fill_t *self)
{
    double values [] = {0,      1,     -1, 0.1,
                        1e-300, 1e300, 3,  kith_random_normal (self->random)};
    return values [kith_random_below (self->random, 8)];
}

static void
s_fill_value (fill_t *self, const kith_codec_field_t *field, void *at)
{
    switch (field->type) {
        case KITH_WIRE_BOOL:
            *(bool *) at = kith_random_next (self->random) & 1;
            break;
        case KITH_WIRE_U32:
            *(uint32_t *) at = (uint32_t) s_number (self);
            break;
        case KITH_WIRE_FRAME:
            *(uint32_t *) at =
                (uint32_t) kith_random_below (self->random, self->frames + 1);
            break;
        case KITH_WIRE_U64:
            *(uint64_t *) at = s_number (self);
            break;
        case KITH_WIRE_I64:
            *(int64_t *) at =
                (int64_t) (s_number (self) * (kith_random_next (self->random) | 1));
            break;
        case KITH_WIRE_F32:
            *(float *) at = (float) kith_random_normal (self->random);
            break;
        case KITH_WIRE_F64:
            *(double *) at = s_real (self);
            break;
        case KITH_WIRE_STRING:
            *(const char **) at = s_text (self);
            break;
        case KITH_WIRE_BYTES:
            *(kith_blob_t *) at = s_blob (self);
            break;
        case KITH_WIRE_STRUCT:
            s_fill_struct (self, field->table, at);
            break;
    }
}

static size_t
s_width (const kith_codec_field_t *field)
{
    static const size_t widths [] = {
        sizeof (bool),         sizeof (uint32_t),    sizeof (uint64_t),
        sizeof (int64_t),      sizeof (float),       sizeof (double),
        sizeof (const char *), sizeof (kith_blob_t), 0,
        sizeof (uint32_t)};
    return field->type == KITH_WIRE_STRUCT ? field->table->size : widths [field->type];
}

static void
s_fill_struct (fill_t *self, const kith_codec_table_t *table, char *body)
{
    for (uint32_t index = 0; index < table->count; index++) {
        const kith_codec_field_t *field = &table->fields [index];
        char *at = body + field->offset;
        uint32_t count = 1;
        if (field->list) {
            count = (uint32_t) kith_random_below (self->random, 4);
            char *list =
                count ? kith_arena_alloc (self->arena, count * s_width (field)) : NULL;
            memcpy (at, &list, sizeof list);
            memcpy (body + field->count_offset, &count, sizeof count);
            at = list;
        }
        for (uint32_t item = 0; item < count; item++)
            s_fill_value (self, field, at + item * s_width (field));
    }
}

void *
body_random (const kith_codec_table_t *table, uint32_t frames, kith_random_t *random,
             kith_arena_t *arena)
{
    fill_t fill = {random, arena, frames};
    void *body = kith_arena_alloc (arena, table->size);
    s_fill_struct (&fill, table, body);
    return body;
}

static const char *
s_value_differs (const kith_codec_field_t *field, const char *one, const char *two)
{
    if (field->type == KITH_WIRE_STRUCT)
        return body_differs (field->table, one, two);
    if (field->type == KITH_WIRE_STRING) {
        const char *texts [2];
        memcpy (&texts [0], one, sizeof texts [0]);
        memcpy (&texts [1], two, sizeof texts [1]);
        return texts [0] && texts [1] && strcmp (texts [0], texts [1]) == 0 ? NULL
                                                                            : field->name;
    }
    if (field->type == KITH_WIRE_BYTES) {
        kith_blob_t blobs [2];
        memcpy (&blobs [0], one, sizeof blobs [0]);
        memcpy (&blobs [1], two, sizeof blobs [1]);
        bool same = blobs [0].size == blobs [1].size
                    && (blobs [0].size == 0
                        || memcmp (blobs [0].data, blobs [1].data, blobs [0].size) == 0);
        return same ? NULL : field->name;
    }
    return memcmp (one, two, s_width (field)) == 0 ? NULL : field->name;
}

const char *
body_differs (const kith_codec_table_t *table, const void *one, const void *two)
{
    for (uint32_t index = 0; index < table->count; index++) {
        const kith_codec_field_t *field = &table->fields [index];
        const char *at = (const char *) one + field->offset;
        const char *other = (const char *) two + field->offset;
        uint32_t counts [2] = {1, 1};
        if (field->list) {
            memcpy (&counts [0], (const char *) one + field->count_offset,
                    sizeof *counts);
            memcpy (&counts [1], (const char *) two + field->count_offset,
                    sizeof *counts);
            const char *lists [2];
            memcpy (&lists [0], at, sizeof lists [0]);
            memcpy (&lists [1], other, sizeof lists [1]);
            at = lists [0];
            other = lists [1];
        }
        if (counts [0] != counts [1])
            return field->name;
        for (uint32_t item = 0; item < counts [0]; item++) {
            size_t place = item * s_width (field);
            const char *name = s_value_differs (field, at + place, other + place);
            if (name)
                return name;
        }
    }
    return NULL;
}
