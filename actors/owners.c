//  owners.c - where the owners of the logs are, as data_coord told
//  SPDX-License-Identifier: Apache-2.0
#include "actors/owners.h"

void
kith_owners_init (kith_owners_t *self, kith_ctx_t *ctx, kith_owners_fn *fn)
{
    self->count = kith_ctx_cluster (ctx)->logs;
    self->items = kith_new ((self->count + 1) * sizeof *self->items);
    self->fn = fn;
}

void
kith_owners_free (kith_owners_t *self)
{
    free (self->items);
    self->items = NULL;
}

static void
s_take (kith_owner_t *item, const kith_proto_log_route_t *route)
{
    if (route->open)
        *item = (kith_owner_t){.owner = kith_address_from (&route->owner)};
    else if (route->code)
        item->lasting = kith_log_refused (route, route->log, &item->refused);
}

static void
s_told (void *actor, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    kith_owners_t *self = arg;
    self->asking = false;
    if (end == KITH_END_STOPPED)
        return;
    if (end == KITH_END_OK) {
        const kith_proto_log_routes_t *routes = (*answer_p)->body;
        for (uint32_t i = 0; i < routes->logs_count; i++)
            if (routes->logs [i].log < self->count)
                s_take (&self->items [routes->logs [i].log], &routes->logs [i]);
    }
    self->fn (actor, ctx, end == KITH_END_OK);
}

bool
kith_owners_find (kith_owners_t *self, kith_ctx_t *ctx, uint32_t log,
                  kith_address_t *owner)
{
    if (log >= self->count)
        return false;
    *owner = self->items [log].owner;
    if (owner->role == KITH_ROLE_DATA_NODE)
        return true;
    if (!self->asking) {
        self->asking = true;
        kith_msg_t *msg = kith_msg_new (KITH_KIND_ROUTE_LOGS);
        kith_ctx_call (ctx, kith_actor (KITH_ROLE_DATA_COORD, 0), &msg, KITH_CALL_US,
                       s_told, self);
    }
    return false;
}

const kith_error_t *
kith_owners_why (const kith_owners_t *self, uint32_t log, bool *lasting)
{
    const kith_owner_t *item = log < self->count ? &self->items [log] : NULL;
    *lasting = item && item->lasting;
    return item && item->refused.code ? &item->refused : NULL;
}

void
kith_owners_wrong (kith_owners_t *self, uint32_t log)
{
    if (log < self->count)
        memset (&self->items [log], 0, sizeof self->items [log]);
}
