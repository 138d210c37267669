//  schema.c - the fields of a collection, and what rows must look like
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/schema.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <strings.h>

#include "base/random.h"
#include "engine/segments/schema_default.h"
#include "engine/segments/text.h"
#include "engine/segments/vectors.h"

struct kith_schema {
    atomic_uint references;
    char *name;
    uint64_t version;
    uint32_t count;                              //  fields
    uint32_t key;                                //  index of the key field
    kith_field_t fields [KITH_FIELDS_MAX];       //  texts are our own
    kith_bytes_t blocks [KITH_FIELDS_MAX];       //  one row: the default value
    kith_column_t defaults [KITH_FIELDS_MAX];    //  opened; no block: none
};

//  ---------------------------------------------------------------------
//  Checks

static int
s_check_name (const kith_field_t *field, kith_error_t *error)
{
    static const char *const reserved [] = {"true", "false", "not"};
    if (!field->name || !kith_name_valid (field->name))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field name '%.80s': letters, digits and _ are allowed, "
                               "no digit first, at most %u bytes",
                               field->name ? field->name : "", KITH_NAME_MAX);
    for (size_t index = 0; index < sizeof reserved / sizeof reserved [0]; index++) {
        if (strcasecmp (field->name, reserved [index]) == 0)
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "field name '%s' is a word of the filter language",
                                   field->name);
    }
    return 0;
}

static int
s_check_vector (const kith_field_t *field, kith_error_t *error)
{
    if (!kith_type_dim_allowed (field->type, field->dim))
        return kith_error_set (
            error, KITH_ERR_INVALID,
            "field %s: dimension %" PRIu32 ", %s to %u are allowed", field->name,
            field->dim,
            field->type == KITH_TYPE_BINARY_VECTOR ? "multiples of 8 from 8" : "from 1",
            KITH_DIM_MAX);
    if (!kith_metric_allowed (field->type, field->metric))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field %s: %s needs a metric of its own: %s", field->name,
                               kith_type_name (field->type),
                               kith_metrics_of_type (field->type));
    if (field->nullable || field->default_value)
        return kith_error_set (error, KITH_ERR_UNSUPPORTED,
                               "field %s: a vector can be neither null nor have a "
                               "default",
                               field->name);
    return 0;
}

static int
s_check_field (const kith_field_t *field, kith_error_t *error)
{
    if (s_check_name (field, error) != 0)
        return -1;
    if (!kith_type_known (field->type))
        return kith_error_set (error, KITH_ERR_INVALID, "field %s: unknown type %d",
                               field->name, (int) field->type);
    if (field->id < KITH_FIELD_USER || field->id > UINT16_MAX)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field %s: id %" PRIu32 ", from %d to %d are allowed",
                               field->name, field->id, KITH_FIELD_USER, UINT16_MAX);
    if (kith_type_is_vector (field->type))
        return s_check_vector (field, error);
    if (field->dim)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field %s: only a vector has a dimension", field->name);
    if (field->type == KITH_TYPE_VARCHAR
        && (field->max_length == 0 || field->max_length > KITH_VARCHAR_MAX))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field %s: varchar(%" PRIu32 "), from 1 to %u are allowed",
                               field->name, field->max_length, KITH_VARCHAR_MAX);
    if (!field->key)
        return 0;
    if (field->type != KITH_TYPE_INT64 && field->type != KITH_TYPE_VARCHAR)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field %s: a key is int64 or varchar, not %s", field->name,
                               kith_type_name (field->type));
    if (field->nullable || field->default_value)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field %s: a key can be neither null nor have a default",
                               field->name);
    return 0;
}

static int
s_check_fields (const kith_field_t *fields, uint32_t count, kith_error_t *error)
{
    uint32_t keys = 0;
    uint64_t bytes = 0;
    for (uint32_t index = 0; index < count; index++) {
        const kith_field_t *field = &fields [index];
        if (s_check_field (field, error) != 0)
            return -1;
        for (uint32_t other = 0; other < index; other++) {
            if (strcmp (fields [other].name, field->name) == 0)
                return kith_error_set (error, KITH_ERR_INVALID, "two fields are named %s",
                                       field->name);
            if (fields [other].id == field->id)
                return kith_error_set (error, KITH_ERR_INVALID,
                                       "two fields have the id %" PRIu32, field->id);
        }
        keys += field->key;
        bytes += kith_type_width (field->type, field->dim);
    }
    if (keys != 1)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "%" PRIu32 " key fields: exactly one is needed", keys);
    if (bytes > KITH_ROW_BYTES_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "a row of these fields takes %" PRIu64
                               " bytes, at most %u are allowed",
                               bytes, KITH_ROW_BYTES_MAX);
    return 0;
}

