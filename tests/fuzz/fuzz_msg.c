//  fuzz_msg.c - hostile bytes as the parts of a message; what is accepted goes out and comes in unchanged
//  SPDX-License-Identifier: Apache-2.0
//
//  An input is, for each part, its size (u32, little-endian) and its bytes, as in tests/golden.
#include "tests/fuzz/fuzz.h"

#include "codecs/msg.h"

static uint32_t
s_parts (const uint8_t *data, size_t size, kith_frame_t *parts [KITH_FRAMES_MAX + 2])
{
    uint32_t count = 0;
    for (size_t at = 0; at + 4 <= size && count < KITH_FRAMES_MAX + 2; count++) {
        uint32_t length = kith_get_u32 (data + at);
        at += 4;
        length = length < size - at ? length : (uint32_t) (size - at);
        parts [count] = kith_frame_new (length);
        memcpy (kith_frame_fill (parts [count]), data + at, length);
        at += length;
    }
    return count;
}

static void
s_drop (kith_frame_t **parts, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        kith_frame_destroy (&parts [index]);
}

//  A message that was accepted may be told again; both times its bytes must be the same. (Those that came
//  in need not be: integers can be written in several ways.)
static void
s_again (const kith_msg_t *msg)
{
    kith_frame_t *parts [KITH_FRAMES_MAX + 2];
    kith_frame_t *other [KITH_FRAMES_MAX + 2];
    uint32_t count = 0;
    kith_msg_encode (msg, 0, true, parts, &count);
    //  Shorter forms may have come in than we write: then the body can pass its limit
    if (kith_msg_check_parts (parts, count, NULL) == 0) {
        kith_msg_t *back = kith_msg_decode (parts, count, 0, true, NULL);
        assert (back);
        uint32_t others = 0;
        kith_msg_encode (back, 0, true, other, &others);
        assert (others == count);
        for (uint32_t index = 0; index < count; index++) {
            size_t size = kith_frame_size (parts [index]);
            assert (size == kith_frame_size (other [index]));
            assert (size == 0
                    || memcmp (kith_frame_data (parts [index]),
                               kith_frame_data (other [index]), size)
                           == 0);
        }
        s_drop (other, others);
        kith_msg_destroy (&back);
    }
    s_drop (parts, count);
    kith_bytes_t text = {0};
    kith_msg_print (msg, &text);
    kith_bytes_free (&text);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    kith_frame_t *parts [KITH_FRAMES_MAX + 2];
    uint32_t count = s_parts (data, size, parts);
    kith_error_t error = {0};
    kith_msg_t *msg = kith_msg_decode (parts, count, 0, false, &error);
    if (msg)
        s_again (msg);
    else
        assert (error.code != KITH_OK && *error.message);
    kith_msg_destroy (&msg);
    s_drop (parts, count);
    return 0;
}
