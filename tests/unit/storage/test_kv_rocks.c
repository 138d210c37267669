//  test_kv_rocks.c - a RocksDB store that was damaged, cut, swapped, killed or filled up
//  SPDX-License-Identifier: Apache-2.0
//
//  The oracle: an opening either refuses with CORRUPT or LOST and leaves every file as it was, or shows
//  exactly what was there before the damage.
#include "base/random.h"
#include "storage/kv_rocks_db.h"
#include "storage/mark.h"
#include "tests/unit/storage/scratch.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

//  --- short forms ---------------------------------------------------------------------------------------

static void
s_show (void *arg, const char *key, const void *value, size_t size, uint64_t revision)
{
    kith_bytes_printf (arg, "%s=%.*s@%" PRIu64 "\n", key, (int) size,
                       (const char *) value, revision);
}

//  All entries as text; the caller frees it
static char *
s_content (kith_kv_t *kv)
{
    kith_bytes_t text = {0};
    kith_error_t error = {0};
    cr_assert_eq (kv->scan (kv, "", s_show, &text, &error), 0, "%s", error.message);
    kith_bytes_put_u8 (&text, 0);
    char *content = kith_strdup ((const char *) text.data);
    kith_bytes_free (&text);
    return content;
}

static uint64_t
s_put (kith_kv_t *kv, const char *key, const char *value)
{
    const kith_kv_change_t change = {key, value, value ? strlen (value) : 0};
    bool committed = false;
    uint64_t revision = 0;
    kith_error_t error = {0};
    cr_assert_eq (kv->txn (kv, NULL, 0, &change, 1, &committed, &revision, &error), 0,
                  "%s", error.message);
    return revision;
}

//  Puts `count` keys, some again, some deleted
static void
s_fill (kith_kv_t *kv, int from, int count)
{
    for (int index = from; index < from + count; index++) {
        char key [32];
        char value [200];
        snprintf (key, sizeof key, "rows/%03d", index % 37);
        snprintf (value, sizeof value, "value %d %0*d", index, index % 100, index);
        s_put (kv, key, index % 9 == 8 ? NULL : value);
    }
}

//  A store with tables and a log; its content
static char *
s_store_make (const char *path)
{
    kith_kv_t *kv = NULL;
    for (int part = 0; part < 3; part++) {
        kv = kith_kv_rocks_open (path, NULL);
        cr_assert (kv);
        s_fill (kv, part * 25, 25);
        if (part < 2)
            kv->close (&kv);
    }
    char *content = s_content (kv);
    kv->close (&kv);
    return content;
}

//  Opens a damaged store and holds it to the oracle. Returns the code, OK: opened and whole
static kith_code_t
s_judge (const char *path, const char *content, const char *what)
{
    kith_error_t error = {0};
    char *before = scratch_digest (path, "KITH_LOCK");
    kith_kv_t *kv = kith_kv_rocks_open (path, &error);
    if (kv) {
        char *found = s_content (kv);
        cr_assert_str_eq (found, content, "%s: opened with other content", what);
        free (found);
        kv->close (&kv);
    }
    else {
        char *after = scratch_digest (path, "KITH_LOCK");
        cr_assert (error.code == KITH_ERR_CORRUPT || error.code == KITH_ERR_LOST,
                   "%s: code %d: %s", what, (int) error.code, error.message);
        cr_assert (strstr (error.message, path), "%s: no path: %s", what, error.message);
        cr_assert_str_eq (after, before, "%s: refused but changed", what);
        free (after);
    }
    free (before);
    return error.code;
}

//  Names of the plain files of a directory
static int
s_plain (const struct dirent *entry)
{
    return entry->d_type == DT_REG && strcmp (entry->d_name, "KITH_LOCK") != 0
           && strncmp (entry->d_name, "LOG", 3) != 0
           && strcmp (entry->d_name, "LOCK") != 0;
}

//  --- damage --------------------------------------------------------------------------------------------

//  Counts of what came out
typedef struct {
    int opened;
    int corrupt;
    int lost;
} s_outcome_t;

static void
s_count (s_outcome_t *outcome, kith_code_t code)
{
    outcome->opened += code == KITH_OK;
    outcome->corrupt += code == KITH_ERR_CORRUPT;
    outcome->lost += code == KITH_ERR_LOST;
}

