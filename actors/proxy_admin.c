//  proxy_admin.c - definitions are passed on to the coordinators; figures and status are gathered from everybody
//  SPDX-License-Identifier: Apache-2.0
#include "actors/indexes.h"
#include "actors/proxy.h"

#define FIGURE_US 3000000    //  of one question behind a figure

//  A request passed on: its answer goes back as it came
static void
s_passed (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
          void *arg)
{
    kith_proxy_t *self = arg_self;
    kith_msg_t *request = arg;
    if (end == KITH_END_STOPPED) {
        kith_msg_destroy (&request);
        return;
    }
    if (request->kind == KITH_KIND_COLLECTION_DROP) {
        const kith_proto_collection_drop_t *drop = request->body;
        kith_proxy_forget_name (self, drop->db, drop->name);
    }
    else if (request->kind == KITH_KIND_PARTITION_CREATE) {
        const kith_proto_partition_create_t *create = request->body;
        kith_proxy_forget_name (self, create->db, create->collection);
    }
    else if (request->kind == KITH_KIND_PARTITION_DROP) {
        const kith_proto_partition_drop_t *drop = request->body;
        kith_proxy_forget_name (self, drop->db, drop->collection);
    }
    if (end == KITH_END_OK) {
        kith_msg_t *answer = kith_msg_copy (*answer_p);
        kith_ctx_reply (ctx, &request, &answer);
    }
    else
        kith_reply_end (ctx, &request, end, *answer_p);
}

static void
s_pass (kith_ctx_t *ctx, kith_msg_t **msg_p, kith_role_t role)
{
    kith_msg_t *msg = kith_msg_copy (*msg_p);
    kith_msg_t *request = *msg_p;
    *msg_p = NULL;
    kith_ctx_call (ctx, kith_actor (role, 0), &msg, kith_ctx_left_us (ctx, request),
                   s_passed, request);
}

//  What a gathering knows of one collection
typedef struct {
    kith_kept_t definition;
    kith_kept_t indexes;    //  kith_proto_index_described_t
    kith_address_t *delegators;
    uint64_t rows, disk, memory;
    kith_loaded_t loaded;
    uint32_t growing, sealed, indexed, loading;
    bool behind;     //  a channel has not applied all of its log
    bool unknown;    //  a question was not answered
} figures_t;

//  Questions to many, answered together. Steps: definitions; routes and indexes; figures of each channel.
typedef struct {
    kith_proxy_t *proxy;
    kith_msg_t *request;
    kith_msg_t *answer;    //  being written
    figures_t *collections;
    uint32_t count;
    uint32_t out;    //  questions not back
    uint32_t step;
    const char *waiting;    //  status: for what
    char waiting_text [200];
    kith_arena_t arena;
    kith_proto_log_route_t *logs;    //  status: as data_coord told
    uint32_t log_count;
} gather_t;

//  One question of a gathering
typedef struct {
    gather_t *gather;
    uint32_t collection;
    uint32_t channel;    //  index in the definition, or of a process
    uint32_t log;
} question_t;

static void s_step (kith_proxy_t *self, kith_ctx_t *ctx, gather_t *gather);

static void
s_gather_free (gather_t *gather)
{
    for (uint32_t i = 0; i < gather->count; i++) {
        kith_kept_free (&gather->collections [i].definition);
        kith_kept_free (&gather->collections [i].indexes);
        free (gather->collections [i].delegators);
    }
    free (gather->collections);
    kith_arena_free (&gather->arena);
    kith_msg_destroy (&gather->request);
    kith_msg_destroy (&gather->answer);
    free (gather);
}

//  A question is back; the last one of a step begins the next. True while the gathering goes on.
static bool
s_question_end (question_t *question, kith_end_t end)
{
    gather_t *gather = question->gather;
    free (question);
    gather->out--;
    if (end != KITH_END_STOPPED)
        return true;
    if (!gather->out)
        s_gather_free (gather);
    return false;
}

static void
s_ask (kith_ctx_t *ctx, gather_t *gather, kith_address_t to, kith_msg_t **msg_p,
       kith_reply_fn *fn, question_t where)
{
    question_t *question = kith_new (sizeof *question);
    *question = where;
    question->gather = gather;
    gather->out++;
    kith_ctx_call (ctx, to, msg_p, FIGURE_US, fn, question);
}

static const kith_proto_collection_t *
s_definition (const figures_t *figures)
{
    return figures->definition.row;
}

