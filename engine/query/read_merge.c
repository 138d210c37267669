//  read_merge.c - merges answers of segments, holders or shards; they come from the network
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "engine/query/gather.h"
#include "engine/query/order.h"
#include "engine/query/read.h"

//  Parts with rows, opened and checked
typedef struct {
    kith_batch_t *batches;    //  a part each; no columns: it has no rows
    kith_column_t *keys;      //  a part each
    uint32_t count;
    const kith_batch_t *first;    //  the first one with rows; null: none
} s_parts_t;

//  Rows that were seen, by key; the newest of each stays
typedef struct {
    uint32_t *slots;    //  index of a candidate + 1
    uint64_t mask;
} s_seen_t;

//  ---------------------------------------------------------------------
//  Open

static int
s_refuse (kith_error_t *error, uint32_t part, const char *what)
{
    return kith_error_set (error, KITH_ERR_PROTOCOL, "answer part %" PRIu32 ": %s", part,
                           what);
}

//  Key first, then $seq; the same columns as the first part
static int
s_check_columns (const s_parts_t *self, uint32_t part, kith_error_t *error)
{
    const kith_batch_t *batch = &self->batches [part];
    if (batch->count < 2)
        return s_refuse (error, part, "it has no key or no $seq");
    const kith_column_t *key = &batch->columns [0];
    const kith_column_t *seq = &batch->columns [1];
    if ((key->type != KITH_TYPE_INT64 && key->type != KITH_TYPE_VARCHAR) || key->validity
        || seq->field != KITH_FIELD_SEQ || seq->type != KITH_TYPE_INT64 || seq->validity)
        return s_refuse (error, part, "its key or $seq is of another type");
    if (batch->count != self->first->count)
        return s_refuse (error, part, "its columns are not those of the first part");
    for (uint32_t index = 0; index < batch->count; index++) {
        const kith_column_t *column = &batch->columns [index];
        const kith_column_t *first = &self->first->columns [index];
        if (column->field != first->field || column->type != first->type
            || column->dim != first->dim)
            return s_refuse (error, part, "its columns are not those of the first part");
    }
    return 0;
}

static int
s_open_parts (s_parts_t *self, const kith_part_t *parts, uint32_t count,
              kith_error_t *error)
{
    *self = (s_parts_t){.count = count};
    self->batches = kith_new (count * sizeof self->batches [0]);
    self->keys = kith_new (count * sizeof self->keys [0]);
    for (uint32_t part = 0; part < count; part++) {
        kith_batch_t *batch = &self->batches [part];
        if (!parts [part].rows || parts [part].rows_bytes == 0)
            continue;
        if (kith_batch_open (batch, parts [part].rows, parts [part].rows_bytes, error)
            != 0)
            return kith_error_prefix (error, "answer part %" PRIu32, part);
        if (batch->rows == 0)
            continue;
        if (!self->first)
            self->first = batch;
        if (s_check_columns (self, part, error) != 0)
            return -1;
        self->keys [part] = batch->columns [0];
    }
    return 0;
}

static void
s_close_parts (s_parts_t *self)
{
    free (self->batches);
    free (self->keys);
}

static uint64_t
s_seq (const s_parts_t *self, kith_pick_t pick)
{
    return (uint64_t) kith_column_int (&self->batches [pick.run].columns [1], pick.row);
}

//  ---------------------------------------------------------------------
//  One row a key

static void
s_seen_init (s_seen_t *self, uint64_t rows)
{
    uint64_t slots = 16;
    while (slots < rows * 2)
        slots *= 2;
    self->slots = kith_new (slots * sizeof self->slots [0]);
    self->mask = slots - 1;
}

//  Puts candidate `index`; returns the index of an earlier one with the same key, or `index`
static uint32_t
s_seen_put (s_seen_t *self, const s_parts_t *parts, const kith_pick_t *picks,
            uint32_t index)
{
    kith_pick_t pick = picks [index];
    const kith_column_t *keys = &parts->keys [pick.run];
    uint64_t at = kith_key_hash (keys, pick.row) & self->mask;
    for (; self->slots [at]; at = (at + 1) & self->mask) {
        kith_pick_t other = picks [self->slots [at] - 1];
        if (kith_key_equal (keys, pick.row, &parts->keys [other.run], other.row))
            return self->slots [at] - 1;
    }
    self->slots [at] = index + 1;
    return index;
}

