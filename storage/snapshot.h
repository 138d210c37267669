//  snapshot.h - the immutable files of a flushed segment: columns in checksummed blocks, and death lists
//  SPDX-License-Identifier: Apache-2.0
//
//  Snapshot file: a header block of 64 bytes, column blocks (base/column.h) each at a multiple of 64 (vectors: of 4096), a
//  checksum table (CRC32C of every 64 KiB of the file before it), a footer (field table with statistics: rows, nulls, min and max
//  of numbers; segment id; seq and timestamp range; row count; cluster id; positions), a trailer of 64 bytes (magic, version, place
//  and CRC of the footer). docs/reference/snapshot.md has it byte by byte. Same container, other kinds, for death lists,
//  windows and index files: kind and sections with numbers.
#ifndef KITH_SNAPSHOT_H
#define KITH_SNAPSHOT_H

#include "base/column.h"
#include "storage/objects.h"

typedef enum {
    KITH_FILE_SNAPSHOT = 1,
    KITH_FILE_DEATHS = 2,
    KITH_FILE_WINDOW = 3,
    KITH_FILE_INDEX = 4
} kith_file_kind_t;

//  What a container says of itself
typedef struct {
    kith_file_kind_t kind;
    uint64_t cluster;
    uint64_t channel;
    uint64_t segment;    //  seq of the segment's SEAL
    uint64_t from;       //  seq range covered
    uint64_t to;
    uint64_t epoch;    //  of the writer
    uint64_t rows;
} kith_file_info_t;

//  A section is a run of bytes with a number: for snapshots the field id, and a column block.
//  NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which sections are written down
typedef struct {
    uint32_t id;
    const void *data;
    uint64_t size;
    uint32_t align;    //  64 (0) or 4096
} kith_section_t;

//  Puts a container as one object, without copying the sections. *hash (may be null) = CRC32C of the whole
//  file, *size its length: both go into the channel row. A name already taken by these very bytes is success
//  (a retry), by others EXISTS. Ids are unique, at most KITH_SECTIONS_MAX.
#define KITH_SECTIONS_MAX 1024u
int
kith_container_put (kith_objects_t *objects, const char *name,
                    const kith_file_info_t *info, const kith_section_t *sections,
                    size_t count, uint64_t *hash, uint64_t *size, kith_error_t *error);

typedef struct kith_container kith_container_t;

//  Maps and verifies a container: every block's CRC, kind, cluster (0: any), name of the object in each error with offset and reason.
//  expected_hash and expected_size 0: not compared. CORRUPT: damaged, cut, or not the file that was meant.
kith_container_t *
kith_container_open (kith_objects_t *objects, const char *name, kith_file_kind_t kind,
                     uint64_t cluster, uint64_t expected_hash, uint64_t expected_size,
                     kith_error_t *error);
void kith_container_destroy (kith_container_t **self_p);
const kith_file_info_t *kith_container_info (const kith_container_t *self);

//  Bytes of a section, 64-byte aligned; null if there is none. They live as long as the container.
const uint8_t *
kith_container_section (const kith_container_t *self, uint32_t id, uint64_t *size);

//  A section to be read in blocks, which its alignment must allow: of the file where the store has files, else of the mapped bytes (which
//  live as long as the container). Null: there is no such section, or its file cannot be opened.
kith_blocks_t *
kith_container_blocks (const kith_container_t *self, uint32_t id, kith_error_t *error);
size_t kith_container_count (const kith_container_t *self);
uint32_t kith_container_id (const kith_container_t *self, size_t index);

//  One end of the range of a numeric column; type 0: there is none (no values, only NaN, or not numeric).
typedef struct {
    kith_type_t type;
    int64_t integer;    //  bool and int types
    double real;        //  float and double
} kith_stat_t;

//  Statistics of a section that holds a column block: rows, rows without a value, least and greatest value
//  (NaN left out). False if there is no such section or it is no column block. Each pointer may be null.
bool kith_container_stats (const kith_container_t *self, uint32_t id, uint64_t *rows,
                           uint64_t *nulls, kith_stat_t *min, kith_stat_t *max);

//  A death: row of a segment (its place in the snapshot) and the seq that ended it. Lists are sorted by row.
typedef struct {
    uint32_t row;
    uint64_t seq;
} kith_death_t;

#define KITH_SECTION_DEATH_ROWS 1u    //  u32 a row
#define KITH_SECTION_DEATH_SEQS 2u    //  u64 a row

#endif
