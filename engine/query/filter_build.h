//  filter_build.h - makes checked nodes: each function takes operands, finds the type, or says what is wrong
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FILTER_BUILD_H
#define KITH_FILTER_BUILD_H

#include "engine/query/filter_lex.h"
#include "engine/query/filter_tree.h"

typedef struct {
    kith_filter_t *filter;
    kith_error_t *error;
    uint32_t nodes;    //  made so far
} kith_builder_t;

//  All return null with FILTER or FIELD_NOT_FOUND and a position.
kith_node_t *kith_build_field (kith_builder_t *self, const kith_token_t *name);
kith_node_t *
kith_build_literal (kith_builder_t *self, uint32_t at, const kith_value_t *value);
kith_node_t *kith_build_negate (kith_builder_t *self, uint32_t at, kith_node_t *operand);
kith_node_t *kith_build_not (kith_builder_t *self, uint32_t at, kith_node_t *operand);

//  Arithmetic or a comparison, by op.
kith_node_t *kith_build_binary (kith_builder_t *self, kith_op_t op, uint32_t at,
                                kith_node_t *left, kith_node_t *right);

//  and, or: operands of the same kind are taken over, so that a chain is one node.
kith_node_t *kith_build_logic (kith_builder_t *self, kith_node_kind_t kind, uint32_t at,
                               kith_node_t *left, kith_node_t *right);
kith_node_t *kith_build_like (kith_builder_t *self, uint32_t at, kith_node_t *tested,
                              const kith_token_t *pattern, bool inverted);
kith_node_t *kith_build_is_null (kith_builder_t *self, uint32_t at, kith_node_t *tested,
                                 bool inverted);

//  list: kith_value_t, count of them, copied; positions are not kept.
kith_node_t *kith_build_in (kith_builder_t *self, uint32_t at, kith_node_t *tested,
                            const kith_value_t *list, uint32_t count, bool inverted);

//  A literal's value, the bool literals' included.
const char *kith_value_type_name (kith_value_type_t type);

#endif
