//  test_log_faults.c - logs through crashes, power losses, full disks and failing syncs; readers beside the writer
//  SPDX-License-Identifier: Apache-2.0
//
//  Invariants I1 and I2: what append said is synced is there after anything; what it did not say may be there,
//  in order, or not; nothing else is. The oracle is the plain list of both.
#include "tests/conformance/log.h"
#include "tests/unit/storage/mem_fs.h"
#include "tests/unit/storage/scratch.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIRECTORY "logs/log-7"

//  One run
typedef struct {
    mem_fs_t *fs;
    kith_log_t *log;
    kith_random_t random;
    log_oracle_t oracle;
    bool made;    //  the home is there
    uint64_t epoch;
    uint64_t trimmed;         //  greatest seq that trim was told
    uint64_t unknown_seed;    //  append whose outcome is unknown
    size_t unknown_count;     //  its records; 0: there is none
    uint64_t unknown_epoch;
    size_t acked;    //  counts, so that a run that does nothing is seen
    size_t failed;
    size_t adopted;
} run_t;

//  What the log has beyond the oracle must be the beginning of the append with the unknown outcome.
static void
s_adopt (run_t *self)
{
    uint64_t last = self->log->last (self->log);
    cr_assert_geq (last, self->oracle.count, "%lu of %zu", last, self->oracle.count);
    cr_assert_leq (last, self->oracle.count + self->unknown_count);
    size_t extra = (size_t) (last - self->oracle.count);
    if (extra) {
        //  The same records again, through a log of their own, so that the oracle has them
        kith_log_image_t *image = kith_log_image_new ();
        kith_log_t *twin = kith_log_mem_new (image);
        kith_log_open_t options = log_test_options (1, self->oracle.count, true);
        cr_assert_eq (twin->open (twin, &options, NULL), 0);
        size_t before = self->oracle.count;
        cr_assert_eq (log_oracle_append (&self->oracle, twin, self->unknown_count,
                                         self->unknown_seed, 700, self->unknown_epoch),
                      0);
        log_oracle_cut (&self->oracle, before + extra);
        twin->close (&twin);
        kith_log_image_destroy (&image);
        self->adopted += extra;
    }
    self->unknown_count = 0;
}

static bool
s_open (run_t *self)
{
    kith_log_open_t options = log_test_options (++self->epoch, 0, !self->made);
    kith_error_t error;
    kith_error_clear (&error);
    if (self->log->open (self->log, &options, &error) != 0) {
        cr_assert (error.code == KITH_ERR_IO || error.code == KITH_ERR_NO_SPACE, "%s: %s",
                   kith_code_name (error.code), error.message);
        self->failed++;
        return false;
    }
    self->made = true;
    s_adopt (self);
    cr_assert_leq (self->log->first (self->log), self->trimmed + 1);
    log_oracle_check (&self->oracle, self->log, 0, 5000);
    return true;
}

