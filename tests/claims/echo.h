//  echo.h - a bare ZeroMQ request and answer over tcp: what the transport costs by itself
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CLAIMS_ECHO_H
#define KITH_CLAIMS_ECHO_H

#include <stddef.h>

typedef struct echo echo_t;

//  A ROUTER in a thread sends back what a DEALER asks, each by a ZeroMQ context of its own, as two processes have. Aborts without memory,
//  thread or socket.
echo_t *echo_new (void);
void echo_destroy (echo_t **self_p);

//  Sends so many bytes and waits until they are back.
void echo_ask (echo_t *self, const void *data, size_t bytes);

#endif
