//  graph_open.c - opens stored sections, believing nothing they say
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/bytes.h"
#include "base/vector.h"
#include "engine/indexes/graph_lists.h"

static const kith_section_t *
s_find (const kith_section_t *sections, size_t count, uint32_t id)
{
    for (size_t index = 0; index < count; index++)
        if (sections [index].id == id && sections [index].size)
            return &sections [index];
    return NULL;
}

static int
s_corrupt (kith_error_t *error, const char *what)
{
    return kith_error_set (error, KITH_ERR_CORRUPT, "the stored index is damaged: %s",
                           what);
}

static bool
s_share_is_sane (float share)
{
    return isfinite (share) && share >= -1 && share <= 1;
}

//  Efforts ascend and are `most` at most
static bool
s_points_are_sane (const kith_graph_point_t *points, uint32_t count, uint32_t most)
{
    uint32_t before = 0;
    for (uint32_t index = 0; index < count; index++) {
        const kith_graph_point_t *point = &points [index];
        if (point->effort <= before || point->effort > most
            || !s_share_is_sane (point->recall10) || !s_share_is_sane (point->bound10)
            || !s_share_is_sane (point->recall100) || !s_share_is_sane (point->bound100))
            return false;
        before = point->effort;
    }
    return true;
}

static bool
s_calibration_is_sane (const kith_graph_header_t *header)
{
    return header->grid <= KITH_GRAPH_GRID_MAX
           && header->list_grid <= KITH_GRAPH_LIST_GRID_MAX
           && s_share_is_sane (header->recall)
           && s_points_are_sane (header->points, header->grid, KITH_GRAPH_EFFORT_MAX)
           && s_points_are_sane (header->list_points, header->list_grid, header->lists);
}

//  Every level has nodes, none more than the one below
static bool
s_levels_are_sane (const kith_graph_header_t *header)
{
    if (header->levels > KITH_GRAPH_LEVELS_MAX)
        return false;
    uint32_t below = header->rows;
    for (uint32_t level = 0; level < header->levels; level++) {
        if (header->counts [level] == 0 || header->counts [level] > below)
            return false;
        below = header->counts [level];
    }
    return header->rows == 0 ? header->levels == 0 : header->entry < header->rows;
}

static int
s_check_header (const kith_graph_header_t *header, const kith_rows_t *rows,
                kith_error_t *error)
{
    if (header->magic != KITH_GRAPH_MAGIC)
        return s_corrupt (error, "its header is of no known version");
    if (header->rows != rows->rows || header->dim != rows->dim
        || header->metric != (uint32_t) rows->metric
        || header->rows > KITH_GRAPH_ROWS_MAX)
        return s_corrupt (error, "it was made for other rows");
    if (header->degree == 0 || header->degree % 16
        || header->degree > KITH_GRAPH_DEGREE_MAX || header->upper_degree == 0
        || header->upper_degree % 8 || header->upper_degree > header->degree / 2)
        return s_corrupt (error, "its degree is out of range");
    if (!s_levels_are_sane (header))
        return s_corrupt (error, "its levels do not fit its rows");
    if (header->code > KITH_GRAPH_BITS
        || header->code_bytes
               != kith_graph_code_bytes ((kith_graph_code_t) header->code, header->coded))
        return s_corrupt (error, "its codes are of no known kind");
    const bool whole =
        header->code == KITH_GRAPH_FLOATS || header->code == KITH_GRAPH_BITS;
    if (header->coded == 0 || header->coded > header->dim
        || (whole && header->coded != header->dim))
        return s_corrupt (error, "its codes do not fit its dimensions");
    if (header->shallow >= KITH_GRAPH_SHALLOWS)
        return s_corrupt (error, "its depth is out of range");
    if (header->lists
        && (header->lists > KITH_GRAPH_LISTS_MAX || header->lists > header->rows
            || header->code == KITH_GRAPH_FLOATS || header->code == KITH_GRAPH_BITS))
        return s_corrupt (error, "its lists do not fit its rows");
    if (!s_calibration_is_sane (header))
        return s_corrupt (error, "its calibration is out of range");
    return 0;
}

