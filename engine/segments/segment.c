//  segment.c - rows of one channel's seq range, growing in memory or sealed in a snapshot
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/segment.h"

#include "engine/segments/run.h"
#include "engine/segments/segment_impl.h"
#include "engine/segments/vectors.h"

static kith_segment_t *
s_segment_new (kith_schema_t *schema)
{
    kith_segment_t *self = kith_new (sizeof *self);
    atomic_init (&self->references, 1);
    self->schema = kith_schema_share (schema);
    return self;
}

kith_segment_t *
kith_segment_grow (kith_schema_t *schema, uint64_t after, uint32_t chunk_rows)
{
    assert (schema && after < UINT64_MAX);
    kith_segment_t *self = s_segment_new (schema);
    self->growing = kith_growing_new (self->schema, chunk_rows);
    self->from = after + 1;
    atomic_init (&self->applied, after);
    return self;
}

kith_segment_t *
kith_segment_open (kith_schema_t *schema, kith_container_t **snapshot_p,
                   kith_container_t **deaths_p, kith_error_t *error)
{
    assert (schema && snapshot_p && *snapshot_p);
    kith_container_t *deaths = deaths_p ? *deaths_p : NULL;
    if (deaths_p)
        *deaths_p = NULL;
    kith_segment_t *self = s_segment_new (schema);
    self->sealed = kith_sealed_open (self->schema, snapshot_p, error);
    if (self->sealed) {
        const kith_file_info_t *info = kith_sealed_info (self->sealed);
        self->from = info->from;
        atomic_init (&self->to, info->to);
        atomic_init (&self->applied, info->to);
    }
    if (!self->sealed || (deaths && kith_segment_merge_deaths (self, deaths, error) != 0))
        kith_segment_destroy (&self);
    kith_container_destroy (&deaths);
    return self;
}

kith_segment_t *
kith_segment_share (kith_segment_t *self)
{
    assert (self);
    atomic_fetch_add_explicit (&self->references, 1, memory_order_relaxed);
    return self;
}

void
kith_segment_destroy (kith_segment_t **self_p)
{
    assert (self_p);
    kith_segment_t *self = *self_p;
    *self_p = NULL;
    if (!self
        || atomic_fetch_sub_explicit (&self->references, 1, memory_order_acq_rel) > 1)
        return;
    kith_growing_destroy (&self->growing);
    kith_sealed_destroy (&self->sealed);
    kith_schema_destroy (&self->schema);
    free (self);
}

//  ---------------------------------------------------------------------
//  Records

static int
s_refuse (const kith_record_t *record, kith_error_t *error, const char *what)
{
    return kith_error_set (error, KITH_ERR_CORRUPT, "record %" PRIu64 ": %s", record->seq,
                           what);
}

//  True if a column may be read as its field: type, shape, and no null where none may be
static bool
s_column_fits (const kith_field_t *field, const kith_column_t *column)
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

//  Appends a batch that has every field
static int
s_insert_batch (kith_segment_t *self, const kith_record_t *record,
                const kith_batch_t *batch, kith_error_t *error)
{
    const kith_column_t *columns [KITH_FIELDS_MAX];
    for (uint32_t index = 0; index < kith_schema_count (self->schema); index++) {
        const kith_field_t *field = kith_schema_field (self->schema, index);
        columns [index] = kith_batch_field (batch, field->id);
        assert (columns [index]);
        if (!s_column_fits (field, columns [index]))
            return s_refuse (record, error, "a column does not fit its field");
    }
    return kith_growing_insert (self->growing, record, columns, batch->rows, error);
}

static int
s_insert (kith_segment_t *self, const kith_record_t *record, kith_error_t *error)
{
    kith_batch_t batch;
    kith_batch_t whole;
    kith_bytes_t completed = {0};
    bool needed = false;
    if (kith_batch_open (&batch, record->body, record->body_bytes, error) != 0
        || kith_schema_complete (self->schema, &batch, &needed, &completed, error) != 0) {
        kith_bytes_free (&completed);
        return kith_error_prefix (error, "record %" PRIu64, record->seq);
    }
    if (needed) {
        int status = kith_batch_open (&whole, completed.data, completed.size, error);
        assert (status == 0);
    }
    int status = s_insert_batch (self, record, needed ? &whole : &batch, error);
    kith_bytes_free (&completed);
    return status;
}

