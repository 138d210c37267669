//  log_index.h - what is where in a log's files; for storage/log_*.c alone
//  SPDX-License-Identifier: Apache-2.0
//
//  Sparse: a span is a run of records of one file of about 64 KiB, or one larger record. It knows which
//  channels it holds (up to a few, then "any"), so that reading one channel skips the others' spans.
#ifndef KITH_LOG_INDEX_H
#define KITH_LOG_INDEX_H

#include "storage/log.h"

#define KITH_SPAN_BYTES (64u << 10)
#define KITH_SPAN_CHANNELS 4u

typedef struct {
    uint64_t first;    //  seq of its first record
    uint64_t last;     //  seq of its last
    uint64_t at;       //  position in its file
    uint32_t bytes;
    uint32_t number;           //  of the file
    uint32_t channel_count;    //  more than KITH_SPAN_CHANNELS: any channel may be in it
    uint64_t channels [KITH_SPAN_CHANNELS];
} kith_log_span_t;

typedef struct {
    uint32_t number;
    uint64_t first;    //  seq of its first record, also when it has none yet
    uint64_t bytes;    //  up to the end of its last record
} kith_log_part_t;

//  Plain struct: a zeroed one is empty and valid. Not thread-safe by itself.
typedef struct {
    kith_log_part_t *parts;    //  files in order
    size_t part_count;
    size_t part_room;
    kith_log_span_t *spans;    //  in seq order
    size_t span_count;
    size_t span_room;
} kith_log_index_t;

void kith_log_index_free (kith_log_index_t *self);

//  Adds a file after all others, then its records one after another.
void kith_log_index_file (kith_log_index_t *self, uint32_t number, uint64_t first,
                          uint64_t header_bytes);
void kith_log_index_record (kith_log_index_t *self, uint64_t seq, uint64_t channel,
                            uint64_t bytes);

//  Place in spans of the first one with a record of seq > after; span_count if there is none.
size_t kith_log_index_find (const kith_log_index_t *self, uint64_t after);

//  True if a record of the channel (0: any) may be in a span.
bool kith_log_span_has (const kith_log_span_t *span, uint64_t channel);

//  Forgets the oldest file and its spans.
void kith_log_index_drop (kith_log_index_t *self);

//  The newest file; there is one.
kith_log_part_t *kith_log_index_last (kith_log_index_t *self);

#endif
