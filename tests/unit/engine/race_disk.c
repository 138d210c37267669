//  race_disk.c - threads that search one disk index in one file: a plain program, so that ThreadSanitizer can run it
//  SPDX-License-Identifier: Apache-2.0
//
//  Each thread has its own scratch, so its own reads; the index and its file are shared. All must answer as one thread alone does.
#include <unistd.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/index.h"

enum { ROWS = 3000, DIM = 40, QUERIES = 40, K = 10, THREADS = 4, PARTS = 8 };

typedef struct {
    kith_index_t *index;
    const float *queries;
    kith_hit_t hits [QUERIES * K];    //  of one thread alone
    bool compare;
} s_side_t;

static void
s_ask_part (void *arg, uint32_t part)
{
    s_side_t *side = arg;
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    for (uint32_t each = 0; each < QUERIES; each++) {
        uint32_t query = (each + part * 7) % QUERIES;
        const kith_index_query_t ask = {
            .queries = side->queries + query * DIM, .nq = 1, .k = K};
        kith_topk_t top;
        kith_topk_init (&top, K);
        int status = kith_index_search (side->index, &ask, scratch, &top, NULL, NULL);
        kith_topk_sort (&top);
        assert (status == 0 && top.count == K);
        kith_hit_t *hits = side->hits + query * K;
        if (side->compare)
            assert (memcmp (hits, top.hits, K * sizeof *hits) == 0);
        else
            memcpy (hits, top.hits, K * sizeof *hits);
        kith_topk_free (&top);
    }
    kith_index_scratch_destroy (&scratch);
}

//  Moves the records into a file
static void
s_to_file (kith_index_t *index, const char *path)
{
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_index_sections (index, sections);
    for (size_t each = 0; each < count; each++) {
        if (sections [each].id != KITH_INDEX_RECORDS)
            continue;
        FILE *file = fopen (path, "w");
        assert (file);
        size_t put = fwrite (sections [each].data, 1, sections [each].size, file);
        assert (put == sections [each].size);
        int status = fclose (file);
        assert (status == 0);
    }
    kith_blocks_t *blocks = kith_blocks_file_new (path, NULL);
    assert (blocks);
    int status = kith_index_use_blocks (index, &blocks, NULL);
    assert (status == 0);
}

int
main (void)
{
    float *vectors = kith_alloc64 (ROWS * DIM * sizeof (float));
    float *queries = kith_alloc64 (QUERIES * DIM * sizeof (float));
    kith_random_t random;
    kith_random_seed (&random, 3);
    for (uint32_t index = 0; index < ROWS * DIM; index++)
        vectors [index] = (float) kith_random_normal (&random);
    for (uint32_t index = 0; index < QUERIES * DIM; index++)
        queries [index] = (float) kith_random_normal (&random);
    const kith_rows_t rows = {
        .vectors = vectors, .rows = ROWS, .dim = DIM, .metric = KITH_METRIC_L2};
    const kith_index_params_t params = {.kind = KITH_INDEX_DISK};
    s_side_t side = {.index = kith_index_build (&rows, &params, NULL),
                     .queries = queries};
    assert (side.index);
    char path [] = "/tmp/kith-race-disk-XXXXXX";
    int handle = mkstemp (path);
    assert (handle >= 0);
    close (handle);
    s_to_file (side.index, path);
    s_ask_part (&side, 0);
    side.compare = true;
    kith_parallel_t *parallel = kith_parallel_threads_new (THREADS);
    parallel->run (parallel, PARTS, s_ask_part, &side);
    kith_parallel_threads_destroy (&parallel);
    kith_index_destroy (&side.index);
    unlink (path);
    free (vectors);
    free (queries);
    printf ("%u threads, %u queries each\n", THREADS, PARTS / THREADS * QUERIES);
    return 0;
}
