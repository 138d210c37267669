//  sim_disk - files in memory that lose what was not synced
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/sim_disk.h"

#define SECTOR 512u    //  a write that is torn ends at a multiple of it
#define PATH_BYTES_MAX 4096u

//  A write that waits for sync
typedef struct s_write {
    struct s_write *next;
    uint64_t at;
    bool truncate;    //  to `at`, no data
    bool doomed;      //  a sync failed: the next one will not write it either
    size_t size;
    uint8_t data [];
} s_write_t;

//  Content of a file
typedef struct {
    uint32_t links;      //  names (now, durable, waiting) and open files that have it
    uint32_t owner;      //  who wrote last
    kith_bytes_t now;    //  what a reader sees
    kith_bytes_t durable;
    s_write_t *first;
    s_write_t *last;
    kith_file_t *locked;    //  by this open file
    bool directory;
} s_inode_t;

typedef struct {
    char *path;
    s_inode_t *inode;
} s_name_t;

//  Names in order
typedef struct {
    s_name_t *names;
    size_t count;
    size_t capacity;
} s_names_t;

//  A change of names that waits for sync_dir: path gets inode (null: is gone); a rename also frees `from`
typedef struct s_change {
    struct s_change *next;
    uint32_t owner;
    char *path;
    char *from;    //  null: no rename
    s_inode_t *inode;
} s_change_t;

struct kith_sim_disk {
    s_names_t now;
    s_names_t durable;
    s_change_t *first;
    s_change_t *last;
    uint32_t views;
};

struct kith_file {
    s_inode_t *inode;
};

typedef struct {
    kith_fs_t port;    //  first: the port is the view
    kith_sim_disk_t *disk;
    uint32_t owner;
    kith_disk_fault_fn *fault;
    void *arg;
    uint32_t files;    //  open
} s_view_t;

//  --------------------------------------------------------------------------
//  Inodes

static s_inode_t *
s_share (s_inode_t *inode)
{
    if (inode)
        inode->links++;
    return inode;
}

static void
s_drop_writes (s_inode_t *inode)
{
    while (inode->first) {
        s_write_t *write = inode->first;
        inode->first = write->next;
        free (write);
    }
    inode->last = NULL;
}

static void
s_release (s_inode_t *inode)
{
    if (!inode || --inode->links > 0)
        return;
    s_drop_writes (inode);
    kith_bytes_free (&inode->now);
    kith_bytes_free (&inode->durable);
    free (inode);
}

static void
s_put (kith_bytes_t *bytes, uint64_t at, const void *data, size_t size)
{
    if (at + size > bytes->size)
        kith_bytes_extend (bytes, at + size - bytes->size);
    if (size)
        memcpy (bytes->data + at, data, size);
}

static void
s_cut (kith_bytes_t *bytes, uint64_t size)
{
    if (size > bytes->size)
        kith_bytes_extend (bytes, size - bytes->size);
    bytes->size = size;
}

//  The first `size` bytes of a write take effect
static void
s_apply (kith_bytes_t *bytes, const s_write_t *write, size_t size)
{
    if (write->truncate)
        s_cut (bytes, write->at);
    else
        s_put (bytes, write->at, write->data, size);
}

static void
s_await (s_inode_t *inode, uint32_t owner, uint64_t at, const void *data, size_t size,
         bool truncate)
{
    s_write_t *write = kith_new (sizeof *write + size);
    write->at = at;
    write->size = size;
    write->truncate = truncate;
    if (size)
        memcpy (write->data, data, size);
    if (inode->last)
        inode->last->next = write;
    else
        inode->first = write;
    inode->last = write;
    inode->owner = owner;
    s_apply (&inode->now, write, size);
}

//  --------------------------------------------------------------------------
//  Names

