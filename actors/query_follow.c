//  query_follow.c - turns log records into growing segments and deaths (Y1-Y4)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/query_node.h"
#include "base/fault.h"

#define CREDIT (512u << 10)
#define WAIT_MS 5000u
#define SLACK_US 1000000
#define LATE_MAX_US 600000u
#define PIECES_MIN 2u               //  of a segment that is as large as segments get
#define INLINE_BYTES (48u << 10)    //  more is applied on a worker

//  Records of one FETCH being applied. It has its own references; nothing else changes these segments meanwhile.
typedef struct {
    kith_query_channel_t *channel;
    kith_msg_t *answer;
    uint64_t life;
    uint64_t applied;
    uint32_t chunk_rows;
    bool full;
    kith_schema_t *schema;
    kith_segment_t **growing;
    uint32_t growing_count, growing_capacity;
    kith_segment_t **sealed;
    uint32_t sealed_count;
    uint32_t *ended;    //  partitions that were dropped
    uint32_t ended_count, ended_capacity;
    kith_error_t error;
    int rc;
} apply_t;

static void
s_apply_free (apply_t **self_p)
{
    apply_t *self = *self_p;
    for (uint32_t i = 0; i < self->growing_count; i++)
        kith_segment_destroy (&self->growing [i]);
    for (uint32_t i = 0; i < self->sealed_count; i++)
        kith_segment_destroy (&self->sealed [i]);
    free (self->growing);
    free (self->sealed);
    free (self->ended);
    kith_schema_destroy (&self->schema);
    kith_msg_destroy (&self->answer);
    free (self);
    *self_p = NULL;
}

static void
s_apply_grow (apply_t *self, uint64_t after)
{
    self->growing = kith_grow (self->growing, self->growing_count,
                               &self->growing_capacity, sizeof (kith_segment_t *));
    self->growing [self->growing_count++] =
        kith_segment_grow (self->schema, after, self->chunk_rows);
}

static int
s_apply_record (apply_t *self, const kith_record_t *record)
{
    if (record->kind == KITH_RECORD_SEAL) {
        if (self->full && self->growing_count) {
            kith_segment_close (self->growing [self->growing_count - 1], record->seq);
            s_apply_grow (self, record->seq);
        }
        return 0;
    }
    if (record->kind == KITH_RECORD_DROP) {
        self->ended = kith_grow (self->ended, self->ended_count, &self->ended_capacity,
                                 sizeof *self->ended);
        self->ended [self->ended_count++] = record->partition;
    }
    for (uint32_t i = 0; i < self->growing_count; i++) {
        const bool open = i + 1 == self->growing_count;
        if (open ? kith_segment_apply (self->growing [i], record, &self->error)
                 : kith_segment_end (self->growing [i], record, &self->error))
            return -1;
    }
    for (uint32_t i = 0; i < self->sealed_count; i++)
        if (kith_segment_end (self->sealed [i], record, &self->error))
            return -1;
    return 0;
}

static void
s_apply (void *arg)
{
    apply_t *self = arg;
    const kith_proto_records_t *records = self->answer->body;
    const kith_frame_t *frame = kith_msg_frame (self->answer, records->records);
    const uint8_t *bytes = frame ? kith_frame_data (frame) : NULL;
    const uint64_t size = frame ? kith_frame_size (frame) : 0;
    for (uint64_t at = 0, used = 0; !self->rc && at < size; at += used) {
        kith_record_t record;
        self->rc = kith_record_open (&record, bytes + at, size - at, &used, NULL, NULL,
                                     &self->error);
        if (!self->rc && record.seq > self->applied)
            self->rc = s_apply_record (self, &record);
    }
    if (self->rc)
        return;
    for (uint32_t i = 0; i < self->growing_count; i++)
        kith_segment_cover (self->growing [i], records->to);
    for (uint32_t i = 0; i < self->sealed_count; i++)
        kith_segment_cover (self->sealed [i], records->to);
}

