//  test_ivf.c - inverted lists: every code, awkward rows, threads, memory, filters, damage
//  SPDX-License-Identifier: Apache-2.0
//
//  The oracle is exact search over the same rows.
#include <criterion/criterion.h>
#include <malloc.h>
#include <math.h>

#include "base/bytes.h"
#include "base/random.h"
#include "base/vector.h"
#include "engine/indexes/index.h"
#include "engine/indexes/ivf_layout.h"

enum { ROWS = 5000, DIM = 37, NQ = 64, K = 10, CLUSTERS = 40 };

static const kith_index_code_t s_codes [] = {KITH_CODE_FLOAT32, KITH_CODE_SQ8,
                                             KITH_CODE_PQ4, KITH_CODE_RABITQ};
enum { CODES = sizeof s_codes / sizeof s_codes [0] };

typedef struct {
    kith_rows_t rows;
    float *vectors, *norms, *queries, *query_norms;
} s_data_t;

static s_data_t
s_room (uint32_t rows, uint32_t dim, kith_metric_t metric)
{
    s_data_t data = {.vectors = kith_alloc64 ((size_t) rows * dim * sizeof (float) + 64),
                     .norms = kith_alloc64 (rows * sizeof (float) + 64),
                     .queries = kith_alloc64 ((size_t) NQ * dim * sizeof (float)),
                     .query_norms = kith_alloc64 (NQ * sizeof (float))};
    data.rows = (kith_rows_t){.vectors = data.vectors,
                              .norms = metric == KITH_METRIC_COSINE ? data.norms : NULL,
                              .rows = rows,
                              .dim = dim,
                              .metric = metric};
    return data;
}

static void
s_weigh (s_data_t *data)
{
    const uint32_t dim = data->rows.dim;
    for (uint32_t row = 0; row < data->rows.rows; row++)
        data->norms [row] = kith_norm (data->vectors + (size_t) row * dim, dim);
    for (uint32_t query = 0; query < NQ; query++)
        data->query_norms [query] = kith_norm (data->queries + (size_t) query * dim, dim);
}

//  Clouds far from the origin, of lengths that differ, most numbers negative
static s_data_t
s_clouds (kith_metric_t metric)
{
    s_data_t data = s_room (ROWS, DIM, metric);
    kith_random_t random;
    kith_random_seed (&random, 11);
    float centres [CLUSTERS][DIM];
    for (uint32_t index = 0; index < CLUSTERS * DIM; index++)
        centres [index / DIM][index % DIM] =
            (float) (kith_random_normal (&random) * 2 - 3);
    for (uint32_t row = 0; row < ROWS + NQ; row++) {
        const float *centre = centres [kith_random_below (&random, CLUSTERS)];
        float *vector =
            row < ROWS ? data.vectors + row * DIM : data.queries + (row - ROWS) * DIM;
        float length = (float) (0.5 + kith_random_unit (&random));
        for (uint32_t each = 0; each < DIM; each++)
            vector [each] =
                length * (centre [each] + (float) kith_random_normal (&random));
    }
    s_weigh (&data);
    return data;
}

static size_t
s_bytes (const s_data_t *data)
{
    return kith_vector_bytes (data->rows.type, data->rows.dim);
}

//  count numbers become some of a shorter type, in place
static void
s_narrow_all (float *numbers, size_t count, kith_vector_t type)
{
    for (size_t each = 0; each < count; each++) {
        float value = numbers [each];
        uint32_t bits;
        if (type == KITH_VECTOR_INT8)
            ((int8_t *) numbers) [each] = (int8_t) fmaxf (-128, fminf (127, 9 * value));
        else if (type == KITH_VECTOR_FLOAT16)
            kith_put_u16 ((char *) numbers + each * 2, kith_half_of_float (value));
        else {
            memcpy (&bits, &value, sizeof bits);
            kith_put_u16 ((char *) numbers + each * 2, (uint16_t) (bits >> 16));
        }
    }
}