//  Ends versions of the record's keys that are older than it
static int
s_end_keys (kith_segment_t *self, const kith_record_t *record, kith_error_t *error)
{
    kith_batch_t batch;
    if (kith_batch_open (&batch, record->body, record->body_bytes, error) != 0)
        return kith_error_prefix (error, "record %" PRIu64, record->seq);
    const kith_field_t *field = kith_schema_key (self->schema);
    const kith_column_t *keys = kith_batch_field (&batch, field->id);
    if (!keys || !s_column_fits (field, keys))
        return s_refuse (record, error, "its keys are missing or of another type");
    if (self->growing)
        kith_growing_end (self->growing, keys, record->seq);
    else
        kith_sealed_end (self->sealed, keys, record->seq);
    return 0;
}

static int
s_end_rows (kith_segment_t *self, const kith_record_t *record, kith_error_t *error)
{
    if (record->kind != KITH_RECORD_DROP)
        return s_end_keys (self, record, error);
    if (self->growing)
        kith_growing_end_partition (self->growing, record->partition, record->seq);
    else
        kith_sealed_end_partition (self->sealed, record->partition, record->seq);
    return 0;
}

//  True if a record is new to the segment and has rows
static bool
s_wanted (const kith_segment_t *self, const kith_record_t *record)
{
    if (record->seq <= kith_segment_applied (self) || record->seq == KITH_ALIVE)
        return false;
    switch (record->kind) {
        case KITH_RECORD_INSERT:
        case KITH_RECORD_DELETE:
        case KITH_RECORD_DROP:
            return true;
        case KITH_RECORD_SEAL:
        case KITH_RECORD_EPOCH:
        case KITH_RECORD_BARRIER:
            break;
    }
    return false;
}

int
kith_segment_apply (kith_segment_t *self, const kith_record_t *record,
                    kith_error_t *error)
{
    assert (self && self->growing && record);
    assert (atomic_load (&self->to) == 0 || record->seq <= kith_segment_applied (self));
    if (s_wanted (self, record)) {
        int status = record->kind == KITH_RECORD_INSERT
                         ? s_insert (self, record, error)
                         : s_end_rows (self, record, error);
        if (status != 0)
            return -1;
    }
    if (kith_record_has_seq (record->kind))
        kith_segment_cover (self, record->seq);
    return 0;
}

int
kith_segment_end (kith_segment_t *self, const kith_record_t *record, kith_error_t *error)
{
    assert (self && record);
    if (s_wanted (self, record) && s_end_rows (self, record, error) != 0)
        return -1;
    if (kith_record_has_seq (record->kind))
        kith_segment_cover (self, record->seq);
    return 0;
}

void
kith_segment_cover (kith_segment_t *self, uint64_t seq)
{
    assert (self);
    if (seq > kith_segment_applied (self))
        atomic_store_explicit (&self->applied, seq, memory_order_release);
}

uint64_t
kith_segment_applied (const kith_segment_t *self)
{
    return atomic_load_explicit (&self->applied, memory_order_acquire);
}

void
kith_segment_close (kith_segment_t *self, uint64_t to)
{
    assert (self && self->growing && atomic_load (&self->to) == 0);
    assert (to >= self->from);
    atomic_store (&self->to, to);
}

//  ---------------------------------------------------------------------
//  What it is

bool
kith_segment_is_growing (const kith_segment_t *self)
{
    return self->growing;
}

uint64_t
kith_segment_from (const kith_segment_t *self)
{
    return self->from;
}

uint64_t
kith_segment_to (const kith_segment_t *self)
{
    return atomic_load (&self->to);
}

uint32_t
kith_segment_rows (const kith_segment_t *self)
{
    return self->growing ? kith_growing_rows (self->growing)
                         : kith_sealed_rows (self->sealed);
}

uint64_t
kith_segment_memory (const kith_segment_t *self)
{
    return sizeof *self
           + (self->growing ? kith_growing_memory (self->growing)
                            : kith_sealed_memory (self->sealed));
}

uint32_t
kith_segment_alive (const kith_segment_t *self)
{
    uint32_t ended;
    if (self->growing)
        ended = kith_growing_ended (self->growing);
    else {
        const kith_ends_t *ends = kith_sealed_ends (self->sealed);
        ended = ends ? (uint32_t) atomic_load (&ends->count) : 0;
    }
    return kith_segment_rows (self) - ended;
}

