//  data_coord.h - what the files of data_coord share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_DATA_COORD_H
#define KITH_DATA_COORD_H

#include "actors/common.h"

typedef struct {
    uint32_t home;    //  data node whose disk has it
    kith_proto_log_route_t
        route;    //  as its owner told last; its texts are those of `refused`
    kith_error_t refused;
} kith_data_coord_log_t;

typedef struct {
    uint64_t leased;    //  incarnation in its lease row
} kith_data_coord_node_t;

//  A dropped channel, or a segment that left its channel's row, whose objects are to go
typedef struct {
    uint64_t channel;
    uint64_t segment;    //  0: the whole channel
    char snapshot [KITH_KEY_MAX],
        deaths [KITH_KEY_MAX];    //  of the segment; empty: none
    bool busy;
    bool bare;       //  its objects are gone
    bool *told;      //  of a channel: data nodes that know, by index; else null
    bool telling;    //  calls are under way
} kith_dropped_t;

//  Files that no row names are looked for, of some channels or of all
typedef struct {
    uint64_t *channels;
    uint32_t count, capacity;
    bool all;
    bool timer, busy;
} kith_data_sweep_t;

typedef struct {
    kith_lease_t lease;
    bool ready;
    kith_park_t queue;    //  requests that came before
    kith_data_coord_log_t *logs;
    uint32_t log_count;
    kith_data_coord_node_t *nodes;
    uint32_t node_count;
    kith_objects_t *objects;
    kith_dropped_t **dropped;
    uint32_t dropped_count, dropped_capacity;
    bool gc_timer;
    kith_data_sweep_t sweep;
} kith_data_coord_t;

enum { KITH_DATA_COORD_GC = 1, KITH_DATA_COORD_SWEEP };

void kith_data_coord_handle (void *self, kith_ctx_t *ctx, kith_msg_t **msg_p);

//  data_coord_gc.c: T9's second half: objects go when no pin is left, then the rows
void
kith_data_coord_dropped (kith_data_coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
//  The row of a channel says that it was dropped. A segment left the row of its channel (G2). Both may be told again.
void kith_data_coord_ended (kith_data_coord_t *self, kith_ctx_t *ctx, uint64_t channel);
void kith_data_coord_freed (kith_data_coord_t *self, kith_ctx_t *ctx, uint64_t channel,
                            const kith_proto_segment_row_t *segment);
void kith_data_coord_gc_free (kith_data_coord_t *self);
void kith_data_coord_gc (kith_data_coord_t *self, kith_ctx_t *ctx);

//  data_sweep.c: G1, and what T9 and G2 left to be done, a while after something may have left files: in a channel, 0: in any
void kith_data_sweep_later (kith_data_coord_t *self, kith_ctx_t *ctx, uint64_t channel);
void kith_data_sweep (kith_data_coord_t *self, kith_ctx_t *ctx);
void kith_data_sweep_free (kith_data_sweep_t *self);

#endif
