//  query_run.c - one read over the view it pinned: local segments on a worker, others at their holders, merge (R2-R4)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/query_node.h"

typedef struct {
    kith_read_t *read;
    kith_query_node_t *node;
} call_t;

static void s_back (kith_query_node_t *self, kith_ctx_t *ctx, kith_read_t *read);

static bool
s_is_search (const kith_read_t *read)
{
    return read->request->kind == KITH_KIND_SEARCH
           || read->request->kind == KITH_KIND_SEARCH_SEGMENTS;
}

//  The plan of a read of that kind, wherever it stands
static const kith_proto_search_t *
s_search (const kith_read_t *read)
{
    const kith_msg_t *msg = read->request;
    assert (s_is_search (read));
    if (msg->kind == KITH_KIND_SEARCH)
        return msg->body;
    return &((const kith_proto_search_segments_t *) msg->body)->plan;
}

static const kith_proto_query_t *
s_query (const kith_read_t *read)
{
    const kith_msg_t *msg = read->request;
    assert (!s_is_search (read));
    if (msg->kind == KITH_KIND_QUERY)
        return msg->body;
    return &((const kith_proto_query_segments_t *) msg->body)->plan;
}

//  Frames travel beside the plan: a part names them itself
static const kith_frame_t *
s_queries (const kith_read_t *read)
{
    const kith_msg_t *msg = read->request;
    if (msg->kind == KITH_KIND_SEARCH)
        return kith_msg_frame (msg, ((const kith_proto_search_t *) msg->body)->queries);
    return kith_msg_frame (msg,
                           ((const kith_proto_search_segments_t *) msg->body)->queries);
}

static const kith_frame_t *
s_keys (const kith_read_t *read)
{
    const kith_msg_t *msg = read->request;
    if (msg->kind == KITH_KIND_SEARCH)
        return kith_msg_frame (msg, ((const kith_proto_search_t *) msg->body)->skip);
    if (msg->kind == KITH_KIND_SEARCH_SEGMENTS)
        return kith_msg_frame (msg,
                               ((const kith_proto_search_segments_t *) msg->body)->skip);
    if (msg->kind == KITH_KIND_QUERY)
        return kith_msg_frame (msg, ((const kith_proto_query_t *) msg->body)->keys);
    return kith_msg_frame (msg, ((const kith_proto_query_segments_t *) msg->body)->keys);
}

void
kith_query_read_free (kith_read_t **self_p)
{
    kith_read_t *self = *self_p;
    if (!self)
        return;
    kith_msg_destroy (&self->request);
    for (uint32_t i = 0; i < self->segment_count; i++)
        kith_segment_destroy (&self->segments [i]);
    free (self->segments);
    kith_filter_destroy (&self->filter);
    kith_schema_destroy (&self->schema);
    kith_found_free (&self->found);
    kith_found_free (&self->merged);
    kith_rows_found_free (&self->rows_found);
    kith_rows_found_free (&self->rows_merged);
    for (uint32_t i = 0; i < self->answer_count; i++)
        kith_msg_destroy (&self->answers [i]);
    free (self->answers);
    free (self);
    *self_p = NULL;
}

//  Names of wanted fields -> ids: none = all but vectors, * = all; the key is always there
static int
s_fields (kith_read_t *read, const char **names, uint32_t count)
{
    bool all = false;
    for (uint32_t i = 0; i < count; i++)
        all = all || !strcmp (names [i], "*");
    if (!count || all) {
        for (uint32_t i = 0; i < kith_schema_count (read->schema); i++) {
            const kith_field_t *field = kith_schema_field (read->schema, i);
            if (!field->key && (all || !kith_type_is_vector (field->type)))
                read->fields [read->field_count++] = field->id;
        }
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        const kith_field_t *field =
            kith_schema_find (read->schema, names [i], &read->error);
        if (!field)
            return -1;
        bool known = field->key;
        for (uint32_t j = 0; j < read->field_count; j++)
            known = known || read->fields [j] == field->id;
        if (!known && read->field_count < KITH_FIELDS_MAX)
            read->fields [read->field_count++] = field->id;
    }
    return 0;
}

