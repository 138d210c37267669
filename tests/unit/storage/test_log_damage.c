//  test_log_damage.c - logs that were cut, flipped, swapped or lost are refused, or cut where nothing was promised
//  SPDX-License-Identifier: Apache-2.0
//
//  A log of several files is made once; each case damages a copy and opens it. The oracle is the plain list of
//  what was appended. Whatever is done, opening either refuses, leaving every byte as it is, or shows a prefix
//  of that list which has all that lies below the mark and all but the last append.
#include "base/crc32c.h"
#include "tests/conformance/log.h"
#include "tests/unit/storage/mem_fs.h"

#include <criterion/criterion.h>

#define FILE_BYTES 4000u
#define DIRECTORY "log-7"

typedef struct {
    mem_fs_t *fs;    //  the undamaged log, closed
    log_oracle_t oracle;
    size_t sure;      //  records before the last append
    size_t marked;    //  records up to the mark
    uint32_t files;
} world_t;

static char *
s_path (uint32_t number)
{
    static char path [64];
    snprintf (path, sizeof path, DIRECTORY "/%06u.log", number);
    return path;
}

static void
s_open (kith_log_t *log, uint64_t epoch, bool home_new)
{
    kith_log_open_t options = log_test_options (epoch, 0, home_new);
    kith_error_t error;
    cr_assert_eq (log->open (log, &options, &error), 0, "%s", error.message);
}

//  A log of `appends` appends, the mark synced after `marked` of them.
static world_t
s_world_of (uint64_t seed, size_t appends, size_t marked, size_t body_max)
{
    world_t self = {.fs = mem_fs_new (seed)};
    kith_log_t *log = kith_log_file_new (mem_fs_port (self.fs), DIRECTORY, FILE_BYTES);
    s_open (log, 1, true);
    for (size_t append = 0; append < appends; append++) {
        self.sure = self.oracle.count;
        cr_assert_eq (log_oracle_append (&self.oracle, log, 1 + append % 3, seed + append,
                                         body_max, 1),
                      0);
        if (append + 1 == marked) {
            cr_assert_eq (log->mark (log, NULL), 0);
            self.marked = self.oracle.count;
        }
    }
    log->close (&log);
    while (mem_fs_bytes (self.fs, s_path (self.files + 1)))
        self.files++;
    cr_assert_gt (self.files, 3);
    return self;
}

static world_t
s_world (uint64_t seed, size_t appends, size_t marked)
{
    return s_world_of (seed, appends, marked, 300);
}

static void
s_world_free (world_t *self)
{
    mem_fs_destroy (&self->fs);
    log_oracle_free (&self->oracle);
}

//  Opens a damaged copy, checks it against the oracle and destroys it. Returns the error's code.
static kith_code_t
s_check (const world_t *self, mem_fs_t **copy_p, size_t *found, kith_error_t *error)
{
    kith_log_t *log = kith_log_file_new (mem_fs_port (*copy_p), DIRECTORY, FILE_BYTES);
    kith_log_open_t options = log_test_options (2, 0, false);
    kith_error_clear (error);
    uint64_t digest = mem_fs_digest (*copy_p);
    if (log->open (log, &options, error) != 0)
        cr_assert_eq (mem_fs_digest (*copy_p), digest, "a refused log was changed: %s",
                      error->message);
    else {
        log_oracle_t prefix = self->oracle;
        prefix.count = log->last (log);
        cr_assert_leq (prefix.count, self->oracle.count);
        cr_assert_geq (prefix.count, self->marked);
        log_oracle_check (&prefix, log, 0, 1u << 20);
        *found = prefix.count;

        //  It goes on from there
        kith_record_t record = {.kind = KITH_RECORD_SEAL, .timestamp = 1};
        cr_assert_eq (log->append (log, &record, 1, NULL), 0);
        options.epoch++;
        cr_assert_eq (log->open (log, &options, NULL), 0);
        cr_assert_eq (log->last (log), *found + 1);
    }
    log->close (&log);
    mem_fs_destroy (copy_p);
    return error->code;
}

