//  completion.c - completion scripts for bash, zsh and fish, from the command tables
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/help.h"

//  "--filter --json": every option of a table
static void
s_words (const kith_option_t *table, kith_bytes_t *out)
{
    for (; table && table->name; table++)
        kith_bytes_printf (out, " %s%s", strlen (table->name) == 1 ? "-" : "--",
                           table->name);
}

//  The words that may follow `first` ("" at the beginning), each once
static void
s_commands (const kith_command_t *const *commands, const char *first, kith_bytes_t *out)
{
    const char *last = "";
    size_t last_size = 0;
    size_t skip = strlen (first) + (*first ? 1 : 0);
    for (; *commands; commands++) {
        const char *name = (*commands)->name;
        bool inside = strncmp (name, first, strlen (first)) == 0
                      && (!*first || name [strlen (first)] == ' ');
        if (!inside)
            continue;
        size_t size = strcspn (name + skip, " ");
        if (size == last_size && strncmp (name + skip, last, size) == 0)
            continue;
        last = name + skip;
        last_size = size;
        kith_bytes_printf (out, " %.*s", (int) size, last);
    }
}

static void
s_bash (const kith_command_t *const *commands, const kith_option_t *globals,
        kith_bytes_t *out)
{
    kith_bytes_printf (out,
                       "# zactor completion for bash: source <(zactor completion bash)\n"
                       "_zactor ()\n{\n    local word=${COMP_WORDS[COMP_CWORD]} name= "
                       "each\n    local words='");
    s_commands (commands, "", out);
    kith_bytes_printf (out,
                       "'\n    for each in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                       "        case $each in -*) ;; *) name=\"$name $each\" ;; esac\n"
                       "    done\n    case \"${name# }\" in\n");
    for (size_t index = 0; commands [index]; index++) {
        const kith_command_t *command = commands [index];
        kith_bytes_printf (out, "        '%s'|'%s '*) words='", command->name,
                           command->name);
        s_words (command->options, out);
        s_words (globals, out);
        kith_bytes_printf (out, "' ;;\n");
        const char *blank = strchr (command->name, ' ');
        size_t size = blank ? (size_t) (blank - command->name) : 0;
        bool first =
            blank
            && (index == 0
                || strncmp (commands [index - 1]->name, command->name, size + 1) != 0);
        if (!first)
            continue;
        char group [32];
        snprintf (group, sizeof group, "%.*s", (int) size, command->name);
        kith_bytes_printf (out, "        '%s') words='", group);
        s_commands (commands, group, out);
        kith_bytes_printf (out, "' ;;\n");
    }
    kith_bytes_printf (out,
                       "    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                       "    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "
                       "\"$word\"))\n}\ncomplete -o filenames -F _zactor zactor\n");
}

//  A text in single quotes
static void
s_quoted (const char *text, kith_bytes_t *out)
{
    kith_bytes_put_u8 (out, '\'');
    for (; *text; text++)
        kith_bytes_printf (out, *text == '\'' ? "'\\''" : "%c", *text);
    kith_bytes_put_u8 (out, '\'');
}

static void
s_fish_options (const kith_option_t *table, const char *command, kith_bytes_t *out)
{
    for (; table && table->name; table++) {
        kith_bytes_printf (out, "complete -c zactor");
        if (command)
            kith_bytes_printf (out, " -n '__zactor_is \"%s\"'", command);
        kith_bytes_printf (out, strlen (table->name) == 1 ? " -s %s" : " -l %s",
                           table->name);
        if (table->kind != KITH_OPTION_FLAG)
            kith_bytes_printf (out, table->kind == KITH_OPTION_FILE ? " -rF" : " -x");
        if (table->choices)
            kith_bytes_printf (out, " -a '%s'", table->choices);
        kith_bytes_printf (out, " -d ");
        s_quoted (table->doc, out);
        kith_bytes_printf (out, "\n");
    }
}

static void
s_fish (const kith_command_t *const *commands, const kith_option_t *globals,
        kith_bytes_t *out)
{
    kith_bytes_printf (
        out, "# zactor completion for fish: zactor completion fish | source\n"
             "function __zactor_words\n"
             "    string match -v -- '-*' (commandline -opc)[2..-1]\nend\n"
             "function __zactor_is\n"
             "    string match -q -- \"$argv[1]*\" (string join ' ' (__zactor_words))\n"
             "end\nfunction __zactor_none\n"
             "    test (count (__zactor_words)) -eq 0\nend\n");
    s_fish_options (globals, NULL, out);
    for (; *commands; commands++) {
        const kith_command_t *command = *commands;
        const char *blank = strchr (command->name, ' ');
        if (blank) {
            char group [32];
            snprintf (group, sizeof group, "%.*s", (int) (blank - command->name),
                      command->name);
            kith_bytes_printf (out, "complete -c zactor -f -n __zactor_none -a %s\n",
                               group);
            kith_bytes_printf (out,
                               "complete -c zactor -f -n 'test (string join \" \" "
                               "(__zactor_words)) = %s' -a %s -d ",
                               group, blank + 1);
        }
        else
            kith_bytes_printf (out, "complete -c zactor -f -n __zactor_none -a %s -d ",
                               command->name);
        s_quoted (command->purpose, out);
        kith_bytes_printf (out, "\n");
        s_fish_options (command->options, command->name, out);
    }
}

static void
s_zsh (const kith_command_t *const *commands, const kith_option_t *globals,
       kith_bytes_t *out)
{
    kith_bytes_printf (out,
                       "#compdef zactor\n# zactor completion for zsh: source <(zactor "
                       "completion zsh)\n_zactor ()\n{\n    local name=${(j: :)${(@)words"
                       "[2,CURRENT-1]:#-*}}\n    case $name in\n");
    for (size_t index = 0; commands [index]; index++) {
        kith_bytes_printf (out, "        '%s'*) compadd --", commands [index]->name);
        s_words (commands [index]->options, out);
        s_words (globals, out);
        kith_bytes_printf (out, "; _files ;;\n");
    }
    kith_bytes_printf (out, "        '') compadd --");
    s_commands (commands, "", out);
    kith_bytes_printf (out, " ;;\n");
    for (size_t index = 0; commands [index]; index++) {
        const char *blank = strchr (commands [index]->name, ' ');
        size_t size = blank ? (size_t) (blank - commands [index]->name) : 0;
        bool repeated =
            index && blank
            && strncmp (commands [index - 1]->name, commands [index]->name, size + 1)
                   == 0;
        if (!blank || repeated)
            continue;
        char group [32];
        snprintf (group, sizeof group, "%.*s", (int) size, commands [index]->name);
        kith_bytes_printf (out, "        '%s') compadd --", group);
        s_commands (commands, group, out);
        kith_bytes_printf (out, " ;;\n");
    }
    kith_bytes_printf (out, "    esac\n}\ncompdef _zactor zactor\n");
}

bool
kith_help_completion (const char *shell, const kith_command_t *const *commands,
                      const kith_option_t *globals, kith_bytes_t *out)
{
    if (strcmp (shell, "bash") == 0)
        s_bash (commands, globals, out);
    else if (strcmp (shell, "zsh") == 0)
        s_zsh (commands, globals, out);
    else if (strcmp (shell, "fish") == 0)
        s_fish (commands, globals, out);
    else
        return false;
    return true;
}
