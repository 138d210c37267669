//  query_coord_plan.c - from what is there to what each node is told: scan, assign, pin (T4), tell
//  SPDX-License-Identifier: Apache-2.0
#include "actors/indexes.h"
#include "actors/query_coord.h"
#include "base/random.h"

#define TELL_US 3000000

void
kith_query_coord_free_plan (kith_query_plan_t **plan_p)
{
    kith_query_plan_t *plan = *plan_p;
    kith_kept_free (&plan->row);
    kith_kept_free (&plan->definition);
    kith_kept_free (&plan->indexes);
    free (plan->assigned);
    free (plan->told);
    free (plan);
    *plan_p = NULL;
}

kith_query_plan_t *
kith_query_coord_find (kith_query_coord_t *self, uint64_t channel)
{
    for (uint32_t i = 0; i < self->plan_count; i++)
        if (self->plans [i]->id == channel)
            return self->plans [i];
    return NULL;
}

static const kith_proto_channel_row_t *
s_row (const kith_query_plan_t *plan)
{
    return plan->row.row;
}

static kith_assigned_t *
s_assigned (const kith_query_plan_t *plan, uint64_t segment)
{
    for (uint32_t i = 0; i < plan->assigned_count; i++)
        if (plan->assigned [i].segment == segment)
            return &plan->assigned [i];
    return NULL;
}

//  Messages

static kith_address_t
s_node (const kith_query_coord_t *self, uint32_t index)
{
    return (kith_address_t){.role = KITH_ROLE_QUERY_NODE,
                            .index = index,
                            .incarnation = self->nodes [index].incarnation};
}

//  Places of the row's segments, or of those that one node holds (node NONE: all)
static kith_proto_segment_place_t *
s_places (const kith_query_coord_t *self, const kith_query_plan_t *plan, uint32_t node,
          kith_arena_t *arena, uint32_t *count)
{
    const kith_proto_channel_row_t *row = s_row (plan);
    const kith_proto_segment_place_t *indexes = plan->indexes.row;
    kith_proto_segment_place_t *places =
        kith_arena_alloc (arena, (row->segments_count + 1) * sizeof *places);
    *count = 0;
    for (uint32_t i = 0; i < row->segments_count; i++) {
        const kith_assigned_t *assigned = s_assigned (plan, row->segments [i].segment);
        if (!assigned || (node != KITH_BALANCE_NONE && assigned->holder != node))
            continue;
        kith_proto_segment_place_t *place = &places [(*count)++];
        place->segment = row->segments [i];
        place->holder = kith_address_to (s_node (self, assigned->holder));
        place->indexes = kith_arena_alloc (arena, (indexes->indexes_count + 1)
                                                      * sizeof *place->indexes);
        for (uint32_t j = 0; j < indexes->indexes_count; j++)
            if (indexes->indexes [j].segment == place->segment.segment)
                place->indexes [place->indexes_count++] = indexes->indexes [j];
    }
    return places;
}

kith_msg_t *
kith_query_coord_follow (const kith_query_coord_t *self, const kith_query_plan_t *plan)
{
    //  Built from borrowed rows, then copied whole into the message
    kith_arena_t arena = {0};
    kith_proto_follow_t follow = {.definition =
                                      *(kith_proto_collection_t *) plan->definition.row,
                                  .row = *s_row (plan),
                                  .log = s_row (plan)->log,
                                  .plan = plan->plan};
    follow.places =
        s_places (self, plan, KITH_BALANCE_NONE, &arena, &follow.places_count);
    kith_msg_t *msg = kith_msg_new (KITH_KIND_FOLLOW);
    *(kith_proto_follow_t *) msg->body = *(const kith_proto_follow_t *) kith_codec_copy (
        &kith_proto_follow_table, &follow, &msg->arena);
    kith_arena_free (&arena);
    return msg;
}

static kith_msg_t *
s_hold (const kith_query_coord_t *self, const kith_query_plan_t *plan, uint32_t node)
{
    kith_arena_t arena = {0};
    kith_proto_hold_t hold = {
        .definition = *(kith_proto_collection_t *) plan->definition.row,
        .channel = plan->id,
        .log = s_row (plan)->log,
        .delegator = kith_address_to (s_node (self, plan->delegator)),
        .plan = plan->plan};
    hold.places = s_places (self, plan, node, &arena, &hold.places_count);
    kith_msg_t *msg = kith_msg_new (KITH_KIND_HOLD);
    *(kith_proto_hold_t *) msg->body = *(const kith_proto_hold_t *) kith_codec_copy (
        &kith_proto_hold_table, &hold, &msg->arena);
    kith_arena_free (&arena);
    return msg;
}

