//  meta.c - the metadata store's only door: one call of the kv port at a time, leases of nodes
//  SPDX-License-Identifier: Apache-2.0
#include "actors/common.h"
#include "actors/roles.h"

#define TAG_LEASES 1
#define LEASES_EVERY_US 1000000
#define LEASE_TTL_US 10000000    //  of leases found at start

typedef struct {
    char key [KITH_KEY_MAX];
    uint64_t revision;    //  of the row as it was put
    uint8_t *value;       //  own copy
    uint32_t value_bytes;
    int64_t ttl_us;
    int64_t ends_us;
} lease_t;

typedef struct {
    kith_kv_t *kv;
    kith_park_t queue;    //  requests that wait for the store
    bool busy;            //  a call of the store is under way
    bool ready;           //  the cluster's id is known
    lease_t *leases;
    uint32_t lease_count;
    uint32_t lease_capacity;
} meta_t;

//  One call of the store: request in, answer or error out. It owns both.
typedef struct {
    kith_kv_t *kv;
    kith_msg_t *request;
    kith_msg_t *answer;
    kith_error_t error;
    uint64_t id;    //  START: cluster id to put if there is none; then the one that is
} op_t;

static void s_next (meta_t *self, kith_ctx_t *ctx);

//  On the worker

static int
s_work_get (op_t *op)
{
    const kith_proto_kv_get_t *get = op->request->body;
    op->answer = kith_msg_new (KITH_KIND_KV_VALUE);
    kith_proto_kv_value_t *value = op->answer->body;
    kith_bytes_t bytes = {0};
    const int rc = op->kv->get (op->kv, get->key, &bytes, &value->revision, &op->error);
    value->value.data = kith_arena_copy (&op->answer->arena, bytes.data, bytes.size);
    value->value.size = (uint32_t) bytes.size;
    kith_bytes_free (&bytes);
    return rc;
}

typedef struct {
    kith_arena_t *arena;
    kith_proto_kv_item_t *items;
    uint32_t count;
    uint32_t capacity;
} scanned_t;

static void
s_scanned (void *arg, const char *key, const void *value, size_t size, uint64_t revision)
{
    scanned_t *scanned = arg;
    scanned->items = kith_grow (scanned->items, scanned->count, &scanned->capacity,
                                sizeof *scanned->items);
    scanned->items [scanned->count++] = (kith_proto_kv_item_t){
        .key = kith_arena_strdup (scanned->arena, key),
        .value = {.data = kith_arena_copy (scanned->arena, value, size),
                  .size = (uint32_t) size},
        .revision = revision};
}

static int
s_work_scan (op_t *op)
{
    const kith_proto_kv_scan_t *scan = op->request->body;
    op->answer = kith_msg_new (KITH_KIND_KV_ROWS);
    kith_proto_kv_rows_t *rows = op->answer->body;
    scanned_t scanned = {.arena = &op->answer->arena};
    const int rc = op->kv->scan (op->kv, scan->prefix, s_scanned, &scanned, &op->error);
    rows->items = kith_arena_copy (&op->answer->arena, scanned.items,
                                   scanned.count * sizeof *scanned.items);
    rows->items_count = scanned.count;
    free (scanned.items);
    return rc;
}

static int
s_work_txn (op_t *op)
{
    const kith_proto_kv_txn_t *txn = op->request->body;
    kith_arena_t *arena = &op->request->arena;
    kith_kv_compare_t *compares =
        kith_arena_alloc (arena, txn->compares_count * sizeof *compares);
    kith_kv_change_t *changes =
        kith_arena_alloc (arena, txn->changes_count * sizeof *changes);
    for (uint32_t i = 0; i < txn->compares_count; i++)
        compares [i] =
            (kith_kv_compare_t){txn->compares [i].key, txn->compares [i].revision};
    for (uint32_t i = 0; i < txn->changes_count; i++) {
        const kith_proto_kv_change_t *change = &txn->changes [i];
        changes [i] = (kith_kv_change_t){
            change->key, change->remove ? NULL : (const void *) change->value.data,
            change->value.size};
    }
    op->answer = kith_msg_new (KITH_KIND_KV_DONE);
    kith_proto_kv_done_t *done = op->answer->body;
    return op->kv->txn (op->kv, compares, txn->compares_count, changes,
                        txn->changes_count, &done->committed, &done->revision,
                        &op->error);
}

