//  parent.h - a small parent that runs one child for each process section of this host
//  SPDX-License-Identifier: Apache-2.0
//
//  A child that dies is started again, with back-off from 100 ms to 5 s; one that ends with status 0 was meant to end
//  and stays ended. Children end when the parent does, whatever ends it.
#ifndef KITH_PARENT_H
#define KITH_PARENT_H

#include "runtime/log_line.h"
#include "runtime/topology.h"

typedef struct kith_parent kith_parent_t;

typedef struct {
    const kith_topology_t *topology;
    const char *program;    //  what a child runs ("/proc/self/exe")
    const char *const *
        arguments;    //  its arguments from argv [0] on, null at the end; the process' name follows
    kith_log_line_t *log;    //  may be null
    //  Every child said that it is ready, for the first time. listen: client endpoint of the first proxy, or "".
    void (*ready) (void *arg, const char *listen);
    void *arg;
} kith_parent_options_t;

kith_parent_t *kith_parent_new (const kith_parent_options_t *options);
void kith_parent_destroy (kith_parent_t **self_p);

//  Starts the children and waits. SIGINT or SIGTERM stops them in order (proxies, nodes, coordinators, meta); a second one
//  kills them. 0: all ended as they were meant to; -1: a child did not start at all, or was killed.
int kith_parent_run (kith_parent_t *self, kith_error_t *error);

//  Process id of a child; 0: it does not run. How often it was started.
int kith_parent_pid (const kith_parent_t *self, uint32_t process);
uint32_t kith_parent_starts (const kith_parent_t *self, uint32_t process);

//  In a child, before it has threads: where its parent waits to be told (taken from the environment); -1: it has no parent.
int kith_parent_ready_fd (void);

//  In a child: tells the parent that it is ready, and where clients connect; closes ready_fd.
void kith_parent_tell_ready (int ready_fd, const char *listen);

#endif
