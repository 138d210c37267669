//  test_disk.c - the disk index: the same answer from every reader, no wrong row from a damaged file, memory as said
//  SPDX-License-Identifier: Apache-2.0
//
//  The oracle is exact search over the same rows. What holds for every kind of index is in test_index.c.
#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/vector.h"
#include "engine/indexes/disk_layout.h"
#include "storage/blocks.h"

enum { NQ = 30, K = 10 };

static const kith_vector_t s_types [] = {KITH_VECTOR_FLOAT32, KITH_VECTOR_FLOAT16,
                                         KITH_VECTOR_BFLOAT16, KITH_VECTOR_INT8};
enum { TYPES = sizeof s_types / sizeof s_types [0] };

typedef struct {
    kith_rows_t rows;
    float *vectors, *norms, *queries;    //  of the rows' type: float32 has most room
    float query_norms [NQ];
    kith_index_t *index;
    kith_index_scratch_t *scratch;
    char path [64];                            //  of a file with its records
    void *copies [KITH_INDEX_SECTIONS_MAX];    //  sections that index was opened of
} s_data_t;

//  Rows, and the index over them
typedef struct {
    kith_vector_t type;
    kith_metric_t metric;
    uint32_t rows, dim;
    uint32_t same;    //  every row below equals the one `same` above it
    kith_index_code_t code;
} s_shape_t;

//  Rows and queries about the same centres
static void
s_fill (s_data_t *data, uint32_t rows, uint32_t dim)
{
    enum { CENTRES = 40 };
    kith_random_t random;
    kith_random_seed (&random, 17);
    float *centres = kith_alloc64 ((size_t) CENTRES * dim * sizeof (float));
    for (uint32_t index = 0; index < CENTRES * dim; index++)
        centres [index] = (float) (kith_random_unit (&random) * 2 - 1);
    data->vectors = kith_alloc64 ((size_t) rows * dim * sizeof (float));
    data->norms = kith_alloc64 (rows * sizeof (float));
    data->queries = kith_alloc64 ((size_t) NQ * dim * sizeof (float));
    for (uint32_t row = 0; row < rows + NQ; row++) {
        const float *centre =
            centres + (size_t) kith_random_below (&random, CENTRES) * dim;
        float *vector = row < rows ? data->vectors + (size_t) row * dim
                                   : data->queries + (size_t) (row - rows) * dim;
        for (uint32_t index = 0; index < dim; index++)
            vector [index] =
                centre [index] + (float) (kith_random_unit (&random) * 0.8 - 0.4);
    }
    free (centres);
}

//  Vectors of a type in the place of float32 ones, stretched so that bytes tell them apart and that their lengths differ
static void
s_store_as (kith_vector_t type, void *vectors, uint32_t count, uint32_t dim)
{
    const size_t bytes = kith_vector_bytes (type, dim);
    kith_error_t error;
    float *numbers = kith_alloc64 (dim * sizeof *numbers);
    for (uint32_t each = 0; each < count; each++) {
        float stretch = 40 + (float) (each % 7) * 8;
        memcpy (numbers, (float *) vectors + (size_t) each * dim, dim * sizeof *numbers);
        for (uint32_t index = 0; index < dim; index++) {
            numbers [index] *= stretch;
            if (type == KITH_VECTOR_INT8)
                numbers [index] = roundf (fminf (fmaxf (numbers [index], -128), 127));
        }
        cr_assert_eq (kith_vector_encode ((kith_type_t) (KITH_TYPE_FLOAT_VECTOR + type),
                                          dim, numbers, dim,
                                          (uint8_t *) vectors + each * bytes, &error),
                      0, "%s", error.message);
    }
    free (numbers);
}

static void
s_make_shaped (s_data_t *data, const s_shape_t *shape)
{
    const size_t bytes = kith_vector_bytes (shape->type, shape->dim);
    kith_error_t error;
    kith_index_params_t params = {
        .kind = KITH_INDEX_DISK, .code = shape->code, .seed = 3};
    memset (data, 0, sizeof *data);
    s_fill (data, shape->rows, shape->dim);
    if (shape->type != KITH_VECTOR_FLOAT32) {
        s_store_as (shape->type, data->vectors, shape->rows, shape->dim);
        s_store_as (shape->type, data->queries, NQ, shape->dim);
    }
    data->rows =
        (kith_rows_t){.vectors = data->vectors,
                      .norms = shape->metric == KITH_METRIC_COSINE ? data->norms : NULL,
                      .rows = shape->rows,
                      .dim = shape->dim,
                      .metric = shape->metric,
                      .type = shape->type};
    for (uint32_t row = 0; row < shape->same; row++)
        memcpy ((uint8_t *) data->vectors + row * bytes,
                kith_rows_vector (&data->rows, row + shape->same), bytes);
    for (uint32_t row = 0; row < shape->rows; row++)
        data->norms [row] =
            kith_norm_of (shape->type, kith_rows_vector (&data->rows, row), shape->dim);
    for (uint32_t query = 0; query < NQ; query++)
        data->query_norms [query] = kith_norm_of (
            shape->type, (uint8_t *) data->queries + query * bytes, shape->dim);
    data->index = kith_index_build (&data->rows, &params, &error);
    cr_assert (data->index, "%s", error.message);
    data->scratch = kith_index_scratch_new ();
}

