//  filter_parse.c - filter text -> checked tree, by operator precedence (Pratt 1973)
//  SPDX-License-Identifier: Apache-2.0
#include "engine/query/filter_parse.h"

#include <strings.h>

#include "engine/query/filter_build.h"

//  How strongly operators bind, weakest first. Negation with ! or not takes a whole comparison: on conditions this is the same as binding tightly.
enum {
    BIND_NONE,
    BIND_OR,
    BIND_AND,
    BIND_NOT,
    BIND_EQUAL,
    BIND_COMPARE,
    BIND_IN,
    BIND_ADD,
    BIND_MULTIPLY,
    BIND_UNARY,
    BIND_POWER
};

//  Words and symbols that can follow an operand
typedef enum {
    INFIX_NONE,
    INFIX_BINARY,
    INFIX_AND,
    INFIX_OR,
    INFIX_BETWEEN,
    INFIX_IN,
    INFIX_LIKE,
    INFIX_IS,
    INFIX_NOT    //  not in, not like, not between
} s_infix_kind_t;

typedef struct {
    const char *text;
    s_infix_kind_t kind;
    kith_op_t op;
    int bind;
} s_infix_t;

static const s_infix_t s_infixes [] = {
    {"or", INFIX_OR, 0, BIND_OR},
    {"||", INFIX_OR, 0, BIND_OR},
    {"and", INFIX_AND, 0, BIND_AND},
    {"&&", INFIX_AND, 0, BIND_AND},
    {"==", INFIX_BINARY, KITH_OP_EQUAL, BIND_EQUAL},
    {"=", INFIX_BINARY, KITH_OP_EQUAL, BIND_EQUAL},
    {"!=", INFIX_BINARY, KITH_OP_NOT_EQUAL, BIND_EQUAL},
    {"<", INFIX_BINARY, KITH_OP_LESS, BIND_COMPARE},
    {"<=", INFIX_BINARY, KITH_OP_LESS_EQUAL, BIND_COMPARE},
    {">", INFIX_BINARY, KITH_OP_MORE, BIND_COMPARE},
    {">=", INFIX_BINARY, KITH_OP_MORE_EQUAL, BIND_COMPARE},
    {"between", INFIX_BETWEEN, 0, BIND_COMPARE},
    {"in", INFIX_IN, 0, BIND_IN},
    {"like", INFIX_LIKE, 0, BIND_IN},
    {"is", INFIX_IS, 0, BIND_IN},
    {"not", INFIX_NOT, 0, BIND_IN},
    {"+", INFIX_BINARY, KITH_OP_ADD, BIND_ADD},
    {"-", INFIX_BINARY, KITH_OP_SUBTRACT, BIND_ADD},
    {"*", INFIX_BINARY, KITH_OP_MULTIPLY, BIND_MULTIPLY},
    {"/", INFIX_BINARY, KITH_OP_DIVIDE, BIND_MULTIPLY},
    {"%", INFIX_BINARY, KITH_OP_MODULO, BIND_MULTIPLY},
    {"**", INFIX_BINARY, KITH_OP_POWER, BIND_POWER},
};

typedef struct {
    kith_lexer_t lexer;
    kith_builder_t builder;
    kith_token_t token;    //  looked at next
    uint32_t depth;        //  of brackets and prefixes
} s_parser_t;

static kith_node_t *s_expression (s_parser_t *self, int bind);

static int
s_advance (s_parser_t *self)
{
    return kith_lexer_next (&self->lexer, &self->token);
}

static bool
s_is_word (const kith_token_t *token, const char *word)
{
    return token->kind == KITH_TOKEN_NAME && strcasecmp (token->text, word) == 0;
}

static bool
s_is_symbol (const kith_token_t *token, const char *symbol)
{
    return token->kind == KITH_TOKEN_SYMBOL && strcmp (token->symbol, symbol) == 0;
}

//  What the next token does after an operand
static s_infix_t
s_infix (const s_parser_t *self)
{
    for (size_t index = 0; index < sizeof s_infixes / sizeof s_infixes [0]; index++) {
        if (s_is_word (&self->token, s_infixes [index].text)
            || s_is_symbol (&self->token, s_infixes [index].text))
            return s_infixes [index];
    }
    return (s_infix_t){.kind = INFIX_NONE};
}

