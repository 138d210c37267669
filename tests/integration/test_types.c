//  test_types.c - a collection of every type of vector in a real server: written, searched, flushed, indexed, restarted
//  SPDX-License-Identifier: Apache-2.0
//
//  Numbers are small and whole, so that every type holds them and sums are exact; the model compares all rows in double. At the end the
//  command line is given what does not fit, and must say so.
#include "tests/claims/client.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 16, ROWS = 700, ASKED = 8, K = 10, KIND_MAX = 3 };

//  Segments are indexed although they are small
#define CLUSTER_LINES "    index_rows_min = 100\n"

typedef struct {
    const char *type, *metric;
    const char *kinds [KIND_MAX];    //  of index, one after another
} s_case_t;

static const s_case_t s_cases [] = {
    {"float_vector", "l2", {"graph", "ivf", "disk"}},
    {"float_vector", "cosine", {"auto", "ivf", "graph"}},
    {"float16_vector", "l2", {"graph", "ivf", "disk"}},
    {"float16_vector", "cosine", {"flat", "auto", "graph"}},
    {"bfloat16_vector", "ip", {"graph", "disk"}},
    {"bfloat16_vector", "cosine", {"ivf", "auto"}},
    {"int8_vector", "l2", {"graph"}},
    {"int8_vector", "ip", {"auto", "ivf"}},
    {"int8_vector", "cosine", {"auto", "disk", "graph"}},
    {"binary_vector", "hamming", {"bin", "flat", "auto"}},
    {"binary_vector", "jaccard", {"auto"}},
};
enum { CASES = sizeof s_cases / sizeof s_cases [0] };

typedef struct {
    bool there;
    int64_t rank;
    float vector [DIM];
} s_row_t;

typedef struct {
    claim_t *claim;
    const char *endpoint, *config;
    pid_t server;
    kith_client_t *client;
    uint64_t random;
    s_row_t (*rows) [ROWS];    //  of each case
    size_t answers;
} s_run_t;

static void
s_need (s_run_t *run, bool holds, size_t number, const char *what,
        const kith_failure_t *failure)
{
    if (!holds)
        claim_fail (run->claim, "%s %s: %s: %s", s_cases [number].type,
                    s_cases [number].metric, what, failure ? failure->message : "");
}

static bool
s_binary (size_t number)
{
    return strcmp (s_cases [number].type, "binary_vector") == 0;
}

static const char *
s_name (size_t number)
{
    static char names [CASES][16];
    snprintf (names [number], sizeof names [number], "c%zu", number);
    return names [number];
}

static void
s_vector (s_run_t *run, size_t number, float *vector)
{
    for (size_t place = 0; place < DIM; place++)
        vector [place] = s_binary (number)
                             ? (float) (claim_random (&run->random) % 2)
                             : (float) (claim_random (&run->random) % 17) - 8;
}

//  ---------------------------------------------------------------------
//  Model

static double
s_score (size_t number, const float *a, const float *b)
{
    const char *metric = s_cases [number].metric;
    double dot = 0, l2 = 0, norm_a = 0, norm_b = 0, either = 0;
    for (size_t place = 0; place < DIM; place++) {
        const double x = (double) a [place], y = (double) b [place];
        dot += x * y;
        l2 += (x - y) * (x - y);
        norm_a += x * x;
        norm_b += y * y;
        either += x + y > 0;
    }
    if (strcmp (metric, "ip") == 0)
        return dot;
    if (strcmp (metric, "cosine") == 0)
        return norm_a > 0 && norm_b > 0 ? dot / sqrt (norm_a * norm_b) : 0;
    if (strcmp (metric, "jaccard") == 0)
        return either > 0 ? l2 / either : 0;
    return l2;
}

static bool
s_rises (size_t number)
{
    const char *metric = s_cases [number].metric;
    return strcmp (metric, "ip") != 0 && strcmp (metric, "cosine") != 0;
}

