//  test_token.c - tokens as text and back, and which position wins
//  SPDX-License-Identifier: Apache-2.0
#include "clients/token.h"
#include <criterion/criterion.h>

Test (token, text_is_that_of_the_contract)
{
    kith_token_t token = {0}, back = {0};
    kith_bytes_t text = {0};
    kith_token_put (&token, &(kith_proto_position_t){0, 1, 891});
    kith_token_print (&token, &text);
    cr_assert_str_eq ((const char *) text.data, "eyIwIjpbMSw4OTFdfQ");
    cr_assert_eq (kith_token_parse (&back, (const char *) text.data, NULL), 0);
    cr_assert_eq (back.count, 1);
    cr_assert_eq (back.items [0].seq, 891);
    kith_token_free (&token);
    kith_token_free (&back);
    kith_bytes_free (&text);
}

Test (token, newer_positions_win)
{
    kith_token_t token = {0};
    const kith_proto_position_t given [] = {{3, 1, 10},  {0, 2, 5}, {3, 1, 9},
                                            {0, 1, 500}, {3, 2, 1}, {1, 7, 7}};
    kith_token_merge (&token, given, 6);
    cr_assert_eq (token.count, 3);
    cr_assert_eq (kith_token_find (&token, 3)->epoch, 2);
    cr_assert_eq (kith_token_find (&token, 3)->seq, 1);
    cr_assert_eq (kith_token_find (&token, 0)->seq, 5);
    cr_assert_null (kith_token_find (&token, 2));
    kith_token_free (&token);
}

Test (token, large_numbers_survive)
{
    kith_token_t token = {0}, back = {0};
    kith_bytes_t text = {0};
    for (uint32_t log = 0; log < 200; log++)
        kith_token_put (&token,
                        &(kith_proto_position_t){199 - log, log + 1, 1ull << (log % 60)});
    kith_token_print (&token, &text);
    cr_assert_eq (kith_token_parse (&back, (const char *) text.data, NULL), 0);
    cr_assert_eq (back.count, 200);
    for (uint32_t index = 0; index < 200; index++) {
        cr_assert_eq (back.items [index].log, token.items [index].log);
        cr_assert_eq (back.items [index].epoch, token.items [index].epoch);
        cr_assert_eq (back.items [index].seq, token.items [index].seq);
    }
    kith_token_free (&token);
    kith_token_free (&back);
    kith_bytes_free (&text);
}

Test (token, other_texts_are_refused)
{
    const char *const texts [] = {"",
                                  "!",
                                  "e30=",
                                  "eyIw",
                                  "eyIwIjpbMSw4OTFd",
                                  "eyIwIjpbMSw4OTFdfQA",
                                  "eyItMSI6WzEsMV19",
                                  "W10",
                                  "eyIwIjpbMSw4OTFdLH0"};
    for (size_t index = 0; index < sizeof texts / sizeof texts [0]; index++) {
        kith_token_t token = {0};
        kith_error_t error = {0};
        cr_assert_eq (kith_token_parse (&token, texts [index], &error), -1, "%s",
                      texts [index]);
        cr_assert_eq (error.code, KITH_ERR_INVALID);
        cr_assert_eq (token.count, 0);
    }
    //  An empty one is a token: a client that has seen nothing
    kith_token_t token = {0};
    cr_assert_eq (kith_token_parse (&token, "e30", NULL), 0);
    kith_token_free (&token);
}

Test (token, base64_round_trip)
{
    uint8_t bytes [64];
    for (size_t at = 0; at < sizeof bytes; at++)
        bytes [at] = (uint8_t) (at * 37 + 11);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        kith_bytes_t text = {0}, back = {0};
        kith_base64_encode (&text, bytes, size);
        cr_assert_eq (text.size, (size * 8 + 5) / 6);
        cr_assert_eq (
            kith_base64_decode (&back, (const char *) text.data, text.size, NULL), 0);
        cr_assert_eq (back.size, size);
        cr_assert_eq (size ? memcmp (back.data, bytes, size) : 0, 0);
        kith_bytes_free (&text);
        kith_bytes_free (&back);
    }
}
