//  answer.c - reads: requests, and answers whose rows are looked at in place
//  SPDX-License-Identifier: Apache-2.0
#include "clients/answer.h"

#include "base/limits.h"
#include "base/vector.h"
#include "clients/rows.h"

struct kith_answer {
    kith_msg_t *msg;    //  FOUND or ROWS
    kith_opened_t *opened;
    kith_batch_t *batch;      //  null: no rows
    const uint8_t *scores;    //  f32 a row; null for a query
    uint32_t *starts;         //  of each query, and the end
    uint32_t queries;
    kith_bytes_t *vector;    //  what kith_answer_vector returned last, converted
};

void
kith_answer_destroy (kith_answer_t **self_p)
{
    assert (self_p);
    kith_answer_t *self = *self_p;
    if (!self)
        return;
    kith_msg_destroy (&self->msg);
    kith_opened_destroy (&self->opened);
    kith_bytes_free (self->vector);
    free (self->vector);
    free (self->batch);
    free (self->starts);
    free (self);
    *self_p = NULL;
}

static int
s_open_rows (kith_answer_t *self, uint32_t field, kith_error_t *error)
{
    kith_frame_t *frame = kith_msg_frame (self->msg, field);
    if (!frame)
        return 0;
    self->batch = kith_new (sizeof *self->batch);
    return kith_batch_open (self->batch, kith_frame_data (frame), kith_frame_size (frame),
                            error);
}

static int
s_open_found (kith_answer_t *self, uint32_t nq, kith_error_t *error)
{
    const kith_proto_found_t *found = self->msg->body;
    kith_frame_t *counts = kith_msg_frame (self->msg, found->counts);
    kith_frame_t *scores = kith_msg_frame (self->msg, found->scores);
    if (s_open_rows (self, found->rows, error) != 0)
        return -1;
    if (counts ? kith_frame_size (counts) != (size_t) nq * 4 : self->batch != NULL)
        return kith_error_set (
            error, KITH_ERR_PROTOCOL,
            "found: counts for another number of queries than %" PRIu32, nq);
    self->queries = nq;
    self->starts = kith_new (((size_t) nq + 1) * sizeof *self->starts);
    uint64_t rows = 0;
    for (uint32_t query = 0; query < nq; query++) {
        if (counts)
            rows += kith_get_u32 (kith_frame_data (counts) + (size_t) query * 4);
        if (rows > KITH_NQ_K_MAX)
            break;
        self->starts [query + 1] = (uint32_t) rows;
    }
    uint64_t there = self->batch ? self->batch->rows : 0;
    uint64_t scored = scores ? kith_frame_size (scores) / 4 : 0;
    if (rows != there || rows != scored)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "found: %" PRIu64 " rows counted, %" PRIu64
                               " there, %" PRIu64 " scored",
                               rows, there, scored);
    self->scores = scores ? kith_frame_data (scores) : NULL;
    return 0;
}

static int
s_open_queried (kith_answer_t *self, kith_error_t *error)
{
    const kith_proto_rows_t *rows = self->msg->body;
    if (s_open_rows (self, rows->rows, error) != 0)
        return -1;
    self->queries = 1;
    self->starts = kith_new (2 * sizeof *self->starts);
    self->starts [1] = self->batch ? self->batch->rows : 0;
    return 0;
}

//  Takes the message
static kith_answer_t *
s_answer_new (kith_msg_t **msg_p, kith_opened_t *opened, uint32_t nq, kith_error_t *error)
{
    kith_answer_t *self = kith_new (sizeof *self);
    self->msg = *msg_p;
    *msg_p = NULL;
    self->opened = kith_opened_share (opened);
    self->vector = kith_new (sizeof *self->vector);
    int result = self->msg->kind == KITH_KIND_FOUND ? s_open_found (self, nq, error)
                                                    : s_open_queried (self, error);
    if (result != 0)
        kith_answer_destroy (&self);
    return self;
}

