//  root_coord.c - collections, partitions, index specifications, ids, topology: one task at a time, each one transaction (T8, T9)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/root_coord.h"
#include "actors/indexes.h"
#include "actors/roles.h"

#define DROP_TRIES 50u

kith_root_entry_t *
kith_root_find (kith_root_t *self, const char *db, const char *name, uint64_t id)
{
    for (uint32_t i = 0; i < self->entry_count; i++) {
        const kith_proto_collection_t *row = self->entries [i].row.row;
        if (*name ? !strcmp (row->name, name) && !strcmp (row->db, *db ? db : "default")
                  : row->id == id)
            return &self->entries [i];
    }
    return NULL;
}

static void
s_put_entry (kith_root_t *self, const kith_proto_collection_t *row, uint64_t revision)
{
    kith_root_entry_t *entry = kith_root_find (self, "", "", row->id);
    if (!entry) {
        self->entries = kith_grow (self->entries, self->entry_count,
                                   &self->entry_capacity, sizeof *self->entries);
        entry = &self->entries [self->entry_count++];
    }
    kith_kept_t kept = {0};
    kith_keep (&kept, &kith_proto_collection_table, row);
    kith_kept_free (&entry->row);
    entry->row = kept;
    entry->revision = revision;
}

static void
s_drop_entry (kith_root_t *self, uint64_t id)
{
    kith_root_entry_t *entry = kith_root_find (self, "", "", id);
    if (!entry)
        return;
    kith_kept_free (&entry->row);
    *entry = self->entries [--self->entry_count];
}

static kith_root_entry_t *
s_entry_or_refuse (kith_root_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p, const char *db,
                   const char *name, uint64_t id)
{
    kith_root_entry_t *entry = kith_root_find (self, db, name, id);
    if (entry)
        return entry;
    kith_error_t error;
    if (*name)
        kith_error_set (&error, KITH_ERR_COLLECTION_NOT_FOUND, "no collection '%s'%s%s",
                        name, *db && strcmp (db, "default") != 0 ? " in database " : "",
                        *db && strcmp (db, "default") != 0 ? db : "");
    else
        kith_error_set (&error, KITH_ERR_COLLECTION_NOT_FOUND,
                        "no collection with id %" PRIu64, id);
    if (self->entry_count) {
        char names [160] = "";
        for (uint32_t i = 0; i < self->entry_count && i < 8; i++) {
            const kith_proto_collection_t *row = self->entries [i].row.row;
            const size_t at = strlen (names);
            snprintf (names + at, sizeof names - at, "%s%.60s", i ? ", " : "", row->name);
        }
        kith_error_hint (&error, "collections: %s", names);
    }
    else
        kith_error_hint (&error, "there is none yet: zactor collection create");
    kith_ctx_fail (ctx, msg_p, &error);
    return NULL;
}

//  The end of a task: the coordinators that must know are told first. The next one is begun by kith_root_next, not in here:
//  tasks that end as soon as they begin would pile up on the stack

static void
s_task_end (kith_root_t *self, kith_ctx_t *ctx, kith_msg_t **answer_p)
{
    kith_ctx_reply (ctx, &self->task, answer_p);
    kith_kept_free (&self->change);
    self->tries = 0;
}

static void
s_task_fail (kith_root_t *self, kith_ctx_t *ctx, const kith_error_t *error)
{
    if (self->task->kind == KITH_KIND_PARTITION_DROP)
        kith_root_dropping_later (self, ctx);
    kith_ctx_fail (ctx, &self->task, error);
    kith_kept_free (&self->change);
    self->tries = self->dropping = 0;
}

static void
s_told (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p, void *arg)
{
    kith_root_t *self = arg_self;
    if (end == KITH_END_STOPPED)
        return;
    if (arg && end != KITH_END_OK)
        kith_end_error (end, *answer_p, &self->must_error);
    if (--self->tells)
        return;
    const bool dropping = self->task->kind == KITH_KIND_PARTITION_DROP;
    if (self->must_error.code) {
        kith_error_prefix (&self->must_error,
                           dropping ? "the partition is dropped, but its rows have not "
                                      "ended everywhere yet"
                                    : "the index is declared, but its rows could not "
                                      "be flushed");
        s_task_fail (self, ctx, &self->must_error);
        kith_root_next (self, ctx);
        return;
    }
    if (dropping && self->dropping) {
        kith_root_dropping_done (self, ctx);
        return;
    }
    //  A coordinator that did not answer looks at the rows again by itself
    kith_msg_t *answer;
    if (self->task->kind == KITH_KIND_COLLECTION_CREATE) {
        answer = kith_msg_new (KITH_KIND_COLLECTION_DESCRIBED);
        kith_proto_collection_described_t *described = answer->body;
        described->info.definition = *(const kith_proto_collection_t *) kith_codec_copy (
            &kith_proto_collection_table, self->change.row, &answer->arena);
    }
    else
        answer = kith_msg_new (KITH_KIND_OK);
    s_task_end (self, ctx, &answer);
    kith_root_next (self, ctx);
}

