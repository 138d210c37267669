//  model.c - what segments must say, kept as a plain array of row versions; and records to feed both
//  SPDX-License-Identifier: Apache-2.0
#include "tests/unit/engine/model.h"

#include "engine/segments/flush.h"

static const char *const s_words [] = {"",    "prince", "queen", "50% off",
                                       "a_b", "käse",   "qu\"x", "zebra"};

//  Ends the test with the reason
static void
s_good (bool good, const kith_error_t *error)
{
    if (!good)
        fprintf (stderr, "model: %s\n", error->message);
    assert (good);
}

static model_t *
s_new (uint64_t seed, bool text_keys, kith_type_t type, kith_metric_t metric)
{
    model_t *self = kith_new (sizeof *self);
    kith_random_seed (&self->random, seed);
    self->text_keys = text_keys;
    self->type = type;
    kith_field_t fields [] = {
        {.id = MODEL_KEY, .name = "id", .type = KITH_TYPE_INT64, .key = true},
        {.id = MODEL_NUMBER, .name = "number", .type = KITH_TYPE_INT64, .nullable = true},
        {.id = MODEL_REAL, .name = "real", .type = KITH_TYPE_DOUBLE},
        {.id = MODEL_NARROW, .name = "narrow", .type = KITH_TYPE_FLOAT},
        {.id = MODEL_SMALL, .name = "small", .type = KITH_TYPE_INT8},
        {.id = MODEL_FLAG, .name = "flag", .type = KITH_TYPE_BOOL, .nullable = true},
        {.id = MODEL_TEXT,
         .name = "text",
         .type = KITH_TYPE_VARCHAR,
         .max_length = 40,
         .nullable = true},
        {.id = MODEL_VECTOR,
         .name = "vector",
         .type = type,
         .dim = type == KITH_TYPE_FLOAT_VECTOR ? MODEL_DIM : MODEL_WIDE,
         .metric = metric},
    };
    if (text_keys) {
        fields [0].type = KITH_TYPE_VARCHAR;
        fields [0].max_length = 64;
    }
    kith_error_t error = {0};
    self->schema =
        kith_schema_new ("things", fields, sizeof fields / sizeof fields [0], 1, &error);
    s_good (self->schema != NULL, &error);
    self->image = kith_objects_image_new ();
    self->objects = kith_objects_mem_open (self->image);
    return self;
}

model_t *
model_new (uint64_t seed, bool text_keys, kith_metric_t metric)
{
    return s_new (seed, text_keys, KITH_TYPE_FLOAT_VECTOR, metric);
}

model_t *
model_new_of (uint64_t seed, kith_type_t type, kith_metric_t metric)
{
    return s_new (seed, seed % 2, type, metric);
}

void
model_raw (kith_random_t *random, kith_type_t type, uint8_t raw [MODEL_WIDE * 2])
{
    for (uint32_t index = 0; index < MODEL_WIDE * 2; index++)
        raw [index] = (uint8_t) kith_random_next (random);
    //  Exponents of about 1: halves that are neither infinite nor NaN
    for (uint32_t index = 1; index < MODEL_WIDE * 2; index += 2) {
        if (type == KITH_TYPE_FLOAT16_VECTOR)
            raw [index] = (uint8_t) ((raw [index] & 0x87u) | 0x38u);
        if (type == KITH_TYPE_BFLOAT16_VECTOR)
            raw [index] = (uint8_t) ((raw [index] & 0x80u) | 0x3fu);
    }
}

void
model_destroy (model_t **self_p)
{
    model_t *self = *self_p;
    for (uint64_t seq = 1; seq <= self->seq; seq++)
        free ((void *) (uintptr_t) model_record (self, seq)->body);
    kith_bytes_free (&self->rows);
    kith_bytes_free (&self->records);
    kith_schema_destroy (&self->schema);
    self->objects->close (&self->objects);
    kith_objects_image_destroy (&self->image);
    free (self);
    *self_p = NULL;
}

