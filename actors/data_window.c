//  data_window.c - the dedup window of a channel: request -> (epoch, seq), for all requests with seq > low (W2-W5)
//  SPDX-License-Identifier: Apache-2.0
#include "actors/data_window.h"
#include "base/random.h"

#define SAVED_BYTES 48u    //  client 16, counter 8, part 4, zero 4, epoch 8, seq 8

void
kith_window_free (kith_window_t *self)
{
    free (self->entries);
    free (self->table);
    memset (self, 0, sizeof *self);
}

static uint32_t
s_hash (const kith_request_t *request)
{
    uint64_t a, b;
    memcpy (&a, request->client, 8);
    memcpy (&b, request->client + 8, 8);
    return (uint32_t) kith_mix64 (
        a ^ kith_mix64 (b ^ kith_mix64 (request->counter * 64 + request->part)));
}

static bool
s_same (const kith_request_t *a, const kith_request_t *b)
{
    return !memcmp (a->client, b->client, sizeof a->client) && a->counter == b->counter
           && a->part == b->part;
}

//  Place of a request in the table: where it is, or the empty one where it would be
static uint32_t
s_place (const kith_window_t *self, const kith_request_t *request)
{
    const uint32_t mask = self->capacity * 2 - 1;
    uint32_t at = s_hash (request) & mask;
    while (self->table [at]
           && !s_same (&self->entries [self->table [at] - 1].request, request))
        at = (at + 1) & mask;
    return at;
}

const kith_window_entry_t *
kith_window_find (const kith_window_t *self, const kith_request_t *request)
{
    if (!self->count)
        return NULL;
    const uint32_t at = s_place (self, request);
    return self->table [at] ? &self->entries [self->table [at] - 1] : NULL;
}

static void
s_resize (kith_window_t *self)
{
    const uint32_t capacity = self->capacity ? self->capacity * 2 : 64;
    kith_window_entry_t *entries = kith_new (capacity * sizeof *entries);
    for (uint32_t i = 0; i < self->count; i++)
        entries [i] = self->entries [(self->first + i) & (self->capacity - 1)];
    free (self->entries);
    free (self->table);
    self->entries = entries;
    self->table = kith_new ((size_t) capacity * 2 * sizeof *self->table);
    self->capacity = capacity;
    self->first = 0;
    for (uint32_t i = 0; i < self->count; i++)
        self->table [s_place (self, &entries [i].request)] = i + 1;
}

//  Takes a place out of the table; later ones of its run move up, so that no search stops short
static void
s_unlink (kith_window_t *self, uint32_t at)
{
    const uint32_t mask = self->capacity * 2 - 1;
    uint32_t hole = at;
    for (uint32_t i = (at + 1) & mask; self->table [i]; i = (i + 1) & mask) {
        const uint32_t home =
            s_hash (&self->entries [self->table [i] - 1].request) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            self->table [hole] = self->table [i];
            hole = i;
        }
    }
    self->table [hole] = 0;
}

static void
s_forget (kith_window_t *self)
{
    const kith_window_entry_t *oldest = &self->entries [self->first];
    self->low = oldest->seq;
    s_unlink (self, s_place (self, &oldest->request));
    self->first = (self->first + 1) & (self->capacity - 1);
    self->count--;
}

void
kith_window_add (kith_window_t *self, const kith_window_entry_t *entry, uint32_t max)
{
    while (self->count && self->count >= max)
        s_forget (self);
    if (self->count == self->capacity)
        s_resize (self);
    const uint32_t at = s_place (self, &entry->request);
    if (self->table [at])
        return;
    const uint32_t place = (self->first + self->count++) & (self->capacity - 1);
    self->entries [place] = *entry;
    self->table [at] = place + 1;
}

void
kith_window_save (const kith_window_t *self, uint64_t to, kith_bytes_t *out)
{
    for (uint32_t i = 0; i < self->count; i++) {
        const kith_window_entry_t *entry =
            &self->entries [(self->first + i) & (self->capacity - 1)];
        if (entry->seq > to)
            break;
        kith_bytes_put (out, entry->request.client, sizeof entry->request.client);
        kith_bytes_put_u64 (out, entry->request.counter);
        kith_bytes_put_u32 (out, entry->request.part);
        kith_bytes_put_u32 (out, 0);
        kith_bytes_put_u64 (out, entry->epoch);
        kith_bytes_put_u64 (out, entry->seq);
    }
}

int
kith_window_load (kith_window_t *self, const uint8_t *bytes, uint64_t size, uint32_t max,
                  kith_error_t *error)
{
    if (size % SAVED_BYTES)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "a dedup window of %" PRIu64 " bytes is no multiple of %u",
                               size, SAVED_BYTES);
    for (uint64_t at = 0; at < size; at += SAVED_BYTES) {
        kith_window_entry_t entry = {.epoch = kith_get_u64 (bytes + at + 32),
                                     .seq = kith_get_u64 (bytes + at + 40)};
        memcpy (entry.request.client, bytes + at, sizeof entry.request.client);
        entry.request.counter = kith_get_u64 (bytes + at + 16);
        entry.request.part = kith_get_u32 (bytes + at + 24);
        kith_window_add (self, &entry, max);
    }
    return 0;
}
