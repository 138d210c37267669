//  bench_disk.c - the disk index on a file against what its device can do; one line of JSON per effort
//  SPDX-License-Identifier: Apache-2.0
//
//  bench_disk FILE.fbin [metric] [key=value ...]. keys: degree, build (effort of it), threads, queries, rounds, code (sq4, sq8,
//  rabitq), filter (rows of 1,000 that may be answered, at random), dir (where the index file goes; kept=1 keeps it and takes it
//  again). First the device: random reads of 4 KiB of the index file, past the page cache, at 1, 4 and 32 under way; then searches of
//  that file from one thread, `batch` queries (1) per call. Effort 0 is what calibration takes for a recall of .95. `limit` is the
//  share of the device's best rate that the searches' reads make. The queries are taken out of the rows by a seeded draw.
#include "base/random.h"
#include "engine/indexes/index.h"
#include "tests/bench/engine/held_out.h"

enum { K = 10, EFFORTS = 10, DEPTHS = 3, SECONDS = 1 };

static const uint32_t s_efforts [EFFORTS] = {0, 10, 15, 20, 30, 40, 60, 100, 160, 300};
static const uint32_t s_depths [DEPTHS] = {1, 4, 32};

typedef struct {
    const char *path, *dir;
    kith_metric_t metric;
    uint32_t degree, build, threads, queries, rounds, kept, code, filter, batch;
} s_options_t;

//  ---------------------------------------------------------------------
//  Device

//  Reads per second with `depth` under way
static double
s_rate (const kith_blocks_t *blocks, kith_block_reader_t *reader, uint32_t depth)
{
    kith_random_t random;
    kith_block_done_t done [32];
    uint64_t count = 0, of = kith_blocks_size (blocks) / KITH_BLOCK_BYTES;
    void *rooms = NULL;
    if (posix_memalign (&rooms, KITH_BLOCK_BYTES, (size_t) depth * KITH_BLOCK_BYTES))
        return 0;
    kith_random_seed (&random, depth);
    for (uint32_t tag = 0; tag < depth; tag++)
        done [tag].tag = tag;
    double began = bench_seconds (CLOCK_MONOTONIC), ends = began + SECONDS;
    for (uint32_t got = depth; got > 0;) {
        kith_block_read_t reads [32];
        for (uint32_t index = 0; index < got; index++)
            reads [index] = (kith_block_read_t){
                .blocks = blocks,
                .at = kith_random_below (&random, of) * KITH_BLOCK_BYTES,
                .size = KITH_BLOCK_BYTES,
                .tag = done [index].tag,
                .room = (char *) rooms + (size_t) done [index].tag * KITH_BLOCK_BYTES};
        if (bench_seconds (CLOCK_MONOTONIC) < ends)
            reader->submit (reader, reads, got);
        got = reader->reap (reader, done, 32);
        count += got;
    }
    double rate = (double) count / (bench_seconds (CLOCK_MONOTONIC) - began);
    free (rooms);
    return rate;
}

//  Prints the device's rates; returns the best
static double
s_device (const kith_blocks_t *blocks)
{
    double best = 0;
    kith_block_reader_t *reader = kith_block_reader_new (blocks, 32);
    printf ("{\"device\": \"random 4 KiB reads\", \"reader\": \"%s\", \"direct\": %s",
            reader->name, kith_blocks_direct (blocks) ? "true" : "false");
    for (uint32_t index = 0; index < DEPTHS; index++) {
        double rate = s_rate (blocks, reader, s_depths [index]);
        best = rate > best ? rate : best;
        printf (", \"iops_at_%u\": %.0f", s_depths [index], rate);
    }
    printf ("}\n");
    reader->close (&reader);
    return best;
}

//  ---------------------------------------------------------------------
//  Index file

#define NAME "bench-disk"

