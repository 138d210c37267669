//  test_proto.c - the generated names, numbers and tables agree with one another
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/proto.h"

#include "base/limits.h"

#include <criterion/criterion.h>

Test (proto, names_lead_back)
{
    for (uint32_t role = 0; role < KITH_ROLE_COUNT; role++)
        cr_assert_eq (kith_role_of_name (kith_role_name ((kith_role_t) role)), role);
    cr_assert_eq (kith_role_of_name ("nobody"), KITH_ROLE_COUNT);
    cr_assert_str_eq (kith_role_name (KITH_ROLE_DATA_NODE), "data_node");
    cr_assert_str_eq (kith_role_name (KITH_ROLE_COUNT), "unknown");

    for (uint32_t number = 0; number < 2048; number++) {
        kith_kind_t kind = (kith_kind_t) number;
        const kith_codec_table_t *table = kith_kind_table (kind);
        if (table) {
            cr_assert_str_eq (kith_kind_name (kind), table->name);
            cr_assert_eq (kith_kind_of_name (table->name), kind);
        }
        else
            cr_assert_str_eq (kith_kind_name (kind), "unknown");
    }
    cr_assert_eq (kith_kind_of_name ("unknown"), KITH_KIND_NONE);
    cr_assert_null (kith_kind_table (KITH_KIND_NONE));
    cr_assert_null (kith_kind_table ((kith_kind_t) -1));
}

Test (proto, answers_are_messages)
{
    cr_assert_eq (kith_kind_answer (KITH_KIND_SEARCH), KITH_KIND_FOUND);
    cr_assert_eq (kith_kind_answer (KITH_KIND_INSERT), KITH_KIND_MUTATED);
    cr_assert_eq (kith_kind_answer (KITH_KIND_FOUND), KITH_KIND_NONE);
    cr_assert_eq (kith_kind_answer ((kith_kind_t) 100000), KITH_KIND_NONE);
    for (uint32_t number = 0; number < 2048; number++) {
        kith_kind_t answer = kith_kind_answer ((kith_kind_t) number);
        cr_assert (answer == KITH_KIND_NONE || kith_kind_table (answer));
    }
}

//  Every member lies inside its struct, behind the one before it.
static uint32_t
s_check (const kith_codec_table_t *table)
{
    uint32_t deepest = 0;
    uint32_t end = 0;
    for (uint32_t index = 0; index < table->count; index++) {
        const kith_codec_field_t *field = &table->fields [index];
        cr_assert_geq (field->offset, end, "%s.%s", table->name, field->name);
        end = field->offset + 1u;
        if (field->list) {
            cr_assert_eq (field->count_offset, field->offset + sizeof (void *));
            end = field->count_offset + (uint32_t) sizeof (uint32_t);
        }
        cr_assert_leq (end, table->size);
        cr_assert_eq (field->type == KITH_WIRE_STRUCT, field->table != NULL);
        if (field->table) {
            uint32_t depth = s_check (field->table) + field->list;
            deepest = depth > deepest ? depth : deepest;
        }
        else if (field->list && deepest == 0)
            deepest = 1;
    }
    return deepest + 1;
}

Test (proto, tables_fit_their_structs_and_the_depth_of_messages)
{
    cr_assert_leq (s_check (&kith_proto_envelope_table), KITH_MSGPACK_DEPTH_MAX);
    for (uint32_t number = 0; number < 2048; number++)
        if (kith_kind_table ((kith_kind_t) number))
            cr_assert_leq (s_check (kith_kind_table ((kith_kind_t) number)),
                           KITH_MSGPACK_DEPTH_MAX);
}
