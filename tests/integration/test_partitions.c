//  test_partitions.c - partitions by the command line and the library: rows in them, a drop that frees files, kills around it
//  SPDX-License-Identifier: Apache-2.0
#include "tests/claims/client.h"
#include <stdio.h>
#include <string.h>

enum { ROWS = 60, READY_MS = 60000, TEXT = 4096, DIM = 4 };

typedef struct {
    claim_t *claim;
    const char *endpoint, *config;
    pid_t server;
    kith_client_t *client;
    const char *folder;
} s_run_t;

static void
s_need (s_run_t *run, bool holds, const char *what, const kith_failure_t *failure)
{
    if (!holds)
        claim_fail (run->claim, "%s: %s", what, failure ? failure->message : "");
}

static void
s_start (s_run_t *run)
{
    run->server = claim_run (run->claim, run->config);
    claim_wait_ready (run->claim, run->endpoint, READY_MS);
    run->client = claim_client (run->claim, run->endpoint, NULL);
}

//  No time to put anything in order
static void
s_kill (s_run_t *run)
{
    kith_client_destroy (&run->client);
    claim_kill (run->claim, &run->server);
    s_start (run);
}

static void
s_insert (s_run_t *run, const char *partition, int64_t first)
{
    kith_failure_t failure;
    kith_rows_t *rows = kith_client_rows (run->client, "docs", &failure);
    s_need (run, rows != NULL, "rows", &failure);
    s_need (run, kith_rows_partition (rows, partition, &failure) == 0, "partition",
            &failure);
    for (int64_t id = first; id < first + ROWS; id++) {
        const float vector [DIM] = {(float) id, 1, 0, 0};
        s_need (run,
                kith_rows_int64 (rows, "id", &id, 1, &failure) == 0
                    && kith_rows_vectors (rows, "v", vector, DIM, 1, &failure) == 0,
                "values", &failure);
    }
    s_need (run, kith_client_insert (run->client, rows, NULL, &failure) == 0, "insert",
            &failure);
    kith_rows_destroy (&rows);
}

//  So many rows, of one partition or (null) of all, and the nearest of `near` is `id`
static void
s_holds (s_run_t *run, const char *partition, uint64_t count, float near, int64_t id)
{
    kith_failure_t failure;
    const kith_query_t query = {.collection = "docs",
                                .count = true,
                                .partitions = &partition,
                                .partition_count = partition != NULL};
    kith_answer_t *answer = kith_client_query (run->client, &query, &failure);
    s_need (run, answer != NULL, "count", &failure);
    if (kith_answer_count (answer) != count)
        claim_fail (run->claim, "%s: %llu rows, not %llu", partition ? partition : "all",
                    (unsigned long long) kith_answer_count (answer),
                    (unsigned long long) count);
    kith_answer_destroy (&answer);
    const float vector [DIM] = {near, 1, 0, 0};
    const kith_search_t search = {.collection = "docs",
                                  .vectors = vector,
                                  .nq = 1,
                                  .dim = DIM,
                                  .k = 1,
                                  .partitions = &partition,
                                  .partition_count = partition != NULL};
    answer = kith_client_search (run->client, &search, &failure);
    s_need (run, answer && kith_answer_rows (answer, 0) == 1, "search", &failure);
    if (kith_answer_int64 (answer, 0, 0, "id") != id)
        claim_fail (run->claim, "%s: the nearest of %g is %lld, not %lld",
                    partition ? partition : "all", (double) near,
                    (long long) kith_answer_int64 (answer, 0, 0, "id"), (long long) id);
    kith_answer_destroy (&answer);
}

//  Of the snapshots that were there when `names` was written, so many are there still. (A kill between the put of a snapshot
//  and its commit leaves one that nothing names: it does not count.)
static int
s_snapshots (s_run_t *run)
{
    char out [64] = "";
    if (claim_shell (
            out, sizeof out,
            "cd '%s' && find . -name 'snapshot*' | sort | comm -12 - names | wc -l",
            run->folder)
        != 0)
        claim_fail (run->claim, "find failed");
    int count = -1;
    sscanf (out, "%d", &count);
    return count;
}

