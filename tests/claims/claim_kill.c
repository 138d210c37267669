//  claim_kill - kill -9 of a random process while rows are inserted, replaced and deleted: nothing acknowledged is lost
//  SPDX-License-Identifier: Apache-2.0
//
//  claim_kill [ROUNDS [SEED [CONFIG]]]. The checker keeps its own record of every key: the last operation that was acknowledged, and the
//  one that is undecided. A key has at most one undecided operation, which libkith sends again under the same request id until it
//  is decided. Operations are numbered; the number is the row's version. Meanwhile Strong reads must lie between what was
//  acknowledged when they began and what was asked for until they ended; after each round every key must be exact.
#include "tests/claims/client.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEYS = 6000,
    DIM = 8,
    BATCH = 4,
    FLYING = 48,    //  operations under way
    POLLS = 3,      //  reads under way
    POLL_KEYS = 16,
    ACKS = 1000,    //  acknowledged operations a round
    PROCESSES_MAX = 32,
    DECIDE_MS = 180000,
    NEAREST = 20
};

static const char COLLECTION [] = "kill";

typedef struct {
    uint64_t acked;       //  number of the last decided operation, 0: none
    bool present;         //  what it left
    bool pending;         //  an operation is under way
    uint64_t last_put;    //  newest ones that were asked for
    uint64_t last_delete;
} s_key_t;

typedef struct s_run s_run_t;

typedef struct {
    s_run_t *run;
    uint64_t number;
    bool put;
    bool busy;    //  this place is in use
    size_t count;
    int64_t keys [BATCH];
} s_op_t;

typedef struct {
    s_run_t *run;
    bool busy;
    bool counts;          //  a count; else a read of some keys
    int64_t low, high;    //  what a count may be
    int64_t keys [POLL_KEYS];
    uint64_t acked [POLL_KEYS];    //  when the poll began
    bool present [POLL_KEYS];
} s_poll_t;

struct s_run {
    claim_t *claim;
    pid_t server;
    kith_client_t *writer;
    kith_client_t *reader;
    uint64_t seed;
    s_key_t keys [KEYS];
    int64_t there;       //  keys present by the record
    uint64_t numbers;    //  operations so far
    s_op_t ops [FLYING];
    s_poll_t polls [POLLS];
    size_t flying;
    uint64_t acks, acked_rows, polls_done, polls_failed, killed;
    uint64_t lost, duplicated, resurrected, wrong;
};

static uint64_t
s_pick (s_run_t *run, uint64_t count)
{
    return claim_random (&run->seed) % count;
}

//  The vector of a key's version
static void
s_vector (float *out, int64_t key, uint64_t version)
{
    uint64_t state = (uint64_t) key * 1000003u + version;
    for (int i = 0; i < DIM; i++)
        out [i] = (float) ((double) (claim_random (&state) >> 40) / (1 << 24) - 0.5);
}

static void
s_complain (s_run_t *run, uint64_t *counter, int64_t key, const char *what, uint64_t seen)
{
    const s_key_t *record = &run->keys [key];
    ++*counter;
    claim_say ("  key %lld: %s (seen version %llu; acknowledged: %llu, %s)",
               (long long) key, what, (unsigned long long) seen,
               (unsigned long long) record->acked, record->present ? "there" : "deleted");
}

//  --- Writes

//  How many keys an operation may add to a count (put of an absent key), or take away
static int64_t
s_delta (const s_run_t *run, const s_op_t *op, bool up)
{
    int64_t delta = 0;
    for (size_t i = 0; i < op->count; i++)
        delta += op->put == up && run->keys [op->keys [i]].present != up;
    return delta;
}

static void
s_written (void *arg, uint64_t written, const kith_failure_t *failure)
{
    s_op_t *op = arg;
    s_run_t *run = op->run;
    if (failure)
        claim_fail (run->claim, "operation %llu stayed undecided: %s: %s",
                    (unsigned long long) op->number, failure->code, failure->message);
    if (written != op->count)
        claim_fail (run->claim, "operation %llu of %zu rows: %llu acknowledged",
                    (unsigned long long) op->number, op->count,
                    (unsigned long long) written);
    for (size_t i = 0; i < op->count; i++) {
        s_key_t *key = &run->keys [op->keys [i]];
        run->there += (int64_t) op->put - (int64_t) key->present;
        key->acked = op->number;
        key->present = op->put;
        key->pending = false;
    }
    run->acks++;
    run->acked_rows += op->count;
    run->flying--;
    op->busy = false;
}