static void
s_applied (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    kith_query_node_t *self = arg_self;
    apply_t *apply = arg;
    kith_query_channel_t *channel = apply->channel;
    channel->applying = false;
    const bool stale = apply->life != channel->life;
    if (kith_query_back (channel)) {
        s_apply_free (&apply);
        return;
    }
    if (!stale && apply->rc) {
        //  Some records may be applied: begin again from the row
        kith_ctx_log (ctx, 'e', "channel %" PRIu64 ": %s", channel->id,
                      apply->error.message);
        kith_query_refresh (self, ctx, channel, true);
    }
    else if (!stale) {
        const kith_proto_records_t *records = apply->answer->body;
        for (uint32_t i = 0; i < channel->growing_count; i++)
            kith_segment_destroy (&channel->growing [i]);
        free (channel->growing);
        channel->growing = apply->growing;
        channel->growing_count = apply->growing_count;
        channel->growing_capacity = apply->growing_capacity;
        apply->growing = NULL;
        apply->growing_count = 0;
        channel->applied = records->to;
        channel->applied_epoch = records->epoch;
        for (uint32_t i = 0; i < apply->ended_count; i++) {
            channel->ended = kith_grow (channel->ended, channel->ended_count,
                                        &channel->ended_capacity, sizeof *channel->ended);
            channel->ended [channel->ended_count++] = apply->ended [i];
        }
    }
    s_apply_free (&apply);
    kith_query_attach (self, ctx, channel);
    kith_query_swap (self, ctx, channel);
    kith_query_reads_go (self, ctx, channel);
    kith_query_fetch (self, ctx, channel);
}

static void
s_take_records (kith_query_node_t *self, kith_ctx_t *ctx, kith_query_channel_t *channel,
                kith_msg_t **answer_p)
{
    apply_t *apply = kith_new (sizeof *apply);
    const kith_proto_records_t *records = (*answer_p)->body;
    const kith_frame_t *frame = kith_msg_frame (*answer_p, records->records);
    const size_t size = frame ? kith_frame_size (frame) : 0;
    apply->channel = channel;
    apply->answer = *answer_p;
    *answer_p = NULL;
    apply->life = channel->life;
    apply->applied = channel->applied;
    apply->full = channel->full;
    apply->chunk_rows = channel->chunk_rows;
    apply->schema = kith_schema_share (channel->schema);
    apply->growing_capacity = channel->growing_count + 2;
    apply->growing = kith_new (apply->growing_capacity * sizeof (kith_segment_t *));
    for (uint32_t i = 0; i < channel->growing_count; i++)
        apply->growing [apply->growing_count++] =
            kith_segment_share (channel->growing [i]);
    apply->sealed = kith_new ((channel->held_count + 1) * sizeof (kith_segment_t *));
    for (uint32_t i = 0; i < channel->held_count; i++)
        if (channel->held [i]->state == KITH_HELD_ATTACHED)
            apply->sealed [apply->sealed_count++] =
                kith_segment_share (channel->held [i]->rows);
    channel->applying = true;
    channel->uses++;
    if (size > INLINE_BYTES
        && !kith_ctx_work (ctx, KITH_POOL_QUERY, s_apply, s_applied, apply))
        return;
    s_apply (apply);
    s_applied (self, ctx, apply);
}

//  A FETCH call's argument: which life of the follower asked
typedef struct {
    kith_query_channel_t *channel;
    uint64_t life;
} asked_t;

static void
s_fetched (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
           void *arg)
{
    kith_query_node_t *self = arg_self;
    asked_t *asked = arg;
    kith_query_channel_t *channel = asked->channel;
    const bool stale = asked->life != channel->life;
    free (asked);
    if (!stale)
        channel->fetching = false;
    if (kith_query_back (channel) || end == KITH_END_STOPPED || stale)
        return;
    if (end == KITH_END_OK && (*answer_p)->kind == KITH_KIND_RECORDS) {
        const kith_proto_records_t *records = (*answer_p)->body;
        //  Y2: apply iff it goes on where we are
        if (records->from == channel->applied + 1 && records->to >= channel->applied)
            s_take_records (self, ctx, channel, answer_p);
        else
            kith_query_fetch (self, ctx, channel);
        return;
    }
    kith_error_t error = {0};
    if (end != KITH_END_OK)
        kith_end_error (end, *answer_p, &error);
    if (end == KITH_END_OK || error.code == KITH_ERR_DIVERGED) {
        kith_query_refresh (self, ctx, channel, true);    //  Y3, Y4
        return;
    }
    kith_owners_wrong (&self->owners, channel->log);
    kith_query_retry (self, ctx);
}

//  In simulation: a follower that falls behind what is flushed and loaded meanwhile
static bool
s_is_late (kith_query_node_t *self, kith_ctx_t *ctx, kith_query_channel_t *channel)
{
    const int64_t now = kith_ctx_now_us (ctx);
    if (now >= channel->late_until_us && !kith_ctx_buggify (ctx, "follow-late"))
        return false;
    if (now >= channel->late_until_us)
        channel->late_until_us = now + (int64_t) (kith_ctx_random (ctx) % LATE_MAX_US);
    kith_query_retry (self, ctx);
    return true;
}

