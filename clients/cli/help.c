//  help.c - help, man pages and the reference page, all from the command tables
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/help.h"

#define NAME_WIDTH 24

void
kith_help_short (kith_bytes_t *out)
{
    kith_bytes_printf (
        out,
        "zactor runs and asks Kith, a vector database (version %s).\n\n"
        "  zactor run                                     start a server here, data in "
        "./data\n"
        "  zactor collection create COLLECTION FIELD...   make a place for rows\n"
        "  zactor import COLLECTION FILE                  fill it (or: insert)\n"
        "  zactor search COLLECTION --key KEY             find the nearest rows\n"
        "  zactor status                                  what runs where\n\n"
        "zactor help lists all commands, zactor COMMAND --help explains one,\n"
        "zactor help topics tells what else is explained.\n",
        KITH_VERSION);
}

//  "-k N", "--filter TEXT"
static void
s_option_name (const kith_option_t *option, char *text, size_t size)
{
    char letter [8] = "";
    if (option->letter && strlen (option->name) > 1)
        snprintf (letter, sizeof letter, "-%c, ", option->letter);
    bool single = strlen (option->name) == 1;
    snprintf (text, size, "%s%s%s%s%s", letter, single ? "-" : "--", option->name,
              option->value ? " " : "", option->value ? option->value : "");
}

static void
s_options (const kith_option_t *table, kith_bytes_t *out)
{
    for (; table && table->name; table++) {
        char name [80];
        s_option_name (table, name, sizeof name);
        kith_bytes_printf (out, "  %-*s  %s", NAME_WIDTH, name, table->doc);
        if (table->choices)
            kith_bytes_printf (out, " (%s)", table->choices);
        if (table->fallback)
            kith_bytes_printf (out, " [%s]", table->fallback);
        if (table->many)
            kith_bytes_printf (out, "; may be repeated");
        kith_bytes_printf (out, "\n");
    }
}

static void
s_usage (const kith_command_t *command, kith_bytes_t *out)
{
    kith_bytes_printf (out, "zactor %s", command->name);
    for (const kith_argument_t *argument = command->arguments; argument && argument->name;
         argument++)
        kith_bytes_printf (out, " %s%s%s%s", argument->optional ? "[" : "",
                           argument->name, argument->many ? "..." : "",
                           argument->optional ? "]" : "");
    if (command->options)
        kith_bytes_printf (out, " [options]");
}

void
kith_help_all (const kith_command_t *const *commands, const kith_option_t *globals,
               kith_bytes_t *out)
{
    kith_bytes_printf (
        out, "usage: zactor [global options] COMMAND [arguments] [options]\n\n");
    for (; *commands; commands++)
        kith_bytes_printf (out, "  %-*s  %s\n", NAME_WIDTH, (*commands)->name,
                           (*commands)->purpose);
    kith_bytes_printf (out, "\nglobal options, before or after the command:\n");
    s_options (globals, out);
    kith_bytes_printf (
        out, "\nexit status: 0 done, 1 refused or failed, 2 wrong usage, 3 no row "
             "of that key,\n124 time-out (the outcome is unknown)\n");
}

void
kith_help_command (const kith_command_t *command, kith_bytes_t *out)
{
    kith_bytes_printf (out, "zactor %s - %s\n\nusage: ", command->name, command->purpose);
    s_usage (command, out);
    kith_bytes_printf (out, "\n\n");
    for (const kith_argument_t *argument = command->arguments; argument && argument->name;
         argument++)
        kith_bytes_printf (out, "  %-*s  %s\n", NAME_WIDTH, argument->name,
                           argument->doc);
    s_options (command->options, out);
    if (command->detail)
        kith_bytes_printf (out, "\n%s", command->detail);
    kith_bytes_printf (out, "\nexamples:\n");
    for (size_t index = 0; index < 4 && command->examples [index]; index++)
        kith_bytes_printf (out, "  %s\n", command->examples [index]);
    kith_bytes_printf (
        out, "\nglobal options (--connect, --json, --timeout ...): zactor help\n");
}

