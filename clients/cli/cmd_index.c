//  cmd_index.c - zactor index: create, describe, drop
//  SPDX-License-Identifier: Apache-2.0
#include "clients/admin.h"
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"
#include "clients/describe.h"

#define PARAMS                                                                           \
    "M=24: links of a row, effort=200 (efConstruction): beam width of the build "        \
    "(graph, "                                                                           \
    "disk); lists=1024 (nlist): inverted lists (ivf, bin)"

//  Where the parameter of a name goes; null: none has it
static uint32_t *
s_param (const char *name, size_t size, kith_index_options_t *options)
{
    const struct {
        const char *name;
        uint32_t *number;
    } params [] = {{"M", &options->degree},
                   {"effort", &options->effort},
                   {"efConstruction", &options->effort},
                   {"lists", &options->lists},
                   {"nlist", &options->lists}};
    for (size_t index = 0; index < sizeof params / sizeof params [0]; index++)
        if (strlen (params [index].name) == size
            && memcmp (params [index].name, name, size) == 0)
            return params [index].number;
    return NULL;
}

//  --param NAME=VALUE
static int
s_params (const kith_cli_t *cli, kith_index_options_t *options, kith_error_t *error)
{
    const char *text;
    for (uint32_t index = 0; (text = kith_option_each (&cli->parsed, "param", index));
         index++) {
        const char *equals = strchr (text, '=');
        size_t size = equals ? (size_t) (equals - text) : 0;
        uint64_t value = 0;
        bool good =
            equals && kith_parse_count (equals + 1, &value) && value <= UINT32_MAX;
        uint32_t *number = s_param (text, size, options);
        if (!good || !number) {
            kith_error_set (error, KITH_ERR_INVALID,
                            number || !equals ? "--param: '%s' is no NAME=COUNT"
                                              : "--param: '%s' is not known",
                            text);
            kith_error_hint (error, PARAMS);
            return -1;
        }
        *number = (uint32_t) value;
    }
    return 0;
}

typedef struct {
    kith_progress_t *progress;
} shown_t;

static bool
s_progress (void *arg, uint64_t built, uint64_t loaded, uint64_t of)
{
    (void) loaded;
    shown_t *shown = arg;
    kith_progress_show (shown->progress, built, of, -1);
    return true;
}

static int
s_create (kith_cli_t *cli)
{
    kith_error_t error = {0};
    kith_index_options_t options = {.type = kith_cli_argument (cli, 2),
                                    .code = kith_cli_text (cli, "code"),
                                    .recall =
                                        (float) kith_option_real (&cli->parsed, "recall"),
                                    .wait = !kith_cli_flag (cli, "no-wait"),
                                    .wait_ms = kith_cli_timeout_ms (cli, 3600000)};
    if (s_params (cli, &options, &error) != 0) {
        kith_cli_fail (cli, &error, NULL);
        return KITH_EXIT_USAGE;
    }
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    const char *name = kith_cli_argument (cli, 0), *field = kith_cli_argument (cli, 1);
    char what [300];
    snprintf (what, sizeof what, "indexing %.255s", name);
    shown_t shown = {.progress = kith_progress_new (kith_cli_progress (cli), what)};
    options.progress = s_progress;
    options.arg = &shown;
    kith_arena_t arena = {0};
    kith_proto_index_state_t state = {.type = options.type ? options.type : "auto",
                                      .code = options.code ? options.code : "auto",
                                      .failed = ""};
    int result =
        kith_admin_index (cli->client, name, field, &options, &state, &arena, &error);
    kith_progress_destroy (&shown.progress);
    if (result != 0) {
        kith_arena_free (&arena);
        return kith_cli_fail (cli, &error, NULL);
    }
    kith_bytes_t out = {0};
    char rows [32], took [32];
    kith_opened_t *opened = kith_client_open (cli->client, name, &error);
    if (cli->json && opened)
        kith_json_index (name, opened->definition, &state, kith_cli_ms (cli), &out);
    else if (!options.wait)
        kith_bytes_printf (&out, "index on %s of %s is being built", field, name);
    else {
        kith_bytes_printf (&out, "index on %s of %s built in %s (%s%s%s, %s rows", field,
                           name, kith_show_ms (kith_cli_ms (cli), took), state.type,
                           *state.code ? " " : "", state.code,
                           kith_show_count (state.rows, rows));
        if (state.effort)
            kith_bytes_printf (&out, ", recall %.3f at effort %" PRIu32,
                               (double) state.recall, state.effort);
        kith_bytes_printf (&out, ")");
    }
    kith_opened_destroy (&opened);
    kith_arena_free (&arena);
    return kith_cli_print (&out);
}