static size_t
s_place (const s_names_t *names, const char *path)
{
    size_t low = 0;
    size_t high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp (names->names [middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static s_inode_t *
s_lookup (const s_names_t *names, const char *path)
{
    size_t place = s_place (names, path);
    if (place < names->count && strcmp (names->names [place].path, path) == 0)
        return names->names [place].inode;
    return NULL;
}

static void
s_unname (s_names_t *names, size_t place)
{
    s_release (names->names [place].inode);
    free (names->names [place].path);
    names->count--;
    memmove (&names->names [place], &names->names [place + 1],
             (names->count - place) * sizeof (s_name_t));
}

//  path has inode from now on (null: is gone)
static void
s_name (s_names_t *names, const char *path, s_inode_t *inode)
{
    size_t place = s_place (names, path);
    bool there = place < names->count && strcmp (names->names [place].path, path) == 0;
    s_share (inode);
    if (there) {
        if (!inode) {
            s_unname (names, place);
            return;
        }
        s_release (names->names [place].inode);
        names->names [place].inode = inode;
        return;
    }
    if (!inode)
        return;
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? names->capacity * 2 : 64;
        names->names = realloc (names->names, names->capacity * sizeof (s_name_t));
        assert (names->names);
    }
    memmove (&names->names [place + 1], &names->names [place],
             (names->count - place) * sizeof (s_name_t));
    names->names [place] = (s_name_t){kith_strdup (path), inode};
    names->count++;
}

static void
s_free_names (s_names_t *names)
{
    for (size_t place = 0; place < names->count; place++) {
        free (names->names [place].path);
        s_release (names->names [place].inode);
    }
    free (names->names);
    memset (names, 0, sizeof *names);
}

//  Length of the directory part of a path
static size_t
s_parent (const char *path)
{
    const char *slash = strrchr (path, '/');
    return slash ? (size_t) (slash - path) : 0;
}

static bool
s_in (const char *path, const char *directory)
{
    size_t size = s_parent (path);
    return strlen (directory) == size && strncmp (path, directory, size) == 0;
}

static void
s_change_apply (s_names_t *names, const s_change_t *change)
{
    if (change->from)
        s_name (names, change->from, NULL);
    s_name (names, change->path, change->inode);
}

static void
s_change_free (s_change_t *change)
{
    s_release (change->inode);
    free (change->path);
    free (change->from);
    free (change);
}

static void
s_change (s_view_t *view, const char *path, const char *from, s_inode_t *inode)
{
    kith_sim_disk_t *disk = view->disk;
    s_change_t *change = kith_new (sizeof *change);
    change->owner = view->owner;
    change->path = kith_strdup (path);
    change->from = from ? kith_strdup (from) : NULL;
    change->inode = s_share (inode);
    if (disk->last)
        disk->last->next = change;
    else
        disk->first = change;
    disk->last = change;
    s_change_apply (&disk->now, change);
}

//  True if the directory of a path has a name; the top and the working directory always do
static bool
s_is_reached (const s_names_t *names, const char *path)
{
    const size_t size = s_parent (path);
    if (size == 0)
        return true;
    char *parent = kith_strdup (path);
    parent [size] = 0;
    const s_inode_t *inode = s_lookup (names, parent);
    free (parent);
    return inode && inode->directory;
}

//  What was in a directory is gone with its name. Directories stand before what is in them.
static void
s_drop_unreached (s_names_t *names)
{
    for (size_t place = 0; place < names->count;) {
        if (s_is_reached (names, names->names [place].path))
            place++;
        else
            s_unname (names, place);
    }
}

//  Takes the changes out that `keep` does not want
typedef bool (s_settle_fn) (void *arg, const s_change_t *change);

static void
s_settle (kith_sim_disk_t *disk, s_settle_fn *settled, void *arg)
{
    s_change_t **link = &disk->first;
    disk->last = NULL;
    while (*link) {
        s_change_t *change = *link;
        if (settled (arg, change)) {
            *link = change->next;
            s_change_free (change);
        }
        else {
            disk->last = change;
            link = &change->next;
        }
    }
}

//  --------------------------------------------------------------------------
//  The port

//  0: goes on; FAILS; DEAD: nobody is there any more who could do anything
enum { FAILS = -1, DEAD = 1 };

static int
s_ask (s_view_t *view, kith_disk_op_t op, const char *path, kith_error_t *error)
{
    const int answer = view->fault ? view->fault (view->arg, op, error) : 0;
    if (answer != 0)
        kith_error_prefix (error, "%s", path);
    return answer;
}

static int
s_directory_there (const s_view_t *view, const char *path, kith_error_t *error)
{
    if (strlen (path) >= PATH_BYTES_MAX)
        return kith_error_set (error, KITH_ERR_IO, "a path of over %u bytes",
                               PATH_BYTES_MAX);
    if (!s_is_reached (&view->disk->now, path))
        return kith_error_set (error, KITH_ERR_IO, "%s: its directory is not there",
                               path);
    return 0;
}

static kith_file_t *
s_open (kith_fs_t *port, const char *path, bool create, bool exclusive,
        kith_error_t *error)
{
    s_view_t *view = (s_view_t *) port;
    s_inode_t *inode = s_lookup (&view->disk->now, path);
    if (s_ask (view, create && !inode ? KITH_DISK_NAME : KITH_DISK_READ, path, error)
        != 0)
        return NULL;
    if (inode && inode->directory) {
        kith_error_set (error, KITH_ERR_IO, "%s is a directory", path);
        return NULL;
    }
    if (inode && create && exclusive) {
        kith_error_set (error, KITH_ERR_EXISTS, "%s is there already", path);
        return NULL;
    }
    if (!inode && !create) {
        kith_error_set (error, KITH_ERR_NOT_FOUND, "no file %s", path);
        return NULL;
    }
    if (!inode) {
        if (s_directory_there (view, path, error) != 0)
            return NULL;
        inode = kith_new (sizeof *inode);
        inode->owner = view->owner;
        s_change (view, path, NULL, inode);
    }
    kith_file_t *file = kith_new (sizeof *file);
    file->inode = s_share (inode);
    view->files++;
    return file;
}

static void
s_close (kith_fs_t *port, kith_file_t **file_p)
{
    s_view_t *view = (s_view_t *) port;
    kith_file_t *file = *file_p;
    if (!file)
        return;
    if (file->inode->locked == file)
        file->inode->locked = NULL;
    s_release (file->inode);
    free (file);
    view->files--;
    *file_p = NULL;
}

static int
s_read (kith_fs_t *port, kith_file_t *file, uint64_t at, void *out, size_t size,
        kith_error_t *error)
{
    const kith_bytes_t *now = &file->inode->now;
    if (s_ask ((s_view_t *) port, KITH_DISK_READ, "read", error) != 0)
        return -1;
    if (at > now->size || size > now->size - at)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "read of %zu bytes at %" PRIu64 ": the file has %zu", size,
                               at, now->size);
    if (size)
        memcpy (out, now->data + at, size);
    return 0;
}

static int
s_write (kith_fs_t *port, kith_file_t *file, uint64_t at, const void *data, size_t size,
         kith_error_t *error)
{
    s_view_t *view = (s_view_t *) port;
    const int answer = s_ask (view, KITH_DISK_WRITE, "write", error);
    if (answer != 0) {
        //  A write that fails may have written a part
        if (answer == FAILS && size > SECTOR)
            s_await (file->inode, view->owner, at, data, SECTOR, false);
        return -1;
    }
    s_await (file->inode, view->owner, at, data, size, false);
    return 0;
}

static int
s_size (kith_fs_t *port, kith_file_t *file, uint64_t *size, kith_error_t *error)
{
    (void) port;
    (void) error;
    *size = file->inode->now.size;
    return 0;
}

static int
s_truncate (kith_fs_t *port, kith_file_t *file, uint64_t size, kith_error_t *error)
{
    s_view_t *view = (s_view_t *) port;
    if (s_ask (view, KITH_DISK_WRITE, "truncate", error) != 0)
        return -1;
    s_await (file->inode, view->owner, size, NULL, 0, true);
    return 0;
}

static int
s_sync (kith_fs_t *port, kith_file_t *file, kith_error_t *error)
{
    s_view_t *view = (s_view_t *) port;
    s_inode_t *inode = file->inode;
    const int answer = s_ask (view, KITH_DISK_SYNC, "sync", error);
    if (answer != 0) {
        //  The kernel may mark the pages clean: a second sync says yes and has written nothing (fsyncgate). Of a process
        //  that died before its sync they stay dirty
        for (s_write_t *write = inode->first; write && answer == FAILS;
             write = write->next)
            write->doomed = true;
        return -1;
    }
    //  Doomed ones stay: readers see them until the power goes
    s_write_t **link = &inode->first;
    inode->last = NULL;
    while (*link) {
        s_write_t *write = *link;
        if (write->doomed) {
            inode->last = write;
            link = &write->next;
            continue;
        }
        s_apply (&inode->durable, write, write->size);
        *link = write->next;
        free (write);
    }
    return 0;
}

static int
s_lock (kith_fs_t *port, kith_file_t *file, kith_error_t *error)
{
    (void) port;
    if (file->inode->locked && file->inode->locked != file)
        return kith_error_set (error, KITH_ERR_LOCKED, "the file is in use");
    file->inode->locked = file;
    return 0;
}

static const uint8_t *
s_map (kith_fs_t *port, kith_file_t *file, uint64_t *size, kith_error_t *error)
{
    *size = 0;
    if (s_ask ((s_view_t *) port, KITH_DISK_READ, "map", error) != 0)
        return NULL;
    const kith_bytes_t *now = &file->inode->now;
    if (now->size == 0)
        return NULL;
    uint8_t *copy = aligned_alloc (4096, (now->size + 4095) / 4096 * 4096);
    assert (copy);
    memcpy (copy, now->data, now->size);
    *size = now->size;
    return copy;
}

static void
s_unmap (kith_fs_t *port, const uint8_t *data, uint64_t size)
{
    (void) port;
    (void) size;
    //  It was ours to write before it was lent
    free (kith_unconst (data));
}

static int
s_mkdir (kith_fs_t *port, const char *path, kith_error_t *error)
{
    s_view_t *view = (s_view_t *) port;
    const s_inode_t *there = s_lookup (&view->disk->now, path);
    if (there && there->directory)
        return 0;
    if (there)
        return kith_error_set (error, KITH_ERR_EXISTS, "%s is a file", path);
    if (s_ask (view, KITH_DISK_NAME, path, error) != 0
        || s_directory_there (view, path, error) != 0)
        return -1;
    s_inode_t *inode = kith_new (sizeof *inode);
    inode->directory = true;
    inode->owner = view->owner;
    s_change (view, path, NULL, inode);
    return 0;
}

static int
s_rename (kith_fs_t *port, const char *from, const char *to, kith_error_t *error)
{
    s_view_t *view = (s_view_t *) port;
    s_inode_t *inode = s_lookup (&view->disk->now, from);
    if (s_ask (view, KITH_DISK_NAME, from, error) != 0)
        return -1;
    if (!inode)
        return kith_error_set (error, KITH_ERR_NOT_FOUND, "no file %s", from);
    if (s_directory_there (view, to, error) != 0)
        return -1;
    s_share (inode);
    s_change (view, to, from, inode);
    s_release (inode);
    return 0;
}

static int
s_link (kith_fs_t *port, const char *from, const char *to, kith_error_t *error)
{
    s_view_t *view = (s_view_t *) port;
    s_inode_t *inode = s_lookup (&view->disk->now, from);
    if (s_ask (view, KITH_DISK_NAME, from, error) != 0)
        return -1;
    if (!inode)
        return kith_error_set (error, KITH_ERR_NOT_FOUND, "no file %s", from);
    if (s_lookup (&view->disk->now, to))
        return kith_error_set (error, KITH_ERR_EXISTS, "%s is there already", to);
    if (s_directory_there (view, to, error) != 0)
        return -1;
    s_change (view, to, NULL, inode);
    return 0;
}

static bool
s_is_empty (const s_names_t *names, const char *directory)
{
    bool empty = true;
    for (size_t place = 0; place < names->count && empty; place++)
        empty = !s_in (names->names [place].path, directory);
    return empty;
}

static int
s_remove (kith_fs_t *port, const char *path, kith_error_t *error)
{
    s_view_t *view = (s_view_t *) port;
    if (!s_lookup (&view->disk->now, path))
        return 0;
    if (s_ask (view, KITH_DISK_NAME, path, error) != 0)
        return -1;
    if (!s_is_empty (&view->disk->now, path))
        return kith_error_set (error, KITH_ERR_IO, "%s is not empty", path);
    s_change (view, path, NULL, NULL);
    return 0;
}

typedef struct {
    kith_sim_disk_t *disk;
    const char *directory;
} s_sync_dir_t;

static bool
s_synced (void *arg, const s_change_t *change)
{
    const s_sync_dir_t *sync = arg;
    bool here = s_in (change->path, sync->directory)
                || (change->from && s_in (change->from, sync->directory));
    if (here)
        s_change_apply (&sync->disk->durable, change);
    return here;
}

static int
s_sync_dir (kith_fs_t *port, const char *path, kith_error_t *error)
{
    s_view_t *view = (s_view_t *) port;
    if (s_ask (view, KITH_DISK_SYNC, path, error) != 0)
        return -1;
    //  The working directory has two names
    s_sync_dir_t sync = {view->disk, strcmp (path, ".") == 0 ? "" : path};
    s_settle (view->disk, s_synced, &sync);
    return 0;
}

static bool
s_exists (kith_fs_t *port, const char *path)
{
    return s_lookup (&((s_view_t *) port)->disk->now, path) != NULL;
}

static int
s_list (kith_fs_t *port, const char *path,
        void (*fn) (void *arg, const char *name, bool is_dir), void *arg,
        kith_error_t *error)
{
    s_view_t *view = (s_view_t *) port;
    if (s_ask (view, KITH_DISK_READ, path, error) != 0)
        return -1;
    const s_inode_t *directory = s_lookup (&view->disk->now, path);
    if (!directory || !directory->directory)
        return kith_error_set (error, KITH_ERR_NOT_FOUND, "no directory %s", path);
    //  fn may change names: what it is told is copied first
    const s_names_t *now = &view->disk->now;
    s_name_t *found = kith_new ((now->count + 1) * sizeof *found);
    size_t count = 0;
    for (size_t place = 0; place < now->count; place++)
        if (s_in (now->names [place].path, path)) {
            //  What is gone has no name
            assert (now->names [place].inode);
            found [count++] = (s_name_t){kith_strdup (now->names [place].path),
                                         s_share (now->names [place].inode)};
        }
    for (size_t place = 0; place < count; place++) {
        fn (arg, found [place].path + s_parent (found [place].path) + 1,
            found [place].inode->directory);
        free (found [place].path);
        s_release (found [place].inode);
    }
    free (found);
    return 0;
}

//  --------------------------------------------------------------------------
//  The disk

kith_sim_disk_t *
kith_sim_disk_new (void)
{
    return kith_new (sizeof (kith_sim_disk_t));
}

static bool
s_all (void *arg, const s_change_t *change)
{
    (void) arg;
    (void) change;
    return true;
}

void
kith_sim_disk_destroy (kith_sim_disk_t **self_p)
{
    assert (self_p);
    kith_sim_disk_t *self = *self_p;
    if (!self)
        return;
    assert (self->views == 0);
    s_settle (self, s_all, NULL);
    s_free_names (&self->now);
    s_free_names (&self->durable);
    free (self);
    *self_p = NULL;
}

kith_fs_t *
kith_sim_disk_view (kith_sim_disk_t *self, uint32_t owner, kith_disk_fault_fn *fault,
                    void *arg)
{
    assert (self);
    s_view_t *view = kith_new (sizeof *view);
    view->port = (kith_fs_t){.open = s_open,
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
    view->disk = self;
    view->owner = owner;
    view->fault = fault;
    view->arg = arg;
    self->views++;
    return &view->port;
}

void
kith_sim_disk_view_destroy (kith_fs_t **view_p)
{
    assert (view_p);
    s_view_t *view = (s_view_t *) *view_p;
    if (!view)
        return;
    assert (view->files == 0);
    view->disk->views--;
    free (view);
    *view_p = NULL;
}

//  --------------------------------------------------------------------------
//  Power loss

typedef struct {
    kith_sim_disk_t *disk;
    uint32_t owner;
    kith_random_t *random;
    kith_sim_disk_stats_t *stats;
} s_loss_t;

//  Each change of names is kept or lost by itself
static bool
s_lose_name (void *arg, const s_change_t *change)
{
    const s_loss_t *loss = arg;
    if (change->owner != loss->owner)
        return false;
    if (kith_random_below (loss->random, 2) == 0) {
        s_change_apply (&loss->disk->durable, change);
        loss->stats->names_kept++;
    }
    else
        loss->stats->names_lost++;
    return true;
}

//  Sectors of the disk that a write touches
static uint64_t
s_sectors (const s_write_t *write)
{
    return write->size ? (write->at + write->size - 1) / SECTOR - write->at / SECTOR + 1
                       : 0;
}

//  Of a write that is torn each sector is there or not, by itself; the file may have its new length already
static void
s_tear (const s_loss_t *loss, kith_bytes_t *bytes, const s_write_t *write)
{
    uint64_t at = write->at;
    const uint64_t end = write->at + write->size;
    while (at < end) {
        const uint64_t border = (at / SECTOR + 1) * SECTOR;
        const size_t piece = (size_t) ((border < end ? border : end) - at);
        if (kith_random_below (loss->random, 2) == 0)
            s_put (bytes, at, write->data + (at - write->at), piece);
        at += piece;
    }
    if (end > bytes->size && kith_random_below (loss->random, 2) == 0)
        s_cut (bytes, end);
    loss->stats->writes_torn++;
}

static void
s_lose_writes (const s_loss_t *loss, s_inode_t *inode)
{
    for (const s_write_t *write = inode->first; write; write = write->next) {
        uint64_t fate = kith_random_below (loss->random, 4);
        if (fate == 0 && !write->doomed) {
            s_apply (&inode->durable, write, write->size);
            loss->stats->writes_kept++;
        }
        else if (fate < 3 && s_sectors (write) > 1 && !write->doomed)
            s_tear (loss, &inode->durable, write);
        else
            loss->stats->writes_lost++;
    }
    s_drop_writes (inode);
    kith_bytes_clear (&inode->now);
    kith_bytes_put (&inode->now, inode->durable.data, inode->durable.size);
}

void
kith_sim_disk_power_loss (kith_sim_disk_t *self, uint32_t owner, kith_random_t *random,
                          kith_sim_disk_stats_t *stats)
{
    assert (self && random && stats);
    s_loss_t loss = {self, owner, random, stats};
    s_settle (self, s_lose_name, &loss);
    for (size_t place = 0; place < self->durable.count; place++) {
        s_inode_t *inode = self->durable.names [place].inode;
        if (inode->owner == owner && inode->first)
            s_lose_writes (&loss, inode);
    }
    s_drop_unreached (&self->durable);
    //  What is seen from now on: what is durable, and what the others still wait for
    s_free_names (&self->now);
    for (size_t place = 0; place < self->durable.count; place++)
        s_name (&self->now, self->durable.names [place].path,
                self->durable.names [place].inode);
    for (const s_change_t *change = self->first; change; change = change->next)
        s_change_apply (&self->now, change);
    s_drop_unreached (&self->now);
}
