//  objects_mem.c - the object port in memory, for tests and the simulator
//  SPDX-License-Identifier: Apache-2.0
#include "storage/objects.h"

#include <pthread.h>

//  Bytes of an object; a map keeps them after a removal
typedef struct {
    uint8_t *data;    //  64-byte aligned; null if empty
    uint64_t size;
    uint32_t shares;
} s_blob_t;

typedef struct {
    char *name;
    s_blob_t *blob;
} s_entry_t;

struct kith_objects_image {
    pthread_mutex_t mutex;    //  the port may be called from several threads
    s_entry_t *entries;       //  in name order
    size_t count;
    size_t capacity;
};

typedef struct {
    kith_objects_t port;    //  first: the port is the handle
    kith_objects_image_t *image;
} s_mem_t;

static void
s_blob_drop (s_blob_t *blob)
{
    if (--blob->shares > 0)
        return;
    free (blob->data);
    free (blob);
}

kith_objects_image_t *
kith_objects_image_new (void)
{
    kith_objects_image_t *self = kith_new (sizeof *self);
    pthread_mutex_init (&self->mutex, NULL);
    return self;
}

void
kith_objects_image_destroy (kith_objects_image_t **self_p)
{
    assert (self_p);
    kith_objects_image_t *self = *self_p;
    if (!self)
        return;
    for (size_t index = 0; index < self->count; index++) {
        free (self->entries [index].name);
        s_blob_drop (self->entries [index].blob);
    }
    free (self->entries);
    pthread_mutex_destroy (&self->mutex);
    free (self);
    *self_p = NULL;
}

