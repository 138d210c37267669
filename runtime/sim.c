//  sim - a whole cluster in one thread: virtual time, seeded faults, exact replay
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/sim_state.h"

#define SECOND_US INT64_C (1000000)
#define DISK_OWNER_CHECKS UINT32_MAX    //  of the view for checks

//  --------------------------------------------------------------------------
//  Options

void
kith_sim_options_calm (kith_sim_options_t *self, uint64_t seed,
                       const kith_topology_t *topology)
{
    assert (self && topology);
    *self = (kith_sim_options_t){.seed = seed,
                                 .topology = topology,
                                 .delay_min_us = 1000,
                                 .delay_mean_us = 500,
                                 .work_mean_us = 200,
                                 .sync_mean_us = 500};
}

//  low .. high, or 0 in one of four seeds: each class of faults is left out now and then
static double
s_draw (kith_random_t *random, double low, double high)
{
    double drawn = low + (high - low) * kith_random_unit (random);
    return kith_random_below (random, 4) == 0 ? 0 : drawn;
}

static int64_t
s_draw_us (kith_random_t *random, int64_t low, int64_t high)
{
    return (int64_t) s_draw (random, (double) low, (double) high);
}

//  Some seeds have much of one thing: what needs several faults close together is rare otherwise
static void
s_focus (kith_sim_options_t *self, kith_random_t *random)
{
    const uint64_t focus = kith_random_below (random, 4);
    if (focus == 0) {
        self->crash_every_us = s_draw_us (random, SECOND_US / 4, 2 * SECOND_US);
        self->down_mean_us = 20000 + (int64_t) kith_random_below (random, 200000);
    }
    else if (focus == 1)
        self->buggify = 1;
}

void
kith_sim_options (kith_sim_options_t *self, uint64_t seed,
                  const kith_topology_t *topology)
{
    kith_sim_options_calm (self, seed, topology);
    kith_random_t random;
    kith_random_seed (&random, seed);
    self->delay_min_us = (int64_t) kith_random_below (&random, 5000);
    self->delay_mean_us = 100 + (int64_t) kith_random_below (&random, 20000);
    self->work_mean_us = 50 + (int64_t) kith_random_below (&random, 5000);
    self->sync_mean_us = 100 + (int64_t) kith_random_below (&random, 20000);
    self->lose = s_draw (&random, 0.0005, 0.05);
    self->duplicate = s_draw (&random, 0.001, 0.1);
    self->reorder = s_draw (&random, 0.001, 0.1);
    self->stale = s_draw (&random, 0.01, 0.3);
    self->partition_every_us = s_draw_us (&random, 5 * SECOND_US, 30 * SECOND_US);
    self->partition_for_us =
        100000 + (int64_t) kith_random_below (&random, 5 * SECOND_US);
    self->io_error = s_draw (&random, 0.00002, 0.0005);
    self->no_space = s_draw (&random, 0.00002, 0.0005);
    self->kv_error = s_draw (&random, 0.0002, 0.005);
    self->busy = s_draw (&random, 0.0005, 0.01);
    self->buggify = s_draw (&random, 0.1, 0.5);
    self->crash_every_us = s_draw_us (&random, 2 * SECOND_US, 20 * SECOND_US);
    self->down_mean_us = 50000 + (int64_t) kith_random_below (&random, 3 * SECOND_US);
    self->power_loss = kith_random_unit (&random);
    self->pause_every_us = s_draw_us (&random, 5 * SECOND_US, 30 * SECOND_US);
    self->pause_for_us = 100000 + (int64_t) kith_random_below (&random, 15 * SECOND_US);
    s_focus (self, &random);
}

//  --------------------------------------------------------------------------
//  Events

kith_sim_event_t *
kith_sim_event (kith_sim_t *self, kith_sim_kind_t kind, uint32_t process, int64_t at_us)
{
    kith_sim_event_t *event = kith_new (sizeof *event);
    event->kind = kind;
    event->process = process;
    event->life = process < self->limit ? self->processes [process].life : 0;
    event->next = self->events;
    if (self->events)
        self->events->previous = event;
    self->events = event;
    kith_timers_add (&self->timers, &event->timer, at_us);
    return event;
}

