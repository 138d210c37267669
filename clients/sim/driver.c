//  driver - clients of the simulated cluster: what they ask, send again, and check
//  SPDX-License-Identifier: Apache-2.0
#include "clients/sim/driver.h"

#include <stdarg.h>
#include <stdio.h>

#define TRIES_MAX 8u       //  of a read, while there are faults
#define PAUSE_US 100000    //  mean, before a request is sent again
#define IDLE_US 20000      //  a lane that has nothing to do looks again
#define AUDIT_SEARCHES 12u
#define AUDIT_ATTEMPT_US 5000000

uint64_t
kith_driver_below (kith_driver_t *self, uint64_t limit)
{
    return kith_sim_random (self->sim) % limit;
}

double
kith_driver_unit (kith_driver_t *self)
{
    return (double) (kith_sim_random (self->sim) >> 11) * 0x1.0p-53;
}

static int64_t
s_around (kith_driver_t *self, int64_t mean_us)
{
    return 1 + (int64_t) kith_driver_below (self, (uint64_t) (2 * mean_us));
}

void
kith_driver_violate (kith_driver_t *self, const char *format, ...)
{
    kith_sim_report_t *report = self->report;
    if (report->violated)
        return;
    report->violated = true;
    int used = snprintf (report->violation, sizeof report->violation,
                         "at %.6f s: ", (double) kith_sim_now_us (self->sim) / 1e6);
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (report->violation + used, sizeof report->violation - (size_t) used, format,
               arguments);
    va_end (arguments);
}

static void
s_trace (const kith_lane_t *lane, const char *what, const char *more)
{
    const kith_driver_t *driver = lane->driver;
    if (!driver->trace)
        return;
    fprintf (stderr, "%12" PRId64 " * lane %u %s %s %s", kith_sim_now_us (driver->sim),
             lane->number, kith_op_name (lane->op), what, more);
    if (lane->op == KITH_OP_INSERT || lane->op == KITH_OP_REMOVE)
        for (uint32_t row = 0; row < lane->count && row < 12; row++)
            fprintf (stderr, " %u:%" PRIu64, lane->keys [row], lane->versions [row]);
    fprintf (stderr, "\n");
}

//  --------------------------------------------------------------------------
//  Drawing

static void
s_draw_write (kith_lane_t *lane)
{
    kith_driver_t *driver = lane->driver;
    const bool remove = lane->op == KITH_OP_REMOVE;
    uint32_t most = driver->workload.rows_max;
    lane->count = 1 + (uint32_t) kith_driver_below (driver, most);
    for (uint32_t row = 0; row < lane->count; row++)
        lane->keys [row] = (uint32_t) kith_driver_below (driver, driver->workload.keys);
    lane->partition = 0;
    if (!remove && driver->workload.partitions)
        lane->partition =
            (uint32_t) kith_driver_below (driver, driver->workload.partitions + 1);
    for (uint32_t row = 0; row < lane->count; row++) {
        bool hidden = false;
        for (uint32_t later = row + 1; later < lane->count; later++)
            hidden = hidden || lane->keys [later] == lane->keys [row];
        const kith_oracle_write_t write = {.key = lane->keys [row],
                                           .partition = lane->partition,
                                           .remove = remove,
                                           .hidden = hidden};
        lane->versions [row] = kith_oracle_begin (driver->oracle, &write);
    }
}

static void
s_draw_get (kith_lane_t *lane)
{
    kith_driver_t *driver = lane->driver;
    const uint32_t most = driver->workload.keys < 32 ? driver->workload.keys : 32;
    uint32_t wanted = 1 + (uint32_t) kith_driver_below (driver, most);
    lane->count = 0;
    while (wanted-- > 0) {
        uint32_t key = (uint32_t) kith_driver_below (driver, driver->workload.keys);
        bool there = false;
        for (uint32_t row = 0; row < lane->count; row++)
            there = there || lane->keys [row] == key;
        if (!there)
            lane->keys [lane->count++] = key;
    }
}

static void
s_draw_range (kith_lane_t *lane, bool whole)
{
    kith_driver_t *driver = lane->driver;
    const uint32_t keys = driver->workload.keys;
    lane->low = whole ? 0 : (uint32_t) kith_driver_below (driver, keys);
    lane->high =
        whole ? keys
              : lane->low + 1 + (uint32_t) kith_driver_below (driver, keys - lane->low);
}

