//  writer.c - rows on their way to a collection: cut into requests, several under way, each applied once
//  SPDX-License-Identifier: Apache-2.0
#include "clients/writer.h"

//  Hashes of the keys of one request under way; 0 marks an empty place
typedef struct {
    uint64_t *slots;
    uint64_t mask;
} keyset_t;

//  One request under way
typedef struct piece {
    kith_writer_t *writer;
    size_t rows;
    keyset_t keys;
    struct piece *next;
} piece_t;

struct kith_writer {
    kith_client_t *client;
    bool remove;
    int timeout_ms;
    piece_t *pieces;     //  under way
    uint32_t count;      //  of them
    uint64_t written;    //  rows acknowledged
    kith_token_t token;
    kith_error_t error;           //  the first one
    bool orphan;                  //  freed when the last piece ends
    void (*ended) (void *arg);    //  told after each piece; may be null
    void *arg;
};

kith_writer_t *
kith_writer_new (kith_client_t *client, bool remove, int timeout_ms)
{
    kith_writer_t *self = kith_new (sizeof *self);
    self->client = client;
    self->remove = remove;
    self->timeout_ms = timeout_ms;
    return self;
}

static void
s_free (kith_writer_t *self)
{
    kith_token_free (&self->token);
    free (self);
}

void
kith_writer_destroy (kith_writer_t **self_p)
{
    assert (self_p);
    kith_writer_t *self = *self_p;
    if (!self)
        return;
    self->orphan = true;
    self->ended = NULL;
    if (!self->pieces)
        s_free (self);
    *self_p = NULL;
}

uint64_t
kith_writer_written (const kith_writer_t *self)
{
    return self->written;
}

const kith_token_t *
kith_writer_token (const kith_writer_t *self)
{
    return &self->token;
}

//  --- Keys under way

static keyset_t
s_keyset (const kith_rows_t *rows, size_t from, size_t to)
{
    keyset_t set = {0};
    uint64_t capacity = 4;
    while (capacity < (to - from) * 2)
        capacity *= 2;
    set.slots = kith_new ((size_t) capacity * sizeof *set.slots);
    set.mask = capacity - 1;
    for (size_t row = from; row < to; row++) {
        uint64_t hash = kith_rows_key_hash (rows, row) | 1;
        uint64_t place = hash >> 1 & set.mask;
        while (set.slots [place] && set.slots [place] != hash)
            place = (place + 1) & set.mask;
        set.slots [place] = hash;
    }
    return set;
}

static bool
s_keyset_has (const keyset_t *set, uint64_t hash)
{
    uint64_t place = hash >> 1 & set->mask;
    while (set->slots [place] && set->slots [place] != hash)
        place = (place + 1) & set->mask;
    return set->slots [place] != 0;
}

//  True if a key of the new request is in one under way. (By hash: a false alarm only waits.)
static bool
s_overlaps (const kith_writer_t *self, const keyset_t *keys)
{
    for (const piece_t *piece = self->pieces; piece; piece = piece->next) {
        for (uint64_t place = 0; place <= keys->mask; place++) {
            if (keys->slots [place] && s_keyset_has (&piece->keys, keys->slots [place]))
                return true;
        }
    }
    return false;
}

//  --- Requests

static void
s_piece_ended (void *arg, kith_msg_t **answer_p, const kith_error_t *error)
{
    piece_t *piece = arg;
    kith_writer_t *self = piece->writer;
    piece_t **place = &self->pieces;
    while (*place != piece)
        place = &(*place)->next;
    *place = piece->next;
    self->count--;
    if (!error) {
        const kith_proto_mutated_t *mutated = (*answer_p)->body;
        self->written += mutated->rows;
        kith_token_merge (&self->token, mutated->token, mutated->token_count);
        kith_token_merge (kith_client_session (self->client), mutated->token,
                          mutated->token_count);
        kith_token_merge (kith_client_known (self->client), mutated->token,
                          mutated->token_count);
    }
    else if (self->error.code == KITH_OK) {
        self->error = *error;
        bool unknown =
            error->code == KITH_ERR_OUTCOME_UNKNOWN || error->code == KITH_ERR_TIMEOUT;
        if (unknown && !error->hint [0])
            kith_error_hint (&self->error, "read the rows to see if they are there; "
                                           "writing the same rows again does no harm");
    }
    free (piece->keys.slots);
    free (piece);
    if (self->orphan && !self->pieces)
        s_free (self);
    else if (self->ended)
        self->ended (self->arg);
}

