//  roles.c - every role's behaviour, by name
//  SPDX-License-Identifier: Apache-2.0
#include "actors/roles.h"

const kith_behaviour_t *const *
kith_roles (uint32_t *count)
{
    static const kith_behaviour_t *const roles [] = {
        &kith_meta,        &kith_proxy,      &kith_root_coord,
        &kith_query_coord, &kith_data_coord, &kith_index_coord,
        &kith_query_node,  &kith_data_node,  &kith_index_node,
    };
    *count = sizeof roles / sizeof roles [0];
    return roles;
}