//  --- Looking at it

const kith_msg_t *
kith_answer_msg (const kith_answer_t *self)
{
    return self->msg;
}

const kith_opened_t *
kith_answer_opened (const kith_answer_t *self)
{
    return self->opened;
}

const kith_batch_t *
kith_answer_batch (const kith_answer_t *self)
{
    return self->batch;
}

const kith_proto_field_t *
kith_answer_field (const kith_answer_t *self, uint32_t column)
{
    return kith_opened_by_id (self->opened, self->batch->columns [column].field);
}

size_t
kith_answer_queries (const kith_answer_t *self)
{
    return self->queries;
}

size_t
kith_answer_rows (const kith_answer_t *self, size_t query)
{
    assert (query < self->queries);
    return self->starts [query + 1] - self->starts [query];
}

uint64_t
kith_answer_count (const kith_answer_t *self)
{
    if (self->msg->kind == KITH_KIND_ROWS) {
        const kith_proto_rows_t *rows = self->msg->body;
        return rows->count;
    }
    return self->starts [self->queries];
}

uint32_t
kith_answer_place (const kith_answer_t *self, size_t query, size_t row)
{
    assert (row < kith_answer_rows (self, query));
    return self->starts [query] + (uint32_t) row;
}

float
kith_answer_score (const kith_answer_t *self, size_t query, size_t row)
{
    float score = 0;
    uint32_t place = kith_answer_place (self, query, row);
    if (self->scores)
        memcpy (&score, self->scores + (size_t) place * 4, sizeof score);
    return score;
}

//  Column of a field's name; null: not in the answer
static const kith_column_t *
s_column (const kith_answer_t *self, const char *name)
{
    const kith_proto_field_t *field = kith_opened_field (self->opened, name, NULL);
    return field && self->batch ? kith_batch_field (self->batch, field->id) : NULL;
}

bool
kith_answer_null (const kith_answer_t *self, size_t query, size_t row, const char *field)
{
    const kith_column_t *column = s_column (self, field);
    return !column || !kith_column_valid (column, kith_answer_place (self, query, row));
}

int64_t
kith_answer_int64 (const kith_answer_t *self, size_t query, size_t row, const char *field)
{
    const kith_column_t *column = s_column (self, field);
    uint32_t place = kith_answer_place (self, query, row);
    if (!column || column->type > KITH_TYPE_INT64 || !kith_column_valid (column, place))
        return 0;
    return kith_column_int (column, place);
}

double
kith_answer_double (const kith_answer_t *self, size_t query, size_t row,
                    const char *field)
{
    const kith_column_t *column = s_column (self, field);
    uint32_t place = kith_answer_place (self, query, row);
    if (!column || column->type > KITH_TYPE_DOUBLE || !kith_column_valid (column, place))
        return 0;
    return kith_column_real (column, place);
}

const char *
kith_answer_string (const kith_answer_t *self, size_t query, size_t row,
                    const char *field, size_t *length)
{
    const kith_column_t *column = s_column (self, field);
    uint32_t place = kith_answer_place (self, query, row);
    uint32_t size = 0;
    const char *text = "";
    bool varlen =
        column && (column->type == KITH_TYPE_VARCHAR || column->type == KITH_TYPE_JSON);
    if (varlen && kith_column_valid (column, place))
        text = kith_column_string (column, place, &size);
    if (length)
        *length = size;
    return text;
}

//  Column with a vector in that place; null: there is none
static const kith_column_t *
s_vectors (const kith_answer_t *self, uint32_t place, const char *field)
{
    const kith_column_t *column = s_column (self, field);
    return column && kith_type_is_vector (column->type)
                   && kith_column_valid (column, place)
               ? column
               : NULL;
}

