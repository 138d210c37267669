//  sealed.c - the rows of a segment in a mapped snapshot, their deaths, and their indexes
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/sealed.h"

#include "engine/segments/keyindex.h"
#include "engine/segments/vectors.h"
#include "storage/huge.h"

enum { SYSTEM_FIELDS = 4 };

//  An index (null: it was dropped), and the one that it replaced: searches may still be in that
typedef struct s_index {
    struct s_index *older;
    void *sections;            //  what the index is used in
    kith_container_t *file;    //  whose map records are read of; null: none are
    kith_index_t *index;
} s_index_t;

typedef struct {
    const float *norms;             //  cosine vectors
    _Atomic (s_index_t *) index;    //  vectors; null: none
} s_extra_t;

struct kith_sealed {
    kith_schema_t *schema;
    kith_container_t *snapshot;
    uint32_t rows;
    uint32_t key;                               //  index of the key field
    kith_column_t columns [KITH_FIELDS_MAX];    //  as the schema's fields
    s_extra_t extras [KITH_FIELDS_MAX];         //  likewise
    kith_column_t system [SYSTEM_FIELDS];       //  $seq, $row, $timestamp, $partition
    kith_keyindex_t keys;
    uint64_t newest;    //  greatest seq
    uint32_t partition_least, partition_greatest;
    _Atomic (kith_ends_t *) ends;    //  made with the first death
    uint64_t mapped;                 //  bytes of the snapshot's sections
    atomic_uint_fast64_t index_bytes;
};

//  ---------------------------------------------------------------------
//  Open

static int
s_open_column (kith_sealed_t *self, const kith_column_t *shape, const char *name,
               kith_column_t *column, kith_error_t *error)
{
    uint64_t size = 0;
    const uint8_t *block = kith_container_section (self->snapshot, shape->field, &size);
    if (!block)
        return kith_error_set (error, KITH_ERR_CORRUPT, "snapshot: field %s is not there",
                               name);
    if (kith_column_open (column, block, size, error) != 0) {
        if (error)
            error->code = KITH_ERR_CORRUPT;
        return kith_error_prefix (error, "snapshot: field %s", name);
    }
    if (column->type != shape->type || column->dim != shape->dim
        || column->field != shape->field || column->rows != self->rows)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "snapshot: field %s is %s of %" PRIu32 " rows, not %s of "
                               "%" PRIu32,
                               name, kith_type_name (column->type), column->rows,
                               kith_type_name (shape->type), self->rows);
    return 0;
}

//  A column that cannot be null must have every value: kernels and keys read it unasked
static bool
s_whole (const kith_column_t *column)
{
    for (uint32_t row = 0; column->validity && row < column->rows; row++) {
        if (!kith_column_valid (column, row))
            return false;
    }
    return true;
}

static int
s_open_field (kith_sealed_t *self, uint32_t index, kith_error_t *error)
{
    const kith_field_t *field = kith_schema_field (self->schema, index);
    kith_column_t shape = {.type = field->type, .field = field->id, .dim = field->dim};
    if (s_open_column (self, &shape, field->name, &self->columns [index], error) != 0)
        return -1;
    if (!field->nullable && !s_whole (&self->columns [index]))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "snapshot: field %s has rows without a value",
                               field->name);
    if (field->key)
        self->key = index;
    if (!kith_field_has_norms (field))
        return 0;
    uint64_t size = 0;
    const uint8_t *norms =
        kith_container_section (self->snapshot, KITH_SECTION_NORMS (field->id), &size);
    if (!norms || size != (uint64_t) self->rows * sizeof (float))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "snapshot: the norms of field %s are not there or not "
                               "one a row",
                               field->name);
    self->extras [index].norms = (const float *) (const void *) norms;
    return 0;
}

static int
s_open_system (kith_sealed_t *self, kith_error_t *error)
{
    static const struct {
        uint32_t field;
        kith_type_t type;
        const char *name;
    } fields [SYSTEM_FIELDS] = {
        {KITH_FIELD_SEQ, KITH_TYPE_INT64, "$seq"},
        {KITH_FIELD_ROW, KITH_TYPE_INT32, "$row"},
        {KITH_FIELD_TIMESTAMP, KITH_TYPE_INT64, "$timestamp"},
        {KITH_FIELD_PARTITION, KITH_TYPE_INT32, "$partition"},
    };
    for (uint32_t index = 0; index < SYSTEM_FIELDS; index++) {
        kith_column_t shape = {.type = fields [index].type,
                               .field = fields [index].field};
        if (s_open_column (self, &shape, fields [index].name, &self->system [index],
                           error)
            != 0)
            return -1;
    }
    const uint8_t *seqs = self->system [0].data;
    const uint8_t *partitions = self->system [3].data;
    self->partition_least = UINT32_MAX;
    for (uint32_t row = 0; row < self->rows; row++) {
        uint64_t seq = kith_get_u64 (seqs + (size_t) row * 8);
        uint32_t partition = kith_get_u32 (partitions + (size_t) row * 4);
        self->newest = seq > self->newest ? seq : self->newest;
        if (partition < self->partition_least)
            self->partition_least = partition;
        if (partition > self->partition_greatest)
            self->partition_greatest = partition;
    }
    const kith_file_info_t *info = kith_container_info (self->snapshot);
    if (self->newest > info->to)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "snapshot: a row has seq %" PRIu64
                               ", the segment ends at %" PRIu64,
                               self->newest, info->to);
    return 0;
}