//  Moves the newest row of each key to the front; returns how many there are
static uint32_t
s_newest_rows (const s_parts_t *parts, kith_pick_t *picks, uint32_t count)
{
    s_seen_t seen;
    s_seen_init (&seen, count);
    uint32_t kept = 0;
    for (uint32_t index = 0; index < count; index++) {
        kith_pick_t pick = picks [index];
        picks [kept] = pick;
        uint32_t place = s_seen_put (&seen, parts, picks, kept);
        if (place == kept)
            kept++;
        else if (s_seq (parts, pick) > s_seq (parts, picks [place]))
            picks [place] = pick;
    }
    free (seen.slots);
    return kept;
}

//  ---------------------------------------------------------------------
//  Output

typedef struct {
    const s_parts_t *parts;
    const kith_pick_t *picks;
} s_output_t;

static kith_cell_t
s_cell (void *arg, uint32_t column, uint32_t index)
{
    const s_output_t *output = arg;
    kith_pick_t pick = output->picks [index];
    return (kith_cell_t){.column = &output->parts->batches [pick.run].columns [column],
                         .row = pick.row};
}

static int
s_gather (const s_parts_t *parts, const kith_pick_t *picks, uint32_t count,
          kith_bytes_t *out, kith_error_t *error)
{
    if (count == 0)
        return 0;
    s_output_t output = {.parts = parts, .picks = picks};
    kith_gather_t gather = {.shapes = parts->first->columns,
                            .columns = parts->first->count,
                            .rows = count,
                            .cell = s_cell,
                            .arg = &output};
    return kith_gather_batch (&gather, out, error);
}

//  ---------------------------------------------------------------------
//  Search answers

typedef struct {
    const s_parts_t *parts;
    const kith_part_t *bytes;
    uint64_t *next;    //  a part each: its first row of the query
    uint32_t k;
    bool rising;           //  smaller scores are better
    kith_bytes_t picks;    //  of the query
    kith_bytes_t all;      //  of all queries
} s_merger_t;

static float
s_score (const s_merger_t *self, kith_pick_t pick)
{
    float score;
    memcpy (&score, self->bytes [pick.run].scores + (size_t) pick.row * 4, sizeof score);
    return score;
}

//  The counts add up to the rows, there is a score a row, and it is a number
static int
s_check_counts (const kith_part_t *part, uint32_t number, uint32_t nq, uint32_t rows,
                kith_error_t *error)
{
    if (part->counts_bytes != (uint64_t) nq * 4 || (nq && !part->counts))
        return s_refuse (error, number, "its counts are not one a query");
    uint64_t sum = 0;
    for (uint32_t query = 0; query < nq; query++)
        sum += kith_get_u32 (part->counts + (size_t) query * 4);
    if (sum != rows || part->scores_bytes != sum * 4 || (sum && !part->scores))
        return s_refuse (error, number, "its counts, scores and rows do not agree");
    for (uint64_t row = 0; row < sum; row++) {
        float score;
        memcpy (&score, part->scores + row * 4, sizeof score);
        if (isnan (score))
            return s_refuse (error, number, "a score is not a number");
    }
    return 0;
}

static int
s_compare_scores (const void *a_p, const void *b_p, void *arg)
{
    const s_merger_t *self = arg;
    const kith_pick_t *a = a_p;
    const kith_pick_t *b = b_p;
    float score_a = s_score (self, *a);
    float score_b = s_score (self, *b);
    if (score_a < score_b)
        return self->rising ? -1 : 1;
    if (score_a > score_b)
        return self->rising ? 1 : -1;
    const kith_column_t *keys = self->parts->keys;
    return kith_key_compare (&keys [a->run], a->row, &keys [b->run], b->row);
}

//  Merges one query; returns its count
static uint32_t
s_merge_query (s_merger_t *self, uint32_t query)
{
    kith_bytes_clear (&self->picks);
    for (uint32_t part = 0; part < self->parts->count; part++) {
        uint32_t count = kith_get_u32 (self->bytes [part].counts + (size_t) query * 4);
        for (uint32_t index = 0; index < count; index++) {
            kith_pick_t pick = {.run = part,
                                .row = (uint32_t) (self->next [part] + index)};
            kith_bytes_put (&self->picks, &pick, sizeof pick);
        }
        self->next [part] += count;
    }
    kith_pick_t *picks = (kith_pick_t *) (void *) self->picks.data;
    uint32_t count = (uint32_t) (self->picks.size / sizeof *picks);
    if (count == 0)
        return 0;
    count = s_newest_rows (self->parts, picks, count);
    qsort_r (picks, count, sizeof *picks, s_compare_scores, self);
    return count < self->k ? count : self->k;
}

