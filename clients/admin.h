//  admin.h - calls that make, drop and watch things; for the library and the command line
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_ADMIN_H
#define KITH_ADMIN_H

#include "clients/client.h"

//  Requests with their body filled in; db is the client's.
kith_msg_t *
kith_admin_create (kith_client_t *client, const char *name, const char *const *fields,
                   size_t count, uint32_t shards, kith_error_t *error);
kith_msg_t *kith_admin_drop (kith_client_t *client, const char *name);
kith_msg_t *kith_admin_partition (kith_client_t *client, const char *collection,
                                  const char *name, bool drop);
kith_msg_t *kith_admin_list (kith_client_t *client);
kith_msg_t *kith_admin_describe (kith_client_t *client, const char *name);
kith_msg_t *kith_admin_flush (kith_client_t *client, const char *name);
kith_msg_t *kith_admin_load (kith_client_t *client, const char *name, uint32_t replicas,
                             bool release);
kith_msg_t *kith_admin_index_describe (kith_client_t *client, const char *name);
kith_msg_t *
kith_admin_index_drop (kith_client_t *client, const char *name, const char *field);
kith_msg_t *kith_admin_stop (kith_client_t *client, const char *process);

//  Sends one of them and throws the answer away. -1: error.
int kith_admin_do (kith_client_t *client, kith_msg_t **request_p, int timeout_ms,
                   kith_error_t *error);

//  Says how a field is indexed: seals and flushes what is there, and (options->wait) waits until all is built and in
//  use. state (may be null): the last one seen; its strings live in the arena.
int
kith_admin_index (kith_client_t *client, const char *name, const char *field,
                  const kith_index_options_t *options, kith_proto_index_state_t *state,
                  kith_arena_t *arena, kith_error_t *error);

#endif
