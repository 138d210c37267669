//  arena.h - memory that lives and goes together
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_ARENA_H
#define KITH_ARENA_H

#include "base/base.h"

typedef struct kith_arena_block kith_arena_block_t;

//  A zeroed one is empty and valid.
typedef struct {
    kith_arena_block_t *blocks;    //  newest first
} kith_arena_t;

//  Begins an arena in zeroed memory of the caller's (16-byte aligned, at least 64 bytes), which free leaves to the caller.
void kith_arena_init (kith_arena_t *self, void *memory, size_t bytes);

//  Zeroed memory, 16-byte aligned, that lives until the arena is freed; aborts when memory is gone.
void *kith_arena_alloc (kith_arena_t *self, size_t bytes);
char *kith_arena_strdup (kith_arena_t *self, const char *text);
void *kith_arena_copy (kith_arena_t *self, const void *data, size_t bytes);
char *kith_arena_printf (kith_arena_t *self, const char *format, ...) KITH_PRINTF (2, 3);
void kith_arena_free (kith_arena_t *self);

#endif
