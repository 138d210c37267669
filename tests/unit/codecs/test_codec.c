//  test_codec.c - structs <-> msgpack: every kind round trip, other versions, hostile bytes
//  SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "codecs/proto.h"
#include "tests/unit/codecs/body.h"

#include <criterion/criterion.h>

#define KIND_MAX 1024

static kith_random_t
s_random (uint64_t seed)
{
    kith_random_t random;
    kith_random_seed (&random, seed);
    return random;
}

Test (codec, every_kind_comes_back)
{
    kith_random_t random = s_random (1);
    uint32_t kinds = 0;
    for (int kind = 0; kind < KIND_MAX; kind++) {
        const kith_codec_table_t *table = kith_kind_table ((kith_kind_t) kind);
        kinds += table != NULL;
        for (int turn = 0; table && turn < 50; turn++) {
            kith_arena_t arena = {0};
            kith_error_t error = {0};
            kith_bytes_t bytes = {0};
            void *body = body_random (table, 9, &random, &arena);
            kith_codec_pack (table, body, &bytes);
            void *back =
                kith_codec_unpack (table, bytes.data, bytes.size, &arena, &error);
            cr_assert (back, "%s", error.message);
            cr_assert_null (body_differs (table, body, back), "%s.%s", table->name,
                            body_differs (table, body, back));
            void *copy = kith_codec_copy (table, body, &arena);
            cr_assert_null (body_differs (table, body, copy), "%s", table->name);
            kith_bytes_free (&bytes);
            kith_arena_free (&arena);
        }
    }
    cr_assert_gt (kinds, 60);
}

Test (codec, a_copy_owns_what_it_holds)
{
    char text [] = "name";
    uint8_t data [] = {1, 2};
    kith_proto_kv_item_t item = {text, {data, 2}, 7};
    kith_proto_kv_rows_t rows = {&item, 1, 3};
    kith_arena_t arena = {0};
    kith_proto_kv_rows_t *copy =
        kith_codec_copy (&kith_proto_kv_rows_table, &rows, &arena);
    memset (text, 'x', 4);
    data [0] = 9;
    item.revision = 0;
    cr_assert_str_eq (copy->items [0].key, "name");
    cr_assert_eq (copy->items [0].value.data [0], 1);
    cr_assert_eq (copy->items [0].revision, 7);
    kith_arena_free (&arena);
}

//  Bytes written by hand from the msgpack specification and the order of the model
Test (codec, positions_are_what_the_specification_says)
{
    static const uint8_t mutated [] = {0x93, 0x07, 0x92, 0x93, 0x05, 0xcc, 0xc8,
                                       0xcd, 0x01, 0x00, 0x93, 0x06, 0xce, 0x00,
                                       0x01, 0x00, 0x00, 0xcf, 0x00, 0x00, 0x00,
                                       0x01, 0x00, 0x00, 0x00, 0x00, 0x00};
    kith_proto_position_t token [] = {{5, 200, 256}, {6, 65536, 1ull << 32}};
    kith_proto_mutated_t body = {.rows = 7, .token = token, .token_count = 2, .us = 0};
    kith_bytes_t bytes = {0};
    kith_codec_pack (&kith_proto_mutated_table, &body, &bytes);
    cr_assert_eq (bytes.size, sizeof mutated);
    cr_assert_arr_eq (bytes.data, mutated, sizeof mutated);
    kith_bytes_free (&bytes);

    static const uint8_t failed [] = {0x95, 0x0c, 0xa3, 'b', 'a', 'd', 0xa0, 0xff, 0xc3};
    kith_proto_failed_t refusal = {12, "bad", NULL, -1, true};
    kith_codec_pack (&kith_proto_failed_table, &refusal, &bytes);
    cr_assert_eq (bytes.size, sizeof failed);
    cr_assert_arr_eq (bytes.data, failed, sizeof failed);
    kith_bytes_free (&bytes);
}

//  A table that lacks its last fields is what another version has.
Test (codec, fewer_fields_leave_zeros)
{
    kith_random_t random = s_random (2);
    for (int kind = 0; kind < KIND_MAX; kind++) {
        const kith_codec_table_t *table = kith_kind_table ((kith_kind_t) kind);
        for (uint32_t count = 0; table && count < table->count; count++) {
            kith_arena_t arena = {0};
            kith_bytes_t bytes = {0};
            kith_error_t error;
            kith_codec_table_t old = *table;
            old.count = count;
            void *body = body_random (&old, 3, &random, &arena);
            kith_codec_pack (&old, body, &bytes);
            void *back =
                kith_codec_unpack (table, bytes.data, bytes.size, &arena, &error);
            cr_assert (back, "%s", error.message);
            kith_codec_settle (table, body);
            cr_assert_null (body_differs (table, body, back), "%s with %u fields",
                            table->name, count);
            kith_bytes_free (&bytes);
            kith_arena_free (&arena);
        }
    }
}

