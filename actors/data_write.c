//  data_write.c - WRITE and SEAL into the log, group commit, the tail ring (W2-W5, F0)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/data_node.h"
#include "base/fault.h"

#define PENDING_BYTES_MAX (64u << 20)    //  waiting for an append: more is answered BUSY
#define TAIL_BYTES_MAX (8u << 20)
#define TAIL_COUNT_MAX 4096u
#define MARK_AFTER_US 1000000

//  One append on the IO pool
typedef struct {
    kith_data_log_t *log;
    kith_log_t *handle;
    kith_pending_t *first;    //  its records, in order
    kith_record_t *records;
    uint32_t count;
    kith_error_t error;
    int rc;
} append_t;

static void s_append_next (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log);
static void s_channel_got (void *arg_self, kith_ctx_t *ctx, kith_end_t end,
                           kith_msg_t **answer_p, void *arg);

kith_data_log_t *
kith_data_log_of (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p,
                  uint32_t number)
{
    if (number < self->log_count && self->logs [number].state == KITH_LOG_OPEN)
        return &self->logs [number];
    kith_refuse (ctx, msg_p, KITH_ERR_NOT_OWNER, "log %u is not open in data_node/%u",
                 number, kith_ctx_self (ctx).index);
    return NULL;
}

//  Tail ring: the newest durable records, for followers

static void
s_tail_drop (kith_data_log_t *log)
{
    kith_tail_t *oldest = &log->tail [log->tail_first];
    log->tail_bytes -= oldest->record.body_bytes;
    kith_frame_destroy (&oldest->rows);
    log->tail_first = (log->tail_first + 1) % log->tail_capacity;
    log->tail_count--;
}

void
kith_data_tail_free (kith_data_log_t *log)
{
    while (log->tail_count)
        s_tail_drop (log);
}

static void
s_tail_add (kith_data_log_t *log, kith_pending_t *pending)
{
    if (!log->tail) {
        log->tail = kith_new (TAIL_COUNT_MAX * sizeof *log->tail);
        log->tail_capacity = TAIL_COUNT_MAX;
    }
    while (log->tail_count
           && (log->tail_count == log->tail_capacity
               || log->tail_bytes + pending->record.body_bytes > TAIL_BYTES_MAX))
        s_tail_drop (log);
    kith_tail_t *tail =
        &log->tail [(log->tail_first + log->tail_count++) % log->tail_capacity];
    tail->record = pending->record;
    tail->rows = pending->rows;
    pending->rows = NULL;
    log->tail_bytes += tail->record.body_bytes;
}

//  Group commit

static void
s_ack (kith_ctx_t *ctx, kith_msg_t **request_p, uint64_t epoch, uint64_t seq)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_WRITE_OK);
    kith_proto_write_ok_t *ok = answer->body;
    ok->epoch = epoch;
    ok->seq = seq;
    kith_ctx_reply (ctx, request_p, &answer);
}

//  W2: requests that came again while the first copy was in flight
static void
s_answer_duplicates (kith_ctx_t *ctx, kith_data_log_t *log)
{
    for (uint32_t i = log->duplicates.count; i--;) {
        const kith_msg_t *msg = log->duplicates.items [i];
        const kith_proto_write_t *write = msg->body;
        kith_data_channel_t *channel = kith_data_channel (log, write->channel);
        kith_request_t request = {.counter = write->request.counter,
                                  .part = write->request.part};
        memcpy (request.client, write->request.client.data, sizeof request.client);
        const kith_window_entry_t *entry =
            channel ? kith_window_find (&channel->window, &request) : NULL;
        if (entry && entry->seq > log->last)
            continue;
        kith_msg_t *taken = kith_park_take (&log->duplicates, i);
        if (entry)
            s_ack (ctx, &taken, entry->epoch, entry->seq);
        else
            kith_refuse (ctx, &taken, KITH_ERR_BUSY, "try again");
    }
}

