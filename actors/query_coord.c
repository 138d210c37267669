//  query_coord.c - which query node answers for which channel and holds which segment
//  SPDX-License-Identifier: Apache-2.0
#include "actors/query_coord.h"
#include "actors/roles.h"

#define LOOK_US                                                                          \
    5000000    //  the rows are read again even if nobody says that they changed

//  Requests that a scan answers: rows_changed, route_channels of what is not known yet, channel_refresh

static void
s_route (kith_query_coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p, bool last)
{
    const kith_proto_route_channels_t *ask = (*msg_p)->body;
    kith_msg_t *answer = kith_msg_new (KITH_KIND_CHANNEL_ROUTES);
    kith_proto_channel_routes_t *routes = answer->body;
    routes->channels = kith_arena_alloc (&answer->arena, (self->plan_count + 1)
                                                             * sizeof *routes->channels);
    bool known = false, released = false, waits = false;
    for (uint32_t i = 0; i < self->plan_count; i++) {
        const kith_query_plan_t *plan = self->plans [i];
        const kith_proto_channel_row_t *row = plan->row.row;
        if (!row || row->collection != ask->collection)
            continue;
        known = true;
        released = released || !plan->wanted;
        if (!plan->wanted || plan->delegator >= self->node_count
            || !self->nodes [plan->delegator].alive) {
            waits = true;
            continue;
        }
        routes->channels [routes->channels_count++] = (kith_proto_channel_route_t){
            .channel = plan->id,
            .delegator = {.role = KITH_ROLE_QUERY_NODE,
                          .index = plan->delegator,
                          .incarnation = self->nodes [plan->delegator].incarnation}};
    }
    if (known && !waits) {
        kith_ctx_reply (ctx, msg_p, &answer);
        return;
    }
    kith_msg_destroy (&answer);
    if (!last) {
        kith_scan_ask (&self->scan, ctx, msg_p);
    }
    else if (released)
        kith_refuse (ctx, msg_p, KITH_ERR_NOT_LOADED,
                     "the collection is released: load it first");
    else if (known)
        kith_refuse (ctx, msg_p, KITH_ERR_BUSY, "no query node is alive for a channel");
    else
        kith_refuse (ctx, msg_p, KITH_ERR_COLLECTION_NOT_FOUND,
                     "no collection with id %" PRIu64, ask->collection);
}

static void
s_refresh (kith_query_coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_channel_refresh_t *ask = (*msg_p)->body;
    kith_query_plan_t *plan = kith_query_coord_find (self, ask->channel);
    if (!plan || !plan->wanted) {
        kith_refuse (ctx, msg_p, KITH_ERR_NOT_LOADED, "channel %" PRIu64 " is not loaded",
                     ask->channel);
        return;
    }
    kith_msg_t *answer = kith_query_coord_follow (self, plan);
    kith_ctx_reply (ctx, msg_p, &answer);
    //  Its holders are told again: a death list may be newer
    for (uint32_t i = 0; i < self->node_count; i++)
        plan->told [i].plan = 0;
    kith_scan_tick_later (&self->scan, ctx);
}

static void
s_serve (void *arg_self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    if ((*msg_p)->kind == KITH_KIND_ROUTE_CHANNELS)
        s_route (arg_self, ctx, msg_p, true);
    else if ((*msg_p)->kind == KITH_KIND_CHANNEL_REFRESH)
        s_refresh (arg_self, ctx, msg_p);
    else
        kith_reply_ok (ctx, msg_p);
}

//  Nodes: T10

typedef struct {
    uint32_t node;
    uint64_t incarnation;
} leased_t;

static void
s_leased_node (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
               void *arg)
{
    kith_query_coord_t *self = arg_self;
    const leased_t leased = *(const leased_t *) arg;
    free (arg);
    if (end == KITH_END_STOPPED)
        return;
    kith_query_coord_node_t *node = &self->nodes [leased.node];
    if (!kith_txn_committed (end, *answer_p) || node->leased != leased.incarnation) {
        node->leased = 0;
        return;
    }
    node->lease_revision = ((const kith_proto_kv_done_t *) (*answer_p)->body)->revision;
    kith_query_coord_plan (self, ctx);
}