//  Telling

typedef struct {
    uint64_t channel;
    uint64_t plan;
    uint32_t node;
    uint64_t incarnation;
    bool follow;    //  hold comes next
    bool unfollow;
} told_t;

static void s_tell (kith_query_coord_t *self, kith_ctx_t *ctx, kith_query_plan_t *plan,
                    uint32_t node);

static void s_unpin_all (kith_query_coord_t *self, kith_ctx_t *ctx, uint64_t channel);

static void s_told (void *arg_self, kith_ctx_t *ctx, kith_end_t end,
                    kith_msg_t **answer_p, void *arg);

static void
s_call (kith_query_coord_t *self, kith_ctx_t *ctx, told_t what, kith_msg_t **msg_p)
{
    told_t *told = kith_new (sizeof *told);
    *told = what;
    told->incarnation = self->nodes [what.node].incarnation;
    kith_ctx_call (ctx, s_node (self, what.node), msg_p, TELL_US, s_told, told);
}

static void
s_told (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    kith_query_coord_t *self = arg_self;
    const told_t what = *(const told_t *) arg;
    free (arg);
    (void) answer_p;
    kith_query_plan_t *plan = kith_query_coord_find (self, what.channel);
    if (end == KITH_END_STOPPED || !plan)
        return;
    kith_told_t *told = &plan->told [what.node];
    told->out = false;
    if (self->nodes [what.node].incarnation != what.incarnation
        || what.plan != plan->plan) {
        s_tell (self, ctx, plan, what.node);
        return;
    }
    if (end != KITH_END_OK) {
        kith_scan_tick_later (&self->scan, ctx);
        return;
    }
    //  When no node is alive to answer for the channel, the next plan says who does
    if (what.follow && plan->delegator != what.node)
        return;
    if (what.follow) {
        kith_msg_t *msg = s_hold (self, plan, what.node);
        told->out = true;
        s_call (self, ctx,
                (told_t){.channel = plan->id, .plan = plan->plan, .node = what.node},
                &msg);
        return;
    }
    told->plan = what.plan;
    if (what.unfollow) {
        told->has = false;
        bool any = false;
        for (uint32_t i = 0; i < self->node_count; i++)
            any = any || (plan->told [i].has && self->nodes [i].alive);
        if (!plan->wanted && !any)
            s_unpin_all (self, ctx, plan->id);
    }
}

static bool
s_needed (const kith_query_plan_t *plan, uint32_t node)
{
    if (!plan->wanted)
        return false;
    if (plan->delegator == node)
        return true;
    for (uint32_t i = 0; i < plan->assigned_count; i++)
        if (plan->assigned [i].holder == node)
            return true;
    return false;
}

static void
s_tell (kith_query_coord_t *self, kith_ctx_t *ctx, kith_query_plan_t *plan, uint32_t node)
{
    kith_told_t *told = &plan->told [node];
    const bool needed = s_needed (plan, node);
    if (plan->wanted && plan->delegator == KITH_BALANCE_NONE)
        return;
    if (!self->nodes [node].alive || told->out || told->plan == plan->plan
        || (!needed && !told->has) || (needed && !plan->pinned))
        return;
    told_t what = {.channel = plan->id, .plan = plan->plan, .node = node};
    kith_msg_t *msg;
    if (!needed) {
        what.unfollow = true;
        msg = kith_msg_new (KITH_KIND_UNFOLLOW);
        kith_proto_unfollow_t *unfollow = msg->body;
        unfollow->channel = plan->id;
        unfollow->plan = plan->plan;
    }
    else if (plan->delegator == node) {
        what.follow = true;
        msg = kith_query_coord_follow (self, plan);
    }
    else
        msg = s_hold (self, plan, node);
    told->has = told->has || needed;
    told->out = true;
    s_call (self, ctx, what, &msg);
}

static void
s_tell_all (kith_query_coord_t *self, kith_ctx_t *ctx, kith_query_plan_t *plan)
{
    for (uint32_t i = 0; i < self->node_count; i++)
        s_tell (self, ctx, plan, i);
}

