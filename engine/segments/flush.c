//  flush.c - records of a sealed range -> a snapshot (F1, F2)
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/flush.h"

#include "base/arena.h"
#include "engine/segments/cells.h"
#include "engine/segments/keyindex.h"
#include "engine/segments/keymap.h"
#include "engine/segments/sealed.h"
#include "engine/segments/vectors.h"

//  A record whose rows are wanted
typedef struct {
    uint64_t seq;
    uint64_t timestamp;
    uint32_t partition;
    kith_column_t *columns;    //  as the schema's fields; in the arena
} s_source_t;

//  A row: where it is, and whether it ended inside the range
typedef struct {
    uint32_t source;
    uint32_t row : 31;
    uint32_t ended : 1;
} s_row_t;

struct kith_flush {
    kith_schema_t *schema;
    uint64_t after;
    uint64_t to;
    uint64_t last;    //  seq of the record added last
    uint32_t key;     //  index of the key field
    kith_arena_t arena;
    kith_bytes_t sources;    //  s_source_t
    kith_bytes_t rows;       //  s_row_t, in the order of (seq, row)
    uint32_t row_count;
    uint32_t ended;
    uint64_t text_bytes [KITH_FIELDS_MAX];    //  of varlen fields
    kith_keymap_t keys;
    bool selected;    //  puts take the rows of one partition
    kith_flush_part_t part;
};

kith_flush_t *
kith_flush_new (kith_schema_t *schema, uint64_t after, uint64_t to)
{
    assert (schema && to > after);
    kith_flush_t *self = kith_new (sizeof *self);
    self->schema = kith_schema_share (schema);
    self->after = self->last = after;
    self->to = to;
    while (!kith_schema_field (schema, self->key)->key)
        self->key++;
    return self;
}

void
kith_flush_destroy (kith_flush_t **self_p)
{
    assert (self_p);
    kith_flush_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    kith_arena_free (&self->arena);
    kith_bytes_free (&self->sources);
    kith_bytes_free (&self->rows);
    kith_keymap_free (&self->keys);
    kith_schema_destroy (&self->schema);
    free (self);
}

uint32_t
kith_flush_rows (const kith_flush_t *self)
{
    return self->row_count - self->ended;
}

static s_row_t *
s_row (const kith_flush_t *self, uint32_t index)
{
    return (s_row_t *) (void *) self->rows.data + index;
}

static const s_source_t *
s_source (const kith_flush_t *self, uint32_t index)
{
    return (const s_source_t *) (const void *) self->sources.data + index;
}

//  ---------------------------------------------------------------------
//  Add

//  Newest row with the key; -1: none
static int64_t
s_newest (const kith_flush_t *self, const kith_column_t *keys, uint32_t row,
          uint64_t hash, kith_keymap_walk_t *walk)
{
    kith_keymap_walk (&self->keys, hash, walk);
    int64_t found;
    while ((found = kith_keymap_next (walk)) >= 0) {
        const s_row_t *other = s_row (self, (uint32_t) found);
        const s_source_t *source = s_source (self, other->source);
        if (kith_key_equal (&source->columns [self->key], other->row, keys, row))
            break;
    }
    return found;
}

static void
s_end (kith_flush_t *self, uint32_t index)
{
    s_row_t *row = s_row (self, index);
    self->ended += !row->ended;
    row->ended = 1;
}

static void
s_delete (kith_flush_t *self, const kith_column_t *keys)
{
    for (uint32_t row = 0; row < keys->rows; row++) {
        kith_keymap_walk_t walk;
        int64_t found = s_newest (self, keys, row, kith_key_hash (keys, row), &walk);
        if (found >= 0)
            s_end (self, (uint32_t) found);
    }
}

static void
s_drop (kith_flush_t *self, uint32_t partition)
{
    for (uint32_t index = 0; index < self->row_count; index++)
        if (s_source (self, s_row (self, index)->source)->partition == partition)
            s_end (self, index);
}