static void
s_draw_search (kith_lane_t *lane)
{
    kith_driver_t *driver = lane->driver;
    s_draw_range (lane, kith_driver_below (driver, 3) != 0);
    lane->k = 1 + (uint32_t) kith_driver_below (driver, 20);
    //  Near what a payload may be, or near nothing
    kith_oracle_vector (driver->oracle, kith_sim_random (driver->sim), lane->query);
}

static kith_op_t
s_draw_op (kith_driver_t *driver)
{
    double sum = 0;
    for (uint32_t op = 0; op < KITH_OPS_WEIGHTED; op++)
        sum += driver->workload.weights [op];
    double drawn = sum * kith_driver_unit (driver);
    for (uint32_t op = 0; op < KITH_OPS_WEIGHTED; op++) {
        drawn -= driver->workload.weights [op];
        if (drawn < 0)
            return (kith_op_t) op;
    }
    return KITH_OP_INSERT;
}

static uint32_t
s_draw_level (kith_driver_t *driver)
{
    const uint32_t levels [] = {KITH_CONSISTENCY_STRONG, KITH_CONSISTENCY_STRONG,
                                KITH_CONSISTENCY_SESSION, KITH_CONSISTENCY_EVENTUALLY};
    return levels [kith_driver_below (driver, 4)];
}

//  --------------------------------------------------------------------------
//  Sending

static void
s_ended (void *state, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg);

static bool
s_is_read (kith_op_t op)
{
    return op == KITH_OP_GET || op == KITH_OP_RANGE || op == KITH_OP_COUNT
           || op == KITH_OP_SEARCH;
}

static bool
s_is_write (kith_op_t op)
{
    return op == KITH_OP_INSERT || op == KITH_OP_REMOVE;
}

static void
s_send (kith_lane_t *lane, kith_ctx_t *ctx)
{
    kith_driver_t *driver = lane->driver;
    const uint32_t proxies = kith_topology_count (driver->topology, KITH_ROLE_PROXY);
    const kith_address_t proxy = {
        .role = KITH_ROLE_PROXY, .index = (uint32_t) kith_driver_below (driver, proxies)};
    //  Each attempt of a read is a read of its own
    const size_t bytes = driver->workload.keys * sizeof (kith_floor_t);
    if (lane->level == KITH_CONSISTENCY_STRONG)
        memcpy (lane->floors, kith_oracle_floors (driver->oracle), bytes);
    else if (lane->level == KITH_CONSISTENCY_SESSION)
        memcpy (lane->floors, lane->session, bytes);
    else
        memset (lane->floors, 0, bytes);
    lane->drops =
        lane->level == KITH_CONSISTENCY_STRONG ? kith_oracle_drops (driver->oracle) : 0;
    lane->attempts++;
    lane->out = true;
    driver->report->retries += lane->attempts > 1;
    s_trace (lane, "sent", "");
    kith_msg_t *msg = kith_msg_copy (lane->request);
    const int64_t attempt_us =
        driver->phase == KITH_PHASE_RUN ? driver->workload.attempt_us : AUDIT_ATTEMPT_US;
    kith_ctx_call (ctx, proxy, &msg, attempt_us, s_ended, lane);
}

static void
s_begin (kith_lane_t *lane, kith_ctx_t *ctx, kith_op_t op)
{
    lane->op = op;
    lane->attempts = 0;
    lane->doubtful = false;
    lane->began_us = kith_ctx_now_us (ctx);
    if (s_is_write (op))
        s_draw_write (lane);
    kith_lane_build (lane);
    s_send (lane, ctx);
}

//  A read of what was drawn
static void
s_begin_read (kith_lane_t *lane, kith_ctx_t *ctx, kith_op_t op, uint32_t level)
{
    kith_driver_t *driver = lane->driver;
    lane->level = level;
    lane->only = UINT32_MAX;
    if (op != KITH_OP_COUNT && driver->workload.partitions
        && kith_driver_below (driver, 4) == 0)
        lane->only =
            (uint32_t) kith_driver_below (driver, driver->workload.partitions + 1);
    if (op == KITH_OP_GET)
        s_draw_get (lane);
    else if (op == KITH_OP_SEARCH)
        s_draw_search (lane);
    else
        s_draw_range (lane, kith_driver_below (driver, 3) == 0);
    s_begin (lane, ctx, op);
}

//  --------------------------------------------------------------------------
//  What comes next

