//  data_coord.c - log ownership, checkpoints, flush on request: the transactions T0, T1, T2, T6 and T10
//  SPDX-License-Identifier: Apache-2.0
#include "actors/data_coord.h"
#include "actors/roles.h"
#include "base/fault.h"

//  One request on its way through metadata
typedef struct {
    kith_msg_t *request;
    kith_msg_t *answer;    //  being written
    kith_proto_owner_row_t owner;
    uint64_t owner_revision;
    uint32_t out;    //  flush: owners not back
    kith_error_t error;
} flow_t;

static flow_t *
s_flow (kith_msg_t **msg_p)
{
    flow_t *flow = kith_new (sizeof *flow);
    flow->request = *msg_p;
    *msg_p = NULL;
    return flow;
}

static void
s_flow_free (flow_t *flow)
{
    kith_msg_destroy (&flow->request);
    kith_msg_destroy (&flow->answer);
    free (flow);
}

static void
s_flow_fail (kith_ctx_t *ctx, flow_t *flow, const kith_error_t *error)
{
    kith_ctx_fail (ctx, &flow->request, error);
    s_flow_free (flow);
}

static void
s_flow_reply (kith_ctx_t *ctx, flow_t *flow)
{
    kith_ctx_reply (ctx, &flow->request, &flow->answer);
    s_flow_free (flow);
}

//  True if the call ended badly: the flow is over
static bool
s_flow_bad (kith_ctx_t *ctx, flow_t *flow, kith_end_t end, const kith_msg_t *answer)
{
    if (end == KITH_END_OK)
        return false;
    if (end == KITH_END_STOPPED) {
        s_flow_free (flow);
        return true;
    }
    kith_error_t error;
    kith_end_error (end, answer, &error);
    s_flow_fail (ctx, flow, &error);
    return true;
}

static kith_msg_t *
s_txn (const kith_data_coord_t *self, uint32_t compares, uint32_t changes)
{
    kith_msg_t *txn = kith_txn_new (compares + 1, changes);
    kith_lease_compare (&self->lease, txn);
    return txn;
}

//  Nodes: T10

static void
s_lease_put (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    (void) arg_self;
    (void) answer_p;
    (void) arg;
    if (end != KITH_END_OK && end != KITH_END_STOPPED)
        kith_ctx_log (ctx, 'w', "a data node's lease was not put");
}

static void
s_lease_kept (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
              void *arg)
{
    kith_data_coord_node_t *node = arg;
    (void) arg_self;
    (void) answer_p;
    if (end == KITH_END_FAILED)
        node->leased = 0;    //  put again at the next hello
    (void) ctx;
}

static void
s_lease (kith_data_coord_t *self, kith_ctx_t *ctx, const kith_msg_t *hello)
{
    const uint32_t index = hello->from.index;
    kith_data_coord_node_t *node = &self->nodes [index];
    const kith_proto_node_hello_t *body = hello->body;
    const kith_proto_node_row_t row = {.incarnation = hello->from.incarnation,
                                       .endpoint = body->endpoint};
    const bool put = node->leased != row.incarnation;
    node->leased = row.incarnation;
    kith_node_lease (ctx, KITH_ROLE_DATA_NODE, index, &row, put,
                     put ? s_lease_put : s_lease_kept, node);
}

static void
s_take_route (kith_data_coord_log_t *log, const kith_proto_log_route_t *told)
{
    kith_error_clear (&log->refused);
    if (told->code && told->code < KITH_ERR_COUNT) {
        kith_error_set (&log->refused, (kith_code_t) told->code, "%s", told->reason);
        if (*told->hint)
            kith_error_hint (&log->refused, "%s", told->hint);
    }
    log->route = *told;
    log->route.code = (uint32_t) log->refused.code;
    log->route.reason = log->refused.message;
    log->route.hint = log->refused.hint;
}

