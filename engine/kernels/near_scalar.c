//  near_scalar.c - nodes put into a sorted beam: the specification
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/isa.h"

enum {
    FRESH_MAX = 32,    //  nodes sorted before they go into the beam
    RUN = 8,           //  nodes of the beam moved at once
    SORTED_MIN = 48    //  a narrower beam is quicker moved for each node by itself
};

//  Sorted nodes into the beam, which is moved once, from its end
static void
s_merge (kith_near_put_t *put, const kith_near_t *fresh, uint32_t count)
{
    kith_near_t *near = put->near;
    int64_t old = (int64_t) put->size - 1, new = (int64_t) count - 1;
    uint32_t size = put->size + count;
    for (; size > put->capacity; size--)
        if (old >= 0 && near [old].distance > fresh [new].distance)
            old--;
        else
            new --;
    int64_t place = size;
    while (new >= 0) {
        const float distance = fresh [new].distance;
        for (; old >= RUN - 1 && near [old - RUN + 1].distance > distance; old -= RUN) {
            place -= RUN;
            memmove (near + place, near + old - RUN + 1, RUN * sizeof *near);
        }
        while (old >= 0 && near [old].distance > distance)
            near [--place] = near [old--];
        near [--place] = fresh [new --];
    }
    put->size = size;
    if (place < put->first)
        put->first = (uint32_t) place;
}

static void
s_put_each (kith_near_put_t *put)
{
    for (uint32_t index = 0; index < put->count; index++) {
        const kith_near_t fresh = {.distance = put->distances [index],
                                   .id = put->ids [index]};
        if (fresh.distance < kith_near_worst (put))
            s_merge (put, &fresh, 1);
    }
}

void
kith_near_put_scalar (kith_near_put_t *put)
{
    if (put->capacity < SORTED_MIN) {
        s_put_each (put);
        return;
    }
    kith_near_t fresh [FRESH_MAX];
    uint32_t found = 0;
    float worst = kith_near_worst (put);
    for (uint32_t index = 0; index < put->count; index++) {
        const float distance = put->distances [index];
        if (!(distance < worst))
            continue;
        if (found == FRESH_MAX) {
            s_merge (put, fresh, found);
            found = 0;
            worst = kith_near_worst (put);
            if (!(distance < worst))
                continue;
        }
        uint32_t place = found++;
        for (; place > 0 && fresh [place - 1].distance > distance; place--)
            fresh [place] = fresh [place - 1];
        fresh [place] = (kith_near_t){.distance = distance, .id = put->ids [index]};
    }
    if (found)
        s_merge (put, fresh, found);
}

static uint32_t
s_count (const kith_near_t *near, uint32_t count, int32_t key)
{
    uint32_t found = 0;
    for (uint32_t index = 0; index < count; index++)
        found += kith_near_key (near [index].distance) <= key;
    return found;
}

//  Halving finds the least key that `most` nodes do not exceed
static float
s_select (kith_near_t *near, uint32_t count, uint32_t most)
{
    int32_t low = INT32_MAX, high = INT32_MIN;
    for (uint32_t index = 0; index < count; index++) {
        const int32_t key = kith_near_key (near [index].distance);
        low = key < low ? key : low;
        high = key > high ? key : high;
    }
    while (low < high) {
        const int32_t middle = kith_near_between (low, high);
        if (s_count (near, count, middle) >= most)
            high = middle;
        else
            low = middle + 1;
    }
    uint32_t kept = 0, equal = most;
    for (uint32_t index = 0; index < count; index++)
        equal -= kith_near_key (near [index].distance) < low;
    for (uint32_t index = 0; index < count && kept < most; index++) {
        const int32_t key = kith_near_key (near [index].distance);
        if (key > low || (key == low && equal == 0))
            continue;
        equal -= key == low;
        near [kept++] = near [index];
    }
    return kith_near_of_key (low);
}

void
kith_fill_near_scalar (kith_kernels_t *table)
{
    table->near_put = kith_near_put_scalar;
    table->near_select = s_select;
}
