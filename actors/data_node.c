//  data_node.c - owns logs: orders and records mutations, turns the log into snapshots
//  SPDX-License-Identifier: Apache-2.0
#include "actors/data_node.h"
#include "actors/roles.h"

#define HELLO_US 2000000
#define HELLO_RETRY_US 100000
#define SEALS_US 5000000

static void
s_welcomed (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
            void *arg)
{
    kith_data_node_t *self = arg_self;
    (void) arg;
    if (end == KITH_END_STOPPED)
        return;
    kith_ctx_after (ctx, end == KITH_END_OK ? HELLO_US : HELLO_RETRY_US, KITH_DATA_HELLO);
    if (end != KITH_END_OK)
        return;
    const kith_proto_node_welcome_t *welcome = (*answer_p)->body;
    kith_ctx_set_cluster_id (ctx, welcome->cluster);
    if (self->welcome)
        return;
    self->welcome = true;
    for (uint32_t i = 0; i < welcome->logs_count; i++)
        if (welcome->logs [i] < self->log_count)
            kith_data_open (self, ctx, &self->logs [welcome->logs [i]]);
}

static void
s_hello_refused (const kith_data_log_t *log, int64_t now_us, kith_arena_t *arena,
                 kith_proto_log_route_t *route)
{
    route->code = (uint32_t) log->refused.code;
    route->reason = kith_arena_strdup (arena, log->refused.message);
    route->hint = kith_arena_strdup (arena, log->refused.hint);
    route->failed_ms = (uint64_t) (now_us - log->refused_us) / 1000;
}

static kith_msg_t *
s_hello_msg (const kith_data_node_t *self, kith_ctx_t *ctx)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_NODE_HELLO);
    kith_proto_node_hello_t *hello = msg->body;
    hello->logs = kith_arena_alloc (&msg->arena, self->log_count * sizeof *hello->logs);
    const kith_address_t me = kith_ctx_self (ctx);
    for (uint32_t i = 0; i < self->log_count; i++) {
        const kith_data_log_t *log = &self->logs [i];
        if (!log->handle)
            continue;
        //  While the log is replayed its channels belong to the worker that does it
        const bool open = log->state == KITH_LOG_OPEN;
        uint64_t bytes = 0;
        for (uint32_t j = 0; open && j < log->channel_count; j++)
            bytes += log->channels [j].bytes;
        hello->logs [hello->logs_count++] =
            (kith_proto_log_route_t){.log = log->number,
                                     .owner = kith_address_to (me),
                                     .epoch = log->epoch,
                                     .last = log->last,
                                     .bytes = bytes,
                                     .open = open,
                                     .reason = "",
                                     .hint = ""};
        if (log->refused.code)
            s_hello_refused (log, kith_ctx_now_us (ctx), &msg->arena,
                             &hello->logs [hello->logs_count - 1]);
    }
    return msg;
}

void
kith_data_tell (kith_data_node_t *self, kith_ctx_t *ctx)
{
    kith_msg_t *msg = s_hello_msg (self, ctx);
    kith_ctx_send (ctx, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg);
}

static void
s_hello (kith_data_node_t *self, kith_ctx_t *ctx)
{
    kith_msg_t *msg = s_hello_msg (self, ctx);
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg, KITH_CALL_US,
                   s_welcomed, NULL);
}

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) config;
    kith_error_t error;
    kith_objects_t *objects = kith_ctx_objects (ctx, &error);
    if (!objects) {
        kith_ctx_exit (ctx, &error);
        return NULL;
    }
    kith_data_node_t *self = kith_new (sizeof *self);
    self->objects = objects;
    self->log_count = kith_ctx_cluster (ctx)->logs;
    self->logs = kith_new (self->log_count * sizeof *self->logs);
    for (uint32_t i = 0; i < self->log_count; i++)
        self->logs [i].number = i;
    s_hello (self, ctx);
    kith_ctx_after (ctx, SEALS_US, KITH_DATA_SEALS);
    return self;
}

