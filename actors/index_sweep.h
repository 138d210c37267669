//  index_sweep.h - files of indexes that no row names any more: replaced, dropped, refused, or of builds that were given up
//  SPDX-License-Identifier: Apache-2.0
//
//  A file is removed once it was seen without a row twice, with a while between in which a build that put it would have named it and
//  a load that began before would have opened it. Whoever comes too late is refused like one whose file is lost, and searches
//  exactly until the place names another: an index holds nothing that its segment has not.
#ifndef KITH_INDEX_SWEEP_H
#define KITH_INDEX_SWEEP_H

#include "actors/scan.h"

typedef struct {
    char name [KITH_KEY_MAX];
    int64_t since_us;    //  seen without a row
} kith_unnamed_t;

typedef struct {
    kith_objects_t *objects;
    const kith_lease_t *lease;
    //  Segments where a build is under way are left alone.
    bool (*building) (void *actor, uint64_t channel, uint64_t segment);
    uint64_t specs;    //  hash of all specifications, as of the newest scan
    bool wanted;       //  a file may have lost its row
    bool busy;
    int64_t after_us;    //  not before
    kith_unnamed_t *unnamed;
    uint32_t count;
} kith_sweep_t;

void kith_sweep_free (kith_sweep_t *self);

//  After each scan: drops the rows of indexes that no specification asks for, and looks for files if that may bring something.
void
kith_sweep (kith_sweep_t *self, void *actor, kith_ctx_t *ctx, const kith_scan_t *scan);

#endif
