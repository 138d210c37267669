//  ivf.c - inverted lists as a kind of index: names, sizes, sections, calibration read
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/ivf_layout.h"

enum {
    LIST_ROWS = 64,     //  of a list at least, on average
    SIGNS_DIM = 256,    //  from this dimension on a bit tells enough
    MET_TIMES = 4
};

static const kith_ivf_t *
s_ivf (const kith_index_t *self)
{
    return (const kith_ivf_t *) self;
}

void *
kith_ivf_own (kith_ivf_t *self, void *data)
{
    assert (self->owned_count < sizeof self->owned / sizeof self->owned [0]);
    if (data)
        self->owned [self->owned_count++] = data;
    return data;
}

void
kith_ivf_free (kith_ivf_t *self)
{
    for (uint32_t index = 0; index < self->owned_count; index++)
        free (self->owned [index]);
    kith_quantiser_free (&self->quantiser);
    kith_quantiser_free (&self->coarse);
    free (self->coarse_blocks);
    free (self->coarse_book);
    free (self->squares);
    free (self);
}

static void
s_destroy (kith_index_t *self)
{
    kith_ivf_free ((kith_ivf_t *) self);
}

//  ---------------------------------------------------------------------
//  Sizes

uint32_t
kith_ivf_lists (const kith_rows_t *rows, const kith_index_params_t *params)
{
    uint32_t lists = params->lists;
    if (lists == 0) {
        //  Long centres cost more to meet than the rows that fewer lists add
        lists = (uint32_t) ((rows->dim < SIGNS_DIM ? 4 : 2) * sqrt (rows->rows));
        if (lists > rows->rows / LIST_ROWS)
            lists = rows->rows / LIST_ROWS;
    }
    lists = lists < rows->rows ? lists : rows->rows;
    lists = lists < KITH_IVF_LISTS_MAX ? lists : KITH_IVF_LISTS_MAX;
    return lists ? lists : 1;
}

kith_index_code_t
kith_ivf_code (const kith_rows_t *rows, const kith_index_params_t *params)
{
    if (params->code != KITH_CODE_AUTO)
        return params->code;
    return rows->dim < SIGNS_DIM ? KITH_CODE_PQ4 : KITH_CODE_RABITQ;
}

static uint64_t
s_load_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    uint64_t lists = kith_ivf_lists (rows, params), dim = rows->dim;
    kith_index_code_t code = kith_ivf_code (rows, params);
    uint64_t blocks = rows->rows / KITH_FASTSCAN_ROWS + lists;
    return sizeof (kith_ivf_t) + sizeof (kith_ivf_header_t) + lists * dim * 4 + dim * 4
           + lists * 8 + 4
           + blocks
                 * (kith_quantiser_block_bytes (code, rows->dim) + KITH_FASTSCAN_ROWS * 4)
           + kith_quantiser_book_floats (code, rows->dim) * 4 + dim * 16
           + kith_ivf_face_bytes ((uint32_t) lists, rows->dim);
}

static int
s_fits (const kith_rows_t *rows, const kith_index_params_t *params, kith_error_t *error)
{
    if (rows->type == KITH_VECTOR_BINARY || rows->metric > KITH_METRIC_COSINE)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "inverted lists are made over vectors of numbers; bin is "
                               "for binary ones");
    if (kith_quantiser_block_bytes (kith_ivf_code (rows, params), rows->dim) == 0)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "inverted lists have no code '%s' (allowed: auto, "
                               "float32, sq8, pq4, rabitq)",
                               kith_index_code_name (params->code));
    return 0;
}

//  ---------------------------------------------------------------------
//  Sections

static size_t
s_sections (const kith_index_t *index, kith_section_t *sections)
{
    const kith_ivf_t *self = s_ivf (index);
    const kith_ivf_header_t *header = &self->header;
    const uint64_t lists = header->lists, blocks = header->blocks, dim = header->dim;
    uint64_t book =
        kith_quantiser_book_floats ((kith_index_code_t) header->code, header->dim);
    const kith_section_t all [] = {
        {KITH_IVF_HEADER, header, sizeof *header, 0},
        {KITH_IVF_CENTRES, self->centres, lists * dim * 4, 0},
        {KITH_IVF_MEAN, self->mean, dim * 4, 0},
        {KITH_IVF_STARTS, self->starts, (lists + 1) * 4, 0},
        {KITH_IVF_COUNTS, self->counts, lists * 4, 0},
        {KITH_IVF_IDS, self->ids, blocks * KITH_FASTSCAN_ROWS * 4, 0},
        {KITH_IVF_BLOCKS, self->blocks, blocks * self->quantiser.block_bytes, 0},
        {KITH_IVF_BOOK, self->quantiser.book, book * 4, 0},
    };
    size_t used = 0;
    for (size_t index_of = 0; index_of < sizeof all / sizeof all [0]; index_of++)
        if (all [index_of].data && all [index_of].size)
            sections [used++] = all [index_of];
    return used;
}

//  ---------------------------------------------------------------------
//  Calibration, read

typedef enum { NEAR, FAR, DEEP } s_depth_t;    //  10, 100, 1,000 answers

static float
s_bound (const kith_ivf_point_t *point, s_depth_t depth)
{
    switch (depth) {
        case NEAR:
            return point->bound10;
        case FAR:
            return point->bound100;
        case DEEP:
            return point->bound1000;
    }
    return 0;
}

