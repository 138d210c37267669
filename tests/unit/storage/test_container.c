//  test_container.c - containers: what is put is what is opened, and no damage passes
//  SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"
#include "base/random.h"
#include "storage/container_format.h"
#include "storage/snapshot.h"
#include "tests/unit/storage/scratch.h"

#include <criterion/criterion.h>
#include <math.h>

#define CLUSTER 0x1122334455667788ull

static const kith_file_info_t s_info = {.kind = KITH_FILE_SNAPSHOT,
                                        .cluster = CLUSTER,
                                        .channel = 7,
                                        .segment = 4711,
                                        .from = 4000,
                                        .to = 4711,
                                        .epoch = 3,
                                        .rows = 5};

//  A store, and the last container put into it
typedef struct {
    kith_objects_image_t *image;
    kith_objects_t *objects;
    uint64_t hash;
    uint64_t size;
} s_world_t;

static void
s_world_init (s_world_t *self)
{
    *self = (s_world_t){.image = kith_objects_image_new ()};
    self->objects = kith_objects_mem_open (self->image);
}

static void
s_world_free (s_world_t *self)
{
    self->objects->close (&self->objects);
    kith_objects_image_destroy (&self->image);
}

static void
s_put (s_world_t *self, const char *name, const kith_section_t *sections, size_t count)
{
    kith_error_t error = {0};
    int rc = kith_container_put (self->objects, name, &s_info, sections, count,
                                 &self->hash, &self->size, &error);
    cr_assert_eq (rc, 0, "%s", error.message);
}

static kith_container_t *
s_open (const s_world_t *self, const char *name, kith_error_t *error)
{
    return kith_container_open (self->objects, name, KITH_FILE_SNAPSHOT, CLUSTER,
                                self->hash, self->size, error);
}

//  Bytes of an object, a copy
static kith_bytes_t
s_bytes (const s_world_t *self, const char *name)
{
    kith_bytes_t out = {0};
    cr_assert_eq (self->objects->get (self->objects, name, 0, 0, &out, NULL), 0);
    return out;
}

//  Puts plain bytes in the place of an object
static void
s_replace (const s_world_t *self, const char *name, const void *data, uint64_t size)
{
    const kith_span_t span = {data, size};
    cr_assert_eq (self->objects->remove (self->objects, name, NULL), 0);
    cr_assert_eq (self->objects->put (self->objects, name, &span, 1, NULL, NULL), 0);
}

static bool
s_same_info (const kith_file_info_t *one, const kith_file_info_t *two)
{
    return one->kind == two->kind && one->cluster == two->cluster
           && one->channel == two->channel && one->segment == two->segment
           && one->from == two->from && one->to == two->to && one->epoch == two->epoch
           && one->rows == two->rows;
}

//  --- round trip ----------------------------------------------------------------------------------------

Test (container, round_trip)
{
    s_world_t world;
    s_world_init (&world);
    //  Sizes around the borders of blocks and alignments
    static const uint64_t sizes [] = {0,     1,     63,    64,     65,     4096,
                                      65535, 65536, 65537, 131072, 200001, 3};
    enum { COUNT = sizeof sizes / sizeof sizes [0] };
    kith_section_t sections [COUNT];
    kith_random_t random;
    kith_random_seed (&random, 9);
    for (size_t index = 0; index < COUNT; index++) {
        uint8_t *data = kith_new (sizes [index] + 1);
        for (uint64_t at = 0; at < sizes [index]; at++)
            data [at] = (uint8_t) kith_random_next (&random);
        sections [index] =
            (kith_section_t){(uint32_t) (100 + index), data, sizes [index],
                             index % 3 == 2 ? 4096 : (uint32_t) (index % 3) * 64};
    }
    for (size_t count = 0; count <= COUNT; count++) {
        char name [32];
        snprintf (name, sizeof name, "c/%zu", count);
        s_put (&world, name, sections, count);
        kith_bytes_t bytes = s_bytes (&world, name);
        cr_assert_eq (bytes.size, world.size);
        cr_assert_eq (kith_crc32c (0, bytes.data, bytes.size), world.hash, "%zu sections",
                      count);
        kith_error_t error = {0};
        kith_container_t *container = s_open (&world, name, &error);
        cr_assert (container, "%s", error.message);
        cr_assert (s_same_info (kith_container_info (container), &s_info));
        cr_assert_eq (kith_container_count (container), count);
        for (size_t index = 0; index < count; index++) {
            uint64_t size = 99;
            cr_assert_eq (kith_container_id (container, index), sections [index].id);
            const uint8_t *data =
                kith_container_section (container, sections [index].id, &size);
            cr_assert (data && size == sizes [index]);
            cr_assert_eq (memcmp (data, sections [index].data, size), 0);
            const uint8_t *front = kith_container_section (container, 100, NULL);
            uint64_t align = sections [index].align ? sections [index].align : 64;
            cr_assert_eq ((uint64_t) (data - front + 64) % align, 0);
            cr_assert_not (kith_container_stats (container, sections [index].id, NULL,
                                                 NULL, NULL, NULL));
        }
        uint64_t size = 99;
        cr_assert_null (kith_container_section (container, 5, &size));
        cr_assert_eq (size, 0);
        kith_container_destroy (&container);
        cr_assert_null (container);
        kith_bytes_free (&bytes);
    }
    for (size_t index = 0; index < COUNT; index++)
        free ((void *) (uintptr_t) sections [index].data);
    s_world_free (&world);
}

