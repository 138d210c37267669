//  growing.c - the rows of a segment in memory: chunks, and a map from key to newest row
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/growing.h"

#include "engine/segments/keymap.h"

enum {
    FIRST_ROWS = 256,    //  of the first chunk: most collections stay small
    SECOND_ROWS = 4096,
    CHUNK_ROWS = 65536,    //  as many as an index over one is worth while for
    DIRECTORY_MIN = 8,
    ROWS_MAX = 1u << 30
};

//  Where the chunks are. A full one is replaced by a larger copy and kept for readers.
typedef struct s_directory {
    struct s_directory *older;
    uint32_t capacity;
    _Atomic (kith_chunk_t *) chunks [];
} s_directory_t;

struct kith_growing {
    kith_schema_t *schema;
    uint32_t chunk_rows;
    uint32_t key;    //  index of the key field
    kith_keymap_t keys;
    _Atomic (s_directory_t *) directory;
    atomic_uint_fast32_t chunks;    //  in the directory
    atomic_uint_fast32_t rows;      //  published
    atomic_uint_fast32_t ended;
    atomic_uint_fast64_t bytes;    //  of chunks and map
    atomic_uint_fast64_t index_bytes;
    uint32_t appended;      //  rows, published or about to be
    uint64_t full_bytes;    //  of all chunks but the last
};

static s_directory_t *
s_directory (const kith_growing_t *self)
{
    return atomic_load_explicit (&self->directory, memory_order_acquire);
}

static kith_chunk_t *
s_chunk (const kith_growing_t *self, uint32_t index)
{
    return atomic_load_explicit (&s_directory (self)->chunks [index],
                                 memory_order_relaxed);
}

kith_growing_t *
kith_growing_new (kith_schema_t *schema, uint32_t chunk_rows)
{
    assert (schema);
    kith_growing_t *self = kith_new (sizeof *self);
    self->schema = schema;
    self->chunk_rows = chunk_rows ? chunk_rows : CHUNK_ROWS;
    while (!kith_schema_field (schema, self->key)->key)
        self->key++;
    return self;
}

void
kith_growing_destroy (kith_growing_t **self_p)
{
    assert (self_p);
    kith_growing_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (uint32_t index = 0; index < atomic_load (&self->chunks); index++) {
        kith_chunk_t *chunk = s_chunk (self, index);
        kith_chunk_destroy (&chunk);
    }
    s_directory_t *directory = s_directory (self);
    while (directory) {
        s_directory_t *older = directory->older;
        free (directory);
        directory = older;
    }
    kith_keymap_free (&self->keys);
    free (self);
}

//  ---------------------------------------------------------------------
//  Readers

uint32_t
kith_growing_rows (const kith_growing_t *self)
{
    return (uint32_t) atomic_load_explicit (&self->rows, memory_order_acquire);
}

uint32_t
kith_growing_ended (const kith_growing_t *self)
{
    return (uint32_t) atomic_load_explicit (&self->ended, memory_order_relaxed);
}

uint32_t
kith_growing_chunks (const kith_growing_t *self)
{
    return (uint32_t) atomic_load_explicit (&self->chunks, memory_order_acquire);
}

uint64_t
kith_growing_memory (const kith_growing_t *self)
{
    return sizeof *self + atomic_load_explicit (&self->bytes, memory_order_relaxed)
           + kith_growing_index_memory (self);
}

uint64_t
kith_growing_index_memory (const kith_growing_t *self)
{
    return atomic_load_explicit (&self->index_bytes, memory_order_relaxed);
}

int64_t
kith_growing_unindexed (const kith_growing_t *self, uint32_t place, uint64_t spec,
                        uint32_t rows_min)
{
    const uint32_t count = kith_growing_chunks (self);
    //  The last one may still get rows
    for (uint32_t number = 0; number + 1 < count; number++) {
        uint32_t rows;
        const kith_chunk_t *chunk = kith_growing_chunk (self, number, &rows);
        const kith_chunk_index_t *index =
            atomic_load_explicit (&chunk->columns [place].index, memory_order_acquire);
        if (rows >= rows_min && (!index || index->spec != spec))
            return number;
    }
    return -1;
}

void
kith_growing_set_index (kith_growing_t *self, uint32_t number, uint32_t place,
                        uint64_t spec, kith_index_t **index_p)
{
    kith_chunk_t *chunk = s_chunk (self, number);
    kith_chunk_column_t *column = &chunk->columns [place];
    kith_index_info_t info;
    kith_index_describe (*index_p, &info);
    kith_chunk_index_t *fresh = kith_new (sizeof *fresh);
    fresh->index = *index_p;
    fresh->spec = spec;
    fresh->rows = info.rows;
    fresh->older = atomic_load_explicit (&column->index, memory_order_relaxed);
    *index_p = NULL;
    atomic_fetch_add_explicit (&self->index_bytes, info.bytes, memory_order_relaxed);
    atomic_store_explicit (&column->index, fresh, memory_order_release);
}

