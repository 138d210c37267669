//  thread.h - a loop in a thread: its inbox, its doors, its ways to other loops and processes
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_THREAD_H
#define KITH_THREAD_H

#include "runtime/door.h"
#include "runtime/log_line.h"
#include "runtime/loop.h"
#include "runtime/metrics.h"
#include "runtime/pool.h"

typedef struct kith_thread kith_thread_t;

#define KITH_POOLS 3u    //  one a kith_pool_id_t

typedef struct {
    const char *name;
    kith_process_t *process;
    kith_pool_t *const *pools;    //  KITH_POOLS
    kith_log_line_t *log;         //  may be null
    kith_metrics_t *metrics;
    //  The thread of an actor of this process; null: it is of another one, or there is no such actor.
    kith_thread_t *(*find) (void *arg, kith_role_t role, uint32_t index);
    //  An actor changed its state.
    void (*changed) (void *arg, kith_address_t who, const char *state, const char *note);
    void *arg;    //  of both
} kith_thread_options_t;

//  A loop without a thread yet; IO: no descriptor is left.
kith_thread_t *
kith_thread_new (const kith_thread_options_t *options, kith_error_t *error);

//  Ends the thread and waits for it; every actor has ended. Others may still hand things over: nobody reads them.
void kith_thread_end (kith_thread_t *self);

//  Once nobody can hand over any more.
void kith_thread_destroy (kith_thread_t **self_p);

//  Before kith_thread_run: adds an actor; gives the loop a door (taken).
size_t kith_thread_add (kith_thread_t *self, const kith_behaviour_t *behaviour,
                        kith_role_t role, uint32_t index, zconfig_t *config);
void kith_thread_add_door (kith_thread_t *self, kith_door_t **door_p);
void kith_thread_run (kith_thread_t *self);

//  From another thread: starts or stops an actor, and waits until that is done. Start fails as its init does.
int kith_thread_start_actor (kith_thread_t *self, size_t number, kith_error_t *error);
void kith_thread_stop_actor (kith_thread_t *self, size_t number);

//  From any thread: hands a message over (taken); -1: full (left).
int kith_thread_put (kith_thread_t *self, kith_msg_t **msg_p);
int kith_thread_put_parcel (kith_thread_t *self, kith_parcel_t **parcel_p);

//  What the pools run: a kith_work_t of any thread's loop, then back into its inbox.
void kith_thread_work (void *arg);

const char *kith_thread_name (const kith_thread_t *self);

//  As of its last turn, from any thread.
kith_loop_stats_t kith_thread_stats (kith_thread_t *self);

#endif