static void
s_hello (kith_data_coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_msg_t *msg = *msg_p;
    const kith_proto_node_hello_t *hello = msg->body;
    if (!kith_hello_is_of (ctx, msg_p, KITH_ROLE_DATA_NODE, self->node_count))
        return;
    s_lease (self, ctx, msg);
    for (uint32_t i = 0; i < hello->logs_count; i++) {
        const kith_proto_log_route_t *told = &hello->logs [i];
        if (told->log >= self->log_count)
            continue;
        const kith_proto_log_route_t *route = &self->logs [told->log].route;
        //  A smaller epoch speaks of a life that is over, unless nobody has the log open at the greater one: a second
        //  copy of LOG_OPEN took it. Who is open goes on until T2 tells it to claim the log anew
        if (told->epoch >= route->epoch || (told->open && !route->open))
            s_take_route (&self->logs [told->log], told);
    }
    kith_msg_t *answer = kith_msg_new (KITH_KIND_NODE_WELCOME);
    kith_proto_node_welcome_t *welcome = answer->body;
    welcome->cluster = kith_ctx_cluster (ctx)->id;
    welcome->logs =
        kith_arena_alloc (&answer->arena, self->log_count * sizeof *welcome->logs);
    for (uint32_t i = 0; i < self->log_count; i++)
        if (self->logs [i].home == msg->from.index)
            welcome->logs [welcome->logs_count++] = i;
    kith_ctx_reply (ctx, msg_p, &answer);
}

//  Owner rows

static void
s_by_log (kith_data_coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p, uint32_t log,
          kith_reply_fn *fn)
{
    if (log >= self->log_count) {
        kith_refuse (ctx, msg_p, KITH_ERR_INVALID, "there are logs 0 to %u",
                     self->log_count - 1);
        return;
    }
    const kith_key_t key = kith_key_log (log);
    kith_meta_get (ctx, key.text, fn, s_flow (msg_p));
}

//  Puts flow->owner if the row is still as it was read
static void
s_put_owner (const kith_data_coord_t *self, kith_ctx_t *ctx, flow_t *flow, uint32_t log,
             kith_reply_fn *fn)
{
    const kith_key_t key = kith_key_log (log);
    kith_msg_t *txn = s_txn (self, 1, 1);
    kith_txn_compare (txn, key.text, flow->owner_revision);
    kith_txn_put (txn, key.text, &kith_proto_owner_row_table, &flow->owner);
    kith_meta_call (ctx, &txn, fn, flow);
}

//  True: the flow was ended, the log has another owner by now
static bool
s_is_over (kith_ctx_t *ctx, flow_t *flow, const kith_proto_owner_row_t *row, uint32_t log,
           uint64_t epoch)
{
    if (row && row->epoch == epoch)
        return false;
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_NOT_OWNER, "epoch %" PRIu64 " of log %u is over",
                    epoch, log);
    s_flow_fail (ctx, flow, &error);
    return true;
}

//  True: the flow was ended, a compare of its transaction failed
static bool
s_is_refused (kith_ctx_t *ctx, flow_t *flow, kith_end_t end, const kith_msg_t *answer)
{
    if (kith_txn_committed (end, answer))
        return false;
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_CONFLICT, "the channel's row or the owner changed");
    s_flow_fail (ctx, flow, &error);
    return true;
}

//  T1

static void
s_opened (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
          void *arg)
{
    kith_data_coord_t *self = arg_self;
    flow_t *flow = arg;
    if (s_flow_bad (ctx, flow, end, *answer_p)
        || s_is_refused (ctx, flow, end, *answer_p))
        return;
    const kith_proto_log_open_t *open = flow->request->body;
    kith_proto_log_route_t *route = &self->logs [open->log].route;
    //  What it said of an earlier try stands until it says how this one ends
    route->log = open->log;
    route->owner = kith_address_to (flow->request->from);
    route->epoch = flow->owner.epoch;
    route->last = route->bytes = 0;
    route->open = false;
    flow->answer = kith_msg_new (KITH_KIND_LOG_OPENED);
    kith_proto_log_opened_t *opened = flow->answer->body;
    opened->epoch = flow->owner.epoch;
    opened->base = flow->owner.base;
    opened->home_new = !flow->owner.ready;
    opened->cluster = kith_ctx_cluster (ctx)->id;
    //  What the epoch before had under way has no end
    kith_data_sweep_later (self, ctx, 0);
    s_flow_reply (ctx, flow);
}

