//  test_filter_rows.c - the filter language against an interpreter that looks at one row at a time
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>

#include "engine/query/filter.h"
#include "tests/unit/engine/model.h"

//  ---------------------------------------------------------------------
//  Own trees, their text, and what they mean

typedef enum { T_INT, T_REAL, T_TEXT, T_BOOL } kind_t;

__extension__ typedef __int128 wide_t;

//  A value of one row; unknown: null
typedef struct {
    kind_t kind;
    bool known;
    long double number;    //  holds every int64 and every double
    const char *text;
    bool truth;
} value_t;

typedef enum {
    TREE_NUMBER,
    TREE_REAL,
    TREE_NARROW,
    TREE_SMALL,
    TREE_FLAG,
    TREE_TEXT,
    TREE_ID,
    TREE_LITERAL,
    TREE_MINUS,
    TREE_ARITHMETIC,
    TREE_COMPARE,
    TREE_CHAIN,
    TREE_BETWEEN,
    TREE_IN,
    TREE_LIKE,
    TREE_NULL,
    TREE_NOT,
    TREE_AND,
    TREE_OR
} what_t;

typedef struct tree {
    what_t what;
    kind_t kind;
    const char *op;
    const char *op2;
    bool inverted;
    struct tree *a, *b, *c;
    value_t literal;
    value_t list [4];
    uint32_t list_count;
    const char *pattern;
} tree_t;

static const char *const s_texts [] = {
    "", "prince", "queen", "50% off", "a_b", "k\303\244se", "qu\"x", "zebra", "pri", "q"};
static const char *const s_patterns [] = {"%",     "",      "q%",    "%e%", "_rince",
                                          "k_se",  "%\\%%", "a\\_b", "%n",  "p%n%e",
                                          "_____", "%a%",   "q%\"_", "%_b%"};

static tree_t *
s_tree (what_t what, kind_t kind)
{
    tree_t *tree = kith_new (sizeof *tree);
    tree->what = what;
    tree->kind = kind;
    return tree;
}

static void
s_free (tree_t *tree)
{
    if (!tree)
        return;
    s_free (tree->a);
    s_free (tree->b);
    s_free (tree->c);
    free (tree);
}

static uint32_t
s_pick (kith_random_t *random, uint32_t limit)
{
    return (uint32_t) kith_random_below (random, limit);
}

static value_t
s_random_literal (kith_random_t *random, kind_t kind)
{
    value_t value = {.kind = kind, .known = true};
    static const long double ends [] = {9223372036854775807.0L, -9223372036854775808.0L,
                                        9223372036854775806.0L, 0};
    if (kind == T_INT)
        value.number = s_pick (random, 20) ? (long double) s_pick (random, 20) - 10
                                           : ends [s_pick (random, 4)];
    else if (kind == T_REAL)
        value.number = s_pick (random, 20) ? (long double) s_pick (random, 40) / 4 - 5
                                           : 9223372036854775808.0L;
    else if (kind == T_TEXT)
        value.text = s_texts [s_pick (random, sizeof s_texts / sizeof s_texts [0])];
    else
        value.truth = s_pick (random, 2);
    //  Tenths, which float and double round differently
    if (kind == T_REAL && s_pick (random, 4) == 0)
        value.number = (long double) ((double) s_pick (random, 20) / 10);
    return value;
}

static tree_t *
s_random_leaf (kith_random_t *random, kind_t kind)
{
    if (s_pick (random, 2)) {
        tree_t *tree = s_tree (TREE_LITERAL, kind);
        tree->literal = s_random_literal (random, kind);
        return tree;
    }
    switch (kind) {
        case T_INT:
            return s_tree (s_pick (random, 3) == 0 ? TREE_ID
                           : s_pick (random, 2)    ? TREE_NUMBER
                                                   : TREE_SMALL,
                           kind);
        case T_REAL:
            return s_tree (s_pick (random, 2) ? TREE_REAL : TREE_NARROW, kind);
        case T_TEXT:
            return s_tree (TREE_TEXT, kind);
        case T_BOOL:
            break;
    }
    return s_tree (TREE_FLAG, kind);
}