const float *
kith_answer_vector (const kith_answer_t *self, size_t query, size_t row,
                    const char *field, size_t *dim)
{
    const uint32_t place = kith_answer_place (self, query, row);
    const kith_column_t *column = s_vectors (self, place, field);
    if (dim)
        *dim = column ? column->dim : 0;
    if (!column)
        return NULL;
    //  Blocks are 64-byte aligned in a batch and frames 8-byte aligned in a message
    const void *vector = kith_column_fixed (column, place);
    if (column->type == KITH_TYPE_FLOAT_VECTOR)
        return vector;
    kith_bytes_clear (self->vector);
    void *numbers = kith_bytes_extend (self->vector, column->dim * sizeof (float));
    kith_vector_decode (column->type, column->dim, vector, numbers);
    return numbers;
}

const void *
kith_answer_raw_vector (const kith_answer_t *self, size_t query, size_t row,
                        const char *field, size_t *bytes)
{
    const uint32_t place = kith_answer_place (self, query, row);
    const kith_column_t *column = s_vectors (self, place, field);
    if (bytes)
        *bytes = column ? kith_type_width (column->type, column->dim) : 0;
    return column ? kith_column_fixed (column, place) : NULL;
}

uint64_t
kith_answer_compared (const kith_answer_t *self)
{
    const kith_proto_found_t *found = self->msg->body;
    return self->msg->kind == KITH_KIND_FOUND ? found->compared : 0;
}

uint64_t
kith_answer_of (const kith_answer_t *self)
{
    const kith_proto_found_t *found = self->msg->body;
    return self->msg->kind == KITH_KIND_FOUND ? found->of : 0;
}

const char *
kith_answer_index (const kith_answer_t *self)
{
    const kith_proto_found_t *found = self->msg->body;
    return self->msg->kind == KITH_KIND_FOUND ? found->index : "";
}

bool
kith_answer_partial (const kith_answer_t *self)
{
    const kith_proto_found_t *found = self->msg->body;
    return self->msg->kind == KITH_KIND_FOUND && found->partial;
}

double
kith_answer_ms (const kith_answer_t *self)
{
    const kith_proto_found_t *found = self->msg->body;
    const kith_proto_rows_t *rows = self->msg->body;
    uint64_t us = self->msg->kind == KITH_KIND_FOUND ? found->us : rows->us;
    return (double) us / 1000;
}

//  --- Requests

static const char **
s_copy_names (kith_arena_t *arena, const char *const *names, size_t count)
{
    const char **copy = kith_arena_alloc (arena, (count + 1) * sizeof *copy);
    for (size_t index = 0; index < count; index++)
        copy [index] = kith_arena_strdup (arena, names [index]);
    return copy;
}

//  A frame of keys; 0: there are none
static int
s_add_keys (kith_msg_t *msg, const kith_rows_t *keys, uint32_t *field,
            kith_error_t *error)
{
    size_t count = kith_rows_count (keys);
    if (!count || count > KITH_KEYS_MAX)
        return kith_error_set (error, count ? KITH_ERR_LIMIT : KITH_ERR_INVALID,
                               "%zu keys; 1 to %u are allowed", count, KITH_KEYS_MAX);
    kith_bytes_t batch = {0};
    kith_rows_batch (keys, 0, count, &batch);
    *field = kith_msg_add_bytes (msg, &batch);
    return 0;
}

static const char *
s_text (kith_msg_t *msg, const char *text)
{
    return kith_arena_strdup (&msg->arena, text ? text : "");
}

