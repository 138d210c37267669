//  test_filter.c - the filter language against an interpreter that looks at one row at a time
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <math.h>

#include "engine/query/filter.h"
#include "model.h"

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
    data.growing = kith_segment_grow (data.model->schema, 0);
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

Test (filter, random_trees)
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

//  How operators group, seen in where canonical text needs brackets
Test (filter, precedence)
{
    static const char *const pairs [][2] = {
        {"number=1", "number == 1"},
        {"(number == 1)", "number == 1"},
        {"number == 1 or small == 2 and flag", "number == 1 or small == 2 and flag"},
        {"(number == 1 or small == 2) and flag", "(number == 1 or small == 2) and flag"},
        {"not flag and flag", "not flag and flag"},
        {"not (flag and flag)", "not (flag and flag)"},
        {"! number > 5", "not number > 5"},
        {"not number in [1]", "not number in [1]"},
        {"number + 1 * 2 == 3", "number + 1 * 2 == 3"},
        {"(number + 1) * 2 == 3", "(number + 1) * 2 == 3"},
        {"number - (1 - 2) == 3", "number - (1 - 2) == 3"},
        {"number - 1 - 2 == 3", "number - 1 - 2 == 3"},
        {"-2 ** 2 == real", "-2 ** 2 == real"},
        {"(-2) ** 2 == real", "(-2) ** 2 == real"},
        {"2 ** 3 ** 2 == real", "2 ** 3 ** 2 == real"},
        {"(2 ** 3) ** 2 == real", "(2 ** 3) ** 2 == real"},
        {"2 ** -1 == real", "2 ** (-1) == real"},
        {"1 < number <= 5", "1 < number and number <= 5"},
        {"1 < number < 5 == true", "(1 < number and number < 5) == true"},
        {"number between 1 and 5 and flag", "number >= 1 and number <= 5 and flag"},
        {"number not between 1 and 5", "not (number >= 1 and number <= 5)"},
        {"number == 1 == flag", "number == 1 == flag"},
        {"flag == (number == 1)", "flag == (number == 1)"},
        {"number + 1 in (1, 0x10, 0b11)", "number + 1 in [1, 16, 3]"},
        {"flag and (flag and flag)", "flag and (flag and flag)"},
        {"flag and flag and flag", "flag and flag and flag"},
        {"narrow == 0.1", "narrow == 0.10000000149011612"},
        {"real == 0.1", "real == 0.10000000000000001"},
        {"real == 2.0", "real == 2.0"},
        {"number == -9223372036854775808", "number == -9223372036854775808"},
        {"text like 'a\\_b'", "text like \"a\\\\_b\""},
        {"text == '\\u00e4\\x41\\n\"'", "text == \"\303\244A\\u000a\\\"\""},
        {"text is not null", "text is not null"},
        {"vector is null", "vector is null"},
    };
    model_t *model = model_new (1, false, KITH_METRIC_L2);
    for (size_t index = 0; index < sizeof pairs / sizeof pairs [0]; index++) {
        kith_error_t error = {0};
        kith_filter_t *filter = kith_filter_new (pairs [index][0], model->schema, &error);
        cr_assert (filter, "%s: %s at %d", pairs [index][0], error.message, error.at);
        char *printed = kith_filter_print (filter);
        cr_assert_str_eq (printed, pairs [index][1]);
        kith_filter_t *again = kith_filter_new (printed, model->schema, &error);
        cr_assert (again, "%s: %s at %d", printed, error.message, error.at);
        char *printed_again = kith_filter_print (again);
        cr_assert_str_eq (printed, printed_again);
        free (printed);
        free (printed_again);
        kith_filter_destroy (&filter);
        kith_filter_destroy (&again);
    }
    model_destroy (&model);
}

