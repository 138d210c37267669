//  query_load.c - sealed segments held here: load, catch up with the deaths, READY, unload (H1-H5)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/query_node.h"

#define CATCH_CREDIT (2u << 20)
#define READY_US 1000000

//  H2 on the IO pool: snapshot, death list, index
typedef struct {
    kith_held_t *held;
    kith_query_channel_t *channel;
    kith_objects_t *objects;
    kith_schema_t *schema;
    uint64_t cluster;
    kith_kept_t place;
    kith_segment_t *rows;              //  given: only indexes are loaded
    uint64_t memory_max;               //  bytes of memory that indexes may still take
    bool damaged;                      //  in simulation: the first index does not open
    bool loaded [KITH_INDEXES_MAX];    //  of the place's indexes
    kith_refused_index_t refused [KITH_INDEXES_MAX];
    uint32_t refused_count;
    kith_error_t error;
    int rc;
} load_t;

kith_held_t *
kith_query_held (const kith_query_channel_t *channel, uint64_t segment)
{
    for (uint32_t i = 0; i < channel->held_count; i++)
        if (channel->held [i]->segment == segment)
            return channel->held [i];
    return NULL;
}

bool
kith_query_attached (const kith_query_channel_t *channel, uint64_t segment)
{
    const kith_held_t *held = kith_query_held (channel, segment);
    return held && held->state == KITH_HELD_ATTACHED
           && kith_segment_applied (held->rows) >= channel->applied;
}

void
kith_query_held_free (kith_held_t **self_p)
{
    kith_held_t *self = *self_p;
    if (!self)
        return;
    kith_segment_destroy (&self->rows);
    kith_kept_free (&self->place);
    free (self);
    *self_p = NULL;
}

static void
s_ready_told (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
              void *arg)
{
    kith_query_node_t *self = arg_self;
    kith_query_channel_t *channel = arg;
    (void) answer_p;
    if (kith_query_back (channel) || end == KITH_END_STOPPED || end == KITH_END_OK)
        return;
    //  The delegator does not know of it: every segment of the channel is told again
    for (uint32_t i = 0; i < channel->held_count; i++)
        channel->held [i]->told = false;
    kith_query_retry (self, ctx);
}

static void
s_tell_indexes (const kith_held_t *held, kith_proto_segment_ready_t *ready,
                kith_arena_t *arena)
{
    ready->index = "";
    ready->loaded = kith_arena_alloc (arena, KITH_INDEXES_MAX * sizeof *ready->loaded);
    for (uint32_t i = 0; i < held->index_count; i++) {
        const kith_held_index_t *index = &held->indexes [i];
        ready->index = kith_arena_strdup (arena, index->type);
        ready->recall = index->recall;
        ready->effort = index->effort;
        ready->loaded [ready->loaded_count++] = (kith_proto_index_loaded_t){
            index->field, index->spec, kith_segment_rows (held->rows)};
    }
}

//  READY, to the delegator wherever it is, until it says that it has it
void
kith_query_tell_ready (kith_query_node_t *self, kith_ctx_t *ctx, kith_held_t *held)
{
    const kith_query_channel_t *channel = held->channel;
    const kith_proto_segment_place_t *place = held->place.row;
    if (held->state != KITH_HELD_ATTACHED || held->told)
        return;
    held->told = true;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_SEGMENT_READY);
    kith_proto_segment_ready_t *ready = msg->body;
    ready->channel = channel->id;
    ready->segment = held->segment;
    ready->base = place->segment.base;
    ready->applied_to = kith_segment_applied (held->rows);
    ready->rows = kith_segment_rows (held->rows);
    s_tell_indexes (held, ready, &msg->arena);
    ready->memory = kith_segment_memory (held->rows);
    ready->object = kith_arena_strdup (&msg->arena, held->snapshot);
    const kith_address_t me = kith_ctx_self (ctx);
    if (channel->ready_to.role == me.role && channel->ready_to.index == me.index) {
        held->told = kith_query_ready (self, ctx, ready, me);
        kith_msg_destroy (&msg);
        if (!held->told)
            kith_query_retry (self, ctx);
    }
    else {
        held->channel->uses++;
        kith_ctx_call (ctx, channel->ready_to, &msg, READY_US, s_ready_told,
                       held->channel);
    }
}

static void
s_load_free (load_t **self_p)
{
    load_t *self = *self_p;
    kith_segment_destroy (&self->rows);
    kith_schema_destroy (&self->schema);
    kith_kept_free (&self->place);
    free (self);
    *self_p = NULL;
}

