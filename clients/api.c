//  api.c - the functions of kith.h, over what lies inside
//  SPDX-License-Identifier: Apache-2.0
#include "clients/admin.h"
#include "clients/answer.h"
#include "clients/describe.h"
#include "clients/rows.h"
#include "clients/writer.h"

#define FLUSH_MS 600000    //  a flush or a load moves data

_Static_assert((int) KITH_STRONG == (int) KITH_CONSISTENCY_STRONG
                   && (int) KITH_SESSION == (int) KITH_CONSISTENCY_SESSION
                   && (int) KITH_BOUNDED == (int) KITH_CONSISTENCY_BOUNDED
                   && (int) KITH_EVENTUALLY == (int) KITH_CONSISTENCY_EVENTUALLY,
               "levels of the library are those of the wire");

const char *
kith_version (void)
{
    return KITH_VERSION;
}

int
kith_failure_set (kith_failure_t *failure, const kith_error_t *error)
{
    if (!failure)
        return -1;
    memset (failure, 0, sizeof *failure);
    failure->at = -1;
    if (!error || error->code == KITH_OK)
        return -1;
    snprintf (failure->code, sizeof failure->code, "%s", kith_code_name (error->code));
    memcpy (failure->message, error->message, sizeof failure->message);
    memcpy (failure->hint, error->hint, sizeof failure->hint);
    failure->at = error->at;
    failure->retry = kith_code_retry (error->code);
    return -1;
}

static int
s_result (int result, kith_failure_t *failure, const kith_error_t *error)
{
    if (result == 0)
        return 0;
    return kith_failure_set (failure, error);
}

kith_client_t *
kith_client_new (const char *endpoints, const kith_client_options_t *options,
                 kith_failure_t *failure)
{
    kith_error_t error = {0};
    kith_client_t *self = kith_client_create_at (endpoints, options, &error);
    if (!self)
        kith_failure_set (failure, &error);
    return self;
}

//  A call whose answer says no more than that it is done
static int
s_do (kith_client_t *self, kith_msg_t *request, int timeout_ms, kith_failure_t *failure)
{
    kith_error_t error = {0};
    return s_result (kith_admin_do (self, &request, timeout_ms, &error), failure, &error);
}

int
kith_client_ping (kith_client_t *self, kith_failure_t *failure)
{
    return s_do (self, kith_msg_new (KITH_KIND_PING), 0, failure);
}

int
kith_client_join (kith_client_t *self, const char *token, kith_failure_t *failure)
{
    kith_error_t error = {0};
    return s_result (kith_token_parse (kith_client_session (self), token, &error),
                     failure, &error);
}

int
kith_client_create (kith_client_t *self, const char *collection,
                    const char *const *fields, size_t count, uint32_t shards,
                    kith_failure_t *failure)
{
    kith_error_t error = {0};
    kith_msg_t *request =
        kith_admin_create (self, collection, fields, count, shards, &error);
    if (!request)
        return kith_failure_set (failure, &error);
    return s_do (self, request, 0, failure);
}

int
kith_client_drop (kith_client_t *self, const char *collection, kith_failure_t *failure)
{
    return s_do (self, kith_admin_drop (self, collection), 0, failure);
}

int
kith_client_partition_create (kith_client_t *self, const char *collection,
                              const char *partition, kith_failure_t *failure)
{
    return s_do (self, kith_admin_partition (self, collection, partition, false), 0,
                 failure);
}

int
kith_client_partition_drop (kith_client_t *self, const char *collection,
                            const char *partition, kith_failure_t *failure)
{
    return s_do (self, kith_admin_partition (self, collection, partition, true), 0,
                 failure);
}

int
kith_client_flush (kith_client_t *self, const char *collection, kith_failure_t *failure)
{
    return s_do (self, kith_admin_flush (self, collection), FLUSH_MS, failure);
}

int
kith_client_load (kith_client_t *self, const char *collection, uint32_t replicas,
                  kith_failure_t *failure)
{
    return s_do (self, kith_admin_load (self, collection, replicas, false), FLUSH_MS,
                 failure);
}

int
kith_client_release (kith_client_t *self, const char *collection, kith_failure_t *failure)
{
    return s_do (self, kith_admin_load (self, collection, 0, true), 0, failure);
}

int
kith_client_stop (kith_client_t *self, const char *process, kith_failure_t *failure)
{
    return s_do (self, kith_admin_stop (self, process), 0, failure);
}