//  Rows of an operation, or its keys alone
static kith_rows_t *
s_rows (s_run_t *run, kith_client_t *client, const int64_t *keys, size_t count,
        uint64_t version, bool put)
{
    kith_failure_t failure = {.at = -1};
    float vectors [BATCH * DIM];
    int64_t versions [BATCH];
    kith_rows_t *rows = kith_client_rows (client, COLLECTION, &failure);
    int rc = rows ? kith_rows_int64 (rows, "id", keys, count, &failure) : -1;
    for (size_t i = 0; put && i < count; i++) {
        versions [i] = (int64_t) version;
        s_vector (vectors + i * DIM, keys [i], version);
    }
    if (rc == 0 && put)
        rc = kith_rows_int64 (rows, "version", versions, count, &failure);
    if (rc == 0 && put)
        rc = kith_rows_vectors (rows, "vector", vectors, DIM, count, &failure);
    if (rc != 0)
        claim_fail (run->claim, "no rows: %s", failure.message);
    return rows;
}

//  Chooses free keys: for a put any, for a delete those that are there
static void
s_choose (s_run_t *run, s_op_t *op)
{
    op->put = s_pick (run, 100) < 68;
    op->count = 0;
    size_t wanted = 1 + s_pick (run, BATCH);
    for (int tries = 0; tries < 64 && op->count < wanted; tries++) {
        int64_t at = (int64_t) s_pick (run, KEYS);
        s_key_t *key = &run->keys [at];
        if (key->pending || (!op->put && !key->present))
            continue;
        key->pending = true;
        op->keys [op->count++] = at;
    }
}

static void
s_start_op (s_run_t *run, s_op_t *op)
{
    s_choose (run, op);
    if (!op->count)
        return;
    op->run = run;
    op->busy = true;
    op->number = ++run->numbers;
    for (size_t i = 0; i < op->count; i++)
        *(op->put ? &run->keys [op->keys [i]].last_put
                  : &run->keys [op->keys [i]].last_delete) = op->number;
    for (int i = 0; i < POLLS; i++) {
        run->polls [i].low -= s_delta (run, op, false);
        run->polls [i].high += s_delta (run, op, true);
    }
    run->flying++;
    kith_rows_t *rows =
        s_rows (run, run->writer, op->keys, op->count, op->number, op->put);
    if (op->put)
        kith_client_insert_start (run->writer, &rows, s_written, op);
    else
        kith_client_remove_start (run->writer, &rows, s_written, op);
}

//  --- Reads while writes are under way

static void
s_judge_count (s_poll_t *poll, uint64_t count)
{
    s_run_t *run = poll->run;
    if ((int64_t) count < poll->low || (int64_t) count > poll->high) {
        claim_say ("  a Strong count of %llu is outside of %lld .. %lld",
                   (unsigned long long) count, (long long) poll->low,
                   (long long) poll->high);
        run->wrong++;
    }
}

static void
s_judge_key (s_poll_t *poll, size_t i, int found, uint64_t version)
{
    s_run_t *run = poll->run;
    int64_t key = poll->keys [i];
    const s_key_t *record = &run->keys [key];
    uint64_t acked = poll->acked [i];
    if (found > 1)
        s_complain (run, &run->duplicated, key, "found twice by a Strong read", version);
    else if (!found && poll->present [i] && record->last_delete < acked)
        s_complain (run, &run->lost, key, "not found by a Strong read", 0);
    else if (found && version < acked)
        s_complain (run, &run->resurrected, key, "an old version in a Strong read",
                    version);
    else if (found && !poll->present [i] && version <= acked)
        s_complain (run, &run->resurrected, key, "a deleted row in a Strong read",
                    version);
    else if (found && version > record->last_put)
        s_complain (run, &run->wrong, key, "a version that was never written", version);
}

