//  owners.h - where the owners of the logs are, as data_coord told
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_OWNERS_H
#define KITH_OWNERS_H

#include "actors/common.h"

//  Called when data_coord answered (told) or could not be asked: what waits for an owner is tried again.
typedef void (kith_owners_fn) (void *self, kith_ctx_t *ctx, bool told);

//  What is known of a log
typedef struct {
    kith_address_t owner;    //  role CLIENT: not known
    kith_error_t refused;    //  then: why there is none
    bool lasting;            //  and waiting is of no use
} kith_owner_t;

typedef struct {
    kith_owner_t *items;    //  by log
    uint32_t count;
    bool asking;
    kith_owners_fn *fn;
} kith_owners_t;

void kith_owners_init (kith_owners_t *self, kith_ctx_t *ctx, kith_owners_fn *fn);
void kith_owners_free (kith_owners_t *self);

//  Owner of a log; false: not known, data_coord is being asked.
bool kith_owners_find (kith_owners_t *self, kith_ctx_t *ctx, uint32_t log,
                       kith_address_t *owner);

//  Why a log has no owner, as data_coord told last (kith_log_refused); null: it gave no reason. lasting: waiting is of no use.
const kith_error_t *
kith_owners_why (const kith_owners_t *self, uint32_t log, bool *lasting);

//  The owner known of a log does not answer for it any more.
void kith_owners_wrong (kith_owners_t *self, uint32_t log);

#endif
