//  test_log.c - every log engine against the suite
//  SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/log.h"
#include "tests/unit/storage/mem_fs.h"
#include "tests/unit/storage/scratch.h"

#include <criterion/criterion.h>

static void *
s_mem_place (void)
{
    return kith_log_image_new ();
}

static kith_log_t *
s_mem_handle (void *place)
{
    return kith_log_mem_new (place);
}

static void
s_mem_drop (void *place)
{
    kith_log_image_t *image = place;
    kith_log_image_destroy (&image);
    cr_assert_null (image);
}

Test (log, memory_conforms)
{
    const kith_conformance_log_t engine = {s_mem_place, s_mem_handle, s_mem_drop};
    kith_conformance_log (&engine);
}

static void *
s_file_place (void)
{
    return scratch_new ();
}

static kith_log_t *
s_handle (const char *place, uint64_t file_bytes_max)
{
    char path [4096];
    snprintf (path, sizeof path, "%s/logs/log-7", place);
    return kith_log_file_new (kith_fs_os (), path, file_bytes_max);
}

static kith_log_t *
s_file_handle (void *place)
{
    return s_handle (place, 0);
}

static kith_log_t *
s_small_file_handle (void *place)
{
    return s_handle (place, 10000);
}

static void
s_file_drop (void *place)
{
    char *path = place;
    scratch_remove (&path);
}

Test (log, files_conform)
{
    const kith_conformance_log_t engine = {s_file_place, s_file_handle, s_file_drop};
    kith_conformance_log (&engine);
}

Test (log, small_files_conform)
{
    const kith_conformance_log_t engine = {s_file_place, s_small_file_handle,
                                           s_file_drop};
    kith_conformance_log (&engine);
}

static void *
s_other_place (void)
{
    return mem_fs_new (1);
}

static kith_log_t *
s_other_handle (void *place)
{
    return kith_log_file_new (mem_fs_port (place), "logs/log-7", 20000);
}

static void
s_other_drop (void *place)
{
    mem_fs_t *memory = place;
    mem_fs_destroy (&memory);
}

Test (log, files_of_another_port_conform)
{
    const kith_conformance_log_t engine = {s_other_place, s_other_handle, s_other_drop};
    kith_conformance_log (&engine);
}