//  "expected X, not 'Y'", at the next token; returns null
static kith_node_t *
s_expected (s_parser_t *self, const char *what)
{
    const kith_token_t *token = &self->token;
    int length = (int) (token->end - token->at);
    if (token->kind == KITH_TOKEN_END)
        kith_filter_refuse (self->lexer.error, token->at,
                            "the filter ends where %s is "
                            "expected",
                            what);
    else
        kith_filter_refuse (self->lexer.error, token->at, "expected %s, not %.*s%s", what,
                            length > 40 ? 40 : length, self->lexer.text + token->at,
                            length > 40 ? "..." : "");
    return NULL;
}

//  Takes the symbol or reports that it is missing
static bool
s_take_symbol (s_parser_t *self, const char *symbol)
{
    if (s_is_symbol (&self->token, symbol))
        return s_advance (self) == 0;
    char what [16];
    snprintf (what, sizeof what, "'%s'", symbol);
    s_expected (self, what);
    return false;
}

//  ---------------------------------------------------------------------
//  Operands

static bool
s_is_literal (const kith_token_t *token)
{
    return token->kind == KITH_TOKEN_INT || token->kind == KITH_TOKEN_REAL
           || token->kind == KITH_TOKEN_TEXT || s_is_word (token, "true")
           || s_is_word (token, "false");
}

//  Value of the next token, which is a literal; minus was before it
static int
s_literal (s_parser_t *self, bool minus, kith_value_t *value)
{
    const kith_token_t *token = &self->token;
    *value = (kith_value_t){.type = KITH_VALUE_BOOL};
    if (token->kind == KITH_TOKEN_INT) {
        value->type = KITH_VALUE_INT;
        if (token->integer > (uint64_t) INT64_MAX + minus)
            return kith_filter_refuse (self->lexer.error, token->at,
                                       "the number does not fit in an int64");
        value->integer = (int64_t) (minus ? 0 - token->integer : token->integer);
    }
    else if (token->kind == KITH_TOKEN_REAL) {
        value->type = KITH_VALUE_REAL;
        value->real = minus ? -token->real : token->real;
    }
    else if (token->kind == KITH_TOKEN_TEXT) {
        value->type = KITH_VALUE_TEXT;
        value->text = token->text;
        value->length = token->length;
    }
    else
        value->integer = s_is_word (token, "true");
    return s_advance (self);
}

static kith_node_t *
s_literal_node (s_parser_t *self, uint32_t at, bool minus)
{
    kith_value_t value;
    if (s_literal (self, minus, &value) != 0)
        return NULL;
    return kith_build_literal (&self->builder, at, &value);
}

static kith_node_t *
s_minus (s_parser_t *self, uint32_t at)
{
    //  The one number that is only there with its sign
    if (self->token.kind == KITH_TOKEN_INT
        && self->token.integer == (uint64_t) INT64_MAX + 1)
        return s_literal_node (self, at, true);
    kith_node_t *operand = s_expression (self, BIND_UNARY);
    return operand ? kith_build_negate (&self->builder, at, operand) : NULL;
}

//  What begins with a sign, a negation or a bracket
static kith_node_t *
s_prefixed (s_parser_t *self)
{
    kith_token_t first = self->token;
    if (s_advance (self) != 0)
        return NULL;
    if (s_is_symbol (&first, "-"))
        return s_minus (self, first.at);
    if (s_is_symbol (&first, "(")) {
        kith_node_t *inside = s_expression (self, BIND_NONE);
        return inside && s_take_symbol (self, ")") ? inside : NULL;
    }
    bool plus = s_is_symbol (&first, "+");
    kith_node_t *operand = s_expression (self, plus ? BIND_UNARY : BIND_NOT);
    if (!operand)
        return NULL;
    if (!plus)
        return kith_build_not (&self->builder, first.at, operand);
    if (operand->type == KITH_VALUE_INT || operand->type == KITH_VALUE_REAL)
        return operand;
    kith_filter_refuse (self->lexer.error, first.at, "+ needs a number");
    return NULL;
}

