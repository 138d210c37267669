//  run.h - rows of a segment that lie together in memory: what the query folder reads
//  SPDX-License-Identifier: Apache-2.0
//
//  A sealed segment is one run, a growing one has a run a chunk. Rows of a run count from 0; all of this may be called from any thread.
#ifndef KITH_RUN_H
#define KITH_RUN_H

#include "base/arena.h"
#include "engine/segments/segment.h"

typedef struct {
    const kith_segment_t *segment;
    const void *chunk;     //  null: sealed
    uint32_t first_row;    //  of the segment's rows
    uint32_t rows;
} kith_run_t;

//  What a read may see
typedef struct {
    uint64_t s;
    const uint32_t *partitions;    //  ids; null: all
    uint32_t partition_count;
} kith_visible_t;

kith_schema_t *kith_segment_schema (const kith_segment_t *self);

//  Runs published so far, and which of them has a row.
uint32_t kith_segment_runs (const kith_segment_t *self);
uint32_t kith_segment_run_of (const kith_segment_t *self, uint32_t row);

//  Opens a run: all its rows that were written at or before s (rows of a growing segment are in this order; of a sealed one all are there).
void kith_run_open (kith_run_t *self, const kith_segment_t *segment, uint32_t index,
                    uint64_t s);

//  Rows that may be seen. bits is made with a bit a row unless all or none are; then its words stay null.
uint32_t kith_run_visible (const kith_run_t *self, const kith_visible_t *visible,
                           kith_bits_t *bits);

//  A field's rows as a column, system fields too; lives as long as segment and arena.
void kith_run_column (const kith_run_t *self, uint32_t field, kith_arena_t *arena,
                      kith_column_t *column);

//  Vectors of a field with norms.
void
kith_run_vectors (const kith_run_t *self, const kith_field_t *field, kith_rows_t *rows);

//  The index to search all rows of the run by; null: none. spec: of growing rows only one that was made for it.
const kith_index_t *
kith_run_index (const kith_run_t *self, uint32_t field, uint64_t spec);

#endif
