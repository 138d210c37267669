//  scenario.h - a seed: a cluster, its faults, clients that use it, and the checks of all that they saw
//  SPDX-License-Identifier: Apache-2.0
//
//  Safety: clients write, read, flush, index, release, drop and create while processes crash and messages are lost.
//  Then everything heals and every request must come to its end (liveness). Then an audit compares each key with what
//  the clients know, the whole cluster starts again from its disks, and the audit is made once more.
#ifndef KITH_SCENARIO_H
#define KITH_SCENARIO_H

#include "base/fault.h"
#include "runtime/sim.h"

typedef struct {
    uint64_t seed;
    const char *config;    //  file with the topology; null: drawn from the seed
    const char *
        faults;    //  classes of faults that stay on, of "net disk busy crash power pause"; null: all
    kith_bug_t bug;    //  only in builds with seeded bugs
    bool trace;        //  every event and request to standard error
} kith_sim_scenario_t;

typedef struct {
    uint64_t seed;
    int64_t cluster_us;    //  virtual time
    uint64_t acks;         //  writes acknowledged
    uint64_t unknown;      //  writes whose outcome nobody knows (OUTCOME_UNKNOWN)
    uint64_t reads;        //  answers checked
    uint64_t rows;         //  rows in them
    uint64_t retries;      //  requests sent again
    uint64_t flushes, indexes, releases, drops, partition_drops;
    uint64_t near_wanted;    //  rows that searches through a graph should have found,
    uint64_t near_found;     //  and did
    kith_sim_stats_t stats;
    uint64_t digest;
    bool violated;
    char violation [1536];    //  what, when; empty: none
} kith_sim_report_t;

//  Runs one seed. 0: nothing was violated; 1: report->violation says what; -1: it could not run, violation says why.
int kith_sim_scenario (const kith_sim_scenario_t *options, kith_sim_report_t *report);

#endif
