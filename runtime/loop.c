//  loop - the core of a loop: actors, their messages, calls, timers and work
//  SPDX-License-Identifier: Apache-2.0
#include "base/fault.h"
#include "runtime/loop_state.h"

#define BACKOFF_MIN_US                                                                   \
    100000    //  before a failed actor starts again; doubles at each failure
#define BACKOFF_MAX_US 5000000
#define STEADY_US                                                                        \
    10000000    //  an actor that was up that long starts over at the least back-off
#define SLOW_LOG_US 60000000    //  slow callbacks are reported once in that time

static void s_settle (kith_ctx_t *ctx);

kith_loop_t *
kith_loop_new (const kith_host_t *host, const char *name)
{
    assert (host);
    assert (host->process);
    kith_loop_t *self = kith_new (sizeof *self);
    self->host = *host;
    self->name = kith_strdup (name);
    self->now_us = host->now_us (host->arg);
    self->slow_logged_us = self->now_us - SLOW_LOG_US;
    TAILQ_INIT (&self->ended);
    return self;
}

static void
s_drop (kith_loop_t *self, kith_msg_t **msg_p)
{
    self->stats.dropped++;
    kith_msg_destroy (msg_p);
}

static kith_msg_t *
s_pop (kith_loop_t *self)
{
    kith_msg_t *msg = self->first;
    if (!msg)
        return NULL;
    self->first = msg->link;
    if (!self->first)
        self->last = NULL;
    msg->link = NULL;
    self->stats.queued--;
    return msg;
}

void
kith_loop_destroy (kith_loop_t **self_p)
{
    assert (self_p);
    kith_loop_t *self = *self_p;
    if (!self)
        return;
    for (size_t number = 0; number < self->actor_count; number++) {
        kith_ctx_t *ctx = self->actors [number];
        assert (ctx->life == KITH_ACTOR_ENDED);
        assert (ctx->work_count == 0 && ctx->call_count == 0);
        free (ctx);
    }
    for (kith_msg_t *msg = s_pop (self); msg; msg = s_pop (self))
        kith_msg_destroy (&msg);
    kith_timers_free (&self->timers);
    free (self->slots);
    free (self->name);
    free (self);
    *self_p = NULL;
}

const char *
kith_loop_name (const kith_loop_t *self)
{
    return self->name;
}

size_t
kith_loop_add (kith_loop_t *self, const kith_behaviour_t *behaviour, kith_role_t role,
               uint32_t index, zconfig_t *config)
{
    assert (self);
    assert (behaviour);
    assert (self->actor_count < KITH_ACTORS_MAX);
    kith_ctx_t *ctx = kith_new (sizeof *ctx);
    ctx->loop = self;
    ctx->number = self->actor_count;
    ctx->behaviour = behaviour;
    ctx->config = config;
    ctx->self.role = role;
    ctx->self.index = index;
    ctx->restart.kind = KITH_WAIT_RESTART;
    ctx->restart.ctx = ctx;
    TAILQ_INIT (&ctx->calls);
    TAILQ_INIT (&ctx->alarms);
    self->actors [self->actor_count] = ctx;
    return self->actor_count++;
}

//  --------------------------------------------------------------------------
//  Ids

uint64_t
kith_loop_slot_take (kith_loop_t *self, kith_wait_t *wait)
{
    if (self->slot_free == 0) {
        uint32_t count = self->slot_count ? self->slot_count * 2 : 64;
        self->slots = realloc (self->slots, count * sizeof (kith_slot_t));
        assert (self->slots);
        for (uint32_t place = count; place-- > self->slot_count;) {
            self->slots [place] = (kith_slot_t){NULL, 0, self->slot_free};
            self->slot_free = place + 1;
        }
        self->slot_count = count;
    }
    uint32_t place = self->slot_free - 1;
    kith_slot_t *slot = &self->slots [place];
    self->slot_free = slot->next_free;
    slot->wait = wait;
    slot->generation++;
    return (uint64_t) slot->generation << 32 | (place + 1);
}

