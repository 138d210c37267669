//  kv_mem.c - the metadata port in memory, for tests and the simulator
//  SPDX-License-Identifier: Apache-2.0
#include "storage/kv.h"

typedef struct {
    char *key;
    uint8_t *value;
    size_t size;
    uint64_t revision;    //  of the transaction that put it
} s_entry_t;

//  What survives a crash: closing a handle leaves it as it is.
struct kith_kv_image {
    s_entry_t *entries;    //  in key order
    size_t count;
    size_t capacity;
    uint64_t revision;
    bool taken;    //  a handle is open
};

typedef struct {
    kith_kv_t port;    //  first: the port is the handle
    kith_kv_image_t *image;
    kith_kv_fault_fn *fault;    //  null: nothing fails
    void *arg;                  //  of fault
    bool dead;                  //  a transaction ended in an error
} s_mem_t;

kith_kv_image_t *
kith_kv_image_new (void)
{
    return kith_new (sizeof (kith_kv_image_t));
}

void
kith_kv_image_destroy (kith_kv_image_t **self_p)
{
    assert (self_p);
    kith_kv_image_t *self = *self_p;
    if (!self)
        return;
    assert (!self->taken);
    for (size_t index = 0; index < self->count; index++) {
        free (self->entries [index].key);
        free (self->entries [index].value);
    }
    free (self->entries);
    free (self);
    *self_p = NULL;
}

//  Place of the first key that is not below `key`
static size_t
s_image_place (const kith_kv_image_t *self, const char *key)
{
    size_t low = 0;
    size_t high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp (self->entries [middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static s_entry_t *
s_image_find (const kith_kv_image_t *self, const char *key)
{
    size_t place = s_image_place (self, key);
    if (place < self->count && strcmp (self->entries [place].key, key) == 0)
        return &self->entries [place];
    return NULL;
}

static void
s_image_delete (kith_kv_image_t *self, const char *key)
{
    s_entry_t *entry = s_image_find (self, key);
    if (!entry)
        return;
    size_t place = (size_t) (entry - self->entries);
    free (entry->key);
    free (entry->value);
    self->count--;
    memmove (entry, entry + 1, (self->count - place) * sizeof *entry);
}

//  An entry for the key, made if absent
static s_entry_t *
s_image_entry (kith_kv_image_t *self, const char *key)
{
    s_entry_t *found = s_image_find (self, key);
    if (found)
        return found;
    size_t place = s_image_place (self, key);
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? self->capacity * 2 : 16;
        s_entry_t *entries = kith_new (capacity * sizeof *entries);
        if (self->count)
            memcpy (entries, self->entries, self->count * sizeof *entries);
        free (self->entries);
        self->entries = entries;
        self->capacity = capacity;
    }
    s_entry_t *entry = &self->entries [place];
    memmove (entry + 1, entry, (self->count - place) * sizeof *entry);
    self->count++;
    *entry = (s_entry_t){.key = kith_strdup (key)};
    return entry;
}

static void
s_image_put (kith_kv_image_t *self, const kith_kv_change_t *change)
{
    s_entry_t *entry = s_image_entry (self, change->key);
    uint8_t *value = kith_new (change->size + 1);
    memcpy (value, change->value, change->size);
    free (entry->value);
    entry->value = value;
    entry->size = change->size;
    entry->revision = self->revision;
}

//  True if the next call is to fail; *applied: a transaction takes effect all the same.
static bool
s_mem_fault (s_mem_t *self, bool *applied)
{
    *applied = false;
    return self->fault && self->fault (self->arg, applied);
}

static int
s_mem_refuse (const s_mem_t *self, kith_error_t *error)
{
    if (!self->dead)
        return 0;
    return kith_error_set (
        error, KITH_ERR_IO,
        "the metadata store must be opened again after a failed transaction");
}

static int
s_mem_get (kith_kv_t *port, const char *key, kith_bytes_t *out, uint64_t *revision,
           kith_error_t *error)
{
    s_mem_t *self = (s_mem_t *) port;
    bool applied;
    if (s_mem_refuse (self, error))
        return -1;
    if (!kith_kv_key_valid (key))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "metadata key '%.64s' is not valid", key);
    if (s_mem_fault (self, &applied))
        return kith_error_set (error, KITH_ERR_IO, "metadata key '%s' cannot be read",
                               key);
    const s_entry_t *entry = s_image_find (self->image, key);
    if (entry && out)
        kith_bytes_put (out, entry->value, entry->size);
    if (revision)
        *revision = entry ? entry->revision : 0;
    return 0;
}

static int
s_mem_scan (kith_kv_t *port, const char *prefix, kith_kv_scan_fn *fn, void *arg,
            kith_error_t *error)
{
    s_mem_t *self = (s_mem_t *) port;
    const kith_kv_image_t *image = self->image;
    bool applied;
    if (s_mem_refuse (self, error))
        return -1;
    if (!kith_kv_prefix_valid (prefix))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "metadata prefix '%.64s' is not valid", prefix);
    if (s_mem_fault (self, &applied))
        return kith_error_set (error, KITH_ERR_IO, "metadata keys '%s' cannot be read",
                               prefix);
    size_t length = strlen (prefix);
    for (size_t place = s_image_place (image, prefix); place < image->count; place++) {
        const s_entry_t *entry = &image->entries [place];
        if (strncmp (entry->key, prefix, length) != 0)
            break;
        fn (arg, entry->key, entry->value, entry->size, entry->revision);
    }
    return 0;
}

