//  peer.h - a loop's way to another process: a DEALER that only sends
//  SPDX-License-Identifier: Apache-2.0
//
//  While the connection is being made, a few messages wait here for a short time.
#ifndef KITH_PEER_H
#define KITH_PEER_H

#include "runtime/actor.h"
#include "runtime/wire.h"

typedef struct kith_peer kith_peer_t;

//  Messages that could not be sent in time (taken).
typedef void (kith_peer_refuse_fn) (void *arg, kith_msg_t **msg_p, kith_end_t end);

//  Connects to a process' exchange.
kith_peer_t *kith_peer_new (const char *endpoint, kith_peer_refuse_fn *refuse, void *arg);

//  What waits is refused.
void kith_peer_destroy (kith_peer_t **self_p);
bool kith_peer_is_tcp (const kith_peer_t *self);

//  Sends, or lets wait: OK (taken); BUSY or UNREACHABLE: too many wait already.
kith_end_t kith_peer_send (kith_peer_t *self, kith_msg_t **msg_p, int64_t now_us);

//  Sends what waits, refuses what waited too long. Returns when it is to be called again: INT64_MAX if nothing waits.
int64_t kith_peer_flush (kith_peer_t *self, int64_t now_us);

#endif