static int
s_load_rows (load_t *load)
{
    const kith_proto_segment_place_t *place = load->place.row;
    const kith_proto_segment_row_t *row = &place->segment;
    //  A new life may be told to hold something before it is welcomed
    if (!load->cluster)
        return kith_error_set (&load->error, KITH_ERR_BUSY,
                               "the cluster's id is not known yet");
    if (kith_objects_check (load->objects, load->cluster, &load->error))
        return -1;
    load->rows = kith_segment_of_row (load->objects, load->cluster, load->schema, row,
                                      &load->error);
    return load->rows ? 0 : -1;
}

//  Bytes that an index takes when it is loaded, as its builder measured them
static uint64_t
s_index_memory (const kith_proto_index_row_t *row)
{
    return row->memory ? row->memory : row->bytes;
}

static int
s_load_index (load_t *load, const kith_proto_index_row_t *row)
{
    const uint64_t memory = s_index_memory (row);
    if (load->damaged) {
        load->damaged = false;
        return kith_error_set (&load->error, KITH_ERR_CORRUPT,
                               "object %s is damaged, the simulation says", row->object);
    }
    if (memory > load->memory_max)
        return kith_error_set (&load->error, KITH_ERR_NO_MEMORY,
                               "its index %s takes %" PRIu64 " bytes of memory, %" PRIu64
                               " of index_memory are left: it is searched exactly",
                               row->object, memory, load->memory_max);
    kith_container_t *index =
        kith_container_open (load->objects, row->object, KITH_FILE_INDEX, load->cluster,
                             row->hash, row->bytes, &load->error);
    if (!index || kith_segment_set_index (load->rows, row->field, &index, &load->error))
        return -1;
    load->memory_max -= memory;
    return 0;
}

//  One that no later try will open, or that has no room
static bool
s_is_refused (const kith_error_t *error)
{
    return error->code == KITH_ERR_CORRUPT || error->code == KITH_ERR_VERSION
           || error->code == KITH_ERR_NOT_FOUND || error->code == KITH_ERR_NO_MEMORY;
}

static void
s_refuse (load_t *load, const kith_proto_index_row_t *row)
{
    kith_refused_index_t *refused = &load->refused [load->refused_count++];
    refused->field = row->field;
    if (load->error.code == KITH_ERR_NO_MEMORY)
        refused->memory = s_index_memory (row);
    snprintf (refused->object, sizeof refused->object, "%s", row->object);
    snprintf (refused->reason, sizeof refused->reason, "%.199s", load->error.message);
}

static void
s_load (void *arg)
{
    load_t *load = arg;
    if (!load->rows)
        load->rc = s_load_rows (load);
    //  A segment without its index still answers, exactly
    const kith_proto_segment_place_t *place = load->place.row;
    for (uint32_t i = 0; !load->rc && i < place->indexes_count; i++) {
        load->loaded [i] = s_load_index (load, &place->indexes [i]) == 0;
        if (!load->loaded [i] && s_is_refused (&load->error))
            s_refuse (load, &place->indexes [i]);
    }
}

//  The next hello tells it again, as long as the place names it
void
kith_query_tell_refused (kith_ctx_t *ctx, const kith_held_t *held)
{
    for (uint32_t i = 0; i < held->refused_count && held->wanted; i++) {
        const kith_refused_index_t *refused = &held->refused [i];
        kith_msg_t *msg = kith_msg_new (KITH_KIND_INDEX_REFUSED);
        kith_proto_index_refused_t *told = msg->body;
        told->channel = held->channel->id;
        told->segment = held->segment;
        told->field = refused->field;
        told->sound = refused->memory > 0;
        told->object = kith_arena_strdup (&msg->arena, refused->object);
        told->reason = kith_arena_strdup (&msg->arena, refused->reason);
        kith_ctx_call (ctx, kith_actor (KITH_ROLE_INDEX_COORD, 0), &msg, KITH_CALL_US,
                       kith_end_ignored, NULL);
    }
}

static bool
s_held_refused (const kith_held_t *held, const char *object, uint64_t memory_left)
{
    for (uint32_t i = 0; i < held->refused_count; i++)
        if (!strcmp (held->refused [i].object, object)
            && (!held->refused [i].memory || held->refused [i].memory > memory_left))
            return true;
    return false;
}

static kith_held_index_t *
s_held_index (kith_held_t *held, uint32_t field)
{
    for (uint32_t i = 0; i < held->index_count; i++)
        if (held->indexes [i].field == field)
            return &held->indexes [i];
    return NULL;
}