static void
s_insert (kith_flush_t *self, uint32_t source)
{
    const kith_column_t *keys = &s_source (self, source)->columns [self->key];
    kith_bytes_reserve (&self->rows, keys->rows * sizeof (s_row_t));
    for (uint32_t row = 0; row < keys->rows; row++) {
        uint64_t hash = kith_key_hash (keys, row);
        kith_keymap_walk_t walk;
        int64_t old = s_newest (self, keys, row, hash, &walk);
        uint32_t index = self->row_count++;
        s_row_t fresh = {.source = source, .row = row & 0x7fffffff};
        kith_bytes_put (&self->rows, &fresh, sizeof fresh);
        if (old < 0)
            kith_keymap_add (&self->keys, hash, index);
        else {
            kith_keymap_replace (&self->keys, &walk, index);
            s_end (self, (uint32_t) old);
        }
    }
}

//  True if a column can be read as its field
static bool
s_fits (const kith_field_t *field, const kith_column_t *column)
{
    if (column->type != field->type || column->dim != field->dim)
        return false;
    for (uint32_t row = 0; !field->nullable && column->validity && row < column->rows;
         row++) {
        if (!kith_column_valid (column, row))
            return false;
    }
    return true;
}

//  Opens the batch of an INSERT; fields that it lacks are made in the arena
static int
s_open (kith_flush_t *self, const kith_record_t *record, kith_batch_t *batch,
        kith_error_t *error)
{
    kith_bytes_t completed = {0};
    bool needed = false;
    if (kith_batch_open (batch, record->body, record->body_bytes, error) != 0)
        return -1;
    int status = kith_schema_complete (self->schema, batch, &needed, &completed, error);
    if (status == 0 && needed) {
        const void *own = kith_arena_copy (&self->arena, completed.data, completed.size);
        status = kith_batch_open (batch, own, completed.size, error);
        assert (status == 0);
    }
    kith_bytes_free (&completed);
    return status;
}

static int
s_add_insert (kith_flush_t *self, const kith_record_t *record, kith_error_t *error)
{
    kith_batch_t batch;
    if (s_open (self, record, &batch, error) != 0)
        return -1;
    uint32_t count = kith_schema_count (self->schema);
    s_source_t source = {.seq = record->seq,
                         .timestamp = record->timestamp,
                         .partition = record->partition};
    source.columns = kith_arena_alloc (&self->arena, count * sizeof (kith_column_t));
    for (uint32_t index = 0; index < count; index++) {
        const kith_field_t *field = kith_schema_field (self->schema, index);
        const kith_column_t *column = kith_batch_field (&batch, field->id);
        assert (column);
        if (!s_fits (field, column))
            return kith_error_set (error, KITH_ERR_CORRUPT,
                                   "field %s: the column does not fit it", field->name);
        source.columns [index] = *column;
        if (column->offsets)
            self->text_bytes [index] += column->data_bytes;
        //  Offsets in a column block have 32 bits
        if (self->text_bytes [index] > UINT32_MAX)
            return kith_error_set (error, KITH_ERR_LIMIT,
                                   "field %s: over 4 GiB of text in one segment",
                                   field->name);
    }
    if (batch.rows > INT32_MAX - self->row_count)
        return kith_error_set (error, KITH_ERR_LIMIT, "over 2^31 rows in one segment");
    uint32_t index = (uint32_t) (self->sources.size / sizeof source);
    kith_bytes_put (&self->sources, &source, sizeof source);
    s_insert (self, index);
    return 0;
}

static int
s_add_delete (kith_flush_t *self, const kith_record_t *record, kith_error_t *error)
{
    kith_batch_t batch;
    if (kith_batch_open (&batch, record->body, record->body_bytes, error) != 0)
        return -1;
    const kith_field_t *field = kith_schema_key (self->schema);
    const kith_column_t *keys = kith_batch_field (&batch, field->id);
    if (!keys || !s_fits (field, keys))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "its keys are missing or of another type");
    s_delete (self, keys);
    return 0;
}

