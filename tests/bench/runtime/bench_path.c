//  bench_path.c - client -> loop -> worker -> loop -> client, beside a bare ZeroMQ ring with as many hops
//  SPDX-License-Identifier: Apache-2.0
//
//  Prints a JSON object a line: the median and p99 of one request at a time, and requests a second with 32 in flight,
//  for: the ring; an inproc client; a tcp client; a node in another loop. Usage: bench_path [SECONDS]
#include "runtime/config.h"
#include "runtime/node.h"
#include "runtime/wire.h"
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define IN_FLIGHT 32u
#define SAMPLES_MAX 2000000u
#define ROLES 9u

static int64_t
s_now_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

//  --------------------------------------------------------------------------
//  The actor: ping goes over a worker; kv_get to the data node first

typedef struct {
    kith_msg_t *request;
    kith_msg_t *answer;
} s_job_t;

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) ctx;
    (void) config;
    return kith_new (1);
}

static void
s_work (void *arg)
{
    s_job_t *job = arg;
    job->answer = kith_msg_new (KITH_KIND_OK);
}

static void
s_done (void *self, kith_ctx_t *ctx, void *arg)
{
    (void) self;
    s_job_t *job = arg;
    kith_ctx_reply (ctx, &job->request, &job->answer);
    free (job);
}

static void
s_got (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    (void) self;
    kith_msg_t *request = arg;
    if (end == KITH_END_OK)
        kith_ctx_reply (ctx, &request, answer_p);
    else
        kith_msg_destroy (&request);
}

static void
s_handle (void *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    (void) self;
    if ((*msg_p)->kind == KITH_KIND_KV_GET) {
        kith_address_t to = {.role = KITH_ROLE_DATA_NODE};
        kith_msg_t *ping = kith_msg_new (KITH_KIND_PING);
        kith_ctx_call (ctx, to, &ping, 5000000, s_got, *msg_p);
        *msg_p = NULL;
        return;
    }
    s_job_t *job = kith_new (sizeof *job);
    job->request = *msg_p;
    *msg_p = NULL;
    if (kith_ctx_work (ctx, KITH_POOL_QUERY, s_work, s_done, job) != 0)
        abort ();
}

static void
s_timeout (void *self, kith_ctx_t *ctx, int tag)
{
    (void) self;
    (void) ctx;
    (void) tag;
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    free (*self_p);
    *self_p = NULL;
}

//  --------------------------------------------------------------------------
//  The ring: messages of the same size pass through as many threads

typedef struct {
    size_t number;    //  of this thread
    size_t count;     //  of the ring
} s_ring_t;

static void
s_ring_thread (zsock_t *pipe, void *arg)
{
    s_ring_t *ring = arg;
    char from [64];
    char to [64];
    snprintf (from, sizeof from, "@inproc://ring-%zu-%zu", ring->count, ring->number);
    snprintf (to, sizeof to, ">inproc://ring-%zu-%zu", ring->count, ring->number + 1);
    zsock_t *in = zsock_new_pair (from);
    zsock_t *out = zsock_new_pair (to);
    zsock_signal (pipe, 0);
    zmq_pollitem_t items [] = {{zsock_resolve (pipe), 0, ZMQ_POLLIN, 0},
                               {zsock_resolve (in), 0, ZMQ_POLLIN, 0}};
    while (zmq_poll (items, 2, -1) != -1 && !(items [0].revents & ZMQ_POLLIN)) {
        zmq_msg_t msg;
        zmq_msg_init (&msg);
        while (zmq_msg_recv (&msg, zsock_resolve (in), ZMQ_DONTWAIT) != -1)
            zmq_msg_send (&msg, zsock_resolve (out),
                          zmq_msg_more (&msg) ? ZMQ_SNDMORE : 0);
        zmq_msg_close (&msg);
    }
    zsock_destroy (&in);
    zsock_destroy (&out);
}

//  --------------------------------------------------------------------------
//  Measuring

typedef struct {
    zsock_t *out;
    zsock_t *in;
    kith_msg_t *request;    //  null: the ring
    bool crc;
    uint64_t id;
} s_asker_t;

