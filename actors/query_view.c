//  query_view.c - the delegator's view: what the row names, who holds it, and the swap (D1)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/query_node.h"
#include "base/fault.h"

#define LATE_BEHIND_US 2000000

static kith_viewed_t *
s_viewed (const kith_query_view_t *view, uint64_t segment)
{
    for (uint32_t i = 0; i < view->count; i++)
        if (view->items [i].segment == segment)
            return &view->items [i];
    return NULL;
}

static void
s_set_next (kith_query_channel_t *channel, const kith_proto_follow_t *follow)
{
    kith_query_view_t next = {.checkpoint = follow->row.checkpoint};
    next.items = kith_new ((follow->places_count + 1) * sizeof *next.items);
    for (uint32_t i = 0; i < follow->places_count; i++) {
        const kith_proto_segment_place_t *place = &follow->places [i];
        kith_viewed_t *item = &next.items [next.count++];
        item->segment = place->segment.segment;
        item->holder = kith_address_from (&place->holder);
        item->base = place->segment.base;
        item->rows = place->segment.rows;
        item->bytes = place->segment.bytes + place->segment.deaths_bytes;
        snprintf (item->snapshot, sizeof item->snapshot, "%s", place->segment.snapshot);
        //  What was ready at the same holder still is
        const kith_viewed_t *old = s_viewed (&channel->next, item->segment);
        if (!old)
            old = s_viewed (&channel->view, item->segment);
        if (old && kith_address_same (old->holder, item->holder)
            && !strcmp (old->snapshot, item->snapshot)) {
            item->ready = old->ready;
            item->loaded = old->loaded;
            item->memory = old->memory;
        }
    }
    free (channel->next.items);
    channel->next = next;
}

void
kith_query_take_follow (kith_query_node_t *self, kith_ctx_t *ctx,
                        const kith_proto_follow_t *follow, bool again)
{
    kith_query_channel_t *channel = kith_query_channel (self, follow->row.channel);
    if (!channel) {
        kith_schema_t *schema = kith_schema_of (&follow->definition, NULL);
        if (!schema)
            return;
        channel = kith_new (sizeof *channel);
        channel->id = follow->row.channel;
        channel->me = kith_ctx_self (ctx).index;
        channel->schema = schema;
        self->channels =
            kith_grow (self->channels, self->channel_count, &self->channel_capacity,
                       sizeof (kith_query_channel_t *));
        self->channels [self->channel_count++] = channel;
    }
    if (follow->plan < channel->follow_plan)
        return;
    channel->follow_plan = follow->plan;
    channel->log = follow->log;
    kith_keep (&channel->definition, &kith_proto_collection_table, &follow->definition);
    s_set_next (channel, follow);
    //  In simulation: who is late stays behind what is flushed for a while (D1)
    const int64_t now = kith_ctx_now_us (ctx);
    if (channel->late_until_us > now && follow->row.checkpoint > channel->applied)
        channel->late_until_us = now + LATE_BEHIND_US;
    if (!channel->delegator || !channel->full || again) {
        channel->delegator = true;
        channel->view_ready = false;
        if (again)
            //  H4: a held segment that missed records waits for a plan with a newer death list
            for (uint32_t i = 0; i < channel->held_count; i++) {
                kith_held_t *held = channel->held [i];
                if (held->rows && !held->busy
                    && kith_segment_applied (held->rows) < follow->row.checkpoint) {
                    kith_segment_destroy (&held->rows);
                    held->state = KITH_HELD_LOADING;
                    held->failed = true;
                    held->index_count = 0;
                    kith_viewed_t *item = s_viewed (&channel->next, held->segment);
                    if (item)
                        item->ready = false;
                }
            }
        kith_query_follow_start (self, ctx, channel, follow->row.checkpoint, true);
    }
    kith_query_swap (self, ctx, channel);
    kith_query_reads_go (self, ctx, channel);
}

void
kith_query_follow (kith_query_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_query_take_follow (self, ctx, (*msg_p)->body, false);
    kith_reply_ok (ctx, msg_p);
}

bool
kith_query_ready (kith_query_node_t *self, kith_ctx_t *ctx,
                  const kith_proto_segment_ready_t *ready, kith_address_t from)
{
    kith_query_channel_t *channel = kith_query_channel (self, ready->channel);
    if (!channel || !channel->delegator)
        return false;
    bool known = false;
    kith_query_view_t *views [] = {&channel->next, &channel->view};
    for (int i = 0; i < 2; i++) {
        kith_viewed_t *item = s_viewed (views [i], ready->segment);
        //  A word of the holder's earlier life may come late: it would be asked for ever
        if (!item || !kith_address_same (item->holder, from)
            || strcmp (item->snapshot, ready->object) != 0)
            continue;
        known = true;
        item->ready = true;
        item->loaded = (kith_loaded_t){0};
        for (uint32_t j = 0; j < ready->loaded_count; j++)
            kith_loaded_add (&item->loaded, &ready->loaded [j]);
        item->memory = ready->memory;
        item->rows = ready->rows;
    }
    kith_query_swap (self, ctx, channel);
    kith_query_reads_go (self, ctx, channel);
    return known;
}

