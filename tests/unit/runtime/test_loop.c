//  test_loop.c - the loop core over a host of this file: calls end once, timers, work, restart, stop
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/loop.h"
#include "tests/unit/runtime/helpers.h"
#include <criterion/criterion.h>

#define PEERS 4

//  The world of one loop: time is set by hand, messages and work stay where they are until asked for
typedef struct {
    kith_config_t *config;
    kith_process_t *process;
    kith_loop_t *loop;
    int64_t now_us;
    uint64_t randoms;
    kith_end_t transmit;    //  what the next transmits answer
    kith_msg_t *sent [64];
    size_t sent_count;
    kith_work_t *works [64];
    size_t work_count;
    size_t work_max;
    char states [256];    //  letters: s, u, t, e, f in order
} s_world_t;

static const char *const s_text =
    "process\n    name = \"one\"\n"
    "    actor\n        role = \"meta\"\n    actor\n        role = \"root_coord\"\n"
    "    actor\n        role = \"data_coord\"\n    actor\n        role = "
    "\"query_coord\"\n"
    "    actor\n        role = \"index_coord\"\n    actor\n        role = \"proxy\"\n"
    "    actor\n        role = \"query_node\"\n    actor\n        role = \"data_node\"\n";

//  --------------------------------------------------------------------------
//  The host

static int64_t
s_now_us (void *arg)
{
    return ((s_world_t *) arg)->now_us;
}

static uint64_t
s_wall_ms (void *arg)
{
    return 1700000000000u + (uint64_t) ((s_world_t *) arg)->now_us / 1000;
}

static uint64_t
s_random (void *arg)
{
    return ++((s_world_t *) arg)->randoms;
}

static kith_end_t
s_transmit (void *arg, kith_msg_t **msg_p)
{
    s_world_t *world = arg;
    if (world->transmit != KITH_END_OK)
        return world->transmit;
    cr_assert_lt (world->sent_count, 64);
    world->sent [world->sent_count++] = *msg_p;
    *msg_p = NULL;
    return KITH_END_OK;
}

static int
s_submit (void *arg, kith_work_t *work)
{
    s_world_t *world = arg;
    if (world->work_count >= world->work_max)
        return -1;
    world->works [world->work_count++] = work;
    return 0;
}

static void
s_log (void *arg, char level, kith_address_t who, const char *text)
{
    (void) arg;
    (void) level;
    (void) who;
    (void) text;
}

static void
s_changed (void *arg, size_t number, const char *state, const char *note)
{
    s_world_t *world = arg;
    (void) note;
    size_t size = strlen (world->states);
    if (number == 0 && size + 1 < sizeof world->states)
        world->states [size] = strcmp (state, "stopping") == 0 ? 't' : state [0];
}

static s_world_t *
s_world_new (void)
{
    s_world_t *world = kith_new (sizeof *world);
    world->config = test_config (s_text);
    kith_process_options_t options = {.topology = kith_config_topology (world->config)};
    world->process = kith_process_new (&options, NULL);
    world->now_us = 1000000;
    world->work_max = 64;
    kith_host_t host = {.arg = world,
                        .now_us = s_now_us,
                        .wall_ms = s_wall_ms,
                        .random = s_random,
                        .transmit = s_transmit,
                        .submit = s_submit,
                        .log = s_log,
                        .changed = s_changed,
                        .process = world->process};
    world->loop = kith_loop_new (&host, "test");
    return world;
}

static void
s_run (s_world_t *world)
{
    while (kith_loop_run (world->loop, 8))
        continue;
}

//  Gives back the work that was submitted first
static void
s_finish_work (s_world_t *world)
{
    cr_assert_gt (world->work_count, 0);
    kith_work_t *work = world->works [0];
    world->work_count--;
    memmove (world->works, world->works + 1, world->work_count * sizeof work);
    work->fn (work->arg);
    kith_loop_work_back (world->loop, &work);
}

