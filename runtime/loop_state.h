//  loop_state.h - what loop.c and ctx.c share: the structs behind a loop and a context
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_LOOP_STATE_H
#define KITH_LOOP_STATE_H

#include "runtime/loop.h"
#include "runtime/timers.h"
#include <sys/queue.h>

//  An actor's life:
//
//      ENDED -> STARTING -> UP -> STOPPING -> ENDED
//                  |                 |
//                  +---> FAILED <----+      (waits for its next start)
//                          |
//                          +-> STARTING
typedef enum {
    KITH_ACTOR_ENDED,
    KITH_ACTOR_STARTING,
    KITH_ACTOR_UP,
    KITH_ACTOR_STOPPING,
    KITH_ACTOR_FAILED
} kith_actor_state_t;

//  What waits for a moment
typedef enum {
    KITH_WAIT_TIMER,     //  an actor's own
    KITH_WAIT_CALL,      //  deadline of a call
    KITH_WAIT_RESTART    //  of a failed actor
} kith_wait_kind_t;

//  Head of a call, a timer and a restart, so that a heap entry tells what it is
typedef struct {
    kith_timer_t timer;    //  first: the heap hands it out
    kith_wait_kind_t kind;
    kith_ctx_t *ctx;
} kith_wait_t;

typedef struct kith_call {
    kith_wait_t wait;                //  first
    TAILQ_ENTRY (kith_call) mine;    //  in ctx->calls
    TAILQ_ENTRY (kith_call) next;    //  in loop->ended
    bool ended;                      //  is in loop->ended
    kith_end_t end;                  //  how it ended
    uint64_t id;
    kith_address_t to;
    kith_reply_fn *fn;
    void *arg;
    uint32_t hops;
    uint64_t trace;
} kith_call_t;

typedef struct kith_alarm {
    kith_wait_t wait;                 //  first
    TAILQ_ENTRY (kith_alarm) mine;    //  in ctx->alarms
    uint64_t id;
    int tag;
} kith_alarm_t;

struct kith_ctx {
    kith_loop_t *loop;
    size_t number;    //  in loop->actors
    const kith_behaviour_t *behaviour;
    zconfig_t *config;
    kith_address_t self;
    void *state;                        //  the behaviour's own
    _Atomic kith_actor_state_t life;    //  workers read it too
    bool stop_wanted;                   //  no restart
    bool exit_wanted;
    kith_error_t exit_error;
    kith_wait_t restart;
    int64_t backoff_us;
    int64_t up_us;    //  since when
    TAILQ_HEAD (, kith_call) calls;
    TAILQ_HEAD (, kith_alarm) alarms;
    uint32_t call_count;
    uint32_t work_count;
    uint32_t hops;             //  of the event that is handled
    uint64_t trace;            //  likewise
    kith_cluster_t cluster;    //  what kith_ctx_cluster lends
};

//  Ids of calls and timers: place and generation, so that an old id finds nothing
typedef struct {
    kith_wait_t *wait;
    uint32_t generation;
    uint32_t next_free;    //  1 + place
} kith_slot_t;

struct kith_loop {
    kith_host_t host;
    char *name;
    kith_ctx_t *actors [KITH_ACTORS_MAX];
    size_t actor_count;
    kith_timers_t timers;
    kith_slot_t *slots;
    uint32_t slot_count;
    uint32_t slot_free;    //  1 + place; 0: none
    kith_msg_t *first;     //  queue, linked by link
    kith_msg_t *last;
    TAILQ_HEAD (, kith_call) ended;    //  calls to be told so
    int64_t now_us;                    //  stands still in a callback
    int64_t slow_logged_us;            //  when a slow callback was last reported
    uint64_t slow_unlogged;
    uint64_t clock;    //  hybrid
    kith_loop_stats_t stats;
};

//  An id for wait; the wait behind an id, or null; the id is free again.
uint64_t kith_loop_slot_take (kith_loop_t *self, kith_wait_t *wait);
kith_wait_t *kith_loop_slot_find (const kith_loop_t *self, uint64_t id);
void kith_loop_slot_free (kith_loop_t *self, uint64_t id);

//  Sends msg to whom it is addressed: OK (taken), BUSY or UNREACHABLE (left).
kith_end_t kith_loop_route (kith_loop_t *self, kith_msg_t **msg_p);

//  The call is over and will be told so at the next turn of the loop.
void kith_loop_call_over (kith_loop_t *self, kith_call_t *call, kith_end_t end);

#endif
