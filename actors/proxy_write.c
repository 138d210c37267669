//  proxy_write.c - insert and remove: check, cut by shard, one WRITE a shard until each is durable
//  SPDX-License-Identifier: Apache-2.0
#include "actors/proxy.h"

#define INLINE_BYTES (32u << 10)    //  more is checked and cut on a worker
#define ATTEMPT_US 3000000          //  one WRITE, of which a request may need several

typedef struct {
    struct kith_mutation *mutation;
    kith_frame_t *rows;    //  null: no row of this shard
    bool out;              //  a WRITE is under way
    bool done;
    uint64_t epoch, seq;
} part_t;

typedef struct kith_mutation {
    struct kith_mutation *next;
    kith_proxy_t *proxy;
    kith_msg_t *request;
    kith_known_t *known;
    kith_schema_t *schema;
    const kith_frame_t *frame;    //  of the request
    bool remove;
    uint32_t partition;
    uint32_t shards;
    uint32_t rows;
    part_t parts [KITH_SHARDS_MAX];
    uint32_t out;
    bool cut;    //  parts are there
    int64_t began_us;
    kith_error_t error;    //  the newest refusal
    bool sent;             //  a WRITE was sent: an owner may have it
    bool failed;           //  no further try
} mutation_t;

static void s_go (kith_proxy_t *self, kith_ctx_t *ctx, mutation_t *mutation);

//  On the worker: check and cut

static int
s_cut_shards (mutation_t *self, const kith_batch_t *batch, const kith_frame_t *whole)
{
    const kith_column_t *keys =
        kith_batch_field (batch, kith_schema_key (self->schema)->id);
    uint32_t *rows = kith_new ((batch->rows + 1) * sizeof *rows);
    uint8_t *shard_of = kith_new (batch->rows + 1);
    for (uint32_t row = 0; row < batch->rows; row++)
        shard_of [row] = (uint8_t) (kith_key_hash (keys, row) % self->shards);
    for (uint32_t shard = 0; shard < self->shards; shard++) {
        uint32_t count = 0;
        for (uint32_t row = 0; row < batch->rows; row++)
            if (shard_of [row] == shard)
                rows [count++] = row;
        if (count == batch->rows)
            self->parts [shard].rows = kith_frame_share (whole);
        else if (count) {
            kith_bytes_t bytes = {0};
            kith_batch_gather (&bytes, batch, rows, count);
            self->parts [shard].rows = kith_frame_take (&bytes);
        }
    }
    free (shard_of);
    free (rows);
    return 0;
}

static void
s_cut (void *arg)
{
    mutation_t *self = arg;
    kith_batch_t batch;
    self->failed = true;
    if (kith_batch_open (&batch, kith_frame_data (self->frame),
                         kith_frame_size (self->frame), &self->error)
        || kith_schema_check (self->schema, &batch, self->remove, &self->error))
        return;
    self->rows = batch.rows;
    kith_bytes_t bytes = {0};
    bool completed = false;
    if (!self->remove
        && kith_schema_complete (self->schema, &batch, &completed, &bytes,
                                 &self->error)) {
        kith_bytes_free (&bytes);
        return;
    }
    kith_frame_t *whole =
        completed ? kith_frame_take (&bytes) : kith_frame_share (self->frame);
    kith_bytes_free (&bytes);
    if (!completed
        || !kith_batch_open (&batch, kith_frame_data (whole), kith_frame_size (whole),
                             &self->error))
        self->failed = s_cut_shards (self, &batch, whole) != 0;
    kith_frame_destroy (&whole);
}

//  In the loop

static void
s_end (kith_proxy_t *self, kith_ctx_t *ctx, mutation_t *mutation)
{
    for (mutation_t **at = &self->mutations; *at; at = &(*at)->next)
        if (*at == mutation) {
            *at = mutation->next;
            break;
        }
    if (ctx && mutation->failed)
        kith_ctx_fail (ctx, &mutation->request, &mutation->error);
    else if (ctx) {
        kith_msg_t *answer = kith_msg_new (KITH_KIND_MUTATED);
        kith_proto_mutated_t *mutated = answer->body;
        mutated->rows = mutation->rows;
        mutated->us = (uint64_t) (kith_ctx_now_us (ctx) - mutation->began_us);
        mutated->token =
            kith_arena_alloc (&answer->arena, mutation->shards * sizeof *mutated->token);
        const kith_proto_collection_t *definition = mutation->known->definition.row;
        for (uint32_t i = 0; i < mutation->shards; i++)
            if (mutation->parts [i].done)
                mutated->token [mutated->token_count++] =
                    (kith_proto_position_t){.log = definition->channels [i].log,
                                            .epoch = mutation->parts [i].epoch,
                                            .seq = mutation->parts [i].seq};
        kith_ctx_reply (ctx, &mutation->request, &answer);
    }
    kith_msg_destroy (&mutation->request);
    for (uint32_t i = 0; i < KITH_SHARDS_MAX; i++)
        kith_frame_destroy (&mutation->parts [i].rows);
    kith_schema_destroy (&mutation->schema);
    kith_proxy_release (&mutation->known);
    free (mutation);
}