static kith_node_t *
s_operand (s_parser_t *self)
{
    const kith_token_t *token = &self->token;
    if (s_is_literal (token))
        return s_literal_node (self, token->at, false);
    bool prefix = s_is_symbol (token, "-") || s_is_symbol (token, "+")
                  || s_is_symbol (token, "!") || s_is_symbol (token, "(")
                  || s_is_word (token, "not");
    if (prefix) {
        if (++self->depth > KITH_FILTER_DEPTH_MAX) {
            kith_filter_refuse (self->lexer.error, token->at,
                                "the filter is nested deeper than %u",
                                KITH_FILTER_DEPTH_MAX);
            return NULL;
        }
        kith_node_t *node = s_prefixed (self);
        self->depth--;
        return node;
    }
    if (token->kind != KITH_TOKEN_NAME)
        return s_expected (self, "a field or a value");
    if (s_is_word (token, "null")
        && !kith_schema_find (self->builder.filter->schema, token->text, NULL)) {
        kith_filter_refuse (self->lexer.error, token->at,
                            "null cannot be compared: use is null or is not null");
        return NULL;
    }
    kith_token_t name = *token;
    return s_advance (self) == 0 ? kith_build_field (&self->builder, &name) : NULL;
}

//  ---------------------------------------------------------------------
//  Operators

//  One listed value; literals only, with a sign
static int
s_list_value (s_parser_t *self, kith_bytes_t *list)
{
    bool minus = s_is_symbol (&self->token, "-");
    if ((minus || s_is_symbol (&self->token, "+")) && s_advance (self) != 0)
        return -1;
    bool number =
        self->token.kind == KITH_TOKEN_INT || self->token.kind == KITH_TOKEN_REAL;
    if (!s_is_literal (&self->token) || (minus && !number)) {
        s_expected (self, "a value");
        return -1;
    }
    kith_value_t value;
    if (s_literal (self, minus, &value) != 0)
        return -1;
    kith_bytes_put (list, &value, sizeof value);
    return 0;
}

static kith_node_t *
s_in (s_parser_t *self, uint32_t at, kith_node_t *tested, bool inverted)
{
    bool round = s_is_symbol (&self->token, "(");
    if (!round && !s_is_symbol (&self->token, "["))
        return s_expected (self, "a list in [ ]");
    const char *close = round ? ")" : "]";
    kith_bytes_t list = {0};
    int status = s_advance (self);
    while (status == 0 && !s_is_symbol (&self->token, close)) {
        status = s_list_value (self, &list);
        if (status != 0 || s_is_symbol (&self->token, close))
            break;
        if (!s_take_symbol (self, ","))
            status = -1;
    }
    kith_node_t *node = NULL;
    if (status == 0 && s_take_symbol (self, close))
        node = kith_build_in (&self->builder, at, tested,
                              (const kith_value_t *) (const void *) list.data,
                              (uint32_t) (list.size / sizeof (kith_value_t)), inverted);
    kith_bytes_free (&list);
    return node;
}

static kith_node_t *
s_is_null (s_parser_t *self, uint32_t at, kith_node_t *tested)
{
    bool inverted = s_is_word (&self->token, "not");
    if (inverted && s_advance (self) != 0)
        return NULL;
    if (!s_is_word (&self->token, "null"))
        return s_expected (self, "null");
    if (s_advance (self) != 0)
        return NULL;
    return kith_build_is_null (&self->builder, at, tested, inverted);
}

//  low <= tested and tested <= high
static kith_node_t *
s_between (s_parser_t *self, uint32_t at, kith_node_t *tested)
{
    kith_node_t *low = s_expression (self, BIND_COMPARE);
    if (!low)
        return NULL;
    if (!s_is_word (&self->token, "and"))
        return s_expected (self, "and");
    kith_node_t *high = s_advance (self) == 0 ? s_expression (self, BIND_COMPARE) : NULL;
    if (!high)
        return NULL;
    kith_builder_t *builder = &self->builder;
    kith_node_t *first = kith_build_binary (builder, KITH_OP_MORE_EQUAL, at, tested, low);
    if (!first)
        return NULL;
    kith_node_t *second =
        kith_build_binary (builder, KITH_OP_LESS_EQUAL, at, tested, high);
    return second ? kith_build_logic (builder, KITH_NODE_AND, at, first, second) : NULL;
}

//  A comparison, and those chained to it: a < b <= c
static kith_node_t *
s_compare (s_parser_t *self, s_infix_t infix, uint32_t at, kith_node_t *left)
{
    kith_node_t *all = NULL;
    for (;;) {
        kith_node_t *right = s_expression (self, infix.bind);
        if (!right)
            return NULL;
        kith_node_t *one = kith_build_binary (&self->builder, infix.op, at, left, right);
        if (!one)
            return NULL;
        all = all ? kith_build_logic (&self->builder, KITH_NODE_AND, at, all, one) : one;
        s_infix_t next = s_infix (self);
        bool chained = infix.bind == BIND_COMPARE && next.kind == INFIX_BINARY
                       && next.bind == BIND_COMPARE;
        if (!all || !chained)
            return all;
        infix = next;
        at = self->token.at;
        left = right;
        if (s_advance (self) != 0)
            return NULL;
    }
}

