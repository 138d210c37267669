//  test_segment.c - growing and sealed segments against a plain array of row versions
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <pthread.h>

#include "base/arena.h"
#include "engine/segments/run.h"
#include "engine/segments/sealed.h"
#include "tests/unit/engine/model.h"

static int
s_compare_pairs (const void *a, const void *b)
{
    return memcmp (a, b, 2 * sizeof (uint64_t));
}

//  (seq, place) of the rows that a segment shows at s, sorted; big-endian so that memcmp sorts
static void
s_shown (const kith_segment_t *segment, const kith_visible_t *visible, kith_bytes_t *out)
{
    kith_bytes_clear (out);
    for (uint32_t index = 0; index < kith_segment_runs (segment); index++) {
        kith_run_t run;
        kith_run_open (&run, segment, index, visible->s);
        kith_bits_t bits;
        uint32_t count = kith_run_visible (&run, visible, &bits);
        uint32_t found = 0;
        kith_arena_t arena = {0};
        kith_column_t seqs, places;
        kith_run_column (&run, KITH_FIELD_SEQ, &arena, &seqs);
        kith_run_column (&run, KITH_FIELD_ROW, &arena, &places);
        for (uint32_t row = 0; row < run.rows && count; row++) {
            if (bits.words && !kith_bits_get (&bits, row))
                continue;
            found++;
            uint64_t pair [2] = {
                __builtin_bswap64 ((uint64_t) kith_column_int (&seqs, row)),
                __builtin_bswap64 ((uint64_t) kith_column_int (&places, row))};
            kith_bytes_put (out, pair, sizeof pair);
        }
        cr_assert_eq (found, count);
        kith_bits_free (&bits);
        kith_arena_free (&arena);
    }
    if (out->size)
        qsort (out->data, out->size / 16, 16, s_compare_pairs);
}

static bool
s_listed (const kith_visible_t *visible, uint32_t partition)
{
    for (uint32_t index = 0; index < visible->partition_count; index++) {
        if (visible->partitions [index] == partition)
            return true;
    }
    return !visible->partitions;
}

static void
s_check_shown (const model_t *model, const kith_segment_t *segment,
               const kith_visible_t *visible, const char *what)
{
    kith_bytes_t shown = {0};
    kith_bytes_t wanted = {0};
    s_shown (segment, visible, &shown);
    uint64_t from = kith_segment_from (segment);
    uint64_t to = kith_segment_to (segment) ? kith_segment_to (segment) : UINT64_MAX;
    for (uint32_t index = 0; index < model_count (model); index++) {
        const model_row_t *row = model_row (model, index);
        if (row->seq < from || row->seq > to || !model_visible (row, visible->s)
            || !s_listed (visible, row->partition))
            continue;
        uint64_t pair [2] = {__builtin_bswap64 (row->seq),
                             __builtin_bswap64 (row->place)};
        kith_bytes_put (&wanted, pair, sizeof pair);
    }
    if (wanted.size)
        qsort (wanted.data, wanted.size / 16, 16, s_compare_pairs);
    cr_assert_eq (shown.size, wanted.size, "%s at %" PRIu64 ": %zu rows, not %zu", what,
                  visible->s, shown.size / 16, wanted.size / 16);
    cr_assert (!shown.size || memcmp (shown.data, wanted.data, shown.size) == 0,
               "%s at %" PRIu64, what, visible->s);
    kith_bytes_free (&shown);
    kith_bytes_free (&wanted);
}

