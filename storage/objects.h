//  objects.h - the object port: immutable blobs by name
//  SPDX-License-Identifier: Apache-2.0
//
//  Names are parts of [a-z0-9_.-]{1,64} joined by '/', at most 255 bytes; no part is "." or "..". `a` and `a/b` are never both
//  objects. An object is there whole or not at all, and durable when put returns.
#ifndef KITH_OBJECTS_H
#define KITH_OBJECTS_H

#include "base/bytes.h"
#include "base/error.h"
#include "storage/fs.h"

typedef struct {
    const void *data;
    uint64_t size;
} kith_span_t;

//  Bytes of an object, mapped or read; released by unmap.
typedef struct {
    const uint8_t *data;    //  64-byte aligned at least
    uint64_t size;
    void *handle;
} kith_object_t;

typedef struct kith_objects {
    //  Writes the spans one after another. EXISTS if the name is taken (with *same, may be null: by the same size and
    //  CRC, so that a retry knows it was done).
    int (*put) (struct kith_objects *self, const char *name, const kith_span_t *spans,
                size_t count, bool *same, kith_error_t *error);
    int (*get) (struct kith_objects *self, const char *name, uint64_t at, uint64_t size,
                kith_bytes_t *out,
                kith_error_t *error);    //  NOT_FOUND; size 0: to the end
    int (*map) (struct kith_objects *self, const char *name, kith_object_t *object,
                kith_error_t *error);
    void (*unmap) (struct kith_objects *self, kith_object_t *object);
    //  An object to read blocks of, many at a time. Null without an error: this store has no such files, map it.
    kith_blocks_t *(*blocks) (struct kith_objects *self, const char *name,
                              kith_error_t *error);
    int (*list) (struct kith_objects *self, const char *prefix,
                 void (*fn) (void *arg, const char *name, uint64_t size), void *arg,
                 kith_error_t *error);    //  in name order
    int (*remove) (struct kith_objects *self, const char *name,
                   kith_error_t *error);    //  absent: no error
    void (*close) (struct kith_objects **self_p);
} kith_objects_t;

//  Files below directory path. A file appears by write to a temporary name, sync, link, directory sync.
kith_objects_t *
kith_objects_dir_open (kith_fs_t *fs, const char *path, kith_error_t *error);

//  In memory; image as in kv.h.
typedef struct kith_objects_image kith_objects_image_t;
kith_objects_image_t *kith_objects_image_new (void);
void kith_objects_image_destroy (kith_objects_image_t **self_p);
kith_objects_t *kith_objects_mem_open (kith_objects_image_t *image);

//  A store belongs to the cluster that an object named "cluster" tells. claim puts it into an empty store; check asks for it
//  to be there. CLUSTER with the reason: another cluster's, or objects without it. CORRUPT: it is damaged.
int kith_objects_claim (kith_objects_t *self, uint64_t cluster, kith_error_t *error);
int kith_objects_check (kith_objects_t *self, uint64_t cluster, kith_error_t *error);

//  True if a name (a beginning of names, which may be empty) obeys the rule at the top.
bool kith_objects_name_valid (const char *name);
bool kith_objects_prefix_valid (const char *prefix);

#endif