uint32_t
model_count (const model_t *self)
{
    return (uint32_t) (self->rows.size / sizeof (model_row_t));
}

static model_row_t *
s_row (const model_t *self, uint32_t index)
{
    return (model_row_t *) (void *) self->rows.data + index;
}

const model_row_t *
model_row (const model_t *self, uint32_t index)
{
    return s_row (self, index);
}

const kith_record_t *
model_record (const model_t *self, uint64_t seq)
{
    return (const kith_record_t *) (const void *) self->records.data + (seq - 1);
}

//  ---------------------------------------------------------------------

static void
s_key_text (int64_t key, char text [64])
{
    //  Lengths differ, and one key is the front of another
    snprintf (text, 64, "k%.*s%" PRId64, (int) (key % 7) * 3, "aaaaaaaaaaaaaaaaaaaaa",
              key);
}

static void
s_put_key (const model_t *self, kith_column_builder_t *builder, int64_t key)
{
    char text [64];
    s_key_text (key, text);
    if (self->text_keys)
        kith_column_builder_string (builder, text, (uint32_t) strlen (text));
    else
        kith_column_builder_int (builder, key);
}

int64_t
model_key_of (const kith_column_t *column, uint32_t row)
{
    if (column->type == KITH_TYPE_INT64)
        return kith_column_int (column, row);
    uint32_t length;
    const char *text = kith_column_string (column, row, &length);
    char copy [65] = {0};
    memcpy (copy, text, length < 64 ? length : 64);
    return strtoll (copy + strcspn (copy, "0123456789"), NULL, 10);
}

void
model_keys (const model_t *self, const int64_t *keys, uint32_t count, kith_bytes_t *out,
            kith_column_t *column)
{
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, MODEL_KEY,
                              self->text_keys ? KITH_TYPE_VARCHAR : KITH_TYPE_INT64, 0);
    for (uint32_t index = 0; index < count; index++)
        s_put_key (self, &builder, keys [index]);
    kith_column_builder_finish (&builder, out);
    kith_column_builder_free (&builder);
    int status = kith_column_open (column, out->data, out->size, NULL);
    assert (status == 0);
}

static model_row_t
s_random_row (model_t *self, int64_t key)
{
    kith_random_t *random = &self->random;
    model_row_t row = {.key = key, .death = KITH_ALIVE};
    row.has_number = kith_random_below (random, 5) > 0;
    row.has_flag = kith_random_below (random, 4) > 0;
    row.has_text = kith_random_below (random, 4) > 0;
    row.number = (int64_t) kith_random_below (random, 20) - 10;
    if (kith_random_below (random, 30) == 0)
        row.number = kith_random_below (random, 2)
                         ? INT64_MAX - (int64_t) kith_random_below (random, 2)
                         : INT64_MIN;
    row.real = (double) kith_random_below (random, 40) / 4 - 5;
    if (kith_random_below (random, 30) == 0)
        row.real = 9223372036854775807.0;
    row.narrow = (float) kith_random_below (random, 20) / 10;
    row.small = (int8_t) (kith_random_below (random, 256) - 128);
    row.flag = kith_random_below (random, 2);
    const char *word =
        s_words [kith_random_below (random, sizeof s_words / sizeof s_words [0])];
    snprintf (row.text, sizeof row.text, "%s", word);
    for (uint32_t index = 0; index < MODEL_DIM; index++)
        row.vector [index] = (float) kith_random_normal (random);
    if (self->type != KITH_TYPE_FLOAT_VECTOR)
        model_raw (random, self->type, row.raw);
    return row;
}

