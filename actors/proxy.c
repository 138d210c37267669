//  proxy.c - the clients' endpoint: what is known of collections and routes, and which file answers what
//  SPDX-License-Identifier: Apache-2.0
#include "actors/proxy.h"
#include "actors/roles.h"

#define RETRY_US 20000
#define FRESH_US                                                                         \
    50000    //  a definition this young is not asked for again because of a name that it lacks

void
kith_proxy_release (kith_known_t **known_p)
{
    kith_known_t *known = *known_p;
    *known_p = NULL;
    if (!known)
        return;
    assert (known->uses);
    if (--known->uses || !known->stale)
        return;
    kith_kept_free (&known->definition);
    kith_schema_destroy (&known->schema);
    free (known->delegators);
    free (known);
}

void
kith_proxy_forget (kith_proxy_t *self, kith_known_t *known)
{
    for (uint32_t i = 0; i < self->known_count; i++)
        if (self->known [i] == known) {
            self->known [i] = self->known [--self->known_count];
            known->stale = true;
            known->uses++;
            kith_proxy_release (&known);
            return;
        }
}

void
kith_proxy_forget_name (kith_proxy_t *self, const char *db, const char *name)
{
    for (uint32_t i = 0; i < self->known_count; i++)
        if (!strcmp (self->known [i]->db, db) && !strcmp (self->known [i]->name, name)) {
            kith_proxy_forget (self, self->known [i]);
            return;
        }
}

static kith_known_t *
s_learn (kith_proxy_t *self, const kith_asking_t *asking, int64_t now_us,
         const kith_proto_collection_t *definition, kith_error_t *error)
{
    kith_schema_t *schema = kith_schema_of (definition, error);
    if (!schema)
        return NULL;
    kith_known_t *known = kith_new (sizeof *known);
    known->learned_us = now_us;
    snprintf (known->db, sizeof known->db, "%s", asking->db);
    snprintf (known->name, sizeof known->name, "%s", asking->name);
    kith_keep (&known->definition, &kith_proto_collection_table, definition);
    known->schema = schema;
    known->delegators =
        kith_new ((definition->channels_count + 1) * sizeof *known->delegators);
    self->known = kith_grow (self->known, self->known_count, &self->known_capacity,
                             sizeof (kith_known_t *));
    self->known [self->known_count++] = known;
    return known;
}

static void
s_described (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_proxy_t *self = arg_self;
    kith_asking_t *asking = arg;
    for (uint32_t i = 0; i < self->asking_count; i++)
        if (self->asking [i] == asking)
            self->asking [i] = self->asking [--self->asking_count];
    kith_error_t error;
    kith_error_clear (&error);
    if (end == KITH_END_OK) {
        const kith_proto_collection_described_t *described = (*answer_p)->body;
        s_learn (self, asking, kith_ctx_now_us (ctx), &described->info.definition,
                 &error);
    }
    else if (end != KITH_END_STOPPED)
        kith_end_error (end, *answer_p, &error);
    for (uint32_t i = 0; end != KITH_END_STOPPED && i < asking->waiting.count; i++)
        if (error.code)
            kith_ctx_fail (ctx, &asking->waiting.items [i], &error);
        else
            kith_proxy_handle (self, ctx, &asking->waiting.items [i]);
    for (uint32_t i = 0; i < asking->waiting.count; i++)
        kith_msg_destroy (&asking->waiting.items [i]);
    free (asking->waiting.items);
    free (asking);
}

kith_known_t *
kith_proxy_known (kith_proxy_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p, const char *db,
                  const char *name)
{
    if (!*name || strlen (name) > KITH_NAME_MAX || strlen (db) > KITH_NAME_MAX) {
        kith_refuse (ctx, msg_p, KITH_ERR_INVALID,
                     "a collection's name has 1 to %u characters", KITH_NAME_MAX);
        return NULL;
    }
    for (uint32_t i = 0; i < self->known_count; i++) {
        kith_known_t *known = self->known [i];
        if (!strcmp (known->name, name) && !strcmp (known->db, db)) {
            known->uses++;
            return known;
        }
    }
    for (uint32_t i = 0; i < self->asking_count; i++)
        if (!strcmp (self->asking [i]->name, name)
            && !strcmp (self->asking [i]->db, db)) {
            kith_park_add (&self->asking [i]->waiting, msg_p);
            return NULL;
        }
    kith_asking_t *asking = kith_new (sizeof *asking);
    snprintf (asking->db, sizeof asking->db, "%s", db);
    snprintf (asking->name, sizeof asking->name, "%s", name);
    const int64_t left = kith_ctx_left_us (ctx, *msg_p);
    kith_park_add (&asking->waiting, msg_p);
    self->asking = kith_grow (self->asking, self->asking_count, &self->asking_capacity,
                              sizeof (kith_asking_t *));
    self->asking [self->asking_count++] = asking;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_COLLECTION_DESCRIBE);
    kith_proto_collection_describe_t *describe = msg->body;
    describe->db = kith_arena_strdup (&msg->arena, asking->db);
    describe->name = kith_arena_strdup (&msg->arena, asking->name);
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_ROOT_COORD, 0), &msg, left, s_described,
                   asking);
    return NULL;
}

static void
s_owners_told (void *arg_self, kith_ctx_t *ctx, bool told)
{
    kith_proxy_t *self = arg_self;
    if (told)
        kith_proxy_mutations_go (self, ctx);
    kith_proxy_retry (self, ctx);
}

//  Delegators of channels

