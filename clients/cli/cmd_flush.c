//  cmd_flush.c - zactor flush, load, release
//  SPDX-License-Identifier: Apache-2.0
#include "clients/admin.h"
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"

#define LONG_MS 600000    //  these move data

static int
s_flush (kith_cli_t *cli)
{
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    kith_msg_t *request = kith_admin_flush (cli->client, kith_cli_argument (cli, 0));
    kith_msg_t *answer = kith_client_call (cli->client, &request,
                                           kith_cli_timeout_ms (cli, LONG_MS), &error);
    if (!answer)
        return kith_cli_fail (cli, &error, NULL);
    const kith_proto_flushed_t *flushed = answer->body;
    kith_bytes_t out = {0};
    char rows [32], bytes [32], took [32];
    if (cli->json)
        kith_bytes_printf (&out,
                           "{\"segments\": %" PRIu32 ", \"rows\": %" PRIu64
                           ", \"bytes\": %" PRIu64 ", \"ms\": %.1f}",
                           flushed->segments, flushed->rows, flushed->bytes,
                           kith_cli_ms (cli));
    else
        kith_bytes_printf (&out, "flushed %" PRIu32 " segment%s (%s rows, %s) in %s",
                           flushed->segments, flushed->segments == 1 ? "" : "s",
                           kith_show_count (flushed->rows, rows),
                           kith_show_size (flushed->bytes, bytes),
                           kith_show_ms (kith_cli_ms (cli), took));
    kith_msg_destroy (&answer);
    return kith_cli_print (&out);
}

const kith_command_t kith_cmd_flush = {
    .name = "flush",
    .purpose = "move a collection's newest rows from the log into files",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false}, {0}},
    .detail = "Never needed: rows are durable and searchable at once. An index build "
              "does it.\n",
    .examples = {"zactor flush words", "zactor flush words --json", NULL},
    .run = s_flush};

static int
s_load_or_release (kith_cli_t *cli, bool release)
{
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    const char *name = kith_cli_argument (cli, 0);
    uint32_t replicas =
        release ? 0 : (uint32_t) kith_option_count (&cli->parsed, "replicas");
    kith_msg_t *request = kith_admin_load (cli->client, name, replicas, release);
    if (kith_admin_do (cli->client, &request, kith_cli_timeout_ms (cli, LONG_MS), &error)
        != 0)
        return kith_cli_fail (cli, &error, NULL);
    kith_bytes_t out = {0};
    if (cli->json)
        kith_bytes_printf (&out, "{\"loaded\": %s, \"ms\": %.1f}",
                           release ? "false" : "true", kith_cli_ms (cli));
    else
        kith_bytes_printf (&out, "%s %s", release ? "released" : "loaded", name);
    return kith_cli_print (&out);
}

static int
s_load (kith_cli_t *cli)
{
    return s_load_or_release (cli, false);
}

static int
s_release (kith_cli_t *cli)
{
    return s_load_or_release (cli, true);
}

const kith_command_t kith_cmd_load = {
    .name = "load",
    .purpose = "make a released collection searchable again",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false}, {0}},
    .options = (const kith_option_t []){{"replicas", 0, KITH_OPTION_COUNT, "N", "1", NULL,
                                         "query nodes that hold each row", false},
                                        {0}},
    .examples = {"zactor load words", "zactor load words --replicas 1", NULL},
    .run = s_load};

const kith_command_t kith_cmd_release = {
    .name = "release",
    .purpose = "take a collection out of memory; its rows stay on disk",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false}, {0}},
    .examples = {"zactor release words", "zactor release words --json", NULL},
    .run = s_release};
