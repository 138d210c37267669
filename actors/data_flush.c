//  data_flush.c - seal on request, flush, checkpoint, trim (F0-F7, T2)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/data_node.h"
#include "base/fault.h"

#define READ_BYTES (4u << 20)    //  of the log at once
#define RETRY_US 500000
#define GONE_MAX 64u    //  replaced objects removed after one commit

//  F1-F4 on the BUILD pool, then T2, then trim. Owns everything but the log's handle.
typedef struct {
    kith_data_log_t *log;
    kith_log_t *handle;
    kith_objects_t *objects;
    uint64_t channel;
    uint64_t cluster;
    uint64_t epoch;
    uint64_t revision;    //  of the row that was read (F1)
    uint64_t idle_to;     //  F7: checkpoint to put without reading; 0: a flush
    uint64_t random;      //  tells the objects of this attempt from others'
    kith_kept_t row;      //  the row read
    kith_schema_t *schema;
    kith_bytes_t window;    //  saved entries, maybe beyond `to`
    uint64_t low;
    kith_arena_t arena;
    kith_proto_channel_row_t *next;     //  the row to put
    kith_proto_segment_row_t *freed;    //  segments that leave the row
    uint32_t freed_count;
    uint32_t segments;    //  made
    uint64_t rows, bytes;
    const char *gone [GONE_MAX];    //  objects that the new row replaces
    uint32_t gone_count;
    const char **made;    //  objects that this attempt puts
    uint32_t made_count, made_capacity;
    kith_bytes_t *parts;    //  bytes of the range, as read
    uint32_t part_count, part_capacity;
    uint64_t to;    //  seq of the SEAL that ends the range
    kith_error_t error;
    int rc;
} flush_t;

static void
s_flush_free (flush_t **self_p)
{
    flush_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t i = 0; i < self->part_count; i++)
        kith_bytes_free (&self->parts [i]);
    free (self->parts);
    free (self->made);
    kith_kept_free (&self->row);
    kith_schema_destroy (&self->schema);
    kith_bytes_free (&self->window);
    kith_arena_free (&self->arena);
    free (self);
    *self_p = NULL;
}

//  On the worker

typedef int (record_fn) (void *arg, const kith_record_t *record, kith_error_t *error);

static int
s_each (flush_t *self, record_fn *fn, void *arg)
{
    for (uint32_t i = 0; i < self->part_count; i++) {
        const kith_bytes_t *part = &self->parts [i];
        for (uint64_t at = 0, used = 0; at < part->size; at += used) {
            kith_record_t record;
            if (kith_record_open (&record, part->data + at, part->size - at, &used, NULL,
                                  NULL, &self->error))
                return -1;
            if (self->to && record.seq > self->to)
                return 0;
            if (fn (arg, &record, &self->error))
                return -1;
        }
    }
    return 0;
}

//  F1: the records after the checkpoint, to the first SEAL
static int
s_read_range (flush_t *self)
{
    const kith_proto_channel_row_t *row = self->row.row;
    //  A channel without a checkpoint may be younger than the log's oldest record
    const uint64_t first = self->handle->first (self->handle);
    uint64_t after = row->checkpoint || first == 0 ? row->checkpoint : first - 1;
    const uint64_t last = self->handle->last (self->handle);
    while (!self->to && after < last) {
        self->parts = kith_grow (self->parts, self->part_count, &self->part_capacity,
                                 sizeof *self->parts);
        kith_bytes_t *part = &self->parts [self->part_count++];
        uint64_t covered = 0;
        if (self->handle->read (self->handle, after, self->channel, READ_BYTES, part,
                                &covered, &self->error))
            return -1;
        for (uint64_t at = 0, used = 0; at < part->size && !self->to; at += used) {
            kith_record_t record;
            if (kith_record_open (&record, part->data + at, part->size - at, &used, NULL,
                                  NULL, &self->error))
                return -1;
            if (record.kind == KITH_RECORD_SEAL)
                self->to = record.seq;
            self->next->checkpoint_epoch = record.epoch;
            self->next->checkpoint_timestamp = record.timestamp;
        }
        after = covered;
    }
    if (!self->to)
        return kith_error_set (&self->error, KITH_ERR_INTERNAL,
                               "channel %" PRIu64
                               " has no SEAL after its checkpoint %" PRIu64,
                               self->channel, row->checkpoint);
    return 0;
}

