//  common.c - what several roles share: addresses, keys of metadata rows, transactions, the lease of a coordinator
//  SPDX-License-Identifier: Apache-2.0
#include "actors/common.h"
#include "base/random.h"

#define LASTING_MS 3000u    //  an opening that failed for so long needs somebody's hand

kith_address_t
kith_actor (kith_role_t role, uint32_t index)
{
    return (kith_address_t){.role = role, .index = index, .incarnation = 0};
}

bool
kith_address_same (kith_address_t a, kith_address_t b)
{
    return a.role == b.role && a.index == b.index && a.incarnation == b.incarnation;
}

kith_proto_address_t
kith_address_to (kith_address_t address)
{
    return (kith_proto_address_t){.role = (uint32_t) address.role,
                                  .index = address.index,
                                  .incarnation = address.incarnation};
}

kith_address_t
kith_address_from (const kith_proto_address_t *address)
{
    return (kith_address_t){.role = (kith_role_t) address->role,
                            .index = address->index,
                            .incarnation = address->incarnation};
}

kith_schema_t *
kith_schema_of (const kith_proto_collection_t *definition, kith_error_t *error)
{
    if (definition->fields_count > KITH_FIELDS_MAX) {
        kith_error_set (error, KITH_ERR_LIMIT,
                        "%u fields in '%s', at most %u are allowed",
                        definition->fields_count, definition->name, KITH_FIELDS_MAX);
        return NULL;
    }
    kith_field_t fields [KITH_FIELDS_MAX];
    memset (fields, 0, sizeof fields);
    for (uint32_t i = 0; i < definition->fields_count; i++) {
        const kith_proto_field_t *from = &definition->fields [i];
        fields [i] = (kith_field_t){.id = from->id,
                                    .name = from->name,
                                    .type = (kith_type_t) from->type,
                                    .dim = from->dim,
                                    .max_length = from->max_length,
                                    .key = from->key,
                                    .nullable = from->nullable,
                                    .metric = (kith_metric_t) from->metric,
                                    .default_value =
                                        from->has_default ? from->default_value : NULL};
    }
    return kith_schema_new (definition->name, fields, definition->fields_count,
                            definition->version, error);
}

kith_segment_t *
kith_segment_of_row (kith_objects_t *objects, uint64_t cluster, kith_schema_t *schema,
                     const kith_proto_segment_row_t *row, kith_error_t *error)
{
    kith_container_t *snapshot =
        kith_container_open (objects, row->snapshot, KITH_FILE_SNAPSHOT, cluster,
                             row->snapshot_hash, row->bytes, error);
    if (!snapshot)
        return NULL;
    kith_container_t *deaths = NULL;
    if (*row->deaths) {
        deaths = kith_container_open (objects, row->deaths, KITH_FILE_DEATHS, cluster,
                                      row->deaths_hash, row->deaths_bytes, error);
        if (!deaths) {
            kith_container_destroy (&snapshot);
            return NULL;
        }
    }
    kith_segment_t *segment = kith_segment_open (schema, &snapshot, &deaths, error);
    if (segment)
        kith_segment_cover (segment, row->applied_to);
    return segment;
}

bool
kith_hello_is_of (kith_ctx_t *ctx, kith_msg_t **msg_p, kith_role_t role, uint32_t count)
{
    const kith_address_t from = (*msg_p)->from;
    if (from.role == role && from.index < count)
        return true;
    kith_refuse (ctx, msg_p, KITH_ERR_INVALID, "%s/%u is no %s of this topology",
                 kith_role_name (from.role), from.index, kith_role_name (role));
    return false;
}

void
kith_node_lease (kith_ctx_t *ctx, kith_role_t role, uint32_t index,
                 const kith_proto_node_row_t *row, bool put, kith_reply_fn *fn, void *arg)
{
    kith_msg_t *msg = kith_msg_new (put ? KITH_KIND_LEASE_PUT : KITH_KIND_LEASE_KEEP);
    const kith_key_t key = kith_key_node (role, index);
    kith_bytes_t bytes = {0};
    kith_codec_pack (&kith_proto_node_row_table, row, &bytes);
    const kith_blob_t value = {kith_arena_copy (&msg->arena, bytes.data, bytes.size),
                               (uint32_t) bytes.size};
    kith_bytes_free (&bytes);
    kith_proto_lease_put_t *lease = msg->body;
    kith_proto_lease_keep_t *keep = msg->body;
    *(put ? &lease->key : &keep->key) = kith_arena_strdup (&msg->arena, key.text);
    *(put ? &lease->value : &keep->value) = value;
    if (put)
        lease->ttl_ms = KITH_NODE_TTL_MS;
    kith_meta_call (ctx, &msg, fn, arg);
}

