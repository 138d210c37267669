//  index.c - the kinds of index by name, and what is the same for all of them
//  SPDX-License-Identifier: Apache-2.0
//
//  Ranges and iterators are made of searches with a growing k: each next is at least twice the one before, so that all of
//  them together cost about twice the last; where that would be much of the rows, one exact scan ends it.
#include "engine/indexes/index.h"

#include "base/bytes.h"
#include "engine/indexes/index_class.h"

#include <math.h>

enum {
    RANGE_FIRST = 64,       //  k of the first search of a range
    GROWTH = 4,             //  of the k of a range from search to search
    SCAN_SHARE = 8,         //  a k over rows / 8 is answered by a scan
    FLAT_ROWS_MAX = 1000    //  AUTO makes no structure for fewer
};

static const kith_index_class_t *const s_classes [] = {&kith_index_flat,
                                                       &kith_index_graph, &kith_index_ivf,
                                                       &kith_index_bin, &kith_index_disk};

static const char *const s_codes [] = {"auto", "float32", "sq8", "sq4", "rabitq", "pq4"};

//  ---------------------------------------------------------------------
//  Names

static const kith_index_class_t *
s_class (kith_index_kind_t kind)
{
    for (size_t index = 0; index < sizeof s_classes / sizeof s_classes [0]; index++)
        if (s_classes [index]->kind == kind)
            return s_classes [index];
    return NULL;
}

//  Of params that were settled
static const kith_index_class_t *
s_settled (const kith_index_params_t *params)
{
    const kith_index_class_t *class = s_class (params->kind);
    assert (class);
    return class;
}

const char *
kith_index_kind_name (kith_index_kind_t kind)
{
    const kith_index_class_t *class = s_class (kind);
    return class ? class->name : "auto";
}

const char *
kith_index_code_name (kith_index_code_t code)
{
    return s_codes [code];
}

int
kith_index_kind_of (const char *name, kith_index_kind_t *kind, kith_error_t *error)
{
    char names [128] = "auto";
    if (strcmp (name, "hnsw") == 0)
        name = "graph";
    *kind = KITH_INDEX_AUTO;
    if (strcmp (name, "auto") == 0)
        return 0;
    for (size_t index = 0; index < sizeof s_classes / sizeof s_classes [0]; index++) {
        *kind = s_classes [index]->kind;
        if (strcmp (name, s_classes [index]->name) == 0)
            return 0;
        size_t used = strlen (names);
        snprintf (names + used, sizeof names - used, ", %s", s_classes [index]->name);
    }
    return kith_error_set (error, KITH_ERR_INVALID,
                           "no index of type '%.40s' (allowed: %s)", name, names);
}

int
kith_index_code_of (const char *name, kith_index_code_t *code, kith_error_t *error)
{
    for (size_t index = 0; index < sizeof s_codes / sizeof s_codes [0]; index++) {
        *code = (kith_index_code_t) index;
        if (strcmp (name, s_codes [index]) == 0)
            return 0;
    }
    return kith_error_set (error, KITH_ERR_INVALID,
                           "no code '%.40s' (allowed: auto, float32, sq8, sq4, "
                           "rabitq, pq4)",
                           name);
}

//  ---------------------------------------------------------------------
//  Choice

static bool
s_allowed (const kith_rows_t *rows, kith_index_params_t *params, kith_index_kind_t kind,
           kith_error_t *error)
{
    const kith_index_class_t *class = s_class (kind);
    params->kind = kind;
    if (!class)
        return kith_error_set (error, KITH_ERR_INVALID, "no index of kind %d", kind) == 0;
    return !class->fits || class->fits (rows, params, error) == 0;
}

