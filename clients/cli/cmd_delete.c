//  cmd_delete.c - zactor delete: rows by key, or by filter
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cmd.h"
#include "clients/cli/reading.h"
#include "clients/cli/show.h"
#include "clients/cli/writing.h"

//  Keys of rows that pass the filter, one page
static int
s_find (kith_cli_t *cli, kith_rows_t *keys, kith_error_t *error)
{
    const kith_opened_t *opened = kith_rows_opened (keys);
    const char *output [] = {opened->key->name};
    kith_query_t query = {.collection = kith_cli_argument (cli, 0),
                          .filter = kith_cli_text (cli, "filter"),
                          .output = output,
                          .output_count = 1,
                          .limit = KITH_KEYS_MAX};
    kith_msg_t *request = kith_read_query (&query, error);
    kith_answer_t *answer =
        request ? kith_read (cli->client, query.collection, &request, false, error)
                : NULL;
    if (!answer)
        return -1;
    uint32_t column;
    int result = kith_rows_place (keys, opened->key->name, &column, error);
    for (size_t row = 0; result == 0 && row < kith_answer_rows (answer, 0); row++) {
        size_t size;
        if (opened->key->type == KITH_TYPE_VARCHAR) {
            const char *text =
                kith_answer_string (answer, 0, row, opened->key->name, &size);
            result = kith_rows_put_text (keys, column, text, size, error);
        }
        else
            result = kith_rows_put_int (
                keys, column, kith_answer_int64 (answer, 0, row, opened->key->name),
                error);
    }
    kith_answer_destroy (&answer);
    return result;
}

//  Pages of keys until none is left; a Strong read sees the deletes before it
static int
s_by_filter (kith_cli_t *cli, kith_writer_t *writer, kith_rows_t *keys,
             kith_error_t *error)
{
    for (;;) {
        kith_rows_clear (keys);
        if (s_find (cli, keys, error) != 0)
            return -1;
        if (!kith_rows_count (keys))
            return 0;
        if (kith_writer_put (writer, keys, error) != 0
            || kith_writer_finish (writer, error) != 0)
            return -1;
    }
}

static int
s_by_keys (kith_cli_t *cli, kith_writer_t *writer, kith_rows_t *keys, kith_error_t *error)
{
    const char *text;
    for (uint32_t index = 0; (text = kith_option_each (&cli->parsed, "keys", index));
         index++) {
        if (kith_reading_keys (keys, text, false, error) != 0)
            return -1;
    }
    return kith_writer_put (writer, keys, error);
}

//  Asks, with how many rows it is about
static bool
s_sure (kith_cli_t *cli, int *status)
{
    char question [300], count [32];
    kith_error_t error = {0};
    *status = KITH_EXIT_FAILED;
    if (kith_cli_flag (cli, "yes"))
        return true;
    kith_query_t query = {.collection = kith_cli_argument (cli, 0),
                          .filter = kith_cli_text (cli, "filter"),
                          .count = true};
    kith_msg_t *request = kith_read_query (&query, &error);
    kith_answer_t *answer =
        request ? kith_read (cli->client, query.collection, &request, false, &error)
                : NULL;
    if (!answer) {
        *status = kith_cli_fail (cli, &error, query.filter);
        return false;
    }
    snprintf (question, sizeof question, "delete %s rows of %.200s?",
              kith_show_count (kith_answer_count (answer), count), query.collection);
    kith_answer_destroy (&answer);
    return kith_cli_sure (cli, question);
}

static int
s_run (kith_cli_t *cli)
{
    const char *filter = kith_cli_text (cli, "filter");
    int status;
    if ((filter != NULL) == kith_option_given (&cli->parsed, "keys"))
        return kith_cli_usage (cli, "--keys or --filter is needed, not both");
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    if (filter && !s_sure (cli, &status))
        return status;
    kith_error_t error = {0};
    kith_opened_t *opened =
        kith_client_open (cli->client, kith_cli_argument (cli, 0), &error);
    if (!opened)
        return kith_cli_fail (cli, &error, NULL);
    kith_rows_t *keys = kith_rows_new (opened);
    kith_writer_t *writer = kith_writer_new (cli->client, true, 0);
    int result = filter ? s_by_filter (cli, writer, keys, &error)
                        : s_by_keys (cli, writer, keys, &error);
    if (result != 0 && filter && error.at >= 0)
        status = kith_cli_fail (cli, &error, filter);
    else
        status = kith_writing_end (cli, writer, result, "deleted", &error);
    kith_writer_destroy (&writer);
    kith_rows_destroy (&keys);
    kith_opened_destroy (&opened);
    return status;
}

const kith_command_t kith_cmd_delete = {
    .name = "delete",
    .purpose = "delete rows by their keys or a filter",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false}, {0}},
    .options =
        (const kith_option_t []){{"keys", 0, KITH_OPTION_TEXT, "KEYS", NULL, NULL,
                                  "comma-separated, or a JSON array", true},
                                 {"filter", 0, KITH_OPTION_TEXT, "TEXT", NULL, NULL,
                                  "all rows for which this holds (`zactor help filter`)",
                                  false},
                                 {"yes", 'y', KITH_OPTION_FLAG, NULL, NULL, NULL,
                                  "do not ask (--filter)", false},
                                 {0}},
    .examples = {"zactor delete words --keys kith",
                 "zactor delete words --filter 'rank > 300000' --yes", NULL},
    .run = s_run};