//  Every value of the row that find gives
static void
s_check_values (const kith_segment_t *segment, uint32_t place, const model_row_t *wanted)
{
    kith_arena_t arena = {0};
    kith_run_t run;
    kith_run_open (&run, segment, kith_segment_run_of (segment, place), KITH_ALIVE - 1);
    uint32_t row = place - run.first_row;
    kith_column_t column;
    kith_run_column (&run, MODEL_KEY, &arena, &column);
    cr_assert_eq (model_key_of (&column, row), wanted->key);
    kith_run_column (&run, MODEL_NUMBER, &arena, &column);
    cr_assert_eq (kith_column_valid (&column, row), wanted->has_number);
    cr_assert (!wanted->has_number || kith_column_int (&column, row) == wanted->number);
    kith_run_column (&run, MODEL_REAL, &arena, &column);
    cr_assert_eq (kith_column_real (&column, row), wanted->real);
    kith_run_column (&run, MODEL_SMALL, &arena, &column);
    cr_assert_eq (kith_column_int (&column, row), wanted->small);
    kith_run_column (&run, MODEL_FLAG, &arena, &column);
    cr_assert_eq (kith_column_valid (&column, row), wanted->has_flag);
    cr_assert (!wanted->has_flag || kith_column_int (&column, row) == wanted->flag);
    kith_run_column (&run, MODEL_TEXT, &arena, &column);
    uint32_t length;
    const char *text = kith_column_string (&column, row, &length);
    cr_assert_eq (kith_column_valid (&column, row), wanted->has_text);
    cr_assert (
        !wanted->has_text
        || (length == strlen (wanted->text) && memcmp (text, wanted->text, length) == 0));
    kith_run_column (&run, KITH_FIELD_TIMESTAMP, &arena, &column);
    cr_assert_eq (kith_column_int (&column, row), (int64_t) wanted->seq * 1000);
    kith_run_column (&run, KITH_FIELD_PARTITION, &arena, &column);
    cr_assert_eq (kith_column_int (&column, row), wanted->partition);
    kith_rows_t rows;
    kith_run_vectors (
        &run, kith_schema_by_id (kith_segment_schema (segment), MODEL_VECTOR), &rows);
    cr_assert_arr_eq ((const char *) rows.vectors + (size_t) row * MODEL_DIM * 4,
                      wanted->vector, MODEL_DIM * 4);
    cr_assert_eq (rows.norms != NULL, rows.metric == KITH_METRIC_COSINE);
    cr_assert (!rows.norms || rows.norms [row] == kith_norm (wanted->vector, MODEL_DIM));
    kith_arena_free (&arena);
}

static void
s_check_find (model_t *model, const kith_segment_t *segment, uint32_t keys, uint64_t s)
{
    uint64_t to = kith_segment_to (segment) ? kith_segment_to (segment) : UINT64_MAX;
    for (int64_t key = 0; key < keys + 2; key++) {
        kith_bytes_t bytes = {0};
        kith_column_t column;
        model_keys (model, &key, 1, &bytes, &column);
        const model_row_t *wanted =
            model_find (model, key, kith_segment_from (segment), to, s);
        int64_t found = kith_segment_find (segment, &column, 0, s);
        cr_assert_eq (found >= 0, wanted != NULL, "key %" PRId64 " at %" PRIu64, key, s);
        if (found >= 0)
            s_check_values (segment, (uint32_t) found, wanted);
        kith_bytes_free (&bytes);
    }
}

static void
s_check_deaths (const model_t *model, const kith_segment_t *segment, uint64_t to)
{
    uint32_t count;
    kith_death_t *deaths = kith_segment_deaths (segment, to, &count);
    uint32_t ended = 0;
    uint32_t alive = 0;
    uint64_t last = kith_segment_to (segment) ? kith_segment_to (segment) : UINT64_MAX;
    //  A sealed segment does not hold the rows that ended inside its range
    uint64_t base = kith_segment_is_growing (segment) ? 0 : last;
    for (uint32_t index = 0; index < model_count (model); index++) {
        const model_row_t *row = model_row (model, index);
        if (row->seq < kith_segment_from (segment) || row->seq > last
            || row->death <= base)
            continue;
        ended += row->death <= to;
        alive += row->death == KITH_ALIVE;
    }
    cr_assert_eq (count, ended, "%u deaths, not %u", count, ended);
    for (uint32_t index = 1; index < count; index++)
        cr_assert (deaths [index].row > deaths [index - 1].row);
    if (to >= kith_segment_applied (segment))
        cr_assert_eq (kith_segment_alive (segment), alive);
    free (deaths);
}

//  ---------------------------------------------------------------------
//  A channel: growing segments one after another, and the sealed ones that they become

typedef struct {
    model_t *model;
    kith_segment_t *growing [16];
    kith_segment_t *sealed [16];    //  null: no row was left
    uint32_t count;                 //  closed
    kith_segment_t *open;
    uint64_t closed;    //  seq of the last border
} channel_t;

