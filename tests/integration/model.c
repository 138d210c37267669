//  model.c - what a collection must hold and answer: every row in an array, every search by comparing all of them
//  SPDX-License-Identifier: Apache-2.0
#include "tests/integration/model.h"
#include "tests/claims/common.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

model_t *
model_new (uint64_t seed)
{
    model_t *self = calloc (1, sizeof *self);
    model_row_t *rows = calloc (MODEL_ROWS, sizeof *rows);
    if (!self || !rows)
        abort ();
    self->rows = rows;
    self->random = seed;
    return self;
}

void
model_destroy (model_t **self_p)
{
    model_t *self = *self_p;
    if (!self)
        return;
    free (self->rows);
    free (self);
    *self_p = NULL;
}

void
model_spot (model_t *self, float *spot)
{
    for (size_t i = 0; i < MODEL_SPOT; i++)
        spot [i] = (float) ((int) (claim_random (&self->random) % 9) - 4);
}

void
model_way (model_t *self, float *way)
{
    for (size_t i = 0; i < MODEL_WAY; i++)
        way [i] = (float) ((double) (claim_random (&self->random) >> 11) * 0x1p-52 - 1);
}

model_row_t *
model_write (model_t *self, int64_t key)
{
    model_row_t *row = &self->rows [key];
    row->there = true;
    row->rank = self->next_rank++;
    snprintf (row->word, sizeof row->word, "w%u-%lld",
              (unsigned) (claim_random (&self->random) % 20), (long long) key);
    model_spot (self, row->spot);
    model_way (self, row->way);
    return row;
}

static bool
s_passes (const model_row_t *row, model_filter_fn *filter)
{
    return row->there && (!filter || filter (row));
}

size_t
model_count (const model_t *self, model_filter_fn *filter)
{
    size_t count = 0;
    for (size_t key = 0; key < MODEL_ROWS; key++)
        count += s_passes (&self->rows [key], filter);
    return count;
}

//  Puts a hit where it belongs; smaller scores first, keys come in rising order
static size_t
s_put (model_hit_t *hits, size_t count, size_t k, model_hit_t hit)
{
    size_t at = count;
    while (at > 0 && hits [at - 1].score > hit.score)
        at--;
    if (at == k)
        return count;
    for (size_t i = count < k ? count : k - 1; i > at; i--)
        hits [i] = hits [i - 1];
    hits [at] = hit;
    return count < k ? count + 1 : k;
}

size_t
model_search_spot (const model_t *self, const float *spot, model_filter_fn *filter,
                   size_t k, model_hit_t *hits)
{
    size_t count = 0;
    for (size_t key = 0; key < MODEL_ROWS; key++) {
        const model_row_t *row = &self->rows [key];
        double sum = 0;
        if (!s_passes (row, filter))
            continue;
        for (size_t i = 0; i < MODEL_SPOT; i++) {
            const double apart = (double) row->spot [i] - (double) spot [i];
            sum += apart * apart;
        }
        count = s_put (hits, count, k, (model_hit_t){(int64_t) key, sum});
    }
    return count;
}

double
model_cosine (const model_row_t *row, const float *way)
{
    double dot = 0, a = 0, b = 0;
    for (size_t i = 0; i < MODEL_WAY; i++) {
        dot += (double) row->way [i] * (double) way [i];
        a += (double) row->way [i] * (double) row->way [i];
        b += (double) way [i] * (double) way [i];
    }
    return dot / sqrt (a * b);
}

size_t
model_search_way (const model_t *self, const float *way, model_filter_fn *filter,
                  size_t k, model_hit_t *hits)
{
    size_t count = 0;
    for (size_t key = 0; key < MODEL_ROWS; key++)
        if (s_passes (&self->rows [key], filter))
            count = s_put (
                hits, count, k,
                (model_hit_t){(int64_t) key, -model_cosine (&self->rows [key], way)});
    for (size_t i = 0; i < count; i++)
        hits [i].score = -hits [i].score;
    return count;
}

size_t
model_query (const model_t *self, model_filter_fn *filter, size_t max, int64_t *keys)
{
    size_t count = 0;
    for (size_t key = 0; key < MODEL_ROWS; key++) {
        const model_row_t *row = &self->rows [key];
        if (!s_passes (row, filter))
            continue;
        size_t at = count;
        while (at > 0 && self->rows [keys [at - 1]].rank > row->rank)
            at--;
        if (at == max)
            continue;
        for (size_t i = count < max ? count : max - 1; i > at; i--)
            keys [i] = keys [i - 1];
        keys [at] = (int64_t) key;
        count = count < max ? count + 1 : max;
    }
    return count;
}