static tree_t *
s_random_number (kith_random_t *random, kind_t kind, int depth)
{
    if (depth == 0 || s_pick (random, 2))
        return s_random_leaf (random, kind);
    if (s_pick (random, 5) == 0) {
        tree_t *tree = s_tree (TREE_MINUS, kind);
        tree->a = s_random_number (random, kind, depth - 1);
        return tree;
    }
    static const char *const integer [] = {"+", "-", "*", "/", "%"};
    tree_t *tree = s_tree (TREE_ARITHMETIC, kind);
    tree->op = integer [s_pick (random, kind == T_INT ? 5 : 4)];
    tree->a = s_random_number (random, kind, depth - 1);
    tree->b = s_random_number (
        random, kind == T_REAL && s_pick (random, 2) ? T_INT : kind, depth - 1);
    return tree;
}

static tree_t *
s_random_operand (kith_random_t *random, kind_t kind, int depth)
{
    return kind == T_TEXT ? s_random_leaf (random, T_TEXT)
                          : s_random_number (random, kind, depth);
}

static tree_t *
s_random_test (kith_random_t *random, int depth)
{
    static const char *const ops [] = {"<", "<=", ">", ">=", "==", "!="};
    static const what_t nullable [] = {TREE_NUMBER, TREE_REAL, TREE_FLAG, TREE_TEXT};
    static const kind_t nullable_kinds [] = {T_INT, T_REAL, T_BOOL, T_TEXT};
    uint32_t what = s_pick (random, 9);
    kind_t kind = (kind_t) s_pick (random, 3);
    kind_t other = kind != T_TEXT && s_pick (random, 3) == 0
                       ? (kind == T_INT ? T_REAL : T_INT)
                       : kind;
    if (what < 3) {
        tree_t *tree = s_tree (TREE_COMPARE, T_BOOL);
        tree->op = ops [s_pick (random, 6)];
        tree->a = s_random_operand (random, kind, depth);
        tree->b = s_random_operand (random, other, depth);
        return tree;
    }
    if (what < 5) {
        tree_t *tree = s_tree (what == 3 ? TREE_CHAIN : TREE_BETWEEN, T_BOOL);
        tree->inverted = what == 4 && s_pick (random, 3) == 0;
        tree->op = ops [s_pick (random, 4)];
        tree->op2 = ops [s_pick (random, 4)];
        tree->a = s_random_operand (random, kind, depth);
        tree->b = s_random_operand (random, other, depth);
        tree->c = s_random_operand (random, kind, depth);
        return tree;
    }
    if (what == 5) {
        tree_t *tree = s_tree (TREE_IN, T_BOOL);
        tree->a = s_random_operand (random, kind, depth);
        tree->inverted = s_pick (random, 2);
        tree->list_count = s_pick (random, 5);
        for (uint32_t index = 0; index < tree->list_count; index++)
            tree->list [index] =
                s_random_literal (random, s_pick (random, 3) ? kind : other);
        return tree;
    }
    if (what == 6) {
        tree_t *tree = s_tree (TREE_LIKE, T_BOOL);
        tree->a = s_tree (TREE_TEXT, T_TEXT);
        tree->inverted = s_pick (random, 3) == 0;
        tree->pattern =
            s_patterns [s_pick (random, sizeof s_patterns / sizeof s_patterns [0])];
        return tree;
    }
    if (what == 7) {
        uint32_t field = s_pick (random, 4);
        tree_t *tree = s_tree (TREE_NULL, T_BOOL);
        tree->a = s_tree (nullable [field], nullable_kinds [field]);
        tree->inverted = s_pick (random, 2);
        return tree;
    }
    return s_random_leaf (random, T_BOOL);
}