static void
s_make (s_data_t *data, kith_metric_t metric, uint32_t rows, uint32_t dim, uint32_t same)
{
    const s_shape_t shape = {.metric = metric, .rows = rows, .dim = dim, .same = same};
    s_make_shaped (data, &shape);
}

static void
s_free (s_data_t *data)
{
    kith_index_destroy (&data->index);
    kith_index_scratch_destroy (&data->scratch);
    free (data->vectors);
    free (data->norms);
    free (data->queries);
    for (size_t index = 0; index < KITH_INDEX_SECTIONS_MAX; index++)
        free (data->copies [index]);
    if (data->path [0])
        unlink (data->path);
}

static kith_disk_t *
s_disk (s_data_t *data)
{
    return (kith_disk_t *) data->index;
}

//  Writes the records to a file, after a run of other bytes, and reads them from there from now on
static void
s_to_file (s_data_t *data)
{
    enum { BEFORE = 3 * KITH_BLOCK_BYTES };
    kith_error_t error;
    uint64_t size = kith_disk_record_bytes (&s_disk (data)->header);
    uint8_t *before = kith_new (BEFORE);
    strcpy (data->path, "/tmp/kith-test-disk-XXXXXX");
    int handle = mkstemp (data->path);
    cr_assert (handle >= 0);
    cr_assert_eq (write (handle, before, BEFORE), BEFORE);
    cr_assert_eq (write (handle, s_disk (data)->records, size), (ssize_t) size);
    close (handle);
    free (before);
    kith_blocks_t *blocks = kith_blocks_file_new (data->path, &error);
    cr_assert (blocks, "%s", error.message);
    kith_blocks_narrow (blocks, BEFORE, size);
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_index_sections (data->index, sections);
    cr_assert_eq (kith_index_use_blocks (data->index, &blocks, &error), 0);
    cr_assert (!blocks);
    cr_assert_eq (kith_index_sections (data->index, sections), count - 1);
}

//  Overwrites a byte of the file
static void
s_damage (const s_data_t *data, uint64_t at)
{
    uint8_t byte;
    int handle = open (data->path, O_RDWR);
    cr_assert_eq (pread (handle, &byte, 1, (off_t) (3 * KITH_BLOCK_BYTES + at)), 1);
    byte ^= 0x40;
    cr_assert_eq (pwrite (handle, &byte, 1, (off_t) (3 * KITH_BLOCK_BYTES + at)), 1);
    cr_assert_eq (fsync (handle), 0);
    close (handle);
}

static const void *
s_asked (const s_data_t *data, uint32_t query)
{
    return (const uint8_t *) data->queries
           + query * kith_vector_bytes (data->rows.type, data->rows.dim);
}

static kith_index_query_t
s_query (const s_data_t *data, uint32_t query)
{
    return (kith_index_query_t){.queries = s_asked (data, query),
                                .norms =
                                    data->rows.norms ? data->query_norms + query : NULL,
                                .nq = 1,
                                .k = K};
}

//  What exact search says of a row
static float
s_distance (const s_data_t *data, const kith_index_query_t *ask, uint32_t row)
{
    kith_topk_t top;
    kith_index_query_t bare = *ask;
    bare.live = NULL;
    kith_topk_init (&top, 1);
    kith_index_rerank (data->index, &bare, &row, 1, &top);
    float distance = top.hits [0].distance;
    kith_topk_free (&top);
    return distance;
}

//  Share of the k nearest live rows that are found; scores are exact, rows live and none is given twice
static double
s_found (s_data_t *data, const kith_bits_t *live, float recall)
{
    uint32_t found = 0, wanted = 0;
    for (uint32_t query = 0; query < NQ; query++) {
        kith_topk_t exact, top;
        kith_error_t error;
        kith_index_query_t ask = s_query (data, query);
        ask.live = live;
        ask.recall = recall;
        kith_topk_init (&exact, K);
        kith_topk_init (&top, K);
        kith_flat_search (&data->rows, ask.queries, ask.norms, 1, live, 0, 0, &exact);
        cr_assert_eq (
            kith_index_search (data->index, &ask, data->scratch, &top, NULL, &error), 0,
            "%s", error.message);
        kith_topk_sort (&exact);
        kith_topk_sort (&top);
        cr_assert_eq (top.count, exact.count);
        wanted += exact.count;
        for (uint32_t hit = 0; hit < top.count; hit++) {
            uint32_t row = (uint32_t) top.hits [hit].row;
            cr_assert (row < data->rows.rows && (!live || kith_bits_get (live, row)));
            for (uint32_t other = 0; other < hit; other++)
                cr_assert_neq (top.hits [other].row, row);
            cr_assert (top.hits [hit].distance == s_distance (data, &ask, row));
            found += top.hits [hit].distance <= exact.hits [exact.count - 1].distance;
        }
        kith_topk_free (&exact);
        kith_topk_free (&top);
    }
    return wanted ? (double) found / wanted : 1;
}

