//  test_utf8.c - which bytes are UTF-8, against all characters that there are
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/utf8.h"

#include "base/random.h"

#include <criterion/criterion.h>

static size_t
s_write (uint32_t point, uint8_t bytes [4])
{
    if (point < 0x80) {
        bytes [0] = (uint8_t) point;
        return 1;
    }
    size_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t index = size; index-- > 1; point >>= 6)
        bytes [index] = (uint8_t) (0x80 | (point & 63));
    bytes [0] = (uint8_t) (point | (size == 2 ? 0xc0u : size == 3 ? 0xe0u : 0xf0u));
    return size;
}

//  Every sequence of three and four bytes that begins with a byte over 0x7f is UTF-8 as one character iff
//  some character is written that way.
Test (utf8, is_exactly_the_characters_that_there_are, .timeout = 300)
{
    uint8_t *good [5] = {NULL};
    good [2] = calloc (1u << 16, 1);
    good [3] = calloc (1u << 24, 1);
    for (uint32_t point = 0x80; point < 0x110000; point++) {
        uint8_t bytes [4];
        size_t size = s_write (point, bytes);
        bool surrogate = point >= 0xd800 && point < 0xe000;
        cr_assert_eq (kith_utf8_run (bytes, size), surrogate ? 0 : size);
        uint32_t number = 0;
        for (size_t index = 0; index < size; index++)
            number = number << 8 | bytes [index];
        if (size < 4 && !surrogate)
            good [size][number] = 1;
    }
    for (uint32_t number = 0x8000; number < 1u << 16; number++) {
        uint8_t bytes [2] = {(uint8_t) (number >> 8), (uint8_t) number};
        cr_assert_eq (kith_utf8_run (bytes, 2) == 2, good [2][number]);
    }
    for (uint32_t number = 0xe00000; number < 1u << 24; number++) {
        uint8_t bytes [3] = {(uint8_t) (number >> 16), (uint8_t) (number >> 8),
                             (uint8_t) number};
        cr_assert_eq (kith_utf8_run (bytes, 3) == 3, good [3][number]);
    }
    free (good [2]);
    free (good [3]);
}

Test (utf8, four_bytes_beyond_the_last_character)
{
    cr_assert_eq (kith_utf8_run ("\xf4\x8f\xbf\xbf", 4), 4);
    cr_assert_eq (kith_utf8_run ("\xf4\x90\x80\x80", 4), 0);
    cr_assert_eq (kith_utf8_run ("\xf0\x8f\xbf\xbf", 4), 0);
    cr_assert_eq (kith_utf8_run ("\xf5\x80\x80\x80", 4), 0);
    cr_assert_eq (kith_utf8_run ("\xff", 1), 0);
}

Test (utf8, runs_end_before_what_is_none)
{
    cr_assert_eq (kith_utf8_run ("ab\xc3\xa9z", 5), 5);
    cr_assert_eq (kith_utf8_run ("ab\xc3", 3), 2);
    cr_assert_eq (kith_utf8_run ("a\0b", 3), 1);
    cr_assert_eq (kith_utf8_run ("", 0), 0);
}

Test (utf8, repair_makes_text_of_anything)
{
    kith_random_t random;
    kith_random_seed (&random, 5);
    for (uint32_t turn = 0; turn < 20000; turn++) {
        uint8_t bytes [16];
        for (size_t at = 0; at < sizeof bytes; at++)
            bytes [at] = (uint8_t) kith_random_next (&random);
        kith_bytes_t out = {0};
        kith_utf8_repair (bytes, sizeof bytes, &out);
        cr_assert_eq (kith_utf8_run (out.data, out.size), out.size);
        cr_assert_leq (out.size, sizeof bytes);
        kith_bytes_free (&out);
    }
    kith_bytes_t out = {0};
    kith_utf8_repair ("caf\xc3\xa9 \xc3", 7, &out);
    cr_assert_eq (out.size, 7);
    cr_assert_arr_eq (out.data, "caf\xc3\xa9 ?", 7);
    kith_bytes_free (&out);
}