static void
s_judge_keys (s_poll_t *poll, const kith_answer_t *answer)
{
    size_t rows = kith_answer_rows (answer, 0);
    for (size_t i = 0; i < POLL_KEYS; i++) {
        int found = 0;
        uint64_t version = 0;
        for (size_t row = 0; row < rows; row++)
            if (kith_answer_int64 (answer, 0, row, "id") == poll->keys [i]) {
                found++;
                version = (uint64_t) kith_answer_int64 (answer, 0, row, "version");
            }
        s_judge_key (poll, i, found, version);
    }
}

static void
s_polled (void *arg, kith_answer_t **answer_p, const kith_failure_t *failure)
{
    s_poll_t *poll = arg;
    poll->busy = false;
    if (failure || !*answer_p) {
        //  While a process is down a read may fail; it may not be wrong
        poll->run->polls_failed++;
        return;
    }
    poll->run->polls_done++;
    if (poll->counts)
        s_judge_count (poll, kith_answer_count (*answer_p));
    else
        s_judge_keys (poll, *answer_p);
}

//  The keys of a poll are all different
static void
s_choose_poll_keys (s_run_t *run, s_poll_t *poll)
{
    int64_t first = (int64_t) s_pick (run, KEYS);
    for (int i = 0; i < POLL_KEYS; i++) {
        int64_t key = (first + (int64_t) i * 389) % KEYS;
        poll->keys [i] = key;
        poll->acked [i] = run->keys [key].acked;
        poll->present [i] = run->keys [key].present;
    }
}

static void
s_start_poll (s_run_t *run, s_poll_t *poll)
{
    kith_query_t query = {.collection = COLLECTION, .level = KITH_STRONG};
    kith_rows_t *keys = NULL;
    poll->run = run;
    poll->busy = true;
    poll->counts = s_pick (run, 2);
    poll->low = poll->high = run->there;
    for (int i = 0; i < FLYING; i++)
        if (run->ops [i].busy) {
            poll->low -= s_delta (run, &run->ops [i], false);
            poll->high += s_delta (run, &run->ops [i], true);
        }
    if (poll->counts)
        query.count = true;
    else {
        s_choose_poll_keys (run, poll);
        kith_failure_t failure = {.at = -1};
        keys = kith_client_rows (run->reader, COLLECTION, &failure);
        if (!keys || kith_rows_int64 (keys, "id", poll->keys, POLL_KEYS, &failure) != 0)
            claim_fail (run->claim, "no keys: %s", failure.message);
        query.keys = keys;
    }
    kith_client_query_start (run->reader, &query, s_polled, poll);
    kith_rows_destroy (&keys);
}

//  --- A round

static void
s_pump (s_run_t *run, bool more)
{
    for (int i = 0; i < FLYING && more; i++)
        if (!run->ops [i].busy)
            s_start_op (run, &run->ops [i]);
    for (int i = 0; i < POLLS && more; i++)
        if (!run->polls [i].busy)
            s_start_poll (run, &run->polls [i]);
    kith_client_poll (run->writer, 1);
    kith_client_poll (run->reader, 0);
}

static bool
s_reading (const s_run_t *run)
{
    for (int i = 0; i < POLLS; i++)
        if (run->polls [i].busy)
            return true;
    return false;
}

//  The children of the parent, once all of them run
static size_t
s_processes (s_run_t *run, pid_t *pids, size_t wanted)
{
    double began = claim_now_ms ();
    size_t count = claim_children (run->server, pids, PROCESSES_MAX);
    while (count < wanted && claim_now_ms () - began < 60000) {
        s_pump (run, false);
        count = claim_children (run->server, pids, PROCESSES_MAX);
    }
    if (!count || count < wanted)
        claim_fail (run->claim, "%zu of %zu processes run 60 s after one was killed",
                    count, wanted);
    return count;
}

static const char *
s_kill_one (s_run_t *run, size_t wanted)
{
    static char name [128];
    pid_t pids [PROCESSES_MAX];
    size_t count = s_processes (run, pids, wanted);
    pid_t victim = pids [s_pick (run, count)];
    claim_shell (name, sizeof name,
                 "tr '\\0' '\\n' < /proc/%d/cmdline | grep -A1 -e --process | tail -n 1 "
                 "| tr -d '\\n'",
                 (int) victim);
    kill (victim, SIGKILL);
    run->killed++;
    return name;
}

