//  link.h - the socket of a client: a DEALER connected to one or several proxies, and what happens to it
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_LINK_H
#define KITH_LINK_H

#include "codecs/msg.h"

typedef struct kith_link kith_link_t;

//  Connects in the background. context: ZeroMQ context to share; null: its own. Null: an endpoint means nothing.
kith_link_t *kith_link_new (const char *endpoints, void *context, kith_error_t *error);
void kith_link_destroy (kith_link_t **self_p);

//  Sends a message whole. False: no connection takes it now.
bool kith_link_send (kith_link_t *self, const kith_msg_t *msg, int64_t now_us);

//  Next message that has come; null: none. What means nothing is dropped (trouble says why).
kith_msg_t *kith_link_recv (kith_link_t *self, int64_t now_us);

//  Waits for something to happen: a message, a change of a connection, or (writable) room to send.
void kith_link_wait (kith_link_t *self, int timeout_ms, bool writable);

//  Takes note of connections made and lost; returns how many were lost.
uint32_t kith_link_watch (kith_link_t *self);

//  True while a connection is up (always for inproc). trouble: what happened last on the way to one.
bool kith_link_connected (const kith_link_t *self);
const char *kith_link_trouble (const kith_link_t *self);
const char *kith_link_endpoints (const kith_link_t *self);
uint32_t kith_link_count (const kith_link_t *self);
int kith_link_fd (const kith_link_t *self);

#endif