//  --- statistics ----------------------------------------------------------------------------------------

static void
s_column_ints (kith_bytes_t *out, uint32_t field, kith_type_t type, const int64_t *values,
               size_t count)
{
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, field, type, 0);
    for (size_t row = 0; row < count; row++)
        kith_column_builder_int (&builder, values [row]);
    kith_column_builder_null (&builder);
    kith_column_builder_finish (&builder, out);
    kith_column_builder_free (&builder);
}

static void
s_column_reals (kith_bytes_t *out, uint32_t field, kith_type_t type, const double *values,
                size_t count)
{
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, field, type, 0);
    for (size_t row = 0; row < count; row++)
        kith_column_builder_real (&builder, values [row]);
    kith_column_builder_finish (&builder, out);
    kith_column_builder_free (&builder);
}

Test (container, statistics)
{
    static const int64_t ints [] = {5, INT64_MIN, -3, INT64_MAX - 1};
    static const int64_t small [] = {5, -128, 127};
    static const double reals [] = {0.5, -2.25, 1e300, 7};
    const double nans [] = {(double) NAN, 3.5, (double) NAN};
    const double only_nan [] = {(double) NAN};
    kith_bytes_t blocks [7] = {0};
    s_column_ints (&blocks [0], KITH_FIELD_TIMESTAMP, KITH_TYPE_INT64, ints, 4);
    s_column_ints (&blocks [1], 100, KITH_TYPE_INT8, small, 3);
    s_column_reals (&blocks [2], 101, KITH_TYPE_DOUBLE, reals, 4);
    s_column_reals (&blocks [3], 102, KITH_TYPE_FLOAT, nans, 3);
    s_column_reals (&blocks [4], 103, KITH_TYPE_DOUBLE, only_nan, 1);
    s_column_ints (&blocks [5], 104, KITH_TYPE_BOOL, NULL, 0);
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, 105, KITH_TYPE_VARCHAR, 0);
    kith_column_builder_string (&builder, "text", 4);
    kith_column_builder_null (&builder);
    kith_column_builder_null (&builder);
    kith_column_builder_finish (&builder, &blocks [6]);
    kith_column_builder_free (&builder);
    static const uint32_t ids [7] = {KITH_FIELD_TIMESTAMP, 100, 101, 102, 103, 104, 105};
    kith_section_t sections [7];
    for (size_t index = 0; index < 7; index++)
        sections [index] =
            (kith_section_t){ids [index], blocks [index].data, blocks [index].size, 64};

    s_world_t world;
    s_world_init (&world);
    s_put (&world, "s", sections, 7);
    kith_error_t error = {0};
    kith_container_t *container = s_open (&world, "s", &error);
    cr_assert (container, "%s", error.message);
    uint64_t rows = 0;
    uint64_t nulls = 0;
    kith_stat_t min;
    kith_stat_t max;
    cr_assert (kith_container_stats (container, KITH_FIELD_TIMESTAMP, &rows, &nulls, &min,
                                     &max));
    cr_assert (rows == 5 && nulls == 1 && min.type == KITH_TYPE_INT64);
    cr_assert (min.integer == INT64_MIN && max.integer == INT64_MAX - 1);
    cr_assert (kith_container_stats (container, 100, &rows, &nulls, &min, &max));
    cr_assert (rows == 4 && nulls == 1 && min.integer == -128 && max.integer == 127);
    cr_assert (kith_container_stats (container, 101, &rows, &nulls, &min, &max));
    cr_assert (rows == 4 && nulls == 0 && min.type == KITH_TYPE_DOUBLE);
    cr_assert (min.real == -2.25 && max.real == 1e300);
    cr_assert (kith_container_stats (container, 102, &rows, &nulls, &min, &max));
    cr_assert (rows == 3 && nulls == 0 && min.real == 3.5 && max.real == 3.5);
    cr_assert (kith_container_stats (container, 103, &rows, &nulls, &min, &max));
    cr_assert (rows == 1 && (int) min.type == 0 && (int) max.type == 0);
    cr_assert (kith_container_stats (container, 104, &rows, &nulls, &min, &max));
    cr_assert (rows == 1 && nulls == 1 && (int) min.type == 0);
    cr_assert (kith_container_stats (container, 105, &rows, &nulls, &min, &max));
    cr_assert (rows == 3 && nulls == 2 && (int) min.type == 0);
    cr_assert_not (kith_container_stats (container, 99, NULL, NULL, NULL, NULL));

    //  The footer repeats the range of the timestamps
    kith_bytes_t bytes = s_bytes (&world, "s");
    uint64_t footer = kith_get_u64 (bytes.data + bytes.size - 64 + 24);
    cr_assert_eq ((int64_t) kith_get_u64 (bytes.data + footer + 72), INT64_MIN);
    cr_assert_eq ((int64_t) kith_get_u64 (bytes.data + footer + 80), INT64_MAX - 1);
    kith_bytes_free (&bytes);
    kith_container_destroy (&container);
    for (size_t index = 0; index < 7; index++)
        kith_bytes_free (&blocks [index]);
    s_world_free (&world);
}

