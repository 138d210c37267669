//  fs.h - the file port: what storage/ asks of a file system, real or simulated
//  SPDX-License-Identifier: Apache-2.0
//
//  Everything blocks. Paths are plain text. What was written survives a power loss only after sync (file
//  contents and length) or sync_dir (names made, renamed or removed in a directory). A failed sync means
//  that the contents are unknown: the caller stops using the file and never syncs it again. What is absent is
//  NOT_FOUND. Opening a directory, listing a file and removing a directory that is not empty fail.
#ifndef KITH_FS_H
#define KITH_FS_H

#include "base/bytes.h"
#include "base/error.h"
#include "storage/block_reader.h"

typedef struct kith_file kith_file_t;

typedef struct kith_fs {
    //  Opens for reading and writing; create: made if absent (with exclusive: fails EXISTS if there).
    kith_file_t *(*open) (struct kith_fs *self, const char *path, bool create,
                          bool exclusive, kith_error_t *error);
    void (*close) (struct kith_fs *self, kith_file_t **file_p);
    //  Exact: fewer bytes than asked is KITH_ERR_CORRUPT (read) or NO_SPACE / IO (write).
    int (*read) (struct kith_fs *self, kith_file_t *file, uint64_t at, void *out,
                 size_t size, kith_error_t *error);
    int (*write) (struct kith_fs *self, kith_file_t *file, uint64_t at, const void *data,
                  size_t size, kith_error_t *error);
    int (*size) (struct kith_fs *self, kith_file_t *file, uint64_t *size,
                 kith_error_t *error);
    int (*truncate) (struct kith_fs *self, kith_file_t *file, uint64_t size,
                     kith_error_t *error);
    int (*sync) (struct kith_fs *self, kith_file_t *file, kith_error_t *error);
    //  Exclusive lock held until the file is closed or the process ends; LOCKED if another has it.
    int (*lock) (struct kith_fs *self, kith_file_t *file, kith_error_t *error);
    //  Read-only map of the whole file, 4096-aligned; null and size 0 for an empty one.
    const uint8_t *(*map) (struct kith_fs *self, kith_file_t *file, uint64_t *size,
                           kith_error_t *error);
    void (*unmap) (struct kith_fs *self, const uint8_t *data, uint64_t size);

    //  Opens a file to read blocks of it, many at a time. Null function: this file system has no such files, map them.
    kith_blocks_t *(*blocks) (struct kith_fs *self, const char *path,
                              kith_error_t *error);

    int (*mkdir) (struct kith_fs *self, const char *path,
                  kith_error_t *error);    //  there: no error
    int (*rename) (struct kith_fs *self, const char *from, const char *to,
                   kith_error_t *error);
    int (*link) (struct kith_fs *self, const char *from, const char *to,
                 kith_error_t *error);    //  EXISTS
    int (*remove) (struct kith_fs *self, const char *path,
                   kith_error_t *error);    //  absent: no error
    int (*sync_dir) (struct kith_fs *self, const char *path, kith_error_t *error);
    bool (*exists) (struct kith_fs *self, const char *path);
    //  Calls fn with each name in a directory (without . and ..), in name order; directories: is_dir.
    int (*list) (struct kith_fs *self, const char *path,
                 void (*fn) (void *arg, const char *name, bool is_dir), void *arg,
                 kith_error_t *error);
} kith_fs_t;

//  The operating system's. One for the process; never freed.
kith_fs_t *kith_fs_os (void);

//  Makes every missing directory of a path, each synced into its parent.
int kith_fs_mkdirs (kith_fs_t *self, const char *path, kith_error_t *error);

#endif
