//  test_msg.c - messages on the wire and back, and what is no message
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/msg.h"

#include "base/crc32c.h"
#include "tests/unit/codecs/body.h"

#include <criterion/criterion.h>

#define PARTS (KITH_FRAMES_MAX + 2)

typedef struct {
    kith_frame_t *parts [PARTS];
    uint32_t count;
} wire_t;

static void
s_drop (wire_t *wire)
{
    for (uint32_t index = 0; index < wire->count; index++)
        kith_frame_destroy (&wire->parts [index]);
    wire->count = 0;
}

static wire_t
s_wire (const kith_msg_t *msg, bool with_crc)
{
    wire_t wire;
    kith_msg_encode (msg, 1000000, with_crc, wire.parts, &wire.count);
    return wire;
}

static kith_frame_t *
s_frame (size_t size, uint8_t value)
{
    kith_frame_t *frame = kith_frame_new (size);
    memset (kith_frame_fill (frame), value, size);
    return frame;
}

//  A message with random envelope, body and frames
static kith_msg_t *
s_random_msg (kith_kind_t kind, kith_random_t *random)
{
    kith_msg_t *msg = kith_msg_new (kind);
    uint32_t frames = (uint32_t) kith_random_below (random, 4);
    msg->from =
        (kith_address_t){(kith_role_t) kith_random_below (random, KITH_ROLE_COUNT),
                         (uint32_t) kith_random_next (random), kith_random_next (random)};
    msg->to = (kith_address_t){(kith_role_t) kith_random_below (random, KITH_ROLE_COUNT),
                               (uint32_t) kith_random_below (random, 9), 0};
    msg->request = kith_random_next (random);
    msg->answer = kith_random_next (random) & 1;
    msg->trace = kith_random_next (random);
    msg->clock = kith_random_next (random);
    msg->schema = kith_random_below (random, 9);
    msg->hops = (uint32_t) kith_random_below (random, 9);
    msg->body = body_random (kith_kind_table (kind), frames, random, &msg->arena);
    for (uint32_t index = 0; index < frames; index++) {
        kith_frame_t *frame = s_frame (kith_random_below (random, 300), (uint8_t) index);
        cr_assert_eq (kith_msg_add_frame (msg, &frame), index + 1);
        cr_assert_null (frame);
    }
    return msg;
}

static void
s_same (const kith_msg_t *one, const kith_msg_t *two)
{
    cr_assert_eq (one->kind, two->kind);
    cr_assert_arr_eq (&one->from, &two->from, sizeof one->from);
    cr_assert_arr_eq (&one->to, &two->to, sizeof one->to);
    cr_assert_eq (one->request, two->request);
    cr_assert_eq (one->answer, two->answer);
    cr_assert_eq (one->trace, two->trace);
    cr_assert_eq (one->clock, two->clock);
    cr_assert_eq (one->schema, two->schema);
    cr_assert_eq (one->hops, two->hops);
    cr_assert_null (body_differs (kith_kind_table (one->kind), one->body, two->body));
    cr_assert_eq (one->frame_count, two->frame_count);
    for (uint32_t index = 1; index <= one->frame_count; index++) {
        const kith_frame_t *frame = kith_msg_frame (one, index);
        const kith_frame_t *other = kith_msg_frame (two, index);
        cr_assert_eq (kith_frame_size (frame), kith_frame_size (other));
        cr_assert_eq (memcmp (kith_frame_data (frame), kith_frame_data (other),
                              kith_frame_size (frame)),
                      0);
    }
}

Test (msg, every_kind_comes_back)
{
    kith_random_t random;
    kith_random_seed (&random, 31);
    for (uint32_t turn = 0; turn < 128 * 20; turn++) {
        if (!kith_kind_table ((kith_kind_t) (turn % 128)))
            continue;
        kith_msg_t *msg = s_random_msg ((kith_kind_t) (turn % 128), &random);
        wire_t wire = s_wire (msg, turn & 128);
        kith_error_t error = {0};
        kith_msg_t *back =
            kith_msg_decode (wire.parts, wire.count, 0, turn & 128, &error);
        cr_assert (back, "%s", error.message);
        s_same (msg, back);
        kith_msg_t *copy = kith_msg_copy (back);
        kith_msg_destroy (&back);
        s_same (msg, copy);
        kith_msg_destroy (&copy);
        kith_msg_destroy (&msg);
        cr_assert_null (msg);
        s_drop (&wire);
    }
}