//  ---------------------------------------------------------------------
//  Readers

//  One walk of a query with a scratch of its own, whose reader may have been chosen
static void
s_walk (s_data_t *data, uint32_t query, kith_disk_scratch_t *scratch, kith_topk_t *top)
{
    const kith_disk_ask_t ask = {.query = s_asked (data, query),
                                 .norm = data->query_norms [query],
                                 .k = K,
                                 .effort = 50,
                                 .live_count = data->rows.rows,
                                 .reads_max = UINT64_MAX,
                                 .without = KITH_DISK_NONE};
    kith_topk_init (top, K);
    cr_assert (kith_disk_prepare (s_disk (data), scratch, &ask));
    cr_assert_eq (kith_disk_walk (s_disk (data), scratch, &ask, top), KITH_DISK_ANSWERED);
    kith_topk_sort (top);
}

Test (disk, answers_the_same_by_every_reader)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_COSINE, 5000, 40, 0);
    kith_topk_t expected [NQ];
    uint64_t reads [NQ], compared [NQ];
    kith_disk_scratch_t *scratch = kith_disk_scratch_new ();
    for (uint32_t query = 0; query < NQ; query++) {
        s_walk (&data, query, scratch, &expected [query]);
        reads [query] = scratch->cost.reads;
        compared [query] = scratch->compared;
        cr_assert (reads [query] > 3 && scratch->cost.hops > 0
                   && scratch->cost.hops <= reads [query]);
    }
    kith_disk_scratch_destroy (&scratch);
    s_to_file (&data);
    for (uint32_t kind = 0; kind < 2; kind++) {
        scratch = kith_disk_scratch_new ();
        if (kind == 0)
            scratch->file = kith_block_reader_pread (KITH_DISK_WIDTH_MAX);
        for (uint32_t query = 0; query < NQ; query++) {
            kith_topk_t top;
            s_walk (&data, query, scratch, &top);
            cr_assert_eq (scratch->cost.reads, reads [query]);
            cr_assert_eq (scratch->compared, compared [query]);
            cr_assert_eq (memcmp (top.hits, expected [query].hits, K * sizeof *top.hits),
                          0);
            kith_topk_free (&top);
        }
        kith_disk_scratch_destroy (&scratch);
    }
    for (uint32_t query = 0; query < NQ; query++)
        kith_topk_free (&expected [query]);
    s_free (&data);
}

//  Queries of one call are answered side by side, each as it is alone
static void
s_check_calls (s_data_t *data)
{
    for (uint32_t nq = 1; nq <= NQ; nq += nq < 6 ? 1 : 12) {
        kith_topk_t tops [NQ];
        uint64_t together = 0, apart = 0;
        kith_index_query_t ask = s_query (data, 0);
        ask.nq = nq;
        for (uint32_t query = 0; query < nq; query++)
            kith_topk_init (&tops [query], K);
        cr_assert_eq (
            kith_index_search (data->index, &ask, data->scratch, tops, &together, NULL),
            0);
        for (uint32_t query = 0; query < nq; query++) {
            kith_topk_t top;
            ask = s_query (data, query);
            kith_topk_init (&top, K);
            kith_index_search (data->index, &ask, data->scratch, &top, &apart, NULL);
            kith_topk_sort (&top);
            kith_topk_sort (&tops [query]);
            cr_assert_eq (memcmp (top.hits, tops [query].hits, K * sizeof *top.hits), 0);
            kith_topk_free (&top);
            kith_topk_free (&tops [query]);
        }
        cr_assert_eq (together, apart);
    }
}

Test (disk, finds_by_file_what_exact_search_finds)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++) {
        s_data_t data;
        s_make (&data, metric, 5000, 48, 0);
        s_to_file (&data);
        cr_expect_geq (s_found (&data, NULL, 0.95f), 0.93);
        cr_expect_geq (s_found (&data, NULL, 0.99f), 0.98);
        kith_index_cost_t cost;
        kith_index_explain (data.index, data.scratch, &cost);
        cr_assert (cost.reads > 0 && cost.hops > 0 && cost.hops <= cost.reads);
        cr_assert (strcmp (cost.reader, "io_uring") == 0
                   || strcmp (cost.reader, "pread") == 0);
        s_free (&data);
    }
}