kith_wait_t *
kith_loop_slot_find (const kith_loop_t *self, uint64_t id)
{
    uint32_t place = (uint32_t) id - 1;
    if (id == 0 || place >= self->slot_count)
        return NULL;
    const kith_slot_t *slot = &self->slots [place];
    return slot->generation == id >> 32 ? slot->wait : NULL;
}

void
kith_loop_slot_free (kith_loop_t *self, uint64_t id)
{
    uint32_t place = (uint32_t) id - 1;
    assert (kith_loop_slot_find (self, id));
    self->slots [place].wait = NULL;
    self->slots [place].next_free = self->slot_free;
    self->slot_free = place + 1;
}

//  --------------------------------------------------------------------------
//  Callbacks: each is timed; the loop's time stands still in it

static void
s_enter (kith_ctx_t *ctx, uint32_t hops, uint64_t trace)
{
    ctx->hops = hops;
    ctx->trace = trace;
}

static void
s_leave (kith_ctx_t *ctx, const char *what)
{
    kith_loop_t *self = ctx->loop;
    int64_t now_us = self->host.now_us (self->host.arg);
    int64_t took_us = now_us - self->now_us;
    self->now_us = now_us;
    self->stats.events++;
    ctx->hops = 0;
    ctx->trace = 0;
    if (took_us <= (int64_t) KITH_CALLBACK_US_MAX)
        return;
    self->stats.slow++;
    self->slow_unlogged++;
    if ((uint64_t) took_us > self->stats.slowest_us)
        self->stats.slowest_us = (uint64_t) took_us;
    if (now_us - self->slow_logged_us < SLOW_LOG_US)
        return;
    char text [160];
    snprintf (text, sizeof text,
              "event=slow callback=%s us=%" PRId64 " limit_us=%u slow=%" PRIu64, what,
              took_us, KITH_CALLBACK_US_MAX, self->slow_unlogged);
    self->host.log (self->host.arg, 'd', ctx->self, text);
    self->slow_logged_us = now_us;
    self->slow_unlogged = 0;
}

//  --------------------------------------------------------------------------
//  Messages

static kith_ctx_t *
s_find (const kith_loop_t *self, kith_address_t address)
{
    for (size_t number = 0; number < self->actor_count; number++) {
        kith_ctx_t *ctx = self->actors [number];
        if (ctx->self.role == address.role && ctx->self.index == address.index)
            return ctx;
    }
    return NULL;
}

static bool
s_lives (const kith_ctx_t *ctx, kith_address_t address)
{
    if (ctx->life != KITH_ACTOR_UP && ctx->life != KITH_ACTOR_STARTING)
        return false;
    if (KITH_BUG (STALE_INCARNATION))
        return true;
    return address.incarnation == 0 || address.incarnation == ctx->self.incarnation;
}

static void
s_queue (kith_loop_t *self, kith_msg_t **msg_p)
{
    kith_msg_t *msg = *msg_p;
    *msg_p = NULL;
    msg->link = NULL;
    if (self->last)
        self->last->link = msg;
    else
        self->first = msg;
    self->last = msg;
    self->stats.queued++;
}

kith_end_t
kith_loop_route (kith_loop_t *self, kith_msg_t **msg_p)
{
    kith_msg_t *msg = *msg_p;
    kith_ctx_t *ctx = s_find (self, msg->to);
    if (!ctx)
        return self->host.transmit (self->host.arg, msg_p);
    if (!s_lives (ctx, msg->to))
        return KITH_END_UNREACHABLE;
    //  An answer always finds room: there are no more of them than calls, and those are bounded
    if (self->stats.queued >= KITH_QUEUE_MAX && !msg->answer)
        return KITH_END_BUSY;
    s_queue (self, msg_p);
    return KITH_END_OK;
}