//  Name of an object that this attempt is going to put
static const char *s_name (flush_t *self, const char *format, ...) KITH_PRINTF (2, 3);

static const char *
s_name (flush_t *self, const char *format, ...)
{
    char tail [128];
    va_list args;
    va_start (args, format);
    vsnprintf (tail, sizeof tail, format, args);
    va_end (args);
    const char *name = kith_arena_printf (
        &self->arena, "%012" PRIu64 "/%020" PRIu64 "/%06" PRIu64 "/%s-%016" PRIx64,
        self->channel, self->to, self->epoch, tail, self->random);
    self->made = kith_grow (self->made, self->made_count, &self->made_capacity,
                            sizeof *self->made);
    self->made [self->made_count++] = name;
    return name;
}

static kith_file_info_t
s_info (const flush_t *self, kith_file_kind_t kind, uint64_t segment)
{
    const kith_proto_channel_row_t *row = self->row.row;
    return (kith_file_info_t){.kind = kind,
                              .cluster = self->cluster,
                              .channel = self->channel,
                              .segment = segment,
                              .from = row->checkpoint + 1,
                              .to = self->to,
                              .epoch = self->epoch};
}

//  Room in the new row for so many segments
static void
s_room (flush_t *self, uint32_t count)
{
    kith_proto_segment_row_t *segments =
        kith_arena_alloc (&self->arena, (count + 1) * sizeof *segments);
    if (self->next->segments_count)
        memcpy (segments, self->next->segments,
                self->next->segments_count * sizeof *segments);
    self->next->segments = segments;
}

static int
s_flush_add (void *arg, const kith_record_t *record, kith_error_t *error)
{
    return kith_flush_add (arg, record, error);
}

static int
s_segment_end (void *arg, const kith_record_t *record, kith_error_t *error)
{
    return kith_segment_end (arg, record, error);
}

//  F3: the snapshot of one partition's rows of the range
static int
s_put_part (flush_t *self, kith_flush_t *flush, const kith_flush_part_t *part, bool only)
{
    const kith_proto_channel_row_t *row = self->row.row;
    //  A record is of one partition: the seq of a part's newest one is no other part's
    const uint64_t id = only ? self->to : part->newest;
    kith_proto_segment_row_t *segment =
        &self->next->segments [self->next->segments_count++];
    *segment = (kith_proto_segment_row_t){.segment = id,
                                          .from = row->checkpoint + 1,
                                          .to = self->to,
                                          .base = self->to,
                                          .rows = part->rows,
                                          .deaths = ""};
    segment->snapshot =
        only ? s_name (self, "snapshot") : s_name (self, "snapshot-%" PRIu64, id);
    kith_file_info_t info = s_info (self, KITH_FILE_SNAPSHOT, id);
    info.rows = part->rows;
    kith_flush_select (flush, part);
    const int rc =
        kith_flush_put (flush, self->objects, segment->snapshot, &info,
                        &segment->snapshot_hash, &segment->bytes, &self->error);
    self->segments++;
    self->rows += segment->rows;
    self->bytes += segment->bytes;
    return rc;
}

//  A segment for each partition that has rows left in the range, so that a partition that is dropped takes whole segments
//  with it; a range whose rows all ended makes none
static int
s_put_snapshots (flush_t *self)
{
    const kith_proto_channel_row_t *row = self->row.row;
    kith_flush_t *flush = kith_flush_new (self->schema, row->checkpoint, self->to);
    int rc = s_each (self, s_flush_add, flush);
    uint32_t count = 0;
    kith_flush_part_t *parts = rc ? NULL : kith_flush_parts (flush, &count);
    s_room (self, self->next->segments_count + count);
    for (uint32_t i = 0; !rc && i < count; i++)
        rc = s_put_part (self, flush, &parts [i], count == 1);
    free (parts);
    kith_flush_destroy (&flush);
    return rc;
}

