//  metrics.h - plain counters of a process
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_METRICS_H
#define KITH_METRICS_H

#include "base/base.h"
#include <stdatomic.h>

//  Messages by the way they left a loop; any thread adds, relaxed: nothing is ordered by them.
typedef struct {
    _Atomic uint64_t inproc;    //  to another loop of the process
    _Atomic uint64_t tcp;
    _Atomic uint64_t ipc;
    _Atomic uint64_t clients;    //  answers to clients
} kith_metrics_t;

static inline void
kith_metrics_add (_Atomic uint64_t *counter, uint64_t count)
{
    atomic_fetch_add_explicit (counter, count, memory_order_relaxed);
}

static inline uint64_t
kith_metrics_get (_Atomic uint64_t *counter)
{
    return atomic_load_explicit (counter, memory_order_relaxed);
}

#endif
