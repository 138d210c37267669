//  claim_path - what the way of a request costs, beside a bare ZeroMQ ring with as many hops
//  SPDX-License-Identifier: Apache-2.0
//
//  client -> proxy -> query node -> worker -> query node -> proxy -> client on an empty collection, Eventually. The hops are those that the
//  request itself counted. Judged: standalone.zpl with a client in the same process. Beside it: every actor on a thread of its own, and
//  proxy and query node in two processes with a client, all over tcp.
#include "actors/roles.h"
#include "clients/answer.h"
#include "runtime/config.h"
#include "runtime/node.h"
#include "tests/claims/client.h"
#include "tests/claims/ring.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMES = 20000, WARM = 2000, FLYING = 32, ROUNDS = 5, DIM = 8 };

typedef struct {
    double median_us, p99_us, per_second;
    uint32_t hops;
} s_figures_t;

static kith_search_t
s_request (const float *query)
{
    kith_search_t search = {
        .collection = "path", .vectors = query, .nq = 1, .dim = DIM, .k = 1};
    search.level = KITH_EVENTUALLY;
    return search;
}

//  One at a time
static void
s_one_by_one (claim_t *claim, kith_client_t *client, s_figures_t *figures)
{
    static double us [TIMES];
    float query [DIM] = {1};
    kith_search_t search = s_request (query);
    kith_failure_t failure = {.at = -1};
    for (int i = -WARM; i < TIMES; i++) {
        double began = claim_now_ms ();
        kith_answer_t *answer = kith_client_search (client, &search, &failure);
        if (!answer)
            claim_fail (claim, "search: %s", failure.message);
        if (i >= 0)
            us [i] = (claim_now_ms () - began) * 1000;
        //  What the request counted until the proxy sent its answer, and the way back to the client
        const kith_proto_found_t *found = kith_answer_msg (answer)->body;
        figures->hops = found->hops + 1;
        kith_answer_destroy (&answer);
    }
    figures->median_us = claim_percentile (us, TIMES, 0.5);
    figures->p99_us = claim_percentile (us, TIMES, 0.99);
}

typedef struct {
    claim_t *claim;
    kith_client_t *client;
    kith_search_t search;
    size_t started, ended;
} s_flight_t;

static void
s_landed (void *arg, kith_answer_t **answer_p, const kith_failure_t *failure)
{
    s_flight_t *flight = arg;
    if (failure)
        claim_fail (flight->claim, "search: %s", failure->message);
    kith_answer_destroy (answer_p);
    flight->ended++;
}

//  32 under way
static void
s_in_flight (claim_t *claim, kith_client_t *client, s_figures_t *figures)
{
    float query [DIM] = {1};
    s_flight_t flight = {.claim = claim, .client = client, .search = s_request (query)};
    double began = claim_now_ms ();
    while (flight.ended < (size_t) TIMES * 4) {
        while (flight.started < (size_t) TIMES * 4
               && flight.started - flight.ended < FLYING) {
            flight.started++;
            kith_client_search_start (client, &flight.search, s_landed, &flight);
        }
        kith_client_poll (client, 1000);
    }
    figures->per_second = (double) flight.ended / (claim_now_ms () - began) * 1000;
}

static void
s_ring (size_t hops, s_figures_t *figures)
{
    static double us [TIMES];
    void *context = zmq_ctx_new ();
    ring_t *ring = ring_new (context, hops);
    for (int i = -WARM; i < TIMES; i++) {
        double began = claim_now_ms ();
        ring_send (ring);
        ring_recv (ring);
        if (i >= 0)
            us [i] = (claim_now_ms () - began) * 1000;
    }
    figures->hops = (uint32_t) hops;
    figures->median_us = claim_percentile (us, TIMES, 0.5);
    figures->p99_us = claim_percentile (us, TIMES, 0.99);
    double began = claim_now_ms ();
    for (int i = 0; i < FLYING; i++)
        ring_send (ring);
    for (int i = 0; i < TIMES * 4; i++) {
        ring_recv (ring);
        ring_send (ring);
    }
    figures->per_second = TIMES * 4 / (claim_now_ms () - began) * 1000;
    for (int i = 0; i < FLYING; i++)
        ring_recv (ring);
    ring_destroy (&ring);
    zmq_ctx_term (context);
}

static void
s_print (const char *name, const s_figures_t *figures)
{
    claim_say (
        "  %-44s %2u hops  median %6.1f us  p99 %6.1f us  %8.0f/s with %d in flight",
        name, figures->hops, figures->median_us, figures->p99_us, figures->per_second,
        FLYING);
}

//  Makes the collection, warms up, measures
static void
s_measure (claim_t *claim, kith_client_t *client, bool make, s_figures_t *figures)
{
    const char *fields [] = {"id int64 key", "vector float_vector(8) l2"};
    kith_failure_t failure = {.at = -1};
    if (make && kith_client_create (client, "path", fields, 2, 1, &failure) != 0)
        claim_fail (claim, "create: %s", failure.message);
    s_one_by_one (claim, client, figures);
    s_in_flight (claim, client, figures);
}

typedef struct {
    kith_config_t *config;
    kith_node_t *node;
    kith_client_t *client;
} s_inside_t;