//  --- damage --------------------------------------------------------------------------------------------

static void
s_small (s_world_t *world, const char *name)
{
    const kith_section_t sections [3] = {
        {1, "some bytes", 10, 0}, {2, "", 0, 64}, {9, "more of them", 12, 4096}};
    s_put (world, name, sections, 3);
}

//  Refused, with the object's name; the code
static kith_code_t
s_refused (const s_world_t *world, const char *name)
{
    kith_error_t error = {0};
    kith_container_t *container = s_open (world, name, &error);
    cr_assert_null (container);
    cr_assert (strstr (error.message, name), "%s", error.message);
    return error.code;
}

//  No size and no hash to compare with: the file must give itself away
Test (container, every_byte)
{
    s_world_t world;
    s_world_init (&world);
    s_small (&world, "dir/small");
    kith_bytes_t bytes = s_bytes (&world, "dir/small");
    world.hash = 0;
    world.size = 0;
    for (size_t at = 0; at < bytes.size; at++) {
        uint8_t was = bytes.data [at];
        for (int bit = 0; bit < 9; bit++) {
            bytes.data [at] = (uint8_t) (was ^ (bit < 8 ? 1u << bit : 255u));
            s_replace (&world, "dir/small", bytes.data, bytes.size);
            cr_assert_eq (s_refused (&world, "dir/small"), KITH_ERR_CORRUPT, "byte %zu",
                          at);
        }
        bytes.data [at] = was;
    }
    s_replace (&world, "dir/small", bytes.data, bytes.size);
    kith_container_t *container = s_open (&world, "dir/small", NULL);
    cr_assert (container);
    kith_container_destroy (&container);
    kith_bytes_free (&bytes);
    s_world_free (&world);
}

