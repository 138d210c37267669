//  scratch.c - directories and files that a test makes, copies, damages and removes
//  SPDX-License-Identifier: Apache-2.0
#include "tests/unit/storage/scratch.h"

#include "base/crc32c.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

char *
scratch_new (void)
{
    const char *where = getenv ("TMPDIR");
    kith_bytes_t path = {0};
    kith_bytes_printf (&path, "%s/kith-test-XXXXXX", where && where [0] ? where : "/tmp");
    kith_bytes_put_u8 (&path, 0);
    char *text = kith_strdup ((const char *) path.data);
    kith_bytes_free (&path);
    cr_assert (mkdtemp (text));
    return text;
}

static int
s_remove (const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void) status;
    (void) type;
    (void) place;
    return remove (path);
}

void
scratch_remove (char **path_p)
{
    nftw (*path_p, s_remove, 16, FTW_DEPTH | FTW_PHYS);
    free (*path_p);
    *path_p = NULL;
}

kith_bytes_t
scratch_read (const char *directory, const char *name)
{
    char path [4096];
    snprintf (path, sizeof path, "%s/%s", directory, name);
    int file = open (path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    cr_assert (file >= 0 && fstat (file, &status) == 0, "%s", path);
    kith_bytes_t bytes = {0};
    if (status.st_size) {
        size_t size = (size_t) status.st_size;
        cr_assert_eq (read (file, kith_bytes_extend (&bytes, size), size),
                      (ssize_t) size);
    }
    close (file);
    return bytes;
}

void
scratch_write (const char *directory, const char *name, const void *data, size_t size)
{
    char path [4096];
    snprintf (path, sizeof path, "%s/%s", directory, name);
    int file = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert (file >= 0, "%s", path);
    cr_assert_eq (write (file, data, size), (ssize_t) size);
    close (file);
}

static int
s_plain (const struct dirent *entry)
{
    return entry->d_type == DT_REG;
}

void
scratch_copy (const char *from, const char *to)
{
    struct dirent **names = NULL;
    nftw (to, s_remove, 16, FTW_DEPTH | FTW_PHYS);
    cr_assert_eq (mkdir (to, 0755), 0);
    int count = scandir (from, &names, s_plain, alphasort);
    cr_assert_geq (count, 0);
    for (int index = 0; index < count; index++) {
        kith_bytes_t bytes = scratch_read (from, names [index]->d_name);
        scratch_write (to, names [index]->d_name, bytes.data, bytes.size);
        kith_bytes_free (&bytes);
        free (names [index]);
    }
    free (names);
}

char *
scratch_digest (const char *path, const char *but)
{
    struct dirent **names = NULL;
    kith_bytes_t text = {0};
    int count = scandir (path, &names, s_plain, alphasort);
    cr_assert_geq (count, 0);
    for (int index = 0; index < count; index++) {
        const char *name = names [index]->d_name;
        kith_bytes_t bytes = scratch_read (path, name);
        if (strcmp (name, but) != 0)
            kith_bytes_printf (&text, "%s %zu %08x\n", name, bytes.size,
                               kith_crc32c (0, bytes.data, bytes.size));
        kith_bytes_free (&bytes);
        free (names [index]);
    }
    free (names);
    kith_bytes_put_u8 (&text, 0);
    char *digest = kith_strdup ((const char *) text.data);
    kith_bytes_free (&text);
    return digest;
}
