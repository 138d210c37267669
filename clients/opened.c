//  opened.c - collections that a client has opened: what it knows of their fields and logs
//  SPDX-License-Identifier: Apache-2.0
#include "base/column.h"
#include "clients/client_private.h"

#define ENTRIES_MAX 256    //  of the cache; the oldest goes

typedef struct {
    char *name;
    kith_opened_t *opened;
} entry_t;

struct kith_opened_cache {
    entry_t entries [ENTRIES_MAX];
    uint32_t count;
};

kith_opened_cache_t *
kith_opened_cache_new (void)
{
    return kith_new (sizeof (kith_opened_cache_t));
}

//  Takes an entry out; the others keep their order of age
static void
s_cut (kith_opened_cache_t *self, uint32_t index)
{
    free (self->entries [index].name);
    kith_opened_destroy (&self->entries [index].opened);
    memmove (self->entries + index, self->entries + index + 1,
             (self->count - index - 1) * sizeof self->entries [0]);
    self->count--;
}

void
kith_opened_cache_destroy (kith_opened_cache_t **self_p)
{
    assert (self_p);
    kith_opened_cache_t *self = *self_p;
    if (!self)
        return;
    while (self->count)
        s_cut (self, self->count - 1);
    free (self);
    *self_p = NULL;
}

static uint32_t
s_find (const kith_opened_cache_t *self, const char *name)
{
    uint32_t index = 0;
    while (index < self->count && strcmp (self->entries [index].name, name) != 0)
        index++;
    return index;
}

kith_opened_t *
kith_opened_share (kith_opened_t *self)
{
    assert (self->references > 0 && self->references < UINT32_MAX / 2);
    self->references++;
    return self;
}

void
kith_opened_destroy (kith_opened_t **self_p)
{
    assert (self_p);
    kith_opened_t *self = *self_p;
    if (!self)
        return;
    assert (self->references);
    if (--self->references == 0) {
        kith_arena_free (&self->arena);
        free (self);
    }
    *self_p = NULL;
}

void
kith_client_forget (kith_client_t *self, const char *collection)
{
    kith_opened_cache_t *cache = kith_client_cache (self);
    uint32_t index = s_find (cache, collection);
    if (index < cache->count)
        s_cut (cache, index);
}

