//  exchange - the endpoint of a process: hands what comes from other processes to the loops it is for
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/exchange.h"
#include <pthread.h>
#include <stdatomic.h>
#include <zmq.h>

#define QUEUE_MAX 4096    //  messages of one connection that wait in ZeroMQ

struct kith_exchange {
    zsock_t *router;    //  the thread's, once it runs
    zactor_t *thread;
    bool tcp;
    kith_exchange_fn *fn;
    void *arg;    //  of fn
    char *endpoint;
    _Atomic uint64_t dropped;
};

//  True if there may be more
static bool
s_forward (kith_exchange_t *self)
{
    kith_wire_id_t id;
    bool more = false;
    kith_parcel_t *parcel = kith_wire_recv (self->router, &id, &more);
    if (!parcel) {
        self->dropped += more;
        return more;
    }
    parcel->crc_required = self->tcp;
    //  Into this thread, and out of it
    parcel->hops = 2;
    kith_address_t from;
    kith_address_t to;
    if (kith_parcel_peek (parcel, &from, &to) != 0 || from.role == KITH_ROLE_CLIENT
        || self->fn (self->arg, to, &parcel) != 0) {
        atomic_fetch_add (&self->dropped, 1);
        kith_parcel_destroy (&parcel);
    }
    return true;
}

static void
s_run (zsock_t *pipe, void *arg)
{
    kith_exchange_t *self = arg;
    pthread_setname_np (pthread_self (), "kith-exchange");
    zsock_signal (pipe, 0);
    zmq_pollitem_t items [] = {{zsock_resolve (pipe), 0, ZMQ_POLLIN, 0},
                               {zsock_resolve (self->router), 0, ZMQ_POLLIN, 0}};
    //  The pipe speaks once: at the end
    while (zmq_poll (items, 2, -1) != -1 && !(items [0].revents & ZMQ_POLLIN))
        while (s_forward (self))
            continue;
}

kith_exchange_t *
kith_exchange_new (const char *endpoint, kith_exchange_fn *fn, void *arg,
                   kith_error_t *error)
{
    assert (endpoint && fn);
    kith_exchange_t *self = kith_new (sizeof *self);
    self->fn = fn;
    self->arg = arg;
    self->tcp = kith_wire_is (endpoint, "tcp");
    self->router = zsock_new (ZMQ_ROUTER);
    assert (self->router);
    kith_wire_options (self->router, QUEUE_MAX, 0);
    if (zsock_bind (self->router, "%s", endpoint) == -1) {
        int why = zmq_errno ();
        kith_error_set (error, KITH_ERR_IO, "cannot bind the exchange to %s: %s",
                        endpoint, zmq_strerror (why));
        if (why == EADDRINUSE)
            kith_error_hint (
                error, "another program has that port; is this process running already?");
        kith_exchange_destroy (&self);
        return NULL;
    }
    self->endpoint = kith_strdup (zsock_endpoint (self->router));
    self->thread = zactor_new (s_run, self);
    assert (self->thread);
    return self;
}

void
kith_exchange_destroy (kith_exchange_t **self_p)
{
    assert (self_p);
    kith_exchange_t *self = *self_p;
    if (!self)
        return;
    zactor_destroy (&self->thread);
    kith_wire_unbind (&self->router);
    free (self->endpoint);
    free (self);
    *self_p = NULL;
}

const char *
kith_exchange_endpoint (const kith_exchange_t *self)
{
    return self->endpoint;
}

uint64_t
kith_exchange_dropped (const kith_exchange_t *self)
{
    return atomic_load (&self->dropped);
}
