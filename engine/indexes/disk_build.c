//  disk_build.c - lays a graph out in blocks: neighbours together, and what stays in memory
//  SPDX-License-Identifier: Apache-2.0
//
//  Blocks are filled in the order of a walk through the graph in breadth from its entry: a block takes the next row that has no place,
//  then again and again the one that the rows in it link to most, near links counting more (Starling's packing, in one pass). So a read brings
//  rows that the same search is likely to want. The order comes from the links alone: it is the same for any number of threads.
#include "base/bytes.h"
#include "engine/indexes/disk_layout.h"

enum {
    SAMPLE_SHARE = 100,    //  rows of which one is in the sample
    SAMPLE_MIN = 256,
    SAMPLE_DEGREE = 32,
    FREE_DEGREE = 96,    //  links that are taken if they make no block longer
    PART = 256           //  blocks written in one part
};

typedef struct {
    kith_disk_t *self;
    const kith_disk_links_t *links;
    uint32_t *places;
    uint32_t *order;        //  rows in the order of their places
    uint32_t *queue;        //  rows met, in breadth
    uint32_t head, tail;    //  in queue
    uint32_t scanned;       //  rows below have a place: for those that no link leads to
    kith_bits_t met;
    uint32_t placed;
    uint32_t *candidates;    //  rows without a place that the block being filled links to
    uint32_t *weights;       //  of each candidate
    uint32_t *candidate_of;    //  [rows]: place in candidates and 1; 0: none
    uint32_t candidate_count;
    uint8_t *records;
} s_pack_t;

//  ---------------------------------------------------------------------
//  Order

static bool
s_has_place (const s_pack_t *pack, uint32_t row)
{
    return pack->places [row] != KITH_DISK_NONE;
}

//  Gives row the next place; what it links to may follow it
static void
s_place (s_pack_t *pack, uint32_t row)
{
    pack->places [row] = pack->placed / pack->self->header.per_block;
    pack->order [pack->placed++] = row;
    uint32_t degree = pack->links->degree;
    const uint32_t *links = pack->links->links + (size_t) row * degree;
    for (uint32_t index = 0; index < degree && links [index] != KITH_DISK_NO_LINK;
         index++) {
        if (!kith_bits_get (&pack->met, links [index])) {
            kith_bits_set (&pack->met, links [index]);
            pack->queue [pack->tail++] = links [index];
        }
        if (s_has_place (pack, links [index]))
            continue;
        uint32_t *candidate = &pack->candidate_of [links [index]];
        if (!*candidate) {
            pack->candidates [pack->candidate_count++] = links [index];
            *candidate = pack->candidate_count;
            pack->weights [*candidate - 1] = 0;
        }
        pack->weights [*candidate - 1] += 2 * degree - index;
    }
}

//  The next row without a place; there is one
static uint32_t
s_seed (s_pack_t *pack)
{
    while (pack->head < pack->tail) {
        uint32_t row = pack->queue [pack->head++];
        if (!s_has_place (pack, row))
            return row;
    }
    while (s_has_place (pack, pack->scanned))
        pack->scanned++;
    kith_bits_set (&pack->met, pack->scanned);
    return pack->scanned;
}

//  The candidate with the greatest weight, the first of equals; none if there is none
static uint32_t
s_best (s_pack_t *pack)
{
    uint32_t best = 0;
    for (uint32_t index = 1; index < pack->candidate_count; index++)
        if (pack->weights [index] > pack->weights [best])
            best = index;
    if (pack->candidate_count == 0 || pack->weights [best] == 0)
        return KITH_DISK_NONE;
    pack->weights [best] = 0;
    return pack->candidates [best];
}

//  Fills a block
static void
s_fill (s_pack_t *pack)
{
    uint32_t limit = pack->placed + pack->self->header.per_block;
    limit = limit < pack->self->header.rows ? limit : pack->self->header.rows;
    while (pack->placed < limit) {
        uint32_t row = s_best (pack);
        s_place (pack, row == KITH_DISK_NONE ? s_seed (pack) : row);
    }
    for (uint32_t index = 0; index < pack->candidate_count; index++)
        pack->candidate_of [pack->candidates [index]] = 0;
    pack->candidate_count = 0;
}

static void
s_order (s_pack_t *pack)
{
    uint32_t rows = pack->self->header.rows;
    memset (pack->places, 0xff, rows * sizeof *pack->places);
    pack->queue [pack->tail++] = pack->links->entry;
    kith_bits_set (&pack->met, pack->links->entry);
    while (pack->placed < rows)
        s_fill (pack);
}

//  ---------------------------------------------------------------------
//  Records