Test (filter, refusals)
{
    static const struct {
        const char *text;
        kith_code_t code;
        int at;
        const char *message;
    } cases [] = {
        {"", KITH_ERR_FILTER, 0, "empty"},
        {"   ", KITH_ERR_FILTER, 0, "empty"},
        {"nmber < 10", KITH_ERR_FIELD_NOT_FOUND, 0, "no field 'nmber' in things"},
        {"flag and nmber < 10", KITH_ERR_FIELD_NOT_FOUND, 9, "no field"},
        {"number <", KITH_ERR_FILTER, 8, "ends where"},
        {"number < < 3", KITH_ERR_FILTER, 9, "expected a field or a value, not <"},
        {"number == 'x'", KITH_ERR_FILTER, 7, "an integer cannot be compared with text"},
        {"flag < true", KITH_ERR_FILTER, 5, "only be equal"},
        {"number", KITH_ERR_FILTER, 0, "not a condition"},
        {"number + 1", KITH_ERR_FILTER, 7, "not a condition"},
        {"number and flag", KITH_ERR_FILTER, 7, "condition on both sides"},
        {"number == null", KITH_ERR_FILTER, 10, "use is null"},
        {"number in [1, 'x']", KITH_ERR_FILTER, 7, "value 2 of the list is text"},
        {"number in [1 2]", KITH_ERR_FILTER, 13, "expected ','"},
        {"number in 5", KITH_ERR_FILTER, 10, "a list"},
        {"text like number", KITH_ERR_FILTER, 10, "a text after it"},
        {"number like 'x'", KITH_ERR_FILTER, 7, "varchar field"},
        {"text like 'x\\\\'", KITH_ERR_FILTER, 10, "backslash"},
        {"text == 'x", KITH_ERR_FILTER, 8, "no end"},
        {"text == '\\q'", KITH_ERR_FILTER, 9, "escape"},
        {"vector == 1", KITH_ERR_FILTER, 0, "float_vector"},
        {"number == 9223372036854775808", KITH_ERR_FILTER, 10, "int64"},
        {"number == 99999999999999999999", KITH_ERR_FILTER, 10, "64 bits"},
        {"number == 1e999", KITH_ERR_FILTER, 10, "too large"},
        {"number == 010", KITH_ERR_FILTER, 10, "begin with 0"},
        {"number == 1x", KITH_ERR_FILTER, 11, "followed by 'x'"},
        {"number == $1", KITH_ERR_FILTER, 10, "parameters"},
        {"number ; 1", KITH_ERR_FILTER, 7, "';' has no meaning"},
        {"number & 1", KITH_ERR_FILTER, 7, "'&' has no meaning"},
        {"(number == 1", KITH_ERR_FILTER, 12, "ends where ')'"},
        {"number == 1)", KITH_ERR_FILTER, 11, "not )"},
        {"number == 1 number", KITH_ERR_FILTER, 12, "expected and, or"},
        {"number not 5", KITH_ERR_FILTER, 11, "in, like or between"},
        {"number is 5", KITH_ERR_FILTER, 10, "expected null"},
        {"number between 1", KITH_ERR_FILTER, 16, "ends where and"},
        {"1 is null", KITH_ERR_FILTER, 2, "only a field"},
        {"real % 2 == 1", KITH_ERR_FILTER, 5, "integers"},
        {"-text == 'x'", KITH_ERR_FILTER, 0, "needs a number"},
        {"not number", KITH_ERR_FILTER, 0, "needs a condition"},
        {"text == \"\xff\"", KITH_ERR_FILTER, 0, "UTF-8"},
    };
    model_t *model = model_new (1, false, KITH_METRIC_L2);
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        kith_error_t error = {0};
        kith_filter_t *filter =
            kith_filter_new (cases [index].text, model->schema, &error);
        cr_assert (!filter, "%s", cases [index].text);
        cr_expect_eq (error.code, cases [index].code, "%s: %d %s", cases [index].text,
                      error.code, error.message);
        cr_expect_eq (error.at, cases [index].at, "%s: at %d: %s", cases [index].text,
                      error.at, error.message);
        cr_expect (strstr (error.message, cases [index].message), "%s: %s",
                   cases [index].text, error.message);
    }
    kith_error_t error = {0};
    cr_assert (!kith_filter_new ("nmber < 10", model->schema, &error));
    cr_assert_str_eq (error.hint, "did you mean 'number'? fields: id, number, real, "
                                  "narrow, small, flag, text, vector");
    //  Without an error to fill in, too
    cr_assert (!kith_filter_new ("nmber < 10", model->schema, NULL));
    cr_assert (!kith_filter_new ("number <", model->schema, NULL));
    model_destroy (&model);
}

//  Text of a repeated part between two ends
static char *
s_repeat (const char *begin, const char *part, uint32_t count, const char *end)
{
    kith_bytes_t out = {0};
    kith_bytes_printf (&out, "%s", begin);
    for (uint32_t index = 0; index < count; index++)
        kith_bytes_printf (&out, "%s", part);
    kith_bytes_printf (&out, "%s", end);
    kith_bytes_put_u8 (&out, 0);
    char *text = kith_strdup ((const char *) out.data);
    kith_bytes_free (&out);
    return text;
}