static void
s_tell (kith_root_t *self, kith_ctx_t *ctx, kith_role_t role, kith_msg_t **msg_p)
{
    //  Who else was not reached looks at the rows again by itself
    const kith_kind_t kind = (*msg_p)->kind;
    void *must = kind == KITH_KIND_COLLECTION_FLUSH || kind == KITH_KIND_PARTITION_END
                     ? self
                     : NULL;
    self->tells++;
    kith_ctx_call (ctx, kith_actor (role, 0), msg_p, kith_ctx_left_us (ctx, self->task),
                   s_told, must);
}

static kith_msg_t *
s_changed (uint64_t collection)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_ROWS_CHANGED);
    kith_proto_rows_changed_t *changed = msg->body;
    changed->collection = collection;
    return msg;
}

static kith_msg_t *
s_dropped (const kith_proto_collection_t *row)
{
    kith_msg_t *msg = kith_msg_new (KITH_KIND_CHANNEL_DROPPED);
    kith_proto_channel_dropped_t *dropped = msg->body;
    dropped->collection = row->id;
    dropped->channels =
        kith_arena_alloc (&msg->arena, row->channels_count * sizeof *dropped->channels);
    for (uint32_t i = 0; i < row->channels_count; i++)
        dropped->channels [dropped->channels_count++] = row->channels [i].channel;
    return msg;
}

void
kith_root_tell_all (kith_root_t *self, kith_ctx_t *ctx)
{
    const kith_proto_collection_t *row = self->change.row;
    const kith_kind_t kind = self->task->kind;
    kith_msg_t *msg;
    self->tells = 1;    //  none of the calls ends in here
    kith_error_clear (&self->must_error);
    if (kind == KITH_KIND_COLLECTION_DROP) {
        msg = s_dropped (row);
        s_tell (self, ctx, KITH_ROLE_DATA_COORD, &msg);
        msg = s_dropped (row);
        s_tell (self, ctx, KITH_ROLE_QUERY_COORD, &msg);
        msg = s_changed (row->id);
        s_tell (self, ctx, KITH_ROLE_INDEX_COORD, &msg);
    }
    else {
        msg = s_changed (row->id);
        s_tell (self, ctx, KITH_ROLE_QUERY_COORD, &msg);
        msg = s_changed (row->id);
        s_tell (self, ctx, KITH_ROLE_INDEX_COORD, &msg);
    }
    if (kind == KITH_KIND_INDEX_CREATE) {
        //  What is there is sealed and flushed, so that it can be built
        msg = kith_msg_new (KITH_KIND_COLLECTION_FLUSH);
        ((kith_proto_collection_flush_t *) msg->body)->id = row->id;
        s_tell (self, ctx, KITH_ROLE_DATA_COORD, &msg);
    }
    if (kind == KITH_KIND_PARTITION_DROP && self->dropping) {
        msg = kith_msg_new (KITH_KIND_PARTITION_END);
        kith_proto_partition_end_t *end = msg->body;
        end->collection = row->id;
        end->partition = self->dropping;
        s_tell (self, ctx, KITH_ROLE_DATA_COORD, &msg);
    }
    self->tells--;
}

static void s_run (kith_root_t *self, kith_ctx_t *ctx);

