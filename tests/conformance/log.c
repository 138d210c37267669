//  log.c - the suite that every log engine must pass
//  SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/log.h"

#include "base/limits.h"
#include "base/random.h"

#include <criterion/criterion.h>

//  --- oracle --------------------------------------------------------------------------------------------

void
log_oracle_cut (log_oracle_t *self, size_t count)
{
    while (self->count > count)
        free ((void *) (uintptr_t) self->records [--self->count].body);
}

void
log_oracle_free (log_oracle_t *self)
{
    log_oracle_cut (self, 0);
    free (self->records);
    *self = (log_oracle_t){0};
}

kith_record_t
log_oracle_record (uint64_t seed, size_t index, size_t body_max)
{
    kith_random_t random;
    kith_random_seed (&random, kith_mix64 (seed) + index);
    kith_record_t record = {
        .kind = (kith_record_kind_t) (1 + kith_random_below (&random, 3)),
        .partition = (uint32_t) kith_random_below (&random, 5),
        .channel = 1 + kith_random_below (&random, 9),
        .timestamp = 1000 + kith_random_below (&random, 1u << 30),
        .request = {.counter = kith_random_next (&random),
                    .part = (uint32_t) kith_random_below (&random, 4)},
        .rows = (uint32_t) kith_random_below (&random, 1000)};
    for (size_t byte = 0; byte < sizeof record.request.client; byte++)
        record.request.client [byte] = (uint8_t) kith_random_next (&random);
    if (record.kind == KITH_RECORD_SEAL || body_max == 0)
        return record;
    record.body_bytes = kith_random_below (&random, body_max);
    uint8_t *body = kith_new (record.body_bytes + 1);
    for (uint64_t byte = 0; byte < record.body_bytes; byte++)
        body [byte] = (uint8_t) kith_random_next (&random);
    record.body = body;
    return record;
}

bool
log_oracle_same (const kith_record_t *a, const kith_record_t *b)
{
    return a->kind == b->kind && a->cluster == b->cluster && a->log == b->log
           && a->partition == b->partition && a->epoch == b->epoch && a->seq == b->seq
           && a->channel == b->channel && a->timestamp == b->timestamp
           && memcmp (a->request.client, b->request.client, sizeof a->request.client) == 0
           && a->request.counter == b->request.counter
           && a->request.part == b->request.part && a->rows == b->rows
           && a->behind == b->behind && a->body_bytes == b->body_bytes
           && (a->body_bytes == 0 || memcmp (a->body, b->body, a->body_bytes) == 0);
}

int
log_oracle_append (log_oracle_t *self, kith_log_t *log, size_t count, uint64_t seed,
                   size_t body_max, uint64_t epoch)
{
    kith_record_t *records = kith_new (count * sizeof *records);
    uint64_t behind = 0;
    for (size_t index = 0; index < count; index++)
        records [index] = log_oracle_record (seed, index, body_max);
    kith_error_t error;
    kith_error_clear (&error);
    int rc = log->append (log, records, count, &error);
    for (size_t index = 0; index < count; index++) {
        kith_record_t record = records [index];
        if (rc != 0) {
            free ((void *) (uintptr_t) record.body);
            continue;
        }
        if (self->count == self->room) {
            self->room = self->room ? self->room * 2 : 64;
            self->records = realloc (self->records, self->room * sizeof *self->records);
            cr_assert (self->records);
        }
        record.cluster = LOG_TEST_CLUSTER;
        record.log = LOG_TEST_LOG;
        record.epoch = epoch;
        record.seq = self->base + self->count + 1;
        record.behind = (uint32_t) behind;
        behind += kith_record_bytes (record.body_bytes);
        self->records [self->count++] = record;
    }
    free (records);
    return rc;
}

