//  index_disk.c - the disk index as a kind of index: a graph in blocks of a file, codes in memory (ENGINE 3.11)
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "engine/indexes/disk_layout.h"

static const kith_disk_t *
s_disk (const kith_index_t *self)
{
    return (const kith_disk_t *) self;
}

static kith_graph_params_t
s_graph_params (const kith_rows_t *rows, const kith_index_params_t *params)
{
    return (kith_graph_params_t){.degree = kith_disk_degree (rows, params->degree),
                                 .build_effort = params->build_effort,
                                 .seed = params->seed,
                                 .recall = params->recall,
                                 .parallel = params->parallel,
                                 .links_only = true};
}

static int
s_fits (const kith_rows_t *rows, const kith_index_params_t *params, kith_error_t *error)
{
    if (rows->type == KITH_VECTOR_BINARY)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "a disk index is made over vectors of numbers, not of "
                               "bits: float32, float16, bfloat16 and int8 are allowed");
    if (params->code != KITH_CODE_AUTO && !kith_disk_code_known (params->code))
        return kith_error_set (
            error, KITH_ERR_INVALID,
            "a disk index has codes sq4, sq8 or rabitq in memory, not %s",
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
    return kith_disk_load_bytes (rows, kith_disk_code (rows, params), params);
}

static uint64_t
s_build_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    kith_graph_params_t graph = s_graph_params (rows, params);
    kith_disk_header_t header = {.rows = rows->rows,
                                 .dim = rows->dim,
                                 .type = (uint32_t) rows->type,
                                 .degree = graph.degree};
    kith_disk_lay (&header);
    return kith_graph_build_bytes (rows->rows, rows->dim, &graph)
           + kith_graph_load_bytes (rows->rows, rows->dim, &graph)
           + kith_disk_record_bytes (&header) + rows->rows * 12ull
           + s_load_bytes (rows, params);
}

//  The graph is the first four fifths of a build
static bool
s_graph_progress (void *arg, uint64_t done, uint64_t of)
{
    const kith_index_params_t *params = arg;
    return params->progress (params->progress_arg, done / 5 * 4, of);
}

static int
s_make (kith_disk_t *self, const kith_index_params_t *params, kith_error_t *error)
{
    const kith_rows_t *rows = &self->index.rows;
    self->header = (kith_disk_header_t){.magic = KITH_DISK_MAGIC,
                                        .rows = rows->rows,
                                        .dim = rows->dim,
                                        .metric = (uint32_t) rows->metric,
                                        .type = (uint32_t) rows->type};
    self->header.recall =
        params->recall > 0 && params->recall < 1 ? params->recall : 0.95f;
    kith_graph_params_t wanted = s_graph_params (rows, params);
    if (params->progress) {
        wanted.progress = s_graph_progress;
        wanted.progress_arg = (void *) (uintptr_t) params;
    }
    kith_graph_t *graph = kith_graph_build (rows, &wanted, error);
    if (!graph)
        return -1;
    kith_disk_links_t links;
    kith_disk_links_of (graph, &links);
    int failed = kith_disk_pack (self, &links, params, error);
    kith_graph_destroy (&graph);
    if (!failed && params->progress
        && !params->progress (params->progress_arg, rows->rows / 20 * 18ull, rows->rows))
        return kith_error_set (error, KITH_ERR_CANCELLED, "the build was cancelled");
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

static uint64_t
s_search (const kith_index_t *self, const kith_index_query_t *query, void *scratch,
          kith_topk_t *tops, bool *stopped)
{
    uint64_t compared = 0;
    *stopped = kith_disk_search (s_disk (self), query, scratch, tops, &compared)
               == KITH_DISK_STOPPED;
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
    kith_disk_cost_at (s_disk (self), info->effort, &info->reads, &info->hops);
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
