//  topk.h - keeps the k best of many scored rows
//  SPDX-License-Identifier: Apache-2.0
//
//  `distance` is always smaller-is-better (inner product and cosine come negated), ties go to the smaller
//  row, so that the result never depends on the order of arrival.
#ifndef KITH_TOPK_H
#define KITH_TOPK_H

#include "base/base.h"

typedef struct {
    float distance;
    uint32_t part;    //  caller's: segment of the row
    uint64_t row;
} kith_hit_t;

typedef struct {
    kith_hit_t *hits;    //  a max-heap while open, ascending when sorted
    uint32_t count;
    uint32_t k;
} kith_topk_t;

//  True if a is better than b: smaller distance, then smaller part, then smaller row.
bool kith_hit_better (const kith_hit_t *a, const kith_hit_t *b);

void kith_topk_init (kith_topk_t *self, uint32_t k);
void kith_topk_free (kith_topk_t *self);
void kith_topk_push (kith_topk_t *self, kith_hit_t hit);

//  Distance that a further row must be at or below to enter; +inf until k are held.
float kith_topk_worst (const kith_topk_t *self);

//  Sorts best first; no push after it.
void kith_topk_sort (kith_topk_t *self);

#endif
