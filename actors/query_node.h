//  query_node.h - what the files of the query node share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_QUERY_NODE_H
#define KITH_QUERY_NODE_H

#include "actors/common.h"
#include "actors/indexes.h"
#include "actors/owners.h"
#include "engine/query/read.h"

//  A sealed segment held here:
//
//      LOADING --H2--> CATCHING --H3, up to the follower--> ATTACHED
//         |               |                                    |
//         +---------------+-------- not wanted, H5 ------------+--> gone when no work has it
typedef enum {
    KITH_HELD_LOADING,
    KITH_HELD_CATCHING,
    KITH_HELD_ATTACHED
} kith_held_state_t;

struct kith_query_channel;

//  An index that is loaded
typedef struct {
    uint32_t field;
    uint64_t spec;
    char object [KITH_KEY_MAX];
    char type [16];
    float recall;
    uint32_t effort;
    uint64_t memory;
} kith_held_index_t;

//  An index that is damaged, lost, of an older layout, or too large: index_coord is told as long as it is named
typedef struct {
    uint32_t field;
    uint64_t memory;    //  that it lacks room for; 0: it cannot be opened
    char object [KITH_KEY_MAX];
    char reason [200];
} kith_refused_index_t;

typedef struct {
    struct kith_query_channel *channel;
    uint64_t segment;
    kith_kept_t place;               //  kith_proto_segment_place_t: as it was told last
    char snapshot [KITH_KEY_MAX];    //  object that is loaded
    kith_segment_t *rows;            //  null while loading
    kith_held_state_t state;
    bool wanted;    //  by the newest plan
    bool busy;      //  a load or a catch-up is under way
    bool failed;    //  the last load failed: again when told again
    bool told;      //  the delegator has the newest READY
    kith_held_index_t indexes [KITH_INDEXES_MAX];    //  that are loaded
    uint32_t index_count;
    kith_refused_index_t refused [KITH_INDEXES_MAX];    //  of those that the place names
    uint32_t refused_count;
} kith_held_t;

//  A segment of a row, as the delegator sees it
typedef struct {
    uint64_t segment;
    kith_address_t holder;
    uint64_t base;
    uint64_t rows;
    uint64_t bytes;    //  on disk
    char snapshot [KITH_KEY_MAX];
    bool ready;
    kith_loaded_t loaded;    //  its indexes
    uint64_t memory;
} kith_viewed_t;

typedef struct {
    kith_viewed_t *items;
    uint32_t count;
    uint64_t checkpoint;    //  of the row it is of
} kith_query_view_t;

//  A read on its way
typedef struct kith_read {
    struct kith_read *next;
    struct kith_query_channel *channel;
    const kith_ctx_t *ctx;    //  for the worker's question whether it is late
    kith_msg_t *request;      //  search, query, search_segments, query_segments
    bool holder;              //  of named segments, for a delegator
    bool asked;               //  needs the answer of the ASK_LAST number `ask`
    bool required_known;
    uint64_t ask;
    uint64_t required;
    uint64_t s;
    int64_t began_us, ran_us;
    //  while it runs
    uint32_t parts_out;           //  works and calls that are not back
    kith_segment_t **segments;    //  local ones, shared
    uint32_t segment_count;
    kith_filter_t *filter;
    uint32_t fields [KITH_FIELDS_MAX];
    uint32_t field_count;
    uint32_t searched;     //  id of the vector field
    uint64_t spec;         //  of its index; 0: it has none
    kith_found_t found;    //  of the local segments
    kith_rows_found_t rows_found;
    kith_found_t merged;
    kith_rows_found_t rows_merged;
    kith_msg_t **answers;    //  of other holders
    uint32_t answer_count, answer_capacity;
    kith_schema_t *schema;
    uint32_t hops;
    kith_error_t error;
    bool failed;
    bool local;
    //  of the local segments: the worker's alone
    kith_error_t own_error;
    bool own_failed;
} kith_read_t;

typedef struct kith_query_channel {
    uint64_t id;
    uint32_t log;
    uint32_t me;    //  index of this node
    kith_kept_t definition;
    kith_schema_t *schema;
    uint64_t follow_plan, hold_plan;
    bool delegator;
    bool gone;                  //  unfollowed: freed when `uses` is 0
    uint32_t uses;              //  works and calls that refer to it
    kith_address_t ready_to;    //  delegator that is told READY

    //  follower
    bool following;
    bool full;    //  rows too, not keys only
    bool fetching;
    kith_address_t fetch_from;    //  owner that the FETCH under way asks
    bool applying;
    bool refreshing;    //  channel_refresh is under way
    bool restarting;    //  and the follower begins again with its answer
    uint64_t applied;
    uint64_t applied_epoch;
    int64_t late_until_us;    //  in simulation: nothing is fetched before
    int64_t grow_after_us;    //  no index over growing rows is built before
    uint32_t chunk_rows;      //  of growing segments, at most
    uint64_t
        life;    //  counts starts of the follower: answers of an older one are dropped
    kith_segment_t **growing;    //  by age; the last is open
    uint32_t growing_count, growing_capacity;
    uint32_t *ended;    //  partitions whose DROP was applied here
    uint32_t ended_count, ended_capacity;

    kith_held_t **held;
    uint32_t held_count, held_capacity;

    //  delegator
    kith_query_view_t next, view;
    bool view_ready;
    kith_read_t *reads;    //  that wait, oldest first
    bool asking;
    uint64_t ask;            //  number of the ASK_LAST under way
    int64_t asked_us;        //  when it was sent
    uint64_t confirmed;      //  seq of the newest answer
    int64_t confirmed_us;    //  when its question was sent; 0: never

    char filter_text [256];    //  of the newest filter
    kith_filter_t *filter;
} kith_query_channel_t;

