//  fake_proxy.h - a proxy that answers from a script, on a thread of its own
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FAKE_PROXY_H
#define KITH_FAKE_PROXY_H

#include "codecs/msg.h"

typedef struct fake_proxy fake_proxy_t;

//  Called for each message that comes. The script may answer now, or keep the request and answer later (in idle).
typedef void (fake_script_fn) (void *arg, fake_proxy_t *proxy, kith_msg_t **request_p);

//  Called when nothing came for 20 ms; may be null.
typedef void (fake_idle_fn) (void *arg, fake_proxy_t *proxy);

//  endpoint null: a free port of loopback.
fake_proxy_t *fake_proxy_new (const char *endpoint, fake_script_fn *script,
                              fake_idle_fn *idle, void *arg);
void fake_proxy_destroy (fake_proxy_t **self_p);

//  Where it listens.
const char *fake_proxy_endpoint (const fake_proxy_t *self);

//  For scripts: sends an answer (taken) to who sent the request (kept).
void
fake_proxy_answer (fake_proxy_t *self, const kith_msg_t *request, kith_msg_t **answer_p);
void fake_proxy_fail (fake_proxy_t *self, const kith_msg_t *request, kith_code_t code);

#endif
