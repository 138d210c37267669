//  test_sim.c - the simulator: replay, faults that happen and are counted, crash, heal, orderly restart
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/sim.h"
#include "tests/unit/runtime/helpers.h"
#include <criterion/criterion.h>

static const char *const s_text =
    "cluster\n    objects_path = \"data/objects\"\n"
    "process\n    name = \"front\"\n    endpoint = \"tcp://127.0.0.1:7000\"\n"
    "    actor\n        role = \"proxy\"\n        loop = \"p\"\n"
    "    actor\n        role = \"meta\"\n        loop = \"c\"\n"
    "    actor\n        role = \"root_coord\"\n        loop = \"c\"\n"
    "    actor\n        role = \"data_coord\"\n        loop = \"c\"\n"
    "    actor\n        role = \"query_coord\"\n        loop = \"c\"\n"
    "    actor\n        role = \"index_coord\"\n        loop = \"c\"\n"
    "process\n    name = \"one\"\n    endpoint = \"tcp://127.0.0.1:7001\"\n"
    "    actor\n        role = \"query_node\"\n"
    "process\n    name = \"two\"\n    endpoint = \"tcp://127.0.0.1:7002\"\n"
    "    actor\n        role = \"data_node\"\n";

//  A client that asks one thing after the other
typedef struct {
    kith_sim_t *sim;
    uint64_t asked;
    uint64_t answered;    //  rightly
    uint64_t failed;
    uint64_t ended [KITH_END_STOPPED + 1];
    uint64_t wrong;
    uint64_t stop_at;    //  asked; 0: never
} s_client_t;

static void s_ask (s_client_t *self, kith_ctx_t *ctx);

static void
s_answer (void *state, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    s_client_t *self = state;
    char *key = arg;
    self->ended [end]++;
    if (end == KITH_END_OK) {
        const kith_proto_kv_rows_t *rows = (*answer_p)->body;
        bool right = rows->items_count == 1 && rows->items [0].value.size == strlen (key)
                     && memcmp (rows->items [0].value.data, key, strlen (key)) == 0;
        self->answered += right;
        self->wrong += !right;
    }
    else
        self->failed++;
    free (key);
    if (end != KITH_END_STOPPED)
        kith_ctx_after (ctx, 1000, 1);
}

static void
s_ask (s_client_t *self, kith_ctx_t *ctx)
{
    if (self->stop_at && self->asked >= self->stop_at)
        return;
    char text [40];
    snprintf (text, sizeof text, "key-%" PRIu64, ++self->asked);
    kith_msg_t *msg = test_scan (
        kith_sim_random (self->sim) % 2 ? "data_node/0" : "query_node/0", text);
    kith_address_t proxy = {.role = KITH_ROLE_PROXY};
    kith_ctx_call (ctx, proxy, &msg, 500000, s_answer, kith_strdup (text));
}

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) config;
    kith_ctx_after (ctx, 1000, 1);
    return kith_sim_state (ctx);
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
    (void) tag;
    s_ask (self, ctx);
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    *self_p = NULL;
}

static const kith_behaviour_t s_behaviour = {.name = "client",
                                             .role = KITH_ROLE_CLIENT,
                                             .init = s_init,
                                             .handle = s_handle,
                                             .timeout = s_timeout,
                                             .stop = s_stop};

static kith_sim_t *
s_new (kith_sim_options_t *options, s_client_t *client)
{
    options->behaviours = test_behaviours ();
    options->behaviour_count = TEST_ROLES;
    kith_error_t error;
    kith_sim_t *sim = kith_sim_new (options, &error);
    cr_assert_not_null (sim, "%s", error.message);
    *client = (s_client_t){.sim = sim};
    kith_sim_add_client (sim, &s_behaviour, client);
    return sim;
}

static uint64_t
s_sum_ends (const s_client_t *client)
{
    uint64_t sum = 0;
    for (size_t end = 0; end <= KITH_END_STOPPED; end++)
        sum += client->ended [end];
    return sum;
}

Test (sim, calm_answers_everything)
{
    kith_config_t *config = test_config (s_text);
    kith_sim_options_t options;
    kith_sim_options_calm (&options, 1, kith_config_topology (config));
    s_client_t client;
    kith_sim_t *sim = s_new (&options, &client);
    kith_sim_run (sim, 10000000, NULL, NULL);
    cr_assert_gt (client.answered, 500);
    cr_assert_eq (client.failed, 0);
    cr_assert_eq (client.wrong, 0);
    kith_sim_stats_t stats = kith_sim_stats (sim);
    //  client -> front -> node and back: 4 messages a request
    cr_assert_geq (stats.messages, 4 * client.answered);
    cr_assert_eq (stats.undecodable, 0);
    cr_assert_eq (stats.lost + stats.duplicated + stats.crashes, 0);
    kith_sim_destroy (&sim);
    //  Every call ended exactly once, the one under way by the stop
    cr_assert_eq (s_sum_ends (&client), client.asked);
    kith_config_destroy (&config);
}

static uint64_t
s_digest (uint64_t seed, const kith_topology_t *topology, kith_sim_stats_t *stats)
{
    kith_sim_options_t options;
    kith_sim_options (&options, seed, topology);
    s_client_t client;
    kith_sim_t *sim = s_new (&options, &client);
    kith_sim_run (sim, 20000000, NULL, NULL);
    cr_assert_eq (client.wrong, 0);
    uint64_t digest = kith_sim_digest (sim);
    *stats = kith_sim_stats (sim);
    kith_sim_destroy (&sim);
    cr_assert_eq (s_sum_ends (&client), client.asked);
    return digest;
}