//  F2, F3: one older segment's deaths in the range
static int
s_put_deaths (flush_t *self, kith_proto_segment_row_t *row)
{
    kith_segment_t *segment = kith_segment_of_row (self->objects, self->cluster,
                                                   self->schema, row, &self->error);
    if (!segment)
        return -1;
    int rc = s_each (self, s_segment_end, segment);
    uint32_t count = 0;
    kith_death_t *list = rc ? NULL : kith_segment_deaths (segment, self->to, &count);
    if (!rc && count == row->rows)
        row->dead = count;    //  it leaves the row
    else if (!rc && count != row->dead) {
        if (*row->deaths && self->gone_count < GONE_MAX)
            self->gone [self->gone_count++] = row->deaths;
        row->deaths = s_name (self, "deaths-%" PRIu64, row->segment);
        row->dead = count;
        const kith_file_info_t info = s_info (self, KITH_FILE_DEATHS, row->segment);
        rc = kith_deaths_put (self->objects, row->deaths, &info, list, count,
                              &row->deaths_hash, &row->deaths_bytes, &self->error);
    }
    free (list);
    kith_segment_destroy (&segment);
    return rc;
}

//  Segments of which no row is left leave the row; a reader has them for as long as it has them pinned (G2)
static void
s_free_ended (flush_t *self)
{
    kith_proto_channel_row_t *next = self->next;
    self->freed =
        kith_arena_alloc (&self->arena, (next->segments_count + 1) * sizeof *self->freed);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < next->segments_count; i++)
        if (next->segments [i].dead == next->segments [i].rows)
            self->freed [self->freed_count++] = next->segments [i];
        else
            next->segments [kept++] = next->segments [i];
    next->segments_count = kept;
}

static int
s_put_window (flush_t *self)
{
    const kith_proto_channel_row_t *row = self->row.row;
    if (*row->window && self->gone_count < GONE_MAX)
        self->gone [self->gone_count++] = row->window;
    self->next->window = "";
    self->next->window_hash = self->next->window_bytes = 0;
    self->next->low = self->low;
    if (KITH_BUG (WINDOW_NOT_SAVED))
        return 0;
    //  Entries are in seq order: those beyond the range belong to the next checkpoint
    while (self->window.size >= 48
           && kith_get_u64 (self->window.data + self->window.size - 8) > self->to)
        self->window.size -= 48;
    if (!self->window.size)
        return 0;
    self->next->window = s_name (self, "window");
    const kith_file_info_t info = s_info (self, KITH_FILE_WINDOW, self->to);
    const kith_section_t section = {
        .id = 1, .data = self->window.data, .size = self->window.size};
    return kith_container_put (self->objects, self->next->window, &info, &section, 1,
                               &self->next->window_hash, &self->next->window_bytes,
                               &self->error);
}

static void
s_flush_work (void *arg)
{
    flush_t *self = arg;
    const kith_proto_channel_row_t *row = self->row.row;
    self->rc = s_read_range (self);
    for (uint32_t i = 0; !self->rc && i < row->segments_count; i++)
        self->rc = s_put_deaths (self, &self->next->segments [i]);
    if (!self->rc)
        s_free_ended (self);
    if (!self->rc)
        self->rc = s_put_snapshots (self);
    if (!self->rc)
        self->rc = s_put_window (self);
    //  F4: every segment of the row is complete up to the checkpoint
    self->next->checkpoint = self->to;
    for (uint32_t i = 0; i < self->next->segments_count; i++)
        self->next->segments [i].applied_to = self->to;
    if (!self->rc && KITH_BUG (TRIM_BEFORE_COMMIT))
        self->rc = self->handle->trim (self->handle, self->to, &self->error);
}

//  After a commit: objects that no row names any more, and the trim (F6)

typedef struct {
    kith_data_log_t *log;
    kith_log_t *handle;
    kith_objects_t *objects;
    kith_arena_t arena;
    const char **gone;
    uint32_t gone_count;
    uint64_t revision;    //  of the row that a refused attempt was made for
    uint64_t last;        //  of the log when the rows were asked for
    uint64_t trim;
    kith_error_t error;
} tidy_t;

static void
s_tidy_work (void *arg)
{
    tidy_t *tidy = arg;
    for (uint32_t i = 0; i < tidy->gone_count; i++)
        tidy->objects->remove (tidy->objects, tidy->gone [i], NULL);
    kith_error_clear (&tidy->error);
    if (tidy->trim && tidy->handle->trim (tidy->handle, tidy->trim, &tidy->error))
        tidy->trim = 0;
}

