//  cmd_insert.c - zactor insert: rows from the command line, a file or standard input
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"
#include "clients/cli/input.h"
#include "clients/cli/writing.h"
#include "clients/json.h"

//  An object is a row, an array is rows
static int
s_put_text (kith_rows_t *rows, const char *text, kith_error_t *error)
{
    kith_json_t json;
    bool first = true;
    kith_json_init (&json, text, strlen (text), error);
    if (kith_json_peek (&json) != KITH_JSON_ARRAY)
        return kith_rows_put_json (rows, text, strlen (text), error);
    kith_json_open (&json, '[');
    while (kith_json_next_item (&json, &first)) {
        const char *item;
        size_t size;
        if (!kith_json_raw (&json, &item, &size)
            || kith_rows_put_json (rows, item, size, error) != 0)
            return kith_error_prefix (error, "row %zu", kith_rows_count (rows) + 1);
    }
    if (!json.failed && !kith_json_done (&json))
        kith_json_fail (&json, "nothing after the array");
    return json.failed ? -1 : 0;
}

static int
s_put_lines (kith_writer_t *writer, kith_rows_t *rows, kith_opened_t *opened,
             const char *path, kith_error_t *error)
{
    kith_input_t *input = kith_input_open (path, "jsonl", opened, error);
    int got = input ? 1 : -1;
    while (got > 0) {
        bool row_only;
        got = kith_input_fill (input, rows, KITH_WRITING_BYTES, &row_only, error);
        if (got >= 0 && kith_writer_put (writer, rows, error) != 0)
            got = -1;
        kith_rows_clear (rows);
    }
    kith_input_close (&input);
    return got;
}

static int
s_run (kith_cli_t *cli)
{
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    kith_opened_t *opened =
        kith_client_open (cli->client, kith_cli_argument (cli, 0), &error);
    if (!opened)
        return kith_cli_fail (cli, &error, NULL);
    kith_writer_t *writer = kith_writer_new (cli->client, false, 0);
    kith_rows_t *rows = kith_rows_new (opened);
    int result = kith_rows_to (rows, kith_cli_text (cli, "partition"), &error);
    for (uint32_t index = 1; index < cli->parsed.argument_count && result == 0; index++) {
        const char *text = cli->parsed.arguments [index];
        bool file = text [0] == '@' || strcmp (text, "-") == 0;
        if (file)
            result = s_put_lines (writer, rows, opened, text + (text [0] == '@'), &error);
        else {
            result = s_put_text (rows, text, &error);
            if (result == 0)
                result = kith_writer_put (writer, rows, &error);
            kith_rows_clear (rows);
        }
    }
    int status = kith_writing_end (cli, writer, result, "inserted", &error);
    kith_rows_destroy (&rows);
    kith_writer_destroy (&writer);
    kith_opened_destroy (&opened);
    return status;
}

const kith_command_t kith_cmd_insert = {
    .name = "insert",
    .purpose = "insert rows; one whose key is there replaces that row",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false},
                                   {"ROWS",
                                    "a JSON object, an array of them, @FILE or - "
                                    "with one object a line",
                                    false, true},
                                   {0}},
    .options =
        (const kith_option_t []){{"partition", 0, KITH_OPTION_TEXT, "NAME", NULL, NULL,
                                  "where the rows go (default: _default)", false},
                                 {0}},
    .detail = "The token that is printed lets a later search see this write: --token.\n",
    .examples = {"zactor insert notes '{\"id\": 1, \"v\": [0.1, 0.2, 0.3]}'",
                 "zactor insert notes - < rows.jsonl", NULL},
    .run = s_run};