//  --- JSON texts

static char *
s_text (kith_bytes_t *json)
{
    kith_bytes_put_u8 (json, 0);
    char *text = kith_strdup ((const char *) json->data);
    kith_bytes_free (json);
    return text;
}

void
kith_text_free (char **text_p)
{
    if (text_p) {
        free (*text_p);
        *text_p = NULL;
    }
}

char *
kith_client_list (kith_client_t *self, kith_failure_t *failure)
{
    kith_error_t error = {0};
    kith_msg_t *request = kith_admin_list (self);
    kith_msg_t *answer = kith_client_call (self, &request, 0, &error);
    if (!answer) {
        kith_failure_set (failure, &error);
        return NULL;
    }
    kith_bytes_t json = {0};
    kith_json_collections (answer->body, &json);
    kith_msg_destroy (&answer);
    return s_text (&json);
}

char *
kith_client_describe (kith_client_t *self, const char *collection,
                      kith_failure_t *failure)
{
    kith_error_t error = {0};
    kith_msg_t *request = kith_admin_describe (self, collection);
    kith_msg_t *answer = kith_client_call (self, &request, 0, &error);
    if (!answer) {
        kith_failure_set (failure, &error);
        return NULL;
    }
    const kith_proto_collection_described_t *body = answer->body;
    kith_bytes_t json = {0};
    kith_json_collection (&body->info, &json);
    kith_msg_destroy (&answer);
    return s_text (&json);
}

char *
kith_client_status (kith_client_t *self, kith_failure_t *failure)
{
    kith_error_t error = {0};
    kith_msg_t *request = kith_msg_new (KITH_KIND_STATUS);
    kith_msg_t *answer = kith_client_call (self, &request, 0, &error);
    if (!answer) {
        kith_failure_set (failure, &error);
        return NULL;
    }
    kith_bytes_t json = {0};
    kith_json_status (answer->body, &json);
    kith_msg_destroy (&answer);
    return s_text (&json);
}

//  --- Indexes

int
kith_client_index_create (kith_client_t *self, const char *collection, const char *field,
                          const kith_index_options_t *options, kith_failure_t *failure)
{
    kith_error_t error = {0};
    return s_result (
        kith_admin_index (self, collection, field, options, NULL, NULL, &error), failure,
        &error);
}

int
kith_client_index_drop (kith_client_t *self, const char *collection, const char *field,
                        kith_failure_t *failure)
{
    return s_do (self, kith_admin_index_drop (self, collection, field), 0, failure);
}

char *
kith_client_index_describe (kith_client_t *self, const char *collection,
                            kith_failure_t *failure)
{
    kith_error_t error = {0};
    kith_opened_t *opened = kith_client_open (self, collection, &error);
    kith_msg_t *request = kith_admin_index_describe (self, collection);
    kith_msg_t *answer = opened ? kith_client_call (self, &request, 0, &error) : NULL;
    kith_msg_destroy (&request);
    if (!answer) {
        kith_opened_destroy (&opened);
        kith_failure_set (failure, &error);
        return NULL;
    }
    const kith_proto_index_described_t *body = answer->body;
    kith_bytes_t json = {0};
    kith_bytes_printf (&json, "{\"indexes\": [");
    for (uint32_t index = 0; index < body->indexes_count; index++) {
        kith_bytes_printf (&json, "%s", index ? ", " : "");
        kith_json_index (collection, opened->definition, &body->indexes [index], -1,
                         &json);
    }
    kith_bytes_printf (&json, "]}");
    kith_msg_destroy (&answer);
    kith_opened_destroy (&opened);
    return s_text (&json);
}

//  --- Rows and writes

kith_rows_t *
kith_client_rows (kith_client_t *self, const char *collection, kith_failure_t *failure)
{
    kith_error_t error = {0};
    kith_opened_t *opened = kith_client_open (self, collection, &error);
    if (!opened) {
        kith_failure_set (failure, &error);
        return NULL;
    }
    kith_rows_t *rows = kith_rows_new (opened);
    kith_opened_destroy (&opened);
    return rows;
}

