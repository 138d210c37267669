//  fs_os.c - the file port on POSIX
//  SPDX-License-Identifier: Apache-2.0
#include "storage/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

//  Largest piece of one system call: Linux moves at most 2 GiB less a page at once
#define PIECE_MAX ((size_t) 1 << 30)

struct kith_file {
    int handle;     //  file descriptor, close-on-exec
    bool failed;    //  a sync failed: contents unknown, never synced again
    char path [];
};

static kith_file_t *
s_open (kith_fs_t *self, const char *path, bool create, bool exclusive,
        kith_error_t *error)
{
    (void) self;
    assert (path && (create || !exclusive));
    int flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0) | (exclusive ? O_EXCL : 0);
    int handle;
    do
        handle = open (path, flags, 0644);
    while (handle < 0 && errno == EINTR);
    if (handle < 0) {
        if (errno == EEXIST)
            kith_error_set (error, KITH_ERR_EXISTS, "%s is there already", path);
        else if (errno == ENOENT)
            kith_error_set (error, KITH_ERR_NOT_FOUND, "%s is not there", path);
        else
            kith_error_errno (error, errno, "cannot open %s", path);
        return NULL;
    }
    kith_file_t *file = kith_new (sizeof *file + strlen (path) + 1);
    file->handle = handle;
    memcpy (file->path, path, strlen (path) + 1);
    return file;
}

static void
s_close (kith_fs_t *self, kith_file_t **file_p)
{
    (void) self;
    assert (file_p);
    if (!*file_p)
        return;
    //  What must be durable was synced before; Linux frees the descriptor even on EINTR
    close ((*file_p)->handle);
    free (*file_p);
    *file_p = NULL;
}

static int
s_read (kith_fs_t *self, kith_file_t *file, uint64_t at, void *out, size_t size,
        kith_error_t *error)
{
    (void) self;
    if (at > INT64_MAX - size)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "%s: no file reaches to byte %" PRIu64, file->path, at);
    size_t done = 0;
    while (done < size) {
        size_t piece = size - done < PIECE_MAX ? size - done : PIECE_MAX;
        ssize_t got =
            pread (file->handle, (uint8_t *) out + done, piece, (off_t) (at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kith_error_errno (error, errno,
                                     "cannot read %zu bytes at %" PRIu64 " of %s", size,
                                     at, file->path);
        if (got == 0)
            return kith_error_set (error, KITH_ERR_CORRUPT,
                                   "%s ends at byte %" PRIu64 ", %zu bytes at %" PRIu64
                                   " were asked for",
                                   file->path, at + done, size, at);
        done += (size_t) got;
    }
    return 0;
}

static int
s_write (kith_fs_t *self, kith_file_t *file, uint64_t at, const void *data, size_t size,
         kith_error_t *error)
{
    (void) self;
    assert (at <= INT64_MAX - size);
    size_t done = 0;
    while (done < size) {
        size_t piece = size - done < PIECE_MAX ? size - done : PIECE_MAX;
        ssize_t put = pwrite (file->handle, (const uint8_t *) data + done, piece,
                              (off_t) (at + done));
        if (put < 0 && errno == EINTR)
            continue;
        //  A short write is told why by the next one
        if (put <= 0)
            return kith_error_errno (error, put < 0 ? errno : EIO,
                                     "cannot write %zu bytes at %" PRIu64 " of %s", size,
                                     at, file->path);
        done += (size_t) put;
    }
    return 0;
}

static int
s_size (kith_fs_t *self, kith_file_t *file, uint64_t *size, kith_error_t *error)
{
    (void) self;
    struct stat status;
    if (fstat (file->handle, &status) != 0)
        return kith_error_errno (error, errno, "cannot ask for the length of %s",
                                 file->path);
    *size = (uint64_t) status.st_size;
    return 0;
}

static int
s_truncate (kith_fs_t *self, kith_file_t *file, uint64_t size, kith_error_t *error)
{
    (void) self;
    assert (size <= INT64_MAX);
    int rc;
    do
        rc = ftruncate (file->handle, (off_t) size);
    while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return kith_error_errno (error, errno, "cannot set the length of %s to %" PRIu64,
                                 file->path, size);
    return 0;
}

static int
s_sync (kith_fs_t *self, kith_file_t *file, kith_error_t *error)
{
    (void) self;
    //  A second sync would say "done" for pages that the first could not write and marked clean
    if (file->failed)
        return kith_error_set (error, KITH_ERR_IO,
                               "%s: an earlier sync failed, what is on disk is unknown",
                               file->path);
    int rc;
    do
        rc = fdatasync (file->handle);
    while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        file->failed = true;
        return kith_error_errno (error, errno, "cannot sync %s", file->path);
    }
    return 0;
}

