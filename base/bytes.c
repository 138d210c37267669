//  bytes.c - a growing byte buffer
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

//  Memory for small things and for buffers whose growth limits.h bounds: there is nothing sensible to do
//  without it, and a clean end is better than a half-done one.
static void
s_no_memory (size_t bytes)
{
    fprintf (stderr, "kith: out of memory (%zu bytes asked for)\n", bytes);
    abort ();
}

void
kith_bytes_free (kith_bytes_t *self)
{
    assert (self);
    free (self->data);
    *self = (kith_bytes_t){0};
}

void
kith_bytes_clear (kith_bytes_t *self)
{
    assert (self);
    self->size = 0;
}

static void
s_grow (kith_bytes_t *self, size_t more)
{
    if (more > SIZE_MAX / 4 || self->size > SIZE_MAX / 4)
        s_no_memory (more);
    size_t capacity = self->capacity * 2;
    if (capacity < self->size + more)
        capacity = self->size + more;
    capacity = (size_t) kith_round64 (capacity);
    void *data = NULL;
    if (posix_memalign (&data, 64, capacity) != 0)
        s_no_memory (capacity);
    if (self->size)
        memcpy (data, self->data, self->size);
    free (self->data);
    self->data = data;
    self->capacity = capacity;
}

void
kith_bytes_reserve (kith_bytes_t *self, size_t more)
{
    assert (self && self->size <= self->capacity);
    if (self->capacity - self->size < more)
        s_grow (self, more);
}

void
kith_bytes_put (kith_bytes_t *self, const void *data, size_t size)
{
    if (size == 0)
        return;
    assert (data);
    kith_bytes_reserve (self, size);
    memcpy (self->data + self->size, data, size);
    self->size += size;
}

void *
kith_bytes_extend (kith_bytes_t *self, size_t size)
{
    //  A place is returned even for no bytes, so that callers need no special case
    kith_bytes_reserve (self, size ? size : 1);
    uint8_t *place = self->data + self->size;
    memset (place, 0, size);
    self->size += size;
    return place;
}

void
kith_bytes_put_u8 (kith_bytes_t *self, uint8_t value)
{
    kith_bytes_put (self, &value, sizeof value);
}

void
kith_bytes_put_u32 (kith_bytes_t *self, uint32_t value)
{
    kith_bytes_put (self, &value, sizeof value);
}

void
kith_bytes_put_u64 (kith_bytes_t *self, uint64_t value)
{
    kith_bytes_put (self, &value, sizeof value);
}

void
kith_bytes_printf (kith_bytes_t *self, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    int length = vsnprintf (NULL, 0, format, arguments);
    va_end (arguments);
    assert (length >= 0);

    //  vsnprintf writes a final zero byte, which is not part of the contents
    kith_bytes_reserve (self, (size_t) length + 1);
    va_start (arguments, format);
    vsnprintf ((char *) self->data + self->size, (size_t) length + 1, format, arguments);
    va_end (arguments);
    self->size += (size_t) length;
}

void
kith_bytes_align64 (kith_bytes_t *self)
{
    size_t over = self->size % 64;
    if (over)
        kith_bytes_extend (self, 64 - over);
}

void *
kith_alloc64 (size_t bytes)
{
    if (bytes > SIZE_MAX / 4)
        return NULL;
    size_t rounded = bytes ? (size_t) kith_round64 (bytes) : 64;
    void *data = NULL;
    if (posix_memalign (&data, 64, rounded) != 0)
        return NULL;
    memset (data, 0, rounded);
    return data;
}

//  glibc's calloc passes by the small pieces that a thread keeps at hand; up to this size malloc takes one of those, which to clear costs
//  less than to find another. Larger ones may come from the system, clear already.
#define AT_HAND_BYTES 1032u

void *
kith_new (size_t bytes)
{
    void *data = bytes <= AT_HAND_BYTES ? malloc (bytes ? bytes : 1) : calloc (1, bytes);
    if (!data)
        s_no_memory (bytes);
    if (bytes <= AT_HAND_BYTES)
        memset (data, 0, bytes);
    return data;
}

char *
kith_strdup (const char *text)
{
    assert (text);
    char *copy = strdup (text);
    if (!copy)
        s_no_memory (strlen (text));
    return copy;
}
