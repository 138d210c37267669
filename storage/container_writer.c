//  container_writer.c - lays out a container and puts it as one object, without copying its sections
//  SPDX-License-Identifier: Apache-2.0
#include "storage/container_format.h"
#include "storage/snapshot.h"

#include "base/crc32c.h"

#include <math.h>

static const uint8_t s_zeros [4096];

//  Statistics of one section, as they are stored
typedef struct {
    uint32_t flags;
    uint32_t type;
    uint32_t dim;
    uint32_t rows;
    uint32_t nulls;
    uint64_t min;    //  int64 or the bits of a double
    uint64_t max;
} s_stats_t;

typedef struct {
    const kith_file_info_t *info;
    const kith_section_t *sections;
    size_t count;
    uint64_t *places;      //  of the sections
    kith_span_t *spans;    //  of the whole file
    size_t span_count;
    uint64_t size;           //  of the file so far
    uint32_t crc;            //  of the file so far
    uint32_t block_crc;      //  of the block under way
    uint32_t block_shift;    //  for a whole block
    kith_bytes_t table;      //  checksums of the blocks
    kith_bytes_t tail;       //  table, footer, trailer
} s_writer_t;

//  --- statistics ----------------------------------------------------------------------------------------

static void
s_stats_int (s_stats_t *self, const kith_column_t *column)
{
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;
    for (uint32_t row = 0; row < column->rows; row++) {
        if (!kith_column_valid (column, row))
            continue;
        int64_t value = kith_column_int (column, row);
        min = value < min ? value : min;
        max = value > max ? value : max;
    }
    if (min > max)
        return;
    self->flags |= KITH_CONTAINER_RANGE;
    self->min = (uint64_t) min;
    self->max = (uint64_t) max;
}

//  NaN is neither least nor greatest of anything and is left out
static void
s_stats_real (s_stats_t *self, const kith_column_t *column)
{
    double min = (double) INFINITY;
    double max = -(double) INFINITY;
    bool any = false;
    for (uint32_t row = 0; row < column->rows; row++) {
        double value = kith_column_valid (column, row) ? kith_column_real (column, row)
                                                       : (double) NAN;
        if (isnan (value))
            continue;
        any = true;
        min = value < min ? value : min;
        max = value > max ? value : max;
    }
    if (!any)
        return;
    self->flags |= KITH_CONTAINER_RANGE;
    memcpy (&self->min, &min, sizeof min);
    memcpy (&self->max, &max, sizeof max);
}

static void
s_stats_range (s_stats_t *self, const kith_column_t *column)
{
    switch (column->type) {
        case KITH_TYPE_BOOL:
        case KITH_TYPE_INT8:
        case KITH_TYPE_INT16:
        case KITH_TYPE_INT32:
        case KITH_TYPE_INT64:
            s_stats_int (self, column);
            break;
        case KITH_TYPE_FLOAT:
        case KITH_TYPE_DOUBLE:
            s_stats_real (self, column);
            break;
        case KITH_TYPE_VARCHAR:
        case KITH_TYPE_JSON:
        case KITH_TYPE_FLOAT_VECTOR:
        case KITH_TYPE_FLOAT16_VECTOR:
        case KITH_TYPE_BFLOAT16_VECTOR:
        case KITH_TYPE_INT8_VECTOR:
        case KITH_TYPE_BINARY_VECTOR:
            break;
    }
}

//  A section whose bytes are not one whole column block has none
static void
s_stats (s_stats_t *self, const kith_section_t *section)
{
    kith_column_t column;
    *self = (s_stats_t){0};
    if (section->size == 0
        || kith_column_open (&column, section->data, section->size, NULL)
        || column.bytes != section->size)
        return;
    self->flags = KITH_CONTAINER_COLUMN;
    self->type = (uint32_t) column.type;
    self->dim = column.dim;
    self->rows = column.rows;
    for (uint32_t row = 0; column.validity && row < column.rows; row++)
        self->nulls += !kith_column_valid (&column, row);
    s_stats_range (self, &column);
}

//  --- bytes ---------------------------------------------------------------------------------------------

