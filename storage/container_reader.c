//  container_reader.c - maps a container and believes nothing in it before it is checked
//  SPDX-License-Identifier: Apache-2.0
#include "storage/container_format.h"
#include "storage/snapshot.h"

#include "base/crc32c.h"

typedef struct {
    uint32_t id;
    uint32_t flags;
    uint64_t at;
    uint64_t size;
    uint32_t type;
    uint32_t rows;
    uint32_t nulls;
    uint64_t min;
    uint64_t max;
} s_section_t;

struct kith_container {
    kith_objects_t *objects;
    kith_object_t object;    //  mapped
    char *name;              //  of the object, for messages
    kith_file_info_t info;
    size_t count;    //  sections
    s_section_t *sections;
    uint64_t table_at;
    uint64_t table_bytes;
    uint64_t footer_at;
    uint64_t footer_bytes;
};

//  --- trailer -------------------------------------------------------------------------------------------

static bool
s_sound (const uint8_t *bytes, uint64_t size, uint32_t stored)
{
    return kith_container_mask (kith_crc32c (0, bytes, size)) == stored;
}

//  Positions must be those that the writer would choose, so that every byte is under some checksum
static bool
s_trailer_fits (const kith_container_t *self, uint64_t file_bytes)
{
    uint64_t blocks = (self->table_at + KITH_CONTAINER_BLOCK - 1) / KITH_CONTAINER_BLOCK;
    return file_bytes == self->object.size && file_bytes <= KITH_CONTAINER_BYTES_MAX
           && self->table_at >= KITH_CONTAINER_HEADER && self->table_at < file_bytes
           && self->table_at % 64 == 0 && self->table_bytes == kith_round64 (blocks * 4)
           && self->footer_at == self->table_at + self->table_bytes
           && self->footer_at < file_bytes
           && self->footer_bytes == file_bytes - self->footer_at - KITH_CONTAINER_TRAILER
           && self->footer_bytes >= KITH_CONTAINER_FOOTER
           && (self->footer_bytes - KITH_CONTAINER_FOOTER) % KITH_CONTAINER_ENTRY == 0;
}

static int
s_open_trailer (kith_container_t *self, kith_error_t *error)
{
    uint64_t size = self->object.size;
    if (size < KITH_CONTAINER_HEADER + KITH_CONTAINER_TRAILER || size % 64)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "object %s has %" PRIu64
                               " bytes, which no container has: it was "
                               "cut, or is something else",
                               self->name, size);
    uint64_t at = size - KITH_CONTAINER_TRAILER;
    const uint8_t *trailer = self->object.data + at;
    if (kith_get_u32 (trailer) != KITH_CONTAINER_TRAILER_MAGIC
        || !s_sound (trailer, KITH_CONTAINER_TRAILER - 4, kith_get_u32 (trailer + 60)))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "object %s: no sound trailer at byte %" PRIu64
                               ": it was cut or damaged, or is something else",
                               self->name, at);
    if (kith_get_u32 (trailer + 4) != KITH_CONTAINER_VERSION)
        return kith_error_set (error, KITH_ERR_VERSION,
                               "object %s has format %u, this version of Kith reads %u",
                               self->name, kith_get_u32 (trailer + 4),
                               KITH_CONTAINER_VERSION);
    self->table_at = kith_get_u64 (trailer + 8);
    self->table_bytes = kith_get_u64 (trailer + 16);
    self->footer_at = kith_get_u64 (trailer + 24);
    self->footer_bytes = kith_get_u64 (trailer + 32);
    if (!s_trailer_fits (self, kith_get_u64 (trailer + 40)))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "object %s: its trailer at byte %" PRIu64
                               " speaks of another file than this one of %" PRIu64
                               " bytes",
                               self->name, at, size);
    if (!s_sound (self->object.data + self->table_at, self->table_bytes,
                  kith_get_u32 (trailer + 48)))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "object %s: the checksum table at byte %" PRIu64
                               " is damaged",
                               self->name, self->table_at);
    if (!s_sound (self->object.data + self->footer_at, self->footer_bytes,
                  kith_get_u32 (trailer + 52)))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "object %s: the footer at byte %" PRIu64 " is damaged",
                               self->name, self->footer_at);
    return 0;
}

