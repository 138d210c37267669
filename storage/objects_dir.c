//  objects_dir.c - the object port on a directory: a file an object
//  SPDX-License-Identifier: Apache-2.0
//
//  A put writes a temporary file beside its place, syncs it, links it to its name (which fails if the name
//  is taken, whoever took it), removes the temporary name and syncs the directories. Temporary names have
//  a '~', which no object's name has. The writer holds a lock on its temporary file, so that a process that
//  starts meanwhile and sweeps leftovers away leaves it alone.
#include "storage/objects.h"

#include "base/random.h"

#include <stdatomic.h>

#define TEMP_FIRST ".tmp-"
#define TEMP_TRIES 64
#define PUT_TRIES 16

typedef struct {
    kith_objects_t port;    //  first: the port is the handle
    kith_fs_t *fs;
    char *path;                    //  the directory
    atomic_uint_fast64_t temps;    //  temporary names given so far
} s_dir_t;

//  One put under way
typedef struct {
    const char *name;
    char *path;           //  of the object
    char *directory;      //  that it is in
    char *temp;           //  null: none
    kith_file_t *file;    //  of temp, locked
    const kith_span_t *spans;
    size_t count;
} s_put_t;

//  --- paths ---------------------------------------------------------------------------------------------

static char *
s_join (const char *directory, const char *name)
{
    kith_bytes_t path = {0};
    kith_bytes_printf (&path, "%s/%s", directory, name);
    kith_bytes_put_u8 (&path, 0);
    char *text = kith_strdup ((const char *) path.data);
    kith_bytes_free (&path);
    return text;
}

//  Cuts the last part off a path that s_join made; false when `path` is the store's own directory
static bool
s_up (const s_dir_t *self, char *path)
{
    if (strlen (path) <= strlen (self->path))
        return false;
    *strrchr (path, '/') = 0;
    return true;
}

static void
s_close (const s_dir_t *self, kith_file_t **file_p)
{
    if (*file_p)
        self->fs->close (self->fs, file_p);
}

static void
s_ignore_name (void *arg, const char *name, bool is_dir)
{
    (void) name;
    (void) is_dir;
    size_t *count = arg;
    ++*count;
}

//  True if path is a directory; *count: names in it
static bool
s_is_dir (const s_dir_t *self, const char *path, size_t *count)
{
    *count = 0;
    return self->fs->list (self->fs, path, s_ignore_name, count, NULL) == 0;
}