static void
s_unlink (kith_sim_t *self, kith_sim_event_t *event)
{
    if (event->previous)
        event->previous->next = event->next;
    else
        self->events = event->next;
    if (event->next)
        event->next->previous = event->previous;
    kith_timers_remove (&self->timers, &event->timer);
}

static void
s_free (kith_sim_event_t *event)
{
    assert (!event->work);
    kith_msg_destroy (&event->msg);
    for (uint32_t part = 0; part < event->part_count; part++)
        kith_frame_destroy (&event->parts [part]);
    free (event->parts);
    free (event);
}

void
kith_sim_cancel (kith_sim_t *self, kith_sim_event_t **event_p)
{
    s_unlink (self, *event_p);
    s_free (*event_p);
    *event_p = NULL;
}

bool
kith_sim_chance (kith_sim_t *self, kith_random_t *random, double p)
{
    //  Drawn in any case: a fault that is switched off does not shift the others
    double drawn = kith_random_unit (random);
    return self->faults && drawn < p;
}

void
kith_sim_note (kith_sim_t *self, const char *what, uint64_t first, uint64_t second)
{
    uint64_t hash = kith_hash64 (what, strlen (what));
    hash = kith_mix64 (hash ^ kith_mix64 ((uint64_t) self->now_us) ^ first);
    self->digest = kith_mix64 (self->digest + hash) ^ kith_mix64 (second);
    if (self->options.trace)
        fprintf (stderr, "%12" PRId64 " %-10s %" PRIu64 " %016" PRIx64 "\n", self->now_us,
                 what, first, second);
}

//  The next of a fault that comes every mean_us; 0: never
static void
s_schedule (kith_sim_t *self, kith_sim_kind_t kind, int64_t mean_us)
{
    if (mean_us <= 0)
        return;
    int64_t wait_us =
        1 + (int64_t) kith_random_exponential (&self->crashes, (double) mean_us);
    kith_sim_event (self, kind, self->limit, self->now_us + wait_us);
}

//  --------------------------------------------------------------------------
//  Making

kith_sim_t *
kith_sim_new (const kith_sim_options_t *options, kith_error_t *error)
{
    assert (options && options->topology);
    for (uint32_t place = 0; place < options->topology->actor_count; place++) {
        kith_role_t role = options->topology->actors [place].role;
        size_t number = 0;
        while (number < options->behaviour_count
               && options->behaviours [number]->role != role)
            number++;
        if (number == options->behaviour_count) {
            kith_error_set (error, KITH_ERR_CONFIG, "this program has no role %s",
                            kith_role_name (role));
            return NULL;
        }
    }
    kith_sim_t *self = kith_new (sizeof *self);
    self->options = *options;
    self->faults = true;
    kith_random_t *const streams [] = {&self->schedule, &self->network,  &self->disks,
                                       &self->crashes,  &self->workload, &self->actors};
    for (size_t stream = 0; stream < sizeof streams / sizeof streams [0]; stream++)
        kith_random_seed (streams [stream], kith_mix64 (options->seed * 8 + stream + 1));
    self->disk = kith_sim_disk_new ();
    self->fs = kith_sim_disk_view (self->disk, DISK_OWNER_CHECKS, NULL, NULL);
    self->process_count = options->topology->process_count;
    self->limit = self->process_count + KITH_SIM_CLIENTS_MAX;
    self->processes = kith_new (self->limit * sizeof (kith_sim_process_t));
    self->pairs =
        kith_new ((size_t) self->limit * self->limit * sizeof (kith_sim_pair_t));
    for (uint32_t number = 0; number < self->limit; number++) {
        self->processes [number].sim = self;
        self->processes [number].number = number;
        self->processes [number].clock_ahead_ms =
            kith_random_below (&self->schedule, 2000);
    }
    for (uint32_t number = 0; number < self->process_count; number++)
        kith_sim_start (self, number);
    s_schedule (self, KITH_SIM_CRASH, options->crash_every_us);
    s_schedule (self, KITH_SIM_PAUSE, options->pause_every_us);
    s_schedule (self, KITH_SIM_PARTITION, options->partition_every_us);
    return self;
}

