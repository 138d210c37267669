//  index_sweep.c - files of indexes that no row names any more: replaced, dropped, refused, or of builds that were given up
//  SPDX-License-Identifier: Apache-2.0
#include "actors/index_sweep.h"

#include "actors/indexes.h"
#include "base/fault.h"
#include "base/random.h"

#define WHILE_US 5000000    //  between two looks at a file before it is removed

//  A look on the IO pool: below each prefix are the files of one channel
typedef struct {
    kith_sweep_t *sweep;
    kith_objects_t *objects;
    uint64_t cluster;
    kith_key_t *prefixes;
    uint32_t prefix_count, prefix_capacity;
    zhashx_t *named;     //  by rows
    zhashx_t *doomed;    //  seen without a row long enough
    char (*found) [KITH_KEY_MAX];
    uint32_t found_count, found_capacity;
    uint32_t removed;
    kith_error_t error;
    int rc;
} look_t;

void
kith_sweep_free (kith_sweep_t *self)
{
    free (self->unnamed);
    self->unnamed = NULL;
}

static void
s_look_free (look_t *look)
{
    free (look->prefixes);
    free (look->found);
    zhashx_destroy (&look->named);
    zhashx_destroy (&look->doomed);
    free (look);
}

//  "<channel>/<segment>/index-...": a flush's files have a number there
static bool
s_is_index (const char *name)
{
    const char *last = strrchr (name, '/');
    return last && strncmp (last, "/index-", strlen ("/index-")) == 0;
}

//  An index of the segment is being built
static bool
s_is_building (const kith_sweep_t *self, void *actor, const char *name)
{
    char *end;
    const uint64_t channel = strtoull (name, &end, 10);
    return *end == '/' && self->building (actor, channel, strtoull (end + 1, NULL, 10));
}

static void
s_found (void *arg, const char *name, uint64_t size)
{
    look_t *look = arg;
    (void) size;
    if (!s_is_index (name))
        return;
    if ((zhashx_lookup (look->named, name) && !KITH_BUG (SWEEP_OF_NAMED))
        || strlen (name) >= KITH_KEY_MAX)
        return;
    look->found = kith_grow (look->found, look->found_count, &look->found_capacity,
                             sizeof *look->found);
    snprintf (look->found [look->found_count++], KITH_KEY_MAX, "%s", name);
}

static void
s_look (void *arg)
{
    look_t *look = arg;
    look->rc = kith_objects_check (look->objects, look->cluster, &look->error);
    for (uint32_t i = 0; i < look->prefix_count && !look->rc; i++)
        look->rc = look->objects->list (look->objects, look->prefixes [i].text, s_found,
                                        look, &look->error);
    for (uint32_t i = 0; i < look->found_count && !look->rc; i++)
        if (zhashx_lookup (look->doomed, look->found [i])) {
            look->rc =
                look->objects->remove (look->objects, look->found [i], &look->error);
            look->removed += look->rc == 0;
        }
}

//  Since when it is seen without a row; 0: it was not before
static int64_t
s_since (const kith_sweep_t *self, const char *name)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (!strcmp (self->unnamed [i].name, name))
            return self->unnamed [i].since_us;
    return 0;
}

static void
s_looked (void *actor, kith_ctx_t *ctx, void *arg)
{
    (void) actor;
    look_t *look = arg;
    kith_sweep_t *self = look->sweep;
    const int64_t now_us = kith_ctx_now_us (ctx);
    self->busy = false;
    if (look->rc)
        kith_ctx_log (ctx, 'w', "files of indexes: %s", look->error.message);
    if (look->removed)
        kith_ctx_log (ctx, 'i', "%u index files that nothing uses any more are gone",
                      look->removed);
    kith_unnamed_t *unnamed = kith_new ((look->found_count + 1) * sizeof *unnamed);
    uint32_t count = 0;
    for (uint32_t i = 0; i < look->found_count; i++) {
        if (!look->rc && zhashx_lookup (look->doomed, look->found [i]))
            continue;
        const int64_t since_us = s_since (self, look->found [i]);
        snprintf (unnamed [count].name, KITH_KEY_MAX, "%s", look->found [i]);
        unnamed [count++].since_us = since_us ? since_us : now_us;
    }
    free (self->unnamed);
    self->unnamed = unnamed;
    self->count = count;
    self->wanted = self->wanted || count > 0 || look->rc;
    self->after_us = now_us + WHILE_US;
    s_look_free (look);
}

static look_t *
s_look_new (kith_sweep_t *self, void *actor, kith_ctx_t *ctx)
{
    look_t *look = kith_new (sizeof *look);
    look->sweep = self;
    look->objects = self->objects;
    look->cluster = kith_ctx_cluster (ctx)->id;
    look->named = zhashx_new ();
    look->doomed = zhashx_new ();
    const int64_t now_us = kith_ctx_now_us (ctx);
    for (uint32_t i = 0; i < self->count; i++)
        if (now_us - self->unnamed [i].since_us >= WHILE_US
            && !s_is_building (self, actor, self->unnamed [i].name))
            zhashx_insert (look->doomed, self->unnamed [i].name, look);
    return look;
}