static void
s_committed (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_root_t *self = arg_self;
    (void) arg;
    if (end == KITH_END_STOPPED)
        return;
    if (end == KITH_END_OK && kith_txn_committed (end, *answer_p)) {
        const kith_proto_kv_done_t *done = (*answer_p)->body;
        const kith_proto_collection_t *row = self->change.row;
        if (self->task->kind == KITH_KIND_COLLECTION_DROP)
            s_drop_entry (self, row->id);
        else
            s_put_entry (self, row, done->revision);
        if (self->task->kind == KITH_KIND_COLLECTION_CREATE) {
            self->counter_revision = done->revision;
            self->next_id += 1 + row->channels_count;
        }
        kith_root_tell_all (self, ctx);
        return;
    }
    kith_error_t error;
    if (end == KITH_END_OK && self->task->kind == KITH_KIND_COLLECTION_DROP
        && ++self->tries < DROP_TRIES) {
        s_run (self, ctx);    //  a checkpoint moved meanwhile
        kith_root_next (self, ctx);
        return;
    }
    if (end == KITH_END_OK)
        kith_error_set (&error, KITH_ERR_CONFLICT, "the catalog was changed by another");
    else
        kith_end_error (end, *answer_p, &error);
    //  Whether it was made is not known, or another root_coord lives: the next life reads it all again
    s_task_fail (self, ctx, &error);
    kith_root_next (self, ctx);
    const bool refused = end == KITH_END_UNREACHABLE || end == KITH_END_BUSY
                         || (end == KITH_END_FAILED && error.code == KITH_ERR_LIMIT);
    if (!refused)
        kith_ctx_exit (ctx, &error);
}

static kith_msg_t *
s_txn (kith_root_t *self, uint32_t compares, uint32_t changes)
{
    kith_msg_t *txn = kith_txn_new (compares + 1, changes);
    kith_lease_compare (&self->lease, txn);
    return txn;
}

//  T8: a new collection

static int
s_new_fields (const kith_proto_collection_create_t *create, kith_proto_collection_t *row,
              kith_error_t *error)
{
    row->fields_count = create->fields_count;
    if (create->fields_count > KITH_FIELDS_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT, "%u fields, at most %u are allowed",
                               create->fields_count, KITH_FIELDS_MAX);
    for (uint32_t i = 0; i < create->fields_count; i++) {
        row->fields [i] = create->fields [i];
        row->fields [i].id = KITH_FIELD_USER + i;
    }
    kith_schema_t *schema = kith_schema_of (row, error);
    if (!schema)
        return -1;
    kith_schema_destroy (&schema);
    return 0;
}

//  The log with the fewest channels
static uint32_t
s_log (const kith_root_t *self, const kith_proto_collection_t *row, uint32_t logs)
{
    uint32_t counts [KITH_LOGS_MAX] = {0};
    for (uint32_t i = 0; i < self->entry_count; i++) {
        const kith_proto_collection_t *other = self->entries [i].row.row;
        for (uint32_t j = 0; j < other->channels_count; j++)
            counts [other->channels [j].log % KITH_LOGS_MAX]++;
    }
    for (uint32_t j = 0; j < row->channels_count; j++)
        counts [row->channels [j].log]++;
    uint32_t best = 0;
    for (uint32_t i = 1; i < logs; i++)
        if (counts [i] < counts [best])
            best = i;
    return best;
}

static int
s_partition_names (const kith_proto_collection_create_t *create, kith_error_t *error)
{
    for (uint32_t i = 0; i < create->partitions_count; i++) {
        const char *name = create->partitions [i];
        bool taken = !strcmp (name, "_default");
        for (uint32_t j = 0; j < i; j++)
            taken = taken || !strcmp (name, create->partitions [j]);
        if (taken || !*name || strlen (name) > KITH_NAME_MAX)
            return kith_error_set (error, KITH_ERR_INVALID, "partition '%.60s' %s", name,
                                   taken ? "is named twice (_default is always there)"
                                         : "is no name (1 to 255 characters)");
    }
    return 0;
}