static void
s_tidied (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    kith_data_node_t *self = arg_self;
    tidy_t *tidy = arg;
    kith_data_log_t *log = tidy->log;
    if (tidy->error.code)
        kith_ctx_log (ctx, 'w', "log %u: %s", log->number, tidy->error.message);
    kith_arena_free (&tidy->arena);
    free (tidy);
    if (!kith_data_back (ctx, log)) {
        log->flushing = false;
        kith_data_flush_next (self, ctx, log);
    }
}

static void
s_retry (kith_ctx_t *ctx, kith_data_log_t *log)
{
    //  Nobody begins before the timer: each who did would leave one more chain of attempts
    log->flushing = true;
    log->retrying = true;
    kith_ctx_after (ctx, RETRY_US, KITH_DATA_FLUSH + (int) log->number);
}

void
kith_data_flush_timeout (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log)
{
    if (!log->retrying)
        return;    //  the log was given up meanwhile
    log->retrying = log->flushing = false;
    kith_data_flush_next (self, ctx, log);
}

static void
s_tidy_start (kith_ctx_t *ctx, tidy_t *tidy)
{
    kith_data_log_t *log = tidy->log;
    log->work++;
    if (!kith_ctx_work (ctx, KITH_POOL_IO, s_tidy_work, s_tidied, tidy))
        return;
    log->work--;
    s_retry (ctx, log);
    kith_arena_free (&tidy->arena);
    free (tidy);
}

static void
s_tidy_add (tidy_t *tidy, const char *name)
{
    tidy->gone [tidy->gone_count++] = kith_arena_strdup (&tidy->arena, name);
}

//  The row names the object
static bool
s_names (const kith_proto_channel_row_t *row, const char *name)
{
    bool named = strcmp (row->window, name) == 0;
    for (uint32_t i = 0; i < row->segments_count && !named; i++)
        named = strcmp (row->segments [i].snapshot, name) == 0
                || strcmp (row->segments [i].deaths, name) == 0;
    return named;
}

static void
s_tidy_free (tidy_t **self_p)
{
    kith_arena_free (&(*self_p)->arena);
    free (*self_p);
    *self_p = NULL;
}

//  The row after a refused T2: another copy of it may have been made after all
static void
s_undo_row (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
            void *arg)
{
    (void) arg_self;
    tidy_t *tidy = arg;
    kith_data_log_t *log = tidy->log;
    if (end == KITH_END_STOPPED || kith_data_back (ctx, log)) {
        s_tidy_free (&tidy);
        return;
    }
    const kith_proto_channels_t *channels = end == KITH_END_OK ? (*answer_p)->body : NULL;
    const kith_proto_channel_row_t *row =
        channels && channels->rows_count && channels->revisions_count
                && channels->revisions [0] > tidy->revision
            ? &channels->rows [0]
            : NULL;
    //  While the row is as it was read, a copy of T2 may still come: then nothing is removed
    uint32_t kept = 0;
    for (uint32_t i = 0; row && i < tidy->gone_count; i++)
        if (!s_names (row, tidy->gone [i]))
            tidy->gone [kept++] = tidy->gone [i];
    tidy->gone_count = kept;
    s_tidy_start (ctx, tidy);
}

//  T2 was refused: what this attempt put goes, if no row names it
static void
s_undo (kith_ctx_t *ctx, const flush_t *flush)
{
    tidy_t *tidy = kith_new (sizeof *tidy);
    tidy->log = flush->log;
    tidy->objects = flush->objects;
    tidy->revision = flush->revision;
    tidy->gone =
        kith_arena_alloc (&tidy->arena, (flush->made_count + 1) * sizeof *tidy->gone);
    for (uint32_t i = 0; i < flush->made_count; i++)
        s_tidy_add (tidy, flush->made [i]);
    kith_msg_t *msg = kith_msg_new (KITH_KIND_CHANNEL_GET);
    kith_proto_channel_get_t *get = msg->body;
    get->channel = flush->channel;
    flush->log->work++;
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg, KITH_CALL_US,
                   s_undo_row, tidy);
}

