//  kv_rocks_db.c - a RocksDB directory as checked entries
//  SPDX-License-Identifier: Apache-2.0
#include "storage/kv_rocks_db.h"

#include "base/crc32c.h"
#include "base/random.h"

#include <rocksdb/c.h>

#define ENTRY_HEADER 12u
#define STATE_MAGIC 0x5356534bu    //  "KSVS"
#define STATE_BYTES 48u

static const char s_state_key [] = "!store";

struct kith_rocks {
    char *path;    //  for messages
    rocksdb_t *db;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
    char key [KITH_KV_KEY_MAX + 1];    //  of the entry that a scan shows
};

//  --- what RocksDB says ---------------------------------------------------------------------------------

static bool
s_has (const char *text, const char *part)
{
    return strstr (text, part) != NULL;
}

//  RocksDB's C interface tells errors as text only; its beginnings are the names of its status codes.
static kith_code_t
s_code_of (const char *reason)
{
    if (s_has (reason, "No space left") || s_has (reason, "Disk quota"))
        return KITH_ERR_NO_SPACE;
    if (s_has (reason, "lock hold by current process")
        || (s_has (reason, "While lock file")
            && s_has (reason, "temporarily unavailable")))
        return KITH_ERR_LOCKED;
    if (strncmp (reason, "IO error", 8) == 0 && !s_has (reason, "No such file"))
        return KITH_ERR_IO;
    return KITH_ERR_CORRUPT;
}

//  Reports and frees RocksDB's reason; -1
static int
s_refuse (const char *path, char *reason, const char *what, kith_error_t *error)
{
    kith_code_t code = s_code_of (reason);
    kith_error_set (error, code, "metadata store %s cannot be %s: RocksDB says: %s", path,
                    what, reason);
    if (code == KITH_ERR_LOCKED)
        kith_error_hint (error, "stop the process that uses %s", path);
    rocksdb_free (reason);
    return -1;
}

//  --- opening -------------------------------------------------------------------------------------------

//  Metadata are a few megabytes: small buffers, few threads, none of the periodic tasks (an idle server
//  must cost nothing), no compression (nothing to gain, one thing less to go wrong).
static rocksdb_options_t *
s_options_new (kith_rocks_mode_t mode)
{
    rocksdb_options_t *options = rocksdb_options_create ();
    rocksdb_options_set_create_if_missing (options, mode == KITH_ROCKS_CREATE);
    rocksdb_options_set_paranoid_checks (options, 1);
    rocksdb_options_set_wal_recovery_mode (options, rocksdb_point_in_time_recovery);
    rocksdb_options_set_compression (options, rocksdb_no_compression);
    rocksdb_options_set_write_buffer_size (options, 1u << 20);
    rocksdb_options_set_max_write_buffer_number (options, 2);
    rocksdb_options_set_arena_block_size (options, 64u << 10);
    rocksdb_options_set_manifest_preallocation_size (options, 64u << 10);
    rocksdb_options_set_max_manifest_file_size (options, 4u << 20);
    rocksdb_options_set_max_background_jobs (options, 2);
    rocksdb_options_set_max_open_files (options, 64);
    rocksdb_options_set_max_file_opening_threads (options, 1);
    rocksdb_options_set_table_cache_numshardbits (options, 1);
    rocksdb_options_set_allow_concurrent_memtable_write (options, 0);
    rocksdb_options_set_enable_write_thread_adaptive_yield (options, 0);
    rocksdb_options_set_stats_dump_period_sec (options, 0);
    rocksdb_options_set_stats_persist_period_sec (options, 0);
    rocksdb_options_set_skip_stats_update_on_db_open (options, 1);
    rocksdb_options_set_info_log_level (options, 3);
    rocksdb_options_set_keep_log_file_num (options, 1);
    rocksdb_options_set_max_log_file_size (options, 64u << 10);

    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create ();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru (1u << 20);
    rocksdb_block_based_options_set_block_cache (table, cache);
    rocksdb_options_set_block_based_table_factory (options, table);
    rocksdb_cache_destroy (cache);
    rocksdb_block_based_options_destroy (table);
    return options;
}

kith_rocks_t *
kith_rocks_open (const char *path, kith_rocks_mode_t mode, kith_error_t *error)
{
    rocksdb_options_t *options = s_options_new (mode);
    char *reason = NULL;
    rocksdb_t *db = mode == KITH_ROCKS_READ
                        ? rocksdb_open_for_read_only (options, path, 0, &reason)
                        : rocksdb_open (options, path, &reason);
    rocksdb_options_destroy (options);
    if (reason) {
        s_refuse (path, reason, "opened", error);
        return NULL;
    }
    kith_rocks_t *self = kith_new (sizeof *self);
    self->path = kith_strdup (path);
    self->db = db;
    self->read = rocksdb_readoptions_create ();
    rocksdb_readoptions_set_verify_checksums (self->read, 1);
    self->write = rocksdb_writeoptions_create ();
    rocksdb_writeoptions_set_sync (self->write, 1);
    return self;
}