//  The newest seqs that this client knows of the collection's logs (W1)
static kith_proto_position_t *
s_since (const kith_writer_t *self, const kith_proto_collection_t *definition,
         kith_arena_t *arena, uint32_t *count)
{
    kith_token_t since = {0};
    const kith_token_t *known = kith_client_known (self->client);
    for (uint32_t index = 0; index < definition->channels_count; index++) {
        const kith_proto_position_t *position =
            kith_token_find (known, definition->channels [index].log);
        if (position)
            kith_token_put (&since, position);
    }
    kith_proto_position_t *copy = kith_token_copy (&since, arena);
    *count = since.count;
    kith_token_free (&since);
    return copy;
}

static kith_msg_t *
s_insert_request (kith_writer_t *self, const kith_rows_t *rows, kith_bytes_t *batch)
{
    const kith_proto_collection_t *definition = kith_rows_opened (rows)->definition;
    kith_msg_t *msg = kith_msg_new (KITH_KIND_INSERT);
    kith_proto_insert_t *body = msg->body;
    body->db = kith_arena_strdup (&msg->arena, kith_client_db (self->client));
    body->collection = kith_arena_strdup (&msg->arena, definition->name);
    body->request.client.data =
        kith_arena_copy (&msg->arena, kith_client_uuid (self->client), 16);
    body->request.client.size = 16;
    body->request.counter = kith_client_next_write (self->client);
    body->since = s_since (self, definition, &msg->arena, &body->since_count);
    body->schema = definition->version;
    body->partition = kith_arena_strdup (&msg->arena, kith_rows_goes_to (rows));
    body->rows = kith_msg_add_bytes (msg, batch);
    return msg;
}

static kith_msg_t *
s_remove_request (kith_writer_t *self, const kith_proto_collection_t *definition,
                  kith_bytes_t *batch)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_REMOVE);
    kith_proto_remove_t *body = msg->body;
    body->db = kith_arena_strdup (&msg->arena, kith_client_db (self->client));
    body->collection = kith_arena_strdup (&msg->arena, definition->name);
    body->request.client.data =
        kith_arena_copy (&msg->arena, kith_client_uuid (self->client), 16);
    body->request.client.size = 16;
    body->request.counter = kith_client_next_write (self->client);
    body->since = s_since (self, definition, &msg->arena, &body->since_count);
    body->keys = kith_msg_add_bytes (msg, batch);
    return msg;
}

static void
s_send_piece (kith_writer_t *self, const kith_rows_t *rows, size_t from, size_t to,
              keyset_t keys)
{
    const kith_proto_collection_t *definition = kith_rows_opened (rows)->definition;
    kith_bytes_t batch = {0};
    kith_rows_batch (rows, from, to, &batch);
    piece_t *piece = kith_new (sizeof *piece);
    piece->writer = self;
    piece->rows = to - from;
    piece->keys = keys;
    piece->next = self->pieces;
    self->pieces = piece;
    self->count++;
    kith_msg_t *msg = self->remove ? s_remove_request (self, definition, &batch)
                                   : s_insert_request (self, rows, &batch);
    msg->schema = definition->version;
    kith_client_start (self->client, &msg, self->timeout_ms, s_piece_ended, piece);
}

//  Where a request of keys ends: the server takes KITH_KEYS_MAX of them
static int
s_cut (const kith_writer_t *self, const kith_rows_t *rows, size_t from, size_t *to,
       kith_error_t *error)
{
    if (kith_rows_cut (rows, from, to, error) != 0)
        return -1;
    if (self->remove && *to - from > KITH_KEYS_MAX)
        *to = from + KITH_KEYS_MAX;
    return 0;
}

//  Sends what the window takes, from *cursor on. -1: failed.
static int
s_pump (kith_writer_t *self, const kith_rows_t *rows, size_t *cursor)
{
    size_t count = kith_rows_count (rows);
    while (*cursor < count && self->error.code == KITH_OK
           && self->count < (uint32_t) kith_client_window (self->client)) {
        size_t to;
        if (s_cut (self, rows, *cursor, &to, &self->error) != 0)
            break;
        keyset_t keys = s_keyset (rows, *cursor, to);
        if (s_overlaps (self, &keys)) {
            free (keys.slots);
            break;
        }
        s_send_piece (self, rows, *cursor, to, keys);
        *cursor = to;
    }
    return self->error.code == KITH_OK ? 0 : -1;
}

