//  sim_process - processes of the simulator: their loops' host, start, crash
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/loop_state.h"
#include "runtime/sim_state.h"
#include "runtime/supervisor.h"

#define WALL_MS 1700000000000u    //  unix time when a simulation begins
#define HAND_OVER_US 20           //  a message between loops takes up to that
#define AGAIN_US 5                //  a loop with more to do goes on within that
#define START_AGAIN_US 100000     //  a process that could not start tries again

static kith_sim_process_t *
s_process (const kith_sim_loop_t *loop)
{
    return &loop->sim->processes [loop->process];
}

void
kith_sim_turn_at (kith_sim_t *self, kith_sim_process_t *process, size_t number,
                  int64_t at_us)
{
    kith_sim_loop_t *loop = process->loops [number];
    if (at_us < self->now_us)
        at_us = self->now_us;
    if (loop->turn && loop->turn->timer.at_us <= at_us)
        return;
    if (loop->turn)
        kith_sim_cancel (self, &loop->turn);
    loop->turn = kith_sim_event (self, KITH_SIM_TURN, process->number, at_us);
    loop->turn->loop = number;
}

static const kith_sim_actor_t *
s_find (const kith_sim_process_t *process, kith_address_t to)
{
    for (size_t place = 0; place < process->actor_count; place++)
        if (process->actors [place].role == to.role
            && process->actors [place].index == to.index)
            return &process->actors [place];
    return NULL;
}

void
kith_sim_give (kith_sim_t *self, kith_sim_process_t *process, kith_msg_t **msg_p)
{
    const kith_sim_actor_t *actor = s_find (process, (*msg_p)->to);
    //  The last loop, the supervisor's, says that there is no such actor
    size_t loop = actor ? actor->loop : process->loop_count - 1;
    kith_loop_deliver (process->loops [loop]->loop, msg_p);
    kith_sim_turn_at (self, process, loop, self->now_us);
}

//  --------------------------------------------------------------------------
//  The host of a loop

static int64_t
s_now_us (void *arg)
{
    return ((kith_sim_loop_t *) arg)->sim->now_us;
}

static uint64_t
s_wall_ms (void *arg)
{
    const kith_sim_loop_t *loop = arg;
    return WALL_MS + (uint64_t) loop->sim->now_us / 1000
           + s_process (loop)->clock_ahead_ms;
}

static uint64_t
s_random (void *arg)
{
    return kith_random_next (&((kith_sim_loop_t *) arg)->sim->actors);
}

//  The client that lives as that incarnation; limit: none
static uint32_t
s_client (const kith_sim_t *self, uint64_t incarnation)
{
    for (uint32_t number = self->options.topology->process_count;
         number < self->process_count; number++) {
        const kith_sim_process_t *client = &self->processes [number];
        if (client->up
            && kith_loop_address (client->loops [0]->loop, 0).incarnation == incarnation)
            return number;
    }
    return self->limit;
}

static kith_end_t
s_transmit (void *arg, kith_msg_t **msg_p)
{
    const kith_sim_loop_t *loop = arg;
    kith_sim_t *self = loop->sim;
    kith_sim_process_t *process = s_process (loop);
    kith_msg_t *msg = *msg_p;
    if (process->dying)
        return KITH_END_UNREACHABLE;
    uint32_t to =
        msg->to.role == KITH_ROLE_CLIENT
            ? s_client (self, msg->to.incarnation)
            : kith_topology_process (self->options.topology, msg->to.role, msg->to.index);
    bool known = msg->to.role == KITH_ROLE_CLIENT
                     ? to < self->limit
                     : to < self->options.topology->process_count;
    if (!known)
        return KITH_END_UNREACHABLE;
    if (to != loop->process) {
        kith_end_t end = kith_sim_send (self, loop->process, to, msg);
        if (end == KITH_END_OK)
            kith_msg_destroy (msg_p);
        return end;
    }
    msg->hops++;
    int64_t at_us =
        self->now_us + 1 + (int64_t) kith_random_below (&self->schedule, HAND_OVER_US);
    //  Loops hand over in order
    kith_sim_pair_t *pair = kith_sim_pair (self, to, to);
    if (at_us <= pair->last_us)
        at_us = pair->last_us + 1;
    pair->last_us = at_us;
    kith_sim_event_t *event = kith_sim_event (self, KITH_SIM_HAND_OVER, to, at_us);
    event->msg = msg;
    *msg_p = NULL;
    return KITH_END_OK;
}

