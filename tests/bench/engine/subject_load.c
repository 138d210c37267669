//  subject_load.c - stores an index and opens it again, timed to the first answer
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "tests/bench/engine/subject_impl.h"
#include <stdio.h>

enum { NORMS = 1000, WHY_BYTES = 512, K = 10 };

static const char s_name [] = "index";

static kith_objects_t *
s_objects (const char *folder, kith_error_t *error)
{
    kith_fs_t *fs = kith_fs_os ();
    if (kith_fs_mkdirs (fs, folder, error) != 0)
        return NULL;
    return kith_objects_dir_open (fs, folder, error);
}

int
bench_index_store (const bench_index_t *self, const char *folder, char *why)
{
    kith_error_t error;
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX + 1];
    kith_objects_t *objects = s_objects (folder, &error);
    int rc = -1;
    if (objects) {
        size_t count = kith_index_sections (self->index, sections);
        uint32_t rows = self->rows->rows.rows;
        sections [count++] = (kith_section_t){
            .id = NORMS, .data = self->rows->norms, .size = rows * sizeof (float)};
        kith_file_info_t info = {.kind = KITH_FILE_INDEX, .cluster = 1, .rows = rows};
        (void) objects->remove (objects, s_name, &error);
        rc = kith_container_put (objects, s_name, &info, sections, count, NULL, NULL,
                                 &error);
        objects->close (&objects);
    }
    if (rc != 0)
        snprintf (why, WHY_BYTES, "%s", error.message);
    return rc;
}

//  The rows of an fbin file, mapped: nothing of them is read yet
static int
s_map_rows (kith_rows_t *rows, const char *fbin, const char *metric, kith_error_t *error)
{
    uint64_t size = 0;
    kith_fs_t *fs = kith_fs_os ();
    kith_file_t *file = fs->open (fs, fbin, false, false, error);
    const uint8_t *data = file ? fs->map (fs, file, &size, error) : NULL;
    if (!data)
        return -1;
    *rows = (kith_rows_t){.vectors = data + 8,
                          .rows = kith_get_u32 (data),
                          .dim = kith_get_u32 (data + 4),
                          .metric = kith_metric_of_name (metric)};
    return 0;
}

static size_t
s_sections (const kith_container_t *container, kith_rows_t *rows,
            kith_section_t *sections)
{
    size_t count = 0;
    for (size_t i = 0; i < kith_container_count (container); i++) {
        uint64_t size = 0;
        uint32_t id = kith_container_id (container, i);
        const uint8_t *data = kith_container_section (container, id, &size);
        if (id != NORMS && count < KITH_INDEX_SECTIONS_MAX)
            sections [count++] = (kith_section_t){.id = id, .data = data, .size = size};
        if (id == NORMS && rows->metric == KITH_METRIC_COSINE)
            rows->norms = (const float *) (const void *) data;
    }
    return count;
}

//  Row 0 asks, so that its nearest is known: itself
static int
s_first_answer (const kith_index_t *index, const kith_rows_t *rows, int64_t *found,
                kith_error_t *error)
{
    float *query = kith_alloc64 (rows->dim * sizeof (float));
    memcpy (query, rows->vectors, rows->dim * sizeof (float));
    float norm = kith_norm (query, rows->dim);
    kith_index_query_t ask = {.queries = query,
                              .norms = rows->norms ? &norm : NULL,
                              .nq = 1,
                              .k = K,
                              .recall = 0.95f};
    kith_index_scratch_t *scratch = kith_index_scratch_new ();
    kith_topk_t top;
    kith_topk_init (&top, K);
    int rc = kith_index_search (index, &ask, scratch, &top, NULL, error);
    kith_topk_sort (&top);
    for (uint32_t hit = 0; hit < K; hit++)
        found [hit] = hit < top.count ? (int64_t) top.hits [hit].row : -1;
    kith_topk_free (&top);
    kith_index_scratch_destroy (&scratch);
    free (query);
    return rc;
}

int
bench_load (const char *folder, const char *fbin, const char *metric, double seconds [3],
            int64_t found [10], char *why)
{
    kith_error_t error;
    kith_rows_t rows = {.rows = 0};
    kith_section_t sections [KITH_INDEX_SECTIONS_MAX];
    kith_index_t *index = NULL;
    int rc = -1;
    double began = bench_now ();
    kith_objects_t *objects = s_objects (folder, &error);
    kith_container_t *container =
        objects ? kith_container_open (objects, s_name, KITH_FILE_INDEX, 1, 0, 0, &error)
                : NULL;
    seconds [0] = bench_now () - began;
    if (container && s_map_rows (&rows, fbin, metric, &error) == 0) {
        size_t count = s_sections (container, &rows, sections);
        index = kith_index_open (&rows, sections, count, &error);
    }
    seconds [1] = bench_now () - began - seconds [0];
    if (index)
        rc = s_first_answer (index, &rows, found, &error);
    seconds [2] = bench_now () - began - seconds [0] - seconds [1];
    if (rc != 0)
        snprintf (why, WHY_BYTES, "%s", error.message);
    return rc;
}