//  --- Man pages

//  Troff: a backslash, and a dot or quote that begins a line, mean something
static void
s_roff (const char *text, kith_bytes_t *out)
{
    for (bool begins = true; *text; text++) {
        if (begins && (*text == '.' || *text == '\''))
            kith_bytes_printf (out, "\\&");
        if (*text == '\\')
            kith_bytes_printf (out, "\\e");
        else if (*text == '-')
            kith_bytes_printf (out, "\\-");
        else
            kith_bytes_put_u8 (out, (uint8_t) *text);
        begins = *text == '\n';
    }
}

static void
s_roff_options (const kith_option_t *table, kith_bytes_t *out)
{
    for (; table && table->name; table++) {
        char name [80];
        s_option_name (table, name, sizeof name);
        kith_bytes_printf (out, ".TP\n.B ");
        s_roff (name, out);
        kith_bytes_printf (out, "\n");
        s_roff (table->doc, out);
        if (table->choices) {
            kith_bytes_printf (out, " (");
            s_roff (table->choices, out);
            kith_bytes_printf (out, ")");
        }
        if (table->fallback) {
            kith_bytes_printf (out, "; default: ");
            s_roff (table->fallback, out);
        }
        kith_bytes_printf (out, "\n");
    }
}

static void
s_man_command (const kith_command_t *command, kith_bytes_t *out)
{
    char name [64];
    kith_bytes_t usage = {0};
    snprintf (name, sizeof name, "zactor-%s", command->name);
    for (char *at = name; *at; at++)
        if (*at == ' ')
            *at = '-';
    kith_bytes_printf (out, ".TH %s 1 \"\" \"Kith %s\"\n.SH NAME\n", name, KITH_VERSION);
    s_roff (name, out);
    kith_bytes_printf (out, " \\- ");
    s_roff (command->purpose, out);
    kith_bytes_printf (out, "\n.SH SYNOPSIS\n.B ");
    s_usage (command, &usage);
    kith_bytes_put_u8 (&usage, 0);
    s_roff ((const char *) usage.data, out);
    kith_bytes_free (&usage);
    kith_bytes_printf (out, "\n.SH DESCRIPTION\n");
    if (command->detail)
        s_roff (command->detail, out);
    for (const kith_argument_t *argument = command->arguments; argument && argument->name;
         argument++) {
        kith_bytes_printf (out, ".TP\n.I ");
        s_roff (argument->name, out);
        kith_bytes_printf (out, "\n");
        s_roff (argument->doc, out);
        kith_bytes_printf (out, "\n");
    }
    kith_bytes_printf (out, ".SH OPTIONS\n");
    s_roff_options (command->options, out);
    kith_bytes_printf (out, ".SH EXAMPLES\n");
    for (size_t index = 0; index < 4 && command->examples [index]; index++) {
        kith_bytes_printf (out, ".PP\n.nf\n");
        s_roff (command->examples [index], out);
        kith_bytes_printf (out, "\n.fi\n");
    }
    kith_bytes_printf (out, ".SH SEE ALSO\n.BR zactor (1)\n");
}

