//  test_bits.c - a bit per row, against an array of bool
//  SPDX-License-Identifier: Apache-2.0
#include "base/bits.h"

#include "base/random.h"

#include <criterion/criterion.h>

#define COUNT_MAX 300u

static void
s_same (const kith_bits_t *bits, const bool *expected)
{
    uint32_t set = 0;
    for (uint32_t row = 0; row < bits->count; row++) {
        cr_assert_eq (kith_bits_get (bits, row), expected [row]);
        set += expected [row];
    }
    cr_assert_eq (kith_bits_popcount (bits), set);
    //  Bits at and above count are zero
    for (uint32_t row = bits->count; row < kith_bits_words (bits->count) * 64; row++)
        cr_assert_not (kith_bits_get (bits, row));
}

Test (bits, against_bools)
{
    kith_random_t random;
    kith_random_seed (&random, 3);
    for (uint32_t count = 0; count <= COUNT_MAX; count++) {
        bool left [COUNT_MAX], right [COUNT_MAX];
        kith_bits_t a, b;
        kith_bits_init (&a, count, false);
        kith_bits_init (&b, count, true);
        for (uint32_t row = 0; row < count; row++) {
            left [row] = kith_random_below (&random, 2);
            right [row] = kith_random_below (&random, 2);
            if (left [row])
                kith_bits_set (&a, row);
            if (!right [row])
                kith_bits_drop (&b, row);
        }
        s_same (&a, left);
        s_same (&b, right);
        kith_bits_and (&a, &b);
        for (uint32_t row = 0; row < count; row++)
            left [row] = left [row] && right [row];
        s_same (&a, left);
        kith_bits_not (&a);
        for (uint32_t row = 0; row < count; row++)
            left [row] = !left [row];
        s_same (&a, left);
        kith_bits_or (&b, &a);
        for (uint32_t row = 0; row < count; row++)
            right [row] = right [row] || left [row];
        s_same (&b, right);
        kith_bits_free (&a);
        kith_bits_free (&b);
        cr_assert_null (a.words);
    }
}