static int
s_filter (kith_read_t *read, const char *text)
{
    kith_query_channel_t *channel = read->channel;
    if (!*text)
        return 0;
    if (channel->filter && !strcmp (channel->filter_text, text)) {
        read->filter = kith_filter_share (channel->filter);
        return 0;
    }
    read->filter = kith_filter_new (text, read->schema, &read->error);
    if (!read->filter)
        return -1;
    if (strlen (text) < sizeof channel->filter_text) {
        kith_filter_destroy (&channel->filter);
        channel->filter = kith_filter_share (read->filter);
        snprintf (channel->filter_text, sizeof channel->filter_text, "%s", text);
    }
    return 0;
}

//  On the worker

static int
s_column_of (const kith_frame_t *frame, const kith_schema_t *schema, kith_batch_t *batch,
             const kith_column_t **column, kith_error_t *error)
{
    *column = NULL;
    if (!frame)
        return 0;
    const kith_field_t *key = kith_schema_key (schema);
    if (kith_batch_open (batch, kith_frame_data (frame), kith_frame_size (frame), error))
        return -1;
    *column = kith_batch_field (batch, key->id);
    if (!*column || (*column)->type != key->type)
        return kith_error_set (error, KITH_ERR_TYPE_MISMATCH,
                               "keys must be of field '%s' (%s)", key->name,
                               kith_type_name (key->type));
    return 0;
}

static kith_view_t
s_view (const kith_read_t *read)
{
    const bool search = s_is_search (read);
    const uint32_t *partitions =
        search ? s_search (read)->partition_ids : s_query (read)->partition_ids;
    const uint32_t count = search ? s_search (read)->partition_ids_count
                                  : s_query (read)->partition_ids_count;
    return (kith_view_t){
        .schema = read->schema,
        .segments = read->segments,
        .count = read->segment_count,
        .s = read->s,
        .filter = read->filter,
        .partitions = count ? partitions : NULL,
        .partition_count = count,
        .fields = read->fields,
        .field_count = read->field_count,
    };
}

//  The asker waits no longer
static bool
s_late (void *arg)
{
    const kith_read_t *read = arg;
    return kith_ctx_past (read->ctx, read->request->deadline_us);
}

static void
s_run_search (kith_read_t *read)
{
    const kith_proto_search_t *plan = s_search (read);
    const kith_field_t *field =
        kith_schema_vector (read->schema, plan->field, &read->own_error);
    const kith_frame_t *queries = s_queries (read);
    kith_batch_t batch;
    const kith_column_t *skip = NULL;
    read->own_failed = true;
    if (!field
        || s_column_of (s_keys (read), read->schema, &batch, &skip, &read->own_error))
        return;
    const uint64_t wanted =
        (uint64_t) plan->nq * kith_type_width (field->type, field->dim);
    if (!queries || kith_frame_size (queries) != wanted) {
        kith_error_set (&read->own_error, KITH_ERR_DIMENSION_MISMATCH,
                        "%u queries for '%s' of %u dimensions are %" PRIu64
                        " bytes, not %zu",
                        plan->nq, field->name, field->dim, wanted,
                        queries ? kith_frame_size (queries) : (size_t) 0);
        return;
    }
    if (skip && skip->rows != plan->nq) {
        kith_error_set (&read->own_error, KITH_ERR_INVALID,
                        "%u rows to skip for %u queries", skip->rows, plan->nq);
        return;
    }
    const kith_search_t search = {.field = field,
                                  .queries = kith_frame_data (queries),
                                  .nq = plan->nq,
                                  .k = plan->k,
                                  .effort = plan->effort,
                                  .recall = plan->recall,
                                  .spec = read->spec,
                                  .skip = skip,
                                  .explain = plan->explain,
                                  .stop = read->request->deadline_us ? s_late : NULL,
                                  .stop_arg = read};
    const kith_view_t view = s_view (read);
    read->own_failed =
        kith_view_search (&view, &search, &read->found, &read->own_error) != 0;
    if (read->own_failed && read->own_error.code == KITH_ERR_CANCELLED)
        kith_error_set (&read->own_error, KITH_ERR_TIMEOUT,
                        "the search was stopped at its deadline");
}

static void
s_run_query (kith_read_t *read)
{
    const kith_proto_query_t *plan = s_query (read);
    kith_batch_t batch;
    const kith_column_t *keys = NULL;
    read->own_failed = true;
    const kith_field_t *order = NULL;
    if (s_column_of (s_keys (read), read->schema, &batch, &keys, &read->own_error)
        || (*plan->order
            && !(order = kith_schema_find (read->schema, plan->order, &read->own_error))))
        return;
    //  Every part gives its first offset + limit; the merge cuts
    const kith_query_t query = {.keys = keys,
                                .limit = (plan->limit ? plan->limit : KITH_KEYS_MAX)
                                         + plan->offset,
                                .count = plan->count,
                                .order = order,
                                .descending = plan->descending};
    const kith_view_t view = s_view (read);
    read->own_failed =
        kith_view_query (&view, &query, &read->rows_found, &read->own_error) != 0;
}