typedef struct {
    kith_query_channel_t **channels;
    uint32_t channel_count, channel_capacity;
    kith_objects_t *objects;
    kith_owners_t owners;
    bool ticking;
    bool grows;    //  an index over growing rows is being built
} kith_query_node_t;

enum {
    KITH_QUERY_HELLO = 1,
    KITH_QUERY_RETRY =
        2    //  fetches and questions that failed, reads past their deadline
};

kith_query_channel_t *kith_query_channel (kith_query_node_t *self, uint64_t id);

//  A work or call that counted in `uses` is back; true if the channel is gone (and maybe freed).
bool kith_query_back (kith_query_channel_t *channel);
void kith_query_channel_free (kith_query_channel_t **self_p);

void kith_query_retry (kith_query_node_t *self, kith_ctx_t *ctx);

//  query_follow.c: FETCH and apply (Y1-Y4)
void kith_query_follow_start (kith_query_node_t *self, kith_ctx_t *ctx,
                              kith_query_channel_t *channel, uint64_t after, bool full);
void kith_query_fetch (kith_query_node_t *self, kith_ctx_t *ctx,
                       kith_query_channel_t *channel);
//  Asks for the row again: `restart`: the follower begins again at its checkpoint (Y4); else only the plan is told anew.
void kith_query_refresh (kith_query_node_t *self, kith_ctx_t *ctx,
                         kith_query_channel_t *channel, bool restart);

//  query_load.c: segments held (H1-H5), READY
void kith_query_hold (kith_query_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
void kith_query_attach (kith_query_node_t *self, kith_ctx_t *ctx,
                        kith_query_channel_t *channel);
void kith_query_unused (kith_query_node_t *self, kith_ctx_t *ctx,
                        kith_query_channel_t *channel);
void kith_query_tell_ready (kith_query_node_t *self, kith_ctx_t *ctx, kith_held_t *held);
void kith_query_tell_refused (kith_ctx_t *ctx, const kith_held_t *held);
//  What indexes may still take of the node's memory; UINT64_MAX: as much as there is.
uint64_t kith_query_memory_left (const kith_query_node_t *self, const kith_ctx_t *ctx);
//  There is room by now for an index that was refused for the lack of it.
bool kith_query_has_room (const kith_query_node_t *self, const kith_ctx_t *ctx,
                          const kith_held_t *held);
kith_held_t *kith_query_held (const kith_query_channel_t *channel, uint64_t segment);
//  A segment may be read with the follower: it is loaded and has every death up to `applied`.
bool kith_query_attached (const kith_query_channel_t *channel, uint64_t segment);
void kith_query_held_free (kith_held_t **self_p);

//  query_grow.c: indexes over growing rows. Begins one of a vector field that was searched, if there is something to do.
void kith_query_grow (kith_query_node_t *self, kith_ctx_t *ctx,
                      kith_query_channel_t *channel, uint32_t field);

//  query_view.c: follow, READY, the swap (D1)
void kith_query_follow (kith_query_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
void kith_query_take_follow (kith_query_node_t *self, kith_ctx_t *ctx,
                             const kith_proto_follow_t *follow, bool again);
//  Another node answers for the channel by now: view and growing rows go, the segments that are held here stay.
void kith_query_undelegate (kith_query_node_t *self, kith_ctx_t *ctx,
                            kith_query_channel_t *channel);
//  False: the channel, or the segment, is not known to be answered here.
bool kith_query_ready (kith_query_node_t *self, kith_ctx_t *ctx,
                       const kith_proto_segment_ready_t *ready, kith_address_t from);
void
kith_query_swap (kith_query_node_t *self, kith_ctx_t *ctx, kith_query_channel_t *channel);
void kith_query_state (kith_query_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);

//  query_read.c: reads wait, then run (S1-S4, R1-R4)
void kith_query_read (kith_query_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
void kith_query_reads_go (kith_query_node_t *self, kith_ctx_t *ctx,
                          kith_query_channel_t *channel);
void kith_query_reads_end (kith_ctx_t *ctx, kith_query_channel_t *channel,
                           const kith_error_t *error);

//  query_run.c: one read over the pinned view
void kith_query_run (kith_query_node_t *self, kith_ctx_t *ctx, kith_read_t *read);
void kith_query_read_free (kith_read_t **self_p);

#endif