static int
s_new_row (kith_root_t *self, kith_ctx_t *ctx, kith_arena_t *arena,
           kith_proto_collection_t *row, kith_error_t *error)
{
    const kith_proto_collection_create_t *create = self->task->body;
    const uint32_t shards = create->shards ? create->shards : 1;
    if (shards > KITH_SHARDS_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT, "%u shards, 1 to %u are allowed",
                               shards, KITH_SHARDS_MAX);
    if (create->partitions_count + 1 > KITH_PARTITIONS_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "%u partitions, at most %u are allowed",
                               create->partitions_count + 1, KITH_PARTITIONS_MAX);
    if (*create->db && strcmp (create->db, "default") != 0)
        return kith_error_set (error, KITH_ERR_NOT_FOUND,
                               "no database '%s'; there is: default", create->db);
    if (s_partition_names (create, error))
        return -1;
    row->id = self->next_id;
    row->db = "default";
    row->name = create->name;
    row->version = 1;
    row->created = kith_ctx_clock (ctx);
    row->auto_id = create->auto_id;
    row->loaded = true;
    row->replicas = 1;
    row->fields =
        kith_arena_alloc (arena, (create->fields_count + 1) * sizeof *row->fields);
    if (s_new_fields (create, row, error))
        return -1;
    row->channels = kith_arena_alloc (arena, shards * sizeof *row->channels);
    for (uint32_t i = 0; i < shards; i++) {
        const uint32_t log = s_log (self, row, kith_ctx_cluster (ctx)->logs);
        row->channels [row->channels_count++] = (kith_proto_channel_ref_t){
            .channel = self->next_id + 1 + i, .shard = i, .log = log};
    }
    row->partitions = kith_arena_alloc (arena, (create->partitions_count + 1)
                                                   * sizeof *row->partitions);
    row->partitions [row->partitions_count++] = (kith_proto_partition_t){0, "_default"};
    for (uint32_t i = 0; i < create->partitions_count; i++)
        row->partitions [row->partitions_count++] =
            (kith_proto_partition_t){i + 1, create->partitions [i]};
    return 0;
}

static bool
s_same_definition (const kith_proto_collection_t *a, const kith_proto_collection_t *b)
{
    bool same =
        a->fields_count == b->fields_count && a->channels_count == b->channels_count;
    for (uint32_t i = 0; same && i < a->fields_count; i++) {
        const kith_proto_field_t *x = &a->fields [i], *y = &b->fields [i];
        same = !strcmp (x->name, y->name) && x->type == y->type && x->dim == y->dim
               && x->max_length == y->max_length && x->key == y->key
               && x->nullable == y->nullable && x->metric == y->metric;
    }
    return same;
}

static void
s_create (kith_root_t *self, kith_ctx_t *ctx)
{
    const kith_proto_collection_create_t *create = self->task->body;
    kith_proto_collection_t row = {0};
    kith_arena_t arena = {0};
    kith_error_t error;
    const int rc = s_new_row (self, ctx, &arena, &row, &error);
    const kith_root_entry_t *old =
        *create->name ? kith_root_find (self, create->db, create->name, 0) : NULL;
    if (!rc && old && create->ok_if_same && s_same_definition (&row, old->row.row)) {
        kith_msg_t *answer = kith_msg_new (KITH_KIND_COLLECTION_DESCRIBED);
        kith_proto_collection_described_t *described = answer->body;
        described->info.definition = *(const kith_proto_collection_t *) kith_codec_copy (
            &kith_proto_collection_table, old->row.row, &answer->arena);
        kith_arena_free (&arena);
        s_task_end (self, ctx, &answer);
        return;
    }
    if (!rc && old)
        kith_error_set (&error, KITH_ERR_COLLECTION_EXISTS,
                        "there is a collection '%s' already", create->name);
    if (rc || old) {
        kith_arena_free (&arena);
        s_task_fail (self, ctx, &error);
        return;
    }
    kith_keep (&self->change, &kith_proto_collection_table, &row);
    kith_msg_t *txn = s_txn (self, 3, 3 + row.channels_count);
    const kith_key_t key = kith_key_collection (row.id);
    const kith_key_t name = kith_key_name (row.db, row.name);
    kith_txn_compare (txn, name.text, 0);
    kith_txn_compare (txn, key.text, 0);
    kith_txn_compare (txn, KITH_KEY_IDS, self->counter_revision);
    kith_txn_put (txn, key.text, &kith_proto_collection_table, &row);
    const kith_proto_name_row_t name_row = {.collection = row.id};
    kith_txn_put (txn, name.text, &kith_proto_name_row_table, &name_row);
    const kith_proto_counter_row_t counter = {.next =
                                                  self->next_id + 1 + row.channels_count};
    kith_txn_put (txn, KITH_KEY_IDS, &kith_proto_counter_row_table, &counter);
    for (uint32_t i = 0; i < row.channels_count; i++) {
        const kith_proto_channel_ref_t *ref = &row.channels [i];
        const kith_proto_channel_row_t channel = {.channel = ref->channel,
                                                  .collection = row.id,
                                                  .shard = ref->shard,
                                                  .log = ref->log,
                                                  .window = ""};
        const kith_key_t channel_key = kith_key_channel (ref->channel);
        kith_txn_put (txn, channel_key.text, &kith_proto_channel_row_table, &channel);
    }
    kith_arena_free (&arena);
    kith_meta_call (ctx, &txn, s_committed, NULL);
}

