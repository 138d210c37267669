//  proxy_read.c - search and query: a part a shard at its delegator, merged
//  SPDX-License-Identifier: Apache-2.0
#include "actors/proxy.h"

#define ATTEMPT_MIN_US 2000000    //  one part; a delegator that died answers nothing

//  A read's way:
//
//      KEYS --vectors of the asked rows--> SEARCH --a part a shard--> MERGE --> answered
//      (search by keys only)               QUERY --a part a shard--> MERGE --> answered
typedef enum { PHASE_KEYS, PHASE_SEARCH, PHASE_QUERY, PHASE_MERGE } phase_t;

typedef struct {
    struct kith_proxied *read;
    bool out;
    bool done;    //  answered, or given up in a partial answer
    kith_msg_t *answer;
} part_t;

typedef struct kith_proxied {
    struct kith_proxied *next;
    kith_msg_t *request;
    kith_known_t *known;
    kith_schema_t *schema;
    phase_t phase;
    part_t *parts;    //  by shard
    uint32_t shards;
    uint32_t out;
    int64_t began_us;
    kith_error_t error;
    bool failed;
    bool partial;
    kith_frame_t *queries;    //  of the search
    uint32_t nq;
    uint32_t *partitions;    //  ids
    uint32_t partition_count;
    kith_found_t found;
    kith_rows_found_t rows;
    bool merged;
} proxied_t;

static void s_go (kith_proxy_t *self, kith_ctx_t *ctx, proxied_t *read);

static bool
s_is_search (const proxied_t *read)
{
    return read->request->kind == KITH_KIND_SEARCH;
}

//  The request of a read of that kind
static const kith_proto_search_t *
s_search (const proxied_t *read)
{
    assert (read->request->kind == KITH_KIND_SEARCH);
    return read->request->body;
}

static const kith_proto_query_t *
s_query (const proxied_t *read)
{
    assert (read->request->kind == KITH_KIND_QUERY);
    return read->request->body;
}

static void
s_free (kith_proxy_t *self, proxied_t *read)
{
    for (proxied_t **at = &self->reads; *at; at = &(*at)->next)
        if (*at == read) {
            *at = read->next;
            break;
        }
    for (uint32_t i = 0; i < read->shards; i++)
        kith_msg_destroy (&read->parts [i].answer);
    free (read->parts);
    kith_frame_destroy (&read->queries);
    kith_found_free (&read->found);
    kith_rows_found_free (&read->rows);
    kith_schema_destroy (&read->schema);
    kith_proxy_release (&read->known);
    kith_msg_destroy (&read->request);
    free (read);
}

static void
s_fail (kith_proxy_t *self, kith_ctx_t *ctx, proxied_t *read)
{
    kith_ctx_fail (ctx, &read->request, &read->error);
    s_free (self, read);
}

//  The answer

static uint32_t
s_share (kith_msg_t *to, const kith_msg_t *from, uint32_t field)
{
    kith_frame_t *frame = field ? kith_frame_share (kith_msg_frame (from, field)) : NULL;
    return frame ? kith_msg_add_frame (to, &frame) : 0;
}

static void
s_token (const proxied_t *read, kith_arena_t *arena, kith_proto_position_t **token,
         uint32_t *count)
{
    *token = kith_arena_alloc (arena, (read->shards + 1) * sizeof **token);
    for (uint32_t i = 0; i < read->shards; i++) {
        const kith_msg_t *answer = read->parts [i].answer;
        if (!answer)
            continue;
        const kith_proto_found_t *found = answer->body;
        const kith_proto_rows_t *rows = answer->body;
        const bool search = answer->kind == KITH_KIND_FOUND;
        const kith_proto_position_t *one = search ? found->token : rows->token;
        if (search ? found->token_count : rows->token_count)
            (*token) [(*count)++] = *one;
    }
}