//  Whether all links are below limit or empty; no early end, so that the compiler makes it wide
static bool
s_links_are_sane (const uint32_t *links, size_t count, uint32_t limit)
{
    uint32_t bad = 0;
    for (size_t index = 0; index < count; index++)
        bad |= (uint32_t) (links [index] >= limit)
               & (uint32_t) (links [index] != KITH_GRAPH_EMPTY);
    return bad == 0;
}

static bool
s_twins_are_sane (const uint32_t *twins, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++)
        if (twins [row] != KITH_GRAPH_EMPTY
            && (twins [row] <= row || twins [row] >= rows))
            return false;
    return true;
}

static bool
s_rows_are_sane (const uint32_t *ids, uint32_t count, uint32_t rows)
{
    for (uint32_t index = 0; index < count; index++)
        if (ids [index] >= rows)
            return false;
    return true;
}

static bool
s_coded_are_sane (const uint32_t *coded, uint32_t count, uint32_t dim)
{
    for (uint32_t index = 0; index < count; index++)
        if (coded [index] >= dim || (index && coded [index] <= coded [index - 1]))
            return false;
    return true;
}

//  Every row is in one list: who is in two would be answered twice
static bool
s_members_are_sane (const uint32_t *members, uint32_t rows)
{
    kith_bits_t seen;
    kith_bits_init (&seen, rows, false);
    bool sane = true;
    for (uint32_t index = 0; sane && index < rows; index++) {
        sane = members [index] < rows && !kith_bits_get (&seen, members [index]);
        if (sane)
            kith_bits_set (&seen, members [index]);
    }
    kith_bits_free (&seen);
    return sane;
}

//  Every list ends where the next begins
static bool
s_starts_are_sane (const uint32_t *starts, uint32_t lists, uint32_t rows)
{
    for (uint32_t list = 0; list < lists; list++)
        if (starts [list] > starts [list + 1])
            return false;
    return starts [0] == 0 && starts [lists] == rows;
}

static int
s_check_content (kith_graph_t *self, kith_error_t *error)
{
    const kith_graph_header_t *header = &self->header;
    if (!s_links_are_sane (self->links, (size_t) header->rows * header->degree,
                           header->rows))
        return s_corrupt (error, "a link leads to no row");
    if (header->levels
        && !s_rows_are_sane (self->upper_rows, header->counts [0], header->rows))
        return s_corrupt (error, "a row of an upper level does not exist");
    kith_graph_lay (self);
    for (uint32_t level = 1; level <= header->levels; level++) {
        const kith_graph_layer_t *layer = &self->layers [level];
        if (!s_links_are_sane (layer->links, (size_t) layer->count * layer->degree,
                               layer->count))
            return s_corrupt (error, "a link of an upper level leads nowhere");
    }
    if (self->twins && !s_twins_are_sane (self->twins, header->rows))
        return s_corrupt (error, "equal rows are not in order");
    if (self->scale
        && !kith_vector_finite (KITH_TYPE_FLOAT_VECTOR, header->coded, self->scale, 2))
        return s_corrupt (error, "the scale of its codes is not finite");
    if (self->coded && !s_coded_are_sane (self->coded, header->coded, header->dim))
        return s_corrupt (error, "a dimension of its codes does not exist");
    if (header->lists == 0)
        return 0;
    if (!kith_vector_finite (KITH_TYPE_FLOAT_VECTOR, header->dim, self->centres,
                             header->lists))
        return s_corrupt (error, "a centre of its lists is not finite");
    if (!s_starts_are_sane (self->list_starts, header->lists, header->rows)
        || !s_members_are_sane (self->members, header->rows))
        return s_corrupt (error, "its lists are not those of its rows");
    return 0;
}