static void
s_channel_step (channel_t *self, uint32_t rows_max, uint32_t keys)
{
    kith_error_t error = {0};
    if (kith_random_below (&self->model->random, 15) == 0)
        model_drop (self->model, 3);
    else
        model_step (self->model, rows_max, keys);
    const kith_record_t *record = model_record (self->model, self->model->seq);
    cr_assert_eq (kith_segment_apply (self->open, record, &error), 0, "%s",
                  error.message);
    for (uint32_t index = 0; index < self->count; index++) {
        cr_assert_eq (kith_segment_end (self->growing [index], record, &error), 0, "%s",
                      error.message);
        if (self->sealed [index])
            cr_assert_eq (kith_segment_end (self->sealed [index], record, &error), 0,
                          "%s", error.message);
    }
}

static void
s_channel_seal (channel_t *self)
{
    uint64_t to = self->model->seq;
    char name [32];
    snprintf (name, sizeof name, "s/%" PRIu64, to);
    kith_segment_close (self->open, to);
    self->growing [self->count] = self->open;
    if (model_flush (self->model, self->closed, to, name))
        self->sealed [self->count] = model_open (self->model, name, NULL);
    self->count++;
    self->open = kith_segment_grow (self->model->schema, to, 0);
    self->closed = to;
}

static void
s_channel_check (channel_t *self, uint32_t keys, uint64_t s)
{
    uint32_t partitions [2] = {0, 2};
    kith_visible_t all = {.s = s};
    kith_visible_t some = {
        .s = s, .partitions = partitions, .partition_count = 1 + (uint32_t) (s % 2)};
    s_check_shown (self->model, self->open, &all, "open");
    s_check_shown (self->model, self->open, &some, "open");
    for (uint32_t index = 0; index < self->count; index++) {
        s_check_shown (self->model, self->growing [index], &all, "closed");
        s_check_shown (self->model, self->growing [index], &some, "closed");
        s_check_find (self->model, self->growing [index], keys, s);
        s_check_deaths (self->model, self->growing [index], s);
        kith_segment_t *sealed = self->sealed [index];
        if (!sealed || s < kith_segment_to (sealed))
            continue;
        s_check_shown (self->model, sealed, &all, "sealed");
        s_check_shown (self->model, sealed, &some, "sealed");
        s_check_find (self->model, sealed, keys, s);
        s_check_deaths (self->model, sealed, s);
    }
    s_check_find (self->model, self->open, keys, s);
    s_check_deaths (self->model, self->open, s);
}

static void
s_run_channel (uint64_t seed, bool text_keys, uint32_t rows_max, uint32_t keys,
               uint32_t steps)
{
    channel_t self = {
        .model =
            model_new (seed, text_keys, seed % 2 ? KITH_METRIC_COSINE : KITH_METRIC_L2)};
    self.open = kith_segment_grow (self.model->schema, 0, 0);
    kith_random_t random;
    kith_random_seed (&random, seed);
    for (uint32_t step = 1; step <= steps; step++) {
        s_channel_step (&self, rows_max, keys);
        if (step % (steps / 6) == 0)
            s_channel_seal (&self);
        if (step % 13 == 0)
            s_channel_check (&self, keys,
                             kith_random_below (&random, self.model->seq + 1));
    }
    s_channel_check (&self, keys, self.model->seq);
    for (uint64_t s = 0; s <= self.model->seq; s += 1 + self.model->seq / 20)
        s_channel_check (&self, keys, s);
    for (uint32_t index = 0; index < self.count; index++) {
        kith_segment_destroy (&self.growing [index]);
        kith_segment_destroy (&self.sealed [index]);
    }
    kith_segment_destroy (&self.open);
    model_destroy (&self.model);
}

Test (segment, model_few_keys)
{
    for (uint64_t seed = 1; seed <= 6; seed++)
        s_run_channel (seed, seed % 2 == 0, 6, 25, 90);
}

Test (segment, model_many_rows)
{
    //  Over the first chunk's 256 rows, records across a border
    s_run_channel (21, false, 300, 700, 30);
    s_run_channel (22, true, 300, 700, 30);
}

Test (segment, empty)
{
    model_t *model = model_new (1, true, KITH_METRIC_IP);
    kith_segment_t *segment = kith_segment_grow (model->schema, 41, 0);
    cr_assert_eq (kith_segment_rows (segment), 0);
    cr_assert_eq (kith_segment_runs (segment), 0);
    cr_assert_eq (kith_segment_alive (segment), 0);
    cr_assert_eq (kith_segment_from (segment), 42);
    cr_assert_eq (kith_segment_applied (segment), 41);
    //  An idle collection costs next to nothing
    cr_assert_leq (kith_segment_memory (segment), 4096);
    kith_segment_cover (segment, 50);
    kith_segment_cover (segment, 45);
    cr_assert_eq (kith_segment_applied (segment), 50);
    kith_segment_t *shared = kith_segment_share (segment);
    kith_segment_destroy (&segment);
    cr_assert_eq (kith_segment_applied (shared), 50);
    kith_segment_destroy (&shared);
    model_destroy (&model);
}

