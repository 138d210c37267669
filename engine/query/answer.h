//  answer.h - the rows that a read picked, as a batch
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_ANSWER_H
#define KITH_ANSWER_H

#include "engine/query/read.h"
#include "engine/segments/run.h"

//  A row by the run it lies in
typedef struct {
    uint32_t run;
    uint32_t row;
} kith_pick_t;

//  INVALID if the view asks for a field that is not there.
int kith_answer_check (const kith_view_t *view, kith_error_t *error);

//  Appends the batch of the picked rows to out: key, $seq, the view's fields. Nothing when count is 0. LIMIT: over KITH_MESSAGE_BYTES_MAX.
int kith_answer_gather (const kith_view_t *view, const kith_run_t *runs,
                        uint32_t run_count, const kith_pick_t *picks, uint32_t count,
                        kith_bytes_t *out, kith_error_t *error);

#endif
