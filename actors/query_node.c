//  query_node.c - turns the log into growing segments, holds sealed ones, answers reads
//  SPDX-License-Identifier: Apache-2.0
#include "actors/query_node.h"
#include "actors/roles.h"

#define HELLO_US 2000000
#define HELLO_RETRY_US 100000
#define RETRY_US 20000

kith_query_channel_t *
kith_query_channel (kith_query_node_t *self, uint64_t id)
{
    for (uint32_t i = 0; i < self->channel_count; i++)
        if (self->channels [i]->id == id)
            return self->channels [i];
    return NULL;
}

void
kith_query_channel_free (kith_query_channel_t **self_p)
{
    kith_query_channel_t *self = *self_p;
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_CANCELLED, "stopping");
    kith_query_reads_end (NULL, self, &error);
    for (uint32_t i = 0; i < self->growing_count; i++)
        kith_segment_destroy (&self->growing [i]);
    for (uint32_t i = 0; i < self->held_count; i++)
        kith_query_held_free (&self->held [i]);
    free (self->growing);
    free (self->ended);
    free (self->held);
    free (self->next.items);
    free (self->view.items);
    kith_filter_destroy (&self->filter);
    kith_kept_free (&self->definition);
    kith_schema_destroy (&self->schema);
    free (self);
    *self_p = NULL;
}

bool
kith_query_back (kith_query_channel_t *channel)
{
    assert (channel->uses);
    channel->uses--;
    if (!channel->gone)
        return false;
    if (!channel->uses)
        kith_query_channel_free (&channel);
    return true;
}

static void
s_owners_told (void *arg_self, kith_ctx_t *ctx, bool told)
{
    (void) told;
    kith_query_retry (arg_self, ctx);
}

void
kith_query_retry (kith_query_node_t *self, kith_ctx_t *ctx)
{
    if (self->ticking)
        return;
    self->ticking = true;
    kith_ctx_after (ctx, RETRY_US, KITH_QUERY_RETRY);
}

static void
s_retry (kith_query_node_t *self, kith_ctx_t *ctx)
{
    self->ticking = false;
    for (uint32_t i = 0; i < self->channel_count; i++) {
        kith_query_channel_t *channel = self->channels [i];
        kith_query_fetch (self, ctx, channel);
        kith_query_attach (self, ctx, channel);
        for (uint32_t j = 0; j < channel->held_count; j++)
            kith_query_tell_ready (self, ctx, channel->held [j]);
        kith_query_reads_go (self, ctx, channel);
    }
}

//  Hello to query_coord

static void
s_welcomed (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
            void *arg)
{
    (void) arg_self;
    (void) arg;
    if (end == KITH_END_STOPPED)
        return;
    if (end == KITH_END_OK) {
        const kith_proto_node_welcome_t *welcome = (*answer_p)->body;
        kith_ctx_set_cluster_id (ctx, welcome->cluster);
    }
    kith_ctx_after (ctx, end == KITH_END_OK ? HELLO_US : HELLO_RETRY_US,
                    KITH_QUERY_HELLO);
}

static void
s_hello (kith_query_node_t *self, kith_ctx_t *ctx)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_NODE_HELLO);
    kith_proto_node_hello_t *hello = msg->body;
    hello->channels = kith_arena_alloc (&msg->arena, (self->channel_count + 1)
                                                         * sizeof *hello->channels);
    for (uint32_t i = 0; i < self->channel_count; i++) {
        kith_query_channel_t *channel = self->channels [i];
        hello->channels [hello->channels_count++] = channel->id;
        bool failed = false;
        for (uint32_t j = 0; j < channel->held_count; j++) {
            hello->busy += channel->held [j]->busy;
            if (channel->held [j]->rows && !channel->held [j]->busy)
                kith_segment_trim (channel->held [j]->rows);
            failed = failed || (channel->held [j]->failed && channel->held [j]->wanted)
                     || kith_query_has_room (self, ctx, channel->held [j]);
            kith_query_tell_refused (ctx, channel->held [j]);
        }
        //  Told again, a load that failed begins again
        if (failed)
            kith_query_refresh (self, ctx, channel, false);
    }
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_QUERY_COORD, 0), &msg, KITH_CALL_US,
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
    kith_query_node_t *self = kith_new (sizeof *self);
    self->objects = objects;
    kith_owners_init (&self->owners, ctx, s_owners_told);
    s_hello (self, ctx);
    return self;
}

