//  test_crc32c.c - the checksum against its definition, bit by bit
//  SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#include "base/crc32c_cpu.h"
#include "base/random.h"

#include <criterion/criterion.h>

//  Remainder of the division by the polynomial, bits reversed
static uint32_t
s_by_bit (uint32_t crc, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        crc ^= data [at];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return crc;
}

//  RFC 3720, appendix B.4
Test (crc32c, published_values)
{
    uint8_t bytes [32] = {0};
    cr_assert_eq (kith_crc32c (0, bytes, 32), 0x8a9136aau);
    memset (bytes, 0xff, 32);
    cr_assert_eq (kith_crc32c (0, bytes, 32), 0x62a8ab43u);
    for (uint8_t at = 0; at < 32; at++)
        bytes [at] = at;
    cr_assert_eq (kith_crc32c (0, bytes, 32), 0x46dd794eu);
    for (uint8_t at = 0; at < 32; at++)
        bytes [at] = (uint8_t) (31 - at);
    cr_assert_eq (kith_crc32c (0, bytes, 32), 0x113fdb5cu);
    cr_assert_eq (kith_crc32c (0, "123456789", 9), 0xe3069283u);
    cr_assert_eq (kith_crc32c (0, "", 0), 0);
}

Test (crc32c, table)
{
    for (int row = 0; row < 8; row++) {
        for (int value = 0; value < 256; value++) {
            uint8_t bytes [8] = {(uint8_t) value};
            cr_assert_eq (kith_crc32c_table [row][value],
                          s_by_bit (0, bytes, (size_t) row + 1));
        }
    }
}

Test (crc32c, every_way_is_the_same)
{
    static uint8_t bytes [20000];
    kith_random_t random;
    kith_random_seed (&random, 1);
    for (size_t at = 0; at < sizeof bytes; at++)
        bytes [at] = (uint8_t) kith_random_next (&random);
    for (int turn = 0; turn < 1500; turn++) {
        size_t at = kith_random_below (&random, 64);
        size_t size = kith_random_below (&random, turn % 10 ? 2000 : sizeof bytes - 64);
        uint32_t crc = (uint32_t) kith_random_next (&random);
        uint32_t expected = s_by_bit (crc, bytes + at, size);
        cr_assert_eq (kith_crc32c_by_table (crc, bytes + at, size), expected);
        if (kith_crc32c_cpu_has ())
            cr_assert_eq (kith_crc32c_by_cpu (crc, bytes + at, size), expected);
        cr_assert_eq (kith_crc32c (~crc, bytes + at, size), ~expected);
        //  In two pieces
        size_t cut = kith_random_below (&random, size + 1);
        uint32_t first = kith_crc32c (~crc, bytes + at, cut);
        cr_assert_eq (kith_crc32c (first, bytes + at + cut, size - cut), ~expected);
    }
}
