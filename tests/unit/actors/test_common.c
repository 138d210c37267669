//  test_common.c - what the roles share: keys of rows, transactions, waiting requests, growing arrays, kept rows
//  SPDX-License-Identifier: Apache-2.0
#include "actors/common.h"
#include "base/random.h"
#include "engine/segments/text.h"
#include "storage/kv.h"
#include <criterion/criterion.h>

//  Every key that was made, to be compared with each other
typedef struct {
    char (*texts) [KITH_KEY_MAX];
    uint32_t count;
    uint32_t capacity;
} keys_t;

static void
s_take (keys_t *keys, kith_key_t key)
{
    cr_assert (kith_kv_key_valid (key.text), "'%s' is no key", key.text);
    keys->texts =
        kith_grow (keys->texts, keys->count, &keys->capacity, sizeof *keys->texts);
    memcpy (keys->texts [keys->count++], key.text, sizeof key.text);
}

static int
s_compare (const void *a, const void *b)
{
    return strcmp (a, b);
}

static void
s_check_distinct (keys_t *keys)
{
    qsort (keys->texts, keys->count, sizeof *keys->texts, s_compare);
    for (uint32_t i = 1; i < keys->count; i++)
        cr_assert_str_neq (keys->texts [i - 1], keys->texts [i]);
    free (keys->texts);
}

Test (common, keys_of_numbers_are_valid_and_distinct)
{
    const uint64_t ids [] = {
        0, 1, 9, 10, 999999999999, 1000000000000, UINT64_MAX - 1, UINT64_MAX};
    const uint32_t small [] = {0, 1, 9, 10, 9999, 10000, UINT32_MAX};
    keys_t keys = {0};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        s_take (&keys, kith_key_collection (ids [i]));
        s_take (&keys, kith_key_channel (ids [i]));
        for (size_t j = 0; j < sizeof ids / sizeof *ids; j++) {
            for (size_t k = 0; k < sizeof small / sizeof *small; k++)
                s_take (&keys, kith_key_index (ids [i], ids [j], small [k]));
            for (size_t k = 0; k < sizeof ids / sizeof *ids; k++)
                s_take (&keys, kith_key_pin (ids [i], ids [j], ids [k]));
        }
    }
    for (uint32_t role = 0; role < KITH_ROLE_COUNT; role++) {
        s_take (&keys, kith_key_role ((kith_role_t) role));
        for (size_t k = 0; k < sizeof small / sizeof *small; k++)
            s_take (&keys, kith_key_node ((kith_role_t) role, small [k]));
    }
    for (size_t k = 0; k < sizeof small / sizeof *small; k++)
        s_take (&keys, kith_key_log (small [k]));
    s_check_distinct (&keys);
}

//  Scans of rows by number must come in the order of the numbers, and end at their row's prefix
Test (common, keys_of_numbers_sort_as_the_numbers)
{
    for (uint64_t id = 0; id < 12000; id++) {
        const kith_key_t a = kith_key_channel (id), b = kith_key_channel (id + 1);
        cr_assert_lt (strcmp (a.text, b.text), 0);
    }
    for (uint32_t log = 0; log + 1 < KITH_LOGS_MAX; log++) {
        const kith_key_t a = kith_key_log (log), b = kith_key_log (log + 1);
        cr_assert_lt (strcmp (a.text, b.text), 0);
    }
}

//  Names that differ only where an escape could go wrong: all of up to four letters of {a, A, b, B, _, 0}
Test (common, keys_of_short_names_are_valid_and_distinct)
{
    const char letters [] = "aAbB_0";
    keys_t keys = {0};
    for (uint32_t number = 0; number < 7 * 7 * 7 * 7; number++) {
        char name [5] = "";
        size_t length = 0;
        for (uint32_t rest = number; rest; rest /= 7)
            if (rest % 7)
                name [length++] = letters [rest % 7 - 1];
            else
                break;
        //  Each name once: the numbers without a zero inside
        uint32_t size = 0;
        for (uint32_t rest = number; rest; rest /= 7)
            size++;
        if (!kith_name_valid (name) || length != size)
            continue;
        s_take (&keys, kith_key_name ("", name));
        s_take (&keys, kith_key_name ("Default", name));
        s_take (&keys, kith_key_name (name, "x"));
    }
    cr_assert_gt (keys.count, 1000);
    s_check_distinct (&keys);
}

