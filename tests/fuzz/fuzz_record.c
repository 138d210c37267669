//  fuzz_record.c - hostile bytes as a log record; every second input gets right checksums, to come further
//  SPDX-License-Identifier: Apache-2.0
//
//  What is accepted must be what kith_record_put makes of it: the format has one form for each record.
#include "base/crc32c.h"
#include "storage/log.h"
#include "tests/fuzz/fuzz.h"

static void
s_seal (uint8_t *bytes, size_t size)
{
    if (size < KITH_RECORD_HEADER)
        return;
    uint64_t body_bytes = kith_get_u64 (bytes + 88);
    kith_put_u32 (bytes, 0x4345524bu);
    if (body_bytes <= size - KITH_RECORD_HEADER)
        kith_put_u32 (bytes + 100,
                      kith_crc32c (0, bytes + KITH_RECORD_HEADER, (size_t) body_bytes));
    kith_put_u32 (bytes + 124, kith_crc32c (0, bytes, 124));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    //  A copy of its own length, so that a sanitizer sees any read behind it
    uint8_t *bytes = kith_new (size);
    if (size)
        memcpy (bytes, data, size);
    if (size && data [size - 1] % 2)
        s_seal (bytes, size);

    kith_record_t record;
    kith_error_t error;
    uint64_t used = 0;
    uint32_t header_crc = 0, previous_crc = 0;
    if (kith_record_open (&record, bytes, size, &used, &header_crc, &previous_crc, &error)
        == 0) {
        assert (used <= size && used == kith_record_bytes (record.body_bytes));
        kith_bytes_t again = {0};
        uint32_t crc = kith_record_put (&again, &record, previous_crc);
        assert (crc == header_crc);
        assert (again.size == used && memcmp (again.data, bytes, again.size) == 0);
        kith_bytes_free (&again);
    }
    else
        assert (error.code != KITH_OK && error.message [0]);
    free (bytes);
    return 0;
}