const kith_command_t kith_cmd_index_create = {
    .name = "index create",
    .purpose = "index a vector field, and wait until it is built and in use",
    .arguments =
        (const kith_argument_t []){
            {"COLLECTION", "its name", false, false},
            {"FIELD", "a vector field", false, false},
            {"TYPE", "auto (default), flat, graph (hnsw), ivf, disk or bin", true, false},
            {0}},
    .options =
        (const kith_option_t []){
            {"recall", 0, KITH_OPTION_SHARE, "R", "0.95", NULL,
             "what searches are to find, of what is there", false},
            {"code", 0, KITH_OPTION_TEXT, "CODE", NULL, NULL,
             "what vectors are walked or scanned by: auto (default), float32, sq8, sq4, "
             "rabitq or pq4",
             false},
            {"param", 0, KITH_OPTION_TEXT, "NAME=N", NULL, NULL, PARAMS, true},
            {"no-wait", 0, KITH_OPTION_FLAG, NULL, NULL, NULL,
             "return once the build is ordered", false},
            {0}},
    .detail =
        "What is there is flushed and indexed; what comes later is indexed by itself.\n"
        "Segments of less than 10,000 rows are searched exactly instead. Asked for again "
        "with "
        "other\n"
        "parameters, the index is built anew, and the one that is there serves until "
        "then.\n"
        "Answers have exact scores, whatever the code. docs/reference/indexes.md tells "
        "the "
        "types apart.\n",
    .examples = {"zactor index create words vector",
                 "zactor index create words vector graph --recall 0.99 --param M=32",
                 "zactor index create words vector graph --code sq8", NULL},
    .run = s_create};

static int
s_describe (kith_cli_t *cli)
{
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    const char *name = kith_cli_argument (cli, 0);
    kith_opened_t *opened = kith_client_open (cli->client, name, &error);
    kith_msg_t *request = kith_admin_index_describe (cli->client, name);
    kith_msg_t *answer =
        opened ? kith_client_call (cli->client, &request, 0, &error) : NULL;
    kith_msg_destroy (&request);
    if (!answer) {
        kith_opened_destroy (&opened);
        return kith_cli_fail (cli, &error, NULL);
    }
    const kith_proto_index_described_t *body = answer->body;
    kith_bytes_t out = {0};
    char rows [32], built [32];
    if (cli->json)
        kith_bytes_printf (&out, "{\"indexes\": [");
    for (uint32_t index = 0; index < body->indexes_count; index++) {
        const kith_proto_index_state_t *state = &body->indexes [index];
        const kith_proto_field_t *field = kith_opened_by_id (opened, state->field);
        if (cli->json) {
            kith_bytes_printf (&out, "%s", index ? ", " : "");
            kith_json_index (name, opened->definition, state, -1, &out);
            continue;
        }
        kith_bytes_printf (
            &out, "%s  %s%s%s  %s of %s rows built", field ? field->name : "?",
            state->type, *state->code ? " " : "", state->code,
            kith_show_count (state->built, built), kith_show_count (state->rows, rows));
        if (state->effort)
            kith_bytes_printf (&out, "  recall %.3f at effort %" PRIu32,
                               (double) state->recall, state->effort);
        const bool failed = state->failed [0] && state->loaded < state->rows;
        kith_bytes_printf (&out, "%s%s\n", failed ? "  failed: " : "",
                           failed ? state->failed : "");
    }
    if (cli->json)
        kith_bytes_printf (&out, "]}");
    else
        kith_bytes_printf (&out, "%" PRIu32 " index%s on %s", body->indexes_count,
                           body->indexes_count == 1 ? "" : "es", name);
    kith_msg_destroy (&answer);
    kith_opened_destroy (&opened);
    return kith_cli_print (&out);
}

const kith_command_t kith_cmd_index_describe = {
    .name = "index describe",
    .purpose = "show how far a collection's indexes are",
    .arguments =
        (const kith_argument_t []){{"COLLECTION", "its name", false, false}, {0}},
    .examples = {"zactor index describe words", "zactor index describe words --json",
                 NULL},
    .run = s_describe};

static int
s_drop (kith_cli_t *cli)
{
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    const char *name = kith_cli_argument (cli, 0), *field = kith_cli_argument (cli, 1);
    kith_msg_t *request = kith_admin_index_drop (cli->client, name, field);
    if (kith_admin_do (cli->client, &request, 0, &error) != 0)
        return kith_cli_fail (cli, &error, NULL);
    kith_bytes_t out = {0};
    if (cli->json)
        kith_bytes_printf (&out, "{\"dropped\": true}");
    else
        kith_bytes_printf (&out, "dropped the index on %s of %s", field, name);
    return kith_cli_print (&out);
}

const kith_command_t kith_cmd_index_drop = {
    .name = "index drop",
    .purpose = "drop the index of a field; its rows stay",
    .arguments = (const kith_argument_t []){{"COLLECTION", "its name", false, false},
                                            {"FIELD", "a vector field", false, false},
                                            {0}},
    .examples = {"zactor index drop words vector",
                 "zactor index drop words vector --json", NULL},
    .run = s_drop};
