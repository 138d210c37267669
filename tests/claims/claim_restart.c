//  claim_restart - how soon the first right answer comes after kill -9 with 340,000 rows in the log alone
//  SPDX-License-Identifier: Apache-2.0
#include "tests/claims/client.h"
#include "tests/demo/word_set.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { K = 10, TRIES = 3 };

//  The nearest words of a word, as the server says; false: no answer yet
static bool
s_ask (kith_client_t *client, const word_set_t *set, uint32_t row, char found [K][64])
{
    kith_failure_t failure = {.at = -1};
    kith_search_t search = {.collection = "words", .nq = 1, .k = K};
    search.vectors = set->vectors + row * set->dim;
    search.dim = set->dim;
    kith_answer_t *answer = kith_client_search (client, &search, &failure);
    bool whole = answer && kith_answer_rows (answer, 0) == K;
    for (size_t i = 0; whole && i < K; i++) {
        size_t length = 0;
        const char *word = kith_answer_string (answer, 0, i, "word", &length);
        snprintf (found [i], sizeof found [i], "%.*s", (int) length, word ? word : "");
    }
    kith_answer_destroy (&answer);
    return whole;
}

static bool
s_right (const word_set_t *set, uint32_t row, char found [K][64])
{
    word_near_t near [K];
    word_set_nearest (set, set->vectors + row * set->dim, NULL, 1, K, near);
    for (int i = 0; i < K; i++)
        if (strcmp (found [i], set->words [near [i].row]) != 0)
            return false;
    return true;
}

//  Kills, starts again, asks until there is an answer; milliseconds
static double
s_once (claim_t *claim, const word_set_t *set, const char *config, const char *endpoint,
        pid_t *server, uint32_t row)
{
    char found [K][64];
    kith_client_options_t options = {.timeout_ms = 30000, .attempt_ms = 100};
    kith_failure_t failure = {.at = -1};
    claim_kill (claim, server);
    double began = claim_now_ms ();
    *server = claim_run (claim, config);
    kith_client_t *client = kith_client_new (endpoint, &options, &failure);
    while (!s_ask (client, set, row, found))
        if (claim_now_ms () - began > 60000)
            claim_fail (claim, "no answer 60 s after the restart");
    double ms = claim_now_ms () - began;
    if (!s_right (set, row, found))
        claim_fail (claim, "the first answer after the restart is wrong: nearest of %s",
                    set->words [row]);
    kith_query_t count = {.collection = "words", .count = true};
    kith_answer_t *answer = kith_client_query (client, &count, &failure);
    if (!answer || kith_answer_count (answer) != set->rows)
        claim_fail (claim, "after the restart there are %llu rows of %zu: %s",
                    answer ? (unsigned long long) kith_answer_count (answer) : 0,
                    set->rows, failure.message);
    kith_answer_destroy (&answer);
    kith_client_destroy (&client);
    return ms;
}

int
main (void)
{
    claim_t *claim = claim_new ("restart");
    const char *endpoint = NULL, *words = claim_words (claim);
    //  Nothing is sealed by itself
    const char *config =
        claim_config (claim, "configs/standalone.zpl",
                      "    seal_rows = 10000000\n    seal_time = \"12h\"\n", &endpoint);
    word_set_t *set = word_set_open (words);
    double worst = 0;
    if (!set || set->rows < 340000)
        claim_fail (claim, "this needs the 341,479 words");
    claim_say ("restart: kill -9 with %zu rows that are in the log alone", set->rows);
    pid_t server = claim_run (claim, config);
    claim_wait_ready (claim, endpoint, 30000);
    char out [2048] = "";
    if (claim_shell (out, sizeof out,
                     "Z='%s --connect %s'; $Z collection create words 'word varchar(64) "
                     "key' 'rank int64' "
                     "'vector float_vector(100) cosine' && $Z import words --column "
                     "word=%s/words.txt "
                     "--column rank=%s/rank.npy --column vector=%s/words.npy 2>&1",
                     claim_zactor (), endpoint, words, words, words)
        != 0)
        claim_fail (claim, "import: %s", out);
    for (int i = 0; i < TRIES; i++) {
        double ms = s_once (claim, set, config, endpoint, &server,
                            word_set_asked (set, (size_t) i + 3, 11));
        claim_say ("started again: first right answer after %.0f ms", ms);
        worst = ms > worst ? ms : worst;
    }
    claim_stop (claim, &server);
    int rc = claim_figure (worst <= 3000, "<= 3 s",
                           "%.2f s to the first right answer, worst of %d", worst / 1000,
                           TRIES);
    word_set_close (&set);
    claim_destroy (&claim);
    return rc;
}
