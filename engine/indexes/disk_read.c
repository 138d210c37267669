//  disk_read.c - blocks of the disk index: what makes one sound, the reads under way, and the exact scores of what came
//  SPDX-License-Identifier: Apache-2.0
//
//  PipeANN (Guo and Lu, OSDI 2025) takes reads in whatever order they finish. Here they are taken in the order in which they were sent: the
//  device is as busy, a late read holds up at most those behind it, and the answer is the same for every run, reader and replica.
#include "base/bytes.h"
#include "base/crc32c.h"
#include "engine/indexes/disk_layout.h"

enum { REAP = 8 };    //  results taken at once

//  ---------------------------------------------------------------------
//  Layout

void
kith_disk_lay (kith_disk_header_t *header)
{
    const size_t vector = kith_vector_bytes ((kith_vector_t) header->type, header->dim);
    header->node_bytes =
        KITH_DISK_NODE + 4 * header->degree + (uint32_t) (vector + 3) / 4 * 4;
    uint32_t room = KITH_BLOCK_BYTES - KITH_DISK_HEAD;
    header->per_block = header->node_bytes <= room ? room / header->node_bytes : 1;
    header->pages =
        (KITH_DISK_HEAD + header->per_block * header->node_bytes + KITH_BLOCK_BYTES - 1)
        / KITH_BLOCK_BYTES;
    header->blocks = (uint32_t) (((uint64_t) header->rows + header->per_block - 1)
                                 / header->per_block);
    assert (header->per_block <= KITH_DISK_NODES_MAX);
}

uint64_t
kith_disk_record_bytes (const kith_disk_header_t *header)
{
    return (uint64_t) header->blocks * header->pages * KITH_BLOCK_BYTES;
}

static uint32_t
s_block_bytes (const kith_disk_header_t *header)
{
    return header->pages * KITH_BLOCK_BYTES;
}

void
kith_disk_block_close (const kith_disk_header_t *header, uint8_t *block, uint32_t number,
                       uint32_t nodes)
{
    kith_put_u32 (block + 4, number);
    kith_put_u32 (block + 8, nodes);
    kith_put_u32 (block, kith_crc32c (0, block + 4, s_block_bytes (header) - 4));
}

const char *
kith_disk_block_fault (const kith_disk_t *self, const uint8_t *block, uint32_t number)
{
    const kith_disk_header_t *header = &self->header;
    if (kith_get_u32 (block) != kith_crc32c (0, block + 4, s_block_bytes (header) - 4))
        return "it fails its checksum";
    if (kith_get_u32 (block + 4) != number)
        return "it is another block";
    uint32_t nodes = kith_get_u32 (block + 8);
    if (nodes == 0 || nodes > header->per_block)
        return "it has no known number of nodes";
    for (uint32_t slot = 0; slot < nodes; slot++) {
        kith_disk_node_t node = kith_disk_node (header, block, slot);
        if (node.row >= header->rows || self->places [node.row] != number)
            return "it has a row that belongs elsewhere";
        if (node.count > header->degree)
            return "a row has too many links";
        for (uint32_t index = 0; index < node.count; index++)
            if (kith_get_u32 (node.links + 4 * (size_t) index) >= header->rows)
                return "a link leads to no row";
    }
    return NULL;
}

//  ---------------------------------------------------------------------
//  Scratch

kith_disk_scratch_t *
kith_disk_scratch_new (void)
{
    kith_disk_scratch_t *self = kith_new (sizeof *self);
    self->code = kith_disk_code_scratch_new ();
    self->entry = kith_graph_scratch_new ();
    return self;
}

void
kith_disk_scratch_destroy (kith_disk_scratch_t **self_p)
{
    assert (self_p);
    kith_disk_scratch_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t index = 0; index < KITH_DISK_GROUP - 1; index++)
        kith_disk_scratch_destroy (&self->more [index]);
    if (self->memory)
        self->memory->close (&self->memory);
    if (self->file)
        self->file->close (&self->file);
    kith_disk_code_scratch_destroy (&self->code);
    kith_graph_scratch_destroy (&self->entry);
    free (self->marks);
    free (self->hops);
    free (self->beam.near);
    free (self->found.near);
    free (self->rooms);
    free (self);
    *self_p = NULL;
}

static bool
s_room_for_marks (kith_disk_scratch_t *scratch, uint32_t rows)
{
    if (scratch->marks_count >= rows)
        return true;
    free (scratch->marks);
    free (scratch->hops);
    scratch->marks_count = 0;
    scratch->epoch = 0;
    scratch->marks = kith_huge_new (rows);
    scratch->hops = kith_huge_new (rows);
    if (!scratch->marks || !scratch->hops)
        return false;
    scratch->marks_count = rows;
    return true;
}

