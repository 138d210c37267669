//  filter_eval.c - runs a filter over the rows of a run: blocks of 1,024 rows, one operation at a time
//  SPDX-License-Identifier: Apache-2.0
//
//  A condition gives two bits a row: surely true and surely false; neither is unknown. A number has a value and a bit that says if
//  it is known.
#include "engine/query/filter_eval.h"

#include "engine/query/filter_block.h"

//  A filter over a run
typedef struct {
    kith_column_t columns [KITH_FIELDS_MAX];    //  a slot each
    kith_block_t block;
    kith_numbers_t *spare [2 * KITH_FILTER_DEPTH_MAX + 2];    //  for operands, by depth
    uint32_t spares;                                          //  in use
} s_eval_t;

static void s_truth (s_eval_t *self, const kith_node_t *node, kith_truth_t *out);

//  ---------------------------------------------------------------------
//  Numbers

static kith_numbers_t *
s_take_numbers (s_eval_t *self)
{
    assert (self->spares < sizeof self->spare / sizeof self->spare [0]);
    kith_numbers_t **numbers = &self->spare [self->spares++];
    if (!*numbers)
        *numbers = kith_new (sizeof **numbers);
    return *numbers;
}

static void
s_numbers (s_eval_t *self, const kith_node_t *node, kith_numbers_t *out)
{
    switch (node->kind) {
        case KITH_NODE_FIELD:
            kith_block_load (&self->block, &self->columns [node->slot], out);
            return;
        case KITH_NODE_LITERAL:
            kith_block_fill (&self->block, &node->value, out);
            return;
        case KITH_NODE_NEGATE:
            s_numbers (self, node->children [0], out);
            kith_block_negate (&self->block, out);
            return;
        case KITH_NODE_ARITHMETIC: {
            s_numbers (self, node->children [0], out);
            kith_numbers_t *right = s_take_numbers (self);
            s_numbers (self, node->children [1], right);
            kith_block_arithmetic (&self->block, node->op, out, right);
            self->spares--;
            return;
        }
        case KITH_NODE_COMPARE:
        case KITH_NODE_AND:
        case KITH_NODE_OR:
        case KITH_NODE_NOT:
        case KITH_NODE_IN:
        case KITH_NODE_LIKE:
        case KITH_NODE_IS_NULL:
            break;
    }
    assert (false && "a condition stands where a number must");
}

//  ---------------------------------------------------------------------
//  Conditions

static bool
s_text (const s_eval_t *self, const kith_node_t *node, uint32_t row, kith_value_t *value)
{
    if (node->kind == KITH_NODE_LITERAL) {
        *value = node->value;
        return true;
    }
    const kith_column_t *column = &self->columns [node->slot];
    uint32_t place = self->block.first + row;
    if (!kith_column_valid (column, place))
        return false;
    *value = (kith_value_t){.type = KITH_VALUE_TEXT};
    value->text = kith_column_string (column, place, &value->length);
    return true;
}

static bool
s_holds (kith_op_t op, int order)
{
    return op == KITH_OP_EQUAL        ? order == 0
           : op == KITH_OP_NOT_EQUAL  ? order != 0
           : op == KITH_OP_LESS       ? order < 0
           : op == KITH_OP_MORE       ? order > 0
           : op == KITH_OP_LESS_EQUAL ? order <= 0
                                      : order >= 0;
}

static void
s_compare_texts (s_eval_t *self, const kith_node_t *node, kith_truth_t *out)
{
    for (uint32_t row = 0; row < self->block.rows; row++) {
        kith_value_t left, right;
        if (kith_block_wants (&self->block, row)
            && s_text (self, node->children [0], row, &left)
            && s_text (self, node->children [1], row, &right))
            kith_truth_set (out, row,
                            s_holds (node->op, kith_value_order (&left, &right)));
    }
}

//  Equality of two conditions: unknown if one is
static void
s_compare_truths (s_eval_t *self, const kith_node_t *node, kith_truth_t *out)
{
    kith_truth_t left = {0};
    kith_truth_t right = {0};
    s_truth (self, node->children [0], &left);
    s_truth (self, node->children [1], &right);
    for (uint32_t word = 0; word < KITH_BLOCK_WORDS; word++) {
        uint64_t same =
            (left.yes [word] & right.yes [word]) | (left.no [word] & right.no [word]);
        uint64_t other =
            (left.yes [word] & right.no [word]) | (left.no [word] & right.yes [word]);
        bool equal = node->op == KITH_OP_EQUAL;
        out->yes [word] = equal ? same : other;
        out->no [word] = equal ? other : same;
    }
}

