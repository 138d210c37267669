//  admin.c - calls that make, drop and watch things; for the library and the command line
//  SPDX-License-Identifier: Apache-2.0
#include "clients/admin.h"

#include "base/limits.h"
#include "clients/describe.h"

#define FLUSH_MS 600000    //  a flush moves data
#define INDEX_WAIT_MS 3600000
#define INDEX_POLL_MS 100

static const char *
s_text (kith_msg_t *msg, const char *text)
{
    return kith_arena_strdup (&msg->arena, text ? text : "");
}

kith_msg_t *
kith_admin_create (kith_client_t *client, const char *name, const char *const *fields,
                   size_t count, uint32_t shards, kith_error_t *error)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_COLLECTION_CREATE);
    kith_proto_collection_create_t *body = msg->body;
    body->db = s_text (msg, kith_client_db (client));
    body->name = s_text (msg, name);
    body->shards = shards;
    int result = 0;
    if (count > KITH_FIELDS_MAX)
        result =
            kith_error_set (error, KITH_ERR_LIMIT, "%zu fields; at most %u are allowed",
                            count, KITH_FIELDS_MAX);
    else
        body->fields = kith_arena_alloc (&msg->arena, (count + 1) * sizeof *body->fields);
    for (size_t index = 0; index < count && result == 0; index++)
        result =
            kith_field_parse (fields [index], &body->fields [index], &msg->arena, error);
    body->fields_count = (uint32_t) count;
    if (result != 0)
        kith_msg_destroy (&msg);
    return msg;
}

kith_msg_t *
kith_admin_drop (kith_client_t *client, const char *name)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_COLLECTION_DROP);
    kith_proto_collection_drop_t *body = msg->body;
    body->db = s_text (msg, kith_client_db (client));
    body->name = s_text (msg, name);
    kith_client_forget (client, name);
    return msg;
}

kith_msg_t *
kith_admin_partition (kith_client_t *client, const char *collection, const char *name,
                      bool drop)
{
    kith_msg_t *msg =
        kith_msg_new (drop ? KITH_KIND_PARTITION_DROP : KITH_KIND_PARTITION_CREATE);
    kith_proto_partition_create_t *create = msg->body;
    kith_proto_partition_drop_t *dropping = msg->body;
    *(drop ? &dropping->db : &create->db) = s_text (msg, kith_client_db (client));
    *(drop ? &dropping->collection : &create->collection) = s_text (msg, collection);
    *(drop ? &dropping->partition : &create->partition) = s_text (msg, name);
    return msg;
}

kith_msg_t *
kith_admin_list (kith_client_t *client)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_COLLECTION_LIST);
    kith_proto_collection_list_t *body = msg->body;
    body->db = s_text (msg, kith_client_db (client));
    return msg;
}

kith_msg_t *
kith_admin_describe (kith_client_t *client, const char *name)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_COLLECTION_DESCRIBE);
    kith_proto_collection_describe_t *body = msg->body;
    body->db = s_text (msg, kith_client_db (client));
    body->name = s_text (msg, name);
    body->figures = true;
    return msg;
}

kith_msg_t *
kith_admin_flush (kith_client_t *client, const char *name)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_COLLECTION_FLUSH);
    kith_proto_collection_flush_t *body = msg->body;
    body->db = s_text (msg, kith_client_db (client));
    body->name = s_text (msg, name);
    return msg;
}

kith_msg_t *
kith_admin_load (kith_client_t *client, const char *name, uint32_t replicas, bool release)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_COLLECTION_LOAD);
    kith_proto_collection_load_t *body = msg->body;
    body->db = s_text (msg, kith_client_db (client));
    body->name = s_text (msg, name);
    body->replicas = replicas;
    body->release = release;
    return msg;
}

kith_msg_t *
kith_admin_index_describe (kith_client_t *client, const char *name)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_INDEX_DESCRIBE);
    kith_proto_index_describe_t *body = msg->body;
    body->db = s_text (msg, kith_client_db (client));
    body->collection = s_text (msg, name);
    return msg;
}

kith_msg_t *
kith_admin_index_drop (kith_client_t *client, const char *name, const char *field)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_INDEX_DROP);
    kith_proto_index_drop_t *body = msg->body;
    body->db = s_text (msg, kith_client_db (client));
    body->collection = s_text (msg, name);
    body->field = s_text (msg, field);
    return msg;
}

kith_msg_t *
kith_admin_stop (kith_client_t *client, const char *process)
{
    (void) client;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_STOP);
    kith_proto_stop_t *body = msg->body;
    body->process = s_text (msg, process);
    return msg;
}

int
kith_admin_do (kith_client_t *client, kith_msg_t **request_p, int timeout_ms,
               kith_error_t *error)
{
    kith_msg_t *answer = kith_client_call (client, request_p, timeout_ms, error);
    int result = answer ? 0 : -1;
    kith_msg_destroy (&answer);
    return result;
}