int
kith_flush_add (kith_flush_t *self, const kith_record_t *record, kith_error_t *error)
{
    assert (self && record);
    if (!kith_record_has_seq (record->kind))
        return 0;
    if (record->seq <= self->last || record->seq > self->to)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "flush of (%" PRIu64 ", %" PRIu64 "]: record %" PRIu64
                               " came after %" PRIu64,
                               self->after, self->to, record->seq, self->last);
    int status = 0;
    if (record->kind == KITH_RECORD_INSERT)
        status = s_add_insert (self, record, error);
    else if (record->kind == KITH_RECORD_DELETE)
        status = s_add_delete (self, record, error);
    else if (record->kind == KITH_RECORD_DROP)
        s_drop (self, record->partition);
    if (status != 0)
        return kith_error_prefix (error, "record %" PRIu64, record->seq);
    self->last = record->seq;
    return 0;
}

//  ---------------------------------------------------------------------
//  Put

enum { SYSTEM_SECTIONS = 4, SECTIONS_MAX = 2 * KITH_FIELDS_MAX + SYSTEM_SECTIONS + 1 };

//  Sections under construction, and the rows that stay
typedef struct {
    kith_section_t sections [SECTIONS_MAX];
    kith_bytes_t bytes [SECTIONS_MAX];
    uint32_t count;
    const s_row_t **rows;
    kith_cell_t *cells;
    uint32_t row_count;
} s_snapshot_t;

static kith_bytes_t *
s_next_section (s_snapshot_t *snapshot, uint32_t id, uint32_t align)
{
    assert (snapshot->count < SECTIONS_MAX);
    snapshot->sections [snapshot->count] = (kith_section_t){.id = id, .align = align};
    return &snapshot->bytes [snapshot->count++];
}

static void
s_put_norms (s_snapshot_t *snapshot, const kith_field_t *field)
{
    kith_bytes_t *out = s_next_section (snapshot, KITH_SECTION_NORMS (field->id), 64);
    float *norms = kith_bytes_extend (out, snapshot->row_count * sizeof (float));
    for (uint32_t index = 0; index < snapshot->row_count; index++) {
        const kith_cell_t *cell = &snapshot->cells [index];
        kith_field_norms (field, kith_column_fixed (cell->column, cell->row), 1,
                          &norms [index]);
    }
}

static void
s_put_field (const kith_flush_t *self, s_snapshot_t *snapshot, uint32_t index)
{
    const kith_field_t *field = kith_schema_field (self->schema, index);
    for (uint32_t each = 0; each < snapshot->row_count; each++) {
        const s_row_t *row = snapshot->rows [each];
        snapshot->cells [each] = (kith_cell_t){
            .column = &s_source (self, row->source)->columns [index], .row = row->row};
    }
    bool vectors = kith_type_is_vector (field->type);
    kith_column_t shape = {.type = field->type, .field = field->id, .dim = field->dim};
    kith_bytes_t *out = s_next_section (snapshot, field->id, vectors ? 4096 : 64);
    kith_cells_gather (out, &shape, snapshot->cells, snapshot->row_count);
    if (kith_field_has_norms (field))
        s_put_norms (snapshot, field);
    if (!field->key)
        return;
    kith_column_t keys;
    int status = kith_column_open (&keys, out->data, out->size, NULL);
    assert (status == 0);
    kith_keyindex_put (&keys, s_next_section (snapshot, KITH_SECTION_KEYS, 64));
}

static int64_t
s_system_value (const kith_flush_t *self, const s_row_t *row, uint32_t field)
{
    const s_source_t *source = s_source (self, row->source);
    switch (field) {
        case KITH_FIELD_SEQ:
            return (int64_t) source->seq;
        case KITH_FIELD_ROW:
            return row->row;
        case KITH_FIELD_TIMESTAMP:
            return (int64_t) source->timestamp;
        default:
            return (int32_t) source->partition;
    }
}