//  Lists whose bound reaches recall, between two points in proportion
static double
s_lists_at (const kith_ivf_header_t *header, float recall, s_depth_t depth)
{
    for (uint32_t index = 0; index < header->grid; index++) {
        const kith_ivf_point_t *point = &header->points [index];
        float bound = s_bound (point, depth);
        if (bound < recall)
            continue;
        if (index == 0)
            return point->lists;
        const kith_ivf_point_t *before = point - 1;
        float from = s_bound (before, depth);
        double share =
            bound > from ? (double) (recall - from) / (double) (bound - from) : 1;
        return before->lists + share * (point->lists - before->lists);
    }
    return header->lists;
}

//  In proportion to log k between what was measured and beyond. k may be what a filter makes of the k of a query: a fraction.
static double
s_lists_for (const kith_ivf_header_t *header, float recall, double k)
{
    if (header->grid == 0)
        return header->lists;
    double near = s_lists_at (header, recall, NEAR);
    double far = fmax (near, s_lists_at (header, recall, FAR));
    double decades = k > 10 ? log10 (k / 10) : 0;
    double lists = near * pow (far / near, fmin (decades, 1));
    if (decades > 1) {
        //  Few rows were not asked so deep: as from 10 to 100
        bool asked = header->points [0].bound1000 < 1;
        double deep =
            asked ? fmax (far, s_lists_at (header, recall, DEEP)) : far * far / near;
        lists = far * pow (deep / far, decades - 1);
        //  Beyond what was measured rows may lie in clouds that so many do not fill: some times k are met at least
        lists = fmax (lists, MET_TIMES * k * header->lists / header->rows);
    }
    return fmin (lists, header->lists);
}

static float
s_reach_for (const kith_ivf_header_t *header, double lists)
{
    for (uint32_t index = 0; index < header->grid; index++)
        if (header->points [index].lists >= lists)
            return header->points [index].reach;
    return header->grid ? header->points [header->grid - 1].reach : 8;
}

uint32_t
kith_ivf_effort (const kith_index_t *self, float recall, uint32_t k)
{
    return (uint32_t) ceil (s_lists_for (&s_ivf (self)->header, recall, k));
}

static float
s_recall (const kith_index_t *self, uint32_t effort)
{
    const kith_ivf_header_t *header = &s_ivf (self)->header;
    for (uint32_t index = 0; index < header->grid; index++) {
        const kith_ivf_point_t *point = &header->points [index];
        if (point->lists < effort && index + 1 < header->grid)
            continue;
        if (index == 0 || point->lists <= effort)
            return point->recall10;
        const kith_ivf_point_t *before = point - 1;
        float share =
            (float) (effort - before->lists) / (float) (point->lists - before->lists);
        return before->recall10 + share * (point->recall10 - before->recall10);
    }
    return 1;
}

static void
s_describe (const kith_index_t *self, kith_index_info_t *info)
{
    const kith_ivf_header_t *header = &s_ivf (self)->header;
    info->code = (kith_index_code_t) header->code;
    info->lists = header->lists;
    info->effort = kith_ivf_effort (self, header->recall, 10);
    info->recall = s_recall (self, info->effort);
}

//  A filter that leaves a share of the rows moves neighbours away: the k-th is where about the k / share-th of all is, so so many lists are
//  probed, and more as long as fewer live rows were met than a filter blind to place would leave there. Costs are in units
//  of about 10 ns, as in graph_filter.c.
kith_ivf_plan_t
kith_ivf_plan (const kith_ivf_t *self, const kith_index_query_t *query)
{
    const kith_ivf_header_t *header = &self->header;
    const double dim = header->dim;
    float recall = query->recall > 0 ? query->recall : header->recall;
    double live = query->live ? kith_bits_popcount (query->live) : header->rows;
    double share = live / header->rows;
    double wanted = query->effort
                        ? query->effort
                        : s_lists_for (header, recall, query->k / fmax (share, 1e-9));
    wanted = fmin (ceil (wanted), header->lists);
    kith_ivf_plan_t plan = {.lists = (uint32_t) wanted,
                            .most = (uint32_t) wanted,
                            .reach = s_reach_for (header, wanted)};
    if (live >= header->rows)
        return plan;
    double row = 0.4 + dim / 64;
    double code = 0.35 + (double) self->quantiser.block_bytes / 32 / 500;
    double list = 0.1 + dim / 800, deep = fmin (live, query->k * 30.0) * row;
    double met = wanted / header->lists * header->rows;
    plan.scan =
        live * row <= header->lists * list + met * code + fmin (met * share, deep);
    plan.codes = live * row > header->lists * list + header->rows * code + deep;
    plan.live = (uint64_t) (met * share * 0.7);
    plan.most = (uint32_t) fmin (wanted * 4 + 8, header->lists);
    return plan;
}

static void *
s_scratch_new (void)
{
    return kith_new (sizeof (kith_ivf_scratch_t));
}

static void
s_scratch_free (void *scratch)
{
    kith_ivf_scratch_t *self = scratch;
    free (self->vectors);
    free (self->tables);
    free (self->work);
    free (self->coarse);
    free (self->values);
    free (self->near);
    free (self->spare);
    free (self);
}

const kith_index_class_t kith_index_ivf = {.kind = KITH_INDEX_IVF,
                                           .name = "ivf",
                                           .magic = KITH_IVF_MAGIC,
                                           .fits = s_fits,
                                           .build_bytes = kith_ivf_build_bytes,
                                           .load_bytes = s_load_bytes,
                                           .build = kith_ivf_build,
                                           .open = kith_ivf_open,
                                           .destroy = s_destroy,
                                           .sections = s_sections,
                                           .search = kith_ivf_search,
                                           .scratch_new = s_scratch_new,
                                           .scratch_free = s_scratch_free,
                                           .effort = kith_ivf_effort,
                                           .recall = s_recall,
                                           .describe = s_describe};