static void
s_run (void *arg)
{
    kith_read_t *read = arg;
    if (s_is_search (read))
        s_run_search (read);
    else
        s_run_query (read);
}

static void
s_ran (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    kith_read_t *read = arg;
    //  A part of another holder may have failed already
    if (read->own_failed && !read->failed) {
        read->failed = true;
        read->error = read->own_error;
    }
    if (read->searched && !read->failed)
        kith_query_grow (arg_self, ctx, read->channel, read->searched);
    s_back (arg_self, ctx, read);
}

//  Answers

static uint32_t
s_add (kith_msg_t *answer, kith_bytes_t *bytes)
{
    return bytes->size ? kith_msg_add_bytes (answer, bytes) : 0;
}

static void
s_stages (kith_ctx_t *ctx, kith_read_t *read, kith_msg_t *answer, kith_found_t *found)
{
    kith_proto_found_t *body = answer->body;
    uint32_t remote = 0;
    for (uint32_t i = 0; i < read->answer_count; i++)
        remote += ((const kith_proto_found_t *) read->answers [i]->body)->stages_count;
    const kith_proto_collection_t *definition = read->channel->definition.row;
    uint32_t shard = 0;
    for (uint32_t i = 0; definition && i < definition->channels_count; i++)
        if (definition->channels [i].channel == read->channel->id)
            shard = definition->channels [i].shard;
    body->stages = kith_arena_alloc (&answer->arena, (found->stage_count + remote + 2)
                                                         * sizeof *body->stages);
    const uint64_t ran = (uint64_t) (kith_ctx_now_us (ctx) - read->ran_us);
    if (!read->holder)
        body->stages [body->stages_count++] =
            (kith_proto_stage_t){.what = "wait",
                                 .shard = shard,
                                 .index = "",
                                 .code = "",
                                 .us = (uint64_t) (read->ran_us - read->began_us)};
    for (uint32_t i = 0; i < found->stage_count; i++) {
        const kith_stage_t *stage = &found->stages [i];
        body->stages [body->stages_count++] = (kith_proto_stage_t){
            .what = stage->segment ? "sealed" : "growing",
            .shard = shard,
            .segment = stage->segment,
            .rows = stage->rows,
            .index = kith_arena_strdup (&answer->arena, stage->index),
            .code = kith_arena_strdup (&answer->arena, stage->code),
            .effort = stage->effort,
            .compared = stage->compared,
            .us = ran};
    }
    for (uint32_t i = 0; i < read->answer_count; i++) {
        const kith_proto_found_t *part = read->answers [i]->body;
        for (uint32_t j = 0; j < part->stages_count; j++) {
            kith_proto_stage_t *stage = &body->stages [body->stages_count++];
            *stage = part->stages [j];
            stage->what = kith_arena_strdup (&answer->arena, stage->what);
            stage->index = kith_arena_strdup (&answer->arena, stage->index);
            stage->code = kith_arena_strdup (&answer->arena, stage->code);
        }
    }
}

static kith_proto_position_t *
s_token (const kith_read_t *read, kith_arena_t *arena)
{
    const kith_proto_position_t token = {
        .log = read->channel->log, .epoch = read->channel->applied_epoch, .seq = read->s};
    return kith_arena_copy (arena, &token, sizeof token);
}

static void
s_answer_search (kith_ctx_t *ctx, kith_read_t *read)
{
    kith_found_t *found = read->answer_count ? &read->merged : &read->found;
    kith_msg_t *answer = kith_msg_new (KITH_KIND_FOUND);
    kith_proto_found_t *body = answer->body;
    body->counts = s_add (answer, &found->counts);
    body->scores = s_add (answer, &found->scores);
    body->rows = s_add (answer, &found->rows);
    body->compared = read->found.compared;
    body->of = read->found.of;
    const char *index = read->found.index;
    uint64_t most = read->found.of;
    for (uint32_t i = 0; i < read->answer_count; i++) {
        const kith_proto_found_t *part = read->answers [i]->body;
        if (!*index || (*part->index && part->of > most)) {
            index = part->index;
            most = part->of;
        }
        body->compared += part->compared;
        body->of += part->of;
    }
    body->index = kith_arena_strdup (&answer->arena, index);
    body->coverage = 1.0;
    if (s_search (read)->explain)
        s_stages (ctx, read, answer, &read->found);
    body->token = s_token (read, &answer->arena);
    body->token_count = 1;
    body->us = (uint64_t) (kith_ctx_now_us (ctx) - read->began_us);
    kith_ctx_reply (ctx, &read->request, &answer);
}

