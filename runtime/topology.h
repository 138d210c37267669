//  topology.h - which actors live in which loop and process, as the configuration has it
//  SPDX-License-Identifier: Apache-2.0
//
//  Plain structs that kith_config_t (runtime/config.h) owns. Made once, read-only afterwards.
#ifndef KITH_TOPOLOGY_H
#define KITH_TOPOLOGY_H

#include "codecs/proto.h"
#include <czmq.h>

typedef struct {
    kith_role_t role;
    uint32_t index;      //  0 .. n - 1 within its role
    uint32_t process;    //  place in processes
    const char *
        loop;    //  actors of a process that name the same one share a thread; empty: its own
    const char *listen;    //  proxy: endpoint for clients; empty: none
    zconfig_t *config;     //  its section
} kith_actor_spec_t;

typedef struct {
    const char *name;
    const char *endpoint;      //  of its exchange; empty: none (the only process)
    const char *data;          //  data directory
    uint32_t query_threads;    //  0: as many as cores
    uint32_t build_threads;    //  threads of one build; 0: as many as cores
    uint32_t io_threads;
} kith_process_spec_t;

typedef struct {
    const char *name;
    const char *metadata;    //  rocksdb
    const char *log;         //  file
    const char *objects;     //  file
    const char *objects_path;
    uint32_t logs;
    uint32_t seal_rows;
    uint64_t seal_bytes;
    uint64_t seal_ms;
    uint32_t index_rows_min;
    uint64_t index_memory;    //  bytes of loaded indexes of a query node; 0: no limit
    uint64_t window_requests;
    uint64_t log_file_bytes;    //  a log's file is followed by a new one at this size
    const char *kernels;        //  instruction set; auto: the best there is
} kith_cluster_spec_t;

typedef struct {
    kith_cluster_spec_t cluster;
    kith_process_spec_t *processes;
    uint32_t process_count;
    kith_actor_spec_t *actors;    //  in file order
    uint32_t actor_count;
    const char *text;    //  canonical text, for comparing
} kith_topology_t;

//  How many actors of a role there are.
uint32_t kith_topology_count (const kith_topology_t *self, kith_role_t role);

//  The actor, or null. The supervisor of process n is {supervisor, n} and stands in no list.
const kith_actor_spec_t *
kith_topology_find (const kith_topology_t *self, kith_role_t role, uint32_t index);

//  Process that an address lives in; process_count if it lives in none.
uint32_t
kith_topology_process (const kith_topology_t *self, kith_role_t role, uint32_t index);

//  Place in the order of starting, 0 .. KITH_RANKS - 1: supervisor, meta, coordinators, nodes, proxies. The order of stopping is the reverse.
#define KITH_RANKS 5
int kith_role_rank (kith_role_t role);

#endif