int64_t
kith_segment_find (const kith_segment_t *self, const kith_column_t *keys, uint32_t row,
                   uint64_t s)
{
    assert (self && keys && keys->type == kith_schema_key (self->schema)->type);
    return self->growing ? kith_growing_find (self->growing, keys, row, s)
                         : kith_sealed_find (self->sealed, keys, row, s);
}

//  ---------------------------------------------------------------------
//  Deaths

static bool
s_end_row (kith_segment_t *self, uint32_t row, uint64_t seq)
{
    return self->growing ? kith_growing_end_row (self->growing, row, seq)
                         : kith_sealed_end_row (self->sealed, row, seq);
}

static int
s_merge_deaths (kith_segment_t *self, const uint8_t *rows, const uint8_t *seqs,
                uint64_t count, kith_error_t *error)
{
    //  All is checked before anything is changed
    for (uint64_t index = 0; index < count; index++) {
        uint32_t row = kith_get_u32 (rows + index * 4);
        uint64_t seq = kith_get_u64 (seqs + index * 8);
        if (row >= kith_segment_rows (self) || seq == 0 || seq == KITH_ALIVE
            || (index && row <= kith_get_u32 (rows + index * 4 - 4)))
            return kith_error_set (error, KITH_ERR_CORRUPT,
                                   "death list: entry %" PRIu64 " (row %" PRIu32
                                   ", seq %" PRIu64 ") cannot be right",
                                   index, row, seq);
    }
    for (uint64_t index = 0; index < count; index++)
        s_end_row (self, kith_get_u32 (rows + index * 4),
                   kith_get_u64 (seqs + index * 8));
    return 0;
}

int
kith_segment_merge_deaths (kith_segment_t *self, const kith_container_t *deaths,
                           kith_error_t *error)
{
    assert (self && deaths);
    const kith_file_info_t *info = kith_container_info (deaths);
    uint64_t row_bytes = 0;
    uint64_t seq_bytes = 0;
    const uint8_t *rows =
        kith_container_section (deaths, KITH_SECTION_DEATH_ROWS, &row_bytes);
    const uint8_t *seqs =
        kith_container_section (deaths, KITH_SECTION_DEATH_SEQS, &seq_bytes);
    uint64_t segment =
        self->sealed ? kith_sealed_info (self->sealed)->segment : info->segment;
    if (info->kind != KITH_FILE_DEATHS || info->segment != segment
        || row_bytes != info->rows * 4 || seq_bytes != info->rows * 8
        || info->rows > UINT32_MAX)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "death list: it is of another segment (%" PRIu64
                               ", not %" PRIu64 ") or its parts do not fit",
                               info->segment, segment);
    if (s_merge_deaths (self, rows, seqs, info->rows, error) != 0)
        return -1;
    if (info->to < KITH_ALIVE)
        kith_segment_cover (self, info->to);
    return 0;
}

static void
s_collect (const kith_ends_t *ends, uint32_t rows, uint32_t first_row, uint64_t to,
           kith_bytes_t *out)
{
    for (uint32_t row = 0; row < rows; row++) {
        uint64_t seq = kith_ends_get (ends, row);
        if (seq == 0 || seq > to)
            continue;
        kith_death_t death = {.row = first_row + row, .seq = seq};
        kith_bytes_put (out, &death, sizeof death);
    }
}

kith_death_t *
kith_segment_deaths (const kith_segment_t *self, uint64_t to, uint32_t *count)
{
    assert (self && count);
    kith_bytes_t found = {0};
    if (self->sealed && kith_sealed_ends (self->sealed))
        s_collect (kith_sealed_ends (self->sealed), kith_sealed_rows (self->sealed), 0,
                   to, &found);
    uint32_t chunks = self->growing ? kith_growing_chunks (self->growing) : 0;
    for (uint32_t index = 0; index < chunks; index++) {
        uint32_t rows;
        const kith_chunk_t *chunk = kith_growing_chunk (self->growing, index, &rows);
        s_collect (&chunk->ends, rows, chunk->first_row, to, &found);
    }
    *count = (uint32_t) (found.size / sizeof (kith_death_t));
    //  The buffer's memory may be freed by free ()
    return (kith_death_t *) (void *) found.data;
}

