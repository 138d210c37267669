//  placement - the cluster and the workload of a seed
//  SPDX-License-Identifier: Apache-2.0
#include "clients/sim/placement.h"

#include <stdio.h>

#define ACTORS_MAX 24u

typedef struct {
    const char *role;
    const char *loop;    //  null: of its own
    uint32_t process;
} actor_t;

typedef struct {
    actor_t actors [ACTORS_MAX];
    uint32_t count;
    uint32_t processes;
} placement_t;

const char *
kith_op_name (kith_op_t op)
{
    switch (op) {
        case KITH_OP_NONE:
            return "none";
        case KITH_OP_INSERT:
            return "insert";
        case KITH_OP_REMOVE:
            return "remove";
        case KITH_OP_GET:
            return "get";
        case KITH_OP_RANGE:
            return "range";
        case KITH_OP_COUNT:
            return "count";
        case KITH_OP_SEARCH:
            return "search";
        case KITH_OP_FLUSH:
            return "flush";
        case KITH_OP_INDEX:
            return "index";
        case KITH_OP_RELEASE:
            return "release";
        case KITH_OP_DROP:
            return "drop";
        case KITH_OP_LOAD:
            return "load";
        case KITH_OP_CREATE:
            return "create";
        case KITH_OP_OPEN:
            return "open";
        case KITH_OP_PARTITION:
            return "partition";
        case KITH_OP_PARTITION_MAKE:
            return "partition make";
    }
    return "";
}

static uint32_t
s_between (kith_random_t *random, uint32_t low, uint32_t high)
{
    return low + (uint32_t) kith_random_below (random, high - low + 1);
}

static void
s_add (placement_t *self, const char *role, const char *loop, uint32_t process)
{
    assert (self->count < ACTORS_MAX);
    self->actors [self->count++] = (actor_t){role, loop, process};
    if (process >= self->processes)
        self->processes = process + 1;
}

static const char *const s_coords [] = {"meta", "root_coord", "data_coord", "query_coord",
                                        "index_coord"};

//  Coordinators together; proxy, data, query and index nodes in processes of their own
static void
s_seven (placement_t *self)
{
    for (uint32_t i = 0; i < 5; i++)
        s_add (self, s_coords [i], "coord", 0);
    s_add (self, "proxy", NULL, 1);
    for (uint32_t i = 0; i < 2; i++)
        s_add (self, "data_node", NULL, 2 + i);
    for (uint32_t i = 0; i < 2; i++)
        s_add (self, "query_node", NULL, 4 + i);
    s_add (self, "index_node", NULL, 6);
}

//  Any actors anywhere, at least one in each process
static void
s_mixed (placement_t *self, kith_random_t *random, uint32_t processes)
{
    for (uint32_t i = 0; i < 5; i++)
        s_add (self, s_coords [i], NULL, 0);
    static const char *const nodes [] = {"proxy", "data_node", "query_node",
                                         "index_node"};
    for (uint32_t role = 0; role < 4; role++)
        for (uint32_t i = s_between (random, 1, role == 3 ? 1 : 3); i > 0; i--)
            s_add (self, nodes [role], NULL, 0);
    if (processes == 0)
        processes = self->count;
    for (uint32_t i = 0; i < self->count; i++)
        self->actors [i].process =
            i < processes ? i : (uint32_t) kith_random_below (random, processes);
    self->processes = processes;
    //  Some share a thread
    for (uint32_t i = 0; i < self->count; i++)
        if (kith_random_below (random, 3) == 0)
            self->actors [i].loop = "shared";
}

//  As in the compiled-in configuration
static void
s_one (placement_t *self)
{
    s_add (self, "proxy", "query", 0);
    s_add (self, "data_node", "query", 0);
    s_add (self, "query_node", "query", 0);
    for (uint32_t i = 0; i < 5; i++)
        s_add (self, s_coords [i], "coord", 0);
    s_add (self, "index_node", "coord", 0);
}

static void
s_print (const placement_t *self, kith_bytes_t *text)
{
    for (uint32_t process = 0; process < self->processes; process++) {
        kith_bytes_printf (text, "process\n    name = \"p%u\"\n", process);
        if (self->processes > 1)
            kith_bytes_printf (text, "    endpoint = \"tcp://127.0.0.1:%u\"\n",
                               7000 + process);
        for (uint32_t i = 0; i < self->count; i++) {
            const actor_t *actor = &self->actors [i];
            if (actor->process != process)
                continue;
            kith_bytes_printf (text, "    actor\n        role = \"%s\"\n", actor->role);
            if (actor->loop)
                kith_bytes_printf (text, "        loop = \"%s\"\n", actor->loop);
        }
    }
}

