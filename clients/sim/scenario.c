//  scenario - a seed: a cluster, its faults, clients that use it, and the checks of all that they saw
//  SPDX-License-Identifier: Apache-2.0
#include "clients/sim/scenario.h"

#include "actors/roles.h"
#include "clients/sim/driver.h"
#include "runtime/config.h"

#define SECOND_US 1000000ll
#define SETTLE_US (5 * SECOND_US)    //  after the faults end: what was under way is over
#define REST_US (120 * SECOND_US)    //  after the last answer: what is done later is done
#define LIVE_US                                                                          \
    (180 * SECOND_US)    //  after the faults end, every request is answered within

//  Only the classes named stay on
static void
s_choose_faults (kith_sim_options_t *self, const char *classes)
{
    if (!classes)
        return;
    if (!strstr (classes, "net")) {
        self->lose = self->duplicate = self->reorder = self->stale = 0;
        self->partition_every_us = 0;
    }
    if (!strstr (classes, "disk"))
        self->io_error = self->no_space = self->kv_error = 0;
    if (!strstr (classes, "busy"))
        self->busy = self->buggify = 0;
    if (!strstr (classes, "crash"))
        self->crash_every_us = 0;
    if (!strstr (classes, "power"))
        self->power_loss = 0;
    if (!strstr (classes, "pause"))
        self->pause_every_us = 0;
}

#ifdef KITH_BUGS
static void
s_choose_bug (kith_bug_t bug)
{
    kith_bug_set (bug);
}
#else
static void
s_choose_bug (kith_bug_t bug)
{
    assert (bug == KITH_BUG_NONE);
}
#endif

static void
s_make_lanes (kith_driver_t *self)
{
    const kith_workload_t *workload = &self->workload;
    self->lane_count = workload->clients * workload->lanes;
    assert (self->lane_count <= KITH_DRIVER_LANES_MAX);
    for (uint32_t number = 0; number < self->lane_count; number++) {
        kith_lane_t *lane = &self->lanes [number];
        lane->driver = self;
        lane->number = number;
        lane->client = number % workload->clients;
        lane->floors = kith_new (workload->keys * sizeof *lane->floors);
        lane->session = kith_new (workload->keys * sizeof *lane->session);
    }
}

static void
s_free_lanes (kith_driver_t *self)
{
    for (uint32_t number = 0; number < self->lane_count; number++) {
        kith_msg_destroy (&self->lanes [number].request);
        free (self->lanes [number].floors);
        free (self->lanes [number].session);
    }
}

//  What the lanes wait for, when they should wait for nothing
static void
s_stuck (kith_driver_t *self, const char *when)
{
    for (uint32_t number = 0; number < self->lane_count; number++) {
        const kith_lane_t *lane = &self->lanes [number];
        if (lane->op != KITH_OP_NONE)
            kith_driver_violate (
                self, "%s: lane %u: %s has no answer for %.1f s, %u times sent", when,
                number, kith_op_name (lane->op),
                (double) (kith_sim_now_us (self->sim) - lane->began_us) / 1e6,
                lane->attempts);
    }
    kith_driver_violate (self, "%s: no end", when);
}

static void
s_audit (kith_driver_t *self, const char *when)
{
    if (self->report->violated)
        return;
    self->phase = KITH_PHASE_AUDIT;
    self->audit_step = 0;
    self->audited = false;
    if (!kith_sim_run (self->sim, kith_sim_now_us (self->sim) + LIVE_US,
                       kith_driver_audited, self))
        s_stuck (self, when);
}

//  Nothing is left to do; then nobody is up, and the files are what metadata says
static void
s_stop_and_look (kith_driver_t *self, bool power)
{
    if (self->report->violated)
        return;
    kith_sim_run (self->sim, kith_sim_now_us (self->sim) + REST_US, NULL, NULL);
    for (uint32_t process = 0; process < self->topology->process_count; process++)
        kith_sim_crash (self->sim, process, power);
    kith_driver_files (self, power);
}