static tree_t *
s_random_condition (kith_random_t *random, int depth)
{
    if (depth == 0 || s_pick (random, 3) == 0)
        return s_random_test (random, depth);
    uint32_t what = s_pick (random, 7);
    tree_t *tree = s_tree (what < 3    ? TREE_AND
                           : what < 5  ? TREE_OR
                           : what == 5 ? TREE_NOT
                                       : TREE_COMPARE,
                           T_BOOL);
    tree->op = s_pick (random, 2) ? "==" : "!=";
    tree->a = s_random_condition (random, depth - 1);
    if (what != 5)
        tree->b = s_random_condition (random, depth - 1);
    return tree;
}

//  ---------------------------------------------------------------------
//  Text: brackets everywhere, words in any case

static void s_write (kith_random_t *random, const tree_t *tree, kith_bytes_t *out);

static void
s_write_text (const char *text, char quote, kith_bytes_t *out)
{
    kith_bytes_put_u8 (out, (uint8_t) quote);
    for (; *text; text++) {
        if (*text == quote || *text == '\\')
            kith_bytes_put_u8 (out, '\\');
        kith_bytes_put_u8 (out, (uint8_t) *text);
    }
    kith_bytes_put_u8 (out, (uint8_t) quote);
}

static void
s_write_value (kith_random_t *random, const value_t *value, kith_bytes_t *out)
{
    switch (value->kind) {
        case T_INT:
            kith_bytes_printf (out, "%" PRId64, (int64_t) value->number);
            break;
        case T_REAL:
            kith_bytes_printf (out, "%.17e", (double) value->number);
            break;
        case T_TEXT:
            s_write_text (value->text, s_pick (random, 2) ? '"' : '\'', out);
            break;
        case T_BOOL:
            kith_bytes_printf (out, "%s",
                               value->truth ? (s_pick (random, 2) ? "true" : "True")
                                            : "false");
            break;
    }
}

static void
s_write_inside (kith_random_t *random, const tree_t *tree, kith_bytes_t *out)
{
    kith_bytes_printf (out, "(");
    s_write (random, tree, out);
    kith_bytes_printf (out, s_pick (random, 3) ? ")" : " )");
}

static void
s_write_infix (kith_random_t *random, const tree_t *a, const char *op, const tree_t *b,
               kith_bytes_t *out)
{
    if (a)
        s_write_inside (random, a, out);
    kith_bytes_printf (out, " %s ", op);
    s_write_inside (random, b, out);
}

static const char *
s_not (const tree_t *tree)
{
    return tree->inverted ? " NOT" : "";
}

static void
s_write (kith_random_t *random, const tree_t *tree, kith_bytes_t *out)
{
    static const char *const names [] = {"number", "real", "narrow", "small",
                                         "flag",   "text", "id"};
    switch (tree->what) {
        case TREE_LITERAL:
            s_write_value (random, &tree->literal, out);
            break;
        case TREE_MINUS:
        case TREE_NOT:
            s_write_infix (random, NULL,
                           tree->what == TREE_MINUS ? "-"
                           : s_pick (random, 2)     ? "not"
                                                    : "!",
                           tree->a, out);
            break;
        case TREE_ARITHMETIC:
        case TREE_COMPARE:
            s_write_infix (random, tree->a,
                           strcmp (tree->op, "==") == 0 && s_pick (random, 2) ? "="
                                                                              : tree->op,
                           tree->b, out);
            break;
        case TREE_CHAIN:
            s_write_infix (random, tree->a, tree->op, tree->b, out);
            s_write_infix (random, NULL, tree->op2, tree->c, out);
            break;
        case TREE_BETWEEN:
            s_write_inside (random, tree->a, out);
            kith_bytes_printf (out, "%s BETWEEN ", s_not (tree));
            s_write_infix (random, tree->b, "and", tree->c, out);
            break;
        case TREE_IN:
            s_write_inside (random, tree->a, out);
            kith_bytes_printf (out, "%s in %s", s_not (tree),
                               tree->list_count ? "[" : "[ ");
            for (uint32_t index = 0; index < tree->list_count; index++) {
                kith_bytes_printf (out, "%s", index ? "," : "");
                s_write_value (random, &tree->list [index], out);
            }
            kith_bytes_printf (out, "]");
            break;
        case TREE_LIKE:
            kith_bytes_printf (out, "text%s like ", s_not (tree));
            s_write_text (tree->pattern, '"', out);
            break;
        case TREE_NULL:
            s_write (random, tree->a, out);
            kith_bytes_printf (out, " is%s null", s_not (tree));
            break;
        case TREE_AND:
        case TREE_OR: {
            static const char *const words [] = {"and", "&&", "AND", "or", "||", "Or"};
            s_write_infix (random, tree->a,
                           words [s_pick (random, 3) + (tree->what == TREE_OR ? 3 : 0)],
                           tree->b, out);
            break;
        }
        case TREE_NUMBER:
        case TREE_REAL:
        case TREE_NARROW:
        case TREE_SMALL:
        case TREE_FLAG:
        case TREE_TEXT:
        case TREE_ID:
            kith_bytes_printf (out, "%s", names [tree->what]);
            break;
    }
}

