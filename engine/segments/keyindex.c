//  keyindex.c - key -> rows of a snapshot, as a section of it
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/keyindex.h"

#include "engine/segments/schema.h"

#define MAGIC 0x59454b4bu    //  "KKEY"
#define VERSION 1u
#define HEADER 64u

enum { SLOTS_MIN = 16 };

static uint32_t
s_row_bits (uint32_t rows)
{
    uint32_t bits = 1;
    while (bits < 32 && rows >> bits)
        bits++;
    return bits;
}

//  Bits of the hash that a slot keeps, moved to their place
static uint32_t
s_tag (uint64_t hash, uint32_t row_bits)
{
    if (row_bits >= 32)
        return 0;
    return (uint32_t) (hash >> (32 + row_bits)) << row_bits;
}

void
kith_keyindex_put (const kith_column_t *keys, kith_bytes_t *out)
{
    assert (keys && keys->rows < UINT32_MAX);
    uint64_t slots = SLOTS_MIN;
    while (slots * 2 < (uint64_t) keys->rows * 3)
        slots *= 2;
    uint32_t row_bits = s_row_bits (keys->rows);

    uint8_t *header = kith_bytes_extend (out, (size_t) (HEADER + slots * 4));
    kith_put_u32 (header, MAGIC);
    kith_put_u32 (header + 4, VERSION);
    kith_put_u32 (header + 8, keys->rows);
    kith_put_u32 (header + 12, row_bits);
    kith_put_u64 (header + 16, slots);
    uint8_t *table = header + HEADER;
    for (uint32_t row = 0; row < keys->rows; row++) {
        uint64_t hash = kith_key_hash (keys, row);
        uint64_t at = hash & (slots - 1);
        while (kith_get_u32 (table + at * 4))
            at = (at + 1) & (slots - 1);
        kith_put_u32 (table + at * 4, s_tag (hash, row_bits) | (row + 1));
    }
}

//  Every slot names a row that is there, and as many slots are filled as there are rows
static bool
s_slots_good (const kith_keyindex_t *self)
{
    uint64_t mask = ((uint64_t) 1 << self->row_bits) - 1;
    uint64_t filled = 0;
    bool outside = false;
    for (uint64_t at = 0; at < self->count; at++) {
        uint32_t slot = kith_get_u32 (self->slots + at * 4);
        uint64_t row = slot & mask;
        filled += slot != 0;
        outside |= row > self->rows || (slot != 0 && row == 0);
    }
    return !outside && filled == self->rows;
}

int
kith_keyindex_open (kith_keyindex_t *self, const void *section, uint64_t size,
                    uint32_t rows, kith_error_t *error)
{
    assert (self);
    const uint8_t *at = section;
    if (!at || size < HEADER || kith_get_u32 (at) != MAGIC
        || kith_get_u32 (at + 4) != VERSION)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "key index: it is missing or of another version");
    *self = (kith_keyindex_t){.slots = at + HEADER,
                              .count = kith_get_u64 (at + 16),
                              .rows = kith_get_u32 (at + 8),
                              .row_bits = kith_get_u32 (at + 12)};
    bool fits = self->rows == rows && self->row_bits == s_row_bits (rows)
                && self->count > rows && (self->count & (self->count - 1)) == 0
                && (size - HEADER) / 4 == self->count && (size - HEADER) % 4 == 0;
    if (!fits)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "key index: its header does not fit %" PRIu32
                               " rows and %" PRIu64 " bytes",
                               rows, size);
    if (!s_slots_good (self))
        return kith_error_set (
            error, KITH_ERR_CORRUPT,
            "key index: its slots do not name each of %" PRIu32 " rows", rows);
    return 0;
}

void
kith_keyindex_walk (const kith_keyindex_t *self, uint64_t hash,
                    kith_keyindex_walk_t *walk)
{
    *walk = (kith_keyindex_walk_t){
        .at = hash & (self->count - 1), .left = self->count, .hash = hash};
}

int64_t
kith_keyindex_next (const kith_keyindex_t *self, kith_keyindex_walk_t *walk)
{
    uint32_t tag = s_tag (walk->hash, self->row_bits);
    uint32_t mask = self->row_bits >= 32 ? UINT32_MAX : (1u << self->row_bits) - 1;
    for (; walk->left > 0; walk->left--) {
        uint32_t slot = kith_get_u32 (self->slots + walk->at * 4);
        if (slot == 0)
            return -1;
        walk->at = (walk->at + 1) & (self->count - 1);
        if ((slot & ~mask) == tag) {
            walk->left--;
            return (int64_t) (slot & mask) - 1;
        }
    }
    return -1;
}