static kith_node_t *
s_binary (s_parser_t *self, s_infix_t infix, uint32_t at, kith_node_t *left)
{
    if (infix.bind == BIND_COMPARE)
        return s_compare (self, infix, at, left);
    if (infix.bind == BIND_POWER && ++self->depth > KITH_FILTER_DEPTH_MAX) {
        kith_filter_refuse (self->lexer.error, at, "the filter is nested deeper than %u",
                            KITH_FILTER_DEPTH_MAX);
        return NULL;
    }
    //  ** groups from the right and takes a sign: 2 ** -1
    kith_node_t *right =
        s_expression (self, infix.bind == BIND_POWER ? BIND_POWER - 1 : infix.bind);
    self->depth -= infix.bind == BIND_POWER;
    return right ? kith_build_binary (&self->builder, infix.op, at, left, right) : NULL;
}

//  not in, not like, not between; `not` is taken
static kith_node_t *
s_inverted (s_parser_t *self, uint32_t at, kith_node_t *left)
{
    s_infix_t infix = s_infix (self);
    bool known =
        infix.kind == INFIX_IN || infix.kind == INFIX_LIKE || infix.kind == INFIX_BETWEEN;
    if (!known)
        return s_expected (self, "in, like or between");
    if (s_advance (self) != 0)
        return NULL;
    if (infix.kind == INFIX_IN)
        return s_in (self, at, left, true);
    if (infix.kind == INFIX_BETWEEN) {
        kith_node_t *between = s_between (self, at, left);
        return between ? kith_build_not (&self->builder, at, between) : NULL;
    }
    kith_token_t pattern = self->token;
    if (s_advance (self) != 0)
        return NULL;
    return kith_build_like (&self->builder, at, left, &pattern, true);
}

//  What follows an operand; its own token is taken
static kith_node_t *
s_apply (s_parser_t *self, s_infix_t infix, uint32_t at, kith_node_t *left)
{
    kith_node_t *right = NULL;
    kith_token_t pattern = self->token;
    switch (infix.kind) {
        case INFIX_BINARY:
            return s_binary (self, infix, at, left);
        case INFIX_AND:
        case INFIX_OR:
            right = s_expression (self, infix.bind);
            return right ? kith_build_logic (&self->builder,
                                             infix.kind == INFIX_AND ? KITH_NODE_AND
                                                                     : KITH_NODE_OR,
                                             at, left, right)
                         : NULL;
        case INFIX_BETWEEN:
            return s_between (self, at, left);
        case INFIX_IN:
            return s_in (self, at, left, false);
        case INFIX_LIKE:
            if (s_advance (self) != 0)
                return NULL;
            return kith_build_like (&self->builder, at, left, &pattern, false);
        case INFIX_IS:
            return s_is_null (self, at, left);
        case INFIX_NOT:
            return s_inverted (self, at, left);
        case INFIX_NONE:
            break;
    }
    return NULL;
}

//  Parses operators that bind more strongly than `bind`
static kith_node_t *
s_expression (s_parser_t *self, int bind)
{
    kith_node_t *left = s_operand (self);
    while (left) {
        s_infix_t infix = s_infix (self);
        if (infix.kind == INFIX_NONE || infix.bind <= bind)
            return left;
        uint32_t at = self->token.at;
        if (s_advance (self) != 0)
            return NULL;
        left = s_apply (self, infix, at, left);
    }
    return NULL;
}

int
kith_filter_parse (kith_filter_t *filter, const char *text, kith_error_t *error)
{
    s_parser_t self = {.lexer = {.text = text, .arena = &filter->arena, .error = error},
                       .builder = {.filter = filter, .error = error}};
    if (s_advance (&self) != 0)
        return -1;
    if (self.token.kind == KITH_TOKEN_END)
        return kith_filter_refuse (error, 0, "the filter is empty");
    kith_node_t *root = s_expression (&self, BIND_NONE);
    if (!root)
        return -1;
    if (self.token.kind != KITH_TOKEN_END) {
        s_expected (&self, "and, or, or the end");
        return -1;
    }
    if (root->type != KITH_VALUE_BOOL)
        return kith_filter_refuse (error, root->at, "the filter is %s, not a condition",
                                   kith_value_type_name (root->type));
    filter->root = root;
    return 0;
}