//  Step 2: figures of a channel

static void
s_counted (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    question_t *question = arg;
    gather_t *gather = question->gather;
    figures_t *figures = &gather->collections [question->collection];
    if (end == KITH_END_OK)
        figures->rows += ((const kith_proto_rows_t *) (*answer_p)->body)->count;
    else
        figures->unknown = true;
    if (s_question_end (question, end))
        s_step (self, ctx, gather);
}

static void
s_stated (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    question_t *question = arg;
    gather_t *gather = question->gather;
    figures_t *figures = &gather->collections [question->collection];
    if (end == KITH_END_OK) {
        const kith_proto_channel_stated_t *state = (*answer_p)->body;
        figures->disk += state->disk;
        figures->memory += state->memory;
        for (uint32_t i = 0; i < state->loaded_count; i++)
            kith_loaded_add (&figures->loaded, &state->loaded [i]);
        figures->growing += state->growing;
        figures->sealed += state->sealed;
        figures->indexed += state->indexed;
        figures->loading += state->loading;
        for (uint32_t i = 0; i < gather->log_count; i++)
            if (gather->logs [i].log == question->log
                && gather->logs [i].last > state->covered)
                figures->behind = true;
    }
    else
        figures->unknown = true;
    if (s_question_end (question, end))
        s_step (self, ctx, gather);
}

static void
s_ask_figures (kith_ctx_t *ctx, gather_t *gather, bool count)
{
    for (uint32_t i = 0; i < gather->count; i++) {
        figures_t *figures = &gather->collections [i];
        const kith_proto_collection_t *definition = s_definition (figures);
        for (uint32_t j = 0; definition->loaded && j < definition->channels_count; j++) {
            const question_t where = {
                .collection = i, .channel = j, .log = definition->channels [j].log};
            if (figures->delegators [j].role != KITH_ROLE_QUERY_NODE) {
                figures->unknown = true;
                continue;
            }
            kith_msg_t *msg = kith_msg_new (KITH_KIND_CHANNEL_STATE);
            kith_proto_channel_state_t *state = msg->body;
            state->channel = definition->channels [j].channel;
            s_ask (ctx, gather, figures->delegators [j], &msg, s_stated, where);
            if (!count)
                continue;
            msg = kith_msg_new (KITH_KIND_QUERY);
            kith_proto_query_t *query = msg->body;
            query->channel = definition->channels [j].channel;
            query->count = true;
            s_ask (ctx, gather, figures->delegators [j], &msg, s_counted, where);
        }
    }
}

//  Step 1: where the channels are answered, how far the indexes are

static void
s_routed (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    question_t *question = arg;
    gather_t *gather = question->gather;
    figures_t *figures = &gather->collections [question->collection];
    const kith_proto_collection_t *definition = s_definition (figures);
    if (end == KITH_END_OK) {
        const kith_proto_channel_routes_t *routes = (*answer_p)->body;
        for (uint32_t i = 0; i < routes->channels_count; i++)
            for (uint32_t j = 0; j < definition->channels_count; j++)
                if (definition->channels [j].channel == routes->channels [i].channel)
                    figures->delegators [j] =
                        kith_address_from (&routes->channels [i].delegator);
    }
    if (s_question_end (question, end))
        s_step (self, ctx, gather);
}

static void
s_indexed (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    question_t *question = arg;
    gather_t *gather = question->gather;
    if (end == KITH_END_OK)
        kith_keep (&gather->collections [question->collection].indexes,
                   &kith_proto_index_described_table, (*answer_p)->body);
    if (s_question_end (question, end))
        s_step (self, ctx, gather);
}

static void
s_ask_routes (kith_ctx_t *ctx, gather_t *gather, bool indexes)
{
    for (uint32_t i = 0; i < gather->count; i++) {
        const kith_proto_collection_t *definition =
            s_definition (&gather->collections [i]);
        if (!definition->loaded)
            continue;
        const question_t where = {.collection = i};
        kith_msg_t *msg = kith_msg_new (KITH_KIND_ROUTE_CHANNELS);
        kith_proto_route_channels_t *route = msg->body;
        route->collection = definition->id;
        s_ask (ctx, gather, kith_actor (KITH_ROLE_QUERY_COORD, 0), &msg, s_routed, where);
        if (!indexes || !definition->indexes_count)
            continue;
        msg = kith_msg_new (KITH_KIND_INDEX_DESCRIBE);
        kith_proto_index_describe_t *describe = msg->body;
        describe->id = definition->id;
        s_ask (ctx, gather, kith_actor (KITH_ROLE_INDEX_COORD, 0), &msg, s_indexed,
               where);
    }
}

