//  show.c - rows of an answer, as a table or JSON
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/show.h"

#include "base/vector.h"
#include "clients/json.h"

#define VECTOR_SHOWN 4    //  numbers of a vector in a table

//  Number `index` as one shows it: bits by the byte, so that they are short
static float
s_number (const kith_column_t *column, uint32_t row, uint32_t index)
{
    const uint8_t *values = kith_column_fixed (column, row);
    float value;
    if (column->type == KITH_TYPE_BINARY_VECTOR)
        return values [index];
    kith_vector_decode (column->type, 1,
                        values + (size_t) index * kith_type_width (column->type, 1),
                        &value);
    return value;
}

static uint32_t
s_numbers (const kith_column_t *column)
{
    return column->type == KITH_TYPE_BINARY_VECTOR ? column->dim / 8 : column->dim;
}

static void
s_vector (const kith_column_t *column, uint32_t row, kith_bytes_t *out)
{
    for (uint32_t index = 0; index < s_numbers (column); index++) {
        kith_bytes_printf (out, index ? ", " : "[");
        kith_json_put_float (out, s_number (column, row, index));
    }
    kith_bytes_printf (out, "]");
}

void
kith_show_value (const kith_column_t *column, uint32_t row, kith_bytes_t *out)
{
    if (!kith_column_valid (column, row)) {
        kith_bytes_printf (out, "null");
        return;
    }
    uint32_t size;
    const char *text;
    switch (column->type) {
        case KITH_TYPE_BOOL:
            kith_bytes_printf (out, "%s",
                               kith_column_int (column, row) ? "true" : "false");
            break;
        case KITH_TYPE_INT8:
        case KITH_TYPE_INT16:
        case KITH_TYPE_INT32:
        case KITH_TYPE_INT64:
            kith_bytes_printf (out, "%" PRId64, kith_column_int (column, row));
            break;
        case KITH_TYPE_FLOAT:
            kith_json_put_float (out, (float) kith_column_real (column, row));
            break;
        case KITH_TYPE_DOUBLE:
            kith_json_put_double (out, kith_column_real (column, row));
            break;
        case KITH_TYPE_VARCHAR:
            text = kith_column_string (column, row, &size);
            kith_json_put_string (out, text, size);
            break;
        case KITH_TYPE_JSON:
            text = kith_column_string (column, row, &size);
            kith_bytes_put (out, text, size);
            break;
        case KITH_TYPE_FLOAT_VECTOR:
        case KITH_TYPE_FLOAT16_VECTOR:
        case KITH_TYPE_BFLOAT16_VECTOR:
        case KITH_TYPE_INT8_VECTOR:
        case KITH_TYPE_BINARY_VECTOR:
            s_vector (column, row, out);
            break;
    }
}

void
kith_show_rows_json (const kith_answer_t *answer, size_t query, bool scores,
                     kith_bytes_t *out)
{
    const kith_batch_t *batch = kith_answer_batch (answer);
    kith_bytes_printf (out, "[");
    for (size_t row = 0; row < kith_answer_rows (answer, query); row++) {
        uint32_t place = kith_answer_place (answer, query, row);
        const char *before = "";
        kith_bytes_printf (out, row ? ", {" : "{");
        bool scored = !scores;
        for (uint32_t column = 0; column < batch->count; column++) {
            const kith_proto_field_t *field = kith_answer_field (answer, column);
            if (!field)
                continue;
            kith_bytes_printf (out, "%s", before);
            kith_json_put_string (out, field->name, strlen (field->name));
            kith_bytes_printf (out, ": ");
            kith_show_value (&batch->columns [column], place, out);
            before = ", ";
            if (scored)
                continue;
            scored = true;    //  the score stands after the key
            kith_bytes_printf (out, ", \"score\": ");
            kith_json_put_float (out, kith_answer_score (answer, query, row));
        }
        kith_bytes_printf (out, "}");
    }
    kith_bytes_printf (out, "]");
}

//  A value for a person: texts bare, vectors begun
static void
s_cell (kith_table_t *table, const kith_column_t *column, uint32_t row)
{
    kith_bytes_t text = {0};
    if (column->type == KITH_TYPE_VARCHAR && kith_column_valid (column, row)) {
        uint32_t size;
        const char *value = kith_column_string (column, row, &size);
        kith_table_cell (table, value, size);
        return;
    }
    if (kith_type_is_vector (column->type) && kith_column_valid (column, row)) {
        uint32_t count = s_numbers (column);
        for (uint32_t index = 0; index < count && index < VECTOR_SHOWN; index++)
            kith_bytes_printf (&text, "%s%.4g", index ? ", " : "[",
                               (double) s_number (column, row, index));
        kith_bytes_printf (&text, count > VECTOR_SHOWN ? ", ...]" : "]");
    }
    else
        kith_show_value (column, row, &text);
    kith_table_cell (table, (const char *) text.data, text.size);
    kith_bytes_free (&text);
}

static bool
s_is_number (kith_type_t type)
{
    return type >= KITH_TYPE_INT8 && type <= KITH_TYPE_DOUBLE;
}

void
kith_show_rows (const kith_cli_t *cli, const kith_answer_t *answer, size_t query,
                bool scores)
{
    const kith_batch_t *batch = kith_answer_batch (answer);
    if (!batch || !kith_answer_rows (answer, query))
        return;
    kith_table_t *table = kith_table_new ();
    if (scores)
        kith_table_column (table, "score", true);
    for (uint32_t column = 0; column < batch->count; column++) {
        const kith_proto_field_t *field = kith_answer_field (answer, column);
        if (field)
            kith_table_column (table, field->name,
                               s_is_number (batch->columns [column].type));
    }
    for (size_t row = 0; row < kith_answer_rows (answer, query); row++) {
        uint32_t place = kith_answer_place (answer, query, row);
        if (scores)
            kith_table_printf (table, "%.4f",
                               (double) kith_answer_score (answer, query, row));
        for (uint32_t column = 0; column < batch->count; column++) {
            if (kith_answer_field (answer, column))
                s_cell (table, &batch->columns [column], place);
        }
    }
    kith_table_print (table, stdout, 1, cli->width, cli->color);
    kith_table_destroy (&table);
}