//  T9: the channel rows are read, then all goes in one transaction

static void
s_drop_rows (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
             void *arg)
{
    kith_root_t *self = arg_self;
    (void) arg;
    if (end == KITH_END_STOPPED)
        return;
    if (end != KITH_END_OK) {
        kith_error_t error;
        kith_end_error (end, *answer_p, &error);
        s_task_fail (self, ctx, &error);
        kith_root_next (self, ctx);
        return;
    }
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    const kith_proto_collection_t *row = self->change.row;
    const kith_root_entry_t *entry = kith_root_find (self, "", "", row->id);
    kith_msg_t *txn = s_txn (self, 1 + row->channels_count, 2 + row->channels_count);
    const kith_key_t key = kith_key_collection (row->id);
    kith_txn_compare (txn, key.text, entry->revision);
    kith_txn_remove (txn, key.text);
    const kith_key_t name = kith_key_name (row->db, row->name);
    kith_txn_remove (txn, name.text);
    uint32_t channels = 0;
    for (uint32_t i = 0; i < rows->items_count; i++) {
        kith_proto_channel_row_t *channel = kith_row_read (
            &kith_proto_channel_row_table, rows->items [i].value, &(*answer_p)->arena);
        if (!channel || channel->collection != row->id || channels == row->channels_count)
            continue;
        channels++;
        channel->dropped = true;
        kith_txn_compare (txn, rows->items [i].key, rows->items [i].revision);
        kith_txn_put (txn, rows->items [i].key, &kith_proto_channel_row_table, channel);
    }
    kith_meta_call (ctx, &txn, s_committed, NULL);
}

static void
s_drop (kith_root_t *self, kith_ctx_t *ctx)
{
    const kith_proto_collection_drop_t *drop = self->task->body;
    kith_root_entry_t *entry =
        s_entry_or_refuse (self, ctx, &self->task, drop->db, drop->name, 0);
    if (!entry)
        return;
    kith_keep (&self->change, &kith_proto_collection_table, entry->row.row);
    kith_meta_scan (ctx, "channel/", s_drop_rows, NULL);
}

//  Changes of one row

void
kith_root_put_change (kith_root_t *self, kith_ctx_t *ctx, kith_root_entry_t *entry,
                      const kith_proto_collection_t *row)
{
    kith_keep (&self->change, &kith_proto_collection_table, row);
    const kith_key_t key = kith_key_collection (row->id);
    kith_msg_t *txn = s_txn (self, 1, 1);
    kith_txn_compare (txn, key.text, entry->revision);
    kith_txn_put (txn, key.text, &kith_proto_collection_table, row);
    kith_meta_call (ctx, &txn, s_committed, NULL);
}

static const kith_proto_field_t *
s_vector_field (const kith_proto_collection_t *row, const char *name, kith_error_t *error)
{
    kith_schema_t *schema = kith_schema_of (row, error);
    const kith_field_t *field = schema ? kith_schema_vector (schema, name, error) : NULL;
    const kith_proto_field_t *found = NULL;
    for (uint32_t i = 0; field && i < row->fields_count; i++)
        if (row->fields [i].id == field->id)
            found = &row->fields [i];
    kith_schema_destroy (&schema);
    return found;
}

static int
s_check_index (const kith_proto_collection_t *row, uint32_t field,
               kith_proto_index_spec_t *spec, kith_error_t *error)
{
    kith_schema_t *schema = kith_schema_of (row, error);
    int rc = schema
                 ? kith_index_spec_check (spec, kith_schema_by_id (schema, field), error)
                 : -1;
    kith_schema_destroy (&schema);
    return rc;
}