static void
s_found_figures (const proxied_t *read, kith_msg_t *answer)
{
    kith_proto_found_t *body = answer->body;
    uint32_t stages = 0, there = 0;
    const char *index = "";
    uint64_t most = 0;
    for (uint32_t i = 0; i < read->shards; i++)
        if (read->parts [i].answer)
            stages +=
                ((const kith_proto_found_t *) read->parts [i].answer->body)->stages_count;
    body->stages = kith_arena_alloc (&answer->arena, (stages + 1) * sizeof *body->stages);
    for (uint32_t i = 0; i < read->shards; i++) {
        if (!read->parts [i].answer)
            continue;
        const kith_proto_found_t *part = read->parts [i].answer->body;
        there++;
        body->compared += part->compared;
        body->of += part->of;
        if (*part->index && part->of > most) {
            index = part->index;
            most = part->of;
        }
        for (uint32_t j = 0; j < part->stages_count; j++) {
            kith_proto_stage_t *stage = &body->stages [body->stages_count++];
            *stage = part->stages [j];
            stage->what = kith_arena_strdup (&answer->arena, stage->what);
            stage->index = kith_arena_strdup (&answer->arena, stage->index);
            stage->code = kith_arena_strdup (&answer->arena, stage->code);
        }
    }
    body->index = kith_arena_strdup (&answer->arena, index);
    body->partial = read->partial;
    body->coverage = (double) there / read->shards;
}

static void
s_answer_search (kith_proxy_t *self, kith_ctx_t *ctx, proxied_t *read)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_FOUND);
    kith_proto_found_t *body = answer->body;
    if (read->merged) {
        body->counts = read->found.counts.size
                           ? kith_msg_add_bytes (answer, &read->found.counts)
                           : 0;
        body->scores = read->found.scores.size
                           ? kith_msg_add_bytes (answer, &read->found.scores)
                           : 0;
        body->rows =
            read->found.rows.size ? kith_msg_add_bytes (answer, &read->found.rows) : 0;
    }
    else {
        const kith_msg_t *part = read->parts [0].answer;
        const kith_proto_found_t *found = part->body;
        body->counts = s_share (answer, part, found->counts);
        body->scores = s_share (answer, part, found->scores);
        body->rows = s_share (answer, part, found->rows);
    }
    s_found_figures (read, answer);
    s_token (read, &answer->arena, &body->token, &body->token_count);
    body->us = (uint64_t) (kith_ctx_now_us (ctx) - read->began_us);
    body->hops = read->request->hops;
    kith_ctx_reply (ctx, &read->request, &answer);
    s_free (self, read);
}

static void
s_answer_query (kith_proxy_t *self, kith_ctx_t *ctx, proxied_t *read)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_ROWS);
    kith_proto_rows_t *body = answer->body;
    if (read->merged) {
        body->rows =
            read->rows.rows.size ? kith_msg_add_bytes (answer, &read->rows.rows) : 0;
        body->count = read->rows.count;
    }
    else
        for (uint32_t i = 0; i < read->shards; i++) {
            const kith_msg_t *part = read->parts [i].answer;
            const kith_proto_rows_t *rows = part->body;
            body->count += rows->count;
            if (!s_query (read)->count)
                body->rows = s_share (answer, part, rows->rows);
        }
    s_token (read, &answer->arena, &body->token, &body->token_count);
    body->us = (uint64_t) (kith_ctx_now_us (ctx) - read->began_us);
    kith_ctx_reply (ctx, &read->request, &answer);
    s_free (self, read);
}

//  Merging, on a worker

static kith_part_t
s_part (const kith_msg_t *answer)
{
    const kith_proto_found_t *found = answer->body;
    const kith_proto_rows_t *rows = answer->body;
    const bool search = answer->kind == KITH_KIND_FOUND;
    const kith_frame_t *counts = search ? kith_msg_frame (answer, found->counts) : NULL;
    const kith_frame_t *scores = search ? kith_msg_frame (answer, found->scores) : NULL;
    const kith_frame_t *batch =
        kith_msg_frame (answer, search ? found->rows : rows->rows);
    return (kith_part_t){.counts = counts ? kith_frame_data (counts) : NULL,
                         .counts_bytes = counts ? kith_frame_size (counts) : 0,
                         .scores = scores ? kith_frame_data (scores) : NULL,
                         .scores_bytes = scores ? kith_frame_size (scores) : 0,
                         .rows = batch ? kith_frame_data (batch) : NULL,
                         .rows_bytes = batch ? kith_frame_size (batch) : 0};
}