//  Part 0 and 1 written by hand from docs/protocol.md
Test (msg, bytes_are_what_the_document_shows)
{
    static const uint8_t head [] = {0x9d, 0x01, 0x93, 0x00, 0x00, 0xcd, 0x12,
                                    0x34, 0x93, 0x02, 0x00, 0x00, 0x07, 0x7c,
                                    0x02, 0xcd, 0x13, 0x88, 0x00, 0x00, 0x00,
                                    0x00, 0xce, 0x51, 0xd5, 0xc3, 0x81, 0x00};
    kith_msg_t *msg = kith_msg_new (KITH_KIND_PING);
    msg->from = (kith_address_t){KITH_ROLE_CLIENT, 0, 0x1234};
    msg->to = (kith_address_t){KITH_ROLE_PROXY, 0, 0};
    msg->request = 7;
    msg->deadline_us = 6000000;
    wire_t wire = s_wire (msg, true);
    cr_assert_eq (wire.count, 2);
    cr_assert_eq (kith_frame_size (wire.parts [1]), 1);
    cr_assert_eq (*kith_frame_data (wire.parts [1]), 0x90);
    cr_assert_eq (kith_frame_size (wire.parts [0]), sizeof head);
    uint32_t crc = kith_crc32c (0, "\x90", 1);
    uint8_t want [sizeof head];
    memcpy (want, head, sizeof head);
    for (int index = 0; index < 4; index++)
        want [23 + index] = (uint8_t) (crc >> (24 - 8 * index));
    cr_assert_arr_eq (kith_frame_data (wire.parts [0]), want, sizeof want);
    s_drop (&wire);
    kith_msg_destroy (&msg);
}

Test (msg, deadlines_travel_as_what_is_left)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_PING);
    static const int64_t cases [][2] = {
        //  deadline, expected at the receiver whose clock says 50 s; the sender's says 1 s
        {0, 0},
        {1500000, 50500000},
        {1000001, 50001000},
        {1000000, 50001000},
        {5, 50001000},
        {INT64_MAX, 50000000 + (int64_t) UINT32_MAX * 1000}};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        msg->deadline_us = cases [index][0];
        wire_t wire = s_wire (msg, false);
        kith_msg_t *back =
            kith_msg_decode (wire.parts, wire.count, 50000000, false, NULL);
        cr_assert (back);
        cr_assert_eq (back->deadline_us, cases [index][1], "case %zu", index);
        kith_msg_destroy (&back);
        s_drop (&wire);
    }
    kith_msg_destroy (&msg);
}

//  A frame at an odd address is copied, an aligned one shared.
Test (msg, frame_data_are_always_aligned)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_RECORDS);
    kith_frame_t *frame = s_frame (100, 0x5a);
    ((kith_proto_records_t *) msg->body)->records = kith_msg_add_frame (msg, &frame);
    wire_t wire = s_wire (msg, true);
    uint8_t *room = kith_alloc64 (256);
    for (size_t shift = 0; shift < 8; shift++) {
        kith_frame_t *parts [3];
        for (int index = 0; index < 3; index++) {
            size_t size = kith_frame_size (wire.parts [index]);
            uint8_t *place = room + (index == 2 ? 128 : index * 64) + shift;
            memcpy (place, kith_frame_data (wire.parts [index]), size);
            parts [index] = kith_frame_wrap (place, size, NULL, NULL);
        }
        kith_error_t error = {0};
        kith_msg_t *back = kith_msg_decode (parts, 3, 0, true, &error);
        cr_assert (back, "%s", error.message);
        const uint8_t *data = kith_frame_data (kith_msg_frame (back, 1));
        cr_assert_eq ((uintptr_t) data % 8, 0);
        cr_assert_eq (data == room + 128, shift == 0);
        cr_assert_eq (data [99], 0x5a);
        for (int index = 0; index < 3; index++)
            kith_frame_destroy (&parts [index]);
        kith_msg_destroy (&back);
    }
    free (room);
    s_drop (&wire);
    kith_msg_destroy (&msg);
}

//  Replaces a part by other bytes and expects to be told why that is no message.
static void
s_expect (kith_frame_t *const *parts, uint32_t count, bool crc_required, const char *told)
{
    kith_error_t error = {0};
    kith_msg_t *back = kith_msg_decode (parts, count, 0, crc_required, &error);
    cr_expect_null (back, "%s", told);
    cr_expect_eq (error.code, KITH_ERR_PROTOCOL);
    cr_expect (strstr (error.message, told), "%s instead of %s", error.message, told);
}

static void
s_expect_head (const kith_proto_envelope_t *envelope, kith_frame_t *body, uint32_t count,
               const char *told)
{
    kith_bytes_t bytes = {0};
    kith_codec_pack (&kith_proto_envelope_table, envelope, &bytes);
    kith_frame_t *parts [2] = {kith_frame_take (&bytes), body};
    s_expect (parts, count, false, told);
    kith_frame_destroy (&parts [0]);
}

