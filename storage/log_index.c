//  log_index.c - what is where in a log's files
//  SPDX-License-Identifier: Apache-2.0
#include "storage/log_index.h"

void
kith_log_index_free (kith_log_index_t *self)
{
    free (self->parts);
    free (self->spans);
    *self = (kith_log_index_t){0};
}

//  Makes room for one more item in an array
static void *
s_room (void *items, size_t count, size_t *room, size_t item_bytes)
{
    if (count < *room)
        return items;
    *room = *room ? *room * 2 : 16;
    void *larger = kith_new (*room * item_bytes);
    if (items)
        memcpy (larger, items, count * item_bytes);
    free (items);
    return larger;
}

void
kith_log_index_file (kith_log_index_t *self, uint32_t number, uint64_t first,
                     uint64_t header_bytes)
{
    self->parts =
        s_room (self->parts, self->part_count, &self->part_room, sizeof *self->parts);
    self->parts [self->part_count++] =
        (kith_log_part_t){.number = number, .first = first, .bytes = header_bytes};
}

kith_log_part_t *
kith_log_index_last (kith_log_index_t *self)
{
    assert (self->part_count);
    return &self->parts [self->part_count - 1];
}

bool
kith_log_span_has (const kith_log_span_t *span, uint64_t channel)
{
    if (channel == 0 || span->channel_count > KITH_SPAN_CHANNELS)
        return true;
    for (uint32_t index = 0; index < span->channel_count; index++) {
        if (span->channels [index] == channel)
            return true;
    }
    return false;
}

void
kith_log_index_record (kith_log_index_t *self, uint64_t seq, uint64_t channel,
                       uint64_t bytes)
{
    kith_log_part_t *part = kith_log_index_last (self);
    assert (bytes <= UINT32_MAX);
    kith_log_span_t *span = self->span_count ? &self->spans [self->span_count - 1] : NULL;
    if (!span || span->number != part->number || span->bytes + bytes > KITH_SPAN_BYTES) {
        self->spans =
            s_room (self->spans, self->span_count, &self->span_room, sizeof *self->spans);
        span = &self->spans [self->span_count++];
        *span =
            (kith_log_span_t){.first = seq, .at = part->bytes, .number = part->number};
    }
    assert (span->bytes == 0 || seq == span->last + 1);
    span->last = seq;
    span->bytes += (uint32_t) bytes;
    part->bytes += bytes;
    if (span->channel_count > KITH_SPAN_CHANNELS
        || (span->channel_count && kith_log_span_has (span, channel)))
        return;
    if (span->channel_count < KITH_SPAN_CHANNELS)
        span->channels [span->channel_count] = channel;
    span->channel_count++;
}

size_t
kith_log_index_find (const kith_log_index_t *self, uint64_t after)
{
    size_t low = 0, high = self->span_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->spans [middle].last > after)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void
kith_log_index_drop (kith_log_index_t *self)
{
    assert (self->part_count);
    uint32_t number = self->parts [0].number;
    size_t gone = 0;
    while (gone < self->span_count && self->spans [gone].number == number)
        gone++;
    self->span_count -= gone;
    self->part_count--;
    memmove (self->spans, self->spans + gone, self->span_count * sizeof *self->spans);
    memmove (self->parts, self->parts + 1, self->part_count * sizeof *self->parts);
}
