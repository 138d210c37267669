//  arena.c - memory that lives and goes together
//  SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include "base/bytes.h"

#define BLOCK_BYTES 4096u
#define ALIGN 16u

struct kith_arena_block {
    kith_arena_block_t *next;    //  older one
    size_t used;                 //  bytes of memory
    size_t capacity;
    bool lent;    //  the caller's memory
    _Alignas(ALIGN) uint8_t memory [];
};

void
kith_arena_init (kith_arena_t *self, void *memory, size_t bytes)
{
    assert (self && memory && (uintptr_t) memory % ALIGN == 0);
    assert (bytes >= sizeof (kith_arena_block_t) + ALIGN);
    kith_arena_block_t *block = memory;
    block->next = NULL;
    block->used = 0;
    block->capacity = bytes - sizeof *block;
    block->lent = true;
    self->blocks = block;
}

//  A large piece gets a block of its own behind the newest, so that the newest one's room is not lost.
static kith_arena_block_t *
s_block_new (kith_arena_t *self, size_t bytes)
{
    bool alone = bytes > BLOCK_BYTES / 4;
    size_t capacity = alone ? bytes : BLOCK_BYTES;
    kith_arena_block_t *block = kith_new (sizeof *block + capacity);
    block->capacity = capacity;
    if (alone && self->blocks) {
        block->next = self->blocks->next;
        self->blocks->next = block;
    }
    else {
        block->next = self->blocks;
        self->blocks = block;
    }
    return block;
}

void *
kith_arena_alloc (kith_arena_t *self, size_t bytes)
{
    assert (self && bytes <= SIZE_MAX / 4);
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    kith_arena_block_t *block = self->blocks;
    if (!block || block->capacity - block->used < bytes)
        block = s_block_new (self, bytes);
    void *place = block->memory + block->used;
    block->used += bytes;
    return place;
}

void *
kith_arena_copy (kith_arena_t *self, const void *data, size_t bytes)
{
    void *copy = kith_arena_alloc (self, bytes);
    if (bytes)
        memcpy (copy, data, bytes);
    return copy;
}

char *
kith_arena_strdup (kith_arena_t *self, const char *text)
{
    assert (text);
    return kith_arena_copy (self, text, strlen (text) + 1);
}

char *
kith_arena_printf (kith_arena_t *self, const char *format, ...)
{
    assert (self && format);
    va_list arguments;
    va_start (arguments, format);
    int length = vsnprintf (NULL, 0, format, arguments);
    va_end (arguments);
    assert (length >= 0);
    char *text = kith_arena_alloc (self, (size_t) length + 1);
    va_start (arguments, format);
    vsnprintf (text, (size_t) length + 1, format, arguments);
    va_end (arguments);
    return text;
}

void
kith_arena_free (kith_arena_t *self)
{
    assert (self);
    while (self->blocks) {
        kith_arena_block_t *next = self->blocks->next;
        if (!self->blocks->lent)
            free (self->blocks);
        self->blocks = next;
    }
}
