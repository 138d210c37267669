//  test_block_reader.c - every reader gives the bytes that are there, or says why not
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/random.h"
#include "storage/blocks.h"
#include "tests/unit/storage/scratch.h"

enum { BLOCKS = 300, DEPTH = 24, READS = 2000, PAGES = 3 };

typedef struct {
    uint8_t *bytes;
    kith_blocks_t *memory, *file;
    uint8_t *rooms;
} s_world_t;

static void
s_make (s_world_t *world, const char *directory)
{
    kith_random_t random;
    kith_error_t error;
    char path [512];
    size_t size = (size_t) BLOCKS * KITH_BLOCK_BYTES;
    world->bytes = kith_alloc64 (size);
    kith_random_seed (&random, 5);
    for (size_t at = 0; at < size; at += 8)
        kith_put_u64 (world->bytes + at, kith_random_next (&random));
    snprintf (path, sizeof path, "%s/blocks", directory);
    FILE *file = fopen (path, "w");
    cr_assert_eq (fwrite (world->bytes, 1, size, file), size);
    cr_assert_eq (fclose (file), 0);
    world->memory = kith_blocks_memory_new (world->bytes, size);
    world->file = kith_blocks_file_new (path, &error);
    cr_assert (world->file, "%s", error.message);
    void *rooms = NULL;
    cr_assert_eq (posix_memalign (&rooms, KITH_BLOCK_BYTES,
                                  (size_t) DEPTH * PAGES * KITH_BLOCK_BYTES),
                  0);
    world->rooms = rooms;
}

static void
s_free (s_world_t *world)
{
    kith_blocks_destroy (&world->memory);
    kith_blocks_destroy (&world->file);
    free (world->bytes);
    free (world->rooms);
}

//  Reads at random, as many under way as may be, and compares each with what was written
static void
s_read_all (s_world_t *world, const kith_blocks_t *blocks, kith_block_reader_t *reader)
{
    kith_random_t random;
    kith_random_seed (&random, 11);
    uint64_t at [DEPTH];
    uint32_t size [DEPTH], idle [DEPTH], idle_count = DEPTH, done_count = 0, begun = 0;
    for (uint32_t tag = 0; tag < DEPTH; tag++)
        idle [tag] = tag;
    while (done_count < READS) {
        kith_block_read_t reads [DEPTH];
        kith_block_done_t done [DEPTH];
        uint32_t count = 0;
        while (idle_count > 0 && begun < READS) {
            uint32_t tag = idle [--idle_count];
            uint32_t pages = 1 + (uint32_t) kith_random_below (&random, PAGES);
            at [tag] = kith_random_below (&random, BLOCKS - pages) * KITH_BLOCK_BYTES;
            size [tag] = pages * KITH_BLOCK_BYTES;
            reads [count++] = (kith_block_read_t){
                .blocks = blocks,
                .at = at [tag],
                .size = size [tag],
                .tag = tag,
                .room = world->rooms + (size_t) tag * PAGES * KITH_BLOCK_BYTES};
            begun++;
        }
        reader->submit (reader, reads, count);
        uint32_t got = reader->reap (reader, done, 7);
        cr_assert (got > 0 && got <= 7);
        for (uint32_t index = 0; index < got; index++, done_count++) {
            uint32_t tag = done [index].tag;
            cr_assert_eq (done [index].failed, 0);
            cr_assert_eq (memcmp (done [index].data, world->bytes + at [tag], size [tag]),
                          0);
            idle [idle_count++] = tag;
        }
    }
    kith_block_done_t none;
    cr_assert_eq (reader->flying, 0u);
    cr_assert_eq (reader->reap (reader, &none, 1), 0u);
}

//  A read of one block; its result
static int
s_result (kith_block_reader_t *reader, const kith_blocks_t *blocks, uint64_t at,
          void *room)
{
    kith_block_read_t read = {
        .blocks = blocks, .at = at, .size = KITH_BLOCK_BYTES, .tag = 9, .room = room};
    kith_block_done_t done;
    reader->submit (reader, &read, 1);
    cr_assert_eq (reader->reap (reader, &done, 1), 1u);
    cr_assert_eq (done.tag, 9u);
    return done.failed;
}

Test (block_reader, gives_what_is_there)
{
    s_world_t world;
    char *directory = scratch_new ();
    s_make (&world, directory);
    kith_block_reader_t *reader = kith_block_reader_memory (DEPTH);
    s_read_all (&world, world.memory, reader);
    reader->close (&reader);
    reader = kith_block_reader_pread (DEPTH);
    s_read_all (&world, world.file, reader);
    reader->close (&reader);
    reader = kith_block_reader_new (world.file, DEPTH);
    s_read_all (&world, world.file, reader);
    reader->close (&reader);
    cr_assert (!reader);
    s_free (&world);
    scratch_remove (&directory);
}