//  Step 0: definitions

static void
s_add_definition (gather_t *gather, const kith_proto_collection_t *definition)
{
    figures_t *figures = &gather->collections [gather->count++];
    kith_keep (&figures->definition, &kith_proto_collection_table, definition);
    figures->delegators =
        kith_new ((definition->channels_count + 1) * sizeof *figures->delegators);
}

static void
s_defined (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    question_t *question = arg;
    gather_t *gather = question->gather;
    if (end == KITH_END_OK && (*answer_p)->kind == KITH_KIND_COLLECTION_LISTED) {
        const kith_proto_collection_listed_t *listed = (*answer_p)->body;
        gather->collections =
            kith_new ((listed->collections_count + 1) * sizeof *gather->collections);
        for (uint32_t i = 0; i < listed->collections_count; i++)
            s_add_definition (gather, &listed->collections [i].definition);
    }
    else if (end == KITH_END_OK) {
        gather->collections = kith_new (sizeof *gather->collections);
        const kith_proto_collection_described_t *described = (*answer_p)->body;
        s_add_definition (gather, &described->info.definition);
    }
    else if (end != KITH_END_STOPPED && gather->request->kind != KITH_KIND_STATUS) {
        kith_reply_end (ctx, &gather->request, end, *answer_p);
        gather->step = UINT32_MAX;
    }
    else if (end != KITH_END_STOPPED)
        gather->waiting = "root_coord";
    if (s_question_end (question, end))
        s_step (self, ctx, gather);
}

static void
s_ask_definitions (kith_ctx_t *ctx, gather_t *gather, const char *db, const char *name,
                   uint64_t id)
{
    const question_t where = {0};
    kith_msg_t *msg;
    if (name || id) {
        msg = kith_msg_new (KITH_KIND_COLLECTION_DESCRIBE);
        kith_proto_collection_describe_t *describe = msg->body;
        describe->db = kith_arena_strdup (&msg->arena, db);
        describe->name = kith_arena_strdup (&msg->arena, name ? name : "");
        describe->id = id;
    }
    else {
        msg = kith_msg_new (KITH_KIND_COLLECTION_LIST);
        kith_proto_collection_list_t *list = msg->body;
        list->db = kith_arena_strdup (&msg->arena, db);
    }
    s_ask (ctx, gather, kith_actor (KITH_ROLE_ROOT_COORD, 0), &msg, s_defined, where);
}

//  Status asks more in step 0

static void
s_process (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    question_t *question = arg;
    gather_t *gather = question->gather;
    kith_proto_cluster_status_t *status = gather->answer->body;
    kith_proto_process_info_t *info = &status->processes [question->channel];
    if (end == KITH_END_OK) {
        const kith_proto_process_stated_t *stated = (*answer_p)->body;
        *info = *(const kith_proto_process_info_t *) kith_codec_copy (
            &kith_proto_process_info_table, &stated->info, &gather->answer->arena);
        info->up = true;
    }
    else {
        info->name =
            kith_arena_printf (&gather->answer->arena, "process %u", question->channel);
        gather->waiting = info->name;
    }
    if (s_question_end (question, end))
        s_step (self, ctx, gather);
}

static void
s_logs (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    question_t *question = arg;
    gather_t *gather = question->gather;
    kith_proto_cluster_status_t *status = gather->answer->body;
    if (end == KITH_END_OK) {
        const kith_proto_log_routes_t *routes = kith_codec_copy (
            &kith_proto_log_routes_table, (*answer_p)->body, &gather->answer->arena);
        gather->logs = status->logs = routes->logs;
        gather->log_count = status->logs_count = routes->logs_count;
        for (uint32_t i = 0; i < routes->logs_count; i++)
            if (!routes->logs [i].open) {
                kith_error_t error;
                kith_log_refused (&routes->logs [i], i, &error);
                gather->waiting = kith_arena_strdup (&gather->arena, error.message);
            }
    }
    else
        gather->waiting = "data_coord";
    if (s_question_end (question, end))
        s_step (self, ctx, gather);
}

