//  inbox.h - the one queue into a loop's thread; whoever puts something in wakes the loop if it sleeps
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_INBOX_H
#define KITH_INBOX_H

#include "base/base.h"

typedef struct kith_inbox kith_inbox_t;

typedef enum {
    KITH_ITEM_MESSAGE,    //  kith_msg_t
    KITH_ITEM_WORK,       //  kith_work_t that is done
    KITH_ITEM_PARCEL,     //  kith_parcel_t: a message not yet decoded
    KITH_ITEM_ORDER       //  what another thread asks and waits for
} kith_item_kind_t;

typedef struct {
    kith_item_kind_t kind;
    void *data;
} kith_item_t;

//  limit: messages and parcels that may wait; the other kinds are bounded by those who make them. Null: no eventfd.
kith_inbox_t *kith_inbox_new (size_t limit);

//  Empty.
void kith_inbox_destroy (kith_inbox_t **self_p);

//  -1: full (never for work and orders).
int kith_inbox_put (kith_inbox_t *self, kith_item_t item) KITH_MUST;

//  Everything that waits, in order: *items lives until the next call. Returns how many. For the loop's thread.
size_t kith_inbox_take (kith_inbox_t *self, const kith_item_t **items);

//  Descriptor that is readable once something was put in while the loop slept. True: the loop may sleep now.
int kith_inbox_fd (const kith_inbox_t *self);
bool kith_inbox_sleep (kith_inbox_t *self);
void kith_inbox_wake (kith_inbox_t *self);

//  How many wait now.
size_t kith_inbox_count (kith_inbox_t *self);

#endif
