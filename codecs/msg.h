//  msg.h - a message: envelope, decoded body, frames
//  SPDX-License-Identifier: Apache-2.0
//
//  On a socket a message is: [envelope, body, frame 0, frame 1 ...], envelope and body in msgpack. Inside a process the decoded
//  message itself moves from owner to owner; its receiver may read it but changes nothing.
#ifndef KITH_MSG_H
#define KITH_MSG_H

#include "base/limits.h"
#include "codecs/codec.h"
#include "codecs/frame.h"
#include "codecs/proto.h"

//  What a read must see (`level` of search and query)
typedef enum {
    KITH_CONSISTENCY_STRONG = 0,       //  every write acknowledged before the read began
    KITH_CONSISTENCY_SESSION = 1,      //  every write of the token
    KITH_CONSISTENCY_BOUNDED = 2,      //  every write older than bounded_ms
    KITH_CONSISTENCY_EVENTUALLY = 3    //  whatever is there
} kith_consistency_t;

typedef struct {
    kith_role_t role;
    uint32_t index;
    uint64_t incarnation;    //  0: whichever lives now
} kith_address_t;

typedef struct {
    kith_kind_t kind;    //  which message: protocol.zpl's number
    kith_address_t from;
    kith_address_t to;
    uint64_t request;    //  id of a call; the same in its answer; 0: a plain send
    bool answer;         //  this is the answer to `request`
    int64_t
        deadline_us;    //  receiver's monotonic clock; 0: none. On the wire: milliseconds left
    uint64_t trace;     //  0: not traced
    uint64_t clock;     //  sender's hybrid clock
    uint64_t schema;    //  collection schema version, 0: none
    uint32_t
        hops;    //  threads crossed so far, by this message and those it follows from
    kith_arena_t arena;    //  memory of the body
    void *body;            //  kith_proto_NAME_t of the kind
    kith_frame_t *frames [KITH_FRAMES_MAX];
    uint32_t frame_count;
    void *link;    //  for the queue that holds it
} kith_msg_t;

//  New message with a zeroed body (its strings are "") in its arena.
kith_msg_t *kith_msg_new (kith_kind_t kind);
void kith_msg_destroy (kith_msg_t **self_p);

//  Takes a frame, or makes one of the bytes (emptied); returns the value for a `frame` field of the body.
uint32_t kith_msg_add_frame (kith_msg_t *self, kith_frame_t **frame_p);
uint32_t kith_msg_add_bytes (kith_msg_t *self, kith_bytes_t *bytes);

//  Frame named by a body field; null if the field is 0. The message keeps it. (Numbers are checked when a message is decoded.)
kith_frame_t *kith_msg_frame (const kith_msg_t *self, uint32_t field);

//  A FAILED message of an error, and back: true if the message is FAILED (error filled, may be null).
kith_msg_t *kith_msg_failed (const kith_error_t *error);
bool kith_msg_is_failed (const kith_msg_t *self, kith_error_t *error);

//  Wire form. `now_us` turns the deadline into milliseconds left and back. with_crc: envelope carries the CRC32C of the later frames (required
//  on tcp). parts [0] envelope, [1] body, then frames (shared, not copied); *count <= KITH_FRAMES_MAX + 2.
void kith_msg_encode (const kith_msg_t *self, int64_t now_us, bool with_crc,
                      kith_frame_t *parts [KITH_FRAMES_MAX + 2], uint32_t *count);

//  0 if parts are within the limits of a message: what decode asks first, and what a sender of much may ask before it sends.
int
kith_msg_check_parts (kith_frame_t *const *parts, uint32_t count, kith_error_t *error);

//  Makes null strings of the body "": to be called when a message is handed over inside a process, where it is never decoded.
void kith_msg_settle (kith_msg_t *self);

//  Decodes; takes references to the frames it keeps (unaligned ones are copied, so that frame data are always
//  8-byte aligned). PROTOCOL for anything that is not a message, with the reason.
kith_msg_t *kith_msg_decode (kith_frame_t *const *parts, uint32_t count, int64_t now_us,
                             bool crc_required, kith_error_t *error);

//  All of it, readable: for zactor dump message and traces.
void kith_msg_print (const kith_msg_t *self, kith_bytes_t *out);

//  Deep copy of the body, frames shared: what a retry sends again.
kith_msg_t *kith_msg_copy (const kith_msg_t *self);

#endif
