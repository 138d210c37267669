//  test_read.c - search and query of views against a sort of everything, and merging of their answers
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <math.h>

#include "engine/indexes/disk_layout.h"
#include "engine/query/read.h"
#include "tests/unit/engine/model.h"
#include "tests/unit/storage/scratch.h"

//  ---------------------------------------------------------------------
//  A channel as a query node holds it: sealed segments, then a growing one

typedef struct {
    model_t *model;
    kith_segment_t *segments [8];
    uint32_t count;
    uint64_t base;    //  no read below it
} channel_t;

#define SPEC 77u    //  of the indexes over growing rows

static channel_t
s_channel (uint64_t seed, kith_metric_t metric, uint32_t sealed, uint32_t rows_max,
           uint32_t keys)
{
    channel_t self = {.model = model_new (seed, seed % 2, metric)};
    uint64_t after = 0;
    for (uint32_t index = 0; index <= sealed; index++) {
        for (uint32_t step = 0; step < 25; step++)
            model_step (self.model, rows_max, keys);
        uint64_t to = self.model->seq;
        char name [16];
        snprintf (name, sizeof name, "s/%u", index);
        if (index == sealed) {
            self.segments [self.count] =
                kith_segment_grow (self.model->schema, after, seed % 2 ? 24 : 0);
            for (uint64_t seq = after + 1; seq <= to; seq++)
                cr_assert_eq (kith_segment_apply (self.segments [self.count],
                                                  model_record (self.model, seq), NULL),
                              0);
            model_index (self.segments [self.count], SPEC);
            self.count++;
        }
        else if (model_flush (self.model, after, to, name))
            self.segments [self.count++] = model_open (self.model, name, NULL);
        after = to;
        self.base = index < sealed ? to : self.base;
    }
    for (uint32_t index = 0; index + 1 < self.count; index++) {
        for (uint64_t seq = 1; seq <= self.model->seq; seq++)
            cr_assert_eq (kith_segment_end (self.segments [index],
                                            model_record (self.model, seq), NULL),
                          0);
    }
    return self;
}

static void
s_channel_free (channel_t *self)
{
    for (uint32_t index = 0; index < self->count; index++)
        kith_segment_destroy (&self->segments [index]);
    model_destroy (&self->model);
}

static const uint32_t s_fields [] = {MODEL_NUMBER, MODEL_TEXT, MODEL_VECTOR, MODEL_KEY,
                                     MODEL_NUMBER};

static kith_view_t
s_view (const channel_t *self, uint64_t s)
{
    return (kith_view_t){.schema = self->model->schema,
                         .segments = (kith_segment_t **) (uintptr_t) self->segments,
                         .count = self->count,
                         .s = s,
                         .fields = s_fields,
                         .field_count = sizeof s_fields / sizeof s_fields [0]};
}

//  ---------------------------------------------------------------------
//  What must be found: all rows that may be, sorted

typedef struct {
    const model_row_t *row;
    float score;
} hit_t;

typedef struct {
    kith_metric_t metric;
    bool text_keys;
} order_t;

static void
s_key_text (int64_t key, char text [64])
{
    snprintf (text, 64, "k%.*s%" PRId64, (int) (key % 7) * 3, "aaaaaaaaaaaaaaaaaaaaa",
              key);
}

static int
s_compare_keys (int64_t a, int64_t b, bool text_keys)
{
    char text_a [64], text_b [64];
    if (!text_keys)
        return (a > b) - (a < b);
    s_key_text (a, text_a);
    s_key_text (b, text_b);
    return strcmp (text_a, text_b);
}

static int
s_compare_hits (const void *a_p, const void *b_p, void *arg)
{
    const hit_t *a = a_p;
    const hit_t *b = b_p;
    const order_t *order = arg;
    if (a->score < b->score)
        return order->metric == KITH_METRIC_L2 ? -1 : 1;
    if (a->score > b->score)
        return order->metric == KITH_METRIC_L2 ? 1 : -1;
    return s_compare_keys (a->row->key, b->row->key, order->text_keys);
}

typedef bool (test_fn) (const model_row_t *row);

static bool
s_any (const model_row_t *row)
{
    return row;
}

static bool
s_small_number (const model_row_t *row)
{
    return row->has_number && row->number < 3;
}

static uint32_t
s_expect (const channel_t *self, uint64_t s, test_fn *test, uint32_t partition,
          const float *query, hit_t *hits)
{
    const kith_field_t *field = kith_schema_by_id (self->model->schema, MODEL_VECTOR);
    uint32_t count = 0;
    for (uint32_t index = 0; index < model_count (self->model); index++) {
        const model_row_t *row = model_row (self->model, index);
        if (!model_visible (row, s) || !test (row)
            || (partition != UINT32_MAX && row->partition != partition))
            continue;
        float score =
            kith_score (field->metric, query, kith_norm (query, MODEL_DIM), row->vector,
                        kith_norm (row->vector, MODEL_DIM), MODEL_DIM);
        hits [count++] = (hit_t){.row = row, .score = score};
    }
    order_t order = {.metric = field->metric, .text_keys = self->model->text_keys};
    qsort_r (hits, count, sizeof *hits, s_compare_hits, &order);
    return count;
}

