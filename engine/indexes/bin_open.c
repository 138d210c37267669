//  bin_open.c - opens stored lists of binary vectors, believing nothing they say
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/bin_layout.h"

static int
s_corrupt (kith_error_t *error, const char *what)
{
    return kith_error_set (error, KITH_ERR_CORRUPT, "the stored index is damaged: %s",
                           what);
}

static const kith_section_t *
s_find (const kith_section_t *sections, size_t count, uint32_t id)
{
    for (size_t index = 0; index < count; index++)
        if (sections [index].id == id)
            return &sections [index];
    return NULL;
}

static bool
s_points_are_sane (const kith_bin_header_t *header)
{
    if (header->grid > KITH_BIN_GRID_MAX || (header->lists > 0) != (header->grid > 0))
        return false;
    uint32_t before = 0;
    for (uint32_t index = 0; index < header->grid; index++) {
        const kith_bin_point_t *point = &header->points [index];
        if (point->probes <= before || point->probes > header->lists)
            return false;
        for (uint32_t level = 0; level < KITH_BIN_DEPTHS; level++)
            if (!(fabsf (point->recall [level]) <= 1)
                || !(fabsf (point->bound [level]) <= 1))
                return false;
        before = point->probes;
    }
    return true;
}

static int
s_check_header (const kith_bin_header_t *header, const kith_rows_t *rows,
                kith_error_t *error)
{
    if (header->magic != KITH_BIN_MAGIC)
        return s_corrupt (error, "its header is of no known version");
    if (header->rows != rows->rows || header->dim != rows->dim
        || header->metric != (uint32_t) rows->metric || rows->type != KITH_VECTOR_BINARY)
        return s_corrupt (error, "it was made for other rows");
    if (header->lists > KITH_BIN_LISTS_MAX || header->lists > header->rows)
        return s_corrupt (error, "it has more lists than rows");
    if (!(header->recall > 0 && header->recall <= 1) || !s_points_are_sane (header))
        return s_corrupt (error, "its calibration is out of range");
    return 0;
}

//  The data of section `id` if it has just `size` bytes and lies on a multiple of 4
static const void *
s_take (const kith_section_t *sections, size_t count, uint32_t id, uint64_t size)
{
    const kith_section_t *section = s_find (sections, count, id);
    if (!section || section->size != size || (uintptr_t) section->data % 4)
        return NULL;
    return section->data;
}

static bool
s_take_all (kith_bin_t *self, const kith_section_t *sections, size_t count)
{
    uint64_t lists = self->header.lists, rows = self->header.rows;
    uint64_t bytes = kith_bin_bytes (&self->index.rows);
    if (lists == 0)
        return count == 1;
    self->centroids = s_take (sections, count, KITH_BIN_CENTROIDS, lists * bytes);
    self->starts =
        s_take (sections, count, KITH_BIN_STARTS, (lists + 1) * sizeof (uint32_t));
    self->ids = s_take (sections, count, KITH_BIN_IDS, rows * sizeof (uint32_t));
    self->codes = s_take (sections, count, KITH_BIN_CODES, rows * bytes);
    return self->centroids && self->starts && self->ids && self->codes;
}

//  Lists follow each other over all positions
static bool
s_starts_are_sane (const kith_bin_t *self)
{
    uint32_t lists = self->header.lists;
    if (self->starts [0] != 0 || self->starts [lists] != self->header.rows)
        return false;
    for (uint32_t list = 0; list < lists; list++)
        if (self->starts [list] > self->starts [list + 1])
            return false;
    return true;
}

//  Every row lies at one position
static bool
s_ids_are_sane (const kith_bin_t *self)
{
    uint32_t rows = self->header.rows;
    bool sane = true;
    kith_bits_t seen;
    kith_bits_init (&seen, rows, false);
    for (uint32_t at = 0; at < rows && sane; at++) {
        sane = self->ids [at] < rows && !kith_bits_get (&seen, self->ids [at]);
        if (sane)
            kith_bits_set (&seen, self->ids [at]);
    }
    kith_bits_free (&seen);
    return sane;
}

static int
s_check (kith_bin_t *self, const kith_section_t *sections, size_t count,
         kith_error_t *error)
{
    if (s_check_header (&self->header, &self->index.rows, error) != 0)
        return -1;
    if (!s_take_all (self, sections, count))
        return s_corrupt (error, "a section is missing or of the wrong size");
    if (self->header.lists == 0)
        return 0;
    if (!s_starts_are_sane (self))
        return s_corrupt (error, "its lists are not in order");
    if (!s_ids_are_sane (self))
        return s_corrupt (error, "a row is in no list or in two");
    return 0;
}

kith_index_t *
kith_bin_open (const kith_rows_t *rows, const kith_section_t *sections, size_t count,
               kith_error_t *error)
{
    const kith_section_t *section = s_find (sections, count, KITH_INDEX_HEADER);
    if (!section || section->size != sizeof (kith_bin_header_t)) {
        s_corrupt (error, "it has no header");
        return NULL;
    }
    kith_bin_t *self = kith_new (sizeof *self);
    self->index.rows = *rows;
    memcpy (&self->header, section->data, sizeof self->header);
    if (s_check (self, sections, count, error) == 0)
        return &self->index;
    kith_bin_destroy (&self->index);
    return NULL;
}
