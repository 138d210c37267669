//  cmd_search.c - zactor search: the nearest rows of vectors, or of stored rows
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cmd.h"
#include "clients/cli/input.h"
#include "clients/cli/reading.h"
#include "clients/cli/show.h"
#include "clients/json.h"

#define QUERY_TEXT_BYTES_MAX (64u << 20)

//  What is asked
typedef struct {
    kith_search_t search;
    kith_rows_t *keys;
    kith_bytes_t vectors;    //  float32
    uint32_t dim;
    size_t count;    //  queries
    kith_arena_t arena;
} asked_t;

//  One JSON array, or an array of arrays
static int
s_parse_vectors (asked_t *asked, const char *text, size_t size, kith_error_t *error)
{
    kith_json_t json;
    bool first = true, nested;
    kith_json_init (&json, text, size, error);
    kith_json_t look = json;
    look.error = NULL;
    nested = kith_json_open (&look, '[') && kith_json_peek (&look) == KITH_JSON_ARRAY;
    if (nested && !kith_json_open (&json, '['))
        return -1;
    while (!nested ? asked->count == 0 : kith_json_next_item (&json, &first)) {
        uint32_t dim = 0;
        if (!kith_json_floats (&json, &asked->vectors, &dim))
            return -1;
        if (!dim || (asked->count && dim != asked->dim))
            return kith_error_set (error, KITH_ERR_DIMENSION_MISMATCH,
                                   "query %zu has %" PRIu32
                                   " numbers, the others %" PRIu32,
                                   asked->count + 1, dim, asked->dim);
        asked->dim = dim;
        asked->count++;
    }
    if (json.failed)
        return -1;
    if (asked->count && kith_json_done (&json))
        return 0;
    kith_json_fail (&json, asked->count ? "nothing after the vector" : "a vector");
    return -1;
}

static int
s_vector (asked_t *asked, const char *text, kith_error_t *error)
{
    if (text [0] != '@')
        return s_parse_vectors (asked, text, strlen (text), error);
    kith_bytes_t file = {0};
    int result = kith_cli_read (text + 1, QUERY_TEXT_BYTES_MAX, &file, error);
    if (result == 0) {
        result = s_parse_vectors (asked, (const char *) file.data, file.size, error);
        if (result != 0)
            kith_error_prefix (error, "%s", text + 1);
    }
    kith_bytes_free (&file);
    return result;
}

static int
s_keys (kith_cli_t *cli, asked_t *asked, kith_error_t *error)
{
    kith_opened_t *opened =
        kith_client_open (cli->client, kith_cli_argument (cli, 0), error);
    if (!opened)
        return -1;
    asked->keys = kith_rows_new (opened);
    kith_opened_destroy (&opened);
    const char *key;
    for (uint32_t index = 0; (key = kith_option_each (&cli->parsed, "key", index));
         index++) {
        if (kith_reading_keys (asked->keys, key, true, error) != 0)
            return -1;
    }
    asked->count = kith_rows_count (asked->keys);
    asked->search.keys = asked->keys;
    return 0;
}

//  Everything but vectors and keys
static int
s_options (kith_cli_t *cli, asked_t *asked, kith_error_t *error)
{
    kith_search_t *search = &asked->search;
    search->collection = kith_cli_argument (cli, 0);
    search->field = kith_cli_text (cli, "field");
    uint64_t k = kith_option_count (&cli->parsed, "k");
    search->k = k > UINT32_MAX ? UINT32_MAX : (uint32_t) k;
    search->filter = kith_cli_text (cli, "filter");
    search->output = kith_reading_output (cli, &asked->arena, &search->output_count);
    search->partitions =
        kith_reading_partitions (cli, &asked->arena, &search->partition_count);
    search->recall = (float) kith_option_real (&cli->parsed, "recall");
    search->effort = (uint32_t) kith_option_count (&cli->parsed, "effort");
    search->partial = kith_cli_flag (cli, "partial");
    search->explain = kith_cli_flag (cli, "explain");
    return kith_reading_level (cli, &search->level, &search->bounded_ms, error);
}

