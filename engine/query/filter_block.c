//  filter_block.c - a block of rows: numbers and conditions of all of them at once
//  SPDX-License-Identifier: Apache-2.0
#include "engine/query/filter_block.h"

#include <math.h>

void
kith_truth_not (kith_truth_t *self)
{
    for (uint32_t word = 0; word < KITH_BLOCK_WORDS; word++) {
        uint64_t yes = self->yes [word];
        self->yes [word] = self->no [word];
        self->no [word] = yes;
    }
}

void
kith_block_known (const kith_block_t *self, const kith_column_t *column,
                  uint64_t known [KITH_BLOCK_WORDS])
{
    memset (known, 0xff, KITH_BLOCK_WORDS * sizeof known [0]);
    //  A block begins at a multiple of 64 rows, so its bits begin with a byte
    if (column->validity)
        memcpy (known, column->validity + self->first / 8, (self->rows + 7) / 8);
}

//  ---------------------------------------------------------------------
//  Values

static void
s_load_integers (const kith_block_t *self, const kith_column_t *column, int64_t *out)
{
    uint32_t width = kith_type_width (column->type, 0);
    const uint8_t *data = column->data + (size_t) self->first * width;
    if (width == 8)
        memcpy (out, data, (size_t) self->rows * 8);
    else if (width == 4) {
        for (uint32_t row = 0; row < self->rows; row++)
            out [row] = (int32_t) kith_get_u32 (data + (size_t) row * 4);
    }
    else if (width == 2) {
        for (uint32_t row = 0; row < self->rows; row++)
            out [row] = (int16_t) kith_get_u16 (data + (size_t) row * 2);
    }
    else {
        for (uint32_t row = 0; row < self->rows; row++)
            out [row] = (int8_t) data [row];
    }
}

void
kith_block_load (const kith_block_t *self, const kith_column_t *column,
                 kith_numbers_t *out)
{
    kith_block_known (self, column, out->known);
    out->real = column->type == KITH_TYPE_FLOAT || column->type == KITH_TYPE_DOUBLE;
    if (column->type == KITH_TYPE_DOUBLE)
        memcpy (out->reals, column->data + (size_t) self->first * 8,
                (size_t) self->rows * 8);
    else if (column->type == KITH_TYPE_FLOAT) {
        for (uint32_t row = 0; row < self->rows; row++)
            out->reals [row] = kith_column_real (column, self->first + row);
    }
    else
        s_load_integers (self, column, out->integers);
}

void
kith_block_fill (const kith_block_t *self, const kith_value_t *value, kith_numbers_t *out)
{
    memset (out->known, 0xff, sizeof out->known);
    out->real = value->type == KITH_VALUE_REAL;
    for (uint32_t row = 0; row < self->rows; row++) {
        if (out->real)
            out->reals [row] = value->real;
        else
            out->integers [row] = value->integer;
    }
}

void
kith_block_bools (const kith_block_t *self, const kith_column_t *column,
                  kith_truth_t *out)
{
    uint64_t known [KITH_BLOCK_WORDS];
    kith_block_known (self, column, known);
    for (uint32_t row = 0; row < self->rows; row++) {
        uint64_t bit = column->data [self->first + row] != 0;
        out->yes [row / 64] |= bit << (row % 64);
    }
    for (uint32_t word = 0; word < KITH_BLOCK_WORDS; word++) {
        out->no [word] = ~out->yes [word] & known [word];
        out->yes [word] &= known [word];
    }
}

//  ---------------------------------------------------------------------
//  Arithmetic

static void
s_forget (kith_numbers_t *numbers, uint32_t row)
{
    numbers->known [row / 64] &= ~((uint64_t) 1 << (row % 64));
}

void
kith_block_negate (const kith_block_t *self, kith_numbers_t *numbers)
{
    for (uint32_t row = 0; row < self->rows; row++) {
        if (numbers->real)
            numbers->reals [row] = -numbers->reals [row];
        else if (__builtin_sub_overflow ((int64_t) 0, numbers->integers [row],
                                         &numbers->integers [row]))
            s_forget (numbers, row);
    }
}

//  False: there is no result
static bool
s_integer (kith_op_t op, int64_t a, int64_t b, int64_t *out)
{
    switch ((int) op) {
        case KITH_OP_ADD:
            return !__builtin_add_overflow (a, b, out);
        case KITH_OP_SUBTRACT:
            return !__builtin_sub_overflow (a, b, out);
        case KITH_OP_MULTIPLY:
            return !__builtin_mul_overflow (a, b, out);
        case KITH_OP_DIVIDE:
            if (b == 0 || (a == INT64_MIN && b == -1))
                return false;
            *out = a / b;
            return true;
        default:
            if (b == 0)
                return false;
            *out = b == -1 ? 0 : a % b;
            return true;
    }
}

