//  sim.h - a whole cluster in one thread: virtual time, seeded faults, exact replay
//  SPDX-License-Identifier: Apache-2.0
//
//  The same loops and behaviours as in a real process run over a simulated network and simulated disks. Events stand
//  in a heap by (virtual time, sequence); every choice comes from a seeded generator, one for each of schedule,
//  network, disk, crashes and the workload, so that switching one class of faults off does not shift the others. The
//  same options give the same events: kith_sim_digest tells.
//
//      kith_sim_options_t options;
//      kith_sim_options (&options, seed, topology);         //  every fault drawn from the seed
//      options.behaviours = ...; options.behaviour_count = ...;
//      kith_sim_t *sim = kith_sim_new (&options, &error);
//      kith_sim_add_client (sim, &my_client, my_state);     //  a behaviour of role client, its own "host"
//      kith_sim_run (sim, 60 * 1000000, NULL, NULL);        //  a minute with faults
//      kith_sim_heal (sim);                                 //  no more faults, everybody is up
//      bool all = kith_sim_run (sim, 120 * 1000000, all_done, my_state);
//      kith_sim_destroy (&sim);
#ifndef KITH_SIM_H
#define KITH_SIM_H

#include "runtime/actor.h"
#include "runtime/topology.h"

typedef struct kith_sim kith_sim_t;

typedef struct {
    uint64_t seed;
    const kith_topology_t *topology;              //  outlives the simulator
    const kith_behaviour_t *const *behaviours;    //  one a role
    size_t behaviour_count;

    //  Network, between processes (and clients). Probabilities are for each message.
    int64_t delay_min_us;    //  one way: min + exponential (mean)
    int64_t delay_mean_us;
    double lose;         //  the connection breaks: what is in flight on it is lost
    double duplicate;    //  a request or send arrives twice
    double reorder;      //  it comes by another connection, after a delay of its own
    double stale;    //  in flight to a process that crashes: delivered to its next life
    int64_t
        partition_every_us;    //  mean time between partitions (0: none), and how long one lasts
    int64_t partition_for_us;

    //  Disks and work
    int64_t work_mean_us;    //  a piece of work takes exponential (mean)
    int64_t sync_mean_us;    //  each sync adds so much
    double io_error;         //  an operation fails with IO
    double no_space;         //  a write fails with NO_SPACE
    double kv_error;         //  a metadata transaction ends with unknown outcome
    double busy;             //  a pool refuses work
    double buggify;          //  share of sites that are on; each then fires 1 of 4 times

    //  Processes
    int64_t
        crash_every_us;    //  mean time between crashes (0: none), and until the restart
    int64_t down_mean_us;
    double
        power_loss;    //  a crash loses or tears what was not synced (else the machine lives on)
    int64_t
        pause_every_us;    //  mean time between pauses (0: none), and how long one lasts
    int64_t pause_for_us;
    bool trace;    //  every event to standard error
} kith_sim_options_t;

typedef struct {
    uint64_t events;
    uint64_t messages;    //  between processes, encoded and decoded
    uint64_t lost;
    uint64_t duplicated;
    uint64_t reordered;
    uint64_t stale;
    uint64_t partitions;
    uint64_t cut;    //  messages stopped by a partition
    uint64_t
        undecodable;    //  messages that did not come back from their bytes; a bug if not 0
    uint64_t crashes;
    uint64_t power_losses;
    uint64_t restarts;
    uint64_t pauses;
    uint64_t works;
    uint64_t syncs;
    uint64_t io_errors;
    uint64_t no_spaces;
    uint64_t kv_errors;
    uint64_t writes_lost;    //  unsynced writes that a power loss took, and tore
    uint64_t writes_torn;
    uint64_t names_lost;    //  unsynced directory changes that it took
    uint64_t buggified;
    uint64_t actor_failures;    //  actors that exited and started again
} kith_sim_stats_t;

//  All faults off: 1 to 2 ms of delay.
void kith_sim_options_calm (kith_sim_options_t *self, uint64_t seed,
                            const kith_topology_t *topology);

//  Every fault drawn from the seed, within bounds that a correct system survives.
void kith_sim_options (kith_sim_options_t *self, uint64_t seed,
                       const kith_topology_t *topology);

//  Starts every process. -1 of a start (an init that fails) is an event like any other: the process tries again.
kith_sim_t *kith_sim_new (const kith_sim_options_t *options, kith_error_t *error);
void kith_sim_destroy (kith_sim_t **self_p);

//  A client: behaviour of role KITH_ROLE_CLIENT; its init gets state by kith_sim_state (ctx). Clients do not crash.
//  Returns its number.
uint32_t
kith_sim_add_client (kith_sim_t *self, const kith_behaviour_t *behaviour, void *state);
void *kith_sim_state (kith_ctx_t *ctx);

//  Generator of the workload stream: for clients and scripts alone.
uint64_t kith_sim_random (kith_sim_t *self);

//  Calls fn (sim, arg) at a virtual time (now at the earliest): for scripts.
typedef void (kith_sim_fn) (kith_sim_t *self, void *arg);
void kith_sim_at (kith_sim_t *self, int64_t at_us, kith_sim_fn *fn, void *arg);

//  Runs until virtual time until_us or, checked after each event, enough (arg) is true (null: never). True: it was.
typedef bool (kith_sim_enough_fn) (void *arg);
bool
kith_sim_run (kith_sim_t *self, int64_t until_us, kith_sim_enough_fn *enough, void *arg);

//  The next event alone; false: there is none. For crashes between any two events.
bool kith_sim_step (kith_sim_t *self);
int64_t kith_sim_now_us (const kith_sim_t *self);

//  Faults by hand. process: place in the topology. A crashed process stays down until kith_sim_restart (or, with
//  crash_every_us, its drawn time). power: what was not synced is lost, kept or torn.
void kith_sim_crash (kith_sim_t *self, uint32_t process, bool power);
void kith_sim_restart (kith_sim_t *self, uint32_t process);
void kith_sim_pause (kith_sim_t *self, uint32_t process, int64_t for_us);
bool kith_sim_up (const kith_sim_t *self, uint32_t process);

//  Nothing goes from one process to the other until it is joined again (one way).
void kith_sim_cut (kith_sim_t *self, uint32_t from, uint32_t to, bool cut);

//  No more faults: partitions end, crashed processes restart, disks and pools do not fail. Delays stay.
void kith_sim_heal (kith_sim_t *self);

//  Stops every process in order (no faults) and starts it again with the same disk.
void kith_sim_restart_all (kith_sim_t *self);

//  The disk of the cluster, for checks on its files (no faults through this one).
kith_fs_t *kith_sim_fs (kith_sim_t *self);

//  Metadata as it stands, for checks: null when the process does not run meta.
kith_kv_image_t *kith_sim_kv (kith_sim_t *self, uint32_t process);

kith_sim_stats_t kith_sim_stats (const kith_sim_t *self);

//  Hash of all events so far: the same for the same options.
uint64_t kith_sim_digest (const kith_sim_t *self);

#endif
