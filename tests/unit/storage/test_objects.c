//  test_objects.c - the object stores against the suite that every one of them must pass; faults and leftovers
//  SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/objects.h"
#include "tests/unit/storage/mem_fs.h"
#include "tests/unit/storage/scratch.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void *
s_mem_place (void)
{
    return kith_objects_image_new ();
}

static kith_objects_t *
s_mem_open (void *place, kith_error_t *error)
{
    (void) error;
    return kith_objects_mem_open (place);
}

static void
s_mem_drop (void *place)
{
    kith_objects_image_t *image = place;
    kith_objects_image_destroy (&image);
    cr_assert_null (image);
}

Test (objects, memory_conforms)
{
    const kith_conformance_objects_t engine = {s_mem_place, s_mem_open, s_mem_drop};
    kith_conformance_objects (&engine);
}

static void *
s_dir_place (void)
{
    return scratch_new ();
}

static kith_objects_t *
s_dir_open (void *place, kith_error_t *error)
{
    return kith_objects_dir_open (kith_fs_os (), place, error);
}

static void
s_dir_drop (void *place)
{
    char *path = place;
    scratch_remove (&path);
}

Test (objects, directory_conforms)
{
    const kith_conformance_objects_t engine = {s_dir_place, s_dir_open, s_dir_drop};
    kith_conformance_objects (&engine);
}

//  --- leftovers -----------------------------------------------------------------------------------------

static bool
s_there (const char *directory, const char *name)
{
    char path [4096];
    snprintf (path, sizeof path, "%s/%s", directory, name);
    return access (path, F_OK) == 0;
}

//  What a crash left is swept away at the next opening; files that are no objects are neither shown nor touched
Test (objects, leftovers)
{
    char *path = scratch_new ();
    kith_objects_t *objects = kith_objects_dir_open (kith_fs_os (), path, NULL);
    const kith_span_t span = {"x", 1};
    cr_assert_eq (objects->put (objects, "a/b", &span, 1, NULL, NULL), 0);
    scratch_write (path, ".tmp-00112233445566ff~", "half", 4);
    scratch_write (path, "a/.tmp-0000000000000000~", "half", 4);
    scratch_write (path, "a/README~", "foreign", 7);
    scratch_write (path, "a/Upper", "foreign", 7);
    scratch_write (path, "a/.tmp-00", "an object", 9);
    objects->close (&objects);
    objects = kith_objects_dir_open (kith_fs_os (), path, NULL);
    cr_assert (objects);
    cr_assert_not (s_there (path, ".tmp-00112233445566ff~"));
    cr_assert_not (s_there (path, "a/.tmp-0000000000000000~"));
    cr_assert (s_there (path, "a/README~") && s_there (path, "a/Upper"));
    cr_assert (s_there (path, "a/.tmp-00") && s_there (path, "a/b"));
    objects->close (&objects);
    scratch_remove (&path);
}

static void
s_count (void *arg, const char *name, uint64_t size)
{
    (void) name;
    (void) size;
    ++*(int *) arg;
}

//  Empty directories go with their last object, the store's own stays
Test (objects, empty_directories)
{
    char *path = scratch_new ();
    kith_objects_t *objects = kith_objects_dir_open (kith_fs_os (), path, NULL);
    const kith_span_t span = {"x", 1};
    cr_assert_eq (objects->put (objects, "a/b/c", &span, 1, NULL, NULL), 0);
    cr_assert_eq (objects->put (objects, "a/d", &span, 1, NULL, NULL), 0);
    cr_assert_eq (objects->remove (objects, "a/b/c", NULL), 0);
    cr_assert_not (s_there (path, "a/b"));
    cr_assert (s_there (path, "a/d"));
    cr_assert_eq (objects->remove (objects, "a/d", NULL), 0);
    cr_assert_not (s_there (path, "a"));
    cr_assert (s_there (path, "."));
    int count = 0;
    cr_assert_eq (objects->list (objects, "", s_count, &count, NULL), 0);
    cr_assert_eq (count, 0);
    objects->close (&objects);
    scratch_remove (&path);
}

//  --- several processes ---------------------------------------------------------------------------------

