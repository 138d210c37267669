//  config_topology - the topology that a configuration describes, and whether it can work
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/config_state.h"

#define LOGS_STANDALONE 1u    //  when the configuration does not say
#define LOGS_CLUSTER 16u

static const char *
s_text (const kith_part_t *part, const char *key)
{
    const kith_value_t *value = kith_config_value (part, key);
    return value->text ? value->text : "";
}

static uint64_t
s_number (const kith_part_t *part, const char *key)
{
    return kith_config_value (part, key)->number;
}

static size_t
s_line (const kith_part_t *part, const char *key)
{
    const kith_value_t *value = kith_config_value (part, key);
    return value->line ? value->line : part->line;
}

//  --------------------------------------------------------------------------
//  Endpoints

//  Only what other hosts cannot reach: keys come first (DESIGN 10)
static bool
s_is_local (const char *endpoint)
{
    if (strncmp (endpoint, "tcp://", 6) != 0)
        return true;
    const char *host = endpoint + 6;
    return strncmp (host, "127.", 4) == 0 || strncmp (host, "localhost:", 10) == 0
           || strncmp (host, "[::1]:", 6) == 0;
}

static bool
s_is_any_port (const char *endpoint)
{
    size_t size = strlen (endpoint);
    return size > 2 && strcmp (endpoint + size - 2, ":*") == 0;
}

//  The part before this one that uses the endpoint, or null
static const kith_part_t *
s_same_endpoint (const kith_config_t *self, const kith_part_t *part, const char *endpoint)
{
    for (const kith_part_t *other = self->parts; other < part; other++) {
        const char *used = other->kind == KITH_SECTION_PROCESS
                               ? s_text (other, "endpoint")
                           : other->kind == KITH_SECTION_ACTOR ? s_text (other, "listen")
                                                               : "";
        if (strcmp (used, endpoint) == 0)
            return other;
    }
    return NULL;
}

static int
s_check_endpoint (const kith_config_t *self, const kith_part_t *part, const char *key,
                  kith_error_t *error)
{
    const char *endpoint = s_text (part, key);
    size_t line = s_line (part, key);
    if (!*endpoint)
        return 0;
    if (!s_is_local (endpoint)) {
        kith_config_error (
            self, line, error,
            "%s %s is no loopback address: refused without CURVE or TLS, which this "
            "version does not have",
            key, endpoint);
        kith_error_hint (error, "use tcp://127.0.0.1:PORT or ipc://PATH");
        return -1;
    }
    const kith_part_t *other =
        s_is_any_port (endpoint) ? NULL : s_same_endpoint (self, part, endpoint);
    if (other)
        return kith_config_error (self, line, error, "%s is used at line %zu already",
                                  endpoint, other->line);
    return 0;
}

//  --------------------------------------------------------------------------
//  Processes