//  --- Indexes

//  Let some time go by, and the client do its work meanwhile
static void
s_pause (kith_client_t *client, int ms)
{
    int64_t until_us = kith_client_now_us () + (int64_t) ms * 1000;
    for (int64_t left = ms; left > 0; left = (until_us - kith_client_now_us ()) / 1000)
        kith_client_poll (client, (int) left);
}

//  The state of one field's index; 1: there is one, 0: none, -1: error
static int
s_state (kith_client_t *client, const char *name, uint32_t field,
         kith_proto_index_state_t *state, kith_arena_t *arena, kith_error_t *error)
{
    kith_msg_t *msg = kith_admin_index_describe (client, name);
    kith_msg_t *answer = kith_client_call (client, &msg, 0, error);
    if (!answer)
        return -1;
    const kith_proto_index_described_t *body = answer->body;
    int found = 0;
    for (uint32_t index = 0; index < body->indexes_count && !found; index++) {
        if (body->indexes [index].field != field)
            continue;
        kith_arena_free (arena);
        const kith_proto_index_state_t *copy = kith_codec_copy (
            &kith_proto_index_state_table, &body->indexes [index], arena);
        *state = *copy;
        found = 1;
    }
    kith_msg_destroy (&answer);
    return found;
}

static int
s_wait_built (kith_client_t *client, const char *name, uint32_t field,
              const kith_index_options_t *options, kith_proto_index_state_t *state,
              kith_arena_t *arena, kith_error_t *error)
{
    int wait_ms = options->wait_ms > 0 ? options->wait_ms : INDEX_WAIT_MS;
    int64_t until_us = kith_client_now_us () + (int64_t) wait_ms * 1000;
    for (;;) {
        int found = s_state (client, name, field, state, arena, error);
        if (found < 0)
            return -1;
        if (!found)
            return kith_error_set (error, KITH_ERR_INDEX_NOT_FOUND,
                                   "%s: the index was dropped while it was built", name);
        if (state->built >= state->rows && state->loaded >= state->rows)
            return 0;
        if (state->failed [0])
            return kith_error_set (error, KITH_ERR_INTERNAL, "%s: the index %s: %s", name,
                                   state->built >= state->rows ? "is built, but not used"
                                                               : "was not built",
                                   state->failed);
        uint64_t built = state->built + state->done;
        built = built < state->rows ? built : state->rows;
        bool go_on =
            !options->progress
            || options->progress (options->arg, built, state->loaded, state->rows);
        if (!go_on)
            return kith_error_set (error, KITH_ERR_CANCELLED,
                                   "stopped waiting; the index is built further");
        if (kith_client_now_us () > until_us)
            return kith_error_set (error, KITH_ERR_TIMEOUT,
                                   "%s: %" PRIu64 " of %" PRIu64
                                   " rows are indexed after %d s; the build goes on",
                                   name, state->built, state->rows, wait_ms / 1000);
        s_pause (client, INDEX_POLL_MS);
    }
}

int
kith_admin_index (kith_client_t *client, const char *name, const char *field,
                  const kith_index_options_t *options, kith_proto_index_state_t *state,
                  kith_arena_t *arena, kith_error_t *error)
{
    const kith_index_options_t defaults = {0};
    kith_proto_index_state_t own_state = {0};
    kith_arena_t own_arena = {0};
    options = options ? options : &defaults;
    kith_opened_t *opened = kith_client_open (client, name, error);
    const kith_proto_field_t *found =
        opened ? kith_opened_field (opened, field, error) : NULL;
    if (!found) {
        kith_opened_destroy (&opened);
        return -1;
    }
    uint32_t id = found->id;
    kith_opened_destroy (&opened);
    kith_msg_t *msg = kith_msg_new (KITH_KIND_INDEX_CREATE);
    kith_proto_index_create_t *body = msg->body;
    body->db = s_text (msg, kith_client_db (client));
    body->collection = s_text (msg, name);
    body->field = s_text (msg, field);
    body->spec.type = s_text (msg, options->type ? options->type : "auto");
    body->spec.code = s_text (msg, options->code ? options->code : "auto");
    body->spec.lists = options->lists;
    body->spec.recall = options->recall > 0 ? options->recall : 0.95f;
    body->spec.degree = options->degree;
    body->spec.effort = options->effort;
    int result = kith_admin_do (client, &msg, FLUSH_MS, error);
    if (result == 0) {
        msg = kith_admin_flush (client, name);
        result = kith_admin_do (client, &msg, FLUSH_MS, error);
    }
    kith_client_forget (client, name);    //  its definition has another version now
    if (result == 0 && options->wait)
        result = s_wait_built (client, name, id, options, state ? state : &own_state,
                               arena ? arena : &own_arena, error);
    kith_arena_free (&own_arena);
    return result;
}