//  ---------------------------------------------------------------------
//  Shapes

Test (disk, takes_codes_of_every_length)
{
    static const kith_index_code_t codes [] = {KITH_CODE_SQ4, KITH_CODE_SQ8,
                                               KITH_CODE_RABITQ};
    s_data_t data;
    kith_error_t error;
    kith_index_info_t info;
    for (uint32_t each = 0; each < TYPES * 9; each++) {
        const s_shape_t shape = {.type = s_types [each / 9],
                                 .metric = (kith_metric_t) (KITH_METRIC_L2 + each % 3),
                                 .rows = 3000,
                                 .dim = 101,
                                 .same = 40,
                                 .code = codes [each / 3 % 3]};
        //  Every metric of float32, each code and each type with one of them else
        if (shape.type != KITH_VECTOR_FLOAT32 && (each / 9 + each / 3 + each) % 3)
            continue;
        s_make_shaped (&data, &shape);
        s_to_file (&data);
        double found = s_found (&data, NULL, 0.95f);
        cr_expect_geq (found, 0.93, "%.3f %s of type %u", found,
                       kith_index_code_name (shape.code), shape.type);
        kith_index_describe (data.index, &info);
        cr_expect_eq (info.code, shape.code);
        s_free (&data);
    }
    s_make (&data, KITH_METRIC_L2, 500, 8, 0);
    kith_index_params_t params = {.kind = KITH_INDEX_DISK, .code = KITH_CODE_PQ4};
    cr_expect (!kith_index_build (&data.rows, &params, &error));
    cr_expect_eq (error.code, KITH_ERR_INVALID);
    s_free (&data);
}

//  Where there is too little memory for codes of four bits they are of one
Test (disk, codes_are_as_long_as_memory_allows)
{
    s_data_t data;
    kith_error_t error;
    s_make (&data, KITH_METRIC_L2, 2000, 384, 0);
    kith_index_params_t params = {.kind = KITH_INDEX_DISK, .seed = 3};
    uint64_t much = kith_index_load_bytes (&data.rows, &params);
    params.memory_max = much - 1;
    uint64_t little = kith_index_load_bytes (&data.rows, &params);
    //  192 bytes and a trailer of 8, instead of 60
    cr_expect_leq (little + 2000 * 140, much);
    kith_index_destroy (&data.index);
    data.index = kith_index_build (&data.rows, &params, &error);
    cr_assert (data.index, "%s", error.message);
    kith_index_info_t info;
    kith_index_describe (data.index, &info);
    cr_expect_eq (info.code, KITH_CODE_RABITQ);
    cr_expect_leq (info.bytes, little);
    s_to_file (&data);
    cr_expect_geq (s_found (&data, NULL, 0.95f), 0.93);
    s_free (&data);
}

//  A block of many rows, one of one row, a row of many pages
Test (disk, takes_every_dimension)
{
    static const struct {
        uint32_t rows, dim, per_block, pages;
    } shapes [] = {
        {3000, 2, 27, 1}, {1500, 900, 1, 1}, {600, 2000, 1, 3}, {30, 32768, 1, 33}};
    for (uint32_t shape = 0; shape < sizeof shapes / sizeof shapes [0]; shape++) {
        s_data_t data;
        s_make (&data, KITH_METRIC_L2, shapes [shape].rows, shapes [shape].dim, 0);
        cr_assert_eq (s_disk (&data)->header.per_block, shapes [shape].per_block);
        cr_assert_eq (s_disk (&data)->header.pages, shapes [shape].pages);
        s_to_file (&data);
        cr_expect_geq (s_found (&data, NULL, 0), 0.93, "%u", shapes [shape].dim);
        s_free (&data);
    }
    s_data_t one;
    s_make (&one, KITH_METRIC_IP, 1, 8, 0);
    cr_expect (s_found (&one, NULL, 0) > 0.999);
    s_free (&one);
}

//  Distances of such a query are infinite by every code
Test (disk, answers_queries_that_codes_cannot)
{
    static const kith_vector_t types [] = {KITH_VECTOR_FLOAT32, KITH_VECTOR_BFLOAT16};
    for (uint32_t which = 0; which < 2; which++) {
        s_data_t data;
        float numbers [16];
        const s_shape_t shape = {
            .type = types [which], .metric = KITH_METRIC_L2, .rows = 3000, .dim = 16};
        s_make_shaped (&data, &shape);
        s_to_file (&data);
        for (uint32_t index = 0; index < 16; index++)
            numbers [index] = 3e38f;
        cr_assert_eq (
            kith_vector_encode ((kith_type_t) (KITH_TYPE_FLOAT_VECTOR + types [which]),
                                16, numbers, 16, data.queries, NULL),
            0);
        cr_expect_geq (s_found (&data, NULL, 0), 0.93);
        s_free (&data);
    }
}