Test (codec, more_fields_are_skipped)
{
    kith_random_t random = s_random (3);
    for (int kind = 0; kind < KIND_MAX; kind++) {
        const kith_codec_table_t *table = kith_kind_table ((kith_kind_t) kind);
        for (uint32_t count = 0; table && count < table->count; count++) {
            kith_arena_t arena = {0};
            kith_bytes_t bytes = {0};
            kith_error_t error;
            kith_codec_table_t old = *table;
            old.count = count;
            void *body = body_random (table, 3, &random, &arena);
            kith_codec_pack (table, body, &bytes);
            void *back = kith_codec_unpack (&old, bytes.data, bytes.size, &arena, &error);
            cr_assert (back, "%s", error.message);
            cr_assert_null (body_differs (&old, body, back), "%s", table->name);
            kith_bytes_free (&bytes);
            kith_arena_free (&arena);
        }
    }
}

//  Also in a nested struct, and whatever the unknown field is
Test (codec, unknown_fields_may_be_anything)
{
    static const uint8_t bytes [] = {0x95, 0x01, 0x91, 0x96, 0x02, 0x03, 0x04, 0xd6, 0x01,
                                     1,    2,    3,    4,    0x81, 0xa1, 'k',  0xc0, 0x92,
                                     0xca, 0,    0,    0,    0,    0x90, 0x05, 0xc7, 0x00,
                                     0x07, 0x82, 0x01, 0x02, 0x03, 0x91, 0xc0};
    kith_arena_t arena = {0};
    kith_error_t error = {0};
    kith_proto_mutated_t *body = kith_codec_unpack (&kith_proto_mutated_table, bytes,
                                                    sizeof bytes, &arena, &error);
    cr_assert (body, "%s", error.message);
    cr_assert_eq (body->rows, 1);
    cr_assert_eq (body->token_count, 1);
    cr_assert_eq (body->token [0].log, 2);
    cr_assert_eq (body->token [0].seq, 4);
    cr_assert_eq (body->us, 5);
    kith_arena_free (&arena);
}

typedef struct {
    const kith_codec_table_t *table;
    uint8_t bytes [24];
    size_t size;
    const char *told;    //  part of the message
} refusal_t;

static const refusal_t refusals [] = {
    {&kith_proto_mutated_table,
     {0x91, 0xa1, 'x'},
     3,
     "mutated.rows: a string that is no u64"},
    {&kith_proto_mutated_table, {0x91, 0xff}, 2, "mutated.rows"},
    {&kith_proto_mutated_table,
     {0x92, 1, 2},
     3,
     "mutated.token: an integer that is no list of struct"},
    {&kith_proto_mutated_table,
     {0x92, 1, 0x92, 0x90, 0x93, 1, 1, 0xc3},
     8,
     "mutated.token[1].seq: a bool"},
    {&kith_proto_mutated_table,
     {0x92, 1, 0x91, 7},
     4,
     "mutated.token[0]: an integer that is no array of fields"},
    {&kith_proto_mutated_table,
     {0x05},
     1,
     "mutated: an integer that is no array of fields"},
    {&kith_proto_mutated_table, {0x80}, 1, "mutated: a map that is no array of fields"},
    {&kith_proto_fetch_table,
     {0x92, 1, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0},
     11,
     "fetch.log: an integer that is no u32"},
    {&kith_proto_failed_table,
     {0x92, 1, 0xa2, 0xc3, 0x28},
     5,
     "failed.message: a string that is no string"},
    {&kith_proto_failed_table, {0x92, 1, 0xa1, 0x00}, 4, "failed.message"},
    {&kith_proto_failed_table,
     {0x92, 1, 0xc4, 1, 'x'},
     5,
     "failed.message: bytes that is no string"},
    {&kith_proto_failed_table,
     {0x94, 1, 0xa0, 0xa0, 0xcf, 255, 0, 0, 0, 0, 0, 0, 0},
     13,
     "failed.at"},
    {&kith_proto_failed_table,
     {0x95, 1, 0xa0, 0xa0, 0, 1},
     6,
     "failed.retry: an integer that is no bool"},
    {&kith_proto_kv_value_table,
     {0x91, 0xa1, 'x'},
     3,
     "kv_value.value: a string that is no bytes"},
    {&kith_proto_index_spec_table,
     {0x93, 1, 0xa0, 0xca, 0x7f, 0xc0, 0, 0},
     8,
     "index_spec.recall"},
    {&kith_proto_index_spec_table,
     {0x93, 1, 0xa0, 0xca, 0x7f, 0x80, 0, 0},
     8,
     "index_spec.recall"},
    {&kith_proto_index_spec_table,
     {0x93, 1, 0xa0, 0xcb, 0x7f, 0xe0, 0, 0, 0, 0, 0, 0},
     12,
     "index_spec.recall"}};

Test (codec, what_does_not_fit_is_refused)
{
    for (size_t index = 0; index < sizeof refusals / sizeof *refusals; index++) {
        const refusal_t *refusal = &refusals [index];
        kith_arena_t arena = {0};
        kith_error_t error = {0};
        void *body = kith_codec_unpack (refusal->table, refusal->bytes, refusal->size,
                                        &arena, &error);
        cr_expect_null (body, "case %zu", index);
        cr_expect_eq (error.code, KITH_ERR_PROTOCOL);
        cr_expect (strstr (error.message, refusal->told), "case %zu: %s", index,
                   error.message);
        kith_arena_free (&arena);
    }
}