static void
s_check_row (const kith_batch_t *batch, uint32_t at, const model_row_t *wanted)
{
    cr_assert_eq (model_key_of (&batch->columns [0], at), wanted->key);
    cr_assert_eq (kith_column_int (&batch->columns [1], at), (int64_t) wanted->seq);
    const kith_column_t *column = kith_batch_field (batch, MODEL_NUMBER);
    cr_assert_eq (kith_column_valid (column, at), wanted->has_number);
    cr_assert (!wanted->has_number || kith_column_int (column, at) == wanted->number);
    column = kith_batch_field (batch, MODEL_TEXT);
    cr_assert_eq (kith_column_valid (column, at), wanted->has_text);
    uint32_t length;
    const char *text = kith_column_string (column, at, &length);
    cr_assert (
        !wanted->has_text
        || (length == strlen (wanted->text) && memcmp (text, wanted->text, length) == 0));
    column = kith_batch_field (batch, MODEL_VECTOR);
    cr_assert_arr_eq (kith_column_fixed (column, at), wanted->vector,
                      sizeof wanted->vector);
}

//  An answer with its batch opened
typedef struct {
    kith_found_t found;
    kith_batch_t batch;
} answer_t;

static void
s_open_answer (answer_t *answer)
{
    answer->batch.rows = 0;
    if (answer->found.rows.size) {
        cr_assert_eq (kith_batch_open (&answer->batch, answer->found.rows.data,
                                       answer->found.rows.size, NULL),
                      0);
        cr_assert_eq (answer->batch.columns [0].field, MODEL_KEY);
        cr_assert_eq (answer->batch.columns [1].field, KITH_FIELD_SEQ);
        cr_assert_eq (answer->batch.count, 5);
    }
    cr_assert_eq (answer->found.scores.size, (size_t) answer->batch.rows * 4);
}

static float
s_score (const answer_t *answer, uint32_t at)
{
    float score;
    memcpy (&score, answer->found.scores.data + (size_t) at * 4, 4);
    return score;
}

static void
s_random_queries (kith_random_t *random, float *queries, uint32_t nq)
{
    for (uint32_t index = 0; index < nq * MODEL_DIM; index++)
        queries [index] = (float) kith_random_normal (random);
}

static void
s_check_search (channel_t *self, uint64_t s, uint32_t nq, uint32_t k, bool filtered,
                uint32_t partition)
{
    kith_error_t error = {0};
    kith_view_t view = s_view (self, s);
    kith_filter_t *filter =
        filtered ? kith_filter_new ("number < 3", self->model->schema, &error) : NULL;
    view.filter = filter;
    if (partition != UINT32_MAX) {
        view.partitions = &partition;
        view.partition_count = 1;
    }
    float *queries = kith_alloc64 (nq * MODEL_DIM * 4);
    s_random_queries (&self->model->random, queries, nq);
    kith_search_t search = {.field =
                                kith_schema_by_id (self->model->schema, MODEL_VECTOR),
                            .queries = queries,
                            .nq = nq,
                            .k = k,
                            .spec = s % 3 ? SPEC : 0,
                            .explain = true};
    answer_t answer;
    cr_assert_eq (kith_view_search (&view, &search, &answer.found, &error), 0, "%s",
                  error.message);
    s_open_answer (&answer);
    hit_t *hits = kith_new (model_count (self->model) * sizeof *hits);
    uint32_t at = 0;
    for (uint32_t query = 0; query < nq; query++) {
        uint32_t total = s_expect (self, s, filtered ? s_small_number : s_any, partition,
                                   queries + query * MODEL_DIM, hits);
        uint32_t count = kith_get_u32 (answer.found.counts.data + query * 4);
        cr_assert_eq (count, total < k ? total : k, "%u rows, not %u", count,
                      total < k ? total : k);
        for (uint32_t index = 0; index < count; index++, at++) {
            cr_assert_eq (s_score (&answer, at), hits [index].score);
            s_check_row (&answer.batch, at, hits [index].row);
        }
    }
    cr_assert_eq (at, answer.batch.rows);
    cr_assert_eq (answer.found.of, s_expect (self, s, s_any, partition, queries, hits));
    cr_assert_eq (answer.found.stage_count, self->count);
    uint64_t compared = 0;
    bool sealed = false;
    for (uint32_t index = 0; index < answer.found.stage_count; index++) {
        compared += answer.found.stages [index].compared;
        sealed |= answer.found.stages [index].segment && answer.found.stages [index].rows;
    }
    cr_assert_eq (compared, answer.found.compared);
    cr_assert_str_eq (answer.found.index, sealed ? "flat" : "");
    kith_found_free (&answer.found);
    kith_filter_destroy (&filter);
    free (hits);
    free (queries);
}

