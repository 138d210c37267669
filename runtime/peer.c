//  peer - a loop's way to another process: a DEALER that only sends
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/peer.h"

#define QUEUE_MAX 4096     //  messages in ZeroMQ
#define WAITING_MAX 256    //  messages that wait here
#define WAIT_US 1000000    //  so long
#define RETRY_US 2000      //  between two tries
#define GONE_US                                                                          \
    1000000    //  nothing sent for so long: the peer is not there, rather than busy

typedef struct {
    kith_msg_t *msg;
    int64_t until_us;
} s_waiting_t;

struct kith_peer {
    zsock_t *socket;
    bool tcp;
    kith_peer_refuse_fn *refuse;
    void *arg;                            //  of refuse
    s_waiting_t waiting [WAITING_MAX];    //  ring
    size_t first;
    size_t count;
    int64_t sent_us;    //  the last time that a message went out
    bool blocked;       //  the last one did not
};

kith_peer_t *
kith_peer_new (const char *endpoint, kith_peer_refuse_fn *refuse, void *arg)
{
    assert (endpoint && refuse);
    kith_peer_t *self = kith_new (sizeof *self);
    self->socket = zsock_new (ZMQ_DEALER);
    assert (self->socket);
    kith_wire_options (self->socket, QUEUE_MAX, 200);
    int rc = zsock_connect (self->socket, "%s", endpoint);
    assert (rc == 0);
    self->tcp = kith_wire_is (endpoint, "tcp");
    self->refuse = refuse;
    self->arg = arg;
    self->blocked = true;
    return self;
}

static kith_msg_t *
s_pop (kith_peer_t *self)
{
    kith_msg_t *msg = self->waiting [self->first].msg;
    self->first = (self->first + 1) % WAITING_MAX;
    self->count--;
    return msg;
}

void
kith_peer_destroy (kith_peer_t **self_p)
{
    assert (self_p);
    kith_peer_t *self = *self_p;
    if (!self)
        return;
    while (self->count) {
        kith_msg_t *msg = s_pop (self);
        self->refuse (self->arg, &msg, KITH_END_UNREACHABLE);
    }
    zsock_destroy (&self->socket);
    free (self);
    *self_p = NULL;
}

bool
kith_peer_is_tcp (const kith_peer_t *self)
{
    return self->tcp;
}

static kith_end_t
s_gone (const kith_peer_t *self, int64_t now_us)
{
    return now_us - self->sent_us > GONE_US ? KITH_END_UNREACHABLE : KITH_END_BUSY;
}

static bool
s_send (kith_peer_t *self, kith_msg_t **msg_p, int64_t now_us)
{
    //  Asked first, so that a message is not encoded in vain
    if (self->blocked && !(zsock_events (self->socket) & ZMQ_POLLOUT))
        return false;
    self->blocked = kith_wire_send (self->socket, NULL, *msg_p, now_us, self->tcp) != 0;
    if (self->blocked)
        return false;
    kith_msg_destroy (msg_p);
    self->sent_us = now_us;
    return true;
}

kith_end_t
kith_peer_send (kith_peer_t *self, kith_msg_t **msg_p, int64_t now_us)
{
    assert (msg_p && *msg_p);
    if (self->count == 0 && s_send (self, msg_p, now_us))
        return KITH_END_OK;
    if (self->count == WAITING_MAX)
        return s_gone (self, now_us);
    size_t place = (self->first + self->count++) % WAITING_MAX;
    self->waiting [place] = (s_waiting_t){*msg_p, now_us + WAIT_US};
    *msg_p = NULL;
    return KITH_END_OK;
}

int64_t
kith_peer_flush (kith_peer_t *self, int64_t now_us)
{
    while (self->count) {
        s_waiting_t *waiting = &self->waiting [self->first];
        if (s_send (self, &waiting->msg, now_us))
            s_pop (self);
        else if (waiting->until_us <= now_us) {
            kith_end_t end = s_gone (self, now_us);
            kith_msg_t *msg = s_pop (self);
            self->refuse (self->arg, &msg, end);
        }
        else
            return now_us + RETRY_US;
    }
    return INT64_MAX;
}