static void
s_written (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
           void *arg)
{
    kith_proxy_t *self = arg_self;
    part_t *part = arg;
    mutation_t *mutation = part->mutation;
    part->out = false;
    mutation->out--;
    if (end == KITH_END_STOPPED) {
        if (!mutation->out)
            s_end (self, NULL, mutation);
        return;
    }
    if (end == KITH_END_OK) {
        const kith_proto_write_ok_t *ok = (*answer_p)->body;
        part->done = true;
        part->epoch = ok->epoch;
        part->seq = ok->seq;
        kith_frame_destroy (&part->rows);
    }
    else {
        const kith_proto_collection_t *definition = mutation->known->definition.row;
        const uint32_t shard = (uint32_t) (part - mutation->parts);
        kith_end_error (end, *answer_p, &mutation->error);
        if (mutation->error.code == KITH_ERR_SCHEMA_CHANGED)
            kith_proxy_forget (self, mutation->known);
        //  Only what the same request may be sent again for goes on
        if (mutation->error.code != KITH_ERR_NOT_OWNER
            && mutation->error.code != KITH_ERR_BUSY
            && mutation->error.code != KITH_ERR_TIMEOUT
            && mutation->error.code != KITH_ERR_UNREACHABLE)
            mutation->failed = true;
        else if (mutation->error.code != KITH_ERR_BUSY)
            kith_owners_wrong (&self->owners, definition->channels [shard].log);
    }
    s_go (self, ctx, mutation);
}

static void
s_send (kith_proxy_t *self, kith_ctx_t *ctx, mutation_t *mutation, uint32_t shard)
{
    const kith_proto_collection_t *definition = mutation->known->definition.row;
    const kith_proto_channel_ref_t *channel = &definition->channels [shard];
    part_t *part = &mutation->parts [shard];
    kith_address_t owner;
    if (!kith_owners_find (&self->owners, ctx, channel->log, &owner)) {
        bool lasting;
        const kith_error_t *why = kith_owners_why (&self->owners, channel->log, &lasting);
        if (why)
            mutation->error = *why;
        mutation->failed = lasting && !mutation->sent;
        return;
    }
    const kith_proto_insert_t *insert = mutation->request->body;
    const kith_proto_remove_t *remove = mutation->request->body;
    const kith_proto_request_id_t *request =
        mutation->remove ? &remove->request : &insert->request;
    const kith_proto_position_t *since = mutation->remove ? remove->since : insert->since;
    const uint32_t since_count =
        mutation->remove ? remove->since_count : insert->since_count;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_WRITE);
    kith_proto_write_t *write = msg->body;
    write->channel = channel->channel;
    write->log = channel->log;
    write->request = *request;
    write->request.client.data =
        kith_arena_copy (&msg->arena, request->client.data, request->client.size);
    write->request.part = shard;
    write->partition = mutation->partition;
    write->remove = mutation->remove;
    write->collection = definition->id;
    for (uint32_t i = 0; i < since_count; i++)
        if (since [i].log == channel->log && since [i].seq > write->since)
            write->since = since [i].seq;
    kith_frame_t *rows = kith_frame_share (part->rows);
    write->rows = kith_msg_add_frame (msg, &rows);
    part->out = mutation->sent = true;
    mutation->out++;
    //  An owner that died answers nothing: the same request goes again long before the client's deadline
    const int64_t left = kith_ctx_left_us (ctx, mutation->request);
    kith_ctx_call (ctx, owner, &msg, left < ATTEMPT_US ? left : ATTEMPT_US, s_written,
                   part);
}

//  No time is left. Nothing was sent: nothing was done; else the outcome is unknown
static void
s_late (mutation_t *mutation)
{
    const kith_error_t why = mutation->error;
    if (why.code == KITH_ERR_BUSY && !mutation->sent)
        return;
    kith_error_set (&mutation->error, KITH_ERR_TIMEOUT,
                    "not every shard said that it has the rows%s%s%s; the same request "
                    "may be sent again",
                    why.code ? " (" : "", why.code ? why.message : "",
                    why.code ? ")" : "");
}