static int
s_merge_found (s_merger_t *self, uint32_t nq, kith_found_t *out, kith_error_t *error)
{
    for (uint32_t part = 0; part < self->parts->count; part++) {
        if (s_check_counts (&self->bytes [part], part, nq,
                            self->parts->batches [part].rows, error)
            != 0)
            return -1;
    }
    kith_bytes_reserve (&out->counts, (size_t) nq * 4);
    for (uint32_t query = 0; query < nq; query++) {
        uint32_t count = s_merge_query (self, query);
        kith_bytes_put_u32 (&out->counts, count);
        const kith_pick_t *picks = (const kith_pick_t *) (void *) self->picks.data;
        for (uint32_t index = 0; index < count; index++) {
            float score = s_score (self, picks [index]);
            kith_bytes_put (&out->scores, &score, sizeof score);
        }
        kith_bytes_put (&self->all, picks, count * sizeof *picks);
    }
    return s_gather (self->parts, (const kith_pick_t *) (void *) self->all.data,
                     (uint32_t) (self->all.size / sizeof (kith_pick_t)), &out->rows,
                     error);
}

int
kith_found_merge (const kith_part_t *parts, uint32_t part_count, uint32_t nq, uint32_t k,
                  kith_metric_t metric, kith_found_t *out, kith_error_t *error)
{
    assert ((parts || part_count == 0) && out);
    *out = (kith_found_t){0};
    s_parts_t opened;
    s_merger_t merger = {.parts = &opened,
                         .bytes = parts,
                         .next = kith_new (part_count * sizeof merger.next [0]),
                         .k = k,
                         .rising = kith_metric_ascends (metric)};
    int status = s_open_parts (&opened, parts, part_count, error);
    if (status == 0)
        status = s_merge_found (&merger, nq, out, error);
    kith_bytes_free (&merger.picks);
    kith_bytes_free (&merger.all);
    free (merger.next);
    s_close_parts (&opened);
    if (status != 0)
        kith_found_free (out);
    return status;
}

//  ---------------------------------------------------------------------
//  Row batches

//  The column of the field in each part; null if there is none that can be ordered
static kith_column_t *
s_order_columns (const s_parts_t *parts, uint32_t field)
{
    const kith_column_t *shape = kith_batch_field (parts->first, field);
    if (!shape || !kith_order_type (shape->type))
        return NULL;
    size_t index = (size_t) (shape - parts->first->columns);
    kith_column_t *columns = kith_new (parts->count * sizeof *columns);
    for (uint32_t part = 0; part < parts->count; part++)
        columns [part] = parts->batches [part].columns [index];
    return columns;
}

static int
s_merge_rows (const s_parts_t *parts, kith_order_t *order, uint64_t offset,
              kith_rows_found_t *out, kith_error_t *error)
{
    kith_bytes_t all = {0};
    for (uint32_t part = 0; part < parts->count; part++) {
        for (uint32_t row = 0; row < parts->batches [part].rows; row++) {
            kith_pick_t pick = {.run = part, .row = row};
            kith_bytes_put (&all, &pick, sizeof pick);
        }
    }
    kith_pick_t *picks = (kith_pick_t *) (void *) all.data;
    uint32_t count = s_newest_rows (parts, picks, (uint32_t) (all.size / sizeof *picks));
    out->count = count;
    for (uint32_t index = 0; index < count; index++)
        kith_order_push (order, picks [index]);
    const kith_pick_t *first;
    count = kith_order_finish (order, offset, &first);
    int status = s_gather (parts, first, count, &out->rows, error);
    kith_bytes_free (&order->picks);
    kith_bytes_free (&all);
    return status;
}

int
kith_rows_merge (const kith_part_t *parts, uint32_t part_count, uint32_t order,
                 bool descending, uint64_t offset, uint64_t limit, kith_rows_found_t *out,
                 kith_error_t *error)
{
    assert ((parts || part_count == 0) && out);
    *out = (kith_rows_found_t){0};
    s_parts_t opened;
    kith_column_t *values = NULL;
    int status = s_open_parts (&opened, parts, part_count, error);
    if (status == 0 && opened.first) {
        bool by_key = order == 0 || order == opened.first->columns [0].field;
        uint64_t most = limit <= UINT64_MAX - offset ? limit + offset : UINT64_MAX;
        if (!by_key)
            values = s_order_columns (&opened, order);
        if (!by_key && !values)
            status =
                kith_error_set (error, KITH_ERR_INVALID,
                                "the rows cannot be ordered by field %" PRIu32, order);
        kith_order_t sorted = {.values = values,
                               .keys = opened.keys,
                               .descending = descending,
                               .most = limit ? most : 0};
        if (status == 0)
            status = s_merge_rows (&opened, &sorted, offset, out, error);
    }
    free (values);
    s_close_parts (&opened);
    if (status != 0)
        kith_rows_found_free (out);
    return status;
}