static void
s_answer_query (kith_ctx_t *ctx, kith_read_t *read)
{
    kith_rows_found_t *found =
        read->answer_count ? &read->rows_merged : &read->rows_found;
    kith_msg_t *answer = kith_msg_new (KITH_KIND_ROWS);
    kith_proto_rows_t *body = answer->body;
    body->rows = s_add (answer, &found->rows);
    body->count = found->count;
    body->token = s_token (read, &answer->arena);
    body->token_count = 1;
    body->us = (uint64_t) (kith_ctx_now_us (ctx) - read->began_us);
    kith_ctx_reply (ctx, &read->request, &answer);
}

//  Merging the parts of other holders, on a worker

static kith_part_t
s_part (const kith_msg_t *answer, uint32_t counts, uint32_t scores, uint32_t rows)
{
    const kith_frame_t *frames [] = {kith_msg_frame (answer, counts),
                                     kith_msg_frame (answer, scores),
                                     kith_msg_frame (answer, rows)};
    kith_part_t part = {0};
    if (frames [0]) {
        part.counts = kith_frame_data (frames [0]);
        part.counts_bytes = kith_frame_size (frames [0]);
    }
    if (frames [1]) {
        part.scores = kith_frame_data (frames [1]);
        part.scores_bytes = kith_frame_size (frames [1]);
    }
    if (frames [2]) {
        part.rows = kith_frame_data (frames [2]);
        part.rows_bytes = kith_frame_size (frames [2]);
    }
    return part;
}

static void
s_merge (void *arg)
{
    kith_read_t *read = arg;
    kith_part_t *parts = kith_new ((read->answer_count + 1) * sizeof *parts);
    uint32_t count = 0;
    const kith_proto_search_t *search = s_is_search (read) ? s_search (read) : NULL;
    for (uint32_t i = 0; i < read->answer_count; i++) {
        const kith_msg_t *answer = read->answers [i];
        if (search) {
            const kith_proto_found_t *found = answer->body;
            parts [count++] = s_part (answer, found->counts, found->scores, found->rows);
        }
        else {
            const kith_proto_rows_t *rows = answer->body;
            parts [count++] = s_part (answer, 0, 0, rows->rows);
            read->rows_merged.count += rows->count;
        }
    }
    if (search) {
        const kith_found_t *own = &read->found;
        if (read->local)
            parts [count++] = (kith_part_t){own->counts.data,
                                            own->counts.size,
                                            own->scores.data,
                                            own->scores.size,
                                            own->rows.size ? own->rows.data : NULL,
                                            own->rows.size};
        const kith_field_t *field =
            kith_schema_vector (read->schema, search->field, NULL);
        read->failed = kith_found_merge (parts, count, search->nq, search->k,
                                         field->metric, &read->merged, &read->error)
                       != 0;
    }
    else if (s_query (read)->count)
        read->rows_merged.count += read->rows_found.count;
    else {
        const kith_rows_found_t *own = &read->rows_found;
        if (read->local)
            parts [count++] =
                (kith_part_t){.rows = own->rows.size ? own->rows.data : NULL,
                              .rows_bytes = own->rows.size};
        const kith_proto_query_t *plan = s_query (read);
        const kith_field_t *order =
            *plan->order ? kith_schema_find (read->schema, plan->order, NULL) : NULL;
        const uint64_t limit = (plan->limit ? plan->limit : KITH_KEYS_MAX) + plan->offset;
        read->rows_merged.count = 0;
        read->failed =
            kith_rows_merge (parts, count, order ? order->id : 0, plan->descending, 0,
                             limit, &read->rows_merged, &read->error)
            != 0;
    }
    free (parts);
}