//  ---------------------------------------------------------------------
//  Meaning

static value_t s_mean (const tree_t *tree, const model_row_t *row);

static value_t
s_number (kind_t kind, bool known, long double number)
{
    return (value_t){.kind = kind, .known = known, .number = number};
}

static value_t
s_arithmetic (const tree_t *tree, value_t a, value_t b)
{
    value_t out = s_number (tree->kind, a.known && b.known, 0);
    if (!out.known)
        return out;
    bool division = tree->op [0] == '/' || tree->op [0] == '%';
    if (division && b.number == 0)
        return s_number (tree->kind, false, 0);
    if (tree->kind == T_REAL) {
        double x = (double) a.number;
        double y = (double) b.number;
        double result = tree->op [0] == '+'   ? x + y
                        : tree->op [0] == '-' ? x - y
                        : tree->op [0] == '*' ? x * y
                                              : x / y;
        out.number = (long double) result;
        return out;
    }
    wide_t x = (wide_t) a.number;
    wide_t y = (wide_t) b.number;
    wide_t result = tree->op [0] == '+'   ? x + y
                    : tree->op [0] == '-' ? x - y
                    : tree->op [0] == '*' ? x * y
                    : tree->op [0] == '/' ? x / y
                                          : x % y;
    out.known = result >= INT64_MIN && result <= INT64_MAX;
    out.number = out.known ? (long double) (int64_t) result : 0;
    return out;
}

static int
s_sign (value_t a, value_t b)
{
    if (a.kind == T_TEXT) {
        int order = strcmp (a.text, b.text);
        return (order > 0) - (order < 0);
    }
    return (a.number > b.number) - (a.number < b.number);
}

//  1 true, 0 false, -1 unknown
static int
s_compare (const char *op, const tree_t *left, const tree_t *right,
           const model_row_t *row)
{
    value_t a = s_mean (left, row);
    value_t b = s_mean (right, row);
    //  A number beside a float field is meant as a float
    if (left->what == TREE_NARROW && right->what == TREE_LITERAL && right->kind == T_REAL)
        b.number = (long double) (float) b.number;
    if (right->what == TREE_NARROW && left->what == TREE_LITERAL && left->kind == T_REAL)
        a.number = (long double) (float) a.number;
    if (!a.known || !b.known)
        return -1;
    if (a.kind == T_BOOL)
        return (a.truth == b.truth) == (op [0] == '=');
    int sign = s_sign (a, b);
    bool equal = op [0] == '=' || (op [0] != '!' && op [1] == '=');
    return op [0] == '!'   ? sign != 0
           : op [0] == '<' ? sign < 0 || (equal && sign == 0)
           : op [0] == '>' ? sign > 0 || (equal && sign == 0)
                           : sign == 0;
}

