//  placement.h - the cluster and the workload of a seed
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_PLACEMENT_H
#define KITH_PLACEMENT_H

#include "base/bytes.h"
#include "base/random.h"
#include "engine/kernels/kernels.h"

//  What a client does, one thing after the other
typedef enum {
    KITH_OP_NONE,
    KITH_OP_INSERT,
    KITH_OP_REMOVE,
    KITH_OP_GET,      //  rows by keys
    KITH_OP_RANGE,    //  rows by a filter over keys
    KITH_OP_COUNT,
    KITH_OP_SEARCH,
    KITH_OP_FLUSH,
    KITH_OP_INDEX,
    KITH_OP_RELEASE,      //  and load again
    KITH_OP_DROP,         //  and create again
    KITH_OP_PARTITION,    //  drop a partition, and make it again
    //  No weight: they follow others
    KITH_OP_LOAD,
    KITH_OP_CREATE,
    KITH_OP_OPEN,
    KITH_OP_PARTITION_MAKE
} kith_op_t;
#define KITH_OPS_WEIGHTED 12

#define KITH_PARTITIONS_DRAWN 3u

const char *kith_op_name (kith_op_t op);

typedef struct {
    uint32_t keys;    //  so many different ones, so that they are used again
    uint32_t shards;
    uint32_t dim;
    kith_metric_t metric;
    uint32_t clients;
    uint32_t lanes;        //  requests that a client has under way
    uint32_t rows_max;     //  of an insert
    int64_t think_us;      //  mean time between a lane's requests
    int64_t attempt_us;    //  how long one try may take
    int64_t run_us;        //  time with faults
    double stale_since;    //  share of writes that name an old `since`
    double weights [KITH_OPS_WEIGHTED];
    uint32_t partitions;    //  beside _default
} kith_workload_t;

//  Draws both from a seed: the text of a configuration is appended.
void kith_placement_draw (uint64_t seed, kith_bytes_t *text);
void kith_workload_draw (uint64_t seed, kith_workload_t *self);

#endif