static void
s_merge (void *arg)
{
    proxied_t *read = arg;
    kith_part_t *parts = kith_new (read->shards * sizeof *parts);
    uint32_t count = 0;
    for (uint32_t i = 0; i < read->shards; i++)
        if (read->parts [i].answer)
            parts [count++] = s_part (read->parts [i].answer);
    read->merged = true;
    if (s_is_search (read)) {
        const kith_proto_search_t *search = s_search (read);
        const kith_field_t *field =
            kith_schema_vector (read->schema, search->field, &read->error);
        read->failed = !field
                       || kith_found_merge (parts, count, read->nq, search->k,
                                            field->metric, &read->found, &read->error);
    }
    else {
        const kith_proto_query_t *plan = s_query (read);
        const kith_field_t *order =
            *plan->order ? kith_schema_find (read->schema, plan->order, NULL) : NULL;
        read->failed =
            kith_rows_merge (parts, count, order ? order->id : 0, plan->descending,
                             plan->offset, plan->limit ? plan->limit : KITH_KEYS_MAX,
                             &read->rows, &read->error)
            != 0;
    }
    free (parts);
}

static void
s_merged (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    kith_proxy_t *self = arg_self;
    proxied_t *read = arg;
    read->out--;
    if (read->failed)
        s_fail (self, ctx, read);
    else if (s_is_search (read))
        s_answer_search (self, ctx, read);
    else
        s_answer_query (self, ctx, read);
}

//  The vectors of the asked rows become the queries, in the order of the keys

static int
s_queries_of (proxied_t *read, const kith_column_t *keys, const kith_field_t *field)
{
    const kith_proto_search_t *search = s_search (read);
    const uint32_t width = kith_type_width (field->type, field->dim);
    kith_frame_t *queries = kith_frame_new ((size_t) keys->rows * width);
    uint8_t *to = kith_frame_fill (queries);
    for (uint32_t row = 0; row < keys->rows; row++) {
        bool found = false;
        for (uint32_t i = 0; i < read->shards && !found; i++) {
            const kith_part_t part = s_part (read->parts [i].answer);
            kith_batch_t batch;
            if (!part.rows || kith_batch_open (&batch, part.rows, part.rows_bytes, NULL))
                continue;
            const kith_column_t *known = kith_batch_field (&batch, keys->field);
            const kith_column_t *vectors = kith_batch_field (&batch, field->id);
            for (uint32_t j = 0; known && vectors && j < batch.rows && !found; j++)
                if (kith_key_equal (keys, row, known, j)
                    && kith_column_valid (vectors, j)) {
                    memcpy (to + (size_t) row * width, kith_column_fixed (vectors, j),
                            width);
                    found = true;
                }
        }
        if (found)
            continue;
        kith_frame_destroy (&queries);
        uint32_t length = 0;
        if (keys->type == KITH_TYPE_VARCHAR) {
            const char *text = kith_column_string (keys, row, &length);
            return kith_error_set (
                &read->error, KITH_ERR_KEY_NOT_FOUND, "no row '%.*s' in %s",
                (int) (length > 200 ? 200 : length), text, search->collection);
        }
        return kith_error_set (&read->error, KITH_ERR_KEY_NOT_FOUND,
                               "no row %" PRId64 " in %s", kith_column_int (keys, row),
                               search->collection);
    }
    read->queries = queries;
    read->nq = keys->rows;
    return 0;
}

static int
s_keys (const proxied_t *read, kith_batch_t *batch, const kith_column_t **column,
        kith_error_t *error)
{
    const kith_proto_search_t *search = s_search (read);
    const kith_frame_t *frame = kith_msg_frame (read->request, search->keys);
    const kith_field_t *key = kith_schema_key (read->schema);
    if (kith_batch_open (batch, kith_frame_data (frame), kith_frame_size (frame), error))
        return -1;
    *column = kith_batch_field (batch, key->id);
    if (!*column || (*column)->type != key->type || !(*column)->rows)
        return kith_error_set (error, KITH_ERR_TYPE_MISMATCH,
                               "keys must be of field '%s' (%s)", key->name,
                               kith_type_name (key->type));
    return 0;
}

//  True: the search itself begins; false: it failed
static bool
s_keys_found (kith_proxy_t *self, kith_ctx_t *ctx, proxied_t *read)
{
    kith_batch_t batch;
    const kith_column_t *keys = NULL;
    const kith_field_t *field =
        kith_schema_vector (read->schema, s_search (read)->field, &read->error);
    if (!field || s_keys (read, &batch, &keys, &read->error)
        || s_queries_of (read, keys, field)) {
        s_fail (self, ctx, read);
        return false;
    }
    for (uint32_t i = 0; i < read->shards; i++) {
        kith_msg_destroy (&read->parts [i].answer);
        read->parts [i].done = false;
    }
    read->phase = PHASE_SEARCH;
    return true;
}