static bool
s_others_idle (const kith_lane_t *lane)
{
    const kith_driver_t *driver = lane->driver;
    for (uint32_t other = 0; other < driver->lane_count; other++)
        if (other != lane->number && driver->lanes [other].op != KITH_OP_NONE)
            return false;
    return true;
}

//  Everything that is there, key by key, as a range, as a count, and by searches
static void
s_audit (kith_lane_t *lane, kith_ctx_t *ctx)
{
    kith_driver_t *driver = lane->driver;
    const uint32_t step = driver->audit_step++;
    lane->level = KITH_CONSISTENCY_STRONG;
    lane->only = UINT32_MAX;
    if (step == 0) {
        s_begin (lane, ctx, KITH_OP_LOAD);
        return;
    }
    if (step == 1) {
        lane->count = driver->workload.keys;
        for (uint32_t key = 0; key < lane->count; key++)
            lane->keys [key] = key;
        s_begin (lane, ctx, KITH_OP_GET);
        return;
    }
    if (step < 4) {
        s_draw_range (lane, true);
        s_begin (lane, ctx, step == 2 ? KITH_OP_RANGE : KITH_OP_COUNT);
        return;
    }
    if (step < 4 + AUDIT_SEARCHES) {
        s_begin_read (lane, ctx, KITH_OP_SEARCH, KITH_CONSISTENCY_STRONG);
        return;
    }
    driver->audited = true;
}

//  Others write to it meanwhile
static void
s_drop_partition (kith_lane_t *lane, kith_ctx_t *ctx)
{
    kith_driver_t *driver = lane->driver;
    driver->dropping = true;
    driver->partition =
        1 + (uint32_t) kith_driver_below (driver, driver->workload.partitions);
    kith_oracle_drop_begin (driver->oracle, driver->partition);
    s_begin (lane, ctx, KITH_OP_PARTITION);
}

static void
s_run (kith_lane_t *lane, kith_ctx_t *ctx)
{
    kith_driver_t *driver = lane->driver;
    if (driver->alone == lane) {
        if (s_others_idle (lane))
            s_begin (lane, ctx, KITH_OP_DROP);
        return;
    }
    if (driver->alone)
        return;
    kith_op_t op = s_draw_op (driver);
    if (op == KITH_OP_DROP) {
        driver->alone = lane;
        return;
    }
    if ((op == KITH_OP_RELEASE && driver->released)
        || (op == KITH_OP_PARTITION && driver->dropping))
        op = KITH_OP_INSERT;
    if (op == KITH_OP_PARTITION) {
        s_drop_partition (lane, ctx);
        return;
    }
    if (op == KITH_OP_RELEASE)
        driver->released = true;
    if (op == KITH_OP_INDEX)
        driver->indexed = true;
    if (s_is_read (op))
        s_begin_read (lane, ctx, op, s_draw_level (driver));
    else
        s_begin (lane, ctx, op);
}

static void
s_next (kith_lane_t *lane, kith_ctx_t *ctx)
{
    kith_driver_t *driver = lane->driver;
    if (driver->report->violated)
        return;
    if (!driver->made) {
        if (lane->number == 0 && driver->phase != KITH_PHASE_AUDIT)
            s_begin (lane, ctx, KITH_OP_CREATE);
    }
    else if (driver->phase == KITH_PHASE_RUN)
        s_run (lane, ctx);
    else if (driver->phase == KITH_PHASE_AUDIT && lane->number == 0 && !driver->audited)
        s_audit (lane, ctx);
    if (lane->op == KITH_OP_NONE)
        kith_ctx_after (ctx, IDLE_US, (int) lane->number);
}

//  --------------------------------------------------------------------------
//  Ends

static void
s_opened (kith_lane_t *lane, const kith_msg_t *msg)
{
    kith_driver_t *driver = lane->driver;
    const kith_proto_collection_opened_t *opened = msg->body;
    const kith_proto_collection_t *definition = &opened->definition;
    if (definition->fields_count != 3
        || definition->channels_count != driver->workload.shards) {
        kith_driver_violate (driver, "the collection has %u fields and %u shards",
                             definition->fields_count, definition->channels_count);
        return;
    }
    driver->key_field = definition->fields [0].id;
    driver->payload_field = definition->fields [1].id;
    driver->vector_field = definition->fields [2].id;
    for (uint32_t i = 0; i < definition->channels_count; i++)
        if (definition->channels [i].shard < driver->workload.shards)
            driver->log_of [definition->channels [i].shard] =
                definition->channels [i].log;
    for (uint32_t i = 0; i < opened->since_count; i++) {
        const kith_proto_position_t *since = &opened->since [i];
        if (since->log >= driver->topology->cluster.logs)
            continue;
        driver->opened [since->log] = since->seq;
        for (uint32_t client = 0; client < driver->workload.clients; client++)
            if (since->seq > driver->known [client][since->log])
                driver->known [client][since->log] = since->seq;
    }
    driver->made = true;
    driver->alone = NULL;
}