static void
s_ask (s_asker_t *self)
{
    if (self->request) {
        self->request->request = ++self->id;
        if (kith_wire_send (self->out, NULL, self->request, 0, self->crc) != 0)
            abort ();
        return;
    }
    //  As many bytes and parts as a small request
    zmq_send (zsock_resolve (self->out), "0123456789012345678901234567890123456789", 40,
              ZMQ_SNDMORE);
    zmq_send (zsock_resolve (self->out), "", 0, 0);
}

static uint32_t
s_answer (s_asker_t *self)
{
    zmq_pollitem_t item = {zsock_resolve (self->in), 0, ZMQ_POLLIN, 0};
    for (;;) {
        bool more;
        kith_parcel_t *parcel = kith_wire_recv (self->in, NULL, &more);
        if (!parcel) {
            zmq_poll (&item, 1, 10000);
            continue;
        }
        if (!self->request) {
            kith_parcel_destroy (&parcel);
            return 0;
        }
        parcel->hops = 1;
        parcel->crc_required = self->crc;
        kith_error_t error;
        kith_msg_t *msg = kith_parcel_open (&parcel, 0, &error);
        if (!msg || kith_msg_is_failed (msg, &error)) {
            fprintf (stderr, "bench_path: %s\n", error.message);
            exit (1);
        }
        uint32_t hops = msg->hops;
        kith_msg_destroy (&msg);
        return hops;
    }
}

static int
s_compare (const void *left, const void *right)
{
    int64_t one = *(const int64_t *) left;
    int64_t other = *(const int64_t *) right;
    return one < other ? -1 : one > other;
}

static double
s_measure (const char *name, s_asker_t *asker, double seconds)
{
    int64_t *samples = malloc (SAMPLES_MAX * sizeof *samples);
    size_t count = 0;
    uint32_t hops = 0;
    for (size_t warm = 0; warm < 1000; warm++) {
        s_ask (asker);
        hops = s_answer (asker);
    }
    int64_t end = s_now_ns () + (int64_t) (seconds * 1e9);
    while (s_now_ns () < end && count < SAMPLES_MAX) {
        int64_t start = s_now_ns ();
        s_ask (asker);
        s_answer (asker);
        samples [count++] = s_now_ns () - start;
    }
    qsort (samples, count, sizeof *samples, s_compare);
    double median = (double) samples [count / 2] / 1000;
    double p99 = (double) samples [count * 99 / 100] / 1000;
    free (samples);
    size_t done = 0;
    int64_t start = s_now_ns ();
    end = start + (int64_t) (seconds * 1e9);
    for (size_t flight = 0; flight < IN_FLIGHT; flight++)
        s_ask (asker);
    for (; s_now_ns () < end; done++) {
        s_answer (asker);
        s_ask (asker);
    }
    double rate = (double) done / ((double) (s_now_ns () - start) / 1e9);
    for (size_t flight = 0; flight < IN_FLIGHT; flight++)
        s_answer (asker);
    printf ("{\"bench\": \"path\", \"way\": \"%s\", \"hops\": %u, \"median_us\": %.1f, "
            "\"p99_us\": %.1f, "
            "\"per_s_32\": %.0f}\n",
            name, hops, median, p99, rate);
    fflush (stdout);
    return median;
}

static double
s_measure_ring (size_t hops, double seconds)
{
    zactor_t *threads [16];
    s_ring_t rings [16];
    char name [64];
    snprintf (name, sizeof name, ">inproc://ring-%zu-0", hops);
    s_asker_t asker = {.out = zsock_new_pair (name)};
    snprintf (name, sizeof name, "@inproc://ring-%zu-%zu", hops, hops - 1);
    asker.in = zsock_new_pair (name);
    for (size_t number = 0; number + 1 < hops; number++) {
        rings [number] = (s_ring_t){number, hops};
        threads [number] = zactor_new (s_ring_thread, &rings [number]);
    }
    snprintf (name, sizeof name, "ring of %zu", hops);
    double median = s_measure (name, &asker, seconds);
    for (size_t number = 0; number + 1 < hops; number++)
        zactor_destroy (&threads [number]);
    zsock_destroy (&asker.out);
    zsock_destroy (&asker.in);
    return median;
}

