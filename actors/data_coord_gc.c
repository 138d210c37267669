//  data_coord_gc.c - dropped channels, segments that left a row: objects go when no pin is left, then rows (T9, G2)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/data_coord.h"

#define GC_US 1000000
#define TELL_US 2000000

//  Removes every object of a channel, or of a segment, on the IO pool
typedef struct {
    kith_objects_t *objects;
    uint64_t cluster;
    kith_dropped_t *dropped;
    char **names;
    uint32_t count, capacity;
    kith_error_t error;
    int rc;
} remove_t;

static void
s_later (kith_data_coord_t *self, kith_ctx_t *ctx)
{
    if (self->gc_timer)
        return;
    self->gc_timer = true;
    kith_ctx_after (ctx, GC_US, KITH_DATA_COORD_GC);
}

static void
s_again (kith_data_coord_t *self, kith_ctx_t *ctx, kith_dropped_t *dropped)
{
    dropped->busy = false;
    s_later (self, ctx);
}

//  A new one; null: it is known
static kith_dropped_t *
s_add (kith_data_coord_t *self, kith_ctx_t *ctx, uint64_t channel, uint64_t segment)
{
    for (uint32_t i = 0; i < self->dropped_count; i++)
        if (self->dropped [i]->channel == channel
            && self->dropped [i]->segment == segment)
            return NULL;
    kith_dropped_t *dropped = kith_new (sizeof *dropped);
    dropped->channel = channel;
    dropped->segment = segment;
    self->dropped = kith_grow (self->dropped, self->dropped_count,
                               &self->dropped_capacity, sizeof (kith_dropped_t *));
    self->dropped [self->dropped_count++] = dropped;
    if (!segment)
        dropped->told = kith_new ((self->node_count + 1) * sizeof *dropped->told);
    s_again (self, ctx, dropped);
    return dropped;
}

static void
s_free (kith_dropped_t *dropped)
{
    free (dropped->told);
    free (dropped);
}

static void
s_done (kith_data_coord_t *self, kith_dropped_t *dropped)
{
    for (uint32_t i = 0; i < self->dropped_count; i++)
        if (self->dropped [i] == dropped)
            self->dropped [i] = self->dropped [--self->dropped_count];
    s_free (dropped);
}

//  Data nodes: who owns the log of a dropped channel must not take writes for it

typedef struct {
    kith_msg_t *dropped;    //  what is told
    kith_msg_t *request;    //  answered in the end; null: nobody waits
    uint32_t out;
} telling_t;

typedef struct {
    telling_t *telling;
    uint32_t node;
} told_t;

static bool
s_all_told (const kith_data_coord_t *self, const kith_dropped_t *dropped)
{
    bool all = true;
    for (uint32_t i = 0; i < self->node_count && dropped->told && all; i++)
        all = dropped->told [i];
    return all;
}

//  Marks the channels that were told: to a node, or (NULL) no longer being told
static void
s_mark (kith_data_coord_t *self, const telling_t *telling, const uint32_t *node)
{
    const kith_proto_channel_dropped_t *what = telling->dropped->body;
    for (uint32_t i = 0; i < self->dropped_count; i++) {
        kith_dropped_t *dropped = self->dropped [i];
        bool meant = false;
        for (uint32_t j = 0; j < what->channels_count; j++)
            meant = meant || (dropped->told && what->channels [j] == dropped->channel);
        if (meant && node)
            dropped->told [*node] = true;
        else if (meant)
            dropped->telling = telling->out > 0;
    }
}

//  One answer fewer is waited for
static void
s_tell_back (kith_data_coord_t *self, kith_ctx_t *ctx, telling_t *telling, bool stopped)
{
    if (--telling->out)
        return;
    s_mark (self, telling, NULL);
    if (telling->request && stopped)
        kith_msg_destroy (&telling->request);
    else if (telling->request)
        kith_reply_ok (ctx, &telling->request);
    kith_msg_destroy (&telling->dropped);
    free (telling);
}

static void
s_told (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    const told_t told = *(const told_t *) arg;
    (void) answer_p;
    free (arg);
    if (end == KITH_END_OK)
        s_mark (arg_self, told.telling, &told.node);
    s_tell_back (arg_self, ctx, told.telling, end == KITH_END_STOPPED);
}

