//  kv.c - what every metadata store must do, whatever it is made of
//  SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/kv.h"

#include "base/random.h"

#include <criterion/criterion.h>

//  --- short forms ---------------------------------------------------------------------------------------

static kith_kv_t *
s_open (const kith_conformance_kv_t *engine, void *place)
{
    kith_error_t error = {0};
    kith_kv_t *kv = engine->open (place, &error);
    cr_assert (kv, "open: %s", error.message);
    return kv;
}

//  Commits one change without a compare; returns the new revision
static uint64_t
s_put (kith_kv_t *kv, const char *key, const char *value)
{
    kith_error_t error = {0};
    const kith_kv_change_t change = {key, value, value ? strlen (value) : 0};
    bool committed = false;
    uint64_t revision = 0;
    int rc = kv->txn (kv, NULL, 0, &change, 1, &committed, &revision, &error);
    cr_assert_eq (rc, 0, "txn: %s", error.message);
    cr_assert (committed);
    return revision;
}

static bool
s_holds (kith_kv_t *kv, const char *key, const char *value, uint64_t revision)
{
    kith_bytes_t out = {0};
    uint64_t found = 77;
    cr_assert_eq (kv->get (kv, key, &out, &found, NULL), 0);
    bool same = found == revision;
    if (value)
        same = same && out.size == strlen (value)
               && (out.size == 0 || memcmp (out.data, value, out.size) == 0);
    else
        same = same && out.size == 0;
    kith_bytes_free (&out);
    return same;
}

//  Text "key=value@revision " of each entry that a scan shows
static void
s_show (void *arg, const char *key, const void *value, size_t size, uint64_t revision)
{
    kith_bytes_printf (arg, "%s=%.*s@%" PRIu64 " ", key, (int) size, (const char *) value,
                       revision);
}

static bool
s_shows (kith_kv_t *kv, const char *prefix, const char *expected)
{
    kith_bytes_t text = {0};
    cr_assert_eq (kv->scan (kv, prefix, s_show, &text, NULL), 0);
    kith_bytes_put_u8 (&text, 0);
    bool same = strcmp ((const char *) text.data, expected) == 0;
    if (!same)
        fprintf (stderr, "scan '%s' shows '%s', not '%s'\n", prefix,
                 (const char *) text.data, expected);
    kith_bytes_free (&text);
    return same;
}

//  --- the suite -----------------------------------------------------------------------------------------

static void
s_test_put_get_scan (const kith_conformance_kv_t *engine)
{
    void *place = engine->place_new ();
    kith_kv_t *kv = s_open (engine, place);
    cr_assert (s_holds (kv, "a", NULL, 0));
    cr_assert (s_shows (kv, "", ""));
    cr_assert_eq (s_put (kv, "b/2", "two"), 1);
    cr_assert_eq (s_put (kv, "b/10", "ten"), 2);
    cr_assert_eq (s_put (kv, "a", ""), 3);
    cr_assert_eq (s_put (kv, "b_", "x"), 4);
    cr_assert_eq (s_put (kv, "b", "y"), 5);
    cr_assert_eq (s_put (kv, "b/2", "zwei"), 6);
    cr_assert (s_holds (kv, "b/2", "zwei", 6));
    cr_assert (s_holds (kv, "a", "", 3));
    cr_assert (s_shows (kv, "", "a=@3 b=y@5 b/10=ten@2 b/2=zwei@6 b_=x@4 "));
    cr_assert (s_shows (kv, "b/", "b/10=ten@2 b/2=zwei@6 "));
    cr_assert (s_shows (kv, "c", ""));
    cr_assert_eq (s_put (kv, "b/10", NULL), 7);
    cr_assert (s_holds (kv, "b/10", NULL, 0));
    cr_assert (s_shows (kv, "b/", "b/2=zwei@6 "));
    kv->close (&kv);
    cr_assert_null (kv);
    engine->place_destroy (place);
}

static void
s_test_compare (const kith_conformance_kv_t *engine)
{
    void *place = engine->place_new ();
    kith_kv_t *kv = s_open (engine, place);
    bool committed = true;
    uint64_t revision = 0;
    s_put (kv, "owner", "one");
    s_put (kv, "other", "x");

    //  One of two compares fails: nothing happens
    kith_kv_compare_t compares [2] = {{"other", 2}, {"owner", 2}};
    const kith_kv_change_t changes [2] = {{"owner", "two", 3}, {"new", "n", 1}};
    cr_assert_eq (kv->txn (kv, compares, 2, changes, 2, &committed, &revision, NULL), 0);
    cr_assert_not (committed);
    cr_assert_eq (revision, 2);
    cr_assert (s_shows (kv, "", "other=x@2 owner=one@1 "));

    //  Both hold: all changes carry one revision
    compares [1].revision = 1;
    cr_assert_eq (kv->txn (kv, compares, 2, changes, 2, &committed, &revision, NULL), 0);
    cr_assert (committed);
    cr_assert_eq (revision, 3);
    cr_assert (s_shows (kv, "", "new=n@3 other=x@2 owner=two@3 "));

    //  Revision 0: the key must be absent
    const kith_kv_compare_t absent = {"lease", 0};
    const kith_kv_change_t take = {"lease", "me", 2};
    cr_assert_eq (kv->txn (kv, &absent, 1, &take, 1, &committed, &revision, NULL), 0);
    cr_assert (committed);
    cr_assert_eq (kv->txn (kv, &absent, 1, &take, 1, &committed, &revision, NULL), 0);
    cr_assert_not (committed);
    cr_assert_eq (revision, 4);
    cr_assert (s_holds (kv, "lease", "me", 4));
    kv->close (&kv);
    engine->place_destroy (place);
}