//  Tells the sender of a request that it had no effect. Such an answer comes from no incarnation, so that its loop
//  knows it from one that an actor gave.
static void
s_bounce (kith_loop_t *self, kith_msg_t **msg_p, kith_code_t code)
{
    kith_msg_t *msg = *msg_p;
    if (msg->request != 0 && !msg->answer) {
        kith_error_t error;
        kith_error_set (&error, code, "%s/%u is %s", kith_role_name (msg->to.role),
                        msg->to.index, code == KITH_ERR_BUSY ? "busy" : "not there");
        kith_msg_t *answer = kith_msg_failed (&error);
        answer->answer = true;
        answer->request = msg->request;
        answer->from = (kith_address_t){msg->to.role, msg->to.index, 0};
        answer->to = msg->from;
        answer->hops = msg->hops;
        answer->trace = msg->trace;
        if (kith_loop_route (self, &answer) != KITH_END_OK)
            kith_msg_destroy (&answer);
    }
    s_drop (self, msg_p);
}

void
kith_loop_deliver (kith_loop_t *self, kith_msg_t **msg_p)
{
    assert (self);
    assert (msg_p && *msg_p);
    if (self->stats.queued >= KITH_QUEUE_MAX && !(*msg_p)->answer)
        s_bounce (self, msg_p, KITH_ERR_BUSY);
    else
        s_queue (self, msg_p);
}

//  --------------------------------------------------------------------------
//  Calls

void
kith_loop_call_over (kith_loop_t *self, kith_call_t *call, kith_end_t end)
{
    assert (!call->ended);
    kith_timers_remove (&self->timers, &call->wait.timer);
    call->ended = true;
    call->end = end;
    TAILQ_INSERT_TAIL (&self->ended, call, next);
}

//  The one place where a call ends
static void
s_call_end (kith_ctx_t *ctx, kith_call_t *call, kith_end_t end, kith_msg_t **answer_p)
{
    assert (call->wait.ctx == ctx);
    kith_loop_t *self = ctx->loop;
    kith_timers_remove (&self->timers, &call->wait.timer);
    if (call->ended)
        TAILQ_REMOVE (&self->ended, call, next);
    TAILQ_REMOVE (&ctx->calls, call, mine);
    ctx->call_count--;
    self->stats.calls--;
    kith_loop_slot_free (self, call->id);
    kith_msg_t *none = NULL;
    kith_msg_t *answer = answer_p ? *answer_p : NULL;
    s_enter (ctx, answer && answer->hops > call->hops ? answer->hops : call->hops,
             call->trace);
    call->fn (ctx->state, ctx, end, answer_p ? answer_p : &none, call->arg);
    assert (!none);
    free (call);
    s_leave (ctx, "reply");
}

static bool
s_run_ended (kith_loop_t *self)
{
    bool any = false;
    for (kith_call_t *call = TAILQ_FIRST (&self->ended); call;
         call = TAILQ_FIRST (&self->ended)) {
        kith_ctx_t *ctx = call->wait.ctx;
        TAILQ_REMOVE (&self->ended, call, next);
        call->ended = false;
        assert (TAILQ_FIRST (&self->ended) != call);    //  it ends once
        s_call_end (ctx, call, call->end, NULL);
        s_settle (ctx);
        any = true;
    }
    return any;
}

//  How an answer ends its call: a refusal that no actor made is the runtime's own word
static kith_end_t
s_end_of_answer (const kith_msg_t *msg)
{
    kith_error_t error;
    if (!kith_msg_is_failed (msg, &error))
        return KITH_END_OK;
    if (msg->from.incarnation == 0 && error.code == KITH_ERR_UNREACHABLE)
        return KITH_END_UNREACHABLE;
    if (msg->from.incarnation == 0 && error.code == KITH_ERR_BUSY)
        return KITH_END_BUSY;
    return KITH_END_FAILED;
}