static void
s_unfollow (kith_query_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_unfollow_t *unfollow = (*msg_p)->body;
    for (uint32_t i = 0; i < self->channel_count; i++) {
        kith_query_channel_t *channel = self->channels [i];
        if (channel->id != unfollow->channel || unfollow->plan < channel->follow_plan
            || unfollow->plan < channel->hold_plan)
            continue;
        kith_error_t error;
        kith_error_set (&error, KITH_ERR_NOT_LOADED, "channel %" PRIu64 " is released",
                        channel->id);
        kith_query_reads_end (ctx, channel, &error);
        self->channels [i] = self->channels [--self->channel_count];
        channel->gone = true;
        if (!channel->uses)
            kith_query_channel_free (&channel);
        break;
    }
    kith_reply_ok (ctx, msg_p);
}

static void
s_kept (kith_query_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_segment_kept_t *ask = (*msg_p)->body;
    const kith_query_channel_t *channel = kith_query_channel (self, ask->channel);
    if (channel && kith_query_held (channel, ask->segment))
        kith_reply_ok (ctx, msg_p);
    else
        kith_refuse (ctx, msg_p, KITH_ERR_NOT_FOUND, "segment %" PRIu64 " is not held",
                     ask->segment);
}

static void
s_handle (void *arg_self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_query_node_t *self = arg_self;
    const kith_kind_t kind = (*msg_p)->kind;
    if (kind == KITH_KIND_SEARCH || kind == KITH_KIND_QUERY
        || kind == KITH_KIND_SEARCH_SEGMENTS || kind == KITH_KIND_QUERY_SEGMENTS)
        kith_query_read (self, ctx, msg_p);
    else if (kind == KITH_KIND_FOLLOW)
        kith_query_follow (self, ctx, msg_p);
    else if (kind == KITH_KIND_HOLD)
        kith_query_hold (self, ctx, msg_p);
    else if (kind == KITH_KIND_UNFOLLOW)
        s_unfollow (self, ctx, msg_p);
    else if (kind == KITH_KIND_SEGMENT_KEPT)
        s_kept (self, ctx, msg_p);
    else if (kind == KITH_KIND_SEGMENT_READY) {
        if (kith_query_ready (self, ctx, (*msg_p)->body, (*msg_p)->from))
            kith_reply_ok (ctx, msg_p);
        else
            kith_refuse (ctx, msg_p, KITH_ERR_NOT_LOADED,
                         "the segment is not in a view here");
    }
    else if (kind == KITH_KIND_CHANNEL_STATE)
        kith_query_state (self, ctx, msg_p);
    else
        kith_refuse (ctx, msg_p, KITH_ERR_UNSUPPORTED, "query_node does not know '%s'",
                     kith_kind_name (kind));
}

static void
s_timeout (void *arg_self, kith_ctx_t *ctx, int tag)
{
    kith_query_node_t *self = arg_self;
    if (tag == KITH_QUERY_HELLO)
        s_hello (self, ctx);
    else if (tag == KITH_QUERY_RETRY)
        s_retry (self, ctx);
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    kith_query_node_t *self = *self_p;
    for (uint32_t i = 0; i < self->channel_count; i++)
        kith_query_channel_free (&self->channels [i]);
    free (self->channels);
    kith_owners_free (&self->owners);
    free (self);
    *self_p = NULL;
}

const kith_behaviour_t kith_query_node = {
    .name = "query_node",
    .role = KITH_ROLE_QUERY_NODE,
    .init = s_init,
    .handle = s_handle,
    .timeout = s_timeout,
    .stop = s_stop,
};