//  What rows name
static void
s_name (look_t *look, const kith_scan_t *scan)
{
    const kith_proto_kv_rows_t *indexes = scan->rows [KITH_SCAN_INDEXES].row;
    for (uint32_t i = 0; indexes && i < indexes->items_count; i++) {
        kith_arena_t arena = {0};
        const kith_proto_index_row_t *row =
            kith_row_read (&kith_proto_index_row_table, indexes->items [i].value, &arena);
        if (row)
            zhashx_insert (look->named, row->object, look);
        kith_arena_free (&arena);
    }
}

//  Where files of a channel may lie, of segments too that it has no more: a build may have ended after they left
static void
s_aim (look_t *look, uint64_t channel)
{
    look->prefixes = kith_grow (look->prefixes, look->prefix_count,
                                &look->prefix_capacity, sizeof *look->prefixes);
    look->prefixes [look->prefix_count++] = kith_name_channel (channel);
}

//  ---------------------------------------------------------------------
//  Rows of fields whose index was dropped

//  How many were to be removed
static uint32_t
s_forget (const kith_sweep_t *self, kith_ctx_t *ctx, const kith_proto_channel_row_t *row,
          const kith_proto_collection_t *definition, const kith_scan_t *scan)
{
    const kith_proto_kv_rows_t *indexes = scan->rows [KITH_SCAN_INDEXES].row;
    uint32_t forgot = 0;
    char prefix [KITH_KEY_MAX];
    snprintf (prefix, sizeof prefix, "index/%012" PRIu64 "/", row->channel);
    for (uint32_t i = 0; indexes && i < indexes->items_count; i++) {
        if (strncmp (indexes->items [i].key, prefix, strlen (prefix)) != 0)
            continue;
        kith_arena_t arena = {0};
        const kith_proto_index_row_t *index =
            kith_row_read (&kith_proto_index_row_table, indexes->items [i].value, &arena);
        if (index && !kith_index_spec_of (definition, index->field)) {
            kith_msg_t *txn = kith_txn_new (2, 1);
            kith_lease_compare (self->lease, txn);
            kith_txn_compare (txn, indexes->items [i].key, indexes->items [i].revision);
            kith_txn_remove (txn, indexes->items [i].key);
            //  What is not made is tried again by the next sweep
            kith_meta_call (ctx, &txn, kith_end_ignored, NULL);
            forgot++;
        }
        kith_arena_free (&arena);
    }
    return forgot;
}

static uint64_t
s_specs (const kith_scan_t *scan)
{
    const kith_proto_kv_rows_t *rows = scan->rows [KITH_SCAN_COLLECTIONS].row;
    uint64_t hash = 1;
    for (uint32_t i = 0; rows && i < rows->items_count; i++) {
        kith_arena_t arena = {0};
        const kith_proto_collection_t *collection =
            kith_row_read (&kith_proto_collection_table, rows->items [i].value, &arena);
        if (collection)
            hash = kith_mix64 (hash ^ kith_index_specs_hash (collection));
        kith_arena_free (&arena);
    }
    return hash;
}

void
kith_sweep (kith_sweep_t *self, void *actor, kith_ctx_t *ctx, const kith_scan_t *scan)
{
    const kith_proto_kv_rows_t *channels = scan->rows [KITH_SCAN_CHANNELS].row;
    const uint64_t specs = s_specs (scan);
    if (specs != self->specs)
        self->wanted = true;
    self->specs = specs;
    if (!self->wanted || self->busy || !kith_ctx_cluster (ctx)->id
        || kith_ctx_now_us (ctx) < self->after_us)
        return;
    look_t *look = s_look_new (self, actor, ctx);
    uint32_t forgot = 0;
    for (uint32_t i = 0; channels && i < channels->items_count; i++) {
        kith_arena_t arena = {0};
        const kith_proto_channel_row_t *row = kith_row_read (
            &kith_proto_channel_row_table, channels->items [i].value, &arena);
        const bool lives = row && !row->dropped;
        const kith_proto_collection_t *definition =
            lives ? kith_scan_collection (scan, row->collection, &arena) : NULL;
        if (definition)
            forgot += s_forget (self, ctx, row, definition, scan);
        if (lives)
            s_aim (look, row->channel);
        kith_arena_free (&arena);
    }
    s_name (look, scan);
    //  No channel, no file
    const bool any = look->prefix_count > 0;
    self->busy = any && !kith_ctx_work (ctx, KITH_POOL_IO, s_look, s_looked, look);
    if (!self->busy)
        s_look_free (look);
    //  Rows that go now leave their files to the next look
    self->wanted = (any && !self->busy) || forgot;
}
