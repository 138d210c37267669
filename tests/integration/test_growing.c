//  test_growing.c - rows that are not flushed, searched by indexes of their own while they are replaced and deleted
//  SPDX-License-Identifier: Apache-2.0
//
//  The oracle is a scan over a copy of the rows. What is answered is always there, as it was written last, with its exact
//  score; without an index nothing is missed, with one what was asked for is found.
#include "tests/claims/client.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 7000, DIM = 8, K = 10, ASKED = 40, CLOUDS = 50, READY_MS = 60000 };

//  Pieces of a few hundred rows get an index; nothing is flushed by itself
#define CLUSTER_LINES "    index_rows_min = 100\n    seal_time = 1h\n"

typedef struct {
    bool there;
    float vector [DIM];
} s_row_t;

typedef struct {
    claim_t *claim;
    const char *endpoint;
    pid_t server;
    kith_client_t *client;
    uint64_t random;
    float clouds [CLOUDS][DIM];
    s_row_t rows [ROWS];
} s_run_t;

static void
s_need (s_run_t *run, bool holds, const char *what, const kith_failure_t *failure)
{
    if (!holds)
        claim_fail (run->claim, "%s: %s", what, failure ? failure->message : "");
}

static float
s_number (s_run_t *run)
{
    return (float) (claim_random (&run->random) % 2001) / 1000 - 1;
}

static void
s_vector (s_run_t *run, float *vector)
{
    const float *cloud = run->clouds [claim_random (&run->random) % CLOUDS];
    for (size_t place = 0; place < DIM; place++)
        vector [place] = 4 * cloud [place] + s_number (run);
}

static double
s_score (const float *a, const float *b)
{
    double sum = 0;
    for (size_t place = 0; place < DIM; place++)
        sum += ((double) a [place] - (double) b [place])
               * ((double) a [place] - (double) b [place]);
    return sum;
}