static int
s_work_lease_put (op_t *op)
{
    const kith_proto_lease_put_t *put = op->request->body;
    const kith_kv_change_t change = {put->key, put->value.data, put->value.size};
    op->answer = kith_msg_new (KITH_KIND_KV_DONE);
    kith_proto_kv_done_t *done = op->answer->body;
    //  A put that comes twice keeps the row's revision: who was answered first compares it
    kith_bytes_t present = {0};
    int rc = op->kv->get (op->kv, put->key, &present, &done->revision, &op->error);
    done->committed = !rc && done->revision && present.size == put->value.size
                      && !memcmp (present.data, put->value.data, present.size);
    kith_bytes_free (&present);
    if (rc || done->committed)
        return rc;
    return op->kv->txn (op->kv, NULL, 0, &change, 1, &done->committed, &done->revision,
                        &op->error);
}

static void
s_work (void *arg)
{
    op_t *op = arg;
    int rc = -1;
    if (op->request->kind == KITH_KIND_KV_GET)
        rc = s_work_get (op);
    else if (op->request->kind == KITH_KIND_KV_SCAN)
        rc = s_work_scan (op);
    else if (op->request->kind == KITH_KIND_KV_TXN)
        rc = s_work_txn (op);
    else
        rc = s_work_lease_put (op);
    if (rc)
        kith_msg_destroy (&op->answer);
}

//  T0, and the leases that an earlier life of this role granted
static void
s_work_start (void *arg)
{
    op_t *op = arg;
    kith_bytes_t bytes = {0};
    uint64_t revision = 0;
    if (op->kv->get (op->kv, "cluster/id", &bytes, &revision, &op->error))
        return;
    if (revision && bytes.size == 8)
        op->id = kith_get_u64 (bytes.data);
    else {
        const kith_kv_compare_t compare = {"cluster/id", 0};
        const kith_kv_change_t change = {"cluster/id", &op->id, sizeof op->id};
        bool committed = false;
        if (op->kv->txn (op->kv, &compare, 1, &change, 1, &committed, &revision,
                         &op->error)) {
            kith_bytes_free (&bytes);
            return;
        }
    }
    kith_bytes_free (&bytes);
    op->request = kith_msg_new (KITH_KIND_KV_SCAN);
    kith_proto_kv_scan_t *scan = op->request->body;
    scan->prefix = "node/";
    if (s_work_scan (op))
        kith_msg_destroy (&op->answer);
}

//  In the loop

static lease_t *
s_lease (meta_t *self, const char *key)
{
    for (uint32_t i = 0; i < self->lease_count; i++)
        if (!strcmp (self->leases [i].key, key))
            return &self->leases [i];
    return NULL;
}

static void
s_lease_keep (meta_t *self, kith_ctx_t *ctx, const char *key, kith_blob_t value,
              uint64_t revision, int64_t ttl_us)
{
    lease_t *lease = s_lease (self, key);
    if (!lease) {
        if (!self->lease_count)
            kith_ctx_after (ctx, LEASES_EVERY_US, TAG_LEASES);
        self->leases = kith_grow (self->leases, self->lease_count, &self->lease_capacity,
                                  sizeof *self->leases);
        lease = &self->leases [self->lease_count++];
        *lease = (lease_t){0};    //  the place may have held one that is gone
        snprintf (lease->key, sizeof lease->key, "%s", key);
    }
    free (lease->value);
    lease->value = kith_new (value.size + 1u);
    if (value.size)
        memcpy (lease->value, value.data, value.size);
    lease->value_bytes = value.size;
    lease->revision = revision;
    lease->ttl_us = ttl_us;
    lease->ends_us = kith_ctx_now_us (ctx) + ttl_us;
}

static void
s_lease_drop (meta_t *self, uint32_t index)
{
    free (self->leases [index].value);
    self->leases [index] = self->leases [--self->lease_count];
}

static void
s_done (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    meta_t *self = arg_self;
    op_t *op = arg;
    self->busy = false;
    if (!op->answer) {
        kith_ctx_log (ctx, 'e', "metadata store: %s", op->error.message);
        kith_ctx_fail (ctx, &op->request, &op->error);
        //  After an error the store answers nothing until it is opened again
        kith_ctx_exit (ctx, &op->error);
        free (op);
        return;
    }
    if (op->request->kind == KITH_KIND_LEASE_PUT) {
        const kith_proto_lease_put_t *put = op->request->body;
        const kith_proto_kv_done_t *done = op->answer->body;
        s_lease_keep (self, ctx, put->key, put->value, done->revision,
                      put->ttl_ms * 1000LL);
    }
    kith_ctx_reply (ctx, &op->request, &op->answer);
    free (op);
    s_next (self, ctx);
}

