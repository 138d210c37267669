//  process.h - what the loops of a process share: the cluster, storage handles, what the supervisor tells
//  SPDX-License-Identifier: Apache-2.0
//
//  Safe from any thread. The same for a real process and a simulated one: the file system and the metadata engine
//  are given.
#ifndef KITH_PROCESS_H
#define KITH_PROCESS_H

#include "base/limits.h"
#include "runtime/actor.h"
#include "runtime/topology.h"

typedef struct kith_process kith_process_t;

typedef struct {
    const kith_topology_t *topology;
    uint32_t ordinal;    //  which process of the topology
    kith_fs_t *fs;    //  null: no data directory, no storage (clients of the simulator)
    //  Opens the metadata engine; null: RocksDB in data/metadata.
    kith_kv_t *(*kv_open) (void *arg, kith_error_t *error);
    //  Fills what the supervisor answers (strings live in the arena); asks the process to end. Null: neither.
    void (*describe) (void *arg, kith_proto_process_info_t *info, kith_arena_t *arena);
    void (*stop) (void *arg);
    void *arg;                    //  of these
    kith_parallel_t *parallel;    //  of builds; null: serial
} kith_process_options_t;

//  Makes and locks the data directory: LOCKED names the file when another process has it.
kith_process_t *
kith_process_new (const kith_process_options_t *options, kith_error_t *error);

//  Closes what is open.
void kith_process_destroy (kith_process_t **self_p);

const kith_topology_t *kith_process_topology (const kith_process_t *self);
uint32_t kith_process_ordinal (const kith_process_t *self);

//  The cluster as of now.
kith_cluster_t kith_process_cluster (const kith_process_t *self);
void kith_process_set_cluster_id (kith_process_t *self, uint64_t id);

//  Storage handles, made at first use. kv: opened anew at each call, for its one user may have had an error that
//  only an opening ends.
kith_kv_t *kith_process_kv (kith_process_t *self, kith_error_t *error);
kith_log_t *kith_process_log (kith_process_t *self, uint32_t log);
kith_objects_t *kith_process_objects (kith_process_t *self, kith_error_t *error);
kith_parallel_t *kith_process_parallel (const kith_process_t *self);

//  For the supervisor alone.
void kith_process_describe (kith_process_t *self, kith_proto_process_info_t *info,
                            kith_arena_t *arena);
void kith_process_stop (kith_process_t *self);

#endif
