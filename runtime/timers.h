//  timers.h - a heap of moments; what is due at the same moment comes in order of birth
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_TIMERS_H
#define KITH_TIMERS_H

#include "base/base.h"

//  Part of what is to happen; its owner frees it.
typedef struct {
    int64_t at_us;     //  when
    uint64_t birth;    //  breaks ties
    size_t place;      //  1 + index in the heap; 0: not waiting
} kith_timer_t;

//  Plain struct: a zeroed one is empty and valid.
typedef struct {
    kith_timer_t **heap;
    size_t count;
    size_t capacity;
    uint64_t births;
} kith_timers_t;

//  Puts timer (not waiting) in at at_us.
void kith_timers_add (kith_timers_t *self, kith_timer_t *timer, int64_t at_us);

//  Takes timer out; nothing if it is not waiting.
void kith_timers_remove (kith_timers_t *self, kith_timer_t *timer);

//  The next one, left in; null if there is none.
kith_timer_t *kith_timers_first (const kith_timers_t *self);

//  Frees the heap; what still waits in it is its owners'.
void kith_timers_free (kith_timers_t *self);

#endif
