//  kv_rocks_db.h - a RocksDB directory as checked entries; private to kv_rocks.c
//  SPDX-License-Identifier: Apache-2.0
//
//  An entry in RocksDB is the key's text and a value of
//
//       0  u64 revision    8  u32 CRC32C of key, revision and bytes    12  the bytes
//
//  and one more key, "!store", which no user key can be, holds the state of the store in 48 bytes.
//  docs/reference/metadata-store.md has both.
#ifndef KITH_KV_ROCKS_DB_H
#define KITH_KV_ROCKS_DB_H

#include "storage/kv.h"

#define KITH_ROCKS_VERSION 1u

//  State of the store, written in every batch. `sum` adds up a hash of every entry, so that one that is
//  missing, old or back from the dead shows although each entry that is there is sound.
typedef struct {
    uint32_t version;
    uint64_t id;    //  random, made with the store
    uint64_t revision;
    uint64_t count;    //  keys
    uint64_t sum;
} kith_rocks_state_t;

typedef struct {
    const char *key;
    const uint8_t *value;
    size_t size;
    uint64_t revision;
    uint64_t hash;    //  its part in the state's sum
} kith_rocks_entry_t;

typedef enum {
    KITH_ROCKS_READ,    //  changes no file and takes no lock
    KITH_ROCKS_WRITE,
    KITH_ROCKS_CREATE
} kith_rocks_mode_t;

typedef void (kith_rocks_each_fn) (void *arg, const kith_rocks_entry_t *entry);

typedef struct kith_rocks kith_rocks_t;

//  Opens a directory. CORRUPT, LOCKED, NO_SPACE or IO with RocksDB's reason.
kith_rocks_t *
kith_rocks_open (const char *path, kith_rocks_mode_t mode, kith_error_t *error);
void kith_rocks_destroy (kith_rocks_t **self_p);

//  Reads the state; *found false: there is none. VERSION if another version wrote it.
int kith_rocks_state (kith_rocks_t *self, kith_rocks_state_t *state, bool *found,
                      kith_error_t *error);

//  Reads an entry; *found false: absent. Its value is appended to out (may be null), entry->value is not set.
int kith_rocks_get (kith_rocks_t *self, const char *key, kith_bytes_t *out,
                    kith_rocks_entry_t *entry, bool *found, kith_error_t *error);

//  Every entry whose key begins with prefix, in key order, each checked.
int kith_rocks_each (kith_rocks_t *self, const char *prefix, kith_rocks_each_fn *fn,
                     void *arg, kith_error_t *error);

//  Makes the changes, with the state's revision in every put, and writes the state: one synced batch.
int kith_rocks_write (kith_rocks_t *self, const kith_rocks_state_t *state,
                      const kith_kv_change_t *changes, size_t count, kith_error_t *error);

//  What an entry with such a key and value adds to the sum
uint64_t
kith_rocks_hash (const char *key, uint64_t revision, const void *value, size_t size);

#endif
