//  read_search.c - search over the segments of one view
//  SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include "base/fault.h"
#include "base/vector.h"
#include "engine/query/answer.h"
#include "engine/query/filter_eval.h"
#include "engine/query/read.h"
#include "engine/segments/vectors.h"

//  A search under way
typedef struct {
    const kith_view_t *view;
    const kith_search_t *search;
    kith_visible_t visible;
    void *queries;        //  nq vectors, 64-byte aligned
    float *norms;         //  nq; null unless cosine
    uint32_t k;           //  one more than asked when a key is left out
    kith_topk_t *tops;    //  nq; null until a row is compared
    kith_bytes_t
        runs;    //  kith_run_t that were searched: a hit's part is the place here
    uint32_t run_count;
    kith_bytes_t stages;    //  kith_stage_t
    kith_found_t *found;
} s_searcher_t;

//  ---------------------------------------------------------------------
//  Scratch of indexes, one a thread: it is large, and workers live long

static pthread_once_t s_scratch_once = PTHREAD_ONCE_INIT;
static pthread_key_t s_scratch_key;

static void
s_scratch_free (void *value)
{
    kith_index_scratch_t *scratch = value;
    kith_index_scratch_destroy (&scratch);
}

static void
s_scratch_make_key (void)
{
    int status = pthread_key_create (&s_scratch_key, s_scratch_free);
    assert (status == 0);
}

static kith_index_scratch_t *
s_scratch (void)
{
    pthread_once (&s_scratch_once, s_scratch_make_key);
    kith_index_scratch_t *scratch = pthread_getspecific (s_scratch_key);
    if (!scratch) {
        scratch = kith_index_scratch_new ();
        pthread_setspecific (s_scratch_key, scratch);
    }
    return scratch;
}

//  ---------------------------------------------------------------------
//  Checks

static int
s_check_queries (const kith_search_t *search, kith_error_t *error)
{
    const kith_field_t *field = search->field;
    size_t width = kith_type_width (field->type, field->dim);
    uint32_t query = 0;
    if (kith_vector_finite (field->type, field->dim, search->queries, search->nq))
        return 0;
    while (kith_vector_finite (field->type, field->dim,
                               (const char *) search->queries + query * width, 1))
        query++;
    return kith_error_set (
        error, KITH_ERR_NOT_FINITE,
        "query %" PRIu32 ": the vector has a number that is not finite", query);
}

static int
s_check_skip (const kith_view_t *view, const kith_search_t *search, kith_error_t *error)
{
    const kith_field_t *key = kith_schema_key (view->schema);
    if (!search->skip)
        return 0;
    if (search->skip->rows != search->nq || search->skip->type != key->type
        || search->skip->validity)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "the keys to leave out are not one %s a query",
                               kith_type_name (key->type));
    return 0;
}

static int
s_check (const kith_view_t *view, const kith_search_t *search, kith_error_t *error)
{
    if (search->k == 0 || search->k > KITH_K_MAX)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "k is %" PRIu32 ", from 1 to %u are allowed", search->k,
                               KITH_K_MAX);
    if (search->nq == 0 || search->nq > KITH_NQ_MAX
        || (uint64_t) search->nq * search->k > KITH_NQ_K_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "%" PRIu32 " queries with k %" PRIu32
                               ": from 1 to %u queries and at most %u rows in all are "
                               "allowed",
                               search->nq, search->k, KITH_NQ_MAX, KITH_NQ_K_MAX);
    if ((uint64_t) search->nq * kith_type_width (search->field->type, search->field->dim)
        > KITH_QUERY_BYTES_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "%" PRIu32 " query vectors take more than %u bytes",
                               search->nq, KITH_QUERY_BYTES_MAX);
    if (!(search->recall >= 0 && search->recall <= 1))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "recall is %g, from 0 to 1 is allowed",
                               (double) search->recall);
    if (s_check_skip (view, search, error) != 0 || kith_answer_check (view, error) != 0)
        return -1;
    return s_check_queries (search, error);
}

//  ---------------------------------------------------------------------
//  Scan

//  Queries in aligned memory, with norms
static int
s_prepare (s_searcher_t *self, kith_error_t *error)
{
    const kith_search_t *search = self->search;
    const kith_field_t *field = search->field;
    size_t bytes = (size_t) search->nq * kith_type_width (field->type, field->dim);
    self->queries = kith_alloc64 (bytes);
    self->tops = kith_new (search->nq * sizeof self->tops [0]);
    if (!self->queries)
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "no %zu bytes for queries",
                               bytes);
    memcpy (self->queries, search->queries, bytes);
    for (uint32_t query = 0; query < search->nq; query++)
        kith_topk_init (&self->tops [query], self->k);
    if (!kith_field_has_norms (field))
        return 0;
    self->norms = kith_new (search->nq * sizeof (float));
    kith_field_norms (field, self->queries, search->nq, self->norms);
    return 0;
}