static int
s_add_vectors (kith_msg_t *msg, const kith_search_t *search, kith_error_t *error)
{
    kith_proto_search_t *body = msg->body;
    kith_bytes_t bytes = {0};
    body->nq = (uint32_t) search->nq;
    if (search->raw) {
        if (!search->nq || search->nq > KITH_NQ_MAX
            || search->raw_bytes > KITH_QUERY_BYTES_MAX)
            return kith_error_set (error, KITH_ERR_LIMIT,
                                   "%zu queries of %zu bytes in all; allowed: 1 to %u "
                                   "queries, %u MiB",
                                   search->nq, search->raw_bytes, KITH_NQ_MAX,
                                   KITH_QUERY_BYTES_MAX >> 20);
        kith_bytes_put (&bytes, search->raw, search->raw_bytes);
        body->queries = kith_msg_add_bytes (msg, &bytes);
        return 0;
    }
    if (!search->vectors || !search->nq || !search->dim || search->nq > KITH_NQ_MAX
        || search->dim > KITH_DIM_MAX
        || search->nq * search->dim * 4 > KITH_QUERY_BYTES_MAX)
        return kith_error_set (
            error, KITH_ERR_LIMIT,
            "%zu queries of %zu numbers; allowed: 1 to %u queries, 1 to %u "
            "numbers, together %u MiB",
            search->nq, search->dim, KITH_NQ_MAX, KITH_DIM_MAX,
            KITH_QUERY_BYTES_MAX >> 20);
    kith_bytes_put (&bytes, search->vectors, search->nq * search->dim * 4);
    body->queries = kith_msg_add_bytes (msg, &bytes);
    return 0;
}

kith_msg_t *
kith_read_search (const kith_search_t *search, kith_error_t *error)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_SEARCH);
    kith_proto_search_t *body = msg->body;
    int result;
    if ((search->keys != NULL) + (search->vectors != NULL) + (search->raw != NULL) > 1)
        result = kith_error_set (error, KITH_ERR_INVALID,
                                 "search: vectors, raw vectors or keys, not several");
    else if (search->keys) {
        result = s_add_keys (msg, search->keys, &body->keys, error);
        body->nq = (uint32_t) kith_rows_count (search->keys);
    }
    else
        result = s_add_vectors (msg, search, error);
    body->collection = s_text (msg, search->collection);
    body->field = s_text (msg, search->field);
    body->k = search->k ? search->k : 10;
    if (result == 0
        && (body->k > KITH_K_MAX || (uint64_t) body->k * body->nq > KITH_NQ_K_MAX))
        result = kith_error_set (error, KITH_ERR_LIMIT,
                                 "k %" PRIu32 " for %" PRIu32
                                 " queries; allowed: k up to %u, k x queries up to %u",
                                 body->k, body->nq, KITH_K_MAX, KITH_NQ_K_MAX);
    body->filter = s_text (msg, search->filter);
    body->output = s_copy_names (&msg->arena, search->output, search->output_count);
    body->output_count = (uint32_t) search->output_count;
    body->partitions =
        s_copy_names (&msg->arena, search->partitions, search->partition_count);
    body->partitions_count = (uint32_t) search->partition_count;
    body->level = (uint32_t) search->level;
    body->bounded_ms = search->bounded_ms;
    body->recall = search->recall;
    body->effort = search->effort;
    body->partial = search->partial;
    body->explain = search->explain;
    if (result != 0)
        kith_msg_destroy (&msg);
    return msg;
}

kith_msg_t *
kith_read_query (const kith_query_t *query, kith_error_t *error)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_QUERY);
    kith_proto_query_t *body = msg->body;
    body->collection = s_text (msg, query->collection);
    if (query->keys && s_add_keys (msg, query->keys, &body->keys, error) != 0) {
        kith_msg_destroy (&msg);
        return NULL;
    }
    body->filter = s_text (msg, query->filter);
    body->output = s_copy_names (&msg->arena, query->output, query->output_count);
    body->output_count = (uint32_t) query->output_count;
    body->partitions =
        s_copy_names (&msg->arena, query->partitions, query->partition_count);
    body->partitions_count = (uint32_t) query->partition_count;
    body->limit = query->limit;
    body->offset = query->offset;
    body->order = s_text (msg, query->order);
    body->descending = query->descending;
    body->count = query->count;
    body->level = (uint32_t) query->level;
    body->bounded_ms = query->bounded_ms;
    return msg;
}

//  --- Under way: open, ask, and once more if the schema changed meanwhile