static void
s_world_destroy (s_world_t **world_p)
{
    s_world_t *world = *world_p;
    for (size_t number = 0; number < 2; number++)
        kith_loop_stop (world->loop, number);
    while (world->work_count)
        s_finish_work (world);
    kith_loop_destroy (&world->loop);
    for (size_t place = 0; place < world->sent_count; place++)
        kith_msg_destroy (&world->sent [place]);
    kith_process_destroy (&world->process);
    kith_config_destroy (&world->config);
    free (world);
    *world_p = NULL;
}

//  --------------------------------------------------------------------------
//  An actor that notes what happens to it

typedef struct {
    char events [256];    //  letters
    kith_ctx_t *ctx;
    kith_msg_t *kept;
    bool in_call;
    bool init_fails;
    bool exit_next;    //  gives up at the next message
} s_actor_t;

static s_actor_t *s_actors [2];    //  by index of the role; made by the test

static void
s_note (s_actor_t *self, char letter)
{
    size_t size = strlen (self->events);
    cr_assert_lt (size + 1, sizeof self->events);
    self->events [size] = letter;
}

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) config;
    s_actor_t *self = s_actors [kith_ctx_self (ctx).role == KITH_ROLE_DATA_NODE];
    s_note (self, 'i');
    self->ctx = ctx;
    if (!self->init_fails)
        return self;
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_IO, "no disk");
    kith_ctx_exit (ctx, &error);
    return NULL;
}

static void
s_handle (void *state, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    s_actor_t *self = state;
    s_note (self, 'h');
    if (self->exit_next) {
        self->exit_next = false;
        kith_ctx_exit (ctx, NULL);
    }
    if ((*msg_p)->kind == KITH_KIND_PING) {
        kith_msg_t *answer = kith_msg_new (KITH_KIND_OK);
        kith_ctx_reply (ctx, msg_p, &answer);
    }
    else if ((*msg_p)->kind == KITH_KIND_KV_GET) {
        kith_error_t error;
        kith_error_set (&error, KITH_ERR_KEY_NOT_FOUND, "no such key");
        kith_ctx_fail (ctx, msg_p, &error);
    }
}

static void
s_timeout (void *state, kith_ctx_t *ctx, int tag)
{
    (void) ctx;
    s_note (state, (char) ('0' + tag));
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    s_note (*self_p, 's');
    *self_p = NULL;
}

static void
s_ended (void *state, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    (void) ctx;
    static const char letters [] = "OFTUBS";
    s_actor_t *self = state;
    cr_assert_not (self->in_call, "a call ended inside a call");
    cr_assert_eq (*answer_p != NULL, end == KITH_END_OK || end == KITH_END_FAILED);
    s_note (self, letters [end]);
    if (arg)
        ++*(int *) arg;
}

static void
s_work (void *arg)
{
    ++*(int *) arg;
}

static void
s_done (void *state, kith_ctx_t *ctx, void *arg)
{
    (void) ctx;
    cr_assert_geq (*(int *) arg, 1);
    s_note (state, 'd');
}

static const kith_behaviour_t s_query = {
    "query_node", KITH_ROLE_QUERY_NODE, s_init, s_handle, s_timeout, s_stop};
static const kith_behaviour_t s_data = {"data_node", KITH_ROLE_DATA_NODE, s_init,
                                        s_handle,    s_timeout,           s_stop};

//  A world with both actors, started
static s_world_t *
s_pair (s_actor_t actors [2])
{
    s_world_t *world = s_world_new ();
    memset (actors, 0, 2 * sizeof (s_actor_t));
    s_actors [0] = &actors [0];
    s_actors [1] = &actors [1];
    kith_loop_add (world->loop, &s_query, KITH_ROLE_QUERY_NODE, 0, NULL);
    kith_loop_add (world->loop, &s_data, KITH_ROLE_DATA_NODE, 0, NULL);
    for (size_t number = 0; number < 2; number++)
        cr_assert_eq (kith_loop_start (world->loop, number, NULL), 0);
    return world;
}

