//  filter_eval.h - runs a filter over the rows of a run
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FILTER_EVAL_H
#define KITH_FILTER_EVAL_H

#include "engine/query/filter.h"
#include "engine/segments/run.h"

//  Drops the rows of the run that do not pass from bits (a bit a row of the run).
void kith_filter_eval_run (const kith_filter_t *self, const kith_run_t *run,
                           kith_bits_t *bits);

#endif
