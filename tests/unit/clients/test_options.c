//  test_options.c - command lines against tables
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/help.h"
#include "clients/cli/options.h"
#include "clients/cli/table.h"
#include <criterion/criterion.h>

static const kith_option_t s_globals [] = {
    {"connect", 0, KITH_OPTION_TEXT, "ENDPOINT", "here", NULL, "where", false},
    {"json", 0, KITH_OPTION_FLAG, NULL, NULL, NULL, "json", false},
    {"help", 'h', KITH_OPTION_FLAG, NULL, NULL, NULL, "help", false},
    {"version", 0, KITH_OPTION_FLAG, NULL, NULL, NULL, "version", false},
    {"timeout", 0, KITH_OPTION_TIME, "TIME", "5s", NULL, "time", false},
    {0}};

static const kith_command_t s_search = {
    .name = "search",
    .purpose = "find",
    .arguments = (const kith_argument_t []){{"COLLECTION", "name", false, false}, {0}},
    .options =
        (const kith_option_t []){
            {"k", 'k', KITH_OPTION_NUMBER, "N", "10", NULL, "rows", false},
            {"filter", 0, KITH_OPTION_TEXT, "TEXT", NULL, NULL, "filter", false},
            {"recall", 0, KITH_OPTION_SHARE, "R", NULL, NULL, "recall", false},
            {"level", 0, KITH_OPTION_CHOICE, "L", "strong", "strong session", "level",
             false},
            {"key", 0, KITH_OPTION_TEXT, "KEY", NULL, NULL, "key", true},
            {"size", 0, KITH_OPTION_SIZE, "S", NULL, NULL, "size", false},
            {"explain", 0, KITH_OPTION_FLAG, NULL, NULL, NULL, "explain", false},
            {0}},
    .examples = {"zactor search a", "zactor search b", NULL}};
static const kith_command_t s_create = {
    .name = "collection create",
    .purpose = "make",
    .arguments = (const kith_argument_t []){{"COLLECTION", "name", false, false},
                                            {"FIELD", "fields", false, true},
                                            {0}},
    .examples = {"zactor collection create a", "b", NULL}};
static const kith_command_t s_list = {.name = "collection list",
                                      .purpose = "list",
                                      .examples = {"zactor collection list", "b", NULL}};
static const kith_command_t *const s_commands [] = {&s_search, &s_create, &s_list, NULL};

//  Words separated by blanks
static int
s_parse (kith_parsed_t *parsed, const char *line, kith_error_t *error)
{
    static char copy [500];
    char *words [40] = {0};
    int count = 0;
    char *rest = NULL;
    snprintf (copy, sizeof copy, "zactor %s", line);
    for (char *word = strtok_r (copy, " ", &rest); word;
         word = strtok_r (NULL, " ", &rest))
        words [count++] = word;
    return kith_options_parse (parsed, s_commands, s_globals, count, words, error);
}

Test (options, stand_anywhere)
{
    const char *const lines [] = {"search words -k 3 --filter x --json",
                                  "--json search -k 3 --filter=x words",
                                  "search --filter x -k3 words --json",
                                  "--json --connect=here search words -k=3 --filter x"};
    for (size_t index = 0; index < sizeof lines / sizeof lines [0]; index++) {
        kith_parsed_t parsed;
        kith_error_t error = {0};
        cr_assert_eq (s_parse (&parsed, lines [index], &error), 0, "%s: %s",
                      lines [index], error.message);
        cr_assert_eq (parsed.command, &s_search);
        cr_assert_eq (parsed.argument_count, 1);
        cr_assert_str_eq (parsed.arguments [0], "words");
        cr_assert_eq (kith_option_count (&parsed, "k"), 3);
        cr_assert_str_eq (kith_option_text (&parsed, "filter"), "x");
        cr_assert (kith_option_flag (&parsed, "json"));
        cr_assert_not (kith_option_flag (&parsed, "explain"));
        cr_assert_str_eq (kith_option_text (&parsed, "connect"), "here");
    }
}

Test (options, defaults_and_repeats)
{
    kith_parsed_t parsed;
    cr_assert_eq (
        s_parse (&parsed, "search w --key a --key=b --size 2GB --timeout 2m", NULL), 0);
    cr_assert_eq (kith_option_count (&parsed, "k"), 10);
    cr_assert_str_eq (kith_option_text (&parsed, "level"), "strong");
    cr_assert_null (kith_option_text (&parsed, "filter"));
    cr_assert_str_eq (kith_option_each (&parsed, "key", 0), "a");
    cr_assert_str_eq (kith_option_each (&parsed, "key", 1), "b");
    cr_assert_null (kith_option_each (&parsed, "key", 2));
    cr_assert_eq (kith_option_ms (&parsed, "timeout"), 120000);
    cr_assert_eq (s_parse (&parsed, "collection create c --  --x -y", NULL), 0);
    cr_assert_eq (parsed.argument_count, 3);
    cr_assert_str_eq (parsed.arguments [1], "--x");
}

