//  sim_state.h - what the files of the simulator share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_SIM_STATE_H
#define KITH_SIM_STATE_H

#include "base/limits.h"
#include "base/random.h"
#include "runtime/loop.h"
#include "runtime/sim.h"
#include "runtime/sim_disk.h"
#include "runtime/timers.h"

#define KITH_SIM_CLIENTS_MAX 64u
#define KITH_SIM_FOREVER INT64_MAX

//  What happens at a moment
typedef enum {
    KITH_SIM_TURN,         //  a loop has something to do
    KITH_SIM_HAND_OVER,    //  a message between loops of a process
    KITH_SIM_DELIVER,      //  bytes from another process
    KITH_SIM_WORK,         //  work runs
    KITH_SIM_WORK_BACK,    //  and comes back
    KITH_SIM_CRASH,        //  the next crash of the schedule
    KITH_SIM_RESTART,
    KITH_SIM_PAUSE,        //  the next pause of the schedule
    KITH_SIM_PARTITION,    //  the next partition of the schedule
    KITH_SIM_JOIN,         //  its end
    KITH_SIM_SCRIPT
} kith_sim_kind_t;

typedef struct kith_sim_event {
    kith_timer_t timer;    //  first: the heap hands it out
    kith_sim_kind_t kind;
    uint32_t process;    //  whose it is
    uint64_t life;       //  of that process; another one: the event is void
    size_t loop;         //  TURN, HAND_OVER
    kith_msg_t *msg;     //  HAND_OVER
    kith_work_t *work;
    uint32_t from;          //  DELIVER
    uint64_t connection;    //  DELIVER: of the pair; broken meanwhile: lost
    bool stale;             //  DELIVER: also to the process' next life
    uint32_t part_count;
    kith_frame_t **parts;
    uint64_t hash;      //  DELIVER: of the bytes
    kith_sim_fn *fn;    //  SCRIPT
    void *arg;
    struct kith_sim_event *next;    //  of all events, and
    struct kith_sim_event *previous;
} kith_sim_event_t;

typedef struct {
    kith_loop_t *loop;
    kith_sim_event_t *turn;    //  null: none is waiting
    kith_sim_t *sim;
    uint32_t process;
    size_t number;    //  in the process
} kith_sim_loop_t;

typedef struct {
    kith_role_t role;
    uint32_t index;
    size_t loop;
    size_t number;    //  in the loop
} kith_sim_actor_t;

//  A process of the topology, or a client
typedef struct {
    kith_sim_t *sim;
    uint32_t number;
    bool up;
    bool dying;       //  its actors are taken down: they reach nobody
    uint64_t life;    //  counts its starts
    int64_t paused_until_us;
    uint64_t clock_ahead_ms;    //  of its wall clock
    uint32_t
        disk_operations_left;    //  it dies within its next work, after so many; UINT32_MAX: no
    uint32_t syncs_left;    //  it dies at the last of so many syncs, before it; 0: no
    bool die_by_power;
    bool synced;      //  the work that runs has synced
    bool syncs;       //  it has a disk of its own to sync
    kith_fs_t *fs;    //  its view of the disk
    kith_kv_image_t *kv;
    kith_process_t *process;
    kith_sim_loop_t *loops [KITH_ACTORS_MAX];
    size_t loop_count;
    kith_sim_actor_t actors [KITH_ACTORS_MAX];
    size_t actor_count;
    const kith_behaviour_t *client;    //  null: it is of the topology
    void *state;                       //  of the client
} kith_sim_process_t;

//  A directed pair
typedef struct {
    uint64_t connection;    //  counts its breaks
    int64_t last_us;        //  nothing is delivered before it
    uint32_t cuts;          //  partitions that hold it
} kith_sim_pair_t;

struct kith_sim {
    kith_sim_options_t options;
    bool faults;    //  on until heal
    int64_t now_us;
    kith_timers_t timers;
    kith_sim_event_t *events;         //  all that wait
    kith_sim_process_t *processes;    //  of the topology, then clients
    uint32_t process_count;           //  with clients
    kith_sim_pair_t *pairs;           //  from * limit + to
    uint32_t limit;                   //  of processes with clients
    kith_sim_disk_t *disk;
    kith_fs_t *fs;    //  without faults, for checks
    kith_random_t schedule;
    kith_random_t network;
    kith_random_t disks;
    kith_random_t crashes;
    kith_random_t workload;
    kith_random_t actors;
    kith_sim_stats_t stats;
    kith_sim_disk_stats_t disk_stats;
    uint64_t digest;
};

//  Events. The event is the simulator's; void it by cancel.
kith_sim_event_t *
kith_sim_event (kith_sim_t *self, kith_sim_kind_t kind, uint32_t process, int64_t at_us);
void kith_sim_cancel (kith_sim_t *self, kith_sim_event_t **event_p);

//  True with probability p, if faults are on.
bool kith_sim_chance (kith_sim_t *self, kith_random_t *random, double p);

//  Into the digest, and the trace.
void kith_sim_note (kith_sim_t *self, const char *what, uint64_t first, uint64_t second);

//  A loop of a process is to run, at at_us.
void kith_sim_turn_at (kith_sim_t *self, kith_sim_process_t *process, size_t number,
                       int64_t at_us);

//  Processes (sim_process.c)
void kith_sim_start (kith_sim_t *self, uint32_t number);
void kith_sim_take_down (kith_sim_t *self, uint32_t number);
void kith_sim_run_turn (kith_sim_t *self, kith_sim_event_t *event);
void kith_sim_run_work (kith_sim_t *self, kith_sim_event_t *event);
void kith_sim_run_back (kith_sim_t *self, kith_sim_event_t *event);
void kith_sim_give (kith_sim_t *self, kith_sim_process_t *process, kith_msg_t **msg_p);

//  Network (sim_net.c)
kith_end_t
kith_sim_send (kith_sim_t *self, uint32_t from, uint32_t to, const kith_msg_t *msg);
void kith_sim_run_delivery (kith_sim_t *self, kith_sim_event_t *event);
void kith_sim_partition (kith_sim_t *self);
void kith_sim_join (kith_sim_t *self);
kith_sim_pair_t *kith_sim_pair (kith_sim_t *self, uint32_t from, uint32_t to);

#endif