static void
s_answer (kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_loop_t *self = ctx->loop;
    kith_msg_t *msg = *msg_p;
    kith_wait_t *wait = kith_loop_slot_find (self, msg->request);
    kith_call_t *call =
        wait && wait->kind == KITH_WAIT_CALL ? (kith_call_t *) wait : NULL;
    //  Late answers, and answers from somebody who was not asked
    if (!call || wait->ctx != ctx || call->ended || call->to.role != msg->from.role
        || call->to.index != msg->from.index) {
        s_drop (self, msg_p);
        return;
    }
    kith_end_t end = s_end_of_answer (msg);
    bool lend = end == KITH_END_OK || end == KITH_END_FAILED;
    s_call_end (ctx, call, end, lend ? msg_p : NULL);
    kith_msg_destroy (msg_p);
}

void
kith_loop_refuse (kith_loop_t *self, kith_msg_t **msg_p, kith_end_t end)
{
    kith_msg_t *msg = *msg_p;
    kith_ctx_t *ctx = s_find (self, msg->from);
    if (ctx && msg->request != 0 && !msg->answer
        && msg->from.incarnation == ctx->self.incarnation) {
        kith_wait_t *wait = kith_loop_slot_find (self, msg->request);
        kith_call_t *call =
            wait && wait->kind == KITH_WAIT_CALL ? (kith_call_t *) wait : NULL;
        if (call && wait->ctx == ctx && !call->ended)
            kith_loop_call_over (self, call, end);
    }
    s_drop (self, msg_p);
}

//  --------------------------------------------------------------------------
//  An actor's life

static void
s_changed (kith_ctx_t *ctx, kith_actor_state_t life, const char *note)
{
    static const char *const names [] = {"ended", "starting", "up", "stopping", "failed"};
    kith_host_t *host = &ctx->loop->host;
    ctx->life = life;
    if (host->changed)
        host->changed (host->arg, ctx->number, names [life], note);
}

static void
s_forget_alarms (kith_ctx_t *ctx)
{
    kith_loop_t *self = ctx->loop;
    for (kith_alarm_t *alarm = TAILQ_FIRST (&ctx->alarms); alarm;
         alarm = TAILQ_FIRST (&ctx->alarms)) {
        TAILQ_REMOVE (&ctx->alarms, alarm, mine);
        kith_timers_remove (&self->timers, &alarm->wait.timer);
        kith_loop_slot_free (self, alarm->id);
        free (alarm);
    }
}

static void
s_await_restart (kith_ctx_t *ctx)
{
    kith_loop_t *self = ctx->loop;
    if (ctx->up_us && self->now_us - ctx->up_us > STEADY_US)
        ctx->backoff_us = 0;
    ctx->backoff_us = ctx->backoff_us ? ctx->backoff_us * 2 : BACKOFF_MIN_US;
    if (ctx->backoff_us > BACKOFF_MAX_US)
        ctx->backoff_us = BACKOFF_MAX_US;
    ctx->up_us = 0;
    char text [640];
    snprintf (text, sizeof text,
              "event=failed restart_ms=%" PRId64 " error=%s why=\"%s\"",
              ctx->backoff_us / 1000, kith_code_name (ctx->exit_error.code),
              ctx->exit_error.message);
    self->host.log (self->host.arg, 'e', ctx->self, text);
    s_changed (ctx, KITH_ACTOR_FAILED, ctx->exit_error.message);
    kith_timers_add (&self->timers, &ctx->restart.timer, self->now_us + ctx->backoff_us);
}

static void
s_stop_calls (kith_ctx_t *ctx)
{
    while (!TAILQ_EMPTY (&ctx->calls))
        s_call_end (ctx, TAILQ_FIRST (&ctx->calls), KITH_END_STOPPED, NULL);
}

