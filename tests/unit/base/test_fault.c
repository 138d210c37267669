//  test_fault.c - the names of the seeded bugs
//  SPDX-License-Identifier: Apache-2.0
#include "base/fault.h"

#include <criterion/criterion.h>

Test (fault, names)
{
    for (int bug = 0; bug < KITH_BUG_COUNT; bug++) {
        const char *name = kith_bug_name ((kith_bug_t) bug);
        cr_assert (name && *name);
        cr_assert_eq (kith_bug_of_name (name), (kith_bug_t) bug);
    }
    cr_assert_eq (kith_bug_of_name ("nonsense"), KITH_BUG_COUNT);
}

//  This program is not built to be wrong
Test (fault, off)
{
    cr_assert_not (KITH_BUG (ACK_BEFORE_SYNC));
    cr_assert_not (KITH_BUG (NO_DEDUP));
}