static void
s_damage_file (const char *base, const char *scratch, const char *name,
               const char *content, s_outcome_t *outcome)
{
    char what [512];
    kith_bytes_t bytes = scratch_read (base, name);
    kith_random_t random;
    kith_random_seed (&random, bytes.size);
    for (int round = 0; bytes.size && round < 14; round++) {
        size_t at = kith_random_below (&random, bytes.size);
        uint8_t was = bytes.data [at];
        bytes.data [at] ^= (uint8_t) (1u << kith_random_below (&random, 8));
        scratch_copy (base, scratch);
        scratch_write (scratch, name, bytes.data, bytes.size);
        bytes.data [at] = was;
        snprintf (what, sizeof what, "%s flipped at %zu", name, at);
        s_count (outcome, s_judge (scratch, content, what));
    }
    for (int round = 0; bytes.size && round < 6; round++) {
        //  A sector that never came, or is another's
        kith_bytes_t torn = {0};
        kith_bytes_put (&torn, bytes.data, bytes.size);
        size_t at = kith_random_below (&random, bytes.size) / 512 * 512;
        for (size_t end = at + 512; at < end && at < bytes.size; at++)
            torn.data [at] = round % 2 ? (uint8_t) kith_random_next (&random) : 0;
        scratch_copy (base, scratch);
        scratch_write (scratch, name, torn.data, torn.size);
        kith_bytes_free (&torn);
        snprintf (what, sizeof what, "%s sector before %zu", name, at);
        s_count (outcome, s_judge (scratch, content, what));
    }
    for (int round = 0; bytes.size && round < 8; round++) {
        size_t size = round ? kith_random_below (&random, bytes.size) : 0;
        scratch_copy (base, scratch);
        scratch_write (scratch, name, bytes.data, size);
        snprintf (what, sizeof what, "%s cut to %zu", name, size);
        s_count (outcome, s_judge (scratch, content, what));
    }
    char path [4096];
    snprintf (path, sizeof path, "%s/%s", scratch, name);
    scratch_copy (base, scratch);
    cr_assert_eq (unlink (path), 0);
    snprintf (what, sizeof what, "%s removed", name);
    s_count (outcome, s_judge (scratch, content, what));
    kith_bytes_free (&bytes);
}

Test (kv_rocks, damage)
{
    char *base = scratch_new ();
    char *scratch = scratch_new ();
    char *content = s_store_make (base);
    s_outcome_t outcome = {0};
    struct dirent **names = NULL;
    int count = scandir (base, &names, s_plain, alphasort);
    cr_assert_gt (count, 5);
    for (int index = 0; index < count; index++) {
        s_damage_file (base, scratch, names [index]->d_name, content, &outcome);
        free (names [index]);
    }
    free (names);
    fprintf (stderr, "damage: %d opened whole, %d corrupt, %d lost\n", outcome.opened,
             outcome.corrupt, outcome.lost);
    cr_assert (outcome.corrupt > 20 && outcome.lost > 5 && outcome.opened > 0);
    //  And the undamaged one opens
    cr_assert_eq (s_judge (base, content, "undamaged"), KITH_OK);
    free (content);
    scratch_remove (&base);
    scratch_remove (&scratch);
}

//  An older copy of the whole of RocksDB under the newer mark: sound in itself, and refused with both revisions
Test (kv_rocks, older_copy)
{
    char *base = scratch_new ();
    char *old = scratch_new ();
    kith_error_t error = {0};
    kith_kv_t *kv = kith_kv_rocks_open (base, NULL);
    s_fill (kv, 0, 10);
    kv->close (&kv);
    scratch_copy (base, old);
    kv = kith_kv_rocks_open (base, NULL);
    s_fill (kv, 10, 7);
    kv->close (&kv);
    kith_bytes_t mark = scratch_read (base, "KITH_MARK");
    scratch_write (old, "KITH_MARK", mark.data, mark.size);
    cr_assert_eq (s_judge (old, "", "older copy"), KITH_ERR_LOST);
    cr_assert_null (kith_kv_rocks_open (old, &error));
    cr_assert (strstr (error.message, "revision 17")
                   && strstr (error.message, "revision 10"),
               "%s", error.message);
    cr_assert (strstr (error.hint, "zactor check --accept-loss"), "%s", error.hint);

    //  Accepted, it goes on above both revisions with what it has
    uint64_t acknowledged = 0;
    uint64_t present = 0;
    cr_assert_eq (kith_kv_rocks_accept_loss (old, &acknowledged, &present, &error), 0,
                  "%s", error.message);
    cr_assert_eq (acknowledged, 17);
    cr_assert_eq (present, 10);
    kv = kith_kv_rocks_open (old, &error);
    cr_assert (kv, "%s", error.message);
    cr_assert_eq (s_put (kv, "new", "x"), 19);
    kv->close (&kv);
    kith_bytes_free (&mark);
    scratch_remove (&base);
    scratch_remove (&old);
}

