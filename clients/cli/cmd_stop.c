//  cmd_stop.c - zactor stop: end a process, or all, in order
//  SPDX-License-Identifier: Apache-2.0
#include "clients/admin.h"
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"

#define STOP_MS 30000

//  Waits until the server's end of the connection is gone
static bool
s_wait_gone (kith_cli_t *cli, int timeout_ms)
{
    int64_t until_us = kith_client_now_us () + (int64_t) timeout_ms * 1000;
    while (kith_client_connected (cli->client)) {
        if (kith_client_now_us () > until_us)
            return false;
        kith_client_poll (cli->client, 10);
    }
    return true;
}

static int
s_run (kith_cli_t *cli)
{
    const char *process = kith_cli_text (cli, "process");
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    int timeout_ms = kith_cli_timeout_ms (cli, STOP_MS);
    kith_msg_t *request = kith_admin_stop (cli->client, process);
    bool done = kith_admin_do (cli->client, &request, timeout_ms, &error) == 0;
    //  A server that is gone before its answer left has stopped too
    bool gone = !kith_client_connected (cli->client) && error.code == KITH_ERR_TIMEOUT;
    if (!done && !gone)
        return kith_cli_fail (cli, &error, NULL);
    if (!process && !s_wait_gone (cli, timeout_ms)) {
        kith_error_set (&error, KITH_ERR_TIMEOUT,
                        "the server was asked to stop and still answers after %d s",
                        timeout_ms / 1000);
        return kith_cli_fail (cli, &error, NULL);
    }
    kith_bytes_t out = {0};
    char took [32];
    if (cli->json)
        kith_bytes_printf (&out, "{\"stopped\": true, \"ms\": %.1f}", kith_cli_ms (cli));
    else
        kith_bytes_printf (&out, "stopped%s%s in %s", process ? " " : "",
                           process ? process : "",
                           kith_show_ms (kith_cli_ms (cli), took));
    return kith_cli_print (&out);
}

const kith_command_t kith_cmd_stop = {
    .name = "stop",
    .purpose = "end the server, in order",
    .options = (const kith_option_t []){{"process", 0, KITH_OPTION_TEXT, "NAME", NULL,
                                         NULL, "only this process of the cluster", false},
                                        {0}},
    .examples = {"zactor stop", "zactor stop --process q1", NULL},
    .run = s_run};
