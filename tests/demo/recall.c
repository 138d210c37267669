//  recall - asks a running Kith for the nearest words of 1,000 stored words, and compares with an exact search
//  SPDX-License-Identifier: Apache-2.0
//
//  recall FOLDER [ENDPOINT [COLLECTION [ASKED]]] prints one number, recall@10. FOLDER holds the columns that were imported.
#include "clients/kith.h"
#include "tests/demo/word_set.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { K = 10 };

//  How many of an answer's words are as near as the exact tenth
static int
s_hits (const word_set_t *set, const kith_answer_t *answer, const word_near_t *exact,
        size_t found)
{
    int hits = 0;
    for (size_t row = 0; row < found && row < K; row++) {
        size_t length = 0;
        const char *word = kith_answer_string (answer, 0, row, "word", &length);
        for (int i = 0; i < K && word; i++) {
            const char *wanted = set->words [exact [i].row];
            if (strlen (wanted) == length && memcmp (wanted, word, length) == 0) {
                hits++;
                break;
            }
        }
    }
    return hits;
}

static int
s_ask (kith_client_t *client, const char *collection, const word_set_t *set, uint32_t row,
       const word_near_t *exact)
{
    kith_failure_t failure = {.at = -1};
    const char *output [] = {"word"};
    const char *key = set->words [row];
    kith_rows_t *keys = kith_client_rows (client, collection, &failure);
    int hits = -1;
    if (keys && kith_rows_strings (keys, "word", &key, NULL, 1, &failure) == 0) {
        kith_search_t search = {.collection = collection,
                                .keys = keys,
                                .k = K,
                                .output = output,
                                .output_count = 1};
        kith_answer_t *answer = kith_client_search (client, &search, &failure);
        if (answer)
            hits = s_hits (set, answer, exact, kith_answer_rows (answer, 0));
        kith_answer_destroy (&answer);
    }
    kith_rows_destroy (&keys);
    if (hits < 0)
        fprintf (stderr, "recall: %s: %s\n", key, failure.message);
    return hits;
}

int
main (int argc, char **argv)
{
    if (argc < 2) {
        fprintf (stderr, "usage: recall FOLDER [ENDPOINT [COLLECTION [ASKED]]]\n");
        return 2;
    }
    const char *collection = argc > 3 ? argv [3] : "words";
    size_t asked = argc > 4 ? strtoul (argv [4], NULL, 10) : 1000;
    word_set_t *set = word_set_open (argv [1]);
    if (!set || !asked || asked > set->rows)
        return 1;
    uint32_t *rows = calloc (asked, sizeof *rows);
    float *queries = calloc (asked * set->dim, sizeof *queries);
    word_near_t *exact = calloc (asked * K, sizeof *exact);
    kith_failure_t failure = {.at = -1};
    kith_client_t *client = kith_client_new (argc > 2 ? argv [2] : NULL, NULL, &failure);
    if (!rows || !queries || !exact || !client) {
        fprintf (stderr, "recall: %s\n", failure.message);
        return 1;
    }
    for (size_t i = 0; i < asked; i++) {
        rows [i] = word_set_asked (set, i, asked);
        memcpy (queries + i * set->dim, set->vectors + rows [i] * set->dim,
                set->dim * sizeof (float));
    }
    word_set_nearest (set, queries, rows, asked, K, exact);
    int hits = 0, got = 0;
    for (size_t i = 0; i < asked && got >= 0; i++) {
        got = s_ask (client, collection, set, rows [i], exact + i * K);
        hits += got > 0 ? got : 0;
    }
    if (got >= 0)
        printf ("%.4f\n", (double) hits / (double) (asked * K));
    kith_client_destroy (&client);
    free (rows);
    free (queries);
    free (exact);
    word_set_close (&set);
    return got >= 0 ? 0 : 1;
}
