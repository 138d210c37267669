//  helpers.c - actors and clients for the tests of the runtime
//  SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime/helpers.h"
#include <criterion/criterion.h>
#include <ftw.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

//  --------------------------------------------------------------------------
//  The actor

typedef struct {
    uint32_t calls;    //  under way
    uint32_t works;
} s_echo_t;

typedef struct {
    kith_msg_t *request;
    kith_msg_t *answer;
} s_job_t;

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) ctx;
    (void) config;
    return kith_new (sizeof (s_echo_t));
}

static void
s_work (void *arg)
{
    s_job_t *job = arg;
    const kith_proto_kv_get_t *body = job->request->body;
    job->answer = kith_msg_new (KITH_KIND_KV_VALUE);
    kith_proto_kv_value_t *value = job->answer->body;
    value->value.size = (uint32_t) strlen (body->key);
    value->value.data =
        kith_arena_copy (&job->answer->arena, body->key, value->value.size);
}

static void
s_done (void *state, kith_ctx_t *ctx, void *arg)
{
    s_echo_t *self = state;
    s_job_t *job = arg;
    self->works--;
    kith_proto_kv_value_t *value = job->answer->body;
    value->revision = job->request->hops + 2;
    kith_ctx_reply (ctx, &job->request, &job->answer);
    free (job);
}

static void
s_get (s_echo_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    s_job_t *job = kith_new (sizeof *job);
    job->request = *msg_p;
    *msg_p = NULL;
    if (kith_ctx_work (ctx, KITH_POOL_QUERY, s_work, s_done, job) == 0) {
        self->works++;
        return;
    }
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_BUSY, "no worker");
    kith_ctx_fail (ctx, &job->request, &error);
    free (job);
}

static void
s_got (void *state, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    s_echo_t *self = state;
    kith_msg_t *request = arg;
    self->calls--;
    if (end == KITH_END_STOPPED) {
        kith_msg_destroy (&request);
        return;
    }
    if (end != KITH_END_OK) {
        kith_error_t error;
        kith_end_error (end, *answer_p, &error);
        kith_ctx_fail (ctx, &request, &error);
        return;
    }
    const kith_proto_kv_value_t *value = (*answer_p)->body;
    kith_msg_t *answer = kith_msg_new (KITH_KIND_KV_ROWS);
    kith_proto_kv_rows_t *rows = answer->body;
    rows->revision = (*answer_p)->hops;
    rows->items = kith_arena_alloc (&answer->arena, sizeof *rows->items);
    rows->items_count = 1;
    rows->items [0].value.size = value->value.size;
    rows->items [0].value.data =
        kith_arena_copy (&answer->arena, value->value.data, value->value.size);
    rows->items [0].revision = value->revision;
    kith_ctx_reply (ctx, &request, &answer);
}

static void
s_scan (s_echo_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_kv_scan_t *body = (*msg_p)->body;
    char role [64];
    unsigned index = 0;
    char key [256] = "";
    int parts = sscanf (body->prefix, "%63[^/]/%u %255s", role, &index, key);
    cr_assert (parts >= 2, "%s", body->prefix);
    kith_address_t to = {.role = kith_role_of_name (role), .index = index};
    kith_msg_t *get = test_get (key);
    int64_t left_us = kith_ctx_left_us (ctx, *msg_p);
    self->calls++;
    kith_ctx_call (ctx, to, &get, left_us, s_got, *msg_p);
    *msg_p = NULL;
}

static void
s_handle (void *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_msg_t *msg = *msg_p;
    kith_error_t error;
    if (msg->kind == KITH_KIND_PING) {
        kith_msg_t *answer = kith_msg_new (KITH_KIND_OK);
        kith_ctx_reply (ctx, msg_p, &answer);
    }
    else if (msg->kind == KITH_KIND_KV_GET)
        s_get (self, ctx, msg_p);
    else if (msg->kind == KITH_KIND_KV_SCAN)
        s_scan (self, ctx, msg_p);
    else if (msg->kind == KITH_KIND_LEASE_KEEP) {
        kith_error_set (&error, KITH_ERR_INTERNAL, "asked to");
        kith_ctx_exit (ctx, &error);
    }
    else {
        kith_error_set (&error, KITH_ERR_PROTOCOL, "not of this test");
        kith_ctx_fail (ctx, msg_p, &error);
    }
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
    s_echo_t *self = *self_p;
    cr_assert_eq (self->calls, 0);
    cr_assert_eq (self->works, 0);
    free (self);
    *self_p = NULL;
}

#define ECHO(text, number)                                                               \
    {                                                                                    \
        .name = (text), .role = (number), .init = s_init, .handle = s_handle,            \
        .timeout = s_timeout, .stop = s_stop                                             \
    }