Test (segment, known_records_are_skipped)
{
    model_t *model = model_new (3, false, KITH_METRIC_L2);
    kith_segment_t *segment = kith_segment_grow (model->schema, 0, 0);
    for (uint32_t index = 0; index < 5; index++)
        model_insert (model, 10, 1000000, 1);
    for (uint64_t seq = 1; seq <= 5; seq++)
        cr_assert_eq (kith_segment_apply (segment, model_record (model, seq), NULL), 0);
    uint32_t rows = kith_segment_rows (segment);
    for (uint64_t seq = 1; seq <= 5; seq++)
        cr_assert_eq (kith_segment_apply (segment, model_record (model, seq), NULL), 0);
    cr_assert_eq (kith_segment_rows (segment), rows);
    cr_assert_eq (rows, model_count (model));
    kith_segment_destroy (&segment);
    model_destroy (&model);
}

//  Texts of 64 KB close chunks early
Test (segment, long_texts)
{
    kith_field_t fields [] = {
        {.id = 100, .name = "id", .type = KITH_TYPE_INT64, .key = true},
        {.id = 101, .name = "body", .type = KITH_TYPE_VARCHAR, .max_length = 65535}};
    kith_error_t error = {0};
    kith_schema_t *schema = kith_schema_new ("long", fields, 2, 1, &error);
    kith_segment_t *segment = kith_segment_grow (schema, 0, 4096);
    char *text = kith_new (65535);
    for (uint32_t index = 0; index < 200; index++) {
        memset (text, 'a' + (int) (index % 26), 65535);
        uint32_t length = index % 3 == 0 ? 65535 : index * 7;
        kith_bytes_t body = {0};
        size_t place = kith_batch_begin (&body, 2, 2);
        kith_column_builder_t keys, texts;
        kith_column_builder_init (&keys, 100, KITH_TYPE_INT64, 0);
        kith_column_builder_init (&texts, 101, KITH_TYPE_VARCHAR, 0);
        for (uint32_t row = 0; row < 2; row++) {
            kith_column_builder_int (&keys, index * 2 + row);
            kith_column_builder_string (&texts, text, length);
        }
        kith_column_builder_finish (&keys, &body);
        kith_column_builder_finish (&texts, &body);
        kith_column_builder_free (&keys);
        kith_column_builder_free (&texts);
        kith_batch_end (&body, place);
        kith_record_t record = {.kind = KITH_RECORD_INSERT,
                                .seq = index + 1,
                                .body = body.data,
                                .body_bytes = body.size};
        cr_assert_eq (kith_segment_apply (segment, &record, &error), 0, "%s",
                      error.message);
        kith_bytes_free (&body);
    }
    cr_assert_eq (kith_segment_rows (segment), 400);
    cr_assert_gt (kith_segment_runs (segment), 3);
    for (uint32_t index = 0; index < 400; index++) {
        kith_run_t run;
        kith_arena_t arena = {0};
        kith_run_open (&run, segment, kith_segment_run_of (segment, index), 1000);
        kith_column_t column;
        kith_run_column (&run, 101, &arena, &column);
        uint32_t length;
        const char *found = kith_column_string (&column, index - run.first_row, &length);
        uint32_t record = index / 2;
        cr_assert_eq (length, record % 3 == 0 ? 65535 : record * 7);
        for (uint32_t at = 0; at < length; at += 977)
            cr_assert_eq (found [at], (char) ('a' + record % 26));
        kith_arena_free (&arena);
    }
    free (text);
    kith_segment_destroy (&segment);
    kith_schema_destroy (&schema);
}

//  ---------------------------------------------------------------------
//  Readers beside the writer

typedef struct {
    kith_segment_t *segment;
    const model_t *model;
    atomic_uint_fast64_t published;    //  seq that readers may use
    atomic_bool stop;
    atomic_uint reads;
} race_t;

