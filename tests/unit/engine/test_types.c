//  test_types.c - vectors of halves, bytes and bits in growing and sealed segments, searched against a sort of everything
//  SPDX-License-Identifier: Apache-2.0
//
//  The oracle takes the stored bytes apart by itself and scores in double.
#include <criterion/criterion.h>
#include <math.h>

#include "base/vector.h"
#include "engine/query/read.h"
#include "tests/unit/engine/model.h"

typedef struct {
    kith_type_t type;
    kith_metric_t metric;
} case_t;

static const case_t s_cases [] = {
    {KITH_TYPE_FLOAT16_VECTOR, KITH_METRIC_L2},
    {KITH_TYPE_FLOAT16_VECTOR, KITH_METRIC_IP},
    {KITH_TYPE_FLOAT16_VECTOR, KITH_METRIC_COSINE},
    {KITH_TYPE_BFLOAT16_VECTOR, KITH_METRIC_L2},
    {KITH_TYPE_BFLOAT16_VECTOR, KITH_METRIC_IP},
    {KITH_TYPE_BFLOAT16_VECTOR, KITH_METRIC_COSINE},
    {KITH_TYPE_INT8_VECTOR, KITH_METRIC_L2},
    {KITH_TYPE_INT8_VECTOR, KITH_METRIC_IP},
    {KITH_TYPE_INT8_VECTOR, KITH_METRIC_COSINE},
    {KITH_TYPE_BINARY_VECTOR, KITH_METRIC_HAMMING},
    {KITH_TYPE_BINARY_VECTOR, KITH_METRIC_JACCARD},
};
#define CASES (sizeof s_cases / sizeof s_cases [0])

//  ---------------------------------------------------------------------
//  Oracle

static double
s_number (kith_type_t type, const uint8_t *raw, uint32_t index)
{
    if (type == KITH_TYPE_INT8_VECTOR)
        return raw [index] < 128 ? raw [index] : raw [index] - 256;
    if (type == KITH_TYPE_BINARY_VECTOR)
        return raw [index / 8] >> (index % 8) & 1;
    unsigned bits = raw [2 * index] | (unsigned) raw [2 * index + 1] << 8;
    bool half = type == KITH_TYPE_FLOAT16_VECTOR;
    unsigned fraction = half ? bits & 1023 : bits & 127;
    int exponent = half ? (int) (bits >> 10 & 31) - 15 : (int) (bits >> 7 & 255) - 127;
    double value = ldexp (1 + fraction / (half ? 1024.0 : 128.0), exponent);
    return bits >> 15 ? -value : value;
}

static double
s_score (const case_t *with, const uint8_t *a, const uint8_t *b)
{
    double dot = 0, l2 = 0, norm_a = 0, norm_b = 0, either = 0;
    for (uint32_t index = 0; index < MODEL_WIDE; index++) {
        double x = s_number (with->type, a, index), y = s_number (with->type, b, index);
        dot += x * y;
        l2 += (x - y) * (x - y);
        norm_a += x * x;
        norm_b += y * y;
        either += x != 0 || y != 0;
    }
    switch (with->metric) {
        case KITH_METRIC_L2:
        case KITH_METRIC_HAMMING:
            return l2;
        case KITH_METRIC_IP:
            return dot;
        case KITH_METRIC_COSINE:
            return norm_a > 0 && norm_b > 0 ? dot / sqrt (norm_a * norm_b) : 0;
        case KITH_METRIC_JACCARD:
            return either > 0 ? l2 / either : 0;
    }
    return 0;
}