//  A key that was deleted and made again is not the key that was compared
static void
s_test_delete (const kith_conformance_kv_t *engine)
{
    void *place = engine->place_new ();
    kith_kv_t *kv = s_open (engine, place);
    bool committed = true;
    uint64_t revision = 0;
    cr_assert_eq (s_put (kv, "k", "v"), 1);
    cr_assert_eq (s_put (kv, "k", NULL), 2);
    cr_assert_eq (s_put (kv, "k", NULL), 3,
                  "deleting what is not there is a transaction too");
    cr_assert_eq (s_put (kv, "k", "v"), 4);
    const kith_kv_compare_t old = {"k", 1};
    const kith_kv_change_t change = {"k", "w", 1};
    cr_assert_eq (kv->txn (kv, &old, 1, &change, 1, &committed, &revision, NULL), 0);
    cr_assert_not (committed);
    //  Compares alone: committed, nothing changed but the revision
    const kith_kv_compare_t present = {"k", 4};
    cr_assert_eq (kv->txn (kv, &present, 1, NULL, 0, &committed, &revision, NULL), 0);
    cr_assert (committed);
    cr_assert_eq (revision, 5);
    cr_assert (s_shows (kv, "", "k=v@4 "));
    kv->close (&kv);
    engine->place_destroy (place);
}

static void
s_test_reopen (const kith_conformance_kv_t *engine)
{
    void *place = engine->place_new ();
    kith_kv_t *kv = s_open (engine, place);
    kith_error_t error = {0};
    kith_kv_t *second = engine->open (place, &error);
    cr_assert_null (second);
    cr_assert_eq (error.code, KITH_ERR_LOCKED, "%s", error.message);
    s_put (kv, "a/1", "x");
    s_put (kv, "a/2", "y");
    s_put (kv, "a/1", NULL);
    kv->close (&kv);
    kv = s_open (engine, place);
    cr_assert (s_shows (kv, "", "a/2=y@2 "));
    cr_assert_eq (s_put (kv, "a/3", "z"), 4);
    kv->close (&kv);
    engine->place_destroy (place);
}

static kith_code_t
s_refused (kith_kv_t *kv, const kith_kv_change_t *changes, size_t count)
{
    kith_error_t error = {0};
    bool committed = false;
    uint64_t revision = 0;
    cr_assert_eq (kv->txn (kv, NULL, 0, changes, count, &committed, &revision, &error),
                  -1);
    cr_assert (error.message [0]);
    return error.code;
}

//  What breaks a rule is refused, has no effect and leaves the store usable
static void
s_test_refusals (const kith_conformance_kv_t *engine)
{
    void *place = engine->place_new ();
    kith_kv_t *kv = s_open (engine, place);
    char long_key [300];
    memset (long_key, 'a', sizeof long_key);
    long_key [256] = 0;
    const char *bad [] = {"",       "A",    "a b", "a\nb",   "\xc3\xa4",
                          "!store", "a\\b", "a:b", long_key, "a\x7f"};
    for (size_t index = 0; index < sizeof bad / sizeof bad [0]; index++) {
        const kith_kv_change_t change = {bad [index], "v", 1};
        cr_assert_eq (s_refused (kv, &change, 1), KITH_ERR_INVALID, "%s", bad [index]);
        cr_assert_eq (kv->get (kv, bad [index], NULL, NULL, NULL), -1);
        if (bad [index][0])
            cr_assert_eq (kv->scan (kv, bad [index], s_show, NULL, NULL), -1);
    }
    const kith_kv_change_t twice [2] = {{"k", "v", 1}, {"k", NULL, 0}};
    cr_assert_eq (s_refused (kv, twice, 2), KITH_ERR_INVALID);
    uint8_t *large = kith_new (KITH_KV_VALUE_MAX + 1);
    memset (large, 'x', KITH_KV_VALUE_MAX + 1);
    kith_kv_change_t change = {"k", large, KITH_KV_VALUE_MAX + 1};
    cr_assert_eq (s_refused (kv, &change, 1), KITH_ERR_LIMIT);
    kith_kv_change_t many [KITH_KV_CHANGES_MAX + 1];
    for (size_t index = 0; index <= KITH_KV_CHANGES_MAX; index++)
        many [index] = twice [0];
    cr_assert_eq (s_refused (kv, many, KITH_KV_CHANGES_MAX + 1), KITH_ERR_LIMIT);

    //  At the limits it works
    long_key [255] = 0;
    bool committed = false;
    uint64_t revision = 0;
    change = (kith_kv_change_t){long_key, large, KITH_KV_VALUE_MAX};
    cr_assert_eq (kv->txn (kv, NULL, 0, &change, 1, &committed, &revision, NULL), 0);
    cr_assert_eq (revision, 1);
    kith_bytes_t out = {0};
    cr_assert_eq (kv->get (kv, long_key, &out, &revision, NULL), 0);
    cr_assert (out.size == KITH_KV_VALUE_MAX && memcmp (out.data, large, out.size) == 0);
    kith_bytes_free (&out);
    free (large);
    kv->close (&kv);
    engine->place_destroy (place);
}