static void
s_topology (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    question_t *question = arg;
    gather_t *gather = question->gather;
    kith_proto_cluster_status_t *status = gather->answer->body;
    if (end == KITH_END_OK) {
        const kith_proto_topology_t *topology = (*answer_p)->body;
        status->topology = topology->version;
        if (strcmp (topology->text, kith_ctx_cluster (ctx)->topology) != 0)
            status->differs = "this process's file differs from the committed topology";
    }
    if (s_question_end (question, end))
        s_step (self, ctx, gather);
}

static void
s_ask_cluster (kith_ctx_t *ctx, gather_t *gather)
{
    kith_proto_cluster_status_t *status = gather->answer->body;
    status->cluster =
        kith_arena_strdup (&gather->answer->arena, kith_ctx_cluster (ctx)->name);
    status->differs = status->waiting = "";
    const uint32_t count = kith_ctx_role_count (ctx, KITH_ROLE_SUPERVISOR);
    status->processes = kith_arena_alloc (&gather->answer->arena,
                                          (count + 1) * sizeof *status->processes);
    status->processes_count = count;
    for (uint32_t i = 0; i < count; i++) {
        kith_msg_t *msg = kith_msg_new (KITH_KIND_PROCESS_STATUS);
        s_ask (ctx, gather, kith_actor (KITH_ROLE_SUPERVISOR, i), &msg, s_process,
               (question_t){.channel = i});
    }
    kith_msg_t *msg = kith_msg_new (KITH_KIND_ROUTE_LOGS);
    s_ask (ctx, gather, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg, s_logs,
           (question_t){0});
    msg = kith_msg_new (KITH_KIND_TOPOLOGY_GET);
    s_ask (ctx, gather, kith_actor (KITH_ROLE_ROOT_COORD, 0), &msg, s_topology,
           (question_t){0});
}

//  Answers

static void
s_index_states (const figures_t *figures, kith_proto_index_state_t **states,
                uint32_t *count, kith_arena_t *arena)
{
    const kith_proto_index_described_t *described = figures->indexes.row;
    *count = 0;
    if (!described)
        return;
    const kith_proto_index_described_t *copy =
        kith_codec_copy (&kith_proto_index_described_table, described, arena);
    *states = copy->indexes;
    *count = copy->indexes_count;
    for (uint32_t i = 0; i < *count; i++) {
        kith_proto_index_state_t *state = &(*states) [i];
        state->loaded = kith_loaded_rows (&figures->loaded, state->field, state->spec);
        state->loaded = state->loaded < state->rows ? state->loaded : state->rows;
    }
}

static void
s_info (const figures_t *figures, kith_proto_collection_info_t *info, kith_arena_t *arena)
{
    info->definition = *(const kith_proto_collection_t *) kith_codec_copy (
        &kith_proto_collection_table, figures->definition.row, arena);
    info->rows = figures->rows;
    info->disk = figures->disk;
    info->memory = figures->memory;
    info->growing = figures->growing;
    info->sealed = figures->sealed;
    info->indexed = figures->indexed;
    s_index_states (figures, &info->indexes, &info->indexes_count, arena);
}

static void
s_status_ready (gather_t *gather)
{
    kith_proto_cluster_status_t *status = gather->answer->body;
    for (uint32_t i = 0; i < gather->count; i++) {
        const figures_t *figures = &gather->collections [i];
        const kith_proto_collection_t *definition = s_definition (figures);
        if (definition->loaded
            && (figures->unknown || figures->loading || figures->behind)) {
            snprintf (gather->waiting_text, sizeof gather->waiting_text,
                      "collection %.160s", definition->name);
            gather->waiting = gather->waiting_text;
        }
    }
    status->ready = !gather->waiting;
    if (gather->waiting)
        status->waiting = kith_arena_strdup (&gather->answer->arena, gather->waiting);
}

static void
s_finish (kith_ctx_t *ctx, gather_t *gather)
{
    kith_msg_t *answer = gather->answer;
    if (gather->request->kind == KITH_KIND_STATUS)
        s_status_ready (gather);
    else if (answer->kind == KITH_KIND_COLLECTION_LISTED) {
        kith_proto_collection_listed_t *listed = answer->body;
        listed->collections = kith_arena_alloc (
            &answer->arena, (gather->count + 1) * sizeof *listed->collections);
        listed->collections_count = gather->count;
        for (uint32_t i = 0; i < gather->count; i++)
            s_info (&gather->collections [i], &listed->collections [i], &answer->arena);
    }
    else if (answer->kind == KITH_KIND_INDEX_DESCRIBED) {
        kith_proto_index_described_t *described = answer->body;
        s_index_states (&gather->collections [0], &described->indexes,
                        &described->indexes_count, &answer->arena);
    }
    else {
        kith_proto_collection_described_t *described = answer->body;
        s_info (&gather->collections [0], &described->info, &answer->arena);
    }
    kith_ctx_reply (ctx, &gather->request, &gather->answer);
    s_gather_free (gather);
}