//  A directory cannot be opened as a file
static bool
s_is_file (const s_dir_t *self, const char *path)
{
    kith_file_t *file = self->fs->open (self->fs, path, false, false, NULL);
    bool is_file = file != NULL;
    s_close (self, &file);
    return is_file;
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

//  --- put -----------------------------------------------------------------------------------------------

//  A directory that another process took away, empty, needs no sync
static int
s_sync_dir (const s_dir_t *self, const char *path, kith_error_t *error)
{
    if (self->fs->sync_dir (self->fs, path, error) == 0)
        return 0;
    if (error->code != KITH_ERR_NOT_FOUND && self->fs->exists (self->fs, path))
        return -1;
    kith_error_clear (error);
    return 0;
}

//  Syncs every directory from the object's up to the store's: another process may have made one and not
//  come to sync it
static int
s_sync_up (const s_dir_t *self, const char *directory, kith_error_t *error)
{
    char *path = kith_strdup (directory);
    int rc = 0;
    do
        rc = s_sync_dir (self, path, error);
    while (rc == 0 && s_up (self, path));
    free (path);
    return rc;
}

//  A removal may take an empty directory away while we make it or open a file in it, and the system tells
//  that in several ways
static bool
s_may_pass (const kith_error_t *error)
{
    return error->code == KITH_ERR_NOT_FOUND || error->code == KITH_ERR_IO
           || error->code == KITH_ERR_EXISTS;
}

//  Makes the directory of the object. *again: it failed, and no object is in its way
static int
s_put_directory (const s_dir_t *self, const s_put_t *put, bool *again,
                 kith_error_t *error)
{
    if (kith_fs_mkdirs (self->fs, put->directory, error) == 0)
        return 0;
    char *path = kith_strdup (put->directory);
    bool rival = false;
    while (!rival && strlen (path) > strlen (self->path)) {
        rival = s_is_file (self, path);
        if (!rival)
            s_up (self, path);
    }
    if (rival)
        kith_error_set (error, KITH_ERR_EXISTS,
                        "object %s cannot be put beside object %s", put->name,
                        path + strlen (self->path) + 1);
    *again = !rival && s_may_pass (error);
    free (path);
    return -1;
}

//  Makes and locks a temporary file. Names come from the object's name and a count, not from a random
//  source, so that a simulation runs the same twice; `exclusive` settles who has which.
static int
s_temp_open (s_dir_t *self, s_put_t *put, kith_error_t *error)
{
    uint64_t hash = kith_hash64 (put->name, strlen (put->name));
    for (int try = 0; try < TEMP_TRIES; try++) {
        char name [40];
        uint64_t number = atomic_fetch_add (&self->temps, 1);
        snprintf (name, sizeof name, TEMP_FIRST "%016" PRIx64 "~",
                  kith_mix64 (hash + number));
        free (put->temp);
        put->temp = s_join (put->directory, name);
        put->file = self->fs->open (self->fs, put->temp, true, true, error);
        if (put->file && self->fs->lock (self->fs, put->file, error) == 0)
            return 0;
        //  Taken, or a sweep was quicker to lock it and removes it now
        bool taken = error->code == KITH_ERR_EXISTS || error->code == KITH_ERR_LOCKED;
        s_close (self, &put->file);
        if (!taken)
            break;
    }
    free (put->temp);
    put->temp = NULL;
    return -1;
}

static void
s_temp_close (const s_dir_t *self, s_put_t *put)
{
    //  What cannot be removed now is swept away at the next opening
    if (put->temp)
        (void) self->fs->remove (self->fs, put->temp, NULL);
    s_close (self, &put->file);
    free (put->temp);
    put->temp = NULL;
}

static int
s_put_write (const s_dir_t *self, const s_put_t *put, kith_error_t *error)
{
    uint64_t at = 0;
    for (size_t index = 0; index < put->count; index++) {
        const kith_span_t *span = &put->spans [index];
        if (span->size
            && self->fs->write (self->fs, put->file, at, span->data, span->size, error))
            return -1;
        at += span->size;
    }
    return self->fs->sync (self->fs, put->file, error);
}

//  Compares the file at the object's place with what was to be put there
static int
s_put_same (const s_dir_t *self, const s_put_t *put, bool *same, kith_error_t *error)
{
    uint64_t size = 0;
    uint64_t left = 0;
    for (size_t index = 0; index < put->count; index++)
        left += put->spans [index].size;
    kith_file_t *file = self->fs->open (self->fs, put->path, false, false, error);
    if (!file)
        return -1;
    int rc = self->fs->size (self->fs, file, &size, error);
    const uint8_t *data = NULL;
    *same = rc == 0 && size == left;
    if (*same && size) {
        data = self->fs->map (self->fs, file, &size, error);
        rc = data ? 0 : -1;
    }
    uint64_t at = 0;
    for (size_t index = 0; data && *same && index < put->count; index++) {
        const kith_span_t *span = &put->spans [index];
        *same = span->size == 0 || memcmp (data + at, span->data, span->size) == 0;
        at += span->size;
    }
    if (data)
        self->fs->unmap (self->fs, data, size);
    s_close (self, &file);
    return rc;
}

//  The name is taken. *again: by an empty directory that a removal left and that is gone now
static int
s_put_taken (const s_dir_t *self, const s_put_t *put, bool *same, bool *again,
             kith_error_t *error)
{
    size_t count;
    if (s_is_dir (self, put->path, &count)) {
        *again = count == 0 && self->fs->remove (self->fs, put->path, NULL) == 0;
        return kith_error_set (error, KITH_ERR_EXISTS,
                               "object %s cannot be put beside objects %s/...", put->name,
                               put->name);
    }
    if (s_put_same (self, put, same, error)) {
        //  Removed meanwhile: the name is free
        *again = s_may_pass (error);
        *same = false;
        return -1;
    }
    //  The one who put it may not have come to sync its name
    if (*same && s_sync_up (self, put->directory, error)) {
        *same = false;
        return -1;
    }
    return kith_error_set (error, KITH_ERR_EXISTS, "object %s is there already",
                           put->name);
}

static int
s_put_once (s_dir_t *self, s_put_t *put, bool *same, bool *again, kith_error_t *error)
{
    *again = false;
    if (self->fs->exists (self->fs, put->path))
        return s_put_taken (self, put, same, again, error);
    if (s_put_directory (self, put, again, error))
        return -1;
    if (s_temp_open (self, put, error)) {
        *again = s_may_pass (error);
        return -1;
    }
    int rc = s_put_write (self, put, error);
    if (rc == 0) {
        rc = self->fs->link (self->fs, put->temp, put->path, error);
        if (rc && error->code == KITH_ERR_EXISTS)
            rc = s_put_taken (self, put, same, again, error);
        else if (rc)
            *again = !self->fs->exists (self->fs, put->temp);
    }
    s_temp_close (self, put);
    return rc ? -1 : s_sync_up (self, put->directory, error);
}

static int
s_dir_put (kith_objects_t *port, const char *name, const kith_span_t *spans, size_t count,
           bool *same, kith_error_t *error)
{
    s_dir_t *self = (s_dir_t *) port;
    kith_error_t local_error;
    bool local_same;
    if (!error)
        error = &local_error;
    if (!same)
        same = &local_same;
    *same = false;
    if (!kith_objects_name_valid (name))
        return s_name_refuse (name, error);
    s_put_t put = {.name = name,
                   .path = s_join (self->path, name),
                   .directory = s_join (self->path, name),
                   .spans = spans,
                   .count = count};
    s_up (self, put.directory);
    bool again = true;
    int rc = -1;
    for (int try = 0; again && try < PUT_TRIES; try++)
        rc = s_put_once (self, &put, same, &again, error);
    free (put.path);
    free (put.directory);
    return rc;
}

//  --- get, map, remove ----------------------------------------------------------------------------------

//  Opens the file of an object; NOT_FOUND also for a directory, which is none
static kith_file_t *
s_object_open (const s_dir_t *self, const char *name, kith_error_t *error)
{
    kith_error_t local;
    size_t count;
    if (!error)
        error = &local;
    if (!kith_objects_name_valid (name)) {
        s_name_refuse (name, error);
        return NULL;
    }
    char *path = s_join (self->path, name);
    kith_file_t *file = self->fs->open (self->fs, path, false, false, error);
    if (!file
        && (error->code == KITH_ERR_NOT_FOUND || s_is_dir (self, path, &count)
            || !self->fs->exists (self->fs, path)))
        s_missing (name, error);
    free (path);
    return file;
}

static int
s_get_file (const s_dir_t *self, kith_file_t *file, const char *name,
            const uint64_t range [2], kith_bytes_t *out, kith_error_t *error)
{
    uint64_t at = range [0];
    uint64_t size = range [1];
    uint64_t there = 0;
    if (self->fs->size (self->fs, file, &there, error))
        return -1;
    if (at > there || size > there - at)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "object %s has %" PRIu64 " bytes, not %" PRIu64
                               " at %" PRIu64,
                               name, there, size, at);
    size = size ? size : there - at;
    if (size == 0)
        return 0;
    size_t before = out->size;
    void *room = kith_bytes_extend (out, size);
    int rc = self->fs->read (self->fs, file, at, room, size, error);
    if (rc)
        out->size = before;
    return rc;
}

