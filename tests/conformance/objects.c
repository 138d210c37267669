//  objects.c - what every object store must do, whatever it is made of
//  SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/objects.h"

#include "base/random.h"

#include <criterion/criterion.h>
#include <pthread.h>

//  --- short forms ---------------------------------------------------------------------------------------

static kith_objects_t *
s_open (const kith_conformance_objects_t *engine, void *place)
{
    kith_error_t error = {0};
    kith_objects_t *objects = engine->open (place, &error);
    cr_assert (objects, "open: %s", error.message);
    return objects;
}

//  Puts text as one span; the code, OK for success
static kith_code_t
s_put (kith_objects_t *objects, const char *name, const char *text, bool *same)
{
    kith_error_t error = {0};
    const kith_span_t span = {text, strlen (text)};
    int rc = objects->put (objects, name, &span, 1, same, &error);
    cr_assert_eq (rc == 0, error.code == KITH_OK);
    return error.code;
}

static bool
s_holds (kith_objects_t *objects, const char *name, const char *text)
{
    kith_bytes_t out = {0};
    kith_object_t object = {0};
    kith_error_t error = {0};
    cr_assert_eq (objects->get (objects, name, 0, 0, &out, &error), 0, "%s",
                  error.message);
    cr_assert_eq (objects->map (objects, name, &object, &error), 0, "%s", error.message);
    size_t size = strlen (text);
    cr_assert_eq ((uintptr_t) object.data % 64, 0);
    bool same = out.size == size && object.size == size
                && (size == 0
                    || (memcmp (out.data, text, size) == 0
                        && memcmp (object.data, text, size) == 0));
    objects->unmap (objects, &object);
    kith_bytes_free (&out);
    return same;
}

