//  mem_fs.c - a file system in memory that loses what was not synced, and fails when told to
//  SPDX-License-Identifier: Apache-2.0
#include "tests/unit/storage/mem_fs.h"

#include <criterion/criterion.h>

#define SECTOR 512u
#define PATH_MAX_BYTES 256u

//  A file or directory. Lives as long as the file system.
typedef struct {
    bool is_dir;
    kith_bytes_t now;             //  what reading shows
    kith_bytes_t disk;            //  what would survive
    kith_bytes_t dirty;           //  a byte a sector: a sync would write it
    const kith_file_t *holder;    //  has the lock
} node_t;

typedef struct {
    char path [PATH_MAX_BYTES];
    node_t *node;    //  null in a change: the name goes
} name_t;

//  Change of names that is not yet durable: `to` is set, `from` goes (empty: none)
typedef struct {
    name_t to;
    char from [PATH_MAX_BYTES];
} change_t;

typedef struct {
    void *items;
    size_t count;
    size_t room;
} list_t;

struct mem_fs {
    kith_fs_t port;    //  first
    kith_random_t random;
    list_t nodes;      //  node_t *
    list_t now;        //  name_t: what is seen
    list_t disk;       //  name_t: what would survive
    list_t changes;    //  change_t
    size_t open;       //  files
    uint64_t calls;
    uint64_t fail_at;
    mem_fault_t fault;
    bool forever;
};

struct kith_file {
    node_t *node;
};

static void *
s_add (list_t *list, size_t item_bytes)
{
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 16;
        list->items = realloc (list->items, list->room * item_bytes);
        cr_assert (list->items);
    }
    return (char *) list->items + list->count++ * item_bytes;
}

static name_t *
s_find (const list_t *names, const char *path)
{
    name_t *items = names->items;
    for (size_t index = 0; index < names->count; index++) {
        if (strcmp (items [index].path, path) == 0)
            return &items [index];
    }
    return NULL;
}

static void
s_set (list_t *names, const char *path, node_t *node)
{
    name_t *name = s_find (names, path);
    if (!name) {
        name = s_add (names, sizeof *name);
        snprintf (name->path, sizeof name->path, "%s", path);
    }
    name->node = node;
}

static void
s_drop (list_t *names, const char *path)
{
    name_t *name = s_find (names, path), *items = names->items;
    if (name)
        *name = items [--names->count];
}

static void
s_apply (list_t *names, const change_t *change)
{
    if (change->from [0])
        s_drop (names, change->from);
    if (change->to.node)
        s_set (names, change->to.path, change->to.node);
    else if (change->to.path [0])
        s_drop (names, change->to.path);
}

static void
s_change (mem_fs_t *self, const char *from, const char *to, node_t *node)
{
    change_t *change = s_add (&self->changes, sizeof *change);
    *change = (change_t){.to = {.node = node}};
    snprintf (change->from, sizeof change->from, "%s", from);
    snprintf (change->to.path, sizeof change->to.path, "%s", to);
    s_apply (&self->now, change);
}

static node_t *
s_node_new (mem_fs_t *self, bool is_dir)
{
    node_t *node = kith_new (sizeof *node);
    node->is_dir = is_dir;
    *(node_t **) s_add (&self->nodes, sizeof node) = node;
    return node;
}

//  True if this call is to fail
static bool
s_fails (mem_fs_t *self, bool is_sync)
{
    self->calls++;
    if (self->fault == MEM_FAULT_NONE || self->calls < self->fail_at
        || (self->fault == MEM_FAULT_SYNC && !is_sync))
        return false;
    if (!self->forever)
        self->fail_at = UINT64_MAX;
    return true;
}

static int
s_fail (mem_fs_t *self, kith_error_t *error)
{
    kith_code_t code =
        self->fault == MEM_FAULT_NO_SPACE ? KITH_ERR_NO_SPACE : KITH_ERR_IO;
    return kith_error_set (error, code, "the fault that was asked for");
}

//  --- port ----------------------------------------------------------------------------------------------

static kith_file_t *
s_open (kith_fs_t *port, const char *path, bool create, bool exclusive,
        kith_error_t *error)
{
    mem_fs_t *self = (mem_fs_t *) port;
    name_t *name = s_find (&self->now, path);
    if (name && exclusive) {
        kith_error_set (error, KITH_ERR_EXISTS, "%s is there", path);
        return NULL;
    }
    if (!name && !create) {
        kith_error_set (error, KITH_ERR_NOT_FOUND, "%s is not there", path);
        return NULL;
    }
    if (name && name->node->is_dir) {
        kith_error_set (error, KITH_ERR_IO, "%s is a directory", path);
        return NULL;
    }
    if (!name && s_fails (self, false)) {
        s_fail (self, error);
        return NULL;
    }
    node_t *node = name ? name->node : s_node_new (self, false);
    if (!name)
        s_change (self, "", path, node);
    kith_file_t *file = kith_new (sizeof *file);
    file->node = node;
    self->open++;
    return file;
}

