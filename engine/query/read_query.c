//  read_query.c - rows of one view by key or by filter
//  SPDX-License-Identifier: Apache-2.0
#include "engine/query/answer.h"
#include "engine/query/filter_eval.h"
#include "engine/query/order.h"
#include "engine/query/read.h"

//  A query under way
typedef struct {
    const kith_view_t *view;
    const kith_query_t *query;
    kith_visible_t visible;
    kith_run_t *runs;         //  of all segments, one after another
    kith_column_t *keys;      //  a run each
    kith_column_t *values;    //  a run each; null: by key
    uint32_t run_count;
    kith_order_t order;
    uint64_t count;                    //  rows that match
    const kith_segment_t *found_in;    //  segment that `found` is about
    kith_bytes_t found;                //  u32: rows of that segment with a key asked for
    kith_arena_t arena;
} s_querier_t;

void
kith_rows_found_free (kith_rows_found_t *self)
{
    assert (self);
    kith_bytes_free (&self->rows);
    *self = (kith_rows_found_t){0};
}

static int
s_check (const kith_view_t *view, const kith_query_t *query, kith_error_t *error)
{
    const kith_field_t *key = kith_schema_key (view->schema);
    if (query->keys && (query->keys->type != key->type || query->keys->validity))
        return kith_error_set (
            error, KITH_ERR_TYPE_MISMATCH, "keys of %.80s are %s, not %s",
            kith_schema_name (view->schema), kith_type_name (key->type),
            kith_type_name (query->keys->type));
    if (query->keys && query->keys->rows > KITH_KEYS_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "%" PRIu32 " keys, at most %u are allowed",
                               query->keys->rows, KITH_KEYS_MAX);
    if (query->order && !kith_order_type (query->order->type))
        return kith_error_set (error, KITH_ERR_TYPE_MISMATCH,
                               "rows cannot be ordered by %s, which is %s",
                               query->order->name, kith_type_name (query->order->type));
    return kith_answer_check (view, error);
}

static void
s_open_runs (s_querier_t *self)
{
    const kith_view_t *view = self->view;
    kith_bytes_t runs = {0};
    for (uint32_t index = 0; index < view->count; index++) {
        uint32_t count = kith_segment_runs (view->segments [index]);
        for (uint32_t each = 0; each < count; each++) {
            kith_run_t run;
            kith_run_open (&run, view->segments [index], each, view->s);
            if (run.rows)
                kith_bytes_put (&runs, &run, sizeof run);
        }
    }
    self->run_count = (uint32_t) (runs.size / sizeof (kith_run_t));
    self->runs = (kith_run_t *) (void *) runs.data;
    self->keys = kith_new (self->run_count * sizeof self->keys [0]);
    const kith_field_t *order = self->query->order;
    if (order && !order->key)
        self->values = kith_new (self->run_count * sizeof self->values [0]);
    for (uint32_t index = 0; index < self->run_count; index++) {
        kith_run_column (&self->runs [index], kith_schema_key (view->schema)->id,
                         &self->arena, &self->keys [index]);
        if (self->values)
            kith_run_column (&self->runs [index], order->id, &self->arena,
                             &self->values [index]);
    }
}

//  Takes the rows of a run that are set in live; words null: all
static void
s_take (s_querier_t *self, uint32_t run, const kith_bits_t *live)
{
    uint32_t rows = self->runs [run].rows;
    if (!live->words) {
        self->count += rows;
        for (uint32_t row = 0; !self->query->count && row < rows; row++)
            kith_order_push (&self->order, (kith_pick_t){.run = run, .row = row});
        return;
    }
    self->count += kith_bits_popcount (live);
    for (size_t word = 0; !self->query->count && word < kith_bits_words (rows); word++) {
        for (uint64_t left = live->words [word]; left; left &= left - 1) {
            uint32_t row = (uint32_t) (word * 64) + (uint32_t) __builtin_ctzll (left);
            kith_order_push (&self->order, (kith_pick_t){.run = run, .row = row});
        }
    }
}

//  Looks every key up, once a segment
static void
s_find_keys (s_querier_t *self, const kith_segment_t *segment)
{
    if (self->found_in == segment)
        return;
    self->found_in = segment;
    kith_bytes_clear (&self->found);
    const kith_column_t *keys = self->query->keys;
    for (uint32_t index = 0; index < keys->rows; index++) {
        int64_t row = kith_segment_find (segment, keys, index, self->view->s);
        if (row >= 0)
            kith_bytes_put_u32 (&self->found, (uint32_t) row);
    }
}

//  Rows of a run that have one of the keys asked for
static void
s_mark_keys (s_querier_t *self, const kith_run_t *run, kith_bits_t *wanted)
{
    kith_bits_init (wanted, run->rows, false);
    s_find_keys (self, run->segment);
    for (size_t at = 0; at < self->found.size; at += 4) {
        uint32_t row = kith_get_u32 (self->found.data + at);
        if (row >= run->first_row && row - run->first_row < run->rows)
            kith_bits_set (wanted, row - run->first_row);
    }
}

static void
s_query_run (s_querier_t *self, uint32_t index)
{
    const kith_run_t *run = &self->runs [index];
    kith_bits_t live;
    uint32_t visible = kith_run_visible (run, &self->visible, &live);
    if (visible && self->query->keys) {
        kith_bits_t wanted;
        s_mark_keys (self, run, &wanted);
        if (live.words)
            kith_bits_and (&wanted, &live);
        kith_bits_free (&live);
        live = wanted;
    }
    if (visible && self->view->filter) {
        if (!live.words)
            kith_bits_init (&live, run->rows, true);
        kith_filter_eval_run (self->view->filter, run, &live);
    }
    if (visible)
        s_take (self, index, &live);
    kith_bits_free (&live);
}

int
kith_view_query (const kith_view_t *view, const kith_query_t *query,
                 kith_rows_found_t *found, kith_error_t *error)
{
    assert (view && query && found);
    *found = (kith_rows_found_t){0};
    if (s_check (view, query, error) != 0)
        return -1;
    s_querier_t self = {.view = view,
                        .query = query,
                        .visible = {.s = view->s,
                                    .partitions = view->partitions,
                                    .partition_count = view->partition_count}};
    s_open_runs (&self);
    bool sum_fits = query->limit <= UINT64_MAX - query->offset;
    self.order =
        (kith_order_t){.values = self.values,
                       .keys = self.keys,
                       .descending = query->descending,
                       .most = sum_fits ? query->limit + query->offset : UINT64_MAX};
    if (query->limit == 0)
        self.order.most = 0;
    for (uint32_t index = 0; index < self.run_count; index++)
        s_query_run (&self, index);
    const kith_pick_t *picks;
    uint32_t count = kith_order_finish (&self.order, query->offset, &picks);
    int status = kith_answer_gather (view, self.runs, self.run_count, picks, count,
                                     &found->rows, error);
    found->count = self.count;
    kith_bytes_free (&self.order.picks);
    kith_bytes_free (&self.found);
    free (self.runs);
    free (self.keys);
    free (self.values);
    kith_arena_free (&self.arena);
    return status;
}