static int
s_failed (const kith_writer_t *self, kith_error_t *error)
{
    if (error)
        *error = self->error;
    return -1;
}

//  Rows were made for a definition; the collection must still have it
static int
s_same (const kith_rows_t *rows, const kith_opened_t *opened, kith_error_t *error)
{
    const kith_proto_collection_t *made = kith_rows_opened (rows)->definition;
    if (made->id == opened->definition->id
        && made->version == opened->definition->version)
        return 0;
    return kith_error_set (error, KITH_ERR_SCHEMA_CHANGED,
                           "%s was changed since the rows were begun", made->name);
}

int
kith_writer_put (kith_writer_t *self, kith_rows_t *rows, kith_error_t *error)
{
    if (self->error.code != KITH_OK)
        return s_failed (self, error);
    if (kith_rows_check (rows, self->client, self->remove, error) != 0)
        return -1;
    //  Also brings `known` up to date for the logs that this client does not write to itself
    const char *name = kith_rows_opened (rows)->definition->name;
    kith_opened_t *opened = kith_client_open (self->client, name, error);
    int result = opened ? s_same (rows, opened, error) : -1;
    kith_opened_destroy (&opened);
    if (result != 0)
        return -1;
    size_t cursor = 0, count = kith_rows_count (rows);
    while (cursor < count) {
        if (s_pump (self, rows, &cursor) != 0)
            return s_failed (self, error);
        if (cursor < count)
            kith_client_poll (self->client, -1);
    }
    return 0;
}

int
kith_writer_finish (kith_writer_t *self, kith_error_t *error)
{
    while (self->count)
        kith_client_poll (self->client, -1);
    return self->error.code == KITH_OK ? 0 : s_failed (self, error);
}

//  --- Without waiting

typedef struct {
    kith_writer_t *writer;
    kith_rows_t *rows;
    size_t cursor;
    kith_writer_fn *fn;
    void *arg;
} job_t;

static void
s_job_end (job_t *job)
{
    kith_writer_t *writer = job->writer;
    bool good = writer->error.code == KITH_OK;
    job->fn (job->arg, writer->written, good ? NULL : &writer->error);
    kith_writer_destroy (&writer);
    kith_rows_destroy (&job->rows);
    free (job);
}

static void
s_job_turn (void *arg)
{
    job_t *job = arg;
    bool good = s_pump (job->writer, job->rows, &job->cursor) == 0;
    bool all = job->cursor == kith_rows_count (job->rows);
    if ((all || !good) && !job->writer->count)
        s_job_end (job);
}

static void
s_job_opened (void *arg, kith_msg_t **answer_p, const kith_error_t *error)
{
    (void) answer_p;
    job_t *job = arg;
    kith_writer_t *writer = job->writer;
    if (error)
        writer->error = *error;
    else if (kith_rows_check (job->rows, writer->client, writer->remove, &writer->error)
             == 0) {
        const kith_proto_collection_opened_t *body = (*answer_p)->body;
        kith_token_merge (kith_client_known (writer->client), body->since,
                          body->since_count);
    }
    s_job_turn (job);
}

void
kith_writer_start (kith_client_t *client, kith_rows_t **rows_p, bool remove,
                   kith_writer_fn *fn, void *arg)
{
    job_t *job = kith_new (sizeof *job);
    job->writer = kith_writer_new (client, remove, 0);
    job->writer->ended = s_job_turn;
    job->writer->arg = job;
    job->rows = *rows_p;
    *rows_p = NULL;
    job->fn = fn;
    job->arg = arg;
    //  Always by a call, so that fn never runs inside this function
    kith_msg_t *msg = kith_msg_new (KITH_KIND_COLLECTION_OPEN);
    kith_proto_collection_open_t *body = msg->body;
    body->db = kith_arena_strdup (&msg->arena, kith_client_db (client));
    body->name =
        kith_arena_strdup (&msg->arena, kith_rows_opened (job->rows)->definition->name);
    kith_client_start (client, &msg, 0, s_job_opened, job);
}