static int
s_submit (void *arg, kith_work_t *work)
{
    const kith_sim_loop_t *loop = arg;
    kith_sim_t *self = loop->sim;
    if (kith_sim_chance (self, &self->schedule, self->options.busy))
        return -1;
    work->hops += 2;
    int64_t delay_us = (int64_t) kith_random_exponential (
        &self->schedule, (double) self->options.work_mean_us);
    kith_sim_event_t *event =
        kith_sim_event (self, KITH_SIM_WORK, loop->process, self->now_us + 1 + delay_us);
    event->loop = loop->number;
    event->work = work;
    return 0;
}

static void
s_log (void *arg, char level, kith_address_t who, const char *text)
{
    const kith_sim_loop_t *loop = arg;
    if (loop->sim->options.trace)
        fprintf (stderr, "%12" PRId64 " %c process %u %s/%u %s\n", loop->sim->now_us,
                 level, loop->process, kith_role_name (who.role), who.index, text);
}

static bool
s_buggify (void *arg, const char *site)
{
    kith_sim_t *self = ((kith_sim_loop_t *) arg)->sim;
    if (!self->faults)
        return false;
    uint64_t hash = kith_mix64 (kith_hash64 (site, strlen (site)) ^ self->options.seed);
    if ((double) (hash >> 11) * 0x1.0p-53 >= self->options.buggify)
        return false;
    bool fires = kith_random_below (&self->schedule, 4) == 0;
    self->stats.buggified += fires;
    return fires;
}

static void
s_changed (void *arg, size_t number, const char *state, const char *note)
{
    const kith_sim_loop_t *loop = arg;
    (void) note;
    loop->sim->stats.actor_failures += strcmp (state, "failed") == 0;
    kith_sim_note (loop->sim, state, loop->process, loop->number << 8 | number);
}

//  --------------------------------------------------------------------------
//  Storage

static int
s_disk_fault (void *arg, kith_disk_op_t op, kith_error_t *error)
{
    kith_sim_process_t *process = arg;
    kith_sim_t *self = process->sim;
    //  What a sync would make safe is at stake the moment before it
    if (op == KITH_DISK_SYNC && process->syncs_left && --process->syncs_left == 0)
        process->disk_operations_left = 0;
    if (!process->up || process->dying || process->disk_operations_left == 0) {
        kith_error_set (error, KITH_ERR_IO, "the process is dead");
        return 1;
    }
    if (process->disk_operations_left != UINT32_MAX)
        process->disk_operations_left--;
    if (op == KITH_DISK_SYNC) {
        self->stats.syncs++;
        process->synced = process->syncs = true;
    }
    if (kith_sim_chance (self, &self->disks, self->options.io_error)) {
        self->stats.io_errors++;
        return kith_error_set (error, KITH_ERR_IO, "input/output error (simulated)");
    }
    bool grows = op == KITH_DISK_WRITE || op == KITH_DISK_NAME;
    if (grows && kith_sim_chance (self, &self->disks, self->options.no_space)) {
        self->stats.no_spaces++;
        return kith_error_set (error, KITH_ERR_NO_SPACE, "no space left (simulated)");
    }
    return 0;
}

static bool
s_kv_fault (void *arg, bool *applied)
{
    kith_sim_process_t *process = arg;
    kith_sim_t *self = process->sim;
    *applied = false;
    if (!process->up || process->dying || process->disk_operations_left == 0)
        return true;
    if (!kith_sim_chance (self, &self->disks, self->options.kv_error))
        return false;
    self->stats.kv_errors++;
    *applied = kith_random_below (&self->disks, 2) == 0;
    return true;
}

static kith_kv_t *
s_kv_open (void *arg, kith_error_t *error)
{
    kith_sim_process_t *process = arg;
    return kith_kv_mem_open (process->kv, s_kv_fault, process, error);
}

//  --------------------------------------------------------------------------
//  Start

