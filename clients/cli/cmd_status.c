//  cmd_status.c - zactor status: processes, actors, logs; --wait until all is searchable
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"
#include "clients/describe.h"

#define WAIT_MS 60000
#define POLL_MS 50

//  "meta root_coord query_node/1 (loading 3 of 8 segments)"
static void
s_actors (const kith_proto_process_info_t *process, kith_bytes_t *out)
{
    for (uint32_t index = 0; index < process->actors_count; index++) {
        const kith_proto_actor_status_t *actor = &process->actors [index];
        kith_role_t role = kith_role_of_name (actor->role);
        bool node = role == KITH_ROLE_QUERY_NODE || role == KITH_ROLE_DATA_NODE
                    || role == KITH_ROLE_INDEX_NODE;
        kith_bytes_printf (out, "%s%s", index ? " " : "", actor->role);
        if (node || actor->index)
            kith_bytes_printf (out, "/%" PRIu32, actor->index);
        bool up = strcmp (actor->state, "up") == 0;
        if (actor->note [0])
            kith_bytes_printf (out, " (%s)", actor->note);
        else if (!up && actor->state [0])
            kith_bytes_printf (out, " (%s)", actor->state);
    }
}

static void
s_process (kith_table_t *table, const kith_proto_process_info_t *process)
{
    char age [32], memory [32];
    kith_bytes_t actors = {0};
    kith_table_printf (table, "%s", process->name);
    const char *endpoint = process->endpoint [0] ? process->endpoint : process->listen;
    kith_table_printf (table, "%s", endpoint);
    if (!process->up) {
        kith_table_printf (table, "%s", "");
        kith_table_printf (table, "%s", "down");
        kith_table_printf (table, "%s", "");
        kith_table_printf (table, "%s", "");
        kith_table_printf (table, "%s", "");
        return;
    }
    double seconds = (double) process->up_ms / 1000;
    kith_table_printf (table, "%" PRIu32, process->pid);
    kith_table_printf (table, "%s", kith_show_age (process->up_ms, age));
    kith_table_printf (table, "%.0f %%", seconds > 0 ? process->cpu / seconds * 100 : 0);
    kith_table_printf (table, "%s", kith_show_size (process->rss, memory));
    s_actors (process, &actors);
    kith_table_cell (table, (const char *) actors.data, actors.size);
    kith_bytes_free (&actors);
}

static void
s_closed (const kith_proto_log_route_t *log)
{
    char age [32];
    if (!log->code) {
        printf ("  log %" PRIu32 ": nobody has it open\n", log->log);
        return;
    }
    printf ("  log %" PRIu32 ": %s/%" PRIu32 " cannot open it, for %s: %s\n", log->log,
            kith_role_name ((kith_role_t) log->owner.role), log->owner.index,
            kith_show_age (log->failed_ms, age), log->reason);
    if (log->hint [0])
        printf ("    hint: %s\n", log->hint);
}

static void
s_logs (const kith_proto_cluster_status_t *status)
{
    char last [32], bytes [32];
    for (uint32_t index = 0; index < status->logs_count; index++) {
        const kith_proto_log_route_t *log = &status->logs [index];
        if (!log->open) {
            s_closed (log);
            continue;
        }
        printf ("  log %" PRIu32 ": %s/%" PRIu32 " epoch %" PRIu64
                ", %s records, %s since checkpoint\n",
                log->log, kith_role_name ((kith_role_t) log->owner.role),
                log->owner.index, log->epoch, kith_show_count (log->last, last),
                kith_show_size (log->bytes, bytes));
    }
}

