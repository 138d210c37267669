//  data_node.h - what the files of the data node share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_DATA_NODE_H
#define KITH_DATA_NODE_H

#include "actors/common.h"
#include "actors/data_window.h"
#include "engine/segments/flush.h"

//  A log's life:
//
//      CLOSED --K1--> CLAIMING --T1--> RECOVERING --L1-L4--> READING --rows, windows--> OPEN
//        ^               |                 |                    |                        |
//        +---------------+-----------------+--------------------+------- K5, K6 ---------+
typedef enum {
    KITH_LOG_CLOSED,
    KITH_LOG_CLAIMING,
    KITH_LOG_RECOVERING,
    KITH_LOG_READING,
    KITH_LOG_OPEN
} kith_log_state_t;

//  A channel of an open log
typedef struct {
    uint64_t id;
    kith_kept_t row;           //  kith_proto_channel_row_t, as last read or committed
    kith_kept_t definition;    //  kith_proto_collection_t
    kith_schema_t *schema;
    kith_window_t window;
    uint64_t last;      //  seq of its newest record
    uint64_t sealed;    //  seq of its newest SEAL, or its checkpoint
    uint64_t rows;      //  since then
    uint64_t bytes;
    int64_t since_us;    //  when the first of them came
    bool sealing;        //  a SEAL is being appended
    bool dropped;
    uint32_t *ended;    //  partitions that were dropped since the log was opened
    uint32_t ended_count, ended_capacity;
} kith_data_channel_t;

//  A record on its way into the log
typedef struct kith_pending {
    struct kith_pending *next;
    kith_record_t record;    //  body points into rows
    kith_frame_t *rows;      //  null: a SEAL of our own
    kith_msg_t *request;     //  WRITE to be answered; null: nobody waits
} kith_pending_t;

//  A durable record in the tail ring: what followers ask for most
typedef struct {
    kith_record_t record;
    kith_frame_t *rows;    //  null: no body
} kith_tail_t;

//  A log_flush that waits for checkpoints
typedef struct {
    kith_msg_t *request;
    uint64_t *targets;    //  by channel of the request: checkpoint to be reached
    uint64_t *channels;
    uint32_t count;
    uint32_t segments;
    uint64_t rows, bytes;
} kith_flush_wait_t;

typedef struct {
    uint32_t number;
    kith_log_state_t state;
    kith_log_t *handle;
    uint64_t epoch;
    uint64_t last;         //  synced seq: what LAST answers
    uint64_t next;         //  seq of the next record
    uint64_t timestamp;    //  of the newest record
    kith_data_channel_t *channels;
    uint32_t channel_count;
    uint32_t channel_capacity;
    kith_pending_t *first, *newest;    //  not in an append yet
    uint64_t pending_bytes;
    bool appending;
    bool stopped;              //  given up while work is out: closed when it is back
    kith_park_t waiting;       //  requests that wait for a channel's row or definition
    uint64_t asked;            //  which channel's is being asked for
    kith_park_t duplicates;    //  WRITEs whose first copy is in flight
    kith_park_t fetches;       //  FETCHes that wait for something new
    kith_flush_wait_t *flushes;    //  log_flush requests
    uint32_t flush_count, flush_capacity;
    bool fetch_timer;     //  one runs for their time-outs
    kith_tail_t *tail;    //  ring
    uint32_t tail_first, tail_count, tail_capacity;
    uint64_t tail_bytes;
    bool flushing;
    bool retrying;    //  the next attempt waits for a timer
    bool marked;      //  a mark timer runs
    uint32_t work;    //  works and calls that refer to this log
    int64_t open_backoff_us;
    kith_error_t
        refused;    //  why the last opening failed; code OK: none did since it was open
    int64_t refused_us;    //  when the first of them failed
} kith_data_log_t;

typedef struct {
    kith_data_log_t *logs;    //  by number; state CLOSED and handle null: not ours
    uint32_t log_count;
    kith_objects_t *objects;
    bool welcome;
} kith_data_node_t;

//  Timer tags: the log's number is added to the first ones
enum {
    KITH_DATA_HELLO = 1,
    KITH_DATA_SEALS = 2,
    KITH_DATA_OPEN = 1000,
    KITH_DATA_MARK = 2000,
    KITH_DATA_FLUSH = 3000,
    KITH_DATA_FETCH = 4000
};

kith_data_channel_t *kith_data_channel (kith_data_log_t *log, uint64_t id);

//  Tells data_coord at once what is open and what is not.
void kith_data_tell (kith_data_node_t *self, kith_ctx_t *ctx);

//  data_log.c: opening, giving up
void kith_data_open (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log);
void kith_data_give_up (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log,
                        const kith_error_t *error);
void kith_data_log_free (kith_data_log_t *log);
//  Takes a channel's row and definition; a new one begins with an empty window.
kith_data_channel_t *
kith_data_channel_take (kith_data_log_t *log, const kith_proto_channel_row_t *row,
                        const kith_proto_collection_t *definition, kith_error_t *error);

//  One work or call that counted in log->work is back; true if the log was given up meanwhile.
bool kith_data_back (kith_ctx_t *ctx, kith_data_log_t *log);

//  data_write.c: WRITE, SEAL, group commit, tail ring
void kith_data_write (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
//  End of a dropped partition's rows: a DROP in the log.
void
kith_data_partition_end (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
void kith_data_seal (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log,
                     kith_data_channel_t *channel);
void kith_data_seal_due (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log);
void kith_data_tail_free (kith_data_log_t *log);

//  The log of a request's number if it is open here; null: the request was refused.
kith_data_log_t *kith_data_log_of (kith_data_node_t *self, kith_ctx_t *ctx,
                                   kith_msg_t **msg_p, uint32_t number);

//  data_fetch.c: FETCH, ASK_LAST
void kith_data_fetch (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
void kith_data_ask_last (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
//  Answers the FETCHes that something new came for; `all`: every one whose time is over too.
void kith_data_wake (kith_ctx_t *ctx, kith_data_log_t *log);
void kith_data_fetch_timeout (kith_ctx_t *ctx, kith_data_log_t *log);

//  data_flush.c: seal on request, flush, checkpoint, trim
void kith_data_log_flush (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
void kith_data_flush_next (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log);
void
kith_data_flush_timeout (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log);
//  Ends the log_flush requests whose checkpoints are reached; with an error, all of them (ctx null: only frees).
void
kith_data_flush_answer (kith_ctx_t *ctx, kith_data_log_t *log, const kith_error_t *error);

#endif