//  The first of the kinds, fastest first, that makes sense for the rows and whose memory is there
int
kith_index_settle (const kith_rows_t *rows, kith_index_params_t *params,
                   kith_error_t *error)
{
    static const kith_index_kind_t order [] = {KITH_INDEX_BIN, KITH_INDEX_GRAPH,
                                               KITH_INDEX_IVF, KITH_INDEX_DISK};
    if (params->kind != KITH_INDEX_AUTO)
        return s_allowed (rows, params, params->kind, error) ? 0 : -1;
    for (size_t index = 0;
         index < sizeof order / sizeof order [0] && rows->rows > FLAT_ROWS_MAX; index++) {
        if (!s_class (order [index]) || !s_allowed (rows, params, order [index], NULL))
            continue;
        if (!params->memory_max
            || s_settled (params)->load_bytes (rows, params) <= params->memory_max)
            return 0;
    }
    return s_allowed (rows, params, KITH_INDEX_FLAT, error) ? 0 : -1;
}

uint64_t
kith_index_build_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    kith_index_params_t settled = *params;
    if (kith_index_settle (rows, &settled, NULL) != 0)
        return 0;
    return s_settled (&settled)->build_bytes (rows, &settled);
}

uint64_t
kith_index_load_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    kith_index_params_t settled = *params;
    if (kith_index_settle (rows, &settled, NULL) != 0)
        return 0;
    return s_settled (&settled)->load_bytes (rows, &settled);
}

//  ---------------------------------------------------------------------
//  Making

kith_index_t *
kith_index_build (const kith_rows_t *rows, const kith_index_params_t *params,
                  kith_error_t *error)
{
    kith_index_params_t settled = *params;
    if (kith_index_settle (rows, &settled, error) != 0)
        return NULL;
    const kith_index_class_t *class = s_settled (&settled);
    uint64_t bytes = class->load_bytes (rows, &settled);
    if (settled.memory_max && bytes > settled.memory_max) {
        kith_error_set (error, KITH_ERR_NO_MEMORY,
                        "an index of kind %s over %" PRIu32 " rows takes %" PRIu64
                        " bytes, allowed are %" PRIu64,
                        class->name, rows->rows, bytes, settled.memory_max);
        return NULL;
    }
    kith_index_t *self = class->build (rows, &settled, error);
    if (self) {
        self->class = class;
        self->rows = *rows;
    }
    return self;
}

void
kith_index_destroy (kith_index_t **self_p)
{
    assert (self_p);
    kith_index_t *self = *self_p;
    if (!self)
        return;
    self->class->destroy (self);
    *self_p = NULL;
}

size_t
kith_index_sections (const kith_index_t *self,
                     kith_section_t sections [KITH_INDEX_SECTIONS_MAX])
{
    return self->class->sections (self, sections);
}

int
kith_index_use_blocks (kith_index_t *self, kith_blocks_t **blocks_p, kith_error_t *error)
{
    assert (blocks_p && *blocks_p);
    int status = -1;
    if (self->class->use_blocks)
        status = self->class->use_blocks (self, blocks_p, error);
    else
        kith_error_set (error, KITH_ERR_INVALID, "an index of kind %s has no records",
                        self->class->name);
    kith_blocks_destroy (blocks_p);
    return status;
}

kith_index_t *
kith_index_open (const kith_rows_t *rows, const kith_section_t *sections, size_t count,
                 kith_error_t *error)
{
    uint32_t magic = 0;
    for (size_t index = 0; index < count; index++)
        if (sections [index].id == KITH_INDEX_HEADER
            && sections [index].size >= sizeof magic)
            memcpy (&magic, sections [index].data, sizeof magic);
    for (size_t index = 0; index < sizeof s_classes / sizeof s_classes [0]; index++) {
        const kith_index_class_t *class = s_classes [index];
        if (class->magic != magic)
            continue;
        kith_index_t *self = class->open (rows, sections, count, error);
        if (self) {
            self->class = class;
            self->rows = *rows;
        }
        return self;
    }
    kith_error_set (error, KITH_ERR_CORRUPT,
                    "the stored index is damaged: its header is of no known kind");
    return NULL;
}

//  ---------------------------------------------------------------------
//  Scratch

struct kith_index_scratch {
    void *of [sizeof s_classes / sizeof s_classes [0]];    //  made when first used
};

kith_index_scratch_t *
kith_index_scratch_new (void)
{
    return kith_new (sizeof (kith_index_scratch_t));
}

