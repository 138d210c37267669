//  index_node.c - builds indexes from snapshots; holds nothing when idle
//  SPDX-License-Identifier: Apache-2.0
#include "actors/common.h"
#include "actors/indexes.h"
#include "actors/roles.h"
#include "engine/indexes/graph.h"
#include "engine/segments/segment.h"
#include <stdatomic.h>

#define HELLO_US 2000000
#define HELLO_RETRY_US 100000
#define PROGRESS_US 500000

enum { TAG_HELLO = 1, TAG_PROGRESS = 2 };

//  One build on the BUILD pool
typedef struct {
    const kith_ctx_t *ctx;    //  for the worker's question whether to go on
    kith_msg_t *request;
    kith_objects_t *objects;
    kith_parallel_t *parallel;
    uint64_t cluster;
    uint64_t memory_max;    //  bytes that the loaded index may take; 0: no limit
    kith_schema_t *schema;
    _Atomic uint64_t done;    //  rows: written by the worker, read by the actor
    kith_proto_index_row_t row;
    int64_t began_us;
    kith_error_t error;
    int rc;
} build_t;

typedef struct {
    kith_objects_t *objects;
    build_t *build;    //  under way; null: idle
} node_t;

//  On the worker

static bool
s_progress (void *arg, uint64_t done, uint64_t of)
{
    build_t *build = arg;
    (void) of;
    atomic_store_explicit (&build->done, done, memory_order_relaxed);
    return !kith_ctx_is_stopping (build->ctx);
}

static int
s_put (build_t *build, const kith_index_t *index)
{
    const kith_proto_index_build_t *ask = build->request->body;
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    const size_t count = kith_index_sections (index, sections);
    const kith_file_info_t info = {.kind = KITH_FILE_INDEX,
                                   .cluster = build->cluster,
                                   .channel = ask->channel,
                                   .segment = ask->segment.segment,
                                   .from = ask->segment.from,
                                   .to = ask->segment.to,
                                   .rows = ask->segment.rows};
    kith_index_info_t built;
    kith_index_describe (index, &built);
    build->row.type = kith_index_kind_name (built.kind);
    build->row.code = built.code ? kith_index_code_name (built.code) : "";
    build->row.recall = built.recall;
    build->row.effort = built.effort;
    build->row.memory = built.bytes;
    return kith_container_put (build->objects, ask->object, &info, sections, count,
                               &build->row.hash, &build->row.bytes, &build->error);
}

static void
s_build (void *arg)
{
    build_t *build = arg;
    const kith_proto_index_build_t *ask = build->request->body;
    build->rc = -1;
    kith_container_t *none = NULL;
    kith_container_t *snapshot = kith_container_open (
        build->objects, ask->segment.snapshot, KITH_FILE_SNAPSHOT, build->cluster,
        ask->segment.snapshot_hash, ask->segment.bytes, &build->error);
    kith_segment_t *segment =
        snapshot ? kith_segment_open (build->schema, &snapshot, &none, &build->error)
                 : NULL;
    if (!segment)
        return;
    kith_rows_t rows;
    kith_index_params_t params = kith_index_spec_params (&ask->spec);
    params.seed = ask->segment.segment;
    params.memory_max = build->memory_max;
    params.parallel = build->parallel;
    params.progress = s_progress;
    params.progress_arg = build;
    kith_index_t *index =
        kith_segment_vectors (segment, ask->spec.field, &rows, &build->error)
            ? NULL
            : kith_index_build (&rows, &params, &build->error);
    if (index)
        build->rc = s_put (build, index);
    kith_index_destroy (&index);
    kith_segment_destroy (&segment);
}

//  In the loop

static void
s_built (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    node_t *self = arg_self;
    build_t *build = arg;
    const kith_proto_index_build_t *ask = build->request->body;
    self->build = NULL;
    if (build->rc)
        kith_ctx_fail (ctx, &build->request, &build->error);
    else {
        kith_msg_t *answer = kith_msg_new (KITH_KIND_INDEX_BUILT);
        kith_proto_index_built_t *built = answer->body;
        built->row = build->row;
        built->row.channel = ask->channel;
        built->row.segment = ask->segment.segment;
        built->row.field = ask->spec.field;
        built->row.spec = kith_index_spec_hash (&ask->spec);
        built->row.object = kith_arena_strdup (&answer->arena, ask->object);
        built->row.rows = ask->segment.rows;
        built->row.ms = (uint64_t) (kith_ctx_now_us (ctx) - build->began_us) / 1000;
        kith_ctx_log (ctx, 'i',
                      "index of channel %" PRIu64 " segment %" PRIu64
                      ": %s%s%s of %" PRIu64 " rows in %" PRIu64
                      " ms, recall %.3f at effort %u",
                      ask->channel, ask->segment.segment, built->row.type,
                      *built->row.code ? " " : "", built->row.code, ask->segment.rows,
                      built->row.ms, (double) built->row.recall, built->row.effort);
        kith_ctx_reply (ctx, &build->request, &answer);
    }
    kith_schema_destroy (&build->schema);
    free (build);
}

