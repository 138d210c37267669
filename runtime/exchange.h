//  exchange.h - the endpoint of a process: hands what comes from other processes to the loops it is for
//  SPDX-License-Identifier: Apache-2.0
//
//  One thread, one ROUTER. It reads envelopes only; bodies are decoded by the loops.
#ifndef KITH_EXCHANGE_H
#define KITH_EXCHANGE_H

#include "runtime/wire.h"

typedef struct kith_exchange kith_exchange_t;

//  Takes a parcel for an address, on the exchange's thread: 0, or -1 (nobody there, or full; left).
typedef int (kith_exchange_fn) (void *arg, kith_address_t to, kith_parcel_t **parcel_p);

//  Binds and starts. IO: the endpoint cannot be bound.
kith_exchange_t *kith_exchange_new (const char *endpoint, kith_exchange_fn *fn, void *arg,
                                    kith_error_t *error);
void kith_exchange_destroy (kith_exchange_t **self_p);

//  Endpoint with its port resolved.
const char *kith_exchange_endpoint (const kith_exchange_t *self);

//  Messages that were dropped: not a message, not from an actor of the cluster, for nobody.
uint64_t kith_exchange_dropped (const kith_exchange_t *self);

#endif