void
log_oracle_check (const log_oracle_t *self, kith_log_t *log, uint64_t channel,
                  uint64_t bytes_max)
{
    uint64_t last = self->base + self->count, after = log->first (log) - 1;
    cr_assert_eq (log->last (log), last);
    cr_assert (after >= self->base && after <= last);
    size_t next = (size_t) (after - self->base);
    while (after < last) {
        kith_bytes_t out = {0};
        kith_error_t error;
        uint64_t covered = 0;
        cr_assert_eq (log->read (log, after, channel, bytes_max, &out, &covered, &error),
                      0, "%s", error.message);
        cr_assert (covered > after && covered <= last);
        size_t pieces = 0;
        for (uint64_t at = 0, used = 0; at < out.size; at += used, pieces++) {
            kith_record_t record;
            cr_assert_eq (kith_record_open (&record, out.data + at, out.size - at, &used,
                                            NULL, NULL, &error),
                          0, "%s", error.message);
            while (next < self->count && channel
                   && self->records [next].channel != channel)
                next++;
            cr_assert_lt (next, self->count);
            cr_assert (log_oracle_same (&record, &self->records [next]), "record %zu",
                       next);
            next++;
        }
        cr_assert (out.size <= bytes_max || pieces == 1);
        after = covered;
        kith_bytes_free (&out);
        //  Nothing of the channel was left out below covered
        while (next < (size_t) (after - self->base) && channel
               && self->records [next].channel != channel)
            next++;
        cr_assert_geq (next, (size_t) (after - self->base));
    }
    cr_assert_eq (after, last);
}

kith_log_open_t
log_test_options (uint64_t epoch, uint64_t base, bool home_new)
{
    return (kith_log_open_t){.cluster = LOG_TEST_CLUSTER,
                             .log = LOG_TEST_LOG,
                             .epoch = epoch,
                             .base = base,
                             .home_new = home_new};
}

//  --- cases ---------------------------------------------------------------------------------------------

static kith_code_t
s_open (kith_log_t *log, uint64_t epoch, uint64_t base, bool home_new)
{
    kith_log_open_t options = log_test_options (epoch, base, home_new);
    kith_error_t error;
    kith_error_clear (&error);
    int rc = log->open (log, &options, &error);
    cr_assert_eq (rc == 0, error.code == KITH_OK, "%s", error.message);
    return error.code;
}

static void
s_check_all (const log_oracle_t *oracle, kith_log_t *log)
{
    static const uint64_t limits [] = {1, 1000, 20000, 1u << 30};
    for (size_t limit = 0; limit < sizeof limits / sizeof limits [0]; limit++)
        log_oracle_check (oracle, log, 0, limits [limit]);
    for (uint64_t channel = 1; channel <= 10; channel++)
        log_oracle_check (oracle, log, channel, channel % 2 ? 4096 : 100000);
}

static void
s_case_home (const kith_conformance_log_t *engine)
{
    void *place = engine->place ();
    kith_log_t *log = engine->handle (place);
    kith_bytes_t out = {0};
    uint64_t covered;
    kith_record_t record = {.kind = KITH_RECORD_SEAL};
    kith_error_t error;
    cr_assert_neq (log->append (log, &record, 1, &error), 0);
    cr_assert_neq (log->read (log, 0, 0, 1000, &out, &covered, &error), 0);
    cr_assert_neq (log->mark (log, &error), 0);

    cr_assert_eq (s_open (log, 3, 41, false), KITH_ERR_LOST);
    cr_assert_neq (log->append (log, &record, 1, &error), 0);
    cr_assert_eq (s_open (log, 4, 41, true), KITH_OK);
    cr_assert_eq (log->last (log), 41);
    cr_assert_eq (log->first (log), 42);
    cr_assert_eq (log->last_timestamp (log), 0);
    cr_assert_eq (log->append (log, &record, 1, &error), 0);
    cr_assert_eq (log->last (log), 42);

    //  The home was made, but metadata does not say so yet
    cr_assert_eq (s_open (log, 5, 41, true), KITH_OK);
    cr_assert_eq (log->last (log), 42);
    log->close (&log);
    cr_assert_null (log);

    //  Metadata knows of more than is here
    log = engine->handle (place);
    cr_assert_eq (s_open (log, 6, 43, false), KITH_ERR_LOST);
    cr_assert_eq (s_open (log, 7, 43, true), KITH_ERR_EXISTS);
    cr_assert_eq (s_open (log, 8, 41, false), KITH_OK);
    log->close (&log);
    engine->drop (place);
}