static void
s_delegators (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
              void *arg)
{
    kith_proxy_t *self = arg_self;
    kith_known_t *known = arg;
    known->routing = false;
    if (end == KITH_END_OK) {
        const kith_proto_channel_routes_t *routes = (*answer_p)->body;
        const kith_proto_collection_t *definition = known->definition.row;
        for (uint32_t i = 0; i < routes->channels_count; i++)
            for (uint32_t j = 0; j < definition->channels_count; j++)
                if (definition->channels [j].channel == routes->channels [i].channel)
                    known->delegators [j] =
                        kith_address_from (&routes->channels [i].delegator);
        kith_proxy_reads_go (self, ctx);
    }
    else if (end == KITH_END_FAILED) {
        kith_error_t error;
        kith_end_error (end, *answer_p, &error);
        //  Dropped: whoever waits asks root_coord again. Released: whoever waits is told
        if (error.code == KITH_ERR_NOT_LOADED)
            known->refused = error;
        if (error.code == KITH_ERR_NOT_LOADED
            || error.code == KITH_ERR_COLLECTION_NOT_FOUND)
            kith_proxy_forget (self, known);
    }
    kith_proxy_release (&known);
    if (end != KITH_END_STOPPED)
        kith_proxy_retry (self, ctx);
}

bool
kith_proxy_delegator (kith_proxy_t *self, kith_ctx_t *ctx, kith_known_t *known,
                      uint32_t shard, kith_address_t *delegator)
{
    (void) self;
    *delegator = known->delegators [shard];
    if (delegator->role == KITH_ROLE_QUERY_NODE)
        return true;
    if (!known->routing) {
        known->routing = true;
        known->uses++;
        kith_msg_t *msg = kith_msg_new (KITH_KIND_ROUTE_CHANNELS);
        kith_proto_route_channels_t *route = msg->body;
        route->collection = ((const kith_proto_collection_t *) known->definition.row)->id;
        kith_ctx_call (ctx, kith_actor (KITH_ROLE_QUERY_COORD, 0), &msg, KITH_CALL_US,
                       s_delegators, known);
    }
    return false;
}

void
kith_proxy_delegators_wrong (kith_known_t *known)
{
    const kith_proto_collection_t *definition = known->definition.row;
    memset (known->delegators, 0, definition->channels_count * sizeof *known->delegators);
}

void
kith_proxy_retry (kith_proxy_t *self, kith_ctx_t *ctx)
{
    if (self->ticking)
        return;
    self->ticking = true;
    kith_ctx_after (ctx, RETRY_US, KITH_PROXY_RETRY);
}

static const kith_proto_partition_t *
s_partition (const kith_proto_collection_t *definition, const char *name)
{
    for (uint32_t i = 0; i < definition->partitions_count; i++)
        if (!strcmp (definition->partitions [i].name, name))
            return &definition->partitions [i];
    return NULL;
}

bool
kith_proxy_partitions (kith_proxy_t *self, kith_ctx_t *ctx, kith_known_t *known,
                       kith_msg_t **msg_p, kith_named_t *named)
{
    const kith_proto_collection_t *definition = known->definition.row;
    for (uint32_t i = 0; i < named->count; i++) {
        const kith_proto_partition_t *found = s_partition (definition, named->names [i]);
        if (found) {
            named->ids [i] = found->id;
            continue;
        }
        //  It may have been made through another proxy since
        if (kith_ctx_now_us (ctx) - known->learned_us > FRESH_US) {
            kith_proxy_forget (self, known);
            kith_proxy_handle (self, ctx, msg_p);
            return false;
        }
        kith_error_t error;
        kith_error_set (&error, KITH_ERR_PARTITION_NOT_FOUND,
                        "no partition '%.60s' in %s", named->names [i], definition->name);
        kith_error_hint (&error, "zactor partition list %s", definition->name);
        kith_ctx_fail (ctx, msg_p, &error);
        return false;
    }
    return true;
}

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) config;
    kith_proxy_t *self = kith_new (sizeof *self);
    kith_owners_init (&self->owners, ctx, s_owners_told);
    return self;
}

void
kith_proxy_handle (void *arg_self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_proxy_t *self = arg_self;
    const kith_kind_t kind = (*msg_p)->kind;
    if (kind == KITH_KIND_SEARCH || kind == KITH_KIND_QUERY)
        kith_proxy_read (self, ctx, msg_p);
    else if (kind == KITH_KIND_INSERT || kind == KITH_KIND_REMOVE)
        kith_proxy_mutate (self, ctx, msg_p);
    else if (!kith_proxy_admin (self, ctx, msg_p))
        kith_refuse (ctx, msg_p, KITH_ERR_UNSUPPORTED, "a proxy does not know '%s'",
                     kith_kind_name (kind));
}

static void
s_timeout (void *arg_self, kith_ctx_t *ctx, int tag)
{
    kith_proxy_t *self = arg_self;
    assert (tag == KITH_PROXY_RETRY);
    self->ticking = false;
    kith_proxy_mutations_go (self, ctx);
    kith_proxy_reads_go (self, ctx);
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    kith_proxy_t *self = *self_p;
    kith_proxy_mutations_free (self);
    kith_proxy_reads_free (self);
    while (self->known_count)
        kith_proxy_forget (self, self->known [0]);
    free (self->known);
    free (self->asking);
    kith_owners_free (&self->owners);
    free (self);
    *self_p = NULL;
}

const kith_behaviour_t kith_proxy = {
    .name = "proxy",
    .role = KITH_ROLE_PROXY,
    .init = s_init,
    .handle = kith_proxy_handle,
    .timeout = s_timeout,
    .stop = s_stop,
};
