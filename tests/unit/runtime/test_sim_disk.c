//  test_sim_disk.c - simulated files: what is synced stays, what is not may go; the storage ports run on them
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/sim_disk.h"
#include "storage/log.h"
#include "storage/objects.h"
#include <criterion/criterion.h>

static kith_file_t *
s_make (kith_fs_t *fs, const char *path, const char *text)
{
    kith_error_t error;
    kith_file_t *file = fs->open (fs, path, true, false, &error);
    cr_assert_not_null (file, "%s", error.message);
    cr_assert_eq (fs->write (fs, file, 0, text, strlen (text), &error), 0);
    return file;
}

static bool
s_holds (kith_fs_t *fs, const char *path, const char *text)
{
    kith_file_t *file = fs->open (fs, path, false, false, NULL);
    if (!file)
        return false;
    uint64_t size = 0;
    char *have = kith_new (strlen (text) + 1);
    fs->size (fs, file, &size, NULL);
    bool same = size == strlen (text) && fs->read (fs, file, 0, have, size, NULL) == 0
                && memcmp (have, text, size) == 0;
    free (have);
    fs->close (fs, &file);
    return same;
}

static void
s_names (void *arg, const char *name, bool is_dir)
{
    char *out = arg;
    strcat (out, name);
    strcat (out, is_dir ? "/ " : " ");
}

