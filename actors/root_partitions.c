//  root_partitions.c - partitions are made and dropped (T8)
//  SPDX-License-Identifier: Apache-2.0
//
//  A drop is two transactions: the first takes the partition out of the definition and notes that its rows are to
//  end; then each channel's owner puts a DROP into the log; the second takes the note out. In between it is gone on with after
//  any failure: a second DROP of an id that is never used again ends nothing more.
#include "actors/root_coord.h"

#define DROPPING_US                                                                      \
    1000000    //  until an end of rows that did not get everywhere is tried again

//  Place of a name in a list; its count: none
static uint32_t
s_partition_find (const kith_proto_partition_t *partitions, uint32_t count,
                  const char *name)
{
    uint32_t at = 0;
    while (at < count && strcmp (partitions [at].name, name) != 0)
        at++;
    return at;
}

//  A list without one place, or with room for one more
static kith_proto_partition_t *
s_partition_copy (const kith_proto_partition_t *partitions, uint32_t *count,
                  uint32_t without, kith_arena_t *arena)
{
    kith_proto_partition_t *copy = kith_arena_alloc (arena, (*count + 1) * sizeof *copy);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++)
        if (i != without)
            copy [kept++] = partitions [i];
    *count = kept;
    return copy;
}

int
kith_root_partition_create (kith_root_t *self, kith_proto_collection_t *row,
                            kith_arena_t *arena, kith_error_t *error)
{
    const kith_proto_partition_create_t *create = self->task->body;
    const char *name = create->partition;
    const uint32_t count = row->partitions_count;
    const bool there = s_partition_find (row->partitions, count, name) < count;
    if (there || !*name || strlen (name) > KITH_NAME_MAX)
        return kith_error_set (
            error, there ? KITH_ERR_EXISTS : KITH_ERR_INVALID, "partition '%.60s' %s",
            name, there ? "is there already" : "is no name (1 to 255 characters)");
    if (count >= KITH_PARTITIONS_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT, "at most %u partitions are allowed",
                               KITH_PARTITIONS_MAX);
    uint32_t next = row->partition_next;
    for (uint32_t i = 0; i < count; i++)
        next = row->partitions [i].id >= next ? row->partitions [i].id + 1 : next;
    row->partitions =
        s_partition_copy (row->partitions, &row->partitions_count, UINT32_MAX, arena);
    row->partitions [row->partitions_count++] = (kith_proto_partition_t){next, name};
    row->partition_next = next + 1;
    return 0;
}

int
kith_root_partition_drop (kith_root_t *self, kith_proto_collection_t *row,
                          kith_arena_t *arena, kith_error_t *error)
{
    const kith_proto_partition_drop_t *drop = self->task->body;
    const char *name = drop->partition;
    const uint32_t at = s_partition_find (row->partitions, row->partitions_count, name);
    if (at == row->partitions_count || drop->id)
        return kith_error_set (error, KITH_ERR_PARTITION_NOT_FOUND,
                               "no partition '%.60s' in %s", name, row->name);
    const kith_proto_partition_t going = row->partitions [at];
    if (!going.id)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "partition %s is always there; its rows can be deleted",
                               name);
    for (uint32_t i = 0; i < row->partitions_count; i++)
        if (row->partitions [i].id >= row->partition_next)
            row->partition_next = row->partitions [i].id + 1;
    row->partitions =
        s_partition_copy (row->partitions, &row->partitions_count, at, arena);
    row->dropping =
        s_partition_copy (row->dropping, &row->dropping_count, UINT32_MAX, arena);
    row->dropping [row->dropping_count++] = going;
    self->dropping = going.id;
    return 0;
}

//  True if the task names a partition that was dropped before and whose rows have not ended everywhere: goes on there
bool
kith_root_dropping_again (kith_root_t *self, kith_ctx_t *ctx,
                          const kith_proto_collection_t *row)
{
    const kith_proto_partition_drop_t *drop = self->task->body;
    uint32_t at = s_partition_find (row->dropping, row->dropping_count, drop->partition);
    for (uint32_t i = 0; drop->id && i < row->dropping_count; i++)
        if (row->dropping [i].id == drop->id)
            at = i;
    const bool anew =
        s_partition_find (row->partitions, row->partitions_count, drop->partition)
        < row->partitions_count;
    if (at == row->dropping_count || (anew && !drop->id))
        return false;
    self->dropping = row->dropping [at].id;
    kith_keep (&self->change, &kith_proto_collection_table, row);
    kith_root_tell_all (self, ctx);
    return true;
}

//  Every owner has it: the note goes
void
kith_root_dropping_done (kith_root_t *self, kith_ctx_t *ctx)
{
    const kith_proto_collection_t *kept = self->change.row;
    kith_root_entry_t *entry = kith_root_find (self, "", "", kept->id);
    kith_proto_collection_t row = *(const kith_proto_collection_t *) entry->row.row;
    kith_arena_t arena = {0};
    uint32_t at = 0;
    while (at < row.dropping_count && row.dropping [at].id != self->dropping)
        at++;
    row.dropping = s_partition_copy (row.dropping, &row.dropping_count, at, &arena);
    self->dropping = 0;
    kith_root_put_change (self, ctx, entry, &row);
    kith_arena_free (&arena);
}

void
kith_root_dropping_later (kith_root_t *self, kith_ctx_t *ctx)
{
    if (self->dropping_timer)
        return;
    self->dropping_timer = true;
    kith_ctx_after (ctx, DROPPING_US, KITH_ROOT_DROPPING);
}

//  A task for each partition that is being dropped, which nobody waits for
void
kith_root_dropping_queue (kith_root_t *self, kith_ctx_t *ctx)
{
    for (uint32_t i = 0; i < self->entry_count; i++) {
        const kith_proto_collection_t *row = self->entries [i].row.row;
        for (uint32_t j = 0; j < row->dropping_count; j++) {
            kith_msg_t *msg = kith_msg_new (KITH_KIND_PARTITION_DROP);
            kith_proto_partition_drop_t *drop = msg->body;
            drop->db = kith_arena_strdup (&msg->arena, row->db);
            drop->collection = kith_arena_strdup (&msg->arena, row->name);
            drop->partition = kith_arena_strdup (&msg->arena, row->dropping [j].name);
            drop->id = row->dropping [j].id;
            msg->deadline_us = kith_ctx_now_us (ctx) + KITH_CALL_US;
            kith_park_add (&self->queue, &msg);
        }
    }
    kith_root_next (self, ctx);
}
