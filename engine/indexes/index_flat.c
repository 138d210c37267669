//  index_flat.c - the index that is none: every row is compared
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "engine/indexes/index_class.h"

#define MAGIC 0x31464b48u    //  "HKF1"

typedef struct {
    kith_index_t index;
    uint32_t head [2];    //  magic, rows
} s_flat_t;

static uint64_t
s_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    (void) rows;
    (void) params;
    return sizeof (s_flat_t);
}

static kith_index_t *
s_new (uint32_t rows)
{
    s_flat_t *self = kith_new (sizeof *self);
    self->head [0] = MAGIC;
    self->head [1] = rows;
    return &self->index;
}

static kith_index_t *
s_build (const kith_rows_t *rows, const kith_index_params_t *params, kith_error_t *error)
{
    (void) params;
    (void) error;
    return s_new (rows->rows);
}

static kith_index_t *
s_open (const kith_rows_t *rows, const kith_section_t *sections, size_t count,
        kith_error_t *error)
{
    uint32_t head [2] = {0, 0};
    if (count == 1 && sections [0].size == sizeof head)
        memcpy (head, sections [0].data, sizeof head);
    if (head [0] == MAGIC && head [1] == rows->rows)
        return s_new (rows->rows);
    kith_error_set (error, KITH_ERR_CORRUPT,
                    "the stored index is damaged: it was made for other rows");
    return NULL;
}

static void
s_destroy (kith_index_t *self)
{
    free (self);
}

static size_t
s_sections (const kith_index_t *self, kith_section_t *sections)
{
    const s_flat_t *flat = (const s_flat_t *) self;
    sections [0] = (kith_section_t){
        .id = KITH_INDEX_HEADER, .data = flat->head, .size = sizeof flat->head};
    return 1;
}

static uint64_t
s_search (const kith_index_t *self, const kith_index_query_t *query, void *scratch,
          kith_topk_t *tops, bool *stopped)
{
    (void) scratch;
    *stopped = query->stop && query->stop (query->stop_arg);
    return *stopped
               ? 0
               : kith_flat_search (&self->rows, query->queries, query->norms, query->nq,
                                   query->live, query->part, query->first_row, tops);
}

const kith_index_class_t kith_index_flat = {.kind = KITH_INDEX_FLAT,
                                            .name = "flat",
                                            .magic = MAGIC,
                                            .build_bytes = s_bytes,
                                            .load_bytes = s_bytes,
                                            .build = s_build,
                                            .open = s_open,
                                            .destroy = s_destroy,
                                            .sections = s_sections,
                                            .search = s_search};
