//  index_coord.c - which segments need which index; who builds it; T7
//  SPDX-License-Identifier: Apache-2.0
#include "actors/common.h"
#include "actors/index_sweep.h"
#include "actors/indexes.h"
#include "actors/roles.h"
#include "actors/scan.h"

#define LOOK_US 5000000
#define BUILD_US 60000000     //  plus a millisecond a row
#define NO_ROOM_US 6000000    //  a few hellos of a query node
#define FAILURES_MAX                                                                     \
    5u    //  of one build, or refusals of what it built, before it waits for a change

enum { TAG_TICK = 1, TAG_LOOK = 2 };

//  One build that is wanted or under way
typedef struct {
    uint64_t id;
    uint64_t channel;
    uint64_t segment;
    uint32_t field;
    uint64_t spec;    //  hash of the specification
    uint64_t rows;
    uint64_t done;    //  told by the node
    bool running;
    bool built;    //  kept for its failures: the next refusal counts on
    uint32_t node;
    uint32_t failures;
    bool seen;    //  by the newest scan
    int64_t
        no_room_us;    //  when a query node said last that it has none for it; 0: none did
    char failed [200];
} job_t;

typedef struct {
    uint64_t incarnation;
    bool busy;
} node_t;

typedef struct {
    kith_lease_t lease;
    kith_scan_t scan;
    kith_sweep_t sweep;
    job_t **jobs;
    uint32_t job_count, job_capacity;
    uint64_t next_job;
    node_t *nodes;
    uint32_t node_count;
} coord_t;

static job_t *
s_job (coord_t *self, uint64_t channel, uint64_t segment, uint32_t field)
{
    for (uint32_t i = 0; i < self->job_count; i++) {
        job_t *job = self->jobs [i];
        if (job->channel == channel && job->segment == segment && job->field == field)
            return job;
    }
    return NULL;
}

static job_t *
s_job_new (coord_t *self, uint64_t channel, uint64_t segment, uint32_t field)
{
    self->jobs =
        kith_grow (self->jobs, self->job_count, &self->job_capacity, sizeof (job_t *));
    job_t *job = self->jobs [self->job_count++] = kith_new (sizeof *job);
    *job = (job_t){
        .id = ++self->next_job, .channel = channel, .segment = segment, .field = field};
    return job;
}

static job_t *
s_job_by_id (coord_t *self, uint64_t id)
{
    for (uint32_t i = 0; i < self->job_count; i++)
        if (self->jobs [i]->id == id)
            return self->jobs [i];
    return NULL;
}

static void
s_job_free (coord_t *self, job_t *job)
{
    for (uint32_t i = 0; i < self->job_count; i++)
        if (self->jobs [i] == job)
            self->jobs [i] = self->jobs [--self->job_count];
    free (job);
}

static void
s_job_failed (coord_t *self, kith_ctx_t *ctx, job_t *job, const char *reason)
{
    job->running = false;
    job->failures++;
    snprintf (job->failed, sizeof job->failed, "%s", reason);
    self->sweep.wanted = true;
    kith_ctx_log (ctx, 'w', "index of channel %" PRIu64 " segment %" PRIu64 ": %s",
                  job->channel, job->segment, reason);
    kith_scan_tick_later (&self->scan, ctx);
}

//  T7: the index row is put if the channel's row still names the segment

typedef struct {
    uint64_t job;
    kith_kept_t row;    //  kith_proto_index_row_t
} commit_t;

static void
s_commit_free (commit_t *commit)
{
    kith_kept_free (&commit->row);
    free (commit);
}

static void
s_committed (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    coord_t *self = arg_self;
    commit_t *commit = arg;
    job_t *job = s_job_by_id (self, commit->job);
    if (end == KITH_END_STOPPED || !job) {
        s_commit_free (commit);
        return;
    }
    if (!kith_txn_committed (end, *answer_p)) {
        s_commit_free (commit);
        s_job_failed (self, ctx, job,
                      "the channel's row changed while the index was committed");
        return;
    }
    kith_msg_t *msg = kith_msg_new (KITH_KIND_ROWS_CHANGED);
    ((kith_proto_rows_changed_t *) msg->body)->channel = job->channel;
    kith_ctx_send (ctx, kith_actor (KITH_ROLE_QUERY_COORD, 0), &msg);
    job->running = false;
    job->built = true;
    self->sweep.wanted = true;
    if (!job->failures)
        s_job_free (self, job);
    s_commit_free (commit);
    kith_scan_begin (&self->scan, ctx);
}