static void
s_step (kith_proxy_t *self, kith_ctx_t *ctx, gather_t *gather)
{
    (void) self;
    while (!gather->out) {
        //  The request was answered already
        if (gather->step == UINT32_MAX) {
            s_gather_free (gather);
            return;
        }
        const kith_kind_t kind = gather->request->kind;
        gather->step++;
        if (gather->step == 1)
            s_ask_routes (ctx, gather, kind != KITH_KIND_STATUS);
        else if (gather->step == 2)
            s_ask_figures (ctx, gather,
                           kind == KITH_KIND_COLLECTION_LIST
                               || kind == KITH_KIND_COLLECTION_DESCRIBE);
        else {
            s_finish (ctx, gather);
            return;
        }
    }
}

static void
s_gather (kith_proxy_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p, kith_kind_t answer)
{
    gather_t *gather = kith_new (sizeof *gather);
    gather->proxy = self;
    gather->request = *msg_p;
    *msg_p = NULL;
    gather->answer = kith_msg_new (answer);
    const kith_msg_t *request = gather->request;
    if (request->kind == KITH_KIND_COLLECTION_LIST) {
        const kith_proto_collection_list_t *list = request->body;
        s_ask_definitions (ctx, gather, list->db, NULL, 0);
    }
    else if (request->kind == KITH_KIND_COLLECTION_DESCRIBE) {
        const kith_proto_collection_describe_t *describe = request->body;
        s_ask_definitions (ctx, gather, describe->db, describe->name, describe->id);
    }
    else if (request->kind == KITH_KIND_INDEX_DESCRIBE) {
        const kith_proto_index_describe_t *describe = request->body;
        s_ask_definitions (ctx, gather, describe->db, describe->collection, describe->id);
    }
    else {
        s_ask_definitions (ctx, gather, "", NULL, 0);
        s_ask_cluster (ctx, gather);
    }
}

//  collection_open: the definition, and the LAST of its logs

typedef struct {
    kith_msg_t *request;
    kith_msg_t *answer;
    kith_known_t *known;
    kith_proxy_t *proxy;
    uint32_t out;
    kith_error_t error;
} open_t;

typedef struct {
    open_t *open;
    uint32_t log;
} open_last_t;

static void
s_open_end (kith_ctx_t *ctx, open_t *open)
{
    if (ctx && open->error.code)
        kith_ctx_fail (ctx, &open->request, &open->error);
    else if (ctx)
        kith_ctx_reply (ctx, &open->request, &open->answer);
    kith_msg_destroy (&open->request);
    kith_msg_destroy (&open->answer);
    kith_proxy_release (&open->known);
    free (open);
}

static void
s_open_told (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    (void) self;
    open_last_t *asked = arg;
    open_t *open = asked->open;
    const uint32_t log = asked->log;
    free (asked);
    if (end == KITH_END_OK) {
        const kith_proto_last_t *last = (*answer_p)->body;
        kith_proto_collection_opened_t *opened = open->answer->body;
        opened->since [opened->since_count++] =
            (kith_proto_position_t){.log = log, .epoch = last->epoch, .seq = last->seq};
    }
    else if (end != KITH_END_STOPPED) {
        kith_end_error (end, *answer_p, &open->error);
        kith_owners_wrong (&open->proxy->owners, log);
    }
    if (!--open->out)
        s_open_end (end == KITH_END_STOPPED ? NULL : ctx, open);
}

