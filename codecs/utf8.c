//  utf8.c - which bytes are UTF-8 text
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/utf8.h"

//  Bytes of the character at `at`; 0 if there is none. The second byte's range keeps out overlong forms,
//  surrogates and what is above U+10FFFF (Unicode 15, table 3-7).
static size_t
s_character (const uint8_t *at, size_t left)
{
    uint8_t first = at [0];
    if (first < 0x80)
        return first != 0;
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || left < size)
        return 0;
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at [1] < low || at [1] > high)
        return 0;
    for (size_t index = 2; index < size; index++)
        if ((at [index] & 0xc0) != 0x80)
            return 0;
    return size;
}

size_t
kith_utf8_run (const void *text, size_t size)
{
    const uint8_t *bytes = text;
    size_t at = 0;
    while (at < size) {
        size_t step = s_character (bytes + at, size - at);
        if (step == 0)
            break;
        at += step;
    }
    return at;
}

void
kith_utf8_repair (const void *text, size_t size, kith_bytes_t *out)
{
    const uint8_t *bytes = text;
    size_t at = 0;
    while (at < size) {
        size_t run = kith_utf8_run (bytes + at, size - at);
        kith_bytes_put (out, bytes + at, run);
        at += run;
        if (at < size) {
            kith_bytes_put_u8 (out, '?');
            at++;
        }
    }
}