static size_t
s_loop (kith_sim_t *self, kith_sim_process_t *process, const char *name)
{
    for (size_t number = 0; number < process->loop_count; number++)
        if (strcmp (kith_loop_name (process->loops [number]->loop), name) == 0)
            return number;
    kith_sim_loop_t *loop = kith_new (sizeof *loop);
    loop->sim = self;
    loop->process = process->number;
    loop->number = process->loop_count;
    kith_host_t host = {.arg = loop,
                        .now_us = s_now_us,
                        .wall_ms = s_wall_ms,
                        .random = s_random,
                        .transmit = s_transmit,
                        .submit = s_submit,
                        .log = s_log,
                        .buggify = s_buggify,
                        .changed = s_changed,
                        .process = process->process};
    loop->loop = kith_loop_new (&host, name);
    process->loops [process->loop_count] = loop;
    return process->loop_count++;
}

static void
s_add (kith_sim_process_t *process, const kith_behaviour_t *behaviour, uint32_t index,
       size_t loop, zconfig_t *config)
{
    kith_sim_actor_t *actor = &process->actors [process->actor_count++];
    actor->role = behaviour->role;
    actor->index = index;
    actor->loop = loop;
    actor->number = kith_loop_add (process->loops [loop]->loop, behaviour,
                                   behaviour->role, index, config);
}

static void
s_add_actors (kith_sim_t *self, kith_sim_process_t *process)
{
    const kith_topology_t *topology = self->options.topology;
    for (uint32_t place = 0; place < topology->actor_count; place++) {
        const kith_actor_spec_t *spec = &topology->actors [place];
        if (spec->process != process->number)
            continue;
        const kith_behaviour_t *behaviour = NULL;
        for (size_t number = 0; number < self->options.behaviour_count; number++)
            if (self->options.behaviours [number]->role == spec->role)
                behaviour = self->options.behaviours [number];
        assert (behaviour);
        char own [64];
        snprintf (own, sizeof own, "%s-%u", kith_role_name (spec->role), spec->index);
        s_add (process, behaviour, spec->index,
               s_loop (self, process, *spec->loop ? spec->loop : own), spec->config);
    }
    s_add (process, kith_supervisor_behaviour (), process->number,
           process->loop_count - 1, NULL);
}

//  Makes storage and loops; -1: the disk does not let it
static int
s_make (kith_sim_t *self, kith_sim_process_t *process)
{
    if (process->client) {
        kith_process_options_t options = {.topology = self->options.topology};
        process->process = kith_process_new (&options, NULL);
        s_add (process, process->client, 0, s_loop (self, process, "client"), NULL);
        return 0;
    }
    process->fs = kith_sim_disk_view (self->disk, process->number, s_disk_fault, process);
    if (!process->kv)
        process->kv = kith_kv_image_new ();
    kith_process_options_t options = {.topology = self->options.topology,
                                      .ordinal = process->number,
                                      .fs = process->fs,
                                      .kv_open = s_kv_open,
                                      .arg = process};
    process->process = kith_process_new (&options, NULL);
    if (!process->process)
        return -1;
    s_add_actors (self, process);
    return 0;
}

static int
s_start_actors (kith_sim_process_t *process)
{
    for (int rank = 0; rank < KITH_RANKS; rank++) {
        for (size_t place = 0; place < process->actor_count; place++) {
            const kith_sim_actor_t *actor = &process->actors [place];
            if (kith_role_rank (actor->role) != rank)
                continue;
            if (kith_loop_start (process->loops [actor->loop]->loop, actor->number, NULL)
                != 0)
                return -1;
        }
    }
    return 0;
}

void
kith_sim_start (kith_sim_t *self, uint32_t number)
{
    kith_sim_process_t *process = &self->processes [number];
    assert (!process->up);
    process->up = true;
    process->life++;
    process->disk_operations_left = UINT32_MAX;
    process->syncs_left = 0;
    process->paused_until_us = 0;
    kith_sim_note (self, "start", number, process->life);
    if (s_make (self, process) != 0 || s_start_actors (process) != 0) {
        kith_sim_take_down (self, number);
        kith_sim_event (self, KITH_SIM_RESTART, number, self->now_us + START_AGAIN_US);
        return;
    }
    for (size_t loop = 0; loop < process->loop_count; loop++)
        kith_sim_turn_at (self, process, loop, self->now_us);
}

