//  flush.h - records of a sealed range -> a snapshot (F1, F2)
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FLUSH_H
#define KITH_FLUSH_H

#include "engine/segments/segment.h"

typedef struct kith_flush kith_flush_t;

//  Gathers the rows of (after, to]; rows that end inside the range are left out of the snapshot (base = to).
kith_flush_t *kith_flush_new (kith_schema_t *schema, uint64_t after, uint64_t to);
void kith_flush_destroy (kith_flush_t **self_p);

//  Next record of the range, in seq order. Its bytes must live until put (bodies are referred to, not copied).
int kith_flush_add (kith_flush_t *self, const kith_record_t *record, kith_error_t *error);
uint32_t kith_flush_rows (const kith_flush_t *self);    //  that the snapshots will have

//  The partitions of those rows, by id: *count of them, malloc'ed (null when none). newest: the greatest seq of a row of it.
typedef struct {
    uint32_t partition;
    uint32_t rows;
    uint64_t newest;
} kith_flush_part_t;
kith_flush_part_t *kith_flush_parts (const kith_flush_t *self, uint32_t *count);

//  The next puts take the rows of this part alone; null: all.
void kith_flush_select (kith_flush_t *self, const kith_flush_part_t *part);

//  Puts the snapshot: user fields, $seq, $row, $timestamp, $partition, and the key index. info->rows is filled in. Not called when rows are 0 and
//  nothing is to be kept: an empty range makes no segment.
int kith_flush_put (kith_flush_t *self, kith_objects_t *objects, const char *name,
                    kith_file_info_t *info, uint64_t *hash, uint64_t *size,
                    kith_error_t *error);

#endif
