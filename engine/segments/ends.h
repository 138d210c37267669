//  ends.h - which rows of a run have ended, and when: one writer, any number of readers
//  SPDX-License-Identifier: Apache-2.0
//
//  Deaths come with rising seqs, so that most readers (S at or above the newest death) need the bits alone. A reader copies the
//  bits first and asks for the newest death afterwards: what it saw had been announced before.
#ifndef KITH_ENDS_H
#define KITH_ENDS_H

#include <stdatomic.h>

#include "base/bits.h"

//  Memory is the owner's, zeroed.
typedef struct {
    _Atomic uint64_t *seqs;         //  a row; 0: it has not ended
    _Atomic uint64_t *bits;         //  a bit a row that has ended
    atomic_uint_fast32_t count;     //  rows that have ended
    atomic_uint_fast64_t newest;    //  no death is greater
} kith_ends_t;

//  Notes that a row ended at seq (not 0); the smaller seq wins. Returns true if the row had not ended before.
bool kith_ends_set (kith_ends_t *self, uint32_t row, uint64_t seq);

//  Seq of a row's death; 0: none
static inline uint64_t
kith_ends_get (const kith_ends_t *self, uint32_t row)
{
    return atomic_load_explicit (&self->seqs [row], memory_order_acquire);
}

//  True if some row had ended when this was called.
static inline bool
kith_ends_any (const kith_ends_t *self)
{
    return atomic_load_explicit (&self->count, memory_order_acquire) > 0;
}

//  Drops from bits (rows 0 .. bits->count - 1) those that ended at or before s.
void kith_ends_drop (const kith_ends_t *self, uint64_t s, kith_bits_t *bits);

#endif
