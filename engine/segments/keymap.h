//  keymap.h - key -> newest row of a growing segment: one writer, any number of readers
//  SPDX-License-Identifier: Apache-2.0
//
//  Open addressing over words of (32 bits of the hash, row + 1). The keys themselves lie in the segment's columns; the caller
//  compares them. A row is put in when its values are complete. Growing makes a new table; the old ones are kept until
//  the end, since readers may still walk them.
#ifndef KITH_KEYMAP_H
#define KITH_KEYMAP_H

#include <stdatomic.h>

#include "base/base.h"

typedef struct kith_keymap_table kith_keymap_table_t;

//  A zeroed one is empty and valid.
typedef struct {
    _Atomic (kith_keymap_table_t *) table;
    uint32_t count;    //  keys; the writer's
} kith_keymap_t;

//  A walk along the rows whose key has the same hash bits
typedef struct {
    const kith_keymap_table_t *table;
    uint64_t at;       //  slot looked at next
    uint64_t found;    //  slot of the row returned last
    uint32_t tag;
} kith_keymap_walk_t;

void kith_keymap_free (kith_keymap_t *self);
uint64_t kith_keymap_bytes (const kith_keymap_t *self);

//  Begins a walk; next returns a row whose key may be the one, -1 at the end.
void
kith_keymap_walk (const kith_keymap_t *self, uint64_t hash, kith_keymap_walk_t *walk);
int64_t kith_keymap_next (kith_keymap_walk_t *walk);

//  Writer only. replace: the key of the row that next returned last now has another newest row. add: a key that is
//  not there.
void
kith_keymap_replace (kith_keymap_t *self, const kith_keymap_walk_t *walk, uint32_t row);
void kith_keymap_add (kith_keymap_t *self, uint64_t hash, uint32_t row);

#endif