static void
s_show (const kith_cli_t *cli, const kith_proto_cluster_status_t *status)
{
    static const struct {
        const char *name;
        bool right;
    } columns [] = {{"process", false}, {"endpoint", false}, {"pid", true},
                    {"up", true},       {"cpu", true},       {"memory", true},
                    {"actors", false}};
    uint32_t up = 0;
    for (uint32_t index = 0; index < status->processes_count; index++)
        up += status->processes [index].up;
    printf ("cluster %s, topology %" PRIu64 ", %" PRIu32 " process%s, ", status->cluster,
            status->topology, status->processes_count,
            status->processes_count == 1 ? "" : "es");
    if (up == status->processes_count)
        printf ("all up\n");
    else
        printf ("%" PRIu32 " up\n", up);
    kith_table_t *table = kith_table_new ();
    for (size_t index = 0; index < sizeof columns / sizeof columns [0]; index++)
        kith_table_column (table, columns [index].name, columns [index].right);
    for (uint32_t index = 0; index < status->processes_count; index++)
        s_process (table, &status->processes [index]);
    kith_table_print (table, stdout, 2, 0, cli->color);
    kith_table_destroy (&table);
    s_logs (status);
    const kith_proto_process_info_t *first = status->processes;
    if (status->processes_count && (first->kernels [0] || first->blas [0]))
        printf ("  kernels: %s   BLAS: %s\n", first->kernels,
                first->blas [0] ? first->blas : "-");
    if (status->differs [0])
        printf ("  the topology differs: %s\n", status->differs);
    if (!status->ready)
        printf ("  not ready: %s\n", status->waiting [0] ? status->waiting : "starting");
}

static bool
s_ready (const kith_msg_t *answer)
{
    const kith_proto_cluster_status_t *status = answer->body;
    return status->ready;
}

static void
s_pause (kith_cli_t *cli, int ms)
{
    int64_t until_us = kith_client_now_us () + (int64_t) ms * 1000;
    for (int64_t left = ms; left > 0; left = (until_us - kith_client_now_us ()) / 1000)
        kith_client_poll (cli->client, (int) left);
}

//  Asks until everything is searchable; an answer in the end, or null (told)
static kith_msg_t *
s_wait (kith_cli_t *cli, int *exit_status)
{
    int wait_ms = kith_cli_timeout_ms (cli, WAIT_MS);
    int64_t until_us = kith_client_now_us () + (int64_t) wait_ms * 1000;
    kith_error_t error = {0};
    char waiting [200] = "nothing answers";
    for (;;) {
        int64_t left_ms = (until_us - kith_client_now_us ()) / 1000;
        kith_msg_t *request = kith_msg_new (KITH_KIND_STATUS);
        int timeout_ms = left_ms < 2000 ? left_ms > 1 ? (int) left_ms : 1 : 2000;
        kith_msg_t *answer = kith_client_call (cli->client, &request, timeout_ms, &error);
        if (answer && s_ready (answer))
            return answer;
        if (answer) {
            const kith_proto_cluster_status_t *status = answer->body;
            snprintf (waiting, sizeof waiting, "%s", status->waiting);
            kith_msg_destroy (&answer);
        }
        else
            snprintf (waiting, sizeof waiting, "%.180s", error.message);
        if (kith_client_now_us () >= until_us)
            break;
        s_pause (cli, POLL_MS);
    }
    kith_error_set (&error, KITH_ERR_TIMEOUT, "not ready after %d s: %s", wait_ms / 1000,
                    waiting);
    *exit_status = kith_cli_fail (cli, &error, NULL);
    return NULL;
}

static int
s_run (kith_cli_t *cli)
{
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    int exit_status = KITH_EXIT_DONE;
    kith_msg_t *answer;
    if (kith_cli_flag (cli, "wait"))
        answer = s_wait (cli, &exit_status);
    else {
        kith_error_t error = {0};
        kith_msg_t *request = kith_msg_new (KITH_KIND_STATUS);
        answer = kith_client_call (cli->client, &request, 0, &error);
        if (!answer)
            exit_status = kith_cli_fail (cli, &error, NULL);
    }
    if (!answer)
        return exit_status;
    if (cli->json) {
        kith_bytes_t out = {0};
        kith_json_status (answer->body, &out);
        exit_status = kith_cli_print (&out);
    }
    else
        s_show (cli, answer->body);
    kith_msg_destroy (&answer);
    return exit_status;
}

const kith_command_t kith_cmd_status = {
    .name = "status",
    .purpose = "show processes, actors and logs",
    .options =
        (const kith_option_t []){{"wait", 0, KITH_OPTION_FLAG, NULL, NULL, NULL,
                                  "return once everything that was there is searchable "
                                  "(at most --timeout, or 60s)",
                                  false},
                                 {0}},
    .examples = {"zactor status", "zactor status --wait --timeout 30s", NULL},
    .run = s_run};