void *
kith_sim_state (kith_ctx_t *ctx)
{
    const kith_sim_loop_t *loop = ctx->loop->host.arg;
    assert (s_process (loop)->client);
    return s_process (loop)->state;
}

//  --------------------------------------------------------------------------
//  Crash

//  Work that is out comes back before anything goes; on a dead disk it does nothing to the world
static void
s_bring_back (kith_sim_t *self, kith_sim_process_t *process)
{
    for (;;) {
        kith_sim_event_t *event = self->events;
        while (event
               && (event->process != process->number || event->kind == KITH_SIM_DELIVER
                   || event->kind > KITH_SIM_WORK_BACK))
            event = event->next;
        if (!event)
            return;
        kith_work_t *work = event->work;
        event->work = NULL;
        if (work && event->kind == KITH_SIM_WORK)
            work->fn (work->arg);
        if (event->kind == KITH_SIM_TURN)
            process->loops [event->loop]->turn = NULL;
        kith_loop_t *loop = work ? work->loop : NULL;
        kith_sim_cancel (self, &event);
        if (work)
            kith_loop_work_back (loop, &work);
    }
}

void
kith_sim_take_down (kith_sim_t *self, uint32_t number)
{
    kith_sim_process_t *process = &self->processes [number];
    assert (process->up);
    process->dying = true;
    for (size_t place = 0; place < process->actor_count; place++)
        kith_loop_stop (process->loops [process->actors [place].loop]->loop,
                        process->actors [place].number);
    s_bring_back (self, process);
    for (size_t loop = 0; loop < process->loop_count; loop++) {
        kith_loop_destroy (&process->loops [loop]->loop);
        free (process->loops [loop]);
    }
    process->loop_count = 0;
    process->actor_count = 0;
    kith_process_destroy (&process->process);
    kith_sim_disk_view_destroy (&process->fs);
    process->up = false;
    process->dying = false;
}

//  --------------------------------------------------------------------------
//  Events of a process

void
kith_sim_run_turn (kith_sim_t *self, kith_sim_event_t *event)
{
    kith_sim_process_t *process = &self->processes [event->process];
    kith_sim_loop_t *loop = process->loops [event->loop];
    loop->turn = NULL;
    kith_sim_note (self, "turn", event->process, event->loop);
    //  One message a turn, so that others come between any two
    bool more = kith_loop_run (loop->loop, 1);
    if (more)
        kith_sim_turn_at (self, process, loop->number,
                          self->now_us + 1
                              + (int64_t) kith_random_below (&self->schedule, AGAIN_US));
    else if (kith_loop_next_us (loop->loop) != INT64_MAX)
        kith_sim_turn_at (self, process, loop->number, kith_loop_next_us (loop->loop));
}

void
kith_sim_run_work (kith_sim_t *self, kith_sim_event_t *event)
{
    kith_sim_process_t *process = &self->processes [event->process];
    kith_work_t *work = event->work;
    event->work = NULL;
    self->stats.works++;
    kith_sim_note (self, "work", event->process, event->loop);
    process->synced = false;
    work->fn (work->arg);
    int64_t took_us = 1
                      + (int64_t) kith_random_exponential (
                          &self->schedule, (double) self->options.work_mean_us);
    if (process->synced)
        took_us += (int64_t) kith_random_exponential (
            &self->schedule, (double) self->options.sync_mean_us);
    kith_sim_event_t *back =
        kith_sim_event (self, KITH_SIM_WORK_BACK, event->process, self->now_us + took_us);
    back->loop = event->loop;
    back->work = work;
    //  It died within
    if (process->disk_operations_left == 0)
        kith_sim_crash (self, event->process, process->die_by_power);
}

void
kith_sim_run_back (kith_sim_t *self, kith_sim_event_t *event)
{
    kith_sim_process_t *process = &self->processes [event->process];
    kith_work_t *work = event->work;
    event->work = NULL;
    kith_sim_note (self, "back", event->process, event->loop);
    kith_loop_work_back (process->loops [event->loop]->loop, &work);
    kith_sim_turn_at (self, process, event->loop, self->now_us);
}