static void
s_commit_row (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
              void *arg)
{
    coord_t *self = arg_self;
    commit_t *commit = arg;
    job_t *job = s_job_by_id (self, commit->job);
    if (end == KITH_END_STOPPED || !job) {
        s_commit_free (commit);
        return;
    }
    uint64_t revision = 0;
    const kith_proto_channel_row_t *row =
        end == KITH_END_OK
            ? kith_meta_row (&kith_proto_channel_row_table, *answer_p, &revision)
            : NULL;
    bool named = false;
    for (uint32_t i = 0; row && !row->dropped && i < row->segments_count; i++)
        named = named || row->segments [i].segment == job->segment;
    if (!named) {
        s_commit_free (commit);
        s_job_failed (self, ctx, job, "the segment is gone");
        kith_scan_begin (&self->scan, ctx);
        return;
    }
    const kith_key_t channel = kith_key_channel (job->channel);
    const kith_key_t key = kith_key_index (job->channel, job->segment, job->field);
    kith_msg_t *txn = kith_txn_new (2, 1);
    kith_lease_compare (&self->lease, txn);
    kith_txn_compare (txn, channel.text, revision);
    kith_txn_put (txn, key.text, &kith_proto_index_row_table, commit->row.row);
    kith_meta_call (ctx, &txn, s_committed, commit);
}

//  An index that a query node cannot open: its row goes, if it still names that object, and it is built anew

typedef struct {
    uint64_t channel, segment;
    uint32_t field;
    uint32_t node;
    char object [KITH_KEY_MAX];
    char reason [200];
} refused_t;

static void
s_removed (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
           void *arg)
{
    coord_t *self = arg_self;
    refused_t *refused = arg;
    if (end != KITH_END_STOPPED && kith_txn_committed (end, *answer_p)) {
        job_t *job = s_job (self, refused->channel, refused->segment, refused->field);
        if (!job)
            job = s_job_new (self, refused->channel, refused->segment, refused->field);
        job->built = false;
        self->sweep.wanted = true;
        if (!job->running) {
            char reason [sizeof job->failed];
            snprintf (reason, sizeof reason,
                      "query_node/%u cannot open it, it is built anew: %.140s",
                      refused->node, refused->reason);
            s_job_failed (self, ctx, job, reason);
        }
        kith_msg_t *msg = kith_msg_new (KITH_KIND_ROWS_CHANGED);
        ((kith_proto_rows_changed_t *) msg->body)->channel = refused->channel;
        kith_ctx_send (ctx, kith_actor (KITH_ROLE_QUERY_COORD, 0), &msg);
        kith_scan_begin (&self->scan, ctx);
    }
    free (refused);
}

static void
s_remove (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
          void *arg)
{
    coord_t *self = arg_self;
    refused_t *refused = arg;
    uint64_t revision = 0;
    const kith_proto_index_row_t *row =
        end == KITH_END_OK
            ? kith_meta_row (&kith_proto_index_row_table, *answer_p, &revision)
            : NULL;
    //  It is told again until its place names another: whatever failed here comes again
    if (!row || strcmp (row->object, refused->object) != 0) {
        free (refused);
        return;
    }
    const kith_key_t key =
        kith_key_index (refused->channel, refused->segment, refused->field);
    kith_msg_t *txn = kith_txn_new (2, 1);
    kith_lease_compare (&self->lease, txn);
    kith_txn_compare (txn, key.text, revision);
    kith_txn_remove (txn, key.text);
    kith_meta_call (ctx, &txn, s_removed, refused);
}

//  Nothing is wrong with it: whoever asks how far it is learns why it is not used
static void
s_no_room (coord_t *self, kith_ctx_t *ctx, const kith_proto_index_refused_t *told,
           uint32_t node)
{
    job_t *job = s_job (self, told->channel, told->segment, told->field);
    if (!job)
        job = s_job_new (self, told->channel, told->segment, told->field);
    if (job->running)
        return;
    job->built = true;
    job->no_room_us = kith_ctx_now_us (ctx);
    snprintf (job->failed, sizeof job->failed, "query_node/%u: %.180s", node,
              told->reason);
}