static void
s_end (kith_ctx_t *ctx, kith_read_t *read)
{
    kith_query_channel_t *channel = read->channel;
    if (read->failed)
        kith_ctx_fail (ctx, &read->request, &read->error);
    else if (s_is_search (read))
        s_answer_search (ctx, read);
    else
        s_answer_query (ctx, read);
    kith_query_read_free (&read);
    kith_query_back (channel);
}

static void
s_merged (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    (void) arg_self;
    s_end (ctx, arg);
}

//  One part is back; the last one ends the read
static void
s_back (kith_query_node_t *self, kith_ctx_t *ctx, kith_read_t *read)
{
    (void) self;
    if (--read->parts_out)
        return;
    if (read->failed || !read->answer_count) {
        s_end (ctx, read);
        return;
    }
    if (kith_ctx_work (ctx, KITH_POOL_QUERY, s_merge, s_merged, read)) {
        kith_error_set (&read->error, KITH_ERR_BUSY, "too many searches wait");
        read->failed = true;
        s_end (ctx, read);
    }
}

static void
s_part_back (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_read_t *read = arg;
    if (end == KITH_END_OK) {
        read->answers = kith_grow (read->answers, read->answer_count,
                                   &read->answer_capacity, sizeof (kith_msg_t *));
        read->answers [read->answer_count++] = *answer_p;
        *answer_p = NULL;
    }
    else {
        read->failed = true;
        kith_end_error (end, *answer_p, &read->error);
    }
    if (end != KITH_END_STOPPED) {
        s_back (arg_self, ctx, read);
        return;
    }
    if (!--read->parts_out) {
        kith_query_channel_t *channel = read->channel;
        kith_query_read_free (&read);
        kith_query_back (channel);
    }
}

//  Asks one holder for its segments of the view
static void
s_ask_holder (kith_ctx_t *ctx, kith_read_t *read, kith_address_t holder)
{
    const kith_query_view_t *view = &read->channel->view;
    const bool search = s_is_search (read);
    kith_msg_t *msg =
        kith_msg_new (search ? KITH_KIND_SEARCH_SEGMENTS : KITH_KIND_QUERY_SEGMENTS);
    uint64_t *segments = kith_arena_alloc (&msg->arena, view->count * sizeof *segments);
    uint32_t count = 0;
    for (uint32_t i = 0; i < view->count; i++)
        if (view->items [i].holder.index == holder.index)
            segments [count++] = view->items [i].segment;
    const kith_frame_t *keys = s_keys (read);
    kith_frame_t *shared = keys ? kith_frame_share (keys) : NULL;
    if (search) {
        kith_proto_search_segments_t *part = msg->body;
        part->plan = *(const kith_proto_search_t *) kith_codec_copy (
            &kith_proto_search_table, s_search (read), &msg->arena);
        part->plan.queries = part->plan.skip = part->plan.keys = 0;
        part->segments = segments;
        part->segments_count = count;
        part->s = read->s;
        kith_frame_t *queries = kith_frame_share (s_queries (read));
        part->queries = kith_msg_add_frame (msg, &queries);
        part->skip = shared ? kith_msg_add_frame (msg, &shared) : 0;
    }
    else {
        kith_proto_query_segments_t *part = msg->body;
        part->plan = *(const kith_proto_query_t *) kith_codec_copy (
            &kith_proto_query_table, s_query (read), &msg->arena);
        part->plan.keys = 0;
        part->segments = segments;
        part->segments_count = count;
        part->s = read->s;
        part->keys = shared ? kith_msg_add_frame (msg, &shared) : 0;
    }
    read->parts_out++;
    kith_ctx_call (ctx, holder, &msg, kith_ctx_left_us (ctx, read->request), s_part_back,
                   read);
}

