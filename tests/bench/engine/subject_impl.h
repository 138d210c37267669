//  subject_impl.h - what the files of the benchmarks' library share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_BENCH_SUBJECT_IMPL_H
#define KITH_BENCH_SUBJECT_IMPL_H

#include "engine/indexes/index.h"
#include "tests/bench/engine/subject.h"

struct bench_rows {
    kith_rows_t rows;
    float *norms;    //  of all rows, whatever the metric
};

struct bench_index {
    const bench_rows_t *rows;
    kith_index_t *index;
};

//  Monotonic seconds; seconds that the calling thread has computed, whoever else wanted the processor meanwhile.
double bench_now (void);
double bench_cpu (void);

#endif
