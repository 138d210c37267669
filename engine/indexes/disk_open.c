//  disk_open.c - opens stored sections of a disk index, believing nothing they say, and gives them
//  SPDX-License-Identifier: Apache-2.0
//
//  What stays in memory is checked here, a block of records whenever it was read (kith_disk_block_fault).
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/disk_layout.h"

void *
kith_disk_own (kith_disk_t *self, void *data)
{
    assert (self->owned_count < sizeof self->owned / sizeof self->owned [0]);
    if (data)
        self->owned [self->owned_count++] = data;
    return data;
}

void
kith_disk_destroy (kith_disk_t **self_p)
{
    assert (self_p);
    kith_disk_t *self = *self_p;
    if (!self)
        return;
    kith_graph_destroy (&self->entry);
    kith_disk_coder_destroy (&self->coder);
    kith_blocks_destroy (&self->blocks);
    for (uint32_t index = 0; index < self->owned_count; index++)
        free (self->owned [index]);
    free (self);
    *self_p = NULL;
}

//  ---------------------------------------------------------------------
//  Open

static int
s_corrupt (kith_error_t *error, const char *what)
{
    return kith_error_set (error, KITH_ERR_CORRUPT, "the stored index is damaged: %s",
                           what);
}

//  The data of section `id` if it has just `size` bytes and lies on a multiple of 4; null if not
static const void *
s_take (const kith_section_t *sections, size_t count, uint32_t id, uint64_t size)
{
    for (size_t index = 0; index < count; index++)
        if (sections [index].id == id)
            return sections [index].size == size
                           && (uintptr_t) sections [index].data % 4 == 0
                       ? sections [index].data
                       : NULL;
    return NULL;
}

static bool
s_has (const kith_section_t *sections, size_t count, uint32_t id)
{
    for (size_t index = 0; index < count; index++)
        if (sections [index].id == id)
            return true;
    return false;
}

static bool
s_share_is_sane (float share)
{
    return isfinite (share) && share >= -1 && share <= 1;
}

static bool
s_points_are_sane (const kith_disk_header_t *header)
{
    uint32_t before = 0;
    if (header->grid > KITH_DISK_GRID_MAX || !s_share_is_sane (header->recall))
        return false;
    for (uint32_t index = 0; index < header->grid; index++) {
        const kith_disk_point_t *point = &header->points [index];
        if (point->effort <= before || point->effort > KITH_DISK_EFFORT_MAX
            || !s_share_is_sane (point->recall10) || !s_share_is_sane (point->bound10)
            || !s_share_is_sane (point->recall100) || !s_share_is_sane (point->bound100)
            || !isfinite (point->reads) || !isfinite (point->hops))
            return false;
        before = point->effort;
    }
    return true;
}

static int
s_check_header (const kith_disk_header_t *header, const kith_rows_t *rows,
                kith_error_t *error)
{
    if (header->magic != KITH_DISK_MAGIC)
        return s_corrupt (error, "its header is of no known version");
    if (header->rows != rows->rows || header->dim != rows->dim
        || header->metric != (uint32_t) rows->metric
        || header->type != (uint32_t) rows->type || rows->type == KITH_VECTOR_BINARY
        || header->rows == 0)
        return s_corrupt (error, "it was made for other rows");
    if (header->degree == 0 || header->degree % 16
        || header->degree > KITH_DISK_DEGREE_MAX)
        return s_corrupt (error, "its degree is out of range");
    kith_disk_header_t laid = *header;
    kith_disk_lay (&laid);
    if (memcmp (&laid, header, sizeof laid) != 0)
        return s_corrupt (error, "its blocks do not fit its rows");
    if (!kith_disk_code_known (header->code)
        || header->code_bytes
               != kith_disk_code_bytes ((kith_index_code_t) header->code, header->dim))
        return s_corrupt (error, "its codes are of no known kind");
    if (header->sampled == 0 || header->sampled > header->rows)
        return s_corrupt (error, "its sample is out of range");
    if (!s_points_are_sane (header))
        return s_corrupt (error, "its calibration is out of range");
    return 0;
}

static uint64_t
s_scale_bytes (const kith_disk_header_t *header)
{
    return kith_disk_code_scale ((kith_index_code_t) header->code, header->dim)
           * (uint64_t) sizeof (float);
}

static int
s_take_all (kith_disk_t *self, const kith_section_t *sections, size_t count,
            kith_error_t *error)
{
    const kith_disk_header_t *header = &self->header;
    const uint64_t rows = header->rows, sampled = header->sampled;
    const uint64_t vector = kith_vector_bytes (self->index.rows.type, header->dim);
    const kith_index_code_t code = (kith_index_code_t) header->code;
    const uint64_t trailer = kith_disk_trailer_bytes (code, header->dim);
    const kith_disk_coded_t coded = {
        .codes = s_take (sections, count, KITH_DISK_CODES, rows * header->code_bytes),
        .trailers =
            trailer ? s_take (sections, count, KITH_DISK_TRAILERS, rows * trailer) : NULL,
        .scale = s_take (sections, count, KITH_DISK_SCALE, s_scale_bytes (header))};
    bool cosine = self->index.rows.metric == KITH_METRIC_COSINE;
    bool twins = s_has (sections, count, KITH_DISK_TWINS);
    self->places = s_take (sections, count, KITH_DISK_PLACES, rows * 4);
    self->twins = s_take (sections, count, KITH_DISK_TWINS, rows * 4);
    self->sample_rows = s_take (sections, count, KITH_DISK_SAMPLE_ROWS, sampled * 4);
    self->sample_vectors =
        s_take (sections, count, KITH_DISK_SAMPLE_VECTORS, sampled * vector);
    self->sample_norms = s_take (sections, count, KITH_DISK_SAMPLE_NORMS, sampled * 4);
    self->records =
        s_take (sections, count, KITH_DISK_RECORDS, kith_disk_record_bytes (header));
    if (!coded.codes || !coded.scale || (trailer && !coded.trailers) || !self->places
        || (twins && !self->twins) || !self->sample_rows || !self->sample_vectors
        || (cosine && !self->sample_norms) || !self->records)
        return s_corrupt (error, "a section is missing or of the wrong size");
    if (!cosine)
        self->sample_norms = NULL;
    self->coder = kith_disk_coder_open (&self->index.rows, code, &coded);
    if (!self->coder)
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to open the index");
    self->blocks =
        kith_blocks_memory_new (self->records, kith_disk_record_bytes (header));
    if (!self->coder)
        return kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory for a disk index");
    return 0;
}