static bool
s_mem_compares_hold (const s_mem_t *self, const kith_kv_compare_t *compares, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        const s_entry_t *entry = s_image_find (self->image, compares [index].key);
        if ((entry ? entry->revision : 0) != compares [index].revision)
            return false;
    }
    return true;
}

static void
s_mem_apply (s_mem_t *self, const kith_kv_change_t *changes, size_t count)
{
    self->image->revision++;
    for (size_t index = 0; index < count; index++) {
        if (changes [index].value)
            s_image_put (self->image, &changes [index]);
        else
            s_image_delete (self->image, changes [index].key);
    }
}

static int
s_mem_txn (kith_kv_t *port, const kith_kv_compare_t *compares, size_t compare_count,
           const kith_kv_change_t *changes, size_t change_count, bool *committed,
           uint64_t *revision, kith_error_t *error)
{
    s_mem_t *self = (s_mem_t *) port;
    if (s_mem_refuse (self, error)
        || kith_kv_txn_check (compares, compare_count, changes, change_count, error))
        return -1;
    bool applied;
    bool fails = s_mem_fault (self, &applied);
    bool holds = s_mem_compares_hold (self, compares, compare_count);
    if (holds && (!fails || applied))
        s_mem_apply (self, changes, change_count);
    if (fails) {
        self->dead = true;
        return kith_error_set (error, KITH_ERR_IO,
                               "the metadata transaction failed, its outcome is unknown");
    }
    *committed = holds;
    *revision = self->image->revision;
    return 0;
}

static void
s_mem_close (kith_kv_t **self_p)
{
    assert (self_p);
    s_mem_t *self = (s_mem_t *) *self_p;
    if (!self)
        return;
    self->image->taken = false;
    free (self);
    *self_p = NULL;
}

kith_kv_t *
kith_kv_mem_open (kith_kv_image_t *image, kith_kv_fault_fn *fault, void *arg,
                  kith_error_t *error)
{
    assert (image);
    if (image->taken) {
        kith_error_set (error, KITH_ERR_LOCKED, "the metadata store is open already");
        return NULL;
    }
    s_mem_t *self = kith_new (sizeof *self);
    self->port = (kith_kv_t){s_mem_get, s_mem_scan, s_mem_txn, s_mem_close};
    self->image = image;
    self->fault = fault;
    self->arg = arg;
    image->taken = true;
    return &self->port;
}