//  Where the newest file's records begin
typedef struct {
    uint64_t at [64];
    size_t count;
} starts_t;

static void
s_start (void *arg, uint64_t at, const kith_record_t *record)
{
    starts_t *self = arg;
    (void) record;
    self->at [self->count++] = at;
}

Test (log_damage, undamaged)
{
    world_t world = s_world (1, 40, 40);
    mem_fs_t *copy = mem_fs_clone (world.fs);
    kith_error_t error;
    size_t found = 0;
    cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_OK, "%s", error.message);
    cr_assert_eq (found, world.oracle.count);
    s_world_free (&world);
}

//  The newest file ends at each of its bytes
static void
s_cut_everywhere (const world_t *world)
{
    char *path = s_path (world->files);
    size_t size = mem_fs_bytes (world->fs, path)->size;
    starts_t starts = {.count = 0};
    cr_assert_eq (
        kith_log_file_dump (mem_fs_port (world->fs), path, s_start, &starts, NULL), 0);
    cr_assert_gt (starts.count, 1);
    starts.at [starts.count] = size;
    for (size_t cut = 0; cut < size; cut++) {
        mem_fs_t *copy = mem_fs_clone (world->fs);
        mem_fs_bytes (copy, path)->size = cut;
        kith_error_t error;
        size_t found = 0, whole = 0;
        while (whole < starts.count && starts.at [whole + 1] <= cut)
            whole++;
        size_t expected = world->oracle.count - starts.count + whole;
        kith_code_t code = s_check (world, &copy, &found, &error);
        if (cut < 64)
            cr_assert_eq (code, KITH_ERR_CORRUPT, "%zu: %s", cut, error.message);
        else if (expected < world->marked)
            cr_assert_eq (code, KITH_ERR_LOST, "%zu: %s", cut, error.message);
        else {
            cr_assert_eq (code, KITH_OK, "%zu: %s", cut, error.message);
            cr_assert_eq (found, expected);
        }
    }
}

Test (log_damage, cut)
{
    for (size_t marked = 36; marked <= 40; marked++) {
        world_t world = s_world (7, 40, marked);
        s_cut_everywhere (&world);
        s_world_free (&world);
    }
}

//  A bit of each byte of each log file
static void
s_flip_everywhere (const world_t *world, size_t step)
{
    kith_random_t random;
    kith_random_seed (&random, step);
    size_t refused = 0, shortened = 0, sum = 0;
    for (uint32_t number = 1; number <= world->files; number++) {
        sum += mem_fs_bytes (world->fs, s_path (number))->size;
        for (size_t at = 0; at < mem_fs_bytes (world->fs, s_path (number))->size;
             at += step) {
            mem_fs_t *copy = mem_fs_clone (world->fs);
            mem_fs_bytes (copy, s_path (number))->data [at] ^=
                (uint8_t) (1u << kith_random_below (&random, 8));
            kith_error_t error;
            size_t found = 0;
            kith_code_t code = s_check (world, &copy, &found, &error);
            if (code == KITH_OK) {
                //  Damage of the last append looks as if it had been torn, above the mark
                cr_assert_lt (found, world->oracle.count);
                cr_assert_geq (found, world->sure, "file %u byte %zu: %zu of %zu", number,
                               at, found, world->sure);
                shortened++;
            }
            else {
                cr_assert (code == KITH_ERR_CORRUPT, "%s: %s", kith_code_name (code),
                           error.message);
                cr_assert (strstr (error.message, s_path (number)), "%s", error.message);
                refused++;
            }
        }
    }
    cr_assert_geq (refused + shortened, sum / step);
    cr_assert (world->marked == world->oracle.count ? shortened == 0 : shortened > 0);
}

Test (log_damage, flipped)
{
    world_t world = s_world (3, 38, 38);
    s_flip_everywhere (&world, 1);
    s_world_free (&world);
    world = s_world (3, 39, 35);
    s_flip_everywhere (&world, 1);
    s_world_free (&world);
}