//  Every part is there. True: of a phase after which another one begins
static bool
s_complete (kith_proxy_t *self, kith_ctx_t *ctx, proxied_t *read)
{
    if (read->phase == PHASE_KEYS)
        return s_keys_found (self, ctx, read);
    const kith_proto_query_t *query = s_is_search (read) ? NULL : s_query (read);
    const bool alone = read->shards == 1 || (query && query->count);
    read->phase = PHASE_MERGE;
    if (alone && !(query && query->offset && !query->count)) {
        if (query)
            s_answer_query (self, ctx, read);
        else
            s_answer_search (self, ctx, read);
        return false;
    }
    read->out++;
    if (kith_ctx_work (ctx, KITH_POOL_QUERY, s_merge, s_merged, read)) {
        read->out--;
        kith_error_set (&read->error, KITH_ERR_BUSY, "too many searches wait");
        s_fail (self, ctx, read);
    }
    return false;
}

//  Parts

static bool
s_partial (const proxied_t *read)
{
    return read->phase == PHASE_SEARCH && s_search (read)->partial;
}

//  What keeps one shard from answering, not the others: an answer without it may be wanted
static bool
s_of_shard (kith_code_t code)
{
    return code == KITH_ERR_CORRUPT || code == KITH_ERR_IO || code == KITH_ERR_LOST
           || code == KITH_ERR_CLUSTER || code == KITH_ERR_VERSION;
}

static void
s_part_back (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_proxy_t *self = arg_self;
    part_t *part = arg;
    proxied_t *read = part->read;
    part->out = false;
    read->out--;
    if (end == KITH_END_STOPPED) {
        if (!read->out)
            s_free (self, read);
        return;
    }
    if (end == KITH_END_OK) {
        part->done = true;
        part->answer = *answer_p;
        *answer_p = NULL;
        if (read->request->hops < part->answer->hops)
            read->request->hops = part->answer->hops;
    }
    else {
        kith_end_error (end, *answer_p, &read->error);
        if (read->error.code == KITH_ERR_NOT_LOADED
            || read->error.code == KITH_ERR_TIMEOUT
            || read->error.code == KITH_ERR_UNREACHABLE)
            kith_proxy_delegators_wrong (read->known);
        else if (read->error.code == KITH_ERR_SCHEMA_CHANGED)
            kith_proxy_forget (self, read->known);    //  begins again
        else if (read->error.code != KITH_ERR_BUSY
                 && read->error.code != KITH_ERR_BELOW_BASE
                 && !(s_partial (read) && s_of_shard (read->error.code)))
            read->failed = true;
    }
    s_go (self, ctx, read);
}

static kith_msg_t *
s_part_search (const proxied_t *read, uint64_t channel)
{
    const kith_proto_search_t *search = s_search (read);
    kith_msg_t *msg = kith_msg_new (KITH_KIND_SEARCH);
    kith_proto_search_t *part = msg->body;
    *part = *(const kith_proto_search_t *) kith_codec_copy (&kith_proto_search_table,
                                                            search, &msg->arena);
    part->channel = channel;
    part->nq = read->nq;
    part->keys = part->skip = 0;
    kith_frame_t *queries = kith_frame_share (read->queries);
    part->queries = kith_msg_add_frame (msg, &queries);
    if (search->keys)
        part->skip = s_share (msg, read->request, search->keys);
    part->partition_ids = kith_arena_copy (&msg->arena, read->partitions,
                                           read->partition_count * sizeof (uint32_t));
    part->partition_ids_count = read->partition_count;
    return msg;
}

static kith_msg_t *
s_part_query (const proxied_t *read, uint64_t channel)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_QUERY);
    kith_proto_query_t *part = msg->body;
    if (s_is_search (read)) {
        //  PHASE_KEYS: the vectors of the asked rows
        const kith_proto_search_t *search = s_search (read);
        part->keys = s_share (msg, read->request, search->keys);
        const kith_field_t *field =
            kith_schema_vector (read->schema, search->field, NULL);
        part->output = kith_arena_alloc (&msg->arena, sizeof *part->output);
        part->output [part->output_count++] =
            kith_arena_strdup (&msg->arena, field ? field->name : "");
        part->level = search->level;
        part->bounded_ms = search->bounded_ms;
        part->token = kith_arena_copy (&msg->arena, search->token,
                                       search->token_count * sizeof *search->token);
        part->token_count = search->token_count;
    }
    else {
        const kith_proto_query_t *query = s_query (read);
        *part = *(const kith_proto_query_t *) kith_codec_copy (&kith_proto_query_table,
                                                               query, &msg->arena);
        part->keys = query->keys ? s_share (msg, read->request, query->keys) : 0;
        part->partition_ids = kith_arena_copy (&msg->arena, read->partitions,
                                               read->partition_count * sizeof (uint32_t));
        part->partition_ids_count = read->partition_count;
    }
    part->channel = channel;
    return msg;
}