//  Adds bytes before the table to the file: to its spans, its blocks' checksums and its own
static void
s_add (s_writer_t *self, const void *data, uint64_t size)
{
    if (size == 0)
        return;
    self->spans [self->span_count++] = (kith_span_t){data, size};
    const uint8_t *at = data;
    while (size) {
        uint64_t room = KITH_CONTAINER_BLOCK - self->size % KITH_CONTAINER_BLOCK;
        uint64_t piece = size < room ? size : room;
        self->block_crc = kith_crc32c (self->block_crc, at, piece);
        self->size += piece;
        at += piece;
        size -= piece;
        if (piece == room) {
            kith_bytes_put_u32 (&self->table, kith_container_mask (self->block_crc));
            self->crc =
                kith_container_combine (self->crc, self->block_crc, self->block_shift);
            self->block_crc = 0;
        }
    }
}

static void
s_align (s_writer_t *self, uint64_t align)
{
    uint64_t over = self->size % align;
    if (over)
        s_add (self, s_zeros, align - over);
}

//  Ends the last, shorter block
static void
s_end_blocks (s_writer_t *self)
{
    uint64_t rest = self->size % KITH_CONTAINER_BLOCK;
    if (rest == 0)
        return;
    kith_bytes_put_u32 (&self->table, kith_container_mask (self->block_crc));
    self->crc =
        kith_container_combine (self->crc, self->block_crc, kith_container_shift (rest));
}

static void
s_header (const kith_file_info_t *info, uint8_t *header)
{
    memset (header, 0, KITH_CONTAINER_HEADER);
    kith_put_u32 (header, KITH_CONTAINER_MAGIC);
    kith_put_u32 (header + 4, KITH_CONTAINER_VERSION);
    kith_put_u32 (header + 8, (uint32_t) info->kind);
    kith_put_u64 (header + 16, info->cluster);
    kith_put_u64 (header + 24, info->channel);
    kith_put_u64 (header + 32, info->segment);
    kith_put_u64 (header + 40, info->epoch);
    uint32_t crc = kith_crc32c (0, header, KITH_CONTAINER_HEADER - 4);
    kith_put_u32 (header + KITH_CONTAINER_HEADER - 4, kith_container_mask (crc));
}

static void
s_entry (const s_writer_t *self, size_t index, uint8_t *entry)
{
    const kith_section_t *section = &self->sections [index];
    s_stats_t stats;
    s_stats (&stats, section);
    kith_put_u32 (entry, section->id);
    kith_put_u32 (entry + 4, stats.flags);
    kith_put_u64 (entry + 8, self->places [index]);
    kith_put_u64 (entry + 16, section->size);
    kith_put_u32 (entry + 24, stats.type);
    kith_put_u32 (entry + 28, stats.dim);
    kith_put_u32 (entry + 32, stats.rows);
    kith_put_u32 (entry + 36, stats.nulls);
    kith_put_u64 (entry + 40, stats.min);
    kith_put_u64 (entry + 48, stats.max);
}

//  The footer, all but the section table, which must be there to take the timestamps from
static void
s_footer (const s_writer_t *self, uint8_t *footer)
{
    const kith_file_info_t *info = self->info;
    kith_put_u32 (footer, KITH_CONTAINER_FOOTER_MAGIC);
    kith_put_u32 (footer + 4, KITH_CONTAINER_VERSION);
    kith_put_u32 (footer + 8, (uint32_t) info->kind);
    kith_put_u32 (footer + 12, (uint32_t) self->count);
    kith_put_u64 (footer + 16, info->cluster);
    kith_put_u64 (footer + 24, info->channel);
    kith_put_u64 (footer + 32, info->segment);
    kith_put_u64 (footer + 40, info->from);
    kith_put_u64 (footer + 48, info->to);
    kith_put_u64 (footer + 56, info->epoch);
    kith_put_u64 (footer + 64, info->rows);
    for (size_t index = 0; index < self->count; index++) {
        const uint8_t *entry =
            footer + KITH_CONTAINER_FOOTER + index * KITH_CONTAINER_ENTRY;
        bool stamps = info->kind == KITH_FILE_SNAPSHOT
                      && self->sections [index].id == KITH_FIELD_TIMESTAMP;
        if (stamps && kith_get_u32 (entry + 4) & KITH_CONTAINER_RANGE)
            memcpy (footer + 72, entry + 40, 16);
    }
}