static void
s_close (kith_fs_t *port, kith_file_t **file_p)
{
    mem_fs_t *self = (mem_fs_t *) port;
    cr_assert (*file_p);
    if ((*file_p)->node->holder == *file_p)
        (*file_p)->node->holder = NULL;
    self->open--;
    free (*file_p);
    *file_p = NULL;
}

static int
s_read (kith_fs_t *port, kith_file_t *file, uint64_t at, void *out, size_t size,
        kith_error_t *error)
{
    (void) port;
    kith_bytes_t *now = &file->node->now;
    if (at > now->size || size > now->size - at)
        return kith_error_set (error, KITH_ERR_CORRUPT, "the file is too short");
    if (size)
        memcpy (out, now->data + at, size);
    return 0;
}

static void
s_resize (kith_bytes_t *bytes, size_t size)
{
    if (size > bytes->size)
        kith_bytes_extend (bytes, size - bytes->size);
    bytes->size = size;
}

static void
s_touch (node_t *node, size_t from, size_t to)
{
    s_resize (&node->dirty, (node->now.size + SECTOR - 1) / SECTOR);
    for (size_t sector = from / SECTOR; sector * SECTOR < to; sector++)
        node->dirty.data [sector] = 1;
}

static int
s_write (kith_fs_t *port, kith_file_t *file, uint64_t at, const void *data, size_t size,
         kith_error_t *error)
{
    mem_fs_t *self = (mem_fs_t *) port;
    node_t *node = file->node;
    bool fails = s_fails (self, false);
    if (fails && self->fault != MEM_FAULT_NO_SPACE)
        return s_fail (self, error);
    if (fails)
        size = (size_t) kith_random_below (&self->random, size + 1);
    if (at + size > node->now.size)
        s_resize (&node->now, (size_t) at + size);
    if (size) {
        memcpy (node->now.data + at, data, size);
        s_touch (node, (size_t) at, (size_t) at + size);
    }
    return fails ? s_fail (self, error) : 0;
}

static int
s_size (kith_fs_t *port, kith_file_t *file, uint64_t *size, kith_error_t *error)
{
    (void) port;
    (void) error;
    *size = file->node->now.size;
    return 0;
}

static int
s_truncate (kith_fs_t *port, kith_file_t *file, uint64_t size, kith_error_t *error)
{
    mem_fs_t *self = (mem_fs_t *) port;
    if (s_fails (self, false))
        return s_fail (self, error);
    s_resize (&file->node->now, (size_t) size);
    s_touch (file->node, 0, 0);
    if (size % SECTOR)
        s_touch (file->node, (size_t) size - 1, (size_t) size);
    return 0;
}

//  Brings dirty sectors to the disk: all, or any of them
static void
s_settle (mem_fs_t *self, node_t *node, bool any)
{
    size_t size = node->now.size;
    if (any && node->disk.size != size && kith_random_below (&self->random, 2))
        size = node->disk.size;
    s_resize (&node->disk, size);
    for (size_t sector = 0; sector < node->dirty.size; sector++) {
        size_t from = sector * SECTOR;
        bool skip = any && kith_random_below (&self->random, 2);
        if (!node->dirty.data [sector] || skip || from >= size || from >= node->now.size)
            continue;
        size_t end = size < node->now.size ? size : node->now.size;
        size_t piece = end - from < SECTOR ? end - from : SECTOR;
        memcpy (node->disk.data + from, node->now.data + from, piece);
    }
    if (node->dirty.size)
        memset (node->dirty.data, 0, node->dirty.size);
}

static int
s_sync (kith_fs_t *port, kith_file_t *file, kith_error_t *error)
{
    mem_fs_t *self = (mem_fs_t *) port;
    bool fails = s_fails (self, true);
    s_settle (self, file->node, fails);
    return fails ? s_fail (self, error) : 0;
}

static int
s_lock (kith_fs_t *port, kith_file_t *file, kith_error_t *error)
{
    (void) port;
    if (file->node->holder && file->node->holder != file)
        return kith_error_set (error, KITH_ERR_LOCKED, "another has it");
    file->node->holder = file;
    return 0;
}