//  --- Explain

static const char *
s_level (uint32_t level)
{
    static const char *const names [] = {"strong", "session", "bounded", "eventually"};
    return level < 4 ? names [level] : "unknown";
}

static bool
s_has_rows (const kith_proto_stage_t *stage)
{
    return strcmp (stage->what, "growing") == 0 || strcmp (stage->what, "sealed") == 0;
}

//  Shards wait beside one another: the longest counts
static void
s_show_wait (const kith_proto_found_t *found)
{
    uint64_t us = 0;
    for (uint32_t index = 0; index < found->stages_count; index++) {
        const kith_proto_stage_t *stage = &found->stages [index];
        if (strcmp (stage->what, "wait") == 0 && stage->us > us)
            us = stage->us;
    }
    printf ("  %-21s %8.2f ms  ", "wait for writes", (double) us / 1000);
    kith_token_t token = {0};
    kith_token_merge (&token, found->token, found->token_count);
    for (uint32_t index = 0; index < token.count; index++) {
        const kith_proto_position_t *position = &token.items [index];
        char seq [32];
        printf ("%s%" PRIu32 ":(%" PRIu64 ", %s)", index ? " " : " token ", position->log,
                position->epoch, kith_show_count (position->seq, seq));
    }
    kith_token_free (&token);
    printf ("\n");
}

static void
s_show_stage (const kith_proto_stage_t *stage, const char *shard, char *line, size_t size)
{
    char rows [32], compared [32], name [48];
    bool sealed = strcmp (stage->what, "sealed") == 0;
    if (!s_has_rows (stage)) {
        const char *what = stage->what;
        what = strcmp (what, "merge") == 0 ? "merge, output fields" : what;
        snprintf (line, size, "  %-21s %8.2f ms", what, (double) stage->us / 1000);
        return;
    }
    if (sealed)
        snprintf (name, sizeof name, "sealed %" PRIu64, stage->segment);
    else
        snprintf (name, sizeof name, "growing");
    int used = snprintf (line, size, "  %-8s %-12s %11s rows", shard, name,
                         kith_show_count (stage->rows, rows));
    if (used < 0 || (size_t) used >= size)
        return;
    char effort [24] = "", index [48];
    snprintf (index, sizeof index, "%.20s%s%.20s", stage->index, *stage->code ? " " : "",
              stage->code);
    if (stage->effort)
        snprintf (effort, sizeof effort, "effort %" PRIu32, stage->effort);
    double share =
        stage->rows ? (double) stage->compared / (double) stage->rows * 100 : 0;
    snprintf (line + used, size - (size_t) used,
              "   %-9s   %-10s   %9s compared (%.1f %%)   %.2f ms", index, effort,
              kith_show_count (stage->compared, compared), share,
              (double) stage->us / 1000);
}

void
kith_show_stages (const kith_cli_t *cli, const kith_proto_search_t *search,
                  const kith_proto_found_t *found)
{
    (void) cli;
    printf ("search %s: k %" PRIu32 ", ", search->collection, search->k);
    if (search->effort)
        printf ("effort %" PRIu32 ", ", search->effort);
    else if (search->recall > 0)
        printf ("recall %.4g, ", (double) search->recall);
    printf ("%s\n", s_level (search->level));
    s_show_wait (found);
    //  Rows by shard, then what came after them
    uint32_t shard = UINT32_MAX;
    for (int turn = 0; turn < 2; turn++) {
        for (uint32_t index = 0; index < found->stages_count; index++) {
            const kith_proto_stage_t *stage = &found->stages [index];
            char name [24] = "", line [240] = "";
            if (strcmp (stage->what, "wait") == 0 || s_has_rows (stage) != (turn == 0))
                continue;
            if (stage->shard != shard)
                snprintf (name, sizeof name, "shard %" PRIu32, stage->shard);
            shard = stage->shard;
            s_show_stage (stage, name, line, sizeof line);
            printf ("%s\n", line);
        }
    }
    printf ("  %-21s %8.2f ms\n\n", "total", (double) found->us / 1000);
}

void
kith_show_stages_json (const kith_proto_found_t *found, kith_bytes_t *out)
{
    kith_bytes_printf (out, "{\"stages\": [");
    for (uint32_t index = 0; index < found->stages_count; index++) {
        const kith_proto_stage_t *stage = &found->stages [index];
        kith_bytes_printf (out, index ? ", {\"what\": " : "{\"what\": ");
        kith_json_put_string (out, stage->what, strlen (stage->what));
        kith_bytes_printf (out,
                           ", \"shard\": %" PRIu32 ", \"segment\": %" PRIu64
                           ", \"rows\": %" PRIu64 ", \"index\": ",
                           stage->shard, stage->segment, stage->rows);
        kith_json_put_string (out, stage->index, strlen (stage->index));
        kith_bytes_printf (out, ", \"code\": ");
        kith_json_put_string (out, stage->code, strlen (stage->code));
        kith_bytes_printf (
            out, ", \"effort\": %" PRIu32 ", \"compared\": %" PRIu64 ", \"ms\": %.3f}",
            stage->effort, stage->compared, (double) stage->us / 1000);
    }
    kith_bytes_printf (out, "], \"hops\": %" PRIu32 ", \"ms\": %.3f}", found->hops,
                       (double) found->us / 1000);
}
