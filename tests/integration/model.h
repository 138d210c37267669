//  model.h - what a collection must hold and answer: every row in an array, every search by comparing all of them
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_INTEGRATION_MODEL_H
#define KITH_INTEGRATION_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

//  Spots are small whole numbers: a squared distance is exact in float whatever the order of its operations, and many
//  are equal, so that the order of equals is seen. Ways are anything.
enum { MODEL_ROWS = 4000, MODEL_SPOT = 16, MODEL_WAY = 24, MODEL_WORD = 24 };

typedef struct {
    bool there;
    int64_t rank;    //  of one row only
    char word [MODEL_WORD];
    float spot [MODEL_SPOT];    //  L2
    float way [MODEL_WAY];      //  cosine
} model_row_t;

typedef struct {
    model_row_t *rows;    //  by key, 0 .. MODEL_ROWS - 1
    uint64_t random;
    int64_t next_rank;
} model_t;

typedef struct {
    int64_t key;
    double score;
} model_hit_t;

typedef bool (model_filter_fn) (const model_row_t *row);

model_t *model_new (uint64_t seed);
void model_destroy (model_t **self_p);

//  A row as it will be written next under a key; made up anew each time.
model_row_t *model_write (model_t *self, int64_t key);

//  Vectors to ask for.
void model_spot (model_t *self, float *spot);
void model_way (model_t *self, float *way);

size_t model_count (const model_t *self, model_filter_fn *filter);

//  The k rows nearest to a vector, by score, then key; returns how many.
size_t model_search_spot (const model_t *self, const float *spot, model_filter_fn *filter,
                          size_t k, model_hit_t *hits);
size_t model_search_way (const model_t *self, const float *way, model_filter_fn *filter,
                         size_t k, model_hit_t *hits);

//  Cosine of a row.
double model_cosine (const model_row_t *row, const float *way);

//  Keys of the rows of a filter by rank, at most max; returns how many.
size_t
model_query (const model_t *self, model_filter_fn *filter, size_t max, int64_t *keys);

#endif
