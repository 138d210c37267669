//  race_segment.c - readers and a builder of indexes beside the writer of a segment; a program of its own, so that it runs under the thread sanitizer too
//  SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "engine/query/read.h"
#include "tests/unit/engine/model.h"

enum { READERS = 2, KEYS = 50, STEPS = 1500, PIECE = 64, SPEC = 1 };

//  Growing: filled by the writer. Sealed: its rows are ended by the writer.
typedef struct {
    const model_t *model;
    kith_segment_t *segments [2];
    kith_filter_t *filter;
    kith_column_t keys;
    atomic_uint_fast64_t published;    //  seq up to which both have applied
    atomic_bool stop;
    atomic_uint reads;
    uint32_t built;    //  indexes: the builder's
} race_t;

static void
s_query (const kith_view_t *view, const kith_column_t *keys, kith_rows_found_t *found)
{
    kith_query_t query = {.keys = keys, .limit = UINT64_MAX};
    int status = kith_view_query (view, &query, found, NULL);
    assert (status == 0);
}

//  What is visible at s does not depend on what the writer does meanwhile, and every way to it gives the same
static void
s_read (race_t *race)
{
    uint64_t s = atomic_load (&race->published);
    uint32_t fields [] = {MODEL_NUMBER, MODEL_TEXT, MODEL_VECTOR};
    kith_view_t view = {.schema = race->model->schema,
                        .segments = race->segments,
                        .count = 2,
                        .s = s,
                        .fields = fields,
                        .field_count = 3};
    kith_rows_found_t first, second;
    s_query (&view, NULL, &first);
    s_query (&view, &race->keys, &second);
    assert (first.count == second.count && first.rows.size == second.rows.size);
    assert (!first.rows.size
            || memcmp (first.rows.data, second.rows.data, first.rows.size) == 0);
    kith_rows_found_free (&second);

    float query [MODEL_DIM] = {1, 0, -1};
    kith_search_t search = {.field = kith_schema_by_id (view.schema, MODEL_VECTOR),
                            .queries = query,
                            .nq = 1,
                            .k = 2 * KEYS,
                            .spec = SPEC};
    kith_found_t found;
    int status = kith_view_search (&view, &search, &found, NULL);
    assert (status == 0 && found.of == first.count);
    assert (kith_get_u32 (found.counts.data) == first.count);
    kith_found_free (&found);
    uint64_t total = first.count;
    kith_rows_found_free (&first);
    view.filter = race->filter;
    s_query (&view, NULL, &first);
    assert (first.count <= total);
    kith_rows_found_free (&first);
    atomic_fetch_add (&race->reads, 1);
}

static void *
s_reader (void *arg)
{
    race_t *race = arg;
    while (!atomic_load (&race->stop))
        s_read (race);
    return NULL;
}

//  Full pieces get graphs, which compare all of so few rows
static void *
s_builder (void *arg)
{
    race_t *race = arg;
    const kith_index_params_t params = {.kind = KITH_INDEX_GRAPH};
    while (!atomic_load (&race->stop)) {
        kith_segment_t *growing = race->segments [0];
        int64_t piece = kith_segment_unindexed (growing, MODEL_VECTOR, SPEC, PIECE);
        if (piece < 0) {
            sched_yield ();
            continue;
        }
        int status = kith_segment_build_index (growing, (uint32_t) piece, MODEL_VECTOR,
                                               SPEC, &params, NULL);
        assert (status == 0);
        race->built++;
    }
    return NULL;
}

static void
s_apply (race_t *race, uint64_t seq)
{
    const kith_record_t *record = model_record (race->model, seq);
    int status = kith_segment_apply (race->segments [0], record, NULL);
    assert (status == 0);
    status = kith_segment_end (race->segments [1], record, NULL);
    assert (status == 0);
    atomic_store (&race->published, seq);
}

int
main (void)
{
    model_t *model = model_new (5, true, KITH_METRIC_COSINE);
    for (uint32_t index = 0; index < 20; index++)
        model_insert (model, 30, KEYS, 2);
    uint64_t after = model->seq;
    bool any = model_flush (model, 0, after, "a");
    assert (any);
    for (uint32_t index = 0; index < STEPS; index++)
        model_step (model, 30, KEYS);

    race_t race = {.model = model, .published = after};
    race.segments [0] = kith_segment_grow (model->schema, after, PIECE);
    race.segments [1] = model_open (model, "a", NULL);
    race.filter = kith_filter_new ("number < 3 and text like 'q%'", model->schema, NULL);
    int64_t keys [KEYS];
    for (int64_t key = 0; key < KEYS; key++)
        keys [key] = key;
    kith_bytes_t bytes = {0};
    model_keys (model, keys, KEYS, &bytes, &race.keys);
    pthread_t threads [READERS + 1];
    for (uint32_t index = 0; index <= READERS; index++) {
        int status = pthread_create (&threads [index], NULL,
                                     index < READERS ? s_reader : s_builder, &race);
        assert (status == 0);
    }
    for (uint64_t seq = after + 1; seq <= model->seq; seq++) {
        s_apply (&race, seq);
        //  Readers get their share of moments even on one core
        unsigned before = atomic_load (&race.reads);
        while (seq % 50 == 0 && atomic_load (&race.reads) < before + READERS)
            sched_yield ();
    }
    atomic_store (&race.stop, true);
    for (uint32_t index = 0; index <= READERS; index++)
        pthread_join (threads [index], NULL);
    printf ("%u reads and %u indexes beside %d records\n", atomic_load (&race.reads),
            race.built, STEPS);
    assert (race.built > 0);
    kith_segment_destroy (&race.segments [0]);
    kith_segment_destroy (&race.segments [1]);
    kith_filter_destroy (&race.filter);
    kith_bytes_free (&bytes);
    model_destroy (&model);
    return 0;
}