//  A record is durable: the channel's figures, the tail, the answer
static void
s_durable (kith_ctx_t *ctx, kith_data_log_t *log, kith_pending_t *pending)
{
    const kith_record_t *record = &pending->record;
    kith_data_channel_t *channel = kith_data_channel (log, record->channel);
    if (channel) {
        channel->last = record->seq;
        if (record->kind == KITH_RECORD_SEAL) {
            channel->sealed = record->seq;
            channel->sealing = false;
            channel->rows = channel->bytes = 0;
        }
        else {
            if (!channel->rows)
                channel->since_us = kith_ctx_now_us (ctx);
            channel->rows += record->rows;
            channel->bytes += record->body_bytes;
        }
    }
    if (pending->request && record->kind == KITH_RECORD_DROP)
        kith_reply_ok (ctx, &pending->request);
    else if (pending->request)
        s_ack (ctx, &pending->request, record->epoch, record->seq);
    s_tail_add (log, pending);
}

static void
s_append_free (append_t *append)
{
    while (append->first) {
        kith_pending_t *pending = append->first;
        append->first = pending->next;
        kith_msg_destroy (&pending->request);
        kith_frame_destroy (&pending->rows);
        free (pending);
    }
    free (append->records);
    free (append);
}

static void
s_append_failed (kith_data_node_t *self, kith_ctx_t *ctx, append_t *append, bool gone)
{
    //  Whether these records are in the log is decided by the next opening: a retry of the same
    //  request gets the answer, so what is told here must be safe to retry
    for (kith_pending_t *pending = append->first; pending; pending = pending->next)
        if (pending->request) {
            kith_error_t error = append->error;
            if (gone)
                kith_error_set (&error, KITH_ERR_NOT_OWNER, "the log was given up");
            kith_ctx_fail (ctx, &pending->request, &error);
        }
    if (!gone)
        kith_data_give_up (self, ctx, append->log, &append->error);
    s_append_free (append);
}

static void
s_append (void *arg)
{
    append_t *append = arg;
    append->rc = append->handle->append (append->handle, append->records, append->count,
                                         &append->error);
}

static void
s_appended (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    kith_data_node_t *self = arg_self;
    append_t *append = arg;
    kith_data_log_t *log = append->log;
    log->appending = false;
    const bool gone = log->stopped;
    kith_data_back (ctx, log);
    if (gone || append->rc) {
        s_append_failed (self, ctx, append, gone);
        return;
    }
    //  W4: synced; window and ring; acks in seq order
    log->last = append->records [append->count - 1].seq;
    bool sealed = false;
    for (kith_pending_t *pending = append->first; pending; pending = pending->next) {
        sealed = sealed || pending->record.kind == KITH_RECORD_SEAL;
        s_durable (ctx, log, pending);
    }
    s_append_free (append);
    s_answer_duplicates (ctx, log);
    if (!log->marked) {
        log->marked = true;
        kith_ctx_after (ctx, MARK_AFTER_US, KITH_DATA_MARK + (int) log->number);
    }
    s_append_next (self, ctx, log);
    kith_data_wake (ctx, log);
    if (sealed)
        kith_data_flush_next (self, ctx, log);
    kith_data_seal_due (self, ctx, log);
}

//  W3: what waits becomes one append, up to 4 MiB
static append_t *
s_append_gather (kith_ctx_t *ctx, kith_data_log_t *log)
{
    append_t *append = kith_new (sizeof *append);
    append->log = log;
    append->handle = log->handle;
    append->first = log->first;
    uint64_t bytes = 0;
    kith_pending_t *end = NULL;
    for (kith_pending_t *pending = log->first; pending; pending = pending->next) {
        const uint64_t size = kith_record_bytes (pending->record.body_bytes);
        if (end && bytes + size > KITH_WRITE_BYTES_MAX)
            break;
        bytes += size;
        log->pending_bytes -= pending->record.body_bytes;
        append->count++;
        end = pending;
    }
    assert (end);
    log->first = end->next;
    if (!log->first)
        log->newest = NULL;
    end->next = NULL;
    append->records = kith_new (append->count * sizeof *append->records);
    const uint64_t clock = kith_ctx_clock (ctx);
    uint32_t place = 0;
    for (kith_pending_t *pending = append->first; pending; pending = pending->next) {
        log->timestamp = clock > log->timestamp ? clock : log->timestamp + 1;
        pending->record.epoch = log->epoch;
        pending->record.seq = log->next++;
        pending->record.timestamp = log->timestamp;
        append->records [place++] = pending->record;
    }
    assert (place == append->count);
    return append;
}

