//  frame.h - a run of bytes that many may share: reference counted, read-only once shared
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FRAME_H
#define KITH_FRAME_H

#include "base/bytes.h"

typedef struct kith_frame kith_frame_t;
typedef void (kith_frame_free_fn) (void *data, void *arg);

//  size bytes to be filled in place (64-byte aligned); a copy of size bytes, as aligned; a frame over bytes whose storage it takes (bytes is
//  emptied); a frame over foreign memory, given back by free_fn (data, arg), on any thread.
kith_frame_t *kith_frame_new (size_t size);
kith_frame_t *kith_frame_copy (const void *data, size_t size);
kith_frame_t *kith_frame_take (kith_bytes_t *bytes);
kith_frame_t *
kith_frame_wrap (void *data, size_t size, kith_frame_free_fn *free_fn, void *arg);

//  One more reference to the same bytes; drop gives one back. Both from any thread.
kith_frame_t *kith_frame_share (const kith_frame_t *self);
void kith_frame_destroy (kith_frame_t **self_p);

const uint8_t *kith_frame_data (const kith_frame_t *self);
uint8_t *kith_frame_fill (
    kith_frame_t *self);    //  for writing; only while there is one reference
size_t kith_frame_size (const kith_frame_t *self);

#endif