//  Opens (and so sweeps) again and again, puts, removes; ends with 0 if nothing went wrong
static int
s_process (const char *path, int number)
{
    for (int round = 0; round < 60; round++) {
        kith_error_t error = {0};
        kith_objects_t *objects = kith_objects_dir_open (kith_fs_os (), path, &error);
        if (!objects) {
            fprintf (stderr, "open: %s\n", error.message);
            return 1;
        }
        char name [32];
        snprintf (name, sizeof name, "p/%d/x%d", round % 3, number);
        const kith_span_t span = {name, sizeof name};
        if (objects->put (objects, name, &span, 1, NULL, &error)) {
            fprintf (stderr, "%s: %s\n", name, error.message);
            return 2;
        }
        kith_bytes_t out = {0};
        if (objects->get (objects, name, 0, 0, &out, &error) || out.size != sizeof name)
            return 3;
        if (objects->remove (objects, name, &error))
            return 4;
        kith_bytes_free (&out);
        objects->close (&objects);
    }
    return 0;
}

//  Sweeps and removals of one process never harm the puts of another
Test (objects, processes)
{
    char *path = scratch_new ();
    pid_t children [4];
    for (int number = 0; number < 4; number++) {
        children [number] = fork ();
        if (children [number] == 0)
            _exit (s_process (path, number));
    }
    for (int number = 0; number < 4; number++) {
        int status = -1;
        cr_assert_eq (waitpid (children [number], &status, 0), children [number]);
        cr_assert (WIFEXITED (status));
        cr_assert_eq (WEXITSTATUS (status), 0);
    }
    scratch_remove (&path);
}

//  --- every call of the file port fails once ------------------------------------------------------------

//  A file port that fails its call number `at` and is the system's otherwise
typedef struct {
    kith_fs_t port;    //  first
    kith_fs_t *real;
    int calls;
    int at;
} s_faulty_t;

static bool
s_fails (kith_fs_t *port, kith_error_t *error)
{
    s_faulty_t *self = (s_faulty_t *) port;
    if (self->calls++ != self->at)
        return false;
    kith_error_set (error, KITH_ERR_IO, "the disk says no");
    return true;
}

static kith_fs_t *
s_real (kith_fs_t *port)
{
    return ((s_faulty_t *) port)->real;
}

static kith_file_t *
s_open (kith_fs_t *port, const char *path, bool create, bool exclusive,
        kith_error_t *error)
{
    if (s_fails (port, error))
        return NULL;
    return s_real (port)->open (s_real (port), path, create, exclusive, error);
}

static int
s_write (kith_fs_t *port, kith_file_t *file, uint64_t at, const void *data, size_t size,
         kith_error_t *error)
{
    //  Half of it arrives
    bool fails = s_fails (port, error);
    int rc = s_real (port)->write (s_real (port), file, at, data, fails ? size / 2 : size,
                                   fails ? NULL : error);
    return fails ? -1 : rc;
}

static int
s_sync (kith_fs_t *port, kith_file_t *file, kith_error_t *error)
{
    return s_fails (port, error) ? -1 : s_real (port)->sync (s_real (port), file, error);
}

static int
s_lock (kith_fs_t *port, kith_file_t *file, kith_error_t *error)
{
    return s_fails (port, error) ? -1 : s_real (port)->lock (s_real (port), file, error);
}

static int
s_mkdir (kith_fs_t *port, const char *path, kith_error_t *error)
{
    return s_fails (port, error) ? -1 : s_real (port)->mkdir (s_real (port), path, error);
}

//  The worse kind: it happened, and nobody says so
static int
s_link (kith_fs_t *port, const char *from, const char *to, kith_error_t *error)
{
    bool fails = s_fails (port, error);
    int rc = s_real (port)->link (s_real (port), from, to, fails ? NULL : error);
    return fails ? -1 : rc;
}

static int
s_remove (kith_fs_t *port, const char *path, kith_error_t *error)
{
    return s_fails (port, error) ? -1
                                 : s_real (port)->remove (s_real (port), path, error);
}

static int
s_sync_dir (kith_fs_t *port, const char *path, kith_error_t *error)
{
    return s_fails (port, error) ? -1
                                 : s_real (port)->sync_dir (s_real (port), path, error);
}

