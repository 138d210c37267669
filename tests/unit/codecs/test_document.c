//  test_document.c - the examples of docs/protocol.md are what the program says
//  SPDX-License-Identifier: Apache-2.0
#include "base/column.h"
#include "base/random.h"
#include "codecs/msg.h"

#include <criterion/criterion.h>
#include <ctype.h>

//  Text of the document's block that begins with ```KIND NAME; of the caller, ends with a zero
static char *
s_block (const char *kind, const char *name)
{
    FILE *file = fopen (KITH_PROTOCOL_MD, "r");
    cr_assert (file, "%s", KITH_PROTOCOL_MD);
    char head [128];
    snprintf (head, sizeof head, "```%s %s\n", kind, name);
    kith_bytes_t text = {0};
    char line [512];
    bool inside = false;
    bool found = false;
    while (fgets (line, sizeof line, file)) {
        if (inside && strncmp (line, "```", 3) == 0)
            break;
        if (inside)
            kith_bytes_put (&text, line, strlen (line));
        inside = inside || strcmp (line, head) == 0;
        found = found || inside;
    }
    fclose (file);
    cr_assert (found, "no block %s", head);
    kith_bytes_put_u8 (&text, 0);
    char *copy = kith_strdup ((const char *) text.data);
    kith_bytes_free (&text);
    return copy;
}

//  Bytes that a block shows; the rest of a line after # is for people
static void
s_bytes_of (const char *text, kith_bytes_t *out)
{
    while (*text) {
        if (*text == '#')
            text += strcspn (text, "\n");
        else if (isxdigit ((unsigned char) text [0])
                 && isxdigit ((unsigned char) text [1])) {
            char digits [3] = {text [0], text [1], 0};
            kith_bytes_put_u8 (out, (uint8_t) strtoul (digits, NULL, 16));
            text += 2;
        }
        else {
            cr_assert (isspace ((unsigned char) *text), "\"%.20s\" is no hex", text);
            text++;
        }
    }
}

static void
s_expect (const char *name, const void *data, size_t size)
{
    char *text = s_block ("hex", name);
    kith_bytes_t shown = {0};
    s_bytes_of (text, &shown);
    free (text);
    if (shown.size == size && memcmp (shown.data, data, size) == 0) {
        kith_bytes_free (&shown);
        return;
    }
    kith_bytes_t should = {0};
    for (size_t at = 0; at < size; at++)
        kith_bytes_printf (&should, "%02x%s", ((const uint8_t *) data) [at],
                           at % 16 == 15 ? "\n" : " ");
    cr_assert (false, "block %s should be\n%.*s", name, (int) should.size,
               (const char *) should.data);
}

static void
s_expect_body (const char *name, const kith_codec_table_t *table, const void *body)
{
    kith_bytes_t bytes = {0};
    kith_codec_pack (table, body, &bytes);
    s_expect (name, bytes.data, bytes.size);
    kith_bytes_free (&bytes);
}

Test (document, the_first_message)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_PING);
    msg->from = (kith_address_t){KITH_ROLE_CLIENT, 0, 0x1122334455667788};
    msg->to = (kith_address_t){KITH_ROLE_PROXY, 0, 0};
    msg->request = 1;
    msg->deadline_us = 5000000;
    kith_frame_t *parts [KITH_FRAMES_MAX + 2];
    uint32_t count = 0;
    kith_msg_encode (msg, 0, true, parts, &count);
    cr_assert_eq (count, 2);
    s_expect ("ping-envelope", kith_frame_data (parts [0]), kith_frame_size (parts [0]));
    s_expect ("ping-body", kith_frame_data (parts [1]), kith_frame_size (parts [1]));
    kith_frame_destroy (&parts [0]);
    kith_frame_destroy (&parts [1]);
    kith_msg_destroy (&msg);
}

Test (document, create)
{
    kith_proto_field_t fields [] = {
        {.name = "id", .type = KITH_TYPE_INT64, .key = true},
        {.name = "vec", .type = KITH_TYPE_FLOAT_VECTOR, .dim = 2, .metric = 1}};
    kith_proto_collection_create_t body = {
        .name = "words", .fields = fields, .fields_count = 2, .shards = 1};
    s_expect_body ("create-body", &kith_proto_collection_create_table, &body);
}

Test (document, open)
{
    kith_proto_collection_open_t body = {.name = "words"};
    s_expect_body ("open-body", &kith_proto_collection_open_table, &body);
}

