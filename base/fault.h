//  fault.h - unlikely but legal turns (simulation only), and the seeded bugs that test the tests
//  SPDX-License-Identifier: Apache-2.0
//
//  KITH_BUG (name) is false in every build but those of the seeded-bug tests (-DKITH_BUGS), where the
//  bug chosen by kith_bug_set (KITH_BUG_NAME) is on. KITH_BUGGIFY: see kith_ctx_buggify in runtime/actor.h.
#ifndef KITH_FAULT_H
#define KITH_FAULT_H

#include "base/base.h"

typedef enum {
    KITH_BUG_NONE = 0,
    KITH_BUG_ACK_BEFORE_SYNC,           //  W4: the owner answers before the log is synced
    KITH_BUG_NO_EPOCH_COMPARE,          //  T2 without the epoch of the owner row
    KITH_BUG_NO_REVISION_COMPARE,       //  T2 without the row revision
    KITH_BUG_TRIM_BEFORE_COMMIT,        //  F6 before T2
    KITH_BUG_WINDOW_NOT_SAVED,          //  dedup window not in the checkpoint
    KITH_BUG_NO_WAIT_FOR_DEATHS,        //  R3 answered early
    KITH_BUG_SWAP_BELOW_BASE,           //  D1 without applied >= base
    KITH_BUG_EARLIEST_AFTER_TRIMMED,    //  Y4: goes on at the earliest record
    KITH_BUG_SERVE_UNSYNCED,            //  L4 without fdatasync of what was read
    KITH_BUG_NO_MARK_CHECK,             //  L2 left out
    KITH_BUG_STRONG_WITHOUT_ASK,        //  S1 left out
    KITH_BUG_NO_DEDUP,                  //  W2 left out
    KITH_BUG_STALE_INCARNATION,    //  receiver takes what is meant for another incarnation
    KITH_BUG_WRITE_AFTER_DROP,     //  a dropped partition takes rows after its DROP
    KITH_BUG_FREE_BEFORE_DROP,    //  a segment leaves the view before its DROP is applied
    KITH_BUG_INDEX_SHOWS_ENDED,    //  an index over growing rows is not told which have ended
    KITH_BUG_SWEEP_OF_NAMED,    //  the sweep takes index files that rows still name
    KITH_BUG_SWEEP_UNDER_WAY,    //  G1 without epoch and range: the files of a flush under way go
    KITH_BUG_COUNT
} kith_bug_t;

#ifdef KITH_BUGS
void kith_bug_set (kith_bug_t bug);
bool kith_bug_is (kith_bug_t bug);
#    define KITH_BUG(name) kith_bug_is (KITH_BUG_##name)
#else
#    define KITH_BUG(name) false
#endif

const char *kith_bug_name (kith_bug_t bug);
kith_bug_t kith_bug_of_name (const char *name);    //  KITH_BUG_COUNT: none

#endif
