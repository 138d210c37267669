//  filter_build.c - makes checked nodes: each function takes operands, finds the type, or says what is wrong
//  SPDX-License-Identifier: Apache-2.0
#include "engine/query/filter_build.h"

#include <math.h>

const char *
kith_value_type_name (kith_value_type_t type)
{
    switch (type) {
        case KITH_VALUE_BOOL:
            return "bool";
        case KITH_VALUE_INT:
            return "an integer";
        case KITH_VALUE_REAL:
            return "a number";
        case KITH_VALUE_TEXT:
            return "text";
    }
    return "unknown";
}

int
kith_compare_int_real (int64_t integer, double real)
{
    //  2^63 and above, below -2^63: no int64 is there; between, truncation is exact
    if (real >= 9223372036854775808.0)
        return -1;
    if (real < -9223372036854775808.0)
        return 1;
    int64_t whole = (int64_t) real;
    if (integer != whole)
        return integer < whole ? -1 : 1;
    double rest = real - (double) whole;
    return (rest < 0) - (rest > 0);
}

int
kith_value_order (const kith_value_t *a, const kith_value_t *b)
{
    assert (a->type == b->type);
    if (a->type == KITH_VALUE_REAL)
        return (a->real > b->real) - (a->real < b->real);
    if (a->type != KITH_VALUE_TEXT)
        return (a->integer > b->integer) - (a->integer < b->integer);
    uint32_t length = a->length < b->length ? a->length : b->length;
    int order = memcmp (a->text, b->text, length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static bool
s_is_number (kith_value_type_t type)
{
    return type == KITH_VALUE_INT || type == KITH_VALUE_REAL;
}

static kith_node_t *
s_refuse (kith_builder_t *self, uint32_t at, const char *message)
{
    kith_filter_refuse (self->error, at, "%s", message);
    return NULL;
}

//  A node with room for `count` operands; null when there are too many nodes
static kith_node_t *
s_node (kith_builder_t *self, kith_node_kind_t kind, uint32_t at, uint32_t count)
{
    if (++self->nodes > KITH_FILTER_NODES_MAX) {
        kith_filter_refuse (self->error, at,
                            "the filter has more than %u parts: use in [...] for lists",
                            KITH_FILTER_NODES_MAX);
        return NULL;
    }
    kith_arena_t *arena = &self->filter->arena;
    kith_node_t *node = kith_arena_alloc (arena, sizeof *node);
    node->kind = kind;
    node->type = KITH_VALUE_BOOL;
    node->at = at;
    node->depth = 1;
    node->children = kith_arena_alloc (arena, (count + 1) * sizeof (kith_node_t *));
    return node;
}

static kith_node_t *
s_adopt (kith_builder_t *self, kith_node_t *node, kith_node_t *child)
{
    node->children [node->count++] = child;
    if (node->depth < child->depth + 1)
        node->depth = child->depth + 1;
    if (node->depth <= KITH_FILTER_DEPTH_MAX)
        return node;
    kith_filter_refuse (self->error, node->at, "the filter is nested deeper than %u",
                        KITH_FILTER_DEPTH_MAX);
    return NULL;
}

//  ---------------------------------------------------------------------
//  Leaves

static bool
s_value_type (kith_type_t type, kith_value_type_t *value)
{
    switch (type) {
        case KITH_TYPE_BOOL:
            *value = KITH_VALUE_BOOL;
            return true;
        case KITH_TYPE_INT8:
        case KITH_TYPE_INT16:
        case KITH_TYPE_INT32:
        case KITH_TYPE_INT64:
            *value = KITH_VALUE_INT;
            return true;
        case KITH_TYPE_FLOAT:
        case KITH_TYPE_DOUBLE:
            *value = KITH_VALUE_REAL;
            return true;
        case KITH_TYPE_VARCHAR:
            *value = KITH_VALUE_TEXT;
            return true;
        case KITH_TYPE_JSON:
        case KITH_TYPE_FLOAT_VECTOR:
        case KITH_TYPE_FLOAT16_VECTOR:
        case KITH_TYPE_BFLOAT16_VECTOR:
        case KITH_TYPE_INT8_VECTOR:
        case KITH_TYPE_BINARY_VECTOR:
            break;
    }
    return false;
}

//  Place of a field among those that the filter reads
static uint32_t
s_slot (kith_filter_t *filter, const kith_field_t *field)
{
    uint32_t slot = 0;
    while (slot < filter->field_count && filter->fields [slot] != field)
        slot++;
    filter->fields [slot] = field;
    if (slot == filter->field_count)
        filter->field_count++;
    return slot;
}

kith_node_t *
kith_build_field (kith_builder_t *self, const kith_token_t *name)
{
    const kith_field_t *field =
        kith_schema_find (self->filter->schema, name->text, self->error);
    if (!field) {
        if (self->error)
            self->error->at = (int) name->at;
        return NULL;
    }
    kith_node_t *node = s_node (self, KITH_NODE_FIELD, name->at, 0);
    if (!node)
        return NULL;
    //  A field of another type may still be tested for null; kith_build_* refuse the rest
    if (!s_value_type (field->type, &node->type))
        node->type = KITH_VALUE_TEXT;
    node->field = field;
    node->slot = s_slot (self->filter, field);
    return node;
}

//  True if the node has a value that can be worked with
static bool
s_usable (kith_builder_t *self, const kith_node_t *node)
{
    kith_value_type_t type;
    if (node->kind != KITH_NODE_FIELD || s_value_type (node->field->type, &type))
        return true;
    kith_filter_refuse (self->error, node->at,
                        "field %.80s is %s: such values cannot be used in a filter",
                        node->field->name, kith_type_name (node->field->type));
    return false;
}

kith_node_t *
kith_build_literal (kith_builder_t *self, uint32_t at, const kith_value_t *value)
{
    kith_node_t *node = s_node (self, KITH_NODE_LITERAL, at, 0);
    if (node) {
        node->type = value->type;
        node->value = *value;
    }
    return node;
}

//  ---------------------------------------------------------------------
//  Operators with one operand

kith_node_t *
kith_build_negate (kith_builder_t *self, uint32_t at, kith_node_t *operand)
{
    if (!s_usable (self, operand))
        return NULL;
    if (!s_is_number (operand->type))
        return s_refuse (self, at, "- needs a number");
    bool literal = operand->kind == KITH_NODE_LITERAL;
    if (literal && operand->type == KITH_VALUE_REAL) {
        operand->value.real = -operand->value.real;
        return operand;
    }
    if (literal && operand->value.integer != INT64_MIN) {
        operand->value.integer = -operand->value.integer;
        return operand;
    }
    kith_node_t *node = s_node (self, KITH_NODE_NEGATE, at, 1);
    if (!node)
        return NULL;
    node->type = operand->type;
    return s_adopt (self, node, operand);
}

kith_node_t *
kith_build_not (kith_builder_t *self, uint32_t at, kith_node_t *operand)
{
    if (!s_usable (self, operand))
        return NULL;
    if (operand->type != KITH_VALUE_BOOL)
        return s_refuse (self, at, "not needs a condition");
    kith_node_t *node = s_node (self, KITH_NODE_NOT, at, 1);
    return node ? s_adopt (self, node, operand) : NULL;
}

kith_node_t *
kith_build_is_null (kith_builder_t *self, uint32_t at, kith_node_t *tested, bool inverted)
{
    if (tested->kind != KITH_NODE_FIELD)
        return s_refuse (self, at, "only a field can be tested for null");
    kith_node_t *node = s_node (self, KITH_NODE_IS_NULL, tested->at, 0);
    if (!node)
        return NULL;
    node->field = tested->field;
    node->slot = tested->slot;
    node->inverted = inverted;
    return node;
}

kith_node_t *
kith_build_like (kith_builder_t *self, uint32_t at, kith_node_t *tested,
                 const kith_token_t *pattern, bool inverted)
{
    if (!s_usable (self, tested))
        return NULL;
    if (tested->kind != KITH_NODE_FIELD || tested->type != KITH_VALUE_TEXT)
        return s_refuse (self, at, "like needs a varchar field before it");
    if (pattern->kind != KITH_TOKEN_TEXT)
        return s_refuse (self, pattern->at, "like needs a text after it");
    kith_node_t *node = s_node (self, KITH_NODE_LIKE, at, 1);
    if (!node)
        return NULL;
    node->inverted = inverted;
    node->value = (kith_value_t){
        .type = KITH_VALUE_TEXT, .text = pattern->text, .length = pattern->length};
    node->like = kith_like_new (&self->filter->arena, pattern->text, pattern->length);
    if (!node->like)
        return s_refuse (self, pattern->at, "the pattern ends in a lone backslash");
    return s_adopt (self, node, tested);
}

//  ---------------------------------------------------------------------
//  Operators with two operands

//  Numbers beside a float field are rounded to float, so that x == 0.1 means what was stored as 0.1
static void
s_round_to_field (const kith_node_t *field, kith_value_t *value)
{
    if (field->kind != KITH_NODE_FIELD || field->field->type != KITH_TYPE_FLOAT
        || value->type != KITH_VALUE_REAL)
        return;
    float narrow = (float) value->real;
    if (isfinite (narrow))
        value->real = (double) narrow;
}

//  A literal's own copy for this comparison, since a chain uses its middle twice; other nodes as they are
static kith_node_t *
s_beside (kith_builder_t *self, const kith_node_t *field, kith_node_t *node)
{
    if (node->kind != KITH_NODE_LITERAL)
        return node;
    kith_node_t *copy = kith_arena_copy (&self->filter->arena, node, sizeof *node);
    s_round_to_field (field, &copy->value);
    return copy;
}

static kith_node_t *
s_build_arithmetic (kith_builder_t *self, kith_op_t op, uint32_t at, kith_node_t *left,
                    kith_node_t *right)
{
    if (!s_is_number (left->type) || !s_is_number (right->type))
        return s_refuse (self, at, "arithmetic needs numbers on both sides");
    bool real = left->type == KITH_VALUE_REAL || right->type == KITH_VALUE_REAL;
    if (op == KITH_OP_MODULO && real)
        return s_refuse (self, at, "% needs integers on both sides");
    kith_node_t *node = s_node (self, KITH_NODE_ARITHMETIC, at, 2);
    if (!node)
        return NULL;
    node->op = op;
    node->type = real || op == KITH_OP_POWER ? KITH_VALUE_REAL : KITH_VALUE_INT;
    return s_adopt (self, node, left) ? s_adopt (self, node, right) : NULL;
}

static kith_node_t *
s_build_compare (kith_builder_t *self, kith_op_t op, uint32_t at, kith_node_t *left,
                 kith_node_t *right)
{
    bool same = left->type == right->type
                || (s_is_number (left->type) && s_is_number (right->type));
    if (!same) {
        kith_filter_refuse (self->error, at, "%s cannot be compared with %s",
                            kith_value_type_name (left->type),
                            kith_value_type_name (right->type));
        return NULL;
    }
    bool equality = op == KITH_OP_EQUAL || op == KITH_OP_NOT_EQUAL;
    if (left->type == KITH_VALUE_BOOL && !equality)
        return s_refuse (self, at, "bool values can only be equal or not");
    kith_node_t *first = s_beside (self, right, left);
    kith_node_t *second = s_beside (self, left, right);
    kith_node_t *node = s_node (self, KITH_NODE_COMPARE, at, 2);
    if (!node)
        return NULL;
    node->op = op;
    return s_adopt (self, node, first) ? s_adopt (self, node, second) : NULL;
}

kith_node_t *
kith_build_binary (kith_builder_t *self, kith_op_t op, uint32_t at, kith_node_t *left,
                   kith_node_t *right)
{
    if (!s_usable (self, left) || !s_usable (self, right))
        return NULL;
    if (op <= KITH_OP_POWER)
        return s_build_arithmetic (self, op, at, left, right);
    return s_build_compare (self, op, at, left, right);
}

kith_node_t *
kith_build_logic (kith_builder_t *self, kith_node_kind_t kind, uint32_t at,
                  kith_node_t *left, kith_node_t *right)
{
    if (!s_usable (self, left) || !s_usable (self, right))
        return NULL;
    if (left->type != KITH_VALUE_BOOL || right->type != KITH_VALUE_BOOL)
        return s_refuse (self, at, "and, or need a condition on both sides");
    //  The left side of a chain grows by doubling, as a list does
    if (left->kind == kind && left->count >= 2) {
        if ((left->count & (left->count - 1)) == 0) {
            kith_node_t **larger = kith_arena_alloc (
                &self->filter->arena, (size_t) left->count * 2 * sizeof larger [0]);
            memcpy (larger, left->children, left->count * sizeof larger [0]);
            left->children = larger;
        }
        return s_adopt (self, left, right);
    }
    kith_node_t *node = s_node (self, kind, at, 2);
    if (!node)
        return NULL;
    return s_adopt (self, node, left) ? s_adopt (self, node, right) : NULL;
}

//  ---------------------------------------------------------------------
//  Lists

//  Turns a listed value into the tested one's type; false: it can never be equal to one
static bool
s_convert (const kith_node_t *tested, kith_value_t *value)
{
    s_round_to_field (tested, value);
    if (value->type == tested->type)
        return true;
    if (tested->type == KITH_VALUE_INT) {
        double real = value->real;
        if (!(real >= -9223372036854775808.0 && real < 9223372036854775808.0)
            || kith_compare_int_real ((int64_t) real, real) != 0)
            return false;
        *value = (kith_value_t){.type = KITH_VALUE_INT, .integer = (int64_t) real};
        return true;
    }
    double real = (double) value->integer;
    if (kith_compare_int_real (value->integer, real) != 0)
        return false;
    *value = (kith_value_t){.type = KITH_VALUE_REAL, .real = real};
    return true;
}

static int
s_compare_values (const void *a, const void *b)
{
    return kith_value_order (a, b);
}

kith_node_t *
kith_build_in (kith_builder_t *self, uint32_t at, kith_node_t *tested,
               const kith_value_t *list, uint32_t count, bool inverted)
{
    if (!s_usable (self, tested))
        return NULL;
    kith_node_t *node = s_node (self, KITH_NODE_IN, at, 1);
    if (!node)
        return NULL;
    node->inverted = inverted;
    kith_arena_t *arena = &self->filter->arena;
    node->list = kith_arena_alloc (arena, (count + 1) * sizeof node->list [0]);
    node->sorted = kith_arena_alloc (arena, (count + 1) * sizeof node->list [0]);
    for (uint32_t index = 0; index < count; index++) {
        bool same = list [index].type == tested->type
                    || (s_is_number (list [index].type) && s_is_number (tested->type));
        if (!same) {
            kith_filter_refuse (self->error, at,
                                "value %" PRIu32 " of the list is %s, but %s is tested",
                                index + 1, kith_value_type_name (list [index].type),
                                kith_value_type_name (tested->type));
            return NULL;
        }
        kith_value_t value = list [index];
        node->list [node->list_count++] = value;
        if (s_convert (tested, &value))
            node->sorted [node->sorted_count++] = value;
    }
    qsort (node->sorted, node->sorted_count, sizeof node->sorted [0], s_compare_values);
    return s_adopt (self, node, tested);
}