//  What is visible at s must not depend on what the writer does meanwhile: so it is looked at twice
static void *
s_reader (void *arg)
{
    race_t *race = arg;
    while (!atomic_load (&race->stop)) {
        uint64_t s = atomic_load (&race->published);
        kith_visible_t visible = {.s = s};
        kith_bytes_t first = {0};
        kith_bytes_t second = {0};
        s_shown (race->segment, &visible, &first);
        s_shown (race->segment, &visible, &second);
        cr_assert_eq (first.size, second.size, "%zu and %zu rows at %" PRIu64,
                      first.size / 16, second.size / 16, s);
        cr_assert (!first.size || memcmp (first.data, second.data, first.size) == 0);
        uint32_t found = 0;
        for (int64_t key = 0; key < 50; key++) {
            kith_bytes_t bytes = {0};
            kith_column_t column;
            model_keys (race->model, &key, 1, &bytes, &column);
            found += kith_segment_find (race->segment, &column, 0, s) >= 0;
            kith_bytes_free (&bytes);
        }
        cr_assert_eq (found, first.size / 16);
        kith_bytes_free (&first);
        kith_bytes_free (&second);
        atomic_fetch_add (&race->reads, 1);
    }
    return NULL;
}

Test (segment, readers_beside_the_writer)
{
    model_t *model = model_new (5, true, KITH_METRIC_COSINE);
    for (uint32_t index = 0; index < 1500; index++)
        model_step (model, 30, 50);
    race_t race = {.model = model, .segment = kith_segment_grow (model->schema, 0, 0)};
    pthread_t threads [2];
    for (uint32_t index = 0; index < 2; index++)
        cr_assert_eq (pthread_create (&threads [index], NULL, s_reader, &race), 0);
    for (uint64_t seq = 1; seq <= model->seq; seq++) {
        cr_assert_eq (kith_segment_apply (race.segment, model_record (model, seq), NULL),
                      0);
        atomic_store (&race.published, seq);
        if (seq % 300 == 0) {
            unsigned before = atomic_load (&race.reads);
            while (atomic_load (&race.reads) < before + 2)
                sched_yield ();
        }
    }
    atomic_store (&race.stop, true);
    for (uint32_t index = 0; index < 2; index++)
        pthread_join (threads [index], NULL);
    cr_assert_gt (kith_segment_runs (race.segment), 2);
    s_check_find (model, race.segment, 50, model->seq);
    kith_segment_destroy (&race.segment);
    model_destroy (&model);
}

//  ---------------------------------------------------------------------
//  Death lists

Test (segment, death_lists)
{
    model_t *model = model_new (8, false, KITH_METRIC_L2);
    for (uint32_t index = 0; index < 20; index++)
        model_insert (model, 20, 60, 2);
    uint64_t to = model->seq;
    cr_assert (model_flush (model, 0, to, "a"));
    kith_segment_t *first = model_open (model, "a", NULL);
    for (uint32_t index = 0; index < 30; index++)
        model_step (model, 5, 60);
    for (uint64_t seq = to + 1; seq <= model->seq; seq++)
        cr_assert_eq (kith_segment_end (first, model_record (model, seq), NULL), 0);

    uint64_t middle = to + 15;
    uint32_t count;
    kith_death_t *deaths = kith_segment_deaths (first, middle, &count);
    cr_assert_gt (count, 0);
    kith_file_info_t info = {
        .cluster = 9, .channel = 7, .segment = to, .from = 1, .to = middle};
    uint64_t hash, size;
    kith_error_t error = {0};
    cr_assert_eq (
        kith_deaths_put (model->objects, "d", &info, deaths, count, &hash, &size, &error),
        0, "%s", error.message);
    free (deaths);

    kith_segment_t *second = model_open (model, "a", "d");
    cr_assert_eq (kith_segment_applied (second), middle);
    s_check_shown (model, second, &(kith_visible_t){.s = middle}, "reopened");
    for (uint64_t seq = to + 1; seq <= model->seq; seq++)
        cr_assert_eq (kith_segment_end (second, model_record (model, seq), NULL), 0);
    for (uint64_t s = to; s <= model->seq; s++)
        s_check_shown (model, second, &(kith_visible_t){.s = s}, "followed on");
    s_check_deaths (model, second, model->seq);

    //  Merging what is known changes nothing
    kith_container_t *list =
        kith_container_open (model->objects, "d", KITH_FILE_DEATHS, 9, 0, 0, &error);
    cr_assert_eq (kith_segment_merge_deaths (second, list, &error), 0);
    s_check_deaths (model, second, model->seq);
    kith_container_destroy (&list);

    //  A list of another segment, and one that names a row that is not there
    kith_death_t wrong = {.row = 1000, .seq = 5};
    cr_assert_eq (
        kith_deaths_put (model->objects, "w1", &info, &wrong, 1, &hash, &size, &error),
        0);
    info.segment++;
    wrong.row = 0;
    cr_assert_eq (
        kith_deaths_put (model->objects, "w2", &info, &wrong, 1, &hash, &size, &error),
        0);
    for (uint32_t index = 1; index <= 2; index++) {
        list = kith_container_open (model->objects, index == 1 ? "w1" : "w2",
                                    KITH_FILE_DEATHS, 9, 0, 0, &error);
        cr_assert_eq (kith_segment_merge_deaths (second, list, &error), -1);
        cr_assert_eq (error.code, KITH_ERR_CORRUPT);
        kith_container_destroy (&list);
    }
    s_check_deaths (model, second, model->seq);
    kith_segment_destroy (&first);
    kith_segment_destroy (&second);
    model_destroy (&model);
}