static void
s_narrow (s_data_t *data, kith_vector_t type)
{
    const uint32_t dim = data->rows.dim;
    data->rows.type = type;
    if (type == KITH_VECTOR_FLOAT32)
        return;
    s_narrow_all (data->vectors, (size_t) data->rows.rows * dim, type);
    s_narrow_all (data->queries, (size_t) NQ * dim, type);
    for (uint32_t row = 0; row < data->rows.rows; row++)
        data->norms [row] =
            kith_norm_of (type, (char *) data->vectors + row * s_bytes (data), dim);
    for (uint32_t query = 0; query < NQ; query++)
        data->query_norms [query] =
            kith_norm_of (type, (char *) data->queries + query * s_bytes (data), dim);
}

static void
s_free (s_data_t *data)
{
    free (data->vectors);
    free (data->norms);
    free (data->queries);
    free (data->query_norms);
}

static kith_index_query_t
s_ask (const s_data_t *data, uint32_t first, uint32_t count)
{
    const void *queries = (const char *) data->queries + first * s_bytes (data);
    return (kith_index_query_t){.queries = queries,
                                .norms =
                                    data->rows.norms ? data->query_norms + first : NULL,
                                .nq = count,
                                .k = K};
}

//  Share of the k nearest that are found; all scores are exact and all rows live
static double
s_found (const s_data_t *data, const kith_index_t *index, kith_index_query_t ask)
{
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_topk_t tops [NQ];
    uint32_t found = 0, wanted = 0;
    for (uint32_t query = 0; query < ask.nq; query++)
        kith_topk_init (&tops [query], ask.k);
    cr_assert_eq (kith_index_search (index, &ask, scratch, tops, NULL, NULL), 0);
    for (uint32_t query = 0; query < ask.nq; query++) {
        const void *vector = (const char *) ask.queries + query * s_bytes (data);
        float norm = ask.norms ? ask.norms [query] : 0;
        kith_topk_t exact;
        kith_topk_init (&exact, ask.k);
        kith_flat_search (&data->rows, vector, ask.norms ? &norm : NULL, 1, ask.live, 0,
                          0, &exact);
        kith_topk_sort (&exact);
        kith_topk_sort (&tops [query]);
        wanted += exact.count;
        for (uint32_t hit = 0; hit < tops [query].count; hit++) {
            uint32_t row = (uint32_t) tops [query].hits [hit].row;
            kith_side_t asked = {vector, norm},
                        stored = {(const char *) data->vectors + row * s_bytes (data),
                                  data->norms [row]};
            float score = kith_score_of (data->rows.type, data->rows.metric, asked,
                                         stored, data->rows.dim);
            float distance = kith_score_distance (data->rows.metric, score);
            cr_assert (row < data->rows.rows);
            cr_assert (!ask.live || kith_bits_get (ask.live, row));
            cr_assert (tops [query].hits [hit].distance == distance);
            cr_assert (hit == 0 || row != tops [query].hits [hit - 1].row);
            found += distance <= exact.hits [exact.count - 1].distance;
        }
        kith_topk_free (&exact);
        kith_topk_free (&tops [query]);
    }
    kith_index_scratch_destroy (&scratch);
    return wanted ? (double) found / wanted : 1;
}

static kith_index_t *
s_build (const s_data_t *data, kith_index_code_t code, uint32_t lists)
{
    kith_index_params_t params = {
        .kind = KITH_INDEX_IVF, .code = code, .lists = lists, .seed = 5};
    kith_error_t error;
    kith_index_t *index = kith_index_build (&data->rows, &params, &error);
    cr_assert (index, "%s: %s", kith_index_code_name (code), error.message);
    return index;
}

//  ---------------------------------------------------------------------
//  Recall