static int
s_store (const bench_held_out_t *data, const s_options_t *options,
         kith_objects_t *objects, kith_error_t *error)
{
    kith_parallel_t *parallel = kith_parallel_threads_new (options->threads);
    kith_index_params_t params = {.kind = KITH_INDEX_DISK,
                                  .code = (kith_index_code_t) options->code,
                                  .degree = options->degree,
                                  .build_effort = options->build,
                                  .seed = 1,
                                  .parallel = parallel};
    double began = bench_seconds (CLOCK_MONOTONIC);
    kith_index_t *index = kith_index_build (&data->rows, &params, error);
    kith_parallel_threads_destroy (&parallel);
    if (!index)
        return -1;
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_index_sections (index, sections);
    kith_file_info_t info = {.kind = KITH_FILE_INDEX, .rows = data->rows.rows};
    uint64_t size = 0;
    double built = bench_seconds (CLOCK_MONOTONIC);
    int failed =
        kith_container_put (objects, NAME, &info, sections, count, NULL, &size, error);
    printf (
        "{\"build\": %.1f, \"threads\": %u, \"store\": %.1f, \"file\": %" PRIu64 "}\n",
        built - began, options->threads, bench_seconds (CLOCK_MONOTONIC) - built, size);
    kith_index_destroy (&index);
    return failed;
}

//  All in memory but the records
static kith_index_t *
s_open (const bench_held_out_t *data, const kith_container_t *container,
        kith_error_t *error)
{
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_container_count (container);
    for (size_t index = 0; index < count && index < KITH_INDEX_SECTIONS_MAX; index++) {
        sections [index].id = kith_container_id (container, index);
        sections [index].data = kith_container_section (container, sections [index].id,
                                                        &sections [index].size);
        if (sections [index].id == KITH_INDEX_RECORDS)
            continue;
        void *copy = kith_alloc64 (sections [index].size);    //  kept until the end
        memcpy (copy, sections [index].data, sections [index].size);
        sections [index].data = copy;
    }
    kith_index_t *self = kith_index_open (&data->rows, sections, count, error);
    kith_blocks_t *blocks =
        self ? kith_container_blocks (container, KITH_INDEX_RECORDS, error) : NULL;
    if (!blocks || kith_index_use_blocks (self, &blocks, error) != 0)
        kith_index_destroy (&self);
    return self;
}

//  ---------------------------------------------------------------------
//  Searches

static int
s_compare (const void *a, const void *b)
{
    double first = *(const double *) a, second = *(const double *) b;
    return (first > second) - (first < second);
}

//  Hits of one call's tops that are among the K nearest; frees the tops
static uint32_t
s_count (const bench_held_out_t *data, uint32_t first, uint32_t count, kith_topk_t *tops)
{
    uint32_t found = 0;
    for (uint32_t each = 0; each < count; each++) {
        found += bench_held_out_right (data, first + each, &tops [each]);
        kith_topk_free (&tops [each]);
    }
    return found;
}

static void
s_ask (const bench_held_out_t *data, const kith_index_t *index,
       kith_index_scratch_t *scratch, uint32_t effort, uint32_t batch, double device)
{
    double *took = kith_new (data->nq * sizeof *took);
    kith_topk_t *tops = kith_new (data->nq * sizeof *tops);
    double reads = 0, hops = 0, total = 0;
    uint64_t compared = 0;
    uint32_t found = 0, calls = 0;
    for (uint32_t query = 0; query < data->nq; query += batch) {
        uint32_t left = data->nq - query;
        kith_index_query_t ask = {
            .queries = data->queries + (size_t) query * data->rows.dim,
            .norms = data->rows.norms ? data->query_norms + query : NULL,
            .nq = left < batch ? left : batch,
            .k = K,
            .effort = effort,
            .live = bench_held_out_live (data)};
        kith_error_t error;
        kith_index_cost_t cost;
        for (uint32_t each = 0; each < ask.nq; each++)
            kith_topk_init (&tops [each], K);
        double began = bench_seconds (CLOCK_MONOTONIC);
        int failed = kith_index_search (index, &ask, scratch, tops, &compared, &error);
        took [calls] = bench_seconds (CLOCK_MONOTONIC) - began;
        if (failed) {
            fprintf (stderr, "%s\n", error.message);
            exit (1);
        }
        kith_index_explain (index, scratch, &cost);
        total += took [calls++];
        reads += (double) cost.reads;
        hops += (double) cost.hops;
        found += s_count (data, query, ask.nq, tops);
    }
    free (tops);
    qsort (took, calls, sizeof *took, s_compare);
    printf ("{\"effort\": %u, \"recall\": %.4f, \"qps\": %.0f, \"p50_us\": %.0f, "
            "\"p99_us\": %.0f, \"reads\": %.1f, \"hops\": %.1f, \"compared\": %.0f, "
            "\"iops\": %.0f, \"limit\": %.2f}\n",
            effort, (double) found / (K * (double) data->nq), data->nq / total,
            took [calls / 2] * 1e6, took [calls * 99 / 100] * 1e6, reads / data->nq,
            hops / data->nq, (double) compared / data->nq, reads / total,
            device > 0 ? reads / total / device : 0);
    fflush (stdout);
    free (took);
}