static void
s_channel_dropped (kith_data_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_channel_dropped_t *dropped = (*msg_p)->body;
    //  The rows of a log that is being opened may have been read before
    for (uint32_t i = 0; i < self->log_count; i++)
        if (self->logs [i].state == KITH_LOG_READING) {
            kith_refuse (ctx, msg_p, KITH_ERR_BUSY, "log %u is being opened", i);
            return;
        }
    for (uint32_t i = 0; i < self->log_count; i++)
        for (uint32_t j = 0; j < dropped->channels_count; j++) {
            if (self->logs [i].state != KITH_LOG_OPEN)
                continue;
            kith_data_channel_t *channel =
                kith_data_channel (&self->logs [i], dropped->channels [j]);
            if (channel)
                channel->dropped = true;
        }
    for (uint32_t i = 0; i < self->log_count; i++)
        kith_data_flush_answer (ctx, &self->logs [i], NULL);
    kith_reply_ok (ctx, msg_p);
}

static void
s_handle (void *arg_self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_data_node_t *self = arg_self;
    const kith_kind_t kind = (*msg_p)->kind;
    if (kind == KITH_KIND_WRITE)
        kith_data_write (self, ctx, msg_p);
    else if (kind == KITH_KIND_FETCH)
        kith_data_fetch (self, ctx, msg_p);
    else if (kind == KITH_KIND_ASK_LAST)
        kith_data_ask_last (self, ctx, msg_p);
    else if (kind == KITH_KIND_LOG_FLUSH)
        kith_data_log_flush (self, ctx, msg_p);
    else if (kind == KITH_KIND_PARTITION_END)
        kith_data_partition_end (self, ctx, msg_p);
    else if (kind == KITH_KIND_CHANNEL_DROPPED)
        s_channel_dropped (self, ctx, msg_p);
    else
        kith_refuse (ctx, msg_p, KITH_ERR_UNSUPPORTED, "data_node does not know '%s'",
                     kith_kind_name (kind));
}

//  The mark is synced off the ack path
typedef struct {
    kith_data_log_t *log;
    kith_log_t *handle;
    kith_error_t error;
    int rc;
} mark_t;

static void
s_mark (void *arg)
{
    mark_t *mark = arg;
    mark->rc = mark->handle->mark (mark->handle, &mark->error);
}

static void
s_marked (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    (void) arg_self;
    mark_t *mark = arg;
    mark->log->marked = false;
    if (mark->rc)
        kith_ctx_log (ctx, 'w', "log %u: mark: %s", mark->log->number,
                      mark->error.message);
    kith_data_back (ctx, mark->log);
    free (mark);
}

static void
s_mark_later (kith_ctx_t *ctx, kith_data_log_t *log)
{
    if (log->state != KITH_LOG_OPEN) {
        log->marked = false;
        return;
    }
    mark_t *mark = kith_new (sizeof *mark);
    mark->log = log;
    mark->handle = log->handle;
    log->work++;
    if (kith_ctx_work (ctx, KITH_POOL_IO, s_mark, s_marked, mark)) {
        log->work--;
        log->marked = false;
        free (mark);
    }
}

static void
s_timeout (void *arg_self, kith_ctx_t *ctx, int tag)
{
    kith_data_node_t *self = arg_self;
    if (tag == KITH_DATA_HELLO)
        s_hello (self, ctx);
    else if (tag == KITH_DATA_SEALS) {
        for (uint32_t i = 0; i < self->log_count; i++)
            kith_data_seal_due (self, ctx, &self->logs [i]);
        kith_ctx_after (ctx, SEALS_US, KITH_DATA_SEALS);
    }
    else if (tag >= KITH_DATA_FETCH)
        kith_data_fetch_timeout (ctx, &self->logs [tag - KITH_DATA_FETCH]);
    else if (tag >= KITH_DATA_FLUSH)
        kith_data_flush_timeout (self, ctx, &self->logs [tag - KITH_DATA_FLUSH]);
    else if (tag >= KITH_DATA_MARK)
        s_mark_later (ctx, &self->logs [tag - KITH_DATA_MARK]);
    else if (tag >= KITH_DATA_OPEN)
        kith_data_open (self, ctx, &self->logs [tag - KITH_DATA_OPEN]);
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    kith_data_node_t *self = *self_p;
    for (uint32_t i = 0; i < self->log_count; i++)
        kith_data_log_free (&self->logs [i]);
    free (self->logs);
    free (self);
    *self_p = NULL;
}

const kith_behaviour_t kith_data_node = {
    .name = "data_node",
    .role = KITH_ROLE_DATA_NODE,
    .init = s_init,
    .handle = s_handle,
    .timeout = s_timeout,
    .stop = s_stop,
};