static void
s_kept_node (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_query_coord_node_t *node = arg;
    (void) arg_self;
    (void) ctx;
    (void) answer_p;
    if (end == KITH_END_FAILED)
        node->leased = 0;
}

static void
s_lease_node (kith_query_coord_t *self, kith_ctx_t *ctx, uint32_t index,
              const char *endpoint)
{
    kith_query_coord_node_t *node = &self->nodes [index];
    const kith_proto_node_row_t row = {.incarnation = node->incarnation,
                                       .endpoint = endpoint};
    if (node->leased == node->incarnation) {
        kith_node_lease (ctx, KITH_ROLE_QUERY_NODE, index, &row, false, s_kept_node,
                         node);
        return;
    }
    node->leased = node->incarnation;
    node->lease_revision = 0;
    leased_t *leased = kith_new (sizeof *leased);
    *leased = (leased_t){index, node->incarnation};
    kith_node_lease (ctx, KITH_ROLE_QUERY_NODE, index, &row, true, s_leased_node, leased);
}

static void
s_hello (kith_query_coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_msg_t *msg = *msg_p;
    const kith_proto_node_hello_t *hello = msg->body;
    if (!kith_hello_is_of (ctx, msg_p, KITH_ROLE_QUERY_NODE, self->node_count))
        return;
    if (!kith_ctx_cluster (ctx)->id) {
        kith_refuse (ctx, msg_p, KITH_ERR_BUSY, "the cluster's id is not known yet");
        return;
    }
    kith_query_coord_node_t *node = &self->nodes [msg->from.index];
    const bool anew = node->incarnation != msg->from.incarnation;
    if (anew) {
        //  It knows nothing of what its earlier life was told
        for (uint32_t i = 0; i < self->plan_count; i++)
            self->plans [i]->told [msg->from.index] = (kith_told_t){0};
        node->incarnation = msg->from.incarnation;
    }
    node->heard_us = kith_ctx_now_us (ctx);
    node->alive = true;
    for (uint32_t i = 0; i < hello->channels_count; i++)
        kith_query_coord_serves (self, hello->channels [i], msg->from.index);
    if (self->held)
        s_lease_node (self, ctx, msg->from.index, hello->endpoint);
    kith_msg_t *answer = kith_msg_new (KITH_KIND_NODE_WELCOME);
    kith_proto_node_welcome_t *welcome = answer->body;
    welcome->cluster = kith_ctx_cluster (ctx)->id;
    kith_ctx_reply (ctx, msg_p, &answer);
}

//  H5: the pin goes once its holder has let go
static void
s_unused (kith_query_coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_segment_unused_t *unused = (*msg_p)->body;
    const uint32_t node = (*msg_p)->from.index;
    const kith_query_plan_t *plan = kith_query_coord_find (self, unused->channel);
    bool again = false;
    for (uint32_t i = 0; plan && i < plan->assigned_count; i++)
        again = again
                || (plan->assigned [i].segment == unused->segment
                    && plan->assigned [i].holder == node);
    if (!again) {
        const kith_key_t key =
            kith_key_pin (unused->channel, unused->segment, (*msg_p)->from.incarnation);
        kith_msg_t *txn = kith_txn_new (0, 1);
        kith_txn_remove (txn, key.text);
        kith_meta_call (ctx, &txn, kith_end_ignored, NULL);
    }
    kith_reply_ok (ctx, msg_p);
}

//  Pins that nobody needs: of lives that are over, and of segments whose holder was told something else meanwhile and whose word that it let go
//  did not come

//  A pin as it was read, whose holder is asked
typedef struct {
    char key [KITH_KEY_MAX];
    uint64_t revision;
} asked_pin_t;