static void
s_refused (coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_index_refused_t *told = (*msg_p)->body;
    const job_t *job = s_job (self, told->channel, told->segment, told->field);
    if (told->sound)
        s_no_room (self, ctx, told, (*msg_p)->from.index);
    else if (self->lease.held && !(job && job->failures >= FAILURES_MAX)) {
        refused_t *refused = kith_new (sizeof *refused);
        refused->channel = told->channel;
        refused->segment = told->segment;
        refused->field = told->field;
        refused->node = (*msg_p)->from.index;
        snprintf (refused->object, sizeof refused->object, "%s", told->object);
        snprintf (refused->reason, sizeof refused->reason, "%s", told->reason);
        const kith_key_t key = kith_key_index (told->channel, told->segment, told->field);
        kith_meta_get (ctx, key.text, s_remove, refused);
    }
    kith_reply_ok (ctx, msg_p);
}

//  Builds

typedef struct {
    uint64_t job;
    uint32_t node;
    uint64_t incarnation;
} built_t;

static void
s_built (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
         void *arg)
{
    coord_t *self = arg_self;
    const built_t built = *(const built_t *) arg;
    free (arg);
    if (end == KITH_END_STOPPED)
        return;
    node_t *node = &self->nodes [built.node];
    if (node->incarnation == built.incarnation || !node->incarnation)
        node->busy = false;
    job_t *job = s_job_by_id (self, built.job);
    if (!job || !job->running) {
        kith_scan_tick_later (&self->scan, ctx);
        return;
    }
    if (end != KITH_END_OK) {
        kith_error_t error;
        kith_end_error (end, *answer_p, &error);
        s_job_failed (self, ctx, job, error.message);
        return;
    }
    const kith_proto_index_built_t *answer = (*answer_p)->body;
    commit_t *commit = kith_new (sizeof *commit);
    commit->job = job->id;
    kith_keep (&commit->row, &kith_proto_index_row_table, &answer->row);
    const kith_key_t key = kith_key_channel (job->channel);
    kith_meta_get (ctx, key.text, s_commit_row, commit);
    kith_scan_tick_later (&self->scan, ctx);
}

//  Row of a channel, as the newest scan has it
static const kith_proto_channel_row_t *
s_channel (const coord_t *self, uint64_t id, kith_arena_t *arena)
{
    const kith_proto_kv_rows_t *rows = self->scan.rows [KITH_SCAN_CHANNELS].row;
    const kith_key_t key = kith_key_channel (id);
    for (uint32_t i = 0; rows && i < rows->items_count; i++)
        if (!strcmp (rows->items [i].key, key.text))
            return kith_row_read (&kith_proto_channel_row_table, rows->items [i].value,
                                  arena);
    return NULL;
}

static void
s_start (coord_t *self, kith_ctx_t *ctx, job_t *job, uint32_t node)
{
    kith_arena_t arena = {0};
    const kith_proto_channel_row_t *row = s_channel (self, job->channel, &arena);
    const kith_proto_collection_t *definition =
        row ? kith_scan_collection (&self->scan, row->collection, &arena) : NULL;
    kith_proto_index_build_t build = {.channel = job->channel};
    bool found = false;
    for (uint32_t i = 0; definition && i < row->segments_count; i++)
        if (row->segments [i].segment == job->segment) {
            build.segment = row->segments [i];
            found = true;
        }
    for (uint32_t i = 0; definition && i < definition->indexes_count; i++)
        if (definition->indexes [i].field == job->field)
            build.spec = definition->indexes [i];
    if (!found || !build.spec.field) {
        kith_arena_free (&arena);
        return;
    }
    build.definition = *definition;
    const kith_key_t name = kith_name_indexes (job->channel, job->segment);
    build.object = kith_arena_printf (&arena, "%s%u-%016" PRIx64, name.text, job->field,
                                      kith_ctx_random (ctx));
    kith_msg_t *msg = kith_msg_new (KITH_KIND_INDEX_BUILD);
    *(kith_proto_index_build_t *) msg->body =
        *(const kith_proto_index_build_t *) kith_codec_copy (
            &kith_proto_index_build_table, &build, &msg->arena);
    kith_arena_free (&arena);
    job->running = true;
    job->node = node;
    job->done = 0;
    self->nodes [node].busy = true;
    built_t *built = kith_new (sizeof *built);
    *built = (built_t){job->id, node, self->nodes [node].incarnation};
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_INDEX_NODE, node), &msg,
                   BUILD_US + (int64_t) job->rows * 1000, s_built, built);
}

