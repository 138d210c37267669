//  segment.h - rows of one channel's seq range, growing in memory or sealed in a snapshot
//  SPDX-License-Identifier: Apache-2.0
//
//  A row is visible at S: seq <= S and not (death <= S). A death is the smallest later seq with the same key (put or delete); of equal keys in one
//  record the last wins, the others ended at their own seq.
//
//  One thread (the actor's) applies records and deaths; any number of workers read meanwhile what was published when their work was submitted: rows
//  are appended in place and never moved, deaths are single atomic stores. Shared by reference count.
#ifndef KITH_SEGMENT_H
#define KITH_SEGMENT_H

#include "base/bits.h"
#include "engine/indexes/index.h"
#include "engine/segments/schema.h"
#include "storage/log.h"
#include "storage/snapshot.h"

typedef struct kith_segment kith_segment_t;

//  Seq of a row that has not ended
#define KITH_ALIVE UINT64_MAX

//  A growing segment that begins after seq `after`. schema is shared. Rows lie in pieces of up to chunk_rows (0: as suits it).
kith_segment_t *
kith_segment_grow (kith_schema_t *schema, uint64_t after, uint32_t chunk_rows);

//  A sealed segment over a snapshot container and its death list (may be null); both are taken, also on failure. Vectors are used where they are mapped.
kith_segment_t *kith_segment_open (kith_schema_t *schema, kith_container_t **snapshot_p,
                                   kith_container_t **deaths_p, kith_error_t *error);

kith_segment_t *kith_segment_share (kith_segment_t *self);
void kith_segment_destroy (kith_segment_t **self_p);    //  drops a reference

//  Growing: INSERT appends its rows, ending older versions in this segment; DELETE ends by key, DROP by partition. Sealed (or
//  an older growing one): rows of the record only end older versions. `applied` of the segment becomes the record's seq. Records
//  must come in seq order; known ones are skipped.
int kith_segment_apply (kith_segment_t *self, const kith_record_t *record,
                        kith_error_t *error);
int
kith_segment_end (kith_segment_t *self, const kith_record_t *record, kith_error_t *error);

//  Nothing of the channel between `applied` and seq concerns it (a FETCH covered the range).
void kith_segment_cover (kith_segment_t *self, uint64_t seq);
uint64_t
kith_segment_applied (const kith_segment_t *self);    //  deaths are complete up to it

//  Growing: no further row; it covers (after, to].
void kith_segment_close (kith_segment_t *self, uint64_t to);

bool kith_segment_is_growing (const kith_segment_t *self);
uint64_t kith_segment_from (const kith_segment_t *self);    //  first seq covered
uint64_t
kith_segment_to (const kith_segment_t *self);    //  last seq covered; growing and open: 0
uint32_t kith_segment_rows (const kith_segment_t *self);    //  published
uint64_t kith_segment_memory (
    const kith_segment_t *self);    //  bytes resident, mapped ones included
uint32_t kith_segment_alive (
    const kith_segment_t *self);    //  rows without a death: exact at `applied`

//  Merges a death list (smaller seq wins) and covers up to its info's `to`: that is how far such a list is complete. CORRUPT, and nothing
//  changed, if it is of another segment or names rows that are not there.
int kith_segment_merge_deaths (kith_segment_t *self, const kith_container_t *deaths,
                               kith_error_t *error);

//  Deaths up to `to`, sorted by row: malloc'ed array of *count, the caller frees it (null when none).
kith_death_t *
kith_segment_deaths (const kith_segment_t *self, uint64_t to, uint32_t *count);

//  Sealed: takes an index file (KITH_FILE_INDEX) for a vector field; searches that begin later use it.
int kith_segment_set_index (kith_segment_t *self, uint32_t field,
                            kith_container_t **index_p, kith_error_t *error);
void kith_segment_drop_index (kith_segment_t *self, uint32_t field);

//  Frees indexes that were replaced or dropped, unless somebody shares the segment. For the thread that makes the shares.
void kith_segment_trim (kith_segment_t *self);
const kith_index_t *
kith_segment_index (const kith_segment_t *self, uint32_t field);    //  null: none

//  Growing: a piece of at least rows_min rows that gets no further ones and has no index of the field for this specification; -1: none.
int64_t kith_segment_unindexed (const kith_segment_t *self, uint32_t field, uint64_t spec,
                                uint32_t rows_min);

//  Builds an index over such a piece, for searches that name its specification; by one thread at a time, while rows are added and searched.
//  It lives as long as the segment. CANCELLED, NO_MEMORY, INVALID as kith_index_build.
int kith_segment_build_index (kith_segment_t *self, uint32_t piece, uint32_t field,
                              uint64_t spec, const kith_index_params_t *params,
                              kith_error_t *error);

//  Bytes that indexes take, replaced ones that are not freed yet too.
uint64_t kith_segment_index_memory (const kith_segment_t *self);

//  Somebody else has it.
bool kith_segment_is_shared (const kith_segment_t *self);

//  Rows of a vector field for an index build (sealed only): contiguous, with norms for cosine.
int kith_segment_vectors (kith_segment_t *self, uint32_t field, kith_rows_t *rows,
                          kith_error_t *error);

//  Newest row with that key visible at s; -1: none. From any thread, for an s that was applied before the caller's work began.
int64_t kith_segment_find (const kith_segment_t *self, const kith_column_t *keys,
                           uint32_t row, uint64_t s);

//  Death list as a container object: info says of which segment, and in `to` how far the list is complete; kind and rows are filled in.
int kith_deaths_put (kith_objects_t *objects, const char *name,
                     const kith_file_info_t *info, const kith_death_t *deaths,
                     uint32_t count, uint64_t *hash, uint64_t *size, kith_error_t *error);

#endif