//  All queries in one call: kinds that scan share what they read between them
static int
s_search_index (s_searcher_t *self, const kith_index_t *index, const kith_bits_t *live,
                kith_stage_t *stage, kith_error_t *error)
{
    const kith_search_t *search = self->search;
    const kith_index_query_t query = {.queries = self->queries,
                                      .norms = self->norms,
                                      .nq = search->nq,
                                      .k = self->k,
                                      .effort =
                                          stage->effort ? stage->effort : search->effort,
                                      .recall = search->recall,
                                      .live = live,
                                      .part = self->run_count,
                                      .stop = search->stop,
                                      .stop_arg = search->stop_arg};
    return kith_index_search (index, &query, s_scratch (), self->tops, &stage->compared,
                              error);
}

static int
s_search_flat (s_searcher_t *self, const kith_run_t *run, const kith_bits_t *live,
               kith_stage_t *stage, kith_error_t *error)
{
    const kith_search_t *search = self->search;
    if (search->stop && search->stop (search->stop_arg))
        return kith_error_set (error, KITH_ERR_CANCELLED, "the search was stopped");
    kith_rows_t rows;
    kith_run_vectors (run, search->field, &rows);
    stage->compared += kith_flat_search (&rows, self->queries, self->norms, search->nq,
                                         live, self->run_count, 0, self->tops);
    return 0;
}

//  Kind and code of an index that rows of the stage are searched by
static void
s_name (const s_searcher_t *self, const kith_index_t *index, kith_stage_t *stage)
{
    stage->index = kith_index_kind_name (kith_index_kind (index));
    if (!self->search->explain)
        return;
    kith_index_info_t info;
    kith_index_describe (index, &info);
    stage->code = info.code ? kith_index_code_name (info.code) : "";
}

//  How the rows of a sealed segment are searched
static void
s_describe (const s_searcher_t *self, const kith_index_t *index, kith_stage_t *stage)
{
    const kith_search_t *search = self->search;
    stage->index = kith_index_kind_name (KITH_INDEX_FLAT);
    if (!index)
        return;
    stage->effort = search->effort
                        ? search->effort
                        : kith_index_effort (
                            index, search->recall > 0 ? search->recall : 0.95f, self->k);
    s_name (self, index, stage);
}

//  Searches one run; its visible rows count even when the filter leaves none
static int
s_search_run (s_searcher_t *self, const kith_run_t *run, kith_stage_t *stage,
              kith_error_t *error)
{
    kith_bits_t live;
    uint32_t visible = kith_run_visible (run, &self->visible, &live);
    self->found->of += visible;
    stage->rows += visible;
    if (visible && self->view->filter) {
        if (!live.words)
            kith_bits_init (&live, run->rows, true);
        kith_filter_eval_run (self->view->filter, run, &live);
        visible = kith_bits_popcount (&live);
    }
    int status = 0;
    if (visible && !self->tops)
        status = s_prepare (self, error);
    if (visible && status == 0) {
        const kith_index_t *index =
            kith_run_index (run, self->search->field->id, self->search->spec);
        if (index && run->chunk && !*stage->index)
            s_name (self, index, stage);
        const bool all = index && run->chunk && KITH_BUG (INDEX_SHOWS_ENDED);
        const kith_bits_t *allowed = live.words && !all ? &live : NULL;
        status = index ? s_search_index (self, index, allowed, stage, error)
                       : s_search_flat (self, run, allowed, stage, error);
        kith_bytes_put (&self->runs, run, sizeof *run);
        self->run_count++;
    }
    kith_bits_free (&live);
    return status;
}

static int
s_search_segment (s_searcher_t *self, const kith_segment_t *segment, kith_error_t *error)
{
    const kith_search_t *search = self->search;
    kith_stage_t stage = {.index = "", .code = ""};
    if (!kith_segment_is_growing (segment)) {
        stage.segment = kith_segment_to (segment);
        s_describe (self, kith_segment_index (segment, search->field->id), &stage);
    }
    uint32_t runs = kith_segment_runs (segment);
    for (uint32_t index = 0; index < runs; index++) {
        kith_run_t run;
        kith_run_open (&run, segment, index, self->view->s);
        if (run.rows && s_search_run (self, &run, &stage, error) != 0)
            return -1;
    }
    self->found->compared += stage.compared;
    if (stage.segment && stage.rows > self->found->index_rows) {
        self->found->index = stage.index;
        self->found->index_rows = stage.rows;
    }
    if (search->explain)
        kith_bytes_put (&self->stages, &stage, sizeof stage);
    return 0;
}

//  ---------------------------------------------------------------------
//  Answer

//  What putting hits of equal distance into the order of their keys needs
typedef struct {
    const kith_run_t *runs;
    uint32_t key;
} s_ties_t;

static void
s_open_key (const s_ties_t *ties, const kith_hit_t *hit, kith_column_t *keys)
{
    //  A key cannot be null, so that its column needs no arena
    kith_run_column (&ties->runs [hit->part], ties->key, NULL, keys);
}