static int
s_lock (kith_fs_t *self, kith_file_t *file, kith_error_t *error)
{
    (void) self;
    int rc;
    do
        rc = flock (file->handle, LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return kith_error_set (error, KITH_ERR_LOCKED, "%s is held by another process",
                               file->path);
    return kith_error_errno (error, errno, "cannot lock %s", file->path);
}

static const uint8_t *
s_map (kith_fs_t *self, kith_file_t *file, uint64_t *size, kith_error_t *error)
{
    if (s_size (self, file, size, error) != 0 || *size == 0)
        return NULL;
    void *data = MAP_FAILED;
    if (*size <= SIZE_MAX)
        data = mmap (NULL, (size_t) *size, PROT_READ, MAP_SHARED, file->handle, 0);
    if (data == MAP_FAILED) {
        kith_error_errno (error, errno, "cannot map %s (%" PRIu64 " bytes)", file->path,
                          *size);
        *size = 0;
        return NULL;
    }
    return data;
}

static void
s_unmap (kith_fs_t *self, const uint8_t *data, uint64_t size)
{
    (void) self;
    if (!data)
        return;
    //  munmap takes a pointer to non-const, though it writes nothing
    int rc = munmap (kith_unconst (data), (size_t) size);
    assert (rc == 0);
    (void) rc;
}

static kith_blocks_t *
s_blocks (kith_fs_t *self, const char *path, kith_error_t *error)
{
    (void) self;
    return kith_blocks_file_new (path, error);
}

//  Another process may take a directory away at any time: its own code, so that the caller can tell
static int
s_absent (const char *path, kith_error_t *error)
{
    return kith_error_set (error, KITH_ERR_NOT_FOUND, "%s is not there", path);
}

static int
s_mkdir (kith_fs_t *self, const char *path, kith_error_t *error)
{
    (void) self;
    if (mkdir (path, 0755) == 0)
        return 0;
    if (errno == ENOENT)
        return s_absent (path, error);
    if (errno != EEXIST)
        return kith_error_errno (error, errno, "cannot make directory %s", path);
    struct stat status;
    if (stat (path, &status) != 0)
        return s_absent (path, error);
    if (S_ISDIR (status.st_mode))
        return 0;
    return kith_error_set (error, KITH_ERR_EXISTS, "%s is there and is no directory",
                           path);
}

static int
s_rename (kith_fs_t *self, const char *from, const char *to, kith_error_t *error)
{
    (void) self;
    if (rename (from, to) != 0)
        return kith_error_errno (error, errno, "cannot rename %s to %s", from, to);
    return 0;
}

static int
s_link (kith_fs_t *self, const char *from, const char *to, kith_error_t *error)
{
    (void) self;
    if (link (from, to) == 0)
        return 0;
    if (errno == EEXIST)
        return kith_error_set (error, KITH_ERR_EXISTS, "%s is there already", to);
    return kith_error_errno (error, errno, "cannot link %s to %s", from, to);
}

static int
s_remove (kith_fs_t *self, const char *path, kith_error_t *error)
{
    (void) self;
    if (remove (path) == 0 || errno == ENOENT)
        return 0;
    return kith_error_errno (error, errno, "cannot remove %s", path);
}

static int
s_sync_dir (kith_fs_t *self, const char *path, kith_error_t *error)
{
    (void) self;
    int handle;
    do
        handle = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (handle < 0 && errno == EINTR);
    if (handle < 0 && errno == ENOENT)
        return s_absent (path, error);
    if (handle < 0)
        return kith_error_errno (error, errno, "cannot open directory %s", path);
    int rc;
    do
        rc = fsync (handle);
    while (rc != 0 && errno == EINTR);
    if (rc != 0)
        kith_error_errno (error, errno, "cannot sync directory %s", path);
    close (handle);
    return rc == 0 ? 0 : -1;
}

static bool
s_exists (kith_fs_t *self, const char *path)
{
    (void) self;
    struct stat status;
    return stat (path, &status) == 0;
}

static bool
s_is_dir (int directory, const struct dirent *entry)
{
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    struct stat status;
    return fstatat (directory, entry->d_name, &status, 0) == 0
           && S_ISDIR (status.st_mode);
}

//  By bytes, not by locale: the order is the same everywhere
static int
s_by_name (const struct dirent **a, const struct dirent **b)
{
    return strcmp ((*a)->d_name, (*b)->d_name);
}

static int
s_list (kith_fs_t *self, const char *path,
        void (*fn) (void *arg, const char *name, bool is_dir), void *arg,
        kith_error_t *error)
{
    (void) self;
    int directory = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 && errno == ENOENT)
        return s_absent (path, error);
    if (directory < 0)
        return kith_error_errno (error, errno, "cannot open directory %s", path);
    struct dirent **entries = NULL;
    int count = scandirat (directory, ".", &entries, NULL, s_by_name);
    if (count < 0)
        kith_error_errno (error, errno, "cannot list directory %s", path);
    for (int index = 0; index < count; index++) {
        const char *name = entries [index]->d_name;
        if (strcmp (name, ".") != 0 && strcmp (name, "..") != 0)
            fn (arg, name, s_is_dir (directory, entries [index]));
        free (entries [index]);
    }
    free (entries);
    close (directory);
    return count < 0 ? -1 : 0;
}

kith_fs_t *
kith_fs_os (void)
{
    //  Holds functions alone, so one serves the whole process
    static kith_fs_t system = {.open = s_open,
                               .close = s_close,
                               .read = s_read,
                               .write = s_write,
                               .size = s_size,
                               .truncate = s_truncate,
                               .sync = s_sync,
                               .lock = s_lock,
                               .map = s_map,
                               .unmap = s_unmap,
                               .blocks = s_blocks,
                               .mkdir = s_mkdir,
                               .rename = s_rename,
                               .link = s_link,
                               .remove = s_remove,
                               .sync_dir = s_sync_dir,
                               .exists = s_exists,
                               .list = s_list};
    return &system;
}
