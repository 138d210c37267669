//  held_out.h - rows of an fbin file, queries that were taken out of them, and the exact answers
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_BENCH_HELD_OUT_H
#define KITH_BENCH_HELD_OUT_H

#include <time.h>

#include "base/topk.h"
#include "engine/indexes/flat.h"

typedef struct {
    kith_rows_t rows;    //  the vectors stay in place behind it
    float *vectors, *norms;
    float *queries;        //  nq * rows.dim, 64-byte aligned
    float *query_norms;    //  nq
    uint32_t nq;
    kith_bits_t live;      //  rows that may be answered; words is null without a filter
    kith_topk_t *truth;    //  nq, sorted; null until bench_held_out_exact
} bench_held_out_t;

//  Reads {rows, dim, floats} and draws nq queries by a fixed seed. -1: the file cannot be used, which was said on stderr.
int bench_held_out_load (bench_held_out_t *self, const char *path, kith_metric_t metric,
                         uint32_t nq);

//  A filter that leaves this share of the rows, at random.
void bench_held_out_filter (bench_held_out_t *self, double share);

//  The filter, or null.
const kith_bits_t *bench_held_out_live (const bench_held_out_t *self);

//  The k nearest of every query, by a scan.
void bench_held_out_exact (bench_held_out_t *self, uint32_t k);

//  Hits of an answer to `query` that are as near as the last of the exact ones.
uint32_t bench_held_out_right (const bench_held_out_t *self, uint32_t query,
                               const kith_topk_t *top);

void bench_held_out_free (bench_held_out_t *self);

//  Seconds of a clock
double bench_seconds (clockid_t clock);

#endif
