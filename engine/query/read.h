//  read.h - search and query over the segments of one view, and merging of their answers
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_READ_H
#define KITH_READ_H

#include "engine/query/filter.h"

//  What a read pinned: segments (each row visible at s in at most one) and s. Rows published later than the submission
//  have seq > s, so they are never seen.
typedef struct {
    kith_schema_t *schema;
    kith_segment_t **segments;
    uint32_t count;
    uint64_t s;
    const kith_filter_t *filter;    //  null: none
    const uint32_t *partitions;     //  ids; null: all
    uint32_t partition_count;
    const uint32_t
        *fields;    //  ids of the fields in the answer besides the key, in this order
    uint32_t field_count;
} kith_view_t;

typedef struct {
    const kith_field_t *field;    //  vector field
    const void *queries;          //  nq vectors of the field's type, at any address
    uint32_t nq;
    uint32_t k;
    uint32_t effort;    //  0: by recall
    float recall;       //  0: 0.95
    //  Indexes over growing rows are used if they were made for this specification; 0: none
    uint64_t spec;
    const kith_column_t *skip;    //  a key a query that is left out; null: none
    bool explain;
    bool (*stop) (void *arg);    //  true ends it with CANCELLED; null: never
    void *stop_arg;
} kith_search_t;

//  A line of an explained search (times by the caller's clock are not here: engine/ has none)
typedef struct {
    uint64_t segment;    //  its `to`; 0: growing
    uint32_t rows;
    uint32_t effort;
    uint64_t compared;
    //  Kind, "flat" without one; growing: "" unless some rows were searched by one
    const char *index;
    const char *code;    //  that the index walks or scans by; "": none
} kith_stage_t;

typedef struct {
    kith_bytes_t counts;    //  u32 a query
    kith_bytes_t scores;    //  float32 a row
    kith_bytes_t rows;      //  a batch: key, $seq, fields; empty when no row was found
    uint64_t compared;
    uint64_t of;    //  visible rows could have been compared (per query)
    //  Kind that most of the sealed rows were searched by; "": no sealed rows
    const char *index;
    uint32_t index_rows;     //  of the segment that it is the kind of
    kith_stage_t *stages;    //  malloc'ed, if explain
    uint32_t stage_count;
} kith_found_t;

void kith_found_free (kith_found_t *self);

//  Runs on a worker. Growing segments and sealed ones without an index are scanned exactly, the others are asked their index. NaN in queries is
//  refused (NOT_FINITE), wrong length too. Scratch memory of index searches is kept per thread inside.
int kith_view_search (const kith_view_t *view, const kith_search_t *search,
                      kith_found_t *found, kith_error_t *error);

typedef struct {
    const kith_column_t *keys;    //  null: by filter
    uint64_t limit;
    uint64_t offset;
    bool count;
    const kith_field_t *order;    //  null: by key
    bool descending;
} kith_query_t;

typedef struct {
    kith_bytes_t rows;    //  a batch: key, $seq, fields; empty when none
    uint64_t count;
} kith_rows_found_t;

void kith_rows_found_free (kith_rows_found_t *self);
int kith_view_query (const kith_view_t *view, const kith_query_t *query,
                     kith_rows_found_t *found, kith_error_t *error);

//  One part of an answer as it came in frames
typedef struct {
    const uint8_t *counts;
    uint64_t counts_bytes;
    const uint8_t *scores;
    uint64_t scores_bytes;
    const uint8_t *rows;    //  null: none
    uint64_t rows_bytes;
} kith_part_t;

//  Merges answers of segments, holders or shards: for each query the k best by score, ties by key; of one key only the newest seq. All counts are
//  checked. metric gives the direction.
int
kith_found_merge (const kith_part_t *parts, uint32_t part_count, uint32_t nq, uint32_t k,
                  kith_metric_t metric, kith_found_t *out, kith_error_t *error);

//  Merges row batches: newest seq of a key, sorted by `order` (a field id; the key when 0), offset and limit applied.
int kith_rows_merge (const kith_part_t *parts, uint32_t part_count, uint32_t order,
                     bool descending, uint64_t offset, uint64_t limit,
                     kith_rows_found_t *out, kith_error_t *error);

#endif
