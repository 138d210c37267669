//  test_burst.c - thousands of requests at once that end as soon as they begin: the server answers and lives
//  SPDX-License-Identifier: Apache-2.0
//
//  root_coord once began the next task of its queue inside the end of the one before: a queue of refusals took as much stack as it was long.
#include "base/column.h"
#include "clients/client.h"
#include "tests/claims/common.h"
#include <string.h>

enum { ASKED = 4000, ROUNDS = 3, READY_MS = 60000, TIMEOUT_MS = 20000 };

typedef struct {
    size_t back, made, exists;
} s_count_t;

static void
s_answered (void *arg, kith_msg_t **answer_p, const kith_error_t *error)
{
    s_count_t *count = arg;
    count->back++;
    count->made += *answer_p && !error;
    count->exists += error && strstr (error->message, "already") != NULL;
}

static void
s_create (kith_client_t *client, s_count_t *count)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_COLLECTION_CREATE);
    kith_proto_collection_create_t *body = msg->body;
    kith_proto_field_t *fields = kith_arena_alloc (&msg->arena, 2 * sizeof *fields);
    fields [0] = (kith_proto_field_t){.name = "id", .type = KITH_TYPE_INT64, .key = true};
    fields [1] = (kith_proto_field_t){
        .name = "v", .type = KITH_TYPE_FLOAT_VECTOR, .dim = 4, .metric = 1};
    body->name = "same";
    body->fields = fields;
    body->fields_count = 2;
    kith_msg_settle (msg);
    kith_client_start (client, &msg, TIMEOUT_MS, s_answered, count);
}

int
main (void)
{
    claim_t *claim = claim_new ("burst");
    const char *endpoint = NULL;
    const char *config = claim_config (claim, "configs/standalone.zpl", NULL, &endpoint);
    pid_t server = claim_run (claim, config);
    claim_wait_ready (claim, endpoint, READY_MS);
    s_count_t count = {0};
    for (int round = 0; round < ROUNDS; round++) {
        const kith_client_options_t options = {.timeout_ms = TIMEOUT_MS};
        kith_error_t error = {0};
        kith_client_t *client = kith_client_create_at (endpoint, &options, &error);
        if (!client)
            claim_fail (claim, "no client: %s", error.message);
        for (int asked = 0; asked < ASKED; asked++) {
            s_create (client, &count);
            kith_client_poll (client, 0);
        }
        //  The server answers others meanwhile, and each of these once they are fetched
        claim_wait_ready (claim, endpoint, READY_MS);
        while (count.back < (size_t) ASKED * (size_t) (round + 1))
            kith_client_poll (client, TIMEOUT_MS);
        kith_client_destroy (&client);
    }
    if (count.made != 1 || count.exists != ASKED * ROUNDS - 1)
        claim_fail (claim, "%zu made and %zu refused of %d", count.made, count.exists,
                    ASKED * ROUNDS);
    claim_stop (claim, &server);
    claim_say ("burst: %zu of %d refused one after another, and the server lives",
               count.exists, ASKED * ROUNDS);
    claim_destroy (&claim);
    return 0;
}
