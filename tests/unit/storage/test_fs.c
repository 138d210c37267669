//  test_fs.c - the operating system's file port
//  SPDX-License-Identifier: Apache-2.0
#include "storage/fs.h"

#include "tests/unit/storage/scratch.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *place;
    char path [4096];
    kith_fs_t *fs;
} scene_t;

static scene_t
s_scene (void)
{
    scene_t self = {.place = scratch_new (), .fs = kith_fs_os ()};
    snprintf (self.path, sizeof self.path, "%s/file", self.place);
    return self;
}

Test (fs, open_read_write)
{
    scene_t scene = s_scene ();
    kith_fs_t *fs = scene.fs;
    kith_error_t error;
    cr_assert_not (fs->exists (fs, scene.path));
    cr_assert_null (fs->open (fs, scene.path, false, false, &error));
    cr_assert_eq (error.code, KITH_ERR_NOT_FOUND);
    kith_file_t *file = fs->open (fs, scene.path, true, true, &error);
    cr_assert (file);
    cr_assert_null (fs->open (fs, scene.path, true, true, &error));
    cr_assert_eq (error.code, KITH_ERR_EXISTS);

    cr_assert_eq (fs->write (fs, file, 5, "hello", 5, &error), 0);
    cr_assert_eq (fs->write (fs, file, 0, "01234", 5, &error), 0);
    cr_assert_eq (fs->sync (fs, file, &error), 0);
    cr_assert_eq (fs->sync_dir (fs, scene.place, &error), 0);
    char text [11] = "";
    cr_assert_eq (fs->read (fs, file, 0, text, 10, &error), 0);
    cr_assert_str_eq (text, "01234hello");
    cr_assert_neq (fs->read (fs, file, 3, text, 8, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    cr_assert_neq (fs->read (fs, file, UINT64_MAX - 3, text, 8, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);

    uint64_t size = 0;
    cr_assert_eq (fs->truncate (fs, file, 7, &error), 0);
    cr_assert_eq (fs->size (fs, file, &size, &error), 0);
    cr_assert_eq (size, 7);
    const uint8_t *map = fs->map (fs, file, &size, &error);
    cr_assert (map && (uintptr_t) map % 4096 == 0);
    cr_assert (size == 7 && memcmp (map, "01234he", 7) == 0);
    fs->unmap (fs, map, size);
    cr_assert_eq (fs->truncate (fs, file, 0, &error), 0);
    cr_assert_null (fs->map (fs, file, &size, &error));
    cr_assert_eq (size, 0);
    fs->unmap (fs, NULL, 0);
    fs->close (fs, &file);
    cr_assert_null (file);
    scratch_remove (&scene.place);
}

Test (fs, not_inherited)
{
    scene_t scene = s_scene ();
    kith_file_t *file = scene.fs->open (scene.fs, scene.path, true, false, NULL);
    bool found = false;
    for (int handle = 0; handle < 64; handle++) {
        char link [64], target [4096] = "";
        snprintf (link, sizeof link, "/proc/self/fd/%d", handle);
        if (readlink (link, target, sizeof target - 1) < 0
            || strcmp (target, scene.path) != 0)
            continue;
        found = true;
        cr_assert (fcntl (handle, F_GETFD) & FD_CLOEXEC);
    }
    cr_assert (found);
    scene.fs->close (scene.fs, &file);
    scratch_remove (&scene.place);
}

Test (fs, lock)
{
    scene_t scene = s_scene ();
    kith_fs_t *fs = scene.fs;
    kith_file_t *first = fs->open (fs, scene.path, true, false, NULL);
    kith_file_t *second = fs->open (fs, scene.path, true, false, NULL);
    kith_error_t error;
    cr_assert_eq (fs->lock (fs, first, &error), 0);
    cr_assert_eq (fs->lock (fs, first, &error), 0);
    cr_assert_neq (fs->lock (fs, second, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_LOCKED);
    fs->close (fs, &first);
    cr_assert_eq (fs->lock (fs, second, &error), 0);
    fs->close (fs, &second);
    scratch_remove (&scene.place);
}

//  A limit on file lengths is the full disk that a test can have without rights
Test (fs, no_space)
{
    scene_t scene = s_scene ();
    kith_fs_t *fs = scene.fs;
    kith_file_t *file = fs->open (fs, scene.path, true, false, NULL);
    signal (SIGXFSZ, SIG_IGN);
    struct rlimit before, limit;
    cr_assert_eq (getrlimit (RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 10000;
    cr_assert_eq (setrlimit (RLIMIT_FSIZE, &limit), 0);
    static const uint8_t bytes [20000];
    kith_error_t error;
    int rc = fs->write (fs, file, 0, bytes, sizeof bytes, &error);
    setrlimit (RLIMIT_FSIZE, &before);
    cr_assert_neq (rc, 0);
    cr_assert_eq (error.code, KITH_ERR_NO_SPACE, "%s", error.message);
    cr_assert (strstr (error.message, scene.path));
    fs->close (fs, &file);
    scratch_remove (&scene.place);
}

static void
s_collect (void *arg, const char *name, bool is_dir)
{
    kith_bytes_printf (arg, "%s%s ", name, is_dir ? "/" : "");
}

Test (fs, names)
{
    scene_t scene = s_scene ();
    kith_fs_t *fs = scene.fs;
    kith_error_t error;
    char path [8192], other [8192];
    static const char *const names [] = {"b", "a", "C", "10", "9"};
    for (size_t index = 0; index < 5; index++) {
        snprintf (path, sizeof path, "%s/%s", scene.place, names [index]);
        kith_file_t *file = fs->open (fs, path, true, false, &error);
        cr_assert (file);
        fs->close (fs, &file);
    }
    snprintf (path, sizeof path, "%s/B", scene.place);
    cr_assert_eq (fs->mkdir (fs, path, &error), 0);
    cr_assert_eq (fs->mkdir (fs, path, &error), 0);
    snprintf (path, sizeof path, "%s/a", scene.place);
    cr_assert_neq (fs->mkdir (fs, path, &error), 0);
    snprintf (other, sizeof other, "%s/b", scene.place);
    cr_assert_neq (fs->link (fs, path, other, &error), 0);
    cr_assert_eq (error.code, KITH_ERR_EXISTS);
    snprintf (other, sizeof other, "%s/l", scene.place);
    cr_assert_eq (fs->link (fs, path, other, &error), 0);
    cr_assert_eq (fs->remove (fs, path, &error), 0);
    cr_assert_eq (fs->remove (fs, path, &error), 0);
    cr_assert_neq (fs->rename (fs, path, other, &error), 0);
    snprintf (path, sizeof path, "%s/9", scene.place);
    cr_assert_eq (fs->rename (fs, other, path, &error), 0);

    kith_bytes_t list = {0};
    cr_assert_eq (fs->list (fs, scene.place, s_collect, &list, &error), 0);
    kith_bytes_put_u8 (&list, 0);
    cr_assert_str_eq ((char *) list.data, "10 9 B/ C b ");
    kith_bytes_free (&list);
    cr_assert_neq (fs->list (fs, other, s_collect, &list, &error), 0);
    cr_assert_neq (fs->sync_dir (fs, other, &error), 0);
    scratch_remove (&scene.place);
}

Test (fs, mkdirs)
{
    scene_t scene = s_scene ();
    kith_fs_t *fs = scene.fs;
    kith_error_t error;
    char path [8192];
    static const char *const names [] = {"x", "x/y/z", "x/y/z", "p//q///r/",
                                         "x/y/z/1/2/3"};
    for (size_t index = 0; index < 5; index++) {
        snprintf (path, sizeof path, "%s/%s", scene.place, names [index]);
        cr_assert_eq (kith_fs_mkdirs (fs, path, &error), 0, "%s", error.message);
        struct stat status;
        cr_assert (stat (path, &status) == 0 && S_ISDIR (status.st_mode));
    }
    snprintf (path, sizeof path, "%s/file", scene.place);
    kith_file_t *file = fs->open (fs, path, true, false, &error);
    fs->close (fs, &file);
    cr_assert_neq (kith_fs_mkdirs (fs, path, &error), 0);
    snprintf (path, sizeof path, "%s/file/below", scene.place);
    cr_assert_neq (kith_fs_mkdirs (fs, path, &error), 0);

    //  From where we are
    cr_assert_eq (chdir (scene.place), 0);
    cr_assert_eq (kith_fs_mkdirs (fs, "here", &error), 0);
    cr_assert_eq (kith_fs_mkdirs (fs, "here/and/there", &error), 0);
    cr_assert (fs->exists (fs, "here/and/there"));
    cr_assert_eq (kith_fs_mkdirs (fs, ".", &error), 0);
    cr_assert_eq (chdir ("/"), 0);
    cr_assert_eq (kith_fs_mkdirs (fs, "/", &error), 0);
    scratch_remove (&scene.place);
}
