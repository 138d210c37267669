//  ivf_open.c - opens stored sections, believing nothing they say, and codes the centres
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/ivf_layout.h"
#include "storage/huge.h"

enum {
    SIGNS_DIM = 256    //  from this dimension on centres are coded by signs
};

//  ---------------------------------------------------------------------
//  Centres

static kith_index_code_t
s_coarse_code (uint32_t dim)
{
    return dim < SIGNS_DIM ? KITH_CODE_SQ8 : KITH_CODE_RABITQ;
}

uint64_t
kith_ivf_face_bytes (uint32_t lists, uint32_t dim)
{
    kith_index_code_t code = s_coarse_code (dim);
    return kith_ivf_coarse_blocks (lists) * kith_quantiser_block_bytes (code, dim)
           + kith_quantiser_book_floats (code, dim) * 4 + lists * 4ull + dim * 16ull
           + 4096;
}

//  Centres as residuals about the mean
static bool
s_face (kith_ivf_t *self, float *work)
{
    const uint32_t lists = self->header.lists, dim = self->header.dim;
    float *residuals = kith_huge_new ((size_t) lists * dim * sizeof *residuals);
    if (!residuals)
        return false;
    for (size_t index = 0; index < (size_t) lists * dim; index++)
        residuals [index] = self->centres [index] - self->mean [index % dim];
    bool fitted =
        kith_quantiser_fit (&self->coarse, residuals, lists, NULL, self->coarse_book);
    free (residuals);
    kith_quantiser_centre_t centre = {.centre = self->mean,
                                      .offset = work,
                                      .turned = work + dim,
                                      .scratch = work + 2 * (size_t) dim};
    kith_quantiser_face (&self->coarse, &centre);
    for (uint32_t list = 0; list < lists; list++) {
        const float *one = self->centres + (size_t) list * dim;
        self->squares [list] = kith_kernels ()->dot (one, one, dim);
        kith_quantiser_encode (&self->coarse, &centre, one,
                               self->coarse_blocks
                                   + list / KITH_FASTSCAN_ROWS * self->coarse.block_bytes,
                               list % KITH_FASTSCAN_ROWS);
    }
    return fitted;
}

bool
kith_ivf_face (kith_ivf_t *self)
{
    const uint32_t lists = self->header.lists, dim = self->header.dim;
    kith_index_code_t code = s_coarse_code (dim);
    size_t book = kith_quantiser_book_floats (code, dim);
    if (!kith_quantiser_init (&self->coarse, code, self->index.rows.metric, dim,
                              self->header.seed))
        return false;
    self->coarse_blocks =
        kith_alloc64 (kith_ivf_coarse_blocks (lists) * self->coarse.block_bytes);
    self->coarse_book = kith_alloc64 ((book + 1) * sizeof (float));
    self->squares = kith_alloc64 (lists * sizeof *self->squares);
    self->coarse.book = self->coarse_book;
    float *work = kith_alloc64 (4 * (size_t) dim * sizeof *work);
    bool made = self->coarse_blocks && self->coarse_book && self->squares && work
                && s_face (self, work);
    free (work);
    return made;
}

//  ---------------------------------------------------------------------
//  Open

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
        if (sections [index].id == id && sections [index].size)
            return &sections [index];
    return NULL;
}

static bool
s_share_is_sane (float share)
{
    return isfinite (share) && share >= -1 && share <= 1;
}

static bool
s_points_are_sane (const kith_ivf_header_t *header)
{
    if (header->grid > KITH_IVF_GRID_MAX || !s_share_is_sane (header->recall)
        || !isfinite (header->radius) || header->radius < 0)
        return false;
    uint32_t before = 0;
    for (uint32_t index = 0; index < header->grid; index++) {
        const kith_ivf_point_t *point = &header->points [index];
        if (point->lists <= before || point->lists > header->lists
            || !isfinite (point->reach) || point->reach < 0
            || !s_share_is_sane (point->recall10) || !s_share_is_sane (point->bound10)
            || !s_share_is_sane (point->recall100) || !s_share_is_sane (point->bound100)
            || !s_share_is_sane (point->recall1000)
            || !s_share_is_sane (point->bound1000))
            return false;
        before = point->lists;
    }
    return true;
}

