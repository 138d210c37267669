//  test_node.c - processes: actors in threads, doors, two processes by ipc and tcp, restart and stop
//  SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime/helpers.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define COORDINATORS                                                                     \
    "    actor\n        role = \"meta\"\n        loop = \"coord\"\n"                     \
    "    actor\n        role = \"root_coord\"\n        loop = \"coord\"\n"               \
    "    actor\n        role = \"data_coord\"\n        loop = \"coord\"\n"               \
    "    actor\n        role = \"query_coord\"\n        loop = \"coord\"\n"              \
    "    actor\n        role = \"index_coord\"\n        loop = \"coord\"\n"

static kith_node_t *
s_start (const kith_config_t *config, uint32_t ordinal)
{
    kith_node_options_t options = {.topology = kith_config_topology (config),
                                   .ordinal = ordinal,
                                   .behaviours = test_behaviours (),
                                   .behaviour_count = TEST_ROLES,
                                   .kernels = "scalar",
                                   .blas = "none"};
    kith_error_t error;
    kith_node_t *node = kith_node_new (&options, &error);
    cr_assert_not_null (node, "%s", error.message);
    cr_assert_eq (kith_node_start (node, &error), 0, "%s", error.message);
    return node;
}

static kith_config_t *
s_alone (const char *directory)
{
    char text [4096];
    snprintf (text, sizeof text,
              "process\n    name = \"one\"\n    data = \"%s/data\"\n"
              "    actor\n        role = \"proxy\"\n        loop = \"query\"\n"
              "        listen = \"tcp://127.0.0.1:*\"\n"
              "    actor\n        role = \"query_node\"\n        loop = \"query\"\n"
              "    actor\n        role = \"data_node\"\n" COORDINATORS,
              directory);
    return test_config (text);
}

Test (node, one_process_answers_by_tcp_and_inproc)
{
    char directory [256];
    test_directory (directory);
    kith_config_t *config = s_alone (directory);
    kith_node_t *node = s_start (config, 0);
    cr_assert_eq (kith_node_actors (node), 8);
    cr_assert (strncmp (kith_node_listen (node), "tcp://127.0.0.1:", 16) == 0);
    cr_assert_str_eq (kith_node_listen_inproc (node), "inproc://kith-one-proxy-0");

    const char *ways [] = {kith_node_listen (node), kith_node_listen_inproc (node)};
    for (size_t way = 0; way < 2; way++) {
        test_client_t client = test_client (ways [way]);
        cr_assert_str_eq (test_ask (&client, "query_node/0", "same-loop"), "same-loop");
        cr_assert_str_eq (test_ask (&client, "data_node/0", "other-loop"), "other-loop");
        cr_assert_str_eq (test_ask (&client, "meta/0", "coordinator"), "coordinator");
        test_client_close (&client);
    }
    kith_node_destroy (&node);
    kith_config_destroy (&config);
    test_remove (directory);
}

Test (node, hops_count_the_threads_that_a_request_crossed)
{
    char directory [256];
    test_directory (directory);
    kith_config_t *config = s_alone (directory);
    kith_node_t *node = s_start (config, 0);
    test_client_t client = test_client (kith_node_listen_inproc (node));
    //  client -> loop -> worker -> loop
    test_send (&client, test_scan ("query_node/0", "k"));
    kith_msg_t *answer = test_recv (&client);
    const kith_proto_kv_rows_t *rows = answer->body;
    cr_assert_eq (rows->revision, 3, "%" PRIu64, rows->revision);
    cr_assert_eq (answer->hops, 3);
    kith_msg_destroy (&answer);
    //  client -> loop -> other loop -> worker -> other loop -> loop
    test_send (&client, test_scan ("data_node/0", "k"));
    answer = test_recv (&client);
    cr_assert_eq (answer->hops, 5, "%u", answer->hops);
    kith_msg_destroy (&answer);
    test_client_close (&client);
    kith_node_destroy (&node);
    kith_config_destroy (&config);
    test_remove (directory);
}