void
kith_help_man (const kith_command_t *command, const kith_command_t *const *commands,
               const kith_option_t *globals, kith_bytes_t *out)
{
    if (command) {
        s_man_command (command, out);
        return;
    }
    kith_bytes_printf (
        out,
        ".TH zactor 1 \"\" \"Kith %s\"\n.SH NAME\nzactor \\- run and ask Kith, a "
        "vector database\n.SH SYNOPSIS\n.B zactor\n[global options] COMMAND "
        "[arguments] [options]\n.SH COMMANDS\n",
        KITH_VERSION);
    for (; *commands; commands++) {
        kith_bytes_printf (out, ".TP\n.B ");
        s_roff ((*commands)->name, out);
        kith_bytes_printf (out, "\n");
        s_roff ((*commands)->purpose, out);
        kith_bytes_printf (out, "\n");
    }
    kith_bytes_printf (out, ".SH OPTIONS\n");
    s_roff_options (globals, out);
    kith_bytes_printf (
        out, ".SH EXIT STATUS\n0 done; 1 refused or failed; 2 wrong usage; 3 no "
             "row of that key; 124 time\\-out, the outcome is unknown.\n"
             ".SH ENVIRONMENT\n.TP\n.B ZACTOR_CONNECT\nas \\-\\-connect\n.TP\n.B "
             "NO_COLOR\nas \\-\\-no\\-color\n");
}

//  --- Markdown

//  A bar ends a cell of a table
static void
s_cell (const char *text, kith_bytes_t *out)
{
    for (; *text; text++)
        kith_bytes_printf (out,
                           *text == '|'   ? "\\|"
                           : *text == '<' ? "&lt;"
                                          : "%c",
                           *text);
}

static void
s_markdown_options (const kith_option_t *table, kith_bytes_t *out)
{
    if (!table || !table->name)
        return;
    kith_bytes_printf (out, "\n| option | default | what it does |\n|---|---|---|\n");
    for (; table->name; table++) {
        char name [80];
        s_option_name (table, name, sizeof name);
        kith_bytes_printf (out, "| `");
        s_cell (name, out);
        kith_bytes_printf (out, "` | %s%s%s | ", table->fallback ? "`" : "",
                           table->fallback ? table->fallback : "",
                           table->fallback ? "`" : "");
        s_cell (table->doc, out);
        if (table->choices)
            kith_bytes_printf (out, " (%s)", table->choices);
        kith_bytes_printf (out, "%s |\n", table->many ? "; may be repeated" : "");
    }
}

void
kith_help_markdown (const kith_command_t *const *commands, const kith_option_t *globals,
                    kith_bytes_t *out)
{
    kith_bytes_printf (
        out, "# Commands of zactor\n\nWritten by `zactor man --markdown` from the tables "
             "that parse "
             "the command line; a test checks that it is\ncurrent.\n\n    zactor [global "
             "options] "
             "COMMAND [arguments] [options]\n\nOptions stand before or after arguments; "
             "`--x=1` and "
             "`--x 1` are the same; `--` ends them.\nTimes: `10ms` `5s` `2m` `1h`. "
             "Sizes: `64KB` "
             "`2GB`. Counts: `10k` `2M`.\n\nExit status: 0 done; 1 refused or failed; 2 "
             "wrong usage; "
             "3 nothing found where something was asked for by\nkey; 124 time-out, the "
             "outcome is "
             "unknown (the message says if a retry is safe).\n\n## Global options\n");
    s_markdown_options (globals, out);
    for (; *commands; commands++) {
        const kith_command_t *command = *commands;
        kith_bytes_printf (out, "\n## zactor %s\n\n", command->name);
        kith_bytes_printf (out, "Purpose: %s.\n\n    ", command->purpose);
        s_usage (command, out);
        kith_bytes_printf (out, "\n");
        if (command->detail)
            kith_bytes_printf (out, "\n%s", command->detail);
        const kith_argument_t *argument = command->arguments;
        if (argument && argument->name)
            kith_bytes_printf (out, "\n| argument | what it is |\n|---|---|\n");
        for (; argument && argument->name; argument++) {
            kith_bytes_printf (out, "| `%s` | ", argument->name);
            s_cell (argument->doc, out);
            kith_bytes_printf (out, " |\n");
        }
        s_markdown_options (command->options, out);
        kith_bytes_printf (out, "\nExamples:\n\n");
        for (size_t index = 0; index < 4 && command->examples [index]; index++)
            kith_bytes_printf (out, "    %s\n", command->examples [index]);
    }
}