static void
s_send (kith_proxy_t *self, kith_ctx_t *ctx, proxied_t *read, uint32_t shard)
{
    const kith_proto_collection_t *definition = read->known->definition.row;
    kith_address_t delegator;
    if (!kith_proxy_delegator (self, ctx, read->known, shard, &delegator))
        return;
    const uint64_t channel = definition->channels [shard].channel;
    kith_msg_t *msg = read->phase == PHASE_SEARCH ? s_part_search (read, channel)
                                                  : s_part_query (read, channel);
    msg->hops = read->request->hops;
    msg->trace = read->request->trace;
    const int64_t left = kith_ctx_left_us (ctx, read->request);
    int64_t attempt = left / 6 > ATTEMPT_MIN_US ? left / 6 : ATTEMPT_MIN_US;
    attempt = attempt < left ? attempt : left;
    read->parts [shard].out = true;
    read->out++;
    kith_ctx_call (ctx, delegator, &msg, attempt, s_part_back, &read->parts [shard]);
}

//  The deadline is over: an error, or what there is if the caller takes that
static bool
s_over (kith_ctx_t *ctx, proxied_t *read)
{
    if (!read->request->deadline_us || kith_ctx_now_us (ctx) < read->request->deadline_us)
        return false;
    uint32_t there = 0;
    for (uint32_t i = 0; i < read->shards; i++)
        there += read->parts [i].answer != NULL;
    if (read->phase == PHASE_SEARCH && s_search (read)->partial && there) {
        read->partial = true;
        for (uint32_t i = 0; i < read->shards; i++)
            read->parts [i].done = true;
        return true;
    }
    if (read->error.code == KITH_OK)
        kith_error_set (
            &read->error, KITH_ERR_TIMEOUT, "no query node answers for %s",
            ((const kith_proto_collection_t *) read->known->definition.row)->name);
    read->failed = true;
    return true;
}

//  True: a phase ended, the next one is to be begun
static bool
s_advance (kith_proxy_t *self, kith_ctx_t *ctx, proxied_t *read)
{
    if (read->phase == PHASE_MERGE)
        return false;
    if (read->known->stale && !read->out && read->known->refused.code) {
        read->error = read->known->refused;
        s_fail (self, ctx, read);
        return false;
    }
    if (read->known->stale && !read->out) {
        //  Dropped, released or made anew: begin again with what root_coord says now
        kith_msg_t *request = read->request;
        read->request = NULL;
        s_free (self, read);
        kith_proxy_handle (self, ctx, &request);
        return false;
    }
    bool done = true;
    for (uint32_t i = 0; i < read->shards; i++)
        done = done && read->parts [i].done;
    if (!done && s_over (ctx, read))
        done = !read->failed;
    if (read->failed) {
        if (!read->out)
            s_fail (self, ctx, read);
        return false;
    }
    if (done)
        return !read->out && s_complete (self, ctx, read);
    bool waits = false;
    for (uint32_t i = 0; i < read->shards; i++) {
        part_t *part = &read->parts [i];
        if (part->done || part->out)
            continue;
        if (read->error.code == KITH_OK || !self->ticking)
            s_send (self, ctx, read, i);
        waits = waits || !part->out;
    }
    if (waits)
        kith_proxy_retry (self, ctx);
    return false;
}

static void
s_go (kith_proxy_t *self, kith_ctx_t *ctx, proxied_t *read)
{
    bool on = true;
    while (on)
        on = s_advance (self, ctx, read);
}

void
kith_proxy_reads_free (kith_proxy_t *self)
{
    while (self->reads)
        s_free (self, self->reads);
}

void
kith_proxy_reads_go (kith_proxy_t *self, kith_ctx_t *ctx)
{
    for (proxied_t *read = self->reads, *next; read; read = next) {
        next = read->next;
        s_go (self, ctx, read);
    }
}