Test (filter, limits)
{
    static const struct {
        const char *begin, *part, *end;
        uint32_t count;
        bool good;
    } cases [] = {
        {"", "(", "", 60000, false},
        {"", "!", "flag", 60000, false},
        {"", "not ", "flag", 10000, false},
        {"number == ", "-", "1", 60000, false},
        {"number == ", "- ", "1", 40, true},
        {"real == 2", " ** 2", "", 10000, false},
        {"real == 2", " ** 2", "", 40, true},
        {"flag", " and flag", "", 1000, true},
        {"flag", " or flag", "", 1000, true},
        {"flag", " or flag", "", 6000, false},
        {"flag", " == flag", "", 6000, false},
        {"number == 1", " + 1", "", 6000, false},
        {"number == 1", " + 1", "", 50, true},
        {"1 < number", " < 5", "", 1000, true},
        {"number in [1", ",12", "]", 20000, true},
        {"number in [1", ",12", "]", 30000, false},
        {"text == '", "x", "'", 60000, true},
    };
    model_t *model = model_new (1, false, KITH_METRIC_L2);
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        char *text = s_repeat (cases [index].begin, cases [index].part,
                               cases [index].count, cases [index].end);
        kith_error_t error = {0};
        kith_filter_t *filter = kith_filter_new (text, model->schema, &error);
        cr_expect_eq (filter != NULL, cases [index].good, "%zu: %s at %d", index,
                      error.message, error.at);
        kith_filter_t *shared = filter ? kith_filter_share (filter) : NULL;
        kith_filter_destroy (&filter);
        if (shared)
            free (kith_filter_print (shared));
        kith_filter_destroy (&shared);
        free (text);
    }
    model_destroy (&model);
}

//  Numbers that a conversion to double would confuse
Test (filter, exact_numbers)
{
    kith_field_t fields [] = {
        {.id = 100, .name = "id", .type = KITH_TYPE_INT64, .key = true},
        {.id = 101, .name = "x", .type = KITH_TYPE_DOUBLE}};
    kith_schema_t *schema = kith_schema_new ("exact", fields, 2, 1, NULL);
    static const int64_t ids [] = {
        INT64_MAX,       INT64_MAX - 1, INT64_MIN, INT64_MIN + 1,
        (1ll << 53) + 1, 1ll << 53,     0,         -1};
    static const double xs [] = {9223372036854775808.0,
                                 -9223372036854775808.0,
                                 9007199254740992.0,
                                 (double) NAN,
                                 (double) INFINITY,
                                 -(double) (double) INFINITY,
                                 -0.0,
                                 0.5};
    kith_bytes_t body = {0};
    size_t place = kith_batch_begin (&body, 8, 2);
    kith_column_builder_t keys, reals;
    kith_column_builder_init (&keys, 100, KITH_TYPE_INT64, 0);
    kith_column_builder_init (&reals, 101, KITH_TYPE_DOUBLE, 0);
    for (uint32_t row = 0; row < 8; row++) {
        kith_column_builder_int (&keys, ids [row]);
        kith_column_builder_real (&reals, xs [row]);
    }
    kith_column_builder_finish (&keys, &body);
    kith_column_builder_finish (&reals, &body);
    kith_column_builder_free (&keys);
    kith_column_builder_free (&reals);
    kith_batch_end (&body, place);
    kith_segment_t *segment = kith_segment_grow (schema, 0);
    kith_record_t record = {
        .kind = KITH_RECORD_INSERT, .seq = 1, .body = body.data, .body_bytes = body.size};
    cr_assert_eq (kith_segment_apply (segment, &record, NULL), 0);

    static const struct {
        const char *text;
        uint64_t rows;    //  a bit each
    } cases [] = {
        {"id == 9223372036854775807", 0x01},
        {"id == 9223372036854775807.0", 0x00},
        {"id < 9223372036854775808.0", 0xff},
        {"id >= 9007199254740992.0", 0x33},
        {"id > 9007199254740992.0", 0x13},
        {"id in [9007199254740992.0, -1.0, 0.5]", 0xa0},
        {"id == -9223372036854775808.0", 0x04},
        {"x == id", 0x40},
        {"x > id", 0x95},
        {"x == x", 0xf7},
        {"x != x", 0x08},
        {"not x < 5", 0x1d},
        {"x < 5", 0xe2},
        {"x == 0", 0x40},
        {"x in [0, 9007199254740992, 9007199254740993]", 0x44},
        {"x not in [0]", 0xbf},
        {"id + 1 > 0", 0x72},
        {"id / 0 == 1 or not (id / 0 == 1)", 0x00},
        {"id % -1 == 0", 0xff},
        {"id / -1 > 0", 0x88},
        {"-id > 0", 0x88},
        {"id % 2 == -1", 0x88},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        kith_error_t error = {0};
        kith_filter_t *filter = kith_filter_new (cases [index].text, schema, &error);
        cr_assert (filter, "%s: %s", cases [index].text, error.message);
        kith_bits_t bits;
        kith_bits_init (&bits, 8, true);
        kith_filter_eval (filter, segment, &bits);
        cr_expect_eq (bits.words [0], cases [index].rows,
                      "%s: %02" PRIx64 ", not %02" PRIx64, cases [index].text,
                      bits.words [0], cases [index].rows);
        kith_bits_free (&bits);
        kith_filter_destroy (&filter);
    }
    kith_segment_destroy (&segment);
    kith_schema_destroy (&schema);
    kith_bytes_free (&body);
}
