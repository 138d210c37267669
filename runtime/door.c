//  door - a proxy's endpoint for clients, owned by the proxy's loop
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/door.h"
#include <zmq.h>

#define CLIENTS_MAX                                                                      \
    16384    //  known at once; the one that was silent longest is forgotten first
#define QUEUE_MAX 1000    //  messages of one client that wait in ZeroMQ

//  A client that spoke
typedef struct s_client {
    uint64_t incarnation;    //  its key
    kith_wire_id_t id;
    size_t socket;    //  which of the two
    struct s_client *older;
    struct s_client *newer;
} s_client_t;

struct kith_door {
    zsock_t *sockets [2];    //  endpoint (may be null), inproc
    bool readable [2];       //  there may be something to receive
    bool tcp;                //  the endpoint is
    kith_address_t owner;
    char *endpoint;
    char *inproc;
    zhashx_t *clients;    //  incarnation -> s_client_t
    s_client_t *oldest;
    s_client_t *newest;
    uint64_t refused;
};

static size_t
s_hash (const void *key)
{
    return (size_t) (*(const uint64_t *) key * 0x9e3779b97f4a7c15u >> 11);
}

static int
s_compare (const void *left, const void *right)
{
    uint64_t one = *(const uint64_t *) left;
    uint64_t other = *(const uint64_t *) right;
    return one < other ? -1 : one > other;
}

static zsock_t *
s_bind (const char *endpoint, kith_error_t *error)
{
    zsock_t *socket = zsock_new (ZMQ_ROUTER);
    if (!socket) {
        kith_error_set (error, KITH_ERR_NO_MEMORY, "no socket for %s", endpoint);
        return NULL;
    }
    kith_wire_options (socket, QUEUE_MAX, 200);
    zsock_set_router_mandatory (socket, 1);
    //  A client that names itself and comes back takes its name from the dead connection
    zsock_set_router_handover (socket, 1);
    if (zsock_bind (socket, "%s", endpoint) != -1)
        return socket;
    int why = zmq_errno ();
    zsock_destroy (&socket);
    kith_error_set (error, KITH_ERR_IO, "cannot listen on %s: %s", endpoint,
                    zmq_strerror (why));
    if (why == EADDRINUSE)
        kith_error_hint (error,
                         "another program has that port; is Kith running already?");
    return NULL;
}

kith_door_t *
kith_door_new (const char *endpoint, const char *inproc, kith_address_t owner,
               kith_error_t *error)
{
    assert (endpoint && inproc);
    kith_door_t *self = kith_new (sizeof *self);
    self->owner = owner;
    self->tcp = kith_wire_is (endpoint, "tcp");
    self->clients = zhashx_new ();
    zhashx_set_key_hasher (self->clients, s_hash);
    zhashx_set_key_comparator (self->clients, s_compare);
    zhashx_set_key_duplicator (self->clients, NULL);
    zhashx_set_key_destructor (self->clients, NULL);
    bool bound = true;
    if (*endpoint) {
        self->sockets [0] = s_bind (endpoint, error);
        bound = self->sockets [0] != NULL;
    }
    if (bound) {
        self->sockets [1] = s_bind (inproc, error);
        bound = self->sockets [1] != NULL;
    }
    self->readable [0] = self->sockets [0] != NULL;
    self->readable [1] = true;
    if (!bound) {
        kith_door_destroy (&self);
        return NULL;
    }
    self->endpoint =
        kith_strdup (self->sockets [0] ? zsock_endpoint (self->sockets [0]) : "");
    self->inproc = kith_strdup (inproc);
    return self;
}

void
kith_door_destroy (kith_door_t **self_p)
{
    assert (self_p);
    kith_door_t *self = *self_p;
    if (!self)
        return;
    kith_wire_unbind (&self->sockets [0]);
    kith_wire_unbind (&self->sockets [1]);
    while (self->oldest) {
        s_client_t *client = self->oldest;
        self->oldest = client->newer;
        free (client);
    }
    zhashx_destroy (&self->clients);
    free (self->endpoint);
    free (self->inproc);
    free (self);
    *self_p = NULL;
}

const char *
kith_door_endpoint (const kith_door_t *self)
{
    return self->endpoint;
}

const char *
kith_door_inproc (const kith_door_t *self)
{
    return self->inproc;
}

kith_address_t
kith_door_owner (const kith_door_t *self)
{
    return self->owner;
}

//  --------------------------------------------------------------------------
//  Clients, by age of their last message

static void
s_unlink (kith_door_t *self, s_client_t *client)
{
    if (client->older)
        client->older->newer = client->newer;
    else
        self->oldest = client->newer;
    if (client->newer)
        client->newer->older = client->older;
    else
        self->newest = client->older;
}

static void
s_link (kith_door_t *self, s_client_t *client)
{
    client->older = self->newest;
    client->newer = NULL;
    if (self->newest)
        self->newest->newer = client;
    else
        self->oldest = client;
    self->newest = client;
}

static void
s_forget (kith_door_t *self, s_client_t *client)
{
    s_unlink (self, client);
    zhashx_delete (self->clients, &client->incarnation);
    free (client);
}