//  The reader for self's blocks, and rooms for what it reads
static bool
s_room_for_reads (const kith_disk_t *self, kith_disk_scratch_t *scratch)
{
    if (kith_blocks_in_memory (self->blocks)) {
        if (!scratch->memory)
            scratch->memory = kith_block_reader_memory (KITH_DISK_WIDTH_MAX);
        return true;
    }
    if (!scratch->file)
        scratch->file = kith_block_reader_new (self->blocks, KITH_DISK_WIDTH_MAX);
    size_t bytes = (size_t) KITH_DISK_WIDTH_MAX * s_block_bytes (&self->header);
    if (scratch->rooms_bytes >= bytes)
        return true;
    free (scratch->rooms);
    scratch->rooms = NULL;
    scratch->rooms_bytes = 0;
    void *rooms = NULL;
    if (posix_memalign (&rooms, KITH_BLOCK_BYTES, bytes) != 0)
        return false;
    scratch->rooms = rooms;
    scratch->rooms_bytes = bytes;
    return true;
}

bool
kith_disk_prepare (const kith_disk_t *self, kith_disk_scratch_t *scratch,
                   const kith_disk_ask_t *ask)
{
    kith_error_clear (&scratch->error);
    scratch->compared = 0;
    scratch->offered = 0;
    scratch->cost = (kith_disk_cost_t){.width = KITH_DISK_WIDTH_MIN};
    if (!s_room_for_marks (scratch, self->header.rows)
        || !s_room_for_reads (self, scratch)
        || !kith_disk_coder_prepare (self->coder, scratch->code, ask->query, ask->norm)) {
        kith_error_set (&scratch->error, KITH_ERR_NO_MEMORY,
                        "no memory to search a disk index of %" PRIu32 " rows",
                        self->header.rows);
        return false;
    }
    scratch->epoch++;
    if (scratch->epoch == 0) {
        memset (scratch->marks, 0, scratch->marks_count);
        scratch->epoch = 1;
    }
    if (ask->without != KITH_DISK_NONE)
        kith_disk_see (scratch, ask->without, 0);
    return true;
}

//  ---------------------------------------------------------------------
//  Beam

bool
kith_disk_beam_reset (kith_disk_beam_t *beam, uint32_t capacity)
{
    beam->size = beam->next = 0;
    beam->capacity = capacity;
    if (capacity > beam->room) {
        free (beam->near);
        beam->room = 0;
        beam->near = kith_alloc64 ((size_t) capacity * sizeof *beam->near);
        if (!beam->near)
            return false;
        beam->room = capacity;
    }
    return true;
}

void
kith_disk_beam_put (kith_disk_beam_t *beam, float distance, uint32_t id)
{
    uint32_t size = beam->size, place = 0;
    if (size == beam->capacity) {
        if (size == 0 || !(distance < beam->near [size - 1].distance))
            return;
        size--;
    }
    for (uint32_t length = size; length > 0;) {
        uint32_t half = length / 2;
        bool after = beam->near [place + half].distance <= distance;
        place += after ? half + 1 : 0;
        length = after ? length - half - 1 : half;
    }
    memmove (beam->near + place + 1, beam->near + place,
             (size - place) * sizeof *beam->near);
    beam->near [place] = (kith_disk_near_t){.distance = distance, .id = id};
    beam->size = size + 1;
    if (!(id & KITH_DISK_TAKEN) && place < beam->next)
        beam->next = place;
    else if ((id & KITH_DISK_TAKEN) && place <= beam->next)
        beam->next++;
    beam->next = beam->next < beam->size ? beam->next : beam->size;
}

uint32_t
kith_disk_beam_take (kith_disk_beam_t *beam)
{
    kith_disk_near_t *best = &beam->near [beam->next];
    uint32_t id = best->id;
    assert (!(id & KITH_DISK_TAKEN));
    best->id |= KITH_DISK_TAKEN;
    while (beam->next < beam->size && (beam->near [beam->next].id & KITH_DISK_TAKEN))
        beam->next++;
    return id;
}

//  ---------------------------------------------------------------------
//  Reads

void
kith_disk_send (const kith_disk_t *self, kith_disk_scratch_t *scratch, uint32_t row)
{
    uint32_t block = self->places [row];
    assert (scratch->flying < KITH_DISK_WIDTH_MAX);
    for (uint32_t index = 0; index < scratch->flying; index++)
        if (scratch->flights [(scratch->oldest + index) % KITH_DISK_WIDTH_MAX].block
            == block)
            return;
    uint32_t slot = (scratch->oldest + scratch->flying++) % KITH_DISK_WIDTH_MAX;
    scratch->flights [slot] = (kith_disk_flight_t){.row = row, .block = block};
    scratch->unsent++;
}

static kith_block_reader_t *
s_reader (const kith_disk_t *self, const kith_disk_scratch_t *scratch)
{
    return kith_blocks_in_memory (self->blocks) ? scratch->memory : scratch->file;
}