//  The batch of an INSERT
static void
s_build_rows (const model_t *self, const model_row_t *rows, uint32_t count,
              kith_bytes_t *out)
{
    size_t place = kith_batch_begin (out, count, kith_schema_count (self->schema));
    for (uint32_t index = 0; index < kith_schema_count (self->schema); index++) {
        const kith_field_t *field = kith_schema_field (self->schema, index);
        kith_column_builder_t builder;
        kith_column_builder_init (&builder, field->id, field->type, field->dim);
        for (uint32_t each = 0; each < count; each++) {
            const model_row_t *row = &rows [each];
            bool null = (field->id == MODEL_NUMBER && !row->has_number)
                        || (field->id == MODEL_FLAG && !row->has_flag)
                        || (field->id == MODEL_TEXT && !row->has_text);
            if (null)
                kith_column_builder_null (&builder);
            else if (field->id == MODEL_KEY)
                s_put_key (self, &builder, row->key);
            else if (field->id == MODEL_NUMBER)
                kith_column_builder_int (&builder, row->number);
            else if (field->id == MODEL_REAL)
                kith_column_builder_real (&builder, row->real);
            else if (field->id == MODEL_NARROW)
                kith_column_builder_real (&builder, (double) row->narrow);
            else if (field->id == MODEL_SMALL)
                kith_column_builder_int (&builder, row->small);
            else if (field->id == MODEL_FLAG)
                kith_column_builder_int (&builder, row->flag);
            else if (field->id == MODEL_TEXT)
                kith_column_builder_string (&builder, row->text,
                                            (uint32_t) strlen (row->text));
            else
                kith_column_builder_fixed (&builder, field->type == KITH_TYPE_FLOAT_VECTOR
                                                         ? (const void *) row->vector
                                                         : row->raw);
        }
        kith_column_builder_finish (&builder, out);
        kith_column_builder_free (&builder);
    }
    kith_batch_end (out, place);
}

//  Ends the version of a key that is alive
static void
s_end (model_t *self, int64_t key, uint64_t seq)
{
    for (uint32_t index = 0; index < model_count (self); index++) {
        model_row_t *row = s_row (self, index);
        if (row->key == key && row->death == KITH_ALIVE)
            row->death = seq;
    }
}

static void
s_put_record (model_t *self, kith_record_kind_t kind, uint32_t partition, uint32_t rows,
              kith_bytes_t *body)
{
    kith_record_t record = {.kind = kind,
                            .seq = ++self->seq,
                            .epoch = 1,
                            .channel = 7,
                            .partition = partition};
    record.timestamp = record.seq * 1000;
    record.rows = rows;
    record.body = body->data;
    record.body_bytes = body->size;
    kith_bytes_put (&self->records, &record, sizeof record);
}

void
model_insert (model_t *self, uint32_t rows_max, uint32_t keys, uint32_t partitions)
{
    uint32_t count = 1 + (uint32_t) kith_random_below (&self->random, rows_max);
    uint32_t partition = (uint32_t) kith_random_below (&self->random, partitions);
    model_row_t *rows = kith_new (count * sizeof *rows);
    for (uint32_t index = 0; index < count; index++)
        rows [index] =
            s_random_row (self, (int64_t) kith_random_below (&self->random, keys));
    kith_bytes_t body = {0};
    s_build_rows (self, rows, count, &body);
    s_put_record (self, KITH_RECORD_INSERT, partition, count, &body);
    for (uint32_t index = 0; index < count; index++) {
        rows [index].seq = self->seq;
        rows [index].place = index;
        rows [index].partition = partition;
        s_end (self, rows [index].key, self->seq);
        kith_bytes_put (&self->rows, &rows [index], sizeof rows [index]);
    }
    free (rows);
}

void
model_delete (model_t *self, uint32_t rows_max, uint32_t keys)
{
    uint32_t count = 1 + (uint32_t) kith_random_below (&self->random, rows_max);
    kith_bytes_t body = {0};
    size_t place = kith_batch_begin (&body, count, 1);
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, MODEL_KEY,
                              self->text_keys ? KITH_TYPE_VARCHAR : KITH_TYPE_INT64, 0);
    for (uint32_t index = 0; index < count; index++) {
        int64_t key = (int64_t) kith_random_below (&self->random, keys);
        s_put_key (self, &builder, key);
        s_end (self, key, self->seq + 1);
    }
    kith_column_builder_finish (&builder, &body);
    kith_column_builder_free (&builder);
    kith_batch_end (&body, place);
    s_put_record (self, KITH_RECORD_DELETE, 0, count, &body);
}

