//  ends.c - which rows of a run have ended, and when: one writer, any number of readers
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/ends.h"

bool
kith_ends_set (kith_ends_t *self, uint32_t row, uint64_t seq)
{
    assert (self && seq > 0);
    uint64_t old = atomic_load_explicit (&self->seqs [row], memory_order_relaxed);
    if (old && old <= seq)
        return false;
    //  In this order: whoever sees the bit also sees the seq and its announcement
    if (seq > atomic_load_explicit (&self->newest, memory_order_relaxed))
        atomic_store_explicit (&self->newest, seq, memory_order_relaxed);
    atomic_store_explicit (&self->seqs [row], seq, memory_order_release);
    if (old)
        return false;
    atomic_fetch_or_explicit (&self->bits [row / 64], (uint64_t) 1 << (row % 64),
                              memory_order_release);
    atomic_fetch_add_explicit (&self->count, 1, memory_order_release);
    return true;
}

void
kith_ends_drop (const kith_ends_t *self, uint64_t s, kith_bits_t *bits)
{
    size_t words = kith_bits_words (bits->count);
    for (size_t word = 0; word < words; word++) {
        uint64_t ended = atomic_load_explicit (&self->bits [word], memory_order_acquire);
        ended &= bits->words [word];
        if (!ended)
            continue;
        if (atomic_load_explicit (&self->newest, memory_order_relaxed) <= s) {
            bits->words [word] &= ~ended;
            continue;
        }
        for (; ended; ended &= ended - 1) {
            uint32_t row = (uint32_t) (word * 64) + (uint32_t) __builtin_ctzll (ended);
            if (kith_ends_get (self, row) <= s)
                kith_bits_drop (bits, row);
        }
    }
}