//  Any two files of an older time among the newer ones
Test (kv_rocks, older_files)
{
    char *base = scratch_new ();
    char *old = scratch_new ();
    char *scratch = scratch_new ();
    kith_kv_t *kv = NULL;
    for (int part = 0; part < 4; part++) {
        if (part == 3)
            scratch_copy (base, old);
        kv = kith_kv_rocks_open (base, NULL);
        cr_assert (kv);
        s_fill (kv, part * 11, 11);
        if (part < 3)
            kv->close (&kv);
    }
    char *content = s_content (kv);
    kv->close (&kv);
    struct dirent **names = NULL;
    int count = scandir (old, &names, s_plain, alphasort);
    s_outcome_t outcome = {0};
    for (int pair = 0; pair < count * count; pair++) {
        const char *one = names [pair / count]->d_name;
        const char *two = names [pair % count]->d_name;
        kith_bytes_t bytes [2] = {scratch_read (old, one), scratch_read (old, two)};
        scratch_copy (base, scratch);
        scratch_write (scratch, one, bytes [0].data, bytes [0].size);
        scratch_write (scratch, two, bytes [1].data, bytes [1].size);
        char what [600];
        snprintf (what, sizeof what, "older %s and %s", one, two);
        s_count (&outcome, s_judge (scratch, content, what));
        kith_bytes_free (&bytes [0]);
        kith_bytes_free (&bytes [1]);
    }
    for (int index = 0; index < count; index++)
        free (names [index]);
    free (names);
    fprintf (stderr, "older files: %d opened whole, %d corrupt, %d lost\n",
             outcome.opened, outcome.corrupt, outcome.lost);
    cr_assert (outcome.opened > 0 && outcome.corrupt + outcome.lost > 0);
    free (content);
    scratch_remove (&base);
    scratch_remove (&old);
    scratch_remove (&scratch);
}

//  A mark of another store, and no mark
Test (kv_rocks, swapped_mark)
{
    char *one = scratch_new ();
    char *two = scratch_new ();
    char *content = s_store_make (one);
    free (s_store_make (two));
    kith_bytes_t mark = scratch_read (two, "KITH_MARK");
    kith_bytes_t own = scratch_read (one, "KITH_MARK");
    scratch_write (one, "KITH_MARK", mark.data, mark.size);
    cr_assert_eq (s_judge (one, content, "mark of another store"), KITH_ERR_CORRUPT);
    char path [4096];
    snprintf (path, sizeof path, "%s/KITH_MARK", one);
    cr_assert_eq (unlink (path), 0);
    cr_assert_eq (s_judge (one, content, "no mark"), KITH_ERR_CORRUPT);

    uint64_t acknowledged = 9;
    uint64_t present = 0;
    kith_error_t error = {0};
    cr_assert_eq (kith_kv_rocks_accept_loss (one, &acknowledged, &present, &error), 0,
                  "%s", error.message);
    cr_assert (acknowledged == 0 && present == 75);
    cr_assert_eq (s_judge (one, content, "accepted"), KITH_OK);
    scratch_write (one, "KITH_MARK", own.data, own.size);
    cr_assert_eq (s_judge (one, content, "old mark of this store"), KITH_OK);
    kith_bytes_free (&mark);
    kith_bytes_free (&own);
    free (content);
    scratch_remove (&one);
    scratch_remove (&two);
}

//  Every file of RocksDB gone, the mark there
Test (kv_rocks, all_gone)
{
    char *path = scratch_new ();
    char *content = s_store_make (path);
    kith_bytes_t mark = scratch_read (path, "KITH_MARK");
    scratch_remove (&path);
    path = scratch_new ();
    scratch_write (path, "KITH_MARK", mark.data, mark.size);
    cr_assert_eq (s_judge (path, content, "files gone"), KITH_ERR_LOST);
    kith_bytes_free (&mark);
    free (content);
    scratch_remove (&path);
}