static int
s_index_change (kith_root_t *self, kith_proto_collection_t *row, kith_arena_t *arena,
                kith_error_t *error)
{
    const bool drop = self->task->kind == KITH_KIND_INDEX_DROP;
    const kith_proto_index_create_t *create = self->task->body;
    const kith_proto_index_drop_t *dropping = self->task->body;
    const kith_proto_field_t *field =
        s_vector_field (row, drop ? dropping->field : create->field, error);
    if (!field)
        return -1;
    kith_proto_index_spec_t *indexes =
        kith_arena_alloc (arena, (row->indexes_count + 1) * sizeof *indexes);
    uint32_t count = 0;
    for (uint32_t i = 0; i < row->indexes_count; i++)
        if (row->indexes [i].field != field->id)
            indexes [count++] = row->indexes [i];
    if (drop && count == row->indexes_count)
        return kith_error_set (error, KITH_ERR_INDEX_NOT_FOUND,
                               "field '%s' of %s has no index", field->name, row->name);
    if (!drop) {
        if (count == KITH_INDEXES_MAX)
            return kith_error_set (error, KITH_ERR_LIMIT,
                                   "%u fields of %s have an index, more are not allowed",
                                   count, row->name);
        indexes [count] = create->spec;
        if (s_check_index (row, field->id, &indexes [count++], error))
            return -1;
    }
    row->indexes = indexes;
    row->indexes_count = count;
    return 0;
}

static void
s_change (kith_root_t *self, kith_ctx_t *ctx, const char *db, const char *name)
{
    kith_root_entry_t *entry = s_entry_or_refuse (self, ctx, &self->task, db, name, 0);
    if (!entry)
        return;
    kith_proto_collection_t row = *(const kith_proto_collection_t *) entry->row.row;
    kith_arena_t arena = {0};
    kith_error_t error;
    int rc = 0;
    const kith_kind_t kind = self->task->kind;
    if (kind == KITH_KIND_INDEX_CREATE || kind == KITH_KIND_INDEX_DROP)
        rc = s_index_change (self, &row, &arena, &error);
    else if (kind == KITH_KIND_COLLECTION_LOAD) {
        const kith_proto_collection_load_t *load = self->task->body;
        row.loaded = !load->release;
        if (load->replicas > 1)
            rc = kith_error_set (&error, KITH_ERR_UNSUPPORTED,
                                 "more than one replica is not there yet");
    }
    else if (kind == KITH_KIND_PARTITION_CREATE)
        rc = kith_root_partition_create (self, &row, &arena, &error);
    else if (kith_root_dropping_again (self, ctx, entry->row.row))
        return;
    else
        rc = kith_root_partition_drop (self, &row, &arena, &error);
    if (rc)
        s_task_fail (self, ctx, &error);
    else
        kith_root_put_change (self, ctx, entry, &row);
    kith_arena_free (&arena);
}

static void
s_run (kith_root_t *self, kith_ctx_t *ctx)
{
    const kith_msg_t *task = self->task;
    if (task->kind == KITH_KIND_COLLECTION_CREATE)
        s_create (self, ctx);
    else if (task->kind == KITH_KIND_COLLECTION_DROP)
        s_drop (self, ctx);
    else if (task->kind == KITH_KIND_INDEX_CREATE) {
        const kith_proto_index_create_t *create = task->body;
        s_change (self, ctx, create->db, create->collection);
    }
    else if (task->kind == KITH_KIND_INDEX_DROP) {
        const kith_proto_index_drop_t *drop = task->body;
        s_change (self, ctx, drop->db, drop->collection);
    }
    else if (task->kind == KITH_KIND_COLLECTION_LOAD) {
        const kith_proto_collection_load_t *load = task->body;
        s_change (self, ctx, load->db, load->name);
    }
    else if (task->kind == KITH_KIND_PARTITION_CREATE) {
        const kith_proto_partition_create_t *create = task->body;
        s_change (self, ctx, create->db, create->collection);
    }
    else {
        const kith_proto_partition_drop_t *drop = task->body;
        s_change (self, ctx, drop->db, drop->collection);
    }
}

//  A task whose asker has stopped waiting is not begun: it would be done long after others that were asked for later
static bool
s_is_late (kith_root_t *self, kith_ctx_t *ctx)
{
    const int64_t deadline_us = self->task->deadline_us;
    if (!deadline_us || kith_ctx_now_us (ctx) < deadline_us)
        return false;
    kith_refuse (ctx, &self->task, KITH_ERR_BUSY,
                 "its time was over before its turn came; nothing was done");
    return true;
}