void
kith_index_scratch_destroy (kith_index_scratch_t **self_p)
{
    assert (self_p);
    kith_index_scratch_t *self = *self_p;
    if (!self)
        return;
    for (size_t index = 0; index < sizeof s_classes / sizeof s_classes [0]; index++)
        if (self->of [index])
            s_classes [index]->scratch_free (self->of [index]);
    free (self);
    *self_p = NULL;
}

static void *
s_scratch_of (kith_index_scratch_t *self, const kith_index_class_t *class)
{
    for (size_t index = 0; index < sizeof s_classes / sizeof s_classes [0]; index++) {
        if (s_classes [index] != class)
            continue;
        if (!self->of [index] && class->scratch_new)
            self->of [index] = class->scratch_new ();
        return self->of [index];
    }
    return NULL;
}

//  ---------------------------------------------------------------------
//  Search

int
kith_index_search (const kith_index_t *self, const kith_index_query_t *query,
                   kith_index_scratch_t *scratch, kith_topk_t *tops, uint64_t *compared,
                   kith_error_t *error)
{
    bool stopped = false;
    if (self->rows.rows == 0 || query->k == 0 || query->nq == 0)
        return 0;
    void *mine = s_scratch_of (scratch, self->class);
    uint64_t count = self->class->search (self, query, mine, tops, &stopped);
    if (compared)
        *compared += count;
    if (self->class->failed && self->class->failed (mine, error))
        return -1;
    return stopped ? kith_error_set (error, KITH_ERR_CANCELLED, "the search was stopped")
                   : 0;
}

void
kith_index_explain (const kith_index_t *self, const kith_index_scratch_t *scratch,
                    kith_index_cost_t *cost)
{
    *cost = (kith_index_cost_t){.reader = ""};
    for (size_t index = 0; index < sizeof s_classes / sizeof s_classes [0]; index++)
        if (s_classes [index] == self->class && self->class->explain
            && scratch->of [index])
            self->class->explain (scratch->of [index], cost);
}

static float
s_norm (const kith_index_query_t *query)
{
    return query->norms ? query->norms [0] : 0;
}

void
kith_index_rerank (const kith_index_t *self, const kith_index_query_t *query,
                   const uint32_t *rows, uint32_t count, kith_topk_t *top)
{
    kith_rows_t one = self->rows;
    one.rows = 1;
    for (uint32_t index = 0; index < count; index++) {
        uint32_t row = rows [index];
        if (query->live && !kith_bits_get (query->live, row))
            continue;
        one.vectors = kith_rows_vector (&self->rows, row);
        one.norms = self->rows.norms ? self->rows.norms + row : NULL;
        kith_flat_search (&one, query->queries, query->norms, 1, NULL, query->part,
                          query->first_row + row, top);
    }
}

//  The k nearest of one query, sorted: by the index, or by a scan when k is much of the rows
static int
s_nearest (const kith_index_t *self, const kith_index_query_t *query, uint32_t k,
           kith_index_scratch_t *scratch, kith_topk_t *top, kith_error_t *error)
{
    int status = 0;
    kith_topk_init (top, k);
    if (k > self->rows.rows / SCAN_SHARE)
        kith_flat_search (&self->rows, query->queries, query->norms, 1, query->live,
                          query->part, query->first_row, top);
    else {
        kith_index_query_t grown = *query;
        grown.k = k;
        grown.nq = 1;
        status = kith_index_search (self, &grown, scratch, top, NULL, error);
    }
    kith_topk_sort (top);
    return status;
}

