//  fake_store.h - what a scripted proxy knows: a collection of (id int64 key, v float_vector(4)), and every write that came
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FAKE_STORE_H
#define KITH_FAKE_STORE_H

#include "base/column.h"
#include "clients/kith.h"
#include "tests/unit/clients/fake_proxy.h"

#define STORE_ARRIVALS_MAX 4096
#define STORE_KEYS_MAX 200000

//  What the proxy does with the next write that comes
typedef enum {
    STORE_OK,
    STORE_LOSE,              //  applies it, the answer is lost
    STORE_IGNORE,            //  the request is lost
    STORE_TWICE,             //  answers twice
    STORE_BUSY,              //  FAILED, retryable, nothing done
    STORE_FAILED_TIMEOUT,    //  FAILED with TIMEOUT after applying it
    STORE_INVALID,           //  FAILED, not retryable
    STORE_UNKNOWN,           //  FAILED with OUTCOME_UNKNOWN
    STORE_HOLD               //  answered when nothing has come for a while
} store_what_t;

//  A write as it came
typedef struct {
    uint8_t client [16];
    uint64_t counter;
    uint64_t since_hash;    //  of the positions
    uint64_t rows_hash;     //  of the batch's bytes
    uint32_t since_count;
    uint32_t rows;
    uint64_t bytes;    //  of all parts
    uint32_t batch;    //  held ones: which time of holding
} store_arrival_t;

typedef struct {
    store_what_t (*plan) (uint32_t arrival);    //  what to do with the arrival-th write
    store_arrival_t arrivals [STORE_ARRIVALS_MAX];
    uint32_t arrival_count;
    uint32_t others [256];    //  messages of other kinds, by kind
    uint8_t applied
        [STORE_KEYS_MAX];    //  how often each key was applied (by request id once)
    uint32_t opens;
    uint64_t version;    //  of the definition that is given out
    kith_msg_t *held [64];
    uint8_t held_keys [STORE_KEYS_MAX];    //  which of them has a key
    uint32_t held_count;
    uint32_t held_batch;
    uint32_t hold_until;        //  nothing held is answered before so many writes came
    bool overlap;               //  two held requests shared a key
    bool refuse_search_once;    //  SCHEMA_CHANGED
    bool wrong_counts;          //  found: counts that do not fit
    bool silent;                //  nothing but collection_open is answered
    uint64_t
        search_token_seq;    //  seq of log 0 in the token of the last search; 0: none
    uint32_t search_level;
    uint64_t seq;
} store_t;

void store_script (void *arg, fake_proxy_t *proxy, kith_msg_t **request_p);
void store_idle (void *arg, fake_proxy_t *proxy);

//  Fills a definition in an arena.
void store_definition (kith_proto_collection_t *definition, kith_arena_t *arena,
                       uint64_t version);

#endif