static uint64_t
s_call (s_actor_t *self, kith_role_t role, uint64_t incarnation, kith_kind_t kind,
        int64_t deadline_us, int *count)
{
    kith_msg_t *msg = kith_msg_new (kind);
    kith_address_t to = {.role = role, .incarnation = incarnation};
    self->in_call = true;
    uint64_t id = kith_ctx_call (self->ctx, to, &msg, deadline_us, s_ended, count);
    self->in_call = false;
    cr_assert_null (msg);
    return id;
}

//  --------------------------------------------------------------------------
//  Calls

Test (loop, a_call_ends_once_by_answer_or_refusal)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    int ends = 0;
    s_call (&actors [0], KITH_ROLE_DATA_NODE, 0, KITH_KIND_PING, 1000, &ends);
    s_call (&actors [0], KITH_ROLE_DATA_NODE, 0, KITH_KIND_KV_GET, 1000, &ends);
    cr_assert_eq (ends, 0);
    s_run (world);
    cr_assert_eq (ends, 2);
    cr_assert_str_eq (actors [0].events, "iOF");
    cr_assert_str_eq (actors [1].events, "ihh");
    //  To itself, by the queue too
    s_call (&actors [0], KITH_ROLE_QUERY_NODE, 0, KITH_KIND_PING, 1000, &ends);
    s_run (world);
    cr_assert_str_eq (actors [0].events, "iOFhO");
    s_world_destroy (&world);
    cr_assert_eq (ends, 3);
}

Test (loop, unreachable_busy_and_timeout)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    world->transmit = KITH_END_UNREACHABLE;
    s_call (&actors [0], KITH_ROLE_META, 0, KITH_KIND_PING, 1000, NULL);
    world->transmit = KITH_END_BUSY;
    s_call (&actors [0], KITH_ROLE_META, 0, KITH_KIND_PING, 1000, NULL);
    cr_assert_str_eq (actors [0].events, "i");
    s_run (world);
    cr_assert_str_eq (actors [0].events, "iUB");
    //  Another incarnation of a local actor: at once
    s_call (&actors [0], KITH_ROLE_DATA_NODE, 12345, KITH_KIND_PING, 1000, NULL);
    s_run (world);
    cr_assert_str_eq (actors [0].events, "iUBU");
    //  No time left: not sent
    s_call (&actors [0], KITH_ROLE_DATA_NODE, 0, KITH_KIND_PING, 0, NULL);
    s_run (world);
    cr_assert_str_eq (actors [0].events, "iUBUT");
    cr_assert_str_eq (actors [1].events, "i");
    world->transmit = KITH_END_OK;
    s_call (&actors [0], KITH_ROLE_META, 0, KITH_KIND_PING, 1000, NULL);
    s_run (world);
    world->now_us += 999;
    s_run (world);
    cr_assert_str_eq (actors [0].events, "iUBUT");
    world->now_us += 1;
    s_run (world);
    cr_assert_str_eq (actors [0].events, "iUBUTT");
    s_world_destroy (&world);
}

//  An answer as it would come from another process
static void
s_come (s_world_t *world, const kith_msg_t *request, kith_role_t from,
        uint64_t incarnation)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_OK);
    answer->answer = true;
    answer->request = request->request;
    answer->to = request->from;
    answer->from = (kith_address_t){.role = from, .incarnation = incarnation};
    kith_loop_deliver (world->loop, &answer);
}