typedef struct {
    kith_client_t *client;
    char *collection;
    kith_msg_t *request;
    kith_opened_t *opened;
    uint32_t nq;    //  of a search
    bool raw;       //  its queries are of the field's type
    bool again;     //  this is the second time
    kith_read_fn *fn;
    void *arg;
} read_t;

static void
s_read_end (read_t *read, kith_answer_t *answer, const kith_error_t *error)
{
    read->fn (read->arg, &answer, answer ? NULL : error);
    kith_answer_destroy (&answer);
    kith_msg_destroy (&read->request);
    kith_opened_destroy (&read->opened);
    free (read->collection);
    free (read);
}

static void s_read_opened (void *arg, kith_opened_t *opened, const kith_error_t *error);

static void
s_read_answered (void *arg, kith_msg_t **answer_p, const kith_error_t *error)
{
    read_t *read = arg;
    if (error && error->code == KITH_ERR_SCHEMA_CHANGED && !read->again) {
        read->again = true;
        kith_opened_destroy (&read->opened);
        kith_client_forget (read->client, read->collection);
        kith_client_open_start (read->client, read->collection, 0, s_read_opened, read);
        return;
    }
    kith_error_t own = {0};
    kith_answer_t *answer = NULL;
    if (!error) {
        const kith_proto_found_t *found = (*answer_p)->body;
        const kith_proto_rows_t *rows = (*answer_p)->body;
        bool is_found = (*answer_p)->kind == KITH_KIND_FOUND;
        kith_token_merge (kith_client_session (read->client),
                          is_found ? found->token : rows->token,
                          is_found ? found->token_count : rows->token_count);
        answer = s_answer_new (answer_p, read->opened, read->nq, &own);
    }
    else if (error->code == KITH_ERR_COLLECTION_NOT_FOUND)
        kith_client_forget (read->client, read->collection);
    s_read_end (read, answer, error ? error : &own);
}

//  The vector field of a name, or the only one; null: the server will say what is wrong
static const kith_proto_field_t *
s_vector_field (const kith_opened_t *opened, const char *name)
{
    const kith_proto_collection_t *definition = opened->definition;
    const kith_proto_field_t *found = NULL;
    for (uint32_t index = 0; index < definition->fields_count; index++) {
        const kith_proto_field_t *field = &definition->fields [index];
        if (!kith_type_is_vector ((kith_type_t) field->type)
            || (*name && strcmp (name, field->name) != 0))
            continue;
        if (found)
            return NULL;
        found = field;
    }
    return found;
}

//  Makes vectors of the field's type of the numbers in the request's frame
static int
s_convert (kith_msg_t *request, const kith_proto_field_t *field, kith_error_t *error)
{
    const kith_proto_search_t *body = request->body;
    kith_frame_t **frame = &request->frames [body->queries - 1];
    const kith_type_t type = (kith_type_t) field->type;
    const size_t width = kith_type_width (type, field->dim);
    const size_t count = kith_frame_size (*frame) / body->nq / sizeof (float);
    const float *numbers = (const float *) (const void *) kith_frame_data (*frame);
    kith_frame_t *fresh = kith_frame_new (body->nq * width);
    uint8_t *to = kith_frame_fill (fresh);
    for (uint32_t query = 0; query < body->nq; query++) {
        if (kith_vector_encode (type, field->dim, numbers + query * count, count,
                                to + query * width, error)
            == 0)
            continue;
        kith_frame_destroy (&fresh);
        return body->nq > 1
                   ? kith_error_prefix (error, "query %" PRIu32 " for field '%s'", query,
                                        field->name)
                   : kith_error_prefix (error, "query for field '%s'", field->name);
    }
    kith_frame_destroy (frame);
    *frame = fresh;
    return 0;
}

