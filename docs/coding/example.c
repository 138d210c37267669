//  example.c - libkith in one page: make a collection, write, search, query; docs/coding/c-client.md explains it
//  SPDX-License-Identifier: Apache-2.0
//
//      cc example.c $(pkg-config --cflags --libs kith) -o example && ./example
#include <kith.h>
#include <stdio.h>
#include <string.h>

//  Tells what went wrong; returns the exit status of the program
static int
tell (const char *what, const kith_failure_t *failure)
{
    fprintf (stderr, "%s: %s (%s)\n", what, failure->message, failure->code);
    if (failure->hint [0])
        fprintf (stderr, "hint: %s\n", failure->hint);
    return 1;
}

//  Colours by their red, green and blue
static int
insert (kith_client_t *client, kith_failure_t *failure)
{
    static const char *const names [] = {"red",   "orange", "yellow",
                                         "green", "blue",   "black"};
    static const float vectors [] = {1, 0, 0, 1, 0.5f, 0, 1, 1, 0,
                                     0, 1, 0, 0, 0,    1, 0, 0, 0};
    static const int64_t waves [] = {700, 610, 580, 530, 470, 0};
    kith_rows_t *rows = kith_client_rows (client, "colours", failure);
    if (!rows)
        return -1;
    int result = kith_rows_strings (rows, "name", names, NULL, 6, failure);
    if (result == 0)
        result = kith_rows_vectors (rows, "rgb", vectors, 3, 6, failure);
    if (result == 0)
        result = kith_rows_int64 (rows, "nm", waves, 6, failure);
    if (result == 0)
        result = kith_client_insert (client, rows, NULL, failure);
    kith_rows_destroy (&rows);
    return result;
}

static int
search (kith_client_t *client, kith_failure_t *failure)
{
    static const float query [] = {1, 0.4f, 0.1f};
    kith_search_t search = {.collection = "colours",
                            .vectors = query,
                            .nq = 1,
                            .dim = 3,
                            .k = 3,
                            .filter = "nm > 0"};
    kith_answer_t *answer = kith_client_search (client, &search, failure);
    if (!answer)
        return -1;
    for (size_t row = 0; row < kith_answer_rows (answer, 0); row++) {
        size_t size;
        const char *name = kith_answer_string (answer, 0, row, "name", &size);
        printf ("%8.4f  %.*s\n", (double) kith_answer_score (answer, 0, row), (int) size,
                name);
    }
    printf ("%.2f ms\n", kith_answer_ms (answer));
    kith_answer_destroy (&answer);
    return 0;
}

int
main (int argc, char **argv)
{
    static const char *const fields [] = {"name varchar(32) key",
                                          "rgb float_vector(3) l2", "nm int64"};
    kith_client_options_t options = {.timeout_ms = 5000, .connect_ms = 1000};
    kith_failure_t failure = {0};
    kith_client_t *client =
        kith_client_new (argc > 1 ? argv [1] : NULL, &options, &failure);
    if (!client)
        return tell ("connect", &failure);
    int status = 0;
    bool made = kith_client_create (client, "colours", fields, 3, 1, &failure) == 0;
    if (!made && strcmp (failure.code, "collection_exists") != 0)
        status = tell ("create", &failure);
    if (!status && insert (client, &failure) != 0)
        status = tell ("insert", &failure);
    if (!status && search (client, &failure) != 0)
        status = tell ("search", &failure);
    if (made && kith_client_drop (client, "colours", &failure) != 0 && !status)
        status = tell ("drop", &failure);
    kith_client_destroy (&client);
    return status;
}
