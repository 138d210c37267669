//  query_read.c - reads wait until they may be answered: S1-S4, R1, R3
//  SPDX-License-Identifier: Apache-2.0
#include "actors/query_node.h"
#include "base/fault.h"

#define BOUNDED_DEFAULT_MS 5000u
#define ASK_US 1000000     //  one question; an owner that died answers nothing
#define DOUBT_US 500000    //  a holder that waits longer asks who owns the log

//  What search and query share
typedef struct {
    uint64_t channel;
    uint32_t level;
    uint32_t bounded_ms;
    const kith_proto_position_t *token;
    uint32_t token_count;
} wants_t;

static bool
s_wants (const kith_msg_t *msg, wants_t *wants)
{
    if (msg->kind == KITH_KIND_SEARCH) {
        const kith_proto_search_t *search = msg->body;
        *wants = (wants_t){search->channel, search->level, search->bounded_ms,
                           search->token, search->token_count};
        return false;
    }
    if (msg->kind == KITH_KIND_QUERY) {
        const kith_proto_query_t *query = msg->body;
        *wants = (wants_t){query->channel, query->level, query->bounded_ms, query->token,
                           query->token_count};
        return false;
    }
    if (msg->kind == KITH_KIND_SEARCH_SEGMENTS) {
        const kith_proto_search_segments_t *part = msg->body;
        *wants = (wants_t){.channel = part->plan.channel};
        return true;
    }
    const kith_proto_query_segments_t *part = msg->body;
    *wants = (wants_t){.channel = part->plan.channel};
    return true;
}

//  One question serves every read that began before it was sent (S1)

typedef struct {
    kith_query_channel_t *channel;
    uint64_t ask;
    int64_t sent_us;
} asked_t;

static void
s_ask (kith_query_node_t *self, kith_ctx_t *ctx, kith_query_channel_t *channel);

static void
s_told (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    kith_query_node_t *self = arg_self;
    asked_t *asked = arg;
    kith_query_channel_t *channel = asked->channel;
    const asked_t was = *asked;
    free (asked);
    channel->asking = false;
    if (kith_query_back (channel) || end == KITH_END_STOPPED)
        return;
    if (end != KITH_END_OK) {
        for (kith_read_t *read = channel->reads; read; read = read->next)
            if (read->ask == was.ask)
                read->ask = 0;
        kith_owners_wrong (&self->owners, channel->log);
        kith_query_retry (self, ctx);
        return;
    }
    const kith_proto_last_t *last = (*answer_p)->body;
    kith_query_fetch (
        self, ctx,
        channel);    //  the owner may be another than the one that is asked for records
    channel->confirmed = last->seq;
    channel->confirmed_us = was.sent_us;
    for (kith_read_t *read = channel->reads; read; read = read->next)
        if (read->asked && !read->required_known && read->ask == was.ask) {
            read->required_known = true;
            read->required = last->seq > read->required ? last->seq : read->required;
        }
    kith_query_reads_go (self, ctx, channel);
}

//  A read whose question has nobody to go to: the reason, once waiting is of no use
static void
s_refused (const kith_query_node_t *self, const kith_read_t *read, kith_error_t *error)
{
    bool lasting;
    const kith_error_t *why =
        kith_owners_why (&self->owners, read->channel->log, &lasting);
    if (lasting && read->asked && !read->required_known && !read->holder)
        *error = *why;
}

static void
s_late (const kith_query_node_t *self, const kith_read_t *read, kith_error_t *error)
{
    const kith_query_channel_t *channel = read->channel;
    bool lasting;
    const kith_error_t *why = kith_owners_why (&self->owners, channel->log, &lasting);
    if (why)
        kith_error_set (error, KITH_ERR_TIMEOUT, "%s", why->message);
    else
        kith_error_set (error, KITH_ERR_TIMEOUT,
                        "channel %" PRIu64 " is at %" PRIu64
                        ", the read waits for %" PRIu64 "%s",
                        channel->id, channel->applied, read->required,
                        channel->view_ready ? "" : " and for segments being loaded");
}

static void
s_ask (kith_query_node_t *self, kith_ctx_t *ctx, kith_query_channel_t *channel)
{
    bool needed = false;
    for (const kith_read_t *read = channel->reads; read; read = read->next)
        needed = needed || (read->asked && !read->required_known && !read->ask);
    kith_address_t owner;
    if (!needed || channel->asking
        || !kith_owners_find (&self->owners, ctx, channel->log, &owner))
        return;
    channel->ask++;
    for (kith_read_t *read = channel->reads; read; read = read->next)
        if (read->asked && !read->required_known && !read->ask)
            read->ask = channel->ask;
    asked_t *asked = kith_new (sizeof *asked);
    *asked = (asked_t){channel, channel->ask, kith_ctx_now_us (ctx)};
    kith_msg_t *msg = kith_msg_new (KITH_KIND_ASK_LAST);
    kith_proto_ask_last_t *ask = msg->body;
    ask->log = channel->log;
    channel->asking = true;
    channel->uses++;
    kith_ctx_call (ctx, owner, &msg, ASK_US, s_told, asked);
}