Test (msg, envelopes_are_checked)
{
    kith_frame_t *body = s_frame (1, 0x90);
    kith_proto_envelope_t good = {.version = KITH_PROTOCOL_VERSION,
                                  .kind = KITH_KIND_PING};
    kith_proto_envelope_t bad = good;
    bad.version = KITH_PROTOCOL_VERSION + 1;
    s_expect_head (&bad, body, 2, "version");
    bad = good;
    bad.kind = 3;
    s_expect_head (&bad, body, 2, "no message has number 3");
    bad.kind = UINT32_MAX;
    s_expect_head (&bad, body, 2, "no message has number");
    bad = good;
    bad.from.role = KITH_ROLE_COUNT;
    s_expect_head (&bad, body, 2, "role");
    bad = good;
    bad.to.role = UINT32_MAX;
    s_expect_head (&bad, body, 2, "role");
    bad = good;
    bad.frames = 1;
    s_expect_head (&bad, body, 2, "frames");
    bad = good;
    bad.flags = 4;
    s_expect_head (&bad, body, 2, "flags");
    bad = good;
    bad.flags = 2;
    s_expect_head (&bad, body, 2, "checksum");
    s_expect_head (&good, body, 1, "2 to 66 parts, not 1");
    kith_frame_destroy (&body);
}

Test (msg, parts_have_limits)
{
    wire_t wire = {.count = PARTS};
    for (uint32_t index = 0; index < PARTS; index++)
        wire.parts [index] = s_frame (1, 0x90);
    s_expect (wire.parts, PARTS + 1, false, "parts");
    s_expect (wire.parts, 0, false, "parts");
    kith_frame_destroy (&wire.parts [1]);
    wire.parts [1] = s_frame (KITH_CONTROL_BYTES_MAX + 1, 0xc0);
    s_expect (wire.parts, 2, false, "a body of 1048577 bytes");
    kith_frame_destroy (&wire.parts [1]);
    wire.parts [1] = s_frame (1, 0x90);
    kith_frame_destroy (&wire.parts [5]);
    char nothing = 0;    //  never read: the size alone is refused
    wire.parts [5] = kith_frame_wrap (&nothing, KITH_MESSAGE_BYTES_MAX, NULL, NULL);
    s_expect (wire.parts, PARTS, false, "67108864 at most");
    s_drop (&wire);
}

Test (msg, checksums_cover_body_and_frames)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_RECORDS);
    kith_frame_t *frame = s_frame (40, 1);
    ((kith_proto_records_t *) msg->body)->records = kith_msg_add_frame (msg, &frame);
    wire_t wire = s_wire (msg, false);
    s_expect (wire.parts, wire.count, true, "without the checksum");
    s_drop (&wire);
    wire = s_wire (msg, true);
    for (uint32_t part = 1; part < 3; part++)
        for (size_t bit = 0; bit < kith_frame_size (wire.parts [part]) * 8; bit++) {
            kith_frame_t *parts [3] = {wire.parts [0], wire.parts [1], wire.parts [2]};
            size_t size = kith_frame_size (wire.parts [part]);
            parts [part] = kith_frame_new (size);
            uint8_t *data = kith_frame_fill (parts [part]);
            memcpy (data, kith_frame_data (wire.parts [part]), size);
            data [bit / 8] ^= (uint8_t) (1u << bit % 8);
            s_expect (parts, 3, false, "checksum");
            kith_frame_destroy (&parts [part]);
        }
    s_drop (&wire);
    kith_msg_destroy (&msg);
}

Test (msg, fields_name_frames_that_are_there)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_SEARCH_SEGMENTS);
    kith_frame_t *frame = s_frame (8, 0);
    kith_proto_search_segments_t *body = msg->body;
    body->queries = kith_msg_add_frame (msg, &frame);
    body->plan.queries = 1;
    wire_t wire = s_wire (msg, false);
    kith_msg_t *back = kith_msg_decode (wire.parts, wire.count, 0, false, NULL);
    cr_assert (back);
    kith_msg_destroy (&back);
    s_drop (&wire);
    body->skip = 2;
    wire = s_wire (msg, false);
    s_expect (wire.parts, wire.count, false, "search_segments.skip: frame 2 of 1");
    s_drop (&wire);
    body->skip = 0;
    body->plan.skip = UINT32_MAX;
    wire = s_wire (msg, false);
    s_expect (wire.parts, wire.count, false,
              "search_segments.plan.skip: frame 4294967295 of 1");
    s_drop (&wire);
    kith_msg_destroy (&msg);
}