Test (read, search_against_a_sort)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        channel_t channel = s_channel (seed, (kith_metric_t) (1 + seed % 3),
                                       (uint32_t) seed % 4, seed == 6 ? 200 : 12, 300);
        for (uint64_t s = channel.base; s <= channel.model->seq; s += 5) {
            s_check_search (&channel, s, 1, 10, false, UINT32_MAX);
            s_check_search (&channel, s, 1, 3, true, UINT32_MAX);
            s_check_search (&channel, s, 1, 1000, true, 1);
            s_check_search (&channel, s, 20, 7, s % 2, UINT32_MAX);
        }
        s_channel_free (&channel);
    }
}

Test (read, the_asked_row_is_left_out)
{
    channel_t channel = s_channel (4, KITH_METRIC_COSINE, 2, 12, 100);
    kith_view_t view = s_view (&channel, channel.model->seq);
    float queries [3 * MODEL_DIM];
    int64_t keys [3];
    uint32_t asked = 0;
    for (uint32_t index = model_count (channel.model); index-- > 0 && asked < 2;) {
        const model_row_t *row = model_row (channel.model, index);
        if (!model_visible (row, view.s))
            continue;
        memcpy (queries + asked * MODEL_DIM, row->vector, sizeof row->vector);
        keys [asked++] = row->key;
    }
    cr_assert_eq (asked, 2);
    memset (queries + 2 * MODEL_DIM, 0, MODEL_DIM * 4);
    keys [2] = 100000;
    kith_bytes_t bytes = {0};
    kith_column_t skip;
    model_keys (channel.model, keys, 3, &bytes, &skip);
    kith_search_t search = {.field = kith_schema_by_id (view.schema, MODEL_VECTOR),
                            .queries = queries,
                            .nq = 3,
                            .k = 5,
                            .skip = &skip};
    answer_t answer;
    kith_error_t error = {0};
    cr_assert_eq (kith_view_search (&view, &search, &answer.found, &error), 0, "%s",
                  error.message);
    s_open_answer (&answer);
    cr_assert_eq (answer.batch.rows, 15);
    hit_t *hits = kith_new (model_count (channel.model) * sizeof *hits);
    for (uint32_t query = 0; query < 3; query++) {
        uint32_t left_out = query < 2 ? 1 : 0;
        s_expect (&channel, view.s, s_any, UINT32_MAX, queries + query * MODEL_DIM, hits);
        if (left_out)
            cr_assert_eq (hits [0].row->key, keys [query]);
        for (uint32_t index = 0; query < 2 && index < 5; index++)
            cr_assert_eq (model_key_of (&answer.batch.columns [0], query * 5 + index),
                          hits [index + 1].row->key);
    }
    //  A zero vector scores 0 with all: ties of one segment go by key
    for (uint32_t index = 10; index < 15; index++)
        cr_assert_eq (s_score (&answer, index), 0);
    kith_found_free (&answer.found);
    kith_bytes_free (&bytes);
    free (hits);
    s_channel_free (&channel);
}