Test (container, every_length)
{
    s_world_t world;
    s_world_init (&world);
    s_small (&world, "dir/small");
    kith_bytes_t bytes = s_bytes (&world, "dir/small");
    world.hash = 0;
    world.size = 0;
    for (size_t size = 0; size < bytes.size; size++) {
        s_replace (&world, "dir/small", bytes.data, size);
        cr_assert_eq (s_refused (&world, "dir/small"), KITH_ERR_CORRUPT, "%zu bytes",
                      size);
        s_replace (&world, "dir/small", bytes.data + size, bytes.size - size);
        if (size)
            cr_assert_eq (s_refused (&world, "dir/small"), KITH_ERR_CORRUPT);
    }
    size_t whole = bytes.size;
    for (int more = 1; more < 200; more++) {
        kith_bytes_put_u8 (&bytes, (uint8_t) (more % 3));
        s_replace (&world, "dir/small", bytes.data, bytes.size);
        cr_assert_eq (s_refused (&world, "dir/small"), KITH_ERR_CORRUPT, "%d more", more);
    }
    //  Twice the same file, one after the other
    bytes.size = whole;
    kith_bytes_t twice = {0};
    kith_bytes_put (&twice, bytes.data, whole);
    kith_bytes_put (&twice, bytes.data, whole);
    s_replace (&world, "dir/small", twice.data, twice.size);
    cr_assert_eq (s_refused (&world, "dir/small"), KITH_ERR_CORRUPT);
    kith_bytes_free (&twice);
    kith_bytes_free (&bytes);
    s_world_free (&world);
}

//  Blocks of a larger file that change places, and the error that names the place
Test (container, blocks)
{
    s_world_t world;
    s_world_init (&world);
    uint8_t *data = kith_new (300000);
    kith_random_t random;
    kith_random_seed (&random, 2);
    for (size_t at = 0; at < 300000; at++)
        data [at] = (uint8_t) kith_random_next (&random);
    const kith_section_t section = {1, data, 300000, 0};
    s_put (&world, "big", &section, 1);
    kith_bytes_t bytes = s_bytes (&world, "big");
    kith_error_t error = {0};
    bytes.data [150000] ^= 4;
    s_replace (&world, "big", bytes.data, bytes.size);
    cr_assert_null (s_open (&world, "big", &error));
    cr_assert (strstr (error.message, "bytes 131072 to 196607"), "%s", error.message);
    bytes.data [150000] ^= 4;
    for (size_t at = 0; at < 65536; at++) {
        uint8_t swap = bytes.data [65536 + at];
        bytes.data [65536 + at] = bytes.data [131072 + at];
        bytes.data [131072 + at] = swap;
    }
    s_replace (&world, "big", bytes.data, bytes.size);
    cr_assert_eq (s_refused (&world, "big"), KITH_ERR_CORRUPT);
    kith_bytes_free (&bytes);
    free (data);
    s_world_free (&world);
}

//  From a store of files blocks are read of the file, from memory where they lie
static void
s_check_blocks (kith_objects_t *objects, bool memory)
{
    enum { BLOCKS = 40 };
    kith_error_t error = {0};
    uint8_t *data = kith_alloc64 ((size_t) BLOCKS * KITH_BLOCK_BYTES);
    void *room = NULL;
    cr_assert_eq (posix_memalign (&room, KITH_BLOCK_BYTES, KITH_BLOCK_BYTES), 0);
    for (size_t at = 0; at < (size_t) BLOCKS * KITH_BLOCK_BYTES; at++)
        data [at] = (uint8_t) (at * 7 + at / KITH_BLOCK_BYTES);
    const kith_section_t sections [] = {
        {.id = 1, .data = data, .size = 100},
        {.id = 2, .data = data, .size = BLOCKS * KITH_BLOCK_BYTES, .align = 4096}};
    cr_assert_eq (
        kith_container_put (objects, "b/1", &s_info, sections, 2, NULL, NULL, &error), 0);
    kith_container_t *container =
        kith_container_open (objects, "b/1", KITH_FILE_SNAPSHOT, CLUSTER, 0, 0, &error);
    cr_assert (!kith_container_blocks (container, 3, &error));
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    kith_blocks_t *blocks = kith_container_blocks (container, 2, &error);
    cr_assert (blocks, "%s", error.message);
    cr_assert_eq (kith_blocks_in_memory (blocks), memory);
    cr_assert_eq (kith_blocks_size (blocks), BLOCKS * KITH_BLOCK_BYTES);
    //  A file's blocks do not need the container
    if (!memory)
        kith_container_destroy (&container);
    kith_block_reader_t *reader = kith_block_reader_new (blocks, 4);
    for (uint64_t block = 0; block < BLOCKS; block++) {
        kith_block_read_t read = {.blocks = blocks,
                                  .at = block * KITH_BLOCK_BYTES,
                                  .size = KITH_BLOCK_BYTES,
                                  .room = room};
        kith_block_done_t done;
        reader->submit (reader, &read, 1);
        cr_assert_eq (reader->reap (reader, &done, 1), 1u);
        cr_assert_eq (done.failed, 0);
        cr_assert_eq (memcmp (done.data, data + read.at, KITH_BLOCK_BYTES), 0);
    }
    reader->close (&reader);
    kith_blocks_destroy (&blocks);
    kith_container_destroy (&container);
    free (room);
    free (data);
}