static int
s_check_header (const kith_ivf_header_t *header, const kith_rows_t *rows,
                kith_error_t *error)
{
    kith_index_code_t code = (kith_index_code_t) header->code;
    if (header->magic != KITH_IVF_MAGIC)
        return s_corrupt (error, "its header is of no known version");
    if (header->rows != rows->rows || header->dim != rows->dim
        || header->metric != (uint32_t) rows->metric
        || header->type != (uint32_t) rows->type)
        return s_corrupt (error, "it was made for other rows");
    if (header->code == KITH_CODE_AUTO || header->code > KITH_CODE_LAST
        || kith_quantiser_block_bytes (code, header->dim) == 0)
        return s_corrupt (error, "its codes are of no known kind");
    if (header->lists == 0 || header->lists > KITH_IVF_LISTS_MAX
        || header->blocks > (uint64_t) header->rows / KITH_FASTSCAN_ROWS + header->lists)
        return s_corrupt (error, "its lists do not fit its rows");
    if (!s_points_are_sane (header))
        return s_corrupt (error, "its calibration is out of range");
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
s_take_all (kith_ivf_t *self, const kith_section_t *sections, size_t count)
{
    const kith_ivf_header_t *header = &self->header;
    const uint64_t lists = header->lists, blocks = header->blocks, dim = header->dim;
    kith_index_code_t code = (kith_index_code_t) header->code;
    const void *centres, *mean, *starts, *counts, *ids, *codes, *book;
    if (s_take (sections, count, KITH_IVF_CENTRES, lists * dim * 4, &centres) != 0
        || s_take (sections, count, KITH_IVF_MEAN, dim * 4, &mean) != 0
        || s_take (sections, count, KITH_IVF_STARTS, (lists + 1) * 4, &starts) != 0
        || s_take (sections, count, KITH_IVF_COUNTS, lists * 4, &counts) != 0
        || s_take (sections, count, KITH_IVF_IDS, blocks * KITH_FASTSCAN_ROWS * 4, &ids)
               != 0
        || s_take (sections, count, KITH_IVF_BLOCKS,
                   blocks * kith_quantiser_block_bytes (code, header->dim), &codes)
               != 0
        || s_take (sections, count, KITH_IVF_BOOK,
                   kith_quantiser_book_floats (code, header->dim) * 4, &book)
               != 0)
        return -1;
    self->centres = centres;
    self->mean = mean;
    self->starts = starts;
    self->counts = counts;
    self->ids = ids;
    self->blocks = codes;
    self->quantiser.book = book;
    return 0;
}

//  Lists follow each other, each with as many blocks as its rows fill
static bool
s_lists_are_sane (const kith_ivf_t *self)
{
    const kith_ivf_header_t *header = &self->header;
    uint64_t rows = 0, blocks = 0;
    for (uint32_t list = 0; list < header->lists; list++) {
        if (self->starts [list] != blocks)
            return false;
        rows += self->counts [list];
        blocks += ((uint64_t) self->counts [list] + KITH_FASTSCAN_ROWS - 1)
                  / KITH_FASTSCAN_ROWS;
        if (blocks > header->blocks)
            return false;
    }
    return rows == header->rows && blocks == header->blocks
           && self->starts [header->lists] == blocks;
}

//  Every row once, nothing after a list's end
static bool
s_ids_are_sane (const kith_ivf_t *self)
{
    const kith_ivf_header_t *header = &self->header;
    kith_bits_t seen;
    bool sane = true;
    kith_bits_init (&seen, header->rows, false);
    for (uint32_t list = 0; list < header->lists && sane; list++) {
        const uint32_t *ids =
            self->ids + (size_t) self->starts [list] * KITH_FASTSCAN_ROWS;
        uint32_t room =
            (self->starts [list + 1] - self->starts [list]) * KITH_FASTSCAN_ROWS;
        for (uint32_t index = 0; index < room && sane; index++) {
            uint32_t row = ids [index];
            if (index >= self->counts [list])
                sane = row == KITH_IVF_EMPTY;
            else if (row >= header->rows || kith_bits_get (&seen, row))
                sane = false;
            else
                kith_bits_set (&seen, row);
        }
    }
    kith_bits_free (&seen);
    return sane;
}

static bool
s_floats_are_sane (const float *values, size_t count)
{
    for (size_t index = 0; index < count; index++)
        if (!isfinite (values [index]))
            return false;
    return true;
}

static int
s_check_content (const kith_ivf_t *self, kith_error_t *error)
{
    const kith_ivf_header_t *header = &self->header;
    const size_t dim = header->dim;
    if (!s_lists_are_sane (self))
        return s_corrupt (error, "its lists do not fit its rows");
    if (!s_ids_are_sane (self))
        return s_corrupt (error, "a row is missing from its lists, or in two");
    if (!s_floats_are_sane (self->centres, header->lists * dim)
        || !s_floats_are_sane (self->mean, dim)
        || !s_floats_are_sane (
            self->quantiser.book,
            kith_quantiser_book_floats ((kith_index_code_t) header->code, header->dim)))
        return s_corrupt (error, "a centre is not finite");
    return 0;
}

static int
s_open (kith_ivf_t *self, const kith_section_t *sections, size_t count,
        kith_error_t *error)
{
    const kith_ivf_header_t *header = &self->header;
    if (s_check_header (header, &self->index.rows, error) != 0)
        return -1;
    if (!kith_quantiser_init (&self->quantiser, (kith_index_code_t) header->code,
                              self->index.rows.metric, header->dim, header->seed))
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to open an index");
    if (s_take_all (self, sections, count) != 0)
        return s_corrupt (error, "a section is missing or of the wrong size");
    if (s_check_content (self, error) != 0)
        return -1;
    if (!kith_ivf_face (self))
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to open an index");
    return 0;
}

kith_index_t *
kith_ivf_open (const kith_rows_t *rows, const kith_section_t *sections, size_t count,
               kith_error_t *error)
{
    const kith_section_t *section = s_find (sections, count, KITH_IVF_HEADER);
    if (!section || section->size != sizeof (kith_ivf_header_t)) {
        s_corrupt (error, "it has no header");
        return NULL;
    }
    kith_ivf_t *self = kith_new (sizeof *self);
    self->index.rows = *rows;
    self->vector_bytes = kith_vector_bytes (rows->type, rows->dim);
    memcpy (&self->header, section->data, sizeof self->header);
    if (s_open (self, sections, count, error) != 0) {
        kith_ivf_free (self);
        return NULL;
    }
    return &self->index;
}
