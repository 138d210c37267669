//  log.h - the suite that every log engine must pass
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CONFORMANCE_LOG_H
#define KITH_CONFORMANCE_LOG_H

#include "storage/log.h"

//  An engine under test: `place` is where one log lives on when its handle is closed
typedef struct {
    void *(*place) (void);                  //  a new, empty place
    kith_log_t *(*handle) (void *place);    //  a new handle on it, not yet opened
    void (*drop) (void *place);
} kith_conformance_log_t;

//  Runs every case on places of its own; ends the test at the first difference.
void kith_conformance_log (const kith_conformance_log_t *engine);

//  A plain list of what was appended: what every log is compared with
typedef struct {
    kith_record_t *records;    //  with bodies of their own
    size_t count;
    size_t room;
    uint64_t base;    //  records [n] has seq base + 1 + n
} log_oracle_t;

void log_oracle_free (log_oracle_t *self);

//  Appends `count` records made from `seed` to the log; to the oracle too if that works. body_max: longest body.
int log_oracle_append (log_oracle_t *self, kith_log_t *log, size_t count, uint64_t seed,
                       size_t body_max, uint64_t epoch);

//  Makes record number `index` of a seed: any kind, channel, request, body. The body is the caller's.
kith_record_t log_oracle_record (uint64_t seed, size_t index, size_t body_max);

//  True if a record is the oracle's.
bool log_oracle_same (const kith_record_t *a, const kith_record_t *b);

//  Forgets all after the first `count` records.
void log_oracle_cut (log_oracle_t *self, size_t count);

//  Asserts that the log holds just these records, from its first() on, when read in pieces of bytes_max.
void log_oracle_check (const log_oracle_t *self, kith_log_t *log, uint64_t channel,
                       uint64_t bytes_max);

#define LOG_TEST_CLUSTER 0x1122334455667788u
#define LOG_TEST_LOG 7u

//  Options of an opening of the test log.
kith_log_open_t log_test_options (uint64_t epoch, uint64_t base, bool home_new);

#endif
