//  ctx - what a behaviour may ask of the world, over its loop
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/loop_state.h"

#define LEFT_DEFAULT_US 30000000    //  of a request without a deadline

void
kith_end_error (kith_end_t end, const kith_msg_t *answer, kith_error_t *error)
{
    switch (end) {
        case KITH_END_OK:
            kith_error_clear (error);
            break;
        case KITH_END_FAILED:
            if (!answer || !kith_msg_is_failed (answer, error))
                kith_error_set (error, KITH_ERR_INTERNAL,
                                "the peer failed and did not say why");
            break;
        case KITH_END_TIMEOUT:
            kith_error_set (error, KITH_ERR_TIMEOUT,
                            "no answer in time: the effect is unknown");
            break;
        case KITH_END_UNREACHABLE:
            kith_error_set (error, KITH_ERR_UNREACHABLE,
                            "the peer is not there: no effect");
            break;
        case KITH_END_BUSY:
            kith_error_set (error, KITH_ERR_BUSY, "the peer's queue is full: no effect");
            break;
        case KITH_END_STOPPED:
            kith_error_set (error, KITH_ERR_CANCELLED, "this actor is stopping");
            break;
    }
}

kith_address_t
kith_ctx_self (const kith_ctx_t *ctx)
{
    return ctx->self;
}

int64_t
kith_ctx_now_us (const kith_ctx_t *ctx)
{
    return ctx->loop->now_us;
}

bool
kith_ctx_past (const kith_ctx_t *ctx, int64_t moment_us)
{
    const kith_host_t *host = &ctx->loop->host;
    return host->now_us (host->arg) >= moment_us;
}

bool
kith_ctx_is_stopping (const kith_ctx_t *ctx)
{
    return ctx->life == KITH_ACTOR_STOPPING;
}

uint64_t
kith_ctx_clock (kith_ctx_t *ctx)
{
    kith_loop_t *loop = ctx->loop;
    uint64_t wall = loop->host.wall_ms (loop->host.arg) << 18;
    loop->clock = wall > loop->clock ? wall : loop->clock + 1;
    return loop->clock;
}

uint64_t
kith_ctx_random (kith_ctx_t *ctx)
{
    return ctx->loop->host.random (ctx->loop->host.arg);
}

static void
s_stamp (kith_ctx_t *ctx, kith_msg_t *msg, kith_address_t to)
{
    msg->from = ctx->self;
    msg->to = to;
    msg->clock = ctx->loop->clock;
    if (msg->hops < ctx->hops)
        msg->hops = ctx->hops;
    if (msg->trace == 0)
        msg->trace = ctx->trace;
    //  Who gets it by pointer finds what a decoded one would have
    kith_msg_settle (msg);
}

void
kith_ctx_send (kith_ctx_t *ctx, kith_address_t to, kith_msg_t **msg_p)
{
    assert (msg_p && *msg_p);
    kith_msg_t *msg = *msg_p;
    s_stamp (ctx, msg, to);
    msg->request = 0;
    msg->answer = false;
    if (kith_loop_route (ctx->loop, msg_p) != KITH_END_OK) {
        ctx->loop->stats.dropped++;
        kith_msg_destroy (msg_p);
    }
}

uint64_t
kith_ctx_call (kith_ctx_t *ctx, kith_address_t to, kith_msg_t **msg_p,
               int64_t deadline_us, kith_reply_fn *fn, void *arg)
{
    assert (msg_p && *msg_p);
    assert (fn);
    kith_loop_t *loop = ctx->loop;
    kith_msg_t *msg = *msg_p;
    kith_call_t *call = kith_new (sizeof *call);
    call->wait.kind = KITH_WAIT_CALL;
    call->wait.ctx = ctx;
    call->to = to;
    call->fn = fn;
    call->arg = arg;
    call->hops = ctx->hops;
    call->trace = ctx->trace;
    uint64_t id = call->id = kith_loop_slot_take (loop, &call->wait);
    bool full = ctx->call_count >= KITH_CALLS_MAX;
    TAILQ_INSERT_TAIL (&ctx->calls, call, mine);
    ctx->call_count++;
    loop->stats.calls++;

    s_stamp (ctx, msg, to);
    msg->request = id;
    msg->answer = false;
    msg->deadline_us = loop->now_us + deadline_us;
    kith_end_t end = KITH_END_OK;
    if (ctx->life == KITH_ACTOR_STOPPING)
        end = KITH_END_STOPPED;
    else if (full)
        end = KITH_END_BUSY;
    else if (deadline_us <= 0)
        end = KITH_END_TIMEOUT;
    else
        end = kith_loop_route (loop, msg_p);
    if (end == KITH_END_OK)
        kith_timers_add (&loop->timers, &call->wait.timer, loop->now_us + deadline_us);
    else {
        kith_msg_destroy (msg_p);
        kith_loop_call_over (loop, call, end);
    }
    return id;
}

void
kith_ctx_reply (kith_ctx_t *ctx, kith_msg_t **request_p, kith_msg_t **answer_p)
{
    assert (request_p && *request_p);
    assert (answer_p && *answer_p);
    kith_msg_t *request = *request_p;
    kith_msg_t *answer = *answer_p;
    if (request->request != 0 && !request->answer) {
        if (answer->hops < request->hops)
            answer->hops = request->hops;
        answer->trace = request->trace;
        s_stamp (ctx, answer, request->from);
        answer->request = request->request;
        answer->answer = true;
        answer->deadline_us = 0;
        if (kith_loop_route (ctx->loop, answer_p) != KITH_END_OK)
            ctx->loop->stats.dropped++;
    }
    kith_msg_destroy (answer_p);
    kith_msg_destroy (request_p);
}