static void
s_append_next (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log)
{
    if (log->appending || !log->first || log->state != KITH_LOG_OPEN)
        return;
    append_t *append = s_append_gather (ctx, log);
    const uint32_t window_max = (uint32_t) kith_ctx_cluster (ctx)->window_requests;
    for (kith_pending_t *pending = append->first; pending; pending = pending->next) {
        kith_data_channel_t *channel = kith_data_channel (log, pending->record.channel);
        if (kith_record_is_write (pending->record.kind) && channel) {
            const kith_window_entry_t entry = {.request = pending->record.request,
                                               .epoch = pending->record.epoch,
                                               .seq = pending->record.seq};
            kith_window_add (&channel->window, &entry, window_max);
        }
        if (KITH_BUG (ACK_BEFORE_SYNC) && pending->request)
            s_ack (ctx, &pending->request, pending->record.epoch, pending->record.seq);
    }
    log->appending = true;
    log->work++;
    if (kith_ctx_work (ctx, KITH_POOL_IO, s_append, s_appended, append)) {
        log->appending = false;
        log->work--;
        kith_error_set (&append->error, KITH_ERR_BUSY, "no IO worker is free");
        s_append_failed (self, ctx, append, false);
    }
}

static void
s_enqueue (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log,
           kith_pending_t *pending)
{
    if (log->newest)
        log->newest->next = pending;
    else
        log->first = pending;
    log->newest = pending;
    log->pending_bytes += pending->record.body_bytes;
    s_append_next (self, ctx, log);
}

//  The request is known (W2), too old (W3), or null
static bool
s_seen (kith_ctx_t *ctx, kith_data_log_t *log, kith_data_channel_t *channel,
        kith_msg_t **msg_p, const kith_request_t *request)
{
    const kith_proto_write_t *write = (*msg_p)->body;
    const kith_window_entry_t *entry =
        KITH_BUG (NO_DEDUP) ? NULL : kith_window_find (&channel->window, request);
    if (entry) {
        if (entry->seq <= log->last)
            s_ack (ctx, msg_p, entry->epoch, entry->seq);
        else
            kith_park_add (&log->duplicates, msg_p);
        return true;
    }
    for (const kith_pending_t *pending = log->first; pending; pending = pending->next)
        if (pending->record.channel == channel->id
            && !memcmp (&pending->record.request.client, request->client,
                        sizeof request->client)
            && pending->record.request.counter == request->counter
            && pending->record.request.part == request->part) {
            kith_refuse (ctx, msg_p, KITH_ERR_BUSY, "the same request waits already");
            return true;
        }
    if (write->since < channel->window.low) {
        kith_refuse (ctx, msg_p, KITH_ERR_OUTCOME_UNKNOWN,
                     "request %" PRIu64
                     " is older than the requests that are remembered (since %" PRIu64
                     ", remembered above %" PRIu64 ")",
                     request->counter, write->since, channel->window.low);
        return true;
    }
    return false;
}

//  Asks for a channel's row and definition; the request waits for the answer
static void
s_ask_channel (kith_ctx_t *ctx, kith_data_log_t *log, uint64_t id, kith_msg_t **msg_p)
{
    const bool asked = log->waiting.count > 0;
    kith_park_add (&log->waiting, msg_p);
    if (asked)
        return;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_CHANNEL_GET);
    kith_proto_channel_get_t *get = msg->body;
    get->channel = log->asked = id;
    log->work++;
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg, KITH_CALL_US,
                   s_channel_got, log);
}

//  A partition that was dropped while the log was open here takes no row after its DROP, whatever a definition says that
//  was read before
static bool
s_is_ended (const kith_data_channel_t *channel, uint32_t partition)
{
    for (uint32_t i = 0; i < channel->ended_count; i++)
        if (channel->ended [i] == partition)
            return true;
    return false;
}

static bool
s_has_partition (const kith_data_channel_t *channel, uint32_t partition)
{
    const kith_proto_collection_t *definition = channel->definition.row;
    for (uint32_t i = 0; i < definition->partitions_count; i++)
        if (definition->partitions [i].id == partition)
            return true;
    return false;
}