Test (codec, whole_numbers_serve_as_floats_and_nil_as_nothing)
{
    static const uint8_t bytes [] = {0x95, 0xc0, 0xc0, 0x01, 0xc0, 0x09};
    kith_arena_t arena = {0};
    kith_error_t error = {0};
    kith_proto_index_spec_t *body = kith_codec_unpack (
        &kith_proto_index_spec_table, bytes, sizeof bytes, &arena, &error);
    cr_assert (body, "%s", error.message);
    cr_assert_eq (body->field, 0);
    cr_assert_str_eq (body->type, "");
    cr_assert_float_eq (body->recall, 1.0f, 0.0f);
    cr_assert_eq (body->effort, 9);
    kith_arena_free (&arena);
}

//  A byte for each of a million structs must not become a hundred million bytes.
Test (codec, a_list_cannot_grow_out_of_all_proportion)
{
    uint32_t count = 1000000;
    kith_bytes_t bytes = {0};
    kith_bytes_put (&bytes, "\x91\xdd\x00\x0f\x42\x40", 6);
    memset (kith_bytes_extend (&bytes, count), 0x90, count);
    kith_arena_t arena = {0};
    kith_error_t error = {0};
    cr_assert_gt (sizeof (kith_proto_collection_info_t), 64);
    cr_assert_null (kith_codec_unpack (&kith_proto_collection_listed_table, bytes.data,
                                       bytes.size, &arena, &error));
    cr_assert (strstr (error.message, "too long"), "%s", error.message);
    kith_arena_free (&arena);

    //  while plain numbers, a byte each, are what they are
    void *body = kith_codec_unpack (&kith_proto_node_welcome_table, bytes.data,
                                    bytes.size, &arena, &error);
    cr_assert_null (body);    //  arrays, not numbers
    memset (bytes.data + 6, 0x07, count);
    kith_proto_node_welcome_t *welcome = kith_codec_unpack (
        &kith_proto_node_welcome_table, bytes.data, bytes.size, &arena, &error);
    cr_assert (welcome, "%s", error.message);
    cr_assert_eq (welcome->logs_count, count);
    cr_assert_eq (welcome->logs [count - 1], 7);
    kith_bytes_free (&bytes);
    kith_arena_free (&arena);
}

static void
s_mutate (kith_bytes_t *bytes, kith_random_t *random)
{
    uint64_t times = 1 + kith_random_below (random, 4);
    for (uint64_t turn = 0; turn < times && bytes->size; turn++) {
        size_t at = kith_random_below (random, bytes->size);
        uint64_t what = kith_random_below (random, 4);
        if (what == 0)
            bytes->data [at] = (uint8_t) kith_random_next (random);
        else if (what == 1)
            bytes->data [at] ^= (uint8_t) (1u << kith_random_below (random, 8));
        else if (what == 2)
            bytes->size = at;
        else
            bytes->data [at] = (uint8_t) (0xc0 + kith_random_below (random, 32));
    }
}

//  What is accepted must be a struct like any other: it packs, and comes back.
Test (codec, mutated_bytes_are_refused_or_make_sense, .timeout = 300)
{
    kith_random_t random = s_random (4);
    uint32_t taken = 0;
    uint32_t refused = 0;
    for (uint32_t turn = 0; turn < 60000; turn++) {
        const kith_codec_table_t *table =
            kith_kind_table ((kith_kind_t) kith_random_below (&random, 128));
        if (!table)
            continue;
        kith_arena_t arena = {0};
        kith_error_t error = {0};
        kith_bytes_t bytes = {0};
        kith_codec_pack (table, body_random (table, 3, &random, &arena), &bytes);
        s_mutate (&bytes, &random);
        void *body = kith_codec_unpack (table, bytes.data, bytes.size, &arena, &error);
        if (body) {
            taken++;
            kith_bytes_clear (&bytes);
            kith_codec_pack (table, body, &bytes);
            void *back =
                kith_codec_unpack (table, bytes.data, bytes.size, &arena, &error);
            cr_assert (back, "%s", error.message);
            cr_assert_null (body_differs (table, body, back));
        }
        else {
            refused++;
            cr_assert_eq (error.code, KITH_ERR_PROTOCOL);
            cr_assert_neq (*error.message, 0);
        }
        kith_bytes_free (&bytes);
        kith_arena_free (&arena);
    }
    cr_assert_gt (taken, 1000);
    cr_assert_gt (refused, 10000);
}

Test (codec, settle_leaves_no_null_string)
{
    kith_arena_t arena = {0};
    kith_proto_field_t fields [2] = {{.name = "id"}, {.name = NULL}};
    kith_proto_collection_create_t body = {.fields = fields, .fields_count = 2};
    kith_codec_settle (&kith_proto_collection_create_table, &body);
    cr_assert_str_eq (body.db, "");
    cr_assert_str_eq (body.fields [0].name, "id");
    cr_assert_str_eq (body.fields [0].default_value, "");
    cr_assert_str_eq (body.fields [1].name, "");
    kith_arena_free (&arena);
}
