//  kv_rocks.c - the metadata port on RocksDB, with a mark file that RocksDB cannot lose
//  SPDX-License-Identifier: Apache-2.0
//
//  RocksDB opens "OK" with half of its log cut off. So the revision of the last acknowledged transaction
//  is in a file of ours too (the mark), synced before the acknowledgement, and an opening
//
//      1. takes a lock of ours, and reads the mark;
//      2. opens RocksDB read-only, which changes no file, and reads and checks every entry, their count
//         and sum, and that the revision is at or above the mark;
//      3. only then opens it for writing, which may delete files, and syncs the mark.
//
//  A refusal therefore leaves RocksDB's files as they were found.
#include "storage/kv_rocks_db.h"

#include "storage/mark.h"

#include <sys/random.h>

typedef struct {
    kith_kv_t port;    //  first: the port is the handle
    char *path;
    kith_fs_t *fs;
    kith_file_t *lock;    //  held until close
    kith_mark_file_t *mark;
    kith_rocks_t *rocks;
    kith_rocks_state_t state;    //  as of the last committed transaction
    kith_code_t dead;            //  not OK: a transaction ended in this error
} s_store_t;

//  What a directory holds before RocksDB is asked
typedef struct {
    bool current;    //  RocksDB's CURRENT
    bool mark;       //  our mark file
    bool data;       //  tables or logs of RocksDB
} s_found_t;

//  What a check of all entries adds up
typedef struct {
    uint64_t count;
    uint64_t sum;
} s_tally_t;

static void
s_tally (void *arg, const kith_rocks_entry_t *entry)
{
    s_tally_t *self = arg;
    self->count++;
    self->sum += entry->hash;
}

//  --- before RocksDB ------------------------------------------------------------------------------------

static char *
s_path (const char *directory, const char *name)
{
    kith_bytes_t path = {0};
    kith_bytes_printf (&path, "%s/%s", directory, name);
    kith_bytes_put_u8 (&path, 0);
    char *text = kith_strdup ((const char *) path.data);
    kith_bytes_free (&path);
    return text;
}

static bool
s_ends (const char *name, const char *end)
{
    size_t length = strlen (name);
    size_t end_length = strlen (end);
    return length >= end_length && strcmp (name + length - end_length, end) == 0;
}

static void
s_found_name (void *arg, const char *name, bool is_dir)
{
    s_found_t *self = arg;
    if (is_dir)
        return;
    if (strcmp (name, "CURRENT") == 0)
        self->current = true;
    else if (strcmp (name, "KITH_MARK") == 0)
        self->mark = true;
    else if (s_ends (name, ".sst") || s_ends (name, ".log"))
        self->data = true;
}

static int
s_lock (s_store_t *self, kith_error_t *error)
{
    char *path = s_path (self->path, "KITH_LOCK");
    int rc = -1;
    self->lock = self->fs->open (self->fs, path, true, false, error);
    if (self->lock && self->fs->lock (self->fs, self->lock, error) == 0)
        rc = 0;
    else if (error && error->code == KITH_ERR_LOCKED) {
        kith_error_set (error, KITH_ERR_LOCKED,
                        "metadata store %s is in use by another process", self->path);
        kith_error_hint (error,
                         "stop that process first; no two may share a data directory");
    }
    free (path);
    return rc;
}

static int
s_lost (const char *path, uint64_t mark, uint64_t present, kith_error_t *error)
{
    kith_error_set (error, KITH_ERR_LOST,
                    "metadata store %s has lost transactions: revision %" PRIu64
                    " was acknowledged, the store has revision %" PRIu64,
                    path, mark, present);
    kith_error_hint (error,
                     "restore %s from a backup; `zactor check --accept-loss` goes on "
                     "without them and says what is gone",
                     path);
    return -1;
}

//  Refuses what can be no store of ours and no beginning of one. A store that is being made has its mark
//  first, then RocksDB's MANIFEST, CURRENT, and only then data.
static int
s_check_found (const s_store_t *self, const s_found_t *found, const kith_mark_t *mark,
               kith_error_t *error)
{
    if (!found->mark && (found->current || found->data)) {
        kith_error_set (error, KITH_ERR_CORRUPT,
                        "metadata store %s: its mark file KITH_MARK is missing",
                        self->path);
        kith_error_hint (error,
                         "without it lost transactions would not show; `zactor check "
                         "--accept-loss` makes a new one");
        return -1;
    }
    if (!found->current && mark->last > 0)
        return s_lost (self->path, mark->last, 0, error);
    if (!found->current && found->data)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "metadata store %s: RocksDB's file CURRENT is missing",
                               self->path);
    return 0;
}

