//  client.h - a client for a claim
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CLAIMS_CLIENT_H
#define KITH_CLAIMS_CLIENT_H

#include "clients/kith.h"
#include "tests/claims/common.h"

//  A client of an endpoint; ends the claim when there is none. options may be null.
kith_client_t *
claim_client (claim_t *self, const char *endpoint, const kith_client_options_t *options);

#endif
