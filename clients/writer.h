//  writer.h - rows on their way to a collection: cut into requests, several under way, each applied once
//  SPDX-License-Identifier: Apache-2.0
//
//  The rules of W1: a request's id and `since` are set before it is sent first and never change. Two requests under way never hold
//  the same key, so that the last value given for a key is the one that stays.
#ifndef KITH_WRITER_H
#define KITH_WRITER_H

#include "clients/rows.h"

typedef struct kith_writer kith_writer_t;

//  remove: rows are keys to delete. timeout_ms of each request, 0: the client's.
kith_writer_t *kith_writer_new (kith_client_t *client, bool remove, int timeout_ms);

//  Requests under way are not waited for (their outcome is unknown then).
void kith_writer_destroy (kith_writer_t **self_p);

//  Sends rows, waiting while the window is full. Rows may be changed as soon as it returns; requests may be under
//  way still. -1: this or an earlier request failed; nothing more is sent.
int kith_writer_put (kith_writer_t *self, kith_rows_t *rows, kith_error_t *error);

//  Waits until every request has ended. -1: one failed.
int kith_writer_finish (kith_writer_t *self, kith_error_t *error);

//  Rows acknowledged so far, and the positions that the acknowledgements named.
uint64_t kith_writer_written (const kith_writer_t *self);
const kith_token_t *kith_writer_token (const kith_writer_t *self);

//  Without waiting: takes the rows, and calls fn once, in kith_client_poll, when all is written or something failed.
typedef void (kith_writer_fn) (void *arg, uint64_t written, const kith_error_t *error);
void kith_writer_start (kith_client_t *client, kith_rows_t **rows_p, bool remove,
                        kith_writer_fn *fn, void *arg);

#endif