//  Takes both; who does not answer is told again later
static void
s_tell (kith_data_coord_t *self, kith_ctx_t *ctx, kith_msg_t **dropped_p,
        kith_msg_t **request_p)
{
    telling_t *telling = kith_new (sizeof *telling);
    telling->dropped = *dropped_p;
    *dropped_p = NULL;
    if (request_p) {
        telling->request = *request_p;
        *request_p = NULL;
    }
    telling->out = 1 + self->node_count;
    s_mark (self, telling, NULL);
    for (uint32_t i = 0; i < self->node_count; i++) {
        told_t *told = kith_new (sizeof *told);
        *told = (told_t){telling, i};
        kith_msg_t *msg = kith_msg_copy (telling->dropped);
        kith_ctx_call (ctx, kith_actor (KITH_ROLE_DATA_NODE, i), &msg, TELL_US, s_told,
                       told);
    }
    s_tell_back (self, ctx, telling, false);
}

static void
s_tell_again (kith_data_coord_t *self, kith_ctx_t *ctx, const kith_dropped_t *dropped)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_CHANNEL_DROPPED);
    kith_proto_channel_dropped_t *body = msg->body;
    body->channels = kith_arena_alloc (&msg->arena, sizeof *body->channels);
    body->channels [body->channels_count++] = dropped->channel;
    s_tell (self, ctx, &msg, NULL);
}

//  "pin/000000000007/", or with the segment
static void
s_prefix (const kith_dropped_t *dropped, const char *what, char prefix [KITH_KEY_MAX])
{
    if (dropped->segment)
        snprintf (prefix, KITH_KEY_MAX, "%s%012" PRIu64 "/%020" PRIu64 "/", what,
                  dropped->channel, dropped->segment);
    else
        snprintf (prefix, KITH_KEY_MAX, "%s%012" PRIu64 "/", what, dropped->channel);
}

//  Rows: the channel's or the freed segment's, and its indexes'

static void
s_rows_gone (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_data_coord_t *self = arg_self;
    kith_dropped_t *dropped = arg;
    if (end == KITH_END_STOPPED)
        return;
    if (!kith_txn_committed (end, *answer_p)) {
        s_again (self, ctx, dropped);
        return;
    }
    if (dropped->segment)
        kith_ctx_log (ctx, 'i',
                      "channel %" PRIu64 ": segment %" PRIu64
                      " ended, its objects are gone",
                      dropped->channel, dropped->segment);
    else
        kith_ctx_log (ctx, 'i', "channel %" PRIu64 ": dropped, its objects are gone",
                      dropped->channel);
    //  A flush that was under way may put some yet
    kith_data_sweep_later (self, ctx, dropped->channel);
    s_done (self, dropped);
}

static void
s_index_rows (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
              void *arg)
{
    kith_data_coord_t *self = arg_self;
    kith_dropped_t *dropped = arg;
    if (end == KITH_END_STOPPED)
        return;
    if (end != KITH_END_OK) {
        s_again (self, ctx, dropped);
        return;
    }
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    kith_msg_t *txn = kith_txn_new (1, rows->items_count + 1);
    kith_lease_compare (&self->lease, txn);
    for (uint32_t i = 0; i < rows->items_count; i++)
        kith_txn_remove (txn, rows->items [i].key);
    const kith_key_t key = dropped->segment
                               ? kith_key_freed (dropped->channel, dropped->segment)
                               : kith_key_channel (dropped->channel);
    kith_txn_remove (txn, key.text);
    kith_meta_call (ctx, &txn, s_rows_gone, dropped);
}

//  Objects

static void
s_name (void *arg, const char *name, uint64_t size)
{
    remove_t *remove = arg;
    (void) size;
    remove->names = kith_grow (remove->names, remove->count, &remove->capacity,
                               sizeof *remove->names);
    remove->names [remove->count++] = kith_strdup (name);
}

