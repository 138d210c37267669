//  cmd_collection.c - zactor collection: create, list, describe, drop
//  SPDX-License-Identifier: Apache-2.0
#include "clients/admin.h"
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"
#include "clients/describe.h"
#include "clients/json.h"

//  A call; null: the failure was told and *status says how to end
static kith_msg_t *
s_call (kith_cli_t *cli, kith_msg_t *request, int *status)
{
    kith_error_t error = {0};
    kith_msg_t *answer = kith_client_call (cli->client, &request, 0, &error);
    if (!answer)
        *status = kith_cli_fail (cli, &error, NULL);
    return answer;
}

static const char *
s_plural (uint64_t count)
{
    return count == 1 ? "" : "s";
}

//  --- create

static int
s_create (kith_cli_t *cli)
{
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    const char *name = kith_cli_argument (cli, 0);
    kith_msg_t *request = kith_admin_create (
        cli->client, name, cli->parsed.arguments + 1, cli->parsed.argument_count - 1,
        (uint32_t) kith_option_count (&cli->parsed, "shards"), &error);
    if (!request)
        return kith_cli_fail (cli, &error, NULL);
    kith_proto_collection_create_t *body = request->body;
    body->auto_id = kith_cli_flag (cli, "auto-id");
    body->ok_if_same = kith_cli_flag (cli, "if-not-exists");
    int status = 0;
    kith_msg_t *answer = s_call (cli, request, &status);
    if (!answer)
        return status;
    const kith_proto_collection_described_t *made = answer->body;
    const kith_proto_collection_t *definition = &made->info.definition;
    kith_bytes_t out = {0};
    if (cli->json)
        kith_json_collection (&made->info, &out);
    else
        kith_bytes_printf (
            &out, "created collection %s (%" PRIu32 " field%s, %" PRIu32 " shard%s)",
            definition->name, definition->fields_count,
            s_plural (definition->fields_count), definition->channels_count,
            s_plural (definition->channels_count));
    kith_msg_destroy (&answer);
    return kith_cli_print (&out);
}

const kith_command_t kith_cmd_collection_create = {
    .name = "collection create",
    .purpose = "make a collection",
    .arguments =
        (const kith_argument_t []){
            {"COLLECTION", "its name", false, false},
            {"FIELD", "'NAME TYPE [key] [nullable] [l2|ip|cosine] [default JSON]'", false,
             true},
            {0}},
    .options =
        (const kith_option_t []){{"shards", 0, KITH_OPTION_COUNT, "N", "1", NULL,
                                  "parts that the rows are spread over, for life", false},
                                 {"auto-id", 0, KITH_OPTION_FLAG, NULL, NULL, NULL,
                                  "keys (int64) are made when rows come without", false},
                                 {"if-not-exists", 0, KITH_OPTION_FLAG, NULL, NULL, NULL,
                                  "an equal collection that is there is no error", false},
                                 {0}},
    .detail = "Exactly one field is the key: int64 or varchar. The metric of a vector "
              "field is\n"
              "cosine unless said otherwise. `zactor help schema` lists the types.\n",
    .examples = {"zactor collection create words 'word varchar(64) key' 'rank int64' "
                 "'vector float_vector(100) cosine' --shards 2",
                 "zactor collection create items 'id int64 key' 'v float_vector(3) l2' "
                 "'note varchar(200) nullable' --auto-id",
                 NULL},
    .run = s_create};

//  --- list

static int
s_list (kith_cli_t *cli)
{
    int status = 0;
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_msg_t *answer = s_call (cli, kith_admin_list (cli->client), &status);
    if (!answer)
        return status;
    const kith_proto_collection_listed_t *listed = answer->body;
    kith_bytes_t out = {0};
    if (cli->json)
        kith_json_collections (listed, &out);
    else {
        kith_table_t *table = kith_table_new ();
        char count [32];
        kith_table_column (table, "collection", false);
        kith_table_column (table, "rows", true);
        kith_table_column (table, "shards", true);
        for (uint32_t index = 0; index < listed->collections_count; index++) {
            const kith_proto_collection_info_t *info = &listed->collections [index];
            kith_table_printf (table, "%s", info->definition.name);
            kith_table_printf (table, "%s", kith_show_count (info->rows, count));
            kith_table_printf (table, "%" PRIu32, info->definition.channels_count);
        }
        if (listed->collections_count)
            kith_table_print (table, stdout, 0, cli->width, cli->color);
        kith_table_destroy (&table);
        kith_bytes_printf (&out, "%" PRIu32 " collection%s", listed->collections_count,
                           s_plural (listed->collections_count));
    }
    kith_msg_destroy (&answer);
    return kith_cli_print (&out);
}

const kith_command_t kith_cmd_collection_list = {
    .name = "collection list",
    .purpose = "list the collections",
    .examples = {"zactor collection list", "zactor collection list --json", NULL},
    .run = s_list};