void
model_seal (model_t *self)
{
    kith_bytes_t body = {0};
    s_put_record (self, KITH_RECORD_SEAL, 0, 0, &body);
}

void
model_drop (model_t *self, uint32_t partitions)
{
    const uint32_t partition = (uint32_t) kith_random_below (&self->random, partitions);
    kith_bytes_t body = {0};
    s_put_record (self, KITH_RECORD_DROP, partition, 0, &body);
    for (uint32_t index = 0; index < model_count (self); index++) {
        model_row_t *row = s_row (self, index);
        if (row->partition == partition && row->death == KITH_ALIVE)
            row->death = self->seq;
    }
}

void
model_step (model_t *self, uint32_t rows_max, uint32_t keys)
{
    uint64_t kind = kith_random_below (&self->random, 10);
    if (kind < 6)
        model_insert (self, rows_max, keys, 3);
    else if (kind < 9)
        model_delete (self, rows_max, keys);
    else
        model_seal (self);
}

bool
model_visible (const model_row_t *row, uint64_t s)
{
    return row->seq <= s && row->death > s;
}

const model_row_t *
model_find (const model_t *self, int64_t key, uint64_t from, uint64_t to, uint64_t s)
{
    for (uint32_t index = 0; index < model_count (self); index++) {
        const model_row_t *row = model_row (self, index);
        if (row->key == key && row->seq >= from && row->seq <= to
            && model_visible (row, s))
            return row;
    }
    return NULL;
}

bool
model_flush (model_t *self, uint64_t after, uint64_t to, const char *name)
{
    kith_error_t error = {0};
    kith_flush_t *flush = kith_flush_new (self->schema, after, to);
    for (uint64_t seq = after + 1; seq <= to; seq++)
        s_good (kith_flush_add (flush, model_record (self, seq), &error) == 0, &error);
    bool any = kith_flush_rows (flush) > 0;
    kith_file_info_t info = {.cluster = 9,
                             .channel = 7,
                             .segment = to,
                             .from = after + 1,
                             .to = to,
                             .epoch = 1};
    uint64_t hash, size;
    if (any) {
        s_good (kith_flush_put (flush, self->objects, name, &info, &hash, &size, &error)
                    == 0,
                &error);
        assert (info.rows == kith_flush_rows (flush));
    }
    kith_flush_destroy (&flush);
    return any;
}

kith_segment_t *
model_open (model_t *self, const char *name, const char *deaths)
{
    kith_error_t error = {0};
    kith_container_t *snapshot =
        kith_container_open (self->objects, name, KITH_FILE_SNAPSHOT, 9, 0, 0, &error);
    s_good (snapshot != NULL, &error);
    kith_container_t *list = NULL;
    if (deaths) {
        list = kith_container_open (self->objects, deaths, KITH_FILE_DEATHS, 9, 0, 0,
                                    &error);
        s_good (list != NULL, &error);
    }
    kith_segment_t *segment = kith_segment_open (self->schema, &snapshot, &list, &error);
    s_good (segment != NULL, &error);
    assert (!snapshot && !list);
    return segment;
}

void
model_index (kith_segment_t *growing, uint64_t spec)
{
    const kith_index_params_t params = {.kind = KITH_INDEX_GRAPH, .seed = 3};
    int64_t piece;
    while ((piece = kith_segment_unindexed (growing, MODEL_VECTOR, spec, 1)) >= 0) {
        int status = kith_segment_build_index (growing, (uint32_t) piece, MODEL_VECTOR,
                                               spec, &params, NULL);
        assert (status == 0);
    }
}
