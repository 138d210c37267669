//  data_sweep.c - files that flushes left and no row names: of attempts that were given up, of rows that moved on (G1)
//  SPDX-License-Identifier: Apache-2.0
//
//  Files are listed first, then owner rows are read, then the rows that may name them. So a file that was listed and is not named can be named
//  later only by a T2 under way, and that is of the epoch read or a newer one and ends above the checkpoint read: what lies under an older
//  epoch, or a range at or below the checkpoint, never gets a name again.
#include "actors/data_coord.h"
#include "base/fault.h"

#define SWEEP_US                                                                         \
    20000000    //  from the first cause on; others meanwhile are looked at with it

typedef struct {
    uint64_t channel, checkpoint;
    uint32_t log;
    bool dropped;
} swept_channel_t;

typedef struct {
    kith_data_coord_t *coord;
    kith_objects_t *objects;
    uint64_t cluster;
    kith_key_t *prefixes;
    uint32_t prefix_count;
    char **names;    //  of files; once judged, those that go stand first
    uint32_t count, capacity;
    uint32_t over;       //  that go
    uint64_t *epochs;    //  of owner rows, by log
    uint32_t log_count;
    uint64_t next_id;             //  ids of channels below it were given out
    swept_channel_t *channels;    //  by id
    uint32_t channel_count;
    uint32_t foreign;    //  files of channels that were never made
    zhashx_t *named;     //  by rows
    kith_error_t error;
    int rc;
} look_t;

static void
s_free (look_t *look)
{
    for (uint32_t i = 0; i < look->count; i++)
        free (look->names [i]);
    free (look->prefixes);
    free (look->names);
    free (look->epochs);
    free (look->channels);
    zhashx_destroy (&look->named);
    free (look);
}

//  It ended, well or not
static void
s_end (look_t *look)
{
    look->coord->sweep.busy = false;
    s_free (look);
}

static void
s_give_up (kith_ctx_t *ctx, look_t *look)
{
    kith_data_sweep_later (look->coord, ctx, 0);
    s_end (look);
}

//  The files go

static void
s_remove (void *arg)
{
    look_t *look = arg;
    for (uint32_t i = 0; i < look->over && !look->rc; i++)
        look->rc = look->objects->remove (look->objects, look->names [i], &look->error);
}

static void
s_removed (void *actor, kith_ctx_t *ctx, void *arg)
{
    (void) actor;
    look_t *look = arg;
    if (look->rc) {
        kith_ctx_log (ctx, 'w', "files that no row names: %s", look->error.message);
        s_give_up (ctx, look);
        return;
    }
    kith_ctx_log (ctx, 'i', "%u files that no row names are gone", look->over);
    s_end (look);
}

//  Which of them

//  "<channel>/<to>/<epoch>/...": what a flush puts (F3). False: something else, as an index.
static bool
s_parse (const char *name, uint64_t *channel, uint64_t *to, uint64_t *epoch)
{
    uint64_t *const parts [] = {channel, to, epoch};
    const char *at = name;
    bool whole = true;
    for (int i = 0; i < 3 && whole; i++) {
        char *end;
        *parts [i] = strtoull (at, &end, 10);
        whole = end != at && *end == '/';
        at = end + whole;
    }
    return whole;
}

static int
s_compare (const void *key, const void *item)
{
    const uint64_t channel = *(const uint64_t *) key;
    const uint64_t other = ((const swept_channel_t *) item)->channel;
    return channel < other ? -1 : channel > other;
}