//  No copy of a request that names something can still be under way
static bool
s_is_clean (const kith_driver_t *driver)
{
    const kith_sim_options_t *faults = &driver->faults;
    return !driver->tainted && faults->duplicate <= 0 && faults->stale <= 0;
}

static void
s_partition_dropped (kith_driver_t *driver)
{
    const bool again = s_is_clean (driver);
    kith_oracle_drop_end (driver->oracle, driver->partition, again);
    driver->report->partition_drops++;
    if (!again)
        driver->partition_names [driver->partition]++;
}

//  A name is used again only if no copy of a request that names it can still be under way: a drop or an insert that
//  comes that late means the collection that has the name then
static void
s_dropped (kith_driver_t *driver)
{
    if (!s_is_clean (driver))
        driver->generation++;
    snprintf (driver->name, sizeof driver->name, "rows_%u", driver->generation);
    driver->tainted = false;
    driver->indexed = false;
    driver->made = false;
    driver->report->drops++;
    kith_oracle_reset (driver->oracle);
    for (uint32_t lane = 0; lane < driver->lane_count; lane++)
        memset (driver->lanes [lane].session, 0,
                driver->workload.keys * sizeof (kith_floor_t));
}

static void
s_done (kith_lane_t *lane, kith_ctx_t *ctx)
{
    const kith_op_t op = lane->op;
    lane->op = KITH_OP_NONE;
    kith_msg_destroy (&lane->request);
    kith_driver_t *driver = lane->driver;
    kith_op_t then = KITH_OP_NONE;
    if (op == KITH_OP_DROP || op == KITH_OP_RELEASE || op == KITH_OP_CREATE)
        then = op == KITH_OP_DROP      ? KITH_OP_CREATE
               : op == KITH_OP_RELEASE ? KITH_OP_LOAD
                                       : KITH_OP_OPEN;
    if (op == KITH_OP_DROP)
        s_dropped (driver);
    if (op == KITH_OP_PARTITION) {
        s_partition_dropped (driver);
        then = KITH_OP_PARTITION_MAKE;
    }
    if (op == KITH_OP_PARTITION_MAKE)
        driver->dropping = false;
    driver->report->releases += op == KITH_OP_RELEASE;
    driver->report->flushes += op == KITH_OP_FLUSH;
    driver->report->indexes += op == KITH_OP_INDEX;
    if (op == KITH_OP_LOAD)
        driver->released = false;
    if (then != KITH_OP_NONE)
        s_begin (lane, ctx, then);
    else
        kith_ctx_after (ctx, s_around (driver, driver->workload.think_us),
                        (int) lane->number);
}

//  A refusal that says nothing of passing troubles
static bool
s_is_hard (kith_code_t code)
{
    switch ((int) code) {
        case KITH_ERR_BUSY:
        case KITH_ERR_TIMEOUT:
        case KITH_ERR_UNREACHABLE:
        case KITH_ERR_NOT_OWNER:
        case KITH_ERR_NOT_LOADED:
        case KITH_ERR_SCHEMA_CHANGED:
        case KITH_ERR_COLLECTION_NOT_FOUND:
        case KITH_ERR_BELOW_BASE:
        case KITH_ERR_TRIMMED:
        case KITH_ERR_CONFLICT:
        case KITH_ERR_PARTIAL:
        case KITH_ERR_IO:
        case KITH_ERR_NO_SPACE:
        case KITH_ERR_CANCELLED:
        case KITH_ERR_PARTITION_NOT_FOUND:
            return false;
    }
    return true;
}

static void
s_unknown (kith_lane_t *lane)
{
    for (uint32_t row = 0; row < lane->count; row++)
        kith_oracle_unknown (lane->driver->oracle, lane->versions [row]);
    lane->driver->report->unknown++;
}