//  What is trimmed is known to be flushed: a FETCH below it is answered by the row that allowed it
static void
s_trim_row (kith_data_log_t *log, const kith_proto_channel_row_t *row, uint64_t *trim)
{
    kith_data_channel_t *channel = kith_data_channel (log, row->channel);
    const kith_proto_channel_row_t *known = channel ? channel->row.row : NULL;
    if (known && known->checkpoint < row->checkpoint)
        kith_keep (&channel->row, &kith_proto_channel_row_table, row);
    if (!row->dropped && row->checkpoint < *trim)
        *trim = row->checkpoint;
}

//  F6: the lowest checkpoint as read from metadata
static void
s_trim_rows (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    tidy_t *tidy = arg;
    kith_data_log_t *log = tidy->log;
    (void) arg_self;
    if (end == KITH_END_STOPPED || kith_data_back (ctx, log)) {
        kith_arena_free (&tidy->arena);
        free (tidy);
        return;
    }
    if (end == KITH_END_OK) {
        const kith_proto_channels_t *channels = (*answer_p)->body;
        //  A channel that is not among the rows has no record up to here
        tidy->trim = tidy->last;
        for (uint32_t i = 0; i < channels->rows_count; i++)
            s_trim_row (log, &channels->rows [i], &tidy->trim);
    }
    s_tidy_start (ctx, tidy);
}

static void
s_tidy (kith_data_node_t *self, kith_ctx_t *ctx, const flush_t *flush)
{
    tidy_t *tidy = kith_new (sizeof *tidy);
    tidy->log = flush->log;
    tidy->handle = flush->handle;
    tidy->objects = self->objects;
    tidy->last = flush->log->last;
    tidy->gone =
        kith_arena_alloc (&tidy->arena, (flush->gone_count + 1) * sizeof *tidy->gone);
    for (uint32_t i = 0; i < flush->gone_count; i++)
        s_tidy_add (tidy, flush->gone [i]);
    kith_msg_t *msg = kith_msg_new (KITH_KIND_LOG_CHANNELS);
    kith_proto_log_channels_t *ask = msg->body;
    ask->log = flush->log->number;
    flush->log->work++;
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg, KITH_CALL_US,
                   s_trim_rows, tidy);
}

//  The loop's side

void
kith_data_flush_answer (kith_ctx_t *ctx, kith_data_log_t *log, const kith_error_t *error)
{
    for (uint32_t i = log->flush_count; i--;) {
        kith_flush_wait_t *wait = &log->flushes [i];
        bool reached = true;
        for (uint32_t j = 0; !error && j < wait->count; j++) {
            const kith_data_channel_t *channel =
                kith_data_channel (log, wait->channels [j]);
            const kith_proto_channel_row_t *row = channel ? channel->row.row : NULL;
            reached =
                reached
                && (!channel || channel->dropped || row->checkpoint >= wait->targets [j]);
        }
        if (!reached)
            continue;
        if (ctx && error)
            kith_ctx_fail (ctx, &wait->request, error);
        else if (ctx) {
            kith_msg_t *answer = kith_msg_new (KITH_KIND_FLUSHED);
            kith_proto_flushed_t *flushed = answer->body;
            flushed->segments = wait->segments;
            flushed->rows = wait->rows;
            flushed->bytes = wait->bytes;
            kith_ctx_reply (ctx, &wait->request, &answer);
        }
        kith_msg_destroy (&wait->request);
        free (wait->targets);
        free (wait->channels);
        *wait = log->flushes [--log->flush_count];
    }
}

static void
s_count (kith_data_log_t *log, const flush_t *flush)
{
    for (uint32_t i = 0; i < log->flush_count; i++) {
        kith_flush_wait_t *wait = &log->flushes [i];
        for (uint32_t j = 0; j < wait->count; j++)
            if (wait->channels [j] == flush->channel) {
                wait->segments += flush->segments;
                wait->rows += flush->rows;
                wait->bytes += flush->bytes;
            }
    }
}

