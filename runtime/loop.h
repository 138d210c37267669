//  loop.h - the core of a loop: actors, their messages, calls, timers and work; no thread, no socket, no clock
//  SPDX-License-Identifier: Apache-2.0
//
//  The same core runs in a thread (runtime/thread.h) and in the simulator (runtime/sim.h): what it needs of the
//  world it asks of its host. All functions are called by one thread at a time.
#ifndef KITH_LOOP_H
#define KITH_LOOP_H

#include "base/limits.h"
#include "runtime/actor.h"
#include "runtime/process.h"

typedef struct kith_loop kith_loop_t;

//  Work under way. The host runs fn (arg) on a worker and gives it back by kith_loop_work_back.
typedef struct kith_work {
    kith_work_fn *fn;
    void *arg;
    kith_pool_id_t pool;
    kith_loop_t *loop;    //  whose it is
    kith_done_fn *done;
    kith_ctx_t *ctx;
    uint32_t hops;    //  threads crossed before it
    uint64_t trace;
    void *link;    //  for the host
} kith_work_t;

//  What the loop asks of its host
typedef struct {
    void *arg;                          //  first argument of each
    int64_t (*now_us) (void *arg);      //  monotonic
    uint64_t (*wall_ms) (void *arg);    //  unix time
    uint64_t (*random) (void *arg);
    //  Sends to an actor that is not of this loop. OK: taken; else left to the caller, no effect.
    kith_end_t (*transmit) (void *arg, kith_msg_t **msg_p);
    //  -1: the pool's queue is full.
    int (*submit) (void *arg, kith_work_t *work);
    void (*log) (void *arg, char level, kith_address_t who, const char *text);
    bool (*buggify) (void *arg, const char *site);
    //  Actor `number` changed its state; note is empty or says why.
    void (*changed) (void *arg, size_t number, const char *state, const char *note);
    kith_process_t *process;
} kith_host_t;

typedef struct {
    uint64_t events;    //  callbacks run
    uint64_t slow;      //  of them longer than KITH_CALLBACK_US_MAX
    uint64_t slowest_us;
    uint64_t dropped;    //  messages for nobody, late, or over a bound
    uint64_t queued;     //  messages waiting now
    uint64_t calls;      //  calls under way now
} kith_loop_stats_t;

//  host is copied; name is copied.
kith_loop_t *kith_loop_new (const kith_host_t *host, const char *name);

//  Every actor has ended.
void kith_loop_destroy (kith_loop_t **self_p);
const char *kith_loop_name (const kith_loop_t *self);

//  Adds an actor, not yet started; returns its number. config stays the caller's.
size_t kith_loop_add (kith_loop_t *self, const kith_behaviour_t *behaviour,
                      kith_role_t role, uint32_t index, zconfig_t *config);

//  Starts an actor. -1: its init failed, error says why; it has ended and may be started again.
int kith_loop_start (kith_loop_t *self, size_t number, kith_error_t *error);

//  Stops an actor for good: its calls end with STOPPED, its work comes back, then its stop runs.
void kith_loop_stop (kith_loop_t *self, size_t number);
bool kith_loop_stopped (const kith_loop_t *self, size_t number);

//  As the actor's own kith_ctx_exit: it is stopped and a new incarnation starts, with back-off.
void kith_loop_fail (kith_loop_t *self, size_t number, const kith_error_t *error);

//  True while the actor answers; its address.
bool kith_loop_up (const kith_loop_t *self, size_t number);
kith_address_t kith_loop_address (const kith_loop_t *self, size_t number);

//  Queues a message from outside (taken).
void kith_loop_deliver (kith_loop_t *self, kith_msg_t **msg_p);

//  A message that transmit took could not be sent after all (taken): the call it made ends so.
void kith_loop_refuse (kith_loop_t *self, kith_msg_t **msg_p, kith_end_t end);

//  Gives work back (freed): its done callback runs now.
void kith_loop_work_back (kith_loop_t *self, kith_work_t **work_p);

//  Runs what is due, and up to `budget` messages; true if there is more to do now.
bool kith_loop_run (kith_loop_t *self, size_t budget);

//  When kith_loop_run is to be called again: now or before if there is something to do already; INT64_MAX: not by itself.
int64_t kith_loop_next_us (const kith_loop_t *self);

kith_loop_stats_t kith_loop_stats (const kith_loop_t *self);

#endif