void
kith_sim_destroy (kith_sim_t **self_p)
{
    assert (self_p);
    kith_sim_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t number = 0; number < self->process_count; number++)
        if (self->processes [number].up)
            kith_sim_take_down (self, number);
    while (self->events) {
        kith_sim_event_t *event = self->events;
        kith_sim_cancel (self, &event);
    }
    for (uint32_t number = 0; number < self->process_count; number++)
        kith_kv_image_destroy (&self->processes [number].kv);
    kith_sim_disk_view_destroy (&self->fs);
    kith_sim_disk_destroy (&self->disk);
    kith_timers_free (&self->timers);
    free (self->pairs);
    free (self->processes);
    free (self);
    *self_p = NULL;
}

uint32_t
kith_sim_add_client (kith_sim_t *self, const kith_behaviour_t *behaviour, void *state)
{
    assert (behaviour->role == KITH_ROLE_CLIENT);
    assert (self->process_count < self->limit);
    uint32_t number = self->process_count++;
    self->processes [number].client = behaviour;
    self->processes [number].state = state;
    kith_sim_start (self, number);
    return number - self->options.topology->process_count;
}

//  --------------------------------------------------------------------------
//  Faults

void
kith_sim_crash (kith_sim_t *self, uint32_t process, bool power)
{
    assert (process < self->options.topology->process_count);
    if (!self->processes [process].up)
        return;
    kith_sim_note (self, "crash", process, power);
    kith_sim_take_down (self, process);
    self->stats.crashes++;
    if (power) {
        self->stats.power_losses++;
        kith_sim_disk_power_loss (self->disk, process, &self->disks, &self->disk_stats);
    }
    if (self->faults && self->options.crash_every_us > 0) {
        int64_t down_us = 1
                          + (int64_t) kith_random_exponential (
                              &self->crashes, (double) self->options.down_mean_us);
        kith_sim_event (self, KITH_SIM_RESTART, process, self->now_us + down_us);
    }
}

void
kith_sim_restart (kith_sim_t *self, uint32_t process)
{
    assert (process < self->options.topology->process_count);
    if (self->processes [process].up)
        return;
    self->stats.restarts++;
    kith_sim_start (self, process);
}

void
kith_sim_pause (kith_sim_t *self, uint32_t process, int64_t for_us)
{
    assert (process < self->options.topology->process_count);
    self->stats.pauses++;
    kith_sim_note (self, "pause", process, (uint64_t) for_us);
    self->processes [process].paused_until_us = self->now_us + for_us;
}

bool
kith_sim_up (const kith_sim_t *self, uint32_t process)
{
    return self->processes [process].up;
}

void
kith_sim_cut (kith_sim_t *self, uint32_t from, uint32_t to, bool cut)
{
    kith_sim_pair (self, from, to)->cuts = cut;
}

void
kith_sim_heal (kith_sim_t *self)
{
    kith_sim_note (self, "heal", 0, 0);
    self->faults = false;
    kith_sim_join (self);
    for (uint32_t number = 0; number < self->options.topology->process_count; number++) {
        kith_sim_process_t *process = &self->processes [number];
        process->paused_until_us = 0;
        process->disk_operations_left = UINT32_MAX;
        process->syncs_left = 0;
        if (!process->up)
            kith_sim_restart (self, number);
    }
}

static uint32_t
s_any_process (kith_sim_t *self)
{
    return (uint32_t) kith_random_below (&self->crashes,
                                         self->options.topology->process_count);
}

static void
s_die_within (kith_sim_process_t *process, bool syncing, uint32_t operations, bool power)
{
    if (syncing)
        process->syncs_left = operations / 3 + 1;
    else
        process->disk_operations_left = operations + 1;
    process->die_by_power = power;
}

