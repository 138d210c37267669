//  client - a client for a claim
//  SPDX-License-Identifier: Apache-2.0
#include "tests/claims/client.h"

kith_client_t *
claim_client (claim_t *self, const char *endpoint, const kith_client_options_t *options)
{
    kith_failure_t failure = {.at = -1};
    kith_client_t *client = kith_client_new (endpoint, options, &failure);
    if (!client || kith_client_ping (client, &failure) != 0)
        claim_fail (self, "no client of %s: %s", endpoint, failure.message);
    return client;
}