Test (ivf, every_code_finds_what_was_asked_for)
{
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++) {
        s_data_t data = s_clouds (metric);
        for (uint32_t code = 0; code < CODES; code++) {
            kith_index_t *index = s_build (&data, s_codes [code], 0);
            const char *name = kith_index_code_name (s_codes [code]);
            kith_index_info_t info;
            kith_index_describe (index, &info);
            cr_assert_eq (info.code, s_codes [code]);
            for (float recall = 0.90f; recall < 1; recall += 0.045f) {
                kith_index_query_t ask = s_ask (&data, 0, NQ);
                ask.recall = recall;
                double found = s_found (&data, index, ask);
                cr_expect_geq (found, (double) recall - 0.02, "%s, metric %d: %.3f", name,
                               (int) metric, found);
                cr_expect (kith_index_recall (index, kith_index_effort (index, recall, K))
                           >= recall);
            }
            //  All lists: only the error bound of codes can miss
            kith_index_query_t all = s_ask (&data, 0, 1);
            all.effort = info.lists;
            cr_expect_geq (s_found (&data, index, all), 0.98, "%s", name);
            kith_index_destroy (&index);
        }
        s_free (&data);
    }
}

//  Every code over every type of numbers, in batches and alone, stored and opened; never opened over rows of another type
Test (ivf, every_type_finds_what_was_asked_for)
{
    for (kith_vector_t type = KITH_VECTOR_FLOAT16; type <= KITH_VECTOR_INT8; type++)
        for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE;
             metric++) {
            s_data_t data = s_clouds (metric);
            s_narrow (&data, type);
            for (uint32_t code = 0; code < CODES; code++) {
                kith_index_t *built = s_build (&data, s_codes [code], 0);
                kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
                size_t count = kith_index_sections (built, sections);
                kith_index_t *index = kith_index_open (&data.rows, sections, count, NULL);
                cr_assert (index);
                for (uint32_t nq = 1; nq <= NQ; nq += NQ - 1) {
                    double found = 0;
                    for (uint32_t first = 0; first < NQ; first += nq)
                        found += s_found (&data, index, s_ask (&data, first, nq));
                    found = found * nq / NQ;
                    cr_expect_geq (found, 0.93, "%s, type %d, metric %d, %u: %.3f",
                                   kith_index_code_name (s_codes [code]), (int) type,
                                   (int) metric, nq, found);
                }
                kith_index_query_t all = s_ask (&data, 0, NQ);
                all.effort = 10000;
                cr_expect_geq (s_found (&data, index, all), 0.98);
                kith_index_destroy (&index);
                kith_rows_t others = data.rows;
                others.type = KITH_VECTOR_FLOAT32;
                kith_error_t error;
                cr_assert (!kith_index_open (&others, sections, count, &error));
                cr_assert_eq (error.code, KITH_ERR_CORRUPT);
                kith_index_destroy (&built);
            }
            s_free (&data);
        }
}

Test (ivf, filters_keep_recall_at_every_share)
{
    s_data_t data = s_clouds (KITH_METRIC_L2);
    kith_bits_t live;
    kith_bits_init (&live, ROWS, false);
    for (uint32_t code = 0; code < CODES; code++) {
        kith_index_t *index = s_build (&data, s_codes [code], 0);
        static const uint32_t every [] = {2, 5, 10, 30, 100, 1000};
        for (uint32_t share = 0; share < sizeof every / sizeof every [0]; share++) {
            for (uint32_t row = 0; row < ROWS; row++) {
                kith_bits_drop (&live, row);
                if (kith_mix64 (row) % every [share] == 0)
                    kith_bits_set (&live, row);
            }
            kith_index_query_t ask = s_ask (&data, 0, NQ);
            ask.live = &live;
            double found = s_found (&data, index, ask);
            cr_expect_geq (found, 0.92, "%.3f %s, 1 of %u", found,
                           kith_index_code_name (s_codes [code]), every [share]);
        }
        kith_index_destroy (&index);
    }
    kith_bits_free (&live);
    s_free (&data);
}

