//  link.c - the socket of a client: a DEALER connected to one or several proxies, and what happens to it
//  SPDX-License-Identifier: Apache-2.0
#include "clients/link.h"

#include "base/limits.h"
#include <errno.h>
#include <sched.h>
#include <time.h>
#include <zmq.h>

#define HEARTBEAT_MS 2000
#define HEARTBEAT_TIMEOUT_MS 6000
#define RECONNECT_MS 50
#define RECONNECT_MAX_MS 1000
#define QUEUE_MAX 1000    //  messages waiting in the socket, each way
#define PARTS_MAX (KITH_FRAMES_MAX + 2)
#define AWAKE_US                                                                         \
    300    //  a wait looks so long before it sleeps: about a search and its way

struct kith_link {
    void *context;         //  ZeroMQ's
    bool context_own;      //  made here
    void *socket;          //  DEALER
    void *monitor;         //  PAIR: what happens to the connections
    char *endpoints;       //  as given
    uint32_t count;        //  endpoints
    bool checked;          //  requests carry checksums (anything but inproc)
    bool tcp;              //  all endpoints are: answers must carry them too
    bool inproc;           //  some endpoint is in this process
    int connected;         //  connections that are up
    char trouble [256];    //  what happened last
};

static int
s_configure (void *socket)
{
    const struct {
        int option, value;
    } settings [] = {
        {ZMQ_LINGER, 0},
        {ZMQ_IMMEDIATE, 1},
        {ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS},
        {ZMQ_HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS},
        {ZMQ_RECONNECT_IVL, RECONNECT_MS},
        {ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS},
        {ZMQ_SNDHWM, QUEUE_MAX},
        {ZMQ_RCVHWM, QUEUE_MAX},
        {ZMQ_IPV6, 1},
    };
    for (size_t index = 0; index < sizeof settings / sizeof settings [0]; index++) {
        int value = settings [index].value;
        if (zmq_setsockopt (socket, settings [index].option, &value, sizeof value) != 0)
            return -1;
    }
    int64_t bytes_max = KITH_MESSAGE_BYTES_MAX;
    return zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof bytes_max);
}

static int
s_connect_all (kith_link_t *self, kith_error_t *error)
{
    char *list = kith_strdup (self->endpoints);
    char *rest = NULL;
    int result = 0;
    self->checked = false;
    self->tcp = true;
    for (char *endpoint = strtok_r (list, " ,\t\n", &rest); endpoint && result == 0;
         endpoint = strtok_r (NULL, " ,\t\n", &rest)) {
        bool inproc = strncmp (endpoint, "inproc://", 9) == 0;
        if (inproc && self->context_own)
            result =
                kith_error_set (error, KITH_ERR_INVALID,
                                "endpoint %s: inproc needs the ZeroMQ context of the "
                                "process that serves it (option context)",
                                endpoint);
        else if (zmq_connect (self->socket, endpoint) != 0)
            result = kith_error_set (
                error, KITH_ERR_INVALID,
                "endpoint %s: %s (allowed: tcp://HOST:PORT, ipc://PATH, inproc://NAME)",
                endpoint, zmq_strerror (zmq_errno ()));
        self->inproc = self->inproc || inproc;
        self->checked = self->checked || !inproc;
        self->tcp = self->tcp && strncmp (endpoint, "tcp://", 6) == 0;
        self->count++;
    }
    free (list);
    if (result == 0 && !self->count)
        result = kith_error_set (error, KITH_ERR_INVALID, "no endpoint given");
    return result;
}

//  Connections are told through a PAIR of a name of its own
static int
s_monitor (kith_link_t *self)
{
    char name [64];
    snprintf (name, sizeof name, "inproc://kith-link-%p", (void *) self);
    if (zmq_socket_monitor (self->socket, name, ZMQ_EVENT_ALL) != 0)
        return -1;
    self->monitor = zmq_socket (self->context, ZMQ_PAIR);
    if (!self->monitor)
        return -1;
    int linger = 0;
    zmq_setsockopt (self->monitor, ZMQ_LINGER, &linger, sizeof linger);
    return zmq_connect (self->monitor, name);
}

