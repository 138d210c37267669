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
} kith_dropped_t;

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
    bool gc_missed;    //  what an earlier life left is to be looked for again
} kith_data_coord_t;

enum { KITH_DATA_COORD_GC = 1 };

void kith_data_coord_handle (void *self, kith_ctx_t *ctx, kith_msg_t **msg_p);

//  data_coord_gc.c: T9's second half: objects go when no pin is left, then the rows
void
kith_data_coord_dropped (kith_data_coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
//  A segment left the row of its channel (G2).
void kith_data_coord_freed (kith_data_coord_t *self, kith_ctx_t *ctx, uint64_t channel,
                            const kith_proto_segment_row_t *segment);
void kith_data_coord_gc_free (kith_data_coord_t *self);
void kith_data_coord_gc_begin (kith_data_coord_t *self, kith_ctx_t *ctx);
void kith_data_coord_gc (kith_data_coord_t *self, kith_ctx_t *ctx);

#endif
