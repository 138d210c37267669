//  fuzz_jsonl - hostile lines as rows of a collection; what is accepted is a batch that opens, what is refused leaves no trace
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/input.h"
#include "clients/rows.h"
#include "tests/fuzz/fuzz.h"

static kith_opened_t *
s_opened (void)
{
    static const struct {
        const char *name;
        kith_type_t type;
        uint32_t dim, max_length;
        bool nullable;
    } fields [] = {
        {"id", KITH_TYPE_INT64, 0, 0, false},     {"b", KITH_TYPE_BOOL, 0, 0, true},
        {"i", KITH_TYPE_INT16, 0, 0, true},       {"f", KITH_TYPE_FLOAT, 0, 0, true},
        {"s", KITH_TYPE_VARCHAR, 0, 16, true},    {"j", KITH_TYPE_JSON, 0, 0, true},
        {"v", KITH_TYPE_FLOAT_VECTOR, 2, 0, true}};
    kith_opened_t *opened = kith_new (sizeof *opened);
    kith_proto_collection_t *definition =
        kith_arena_alloc (&opened->arena, sizeof *definition);
    definition->name = "fuzz";
    definition->fields_count = 7;
    definition->fields =
        kith_arena_alloc (&opened->arena, 7 * sizeof *definition->fields);
    for (uint32_t index = 0; index < 7; index++)
        definition->fields [index] =
            (kith_proto_field_t){.id = 100 + index,
                                 .name = fields [index].name,
                                 .type = fields [index].type,
                                 .dim = fields [index].dim,
                                 .max_length = fields [index].max_length,
                                 .key = index == 0,
                                 .nullable = fields [index].nullable,
                                 .default_value = ""};
    opened->references = 1;
    opened->definition = definition;
    opened->key = &definition->fields [0];
    return opened;
}

//  Line by line into rows; every line is one row more, or none
static void
s_lines (kith_opened_t *opened, const uint8_t *data, size_t size)
{
    kith_rows_t *rows = kith_rows_new (opened);
    kith_lines_t *lines = kith_lines_of ((const char *) data, size, "fuzz");
    kith_error_t error = {.at = -1};
    const char *line;
    size_t length;
    while (kith_lines_next (lines, false, &line, &length, &error) > 0) {
        size_t before = kith_rows_count (rows);
        bool taken = kith_rows_put_json (rows, line, length, &error) == 0;
        if (kith_rows_count (rows) != before + taken)
            abort ();
    }
    size_t count = kith_rows_count (rows);
    kith_bytes_t bytes = {0};
    kith_batch_t batch;
    kith_rows_batch (rows, 0, count, &bytes);
    if (kith_rows_check (rows, NULL, false, &error) != 0
        || kith_batch_open (&batch, bytes.data, bytes.size, &error) != 0
        || batch.rows != count)
        abort ();
    kith_bytes_free (&bytes);
    kith_lines_close (&lines);
    kith_rows_destroy (&rows);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    kith_opened_t *opened = s_opened ();
    s_lines (opened, data, size);
    kith_opened_destroy (&opened);
    return 0;
}