void
kith_root_next (kith_root_t *self, kith_ctx_t *ctx)
{
    while (!self->task && self->ready && self->queue.count) {
        self->task = kith_park_take (&self->queue, 0);
        if (!s_is_late (self, ctx))
            s_run (self, ctx);
    }
}

//  Questions

static int
s_by_name (const void *a, const void *b)
{
    const kith_proto_collection_info_t *x = a, *y = b;
    return strcmp (x->definition.name, y->definition.name);
}

static void
s_list (kith_root_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_COLLECTION_LISTED);
    kith_proto_collection_listed_t *listed = answer->body;
    listed->collections = kith_arena_alloc (
        &answer->arena, (self->entry_count + 1) * sizeof *listed->collections);
    for (uint32_t i = 0; i < self->entry_count; i++)
        listed->collections [listed->collections_count++].definition =
            *(const kith_proto_collection_t *) kith_codec_copy (
                &kith_proto_collection_table, self->entries [i].row.row, &answer->arena);
    qsort (listed->collections, listed->collections_count, sizeof *listed->collections,
           s_by_name);
    kith_ctx_reply (ctx, msg_p, &answer);
}

static void
s_describe (kith_root_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_collection_describe_t *ask = (*msg_p)->body;
    const kith_root_entry_t *entry =
        s_entry_or_refuse (self, ctx, msg_p, ask->db, ask->name, ask->id);
    if (!entry)
        return;
    kith_msg_t *answer = kith_msg_new (KITH_KIND_COLLECTION_DESCRIBED);
    kith_proto_collection_described_t *described = answer->body;
    described->info.definition = *(const kith_proto_collection_t *) kith_codec_copy (
        &kith_proto_collection_table, entry->row.row, &answer->arena);
    kith_ctx_reply (ctx, msg_p, &answer);
}

static void
s_topology_get (kith_root_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_TOPOLOGY);
    kith_proto_topology_t *topology = answer->body;
    topology->version = self->topology_version;
    topology->text = kith_arena_strdup (&answer->arena,
                                        self->topology_text ? self->topology_text : "");
    kith_ctx_reply (ctx, msg_p, &answer);
}

static void
s_handle (void *arg_self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_root_t *self = arg_self;
    const kith_kind_t kind = (*msg_p)->kind;
    const bool question = kind == KITH_KIND_COLLECTION_LIST
                          || kind == KITH_KIND_COLLECTION_DESCRIBE
                          || kind == KITH_KIND_TOPOLOGY_GET;
    const bool task =
        kind == KITH_KIND_COLLECTION_CREATE || kind == KITH_KIND_COLLECTION_DROP
        || kind == KITH_KIND_INDEX_CREATE || kind == KITH_KIND_INDEX_DROP
        || kind == KITH_KIND_COLLECTION_LOAD || kind == KITH_KIND_PARTITION_CREATE
        || kind == KITH_KIND_PARTITION_DROP;
    if (!question && !task)
        kith_refuse (ctx, msg_p, KITH_ERR_UNSUPPORTED, "root_coord does not know '%s'",
                     kith_kind_name (kind));
    else if (self->queue.count >= KITH_WORK_MAX)
        kith_refuse (ctx, msg_p, KITH_ERR_BUSY, "%u tasks wait for root_coord",
                     self->queue.count);
    else if (task || !self->ready) {
        kith_park_add (&self->queue, msg_p);
        kith_root_next (self, ctx);
    }
    else if (kind == KITH_KIND_COLLECTION_LIST)
        s_list (self, ctx, msg_p);
    else if (kind == KITH_KIND_COLLECTION_DESCRIBE)
        s_describe (self, ctx, msg_p);
    else
        s_topology_get (self, ctx, msg_p);
}

//  Start: the lease, the catalog, the counter, the topology

static void
s_begin (kith_root_t *self, kith_ctx_t *ctx)
{
    self->ready = true;
    kith_park_t queue = self->queue;
    memset (&self->queue, 0, sizeof self->queue);
    for (uint32_t i = 0; i < queue.count; i++)
        s_handle (self, ctx, &queue.items [i]);
    free (queue.items);
    kith_root_dropping_queue (self, ctx);
}

static void
s_topology_put (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
                void *arg)
{
    (void) answer_p;
    (void) arg;
    if (end != KITH_END_STOPPED)
        s_begin (arg_self, ctx);
}