static void
s_remove (void *arg)
{
    remove_t *remove = arg;
    const kith_dropped_t *dropped = remove->dropped;
    //  Below <channel>/<segment>/ may also lie what one flush put, of other segments too: only the indexes are its own
    const kith_key_t prefix = dropped->segment
                                  ? kith_name_indexes (dropped->channel, dropped->segment)
                                  : kith_name_channel (dropped->channel);
    if (*dropped->snapshot)
        s_name (remove, dropped->snapshot, 0);
    if (*dropped->deaths)
        s_name (remove, dropped->deaths, 0);
    remove->rc = kith_objects_check (remove->objects, remove->cluster, &remove->error);
    if (!remove->rc)
        remove->rc = remove->objects->list (remove->objects, prefix.text, s_name, remove,
                                            &remove->error);
    for (uint32_t i = 0; i < remove->count; i++) {
        if (!remove->rc)
            remove->rc = remove->objects->remove (remove->objects, remove->names [i],
                                                  &remove->error);
        free (remove->names [i]);
    }
    free (remove->names);
}

static void
s_removed (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    kith_data_coord_t *self = arg_self;
    remove_t *remove = arg;
    if (remove->rc) {
        kith_ctx_log (ctx, 'w', "channel %" PRIu64 ": %s", remove->dropped->channel,
                      remove->error.message);
        s_again (self, ctx, remove->dropped);
    }
    else if (!s_all_told (self, remove->dropped)) {
        //  The row goes last: who starts anew reads that the channel is dropped
        remove->dropped->bare = true;
        s_again (self, ctx, remove->dropped);
    }
    else {
        char prefix [KITH_KEY_MAX];
        s_prefix (remove->dropped, "index/", prefix);
        kith_meta_scan (ctx, prefix, s_index_rows, remove->dropped);
    }
    free (remove);
}

//  Pins: a reader of a dropped segment still has its files

static void
s_pins (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    kith_data_coord_t *self = arg_self;
    kith_dropped_t *dropped = arg;
    if (end == KITH_END_STOPPED)
        return;
    if (end != KITH_END_OK
        || ((const kith_proto_kv_rows_t *) (*answer_p)->body)->items_count) {
        s_again (self, ctx, dropped);
        return;
    }
    remove_t *remove = kith_new (sizeof *remove);
    remove->objects = self->objects;
    remove->cluster = kith_ctx_cluster (ctx)->id;
    remove->dropped = dropped;
    if (kith_ctx_work (ctx, KITH_POOL_IO, s_remove, s_removed, remove)) {
        free (remove);
        s_again (self, ctx, dropped);
    }
}

void
kith_data_coord_gc (kith_data_coord_t *self, kith_ctx_t *ctx)
{
    self->gc_timer = false;
    for (uint32_t i = 0; i < self->dropped_count; i++) {
        kith_dropped_t *dropped = self->dropped [i];
        const bool told = s_all_told (self, dropped);
        if (!told && !dropped->telling)
            s_tell_again (self, ctx, dropped);
        const bool waits = dropped->bare && !told;
        if (waits)
            s_later (self, ctx);
        if (dropped->busy || waits)
            continue;
        dropped->busy = true;
        char prefix [KITH_KEY_MAX];
        s_prefix (dropped, "pin/", prefix);
        kith_meta_scan (ctx, prefix, s_pins, dropped);
    }
}

void
kith_data_coord_dropped (kith_data_coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_channel_dropped_t *dropped = (*msg_p)->body;
    for (uint32_t i = 0; i < dropped->channels_count; i++)
        kith_data_coord_ended (self, ctx, dropped->channels [i]);
    kith_msg_t *msg = kith_msg_copy (*msg_p);
    s_tell (self, ctx, &msg, msg_p);
}

void
kith_data_coord_ended (kith_data_coord_t *self, kith_ctx_t *ctx, uint64_t channel)
{
    s_add (self, ctx, channel, 0);
}

void
kith_data_coord_freed (kith_data_coord_t *self, kith_ctx_t *ctx, uint64_t channel,
                       const kith_proto_segment_row_t *segment)
{
    kith_dropped_t *dropped = s_add (self, ctx, channel, segment->segment);
    if (!dropped)
        return;
    snprintf (dropped->snapshot, sizeof dropped->snapshot, "%s", segment->snapshot);
    snprintf (dropped->deaths, sizeof dropped->deaths, "%s", segment->deaths);
}

void
kith_data_coord_gc_free (kith_data_coord_t *self)
{
    for (uint32_t i = 0; i < self->dropped_count; i++)
        s_free (self->dropped [i]);
    free (self->dropped);
}
