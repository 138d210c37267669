//  filter_print.c - checked tree -> canonical text
//  SPDX-License-Identifier: Apache-2.0
#include "engine/query/filter_tree.h"

//  How strongly each node binds, as in filter_parse.c
enum {
    BIND_OR = 1,
    BIND_AND,
    BIND_NOT,
    BIND_EQUAL,
    BIND_COMPARE,
    BIND_IN,
    BIND_ADD,
    BIND_MULTIPLY,
    BIND_UNARY,
    BIND_POWER,
    BIND_LEAF
};

static const struct {
    const char *text;
    int bind;
} s_ops [] = {
    [KITH_OP_ADD] = {"+", BIND_ADD},
    [KITH_OP_SUBTRACT] = {"-", BIND_ADD},
    [KITH_OP_MULTIPLY] = {"*", BIND_MULTIPLY},
    [KITH_OP_DIVIDE] = {"/", BIND_MULTIPLY},
    [KITH_OP_MODULO] = {"%", BIND_MULTIPLY},
    [KITH_OP_POWER] = {"**", BIND_POWER},
    [KITH_OP_EQUAL] = {"==", BIND_EQUAL},
    [KITH_OP_NOT_EQUAL] = {"!=", BIND_EQUAL},
    [KITH_OP_LESS] = {"<", BIND_COMPARE},
    [KITH_OP_LESS_EQUAL] = {"<=", BIND_COMPARE},
    [KITH_OP_MORE] = {">", BIND_COMPARE},
    [KITH_OP_MORE_EQUAL] = {">=", BIND_COMPARE},
};

static void s_print (kith_bytes_t *out, const kith_node_t *node, int bind);

static void
s_print_text (kith_bytes_t *out, const char *text, uint32_t length)
{
    kith_bytes_put_u8 (out, '"');
    for (uint32_t at = 0; at < length; at++) {
        unsigned char letter = (unsigned char) text [at];
        if (letter < 0x20 || letter == 0x7f)
            kith_bytes_printf (out, "\\u%04x", letter);
        else {
            if (letter == '"' || letter == '\\')
                kith_bytes_put_u8 (out, '\\');
            kith_bytes_put_u8 (out, letter);
        }
    }
    kith_bytes_put_u8 (out, '"');
}

static void
s_print_value (kith_bytes_t *out, const kith_value_t *value)
{
    char number [64];
    switch (value->type) {
        case KITH_VALUE_BOOL:
            kith_bytes_printf (out, "%s", value->integer ? "true" : "false");
            break;
        case KITH_VALUE_INT:
            kith_bytes_printf (out, "%" PRId64, value->integer);
            break;
        case KITH_VALUE_REAL:
            //  With a point or an exponent, or it would be read as an integer
            snprintf (number, sizeof number, "%.17g", value->real);
            kith_bytes_printf (out, "%s%s", number, strpbrk (number, ".e") ? "" : ".0");
            break;
        case KITH_VALUE_TEXT:
            s_print_text (out, value->text, value->length);
            break;
    }
}

static int
s_bind (const kith_node_t *node)
{
    switch (node->kind) {
        case KITH_NODE_FIELD:
            return BIND_LEAF;
        case KITH_NODE_LITERAL: {
            bool sign =
                node->value.type == KITH_VALUE_REAL
                    ? __builtin_signbit (node->value.real) != 0
                    : node->value.type == KITH_VALUE_INT && node->value.integer < 0;
            return sign ? BIND_UNARY : BIND_LEAF;
        }
        case KITH_NODE_NEGATE:
            return BIND_UNARY;
        case KITH_NODE_ARITHMETIC:
        case KITH_NODE_COMPARE:
            return s_ops [node->op].bind;
        case KITH_NODE_AND:
            return BIND_AND;
        case KITH_NODE_OR:
            return BIND_OR;
        case KITH_NODE_NOT:
            return BIND_NOT;
        case KITH_NODE_IN:
        case KITH_NODE_LIKE:
        case KITH_NODE_IS_NULL:
            return BIND_IN;
    }
    return BIND_LEAF;
}

static void
s_print_in (kith_bytes_t *out, const kith_node_t *node)
{
    s_print (out, node->children [0], BIND_IN);
    kith_bytes_printf (out, " %sin [", node->inverted ? "not " : "");
    for (uint32_t index = 0; index < node->list_count; index++) {
        kith_bytes_printf (out, "%s", index ? ", " : "");
        s_print_value (out, &node->list [index]);
    }
    kith_bytes_put_u8 (out, ']');
}

//  Operands of a binary operator: both sides in brackets unless they bind more strongly, but for the side to which it groups
static void
s_print_binary (kith_bytes_t *out, const kith_node_t *node)
{
    int bind = s_ops [node->op].bind;
    bool right = node->op == KITH_OP_POWER;
    //  A comparison beside another would be read as a chain
    bool strict = right || bind == BIND_COMPARE;
    s_print (out, node->children [0], strict ? bind + 1 : bind);
    kith_bytes_printf (out, " %s ", s_ops [node->op].text);
    s_print (out, node->children [1], right ? bind : bind + 1);
}

static void
s_print_node (kith_bytes_t *out, const kith_node_t *node)
{
    switch (node->kind) {
        case KITH_NODE_FIELD:
            kith_bytes_printf (out, "%s", node->field->name);
            break;
        case KITH_NODE_LITERAL:
            s_print_value (out, &node->value);
            break;
        case KITH_NODE_NEGATE:
            //  - before a literal would become part of it
            kith_bytes_put_u8 (out, '-');
            s_print (out, node->children [0], BIND_UNARY);
            break;
        case KITH_NODE_ARITHMETIC:
        case KITH_NODE_COMPARE:
            s_print_binary (out, node);
            break;
        case KITH_NODE_AND:
        case KITH_NODE_OR:
            for (uint32_t index = 0; index < node->count; index++) {
                if (index)
                    kith_bytes_printf (out,
                                       node->kind == KITH_NODE_AND ? " and " : " or ");
                s_print (out, node->children [index], s_bind (node) + 1);
            }
            break;
        case KITH_NODE_NOT:
            kith_bytes_printf (out, "not ");
            s_print (out, node->children [0], BIND_NOT);
            break;
        case KITH_NODE_IN:
            s_print_in (out, node);
            break;
        case KITH_NODE_LIKE:
            s_print (out, node->children [0], BIND_IN);
            kith_bytes_printf (out, " %slike ", node->inverted ? "not " : "");
            s_print_text (out, node->value.text, node->value.length);
            break;
        case KITH_NODE_IS_NULL:
            kith_bytes_printf (out, "%s is %snull", node->field->name,
                               node->inverted ? "not " : "");
            break;
    }
}

//  Prints a node that stands where only what binds at least as `bind` may
static void
s_print (kith_bytes_t *out, const kith_node_t *node, int bind)
{
    bool brackets = s_bind (node) < bind;
    if (brackets)
        kith_bytes_put_u8 (out, '(');
    s_print_node (out, node);
    if (brackets)
        kith_bytes_put_u8 (out, ')');
}

char *
kith_filter_print (const kith_filter_t *self)
{
    assert (self);
    kith_bytes_t out = {0};
    s_print (&out, self->root, 0);
    kith_bytes_put_u8 (&out, 0);
    char *text = kith_strdup ((const char *) out.data);
    kith_bytes_free (&out);
    return text;
}