const kith_behaviour_t *const *
test_behaviours (void)
{
    static const kith_behaviour_t all [TEST_ROLES] = {
        ECHO ("meta", KITH_ROLE_META),
        ECHO ("proxy", KITH_ROLE_PROXY),
        ECHO ("root_coord", KITH_ROLE_ROOT_COORD),
        ECHO ("query_coord", KITH_ROLE_QUERY_COORD),
        ECHO ("data_coord", KITH_ROLE_DATA_COORD),
        ECHO ("index_coord", KITH_ROLE_INDEX_COORD),
        ECHO ("query_node", KITH_ROLE_QUERY_NODE),
        ECHO ("data_node", KITH_ROLE_DATA_NODE),
        ECHO ("index_node", KITH_ROLE_INDEX_NODE)};
    static const kith_behaviour_t *const list [TEST_ROLES] = {
        &all [0], &all [1], &all [2], &all [3], &all [4],
        &all [5], &all [6], &all [7], &all [8]};
    return list;
}

//  --------------------------------------------------------------------------
//  Files

void
test_directory (char path [256])
{
    const char *base = getenv ("TMPDIR");
    snprintf (path, 256, "%s/kith-test-XXXXXX", base ? base : "/tmp");
    cr_assert_not_null (mkdtemp (path));
}

static int
s_remove (const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void) info;
    (void) kind;
    (void) at;
    return remove (path);
}

void
test_remove (const char *path)
{
    nftw (path, s_remove, 16, FTW_DEPTH | FTW_PHYS);
}

kith_config_t *
test_config (const char *text)
{
    kith_error_t error;
    kith_config_t *config = kith_config_parse (text, "test.zpl", NULL, &error);
    cr_assert_not_null (config, "%s", error.message);
    return config;
}

//  --------------------------------------------------------------------------
//  The client

int64_t
test_now_us (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

test_client_t
test_client (const char *endpoint)
{
    static uint64_t clients = 0;
    test_client_t self = {.crc = kith_wire_is (endpoint, "tcp")};
    self.self.role = KITH_ROLE_CLIENT;
    self.self.incarnation = (uint64_t) test_now_us () << 16 | ++clients;
    self.socket = zsock_new (ZMQ_DEALER);
    cr_assert_not_null (self.socket);
    zsock_set_linger (self.socket, 0);
    zsock_set_rcvtimeo (self.socket, 5000);
    cr_assert_eq (zsock_connect (self.socket, "%s", endpoint), 0);
    return self;
}

void
test_client_close (test_client_t *self)
{
    zsock_destroy (&self->socket);
}

uint64_t
test_send (test_client_t *self, kith_msg_t *msg)
{
    msg->from = self->self;
    if (msg->to.role == KITH_ROLE_CLIENT)
        msg->to.role = KITH_ROLE_PROXY;
    msg->request = ++self->requests;
    if (!msg->deadline_us)
        msg->deadline_us = 2000000;
    cr_assert_eq (kith_wire_send (self->socket, NULL, msg, 0, self->crc), 0);
    kith_msg_destroy (&msg);
    return self->requests;
}

kith_msg_t *
test_recv (test_client_t *self)
{
    zmq_pollitem_t item = {zsock_resolve (self->socket), 0, ZMQ_POLLIN, 0};
    if (zmq_poll (&item, 1, 20000) <= 0)
        return NULL;
    bool more;
    kith_parcel_t *parcel = kith_wire_recv (self->socket, NULL, &more);
    cr_assert_not_null (parcel);
    parcel->crc_required = self->crc;
    kith_error_t error;
    kith_msg_t *msg = kith_parcel_open (&parcel, 0, &error);
    cr_assert_not_null (msg, "%s", error.message);
    cr_assert (msg->answer);
    cr_assert_eq (msg->to.incarnation, self->self.incarnation);
    return msg;
}

kith_msg_t *
test_get (const char *key)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_KV_GET);
    kith_proto_kv_get_t *body = msg->body;
    body->key = kith_arena_strdup (&msg->arena, key);
    return msg;
}

kith_msg_t *
test_scan (const char *where, const char *key)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_KV_SCAN);
    kith_proto_kv_scan_t *body = msg->body;
    body->prefix = kith_arena_printf (&msg->arena, "%s %s", where, key);
    return msg;
}

const char *
test_ask (test_client_t *self, const char *where, const char *key)
{
    static char text [1024];
    uint64_t request = test_send (self, test_scan (where, key));
    kith_msg_t *answer = test_recv (self);
    kith_error_t error;
    if (!answer)
        return "no answer";
    cr_assert_eq (answer->request, request);
    if (kith_msg_is_failed (answer, &error))
        snprintf (text, sizeof text, "%s: %s", kith_code_name (error.code),
                  error.message);
    else {
        const kith_proto_kv_rows_t *rows = answer->body;
        cr_assert_eq (rows->items_count, 1);
        snprintf (text, sizeof text, "%.*s", (int) rows->items [0].value.size,
                  (const char *) rows->items [0].value.data);
    }
    kith_msg_destroy (&answer);
    return text;
}
