//  ring - a bare ZeroMQ ring: what as many hops between threads cost by themselves
//  SPDX-License-Identifier: Apache-2.0
#include "tests/claims/ring.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    HOPS_MAX = 64,
    HEAD_BYTES = 40    //  about an envelope of Kith
};

typedef struct {
    void *in;
    void *out;
    pthread_t thread;
} s_stage_t;

struct ring {
    void *out;    //  to the first stage
    void *in;     //  from the last one
    size_t stages;
    s_stage_t stage [HOPS_MAX];
};

void
ring_hand_on (void *in, void *out)
{
    bool ends = false;
    while (!ends) {
        zmq_msg_t message;
        zmq_msg_init (&message);
        if (zmq_msg_recv (&message, in, 0) < 0) {
            zmq_msg_close (&message);
            break;
        }
        int more = zmq_msg_more (&message);
        ends = !more && zmq_msg_size (&message) == 0;
        if (zmq_msg_send (&message, out, more ? ZMQ_SNDMORE : 0) < 0) {
            zmq_msg_close (&message);
            break;
        }
    }
}

static void *
s_stage (void *arg)
{
    s_stage_t *stage = arg;
    ring_hand_on (stage->in, stage->out);
    return NULL;
}

static void *
s_socket (void *context, const ring_t *self, size_t place, bool bind)
{
    char name [64];
    int none = 0;
    void *socket = zmq_socket (context, ZMQ_PAIR);
    snprintf (name, sizeof name, "inproc://ring-%p-%zu", (const void *) self, place);
    zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none);
    if (socket && (bind ? zmq_bind (socket, name) : zmq_connect (socket, name)) != 0) {
        zmq_close (socket);
        return NULL;
    }
    return socket;
}

ring_t *
ring_new (void *context, size_t hops)
{
    ring_t *self = calloc (1, sizeof *self);
    if (!self || hops < 2 || hops > HOPS_MAX)
        abort ();
    self->in = s_socket (context, self, hops - 1, true);
    for (size_t i = hops - 1; i-- > 0;) {
        s_stage_t *stage = &self->stage [i];
        stage->in = s_socket (context, self, i, true);
        stage->out = s_socket (context, self, i + 1, false);
        if (!stage->in || !stage->out
            || pthread_create (&stage->thread, NULL, s_stage, stage) != 0)
            abort ();
        self->stages++;
    }
    self->out = s_socket (context, self, 0, false);
    if (!self->in || !self->out)
        abort ();
    return self;
}

void
ring_destroy (ring_t **self_p)
{
    ring_t *self = *self_p;
    if (!self)
        return;
    zmq_send (self->out, "", 0, 0);
    for (size_t i = 0; i < self->stages; i++) {
        pthread_join (self->stage [i].thread, NULL);
        zmq_close (self->stage [i].in);
        zmq_close (self->stage [i].out);
    }
    zmq_close (self->in);
    zmq_close (self->out);
    free (self);
    *self_p = NULL;
}

void
ring_send (ring_t *self)
{
    char head [HEAD_BYTES];
    memset (head, 'x', sizeof head);
    zmq_send (self->out, head, sizeof head, ZMQ_SNDMORE);
    zmq_send (self->out, head, sizeof head, 0);
}

void
ring_recv (ring_t *self)
{
    char part [HEAD_BYTES];
    int more = 1;
    while (more) {
        size_t size = sizeof more;
        if (zmq_recv (self->in, part, sizeof part, 0) < 0)
            abort ();
        zmq_getsockopt (self->in, ZMQ_RCVMORE, &more, &size);
    }
}