static int
s_open (kith_sealed_t *self, kith_error_t *error)
{
    const kith_file_info_t *info = kith_container_info (self->snapshot);
    if (info->kind != KITH_FILE_SNAPSHOT || info->rows >= UINT32_MAX
        || info->to == UINT64_MAX || info->from > info->to)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "snapshot: its kind, rows or range make no sense");
    self->rows = (uint32_t) info->rows;
    for (uint32_t index = 0; index < kith_schema_count (self->schema); index++) {
        if (s_open_field (self, index, error) != 0)
            return -1;
    }
    if (s_open_system (self, error) != 0)
        return -1;
    uint64_t size = 0;
    const uint8_t *keys =
        kith_container_section (self->snapshot, KITH_SECTION_KEYS, &size);
    if (kith_keyindex_open (&self->keys, keys, size, self->rows, error) != 0)
        return kith_error_prefix (error, "snapshot");
    for (size_t index = 0; index < kith_container_count (self->snapshot); index++) {
        kith_container_section (self->snapshot, kith_container_id (self->snapshot, index),
                                &size);
        self->mapped += size;
    }
    return 0;
}

kith_sealed_t *
kith_sealed_open (kith_schema_t *schema, kith_container_t **snapshot_p,
                  kith_error_t *error)
{
    assert (schema && snapshot_p && *snapshot_p);
    kith_sealed_t *self = kith_new (sizeof *self);
    self->schema = schema;
    self->snapshot = *snapshot_p;
    *snapshot_p = NULL;
    if (s_open (self, error) != 0)
        kith_sealed_destroy (&self);
    return self;
}

static void
s_index_free (s_index_t **self_p)
{
    s_index_t *self = *self_p;
    kith_index_destroy (&self->index);
    kith_container_destroy (&self->file);
    free (self->sections);
    free (self);
    *self_p = NULL;
}

//  Frees an index and those that it replaced
static void
s_free_indexes (kith_sealed_t *self, s_index_t **found_p)
{
    while (*found_p) {
        s_index_t *found = *found_p;
        kith_index_info_t info = {0};
        if (found->index)
            kith_index_describe (found->index, &info);
        atomic_fetch_sub_explicit (&self->index_bytes, info.bytes, memory_order_relaxed);
        *found_p = found->older;
        s_index_free (&found);
    }
}

void
kith_sealed_destroy (kith_sealed_t **self_p)
{
    assert (self_p);
    kith_sealed_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (uint32_t index = 0; index < kith_schema_count (self->schema); index++) {
        s_index_t *found = atomic_load (&self->extras [index].index);
        s_free_indexes (self, &found);
    }
    kith_ends_t *ends = atomic_load (&self->ends);
    if (ends) {
        free (ends->seqs);
        free (ends->bits);
        free (ends);
    }
    kith_container_destroy (&self->snapshot);
    free (self);
}

//  ---------------------------------------------------------------------
//  Writer

bool
kith_sealed_end_row (kith_sealed_t *self, uint32_t row, uint64_t seq)
{
    assert (row < self->rows);
    kith_ends_t *ends = atomic_load_explicit (&self->ends, memory_order_relaxed);
    if (!ends) {
        //  Untouched pages of fresh zeroed memory cost nothing, so few deaths stay cheap
        ends = kith_new (sizeof *ends);
        ends->seqs = kith_new (self->rows * sizeof ends->seqs [0]);
        ends->bits = kith_new (kith_bits_words (self->rows) * sizeof ends->bits [0]);
        kith_ends_set (ends, row, seq);
        atomic_store_explicit (&self->ends, ends, memory_order_release);
        return true;
    }
    return kith_ends_set (ends, row, seq);
}

static uint64_t
s_seq (const kith_sealed_t *self, uint32_t row)
{
    return kith_get_u64 (self->system [0].data + (size_t) row * 8);
}

