//  test_placement.c - one scenario in one process, in several over ipc, in several over tcp: right, and the same bits
//  SPDX-License-Identifier: Apache-2.0
//
//  Create, insert, replace, delete, flush, index, crash, recover. After each step every kind of read is asked with Strong
//  consistency, compared with a model that compares all rows, and written down; the three scripts must be the same text.
#include "tests/claims/client.h"
#include "tests/integration/model.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASKED = 12, K = 20, CRASH_ROWS = 400, PIDS_MAX = 16, SCRIPT_SEED = 20 };

//  Segments are small, so that there are many, and graphs are built
#define CLUSTER_LINES "    seal_rows = 256\n    index_rows_min = 100\n"

typedef struct {
    claim_t *claim;
    const char *name;        //  of the placement
    const char *config;      //  its file
    const char *endpoint;    //  of its proxy
    char door [512];         //  its text, if nobody else keeps it
    const char *victim;      //  process that a crash kills; null: all there is
    pid_t server;
    kith_client_t *client;
    model_t *model;
    const char *step;
    FILE *script;    //  what was answered
    char *text;
    size_t size;
    size_t answers;
} s_run_t;

static void s_need (s_run_t *run, bool holds, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

static void
s_need (s_run_t *run, bool holds, const char *format, ...)
{
    if (holds)
        return;
    char text [1024];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    claim_fail (run->claim, "%s, %s: %s", run->name, run->step, text);
}

//  Filters, as the server reads them and as the model does

static bool
s_low_w1 (const model_row_t *row)
{
    return row->rank < 2000 && row->word [0] == 'w' && row->word [1] == '1';
}

static bool
s_even_rank (const model_row_t *row)
{
    return row->rank >= 100 && row->rank <= 700 && row->rank % 2 == 0;
}

static bool
s_rare (const model_row_t *row)
{
    return row->rank % 97 == 0;
}

typedef struct {
    const char *text;
    model_filter_fn *passes;
} s_filter_t;

static const s_filter_t s_none = {NULL, NULL};
static const s_filter_t s_words = {"rank < 2000 and word like \"w1%\"", s_low_w1};
static const s_filter_t s_ranks = {"rank between 100 and 700 and rank % 2 == 0",
                                   s_even_rank};
static const s_filter_t s_few = {"rank % 97 == 0", s_rare};

//  Writes

static kith_rows_t *
s_rows (s_run_t *run)
{
    kith_failure_t failure = {.at = -1};
    kith_rows_t *rows = kith_client_rows (run->client, "things", &failure);
    s_need (run, rows != NULL, "rows: %s", failure.message);
    return rows;
}

static void
s_add (s_run_t *run, kith_rows_t *rows, int64_t key)
{
    kith_failure_t failure = {.at = -1};
    const model_row_t *row = model_write (run->model, key);
    const char *word = row->word;
    const bool added =
        !kith_rows_int64 (rows, "id", &key, 1, &failure)
        && !kith_rows_int64 (rows, "rank", &row->rank, 1, &failure)
        && !kith_rows_strings (rows, "word", &word, NULL, 1, &failure)
        && !kith_rows_vectors (rows, "spot", row->spot, MODEL_SPOT, 1, &failure)
        && !kith_rows_vectors (rows, "way", row->way, MODEL_WAY, 1, &failure);
    s_need (run, added, "row: %s", failure.message);
}

//  Keys from, from + by, ... below to; those that are there are replaced
static void
s_insert (s_run_t *run, int64_t from, int64_t to, int64_t by)
{
    kith_failure_t failure = {.at = -1};
    uint64_t written = 0;
    kith_rows_t *rows = s_rows (run);
    for (int64_t key = from; key < to; key += by)
        s_add (run, rows, key);
    const size_t count = kith_rows_count (rows);
    const int rc = kith_client_insert (run->client, rows, &written, &failure);
    s_need (run, !rc && written == count, "insert of %zu: %llu, %s", count,
            (unsigned long long) written, failure.message);
    kith_rows_destroy (&rows);
}

static void
s_remove (s_run_t *run, int64_t from, int64_t to, int64_t by)
{
    kith_failure_t failure = {.at = -1};
    kith_rows_t *keys = s_rows (run);
    for (int64_t key = from; key < to; key += by) {
        run->model->rows [key].there = false;
        s_need (run, !kith_rows_int64 (keys, "id", &key, 1, &failure), "key: %s",
                failure.message);
    }
    s_need (run, !kith_client_remove (run->client, keys, NULL, &failure), "delete: %s",
            failure.message);
    kith_rows_destroy (&keys);
}

//  Reads

//  The fields of an answered row are those of the model; they and the score's bits go into the script
static int64_t
s_row (s_run_t *run, const kith_answer_t *answer, size_t query, size_t at)
{
    size_t length = 0;
    const int64_t key = kith_answer_int64 (answer, query, at, "id");
    s_need (run, key >= 0 && key < MODEL_ROWS && run->model->rows [key].there,
            "key %lld is not there", (long long) key);
    const model_row_t *row = &run->model->rows [key];
    const char *word = kith_answer_string (answer, query, at, "word", &length);
    const int64_t rank = kith_answer_int64 (answer, query, at, "rank");
    s_need (run, rank == row->rank, "rank of key %lld is %lld instead of %lld",
            (long long) key, (long long) rank, (long long) row->rank);
    s_need (run,
            word && length == strlen (row->word) && !memcmp (word, row->word, length),
            "word of key %lld is '%.*s' instead of '%s'", (long long) key, (int) length,
            word ? word : "", row->word);
    const float score = kith_answer_score (answer, query, at);
    uint32_t bits = 0;
    memcpy (&bits, &score, sizeof bits);
    fprintf (run->script, "  %zu %lld %lld %.*s %08x\n", query, (long long) key,
             (long long) rank, (int) length, word ? word : "", bits);
    return key;
}

static kith_answer_t *
s_ask (s_run_t *run, const char *field, const float *vectors, size_t dim,
       const s_filter_t *filter)
{
    kith_failure_t failure = {.at = -1};
    const kith_search_t search = {.collection = "things",
                                  .field = field,
                                  .vectors = vectors,
                                  .nq = ASKED,
                                  .dim = dim,
                                  .k = K,
                                  .filter = filter->text};
    kith_answer_t *answer = kith_client_search (run->client, &search, &failure);
    s_need (run, answer != NULL, "search of %s: %s", field, failure.message);
    s_need (run, kith_answer_queries (answer) == ASKED && !kith_answer_partial (answer),
            "search of %s: %zu queries answered", field, kith_answer_queries (answer));
    fprintf (run->script, "%s: %s where %s\n", run->step, field,
             filter->text ? filter->text : "all");
    run->answers++;
    return answer;
}

//  Whole numbers: keys, order of equals and scores are the model's
static void
s_search_spot (s_run_t *run, const s_filter_t *filter)
{
    float spots [ASKED * MODEL_SPOT];
    for (size_t query = 0; query < ASKED; query++)
        model_spot (run->model, spots + query * MODEL_SPOT);
    kith_answer_t *answer = s_ask (run, "spot", spots, MODEL_SPOT, filter);
    for (size_t query = 0; query < ASKED; query++) {
        model_hit_t hits [K];
        const size_t count = model_search_spot (run->model, spots + query * MODEL_SPOT,
                                                filter->passes, K, hits);
        const size_t found = kith_answer_rows (answer, query);
        s_need (run, found == count, "spot: %zu rows instead of %zu", found, count);
        for (size_t at = 0; at < count; at++) {
            const int64_t key = s_row (run, answer, query, at);
            const double score = (double) kith_answer_score (answer, query, at);
            s_need (run,
                    key == hits [at].key && !(score < hits [at].score)
                        && !(score > hits [at].score),
                    "spot, query %zu, place %zu: key %lld at %g instead of %lld at %g",
                    query, at, (long long) key, score, (long long) hits [at].key,
                    hits [at].score);
        }
    }
    kith_answer_destroy (&answer);
}

//  Any numbers: scores as near as float is, whoever is how near to another
static void
s_search_way (s_run_t *run, const s_filter_t *filter)
{
    const double near = 2e-6;
    float ways [ASKED * MODEL_WAY];
    for (size_t query = 0; query < ASKED; query++)
        model_way (run->model, ways + query * MODEL_WAY);
    kith_answer_t *answer = s_ask (run, "way", ways, MODEL_WAY, filter);
    for (size_t query = 0; query < ASKED; query++) {
        const float *way = ways + query * MODEL_WAY;
        model_hit_t hits [K];
        const size_t count = model_search_way (run->model, way, filter->passes, K, hits);
        const size_t found = kith_answer_rows (answer, query);
        s_need (run, found == count, "way: %zu rows instead of %zu", found, count);
        for (size_t at = 0; at < count; at++) {
            const int64_t key = s_row (run, answer, query, at);
            const double score = (double) kith_answer_score (answer, query, at);
            const double own = model_cosine (&run->model->rows [key], way);
            s_need (
                run, fabs (score - own) < near && fabs (score - hits [at].score) < near,
                "way, query %zu, place %zu: key %lld at %.7f, it is %.7f, the place's "
                "is %.7f",
                query, at, (long long) key, score, own, hits [at].score);
        }
    }
    kith_answer_destroy (&answer);
}

//  By a graph: what is found is right, and nearly all that is near is found. Not in the script: which few are missed may
//  differ with the borders of the segments
static void
s_search_graph (s_run_t *run, const s_filter_t *filter)
{
    FILE *script = run->script;
    char *text = NULL;
    size_t size = 0, hit = 0, wanted = 0;
    float ways [ASKED * MODEL_WAY];
    for (size_t query = 0; query < ASKED; query++)
        model_way (run->model, ways + query * MODEL_WAY);
    run->script = open_memstream (&text, &size);
    kith_answer_t *answer = s_ask (run, "way", ways, MODEL_WAY, filter);
    for (size_t query = 0; query < ASKED; query++) {
        const float *way = ways + query * MODEL_WAY;
        model_hit_t hits [K];
        const size_t count = model_search_way (run->model, way, filter->passes, K, hits);
        wanted += count;
        s_need (run, kith_answer_rows (answer, query) <= count, "way: too many rows");
        for (size_t at = 0; at < kith_answer_rows (answer, query); at++) {
            const int64_t key = s_row (run, answer, query, at);
            const double own = model_cosine (&run->model->rows [key], way);
            const double score = (double) kith_answer_score (answer, query, at);
            s_need (run, fabs (score - own) < 2e-6, "way: key %lld at %.7f, it is %.7f",
                    (long long) key, score, own);
            for (size_t i = 0; i < count; i++)
                hit += hits [i].key == key;
        }
    }
    s_need (run, (double) hit >= 0.9 * (double) wanted, "way: %zu of the %zu nearest",
            hit, wanted);
    kith_answer_destroy (&answer);
    fclose (run->script);
    free (text);
    run->script = script;
}

static void
s_query (s_run_t *run, const s_filter_t *filter, size_t limit)
{
    kith_failure_t failure = {.at = -1};
    const kith_query_t query = {
        .collection = "things", .filter = filter->text, .order = "rank", .limit = limit};
    kith_answer_t *answer = kith_client_query (run->client, &query, &failure);
    s_need (run, answer != NULL, "query: %s", failure.message);
    int64_t keys [MODEL_ROWS];
    const size_t count = model_query (run->model, filter->passes, limit, keys);
    fprintf (run->script, "%s: rows where %s\n", run->step,
             filter->text ? filter->text : "all");
    run->answers++;
    s_need (run, kith_answer_rows (answer, 0) == count, "query: %zu rows instead of %zu",
            kith_answer_rows (answer, 0), count);
    for (size_t at = 0; at < count; at++) {
        const int64_t key = s_row (run, answer, 0, at);
        s_need (run, key == keys [at], "query, place %zu: key %lld instead of %lld", at,
                (long long) key, (long long) keys [at]);
    }
    kith_answer_destroy (&answer);
}

static void
s_count (s_run_t *run, const s_filter_t *filter)
{
    kith_failure_t failure = {.at = -1};
    const kith_query_t query = {
        .collection = "things", .filter = filter->text, .count = true};
    kith_answer_t *answer = kith_client_query (run->client, &query, &failure);
    s_need (run, answer != NULL, "count: %s", failure.message);
    const size_t wanted = model_count (run->model, filter->passes);
    const uint64_t count = kith_answer_count (answer);
    s_need (run, count == wanted, "count where %s: %llu instead of %zu",
            filter->text ? filter->text : "all", (unsigned long long) count, wanted);
    fprintf (run->script, "%s: %llu rows where %s\n", run->step,
             (unsigned long long) count, filter->text ? filter->text : "all");
    run->answers++;
    kith_answer_destroy (&answer);
}

//  Requests that must be refused, and how
static void
s_refused (s_run_t *run, const char *filter, const char *collection)
{
    kith_failure_t failure = {.at = -1};
    const kith_query_t query = {.collection = collection, .filter = filter};
    kith_answer_t *answer = kith_client_query (run->client, &query, &failure);
    s_need (run, !answer && *failure.code, "'%s' of %s is not refused", filter,
            collection);
    fprintf (run->script, "%s: %s at %d: %s\n", run->step, failure.code, failure.at,
             failure.message);
    run->answers++;
}

static void
s_ask_all (s_run_t *run, const char *step, bool graph)
{
    run->step = step;
    s_count (run, &s_none);
    s_count (run, &s_words);
    s_search_spot (run, &s_none);
    s_search_spot (run, &s_words);
    s_search_spot (run, &s_few);
    if (graph) {
        s_search_graph (run, &s_none);
        s_search_graph (run, &s_words);
    }
    else {
        s_search_way (run, &s_none);
        s_search_way (run, &s_words);
    }
    s_query (run, &s_ranks, 500);
    s_query (run, &s_none, 50);
    s_refused (run, "rnk < 10", "things");
    s_refused (run, "rank <", "things");
    s_refused (run, NULL, "thongs");
}

//  Servers

static void
s_start (s_run_t *run)
{
    run->server = claim_run (run->claim, run->config);
    claim_wait_ready (run->claim, run->endpoint, 60000);
}

//  The child that runs a process section
static pid_t
s_child (s_run_t *run, const char *name)
{
    pid_t pids [PIDS_MAX];
    const size_t count = claim_children (run->server, pids, PIDS_MAX);
    for (size_t i = 0; i < count; i++)
        if (!claim_shell (NULL, 0, "tr '\\0' '\\n' < /proc/%d/cmdline | grep -qx %s",
                          (int) pids [i], name))
            return pids [i];
    s_need (run, false, "no child runs '%s'", name);
    return 0;
}

typedef struct {
    bool ended;
    uint64_t written;
    kith_failure_t failure;
} s_written_t;

static void
s_on_written (void *arg, uint64_t written, const kith_failure_t *failure)
{
    s_written_t *state = arg;
    state->ended = true;
    state->written = written;
    if (failure)
        state->failure = *failure;
}

//  What the victim does not survive: it is killed while rows are on their way. The client sends them again, they are applied once.
static void
s_crash (s_run_t *run, int64_t from, double pause_ms)
{
    s_written_t state = {.ended = false};
    kith_rows_t *rows = s_rows (run);
    for (int64_t key = from; key < from + CRASH_ROWS; key++)
        s_add (run, rows, key);
    pid_t victim = run->victim ? s_child (run, run->victim) : run->server;
    kith_client_insert_start (run->client, &rows, s_on_written, &state);
    //  Anywhere between the request's way in and its answer's way out
    const double until = claim_now_ms () + pause_ms;
    while (claim_now_ms () < until)
        kith_client_poll (run->client, 0);
    if (run->victim)
        claim_shell (NULL, 0, "kill -9 %d", (int) victim);
    else {
        claim_kill (run->claim, &run->server);
        run->server = claim_run (run->claim, run->config);
    }
    const double killed = claim_now_ms ();
    while (!state.ended)
        kith_client_poll (run->client, 1000);
    const double ended = claim_now_ms ();
    s_need (run, !*state.failure.code && state.written == CRASH_ROWS,
            "insert over a crash: %llu written, %s", (unsigned long long) state.written,
            state.failure.message);
    claim_wait_ready (run->claim, run->endpoint, 60000);
    claim_say ("%s, %s: the insert ended %.2f s after it, all was ready %.2f s later",
               run->name, run->step, (ended - killed) / 1000,
               (claim_now_ms () - ended) / 1000);
}

//  The scenario

static void
s_create (s_run_t *run)
{
    const char *fields [] = {"id int64 key", "rank int64", "word varchar(24)",
                             "spot float_vector(16) l2", "way float_vector(24) cosine"};
    kith_failure_t failure = {.at = -1};
    run->step = "create";
    s_need (run, !kith_client_create (run->client, "things", fields, 5, 2, &failure),
            "%s", failure.message);
}

static void
s_flush (s_run_t *run)
{
    kith_failure_t failure = {.at = -1};
    s_need (run, !kith_client_flush (run->client, "things", &failure), "flush: %s",
            failure.message);
}

static void
s_index (s_run_t *run, const char *field, const char *type)
{
    const kith_index_options_t options = {.type = type, .wait = true, .wait_ms = 60000};
    kith_failure_t failure = {.at = -1};
    s_need (run,
            !kith_client_index_create (run->client, "things", field, &options, &failure),
            "index of %s: %s", field, failure.message);
}

static void
s_drop (s_run_t *run)
{
    kith_failure_t failure = {.at = -1};
    run->step = "drop";
    s_need (run, !kith_client_drop (run->client, "things", &failure), "%s",
            failure.message);
    s_refused (run, NULL, "things");
}

static void
s_scenario (s_run_t *run)
{
    s_create (run);
    s_ask_all (run, "nothing", false);
    run->step = "insert";
    for (int64_t from = 0; from < 1600; from += 400)
        s_insert (run, from, from + 400, 1);
    s_ask_all (run, "inserted", false);
    s_insert (run, 100, 700, 3);
    s_remove (run, 50, 900, 7);
    s_ask_all (run, "replaced and deleted", false);
    s_flush (run);
    s_ask_all (run, "flushed", false);
    s_insert (run, 0, 1800, 5);
    s_remove (run, 3, 1500, 11);
    s_ask_all (run, "changed after the flush", false);
    run->step = "crash";
    s_crash (run, 1800, 3);
    s_ask_all (run, "recovered", false);
    run->step = "index";
    s_index (run, "spot", "flat");
    s_index (run, "way", "graph");
    s_ask_all (run, "indexed", true);
    s_insert (run, 1, 2200, 13);
    s_remove (run, 2, 2200, 17);
    s_ask_all (run, "changed after the index", true);
    run->step = "second crash";
    s_crash (run, 2000, 0);
    s_ask_all (run, "recovered again", true);
    s_drop (run);
    //  The same name once more: nothing of the first is seen
    for (size_t key = 0; key < MODEL_ROWS; key++)
        run->model->rows [key].there = false;
    s_create (run);
    s_insert (run, 10, 400, 2);
    s_ask_all (run, "made again", false);
}

//  Placements

static const char s_coordinators [] = "    actor\n        role = \"meta\"\n"
                                      "        loop = \"coord\"\n"
                                      "    actor\n        role = \"root_coord\"\n"
                                      "        loop = \"coord\"\n"
                                      "    actor\n        role = \"data_coord\"\n"
                                      "    actor\n        role = \"query_coord\"\n"
                                      "    actor\n        role = \"index_coord\"\n";

//  Four processes over ipc, other than local-cluster's: the proxy beside the coordinators, a node of each kind together
static void
s_ipc_config (s_run_t *run)
{
    const char *folder = claim_path (run->claim, "ipc");
    s_need (run, !claim_shell (NULL, 0, "mkdir '%s'", folder), "no folder %s", folder);
    snprintf (run->door, sizeof run->door, "ipc://%s/door", folder);
    run->endpoint = run->door;
    run->config = claim_write (
        run->claim, "ipc.zpl",
        "cluster\n    logs = 3\n    objects_path = \"%s/objects\"\n" CLUSTER_LINES
        "process\n    name = \"front\"\n    endpoint = \"ipc://%s/front\"\n"
        "    data = \"%s/data-front\"\n%s"
        "    actor\n        role = \"proxy\"\n        listen = \"%s\"\n"
        "process\n    name = \"both\"\n    endpoint = \"ipc://%s/both\"\n"
        "    data = \"%s/data-both\"\n"
        "    actor\n        role = \"data_node\"\n        loop = \"way\"\n"
        "    actor\n        role = \"query_node\"\n        loop = \"way\"\n"
        "process\n    name = \"query\"\n    endpoint = \"ipc://%s/query\"\n"
        "    data = \"%s/data-query\"\n    actor\n        role = \"query_node\"\n"
        "process\n    name = \"index\"\n    endpoint = \"ipc://%s/index\"\n"
        "    data = \"%s/data-index\"\n    actor\n        role = \"index_node\"\n",
        folder, folder, folder, s_coordinators, run->endpoint, folder, folder, folder,
        folder, folder, folder);
}

//  A placement has a folder of its own: no two clusters share their objects
static void
s_run_all (s_run_t *run, const char *name, const char *config, const char *victim)
{
    const double began = claim_now_ms ();
    run->claim = claim_new ("placement");
    run->name = name;
    run->victim = victim;
    run->step = "start";
    run->model = model_new (SCRIPT_SEED);
    if (config)
        run->config = claim_config (run->claim, config, CLUSTER_LINES, &run->endpoint);
    else
        s_ipc_config (run);
    s_start (run);
    run->client = claim_client (run->claim, run->endpoint, NULL);
    run->script = open_memstream (&run->text, &run->size);
    s_scenario (run);
    fclose (run->script);
    kith_client_destroy (&run->client);
    claim_stop (run->claim, &run->server);
    model_destroy (&run->model);
    claim_destroy (&run->claim);
    claim_say ("%s: %zu answers as the model's, %zu bytes, %.1f s", run->name,
               run->answers, run->size, (claim_now_ms () - began) / 1000);
}

//  False, with the first line that differs
static bool
s_same (const s_run_t *a, const s_run_t *b)
{
    const char *x = a->text, *y = b->text;
    while (*x && *y) {
        const size_t line_x = strcspn (x, "\n"), line_y = strcspn (y, "\n");
        if (line_x != line_y || memcmp (x, y, line_x) != 0)
            break;
        x += line_x + (x [line_x] == '\n');
        y += line_y + (y [line_y] == '\n');
    }
    if (*x || *y)
        claim_say ("%s: '%.*s'\n%s: '%.*s'", a->name, (int) strcspn (x, "\n"), x, b->name,
                   (int) strcspn (y, "\n"), y);
    return !*x && !*y;
}

int
main (void)
{
    s_run_t one = {.step = ""}, ipc = {.step = ""}, tcp = {.step = ""};
    s_run_all (&one, "one process", "configs/standalone.zpl", NULL);
    s_run_all (&ipc, "ipc", NULL, "both");
    s_run_all (&tcp, "tcp", "configs/local-cluster.zpl", "data-1");
    const bool same = s_same (&one, &ipc) && s_same (&one, &tcp);
    if (same)
        claim_say ("placement: %zu answers, the same bits in one process, over ipc and "
                   "over tcp",
                   one.answers);
    free (one.text);
    free (ipc.text);
    free (tcp.text);
    return same ? 0 : 1;
}
