//  test_kv.c - the metadata stores against the suite that every one of them must pass; faults of the one in memory
//  SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/kv.h"
#include "tests/unit/storage/scratch.h"

#include <criterion/criterion.h>

static void *
s_mem_place (void)
{
    return kith_kv_image_new ();
}

static kith_kv_t *
s_mem_open (void *place, kith_error_t *error)
{
    return kith_kv_mem_open (place, NULL, NULL, error);
}

static void
s_mem_drop (void *place)
{
    kith_kv_image_t *image = place;
    kith_kv_image_destroy (&image);
    cr_assert_null (image);
}

Test (kv, memory_conforms)
{
    const kith_conformance_kv_t engine = {s_mem_place, s_mem_open, s_mem_drop};
    kith_conformance_kv (&engine);
}

static void *
s_rocks_place (void)
{
    return scratch_new ();
}

static kith_kv_t *
s_rocks_open (void *place, kith_error_t *error)
{
    return kith_kv_rocks_open (place, error);
}

static void
s_rocks_drop (void *place)
{
    char *path = place;
    scratch_remove (&path);
}

Test (kv, rocks_conforms)
{
    const kith_conformance_kv_t engine = {s_rocks_place, s_rocks_open, s_rocks_drop};
    kith_conformance_kv (&engine);
}

//  --- faults --------------------------------------------------------------------------------------------

//  Fails the call number `at`
typedef struct {
    int calls;
    int at;
    bool applied;    //  what it says of a transaction
} s_fault_t;

static bool
s_fault (void *arg, bool *applied)
{
    s_fault_t *self = arg;
    *applied = self->applied;
    return self->calls++ == self->at;
}

static void
s_count (void *arg, const char *key, const void *value, size_t size, uint64_t revision)
{
    (void) key;
    (void) value;
    (void) size;
    (void) revision;
    ++*(int *) arg;
}

//  After a transaction that failed everything is refused until the store is opened again; then the effect
//  is there or not, as the fault said
static void
s_test_unknown (bool applied)
{
    kith_kv_image_t *image = kith_kv_image_new ();
    s_fault_t fault = {0, 1, applied};
    kith_kv_t *kv = kith_kv_mem_open (image, s_fault, &fault, NULL);
    const kith_kv_change_t change = {"k", "v", 1};
    bool committed;
    uint64_t revision;
    int count = 0;
    kith_error_t error = {0};
    cr_assert_eq (kv->txn (kv, NULL, 0, &change, 1, &committed, &revision, &error), 0);
    cr_assert_eq (kv->txn (kv, NULL, 0, &change, 1, &committed, &revision, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_IO);
    cr_assert_eq (kv->get (kv, "k", NULL, &revision, &error), -1);
    cr_assert_eq (kv->scan (kv, "", s_count, &count, &error), -1);
    cr_assert_eq (kv->txn (kv, NULL, 0, &change, 1, &committed, &revision, &error), -1);
    kv->close (&kv);
    kv = kith_kv_mem_open (image, NULL, NULL, NULL);
    cr_assert_eq (kv->get (kv, "k", NULL, &revision, NULL), 0);
    cr_assert_eq (revision, applied ? 2 : 1);
    kv->close (&kv);
    kith_kv_image_destroy (&image);
}

Test (kv, memory_unknown_outcome)
{
    s_test_unknown (true);
    s_test_unknown (false);
}

//  A read that failed changes nothing and may be tried again; a compare that fails is not applied by a fault
Test (kv, memory_failed_reads)
{
    kith_kv_image_t *image = kith_kv_image_new ();
    s_fault_t fault = {0, 0, true};
    kith_kv_t *kv = kith_kv_mem_open (image, s_fault, &fault, NULL);
    uint64_t revision = 7;
    int count = 0;
    cr_assert_eq (kv->get (kv, "k", NULL, &revision, NULL), -1);
    cr_assert_eq (kv->get (kv, "k", NULL, &revision, NULL), 0);
    cr_assert_eq (revision, 0);
    fault = (s_fault_t){0, 0, true};
    cr_assert_eq (kv->scan (kv, "", s_count, &count, NULL), -1);
    cr_assert_eq (kv->scan (kv, "", s_count, &count, NULL), 0);
    fault = (s_fault_t){0, 0, true};
    const kith_kv_compare_t wrong = {"k", 9};
    const kith_kv_change_t change = {"k", "v", 1};
    bool committed;
    cr_assert_eq (kv->txn (kv, &wrong, 1, &change, 1, &committed, &revision, NULL), -1);
    kv->close (&kv);
    kv = kith_kv_mem_open (image, NULL, NULL, NULL);
    cr_assert_eq (kv->scan (kv, "", s_count, &count, NULL), 0);
    cr_assert_eq (count, 0);
    kv->close (&kv);
    kith_kv_image_destroy (&image);
}