//  --- describe

static void
s_index_text (const kith_proto_collection_info_t *info, const kith_proto_field_t *field,
              char *text, size_t size)
{
    snprintf (text, size, "%s", kith_metric_text (field->metric));
    for (uint32_t index = 0; index < info->indexes_count; index++) {
        const kith_proto_index_state_t *state = &info->indexes [index];
        if (state->field != field->id)
            continue;
        int used =
            snprintf (text, size, "%s%s%s %s, %.0f %% built", state->type,
                      *state->code ? " " : "", state->code,
                      kith_metric_text (field->metric), kith_index_built (state) * 100);
        if (used > 0 && (size_t) used < size && state->effort)
            snprintf (text + used, size - (size_t) used,
                      ", recall %.2f at effort %" PRIu32, (double) state->recall,
                      state->effort);
    }
}

static void
s_show_fields (const kith_cli_t *cli, const kith_proto_collection_info_t *info)
{
    kith_table_t *table = kith_table_new ();
    const char *const names [] = {"field", "type", "key", "null", "default", "index"};
    for (size_t index = 0; index < 6; index++)
        kith_table_column (table, names [index], false);
    for (uint32_t index = 0; index < info->definition.fields_count; index++) {
        const kith_proto_field_t *field = &info->definition.fields [index];
        kith_bytes_t type = {0};
        char text [120];
        kith_field_type (field, &type);
        s_index_text (info, field, text, sizeof text);
        kith_table_printf (table, "%s", field->name);
        kith_table_cell (table, (const char *) type.data, type.size);
        kith_table_printf (table, "%s", field->key ? "yes" : "");
        kith_table_printf (table, "%s", field->nullable ? "yes" : "no");
        kith_table_printf (table, "%s", field->has_default ? field->default_value : "");
        kith_table_printf (table, "%s", text);
        kith_bytes_free (&type);
    }
    kith_table_print (table, stdout, 2, cli->width, cli->color);
    kith_table_destroy (&table);
}

static int
s_describe (kith_cli_t *cli)
{
    int status = 0;
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_msg_t *answer = s_call (
        cli, kith_admin_describe (cli->client, kith_cli_argument (cli, 0)), &status);
    if (!answer)
        return status;
    const kith_proto_collection_described_t *body = answer->body;
    const kith_proto_collection_info_t *info = &body->info;
    const kith_proto_collection_t *definition = &info->definition;
    if (cli->json) {
        kith_bytes_t out = {0};
        kith_json_collection (info, &out);
        kith_msg_destroy (&answer);
        return kith_cli_print (&out);
    }
    char rows [32], disk [32], memory [32], created [40];
    kith_time_text (definition->created, true, created);
    printf ("%s: %s row%s, %" PRIu32 " shard%s, %" PRIu32
            " partition%s, %s on disk, %s in memory, created %s%s\n",
            definition->name, kith_show_count (info->rows, rows), s_plural (info->rows),
            definition->channels_count, s_plural (definition->channels_count),
            definition->partitions_count, s_plural (definition->partitions_count),
            kith_show_size (info->disk, disk), kith_show_size (info->memory, memory),
            created, definition->loaded ? "" : ", released");
    s_show_fields (cli, info);
    kith_msg_destroy (&answer);
    return KITH_EXIT_DONE;
}

const kith_command_t kith_cmd_collection_describe = {
    .name = "collection describe",
    .purpose = "show a collection's fields, sizes and indexes",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false}, {0}},
    .examples = {"zactor collection describe words",
                 "zactor collection describe words --json", NULL},
    .run = s_describe};

//  --- drop

static int
s_drop (kith_cli_t *cli)
{
    const char *name = kith_cli_argument (cli, 0);
    char question [400];
    snprintf (question, sizeof question, "drop collection %.255s and all its rows?",
              name);
    if (!kith_cli_sure (cli, question))
        return KITH_EXIT_FAILED;
    int status = 0;
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_msg_t *answer = s_call (cli, kith_admin_drop (cli->client, name), &status);
    if (!answer)
        return status;
    kith_msg_destroy (&answer);
    kith_bytes_t out = {0};
    if (cli->json) {
        kith_bytes_printf (&out, "{\"dropped\": ");
        kith_json_put_string (&out, name, strlen (name));
        kith_bytes_printf (&out, "}");
    }
    else
        kith_bytes_printf (&out, "dropped collection %s", name);
    return kith_cli_print (&out);
}

const kith_command_t kith_cmd_collection_drop = {
    .name = "collection drop",
    .purpose = "drop a collection with its rows, files and indexes",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false}, {0}},
    .options =
        (const kith_option_t []){
            {"yes", 'y', KITH_OPTION_FLAG, NULL, NULL, NULL, "do not ask", false}, {0}},
    .examples = {"zactor collection drop words", "zactor collection drop words --yes",
                 NULL},
    .run = s_drop};