static void
s_hold_index (kith_held_t *held, const kith_proto_index_row_t *row)
{
    kith_held_index_t *index = s_held_index (held, row->field);
    if (!index && held->index_count == KITH_INDEXES_MAX)
        return;
    if (!index)
        index = &held->indexes [held->index_count++];
    *index = (kith_held_index_t){.field = row->field,
                                 .spec = row->spec,
                                 .recall = row->recall,
                                 .effort = row->effort,
                                 .memory = s_index_memory (row)};
    snprintf (index->object, sizeof index->object, "%s", row->object);
    snprintf (index->type, sizeof index->type, "%s", row->type);
    for (uint32_t i = held->refused_count; i--;)
        if (held->refused [i].field == row->field)
            held->refused [i] = held->refused [--held->refused_count];
}

static void
s_hold_refused (kith_held_t *held, const kith_refused_index_t *refused)
{
    uint32_t place = 0;
    while (place < held->refused_count && held->refused [place].field != refused->field)
        place++;
    if (place == KITH_INDEXES_MAX)
        return;
    held->refused [place] = *refused;
    held->refused_count += place == held->refused_count;
}

static void
s_loaded (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    kith_query_node_t *self = arg_self;
    load_t *load = arg;
    kith_query_channel_t *channel = load->channel;
    kith_held_t *held = load->held;
    held->busy = false;
    if (kith_query_back (channel)) {
        s_load_free (&load);
        return;
    }
    const kith_proto_segment_place_t *place = load->place.row;
    if (load->error.code)
        kith_ctx_log (ctx, 'e', "channel %" PRIu64 " segment %" PRIu64 ": %s",
                      channel->id, held->segment, load->error.message);
    if (load->rc) {
        //  Told again by query_coord's next look: the row may have a newer death list by then
        held->failed = true;
        kith_query_refresh (self, ctx, channel, false);
        kith_query_unused (self, ctx, channel);
    }
    else {
        if (!held->rows) {
            held->rows = kith_segment_share (load->rows);
            held->state = KITH_HELD_CATCHING;
            snprintf (held->snapshot, sizeof held->snapshot, "%s",
                      place->segment.snapshot);
        }
        for (uint32_t i = 0; i < place->indexes_count; i++)
            if (load->loaded [i])
                s_hold_index (held, &place->indexes [i]);
        for (uint32_t i = 0; i < load->refused_count; i++)
            s_hold_refused (held, &load->refused [i]);
        kith_query_tell_refused (ctx, held);
        held->told = false;
        if (!channel->following)
            kith_query_follow_start (self, ctx, channel,
                                     kith_segment_applied (held->rows), false);
        kith_query_tell_ready (self, ctx, held);
        kith_query_attach (self, ctx, channel);
    }
    s_load_free (&load);
}

uint64_t
kith_query_memory_left (const kith_query_node_t *self, const kith_ctx_t *ctx)
{
    const uint64_t left = kith_ctx_cluster (ctx)->index_memory;
    if (!left)
        return UINT64_MAX;
    uint64_t taken = 0;
    for (uint32_t i = 0; i < self->channel_count; i++) {
        const kith_query_channel_t *channel = self->channels [i];
        for (uint32_t j = 0; j < channel->held_count; j++)
            for (uint32_t k = 0; k < channel->held [j]->index_count; k++)
                taken += channel->held [j]->indexes [k].memory;
        for (uint32_t j = 0; j < channel->growing_count; j++)
            taken += kith_segment_index_memory (channel->growing [j]);
    }
    return taken < left ? left - taken : 0;
}

bool
kith_query_has_room (const kith_query_node_t *self, const kith_ctx_t *ctx,
                     const kith_held_t *held)
{
    for (uint32_t i = 0; i < held->refused_count && held->wanted; i++)
        if (held->refused [i].memory
            && held->refused [i].memory <= kith_query_memory_left (self, ctx))
            return true;
    return false;
}