static int
s_rising (const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

//  ---------------------------------------------------------------------
//  A sealed segment and a growing one, as a query node holds them

typedef struct {
    const case_t *with;
    model_t *model;
    kith_segment_t *segments [2];
    kith_filter_t *filter;
} world_t;

static world_t
s_world (const case_t *with, uint64_t seed)
{
    world_t self = {.with = with, .model = model_new_of (seed, with->type, with->metric)};
    while (model_count (self.model) < 1500)
        model_step (self.model, 60, 4000);
    uint64_t sealed = self.model->seq;
    cr_assert (model_flush (self.model, 0, sealed, "s/0"));
    for (uint32_t step = 0; step < 20; step++)
        model_step (self.model, 60, 4000);
    self.segments [0] = model_open (self.model, "s/0", NULL);
    self.segments [1] = kith_segment_grow (self.model->schema, sealed, 0);
    for (uint64_t seq = 1; seq <= self.model->seq; seq++) {
        const kith_record_t *record = model_record (self.model, seq);
        cr_assert_eq (kith_segment_end (self.segments [0], record, NULL), 0);
        if (seq > sealed)
            cr_assert_eq (kith_segment_apply (self.segments [1], record, NULL), 0);
    }
    self.filter = kith_filter_new ("number < 3", self.model->schema, NULL);
    return self;
}

static void
s_world_free (world_t *self)
{
    kith_filter_destroy (&self->filter);
    kith_segment_destroy (&self->segments [0]);
    kith_segment_destroy (&self->segments [1]);
    model_destroy (&self->model);
}

static kith_view_t
s_view (world_t *self, const kith_filter_t *filter)
{
    static const uint32_t fields [] = {MODEL_VECTOR};
    return (kith_view_t){.schema = self->model->schema,
                         .segments = self->segments,
                         .count = 2,
                         .s = self->model->seq,
                         .filter = filter,
                         .fields = fields,
                         .field_count = 1};
}

static const model_row_t *
s_row_of (const world_t *self, int64_t key)
{
    return model_find (self->model, key, 0, UINT64_MAX, self->model->seq);
}

//  Distances (smaller is better) of all rows that may be answered, sorted
static uint32_t
s_expect (const world_t *self, const uint8_t *query, bool filtered, double *distances)
{
    uint32_t count = 0;
    bool rises =
        self->with->metric != KITH_METRIC_IP && self->with->metric != KITH_METRIC_COSINE;
    for (uint32_t index = 0; index < model_count (self->model); index++) {
        const model_row_t *row = model_row (self->model, index);
        if (!model_visible (row, self->model->seq)
            || (filtered && !(row->has_number && row->number < 3)))
            continue;
        double score = s_score (self->with, query, row->raw);
        distances [count++] = rises ? score : -score;
    }
    qsort (distances, count, sizeof *distances, s_rising);
    return count;
}

//  Each answer is a row that may be answered, with its vector and score; and no better one was left out
static void
s_check_answer (const world_t *self, const kith_found_t *found, uint32_t query,
                const uint8_t *vector, bool filtered)
{
    kith_batch_t batch;
    cr_assert_eq (kith_batch_open (&batch, found->rows.data, found->rows.size, NULL), 0);
    const kith_column_t *vectors = kith_batch_field (&batch, MODEL_VECTOR);
    double *distances = kith_new (model_count (self->model) * sizeof *distances);
    uint32_t total = s_expect (self, vector, filtered, distances);
    uint32_t at = 0;
    for (uint32_t each = 0; each < query; each++)
        at += kith_get_u32 (found->counts.data + each * 4);
    uint32_t count = kith_get_u32 (found->counts.data + query * 4);
    cr_assert_eq (count, total < 10 ? total : 10);
    for (uint32_t index = 0; index < count; index++) {
        const model_row_t *row =
            s_row_of (self, model_key_of (&batch.columns [0], at + index));
        cr_assert (row);
        cr_assert_arr_eq (kith_column_fixed (vectors, at + index), row->raw,
                          kith_type_width (self->with->type, MODEL_WIDE));
        float score;
        memcpy (&score, found->scores.data + (at + index) * 4, sizeof score);
        double wanted = s_score (self->with, vector, row->raw);
        double slack = 1e-5 * (1 + fabs (wanted));
        cr_assert_float_eq ((double) score, wanted, slack);
        cr_assert_float_eq (fabs (wanted), fabs (distances [index]), slack);
    }
    free (distances);
}

static void
s_check_search (world_t *self, uint32_t nq, bool filtered, const char *index)
{
    enum { ROOM = MODEL_WIDE * 2 };
    uint32_t width = kith_type_width (self->with->type, MODEL_WIDE);
    uint8_t *queries = kith_alloc64 (nq * ROOM + 1);
    //  At an odd address: queries come from a frame
    for (uint32_t query = 0; query < nq; query++) {
        uint8_t raw [ROOM];
        model_raw (&self->model->random, self->with->type, raw);
        memcpy (queries + 1 + query * width, raw, width);
    }
    kith_view_t view = s_view (self, filtered ? self->filter : NULL);
    kith_search_t search = {.field = kith_schema_by_id (view.schema, MODEL_VECTOR),
                            .queries = queries + 1,
                            .nq = nq,
                            .k = 10,
                            .effort = 2000,
                            .explain = true};
    kith_found_t found;
    kith_error_t error = {0};
    cr_assert_eq (kith_view_search (&view, &search, &found, &error), 0, "%s",
                  error.message);
    cr_assert_str_eq (found.stages [0].index, index);
    cr_assert_str_eq (found.stages [1].index, "");
    for (uint32_t query = 0; query < nq; query++)
        s_check_answer (self, &found, query, queries + 1 + query * width, filtered);
    kith_found_free (&found);
    free (queries);
}

//  ---------------------------------------------------------------------

//  Builds an index, stores it and takes it from there
static void
s_index (world_t *self, kith_index_kind_t kind, kith_index_code_t code)
{
    kith_error_t error = {0};
    kith_rows_t rows;
    cr_assert_eq (kith_segment_vectors (self->segments [0], MODEL_VECTOR, &rows, &error),
                  0);
    cr_assert_eq (rows.type, (kith_vector_t) (self->with->type - KITH_TYPE_FLOAT_VECTOR));
    cr_assert_eq (rows.norms != NULL, self->with->metric == KITH_METRIC_COSINE);
    kith_index_params_t params = {
        .kind = kind, .code = code, .seed = 1, .recall = 0.9999f};
    kith_index_t *index = kith_index_build (&rows, &params, &error);
    cr_assert (index, "%s", error.message);
    kith_index_info_t info;
    kith_index_describe (index, &info);
    cr_assert_eq (info.kind, kind);
    cr_assert (!code || info.code == code);
    char name [24];
    snprintf (name, sizeof name, "i/%d-%d", (int) kind, (int) code);
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_index_sections (index, sections);
    kith_file_info_t file = {.kind = KITH_FILE_INDEX,
                             .cluster = 9,
                             .segment = kith_segment_to (self->segments [0]),
                             .rows = rows.rows};
    cr_assert_eq (kith_container_put (self->model->objects, name, &file, sections, count,
                                      NULL, NULL, &error),
                  0);
    kith_index_destroy (&index);
    kith_container_t *container = kith_container_open (self->model->objects, name,
                                                       KITH_FILE_INDEX, 9, 0, 0, &error);
    cr_assert_eq (
        kith_segment_set_index (self->segments [0], MODEL_VECTOR, &container, &error), 0,
        "%s", error.message);
}

//  A search through it, as wide as the segment is long, is exact
static void
s_check_index (world_t *self, kith_index_kind_t kind, kith_index_code_t code)
{
    const char *name = kith_index_kind_name (kind);
    s_index (self, kind, code);
    s_check_search (self, 1, false, name);
    s_check_search (self, 20, false, name);
    s_check_search (self, 5, true, name);
}

Test (types, search_against_a_sort)
{
    for (uint32_t each = 0; each < CASES; each++) {
        world_t world = s_world (&s_cases [each], 20 + each);
        for (uint32_t round = 0; round < 4; round++) {
            s_check_search (&world, 1, round % 2, "flat");
            s_check_search (&world, 20, round % 2, "flat");
        }
        s_check_index (&world, KITH_INDEX_FLAT, KITH_CODE_AUTO);
        if (world.with->type == KITH_TYPE_BINARY_VECTOR)
            s_check_index (&world, KITH_INDEX_BIN, KITH_CODE_AUTO);
        else {
            for (kith_index_code_t code = KITH_CODE_AUTO; code <= KITH_CODE_RABITQ;
                 code++)
                s_check_index (&world, KITH_INDEX_GRAPH, code);
            for (kith_index_code_t code = KITH_CODE_AUTO; code <= KITH_CODE_SQ4; code++)
                if (code != KITH_CODE_FLOAT32)
                    s_check_index (&world, KITH_INDEX_DISK, code);
            s_check_index (&world, KITH_INDEX_IVF, KITH_CODE_FLOAT32);
        }
        //  Dropped, it is used no more
        uint64_t memory = kith_segment_memory (world.segments [0]);
        kith_segment_drop_index (world.segments [0], MODEL_VECTOR);
        cr_assert_null (kith_segment_index (world.segments [0], MODEL_VECTOR));
        //  Its memory is freed once nobody else can be reading it
        kith_segment_t *shared = kith_segment_share (world.segments [0]);
        kith_segment_trim (world.segments [0]);
        cr_assert_eq (kith_segment_memory (world.segments [0]), memory);
        kith_segment_destroy (&shared);
        kith_segment_trim (world.segments [0]);
        cr_assert_lt (kith_segment_memory (world.segments [0]), memory);
        s_check_search (&world, 3, false, "flat");
        s_world_free (&world);
    }
}

Test (types, queries_that_are_not_finite_are_refused)
{
    static const struct {
        case_t with;
        uint8_t high;
    } halves [] = {{{KITH_TYPE_FLOAT16_VECTOR, KITH_METRIC_L2}, 0x7c},
                   {{KITH_TYPE_FLOAT16_VECTOR, KITH_METRIC_L2}, 0xfe},
                   {{KITH_TYPE_BFLOAT16_VECTOR, KITH_METRIC_IP}, 0x7f},
                   {{KITH_TYPE_BFLOAT16_VECTOR, KITH_METRIC_IP}, 0xff}};
    for (size_t each = 0; each < sizeof halves / sizeof halves [0]; each++) {
        world_t world = s_world (&halves [each].with, 60 + each);
        uint8_t raw [MODEL_WIDE * 2];
        model_raw (&world.model->random, halves [each].with.type, raw);
        raw [14] = 0x80;
        raw [15] = halves [each].high;
        kith_view_t view = s_view (&world, NULL);
        kith_search_t search = {.field = kith_schema_by_id (view.schema, MODEL_VECTOR),
                                .queries = raw,
                                .nq = 1,
                                .k = 5};
        kith_found_t found;
        kith_error_t error = {0};
        cr_assert_eq (kith_view_search (&view, &search, &found, &error), -1);
        cr_assert_eq (error.code, KITH_ERR_NOT_FINITE);
        s_world_free (&world);
    }
}
