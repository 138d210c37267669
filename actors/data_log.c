//  data_log.c - opening a log (K1, L1-L4), its channels and windows, and giving it up (K5, K6)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/data_node.h"

#define BACKOFF_MIN_US 50000
#define BACKOFF_MAX_US 2000000
#define REPLAY_BYTES (8u << 20)    //  of the log read at once

//  Recovery on the IO pool: L1-L4 (3)
typedef struct {
    kith_log_t *handle;
    kith_objects_t *objects;
    kith_log_open_t options;
    kith_data_log_t *log;
    kith_error_t error;
    int rc;
} recover_t;

//  Replay on the IO pool: windows, and what is not flushed yet
typedef struct {
    kith_data_log_t *
        log;    //  only `channels`, `handle` are touched; nothing else runs on a READING log
    kith_objects_t *objects;
    uint32_t window_max;
    kith_error_t error;
    int rc;
    uint64_t bytes;
} replay_t;

kith_data_channel_t *
kith_data_channel (kith_data_log_t *log, uint64_t id)
{
    for (uint32_t i = 0; i < log->channel_count; i++)
        if (log->channels [i].id == id)
            return &log->channels [i];
    return NULL;
}

static void
s_channel_free (kith_data_channel_t *channel)
{
    kith_kept_free (&channel->row);
    kith_kept_free (&channel->definition);
    kith_schema_destroy (&channel->schema);
    kith_window_free (&channel->window);
    free (channel->ended);
}

kith_data_channel_t *
kith_data_channel_take (kith_data_log_t *log, const kith_proto_channel_row_t *row,
                        const kith_proto_collection_t *definition, kith_error_t *error)
{
    kith_schema_t *schema = kith_schema_of (definition, error);
    if (!schema)
        return NULL;
    kith_data_channel_t *channel = kith_data_channel (log, row->channel);
    if (!channel) {
        log->channels = kith_grow (log->channels, log->channel_count,
                                   &log->channel_capacity, sizeof *log->channels);
        channel = &log->channels [log->channel_count++];
        channel->id = row->channel;
        channel->window.low = row->low;
        channel->last = row->checkpoint;
        channel->sealed = row->checkpoint;
    }
    //  An answer that was overtaken by a checkpoint says less than what is known
    const kith_proto_channel_row_t *known = channel->row.row;
    if (!known || known->checkpoint <= row->checkpoint)
        kith_keep (&channel->row, &kith_proto_channel_row_table, row);
    kith_keep (&channel->definition, &kith_proto_collection_table, definition);
    kith_schema_destroy (&channel->schema);
    channel->schema = schema;
    channel->dropped = row->dropped;
    return channel;
}

static void
s_requests_end (kith_ctx_t *ctx, kith_park_t *park, const kith_error_t *error)
{
    while (park->count) {
        kith_msg_t *msg = kith_park_take (park, park->count - 1);
        if (ctx)
            kith_ctx_fail (ctx, &msg, error);
        kith_msg_destroy (&msg);
    }
}

static void
s_pending_end (kith_ctx_t *ctx, kith_data_log_t *log, const kith_error_t *error)
{
    while (log->first) {
        kith_pending_t *pending = log->first;
        log->first = pending->next;
        if (pending->request && ctx)
            kith_ctx_fail (ctx, &pending->request, error);
        kith_msg_destroy (&pending->request);
        kith_frame_destroy (&pending->rows);
        free (pending);
    }
    log->newest = NULL;
    log->pending_bytes = 0;
}

//  Forgets everything that was known of the log but its handle (the flock is the process's)
static void
s_forget (kith_ctx_t *ctx, kith_data_log_t *log, const kith_error_t *error)
{
    s_pending_end (ctx, log, error);
    s_requests_end (ctx, &log->waiting, error);
    s_requests_end (ctx, &log->duplicates, error);
    s_requests_end (ctx, &log->fetches, error);
    kith_data_flush_answer (ctx, log, error);
    kith_data_tail_free (log);
    for (uint32_t i = 0; i < log->channel_count; i++)
        s_channel_free (&log->channels [i]);
    log->channel_count = 0;
}