Test (loop, late_foreign_and_second_answers_are_dropped)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    s_call (&actors [0], KITH_ROLE_META, 0, KITH_KIND_PING, 1000, NULL);
    cr_assert_eq (world->sent_count, 1);
    s_come (world, world->sent [0], KITH_ROLE_PROXY, 7);
    s_run (world);
    cr_assert_str_eq (actors [0].events, "i", "who was not asked does not answer");
    s_come (world, world->sent [0], KITH_ROLE_META, 7);
    s_come (world, world->sent [0], KITH_ROLE_META, 7);
    s_run (world);
    cr_assert_str_eq (actors [0].events, "iO");
    s_call (&actors [0], KITH_ROLE_META, 0, KITH_KIND_PING, 1000, NULL);
    world->now_us += 2000;
    s_run (world);
    s_come (world, world->sent [1], KITH_ROLE_META, 7);
    s_run (world);
    cr_assert_str_eq (actors [0].events, "iOT");
    s_world_destroy (&world);
}

Test (loop, a_refusal_that_no_actor_made_is_unreachable)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_UNREACHABLE, "not there");
    for (uint64_t incarnation = 0; incarnation < 2; incarnation++) {
        s_call (&actors [0], KITH_ROLE_META, 0, KITH_KIND_PING, 1000, NULL);
        const kith_msg_t *request = world->sent [world->sent_count - 1];
        kith_msg_t *answer = kith_msg_failed (&error);
        answer->answer = true;
        answer->request = request->request;
        answer->to = request->from;
        answer->from = (kith_address_t){KITH_ROLE_META, 0, incarnation};
        kith_loop_deliver (world->loop, &answer);
        s_run (world);
    }
    cr_assert_str_eq (actors [0].events, "iUF");
    s_world_destroy (&world);
}

Test (loop, requests_for_nobody_are_answered_so)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    kith_msg_t *msg = kith_msg_new (KITH_KIND_PING);
    msg->from = (kith_address_t){KITH_ROLE_META, 0, 9};
    msg->to = (kith_address_t){KITH_ROLE_QUERY_NODE, 0, 4711};
    msg->request = 5;
    kith_loop_deliver (world->loop, &msg);
    s_run (world);
    cr_assert_eq (world->sent_count, 1);
    kith_error_t error;
    cr_assert (kith_msg_is_failed (world->sent [0], &error));
    cr_assert_eq (error.code, KITH_ERR_UNREACHABLE);
    cr_assert_eq (world->sent [0]->request, 5);
    cr_assert_eq (world->sent [0]->from.incarnation, 0);
    //  Past its deadline: dropped
    msg = kith_msg_new (KITH_KIND_PING);
    msg->to.role = KITH_ROLE_QUERY_NODE;
    msg->request = 6;
    msg->deadline_us = world->now_us - 1;
    kith_loop_deliver (world->loop, &msg);
    s_run (world);
    cr_assert_str_eq (actors [0].events, "i");
    cr_assert_eq (world->sent_count, 1);
    s_world_destroy (&world);
}

//  --------------------------------------------------------------------------
//  Timers

Test (loop, timers_come_in_order_once_and_can_be_cancelled)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    kith_ctx_t *ctx = actors [0].ctx;
    kith_ctx_after (ctx, 300, 3);
    kith_ctx_after (ctx, 100, 1);
    kith_ctx_after (ctx, 100, 2);
    uint64_t cancelled = kith_ctx_after (ctx, 50, 9);
    kith_ctx_cancel (ctx, cancelled);
    kith_ctx_cancel (ctx, cancelled);
    cr_assert_eq (kith_loop_next_us (world->loop), world->now_us + 100);
    s_run (world);
    cr_assert_str_eq (actors [0].events, "i");
    world->now_us += 1000;
    s_run (world);
    cr_assert_str_eq (actors [0].events, "i123");
    //  The id of an ended one, used again by another, does not cancel that one
    uint64_t first = kith_ctx_after (ctx, 10, 4);
    world->now_us += 10;
    s_run (world);
    kith_ctx_after (ctx, 10, 5);
    kith_ctx_cancel (ctx, first);
    world->now_us += 10;
    s_run (world);
    cr_assert_str_eq (actors [0].events, "i12345");
    cr_assert_eq (kith_loop_next_us (world->loop), INT64_MAX);
    s_world_destroy (&world);
}