void
kith_ctx_fail (kith_ctx_t *ctx, kith_msg_t **request_p, const kith_error_t *error)
{
    kith_msg_t *answer = kith_msg_failed (error);
    kith_ctx_reply (ctx, request_p, &answer);
}

int64_t
kith_ctx_left_us (const kith_ctx_t *ctx, const kith_msg_t *request)
{
    if (request->deadline_us == 0)
        return LEFT_DEFAULT_US;
    int64_t left_us = request->deadline_us - ctx->loop->now_us;
    return left_us > 0 ? left_us : 0;
}

uint64_t
kith_ctx_after (kith_ctx_t *ctx, int64_t delay_us, int tag)
{
    kith_loop_t *loop = ctx->loop;
    if (ctx->life == KITH_ACTOR_STOPPING)
        return 0;
    kith_alarm_t *alarm = kith_new (sizeof *alarm);
    alarm->wait.kind = KITH_WAIT_TIMER;
    alarm->wait.ctx = ctx;
    alarm->tag = tag;
    alarm->id = kith_loop_slot_take (loop, &alarm->wait);
    TAILQ_INSERT_TAIL (&ctx->alarms, alarm, mine);
    kith_timers_add (&loop->timers, &alarm->wait.timer,
                     loop->now_us + (delay_us > 0 ? delay_us : 0));
    return alarm->id;
}

void
kith_ctx_cancel (kith_ctx_t *ctx, uint64_t timer)
{
    kith_loop_t *loop = ctx->loop;
    kith_wait_t *wait = kith_loop_slot_find (loop, timer);
    if (!wait || wait->kind != KITH_WAIT_TIMER || wait->ctx != ctx)
        return;
    kith_alarm_t *alarm = (kith_alarm_t *) wait;
    TAILQ_REMOVE (&ctx->alarms, alarm, mine);
    kith_timers_remove (&loop->timers, &wait->timer);
    kith_loop_slot_free (loop, timer);
    free (alarm);
}

int
kith_ctx_work (kith_ctx_t *ctx, kith_pool_id_t pool, kith_work_fn *fn, kith_done_fn *done,
               void *arg)
{
    assert (fn && done);
    kith_loop_t *loop = ctx->loop;
    if (ctx->life == KITH_ACTOR_STOPPING)
        return -1;
    kith_work_t *work = kith_new (sizeof *work);
    work->fn = fn;
    work->arg = arg;
    work->pool = pool;
    work->loop = loop;
    work->done = done;
    work->ctx = ctx;
    work->hops = ctx->hops;
    work->trace = ctx->trace;
    if (loop->host.submit (loop->host.arg, work) != 0) {
        free (work);
        return -1;
    }
    ctx->work_count++;
    return 0;
}

kith_parallel_t *
kith_ctx_parallel (kith_ctx_t *ctx)
{
    return kith_process_parallel (ctx->loop->host.process);
}

void
kith_ctx_log (kith_ctx_t *ctx, char level, const char *format, ...)
{
    char text [1024];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    ctx->loop->host.log (ctx->loop->host.arg, level, ctx->self, text);
}

void
kith_ctx_exit (kith_ctx_t *ctx, const kith_error_t *error)
{
    if (ctx->exit_wanted)
        return;
    ctx->exit_wanted = true;
    if (error)
        ctx->exit_error = *error;
    else
        kith_error_set (&ctx->exit_error, KITH_ERR_INTERNAL, "%s/%u gave up",
                        kith_role_name (ctx->self.role), ctx->self.index);
}

bool
kith_ctx_buggify (kith_ctx_t *ctx, const char *site)
{
    const kith_host_t *host = &ctx->loop->host;
    return host->buggify && host->buggify (host->arg, site);
}

const kith_cluster_t *
kith_ctx_cluster (const kith_ctx_t *ctx)
{
    //  Each actor has its own copy: the id may be learned by another thread meanwhile
    kith_ctx_t *own = ctx->loop->actors [ctx->number];
    own->cluster = kith_process_cluster (ctx->loop->host.process);
    return &own->cluster;
}

void
kith_ctx_set_cluster_id (kith_ctx_t *ctx, uint64_t id)
{
    //  0 says that the teller does not know it yet
    if (id)
        kith_process_set_cluster_id (ctx->loop->host.process, id);
}

uint32_t
kith_ctx_role_count (const kith_ctx_t *ctx, kith_role_t role)
{
    return kith_topology_count (kith_process_topology (ctx->loop->host.process), role);
}

kith_kv_t *
kith_ctx_kv (kith_ctx_t *ctx, kith_error_t *error)
{
    if (ctx->self.role != KITH_ROLE_META) {
        kith_error_set (error, KITH_ERR_UNSUPPORTED, "%s has no metadata store",
                        kith_role_name (ctx->self.role));
        return NULL;
    }
    return kith_process_kv (ctx->loop->host.process, error);
}

kith_log_t *
kith_ctx_log_handle (kith_ctx_t *ctx, uint32_t log)
{
    if (ctx->self.role != KITH_ROLE_DATA_NODE)
        return NULL;
    return kith_process_log (ctx->loop->host.process, log);
}

kith_objects_t *
kith_ctx_objects (kith_ctx_t *ctx, kith_error_t *error)
{
    kith_role_t role = ctx->self.role;
    if (role != KITH_ROLE_DATA_NODE && role != KITH_ROLE_QUERY_NODE
        && role != KITH_ROLE_INDEX_NODE && role != KITH_ROLE_DATA_COORD
        && role != KITH_ROLE_INDEX_COORD) {
        kith_error_set (error, KITH_ERR_UNSUPPORTED, "%s has no objects",
                        kith_role_name (role));
        return NULL;
    }
    return kith_process_objects (ctx->loop->host.process, error);
}