//  Goes on with a stop as far as it can
static void
s_settle (kith_ctx_t *ctx)
{
    if ((ctx->exit_wanted || ctx->stop_wanted) && ctx->life == KITH_ACTOR_UP) {
        s_changed (ctx, KITH_ACTOR_STOPPING, "");
        s_forget_alarms (ctx);
    }
    if (ctx->life != KITH_ACTOR_STOPPING)
        return;
    s_stop_calls (ctx);
    if (ctx->work_count)
        return;
    if (ctx->state) {
        s_enter (ctx, 0, 0);
        ctx->behaviour->stop (&ctx->state, ctx);
        s_leave (ctx, "stop");
        ctx->state = NULL;
    }
    s_stop_calls (ctx);
    assert (ctx->work_count == 0);
    bool again = ctx->exit_wanted && !ctx->stop_wanted;
    ctx->exit_wanted = false;
    if (again)
        s_await_restart (ctx);
    else
        s_changed (ctx, KITH_ACTOR_ENDED, "");
}

//  Runs init; on failure the actor is STOPPING, ENDED or FAILED, as its work and `exit_wanted` have it.
static int
s_init (kith_ctx_t *ctx, kith_error_t *error)
{
    kith_loop_t *self = ctx->loop;
    do
        ctx->self.incarnation = self->host.random (self->host.arg);
    while (ctx->self.incarnation == 0);
    ctx->exit_wanted = false;
    kith_error_clear (&ctx->exit_error);
    self->now_us = self->host.now_us (self->host.arg);
    s_changed (ctx, KITH_ACTOR_STARTING, "");
    s_enter (ctx, 0, 0);
    ctx->state = ctx->behaviour->init (ctx, ctx->config);
    s_leave (ctx, "init");
    if (ctx->state && !ctx->exit_wanted) {
        ctx->up_us = self->now_us;
        s_changed (ctx, KITH_ACTOR_UP, "");
        return 0;
    }
    if (ctx->exit_error.code == KITH_OK)
        kith_error_set (&ctx->exit_error, KITH_ERR_INTERNAL, "%s/%u did not start",
                        kith_role_name (ctx->self.role), ctx->self.index);
    if (error)
        *error = ctx->exit_error;
    ctx->life = KITH_ACTOR_UP;
    ctx->exit_wanted = true;
    return -1;
}

int
kith_loop_start (kith_loop_t *self, size_t number, kith_error_t *error)
{
    assert (number < self->actor_count);
    kith_ctx_t *ctx = self->actors [number];
    assert (ctx->life == KITH_ACTOR_ENDED);
    ctx->stop_wanted = false;
    if (s_init (ctx, error) == 0)
        return 0;
    //  The first start is the operator's: he is told, nothing is tried again
    ctx->stop_wanted = true;
    s_settle (ctx);
    return -1;
}

void
kith_loop_stop (kith_loop_t *self, size_t number)
{
    assert (number < self->actor_count);
    kith_ctx_t *ctx = self->actors [number];
    ctx->stop_wanted = true;
    if (ctx->life == KITH_ACTOR_FAILED) {
        kith_timers_remove (&self->timers, &ctx->restart.timer);
        s_changed (ctx, KITH_ACTOR_ENDED, "");
    }
    s_settle (ctx);
}

bool
kith_loop_stopped (const kith_loop_t *self, size_t number)
{
    assert (number < self->actor_count);
    return self->actors [number]->life == KITH_ACTOR_ENDED;
}

void
kith_loop_fail (kith_loop_t *self, size_t number, const kith_error_t *error)
{
    assert (number < self->actor_count);
    kith_ctx_t *ctx = self->actors [number];
    kith_ctx_exit (ctx, error);
    s_settle (ctx);
}

bool
kith_loop_up (const kith_loop_t *self, size_t number)
{
    assert (number < self->actor_count);
    return self->actors [number]->life == KITH_ACTOR_UP;
}

kith_address_t
kith_loop_address (const kith_loop_t *self, size_t number)
{
    assert (number < self->actor_count);
    return self->actors [number]->self;
}

//  --------------------------------------------------------------------------
//  Turning

static void
s_hear_clock (kith_loop_t *self, uint64_t clock)
{
    if (clock <= self->clock)
        return;
    uint64_t wall_ms = self->host.wall_ms (self->host.arg);
    if (clock >> 18 <= wall_ms + KITH_CLOCK_AHEAD_MS_MAX)
        self->clock = clock;
}