void
kith_disk_flush (const kith_disk_t *self, kith_disk_scratch_t *scratch)
{
    kith_block_read_t reads [KITH_DISK_WIDTH_MAX];
    uint32_t bytes = s_block_bytes (&self->header), count = scratch->unsent;
    bool memory = kith_blocks_in_memory (self->blocks);
    for (uint32_t index = 0; index < count; index++) {
        uint32_t slot =
            (scratch->oldest + scratch->flying - count + index) % KITH_DISK_WIDTH_MAX;
        reads [index] = (kith_block_read_t){
            .blocks = self->blocks,
            .at = (uint64_t) scratch->flights [slot].block * bytes,
            .size = bytes,
            .tag = slot,
            .room = memory ? NULL : scratch->rooms + (size_t) slot * bytes};
    }
    kith_block_reader_t *reader = s_reader (self, scratch);
    if (count)
        reader->submit (reader, reads, count);
    scratch->unsent = 0;
}

static void
s_reap (kith_disk_scratch_t *scratch, kith_block_reader_t *reader)
{
    kith_block_done_t done [REAP];
    uint32_t count = reader->reap (reader, done, REAP);
    assert (count > 0);
    for (uint32_t index = 0; index < count; index++) {
        kith_disk_flight_t *flight = &scratch->flights [done [index].tag];
        flight->done = true;
        flight->failed = done [index].failed;
        flight->data = done [index].data;
    }
}

static bool
s_holds (const kith_disk_t *self, const uint8_t *block, uint32_t row)
{
    uint32_t nodes = kith_get_u32 (block + 8);
    for (uint32_t slot = 0; slot < nodes; slot++)
        if (kith_disk_node (&self->header, block, slot).row == row)
            return true;
    return false;
}

const uint8_t *
kith_disk_wait (const kith_disk_t *self, kith_disk_scratch_t *scratch,
                kith_disk_flight_t *flight)
{
    const kith_disk_flight_t *oldest = &scratch->flights [scratch->oldest];
    kith_disk_flush (self, scratch);
    while (!oldest->done)
        s_reap (scratch, s_reader (self, scratch));
    *flight = *oldest;
    scratch->oldest = (scratch->oldest + 1) % KITH_DISK_WIDTH_MAX;
    scratch->flying--;
    scratch->cost.reads++;
    uint64_t at = (uint64_t) flight->block * s_block_bytes (&self->header);
    if (flight->failed) {
        kith_block_failed (flight->failed, "the records of a disk index", at,
                           &scratch->error);
        return NULL;
    }
    const char *fault = kith_disk_block_fault (self, flight->data, flight->block);
    if (!fault && !s_holds (self, flight->data, flight->row))
        fault = "a row is not where it should be";
    if (fault) {
        kith_error_set (&scratch->error, KITH_ERR_CORRUPT,
                        "the stored index is damaged: block %" PRIu32
                        " of its records, at byte %" PRIu64 ": %s",
                        flight->block, at, fault);
        return NULL;
    }
    return flight->data;
}

void
kith_disk_drain (kith_disk_scratch_t *scratch)
{
    kith_block_reader_t *readers [] = {scratch->memory, scratch->file};
    for (uint32_t index = 0; index < 2; index++)
        while (readers [index] && readers [index]->flying > 0)
            s_reap (scratch, readers [index]);
    scratch->flying = scratch->unsent = 0;
}

//  ---------------------------------------------------------------------
//  Answers

void
kith_disk_offer (const kith_disk_t *self, kith_disk_scratch_t *scratch,
                 const kith_disk_ask_t *ask, const kith_disk_node_t *node,
                 kith_topk_t *top)
{
    const kith_rows_t *rows = &self->index.rows;
    const kith_side_t asking = {.vector = ask->query, .norm = ask->norm},
                      found = {.vector = node->vector, .norm = node->norm};
    float score = kith_score_of (rows->type, rows->metric, asking, found, rows->dim);
    float distance = kith_score_distance (rows->metric, score);
    uint32_t offered = 0;
    scratch->compared++;
    //  Twins follow in ascending order, so the first k that may be answered are enough
    for (uint32_t row = node->row; row != KITH_DISK_NONE && offered < ask->k;
         row = self->twins ? self->twins [row] : KITH_DISK_NONE) {
        bool given = kith_disk_read (scratch, row);
        if (!kith_disk_seen (scratch, row))
            kith_disk_see (scratch, row, scratch->hops [node->row] & KITH_DISK_HOPS_MAX);
        scratch->hops [row] |= KITH_DISK_READ;
        if (row == ask->without || (ask->live && !kith_bits_get (ask->live, row)))
            continue;
        offered++;
        if (given)
            continue;
        kith_topk_push (top, (kith_hit_t){.distance = distance,
                                          .part = ask->part,
                                          .row = row + ask->first_row});
        scratch->offered++;
    }
}
