//  keymap.c - key -> newest row of a growing segment: one writer, any number of readers
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/keymap.h"

#include "base/bytes.h"

enum { SLOTS_MIN = 64 };

struct kith_keymap_table {
    struct kith_keymap_table *older;    //  kept for readers
    uint64_t mask;                      //  slots - 1
    _Atomic uint64_t slots [];          //  hash bits << 32 | row + 1; 0: empty
};

static kith_keymap_table_t *
s_table_new (uint64_t slots, kith_keymap_table_t *older)
{
    kith_keymap_table_t *self =
        kith_new (sizeof *self + (size_t) slots * sizeof self->slots [0]);
    self->older = older;
    self->mask = slots - 1;
    return self;
}

static kith_keymap_table_t *
s_table (const kith_keymap_t *self)
{
    return atomic_load_explicit (&self->table, memory_order_acquire);
}

void
kith_keymap_free (kith_keymap_t *self)
{
    assert (self);
    kith_keymap_table_t *table = s_table (self);
    while (table) {
        kith_keymap_table_t *older = table->older;
        free (table);
        table = older;
    }
    atomic_store_explicit (&self->table, NULL, memory_order_relaxed);
    self->count = 0;
}

uint64_t
kith_keymap_bytes (const kith_keymap_t *self)
{
    uint64_t bytes = 0;
    for (const kith_keymap_table_t *table = s_table (self); table; table = table->older)
        bytes += sizeof *table + (table->mask + 1) * sizeof table->slots [0];
    return bytes;
}

void
kith_keymap_walk (const kith_keymap_t *self, uint64_t hash, kith_keymap_walk_t *walk)
{
    walk->table = s_table (self);
    walk->tag = (uint32_t) hash;
    walk->at = walk->table ? walk->tag & walk->table->mask : 0;
    walk->found = 0;
}

int64_t
kith_keymap_next (kith_keymap_walk_t *walk)
{
    const kith_keymap_table_t *table = walk->table;
    if (!table)
        return -1;
    for (;;) {
        uint64_t slot =
            atomic_load_explicit (&table->slots [walk->at], memory_order_acquire);
        if (slot == 0)
            return -1;
        walk->found = walk->at;
        walk->at = (walk->at + 1) & table->mask;
        if (slot >> 32 == walk->tag)
            return (int64_t) (slot & UINT32_MAX) - 1;
    }
}

static void
s_table_put (kith_keymap_table_t *table, uint32_t tag, uint64_t slot)
{
    uint64_t at = tag & table->mask;
    while (atomic_load_explicit (&table->slots [at], memory_order_relaxed))
        at = (at + 1) & table->mask;
    atomic_store_explicit (&table->slots [at], slot, memory_order_release);
}

static void
s_grow (kith_keymap_t *self)
{
    kith_keymap_table_t *old = s_table (self);
    uint64_t slots = old ? (old->mask + 1) * 2 : SLOTS_MIN;
    kith_keymap_table_t *table = s_table_new (slots, old);
    for (uint64_t at = 0; old && at <= old->mask; at++) {
        uint64_t slot = atomic_load_explicit (&old->slots [at], memory_order_relaxed);
        if (slot)
            s_table_put (table, (uint32_t) (slot >> 32), slot);
    }
    atomic_store_explicit (&self->table, table, memory_order_release);
}

void
kith_keymap_replace (kith_keymap_t *self, const kith_keymap_walk_t *walk, uint32_t row)
{
    kith_keymap_table_t *table = s_table (self);
    assert (walk->table == table && row < UINT32_MAX);
    atomic_store_explicit (&table->slots [walk->found],
                           (uint64_t) walk->tag << 32 | (row + 1), memory_order_release);
}

void
kith_keymap_add (kith_keymap_t *self, uint64_t hash, uint32_t row)
{
    assert (row < UINT32_MAX);
    kith_keymap_table_t *table = s_table (self);
    if (!table || (uint64_t) (self->count + 1) * 3 > (table->mask + 1) * 2)
        s_grow (self);
    s_table_put (s_table (self), (uint32_t) hash, hash << 32 | (row + 1));
    self->count++;
}