Test (node, a_client_speaks_as_a_client_and_to_the_proxy_only)
{
    char directory [256];
    test_directory (directory);
    kith_config_t *config = s_alone (directory);
    kith_node_t *node = s_start (config, 0);
    test_client_t client = test_client (kith_node_listen (node));
    kith_error_t error;

    kith_msg_t *msg = test_get ("x");
    msg->to.role = KITH_ROLE_META;
    test_send (&client, msg);
    kith_msg_t *answer = test_recv (&client);
    cr_assert (kith_msg_is_failed (answer, &error));
    cr_assert_eq (error.code, KITH_ERR_PROTOCOL, "%s", error.message);
    kith_msg_destroy (&answer);

    //  A forged sender gets no answer that could be another's; the next, honest request is answered
    msg = test_get ("y");
    kith_address_t self = client.self;
    client.self.role = KITH_ROLE_ROOT_COORD;
    test_send (&client, msg);
    client.self = self;
    answer = test_recv (&client);
    cr_assert (kith_msg_is_failed (answer, &error));
    kith_msg_destroy (&answer);
    cr_assert_str_eq (test_ask (&client, "query_node/0", "z"), "z");

    //  Bytes that are no message, and a message without its checksum
    zmsg_t *junk = zmsg_new ();
    zmsg_addstr (junk, "not an envelope");
    zmsg_addstr (junk, "not a body");
    zmsg_send (&junk, client.socket);
    client.crc = false;
    test_send (&client, test_get ("no-crc"));
    client.crc = true;
    bool refused = false;
    answer = test_recv (&client);
    refused = kith_msg_is_failed (answer, &error);
    cr_assert (refused);
    kith_msg_destroy (&answer);
    cr_assert_str_eq (test_ask (&client, "query_node/0", "still-there"), "still-there");
    test_client_close (&client);
    kith_node_destroy (&node);
    kith_config_destroy (&config);
    test_remove (directory);
}

Test (node, nobody_there_and_a_restart)
{
    char directory [256];
    test_directory (directory);
    kith_config_t *config = s_alone (directory);
    kith_node_t *node = s_start (config, 0);
    test_client_t client = test_client (kith_node_listen (node));
    cr_assert (strncmp (test_ask (&client, "query_node/7", "x"), "unreachable", 11) == 0);
    cr_assert (strncmp (test_ask (&client, "index_node/0", "x"), "unreachable", 11) == 0);

    //  The proxy gives up: what its loop had already is refused; its door stays, and the next incarnation answers
    //  what waited there
    test_send (&client, kith_msg_new (KITH_KIND_LEASE_KEEP));
    const char *text = test_ask (&client, "query_node/0", "after");
    if (strcmp (text, "after") != 0)
        cr_assert (strncmp (text, "unreachable", 11) == 0, "%s", text);
    cr_assert_str_eq (test_ask (&client, "query_node/0", "again"), "again");
    test_client_close (&client);
    kith_node_destroy (&node);
    kith_config_destroy (&config);
    test_remove (directory);
}

Test (node, a_directory_or_a_port_in_use_is_refused)
{
    char directory [256];
    test_directory (directory);
    kith_config_t *config = s_alone (directory);
    kith_node_t *node = s_start (config, 0);
    kith_node_options_t options = {.topology = kith_config_topology (config),
                                   .behaviours = test_behaviours (),
                                   .behaviour_count = TEST_ROLES};
    kith_error_t error;
    kith_node_t *second = kith_node_new (&options, &error);
    cr_assert_null (second);
    cr_assert_eq (error.code, KITH_ERR_LOCKED, "%s", error.message);
    cr_assert_not_null (strstr (error.message, directory));

    char text [4096];
    snprintf (text, sizeof text,
              "process\n    name = \"two\"\n    data = \"%s/two\"\n"
              "    actor\n        role = \"proxy\"\n        listen = \"%s\"\n"
              "    actor\n        role = \"query_node\"\n"
              "    actor\n        role = \"data_node\"\n" COORDINATORS,
              directory, kith_node_listen (node));
    kith_config_t *other = test_config (text);
    options.topology = kith_config_topology (other);
    second = kith_node_new (&options, &error);
    cr_assert_null (second);
    cr_assert_eq (error.code, KITH_ERR_IO);
    cr_assert_not_null (strstr (error.message, kith_node_listen (node)));
    kith_config_destroy (&other);
    kith_node_destroy (&node);
    kith_config_destroy (&config);
    test_remove (directory);
}