static void
s_failed (kith_lane_t *lane, kith_ctx_t *ctx, const kith_error_t *error)
{
    kith_driver_t *driver = lane->driver;
    s_trace (lane, "failed", error->message);
    if (lane->op == KITH_OP_DROP && error->code == KITH_ERR_COLLECTION_NOT_FOUND
        && lane->attempts > 1) {
        s_done (lane, ctx);
        return;
    }
    //  An attempt that seemed to fail was made, or a copy of this one
    if ((lane->attempts > 1 || !s_is_clean (driver))
        && ((lane->op == KITH_OP_PARTITION && error->code == KITH_ERR_PARTITION_NOT_FOUND)
            || (lane->op == KITH_OP_PARTITION_MAKE && error->code == KITH_ERR_EXISTS))) {
        s_done (lane, ctx);
        return;
    }
    //  Its partition was dropped meanwhile; an attempt before may have been made
    if (s_is_write (lane->op)
        && (error->code == KITH_ERR_OUTCOME_UNKNOWN
            || error->code == KITH_ERR_PARTITION_NOT_FOUND)) {
        s_unknown (lane);
        s_done (lane, ctx);
        return;
    }
    if (s_is_hard (error->code)) {
        kith_driver_violate (driver, "%s (lane %u) was refused: %s (%s)",
                             kith_op_name (lane->op), lane->number, error->message,
                             kith_code_name (error->code));
        return;
    }
    if (driver->phase == KITH_PHASE_AUDIT && error->code == KITH_ERR_NOT_LOADED
        && s_is_read (lane->op) && !s_is_clean (driver)) {
        //  A late copy of a release came after the load: the audit begins again with a load
        driver->audit_step = 0;
        lane->op = KITH_OP_NONE;
        kith_msg_destroy (&lane->request);
    }
    else if (s_is_read (lane->op) && driver->phase != KITH_PHASE_AUDIT
             && lane->attempts >= TRIES_MAX) {
        s_done (lane, ctx);
        return;
    }
    kith_ctx_after (ctx, s_around (driver, PAUSE_US), (int) lane->number);
}

static void
s_ended (void *state, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    (void) state;
    kith_lane_t *lane = arg;
    kith_driver_t *driver = lane->driver;
    lane->out = false;
    if (end == KITH_END_STOPPED)
        return;
    if (end == KITH_END_TIMEOUT)
        driver->tainted = true;
    if (end != KITH_END_OK) {
        kith_error_t error;
        kith_end_error (end, *answer_p, &error);
        s_failed (lane, ctx, &error);
        return;
    }
    s_trace (lane, "done", "");
    if (s_is_read (lane->op) || s_is_write (lane->op))
        kith_lane_check (lane, *answer_p);
    else if (lane->op == KITH_OP_OPEN)
        s_opened (lane, *answer_p);
    if (!driver->report->violated)
        s_done (lane, ctx);
}

//  --------------------------------------------------------------------------
//  The behaviour

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) config;
    kith_driver_client_t *client = kith_sim_state (ctx);
    kith_driver_t *driver = client->driver;
    for (uint32_t lane = 0; lane < driver->lane_count; lane++)
        if (driver->lanes [lane].client == client->number)
            kith_ctx_after (ctx, s_around (driver, IDLE_US), (int) lane);
    return client;
}

static void
s_handle (void *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    (void) self;
    (void) ctx;
    (void) msg_p;
}

static void
s_timeout (void *self, kith_ctx_t *ctx, int tag)
{
    const kith_driver_client_t *client = self;
    kith_lane_t *lane = &client->driver->lanes [tag];
    if (lane->op == KITH_OP_NONE)
        s_next (lane, ctx);
    else if (!lane->out)
        s_send (lane, ctx);
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    *self_p = NULL;
}

const kith_behaviour_t kith_driver_behaviour = {.name = "client",
                                                .role = KITH_ROLE_CLIENT,
                                                .init = s_init,
                                                .handle = s_handle,
                                                .timeout = s_timeout,
                                                .stop = s_stop};

bool
kith_driver_idle (void *arg)
{
    const kith_driver_t *self = arg;
    bool idle = self->made;
    for (uint32_t lane = 0; lane < self->lane_count; lane++)
        idle = idle && self->lanes [lane].op == KITH_OP_NONE;
    return idle || self->report->violated;
}

bool
kith_driver_audited (void *arg)
{
    const kith_driver_t *self = arg;
    return self->audited || self->report->violated;
}
