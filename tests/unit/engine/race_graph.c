//  race_graph.c - searches of a graph while it is changed: a plain program, so that ThreadSanitizer can run it
//  SPDX-License-Identifier: Apache-2.0
//
//  Three threads search without a lock while one inserts, removes and repairs. What was removed before a search began may not be in its
//  answer, and every score is the exact one of the row.
#include <pthread.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/graph_live.h"

enum {
    ROWS = 8000,
    BUILT = 3000,
    DIM = 24,
    QUERIES = 100,
    K = 10,
    READERS = 3,
    TURNS = 2500,
    SEARCHES = 50    //  of each reader at least
};

typedef struct {
    const kith_graph_t *graph;
    const float *vectors, *queries;
    atomic_uint *gone;    //  gone [row]: removed, told after the removal
    atomic_bool *over;
    uint64_t searches, faults;
} s_reader_t;

static void
s_search (s_reader_t *reader, kith_graph_scratch_t *scratch, kith_bits_t *before)
{
    const float *vector = reader->queries + reader->searches++ % QUERIES * DIM;
    for (uint32_t row = 0; row < ROWS; row++)
        if (atomic_load (&reader->gone [row]))
            kith_bits_set (before, row);
    kith_graph_query_t options = {.k = K, .effort = 40};
    kith_topk_t top;
    kith_topk_init (&top, K);
    kith_graph_search (reader->graph, vector, 0, &options, scratch, &top);
    reader->faults += top.count != K;
    for (uint32_t hit = 0; hit < top.count; hit++) {
        uint32_t row = (uint32_t) top.hits [hit].row;
        float score = row < ROWS ? kith_score (KITH_METRIC_L2, vector, 0,
                                               reader->vectors + row * DIM, 0, DIM)
                                 : -1;
        float distance = top.hits [hit].distance;
        reader->faults += row >= ROWS || kith_bits_get (before, row)
                          || memcmp (&distance, &score, sizeof score) != 0;
    }
    kith_topk_free (&top);
}

static void *
s_read (void *arg)
{
    s_reader_t *reader = arg;
    kith_graph_scratch_t *scratch = kith_graph_scratch_new ();
    kith_bits_t before;
    kith_bits_init (&before, ROWS, false);
    while (!atomic_load (reader->over) || reader->searches < SEARCHES)
        s_search (reader, scratch, &before);
    kith_bits_free (&before);
    kith_graph_scratch_destroy (&scratch);
    return NULL;
}

static int
s_change (kith_graph_t *graph, kith_random_t *random, atomic_uint *gone)
{
    int failed = 0;
    for (uint32_t turn = 0; turn < TURNS && !failed; turn++) {
        failed = kith_graph_insert (graph, 2, NULL);
        uint32_t row = (uint32_t) kith_random_below (random, kith_graph_rows (graph));
        kith_graph_remove (graph, row);
        atomic_store (&gone [row], 1);
        if (turn % 500 == 499 && !failed)
            failed = kith_graph_repair (graph, NULL, NULL);
    }
    return failed;
}

int
main (void)
{
    kith_random_t random;
    kith_random_seed (&random, 9);
    float *vectors = kith_alloc64 ((size_t) (ROWS + QUERIES) * DIM * sizeof (float));
    for (uint32_t index = 0; index < (ROWS + QUERIES) * DIM; index++)
        vectors [index] = (float) kith_random_normal (&random);
    kith_rows_t rows = {
        .vectors = vectors, .rows = BUILT, .dim = DIM, .metric = KITH_METRIC_L2};
    kith_graph_params_t params = {.seed = 3};
    kith_graph_t *graph = kith_graph_build (&rows, &params, NULL);
    if (!graph || kith_graph_thaw (graph, &rows, ROWS, NULL) != 0)
        return 1;
    atomic_uint *gone = kith_new (ROWS * sizeof *gone);
    atomic_bool over = false;
    s_reader_t readers [READERS];
    pthread_t threads [READERS];
    for (uint32_t each = 0; each < READERS; each++) {
        readers [each] = (s_reader_t){.graph = graph,
                                      .vectors = vectors,
                                      .queries = vectors + (size_t) ROWS * DIM,
                                      .gone = gone,
                                      .over = &over};
        if (pthread_create (&threads [each], NULL, s_read, &readers [each]) != 0)
            return 1;
    }
    int failed = s_change (graph, &random, gone);
    atomic_store (&over, true);
    for (uint32_t each = 0; each < READERS; each++) {
        pthread_join (threads [each], NULL);
        printf ("%" PRIu64 " searches, %" PRIu64 " faults\n", readers [each].searches,
                readers [each].faults);
        failed |= readers [each].faults > 0;
    }
    kith_graph_destroy (&graph);
    free (gone);
    free (vectors);
    return failed ? 1 : 0;
}
