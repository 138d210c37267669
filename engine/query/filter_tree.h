//  filter_tree.h - the checked tree of a filter
//  SPDX-License-Identifier: Apache-2.0
//
//  Everything lies in the filter's arena. Of each node the type is known; what the parser wrote in another way (between, chained
//  comparisons) has become comparisons joined by and. AND and OR have any number of operands, so that long lists are not deep.
#ifndef KITH_FILTER_TREE_H
#define KITH_FILTER_TREE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "engine/query/filter.h"
#include "engine/query/filter_like.h"

typedef enum {
    KITH_VALUE_BOOL,
    KITH_VALUE_INT,     //  int64
    KITH_VALUE_REAL,    //  double
    KITH_VALUE_TEXT
} kith_value_type_t;

typedef struct {
    kith_value_type_t type;
    int64_t integer;    //  int; bool as 0 and 1
    double real;
    const char *text;
    uint32_t length;
} kith_value_t;

typedef enum {
    KITH_NODE_FIELD,
    KITH_NODE_LITERAL,
    KITH_NODE_NEGATE,
    KITH_NODE_ARITHMETIC,
    KITH_NODE_COMPARE,
    KITH_NODE_AND,
    KITH_NODE_OR,
    KITH_NODE_NOT,
    KITH_NODE_IN,
    KITH_NODE_LIKE,
    KITH_NODE_IS_NULL
} kith_node_kind_t;

typedef enum {
    KITH_OP_ADD,
    KITH_OP_SUBTRACT,
    KITH_OP_MULTIPLY,
    KITH_OP_DIVIDE,
    KITH_OP_MODULO,
    KITH_OP_POWER,
    KITH_OP_EQUAL,
    KITH_OP_NOT_EQUAL,
    KITH_OP_LESS,
    KITH_OP_LESS_EQUAL,
    KITH_OP_MORE,
    KITH_OP_MORE_EQUAL
} kith_op_t;

typedef struct kith_node {
    kith_node_kind_t kind;
    kith_value_type_t type;       //  of the result
    kith_op_t op;                 //  ARITHMETIC, COMPARE
    bool inverted;                //  not in, not like, is not null
    uint32_t at;                  //  byte position in the text
    uint32_t depth;               //  of the tree below, itself included
    const kith_field_t *field;    //  FIELD, IS_NULL
    uint32_t slot;                //  FIELD, IS_NULL: place in the filter's fields
    kith_value_t value;           //  LITERAL, LIKE (the pattern)
    struct kith_node **children;
    uint32_t count;
    kith_value_t *list;    //  IN: as written
    uint32_t list_count;
    kith_value_t
        *sorted;    //  IN: those that can be equal, in the type of the tested value
    uint32_t sorted_count;
    kith_like_t *like;    //  LIKE: compiled
} kith_node_t;

struct kith_filter {
    atomic_uint references;
    kith_schema_t *schema;
    kith_node_t *root;
    const kith_field_t *fields [KITH_FIELDS_MAX];    //  that it reads
    uint32_t field_count;
    kith_arena_t arena;
};

//  Less, equal, greater as -1, 0, 1; exact. A NaN is compared by the caller.
int kith_compare_int_real (int64_t integer, double real);
int kith_value_order (const kith_value_t *a, const kith_value_t *b);    //  same type

#endif
