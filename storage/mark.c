//  mark.c - a small file with a durable high-water mark
//  SPDX-License-Identifier: Apache-2.0
//
//  Two slots of 64 bytes, each at the start of a block of 4096, so that a write torn at a sector never
//  touches the other one. A slot:
//
//       0  u32 magic "KMRK"     4  u32 version (1)     8  u64 turn (1, 2, 3 ...)
//      16  u64 epoch           24  u64 last           32  28 zero bytes     60  u32 CRC32C of bytes 0..59
//
//  Turn t is written to slot t % 2; the valid slot with the greater turn counts.
#include "storage/mark.h"

#include "base/crc32c.h"

#define SLOT_BYTES 64u
#define SLOT_APART ((size_t) 4096)
#define FILE_BYTES (2 * SLOT_APART)
#define MAGIC 0x4b524d4bu    //  "KMRK"
#define VERSION 1u

struct kith_mark_file {
    kith_fs_t *fs;        //  file port, not ours
    kith_file_t *file;    //  the open mark file
    uint64_t turn;        //  of the newest valid slot; 0: none yet
    bool failed;          //  a write failed: what the file holds is unknown
};

typedef enum {
    SLOT_BLANK,    //  all zeros: never written
    SLOT_VALID,
    SLOT_OTHER,    //  whole, but of another version
    SLOT_DAMAGED
} slot_state_t;

static slot_state_t
s_slot_read (const uint8_t *slot, uint64_t *turn, kith_mark_t *mark)
{
    static const uint8_t blank [SLOT_BYTES];
    if (memcmp (slot, blank, SLOT_BYTES) == 0)
        return SLOT_BLANK;
    if (kith_get_u32 (slot) != MAGIC
        || kith_get_u32 (slot + 60) != kith_crc32c (0, slot, 60))
        return SLOT_DAMAGED;
    if (kith_get_u32 (slot + 4) != VERSION)
        return SLOT_OTHER;
    *turn = kith_get_u64 (slot + 8);
    mark->epoch = kith_get_u64 (slot + 16);
    mark->last = kith_get_u64 (slot + 24);
    return SLOT_VALID;
}

static void
s_slot_write (uint8_t *slot, uint64_t turn, kith_mark_t mark)
{
    memset (slot, 0, SLOT_BYTES);
    kith_put_u32 (slot, MAGIC);
    kith_put_u32 (slot + 4, VERSION);
    kith_put_u64 (slot + 8, turn);
    kith_put_u64 (slot + 16, mark.epoch);
    kith_put_u64 (slot + 24, mark.last);
    kith_put_u32 (slot + 60, kith_crc32c (0, slot, 60));
}

//  Writes the slot that is not the newest and syncs. A new file is written whole: later marks then find their
//  blocks even on a full disk.
static int
s_write (kith_mark_file_t *self, kith_mark_t mark, bool whole, kith_error_t *error)
{
    uint8_t bytes [FILE_BYTES] = {0};
    uint64_t at = (self->turn + 1) % 2 * SLOT_APART;
    s_slot_write (bytes + at, self->turn + 1, mark);
    size_t from = whole ? 0 : (size_t) at;
    size_t size = whole ? FILE_BYTES : SLOT_BYTES;
    if (self->fs->write (self->fs, self->file, from, bytes + from, size, error) != 0
        || self->fs->sync (self->fs, self->file, error) != 0) {
        self->failed = true;
        return -1;
    }
    self->turn++;
    return 0;
}

//  Makes the file what it is from its first moment on: its length, a first mark of zero, its name.
static int
s_make (kith_mark_file_t *self, const char *path, kith_error_t *error)
{
    self->turn = 0;
    if (s_write (self, (kith_mark_t){0, 0}, true, error) != 0)
        return -1;
    char *parent = kith_strdup (path);
    char *slash = strrchr (parent, '/');
    if (slash && slash != parent)
        *slash = 0;
    int rc = self->fs->sync_dir (self->fs,
                                 !slash            ? "."
                                 : slash == parent ? "/"
                                                   : parent,
                                 error);
    free (parent);
    return rc;
}

//  One damaged slot is the trace of a write that a crash cut short: the other one is the newest that was
//  synced. With two of them nobody knows what was promised.
static int
s_read_slots (kith_mark_file_t *self, const char *path, uint64_t size, kith_mark_t *mark,
              kith_error_t *error)
{
    int damaged = 0;
    for (uint64_t slot = 0; slot < 2 && slot * SLOT_APART + SLOT_BYTES <= size; slot++) {
        uint8_t bytes [SLOT_BYTES];
        if (self->fs->read (self->fs, self->file, slot * SLOT_APART, bytes, sizeof bytes,
                            error)
            != 0)
            return -1;
        uint64_t turn = 0;
        kith_mark_t found = {0, 0};
        slot_state_t state = s_slot_read (bytes, &turn, &found);
        if (state == SLOT_OTHER)
            return kith_error_set (error, KITH_ERR_VERSION,
                                   "%s was made by another version", path);
        if (state == SLOT_DAMAGED || (state == SLOT_VALID && turn % 2 != slot))
            damaged++;
        else if (state == SLOT_VALID && turn > self->turn) {
            self->turn = turn;
            *mark = found;
        }
    }
    if (damaged == 2)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "%s: both marks fail their check (bytes 0 and %zu)", path,
                               SLOT_APART);
    return 0;
}

static int
s_open (kith_mark_file_t *self, const char *path, bool create, kith_mark_t *mark,
        kith_error_t *error)
{
    uint64_t size = 0;
    if (self->fs->size (self->fs, self->file, &size, error) != 0
        || s_read_slots (self, path, size, mark, error) != 0)
        return -1;
    //  Never completely made, or never synced: only whoever makes it now may take that for a mark of zero
    if (create && size <= FILE_BYTES && self->turn <= 1)
        return s_make (self, path, error);
    if (size == FILE_BYTES && self->turn > 0)
        return 0;
    return kith_error_set (error, KITH_ERR_CORRUPT,
                           "%s (%" PRIu64 " bytes) is no whole mark file", path, size);
}

kith_mark_file_t *
kith_mark_open (kith_fs_t *fs, const char *path, bool create, kith_mark_t *mark,
                kith_error_t *error)
{
    assert (fs && path && mark);
    *mark = (kith_mark_t){0, 0};
    kith_file_t *file = fs->open (fs, path, create, false, error);
    if (!file)
        return NULL;
    kith_mark_file_t *self = kith_new (sizeof *self);
    self->fs = fs;
    self->file = file;
    if (s_open (self, path, create, mark, error) != 0)
        kith_mark_close (&self);
    return self;
}

int
kith_mark_write (kith_mark_file_t *self, kith_mark_t mark, kith_error_t *error)
{
    assert (self);
    if (self->failed)
        return kith_error_set (error, KITH_ERR_IO,
                               "the mark file cannot be used: an earlier write failed");
    return s_write (self, mark, false, error);
}

void
kith_mark_close (kith_mark_file_t **self_p)
{
    assert (self_p);
    kith_mark_file_t *self = *self_p;
    if (!self)
        return;
    self->fs->close (self->fs, &self->file);
    free (self);
    *self_p = NULL;
}