//  Pins

static void
s_unpinned (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
            void *arg)
{
    (void) arg_self;
    (void) answer_p;
    (void) arg;
    if (end != KITH_END_OK && end != KITH_END_STOPPED)
        kith_ctx_log (ctx, 'w', "pins of a released channel are still there");
}

static void
s_pins (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    (void) arg_self;
    (void) arg;
    if (end != KITH_END_OK)
        return;
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    if (!rows->items_count)
        return;
    kith_msg_t *txn = kith_txn_new (0, rows->items_count);
    for (uint32_t i = 0; i < rows->items_count; i++)
        kith_txn_remove (txn, rows->items [i].key);
    kith_meta_call (ctx, &txn, s_unpinned, NULL);
}

static void
s_unpin_all (kith_query_coord_t *self, kith_ctx_t *ctx, uint64_t channel)
{
    (void) self;
    char prefix [64];
    snprintf (prefix, sizeof prefix, "pin/%012" PRIu64 "/", channel);
    kith_meta_scan (ctx, prefix, s_pins, NULL);
}

typedef struct {
    uint64_t channel;
    uint64_t plan;
} pin_t;

static void
s_pinned (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
          void *arg)
{
    kith_query_coord_t *self = arg_self;
    const pin_t pin = *(const pin_t *) arg;
    free (arg);
    kith_query_plan_t *plan = kith_query_coord_find (self, pin.channel);
    if (end == KITH_END_STOPPED || !plan)
        return;
    plan->pinning = false;
    if (!kith_txn_committed (end, *answer_p)) {
        plan->digest = 0;    //  the row or a node changed: look again
        self->scan.dirty = true;
        kith_scan_tick_later (&self->scan, ctx);
        return;
    }
    if (pin.plan != plan->plan) {
        kith_query_coord_plan (self, ctx);
        return;
    }
    for (uint32_t i = 0; i < plan->assigned_count; i++)
        plan->assigned [i].pinned = self->nodes [plan->assigned [i].holder].incarnation;
    plan->pinned = true;
    s_tell_all (self, ctx, plan);
}

//  T4 for every segment that its holder has not pinned yet
static void
s_pin (kith_query_coord_t *self, kith_ctx_t *ctx, kith_query_plan_t *plan)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < plan->assigned_count; i++)
        missing += plan->assigned [i].pinned
                   != self->nodes [plan->assigned [i].holder].incarnation;
    if (!missing) {
        plan->pinned = true;
        s_tell_all (self, ctx, plan);
        return;
    }
    kith_msg_t *txn = kith_txn_new (2 + self->node_count, missing);
    kith_lease_compare (&self->lease, txn);
    const kith_key_t key = kith_key_channel (plan->id);
    kith_txn_compare (txn, key.text, plan->revision);
    for (uint32_t node = 0; node < self->node_count; node++) {
        bool used = false;
        for (uint32_t i = 0; i < plan->assigned_count; i++)
            used = used || plan->assigned [i].holder == node;
        const kith_key_t lease = kith_key_node (KITH_ROLE_QUERY_NODE, node);
        if (used)
            kith_txn_compare (txn, lease.text, self->nodes [node].lease_revision);
    }
    const kith_proto_ok_t none = {0};
    for (uint32_t i = 0; i < plan->assigned_count; i++) {
        const kith_assigned_t *assigned = &plan->assigned [i];
        const uint64_t incarnation = self->nodes [assigned->holder].incarnation;
        const kith_key_t pin = kith_key_pin (plan->id, assigned->segment, incarnation);
        if (assigned->pinned != incarnation)
            kith_txn_put (txn, pin.text, &kith_proto_ok_table, &none);
    }
    pin_t *pin = kith_new (sizeof *pin);
    *pin = (pin_t){plan->id, plan->plan};
    plan->pinning = true;
    kith_meta_call (ctx, &txn, s_pinned, pin);
}

//  Assigning