//  Puts "d/e/f" with call `at` failing; true if the put called the port so often that it failed
static bool
s_put_with_fault (int at)
{
    char *path = scratch_new ();
    char text [3000];
    memset (text, 't', sizeof text);
    const kith_span_t spans [2] = {{text, 1000}, {text + 1000, 2000}};
    s_faulty_t faulty = {.port = *kith_fs_os (), .real = kith_fs_os (), .at = -1};
    faulty.port.open = s_open;
    faulty.port.write = s_write;
    faulty.port.sync = s_sync;
    faulty.port.lock = s_lock;
    faulty.port.mkdir = s_mkdir;
    faulty.port.link = s_link;
    faulty.port.remove = s_remove;
    faulty.port.sync_dir = s_sync_dir;
    kith_objects_t *objects = kith_objects_dir_open (&faulty.port, path, NULL);
    faulty.calls = 0;
    faulty.at = at;
    kith_error_t error = {0};
    int rc = objects->put (objects, "d/e/f", spans, 2, NULL, &error);
    bool reached = faulty.calls > at;
    cr_assert (rc == 0 || error.code == KITH_ERR_IO, "%s", error.message);

    //  Whole or not at all; a second try says which, and makes it whole
    kith_object_t object = {0};
    faulty.at = -1;
    if (objects->map (objects, "d/e/f", &object, NULL) == 0) {
        cr_assert (object.size == sizeof text
                   && memcmp (object.data, text, object.size) == 0);
        objects->unmap (objects, &object);
    }
    else
        cr_assert_eq (rc, -1);
    bool same = false;
    cr_assert (objects->put (objects, "d/e/f", spans, 2, &same, NULL) == 0 || same);
    objects->close (&objects);

    objects = kith_objects_dir_open (kith_fs_os (), path, NULL);
    int count = 0;
    cr_assert_eq (objects->list (objects, "", s_count, &count, NULL), 0);
    cr_assert_eq (count, 1);
    objects->close (&objects);
    scratch_remove (&path);
    return reached;
}

Test (objects, every_call_fails_once)
{
    int at = 0;
    while (s_put_with_fault (at))
        at++;
    cr_assert_gt (at, 10, "%d calls", at);
}

//  --- power losses --------------------------------------------------------------------------------------

static kith_fs_t *
s_tree_port (mem_fs_t *fs)
{
    kith_fs_t *port = mem_fs_port (fs);
    cr_assert_eq (port->mkdir (port, "/data", NULL), 0);
    cr_assert_eq (port->sync_dir (port, "", NULL), 0);
    return port;
}

//  Puts and removes, with the power going at a random call. What was acknowledged is there, whole, what was
//  removed with an answer and anything half done is there whole or not at all.
static void
s_test_power (uint64_t seed)
{
    enum { NAMES = 6, BYTES = 1500 };
    mem_fs_t *fs = mem_fs_new (seed);
    kith_fs_t *port = s_tree_port (fs);
    kith_random_t random;
    kith_random_seed (&random, seed);
    int known [NAMES] = {0};    //  1: there, 0: not there, -1: unknown
    uint8_t bytes [BYTES];
    memset (bytes, 'b', sizeof bytes);
    for (int round = 0; round < 12; round++) {
        kith_error_t error = {0};
        kith_objects_t *objects = kith_objects_dir_open (port, "/data", &error);
        cr_assert (objects, "%s", error.message);
        for (int name = 0; name < NAMES; name++) {
            char text [32];
            kith_object_t object = {0};
            snprintf (text, sizeof text, "d%d/%d/x", name % 2, name);
            bool there = objects->map (objects, text, &object, &error) == 0;
            cr_assert (known [name] < 0 || there == known [name], "seed %" PRIu64 " %s",
                       seed, text);
            cr_assert (
                !there
                || (object.size == BYTES && memcmp (object.data, bytes, BYTES) == 0));
            known [name] = there;
            objects->unmap (objects, &object);
        }
        mem_fs_fail (fs, (uint32_t) kith_random_below (&random, 60), MEM_FAULT_IO, true);
        for (int step = 0; step < 12; step++) {
            char text [32];
            uint64_t name = kith_random_below (&random, NAMES);
            const kith_span_t span = {bytes, BYTES};
            bool same = false;
            snprintf (text, sizeof text, "d%" PRIu64 "/%" PRIu64 "/x", name % 2, name);
            bool put = kith_random_below (&random, 3) > 0;
            int rc = put ? objects->put (objects, text, &span, 1, &same, &error)
                         : objects->remove (objects, text, &error);
            if (rc == 0 || same)
                known [name] = put;
            else
                known [name] = -1;
        }
        objects->close (&objects);
        mem_fs_fail (fs, 0, MEM_FAULT_NONE, false);
        mem_fs_power_loss (fs);
    }
    mem_fs_destroy (&fs);
}

Test (objects, power_losses)
{
    for (uint64_t seed = 1; seed <= 400; seed++)
        s_test_power (seed);
}

//  --- odd places ----------------------------------------------------------------------------------------

Test (objects, refused_places)
{
    kith_error_t error = {0};
    cr_assert_null (kith_objects_dir_open (kith_fs_os (), "/proc/nowhere", &error));
    cr_assert_neq (error.code, KITH_OK);
    char *path = scratch_new ();
    scratch_write (path, "file", "x", 1);
    char file [4096];
    snprintf (file, sizeof file, "%s/file", path);
    cr_assert_null (kith_objects_dir_open (kith_fs_os (), file, &error));
    scratch_remove (&path);
}
