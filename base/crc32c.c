//  crc32c.c - the checksum of everything stored and of frames on tcp
//  SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#include "base/bytes.h"
#include "base/crc32c_cpu.h"

uint32_t
kith_crc32c_by_table (uint32_t crc, const uint8_t *data, size_t size)
{
    const uint32_t (*table) [256] = kith_crc32c_table;
    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word = kith_get_u64 (data) ^ crc;
        crc = table [7][word & 255] ^ table [6][word >> 8 & 255]
              ^ table [5][word >> 16 & 255] ^ table [4][word >> 24 & 255]
              ^ table [3][word >> 32 & 255] ^ table [2][word >> 40 & 255]
              ^ table [1][word >> 48 & 255] ^ table [0][word >> 56];
    }
    for (; size; data++, size--)
        crc = crc >> 8 ^ table [0][(crc ^ *data) & 255];
    return crc;
}

uint32_t
kith_crc32c (uint32_t crc, const void *data, size_t size)
{
    if (kith_crc32c_cpu_has ())
        return ~kith_crc32c_by_cpu (~crc, data, size);
    return ~kith_crc32c_by_table (~crc, data, size);
}