void
kith_data_log_free (kith_data_log_t *log)
{
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_CANCELLED, "stopping");
    s_forget (NULL, log, &error);
    free (log->channels);
    kith_park_free (&log->waiting);
    kith_park_free (&log->duplicates);
    kith_park_free (&log->fetches);
    free (log->flushes);
    free (log->tail);
    log->channels = NULL;
    log->tail = NULL;
}

static void
s_open_later (kith_ctx_t *ctx, kith_data_log_t *log)
{
    log->state = KITH_LOG_CLOSED;
    log->stopped = false;
    log->flushing = log->retrying = false;    //  whatever was under way is back
    kith_ctx_after (ctx, log->open_backoff_us, KITH_DATA_OPEN + (int) log->number);
    log->open_backoff_us *= 2;
    if (log->open_backoff_us > BACKOFF_MAX_US)
        log->open_backoff_us = BACKOFF_MAX_US;
}

void
kith_data_give_up (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log,
                   const kith_error_t *error)
{
    const bool was_open = log->state == KITH_LOG_OPEN;
    if (was_open)
        kith_ctx_log (ctx, 'w', "log %u: given up at epoch %" PRIu64 ": %s", log->number,
                      log->epoch, error->message);
    kith_error_t told;
    kith_error_set (&told, KITH_ERR_NOT_OWNER, "log %u was given up (%s)", log->number,
                    error->message);
    s_forget (ctx, log, &told);
    const bool first = !was_open && !log->refused.code;
    if (first)
        log->refused_us = kith_ctx_now_us (ctx);
    //  Every try says the same: once is enough
    if (!was_open && strcmp (log->refused.message, error->message) != 0)
        kith_ctx_log (ctx, kith_code_retry (error->code) ? 'w' : 'e',
                      "log %u cannot be opened: %s", log->number, error->message);
    if (!was_open)
        log->refused = *error;
    //  Work that is out still reads the handle: the next opening waits for it
    log->stopped = true;
    log->state = KITH_LOG_CLAIMING;
    if (was_open || first)
        kith_data_tell (self, ctx);
    if (!log->work)
        s_open_later (ctx, log);
}

bool
kith_data_back (kith_ctx_t *ctx, kith_data_log_t *log)
{
    assert (log->work);
    log->work--;
    if (!log->stopped)
        return false;
    if (!log->work)
        s_open_later (ctx, log);
    return true;
}

//  Replay

static void
s_replay_record (replay_t *replay, const kith_record_t *record)
{
    kith_data_channel_t *channel = kith_data_channel (replay->log, record->channel);
    if (!channel || channel->dropped)
        return;
    const kith_proto_channel_row_t *row = channel->row.row;
    if (record->seq <= row->checkpoint)
        return;
    channel->last = record->seq;
    if (record->kind == KITH_RECORD_SEAL) {
        channel->sealed = record->seq;
        channel->rows = channel->bytes = 0;
        return;
    }
    if (!kith_record_is_write (record->kind))
        return;
    channel->rows += record->rows;
    channel->bytes += record->body_bytes;
    replay->bytes += record->body_bytes;
    const kith_window_entry_t entry = {
        .request = record->request, .epoch = record->epoch, .seq = record->seq};
    kith_window_add (&channel->window, &entry, replay->window_max);
}

static int
s_replay_windows (replay_t *replay)
{
    for (uint32_t i = 0; i < replay->log->channel_count; i++) {
        kith_data_channel_t *channel = &replay->log->channels [i];
        const kith_proto_channel_row_t *row = channel->row.row;
        if (!*row->window || channel->dropped)
            continue;
        kith_container_t *file =
            kith_container_open (replay->objects, row->window, KITH_FILE_WINDOW, 0,
                                 row->window_hash, row->window_bytes, &replay->error);
        if (!file)
            return -1;
        uint64_t size = 0;
        const uint8_t *bytes = kith_container_section (file, 1, &size);
        const int rc = bytes ? kith_window_load (&channel->window, bytes, size,
                                                 replay->window_max, &replay->error)
                             : 0;
        kith_container_destroy (&file);
        if (rc)
            return rc;
        //  A smaller window than the one that was saved has forgotten more
        if (channel->window.low < row->low)
            channel->window.low = row->low;
    }
    return 0;
}