Test (disk, gives_equal_rows_once_each)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_L2, 3000, 16, 1400);
    cr_assert (s_disk (&data)->twins);
    s_to_file (&data);
    cr_expect_geq (s_found (&data, NULL, 0), 0.93);
    //  Only the second of each pair may be answered
    kith_bits_t live;
    kith_bits_init (&live, data.rows.rows, true);
    for (uint32_t row = 0; row < 1400; row++)
        kith_bits_drop (&live, row);
    cr_expect_geq (s_found (&data, &live, 0), 0.93);
    kith_bits_free (&live);
    s_free (&data);
}

Test (disk, filters_of_every_share)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_L2, 8000, 32, 0);
    s_to_file (&data);
    static const uint32_t counts [] = {0, 1, 5, 60, 400, 1500, 4000, 7900};
    for (uint32_t way = 0; way < 2; way++)
        for (uint32_t which = 0; which < sizeof counts / sizeof counts [0]; which++) {
            kith_bits_t live;
            kith_random_t random;
            kith_random_seed (&random, 5);
            kith_bits_init (&live, data.rows.rows, false);
            //  At random, or those on one side of a plane
            float limit = 4;
            while (way == 1 && kith_bits_popcount (&live) < counts [which]) {
                limit -= 0.01f;
                for (uint32_t row = 0; row < data.rows.rows; row++)
                    if (data.vectors [row * 32] > limit)
                        kith_bits_set (&live, row);
            }
            while (way == 0 && kith_bits_popcount (&live) < counts [which])
                kith_bits_set (&live, (uint32_t) kith_random_below (&random, 8000));
            double found = s_found (&data, &live, 0.95f);
            cr_expect_geq (found, 0.93, "%.3f with %u rows, way %u", found,
                           counts [which], way);

            kith_bits_free (&live);
        }
    s_free (&data);
}

//  ---------------------------------------------------------------------
//  Types

//  Copies of the sections, each where a container would put it
static size_t
s_copy (s_data_t *data, kith_section_t sections [KITH_INDEX_SECTIONS_MAX])
{
    size_t count = kith_index_sections (data->index, sections);
    for (size_t index = 0; index < count; index++) {
        data->copies [index] = kith_alloc64 (sections [index].size);
        memcpy (data->copies [index], sections [index].data, sections [index].size);
        sections [index].data = data->copies [index];
    }
    return count;
}

//  Goes on with an index that was opened of what this one stores
static void
s_reopen (s_data_t *data)
{
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    kith_error_t error;
    size_t count = s_copy (data, sections);
    kith_index_t *opened = kith_index_open (&data->rows, sections, count, &error);
    cr_assert (opened, "%s", error.message);
    kith_index_destroy (&data->index);
    data->index = opened;
}

//  A range holds what lies in it, as many rows as there are but for what was asked of recall
static void
s_check_range (s_data_t *data)
{
    enum { WITHIN = 60, MOST = 200 };
    uint32_t found = 0;
    for (uint32_t query = 0; query < NQ; query++) {
        kith_topk_t exact, top;
        kith_error_t error;
        kith_index_query_t ask = s_query (data, query);
        kith_topk_init (&exact, WITHIN);
        kith_flat_search (&data->rows, ask.queries, ask.norms, 1, NULL, 0, 0, &exact);
        kith_topk_sort (&exact);
        const kith_index_range_t range = {.radius = exact.hits [WITHIN - 1].distance,
                                          .beyond = exact.hits [0].distance,
                                          .most = MOST};
        cr_assert_eq (
            kith_index_range (data->index, &ask, &range, data->scratch, &top, &error), 0,
            "%s", error.message);
        for (uint32_t hit = 0; hit < top.count; hit++) {
            float distance = top.hits [hit].distance;
            cr_assert (distance > range.beyond && distance <= range.radius);
            cr_assert (distance
                       == s_distance (data, &ask, (uint32_t) top.hits [hit].row));
        }
        found += top.count;
        kith_topk_free (&exact);
        kith_topk_free (&top);
    }
    cr_expect_geq (found, 0.93 * (WITHIN - 1) * NQ, "%u", found);
}

static void
s_check_filters (s_data_t *data)
{
    static const uint32_t counts [] = {7, 100, 1500};
    for (uint32_t which = 0; which < sizeof counts / sizeof counts [0]; which++) {
        kith_bits_t live;
        kith_random_t random;
        kith_random_seed (&random, 5);
        kith_bits_init (&live, data->rows.rows, false);
        while (kith_bits_popcount (&live) < counts [which])
            kith_bits_set (&live,
                           (uint32_t) kith_random_below (&random, data->rows.rows));
        cr_expect_geq (s_found (data, &live, 0.95f), 0.93, "%u rows", counts [which]);
        kith_bits_free (&live);
    }
}

