//  test_mark.c - the mark survives torn writes and is never taken from damaged slots
//  SPDX-License-Identifier: Apache-2.0
#include "storage/mark.h"

#include "base/crc32c.h"
#include "tests/unit/storage/mem_fs.h"
#include "tests/unit/storage/scratch.h"

#include <criterion/criterion.h>

static void
s_expect (kith_fs_t *fs, const char *path, uint64_t epoch, uint64_t last)
{
    kith_mark_t mark;
    kith_error_t error;
    kith_mark_file_t *file = kith_mark_open (fs, path, false, &mark, &error);
    cr_assert (file, "%s", error.message);
    cr_assert_eq (mark.epoch, epoch);
    cr_assert_eq (mark.last, last);
    kith_mark_close (&file);
    cr_assert_null (file);
    kith_mark_close (&file);
}

static void
s_refused (kith_fs_t *fs, const char *path, bool create, kith_code_t code)
{
    kith_mark_t mark;
    kith_error_t error;
    cr_assert_null (kith_mark_open (fs, path, create, &mark, &error));
    cr_assert_eq (error.code, code, "%s", error.message);
}

Test (mark, real_file)
{
    char *place = scratch_new ();
    char path [4096];
    snprintf (path, sizeof path, "%s/MARK", place);
    kith_fs_t *fs = kith_fs_os ();
    s_refused (fs, path, false, KITH_ERR_NOT_FOUND);
    kith_mark_t mark;
    kith_mark_file_t *file = kith_mark_open (fs, path, true, &mark, NULL);
    cr_assert (file);
    cr_assert (mark.epoch == 0 && mark.last == 0);
    for (uint64_t turn = 1; turn <= 9; turn++) {
        cr_assert_eq (kith_mark_write (file, (kith_mark_t){turn, turn * 100}, NULL), 0);
        s_expect (fs, path, turn, turn * 100);
    }
    kith_mark_close (&file);
    file = kith_mark_open (fs, path, true, &mark, NULL);
    cr_assert (file && mark.epoch == 9 && mark.last == 900);
    kith_mark_close (&file);

    //  The file byte by byte: turn 10 (the first is 1, of zero) in the slot at 0, turn 9 in the other
    kith_bytes_t bytes = scratch_read (place, "MARK");
    cr_assert_eq (bytes.size, 8192);
    for (uint64_t slot = 0; slot < 2; slot++) {
        const uint8_t *at = bytes.data + slot * 4096;
        cr_assert_eq (memcmp (at, "KMRK\1\0\0\0", 8), 0);
        cr_assert_eq (kith_get_u64 (at + 8), 10 - slot);
        cr_assert_eq (kith_get_u64 (at + 16), 9 - slot);
        cr_assert_eq (kith_get_u64 (at + 24), 900 - slot * 100);
        cr_assert_eq (kith_get_u32 (at + 60), kith_crc32c (0, at, 60));
    }
    kith_bytes_free (&bytes);
    scratch_remove (&place);
}

//  A write that is cut short leaves the mark before it, or the new one
Test (mark, power_loss)
{
    size_t kept = 0, made = 0;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        mem_fs_t *memory = mem_fs_new (seed);
        kith_fs_t *fs = mem_fs_port (memory);
        kith_random_t random;
        kith_random_seed (&random, seed);
        kith_mark_t mark;
        kith_error_t error;
        uint64_t sure = 0;
        bool there = false;
        for (int turn = 0; turn < 10; turn++) {
            mem_fs_fail (memory, (uint32_t) kith_random_below (&random, 8),
                         kith_random_below (&random, 2) ? MEM_FAULT_SYNC
                                                        : MEM_FAULT_NO_SPACE,
                         true);
            kith_mark_file_t *file = kith_mark_open (fs, "MARK", !there, &mark, &error);
            cr_assert (file || error.code == KITH_ERR_IO
                           || error.code == KITH_ERR_NO_SPACE,
                       "%s", error.message);
            uint64_t tried = sure;
            if (file) {
                there = true;
                cr_assert_eq (mark.last, sure);
                tried = sure + 1;
                while (kith_mark_write (file, (kith_mark_t){1, tried}, NULL) == 0)
                    sure = tried++;
                cr_assert_neq (kith_mark_write (file, (kith_mark_t){1, tried}, NULL), 0);
            }
            kith_mark_close (&file);
            mem_fs_fail (memory, 0, MEM_FAULT_NONE, false);
            mem_fs_power_loss (memory);
            if (!there)
                continue;
            file = kith_mark_open (fs, "MARK", false, &mark, &error);
            cr_assert (file, "%s", error.message);
            cr_assert (mark.last == sure || mark.last == tried);
            kept += mark.last == sure;
            made += mark.last == tried;
            sure = mark.last;
            kith_mark_close (&file);
        }
        mem_fs_destroy (&memory);
    }
    cr_assert (kept > 500 && made > 100);
}