static void
s_take (node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    if (self->build) {
        kith_refuse (ctx, msg_p, KITH_ERR_BUSY, "index_node/%u builds another index",
                     kith_ctx_self (ctx).index);
        return;
    }
    const kith_proto_index_build_t *ask = (*msg_p)->body;
    kith_error_t error;
    kith_schema_t *schema = kith_schema_of (&ask->definition, &error);
    if (!schema) {
        kith_ctx_fail (ctx, msg_p, &error);
        return;
    }
    build_t *build = kith_new (sizeof *build);
    build->ctx = ctx;
    build->objects = self->objects;
    build->parallel = kith_ctx_parallel (ctx);
    build->cluster = kith_ctx_cluster (ctx)->id;
    build->memory_max = kith_ctx_cluster (ctx)->index_memory;
    build->schema = schema;
    build->began_us = kith_ctx_now_us (ctx);
    build->request = *msg_p;
    *msg_p = NULL;
    if (kith_ctx_work (ctx, KITH_POOL_BUILD, s_build, s_built, build)) {
        kith_refuse (ctx, &build->request, KITH_ERR_BUSY, "no BUILD worker is free");
        kith_schema_destroy (&build->schema);
        free (build);
        return;
    }
    self->build = build;
    kith_ctx_after (ctx, PROGRESS_US, TAG_PROGRESS);
}

static void
s_tell_progress (node_t *self, kith_ctx_t *ctx)
{
    if (!self->build)
        return;
    const kith_proto_index_build_t *ask = self->build->request->body;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_INDEX_PROGRESS);
    kith_proto_index_progress_t *progress = msg->body;
    progress->channel = ask->channel;
    progress->segment = ask->segment.segment;
    progress->done = atomic_load_explicit (&self->build->done, memory_order_relaxed);
    kith_ctx_send (ctx, kith_actor (KITH_ROLE_INDEX_COORD, 0), &msg);
    kith_ctx_after (ctx, PROGRESS_US, TAG_PROGRESS);
}

static void
s_welcomed (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
            void *arg)
{
    (void) arg_self;
    (void) arg;
    if (end == KITH_END_STOPPED)
        return;
    if (end == KITH_END_OK)
        kith_ctx_set_cluster_id (
            ctx, ((const kith_proto_node_welcome_t *) (*answer_p)->body)->cluster);
    kith_ctx_after (ctx, end == KITH_END_OK ? HELLO_US : HELLO_RETRY_US, TAG_HELLO);
}

static void
s_hello (node_t *self, kith_ctx_t *ctx)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_NODE_HELLO);
    ((kith_proto_node_hello_t *) msg->body)->busy = self->build != NULL;
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_INDEX_COORD, 0), &msg, KITH_CALL_US,
                   s_welcomed, NULL);
}

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) config;
    kith_error_t error;
    kith_objects_t *objects = kith_ctx_objects (ctx, &error);
    if (!objects) {
        kith_ctx_exit (ctx, &error);
        return NULL;
    }
    node_t *self = kith_new (sizeof *self);
    self->objects = objects;
    s_hello (self, ctx);
    return self;
}

static void
s_handle (void *arg_self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_kind_t kind = (*msg_p)->kind;
    if (kind == KITH_KIND_INDEX_BUILD)
        s_take (arg_self, ctx, msg_p);
    else
        kith_refuse (ctx, msg_p, KITH_ERR_UNSUPPORTED, "index_node does not know '%s'",
                     kith_kind_name (kind));
}

static void
s_timeout (void *arg_self, kith_ctx_t *ctx, int tag)
{
    if (tag == TAG_HELLO)
        s_hello (arg_self, ctx);
    else
        s_tell_progress (arg_self, ctx);
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    free (*self_p);
    *self_p = NULL;
}

const kith_behaviour_t kith_index_node = {
    .name = "index_node",
    .role = KITH_ROLE_INDEX_NODE,
    .init = s_init,
    .handle = s_handle,
    .timeout = s_timeout,
    .stop = s_stop,
};