//  Vectors of an odd number of bytes, rows that are equal, some numbers negative and no length 1
Test (disk, takes_vectors_of_every_type)
{
    for (uint32_t which = 0; which < TYPES; which++)
        for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE;
             metric++) {
            s_data_t data;
            const s_shape_t shape = {.type = s_types [which],
                                     .metric = metric,
                                     .rows = 3000,
                                     .dim = 37,
                                     .same = 40};
            s_make_shaped (&data, &shape);
            cr_assert_eq (s_disk (&data)->header.type, s_types [which]);
            cr_assert_eq (s_disk (&data)->header.node_bytes % 4, 0);
            cr_expect_geq (
                kith_index_recall (data.index, kith_index_effort (data.index, 0.95f, K)),
                0.95f);
            double built = s_found (&data, NULL, 0.95f);
            cr_expect_geq (built, 0.93, "type %u, %s: %.3f", s_types [which],
                           kith_metric_name (metric), built);
            s_reopen (&data);
            cr_expect (s_found (&data, NULL, 0.95f) >= built);
            s_to_file (&data);
            cr_expect (s_found (&data, NULL, 0.95f) >= built);
            cr_expect_geq (s_found (&data, NULL, 0.99f), 0.98);
            s_check_calls (&data);
            s_check_filters (&data);
            s_check_range (&data);
            s_free (&data);
        }
}

//  More nodes fit a block, and what stays in memory is as said
Test (disk, short_types_take_less_room)
{
    static const uint32_t per_block [] = {2, 4, 4, 6};
    uint64_t building = UINT64_MAX;
    for (uint32_t which = 0; which < TYPES; which++) {
        s_data_t data;
        kith_index_info_t info;
        const kith_index_params_t params = {.kind = KITH_INDEX_DISK};
        const s_shape_t shape = {.type = s_types [which],
                                 .metric = KITH_METRIC_COSINE,
                                 .rows = 1000,
                                 .dim = 384};
        s_make_shaped (&data, &shape);
        cr_expect_eq (s_disk (&data)->header.per_block, per_block [which]);
        kith_index_describe (data.index, &info);
        uint64_t loaded = kith_index_load_bytes (&data.rows, &params);
        cr_expect_leq (info.bytes, loaded);
        //  The entry graph is said to be longer than it is, the sample is not
        cr_expect_leq (loaded, info.bytes + 256 * 1024);
        uint64_t bytes = kith_index_build_bytes (&data.rows, &params);
        cr_expect_geq (bytes, kith_disk_record_bytes (&s_disk (&data)->header));
        cr_expect_leq (bytes, building);
        building = bytes;
        s_free (&data);
    }
}

//  What is stored of rows of one type is not opened over rows of another, though as many bytes may fit
Test (disk, believes_no_header_of_another_type)
{
    s_data_t data;
    kith_error_t error;
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    const s_shape_t shape = {
        .type = KITH_VECTOR_FLOAT16, .metric = KITH_METRIC_L2, .rows = 500, .dim = 32};
    s_make_shaped (&data, &shape);
    size_t count = s_copy (&data, sections);
    cr_assert_eq (sections [0].id, KITH_DISK_HEADER);
    for (uint32_t type = 0; type <= KITH_VECTOR_BINARY + 1; type++) {
        kith_disk_header_t claims = s_disk (&data)->header;
        kith_rows_t rows = data.rows;
        claims.type = type;
        kith_disk_lay (&claims);
        sections [0].data = &claims;
        kith_index_t *opened = kith_index_open (&rows, sections, count, &error);
        cr_assert_eq (opened != NULL, type == shape.type);
        cr_assert (opened || strstr (error.message, "other rows"), "%s", error.message);
        kith_index_destroy (&opened);
        //  Both say bits, which no disk index is made over; else the header tells the truth and the rows are others
        rows.type = (kith_vector_t) type;
        if (type != KITH_VECTOR_BINARY)
            sections [0].data = data.copies [0];
        opened = kith_index_open (&rows, sections, count, &error);
        cr_assert_eq (opened != NULL, type == shape.type);
        cr_assert (opened || strstr (error.message, "other rows"), "%s", error.message);
        kith_index_destroy (&opened);
    }
    s_free (&data);
}

Test (disk, is_not_made_over_bits)
{
    static const uint8_t bits [4] = {1, 2, 3, 4};
    const kith_rows_t rows = {.vectors = bits,
                              .rows = 4,
                              .dim = 8,
                              .metric = KITH_METRIC_HAMMING,
                              .type = KITH_VECTOR_BINARY};
    const kith_index_params_t params = {.kind = KITH_INDEX_DISK};
    kith_error_t error;
    cr_assert (!kith_index_build (&rows, &params, &error));
    cr_assert_eq (error.code, KITH_ERR_INVALID);
    cr_assert (strstr (error.message, "float32, float16, bfloat16 and int8"), "%s",
               error.message);
}