Test (container, a_section_in_blocks)
{
    s_world_t world;
    s_world_init (&world);
    s_check_blocks (world.objects, true);
    s_world_free (&world);
    char *directory = scratch_new ();
    kith_objects_t *files = kith_objects_dir_open (kith_fs_os (), directory, NULL);
    cr_assert (files);
    s_check_blocks (files, false);
    files->close (&files);
    scratch_remove (&directory);
}

//  The hash sees every difference of the data, also where checksums of the data stand in the file (a CRC
//  over bytes and their own plain CRC is the same number for all bytes)
Test (container, hash_tells_apart)
{
    s_world_t world;
    s_world_init (&world);
    uint64_t hashes [512];
    uint8_t data [64] = {0};
    for (int bit = 0; bit < 512; bit++) {
        char name [32];
        snprintf (name, sizeof name, "h/%d", bit);
        data [bit / 8] = (uint8_t) (1u << bit % 8);
        const kith_section_t section = {1, data, sizeof data, 0};
        s_put (&world, name, &section, 1);
        data [bit / 8] = 0;
        hashes [bit] = world.hash;
        for (int other = 0; other < bit; other++)
            cr_assert_neq (hashes [other], hashes [bit]);
    }
    s_world_free (&world);
}

//  Another container, sound in itself, in the place of the one that was meant
Test (container, swapped)
{
    s_world_t world;
    s_world_init (&world);
    const kith_section_t one = {1, "11111111", 8, 0};
    const kith_section_t two = {1, "22222222", 8, 0};
    s_put (&world, "two", &two, 1);
    kith_bytes_t other = s_bytes (&world, "two");
    s_put (&world, "one", &one, 1);
    cr_assert_eq (world.size, other.size);
    s_replace (&world, "one", other.data, other.size);
    cr_assert_eq (s_refused (&world, "one"), KITH_ERR_CORRUPT);
    kith_bytes_free (&other);

    //  Another kind
    kith_file_info_t info = s_info;
    info.kind = KITH_FILE_DEATHS;
    kith_error_t error = {0};
    cr_assert_eq (
        kith_container_put (world.objects, "kind", &info, &one, 1, NULL, NULL, NULL), 0);
    cr_assert_null (kith_container_open (world.objects, "kind", KITH_FILE_SNAPSHOT,
                                         CLUSTER, 0, 0, &error));
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    cr_assert (strstr (error.message, "is a death list, not a snapshot"), "%s",
               error.message);

    //  Another cluster; 0 takes any
    info = s_info;
    info.cluster = CLUSTER + 1;
    cr_assert_eq (
        kith_container_put (world.objects, "foreign", &info, &one, 1, NULL, NULL, NULL),
        0);
    cr_assert_null (kith_container_open (world.objects, "foreign", KITH_FILE_SNAPSHOT,
                                         CLUSTER, 0, 0, &error));
    cr_assert_eq (error.code, KITH_ERR_CLUSTER);
    kith_container_t *container =
        kith_container_open (world.objects, "foreign", KITH_FILE_SNAPSHOT, 0, 0, 0, NULL);
    cr_assert (container);
    kith_container_destroy (&container);

    //  None
    cr_assert_null (kith_container_open (world.objects, "none", KITH_FILE_SNAPSHOT,
                                         CLUSTER, 0, 0, &error));
    cr_assert_eq (error.code, KITH_ERR_NOT_FOUND);
    s_world_free (&world);
}

//  --- crafted files: every checksum right ---------------------------------------------------------------

