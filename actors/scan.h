//  scan.h - what query_coord and index_coord read of metadata again and again: collections, channels, indexes
//  SPDX-License-Identifier: Apache-2.0
//
//  Nothing is cached between scans. Whoever asks is answered by a scan that began after the question, so that it sees what
//  was there then; a scan that failed is made again.
#ifndef KITH_SCAN_H
#define KITH_SCAN_H

#include "actors/common.h"

//  In this order: collections that are read after the channels would miss one that is made in between
enum { KITH_SCAN_COLLECTIONS, KITH_SCAN_CHANNELS, KITH_SCAN_INDEXES, KITH_SCAN_PARTS };

//  A scan is done: its rows are there. Then serve, for each request that it answers (which is taken).
typedef void (kith_scan_done_fn) (void *actor, kith_ctx_t *ctx);
typedef void (kith_scan_serve_fn) (void *actor, kith_ctx_t *ctx, kith_msg_t **msg_p);

typedef struct {
    kith_scan_done_fn *done;
    kith_scan_serve_fn *serve;
    int tag;         //  of the timer that tries again
    bool allowed;    //  the lease is held
    bool dirty;      //  something changed since the scan under way began
    bool scanning;
    bool ticking;
    kith_park_t waiting;                     //  requests that a scan begun later answers
    kith_park_t served;                      //  requests that the scan under way answers
    kith_kept_t rows [KITH_SCAN_PARTS];      //  kith_proto_kv_rows_t of the newest scan
    kith_kept_t coming [KITH_SCAN_PARTS];    //  of the one under way
} kith_scan_t;

void kith_scan_free (kith_scan_t *self);

//  Begins a scan, after the one under way.
void kith_scan_begin (kith_scan_t *self, kith_ctx_t *ctx);
//  The request is answered by a scan that begins later.
void kith_scan_ask (kith_scan_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);

//  The actor's timer `tag` comes a little later; handed to tick, which begins a scan that is due (true: it did).
void kith_scan_tick_later (kith_scan_t *self, kith_ctx_t *ctx);
bool kith_scan_tick (kith_scan_t *self, kith_ctx_t *ctx);

//  A collection's row of the newest scan, read into the arena; null: there is none.
const kith_proto_collection_t *
kith_scan_collection (const kith_scan_t *self, uint64_t id, kith_arena_t *arena);

#endif