static void
s_loads (const kith_query_coord_t *self, kith_balance_node_t *nodes)
{
    memset (nodes, 0, self->node_count * sizeof *nodes);
    for (uint32_t i = 0; i < self->node_count; i++)
        nodes [i].alive = self->nodes [i].alive && self->nodes [i].lease_revision;
    for (uint32_t i = 0; i < self->plan_count; i++) {
        const kith_query_plan_t *plan = self->plans [i];
        if (!plan->wanted)
            continue;
        if (plan->delegator < self->node_count)
            nodes [plan->delegator].channels++;
        const kith_proto_channel_row_t *row = s_row (plan);
        for (uint32_t j = 0; j < row->segments_count; j++) {
            const kith_assigned_t *assigned =
                s_assigned (plan, row->segments [j].segment);
            if (assigned && assigned->holder < self->node_count)
                nodes [assigned->holder].rows += row->segments [j].rows;
        }
    }
}

static bool
s_assign (kith_query_coord_t *self, kith_query_plan_t *plan, kith_balance_node_t *nodes)
{
    const kith_proto_channel_row_t *row = s_row (plan);
    if (plan->delegator >= self->node_count || !nodes [plan->delegator].alive) {
        plan->delegator = kith_balance_channel (nodes, self->node_count);
        if (plan->delegator == KITH_BALANCE_NONE)
            return false;
        nodes [plan->delegator].channels++;
    }
    kith_assigned_t *assigned = kith_new ((row->segments_count + 1) * sizeof *assigned);
    for (uint32_t i = 0; i < row->segments_count; i++) {
        const kith_assigned_t *old = s_assigned (plan, row->segments [i].segment);
        assigned [i] = (kith_assigned_t){.segment = row->segments [i].segment,
                                         .holder = old ? old->holder : KITH_BALANCE_NONE,
                                         .pinned = old ? old->pinned : 0};
        if (old && nodes [old->holder].alive)
            continue;
        const uint32_t holder = kith_balance_segment (
            nodes, self->node_count, plan->delegator, row->segments [i].rows);
        assigned [i].holder = holder;
        assigned [i].pinned = 0;
        nodes [holder].rows += row->segments [i].rows;
    }
    free (plan->assigned);
    plan->assigned = assigned;
    plan->assigned_count = row->segments_count;
    return true;
}

static uint64_t
s_digest (const kith_query_coord_t *self, const kith_query_plan_t *plan)
{
    uint64_t digest = kith_mix64 (plan->revision + 1) ^ (plan->wanted ? 1 : 2);
    if (!plan->wanted)
        return digest;
    digest = kith_mix64 (digest ^ self->nodes [plan->delegator].incarnation);
    const kith_proto_collection_t *definition = plan->definition.row;
    digest = kith_mix64 (digest ^ ((uint64_t) definition->partition_next << 32)
                         ^ definition->partitions_count);
    //  A delegator builds indexes over growing rows by the specifications
    digest = kith_mix64 (digest ^ kith_index_specs_hash (definition));
    for (uint32_t i = 0; i < plan->assigned_count; i++)
        digest = kith_mix64 (digest ^ plan->assigned [i].segment
                             ^ self->nodes [plan->assigned [i].holder].incarnation);
    const kith_proto_segment_place_t *indexes = plan->indexes.row;
    for (uint32_t i = 0; i < indexes->indexes_count; i++)
        digest = kith_mix64 (digest
                             ^ kith_hash64 (indexes->indexes [i].object,
                                            strlen (indexes->indexes [i].object)));
    return digest ? digest : 1;
}

void
kith_query_coord_plan (kith_query_coord_t *self, kith_ctx_t *ctx)
{
    if (!self->scanned)
        return;
    kith_balance_node_t *nodes = kith_new ((self->node_count + 1) * sizeof *nodes);
    s_loads (self, nodes);
    for (uint32_t i = 0; i < self->plan_count; i++) {
        kith_query_plan_t *plan = self->plans [i];
        if (plan->pinning || (plan->wanted && !s_assign (self, plan, nodes)))
            continue;
        const uint64_t digest = s_digest (self, plan);
        if (digest != plan->digest) {
            plan->digest = digest;
            plan->plan = self->next_plan++;
            plan->pinned = false;
        }
        if (plan->wanted && !plan->pinned)
            s_pin (self, ctx, plan);
        else
            s_tell_all (self, ctx, plan);
    }
    free (nodes);
}