//  --- check ---------------------------------------------------------------------------------------------

//  Reads every entry and holds them against the state
static int
s_check_entries (kith_rocks_t *rocks, const char *path, const kith_rocks_state_t *state,
                 kith_error_t *error)
{
    s_tally_t tally = {0};
    if (kith_rocks_each (rocks, "", s_tally, &tally, error))
        return -1;
    if (tally.count != state->count || tally.sum != state->sum)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "metadata store %s: its %" PRIu64
                               " keys are not the %" PRIu64 " of revision %" PRIu64,
                               path, tally.count, state->count, state->revision);
    return 0;
}

static int
s_check_rocks (kith_rocks_t *rocks, const char *path, const kith_mark_t *mark,
               kith_rocks_state_t *state, kith_error_t *error)
{
    bool found;
    if (kith_rocks_state (rocks, state, &found, error))
        return -1;
    if (mark->epoch == 0 || (found && mark->epoch != state->id))
        return kith_error_set (
            error, KITH_ERR_CORRUPT,
            "metadata store %s: its mark file belongs to another store "
            "(%016" PRIx64 ", not %016" PRIx64 ")",
            path, mark->epoch, state->id);
    if (state->revision < mark->last)
        return s_lost (path, mark->last, state->revision, error);
    return s_check_entries (rocks, path, state, error);
}

//  The whole check, read-only
static int
s_check (const char *path, const kith_mark_t *mark, kith_rocks_state_t *state,
         kith_error_t *error)
{
    *state = (kith_rocks_state_t){0};
    kith_rocks_t *rocks = kith_rocks_open (path, KITH_ROCKS_READ, error);
    if (!rocks)
        return -1;
    int rc = s_check_rocks (rocks, path, mark, state, error);
    kith_rocks_destroy (&rocks);
    return rc;
}

//  --- opening -------------------------------------------------------------------------------------------

static int
s_mark_open (s_store_t *self, bool create, kith_mark_t *mark, kith_error_t *error)
{
    char *path = s_path (self->path, "KITH_MARK");
    self->mark = kith_mark_open (self->fs, path, create, mark, error);
    free (path);
    return self->mark ? 0 : kith_error_prefix (error, "metadata store %s", self->path);
}

//  Gives a new store its id. The mark has it first, so that a store without a mark is never a young one.
static int
s_mark_begin (s_store_t *self, kith_mark_t *mark, kith_error_t *error)
{
    if (getrandom (&mark->epoch, sizeof mark->epoch, 0) != (ssize_t) sizeof mark->epoch)
        return kith_error_set (error, KITH_ERR_IO, "the system gives no random numbers");
    mark->epoch |= 1;
    return kith_mark_write (self->mark, *mark, error);
}

//  Opens RocksDB for writing and makes sure that it shows what the check saw
static int
s_rocks_open (s_store_t *self, bool there, const kith_mark_t *mark, kith_error_t *error)
{
    const kith_rocks_state_t checked = self->state;
    bool found;
    self->rocks =
        kith_rocks_open (self->path, there ? KITH_ROCKS_WRITE : KITH_ROCKS_CREATE, error);
    if (!self->rocks || kith_rocks_state (self->rocks, &self->state, &found, error))
        return -1;
    if (!found) {
        //  New, or a crash came before the first batch
        self->state =
            (kith_rocks_state_t){.version = KITH_ROCKS_VERSION, .id = mark->epoch};
        if (kith_rocks_write (self->rocks, &self->state, NULL, 0, error))
            return -1;
    }
    if (self->state.revision != checked.revision || self->state.sum != checked.sum)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "metadata store %s changed while it was opened",
                               self->path);
    return kith_mark_write (
        self->mark, (kith_mark_t){.epoch = self->state.id, .last = self->state.revision},
        error);
}

static int
s_store_open (s_store_t *self, kith_error_t *error)
{
    s_found_t found = {0};
    kith_mark_t mark = {0};
    if (kith_fs_mkdirs (self->fs, self->path, error) || s_lock (self, error)
        || self->fs->list (self->fs, self->path, s_found_name, &found, error))
        return -1;
    if (!found.mark && s_check_found (self, &found, &mark, error))
        return -1;
    if (s_mark_open (self, !found.current && !found.data, &mark, error)
        || s_check_found (self, &found, &mark, error))
        return -1;
    if (found.current && s_check (self->path, &mark, &self->state, error))
        return -1;
    if (!found.current && mark.epoch == 0 && s_mark_begin (self, &mark, error))
        return -1;
    return s_rocks_open (self, found.current, &mark, error);
}