//  R2: the view and S are pinned by shares
static void
s_pin (kith_ctx_t *ctx, kith_read_t *read)
{
    kith_query_channel_t *channel = read->channel;
    const uint32_t room = channel->growing_count + channel->held_count + 1;
    read->segments = kith_new (room * sizeof (kith_segment_t *));
    if (read->holder) {
        const kith_msg_t *msg = read->request;
        const bool search = msg->kind == KITH_KIND_SEARCH_SEGMENTS;
        const kith_proto_search_segments_t *a = msg->body;
        const kith_proto_query_segments_t *b = msg->body;
        const uint32_t count = search ? a->segments_count : b->segments_count;
        for (uint32_t i = 0; i < count && i < room; i++) {
            const kith_held_t *held =
                kith_query_held (channel, search ? a->segments [i] : b->segments [i]);
            read->segments [read->segment_count++] = kith_segment_share (held->rows);
        }
        return;
    }
    read->s = channel->applied;
    const kith_address_t me = kith_ctx_self (ctx);
    for (uint32_t i = 0; i < channel->view.count; i++) {
        const kith_viewed_t *item = &channel->view.items [i];
        const kith_held_t *held = kith_query_held (channel, item->segment);
        assert (read->s >= item->base);    //  R1, which D1 sees to
        if (item->holder.index == me.index && held && held->rows)
            read->segments [read->segment_count++] = kith_segment_share (held->rows);
        else if (item->holder.index == me.index) {
            read->failed = true;
            kith_error_set (&read->error, KITH_ERR_NOT_LOADED,
                            "segment %" PRIu64 " is being loaded", item->segment);
        }
    }
    for (uint32_t i = 0; i < channel->growing_count; i++)
        read->segments [read->segment_count++] =
            kith_segment_share (channel->growing [i]);
}

static void
s_ask_holders (kith_ctx_t *ctx, kith_read_t *read)
{
    const kith_query_view_t *view = &read->channel->view;
    const uint32_t me = kith_ctx_self (ctx).index;
    for (uint32_t i = 0; i < view->count; i++) {
        bool first = view->items [i].holder.index != me;
        for (uint32_t j = 0; j < i; j++)
            first = first && view->items [j].holder.index != view->items [i].holder.index;
        if (first)
            s_ask_holder (ctx, read, view->items [i].holder);
    }
}

//  A partition that was dropped: whoever asks has an old definition, in which its name may mean another one by now
static bool
s_is_ended (const kith_query_channel_t *channel, uint32_t partition)
{
    const kith_proto_collection_t *definition = channel->definition.row;
    bool ended = partition < definition->partition_next;
    for (uint32_t i = 0; i < definition->partitions_count && ended; i++)
        ended = definition->partitions [i].id != partition;
    for (uint32_t i = 0; i < channel->ended_count && !ended; i++)
        ended = channel->ended [i] == partition;
    return ended;
}

static int
s_partitions (kith_read_t *read)
{
    const kith_view_t view = s_view (read);
    for (uint32_t i = 0; i < view.partition_count && !read->holder; i++)
        if (s_is_ended (read->channel, view.partitions [i]))
            return kith_error_set (&read->error, KITH_ERR_SCHEMA_CHANGED,
                                   "partition %u of channel %" PRIu64 " is dropped",
                                   view.partitions [i], read->channel->id);
    return 0;
}

//  Which indexes over growing rows a search may use
static void
s_spec (kith_read_t *read)
{
    const kith_proto_collection_t *definition = read->channel->definition.row;
    const kith_field_t *field =
        kith_schema_vector (read->schema, s_search (read)->field, NULL);
    const kith_proto_index_spec_t *spec =
        field && definition ? kith_index_spec_of (definition, field->id) : NULL;
    read->searched = spec ? field->id : 0;
    read->spec = spec ? kith_index_spec_hash (spec) : 0;
}

void
kith_query_run (kith_query_node_t *self, kith_ctx_t *ctx, kith_read_t *read)
{
    const bool is_search = s_is_search (read);
    const kith_proto_search_t *search = is_search ? s_search (read) : NULL;
    const kith_proto_query_t *query = is_search ? NULL : s_query (read);
    read->next = NULL;
    read->ran_us = kith_ctx_now_us (ctx);
    read->ctx = ctx;
    read->schema = kith_schema_share (read->channel->schema);
    read->channel->uses++;
    if (s_filter (read, is_search ? search->filter : query->filter)
        || s_fields (read, is_search ? search->output : query->output,
                     is_search ? search->output_count : query->output_count)
        || s_partitions (read))
        read->failed = true;
    if (search && !read->holder)
        s_spec (read);
    if (!read->failed)
        s_pin (ctx, read);
    if (read->failed) {
        s_end (ctx, read);
        return;
    }
    read->parts_out = 1;
    if (!read->holder)
        s_ask_holders (ctx, read);
    read->local = true;
    if (kith_ctx_work (ctx, KITH_POOL_QUERY, s_run, s_ran, read)) {
        kith_error_set (&read->error, KITH_ERR_BUSY, "too many searches wait");
        read->failed = true;
        s_back (self, ctx, read);
    }
}
