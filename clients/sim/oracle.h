//  oracle.h - what clients know of each key, and what a read may therefore say of it
//  SPDX-License-Identifier: Apache-2.0
//
//  Every put writes a payload of its own (the number of its version), and the row's vector is a function of the
//  payload: a row that is read names the version it is. Answers carry the seq of each row and the seq they were
//  read at, so that a check costs one pass over the key's versions: the order of a key's versions is the order of
//  their seqs.
//
//  A floor says what every later read has to see of a key: no version below min_seq, and, with `must`, a row unless
//  a delete above it may have been applied. Floors rise with each acknowledgement and each row (or absence) seen.
#ifndef KITH_ORACLE_H
#define KITH_ORACLE_H

#include "base/bytes.h"
#include "base/error.h"
#include "engine/kernels/kernels.h"

#define KITH_ORACLE_SHARDS_MAX 16u
#define KITH_ORACLE_PARTITIONS_MAX 4u

typedef struct kith_oracle kith_oracle_t;

typedef struct {
    uint64_t min_seq;    //  a row that is seen has at least this seq
    bool must;           //  there is a row at min_seq, unless it was deleted since
} kith_floor_t;

//  One answer that is checked
typedef struct {
    const kith_floor_t
        *floors;       //  as they were when it began; null: nothing is promised
    uint64_t drops;    //  of partitions: what these dropped is gone
    bool at_known;     //  the answer said what it was read at
    uint64_t at [KITH_ORACLE_SHARDS_MAX];    //  seq, by shard
} kith_seen_t;

//  A row of an answer
typedef struct {
    uint32_t key;
    uint64_t seq;
    uint64_t payload;
} kith_seen_row_t;

kith_oracle_t *
kith_oracle_new (uint32_t keys, uint32_t shards, uint32_t dim, kith_metric_t metric);
void kith_oracle_destroy (kith_oracle_t **self_p);

//  The collection was made anew: nothing that was written before may be seen.
void kith_oracle_reset (kith_oracle_t *self);

uint32_t kith_oracle_keys (const kith_oracle_t *self);
uint32_t kith_oracle_shard (const kith_oracle_t *self, uint32_t key);

//  A write of a key begins; returns the version, which is the payload of a put. hidden: a later row of the same
//  record has the same key, nobody may ever see this one.
typedef struct {
    uint32_t key;
    uint32_t partition;
    bool remove;
    bool hidden;
} kith_oracle_write_t;
uint64_t kith_oracle_begin (kith_oracle_t *self, const kith_oracle_write_t *write);
uint32_t kith_oracle_partition (const kith_oracle_t *self, uint64_t version);

//  A partition is dropped, one at a time: from the beginning on its rows may be gone, but for reads at a seq that was known before;
//  from the end on those are that were written before. again: the next partition gets the same name, so that a write which is under way may come into that one.
void kith_oracle_drop_begin (kith_oracle_t *self, uint32_t partition);
void kith_oracle_drop_end (kith_oracle_t *self, uint32_t partition, bool again);

//  Its partition was dropped since, or is being dropped: the row may be gone.
bool kith_oracle_may_be_gone (const kith_oracle_t *self, uint64_t version);

//  Drops that ended: no read which begins now may show what they dropped.
uint64_t kith_oracle_drops (const kith_oracle_t *self);

//  Its end: acknowledged at a seq; never applied; or nobody will ever know. INTERNAL: it was seen at another seq.
int kith_oracle_acked (kith_oracle_t *self, uint64_t version, uint64_t seq,
                       kith_error_t *error);
void kith_oracle_unknown (kith_oracle_t *self, uint64_t version);

//  The floors of all reads that see everything acknowledged; `keys` of them.
const kith_floor_t *kith_oracle_floors (const kith_oracle_t *self);
//  Raises floors (of a session, say) by an acknowledged version.
void
kith_oracle_raise (const kith_oracle_t *self, kith_floor_t *floors, uint64_t version);

//  A row may be seen. Else an error that says why not.
int kith_oracle_row (kith_oracle_t *self, const kith_seen_t *seen,
                     const kith_seen_row_t *row, kith_error_t *error);

//  A key may be absent. Else an error.
int kith_oracle_absent (const kith_oracle_t *self, const kith_seen_t *seen, uint32_t key,
                        kith_error_t *error);

//  Raises both the oracle's floors and a session's by what an answer showed, once it was checked.
void kith_oracle_saw_row (kith_oracle_t *self, kith_floor_t *session,
                          const kith_seen_row_t *row);
void kith_oracle_saw_absent (kith_oracle_t *self, const kith_seen_t *seen,
                             kith_floor_t *session, uint32_t key);

//  The version that an answer must show of a key; 0: none, or it cannot be known which.
uint64_t
kith_oracle_certain (const kith_oracle_t *self, const kith_seen_t *seen, uint32_t key);
//  A row of the key could be in the answer.
bool
kith_oracle_possible (const kith_oracle_t *self, const kith_seen_t *seen, uint32_t key);

//  The vector of a payload, and its score for a query (in double: a computation of our own).
void kith_oracle_vector (const kith_oracle_t *self, uint64_t payload, float *out);
double
kith_oracle_score (const kith_oracle_t *self, uint64_t payload, const float *query);
//  True if score a is better than b.
bool kith_oracle_better (const kith_oracle_t *self, double a, double b);

#endif