Test (document, insert)
{
    static const uint8_t client [16] = {0x10, 0x21, 0x32, 0x43, 0x54, 0x65, 0x76, 0x87,
                                        0x98, 0xa9, 0xba, 0xcb, 0xdc, 0xed, 0xfe, 0x0f};
    kith_proto_position_t since = {0, 1, 41};
    kith_proto_insert_t body = {.collection = "words",
                                .request = {{client, 16}, 1, 0},
                                .since = &since,
                                .since_count = 1,
                                .rows = 1,
                                .schema = 1};
    s_expect_body ("insert-body", &kith_proto_insert_table, &body);

    static const float vectors [2][2] = {{1.0f, 0.5f}, {-2.0f, 0.0f}};
    kith_bytes_t batch = {0};
    size_t place = kith_batch_begin (&batch, 2, 2);
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, 100, KITH_TYPE_INT64, 0);
    kith_column_builder_int (&builder, 7);
    kith_column_builder_int (&builder, -1);
    kith_column_builder_finish (&builder, &batch);
    kith_column_builder_free (&builder);
    kith_column_builder_init (&builder, 101, KITH_TYPE_FLOAT_VECTOR, 2);
    kith_column_builder_fixed (&builder, vectors [0]);
    kith_column_builder_fixed (&builder, vectors [1]);
    kith_column_builder_finish (&builder, &batch);
    kith_column_builder_free (&builder);
    kith_batch_end (&batch, place);
    s_expect ("insert-rows", batch.data, batch.size);
    kith_bytes_free (&batch);
}

Test (document, varchar_with_a_null)
{
    kith_bytes_t block = {0};
    kith_column_builder_t builder;
    kith_column_builder_init (&builder, 102, KITH_TYPE_VARCHAR, 0);
    kith_column_builder_string (&builder, "king", 4);
    kith_column_builder_null (&builder);
    kith_column_builder_string (&builder, "", 0);
    kith_column_builder_finish (&builder, &block);
    kith_column_builder_free (&builder);
    s_expect ("varchar-block", block.data, block.size);
    kith_bytes_free (&block);
}

Test (document, search_and_its_answer)
{
    static const float query [2] = {1.0f, 0.0f};
    kith_proto_position_t token = {0, 1, 42};
    kith_proto_search_t body = {.collection = "words",
                                .queries = 1,
                                .nq = 1,
                                .k = 2,
                                .level = KITH_CONSISTENCY_SESSION,
                                .token = &token,
                                .token_count = 1};
    s_expect_body ("search-body", &kith_proto_search_table, &body);
    s_expect ("search-queries", query, sizeof query);
    kith_proto_mutated_t mutated = {
        .rows = 2, .token = &token, .token_count = 1, .us = 900};
    s_expect_body ("mutated-body", &kith_proto_mutated_table, &mutated);
    kith_proto_failed_t failed = {KITH_ERR_BUSY, "the queue is full", "try again", -1,
                                  true};
    s_expect_body ("failed-body", &kith_proto_failed_table, &failed);
}

//  Lines: int64 N HASH, or varchar "TEXT" HASH
Test (document, hashes_of_keys)
{
    char *text = s_block ("text", "hashes");
    char *rest = NULL;
    uint32_t lines = 0;
    for (char *line = strtok_r (text, "\n", &rest); line;
         line = strtok_r (NULL, "\n", &rest)) {
        uint64_t hash = strtoull (strrchr (line, ' ') + 1, NULL, 16);
        if (strncmp (line, "int64 ", 6) == 0) {
            int64_t key = strtoll (line + 6, NULL, 10);
            cr_assert_eq (kith_hash64 (&key, 8), hash, "%s is %016" PRIx64, line,
                          kith_hash64 (&key, 8));
        }
        else {
            const char *begin = strchr (line, '"') + 1;
            size_t size = (size_t) (strrchr (line, '"') - begin);
            cr_assert_eq (kith_hash64 (begin, size), hash, "%s is %016" PRIx64, line,
                          kith_hash64 (begin, size));
        }
        lines++;
    }
    cr_assert_geq (lines, 8);
    free (text);
}

//  The table of errors: number, name, whether a retry may help
Test (document, errors)
{
    FILE *file = fopen (KITH_PROTOCOL_MD, "r");
    cr_assert (file);
    bool there [KITH_ERR_COUNT] = {true};
    char line [512];
    while (fgets (line, sizeof line, file)) {
        unsigned code;
        char name [64];
        char retry [8];
        if (sscanf (line, "| %u | `%63[a-z_]` | %7[a-z] |", &code, name, retry) != 3)
            continue;
        if (strcmp (retry, "yes") != 0 && strcmp (retry, "no") != 0)
            continue;    //  a table of fields
        cr_assert_lt (code, KITH_ERR_COUNT);
        cr_assert_str_eq (kith_code_name ((kith_code_t) code), name);
        cr_assert_eq (kith_code_retry ((kith_code_t) code), strcmp (retry, "yes") == 0,
                      "%s", name);
        there [code] = true;
    }
    fclose (file);
    for (uint32_t code = 0; code < KITH_ERR_COUNT; code++)
        cr_assert (there [code], "%s is missing", kith_code_name ((kith_code_t) code));
}