static int
s_dir_get (kith_objects_t *port, const char *name, uint64_t at, uint64_t size,
           kith_bytes_t *out, kith_error_t *error)
{
    s_dir_t *self = (s_dir_t *) port;
    const uint64_t range [2] = {at, size};
    kith_file_t *file = s_object_open (self, name, error);
    if (!file)
        return -1;
    int rc = s_get_file (self, file, name, range, out, error);
    s_close (self, &file);
    return rc;
}

static int
s_dir_map (kith_objects_t *port, const char *name, kith_object_t *object,
           kith_error_t *error)
{
    s_dir_t *self = (s_dir_t *) port;
    *object = (kith_object_t){0};
    kith_file_t *file = s_object_open (self, name, error);
    if (!file)
        return -1;
    int rc = self->fs->size (self->fs, file, &object->size, error);
    if (rc == 0 && object->size) {
        object->data = self->fs->map (self->fs, file, &object->size, error);
        rc = object->data ? 0 : -1;
    }
    s_close (self, &file);
    return rc;
}

static void
s_dir_unmap (kith_objects_t *port, kith_object_t *object)
{
    s_dir_t *self = (s_dir_t *) port;
    if (object->data)
        self->fs->unmap (self->fs, object->data, object->size);
    *object = (kith_object_t){0};
}