//  False: the append failed, and the log must be opened again.
static bool
s_append (run_t *self)
{
    uint64_t seed = kith_random_next (&self->random);
    size_t count = 1 + kith_random_below (&self->random, 4);
    if (log_oracle_append (&self->oracle, self->log, count, seed, 700, self->epoch)
        == 0) {
        self->acked += count;
        return true;
    }
    self->unknown_seed = seed;
    self->unknown_count = count;
    self->unknown_epoch = self->epoch;
    self->failed++;

    //  It says so until it is opened again, and what was acked can still be read
    kith_record_t record = {.kind = KITH_RECORD_SEAL};
    kith_error_t error;
    cr_assert_neq (self->log->append (self->log, &record, 1, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_NOT_OWNER);
    log_oracle_check (&self->oracle, self->log, 0, 5000);
    return false;
}

static void
s_work (run_t *self)
{
    for (uint64_t left = kith_random_below (&self->random, 25); left; left--) {
        uint64_t what = kith_random_below (&self->random, 20);
        if (what == 0)
            (void) self->log->mark (self->log, NULL);
        else if (what == 1 && self->oracle.count > 20) {
            uint64_t seq = self->oracle.count - 20;
            if (seq > self->trimmed)
                self->trimmed = seq;
            (void) self->log->trim (self->log, seq, NULL);
        }
        else if (!s_append (self))
            return;
    }
    log_oracle_check (&self->oracle, self->log, 1 + kith_random_below (&self->random, 9),
                      3000);
}

static void
s_round (run_t *self)
{
    static const mem_fault_t faults [] = {MEM_FAULT_NONE, MEM_FAULT_IO,
                                          MEM_FAULT_NO_SPACE, MEM_FAULT_SYNC};
    if (!self->log)
        self->log = kith_log_file_new (mem_fs_port (self->fs), DIRECTORY, 3000);
    mem_fault_t fault = faults [kith_random_below (&self->random, 4)];
    mem_fs_fail (self->fs, (uint32_t) kith_random_below (&self->random, 60), fault,
                 kith_random_below (&self->random, 2));
    if (s_open (self))
        s_work (self);
    mem_fs_fail (self->fs, 0, MEM_FAULT_NONE, false);

    //  Again on the same handle; or the process ends; or the power
    uint64_t end = kith_random_below (&self->random, 4);
    if (end == 0)
        return;
    self->log->close (&self->log);
    if (end > 1)
        mem_fs_power_loss (self->fs);
}

static void
s_run (uint64_t seed, run_t *total)
{
    run_t run = {.fs = mem_fs_new (seed)};
    kith_random_seed (&run.random, seed);
    for (int round = 0; round < 40; round++)
        s_round (&run);
    if (!run.log)
        run.log = kith_log_file_new (mem_fs_port (run.fs), DIRECTORY, 3000);
    cr_assert (s_open (&run));
    run.log->close (&run.log);
    total->acked += run.acked;
    total->failed += run.failed;
    total->adopted += run.adopted;
    log_oracle_free (&run.oracle);
    mem_fs_destroy (&run.fs);
}

Test (log_faults, crashes_and_power_losses)
{
    run_t total = {.fs = NULL};
    for (uint64_t seed = 1; seed <= 300; seed++)
        s_run (seed, &total);
    cr_assert_gt (total.acked, 50000);
    cr_assert_gt (total.failed, 2000);
    cr_assert_gt (total.adopted, 200);
}

//  A full disk, once in each call that changes something
Test (log_faults, no_space_at_each_call)
{
    for (uint32_t call = 0; call < 120; call++) {
        run_t run = {.fs = mem_fs_new (call)};
        kith_random_seed (&run.random, 77);
        run.log = kith_log_file_new (mem_fs_port (run.fs), DIRECTORY, 3000);
        mem_fs_fail (run.fs, call, MEM_FAULT_NO_SPACE, true);
        bool open = s_open (&run);
        for (int append = 0; open && append < 20; append++)
            open = s_append (&run);
        cr_assert (!open || mem_fs_calls (run.fs) < call + 1);
        mem_fs_fail (run.fs, 0, MEM_FAULT_NONE, false);
        cr_assert (s_open (&run));
        cr_assert (s_append (&run));
        run.log->close (&run.log);
        log_oracle_free (&run.oracle);
        mem_fs_destroy (&run.fs);
    }
}

//  --- readers beside the writer -------------------------------------------------------------------------

typedef struct {
    kith_log_t *log;
    atomic_bool stop;
    atomic_uint_fast64_t trimmed;
    size_t records;    //  read by this thread
    uint64_t channel;
} reader_t;

static void *
s_follow (void *arg)
{
    reader_t *self = arg;
    uint64_t after = 0, seen = 0;
    while (!atomic_load (&self->stop) || after < self->log->last (self->log)) {
        kith_bytes_t out = {0};
        kith_error_t error;
        uint64_t covered = 0;
        if (self->log->read (self->log, after, self->channel, 50000, &out, &covered,
                             &error)
            != 0) {
            cr_assert_eq (error.code, KITH_ERR_TRIMMED, "%s", error.message);
            cr_assert_leq (after, atomic_load (&self->trimmed));
            after = self->log->first (self->log) - 1;
            continue;
        }
        for (uint64_t at = 0, used; at < out.size; at += used) {
            kith_record_t record;
            cr_assert_eq (kith_record_open (&record, out.data + at, out.size - at, &used,
                                            NULL, NULL, &error),
                          0);
            cr_assert (record.seq > after && record.seq > seen && record.seq <= covered);
            cr_assert (self->channel ? record.channel == self->channel
                                     : record.seq <= seen + 1 || at == 0);
            seen = record.seq;
            self->records++;
        }
        cr_assert_geq (covered, after);
        after = covered;
        kith_bytes_free (&out);
    }
    return NULL;
}

Test (log_faults, readers_beside_appends_and_trims)
{
    char *place = scratch_new ();
    char path [4096];
    snprintf (path, sizeof path, "%s/log", place);
    kith_log_t *log = kith_log_file_new (kith_fs_os (), path, 60000);
    kith_log_open_t options = log_test_options (1, 0, true);
    cr_assert_eq (log->open (log, &options, NULL), 0);
    log_oracle_t oracle = {.base = 0};
    reader_t readers [3] = {
        {.log = log}, {.log = log, .channel = 3}, {.log = log, .channel = 4}};
    pthread_t threads [3];
    for (int index = 0; index < 3; index++)
        cr_assert_eq (pthread_create (&threads [index], NULL, s_follow, &readers [index]),
                      0);
    for (uint64_t turn = 0; turn < 400; turn++) {
        cr_assert_eq (log_oracle_append (&oracle, log, 1 + turn % 5, turn, 4000, 1), 0);
        if (turn % 100 == 99) {
            uint64_t seq = log->last (log) - 150;
            for (int index = 0; index < 3; index++)
                atomic_store (&readers [index].trimmed, seq);
            cr_assert_eq (log->trim (log, seq, NULL), 0);
        }
    }
    size_t total = 0;
    for (int index = 0; index < 3; index++)
        atomic_store (&readers [index].stop, true);
    for (int index = 0; index < 3; index++) {
        pthread_join (threads [index], NULL);
        total += readers [index].records;
    }
    cr_assert_gt (total, 200);
    cr_assert_gt (log->first (log), 1);
    log_oracle_check (&oracle, log, 0, 100000);
    log->close (&log);
    log_oracle_free (&oracle);
    scratch_remove (&place);
}

//  --- lock ----------------------------------------------------------------------------------------------

//  Another process gets LOCKED, and the log when the first one is killed
Test (log_faults, lock_between_processes)
{
    char *place = scratch_new ();
    char path [4096];
    snprintf (path, sizeof path, "%s/log", place);
    int ready [2];
    cr_assert_eq (pipe (ready), 0);
    pid_t child = fork ();
    cr_assert_geq (child, 0);
    if (child == 0) {
        kith_log_t *log = kith_log_file_new (kith_fs_os (), path, 0);
        kith_log_open_t options = log_test_options (1, 0, true);
        kith_record_t record = {.kind = KITH_RECORD_SEAL, .timestamp = 5};
        bool good = log->open (log, &options, NULL) == 0
                    && log->append (log, &record, 1, NULL) == 0;
        if (write (ready [1], good ? "y" : "n", 1) == 1)
            pause ();
        _exit (1);
    }
    char answer = 0;
    cr_assert_eq (read (ready [0], &answer, 1), 1);
    cr_assert_eq (answer, 'y');
    kith_log_t *log = kith_log_file_new (kith_fs_os (), path, 0);
    kith_log_open_t options = log_test_options (2, 0, false);
    kith_error_t error;
    cr_assert_neq (log->open (log, &options, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_LOCKED);
    kill (child, SIGKILL);
    cr_assert_eq (waitpid (child, NULL, 0), child);
    cr_assert_eq (log->open (log, &options, &error), 0, "%s", error.message);
    cr_assert_eq (log->last (log), 1);
    cr_assert_eq (log->last_timestamp (log), 5);
    log->close (&log);
    close (ready [0]);
    close (ready [1]);
    scratch_remove (&place);
}