//  ---------------------------------------------------------------------
//  Build

static void
s_same_sections (const kith_index_t *one, const kith_index_t *other)
{
    kith_section_t a [KITH_INDEX_SECTIONS_MAX], b [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_index_sections (one, a);
    cr_assert_eq (kith_index_sections (other, b), count);
    for (size_t index = 0; index < count; index++) {
        cr_assert_eq (a [index].id, b [index].id);
        cr_assert_eq (a [index].size, b [index].size);
        cr_assert_eq (memcmp (a [index].data, b [index].data, a [index].size), 0);
    }
}

Test (disk, is_the_same_whatever_the_threads)
{
    s_data_t data;
    kith_error_t error;
    s_make (&data, KITH_METRIC_L2, 3000, 24, 100);
    kith_parallel_t *parallel = kith_parallel_threads_new (3);
    kith_index_params_t params = {
        .kind = KITH_INDEX_DISK, .seed = 3, .parallel = parallel};
    kith_index_t *other = kith_index_build (&data.rows, &params, &error);
    cr_assert (other, "%s", error.message);
    s_same_sections (data.index, other);
    kith_index_destroy (&other);
    kith_parallel_threads_destroy (&parallel);
    s_free (&data);
}

//  Neighbours share a block: a search needs fewer reads than it scores rows
Test (disk, packs_neighbours_together)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_L2, 8000, 32, 0);
    const kith_disk_t *disk = s_disk (&data);
    uint32_t together = 0, pairs = 0;
    for (uint32_t block = 0; block < disk->header.blocks; block++) {
        const uint8_t *at = disk->records + (size_t) block * KITH_BLOCK_BYTES;
        for (uint32_t slot = 0; slot < kith_get_u32 (at + 8); slot++) {
            kith_disk_node_t node = kith_disk_node (&disk->header, at, slot);
            for (uint32_t link = 0; link < 4 && link < node.count; link++, pairs++)
                together +=
                    disk->places [kith_get_u32 (node.links + 4 * (size_t) link)] == block;
        }
    }
    //  By chance it would be one in 600
    cr_expect_geq ((double) together / pairs, 0.2, "%.3f", (double) together / pairs);
    s_free (&data);
}

Test (disk, takes_no_more_memory_than_it_says)
{
    s_data_t data;
    s_make (&data, KITH_METRIC_COSINE, 8000, 256, 0);
    kith_index_info_t info;
    kith_index_params_t params = {.kind = KITH_INDEX_DISK};
    kith_index_describe (data.index, &info);
    uint64_t raw = (uint64_t) data.rows.rows * data.rows.dim * sizeof (float);
    cr_expect_leq (info.bytes, kith_index_load_bytes (&data.rows, &params));
    //  Here the least sample is 3 % of the rows
    cr_expect_leq (kith_index_load_bytes (&data.rows, &params), raw / 4);
    cr_expect (info.reads > 1 && info.hops > 1 && info.hops < info.reads);
    cr_expect_eq (info.code, KITH_CODE_SQ4);
    uint64_t mapped = info.bytes;
    s_to_file (&data);
    kith_index_describe (data.index, &info);
    cr_expect_eq (info.bytes, mapped);
    kith_rows_t many = data.rows;
    many.rows = 1000000;
    many.dim = 768;
    cr_expect_leq (kith_index_load_bytes (&many, &params), 768ull * 4 * 1000000 / 5);
    cr_expect_geq (kith_index_build_bytes (&many, &params), 4096ull * 1000000);
    s_free (&data);
}

//  ---------------------------------------------------------------------
//  Faults

static int
s_search_all (s_data_t *data, kith_error_t *error)
{
    for (uint32_t query = 0; query < NQ; query++) {
        kith_topk_t top;
        kith_index_query_t ask = s_query (data, query);
        ask.effort = 200;
        kith_topk_init (&top, K);
        int status =
            kith_index_search (data->index, &ask, data->scratch, &top, NULL, error);
        kith_topk_free (&top);
        if (status)
            return status;
    }
    return 0;
}

