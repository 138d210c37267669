//  cmd_partition.c - zactor partition: create, list, drop
//  SPDX-License-Identifier: Apache-2.0
#include "clients/admin.h"
#include "clients/answer.h"
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"
#include "clients/json.h"

//  {"VERB": "NAME"}, or a sentence
static int
s_told (kith_cli_t *cli, const char *verb)
{
    const char *collection = kith_cli_argument (cli, 0);
    const char *name = kith_cli_argument (cli, 1);
    kith_bytes_t out = {0};
    if (cli->json) {
        kith_bytes_printf (&out, "{\"%s\": ", verb);
        kith_json_put_string (&out, name, strlen (name));
        kith_bytes_printf (&out, "}");
    }
    else
        kith_bytes_printf (&out, "%s partition %s of %s", verb, name, collection);
    return kith_cli_print (&out);
}

static int
s_do (kith_cli_t *cli, bool drop, const char *verb)
{
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    kith_msg_t *request = kith_admin_partition (cli->client, kith_cli_argument (cli, 0),
                                                kith_cli_argument (cli, 1), drop);
    if (kith_admin_do (cli->client, &request, 0, &error) != 0)
        return kith_cli_fail (cli, &error, NULL);
    return s_told (cli, verb);
}

//  --- create

static int
s_create (kith_cli_t *cli)
{
    return s_do (cli, false, "created");
}

const kith_command_t kith_cmd_partition_create = {
    .name = "partition create",
    .purpose = "add a partition to a collection",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false},
                                   {"PARTITION", "name of the new one", false, false},
                                   {0}},
    .detail =
        "Rows go into it by `insert --partition`; `_default` is always there. A key "
        "is there once\n"
        "in a collection: inserted into another partition, a row moves.\n",
    .examples = {"zactor partition create words seen",
                 "zactor insert words --partition seen @rows.jsonl", NULL},
    .run = s_create};

//  --- list

//  Rows of one partition; -1: error
static int64_t
s_rows (kith_cli_t *cli, const char *collection, const char *partition,
        kith_error_t *error)
{
    const kith_query_t query = {.collection = collection,
                                .count = true,
                                .partitions = &partition,
                                .partition_count = 1};
    kith_msg_t *request = kith_read_query (&query, error);
    kith_answer_t *answer =
        request ? kith_read (cli->client, collection, &request, false, error) : NULL;
    const int64_t rows = answer ? (int64_t) kith_answer_count (answer) : -1;
    kith_answer_destroy (&answer);
    return rows;
}

static int
s_show (kith_cli_t *cli, const kith_proto_collection_t *definition)
{
    kith_error_t error = {0};
    kith_bytes_t out = {0};
    kith_table_t *table = kith_table_new ();
    char count [32];
    kith_table_column (table, "partition", false);
    kith_table_column (table, "rows", true);
    kith_bytes_printf (&out, cli->json ? "{\"partitions\": [" : "");
    for (uint32_t index = 0; index < definition->partitions_count; index++) {
        const char *name = definition->partitions [index].name;
        const int64_t rows = s_rows (cli, definition->name, name, &error);
        if (rows < 0) {
            kith_table_destroy (&table);
            kith_bytes_free (&out);
            return kith_cli_fail (cli, &error, NULL);
        }
        kith_table_printf (table, "%s", name);
        kith_table_printf (table, "%s", kith_show_count ((uint64_t) rows, count));
        if (!cli->json)
            continue;
        kith_bytes_printf (&out, "%s{\"name\": ", index ? ", " : "");
        kith_json_put_string (&out, name, strlen (name));
        kith_bytes_printf (&out, ", \"rows\": %" PRId64 "}", rows);
    }
    if (cli->json)
        kith_bytes_printf (&out, "]}");
    else {
        kith_table_print (table, stdout, 0, cli->width, cli->color);
        kith_bytes_printf (&out, "%" PRIu32 " partition%s", definition->partitions_count,
                           definition->partitions_count == 1 ? "" : "s");
    }
    kith_table_destroy (&table);
    return kith_cli_print (&out);
}

static int
s_list (kith_cli_t *cli)
{
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    kith_msg_t *request = kith_admin_describe (cli->client, kith_cli_argument (cli, 0));
    ((kith_proto_collection_describe_t *) request->body)->figures = false;
    kith_msg_t *answer = kith_client_call (cli->client, &request, 0, &error);
    if (!answer)
        return kith_cli_fail (cli, &error, NULL);
    const kith_proto_collection_described_t *body = answer->body;
    const int status = s_show (cli, &body->info.definition);
    kith_msg_destroy (&answer);
    return status;
}

const kith_command_t kith_cmd_partition_list = {
    .name = "partition list",
    .purpose = "list the partitions of a collection, with their rows",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false}, {0}},
    .examples = {"zactor partition list words", "zactor partition list words --json",
                 NULL},
    .run = s_list};

//  --- drop

static int
s_drop (kith_cli_t *cli)
{
    char question [700];
    snprintf (question, sizeof question, "drop partition %.255s of %.255s and its rows?",
              kith_cli_argument (cli, 1), kith_cli_argument (cli, 0));
    if (!kith_cli_sure (cli, question))
        return KITH_EXIT_FAILED;
    return s_do (cli, true, "dropped");
}

const kith_command_t kith_cmd_partition_drop = {
    .name = "partition drop",
    .purpose = "drop a partition with its rows and files",
    .arguments = (const kith_argument_t []){{"COLLECTION", "its name", false, false},
                                            {"PARTITION", "its name", false, false},
                                            {0}},
    .options =
        (const kith_option_t []){
            {"yes", 'y', KITH_OPTION_FLAG, NULL, NULL, NULL, "do not ask", false}, {0}},
    .examples = {"zactor partition drop words seen",
                 "zactor partition drop words seen --yes", NULL},
    .run = s_drop};
