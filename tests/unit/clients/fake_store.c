//  fake_store.c - what a scripted proxy knows, and every write that came
//  SPDX-License-Identifier: Apache-2.0
#include "tests/unit/clients/fake_store.h"

#include "base/random.h"

void
store_definition (kith_proto_collection_t *definition, kith_arena_t *arena,
                  uint64_t version)
{
    kith_proto_field_t *fields = kith_arena_alloc (arena, 2 * sizeof *fields);
    kith_proto_channel_ref_t *channels = kith_arena_alloc (arena, 2 * sizeof *channels);
    fields [0] = (kith_proto_field_t){.id = 100,
                                      .name = "id",
                                      .type = KITH_TYPE_INT64,
                                      .key = true,
                                      .default_value = ""};
    fields [1] = (kith_proto_field_t){.id = 101,
                                      .name = "v",
                                      .type = KITH_TYPE_FLOAT_VECTOR,
                                      .dim = 4,
                                      .metric = 1,
                                      .default_value = ""};
    channels [0] = (kith_proto_channel_ref_t){.channel = 11, .shard = 0, .log = 0};
    channels [1] = (kith_proto_channel_ref_t){.channel = 12, .shard = 1, .log = 3};
    *definition = (kith_proto_collection_t){.id = 7,
                                            .db = "",
                                            .name = "things",
                                            .version = version,
                                            .fields = fields,
                                            .fields_count = 2,
                                            .channels = channels,
                                            .channels_count = 2,
                                            .loaded = true};
}

static void
s_open (store_t *self, fake_proxy_t *proxy, const kith_msg_t *request)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_COLLECTION_OPENED);
    kith_proto_collection_opened_t *body = answer->body;
    self->opens++;
    store_definition (&body->definition, &answer->arena,
                      self->version ? self->version : 1);
    //  Logs 0 and 3 are the collection's; 5 is another one's and must not come back in `since`
    body->since = kith_arena_alloc (&answer->arena, 3 * sizeof *body->since);
    body->since [0] = (kith_proto_position_t){0, 1, 5};
    body->since [1] = (kith_proto_position_t){3, 1, 9};
    body->since [2] = (kith_proto_position_t){5, 1, 99};
    body->since_count = 3;
    fake_proxy_answer (proxy, request, &answer);
}

static void
s_written (store_t *self, fake_proxy_t *proxy, const kith_msg_t *request, uint32_t rows)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_MUTATED);
    kith_proto_mutated_t *body = answer->body;
    body->rows = rows;
    body->token = kith_arena_alloc (&answer->arena, sizeof *body->token);
    body->token [0] = (kith_proto_position_t){0, 1, 100 + ++self->seq};
    body->token_count = 1;
    fake_proxy_answer (proxy, request, &answer);
}

//  Counts the keys of a request, once for each request id
static void
s_apply (store_t *self, const kith_batch_t *batch, uint32_t arrival)
{
    const store_arrival_t *new = &self->arrivals [arrival];
    for (uint32_t before = 0; before < arrival; before++) {
        if (self->arrivals [before].counter == new->counter)
            return;
    }
    const kith_column_t *keys = kith_batch_field (batch, 100);
    for (uint32_t row = 0; row < batch->rows; row++) {
        int64_t key = kith_column_int (keys, row);
        assert (key >= 0 && key < STORE_KEYS_MAX);
        self->applied [key]++;
    }
}

static uint64_t
s_hash_since (const kith_proto_position_t *since, uint32_t count)
{
    uint64_t hash = count;
    for (uint32_t index = 0; index < count; index++)
        hash = kith_mix64 (hash ^ since [index].log) ^ kith_mix64 (since [index].seq)
               ^ since [index].epoch;
    return hash;
}

static kith_frame_t *
s_frame (const kith_msg_t *request)
{
    if (request->kind == KITH_KIND_INSERT) {
        const kith_proto_insert_t *body = request->body;
        return kith_msg_frame (request, body->rows);
    }
    const kith_proto_remove_t *body = request->body;
    return kith_msg_frame (request, body->keys);
}

//  Keeps a request; notes when it shares a key with another one that is kept
static void
s_hold (store_t *self, kith_msg_t **request_p)
{
    kith_batch_t batch;
    kith_frame_t *frame = s_frame (*request_p);
    int opened =
        kith_batch_open (&batch, kith_frame_data (frame), kith_frame_size (frame), NULL);
    assert (opened == 0 && self->held_count < 64);
    const kith_column_t *keys = kith_batch_field (&batch, 100);
    uint8_t mine = (uint8_t) (self->held_count + 1);
    for (uint32_t row = 0; row < batch.rows; row++) {
        uint8_t *place = &self->held_keys [kith_column_int (keys, row)];
        self->overlap = self->overlap || (*place && *place != mine);
        *place = mine;
    }
    self->held [self->held_count++] = *request_p;
    *request_p = NULL;
}

void
store_idle (void *arg, fake_proxy_t *proxy)
{
    store_t *self = arg;
    if (self->arrival_count < self->hold_until)
        return;
    for (uint32_t index = 0; index < self->held_count; index++) {
        kith_frame_t *frame = s_frame (self->held [index]);
        kith_batch_t batch;
        int opened = kith_batch_open (&batch, kith_frame_data (frame),
                                      kith_frame_size (frame), NULL);
        assert (opened == 0);
        s_written (self, proxy, self->held [index], batch.rows);
        kith_msg_destroy (&self->held [index]);
    }
    memset (self->held_keys, 0, sizeof self->held_keys);
    self->held_count = 0;
    self->held_batch++;
}

