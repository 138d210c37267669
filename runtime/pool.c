//  pool - a pool of workers with a bounded queue
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/pool.h"
#include "base/bytes.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define STACK_BYTES (2u << 20)    //  of a worker; only what is touched is resident
#define LINGER_US 200             //  one worker stays awake so long after a job

struct kith_pool {
    pthread_mutex_t lock;    //  of all below
    pthread_cond_t some;     //  there is a job, or the end
    char name [16];
    kith_job_fn *fn;
    void **jobs;    //  ring of queue_max
    size_t queue_max;
    size_t first;
    _Atomic size_t
        count;    //  changed with the lock held; looked at without it while lingering
    pthread_t *threads;
    uint32_t thread_max;
    uint32_t thread_count;
    uint32_t idle;     //  threads that wait
    bool waking;       //  one of them was woken and has not looked yet
    bool lingering;    //  one is awake and will look by itself
    bool ending;
};

kith_pool_t *
kith_pool_new (const char *name, uint32_t threads, size_t queue_max, kith_job_fn *fn)
{
    assert (threads > 0 && queue_max > 0);
    kith_pool_t *self = kith_new (sizeof *self);
    pthread_mutex_init (&self->lock, NULL);
    pthread_cond_init (&self->some, NULL);
    snprintf (self->name, sizeof self->name, "%s", name);
    self->fn = fn;
    self->jobs = kith_new (queue_max * sizeof (void *));
    self->queue_max = queue_max;
    self->threads = kith_new (threads * sizeof (pthread_t));
    self->thread_max = threads;
    return self;
}

void
kith_pool_destroy (kith_pool_t **self_p)
{
    assert (self_p);
    kith_pool_t *self = *self_p;
    if (!self)
        return;
    pthread_mutex_lock (&self->lock);
    self->ending = true;
    pthread_cond_broadcast (&self->some);
    pthread_mutex_unlock (&self->lock);
    for (uint32_t number = 0; number < self->thread_count; number++)
        pthread_join (self->threads [number], NULL);
    assert (self->count == 0);
    pthread_cond_destroy (&self->some);
    pthread_mutex_destroy (&self->lock);
    free (self->threads);
    free (self->jobs);
    free (self);
    *self_p = NULL;
}

//  True if a thread is to be woken (after the lock is given back). One at a time, which wakes the next one if there
//  is more: a burst of small jobs does not cost a wake each, and long ones soon have every thread.
static bool
s_wake (kith_pool_t *self)
{
    if (self->count == 0 || self->idle == 0 || self->waking
        || (self->lingering && self->count == 1))
        return false;
    self->waking = true;
    return true;
}

static int64_t
s_now_us (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

//  A worker that just finished waits awake for the next job, giving its core to whoever wants it: the sleep and the
//  wake of a request that follows at once cost more than a short search. Called with the lock held, and gives it back
//  for the while.
static void
s_linger (kith_pool_t *self)
{
    if (self->lingering || self->ending || self->count)
        return;
    self->lingering = true;
    pthread_mutex_unlock (&self->lock);
    const int64_t until_us = s_now_us () + LINGER_US;
    while (!atomic_load_explicit (&self->count, memory_order_relaxed)
           && s_now_us () < until_us)
        sched_yield ();
    pthread_mutex_lock (&self->lock);
    self->lingering = false;
}

static void *
s_worker (void *arg)
{
    kith_pool_t *self = arg;
    pthread_setname_np (pthread_self (), self->name);
    pthread_mutex_lock (&self->lock);
    for (;;) {
        while (self->count == 0 && !self->ending) {
            self->idle++;
            pthread_cond_wait (&self->some, &self->lock);
            self->idle--;
            self->waking = false;
        }
        if (self->count == 0)
            break;
        void *job = self->jobs [self->first];
        self->first = (self->first + 1) % self->queue_max;
        self->count--;
        bool wake = s_wake (self);
        pthread_mutex_unlock (&self->lock);
        if (wake)
            pthread_cond_signal (&self->some);
        self->fn (job);
        pthread_mutex_lock (&self->lock);
        s_linger (self);
    }
    pthread_mutex_unlock (&self->lock);
    return NULL;
}

//  Called with the lock held
static void
s_grow (kith_pool_t *self)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    sigfillset (&all);
    pthread_attr_init (&attributes);
    pthread_attr_setstacksize (&attributes, STACK_BYTES);
    //  Signals are for the main thread
    pthread_sigmask (SIG_SETMASK, &all, &before);
    if (pthread_create (&self->threads [self->thread_count], &attributes, s_worker, self)
        == 0)
        self->thread_count++;
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    pthread_attr_destroy (&attributes);
}

int
kith_pool_submit (kith_pool_t *self, void *job)
{
    assert (self && job);
    pthread_mutex_lock (&self->lock);
    assert (!self->ending);
    //  Jobs that wait already will take the idle ones
    if (self->idle <= self->count && self->thread_count < self->thread_max)
        s_grow (self);
    bool room = self->count < self->queue_max && self->thread_count > 0;
    if (room) {
        self->jobs [(self->first + self->count) % self->queue_max] = job;
        self->count++;
    }
    bool wake = room && s_wake (self);
    pthread_mutex_unlock (&self->lock);
    if (wake)
        pthread_cond_signal (&self->some);
    return room ? 0 : -1;
}

size_t
kith_pool_waiting (kith_pool_t *self)
{
    pthread_mutex_lock (&self->lock);
    size_t count = self->count;
    pthread_mutex_unlock (&self->lock);
    return count;
}

uint32_t
kith_pool_threads (kith_pool_t *self)
{
    pthread_mutex_lock (&self->lock);
    uint32_t count = self->thread_count;
    pthread_mutex_unlock (&self->lock);
    return count;
}