//  Only rows far from the query may be answered: probing stops when enough of them were met, or becomes a scan
Test (ivf, a_filter_against_the_query_keeps_recall)
{
    s_data_t data = s_clouds (KITH_METRIC_L2);
    kith_index_t *index = s_build (&data, KITH_CODE_PQ4, 0);
    for (uint32_t query = 0; query < 16; query++) {
        kith_topk_t order;
        kith_bits_t live;
        kith_index_query_t ask = s_ask (&data, query, 1);
        kith_topk_init (&order, ROWS / 2);
        kith_bits_init (&live, ROWS, true);
        kith_flat_search (&data.rows, ask.queries, NULL, 1, NULL, 0, 0, &order);
        for (uint32_t hit = 0; hit < order.count; hit++)
            kith_bits_drop (&live, (uint32_t) order.hits [hit].row);
        ask.live = &live;
        cr_expect_geq (s_found (&data, index, ask), 0.9, "query %u", query);
        kith_bits_free (&live);
        kith_topk_free (&order);
    }
    kith_index_destroy (&index);
    s_free (&data);
}

//  The same rows whether queries come alone or together, as far as codes are exact
Test (ivf, a_batch_answers_as_single_queries_do)
{
    s_data_t data = s_clouds (KITH_METRIC_COSINE);
    kith_index_t *index = s_build (&data, KITH_CODE_FLOAT32, 0);
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_topk_t together [NQ];
    for (uint32_t query = 0; query < NQ; query++)
        kith_topk_init (&together [query], K);
    kith_index_query_t all = s_ask (&data, 0, NQ);
    cr_assert_eq (kith_index_search (index, &all, scratch, together, NULL, NULL), 0);
    for (uint32_t query = 0; query < NQ; query++) {
        kith_topk_t alone;
        kith_index_query_t ask = s_ask (&data, query, 1);
        kith_topk_init (&alone, K);
        kith_index_search (index, &ask, scratch, &alone, NULL, NULL);
        kith_topk_sort (&alone);
        kith_topk_sort (&together [query]);
        cr_assert_eq (alone.count, together [query].count);
        for (uint32_t hit = 0; hit < K; hit++) {
            cr_assert_eq (alone.hits [hit].row, together [query].hits [hit].row);
            cr_assert (alone.hits [hit].distance == together [query].hits [hit].distance);
        }
        kith_topk_free (&alone);
        kith_topk_free (&together [query]);
    }
    kith_index_scratch_destroy (&scratch);
    kith_index_destroy (&index);
    s_free (&data);
}

//  ---------------------------------------------------------------------
//  Awkward rows

static void
s_expect_all (s_data_t *data, const char *what)
{
    s_weigh (data);
    for (uint32_t code = 0; code < CODES; code++) {
        kith_index_t *index = s_build (data, s_codes [code], 7);
        kith_index_query_t ask = s_ask (data, 0, NQ);
        ask.effort = 7;
        double found = s_found (data, index, ask);
        cr_expect_geq (found, 0.98, "%s, %s, dim %u: %.3f", what,
                       kith_index_code_name (s_codes [code]), data->rows.dim, found);
        kith_index_destroy (&index);
    }
}

static void
s_fill (s_data_t *data, float scale, uint32_t distinct)
{
    kith_random_t random;
    kith_random_seed (&random, data->rows.dim);
    const uint32_t dim = data->rows.dim;
    for (uint32_t row = 0; row < data->rows.rows; row++)
        for (uint32_t each = 0; each < dim; each++)
            data->vectors [row * dim + each] =
                row < distinct ? scale * (float) kith_random_normal (&random)
                               : data->vectors [row % distinct * dim + each];
    for (uint32_t each = 0; each < NQ * dim; each++)
        data->queries [each] = scale * (float) kith_random_normal (&random);
}

Test (ivf, any_rows_are_found)
{
    static const uint32_t dims [] = {1, 3, 17, 65, 300};
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_COSINE; metric++)
        for (uint32_t each = 0; each < sizeof dims / sizeof dims [0]; each++) {
            s_data_t data = s_room (450, dims [each], metric);
            s_fill (&data, 1, 450);
            s_expect_all (&data, "plain");
            s_fill (&data, 1, 3);
            s_expect_all (&data, "three of many");
            memset (data.vectors, 0, 225 * dims [each] * sizeof (float));
            s_expect_all (&data, "half are zero");
            s_fill (&data, 1e17f, 450);
            s_expect_all (&data, "large");
            s_fill (&data, 1e36f, 450);
            s_expect_all (&data, "overflowing");
            //  Products below the normal range cost some processors a hundred times as much
            if (dims [each] < 20) {
                s_fill (&data, 1e-20f, 450);
                s_expect_all (&data, "tiny");
            }
            memset (data.queries, 0, NQ * dims [each] * sizeof (float));
            s_expect_all (&data, "no query");
            s_free (&data);
        }
}

