//  client_private.h - what the files of a client share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CLIENT_PRIVATE_H
#define KITH_CLIENT_PRIVATE_H

#include "clients/client.h"

//  Collections that a client has opened, by name
typedef struct kith_opened_cache kith_opened_cache_t;

kith_opened_cache_t *kith_opened_cache_new (void);
void kith_opened_cache_destroy (kith_opened_cache_t **self_p);
kith_opened_cache_t *kith_client_cache (kith_client_t *self);

#endif
