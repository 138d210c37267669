//  test_flush.c - what a flush keeps, and what it refuses
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>

#include "engine/segments/flush.h"
#include "engine/segments/run.h"
#include "tests/unit/engine/model.h"

//  Every row of the snapshot in log order, each with what the log said
Test (flush, keeps_what_is_alive_at_its_end)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        model_t *model = model_new (seed, seed % 2, KITH_METRIC_COSINE);
        for (uint32_t index = 0; index < 40; index++)
            model_step (model, 15, 60);
        uint64_t after = seed == 1 ? 0 : 10;
        cr_assert (model_flush (model, after, model->seq, "a"));
        kith_segment_t *segment = model_open (model, "a", NULL);
        cr_assert_eq (kith_segment_from (segment), after + 1);
        cr_assert_eq (kith_segment_to (segment), model->seq);
        cr_assert_eq (kith_segment_applied (segment), model->seq);
        kith_run_t run;
        kith_run_open (&run, segment, 0, KITH_ALIVE - 1);
        kith_column_t keys, seqs, places;
        kith_run_column (&run, MODEL_KEY, NULL, &keys);
        kith_run_column (&run, KITH_FIELD_SEQ, NULL, &seqs);
        kith_run_column (&run, KITH_FIELD_ROW, NULL, &places);
        uint32_t at = 0;
        for (uint32_t index = 0; index < model_count (model); index++) {
            const model_row_t *row = model_row (model, index);
            if (row->seq <= after || row->death != KITH_ALIVE)
                continue;
            cr_assert_lt (at, run.rows);
            cr_assert_eq (model_key_of (&keys, at), row->key);
            cr_assert_eq (kith_column_int (&seqs, at), (int64_t) row->seq);
            cr_assert_eq (kith_column_int (&places, at), row->place);
            at++;
        }
        cr_assert_eq (at, run.rows);
        kith_rows_t rows;
        cr_assert_eq (kith_segment_vectors (segment, MODEL_VECTOR, &rows, NULL), 0);
        cr_assert_eq (rows.rows, at);
        cr_assert_eq ((uintptr_t) rows.vectors % 64, 0);
        for (uint32_t row = 0; row < rows.rows; row++)
            cr_assert_eq (
                rows.norms [row],
                kith_norm ((const char *) rows.vectors + row * MODEL_DIM * 4, MODEL_DIM));
        kith_error_t error = {0};
        cr_assert_eq (kith_segment_vectors (segment, MODEL_TEXT, &rows, &error), -1);
        kith_segment_destroy (&segment);
        model_destroy (&model);
    }
}

//  The same range twice is the same object: a retry after an unknown outcome
Test (flush, is_repeatable)
{
    model_t *model = model_new (3, true, KITH_METRIC_L2);
    for (uint32_t index = 0; index < 20; index++)
        model_step (model, 15, 60);
    cr_assert (model_flush (model, 0, model->seq, "a"));
    cr_assert (model_flush (model, 0, model->seq, "a"));
    kith_segment_t *segment = model_open (model, "a", NULL);
    kith_segment_destroy (&segment);
    model_destroy (&model);
}

Test (flush, of_nothing)
{
    model_t *model = model_new (3, true, KITH_METRIC_L2);
    model_seal (model);
    model_delete (model, 5, 10);
    model_insert (model, 1, 1, 1);
    model_delete (model, 1, 1);
    cr_assert (!model_flush (model, 0, model->seq, "a"));
    model_destroy (&model);
}

Test (flush, refuses_records_out_of_order)
{
    model_t *model = model_new (3, false, KITH_METRIC_L2);
    model_t *other = model_new (3, true, KITH_METRIC_L2);
    for (uint32_t index = 0; index < 6; index++)
        model_insert (model, 5, 10, 1);
    model_insert (other, 5, 10, 1);
    kith_error_t error = {0};
    kith_flush_t *flush = kith_flush_new (model->schema, 1, 4);
    cr_assert_eq (kith_flush_add (flush, model_record (model, 1), &error), -1);
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    kith_record_t wrong = *model_record (other, 1);
    wrong.seq = 2;
    cr_assert_eq (kith_flush_add (flush, &wrong, &error), -1);
    wrong = *model_record (model, 2);
    wrong.body_bytes -= 64;
    cr_assert_eq (kith_flush_add (flush, &wrong, &error), -1);
    cr_assert_eq (kith_flush_rows (flush), 0);
    cr_assert_eq (kith_flush_add (flush, model_record (model, 2), &error), 0);
    cr_assert_eq (kith_flush_add (flush, model_record (model, 2), &error), -1);
    cr_assert_eq (kith_flush_add (flush, model_record (model, 4), &error), 0);
    cr_assert_eq (kith_flush_add (flush, model_record (model, 5), &error), -1);
    kith_flush_destroy (&flush);
    kith_flush_destroy (&flush);
    model_destroy (&model);
    model_destroy (&other);
}