kith_link_t *
kith_link_new (const char *endpoints, void *context, kith_error_t *error)
{
    kith_link_t *self = kith_new (sizeof *self);
    self->endpoints = kith_strdup (endpoints);
    self->context_own = !context;
    self->context = context ? context : zmq_ctx_new ();
    if (self->context)
        self->socket = zmq_socket (self->context, ZMQ_DEALER);
    if (!self->socket || s_configure (self->socket) != 0 || s_monitor (self) != 0) {
        kith_error_set (error, KITH_ERR_IO, "cannot make a socket: %s",
                        zmq_strerror (zmq_errno ()));
        kith_link_destroy (&self);
    }
    else if (s_connect_all (self, error) != 0)
        kith_link_destroy (&self);
    return self;
}

void
kith_link_destroy (kith_link_t **self_p)
{
    assert (self_p);
    kith_link_t *self = *self_p;
    if (!self)
        return;
    if (self->socket) {
        zmq_socket_monitor (self->socket, NULL, 0);
        zmq_close (self->socket);
    }
    if (self->monitor)
        zmq_close (self->monitor);
    if (self->context_own && self->context)
        zmq_ctx_term (self->context);
    free (self->endpoints);
    free (self);
    *self_p = NULL;
}

//  ZeroMQ gives a part back, on a thread of its own
static void
s_drop_frame (void *data, void *arg)
{
    (void) data;
    kith_frame_t *frame = arg;
    kith_frame_destroy (&frame);
}

//  Takes the frame if it is sent
static bool
s_send_part (void *socket, kith_frame_t *frame, bool more)
{
    //  Bytes that are shared are only read; the interface lacks the const
    void *data = kith_unconst (kith_frame_data (frame));
    zmq_msg_t part;
    if (zmq_msg_init_data (&part, data, kith_frame_size (frame), s_drop_frame, frame)
        != 0)
        return false;
    int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    if (zmq_msg_send (&part, socket, flags) >= 0)
        return true;
    kith_frame_share (frame);
    zmq_msg_close (&part);
    return false;
}

bool
kith_link_send (kith_link_t *self, const kith_msg_t *msg, int64_t now_us)
{
    kith_frame_t *parts [PARTS_MAX] = {NULL};
    uint32_t count = 0;
    kith_msg_encode (msg, now_us, self->checked, parts, &count);
    uint32_t sent = 0;
    while (sent < count && s_send_part (self->socket, parts [sent], sent + 1 < count))
        sent++;
    bool whole = sent == count;
    for (uint32_t index = sent; index < count; index++)
        kith_frame_destroy (&parts [index]);
    return whole;
}

static void
s_drop_part (void *data, void *arg)
{
    (void) data;
    zmq_msg_t *part = arg;
    zmq_msg_close (part);
    free (part);
}

