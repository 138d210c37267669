//  fake_proxy.c - a proxy that answers from a script, on a thread of its own
//  SPDX-License-Identifier: Apache-2.0
#include "tests/unit/clients/fake_proxy.h"

#include <pthread.h>
#include <unistd.h>
#include <zmq.h>

#define IDLE_MS 20
#define ROUTES_MAX 64

struct fake_proxy {
    void *context;
    void *router;
    void *control;    //  PAIR: a message ends the thread
    void *control_peer;
    pthread_t thread;
    char endpoint [256];
    fake_script_fn *script;
    fake_idle_fn *idle;
    void *arg;
    uint8_t ids [ROUTES_MAX][256];    //  routing ids, by the client's incarnation
    size_t id_sizes [ROUTES_MAX];
    uint64_t incarnations [ROUTES_MAX];
    uint32_t routes;
};

static void
s_remember (fake_proxy_t *self, uint64_t incarnation, const void *id, size_t size)
{
    uint32_t route = 0;
    while (route < self->routes && self->incarnations [route] != incarnation)
        route++;
    assert (route < ROUTES_MAX && size <= 256);
    self->incarnations [route] = incarnation;
    memcpy (self->ids [route], id, size);
    self->id_sizes [route] = size;
    if (route == self->routes)
        self->routes++;
}

static void
s_receive (fake_proxy_t *self)
{
    kith_frame_t *parts [KITH_FRAMES_MAX + 2];
    uint32_t count = 0;
    uint8_t id [256];
    int id_size = zmq_recv (self->router, id, sizeof id, 0);
    assert (id_size > 0);
    int more = 1;
    size_t more_size = sizeof more;
    while (more) {
        zmq_msg_t part;
        zmq_msg_init (&part);
        int size = zmq_msg_recv (&part, self->router, 0);
        assert (size >= 0 && count < KITH_FRAMES_MAX + 2);
        kith_frame_t *frame = kith_frame_new ((size_t) size);
        if (size)
            memcpy (kith_frame_fill (frame), zmq_msg_data (&part), (size_t) size);
        parts [count++] = frame;
        zmq_msg_close (&part);
        zmq_getsockopt (self->router, ZMQ_RCVMORE, &more, &more_size);
    }
    kith_error_t error = {0};
    kith_msg_t *request = kith_msg_decode (parts, count, 1000000, true, &error);
    if (!request)
        fprintf (stderr, "fake proxy: %s\n", error.message);
    assert (request);
    for (uint32_t index = 0; index < count; index++)
        kith_frame_destroy (&parts [index]);
    s_remember (self, request->from.incarnation, id, (size_t) id_size);
    self->script (self->arg, self, &request);
    kith_msg_destroy (&request);
}

static void *
s_run (void *arg)
{
    fake_proxy_t *self = arg;
    zmq_pollitem_t items [] = {{.socket = self->router, .events = ZMQ_POLLIN},
                               {.socket = self->control, .events = ZMQ_POLLIN}};
    for (;;) {
        int ready = zmq_poll (items, 2, IDLE_MS);
        if (items [1].revents)
            return NULL;
        if (items [0].revents)
            s_receive (self);
        else if (ready == 0 && self->idle)
            self->idle (self->arg, self);
    }
}

fake_proxy_t *
fake_proxy_new (const char *endpoint, fake_script_fn *script, fake_idle_fn *idle,
                void *arg)
{
    fake_proxy_t *self = kith_new (sizeof *self);
    self->script = script;
    self->idle = idle;
    self->arg = arg;
    self->context = zmq_ctx_new ();
    self->router = zmq_socket (self->context, ZMQ_ROUTER);
    self->control = zmq_socket (self->context, ZMQ_PAIR);
    self->control_peer = zmq_socket (self->context, ZMQ_PAIR);
    int linger = 0;
    zmq_setsockopt (self->router, ZMQ_LINGER, &linger, sizeof linger);
    int bound = zmq_bind (self->router, endpoint ? endpoint : "tcp://127.0.0.1:*");
    assert (bound == 0);
    size_t size = sizeof self->endpoint;
    zmq_getsockopt (self->router, ZMQ_LAST_ENDPOINT, self->endpoint, &size);
    zmq_bind (self->control, "inproc://control");
    zmq_connect (self->control_peer, "inproc://control");
    int started = pthread_create (&self->thread, NULL, s_run, self);
    assert (started == 0);
    return self;
}

void
fake_proxy_destroy (fake_proxy_t **self_p)
{
    fake_proxy_t *self = *self_p;
    if (!self)
        return;
    zmq_send (self->control_peer, "", 0, 0);
    pthread_join (self->thread, NULL);
    zmq_close (self->router);
    zmq_close (self->control);
    zmq_close (self->control_peer);
    zmq_ctx_term (self->context);
    free (self);
    *self_p = NULL;
}

const char *
fake_proxy_endpoint (const fake_proxy_t *self)
{
    return self->endpoint;
}

void
fake_proxy_answer (fake_proxy_t *self, const kith_msg_t *request, kith_msg_t **answer_p)
{
    kith_msg_t *answer = *answer_p;
    *answer_p = NULL;
    answer->from = request->to;
    answer->to = request->from;
    answer->request = request->request;
    answer->answer = true;
    kith_frame_t *parts [KITH_FRAMES_MAX + 2];
    uint32_t count = 0, route = 0;
    kith_msg_encode (answer, 0, true, parts, &count);
    while (route < self->routes
           && self->incarnations [route] != request->from.incarnation)
        route++;
    assert (route < self->routes);
    zmq_send (self->router, self->ids [route], self->id_sizes [route], ZMQ_SNDMORE);
    for (uint32_t index = 0; index < count; index++) {
        zmq_send (self->router, kith_frame_data (parts [index]),
                  kith_frame_size (parts [index]), index + 1 < count ? ZMQ_SNDMORE : 0);
        kith_frame_destroy (&parts [index]);
    }
    kith_msg_destroy (&answer);
}

void
fake_proxy_fail (fake_proxy_t *self, const kith_msg_t *request, kith_code_t code)
{
    kith_error_t error;
    kith_error_set (&error, code, "the script says %s", kith_code_name (code));
    kith_msg_t *answer = kith_msg_failed (&error);
    fake_proxy_answer (self, request, &answer);
}
