//  test_prescan.c - the look over msgpack bytes: against msgpack-c itself, and against giants
//  SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/random.h"
#include "codecs/codec.h"
#include "codecs/proto.h"

#include <criterion/criterion.h>
#include <msgpack.h>

//  Containers that hold something, one in another
static uint32_t
s_depth (const msgpack_object *object)
{
    uint32_t deepest = 0;
    if (object->type == MSGPACK_OBJECT_ARRAY)
        for (uint32_t index = 0; index < object->via.array.size; index++) {
            uint32_t depth = 1 + s_depth (&object->via.array.ptr [index]);
            deepest = depth > deepest ? depth : deepest;
        }
    if (object->type == MSGPACK_OBJECT_MAP)
        for (uint32_t index = 0; index < object->via.map.size; index++) {
            uint32_t key = 1 + s_depth (&object->via.map.ptr [index].key);
            uint32_t value = 1 + s_depth (&object->via.map.ptr [index].val);
            deepest = key > deepest ? key : deepest;
            deepest = value > deepest ? value : deepest;
        }
    return deepest;
}

//  What msgpack-c says: well-formed to the end, and nested no deeper than we allow
static bool
s_stock_accepts (const uint8_t *bytes, size_t size)
{
    msgpack_zone zone;
    cr_assert (msgpack_zone_init (&zone, 4096));
    msgpack_object object;
    size_t offset = 0;
    bool accepts = size
                   && msgpack_unpack ((const char *) bytes, size, &offset, &zone, &object)
                          == MSGPACK_UNPACK_SUCCESS
                   && s_depth (&object) <= KITH_MSGPACK_DEPTH_MAX;
    msgpack_zone_destroy (&zone);
    return accepts;
}

//  Array and map heads are drawn often. 32-bit counts get a small number, as the stock unpacker would
//  allocate what they declare.
static size_t
s_draw (kith_random_t *random, uint8_t bytes [40])
{
    size_t size = kith_random_below (random, 33);
    for (size_t at = 0; at < size; at++) {
        bytes [at] = (uint8_t) kith_random_next (random);
        if (kith_random_below (random, 3) == 0)
            bytes [at] = (uint8_t) (0x80 + kith_random_below (random, 0x60));
        else if (kith_random_below (random, 3) == 0)
            bytes [at] &= 0x91;
        if (bytes [at] == 0xdd || bytes [at] == 0xdf) {
            memset (bytes + at + 1, 0, 3);
            at += 3;
        }
    }
    return size;
}

Test (prescan, agrees_with_the_unpacker, .timeout = 300)
{
    kith_random_t random;
    kith_random_seed (&random, 11);
    uint32_t accepted = 0;
    for (uint32_t turn = 0; turn < 400000; turn++) {
        uint8_t bytes [40] = {0};
        size_t size = s_draw (&random, bytes);
        kith_error_t error = {0};
        bool ours = kith_prescan (bytes, size, &error) == 0;
        accepted += ours;
        if (ours != s_stock_accepts (bytes, size)) {
            for (size_t at = 0; at < size; at++)
                fprintf (stderr, "%02x ", bytes [at]);
            cr_assert (false, "differ: ours %d, %s", ours, error.message);
        }
    }
    cr_assert_gt (accepted, 4000);
}

Test (prescan, depth_ends_where_it_says)
{
    uint8_t bytes [KITH_MSGPACK_DEPTH_MAX + 2];
    memset (bytes, 0x91, sizeof bytes);
    bytes [KITH_MSGPACK_DEPTH_MAX] = 0x01;
    cr_assert_eq (kith_prescan (bytes, KITH_MSGPACK_DEPTH_MAX + 1, NULL), 0);
    kith_error_t error = {0};
    bytes [KITH_MSGPACK_DEPTH_MAX] = 0x91;
    bytes [KITH_MSGPACK_DEPTH_MAX + 1] = 0x01;
    cr_assert_eq (kith_prescan (bytes, sizeof bytes, &error), -1);
    cr_assert (strstr (error.message, "too deep"), "%s", error.message);
    cr_assert_eq (error.at, (int) KITH_MSGPACK_DEPTH_MAX);
}

//  Bytes that make the stock unpacker reserve gigabytes; here nothing at all is allocated.
Test (prescan, giants_allocate_nothing)
{
    static const uint8_t heads [] = {0xdd, 0xdf, 0xdb, 0xc6, 0xc9};
    for (size_t index = 0; index < sizeof heads; index++) {
        uint8_t giant [155];
        for (size_t at = 0; at < sizeof giant; at += 5) {
            giant [at] = heads [index];
            memset (giant + at + 1, index & 1 ? 0x7f : 0xff, 4);
        }
        kith_arena_t arena = {0};
        kith_error_t error = {0};
        cr_assert_null (kith_codec_unpack (&kith_proto_search_table, giant, sizeof giant,
                                           &arena, &error));
        cr_assert_eq (error.code, KITH_ERR_PROTOCOL);
        cr_assert_null (arena.blocks);
    }
    //  Counts that each fit, but not together
    uint8_t nested [] = {0x95, 0x94, 0x93, 0x92, 0x01, 0x01, 0x01, 0x01};
    cr_assert_eq (kith_prescan (nested, sizeof nested, NULL), -1);
}

Test (prescan, one_object_and_nothing_after_it)
{
    kith_error_t error = {0};
    cr_assert_eq (kith_prescan ("\x01", 1, &error), 0);
    cr_assert_eq (kith_prescan ("\x01\x02", 2, &error), -1);
    cr_assert (strstr (error.message, "follows"), "%s", error.message);
    cr_assert_eq (kith_prescan ("", 0, &error), -1);
    cr_assert_eq (kith_prescan (NULL, 0, &error), -1);
    cr_assert_eq (kith_prescan ("\xc1", 1, &error), -1);
}