//  The time of a callback stands still; whether a moment has passed is asked of the host, as work on a worker must
Test (loop, a_moment_passes_while_a_callback_stands)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    kith_ctx_t *ctx = actors [0].ctx;
    int64_t moment = kith_ctx_now_us (ctx) + 50;
    cr_assert_not (kith_ctx_past (ctx, moment));
    world->now_us += 50;
    cr_assert_eq (kith_ctx_now_us (ctx), moment - 50);
    cr_assert (kith_ctx_past (ctx, moment));
    cr_assert_not (kith_ctx_past (ctx, moment + 1));
    s_world_destroy (&world);
}

//  --------------------------------------------------------------------------
//  Work, restart, stop

Test (loop, an_actor_stops_after_its_calls_ended_and_its_work_is_back)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    int runs = 0;
    int ends = 0;
    cr_assert_eq (kith_ctx_work (actors [0].ctx, KITH_POOL_IO, s_work, s_done, &runs), 0);
    s_call (&actors [0], KITH_ROLE_META, 0, KITH_KIND_PING, 1000, &ends);
    kith_ctx_after (actors [0].ctx, 10, 7);
    cr_assert_not (kith_ctx_is_stopping (actors [0].ctx));
    kith_loop_stop (world->loop, 0);
    cr_assert (kith_ctx_is_stopping (actors [0].ctx), "its work may ask");
    cr_assert_str_eq (actors [0].events, "iS");
    cr_assert_not (kith_loop_stopped (world->loop, 0));
    world->now_us += 100;
    s_run (world);
    cr_assert_str_eq (actors [0].events, "iS", "no timer comes while it stops");
    //  Requests meanwhile are refused
    s_call (&actors [1], KITH_ROLE_QUERY_NODE, 0, KITH_KIND_PING, 1000, NULL);
    s_run (world);
    cr_assert_str_eq (actors [1].events, "iU");
    //  No new work while it stops
    int other = 0;
    cr_assert_eq (kith_ctx_work (actors [0].ctx, KITH_POOL_IO, s_work, s_done, &other),
                  -1);
    s_finish_work (world);
    cr_assert_str_eq (actors [0].events, "iSds");
    cr_assert (kith_loop_stopped (world->loop, 0));
    cr_assert_eq (runs, 1);
    cr_assert_eq (ends, 1);
    cr_assert_str_eq (world->states, "sute");
    s_world_destroy (&world);
}

Test (loop, a_full_pool_refuses)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    int runs = 0;
    world->work_max = 1;
    cr_assert_eq (kith_ctx_work (actors [0].ctx, KITH_POOL_QUERY, s_work, s_done, &runs),
                  0);
    cr_assert_eq (kith_ctx_work (actors [0].ctx, KITH_POOL_QUERY, s_work, s_done, &runs),
                  -1);
    s_finish_work (world);
    cr_assert_eq (runs, 1);
    cr_assert_str_eq (actors [0].events, "id");
    s_world_destroy (&world);
}

