//  fuzz_container.c - hostile bytes as a container; half of the inputs get right checksums, to come further
//  SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"
#include "storage/container_format.h"
#include "storage/snapshot.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static uint32_t
s_sum (const uint8_t *bytes, uint64_t size)
{
    return kith_container_mask (kith_crc32c (0, bytes, size));
}

//  Makes every checksum right that the trailer's positions lead to
static void
s_seal (uint8_t *bytes, uint64_t size)
{
    uint8_t *trailer = bytes + size - KITH_CONTAINER_TRAILER;
    uint64_t table_at = kith_get_u64 (trailer + 8);
    uint64_t table_bytes = kith_get_u64 (trailer + 16);
    uint64_t footer_at = kith_get_u64 (trailer + 24);
    uint64_t footer_bytes = kith_get_u64 (trailer + 32);
    kith_put_u32 (trailer, KITH_CONTAINER_TRAILER_MAGIC);
    kith_put_u32 (trailer + 4, KITH_CONTAINER_VERSION);
    kith_put_u64 (trailer + 40, size);
    kith_put_u32 (bytes, KITH_CONTAINER_MAGIC);
    kith_put_u32 (bytes + 60, s_sum (bytes, 60));
    if (table_at <= size && table_bytes <= size - table_at && footer_at <= size
        && footer_bytes <= size - footer_at) {
        uint64_t blocks = (table_at + KITH_CONTAINER_BLOCK - 1) / KITH_CONTAINER_BLOCK;
        for (uint64_t block = 0; block < blocks && block * 4 + 4 <= table_bytes;
             block++) {
            uint64_t at = block * KITH_CONTAINER_BLOCK;
            uint64_t left = table_at - at;
            kith_put_u32 (bytes + table_at + block * 4,
                          s_sum (bytes + at, left < KITH_CONTAINER_BLOCK
                                                 ? left
                                                 : KITH_CONTAINER_BLOCK));
        }
        kith_put_u32 (trailer + 48, s_sum (bytes + table_at, table_bytes));
        kith_put_u32 (trailer + 52, s_sum (bytes + footer_at, footer_bytes));
    }
    kith_put_u32 (trailer + 60, s_sum (trailer, KITH_CONTAINER_TRAILER - 4));
}

//  Reads every byte that an opened container shows
static uint32_t
s_use (const kith_container_t *container)
{
    uint32_t crc = 0;
    for (size_t index = 0; index < kith_container_count (container); index++) {
        uint32_t id = kith_container_id (container, index);
        uint64_t size = 0;
        uint64_t rows = 0;
        uint64_t nulls = 0;
        kith_stat_t min;
        kith_stat_t max;
        kith_column_t column;
        const uint8_t *section = kith_container_section (container, id, &size);
        crc = kith_crc32c (crc, section, size);
        if (kith_container_stats (container, id, &rows, &nulls, &min, &max))
            assert (nulls <= rows);
        if (kith_column_open (&column, section, size, NULL) == 0)
            crc = kith_crc32c (crc, column.data, column.data_bytes);
    }
    return crc;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    kith_bytes_t bytes = {0};
    kith_bytes_put (&bytes, data + 1, size - 1);
    if (data [0] & 1 && bytes.size >= KITH_CONTAINER_HEADER + KITH_CONTAINER_TRAILER)
        s_seal (bytes.data, bytes.size);
    kith_objects_image_t *image = kith_objects_image_new ();
    kith_objects_t *objects = kith_objects_mem_open (image);
    const kith_span_t span = {bytes.data, bytes.size};
    if (objects->put (objects, "input", &span, 1, NULL, NULL) == 0) {
        kith_file_kind_t kind = (kith_file_kind_t) (1 + (data [0] >> 1) % 4);
        kith_container_t *container =
            kith_container_open (objects, "input", kind, 0, 0, 0, NULL);
        if (container)
            (void) s_use (container);
        kith_container_destroy (&container);
    }
    objects->close (&objects);
    kith_objects_image_destroy (&image);
    kith_bytes_free (&bytes);
    return 0;
}
