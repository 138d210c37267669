//  test_record.c - log records: written, opened, and refused after any change
//  SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/random.h"
#include "storage/log.h"

#include <criterion/criterion.h>

static kith_record_t
s_record (const uint8_t *body, uint64_t body_bytes)
{
    kith_record_t record = {
        .kind = KITH_RECORD_DELETE,
        .cluster = 0x0102030405060708u,
        .log = 0x11121314,
        .partition = 0x21222324,
        .epoch = 0x3132333435363738u,
        .seq = 0x4142434445464748u,
        .channel = 0x5152535455565758u,
        .timestamp = 0x6162636465666768u,
        .request = {.counter = 0x7172737475767778u, .part = 0x01020304},
        .rows = 0x0a0b0c0d,
        .behind = 0x1a1b1c1d,
        .body = body,
        .body_bytes = body_bytes};
    memcpy (record.request.client, "abcdefghijklmnop", 16);
    return record;
}

//  Every byte of a record, written down by hand from the table in storage/log.h
Test (record, layout)
{
    kith_bytes_t out = {0};
    kith_record_t record = s_record ((const uint8_t *) "123456789", 9);
    uint32_t crc = kith_record_put (&out, &record, 0xc1c2c3c4);
    static const uint8_t expected [104] = {
        'K',  'R',  'E',  'C',  1,    0,    2,    0,       //    0 magic, version, kind
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,    //    8 cluster
        0x14, 0x13, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21,    //   16 log, partition
        0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31,    //   24 epoch
        0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41,    //   32 seq
        0x58, 0x57, 0x56, 0x55, 0x54, 0x53, 0x52, 0x51,    //   40 channel
        0x68, 0x67, 0x66, 0x65, 0x64, 0x63, 0x62, 0x61,    //   48 timestamp
        'a',  'b',  'c',  'd',  'e',  'f',  'g',  'h',     //   56 client
        'i',  'j',  'k',  'l',  'm',  'n',  'o',  'p',
        0x78, 0x77, 0x76, 0x75, 0x74, 0x73, 0x72, 0x71,    //   72 counter
        0x04, 0x03, 0x02, 0x01, 0x0d, 0x0c, 0x0b, 0x0a,    //   80 part, rows
        9,    0,    0,    0,    0,    0,    0,    0,       //   88 body bytes
        0xc4, 0xc3, 0xc2, 0xc1, 0x83, 0x92, 0x06, 0xe3     //   96 CRCs: previous, body
    };
    cr_assert_eq (out.size, 192);
    cr_assert_eq (memcmp (out.data, expected, sizeof expected), 0);
    cr_assert_eq (kith_get_u32 (out.data + 104), 0x1a1b1c1d);
    for (size_t at = 108; at < 124; at++)
        cr_assert_eq (out.data [at], 0);
    cr_assert_eq (kith_get_u32 (out.data + 124), crc);
    cr_assert_eq (kith_crc32c (0, out.data, 124), crc);
    cr_assert_eq (memcmp (out.data + 128, "123456789", 9), 0);
    for (size_t at = 137; at < 192; at++)
        cr_assert_eq (out.data [at], 0);
    kith_bytes_free (&out);
}

static void
s_round_trip (uint64_t body_bytes, kith_random_t *random)
{
    uint8_t *body = kith_new (body_bytes + 1);
    for (uint64_t at = 0; at < body_bytes; at++)
        body [at] = (uint8_t) kith_random_next (random);
    kith_record_t record = s_record (body, body_bytes), found;
    kith_bytes_t out = {0};
    kith_bytes_put (&out, "before", 6);
    uint32_t crc = kith_record_put (&out, &record, 77), header_crc = 0, previous_crc = 0;
    uint64_t used = 0;
    cr_assert_eq (out.size - 6, kith_record_bytes (body_bytes));
    cr_assert_eq (kith_record_open (&found, out.data + 6, out.size - 6, &used,
                                    &header_crc, &previous_crc, NULL),
                  0);
    cr_assert_eq (used, kith_record_bytes (body_bytes));
    cr_assert_eq (header_crc, crc);
    cr_assert_eq (previous_crc, 77);
    cr_assert_eq (found.kind, record.kind);
    cr_assert_eq (found.cluster, record.cluster);
    cr_assert_eq (found.log, record.log);
    cr_assert_eq (found.partition, record.partition);
    cr_assert_eq (found.epoch, record.epoch);
    cr_assert_eq (found.seq, record.seq);
    cr_assert_eq (found.channel, record.channel);
    cr_assert_eq (found.timestamp, record.timestamp);
    cr_assert_eq (memcmp (&found.request, &record.request, sizeof (uint8_t [28])), 0);
    cr_assert_eq (found.rows, record.rows);
    cr_assert_eq (found.behind, record.behind);
    cr_assert_eq (found.body_bytes, body_bytes);
    cr_assert_eq (memcmp (found.body, body, body_bytes), 0);
    kith_bytes_free (&out);
    free (body);
}