//  ---------------------------------------------------------------------
//  Life

static int
s_copy_fields (kith_schema_t *self, const kith_field_t *fields, kith_error_t *error)
{
    for (uint32_t index = 0; index < self->count; index++) {
        kith_field_t *field = &self->fields [index];
        *field = fields [index];
        field->name = kith_strdup (field->name);
        if (field->default_value)
            field->default_value = kith_strdup (field->default_value);
        if (field->key)
            self->key = index;
    }
    for (uint32_t index = 0; index < self->count; index++) {
        const kith_field_t *field = &self->fields [index];
        if (!field->default_value)
            continue;
        kith_bytes_t *block = &self->blocks [index];
        if (kith_default_parse (field, block, error) != 0)
            return -1;
        if (block->size) {
            int status = kith_column_open (&self->defaults [index], block->data,
                                           block->size, error);
            assert (status == 0);
        }
    }
    return 0;
}

kith_schema_t *
kith_schema_new (const char *name, const kith_field_t *fields, uint32_t count,
                 uint64_t version, kith_error_t *error)
{
    assert (name && (fields || count == 0));
    if (!kith_name_valid (name)) {
        kith_error_set (error, KITH_ERR_INVALID,
                        "collection name '%.80s': letters, digits and _ are allowed, no "
                        "digit first, at most %u bytes",
                        name, KITH_NAME_MAX);
        return NULL;
    }
    if (count == 0 || count > KITH_FIELDS_MAX) {
        kith_error_set (error, KITH_ERR_LIMIT,
                        "%" PRIu32 " fields, from 1 to %u are allowed", count,
                        KITH_FIELDS_MAX);
        return NULL;
    }
    if (s_check_fields (fields, count, error) != 0)
        return NULL;
    kith_schema_t *self = kith_new (sizeof *self);
    atomic_init (&self->references, 1);
    self->name = kith_strdup (name);
    self->version = version;
    self->count = count;
    if (s_copy_fields (self, fields, error) != 0)
        kith_schema_destroy (&self);
    return self;
}

kith_schema_t *
kith_schema_share (kith_schema_t *self)
{
    assert (self);
    atomic_fetch_add_explicit (&self->references, 1, memory_order_relaxed);
    return self;
}

//  The texts are ours although the struct that callers see calls them const
static void
s_free_text (const char *text)
{
    free ((void *) (uintptr_t) text);
}