//  Makes the checksums of a changed file right again
static void
s_reseal (kith_bytes_t *bytes)
{
    uint8_t *trailer = bytes->data + bytes->size - KITH_CONTAINER_TRAILER;
    uint64_t table_at = kith_get_u64 (trailer + 8);
    uint64_t table_bytes = kith_get_u64 (trailer + 16);
    uint64_t footer_at = kith_get_u64 (trailer + 24);
    uint64_t footer_bytes = kith_get_u64 (trailer + 32);
    if (table_at <= bytes->size && footer_at <= bytes->size
        && table_bytes <= bytes->size - table_at
        && footer_bytes <= bytes->size - footer_at) {
        kith_put_u32 (bytes->data + 60,
                      kith_container_mask (kith_crc32c (0, bytes->data, 60)));
        uint32_t block = kith_container_mask (kith_crc32c (0, bytes->data, table_at));
        if (table_bytes >= 4)
            kith_put_u32 (bytes->data + table_at, block);
        kith_put_u32 (trailer + 48, kith_container_mask (kith_crc32c (
                                        0, bytes->data + table_at, table_bytes)));
        kith_put_u32 (trailer + 52, kith_container_mask (kith_crc32c (
                                        0, bytes->data + footer_at, footer_bytes)));
    }
    kith_put_u32 (trailer + 60, kith_container_mask (kith_crc32c (0, trailer, 60)));
}

Test (container, other_version)
{
    s_world_t world;
    s_world_init (&world);
    s_small (&world, "v");
    kith_bytes_t bytes = s_bytes (&world, "v");
    bytes.data [bytes.size - 64 + 4] = 2;
    s_reseal (&bytes);
    s_replace (&world, "v", bytes.data, bytes.size);
    world.hash = 0;
    cr_assert_eq (s_refused (&world, "v"), KITH_ERR_VERSION);
    kith_bytes_free (&bytes);
    s_world_free (&world);
}

//  Any u64 of footer, section table and trailer replaced by hostile numbers, checksums right: refused, or
//  opened with every section inside the file
Test (container, crafted)
{
    static const uint64_t hostile [] = {0,
                                        1,
                                        63,
                                        64,
                                        4096,
                                        1 << 20,
                                        UINT32_MAX,
                                        UINT64_MAX,
                                        INT64_MAX,
                                        1ull << 63,
                                        0xffffffffffffffc0ull};
    s_world_t world;
    s_world_init (&world);
    s_small (&world, "x");
    kith_bytes_t good = s_bytes (&world, "x");
    uint64_t footer = kith_get_u64 (good.data + good.size - 64 + 24);
    world.hash = 0;
    world.size = 0;
    int opened = 0;
    int refused = 0;
    for (uint64_t at = footer; at + 8 <= good.size; at += 4) {
        for (size_t pick = 0; pick < sizeof hostile / sizeof hostile [0]; pick++) {
            kith_bytes_t bytes = {0};
            kith_bytes_put (&bytes, good.data, good.size);
            kith_put_u64 (bytes.data + at, hostile [pick]);
            s_reseal (&bytes);
            s_replace (&world, "x", bytes.data, bytes.size);
            kith_error_t error = {0};
            kith_container_t *container = s_open (&world, "x", &error);
            opened += container != NULL;
            refused += container == NULL;
            uint32_t sum = 0;
            for (size_t index = 0; container && index < kith_container_count (container);
                 index++) {
                uint64_t size = 0;
                uint32_t id = kith_container_id (container, index);
                const uint8_t *data = kith_container_section (container, id, &size);
                cr_assert_leq (size, footer);
                sum = kith_crc32c (sum, data, size);
            }
            cr_assert (container || error.code == KITH_ERR_CORRUPT
                       || error.code == KITH_ERR_VERSION
                       || error.code == KITH_ERR_CLUSTER);
            kith_container_destroy (&container);
            kith_bytes_free (&bytes);
        }
    }
    cr_assert (opened > 10 && refused > 100, "%d opened, %d refused", opened, refused);
    kith_bytes_free (&good);
    s_world_free (&world);
}

//  --- retry ---------------------------------------------------------------------------------------------

Test (container, put_again)
{
    s_world_t world;
    s_world_init (&world);
    const kith_section_t one = {1, "11111111", 8, 0};
    const kith_section_t two = {1, "22222222", 8, 0};
    s_put (&world, "n", &one, 1);
    uint64_t hash = world.hash;
    s_put (&world, "n", &one, 1);
    cr_assert_eq (world.hash, hash);
    kith_error_t error = {0};
    cr_assert_eq (
        kith_container_put (world.objects, "n", &s_info, &two, 1, NULL, NULL, &error),
        -1);
    cr_assert_eq (error.code, KITH_ERR_EXISTS);
    cr_assert_eq (
        kith_container_put (world.objects, "../n", &s_info, &two, 1, NULL, NULL, &error),
        -1);
    cr_assert_eq (error.code, KITH_ERR_INVALID);
    s_world_free (&world);
}