//  One part, as a frame over ZeroMQ's own memory
static kith_frame_t *
s_recv_part (void *socket, bool *more)
{
    zmq_msg_t *part = kith_new (sizeof *part);
    zmq_msg_init (part);
    if (zmq_msg_recv (part, socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close (part);
        free (part);
        return NULL;
    }
    *more = zmq_msg_more (part) != 0;
    return kith_frame_wrap (zmq_msg_data (part), zmq_msg_size (part), s_drop_part, part);
}

kith_msg_t *
kith_link_recv (kith_link_t *self, int64_t now_us)
{
    kith_msg_t *msg = NULL;
    bool more = true;
    while (!msg) {
        kith_frame_t *parts [PARTS_MAX] = {NULL};
        uint32_t count = 0;
        uint64_t received = 0;
        for (more = true; more; received++) {
            kith_frame_t *frame = s_recv_part (self->socket, &more);
            if (!frame)
                break;
            if (count < PARTS_MAX)
                parts [count++] = frame;
            else
                kith_frame_destroy (&frame);
        }
        if (!received)
            return NULL;
        kith_error_t error = {.message = "more parts than a message may have"};
        if (received == count)
            msg = kith_msg_decode (parts, count, now_us, self->tcp, &error);
        if (!msg)
            snprintf (self->trouble, sizeof self->trouble,
                      "an answer meant nothing: %.200s", error.message);
        for (uint32_t index = 0; index < count; index++)
            kith_frame_destroy (&parts [index]);
    }
    return msg;
}

static int64_t
s_now_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

//  Looks for events without sleeping, giving the core to whoever wants it: an idle core sleeps too, and to wake it takes
//  longer than what an answer is usually waited for.
static bool
s_look (void *socket, short wanted)
{
    const int64_t until_ns = s_now_ns () + (int64_t) AWAKE_US * 1000;
    do {
        int events = 0;
        size_t size = sizeof events;
        if (zmq_getsockopt (socket, ZMQ_EVENTS, &events, &size) != 0 || events & wanted)
            return true;
        sched_yield ();
    } while (s_now_ns () < until_ns);
    return false;
}

void
kith_link_wait (kith_link_t *self, int timeout_ms, bool writable)
{
    short events = (short) (ZMQ_POLLIN | (writable ? ZMQ_POLLOUT : 0));
    if (timeout_ms != 0 && s_look (self->socket, events))
        return;
    zmq_pollitem_t items [] = {{.socket = self->socket, .events = events},
                               {.socket = self->monitor, .events = ZMQ_POLLIN}};
    zmq_poll (items, 2, timeout_ms);
}

//  The first part of an event: 16 bits of kind, 32 of value
static bool
s_event (void *monitor, uint16_t *kind, uint32_t *value)
{
    zmq_msg_t part;
    zmq_msg_init (&part);
    bool there = zmq_msg_recv (&part, monitor, ZMQ_DONTWAIT) >= 0;
    if (there && zmq_msg_size (&part) >= 6) {
        *kind = kith_get_u16 (zmq_msg_data (&part));
        *value = kith_get_u32 ((const uint8_t *) zmq_msg_data (&part) + 2);
    }
    bool more = there && zmq_msg_more (&part);
    zmq_msg_close (&part);
    while (more) {
        zmq_msg_init (&part);
        more = zmq_msg_recv (&part, monitor, ZMQ_DONTWAIT) >= 0 && zmq_msg_more (&part);
        zmq_msg_close (&part);
    }
    return there;
}

uint32_t
kith_link_watch (kith_link_t *self)
{
    uint32_t lost = 0;
    uint16_t kind = 0;
    uint32_t value = 0;
    while (s_event (self->monitor, &kind, &value)) {
        if (kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            self->connected++;
        else if (kind == ZMQ_EVENT_DISCONNECTED) {
            if (self->connected > 0) {
                self->connected--;
                lost++;
                snprintf (self->trouble, sizeof self->trouble, "the connection was lost");
            }
        }
        else if (kind == ZMQ_EVENT_CLOSED || kind == ZMQ_EVENT_CONNECT_RETRIED) {
            if (!self->trouble [0])
                snprintf (self->trouble, sizeof self->trouble, "connection refused");
        }
        else if (kind == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
                 || kind == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
                 || kind == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
            snprintf (self->trouble, sizeof self->trouble,
                      "what listens there does not speak Kith's protocol");
    }
    return lost;
}

bool
kith_link_connected (const kith_link_t *self)
{
    return self->inproc || self->connected > 0;
}

const char *
kith_link_trouble (const kith_link_t *self)
{
    return self->trouble;
}

const char *
kith_link_endpoints (const kith_link_t *self)
{
    return self->endpoints;
}

uint32_t
kith_link_count (const kith_link_t *self)
{
    return self->count;
}

int
kith_link_fd (const kith_link_t *self)
{
    int fd = -1;
    size_t size = sizeof fd;
    if (zmq_getsockopt (self->socket, ZMQ_FD, &fd, &size) != 0)
        return -1;
    return fd;
}