static void
s_case_records (const kith_conformance_log_t *engine)
{
    void *place = engine->place ();
    kith_log_t *log = engine->handle (place);
    log_oracle_t oracle = {.base = 0};
    cr_assert_eq (s_open (log, 1, 0, true), KITH_OK);
    uint64_t epoch = 1;
    for (uint64_t round = 0; round < 60; round++) {
        size_t count = round % 7 == 0 ? 40 : 1 + round % 5;
        size_t body_max = round == 33 ? 300000 : round % 11 == 0 ? 0 : 4000;
        cr_assert_eq (log_oracle_append (&oracle, log, count, round, body_max, epoch), 0);
        cr_assert_eq (log->last (log), oracle.count);
        cr_assert_eq (log->last_timestamp (log),
                      oracle.records [oracle.count - 1].timestamp);
        if (round % 20 == 5)
            cr_assert_eq (s_open (log, ++epoch, 0, false), KITH_OK);
        if (round % 20 == 15) {
            log->close (&log);
            log = engine->handle (place);
            cr_assert_eq (s_open (log, ++epoch, 0, false), KITH_OK);
        }
        if (round % 10 == 9)
            cr_assert_eq (log->mark (log, NULL), 0);
    }
    s_check_all (&oracle, log);
    cr_assert_eq (s_open (log, ++epoch, 0, false), KITH_OK);
    cr_assert_eq (log->last_timestamp (log), oracle.records [oracle.count - 1].timestamp);
    s_check_all (&oracle, log);

    //  Nothing comes after the end
    kith_bytes_t out = {0};
    uint64_t covered = 0;
    cr_assert_eq (log->read (log, oracle.count, 0, 1000, &out, &covered, NULL), 0);
    cr_assert_eq (covered, oracle.count);
    cr_assert_eq (out.size, 0);
    log->close (&log);
    log_oracle_free (&oracle);
    engine->drop (place);
}