//  --- blocks --------------------------------------------------------------------------------------------

//  Checks every block; *crc: of the whole file
static int
s_check_blocks (const kith_container_t *self, uint32_t *crc, kith_error_t *error)
{
    const uint8_t *data = self->object.data;
    const uint8_t *table = data + self->table_at;
    uint32_t shift = kith_container_shift (KITH_CONTAINER_BLOCK);
    *crc = 0;
    for (uint64_t at = 0; at < self->table_at; at += KITH_CONTAINER_BLOCK) {
        uint64_t left = self->table_at - at;
        uint64_t size = left < KITH_CONTAINER_BLOCK ? left : KITH_CONTAINER_BLOCK;
        uint32_t block = kith_crc32c (0, data + at, size);
        uint32_t stored = kith_get_u32 (table + at / KITH_CONTAINER_BLOCK * 4);
        if (kith_container_mask (block) != stored)
            return kith_error_set (error, KITH_ERR_CORRUPT,
                                   "object %s: bytes %" PRIu64 " to %" PRIu64
                                   " fail their checksum",
                                   self->name, at, at + size - 1);
        if (size < KITH_CONTAINER_BLOCK)
            shift = kith_container_shift (size);
        *crc = kith_container_combine (*crc, block, shift);
    }
    *crc = kith_crc32c (*crc, table, self->object.size - self->table_at);
    return 0;
}

//  --- footer --------------------------------------------------------------------------------------------

static const char *
s_kind_name (uint32_t kind)
{
    switch ((kith_file_kind_t) kind) {
        case KITH_FILE_SNAPSHOT:
            return "a snapshot";
        case KITH_FILE_DEATHS:
            return "a death list";
        case KITH_FILE_WINDOW:
            return "a window";
        case KITH_FILE_INDEX:
            return "an index";
    }
    return "a file of an unknown kind";
}

//  The header repeats what the footer says, so that a dump can start at the front; they must agree
static bool
s_header_agrees (const kith_container_t *self)
{
    const uint8_t *header = self->object.data;
    const uint8_t *footer = header + self->footer_at;
    return kith_get_u32 (header) == KITH_CONTAINER_MAGIC
           && kith_get_u32 (header + 4) == KITH_CONTAINER_VERSION
           && s_sound (header, KITH_CONTAINER_HEADER - 4, kith_get_u32 (header + 60))
           && kith_get_u32 (footer) == KITH_CONTAINER_FOOTER_MAGIC
           && kith_get_u32 (footer + 4) == KITH_CONTAINER_VERSION
           && kith_get_u32 (header + 8) == kith_get_u32 (footer + 8)
           && memcmp (header + 16, footer + 16, 24) == 0
           && kith_get_u64 (header + 40) == kith_get_u64 (footer + 56);
}

static int
s_open_info (kith_container_t *self, kith_file_kind_t kind, uint64_t cluster,
             kith_error_t *error)
{
    const uint8_t *footer = self->object.data + self->footer_at;
    if (!s_header_agrees (self))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "object %s: header at byte 0 and footer at byte %" PRIu64
                               " do not agree",
                               self->name, self->footer_at);
    uint32_t found = kith_get_u32 (footer + 8);
    if (found != (uint32_t) kind)
        return kith_error_set (error, KITH_ERR_CORRUPT, "object %s is %s, not %s",
                               self->name, s_kind_name (found),
                               s_kind_name ((uint32_t) kind));
    self->info = (kith_file_info_t){.kind = kind,
                                    .cluster = kith_get_u64 (footer + 16),
                                    .channel = kith_get_u64 (footer + 24),
                                    .segment = kith_get_u64 (footer + 32),
                                    .from = kith_get_u64 (footer + 40),
                                    .to = kith_get_u64 (footer + 48),
                                    .epoch = kith_get_u64 (footer + 56),
                                    .rows = kith_get_u64 (footer + 64)};
    if (cluster && self->info.cluster != cluster)
        return kith_error_set (error, KITH_ERR_CLUSTER,
                               "object %s belongs to cluster %016" PRIx64
                               ", not %016" PRIx64,
                               self->name, self->info.cluster, cluster);
    return 0;
}