static void
s_learn (kith_door_t *self, uint64_t incarnation, const kith_wire_id_t *id, size_t socket)
{
    s_client_t *client = zhashx_lookup (self->clients, &incarnation);
    if (client)
        s_unlink (self, client);
    else {
        if (zhashx_size (self->clients) >= CLIENTS_MAX)
            s_forget (self, self->oldest);
        client = kith_new (sizeof *client);
        client->incarnation = incarnation;
        zhashx_insert (self->clients, &client->incarnation, client);
    }
    s_link (self, client);
    client->socket = socket;
    client->id.size = id->size;
    memcpy (client->id.data, id->data, id->size);
}

//  --------------------------------------------------------------------------
//  Messages

//  What a client may not do, or null
static const char *
s_fault (const kith_door_t *self, const kith_msg_t *msg)
{
    if (msg->from.role != KITH_ROLE_CLIENT || msg->from.index != 0)
        return "only clients may speak here";
    if (msg->from.incarnation == 0)
        return "a client has an incarnation";
    if (msg->to.role != self->owner.role)
        return "clients may speak to the proxy only";
    if (msg->answer)
        return "a client has nothing to answer";
    return NULL;
}

static void
s_refuse (kith_door_t *self, size_t socket, const kith_wire_id_t *id,
          const kith_msg_t *msg, const kith_error_t *error)
{
    self->refused++;
    if (!msg || msg->request == 0 || msg->answer)
        return;
    kith_msg_t *answer = kith_msg_failed (error);
    answer->answer = true;
    answer->request = msg->request;
    answer->from = self->owner;
    answer->to = msg->from;
    answer->hops = msg->hops;
    kith_wire_send (self->sockets [socket], id, answer, 0, self->tcp && socket == 0);
    kith_msg_destroy (&answer);
}

//  A message that does not decode: its envelope may still say who asked what
static void
s_refuse_parcel (kith_door_t *self, size_t socket, const kith_wire_id_t *id,
                 const kith_frame_t *envelope, const kith_error_t *error)
{
    kith_arena_t arena = {0};
    const kith_proto_envelope_t *head =
        kith_codec_unpack (&kith_proto_envelope_table, kith_frame_data (envelope),
                           kith_frame_size (envelope), &arena, NULL);
    kith_msg_t asked = {.from = {.role = KITH_ROLE_CLIENT}};
    if (head && head->from.role == KITH_ROLE_CLIENT) {
        asked.from.incarnation = head->from.incarnation;
        asked.request = head->request;
    }
    s_refuse (self, socket, id, &asked, error);
    kith_arena_free (&arena);
}

static kith_msg_t *
s_recv (kith_door_t *self, size_t socket, int64_t now_us, bool *more)
{
    kith_wire_id_t id;
    kith_parcel_t *parcel = kith_wire_recv (self->sockets [socket], &id, more);
    if (!parcel) {
        self->refused += *more;
        return NULL;
    }
    parcel->crc_required = self->tcp && socket == 0;
    parcel->hops = 1;
    kith_frame_t *envelope = kith_frame_share (parcel->parts [0]);
    kith_error_t error;
    kith_msg_t *msg = kith_parcel_open (&parcel, now_us, &error);
    const char *fault = msg ? s_fault (self, msg) : NULL;
    if (!msg)
        s_refuse_parcel (self, socket, &id, envelope, &error);
    else if (fault) {
        kith_error_set (&error, KITH_ERR_PROTOCOL, "%s", fault);
        s_refuse (self, socket, &id, msg, &error);
        kith_msg_destroy (&msg);
    }
    else {
        s_learn (self, msg->from.incarnation, &id, socket);
        //  Which proxy a balancer chose is no business of the client's
        msg->to.index = self->owner.index;
    }
    kith_frame_destroy (&envelope);
    return msg;
}

kith_msg_t *
kith_door_recv (kith_door_t *self, int64_t now_us, bool *more)
{
    assert (self && more);
    bool any = false;
    for (size_t socket = 0; socket < 2; socket++) {
        *more = false;
        if (!self->sockets [socket] || !self->readable [socket])
            continue;
        kith_msg_t *msg = s_recv (self, socket, now_us, more);
        if (msg)
            return msg;
        self->readable [socket] = *more;
        any = any || *more;
    }
    *more = any;
    return NULL;
}

kith_end_t
kith_door_send (kith_door_t *self, kith_msg_t **msg_p, int64_t now_us)
{
    assert (msg_p && *msg_p);
    kith_msg_t *msg = *msg_p;
    s_client_t *client = zhashx_lookup (self->clients, &msg->to.incarnation);
    if (!client)
        return KITH_END_UNREACHABLE;
    int why = kith_wire_send (self->sockets [client->socket], &client->id, msg, now_us,
                              self->tcp && client->socket == 0);
    self->readable [client->socket] = true;
    if (why == EAGAIN)
        return KITH_END_BUSY;
    if (why) {
        s_forget (self, client);
        return KITH_END_UNREACHABLE;
    }
    kith_msg_destroy (msg_p);
    return KITH_END_OK;
}

size_t
kith_door_fds (const kith_door_t *self, int fds [2])
{
    size_t count = 0;
    for (size_t socket = 0; socket < 2; socket++)
        if (self->sockets [socket])
            fds [count++] = (int) zsock_fd (self->sockets [socket]);
    return count;
}

void
kith_door_heard (kith_door_t *self, size_t place)
{
    //  Without an endpoint the inproc socket is the only one
    self->readable [self->sockets [0] ? place : 1] = true;
}

bool
kith_door_ready (const kith_door_t *self)
{
    return self->readable [0] || self->readable [1];
}

uint64_t
kith_door_refused (const kith_door_t *self)
{
    return self->refused;
}