static bool
s_missing (kith_objects_t *objects, const char *name)
{
    kith_bytes_t out = {0};
    kith_object_t object = {0};
    kith_error_t error = {0};
    cr_assert_eq (objects->map (objects, name, &object, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_NOT_FOUND, "%s", error.message);
    cr_assert_eq (objects->get (objects, name, 0, 0, &out, &error), -1);
    cr_assert_eq (out.size, 0);
    return error.code == KITH_ERR_NOT_FOUND;
}

static void
s_show (void *arg, const char *name, uint64_t size)
{
    kith_bytes_printf (arg, "%s:%" PRIu64 " ", name, size);
}

static bool
s_lists (kith_objects_t *objects, const char *prefix, const char *expected)
{
    kith_bytes_t text = {0};
    kith_error_t error = {0};
    cr_assert_eq (objects->list (objects, prefix, s_show, &text, &error), 0, "%s",
                  error.message);
    kith_bytes_put_u8 (&text, 0);
    bool same = strcmp ((const char *) text.data, expected) == 0;
    if (!same)
        fprintf (stderr, "list '%s' shows '%s', not '%s'\n", prefix,
                 (const char *) text.data, expected);
    kith_bytes_free (&text);
    return same;
}

//  --- the suite -----------------------------------------------------------------------------------------

static void
s_test_put_get_list (const kith_conformance_objects_t *engine)
{
    void *place = engine->place_new ();
    kith_objects_t *objects = s_open (engine, place);
    cr_assert (s_lists (objects, "", ""));
    cr_assert (s_missing (objects, "a/b"));
    cr_assert_eq (s_put (objects, "a/b", "hello", NULL), KITH_OK);
    cr_assert_eq (s_put (objects, "a-b", "x", NULL), KITH_OK);
    cr_assert_eq (s_put (objects, "a/c/d", "", NULL), KITH_OK);
    cr_assert_eq (s_put (objects, ".tmp-0123456789abcdef", "kept", NULL), KITH_OK);
    cr_assert (s_holds (objects, "a/b", "hello"));
    cr_assert (s_holds (objects, "a/c/d", ""));
    cr_assert (s_missing (objects, "a"));
    cr_assert (s_missing (objects, "a/c"));
    cr_assert (s_missing (objects, "a/b/c"));
    //  In the order of the names' bytes, where '-' comes before '/'
    cr_assert (s_lists (objects, "", ".tmp-0123456789abcdef:4 a-b:1 a/b:5 a/c/d:0 "));
    cr_assert (s_lists (objects, "a/", "a/b:5 a/c/d:0 "));
    cr_assert (s_lists (objects, "a/c", "a/c/d:0 "));
    cr_assert (s_lists (objects, "a/c/d", "a/c/d:0 "));
    cr_assert (s_lists (objects, "b", ""));
    objects->close (&objects);
    cr_assert_null (objects);

    objects = s_open (engine, place);
    cr_assert (s_lists (objects, "", ".tmp-0123456789abcdef:4 a-b:1 a/b:5 a/c/d:0 "));
    cr_assert_eq (objects->remove (objects, "a/b", NULL), 0);
    cr_assert_eq (objects->remove (objects, "a/b", NULL), 0);
    cr_assert_eq (objects->remove (objects, "a/c/d", NULL), 0);
    cr_assert_eq (objects->remove (objects, "a", NULL), 0);
    cr_assert (s_lists (objects, "", ".tmp-0123456789abcdef:4 a-b:1 "));
    //  Nothing is left below a, so a may be an object now
    cr_assert_eq (s_put (objects, "a", "leaf", NULL), KITH_OK);
    cr_assert (s_holds (objects, "a", "leaf"));
    objects->close (&objects);
    engine->place_destroy (place);
}

static kith_code_t
s_claim (kith_objects_t *objects, uint64_t cluster)
{
    kith_error_t error = {0};
    return kith_objects_claim (objects, cluster, &error) == 0 ? KITH_OK : error.code;
}

static kith_code_t
s_check (kith_objects_t *objects, uint64_t cluster)
{
    kith_error_t error = {0};
    return kith_objects_check (objects, cluster, &error) == 0 ? KITH_OK : error.code;
}

static void
s_test_cluster (const kith_conformance_objects_t *engine)
{
    const uint64_t own = 0xfedcba9876543210u;
    void *place = engine->place_new ();
    kith_objects_t *objects = s_open (engine, place);
    cr_assert_eq (s_check (objects, own), KITH_ERR_NOT_FOUND);
    cr_assert_eq (s_claim (objects, own), KITH_OK);
    cr_assert_eq (s_claim (objects, own), KITH_OK);
    cr_assert_eq (s_put (objects, "a/b", "kept", NULL), KITH_OK);
    objects->close (&objects);

    objects = s_open (engine, place);
    kith_error_t error = {0};
    cr_assert_eq (s_check (objects, own), KITH_OK);
    cr_assert_eq (s_check (objects, own + 1), KITH_ERR_CLUSTER);
    cr_assert_neq (kith_objects_claim (objects, 7, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_CLUSTER);
    cr_assert_not_null (strstr (error.message, "fedcba9876543210"));
    cr_assert_not_null (strstr (error.message, "0000000000000007"));
    cr_assert_neq (error.hint [0], 0);
    cr_assert (s_holds (objects, "a/b", "kept"));
    //  Objects whose mark is gone are nobody's
    cr_assert_eq (objects->remove (objects, "cluster", NULL), 0);
    cr_assert_eq (s_claim (objects, own), KITH_ERR_CLUSTER);
    cr_assert_eq (s_check (objects, own), KITH_ERR_NOT_FOUND);
    //  A damaged mark names no cluster
    cr_assert_eq (s_put (objects, "cluster",
                         "kith objects of cluster fedcba9876543211 00000000\n", NULL),
                  KITH_OK);
    cr_assert_eq (s_claim (objects, own), KITH_ERR_CORRUPT);
    cr_assert_eq (s_check (objects, own + 1), KITH_ERR_CORRUPT);
    objects->close (&objects);
    engine->place_destroy (place);
}

static void
s_test_taken (const kith_conformance_objects_t *engine)
{
    void *place = engine->place_new ();
    kith_objects_t *objects = s_open (engine, place);
    bool same = true;
    cr_assert_eq (s_put (objects, "n/x", "first", &same), KITH_OK);
    cr_assert_not (same);
    cr_assert_eq (s_put (objects, "n/x", "other", &same), KITH_ERR_EXISTS);
    cr_assert_not (same);
    cr_assert_eq (s_put (objects, "n/x", "first", &same), KITH_ERR_EXISTS);
    cr_assert (same);
    cr_assert_eq (s_put (objects, "n/x", "first!", &same), KITH_ERR_EXISTS);
    cr_assert_not (same);
    //  Same bytes cut into other spans
    const kith_span_t spans [4] = {{"fi", 2}, {NULL, 0}, {"rs", 2}, {"t", 1}};
    cr_assert_eq (objects->put (objects, "n/x", spans, 4, &same, NULL), -1);
    cr_assert (same);
    cr_assert (s_holds (objects, "n/x", "first"));
    //  a and a/b are never both objects
    cr_assert_eq (s_put (objects, "n", "above", &same), KITH_ERR_EXISTS);
    cr_assert_not (same);
    cr_assert_eq (s_put (objects, "n/x/y", "below", &same), KITH_ERR_EXISTS);
    cr_assert_not (same);
    cr_assert_eq (s_put (objects, "n/x/y/z", "below", &same), KITH_ERR_EXISTS);
    cr_assert (s_lists (objects, "", "n/x:5 "));
    cr_assert_eq (objects->put (objects, "n/empty", NULL, 0, &same, NULL), 0);
    cr_assert_eq (objects->put (objects, "n/empty", NULL, 0, &same, NULL), -1);
    cr_assert (same);
    objects->close (&objects);
    engine->place_destroy (place);
}

static void
s_test_ranges (const kith_conformance_objects_t *engine)
{
    void *place = engine->place_new ();
    kith_objects_t *objects = s_open (engine, place);
    uint8_t bytes [1000];
    for (size_t at = 0; at < sizeof bytes; at++)
        bytes [at] = (uint8_t) (at * 7);
    const kith_span_t spans [3] = {{bytes, 1}, {bytes + 1, 600}, {bytes + 601, 399}};
    cr_assert_eq (objects->put (objects, "r", spans, 3, NULL, NULL), 0);
    kith_bytes_t out = {0};
    kith_bytes_put (&out, "kept", 4);
    cr_assert_eq (objects->get (objects, "r", 10, 20, &out, NULL), 0);
    cr_assert_eq (out.size, 24);
    cr_assert_eq (memcmp (out.data + 4, bytes + 10, 20), 0);
    cr_assert_eq (objects->get (objects, "r", 990, 0, &out, NULL), 0);
    cr_assert_eq (out.size, 34);
    cr_assert_eq (memcmp (out.data + 24, bytes + 990, 10), 0);
    cr_assert_eq (objects->get (objects, "r", 1000, 0, &out, NULL), 0);
    cr_assert_eq (out.size, 34);
    kith_error_t error = {0};
    cr_assert_eq (objects->get (objects, "r", 990, 11, &out, &error), -1);
    cr_assert_eq (error.code, KITH_ERR_INVALID);
    cr_assert_eq (objects->get (objects, "r", 1001, 0, &out, NULL), -1);
    cr_assert_eq (objects->get (objects, "r", UINT64_MAX, 2, &out, NULL), -1);
    cr_assert_eq (out.size, 34);
    kith_bytes_free (&out);
    objects->close (&objects);
    engine->place_destroy (place);
}

//  Bytes that are mapped stay although the object is removed
static void
s_test_map_outlives (const kith_conformance_objects_t *engine)
{
    void *place = engine->place_new ();
    kith_objects_t *objects = s_open (engine, place);
    cr_assert_eq (s_put (objects, "m/a", "mapped", NULL), KITH_OK);
    kith_object_t object = {0};
    cr_assert_eq (objects->map (objects, "m/a", &object, NULL), 0);
    cr_assert_eq (objects->remove (objects, "m/a", NULL), 0);
    cr_assert (s_missing (objects, "m/a"));
    cr_assert_eq (s_put (objects, "m/a", "second", NULL), KITH_OK);
    cr_assert_eq (object.size, 6);
    cr_assert_eq (memcmp (object.data, "mapped", 6), 0);
    objects->unmap (objects, &object);
    cr_assert_null (object.data);
    objects->close (&objects);
    engine->place_destroy (place);
}

static void
s_test_names (const kith_conformance_objects_t *engine)
{
    void *place = engine->place_new ();
    kith_objects_t *objects = s_open (engine, place);
    char part [70];
    memset (part, 'p', sizeof part);
    part [65] = 0;
    const char *bad [] = {"",     "/a",  "a/",       "a//b",    "..",  "../x", "a/../b",
                          "a/..", ".",   "a/./b",    "A",       "a b", "a~",   "a\\b",
                          part,   "a\n", "\xff\xfe", ".tmp-1~", "c:/x"};
    for (size_t index = 0; index < sizeof bad / sizeof bad [0]; index++) {
        kith_bytes_t out = {0};
        kith_object_t object = {0};
        kith_error_t error = {0};
        cr_assert_eq (s_put (objects, bad [index], "v", NULL), KITH_ERR_INVALID, "%s",
                      bad [index]);
        cr_assert_eq (objects->get (objects, bad [index], 0, 0, &out, &error), -1);
        cr_assert_eq (error.code, KITH_ERR_INVALID);
        cr_assert_eq (objects->map (objects, bad [index], &object, NULL), -1);
        cr_assert_eq (objects->remove (objects, bad [index], NULL), -1);
    }
    cr_assert_eq (objects->list (objects, "../", s_show, NULL, NULL), -1);
    cr_assert_eq (objects->list (objects, "a/../", s_show, NULL, NULL), -1);
    part [64] = 0;
    cr_assert_eq (s_put (objects, part, "v", NULL), KITH_OK);
    cr_assert_eq (s_put (objects, "...", "dots", NULL), KITH_OK);
    cr_assert_eq (s_put (objects, "a/.b/-/_", "v", NULL), KITH_OK);
    cr_assert (s_holds (objects, "...", "dots"));

    //  255 bytes in all: 127 parts of one letter and a last one
    char name [260] = "";
    for (size_t at = 0; at < 255; at++)
        name [at] = at % 2 ? '/' : 'z';
    cr_assert_eq (s_put (objects, name, "deep", NULL), KITH_OK);
    cr_assert (s_holds (objects, name, "deep"));
    name [255] = 'z';
    cr_assert_eq (s_put (objects, name, "deep", NULL), KITH_ERR_INVALID);
    objects->close (&objects);
    engine->place_destroy (place);
}

//  --- one name, many writers ----------------------------------------------------------------------------

#define WRITERS 6

typedef struct {
    kith_objects_t *objects;
    char text [4096];
    uint32_t wins [40];
} s_writer_t;

static void *
s_write (void *arg)
{
    s_writer_t *self = arg;
    for (int round = 0; round < 40; round++) {
        char name [32];
        snprintf (name, sizeof name, "race/%d/one", round);
        kith_error_t error = {0};
        const kith_span_t span = {self->text, sizeof self->text};
        int rc = self->objects->put (self->objects, name, &span, 1, NULL, &error);
        self->wins [round] = rc == 0;
        if (rc && error.code != KITH_ERR_EXISTS)
            self->wins [round] = 1000;
    }
    return NULL;
}

//  Exactly one of several writers wins, and the object is wholly his
static void
s_test_race (const kith_conformance_objects_t *engine)
{
    void *place = engine->place_new ();
    kith_objects_t *objects = s_open (engine, place);
    s_writer_t *writers = kith_new (WRITERS * sizeof *writers);
    pthread_t threads [WRITERS];
    for (int writer = 0; writer < WRITERS; writer++) {
        writers [writer].objects = objects;
        memset (writers [writer].text, 'a' + writer, sizeof writers [writer].text);
        cr_assert_eq (
            pthread_create (&threads [writer], NULL, s_write, &writers [writer]), 0);
    }
    for (int writer = 0; writer < WRITERS; writer++)
        pthread_join (threads [writer], NULL);
    for (int round = 0; round < 40; round++) {
        uint32_t wins = 0;
        const s_writer_t *winner = NULL;
        for (int writer = 0; writer < WRITERS; writer++) {
            wins += writers [writer].wins [round];
            if (writers [writer].wins [round])
                winner = &writers [writer];
        }
        cr_assert_eq (wins, 1, "round %d", round);
        char name [32];
        snprintf (name, sizeof name, "race/%d/one", round);
        kith_object_t object = {0};
        cr_assert_eq (objects->map (objects, name, &object, NULL), 0);
        cr_assert_eq (object.size, sizeof winner->text);
        cr_assert_eq (memcmp (object.data, winner->text, object.size), 0);
        objects->unmap (objects, &object);
    }
    free (writers);
    objects->close (&objects);
    engine->place_destroy (place);
}

//  --- random operations against a model -----------------------------------------------------------------

#define NAMES 12

static void
s_test_random (const kith_conformance_objects_t *engine)
{
    static const char *const names [NAMES] = {"a",       "b-1",     "b.1", "b/1",
                                              "b/2/x",   "b/2/y",   "b/3", "b_",
                                              "c/0/0/0", "c/0/0/1", "d",   "e/e"};
    void *place = engine->place_new ();
    kith_objects_t *objects = s_open (engine, place);
    kith_random_t random;
    kith_random_seed (&random, 5);
    uint64_t sizes [NAMES] = {0};
    bool there [NAMES] = {0};
    for (int round = 0; round < 600; round++) {
        uint64_t pick = kith_random_below (&random, NAMES);
        if (kith_random_below (&random, 2)) {
            char text [64] = "";
            memset (text, 'x', kith_random_below (&random, 60));
            kith_code_t code = s_put (objects, names [pick], text, NULL);
            cr_assert_eq (code, there [pick] ? KITH_ERR_EXISTS : KITH_OK);
            if (!there [pick])
                sizes [pick] = strlen (text);
            there [pick] = true;
        }
        else {
            cr_assert_eq (objects->remove (objects, names [pick], NULL), 0);
            there [pick] = false;
        }
        kith_bytes_t expected = {0};
        const char *prefix = round % 3 ? "" : "b/";
        for (size_t name = 0; name < NAMES; name++)
            if (there [name] && strncmp (names [name], prefix, strlen (prefix)) == 0)
                s_show (&expected, names [name], sizes [name]);
        kith_bytes_put_u8 (&expected, 0);
        cr_assert (s_lists (objects, prefix, (const char *) expected.data), "round %d",
                   round);
        kith_bytes_free (&expected);
    }
    objects->close (&objects);
    engine->place_destroy (place);
}

void
kith_conformance_objects (const kith_conformance_objects_t *engine)
{
    s_test_put_get_list (engine);
    s_test_cluster (engine);
    s_test_taken (engine);
    s_test_ranges (engine);
    s_test_map_outlives (engine);
    s_test_names (engine);
    s_test_race (engine);
    s_test_random (engine);
}
