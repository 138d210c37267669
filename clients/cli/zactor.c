//  zactor.c - the launcher: finds the command, prepares what all have, runs it
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"
#include "clients/cli/help.h"
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const kith_option_t s_globals [] = {
    {"connect", 0, KITH_OPTION_TEXT, "ENDPOINT", KITH_CLIENT_ENDPOINT, NULL,
     "proxy to ask (ZACTOR_CONNECT); several with commas", false},
    {"config", 0, KITH_OPTION_FILE, "FILE", NULL, NULL, "configuration, for run and sim",
     false},
    {"db", 0, KITH_OPTION_TEXT, "NAME", "", NULL, "database", false},
    {"timeout", 0, KITH_OPTION_TIME, "TIME", "5s", NULL,
     "how long one request may take, retries included", false},
    {"json", 0, KITH_OPTION_FLAG, NULL, NULL, NULL, "answer in JSON", false},
    {"quiet", 'q', KITH_OPTION_FLAG, NULL, NULL, NULL, "no progress and notes", false},
    {"no-color", 0, KITH_OPTION_FLAG, NULL, NULL, NULL, "no colour (NO_COLOR)", false},
    {"version", 0, KITH_OPTION_FLAG, NULL, NULL, NULL, "print the version", false},
    {"help", 'h', KITH_OPTION_FLAG, NULL, NULL, NULL, "explain the command", false},
    {0}};

const kith_option_t *
kith_cli_globals (void)
{
    return s_globals;
}

const kith_command_t *const *
kith_cli_commands (void)
{
    static const kith_command_t *const commands [] = {
        &kith_cmd_run,
        &kith_cmd_status,
        &kith_cmd_stop,
        &kith_cmd_collection_create,
        &kith_cmd_collection_list,
        &kith_cmd_collection_describe,
        &kith_cmd_collection_drop,
        &kith_cmd_partition_create,
        &kith_cmd_partition_list,
        &kith_cmd_partition_drop,
        &kith_cmd_index_create,
        &kith_cmd_index_describe,
        &kith_cmd_index_drop,
        &kith_cmd_insert,
        &kith_cmd_import,
        &kith_cmd_delete,
        &kith_cmd_search,
        &kith_cmd_query,
        &kith_cmd_flush,
        &kith_cmd_load,
        &kith_cmd_release,
        &kith_cmd_dump_log,
        &kith_cmd_dump_snapshot,
        &kith_cmd_dump_message,
        &kith_cmd_dump_metadata,
        &kith_cmd_sim,
        &kith_cmd_completion,
        &kith_cmd_man,
        &kith_cmd_help,
        NULL,
    };
    return commands;
}

static void
s_prepare (kith_cli_t *cli)
{
    struct winsize window;
    //  NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
    const char *no_color = getenv ("NO_COLOR");
    cli->json = kith_option_flag (&cli->parsed, "json");
    cli->quiet = kith_option_flag (&cli->parsed, "quiet");
    cli->terminal = isatty (STDOUT_FILENO);
    cli->color = cli->terminal && !kith_option_flag (&cli->parsed, "no-color")
                 && !(no_color && *no_color);
    if (cli->terminal && ioctl (STDOUT_FILENO, TIOCGWINSZ, &window) == 0)
        cli->width = window.ws_col;
}

//  What is asked of zactor itself
static int
s_help (const kith_cli_t *cli)
{
    kith_bytes_t out = {0};
    if (kith_option_flag (&cli->parsed, "version"))
        kith_bytes_printf (&out, "zactor %s (Kith)\n", KITH_VERSION);
    else if (cli->parsed.command)
        kith_help_command (cli->parsed.command, &out);
    else if (kith_option_flag (&cli->parsed, "help"))
        kith_help_all (cli->commands, cli->globals, &out);
    else
        kith_help_short (&out);
    out.size--;    //  print ends the line
    return kith_cli_print (&out);
}

int
main (int argc, char **argv)
{
    //  `zactor dump ... | head` ends quietly, as other tools do
    signal (SIGPIPE, SIG_DFL);
    kith_cli_t cli = {.start_us = kith_client_now_us (),
                      .commands = kith_cli_commands (),
                      .globals = s_globals};
    kith_error_t error = {0};
    int result =
        kith_options_parse (&cli.parsed, cli.commands, s_globals, argc, argv, &error);
    s_prepare (&cli);
    if (result != 0) {
        kith_cli_fail (&cli, &error, NULL);
        return KITH_EXIT_USAGE;
    }
    bool help = kith_option_flag (&cli.parsed, "help")
                || kith_option_flag (&cli.parsed, "version") || !cli.parsed.command;
    int status = help ? s_help (&cli) : cli.parsed.command->run (&cli);
    kith_client_destroy (&cli.client);
    return status;
}
