//  run.c - rows of a segment that lie together in memory: what the query folder reads
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/run.h"

#include "engine/segments/segment_impl.h"
#include "engine/segments/vectors.h"

kith_schema_t *
kith_segment_schema (const kith_segment_t *self)
{
    return self->schema;
}

uint32_t
kith_segment_runs (const kith_segment_t *self)
{
    return self->growing ? kith_growing_chunks (self->growing)
                         : kith_sealed_rows (self->sealed) > 0;
}

uint32_t
kith_segment_run_of (const kith_segment_t *self, uint32_t row)
{
    return self->growing ? kith_growing_chunk_of (self->growing, row) : 0;
}

//  How many of the first `rows` rows have a seq at or below s; they rise
static uint32_t
s_rows_at (const uint64_t *seqs, uint32_t rows, uint64_t s)
{
    if (rows == 0 || seqs [rows - 1] <= s)
        return rows;
    uint32_t low = 0;
    uint32_t high = rows - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (seqs [middle] <= s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void
kith_run_open (kith_run_t *self, const kith_segment_t *segment, uint32_t index,
               uint64_t s)
{
    *self = (kith_run_t){.segment = segment};
    if (!segment->growing) {
        self->rows = kith_sealed_rows (segment->sealed);
        return;
    }
    uint32_t rows;
    const kith_chunk_t *chunk = kith_growing_chunk (segment->growing, index, &rows);
    self->chunk = chunk;
    self->first_row = chunk->first_row;
    self->rows = s_rows_at (chunk->seqs, rows, s);
}

//  ---------------------------------------------------------------------
//  Visible rows

static void
s_drop_unlisted (const uint8_t *partitions, const kith_visible_t *visible,
                 kith_bits_t *bits)
{
    for (uint32_t first = 0; first < bits->count; first += 64) {
        uint64_t listed = 0;
        uint32_t count = bits->count - first < 64 ? bits->count - first : 64;
        for (uint32_t row = 0; row < count; row++) {
            uint32_t partition = kith_get_u32 (partitions + (size_t) (first + row) * 4);
            uint64_t found = 0;
            for (uint32_t each = 0; each < visible->partition_count; each++)
                found |= visible->partitions [each] == partition;
            listed |= found << row;
        }
        bits->words [first / 64] &= listed;
    }
}

static bool
s_listed (const kith_visible_t *visible, uint32_t partition)
{
    for (uint32_t each = 0; each < visible->partition_count; each++) {
        if (visible->partitions [each] == partition)
            return true;
    }
    return false;
}

//  Drops rows written after s: only a compacted segment read in its past has such
static void
s_drop_later (const uint8_t *seqs, uint64_t s, kith_bits_t *bits)
{
    for (uint32_t row = 0; row < bits->count; row++) {
        if (kith_get_u64 (seqs + (size_t) row * 8) > s)
            kith_bits_drop (bits, row);
    }
}

typedef struct {
    const kith_ends_t *ends;      //  null: none has ended
    const uint8_t *partitions;    //  null: all are listed
    const uint8_t *seqs;          //  null: all were written at or before s
    bool none;                    //  no row can be seen
} s_tests_t;

//  Which tests rows must pass one by one
static s_tests_t
s_tests (const kith_run_t *self, const kith_visible_t *visible)
{
    s_tests_t tests = {0};
    if (self->chunk) {
        const kith_chunk_t *chunk = self->chunk;
        tests.ends = &chunk->ends;
        if (visible->partitions)
            tests.partitions = (const uint8_t *) chunk->partitions;
    }
    else {
        const kith_sealed_t *sealed = self->segment->sealed;
        tests.ends = kith_sealed_ends (sealed);
        if (kith_sealed_newest (sealed) > visible->s)
            tests.seqs = kith_sealed_column (sealed, KITH_FIELD_SEQ)->data;
        uint32_t least, greatest;
        kith_sealed_partitions (sealed, &least, &greatest);
        if (visible->partitions && least == greatest)
            tests.none = !s_listed (visible, least);
        else if (visible->partitions)
            tests.partitions = kith_sealed_column (sealed, KITH_FIELD_PARTITION)->data;
    }
    if (tests.ends && !kith_ends_any (tests.ends))
        tests.ends = NULL;
    return tests;
}

uint32_t
kith_run_visible (const kith_run_t *self, const kith_visible_t *visible,
                  kith_bits_t *bits)
{
    *bits = (kith_bits_t){0};
    s_tests_t tests = s_tests (self, visible);
    if (tests.none || self->rows == 0)
        return 0;
    if (!tests.ends && !tests.partitions && !tests.seqs)
        return self->rows;
    kith_bits_init (bits, self->rows, true);
    if (tests.ends)
        kith_ends_drop (tests.ends, visible->s, bits);
    if (tests.partitions)
        s_drop_unlisted (tests.partitions, visible, bits);
    if (tests.seqs)
        s_drop_later (tests.seqs, visible->s, bits);
    uint32_t count = kith_bits_popcount (bits);
    if (count == 0 || count == self->rows)
        kith_bits_free (bits);
    return count;
}

//  ---------------------------------------------------------------------
//  Values

static void
s_chunk_system (const kith_chunk_t *chunk, uint32_t field, uint32_t rows,
                kith_column_t *column)
{
    bool wide = field == KITH_FIELD_SEQ || field == KITH_FIELD_TIMESTAMP;
    const void *data = field == KITH_FIELD_SEQ         ? (const void *) chunk->seqs
                       : field == KITH_FIELD_TIMESTAMP ? (const void *) chunk->timestamps
                       : field == KITH_FIELD_ROW       ? (const void *) chunk->places
                                                       : (const void *) chunk->partitions;
    *column = (kith_column_t){.type = wide ? KITH_TYPE_INT64 : KITH_TYPE_INT32,
                              .field = field,
                              .rows = rows,
                              .data = data,
                              .data_bytes = (uint64_t) rows * (wide ? 8 : 4)};
}

void
kith_run_column (const kith_run_t *self, uint32_t field, kith_arena_t *arena,
                 kith_column_t *column)
{
    if (!self->chunk) {
        const kith_column_t *found = kith_sealed_column (self->segment->sealed, field);
        assert (found);
        *column = *found;
        return;
    }
    const kith_chunk_t *chunk = self->chunk;
    if (field < KITH_FIELD_USER) {
        assert (field >= KITH_FIELD_SEQ && field <= KITH_FIELD_PARTITION);
        s_chunk_system (chunk, field, self->rows, column);
        return;
    }
    const kith_schema_t *schema = self->segment->schema;
    uint32_t index = kith_schema_place (schema, field);
    kith_chunk_column (chunk, kith_schema_field (schema, index), index, self->rows, arena,
                       column);
}

void
kith_run_vectors (const kith_run_t *self, const kith_field_t *field, kith_rows_t *rows)
{
    *rows = kith_field_rows (field, NULL, NULL, self->rows);
    if (!self->chunk) {
        const kith_sealed_t *sealed = self->segment->sealed;
        rows->vectors = kith_sealed_column (sealed, field->id)->data;
        rows->norms = kith_sealed_norms (sealed, field->id);
        return;
    }
    const kith_chunk_t *chunk = self->chunk;
    uint32_t index = kith_schema_place (self->segment->schema, field->id);
    rows->vectors = chunk->columns [index].data;
    rows->norms = chunk->columns [index].norms;
}

const kith_index_t *
kith_run_index (const kith_run_t *self, uint32_t field, uint64_t spec)
{
    if (!self->chunk)
        return kith_segment_index (self->segment, field);
    const kith_chunk_t *chunk = self->chunk;
    const uint32_t place = kith_schema_place (self->segment->schema, field);
    const kith_chunk_index_t *newest =
        atomic_load_explicit (&chunk->columns [place].index, memory_order_acquire);
    //  A read in the past sees the first rows only
    return newest && newest->spec == spec && newest->rows == self->rows ? newest->index
                                                                        : NULL;
}