static void
s_asked (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
         void *arg)
{
    const kith_query_coord_t *self = arg_self;
    asked_pin_t *pin = arg;
    kith_error_t error;
    if (end == KITH_END_FAILED && kith_msg_is_failed (*answer_p, &error)
        && error.code == KITH_ERR_NOT_FOUND) {
        kith_msg_t *txn = kith_txn_new (2, 1);
        kith_lease_compare (&self->lease, txn);
        //  A pin that was put again meanwhile is another
        kith_txn_compare (txn, pin->key, pin->revision);
        kith_txn_remove (txn, pin->key);
        kith_meta_call (ctx, &txn, kith_end_ignored, NULL);
    }
    free (pin);
}

//  True if the node was told the newest plan of the channel, and the segment is not its own there
static bool
s_is_another (kith_query_coord_t *self, uint64_t channel, uint64_t segment, uint32_t node)
{
    const kith_query_plan_t *plan = kith_query_coord_find (self, channel);
    if (!plan)
        return self->scanned;
    const kith_told_t *told = &plan->told [node];
    bool another =
        !plan->pinning && !told->out && (!told->has || told->plan == plan->plan);
    for (uint32_t i = 0; i < plan->assigned_count && another; i++)
        another =
            plan->assigned [i].segment != segment || plan->assigned [i].holder != node;
    return another;
}

//  A pin of a life that goes on
static void
s_doubt (kith_query_coord_t *self, kith_ctx_t *ctx, const kith_proto_kv_item_t *item,
         uint32_t node)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_SEGMENT_KEPT);
    kith_proto_segment_kept_t *kept = msg->body;
    char *end;
    kept->channel = strtoull (item->key + strlen ("pin/"), &end, 10);
    kept->segment = *end ? strtoull (end + 1, NULL, 10) : 0;
    if (!s_is_another (self, kept->channel, kept->segment, node)) {
        kith_msg_destroy (&msg);
        return;
    }
    asked_pin_t *pin = kith_new (sizeof *pin);
    snprintf (pin->key, sizeof pin->key, "%s", item->key);
    pin->revision = item->revision;
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_QUERY_NODE, node), &msg, KITH_CALL_US,
                   s_asked, pin);
}

static void
s_pins (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    kith_query_coord_t *self = arg_self;
    (void) arg;
    if (end != KITH_END_OK)
        return;
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    kith_msg_t *txn = kith_txn_new (1, rows->items_count + 1);
    kith_lease_compare (&self->lease, txn);
    uint32_t old = 0;
    for (uint32_t i = 0; i < rows->items_count; i++) {
        const kith_proto_kv_item_t *item = &rows->items [i];
        const char *slash = strrchr (item->key, '/');
        const uint64_t incarnation = slash ? strtoull (slash + 1, NULL, 16) : 0;
        uint32_t node = 0;
        while (node < self->node_count && self->nodes [node].incarnation != incarnation)
            node++;
        if (node < self->node_count)
            s_doubt (self, ctx, item, node);
        else {
            kith_txn_remove (txn, item->key);
            old++;
        }
    }
    if (old)
        kith_meta_call (ctx, &txn, kith_end_ignored, NULL);
    kith_msg_destroy (&txn);
}