static kith_key_t s_key (const char *format, ...) KITH_PRINTF (1, 2);

static kith_key_t
s_key (const char *format, ...)
{
    kith_key_t key;
    va_list args;
    va_start (args, format);
    vsnprintf (key.text, sizeof key.text, format, args);
    va_end (args);
    return key;
}

kith_key_t
kith_key_collection (uint64_t id)
{
    return s_key ("collection/%012" PRIu64, id);
}

//  Names have capitals, keys have not: '.', which no name has, escapes one. False: no room.
static bool
s_key_add (kith_key_t *key, size_t room, const char *name)
{
    size_t at = strlen (key->text);
    for (; *name && at + 2 <= room; name++) {
        const bool capital = *name >= 'A' && *name <= 'Z';
        if (capital)
            key->text [at++] = '.';
        key->text [at++] = (char) (capital ? *name - 'A' + 'a' : *name);
    }
    key->text [at] = 0;
    return !*name;
}

kith_key_t
kith_key_name (const char *db, const char *name)
{
    //  Each name takes at most so much of a key: of a longer one the beginning and a hash, after a '-' that no name has
    const size_t part = 110;
    const char *names [] = {*db ? db : "default", name};
    kith_key_t key = s_key ("name");
    for (size_t i = 0; i < 2; i++) {
        size_t at = strlen (key.text);
        key.text [at++] = '/';
        key.text [at] = 0;
        if (s_key_add (&key, at + part, names [i]))
            continue;
        at += part - 17;
        snprintf (key.text + at, sizeof key.text - at, "-%016" PRIx64,
                  kith_hash64 (names [i], strlen (names [i])));
    }
    return key;
}

kith_key_t
kith_key_channel (uint64_t id)
{
    return s_key ("channel/%012" PRIu64, id);
}

kith_key_t
kith_key_freed (uint64_t channel, uint64_t segment)
{
    return s_key ("freed/%012" PRIu64 "/%020" PRIu64, channel, segment);
}

kith_key_t
kith_key_log (uint32_t log)
{
    return s_key ("log/%04u", log);
}

kith_key_t
kith_key_node (kith_role_t role, uint32_t index)
{
    return s_key ("node/%s/%04u", kith_role_name (role), index);
}

kith_key_t
kith_key_role (kith_role_t role)
{
    return s_key ("role/%s", kith_role_name (role));
}

kith_key_t
kith_key_index (uint64_t channel, uint64_t segment, uint32_t field)
{
    return s_key ("index/%012" PRIu64 "/%020" PRIu64 "/%u", channel, segment, field);
}

kith_key_t
kith_key_pin (uint64_t channel, uint64_t segment, uint64_t incarnation)
{
    return s_key ("pin/%012" PRIu64 "/%020" PRIu64 "/%016" PRIx64, channel, segment,
                  incarnation);
}

kith_key_t
kith_name_channel (uint64_t channel)
{
    return s_key ("%012" PRIu64 "/", channel);
}

kith_key_t
kith_name_indexes (uint64_t channel, uint64_t segment)
{
    return s_key ("%012" PRIu64 "/%020" PRIu64 "/index-", channel, segment);
}

kith_msg_t *
kith_txn_new (uint32_t compares_max, uint32_t changes_max)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_KV_TXN);
    kith_proto_kv_txn_t *txn = msg->body;
    txn->compares = kith_arena_alloc (&msg->arena, compares_max * sizeof *txn->compares);
    txn->changes = kith_arena_alloc (&msg->arena, changes_max * sizeof *txn->changes);
    return msg;
}

void
kith_txn_compare (kith_msg_t *txn, const char *key, uint64_t revision)
{
    kith_proto_kv_txn_t *body = txn->body;
    body->compares [body->compares_count++] = (kith_proto_kv_compare_t){
        .key = kith_arena_strdup (&txn->arena, key), .revision = revision};
}