//  An entry that is missing shows although all that is there is sound: written around the port
Test (kv_rocks, entry_missing)
{
    char *path = scratch_new ();
    char *content = s_store_make (path);
    kith_rocks_state_t state;
    bool found;
    kith_rocks_t *rocks = kith_rocks_open (path, KITH_ROCKS_WRITE, NULL);
    cr_assert (rocks);
    cr_assert_eq (kith_rocks_state (rocks, &state, &found, NULL), 0);
    const kith_kv_change_t change = {"rows/001", NULL, 0};
    cr_assert_eq (kith_rocks_write (rocks, &state, &change, 1, NULL), 0);
    kith_rocks_destroy (&rocks);
    cr_assert_eq (s_judge (path, content, "entry missing"), KITH_ERR_CORRUPT);
    free (content);
    scratch_remove (&path);
}

Test (kv_rocks, other_version)
{
    char *path = scratch_new ();
    free (s_store_make (path));
    kith_rocks_state_t state;
    bool found;
    kith_error_t error = {0};
    kith_rocks_t *rocks = kith_rocks_open (path, KITH_ROCKS_WRITE, NULL);
    cr_assert_eq (kith_rocks_state (rocks, &state, &found, NULL), 0);
    state.version = KITH_ROCKS_VERSION + 1;
    cr_assert_eq (kith_rocks_write (rocks, &state, NULL, 0, NULL), 0);
    kith_rocks_destroy (&rocks);
    cr_assert_null (kith_kv_rocks_open (path, &error));
    cr_assert_eq (error.code, KITH_ERR_VERSION, "%s", error.message);
    scratch_remove (&path);
}

//  RocksDB's own lock, held by another tool
Test (kv_rocks, locked_by_rocksdb)
{
    char *path = scratch_new ();
    char *content = s_store_make (path);
    int ready [2];
    cr_assert_eq (pipe (ready), 0);
    pid_t child = fork ();
    if (child == 0) {
        kith_rocks_t *rocks = kith_rocks_open (path, KITH_ROCKS_WRITE, NULL);
        char answer = rocks ? 'y' : 'n';
        if (write (ready [1], &answer, 1) != 1)
            _exit (1);
        pause ();
        _exit (0);
    }
    char answer = 0;
    cr_assert_eq (read (ready [0], &answer, 1), 1);
    cr_assert_eq (answer, 'y');
    kith_error_t error = {0};
    cr_assert_null (kith_kv_rocks_open (path, &error));
    cr_assert_eq (error.code, KITH_ERR_LOCKED, "%s", error.message);
    kill (child, SIGKILL);
    cr_assert_eq (waitpid (child, NULL, 0), child);
    cr_assert_eq (s_judge (path, content, "after the lock"), KITH_OK);
    free (content);
    scratch_remove (&path);
}

Test (kv_rocks, no_directory)
{
    kith_error_t error = {0};
    cr_assert_null (kith_kv_rocks_open ("/proc/nowhere/kv", &error));
    cr_assert_neq (error.code, KITH_OK);
    cr_assert (strstr (error.message, "/proc"), "%s", error.message);
    char *path = scratch_new ();
    char file [4096];
    snprintf (file, sizeof file, "%s/plain", path);
    scratch_write (path, "plain", "x", 1);
    cr_assert_null (kith_kv_rocks_open (file, &error));
    //  Directories that are missing are made
    snprintf (file, sizeof file, "%s/a/b/c", path);
    kith_kv_t *kv = kith_kv_rocks_open (file, &error);
    cr_assert (kv, "%s", error.message);
    kv->close (&kv);
    scratch_remove (&path);
}

//  --- crashes and full disks ----------------------------------------------------------------------------

//  The child tells each acknowledged revision through the pipe until it is killed
static void
s_child (const char *path, int tell)
{
    kith_kv_t *kv = kith_kv_rocks_open (path, NULL);
    for (int index = 0; kv; index++) {
        char key [32];
        char value [32];
        snprintf (key, sizeof key, "k/%d", index % 50);
        snprintf (value, sizeof value, "%d", index);
        uint64_t revision = s_put (kv, key, value);
        if (write (tell, &revision, sizeof revision) != (ssize_t) sizeof revision)
            break;
    }
    _exit (1);
}

