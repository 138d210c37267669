//  query_grow.c - indexes over rows that still grow, built in the background once they are searched
//  SPDX-License-Identifier: Apache-2.0
//
//  Rows that are not flushed are compared one by one, which takes long when they are many. Once a search met a full piece of a growing
//  segment that has no index for the field's specification, one is built here, piece after piece; from then on those rows are searched
//  by it. It goes with its segment: what is flushed gets an index from an index node.
#include "actors/query_node.h"

#define AGAIN_US 60000000    //  after a build that failed

typedef struct {
    const kith_ctx_t *ctx;    //  for the worker's question whether to go on
    kith_query_channel_t *channel;
    kith_segment_t *rows;
    uint32_t field, piece;
    uint64_t spec;
    kith_index_params_t params;
    kith_parallel_t half;    //  of the cores: the others search meanwhile
    int64_t began_us;
    kith_error_t error;
    int rc;
} grow_t;

//  Nobody needs it when the segment is flushed and loaded meanwhile
static bool
s_go_on (void *arg, uint64_t done, uint64_t of)
{
    const grow_t *grow = arg;
    (void) done;
    (void) of;
    return !kith_ctx_is_stopping (grow->ctx) && kith_segment_is_shared (grow->rows);
}

static void
s_build (void *arg)
{
    grow_t *grow = arg;
    grow->rc = kith_segment_build_index (grow->rows, grow->piece, grow->field, grow->spec,
                                         &grow->params, &grow->error);
}

static void
s_built (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    kith_query_node_t *self = arg_self;
    grow_t *grow = arg;
    kith_query_channel_t *channel = grow->channel;
    const uint32_t field = grow->field;
    self->grows = false;
    if (grow->rc == 0)
        kith_ctx_log (ctx, 'i',
                      "index of channel %" PRIu64 ", growing rows from %" PRIu64
                      ", piece %u: built in %" PRId64 " ms",
                      channel->id, kith_segment_from (grow->rows), grow->piece,
                      (kith_ctx_now_us (ctx) - grow->began_us) / 1000);
    else if (grow->error.code != KITH_ERR_CANCELLED) {
        kith_ctx_log (ctx, 'w',
                      "index of channel %" PRIu64 ", growing rows: %s: they are searched "
                      "exactly",
                      channel->id, grow->error.message);
        channel->grow_after_us = kith_ctx_now_us (ctx) + AGAIN_US;
    }
    kith_segment_destroy (&grow->rows);
    free (grow);
    if (!kith_query_back (channel))
        kith_query_grow (self, ctx, channel, field);
}

static int
s_start (kith_query_node_t *self, kith_ctx_t *ctx, grow_t *grow)
{
    grow->params.seed = kith_segment_from (grow->rows) + grow->piece;
    grow->half = *kith_ctx_parallel (ctx);
    grow->half.threads = (grow->half.threads + 1) / 2;
    grow->params.parallel = &grow->half;
    grow->params.progress = s_go_on;
    grow->params.progress_arg = grow;
    //  A file of records is for rows that do not fit in memory; these do
    if (grow->params.kind == KITH_INDEX_DISK) {
        grow->params.kind = KITH_INDEX_AUTO;
        grow->params.code = KITH_CODE_AUTO;
    }
    if (kith_ctx_work (ctx, KITH_POOL_BUILD, s_build, s_built, grow) != 0)
        return -1;
    self->grows = true;
    grow->channel->uses++;
    return 0;
}

void
kith_query_grow (kith_query_node_t *self, kith_ctx_t *ctx, kith_query_channel_t *channel,
                 uint32_t field)
{
    const kith_proto_index_spec_t *spec =
        channel->definition.row ? kith_index_spec_of (channel->definition.row, field)
                                : NULL;
    if (!spec || self->grows || channel->gone
        || kith_ctx_now_us (ctx) < channel->grow_after_us)
        return;
    const kith_index_params_t params = kith_index_spec_params (spec);
    const uint64_t hash = kith_index_spec_hash (spec);
    if (params.kind == KITH_INDEX_FLAT || !hash)
        return;
    int64_t piece = -1;
    uint32_t i = 0;
    for (; i < channel->growing_count; i++) {
        piece = kith_segment_unindexed (channel->growing [i], field, hash,
                                        kith_ctx_cluster (ctx)->index_rows_min);
        if (piece >= 0)
            break;
    }
    //  Most searches find nothing to do, and do not ask for the memory that all indexes take
    const uint64_t left = piece >= 0 ? kith_query_memory_left (self, ctx) : 0;
    if (!left)
        return;
    grow_t *grow = kith_new (sizeof *grow);
    *grow = (grow_t){.ctx = ctx,
                     .channel = channel,
                     .rows = kith_segment_share (channel->growing [i]),
                     .field = field,
                     .piece = (uint32_t) piece,
                     .spec = hash,
                     .params = params,
                     .began_us = kith_ctx_now_us (ctx)};
    grow->params.memory_max = left;
    if (s_start (self, ctx, grow) != 0) {
        kith_segment_destroy (&grow->rows);
        free (grow);
    }
}
