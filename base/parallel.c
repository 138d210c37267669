//  parallel.c - runs parts of a computation side by side
//  SPDX-License-Identifier: Apache-2.0
#include "base/parallel.h"

#include "base/bytes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define THREADS_MAX 256u

static void
s_serial_run (kith_parallel_t *self, uint32_t parts, kith_part_fn *fn, void *arg)
{
    (void) self;
    for (uint32_t part = 0; part < parts; part++)
        fn (arg, part);
}

kith_parallel_t *
kith_parallel_serial (void)
{
    static kith_parallel_t serial = {s_serial_run, 1};
    return &serial;
}

//  One run: threads take the next part until there is none
typedef struct {
    atomic_uint next;
    uint32_t parts;
    kith_part_fn *fn;
    void *arg;
} run_t;

static void *
s_run_parts (void *arg)
{
    run_t *run = arg;
    for (;;) {
        uint32_t part = atomic_fetch_add_explicit (&run->next, 1, memory_order_relaxed);
        if (part >= run->parts)
            return NULL;
        run->fn (run->arg, part);
    }
}

static void
s_threads_run (kith_parallel_t *self, uint32_t parts, kith_part_fn *fn, void *arg)
{
    //  The counter passes parts by at most one for each thread
    assert (parts <= UINT32_MAX - THREADS_MAX);
    run_t run = {.parts = parts, .fn = fn, .arg = arg};
    atomic_init (&run.next, 0);

    //  A thread that cannot be made is one fewer: the calling thread does parts too, so all get done
    pthread_t threads [THREADS_MAX];
    uint32_t started = 0;
    while (started + 1 < self->threads && started + 1 < parts) {
        if (pthread_create (&threads [started], NULL, s_run_parts, &run) != 0)
            break;
        started++;
    }
    s_run_parts (&run);
    for (uint32_t thread = 0; thread < started; thread++)
        pthread_join (threads [thread], NULL);
}

kith_parallel_t *
kith_parallel_threads_new (uint32_t threads)
{
    if (threads == 0) {
        long cores = sysconf (_SC_NPROCESSORS_ONLN);
        threads = cores > 0 ? (uint32_t) cores : 1;
    }
    kith_parallel_t *self = kith_new (sizeof *self);
    self->run = s_threads_run;
    self->threads = threads < THREADS_MAX ? threads : THREADS_MAX;
    return self;
}

void
kith_parallel_threads_destroy (kith_parallel_t **self_p)
{
    assert (self_p);
    free (*self_p);
    *self_p = NULL;
}