static const uint8_t *
s_map (kith_fs_t *port, kith_file_t *file, uint64_t *size, kith_error_t *error)
{
    (void) port;
    (void) error;
    *size = file->node->now.size;
    return file->node->now.data;
}

static void
s_unmap (kith_fs_t *port, const uint8_t *data, uint64_t size)
{
    (void) port;
    (void) data;
    (void) size;
}

static int
s_mkdir (kith_fs_t *port, const char *path, kith_error_t *error)
{
    mem_fs_t *self = (mem_fs_t *) port;
    if (s_find (&self->now, path))
        return 0;
    if (s_fails (self, false))
        return s_fail (self, error);
    s_change (self, "", path, s_node_new (self, true));
    return 0;
}

static int
s_rename (kith_fs_t *port, const char *from, const char *to, kith_error_t *error)
{
    mem_fs_t *self = (mem_fs_t *) port;
    name_t *name = s_find (&self->now, from);
    if (!name)
        return kith_error_set (error, KITH_ERR_IO, "%s is not there", from);
    if (s_fails (self, false))
        return s_fail (self, error);
    s_change (self, from, to, name->node);
    return 0;
}

static int
s_link (kith_fs_t *port, const char *from, const char *to, kith_error_t *error)
{
    mem_fs_t *self = (mem_fs_t *) port;
    name_t *name = s_find (&self->now, from);
    if (!name || s_find (&self->now, to))
        return kith_error_set (error, name ? KITH_ERR_EXISTS : KITH_ERR_IO,
                               "cannot link %s", from);
    if (s_fails (self, false))
        return s_fail (self, error);
    s_change (self, "", to, name->node);
    return 0;
}

//  Position of the last part of a path
static size_t
s_base (const char *path)
{
    const char *slash = strrchr (path, '/');
    return slash ? (size_t) (slash - path) + 1 : 0;
}

static bool
s_inside (const char *path, const char *directory)
{
    size_t base = s_base (path), length = strlen (directory);
    return base == length + 1 && strncmp (path, directory, length) == 0;
}

static int
s_remove (kith_fs_t *port, const char *path, kith_error_t *error)
{
    mem_fs_t *self = (mem_fs_t *) port;
    if (!s_find (&self->now, path))
        return 0;
    if (s_fails (self, false))
        return s_fail (self, error);
    const name_t *names = self->now.items;
    for (size_t index = 0; index < self->now.count; index++)
        if (s_inside (names [index].path, path))
            return kith_error_set (error, KITH_ERR_IO, "%s is not empty", path);
    s_change (self, path, "", NULL);
    return 0;
}

static int
s_sync_dir (kith_fs_t *port, const char *path, kith_error_t *error)
{
    mem_fs_t *self = (mem_fs_t *) port;
    if (s_fails (self, true))
        return s_fail (self, error);
    change_t *changes = self->changes.items;
    size_t kept = 0;
    for (size_t index = 0; index < self->changes.count; index++) {
        const char *name =
            changes [index].to.path [0] ? changes [index].to.path : changes [index].from;
        if (s_inside (name, path) || (strcmp (path, ".") == 0 && s_base (name) == 0))
            s_apply (&self->disk, &changes [index]);
        else
            changes [kept++] = changes [index];
    }
    self->changes.count = kept;
    return 0;
}

static bool
s_exists (kith_fs_t *port, const char *path)
{
    return s_find (&((mem_fs_t *) port)->now, path) != NULL;
}

static int
s_by_path (const void *a, const void *b)
{
    return strcmp (((const name_t *) a)->path, ((const name_t *) b)->path);
}

static int
s_list (kith_fs_t *port, const char *path,
        void (*fn) (void *arg, const char *name, bool is_dir), void *arg,
        kith_error_t *error)
{
    mem_fs_t *self = (mem_fs_t *) port;
    const name_t *name = s_find (&self->now, path);
    if (!name || !name->node->is_dir)
        return kith_error_set (error, KITH_ERR_NOT_FOUND, "no directory %s", path);
    name_t *names = self->now.items;
    if (self->now.count)
        qsort (names, self->now.count, sizeof *names, s_by_path);
    for (size_t index = 0; index < self->now.count; index++) {
        if (s_inside (names [index].path, path))
            fn (arg, names [index].path + s_base (names [index].path),
                names [index].node->is_dir);
    }
    return 0;
}

//  --- what tests do to it -------------------------------------------------------------------------------

