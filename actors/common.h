//  common.h - what several roles share: addresses, keys of metadata rows, transactions, the lease of a coordinator
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_ACTORS_COMMON_H
#define KITH_ACTORS_COMMON_H

#include "engine/segments/segment.h"
#include "runtime/actor.h"

#define KITH_CALL_US 5000000       //  deadline of a call between actors that names none
#define KITH_NODE_TTL_MS 10000u    //  a node that is not heard of for so long is dead
#define KITH_KEY_MAX 320           //  bytes of a metadata key or object name

//  Which actor, whatever its incarnation.
kith_address_t kith_actor (kith_role_t role, uint32_t index);
bool kith_address_same (kith_address_t a, kith_address_t b);    //  incarnations too
kith_proto_address_t kith_address_to (kith_address_t address);
kith_address_t kith_address_from (const kith_proto_address_t *address);

//  Schema of a definition; null with the reason.
kith_schema_t *
kith_schema_of (const kith_proto_collection_t *definition, kith_error_t *error);

//  A sealed segment as its row names it: snapshot and death list opened, complete up to applied_to; null with the reason.
kith_segment_t *
kith_segment_of_row (kith_objects_t *objects, uint64_t cluster, kith_schema_t *schema,
                     const kith_proto_segment_row_t *row, kith_error_t *error);

//  A node of the role said hello: true, or it is none of this topology and was refused.
bool
kith_hello_is_of (kith_ctx_t *ctx, kith_msg_t **msg_p, kith_role_t role, uint32_t count);

//  T10: the row of a node under its lease, put (then fn gets kv_done) or kept alive.
void kith_node_lease (kith_ctx_t *ctx, kith_role_t role, uint32_t index,
                      const kith_proto_node_row_t *row, bool put, kith_reply_fn *fn,
                      void *arg);

//  Keys of metadata rows: valid in every kv, and different for different arguments (names: valid ones; two of 110
//  letters or more, a capital counting double, may share a key if their hashes are the same: the second is then refused).
typedef struct {
    char text [KITH_KEY_MAX];
} kith_key_t;
#define KITH_KEY_IDS "id/all"    //  the counter of ids given out
kith_key_t kith_key_collection (uint64_t id);
kith_key_t kith_key_name (const char *db, const char *name);
kith_key_t kith_key_channel (uint64_t id);
kith_key_t kith_key_freed (uint64_t channel, uint64_t segment);
kith_key_t kith_key_log (uint32_t log);
kith_key_t kith_key_node (kith_role_t role, uint32_t index);
kith_key_t kith_key_role (kith_role_t role);
kith_key_t kith_key_index (uint64_t channel, uint64_t segment, uint32_t field);
kith_key_t kith_key_pin (uint64_t channel, uint64_t segment, uint64_t incarnation);

//  How the names of a channel's objects begin, and of those of a segment's indexes
kith_key_t kith_name_channel (uint64_t channel);
kith_key_t kith_name_indexes (uint64_t channel, uint64_t segment);

//  A metadata transaction being written: room for that many compares and changes.
kith_msg_t *kith_txn_new (uint32_t compares_max, uint32_t changes_max);
void kith_txn_compare (kith_msg_t *txn, const char *key, uint64_t revision);
void kith_txn_put (kith_msg_t *txn, const char *key, const kith_codec_table_t *table,
                   const void *row);
void kith_txn_remove (kith_msg_t *txn, const char *key);

//  Calls of meta.
void kith_meta_call (kith_ctx_t *ctx, kith_msg_t **msg_p, kith_reply_fn *fn, void *arg);
void kith_meta_get (kith_ctx_t *ctx, const char *key, kith_reply_fn *fn, void *arg);
void kith_meta_scan (kith_ctx_t *ctx, const char *prefix, kith_reply_fn *fn, void *arg);

//  Takes the end of a call that nothing follows from.
void kith_end_ignored (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
                       void *arg);

//  Row of a value, in the arena; null: the bytes are not such a row.
void *
kith_row_read (const kith_codec_table_t *table, kith_blob_t value, kith_arena_t *arena);

//  Row of the answer of kith_meta_get, in its arena; null: there is none. revision (may be null) becomes that of the row, 0 without one.
void *
kith_meta_row (const kith_codec_table_t *table, kith_msg_t *answer, uint64_t *revision);

//  True if the answer says that the transaction was made.
bool kith_txn_committed (kith_end_t end, const kith_msg_t *answer);

//  The lease row of a coordinator role, compared in each of its transactions (I4).
#define KITH_TAG_LEASE 9001    //  timer tag: take the lease again
typedef void (kith_lease_fn) (void *self, kith_ctx_t *ctx);
typedef struct {
    kith_role_t role;
    uint64_t revision;    //  of the row that this incarnation put
    uint64_t epoch;
    bool held;
    kith_lease_fn *ready;    //  called once, when it is held
} kith_lease_t;
void kith_lease_take (kith_ctx_t *ctx, kith_lease_t *lease);
void kith_lease_compare (const kith_lease_t *lease, kith_msg_t *txn);

//  Why a log has no owner: what its home said. BUSY while a retry may help or the home has just begun to try; true: the
//  code is the home's own, and waiting is of no use.
bool
kith_log_refused (const kith_proto_log_route_t *route, uint32_t log, kith_error_t *error);

//  Requests that wait until an actor is ready.
typedef struct {
    kith_msg_t **items;
    uint32_t count;
    uint32_t capacity;
} kith_park_t;
void kith_park_add (kith_park_t *self, kith_msg_t **msg_p);
kith_msg_t *
kith_park_take (kith_park_t *self, uint32_t index);    //  removes it, order kept
void kith_park_free (kith_park_t *self);

//  Grows an array that doubles: returns the (maybe moved) items with room for one more, zeroed.
void *kith_grow (void *items, uint32_t count, uint32_t *capacity, size_t item_bytes);

//  Answers a request with an error built in place.
void kith_refuse (kith_ctx_t *ctx, kith_msg_t **request_p, kith_code_t code,
                  const char *format, ...) KITH_PRINTF (4, 5);

//  Answers `ok`.
void kith_reply_ok (kith_ctx_t *ctx, kith_msg_t **request_p);

//  Ends a request with the error of a call that ended badly.
void kith_reply_end (kith_ctx_t *ctx, kith_msg_t **request_p, kith_end_t end,
                     const kith_msg_t *answer);

//  Deep copy of a row of the model, with an arena of its own that frees it.
typedef struct {
    kith_arena_t arena;
    void *row;
} kith_kept_t;
void kith_keep (kith_kept_t *self, const kith_codec_table_t *table, const void *row);
void kith_kept_free (kith_kept_t *self);

#endif
