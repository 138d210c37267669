//  door.h - a proxy's endpoint for clients, owned by the proxy's loop
//  SPDX-License-Identifier: Apache-2.0
//
//  Two ROUTERs: the endpoint of the configuration, and an inproc name for clients of the same process. A client is
//  {client, 0, its incarnation}; where its answers go is learned from each of its messages. A client can speak as a
//  client only, and to this proxy only.
#ifndef KITH_DOOR_H
#define KITH_DOOR_H

#include "runtime/actor.h"
#include "runtime/wire.h"

typedef struct kith_door kith_door_t;

//  Binds both; owner is the proxy. IO: the endpoint cannot be bound (in use, not of this host).
kith_door_t *kith_door_new (const char *endpoint, const char *inproc,
                            kith_address_t owner, kith_error_t *error);
void kith_door_destroy (kith_door_t **self_p);

//  Endpoint with its port resolved; the inproc name; who answers.
const char *kith_door_endpoint (const kith_door_t *self);
const char *kith_door_inproc (const kith_door_t *self);
kith_address_t kith_door_owner (const kith_door_t *self);

//  Next request, or null (*more: something came that was refused; go on). Refusals are answered where there is
//  somebody to answer.
kith_msg_t *kith_door_recv (kith_door_t *self, int64_t now_us, bool *more);

//  Sends to a client: OK (taken), BUSY, or UNREACHABLE: no such client came through here.
kith_end_t kith_door_send (kith_door_t *self, kith_msg_t **msg_p, int64_t now_us);

//  Descriptors to wait for: fds [0 .. count - 1]; the place of one that became readable is told by kith_door_heard, and only then
//  recv looks there again.
size_t kith_door_fds (const kith_door_t *self, int fds [2]);
void kith_door_heard (kith_door_t *self, size_t place);

//  True if recv is to be called before waiting: the descriptor tells of changes only, and one may have passed unseen
//  while the socket was used to send.
bool kith_door_ready (const kith_door_t *self);

//  Messages that were refused.
uint64_t kith_door_refused (const kith_door_t *self);

#endif
