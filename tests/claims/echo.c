//  echo.c - a bare ZeroMQ request and answer over tcp: what the transport costs by itself
//  SPDX-License-Identifier: Apache-2.0
#include "tests/claims/echo.h"
#include "tests/claims/ring.h"
#include <pthread.h>
#include <stdlib.h>
#include <zmq.h>

struct echo {
    void *contexts [2];    //  of the one who asks and of the one who answers
    void *asker, *answerer;
    pthread_t thread;
};

//  An empty request ends the thread
static void *
s_answer (void *arg)
{
    echo_t *self = arg;
    ring_hand_on (self->answerer, self->answerer);
    return NULL;
}

static void *
s_socket (echo_t *self, size_t whose, int type)
{
    const int none = 0;
    self->contexts [whose] = zmq_ctx_new ();
    void *socket =
        self->contexts [whose] ? zmq_socket (self->contexts [whose], type) : NULL;
    if (!socket || zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none) != 0)
        abort ();
    return socket;
}

echo_t *
echo_new (void)
{
    echo_t *self = calloc (1, sizeof *self);
    if (!self)
        abort ();
    self->asker = s_socket (self, 0, ZMQ_DEALER);
    self->answerer = s_socket (self, 1, ZMQ_ROUTER);
    char endpoint [128];
    size_t size = sizeof endpoint;
    if (zmq_bind (self->answerer, "tcp://127.0.0.1:*") != 0
        || zmq_getsockopt (self->answerer, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0
        || zmq_connect (self->asker, endpoint) != 0
        || pthread_create (&self->thread, NULL, s_answer, self) != 0)
        abort ();
    return self;
}

void
echo_destroy (echo_t **self_p)
{
    echo_t *self = *self_p;
    if (!self)
        return;
    echo_ask (self, "", 0);
    pthread_join (self->thread, NULL);
    zmq_close (self->asker);
    zmq_close (self->answerer);
    for (size_t whose = 0; whose < 2; whose++)
        zmq_ctx_term (self->contexts [whose]);
    free (self);
    *self_p = NULL;
}

void
echo_ask (echo_t *self, const void *data, size_t bytes)
{
    char back [4096];
    if (zmq_send (self->asker, data, bytes, 0) < 0
        || zmq_recv (self->asker, back, sizeof back, 0) != (int) bytes)
        abort ();
}
