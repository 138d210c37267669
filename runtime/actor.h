//  actor.h - all that a behaviour sees of the world
//  SPDX-License-Identifier: Apache-2.0
//
//  An actor handles one event at a time, in one thread at a time. It blocks, sleeps, locks, and asks the clock never. Callbacks take at most
//  100 us (longer ones are counted and reported).
#ifndef KITH_ACTOR_H
#define KITH_ACTOR_H

#include "base/parallel.h"
#include "codecs/msg.h"
#include "storage/kv.h"
#include "storage/log.h"
#include "storage/objects.h"
#include <czmq.h>

typedef struct kith_ctx kith_ctx_t;

typedef struct {
    const char *name;    //  role name, as in the configuration
    kith_role_t role;
    void *(*init) (kith_ctx_t *ctx,
                   zconfig_t *config);    //  new state, or null (reason by kith_ctx_exit)
    void (*handle) (void *self, kith_ctx_t *ctx,
                    kith_msg_t **msg_p);    //  may keep the message: takes *msg_p
    void (*timeout) (void *self, kith_ctx_t *ctx, int tag);
    void (*stop) (void **self_p,
                  kith_ctx_t *ctx);    //  all work is back, all calls have ended
} kith_behaviour_t;

//  Every call ends exactly once, never inside the call itself.
typedef enum {
    KITH_END_OK,             //  the answer is there
    KITH_END_FAILED,         //  the peer refused: answer is FAILED
    KITH_END_TIMEOUT,        //  effect unknown
    KITH_END_UNREACHABLE,    //  no effect
    KITH_END_BUSY,           //  no effect
    KITH_END_STOPPED    //  this actor is stopping: no further call, only free what arg owns
} kith_end_t;

//  answer: null unless OK or FAILED; the callback may take it (*answer_p = null).
typedef void (kith_reply_fn) (void *self, kith_ctx_t *ctx, kith_end_t end,
                              kith_msg_t **answer_p, void *arg);

//  Fills an error from the end of a call: FAILED gives the peer's own, TIMEOUT, UNREACHABLE and BUSY theirs.
void kith_end_error (kith_end_t end, const kith_msg_t *answer, kith_error_t *error);

kith_address_t kith_ctx_self (const kith_ctx_t *ctx);
int64_t
kith_ctx_now_us (const kith_ctx_t *ctx);    //  monotonic; stands still in a callback
//  A moment of that clock has passed by now. For work on a worker too, which lives no longer than the context.
bool kith_ctx_past (const kith_ctx_t *ctx, int64_t moment_us);
//  The actor is to end, and waits for its work; likewise for work on a worker.
bool kith_ctx_is_stopping (const kith_ctx_t *ctx);
uint64_t kith_ctx_clock (
    kith_ctx_t *ctx);    //  hybrid: unix ms << 18 | logical, rises at each call
uint64_t kith_ctx_random (kith_ctx_t *ctx);

//  Messages are taken (*msg_p = null). A send may be lost. deadline_us: from now on.
void kith_ctx_send (kith_ctx_t *ctx, kith_address_t to, kith_msg_t **msg_p);
uint64_t kith_ctx_call (kith_ctx_t *ctx, kith_address_t to, kith_msg_t **msg_p,
                        int64_t deadline_us, kith_reply_fn *fn, void *arg);

//  Answers a request and ends it (both taken). A request without an id is only destroyed.
void kith_ctx_reply (kith_ctx_t *ctx, kith_msg_t **request_p, kith_msg_t **answer_p);
void kith_ctx_fail (kith_ctx_t *ctx, kith_msg_t **request_p, const kith_error_t *error);

//  Microseconds left of a request's deadline (a default of 30 s when it has none).
int64_t kith_ctx_left_us (const kith_ctx_t *ctx, const kith_msg_t *request);

//  behaviour.timeout (self, ctx, tag) after delay_us, once. Cancel of an ended one does nothing.
uint64_t kith_ctx_after (kith_ctx_t *ctx, int64_t delay_us, int tag);
void kith_ctx_cancel (kith_ctx_t *ctx, uint64_t timer);

//  The only way to leave the loop. fn runs on a worker with arg alone; then done (self, ctx, arg) in the loop, always. -1: the
//  pool's queue is full, neither runs.
typedef enum {
    KITH_POOL_QUERY,    //  search, filter
    KITH_POOL_BUILD,    //  index, flush, compaction
    KITH_POOL_IO        //  storage calls
} kith_pool_id_t;
typedef void (kith_work_fn) (void *arg);
typedef void (kith_done_fn) (void *self, kith_ctx_t *ctx, void *arg);
int kith_ctx_work (kith_ctx_t *ctx, kith_pool_id_t pool, kith_work_fn *fn,
                   kith_done_fn *done, void *arg) KITH_MUST;

//  For builds on a worker: threads of the BUILD pool (serial in the simulator).
kith_parallel_t *kith_ctx_parallel (kith_ctx_t *ctx);

//  A structured log line; level: 'e' error, 'w' warning, 'i' info, 'd' debug.
void
kith_ctx_log (kith_ctx_t *ctx, char level, const char *format, ...) KITH_PRINTF (3, 4);

//  The actor gives up: its supervisor starts a new incarnation, with back-off.
void kith_ctx_exit (kith_ctx_t *ctx, const kith_error_t *error);

//  True now and then, in simulation only; site is a literal.
bool kith_ctx_buggify (kith_ctx_t *ctx, const char *site);

//  The cluster as the configuration has it.
typedef struct {
    const char *name;
    uint64_t id;    //  of this cluster's life, from its metadata; 0 until T0 was done
    uint32_t logs;
    uint32_t seal_rows;    //  seal limits: rows, bytes, milliseconds
    uint64_t seal_bytes;
    uint64_t seal_ms;
    uint32_t index_rows_min;    //  smaller segments get no index
    uint64_t
        index_memory;    //  bytes that the loaded indexes of a query node may take; 0: no limit
    uint64_t
        window_requests;    //  request ids that the dedup window keeps for each channel beyond the checkpoint's
    const char *topology;    //  canonical text of the configuration, for comparing
} kith_cluster_t;
const kith_cluster_t *kith_ctx_cluster (const kith_ctx_t *ctx);

//  Told by meta once the cluster's id is known (made or read); every log and file carries it.
void kith_ctx_set_cluster_id (kith_ctx_t *ctx, uint64_t id);

//  How many actors of a role the topology has; their indexes are 0 .. n - 1.
uint32_t kith_ctx_role_count (const kith_ctx_t *ctx, kith_role_t role);

//  Storage handles of a role: meta: kv; data_node: its log n and objects; query and index node, data_coord and index_coord: objects. They live as long as the
//  process. Null when the configuration gives this role none. Used on the IO pool only. CLASS of errors: kith_error_t.
kith_kv_t *kith_ctx_kv (kith_ctx_t *ctx,
                        kith_error_t *error);    //  opens at the first call (init only)
kith_log_t *kith_ctx_log_handle (kith_ctx_t *ctx, uint32_t log);    //  handle, not opened
kith_objects_t *kith_ctx_objects (kith_ctx_t *ctx, kith_error_t *error);

#endif