Test (options, wrong_lines_name_what_is_near)
{
    static const struct {
        const char *line, *message, *hint;
    } cases [] = {{"serch words", "serch", "search"},
                  {"collection crate x", "collection crate", "collection create"},
                  {"collection", "collection", ""},
                  {"search words --filtr x", "--filtr", "--filter"},
                  {"search words --expl", "--expl", "--explain"},
                  {"search words --jsn", "--jsn", "--json"},
                  {"search", "COLLECTION", "--help"},
                  {"search a b", "'b'", "--help"},
                  {"search a -k", "-k needs a value", ""},
                  {"search a -k abc", "abc", ""},
                  {"search a -k -1", "-1", ""},
                  {"search a --recall high", "high", ""},
                  {"search a --recall 0", "above 0", ""},
                  {"search a --recall 1.5", "up to 1", ""},
                  {"search a -k 0", "from 1 on", ""},
                  {"search a --level weak", "strong session", ""},
                  {"search a --timeout 5x", "5x", ""},
                  {"search a --explain=1", "takes no value", ""},
                  {"search a -k 1 -k 2", "twice", ""},
                  {"collection create only", "FIELD", ""}};
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        kith_parsed_t parsed;
        kith_error_t error = {0};
        cr_assert_eq (s_parse (&parsed, cases [index].line, &error), -1, "%s",
                      cases [index].line);
        cr_assert (strstr (error.message, cases [index].message), "%s: %s",
                   cases [index].line, error.message);
        cr_assert (strstr (error.hint, cases [index].hint), "%s: %s", cases [index].line,
                   error.hint);
    }
    kith_parsed_t parsed;
    cr_assert_eq (s_parse (&parsed, "search --help", NULL), 0, "help needs no arguments");
    cr_assert_eq (s_parse (&parsed, "", NULL), 0);
    cr_assert_null (parsed.command);
}

Test (options, numbers_as_people_write_them)
{
    uint64_t value;
    cr_assert (kith_parse_count ("10", &value) && value == 10);
    cr_assert (kith_parse_count ("10k", &value) && value == 10000);
    cr_assert (kith_parse_count ("2M", &value) && value == 2000000);
    cr_assert (kith_parse_count ("1.5k", &value) && value == 1500);
    cr_assert (kith_parse_size ("64KB", &value) && value == 65536);
    cr_assert (kith_parse_size ("2GB", &value) && value == 2147483648u);
    cr_assert (kith_parse_ms ("10ms", &value) && value == 10);
    cr_assert (kith_parse_ms ("5s", &value) && value == 5000);
    cr_assert (kith_parse_ms ("1h", &value) && value == 3600000);
    cr_assert (kith_parse_ms ("3", &value) && value == 3000);
    const char *const bad [] = {"",    "k",   "-1",  "1x",    "0x10",
                                "1 k", "inf", "nan", "1e400", "99999999999999999"};
    for (size_t index = 0; index < sizeof bad / sizeof bad [0]; index++) {
        cr_assert_not (kith_parse_count (bad [index], &value), "%s", bad [index]);
        cr_assert_not (kith_parse_ms (bad [index], &value), "%s", bad [index]);
        cr_assert_not (kith_parse_size (bad [index], &value), "%s", bad [index]);
    }
}

Test (options, help_man_and_completion_name_every_option)
{
    kith_bytes_t texts [6] = {{0}};
    kith_help_command (&s_search, &texts [0]);
    kith_help_man (&s_search, s_commands, s_globals, &texts [1]);
    kith_help_markdown (s_commands, s_globals, &texts [2]);
    cr_assert (kith_help_completion ("bash", s_commands, s_globals, &texts [3]));
    cr_assert (kith_help_completion ("zsh", s_commands, s_globals, &texts [4]));
    cr_assert (kith_help_completion ("fish", s_commands, s_globals, &texts [5]));
    cr_assert_not (kith_help_completion ("csh", s_commands, s_globals, &texts [5]));
    for (int text = 0; text < 6; text++) {
        kith_bytes_put_u8 (&texts [text], 0);
        for (const kith_option_t *option = s_search.options; option->name; option++)
            cr_assert (strstr ((const char *) texts [text].data, option->name), "%d %s",
                       text, option->name);
        kith_bytes_free (&texts [text]);
    }
    for (const char *const *topics = kith_help_topics (); *topics; topics++)
        cr_assert (kith_help_topic (*topics));
}

Test (options, figures)
{
    char text [32];
    cr_assert_str_eq (kith_show_count (0, text), "0");
    cr_assert_str_eq (kith_show_count (999, text), "999");
    cr_assert_str_eq (kith_show_count (341479, text), "341,479");
    cr_assert_str_eq (kith_show_count (UINT64_MAX, text), "18,446,744,073,709,551,615");
    cr_assert_str_eq (kith_show_size (214ull << 20, text), "214 MB");
    cr_assert_str_eq (kith_show_size (12, text), "12 bytes");
    cr_assert_str_eq (kith_show_age (3 * 3600000, text), "3 h");
    cr_assert_str_eq (kith_show_ms (0.61, text), "0.61 ms");
    cr_assert_str_eq (kith_show_rate (171000, text), "171k");
}