//  Queries must be vectors of the field
static int
s_fit_queries (const read_t *read, kith_msg_t *request, const kith_opened_t *opened,
               kith_error_t *error)
{
    if (request->kind != KITH_KIND_SEARCH)
        return 0;
    const kith_proto_search_t *body = request->body;
    const kith_frame_t *frame = kith_msg_frame (request, body->queries);
    const kith_proto_field_t *field = s_vector_field (opened, body->field);
    if (!frame || !field)
        return 0;
    const kith_type_t type = (kith_type_t) field->type;
    const size_t size = kith_frame_size (frame);
    if (!read->raw && type != KITH_TYPE_FLOAT_VECTOR)
        return s_convert (request, field, error);
    const size_t width = kith_type_width (type, field->dim);
    if (size == body->nq * width)
        return 0;
    if (read->raw)
        return kith_error_set (error, KITH_ERR_DIMENSION_MISMATCH,
                               "%" PRIu32 " queries of %zu bytes in all; a vector of "
                               "field '%s' of %s, %s(%" PRIu32 "), has %zu",
                               body->nq, size, field->name, opened->definition->name,
                               kith_type_name (type), field->dim, width);
    return kith_error_set (error, KITH_ERR_DIMENSION_MISMATCH,
                           "a query of %zu numbers; field '%s' of %s has %" PRIu32,
                           size / body->nq / 4, field->name, opened->definition->name,
                           field->dim);
}

static void
s_read_opened (void *arg, kith_opened_t *opened, const kith_error_t *error)
{
    read_t *read = arg;
    kith_error_t own = {0};
    if (!opened) {
        s_read_end (read, NULL, error);
        return;
    }
    read->opened = kith_opened_share (opened);
    kith_msg_t *request = kith_msg_copy (read->request);
    if (s_fit_queries (read, request, opened, &own) != 0) {
        kith_msg_destroy (&request);
        kith_client_refuse (read->client, &own, s_read_answered, read);
        return;
    }
    request->schema = opened->definition->version;
    const kith_token_t *session = kith_client_session (read->client);
    if (request->kind == KITH_KIND_SEARCH) {
        kith_proto_search_t *body = request->body;
        body->db = s_text (request, kith_client_db (read->client));
        body->token = kith_token_copy (session, &request->arena);
        body->token_count = session->count;
    }
    else {
        kith_proto_query_t *body = request->body;
        body->db = s_text (request, kith_client_db (read->client));
        body->token = kith_token_copy (session, &request->arena);
        body->token_count = session->count;
    }
    kith_client_start (read->client, &request, 0, s_read_answered, read);
}

void
kith_read_start (kith_client_t *client, const char *collection, kith_msg_t **request_p,
                 bool raw, kith_read_fn *fn, void *arg)
{
    read_t *read = kith_new (sizeof *read);
    read->client = client;
    read->raw = raw;
    read->collection = kith_strdup (collection ? collection : "");
    read->request = *request_p;
    *request_p = NULL;
    if (read->request->kind == KITH_KIND_SEARCH) {
        const kith_proto_search_t *body = read->request->body;
        read->nq = body->nq;
    }
    read->fn = fn;
    read->arg = arg;
    kith_client_open_start (client, read->collection, 0, s_read_opened, read);
}

typedef struct {
    bool done;
    kith_answer_t *answer;
    kith_error_t *error;
} waiting_t;

static void
s_waited (void *arg, kith_answer_t **answer_p, const kith_error_t *error)
{
    waiting_t *waiting = arg;
    waiting->done = true;
    waiting->answer = *answer_p;
    *answer_p = NULL;
    if (error && waiting->error)
        *waiting->error = *error;
}

kith_answer_t *
kith_read (kith_client_t *client, const char *collection, kith_msg_t **request_p,
           bool raw, kith_error_t *error)
{
    waiting_t waiting = {.error = error};
    kith_read_start (client, collection, request_p, raw, s_waited, &waiting);
    while (!waiting.done)
        kith_client_poll (client, -1);
    return waiting.answer;
}
