//  ring.h - a bare ZeroMQ ring: what as many hops between threads cost by themselves
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CLAIMS_RING_H
#define KITH_CLAIMS_RING_H

#include <stddef.h>

typedef struct ring ring_t;

//  A message of two parts goes from the caller through hops - 1 threads and back: hops sends in all (at least 2). Null: no
//  memory, thread or socket. context: of ZeroMQ, outlives the ring.
ring_t *ring_new (void *context, size_t hops);
void ring_destroy (ring_t **self_p);

//  Puts a message into the ring; takes one out of it (waits).
void ring_send (ring_t *self);
void ring_recv (ring_t *self);

//  Hands on what comes from one socket to another, or back, until a message of one empty part went on.
void ring_hand_on (void *in, void *out);

#endif
