//  frame.c - a run of bytes that many may share
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/frame.h"

#include <stdatomic.h>

struct kith_frame {
    atomic_uint references;
    size_t size;
    uint8_t *data;
    kith_frame_free_fn *free_fn;    //  null: data lie in this block, or are nobody's
    void *arg;
    void *block;    //  what is freed; this header lies in it
};

//  Data of a frame of its own begin here in its block.
#define HEADER 64u
_Static_assert(sizeof (kith_frame_t) <= HEADER, "the header fits before the data");

kith_frame_t *
kith_frame_new (size_t size)
{
    assert (size <= SIZE_MAX / 2);
    //  Aligned here: malloc takes a small block from those that the thread has at hand, posix_memalign never. Not zeroed: the caller
    //  fills all of it
    uint8_t *block = malloc (HEADER + size + 63);
    if (!block) {
        fprintf (stderr, "kith: out of memory (a frame of %zu bytes)\n", size);
        abort ();
    }
    uint8_t *place = block + (64 - (uintptr_t) block % 64) % 64;
    kith_frame_t *self = (kith_frame_t *) (void *) place;
    *self = (kith_frame_t){.size = size, .data = place + HEADER, .block = block};
    atomic_init (&self->references, 1);
    return self;
}

kith_frame_t *
kith_frame_copy (const void *data, size_t size)
{
    kith_frame_t *self = kith_frame_new (size);
    if (size)
        memcpy (self->data, data, size);
    return self;
}

kith_frame_t *
kith_frame_wrap (void *data, size_t size, kith_frame_free_fn *free_fn, void *arg)
{
    assert (data || size == 0);
    kith_frame_t *self = kith_new (sizeof *self);
    self->size = size;
    self->data = data;
    self->free_fn = free_fn;
    self->arg = arg;
    self->block = self;
    atomic_init (&self->references, 1);
    return self;
}

static void
s_free (void *data, void *arg)
{
    (void) arg;
    free (data);
}

kith_frame_t *
kith_frame_take (kith_bytes_t *bytes)
{
    assert (bytes);
    kith_frame_t *self = kith_frame_wrap (bytes->data, bytes->size, s_free, NULL);
    *bytes = (kith_bytes_t){0};
    return self;
}

kith_frame_t *
kith_frame_share (const kith_frame_t *self)
{
    assert (self);
    kith_frame_t *shared = kith_unconst (self);
    unsigned before =
        atomic_fetch_add_explicit (&shared->references, 1, memory_order_relaxed);
    assert (before > 0 && before < UINT32_MAX / 2);
    return shared;
}

void
kith_frame_destroy (kith_frame_t **self_p)
{
    assert (self_p);
    kith_frame_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    unsigned before =
        atomic_fetch_sub_explicit (&self->references, 1, memory_order_acq_rel);
    assert (before > 0);
    if (before > 1)
        return;
    if (self->free_fn)
        self->free_fn (self->data, self->arg);
    free (self->block);
}

const uint8_t *
kith_frame_data (const kith_frame_t *self)
{
    assert (self);
    return self->data;
}

uint8_t *
kith_frame_fill (kith_frame_t *self)
{
    assert (self && atomic_load_explicit (&self->references, memory_order_relaxed) == 1);
    return self->data;
}

size_t
kith_frame_size (const kith_frame_t *self)
{
    assert (self);
    return self->size;
}