//  True if no row can name the file any more
static bool
s_is_over (look_t *look, const char *name)
{
    uint64_t channel, to, epoch;
    const bool flushed = s_parse (name, &channel, &to, &epoch);
    if (channel == 0)
        return false;    //  of no channel
    const swept_channel_t *row =
        look->channel_count ? bsearch (&channel, look->channels, look->channel_count,
                                       sizeof *look->channels, s_compare)
                            : NULL;
    //  Metadata that is older than the files, as a copy from yesterday, says nothing of them
    look->foreign += channel >= look->next_id;
    if (channel >= look->next_id)
        return false;
    //  A channel has its row before it has files, and loses it when its files are gone: these came too late
    if (!row)
        return true;
    //  The files of a dropped one go together (T9); indexes are swept by their coordinator
    if (row->dropped || !flushed || zhashx_lookup (look->named, name))
        return false;
    return to <= row->checkpoint
           || (row->log < look->log_count && epoch < look->epochs [row->log])
           || KITH_BUG (SWEEP_UNDER_WAY);
}

static void
s_judge (kith_ctx_t *ctx, look_t *look)
{
    for (uint32_t i = 0; i < look->count; i++)
        if (s_is_over (look, look->names [i])) {
            char *name = look->names [i];
            look->names [i] = look->names [look->over];
            look->names [look->over++] = name;
        }
    if (look->foreign)
        kith_ctx_log (ctx, 'e',
                      "%u objects belong to channels that metadata knows nothing of yet: "
                      "metadata is older than they are, they are left alone",
                      look->foreign);
    if (!look->over)
        s_end (look);
    else if (kith_ctx_work (ctx, KITH_POOL_IO, s_remove, s_removed, look))
        s_give_up (ctx, look);
}

//  What rows name

static void
s_name (look_t *look, const char *name)
{
    if (*name)
        zhashx_insert (look->named, name, look);
}

//  True: the look goes on with these rows
static bool
s_rows (kith_ctx_t *ctx, look_t *look, kith_end_t end)
{
    if (end == KITH_END_OK)
        return true;
    if (end == KITH_END_STOPPED)
        s_end (look);
    else
        s_give_up (ctx, look);
    return false;
}

static void
s_ids (void *actor, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    (void) actor;
    look_t *look = arg;
    if (!s_rows (ctx, look, end))
        return;
    const kith_proto_counter_row_t *row =
        kith_meta_row (&kith_proto_counter_row_table, *answer_p, NULL);
    look->next_id = row ? row->next : 1;
    s_judge (ctx, look);
}

static void
s_freed (void *actor, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    look_t *look = arg;
    if (!s_rows (ctx, look, end))
        return;
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    for (uint32_t i = 0; i < rows->items_count; i++) {
        const kith_proto_segment_row_t *row = kith_row_read (
            &kith_proto_segment_row_table, rows->items [i].value, &(*answer_p)->arena);
        const char *slash = strchr (rows->items [i].key, '/');
        if (!row || !slash)
            continue;
        s_name (look, row->snapshot);
        s_name (look, row->deaths);
        kith_data_coord_freed (actor, ctx, strtoull (slash + 1, NULL, 10), row);
    }
    kith_meta_get (ctx, KITH_KEY_IDS, s_ids, look);
}

//  A segment that leaves a channel's row gets one below freed/ in the same step: it is met there if not here
static void
s_channels (void *actor, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
            void *arg)
{
    look_t *look = arg;
    if (!s_rows (ctx, look, end))
        return;
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    look->channels = kith_new ((rows->items_count + 1) * sizeof *look->channels);
    for (uint32_t i = 0; i < rows->items_count; i++) {
        const kith_proto_channel_row_t *row = kith_row_read (
            &kith_proto_channel_row_table, rows->items [i].value, &(*answer_p)->arena);
        if (!row) {
            s_give_up (ctx, look);
            return;
        }
        look->channels [look->channel_count++] =
            (swept_channel_t){row->channel, row->checkpoint, row->log, row->dropped};
        if (row->dropped)
            kith_data_coord_ended (actor, ctx, row->channel);
        s_name (look, row->window);
        for (uint32_t j = 0; j < row->segments_count; j++) {
            s_name (look, row->segments [j].snapshot);
            s_name (look, row->segments [j].deaths);
        }
    }
    kith_meta_scan (ctx, "freed/", s_freed, look);
}