static bool
s_below (const uint32_t *values, uint32_t count, uint32_t limit)
{
    uint32_t bad = 0;
    for (uint32_t index = 0; index < count; index++)
        bad |= values [index] >= limit;
    return bad == 0;
}

static bool
s_twins_are_sane (const uint32_t *twins, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++)
        if (twins [row] != KITH_DISK_NONE && (twins [row] <= row || twins [row] >= rows))
            return false;
    return true;
}

static bool
s_scale_is_sane (const float *scale, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        if (!isfinite (scale [index]))
            return false;
    return true;
}

static int
s_check_content (const kith_disk_t *self, kith_error_t *error)
{
    const kith_disk_header_t *header = &self->header;
    if (!s_below (self->places, header->rows, header->blocks))
        return s_corrupt (error, "a row lies in no block");
    if (!s_below (self->sample_rows, header->sampled, header->rows))
        return s_corrupt (error, "a row of its sample does not exist");
    if (self->twins && !s_twins_are_sane (self->twins, header->rows))
        return s_corrupt (error, "equal rows are not in order");
    if (!s_scale_is_sane (kith_disk_coder_coded (self->coder).scale,
                          (uint32_t) (s_scale_bytes (header) / sizeof (float))))
        return s_corrupt (error, "the scale of its codes is not finite");
    return 0;
}

//  The graph over the sample, from the sections set apart for it
static int
s_open_entry (kith_disk_t *self, const kith_section_t *sections, size_t count,
              kith_error_t *error)
{
    kith_section_t inner [KITH_DISK_ENTRY_END - KITH_DISK_ENTRY];
    size_t found = 0;
    for (size_t index = 0; index < count; index++)
        if (sections [index].id >= KITH_DISK_ENTRY
            && sections [index].id < KITH_DISK_ENTRY_END
            && found < sizeof inner / sizeof inner [0]) {
            inner [found] = sections [index];
            inner [found++].id -= KITH_DISK_ENTRY;
        }
    kith_rows_t sample = kith_disk_sample (self);
    self->entry = kith_graph_open (&sample, inner, found, error);
    return self->entry ? 0 : kith_error_prefix (error, "way in");
}

kith_index_t *
kith_disk_open (const kith_rows_t *rows, const kith_section_t *sections, size_t count,
                kith_error_t *error)
{
    const void *stored =
        s_take (sections, count, KITH_DISK_HEADER, sizeof (kith_disk_header_t));
    if (!stored) {
        s_corrupt (error, "it has no header");
        return NULL;
    }
    kith_disk_t *self = kith_new (sizeof *self);
    self->index.rows = *rows;
    self->stored = stored;
    memcpy (&self->header, stored, sizeof self->header);
    if (s_check_header (&self->header, rows, error) != 0
        || s_take_all (self, sections, count, error) != 0
        || s_check_content (self, error) != 0
        || s_open_entry (self, sections, count, error) != 0)
        kith_disk_destroy (&self);
    return self ? &self->index : NULL;
}

//  ---------------------------------------------------------------------
//  Sections

size_t
kith_disk_sections (const kith_disk_t *self, kith_section_t *sections)
{
    const kith_disk_header_t *header = &self->header;
    const uint64_t rows = header->rows, sampled = header->sampled;
    const uint64_t vector = kith_vector_bytes (self->index.rows.type, header->dim);
    const kith_disk_coded_t coded = kith_disk_coder_coded (self->coder);
    const uint64_t trailer =
        kith_disk_trailer_bytes ((kith_index_code_t) header->code, header->dim);
    const kith_section_t all [] = {
        {KITH_DISK_HEADER, header, sizeof *header, 0},
        {KITH_DISK_PLACES, self->places, rows * 4, 0},
        {KITH_DISK_CODES, coded.codes, rows * header->code_bytes, 0},
        {KITH_DISK_TRAILERS, coded.trailers, rows * trailer, 0},
        {KITH_DISK_SCALE, coded.scale, s_scale_bytes (header), 0},
        {KITH_DISK_TWINS, self->twins, rows * 4, 0},
        {KITH_DISK_SAMPLE_ROWS, self->sample_rows, sampled * 4, 0},
        {KITH_DISK_SAMPLE_VECTORS, self->sample_vectors, sampled * vector, 0},
        {KITH_DISK_SAMPLE_NORMS, self->sample_norms, sampled * 4, 0},
        {KITH_DISK_RECORDS, self->records, kith_disk_record_bytes (header),
         KITH_BLOCK_BYTES},
    };
    size_t used = 0;
    for (size_t index = 0; index < sizeof all / sizeof all [0]; index++)
        if (all [index].data)
            sections [used++] = all [index];
    size_t inner = kith_graph_sections (self->entry, sections + used);
    for (size_t index = 0; index < inner; index++)
        sections [used + index].id += KITH_DISK_ENTRY;
    return used + inner;
}