//  Table, footer and trailer, one span
static void
s_tail (s_writer_t *self)
{
    uint64_t table_at = self->size;
    kith_bytes_t *tail = &self->tail;
    kith_bytes_put (tail, self->table.data, self->table.size);
    kith_bytes_align64 (tail);
    uint64_t table_bytes = tail->size;
    uint64_t footer_bytes = KITH_CONTAINER_FOOTER + self->count * KITH_CONTAINER_ENTRY;
    kith_bytes_extend (tail, footer_bytes + KITH_CONTAINER_TRAILER);

    uint8_t *footer = tail->data + table_bytes;
    for (size_t index = 0; index < self->count; index++)
        s_entry (self, index,
                 footer + KITH_CONTAINER_FOOTER + index * KITH_CONTAINER_ENTRY);
    s_footer (self, footer);

    uint8_t *trailer = footer + footer_bytes;
    kith_put_u32 (trailer, KITH_CONTAINER_TRAILER_MAGIC);
    kith_put_u32 (trailer + 4, KITH_CONTAINER_VERSION);
    kith_put_u64 (trailer + 8, table_at);
    kith_put_u64 (trailer + 16, table_bytes);
    kith_put_u64 (trailer + 24, table_at + table_bytes);
    kith_put_u64 (trailer + 32, footer_bytes);
    kith_put_u64 (trailer + 40, table_at + tail->size);
    kith_put_u32 (trailer + 48,
                  kith_container_mask (kith_crc32c (0, tail->data, table_bytes)));
    kith_put_u32 (trailer + 52,
                  kith_container_mask (kith_crc32c (0, footer, footer_bytes)));
    uint32_t crc = kith_crc32c (0, trailer, KITH_CONTAINER_TRAILER - 4);
    kith_put_u32 (trailer + KITH_CONTAINER_TRAILER - 4, kith_container_mask (crc));

    self->spans [self->span_count++] = (kith_span_t){tail->data, tail->size};
    self->size += tail->size;
    self->crc = kith_crc32c (self->crc, tail->data, tail->size);
}

//  --- the file ------------------------------------------------------------------------------------------

//  True if a section is one that our own code may ask for, after those before it
static bool
s_section_fits (const kith_section_t *sections, size_t index)
{
    const kith_section_t *section = &sections [index];
    bool fits = section->align == 0 || section->align == 64 || section->align == 4096;
    fits = fits && (section->data || section->size == 0);
    for (size_t other = 0; fits && other < index; other++)
        fits = sections [other].id != section->id;
    return fits;
}

static void
s_lay_out (s_writer_t *self, const uint8_t *header)
{
    s_add (self, header, KITH_CONTAINER_HEADER);
    for (size_t index = 0; index < self->count; index++) {
        const kith_section_t *section = &self->sections [index];
        s_align (self, section->align ? section->align : 64);
        self->places [index] = self->size;
        s_add (self, section->data, section->size);
    }
    s_align (self, 64);
    s_end_blocks (self);
    s_tail (self);
}

int
kith_container_put (kith_objects_t *objects, const char *name,
                    const kith_file_info_t *info, const kith_section_t *sections,
                    size_t count, uint64_t *hash, uint64_t *size, kith_error_t *error)
{
    assert (count <= KITH_SECTIONS_MAX);
    for (size_t index = 0; index < count; index++)
        assert (s_section_fits (sections, index));
    uint8_t header [KITH_CONTAINER_HEADER];
    s_header (info, header);
    s_writer_t self = {.info = info, .sections = sections, .count = count};
    self.places = kith_new ((count + 1) * sizeof *self.places);
    self.spans = kith_new ((2 * count + 3) * sizeof *self.spans);
    self.block_shift = kith_container_shift (KITH_CONTAINER_BLOCK);
    s_lay_out (&self, header);

    kith_error_t local;
    bool same = false;
    if (!error)
        error = &local;
    int rc = objects->put (objects, name, self.spans, self.span_count, &same, error);
    if (rc && error->code == KITH_ERR_EXISTS && same) {
        //  An earlier try of ours did it
        kith_error_clear (error);
        rc = 0;
    }
    if (hash)
        *hash = self.crc;
    if (size)
        *size = self.size;
    kith_bytes_free (&self.table);
    kith_bytes_free (&self.tail);
    free (self.places);
    free (self.spans);
    return rc;
}
