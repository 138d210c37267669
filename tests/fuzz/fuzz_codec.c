//  fuzz_codec.c - hostile msgpack as the body of a kind; what is accepted packs and unpacks unchanged
//  SPDX-License-Identifier: Apache-2.0
//
//  An input is the number of a kind (a byte), then the body.
#include "tests/fuzz/fuzz.h"

#include "codecs/proto.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    const kith_codec_table_t *table =
        size ? kith_kind_table ((kith_kind_t) data [0]) : NULL;
    if (!table)
        return 0;
    kith_arena_t arena = {0};
    kith_error_t error = {0};
    kith_bytes_t one = {0};
    kith_bytes_t two = {0};
    void *body = kith_codec_unpack (table, data + 1, size - 1, &arena, &error);
    if (body) {
        kith_codec_pack (table, body, &one);
        void *back = kith_codec_unpack (table, one.data, one.size, &arena, &error);
        assert (back);
        kith_codec_pack (table, kith_codec_copy (table, back, &arena), &two);
        assert (one.size == two.size && memcmp (one.data, two.data, one.size) == 0);
    }
    else
        assert (error.code != KITH_OK && *error.message);
    kith_bytes_free (&one);
    kith_bytes_free (&two);
    kith_arena_free (&arena);
    return 0;
}