static void
s_write_node (const s_pack_t *pack, uint32_t row, uint8_t *at)
{
    const kith_rows_t *rows = &pack->self->index.rows;
    uint32_t degree = pack->links->degree, count = 0;
    const uint32_t *links = pack->links->links + (size_t) row * degree;
    while (count < degree && links [count] != KITH_DISK_NO_LINK)
        count++;
    float norm = rows->norms ? rows->norms [row] : 0;
    kith_put_u32 (at, row);
    kith_put_u32 (at + 4, count);
    memcpy (at + 8, &norm, sizeof norm);
    memcpy (at + KITH_DISK_NODE, links, count * sizeof *links);
    memcpy (at + KITH_DISK_NODE + degree * sizeof *links, kith_rows_vector (rows, row),
            kith_vector_bytes (rows->type, rows->dim));
}

static void
s_write_part (void *arg, uint32_t part)
{
    const s_pack_t *pack = arg;
    const kith_disk_header_t *header = &pack->self->header;
    uint32_t last =
        header->blocks - part * PART < PART ? header->blocks : (part + 1) * PART;
    for (uint32_t block = part * PART; block < last; block++) {
        uint8_t *at = pack->records + (size_t) block * header->pages * KITH_BLOCK_BYTES;
        uint32_t first = block * header->per_block;
        uint32_t nodes = header->rows - first < header->per_block ? header->rows - first
                                                                  : header->per_block;
        for (uint32_t slot = 0; slot < nodes; slot++)
            s_write_node (pack, pack->order [first + slot],
                          at + KITH_DISK_HEAD + (size_t) slot * header->node_bytes);
        kith_disk_block_close (header, at, block, nodes);
    }
}

static void
s_run (kith_parallel_t *parallel, uint32_t parts, kith_part_fn *fn, void *arg)
{
    kith_parallel_t *threads = parallel ? parallel : kith_parallel_serial ();
    threads->run (threads, parts, fn, arg);
}

static bool
s_pack_records (s_pack_t *pack, kith_parallel_t *parallel)
{
    kith_disk_t *self = pack->self;
    uint32_t rows = self->header.rows;
    pack->places = kith_disk_own (self, kith_huge_new (rows * sizeof *pack->places));
    pack->records =
        kith_disk_own (self, kith_huge_new (kith_disk_record_bytes (&self->header)));
    pack->order = kith_huge_new (rows * sizeof *pack->order);
    pack->queue = kith_huge_new (rows * sizeof *pack->queue);
    uint32_t most = self->header.per_block * self->header.degree;
    pack->candidates = kith_alloc64 (most * sizeof *pack->candidates);
    pack->weights = kith_alloc64 (most * sizeof *pack->weights);
    pack->candidate_of = kith_huge_new (rows * sizeof *pack->candidate_of);
    bool room = pack->places && pack->records && pack->order && pack->queue
                && pack->candidates && pack->weights && pack->candidate_of;
    if (room) {
        kith_bits_init (&pack->met, rows, false);
        s_order (pack);
        kith_bits_free (&pack->met);
        s_run (parallel, (self->header.blocks + PART - 1) / PART, s_write_part, pack);
    }
    free (pack->order);
    free (pack->queue);
    free (pack->candidates);
    free (pack->weights);
    free (pack->candidate_of);
    self->places = pack->places;
    self->records = pack->records;
    return room;
}

//  ---------------------------------------------------------------------
//  Sample

kith_rows_t
kith_disk_sample (const kith_disk_t *self)
{
    return (kith_rows_t){.vectors = self->sample_vectors,
                         .norms = self->sample_norms,
                         .rows = self->header.sampled,
                         .dim = self->header.dim,
                         .metric = self->index.rows.metric,
                         .type = self->index.rows.type};
}

uint32_t
kith_disk_degree (const kith_rows_t *rows, uint32_t wanted)
{
    uint32_t dim = rows->dim, type = (uint32_t) rows->type;
    uint32_t degree = wanted ? wanted : dim <= 32 ? 32 : dim < 512 ? 48 : 64;
    degree =
        degree < KITH_DISK_DEGREE_MAX ? (degree + 15) / 16 * 16 : KITH_DISK_DEGREE_MAX;
    //  Links cost no memory here, and with more of them fewer reads find as much
    kith_disk_header_t now = {.dim = dim, .type = type, .degree = degree};
    kith_disk_lay (&now);
    while (!wanted && degree < FREE_DEGREE) {
        kith_disk_header_t next = {.dim = dim, .type = type, .degree = degree + 16};
        kith_disk_lay (&next);
        if (next.per_block < now.per_block || next.pages > now.pages)
            break;
        degree += 16;
    }
    return degree;
}