//  Everything ends and starts again: in order, or everywhere at once, with or without a loss of power
static void
s_restart (kith_driver_t *self)
{
    if (self->report->violated)
        return;
    const uint64_t how = kith_driver_below (self, 3);
    if (how == 0) {
        kith_sim_restart_all (self->sim);
        return;
    }
    s_stop_and_look (self, how == 1);
    for (uint32_t process = 0; process < self->topology->process_count; process++)
        kith_sim_restart (self->sim, process);
}

static bool
s_violated (void *arg)
{
    return ((const kith_driver_t *) arg)->report->violated;
}

static void
s_phases (kith_driver_t *self)
{
    kith_sim_t *sim = self->sim;
    kith_sim_run (sim, self->workload.run_us, s_violated, self);
    self->phase = KITH_PHASE_DRAIN;
    kith_sim_heal (sim);
    kith_sim_run (sim, kith_sim_now_us (sim) + SETTLE_US, s_violated, self);
    if (!self->report->violated
        && !kith_sim_run (sim, kith_sim_now_us (sim) + LIVE_US, kith_driver_idle, self))
        s_stuck (self, "after the faults");
    s_audit (self, "audit");
    s_restart (self);
    s_audit (self, "audit after the restart");
    s_stop_and_look (self, false);
}

static int
s_run (const kith_sim_scenario_t *options, const kith_topology_t *topology,
       kith_driver_t *self)
{
    kith_error_t error;
    uint32_t roles = 0;
    self->topology = topology;
    kith_workload_draw (options->seed, &self->workload);
    kith_sim_options (&self->faults, options->seed, topology);
    s_choose_faults (&self->faults, options->faults);
    self->faults.behaviours = kith_roles (&roles);
    self->faults.behaviour_count = roles;
    self->faults.trace = options->trace;
    self->oracle = kith_oracle_new (self->workload.keys, self->workload.shards,
                                    self->workload.dim, self->workload.metric);
    snprintf (self->name, sizeof self->name, "rows_0");
    s_make_lanes (self);
    self->sim = kith_sim_new (&self->faults, &error);
    if (!self->sim) {
        snprintf (self->report->violation, sizeof self->report->violation, "%s",
                  error.message);
        return -1;
    }
    kith_driver_client_t clients [KITH_DRIVER_LANES_MAX];
    for (uint32_t number = 0; number < self->workload.clients; number++) {
        clients [number] = (kith_driver_client_t){self, number};
        kith_sim_add_client (self->sim, &kith_driver_behaviour, &clients [number]);
    }
    s_phases (self);
    self->report->cluster_us = kith_sim_now_us (self->sim);
    self->report->digest = kith_sim_digest (self->sim);
    self->report->stats = kith_sim_stats (self->sim);
    if (self->report->stats.undecodable)
        kith_driver_violate (self, "%" PRIu64 " messages did not come back from bytes",
                             self->report->stats.undecodable);
    kith_sim_destroy (&self->sim);
    return self->report->violated ? 1 : 0;
}

int
kith_sim_scenario (const kith_sim_scenario_t *options, kith_sim_report_t *report)
{
    assert (options && report);
    *report = (kith_sim_report_t){.seed = options->seed};
    s_choose_bug (options->bug);
    kith_error_t error;
    kith_bytes_t text = {0};
    kith_placement_draw (options->seed, &text);
    kith_config_t *config = options->config ? kith_config_load (options->config, &error)
                                            : kith_config_parse ((const char *) text.data,
                                                                 "seed", NULL, &error);
    int result = -1;
    if (config) {
        kith_driver_t *driver = kith_new (sizeof *driver);
        driver->report = report;
        driver->trace = options->trace;
        result = s_run (options, kith_config_topology (config), driver);
        s_free_lanes (driver);
        kith_oracle_destroy (&driver->oracle);
        free (driver);
    }
    else
        snprintf (report->violation, sizeof report->violation, "%s", error.message);
    kith_config_destroy (&config);
    kith_bytes_free (&text);
    return result;
}
