//  helpers.h - actors and clients for the tests of the runtime
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_TEST_RUNTIME_HELPERS_H
#define KITH_TEST_RUNTIME_HELPERS_H

#include "runtime/config.h"
#include "runtime/node.h"
#include "runtime/wire.h"

#define TEST_ROLES 9u

//  One behaviour for every role of a configuration. It answers:
//      ping                        ok
//      kv_get KEY                  kv_value KEY, made on a QUERY worker; revision: hops so far
//      kv_scan "ROLE/INDEX KEY"    what that actor answers to kv_get KEY, as kv_rows; FAILED with the end of the call
//      lease_keep                  the actor exits
const kith_behaviour_t *const *test_behaviours (void);

//  A directory below $TMPDIR or /tmp; removes it with all that is in it.
void test_directory (char path [256]);
void test_remove (const char *path);

//  A configuration of this text; the test fails if it is none.
kith_config_t *test_config (const char *text);

//  A client: a DEALER at a door.
typedef struct {
    zsock_t *socket;
    kith_address_t self;
    uint64_t requests;
    bool crc;
} test_client_t;

test_client_t test_client (const char *endpoint);
void test_client_close (test_client_t *self);

//  Sends (msg taken) and returns the request's id; the next answer within 20 s, or null.
uint64_t test_send (test_client_t *self, kith_msg_t *msg);
kith_msg_t *test_recv (test_client_t *self);

//  One kv_scan "where KEY"; returns the value that came back (static memory), or the text of the failure.
const char *test_ask (test_client_t *self, const char *where, const char *key);

kith_msg_t *test_get (const char *key);
kith_msg_t *test_scan (const char *where, const char *key);
int64_t test_now_us (void);

#endif