static int
s_build_process (kith_config_t *self, const kith_part_t *part, kith_error_t *error)
{
    kith_topology_t *topology = &self->topology;
    kith_process_spec_t *process = &topology->processes [part->process];
    process->name = s_text (part, "name");
    process->endpoint = s_text (part, "endpoint");
    process->data = s_text (part, "data");
    process->query_threads = (uint32_t) s_number (part, "query_threads");
    process->build_threads = (uint32_t) s_number (part, "build_threads");
    process->io_threads = (uint32_t) s_number (part, "io_threads");
    bool alone = topology->process_count == 1;
    if (!*process->data)
        process->data =
            alone ? "data" : kith_arena_printf (&self->arena, "data/%s", process->name);
    if (strspn (process->name,
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
        != strlen (process->name))
        return kith_config_error (
            self, s_line (part, "name"), error,
            "process name \"%s\": allowed are letters, digits, - and _", process->name);
    if (!alone && !*process->endpoint)
        return kith_config_error (
            self, part->line, error,
            "process %s needs an endpoint, for there are %u processes", process->name,
            topology->process_count);
    if (!alone && s_is_any_port (process->endpoint))
        return kith_config_error (self, s_line (part, "endpoint"), error,
                                  "the others could not know the port of %s: name it",
                                  process->name);
    for (uint32_t place = 0; place < part->process; place++) {
        const kith_process_spec_t *other = &topology->processes [place];
        if (strcmp (other->name, process->name) == 0)
            return kith_config_error (self, s_line (part, "name"), error,
                                      "a second process %s", process->name);
        if (strcmp (other->data, process->data) == 0)
            return kith_config_error (
                self, s_line (part, "data"), error,
                "processes %s and %s would share the data directory %s", other->name,
                process->name, process->data);
    }
    return s_check_endpoint (self, part, "endpoint", error);
}

//  --------------------------------------------------------------------------
//  Actors

static int
s_build_actor (kith_config_t *self, const kith_part_t *part, kith_error_t *error)
{
    kith_topology_t *topology = &self->topology;
    kith_actor_spec_t *actor = &topology->actors [topology->actor_count];
    actor->role = kith_role_of_name (s_text (part, "role"));
    assert (actor->role < KITH_ROLE_COUNT);
    actor->process = part->process;
    actor->loop = s_text (part, "loop");
    actor->listen = s_text (part, "listen");
    actor->config = part->node;
    const kith_value_t *index = kith_config_value (part, "index");
    actor->index = index->text ? (uint32_t) index->number : UINT32_MAX;
    if (index->text && kith_topology_find (topology, actor->role, actor->index))
        return kith_config_error (self, index->line, error, "a second %s with index %u",
                                  kith_role_name (actor->role), actor->index);
    if (*actor->listen && actor->role != KITH_ROLE_PROXY)
        return kith_config_error (self, s_line (part, "listen"), error,
                                  "%s does not listen; a proxy does",
                                  kith_role_name (actor->role));
    topology->actor_count++;
    return s_check_endpoint (self, part, "listen", error);
}

//  Gives indexes to those that have none, in file order
static void
s_number_actors (kith_topology_t *topology)
{
    for (uint32_t number = 0; number < topology->actor_count; number++) {
        kith_actor_spec_t *actor = &topology->actors [number];
        if (actor->index != UINT32_MAX)
            continue;
        uint32_t index = 0;
        while (kith_topology_find (topology, actor->role, index))
            index++;
        actor->index = index;
    }
}

static int
s_check_roles (const kith_config_t *self, kith_error_t *error)
{
    static const kith_role_t singles [] = {KITH_ROLE_META, KITH_ROLE_ROOT_COORD,
                                           KITH_ROLE_QUERY_COORD, KITH_ROLE_DATA_COORD,
                                           KITH_ROLE_INDEX_COORD};
    static const kith_role_t needed [] = {KITH_ROLE_PROXY, KITH_ROLE_DATA_NODE,
                                          KITH_ROLE_QUERY_NODE};
    const kith_topology_t *topology = &self->topology;
    for (size_t place = 0; place < sizeof singles / sizeof singles [0]; place++) {
        uint32_t count = kith_topology_count (topology, singles [place]);
        if (count != 1)
            return kith_config_error (self, 0, error,
                                      "%u actors of role %s: allowed is exactly 1", count,
                                      kith_role_name (singles [place]));
    }
    for (size_t place = 0; place < sizeof needed / sizeof needed [0]; place++)
        if (kith_topology_count (topology, needed [place]) == 0)
            return kith_config_error (self, 0, error,
                                      "no actor of role %s: at least 1 is needed",
                                      kith_role_name (needed [place]));
    for (uint32_t number = 0; number < topology->actor_count; number++) {
        const kith_actor_spec_t *actor = &topology->actors [number];
        uint32_t count = kith_topology_count (topology, actor->role);
        if (actor->index >= count)
            return kith_config_error (
                self, 0, error, "%s has index %u, but there are %u: allowed is 0 to %u",
                kith_role_name (actor->role), actor->index, count, count - 1);
    }
    return 0;
}

static int
s_check_processes (const kith_config_t *self, kith_error_t *error)
{
    const kith_topology_t *topology = &self->topology;
    for (uint32_t place = 0; place < topology->process_count; place++) {
        uint32_t count = 0;
        for (uint32_t number = 0; number < topology->actor_count; number++)
            count += topology->actors [number].process == place;
        //  The supervisor takes one place
        if (count == 0 || count > KITH_ACTORS_MAX - 1)
            return kith_config_error (
                self, 0, error, "process %s has %u actors: allowed are 1 to %u",
                topology->processes [place].name, count, KITH_ACTORS_MAX - 1);
    }
    return 0;
}

//  --------------------------------------------------------------------------
//  The cluster

static int
s_build_cluster (kith_config_t *self, const kith_part_t *part, kith_error_t *error)
{
    kith_topology_t *topology = &self->topology;
    kith_cluster_spec_t *cluster = &topology->cluster;
    bool alone = topology->process_count == 1;
    cluster->name = s_text (part, "name");
    cluster->metadata = s_text (part, "metadata");
    cluster->log = s_text (part, "log");
    cluster->objects = s_text (part, "objects");
    cluster->objects_path = s_text (part, "objects_path");
    cluster->seal_rows = (uint32_t) s_number (part, "seal_rows");
    cluster->seal_bytes = s_number (part, "seal_bytes");
    cluster->seal_ms = s_number (part, "seal_time");
    cluster->index_rows_min = (uint32_t) s_number (part, "index_rows_min");
    cluster->index_memory = s_number (part, "index_memory");
    cluster->window_requests = s_number (part, "window_requests");
    cluster->log_file_bytes = s_number (part, "log_file_bytes");
    cluster->kernels = s_text (part, "kernels");
    const kith_value_t *logs = kith_config_value (part, "logs");
    cluster->logs = logs->text ? (uint32_t) logs->number
                    : alone    ? LOGS_STANDALONE
                               : LOGS_CLUSTER;
    if (*cluster->objects_path)
        return 0;
    if (!alone)
        return kith_config_error (
            self, part->line, error,
            "several processes need cluster.objects_path, a directory that "
            "all of them see");
    cluster->objects_path =
        kith_arena_printf (&self->arena, "%s/objects", topology->processes [0].data);
    return 0;
}

int
kith_config_build (kith_config_t *self, kith_error_t *error)
{
    kith_topology_t *topology = &self->topology;
    if (topology->process_count == 0)
        return kith_config_error (self, 0, error, "no process section");
    if (topology->process_count > KITH_PROCESSES_MAX)
        return kith_config_error (self, 0, error, "%u processes: allowed are %u",
                                  topology->process_count, KITH_PROCESSES_MAX);
    topology->processes =
        kith_new (topology->process_count * sizeof (kith_process_spec_t));
    topology->actors = kith_new (self->part_count * sizeof (kith_actor_spec_t));
    for (size_t place = 0; place < self->part_count; place++) {
        const kith_part_t *part = &self->parts [place];
        int rc = 0;
        if (part->kind == KITH_SECTION_PROCESS)
            rc = s_build_process (self, part, error);
        else if (part->kind == KITH_SECTION_ACTOR)
            rc = s_build_actor (self, part, error);
        if (rc != 0)
            return -1;
    }
    s_number_actors (topology);
    if (s_check_processes (self, error) != 0 || s_check_roles (self, error) != 0
        || s_build_cluster (self, &self->parts [0], error) != 0)
        return -1;
    kith_bytes_t text = {0};
    kith_config_write (self, false, &text);
    topology->text = kith_arena_strdup (&self->arena, (const char *) text.data);
    kith_bytes_free (&text);
    return 0;
}
