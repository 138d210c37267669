//  segment_impl.h - what a segment is made of; for segment.c and run.c alone
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_SEGMENT_IMPL_H
#define KITH_SEGMENT_IMPL_H

#include "engine/segments/growing.h"
#include "engine/segments/sealed.h"
#include "engine/segments/segment.h"

struct kith_segment {
    atomic_uint references;
    kith_schema_t *schema;
    kith_growing_t *growing;         //  null: sealed
    kith_sealed_t *sealed;           //  null: growing
    uint64_t from;                   //  seq range covered
    atomic_uint_fast64_t to;         //  0: still open
    atomic_uint_fast64_t applied;    //  deaths are complete up to it
};

#endif