//  False: the request was refused, or waits for a definition that may have the partition (asked: it has waited)
static bool
s_takes_partition (kith_ctx_t *ctx, kith_data_log_t *log, kith_data_channel_t *channel,
                   kith_msg_t **msg_p, bool asked)
{
    const kith_proto_write_t *write = (*msg_p)->body;
    const bool ended = s_is_ended (channel, write->partition);
    if (KITH_BUG (WRITE_AFTER_DROP) || write->remove
        || (!ended && s_has_partition (channel, write->partition)))
        return true;
    if (ended || asked)
        kith_refuse (ctx, msg_p, KITH_ERR_SCHEMA_CHANGED,
                     "partition %u of channel %" PRIu64 " is dropped", write->partition,
                     write->channel);
    else
        s_ask_channel (ctx, log, channel->id, msg_p);
    return false;
}

static void
s_write (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log,
         kith_data_channel_t *channel, kith_msg_t **msg_p, bool asked)
{
    const kith_proto_write_t *write = (*msg_p)->body;
    if (channel->dropped) {
        kith_refuse (ctx, msg_p, KITH_ERR_SCHEMA_CHANGED,
                     "channel %" PRIu64 " is dropped", write->channel);
        return;
    }
    kith_frame_t *frame = kith_msg_frame (*msg_p, write->rows);
    kith_error_t error;
    kith_batch_t batch;
    kith_error_set (&error, KITH_ERR_PROTOCOL,
                    "a write needs rows and a client id of 16 bytes");
    if (!frame || write->request.client.size != 16
        || kith_batch_open (&batch, kith_frame_data (frame), kith_frame_size (frame),
                            &error)) {
        kith_ctx_fail (ctx, msg_p, &error);
        return;
    }
    kith_request_t request = {.counter = write->request.counter,
                              .part = write->request.part};
    memcpy (request.client, write->request.client.data, sizeof request.client);
    if (s_seen (ctx, log, channel, msg_p, &request)
        || !s_takes_partition (ctx, log, channel, msg_p, asked))
        return;
    if (log->pending_bytes > PENDING_BYTES_MAX) {
        kith_refuse (ctx, msg_p, KITH_ERR_BUSY, "log %u has %" PRIu64 " bytes waiting",
                     log->number, log->pending_bytes);
        return;
    }
    kith_pending_t *pending = kith_new (sizeof *pending);
    pending->rows = kith_frame_share (frame);
    pending->record =
        (kith_record_t){.kind = write->remove ? KITH_RECORD_DELETE : KITH_RECORD_INSERT,
                        .cluster = kith_ctx_cluster (ctx)->id,
                        .log = log->number,
                        .partition = write->partition,
                        .channel = write->channel,
                        .request = request,
                        .rows = batch.rows,
                        .body = kith_frame_data (frame),
                        .body_bytes = batch.bytes};
    pending->request = *msg_p;
    *msg_p = NULL;
    s_enqueue (self, ctx, log, pending);
}

static void
s_partition_end (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log,
                 kith_data_channel_t *channel, kith_msg_t **msg_p)
{
    const kith_proto_partition_end_t *end = (*msg_p)->body;
    if (channel->dropped) {
        kith_reply_ok (ctx, msg_p);
        return;
    }
    if (!s_is_ended (channel, end->partition)) {
        channel->ended = kith_grow (channel->ended, channel->ended_count,
                                    &channel->ended_capacity, sizeof *channel->ended);
        channel->ended [channel->ended_count++] = end->partition;
    }
    kith_pending_t *pending = kith_new (sizeof *pending);
    pending->record = (kith_record_t){.kind = KITH_RECORD_DROP,
                                      .cluster = kith_ctx_cluster (ctx)->id,
                                      .log = log->number,
                                      .partition = end->partition,
                                      .channel = channel->id};
    pending->request = *msg_p;
    *msg_p = NULL;
    s_enqueue (self, ctx, log, pending);
    //  Sealed at once, so that what the rows took is given back
    if (log->state == KITH_LOG_OPEN)
        kith_data_seal (self, ctx, log, channel);
}

