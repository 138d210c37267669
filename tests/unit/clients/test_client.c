//  test_client.c - a client against a proxy that loses, repeats and refuses: W1, retries, ends of calls
//  SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "clients/client.h"
#include "tests/unit/clients/fake_store.h"
#include <criterion/criterion.h>
#include <time.h>
#include <unistd.h>

static double
s_now (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static kith_client_t *
s_client (const fake_proxy_t *proxy, int timeout_ms)
{
    kith_client_options_t options = {.timeout_ms = timeout_ms, .attempt_ms = 60};
    kith_failure_t failure;
    kith_client_t *client =
        kith_client_new (fake_proxy_endpoint (proxy), &options, &failure);
    cr_assert (client, "%s", failure.message);
    return client;
}

//  Rows with keys first, first + 1 ...; a key's vector is four times the key
static kith_rows_t *
s_rows (kith_client_t *client, int64_t first, size_t count)
{
    kith_failure_t failure = {0};
    kith_rows_t *rows = kith_client_rows (client, "things", &failure);
    cr_assert (rows, "%s", failure.message);
    for (size_t row = 0; row < count; row++) {
        int64_t key = first + (int64_t) row;
        float vector [4] = {(float) key, (float) key, (float) key, (float) key};
        cr_assert_eq (kith_rows_int64 (rows, "id", &key, 1, &failure), 0);
        cr_assert_eq (kith_rows_vectors (rows, "v", vector, 4, 1, &failure), 0);
    }
    return rows;
}

static void
s_check_applied (const store_t *store, size_t keys)
{
    for (size_t key = 0; key < keys; key++)
        cr_assert_eq (store->applied [key], 1, "key %zu was applied %u times", key,
                      store->applied [key]);
}

//  The same request id means the same bytes and the same since
static void
s_check_repeats (const store_t *store, uint32_t repeats_min)
{
    uint32_t repeats = 0;
    const uint64_t mask = UINT64_MAX >> 1;
    for (uint32_t a = 0; a < store->arrival_count; a++) {
        for (uint32_t b = a + 1; b < store->arrival_count; b++) {
            const store_arrival_t *first = &store->arrivals [a];
            const store_arrival_t *again = &store->arrivals [b];
            cr_assert_arr_eq (first->client, again->client, 16);
            if ((first->counter & mask) != (again->counter & mask))
                continue;
            repeats++;
            cr_assert_eq (first->rows_hash, again->rows_hash);
            cr_assert_eq (first->since_hash, again->since_hash);
        }
    }
    cr_assert_geq (repeats, repeats_min);
}

static store_what_t
s_plan_rough (uint32_t arrival)
{
    static const store_what_t plan [] = {
        STORE_OK,   STORE_LOSE,  STORE_IGNORE,        STORE_OK,
        STORE_BUSY, STORE_TWICE, STORE_FAILED_TIMEOUT};
    return plan [arrival % 7];
}

Test (client, every_row_is_written_once_through_losses)
{
    store_t *store = kith_new (sizeof *store);
    store->plan = s_plan_rough;
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_t *client = s_client (proxy, 20000);
    kith_rows_t *rows = s_rows (client, 0, STORE_KEYS_MAX);
    kith_failure_t failure = {0};
    uint64_t written = 0;
    int result = kith_client_insert (client, rows, &written, &failure);
    cr_assert_eq (result, 0, "%s", failure.message);
    cr_assert_eq (written, STORE_KEYS_MAX);
    kith_rows_destroy (&rows);
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);

    s_check_applied (store, STORE_KEYS_MAX);
    s_check_repeats (store, 2);
    for (uint32_t index = 0; index < store->arrival_count; index++) {
        cr_assert_leq (store->arrivals [index].bytes, 1u << 20);
        cr_assert_eq (store->arrivals [index].since_count, 2,
                      "since is of both logs alone");
    }
    cr_assert_gt (store->arrival_count, 5);
    free (store);
}

static store_what_t
s_plan_invalid (uint32_t arrival)
{
    return arrival == 0 ? STORE_INVALID : STORE_OK;
}

