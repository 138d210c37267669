//  process - what the loops of a process share: the cluster, storage handles, what the supervisor tells
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/process.h"
#include <pthread.h>
#include <stdatomic.h>

struct kith_process {
    kith_process_options_t options;
    const kith_process_spec_t *spec;    //  this one's
    _Atomic uint64_t cluster_id;
    pthread_mutex_t lock;           //  of the handles
    kith_file_t *directory_lock;    //  data/LOCK
    kith_kv_t *kv;
    kith_objects_t *objects;
    kith_log_t *logs [KITH_LOGS_MAX];
};

static char *
s_path (const kith_process_t *self, const char *name)
{
    kith_bytes_t path = {0};
    kith_bytes_printf (&path, "%s/%s", self->spec->data, name);
    char *text = kith_strdup ((const char *) path.data);
    kith_bytes_free (&path);
    return text;
}

static int
s_lock_directory (kith_process_t *self, kith_error_t *error)
{
    kith_fs_t *fs = self->options.fs;
    if (kith_fs_mkdirs (fs, self->spec->data, error) != 0)
        return kith_error_prefix (error, "data directory of process %s",
                                  self->spec->name);
    char *path = s_path (self, "LOCK");
    self->directory_lock = fs->open (fs, path, true, false, error);
    int rc = self->directory_lock ? fs->lock (fs, self->directory_lock, error) : -1;
    free (path);
    if (rc == 0)
        return 0;
    kith_error_prefix (error, "data directory %s", self->spec->data);
    if (error && error->code == KITH_ERR_LOCKED)
        kith_error_hint (
            error, "another process uses it: stop that one, or give this one its own");
    return -1;
}

kith_process_t *
kith_process_new (const kith_process_options_t *options, kith_error_t *error)
{
    assert (options && options->topology);
    assert (options->ordinal < options->topology->process_count);
    kith_process_t *self = kith_new (sizeof *self);
    self->options = *options;
    self->spec = &options->topology->processes [options->ordinal];
    pthread_mutex_init (&self->lock, NULL);
    if (options->fs && s_lock_directory (self, error) != 0)
        kith_process_destroy (&self);
    return self;
}

void
kith_process_destroy (kith_process_t **self_p)
{
    assert (self_p);
    kith_process_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t log = 0; log < KITH_LOGS_MAX; log++)
        if (self->logs [log]) {
            //  An orderly end leaves nothing that a cut could take unseen; a log that is not open refuses
            (void) self->logs [log]->mark (self->logs [log], NULL);
            self->logs [log]->close (&self->logs [log]);
        }
    if (self->objects)
        self->objects->close (&self->objects);
    if (self->kv)
        self->kv->close (&self->kv);
    if (self->directory_lock)
        self->options.fs->close (self->options.fs, &self->directory_lock);
    pthread_mutex_destroy (&self->lock);
    free (self);
    *self_p = NULL;
}

const kith_topology_t *
kith_process_topology (const kith_process_t *self)
{
    return self->options.topology;
}

uint32_t
kith_process_ordinal (const kith_process_t *self)
{
    return self->options.ordinal;
}

kith_cluster_t
kith_process_cluster (const kith_process_t *self)
{
    const kith_cluster_spec_t *spec = &self->options.topology->cluster;
    return (kith_cluster_t){.name = spec->name,
                            .id = atomic_load (&self->cluster_id),
                            .logs = spec->logs,
                            .seal_rows = spec->seal_rows,
                            .seal_bytes = spec->seal_bytes,
                            .seal_ms = spec->seal_ms,
                            .index_rows_min = spec->index_rows_min,
                            .index_memory = spec->index_memory,
                            .window_requests = spec->window_requests,
                            .topology = self->options.topology->text};
}

void
kith_process_set_cluster_id (kith_process_t *self, uint64_t id)
{
    atomic_store (&self->cluster_id, id);
}

kith_kv_t *
kith_process_kv (kith_process_t *self, kith_error_t *error)
{
    assert (self->options.fs);
    pthread_mutex_lock (&self->lock);
    if (self->kv)
        self->kv->close (&self->kv);
    if (self->options.kv_open)
        self->kv = self->options.kv_open (self->options.arg, error);
    else {
        char *path = s_path (self, "metadata");
        self->kv = kith_kv_rocks_open (path, error);
        free (path);
    }
    kith_kv_t *kv = self->kv;
    pthread_mutex_unlock (&self->lock);
    return kv;
}

kith_log_t *
kith_process_log (kith_process_t *self, uint32_t log)
{
    const kith_cluster_spec_t *cluster = &self->options.topology->cluster;
    if (log >= cluster->logs || log >= KITH_LOGS_MAX)
        return NULL;
    pthread_mutex_lock (&self->lock);
    if (!self->logs [log]) {
        char name [32];
        snprintf (name, sizeof name, "log-%u", log);
        char *path = s_path (self, name);
        self->logs [log] =
            kith_log_file_new (self->options.fs, path, cluster->log_file_bytes);
        free (path);
    }
    kith_log_t *handle = self->logs [log];
    pthread_mutex_unlock (&self->lock);
    return handle;
}

kith_objects_t *
kith_process_objects (kith_process_t *self, kith_error_t *error)
{
    pthread_mutex_lock (&self->lock);
    if (!self->objects) {
        const char *path = self->options.topology->cluster.objects_path;
        if (kith_fs_mkdirs (self->options.fs, path, error) == 0)
            self->objects = kith_objects_dir_open (self->options.fs, path, error);
    }
    kith_objects_t *objects = self->objects;
    pthread_mutex_unlock (&self->lock);
    return objects;
}

kith_parallel_t *
kith_process_parallel (const kith_process_t *self)
{
    return self->options.parallel ? self->options.parallel : kith_parallel_serial ();
}

void
kith_process_describe (kith_process_t *self, kith_proto_process_info_t *info,
                       kith_arena_t *arena)
{
    info->name = kith_arena_strdup (arena, self->spec->name);
    info->endpoint = kith_arena_strdup (arena, self->spec->endpoint);
    info->kernels = info->blas = info->listen = "";
    info->up = true;
    if (self->options.describe)
        self->options.describe (self->options.arg, info, arena);
}

void
kith_process_stop (kith_process_t *self)
{
    if (self->options.stop)
        self->options.stop (self->options.arg);
}