void
kith_txn_put (kith_msg_t *txn, const char *key, const kith_codec_table_t *table,
              const void *row)
{
    kith_bytes_t bytes = {0};
    kith_codec_pack (table, row, &bytes);
    kith_proto_kv_txn_t *body = txn->body;
    body->changes [body->changes_count++] = (kith_proto_kv_change_t){
        .key = kith_arena_strdup (&txn->arena, key),
        .value = {.data = kith_arena_copy (&txn->arena, bytes.data, bytes.size),
                  .size = (uint32_t) bytes.size}};
    kith_bytes_free (&bytes);
}

void
kith_txn_remove (kith_msg_t *txn, const char *key)
{
    kith_proto_kv_txn_t *body = txn->body;
    body->changes [body->changes_count++] = (kith_proto_kv_change_t){
        .key = kith_arena_strdup (&txn->arena, key), .remove = true};
}

void
kith_meta_call (kith_ctx_t *ctx, kith_msg_t **msg_p, kith_reply_fn *fn, void *arg)
{
    kith_ctx_call (ctx, kith_actor (KITH_ROLE_META, 0), msg_p, KITH_CALL_US, fn, arg);
}

void
kith_meta_get (kith_ctx_t *ctx, const char *key, kith_reply_fn *fn, void *arg)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_KV_GET);
    kith_proto_kv_get_t *get = msg->body;
    get->key = kith_arena_strdup (&msg->arena, key);
    kith_meta_call (ctx, &msg, fn, arg);
}

void
kith_meta_scan (kith_ctx_t *ctx, const char *prefix, kith_reply_fn *fn, void *arg)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_KV_SCAN);
    kith_proto_kv_scan_t *scan = msg->body;
    scan->prefix = kith_arena_strdup (&msg->arena, prefix);
    kith_meta_call (ctx, &msg, fn, arg);
}

void
kith_end_ignored (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
                  void *arg)
{
    (void) self;
    (void) ctx;
    (void) end;
    (void) answer_p;
    (void) arg;
}

void *
kith_row_read (const kith_codec_table_t *table, kith_blob_t value, kith_arena_t *arena)
{
    return kith_codec_unpack (table, value.data, value.size, arena, NULL);
}

void *
kith_meta_row (const kith_codec_table_t *table, kith_msg_t *answer, uint64_t *revision)
{
    const kith_proto_kv_value_t *value = answer->body;
    if (revision)
        *revision = value->revision;
    return value->revision ? kith_row_read (table, value->value, &answer->arena) : NULL;
}

bool
kith_txn_committed (kith_end_t end, const kith_msg_t *answer)
{
    if (end != KITH_END_OK)
        return false;
    const kith_proto_kv_done_t *done = answer->body;
    return done->committed;
}

//  Taking the lease: read the row, put our own over it; whoever had it before can commit nothing more

static void
s_lease_again (kith_ctx_t *ctx)
{
    kith_ctx_after (ctx, 200000, KITH_TAG_LEASE);
}

static void
s_lease_put (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_lease_t *lease = arg;
    if (end == KITH_END_STOPPED)
        return;
    if (!kith_txn_committed (end, *answer_p)) {
        s_lease_again (ctx);
        return;
    }
    const kith_proto_kv_done_t *done = (*answer_p)->body;
    lease->revision = done->revision;
    lease->held = true;
    lease->ready (self, ctx);
}

static void
s_lease_got (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    (void) self;
    kith_lease_t *lease = arg;
    if (end == KITH_END_STOPPED)
        return;
    if (end != KITH_END_OK) {
        s_lease_again (ctx);
        return;
    }
    uint64_t revision;
    const kith_proto_role_row_t *old =
        kith_meta_row (&kith_proto_role_row_table, *answer_p, &revision);
    lease->epoch = (old ? old->epoch : 0) + 1;
    const kith_proto_role_row_t row = {.incarnation = kith_ctx_self (ctx).incarnation,
                                       .epoch = lease->epoch};
    const kith_key_t key = kith_key_role (lease->role);
    kith_msg_t *txn = kith_txn_new (1, 1);
    kith_txn_compare (txn, key.text, revision);
    kith_txn_put (txn, key.text, &kith_proto_role_row_table, &row);
    kith_meta_call (ctx, &txn, s_lease_put, lease);
}

