//  driver.h - clients of the simulated cluster: what they ask, send again, and check
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_DRIVER_H
#define KITH_DRIVER_H

#include "base/column.h"
#include "clients/sim/oracle.h"
#include "clients/sim/placement.h"
#include "clients/sim/scenario.h"

#define KITH_DRIVER_ROWS_MAX 1000u
#define KITH_DRIVER_LOGS_MAX 16u
#define KITH_DRIVER_LANES_MAX 16u

struct kith_driver;

//  One request after the other:
//
//      IDLE --drawn--> SENT --ended well--> checked, IDLE
//       ^               |  ^
//       |   given up    |  +-- again, after a pause --+
//       +------- reads -+------- ended badly ---------+
typedef struct {
    struct kith_driver *driver;
    uint32_t number;
    uint32_t client;
    kith_op_t op;           //  NONE: idle
    bool out;               //  a call is under way
    kith_msg_t *request;    //  sent again as often as needed
    uint32_t attempts;
    bool doubtful;    //  some attempt had no answer
    int64_t began_us;
    //  a write: rows in record order
    uint64_t versions [KITH_DRIVER_ROWS_MAX];
    uint32_t keys [KITH_DRIVER_ROWS_MAX];    //  of a get, too
    uint32_t partition;                      //  of an insert
    uint32_t count;
    //  a read
    uint32_t low, high;    //  keys of a range
    uint32_t k;
    uint32_t only;     //  rows of this partition alone; UINT32_MAX: all
    uint64_t drops;    //  of partitions, that had ended when the attempt began
    float query [64];
    uint32_t level;
    kith_floor_t *floors;    //  as they were when the attempt began
    //  its session
    kith_floor_t *session;
    kith_proto_position_t token [KITH_DRIVER_LOGS_MAX];
} kith_lane_t;

typedef enum { KITH_PHASE_RUN, KITH_PHASE_DRAIN, KITH_PHASE_AUDIT } kith_phase_t;

typedef struct kith_driver {
    kith_sim_t *sim;
    const kith_topology_t *topology;
    kith_workload_t workload;
    kith_oracle_t *oracle;
    kith_sim_report_t *report;
    bool trace;
    kith_phase_t phase;
    kith_lane_t lanes [KITH_DRIVER_LANES_MAX];
    uint32_t lane_count;
    //  the collection
    uint32_t generation;
    char name [32];
    bool tainted;    //  a copy of some request that names it may still be under way
    bool made;       //  created and opened
    bool released;
    bool indexed;    //  a graph may answer
    uint32_t key_field, payload_field, vector_field;
    uint32_t log_of [KITH_ORACLE_SHARDS_MAX];
    kith_lane_t
        *alone;       //  it waits until the others are idle, then drops the collection
    bool dropping;    //  a partition is dropped, or made again
    uint32_t partition;    //  which
    uint32_t
        partition_names [KITH_ORACLE_PARTITIONS_MAX];    //  how often each had a new one
    //  request ids and what is known of the logs, by client
    uint64_t writes;
    uint64_t known [KITH_DRIVER_LANES_MAX][KITH_DRIVER_LOGS_MAX];
    uint64_t opened [KITH_DRIVER_LOGS_MAX];
    //  the audit
    uint32_t audit_step;
    bool audited;
    kith_sim_options_t faults;    //  as drawn
} kith_driver_t;

//  State of one client of the simulator
typedef struct {
    kith_driver_t *driver;
    uint32_t number;
} kith_driver_client_t;

extern const kith_behaviour_t kith_driver_behaviour;

//  True when nothing is under way, or something was violated.
bool kith_driver_idle (void *driver);
bool kith_driver_audited (void *driver);

//  Every file that metadata names is there, and no other. Once nothing is under way; no process may be up. power: it was lost, which may bring
//  files back whose removal was not synced when their remover died.
void kith_driver_files (kith_driver_t *self, bool power);

//  The first violation is kept, with the virtual time.
void
kith_driver_violate (kith_driver_t *self, const char *format, ...) KITH_PRINTF (2, 3);

uint64_t kith_driver_below (kith_driver_t *self, uint64_t limit);
double kith_driver_unit (kith_driver_t *self);

//  A partition's name as it is now, in the message; 0: _default.
const char *
kith_driver_partition (const kith_driver_t *self, uint32_t partition, kith_msg_t *msg);

//  requests.c: the message of what the lane is about to do
void kith_lane_build (kith_lane_t *lane);

//  checks.c: an answer against the oracle
void kith_lane_check (kith_lane_t *lane, const kith_msg_t *msg);

#endif