static void
s_open_row (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
            void *arg)
{
    kith_data_coord_t *self = arg_self;
    flow_t *flow = arg;
    if (s_flow_bad (ctx, flow, end, *answer_p))
        return;
    const kith_proto_log_open_t *open = flow->request->body;
    const kith_proto_owner_row_t *row =
        kith_meta_row (&kith_proto_owner_row_table, *answer_p, &flow->owner_revision);
    kith_error_t error;
    if (!row || row->home != flow->request->from.index) {
        kith_error_set (&error, KITH_ERR_NOT_OWNER,
                        "log %u is not at home in data_node/%u", open->log,
                        flow->request->from.index);
        s_flow_fail (ctx, flow, &error);
        return;
    }
    flow->owner = *row;
    flow->owner.epoch++;
    flow->owner.node = flow->request->from.index;
    flow->owner.incarnation = flow->request->from.incarnation;
    s_put_owner (self, ctx, flow, open->log, s_opened);
}

static void
s_open (kith_data_coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_log_open_t *open = (*msg_p)->body;
    if ((*msg_p)->from.role == KITH_ROLE_DATA_NODE)
        s_by_log (self, ctx, msg_p, open->log, s_open_row);
    else
        kith_refuse (ctx, msg_p, KITH_ERR_INVALID, "only a data node opens a log");
}

//  T6

static void
s_home_put (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
            void *arg)
{
    (void) arg_self;
    flow_t *flow = arg;
    if (s_flow_bad (ctx, flow, end, *answer_p)
        || s_is_refused (ctx, flow, end, *answer_p))
        return;
    flow->answer = kith_msg_new (KITH_KIND_OK);
    s_flow_reply (ctx, flow);
}

static void
s_home_row (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
            void *arg)
{
    kith_data_coord_t *self = arg_self;
    flow_t *flow = arg;
    if (s_flow_bad (ctx, flow, end, *answer_p))
        return;
    const kith_proto_home_ready_t *ready = flow->request->body;
    const kith_proto_owner_row_t *row =
        kith_meta_row (&kith_proto_owner_row_table, *answer_p, &flow->owner_revision);
    if (s_is_over (ctx, flow, row, ready->log, ready->epoch))
        return;
    flow->owner = *row;
    flow->owner.ready = true;
    s_put_owner (self, ctx, flow, ready->log, s_home_put);
}

//  T2: the owner row's revision stands for its epoch, which was compared when it was read

static void
s_tell_changed (kith_ctx_t *ctx, const kith_proto_channel_row_t *row)
{
    const kith_role_t roles [] = {KITH_ROLE_QUERY_COORD, KITH_ROLE_INDEX_COORD};
    for (int i = 0; i < 2; i++) {
        kith_msg_t *msg = kith_msg_new (KITH_KIND_ROWS_CHANGED);
        kith_proto_rows_changed_t *changed = msg->body;
        changed->channel = row->channel;
        changed->collection = row->collection;
        kith_ctx_send (ctx, kith_actor (roles [i], 0), &msg);
    }
}

static void
s_committed (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_data_coord_t *self = arg_self;
    flow_t *flow = arg;
    const kith_proto_checkpoint_commit_t *commit = flow->request->body;
    //  Made or not: what the row named before, or what this attempt put, is in no row now
    if (end != KITH_END_STOPPED)
        kith_data_sweep_later (self, ctx, commit->row.channel);
    if (s_flow_bad (ctx, flow, end, *answer_p)
        || s_is_refused (ctx, flow, end, *answer_p))
        return;
    const kith_proto_kv_done_t *done = (*answer_p)->body;
    s_tell_changed (ctx, &commit->row);
    for (uint32_t i = 0; i < commit->freed_count; i++)
        kith_data_coord_freed (self, ctx, commit->row.channel, &commit->freed [i]);
    flow->answer = kith_msg_new (KITH_KIND_COMMITTED);
    ((kith_proto_committed_t *) flow->answer->body)->revision = done->revision;
    s_flow_reply (ctx, flow);
}

