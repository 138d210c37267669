//  claim_placement - the same commands give the same bits in one process and in several
//  SPDX-License-Identifier: Apache-2.0
//
//  Runs one list of commands against configs/standalone.zpl and configs/local-cluster.zpl, index flat, Strong reads, and compares
//  every answer: keys, scores (bit by bit), fields, counts, refusals. The cluster must really be one: several processes, and
//  messages by tcp.
#include "tests/claims/client.h"
#include "tests/demo/word_set.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 20000, REPLACED = 1500, ASKED = 300, K = 20, PIDS_MAX = 32 };

//  What one run answered, as text
typedef struct {
    claim_t *claim;
    kith_client_t *client;
    FILE *out;
    char *text;
    size_t size;
    size_t answers;
} s_run_t;

static void
s_note (s_run_t *run, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

static void
s_note (s_run_t *run, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    vfprintf (run->out, format, arguments);
    va_end (arguments);
    fputc ('\n', run->out);
}

static void
s_note_answer (s_run_t *run, const char *what, kith_answer_t *answer,
               const kith_failure_t *failure)
{
    run->answers++;
    if (!answer) {
        s_note (run, "%s: %s: %s", what, failure->code, failure->message);
        return;
    }
    s_note (run, "%s: %zu queries, count %llu, partial %d", what,
            kith_answer_queries (answer), (unsigned long long) kith_answer_count (answer),
            kith_answer_partial (answer));
    for (size_t query = 0; query < kith_answer_queries (answer); query++)
        for (size_t row = 0; row < kith_answer_rows (answer, query); row++) {
            float score = kith_answer_score (answer, query, row);
            uint32_t bits = 0;
            size_t length = 0;
            const char *word = kith_answer_string (answer, query, row, "word", &length);
            memcpy (&bits, &score, sizeof bits);
            s_note (run, "  %zu %zu %.*s %lld %08x", query, row, (int) length,
                    word ? word : "",
                    (long long) kith_answer_int64 (answer, query, row, "rank"), bits);
        }
    kith_answer_destroy (&answer);
}

static void
s_insert (s_run_t *run, const word_set_t *set, size_t from, size_t to, int64_t shift)
{
    kith_failure_t failure = {.at = -1};
    kith_rows_t *rows = kith_client_rows (run->client, "words", &failure);
    int rc = rows ? 0 : -1;
    for (size_t i = from; i < to && rc == 0; i++) {
        int64_t rank = set->ranks [i] + shift;
        //  A replaced row gets the vector of another word
        size_t vector = shift ? set->rows - 1 - i : i;
        const char *word = set->words [i];
        rc = kith_rows_strings (rows, "word", &word, NULL, 1, &failure) != 0
             || kith_rows_int64 (rows, "rank", &rank, 1, &failure) != 0
             || kith_rows_vectors (rows, "vector", set->vectors + vector * set->dim,
                                   set->dim, 1, &failure)
                    != 0;
    }
    uint64_t written = 0;
    if (rc == 0)
        rc = kith_client_insert (run->client, rows, &written, &failure);
    if (rc != 0)
        claim_fail (run->claim, "insert: %s", failure.message);
    s_note (run, "inserted %llu", (unsigned long long) written);
    kith_rows_destroy (&rows);
}

static void
s_remove (s_run_t *run, const word_set_t *set, size_t from, size_t to)
{
    kith_failure_t failure = {.at = -1};
    kith_rows_t *keys = kith_client_rows (run->client, "words", &failure);
    uint64_t written = 0;
    if (!keys
        || kith_rows_strings (keys, "word", (const char *const *) set->words + from, NULL,
                              to - from, &failure)
               != 0
        || kith_client_remove (run->client, keys, &written, &failure) != 0)
        claim_fail (run->claim, "delete: %s", failure.message);
    s_note (run, "deleted %llu", (unsigned long long) written);
    kith_rows_destroy (&keys);
}

static void
s_search (s_run_t *run, const char *what, const word_set_t *set, size_t nq,
          const char *filter)
{
    float *queries = calloc (ASKED * set->dim, sizeof *queries);
    for (size_t i = 0; i < ASKED; i++)
        memcpy (queries + i * set->dim,
                set->vectors + word_set_asked (set, i, ASKED) * set->dim,
                set->dim * sizeof (float));
    for (size_t i = 0; i + nq <= ASKED; i += nq) {
        kith_search_t search = {.collection = "words", .vectors = queries + i * set->dim};
        kith_failure_t failure = {.at = -1};
        search.nq = nq;
        search.dim = set->dim;
        search.k = K;
        search.filter = filter;
        kith_answer_t *answer = kith_client_search (run->client, &search, &failure);
        s_note_answer (run, what, answer, &failure);
    }
    free (queries);
}

static void
s_query (s_run_t *run, const char *filter, bool count)
{
    kith_query_t query = {.collection = "words", .filter = filter, .count = count};
    kith_failure_t failure = {.at = -1};
    query.order = "rank";
    query.limit = 500;
    kith_answer_t *answer = kith_client_query (run->client, &query, &failure);
    s_note_answer (run, filter ? filter : "all", answer, &failure);
}

static void
s_ask_all (s_run_t *run, const word_set_t *set)
{
    s_search (run, "one by one", set, 1, NULL);
    s_search (run, "all at once", set, ASKED, NULL);
    s_search (run, "filtered", set, 10, "rank < 5000 and word like \"s%\"");
    s_query (run, NULL, true);
    s_query (run, "rank between 100 and 300", false);
    s_query (run, "rank > 19000 and not word like \"%a%\"", true);
    s_query (run, "word in [\"king\", \"queen\", \"prince\"]", false);
    s_query (run, "rnk < 10", false);
}

static void
s_commands (s_run_t *run, const word_set_t *set)
{
    const char *fields [] = {"word varchar(64) key", "rank int64",
                             "vector float_vector(100) cosine"};
    kith_index_options_t index = {.type = "flat", .wait = true};
    kith_failure_t failure = {.at = -1};
    if (kith_client_create (run->client, "words", fields, 3, 2, &failure) != 0)
        claim_fail (run->claim, "create: %s", failure.message);
    s_insert (run, set, 0, ROWS / 2, 0);
    s_ask_all (run, set);
    if (kith_client_flush (run->client, "words", &failure) != 0)
        claim_fail (run->claim, "flush: %s", failure.message);
    s_ask_all (run, set);
    s_insert (run, set, ROWS / 2, ROWS, 0);
    s_insert (run, set, 1000, 1000 + REPLACED, 100000);
    s_remove (run, set, 500, 900);
    s_ask_all (run, set);
    if (kith_client_index_create (run->client, "words", "vector", &index, &failure) != 0)
        claim_fail (run->claim, "index create: %s", failure.message);
    s_ask_all (run, set);
    s_insert (run, set, 600, 700, 0);
    s_ask_all (run, set);
}

//  The last number of the status behind a name: that of the whole cluster
static unsigned long long
s_number (const char *text, const char *name)
{
    char wanted [64];
    unsigned long long number = 0;
    snprintf (wanted, sizeof wanted, "\"%s\":", name);
    for (const char *at = strstr (text, wanted); at; at = strstr (at, wanted)) {
        at += strlen (wanted);
        number = strtoull (at, NULL, 10);
    }
    return number;
}

static void
s_run (s_run_t *run, const word_set_t *set, const char *config, unsigned long long *tcp,
       size_t *processes)
{
    const char *endpoint = NULL;
    pid_t pids [PIDS_MAX];
    kith_failure_t failure = {.at = -1};
    pid_t server =
        claim_run (run->claim, claim_config (run->claim, config, NULL, &endpoint));
    double began = claim_now_ms ();
    claim_wait_ready (run->claim, endpoint, 60000);
    run->client = claim_client (run->claim, endpoint, NULL);
    run->out = open_memstream (&run->text, &run->size);
    s_commands (run, set);
    fclose (run->out);
    char *status = kith_client_status (run->client, &failure);
    if (!status)
        claim_fail (run->claim, "status: %s", failure.message);
    *tcp = s_number (status, "tcp");
    *processes = claim_children (server, pids, PIDS_MAX);
    kith_text_free (&status);
    kith_client_destroy (&run->client);
    claim_stop (run->claim, &server);
    claim_say ("%s: %zu answers, %zu bytes of text, %.1f s", config, run->answers,
               run->size, (claim_now_ms () - began) / 1000);
}

//  The first line that differs
static void
s_show_difference (const char *a, const char *b)
{
    while (*a && *a == *b) {
        const char *next_a = strchr (a, '\n'), *next_b = strchr (b, '\n');
        size_t length = next_a && next_b ? (size_t) (next_a - a) + 1 : 0;
        if (!length || next_b - b + 1 != (long) length || memcmp (a, b, length) != 0)
            break;
        a += length;
        b += length;
    }
    claim_say ("  one process:       %.*s", (int) strcspn (a, "\n"), a);
    claim_say ("  several processes: %.*s", (int) strcspn (b, "\n"), b);
}

int
main (void)
{
    claim_t *claim = claim_new ("placement");
    s_run_t one = {.claim = claim}, several = {.claim = claim};
    unsigned long long tcp_one = 0, tcp_several = 0;
    size_t none = 0, processes = 0;
    word_set_t *set = word_set_open (claim_words (claim));
    if (!set || set->rows < ROWS)
        claim_fail (claim, "this needs %d words", ROWS);
    claim_say ("placement: the same commands on %d words in one process and in several",
               ROWS);
    s_run (&one, set, "configs/standalone.zpl", &tcp_one, &none);
    s_run (&several, set, "configs/local-cluster.zpl", &tcp_several, &processes);
    bool same =
        one.size == several.size && memcmp (one.text, several.text, one.size) == 0;
    if (!same)
        s_show_difference (one.text, several.text);
    claim_say ("%zu processes, %llu messages between them by tcp", processes,
               tcp_several);
    int rc =
        claim_figure (same && processes >= 4 && tcp_several > 0,
                      "bit-equal, >= 4 processes, tcp messages > 0",
                      "%zu answers %s, %zu processes, %llu tcp messages", one.answers,
                      same ? "bit-equal" : "DIFFER", processes, tcp_several);
    free (one.text);
    free (several.text);
    word_set_close (&set);
    claim_destroy (&claim);
    return rc;
}