//  A plan without a row: of a channel that is gone, or not scanned yet
static kith_query_plan_t *
s_plan_new (kith_query_coord_t *self, uint64_t channel)
{
    kith_query_plan_t *plan = kith_new (sizeof *plan);
    plan->id = channel;
    plan->delegator = KITH_BALANCE_NONE;
    plan->told = kith_new ((self->node_count + 1) * sizeof *plan->told);
    self->plans = kith_grow (self->plans, self->plan_count, &self->plan_capacity,
                             sizeof (kith_query_plan_t *));
    self->plans [self->plan_count++] = plan;
    return plan;
}

void
kith_query_coord_serves (kith_query_coord_t *self, uint64_t channel, uint32_t node)
{
    //  Before the first scan every channel looks like one that is gone
    if (!self->scanned)
        return;
    kith_query_plan_t *plan = kith_query_coord_find (self, channel);
    if (!plan)
        plan = s_plan_new (self, channel);
    kith_told_t *told = &plan->told [node];
    //  Told by an earlier life of this actor: the next plan says what becomes of it
    if (!told->has)
        told->plan = 0;
    told->has = true;
}

//  Scanning: collections, channels, indexes; then the plan

static void
s_take_channel (kith_query_coord_t *self, const kith_proto_channel_row_t *row,
                uint64_t revision, const kith_proto_collection_t *definition)
{
    kith_query_plan_t *plan = kith_query_coord_find (self, row->channel);
    if (!plan) {
        if (!definition || row->dropped)
            return;
        plan = s_plan_new (self, row->channel);
    }
    plan->seen = true;
    plan->wanted = definition && definition->loaded && !row->dropped;
    plan->revision = revision;
    kith_keep (&plan->row, &kith_proto_channel_row_table, row);
    if (definition)
        kith_keep (&plan->definition, &kith_proto_collection_table, definition);
    const kith_proto_segment_place_t none = {0};
    kith_keep (&plan->indexes, &kith_proto_segment_place_table, &none);
}

static void
s_take_rows (kith_query_coord_t *self, kith_arena_t *arena)
{
    const kith_proto_kv_rows_t *channels = self->scan.rows [KITH_SCAN_CHANNELS].row;
    for (uint32_t i = 0; i < self->plan_count; i++)
        self->plans [i]->seen = false;
    for (uint32_t i = 0; i < channels->items_count; i++) {
        const kith_proto_channel_row_t *row = kith_row_read (
            &kith_proto_channel_row_table, channels->items [i].value, arena);
        const kith_proto_collection_t *definition =
            row ? kith_scan_collection (&self->scan, row->collection, arena) : NULL;
        if (row)
            s_take_channel (self, row, channels->items [i].revision, definition);
    }
    for (uint32_t i = 0; i < self->plan_count; i++)
        self->plans [i]->wanted = self->plans [i]->wanted && self->plans [i]->seen;
}

static void
s_take_indexes (kith_query_coord_t *self, const kith_proto_kv_rows_t *rows,
                kith_arena_t *arena)
{
    kith_proto_index_row_t *indexes =
        kith_arena_alloc (arena, (rows->items_count + 1) * sizeof *indexes);
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows->items_count; i++) {
        const kith_proto_index_row_t *row =
            kith_row_read (&kith_proto_index_row_table, rows->items [i].value, arena);
        if (row)
            indexes [count++] = *row;
    }
    //  Rows come in key order: a channel's stand together
    for (uint32_t i = 0; i < count;) {
        uint32_t end = i;
        while (end < count && indexes [end].channel == indexes [i].channel)
            end++;
        kith_query_plan_t *plan = kith_query_coord_find (self, indexes [i].channel);
        const kith_proto_collection_t *definition = plan ? plan->definition.row : NULL;
        kith_proto_segment_place_t some = {.indexes = indexes + i};
        //  Those of dropped indexes have no specification; one that is being built anew serves until then
        for (uint32_t j = i; definition && j < end; j++)
            if (kith_index_spec_of (definition, indexes [j].field))
                some.indexes [some.indexes_count++] = indexes [j];
        if (plan)
            kith_keep (&plan->indexes, &kith_proto_segment_place_table, &some);
        i = end;
    }
}

void
kith_query_coord_scanned (void *arg_self, kith_ctx_t *ctx)
{
    kith_query_coord_t *self = arg_self;
    kith_arena_t arena = {0};
    s_take_rows (self, &arena);
    s_take_indexes (self, self->scan.rows [KITH_SCAN_INDEXES].row, &arena);
    kith_arena_free (&arena);
    self->scanned = true;
    kith_query_coord_plan (self, ctx);
}