static void
s_name_snapshots (s_run_t *run)
{
    if (claim_shell (NULL, 0, "cd '%s' && find . -name 'snapshot*' | sort > names",
                     run->folder)
        != 0)
        claim_fail (run->claim, "find failed");
}

//  The files of a dropped partition go once nobody reads them
static void
s_freed (s_run_t *run, int left)
{
    const double began = claim_now_ms ();
    while (s_snapshots (run) != left) {
        if (claim_now_ms () - began > READY_MS)
            claim_fail (run->claim, "%d snapshots after a minute, not %d",
                        s_snapshots (run), left);
        kith_client_poll (run->client, 50);
    }
}

static void
s_command (s_run_t *run, const char *line, int status, const char *words)
{
    char out [TEXT] = "";
    const int result = claim_shell (out, sizeof out, "%s --connect %s %s 2>&1",
                                    claim_zactor (), run->endpoint, line);
    if (result != status || !strstr (out, words))
        claim_fail (run->claim, "zactor %s ended with %d: %s", line, result, out);
}

int
main (void)
{
    static const char *const fields [] = {"id int64 key", "v float_vector(4) l2"};
    s_run_t run = {.claim = claim_new ("partitions")};
    kith_failure_t failure;
    run.config = claim_config (run.claim, "configs/standalone.zpl", NULL, &run.endpoint);
    run.folder = claim_path (run.claim, ".");
    s_start (&run);
    s_need (&run, kith_client_create (run.client, "docs", fields, 2, 1, &failure) == 0,
            "create", &failure);
    s_command (&run, "partition create docs old", 0, "created partition old of docs");
    s_command (&run, "partition create docs old", 1, "is there already");
    s_need (&run, kith_client_partition_create (run.client, "docs", "new", &failure) == 0,
            "partition create", &failure);
    s_insert (&run, NULL, 0);
    s_insert (&run, "old", 1000);
    s_insert (&run, "new", 2000);
    s_need (&run, kith_client_flush (run.client, "docs", &failure) == 0, "flush",
            &failure);
    //  A key moves with its row
    s_insert (&run, "new", 1000 + ROWS / 2);
    s_holds (&run, "old", ROWS / 2, 1001, 1001);
    s_holds (&run, "new", 2 * ROWS, 1900, 2000);
    s_kill (&run);
    s_holds (&run, NULL, 3 * ROWS + ROWS / 2, 1001, 1001);
    s_name_snapshots (&run);
    s_need (&run, s_snapshots (&run) == 3, "three snapshots", NULL);
    s_command (&run, "partition list docs --json", 0,
               "{\"name\": \"old\", \"rows\": 30}");
    s_command (&run, "partition drop docs old", 1, "Nothing was done");
    s_command (&run, "partition drop docs _default --yes", 1, "always there");
    s_command (&run, "partition drop docs old --yes", 0, "dropped partition old of docs");
    s_holds (&run, NULL, 3 * ROWS, 1001, 1000 + ROWS / 2);
    s_kill (&run);
    s_holds (&run, NULL, 3 * ROWS, 1001, 1000 + ROWS / 2);
    s_command (&run, "query docs --partition old --count", 1, "no partition 'old'");
    s_command (&run, "flush docs", 0, "flushed");
    s_freed (&run, 2);    //  of _default and of new
    //  The same name is another partition
    s_command (&run, "partition create docs old", 0, "created");
    s_insert (&run, "old", 5000);
    s_holds (&run, "old", ROWS, 5000, 5000);
    s_holds (&run, NULL, 4 * ROWS, 1001, 1000 + ROWS / 2);
    kith_client_destroy (&run.client);
    claim_stop (run.claim, &run.server);
    claim_say (
        "partitions: a dropped one took its rows and its files with it, through kills");
    claim_destroy (&run.claim);
    return 0;
}
