//  index_disk.c - the disk index as a kind of index: a graph in blocks of a file, codes in memory (ENGINE 3.11)
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "engine/indexes/disk_layout.h"

//  What a read of a block costs, in codes compared: about 6 us of one thread with many under way, against 20 ns
enum { READ_COST = 300 };

static const kith_disk_t *
s_disk (const kith_index_t *self)
{
    return (const kith_disk_t *) self;
}

static kith_graph_params_t
s_graph_params (uint32_t dim, const kith_index_params_t *params)
{
    return (kith_graph_params_t){.degree = kith_disk_degree (dim, params->degree),
                                 .build_effort = params->build_effort,
                                 .seed = params->seed,
                                 .recall = params->recall,
                                 .parallel = params->parallel,
                                 .progress = params->progress,
                                 .progress_arg = params->progress_arg};
}

static int
s_fits (const kith_rows_t *rows, const kith_index_params_t *params, kith_error_t *error)
{
    if (rows->type != KITH_VECTOR_FLOAT32)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "a disk index is made over float vectors, not over these");
    if (params->code != KITH_CODE_AUTO && params->code != KITH_CODE_SQ4
        && params->code != KITH_CODE_SQ8)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "a disk index has codes sq4 or sq8 in memory, not %s",
                               kith_index_code_name (params->code));
    if (rows->rows > INT32_MAX)
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "%" PRIu32 " rows are more than an index can hold",
                               rows->rows);
    return 0;
}

static uint64_t
s_load_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    uint64_t sampled = kith_disk_sampled (rows->rows);
    kith_graph_params_t sample = kith_disk_sample_params (params);
    //  Codes, place and twin of each row; the sample with rows, norms and graph
    return (uint64_t) rows->rows
               * (kith_disk_code_bytes (kith_disk_code (params), rows->dim) + 4 + 4)
           + sampled * (4ull * rows->dim + 4 + 4)
           + kith_graph_load_bytes ((uint32_t) sampled, rows->dim, &sample)
           + sizeof (kith_disk_header_t) + 8ull * rows->dim;
}

static uint64_t
s_build_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    kith_graph_params_t graph = s_graph_params (rows->dim, params);
    kith_disk_header_t header = {.rows = rows->rows,
                                 .dim = rows->dim,
                                 .degree = kith_disk_degree (rows->dim, params->degree)};
    kith_disk_lay (&header);
    return kith_graph_build_bytes (rows->rows, rows->dim, &graph)
           + kith_graph_load_bytes (rows->rows, rows->dim, &graph)
           + kith_disk_record_bytes (&header) + rows->rows * 12ull
           + s_load_bytes (rows, params);
}

static int
s_make (kith_disk_t *self, const kith_index_params_t *params, kith_error_t *error)
{
    const kith_rows_t *rows = &self->index.rows;
    self->header = (kith_disk_header_t){.magic = KITH_DISK_MAGIC,
                                        .rows = rows->rows,
                                        .dim = rows->dim,
                                        .metric = (uint32_t) rows->metric};
    self->header.recall =
        params->recall > 0 && params->recall < 1 ? params->recall : 0.95f;
    kith_graph_params_t wanted = s_graph_params (rows->dim, params);
    kith_graph_t *graph = kith_graph_build (rows, &wanted, error);
    if (!graph)
        return -1;
    kith_disk_links_t links;
    kith_disk_links_of (graph, &links);
    int failed = kith_disk_pack (self, &links, params, error);
    kith_graph_destroy (&graph);
    return failed || !kith_disk_calibrate (self, params, error) ? -1 : 0;
}

static kith_index_t *
s_build (const kith_rows_t *rows, const kith_index_params_t *params, kith_error_t *error)
{
    if (rows->rows == 0) {
        kith_error_set (error, KITH_ERR_INVALID, "a disk index needs rows");
        return NULL;
    }
    kith_disk_t *self = kith_new (sizeof *self);
    self->index.rows = *rows;
    if (s_make (self, params, error) != 0)
        kith_disk_destroy (&self);
    return self ? &self->index : NULL;
}

static void
s_destroy (kith_index_t *self)
{
    kith_disk_t *disk = (kith_disk_t *) self;
    kith_disk_destroy (&disk);
}

static size_t
s_sections (const kith_index_t *self, kith_section_t *sections)
{
    return kith_disk_sections (s_disk (self), sections);
}

static int
s_use_blocks (kith_index_t *self, kith_blocks_t **blocks_p, kith_error_t *error)
{
    kith_disk_t *disk = (kith_disk_t *) self;
    uint64_t size = kith_blocks_size (*blocks_p),
             wanted = kith_disk_record_bytes (&disk->header);
    if (size != wanted)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "the stored index is damaged: %" PRIu64
                               " bytes of records, not %" PRIu64,
                               size, wanted);
    kith_blocks_destroy (&disk->blocks);
    disk->blocks = *blocks_p;
    if (!kith_blocks_in_memory (disk->blocks))
        disk->records = NULL;
    *blocks_p = NULL;
    return 0;
}

//  ---------------------------------------------------------------------
//  Search