Test (client, a_refusal_is_told_and_not_repeated)
{
    store_t *store = kith_new (sizeof *store);
    store->plan = s_plan_invalid;
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_t *client = s_client (proxy, 5000);
    kith_rows_t *rows = s_rows (client, 0, 10);
    kith_failure_t failure = {0};
    uint64_t written = 99;
    cr_assert_eq (kith_client_insert (client, rows, &written, &failure), -1);
    cr_assert_str_eq (failure.code, "invalid");
    cr_assert_eq (written, 0);
    kith_rows_destroy (&rows);
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);
    cr_assert_eq (store->arrival_count, 1);
    free (store);
}

static store_what_t
s_plan_unknown (uint32_t arrival)
{
    (void) arrival;
    return STORE_UNKNOWN;
}

Test (client, outcome_unknown_is_surfaced)
{
    store_t *store = kith_new (sizeof *store);
    store->plan = s_plan_unknown;
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_t *client = s_client (proxy, 5000);
    kith_rows_t *rows = s_rows (client, 0, 10);
    kith_failure_t failure = {0};
    cr_assert_eq (kith_client_insert (client, rows, NULL, &failure), -1);
    cr_assert_str_eq (failure.code, "outcome_unknown");
    cr_assert (failure.hint [0]);
    kith_rows_destroy (&rows);
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);
    cr_assert_eq (store->arrival_count, 1);
    free (store);
}

Test (client, silence_ends_in_a_time_out_that_says_so)
{
    store_t *store = kith_new (sizeof *store);
    store->silent = true;
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_t *client = s_client (proxy, 400);
    kith_rows_t *rows = s_rows (client, 0, 10);
    kith_failure_t failure = {0};
    double began = s_now ();
    cr_assert_eq (kith_client_insert (client, rows, NULL, &failure), -1);
    double took = s_now () - began;
    cr_assert_str_eq (failure.code, "timeout");
    cr_assert (strstr (failure.message, "unknown"), "%s", failure.message);
    cr_assert (took > 0.35 && took < 5, "%f", took);
    kith_rows_destroy (&rows);
    //  What cannot be repeated is sent once
    cr_assert_eq (kith_client_drop (client, "things", &failure), -1);
    cr_assert_str_eq (failure.code, "timeout");
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);
    cr_assert_geq (store->others [KITH_KIND_INSERT], 2);
    cr_assert_eq (store->others [KITH_KIND_COLLECTION_DROP], 1);
    free (store);
}

Test (client, nobody_there_is_unreachable)
{
    char path [] = "/tmp/kith-client-XXXXXX";
    char endpoint [64];
    cr_assert (mkdtemp (path));
    snprintf (endpoint, sizeof endpoint, "ipc://%s/nobody", path);
    kith_client_options_t options = {.timeout_ms = 10000, .connect_ms = 150};
    kith_failure_t failure = {0};
    kith_client_t *client = kith_client_new (endpoint, &options, &failure);
    cr_assert (client);
    double began = s_now ();
    cr_assert_eq (kith_client_ping (client, &failure), -1);
    cr_assert_lt (s_now () - began, 5.0);
    cr_assert_str_eq (failure.code, "unreachable");
    cr_assert (strstr (failure.message, endpoint), "%s", failure.message);
    cr_assert (failure.hint [0]);
    kith_client_destroy (&client);
    rmdir (path);
}

Test (client, endpoints_that_mean_nothing_are_refused)
{
    kith_failure_t failure = {0};
    cr_assert_null (kith_client_new ("nonsense", NULL, &failure));
    cr_assert (strstr (failure.message, "nonsense"));
    cr_assert_null (kith_client_new ("inproc://there", NULL, &failure));
    cr_assert_null (kith_client_new (" , ", NULL, &failure));
}

typedef struct {
    uint32_t calls;
    char code [32];
    uint64_t written;
} seen_t;

static void
s_written (void *arg, uint64_t written, const kith_failure_t *failure)
{
    seen_t *seen = arg;
    seen->calls++;
    seen->written = written;
    snprintf (seen->code, sizeof seen->code, "%s", failure ? failure->code : "");
}