static bool
s_real (kith_op_t op, double a, double b, double *out)
{
    switch ((int) op) {
        case KITH_OP_ADD:
            *out = a + b;
            return true;
        case KITH_OP_SUBTRACT:
            *out = a - b;
            return true;
        case KITH_OP_MULTIPLY:
            *out = a * b;
            return true;
        case KITH_OP_DIVIDE:
            *out = a / b;
            return fpclassify (b) != FP_ZERO;
        default:
            *out = pow (a, b);
            return true;
    }
}

static double
s_real_at (const kith_numbers_t *numbers, uint32_t row)
{
    return numbers->real ? numbers->reals [row] : (double) numbers->integers [row];
}

void
kith_block_arithmetic (const kith_block_t *self, kith_op_t op, kith_numbers_t *left,
                       const kith_numbers_t *right)
{
    for (uint32_t word = 0; word < KITH_BLOCK_WORDS; word++)
        left->known [word] &= right->known [word];
    bool real = left->real || right->real || op == KITH_OP_POWER;
    for (uint32_t row = 0; row < self->rows; row++) {
        //  Values that are not known may be anything, but are never used
        bool good;
        if (real)
            good = s_real (op, s_real_at (left, row), s_real_at (right, row),
                           &left->reals [row]);
        else
            good = s_integer (op, left->integers [row], right->integers [row],
                              &left->integers [row]);
        if (!good)
            s_forget (left, row);
    }
    left->real = real;
}

//  ---------------------------------------------------------------------
//  Comparison

//  Less, equal and more as bits of one row each; a NaN is none of them
typedef struct {
    uint64_t less [KITH_BLOCK_WORDS];
    uint64_t equal [KITH_BLOCK_WORDS];
    uint64_t more [KITH_BLOCK_WORDS];
} s_orders_t;

static void
s_order_mixed (const kith_numbers_t *left, const kith_numbers_t *right, uint32_t row,
               s_orders_t *orders)
{
    double real = left->real ? left->reals [row] : right->reals [row];
    if (isnan (real))
        return;
    int order = left->real ? -kith_compare_int_real (right->integers [row], real)
                           : kith_compare_int_real (left->integers [row], real);
    uint64_t *words = order < 0 ? orders->less : order > 0 ? orders->more : orders->equal;
    words [row / 64] |= (uint64_t) 1 << (row % 64);
}

static void
s_order (const kith_block_t *self, const kith_numbers_t *left,
         const kith_numbers_t *right, s_orders_t *orders)
{
    for (uint32_t row = 0; row < self->rows; row++) {
        uint32_t word = row / 64;
        uint32_t bit = row % 64;
        if (left->real != right->real)
            s_order_mixed (left, right, row, orders);
        else if (left->real) {
            double a = left->reals [row];
            double b = right->reals [row];
            orders->less [word] |= (uint64_t) (a < b) << bit;
            orders->equal [word] |= (uint64_t) (a <= b && a >= b) << bit;
            orders->more [word] |= (uint64_t) (a > b) << bit;
        }
        else {
            int64_t a = left->integers [row];
            int64_t b = right->integers [row];
            orders->less [word] |= (uint64_t) (a < b) << bit;
            orders->equal [word] |= (uint64_t) (a == b) << bit;
            orders->more [word] |= (uint64_t) (a > b) << bit;
        }
    }
}

static uint64_t
s_choose (kith_op_t op, uint64_t less, uint64_t equal, uint64_t more)
{
    switch ((int) op) {
        case KITH_OP_EQUAL:
            return equal;
        case KITH_OP_NOT_EQUAL:
            return ~equal;
        case KITH_OP_LESS:
            return less;
        case KITH_OP_LESS_EQUAL:
            return less | equal;
        case KITH_OP_MORE:
            return more;
        default:
            return more | equal;
    }
}

void
kith_block_compare (const kith_block_t *self, kith_op_t op, const kith_numbers_t *left,
                    const kith_numbers_t *right, kith_truth_t *out)
{
    s_orders_t orders = {0};
    s_order (self, left, right, &orders);
    for (uint32_t word = 0; word < KITH_BLOCK_WORDS; word++) {
        uint64_t known = left->known [word] & right->known [word];
        uint64_t holds =
            s_choose (op, orders.less [word], orders.equal [word], orders.more [word]);
        out->yes [word] = holds & known;
        out->no [word] = ~holds & known;
    }
}
