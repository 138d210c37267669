//  query_coord.h - what the files of query_coord share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_QUERY_COORD_H
#define KITH_QUERY_COORD_H

#include "actors/common.h"
#include "actors/query_balance.h"
#include "actors/scan.h"

typedef struct {
    uint64_t incarnation;       //  0: never heard of
    uint64_t leased;            //  incarnation in its lease row
    uint64_t lease_revision;    //  of that row: compared by T4
    int64_t heard_us;
    bool alive;
} kith_query_coord_node_t;

//  What a node was told of a channel
typedef struct {
    uint64_t plan;    //  newest one it said OK to
    bool has;         //  it was told to do something with the channel
    bool out;         //  a call is under way
} kith_told_t;

typedef struct {
    uint64_t segment;
    uint32_t holder;
    uint64_t pinned;    //  incarnation in its pin row; 0: none
} kith_assigned_t;

typedef struct {
    uint64_t id;
    kith_kept_t row;    //  kith_proto_channel_row_t
    uint64_t revision;
    kith_kept_t definition;    //  kith_proto_collection_t
    kith_kept_t
        indexes;    //  kith_proto_segment_place_t whose `indexes` are the channel's
    bool wanted;    //  loaded, not dropped
    bool seen;      //  by the scan under way
    uint32_t delegator;
    kith_assigned_t *assigned;
    uint32_t assigned_count;
    uint64_t digest;    //  of what the plan was made of
    uint64_t plan;
    bool pinning;         //  T4 is under way
    bool pinned;          //  every segment of the plan is pinned
    kith_told_t *told;    //  by node
} kith_query_plan_t;

typedef struct {
    kith_lease_t lease;
    kith_query_coord_node_t *nodes;
    uint32_t node_count;
    kith_query_plan_t **plans;
    uint32_t plan_count, plan_capacity;
    uint64_t next_plan;
    bool held;       //  the lease is
    bool scanned;    //  once at least
    kith_scan_t scan;
} kith_query_coord_t;

enum { KITH_QUERY_COORD_TICK = 1 };

//  query_coord_plan.c: from what is there to what each node is told
void kith_query_coord_scanned (void *self, kith_ctx_t *ctx);
void kith_query_coord_plan (kith_query_coord_t *self, kith_ctx_t *ctx);
void kith_query_coord_free_plan (kith_query_plan_t **plan_p);
kith_query_plan_t *kith_query_coord_find (kith_query_coord_t *self, uint64_t channel);
//  A node said that it follows or holds the channel: it is told what becomes of it, whoever it has it from.
void kith_query_coord_serves (kith_query_coord_t *self, uint64_t channel, uint32_t node);
//  `follow` of a channel as its delegator is told it.
kith_msg_t *
kith_query_coord_follow (const kith_query_coord_t *self, const kith_query_plan_t *plan);

#endif
