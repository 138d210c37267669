//  wire - whole messages through ZeroMQ sockets, and the options that every socket gets
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/wire.h"
#include <zmq.h>

#define COPY_BYTES_MAX                                                                   \
    4096    //  smaller frames are copied: cheaper than to share them, and aligned
#define HEARTBEAT_MS 2000
#define HEARTBEAT_TIMEOUT_MS 8000
#define HANDSHAKE_MS 3000
#define UNBIND_MS 1000    //  the I/O thread closes a listener within that

void
kith_wire_options (zsock_t *socket, int queue_max, int linger_ms)
{
    zsock_set_sndhwm (socket, queue_max);
    zsock_set_rcvhwm (socket, queue_max);
    zsock_set_linger (socket, linger_ms);
    zsock_set_sndtimeo (socket, 0);
    zsock_set_immediate (socket, 1);
    zsock_set_maxmsgsize (socket, (int) KITH_MESSAGE_BYTES_MAX);
    zsock_set_handshake_ivl (socket, HANDSHAKE_MS);
    zsock_set_heartbeat_ivl (socket, HEARTBEAT_MS);
    zsock_set_heartbeat_timeout (socket, HEARTBEAT_TIMEOUT_MS);
    zsock_set_heartbeat_ttl (socket, HEARTBEAT_TIMEOUT_MS);
    zsock_set_reconnect_ivl (socket, 50);
    zsock_set_reconnect_ivl_max (socket, 1000);
}

bool
kith_wire_is (const char *endpoint, const char *transport)
{
    size_t size = strlen (transport);
    return strncmp (endpoint, transport, size) == 0
           && strncmp (endpoint + size, "://", 3) == 0;
}

//  The I/O thread says when it has closed the listener
static void
s_await_closed (zsock_t *socket, const char *endpoint)
{
    char name [48];
    snprintf (name, sizeof name, "inproc://kith-unbind-%p", (void *) socket);
    if (zmq_socket_monitor (zsock_resolve (socket), name, ZMQ_EVENT_CLOSED) != 0)
        return;
    zsock_t *events = zsock_new (ZMQ_PAIR);
    if (events && zsock_connect (events, "%s", name) == 0
        && zsock_unbind (socket, "%s", endpoint) == 0) {
        zmq_pollitem_t item = {zsock_resolve (events), 0, ZMQ_POLLIN, 0};
        zmq_poll (&item, 1, UNBIND_MS);
    }
    zmq_socket_monitor (zsock_resolve (socket), NULL, 0);
    zsock_destroy (&events);
}

void
kith_wire_unbind (zsock_t **socket_p)
{
    if (!*socket_p)
        return;
    char *endpoint =
        kith_strdup (zsock_endpoint (*socket_p) ? zsock_endpoint (*socket_p) : "");
    if (kith_wire_is (endpoint, "inproc"))
        zsock_unbind (*socket_p, "%s", endpoint);
    else if (*endpoint)
        s_await_closed (*socket_p, endpoint);
    free (endpoint);
    zsock_destroy (socket_p);
}

//  --------------------------------------------------------------------------
//  Receiving

static void
s_free_part (void *data, void *arg)
{
    (void) data;
    zmq_msg_t *part = arg;
    zmq_msg_close (part);
    free (part);
}

//  Takes the content of part (closed or moved from)
static kith_frame_t *
s_frame (zmq_msg_t *part)
{
    size_t size = zmq_msg_size (part);
    kith_frame_t *frame;
    if (size <= COPY_BYTES_MAX) {
        frame = kith_frame_new (size);
        if (size)
            memcpy (kith_frame_fill (frame), zmq_msg_data (part), size);
        zmq_msg_close (part);
        return frame;
    }
    zmq_msg_t *kept = kith_new (sizeof *kept);
    zmq_msg_init (kept);
    zmq_msg_move (kept, part);
    zmq_msg_close (part);
    return kith_frame_wrap (zmq_msg_data (kept), size, s_free_part, kept);
}

//  Part of a message whose first part has come: it is all there
static bool
s_next (void *handle, zmq_msg_t *part)
{
    zmq_msg_init (part);
    return zmq_msg_recv (part, handle, ZMQ_DONTWAIT) != -1;
}

static bool
s_take_id (void *handle, kith_wire_id_t *id, bool *more)
{
    zmq_msg_t part;
    *more = s_next (handle, &part);
    if (!*more) {
        zmq_msg_close (&part);
        return false;
    }
    size_t size = zmq_msg_size (&part);
    bool follows = zmq_msg_more (&part);
    id->size = size <= sizeof id->data ? (uint8_t) size : 0;
    memcpy (id->data, zmq_msg_data (&part), id->size);
    zmq_msg_close (&part);
    return follows;
}