Test (loop, a_failed_actor_starts_again_with_back_off)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    uint64_t before = kith_loop_address (world->loop, 0).incarnation;
    int64_t waits [8];
    //  Each life ends at its first message
    for (int life = 0; life < 8; life++) {
        actors [0].exit_next = true;
        s_call (&actors [1], KITH_ROLE_QUERY_NODE, 0, KITH_KIND_PING, 1000, NULL);
        s_run (world);
        cr_assert_not (kith_loop_up (world->loop, 0));
        waits [life] = kith_loop_next_us (world->loop) - world->now_us;
        world->now_us = kith_loop_next_us (world->loop);
        s_run (world);
        cr_assert (kith_loop_up (world->loop, 0));
        cr_assert_neq (kith_loop_address (world->loop, 0).incarnation, before);
        before = kith_loop_address (world->loop, 0).incarnation;
    }
    const int64_t expected [8] = {100000,  200000,  400000,  800000,
                                  1600000, 3200000, 5000000, 5000000};
    cr_assert_arr_eq (waits, expected, sizeof expected);
    //  After a steady life it begins anew
    world->now_us += 20000000;
    s_run (world);
    actors [0].exit_next = true;
    s_call (&actors [1], KITH_ROLE_QUERY_NODE, 0, KITH_KIND_PING, 1000, NULL);
    s_run (world);
    cr_assert_eq (kith_loop_next_us (world->loop) - world->now_us, 100000);
    //  An init that fails is tried again too
    actors [0].init_fails = true;
    world->now_us += 100000;
    s_run (world);
    cr_assert_not (kith_loop_up (world->loop, 0));
    actors [0].init_fails = false;
    world->now_us = kith_loop_next_us (world->loop);
    s_run (world);
    cr_assert (kith_loop_up (world->loop, 0));
    s_world_destroy (&world);
}

Test (loop, the_first_start_that_fails_is_told)
{
    s_actor_t actors [2];
    s_world_t *world = s_world_new ();
    memset (actors, 0, sizeof actors);
    s_actors [0] = &actors [0];
    s_actors [1] = &actors [1];
    actors [0].init_fails = true;
    kith_loop_add (world->loop, &s_query, KITH_ROLE_QUERY_NODE, 0, NULL);
    kith_loop_add (world->loop, &s_data, KITH_ROLE_DATA_NODE, 0, NULL);
    kith_error_t error;
    cr_assert_eq (kith_loop_start (world->loop, 0, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_IO);
    cr_assert_str_eq (error.message, "no disk");
    cr_assert (kith_loop_stopped (world->loop, 0));
    cr_assert_eq (kith_loop_next_us (world->loop), INT64_MAX, "nothing is tried again");
    s_world_destroy (&world);
}

Test (loop, a_message_for_the_life_before_is_refused)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    uint64_t old = kith_loop_address (world->loop, 0).incarnation;
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_IO, "gone");
    kith_loop_fail (world->loop, 0, &error);
    world->now_us += 100000;
    s_run (world);
    cr_assert (kith_loop_up (world->loop, 0));
    s_call (&actors [1], KITH_ROLE_QUERY_NODE, old, KITH_KIND_PING, 1000, NULL);
    s_call (&actors [1], KITH_ROLE_QUERY_NODE, 0, KITH_KIND_PING, 1000, NULL);
    s_run (world);
    cr_assert_eq (strlen (actors [1].events), 3);
    cr_assert_not_null (strchr (actors [1].events, 'U'));
    cr_assert_not_null (strchr (actors [1].events, 'O'));
    s_world_destroy (&world);
}

Test (loop, the_hybrid_clock_rises_and_hears_others_within_bounds)
{
    s_actor_t actors [2];
    s_world_t *world = s_pair (actors);
    uint64_t one = kith_ctx_clock (actors [0].ctx);
    uint64_t two = kith_ctx_clock (actors [0].ctx);
    cr_assert_gt (two, one);
    cr_assert_eq (one >> 18, 1700000001000u);
    uint64_t ahead = (1700000001000u + 2000) << 18;
    uint64_t wild = (1700000001000u + 3600000) << 18;
    const uint64_t clocks [2] = {wild, ahead};
    for (size_t place = 0; place < 2; place++) {
        kith_msg_t *msg = kith_msg_new (KITH_KIND_PING);
        msg->from.role = KITH_ROLE_META;
        msg->to.role = KITH_ROLE_QUERY_NODE;
        msg->clock = clocks [place];
        kith_loop_deliver (world->loop, &msg);
    }
    s_run (world);
    uint64_t three = kith_ctx_clock (actors [0].ctx);
    cr_assert_gt (three, ahead);
    cr_assert_lt (three, wild);
    s_world_destroy (&world);
}