static void
s_assign (coord_t *self, kith_ctx_t *ctx)
{
    for (uint32_t i = 0; i < self->job_count; i++) {
        job_t *job = self->jobs [i];
        if (job->running || job->built || job->failures >= FAILURES_MAX)
            continue;
        for (uint32_t node = 0; node < self->node_count; node++)
            if (!self->nodes [node].busy && self->nodes [node].incarnation) {
                s_start (self, ctx, job, node);
                break;
            }
    }
}

//  What is wanted

//  The index of a segment by this specification; null: there is none, or one that was built by another
static const kith_proto_index_row_t *
s_index (const coord_t *self, uint64_t channel, uint64_t segment,
         const kith_proto_index_spec_t *spec, kith_arena_t *arena)
{
    const kith_proto_kv_rows_t *rows = self->scan.rows [KITH_SCAN_INDEXES].row;
    const kith_key_t key = kith_key_index (channel, segment, spec->field);
    const kith_proto_index_row_t *row = NULL;
    for (uint32_t i = 0; rows && i < rows->items_count && !row; i++)
        if (!strcmp (rows->items [i].key, key.text))
            row =
                kith_row_read (&kith_proto_index_row_table, rows->items [i].value, arena);
    return row && row->spec == kith_index_spec_hash (spec) ? row : NULL;
}

//  No structure is built for it
static bool
s_is_flat (const kith_proto_index_spec_t *spec)
{
    return !strcmp (spec->type, kith_index_kind_name (KITH_INDEX_FLAT));
}

//  A query node that has no room says so again and again
static bool
s_lacks_room (const kith_ctx_t *ctx, const job_t *job)
{
    return job->no_room_us && kith_ctx_now_us (ctx) - job->no_room_us < NO_ROOM_US;
}

static void
s_want (coord_t *self, kith_ctx_t *ctx, const kith_proto_channel_row_t *row,
        const kith_proto_collection_t *definition, kith_arena_t *arena)
{
    const uint32_t least = kith_ctx_cluster (ctx)->index_rows_min;
    for (uint32_t i = 0; i < definition->indexes_count; i++) {
        const kith_proto_index_spec_t *spec = &definition->indexes [i];
        if (s_is_flat (spec))
            continue;
        for (uint32_t j = 0; j < row->segments_count; j++) {
            const kith_proto_segment_row_t *segment = &row->segments [j];
            const bool built =
                s_index (self, row->channel, segment->segment, spec, arena) != NULL;
            job_t *job = s_job (self, row->channel, segment->segment, spec->field);
            if (job && job->built) {
                job->seen = built && (job->failures || s_lacks_room (ctx, job));
                job->built = built;
                job->no_room_us = built ? job->no_room_us : 0;
            }
            if (segment->rows < least || built)
                continue;
            if (!job)
                job = s_job_new (self, row->channel, segment->segment, spec->field);
            //  Built by a specification that another one has replaced: what it makes is not taken
            else if (job->spec && job->spec != kith_index_spec_hash (spec)) {
                job->running = false;
                job->failures = 0;
                job->id = ++self->next_job;
            }
            job->spec = kith_index_spec_hash (spec);
            job->rows = segment->rows;
            job->seen = true;
        }
    }
}

static void
s_plan (void *arg_self, kith_ctx_t *ctx)
{
    coord_t *self = arg_self;
    for (uint32_t i = 0; i < self->job_count; i++)
        self->jobs [i]->seen = false;
    const kith_proto_kv_rows_t *rows = self->scan.rows [KITH_SCAN_CHANNELS].row;
    for (uint32_t i = 0; rows && i < rows->items_count; i++) {
        kith_arena_t arena = {0};
        const kith_proto_channel_row_t *row =
            kith_row_read (&kith_proto_channel_row_table, rows->items [i].value, &arena);
        const kith_proto_collection_t *definition =
            row && !row->dropped
                ? kith_scan_collection (&self->scan, row->collection, &arena)
                : NULL;
        if (definition)
            s_want (self, ctx, row, definition, &arena);
        kith_arena_free (&arena);
    }
    for (uint32_t i = self->job_count; i--;)
        if (!self->jobs [i]->seen && !self->jobs [i]->running)
            s_job_free (self, self->jobs [i]);
    s_assign (self, ctx);
    kith_sweep (&self->sweep, self, ctx, &self->scan);
}

