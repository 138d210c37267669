//  filter_like.h - the patterns of like: % any text, _ one character, \ takes the next one as it is
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FILTER_LIKE_H
#define KITH_FILTER_LIKE_H

#include "base/arena.h"

typedef struct kith_like kith_like_t;

//  Compiles a pattern into the arena; null if it ends in a lone backslash.
kith_like_t *kith_like_new (kith_arena_t *arena, const char *pattern, uint32_t length);

//  True if the whole text fits. A character is a UTF-8 sequence.
bool kith_like_match (const kith_like_t *self, const char *text, uint32_t length);

#endif