static void
s_put_system (const kith_flush_t *self, s_snapshot_t *snapshot, uint32_t field)
{
    bool wide = field == KITH_FIELD_SEQ || field == KITH_FIELD_TIMESTAMP;
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, field, wide ? KITH_TYPE_INT64 : KITH_TYPE_INT32,
                              0);
    for (uint32_t index = 0; index < snapshot->row_count; index++)
        kith_column_builder_int (&builder,
                                 s_system_value (self, snapshot->rows [index], field));
    kith_column_builder_finish (&builder, s_next_section (snapshot, field, 64));
    kith_column_builder_free (&builder);
}

static int
s_part_compare (const void *left, const void *right)
{
    const kith_flush_part_t *a = left, *b = right;
    return a->partition < b->partition ? -1 : a->partition > b->partition;
}

//  Rows of one record follow each other, so that most find their part at once
kith_flush_part_t *
kith_flush_parts (const kith_flush_t *self, uint32_t *count)
{
    kith_bytes_t found = {0};
    uint32_t at = 0;
    *count = 0;
    for (uint32_t index = 0; index < self->row_count; index++) {
        const s_row_t *row = s_row (self, index);
        const s_source_t *source = s_source (self, row->source);
        if (row->ended)
            continue;
        const kith_flush_part_t *parts = (const void *) found.data;
        if (at >= *count || parts [at].partition != source->partition)
            for (at = 0; at < *count && parts [at].partition != source->partition;)
                at++;
        if (at == *count) {
            const kith_flush_part_t fresh = {.partition = source->partition};
            kith_bytes_put (&found, &fresh, sizeof fresh);
            ++*count;
        }
        kith_flush_part_t *part = (kith_flush_part_t *) (void *) found.data + at;
        part->rows++;
        part->newest = source->seq;
    }
    if (*count)
        qsort (found.data, *count, sizeof (kith_flush_part_t), s_part_compare);
    //  The buffer's memory may be freed by free ()
    return (kith_flush_part_t *) (void *) found.data;
}

void
kith_flush_select (kith_flush_t *self, const kith_flush_part_t *part)
{
    self->selected = part != NULL;
    self->part = part ? *part : (kith_flush_part_t){0};
}

static void
s_list_rows (const kith_flush_t *self, s_snapshot_t *snapshot)
{
    const uint32_t rows = self->selected ? self->part.rows : kith_flush_rows (self);
    snapshot->rows = kith_new (rows * sizeof snapshot->rows [0]);
    snapshot->cells = kith_new (rows * sizeof snapshot->cells [0]);
    for (uint32_t index = 0; index < self->row_count; index++) {
        const s_row_t *row = s_row (self, index);
        const bool wanted =
            !self->selected
            || s_source (self, row->source)->partition == self->part.partition;
        if (!row->ended && wanted)
            snapshot->rows [snapshot->row_count++] = row;
    }
    assert (snapshot->row_count == rows);
}

int
kith_flush_put (kith_flush_t *self, kith_objects_t *objects, const char *name,
                kith_file_info_t *info, uint64_t *hash, uint64_t *size,
                kith_error_t *error)
{
    assert (self && objects && name && info && kith_flush_rows (self) > 0);
    s_snapshot_t *snapshot = kith_new (sizeof *snapshot);
    s_list_rows (self, snapshot);
    for (uint32_t index = 0; index < kith_schema_count (self->schema); index++)
        s_put_field (self, snapshot, index);
    for (uint32_t field = KITH_FIELD_SEQ; field <= KITH_FIELD_PARTITION; field++)
        s_put_system (self, snapshot, field);
    for (uint32_t index = 0; index < snapshot->count; index++) {
        snapshot->sections [index].data = snapshot->bytes [index].data;
        snapshot->sections [index].size = snapshot->bytes [index].size;
    }
    info->kind = KITH_FILE_SNAPSHOT;
    info->rows = snapshot->row_count;
    int status = kith_container_put (objects, name, info, snapshot->sections,
                                     snapshot->count, hash, size, error);
    for (uint32_t index = 0; index < snapshot->count; index++)
        kith_bytes_free (&snapshot->bytes [index]);
    free (snapshot->rows);
    free (snapshot->cells);
    free (snapshot);
    return status;
}
