//  requests - the messages of the simulated clients
//  SPDX-License-Identifier: Apache-2.0
#include "clients/sim/driver.h"

static const char *
s_name (kith_lane_t *lane, kith_msg_t *msg)
{
    return kith_arena_strdup (&msg->arena, lane->driver->name);
}

const char *
kith_driver_partition (const kith_driver_t *self, uint32_t partition, kith_msg_t *msg)
{
    return partition ? kith_arena_printf (&msg->arena, "part_%u_%u", partition,
                                          self->partition_names [partition])
                     : "_default";
}

static void
s_create (kith_lane_t *lane, kith_msg_t *msg)
{
    kith_proto_collection_create_t *body = msg->body;
    const kith_workload_t *workload = &lane->driver->workload;
    body->name = s_name (lane, msg);
    body->shards = workload->shards;
    body->ok_if_same = true;
    body->fields = kith_arena_alloc (&msg->arena, 3 * sizeof *body->fields);
    body->fields_count = 3;
    body->partitions = kith_arena_alloc (&msg->arena, (workload->partitions + 1)
                                                          * sizeof *body->partitions);
    for (uint32_t i = 1; i <= workload->partitions; i++)
        body->partitions [body->partitions_count++] =
            kith_driver_partition (lane->driver, i, msg);
    body->fields [0] = (kith_proto_field_t){
        .name = "id", .type = KITH_TYPE_INT64, .key = true, .default_value = ""};
    body->fields [1] = (kith_proto_field_t){
        .name = "payload", .type = KITH_TYPE_INT64, .default_value = ""};
    body->fields [2] = (kith_proto_field_t){.name = "vector",
                                            .type = KITH_TYPE_FLOAT_VECTOR,
                                            .dim = workload->dim,
                                            .metric = workload->metric,
                                            .default_value = ""};
}

static uint32_t
s_keys (const kith_lane_t *lane, kith_msg_t *msg)
{
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, lane->driver->key_field, KITH_TYPE_INT64, 0);
    for (uint32_t row = 0; row < lane->count; row++)
        kith_column_builder_int (&builder, lane->keys [row]);
    kith_bytes_t bytes = {0};
    size_t place = kith_batch_begin (&bytes, lane->count, 1);
    kith_column_builder_finish (&builder, &bytes);
    kith_batch_end (&bytes, place);
    kith_column_builder_free (&builder);
    return kith_msg_add_bytes (msg, &bytes);
}

static uint32_t
s_rows (const kith_lane_t *lane, kith_msg_t *msg)
{
    const kith_driver_t *driver = lane->driver;
    kith_column_builder_t ids, payloads, vectors;
    kith_column_builder_init (&ids, driver->key_field, KITH_TYPE_INT64, 0);
    kith_column_builder_init (&payloads, driver->payload_field, KITH_TYPE_INT64, 0);
    kith_column_builder_init (&vectors, driver->vector_field, KITH_TYPE_FLOAT_VECTOR,
                              driver->workload.dim);
    for (uint32_t row = 0; row < lane->count; row++) {
        float vector [64];
        kith_oracle_vector (driver->oracle, lane->versions [row], vector);
        kith_column_builder_int (&ids, lane->keys [row]);
        kith_column_builder_int (&payloads, (int64_t) lane->versions [row]);
        kith_column_builder_fixed (&vectors, vector);
    }
    kith_bytes_t bytes = {0};
    size_t place = kith_batch_begin (&bytes, lane->count, 3);
    kith_column_builder_finish (&ids, &bytes);
    kith_column_builder_finish (&payloads, &bytes);
    kith_column_builder_finish (&vectors, &bytes);
    kith_batch_end (&bytes, place);
    kith_column_builder_free (&ids);
    kith_column_builder_free (&payloads);
    kith_column_builder_free (&vectors);
    return kith_msg_add_bytes (msg, &bytes);
}