static void
s_commit_row (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
              void *arg)
{
    kith_data_coord_t *self = arg_self;
    flow_t *flow = arg;
    if (s_flow_bad (ctx, flow, end, *answer_p))
        return;
    const kith_proto_checkpoint_commit_t *commit = flow->request->body;
    const kith_proto_owner_row_t *row =
        kith_meta_row (&kith_proto_owner_row_table, *answer_p, &flow->owner_revision);
    if (!KITH_BUG (NO_EPOCH_COMPARE)
        && s_is_over (ctx, flow, row, commit->log, commit->epoch))
        return;
    const kith_key_t log = kith_key_log (commit->log);
    const kith_key_t key = kith_key_channel (commit->row.channel);
    kith_msg_t *txn = s_txn (self, 2, 1 + commit->freed_count);
    if (!KITH_BUG (NO_EPOCH_COMPARE))
        kith_txn_compare (txn, log.text, flow->owner_revision);
    if (!KITH_BUG (NO_REVISION_COMPARE))
        kith_txn_compare (txn, key.text, commit->revision);
    kith_txn_put (txn, key.text, &kith_proto_channel_row_table, &commit->row);
    for (uint32_t i = 0; i < commit->freed_count; i++) {
        const kith_key_t freed =
            kith_key_freed (commit->row.channel, commit->freed [i].segment);
        kith_txn_put (txn, freed.text, &kith_proto_segment_row_table, &commit->freed [i]);
    }
    kith_meta_call (ctx, &txn, s_committed, flow);
}

//  Rows of channels with their definitions

static void
s_add_channel (flow_t *flow, const kith_proto_kv_item_t *item, kith_arena_t *arena)
{
    kith_proto_channels_t *channels = flow->answer->body;
    const kith_proto_channel_row_t *row =
        kith_row_read (&kith_proto_channel_row_table, item->value, arena);
    const kith_proto_log_channels_t *ask = flow->request->body;
    const bool by_log = flow->request->kind == KITH_KIND_LOG_CHANNELS;
    if (!row || (by_log && (row->dropped || row->log != ask->log)))
        return;
    channels->rows [channels->rows_count++] =
        *(const kith_proto_channel_row_t *) kith_codec_copy (
            &kith_proto_channel_row_table, row, &flow->answer->arena);
    channels->revisions [channels->revisions_count++] = item->revision;
}

static void
s_collections (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
               void *arg)
{
    (void) arg_self;
    flow_t *flow = arg;
    if (s_flow_bad (ctx, flow, end, *answer_p))
        return;
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    kith_proto_channels_t *channels = flow->answer->body;
    const bool by_log = flow->request->kind == KITH_KIND_LOG_CHANNELS;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < channels->rows_count; i++) {
        const kith_proto_collection_t *found = NULL;
        for (uint32_t j = 0; j < rows->items_count && !found; j++) {
            const kith_key_t key = kith_key_collection (channels->rows [i].collection);
            if (!strcmp (rows->items [j].key, key.text))
                found = kith_row_read (&kith_proto_collection_table,
                                       rows->items [j].value, &flow->answer->arena);
        }
        //  A channel whose collection goes this moment is as good as dropped
        if (!found && by_log)
            continue;
        channels->rows [kept] = channels->rows [i];
        channels->revisions [kept] = channels->revisions [i];
        if (found)
            channels->collections [kept] = *found;
        else {
            channels->collections [kept].db = channels->collections [kept].name = "";
            channels->rows [kept].dropped = true;
        }
        kept++;
    }
    channels->rows_count = channels->revisions_count = channels->collections_count = kept;
    s_flow_reply (ctx, flow);
}