Test (client, a_lost_connection_is_made_again_and_the_request_repeated)
{
    char path [] = "/tmp/kith-client-XXXXXX";
    char endpoint [64];
    cr_assert (mkdtemp (path));
    snprintf (endpoint, sizeof endpoint, "ipc://%s/proxy", path);
    store_t *silent = kith_new (sizeof *silent), *store = kith_new (sizeof *store);
    fake_proxy_t *proxy = fake_proxy_new (endpoint, store_script, store_idle, silent);
    kith_client_options_t options = {.timeout_ms = 20000, .attempt_ms = 15000};
    kith_client_t *client = kith_client_new (endpoint, &options, NULL);
    kith_rows_t *rows = s_rows (client, 0, 10);
    silent->silent = true;
    seen_t seen = {0};
    kith_client_insert_start (client, &rows, s_written, &seen);
    cr_assert_null (rows);
    double until = s_now () + 0.3;
    while (s_now () < until)
        kith_client_poll (client, 20);
    cr_assert_eq (seen.calls, 0);
    fake_proxy_destroy (&proxy);
    cr_assert_eq (silent->others [KITH_KIND_INSERT], 1);
    proxy = fake_proxy_new (endpoint, store_script, store_idle, store);
    double began = s_now ();
    while (!seen.calls && s_now () < began + 10)
        kith_client_poll (client, 100);
    cr_assert_eq (seen.calls, 1);
    cr_assert_str_eq (seen.code, "");
    cr_assert_eq (seen.written, 10);
    cr_assert_lt (s_now () - began, 8.0);
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);
    s_check_applied (store, 10);
    unlink (endpoint + 6);
    rmdir (path);
    free (store);
    free (silent);
}

Test (client, callbacks_run_later_and_once)
{
    store_t *store = kith_new (sizeof *store);
    store->plan = s_plan_rough;
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_t *client = s_client (proxy, 20000);
    seen_t seen [20] = {{0}};
    for (int index = 0; index < 20; index++) {
        kith_rows_t *rows = s_rows (client, index * 100, 100);
        kith_client_insert_start (client, &rows, s_written, &seen [index]);
        cr_assert_eq (seen [index].calls, 0, "not inside the call itself");
    }
    uint32_t done = 0;
    double until = s_now () + 20;
    while (done < 20 && s_now () < until) {
        kith_client_poll (client, 100);
        done = 0;
        for (int index = 0; index < 20; index++)
            done += seen [index].calls > 0;
    }
    for (int index = 0; index < 20; index++) {
        cr_assert_eq (seen [index].calls, 1);
        cr_assert_str_eq (seen [index].code, "");
        cr_assert_eq (seen [index].written, 100);
    }
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);
    s_check_applied (store, 2000);
    free (store);
}

enum { MANY = 1500 };

//  A proxy that answers when nothing more comes
typedef struct {
    kith_msg_t *kept [MANY];
    uint32_t count, most;
} slow_t;

static void
s_slow_script (void *arg, fake_proxy_t *proxy, kith_msg_t **request_p)
{
    slow_t *slow = arg;
    (void) proxy;
    slow->kept [slow->count++] = *request_p;
    *request_p = NULL;
    slow->most = slow->count > slow->most ? slow->count : slow->most;
}

static void
s_slow_idle (void *arg, fake_proxy_t *proxy)
{
    slow_t *slow = arg;
    while (slow->count > 0) {
        kith_msg_t *answer = kith_msg_new (KITH_KIND_OK);
        kith_msg_t *request = slow->kept [--slow->count];
        fake_proxy_answer (proxy, request, &answer);
        kith_msg_destroy (&request);
    }
}

static void
s_ponged (void *arg, kith_msg_t **answer_p, const kith_error_t *error)
{
    *(uint32_t *) arg += *answer_p && !error;
}