//  ---------------------------------------------------------------------
//  Hostile bytes

typedef struct {
    kith_section_t sections [64];
    kith_bytes_t bytes [64];
    uint32_t count;
    kith_file_info_t info;
} parts_t;

static void
s_take_parts (model_t *model, parts_t *parts)
{
    kith_container_t *container =
        kith_container_open (model->objects, "a", KITH_FILE_SNAPSHOT, 9, 0, 0, NULL);
    parts->info = *kith_container_info (container);
    parts->count = (uint32_t) kith_container_count (container);
    for (uint32_t index = 0; index < parts->count; index++) {
        uint64_t size;
        uint32_t id = kith_container_id (container, index);
        const uint8_t *data = kith_container_section (container, id, &size);
        kith_bytes_put (&parts->bytes [index], data, size);
        parts->sections [index] = (kith_section_t){.id = id};
    }
    kith_container_destroy (&container);
}

//  Puts the parts under a new name and opens a segment over them; null: refused, with a reason
static kith_segment_t *
s_reopen (model_t *model, parts_t *parts)
{
    static int number;
    char name [32];
    snprintf (name, sizeof name, "x/%d", number++);
    for (uint32_t index = 0; index < parts->count; index++) {
        parts->sections [index].data = parts->bytes [index].data;
        parts->sections [index].size = parts->bytes [index].size;
    }
    kith_error_t error = {0};
    int status = kith_container_put (model->objects, name, &parts->info, parts->sections,
                                     parts->count, NULL, NULL, &error);
    cr_assert_eq (status, 0, "%s", error.message);
    kith_container_t *container =
        kith_container_open (model->objects, name, KITH_FILE_SNAPSHOT, 9, 0, 0, &error);
    cr_assert (container, "%s", error.message);
    kith_segment_t *segment = kith_segment_open (model->schema, &container, NULL, &error);
    cr_assert (segment || error.code == KITH_ERR_CORRUPT, "%d: %s", error.code,
               error.message);
    cr_assert (segment || error.message [0]);
    model->objects->remove (model->objects, name, NULL);
    return segment;
}

//  Uses everything that a damaged segment offers
static void
s_use (model_t *model, kith_segment_t *segment)
{
    kith_bytes_t shown = {0};
    s_shown (segment, &(kith_visible_t){.s = 20}, &shown);
    kith_bytes_free (&shown);
    for (int64_t key = 0; key < 60; key++) {
        kith_bytes_t bytes = {0};
        kith_column_t column;
        model_keys (model, &key, 1, &bytes, &column);
        int64_t found = kith_segment_find (segment, &column, 0, 20);
        cr_assert_lt (found, kith_segment_rows (segment));
        kith_bytes_free (&bytes);
    }
    kith_segment_end (segment, model_record (model, model->seq), NULL);
}