Test (kv_rocks, killed)
{
    char *path = scratch_new ();
    uint64_t last = 0;
    for (int round = 0; round < 6; round++) {
        int told [2];
        cr_assert_eq (pipe (told), 0);
        pid_t child = fork ();
        if (child == 0) {
            close (told [0]);
            s_child (path, told [1]);
        }
        close (told [1]);
        uint64_t revision = 0;
        for (int index = 0; index < 20 + round * 7; index++)
            cr_assert_eq (read (told [0], &revision, sizeof revision),
                          (ssize_t) sizeof revision);
        last = revision;
        kill (child, SIGKILL);
        while (read (told [0], &revision, sizeof revision) == (ssize_t) sizeof revision)
            last = revision;
        cr_assert_eq (waitpid (child, NULL, 0), child);
        close (told [0]);
        kith_error_t error = {0};
        kith_kv_t *kv = kith_kv_rocks_open (path, &error);
        cr_assert (kv, "%s", error.message);
        uint64_t next = s_put (kv, "probe", "x");
        //  At most the one transaction that was under way came on top
        cr_assert (next == last + 1 || next == last + 2, "%" PRIu64 " after %" PRIu64,
                   next, last);
        last = next;
        kv->close (&kv);
    }
    scratch_remove (&path);
}

//  A write that fails: the store refuses everything until it is opened again, and lost nothing acknowledged
Test (kv_rocks, failed_write)
{
    char *path = scratch_new ();
    kith_kv_t *kv = kith_kv_rocks_open (path, NULL);
    struct rlimit limit;
    cr_assert_eq (getrlimit (RLIMIT_FSIZE, &limit), 0);
    const rlim_t was = limit.rlim_cur;
    signal (SIGXFSZ, SIG_IGN);
    char value [4000];
    memset (value, 'x', sizeof value);
    kith_error_t error = {0};
    bool committed = false;
    uint64_t revision = 0;
    uint64_t acknowledged = 0;
    int rc = 0;
    limit.rlim_cur = 100000;
    cr_assert_eq (setrlimit (RLIMIT_FSIZE, &limit), 0);
    for (int index = 0; rc == 0 && index < 1000; index++) {
        char key [16];
        snprintf (key, sizeof key, "k/%d", index);
        const kith_kv_change_t change = {key, value, sizeof value};
        rc = kv->txn (kv, NULL, 0, &change, 1, &committed, &revision, &error);
        acknowledged = rc == 0 ? revision : acknowledged;
    }
    limit.rlim_cur = was;
    cr_assert_eq (setrlimit (RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq (rc, -1);
    cr_assert_gt (acknowledged, 5);
    cr_assert (error.code == KITH_ERR_IO || error.code == KITH_ERR_NO_SPACE, "%s",
               error.message);
    const kith_kv_change_t change = {"k/0", "y", 1};
    cr_assert_eq (kv->txn (kv, NULL, 0, &change, 1, &committed, &revision, NULL), -1);
    cr_assert_eq (kv->get (kv, "k/0", NULL, &revision, NULL), -1);
    kv->close (&kv);
    kv = kith_kv_rocks_open (path, &error);
    cr_assert (kv, "%s", error.message);
    uint64_t next = s_put (kv, "k/0", "z");
    cr_assert (next == acknowledged + 1 || next == acknowledged + 2);
    kv->close (&kv);
    scratch_remove (&path);
}

//  Enough for many tables and compactions
Test (kv_rocks, large)
{
    char *path = scratch_new ();
    kith_kv_t *kv = kith_kv_rocks_open (path, NULL);
    uint8_t *value = kith_new (300000);
    kith_random_t random;
    kith_random_seed (&random, 1);
    for (int index = 0; index < 120; index++) {
        char key [16];
        snprintf (key, sizeof key, "big/%d", index % 13);
        for (size_t at = 0; at < 300000; at += 8)
            kith_put_u64 (value + at, kith_random_next (&random));
        const kith_kv_change_t change = {key, value, 300000};
        bool committed = false;
        uint64_t revision = 0;
        cr_assert_eq (kv->txn (kv, NULL, 0, &change, 1, &committed, &revision, NULL), 0);
    }
    kith_bytes_t out = {0};
    uint64_t revision = 0;
    cr_assert_eq (kv->get (kv, "big/2", &out, &revision, NULL), 0);
    cr_assert_eq (revision, 120);
    cr_assert (out.size == 300000 && memcmp (out.data, value, 300000) == 0);
    kith_bytes_free (&out);
    kv->close (&kv);
    kith_error_t error = {0};
    kv = kith_kv_rocks_open (path, &error);
    cr_assert (kv, "%s", error.message);
    kith_bytes_t text = {0};
    cr_assert_eq (kith_kv_rocks_dump (path, s_show, &text, &error), 0, "%s",
                  error.message);
    cr_assert_gt (text.size, 13);
    kith_bytes_free (&text);
    kv->close (&kv);
    free (value);
    scratch_remove (&path);
}