Test (disk, tells_of_damage_and_never_answers_with_it)
{
    s_data_t data;
    kith_error_t error;
    s_make (&data, KITH_METRIC_L2, 3000, 48, 0);
    s_to_file (&data);
    cr_assert_eq (s_search_all (&data, &error), 0);
    //  A byte of every block: what a search reads is damaged wherever it goes
    uint32_t blocks = s_disk (&data)->header.blocks;
    for (uint32_t block = 0; block < blocks; block++)
        s_damage (&data, (uint64_t) block * KITH_BLOCK_BYTES + block * 37 % 4000);
    cr_assert_eq (s_search_all (&data, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    cr_assert (strstr (error.message, "fails its checksum"), "%s", error.message);
    for (uint32_t block = 0; block < blocks; block++)
        s_damage (&data, (uint64_t) block * KITH_BLOCK_BYTES + block * 37 % 4000);
    cr_assert_eq (s_search_all (&data, &error), 0, "%s", error.message);
    //  A file that lost its end
    cr_assert_eq (truncate (data.path, 5 * KITH_BLOCK_BYTES + 7), 0);
    cr_assert_eq (s_search_all (&data, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    cr_assert (strstr (error.message, "was cut"), "%s", error.message);
    //  A device that fails: address 0 of this process
    kith_blocks_t *mine = s_disk (&data)->blocks;
    close (mine->cached);
    if (mine->direct >= 0)
        close (mine->direct);
    mine->direct = -1;
    mine->at = 0;
    mine->cached = open ("/proc/self/mem", O_RDONLY);
    cr_assert_eq (s_search_all (&data, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_IO, "%s", error.message);
    s_free (&data);
}

//  A block that is sound but is not the one that was asked for, and links that lead nowhere
Test (disk, believes_no_block_that_only_looks_sound)
{
    s_data_t data;
    kith_error_t error;
    s_make (&data, KITH_METRIC_L2, 2000, 48, 0);
    const kith_disk_t *disk = s_disk (&data);
    uint8_t *records = (uint8_t *) (uintptr_t) disk->records;
    uint32_t nodes = kith_get_u32 (records + 8);
    uint8_t *copy = kith_new (KITH_BLOCK_BYTES);
    memcpy (copy, records, KITH_BLOCK_BYTES);
    cr_assert (!kith_disk_block_fault (disk, records, 0));
    cr_assert (strstr (kith_disk_block_fault (disk, records, 1), "another block"));
    kith_disk_block_close (&disk->header, copy, 0, nodes + 100);
    cr_assert (strstr (kith_disk_block_fault (disk, copy, 0), "number of nodes"));
    kith_put_u32 (copy + KITH_DISK_HEAD + KITH_DISK_NODE, disk->header.rows);
    kith_disk_block_close (&disk->header, copy, 0, nodes);
    cr_assert (strstr (kith_disk_block_fault (disk, copy, 0), "leads to no row"));
    memcpy (copy, records, KITH_BLOCK_BYTES);
    kith_put_u32 (copy + KITH_DISK_HEAD + 4, disk->header.degree + 1);
    kith_disk_block_close (&disk->header, copy, 0, nodes);
    cr_assert (strstr (kith_disk_block_fault (disk, copy, 0), "too many links"));
    memcpy (copy, records, KITH_BLOCK_BYTES);
    kith_disk_node_t far =
        kith_disk_node (&disk->header, records + (size_t) 9 * KITH_BLOCK_BYTES, 0);
    kith_put_u32 (copy + KITH_DISK_HEAD, far.row);
    kith_disk_block_close (&disk->header, copy, 0, nodes);
    cr_assert (strstr (kith_disk_block_fault (disk, copy, 0), "belongs elsewhere"));
    free (copy);
    //  Places of other size are refused, and a kind without records has none
    kith_blocks_t *blocks = kith_blocks_memory_new (records, KITH_BLOCK_BYTES);
    cr_assert_eq (kith_index_use_blocks (data.index, &blocks, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    cr_assert (!blocks);
    cr_assert_eq (s_search_all (&data, &error), 0);
    s_free (&data);
}

static bool
s_stop (void *arg)
{
    uint32_t *left = arg;
    return (*left)-- == 0;
}

Test (disk, stops_with_reads_under_way)
{
    s_data_t data;
    kith_error_t error;
    s_make (&data, KITH_METRIC_L2, 5000, 48, 0);
    s_to_file (&data);
    for (uint32_t asked = 0; asked < 12; asked++) {
        uint32_t left = asked;
        kith_index_query_t ask = s_query (&data, asked);
        ask.nq = 1 + asked % 5;
        ask.effort = 300;
        ask.stop = s_stop;
        ask.stop_arg = &left;
        kith_topk_t tops [5];
        for (uint32_t each = 0; each < ask.nq; each++)
            kith_topk_init (&tops [each], K);
        cr_assert_eq (
            kith_index_search (data.index, &ask, data.scratch, tops, NULL, &error), -1);
        cr_assert_eq (error.code, KITH_ERR_CANCELLED);
        for (uint32_t each = 0; each < ask.nq; each++)
            kith_topk_free (&tops [each]);
    }
    //  Nothing of what was under way comes into the next search
    cr_expect_geq (s_found (&data, NULL, 0), 0.93);
    s_free (&data);
}