Test (block_reader, a_cut_file_and_one_that_fails_are_told)
{
    s_world_t world;
    char *directory = scratch_new ();
    kith_error_t error;
    char path [512];
    s_make (&world, directory);
    //  The file loses its end, in the middle of a block, after it was opened
    snprintf (path, sizeof path, "%s/blocks", directory);
    cr_assert_eq (truncate (path, 10 * KITH_BLOCK_BYTES + 100), 0);
    kith_blocks_t *sized = kith_blocks_file_new (path, &error);
    //  Memory of a process has nothing at its address 0: reads of it fail as those of a broken device do
    kith_blocks_t broken = *sized;
    broken.direct = -1;
    broken.cached = open ("/proc/self/mem", O_RDONLY);
    cr_assert_geq (broken.cached, 0);
    for (uint32_t kind = 0; kind < 2; kind++) {
        kith_block_reader_t *reader =
            kind ? kith_block_reader_pread (4) : kith_block_reader_new (world.file, 4);
        cr_assert_eq (s_result (reader, world.file, 9 * KITH_BLOCK_BYTES, world.rooms),
                      0);
        for (uint64_t block = 10; block < 12; block++) {
            int failed =
                s_result (reader, world.file, block * KITH_BLOCK_BYTES, world.rooms);
            cr_assert_eq (failed, KITH_BLOCK_CUT, "%s", reader->name);
            kith_block_failed (failed, "the index", block * KITH_BLOCK_BYTES, &error);
            cr_assert_eq (error.code, KITH_ERR_CORRUPT);
            cr_assert (strstr (error.message, "was cut"));
        }
        //  Beyond what was there when it was opened: never asked of the system
        cr_assert_eq (s_result (reader, sized, 10 * KITH_BLOCK_BYTES, world.rooms),
                      KITH_BLOCK_CUT);
        cr_assert_eq (s_result (reader, &broken, 0, world.rooms), EIO, "%s",
                      reader->name);
        reader->close (&reader);
    }
    close (broken.cached);
    kith_block_failed (EIO, "the index", 4096, &error);
    cr_assert_eq (error.code, KITH_ERR_IO);
    cr_assert (strstr (error.message, "byte 4096"));
    kith_blocks_destroy (&sized);
    s_free (&world);
    scratch_remove (&directory);
}

Test (block_reader, a_narrowed_place_is_all_there_is)
{
    s_world_t world;
    char *directory = scratch_new ();
    s_make (&world, directory);
    kith_blocks_narrow (world.memory, 5 * KITH_BLOCK_BYTES, 4 * KITH_BLOCK_BYTES);
    kith_blocks_narrow (world.file, 5 * KITH_BLOCK_BYTES, 4 * KITH_BLOCK_BYTES);
    kith_block_reader_t *memory = kith_block_reader_memory (1);
    kith_block_reader_t *file = kith_block_reader_new (world.file, 1);
    cr_assert_eq (s_result (memory, world.memory, 3 * KITH_BLOCK_BYTES, NULL), 0);
    cr_assert_eq (s_result (memory, world.memory, 4 * KITH_BLOCK_BYTES, NULL),
                  KITH_BLOCK_CUT);
    cr_assert_eq (s_result (file, world.file, 3 * KITH_BLOCK_BYTES, world.rooms), 0);
    cr_assert_eq (
        memcmp (world.rooms, world.bytes + 8 * KITH_BLOCK_BYTES, KITH_BLOCK_BYTES), 0);
    cr_assert_eq (s_result (file, world.file, 4 * KITH_BLOCK_BYTES, world.rooms),
                  KITH_BLOCK_CUT);
    cr_assert (kith_blocks_in_memory (world.memory)
               && !kith_blocks_in_memory (world.file));
    memory->close (&memory);
    file->close (&file);
    s_free (&world);
    scratch_remove (&directory);
}

Test (block_reader, no_file_no_place)
{
    kith_error_t error;
    cr_assert (!kith_blocks_file_new ("/nowhere/at/all", &error));
    cr_assert_eq (error.code, KITH_ERR_IO);
}

//  A process that gets no ring (here: no file descriptor is left for one) reads all the same
Test (block_reader, needs_no_ring)
{
    s_world_t world;
    char *directory = scratch_new ();
    s_make (&world, directory);
    struct rlimit before, none;
    cr_assert_eq (getrlimit (RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    cr_assert_eq (setrlimit (RLIMIT_NOFILE, &none), 0);
    kith_block_reader_t *reader = kith_block_reader_new (world.file, DEPTH);
    cr_assert_eq (setrlimit (RLIMIT_NOFILE, &before), 0);
    cr_assert_str_eq (reader->name, "pread");
    s_read_all (&world, world.file, reader);
    reader->close (&reader);
    s_free (&world);
    scratch_remove (&directory);
}