Test (sim, the_same_seed_gives_the_same_events)
{
    kith_config_t *config = test_config (s_text);
    uint64_t before = 0;
    kith_sim_stats_t all = {0};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        kith_sim_stats_t one;
        kith_sim_stats_t two;
        uint64_t digest = s_digest (seed, kith_config_topology (config), &one);
        cr_assert_eq (digest, s_digest (seed, kith_config_topology (config), &two),
                      "seed %" PRIu64, seed);
        cr_assert_eq (memcmp (&one, &two, sizeof one), 0);
        cr_assert_neq (digest, before);
        before = digest;
        all.lost += one.lost;
        all.duplicated += one.duplicated;
        all.reordered += one.reordered;
        all.stale += one.stale;
        all.partitions += one.partitions;
        all.cut += one.cut;
        all.crashes += one.crashes;
        all.power_losses += one.power_losses;
        all.restarts += one.restarts;
        all.pauses += one.pauses;
        all.undecodable += one.undecodable;
    }
    //  Each kind of fault did happen
    cr_assert_gt (all.lost, 0);
    cr_assert_gt (all.duplicated, 0);
    cr_assert_gt (all.reordered, 0);
    cr_assert_gt (all.stale, 0);
    cr_assert_gt (all.partitions, 0);
    cr_assert_gt (all.cut, 0);
    cr_assert_gt (all.crashes, 0);
    cr_assert_gt (all.power_losses, 0);
    cr_assert_gt (all.restarts, 0);
    cr_assert_gt (all.pauses, 0);
    cr_assert_eq (all.undecodable, 0);
    kith_config_destroy (&config);
}

static bool
s_hundred (void *arg)
{
    return ((s_client_t *) arg)->answered >= 100;
}

Test (sim, crash_restart_and_heal)
{
    kith_config_t *config = test_config (s_text);
    kith_sim_options_t options;
    kith_sim_options_calm (&options, 3, kith_config_topology (config));
    s_client_t client;
    kith_sim_t *sim = s_new (&options, &client);
    cr_assert (kith_sim_run (sim, 60000000, s_hundred, &client));
    kith_sim_crash (sim, 1, true);
    kith_sim_crash (sim, 2, false);
    cr_assert_not (kith_sim_up (sim, 1));
    uint64_t answered = client.answered;
    kith_sim_run (sim, kith_sim_now_us (sim) + 5000000, NULL, NULL);
    cr_assert_leq (client.answered, answered + 1, "an answer may have been under way");
    cr_assert_gt (client.failed, 0);
    kith_sim_restart (sim, 1);
    kith_sim_run (sim, kith_sim_now_us (sim) + 2000000, NULL, NULL);
    cr_assert_gt (client.answered, answered + 10);
    kith_sim_heal (sim);
    cr_assert (kith_sim_up (sim, 2));
    //  One that was under way to the dead process may still time out
    kith_sim_run (sim, kith_sim_now_us (sim) + 1000000, NULL, NULL);
    uint64_t failed = client.failed;
    kith_sim_run (sim, kith_sim_now_us (sim) + 2000000, NULL, NULL);
    cr_assert_eq (client.failed, failed);
    kith_sim_restart_all (sim);
    answered = client.answered;
    kith_sim_run (sim, kith_sim_now_us (sim) + 2000000, NULL, NULL);
    cr_assert_gt (client.answered, answered + 10);
    cr_assert_eq (client.wrong, 0);
    kith_sim_destroy (&sim);
    cr_assert_eq (s_sum_ends (&client), client.asked);
    kith_config_destroy (&config);
}

Test (sim, a_paused_process_goes_on_where_it_was)
{
    kith_config_t *config = test_config (s_text);
    kith_sim_options_t options;
    kith_sim_options_calm (&options, 4, kith_config_topology (config));
    s_client_t client;
    kith_sim_t *sim = s_new (&options, &client);
    cr_assert (kith_sim_run (sim, 60000000, s_hundred, &client));
    kith_sim_pause (sim, 0, 3000000);
    uint64_t answered = client.answered;
    kith_sim_run (sim, kith_sim_now_us (sim) + 2900000, NULL, NULL);
    cr_assert_leq (client.answered, answered + 1);
    cr_assert_gt (client.ended [KITH_END_TIMEOUT], 0);
    kith_sim_run (sim, kith_sim_now_us (sim) + 3000000, NULL, NULL);
    cr_assert_gt (client.answered, answered + 10);
    cr_assert_eq (client.wrong, 0);
    kith_sim_destroy (&sim);
    kith_config_destroy (&config);
}

//  A script that crashes a process at one event after the other
Test (sim, a_crash_between_any_two_events)
{
    kith_config_t *config = test_config (s_text);
    for (int events = 0; events < 400; events += 7) {
        kith_sim_options_t options;
        kith_sim_options_calm (&options, 5, kith_config_topology (config));
        s_client_t client;
        kith_sim_t *sim = s_new (&options, &client);
        for (int event = 0; event < events; event++)
            cr_assert (kith_sim_step (sim));
        kith_sim_crash (sim, (uint32_t) events % 3, true);
        kith_sim_heal (sim);
        uint64_t answered = client.answered;
        kith_sim_run (sim, kith_sim_now_us (sim) + 3000000, NULL, NULL);
        cr_assert_gt (client.answered, answered);
        cr_assert_eq (client.wrong, 0);
        kith_sim_destroy (&sim);
        cr_assert_eq (s_sum_ends (&client), client.asked);
    }
    kith_config_destroy (&config);
}