void
kith_rocks_destroy (kith_rocks_t **self_p)
{
    assert (self_p);
    kith_rocks_t *self = *self_p;
    if (!self)
        return;
    rocksdb_readoptions_destroy (self->read);
    rocksdb_writeoptions_destroy (self->write);
    rocksdb_close (self->db);
    free (self->path);
    free (self);
    *self_p = NULL;
}

//  --- entries -------------------------------------------------------------------------------------------

static uint32_t
s_entry_crc (const char *key, uint64_t revision, const void *value, size_t size)
{
    uint32_t crc = kith_crc32c (0, key, strlen (key) + 1);
    crc = kith_crc32c (crc, &revision, sizeof revision);
    return size ? kith_crc32c (crc, value, size) : crc;
}

static uint64_t
s_entry_hash (const char *key, uint64_t revision, uint32_t crc)
{
    uint64_t hash = kith_hash64 (key, strlen (key));
    return kith_mix64 (kith_mix64 (hash ^ kith_mix64 (revision)) + crc);
}

uint64_t
kith_rocks_hash (const char *key, uint64_t revision, const void *value, size_t size)
{
    return s_entry_hash (key, revision, s_entry_crc (key, revision, value, size));
}

//  Checks the stored bytes of an entry; key is text already
static int
s_entry_open (const kith_rocks_t *self, const char *key, const void *stored, size_t size,
              kith_rocks_entry_t *entry, kith_error_t *error)
{
    const uint8_t *bytes = stored;
    if (size < ENTRY_HEADER)
        return kith_error_set (
            error, KITH_ERR_CORRUPT,
            "metadata store %s: key '%.255s' has %zu bytes, fewer than any "
            "entry",
            self->path, key, size);
    *entry = (kith_rocks_entry_t){.key = key,
                                  .value = bytes + ENTRY_HEADER,
                                  .size = size - ENTRY_HEADER,
                                  .revision = kith_get_u64 (bytes)};
    uint32_t crc = s_entry_crc (key, entry->revision, entry->value, entry->size);
    if (crc != kith_get_u32 (bytes + 8))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "metadata store %s: key '%.255s' fails its checksum",
                               self->path, key);
    entry->hash = s_entry_hash (key, entry->revision, crc);
    return 0;
}

int
kith_rocks_get (kith_rocks_t *self, const char *key, kith_bytes_t *out,
                kith_rocks_entry_t *entry, bool *found, kith_error_t *error)
{
    char *reason = NULL;
    rocksdb_pinnableslice_t *pin =
        rocksdb_get_pinned (self->db, self->read, key, strlen (key), &reason);
    *found = false;
    if (reason)
        return s_refuse (self->path, reason, "read", error);
    if (!pin)
        return 0;
    size_t size = 0;
    const char *stored = rocksdb_pinnableslice_value (pin, &size);
    int rc = s_entry_open (self, key, stored, size, entry, error);
    if (rc == 0) {
        *found = true;
        if (out && entry->size)
            kith_bytes_put (out, entry->value, entry->size);
        entry->value = NULL;
    }
    rocksdb_pinnableslice_destroy (pin);
    return rc;
}

//  Copies a key of RocksDB to self->key; false: it cannot be one of ours
static bool
s_key_take (kith_rocks_t *self, const char *key, size_t length)
{
    if (length > KITH_KV_KEY_MAX)
        return false;
    memcpy (self->key, key, length);
    self->key [length] = 0;
    return strlen (self->key) == length && kith_kv_key_valid (self->key);
}

//  Opens the entry that a scan has come to; *done: it is beyond the prefix
static int
s_each_step (kith_rocks_t *self, const rocksdb_iterator_t *at, const char *prefix,
             kith_rocks_entry_t *entry, bool *done, kith_error_t *error)
{
    size_t key_length = 0;
    size_t size = 0;
    const char *key = rocksdb_iter_key (at, &key_length);
    size_t length = strlen (prefix);
    *done = key_length < length || memcmp (key, prefix, length) != 0;
    if (*done)
        return 0;
    if (!s_key_take (self, key, key_length))
        return kith_error_set (
            error, KITH_ERR_CORRUPT,
            "metadata store %s has a key of %zu bytes that no version writes", self->path,
            key_length);
    const char *stored = rocksdb_iter_value (at, &size);
    return s_entry_open (self, self->key, stored, size, entry, error);
}