//  --------------------------------------------------------------------------
//  Two processes

static kith_config_t *
s_pair (const char *directory, const char *front, const char *back)
{
    char text [4096];
    snprintf (
        text, sizeof text,
        "cluster\n    objects_path = \"%s/objects\"\n"
        "process\n    name = \"front\"\n    endpoint = \"%s\"\n    data = \"%s/front\"\n"
        "    actor\n        role = \"proxy\"\n        listen = \"tcp://127.0.0.1:*\"\n"
        "%s"
        "process\n    name = \"back\"\n    endpoint = \"%s\"\n    data = \"%s/back\"\n"
        "    actor\n        role = \"query_node\"\n"
        "    actor\n        role = \"data_node\"\n",
        directory, front, directory, COORDINATORS, back, directory);
    return test_config (text);
}

//  Two ports that were free a moment ago
static void
s_free_ports (char endpoints [2][64])
{
    int fds [2];
    for (int place = 0; place < 2; place++) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t size = sizeof address;
        address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
        fds [place] = socket (AF_INET, SOCK_STREAM, 0);
        cr_assert_eq (bind (fds [place], (struct sockaddr *) &address, sizeof address),
                      0);
        cr_assert_eq (getsockname (fds [place], (struct sockaddr *) &address, &size), 0);
        snprintf (endpoints [place], 64, "tcp://127.0.0.1:%u", ntohs (address.sin_port));
    }
    close (fds [0]);
    close (fds [1]);
}

static void
s_two_processes (const char *directory, const char *front, const char *back, bool tcp)
{
    kith_config_t *config = s_pair (directory, front, back);
    kith_node_t *one = s_start (config, 0);
    test_client_t client = test_client (kith_node_listen (one));
    //  The other process is not there yet: no effect, and it is said soon
    const char *text = test_ask (&client, "query_node/0", "early");
    cr_assert (strncmp (text, "unreachable", 11) == 0, "%s", text);

    kith_node_t *two = s_start (config, 1);
    for (int count = 0; count < 200; count++) {
        char key [32];
        snprintf (key, sizeof key, "key-%d", count);
        text = test_ask (&client, count % 2 ? "query_node/0" : "data_node/0", key);
        //  The connection may need a moment; an answer is the right one
        if (strncmp (text, "unreachable", 11) != 0)
            cr_assert_str_eq (text, key);
        else
            cr_assert_eq (count, 0);
    }
    cr_assert (strncmp (test_ask (&client, "query_node/1", "x"), "unreachable", 11) == 0);

    kith_arena_t arena = {0};
    kith_proto_process_info_t info = {0};
    kith_node_describe (one, &info, &arena);
    cr_assert_geq (tcp ? info.tcp : info.ipc, 199);
    cr_assert_eq (tcp ? info.ipc : info.tcp, 0);
    cr_assert_str_eq (info.kernels, "scalar");
    cr_assert_eq (info.actors_count, 6);
    cr_assert_str_eq (info.actors [0].state, "up");
    cr_assert_gt (info.rss, 0);
    kith_arena_free (&arena);

    //  The other process ends and comes back
    kith_node_destroy (&two);
    text = test_ask (&client, "query_node/0", "gone");
    cr_assert (strncmp (text, "unreachable", 11) == 0
                   || strncmp (text, "timeout", 7) == 0,
               "%s", text);
    two = s_start (config, 1);
    int tries = 0;
    do
        text = test_ask (&client, "query_node/0", "back");
    while (strcmp (text, "back") != 0 && ++tries < 20);
    cr_assert_str_eq (text, "back");
    test_client_close (&client);
    kith_node_destroy (&one);
    kith_node_destroy (&two);
    kith_config_destroy (&config);
}