static void
s_channels (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
            void *arg)
{
    (void) arg_self;
    flow_t *flow = arg;
    if (s_flow_bad (ctx, flow, end, *answer_p))
        return;
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    flow->answer = kith_msg_new (KITH_KIND_CHANNELS);
    kith_proto_channels_t *channels = flow->answer->body;
    kith_arena_t *arena = &flow->answer->arena;
    const size_t room = rows->items_count + 1u;
    channels->rows = kith_arena_alloc (arena, room * sizeof *channels->rows);
    channels->revisions = kith_arena_alloc (arena, room * sizeof *channels->revisions);
    channels->collections =
        kith_arena_alloc (arena, room * sizeof *channels->collections);
    for (uint32_t i = 0; i < rows->items_count; i++)
        s_add_channel (flow, &rows->items [i], &(*answer_p)->arena);
    kith_meta_scan (ctx, "collection/", s_collections, flow);
}

//  Flush on request, and the end of a partition: every owner of the collection's logs is asked

static void
s_asked_end (kith_ctx_t *ctx, flow_t *flow)
{
    if (flow->error.code)
        s_flow_fail (ctx, flow, &flow->error);
    else
        s_flow_reply (ctx, flow);
}

static void
s_owner_answered (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
                  void *arg)
{
    (void) arg_self;
    flow_t *flow = arg;
    if (end == KITH_END_OK && (*answer_p)->kind == KITH_KIND_FLUSHED) {
        const kith_proto_flushed_t *part = (*answer_p)->body;
        kith_proto_flushed_t *all = flow->answer->body;
        all->segments += part->segments;
        all->rows += part->rows;
        all->bytes += part->bytes;
    }
    else if (end != KITH_END_OK && end != KITH_END_STOPPED)
        kith_end_error (end, *answer_p, &flow->error);
    if (--flow->out)
        return;
    if (end == KITH_END_STOPPED)
        s_flow_free (flow);
    else
        s_asked_end (ctx, flow);
}

//  Asks the owner of a log, if it has one
static void
s_ask_owner (kith_data_coord_t *self, kith_ctx_t *ctx, flow_t *flow, uint32_t log,
             kith_msg_t **msg_p)
{
    const kith_proto_log_route_t *route = &self->logs [log].route;
    if (!route->open) {
        kith_log_refused (route, log, &flow->error);
        kith_msg_destroy (msg_p);
        return;
    }
    flow->out++;
    kith_ctx_call (ctx, kith_address_from (&route->owner), msg_p,
                   kith_ctx_left_us (ctx, flow->request), s_owner_answered, flow);
}

static void
s_ask_flush (kith_data_coord_t *self, kith_ctx_t *ctx, flow_t *flow,
             const kith_proto_collection_t *row)
{
    for (uint32_t log = 0; log < self->log_count; log++) {
        kith_msg_t *msg = kith_msg_new (KITH_KIND_LOG_FLUSH);
        kith_proto_log_flush_t *flush = msg->body;
        flush->log = log;
        flush->channels =
            kith_arena_alloc (&msg->arena, row->channels_count * sizeof *flush->channels);
        for (uint32_t i = 0; i < row->channels_count; i++)
            if (row->channels [i].log == log)
                flush->channels [flush->channels_count++] = row->channels [i].channel;
        if (flush->channels_count)
            s_ask_owner (self, ctx, flow, log, &msg);
        kith_msg_destroy (&msg);
    }
}

static void
s_ask_partition_end (kith_data_coord_t *self, kith_ctx_t *ctx, flow_t *flow,
                     const kith_proto_collection_t *row)
{
    const kith_proto_partition_end_t *ask = flow->request->body;
    for (uint32_t i = 0; i < row->channels_count; i++) {
        const kith_proto_channel_ref_t *channel = &row->channels [i];
        if (channel->log >= self->log_count)
            continue;
        kith_msg_t *msg = kith_msg_new (KITH_KIND_PARTITION_END);
        kith_proto_partition_end_t *end = msg->body;
        end->collection = ask->collection;
        end->partition = ask->partition;
        end->log = channel->log;
        end->channels =
            kith_arena_copy (&msg->arena, &channel->channel, sizeof channel->channel);
        end->channels_count = 1;
        s_ask_owner (self, ctx, flow, channel->log, &msg);
    }
}