static void
s_started (void *arg_self, kith_ctx_t *ctx, void *arg)
{
    meta_t *self = arg_self;
    op_t *op = arg;
    self->busy = false;
    if (!op->answer)
        kith_ctx_exit (ctx, &op->error);
    else {
        kith_ctx_set_cluster_id (ctx, op->id);
        const kith_proto_kv_rows_t *rows = op->answer->body;
        for (uint32_t i = 0; i < rows->items_count; i++)
            s_lease_keep (self, ctx, rows->items [i].key, rows->items [i].value,
                          rows->items [i].revision, LEASE_TTL_US);
        self->ready = true;
        s_next (self, ctx);
    }
    kith_msg_destroy (&op->request);
    kith_msg_destroy (&op->answer);
    free (op);
}

static void
s_next (meta_t *self, kith_ctx_t *ctx)
{
    if (self->busy || !self->ready || !self->queue.count)
        return;
    op_t *op = kith_new (sizeof *op);
    op->kv = self->kv;
    op->request = kith_park_take (&self->queue, 0);
    if (kith_ctx_work (ctx, KITH_POOL_IO, s_work, s_done, op)) {
        kith_refuse (ctx, &op->request, KITH_ERR_BUSY,
                     "the metadata store has too many calls waiting");
        free (op);
        return;
    }
    self->busy = true;
}

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) config;
    kith_error_t error;
    kith_kv_t *kv = kith_ctx_kv (ctx, &error);
    if (!kv) {
        kith_ctx_exit (ctx, &error);
        return NULL;
    }
    meta_t *self = kith_new (sizeof *self);
    self->kv = kv;
    op_t *op = kith_new (sizeof *op);
    op->kv = kv;
    while (!op->id)
        op->id = kith_ctx_random (ctx);
    self->busy = true;
    if (kith_ctx_work (ctx, KITH_POOL_IO, s_work_start, s_started, op)) {
        kith_error_set (&error, KITH_ERR_BUSY, "no IO worker is free at start");
        kith_ctx_exit (ctx, &error);
        free (op);
    }
    return self;
}

static void
s_keep (meta_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    const kith_proto_lease_keep_t *keep = (*msg_p)->body;
    lease_t *lease = s_lease (self, keep->key);
    if (!lease || lease->value_bytes != keep->value.size
        || memcmp (lease->value, keep->value.data, keep->value.size) != 0) {
        kith_refuse (ctx, msg_p, KITH_ERR_NOT_FOUND, "the lease '%s' is gone", keep->key);
        return;
    }
    lease->ends_us = kith_ctx_now_us (ctx) + lease->ttl_us;
    kith_reply_ok (ctx, msg_p);
}

static void
s_handle (void *arg_self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    meta_t *self = arg_self;
    const kith_kind_t kind = (*msg_p)->kind;
    if (kind == KITH_KIND_LEASE_KEEP)
        s_keep (self, ctx, msg_p);
    else if (kind == KITH_KIND_KV_GET || kind == KITH_KIND_KV_SCAN
             || kind == KITH_KIND_KV_TXN || kind == KITH_KIND_LEASE_PUT) {
        if (self->queue.count >= KITH_WORK_MAX)
            kith_refuse (ctx, msg_p, KITH_ERR_BUSY,
                         "%u calls wait for the metadata store", self->queue.count);
        else {
            kith_park_add (&self->queue, msg_p);
            s_next (self, ctx);
        }
    }
    else
        kith_refuse (ctx, msg_p, KITH_ERR_UNSUPPORTED, "meta does not know '%s'",
                     kith_kind_name (kind));
}

//  Leases that ended: the row goes, compared by the revision it was put with
static void
s_timeout (void *arg_self, kith_ctx_t *ctx, int tag)
{
    meta_t *self = arg_self;
    assert (tag == TAG_LEASES);
    const int64_t now = kith_ctx_now_us (ctx);
    for (uint32_t i = self->lease_count; i--;) {
        const lease_t *lease = &self->leases [i];
        if (lease->ends_us > now)
            continue;
        kith_ctx_log (ctx, 'w', "lease ended: %s", lease->key);
        kith_msg_t *txn = kith_txn_new (1, 1);
        kith_txn_compare (txn, lease->key, lease->revision);
        kith_txn_remove (txn, lease->key);
        kith_park_add (&self->queue, &txn);
        s_lease_drop (self, i);
    }
    s_next (self, ctx);
    if (self->lease_count)
        kith_ctx_after (ctx, LEASES_EVERY_US, TAG_LEASES);
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    meta_t *self = *self_p;
    kith_park_free (&self->queue);
    for (uint32_t i = 0; i < self->lease_count; i++)
        free (self->leases [i].value);
    free (self->leases);
    free (self);
    *self_p = NULL;
}

const kith_behaviour_t kith_meta = {
    .name = "meta",
    .role = KITH_ROLE_META,
    .init = s_init,
    .handle = s_handle,
    .timeout = s_timeout,
    .stop = s_stop,
};