//  Those who start again may die once more before they are whole, or just after: what an earlier life left unsynced, and
//  this one relies on, is lost then
static void
s_restart_crashed (kith_sim_t *self, uint32_t number)
{
    kith_sim_process_t *process = &self->processes [number];
    const bool was_up = process->up;
    bool again = kith_random_below (&self->crashes, 2) == 0;
    bool syncing = kith_random_below (&self->crashes, 4) != 0;
    bool power = kith_random_below (&self->crashes, 4) != 0;
    uint32_t operations = (uint32_t) kith_random_below (&self->crashes, 16);
    kith_sim_restart (self, number);
    if (again && !was_up && process->up && self->faults)
        s_die_within (process, syncing, operations,
                      power && self->options.power_loss > 0);
}

//  One that has something to lose, if a few draws find one
static uint32_t
s_any_that_syncs (kith_sim_t *self)
{
    uint32_t number = s_any_process (self);
    for (int draw = 0; draw < 6 && !self->processes [number].syncs; draw++)
        number = s_any_process (self);
    return number;
}

//  A crash between two events, or within the next work: after a few operations of the disk, or before a sync
static void
s_next_crash (kith_sim_t *self)
{
    bool power = kith_random_unit (&self->crashes) < self->options.power_loss;
    bool within = kith_random_below (&self->crashes, 2) == 0;
    bool syncing = kith_random_below (&self->crashes, 2) == 0;
    uint32_t number = within && syncing ? s_any_that_syncs (self) : s_any_process (self);
    uint32_t operations = (uint32_t) kith_random_below (&self->crashes, 12);
    s_schedule (self, KITH_SIM_CRASH, self->options.crash_every_us);
    kith_sim_process_t *process = &self->processes [number];
    if (!process->up)
        return;
    if (!within) {
        kith_sim_crash (self, number, power);
        return;
    }
    s_die_within (process, syncing, operations, power);
}

//  --------------------------------------------------------------------------
//  Turning

//  What other than an event of a process happens
static void
s_run_fault (kith_sim_t *self, const kith_sim_event_t *event)
{
    if (event->kind == KITH_SIM_RESTART) {
        s_restart_crashed (self, event->process);
        return;
    }
    if (event->kind == KITH_SIM_JOIN) {
        kith_sim_join (self);
        return;
    }
    if (!self->faults)
        return;
    if (event->kind == KITH_SIM_CRASH)
        s_next_crash (self);
    else if (event->kind == KITH_SIM_PAUSE) {
        int64_t for_us = 1
                         + (int64_t) kith_random_exponential (
                             &self->crashes, (double) self->options.pause_for_us);
        kith_sim_pause (self, s_any_process (self), for_us);
        s_schedule (self, KITH_SIM_PAUSE, self->options.pause_every_us);
    }
    else if (event->kind == KITH_SIM_PARTITION) {
        kith_sim_partition (self);
        int64_t for_us = 1
                         + (int64_t) kith_random_exponential (
                             &self->network, (double) self->options.partition_for_us);
        kith_sim_event (self, KITH_SIM_JOIN, self->limit, self->now_us + for_us);
        s_schedule (self, KITH_SIM_PARTITION, self->options.partition_every_us);
    }
}

static void
s_run (kith_sim_t *self, kith_sim_event_t *event)
{
    kith_sim_process_t *process =
        event->process < self->limit ? &self->processes [event->process] : NULL;
    switch (event->kind) {
        case KITH_SIM_TURN:
            kith_sim_run_turn (self, event);
            break;
        case KITH_SIM_HAND_OVER:
            kith_sim_note (self, "hand-over", event->process, event->msg->kind);
            kith_sim_give (self, process, &event->msg);
            break;
        case KITH_SIM_DELIVER:
            kith_sim_run_delivery (self, event);
            break;
        case KITH_SIM_WORK:
            kith_sim_run_work (self, event);
            break;
        case KITH_SIM_WORK_BACK:
            kith_sim_run_back (self, event);
            break;
        case KITH_SIM_SCRIPT:
            event->fn (self, event->arg);
            break;
        case KITH_SIM_CRASH:
        case KITH_SIM_RESTART:
        case KITH_SIM_PAUSE:
        case KITH_SIM_PARTITION:
        case KITH_SIM_JOIN:
            s_run_fault (self, event);
            break;
    }
}