Test (common, keys_of_long_names_are_valid_and_distinct)
{
    keys_t keys = {0};
    for (size_t length = 1; length <= KITH_NAME_MAX; length++)
        for (int kind = 0; kind < 4; kind++) {
            char name [KITH_NAME_MAX + 1] = "";
            memset (name, kind & 1 ? 'Q' : 'q', length);
            if (kind & 2)
                name [length - 1] = 'z';
            cr_assert (kith_name_valid (name));
            s_take (&keys, kith_key_name ("", name));
            if (length > 1 || !(kind & 2))
                s_take (&keys, kith_key_name (name, name));
        }
    //  A single 'z' of length 1 comes from both letters
    uint32_t doubles = 0;
    qsort (keys.texts, keys.count, sizeof *keys.texts, s_compare);
    for (uint32_t i = 1; i < keys.count; i++)
        doubles += !strcmp (keys.texts [i - 1], keys.texts [i]);
    cr_assert_eq (doubles, 1);
    free (keys.texts);
}

Test (common, no_database_is_the_default_one)
{
    const kith_key_t none = kith_key_name ("", "Words");
    const kith_key_t named = kith_key_name ("default", "Words");
    cr_assert_str_eq (none.text, named.text);
    cr_assert_str_eq (none.text, "name/default/.words");
}

Test (common, a_transaction_holds_what_was_put_and_survives_the_wire)
{
    const kith_proto_name_row_t row = {.collection = 4711};
    char key [] = "name/default/x";
    kith_msg_t *txn = kith_txn_new (2, 3);
    kith_txn_compare (txn, key, 7);
    kith_txn_compare (txn, "id/all", 0);
    kith_txn_put (txn, key, &kith_proto_name_row_table, &row);
    kith_txn_remove (txn, "a");
    //  The caller's texts are copied
    memset (key, '?', sizeof key - 1);
    cr_assert_eq (txn->kind, KITH_KIND_KV_TXN);
    kith_bytes_t bytes = {0};
    kith_arena_t arena = {0};
    kith_codec_pack (&kith_proto_kv_txn_table, txn->body, &bytes);
    kith_msg_destroy (&txn);
    const kith_proto_kv_txn_t *back = kith_codec_unpack (
        &kith_proto_kv_txn_table, bytes.data, bytes.size, &arena, NULL);
    cr_assert_not_null (back);
    cr_assert_eq (back->compares_count, 2);
    cr_assert_str_eq (back->compares [0].key, "name/default/x");
    cr_assert_eq (back->compares [0].revision, 7);
    cr_assert_str_eq (back->compares [1].key, "id/all");
    cr_assert_eq (back->compares [1].revision, 0);
    cr_assert_eq (back->changes_count, 2);
    cr_assert_str_eq (back->changes [0].key, "name/default/x");
    cr_assert_not (back->changes [0].remove);
    const kith_proto_name_row_t *read =
        kith_row_read (&kith_proto_name_row_table, back->changes [0].value, &arena);
    cr_assert_not_null (read);
    cr_assert_eq (read->collection, 4711);
    cr_assert_str_eq (back->changes [1].key, "a");
    cr_assert (back->changes [1].remove);
    kith_arena_free (&arena);
    kith_bytes_free (&bytes);
}

Test (common, bytes_that_are_no_row_are_none)
{
    kith_arena_t arena = {0};
    const uint8_t bytes [] = {0xc1, 0xff, 0x00};
    const kith_blob_t value = {.data = bytes, .size = sizeof bytes};
    cr_assert_null (kith_row_read (&kith_proto_name_row_table, value, &arena));
    kith_arena_free (&arena);
}

Test (common, a_transaction_counts_only_when_it_was_made)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_KV_DONE);
    kith_proto_kv_done_t *done = answer->body;
    done->committed = true;
    cr_assert (kith_txn_committed (KITH_END_OK, answer));
    const kith_end_t bad [] = {KITH_END_FAILED, KITH_END_TIMEOUT, KITH_END_UNREACHABLE,
                               KITH_END_BUSY, KITH_END_STOPPED};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not (kith_txn_committed (bad [i], NULL));
    done->committed = false;
    cr_assert_not (kith_txn_committed (KITH_END_OK, answer));
    kith_msg_destroy (&answer);
}

Test (common, addresses_are_told_apart_and_survive_the_wire)
{
    const kith_address_t address = {
        .role = KITH_ROLE_DATA_NODE, .index = 3, .incarnation = 9};
    const kith_proto_address_t wire = kith_address_to (address);
    kith_address_t back = kith_address_from (&wire);
    cr_assert (kith_address_same (address, back));
    back.incarnation++;
    cr_assert_not (kith_address_same (address, back));
    back = address;
    back.index++;
    cr_assert_not (kith_address_same (address, back));
    back = address;
    back.role = KITH_ROLE_QUERY_NODE;
    cr_assert_not (kith_address_same (address, back));
    cr_assert_eq (kith_actor (KITH_ROLE_META, 2).incarnation, 0);
}