static int
s_replay_log (replay_t *replay)
{
    kith_log_t *handle = replay->log->handle;
    uint64_t after = handle->first (handle) - 1;
    const uint64_t last = handle->last (handle);
    kith_bytes_t bytes = {0};
    int rc = 0;
    while (!rc && after < last) {
        kith_bytes_clear (&bytes);
        uint64_t covered = 0;
        rc = handle->read (handle, after, 0, REPLAY_BYTES, &bytes, &covered,
                           &replay->error);
        for (uint64_t at = 0; !rc && at < bytes.size;) {
            kith_record_t record;
            uint64_t used = 0;
            rc = kith_record_open (&record, bytes.data + at, bytes.size - at, &used, NULL,
                                   NULL, &replay->error);
            if (!rc)
                s_replay_record (replay, &record);
            at += used;
        }
        after = covered;
    }
    kith_bytes_free (&bytes);
    return rc;
}

//  Records after a checkpoint that are not there any more: files were taken away by hand
static int
s_check_whole (replay_t *replay)
{
    const kith_data_log_t *log = replay->log;
    const uint64_t first = log->handle->first (log->handle);
    for (uint32_t i = 0; i < log->channel_count; i++) {
        const kith_proto_channel_row_t *row = log->channels [i].row.row;
        if (!row->dropped && row->checkpoint && row->checkpoint + 1 < first)
            return kith_error_set (&replay->error, KITH_ERR_LOST,
                                   "log %u begins at %" PRIu64 ", channel %" PRIu64
                                   " is flushed to %" PRIu64 " only: records are missing",
                                   log->number, first, row->channel, row->checkpoint);
    }
    return 0;
}

static void
s_replay (void *arg)
{
    replay_t *replay = arg;
    replay->rc = s_check_whole (replay);
    if (!replay->rc)
        replay->rc = s_replay_windows (replay);
    if (!replay->rc)
        replay->rc = s_replay_log (replay);
}

static void
s_replayed (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    kith_data_node_t *self = arg_self;
    replay_t *replay = arg;
    kith_data_log_t *log = replay->log;
    const kith_error_t error = replay->error;
    const int rc = replay->rc;
    free (replay);
    if (kith_data_back (ctx, log))
        return;
    if (rc) {
        kith_data_give_up (self, ctx, log, &error);
        return;
    }
    log->last = log->handle->last (log->handle);
    log->next = log->last + 1;
    log->timestamp = log->handle->last_timestamp (log->handle);
    log->state = KITH_LOG_OPEN;
    log->open_backoff_us = BACKOFF_MIN_US;
    kith_error_clear (&log->refused);
    for (uint32_t i = 0; i < log->channel_count; i++)
        log->channels [i].since_us = kith_ctx_now_us (ctx);
    kith_ctx_log (ctx, 'i', "log %u: open at epoch %" PRIu64 ", %" PRIu64 " records",
                  log->number, log->epoch, log->last);
    kith_data_tell (self, ctx);
    kith_data_flush_next (self, ctx, log);
    kith_data_seal_due (self, ctx, log);
}

//  Channel rows are here: K2, L4 (4)
static void
s_rows (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    kith_data_node_t *self = arg_self;
    kith_data_log_t *log = arg;
    if (end == KITH_END_STOPPED || kith_data_back (ctx, log))
        return;
    kith_error_t error;
    if (end != KITH_END_OK) {
        kith_end_error (end, *answer_p, &error);
        kith_data_give_up (self, ctx, log, &error);
        return;
    }
    const kith_proto_channels_t *channels = (*answer_p)->body;
    for (uint32_t i = 0; i < channels->rows_count && i < channels->collections_count; i++)
        if (!kith_data_channel_take (log, &channels->rows [i], &channels->collections [i],
                                     &error)) {
            kith_data_give_up (self, ctx, log, &error);
            return;
        }
    replay_t *replay = kith_new (sizeof *replay);
    *replay =
        (replay_t){.log = log,
                   .objects = self->objects,
                   .window_max = (uint32_t) kith_ctx_cluster (ctx)->window_requests};
    log->state = KITH_LOG_READING;
    log->work++;
    if (kith_ctx_work (ctx, KITH_POOL_IO, s_replay, s_replayed, replay)) {
        log->work--;
        free (replay);
        kith_error_set (&error, KITH_ERR_BUSY, "no IO worker is free");
        kith_data_give_up (self, ctx, log, &error);
    }
}