//  Characters, not bytes
static bool
s_like (const char *text, const char *pattern)
{
    if (!*pattern)
        return !*text;
    if (*pattern == '%')
        return s_like (text, pattern + 1) || (*text && s_like (text + 1, pattern));
    if (!*text)
        return false;
    if (*pattern == '_') {
        do
            text++;
        while (((unsigned char) *text & 0xc0) == 0x80);
        return s_like (text, pattern + 1);
    }
    pattern += *pattern == '\\';
    return *text == *pattern && s_like (text + 1, pattern + 1);
}

static int
s_in (const tree_t *tree, const model_row_t *row)
{
    value_t tested = s_mean (tree->a, row);
    if (!tested.known)
        return -1;
    bool found = false;
    for (uint32_t index = 0; index < tree->list_count; index++) {
        value_t one = tree->list [index];
        if (tree->a->what == TREE_NARROW && one.kind == T_REAL)
            one.number = (long double) (float) one.number;
        found |= s_sign (tested, one) == 0;
    }
    return found;
}

static int
s_truth (value_t value)
{
    return value.known ? value.truth : -1;
}

static int
s_and (int a, int b)
{
    return a == 0 || b == 0 ? 0 : a == 1 && b == 1 ? 1 : -1;
}

static int
s_condition (const tree_t *tree, const model_row_t *row)
{
    int result = -1;
    switch ((int) tree->what) {
        case TREE_COMPARE:
            return s_compare (tree->op, tree->a, tree->b, row);
        case TREE_CHAIN:
            return s_and (s_compare (tree->op, tree->a, tree->b, row),
                          s_compare (tree->op2, tree->b, tree->c, row));
        case TREE_BETWEEN:
            result = s_and (s_compare (">=", tree->a, tree->b, row),
                            s_compare ("<=", tree->a, tree->c, row));
            break;
        case TREE_IN:
            result = s_in (tree, row);
            break;
        case TREE_LIKE: {
            value_t text = s_mean (tree->a, row);
            result = text.known ? s_like (text.text, tree->pattern) : -1;
            break;
        }
        case TREE_NULL:
            result = !s_mean (tree->a, row).known;
            break;
        case TREE_NOT: {
            int inside = s_truth (s_mean (tree->a, row));
            return inside < 0 ? -1 : !inside;
        }
        case TREE_AND:
            return s_and (s_truth (s_mean (tree->a, row)),
                          s_truth (s_mean (tree->b, row)));
        case TREE_OR: {
            int a = s_truth (s_mean (tree->a, row));
            int b = s_truth (s_mean (tree->b, row));
            return a == 1 || b == 1 ? 1 : a == 0 && b == 0 ? 0 : -1;
        }
    }
    return result < 0 || !tree->inverted ? result : !result;
}

static value_t
s_mean (const tree_t *tree, const model_row_t *row)
{
    switch ((int) tree->what) {
        case TREE_NUMBER:
            return s_number (T_INT, row->has_number, row->number);
        case TREE_REAL:
            return s_number (T_REAL, true, (long double) row->real);
        case TREE_NARROW:
            return s_number (T_REAL, true, (long double) row->narrow);
        case TREE_SMALL:
            return s_number (T_INT, true, row->small);
        case TREE_ID:
            return s_number (T_INT, true, row->key);
        case TREE_TEXT:
            return (value_t){.kind = T_TEXT, .known = row->has_text, .text = row->text};
        case TREE_FLAG:
            return (value_t){.kind = T_BOOL, .known = row->has_flag, .truth = row->flag};
        case TREE_LITERAL:
            return tree->literal;
        case TREE_MINUS: {
            value_t value = s_mean (tree->a, row);
            value.number = -value.number;
            value.known &= tree->kind == T_REAL || value.number <= 9223372036854775807.0L;
            return value;
        }
        case TREE_ARITHMETIC:
            return s_arithmetic (tree, s_mean (tree->a, row), s_mean (tree->b, row));
    }
    int result = s_condition (tree, row);
    return (value_t){.kind = T_BOOL, .known = result >= 0, .truth = result == 1};
}