Test (log_damage, garbage_behind_the_end)
{
    kith_random_t random;
    kith_random_seed (&random, 5);
    world_t world = s_world (4, 38, 38);
    char *path = s_path (world.files);
    for (int turn = 0; turn < 200; turn++) {
        mem_fs_t *copy = mem_fs_clone (world.fs);
        kith_bytes_t *bytes = mem_fs_bytes (copy, path);
        size_t end = bytes->size, more = 1 + kith_random_below (&random, 3000);
        kith_bytes_extend (bytes, more);
        //  Zeros, noise, or what an older record left
        for (size_t at = end; turn % 3 == 1 && at < bytes->size; at++)
            bytes->data [at] = (uint8_t) kith_random_next (&random);
        if (turn % 3 == 2 && more > 200)
            memcpy (bytes->data + end, bytes->data + 64, 130);
        kith_error_t error;
        size_t found = 0;
        kith_code_t code = s_check (&world, &copy, &found, &error);
        cr_assert (code == KITH_OK || (turn % 3 == 2 && code == KITH_ERR_CORRUPT), "%s",
                   error.message);
        if (code == KITH_OK)
            cr_assert_eq (found, world.oracle.count);
    }
    s_world_free (&world);
}

Test (log_damage, files_lost_and_swapped)
{
    world_t world = s_world (6, 40, 40);
    kith_fs_t *port = NULL;
    kith_error_t error;
    size_t found = 0;
    for (uint32_t number = 1; number <= world.files; number++) {
        mem_fs_t *copy = mem_fs_clone (world.fs);
        port = mem_fs_port (copy);
        cr_assert_eq (port->remove (port, s_path (number), NULL), 0);
        kith_code_t code = s_check (&world, &copy, &found, &error);
        //  Without its oldest file a log looks trimmed: first () tells, and metadata know better
        kith_code_t expected = number == 1             ? KITH_OK
                               : number == world.files ? KITH_ERR_LOST
                                                       : KITH_ERR_CORRUPT;
        cr_assert_eq (code, expected, "%u: %s", number, error.message);
    }
    for (uint32_t number = 1; number < world.files; number++) {
        mem_fs_t *copy = mem_fs_clone (world.fs);
        kith_bytes_t left = *mem_fs_bytes (copy, s_path (number));
        *mem_fs_bytes (copy, s_path (number)) = *mem_fs_bytes (copy, s_path (number + 1));
        *mem_fs_bytes (copy, s_path (number + 1)) = left;
        cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_ERR_CORRUPT);
        cr_assert (strstr (error.message, "was made as file"), "%s", error.message);
    }
    mem_fs_t *copy = mem_fs_clone (world.fs);
    port = mem_fs_port (copy);
    for (uint32_t number = 1; number <= world.files; number++)
        cr_assert_eq (port->remove (port, s_path (number), NULL), 0);
    cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_ERR_LOST);
    s_world_free (&world);
}

//  A file of an earlier time, or of another log, in the place of the right one
Test (log_damage, files_of_another_time)
{
    for (size_t early = 5; early < 40; early += 3) {
        world_t old = s_world (8, early < 20 ? 20 : early, 1),
                world = s_world (8, 40, 40);
        for (uint32_t number = 1; number <= old.files; number++) {
            mem_fs_t *copy = mem_fs_clone (world.fs);
            kith_bytes_t *bytes = mem_fs_bytes (copy, s_path (number));
            const kith_bytes_t *before = mem_fs_bytes (old.fs, s_path (number));
            bool same = bytes->size == before->size
                        && memcmp (bytes->data, before->data, before->size) == 0;
            kith_bytes_clear (bytes);
            kith_bytes_put (bytes, before->data, before->size);
            kith_error_t error;
            size_t found = 0;
            kith_code_t code = s_check (&world, &copy, &found, &error);
            kith_code_t expected = same                    ? KITH_OK
                                   : number == world.files ? KITH_ERR_LOST
                                                           : KITH_ERR_CORRUPT;
            cr_assert_eq (code, expected, "%s", error.message);
        }
        s_world_free (&old);
        s_world_free (&world);
    }
}