static void
s_ask_rows (kith_ctx_t *ctx, kith_data_log_t *log)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_LOG_CHANNELS);
    kith_proto_log_channels_t *ask = msg->body;
    ask->log = log->number;
    log->work++;
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg, KITH_CALL_US, s_rows,
                   log);
}

//  T6 made, or refused
static void
s_home_made (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_data_node_t *self = arg_self;
    kith_data_log_t *log = arg;
    if (end == KITH_END_STOPPED || kith_data_back (ctx, log))
        return;
    if (end == KITH_END_OK) {
        s_ask_rows (ctx, log);
        return;
    }
    kith_error_t error;
    kith_end_error (end, *answer_p, &error);
    kith_data_give_up (self, ctx, log, &error);
}

static void
s_recover (void *arg)
{
    recover_t *recover = arg;
    //  A log whose rows would be flushed among another cluster's serves nobody
    recover->rc =
        kith_objects_claim (recover->objects, recover->options.cluster, &recover->error);
    if (!recover->rc)
        recover->rc =
            recover->handle->open (recover->handle, &recover->options, &recover->error);
}

static void
s_recovered (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    kith_data_node_t *self = arg_self;
    recover_t *recover = arg;
    kith_data_log_t *log = recover->log;
    const recover_t done = *recover;
    free (recover);
    if (kith_data_back (ctx, log))
        return;
    if (done.rc) {
        kith_data_give_up (self, ctx, log, &done.error);
        return;
    }
    if (!done.options.home_new) {
        s_ask_rows (ctx, log);
        return;
    }
    kith_msg_t *msg = kith_msg_new (KITH_KIND_HOME_READY);
    kith_proto_home_ready_t *ready = msg->body;
    ready->log = log->number;
    ready->epoch = log->epoch;
    log->work++;
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg, KITH_CALL_US,
                   s_home_made, log);
}

//  T1 answered
static void
s_claimed (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
           void *arg)
{
    kith_data_node_t *self = arg_self;
    kith_data_log_t *log = arg;
    if (end == KITH_END_STOPPED || kith_data_back (ctx, log))
        return;
    kith_error_t error;
    if (end != KITH_END_OK) {
        kith_end_error (end, *answer_p, &error);
        kith_data_give_up (self, ctx, log, &error);
        return;
    }
    const kith_proto_log_opened_t *opened = (*answer_p)->body;
    kith_ctx_set_cluster_id (ctx, opened->cluster);
    log->epoch = opened->epoch;
    recover_t *recover = kith_new (sizeof *recover);
    *recover = (recover_t){.handle = log->handle,
                           .objects = self->objects,
                           .log = log,
                           .options = {.cluster = opened->cluster,
                                       .log = log->number,
                                       .epoch = opened->epoch,
                                       .base = opened->base,
                                       .home_new = opened->home_new}};
    log->state = KITH_LOG_RECOVERING;
    log->work++;
    if (kith_ctx_work (ctx, KITH_POOL_IO, s_recover, s_recovered, recover)) {
        log->work--;
        free (recover);
        kith_error_set (&error, KITH_ERR_BUSY, "no IO worker is free");
        kith_data_give_up (self, ctx, log, &error);
    }
}

void
kith_data_open (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log)
{
    (void) self;
    if (log->state != KITH_LOG_CLOSED || log->work)
        return;
    if (!log->handle)
        log->handle = kith_ctx_log_handle (ctx, log->number);
    assert (log->handle);
    if (!log->open_backoff_us)
        log->open_backoff_us = BACKOFF_MIN_US;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_LOG_OPEN);
    kith_proto_log_open_t *open = msg->body;
    open->log = log->number;
    log->state = KITH_LOG_CLAIMING;
    log->work++;
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg, KITH_CALL_US,
                   s_claimed, log);
}
