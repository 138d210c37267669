//  fs.c - what every file port can do by its own calls
//  SPDX-License-Identifier: Apache-2.0
#include "storage/fs.h"

//  Directory that holds `path`, which ends at `length`: its length, 0 for "the one we are in"
static size_t
s_parent (const char *path, size_t length)
{
    while (length > 0 && path [length - 1] != '/')
        length--;
    while (length > 1 && path [length - 1] == '/')
        length--;
    return length;
}

//  Syncs the directory that holds `path`, whose name ends at `length`.
static int
s_sync_parent (kith_fs_t *self, char *path, size_t length, kith_error_t *error)
{
    size_t parent = s_parent (path, length);
    char after = path [parent];
    path [parent] = 0;
    int rc = self->sync_dir (self, parent ? path : ".", error);
    path [parent] = after;
    return rc;
}

//  Makes a directory whose parent is there.
static int
s_make (kith_fs_t *self, char *path, size_t length, kith_error_t *error)
{
    char after = path [length];
    path [length] = 0;
    int rc = self->mkdir (self, path, error);
    path [length] = after;
    return rc == 0 ? s_sync_parent (self, path, length, error) : -1;
}

int
kith_fs_mkdirs (kith_fs_t *self, const char *path, kith_error_t *error)
{
    assert (self && path && *path);
    char *copy = kith_strdup (path);
    size_t size = strlen (copy);
    while (size > 1 && copy [size - 1] == '/')
        copy [--size] = 0;

    //  Up to the lowest directory that is there (the root always is), then down again
    size_t there = size;
    while (there > 0 && !(there == 1 && *copy == '/') && !self->exists (self, copy)) {
        there = s_parent (copy, there);
        copy [there] = 0;
    }
    //  An earlier try may have ended before it synced the last name that it made. If the directory above may
    //  not even be opened, that name is not one of ours: no error.
    if (there > 1)
        (void) s_sync_parent (self, copy, there, NULL);
    memcpy (copy, path, size);
    int rc = there == size ? self->mkdir (self, copy, error) : 0;
    for (size_t length = there + 1; rc == 0 && length <= size; length++) {
        bool ends = length == size || copy [length] == '/';
        if (ends && copy [length - 1] != '/')
            rc = s_make (self, copy, length, error);
    }
    free (copy);
    return rc;
}
