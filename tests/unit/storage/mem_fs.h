//  mem_fs.h - a file system in memory that loses what was not synced, and fails when told to
//  SPDX-License-Identifier: Apache-2.0
//
//  Harder than a real one: of what was written since the last sync any 512-byte pieces may survive a power
//  loss, with the old or the new length, and of the names any subset. A sync that fails forgets what it
//  should have written: reading still shows it, later syncs do not write it. For one thread.
#ifndef KITH_TEST_MEM_FS_H
#define KITH_TEST_MEM_FS_H

#include "base/random.h"
#include "storage/fs.h"

typedef struct mem_fs mem_fs_t;

mem_fs_t *mem_fs_new (uint64_t seed);
void mem_fs_destroy (mem_fs_t **self_p);
kith_fs_t *mem_fs_port (mem_fs_t *self);

//  Another one with the same files; all of them durable.
mem_fs_t *mem_fs_clone (const mem_fs_t *self);

//  The power goes and comes back. All files must be closed.
void mem_fs_power_loss (mem_fs_t *self);

typedef enum {
    MEM_FAULT_NONE,
    MEM_FAULT_IO,          //  the call fails and has no effect
    MEM_FAULT_NO_SPACE,    //  a write stops in the middle; others have no effect
    MEM_FAULT_SYNC         //  only syncs fail
} mem_fault_t;

//  The call that changes something after `calls` more of them fails; forever: and all later ones.
void mem_fs_fail (mem_fs_t *self, uint32_t calls, mem_fault_t fault, bool forever);

//  How many calls that change something there have been.
uint64_t mem_fs_calls (const mem_fs_t *self);

//  Contents of a file, to be damaged: what is changed here counts as durable.
kith_bytes_t *mem_fs_bytes (mem_fs_t *self, const char *path);

//  Sum over all names and contents.
uint64_t mem_fs_digest (const mem_fs_t *self);

#endif
