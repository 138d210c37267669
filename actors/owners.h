//  owners.h - where the owners of the logs are, as data_coord told
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_OWNERS_H
#define KITH_OWNERS_H

#include "actors/common.h"

//  Called when data_coord answered (told) or could not be asked: what waits for an owner is tried again.
typedef void (kith_owners_fn) (void *self, kith_ctx_t *ctx, bool told);

typedef struct {
    kith_address_t *items;    //  by log; role CLIENT: not known
    uint32_t count;
    bool asking;
    kith_owners_fn *fn;
} kith_owners_t;

void kith_owners_init (kith_owners_t *self, kith_ctx_t *ctx, kith_owners_fn *fn);
void kith_owners_free (kith_owners_t *self);

//  Owner of a log; false: not known, data_coord is being asked.
bool kith_owners_find (kith_owners_t *self, kith_ctx_t *ctx, uint32_t log,
                       kith_address_t *owner);

//  The owner known of a log does not answer for it any more.
void kith_owners_wrong (kith_owners_t *self, uint32_t log);

#endif