int
kith_rocks_each (kith_rocks_t *self, const char *prefix, kith_rocks_each_fn *fn,
                 void *arg, kith_error_t *error)
{
    //  The state's key comes first ('!' is below every letter of a user key); '"' follows '!'
    const char *from = prefix [0] ? prefix : "\"";
    rocksdb_iterator_t *at = rocksdb_create_iterator (self->db, self->read);
    rocksdb_iter_seek (at, from, strlen (from));
    int rc = 0;
    while (rc == 0 && rocksdb_iter_valid (at)) {
        kith_rocks_entry_t entry;
        bool done;
        rc = s_each_step (self, at, prefix, &entry, &done, error);
        if (rc || done)
            break;
        fn (arg, &entry);
        rocksdb_iter_next (at);
    }
    //  An iterator that met damage says "not valid", like one at the end
    char *reason = NULL;
    rocksdb_iter_get_error (at, &reason);
    rocksdb_iter_destroy (at);
    return reason ? s_refuse (self->path, reason, "read", error) : rc;
}

//  --- state ---------------------------------------------------------------------------------------------

//       0  u32 magic    4  u32 version    8  u64 id    16  u64 revision    24  u64 count
//      32  u64 sum     40  u32 zero      44  u32 CRC32C of bytes 0..43
//  In every version magic and version come first and the CRC of all before it last.
static void
s_state_put (uint8_t *bytes, const kith_rocks_state_t *state)
{
    memset (bytes, 0, STATE_BYTES);
    kith_put_u32 (bytes, STATE_MAGIC);
    kith_put_u32 (bytes + 4, state->version);
    kith_put_u64 (bytes + 8, state->id);
    kith_put_u64 (bytes + 16, state->revision);
    kith_put_u64 (bytes + 24, state->count);
    kith_put_u64 (bytes + 32, state->sum);
    kith_put_u32 (bytes + 44, kith_crc32c (0, bytes, 44));
}

static int
s_state_open (const kith_rocks_t *self, const char *stored, size_t size,
              kith_rocks_state_t *state, kith_error_t *error)
{
    bool sound = size >= 12 && kith_get_u32 (stored) == STATE_MAGIC
                 && kith_get_u32 (stored + size - 4) == kith_crc32c (0, stored, size - 4);
    uint32_t version = sound ? kith_get_u32 (stored + 4) : 0;
    if (sound && version != KITH_ROCKS_VERSION)
        return kith_error_set (
            error, KITH_ERR_VERSION,
            "metadata store %s has format %u, this version of Kith reads %u", self->path,
            version, KITH_ROCKS_VERSION);
    if (!sound || size != STATE_BYTES)
        return kith_error_set (
            error, KITH_ERR_CORRUPT,
            "metadata store %s: its state record of %zu bytes fails its check",
            self->path, size);
    *state = (kith_rocks_state_t){.version = version,
                                  .id = kith_get_u64 (stored + 8),
                                  .revision = kith_get_u64 (stored + 16),
                                  .count = kith_get_u64 (stored + 24),
                                  .sum = kith_get_u64 (stored + 32)};
    return 0;
}

int
kith_rocks_state (kith_rocks_t *self, kith_rocks_state_t *state, bool *found,
                  kith_error_t *error)
{
    char *reason = NULL;
    rocksdb_pinnableslice_t *pin = rocksdb_get_pinned (self->db, self->read, s_state_key,
                                                       sizeof s_state_key - 1, &reason);
    *found = pin != NULL;
    if (reason)
        return s_refuse (self->path, reason, "read", error);
    if (!pin)
        return 0;
    size_t size = 0;
    const char *stored = rocksdb_pinnableslice_value (pin, &size);
    int rc = s_state_open (self, stored, size, state, error);
    rocksdb_pinnableslice_destroy (pin);
    return rc;
}

//  --- writing -------------------------------------------------------------------------------------------

static void
s_batch_change (rocksdb_writebatch_t *batch, const kith_kv_change_t *change,
                uint64_t revision)
{
    size_t length = strlen (change->key);
    if (!change->value) {
        rocksdb_writebatch_delete (batch, change->key, length);
        return;
    }
    char header [ENTRY_HEADER];
    kith_put_u64 (header, revision);
    kith_put_u32 (header + 8,
                  s_entry_crc (change->key, revision, change->value, change->size));
    const char *keys [1] = {change->key};
    const size_t key_sizes [1] = {length};
    const char *values [2] = {header, change->value};
    const size_t value_sizes [2] = {sizeof header, change->size};
    rocksdb_writebatch_putv (batch, 1, keys, key_sizes, 2, values, value_sizes);
}

int
kith_rocks_write (kith_rocks_t *self, const kith_rocks_state_t *state,
                  const kith_kv_change_t *changes, size_t count, kith_error_t *error)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create ();
    for (size_t index = 0; index < count; index++)
        s_batch_change (batch, &changes [index], state->revision);
    uint8_t bytes [STATE_BYTES];
    s_state_put (bytes, state);
    rocksdb_writebatch_put (batch, s_state_key, sizeof s_state_key - 1,
                            (const char *) bytes, sizeof bytes);
    char *reason = NULL;
    rocksdb_write (self->db, self->write, batch, &reason);
    rocksdb_writebatch_destroy (batch);
    return reason ? s_refuse (self->path, reason, "written", error) : 0;
}