Test (ivf, few_rows_are_found)
{
    for (uint32_t rows = 0; rows < 40; rows += rows < 4 ? 1 : 9) {
        s_data_t data = s_room (rows, 6, KITH_METRIC_IP);
        s_fill (&data, 1, rows);
        s_expect_all (&data, "few");
        s_free (&data);
    }
}

//  ---------------------------------------------------------------------
//  Build

Test (ivf, threads_do_not_show)
{
    s_data_t data = s_clouds (KITH_METRIC_COSINE);
    for (uint32_t code = 0; code < CODES; code++) {
        kith_section_t first [KITH_INDEX_SECTIONS_MAX], other [KITH_INDEX_SECTIONS_MAX];
        kith_index_t *one = s_build (&data, s_codes [code], 0);
        size_t count = kith_index_sections (one, first);
        for (uint32_t threads = 2; threads <= 5; threads += 3) {
            kith_parallel_t *parallel = kith_parallel_threads_new (threads);
            kith_index_params_t params = {.kind = KITH_INDEX_IVF,
                                          .code = s_codes [code],
                                          .seed = 5,
                                          .parallel = parallel};
            kith_index_t *same = kith_index_build (&data.rows, &params, NULL);
            cr_assert_eq (kith_index_sections (same, other), count);
            for (size_t index = 0; index < count; index++) {
                cr_assert_eq (first [index].size, other [index].size);
                cr_assert (
                    memcmp (first [index].data, other [index].data, first [index].size)
                    == 0);
            }
            kith_index_destroy (&same);
            kith_parallel_threads_destroy (&parallel);
        }
        kith_index_destroy (&one);
    }
    s_free (&data);
}

typedef struct {
    size_t base, peak;
    uint64_t done, of;
    bool forward;
} s_watch_t;

static size_t
s_in_use (void)
{
    struct mallinfo2 info = mallinfo2 ();
    return info.uordblks + info.hblkhd;
}

static bool
s_watch (void *arg, uint64_t done, uint64_t of)
{
    s_watch_t *watch = arg;
    size_t used = s_in_use () - watch->base;
    watch->peak = used > watch->peak ? used : watch->peak;
    watch->forward = watch->forward && done >= watch->done && done <= of;
    watch->done = done;
    watch->of = of;
    return true;
}

Test (ivf, memory_is_as_promised)
{
    s_data_t data = s_clouds (KITH_METRIC_L2);
    for (uint32_t code = 0; code < CODES; code++) {
        s_watch_t watch = {.base = s_in_use (), .forward = true};
        kith_index_params_t params = {.kind = KITH_INDEX_IVF,
                                      .code = s_codes [code],
                                      .progress = s_watch,
                                      .progress_arg = &watch};
        kith_index_t *index = kith_index_build (&data.rows, &params, NULL);
        size_t used = s_in_use () - watch.base;
        cr_assert (index);
        cr_expect_leq (watch.peak, kith_index_build_bytes (&data.rows, &params));
        cr_expect_leq (used, kith_index_load_bytes (&data.rows, &params));
        cr_expect (watch.forward && watch.of == ROWS);
        //  Not promised out of all proportion (a sanitizer's allocator says 0)
        cr_expect (used == 0 || kith_index_load_bytes (&data.rows, &params) <= 2 * used);
        kith_index_destroy (&index);
    }
    s_free (&data);
}

static bool
s_cancel_later (void *arg, uint64_t done, uint64_t of)
{
    uint32_t *left = arg;
    (void) done;
    (void) of;
    return (*left)-- > 0;
}