static bool
s_is_building (void *arg_self, uint64_t channel, uint64_t segment)
{
    const coord_t *self = arg_self;
    for (uint32_t i = 0; i < self->job_count; i++)
        if (self->jobs [i]->running && self->jobs [i]->channel == channel
            && self->jobs [i]->segment == segment)
            return true;
    return false;
}

//  index_describe

//  Adds a name to a list of those that differ
static void
s_name (const char **names, const char *name, kith_arena_t *arena)
{
    if (!*name || strstr (*names, name))
        return;
    *names = **names ? kith_arena_printf (arena, "%s, %s", *names, name)
                     : kith_arena_strdup (arena, name);
}

static void
s_state_index (kith_proto_index_state_t *state, const kith_proto_index_row_t *index,
               kith_arena_t *arena)
{
    state->built += index->rows;
    state->memory += index->memory;
    if (state->recall == 0 || index->recall < state->recall)
        state->recall = index->recall;
    if (index->effort > state->effort)
        state->effort = index->effort;
    s_name (&state->type, index->type, arena);
    s_name (&state->code, index->code, arena);
}

static void
s_state (const coord_t *self, kith_ctx_t *ctx, const kith_proto_collection_t *definition,
         const kith_proto_index_spec_t *spec, kith_proto_index_state_t *state,
         kith_arena_t *arena)
{
    const uint32_t least = kith_ctx_cluster (ctx)->index_rows_min;
    for (uint32_t i = 0; i < definition->channels_count; i++) {
        const kith_proto_channel_row_t *row =
            s_channel (self, definition->channels [i].channel, arena);
        for (uint32_t j = 0; row && j < row->segments_count; j++) {
            const kith_proto_segment_row_t *segment = &row->segments [j];
            if (segment->rows < least || s_is_flat (spec))
                continue;
            state->rows += segment->rows;
            const kith_proto_index_row_t *index =
                s_index (self, row->channel, segment->segment, spec, arena);
            if (index)
                s_state_index (state, index, arena);
            for (uint32_t k = 0; k < self->job_count; k++) {
                const job_t *job = self->jobs [k];
                if (job->channel != row->channel || job->segment != segment->segment
                    || job->field != state->field)
                    continue;
                state->done += job->done;
                if (job->failures >= FAILURES_MAX || s_lacks_room (ctx, job))
                    state->failed = kith_arena_strdup (arena, job->failed);
            }
        }
    }
}

static void
s_describe (const coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_index_describe_t *ask = (*msg_p)->body;
    kith_msg_t *answer = kith_msg_new (KITH_KIND_INDEX_DESCRIBED);
    kith_proto_index_described_t *described = answer->body;
    const kith_proto_collection_t *definition =
        kith_scan_collection (&self->scan, ask->id, &answer->arena);
    if (!definition) {
        kith_msg_destroy (&answer);
        kith_refuse (ctx, msg_p, KITH_ERR_COLLECTION_NOT_FOUND,
                     "no collection with id %" PRIu64, ask->id);
        return;
    }
    described->indexes = kith_arena_alloc (
        &answer->arena, (definition->indexes_count + 1) * sizeof *described->indexes);
    for (uint32_t i = 0; i < definition->indexes_count; i++) {
        kith_proto_index_state_t *state =
            &described->indexes [described->indexes_count++];
        const kith_proto_index_spec_t *spec = &definition->indexes [i];
        *state = (kith_proto_index_state_t){.field = spec->field,
                                            .type = "",
                                            .code = "",
                                            .failed = "",
                                            .spec = kith_index_spec_hash (spec)};
        s_state (self, ctx, definition, spec, state, &answer->arena);
        if (!*state->type)
            state->type = spec->type;
    }
    kith_ctx_reply (ctx, msg_p, &answer);
}

static void
s_serve (void *arg_self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    if ((*msg_p)->kind == KITH_KIND_INDEX_DESCRIBE)
        s_describe (arg_self, ctx, msg_p);
    else
        kith_reply_ok (ctx, msg_p);
}

//  Nodes