void
kith_sealed_end (kith_sealed_t *self, const kith_column_t *keys, uint64_t seq)
{
    for (uint32_t row = 0; row < keys->rows; row++) {
        kith_keyindex_walk_t walk;
        kith_keyindex_walk (&self->keys, kith_key_hash (keys, row), &walk);
        int64_t found;
        while ((found = kith_keyindex_next (&self->keys, &walk)) >= 0) {
            uint32_t place = (uint32_t) found;
            if (s_seq (self, place) < seq
                && kith_key_equal (&self->columns [self->key], place, keys, row))
                kith_sealed_end_row (self, place, seq);
        }
    }
}

void
kith_sealed_end_partition (kith_sealed_t *self, uint32_t partition, uint64_t seq)
{
    if (partition < self->partition_least || partition > self->partition_greatest)
        return;
    const uint8_t *partitions = self->system [3].data;
    for (uint32_t row = 0; row < self->rows; row++)
        if (kith_get_u32 (partitions + (size_t) row * 4) == partition
            && s_seq (self, row) < seq)
            kith_sealed_end_row (self, row, seq);
}

//  Copies the sections of an index file into one run of memory: a file cannot be mapped in pages of 2 MiB, and the
//  walk of a graph is random reads (ENGINE 3.1). The file is not needed after it, unless it has records: those stay where they are.
static int
s_copy_sections (s_index_t *fresh, kith_section_t *sections, size_t count,
                 kith_error_t *error)
{
    uint64_t bytes = 0;
    for (size_t each = 0; each < count; each++) {
        sections [each].id = kith_container_id (fresh->file, each);
        sections [each].data = kith_container_section (fresh->file, sections [each].id,
                                                       &sections [each].size);
        if (sections [each].id != KITH_INDEX_RECORDS)
            bytes += kith_round64 (sections [each].size);
    }
    uint8_t *at = kith_huge_new (bytes + 64);
    fresh->sections = at;
    if (!at)
        return kith_error_set (error, KITH_ERR_NO_MEMORY,
                               "an index of %" PRIu64 " bytes does not fit in memory",
                               bytes);
    for (size_t each = 0; each < count; each++) {
        if (sections [each].id == KITH_INDEX_RECORDS)
            continue;
        if (sections [each].size)
            memcpy (at, sections [each].data, sections [each].size);
        sections [each].data = at;
        at += kith_round64 (sections [each].size);
    }
    return 0;
}

//  Has the records, if the file has any, read where they are; lets go of the file if nothing more of its map is used
static int
s_use_records (s_index_t *fresh, kith_error_t *error)
{
    bool mapped = false;
    if (kith_container_section (fresh->file, KITH_INDEX_RECORDS, NULL)) {
        kith_blocks_t *blocks =
            kith_container_blocks (fresh->file, KITH_INDEX_RECORDS, error);
        mapped = blocks && kith_blocks_in_memory (blocks);
        if (!blocks || kith_index_use_blocks (fresh->index, &blocks, error) != 0)
            return -1;
    }
    //  Mapped pages that were read to be verified would count as ours
    if (!mapped)
        kith_container_destroy (&fresh->file);
    return 0;
}

//  Opens the index of fresh->file over the rows of a field
static int
s_open_index (const kith_sealed_t *self, uint32_t place, s_index_t *fresh,
              kith_error_t *error)
{
    const kith_field_t *field = kith_schema_field (self->schema, place);
    const kith_file_info_t *info = kith_container_info (fresh->file);
    if (info->kind != KITH_FILE_INDEX || info->rows != self->rows
        || info->segment != kith_container_info (self->snapshot)->segment)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "index of field %s: it belongs to another segment "
                               "(%" PRIu64 ", %" PRIu64 " rows)",
                               field->name, info->segment, info->rows);
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_container_count (fresh->file);
    if (count > sizeof sections / sizeof sections [0])
        return kith_error_set (error, KITH_ERR_CORRUPT, "index of field %s: %zu sections",
                               field->name, count);
    if (s_copy_sections (fresh, sections, count, error) != 0)
        return -1;
    const kith_rows_t rows = kith_field_rows (field, self->columns [place].data,
                                              self->extras [place].norms, self->rows);
    fresh->index = kith_index_open (&rows, sections, count, error);
    return fresh->index ? s_use_records (fresh, error) : -1;
}

