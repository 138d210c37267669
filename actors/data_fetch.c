//  data_fetch.c - FETCH from the tail ring or the log (Y1, Y3), ASK_LAST (S3)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/data_node.h"

#define CREDIT_DEFAULT (256u << 10)

//  A read of the log's files on the IO pool
typedef struct {
    kith_data_log_t *log;
    kith_log_t *handle;
    kith_msg_t *request;
    uint32_t key_field;    //  keys only: its field id, else 0
    bool young;            //  nothing of the channel can have been trimmed
    uint64_t covered;
    kith_bytes_t bytes;
    kith_error_t error;
    int rc;
} read_t;

//  Appends a record; with key_field, an INSERT's rows come down to their keys
static int
s_put (kith_bytes_t *out, const kith_record_t *record, uint32_t key_field,
       kith_error_t *error)
{
    if (!key_field || record->kind != KITH_RECORD_INSERT) {
        kith_record_put (out, record, 0);
        return 0;
    }
    kith_batch_t batch;
    if (kith_batch_open (&batch, record->body, record->body_bytes, error))
        return -1;
    const kith_column_t *key = kith_batch_field (&batch, key_field);
    if (!key)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "record %" PRIu64 " has no key column", record->seq);
    kith_bytes_t body = {0};
    const size_t place = kith_batch_begin (&body, batch.rows, 1);
    kith_column_gather (&body, key, NULL, 0);
    kith_batch_end (&body, place);
    kith_record_t keys = *record;
    keys.body = body.data;
    keys.body_bytes = body.size;
    kith_record_put (out, &keys, 0);
    kith_bytes_free (&body);
    return 0;
}

static void
s_answer (kith_ctx_t *ctx, kith_msg_t **request_p, uint64_t to, uint64_t epoch,
          kith_bytes_t *bytes)
{
    const kith_proto_fetch_t *fetch = (*request_p)->body;
    kith_msg_t *answer = kith_msg_new (KITH_KIND_RECORDS);
    kith_proto_records_t *records = answer->body;
    records->from = fetch->after + 1;
    records->to = to;
    records->epoch = epoch;
    if (bytes->size)
        records->records = kith_msg_add_bytes (answer, bytes);
    kith_ctx_reply (ctx, request_p, &answer);
}

static void
s_read (void *arg)
{
    read_t *read = arg;
    const kith_proto_fetch_t *fetch = read->request->body;
    const uint64_t credit = fetch->credit ? fetch->credit : CREDIT_DEFAULT;
    kith_bytes_t raw = {0};
    uint64_t after = fetch->after;
    const uint64_t first = read->handle->first (read->handle);
    if (read->young && after + 1 < first)
        after = first - 1;
    read->rc = read->handle->read (read->handle, after, fetch->channel, credit, &raw,
                                   &read->covered, &read->error);
    if (read->rc || !read->key_field) {
        read->bytes = raw;
        return;
    }
    for (uint64_t at = 0, used = 0; !read->rc && at < raw.size; at += used) {
        kith_record_t record;
        read->rc = kith_record_open (&record, raw.data + at, raw.size - at, &used, NULL,
                                     NULL, &read->error);
        if (!read->rc)
            read->rc = s_put (&read->bytes, &record, read->key_field, &read->error);
    }
    kith_bytes_free (&raw);
}

static void
s_read_done (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    (void) arg_self;
    read_t *read = arg;
    kith_data_back (ctx, read->log);
    if (!read->rc)
        s_answer (ctx, &read->request, read->covered, read->log->epoch, &read->bytes);
    else if (read->error.code == KITH_ERR_TRIMMED) {
        kith_msg_t *answer = kith_msg_new (KITH_KIND_TRIMMED);
        kith_ctx_reply (ctx, &read->request, &answer);
    }
    else
        kith_ctx_fail (ctx, &read->request, &read->error);
    kith_bytes_free (&read->bytes);
    free (read);
}

static uint32_t
s_key_field (kith_data_log_t *log, const kith_proto_fetch_t *fetch)
{
    const kith_data_channel_t *channel = kith_data_channel (log, fetch->channel);
    return fetch->keys_only && channel ? kith_schema_key (channel->schema)->id : 0;
}

//  A channel without a checkpoint was made when the log may have been trimmed already; since then its checkpoint
//  of 0 holds every trim back (F6), so what is missing was never its own
static bool
s_young (kith_data_log_t *log, const kith_proto_fetch_t *fetch)
{
    const kith_data_channel_t *channel = kith_data_channel (log, fetch->channel);
    return !channel || !((const kith_proto_channel_row_t *) channel->row.row)->checkpoint;
}

static void
s_from_log (kith_ctx_t *ctx, kith_data_log_t *log, kith_msg_t **msg_p)
{
    read_t *read = kith_new (sizeof *read);
    read->log = log;
    read->handle = log->handle;
    read->key_field = s_key_field (log, (*msg_p)->body);
    read->young = s_young (log, (*msg_p)->body);
    read->request = *msg_p;
    *msg_p = NULL;
    log->work++;
    if (kith_ctx_work (ctx, KITH_POOL_IO, s_read, s_read_done, read)) {
        log->work--;
        kith_refuse (ctx, &read->request, KITH_ERR_BUSY, "no IO worker is free");
        free (read);
    }
}