static void
s_hello (coord_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_msg_t *msg = *msg_p;
    if (!kith_hello_is_of (ctx, msg_p, KITH_ROLE_INDEX_NODE, self->node_count))
        return;
    if (!kith_ctx_cluster (ctx)->id) {
        kith_refuse (ctx, msg_p, KITH_ERR_BUSY, "the cluster's id is not known yet");
        return;
    }
    node_t *node = &self->nodes [msg->from.index];
    if (node->incarnation != msg->from.incarnation) {
        //  What its earlier life was building is lost
        for (uint32_t i = 0; i < self->job_count; i++)
            if (self->jobs [i]->running && self->jobs [i]->node == msg->from.index)
                s_job_failed (self, ctx, self->jobs [i],
                              "the index node was started again");
        node->incarnation = msg->from.incarnation;
        node->busy = false;
        kith_scan_tick_later (&self->scan, ctx);
    }
    kith_msg_t *answer = kith_msg_new (KITH_KIND_NODE_WELCOME);
    ((kith_proto_node_welcome_t *) answer->body)->cluster = kith_ctx_cluster (ctx)->id;
    kith_ctx_reply (ctx, msg_p, &answer);
}

static void
s_progress (coord_t *self, const kith_proto_index_progress_t *progress)
{
    for (uint32_t i = 0; i < self->job_count; i++)
        if (self->jobs [i]->channel == progress->channel
            && self->jobs [i]->segment == progress->segment && self->jobs [i]->running)
            self->jobs [i]->done = progress->done;
}

static void
s_leased (void *arg_self, kith_ctx_t *ctx)
{
    coord_t *self = arg_self;
    self->scan.allowed = true;
    self->sweep.wanted = true;
    kith_scan_begin (&self->scan, ctx);
    kith_ctx_after (ctx, LOOK_US, TAG_LOOK);
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
    coord_t *self = kith_new (sizeof *self);
    self->node_count = kith_ctx_role_count (ctx, KITH_ROLE_INDEX_NODE);
    self->nodes = kith_new ((self->node_count + 1) * sizeof *self->nodes);
    self->lease = (kith_lease_t){.role = KITH_ROLE_INDEX_COORD, .ready = s_leased};
    self->scan = (kith_scan_t){.done = s_plan, .serve = s_serve, .tag = TAG_TICK};
    self->sweep = (kith_sweep_t){
        .objects = objects, .lease = &self->lease, .building = s_is_building};
    kith_lease_take (ctx, &self->lease);
    return self;
}

static void
s_handle (void *arg_self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    coord_t *self = arg_self;
    const kith_kind_t kind = (*msg_p)->kind;
    if (kind == KITH_KIND_NODE_HELLO)
        s_hello (self, ctx, msg_p);
    else if (kind == KITH_KIND_INDEX_PROGRESS) {
        s_progress (self, (*msg_p)->body);
        kith_msg_destroy (msg_p);
    }
    else if (kind == KITH_KIND_INDEX_REFUSED)
        s_refused (self, ctx, msg_p);
    else if (kind == KITH_KIND_ROWS_CHANGED || kind == KITH_KIND_INDEX_DESCRIBE) {
        for (uint32_t i = 0; kind == KITH_KIND_ROWS_CHANGED && i < self->job_count; i++)
            self->jobs [i]->failures = 0;
        kith_scan_ask (&self->scan, ctx, msg_p);
    }
    else
        kith_refuse (ctx, msg_p, KITH_ERR_UNSUPPORTED, "index_coord does not know '%s'",
                     kith_kind_name (kind));
}

static void
s_timeout (void *arg_self, kith_ctx_t *ctx, int tag)
{
    coord_t *self = arg_self;
    if (tag == KITH_TAG_LEASE)
        kith_lease_take (ctx, &self->lease);
    else if (tag == TAG_TICK) {
        kith_scan_tick (&self->scan, ctx);
        s_assign (self, ctx);
    }
    else {
        kith_scan_begin (&self->scan, ctx);
        kith_ctx_after (ctx, LOOK_US, TAG_LOOK);
    }
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    coord_t *self = *self_p;
    while (self->job_count)
        s_job_free (self, self->jobs [0]);
    free (self->jobs);
    free (self->nodes);
    kith_scan_free (&self->scan);
    kith_sweep_free (&self->sweep);
    free (self);
    *self_p = NULL;
}

const kith_behaviour_t kith_index_coord = {
    .name = "index_coord",
    .role = KITH_ROLE_INDEX_COORD,
    .init = s_init,
    .handle = s_handle,
    .timeout = s_timeout,
    .stop = s_stop,
};
