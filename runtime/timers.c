//  timers - a heap of moments; what is due at the same moment comes in order of birth
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/timers.h"

static bool
s_before (const kith_timer_t *left, const kith_timer_t *right)
{
    if (left->at_us != right->at_us)
        return left->at_us < right->at_us;
    return left->birth < right->birth;
}

static void
s_set (kith_timers_t *self, size_t index, kith_timer_t *timer)
{
    self->heap [index] = timer;
    timer->place = index + 1;
}

static void
s_up (kith_timers_t *self, size_t index, kith_timer_t *timer)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!s_before (timer, self->heap [parent]))
            break;
        s_set (self, index, self->heap [parent]);
        index = parent;
    }
    s_set (self, index, timer);
}

static void
s_down (kith_timers_t *self, size_t index, kith_timer_t *timer)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= self->count)
            break;
        if (child + 1 < self->count
            && s_before (self->heap [child + 1], self->heap [child]))
            child++;
        if (!s_before (self->heap [child], timer))
            break;
        s_set (self, index, self->heap [child]);
        index = child;
    }
    s_set (self, index, timer);
}

void
kith_timers_add (kith_timers_t *self, kith_timer_t *timer, int64_t at_us)
{
    assert (self);
    assert (timer->place == 0);
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 64;
        self->heap = realloc (self->heap, self->capacity * sizeof (kith_timer_t *));
        assert (self->heap);
    }
    timer->at_us = at_us;
    timer->birth = ++self->births;
    s_up (self, self->count++, timer);
}

void
kith_timers_remove (kith_timers_t *self, kith_timer_t *timer)
{
    assert (self);
    if (timer->place == 0)
        return;
    size_t index = timer->place - 1;
    assert (index < self->count && self->heap [index] == timer);
    timer->place = 0;
    kith_timer_t *moved = self->heap [--self->count];
    if (moved == timer)
        return;
    if (index > 0 && s_before (moved, self->heap [(index - 1) / 2]))
        s_up (self, index, moved);
    else
        s_down (self, index, moved);
}

kith_timer_t *
kith_timers_first (const kith_timers_t *self)
{
    return self->count ? self->heap [0] : NULL;
}

void
kith_timers_free (kith_timers_t *self)
{
    assert (self);
    free (self->heap);
    memset (self, 0, sizeof *self);
}
