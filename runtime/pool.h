//  pool.h - a pool of workers with a bounded queue
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_POOL_H
#define KITH_POOL_H

#include "base/base.h"

typedef struct kith_pool kith_pool_t;

//  Runs one job, on a worker.
typedef void (kith_job_fn) (void *job);

//  At most `threads` workers, each made when there is work and no idle one; at most queue_max jobs wait. name (up to
//  15 bytes) is the threads'.
kith_pool_t *
kith_pool_new (const char *name, uint32_t threads, size_t queue_max, kith_job_fn *fn);

//  Waits until every job is done.
void kith_pool_destroy (kith_pool_t **self_p);

//  -1: the queue is full (or no thread could be made and none is there).
int kith_pool_submit (kith_pool_t *self, void *job) KITH_MUST;

//  Jobs waiting now; workers made so far.
size_t kith_pool_waiting (kith_pool_t *self);
uint32_t kith_pool_threads (kith_pool_t *self);

#endif