//  ---------------------------------------------------------------------

typedef struct {
    model_t *model;
    kith_segment_t *growing;
    kith_segment_t *sealed;
    kith_bytes_t sealed_rows;    //  u32: model row of each sealed one
} data_t;

//  Rows whose keys are all different, so that a model row is a segment row
static data_t
s_data (uint32_t rows)
{
    data_t data = {.model = model_new (4, false, KITH_METRIC_L2)};
    data.growing = kith_segment_grow (data.model->schema, 0, 0);
    while (model_count (data.model) < rows) {
        model_insert (data.model, 90, UINT32_MAX, 2);
        cr_assert_eq (kith_segment_apply (
                          data.growing, model_record (data.model, data.model->seq), NULL),
                      0);
    }
    cr_assert (model_flush (data.model, 0, data.model->seq, "a"));
    data.sealed = model_open (data.model, "a", NULL);
    cr_assert_eq (kith_segment_rows (data.sealed), model_count (data.model));
    return data;
}

static void
s_data_free (data_t *data)
{
    kith_segment_destroy (&data->growing);
    kith_segment_destroy (&data->sealed);
    model_destroy (&data->model);
}

static void
s_check_rows (const data_t *data, const kith_filter_t *filter, const tree_t *tree,
              const char *text)
{
    for (int which = 0; which < 2; which++) {
        const kith_segment_t *segment = which ? data->sealed : data->growing;
        kith_bits_t bits;
        kith_bits_init (&bits, kith_segment_rows (segment), true);
        kith_bits_drop (&bits, 7);
        kith_filter_eval (filter, segment, &bits);
        cr_assert (!kith_bits_get (&bits, 7), "a row came back");
        for (uint32_t row = 0; row < bits.count; row++) {
            int wanted = s_condition (tree, model_row (data->model, row));
            if (tree->what <= TREE_LITERAL)
                wanted = s_truth (s_mean (tree, model_row (data->model, row)));
            cr_assert (row == 7 || kith_bits_get (&bits, row) == (wanted == 1),
                       "row %u, %s: %s", row, wanted == 1 ? "missing" : "too many", text);
        }
        kith_bits_free (&bits);
    }
}

Test (filter_rows, random_trees)
{
    data_t data = s_data (1500);
    kith_random_t random;
    kith_random_seed (&random, 99);
    uint32_t selective = 0;
    for (uint32_t round = 0; round < 1200; round++) {
        tree_t *tree = s_random_condition (&random, 3);
        kith_bytes_t text = {0};
        s_write (&random, tree, &text);
        kith_bytes_put_u8 (&text, 0);
        kith_error_t error = {0};
        kith_filter_t *filter =
            kith_filter_new ((const char *) text.data, data.model->schema, &error);
        cr_assert (filter, "%s at %d: %s", error.message, error.at, text.data);
        s_check_rows (&data, filter, tree, (const char *) text.data);

        //  The canonical text means the same and is its own canonical text
        char *printed = kith_filter_print (filter);
        kith_filter_t *again = kith_filter_new (printed, data.model->schema, &error);
        cr_assert (again, "%s at %d: %s", error.message, error.at, printed);
        char *printed_again = kith_filter_print (again);
        cr_assert_str_eq (printed, printed_again);
        s_check_rows (&data, again, tree, printed);
        selective += strlen (printed) > 20;
        free (printed);
        free (printed_again);
        kith_filter_destroy (&filter);
        kith_filter_destroy (&again);
        kith_bytes_free (&text);
        s_free (tree);
    }
    cr_assert_gt (selective, 600);
    s_data_free (&data);
}
