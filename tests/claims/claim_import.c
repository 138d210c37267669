//  claim_import - how fast rows come in durably, that all of them came in right, and what they cost in memory
//  SPDX-License-Identifier: Apache-2.0
#include "tests/claims/client.h"
#include "tests/demo/word_set.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ROUNDS = 3,    //  the median counts
    BATCH = 2000
};

//  A number of the launcher's JSON; ends the claim when it is not there
static double
s_number (claim_t *claim, const char *text, const char *name)
{
    char wanted [64];
    snprintf (wanted, sizeof wanted, "\"%s\":", name);
    const char *at = strstr (text, wanted);
    if (!at)
        claim_fail (claim, "no %s in: %s", name, text);
    return strtod (at + strlen (wanted), NULL);
}

//  Creates the collection and imports; rows a second as a user waits for them
static double
s_import (claim_t *claim, const char *endpoint, const char *words, size_t rows)
{
    char out [4096] = "";
    int rc = claim_shell (
        out, sizeof out,
        "%s --connect %s collection create words 'word varchar(64) key' 'rank int64' "
        "'vector float_vector(100) cosine' --shards 1 2>&1",
        claim_zactor (), endpoint);
    double began = claim_now_ms ();
    if (rc == 0) {
        *out = 0;
        rc = claim_shell (
            out, sizeof out,
            "%s --connect %s --json import words --column word=%s/words.txt "
            "--column rank=%s/rank.npy --column vector=%s/words.npy 2> /dev/null",
            claim_zactor (), endpoint, words, words, words);
    }
    double ms = claim_now_ms () - began;
    if (rc != 0)
        claim_fail (claim, "import: %s", out);
    if ((size_t) s_number (claim, out, "rows") != rows)
        claim_fail (claim, "not all rows were imported: %s", out);
    claim_say ("imported %zu rows in %.0f ms of a user's time: %.0f rows/s", rows, ms,
               (double) rows / ms * 1000);
    return (double) rows / ms * 1000;
}

static uint64_t
s_hash (uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes [i]) * 0x100000001b3u;
    return hash;
}

static uint64_t
s_hash_row (const char *word, size_t length, int64_t rank, const float *vector,
            size_t dim)
{
    uint64_t hash = s_hash (0xcbf29ce484222325u, word, length);
    hash = s_hash (hash, &rank, sizeof rank);
    return s_hash (hash, vector, dim * sizeof *vector);
}

//  Reads rows back by key; how many are as in the source
static size_t
s_read_back (claim_t *claim, kith_client_t *client, const word_set_t *set, size_t from,
             size_t to)
{
    const char *output [] = {"*"};
    kith_failure_t failure = {.at = -1};
    kith_rows_t *keys = kith_client_rows (client, "words", &failure);
    kith_query_t query = {
        .collection = "words", .keys = keys, .output = output, .output_count = 1};
    query.limit = BATCH;
    if (!keys
        || kith_rows_strings (keys, "word", (const char *const *) set->words + from, NULL,
                              to - from, &failure)
               != 0)
        claim_fail (claim, "keys: %s", failure.message);
    kith_answer_t *answer = kith_client_query (client, &query, &failure);
    if (!answer)
        claim_fail (claim, "query: %s", failure.message);
    uint64_t wanted = 0, seen = 0;
    size_t rows = kith_answer_rows (answer, 0);
    for (size_t i = from; i < to; i++)
        wanted += s_hash_row (set->words [i], strlen (set->words [i]), set->ranks [i],
                              set->vectors + i * set->dim, set->dim);
    for (size_t row = 0; row < rows; row++) {
        size_t length = 0, dim = 0;
        const char *word = kith_answer_string (answer, 0, row, "word", &length);
        const float *vector = kith_answer_vector (answer, 0, row, "vector", &dim);
        if (word && vector && dim == set->dim)
            seen += s_hash_row (word, length, kith_answer_int64 (answer, 0, row, "rank"),
                                vector, dim);
    }
    kith_answer_destroy (&answer);
    kith_rows_destroy (&keys);
    return rows == to - from && seen == wanted ? rows : 0;
}

static size_t
s_check (claim_t *claim, const char *endpoint, const word_set_t *set)
{
    kith_client_t *client = claim_client (claim, endpoint, NULL);
    size_t good = 0;
    for (size_t from = 0; from < set->rows; from += BATCH)
        good += s_read_back (claim, client, set, from,
                             from + BATCH < set->rows ? from + BATCH : set->rows);
    kith_client_destroy (&client);
    return good;
}

int
main (void)
{
    claim_t *claim = claim_new ("import");
    const char *words = claim_words (claim), *endpoint = NULL;
    word_set_t *set = word_set_open (words);
    double rates [ROUNDS];
    pid_t server = 0;
    if (!set)
        return 1;
    double raw_mb = (double) (set->rows * set->dim * sizeof (float)) / 1048576;
    claim_say ("import: %zu rows of %zu x float32 into standalone.zpl, durable, %d times",
               set->rows, set->dim, ROUNDS);
    for (int i = 0; i < ROUNDS; i++) {
        if (server)
            claim_stop (claim, &server);
        claim_shell (NULL, 0, "rm -rf '%s'", claim_path (claim, "data"));
        server = claim_run (
            claim, claim_config (claim, "configs/standalone.zpl", NULL, &endpoint));
        claim_wait_ready (claim, endpoint, 30000);
        rates [i] = s_import (claim, endpoint, words, set->rows);
    }
    size_t good = s_check (claim, endpoint, set);
    claim_say ("read back and hashed: %zu of %zu rows are as in the source", good,
               set->rows);
    char out [2048] = "";
    double began = claim_now_ms ();
    if (claim_shell (out, sizeof out,
                     "%s --connect %s --json index create words vector 2> /dev/null",
                     claim_zactor (), endpoint)
        != 0)
        claim_fail (claim, "index create: %s", out);
    claim_say ("index built and loaded in %.1f s", (claim_now_ms () - began) / 1000);
    claim_sleep_ms (2000);
    double rss = claim_rss_mb (server);
    size_t again = s_check (claim, endpoint, set);
    claim_say ("after index and load: %.0f MB resident for %.0f MB of vectors; read back "
               "again: %zu",
               rss, raw_mb, again);
    claim_stop (claim, &server);
    double rate = claim_percentile (rates, ROUNDS, 0.5);
    int rc = claim_figure (rate >= 150000 && good == set->rows && again == set->rows
                               && rss <= 2.5 * raw_mb,
                           ">= 150,000 rows/s, every row right, <= 2.5x the raw vectors",
                           "%.0f rows/s, %zu of %zu rows right, %.2fx the raw vectors",
                           rate, again, set->rows, rss / raw_mb);
    word_set_close (&set);
    claim_destroy (&claim);
    return rc;
}
