//  root_coord.h - what the files of root_coord share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_ROOT_COORD_H
#define KITH_ROOT_COORD_H

#include "actors/common.h"

typedef struct {
    kith_kept_t row;    //  kith_proto_collection_t
    uint64_t revision;
} kith_root_entry_t;

typedef struct {
    kith_lease_t lease;
    bool ready;
    kith_root_entry_t *entries;
    uint32_t entry_count, entry_capacity;
    uint64_t next_id;    //  of collections and channels
    uint64_t counter_revision;
    uint32_t scanned;    //  at start: prefixes that were read
    uint64_t topology_version;
    char *topology_text;
    kith_park_t queue;
    kith_msg_t *task;      //  under way; its answer waits for the transaction
    kith_kept_t change;    //  row that the task puts
    uint32_t tries;
    uint32_t tells;             //  coordinators still to be told before the answer
    kith_error_t must_error;    //  the one of them that must succeed did not
    uint32_t
        dropping;    //  partition drop: id of the one whose rows are being ended; 0: none
    bool dropping_timer;
} kith_root_t;

enum { KITH_ROOT_DROPPING = 1 };

//  A collection by name, or (name empty) by id; null: there is none.
kith_root_entry_t *
kith_root_find (kith_root_t *self, const char *db, const char *name, uint64_t id);

//  The task's transaction: a collection's new row. Then everybody who must know is told, then the task is answered.
void kith_root_put_change (kith_root_t *self, kith_ctx_t *ctx, kith_root_entry_t *entry,
                           const kith_proto_collection_t *row);
void kith_root_tell_all (kith_root_t *self, kith_ctx_t *ctx);

//  The next tasks of the queue, until one is under way. Every callback that may have ended a task calls it last.
void kith_root_next (kith_root_t *self, kith_ctx_t *ctx);

//  root_partitions.c: change a row as the task says.
int kith_root_partition_create (kith_root_t *self, kith_proto_collection_t *row,
                                kith_arena_t *arena, kith_error_t *error);
int kith_root_partition_drop (kith_root_t *self, kith_proto_collection_t *row,
                              kith_arena_t *arena, kith_error_t *error);
//  True if the task's drop was begun before: it goes on there.
bool kith_root_dropping_again (kith_root_t *self, kith_ctx_t *ctx,
                               const kith_proto_collection_t *row);
//  Every owner has the DROP: the second transaction.
void kith_root_dropping_done (kith_root_t *self, kith_ctx_t *ctx);
//  Drops that were begun become tasks: now, or after a while.
void kith_root_dropping_queue (kith_root_t *self, kith_ctx_t *ctx);
void kith_root_dropping_later (kith_root_t *self, kith_ctx_t *ctx);

#endif