static void
s_compare (s_eval_t *self, const kith_node_t *node, kith_truth_t *out)
{
    const kith_node_t *child = node->children [0];
    if (child->type == KITH_VALUE_TEXT) {
        s_compare_texts (self, node, out);
        return;
    }
    if (child->type == KITH_VALUE_BOOL) {
        s_compare_truths (self, node, out);
        return;
    }
    kith_numbers_t *left = s_take_numbers (self);
    kith_numbers_t *right = s_take_numbers (self);
    s_numbers (self, child, left);
    s_numbers (self, node->children [1], right);
    kith_block_compare (&self->block, node->op, left, right, out);
    self->spares -= 2;
}

static bool
s_listed (const kith_node_t *node, const kith_value_t *value)
{
    uint32_t low = 0;
    uint32_t high = node->sorted_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = kith_value_order (&node->sorted [middle], value);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void
s_in_truths (s_eval_t *self, const kith_node_t *node, kith_truth_t *out)
{
    kith_truth_t tested = {0};
    s_truth (self, node->children [0], &tested);
    bool has_true = s_listed (node, &(kith_value_t){.integer = 1});
    bool has_false = s_listed (node, &(kith_value_t){.integer = 0});
    for (uint32_t word = 0; word < KITH_BLOCK_WORDS; word++) {
        out->yes [word] =
            (has_true ? tested.yes [word] : 0) | (has_false ? tested.no [word] : 0);
        out->no [word] =
            (has_true ? 0 : tested.yes [word]) | (has_false ? 0 : tested.no [word]);
    }
}

static void
s_in_numbers (s_eval_t *self, const kith_node_t *node, kith_truth_t *out)
{
    kith_numbers_t *tested = s_take_numbers (self);
    s_numbers (self, node->children [0], tested);
    for (uint32_t row = 0; row < self->block.rows; row++) {
        if (!kith_block_wants (&self->block, row)
            || !(tested->known [row / 64] >> (row % 64) & 1))
            continue;
        kith_value_t value = {.type = node->children [0]->type};
        bool real = value.type == KITH_VALUE_REAL;
        if (real)
            value.real = tested->reals [row];
        else
            value.integer = tested->integers [row];
        //  A NaN is in no list, and would find its way anywhere in a sorted one
        bool listed = !(real && value.real != value.real) && s_listed (node, &value);
        kith_truth_set (out, row, listed);
    }
    self->spares--;
}

static void
s_in_texts (s_eval_t *self, const kith_node_t *node, kith_truth_t *out)
{
    for (uint32_t row = 0; row < self->block.rows; row++) {
        kith_value_t value;
        if (kith_block_wants (&self->block, row)
            && s_text (self, node->children [0], row, &value))
            kith_truth_set (out, row, s_listed (node, &value));
    }
}

static void
s_in (s_eval_t *self, const kith_node_t *node, kith_truth_t *out)
{
    switch (node->children [0]->type) {
        case KITH_VALUE_BOOL:
            s_in_truths (self, node, out);
            break;
        case KITH_VALUE_INT:
        case KITH_VALUE_REAL:
            s_in_numbers (self, node, out);
            break;
        case KITH_VALUE_TEXT:
            s_in_texts (self, node, out);
            break;
    }
    if (node->inverted)
        kith_truth_not (out);
}

static void
s_like (s_eval_t *self, const kith_node_t *node, kith_truth_t *out)
{
    for (uint32_t row = 0; row < self->block.rows; row++) {
        kith_value_t value;
        if (kith_block_wants (&self->block, row)
            && s_text (self, node->children [0], row, &value))
            kith_truth_set (out, row,
                            kith_like_match (node->like, value.text, value.length));
    }
    if (node->inverted)
        kith_truth_not (out);
}

//  and: sure when all are true or one is false; or: the other way around
static void
s_logic (s_eval_t *self, const kith_node_t *node, kith_truth_t *out)
{
    bool all = node->kind == KITH_NODE_AND;
    s_truth (self, node->children [0], out);
    for (uint32_t index = 1; index < node->count; index++) {
        kith_truth_t one = {0};
        s_truth (self, node->children [index], &one);
        for (uint32_t word = 0; word < KITH_BLOCK_WORDS; word++) {
            if (all) {
                out->yes [word] &= one.yes [word];
                out->no [word] |= one.no [word];
            }
            else {
                out->yes [word] |= one.yes [word];
                out->no [word] &= one.no [word];
            }
        }
    }
}

static void
s_bool_literal (const kith_node_t *node, kith_truth_t *out)
{
    memset (node->value.integer ? out->yes : out->no, 0xff, sizeof out->yes);
}

//  out is zeroed
static void
s_truth (s_eval_t *self, const kith_node_t *node, kith_truth_t *out)
{
    switch (node->kind) {
        case KITH_NODE_FIELD:
            kith_block_bools (&self->block, &self->columns [node->slot], out);
            break;
        case KITH_NODE_LITERAL:
            s_bool_literal (node, out);
            break;
        case KITH_NODE_COMPARE:
            s_compare (self, node, out);
            break;
        case KITH_NODE_AND:
        case KITH_NODE_OR:
            s_logic (self, node, out);
            break;
        case KITH_NODE_NOT:
            s_truth (self, node->children [0], out);
            kith_truth_not (out);
            break;
        case KITH_NODE_IN:
            s_in (self, node, out);
            break;
        case KITH_NODE_LIKE:
            s_like (self, node, out);
            break;
        case KITH_NODE_IS_NULL:
            kith_block_known (&self->block, &self->columns [node->slot], out->no);
            for (uint32_t word = 0; word < KITH_BLOCK_WORDS; word++)
                out->yes [word] = ~out->no [word];
            if (node->inverted)
                kith_truth_not (out);
            break;
        case KITH_NODE_NEGATE:
        case KITH_NODE_ARITHMETIC:
            assert (false && "a number stands where a condition must");
    }
}

//  ---------------------------------------------------------------------

void
kith_filter_eval_run (const kith_filter_t *self, const kith_run_t *run, kith_bits_t *bits)
{
    assert (self && run && bits->count <= run->rows);
    s_eval_t *eval = kith_new (sizeof *eval);
    kith_arena_t arena = {0};
    for (uint32_t slot = 0; slot < self->field_count; slot++)
        kith_run_column (run, self->fields [slot]->id, &arena, &eval->columns [slot]);
    for (uint32_t first = 0; first < bits->count; first += KITH_BLOCK_ROWS) {
        uint64_t *words = bits->words + first / 64;
        uint32_t rows = bits->count - first;
        eval->block.first = first;
        eval->block.rows = rows < KITH_BLOCK_ROWS ? rows : KITH_BLOCK_ROWS;
        eval->block.wanted = words;
        uint64_t any = 0;
        uint32_t used = (uint32_t) kith_bits_words (eval->block.rows);
        for (uint32_t word = 0; word < used; word++)
            any |= words [word];
        if (!any)
            continue;
        kith_truth_t truth = {0};
        s_truth (eval, self->root, &truth);
        for (uint32_t word = 0; word < used; word++)
            words [word] &= truth.yes [word];
    }
    for (size_t index = 0; index < sizeof eval->spare / sizeof eval->spare [0]; index++)
        free (eval->spare [index]);
    free (eval);
    kith_arena_free (&arena);
}

//  Bits of a run's rows out of the segment's, which may begin inside a word, or back
static void
s_copy_bits (const kith_bits_t *from, uint32_t from_row, kith_bits_t *to, uint32_t to_row,
             uint32_t count)
{
    for (uint32_t row = 0; row < count; row++) {
        if (kith_bits_get (from, from_row + row))
            kith_bits_set (to, to_row + row);
        else
            kith_bits_drop (to, to_row + row);
    }
}

void
kith_filter_eval (const kith_filter_t *self, const kith_segment_t *segment,
                  kith_bits_t *bits)
{
    assert (self && segment && bits);
    uint32_t runs = kith_segment_runs (segment);
    for (uint32_t index = 0; index < runs; index++) {
        kith_run_t run;
        kith_run_open (&run, segment, index, KITH_ALIVE);
        if (run.first_row >= bits->count)
            break;
        uint32_t count = bits->count - run.first_row;
        count = count < run.rows ? count : run.rows;
        kith_bits_t own;
        kith_bits_init (&own, count, false);
        s_copy_bits (bits, run.first_row, &own, 0, count);
        kith_filter_eval_run (self, &run, &own);
        s_copy_bits (&own, 0, bits, run.first_row, count);
        kith_bits_free (&own);
    }
}
