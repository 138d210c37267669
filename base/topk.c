//  topk.c - keeps the k best of many scored rows
//  SPDX-License-Identifier: Apache-2.0
#include "base/topk.h"

#include "base/bytes.h"

#include <math.h>

bool
kith_hit_better (const kith_hit_t *a, const kith_hit_t *b)
{
    //  Two comparisons instead of == keep the order total but for NaN, which no caller sends
    if (a->distance < b->distance)
        return true;
    if (a->distance > b->distance)
        return false;
    if (a->part != b->part)
        return a->part < b->part;
    return a->row < b->row;
}

void
kith_topk_init (kith_topk_t *self, uint32_t k)
{
    assert (self);
    self->hits = kith_new ((size_t) k * sizeof (kith_hit_t));
    self->count = 0;
    self->k = k;
}

void
kith_topk_free (kith_topk_t *self)
{
    assert (self);
    free (self->hits);
    *self = (kith_topk_t){0};
}

//  Puts hit into the hole at `place` of a heap of `count` hits and lets it sink; the worst is on top.
static void
s_sink (kith_hit_t *hits, uint32_t count, size_t place, const kith_hit_t *hit)
{
    size_t child;
    while ((child = 2 * place + 1) < count) {
        if (child + 1 < count && kith_hit_better (&hits [child], &hits [child + 1]))
            child++;
        if (!kith_hit_better (hit, &hits [child]))
            break;
        hits [place] = hits [child];
        place = child;
    }
    hits [place] = *hit;
}

static void
s_rise (kith_hit_t *hits, size_t place, const kith_hit_t *hit)
{
    while (place > 0) {
        size_t parent = (place - 1) / 2;
        if (!kith_hit_better (&hits [parent], hit))
            break;
        hits [place] = hits [parent];
        place = parent;
    }
    hits [place] = *hit;
}

void
kith_topk_push (kith_topk_t *self, kith_hit_t hit)
{
    if (self->count < self->k)
        s_rise (self->hits, self->count++, &hit);
    else if (self->k > 0 && kith_hit_better (&hit, &self->hits [0]))
        s_sink (self->hits, self->count, 0, &hit);
}

float
kith_topk_worst (const kith_topk_t *self)
{
    if (self->count < self->k)
        return INFINITY;
    return self->k ? self->hits [0].distance : -INFINITY;
}

void
kith_topk_sort (kith_topk_t *self)
{
    for (uint32_t left = self->count; left > 1; left--) {
        kith_hit_t last = self->hits [left - 1];
        self->hits [left - 1] = self->hits [0];
        s_sink (self->hits, left - 1, 0, &last);
    }
}