//  A proxy keeps so many answers for one client and no more: the rest of the calls waits
Test (client, more_calls_than_a_proxy_keeps_answers_for_all_end_well)
{
    slow_t *slow = kith_new (sizeof *slow);
    fake_proxy_t *proxy = fake_proxy_new (NULL, s_slow_script, s_slow_idle, slow);
    //  Each is sent once
    const kith_client_options_t options = {.timeout_ms = 30000, .attempt_ms = 30000};
    kith_client_t *client = kith_client_new (fake_proxy_endpoint (proxy), &options, NULL);
    uint32_t good = 0;
    for (uint32_t index = 0; index < MANY; index++) {
        kith_msg_t *ping = kith_msg_new (KITH_KIND_PING);
        kith_client_start (client, &ping, 30000, s_ponged, &good);
    }
    double until = s_now () + 30;
    while (good < MANY && s_now () < until)
        kith_client_poll (client, 100);
    cr_assert_eq (good, MANY);
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);
    cr_assert_leq (slow->most, 400);
    cr_assert_gt (slow->most, 100);
    free (slow);
}

Test (client, what_is_under_way_is_cancelled_by_destroy)
{
    store_t *store = kith_new (sizeof *store);
    store->silent = true;
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_t *client = s_client (proxy, 20000);
    kith_rows_t *rows = s_rows (client, 0, 100000);
    seen_t seen = {0};
    kith_client_insert_start (client, &rows, s_written, &seen);
    kith_client_poll (client, 200);
    kith_client_destroy (&client);
    cr_assert_eq (seen.calls, 1);
    cr_assert_str_eq (seen.code, "cancelled");
    fake_proxy_destroy (&proxy);
    free (store);
}

static store_what_t
s_plan_hold (uint32_t arrival)
{
    (void) arrival;
    return STORE_HOLD;
}

Test (client, requests_under_way_never_share_a_key)
{
    store_t *store = kith_new (sizeof *store);
    store->plan = s_plan_hold;
    store->hold_until = 2;    //  the second must come before the first is answered
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_options_t options = {.timeout_ms = 20000, .attempt_ms = 10000};
    kith_client_t *client = kith_client_new (fake_proxy_endpoint (proxy), &options, NULL);
    //  Different keys in several requests, then a thousand keys over and over
    kith_failure_t failure = {0};
    kith_rows_t *rows = kith_client_rows (client, "things", &failure);
    for (int64_t row = 0; row < 190000; row++) {
        int64_t key = row < 100000 ? row + 1000 : row % 1000;
        float vector [4] = {1, 2, 3, 4};
        kith_rows_int64 (rows, "id", &key, 1, &failure);
        kith_rows_vectors (rows, "v", vector, 4, 1, &failure);
    }
    uint64_t written = 0;
    cr_assert_eq (kith_client_insert (client, rows, &written, &failure), 0, "%s",
                  failure.message);
    cr_assert_eq (written, 190000);
    kith_rows_destroy (&rows);
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);
    cr_assert (!store->overlap);
    cr_assert_gt (store->arrival_count, 3);
    //  The window was used where keys allow it
    cr_assert_eq (store->arrivals [0].batch, store->arrivals [1].batch);
    free (store);
}

Test (client, an_answer_is_read_in_place)
{
    store_t *store = kith_new (sizeof *store);
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_t *client = s_client (proxy, 5000);
    float vectors [12] = {0};
    kith_search_t search = {.collection = "things",
                            .vectors = vectors,
                            .nq = 3,
                            .dim = 4,
                            .k = 2,
                            .level = KITH_EVENTUALLY};
    kith_failure_t failure = {0};
    kith_answer_t *answer = kith_client_search (client, &search, &failure);
    cr_assert (answer, "%s", failure.message);
    cr_assert_eq (kith_answer_queries (answer), 3);
    for (size_t query = 0; query < 3; query++) {
        cr_assert_eq (kith_answer_rows (answer, query), 2);
        for (size_t row = 0; row < 2; row++) {
            int64_t wanted = (int64_t) (query * 2 + row);
            cr_assert_eq (kith_answer_int64 (answer, query, row, "id"), wanted);
            cr_assert_float_eq (kith_answer_score (answer, query, row),
                                (float) wanted / 2, 1e-6);
        }
    }
    cr_assert (kith_answer_null (answer, 0, 0, "v"));
    cr_assert (kith_answer_null (answer, 0, 0, "no such field"));
    cr_assert_null (kith_answer_vector (answer, 0, 0, "v", NULL));
    cr_assert_eq (kith_answer_compared (answer), 12);
    cr_assert_eq (kith_answer_of (answer), 34);
    cr_assert_str_eq (kith_answer_index (answer), "graph");
    cr_assert_float_eq (kith_answer_ms (answer), 1.5, 1e-9);
    kith_answer_destroy (&answer);
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);
    cr_assert_eq (store->search_level, KITH_EVENTUALLY);
    free (store);
}