//  Limits so low that every transition happens within a short run
static void
s_cluster (kith_random_t *random, kith_bytes_t *text)
{
    kith_bytes_printf (text, "cluster\n    name = \"sim\"\n");
    kith_bytes_printf (text, "    objects_path = \"data/objects\"\n");
    kith_bytes_printf (text, "    kernels = \"scalar\"\n");
    kith_bytes_printf (text, "    logs = \"%u\"\n", s_between (random, 1, 4));
    kith_bytes_printf (text, "    log_file_bytes = \"%u\"\n",
                       4096u << kith_random_below (random, 5));
    kith_bytes_printf (text, "    seal_rows = \"%u\"\n",
                       8u << kith_random_below (random, 4));
    kith_bytes_printf (text, "    seal_time = \"%us\"\n", s_between (random, 2, 30));
    kith_bytes_printf (text, "    index_rows_min = \"%u\"\n",
                       8u << kith_random_below (random, 4));
    const uint32_t windows [] = {4, 32, 65536, 65536};
    kith_bytes_printf (text, "    window_requests = \"%u\"\n",
                       windows [kith_random_below (random, 4)]);
}

void
kith_placement_draw (uint64_t seed, kith_bytes_t *text)
{
    kith_random_t random;
    kith_random_seed (&random, kith_mix64 (seed ^ 0x706c6163));
    placement_t placement = {0};
    switch (kith_random_below (&random, 5)) {
        case 0:
            s_one (&placement);
            break;
        case 1:
        case 2:
            s_seven (&placement);
            break;
        case 3:
            s_mixed (&placement, &random, s_between (&random, 2, 5));
            break;
        default:
            s_mixed (&placement, &random, 0);
    }
    s_cluster (&random, text);
    s_print (&placement, text);
    kith_bytes_put_u8 (text, 0);
}

void
kith_workload_draw (uint64_t seed, kith_workload_t *self)
{
    static const double weights [KITH_OPS_WEIGHTED] = {
        [KITH_OP_INSERT] = 40, [KITH_OP_REMOVE] = 12,    [KITH_OP_GET] = 15,
        [KITH_OP_RANGE] = 6,   [KITH_OP_COUNT] = 4,      [KITH_OP_SEARCH] = 15,
        [KITH_OP_FLUSH] = 2,   [KITH_OP_INDEX] = 1.5,    [KITH_OP_RELEASE] = 0.3,
        [KITH_OP_DROP] = 0.5,  [KITH_OP_PARTITION] = 3.0};
    kith_random_t random;
    kith_random_seed (&random, kith_mix64 (seed ^ 0x776f726b));
    *self =
        (kith_workload_t){.keys = 64u << kith_random_below (&random, 5),
                          .shards = s_between (&random, 1, 4),
                          .dim = s_between (&random, 4, 16),
                          .metric = 1 + (kith_metric_t) kith_random_below (&random, 3),
                          .clients = s_between (&random, 1, 2),
                          .lanes = s_between (&random, 1, 4),
                          .rows_max = 1u << kith_random_below (&random, 6),
                          .think_us = s_between (&random, 1000, 100000),
                          .attempt_us = s_between (&random, 200000, 4000000),
                          .run_us = s_between (&random, 5, 25) * 1000000LL};
    if (self->keys > 1000)
        self->keys = 1000;
    self->stale_since = kith_random_below (&random, 4) == 0 ? 0.1 : 0;
    //  Leaving some out altogether finds what their presence hides
    for (uint32_t op = 0; op < KITH_OPS_WEIGHTED; op++) {
        const bool in = op == KITH_OP_INSERT || kith_random_unit (&random) > 0.3;
        const double factor = 0.3 + 1.7 * kith_random_unit (&random);
        self->weights [op] = in ? weights [op] * factor : 0;
    }
    self->partitions = s_between (&random, 0, KITH_PARTITIONS_DRAWN);
    if (!self->partitions)
        self->weights [KITH_OP_PARTITION] = 0;
}