static int
s_run (const bench_held_out_t *data, const s_options_t *options, kith_error_t *error)
{
    kith_objects_t *objects = kith_objects_dir_open (kith_fs_os (), options->dir, error);
    if (!objects)
        return -1;
    if (!options->kept && objects->remove (objects, NAME, error) != 0)
        return -1;
    kith_container_t *container = NULL;
    if (options->kept)
        container = kith_container_open (objects, NAME, KITH_FILE_INDEX, 0, 0, 0, error);
    if (!container && s_store (data, options, objects, error) != 0)
        return -1;
    if (!container)
        container = kith_container_open (objects, NAME, KITH_FILE_INDEX, 0, 0, 0, error);
    kith_index_t *index = container ? s_open (data, container, error) : NULL;
    kith_blocks_t *blocks =
        index ? kith_container_blocks (container, KITH_INDEX_RECORDS, error) : NULL;
    if (!blocks)
        return -1;
    kith_index_info_t info;
    kith_index_describe (index, &info);
    printf ("{\"rows\": %u, \"dim\": %u, \"raw\": %" PRIu64 ", \"memory\": %" PRIu64
            ", \"calibrated\": %.3f, \"effort\": %u, \"reads\": %.1f, \"hops\": %.1f}\n",
            info.rows, data->rows.dim, (uint64_t) info.rows * data->rows.dim * 4,
            info.bytes, (double) info.recall, info.effort, (double) info.reads,
            (double) info.hops);
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    for (uint32_t round = 0; round < options->rounds; round++) {
        double device = s_device (blocks);
        for (uint32_t index_of = 0; index_of < EFFORTS; index_of++)
            s_ask (data, index, scratch, s_efforts [index_of], options->batch, device);
    }
    kith_index_scratch_destroy (&scratch);
    kith_index_destroy (&index);
    kith_blocks_destroy (&blocks);
    kith_container_destroy (&container);
    if (!options->kept)
        objects->remove (objects, NAME, NULL);
    objects->close (&objects);
    return 0;
}

static bool
s_number (const char *argument, const char *name, uint32_t *value)
{
    size_t length = strlen (name);
    if (strncmp (argument, name, length) != 0 || argument [length] != '=')
        return false;
    *value = (uint32_t) strtoul (argument + length + 1, NULL, 10);
    return true;
}

int
main (int argc, char **argv)
{
    s_options_t options = {
        .metric = KITH_METRIC_L2, .threads = 1, .queries = 500, .rounds = 2, .batch = 1};
    options.dir = "/tmp";
    for (int index = 1; index < argc; index++) {
        const char *argument = argv [index];
        if (s_number (argument, "degree", &options.degree)
            || s_number (argument, "build", &options.build)
            || s_number (argument, "threads", &options.threads)
            || s_number (argument, "queries", &options.queries)
            || s_number (argument, "kept", &options.kept)
            || s_number (argument, "filter", &options.filter)
            || s_number (argument, "batch", &options.batch)
            || s_number (argument, "rounds", &options.rounds))
            continue;
        kith_index_code_t code;
        if (strncmp (argument, "dir=", 4) == 0)
            options.dir = argument + 4;
        else if (strncmp (argument, "code=", 5) == 0
                 && kith_index_code_of (argument + 5, &code, NULL) == 0)
            options.code = code;
        else if (kith_metric_of_name (argument))
            options.metric = kith_metric_of_name (argument);
        else
            options.path = argument;
    }
    bench_held_out_t data;
    kith_error_t error;
    if (!options.path || options.batch == 0) {
        fprintf (stderr, "usage: bench_disk FILE.fbin [l2|ip|cosine] [key=value ...]\n");
        return 2;
    }
    if (bench_held_out_load (&data, options.path, options.metric, options.queries) != 0)
        return 1;
    if (options.filter)
        bench_held_out_filter (&data, options.filter / 1000.0);
    bench_held_out_exact (&data, K);
    int failed = s_run (&data, &options, &error);
    if (failed)
        fprintf (stderr, "%s\n", error.message);
    bench_held_out_free (&data);
    return failed ? 1 : 0;
}