//  Optimal string alignment distance, for short words
static size_t
s_distance (const char *a, const char *b)
{
    enum { WORD_MAX = 63 };
    size_t a_size = strlen (a), b_size = strlen (b);
    if (a_size > WORD_MAX || b_size > WORD_MAX)
        return SIZE_MAX;
    size_t rows [3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows [0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *now = rows [i % 3], *before = rows [(i + 2) % 3],
               *older = rows [(i + 1) % 3];
        now [0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t best = before [j - 1] + (a [i - 1] != b [j - 1]);
            if (before [j] + 1 < best)
                best = before [j] + 1;
            if (now [j - 1] + 1 < best)
                best = now [j - 1] + 1;
            bool swapped =
                i > 1 && j > 1 && a [i - 1] == b [j - 2] && a [i - 2] == b [j - 1];
            if (swapped && older [j - 2] + 1 < best)
                best = older [j - 2] + 1;
            now [j] = best;
        }
    }
    return rows [a_size % 3][b_size];
}

const char *
kith_nearest (const char *text, const char *const *words)
{
    const char *nearest = NULL;
    size_t limit = strlen (text) / 3 + 1;
    size_t best = limit + 1;
    for (; *words; words++) {
        size_t distance = s_distance (text, *words);
        bool begins = strlen (text) > 1 && strncmp (text, *words, strlen (text)) == 0;
        if (begins)
            distance = distance < limit ? distance : limit;
        if (distance < best) {
            best = distance;
            nearest = *words;
        }
    }
    return nearest;
}

const kith_proto_field_t *
kith_opened_by_id (const kith_opened_t *self, uint32_t id)
{
    for (uint32_t index = 0; index < self->definition->fields_count; index++) {
        if (self->definition->fields [index].id == id)
            return &self->definition->fields [index];
    }
    return NULL;
}

const kith_proto_field_t *
kith_opened_field (const kith_opened_t *self, const char *name, kith_error_t *error)
{
    const kith_proto_collection_t *definition = self->definition;
    for (uint32_t index = 0; index < definition->fields_count; index++) {
        if (strcmp (definition->fields [index].name, name) == 0)
            return &definition->fields [index];
    }
    const char **names = kith_new ((definition->fields_count + 1) * sizeof *names);
    char list [160] = "";
    size_t used = 0;
    for (uint32_t index = 0; index < definition->fields_count; index++) {
        names [index] = definition->fields [index].name;
        int more = snprintf (list + used, sizeof list - used, "%s%s", index ? ", " : "",
                             names [index]);
        if (more > 0)
            used = used + (size_t) more < sizeof list ? used + (size_t) more
                                                      : sizeof list - 1;
    }
    const char *nearest = kith_nearest (name, names);
    kith_error_set (error, KITH_ERR_FIELD_NOT_FOUND, "no field '%.64s' in %s", name,
                    definition->name);
    if (nearest)
        kith_error_hint (error, "did you mean '%.64s'? fields: %s", nearest, list);
    else
        kith_error_hint (error, "fields: %s", list);
    free (names);
    return NULL;
}

//  --- Opening

typedef struct {
    kith_client_t *client;
    char *collection;
    int64_t start_us;
    kith_opened_fn *fn;
    void *arg;
} opening_t;

//  Makes an opened collection of the server's answer; null: it has no key field
static kith_opened_t *
s_opened (const opening_t *opening, const kith_proto_collection_t *definition,
          kith_error_t *error)
{
    kith_opened_t *self = kith_new (sizeof *self);
    self->references = 1;
    self->opened_us = opening->start_us;
    kith_proto_collection_t *copy =
        kith_codec_copy (&kith_proto_collection_table, definition, &self->arena);
    self->definition = copy;
    bool sound = copy->fields_count <= KITH_FIELDS_MAX;
    for (uint32_t index = 0; index < copy->fields_count; index++) {
        const kith_proto_field_t *field = &copy->fields [index];
        sound = sound && kith_type_known (field->type)
                && kith_type_dim_allowed ((kith_type_t) field->type, field->dim);
        if (field->key)
            self->key = field;
    }
    if (!sound || !self->key) {
        kith_error_set (error, KITH_ERR_PROTOCOL,
                        "the definition of %s that came has no key or a field of no type",
                        opening->collection);
        kith_opened_destroy (&self);
    }
    return self;
}

static void
s_opened_answer (void *arg, kith_msg_t **answer_p, const kith_error_t *error)
{
    opening_t *opening = arg;
    kith_opened_t *opened = NULL;
    kith_error_t own = {0};
    if (!error) {
        const kith_proto_collection_opened_t *body = (*answer_p)->body;
        opened = s_opened (opening, &body->definition, &own);
        if (opened)
            kith_token_merge (kith_client_known (opening->client), body->since,
                              body->since_count);
    }
    kith_client_forget (opening->client, opening->collection);
    if (opened) {
        kith_opened_cache_t *cache = kith_client_cache (opening->client);
        if (cache->count == ENTRIES_MAX)
            s_cut (cache, 0);
        cache->entries [cache->count].name = kith_strdup (opening->collection);
        cache->entries [cache->count++].opened = kith_opened_share (opened);
    }
    opening->fn (opening->arg, opened, opened ? NULL : error ? error : &own);
    kith_opened_destroy (&opened);
    free (opening->collection);
    free (opening);
}

void
kith_client_open_start (kith_client_t *self, const char *collection, int timeout_ms,
                        kith_opened_fn *fn, void *arg)
{
    kith_opened_cache_t *cache = kith_client_cache (self);
    uint32_t index = s_find (cache, collection);
    int64_t now_us = kith_client_now_us ();
    if (index < cache->count) {
        kith_opened_t *opened = cache->entries [index].opened;
        if (now_us - opened->opened_us < (int64_t) KITH_CLIENT_FRESH_MS * 1000) {
            opened = kith_opened_share (opened);
            fn (arg, opened, NULL);
            kith_opened_destroy (&opened);
            return;
        }
    }
    opening_t *opening = kith_new (sizeof *opening);
    opening->client = self;
    opening->collection = kith_strdup (collection);
    opening->start_us = now_us;
    opening->fn = fn;
    opening->arg = arg;
    kith_msg_t *request = kith_msg_new (KITH_KIND_COLLECTION_OPEN);
    kith_proto_collection_open_t *body = request->body;
    body->db = kith_arena_strdup (&request->arena, kith_client_db (self));
    body->name = kith_arena_strdup (&request->arena, collection);
    kith_client_start (self, &request, timeout_ms, s_opened_answer, opening);
}

typedef struct {
    bool done;
    kith_opened_t *opened;
    kith_error_t *error;
} waiting_t;

static void
s_waited (void *arg, kith_opened_t *opened, const kith_error_t *error)
{
    waiting_t *waiting = arg;
    waiting->done = true;
    if (opened)
        waiting->opened = kith_opened_share (opened);
    else if (waiting->error)
        *waiting->error = *error;
}

kith_opened_t *
kith_client_open (kith_client_t *self, const char *collection, kith_error_t *error)
{
    waiting_t waiting = {.error = error};
    kith_client_open_start (self, collection, 0, s_waited, &waiting);
    while (!waiting.done)
        kith_client_poll (self, -1);
    return waiting.opened;
}