bool
kith_sim_step (kith_sim_t *self)
{
    kith_sim_event_t *event = (kith_sim_event_t *) kith_timers_first (&self->timers);
    if (!event)
        return false;
    if (event->timer.at_us > self->now_us)
        self->now_us = event->timer.at_us;
    int64_t until_us = event->kind <= KITH_SIM_WORK_BACK
                           ? self->processes [event->process].paused_until_us
                           : 0;
    if (until_us > self->now_us) {
        //  A paused process finds all that happened when it goes on, in order
        kith_timers_remove (&self->timers, &event->timer);
        kith_timers_add (&self->timers, &event->timer, until_us);
        return true;
    }
    s_unlink (self, event);
    self->stats.events++;
    s_run (self, event);
    s_free (event);
    return true;
}

bool
kith_sim_run (kith_sim_t *self, int64_t until_us, kith_sim_enough_fn *enough, void *arg)
{
    assert (self);
    for (;;) {
        if (enough && enough (arg))
            return true;
        const kith_timer_t *next = kith_timers_first (&self->timers);
        if (!next || next->at_us > until_us)
            break;
        kith_sim_step (self);
    }
    if (until_us > self->now_us)
        self->now_us = until_us;
    return false;
}

void
kith_sim_at (kith_sim_t *self, int64_t at_us, kith_sim_fn *fn, void *arg)
{
    kith_sim_event_t *event = kith_sim_event (
        self, KITH_SIM_SCRIPT, self->limit, at_us > self->now_us ? at_us : self->now_us);
    event->fn = fn;
    event->arg = arg;
}

//  --------------------------------------------------------------------------
//  An orderly restart

static void
s_stop_actor (kith_sim_t *self, uint32_t number, const kith_sim_actor_t *actor)
{
    kith_loop_t *loop = self->processes [number].loops [actor->loop]->loop;
    kith_loop_stop (loop, actor->number);
    while (!kith_loop_stopped (loop, actor->number)) {
        bool more = kith_sim_step (self);
        assert (more);
    }
}

void
kith_sim_restart_all (kith_sim_t *self)
{
    uint32_t count = self->options.topology->process_count;
    bool faults = self->faults;
    kith_sim_heal (self);
    for (int rank = KITH_RANKS; rank-- > 0;)
        for (uint32_t number = 0; number < count; number++)
            for (size_t place = 0; place < self->processes [number].actor_count; place++)
                if (kith_role_rank (self->processes [number].actors [place].role) == rank)
                    s_stop_actor (self, number, &self->processes [number].actors [place]);
    for (uint32_t number = 0; number < count; number++)
        kith_sim_take_down (self, number);
    for (uint32_t number = 0; number < count; number++)
        kith_sim_start (self, number);
    self->faults = faults;
}

//  --------------------------------------------------------------------------
//  What it is

uint64_t
kith_sim_random (kith_sim_t *self)
{
    return kith_random_next (&self->workload);
}

int64_t
kith_sim_now_us (const kith_sim_t *self)
{
    return self->now_us;
}

kith_fs_t *
kith_sim_fs (kith_sim_t *self)
{
    return self->fs;
}

kith_kv_image_t *
kith_sim_kv (kith_sim_t *self, uint32_t process)
{
    return self->processes [process].kv;
}

kith_sim_stats_t
kith_sim_stats (const kith_sim_t *self)
{
    kith_sim_stats_t stats = self->stats;
    stats.writes_lost = self->disk_stats.writes_lost;
    stats.writes_torn = self->disk_stats.writes_torn;
    stats.names_lost = self->disk_stats.names_lost;
    return stats;
}

uint64_t
kith_sim_digest (const kith_sim_t *self)
{
    return self->digest;
}