//  F5: T2 is answered
static void
s_committed (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_data_node_t *self = arg_self;
    flush_t *flush = arg;
    kith_data_log_t *log = flush->log;
    if (end == KITH_END_STOPPED || kith_data_back (ctx, log)) {
        s_flush_free (&flush);
        return;
    }
    kith_data_channel_t *channel = kith_data_channel (log, flush->channel);
    if (end != KITH_END_OK) {
        kith_error_t error;
        kith_end_error (end, *answer_p, &error);
        kith_ctx_log (ctx, 'i', "channel %" PRIu64 ": checkpoint %" PRIu64 " not put: %s",
                      flush->channel, flush->next->checkpoint, error.message);
        //  F1 again: the row says what happened
        if (error.code == KITH_ERR_NOT_OWNER)
            kith_data_give_up (self, ctx, log, &error);    //  K5: the epoch is gone
        else if (error.code == KITH_ERR_CONFLICT)
            s_undo (ctx, flush);
        else
            s_retry (ctx, log);
        s_flush_free (&flush);
        return;
    }
    kith_keep (&channel->row, &kith_proto_channel_row_table, flush->next);
    s_count (log, flush);
    if (!flush->idle_to)
        kith_ctx_log (ctx, 'i',
                      "channel %" PRIu64 ": flushed %" PRIu64 " rows up to %" PRIu64,
                      flush->channel, flush->rows, flush->to);
    kith_data_flush_answer (ctx, log, NULL);
    s_tidy (self, ctx, flush);
    s_flush_free (&flush);
}

static void
s_commit (kith_ctx_t *ctx, flush_t *flush)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_CHECKPOINT_COMMIT);
    kith_proto_checkpoint_commit_t *commit = msg->body;
    commit->log = flush->log->number;
    commit->epoch = flush->epoch;
    commit->revision = flush->revision;
    const kith_proto_channel_row_t *row =
        kith_codec_copy (&kith_proto_channel_row_table, flush->next, &msg->arena);
    commit->row = *row;
    const kith_proto_channel_row_t freed = {
        .window = "", .segments = flush->freed, .segments_count = flush->freed_count};
    const kith_proto_channel_row_t *copy =
        kith_codec_copy (&kith_proto_channel_row_table, &freed, &msg->arena);
    commit->freed = copy->segments;
    commit->freed_count = copy->segments_count;
    flush->log->work++;
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg, KITH_CALL_US,
                   s_committed, flush);
}

static void
s_flushed (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    (void) arg_self;
    flush_t *flush = arg;
    kith_data_log_t *log = flush->log;
    if (kith_data_back (ctx, log)) {
        s_flush_free (&flush);
        return;
    }
    if (!flush->rc) {
        s_commit (ctx, flush);
        return;
    }
    kith_ctx_log (ctx, 'e', "channel %" PRIu64 ": flush failed: %s", flush->channel,
                  flush->error.message);
    s_flush_free (&flush);
    s_retry (ctx, log);
}

//  F7: an idle channel's checkpoint moves by a transaction alone
static void
s_idle (kith_ctx_t *ctx, flush_t *flush)
{
    flush->next->checkpoint = flush->idle_to;
    flush->next->checkpoint_epoch = flush->epoch;
    for (uint32_t i = 0; i < flush->next->segments_count; i++)
        flush->next->segments [i].applied_to = flush->idle_to;
    s_commit (ctx, flush);
}

//  This channel needs nothing: the next one
static void
s_turn (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log)
{
    log->flushing = false;
    kith_data_flush_answer (ctx, log, NULL);
    kith_data_flush_next (self, ctx, log);
}

//  F1: the row is read
static void
s_row (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    (void) arg_self;
    flush_t *flush = arg;
    kith_data_log_t *log = flush->log;
    if (end == KITH_END_STOPPED || kith_data_back (ctx, log)) {
        s_flush_free (&flush);
        return;
    }
    const kith_proto_channels_t *channels = end == KITH_END_OK ? (*answer_p)->body : NULL;
    kith_data_channel_t *channel = kith_data_channel (log, flush->channel);
    //  No row: the channel was dropped and freed, and nobody could tell
    const bool gone = channels && !channels->rows_count && channel;
    if (gone) {
        channel->dropped = true;
        s_flush_free (&flush);
        s_turn (arg_self, ctx, log);
        return;
    }
    if (!channels || !channels->rows_count || !channels->revisions_count || !channel) {
        s_flush_free (&flush);
        s_retry (ctx, log);
        return;
    }
    kith_keep (&flush->row, &kith_proto_channel_row_table, &channels->rows [0]);
    flush->revision = channels->revisions [0];
    const kith_proto_channel_row_t *row = flush->row.row;
    kith_keep (&channel->row, &kith_proto_channel_row_table, row);
    channel->dropped = row->dropped;
    if (row->dropped
        || (flush->idle_to ? row->checkpoint >= flush->idle_to
                           : row->checkpoint >= channel->sealed)) {
        s_flush_free (&flush);
        s_turn (arg_self, ctx, log);
        return;
    }
    flush->next = kith_codec_copy (&kith_proto_channel_row_table, row, &flush->arena);
    if (flush->idle_to) {
        s_idle (ctx, flush);
        return;
    }
    kith_window_save (&channel->window, channel->sealed, &flush->window);
    flush->low = channel->window.low;
    log->work++;
    if (kith_ctx_work (ctx, KITH_POOL_BUILD, s_flush_work, s_flushed, flush)) {
        log->work--;
        s_flush_free (&flush);
        s_retry (ctx, log);
    }
}