mem_fs_t *
mem_fs_new (uint64_t seed)
{
    mem_fs_t *self = kith_new (sizeof *self);
    kith_random_seed (&self->random, seed);
    self->port = (kith_fs_t){.open = s_open,
                             .close = s_close,
                             .read = s_read,
                             .write = s_write,
                             .size = s_size,
                             .truncate = s_truncate,
                             .sync = s_sync,
                             .lock = s_lock,
                             .map = s_map,
                             .unmap = s_unmap,
                             .mkdir = s_mkdir,
                             .rename = s_rename,
                             .link = s_link,
                             .remove = s_remove,
                             .sync_dir = s_sync_dir,
                             .exists = s_exists,
                             .list = s_list};
    return self;
}

void
mem_fs_destroy (mem_fs_t **self_p)
{
    mem_fs_t *self = *self_p;
    cr_assert_eq (self->open, 0, "%zu files were never closed", self->open);
    node_t **nodes = self->nodes.items;
    for (size_t index = 0; index < self->nodes.count; index++) {
        kith_bytes_free (&nodes [index]->now);
        kith_bytes_free (&nodes [index]->disk);
        kith_bytes_free (&nodes [index]->dirty);
        free (nodes [index]);
    }
    free (self->nodes.items);
    free (self->now.items);
    free (self->disk.items);
    free (self->changes.items);
    free (self);
    *self_p = NULL;
}

kith_fs_t *
mem_fs_port (mem_fs_t *self)
{
    return &self->port;
}

mem_fs_t *
mem_fs_clone (const mem_fs_t *self)
{
    mem_fs_t *copy = mem_fs_new (self->calls);
    const name_t *names = self->now.items;
    for (size_t index = 0; index < self->now.count; index++) {
        const node_t *from = names [index].node;
        node_t *node = s_node_new (copy, from->is_dir);
        kith_bytes_put (&node->now, from->now.data, from->now.size);
        kith_bytes_put (&node->disk, from->now.data, from->now.size);
        s_set (&copy->now, names [index].path, node);
        s_set (&copy->disk, names [index].path, node);
    }
    return copy;
}

//  What was in a directory is gone with its name
static void
s_drop_unreached (list_t *list)
{
    name_t *names = list->items;
    for (size_t index = 0; index < list->count;) {
        char parent [sizeof names->path];
        snprintf (parent, sizeof parent, "%s", names [index].path);
        char *slash = strrchr (parent, '/');
        *(slash ? slash : parent) = 0;
        if (!*parent || s_find (list, parent))
            index++;
        else {
            names [index] = names [--list->count];
            index = 0;    //  others may have been in it
        }
    }
}

void
mem_fs_power_loss (mem_fs_t *self)
{
    cr_assert_eq (self->open, 0);
    change_t *changes = self->changes.items;
    for (size_t index = 0; index < self->changes.count; index++) {
        if (kith_random_below (&self->random, 2))
            s_apply (&self->disk, &changes [index]);
    }
    self->changes.count = 0;
    s_drop_unreached (&self->disk);
    self->now.count = 0;
    const name_t *names = self->disk.items;
    for (size_t index = 0; index < self->disk.count; index++)
        s_set (&self->now, names [index].path, names [index].node);
    node_t **nodes = self->nodes.items;
    for (size_t index = 0; index < self->nodes.count; index++) {
        node_t *node = nodes [index];
        s_settle (self, node, true);
        kith_bytes_clear (&node->now);
        kith_bytes_put (&node->now, node->disk.data, node->disk.size);
        kith_bytes_clear (&node->dirty);
    }
}

void
mem_fs_fail (mem_fs_t *self, uint32_t calls, mem_fault_t fault, bool forever)
{
    self->fault = fault;
    self->fail_at = self->calls + 1 + calls;
    self->forever = forever;
}

uint64_t
mem_fs_calls (const mem_fs_t *self)
{
    return self->calls;
}

kith_bytes_t *
mem_fs_bytes (mem_fs_t *self, const char *path)
{
    name_t *name = s_find (&self->now, path);
    return name ? &name->node->now : NULL;
}

uint64_t
mem_fs_digest (const mem_fs_t *self)
{
    uint64_t sum = 0;
    const name_t *names = self->now.items;
    for (size_t index = 0; index < self->now.count; index++) {
        const kith_bytes_t *bytes = &names [index].node->now;
        uint64_t hash = kith_hash64 (names [index].path, strlen (names [index].path));
        sum += kith_mix64 (hash
                           ^ kith_hash64 (bytes->size ? bytes->data : NULL, bytes->size));
    }
    return sum;
}
