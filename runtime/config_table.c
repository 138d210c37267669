//  config_table - the one table of known keys
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/config_table.h"
#include "base/limits.h"

#define ROLES                                                                            \
    "meta proxy root_coord query_coord data_coord index_coord query_node data_node "     \
    "index_node gateway"

// clang-format off
static const kith_key_t s_keys [] = {
    {KITH_SECTION_CLUSTER, "name", KITH_KEY_TEXT, "kith", 1, KITH_NAME_MAX, NULL, false,
     false, NULL, "Name of the cluster, for people."},
    {KITH_SECTION_CLUSTER, "metadata", KITH_KEY_CHOICE, "rocksdb", 0, 0, "rocksdb", false,
     false, NULL,
     "Where metadata live: `rocksdb`, in the data directory of the process that has `meta`."},
    {KITH_SECTION_CLUSTER, "log", KITH_KEY_CHOICE, "file", 0, 0, "file", false, false,
     NULL,
     "Where logs live: `file`, in the data directory of the process that has their data node."},
    {KITH_SECTION_CLUSTER, "logs", KITH_KEY_COUNT, "", 1, KITH_LOGS_MAX, NULL, false,
     false, "1 for one process, else 16",
     "How many logs there are. Fixed when the cluster is made."},
    {KITH_SECTION_CLUSTER, "log_file_bytes", KITH_KEY_SIZE, "64MB", 4096, 1ull << 40, NULL,
     false, true, NULL,
     "A log goes on in a new file at this size; whole files are what a trim removes."},
    {KITH_SECTION_CLUSTER, "objects", KITH_KEY_CHOICE, "file", 0, 0, "file", false, false,
     NULL, "Where snapshots and indexes live: `file`, in the directory `objects_path`."},
    {KITH_SECTION_CLUSTER, "objects_path", KITH_KEY_TEXT, "", 1, 4096, NULL, false, false,
     "objects, in the data directory of the only process",
     "Directory of the objects. Every process must see the same one."},
    {KITH_SECTION_CLUSTER, "seal_rows", KITH_KEY_COUNT, "1000000", 1, 100000000, NULL,
     false, true, NULL, "A growing segment is sealed at so many rows."},
    {KITH_SECTION_CLUSTER, "seal_bytes", KITH_KEY_SIZE, "1GB", 4096, 1ull << 40, NULL,
     false, true, NULL, "A growing segment is sealed at this size."},
    {KITH_SECTION_CLUSTER, "seal_time", KITH_KEY_DURATION, "10m", 10, 86400000, NULL,
     false, true, NULL, "A growing segment is sealed at this age."},
    {KITH_SECTION_CLUSTER, "index_rows_min", KITH_KEY_COUNT, "10000", 1, 100000000, NULL,
     false, true, NULL, "Segments with fewer rows get no index."},
    {KITH_SECTION_CLUSTER, "index_memory", KITH_KEY_SIZE, "0", 0, 1ull << 50, NULL, false,
     true, NULL,
     "Memory that the indexes of a query node may take together; 0: no limit. An index that "
     "would take more alone is not built, one that would not fit beside the others is not "
     "loaded: its segment is searched exactly."},
    {KITH_SECTION_CLUSTER, "window_requests", KITH_KEY_COUNT, "65536", 1, 1u << 24, NULL,
     false, true, NULL,
     "Request ids that a channel keeps, so that a retry is applied once."},
    {KITH_SECTION_CLUSTER, "kernels", KITH_KEY_CHOICE, "auto", 0, 0,
     "auto scalar avx2 avx512 avx512vnni avx512icl amx neon neondot", false, false, NULL,
     "Instruction set of the distance kernels; `auto` is the best that the processor has."},

    {KITH_SECTION_PROCESS, "name", KITH_KEY_TEXT, NULL, 1, 64, NULL, true, false, NULL,
     "Name of the process: `zactor run FILE --process NAME`."},
    {KITH_SECTION_PROCESS, "endpoint", KITH_KEY_ENDPOINT, "", 0, 0, NULL, true, false,
     NULL,
     "Where other processes reach this one. The only process of a cluster needs none."},
    {KITH_SECTION_PROCESS, "data", KITH_KEY_TEXT, "", 1, 4096, NULL, true, false,
     "data for one process, else data/NAME",
     "Data directory. No two processes share one."},
    {KITH_SECTION_PROCESS, "query_threads", KITH_KEY_COUNT, "0", 0, 1024, NULL, false,
     false, NULL, "Threads that search; 0: as many as there are cores."},
    {KITH_SECTION_PROCESS, "build_threads", KITH_KEY_COUNT, "0", 0, 1024, NULL, false,
     false, NULL, "Threads of an index build; 0: as many as there are cores."},
    {KITH_SECTION_PROCESS, "io_threads", KITH_KEY_COUNT, "2", 1, 64, NULL, false, false,
     NULL, "Threads that wait for disks."},

    {KITH_SECTION_ACTOR, "role", KITH_KEY_CHOICE, NULL, 0, 0, ROLES, true, false, NULL,
     "What the actor does."},
    {KITH_SECTION_ACTOR, "index", KITH_KEY_COUNT, "", 0, 65535, NULL, true, false,
     "order in the file", "Which actor of its role it is: 0, 1, 2 ... without a gap."},
    {KITH_SECTION_ACTOR, "loop", KITH_KEY_TEXT, "", 1, 64, NULL, true, false,
     "a thread of its own", "Actors of a process that name the same loop share a thread."},
    {KITH_SECTION_ACTOR, "listen", KITH_KEY_ENDPOINT, "", 0, 0, NULL, true, false, NULL,
     "Proxy: where clients connect. Port `*` takes a free one and prints it."},
};
// clang-format on

const kith_key_t *
kith_config_keys (size_t *count)
{
    *count = sizeof s_keys / sizeof s_keys [0];
    return s_keys;
}

const char *
kith_section_name (kith_section_t section)
{
    static const char *const names [KITH_SECTION_COUNT] = {"cluster", "process", "actor"};
    assert (section < KITH_SECTION_COUNT);
    return names [section];
}

const char *
kith_section_doc (kith_section_t section)
{
    static const char *const docs [KITH_SECTION_COUNT] = {
        "What all processes have in common. At most once.",
        "An operating system process. Every process of a cluster reads the same file.",
        "An actor, inside the section of the process that it lives in."};
    assert (section < KITH_SECTION_COUNT);
    return docs [section];
}

void
kith_key_allowed (const kith_key_t *key, char *text, size_t size)
{
    switch (key->type) {
        case KITH_KEY_TEXT:
            snprintf (text, size, "text of %" PRIu64 " to %" PRIu64 " bytes", key->min,
                      key->max);
            break;
        case KITH_KEY_CHOICE:
            snprintf (text, size, "%s%s",
                      strchr (key->choices, ' ') ? "one of: " : "only ", key->choices);
            break;
        case KITH_KEY_ENDPOINT:
            snprintf (text, size, "tcp://HOST:PORT or ipc://PATH");
            break;
        case KITH_KEY_COUNT:
            snprintf (text, size, "a count from %" PRIu64 " to %" PRIu64, key->min,
                      key->max);
            break;
        case KITH_KEY_SIZE:
            snprintf (text, size, "a size such as 64KB, 16MB, 2GB");
            break;
        case KITH_KEY_DURATION:
            snprintf (text, size, "a time such as 10ms, 5s, 2m, 1h");
            break;
    }
}