int
kith_sealed_set_index (kith_sealed_t *self, uint32_t field, kith_container_t **index_p,
                       kith_error_t *error)
{
    assert (index_p && *index_p);
    s_index_t *fresh = kith_new (sizeof *fresh);
    fresh->file = *index_p;
    *index_p = NULL;
    uint32_t place = kith_schema_place (self->schema, field);
    int status = -1;
    if (place == kith_schema_count (self->schema)
        || !kith_type_is_vector (self->columns [place].type))
        kith_error_set (error, KITH_ERR_FIELD_NOT_FOUND,
                        "index: field %" PRIu32 " is no vector of %.80s", field,
                        kith_schema_name (self->schema));
    else
        status = s_open_index (self, place, fresh, error);
    if (status) {
        s_index_free (&fresh);
        return -1;
    }
    kith_index_info_t info;
    kith_index_describe (fresh->index, &info);
    atomic_fetch_add_explicit (&self->index_bytes, info.bytes, memory_order_relaxed);
    fresh->older = atomic_load (&self->extras [place].index);
    atomic_store_explicit (&self->extras [place].index, fresh, memory_order_release);
    return 0;
}

void
kith_sealed_drop_index (kith_sealed_t *self, uint32_t field)
{
    uint32_t place = kith_schema_place (self->schema, field);
    assert (place < kith_schema_count (self->schema));
    s_index_t *older = atomic_load (&self->extras [place].index);
    if (!older || !older->index)
        return;
    s_index_t *none = kith_new (sizeof *none);
    none->older = older;
    atomic_store_explicit (&self->extras [place].index, none, memory_order_release);
}

void
kith_sealed_trim (kith_sealed_t *self)
{
    for (uint32_t index = 0; index < kith_schema_count (self->schema); index++) {
        s_index_t *found = atomic_load (&self->extras [index].index);
        if (found)
            s_free_indexes (self, &found->older);
    }
}

//  ---------------------------------------------------------------------
//  Readers

const kith_file_info_t *
kith_sealed_info (const kith_sealed_t *self)
{
    return kith_container_info (self->snapshot);
}

uint32_t
kith_sealed_rows (const kith_sealed_t *self)
{
    return self->rows;
}

uint64_t
kith_sealed_newest (const kith_sealed_t *self)
{
    return self->newest;
}

const kith_ends_t *
kith_sealed_ends (const kith_sealed_t *self)
{
    return atomic_load_explicit (&self->ends, memory_order_acquire);
}

const kith_column_t *
kith_sealed_column (const kith_sealed_t *self, uint32_t field)
{
    for (uint32_t index = 0; index < SYSTEM_FIELDS; index++) {
        if (self->system [index].field == field)
            return &self->system [index];
    }
    uint32_t index = kith_schema_place (self->schema, field);
    return index < kith_schema_count (self->schema) ? &self->columns [index] : NULL;
}

const float *
kith_sealed_norms (const kith_sealed_t *self, uint32_t field)
{
    uint32_t index = kith_schema_place (self->schema, field);
    return index < kith_schema_count (self->schema) ? self->extras [index].norms : NULL;
}

void
kith_sealed_partitions (const kith_sealed_t *self, uint32_t *least, uint32_t *greatest)
{
    *least = self->partition_least;
    *greatest = self->partition_greatest;
}

const kith_index_t *
kith_sealed_index (const kith_sealed_t *self, uint32_t field)
{
    uint32_t index = kith_schema_place (self->schema, field);
    if (index == kith_schema_count (self->schema))
        return NULL;
    const s_index_t *found =
        atomic_load_explicit (&self->extras [index].index, memory_order_acquire);
    return found ? found->index : NULL;
}

int64_t
kith_sealed_find (const kith_sealed_t *self, const kith_column_t *keys, uint32_t row,
                  uint64_t s)
{
    const kith_ends_t *ends = kith_sealed_ends (self);
    kith_keyindex_walk_t walk;
    kith_keyindex_walk (&self->keys, kith_key_hash (keys, row), &walk);
    int64_t found;
    while ((found = kith_keyindex_next (&self->keys, &walk)) >= 0) {
        uint32_t place = (uint32_t) found;
        uint64_t death = ends ? kith_ends_get (ends, place) : 0;
        //  At most one version of a key is visible at any s
        if (s_seq (self, place) <= s && (!death || death > s)
            && kith_key_equal (&self->columns [self->key], place, keys, row))
            return found;
    }
    return -1;
}

uint64_t
kith_sealed_index_memory (const kith_sealed_t *self)
{
    return atomic_load_explicit (&self->index_bytes, memory_order_relaxed);
}

uint64_t
kith_sealed_memory (const kith_sealed_t *self)
{
    const kith_ends_t *ends = kith_sealed_ends (self);
    uint64_t deaths =
        ends ? (uint64_t) self->rows * 8 + kith_bits_words (self->rows) * 8 : 0;
    return sizeof *self + self->mapped + deaths + kith_sealed_index_memory (self);
}
