//  cmd_help.c - zactor help, completion and man
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"
#include "clients/cli/help.h"

//  Prints what ends with its own line end
static int
s_print (kith_bytes_t *text)
{
    if (text->size && text->data [text->size - 1] == '\n')
        text->size--;
    return kith_cli_print (text);
}

//  The command whose words are the arguments; null: none
static const kith_command_t *
s_command (const kith_cli_t *cli)
{
    char words [64] = "";
    for (uint32_t index = 0; index < cli->parsed.argument_count; index++) {
        size_t used = strlen (words);
        snprintf (words + used, sizeof words - used, "%s%s", index ? " " : "",
                  cli->parsed.arguments [index]);
    }
    for (const kith_command_t *const *commands = cli->commands; *commands; commands++) {
        if (strcmp ((*commands)->name, words) == 0)
            return *commands;
    }
    return NULL;
}

//  No such command or topic: the nearest one
static int
s_unknown (const kith_cli_t *cli)
{
    const char *names [80] = {NULL};
    size_t count = 0;
    for (const char *const *topics = kith_help_topics (); *topics; topics++)
        names [count++] = *topics;
    for (const kith_command_t *const *each = cli->commands; *each && count < 79; each++)
        names [count++] = (*each)->name;
    kith_error_t error;
    const char *asked = kith_cli_argument (cli, 0);
    const char *nearest = kith_nearest (asked, names);
    kith_error_set (&error, KITH_ERR_INVALID, "no command or topic '%s'", asked);
    if (nearest)
        kith_error_hint (&error, "did you mean '%s'?", nearest);
    else
        kith_error_hint (&error, "`zactor help` and `zactor help topics` list them");
    kith_cli_fail (cli, &error, NULL);
    return KITH_EXIT_USAGE;
}

static int
s_help (kith_cli_t *cli)
{
    kith_bytes_t out = {0};
    const char *first = kith_cli_argument (cli, 0);
    const kith_command_t *command = first ? s_command (cli) : NULL;
    const char *topic = first ? kith_help_topic (first) : NULL;
    if (!first)
        kith_help_all (cli->commands, cli->globals, &out);
    else if (command)
        kith_help_command (command, &out);
    else if (topic)
        kith_bytes_printf (&out, "%s", topic);
    else if (strcmp (first, "topics") == 0) {
        for (const char *const *names = kith_help_topics (); *names; names++)
            kith_bytes_printf (&out, "zactor help %s\n", *names);
    }
    else
        return s_unknown (cli);
    return s_print (&out);
}

const kith_command_t kith_cmd_help = {
    .name = "help",
    .purpose = "list the commands, or explain a command or a topic",
    .arguments = (const kith_argument_t []){{"TOPIC",
                                             "a command, or: topics filter consistency "
                                             "configuration schema import",
                                             true, true},
                                            {0}},
    .examples = {"zactor help filter", "zactor help collection create", NULL},
    .run = s_help};

static int
s_completion (kith_cli_t *cli)
{
    kith_bytes_t out = {0};
    if (!kith_help_completion (kith_cli_argument (cli, 0), cli->commands, cli->globals,
                               &out))
        return kith_cli_usage (cli, "'%s' is no shell known here: bash, zsh or fish",
                               kith_cli_argument (cli, 0));
    return s_print (&out);
}

const kith_command_t kith_cmd_completion = {
    .name = "completion",
    .purpose = "print the completion script of a shell",
    .arguments =
        (const kith_argument_t []){{"SHELL", "bash, zsh or fish", false, false}, {0}},
    .examples = {"source <(zactor completion bash)", "zactor completion fish | source",
                 NULL},
    .run = s_completion};

static int
s_man (kith_cli_t *cli)
{
    kith_bytes_t out = {0};
    const kith_command_t *command = kith_cli_argument (cli, 0) ? s_command (cli) : NULL;
    if (kith_cli_flag (cli, "markdown"))
        kith_help_markdown (cli->commands, cli->globals, &out);
    else if (kith_cli_argument (cli, 0) && !command)
        return s_unknown (cli);
    else
        kith_help_man (command, cli->commands, cli->globals, &out);
    return s_print (&out);
}

const kith_command_t kith_cmd_man = {
    .name = "man",
    .purpose = "print the man page of zactor or of a command",
    .arguments =
        (const kith_argument_t []){{"COMMAND", "which; none: zactor", true, true}, {0}},
    .options =
        (const kith_option_t []){{"markdown", 0, KITH_OPTION_FLAG, NULL, NULL, NULL,
                                  "the reference of all commands instead", false},
                                 {0}},
    .examples = {"zactor man search | man -l -", "zactor man --markdown", NULL},
    .run = s_man};