uint64_t
kith_disk_load_bytes (const kith_rows_t *rows, kith_index_code_t code,
                      const kith_index_params_t *params)
{
    uint32_t sampled = kith_disk_sampled (rows->rows);
    kith_graph_params_t sample = kith_disk_sample_params (params);
    //  Codes, place and twin of each row; the sample with rows, norms and graph; scale and rotation
    return (uint64_t) rows->rows
               * (kith_disk_code_bytes (code, rows->dim)
                  + kith_disk_trailer_bytes (code, rows->dim) + 4 + 4)
           + sampled * (kith_vector_bytes (rows->type, rows->dim) + 4ull + 4)
           + kith_graph_load_bytes (sampled, rows->dim, &sample)
           + sizeof (kith_disk_header_t) + 24ull * rows->dim;
}

kith_index_code_t
kith_disk_code (const kith_rows_t *rows, const kith_index_params_t *params)
{
    if (params->code != KITH_CODE_AUTO)
        return params->code;
    bool fits =
        !params->memory_max
        || kith_disk_load_bytes (rows, KITH_CODE_SQ4, params) <= params->memory_max;
    return fits ? KITH_CODE_SQ4 : KITH_CODE_RABITQ;
}

uint32_t
kith_disk_sampled (uint32_t rows)
{
    uint32_t sampled = rows / SAMPLE_SHARE;
    sampled = sampled > SAMPLE_MIN ? sampled : SAMPLE_MIN;
    return sampled < rows ? sampled : rows;
}

kith_graph_params_t
kith_disk_sample_params (const kith_index_params_t *params)
{
    return (kith_graph_params_t){
        .degree = SAMPLE_DEGREE, .seed = params->seed, .parallel = params->parallel};
}

static int
s_build_sample (kith_disk_t *self, const kith_index_params_t *params, kith_error_t *error)
{
    const kith_rows_t *rows = &self->index.rows;
    const uint32_t sampled = self->header.sampled;
    const size_t bytes = kith_vector_bytes (rows->type, rows->dim);
    uint32_t *chosen = kith_disk_own (self, kith_huge_new (sampled * sizeof *chosen));
    uint8_t *vectors = kith_disk_own (self, kith_huge_new (sampled * bytes));
    float *norms = NULL;
    if (rows->norms)
        norms = kith_disk_own (self, kith_huge_new (sampled * sizeof *norms));
    if (!chosen || !vectors || (rows->norms && !norms))
        return kith_error_set (error, KITH_ERR_NO_MEMORY,
                               "no memory for a sample of %" PRIu32 " rows", sampled);
    for (uint32_t index = 0; index < sampled; index++) {
        uint32_t row = (uint32_t) ((uint64_t) index * rows->rows / sampled);
        chosen [index] = row;
        memcpy (vectors + index * bytes, kith_rows_vector (rows, row), bytes);
        if (norms)
            norms [index] = rows->norms [row];
    }
    self->sample_rows = chosen;
    self->sample_vectors = vectors;
    self->sample_norms = norms;
    kith_rows_t sample = kith_disk_sample (self);
    kith_graph_params_t graph = kith_disk_sample_params (params);
    self->entry = kith_graph_build (&sample, &graph, error);
    return self->entry ? 0 : -1;
}

//  ---------------------------------------------------------------------
//  All of it

static bool
s_copy_twins (kith_disk_t *self, const kith_disk_links_t *links)
{
    if (!links->twins)
        return true;
    size_t bytes = self->header.rows * sizeof *links->twins;
    uint32_t *twins = kith_disk_own (self, kith_huge_new (bytes));
    if (twins)
        memcpy (twins, links->twins, bytes);
    self->twins = twins;
    return twins != NULL;
}

int
kith_disk_pack (kith_disk_t *self, const kith_disk_links_t *links,
                const kith_index_params_t *params, kith_error_t *error)
{
    s_pack_t pack = {.self = self, .links = links};
    assert (links->degree > 0 && links->degree <= KITH_DISK_DEGREE_MAX);
    self->header.degree = links->degree;
    kith_index_code_t code = kith_disk_code (&self->index.rows, params);
    self->header.code = code;
    self->header.code_bytes = kith_disk_code_bytes (code, self->header.dim);
    self->header.sampled = kith_disk_sampled (self->header.rows);
    kith_disk_lay (&self->header);
    self->coder = kith_disk_coder_new (&self->index.rows, code, params->parallel);
    if (!self->coder || !s_copy_twins (self, links)
        || !s_pack_records (&pack, params->parallel))
        return kith_error_set (error, KITH_ERR_NO_MEMORY,
                               "no memory for %" PRIu64 " bytes of records",
                               kith_disk_record_bytes (&self->header));
    self->blocks =
        kith_blocks_memory_new (self->records, kith_disk_record_bytes (&self->header));
    return s_build_sample (self, params, error);
}