void
kith_query_undelegate (kith_query_node_t *self, kith_ctx_t *ctx,
                       kith_query_channel_t *channel)
{
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_NOT_LOADED,
                    "channel %" PRIu64 " is answered elsewhere by now", channel->id);
    kith_query_reads_end (ctx, channel, &error);
    channel->delegator = channel->view_ready = false;
    free (channel->view.items);
    free (channel->next.items);
    channel->view = channel->next = (kith_query_view_t){0};
    //  It goes on as a holder does: keys only
    if (channel->full)
        kith_query_follow_start (self, ctx, channel, channel->applied, false);
}

//  The row speaks for all that is in a growing segment
static bool
s_is_covered (const kith_segment_t *growing, const kith_query_view_t *view)
{
    const uint64_t to = kith_segment_to (growing);
    return to && to <= view->checkpoint;
}

//  D1: every segment of the row is ready and applied >= its base: segments in and the growing ones that they cover out, in
//  one step
void
kith_query_swap (kith_query_node_t *self, kith_ctx_t *ctx, kith_query_channel_t *channel)
{
    if (!channel->delegator || channel->applying)
        return;
    const kith_query_view_t *next = &channel->next;
    bool ready = next->items != NULL;
    for (uint32_t i = 0; i < next->count; i++)
        ready =
            ready && next->items [i].ready
            && (channel->applied >= next->items [i].base || KITH_BUG (SWAP_BELOW_BASE));
    //  Rows leave without a segment in their place because they have ended: not before those ends are seen (D2)
    const bool seen = channel->applied >= next->checkpoint || KITH_BUG (FREE_BEFORE_DROP);
    //  Whoever has no view yet does not know what left the row since the checkpoint that it began at
    ready = ready && (seen || channel->view_ready);
    for (uint32_t i = 0; i < channel->view.count && channel->view_ready; i++)
        ready = ready && (seen || s_viewed (next, channel->view.items [i].segment));
    for (uint32_t i = 0; i < channel->growing_count; i++)
        ready = ready && (seen || !s_is_covered (channel->growing [i], next));
    if (!ready)
        return;
    kith_viewed_t *items = kith_new ((next->count + 1) * sizeof *items);
    memcpy (items, next->items, next->count * sizeof *items);
    free (channel->view.items);
    channel->view = (kith_query_view_t){items, next->count, next->checkpoint};
    channel->view_ready = true;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < channel->growing_count; i++) {
        if (s_is_covered (channel->growing [i], &channel->view))
            kith_segment_destroy (&channel->growing [i]);
        else
            channel->growing [kept++] = channel->growing [i];
    }
    channel->growing_count = kept;
    kith_query_unused (self, ctx, channel);
}

void
kith_query_state (kith_query_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_channel_state_t *ask = (*msg_p)->body;
    const kith_query_channel_t *channel = kith_query_channel (self, ask->channel);
    if (!channel || !channel->delegator) {
        kith_refuse (ctx, msg_p, KITH_ERR_NOT_LOADED,
                     "channel %" PRIu64 " is not answered here", ask->channel);
        return;
    }
    kith_msg_t *answer = kith_msg_new (KITH_KIND_CHANNEL_STATED);
    kith_proto_channel_stated_t *state = answer->body;
    kith_loaded_t loaded = {0};
    state->applied = channel->applied;
    state->covered = channel->applied;
    for (uint32_t i = 0; i < channel->growing_count; i++) {
        state->rows += kith_segment_alive (channel->growing [i]);
        state->memory += kith_segment_memory (channel->growing [i]);
        state->growing++;
    }
    for (uint32_t i = 0; i < channel->view.count; i++) {
        const kith_viewed_t *item = &channel->view.items [i];
        state->rows += item->rows;
        state->memory += item->memory;
        state->disk += item->bytes;
        state->sealed++;
        state->indexed += item->loaded.count > 0;
        *(item->loaded.count ? &state->index_rows : &state->unindexed_rows) += item->rows;
        for (uint32_t j = 0; j < item->loaded.count; j++)
            kith_loaded_add (&loaded, &item->loaded.items [j]);
    }
    state->loaded = kith_arena_copy (&answer->arena, loaded.items, sizeof loaded.items);
    state->loaded_count = loaded.count;
    for (uint32_t i = 0; i < channel->next.count; i++)
        state->loading += !channel->next.items [i].ready;
    if (!channel->view_ready && !state->loading)
        state->loading = 1;
    kith_ctx_reply (ctx, msg_p, &answer);
}