//  Requests wait in the order they came, whichever are taken out: against a plain array of their numbers
Test (common, what_waits_keeps_its_order)
{
    kith_random_t random;
    kith_random_seed (&random, 8);
    kith_park_t park = {0};
    uint64_t model [400];
    uint32_t count = 0;
    for (uint64_t number = 1; number < 3000; number++) {
        if (count < 400 && kith_random_below (&random, 5) < 3) {
            kith_msg_t *msg = kith_msg_new (KITH_KIND_OK);
            msg->request = number;
            model [count++] = number;
            kith_park_add (&park, &msg);
            cr_assert_null (msg);
        }
        else if (count) {
            const uint32_t index = (uint32_t) kith_random_below (&random, count);
            kith_msg_t *msg = kith_park_take (&park, index);
            cr_assert_eq (msg->request, model [index]);
            memmove (model + index, model + index + 1, (--count - index) * sizeof *model);
            kith_msg_destroy (&msg);
        }
        cr_assert_eq (park.count, count);
    }
    for (uint32_t i = 0; i < count; i++)
        cr_assert_eq (park.items [i]->request, model [i]);
    kith_park_free (&park);
    cr_assert_eq (park.count, 0);
    cr_assert_null (park.items);
    kith_park_free (&park);
}

//  Items are taken out by moving the last one down: what is left behind it must not show
Test (common, the_place_for_one_more_is_empty)
{
    uint64_t *items = NULL;
    uint32_t count = 0, capacity = 0;
    for (int round = 0; round < 4; round++) {
        while (count < 100) {
            items = kith_grow (items, count, &capacity, sizeof *items);
            cr_assert_lt (count, capacity);
            cr_assert_eq (items [count], 0);
            items [count] = count + 1;
            count++;
        }
        for (uint32_t i = 0; i < count; i++)
            cr_assert_eq (items [i], i + 1);
        count = 3;
    }
    free (items);
}

Test (common, a_kept_row_is_a_copy)
{
    char name [] = "words";
    kith_proto_collection_t row = {.id = 5, .db = "default", .name = name};
    kith_kept_t kept = {0};
    kith_keep (&kept, &kith_proto_collection_table, &row);
    name [0] = '?';
    const kith_proto_collection_t *copy = kept.row;
    cr_assert_str_eq (copy->name, "words");
    cr_assert_eq (copy->id, 5);
    row.id = 6;
    kith_keep (&kept, &kith_proto_collection_table, &row);
    copy = kept.row;
    cr_assert_eq (copy->id, 6);
    cr_assert_str_eq (copy->name, "?ords");
    kith_kept_free (&kept);
    cr_assert_null (kept.row);
}

Test (common, a_definition_with_too_many_fields_is_refused)
{
    kith_proto_field_t fields [KITH_FIELDS_MAX + 1];
    memset (fields, 0, sizeof fields);
    const kith_proto_collection_t row = {
        .name = "wide", .fields = fields, .fields_count = KITH_FIELDS_MAX + 1};
    kith_error_t error;
    cr_assert_null (kith_schema_of (&row, &error));
    cr_assert_eq (error.code, KITH_ERR_LIMIT);
}

//  A client is told at once what nobody but a person can mend, and waits for all else
Test (common, a_log_without_an_owner_says_why)
{
    kith_error_t error = {0};
    kith_proto_log_route_t route = {
        .owner = {.role = KITH_ROLE_DATA_NODE, .index = 3}, .reason = "", .hint = ""};
    cr_assert (!kith_log_refused (&route, 7, &error));
    cr_assert_eq (error.code, KITH_ERR_BUSY);
    route.code = KITH_ERR_CORRUPT;
    route.reason = "log-7/000001.log at byte 64: a record";
    route.hint = "put it back";
    route.failed_ms = 100;
    cr_assert (!kith_log_refused (&route, 7, &error));
    cr_assert_eq (error.code, KITH_ERR_BUSY);
    cr_assert_not_null (strstr (error.message, route.reason));
    route.failed_ms = 60000;
    cr_assert (kith_log_refused (&route, 7, &error));
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    cr_assert_not_null (strstr (error.message, route.reason));
    cr_assert_not_null (strstr (error.message, "log 7"));
    cr_assert_not_null (strstr (error.message, "data_node/3"));
    cr_assert_str_eq (error.hint, route.hint);
    //  A full disk may have room the next moment
    route.code = KITH_ERR_NO_SPACE;
    cr_assert (!kith_log_refused (&route, 7, &error));
    cr_assert_eq (error.code, KITH_ERR_BUSY);
    route.code = KITH_ERR_COUNT;
    cr_assert (!kith_log_refused (&route, 7, &error));
}