static void
s_show_json (const kith_answer_t *answer, size_t query, size_t number, bool many,
             const char *token, kith_bytes_t *out)
{
    const kith_proto_found_t *found = kith_answer_msg (answer)->body;
    kith_bytes_printf (out, "{");
    if (many)
        kith_bytes_printf (out, "\"query\": %zu, ", number);
    kith_bytes_printf (out, "\"rows\": ");
    kith_show_rows_json (answer, query, true, out);
    kith_bytes_printf (out,
                       ", \"ms\": %.3f, \"compared\": %" PRIu64 ", \"of\": %" PRIu64
                       ", \"index\": ",
                       kith_answer_ms (answer), found->compared, found->of);
    kith_json_put_string (out, found->index, strlen (found->index));
    kith_bytes_printf (
        out, ", \"partial\": %s, \"coverage\": ", found->partial ? "true" : "false");
    kith_json_put_double (out, found->coverage);
    kith_bytes_printf (out, ", \"token\": \"%s\"", token);
    if (found->stages_count) {
        kith_bytes_printf (out, ", \"explain\": ");
        kith_show_stages_json (found, out);
    }
    kith_bytes_printf (out, "}");
}

//  The last line: what happened and how long it took
static void
s_show_end (const kith_answer_t *answer)
{
    const kith_proto_found_t *found = kith_answer_msg (answer)->body;
    char of [32], took [32];
    size_t rows = (size_t) kith_answer_count (answer);
    printf ("%zu row%s in %s", rows, rows == 1 ? "" : "s",
            kith_show_ms (kith_answer_ms (answer), took));
    if (found->of)
        printf (" (%s row%s: %s%s%.1f %% compared)", kith_show_count (found->of, of),
                found->of == 1 ? "" : "s", found->index, *found->index ? " " : "",
                (double) found->compared / (double) found->of
                    / (double) kith_answer_queries (answer) * 100);
    if (found->partial)
        printf (" partial: %.0f %% of the shards", found->coverage * 100);
    printf ("\n");
}

static int
s_show (kith_cli_t *cli, const asked_t *asked, const kith_answer_t *answer, size_t before)
{
    const kith_proto_found_t *found = kith_answer_msg (answer)->body;
    bool many = asked->count > 1;
    if (!cli->json && found->stages_count) {
        kith_proto_search_t search = {.collection = asked->search.collection,
                                      .k = asked->search.k,
                                      .effort = asked->search.effort,
                                      .recall = asked->search.recall,
                                      .level = (uint32_t) asked->search.level};
        kith_show_stages (cli, &search, found);
    }
    for (size_t query = 0; query < kith_answer_queries (answer); query++) {
        if (cli->json) {
            kith_bytes_t out = {0};
            s_show_json (answer, query, before + query, many,
                         kith_client_token (cli->client), &out);
            if (kith_cli_print (&out) != 0)
                return KITH_EXIT_FAILED;
            continue;
        }
        if (many)
            printf ("query %zu\n", before + query);
        kith_show_rows (cli, answer, query, true);
    }
    if (!cli->json)
        s_show_end (answer);
    return KITH_EXIT_DONE;
}

//  As many queries in one request as the limits allow
static int
s_ask (kith_cli_t *cli, asked_t *asked, kith_error_t *error)
{
    size_t k = asked->search.k ? asked->search.k : 10;
    size_t step = KITH_NQ_K_MAX / (k < KITH_NQ_K_MAX ? k : KITH_NQ_K_MAX);
    step = step < KITH_NQ_MAX ? step : KITH_NQ_MAX;
    if (asked->dim) {
        size_t by_bytes = KITH_QUERY_BYTES_MAX / ((size_t) asked->dim * 4);
        step = step < by_bytes ? step : by_bytes;
    }
    step = asked->keys || !step ? asked->count : step;
    int status = KITH_EXIT_DONE;
    for (size_t from = 0; from < asked->count && status == KITH_EXIT_DONE; from += step) {
        size_t left = asked->count - from;
        if (!asked->keys) {
            asked->search.nq = left < step ? left : step;
            asked->search.dim = asked->dim;
            asked->search.vectors =
                (const float *) (const void *) asked->vectors.data + from * asked->dim;
        }
        kith_msg_t *request = kith_read_search (&asked->search, error);
        kith_answer_t *answer = request
                                    ? kith_read (cli->client, asked->search.collection,
                                                 &request, false, error)
                                    : NULL;
        if (!answer)
            return kith_cli_fail (cli, error, asked->search.filter);
        status = s_show (cli, asked, answer, from);
        kith_answer_destroy (&answer);
    }
    return status;
}