Test (ivf, a_build_ends_when_told)
{
    s_data_t data = s_clouds (KITH_METRIC_L2);
    for (uint32_t after = 0; after < 9; after++) {
        uint32_t left = after;
        kith_error_t error;
        kith_index_params_t params = {
            .kind = KITH_INDEX_IVF, .progress = s_cancel_later, .progress_arg = &left};
        cr_assert (!kith_index_build (&data.rows, &params, &error));
        cr_assert_eq (error.code, KITH_ERR_CANCELLED);
    }
    s_free (&data);
}

Test (ivf, refuses_codes_it_has_not)
{
    s_data_t data = s_clouds (KITH_METRIC_L2);
    kith_index_params_t params = {.kind = KITH_INDEX_IVF, .code = KITH_CODE_SQ4};
    kith_error_t error;
    cr_assert (!kith_index_build (&data.rows, &params, &error));
    cr_assert_eq (error.code, KITH_ERR_INVALID);
    cr_assert (strstr (error.message, "'sq4'") && strstr (error.message, "rabitq"));
    data.rows.type = KITH_VECTOR_BINARY;
    params.code = KITH_CODE_AUTO;
    cr_assert (!kith_index_build (&data.rows, &params, &error));
    cr_assert (strstr (error.message, "numbers"), "%s", error.message);
    s_free (&data);
}

//  ---------------------------------------------------------------------
//  Stored bytes

//  Opens the sections with one word changed
static bool
s_opens (const s_data_t *data, kith_section_t *sections, size_t count, uint32_t id,
         size_t word, uint32_t value)
{
    kith_error_t error;
    kith_section_t *section = NULL;
    for (size_t index = 0; index < count; index++)
        if (sections [index].id == id)
            section = &sections [index];
    cr_assert (section && word * 4 < section->size);
    uint8_t *bytes = kith_alloc64 (section->size);
    const void *before = section->data;
    memcpy (bytes, section->data, section->size);
    kith_put_u32 (bytes + word * 4, value);
    section->data = bytes;
    kith_index_t *index = kith_index_open (&data->rows, sections, count, &error);
    bool opened = index != NULL;
    cr_assert (opened || error.code == KITH_ERR_CORRUPT);
    kith_index_destroy (&index);
    section->data = before;
    free (bytes);
    return opened;
}

Test (ivf, damage_is_refused)
{
    s_data_t data = s_clouds (KITH_METRIC_L2);
    kith_index_t *index = s_build (&data, KITH_CODE_PQ4, 9);
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_index_sections (index, sections);
    const uint32_t *ids = ((const kith_ivf_t *) index)->ids;
    cr_assert (s_opens (&data, sections, count, KITH_IVF_IDS, 3, ids [3]));
    cr_assert (!s_opens (&data, sections, count, KITH_IVF_IDS, 3, ids [4]));
    cr_assert (!s_opens (&data, sections, count, KITH_IVF_IDS, 3, ROWS));
    cr_assert (!s_opens (&data, sections, count, KITH_IVF_IDS, 3, KITH_IVF_EMPTY));
    cr_assert (!s_opens (&data, sections, count, KITH_IVF_COUNTS, 2, 1));
    cr_assert (!s_opens (&data, sections, count, KITH_IVF_COUNTS, 2, 0xffffffff));
    cr_assert (!s_opens (&data, sections, count, KITH_IVF_STARTS, 2, 0));
    cr_assert (!s_opens (&data, sections, count, KITH_IVF_STARTS, 9, 0xffffffff));
    cr_assert (!s_opens (&data, sections, count, KITH_IVF_CENTRES, 5, 0x7fc00000));
    cr_assert (!s_opens (&data, sections, count, KITH_IVF_MEAN, 1, 0x7f800000));
    cr_assert (!s_opens (&data, sections, count, KITH_IVF_BOOK, 1, 0xff800000));
    for (size_t word = 0; word < 9; word++)
        cr_assert (!s_opens (&data, sections, count, KITH_IVF_HEADER, word, 0x7fffffff));
    kith_index_destroy (&index);
    s_free (&data);
}