//  A coordinator that lives apart from meta learns the cluster's id here: nodes write it into every file
static void
s_cluster_got (void *self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
               void *arg)
{
    (void) self;
    kith_lease_t *lease = arg;
    if (end == KITH_END_STOPPED)
        return;
    const kith_proto_kv_value_t *value = end == KITH_END_OK ? (*answer_p)->body : NULL;
    if (!value || value->value.size != sizeof (uint64_t)) {
        s_lease_again (ctx);
        return;
    }
    kith_ctx_set_cluster_id (ctx, kith_get_u64 (value->value.data));
    const kith_key_t key = kith_key_role (lease->role);
    kith_meta_get (ctx, key.text, s_lease_got, lease);
}

void
kith_lease_take (kith_ctx_t *ctx, kith_lease_t *lease)
{
    kith_meta_get (ctx, "cluster/id", s_cluster_got, lease);
}

void
kith_lease_compare (const kith_lease_t *lease, kith_msg_t *txn)
{
    const kith_key_t key = kith_key_role (lease->role);
    kith_txn_compare (txn, key.text, lease->revision);
}

bool
kith_log_refused (const kith_proto_log_route_t *route, uint32_t log, kith_error_t *error)
{
    const kith_code_t code = (kith_code_t) route->code;
    if (code == KITH_OK || code >= KITH_ERR_COUNT) {
        kith_error_set (error, KITH_ERR_BUSY, "log %u has no owner yet", log);
        return false;
    }
    const bool lasting = !kith_code_retry (code) && route->failed_ms >= LASTING_MS;
    kith_error_set (error, lasting ? code : KITH_ERR_BUSY,
                    "log %u cannot be opened by data_node/%u: %s", log,
                    route->owner.index, route->reason);
    if (*route->hint)
        kith_error_hint (error, "%s", route->hint);
    return lasting;
}

void *
kith_grow (void *items, uint32_t count, uint32_t *capacity, size_t item_bytes)
{
    char *grown = items;
    if (count >= *capacity) {
        const uint32_t more = *capacity ? *capacity * 2 : 8;
        grown = kith_new (more * item_bytes);
        if (items)
            memcpy (grown, items, count * item_bytes);
        free (items);
        *capacity = more;
    }
    //  The place may have held one that was taken out
    memset (grown + count * item_bytes, 0, item_bytes);
    return grown;
}

void
kith_park_add (kith_park_t *self, kith_msg_t **msg_p)
{
    self->items =
        kith_grow (self->items, self->count, &self->capacity, sizeof (kith_msg_t *));
    self->items [self->count++] = *msg_p;
    *msg_p = NULL;
}

kith_msg_t *
kith_park_take (kith_park_t *self, uint32_t index)
{
    assert (index < self->count);
    kith_msg_t *msg = self->items [index];
    self->count--;
    memmove (self->items + index, self->items + index + 1,
             (self->count - index) * sizeof (kith_msg_t *));
    return msg;
}

void
kith_park_free (kith_park_t *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        kith_msg_destroy (&self->items [i]);
    free (self->items);
    memset (self, 0, sizeof *self);
}

void
kith_refuse (kith_ctx_t *ctx, kith_msg_t **request_p, kith_code_t code,
             const char *format, ...)
{
    char text [400];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    kith_error_t error;
    kith_error_set (&error, code, "%s", text);
    kith_ctx_fail (ctx, request_p, &error);
}

void
kith_reply_ok (kith_ctx_t *ctx, kith_msg_t **request_p)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_OK);
    kith_ctx_reply (ctx, request_p, &answer);
}

void
kith_reply_end (kith_ctx_t *ctx, kith_msg_t **request_p, kith_end_t end,
                const kith_msg_t *answer)
{
    kith_error_t error;
    kith_end_error (end, answer, &error);
    kith_ctx_fail (ctx, request_p, &error);
}

void
kith_keep (kith_kept_t *self, const kith_codec_table_t *table, const void *row)
{
    kith_kept_free (self);
    self->row = kith_codec_copy (table, row, &self->arena);
}

void
kith_kept_free (kith_kept_t *self)
{
    kith_arena_free (&self->arena);
    self->row = NULL;
}