int
kith_index_range (const kith_index_t *self, const kith_index_query_t *query,
                  const kith_index_range_t *range, kith_index_scratch_t *scratch,
                  kith_topk_t *top, kith_error_t *error)
{
    int status = 0;
    uint32_t rows = self->rows.rows, k = RANGE_FIRST;
    kith_topk_init (top, range->most);
    for (bool more = rows > 0 && range->most > 0; more;) {
        kith_topk_t near;
        k = k < rows && k <= rows / SCAN_SHARE ? k : rows;
        status = s_nearest (self, query, k, scratch, &near, error);
        uint32_t first = 0, last = near.count;
        while (first < last && !(near.hits [first].distance > range->beyond))
            first++;
        while (last > first && near.hits [last - 1].distance > range->radius)
            last--;
        more = status == 0 && near.count == k && k < rows && last == near.count
               && last - first < range->most;
        if (!more)
            for (uint32_t index = first; index < last && top->count < range->most;
                 index++)
                kith_topk_push (top, near.hits [index]);
        kith_topk_free (&near);
        k *= GROWTH;
    }
    kith_topk_sort (top);
    return status;
}

//  ---------------------------------------------------------------------
//  Iterator

struct kith_index_iterator {
    const kith_index_t *index;
    kith_index_query_t query;
    float *vector;
    float norm;
    kith_bits_t given;    //  rows
    uint32_t count;       //  of them
    kith_topk_t near;     //  of the newest search
    uint32_t next;        //  in near
    bool whole;           //  near holds all rows that there are
};

kith_index_iterator_t *
kith_index_iterator_new (const kith_index_t *index, const kith_index_query_t *query)
{
    kith_index_iterator_t *self = kith_new (sizeof *self);
    size_t bytes = kith_vector_bytes (index->rows.type, index->rows.dim);
    self->index = index;
    self->query = *query;
    self->vector = kith_alloc64 (bytes);
    assert (self->vector);
    memcpy (self->vector, query->queries, bytes);
    self->norm = s_norm (query);
    self->query.queries = self->vector;
    self->query.norms = query->norms ? &self->norm : NULL;
    kith_bits_init (&self->given, index->rows.rows, false);
    return self;
}

void
kith_index_iterator_destroy (kith_index_iterator_t **self_p)
{
    assert (self_p);
    kith_index_iterator_t *self = *self_p;
    if (!self)
        return;
    kith_topk_free (&self->near);
    kith_bits_free (&self->given);
    free (self->vector);
    free (self);
    *self_p = NULL;
}

uint32_t
kith_index_iterator_next (kith_index_iterator_t *self, kith_index_scratch_t *scratch,
                          kith_hit_t *hits, uint32_t count)
{
    uint32_t taken = 0, rows = self->index->rows.rows;
    for (;;) {
        while (taken < count && self->next < self->near.count) {
            kith_hit_t hit = self->near.hits [self->next++];
            uint32_t row = (uint32_t) (hit.row - self->query.first_row);
            if (kith_bits_get (&self->given, row))
                continue;
            kith_bits_set (&self->given, row);
            self->count++;
            hits [taken++] = hit;
        }
        if (taken == count || self->whole)
            return taken;
        uint64_t wanted = 2 * ((uint64_t) self->count + count - taken);
        uint32_t k = wanted > rows / SCAN_SHARE ? rows : (uint32_t) wanted;
        kith_topk_free (&self->near);
        self->whole =
            s_nearest (self->index, &self->query, k, scratch, &self->near, NULL) != 0
            || k == rows;
        self->next = 0;
    }
}

//  ---------------------------------------------------------------------
//  Calibration, read

uint32_t
kith_index_effort (const kith_index_t *self, float recall, uint32_t k)
{
    return self->class->effort ? self->class->effort (self, recall, k) : 0;
}

float
kith_index_recall (const kith_index_t *self, uint32_t effort)
{
    return self->class->recall ? self->class->recall (self, effort) : 1;
}

kith_index_kind_t
kith_index_kind (const kith_index_t *self)
{
    return self->class->kind;
}

void
kith_index_describe (const kith_index_t *self, kith_index_info_t *info)
{
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    size_t count = kith_index_sections (self, sections);
    *info = (kith_index_info_t){
        .kind = self->class->kind, .rows = self->rows.rows, .recall = 1};
    for (size_t index = 0; index < count; index++)
        info->bytes += sections [index].size;
    if (self->class->describe)
        self->class->describe (self, info);
}