static void
s_collection_row (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
                  void *arg)
{
    kith_data_coord_t *self = arg_self;
    flow_t *flow = arg;
    if (s_flow_bad (ctx, flow, end, *answer_p))
        return;
    const kith_proto_collection_t *row =
        kith_meta_row (&kith_proto_collection_table, *answer_p, NULL);
    const bool flush = flow->request->kind == KITH_KIND_COLLECTION_FLUSH;
    flow->answer = kith_msg_new (flush ? KITH_KIND_FLUSHED : KITH_KIND_OK);
    if (!row)
        kith_error_set (&flow->error, KITH_ERR_COLLECTION_NOT_FOUND,
                        "the collection is gone");
    flow->out = 1;    //  none of the calls ends in here
    if (row && flush)
        s_ask_flush (self, ctx, flow, row);
    else if (row)
        s_ask_partition_end (self, ctx, flow, row);
    if (!--flow->out)
        s_asked_end (ctx, flow);
}

static void
s_by_collection (kith_ctx_t *ctx, kith_msg_t **msg_p, uint64_t id)
{
    const kith_key_t key = kith_key_collection (id);
    kith_meta_get (ctx, key.text, s_collection_row, s_flow (msg_p));
}

static void
s_route (kith_data_coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_LOG_ROUTES);
    kith_proto_log_routes_t *routes = answer->body;
    routes->logs =
        kith_arena_alloc (&answer->arena, self->log_count * sizeof *routes->logs);
    for (uint32_t i = 0; i < self->log_count; i++) {
        routes->logs [i] = self->logs [i].route;
        routes->logs [i].log = i;
    }
    routes->logs_count = self->log_count;
    kith_ctx_reply (ctx, msg_p, &answer);
}

//  Start: the lease, T0, dropped channels

static void
s_begin (kith_data_coord_t *self, kith_ctx_t *ctx)
{
    self->ready = true;
    kith_park_t queue = self->queue;
    memset (&self->queue, 0, sizeof self->queue);
    for (uint32_t i = 0; i < queue.count; i++)
        kith_data_coord_handle (self, ctx, &queue.items [i]);
    free (queue.items);
    //  What an earlier life did not get done; not now, when all begin
    kith_data_sweep_later (self, ctx, 0);
}

static void
s_made (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    (void) arg;
    if (end == KITH_END_STOPPED)
        return;
    if (kith_txn_committed (end, *answer_p)) {
        s_begin (arg_self, ctx);
        return;
    }
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_CONFLICT, "the owner rows could not be made");
    kith_ctx_exit (ctx, &error);
}

static void
s_logs (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    kith_data_coord_t *self = arg_self;
    (void) arg;
    if (end == KITH_END_STOPPED)
        return;
    kith_error_t error;
    if (end != KITH_END_OK) {
        kith_end_error (end, *answer_p, &error);
        kith_ctx_exit (ctx, &error);
        return;
    }
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    kith_msg_t *txn = s_txn (self, self->log_count, self->log_count);
    uint32_t missing = 0;
    for (uint32_t i = 0; i < self->log_count; i++) {
        const kith_key_t key = kith_key_log (i);
        const kith_proto_owner_row_t *row = NULL;
        for (uint32_t j = 0; j < rows->items_count; j++)
            if (!strcmp (rows->items [j].key, key.text))
                row = kith_row_read (&kith_proto_owner_row_table, rows->items [j].value,
                                     &(*answer_p)->arena);
        const kith_proto_owner_row_t first = {.home = i % self->node_count};
        self->logs [i].home = row ? row->home : first.home;
        if (!row) {
            missing++;
            kith_txn_compare (txn, key.text, 0);
            kith_txn_put (txn, key.text, &kith_proto_owner_row_table, &first);
        }
    }
    if (missing && rows->items_count) {
        kith_msg_destroy (&txn);
        kith_error_set (
            &error, KITH_ERR_CONFIG,
            "the configuration has %u logs, the cluster was made with %u: the number "
            "of logs is fixed when a cluster is made",
            self->log_count, rows->items_count);
        kith_ctx_exit (ctx, &error);
    }
    else if (missing)
        kith_meta_call (ctx, &txn, s_made, NULL);
    else {
        kith_msg_destroy (&txn);
        s_begin (self, ctx);
    }
}