static void s_scanned (void *arg_self, kith_ctx_t *ctx, kith_end_t end,
                       kith_msg_t **answer_p, void *arg);

static void
s_take_topology (kith_root_t *self, kith_ctx_t *ctx, const kith_proto_kv_rows_t *rows,
                 kith_arena_t *arena)
{
    const kith_proto_topology_row_t *row =
        rows->items_count
            ? kith_row_read (&kith_proto_topology_row_table, rows->items [0].value, arena)
            : NULL;
    self->topology_version = row ? row->version : 1;
    free (self->topology_text);
    self->topology_text =
        kith_strdup (row ? row->text : kith_ctx_cluster (ctx)->topology);
    if (row) {
        if (strcmp (row->text, kith_ctx_cluster (ctx)->topology) != 0)
            kith_ctx_log (ctx, 'w',
                          "the configuration file differs from topology %" PRIu64
                          ", which was committed",
                          row->version);
        s_begin (self, ctx);
        return;
    }
    const kith_proto_topology_row_t first = {.version = 1, .text = self->topology_text};
    kith_msg_t *txn = s_txn (self, 1, 1);
    kith_txn_compare (txn, "topology/current", 0);
    kith_txn_put (txn, "topology/current", &kith_proto_topology_row_table, &first);
    kith_meta_call (ctx, &txn, s_topology_put, NULL);
}

//  Scanned one after the other
static const char *const s_prefixes [] = {"collection/", KITH_KEY_IDS,
                                          "topology/current"};

static void
s_scanned (void *arg_self, kith_ctx_t *ctx, kith_end_t end, kith_msg_t **answer_p,
           void *arg)
{
    kith_root_t *self = arg_self;
    (void) arg;
    if (end == KITH_END_STOPPED)
        return;
    if (end != KITH_END_OK) {
        kith_error_t error;
        kith_end_error (end, *answer_p, &error);
        kith_ctx_exit (ctx, &error);
        return;
    }
    const kith_proto_kv_rows_t *rows = (*answer_p)->body;
    kith_arena_t *arena = &(*answer_p)->arena;
    const uint32_t which = self->scanned++;
    if (which == 2) {
        s_take_topology (self, ctx, rows, arena);
        return;
    }
    for (uint32_t i = 0; i < rows->items_count; i++) {
        const kith_proto_kv_item_t *item = &rows->items [i];
        if (which == 0) {
            const kith_proto_collection_t *row =
                kith_row_read (&kith_proto_collection_table, item->value, arena);
            if (row)
                s_put_entry (self, row, item->revision);
        }
        else {
            const kith_proto_counter_row_t *row =
                kith_row_read (&kith_proto_counter_row_table, item->value, arena);
            self->next_id = row ? row->next : 1;
            self->counter_revision = item->revision;
        }
    }
    kith_meta_scan (ctx, s_prefixes [which + 1], s_scanned, NULL);
}

static void
s_leased (void *arg_self, kith_ctx_t *ctx)
{
    kith_root_t *self = arg_self;
    self->scanned = 0;
    kith_meta_scan (ctx, s_prefixes [0], s_scanned, NULL);
}

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) config;
    kith_root_t *self = kith_new (sizeof *self);
    self->next_id = 1;
    self->lease = (kith_lease_t){.role = KITH_ROLE_ROOT_COORD, .ready = s_leased};
    kith_lease_take (ctx, &self->lease);
    return self;
}

static void
s_timeout (void *arg_self, kith_ctx_t *ctx, int tag)
{
    kith_root_t *self = arg_self;
    if (tag == KITH_TAG_LEASE)
        kith_lease_take (ctx, &self->lease);
    else if (tag == KITH_ROOT_DROPPING) {
        self->dropping_timer = false;
        kith_root_dropping_queue (self, ctx);
    }
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    kith_root_t *self = *self_p;
    for (uint32_t i = 0; i < self->entry_count; i++)
        kith_kept_free (&self->entries [i].row);
    free (self->entries);
    free (self->topology_text);
    kith_park_free (&self->queue);
    kith_msg_destroy (&self->task);
    kith_kept_free (&self->change);
    free (self);
    *self_p = NULL;
}

const kith_behaviour_t kith_root_coord = {
    .name = "root_coord",
    .role = KITH_ROLE_ROOT_COORD,
    .init = s_init,
    .handle = s_handle,
    .timeout = s_timeout,
    .stop = s_stop,
};
