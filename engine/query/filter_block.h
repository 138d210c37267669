//  filter_block.h - a block of rows: numbers and conditions of all of them at once
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FILTER_BLOCK_H
#define KITH_FILTER_BLOCK_H

#include "engine/query/filter_tree.h"

enum { KITH_BLOCK_ROWS = 1024, KITH_BLOCK_WORDS = KITH_BLOCK_ROWS / 64 };

typedef struct {
    uint32_t first;    //  row of the run
    uint32_t rows;
    const uint64_t *wanted;    //  a bit a row: others need no answer
} kith_block_t;

typedef struct {
    bool real;    //  which of the two counts
    int64_t integers [KITH_BLOCK_ROWS];
    double reals [KITH_BLOCK_ROWS];
    uint64_t known [KITH_BLOCK_WORDS];
} kith_numbers_t;

//  Neither bit set: unknown
typedef struct {
    uint64_t yes [KITH_BLOCK_WORDS];
    uint64_t no [KITH_BLOCK_WORDS];
} kith_truth_t;

static inline bool
kith_block_wants (const kith_block_t *self, uint32_t row)
{
    return self->wanted [row / 64] >> (row % 64) & 1;
}

static inline void
kith_truth_set (kith_truth_t *self, uint32_t row, bool value)
{
    uint64_t *words = value ? self->yes : self->no;
    words [row / 64] |= (uint64_t) 1 << (row % 64);
}

void kith_truth_not (kith_truth_t *self);

//  Which rows of a column have a value; bits beyond the block's rows are set.
void kith_block_known (const kith_block_t *self, const kith_column_t *column,
                       uint64_t known [KITH_BLOCK_WORDS]);

//  A column's numbers; a literal in every row; a bool column as a condition (out zeroed).
void kith_block_load (const kith_block_t *self, const kith_column_t *column,
                      kith_numbers_t *out);
void kith_block_fill (const kith_block_t *self, const kith_value_t *value,
                      kith_numbers_t *out);
void kith_block_bools (const kith_block_t *self, const kith_column_t *column,
                       kith_truth_t *out);

//  In place. An overflow of an integer and a division by zero are unknown.
void kith_block_negate (const kith_block_t *self, kith_numbers_t *numbers);
void kith_block_arithmetic (const kith_block_t *self, kith_op_t op, kith_numbers_t *left,
                            const kith_numbers_t *right);

//  Compares exactly, an integer with a double too; out zeroed.
void
kith_block_compare (const kith_block_t *self, kith_op_t op, const kith_numbers_t *left,
                    const kith_numbers_t *right, kith_truth_t *out);

#endif