static void
s_check_row (s_run_t *run, const kith_answer_t *answer, size_t row, uint8_t *seen)
{
    int64_t key = kith_answer_int64 (answer, 0, row, "id");
    uint64_t version = (uint64_t) kith_answer_int64 (answer, 0, row, "version");
    size_t dim = 0;
    float wanted [DIM];
    if (key < 0 || key >= KEYS) {
        claim_say ("  a key that was never written: %lld", (long long) key);
        run->wrong++;
        return;
    }
    const s_key_t *record = &run->keys [key];
    const float *vector = kith_answer_vector (answer, 0, row, "vector", &dim);
    if (seen [key]++)
        s_complain (run, &run->duplicated, key, "there twice", version);
    else if (!record->present)
        s_complain (run, &run->resurrected, key, "deleted, but there", version);
    else if (version != record->acked)
        s_complain (run, version < record->acked ? &run->resurrected : &run->wrong, key,
                    "not the version that was acknowledged", version);
    s_vector (wanted, key, version);
    if (!vector || dim != DIM || memcmp (vector, wanted, sizeof wanted) != 0)
        s_complain (run, &run->wrong, key, "its vector is not what was written", version);
}

static kith_answer_t *
s_ask (s_run_t *run, bool count)
{
    const char *all [] = {"*"};
    kith_query_t query = {.collection = COLLECTION, .level = KITH_STRONG, .count = count};
    query.output = all;
    query.output_count = count ? 0 : 1;
    kith_failure_t failure = {.at = -1};
    double began = claim_now_ms ();
    kith_answer_t *answer = NULL;
    while (!answer && claim_now_ms () - began < DECIDE_MS)
        answer = kith_client_query (run->reader, &query, &failure);
    if (!answer)
        claim_fail (run->claim, "no answer after the round: %s: %s", failure.code,
                    failure.message);
    return answer;
}

static double
s_square (double value)
{
    return value * value;
}

//  Exact nearest rows by the record, against a Strong search
static void
s_check_search (s_run_t *run)
{
    float query [DIM], vector [DIM];
    double best [NEAREST];
    s_vector (query, (int64_t) s_pick (run, KEYS), ~run->numbers);
    size_t kept = 0;
    for (int64_t key = 0; key < KEYS; key++) {
        if (!run->keys [key].present)
            continue;
        s_vector (vector, key, run->keys [key].acked);
        double distance = 0;
        for (int i = 0; i < DIM; i++)
            distance += s_square ((double) vector [i] - (double) query [i]);
        size_t at = kept < NEAREST ? kept++ : NEAREST;
        for (; at && best [at - 1] > distance; at--)
            if (at < NEAREST)
                best [at] = best [at - 1];
        if (at < NEAREST)
            best [at] = distance;
    }
    kith_search_t search = {
        .collection = COLLECTION, .vectors = query, .nq = 1, .dim = DIM};
    search.k = NEAREST;
    kith_failure_t failure = {.at = -1};
    double began = claim_now_ms ();
    kith_answer_t *answer = NULL;
    while (!answer && claim_now_ms () - began < DECIDE_MS)
        answer = kith_client_search (run->reader, &search, &failure);
    if (!answer)
        claim_fail (run->claim, "no search after the round: %s: %s", failure.code,
                    failure.message);
    size_t rows = kith_answer_rows (answer, 0);
    for (size_t i = 0; i < kept; i++) {
        double score = i < rows ? (double) kith_answer_score (answer, 0, i) : -1;
        if (score < best [i] - 1e-4 || score > best [i] + 1e-4) {
            claim_say ("  search: place %zu has distance %f, the record says %f", i,
                       score, best [i]);
            run->wrong++;
        }
    }
    kith_answer_destroy (&answer);
}

//  Every key, version and the count must be exact
static void
s_check_all (s_run_t *run)
{
    uint8_t *seen = calloc (KEYS, 1);
    kith_answer_t *answer = s_ask (run, false);
    for (size_t row = 0; row < kith_answer_rows (answer, 0); row++)
        s_check_row (run, answer, row, seen);
    kith_answer_destroy (&answer);
    for (int64_t key = 0; key < KEYS; key++)
        if (run->keys [key].present && !seen [key])
            s_complain (run, &run->lost, key, "acknowledged, but gone", 0);
    free (seen);
    answer = s_ask (run, true);
    if ((int64_t) kith_answer_count (answer) != run->there) {
        claim_say ("  count %llu, the record has %lld",
                   (unsigned long long) kith_answer_count (answer),
                   (long long) run->there);
        run->wrong++;
    }
    kith_answer_destroy (&answer);
    s_check_search (run);
}