static void
s_start_load (kith_query_node_t *self, kith_ctx_t *ctx, kith_held_t *held)
{
    //  Indexes that are loaded need no second time
    const kith_proto_segment_place_t *told = held->place.row;
    const uint64_t memory_left = kith_query_memory_left (self, ctx);
    kith_proto_index_row_t fresh [KITH_INDEXES_MAX];
    kith_proto_segment_place_t place = *told;
    place.indexes = fresh;
    place.indexes_count = 0;
    for (uint32_t i = 0; i < told->indexes_count; i++) {
        const kith_held_index_t *index = s_held_index (held, told->indexes [i].field);
        if ((!held->rows || !index
             || strcmp (index->object, told->indexes [i].object) != 0)
            && !s_held_refused (held, told->indexes [i].object, memory_left)
            && place.indexes_count < KITH_INDEXES_MAX)
            fresh [place.indexes_count++] = told->indexes [i];
    }
    if (held->busy || !held->wanted || (held->rows && !place.indexes_count))
        return;
    load_t *load = kith_new (sizeof *load);
    load->held = held;
    load->channel = held->channel;
    load->objects = self->objects;
    load->cluster = kith_ctx_cluster (ctx)->id;
    load->schema = kith_schema_share (held->channel->schema);
    load->memory_max = memory_left;
    load->damaged = place.indexes_count && kith_ctx_buggify (ctx, "index-damaged");
    kith_keep (&load->place, &kith_proto_segment_place_table, &place);
    if (held->rows)
        load->rows = kith_segment_share (held->rows);
    held->busy = true;
    held->failed = false;
    held->channel->uses++;
    if (kith_ctx_work (ctx, KITH_POOL_IO, s_load, s_loaded, load)) {
        held->busy = false;
        held->failed = true;
        held->channel->uses--;
        s_load_free (&load);
    }
}

//  H3 for a segment that is behind the follower: keys only, from where its death list ends

static void
s_caught (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
          void *arg)
{
    kith_query_node_t *self = arg_self;
    kith_held_t *held = arg;
    kith_query_channel_t *channel = held->channel;
    held->busy = false;
    if (kith_query_back (channel) || end == KITH_END_STOPPED)
        return;
    if (end == KITH_END_OK && (*answer_p)->kind == KITH_KIND_RECORDS) {
        const kith_proto_records_t *records = (*answer_p)->body;
        const kith_frame_t *frame = kith_msg_frame (*answer_p, records->records);
        kith_error_t error;
        kith_error_clear (&error);
        for (uint64_t at = 0, used = 0; frame && at < kith_frame_size (frame);
             at += used) {
            kith_record_t record;
            if (kith_record_open (&record, kith_frame_data (frame) + at,
                                  kith_frame_size (frame) - at, &used, NULL, NULL, &error)
                || (record.kind != KITH_RECORD_SEAL
                    && kith_segment_end (held->rows, &record, &error)))
                break;
        }
        if (!error.code && records->from <= kith_segment_applied (held->rows) + 1)
            kith_segment_cover (held->rows, records->to);
    }
    else if (end == KITH_END_OK) {
        //  H4: its death list is too old; the next plan names a newer one
        kith_segment_destroy (&held->rows);
        held->state = KITH_HELD_LOADING;
        held->failed = true;
        held->index_count = 0;
        kith_query_refresh (self, ctx, channel, false);
        kith_query_unused (self, ctx, channel);
        return;
    }
    else {
        kith_owners_wrong (&self->owners, channel->log);
        kith_query_retry (self, ctx);
        kith_query_unused (self, ctx, channel);
        return;
    }
    kith_query_attach (self, ctx, channel);
}

static void
s_catch_up (kith_query_node_t *self, kith_ctx_t *ctx, kith_held_t *held)
{
    kith_query_channel_t *channel = held->channel;
    kith_address_t owner;
    if (held->busy || !kith_owners_find (&self->owners, ctx, channel->log, &owner))
        return;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_FETCH);
    kith_proto_fetch_t *fetch = msg->body;
    fetch->channel = channel->id;
    fetch->log = channel->log;
    fetch->after = kith_segment_applied (held->rows);
    fetch->credit = CATCH_CREDIT;
    fetch->keys_only = true;
    held->busy = true;
    channel->uses++;
    kith_ctx_call (ctx, owner, &msg, KITH_CALL_US, s_caught, held);
}

void
kith_query_attach (kith_query_node_t *self, kith_ctx_t *ctx,
                   kith_query_channel_t *channel)
{
    if (channel->applying || channel->gone)
        return;
    kith_query_unused (self, ctx, channel);
    if (!channel->following)
        return;
    for (uint32_t i = 0; i < channel->held_count; i++) {
        kith_held_t *held = channel->held [i];
        if (held->state != KITH_HELD_CATCHING)
            continue;
        if (kith_segment_applied (held->rows) < channel->applied)
            s_catch_up (self, ctx, held);
        else {
            held->state = KITH_HELD_ATTACHED;
            held->told = false;
            kith_query_tell_ready (self, ctx, held);
        }
    }
}

