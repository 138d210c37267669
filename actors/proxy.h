//  proxy.h - what the files of the proxy share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_PROXY_H
#define KITH_PROXY_H

#include "actors/common.h"
#include "actors/owners.h"
#include "engine/query/read.h"

//  A collection as the proxy knows it. Shared by requests under way (`uses`); a stale one is only forgotten.
typedef struct {
    char db [KITH_NAME_MAX + 1];
    char name [KITH_NAME_MAX + 1];
    kith_kept_t definition;    //  kith_proto_collection_t
    kith_schema_t *schema;
    kith_address_t *delegators;    //  by shard; role CLIENT: not known
    bool routing;                  //  query_coord is being asked
    bool stale;
    int64_t learned_us;
    kith_error_t refused;    //  stale because its reads are refused
    uint32_t uses;
} kith_known_t;

//  Requests whose collection is being asked for
typedef struct {
    char db [KITH_NAME_MAX + 1];
    char name [KITH_NAME_MAX + 1];
    kith_park_t waiting;
} kith_asking_t;

struct kith_mutation;
struct kith_proxied;

typedef struct {
    kith_known_t **known;
    uint32_t known_count, known_capacity;
    kith_asking_t **asking;
    uint32_t asking_count, asking_capacity;
    kith_owners_t owners;
    bool ticking;
    struct kith_mutation *mutations;    //  under way
    struct kith_proxied *reads;         //  under way
    uint64_t in_flight;
} kith_proxy_t;

enum { KITH_PROXY_RETRY = 1 };

//  proxy.c: the cache. Entry of a request's collection (a use is counted), or null: the request waits or was refused.
kith_known_t *kith_proxy_known (kith_proxy_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p,
                                const char *db, const char *name);
void kith_proxy_release (kith_known_t **known_p);
void kith_proxy_forget (kith_proxy_t *self, kith_known_t *known);
void kith_proxy_forget_name (kith_proxy_t *self, const char *db, const char *name);
bool kith_proxy_delegator (kith_proxy_t *self, kith_ctx_t *ctx, kith_known_t *known,
                           uint32_t shard, kith_address_t *delegator);
void kith_proxy_delegators_wrong (kith_known_t *known);
void kith_proxy_retry (kith_proxy_t *self, kith_ctx_t *ctx);
void kith_proxy_handle (void *self, kith_ctx_t *ctx, kith_msg_t **msg_p);

//  Partitions that a request names
typedef struct {
    const char **names;
    uint32_t count;
    uint32_t *ids;    //  filled in
} kith_named_t;
//  Their ids; false: refused, or a name is not known and the request begins again with a definition that may have it.
bool kith_proxy_partitions (kith_proxy_t *self, kith_ctx_t *ctx, kith_known_t *known,
                            kith_msg_t **msg_p, kith_named_t *named);

//  proxy_write.c: insert and remove
void kith_proxy_mutate (kith_proxy_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
void kith_proxy_mutations_go (kith_proxy_t *self, kith_ctx_t *ctx);
//  Those that waited for their next try when the proxy stops.
void kith_proxy_mutations_free (kith_proxy_t *self);

//  proxy_read.c: search and query
void kith_proxy_read (kith_proxy_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);
void kith_proxy_reads_go (kith_proxy_t *self, kith_ctx_t *ctx);
void kith_proxy_reads_free (kith_proxy_t *self);

//  proxy_admin.c: definitions, figures, status
bool kith_proxy_admin (kith_proxy_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p);

#endif