static int
s_write (kith_client_t *self, kith_rows_t *rows, bool remove, uint64_t *written,
         kith_failure_t *failure)
{
    kith_error_t error = {0}, later = {0};
    kith_writer_t *writer = kith_writer_new (self, remove, 0);
    int result = kith_writer_put (writer, rows, &error);
    if (kith_writer_finish (writer, &later) != 0 && result == 0) {
        result = -1;
        error = later;
    }
    if (written)
        *written = kith_writer_written (writer);
    kith_writer_destroy (&writer);
    return s_result (result, failure, &error);
}

int
kith_client_insert (kith_client_t *self, kith_rows_t *rows, uint64_t *written,
                    kith_failure_t *failure)
{
    return s_write (self, rows, false, written, failure);
}

int
kith_client_remove (kith_client_t *self, kith_rows_t *keys, uint64_t *written,
                    kith_failure_t *failure)
{
    return s_write (self, keys, true, written, failure);
}

//  --- Callback forms

typedef struct {
    kith_written_fn *written;
    kith_found_fn *found;
    void *arg;
} callback_t;

static void
s_written (void *arg, uint64_t written, const kith_error_t *error)
{
    callback_t *callback = arg;
    kith_failure_t failure;
    kith_failure_set (&failure, error);
    callback->written (callback->arg, written, error ? &failure : NULL);
    free (callback);
}

static void
s_found (void *arg, kith_answer_t **answer_p, const kith_error_t *error)
{
    callback_t *callback = arg;
    kith_failure_t failure;
    kith_failure_set (&failure, error);
    callback->found (callback->arg, answer_p, error ? &failure : NULL);
    free (callback);
}

static void
s_write_start (kith_client_t *self, kith_rows_t **rows_p, bool remove,
               kith_written_fn *fn, void *arg)
{
    callback_t *callback = kith_new (sizeof *callback);
    callback->written = fn;
    callback->arg = arg;
    kith_writer_start (self, rows_p, remove, s_written, callback);
}

void
kith_client_insert_start (kith_client_t *self, kith_rows_t **rows_p, kith_written_fn *fn,
                          void *arg)
{
    s_write_start (self, rows_p, false, fn, arg);
}

void
kith_client_remove_start (kith_client_t *self, kith_rows_t **keys_p, kith_written_fn *fn,
                          void *arg)
{
    s_write_start (self, keys_p, true, fn, arg);
}

static void
s_refused (void *arg, kith_msg_t **answer_p, const kith_error_t *error)
{
    (void) answer_p;
    kith_answer_t *none = NULL;
    s_found (arg, &none, error);
}

//  Starts a read; one that cannot be asked ends in the next poll
static void
s_read_start (kith_client_t *self, const char *collection, kith_msg_t *request, bool raw,
              const kith_error_t *error, callback_t *callback)
{
    if (request)
        kith_read_start (self, collection, &request, raw, s_found, callback);
    else
        kith_client_refuse (self, error, s_refused, callback);
}

void
kith_client_search_start (kith_client_t *self, const kith_search_t *search,
                          kith_found_fn *fn, void *arg)
{
    kith_error_t error = {0};
    callback_t *callback = kith_new (sizeof *callback);
    callback->found = fn;
    callback->arg = arg;
    s_read_start (self, search->collection, kith_read_search (search, &error),
                  search->raw != NULL, &error, callback);
}

void
kith_client_query_start (kith_client_t *self, const kith_query_t *query,
                         kith_found_fn *fn, void *arg)
{
    kith_error_t error = {0};
    callback_t *callback = kith_new (sizeof *callback);
    callback->found = fn;
    callback->arg = arg;
    s_read_start (self, query->collection, kith_read_query (query, &error), false, &error,
                  callback);
}

//  --- Reads

static kith_answer_t *
s_read (kith_client_t *self, const char *collection, kith_msg_t *request, bool raw,
        kith_error_t *error, kith_failure_t *failure)
{
    kith_answer_t *answer =
        request ? kith_read (self, collection, &request, raw, error) : NULL;
    if (!answer)
        kith_failure_set (failure, error);
    return answer;
}

kith_answer_t *
kith_client_search (kith_client_t *self, const kith_search_t *search,
                    kith_failure_t *failure)
{
    kith_error_t error = {0};
    return s_read (self, search->collection, kith_read_search (search, &error),
                   search->raw != NULL, &error, failure);
}

kith_answer_t *
kith_client_query (kith_client_t *self, const kith_query_t *query,
                   kith_failure_t *failure)
{
    kith_error_t error = {0};
    return s_read (self, query->collection, kith_read_query (query, &error), false,
                   &error, failure);
}