Test (log_damage, mark)
{
    world_t world = s_world (9, 40, 40);
    kith_error_t error;
    size_t found = 0;
    const char *path = DIRECTORY "/MARK";
    cr_assert_eq (mem_fs_bytes (world.fs, path)->size, 8192);
    for (size_t at = 0; at < 8192; at += at % 4096 < 64 ? 1 : 509) {
        mem_fs_t *copy = mem_fs_clone (world.fs);
        mem_fs_bytes (copy, path)->data [at] ^= 0x10;
        cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_OK, "%zu: %s", at,
                      error.message);
        cr_assert_eq (found, world.oracle.count);
    }
    for (size_t size = 0; size < 8192; size += 64) {
        mem_fs_t *copy = mem_fs_clone (world.fs);
        mem_fs_bytes (copy, path)->size = size;
        cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_ERR_CORRUPT);
    }
    mem_fs_t *copy = mem_fs_clone (world.fs);
    mem_fs_bytes (copy, path)->data [9] ^= 1;
    mem_fs_bytes (copy, path)->data [4096 + 9] ^= 1;
    cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_ERR_CORRUPT);
    copy = mem_fs_clone (world.fs);
    memset (mem_fs_bytes (copy, path)->data, 0, 8192);
    cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_ERR_CORRUPT);
    copy = mem_fs_clone (world.fs);
    kith_fs_t *port = mem_fs_port (copy);
    cr_assert_eq (port->remove (port, path, NULL), 0);
    cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_ERR_CORRUPT);
    s_world_free (&world);
}

//  Records of the same seqs and lengths, but not of this history: only the chain tells
Test (log_damage, another_history)
{
    world_t world = s_world_of (20, 90, 90, 0), other = s_world_of (200, 90, 90, 0);
    cr_assert_eq (world.files, other.files);
    for (uint32_t number = 1; number <= world.files; number++) {
        mem_fs_t *copy = mem_fs_clone (world.fs);
        kith_bytes_t *bytes = mem_fs_bytes (copy, s_path (number));
        const kith_bytes_t *before = mem_fs_bytes (other.fs, s_path (number));
        cr_assert_eq (bytes->size, before->size);
        memcpy (bytes->data, before->data, before->size);
        kith_error_t error;
        size_t found = 0;
        cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_ERR_CORRUPT);
        cr_assert (strstr (error.message, "goes on from another record"), "%s",
                   error.message);
    }
    for (size_t at = 64 + 128; at + 128 <= 4000; at += 128) {
        mem_fs_t *copy = mem_fs_clone (world.fs);
        memcpy (mem_fs_bytes (copy, s_path (2))->data + at,
                mem_fs_bytes (other.fs, s_path (2))->data + at, 128);
        kith_error_t error;
        size_t found = 0;
        cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_ERR_CORRUPT);
        cr_assert (strstr (error.message, "it follows another record"), "%s",
                   error.message);
    }
    s_world_free (&world);
    s_world_free (&other);
}

//  A log that another version wrote is not taken for a damaged one
Test (log_damage, another_version)
{
    world_t world = s_world (11, 40, 40);
    mem_fs_t *copy = mem_fs_clone (world.fs);
    uint8_t *header = mem_fs_bytes (copy, s_path (2))->data;
    kith_put_u32 (header + 4, 2);
    kith_put_u32 (header + 60, kith_crc32c (0, header, 60));
    kith_error_t error;
    size_t found = 0;
    cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_ERR_VERSION, "%s",
                  error.message);

    copy = mem_fs_clone (world.fs);
    uint8_t *record = mem_fs_bytes (copy, s_path (world.files))->data + 64;
    kith_put_u16 (record + 4, 2);
    kith_put_u32 (record + 124, kith_crc32c (0, record, 124));
    cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_ERR_VERSION, "%s",
                  error.message);

    copy = mem_fs_clone (world.fs);
    header = mem_fs_bytes (copy, s_path (2))->data;
    kith_put_u64 (header + 8, 1);
    kith_put_u32 (header + 60, kith_crc32c (0, header, 60));
    cr_assert_eq (s_check (&world, &copy, &found, &error), KITH_ERR_CLUSTER, "%s",
                  error.message);
    s_world_free (&world);
}