//  A snapshot for each partition has the rows that are left of it, and together they have all
Test (flush, parts_are_the_partitions)
{
    enum { PARTITIONS = 5 };
    for (uint64_t seed = 1; seed <= 8; seed++) {
        model_t *model = model_new (seed, seed % 2, KITH_METRIC_L2);
        for (uint32_t index = 0; index < 30; index++)
            model_insert (model, 15, 90, PARTITIONS);
        model_drop (model, PARTITIONS);
        for (uint32_t index = 0; index < seed; index++)
            model_insert (model, 5, 90, PARTITIONS);
        kith_error_t error = {0};
        kith_flush_t *flush = kith_flush_new (model->schema, 0, model->seq);
        for (uint64_t seq = 1; seq <= model->seq; seq++)
            cr_assert_eq (kith_flush_add (flush, model_record (model, seq), &error), 0);
        uint32_t alive [PARTITIONS] = {0}, count = 0, total = 0;
        uint64_t newest [PARTITIONS] = {0};
        for (uint32_t index = 0; index < model_count (model); index++) {
            const model_row_t *row = model_row (model, index);
            if (row->death != KITH_ALIVE)
                continue;
            alive [row->partition]++;
            newest [row->partition] = row->seq;
        }
        kith_flush_part_t *parts = kith_flush_parts (flush, &count);
        uint32_t at = 0;
        for (uint32_t partition = 0; partition < PARTITIONS; partition++) {
            if (!alive [partition])
                continue;
            cr_assert_lt (at, count);
            cr_assert_eq (parts [at].partition, partition);
            cr_assert_eq (parts [at].rows, alive [partition]);
            cr_assert_eq (parts [at].newest, newest [partition]);
            char name [16];
            snprintf (name, sizeof name, "part-%u", partition);
            kith_file_info_t info = {.cluster = 9,
                                     .channel = 7,
                                     .segment = parts [at].newest,
                                     .from = 1,
                                     .to = model->seq,
                                     .epoch = 1};
            uint64_t hash, size;
            kith_flush_select (flush, &parts [at++]);
            cr_assert_eq (
                kith_flush_put (flush, model->objects, name, &info, &hash, &size, &error),
                0);
            kith_segment_t *segment = model_open (model, name, NULL);
            cr_assert_eq (kith_segment_rows (segment), alive [partition]);
            total += alive [partition];
            kith_segment_destroy (&segment);
        }
        cr_assert_eq (at, count);
        cr_assert_eq (total, kith_flush_rows (flush));
        free (parts);
        kith_flush_destroy (&flush);
        model_destroy (&model);
    }
}

//  Fields that the record lacks come from the schema
Test (flush, fills_missing_fields)
{
    kith_field_t fields [] = {
        {.id = 100, .name = "id", .type = KITH_TYPE_INT64, .key = true},
        {.id = 101, .name = "rank", .type = KITH_TYPE_INT32, .default_value = "7"},
        {.id = 102,
         .name = "word",
         .type = KITH_TYPE_VARCHAR,
         .max_length = 9,
         .default_value = "\"a\\u00e4\\n\""},
        {.id = 103, .name = "gone", .type = KITH_TYPE_DOUBLE, .nullable = true}};
    kith_error_t error = {0};
    kith_schema_t *schema = kith_schema_new ("d", fields, 4, 1, &error);
    cr_assert (schema, "%s", error.message);
    kith_bytes_t body = {0};
    size_t place = kith_batch_begin (&body, 3, 1);
    kith_column_builder_t keys;
    kith_column_builder_init (&keys, 100, KITH_TYPE_INT64, 0);
    for (uint32_t row = 0; row < 3; row++)
        kith_column_builder_int (&keys, row);
    kith_column_builder_finish (&keys, &body);
    kith_column_builder_free (&keys);
    kith_batch_end (&body, place);
    kith_record_t record = {
        .kind = KITH_RECORD_INSERT, .seq = 1, .body = body.data, .body_bytes = body.size};

    kith_objects_image_t *image = kith_objects_image_new ();
    kith_objects_t *objects = kith_objects_mem_open (image);
    kith_flush_t *flush = kith_flush_new (schema, 0, 1);
    cr_assert_eq (kith_flush_add (flush, &record, &error), 0, "%s", error.message);
    kith_file_info_t info = {.from = 1, .to = 1, .segment = 1};
    uint64_t hash, size;
    cr_assert_eq (kith_flush_put (flush, objects, "a", &info, &hash, &size, &error), 0,
                  "%s", error.message);
    kith_flush_destroy (&flush);
    kith_container_t *snapshot =
        kith_container_open (objects, "a", KITH_FILE_SNAPSHOT, 0, hash, size, &error);
    kith_segment_t *segments [2] = {kith_segment_open (schema, &snapshot, NULL, &error),
                                    kith_segment_grow (schema, 0, 0)};
    cr_assert (segments [0], "%s", error.message);
    cr_assert_eq (kith_segment_apply (segments [1], &record, &error), 0, "%s",
                  error.message);
    for (uint32_t which = 0; which < 2; which++) {
        kith_run_t run;
        kith_run_open (&run, segments [which], 0, 1);
        cr_assert_eq (run.rows, 3);
        kith_arena_t arena = {0};
        kith_column_t column;
        for (uint32_t row = 0; row < 3; row++) {
            kith_run_column (&run, 101, &arena, &column);
            cr_assert_eq (kith_column_int (&column, row), 7);
            kith_run_column (&run, 102, &arena, &column);
            uint32_t length;
            cr_assert_arr_eq (kith_column_string (&column, row, &length), "a\303\244\n",
                              4);
            cr_assert_eq (length, 4);
            kith_run_column (&run, 103, &arena, &column);
            cr_assert (!kith_column_valid (&column, row));
        }
        kith_arena_free (&arena);
        kith_segment_destroy (&segments [which]);
    }
    objects->close (&objects);
    kith_objects_image_destroy (&image);
    kith_bytes_free (&body);
    kith_schema_destroy (&schema);
}
