//  kv.h - the metadata port: get, scan, and transactions with compares
//  SPDX-License-Identifier: Apache-2.0
//
//  Keys are text of [a-z0-9/_.-], up to 255 bytes; values up to 1 MiB. Each committed transaction adds one
//  to the store's revision, and every key it puts carries that revision. A committed transaction is durable
//  when txn returns. After any error of txn the outcome is unknown; the store refuses all further calls
//  until it is opened again. Calls may come from any thread, one at a time.
#ifndef KITH_KV_H
#define KITH_KV_H

#include "base/bytes.h"
#include "base/error.h"
#include "storage/fs.h"

#define KITH_KV_KEY_MAX 255u
#define KITH_KV_VALUE_MAX (1u << 20)
#define KITH_KV_CHANGES_MAX 1024u    //  changes, and compares, of one transaction

typedef struct {
    const char *key;
    uint64_t revision;    //  the key must carry it; 0: the key must be absent
} kith_kv_compare_t;

typedef struct {
    const char *key;
    const void *value;    //  null: the key is deleted
    size_t size;
} kith_kv_change_t;

typedef void (kith_kv_scan_fn) (void *arg, const char *key, const void *value,
                                size_t size, uint64_t revision);

typedef struct kith_kv {
    //  Value appended to out (may be null); revision 0: absent (no error).
    int (*get) (struct kith_kv *self, const char *key, kith_bytes_t *out,
                uint64_t *revision, kith_error_t *error);
    //  Every key that begins with prefix, in key order.
    int (*scan) (struct kith_kv *self, const char *prefix, kith_kv_scan_fn *fn, void *arg,
                 kith_error_t *error);
    //  All compares hold: all changes are made, *committed true, *revision the new one. Else nothing,
    //  *committed false, *revision the present one.
    int (*txn) (struct kith_kv *self, const kith_kv_compare_t *compares,
                size_t compare_count, const kith_kv_change_t *changes,
                size_t change_count, bool *committed, uint64_t *revision,
                kith_error_t *error);
    void (*close) (struct kith_kv **self_p);
} kith_kv_t;

//  RocksDB in directory path (made if absent) with its mark file path/KITH_MARK: opens refuse (LOST) a store
//  whose revision is below the mark, LOCKED when another process has it, VERSION when another version made it.
kith_kv_t *kith_kv_rocks_open (const char *path, kith_error_t *error);

//  In memory, for tests and the simulator. `image` lets a "process" crash and open again: it is the durable
//  part, made and freed apart. fault (may be null) is asked before each call and may fail it (unknown
//  outcome: effect made or not by *applied).
typedef struct kith_kv_image kith_kv_image_t;
kith_kv_image_t *kith_kv_image_new (void);
void kith_kv_image_destroy (kith_kv_image_t **self_p);
typedef bool (kith_kv_fault_fn) (void *arg, bool *applied);
kith_kv_t *kith_kv_mem_open (kith_kv_image_t *image, kith_kv_fault_fn *fault, void *arg,
                             kith_error_t *error);

//  Like scan, over the files of a RocksDB store opened read-only: for zactor dump metadata.
int kith_kv_rocks_dump (const char *path, kith_kv_scan_fn *fn, void *arg,
                        kith_error_t *error);

//  For zactor check --accept-loss alone: takes what a refused store still has as its truth. *acknowledged is the
//  mark's revision (0: unreadable), *present the store's; the store goes on above both, so that no revision is
//  given twice. CORRUPT if RocksDB cannot read its files.
int kith_kv_rocks_accept_loss (const char *path, uint64_t *acknowledged,
                               uint64_t *present, kith_error_t *error);

//  What every implementation asks first: true if a key (a prefix, which may be empty) obeys the rule at the
//  top; INVALID or LIMIT for a transaction that breaks one, a key changed twice included. Such a refusal
//  has no effect and leaves the store usable.
bool kith_kv_key_valid (const char *key);
bool kith_kv_prefix_valid (const char *prefix);
int kith_kv_txn_check (const kith_kv_compare_t *compares, size_t compare_count,
                       const kith_kv_change_t *changes, size_t change_count,
                       kith_error_t *error);

#endif