//  Nodes not heard of are dead; what was not told is told again
static void
s_look (kith_query_coord_t *self, kith_ctx_t *ctx)
{
    const int64_t now = kith_ctx_now_us (ctx);
    bool all = true;
    for (uint32_t i = 0; i < self->node_count; i++) {
        kith_query_coord_node_t *node = &self->nodes [i];
        if (node->alive && now - node->heard_us > KITH_NODE_TTL_MS * 1000LL) {
            kith_ctx_log (ctx, 'w', "query_node/%u was not heard of for %u s", i,
                          KITH_NODE_TTL_MS / 1000);
            node->alive = false;
        }
        all = all && node->alive;
    }
    for (uint32_t i = self->plan_count; i--;) {
        kith_query_plan_t *plan = self->plans [i];
        bool busy = plan->wanted || plan->pinning;
        for (uint32_t j = 0; j < self->node_count; j++)
            busy = busy || (plan->told [j].has && self->nodes [j].alive)
                   || plan->told [j].out;
        if (!busy) {
            kith_query_coord_free_plan (&self->plans [i]);
            self->plans [i] = self->plans [--self->plan_count];
        }
    }
    kith_scan_begin (&self->scan, ctx);
    if (all && self->held)
        kith_meta_scan (ctx, "pin/", s_pins, NULL);
    kith_ctx_after (ctx, LOOK_US, KITH_QUERY_COORD_TICK + 1);
}

static void
s_leased (void *arg_self, kith_ctx_t *ctx)
{
    kith_query_coord_t *self = arg_self;
    self->held = self->scan.allowed = true;
    //  Plans of this life are newer than those of any earlier one
    self->next_plan = self->lease.epoch << 32 | 1;
    for (uint32_t i = 0; i < self->node_count; i++)
        if (self->nodes [i].alive)
            s_lease_node (self, ctx, i, "");
    kith_scan_begin (&self->scan, ctx);
    kith_ctx_after (ctx, LOOK_US, KITH_QUERY_COORD_TICK + 1);
}

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) config;
    kith_query_coord_t *self = kith_new (sizeof *self);
    self->node_count = kith_ctx_role_count (ctx, KITH_ROLE_QUERY_NODE);
    self->nodes = kith_new ((self->node_count + 1) * sizeof *self->nodes);
    self->lease = (kith_lease_t){.role = KITH_ROLE_QUERY_COORD, .ready = s_leased};
    self->scan = (kith_scan_t){
        .done = kith_query_coord_scanned, .serve = s_serve, .tag = KITH_QUERY_COORD_TICK};
    kith_lease_take (ctx, &self->lease);
    return self;
}

static void
s_handle (void *arg_self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_query_coord_t *self = arg_self;
    const kith_kind_t kind = (*msg_p)->kind;
    if (kind == KITH_KIND_NODE_HELLO)
        s_hello (self, ctx, msg_p);
    else if (kind == KITH_KIND_ROUTE_CHANNELS)
        s_route (self, ctx, msg_p, false);
    else if (kind == KITH_KIND_SEGMENT_UNUSED)
        s_unused (self, ctx, msg_p);
    else if (kind == KITH_KIND_ROWS_CHANGED || kind == KITH_KIND_CHANNEL_DROPPED
             || kind == KITH_KIND_CHANNEL_REFRESH)
        kith_scan_ask (&self->scan, ctx, msg_p);
    else
        kith_refuse (ctx, msg_p, KITH_ERR_UNSUPPORTED, "query_coord does not know '%s'",
                     kith_kind_name (kind));
}

static void
s_timeout (void *arg_self, kith_ctx_t *ctx, int tag)
{
    kith_query_coord_t *self = arg_self;
    if (tag == KITH_TAG_LEASE)
        kith_lease_take (ctx, &self->lease);
    else if (tag == KITH_QUERY_COORD_TICK) {
        if (!kith_scan_tick (&self->scan, ctx))
            kith_query_coord_plan (self, ctx);
    }
    else
        s_look (self, ctx);
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    kith_query_coord_t *self = *self_p;
    for (uint32_t i = 0; i < self->plan_count; i++)
        kith_query_coord_free_plan (&self->plans [i]);
    free (self->plans);
    free (self->nodes);
    kith_scan_free (&self->scan);
    free (self);
    *self_p = NULL;
}

const kith_behaviour_t kith_query_coord = {
    .name = "query_coord",
    .role = KITH_ROLE_QUERY_COORD,
    .init = s_init,
    .handle = s_handle,
    .timeout = s_timeout,
    .stop = s_stop,
};
