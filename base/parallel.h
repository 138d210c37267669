//  parallel.h - runs parts of a computation side by side; the caller brings the threads
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_PARALLEL_H
#define KITH_PARALLEL_H

#include "base/base.h"

typedef void (kith_part_fn) (void *arg, uint32_t part);

//  run calls fn (arg, 0 .. parts - 1), in any order and on any thread, and returns when all are done.
typedef struct kith_parallel {
    void (*run) (struct kith_parallel *self, uint32_t parts, kith_part_fn *fn, void *arg);
    uint32_t threads;    //  how many run at once at best
} kith_parallel_t;

//  One after another in the calling thread: what the simulator and tests use. Never freed.
kith_parallel_t *kith_parallel_serial (void);

//  Threads of its own (created at each run, joined before it returns): for work on a BUILD worker.
//  threads 0: as many as there are cores.
kith_parallel_t *kith_parallel_threads_new (uint32_t threads);
void kith_parallel_threads_destroy (kith_parallel_t **self_p);

#endif