const kith_chunk_t *
kith_growing_chunk (const kith_growing_t *self, uint32_t index, uint32_t *rows)
{
    uint32_t count = kith_growing_chunks (self);
    assert (index < count);
    const kith_chunk_t *chunk = s_chunk (self, index);
    if (index + 1 < count)
        *rows = s_chunk (self, index + 1)->first_row - chunk->first_row;
    else {
        //  A chunk is published before its rows
        uint32_t published = kith_growing_rows (self);
        *rows = published > chunk->first_row ? published - chunk->first_row : 0;
        if (*rows > chunk->capacity)
            *rows = chunk->capacity;
    }
    return chunk;
}

uint32_t
kith_growing_chunk_of (const kith_growing_t *self, uint32_t row)
{
    uint32_t low = 0;
    uint32_t high = kith_growing_chunks (self);
    assert (high > 0);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (s_chunk (self, middle)->first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

//  The chunk of a row and the row's place in it
static kith_chunk_t *
s_locate (const kith_growing_t *self, uint32_t row, uint32_t *place)
{
    kith_chunk_t *chunk = s_chunk (self, kith_growing_chunk_of (self, row));
    *place = row - chunk->first_row;
    assert (*place < chunk->capacity);
    return chunk;
}

//  True if the key of a row of a chunk is that of keys [row]
static bool
s_same_key (const kith_growing_t *self, const kith_chunk_t *chunk, uint32_t place,
            const kith_column_t *keys, uint32_t row)
{
    const kith_chunk_column_t *column = &chunk->columns [self->key];
    kith_column_t view = {.type = keys->type,
                          .rows = place + 1,
                          .offsets = column->offsets,
                          .data = column->data};
    return kith_key_equal (&view, place, keys, row);
}

//  Newest row with the key, -1 if there is none; the walk stands on it
static int64_t
s_newest (const kith_growing_t *self, const kith_column_t *keys, uint32_t row,
          uint64_t hash, kith_keymap_walk_t *walk)
{
    kith_keymap_walk (&self->keys, hash, walk);
    for (;;) {
        int64_t found = kith_keymap_next (walk);
        if (found < 0)
            return -1;
        uint32_t place;
        const kith_chunk_t *chunk = s_locate (self, (uint32_t) found, &place);
        if (s_same_key (self, chunk, place, keys, row))
            return found;
    }
}

int64_t
kith_growing_find (const kith_growing_t *self, const kith_column_t *keys, uint32_t row,
                   uint64_t s)
{
    kith_keymap_walk_t walk;
    int64_t found = s_newest (self, keys, row, kith_key_hash (keys, row), &walk);
    while (found >= 0) {
        uint32_t place;
        const kith_chunk_t *chunk = s_locate (self, (uint32_t) found, &place);
        if (chunk->seqs [place] <= s) {
            uint64_t death = kith_ends_get (&chunk->ends, place);
            //  Older versions ended at the latest when this one began
            return !death || death > s ? found : -1;
        }
        found = (int64_t) chunk->previous [place] - 1;
    }
    return -1;
}

//  ---------------------------------------------------------------------
//  Writer

static bool
s_end (kith_growing_t *self, kith_chunk_t *chunk, uint32_t place, uint64_t seq)
{
    if (!kith_ends_set (&chunk->ends, place, seq))
        return false;
    atomic_fetch_add_explicit (&self->ended, 1, memory_order_relaxed);
    return true;
}

bool
kith_growing_end_row (kith_growing_t *self, uint32_t row, uint64_t seq)
{
    assert (row < self->appended);
    uint32_t place;
    kith_chunk_t *chunk = s_locate (self, row, &place);
    return s_end (self, chunk, place, seq);
}

void
kith_growing_end (kith_growing_t *self, const kith_column_t *keys, uint64_t seq)
{
    for (uint32_t row = 0; row < keys->rows; row++) {
        kith_keymap_walk_t walk;
        int64_t found = s_newest (self, keys, row, kith_key_hash (keys, row), &walk);
        if (found < 0)
            continue;
        uint32_t place;
        kith_chunk_t *chunk = s_locate (self, (uint32_t) found, &place);
        if (chunk->seqs [place] < seq)
            s_end (self, chunk, place, seq);
    }
}

void
kith_growing_end_partition (kith_growing_t *self, uint32_t partition, uint64_t seq)
{
    for (uint32_t index = 0; index < kith_growing_chunks (self); index++) {
        kith_chunk_t *chunk = s_chunk (self, index);
        for (uint32_t place = 0; place < chunk->used; place++)
            if (chunk->partitions [place] == partition && chunk->seqs [place] < seq)
                s_end (self, chunk, place, seq);
    }
}

static void
s_count_bytes (kith_growing_t *self, const kith_chunk_t *last)
{
    uint64_t bytes = self->full_bytes + kith_chunk_resident (last, self->schema);
    atomic_store_explicit (&self->bytes, bytes + kith_keymap_bytes (&self->keys),
                           memory_order_relaxed);
}

static kith_chunk_t *
s_add_chunk (kith_growing_t *self, const kith_chunk_input_t *input, kith_error_t *error)
{
    uint32_t count = kith_growing_chunks (self);
    uint32_t rows = count == 0 ? FIRST_ROWS : count == 1 ? SECOND_ROWS : CHUNK_ROWS;
    rows = rows < self->chunk_rows ? rows : self->chunk_rows;
    kith_chunk_t *chunk =
        kith_chunk_new (self->schema, self->appended, rows, input, error);
    if (!chunk)
        return NULL;
    if (count)
        self->full_bytes += kith_chunk_resident (s_chunk (self, count - 1), self->schema);
    s_directory_t *directory = s_directory (self);
    if (!directory || count == directory->capacity) {
        uint32_t capacity = directory ? directory->capacity * 2 : DIRECTORY_MIN;
        s_directory_t *larger =
            kith_new (sizeof *larger + capacity * sizeof larger->chunks [0]);
        larger->older = directory;
        larger->capacity = capacity;
        for (uint32_t index = 0; index < count; index++)
            atomic_store_explicit (&larger->chunks [index], s_chunk (self, index),
                                   memory_order_relaxed);
        atomic_store_explicit (&self->directory, larger, memory_order_release);
        directory = larger;
    }
    atomic_store_explicit (&directory->chunks [count], chunk, memory_order_relaxed);
    atomic_store_explicit (&self->chunks, count + 1, memory_order_release);
    return chunk;
}

//  Puts the keys of new rows into the map, and ends the versions that they replace
static void
s_put_keys (kith_growing_t *self, kith_chunk_t *chunk, uint32_t from, uint32_t count,
            const kith_chunk_input_t *input)
{
    const kith_column_t *keys = input->columns [self->key];
    for (uint32_t index = 0; index < count; index++) {
        uint32_t row = input->first + index;
        uint32_t place = from + index;
        uint64_t hash = kith_key_hash (keys, row);
        kith_keymap_walk_t walk;
        int64_t old = s_newest (self, keys, row, hash, &walk);
        if (old < 0) {
            kith_keymap_add (&self->keys, hash, chunk->first_row + place);
            continue;
        }
        chunk->previous [place] = (uint32_t) old + 1;
        uint32_t old_place;
        kith_chunk_t *old_chunk = s_locate (self, (uint32_t) old, &old_place);
        kith_keymap_replace (&self->keys, &walk, chunk->first_row + place);
        s_end (self, old_chunk, old_place, input->seq);
    }
}

int
kith_growing_insert (kith_growing_t *self, const kith_record_t *record,
                     const kith_column_t *const *columns, uint32_t rows,
                     kith_error_t *error)
{
    if (rows > ROWS_MAX - self->appended)
        return kith_error_set (error, KITH_ERR_LIMIT, "growing segment: over %d rows",
                               ROWS_MAX);
    kith_chunk_input_t input = {.columns = columns,
                                .rows = rows,
                                .seq = record->seq,
                                .timestamp = record->timestamp,
                                .partition = record->partition};
    uint32_t chunks = kith_growing_chunks (self);
    kith_chunk_t *chunk = chunks ? s_chunk (self, chunks - 1) : NULL;
    while (input.first < rows) {
        uint32_t from = chunk ? chunk->used : 0;
        uint32_t count = chunk ? kith_chunk_append (chunk, self->schema, &input) : 0;
        if (count == 0) {
            chunk = s_add_chunk (self, &input, error);
            if (!chunk)
                return -1;
            continue;
        }
        //  Appended before the keys are put: a key's row is looked up by its chunk
        self->appended += count;
        s_put_keys (self, chunk, from, count, &input);
        input.first += count;
    }
    if (chunk)
        s_count_bytes (self, chunk);
    atomic_store_explicit (&self->rows, self->appended, memory_order_release);
    return 0;
}
