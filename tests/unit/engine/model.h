//  model.h - what segments must say, kept as a plain array of row versions; and records to feed both
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_TEST_MODEL_H
#define KITH_TEST_MODEL_H

#include "base/random.h"
#include "engine/segments/segment.h"

enum {
    MODEL_DIM = 5,
    MODEL_WIDE = 16,    //  dimension of a vector that is not of float32
    MODEL_KEY = 100,
    MODEL_NUMBER,    //  int64, nullable
    MODEL_REAL,      //  double
    MODEL_NARROW,    //  float
    MODEL_SMALL,     //  int8
    MODEL_FLAG,      //  bool, nullable
    MODEL_TEXT,      //  varchar(40), nullable
    MODEL_VECTOR
};

//  A version of a row
typedef struct {
    int64_t key;
    uint64_t seq;
    uint32_t place;    //  in its record
    uint32_t partition;
    uint64_t death;    //  KITH_ALIVE: none
    bool has_number, has_flag, has_text;
    int64_t number;
    double real;
    float narrow;
    int8_t small;
    bool flag;
    char text [41];
    float vector [MODEL_DIM];
    uint8_t
        raw [MODEL_WIDE * 2];    //  the vector as it is stored, when it is not of float32
} model_row_t;

typedef struct {
    kith_random_t random;
    kith_schema_t *schema;
    bool text_keys;
    kith_type_t type;        //  of the vector
    uint64_t seq;            //  of the newest record
    kith_bytes_t rows;       //  model_row_t
    kith_bytes_t records;    //  kith_record_t; bodies are the model's
    kith_objects_image_t *image;
    kith_objects_t *objects;
} model_t;

model_t *model_new (uint64_t seed, bool text_keys, kith_metric_t metric);
//  The same with vectors of MODEL_WIDE dimensions of another type.
model_t *model_new_of (uint64_t seed, kith_type_t type, kith_metric_t metric);

//  A random vector of that type, finite, into raw.
void model_raw (kith_random_t *random, kith_type_t type, uint8_t raw [MODEL_WIDE * 2]);
void model_destroy (model_t **self_p);

uint32_t model_count (const model_t *self);
const model_row_t *model_row (const model_t *self, uint32_t index);
const kith_record_t *
model_record (const model_t *self, uint64_t seq);    //  seqs begin at 1

//  Makes a record of up to rows_max rows with keys below `keys` and notes what it does.
void model_insert (model_t *self, uint32_t rows_max, uint32_t keys, uint32_t partitions);
void model_delete (model_t *self, uint32_t rows_max, uint32_t keys);
void model_seal (model_t *self);
void model_drop (model_t *self, uint32_t partitions);

//  Any of the first three, seldom a seal.
void model_step (model_t *self, uint32_t rows_max, uint32_t keys);

bool model_visible (const model_row_t *row, uint64_t s);

//  The version of a key that is visible at s among those with from <= seq <= to; null: none.
const model_row_t *
model_find (const model_t *self, int64_t key, uint64_t from, uint64_t to, uint64_t s);

//  A column of keys, built into out.
void model_keys (const model_t *self, const int64_t *keys, uint32_t count,
                 kith_bytes_t *out, kith_column_t *column);
int64_t model_key_of (const kith_column_t *column, uint32_t row);

//  Flushes (after, to] of the records into the model's objects; false: no row was left.
bool model_flush (model_t *self, uint64_t after, uint64_t to, const char *name);
kith_segment_t *model_open (model_t *self, const char *name, const char *deaths);

//  Gives every full piece of a growing segment a graph for spec, which of few rows compares all that are live.
void model_index (kith_segment_t *growing, uint64_t spec);

#endif