static void
s_store_free (s_store_t *self)
{
    kith_rocks_destroy (&self->rocks);
    kith_mark_close (&self->mark);
    if (self->lock)
        self->fs->close (self->fs, &self->lock);
    free (self->path);
    free (self);
}

static s_store_t *
s_store_new (const char *path)
{
    s_store_t *self = kith_new (sizeof *self);
    self->fs = kith_fs_os ();
    self->path = kith_strdup (path);
    return self;
}

//  --- the port ------------------------------------------------------------------------------------------

static int
s_store_refuse (const s_store_t *self, kith_error_t *error)
{
    if (self->dead == KITH_OK)
        return 0;
    return kith_error_set (
        error, self->dead,
        "metadata store %s must be opened again after a failed transaction", self->path);
}

static int
s_store_get (kith_kv_t *port, const char *key, kith_bytes_t *out, uint64_t *revision,
             kith_error_t *error)
{
    s_store_t *self = (s_store_t *) port;
    kith_rocks_entry_t entry = {0};
    bool found;
    if (s_store_refuse (self, error))
        return -1;
    if (!kith_kv_key_valid (key))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "metadata key '%.64s' is not valid", key);
    if (kith_rocks_get (self->rocks, key, out, &entry, &found, error))
        return -1;
    if (revision)
        *revision = found ? entry.revision : 0;
    return 0;
}

typedef struct {
    kith_kv_scan_fn *fn;
    void *arg;
} s_scan_t;

static void
s_scan_entry (void *arg, const kith_rocks_entry_t *entry)
{
    const s_scan_t *self = arg;
    self->fn (self->arg, entry->key, entry->value, entry->size, entry->revision);
}

static int
s_store_scan (kith_kv_t *port, const char *prefix, kith_kv_scan_fn *fn, void *arg,
              kith_error_t *error)
{
    s_store_t *self = (s_store_t *) port;
    s_scan_t scan = {fn, arg};
    if (s_store_refuse (self, error))
        return -1;
    if (!kith_kv_prefix_valid (prefix))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "metadata prefix '%.64s' is not valid", prefix);
    return kith_rocks_each (self->rocks, prefix, s_scan_entry, &scan, error);
}

static int
s_store_compare (s_store_t *self, const kith_kv_compare_t *compares, size_t count,
                 bool *holds, kith_error_t *error)
{
    *holds = true;
    for (size_t index = 0; *holds && index < count; index++) {
        kith_rocks_entry_t entry = {0};
        bool found;
        if (kith_rocks_get (self->rocks, compares [index].key, NULL, &entry, &found,
                            error))
            return -1;
        *holds = (found ? entry.revision : 0) == compares [index].revision;
    }
    return 0;
}

//  The state after the changes: what they replace leaves the sum, what they put enters it
static int
s_store_next (s_store_t *self, const kith_kv_change_t *changes, size_t count,
              kith_rocks_state_t *next, kith_error_t *error)
{
    *next = self->state;
    next->revision++;
    for (size_t index = 0; index < count; index++) {
        const kith_kv_change_t *change = &changes [index];
        kith_rocks_entry_t old = {0};
        bool found;
        if (kith_rocks_get (self->rocks, change->key, NULL, &old, &found, error))
            return -1;
        if (found) {
            next->count--;
            next->sum -= old.hash;
        }
        if (change->value) {
            next->count++;
            next->sum += kith_rocks_hash (change->key, next->revision, change->value,
                                          change->size);
        }
    }
    return 0;
}

static int
s_store_commit (s_store_t *self, const kith_kv_compare_t *compares, size_t compare_count,
                const kith_kv_change_t *changes, size_t change_count, bool *committed,
                kith_error_t *error)
{
    kith_rocks_state_t next;
    if (s_store_compare (self, compares, compare_count, committed, error))
        return -1;
    if (!*committed)
        return 0;
    if (s_store_next (self, changes, change_count, &next, error)
        || kith_rocks_write (self->rocks, &next, changes, change_count, error))
        return -1;
    //  The mark before the answer: what was answered is what the next opening insists on
    if (kith_mark_write (self->mark,
                         (kith_mark_t){.epoch = next.id, .last = next.revision}, error))
        return kith_error_prefix (error, "metadata store %s", self->path);
    self->state = next;
    return 0;
}