static double
s_measure_node (const char *name, const char *endpoint, kith_kind_t kind, double seconds)
{
    s_asker_t asker = {.out = zsock_new (ZMQ_DEALER),
                       .crc = kith_wire_is (endpoint, "tcp")};
    asker.in = asker.out;
    asker.request = kith_msg_new (kind);
    asker.request->from = (kith_address_t){KITH_ROLE_CLIENT, 0, (uint64_t) s_now_ns ()};
    asker.request->to.role = KITH_ROLE_PROXY;
    asker.request->deadline_us = 5000000;
    zsock_connect (asker.out, "%s", endpoint);
    double median = s_measure (name, &asker, seconds);
    zsock_destroy (&asker.out);
    kith_msg_destroy (&asker.request);
    return median;
}

int
main (int argc, char **argv)
{
    static const kith_role_t roles [ROLES] = {
        KITH_ROLE_META,        KITH_ROLE_PROXY,      KITH_ROLE_ROOT_COORD,
        KITH_ROLE_QUERY_COORD, KITH_ROLE_DATA_COORD, KITH_ROLE_INDEX_COORD,
        KITH_ROLE_QUERY_NODE,  KITH_ROLE_DATA_NODE,  KITH_ROLE_INDEX_NODE};
    double seconds = argc > 1 ? atof (argv [1]) : 2;
    kith_behaviour_t behaviours [ROLES];
    const kith_behaviour_t *list [ROLES];
    for (size_t place = 0; place < ROLES; place++) {
        behaviours [place] = (kith_behaviour_t){kith_role_name (roles [place]),
                                                roles [place],
                                                s_init,
                                                s_handle,
                                                s_timeout,
                                                s_stop};
        list [place] = &behaviours [place];
    }
    char data [] = "/tmp/kith-bench-XXXXXX";
    kith_error_t error = {0};
    char text [2048];
    if (!mkdtemp (data))
        return 1;
    snprintf (
        text, sizeof text,
        "process\n    name = \"bench\"\n    data = \"%s\"\n"
        "    actor\n        role = \"proxy\"\n        listen = \"tcp://127.0.0.1:*\"\n"
        "    actor\n        role = \"data_node\"\n"
        "    actor\n        role = \"query_node\"\n        loop = \"c\"\n"
        "    actor\n        role = \"meta\"\n        loop = \"c\"\n"
        "    actor\n        role = \"root_coord\"\n        loop = \"c\"\n"
        "    actor\n        role = \"data_coord\"\n        loop = \"c\"\n"
        "    actor\n        role = \"query_coord\"\n        loop = \"c\"\n"
        "    actor\n        role = \"index_coord\"\n        loop = \"c\"\n",
        data);
    kith_config_t *config = kith_config_parse (text, "bench", NULL, &error);
    kith_node_options_t options = {.topology =
                                       config ? kith_config_topology (config) : NULL,
                                   .behaviours = list,
                                   .behaviour_count = ROLES};
    kith_node_t *node = config ? kith_node_new (&options, &error) : NULL;
    if (!node || kith_node_start (node, &error) != 0) {
        fprintf (stderr, "bench_path: %s\n", error.message);
        return 1;
    }
    double ring = s_measure_ring (4, seconds);
    double path = s_measure_node ("inproc client, worker", kith_node_listen_inproc (node),
                                  KITH_KIND_PING, seconds);
    s_measure_node ("tcp client, worker", kith_node_listen (node), KITH_KIND_PING,
                    seconds);
    s_measure_ring (6, seconds);
    s_measure_node ("inproc client, other loop, worker", kith_node_listen_inproc (node),
                    KITH_KIND_KV_GET, seconds);
    printf ("{\"bench\": \"path\", \"over_ring\": %.2f}\n", path / ring);
    kith_node_destroy (&node);
    kith_config_destroy (&config);
    char lock [64];
    snprintf (lock, sizeof lock, "%s/LOCK", data);
    unlink (lock);
    rmdir (data);
    return 0;
}