static void
s_leased (void *arg_self, kith_ctx_t *ctx)
{
    (void) arg_self;
    kith_meta_scan (ctx, "log/", s_logs, NULL);
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
    kith_data_coord_t *self = kith_new (sizeof *self);
    self->objects = objects;
    self->log_count = kith_ctx_cluster (ctx)->logs;
    self->logs = kith_new (self->log_count * sizeof *self->logs);
    for (uint32_t i = 0; i < self->log_count; i++)
        s_take_route (&self->logs [i],
                      &(kith_proto_log_route_t){.reason = "", .hint = ""});
    self->node_count = kith_ctx_role_count (ctx, KITH_ROLE_DATA_NODE);
    self->nodes = kith_new ((self->node_count + 1) * sizeof *self->nodes);
    self->lease = (kith_lease_t){.role = KITH_ROLE_DATA_COORD, .ready = s_leased};
    kith_lease_take (ctx, &self->lease);
    return self;
}

void
kith_data_coord_handle (void *arg_self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_data_coord_t *self = arg_self;
    const kith_msg_t *msg = *msg_p;
    const kith_kind_t kind = msg->kind;
    if (!self->ready) {
        kith_park_add (&self->queue, msg_p);
        return;
    }
    if (kind == KITH_KIND_NODE_HELLO)
        s_hello (self, ctx, msg_p);
    else if (kind == KITH_KIND_LOG_OPEN)
        s_open (self, ctx, msg_p);
    else if (kind == KITH_KIND_HOME_READY)
        s_by_log (self, ctx, msg_p, ((const kith_proto_home_ready_t *) msg->body)->log,
                  s_home_row);
    else if (kind == KITH_KIND_CHECKPOINT_COMMIT)
        s_by_log (self, ctx, msg_p,
                  ((const kith_proto_checkpoint_commit_t *) msg->body)->log,
                  s_commit_row);
    else if (kind == KITH_KIND_LOG_CHANNELS)
        kith_meta_scan (ctx, "channel/", s_channels, s_flow (msg_p));
    else if (kind == KITH_KIND_CHANNEL_GET) {
        const kith_key_t key =
            kith_key_channel (((const kith_proto_channel_get_t *) msg->body)->channel);
        kith_meta_scan (ctx, key.text, s_channels, s_flow (msg_p));
    }
    else if (kind == KITH_KIND_COLLECTION_FLUSH)
        s_by_collection (ctx, msg_p,
                         ((const kith_proto_collection_flush_t *) msg->body)->id);
    else if (kind == KITH_KIND_PARTITION_END)
        s_by_collection (ctx, msg_p,
                         ((const kith_proto_partition_end_t *) msg->body)->collection);
    else if (kind == KITH_KIND_ROUTE_LOGS)
        s_route (self, ctx, msg_p);
    else if (kind == KITH_KIND_CHANNEL_DROPPED)
        kith_data_coord_dropped (self, ctx, msg_p);
    else
        kith_refuse (ctx, msg_p, KITH_ERR_UNSUPPORTED, "data_coord does not know '%s'",
                     kith_kind_name (kind));
}

static void
s_timeout (void *arg_self, kith_ctx_t *ctx, int tag)
{
    kith_data_coord_t *self = arg_self;
    if (tag == KITH_TAG_LEASE)
        kith_lease_take (ctx, &self->lease);
    else if (tag == KITH_DATA_COORD_GC)
        kith_data_coord_gc (self, ctx);
    else if (tag == KITH_DATA_COORD_SWEEP)
        kith_data_sweep (self, ctx);
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    kith_data_coord_t *self = *self_p;
    kith_park_free (&self->queue);
    free (self->logs);
    free (self->nodes);
    kith_data_coord_gc_free (self);
    kith_data_sweep_free (&self->sweep);
    free (self);
    *self_p = NULL;
}

const kith_behaviour_t kith_data_coord = {
    .name = "data_coord",
    .role = KITH_ROLE_DATA_COORD,
    .init = s_init,
    .handle = kith_data_coord_handle,
    .timeout = s_timeout,
    .stop = s_stop,
};