Test (node, two_processes_by_ipc)
{
    char directory [256];
    char front [300];
    char back [300];
    test_directory (directory);
    snprintf (front, sizeof front, "ipc://%s/f", directory);
    snprintf (back, sizeof back, "ipc://%s/b", directory);
    s_two_processes (directory, front, back, false);
    test_remove (directory);
}

Test (node, two_processes_by_tcp)
{
    char directory [256];
    char endpoints [2][64];
    test_directory (directory);
    s_free_ports (endpoints);
    s_two_processes (directory, endpoints [0], endpoints [1], true);
    test_remove (directory);
}

//  --------------------------------------------------------------------------
//  Stop

Test (node, stop_is_a_message)
{
    char directory [256];
    test_directory (directory);
    kith_config_t *config = s_alone (directory);
    kith_node_t *node = s_start (config, 0);
    kith_node_ask_stop (node);
    cr_assert (kith_node_wait (node, -1));
    kith_node_stop (node);
    kith_arena_t arena = {0};
    kith_proto_process_info_t info = {0};
    kith_node_describe (node, &info, &arena);
    for (uint32_t actor = 0; actor < info.actors_count; actor++)
        cr_assert_str_eq (info.actors [actor].state, "ended");
    kith_arena_free (&arena);
    kith_node_destroy (&node);
    kith_config_destroy (&config);
    test_remove (directory);
}

//  Requests go on while the process stops: each gets an answer or none, nothing is stopped before its work is back
//  (the actor's stop asserts it)
typedef struct {
    const char *endpoint;
    bool *stop;
} s_storm_t;

static void *
s_storm (void *arg)
{
    s_storm_t *storm = arg;
    test_client_t client = test_client (storm->endpoint);
    zsock_set_rcvtimeo (client.socket, 1);
    while (!__atomic_load_n (storm->stop, __ATOMIC_ACQUIRE)) {
        kith_msg_t *msg =
            test_scan (client.requests % 2 ? "data_node/0" : "query_node/0", "s");
        msg->from = client.self;
        msg->to.role = KITH_ROLE_PROXY;
        msg->request = ++client.requests;
        msg->deadline_us = 1000000;
        kith_wire_send (client.socket, NULL, msg, 0, client.crc);
        kith_msg_destroy (&msg);
        bool more = true;
        while (more) {
            kith_parcel_t *parcel = kith_wire_recv (client.socket, NULL, &more);
            kith_parcel_destroy (&parcel);
        }
    }
    test_client_close (&client);
    return NULL;
}

Test (node, stops_under_load)
{
    char directory [256];
    test_directory (directory);
    kith_config_t *config = s_alone (directory);
    for (int round = 0; round < 5; round++) {
        kith_node_t *node = s_start (config, 0);
        bool stop = false;
        s_storm_t storm = {
            round % 2 ? kith_node_listen (node) : kith_node_listen_inproc (node), &stop};
        pthread_t thread;
        pthread_create (&thread, NULL, s_storm, &storm);
        test_client_t client = test_client (kith_node_listen (node));
        for (int count = 0; count < 50; count++)
            cr_assert_str_eq (test_ask (&client, "query_node/0", "q"), "q");
        kith_node_stop (node);
        __atomic_store_n (&stop, true, __ATOMIC_RELEASE);
        pthread_join (thread, NULL);
        test_client_close (&client);
        kith_node_destroy (&node);
    }
    kith_config_destroy (&config);
    test_remove (directory);
}
