//  echo.c - a bare ZeroMQ request and answer over tcp: what the transport costs by itself
//  SPDX-License-Identifier: Apache-2.0
#include "tests/claims/echo.h"
#include <pthread.h>
#include <stdbool.h>
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
    bool ends = false;
    while (!ends) {
        zmq_msg_t message;
        zmq_msg_init (&message);
        if (zmq_msg_recv (&message, self->answerer, 0) < 0)
            abort ();
        const bool more = zmq_msg_more (&message);
        ends = !more && zmq_msg_size (&message) == 0;
        if (zmq_msg_send (&message, self->answerer, more ? ZMQ_SNDMORE : 0) < 0)
            abort ();
    }
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