//  Sections follow one another in the order of the table, which also makes them disjoint
static int
s_open_section (kith_container_t *self, size_t index, uint64_t *end, kith_error_t *error)
{
    s_section_t *section = &self->sections [index];
    uint64_t at =
        self->footer_at + KITH_CONTAINER_FOOTER + (uint64_t) index * KITH_CONTAINER_ENTRY;
    const uint8_t *entry = self->object.data + at;
    *section = (s_section_t){.id = kith_get_u32 (entry),
                             .flags = kith_get_u32 (entry + 4),
                             .at = kith_get_u64 (entry + 8),
                             .size = kith_get_u64 (entry + 16),
                             .type = kith_get_u32 (entry + 24),
                             .rows = kith_get_u32 (entry + 32),
                             .nulls = kith_get_u32 (entry + 36),
                             .min = kith_get_u64 (entry + 40),
                             .max = kith_get_u64 (entry + 48)};
    bool fits = section->at % 64 == 0 && section->at >= *end
                && section->at <= self->table_at
                && section->size <= self->table_at - section->at
                && section->flags <= (KITH_CONTAINER_COLUMN | KITH_CONTAINER_RANGE)
                && section->nulls <= section->rows;
    for (size_t other = 0; fits && other < index; other++)
        fits = self->sections [other].id != section->id;
    if (!fits)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "object %s: the entry of section %u at byte %" PRIu64
                               " of the footer means nothing",
                               self->name, section->id, at);
    *end = section->at + section->size;
    return 0;
}

static int
s_open_sections (kith_container_t *self, kith_error_t *error)
{
    uint64_t count = (self->footer_bytes - KITH_CONTAINER_FOOTER) / KITH_CONTAINER_ENTRY;
    uint32_t stored = kith_get_u32 (self->object.data + self->footer_at + 12);
    if (count != stored || count > KITH_SECTIONS_MAX)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "object %s: the footer at byte %" PRIu64
                               " has room for %" PRIu64 " sections and speaks of %u",
                               self->name, self->footer_at, count, stored);
    self->count = (size_t) count;
    self->sections = kith_new ((self->count + 1) * sizeof *self->sections);
    uint64_t end = KITH_CONTAINER_HEADER;
    for (size_t index = 0; index < self->count; index++)
        if (s_open_section (self, index, &end, error))
            return -1;
    return 0;
}

//  --- the class -----------------------------------------------------------------------------------------

typedef struct {
    kith_file_kind_t kind;
    uint64_t cluster;
    uint64_t hash;
    uint64_t size;
} s_expected_t;

static int
s_open (kith_container_t *self, const s_expected_t *expected, kith_error_t *error)
{
    uint32_t crc;
    if (expected->size && self->object.size != expected->size)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "object %s has %" PRIu64 " bytes, not %" PRIu64
                               ": it was cut, or is not the file that was meant",
                               self->name, self->object.size, expected->size);
    if (s_open_trailer (self, error) || s_check_blocks (self, &crc, error)
        || s_open_info (self, expected->kind, expected->cluster, error)
        || s_open_sections (self, error))
        return -1;
    if (expected->hash && crc != expected->hash)
        return kith_error_set (
            error, KITH_ERR_CORRUPT,
            "object %s is sound but not the file that was meant: its hash is "
            "%08x, not %08" PRIx64,
            self->name, crc, expected->hash);
    return 0;
}

