//  sim_disk.h - files in memory that lose what was not synced
//  SPDX-License-Identifier: Apache-2.0
//
//  One disk holds the files of all processes; each process sees it through a view of its own, so that a crash takes
//  back only what that process had not synced. Content: durable bytes, and writes in order that wait for sync. Names:
//  durable ones, and changes in order that wait for sync_dir. A power loss keeps or loses each of them by itself, or tears a
//  write: of its sectors of 512 bytes any may be there.
#ifndef KITH_SIM_DISK_H
#define KITH_SIM_DISK_H

#include "base/random.h"
#include "storage/fs.h"

typedef struct kith_sim_disk kith_sim_disk_t;

typedef enum {
    KITH_DISK_READ,
    KITH_DISK_WRITE,
    KITH_DISK_SYNC,
    KITH_DISK_NAME    //  open with create, mkdir, rename, link, remove
} kith_disk_op_t;

//  Asked before each operation: -1 (error filled) makes it fail; 1 too, because whoever asks is dead: then what it wrote
//  before is as it was.
typedef int (kith_disk_fault_fn) (void *arg, kith_disk_op_t op, kith_error_t *error);

typedef struct {
    uint64_t writes_lost;
    uint64_t writes_torn;
    uint64_t writes_kept;
    uint64_t names_lost;
    uint64_t names_kept;
} kith_sim_disk_stats_t;

kith_sim_disk_t *kith_sim_disk_new (void);

//  Every view is destroyed.
void kith_sim_disk_destroy (kith_sim_disk_t **self_p);

//  The disk as one process sees it. fault may be null: nothing fails.
kith_fs_t *kith_sim_disk_view (kith_sim_disk_t *self, uint32_t owner,
                               kith_disk_fault_fn *fault, void *arg);

//  Every file of it is closed.
void kith_sim_disk_view_destroy (kith_fs_t **view_p);

//  The machine of `owner` loses power: what it had not synced is kept, lost or torn.
void kith_sim_disk_power_loss (kith_sim_disk_t *self, uint32_t owner,
                               kith_random_t *random, kith_sim_disk_stats_t *stats);

#endif