Test (client, an_answer_that_does_not_fit_is_refused)
{
    store_t *store = kith_new (sizeof *store);
    store->wrong_counts = true;
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_t *client = s_client (proxy, 5000);
    float vector [4] = {0};
    kith_search_t search = {.collection = "things", .vectors = vector, .nq = 1, .dim = 4};
    kith_failure_t failure = {0};
    cr_assert_null (kith_client_search (client, &search, &failure));
    cr_assert_str_eq (failure.code, "protocol");
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);
    free (store);
}

Test (client, a_changed_schema_is_read_again)
{
    store_t *store = kith_new (sizeof *store);
    store->refuse_search_once = true;
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_t *client = s_client (proxy, 5000);
    float vector [4] = {0};
    kith_search_t search = {.collection = "things", .vectors = vector, .nq = 1, .dim = 4};
    kith_failure_t failure = {0};
    kith_answer_t *answer = kith_client_search (client, &search, &failure);
    cr_assert (answer, "%s", failure.message);
    kith_answer_destroy (&answer);
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);
    cr_assert_eq (store->opens, 2);
    cr_assert_eq (store->others [KITH_KIND_SEARCH], 2);
    free (store);
}

Test (client, a_session_sees_its_own_writes)
{
    store_t *store = kith_new (sizeof *store);
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_t *client = s_client (proxy, 5000), *other = s_client (proxy, 5000);
    kith_rows_t *rows = s_rows (client, 0, 5);
    kith_failure_t failure = {0};
    cr_assert_eq (kith_client_insert (client, rows, NULL, &failure), 0);
    kith_rows_destroy (&rows);
    cr_assert_eq (kith_client_join (other, kith_client_token (client), &failure), 0);
    cr_assert_eq (kith_client_join (other, "nonsense", &failure), -1);
    float vector [4] = {0};
    kith_search_t search = {.collection = "things",
                            .vectors = vector,
                            .nq = 1,
                            .dim = 4,
                            .level = KITH_SESSION};
    kith_answer_t *answer = kith_client_search (other, &search, &failure);
    cr_assert (answer);
    kith_answer_destroy (&answer);
    kith_client_destroy (&client);
    kith_client_destroy (&other);
    fake_proxy_destroy (&proxy);
    cr_assert_eq (store->search_token_seq, 101);
    free (store);
}

Test (client, deletes_carry_a_request_id_too)
{
    store_t *store = kith_new (sizeof *store);
    store->plan = s_plan_rough;
    fake_proxy_t *proxy = fake_proxy_new (NULL, store_script, store_idle, store);
    kith_client_t *client = s_client (proxy, 20000);
    kith_failure_t failure = {0};
    kith_rows_t *keys = kith_client_rows (client, "things", &failure);
    for (int64_t key = 0; key < 40000; key++)
        kith_rows_int64 (keys, "id", &key, 1, &failure);
    uint64_t written = 0;
    cr_assert_eq (kith_client_remove (client, keys, &written, &failure), 0, "%s",
                  failure.message);
    cr_assert_eq (written, 40000);
    kith_rows_destroy (&keys);
    //  Other fields have no place there
    keys = s_rows (client, 0, 1);
    cr_assert_eq (kith_client_remove (client, keys, &written, &failure), -1);
    kith_rows_destroy (&keys);
    kith_client_destroy (&client);
    fake_proxy_destroy (&proxy);
    s_check_applied (store, 40000);
    for (uint32_t index = 0; index < store->arrival_count; index++)
        cr_assert_leq (store->arrivals [index].rows, KITH_KEYS_MAX);
    free (store);
}