//  What the read must see
static void
s_require (kith_ctx_t *ctx, kith_read_t *read, const wants_t *wants)
{
    const kith_query_channel_t *channel = read->channel;
    read->required = 0;
    for (uint32_t i = 0; i < wants->token_count; i++)
        if (wants->token [i].log == channel->log && wants->token [i].seq > read->required)
            read->required = wants->token [i].seq;
    const uint32_t bound = wants->bounded_ms ? wants->bounded_ms : BOUNDED_DEFAULT_MS;
    const int64_t age = kith_ctx_now_us (ctx) - channel->confirmed_us;
    read->required_known = true;
    if (wants->level == KITH_CONSISTENCY_STRONG && !KITH_BUG (STRONG_WITHOUT_ASK))
        read->required_known = false;
    else if (wants->level == KITH_CONSISTENCY_BOUNDED) {
        if (!channel->confirmed_us || age >= bound * 1000LL)
            read->required_known = false;
        else if (channel->confirmed > read->required)
            read->required = channel->confirmed;
    }
    read->asked = !read->required_known;
}

//  A holder may answer: every segment asked for is here and its deaths are complete to S (R3)
static bool
s_holder_may (const kith_read_t *read, kith_error_t *error)
{
    const kith_msg_t *msg = read->request;
    const uint64_t *segments;
    uint32_t count;
    if (msg->kind == KITH_KIND_SEARCH_SEGMENTS) {
        const kith_proto_search_segments_t *part = msg->body;
        segments = part->segments;
        count = part->segments_count;
    }
    else {
        const kith_proto_query_segments_t *part = msg->body;
        segments = part->segments;
        count = part->segments_count;
    }
    for (uint32_t i = 0; i < count; i++) {
        const kith_held_t *held = kith_query_held (read->channel, segments [i]);
        if (!held || !held->rows) {
            kith_error_set (error, KITH_ERR_NOT_LOADED,
                            "segment %" PRIu64 " is not loaded here", segments [i]);
            return false;
        }
        if (kith_segment_applied (held->rows) < read->s && !KITH_BUG (NO_WAIT_FOR_DEATHS))
            return false;
    }
    return true;
}

//  Every segment of the view that is held here has its deaths up to `applied`
static bool
s_view_whole (const kith_query_channel_t *channel)
{
    for (uint32_t i = 0; i < channel->view.count; i++)
        if (channel->view.items [i].holder.index == channel->me
            && !kith_query_attached (channel, channel->view.items [i].segment))
            return false;
    return channel->view_ready;
}

static bool
s_may_run (const kith_read_t *read, kith_error_t *error)
{
    const kith_query_channel_t *channel = read->channel;
    if (read->holder)
        return s_holder_may (read, error);
    return read->required_known && channel->applied >= read->required
           && s_view_whole (channel);
}

void
kith_query_reads_go (kith_query_node_t *self, kith_ctx_t *ctx,
                     kith_query_channel_t *channel)
{
    if (channel->gone)
        return;
    const int64_t now = kith_ctx_now_us (ctx);
    for (kith_read_t **at = &channel->reads; *at;) {
        kith_read_t *read = *at;
        kith_error_t error;
        kith_error_clear (&error);
        if (s_may_run (read, &error)) {
            *at = read->next;
            kith_query_run (self, ctx, read);
            continue;
        }
        if (read->holder && !read->asked && now - read->began_us > DOUBT_US) {
            //  Records that are late: maybe their log has another owner by now
            read->asked = true;
            kith_owners_wrong (&self->owners, channel->log);
            kith_query_fetch (self, ctx, channel);
        }
        if (!error.code)
            s_refused (self, read, &error);
        if (!error.code && read->request->deadline_us
            && now >= read->request->deadline_us)
            s_late (self, read, &error);
        if (error.code) {
            *at = read->next;
            kith_ctx_fail (ctx, &read->request, &error);
            kith_query_read_free (&read);
            continue;
        }
        at = &read->next;
    }
    s_ask (self, ctx, channel);
    if (channel->reads && !self->ticking)
        kith_query_retry (self, ctx);
}

void
kith_query_reads_end (kith_ctx_t *ctx, kith_query_channel_t *channel,
                      const kith_error_t *error)
{
    while (channel->reads) {
        kith_read_t *read = channel->reads;
        channel->reads = read->next;
        if (ctx)
            kith_ctx_fail (ctx, &read->request, error);
        kith_query_read_free (&read);
    }
}

void
kith_query_read (kith_query_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    wants_t wants;
    const bool holder = s_wants (*msg_p, &wants);
    kith_query_channel_t *channel = kith_query_channel (self, wants.channel);
    if (!channel || (!holder && !channel->delegator)) {
        kith_refuse (ctx, msg_p, KITH_ERR_NOT_LOADED,
                     "channel %" PRIu64 " is not answered here", wants.channel);
        return;
    }
    kith_read_t *read = kith_new (sizeof *read);
    read->channel = channel;
    read->holder = holder;
    read->began_us = kith_ctx_now_us (ctx);
    read->request = *msg_p;
    *msg_p = NULL;
    if (holder) {
        const kith_msg_t *msg = read->request;
        read->s = msg->kind == KITH_KIND_SEARCH_SEGMENTS
                      ? ((const kith_proto_search_segments_t *) msg->body)->s
                      : ((const kith_proto_query_segments_t *) msg->body)->s;
    }
    else
        s_require (ctx, read, &wants);
    kith_error_t error;
    kith_error_clear (&error);
    if (!channel->reads && s_may_run (read, &error)) {
        kith_query_run (self, ctx, read);
        return;
    }
    kith_read_t **at = &channel->reads;
    while (*at)
        at = &(*at)->next;
    *at = read;
    kith_query_reads_go (self, ctx, channel);
}
