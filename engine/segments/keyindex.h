//  keyindex.h - key -> rows of a snapshot, as a section of it
//  SPDX-License-Identifier: Apache-2.0
//
//       0  u32 magic "KKEY"   4  u32 version (1)   8  u32 rows   12  u32 row bits   16  u64 slots   24  40 zero bytes
//      64  u32 slot [slots]: 0 empty, else tag << row bits | row + 1
//
//  slots is a power of two, at most two thirds of it filled. With hash = kith_key_hash: a key's first slot is hash & (slots - 1), the next one
//  follows; its tag is the topmost 32 - row bits bits of the hash. Equal keys (versions of a row) have a slot each.
#ifndef KITH_KEYINDEX_H
#define KITH_KEYINDEX_H

#include "base/column.h"

typedef struct {
    const uint8_t *slots;
    uint64_t count;    //  slots
    uint32_t rows;
    uint32_t row_bits;
} kith_keyindex_t;

typedef struct {
    uint64_t at;      //  slot looked at next
    uint64_t left;    //  slots not looked at
    uint64_t hash;
} kith_keyindex_walk_t;

//  Appends the section for a key column.
void kith_keyindex_put (const kith_column_t *keys, kith_bytes_t *out);

//  Opens a section over `rows` rows; every slot is checked. CORRUPT otherwise.
int kith_keyindex_open (kith_keyindex_t *self, const void *section, uint64_t size,
                        uint32_t rows, kith_error_t *error);

//  Begins a walk; next returns a row that may have the key, -1 at the end.
void kith_keyindex_walk (const kith_keyindex_t *self, uint64_t hash,
                         kith_keyindex_walk_t *walk);
int64_t kith_keyindex_next (const kith_keyindex_t *self, kith_keyindex_walk_t *walk);

#endif