Test (record, round_trip)
{
    kith_random_t random;
    kith_random_seed (&random, 1);
    for (uint64_t body_bytes = 0; body_bytes < 300; body_bytes++)
        s_round_trip (body_bytes, &random);
    s_round_trip (KITH_LOG_RECORD_BYTES_MAX - KITH_RECORD_HEADER, &random);
}

Test (record, cut)
{
    kith_bytes_t out = {0};
    kith_record_t record = s_record ((const uint8_t *) "123456789", 9), found;
    kith_record_put (&out, &record, 0);
    for (size_t size = 0; size < out.size; size++) {
        //  In memory of just that size, so that reading further is seen
        uint8_t *copy = malloc (size ? size : 1);
        memcpy (copy, out.data, size);
        uint64_t used = 99;
        kith_error_t error;
        cr_assert_neq (kith_record_open (&found, copy, size, &used, NULL, NULL, &error),
                       0);
        cr_assert_eq (error.code, KITH_ERR_CORRUPT);
        free (copy);
    }
    kith_bytes_free (&out);
}

Test (record, flipped)
{
    kith_bytes_t out = {0};
    kith_record_t record = s_record ((const uint8_t *) "123456789", 9), found;
    kith_record_put (&out, &record, 0);
    for (size_t bit = 0; bit < out.size * 8; bit++) {
        out.data [bit / 8] ^= (uint8_t) (1u << bit % 8);
        uint64_t used;
        kith_error_t error;
        cr_assert_neq (
            kith_record_open (&found, out.data, out.size, &used, NULL, NULL, &error), 0);
        cr_assert_eq (error.code, KITH_ERR_CORRUPT, "%zu: %s", bit, error.message);
        out.data [bit / 8] ^= (uint8_t) (1u << bit % 8);
    }
    kith_bytes_free (&out);
}

//  A header with a right checksum may still say what is not allowed
Test (record, forged)
{
    static const struct {
        size_t at;
        uint8_t value;
        kith_code_t code;
    } cases [] = {{4, 2, KITH_ERR_VERSION},    {5, 1, KITH_ERR_VERSION},
                  {6, 0, KITH_ERR_PROTOCOL},   {6, 7, KITH_ERR_PROTOCOL},
                  {7, 1, KITH_ERR_PROTOCOL},   {108, 1, KITH_ERR_PROTOCOL},
                  {123, 9, KITH_ERR_PROTOCOL}, {95, 0xff, KITH_ERR_LIMIT},
                  {91, 1, KITH_ERR_LIMIT},     {89, 1, KITH_ERR_CORRUPT}};
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        kith_bytes_t out = {0};
        kith_record_t record = s_record ((const uint8_t *) "123456789", 9), found;
        kith_record_put (&out, &record, 0);
        out.data [cases [index].at] = cases [index].value;
        kith_put_u32 (out.data + 124, kith_crc32c (0, out.data, 124));
        uint64_t used;
        kith_error_t error;
        cr_assert_neq (
            kith_record_open (&found, out.data, out.size, &used, NULL, NULL, &error), 0);
        cr_assert_eq (error.code, cases [index].code, "%zu: %s", index, error.message);
        kith_bytes_free (&out);
    }
}