static int
s_store_txn (kith_kv_t *port, const kith_kv_compare_t *compares, size_t compare_count,
             const kith_kv_change_t *changes, size_t change_count, bool *committed,
             uint64_t *revision, kith_error_t *error)
{
    s_store_t *self = (s_store_t *) port;
    kith_error_t local;
    if (s_store_refuse (self, error)
        || kith_kv_txn_check (compares, compare_count, changes, change_count, error))
        return -1;
    if (!error)
        error = &local;
    if (s_store_commit (self, compares, compare_count, changes, change_count, committed,
                        error)) {
        self->dead = error->code;
        return -1;
    }
    *revision = self->state.revision;
    return 0;
}

static void
s_store_close (kith_kv_t **self_p)
{
    assert (self_p);
    if (!*self_p)
        return;
    s_store_free ((s_store_t *) *self_p);
    *self_p = NULL;
}

kith_kv_t *
kith_kv_rocks_open (const char *path, kith_error_t *error)
{
    kith_error_t local;
    s_store_t *self = s_store_new (path);
    self->port = (kith_kv_t){s_store_get, s_store_scan, s_store_txn, s_store_close};
    if (s_store_open (self, error ? error : &local)) {
        s_store_free (self);
        return NULL;
    }
    return &self->port;
}

//  --- for zactor ----------------------------------------------------------------------------------------

int
kith_kv_rocks_dump (const char *path, kith_kv_scan_fn *fn, void *arg, kith_error_t *error)
{
    s_scan_t scan = {fn, arg};
    kith_rocks_t *rocks = kith_rocks_open (path, KITH_ROCKS_READ, error);
    if (!rocks)
        return -1;
    int rc = kith_rocks_each (rocks, "", s_scan_entry, &scan, error);
    kith_rocks_destroy (&rocks);
    return rc;
}

//  Reads the mark for accept_loss; one that cannot be read is removed, its revision is then 0
static int
s_accept_mark (s_store_t *self, kith_mark_t *mark, kith_error_t *error)
{
    char *path = s_path (self->path, "KITH_MARK");
    self->mark = kith_mark_open (self->fs, path, true, mark, error);
    if (!self->mark && error->code == KITH_ERR_CORRUPT) {
        *mark = (kith_mark_t){0};
        if (self->fs->remove (self->fs, path, error) == 0)
            self->mark = kith_mark_open (self->fs, path, true, mark, error);
    }
    free (path);
    return self->mark ? 0 : -1;
}

//  Reads what there is, changing nothing: a store that RocksDB cannot read stays as it is
static int
s_accept_read (s_store_t *self, s_tally_t *tally, kith_error_t *error)
{
    bool found;
    kith_rocks_t *rocks = kith_rocks_open (self->path, KITH_ROCKS_READ, error);
    int rc = rocks ? kith_rocks_state (rocks, &self->state, &found, error) : -1;
    if (rc == 0)
        rc = kith_rocks_each (rocks, "", s_tally, tally, error);
    kith_rocks_destroy (&rocks);
    return rc;
}

static int
s_accept (s_store_t *self, uint64_t *acknowledged, uint64_t *present, kith_error_t *error)
{
    s_tally_t tally = {0};
    s_found_t names = {0};
    kith_mark_t mark = {0};
    if (s_lock (self, error)
        || self->fs->list (self->fs, self->path, s_found_name, &names, error)
        || (names.current && s_accept_read (self, &tally, error))
        || s_accept_mark (self, &mark, error))
        return -1;
    *acknowledged = mark.last;
    *present = self->state.revision;
    self->rocks = kith_rocks_open (
        self->path, names.current ? KITH_ROCKS_WRITE : KITH_ROCKS_CREATE, error);
    if (!self->rocks)
        return -1;
    self->state.version = KITH_ROCKS_VERSION;
    self->state.count = tally.count;
    self->state.sum = tally.sum;
    self->state.revision = (*acknowledged > *present ? *acknowledged : *present) + 1;
    if (!self->state.id)
        self->state.id = mark.epoch | 1;
    if (kith_rocks_write (self->rocks, &self->state, NULL, 0, error))
        return -1;
    return kith_mark_write (
        self->mark, (kith_mark_t){.epoch = self->state.id, .last = self->state.revision},
        error);
}

int
kith_kv_rocks_accept_loss (const char *path, uint64_t *acknowledged, uint64_t *present,
                           kith_error_t *error)
{
    kith_error_t local;
    s_store_t *self = s_store_new (path);
    int rc = s_accept (self, acknowledged, present, error ? error : &local);
    s_store_free (self);
    return rc;
}