static kith_blocks_t *
s_dir_blocks (kith_objects_t *port, const char *name, kith_error_t *error)
{
    s_dir_t *self = (s_dir_t *) port;
    if (!kith_objects_name_valid (name)) {
        s_name_refuse (name, error);
        return NULL;
    }
    kith_error_clear (error);
    if (!self->fs->blocks)
        return NULL;
    char *path = s_join (self->path, name);
    kith_blocks_t *blocks = self->fs->blocks (self->fs, path, error);
    free (path);
    return blocks;
}

static int
s_dir_remove (kith_objects_t *port, const char *name, kith_error_t *error)
{
    s_dir_t *self = (s_dir_t *) port;
    kith_error_t local;
    if (!error)
        error = &local;
    if (!kith_objects_name_valid (name))
        return s_name_refuse (name, error);
    char *path = s_join (self->path, name);
    bool there = s_is_file (self, path);
    int rc = there ? self->fs->remove (self->fs, path, error) : 0;
    //  Absent too: whoever removed it, or its directory, may not have come to sync that
    size_t count;
    do
        s_up (self, path);
    while (strlen (path) > strlen (self->path) && !s_is_dir (self, path, &count));
    if (rc == 0)
        rc = s_sync_dir (self, path, error);
    //  Directories that became empty go too, as far as that works
    while (rc == 0 && there && strlen (path) > strlen (self->path)
           && self->fs->remove (self->fs, path, NULL) == 0)
        s_up (self, path);
    free (path);
    return rc;
}

//  --- walking -------------------------------------------------------------------------------------------

typedef struct {
    char *name;
    uint64_t size;
    bool is_dir;
} s_item_t;

typedef struct {
    s_item_t *items;
    size_t count;
    size_t capacity;
} s_items_t;

static void
s_items_add (s_items_t *self, const char *name, uint64_t size, bool is_dir)
{
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? self->capacity * 2 : 64;
        s_item_t *items = kith_new (capacity * sizeof *items);
        if (self->count)
            memcpy (items, self->items, self->count * sizeof *items);
        free (self->items);
        self->items = items;
        self->capacity = capacity;
    }
    self->items [self->count++] = (s_item_t){kith_strdup (name), size, is_dir};
}

static void
s_items_free (s_items_t *self)
{
    for (size_t index = 0; index < self->count; index++)
        free (self->items [index].name);
    free (self->items);
}

static void
s_items_name (void *arg, const char *name, bool is_dir)
{
    s_items_add (arg, name, 0, is_dir);
}

typedef struct {
    const s_dir_t *dir;
    const char *prefix;    //  only names that begin so
    s_items_t *found;      //  objects; null: a sweep
} s_walk_t;

//  Adds an object to what is found, unless it went away meanwhile
static int
s_walk_object (const s_walk_t *walk, const char *name, kith_error_t *error)
{
    kith_fs_t *fs = walk->dir->fs;
    uint64_t size = 0;
    if (strncmp (name, walk->prefix, strlen (walk->prefix)) != 0
        || !kith_objects_name_valid (name))
        return 0;
    kith_file_t *file = s_object_open (walk->dir, name, error);
    if (!file)
        return error->code == KITH_ERR_NOT_FOUND ? 0 : -1;
    int rc = fs->size (fs, file, &size, error);
    s_close (walk->dir, &file);
    if (rc == 0)
        s_items_add (walk->found, name, size, false);
    return rc;
}

static bool
s_is_temp (const char *part)
{
    size_t length = strlen (part);
    return strncmp (part, TEMP_FIRST, strlen (TEMP_FIRST)) == 0
           && part [length - 1] == '~';
}

//  Removes a leftover, unless its writer lives
static void
s_sweep_file (const s_dir_t *self, const char *name, const char *part)
{
    if (!s_is_temp (part))
        return;
    char *path = s_join (self->path, name);
    kith_file_t *file = self->fs->open (self->fs, path, false, false, NULL);
    if (file && self->fs->lock (self->fs, file, NULL) == 0)
        (void) self->fs->remove (self->fs, path, NULL);
    s_close (self, &file);
    free (path);
}