Test (msg, failures_carry_the_whole_error)
{
    kith_error_t error = {0};
    kith_error_set (&error, KITH_ERR_BUSY, "too much at %s", "once");
    kith_error_hint (&error, "wait");
    error.at = 12;
    kith_msg_t *msg = kith_msg_failed (&error);
    cr_assert (((kith_proto_failed_t *) msg->body)->retry);
    wire_t wire = s_wire (msg, true);
    kith_msg_t *back = kith_msg_decode (wire.parts, wire.count, 0, true, NULL);
    kith_error_t told = {0};
    cr_assert (kith_msg_is_failed (back, &told));
    cr_assert_eq (told.code, KITH_ERR_BUSY);
    cr_assert_str_eq (told.message, "too much at once");
    cr_assert_str_eq (told.hint, "wait");
    cr_assert_eq (told.at, 12);
    cr_assert (kith_msg_is_failed (back, NULL));
    ((kith_proto_failed_t *) back->body)->code = KITH_ERR_COUNT + 5;
    cr_assert (kith_msg_is_failed (back, &told));
    cr_assert_eq (told.code, KITH_ERR_INTERNAL);
    kith_msg_destroy (&back);
    s_drop (&wire);
    kith_msg_destroy (&msg);

    msg = kith_msg_new (KITH_KIND_OK);
    cr_assert_not (kith_msg_is_failed (msg, &told));
    kith_msg_destroy (&msg);
}

//  Text of an error may be cut within a character; the message must still be one.
Test (msg, failures_are_text_whatever_the_error_holds)
{
    kith_error_t error = {0};
    kith_error_set (&error, KITH_ERR_FILTER, "no field \"caf\xc3");
    kith_msg_t *msg = kith_msg_failed (&error);
    wire_t wire = s_wire (msg, false);
    kith_msg_t *back = kith_msg_decode (wire.parts, wire.count, 0, false, &error);
    cr_assert (back, "%s", error.message);
    cr_assert_str_eq (((kith_proto_failed_t *) back->body)->message, "no field \"caf?");
    kith_msg_destroy (&back);
    s_drop (&wire);
    kith_msg_destroy (&msg);
}

Test (msg, new_ones_have_empty_strings)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_SEARCH_SEGMENTS);
    const kith_proto_search_segments_t *body = msg->body;
    cr_assert_str_eq (body->plan.filter, "");
    cr_assert_str_eq (body->plan.db, "");
    cr_assert_null (kith_msg_frame (msg, 0));
    kith_msg_destroy (&msg);
}

Test (msg, print_shows_all_of_it)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_SEARCH);
    msg->from = (kith_address_t){KITH_ROLE_CLIENT, 0, 0xabc};
    msg->to = (kith_address_t){KITH_ROLE_QUERY_NODE, 3, 0};
    msg->request = 77;
    ((kith_proto_search_t *) msg->body)->filter = "color == \"red\"";
    kith_frame_t *frame = s_frame (3072, 0);
    kith_msg_add_frame (msg, &frame);
    kith_bytes_t out = {0};
    kith_msg_print (msg, &out);
    kith_bytes_put_u8 (&out, 0);
    const char *text = (const char *) out.data;
    cr_assert (strstr (text, "search from client.0 (0000000000000abc) to query_node.3\n"),
               "%s", text);
    cr_assert (strstr (text, "request      77\n"), "%s", text);
    cr_assert (strstr (text, "frame 1      3072 bytes\n"), "%s", text);
    cr_assert (strstr (text, "  \"filter\": \"color == \\\"red\\\"\",\n"), "%s", text);
    kith_bytes_free (&out);
    kith_msg_destroy (&msg);
}

//  Any bytes in any part: a message or a reason
Test (msg, mutated_messages_are_refused_or_make_sense, .timeout = 300)
{
    kith_random_t random;
    kith_random_seed (&random, 32);
    uint32_t taken = 0;
    uint32_t refused = 0;
    for (uint32_t turn = 0; turn < 40000; turn++) {
        kith_kind_t kind = (kith_kind_t) kith_random_below (&random, 128);
        if (!kith_kind_table (kind))
            continue;
        kith_msg_t *msg = s_random_msg (kind, &random);
        wire_t wire = s_wire (msg, false);
        kith_frame_t **part = &wire.parts [kith_random_below (&random, 2)];
        uint8_t *data = kith_frame_fill (*part);
        data [kith_random_below (&random, kith_frame_size (*part))] =
            (uint8_t) kith_random_next (&random);
        kith_error_t error = {0};
        kith_msg_t *back = kith_msg_decode (wire.parts, wire.count, 0, false, &error);
        taken += back != NULL;
        refused += back == NULL;
        cr_assert (back || error.code == KITH_ERR_PROTOCOL);
        kith_msg_destroy (&back);
        s_drop (&wire);
        kith_msg_destroy (&msg);
    }
    cr_assert_gt (taken, 1000);
    cr_assert_gt (refused, 1000);
}