int
kith_deaths_put (kith_objects_t *objects, const char *name, const kith_file_info_t *info,
                 const kith_death_t *deaths, uint32_t count, uint64_t *hash,
                 uint64_t *size, kith_error_t *error)
{
    assert (objects && name && info && (deaths || count == 0));
    kith_bytes_t rows = {0};
    kith_bytes_t seqs = {0};
    kith_bytes_reserve (&rows, (size_t) count * 4 + 1);
    kith_bytes_reserve (&seqs, (size_t) count * 8 + 1);
    for (uint32_t index = 0; index < count; index++) {
        assert (index == 0 || deaths [index].row > deaths [index - 1].row);
        kith_bytes_put_u32 (&rows, deaths [index].row);
        kith_bytes_put_u64 (&seqs, deaths [index].seq);
    }
    kith_file_info_t own = *info;
    own.kind = KITH_FILE_DEATHS;
    own.rows = count;
    kith_section_t sections [2] = {
        {.id = KITH_SECTION_DEATH_ROWS, .data = rows.data, .size = rows.size},
        {.id = KITH_SECTION_DEATH_SEQS, .data = seqs.data, .size = seqs.size}};
    int status = kith_container_put (objects, name, &own, sections, 2, hash, size, error);
    kith_bytes_free (&rows);
    kith_bytes_free (&seqs);
    return status;
}

//  ---------------------------------------------------------------------
//  Indexes

int
kith_segment_set_index (kith_segment_t *self, uint32_t field, kith_container_t **index_p,
                        kith_error_t *error)
{
    assert (self && self->sealed);
    return kith_sealed_set_index (self->sealed, field, index_p, error);
}

void
kith_segment_drop_index (kith_segment_t *self, uint32_t field)
{
    assert (self && self->sealed);
    kith_sealed_drop_index (self->sealed, field);
}

void
kith_segment_trim (kith_segment_t *self)
{
    assert (self);
    if (self->sealed
        && atomic_load_explicit (&self->references, memory_order_acquire) == 1)
        kith_sealed_trim (self->sealed);
}

const kith_index_t *
kith_segment_index (const kith_segment_t *self, uint32_t field)
{
    return self->sealed ? kith_sealed_index (self->sealed, field) : NULL;
}

int
kith_segment_vectors (kith_segment_t *self, uint32_t field, kith_rows_t *rows,
                      kith_error_t *error)
{
    assert (self && self->sealed && rows);
    const kith_field_t *shape = kith_schema_by_id (self->schema, field);
    if (!shape || !kith_type_is_vector (shape->type))
        return kith_error_set (error, KITH_ERR_FIELD_NOT_FOUND,
                               "field %" PRIu32 " is no vector of %.80s", field,
                               kith_schema_name (self->schema));
    const kith_column_t *column = kith_sealed_column (self->sealed, field);
    *rows = kith_field_rows (shape, column->data, kith_sealed_norms (self->sealed, field),
                             column->rows);
    return 0;
}

int64_t
kith_segment_unindexed (const kith_segment_t *self, uint32_t field, uint64_t spec,
                        uint32_t rows_min)
{
    const uint32_t place = kith_schema_place (self->schema, field);
    if (!self->growing || place == kith_schema_count (self->schema))
        return -1;
    return kith_growing_unindexed (self->growing, place, spec, rows_min);
}

int
kith_segment_build_index (kith_segment_t *self, uint32_t piece, uint32_t field,
                          uint64_t spec, const kith_index_params_t *params,
                          kith_error_t *error)
{
    assert (self->growing && piece + 1 < kith_growing_chunks (self->growing));
    kith_run_t run;
    kith_rows_t rows;
    kith_run_open (&run, self, piece, KITH_ALIVE);
    kith_run_vectors (&run, kith_schema_by_id (self->schema, field), &rows);
    kith_index_t *index = kith_index_build (&rows, params, error);
    if (!index)
        return -1;
    kith_growing_set_index (self->growing, piece, kith_schema_place (self->schema, field),
                            spec, &index);
    return 0;
}

uint64_t
kith_segment_index_memory (const kith_segment_t *self)
{
    return self->growing ? kith_growing_index_memory (self->growing)
                         : kith_sealed_index_memory (self->sealed);
}

bool
kith_segment_is_shared (const kith_segment_t *self)
{
    return atomic_load_explicit (&self->references, memory_order_acquire) > 1;
}