static void
s_from_tail (kith_ctx_t *ctx, kith_data_log_t *log, kith_msg_t **msg_p)
{
    const kith_proto_fetch_t *fetch = (*msg_p)->body;
    const uint64_t credit = fetch->credit ? fetch->credit : CREDIT_DEFAULT;
    const uint32_t key_field = s_key_field (log, fetch);
    kith_bytes_t bytes = {0};
    kith_error_t error;
    uint64_t to = log->last;
    const uint64_t oldest = log->tail [log->tail_first].record.seq;
    for (uint64_t seq = fetch->after + 1; seq <= log->last; seq++) {
        const uint32_t place =
            (log->tail_first + (uint32_t) (seq - oldest)) % log->tail_capacity;
        const kith_record_t *record = &log->tail [place].record;
        if (record->channel != fetch->channel)
            continue;
        if (bytes.size && bytes.size + record->body_bytes > credit) {
            to = seq - 1;
            break;
        }
        if (s_put (&bytes, record, key_field, &error)) {
            kith_bytes_free (&bytes);
            kith_ctx_fail (ctx, msg_p, &error);
            return;
        }
    }
    s_answer (ctx, msg_p, to, log->epoch, &bytes);
    kith_bytes_free (&bytes);
}

static void
s_serve (kith_ctx_t *ctx, kith_data_log_t *log, kith_msg_t **msg_p)
{
    const kith_proto_fetch_t *fetch = (*msg_p)->body;
    if (log->tail_count && fetch->after + 1 >= log->tail [log->tail_first].record.seq)
        s_from_tail (ctx, log, msg_p);
    else
        s_from_log (ctx, log, msg_p);
}

void
kith_data_fetch (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_fetch_t *fetch = (*msg_p)->body;
    kith_data_log_t *log = kith_data_log_of (self, ctx, msg_p, fetch->log);
    if (!log)
        return;
    if (fetch->after > log->last) {
        kith_refuse (ctx, msg_p, KITH_ERR_DIVERGED,
                     "log %u ends at %" PRIu64 ", records after %" PRIu64
                     " were asked for",
                     log->number, log->last, fetch->after);
        return;
    }
    if (fetch->after < log->last) {
        s_serve (ctx, log, msg_p);
        return;
    }
    //  Nothing new: the answer waits. The asker's deadline is cut to what it said it would wait
    kith_msg_t *msg = *msg_p;
    const int64_t until = kith_ctx_now_us (ctx) + fetch->wait_ms * 1000LL;
    if (!msg->deadline_us || msg->deadline_us > until)
        msg->deadline_us = until;
    kith_park_add (&log->fetches, msg_p);
    if (!log->fetch_timer) {
        log->fetch_timer = true;
        kith_ctx_after (ctx, until - kith_ctx_now_us (ctx),
                        KITH_DATA_FETCH + (int) log->number);
    }
}

void
kith_data_wake (kith_ctx_t *ctx, kith_data_log_t *log)
{
    if (log->state != KITH_LOG_OPEN)
        return;
    kith_park_t fetches = log->fetches;
    memset (&log->fetches, 0, sizeof log->fetches);
    for (uint32_t i = 0; i < fetches.count; i++) {
        const kith_proto_fetch_t *fetch = fetches.items [i]->body;
        if (fetch->after < log->last)
            s_serve (ctx, log, &fetches.items [i]);
        else
            kith_park_add (&log->fetches, &fetches.items [i]);
    }
    free (fetches.items);
}

void
kith_data_fetch_timeout (kith_ctx_t *ctx, kith_data_log_t *log)
{
    log->fetch_timer = false;
    const int64_t now = kith_ctx_now_us (ctx);
    int64_t next = INT64_MAX;
    for (uint32_t i = log->fetches.count; i--;) {
        const int64_t until = log->fetches.items [i]->deadline_us;
        if (until > now) {
            next = until < next ? until : next;
            continue;
        }
        kith_msg_t *msg = kith_park_take (&log->fetches, i);
        const kith_proto_fetch_t *fetch = msg->body;
        kith_bytes_t none = {0};
        s_answer (ctx, &msg, fetch->after, log->epoch, &none);
    }
    if (next < INT64_MAX) {
        log->fetch_timer = true;
        kith_ctx_after (ctx, next - now, KITH_DATA_FETCH + (int) log->number);
    }
}

void
kith_data_ask_last (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_ask_last_t *ask = (*msg_p)->body;
    kith_data_log_t *log = kith_data_log_of (self, ctx, msg_p, ask->log);
    if (!log)
        return;
    kith_msg_t *answer = kith_msg_new (KITH_KIND_LAST);
    kith_proto_last_t *last = answer->body;
    last->epoch = log->epoch;
    last->seq = log->last;
    kith_ctx_reply (ctx, msg_p, &answer);
}