static void
s_begin (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log,
         kith_data_channel_t *channel, uint64_t idle_to)
{
    flush_t *flush = kith_new (sizeof *flush);
    flush->log = log;
    flush->handle = log->handle;
    flush->objects = self->objects;
    flush->channel = channel->id;
    flush->cluster = kith_ctx_cluster (ctx)->id;
    flush->epoch = log->epoch;
    flush->idle_to = idle_to;
    flush->random = kith_ctx_random (ctx);
    flush->schema = kith_schema_share (channel->schema);
    log->flushing = true;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_CHANNEL_GET);
    kith_proto_channel_get_t *get = msg->body;
    get->channel = channel->id;
    log->work++;
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg, KITH_CALL_US, s_row,
                   flush);
}

void
kith_data_flush_next (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log)
{
    if (log->flushing || log->state != KITH_LOG_OPEN)
        return;
    uint64_t highest = 0;
    kith_data_channel_t *idle = NULL;
    for (uint32_t i = 0; i < log->channel_count; i++) {
        kith_data_channel_t *channel = &log->channels [i];
        const kith_proto_channel_row_t *row = channel->row.row;
        if (channel->dropped)
            continue;
        if (channel->sealed > row->checkpoint) {
            s_begin (self, ctx, log, channel, 0);
            return;
        }
        highest = row->checkpoint > highest ? row->checkpoint : highest;
        if (channel->last <= row->checkpoint
            && (!idle
                || row->checkpoint
                       < ((kith_proto_channel_row_t *) idle->row.row)->checkpoint))
            idle = channel;
    }
    //  Only a channel that holds the trim back is moved on
    if (idle && ((kith_proto_channel_row_t *) idle->row.row)->checkpoint < highest)
        s_begin (self, ctx, log, idle, highest);
}

void
kith_data_log_flush (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_log_flush_t *ask = (*msg_p)->body;
    kith_data_log_t *log = kith_data_log_of (self, ctx, msg_p, ask->log);
    if (!log)
        return;
    const uint32_t count = ask->channels_count ? ask->channels_count : log->channel_count;
    log->flushes = kith_grow (log->flushes, log->flush_count, &log->flush_capacity,
                              sizeof *log->flushes);
    kith_flush_wait_t *wait = &log->flushes [log->flush_count++];
    memset (wait, 0, sizeof *wait);
    wait->targets = kith_new ((count + 1) * sizeof *wait->targets);
    wait->channels = kith_new ((count + 1) * sizeof *wait->channels);
    for (uint32_t i = 0; i < count; i++) {
        kith_data_channel_t *channel = ask->channels_count
                                           ? kith_data_channel (log, ask->channels [i])
                                           : &log->channels [i];
        //  An id that was asked for need not be one of this log
        if ((ask->channels_count && !channel) || channel->dropped)
            continue;
        wait->channels [wait->count] = channel->id;
        wait->targets [wait->count++] = channel->last;
    }
    wait->request = *msg_p;
    *msg_p = NULL;
    for (uint32_t i = 0; i < log->channel_count; i++) {
        kith_data_channel_t *channel = &log->channels [i];
        bool asked = !ask->channels_count;
        for (uint32_t j = 0; j < ask->channels_count; j++)
            asked = asked || ask->channels [j] == channel->id;
        if (asked && !channel->dropped && channel->last > channel->sealed)
            kith_data_seal (self, ctx, log, channel);
    }
    kith_data_flush_answer (ctx, log, NULL);
}