//  H5
static bool
s_in_view (const kith_query_channel_t *channel, uint64_t segment)
{
    for (uint32_t i = 0; i < channel->view.count; i++)
        if (channel->view.items [i].segment == segment && channel->delegator)
            return true;
    return false;
}

void
kith_query_unused (kith_query_node_t *self, kith_ctx_t *ctx,
                   kith_query_channel_t *channel)
{
    (void) self;
    if (channel->applying)
        return;
    for (uint32_t i = channel->held_count; i--;) {
        kith_held_t *held = channel->held [i];
        if (held->wanted || held->busy || s_in_view (channel, held->segment))
            continue;
        kith_msg_t *msg = kith_msg_new (KITH_KIND_SEGMENT_UNUSED);
        kith_proto_segment_unused_t *unused = msg->body;
        unused->channel = channel->id;
        unused->segment = held->segment;
        kith_ctx_send (ctx, kith_actor (KITH_ROLE_QUERY_COORD, 0), &msg);
        kith_query_held_free (&channel->held [i]);
        channel->held [i] = channel->held [--channel->held_count];
    }
}

static bool
s_names_object (const kith_proto_segment_place_t *place, const char *object)
{
    for (uint32_t i = 0; i < place->indexes_count; i++)
        if (!strcmp (place->indexes [i].object, object))
            return true;
    return false;
}

//  Searches that begin from now on do not use the indexes that are named no more
static void
s_drop_indexes (kith_held_t *held, const kith_proto_segment_place_t *place)
{
    for (uint32_t i = held->refused_count; i--;)
        if (!s_names_object (place, held->refused [i].object))
            held->refused [i] = held->refused [--held->refused_count];
    for (uint32_t i = held->index_count; held->rows && !held->busy && i--;) {
        bool named = false;
        for (uint32_t j = 0; j < place->indexes_count; j++)
            named = named || place->indexes [j].field == held->indexes [i].field;
        if (named)
            continue;
        kith_segment_drop_index (held->rows, held->indexes [i].field);
        held->indexes [i] = held->indexes [--held->index_count];
    }
}

static void
s_take_place (kith_query_node_t *self, kith_ctx_t *ctx, kith_query_channel_t *channel,
              const kith_proto_segment_place_t *place)
{
    kith_held_t *held = kith_query_held (channel, place->segment.segment);
    if (!held) {
        held = kith_new (sizeof *held);
        held->channel = channel;
        held->segment = place->segment.segment;
        channel->held = kith_grow (channel->held, channel->held_count,
                                   &channel->held_capacity, sizeof (kith_held_t *));
        channel->held [channel->held_count++] = held;
    }
    held->wanted = true;
    held->told = false;
    kith_keep (&held->place, &kith_proto_segment_place_table, place);
    s_drop_indexes (held, place);
    s_start_load (self, ctx, held);
    kith_query_tell_ready (self, ctx, held);
}

void
kith_query_hold (kith_query_node_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_hold_t *hold = (*msg_p)->body;
    kith_query_channel_t *channel = kith_query_channel (self, hold->channel);
    kith_error_t error;
    if (!channel) {
        kith_schema_t *schema = kith_schema_of (&hold->definition, &error);
        if (!schema) {
            kith_ctx_fail (ctx, msg_p, &error);
            return;
        }
        channel = kith_new (sizeof *channel);
        channel->id = hold->channel;
        channel->me = kith_ctx_self (ctx).index;
        channel->schema = schema;
        self->channels =
            kith_grow (self->channels, self->channel_count, &self->channel_capacity,
                       sizeof (kith_query_channel_t *));
        self->channels [self->channel_count++] = channel;
    }
    if (hold->plan >= channel->hold_plan) {
        channel->hold_plan = hold->plan;
        channel->log = hold->log;
        channel->ready_to = kith_address_from (&hold->delegator);
        if (channel->delegator && hold->plan > channel->follow_plan
            && !kith_address_same (channel->ready_to, kith_ctx_self (ctx)))
            kith_query_undelegate (self, ctx, channel);
        kith_keep (&channel->definition, &kith_proto_collection_table, &hold->definition);
        for (uint32_t i = 0; i < channel->held_count; i++)
            channel->held [i]->wanted = false;
        for (uint32_t i = 0; i < hold->places_count; i++)
            s_take_place (self, ctx, channel, &hold->places [i]);
        kith_query_attach (self, ctx, channel);
    }
    kith_reply_ok (ctx, msg_p);
}