void
kith_schema_destroy (kith_schema_t **self_p)
{
    assert (self_p);
    kith_schema_t *self = *self_p;
    *self_p = NULL;
    if (!self
        || atomic_fetch_sub_explicit (&self->references, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t index = 0; index < self->count; index++) {
        s_free_text (self->fields [index].name);
        s_free_text (self->fields [index].default_value);
        kith_bytes_free (&self->blocks [index]);
    }
    free (self->name);
    free (self);
}

//  ---------------------------------------------------------------------
//  Access

const char *
kith_schema_name (const kith_schema_t *self)
{
    return self->name;
}

uint64_t
kith_schema_version (const kith_schema_t *self)
{
    return self->version;
}

uint32_t
kith_schema_count (const kith_schema_t *self)
{
    return self->count;
}

const kith_field_t *
kith_schema_field (const kith_schema_t *self, uint32_t index)
{
    assert (index < self->count);
    return &self->fields [index];
}

const kith_field_t *
kith_schema_key (const kith_schema_t *self)
{
    return &self->fields [self->key];
}

uint32_t
kith_schema_place (const kith_schema_t *self, uint32_t id)
{
    uint32_t place = 0;
    while (place < kith_schema_count (self) && kith_schema_field (self, place)->id != id)
        place++;
    return place;
}

const kith_field_t *
kith_schema_by_id (const kith_schema_t *self, uint32_t id)
{
    const uint32_t place = kith_schema_place (self, id);
    return place < self->count ? &self->fields [place] : NULL;
}

const kith_column_t *
kith_schema_default (const kith_schema_t *self, const kith_field_t *field)
{
    size_t index = (size_t) (field - self->fields);
    assert (index < self->count);
    return self->defaults [index].block ? &self->defaults [index] : NULL;
}

//  "word, rank, vector", of the vector fields alone or of all
static void
s_list_fields (const kith_schema_t *self, bool vectors, char *out, size_t size)
{
    size_t used = 0;
    out [0] = 0;
    for (uint32_t index = 0; index < self->count && used < size; index++) {
        const kith_field_t *field = &self->fields [index];
        if (vectors && !kith_type_is_vector (field->type))
            continue;
        int more =
            snprintf (out + used, size - used, "%s%s", used ? ", " : "", field->name);
        used += more > 0 ? (size_t) more : 0;
    }
}

//  The field whose name is nearest, if it is near enough to be what was meant
static const kith_field_t *
s_nearest (const kith_schema_t *self, const char *name)
{
    const kith_field_t *best = NULL;
    uint32_t best_distance = 1 + (uint32_t) strnlen (name, 64) / 3;
    for (uint32_t index = 0; index < self->count; index++) {
        uint32_t distance = kith_name_distance (name, self->fields [index].name);
        if (distance <= best_distance && (!best || distance < best_distance)) {
            best = &self->fields [index];
            best_distance = distance;
        }
    }
    return best;
}

const kith_field_t *
kith_schema_find (const kith_schema_t *self, const char *name, kith_error_t *error)
{
    assert (self && name);
    for (uint32_t index = 0; index < self->count; index++) {
        if (strcmp (self->fields [index].name, name) == 0)
            return &self->fields [index];
    }
    char fields [200];
    s_list_fields (self, false, fields, sizeof fields);
    const kith_field_t *near = s_nearest (self, name);
    kith_error_set (error, KITH_ERR_FIELD_NOT_FOUND, "no field '%.80s' in %.80s", name,
                    self->name);
    if (near)
        kith_error_hint (error, "did you mean '%s'? fields: %s", near->name, fields);
    else
        kith_error_hint (error, "fields: %s", fields);
    return NULL;
}

const kith_field_t *
kith_schema_vector (const kith_schema_t *self, const char *name, kith_error_t *error)
{
    assert (self && name);
    if (name [0]) {
        const kith_field_t *field = kith_schema_find (self, name, error);
        if (field && !kith_type_is_vector (field->type)) {
            kith_error_set (error, KITH_ERR_TYPE_MISMATCH,
                            "field %s of %.80s is %s, not a vector", field->name,
                            self->name, kith_type_name (field->type));
            return NULL;
        }
        return field;
    }
    const kith_field_t *found = NULL;
    for (uint32_t index = 0; index < self->count; index++) {
        if (!kith_type_is_vector (self->fields [index].type))
            continue;
        if (found) {
            char fields [200];
            s_list_fields (self, true, fields, sizeof fields);
            kith_error_set (error, KITH_ERR_INVALID,
                            "%.80s has several vector fields: one must be named",
                            self->name);
            kith_error_hint (error, "vector fields: %s", fields);
            return NULL;
        }
        found = &self->fields [index];
    }
    if (!found)
        kith_error_set (error, KITH_ERR_INVALID, "%.80s has no vector field", self->name);
    return found;
}

//  ---------------------------------------------------------------------
//  Keys

uint64_t
kith_key_hash (const kith_column_t *keys, uint32_t row)
{
    if (keys->type == KITH_TYPE_VARCHAR) {
        uint32_t length;
        const char *text = kith_column_string (keys, row, &length);
        return kith_hash64 (text, length);
    }
    assert (keys->type == KITH_TYPE_INT64);
    return kith_hash64 (kith_column_fixed (keys, row), 8);
}

bool
kith_key_equal (const kith_column_t *a, uint32_t row_a, const kith_column_t *b,
                uint32_t row_b)
{
    assert (a->type == b->type);
    if (a->type != KITH_TYPE_VARCHAR)
        return kith_column_int (a, row_a) == kith_column_int (b, row_b);
    uint32_t length_a, length_b;
    const char *text_a = kith_column_string (a, row_a, &length_a);
    const char *text_b = kith_column_string (b, row_b, &length_b);
    return length_a == length_b && memcmp (text_a, text_b, length_a) == 0;
}

int
kith_key_compare (const kith_column_t *a, uint32_t row_a, const kith_column_t *b,
                  uint32_t row_b)
{
    assert (a->type == b->type);
    if (a->type != KITH_TYPE_VARCHAR) {
        int64_t key_a = kith_column_int (a, row_a);
        int64_t key_b = kith_column_int (b, row_b);
        return (key_a > key_b) - (key_a < key_b);
    }
    uint32_t length_a, length_b;
    const char *text_a = kith_column_string (a, row_a, &length_a);
    const char *text_b = kith_column_string (b, row_b, &length_b);
    int order = memcmp (text_a, text_b, length_a < length_b ? length_a : length_b);
    return order ? order : (length_a > length_b) - (length_a < length_b);
}