//  Limits that the server holds whatever the client did
static int
s_check (const proxied_t *read, kith_error_t *error)
{
    if (!s_is_search (read)) {
        const kith_proto_query_t *query = s_query (read);
        if (query->limit > KITH_K_MAX)
            return kith_error_set (error, KITH_ERR_LIMIT, "limit %" PRIu64 ", at most %u",
                                   query->limit, KITH_K_MAX);
        if (query->offset > KITH_NQ_K_MAX)
            return kith_error_set (error, KITH_ERR_LIMIT,
                                   "offset %" PRIu64 ", at most %u", query->offset,
                                   KITH_NQ_K_MAX);
        return 0;
    }
    const kith_proto_search_t *search = s_search (read);
    if (!search->k || search->k > KITH_K_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT, "k is %u, it may be 1 to %u",
                               search->k, KITH_K_MAX);
    if (!search->keys && (!search->nq || search->nq > KITH_NQ_MAX))
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "%u queries, 1 to %u may be asked at once", search->nq,
                               KITH_NQ_MAX);
    if ((uint64_t) search->nq * search->k > KITH_NQ_K_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "%u queries x k %u, at most %u together", search->nq,
                               search->k, KITH_NQ_K_MAX);
    if (!(search->recall >= 0 && search->recall <= 1))
        return kith_error_set (error, KITH_ERR_INVALID, "recall is %g, it may be 0 to 1",
                               (double) search->recall);
    const kith_field_t *field = kith_schema_vector (read->schema, search->field, error);
    if (!field)
        return -1;
    if (search->keys)
        return 0;
    const kith_frame_t *queries = kith_msg_frame (read->request, search->queries);
    const uint64_t wanted =
        (uint64_t) search->nq * kith_type_width (field->type, field->dim);
    if (!queries || kith_frame_size (queries) > KITH_QUERY_BYTES_MAX
        || kith_frame_size (queries) != wanted)
        return kith_error_set (error, KITH_ERR_DIMENSION_MISMATCH,
                               "'%s' has %u dimensions: %u queries are %" PRIu64
                               " bytes (at most %u), not %zu",
                               field->name, field->dim, search->nq, wanted,
                               KITH_QUERY_BYTES_MAX,
                               queries ? kith_frame_size (queries) : (size_t) 0);
    return 0;
}

static bool
s_take (kith_proxy_t *self, kith_ctx_t *ctx, proxied_t *read)
{
    const kith_proto_search_t *search = s_is_search (read) ? s_search (read) : NULL;
    const char **names = search ? search->partitions : s_query (read)->partitions;
    const uint32_t count =
        search ? search->partitions_count : s_query (read)->partitions_count;
    kith_error_t error;
    if (s_check (read, &error)) {
        kith_ctx_fail (ctx, &read->request, &error);
        return false;
    }
    read->partitions =
        kith_arena_alloc (&read->request->arena, (count + 1) * sizeof *read->partitions);
    read->partition_count = count;
    kith_named_t named = {names, count, read->partitions};
    if (!kith_proxy_partitions (self, ctx, read->known, &read->request, &named))
        return false;
    read->phase = !search ? PHASE_QUERY : search->keys ? PHASE_KEYS : PHASE_SEARCH;
    if (search && !search->keys) {
        read->queries =
            kith_frame_share (kith_msg_frame (read->request, search->queries));
        read->nq = search->nq;
    }
    return true;
}

void
kith_proxy_read (kith_proxy_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const bool search = (*msg_p)->kind == KITH_KIND_SEARCH;
    const kith_proto_search_t *s = (*msg_p)->body;
    const kith_proto_query_t *q = (*msg_p)->body;
    kith_known_t *known = kith_proxy_known (self, ctx, msg_p, search ? s->db : q->db,
                                            search ? s->collection : q->collection);
    if (!known)
        return;
    proxied_t *read = kith_new (sizeof *read);
    read->known = known;
    read->schema = kith_schema_share (known->schema);
    read->request = *msg_p;
    *msg_p = NULL;
    read->began_us = kith_ctx_now_us (ctx);
    read->next = self->reads;
    self->reads = read;
    if (!s_take (self, ctx, read)) {
        s_free (self, read);
        return;
    }
    read->shards =
        ((const kith_proto_collection_t *) known->definition.row)->channels_count;
    read->parts = kith_new (read->shards * sizeof *read->parts);
    for (uint32_t i = 0; i < read->shards; i++)
        read->parts [i].read = read;
    s_go (self, ctx, read);
}
