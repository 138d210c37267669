//  scratch.h - directories and files that a test makes, copies, damages and removes
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_TEST_SCRATCH_H
#define KITH_TEST_SCRATCH_H

#include "base/bytes.h"

//  A new directory below $TMPDIR or /tmp; removed, with all that is in it, by scratch_remove.
char *scratch_new (void);
void scratch_remove (char **path_p);

//  Copies the plain files of a directory into another, which is emptied before.
void scratch_copy (const char *from, const char *to);

//  Text that names every plain file of a directory with its size and checksum; the caller frees it. A file
//  named `but` is left out.
char *scratch_digest (const char *path, const char *but);

//  A whole file, and a whole file anew.
kith_bytes_t scratch_read (const char *directory, const char *name);
void
scratch_write (const char *directory, const char *name, const void *data, size_t size);

#endif
