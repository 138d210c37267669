//  data_coord_gc.c - dropped channels, segments that left a row: objects go when no pin is left, then rows (T9, G2)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/data_coord.h"

#define GC_US 1000000

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
    s_again (self, ctx, dropped);
    return dropped;
}

static void
s_done (kith_data_coord_t *self, kith_dropped_t *dropped)
{
    for (uint32_t i = 0; i < self->dropped_count; i++)
        if (self->dropped [i] == dropped)
            self->dropped [i] = self->dropped [--self->dropped_count];
    free (dropped);
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
    kith_key_t prefix;
    //  Below <channel>/<segment>/ may also lie what one flush put, of other segments too: only the indexes are its own
    if (dropped->segment)
        prefix = kith_name_indexes (dropped->channel, dropped->segment);
    else
        s_prefix (dropped, "", prefix.text);
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
    if (self->gc_missed) {
        self->gc_missed = false;
        kith_data_coord_gc_begin (self, ctx);
    }
    for (uint32_t i = 0; i < self->dropped_count; i++) {
        kith_dropped_t *dropped = self->dropped [i];
        if (dropped->busy)
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
    for (uint32_t i = 0; i < self->node_count; i++) {
        kith_msg_t *msg = kith_msg_copy (*msg_p);
        msg->request = 0;
        kith_ctx_send (ctx, kith_actor (KITH_ROLE_DATA_NODE, i), &msg);
    }
    for (uint32_t i = 0; i < dropped->channels_count; i++)
        s_add (self, ctx, dropped->channels [i], 0);
    kith_reply_ok (ctx, msg_p);
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
        free (self->dropped [i]);
    free (self->dropped);
}

//  At start: what an earlier life did not get done

//  True if the scan ended badly: it is made again
static bool
s_missed (kith_data_coord_t *self, kith_ctx_t *ctx, kith_end_t end)
{
    if (end == KITH_END_OK)
        return false;
    self->gc_missed = true;
    if (end != KITH_END_STOPPED)
        s_later (self, ctx);
    return true;
}

static void
s_freed_rows (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
              void *arg)
{
    (void) arg;
    if (s_missed (arg_self, ctx, end))
        return;
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    for (uint32_t i = 0; i < rows->items_count; i++) {
        const kith_proto_segment_row_t *row = kith_row_read (
            &kith_proto_segment_row_table, rows->items [i].value, &(*answer_p)->arena);
        const char *slash = strchr (rows->items [i].key, '/');
        if (row && slash)
            kith_data_coord_freed (arg_self, ctx, strtoull (slash + 1, NULL, 10), row);
    }
}

static void
s_rows (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    (void) arg;
    if (s_missed (arg_self, ctx, end))
        return;
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    for (uint32_t i = 0; i < rows->items_count; i++) {
        const kith_proto_channel_row_t *row = kith_row_read (
            &kith_proto_channel_row_table, rows->items [i].value, &(*answer_p)->arena);
        if (row && row->dropped)
            s_add (arg_self, ctx, row->channel, 0);
    }
}

void
kith_data_coord_gc_begin (kith_data_coord_t *self, kith_ctx_t *ctx)
{
    (void) self;
    kith_meta_scan (ctx, "channel/", s_rows, NULL);
    kith_meta_scan (ctx, "freed/", s_freed_rows, NULL);
}
