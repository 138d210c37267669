//  answer.h - reads: requests, and answers whose rows are looked at in place
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_ANSWER_H
#define KITH_ANSWER_H

#include "base/column.h"
#include "clients/client.h"

typedef void (kith_read_fn) (void *arg, kith_answer_t **answer_p,
                             const kith_error_t *error);

//  Puts a search or a query (whose body is filled in but for db and token) under way: opens the collection, asks, asks
//  again if its schema has changed. Queries are float32 numbers, which become vectors of the field's type, or raw. The request is taken.
void kith_read_start (kith_client_t *client, const char *collection,
                      kith_msg_t **request_p, bool raw, kith_read_fn *fn, void *arg);

//  The same, waiting. Null: error.
kith_answer_t *kith_read (kith_client_t *client, const char *collection,
                          kith_msg_t **request_p, bool raw, kith_error_t *error);

//  Requests of the public structs; null: error.
kith_msg_t *kith_read_search (const kith_search_t *search, kith_error_t *error);
kith_msg_t *kith_read_query (const kith_query_t *query, kith_error_t *error);

//  What the answer holds: its message (kind FOUND or ROWS), its collection, all its rows. Batch has no rows: null.
const kith_msg_t *kith_answer_msg (const kith_answer_t *self);
const kith_opened_t *kith_answer_opened (const kith_answer_t *self);
const kith_batch_t *kith_answer_batch (const kith_answer_t *self);

//  Place in the batch of row `row` of query `query`.
uint32_t kith_answer_place (const kith_answer_t *self, size_t query, size_t row);

//  Field of a column of the batch; null: a column of Kith's own (seq), or of a field that is not known.
const kith_proto_field_t *kith_answer_field (const kith_answer_t *self, uint32_t column);

#endif
