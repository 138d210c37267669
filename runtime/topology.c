//  topology - which actors live in which loop and process
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/topology.h"

uint32_t
kith_topology_count (const kith_topology_t *self, kith_role_t role)
{
    assert (self);
    if (role == KITH_ROLE_SUPERVISOR)
        return self->process_count;
    uint32_t count = 0;
    for (uint32_t number = 0; number < self->actor_count; number++)
        count += self->actors [number].role == role;
    return count;
}

const kith_actor_spec_t *
kith_topology_find (const kith_topology_t *self, kith_role_t role, uint32_t index)
{
    assert (self);
    for (uint32_t number = 0; number < self->actor_count; number++)
        if (self->actors [number].role == role && self->actors [number].index == index)
            return &self->actors [number];
    return NULL;
}

uint32_t
kith_topology_process (const kith_topology_t *self, kith_role_t role, uint32_t index)
{
    if (role == KITH_ROLE_SUPERVISOR)
        return index < self->process_count ? index : self->process_count;
    const kith_actor_spec_t *actor = kith_topology_find (self, role, index);
    return actor ? actor->process : self->process_count;
}

int
kith_role_rank (kith_role_t role)
{
    switch (role) {
        case KITH_ROLE_SUPERVISOR:
            return 0;
        case KITH_ROLE_META:
            return 1;
        case KITH_ROLE_ROOT_COORD:
        case KITH_ROLE_QUERY_COORD:
        case KITH_ROLE_DATA_COORD:
        case KITH_ROLE_INDEX_COORD:
            return 2;
        case KITH_ROLE_DATA_NODE:
        case KITH_ROLE_QUERY_NODE:
        case KITH_ROLE_INDEX_NODE:
            return 3;
        case KITH_ROLE_PROXY:
        case KITH_ROLE_GATEWAY:
        case KITH_ROLE_CLIENT:
        case KITH_ROLE_COUNT:
            return 4;
    }
    return 4;
}