//  W1: set once, before the first send
static void
s_request_id (kith_lane_t *lane, kith_msg_t *msg, kith_proto_request_id_t *request,
              kith_proto_position_t **since, uint32_t *since_count)
{
    kith_driver_t *driver = lane->driver;
    uint8_t client [16] = "sim client ";
    client [15] = (uint8_t) lane->client;
    request->client.data = kith_arena_copy (&msg->arena, client, sizeof client);
    request->client.size = sizeof client;
    request->counter = ++driver->writes;
    const bool stale = kith_driver_unit (driver) < driver->workload.stale_since;
    *since = kith_arena_alloc (&msg->arena, KITH_DRIVER_LOGS_MAX * sizeof **since);
    for (uint32_t log = 0; log < driver->topology->cluster.logs; log++)
        (*since) [(*since_count)++] = (kith_proto_position_t){
            .log = log,
            .seq = stale ? driver->opened [log] : driver->known [lane->client][log]};
}

static void
s_insert (kith_lane_t *lane, kith_msg_t *msg)
{
    kith_proto_insert_t *body = msg->body;
    body->collection = s_name (lane, msg);
    body->partition = kith_driver_partition (lane->driver, lane->partition, msg);
    s_request_id (lane, msg, &body->request, &body->since, &body->since_count);
    body->rows = s_rows (lane, msg);
}

static void
s_remove (kith_lane_t *lane, kith_msg_t *msg)
{
    kith_proto_remove_t *body = msg->body;
    body->collection = s_name (lane, msg);
    s_request_id (lane, msg, &body->request, &body->since, &body->since_count);
    body->keys = s_keys (lane, msg);
}

static kith_proto_position_t *
s_token (kith_lane_t *lane, kith_msg_t *msg, uint32_t *count)
{
    kith_proto_position_t *token =
        kith_arena_alloc (&msg->arena, KITH_DRIVER_LOGS_MAX * sizeof *token);
    for (uint32_t log = 0; log < KITH_DRIVER_LOGS_MAX; log++)
        if (lane->token [log].seq)
            token [(*count)++] = lane->token [log];
    return token;
}

static const char **
s_output (kith_msg_t *msg, uint32_t *count)
{
    const char **output = kith_arena_alloc (&msg->arena, sizeof *output);
    output [0] = kith_arena_strdup (&msg->arena, "payload");
    *count = 1;
    return output;
}

static const char **
s_only (const kith_lane_t *lane, kith_msg_t *msg, uint32_t *count)
{
    if (lane->only == UINT32_MAX)
        return NULL;
    const char **names = kith_arena_alloc (&msg->arena, sizeof *names);
    names [0] = kith_driver_partition (lane->driver, lane->only, msg);
    *count = 1;
    return names;
}

static void
s_query (kith_lane_t *lane, kith_msg_t *msg)
{
    kith_proto_query_t *body = msg->body;
    body->collection = s_name (lane, msg);
    body->output = s_output (msg, &body->output_count);
    body->level = lane->level;
    body->token = s_token (lane, msg, &body->token_count);
    body->count = lane->op == KITH_OP_COUNT;
    body->partitions = s_only (lane, msg, &body->partitions_count);
    if (lane->op == KITH_OP_GET)
        body->keys = s_keys (lane, msg);
    else
        body->filter = kith_arena_printf (&msg->arena, "id >= %u and id < %u", lane->low,
                                          lane->high);
}

static void
s_search (kith_lane_t *lane, kith_msg_t *msg)
{
    kith_proto_search_t *body = msg->body;
    const uint32_t dim = lane->driver->workload.dim;
    body->collection = s_name (lane, msg);
    body->output = s_output (msg, &body->output_count);
    body->level = lane->level;
    body->token = s_token (lane, msg, &body->token_count);
    body->nq = 1;
    body->partitions = s_only (lane, msg, &body->partitions_count);
    body->k = lane->k;
    if (lane->low > 0 || lane->high < lane->driver->workload.keys)
        body->filter = kith_arena_printf (&msg->arena, "id >= %u and id < %u", lane->low,
                                          lane->high);
    kith_bytes_t bytes = {0};
    kith_bytes_put (&bytes, lane->query, dim * sizeof (float));
    body->queries = kith_msg_add_bytes (msg, &bytes);
}

static void
s_load (kith_lane_t *lane, kith_msg_t *msg)
{
    kith_proto_collection_load_t *body = msg->body;
    body->name = s_name (lane, msg);
    body->release = lane->op == KITH_OP_RELEASE;
}

