//  fault.c - the seeded bugs that test the tests
//  SPDX-License-Identifier: Apache-2.0
#include "base/fault.h"

static const char *const s_names [KITH_BUG_COUNT] = {
    [KITH_BUG_NONE] = "none",
    [KITH_BUG_ACK_BEFORE_SYNC] = "ack-before-sync",
    [KITH_BUG_NO_EPOCH_COMPARE] = "no-epoch-compare",
    [KITH_BUG_NO_REVISION_COMPARE] = "no-revision-compare",
    [KITH_BUG_TRIM_BEFORE_COMMIT] = "trim-before-commit",
    [KITH_BUG_WINDOW_NOT_SAVED] = "window-not-saved",
    [KITH_BUG_NO_WAIT_FOR_DEATHS] = "no-wait-for-deaths",
    [KITH_BUG_SWAP_BELOW_BASE] = "swap-below-base",
    [KITH_BUG_EARLIEST_AFTER_TRIMMED] = "earliest-after-trimmed",
    [KITH_BUG_SERVE_UNSYNCED] = "serve-unsynced",
    [KITH_BUG_NO_MARK_CHECK] = "no-mark-check",
    [KITH_BUG_STRONG_WITHOUT_ASK] = "strong-without-ask",
    [KITH_BUG_NO_DEDUP] = "no-dedup",
    [KITH_BUG_STALE_INCARNATION] = "stale-incarnation",
    [KITH_BUG_WRITE_AFTER_DROP] = "write-after-drop",
    [KITH_BUG_FREE_BEFORE_DROP] = "free-before-drop",
    [KITH_BUG_INDEX_SHOWS_ENDED] = "index-shows-ended",
    [KITH_BUG_SWEEP_OF_NAMED] = "sweep-of-named",
    [KITH_BUG_SWEEP_UNDER_WAY] = "sweep-under-way",
};

#ifdef KITH_BUGS

//  The one switch of a program that exists to be wrong: set once before anything runs
static kith_bug_t s_bug = KITH_BUG_NONE;

void
kith_bug_set (kith_bug_t bug)
{
    assert ((unsigned) bug < KITH_BUG_COUNT);
    s_bug = bug;
}

bool
kith_bug_is (kith_bug_t bug)
{
    return s_bug == bug;
}

#endif

const char *
kith_bug_name (kith_bug_t bug)
{
    assert ((unsigned) bug < KITH_BUG_COUNT);
    return s_names [bug];
}

kith_bug_t
kith_bug_of_name (const char *name)
{
    assert (name);
    for (int bug = 0; bug < KITH_BUG_COUNT; bug++) {
        if (strcmp (s_names [bug], name) == 0)
            return (kith_bug_t) bug;
    }
    return KITH_BUG_COUNT;
}