void
kith_query_fetch (kith_query_node_t *self, kith_ctx_t *ctx, kith_query_channel_t *channel)
{
    kith_address_t owner;
    if (!channel->following || channel->applying || channel->restarting || channel->gone
        || !kith_owners_find (&self->owners, ctx, channel->log, &owner))
        return;
    if (!channel->fetching && s_is_late (self, ctx, channel))
        return;
    if (channel->fetching) {
        //  An owner that died answers nothing: as soon as another is known, it is asked instead
        if (kith_address_same (owner, channel->fetch_from))
            return;
        channel->life++;
    }
    channel->fetch_from = owner;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_FETCH);
    kith_proto_fetch_t *fetch = msg->body;
    fetch->channel = channel->id;
    fetch->log = channel->log;
    fetch->after = channel->applied;
    fetch->after_epoch = channel->applied_epoch;
    fetch->credit = CREDIT;
    fetch->wait_ms = WAIT_MS;
    fetch->keys_only = !channel->full;
    asked_t *asked = kith_new (sizeof *asked);
    asked->channel = channel;
    asked->life = channel->life;
    channel->fetching = true;
    channel->uses++;
    kith_ctx_call (ctx, owner, &msg, WAIT_MS * 1000LL + SLACK_US, s_fetched, asked);
}

void
kith_query_follow_start (kith_query_node_t *self, kith_ctx_t *ctx,
                         kith_query_channel_t *channel, uint64_t after, bool full)
{
    for (uint32_t i = 0; i < channel->growing_count; i++)
        kith_segment_destroy (&channel->growing [i]);
    channel->growing_count = 0;
    channel->life++;
    channel->following = true;
    channel->fetching = false;
    channel->full = full;
    channel->applied = after;
    channel->applied_epoch = 0;
    //  A segment that is behind the new beginning would miss the deaths in between: it catches up by itself
    for (uint32_t i = 0; i < channel->held_count; i++) {
        kith_held_t *held = channel->held [i];
        if (held->state == KITH_HELD_ATTACHED
            && kith_segment_applied (held->rows) < after) {
            held->state = KITH_HELD_CATCHING;
            held->told = false;
        }
    }
    channel->chunk_rows = kith_ctx_cluster (ctx)->seal_rows / PIECES_MIN + 1;
    if (full) {
        channel->growing = kith_grow (channel->growing, 0, &channel->growing_capacity,
                                      sizeof (kith_segment_t *));
        channel->growing [channel->growing_count++] =
            kith_segment_grow (channel->schema, after, channel->chunk_rows);
    }
    kith_query_attach (self, ctx, channel);
    kith_query_fetch (self, ctx, channel);
}

//  Y4: the row again; what it names is loaded, the growing rows are dropped
static void
s_refreshed (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_query_node_t *self = arg_self;
    kith_query_channel_t *channel = arg;
    const bool restart = channel->restarting;
    channel->refreshing = channel->restarting = false;
    if (kith_query_back (channel) || end == KITH_END_STOPPED)
        return;
    if (end != KITH_END_OK || (*answer_p)->kind != KITH_KIND_FOLLOW) {
        kith_query_retry (self, ctx);
        return;
    }
    const kith_proto_follow_t *follow = (*answer_p)->body;
    if (KITH_BUG (EARLIEST_AFTER_TRIMMED)) {
        channel->applied = follow->row.checkpoint;
        kith_query_fetch (self, ctx, channel);
        return;
    }
    if (channel->delegator)
        kith_query_take_follow (self, ctx, follow, restart);
    else if (restart)
        kith_query_follow_start (self, ctx, channel, follow->row.checkpoint, false);
}

void
kith_query_refresh (kith_query_node_t *self, kith_ctx_t *ctx,
                    kith_query_channel_t *channel, bool restart)
{
    (void) self;
    channel->restarting = channel->restarting || restart;
    if (channel->refreshing || channel->gone)
        return;
    channel->refreshing = true;
    channel->uses++;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_CHANNEL_REFRESH);
    kith_proto_channel_refresh_t *refresh = msg->body;
    refresh->channel = channel->id;
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_QUERY_COORD, 0), &msg, KITH_CALL_US,
                   s_refreshed, channel);
}
