//  scan.c - what query_coord and index_coord read of metadata again and again: collections, channels, indexes
//  SPDX-License-Identifier: Apache-2.0
#include "actors/scan.h"

#define TICK_US 250000

static const char *const s_prefixes [KITH_SCAN_PARTS] = {"collection/", "channel/",
                                                         "index/"};

void
kith_scan_free (kith_scan_t *self)
{
    kith_park_free (&self->waiting);
    kith_park_free (&self->served);
    for (int part = 0; part < KITH_SCAN_PARTS; part++) {
        kith_kept_free (&self->rows [part]);
        kith_kept_free (&self->coming [part]);
    }
}

void
kith_scan_tick_later (kith_scan_t *self, kith_ctx_t *ctx)
{
    if (self->ticking)
        return;
    self->ticking = true;
    kith_ctx_after (ctx, TICK_US, self->tag);
}

bool
kith_scan_tick (kith_scan_t *self, kith_ctx_t *ctx)
{
    self->ticking = false;
    if (!self->dirty)
        return false;
    kith_scan_begin (self, ctx);
    return true;
}

static void
s_move (kith_kept_t *to, kith_kept_t *from)
{
    kith_kept_free (to);
    *to = *from;
    memset (from, 0, sizeof *from);
}

static void
s_end (kith_scan_t *self, void *actor, kith_ctx_t *ctx)
{
    for (int part = 0; part < KITH_SCAN_PARTS; part++)
        s_move (&self->rows [part], &self->coming [part]);
    self->scanning = false;
    self->done (actor, ctx);
    kith_park_t served = self->served;
    memset (&self->served, 0, sizeof self->served);
    for (uint32_t i = 0; i < served.count; i++)
        self->serve (actor, ctx, &served.items [i]);
    free (served.items);
    if (self->dirty)
        kith_scan_begin (self, ctx);
}

static void
s_part (void *actor, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg);

//  The first part that did not come yet
static int
s_missing (const kith_scan_t *self)
{
    int part = 0;
    while (part < KITH_SCAN_PARTS && self->coming [part].row)
        part++;
    assert (part < KITH_SCAN_PARTS);
    return part;
}

static void
s_ask (kith_scan_t *self, kith_ctx_t *ctx)
{
    kith_meta_scan (ctx, s_prefixes [s_missing (self)], s_part, self);
}

static void
s_part (void *actor, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    kith_scan_t *self = arg;
    if (end == KITH_END_STOPPED)
        return;
    if (end != KITH_END_OK) {
        for (int part = 0; part < KITH_SCAN_PARTS; part++)
            kith_kept_free (&self->coming [part]);
        self->scanning = false;
        self->dirty = true;
        kith_scan_tick_later (self, ctx);
        return;
    }
    const int part = s_missing (self);
    kith_keep (&self->coming [part], &kith_proto_kv_rows_table, (*answer_p)->body);
    if (part + 1 < KITH_SCAN_PARTS)
        s_ask (self, ctx);
    else
        s_end (self, actor, ctx);
}

void
kith_scan_begin (kith_scan_t *self, kith_ctx_t *ctx)
{
    self->dirty = true;
    if (self->scanning || !self->allowed)
        return;
    self->dirty = false;
    self->scanning = true;
    //  Those whom a failed scan did not answer are answered by this one
    for (uint32_t i = 0; i < self->waiting.count; i++)
        kith_park_add (&self->served, &self->waiting.items [i]);
    self->waiting.count = 0;
    s_ask (self, ctx);
}

void
kith_scan_ask (kith_scan_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_park_add (&self->waiting, msg_p);
    kith_scan_begin (self, ctx);
}

const kith_proto_collection_t *
kith_scan_collection (const kith_scan_t *self, uint64_t id, kith_arena_t *arena)
{
    const kith_proto_kv_rows_t *rows = self->rows [KITH_SCAN_COLLECTIONS].row;
    const kith_key_t key = kith_key_collection (id);
    for (uint32_t i = 0; rows && i < rows->items_count; i++)
        if (!strcmp (rows->items [i].key, key.text))
            return kith_row_read (&kith_proto_collection_table, rows->items [i].value,
                                  arena);
    return NULL;
}