static void
s_open (kith_proxy_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_collection_open_t *ask = (*msg_p)->body;
    kith_known_t *known = kith_proxy_known (self, ctx, msg_p, ask->db, ask->name);
    if (!known)
        return;
    open_t *open = kith_new (sizeof *open);
    open->known = known;
    open->proxy = self;
    open->request = *msg_p;
    *msg_p = NULL;
    open->answer = kith_msg_new (KITH_KIND_COLLECTION_OPENED);
    const kith_proto_collection_t *definition = known->definition.row;
    kith_proto_collection_opened_t *opened = open->answer->body;
    opened->definition = *(const kith_proto_collection_t *) kith_codec_copy (
        &kith_proto_collection_table, definition, &open->answer->arena);
    opened->since = kith_arena_alloc (
        &open->answer->arena, (definition->channels_count + 1) * sizeof *opened->since);
    open->out = 1;
    for (uint32_t i = 0; i < definition->channels_count; i++) {
        const uint32_t log = definition->channels [i].log;
        bool first = true;
        for (uint32_t j = 0; j < i; j++)
            first = first && definition->channels [j].log != log;
        kith_address_t owner;
        if (!first)
            continue;
        if (!kith_owners_find (&self->owners, ctx, log, &owner)) {
            bool lasting;
            const kith_error_t *why = kith_owners_why (&self->owners, log, &lasting);
            if (why)
                open->error = *why;
            else
                kith_error_set (&open->error, KITH_ERR_BUSY, "log %u has no owner yet",
                                log);
            continue;
        }
        open_last_t *asked = kith_new (sizeof *asked);
        asked->open = open;
        asked->log = log;
        kith_msg_t *msg = kith_msg_new (KITH_KIND_ASK_LAST);
        ((kith_proto_ask_last_t *) msg->body)->log = log;
        open->out++;
        kith_ctx_call (ctx, owner, &msg, FIGURE_US, s_open_told, asked);
    }
    if (!--open->out)
        s_open_end (ctx, open);
}

static void
s_flush (kith_proxy_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_proto_collection_flush_t *flush = (*msg_p)->body;
    kith_known_t *known = kith_proxy_known (self, ctx, msg_p, flush->db, flush->name);
    if (!known)
        return;
    flush->id = ((const kith_proto_collection_t *) known->definition.row)->id;
    kith_proxy_release (&known);
    s_pass (ctx, msg_p, KITH_ROLE_DATA_COORD);
}

//  Told to every supervisor: each knows if it is the one that is meant
static void
s_stop (kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const uint32_t count = kith_ctx_role_count (ctx, KITH_ROLE_SUPERVISOR);
    for (uint32_t i = 0; i < count; i++) {
        kith_msg_t *msg = kith_msg_copy (*msg_p);
        msg->request = 0;
        kith_ctx_send (ctx, kith_actor (KITH_ROLE_SUPERVISOR, i), &msg);
    }
    kith_reply_ok (ctx, msg_p);
}

bool
kith_proxy_admin (kith_proxy_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_kind_t kind = (*msg_p)->kind;
    if (kind == KITH_KIND_COLLECTION_CREATE || kind == KITH_KIND_COLLECTION_DROP
        || kind == KITH_KIND_INDEX_CREATE || kind == KITH_KIND_INDEX_DROP
        || kind == KITH_KIND_COLLECTION_LOAD || kind == KITH_KIND_PARTITION_CREATE
        || kind == KITH_KIND_PARTITION_DROP)
        s_pass (ctx, msg_p, KITH_ROLE_ROOT_COORD);
    else if (kind == KITH_KIND_COLLECTION_LIST)
        s_gather (self, ctx, msg_p, KITH_KIND_COLLECTION_LISTED);
    else if (kind == KITH_KIND_COLLECTION_DESCRIBE) {
        if (((const kith_proto_collection_describe_t *) (*msg_p)->body)->figures)
            s_gather (self, ctx, msg_p, KITH_KIND_COLLECTION_DESCRIBED);
        else
            s_pass (ctx, msg_p, KITH_ROLE_ROOT_COORD);
    }
    else if (kind == KITH_KIND_INDEX_DESCRIBE)
        s_gather (self, ctx, msg_p, KITH_KIND_INDEX_DESCRIBED);
    else if (kind == KITH_KIND_STATUS)
        s_gather (self, ctx, msg_p, KITH_KIND_CLUSTER_STATUS);
    else if (kind == KITH_KIND_COLLECTION_OPEN)
        s_open (self, ctx, msg_p);
    else if (kind == KITH_KIND_COLLECTION_FLUSH)
        s_flush (self, ctx, msg_p);
    else if (kind == KITH_KIND_STOP)
        s_stop (ctx, msg_p);
    else if (kind == KITH_KIND_PING)
        kith_reply_ok (ctx, msg_p);
    else
        return false;
    return true;
}