static int
s_run (kith_cli_t *cli)
{
    const char *vector = kith_cli_text (cli, "vector");
    const char *file = kith_cli_text (cli, "vectors");
    bool key = kith_option_given (&cli->parsed, "key");
    if ((vector != NULL) + (file != NULL) + key != 1)
        return kith_cli_usage (cli, "one of --key, --vector and --vectors is needed");
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    asked_t asked = {0};
    int result = s_options (cli, &asked, &error);
    if (result == 0 && key)
        result = s_keys (cli, &asked, &error);
    else if (result == 0 && vector)
        result = s_vector (&asked, vector, &error);
    else if (result == 0)
        result =
            kith_input_vectors (file, &asked.vectors, &asked.dim, &asked.count, &error);
    int status =
        result == 0 ? s_ask (cli, &asked, &error) : kith_cli_fail (cli, &error, NULL);
    kith_rows_destroy (&asked.keys);
    kith_bytes_free (&asked.vectors);
    kith_arena_free (&asked.arena);
    return status;
}

const kith_command_t kith_cmd_search = {
    .name = "search",
    .purpose = "find the nearest rows of a vector, or of a stored row",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false}, {0}},
    .options =
        (const kith_option_t []){
            {"key", 0, KITH_OPTION_TEXT, "KEY", NULL, NULL,
             "search by a stored row, which is left out", true},
            {"vector", 0, KITH_OPTION_TEXT, "JSON|@FILE", NULL, NULL,
             "search by a vector, or an array of vectors", false},
            {"vectors", 0, KITH_OPTION_FILE, "FILE", NULL, NULL,
             "search by many: .npy, .fbin .u8bin .i8bin, or .jsonl with a vector a line",
             false},
            {"field", 0, KITH_OPTION_TEXT, "FIELD", NULL, NULL,
             "vector field, where there are several", false},
            {"k", 'k', KITH_OPTION_NUMBER, "N", "10", NULL, "rows wanted for each query",
             false},
            {"filter", 0, KITH_OPTION_TEXT, "TEXT", NULL, NULL,
             "only rows for which this holds (`zactor help filter`)", false},
            {"output", 0, KITH_OPTION_TEXT, "FIELDS", NULL, NULL,
             "fields shown, comma-separated; *: all (default: all but vectors)", false},
            {"recall", 0, KITH_OPTION_SHARE, "R", NULL, NULL,
             "what is to be found, of what is there (default: the index's)", false},
            {"effort", 0, KITH_OPTION_NUMBER, "N", NULL, NULL,
             "beam width of the search, instead of --recall", false},
            KITH_READING_PARTITION_OPTION,
            KITH_READING_LEVEL_OPTIONS,
            {"partial", 0, KITH_OPTION_FLAG, NULL, NULL, NULL,
             "an answer without a shard is better than none", false},
            {"explain", 0, KITH_OPTION_FLAG, NULL, NULL, NULL, "show the stages", false},
            {0}},
    .detail =
        "Scores: l2 (squared), hamming and jaccard are ascending, ip and cosine "
        "descending. A vector\n"
        "is an array of numbers, converted to the field's type; for binary_vector of "
        "bits 0 1, or of\n"
        "bytes 0..255 when it is an eighth as long.\n",
    .examples =
        {"zactor search words --key king -k 3",
         "zactor search words --key king --filter 'rank < 5000 and word like \"qu%\"'",
         "zactor search words --vectors queries.npy -k 100 --json > answers.jsonl", NULL},
    .run = s_run};
