//  node.h - everything of one process of Kith: loops, exchange, pools, storage
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_NODE_H
#define KITH_NODE_H

#include "runtime/actor.h"
#include "runtime/log_line.h"
#include "runtime/topology.h"

typedef struct kith_node kith_node_t;

typedef struct {
    const kith_topology_t *topology;              //  outlives the node
    uint32_t ordinal;                             //  which process of it
    const kith_behaviour_t *const *behaviours;    //  one a role, in any order
    size_t behaviour_count;
    const char *kernels;    //  what status says of them; may be null
    const char *blas;
    kith_log_line_t *log;    //  null: none is written
} kith_node_options_t;

//  Locks the data directory and binds the endpoints: CONFIG (a role without behaviour), LOCKED, IO (port in use).
kith_node_t *kith_node_new (const kith_node_options_t *options, kith_error_t *error);

//  Stops if need be.
void kith_node_destroy (kith_node_t **self_p);

//  Starts the supervisor, meta, coordinators, nodes, proxies, in this order. -1: one of them did not start; those that did are
//  stopped again.
int kith_node_start (kith_node_t *self, kith_error_t *error);

//  Waits until somebody asks for the stop: a `stop` message, kith_node_ask_stop, or a byte on the descriptor that
//  wait_fd names (-1: none; a signalfd, say). True: by message or kith_node_ask_stop.
bool kith_node_wait (kith_node_t *self, int wait_fd);
void kith_node_ask_stop (kith_node_t *self);

//  Stops proxies, nodes, coordinators, meta, in this order: each once its work is back.
void kith_node_stop (kith_node_t *self);

//  Client endpoint of the first proxy, port resolved; "" if there is none. The inproc name of the same:
//  inproc://kith-PROCESS-proxy-INDEX. The exchange's endpoint, port resolved.
const char *kith_node_listen (const kith_node_t *self);
const char *kith_node_listen_inproc (const kith_node_t *self);
const char *kith_node_endpoint (const kith_node_t *self);

//  How many actors this process has (without the supervisor); messages by way.
uint32_t kith_node_actors (const kith_node_t *self);
void kith_node_describe (kith_node_t *self, kith_proto_process_info_t *info,
                         kith_arena_t *arena);

//  Signals of a process that runs a node: blocks SIGINT and SIGTERM for all threads made later and returns a
//  descriptor (signalfd) for them, or -1. A second signal is the default one again after kith_node_signals_default.
int kith_node_signals (void);
void kith_node_signals_default (int fd);

#endif