static mem_fs_t *
s_with_marks (uint64_t marks)
{
    mem_fs_t *memory = mem_fs_new (1);
    kith_mark_t mark;
    kith_mark_file_t *file =
        kith_mark_open (mem_fs_port (memory), "MARK", true, &mark, NULL);
    for (uint64_t last = 1; last <= marks; last++)
        cr_assert_eq (kith_mark_write (file, (kith_mark_t){7, last}, NULL), 0);
    kith_mark_close (&file);
    return memory;
}

Test (mark, damage)
{
    for (size_t byte = 0; byte < 128; byte++) {
        mem_fs_t *memory = s_with_marks (4);
        kith_fs_t *fs = mem_fs_port (memory);
        uint8_t *bytes = mem_fs_bytes (memory, "MARK")->data;
        //  Turn 5 is in the slot at 4096, turn 4 in that at 0
        size_t at = byte < 64 ? byte : 4096 + byte - 64;
        bytes [at] ^= 0x40;
        s_expect (fs, "MARK", 7, byte < 64 ? 4 : 3);
        bytes [(at + 4096) % 8192] ^= 0x20;
        s_refused (fs, "MARK", false, KITH_ERR_CORRUPT);
        s_refused (fs, "MARK", true, KITH_ERR_CORRUPT);
        mem_fs_destroy (&memory);
    }
    //  A slot in the other's place is damage, too
    mem_fs_t *memory = s_with_marks (4);
    uint8_t *bytes = mem_fs_bytes (memory, "MARK")->data;
    memcpy (bytes, bytes + 4096, 64);
    s_expect (mem_fs_port (memory), "MARK", 7, 4);
    memset (bytes + 4096, 0, 64);
    s_refused (mem_fs_port (memory), "MARK", false, KITH_ERR_CORRUPT);

    //  Another version
    bytes = mem_fs_bytes (memory, "MARK")->data;
    kith_put_u32 (bytes + 4, 2);
    kith_put_u32 (bytes + 60, kith_crc32c (0, bytes, 60));
    s_refused (mem_fs_port (memory), "MARK", true, KITH_ERR_VERSION);
    mem_fs_destroy (&memory);
}

//  What was promised in a file that is too short or too long now is not forgotten by making it anew
Test (mark, length)
{
    for (size_t size = 0; size < 8192; size += 32) {
        mem_fs_t *memory = s_with_marks (4);
        mem_fs_bytes (memory, "MARK")->size = size;
        s_refused (mem_fs_port (memory), "MARK", false, KITH_ERR_CORRUPT);
        if (size >= 64)
            s_refused (mem_fs_port (memory), "MARK", true, KITH_ERR_CORRUPT);
        mem_fs_destroy (&memory);
    }
    mem_fs_t *memory = s_with_marks (4);
    kith_bytes_put_u8 (mem_fs_bytes (memory, "MARK"), 0);
    s_refused (mem_fs_port (memory), "MARK", true, KITH_ERR_CORRUPT);
    mem_fs_destroy (&memory);
}