//  --- random transactions against a model ---------------------------------------------------------------

#define KEYS 24

//  The model: a row for each possible key, nothing cleverer
typedef struct {
    char key [16];
    char value [48];
    uint64_t revision;    //  0: absent
} s_row_t;

static void
s_model_text (const s_row_t *rows, const char *prefix, kith_bytes_t *text)
{
    for (int row = 0; row < KEYS; row++)
        if (rows [row].revision && strncmp (rows [row].key, prefix, strlen (prefix)) == 0)
            kith_bytes_printf (text, "%s=%s@%" PRIu64 " ", rows [row].key,
                               rows [row].value, rows [row].revision);
    kith_bytes_put_u8 (text, 0);
}

static void
s_random_txn (kith_random_t *random, kith_kv_t *kv, s_row_t *rows, uint64_t *revision)
{
    kith_kv_compare_t compares [3];
    kith_kv_change_t changes [4];
    char values [4][48];
    size_t compare_count = kith_random_below (random, 4);
    size_t change_count = kith_random_below (random, 5);
    bool holds = true;
    for (size_t index = 0; index < compare_count; index++) {
        const s_row_t *row = &rows [kith_random_below (random, KEYS)];
        bool wrong = kith_random_below (random, 6) == 0;
        compares [index] = (kith_kv_compare_t){row->key, row->revision + wrong};
        holds = holds && !wrong;
    }
    uint64_t first = kith_random_below (random, KEYS);
    for (size_t index = 0; index < change_count; index++) {
        snprintf (values [index], sizeof values [index], "v%" PRIu64,
                  kith_random_next (random));
        bool put = kith_random_below (random, 3) > 0;
        changes [index] = (kith_kv_change_t){rows [(first + index * 5) % KEYS].key,
                                             put ? values [index] : NULL,
                                             put ? strlen (values [index]) : 0};
    }
    bool committed = !holds;
    uint64_t now = 0;
    cr_assert_eq (kv->txn (kv, compares, compare_count, changes, change_count, &committed,
                           &now, NULL),
                  0);
    cr_assert_eq (committed, holds);
    *revision += holds;
    cr_assert_eq (now, *revision);
    for (size_t index = 0; holds && index < change_count; index++) {
        s_row_t *row = &rows [(first + index * 5) % KEYS];
        row->revision = changes [index].value ? *revision : 0;
        memcpy (row->value, values [index], sizeof row->value);
    }
}

static void
s_test_random (const kith_conformance_kv_t *engine)
{
    void *place = engine->place_new ();
    kith_kv_t *kv = s_open (engine, place);
    kith_random_t random;
    kith_random_seed (&random, 3);
    s_row_t rows [KEYS] = {0};
    for (int row = 0; row < KEYS; row++)
        snprintf (rows [row].key, sizeof rows [row].key, "k%d/%02d", row / 8, row);
    uint64_t revision = 0;
    for (int round = 0; round < 400; round++) {
        s_random_txn (&random, kv, rows, &revision);
        if (kith_random_below (&random, 40) == 0) {
            kv->close (&kv);
            kv = s_open (engine, place);
        }
        const char *prefixes [] = {"", "k0/", "k1/0", "k2/2", "x"};
        const char *prefix = prefixes [kith_random_below (&random, 5)];
        kith_bytes_t expected = {0};
        s_model_text (rows, prefix, &expected);
        cr_assert (s_shows (kv, prefix, (const char *) expected.data), "round %d", round);
        kith_bytes_free (&expected);
        const s_row_t *row = &rows [kith_random_below (&random, KEYS)];
        cr_assert (
            s_holds (kv, row->key, row->revision ? row->value : NULL, row->revision));
    }
    cr_assert_gt (revision, 100);
    kv->close (&kv);
    engine->place_destroy (place);
}

void
kith_conformance_kv (const kith_conformance_kv_t *engine)
{
    s_test_put_get_scan (engine);
    s_test_compare (engine);
    s_test_delete (engine);
    s_test_reopen (engine);
    s_test_refusals (engine);
    s_test_random (engine);
}
