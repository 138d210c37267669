//  client.h - the inside of a client: calls by message, opened collections, positions
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CLIENT_H
#define KITH_CLIENT_H

#include "clients/kith.h"
#include "clients/token.h"
#include "codecs/msg.h"

#define KITH_CLIENT_ENDPOINT "tcp://127.0.0.1:7700"
#define KITH_CLIENT_FRESH_MS                                                             \
    5000    //  an opened collection is asked for again after so long

//  The end of a call: an answer (which may be taken) or an error, never both.
typedef void (kith_answer_fn) (void *arg, kith_msg_t **answer_p,
                               const kith_error_t *error);

//  As kith_client_new, with an error of the inside.
kith_client_t *
kith_client_create_at (const char *endpoints, const kith_client_options_t *options,
                       kith_error_t *error);

//  Puts a call under way; the request is taken. fn runs once, later, in kith_client_poll (or kith_client_destroy).
//  timeout_ms 0: the client's. Sent again, the same, after a refusal that had no effect; requests that may
//  safely be repeated also after a time-out or a lost connection.
void kith_client_start (kith_client_t *self, kith_msg_t **request_p, int timeout_ms,
                        kith_answer_fn *fn, void *arg);

//  A call that was refused before it was sent: fn gets the error in the next kith_client_poll.
void kith_client_refuse (kith_client_t *self, const kith_error_t *error,
                         kith_answer_fn *fn, void *arg);

//  The same as start, waiting. Null: error.
kith_msg_t *kith_client_call (kith_client_t *self, kith_msg_t **request_p, int timeout_ms,
                              kith_error_t *error);

//  A collection as the server described it: immutable, counted.
typedef struct {
    uint32_t references;
    int64_t opened_us;    //  when the request for it was sent
    kith_arena_t arena;
    const kith_proto_collection_t *definition;
    const kith_proto_field_t *key;    //  its key field
} kith_opened_t;

kith_opened_t *kith_opened_share (kith_opened_t *self);
void kith_opened_destroy (kith_opened_t **self_p);

//  Field by name or id; null: there is none (the first fills FIELD_NOT_FOUND, with the nearest name).
const kith_proto_field_t *
kith_opened_field (const kith_opened_t *self, const char *name, kith_error_t *error);
const kith_proto_field_t *kith_opened_by_id (const kith_opened_t *self, uint32_t id);

//  Gives the collection to fn: from memory when it was asked for less than KITH_CLIENT_FRESH_MS ago, else from the
//  server. In memory: fn runs at once. opened is shared by fn if it keeps it.
typedef void (kith_opened_fn) (void *arg, kith_opened_t *opened,
                               const kith_error_t *error);
void kith_client_open_start (kith_client_t *self, const char *collection, int timeout_ms,
                             kith_opened_fn *fn, void *arg);

//  The same, waiting; the caller has a share. Null: error.
kith_opened_t *
kith_client_open (kith_client_t *self, const char *collection, kith_error_t *error);

//  Forgets what is known of a collection (its schema changed).
void kith_client_forget (kith_client_t *self, const char *collection);

//  What the client knows. token: its session. known: the newest seq of each log, for `since` (W1).
kith_token_t *kith_client_session (kith_client_t *self);
kith_token_t *kith_client_known (kith_client_t *self);

const char *kith_client_db (const kith_client_t *self);
int kith_client_timeout_ms (const kith_client_t *self);
int kith_client_window (const kith_client_t *self);
int64_t kith_client_now_us (void);

//  The next request id of this client: 16 bytes and a counter.
const uint8_t *kith_client_uuid (const kith_client_t *self);
uint64_t kith_client_next_write (kith_client_t *self);

//  The next key of a collection whose keys are made by the client: seconds, 20 random bits of this client, a
//  counter.
int64_t kith_client_next_key (kith_client_t *self);

//  True while a connection is up; what happened last on the way to one ("connection refused").
bool kith_client_connected (const kith_client_t *self);
const char *kith_client_trouble (const kith_client_t *self);

//  Fills the public failure from an error (both may be null); returns -1.
int kith_failure_set (kith_failure_t *failure, const kith_error_t *error);

//  A word of `words` (null at the end) that `text` may have meant; null: none is near.
const char *kith_nearest (const char *text, const char *const *words);

#endif