//  Walks or scans, whichever is likely to cost less; a walk that was short is followed by a scan
static kith_disk_end_t
s_answer (const kith_disk_t *self, kith_disk_scratch_t *scratch, kith_disk_ask_t *ask,
          kith_topk_t *top)
{
    const kith_disk_header_t *header = &self->header;
    double depth = kith_disk_depth (ask->k);
    depth = depth < ask->live_count ? depth : ask->live_count;
    double scan =
        ask->live_count * (0.5 + header->code_bytes / 128.0) + depth * READ_COST;
    double walk = (double) ask->effort * header->rows
                  / (ask->live_count ? ask->live_count : 1) * READ_COST;
    if (!kith_disk_prepare (self, scratch, ask))
        return KITH_DISK_FAILED;
    ask->reads_max = ask->live ? (uint64_t) (2 * scan / READ_COST) : UINT64_MAX;
    kith_disk_end_t end = KITH_DISK_SHORT;
    if (walk <= scan || !ask->live)
        end = kith_disk_walk (self, scratch, ask, top);
    return end == KITH_DISK_SHORT ? kith_disk_scan (self, scratch, ask, top) : end;
}

static uint64_t
s_search (const kith_index_t *self, const kith_index_query_t *query, void *scratch,
          kith_topk_t *tops, bool *stopped)
{
    const kith_disk_t *disk = s_disk (self);
    kith_disk_scratch_t *mine = scratch;
    uint32_t rows = disk->header.rows;
    float recall = query->recall > 0 ? query->recall : disk->header.recall;
    uint32_t effort =
        query->effort ? query->effort : kith_disk_effort (disk, recall, query->k);
    effort = effort < KITH_DISK_EFFORT_MAX ? effort : KITH_DISK_EFFORT_MAX;
    kith_disk_ask_t ask = {.k = query->k,
                           .effort = effort > query->k ? effort : query->k,
                           .live = query->live,
                           .live_count =
                               query->live ? kith_bits_popcount (query->live) : rows,
                           .without = KITH_DISK_NONE,
                           .part = query->part,
                           .first_row = query->first_row,
                           .stop = query->stop,
                           .stop_arg = query->stop_arg};
    uint64_t compared = 0;
    kith_disk_cost_t cost = {0};
    kith_disk_end_t end = KITH_DISK_ANSWERED;
    for (uint32_t index = 0; index < query->nq && end == KITH_DISK_ANSWERED; index++) {
        ask.query = query->queries + (size_t) index * disk->header.dim;
        ask.norm = query->norms ? query->norms [index] : 0;
        end = s_answer (disk, mine, &ask, &tops [index]);
        compared += mine->compared;
        cost.reads += mine->cost.reads;
        cost.hops += mine->cost.hops;
        cost.width = mine->cost.width;
    }
    mine->cost = cost;
    *stopped = end == KITH_DISK_STOPPED;
    return compared;
}

static bool
s_failed (const void *scratch, kith_error_t *error)
{
    const kith_disk_scratch_t *mine = scratch;
    if (mine->error.code == KITH_OK)
        return false;
    if (error)
        *error = mine->error;
    return true;
}

static void
s_explain (const void *scratch, kith_index_cost_t *cost)
{
    const kith_disk_scratch_t *mine = scratch;
    const kith_block_reader_t *reader = mine->file ? mine->file : mine->memory;
    *cost = (kith_index_cost_t){.reads = mine->cost.reads,
                                .hops = mine->cost.hops,
                                .reader = reader ? reader->name : ""};
}

static void *
s_scratch_new (void)
{
    return kith_disk_scratch_new ();
}

static void
s_scratch_free (void *scratch)
{
    kith_disk_scratch_t *mine = scratch;
    kith_disk_scratch_destroy (&mine);
}

static uint32_t
s_effort (const kith_index_t *self, float recall, uint32_t k)
{
    return kith_disk_effort (s_disk (self), recall, k);
}

static float
s_recall (const kith_index_t *self, uint32_t effort)
{
    return kith_disk_recall (s_disk (self), effort);
}

static void
s_describe (const kith_index_t *self, kith_index_info_t *info)
{
    const kith_disk_header_t *header = &s_disk (self)->header;
    info->code = (kith_index_code_t) header->code;
    info->degree = header->degree;
    //  They are a section as long as they are mapped
    if (s_disk (self)->records)
        info->bytes -= kith_disk_record_bytes (header);
    info->effort = kith_disk_effort (s_disk (self), header->recall, 10);
    info->recall = kith_disk_recall (s_disk (self), info->effort);
    for (uint32_t index = 0; index < header->grid; index++)
        if (header->points [index].effort <= info->effort) {
            info->reads = header->points [index].reads;
            info->hops = header->points [index].hops;
        }
}

const kith_index_class_t kith_index_disk = {.kind = KITH_INDEX_DISK,
                                            .name = "disk",
                                            .magic = KITH_DISK_MAGIC,
                                            .fits = s_fits,
                                            .build_bytes = s_build_bytes,
                                            .load_bytes = s_load_bytes,
                                            .build = s_build,
                                            .open = kith_disk_open,
                                            .destroy = s_destroy,
                                            .sections = s_sections,
                                            .use_blocks = s_use_blocks,
                                            .search = s_search,
                                            .failed = s_failed,
                                            .explain = s_explain,
                                            .scratch_new = s_scratch_new,
                                            .scratch_free = s_scratch_free,
                                            .effort = s_effort,
                                            .recall = s_recall,
                                            .describe = s_describe};