static uint64_t
s_channel_of (const kith_msg_t *msg)
{
    const kith_proto_write_t *write = msg->body;
    const kith_proto_partition_end_t *end = msg->body;
    return msg->kind == KITH_KIND_WRITE ? write->channel : end->channels [0];
}

//  A request for one channel of an open log; one that is not known here is asked for first
static void
s_request (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p, bool asked)
{
    const kith_proto_write_t *write = (*msg_p)->body;
    const kith_proto_partition_end_t *end = (*msg_p)->body;
    const bool writes = (*msg_p)->kind == KITH_KIND_WRITE;
    if (!writes && end->channels_count != 1) {
        kith_refuse (ctx, msg_p, KITH_ERR_PROTOCOL, "%u channels, one is wanted",
                     end->channels_count);
        return;
    }
    const uint64_t id = s_channel_of (*msg_p);
    kith_data_log_t *log =
        kith_data_log_of (self, ctx, msg_p, writes ? write->log : end->log);
    if (!log)
        return;
    kith_data_channel_t *channel = kith_data_channel (log, id);
    if (!channel)
        s_ask_channel (ctx, log, id, msg_p);
    else if (writes)
        s_write (self, ctx, log, channel, msg_p, asked);
    else
        s_partition_end (self, ctx, log, channel, msg_p);
}

//  The row of a channel that was not known came: what waited for it goes on
static void
s_channel_got (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
               void *arg)
{
    kith_data_node_t *self = arg_self;
    kith_data_log_t *log = arg;
    if (end == KITH_END_STOPPED || kith_data_back (ctx, log))
        return;
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_SCHEMA_CHANGED, "the channel is gone");
    bool known = false;
    if (end == KITH_END_OK) {
        const kith_proto_channels_t *channels = (*answer_p)->body;
        for (uint32_t i = 0; i < channels->rows_count && i < channels->collections_count;
             i++)
            known = (!channels->rows [i].dropped
                     && kith_data_channel_take (log, &channels->rows [i],
                                                &channels->collections [i], &error))
                    || known;
    }
    else
        kith_end_error (end, *answer_p, &error);
    kith_park_t waiting = log->waiting;
    memset (&log->waiting, 0, sizeof log->waiting);
    const uint64_t asked = log->asked;
    for (uint32_t i = 0; i < waiting.count; i++) {
        const bool meant = s_channel_of (waiting.items [i]) == asked;
        //  The log may be given up by any of them
        if (end == KITH_END_OK && (known || !meant))
            s_request (self, ctx, &waiting.items [i], meant);
        else
            kith_ctx_fail (ctx, &waiting.items [i], &error);
    }
    kith_park_free (&waiting);
}

void
kith_data_write (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    s_request (self, ctx, msg_p, false);
}

void
kith_data_partition_end (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    s_request (self, ctx, msg_p, false);
}

void
kith_data_seal (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log,
                kith_data_channel_t *channel)
{
    if (channel->sealing)
        return;
    channel->sealing = true;
    kith_pending_t *pending = kith_new (sizeof *pending);
    pending->record = (kith_record_t){.kind = KITH_RECORD_SEAL,
                                      .cluster = kith_ctx_cluster (ctx)->id,
                                      .log = log->number,
                                      .channel = channel->id};
    s_enqueue (self, ctx, log, pending);
}

void
kith_data_seal_due (kith_data_node_t *self, kith_ctx_t *ctx, kith_data_log_t *log)
{
    if (log->state != KITH_LOG_OPEN)
        return;
    const kith_cluster_t *cluster = kith_ctx_cluster (ctx);
    const int64_t now = kith_ctx_now_us (ctx);
    for (uint32_t i = 0; i < log->channel_count; i++) {
        kith_data_channel_t *channel = &log->channels [i];
        if (channel->dropped || channel->sealing || channel->last <= channel->sealed)
            continue;
        if (channel->rows >= cluster->seal_rows || channel->bytes >= cluster->seal_bytes
            || now - channel->since_us >= (int64_t) cluster->seal_ms * 1000)
            kith_data_seal (self, ctx, log, channel);
    }
}
