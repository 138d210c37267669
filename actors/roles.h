//  roles.h - every role's behaviour, by name
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_ROLES_H
#define KITH_ROLES_H

#include "runtime/actor.h"

extern const kith_behaviour_t kith_meta;
extern const kith_behaviour_t kith_proxy;
extern const kith_behaviour_t kith_root_coord;
extern const kith_behaviour_t kith_query_coord;
extern const kith_behaviour_t kith_data_coord;
extern const kith_behaviour_t kith_index_coord;
extern const kith_behaviour_t kith_query_node;
extern const kith_behaviour_t kith_data_node;
extern const kith_behaviour_t kith_index_node;

//  All of them; the array is static.
const kith_behaviour_t *const *kith_roles (uint32_t *count);

#endif