kith_container_t *
kith_container_open (kith_objects_t *objects, const char *name, kith_file_kind_t kind,
                     uint64_t cluster, uint64_t expected_hash, uint64_t expected_size,
                     kith_error_t *error)
{
    const s_expected_t expected = {kind, cluster, expected_hash, expected_size};
    kith_object_t object;
    if (objects->map (objects, name, &object, error))
        return NULL;
    kith_container_t *self = kith_new (sizeof *self);
    self->objects = objects;
    self->object = object;
    self->name = kith_strdup (name);
    if (s_open (self, &expected, error))
        kith_container_destroy (&self);
    return self;
}

void
kith_container_destroy (kith_container_t **self_p)
{
    assert (self_p);
    kith_container_t *self = *self_p;
    if (!self)
        return;
    self->objects->unmap (self->objects, &self->object);
    free (self->sections);
    free (self->name);
    free (self);
    *self_p = NULL;
}

const kith_file_info_t *
kith_container_info (const kith_container_t *self)
{
    return &self->info;
}

static const s_section_t *
s_find (const kith_container_t *self, uint32_t id)
{
    for (size_t index = 0; index < self->count; index++)
        if (self->sections [index].id == id)
            return &self->sections [index];
    return NULL;
}

const uint8_t *
kith_container_section (const kith_container_t *self, uint32_t id, uint64_t *size)
{
    const s_section_t *section = s_find (self, id);
    if (size)
        *size = section ? section->size : 0;
    return section ? self->object.data + section->at : NULL;
}

kith_blocks_t *
kith_container_blocks (const kith_container_t *self, uint32_t id, kith_error_t *error)
{
    const s_section_t *section = s_find (self, id);
    if (!section || section->at % KITH_BLOCK_BYTES) {
        kith_error_set (error, KITH_ERR_CORRUPT,
                        "object %s has no section %" PRIu32 " at a multiple of %u",
                        self->name, id, KITH_BLOCK_BYTES);
        return NULL;
    }
    kith_error_t local;
    kith_blocks_t *blocks = self->objects->blocks (self->objects, self->name, &local);
    if (!blocks && local.code == KITH_OK)
        return kith_blocks_memory_new (self->object.data + section->at, section->size);
    if (!blocks && error)
        *error = local;
    //  The name may have got another file since this one was mapped
    if (blocks && kith_blocks_size (blocks) != self->object.size) {
        kith_blocks_destroy (&blocks);
        kith_error_set (error, KITH_ERR_CORRUPT, "object %s has changed", self->name);
    }
    if (blocks)
        kith_blocks_narrow (blocks, section->at, section->size);
    return blocks;
}

size_t
kith_container_count (const kith_container_t *self)
{
    return self->count;
}

uint32_t
kith_container_id (const kith_container_t *self, size_t index)
{
    assert (index < self->count);
    return self->sections [index].id;
}

//  One end of a range; `bits` as stored
static kith_stat_t
s_stat (const s_section_t *section, uint64_t bits)
{
    kith_stat_t stat = {0};
    if (!(section->flags & KITH_CONTAINER_RANGE))
        return stat;
    stat.type = (kith_type_t) section->type;
    if (stat.type == KITH_TYPE_FLOAT || stat.type == KITH_TYPE_DOUBLE)
        memcpy (&stat.real, &bits, sizeof stat.real);
    else
        stat.integer = (int64_t) bits;
    return stat;
}

bool
kith_container_stats (const kith_container_t *self, uint32_t id, uint64_t *rows,
                      uint64_t *nulls, kith_stat_t *min, kith_stat_t *max)
{
    const s_section_t *section = s_find (self, id);
    if (!section || !(section->flags & KITH_CONTAINER_COLUMN))
        return false;
    if (rows)
        *rows = section->rows;
    if (nulls)
        *nulls = section->nulls;
    if (min)
        *min = s_stat (section, section->min);
    if (max)
        *max = s_stat (section, section->max);
    return true;
}