Test (segment, hostile_sections)
{
    for (int text_keys = 0; text_keys < 2; text_keys++) {
        model_t *model = model_new (11, text_keys, KITH_METRIC_COSINE);
        for (uint32_t index = 0; index < 20; index++)
            model_insert (model, 20, 60, 2);
        cr_assert (model_flush (model, 0, model->seq, "a"));
        model_insert (model, 20, 60, 1);
        parts_t parts = {0};
        s_take_parts (model, &parts);

        //  As it was: opens. Each section missing, short, or in the place of another: refused.
        kith_segment_t *whole = s_reopen (model, &parts);
        cr_assert (whole);
        kith_segment_destroy (&whole);
        for (uint32_t index = 0; index < parts.count; index++) {
            uint32_t id = parts.sections [index].id;
            parts.sections [index].id = 5000;
            cr_assert (!s_reopen (model, &parts), "section %u missing", id);
            parts.sections [index].id = id;
            size_t size = parts.bytes [index].size;
            parts.bytes [index].size = size - 4;
            cr_assert (!s_reopen (model, &parts), "section %u short", id);
            parts.bytes [index].size = size;
        }
        kith_random_t random;
        kith_random_seed (&random, 77);
        uint32_t refused = 0;
        for (uint32_t round = 0; round < 3000; round++) {
            kith_bytes_t *bytes = &parts.bytes [kith_random_below (&random, parts.count)];
            size_t at = kith_random_below (
                &random, bytes->size < 128 || round % 2 ? bytes->size : 128);
            uint8_t old = bytes->data [at];
            bytes->data [at] = (uint8_t) kith_random_next (&random);
            kith_segment_t *segment = s_reopen (model, &parts);
            refused += !segment;
            if (segment)
                s_use (model, segment);
            kith_segment_destroy (&segment);
            bytes->data [at] = old;
        }
        cr_assert_gt (refused, 300);
        for (uint32_t index = 0; index < parts.count; index++)
            kith_bytes_free (&parts.bytes [index]);
        model_destroy (&model);
    }
}

//  A slot of the key index that names the row after the last one, or none at all
Test (segment, key_index_out_of_range)
{
    model_t *model = model_new (11, false, KITH_METRIC_L2);
    for (uint32_t index = 0; index < 20; index++)
        model_insert (model, 20, 60, 2);
    cr_assert (model_flush (model, 0, model->seq, "a"));
    parts_t parts = {0};
    s_take_parts (model, &parts);
    uint32_t index = 0;
    while (parts.sections [index].id != KITH_SECTION_KEYS)
        index++;
    uint8_t *section = parts.bytes [index].data;
    uint32_t rows = kith_get_u32 (section + 8);
    uint32_t mask = (1u << kith_get_u32 (section + 12)) - 1;
    cr_assert_lt (rows, mask);
    uint32_t at = 64;
    while (kith_get_u32 (section + at) == 0)
        at += 4;
    uint32_t slot = kith_get_u32 (section + at);
    uint32_t wrong [] = {(slot & ~mask) | (rows + 1), (slot & ~mask) | mask, 1u << 31, 0};
    for (uint32_t each = 0; each < 4; each++) {
        kith_put_u32 (section + at, wrong [each]);
        cr_assert (!s_reopen (model, &parts), "slot %08x", wrong [each]);
    }
    kith_put_u32 (section + at, slot);
    kith_segment_t *segment = s_reopen (model, &parts);
    cr_assert (segment);
    kith_segment_destroy (&segment);
    for (uint32_t each = 0; each < parts.count; each++)
        kith_bytes_free (&parts.bytes [each]);
    model_destroy (&model);
}

//  A log's record may be sound in its bytes and still be no row of this collection
Test (segment, wrong_records)
{
    model_t *model = model_new (12, false, KITH_METRIC_L2);
    model_t *other = model_new (12, true, KITH_METRIC_L2);
    model_insert (other, 5, 10, 1);
    model_delete (other, 5, 10);
    model_insert (model, 5, 10, 1);
    kith_error_t error = {0};
    kith_segment_t *segment = kith_segment_grow (model->schema, 0, 0);
    cr_assert_eq (kith_segment_apply (segment, model_record (other, 1), &error), -1);
    cr_assert_eq (kith_segment_apply (segment, model_record (other, 2), &error), -1);
    cr_assert_eq (error.code, KITH_ERR_CORRUPT);
    kith_record_t cut = *model_record (model, 1);
    cut.body_bytes -= 64;
    cr_assert_eq (kith_segment_apply (segment, &cut, &error), -1);
    cr_assert_eq (kith_segment_applied (segment), 0);
    cr_assert_eq (kith_segment_rows (segment), 0);
    cr_assert_eq (kith_segment_apply (segment, model_record (model, 1), &error), 0);
    kith_segment_destroy (&segment);
    model_destroy (&model);
    model_destroy (&other);
}
