//  mark.h - a small file with a durable high-water mark: two slots, written in turn, the newest valid one counts
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_MARK_H
#define KITH_MARK_H

#include "storage/fs.h"

typedef struct {
    uint64_t epoch;
    uint64_t last;    //  seq of a log, revision of a kv
} kith_mark_t;

typedef struct kith_mark_file kith_mark_file_t;

//  Opens or (create) makes the mark file, reads its mark (zero when just made). CORRUPT: both slots damaged.
kith_mark_file_t *kith_mark_open (kith_fs_t *fs, const char *path, bool create,
                                  kith_mark_t *mark, kith_error_t *error);
//  Writes the other slot and syncs; after an error the file is not to be used again.
int kith_mark_write (kith_mark_file_t *self, kith_mark_t mark, kith_error_t *error);
void kith_mark_close (kith_mark_file_t **self_p);

#endif