//  A node in this process, and a client by inproc
static void
s_open_inside (claim_t *claim, const char *path, s_inside_t *inside)
{
    kith_error_t error = {.at = -1};
    uint32_t count = 0;
    const kith_behaviour_t *const *roles = kith_roles (&count);
    inside->config = kith_config_load (path, &error);
    if (!inside->config)
        claim_fail (claim, "%s", error.message);
    kith_node_options_t options = {.topology = kith_config_topology (inside->config),
                                   .behaviours = roles};
    options.behaviour_count = count;
    inside->node = kith_node_new (&options, &error);
    if (!inside->node || kith_node_start (inside->node, &error) != 0)
        claim_fail (claim, "%s", error.message);
    kith_client_options_t client = {.context = zsys_init ()};
    inside->client =
        claim_client (claim, kith_node_listen_inproc (inside->node), &client);
}

static void
s_close_inside (s_inside_t *inside)
{
    kith_client_destroy (&inside->client);
    kith_node_stop (inside->node);
    kith_node_destroy (&inside->node);
    kith_config_destroy (&inside->config);
}

//  standalone.zpl without its loops: every actor has a thread
static const char *
s_threads (claim_t *claim, const char *grouped)
{
    const char *path = claim_path (claim, "threads.zpl");
    if (claim_shell (NULL, 0,
                     "grep -v ' loop =' '%s' | sed 's#/data\"#/data-threads\"#' > '%s'",
                     grouped, path)
        != 0)
        claim_fail (claim, "cannot write %s", path);
    return path;
}

//  Proxy and coordinators in one process, data and query node in the other
static const char *
s_two_processes (claim_t *claim, const char **endpoint)
{
    static char client [64];
    const char *folder = claim_path (claim, "");
    snprintf (client, sizeof client, "tcp://127.0.0.1:%d", claim_port (claim));
    *endpoint = client;
    return claim_write (
        claim, "two.zpl",
        "cluster\n    name = \"two\"\n    logs = 1\n    objects_path = "
        "\"%s/two-objects\"\n"
        "process\n    name = \"front\"\n    endpoint = \"tcp://127.0.0.1:%d\"\n    data "
        "= \"%s/two-front\"\n"
        "    actor\n        role = \"proxy\"\n        listen = \"%s\"\n"
        "    actor\n        role = \"meta\"\n        loop = \"coord\"\n"
        "    actor\n        role = \"root_coord\"\n        loop = \"coord\"\n"
        "    actor\n        role = \"data_coord\"\n        loop = \"coord\"\n"
        "    actor\n        role = \"query_coord\"\n        loop = \"coord\"\n"
        "    actor\n        role = \"index_coord\"\n        loop = \"coord\"\n"
        "process\n    name = \"back\"\n    endpoint = \"tcp://127.0.0.1:%d\"\n    data = "
        "\"%s/two-back\"\n"
        "    actor\n        role = \"query_node\"\n        loop = \"query\"\n"
        "    actor\n        role = \"data_node\"\n        loop = \"query\"\n",
        folder, claim_port (claim), folder, client, claim_port (claim), folder);
}

//  The judged pair: ring and request in turns, the median of the rounds
static void
s_judge (claim_t *claim, s_inside_t *inside, s_figures_t *best, double *ratio)
{
    double ratios [ROUNDS], rates [ROUNDS];
    s_figures_t request, ring;
    for (int i = 0; i < ROUNDS; i++) {
        s_measure (claim, inside->client, i == 0, &request);
        s_ring (request.hops, &ring);
        s_print ("grouped as in standalone.zpl, inproc client", &request);
        s_print ("bare ring", &ring);
        ratios [i] = request.median_us / ring.median_us;
        rates [i] = request.per_second;
    }
    *best = request;
    *ratio = claim_percentile (ratios, ROUNDS, 0.5);
    best->per_second = claim_percentile (rates, ROUNDS, 0.5);
}

int
main (void)
{
    claim_t *claim = claim_new ("path");
    const char *grouped = claim_config (claim, "configs/standalone.zpl", NULL, NULL),
               *endpoint = NULL;
    s_inside_t inside;
    s_figures_t judged, other, ring;
    double ratio = 0;
    claim_say ("path: a search of an empty collection, Eventually, %d times one by one, "
               "then %d in flight",
               TIMES, FLYING);
    s_open_inside (claim, grouped, &inside);
    s_judge (claim, &inside, &judged, &ratio);
    s_close_inside (&inside);
    s_open_inside (claim, s_threads (claim, grouped), &inside);
    s_measure (claim, inside.client, true, &other);
    s_close_inside (&inside);
    s_print ("every actor its own thread, inproc client", &other);
    s_ring (other.hops, &ring);
    s_print ("bare ring", &ring);
    pid_t server = claim_run (claim, s_two_processes (claim, &endpoint));
    claim_wait_ready (claim, endpoint, 30000);
    kith_client_t *client = claim_client (claim, endpoint, NULL);
    s_measure (claim, client, true, &other);
    kith_client_destroy (&client);
    claim_stop (claim, &server);
    s_print ("two processes over tcp, tcp client", &other);
    int rc = claim_figure (
        ratio <= 1.5 && judged.per_second >= 40000,
        "median <= 1.5x a ring of as many hops, >= 40,000/s",
        "%.2fx a ring of %u hops (median %.1f us), %.0f/s with %d in flight", ratio,
        judged.hops, judged.median_us, judged.per_second, FLYING);
    claim_destroy (&claim);
    return rc;
}