static int
s_compare (const void *a, const void *b)
{
    const double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

//  Distances of the rows that a search may find, the nearest first
static size_t
s_expect (const s_run_t *run, size_t number, const float *query, bool filtered,
          double distances [ROWS])
{
    size_t count = 0;
    for (size_t key = 0; key < ROWS; key++) {
        const s_row_t *row = &run->rows [number][key];
        if (!row->there || (filtered && row->rank >= 300))
            continue;
        const double score = s_score (number, query, row->vector);
        distances [count++] = s_rises (number) ? score : -score;
    }
    qsort (distances, count, sizeof *distances, s_compare);
    return count;
}

//  ---------------------------------------------------------------------
//  Writes

static void
s_insert (s_run_t *run, size_t number, int64_t from, int64_t by)
{
    kith_failure_t failure = {.at = -1};
    kith_rows_t *rows = kith_client_rows (run->client, s_name (number), &failure);
    s_need (run, rows != NULL, number, "rows", &failure);
    for (int64_t key = from; key < ROWS; key += by) {
        s_row_t *row = &run->rows [number][key];
        row->there = true;
        row->rank = (int64_t) (claim_random (&run->random) % 1000);
        s_vector (run, number, row->vector);
        s_need (run,
                !kith_rows_int64 (rows, "id", &key, 1, &failure)
                    && !kith_rows_int64 (rows, "rank", &row->rank, 1, &failure)
                    && !kith_rows_vectors (rows, "v", row->vector, DIM, 1, &failure),
                number, "row", &failure);
    }
    s_need (run, !kith_client_insert (run->client, rows, NULL, &failure), number,
            "insert", &failure);
    kith_rows_destroy (&rows);
}

static void
s_remove (s_run_t *run, size_t number, int64_t from, int64_t by)
{
    kith_failure_t failure = {.at = -1};
    kith_rows_t *rows = kith_client_rows (run->client, s_name (number), &failure);
    for (int64_t key = from; rows && key < ROWS; key += by) {
        run->rows [number][key].there = false;
        kith_rows_int64 (rows, "id", &key, 1, &failure);
    }
    s_need (run, rows && !kith_client_remove (run->client, rows, NULL, &failure), number,
            "delete", &failure);
    kith_rows_destroy (&rows);
}

//  ---------------------------------------------------------------------
//  Reads

//  Every row has its own vector and score and may be answered; returns how many are among the K nearest
static size_t
s_check_query (s_run_t *run, size_t number, kith_answer_t *answer, size_t query,
               const float *vector, bool filtered)
{
    double distances [ROWS];
    const size_t total = s_expect (run, number, vector, filtered, distances);
    const size_t count = kith_answer_rows (answer, query);
    size_t nearest = 0;
    s_need (run, count == (total < K ? total : K), number, "another count", NULL);
    for (size_t place = 0; place < count; place++) {
        const int64_t key = kith_answer_int64 (answer, query, place, "id");
        const s_row_t *row = &run->rows [number][key];
        size_t dim;
        const float *stored = kith_answer_vector (answer, query, place, "v", &dim);
        s_need (run, row->there && (!filtered || row->rank < 300), number,
                "a row that is not there", NULL);
        s_need (run, dim == DIM && memcmp (stored, row->vector, sizeof row->vector) == 0,
                number, "another vector", NULL);
        const double wanted = s_score (number, vector, row->vector);
        const double score = (double) kith_answer_score (answer, query, place);
        s_need (run, fabs (score - wanted) <= 1e-6 * (1 + fabs (wanted)), number,
                "another score", NULL);
        const double distance = s_rises (number) ? wanted : -wanted;
        nearest += distance <= distances [count - 1] + 1e-9;
    }
    return nearest;
}

static void
s_search (s_run_t *run, size_t number, bool filtered, double recall)
{
    static const char *const output [] = {"id", "v"};
    float queries [ASKED][DIM];
    for (size_t query = 0; query < ASKED; query++)
        s_vector (run, number, queries [query]);
    kith_failure_t failure = {.at = -1};
    const kith_search_t search = {.collection = s_name (number),
                                  .vectors = queries [0],
                                  .nq = ASKED,
                                  .dim = DIM,
                                  .k = K,
                                  .filter = filtered ? "rank < 300" : NULL,
                                  .output = output,
                                  .output_count = 2};
    kith_answer_t *answer = kith_client_search (run->client, &search, &failure);
    s_need (run, answer != NULL, number, "search", &failure);
    size_t nearest = 0;
    for (size_t query = 0; query < ASKED; query++)
        nearest += s_check_query (run, number, answer, query, queries [query], filtered);
    s_need (run, (double) nearest >= recall * ASKED * K, number,
            "too few of the nearest were found", NULL);
    kith_answer_destroy (&answer);
    run->answers++;
}

//  A stored vector as it is stored, as numbers, and by its key: the same rows
static void
s_search_stored (s_run_t *run, size_t number, int64_t key)
{
    static const char *const output [] = {"id", "v"};
    kith_failure_t failure = {.at = -1};
    kith_rows_t *keys = kith_client_rows (run->client, s_name (number), &failure);
    s_need (run, keys && !kith_rows_int64 (keys, "id", &key, 1, &failure), number, "key",
            &failure);
    const kith_query_t query = {
        .collection = s_name (number), .keys = keys, .output = output, .output_count = 2};
    kith_answer_t *row = kith_client_query (run->client, &query, &failure);
    s_need (run, row && kith_answer_rows (row, 0) == 1, number, "query", &failure);
    size_t bytes;
    const void *raw = kith_answer_raw_vector (row, 0, 0, "v", &bytes);
    const s_row_t *stored = &run->rows [number][key];
    kith_search_t searches [3] = {
        {.raw = raw, .raw_bytes = bytes, .nq = 1, .k = K + 1},
        {.vectors = stored->vector, .nq = 1, .dim = DIM, .k = K + 1},
        {.keys = keys, .k = K}};
    int64_t found [3][K + 1];
    for (size_t each = 0; each < 3; each++) {
        searches [each].collection = s_name (number);
        //  An index may miss one from search to search of another k: all rows
        searches [each].recall = 1;
        searches [each].effort = 4096;
        kith_answer_t *answer =
            kith_client_search (run->client, &searches [each], &failure);
        s_need (run, answer != NULL, number, "search of a stored vector", &failure);
        const size_t count = kith_answer_rows (answer, 0);
        s_need (run, count == searches [each].k, number, "another count", NULL);
        for (size_t place = 0; place < count; place++)
            found [each][place] = kith_answer_int64 (answer, 0, place, "id");
        kith_answer_destroy (&answer);
    }
    s_need (run, memcmp (found [0], found [1], sizeof found [0]) == 0, number,
            "raw and numbers find others", NULL);
    //  Of equal distance the smaller key comes first, so that the asked row may stand anywhere among its twins
    for (size_t place = 0, at = 0; place < K; place++, at++) {
        at += found [0][at] == key;
        s_need (run, at <= K && found [2][place] == found [0][at], number,
                "the key finds others", NULL);
    }
    kith_answer_destroy (&row);
    kith_rows_destroy (&keys);
    run->answers++;
}

static void
s_ask (s_run_t *run, size_t number, double recall)
{
    int64_t key = 0;
    s_search (run, number, false, recall);
    s_search (run, number, true, recall);
    while (!run->rows [number][key].there)
        key++;
    s_search_stored (run, number, key);
}

//  ---------------------------------------------------------------------
//  The scenario

static void
s_start (s_run_t *run)
{
    run->server = claim_run (run->claim, run->config);
    claim_wait_ready (run->claim, run->endpoint, 60000);
    run->client = claim_client (run->claim, run->endpoint, NULL);
}

static void
s_end (s_run_t *run)
{
    kith_client_destroy (&run->client);
    claim_stop (run->claim, &run->server);
}

static void
s_fill (s_run_t *run, size_t number)
{
    char type [64];
    const char *const fields [] = {"id int64 key", "rank int32", type};
    kith_failure_t failure = {.at = -1};
    snprintf (type, sizeof type, "v %s(%d) %s", s_cases [number].type, DIM,
              s_cases [number].metric);
    s_need (run,
            !kith_client_create (run->client, s_name (number), fields, 3,
                                 1 + (uint32_t) number % 2, &failure),
            number, "create", &failure);
    s_insert (run, number, 0, 1);
    s_ask (run, number, 1);
    s_insert (run, number, 3, 7);
    s_remove (run, number, 5, 11);
    s_ask (run, number, 1);
    s_need (run, !kith_client_flush (run->client, s_name (number), &failure), number,
            "flush", &failure);
    s_ask (run, number, 1);
}

static void
s_index (s_run_t *run, size_t number)
{
    for (size_t each = 0; each < KIND_MAX && s_cases [number].kinds [each]; each++) {
        const char *kind = s_cases [number].kinds [each];
        const kith_index_options_t options = {
            .type = kind, .wait = true, .wait_ms = 60000};
        kith_failure_t failure = {.at = -1};
        s_need (run,
                !kith_client_index_create (run->client, s_name (number), "v", &options,
                                           &failure),
                number, kind, &failure);
        char *text = kith_client_index_describe (run->client, s_name (number), &failure);
        s_need (run, text && strstr (text, "\"built\": 1,"), number, "not built", NULL);
        s_need (run, strcmp (kind, "auto") == 0 || strstr (text, kind), number,
                "another kind", NULL);
        kith_text_free (&text);
        s_ask (run, number, 0.9);
    }
    s_insert (run, number, 2, 13);
    s_remove (run, number, 4, 17);
    s_ask (run, number, 0.9);
}

//  ---------------------------------------------------------------------
//  The command line, given what does not fit

static const struct {
    const char *arguments;
    int status;
    const char *says;
} s_lines [] = {
    {"collection create x 'id int64 key' 'v binary_vector(12)'", 1,
     "field 'v': binary_vector needs a multiple of 8 in brackets, not 12"},
    {"collection create x 'id int64 key' 'v binary_vector(16) cosine'", 1,
     "field 'v': binary_vector is compared by hamming or jaccard, not by cosine"},
    {"collection create x 'id int64 key' 'v float16_vector(16) hamming'", 1,
     "field 'v': float16_vector is compared by l2, ip or cosine, not by hamming"},
    {"collection create x 'id int64 key' 'v halfvec(16)'", 1,
     "hint: types: bool int8 int16 int32 int64 float double varchar(N) json "
     "float_vector(N) float16_vector(N) bfloat16_vector(N) int8_vector(N) "
     "binary_vector(N)"},
    {"search c2 --vector '[1, 2]'", 1,
     "search: query for field 'v': a vector of 2 numbers, 16 expected"},
    {"search c2 --vector '[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1e6]'", 1,
     "number 16 is 1e+06; float16_vector holds -65504 to 65504"},
    {"search c6 --vector '[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0.5]'", 1,
     "number 16 is 0.5; int8_vector holds whole numbers from -128 to 127"},
    {"search c9 --vector '[1, 2, 3]'", 1,
     "query for field 'v': a vector of 3 numbers, 16 bits or 2 bytes expected"},
    {"search c9 --vector '[3, 256]'", 1,
     "number 2 is 256; 2 numbers are bytes, from 0 to 255"},
    {"search c9 --vector '[3, 255]' -k 1", 0, "1 row in "},
    {"search c9 --vector '[1,1,0,0,0,0,0,0,1,1,1,1,1,1,1,1]' -k 1", 0, "1 row in "},
    {"insert c9 '{\"id\": 1, \"rank\": 1, \"v\": [1, 300]}'", 1,
     "field 'v': number 2 is 300; 2 numbers are bytes, from 0 to 255"},
    {"insert c6 '{\"id\": 1, \"rank\": 1, \"v\": \"x\"}'", 1,
     "field 'v' is int8_vector(16), not a text"},
    {"index create c0 v tree", 1, "no index of type 'tree' (allowed: auto, flat, graph"},
    {"index create c0 v graph --code pq4", 1, "field 'v': a graph has no code pq4"},
    {"index create c0 v graph --code pq4", 1,
     "hint: graph over float_vector(16) l2 may have the code: auto, float32, sq8, sq4"},
    {"index create c0 v --code zip", 1, "no code 'zip' (allowed: auto, float32, sq8"},
    {"index create c0 v flat --param M=8", 1,
     "M is a parameter of graph and disk, not of flat"},
    {"index create c0 v graph --param lists=8", 1, "lists is a parameter of ivf"},
    {"index create c0 v graph --param M=x", 2, "--param: 'M=x' is no NAME=COUNT"},
    {"index create c0 v graph --param Q=3", 2, "--param: 'Q=3' is not known"},
    {"index create c9 v ivf", 1, "inverted lists are made over vectors of numbers"},
    {"index create c6 v graph --code sq8", 0, "(graph sq8, "},
    {"index create c9 v graph", 1, "hint: a binary_vector(16) may have: auto, flat"},
    {"index create c0 v bin", 1, "hint: a float_vector(16) may have: auto, flat, graph"},
    {"index create c0 rank", 1, "field rank of c0 is int32, not a vector"},
    {"index create c0 v ivf --code sq8 --param nlist=10", 0, "(ivf sq8, "},
    {"search c0 --key 1 -k 1 --explain", 0, "ivf sq8"},
    {"collection describe c0", 0, "ivf sq8 l2, 100 % built"},
    {"index create c0 v hnsw --code sq4 --param M=16", 0, "(graph sq4, "},
    {"search c0 --key 1 -k 1 --explain", 0, "graph sq4"},
    {"index drop c0 v", 0, "dropped the index"},
    {"query c9 --keys 1 --output '*' --json", 0, "\"v\": ["},
};

static void
s_command_line (s_run_t *run)
{
    for (size_t line = 0; line < sizeof s_lines / sizeof s_lines [0]; line++) {
        char out [8192] = "";
        const int status =
            claim_shell (out, sizeof out, "%s --connect %s %s 2>&1", claim_zactor (),
                         run->endpoint, s_lines [line].arguments);
        if (status != s_lines [line].status || !strstr (out, s_lines [line].says))
            claim_fail (run->claim, "zactor %s: status %d: %s", s_lines [line].arguments,
                        status, out);
    }
}

//  The index that was dropped is used no more, also after a restart
static void
s_dropped (s_run_t *run)
{
    char out [8192] = "";
    claim_shell (out, sizeof out, "%s --connect %s search c0 --key 1 -k 1 --explain 2>&1",
                 claim_zactor (), run->endpoint);
    if (!strstr (out, "flat") || strstr (out, "graph"))
        claim_fail (run->claim, "a dropped index is used: %s", out);
}

int
main (void)
{
    s_run_t run = {.claim = claim_new ("types"), .random = 7};
    run.rows = calloc (CASES, sizeof *run.rows);
    run.config =
        claim_config (run.claim, "configs/standalone.zpl", CLUSTER_LINES, &run.endpoint);
    s_start (&run);
    for (size_t number = 0; number < CASES; number++)
        s_fill (&run, number);
    for (size_t number = 0; number < CASES; number++)
        s_index (&run, number);
    s_end (&run);
    s_start (&run);
    for (size_t number = 0; number < CASES; number++)
        s_ask (&run, number, 0.9);
    s_command_line (&run);
    s_end (&run);
    s_start (&run);
    s_dropped (&run);
    s_end (&run);
    claim_say ("types: %zu answers of %d collections as the model's", run.answers,
               (int) CASES);
    free (run.rows);
    claim_destroy (&run.claim);
    return 0;
}
