//  data_coord_gc.c - dropped channels: their objects go when no pin is left, then their rows (T9, G2)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/data_coord.h"

#define GC_US 1000000

//  Removes every object of a channel, on the IO pool
typedef struct {
    kith_objects_t *objects;
    uint64_t cluster;
    uint64_t channel;
    char **names;
    uint32_t count, capacity;
    kith_error_t error;
    int rc;
} remove_t;

static kith_dropped_t *
s_find (kith_data_coord_t *self, uint64_t channel)
{
    for (uint32_t i = 0; i < self->dropped_count; i++)
        if (self->dropped [i].channel == channel)
            return &self->dropped [i];
    return NULL;
}

static void
s_again (kith_data_coord_t *self, kith_ctx_t *ctx, uint64_t channel)
{
    kith_dropped_t *dropped = s_find (self, channel);
    if (dropped)
        dropped->busy = false;
    if (self->gc_timer || !self->dropped_count)
        return;
    self->gc_timer = true;
    kith_ctx_after (ctx, GC_US, KITH_DATA_COORD_GC);
}

static void
s_add (kith_data_coord_t *self, kith_ctx_t *ctx, uint64_t channel)
{
    if (s_find (self, channel))
        return;
    self->dropped = kith_grow (self->dropped, self->dropped_count,
                               &self->dropped_capacity, sizeof *self->dropped);
    self->dropped [self->dropped_count++] = (kith_dropped_t){.channel = channel};
    s_again (self, ctx, channel);
}

//  Rows: the channel's and its indexes'

static void
s_rows_gone (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_data_coord_t *self = arg_self;
    const uint64_t channel = (uintptr_t) arg;
    if (end == KITH_END_STOPPED)
        return;
    if (kith_txn_committed (end, *answer_p)) {
        kith_dropped_t *dropped = s_find (self, channel);
        assert (dropped);
        *dropped = self->dropped [--self->dropped_count];
        kith_ctx_log (ctx, 'i', "channel %" PRIu64 ": dropped, its objects are gone",
                      channel);
    }
    else
        s_again (self, ctx, channel);
}

static void
s_index_rows (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
              void *arg)
{
    kith_data_coord_t *self = arg_self;
    const uint64_t channel = (uintptr_t) arg;
    if (end == KITH_END_STOPPED)
        return;
    if (end != KITH_END_OK) {
        s_again (self, ctx, channel);
        return;
    }
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    kith_msg_t *txn = kith_txn_new (1, rows->items_count + 1);
    kith_lease_compare (&self->lease, txn);
    for (uint32_t i = 0; i < rows->items_count; i++)
        kith_txn_remove (txn, rows->items [i].key);
    const kith_key_t key = kith_key_channel (channel);
    kith_txn_remove (txn, key.text);
    kith_meta_call (ctx, &txn, s_rows_gone, arg);
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
    char prefix [32];
    snprintf (prefix, sizeof prefix, "%012" PRIu64 "/", remove->channel);
    remove->rc = kith_objects_check (remove->objects, remove->cluster, &remove->error);
    if (!remove->rc)
        remove->rc = remove->objects->list (remove->objects, prefix, s_name, remove,
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
    const uint64_t channel = remove->channel;
    if (remove->rc) {
        kith_ctx_log (ctx, 'w', "channel %" PRIu64 ": %s", channel,
                      remove->error.message);
        s_again (self, ctx, channel);
    }
    else {
        char prefix [64];
        snprintf (prefix, sizeof prefix, "index/%012" PRIu64 "/", channel);
        kith_meta_scan (ctx, prefix, s_index_rows, (void *) (uintptr_t) channel);
    }
    free (remove);
}

//  Pins: a reader of a dropped segment still has its files

static void
s_pins (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    kith_data_coord_t *self = arg_self;
    const uint64_t channel = (uintptr_t) arg;
    if (end == KITH_END_STOPPED)
        return;
    if (end != KITH_END_OK
        || ((const kith_proto_kv_rows_t *) (*answer_p)->body)->items_count) {
        s_again (self, ctx, channel);
        return;
    }
    remove_t *remove = kith_new (sizeof *remove);
    remove->objects = self->objects;
    remove->cluster = kith_ctx_cluster (ctx)->id;
    remove->channel = channel;
    if (kith_ctx_work (ctx, KITH_POOL_IO, s_remove, s_removed, remove)) {
        free (remove);
        s_again (self, ctx, channel);
    }
}

void
kith_data_coord_gc (kith_data_coord_t *self, kith_ctx_t *ctx)
{
    self->gc_timer = false;
    for (uint32_t i = 0; i < self->dropped_count; i++) {
        kith_dropped_t *dropped = &self->dropped [i];
        if (dropped->busy)
            continue;
        dropped->busy = true;
        char prefix [64];
        snprintf (prefix, sizeof prefix, "pin/%012" PRIu64 "/", dropped->channel);
        kith_meta_scan (ctx, prefix, s_pins, (void *) (uintptr_t) dropped->channel);
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
        s_add (self, ctx, dropped->channels [i]);
    kith_reply_ok (ctx, msg_p);
}

//  At start: what an earlier life did not get done

static void
s_rows (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    (void) arg;
    if (end != KITH_END_OK)
        return;
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    for (uint32_t i = 0; i < rows->items_count; i++) {
        const kith_proto_channel_row_t *row = kith_row_read (
            &kith_proto_channel_row_table, rows->items [i].value, &(*answer_p)->arena);
        if (row && row->dropped)
            s_add (arg_self, ctx, row->channel);
    }
}

void
kith_data_coord_gc_begin (kith_data_coord_t *self, kith_ctx_t *ctx)
{
    (void) self;
    kith_meta_scan (ctx, "channel/", s_rows, NULL);
}