Test (sim_disk, behaves_as_a_file_system)
{
    kith_sim_disk_t *disk = kith_sim_disk_new ();
    kith_fs_t *fs = kith_sim_disk_view (disk, 1, NULL, NULL);
    kith_error_t error;
    cr_assert_eq (kith_fs_mkdirs (fs, "a/b", &error), 0, "%s", error.message);
    cr_assert_null (fs->open (fs, "a/none", false, false, &error));
    cr_assert_eq (error.code, KITH_ERR_NOT_FOUND);
    cr_assert_null (fs->open (fs, "no/dir", true, false, &error));
    kith_file_t *file = s_make (fs, "a/b/x", "hello");
    cr_assert_null (fs->open (fs, "a/b/x", true, true, &error));
    cr_assert_eq (error.code, KITH_ERR_EXISTS);
    cr_assert_eq (fs->lock (fs, file, NULL), 0);
    kith_fs_t *other = kith_sim_disk_view (disk, 2, NULL, NULL);
    kith_file_t *again = other->open (other, "a/b/x", false, false, NULL);
    cr_assert_eq (other->lock (other, again, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_LOCKED);
    fs->close (fs, &file);
    cr_assert_eq (other->lock (other, again, &error), 0, "the lock goes with the file");
    cr_assert_eq (fs->remove (fs, "a/b", &error), -1, "a directory that is not empty");
    cr_assert_eq (error.code, KITH_ERR_IO);
    uint64_t size;
    const uint8_t *map = other->map (other, again, &size, NULL);
    cr_assert_eq (size, 5);
    cr_assert_eq (memcmp (map, "hello", 5), 0);
    cr_assert_eq ((uintptr_t) map % 4096, 0);
    other->unmap (other, map, size);
    cr_assert_eq (other->truncate (other, again, 2, NULL), 0);
    cr_assert (s_holds (fs, "a/b/x", "he"));
    char byte;
    cr_assert_eq (other->read (other, again, 2, &byte, 1, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    other->close (other, &again);
    cr_assert_eq (fs->link (fs, "a/b/x", "a/b/y", NULL), 0);
    cr_assert_eq (fs->link (fs, "a/b/x", "a/b/y", &error), -1);
    cr_assert_eq (error.code, KITH_ERR_EXISTS);
    cr_assert_eq (fs->rename (fs, "a/b/x", "a/z", NULL), 0);
    cr_assert (s_holds (fs, "a/z", "he"));
    char list [64] = "";
    cr_assert_eq (fs->list (fs, "a", s_names, list, NULL), 0);
    cr_assert_str_eq (list, "b/ z ");
    cr_assert_eq (fs->remove (fs, "a/z", NULL), 0);
    cr_assert_eq (fs->remove (fs, "a/z", NULL), 0);
    cr_assert_not (fs->exists (fs, "a/z"));
    cr_assert (s_holds (fs, "a/b/y", "he"));
    kith_sim_disk_view_destroy (&other);
    kith_sim_disk_view_destroy (&fs);
    kith_sim_disk_destroy (&disk);
}

//  What each power loss may leave, over many seeds: every outcome that is allowed comes, no other
Test (sim_disk, a_power_loss_takes_any_subset_of_what_was_not_synced)
{
    bool seen [2][3] = {{false}};       //  name there; content: old, new, torn
    bool sectors [4][2] = {{false}};    //  of a torn file: old, new
    for (uint64_t seed = 1; seed <= 300; seed++) {
        kith_random_t random;
        kith_random_seed (&random, seed);
        kith_sim_disk_stats_t stats = {0};
        kith_sim_disk_t *disk = kith_sim_disk_new ();
        kith_fs_t *fs = kith_sim_disk_view (disk, 1, NULL, NULL);
        kith_fs_t *others = kith_sim_disk_view (disk, 2, NULL, NULL);
        cr_assert_eq (kith_fs_mkdirs (fs, "d", NULL), 0);
        char old [2001];
        char new [2001];
        memset (old, 'o', 2000);
        memset (new, 'n', 2000);
        old [2000] = new [2000] = 0;
        kith_file_t *file = s_make (fs, "d/f", old);
        cr_assert_eq (fs->sync (fs, file, NULL), 0);
        cr_assert_eq (fs->sync_dir (fs, "d", NULL), 0);
        cr_assert_eq (fs->write (fs, file, 0, new, 2000, NULL), 0);
        kith_file_t *fresh = s_make (fs, "d/fresh", "x");
        kith_file_t *foreign = s_make (others, "d/foreign", "y");
        fs->close (fs, &file);
        fs->close (fs, &fresh);
        kith_sim_disk_power_loss (disk, 1, &random, &stats);
        cr_assert (fs->exists (fs, "d/f"));
        cr_assert (s_holds (others, "d/foreign", "y"), "another machine has its power");
        int content = s_holds (fs, "d/f", old) ? 0 : s_holds (fs, "d/f", new) ? 1 : 2;
        if (content == 2) {
            //  Torn: each sector is the new or the old one
            file = fs->open (fs, "d/f", false, false, NULL);
            char have [2000];
            cr_assert_eq (fs->read (fs, file, 0, have, 2000, NULL), 0);
            for (size_t at = 0; at < 2000; at += 512) {
                const size_t piece = 2000 - at < 512 ? 2000 - at : 512;
                const bool is_new = memcmp (have + at, new + at, piece) == 0;
                cr_assert (is_new || memcmp (have + at, old + at, piece) == 0);
                sectors [at / 512][is_new] = true;
            }
            fs->close (fs, &file);
        }
        seen [fs->exists (fs, "d/fresh")][content] = true;
        cr_assert_eq (stats.names_lost + stats.names_kept, 1);
        cr_assert_geq (stats.writes_lost + stats.writes_torn + stats.writes_kept, 1);
        others->close (others, &foreign);
        kith_sim_disk_view_destroy (&others);
        kith_sim_disk_view_destroy (&fs);
        kith_sim_disk_destroy (&disk);
    }
    for (int name = 0; name < 2; name++)
        for (int content = 0; content < 3; content++)
            cr_assert (seen [name][content], "%d %d", name, content);
    for (int sector = 0; sector < 4; sector++)
        cr_assert (sectors [sector][0] && sectors [sector][1], "%d", sector);
}

static int
s_dead (void *arg, kith_disk_op_t op, kith_error_t *error)
{
    bool *dead = arg;
    (void) op;
    if (!*dead)
        return 0;
    kith_error_set (error, KITH_ERR_IO, "it is dead");
    return 1;
}

//  Who dies before a sync leaves what it wrote dirty: the next life's sync makes it safe. A sync that failed does not.
Test (sim_disk, the_dead_do_no_harm)
{
    bool dead = false;
    kith_random_t random;
    kith_random_seed (&random, 1);
    kith_sim_disk_stats_t stats = {0};
    kith_sim_disk_t *disk = kith_sim_disk_new ();
    kith_fs_t *fs = kith_sim_disk_view (disk, 1, s_dead, &dead);
    kith_file_t *file = s_make (fs, "f", "kept");
    cr_assert_eq (fs->sync_dir (fs, "", NULL), 0);
    dead = true;
    cr_assert_neq (fs->write (fs, file, 0, "lost", 4, NULL), 0);
    cr_assert_neq (fs->sync (fs, file, NULL), 0);
    dead = false;
    cr_assert (s_holds (fs, "f", "kept"));
    cr_assert_eq (fs->sync (fs, file, NULL), 0);
    fs->close (fs, &file);
    kith_sim_disk_power_loss (disk, 1, &random, &stats);
    cr_assert (s_holds (fs, "f", "kept"));
    cr_assert_eq (stats.writes_lost + stats.writes_torn, 0);
    kith_sim_disk_view_destroy (&fs);
    kith_sim_disk_destroy (&disk);
}

static int
s_no_sync (void *arg, kith_disk_op_t op, kith_error_t *error)
{
    bool *fails = arg;
    if (op == KITH_DISK_SYNC && *fails)
        return kith_error_set (error, KITH_ERR_IO, "as the test wants it");
    return 0;
}

Test (sim_disk, a_sync_that_failed_is_not_healed_by_the_next)
{
    kith_sim_disk_t *disk = kith_sim_disk_new ();
    bool fails = false;
    kith_fs_t *fs = kith_sim_disk_view (disk, 1, s_no_sync, &fails);
    kith_file_t *file = s_make (fs, "f", "old");
    cr_assert_eq (fs->sync (fs, file, NULL), 0);
    cr_assert_eq (fs->sync_dir (fs, ".", NULL), 0);
    fails = true;
    cr_assert_eq (fs->write (fs, file, 0, "new", 3, NULL), 0);
    cr_assert_eq (fs->sync (fs, file, NULL), -1);
    fails = false;
    cr_assert_eq (fs->sync (fs, file, NULL), 0);
    cr_assert (s_holds (fs, "f", "new"), "readers still see it");
    fs->close (fs, &file);
    kith_random_t random;
    kith_sim_disk_stats_t stats = {0};
    kith_random_seed (&random, 1);
    kith_sim_disk_power_loss (disk, 1, &random, &stats);
    kith_sim_disk_view_destroy (&fs);
    fs = kith_sim_disk_view (disk, 2, NULL, NULL);
    cr_assert_not (s_holds (fs, "f", "new"));
    kith_sim_disk_view_destroy (&fs);
    kith_sim_disk_destroy (&disk);
}

//  Everything that the log and the object store acknowledged is there after any power loss
Test (sim_disk, log_and_objects_keep_what_they_acknowledged)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        kith_random_t random;
        kith_random_seed (&random, seed);
        kith_sim_disk_stats_t stats = {0};
        kith_sim_disk_t *disk = kith_sim_disk_new ();
        uint64_t acked = 0;
        int objects = 0;
        kith_error_t error;
        for (uint64_t epoch = 1; epoch <= 5; epoch++) {
            kith_fs_t *fs = kith_sim_disk_view (disk, 1, NULL, NULL);
            cr_assert_eq (kith_fs_mkdirs (fs, "data", &error), 0);
            kith_log_t *log = kith_log_file_new (fs, "data/log-0", 4096);
            kith_log_open_t open = {.cluster = 1, .epoch = epoch, .home_new = epoch == 1};
            cr_assert_eq (log->open (log, &open, &error), 0, "seed %" PRIu64 ": %s", seed,
                          error.message);
            cr_assert_geq (log->last (log), acked, "seed %" PRIu64 " epoch %" PRIu64,
                           seed, epoch);
            for (uint64_t count = kith_random_below (&random, 6); count > 0; count--) {
                kith_record_t record = {.kind = KITH_RECORD_SEAL,
                                        .cluster = 1,
                                        .epoch = epoch,
                                        .seq = log->last (log) + 1,
                                        .channel = 1,
                                        .timestamp = log->last (log) + 1};
                cr_assert_eq (log->append (log, &record, 1, &error), 0, "%s",
                              error.message);
                acked = record.seq;
            }
            kith_objects_t *store = kith_objects_dir_open (fs, "data/objects", &error);
            cr_assert_not_null (store, "%s", error.message);
            for (int number = 0; number < objects; number++) {
                char name [32];
                kith_bytes_t bytes = {0};
                snprintf (name, sizeof name, "o/%d", number);
                cr_assert_eq (store->get (store, name, 0, 0, &bytes, &error), 0, "%s",
                              error.message);
                cr_assert_eq (bytes.size, 600);
                kith_bytes_free (&bytes);
            }
            char name [32];
            uint8_t data [600] = {0};
            kith_span_t span = {data, sizeof data};
            snprintf (name, sizeof name, "o/%d", objects);
            cr_assert_eq (store->put (store, name, &span, 1, NULL, &error), 0, "%s",
                          error.message);
            objects++;
            store->close (&store);
            log->close (&log);
            kith_sim_disk_view_destroy (&fs);
            kith_sim_disk_power_loss (disk, 1, &random, &stats);
        }
        kith_sim_disk_destroy (&disk);
    }
}