static int
s_compare (const void *a, const void *b)
{
    const double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

//  ---------------------------------------------------------------------

static void
s_insert (s_run_t *run, int64_t from, int64_t by)
{
    kith_failure_t failure = {.at = -1};
    kith_rows_t *rows = kith_client_rows (run->client, "points", &failure);
    s_need (run, rows != NULL, "rows", &failure);
    for (int64_t key = from; key < ROWS; key += by) {
        s_row_t *row = &run->rows [key];
        row->there = true;
        s_vector (run, row->vector);
        s_need (run,
                !kith_rows_int64 (rows, "id", &key, 1, &failure)
                    && !kith_rows_vectors (rows, "v", row->vector, DIM, 1, &failure),
                "row", &failure);
    }
    s_need (run, !kith_client_insert (run->client, rows, NULL, &failure), "insert",
            &failure);
    kith_rows_destroy (&rows);
}

static void
s_remove (s_run_t *run, int64_t from, int64_t by)
{
    kith_failure_t failure = {.at = -1};
    kith_rows_t *rows = kith_client_rows (run->client, "points", &failure);
    for (int64_t key = from; rows && key < ROWS; key += by) {
        run->rows [key].there = false;
        kith_rows_int64 (rows, "id", &key, 1, &failure);
    }
    s_need (run, rows && !kith_client_remove (run->client, rows, NULL, &failure),
            "delete", &failure);
    kith_rows_destroy (&rows);
}

static size_t
s_check (s_run_t *run, kith_answer_t *answer, size_t query, const float *vector)
{
    static double distances [ROWS];
    size_t total = 0, nearest = 0;
    for (size_t key = 0; key < ROWS; key++)
        if (run->rows [key].there)
            distances [total++] = s_score (vector, run->rows [key].vector);
    qsort (distances, total, sizeof *distances, s_compare);
    s_need (run, kith_answer_rows (answer, query) == K, "another count", NULL);
    for (size_t place = 0; place < K; place++) {
        const s_row_t *row = &run->rows [kith_answer_int64 (answer, query, place, "id")];
        const double wanted = s_score (vector, row->vector);
        const double score = (double) kith_answer_score (answer, query, place);
        s_need (run, row->there, "a row that is not there", NULL);
        s_need (run, fabs (score - wanted) <= 1e-5 * (1 + wanted), "another score", NULL);
        nearest += wanted <= distances [K - 1] + 1e-5;
    }
    return nearest;
}

//  Share of the nearest that are found
static double
s_search (s_run_t *run)
{
    static const char *const output [] = {"id"};
    size_t nearest = 0;
    for (size_t asked = 0; asked < ASKED; asked++) {
        float query [DIM];
        kith_failure_t failure = {.at = -1};
        s_vector (run, query);
        const kith_search_t search = {.collection = "points",
                                      .vectors = query,
                                      .nq = 1,
                                      .dim = DIM,
                                      .k = K,
                                      .output = output,
                                      .output_count = 1};
        kith_answer_t *answer = kith_client_search (run->client, &search, &failure);
        s_need (run, answer != NULL, "search", &failure);
        nearest += s_check (run, answer, 0, query);
        kith_answer_destroy (&answer);
    }
    return (double) nearest / (ASKED * K);
}

//  What --explain says of the growing rows
static bool
s_says (s_run_t *run, const char *word)
{
    char out [4096] = "";
    if (claim_shell (out, sizeof out,
                     "%s --connect %s search points --key 1 -k 3 --explain 2>&1 | "
                     "grep growing",
                     claim_zactor (), run->endpoint)
        != 0)
        claim_fail (run->claim, "search --explain: %s", out);
    return strstr (out, word) != NULL;
}

static void
s_index (s_run_t *run, const char *type)
{
    const kith_index_options_t options = {
        .type = type, .wait = true, .wait_ms = READY_MS};
    kith_failure_t failure = {.at = -1};
    s_need (run,
            !kith_client_index_create (run->client, "points", "v", &options, &failure),
            "index", &failure);
}

//  Searches until the growing rows are searched by a graph, or no longer
static void
s_await (s_run_t *run, bool graph)
{
    const double until_ms = claim_now_ms () + READY_MS;
    while (s_says (run, "graph") != graph && claim_now_ms () < until_ms)
        ;
    s_need (run, s_says (run, "graph") == graph, "growing rows' index", NULL);
}

int
main (void)
{
    static s_run_t run;
    run.claim = claim_new ("growing");
    run.random = 41;
    for (size_t cloud = 0; cloud < CLOUDS; cloud++)
        for (size_t place = 0; place < DIM; place++)
            run.clouds [cloud][place] = s_number (&run);
    const char *config =
        claim_config (run.claim, "configs/standalone.zpl", CLUSTER_LINES, &run.endpoint);
    static const char *const fields [] = {"id int64 key", "v float_vector(8) l2"};
    kith_failure_t failure = {.at = -1};
    run.server = claim_run (run.claim, config);
    claim_wait_ready (run.claim, run.endpoint, READY_MS);
    run.client = claim_client (run.claim, run.endpoint, NULL);
    s_need (&run, !kith_client_create (run.client, "points", fields, 2, 1, &failure),
            "create", &failure);
    s_insert (&run, 0, 1);
    s_need (&run, s_search (&run) >= 1, "a scan missed something", NULL);
    s_need (&run, !s_says (&run, "graph"), "an index nobody asked for", NULL);
    s_need (&run, !kith_client_drop (run.client, "points", &failure), "drop", &failure);

    //  Declared first, so that nothing is flushed for it
    s_need (&run, !kith_client_create (run.client, "points", fields, 2, 1, &failure),
            "create", &failure);
    s_index (&run, "graph");
    s_insert (&run, 0, 1);
    s_await (&run, true);
    s_need (&run, s_search (&run) >= 0.94, "too few were found", NULL);
    s_insert (&run, 3, 7);
    s_remove (&run, 5, 11);
    s_need (&run, s_search (&run) >= 0.94, "too few were found after changes", NULL);
    s_need (&run, !kith_client_index_drop (run.client, "points", "v", &failure), "drop",
            &failure);
    s_await (&run, false);
    s_need (&run, s_search (&run) >= 1, "a scan missed something after changes", NULL);
    //  Rows that are flushed for an index, and others that grow beside it
    s_index (&run, "ivf");
    s_insert (&run, 2, 5);
    s_need (&run, s_search (&run) >= 0.94, "too few were found by two", NULL);
    kith_client_destroy (&run.client);
    claim_stop (run.claim, &run.server);
    claim_say ("%d growing rows were searched by their own indexes, replaced and deleted",
               ROWS);
    claim_destroy (&run.claim);
    return 0;
}
