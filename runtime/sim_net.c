//  sim_net - the network of the simulator: bytes between processes, late, lost, twice, in another order
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/sim_state.h"

#define RECONNECT_US 20000    //  between two tries to reach a peer that is gone

kith_sim_pair_t *
kith_sim_pair (kith_sim_t *self, uint32_t from, uint32_t to)
{
    assert (from < self->limit && to < self->limit);
    return &self->pairs [from * self->limit + to];
}

static uint64_t
s_hash_parts (kith_frame_t *const *parts, uint32_t count)
{
    uint64_t hash = count;
    for (uint32_t part = 0; part < count; part++)
        hash = kith_mix64 (hash
                           ^ kith_hash64 (kith_frame_data (parts [part]),
                                          kith_frame_size (parts [part])));
    return hash;
}

//  Puts the encoded message on its way
static void
s_dispatch (kith_sim_t *self, uint32_t from, uint32_t to, const kith_msg_t *msg,
            int64_t at_us)
{
    kith_frame_t *parts [KITH_FRAMES_MAX + 2];
    uint32_t count = 0;
    kith_msg_encode (msg, self->now_us, true, parts, &count);
    kith_sim_event_t *event = kith_sim_event (self, KITH_SIM_DELIVER, to, at_us);
    event->from = from;
    event->connection = kith_sim_pair (self, from, to)->connection;
    event->stale = kith_sim_chance (self, &self->network, self->options.stale);
    event->part_count = count;
    event->parts = kith_new (count * sizeof (kith_frame_t *));
    memcpy (event->parts, parts, count * sizeof (kith_frame_t *));
    event->hash = s_hash_parts (parts, count);
}

static int64_t
s_delay_us (kith_sim_t *self)
{
    return self->options.delay_min_us
           + (int64_t) kith_random_exponential (&self->network,
                                                (double) self->options.delay_mean_us);
}

kith_end_t
kith_sim_send (kith_sim_t *self, uint32_t from, uint32_t to, const kith_msg_t *msg)
{
    kith_sim_pair_t *pair = kith_sim_pair (self, from, to);
    const kith_sim_process_t *peer = &self->processes [to];
    //  A sender may know that the peer is gone, or may not yet
    bool knows = kith_random_below (&self->network, 4) != 0;
    if (!peer->up && !peer->dying && knows)
        return KITH_END_UNREACHABLE;
    if (pair->cuts && knows)
        return KITH_END_UNREACHABLE;
    if (pair->cuts) {
        self->stats.cut++;
        return KITH_END_OK;
    }
    self->stats.messages++;
    if (kith_sim_chance (self, &self->network, self->options.lose)) {
        //  What is in flight is lost with it
        pair->connection++;
        self->stats.lost++;
        return KITH_END_OK;
    }
    int64_t at_us = self->now_us + s_delay_us (self);
    if (kith_sim_chance (self, &self->network, self->options.reorder)) {
        at_us += 3 * s_delay_us (self);
        self->stats.reordered++;
    }
    else {
        if (at_us <= pair->last_us)
            at_us = pair->last_us + 1;
        pair->last_us = at_us;
    }
    s_dispatch (self, from, to, msg, at_us);
    if (kith_sim_chance (self, &self->network, self->options.duplicate)) {
        self->stats.duplicated++;
        s_dispatch (self, from, to, msg, at_us + s_delay_us (self));
    }
    return KITH_END_OK;
}

//  It waits in the sender's queue until the peer is there again
static void
s_wait (kith_sim_t *self, kith_sim_event_t *event)
{
    kith_sim_event_t *later = kith_sim_event (self, KITH_SIM_DELIVER, event->process,
                                              self->now_us + RECONNECT_US);
    later->from = event->from;
    later->connection = event->connection;
    later->life = event->life;
    later->stale = true;
    later->hash = event->hash;
    later->part_count = event->part_count;
    later->parts = event->parts;
    event->part_count = 0;
    event->parts = NULL;
}

void
kith_sim_run_delivery (kith_sim_t *self, kith_sim_event_t *event)
{
    kith_sim_process_t *process = &self->processes [event->process];
    bool same = event->life == process->life;
    if (!process->up && event->stale && self->faults) {
        s_wait (self, event);
        return;
    }
    if (!process->up || (!same && !event->stale)
        || event->connection
               != kith_sim_pair (self, event->from, event->process)->connection) {
        self->stats.lost++;
        return;
    }
    self->stats.stale += !same;
    kith_sim_note (self, "deliver", event->process, event->hash);
    kith_error_t error;
    kith_msg_t *msg =
        kith_msg_decode (event->parts, event->part_count, self->now_us, true, &error);
    if (!msg) {
        self->stats.undecodable++;
        fprintf (stderr, "sim: a message did not come back from its bytes: %s\n",
                 error.message);
        return;
    }
    msg->hops += 2;
    kith_sim_give (self, process, &msg);
}

//  --------------------------------------------------------------------------
//  Partitions

void
kith_sim_partition (kith_sim_t *self)
{
    uint32_t count = self->process_count;
    if (count < 2)
        return;
    //  A random side, neither empty nor all; one way or both
    bool *inside = kith_new (count * sizeof (bool));
    uint32_t members = 0;
    for (uint32_t number = 0; number < count; number++) {
        inside [number] = kith_random_below (&self->network, 3) == 0;
        members += inside [number];
    }
    if (members == 0)
        inside [kith_random_below (&self->network, count)] = true;
    bool both = kith_random_below (&self->network, 2) == 0;
    for (uint32_t from = 0; from < count; from++)
        for (uint32_t to = 0; to < count; to++)
            if (inside [from] != inside [to] && (both || inside [from]))
                kith_sim_pair (self, from, to)->cuts++;
    free (inside);
    self->stats.partitions++;
    kith_sim_note (self, "partition", members, both);
}

void
kith_sim_join (kith_sim_t *self)
{
    for (uint32_t pair = 0; pair < self->limit * self->limit; pair++)
        self->pairs [pair].cuts = 0;
    kith_sim_note (self, "join", 0, 0);
}