static int
s_compare_ties (const void *a_p, const void *b_p, void *arg)
{
    const kith_hit_t *a = a_p;
    const kith_hit_t *b = b_p;
    kith_column_t keys_a, keys_b;
    s_open_key (arg, a, &keys_a);
    s_open_key (arg, b, &keys_b);
    return kith_key_compare (&keys_a, (uint32_t) a->row, &keys_b, (uint32_t) b->row);
}

//  So that one view and several merged ones answer in the same order
static void
s_sort_ties (s_ties_t *ties, kith_topk_t *top)
{
    for (uint32_t from = 0; from + 1 < top->count;) {
        uint32_t to = from + 1;
        while (to < top->count && !(top->hits [to].distance > top->hits [from].distance))
            to++;
        if (to - from > 1)
            qsort_r (top->hits + from, to - from, sizeof top->hits [0], s_compare_ties,
                     ties);
        from = to;
    }
}

//  Drops the hit that has the key that this query leaves out
static void
s_skip (const s_ties_t *ties, const kith_column_t *skip, uint32_t query, kith_topk_t *top)
{
    for (uint32_t index = 0; index < top->count; index++) {
        kith_column_t keys;
        s_open_key (ties, &top->hits [index], &keys);
        if (!kith_key_equal (&keys, (uint32_t) top->hits [index].row, skip, query))
            continue;
        memmove (top->hits + index, top->hits + index + 1,
                 (top->count - index - 1) * sizeof top->hits [0]);
        top->count--;
        return;
    }
}

static int
s_answer (s_searcher_t *self, kith_error_t *error)
{
    const kith_search_t *search = self->search;
    const kith_run_t *runs = (const kith_run_t *) (const void *) self->runs.data;
    s_ties_t ties = {.runs = runs, .key = kith_schema_key (self->view->schema)->id};
    kith_bytes_t picks = {0};
    kith_bytes_reserve (&self->found->counts, search->nq * 4);
    for (uint32_t query = 0; query < search->nq; query++) {
        kith_topk_t none = {0};
        kith_topk_t *top = self->tops ? &self->tops [query] : &none;
        kith_topk_sort (top);
        s_sort_ties (&ties, top);
        if (search->skip)
            s_skip (&ties, search->skip, query, top);
        uint32_t count = top->count < search->k ? top->count : search->k;
        kith_bytes_put_u32 (&self->found->counts, count);
        for (uint32_t index = 0; index < count; index++) {
            const kith_hit_t *hit = &top->hits [index];
            bool rising = kith_metric_ascends (search->field->metric);
            float score = rising ? hit->distance : -hit->distance;
            kith_pick_t pick = {.run = hit->part, .row = (uint32_t) hit->row};
            kith_bytes_put (&self->found->scores, &score, sizeof score);
            kith_bytes_put (&picks, &pick, sizeof pick);
        }
    }
    int status = kith_answer_gather (self->view, runs, self->run_count,
                                     (const kith_pick_t *) (const void *) picks.data,
                                     (uint32_t) (picks.size / sizeof (kith_pick_t)),
                                     &self->found->rows, error);
    kith_bytes_free (&picks);
    return status;
}

static void
s_searcher_free (s_searcher_t *self)
{
    for (uint32_t query = 0; self->tops && query < self->search->nq; query++)
        kith_topk_free (&self->tops [query]);
    free (self->tops);
    free (self->queries);
    free (self->norms);
    kith_bytes_free (&self->runs);
    kith_bytes_free (&self->stages);
}

void
kith_found_free (kith_found_t *self)
{
    assert (self);
    kith_bytes_free (&self->counts);
    kith_bytes_free (&self->scores);
    kith_bytes_free (&self->rows);
    free (self->stages);
    *self = (kith_found_t){0};
}

int
kith_view_search (const kith_view_t *view, const kith_search_t *search,
                  kith_found_t *found, kith_error_t *error)
{
    assert (view && search && search->field && found);
    assert (kith_type_is_vector (search->field->type));
    *found = (kith_found_t){.index = ""};
    if (s_check (view, search, error) != 0)
        return -1;
    s_searcher_t self = {.view = view,
                         .search = search,
                         .visible = {.s = view->s,
                                     .partitions = view->partitions,
                                     .partition_count = view->partition_count},
                         .k = search->k + (search->skip != NULL),
                         .found = found};
    int status = 0;
    for (uint32_t index = 0; status == 0 && index < view->count; index++)
        status = s_search_segment (&self, view->segments [index], error);
    if (status == 0)
        status = s_answer (&self, error);
    if (status == 0 && self.stages.size) {
        found->stage_count = (uint32_t) (self.stages.size / sizeof (kith_stage_t));
        found->stages = (kith_stage_t *) (void *) self.stages.data;
        self.stages = (kith_bytes_t){0};
    }
    s_searcher_free (&self);
    if (status != 0)
        kith_found_free (found);
    return status;
}