//  Place of the first name that is not below `name`
static size_t
s_image_place (const kith_objects_image_t *self, const char *name)
{
    size_t low = 0;
    size_t high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp (self->entries [middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static s_entry_t *
s_image_find (const kith_objects_image_t *self, const char *name)
{
    size_t place = s_image_place (self, name);
    if (place < self->count && strcmp (self->entries [place].name, name) == 0)
        return &self->entries [place];
    return NULL;
}

//  True if `above` is a directory of `name`
static bool
s_is_above (const char *above, const char *name)
{
    size_t length = strlen (above);
    return strncmp (above, name, length) == 0 && name [length] == '/';
}

//  Name of an object that forbids `name`: a and a/b are never both objects
static const char *
s_image_rival (const kith_objects_image_t *self, const char *name)
{
    for (size_t index = 0; index < self->count; index++) {
        const char *other = self->entries [index].name;
        if (s_is_above (other, name) || s_is_above (name, other))
            return other;
    }
    return NULL;
}

static bool
s_blob_same (const s_blob_t *blob, const kith_span_t *spans, size_t count)
{
    uint64_t at = 0;
    for (size_t index = 0; index < count; index++) {
        uint64_t size = spans [index].size;
        if (size > blob->size - at)
            return false;
        if (size && memcmp (blob->data + at, spans [index].data, size) != 0)
            return false;
        at += size;
    }
    return at == blob->size;
}

//  A blob of the spans; null when memory is gone
static s_blob_t *
s_blob_new (const kith_span_t *spans, size_t count)
{
    s_blob_t *blob = kith_new (sizeof *blob);
    blob->shares = 1;
    for (size_t index = 0; index < count; index++)
        blob->size += spans [index].size;
    if (blob->size == 0)
        return blob;
    blob->data = kith_alloc64 (blob->size);
    if (!blob->data) {
        free (blob);
        return NULL;
    }
    uint8_t *at = blob->data;
    for (size_t index = 0; index < count; index++) {
        if (spans [index].size)
            memcpy (at, spans [index].data, spans [index].size);
        at += spans [index].size;
    }
    return blob;
}

static void
s_image_insert (kith_objects_image_t *self, const char *name, s_blob_t *blob)
{
    size_t place = s_image_place (self, name);
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
    *entry = (s_entry_t){kith_strdup (name), blob};
}

static int
s_image_put (kith_objects_image_t *self, const char *name, const kith_span_t *spans,
             size_t count, bool *same, kith_error_t *error)
{
    const s_entry_t *entry = s_image_find (self, name);
    if (entry) {
        *same = s_blob_same (entry->blob, spans, count);
        return kith_error_set (error, KITH_ERR_EXISTS, "object %s is there already",
                               name);
    }
    const char *rival = s_image_rival (self, name);
    if (rival)
        return kith_error_set (error, KITH_ERR_EXISTS,
                               "object %s cannot be put beside object %s", name, rival);
    s_blob_t *blob = s_blob_new (spans, count);
    if (!blob)
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory for object %s",
                               name);
    s_image_insert (self, name, blob);
    return 0;
}

static int
s_name_refuse (const char *name, kith_error_t *error)
{
    return kith_error_set (error, KITH_ERR_INVALID, "object name '%.255s' is not valid",
                           name);
}

static int
s_missing (const char *name, kith_error_t *error)
{
    return kith_error_set (error, KITH_ERR_NOT_FOUND, "object %s is not there", name);
}

static int
s_mem_put (kith_objects_t *port, const char *name, const kith_span_t *spans, size_t count,
           bool *same, kith_error_t *error)
{
    kith_objects_image_t *image = ((s_mem_t *) port)->image;
    bool local;
    if (!same)
        same = &local;
    *same = false;
    if (!kith_objects_name_valid (name))
        return s_name_refuse (name, error);
    pthread_mutex_lock (&image->mutex);
    int rc = s_image_put (image, name, spans, count, same, error);
    pthread_mutex_unlock (&image->mutex);
    return rc;
}

//  Takes a share of an object's bytes; null: there is none
static s_blob_t *
s_mem_share (s_mem_t *self, const char *name)
{
    pthread_mutex_lock (&self->image->mutex);
    s_entry_t *entry = s_image_find (self->image, name);
    s_blob_t *blob = entry ? entry->blob : NULL;
    if (blob)
        blob->shares++;
    pthread_mutex_unlock (&self->image->mutex);
    return blob;
}

static void
s_mem_drop (s_mem_t *self, s_blob_t *blob)
{
    pthread_mutex_lock (&self->image->mutex);
    s_blob_drop (blob);
    pthread_mutex_unlock (&self->image->mutex);
}

static int
s_mem_get (kith_objects_t *port, const char *name, uint64_t at, uint64_t size,
           kith_bytes_t *out, kith_error_t *error)
{
    s_mem_t *self = (s_mem_t *) port;
    if (!kith_objects_name_valid (name))
        return s_name_refuse (name, error);
    s_blob_t *blob = s_mem_share (self, name);
    if (!blob)
        return s_missing (name, error);
    int rc = 0;
    if (at > blob->size || size > blob->size - at)
        rc = kith_error_set (error, KITH_ERR_INVALID,
                             "object %s has %" PRIu64 " bytes, not %" PRIu64
                             " at %" PRIu64,
                             name, blob->size, size, at);
    else if (blob->size > at)
        kith_bytes_put (out, blob->data + at, size ? size : blob->size - at);
    s_mem_drop (self, blob);
    return rc;
}

static int
s_mem_map (kith_objects_t *port, const char *name, kith_object_t *object,
           kith_error_t *error)
{
    if (!kith_objects_name_valid (name))
        return s_name_refuse (name, error);
    s_blob_t *blob = s_mem_share ((s_mem_t *) port, name);
    if (!blob)
        return s_missing (name, error);
    *object = (kith_object_t){blob->data, blob->size, blob};
    return 0;
}

static void
s_mem_unmap (kith_objects_t *port, kith_object_t *object)
{
    if (object->handle)
        s_mem_drop ((s_mem_t *) port, object->handle);
    *object = (kith_object_t){0};
}

//  fn may call the port, so it is given copies, with the mutex free
typedef struct {
    char *name;
    uint64_t size;
} s_listed_t;

static size_t
s_mem_collect (kith_objects_image_t *image, const char *prefix, s_listed_t **listed_p)
{
    size_t length = strlen (prefix);
    size_t first = s_image_place (image, prefix);
    size_t last = first;
    while (last < image->count
           && strncmp (image->entries [last].name, prefix, length) == 0)
        last++;
    *listed_p = kith_new ((last - first + 1) * sizeof **listed_p);
    for (size_t index = first; index < last; index++)
        (*listed_p) [index - first] = (s_listed_t){
            kith_strdup (image->entries [index].name), image->entries [index].blob->size};
    return last - first;
}

static int
s_mem_list (kith_objects_t *port, const char *prefix,
            void (*fn) (void *arg, const char *name, uint64_t size), void *arg,
            kith_error_t *error)
{
    kith_objects_image_t *image = ((s_mem_t *) port)->image;
    if (!kith_objects_prefix_valid (prefix))
        return s_name_refuse (prefix, error);
    s_listed_t *listed;
    pthread_mutex_lock (&image->mutex);
    size_t count = s_mem_collect (image, prefix, &listed);
    pthread_mutex_unlock (&image->mutex);
    for (size_t index = 0; index < count; index++) {
        fn (arg, listed [index].name, listed [index].size);
        free (listed [index].name);
    }
    free (listed);
    return 0;
}

static int
s_mem_remove (kith_objects_t *port, const char *name, kith_error_t *error)
{
    kith_objects_image_t *image = ((s_mem_t *) port)->image;
    if (!kith_objects_name_valid (name))
        return s_name_refuse (name, error);
    pthread_mutex_lock (&image->mutex);
    s_entry_t *entry = s_image_find (image, name);
    if (entry) {
        size_t place = (size_t) (entry - image->entries);
        free (entry->name);
        s_blob_drop (entry->blob);
        image->count--;
        memmove (entry, entry + 1, (image->count - place) * sizeof *entry);
    }
    pthread_mutex_unlock (&image->mutex);
    return 0;
}

static void
s_mem_close (kith_objects_t **self_p)
{
    assert (self_p);
    free (*self_p);
    *self_p = NULL;
}

//  Memory is mapped as fast as it is read
static kith_blocks_t *
s_mem_blocks (kith_objects_t *port, const char *name, kith_error_t *error)
{
    (void) port;
    (void) name;
    kith_error_clear (error);
    return NULL;
}

kith_objects_t *
kith_objects_mem_open (kith_objects_image_t *image)
{
    assert (image);
    s_mem_t *self = kith_new (sizeof *self);
    self->port = (kith_objects_t){s_mem_put,    s_mem_get,  s_mem_map,    s_mem_unmap,
                                  s_mem_blocks, s_mem_list, s_mem_remove, s_mem_close};
    self->image = image;
    return &self->port;
}
