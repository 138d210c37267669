//  files - what metadata names against what lies in the object store, once a cluster has come to rest
//  SPDX-License-Identifier: Apache-2.0
#include "clients/sim/driver.h"

#include "actors/common.h"
#include "storage/kv.h"
#include "storage/objects.h"

#define NAMES_MAX 4096u

typedef struct {
    kith_driver_t *driver;
    char (*names) [KITH_KEY_MAX];    //  that rows give
    bool *there;
    uint32_t count;
    uint32_t strays;    //  files that no row names
    char stray [KITH_KEY_MAX];
} files_t;

static void
s_name (files_t *self, const char *name)
{
    if (!*name)
        return;
    assert (self->count < NAMES_MAX);
    snprintf (self->names [self->count++], KITH_KEY_MAX, "%s", name);
}

static void
s_name_segment (files_t *self, const kith_proto_segment_row_t *row)
{
    s_name (self, row->snapshot);
    s_name (self, row->deaths);
}

static void
s_channel (void *arg, const char *key, const void *value, size_t size, uint64_t revision)
{
    (void) key;
    (void) revision;
    kith_arena_t arena = {0};
    const kith_blob_t blob = {value, (uint32_t) size};
    const kith_proto_channel_row_t *row =
        kith_row_read (&kith_proto_channel_row_table, blob, &arena);
    //  The files of a dropped channel go in any order
    if (row && !row->dropped) {
        s_name (arg, row->window);
        for (uint32_t i = 0; i < row->segments_count; i++)
            s_name_segment (arg, &row->segments [i]);
    }
    kith_arena_free (&arena);
}

static void
s_index (void *arg, const char *key, const void *value, size_t size, uint64_t revision)
{
    (void) key;
    (void) revision;
    kith_arena_t arena = {0};
    const kith_blob_t blob = {value, (uint32_t) size};
    const kith_proto_index_row_t *row =
        kith_row_read (&kith_proto_index_row_table, blob, &arena);
    if (row)
        s_name (arg, row->object);
    kith_arena_free (&arena);
}

static void
s_file (void *arg, const char *name, uint64_t size)
{
    files_t *self = arg;
    (void) size;
    bool named = !strcmp (name, "cluster");
    for (uint32_t i = 0; i < self->count; i++)
        if (!strcmp (self->names [i], name))
            named = self->there [i] = true;
    if (named)
        return;
    self->strays++;
    snprintf (self->stray, KITH_KEY_MAX, "%s", name);
}

static int
s_read (files_t *self, kith_error_t *error)
{
    const kith_topology_t *topology = self->driver->topology;
    const uint32_t meta = (uint32_t) kith_topology_process (topology, KITH_ROLE_META, 0);
    kith_kv_t *kv =
        kith_kv_mem_open (kith_sim_kv (self->driver->sim, meta), NULL, NULL, error);
    kith_objects_t *objects = kith_objects_dir_open (
        kith_sim_fs (self->driver->sim), topology->cluster.objects_path, error);
    int result = kv && objects ? 0 : -1;
    if (!result)
        result = kv->scan (kv, "channel/", s_channel, self, error);
    if (!result)
        result = kv->scan (kv, "index/", s_index, self, error);
    if (!result)
        result = objects->list (objects, "", s_file, self, error);
    if (kv)
        kv->close (&kv);
    if (objects)
        objects->close (&objects);
    return result;
}

void
kith_driver_files (kith_driver_t *self, bool power)
{
    files_t files = {.driver = self};
    files.names = kith_new (NAMES_MAX * sizeof *files.names);
    files.there = kith_new (NAMES_MAX * sizeof *files.there);
    kith_error_t error;
    if (s_read (&files, &error))
        kith_driver_violate (self, "files: %s", error.message);
    for (uint32_t i = 0; i < files.count; i++)
        if (!files.there [i])
            kith_driver_violate (self, "files: a row names %s, which is not there",
                                 files.names [i]);
    if (files.strays && !power)
        kith_driver_violate (self, "files: %u that no row names, as %s", files.strays,
                             files.stray);
    free (files.names);
    free (files.there);
}