kith_parcel_t *
kith_wire_recv (zsock_t *socket, kith_wire_id_t *id, bool *more)
{
    assert (socket && more);
    void *handle = zsock_resolve (socket);
    if (id && !s_take_id (handle, id, more))
        return NULL;
    kith_frame_t *parts [KITH_FRAMES_MAX + 2];
    uint32_t count = 0;
    uint64_t bytes = 0;
    bool good = true;
    bool follows = true;
    while (follows) {
        zmq_msg_t part;
        if (!s_next (handle, &part)) {
            zmq_msg_close (&part);
            *more = id != NULL;
            good = false;
            break;
        }
        *more = true;
        follows = zmq_msg_more (&part);
        bytes += zmq_msg_size (&part);
        good = good && count < KITH_FRAMES_MAX + 2 && bytes <= KITH_MESSAGE_BYTES_MAX;
        if (good)
            parts [count++] = s_frame (&part);
        else
            zmq_msg_close (&part);
    }
    if (!good) {
        while (count > 0)
            kith_frame_destroy (&parts [--count]);
        return NULL;
    }
    kith_parcel_t *self = kith_new (sizeof *self + count * sizeof (kith_frame_t *));
    self->count = count;
    memcpy (self->parts, parts, count * sizeof (kith_frame_t *));
    return self;
}

void
kith_parcel_destroy (kith_parcel_t **self_p)
{
    assert (self_p);
    kith_parcel_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t part = 0; part < self->count; part++)
        kith_frame_destroy (&self->parts [part]);
    free (self);
    *self_p = NULL;
}

kith_msg_t *
kith_parcel_open (kith_parcel_t **self_p, int64_t now_us, kith_error_t *error)
{
    kith_parcel_t *self = *self_p;
    kith_msg_t *msg =
        kith_msg_decode (self->parts, self->count, now_us, self->crc_required, error);
    if (msg)
        msg->hops += self->hops;
    kith_parcel_destroy (self_p);
    return msg;
}

int
kith_parcel_peek (const kith_parcel_t *self, kith_address_t *from, kith_address_t *to)
{
    if (self->count < 2)
        return -1;
    kith_arena_t arena = {0};
    const kith_proto_envelope_t *envelope =
        kith_codec_unpack (&kith_proto_envelope_table, kith_frame_data (self->parts [0]),
                           kith_frame_size (self->parts [0]), &arena, NULL);
    int rc = -1;
    if (envelope && envelope->to.role < KITH_ROLE_COUNT
        && envelope->from.role < KITH_ROLE_COUNT) {
        *from = (kith_address_t){(kith_role_t) envelope->from.role, envelope->from.index,
                                 envelope->from.incarnation};
        *to = (kith_address_t){(kith_role_t) envelope->to.role, envelope->to.index,
                               envelope->to.incarnation};
        rc = 0;
    }
    kith_arena_free (&arena);
    return rc;
}

//  --------------------------------------------------------------------------
//  Sending

static void
s_unshare (void *data, void *hint)
{
    (void) data;
    kith_frame_t *frame = hint;
    kith_frame_destroy (&frame);
}

//  Takes frame
static void
s_part (zmq_msg_t *part, kith_frame_t *frame)
{
    size_t size = kith_frame_size (frame);
    if (size <= COPY_BYTES_MAX) {
        int rc = zmq_msg_init_size (part, size);
        assert (rc == 0);
        if (size)
            memcpy (zmq_msg_data (part), kith_frame_data (frame), size);
        kith_frame_destroy (&frame);
        return;
    }
    //  ZeroMQ only reads what it sends; its signature does not say so
    void *data = kith_unconst (kith_frame_data (frame));
    int rc = zmq_msg_init_data (part, data, size, s_unshare, frame);
    assert (rc == 0);
}

//  0, or errno; part is closed in any case
static int
s_send_part (void *handle, zmq_msg_t *part, bool more)
{
    int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    if (zmq_msg_send (part, handle, flags) != -1)
        return 0;
    int why = zmq_errno ();
    zmq_msg_close (part);
    return why ? why : EAGAIN;
}

int
kith_wire_send (zsock_t *socket, const kith_wire_id_t *id, const kith_msg_t *msg,
                int64_t now_us, bool with_crc)
{
    assert (socket && msg);
    void *handle = zsock_resolve (socket);
    int why = 0;
    //  A first part that goes out takes all others with it: ZeroMQ counts whole messages. So nothing is encoded for a
    //  peer that is not there.
    if (id) {
        zmq_msg_t part;
        zmq_msg_init_size (&part, id->size);
        memcpy (zmq_msg_data (&part), id->data, id->size);
        why = s_send_part (handle, &part, true);
        if (why)
            return why;
    }
    kith_frame_t *parts [KITH_FRAMES_MAX + 2];
    uint32_t count = 0;
    kith_msg_encode (msg, now_us, with_crc, parts, &count);
    for (uint32_t number = 0; number < count; number++) {
        zmq_msg_t part;
        if (why) {
            kith_frame_destroy (&parts [number]);
            continue;
        }
        s_part (&part, parts [number]);
        why = s_send_part (handle, &part, number + 1 < count);
    }
    return why;
}
