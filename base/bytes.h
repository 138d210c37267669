//  bytes.h - a growing byte buffer, and little-endian reads and writes at any address
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_BYTES_H
#define KITH_BYTES_H

#include "base/base.h"

//  Plain struct: a zeroed one is empty and valid. Data are 64-byte aligned.
typedef struct {
    uint8_t *data;      //  null while empty
    size_t size;        //  bytes in use
    size_t capacity;    //  bytes allocated
} kith_bytes_t;

void kith_bytes_free (kith_bytes_t *self);
void kith_bytes_clear (kith_bytes_t *self);

//  Makes room for `more` bytes after size; aborts when memory is gone (growth is bounded by limits.h
//  before any caller comes here).
void kith_bytes_reserve (kith_bytes_t *self, size_t more);

//  Appends; kith_bytes_extend appends `size` zero bytes and returns where they are.
void kith_bytes_put (kith_bytes_t *self, const void *data, size_t size);
void *kith_bytes_extend (kith_bytes_t *self, size_t size);
void kith_bytes_put_u8 (kith_bytes_t *self, uint8_t value);
void kith_bytes_put_u32 (kith_bytes_t *self, uint32_t value);
void kith_bytes_put_u64 (kith_bytes_t *self, uint64_t value);
void kith_bytes_printf (kith_bytes_t *self, const char *format, ...) KITH_PRINTF (2, 3);

//  Pads with zeros up to a multiple of 64.
void kith_bytes_align64 (kith_bytes_t *self);

//  64-byte aligned zeroed memory; released with free (). Null when memory is gone.
void *kith_alloc64 (size_t bytes);

//  calloc and strdup that abort when memory is gone: for small things whose size no user chooses.
void *kith_new (size_t bytes);
char *kith_strdup (const char *text);

//  Little-endian values at any address
static inline uint16_t
kith_get_u16 (const void *at)
{
    uint16_t value;
    memcpy (&value, at, sizeof value);
    return value;
}

static inline uint32_t
kith_get_u32 (const void *at)
{
    uint32_t value;
    memcpy (&value, at, sizeof value);
    return value;
}

static inline uint64_t
kith_get_u64 (const void *at)
{
    uint64_t value;
    memcpy (&value, at, sizeof value);
    return value;
}

static inline void
kith_put_u16 (void *at, uint16_t value)
{
    memcpy (at, &value, sizeof value);
}

static inline void
kith_put_u32 (void *at, uint32_t value)
{
    memcpy (at, &value, sizeof value);
}

static inline void
kith_put_u64 (void *at, uint64_t value)
{
    memcpy (at, &value, sizeof value);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "stored and sent bytes are little-endian");

#endif
