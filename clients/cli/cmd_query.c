//  cmd_query.c - zactor query: rows by keys or filter, or how many
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cmd.h"
#include "clients/cli/reading.h"
#include "clients/cli/show.h"

static int
s_options (kith_cli_t *cli, kith_query_t *query, kith_arena_t *arena, kith_rows_t **keys,
           kith_error_t *error)
{
    query->collection = kith_cli_argument (cli, 0);
    query->filter = kith_cli_text (cli, "filter");
    query->output = kith_reading_output (cli, arena, &query->output_count);
    query->partitions = kith_reading_partitions (cli, arena, &query->partition_count);
    query->limit = kith_option_count (&cli->parsed, "limit");
    query->offset = kith_option_count (&cli->parsed, "offset");
    query->order = kith_cli_text (cli, "order");
    query->descending = kith_cli_flag (cli, "descending");
    query->count = kith_cli_flag (cli, "count");
    if (kith_reading_level (cli, &query->level, &query->bounded_ms, error) != 0)
        return -1;
    if (!kith_option_given (&cli->parsed, "keys"))
        return 0;
    kith_opened_t *opened = kith_client_open (cli->client, query->collection, error);
    if (!opened)
        return -1;
    *keys = kith_rows_new (opened);
    query->keys = *keys;
    kith_opened_destroy (&opened);
    const char *text;
    for (uint32_t index = 0; (text = kith_option_each (&cli->parsed, "keys", index));
         index++) {
        if (kith_reading_keys (*keys, text, false, error) != 0)
            return -1;
    }
    return 0;
}

static int
s_show (kith_cli_t *cli, const kith_query_t *query, const kith_answer_t *answer)
{
    kith_bytes_t out = {0};
    char count [32], took [32];
    double ms = kith_answer_ms (answer);
    size_t rows = kith_answer_rows (answer, 0);
    uint64_t counted = kith_answer_count (answer);
    kith_show_ms (ms, took);
    if (query->count && cli->json)
        kith_bytes_printf (&out, "{\"count\": %" PRIu64 ", \"ms\": %.3f}", counted, ms);
    else if (query->count)
        kith_bytes_printf (&out, "%s row%s in %s", kith_show_count (counted, count),
                           counted == 1 ? "" : "s", took);
    else if (cli->json) {
        kith_bytes_printf (&out, "{\"rows\": ");
        kith_show_rows_json (answer, 0, false, &out);
        kith_bytes_printf (&out, ", \"ms\": %.3f}", ms);
    }
    else {
        kith_show_rows (cli, answer, 0, false);
        kith_bytes_printf (&out, "%s row%s in %s", kith_show_count (rows, count),
                           rows == 1 ? "" : "s", took);
    }
    int status = kith_cli_print (&out);
    if (!query->count && rows && rows == query->limit)
        kith_cli_note (cli, "there may be more: --limit %" PRIu64 " was reached",
                       query->limit);
    bool nothing = query->keys && !query->count && !rows;
    return status == KITH_EXIT_DONE && nothing ? KITH_EXIT_NOTHING : status;
}

static int
s_run (kith_cli_t *cli)
{
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    kith_query_t query = {0};
    kith_arena_t arena = {0};
    kith_rows_t *keys = NULL;
    kith_answer_t *answer = NULL;
    if (s_options (cli, &query, &arena, &keys, &error) == 0) {
        kith_msg_t *request = kith_read_query (&query, &error);
        if (request)
            answer = kith_read (cli->client, query.collection, &request, false, &error);
    }
    int status =
        answer ? s_show (cli, &query, answer) : kith_cli_fail (cli, &error, query.filter);
    kith_answer_destroy (&answer);
    kith_rows_destroy (&keys);
    kith_arena_free (&arena);
    return status;
}

const kith_command_t kith_cmd_query = {
    .name = "query",
    .purpose = "show rows by their keys or a filter, or count them",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false}, {0}},
    .options =
        (const kith_option_t []){
            {"keys", 0, KITH_OPTION_TEXT, "KEYS", NULL, NULL,
             "comma-separated, or a JSON array", true},
            {"filter", 0, KITH_OPTION_TEXT, "TEXT", NULL, NULL,
             "only rows for which this holds (`zactor help filter`)", false},
            {"count", 0, KITH_OPTION_FLAG, NULL, NULL, NULL, "only how many", false},
            {"order", 0, KITH_OPTION_TEXT, "FIELD", NULL, NULL,
             "sort by this field (default: by key)", false},
            {"descending", 0, KITH_OPTION_FLAG, NULL, NULL, NULL, "the other way", false},
            {"limit", 0, KITH_OPTION_NUMBER, "N", "16384", NULL, "rows at most", false},
            {"offset", 0, KITH_OPTION_COUNT, "N", "0", NULL, "rows left out first",
             false},
            {"output", 0, KITH_OPTION_TEXT, "FIELDS", NULL, NULL,
             "fields shown, comma-separated; *: all (default: all but vectors)", false},
            KITH_READING_PARTITION_OPTION,
            KITH_READING_LEVEL_OPTIONS,
            {0}},
    .detail = "Without --keys and --filter: all rows, up to --limit.\n",
    .examples = {"zactor query words --keys king,queen",
                 "zactor query words --filter 'rank between 1 and 3' --output word,rank "
                 "--order rank",
                 "zactor query words --count --filter 'rank > 100000'", NULL},
    .run = s_run};
