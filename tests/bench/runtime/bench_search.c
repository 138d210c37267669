//  bench_search.c - searches of a running server, one query per call: latency and queries a second
//  SPDX-License-Identifier: Apache-2.0
//
//  bench_search ENDPOINT COLLECTION FOLDER [effort] [k] [times]: asks with the word vectors of a folder (words.npy), spread over
//  them. Prints one JSON object: queries a second, median, p99 and least microseconds.
#include "clients/kith.h"
#include "tests/demo/word_set.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double
s_now_us (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

static int
s_compare (const void *a, const void *b)
{
    const double *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

static uint32_t
s_number (int argc, char **argv, int at, uint32_t otherwise)
{
    return argc > at ? (uint32_t) strtoul (argv [at], NULL, 10) : otherwise;
}

int
main (int argc, char **argv)
{
    if (argc < 4) {
        fprintf (stderr,
                 "usage: bench_search ENDPOINT COLLECTION FOLDER [effort] [k] "
                 "[times]\n");
        return 2;
    }
    uint32_t effort = s_number (argc, argv, 4, 0), k = s_number (argc, argv, 5, 10);
    uint32_t times = s_number (argc, argv, 6, 5000);
    word_set_t *set = word_set_open (argv [3]);
    kith_failure_t failure = {.at = -1};
    kith_client_t *client = kith_client_new (argv [1], NULL, &failure);
    double *us = calloc (times, sizeof *us);
    if (!set || !client || !us || times == 0) {
        fprintf (stderr, "bench_search: %s\n", set ? failure.message : "no vectors");
        return 1;
    }
    double began = 0;
    for (int64_t index = -(int64_t) times / 10; index < times; index++) {
        size_t row = (size_t) ((uint64_t) (index + times) * 7919u % set->rows);
        kith_search_t search = {.collection = argv [2],
                                .vectors = set->vectors + row * set->dim,
                                .nq = 1,
                                .dim = set->dim,
                                .k = k,
                                .effort = effort};
        double start = s_now_us ();
        if (index == 0)
            began = start;
        kith_answer_t *answer = kith_client_search (client, &search, &failure);
        if (!answer) {
            fprintf (stderr, "bench_search: %s\n", failure.message);
            return 1;
        }
        kith_answer_destroy (&answer);
        if (index >= 0)
            us [index] = s_now_us () - start;
    }
    double seconds = (s_now_us () - began) / 1e6;
    qsort (us, times, sizeof *us, s_compare);
    printf ("{\"queries_per_s\": %.0f, \"median_us\": %.1f, \"p99_us\": %.1f, "
            "\"least_us\": %.1f}\n",
            times / seconds, us [times / 2], us [times - 1 - times / 100], us [0]);
    free (us);
    kith_client_destroy (&client);
    word_set_close (&set);
    return 0;
}
