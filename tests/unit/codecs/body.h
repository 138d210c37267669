//  body.h - bodies of messages with random content, and whether two are equal; for the tests of codecs
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_TEST_BODY_H
#define KITH_TEST_BODY_H

#include "base/random.h"
#include "codecs/codec.h"

//  A body of the arena, every field filled; frame fields name frames 0 .. frames.
void *body_random (const kith_codec_table_t *table, uint32_t frames,
                   kith_random_t *random, kith_arena_t *arena);

//  Name of the first field that differs; null if none does.
const char *
body_differs (const kith_codec_table_t *table, const void *one, const void *two);

#endif
