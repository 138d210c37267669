//  data_window.h - the dedup window of a channel: request -> (epoch, seq), for all requests with seq > low (W2-W5)
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_DATA_WINDOW_H
#define KITH_DATA_WINDOW_H

#include "storage/log.h"
#include "storage/snapshot.h"

typedef struct {
    kith_request_t request;
    uint64_t epoch;
    uint64_t seq;
} kith_window_entry_t;

//  A ring of entries in seq order and a hash over them.
typedef struct {
    kith_window_entry_t *entries;    //  ring of `capacity`
    uint32_t
        *table;    //  open addressing: number of the entry + 1 (numbers wrap in the ring)
    uint32_t capacity;    //  a power of two; the table has twice as many places
    uint32_t first;       //  place of the oldest
    uint32_t count;
    uint64_t low;    //  requests with seq <= low may have been forgotten
} kith_window_t;

void kith_window_free (kith_window_t *self);
const kith_window_entry_t *
kith_window_find (const kith_window_t *self, const kith_request_t *request);

//  Adds the newest; forgets the oldest when more than `max` are held (W5).
void
kith_window_add (kith_window_t *self, const kith_window_entry_t *entry, uint32_t max);

//  Entries with low < seq <= to as bytes (for the window object), and back: entries are added.
void kith_window_save (const kith_window_t *self, uint64_t to, kith_bytes_t *out);
int kith_window_load (kith_window_t *self, const uint8_t *bytes, uint64_t size,
                      uint32_t max, kith_error_t *error);

#endif