static void
s_case_owner (const kith_conformance_log_t *engine)
{
    void *place = engine->place ();
    kith_log_t *first = engine->handle (place), *second = engine->handle (place);
    log_oracle_t oracle = {.base = 0};
    cr_assert_eq (s_open (first, 5, 0, true), KITH_OK);
    cr_assert_eq (log_oracle_append (&oracle, first, 3, 1, 500, 5), 0);
    cr_assert_eq (s_open (second, 6, 0, false), KITH_ERR_LOCKED);
    cr_assert_eq (log_oracle_append (&oracle, first, 3, 2, 500, 5), 0);
    first->close (&first);
    cr_assert_eq (s_open (second, 6, 0, false), KITH_OK);
    cr_assert_eq (log_oracle_append (&oracle, second, 3, 3, 500, 6), 0);
    second->close (&second);

    //  An epoch that was taken before 6 comes too late, and does not keep the next owner out
    first = engine->handle (place);
    cr_assert_eq (s_open (first, 5, 0, false), KITH_ERR_NOT_OWNER);
    second = engine->handle (place);
    cr_assert_eq (s_open (second, 7, 0, false), KITH_OK);
    cr_assert_eq (s_open (first, 8, 0, false), KITH_ERR_LOCKED);
    s_check_all (&oracle, second);
    first->close (&first);
    second->close (&second);

    first = engine->handle (place);
    kith_log_open_t options = log_test_options (9, 0, false);
    kith_error_t error;
    options.cluster++;
    cr_assert_neq (first->open (first, &options, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_CLUSTER);
    options.cluster--;
    options.log++;
    cr_assert_neq (first->open (first, &options, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_CLUSTER);
    cr_assert_eq (s_open (first, 9, 0, false), KITH_OK);
    s_check_all (&oracle, first);
    first->close (&first);
    log_oracle_free (&oracle);
    engine->drop (place);
}

static void
s_case_refused (const kith_conformance_log_t *engine)
{
    void *place = engine->place ();
    kith_log_t *log = engine->handle (place);
    log_oracle_t oracle = {.base = 0};
    cr_assert_eq (s_open (log, 1, 0, true), KITH_OK);
    cr_assert_eq (log_oracle_append (&oracle, log, 2, 1, 500, 1), 0);

    kith_error_t error;
    kith_record_t record = {.kind = KITH_RECORD_EPOCH};
    cr_assert_neq (log->append (log, &record, 1, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_INVALID);
    record.kind = KITH_RECORD_BARRIER;
    cr_assert_neq (log->append (log, &record, 1, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_INVALID);
    record.kind = KITH_RECORD_INSERT;
    record.body_bytes = KITH_LOG_RECORD_BYTES_MAX;
    record.body = kith_new (record.body_bytes);
    cr_assert_neq (log->append (log, &record, 1, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_LIMIT);

    //  Nothing was written, so the log goes on: with the end of a partition, and the largest record of all
    record.body_bytes -= KITH_RECORD_HEADER;
    const kith_record_t drop = {.kind = KITH_RECORD_DROP, .partition = 5};
    cr_assert_eq (log->append (log, NULL, 0, &error), 0);
    cr_assert_eq (log->append (log, &drop, 1, &error), 0);
    cr_assert_eq (log->append (log, &record, 1, &error), 0);
    cr_assert_eq (log->last (log), 4);
    cr_assert_eq (s_open (log, 2, 0, false), KITH_OK);
    cr_assert_eq (log->last (log), 4);
    kith_bytes_t out = {0};
    uint64_t covered = 0;
    cr_assert_eq (log->read (log, 3, 0, 1000, &out, &covered, &error), 0);
    cr_assert_eq (out.size, kith_record_bytes (record.body_bytes));
    kith_bytes_free (&out);
    free ((void *) (uintptr_t) record.body);
    log->close (&log);
    log_oracle_free (&oracle);
    engine->drop (place);
}

static void
s_case_trim (const kith_conformance_log_t *engine)
{
    void *place = engine->place ();
    kith_log_t *log = engine->handle (place);
    log_oracle_t oracle = {.base = 10};
    cr_assert_eq (s_open (log, 1, 10, true), KITH_OK);
    for (uint64_t round = 0; round < 40; round++)
        cr_assert_eq (log_oracle_append (&oracle, log, 5, round, 2000, 1), 0);
    kith_bytes_t out = {0};
    uint64_t covered = 0, before = 11, last = 10 + oracle.count;
    kith_error_t error;
    for (uint64_t seq = 0; seq <= last; seq += 29) {
        cr_assert_eq (log->trim (log, seq, NULL), 0);
        uint64_t first = log->first (log);
        cr_assert (first >= before && (first <= seq + 1 || first == 11));
        before = first;
        if (first > 1) {
            cr_assert_neq (log->read (log, first - 2, 0, 1000, &out, &covered, &error),
                           0);
            cr_assert_eq (error.code, KITH_ERR_TRIMMED);
            cr_assert_eq (out.size, 0);
        }
        s_check_all (&oracle, log);
    }
    cr_assert_eq (log->trim (log, UINT64_MAX, NULL), 0);
    cr_assert_eq (log->last (log), last);
    uint64_t timestamp = log->last_timestamp (log);
    cr_assert_eq (s_open (log, 2, 10, false), KITH_OK);
    cr_assert_eq (log->last (log), last);
    cr_assert_eq (log->last_timestamp (log), timestamp);
    cr_assert_eq (log_oracle_append (&oracle, log, 5, 99, 2000, 2), 0);
    s_check_all (&oracle, log);
    kith_bytes_free (&out);
    log->close (&log);
    log_oracle_free (&oracle);
    engine->drop (place);
}

void
kith_conformance_log (const kith_conformance_log_t *engine)
{
    s_case_home (engine);
    s_case_records (engine);
    s_case_owner (engine);
    s_case_refused (engine);
    s_case_trim (engine);
}