//  The data of section `id` if it has just `size` bytes and lies on a multiple of 4; a size of 0 wants none
static int
s_take (const kith_section_t *sections, size_t count, uint32_t id, uint64_t size,
        const void **data)
{
    const kith_section_t *section = s_find (sections, count, id);
    *data = section ? section->data : NULL;
    if (size == 0)
        return section ? -1 : 0;
    return section && section->size == size && (uintptr_t) section->data % 4 == 0 ? 0
                                                                                  : -1;
}

static int
s_take_all (kith_graph_t *self, const kith_section_t *sections, size_t count)
{
    const kith_graph_header_t *header = &self->header;
    uint64_t upper = 0, rows = header->rows;
    for (uint32_t level = 0; level < header->levels; level++)
        upper += header->counts [level];
    const void *links, *upper_rows, *upper_links, *twins, *codes, *scale, *trailers;
    const void *coded, *centres, *starts, *members;
    const uint64_t lists = header->lists;
    const uint64_t trailer =
        kith_graph_trailer_bytes ((kith_graph_code_t) header->code, header->coded);
    bool twinned = s_find (sections, count, KITH_GRAPH_TWINS) != NULL;
    if (s_take (sections, count, KITH_GRAPH_LINKS, rows * header->degree * 4, &links) != 0
        || s_take (sections, count, KITH_GRAPH_UPPER_ROWS,
                   header->levels ? header->counts [0] * 4ull : 0, &upper_rows)
               != 0
        || s_take (sections, count, KITH_GRAPH_UPPER_LINKS,
                   upper * header->upper_degree * 4, &upper_links)
               != 0
        || s_take (sections, count, KITH_GRAPH_TWINS, twinned ? rows * 4 : 0, &twins) != 0
        || s_take (sections, count, KITH_GRAPH_CODES, rows * header->code_bytes, &codes)
               != 0
        || s_take (sections, count, KITH_GRAPH_TRAILERS, rows * trailer, &trailers) != 0
        || s_take (sections, count, KITH_GRAPH_SCALE,
                   rows && header->code ? header->coded * 8ull : 0, &scale)
               != 0
        || s_take (sections, count, KITH_GRAPH_CODED,
                   header->coded != header->dim ? header->coded * 4ull : 0, &coded)
               != 0
        || s_take (sections, count, KITH_GRAPH_CENTRES, lists * header->dim * 4, &centres)
               != 0
        || s_take (sections, count, KITH_GRAPH_LIST_STARTS, lists ? (lists + 1) * 4 : 0,
                   &starts)
               != 0
        || s_take (sections, count, KITH_GRAPH_LIST_MEMBERS, lists ? rows * 4 : 0,
                   &members)
               != 0)
        return -1;
    self->links = links;
    self->upper_rows = upper_rows;
    self->upper_links = upper_links;
    self->twins = twins;
    self->codes = codes;
    self->trailers = trailers;
    self->scale = scale;
    self->coded = coded;
    self->centres = centres;
    self->list_starts = starts;
    self->members = members;
    return 0;
}

kith_graph_t *
kith_graph_open (const kith_rows_t *rows, const kith_section_t *sections, size_t count,
                 kith_error_t *error)
{
    const kith_section_t *section = s_find (sections, count, KITH_GRAPH_HEADER);
    if (!section || section->size != sizeof (kith_graph_header_t)) {
        s_corrupt (error, "it has no header");
        return NULL;
    }
    kith_graph_t *self = kith_new (sizeof *self);
    self->rows = *rows;
    self->capacity = rows->rows;
    memcpy (&self->header, section->data, sizeof self->header);
    int failed = s_check_header (&self->header, rows, error);
    if (failed == 0) {
        failed = s_take_all (self, sections, count);
        if (failed)
            s_corrupt (error, "a section is missing or of the wrong size");
    }
    failed = failed || s_check_content (self, error) != 0;
    if (!failed
        && ((self->scale && !kith_graph_derive (self))
            || (self->centres && !kith_graph_lists_derive (self))
            || (self->twins && !kith_graph_mark_twins (self, self->header.rows))))
        failed =
            kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to open the index");
    if (failed)
        kith_graph_destroy (&self);
    return self;
}