static void
s_note (store_arrival_t *arrival, const kith_msg_t *request, const kith_batch_t *batch)
{
    const kith_proto_insert_t *insert = request->body;
    const kith_proto_remove_t *remove = request->body;
    bool inserts = request->kind == KITH_KIND_INSERT;
    const kith_proto_request_id_t *id = inserts ? &insert->request : &remove->request;
    assert (id->client.size == 16);
    memcpy (arrival->client, id->client.data, 16);
    arrival->counter = id->counter;
    arrival->since_count = inserts ? insert->since_count : remove->since_count;
    arrival->since_hash =
        s_hash_since (inserts ? insert->since : remove->since, arrival->since_count);
    arrival->rows = batch->rows;
    arrival->rows_hash = kith_hash64 (batch->start, (size_t) batch->bytes);
    for (uint32_t index = 0; index < request->frame_count; index++)
        arrival->bytes += kith_frame_size (request->frames [index]);
}

static void
s_write (store_t *self, fake_proxy_t *proxy, kith_msg_t **request_p)
{
    const kith_msg_t *request = *request_p;
    kith_frame_t *frame = s_frame (request);
    kith_batch_t batch;
    int opened =
        kith_batch_open (&batch, kith_frame_data (frame), kith_frame_size (frame), NULL);
    assert (opened == 0 && self->arrival_count < STORE_ARRIVALS_MAX);
    uint32_t arrival = self->arrival_count++;
    store_what_t what = self->plan ? self->plan (arrival) : STORE_OK;
    store_arrival_t *note = &self->arrivals [arrival];
    s_note (note, request, &batch);
    note->batch = self->held_batch;
    bool applies = what == STORE_OK || what == STORE_LOSE || what == STORE_TWICE
                   || what == STORE_FAILED_TIMEOUT || what == STORE_HOLD;
    if (applies)
        s_apply (self, &batch, arrival);
    else
        note->counter |=
            1ull << 63;    //  it was not carried out: a later one is the first
    switch (what) {
        case STORE_TWICE:
            s_written (self, proxy, request, batch.rows);
            s_written (self, proxy, request, batch.rows);
            break;
        case STORE_OK:
            s_written (self, proxy, request, batch.rows);
            break;
        case STORE_LOSE:
        case STORE_IGNORE:
            break;
        case STORE_BUSY:
            fake_proxy_fail (proxy, request, KITH_ERR_BUSY);
            break;
        case STORE_FAILED_TIMEOUT:
            fake_proxy_fail (proxy, request, KITH_ERR_TIMEOUT);
            break;
        case STORE_INVALID:
            fake_proxy_fail (proxy, request, KITH_ERR_INVALID);
            break;
        case STORE_UNKNOWN:
            fake_proxy_fail (proxy, request, KITH_ERR_OUTCOME_UNKNOWN);
            break;
        case STORE_HOLD:
            s_hold (self, request_p);
            break;
    }
}

//  Two rows for each query: ids 2q and 2q + 1
static void
s_search (store_t *self, fake_proxy_t *proxy, const kith_msg_t *request)
{
    const kith_proto_search_t *search = request->body;
    self->search_level = search->level;
    self->search_token_seq = 0;
    for (uint32_t index = 0; index < search->token_count; index++) {
        if (search->token [index].log == 0)
            self->search_token_seq = search->token [index].seq;
    }
    if (self->refuse_search_once) {
        self->refuse_search_once = false;
        self->version = 2;
        fake_proxy_fail (proxy, request, KITH_ERR_SCHEMA_CHANGED);
        return;
    }
    kith_msg_t *answer = kith_msg_new (KITH_KIND_FOUND);
    kith_proto_found_t *found = answer->body;
    kith_bytes_t counts = {0}, scores = {0}, rows = {0};
    kith_column_builder_t ids, seqs;
    uint32_t total = search->nq * 2;
    kith_column_builder_init (&ids, 100, KITH_TYPE_INT64, 0);
    kith_column_builder_init (&seqs, KITH_FIELD_SEQ, KITH_TYPE_INT64, 0);
    for (uint32_t row = 0; row < total; row++) {
        float score = (float) row / 2;
        kith_bytes_put (&scores, &score, sizeof score);
        kith_column_builder_int (&ids, row);
        kith_column_builder_int (&seqs, 1000 + row);
        if (row % 2 == 0)
            kith_bytes_put_u32 (&counts, self->wrong_counts ? 3 : 2);
    }
    size_t place = kith_batch_begin (&rows, total, 2);
    kith_column_builder_finish (&ids, &rows);
    kith_column_builder_finish (&seqs, &rows);
    kith_batch_end (&rows, place);
    kith_column_builder_free (&ids);
    kith_column_builder_free (&seqs);
    found->counts = kith_msg_add_bytes (answer, &counts);
    found->scores = kith_msg_add_bytes (answer, &scores);
    found->rows = kith_msg_add_bytes (answer, &rows);
    found->compared = 12;
    found->of = 34;
    found->index = kith_arena_strdup (&answer->arena, "graph");
    found->coverage = 1;
    found->us = 1500;
    fake_proxy_answer (proxy, request, &answer);
}

void
store_script (void *arg, fake_proxy_t *proxy, kith_msg_t **request_p)
{
    store_t *self = arg;
    const kith_msg_t *request = *request_p;
    self->others [request->kind < 256 ? request->kind : 255]++;
    if (request->kind == KITH_KIND_COLLECTION_OPEN)
        s_open (self, proxy, request);
    else if (self->silent)
        return;
    else if (request->kind == KITH_KIND_INSERT || request->kind == KITH_KIND_REMOVE)
        s_write (self, proxy, request_p);
    else if (request->kind == KITH_KIND_SEARCH)
        s_search (self, proxy, request);
    else {
        kith_msg_t *answer = kith_msg_new (KITH_KIND_OK);
        fake_proxy_answer (proxy, request, &answer);
    }
}
