//  test_bytes.c - a growing buffer
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include "base/random.h"

#include <criterion/criterion.h>

Test (bytes, grows)
{
    kith_bytes_t bytes = {0};
    kith_random_t random;
    kith_random_seed (&random, 1);
    static uint8_t expected [400000];
    size_t size = 0;
    for (int turn = 0; turn < 500; turn++) {
        uint8_t piece [500];
        size_t more = kith_random_below (&random, sizeof piece);
        for (size_t at = 0; at < more; at++)
            piece [at] = (uint8_t) kith_random_next (&random);
        kith_bytes_put (&bytes, piece, more);
        memcpy (expected + size, piece, more);
        size += more;
        uint8_t *zeros = kith_bytes_extend (&bytes, turn % 3 ? more : 0);
        cr_assert (zeros);
        memset (expected + size, 0, turn % 3 ? more : 0);
        size += turn % 3 ? more : 0;
        cr_assert_eq ((uintptr_t) bytes.data % 64, 0);
        cr_assert_leq (bytes.size, bytes.capacity);
    }
    cr_assert_eq (bytes.size, size);
    cr_assert_eq (memcmp (bytes.data, expected, size), 0);
    kith_bytes_clear (&bytes);
    cr_assert_eq (bytes.size, 0);
    kith_bytes_reserve (&bytes, 1000);
    cr_assert_geq (bytes.capacity, 1000);
    kith_bytes_free (&bytes);
    cr_assert (!bytes.data && !bytes.size && !bytes.capacity);
}

Test (bytes, values)
{
    kith_bytes_t bytes = {0};
    kith_bytes_put_u8 (&bytes, 0x11);
    kith_bytes_put_u32 (&bytes, 0x21222324);
    kith_bytes_put_u64 (&bytes, 0x3132333435363738u);
    static const uint8_t expected [] = {0x11, 0x24, 0x23, 0x22, 0x21, 0x38, 0x37,
                                        0x36, 0x35, 0x34, 0x33, 0x32, 0x31};
    cr_assert_eq (bytes.size, sizeof expected);
    cr_assert_eq (memcmp (bytes.data, expected, sizeof expected), 0);
    cr_assert_eq (kith_get_u32 (bytes.data + 1), 0x21222324);
    cr_assert_eq (kith_get_u64 (bytes.data + 5), 0x3132333435363738u);
    cr_assert_eq (kith_get_u16 (bytes.data + 1), 0x2324);
    kith_put_u16 (bytes.data + 1, 0xabcd);
    cr_assert_eq (bytes.data [1], 0xcd);
    kith_bytes_align64 (&bytes);
    cr_assert_eq (bytes.size, 64);
    kith_bytes_align64 (&bytes);
    cr_assert_eq (bytes.size, 64);
    kith_bytes_free (&bytes);
}

Test (bytes, text)
{
    kith_bytes_t bytes = {0};
    for (int number = 0; number < 200; number++)
        kith_bytes_printf (&bytes, "%d,", number);
    char expected [2000] = "";
    size_t length = 0;
    for (int number = 0; number < 200; number++)
        length += (size_t) snprintf (expected + length, sizeof expected - length, "%d,",
                                     number);
    cr_assert_eq (bytes.size, length);
    cr_assert_eq (memcmp (bytes.data, expected, length), 0);
    kith_bytes_free (&bytes);
    char *copy = kith_strdup (expected);
    cr_assert_str_eq (copy, expected);
    free (copy);
}

Test (bytes, aligned_memory)
{
    for (size_t size = 0; size < 300; size++) {
        uint8_t *data = kith_alloc64 (size);
        cr_assert (data && (uintptr_t) data % 64 == 0);
        for (size_t at = 0; at < size; at++)
            cr_assert_eq (data [at], 0);
        free (data);
        data = kith_new (size);
        for (size_t at = 0; at < size; at++)
            cr_assert_eq (data [at], 0);
        free (data);
    }
    cr_assert_null (kith_alloc64 (SIZE_MAX));
    cr_assert_null (kith_alloc64 (SIZE_MAX / 2));
    cr_assert_eq (kith_round64 (0), 0);
    cr_assert_eq (kith_round64 (1), 64);
    cr_assert_eq (kith_round64 (64), 64);
}