static bool
s_clean (const s_run_t *run)
{
    return !(run->lost + run->duplicated + run->resurrected + run->wrong);
}

static void
s_round (s_run_t *run, int round, size_t processes)
{
    uint64_t first = run->acks, at = first + 100 + s_pick (run, ACKS - 200);
    double began = claim_now_ms ();
    const char *victim = NULL;
    while (run->acks - first < ACKS || !victim) {
        s_pump (run, true);
        if (!victim && run->acks >= at)
            victim = s_kill_one (run, processes);
    }
    while (run->flying || s_reading (run))
        s_pump (run, false);
    s_check_all (run);
    claim_say ("round %3d: killed %-8s %llu acks, %lld rows, %llu Strong reads, %.1f s%s",
               round, victim, (unsigned long long) (run->acks - first),
               (long long) run->there, (unsigned long long) run->polls_done,
               (claim_now_ms () - began) / 1000, s_clean (run) ? "" : "  VIOLATION");
}

static void
s_prepare (s_run_t *run, const char *from)
{
    const char *endpoint = NULL;
    const char *config =
        claim_config (run->claim, from, "    seal_rows = 256\n", &endpoint);
    const char *fields [] = {"id int64 key", "version int64",
                             "vector float_vector(8) l2"};
    kith_client_options_t writer = {
        .timeout_ms = DECIDE_MS, .attempt_ms = 500, .window = FLYING};
    kith_client_options_t reader = {.timeout_ms = 20000, .attempt_ms = 500};
    kith_failure_t failure = {.at = -1};
    run->server = claim_run (run->claim, config);
    claim_wait_ready (run->claim, endpoint, 60000);
    run->writer = claim_client (run->claim, endpoint, &writer);
    run->reader = claim_client (run->claim, endpoint, &reader);
    if (kith_client_create (run->writer, COLLECTION, fields, 3, 4, &failure) != 0)
        claim_fail (run->claim, "create: %s", failure.message);
}

int
main (int argc, char **argv)
{
    int rounds = argc > 1 ? atoi (argv [1]) : 100;
    s_run_t *run = calloc (1, sizeof *run);
    pid_t pids [PROCESSES_MAX];
    if (!run || rounds < 1)
        return 2;
    run->seed = argc > 2 ? strtoull (argv [2], NULL, 10) : (uint64_t) claim_now_ms ();
    run->claim = claim_new ("kill");
    claim_say ("kill: %d rounds of kill -9 of a random process of local-cluster.zpl, 4 "
               "shards, sealed at 256 rows, seed %llu",
               rounds, (unsigned long long) run->seed);
    s_prepare (run, argc > 3 ? argv [3] : "configs/local-cluster.zpl");
    size_t processes = claim_children (run->server, pids, PROCESSES_MAX);
    claim_say ("%zu processes run", processes);
    for (int round = 1; round <= rounds && s_clean (run); round++)
        s_round (run, round, processes);
    if (!s_clean (run))
        claim_show_output (run->claim);
    kith_client_destroy (&run->writer);
    kith_client_destroy (&run->reader);
    claim_say ("%llu kills, %llu acks of %llu rows, %llu Strong reads right (%llu failed "
               "while a process was down)",
               (unsigned long long) run->killed, (unsigned long long) run->acks,
               (unsigned long long) run->acked_rows, (unsigned long long) run->polls_done,
               (unsigned long long) run->polls_failed);
    int rc = claim_figure (
        s_clean (run) && run->polls_done, "0 of each",
        "%llu lost, %llu duplicated, %llu resurrected, %llu wrong in %llu kills and %llu "
        "acks",
        (unsigned long long) run->lost, (unsigned long long) run->duplicated,
        (unsigned long long) run->resurrected, (unsigned long long) run->wrong,
        (unsigned long long) run->killed, (unsigned long long) run->acks);
    claim_destroy (&run->claim);
    free (run);
    return rc;
}