//  True if a directory may hold names that are wanted
static bool
s_walk_enters (const s_walk_t *walk, const char *name)
{
    size_t length = strlen (name);
    size_t wanted = strlen (walk->prefix);
    if (!kith_objects_name_valid (name))
        return false;
    if (length >= wanted)
        return strncmp (name, walk->prefix, wanted) == 0;
    return strncmp (name, walk->prefix, length) == 0 && walk->prefix [length] == '/';
}

//  Visits the names in one directory ("" is the store's own); directories to be entered go to pending
static int
s_walk_directory (const s_walk_t *walk, const char *name, s_items_t *pending,
                  kith_error_t *error)
{
    const s_dir_t *self = walk->dir;
    s_items_t names = {0};
    char *path = name [0] ? s_join (self->path, name) : kith_strdup (self->path);
    int rc = self->fs->list (self->fs, path, s_items_name, &names, error);
    //  A removal may take an empty directory away
    if (rc && name [0]
        && (error->code == KITH_ERR_NOT_FOUND || !self->fs->exists (self->fs, path)))
        rc = 0;
    free (path);
    for (size_t index = 0; rc == 0 && index < names.count; index++) {
        const s_item_t *item = &names.items [index];
        char *full = name [0] ? s_join (name, item->name) : kith_strdup (item->name);
        if (item->is_dir && s_walk_enters (walk, full))
            s_items_add (pending, full, 0, true);
        else if (!item->is_dir && walk->found)
            rc = s_walk_object (walk, full, error);
        else if (!item->is_dir)
            s_sweep_file (self, full, item->name);
        free (full);
    }
    s_items_free (&names);
    return rc;
}

static int
s_walk (const s_walk_t *walk, kith_error_t *error)
{
    kith_error_t local;
    if (!error)
        error = &local;
    s_items_t pending = {0};
    s_items_add (&pending, "", 0, true);
    int rc = 0;
    for (size_t next = 0; rc == 0 && next < pending.count; next++) {
        char *name = kith_strdup (pending.items [next].name);
        rc = s_walk_directory (walk, name, &pending, error);
        free (name);
    }
    s_items_free (&pending);
    return rc;
}

static int
s_item_compare (const void *left, const void *right)
{
    return strcmp (((const s_item_t *) left)->name, ((const s_item_t *) right)->name);
}

static int
s_dir_list (kith_objects_t *port, const char *prefix,
            void (*fn) (void *arg, const char *name, uint64_t size), void *arg,
            kith_error_t *error)
{
    s_dir_t *self = (s_dir_t *) port;
    s_items_t found = {0};
    const s_walk_t walk = {self, prefix, &found};
    if (!kith_objects_prefix_valid (prefix))
        return s_name_refuse (prefix, error);
    int rc = s_walk (&walk, error);
    //  A walk goes directory by directory, not by name
    if (found.count)
        qsort (found.items, found.count, sizeof found.items [0], s_item_compare);
    for (size_t index = 0; rc == 0 && index < found.count; index++)
        fn (arg, found.items [index].name, found.items [index].size);
    s_items_free (&found);
    return rc;
}

//  --- opening -------------------------------------------------------------------------------------------

static void
s_dir_close (kith_objects_t **self_p)
{
    assert (self_p);
    s_dir_t *self = (s_dir_t *) *self_p;
    if (!self)
        return;
    free (self->path);
    free (self);
    *self_p = NULL;
}

kith_objects_t *
kith_objects_dir_open (kith_fs_t *fs, const char *path, kith_error_t *error)
{
    assert (fs && path && path [0]);
    s_dir_t *self = kith_new (sizeof *self);
    self->port = (kith_objects_t){s_dir_put,    s_dir_get,  s_dir_map,    s_dir_unmap,
                                  s_dir_blocks, s_dir_list, s_dir_remove, s_dir_close};
    self->fs = fs;
    self->path = kith_strdup (path);
    const s_walk_t sweep = {self, "", NULL};
    if (kith_fs_mkdirs (fs, path, error) || s_walk (&sweep, error)) {
        kith_objects_t *port = &self->port;
        s_dir_close (&port);
        return NULL;
    }
    return &self->port;
}