static void
s_index (kith_lane_t *lane, kith_msg_t *msg)
{
    kith_proto_index_create_t *body = msg->body;
    body->collection = s_name (lane, msg);
    body->field = kith_arena_strdup (&msg->arena, "vector");
    //  Now one, now another, so that they are built anew; not by a draw, which would shift all others
    const bool lists = lane->driver->writes / 8 % 2;
    body->spec.type = kith_arena_strdup (&msg->arena, lists ? "ivf" : "graph");
    body->spec.recall = 0.95f;
}

static void
s_partition (kith_lane_t *lane, kith_msg_t *msg)
{
    const kith_driver_t *driver = lane->driver;
    kith_proto_partition_create_t *create = msg->body;
    kith_proto_partition_drop_t *drop = msg->body;
    const char *name = kith_driver_partition (driver, driver->partition, msg);
    if (lane->op == KITH_OP_PARTITION) {
        drop->collection = s_name (lane, msg);
        drop->partition = name;
    }
    else {
        create->collection = s_name (lane, msg);
        create->partition = name;
    }
}

//  A message whose body is a name alone
static void
s_named (kith_lane_t *lane, kith_msg_t *msg)
{
    kith_proto_collection_open_t *open = msg->body;
    kith_proto_collection_flush_t *flush = msg->body;
    kith_proto_collection_drop_t *drop = msg->body;
    if (lane->op == KITH_OP_OPEN)
        open->name = s_name (lane, msg);
    else if (lane->op == KITH_OP_FLUSH)
        flush->name = s_name (lane, msg);
    else
        drop->name = s_name (lane, msg);
}

static kith_kind_t
s_kind (kith_op_t op)
{
    switch (op) {
        case KITH_OP_NONE:
            return KITH_KIND_PING;
        case KITH_OP_INSERT:
            return KITH_KIND_INSERT;
        case KITH_OP_REMOVE:
            return KITH_KIND_REMOVE;
        case KITH_OP_GET:
        case KITH_OP_RANGE:
        case KITH_OP_COUNT:
            return KITH_KIND_QUERY;
        case KITH_OP_SEARCH:
            return KITH_KIND_SEARCH;
        case KITH_OP_FLUSH:
            return KITH_KIND_COLLECTION_FLUSH;
        case KITH_OP_INDEX:
            return KITH_KIND_INDEX_CREATE;
        case KITH_OP_RELEASE:
        case KITH_OP_LOAD:
            return KITH_KIND_COLLECTION_LOAD;
        case KITH_OP_DROP:
            return KITH_KIND_COLLECTION_DROP;
        case KITH_OP_CREATE:
            return KITH_KIND_COLLECTION_CREATE;
        case KITH_OP_OPEN:
            return KITH_KIND_COLLECTION_OPEN;
        case KITH_OP_PARTITION:
            return KITH_KIND_PARTITION_DROP;
        case KITH_OP_PARTITION_MAKE:
            return KITH_KIND_PARTITION_CREATE;
    }
    return KITH_KIND_PING;
}

void
kith_lane_build (kith_lane_t *lane)
{
    kith_msg_t *msg = kith_msg_new (s_kind (lane->op));
    switch (lane->op) {
        case KITH_OP_NONE:
            break;
        case KITH_OP_INSERT:
            s_insert (lane, msg);
            break;
        case KITH_OP_REMOVE:
            s_remove (lane, msg);
            break;
        case KITH_OP_GET:
        case KITH_OP_RANGE:
        case KITH_OP_COUNT:
            s_query (lane, msg);
            break;
        case KITH_OP_SEARCH:
            s_search (lane, msg);
            break;
        case KITH_OP_INDEX:
            s_index (lane, msg);
            break;
        case KITH_OP_RELEASE:
        case KITH_OP_LOAD:
            s_load (lane, msg);
            break;
        case KITH_OP_CREATE:
            s_create (lane, msg);
            break;
        case KITH_OP_FLUSH:
        case KITH_OP_DROP:
        case KITH_OP_OPEN:
            s_named (lane, msg);
            break;
        case KITH_OP_PARTITION:
        case KITH_OP_PARTITION_MAKE:
            s_partition (lane, msg);
            break;
    }
    lane->request = msg;
}