static void
s_dispatch (kith_loop_t *self, kith_msg_t **msg_p)
{
    kith_msg_t *msg = *msg_p;
    kith_ctx_t *ctx = s_find (self, msg->to);
    if (!ctx || ctx->life != KITH_ACTOR_UP || !s_lives (ctx, msg->to)) {
        s_bounce (self, msg_p, KITH_ERR_UNREACHABLE);
        return;
    }
    if (msg->deadline_us && msg->deadline_us < self->now_us && !msg->answer) {
        s_drop (self, msg_p);
        return;
    }
    s_hear_clock (self, msg->clock);
    if (msg->answer)
        s_answer (ctx, msg_p);
    else {
        const char *what = kith_kind_name (msg->kind);
        s_enter (ctx, msg->hops, msg->trace);
        ctx->behaviour->handle (ctx->state, ctx, msg_p);
        s_leave (ctx, what);
        kith_msg_destroy (msg_p);
    }
    s_settle (ctx);
}

void
kith_loop_work_back (kith_loop_t *self, kith_work_t **work_p)
{
    kith_work_t *work = *work_p;
    *work_p = NULL;
    kith_ctx_t *ctx = work->ctx;
    assert (ctx->loop == self);
    assert (ctx->work_count > 0);
    ctx->work_count--;
    self->now_us = self->host.now_us (self->host.arg);
    s_enter (ctx, work->hops, work->trace);
    work->done (ctx->state, ctx, work->arg);
    free (work);
    s_leave (ctx, "done");
    s_settle (ctx);
}

static void
s_alarm (kith_alarm_t *alarm)
{
    kith_ctx_t *ctx = alarm->wait.ctx;
    int tag = alarm->tag;
    TAILQ_REMOVE (&ctx->alarms, alarm, mine);
    kith_loop_slot_free (ctx->loop, alarm->id);
    free (alarm);
    s_enter (ctx, 0, 0);
    ctx->behaviour->timeout (ctx->state, ctx, tag);
    s_leave (ctx, "timeout");
    s_settle (ctx);
}

static void
s_due (kith_loop_t *self, kith_wait_t *wait)
{
    kith_ctx_t *ctx = wait->ctx;
    kith_timers_remove (&self->timers, &wait->timer);
    switch (wait->kind) {
        case KITH_WAIT_TIMER:
            s_alarm ((kith_alarm_t *) wait);
            break;
        case KITH_WAIT_CALL:
            s_call_end (ctx, (kith_call_t *) wait, KITH_END_TIMEOUT, NULL);
            s_settle (ctx);
            break;
        case KITH_WAIT_RESTART:
            if (s_init (ctx, NULL) != 0)
                s_settle (ctx);
            break;
    }
}

bool
kith_loop_run (kith_loop_t *self, size_t budget)
{
    assert (self);
    self->now_us = self->host.now_us (self->host.arg);
    s_run_ended (self);
    //  What comes due in the callbacks waits for the next turn
    int64_t until_us = self->now_us;
    for (kith_timer_t *timer = kith_timers_first (&self->timers);
         timer && timer->at_us <= until_us; timer = kith_timers_first (&self->timers))
        s_due (self, (kith_wait_t *) timer);
    s_run_ended (self);
    while (budget-- > 0) {
        kith_msg_t *msg = s_pop (self);
        if (!msg)
            break;
        s_dispatch (self, &msg);
        s_run_ended (self);
    }
    return self->first || !TAILQ_EMPTY (&self->ended);
}

int64_t
kith_loop_next_us (const kith_loop_t *self)
{
    if (self->first || !TAILQ_EMPTY (&self->ended))
        return self->now_us;
    const kith_timer_t *timer = kith_timers_first (&self->timers);
    return timer ? timer->at_us : INT64_MAX;
}

kith_loop_stats_t
kith_loop_stats (const kith_loop_t *self)
{
    return self->stats;
}
