//  claim_fresh - an acknowledged row is found by the next Strong search, and how soon
//  SPDX-License-Identifier: Apache-2.0
#include "tests/claims/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMES = 1000,
    DIM = 100,
    THERE = 10000    //  rows that are there already
};

static void
s_vector (float *out, uint64_t row)
{
    uint64_t state = row * 77777u + 1;
    for (int i = 0; i < DIM; i++)
        out [i] = (float) ((double) (claim_random (&state) >> 40) / (1 << 24) - 0.5);
}

static void
s_insert (claim_t *claim, kith_client_t *client, uint64_t first, size_t count)
{
    kith_failure_t failure = {.at = -1};
    kith_rows_t *rows = kith_client_rows (client, "fresh", &failure);
    for (size_t i = 0; i < count && rows; i++) {
        float vector [DIM];
        int64_t id = (int64_t) (first + i);
        s_vector (vector, first + i);
        if (kith_rows_int64 (rows, "id", &id, 1, &failure) != 0
            || kith_rows_vectors (rows, "vector", vector, DIM, 1, &failure) != 0)
            kith_rows_destroy (&rows);
    }
    if (!rows || kith_client_insert (client, rows, NULL, &failure) != 0)
        claim_fail (claim, "insert: %s", failure.message);
    kith_rows_destroy (&rows);
}

//  One row in, one search by another client; true if it is the nearest
static bool
s_once (claim_t *claim, kith_client_t *writer, kith_client_t *reader, uint64_t row,
        double *ms)
{
    float vector [DIM];
    kith_failure_t failure = {.at = -1};
    s_vector (vector, row);
    s_insert (claim, writer, row, 1);
    double began = claim_now_ms ();
    kith_search_t search = {
        .collection = "fresh", .vectors = vector, .nq = 1, .dim = DIM, .k = 1};
    kith_answer_t *answer = kith_client_search (reader, &search, &failure);
    *ms = claim_now_ms () - began;
    if (!answer)
        claim_fail (claim, "search: %s", failure.message);
    bool found = kith_answer_rows (answer, 0) == 1
                 && kith_answer_int64 (answer, 0, 0, "id") == (int64_t) row;
    kith_answer_destroy (&answer);
    return found;
}

int
main (void)
{
    claim_t *claim = claim_new ("fresh");
    const char *endpoint = NULL;
    const char *config = claim_config (claim, "configs/standalone.zpl", NULL, &endpoint);
    const char *fields [] = {"id int64 key", "vector float_vector(100) l2"};
    static double ms [TIMES];
    kith_failure_t failure = {.at = -1};
    claim_say ("fresh: %d rows, each inserted by one client and searched by another "
               "(Strong, tcp, %d rows there)",
               TIMES, THERE);
    pid_t server = claim_run (claim, config);
    claim_wait_ready (claim, endpoint, 30000);
    kith_client_t *writer = claim_client (claim, endpoint, NULL);
    kith_client_t *reader = claim_client (claim, endpoint, NULL);
    if (kith_client_create (writer, "fresh", fields, 2, 1, &failure) != 0)
        claim_fail (claim, "create: %s", failure.message);
    s_insert (claim, writer, 0, THERE);
    int found = 0;
    for (int i = 0; i < TIMES; i++)
        found += s_once (claim, writer, reader, (uint64_t) (THERE + i), &ms [i]);
    kith_client_destroy (&writer);
    kith_client_destroy (&reader);
    claim_stop (claim, &server);
    double median = claim_percentile (ms, TIMES, 0.5),
           high = claim_percentile (ms, TIMES, 0.99);
    claim_say ("acknowledged to found: median %.2f ms, 99 %% within %.2f ms", median,
               high);
    int rc =
        claim_figure (found == TIMES && median <= 2, "1,000 of 1,000, <= 2 ms median",
                      "%d of %d found, %.2f ms median", found, TIMES, median);
    claim_destroy (&claim);
    return rc;
}