static void
s_owners (void *actor, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    (void) actor;
    look_t *look = arg;
    if (!s_rows (ctx, look, end))
        return;
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    look->epochs = kith_new ((look->log_count + 1) * sizeof *look->epochs);
    for (uint32_t log = 0; log < look->log_count; log++) {
        const kith_key_t key = kith_key_log (log);
        for (uint32_t i = 0; i < rows->items_count; i++) {
            const kith_proto_owner_row_t *row =
                strcmp (rows->items [i].key, key.text)
                    ? NULL
                    : kith_row_read (&kith_proto_owner_row_table, rows->items [i].value,
                                     &(*answer_p)->arena);
            if (row)
                look->epochs [log] = row->epoch;
        }
    }
    kith_meta_scan (ctx, "channel/", s_channels, look);
}

//  What is there

static void
s_found (void *arg, const char *name, uint64_t size)
{
    look_t *look = arg;
    (void) size;
    look->names =
        kith_grow (look->names, look->count, &look->capacity, sizeof *look->names);
    look->names [look->count++] = kith_strdup (name);
}

static void
s_list (void *arg)
{
    look_t *look = arg;
    look->rc = kith_objects_check (look->objects, look->cluster, &look->error);
    for (uint32_t i = 0; i < look->prefix_count && !look->rc; i++)
        look->rc = look->objects->list (look->objects, look->prefixes [i].text, s_found,
                                        look, &look->error);
}

static void
s_listed (void *actor, kith_ctx_t *ctx, void *arg)
{
    (void) actor;
    look_t *look = arg;
    if (look->rc) {
        kith_ctx_log (ctx, 'w', "files that no row names: %s", look->error.message);
        s_give_up (ctx, look);
    }
    else
        kith_meta_scan (ctx, "log/", s_owners, look);
}

static look_t *
s_look_new (kith_data_coord_t *coord, kith_ctx_t *ctx)
{
    kith_data_sweep_t *self = &coord->sweep;
    look_t *look = kith_new (sizeof *look);
    look->coord = coord;
    look->objects = coord->objects;
    look->cluster = kith_ctx_cluster (ctx)->id;
    look->log_count = coord->log_count;
    look->named = zhashx_new ();
    look->prefixes = kith_new ((self->count + 1) * sizeof *look->prefixes);
    look->prefix_count = self->all ? 1 : self->count;
    for (uint32_t i = 0; i < self->count && !self->all; i++)
        look->prefixes [i] = kith_name_channel (self->channels [i]);
    return look;
}

void
kith_data_sweep (kith_data_coord_t *coord, kith_ctx_t *ctx)
{
    kith_data_sweep_t *self = &coord->sweep;
    self->timer = false;
    //  Without the cluster's id nothing tells whose files these are
    if (self->busy || !kith_ctx_cluster (ctx)->id) {
        self->timer = true;
        kith_ctx_after (ctx, SWEEP_US, KITH_DATA_COORD_SWEEP);
        return;
    }
    look_t *look = s_look_new (coord, ctx);
    self->busy = true;
    self->all = false;
    self->count = 0;
    if (kith_ctx_work (ctx, KITH_POOL_IO, s_list, s_listed, look))
        s_give_up (ctx, look);
}

void
kith_data_sweep_later (kith_data_coord_t *coord, kith_ctx_t *ctx, uint64_t channel)
{
    kith_data_sweep_t *self = &coord->sweep;
    bool known = self->all || !channel;
    for (uint32_t i = 0; i < self->count && !known; i++)
        known = self->channels [i] == channel;
    if (!known) {
        self->channels = kith_grow (self->channels, self->count, &self->capacity,
                                    sizeof *self->channels);
        self->channels [self->count++] = channel;
    }
    self->all = self->all || !channel;
    if (self->timer)
        return;
    self->timer = true;
    kith_ctx_after (ctx, SWEEP_US, KITH_DATA_COORD_SWEEP);
}

void
kith_data_sweep_free (kith_data_sweep_t *self)
{
    free (self->channels);
}
