//  order.c - the order of rows in an answer
//  SPDX-License-Identifier: Apache-2.0
#include "engine/query/order.h"

#include <math.h>

enum {
    SLACK = 4096    //  picks held beyond those that are kept
};

bool
kith_order_type (kith_type_t type)
{
    return type != KITH_TYPE_JSON && !kith_type_is_vector (type);
}

static int
s_compare_reals (double a, double b)
{
    if (isnan (a) || isnan (b))
        return (isnan (a) != 0) - (isnan (b) != 0);
    return (a > b) - (a < b);
}

//  0: both have a value; else which one comes first because the other has none
static int
s_compare_nulls (const kith_column_t *a, uint32_t row_a, const kith_column_t *b,
                 uint32_t row_b, bool *decided)
{
    bool valid_a = kith_column_valid (a, row_a);
    bool valid_b = kith_column_valid (b, row_b);
    *decided = !valid_a || !valid_b;
    return valid_b - valid_a;
}

static int
s_compare_values (const kith_column_t *a, uint32_t row_a, const kith_column_t *b,
                  uint32_t row_b)
{
    assert (a->type == b->type);
    switch (a->type) {
        case KITH_TYPE_BOOL:
        case KITH_TYPE_INT8:
        case KITH_TYPE_INT16:
        case KITH_TYPE_INT32:
        case KITH_TYPE_INT64: {
            int64_t value_a = kith_column_int (a, row_a);
            int64_t value_b = kith_column_int (b, row_b);
            return (value_a > value_b) - (value_a < value_b);
        }
        case KITH_TYPE_FLOAT:
        case KITH_TYPE_DOUBLE:
            return s_compare_reals (kith_column_real (a, row_a),
                                    kith_column_real (b, row_b));
        case KITH_TYPE_VARCHAR:
            return kith_key_compare (a, row_a, b, row_b);
        case KITH_TYPE_JSON:
        case KITH_TYPE_FLOAT_VECTOR:
        case KITH_TYPE_FLOAT16_VECTOR:
        case KITH_TYPE_BFLOAT16_VECTOR:
        case KITH_TYPE_INT8_VECTOR:
        case KITH_TYPE_BINARY_VECTOR:
            break;
    }
    assert (false && "values of this type have no order");
    return 0;
}

int
kith_value_compare (const kith_column_t *a, uint32_t row_a, const kith_column_t *b,
                    uint32_t row_b)
{
    bool decided;
    int order = s_compare_nulls (a, row_a, b, row_b, &decided);
    return decided ? order : s_compare_values (a, row_a, b, row_b);
}

//  Descending turns values around, not the place of rows that have none, nor ties
static int
s_compare (const void *a_p, const void *b_p, void *arg)
{
    const kith_order_t *self = arg;
    const kith_pick_t *a = a_p;
    const kith_pick_t *b = b_p;
    int sign = self->descending ? -1 : 1;
    if (self->values) {
        bool decided;
        const kith_column_t *value_a = &self->values [a->run];
        const kith_column_t *value_b = &self->values [b->run];
        int order = s_compare_nulls (value_a, a->row, value_b, b->row, &decided);
        if (!decided)
            order = sign * s_compare_values (value_a, a->row, value_b, b->row);
        if (order)
            return order;
        sign = 1;
    }
    return sign
           * kith_key_compare (&self->keys [a->run], a->row, &self->keys [b->run],
                               b->row);
}

static uint32_t
s_count (const kith_order_t *self)
{
    return (uint32_t) (self->picks.size / sizeof (kith_pick_t));
}

//  Sorts, and lets go of all beyond the most that are wanted
static void
s_cut (kith_order_t *self)
{
    kith_pick_t *picks = (kith_pick_t *) (void *) self->picks.data;
    if (picks)
        qsort_r (picks, s_count (self), sizeof *picks, s_compare, self);
    if (s_count (self) < self->most || self->most == 0)
        return;
    self->picks.size = (size_t) self->most * sizeof *picks;
    self->worst = picks [self->most - 1];
    self->is_full = true;
}

void
kith_order_push (kith_order_t *self, kith_pick_t pick)
{
    if (self->most == 0 || (self->is_full && s_compare (&pick, &self->worst, self) > 0))
        return;
    kith_bytes_put (&self->picks, &pick, sizeof pick);
    if (s_count (self) >= self->most && s_count (self) - self->most >= self->most + SLACK)
        s_cut (self);
}

uint32_t
kith_order_finish (kith_order_t *self, uint64_t offset, const kith_pick_t **first)
{
    s_cut (self);
    uint32_t count = s_count (self);
    uint32_t skipped = offset < count ? (uint32_t) offset : count;
    *first = self->picks.data
                 ? (const kith_pick_t *) (const void *) self->picks.data + skipped
                 : NULL;
    return count - skipped;
}
