//  wire.h - whole messages through ZeroMQ sockets, and the options that every socket gets
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_WIRE_H
#define KITH_WIRE_H

#include "base/limits.h"
#include "codecs/msg.h"
#include <czmq.h>

//  A message that was received and is not decoded yet
typedef struct {
    uint32_t count;
    bool crc_required;    //  it came by tcp
    uint32_t hops;        //  threads crossed since it was sent
    kith_frame_t *parts [];
} kith_parcel_t;

//  Where a ROUTER's message came from
typedef struct {
    uint8_t data [255];
    uint8_t size;
} kith_wire_id_t;

//  Bounds, heartbeats and time-outs of a socket, before it is bound or connected.
void kith_wire_options (zsock_t *socket, int queue_max, int linger_ms);

//  Closes a bound socket so that its endpoint is free when this returns (ZeroMQ's own close lets go of it later).
void kith_wire_unbind (zsock_t **socket_p);

//  Next message without waiting; null: there is none (*more false), or it was not one (*more true, dropped). id: of
//  a ROUTER's sender; null for other sockets.
kith_parcel_t *kith_wire_recv (zsock_t *socket, kith_wire_id_t *id, bool *more);
void kith_parcel_destroy (kith_parcel_t **self_p);

//  Decodes (parcel taken).
kith_msg_t *
kith_parcel_open (kith_parcel_t **self_p, int64_t now_us, kith_error_t *error);

//  Reads the envelope alone: 0, or -1 if it is none.
int
kith_parcel_peek (const kith_parcel_t *self, kith_address_t *from, kith_address_t *to);

//  Encodes and sends without waiting: 0, or errno. The message stays the caller's.
int kith_wire_send (zsock_t *socket, const kith_wire_id_t *id, const kith_msg_t *msg,
                    int64_t now_us, bool with_crc);

//  True if an endpoint is of that transport ("tcp", "ipc", "inproc").
bool kith_wire_is (const char *endpoint, const char *transport);

#endif