//  Sends what is not durable yet; ends when nothing is left to do
static void
s_go (kith_proxy_t *self, kith_ctx_t *ctx, mutation_t *mutation)
{
    if (!mutation->cut)
        return;
    bool done = true;
    for (uint32_t i = 0; i < mutation->shards; i++) {
        const part_t *part = &mutation->parts [i];
        done = done && (part->done || !part->rows);
    }
    const int64_t now = kith_ctx_now_us (ctx);
    if (!done && !mutation->failed && mutation->request->deadline_us
        && now >= mutation->request->deadline_us) {
        mutation->failed = true;
        s_late (mutation);
    }
    if (done || mutation->failed) {
        if (!mutation->out)
            s_end (self, ctx, mutation);
        return;
    }
    bool waits = false;
    for (uint32_t i = 0; i < mutation->shards && !mutation->failed; i++) {
        part_t *part = &mutation->parts [i];
        if (!part->rows || part->done || part->out)
            continue;
        //  After a refusal the next try comes with the tick, not at once
        if (mutation->error.code == KITH_OK || !self->ticking)
            s_send (self, ctx, mutation, i);
        waits = waits || !part->out;
    }
    if (mutation->failed)
        s_end (self, ctx, mutation);    //  it was never sent
    else if (waits)
        kith_proxy_retry (self, ctx);
}

void
kith_proxy_mutations_free (kith_proxy_t *self)
{
    while (self->mutations)
        s_end (self, NULL, self->mutations);
}

void
kith_proxy_mutations_go (kith_proxy_t *self, kith_ctx_t *ctx)
{
    for (mutation_t *mutation = self->mutations, *next; mutation; mutation = next) {
        next = mutation->next;
        s_go (self, ctx, mutation);
    }
}

static void
s_cut_done (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    mutation_t *mutation = arg;
    mutation->cut = true;
    s_go (arg_self, ctx, mutation);
}

//  What both kinds of mutation say, checked
static bool
s_take (kith_proxy_t *self, kith_ctx_t *ctx, kith_known_t *known, kith_msg_t **msg_p,
        mutation_t *mutation)
{
    const kith_proto_collection_t *definition = known->definition.row;
    const kith_proto_insert_t *insert = (*msg_p)->body;
    const kith_proto_remove_t *remove = (*msg_p)->body;
    mutation->remove = (*msg_p)->kind == KITH_KIND_REMOVE;
    mutation->frame =
        kith_msg_frame (*msg_p, mutation->remove ? remove->keys : insert->rows);
    const kith_proto_request_id_t *request =
        mutation->remove ? &remove->request : &insert->request;
    if (request->client.size != 16 || !mutation->frame) {
        kith_refuse (ctx, msg_p, KITH_ERR_PROTOCOL,
                     "a write needs a frame of rows and a client id of 16 bytes");
        return false;
    }
    if (kith_frame_size (mutation->frame) > KITH_WRITE_BYTES_MAX) {
        kith_refuse (ctx, msg_p, KITH_ERR_LIMIT,
                     "%zu bytes of rows, at most %u in one request",
                     kith_frame_size (mutation->frame), KITH_WRITE_BYTES_MAX);
        return false;
    }
    if (!mutation->remove && insert->schema && insert->schema != definition->version) {
        kith_refuse (ctx, msg_p, KITH_ERR_SCHEMA_CHANGED,
                     "the rows are for version %" PRIu64 " of %s, it is at %" PRIu64,
                     insert->schema, definition->name, definition->version);
        return false;
    }
    if (mutation->remove || !*insert->partition)
        return true;
    const char *name = insert->partition;
    kith_named_t named = {&name, 1, &mutation->partition};
    return kith_proxy_partitions (self, ctx, known, msg_p, &named);
}

void
kith_proxy_mutate (kith_proxy_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_insert_t *insert = (*msg_p)->body;
    const kith_proto_remove_t *remove = (*msg_p)->body;
    const bool removing = (*msg_p)->kind == KITH_KIND_REMOVE;
    kith_known_t *known =
        kith_proxy_known (self, ctx, msg_p, removing ? remove->db : insert->db,
                          removing ? remove->collection : insert->collection);
    if (!known)
        return;
    mutation_t *mutation = kith_new (sizeof *mutation);
    if (!s_take (self, ctx, known, msg_p, mutation)) {
        kith_proxy_release (&known);
        free (mutation);
        return;
    }
    mutation->proxy = self;
    mutation->known = known;
    mutation->schema = kith_schema_share (known->schema);
    mutation->shards =
        ((const kith_proto_collection_t *) known->definition.row)->channels_count;
    mutation->began_us = kith_ctx_now_us (ctx);
    mutation->request = *msg_p;
    *msg_p = NULL;
    for (uint32_t i = 0; i < KITH_SHARDS_MAX; i++)
        mutation->parts [i].mutation = mutation;
    mutation->next = self->mutations;
    self->mutations = mutation;
    if (kith_frame_size (mutation->frame) <= INLINE_BYTES
        || kith_ctx_work (ctx, KITH_POOL_QUERY, s_cut, s_cut_done, mutation)) {
        s_cut (mutation);
        s_cut_done (self, ctx, mutation);
    }
}