Test (read, refused_searches)
{
    channel_t channel = s_channel (1, KITH_METRIC_L2, 1, 12, 100);
    kith_view_t view = s_view (&channel, channel.model->seq);
    float queries [MODEL_DIM] = {0};
    kith_search_t good = {.field = kith_schema_by_id (view.schema, MODEL_VECTOR),
                          .queries = queries,
                          .nq = 1,
                          .k = 5};
    kith_found_t found;
    kith_error_t error = {0};
    cr_assert_eq (kith_view_search (&view, &good, &found, &error), 0);
    kith_found_free (&found);
    queries [3] = NAN;
    cr_assert_eq (kith_view_search (&view, &good, &found, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_NOT_FINITE);
    queries [3] = -INFINITY;
    cr_assert_eq (kith_view_search (&view, &good, &found, &error), -1);
    queries [3] = 0;
    kith_search_t bad = good;
    bad.k = 0;
    cr_assert_eq (kith_view_search (&view, &bad, &found, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_INVALID);
    bad.k = KITH_K_MAX + 1;
    cr_assert_eq (kith_view_search (&view, &bad, &found, &error), -1);
    bad = good;
    bad.nq = 0;
    cr_assert_eq (kith_view_search (&view, &bad, &found, &error), -1);
    bad.nq = KITH_NQ_MAX + 1;
    cr_assert_eq (kith_view_search (&view, &bad, &found, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_LIMIT);
    bad = good;
    bad.recall = NAN;
    cr_assert_eq (kith_view_search (&view, &bad, &found, &error), -1);
    uint32_t field = 4242;
    view.fields = &field;
    view.field_count = 1;
    cr_assert_eq (kith_view_search (&view, &good, &found, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_FIELD_NOT_FOUND);
    s_channel_free (&channel);
}

//  ---------------------------------------------------------------------
//  With an index

static void
s_put_index (kith_objects_t *objects, kith_segment_t *segment, uint64_t of,
             const char *name, kith_index_kind_t kind)
{
    kith_error_t error = {0};
    kith_rows_t rows;
    cr_assert_eq (kith_segment_vectors (segment, MODEL_VECTOR, &rows, &error), 0);
    kith_index_params_t params = {.kind = kind, .seed = 1};
    kith_index_t *index = kith_index_build (&rows, &params, &error);
    cr_assert (index, "%s", error.message);
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_index_sections (index, sections);
    kith_file_info_t info = {
        .kind = KITH_FILE_INDEX, .cluster = 9, .segment = of, .rows = rows.rows};
    cr_assert_eq (
        kith_container_put (objects, name, &info, sections, count, NULL, NULL, &error), 0,
        "%s", error.message);
    kith_index_destroy (&index);
}

static int
s_set_index (kith_objects_t *objects, kith_segment_t *segment, const char *name,
             uint32_t field, kith_error_t *error)
{
    kith_container_t *container =
        kith_container_open (objects, name, KITH_FILE_INDEX, 9, 0, 0, error);
    cr_assert (container, "%s", error->message);
    int status = kith_segment_set_index (segment, field, &container, error);
    cr_assert (!container);
    return status;
}

//  Each answer is right in itself; how many of the nearest are among them is the test of the index itself
static void
s_check_index_search (channel_t *self, const kith_filter_t *filter, const char *kind)
{
    kith_view_t view = s_view (self, self->model->seq);
    view.filter = filter;
    enum { NQ = 40, K = 10 };
    float queries [NQ * MODEL_DIM];
    s_random_queries (&self->model->random, queries, NQ);
    kith_search_t search = {.field = kith_schema_by_id (view.schema, MODEL_VECTOR),
                            .queries = queries,
                            .nq = NQ,
                            .k = K,
                            .explain = true};
    answer_t answer;
    cr_assert_eq (kith_view_search (&view, &search, &answer.found, NULL), 0);
    s_open_answer (&answer);
    cr_assert_eq (answer.batch.rows, NQ * K);
    cr_assert_str_eq (answer.found.stages [0].index, kind);
    cr_assert_gt (answer.found.stages [0].effort, 0);
    cr_assert_str_eq (answer.found.stages [1].index, "");
    hit_t *hits = kith_new (model_count (self->model) * sizeof *hits);
    uint32_t nearest = 0;
    for (uint32_t query = 0; query < NQ; query++) {
        uint32_t total = s_expect (self, view.s, filter ? s_small_number : s_any,
                                   UINT32_MAX, queries + query * MODEL_DIM, hits);
        for (uint32_t index = 0; index < K; index++) {
            uint32_t at = query * K + index;
            uint32_t rank = 0;
            while (rank < total
                   && hits [rank].row->key
                          != model_key_of (&answer.batch.columns [0], at))
                rank++;
            cr_assert_lt (rank, total, "a row that may not be answered");
            cr_assert_eq (s_score (&answer, at), hits [rank].score);
            s_check_row (&answer.batch, at, hits [rank].row);
            nearest += rank < K;
        }
    }
    cr_assert_gt (nearest, NQ * K * 9 / 10);
    kith_found_free (&answer.found);
    free (hits);
}

static bool
s_at_once (void *arg)
{
    ++*(uint32_t *) arg;
    return true;
}

//  A search whose deadline has passed answers nothing, with an index and without
static void
s_check_stop (channel_t *self, uint32_t segment)
{
    kith_view_t view = s_view (self, self->model->seq);
    view.segments += segment;
    view.count = 1;
    float query [MODEL_DIM] = {1};
    uint32_t asked = 0;
    kith_error_t error = {0};
    kith_found_t found;
    kith_search_t search = {.field = kith_schema_by_id (view.schema, MODEL_VECTOR),
                            .queries = query,
                            .nq = 1,
                            .k = 3,
                            .stop = s_at_once,
                            .stop_arg = &asked};
    cr_assert_eq (kith_view_search (&view, &search, &found, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_CANCELLED);
    cr_assert_gt (asked, 0);
    cr_assert_eq (found.rows.size, 0);
}

Test (read, search_with_a_graph)
{
    channel_t channel = s_channel (12, KITH_METRIC_COSINE, 1, 300, 4000);
    kith_segment_t *sealed = channel.segments [0];
    kith_objects_t *objects = channel.model->objects;
    kith_error_t error = {0};
    s_put_index (objects, sealed, kith_segment_to (sealed), "g/1", KITH_INDEX_GRAPH);
    s_put_index (objects, sealed, kith_segment_to (sealed) + 1, "g/2", KITH_INDEX_GRAPH);
    cr_assert_null (kith_segment_index (sealed, MODEL_VECTOR));
    cr_assert_eq (s_set_index (objects, sealed, "g/2", MODEL_VECTOR, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    cr_assert_eq (s_set_index (objects, sealed, "g/1", MODEL_NUMBER, &error), -1);
    uint64_t memory = kith_segment_memory (sealed);
    cr_assert_eq (s_set_index (objects, sealed, "g/1", MODEL_VECTOR, &error), 0, "%s",
                  error.message);
    cr_assert_gt (kith_segment_memory (sealed), memory);
    const kith_index_t *graph = kith_segment_index (sealed, MODEL_VECTOR);
    cr_assert (graph);
    s_check_index_search (&channel, NULL, "graph");
    kith_filter_t *filter = kith_filter_new ("number < 3", channel.model->schema, NULL);
    s_check_index_search (&channel, filter, "graph");
    kith_filter_destroy (&filter);
    //  A second one takes the place of the first
    cr_assert_eq (s_set_index (objects, sealed, "g/1", MODEL_VECTOR, &error), 0);
    cr_assert_neq (kith_segment_index (sealed, MODEL_VECTOR), graph);
    s_check_index_search (&channel, NULL, "graph");
    s_check_stop (&channel, 0);
    s_check_stop (&channel, 1);
    s_channel_free (&channel);
}

//  Its records are not copied: from a store without files they are read where they are mapped, from a directory by reads of the file
Test (read, search_with_a_disk_index)
{
    char *directory = scratch_new ();
    kith_error_t error = {0};
    kith_objects_t *files = kith_objects_dir_open (kith_fs_os (), directory, &error);
    cr_assert (files, "%s", error.message);
    for (uint32_t way = 0; way < 2; way++) {
        channel_t channel = s_channel (12, KITH_METRIC_COSINE, 1, 300, 4000);
        kith_segment_t *sealed = channel.segments [0];
        kith_objects_t *objects = way ? files : channel.model->objects;
        uint64_t before = kith_segment_memory (sealed);
        s_put_index (objects, sealed, kith_segment_to (sealed), "d/1", KITH_INDEX_DISK);
        cr_assert_eq (s_set_index (objects, sealed, "d/1", MODEL_VECTOR, &error), 0, "%s",
                      error.message);
        kith_index_info_t info;
        kith_index_describe (kith_segment_index (sealed, MODEL_VECTOR), &info);
        cr_assert_eq (kith_segment_memory (sealed) - before, info.bytes);
        const kith_disk_t *disk =
            (const kith_disk_t *) kith_segment_index (sealed, MODEL_VECTOR);
        cr_assert_eq (kith_blocks_in_memory (disk->blocks), way == 0);
        s_check_index_search (&channel, NULL, "disk");
        kith_filter_t *filter =
            kith_filter_new ("number < 3", channel.model->schema, NULL);
        s_check_index_search (&channel, filter, "disk");
        kith_filter_destroy (&filter);
        s_channel_free (&channel);
    }
    files->close (&files);
    scratch_remove (&directory);
}

//  ---------------------------------------------------------------------
//  Queries

typedef struct {
    uint32_t field;
    bool descending;
    bool text_keys;
} sort_t;

static int
s_compare_rows (const void *a_p, const void *b_p, void *arg)
{
    const model_row_t *a = ((const hit_t *) a_p)->row;
    const model_row_t *b = ((const hit_t *) b_p)->row;
    const sort_t *sort = arg;
    int sign = sort->descending ? -1 : 1;
    int keys = s_compare_keys (a->key, b->key, sort->text_keys);
    if (sort->field == 0)
        return sign * keys;
    bool has_a = sort->field == MODEL_NUMBER ? a->has_number
                 : sort->field == MODEL_TEXT ? a->has_text
                                             : true;
    bool has_b = sort->field == MODEL_NUMBER ? b->has_number
                 : sort->field == MODEL_TEXT ? b->has_text
                                             : true;
    if (!has_a || !has_b)
        return has_a ? -1 : has_b ? 1 : keys;
    int order = sort->field == MODEL_NUMBER
                    ? (a->number > b->number) - (a->number < b->number)
                : sort->field == MODEL_TEXT ? strcmp (a->text, b->text)
                                            : (a->real > b->real) - (a->real < b->real);
    return order ? sign * order : keys;
}

static uint32_t
s_expect_rows (const channel_t *self, uint64_t s, test_fn *test, sort_t sort, hit_t *hits)
{
    float zero [MODEL_DIM] = {0};
    uint32_t count = s_expect (self, s, test, UINT32_MAX, zero, hits);
    qsort_r (hits, count, sizeof *hits, s_compare_rows, &sort);
    return count;
}

static void
s_check_found (const kith_rows_found_t *found, const hit_t *hits, uint32_t total,
               uint64_t offset, uint64_t limit)
{
    uint64_t wanted = total > offset ? total - offset : 0;
    wanted = wanted < limit ? wanted : limit;
    kith_batch_t batch = {0};
    if (found->rows.size)
        cr_assert_eq (kith_batch_open (&batch, found->rows.data, found->rows.size, NULL),
                      0);
    cr_assert_eq (batch.rows, wanted, "%u rows, not %" PRIu64, batch.rows, wanted);
    cr_assert_eq (found->count, total);
    for (uint32_t at = 0; at < batch.rows; at++)
        s_check_row (&batch, at, hits [offset + at].row);
}

Test (read, query_by_filter_in_any_order)
{
    static const uint32_t orders [] = {0, MODEL_NUMBER, MODEL_TEXT, MODEL_REAL};
    for (uint64_t seed = 1; seed <= 4; seed++) {
        channel_t channel =
            s_channel (seed, KITH_METRIC_IP, 2, seed == 4 ? 400 : 12, 3000);
        kith_filter_t *filter =
            kith_filter_new ("number < 3", channel.model->schema, NULL);
        hit_t *hits = kith_new (model_count (channel.model) * sizeof *hits);
        for (uint32_t round = 0; round < 32; round++) {
            uint64_t s = channel.base + round % (channel.model->seq - channel.base + 1);
            kith_view_t view = s_view (&channel, s);
            view.filter = round % 2 ? filter : NULL;
            sort_t sort = {.field = orders [round % 4],
                           .descending = round / 4 % 2,
                           .text_keys = channel.model->text_keys};
            kith_query_t query = {.limit = round % 5 == 4 ? UINT64_MAX : round * 3,
                                  .offset = round % 3 * 10};
            query.order = sort.field ? kith_schema_by_id (view.schema, sort.field) : NULL;
            query.descending = sort.descending;
            uint32_t total = s_expect_rows (
                &channel, s, view.filter ? s_small_number : s_any, sort, hits);
            kith_rows_found_t found;
            kith_error_t error = {0};
            cr_assert_eq (kith_view_query (&view, &query, &found, &error), 0, "%s",
                          error.message);
            s_check_found (&found, hits, total, query.offset, query.limit);
            kith_rows_found_free (&found);
            query.count = true;
            cr_assert_eq (kith_view_query (&view, &query, &found, &error), 0);
            cr_assert_eq (found.count, total);
            cr_assert_eq (found.rows.size, 0);
            kith_rows_found_free (&found);
        }
        free (hits);
        kith_filter_destroy (&filter);
        s_channel_free (&channel);
    }
}

Test (read, query_by_keys)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        channel_t channel = s_channel (seed, KITH_METRIC_IP, 2, 60, 200);
        int64_t keys [150];
        for (uint32_t index = 0; index < 150; index++)
            keys [index] = (int64_t) kith_random_below (&channel.model->random, 220);
        kith_bytes_t bytes = {0};
        kith_column_t column;
        model_keys (channel.model, keys, 150, &bytes, &column);
        for (uint64_t s = channel.base; s <= channel.model->seq; s += 3) {
            kith_view_t view = s_view (&channel, s);
            kith_query_t query = {.keys = &column, .limit = UINT64_MAX};
            kith_rows_found_t found;
            cr_assert_eq (kith_view_query (&view, &query, &found, NULL), 0);
            kith_batch_t batch = {0};
            if (found.rows.size)
                cr_assert_eq (
                    kith_batch_open (&batch, found.rows.data, found.rows.size, NULL), 0);
            uint32_t wanted = 0;
            for (int64_t key = 0; key < 220; key++) {
                bool asked = false;
                for (uint32_t index = 0; index < 150; index++)
                    asked |= keys [index] == key;
                wanted += asked && model_find (channel.model, key, 0, UINT64_MAX, s);
            }
            cr_assert_eq (batch.rows, wanted);
            for (uint32_t at = 0; at < batch.rows; at++)
                s_check_row (&batch, at,
                             model_find (channel.model,
                                         model_key_of (&batch.columns [0], at), 0,
                                         UINT64_MAX, s));
            kith_rows_found_free (&found);
        }
        kith_bytes_free (&bytes);
        s_channel_free (&channel);
    }
}

//  ---------------------------------------------------------------------
//  Merging

static kith_part_t
s_part (const kith_found_t *found)
{
    return (kith_part_t){.counts = found->counts.data,
                         .counts_bytes = found->counts.size,
                         .scores = found->scores.data,
                         .scores_bytes = found->scores.size,
                         .rows = found->rows.data,
                         .rows_bytes = found->rows.size};
}

//  Each segment asked by itself, then merged, must be what the whole view says
Test (read, merge_of_segments_is_the_view)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        channel_t channel = s_channel (seed, (kith_metric_t) (1 + seed % 3), 3, 20, 200);
        kith_view_t view = s_view (&channel, channel.model->seq);
        float queries [9 * MODEL_DIM];
        s_random_queries (&channel.model->random, queries, 9);
        memset (queries, 0, MODEL_DIM * 4);
        kith_search_t search = {.field = kith_schema_by_id (view.schema, MODEL_VECTOR),
                                .queries = queries,
                                .nq = 9,
                                .k = seed == 6 ? 1000 : 15};
        answer_t whole, merged;
        kith_found_t parts_found [8];
        kith_part_t parts [9] = {0};
        cr_assert_eq (kith_view_search (&view, &search, &whole.found, NULL), 0);
        s_open_answer (&whole);
        for (uint32_t index = 0; index < channel.count; index++) {
            kith_view_t one = view;
            one.segments = view.segments + index;
            one.count = 1;
            cr_assert_eq (kith_view_search (&one, &search, &parts_found [index], NULL),
                          0);
            parts [index] = s_part (&parts_found [index]);
        }
        //  The same answer twice: a row of a key is there once
        parts [channel.count] = parts [0];
        kith_error_t error = {0};
        cr_assert_eq (kith_found_merge (parts, channel.count + 1, 9, search.k,
                                        search.field->metric, &merged.found, &error),
                      0, "%s", error.message);
        s_open_answer (&merged);
        cr_assert_eq (merged.batch.rows, whole.batch.rows);
        cr_assert_arr_eq (merged.found.counts.data, whole.found.counts.data, 36);
        cr_assert_arr_eq (merged.found.scores.data, whole.found.scores.data,
                          whole.found.scores.size);
        for (uint32_t at = 0; at < whole.batch.rows; at++) {
            //  Of the zero query all rows may be as near; which of them enter is each segment's choice
            if (at >= kith_get_u32 (whole.found.counts.data))
                cr_assert_eq (model_key_of (&merged.batch.columns [0], at),
                              model_key_of (&whole.batch.columns [0], at));
        }
        kith_found_free (&whole.found);
        kith_found_free (&merged.found);
        for (uint32_t index = 0; index < channel.count; index++)
            kith_found_free (&parts_found [index]);
        s_channel_free (&channel);
    }
}

Test (read, merge_keeps_the_newest_version)
{
    //  Two holders that disagree: the one that is behind still shows what was replaced
    channel_t channel = s_channel (2, KITH_METRIC_L2, 0, 8, 40);
    float queries [MODEL_DIM] = {0};
    kith_search_t search = {.field =
                                kith_schema_by_id (channel.model->schema, MODEL_VECTOR),
                            .queries = queries,
                            .nq = 1,
                            .k = 1000};
    answer_t merged;
    kith_found_t found [2];
    kith_part_t parts [2];
    uint64_t moments [2] = {channel.model->seq / 2, channel.model->seq};
    for (uint32_t index = 0; index < 2; index++) {
        kith_view_t view = s_view (&channel, moments [index]);
        cr_assert_eq (kith_view_search (&view, &search, &found [index], NULL), 0);
        parts [index] = s_part (&found [index]);
    }
    cr_assert_eq (
        kith_found_merge (parts, 2, 1, 1000, KITH_METRIC_L2, &merged.found, NULL), 0);
    s_open_answer (&merged);
    uint32_t both = 0;
    for (int64_t key = 0; key < 40; key++) {
        const model_row_t *newest =
            model_find (channel.model, key, 0, UINT64_MAX, moments [1]);
        const model_row_t *old =
            model_find (channel.model, key, 0, UINT64_MAX, moments [0]);
        both += newest && old && newest != old;
        newest = newest ? newest : old;
        uint32_t times = 0;
        for (uint32_t at = 0; at < merged.batch.rows; at++) {
            if (model_key_of (&merged.batch.columns [0], at) != key)
                continue;
            times++;
            s_check_row (&merged.batch, at, newest);
        }
        cr_assert_eq (times, newest != NULL);
    }
    cr_assert_gt (both, 3);
    kith_found_free (&merged.found);
    kith_found_free (&found [0]);
    kith_found_free (&found [1]);
    s_channel_free (&channel);
}

Test (read, merge_of_rows)
{
    channel_t channel = s_channel (3, KITH_METRIC_L2, 3, 30, 300);
    hit_t *hits = kith_new (model_count (channel.model) * sizeof *hits);
    kith_view_t view = s_view (&channel, channel.model->seq);
    for (uint32_t round = 0; round < 12; round++) {
        sort_t sort = {.field = round % 2 ? MODEL_NUMBER : 0,
                       .descending = round / 2 % 2,
                       .text_keys = channel.model->text_keys};
        uint32_t total = s_expect_rows (&channel, view.s, s_any, sort, hits);
        kith_rows_found_t found [8];
        kith_part_t parts [8] = {0};
        for (uint32_t index = 0; index < channel.count; index++) {
            kith_view_t one = view;
            one.segments = view.segments + index;
            one.count = 1;
            kith_query_t query = {.limit = UINT64_MAX};
            cr_assert_eq (kith_view_query (&one, &query, &found [index], NULL), 0);
            parts [index] = (kith_part_t){.rows = found [index].rows.data,
                                          .rows_bytes = found [index].rows.size};
        }
        kith_rows_found_t merged;
        kith_error_t error = {0};
        cr_assert_eq (kith_rows_merge (parts, channel.count, sort.field, sort.descending,
                                       round * 2, 20, &merged, &error),
                      0, "%s", error.message);
        s_check_found (&merged, hits, total, round * 2, 20);
        kith_rows_found_free (&merged);
        cr_assert_eq (kith_rows_merge (parts, channel.count, MODEL_VECTOR, false, 0, 20,
                                       &merged, &error),
                      -1);
        cr_assert_eq (
            kith_rows_merge (parts, channel.count, 4242, false, 0, 20, &merged, &error),
            -1);
        for (uint32_t index = 0; index < channel.count; index++)
            kith_rows_found_free (&found [index]);
    }
    kith_rows_found_t merged;
    cr_assert_eq (kith_rows_merge (NULL, 0, 0, false, 0, 20, &merged, NULL), 0);
    cr_assert_eq (merged.count, 0);
    kith_rows_found_free (&merged);
    free (hits);
    s_channel_free (&channel);
}

//  Parts come from the network: whatever they are, an answer or an error
Test (read, hostile_parts)
{
    channel_t channel = s_channel (2, KITH_METRIC_L2, 1, 12, 100);
    kith_view_t view = s_view (&channel, channel.model->seq);
    float queries [2 * MODEL_DIM] = {1, 2, 3, 4, 5};
    kith_search_t search = {.field = kith_schema_by_id (view.schema, MODEL_VECTOR),
                            .queries = queries,
                            .nq = 2,
                            .k = 9};
    kith_found_t found;
    cr_assert_eq (kith_view_search (&view, &search, &found, NULL), 0);
    kith_random_t random;
    kith_random_seed (&random, 31);
    uint32_t refused = 0;
    for (uint32_t round = 0; round < 20000; round++) {
        kith_part_t parts [2] = {s_part (&found), s_part (&found)};
        kith_bytes_t *damaged = round % 4 == 0   ? &found.counts
                                : round % 4 == 1 ? &found.scores
                                                 : &found.rows;
        size_t at = kith_random_below (&random, damaged->size);
        uint8_t old = damaged->data [at];
        damaged->data [at] = (uint8_t) kith_random_next (&random);
        if (round % 7 == 0)
            parts [1].rows_bytes = kith_random_below (&random, found.rows.size);
        if (round % 11 == 0)
            parts [1].scores_bytes = kith_random_below (&random, found.scores.size);
        kith_found_t merged;
        kith_rows_found_t rows;
        kith_error_t error = {0};
        bool bad =
            kith_found_merge (parts, 2, 2, 9, KITH_METRIC_L2, &merged, &error) != 0;
        refused += bad;
        cr_assert (!bad || (error.code && error.message [0]));
        kith_found_free (&merged);
        if (kith_rows_merge (parts, 2, MODEL_TEXT, true, 1, 5, &rows, &error) == 0)
            kith_rows_found_free (&rows);
        damaged->data [at] = old;
    }
    cr_assert_gt (refused, 5000);
    kith_found_t merged;
    kith_part_t part = s_part (&found);
    cr_assert_eq (kith_found_merge (&part, 1, 3, 9, KITH_METRIC_L2, &merged, NULL), -1);
    cr_assert_eq (kith_found_merge (NULL, 0, 3, 9, KITH_METRIC_L2, &merged, NULL), 0);
    cr_assert_eq (merged.counts.size, 12);
    kith_found_free (&merged);
    kith_found_free (&found);
    s_channel_free (&channel);
}
