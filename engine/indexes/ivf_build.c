//  ivf_build.c - makes inverted lists: centres, a quantiser of residuals, codes list after list
//  SPDX-License-Identifier: Apache-2.0
//
//  Whatever is done in parallel is cut by position and writes to a place of its own: threads do not show in the index.
#include <math.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/ivf_layout.h"
#include "engine/indexes/kmeans.h"
#include "storage/huge.h"

enum {
    SAMPLE_EACH = 64,    //  rows a centre is trained with
    SAMPLE_MIN = 8192,
    FIT = 16384,    //  residuals that the quantiser is fitted to
    ROUNDS = 6,
    ASSIGN = 65536,    //  rows between two looks at the cancel flag
    LISTS = 16,        //  of one part of coding
    PARTS = 64         //  of coding between two looks
};

#define TINY 1e-15f    //  lengths whose squares lose bits

//  Of a hundred: where progress stands when each phase begins
typedef enum { TRAIN = 0, ASSIGN_ALL = 40, ENCODE = 65, CALIBRATE = 85 } s_phase_t;

typedef struct {
    kith_ivf_t *self;
    const kith_index_params_t *params;
    uint32_t sampled;
    float *sample;    //  sampled x dim
    float *centres;
    float *mean;
    float *halves;
    float *radii;    //  of each list
    float *book;
    uint32_t *list_of;    //  of each row
    uint32_t *starts, *counts, *ids;
    uint8_t *blocks;
    uint32_t first_part;
    atomic_bool failed;
} s_build_t;

static uint32_t
s_sampled (const kith_rows_t *rows, uint32_t lists)
{
    uint64_t wanted = (uint64_t) lists * SAMPLE_EACH;
    wanted = wanted > SAMPLE_MIN ? wanted : SAMPLE_MIN;
    return wanted < rows->rows ? (uint32_t) wanted : rows->rows;
}

uint64_t
kith_ivf_build_bytes (const kith_rows_t *rows, const kith_index_params_t *params)
{
    uint64_t lists = kith_ivf_lists (rows, params), dim = rows->dim;
    uint32_t threads = params->parallel ? params->parallel->threads : 1;
    uint64_t sampled = s_sampled (rows, (uint32_t) lists);
    uint64_t training =
        kith_kmeans_bytes ((uint32_t) sampled, rows->dim, (uint32_t) lists, threads);
    uint64_t calibration = kith_ivf_calibrate_bytes (rows, threads);
    uint64_t fit = FIT * (dim * 8 + 8) + threads * dim * 32;
    training = training > fit ? training : fit;
    return kith_index_load_bytes (rows, params) + sampled * dim * 4 + lists * 8
           + rows->rows * 4ull + (training > calibration ? training : calibration)
           + (8u << 20);
}

static bool
s_go_on (const s_build_t *build, uint32_t percent)
{
    const kith_index_params_t *params = build->params;
    uint64_t rows = build->self->header.rows;
    return !params->progress
           || params->progress (params->progress_arg, rows * percent / 100, rows);
}

static int
s_cancelled (kith_error_t *error)
{
    return kith_error_set (error, KITH_ERR_CANCELLED, "the build was cancelled");
}

static int
s_no_memory (kith_error_t *error)
{
    return kith_error_set (error, KITH_ERR_NO_MEMORY, "no memory to build an index");
}

static void
s_run (const s_build_t *build, uint32_t parts, kith_part_fn *fn, void *arg)
{
    kith_parallel_t *parallel = build->params->parallel;
    if (!parallel)
        parallel = kith_parallel_serial ();
    parallel->run (parallel, parts, fn, arg);
}

//  A row as it is compared: of length 1 for cosine
static void
s_copy (const kith_ivf_t *self, uint32_t row, float *to)
{
    const kith_rows_t *rows = &self->index.rows;
    const float *numbers =
        kith_vector_numbers (rows->type, kith_ivf_vector (self, row), rows->dim, to);
    if (rows->metric != KITH_METRIC_COSINE) {
        if (numbers != to)
            memcpy (to, numbers, rows->dim * sizeof *to);
        return;
    }
    float norm = rows->norms [row];
    for (uint32_t each = 0; each < rows->dim; each++)
        to [each] = norm > 0 ? numbers [each] / norm : 0;
}

//  ---------------------------------------------------------------------
//  Centres

//  One row of each of `sampled` equal stretches
static bool
s_draw (s_build_t *build)
{
    const kith_ivf_t *self = build->self;
    const uint32_t rows = self->header.rows, dim = self->header.dim;
    double *sum = kith_new (dim * sizeof *sum);
    kith_random_t random;
    kith_random_seed (&random, build->params->seed ^ 0x73616d70u);
    build->sample = kith_huge_new ((size_t) build->sampled * dim * sizeof (float));
    for (uint32_t index = 0; build->sample && index < build->sampled; index++) {
        uint64_t first = (uint64_t) index * rows / build->sampled;
        uint64_t after = ((uint64_t) index + 1) * rows / build->sampled;
        uint32_t row = (uint32_t) (first + kith_random_below (&random, after - first));
        float *to = build->sample + (size_t) index * dim;
        s_copy (self, row, to);
        for (uint32_t each = 0; each < dim; each++)
            sum [each] += (double) to [each];
    }
    for (uint32_t each = 0; each < dim && build->sampled; each++)
        build->mean [each] = (float) (sum [each] / build->sampled);
    free (sum);
    return build->sample != NULL;
}

static bool
s_train_go_on (void *arg, uint32_t done, uint32_t of)
{
    return s_go_on (arg, TRAIN + (ASSIGN_ALL - TRAIN) * done / of);
}

static int
s_train (s_build_t *build, kith_error_t *error)
{
    const kith_ivf_header_t *header = &build->self->header;
    bool spherical = build->self->index.rows.metric == KITH_METRIC_COSINE;
    kith_kmeans_t params = {.points = build->sample,
                            .count = build->sampled,
                            .dim = header->dim,
                            .clusters = header->lists,
                            .rounds = ROUNDS,
                            .spherical = spherical,
                            .seed = build->params->seed,
                            .parallel = build->params->parallel,
                            .go_on = s_train_go_on,
                            .go_on_arg = build};
    if (kith_kmeans_train (&params, build->centres, error) != 0)
        return -1;
    kith_kmeans_halves (build->centres, header->lists, header->dim, spherical,
                        build->halves);
    return 0;
}

//  ---------------------------------------------------------------------
//  Rows to lists

static int
s_assign (s_build_t *build, kith_error_t *error)
{
    const kith_ivf_header_t *header = &build->self->header;
    for (uint32_t first = 0; first < header->rows; first += ASSIGN) {
        uint32_t left = header->rows - first;
        kith_kmeans_assign_t assign = {.points = kith_ivf_vector (build->self, first),
                                       .count = left < ASSIGN ? left : ASSIGN,
                                       .dim = header->dim,
                                       .type = build->self->index.rows.type,
                                       .centres = build->centres,
                                       .halves = build->halves,
                                       .clusters = header->lists,
                                       .parallel = build->params->parallel};
        uint32_t done =
            (uint32_t) ((uint64_t) (ENCODE - ASSIGN_ALL) * first / header->rows);
        if (!s_go_on (build, ASSIGN_ALL + done))
            return s_cancelled (error);
        //  By angle the length of a row does not matter
        if (!kith_kmeans_assign (&assign, build->list_of + first))
            return s_no_memory (error);
    }
    return 0;
}

static int
s_lay (s_build_t *build, kith_error_t *error)
{
    kith_ivf_t *self = build->self;
    kith_ivf_header_t *header = &self->header;
    for (uint32_t row = 0; row < header->rows; row++)
        build->counts [build->list_of [row]]++;
    for (uint32_t list = 0; list < header->lists; list++)
        build->starts [list + 1] =
            build->starts [list]
            + (build->counts [list] + KITH_FASTSCAN_ROWS - 1) / KITH_FASTSCAN_ROWS;
    header->blocks = build->starts [header->lists];
    size_t slots = (size_t) header->blocks * KITH_FASTSCAN_ROWS;
    self->ids = build->ids =
        kith_ivf_own (self, kith_huge_new ((slots + 1) * sizeof *build->ids));
    self->blocks = build->blocks = kith_ivf_own (
        self, kith_huge_new (header->blocks * self->quantiser.block_bytes + 64));
    if (!build->ids || !build->blocks)
        return s_no_memory (error);
    memset (build->ids, 0xff, slots * sizeof *build->ids);
    memset (build->counts, 0, header->lists * sizeof *build->counts);
    for (uint32_t row = 0; row < header->rows; row++) {
        uint32_t list = build->list_of [row];
        build->ids [(size_t) build->starts [list] * KITH_FASTSCAN_ROWS
                    + build->counts [list]++] = row;
    }
    return 0;
}

//  ---------------------------------------------------------------------
//  Codes

static int
s_fit (s_build_t *build, kith_error_t *error)
{
    kith_ivf_t *self = build->self;
    const uint32_t dim = self->header.dim;
    uint32_t count = build->sampled < FIT ? build->sampled : FIT;
    float *residuals = kith_huge_new ((size_t) count * dim * sizeof *residuals);
    uint32_t *nearest = kith_alloc64 (count * sizeof *nearest);
    //  Every so many of the sample, so that all of it is seen
    for (uint32_t index = 0; residuals && index < count; index++)
        memcpy (residuals + (size_t) index * dim,
                build->sample + (uint64_t) index * build->sampled / count * dim,
                dim * sizeof *residuals);
    kith_kmeans_assign_t assign = {.points = residuals,
                                   .count = count,
                                   .dim = dim,
                                   .centres = build->centres,
                                   .halves = build->halves,
                                   .clusters = self->header.lists,
                                   .parallel = build->params->parallel};
    bool fitted = residuals && nearest && kith_kmeans_assign (&assign, nearest);
    for (size_t index = 0; fitted && index < (size_t) count * dim; index++)
        residuals [index] -=
            build->centres [(size_t) nearest [index / dim] * dim + index % dim];
    fitted = fitted
             && kith_quantiser_fit (&self->quantiser, residuals, count,
                                    build->params->parallel, build->book);
    free (nearest);
    free (residuals);
    return fitted ? 0 : s_no_memory (error);
}

static void
s_encode_list (const s_build_t *build, uint32_t list, float *work)
{
    const kith_ivf_t *self = build->self;
    const uint32_t dim = self->header.dim;
    const float *centre = build->centres + (size_t) list * dim;
    float *offset = work, *vector = work + 2 * (size_t) dim;
    kith_quantiser_centre_t facing = {.centre = centre,
                                      .offset = offset,
                                      .turned = work + dim,
                                      .scratch = work + 3 * (size_t) dim};
    for (uint32_t each = 0; each < dim; each++)
        offset [each] = centre [each] - build->mean [each];
    kith_quantiser_face (&self->quantiser, &facing);
    for (uint32_t index = 0; index < build->counts [list]; index++) {
        uint32_t block = build->starts [list] + index / KITH_FASTSCAN_ROWS;
        uint32_t row =
            build->ids [(size_t) build->starts [list] * KITH_FASTSCAN_ROWS + index];
        uint8_t *to = build->blocks + block * self->quantiser.block_bytes;
        s_copy (self, row, vector);
        float radius = kith_quantiser_encode (&self->quantiser, &facing, vector, to,
                                              index % KITH_FASTSCAN_ROWS);
        //  Squares of such a row lost bits: its length is not 1
        if (self->index.rows.norms && self->index.rows.norms [row] < TINY)
            kith_quantiser_doubt (to, index % KITH_FASTSCAN_ROWS);
        build->radii [list] = fmaxf (build->radii [list], radius);
    }
}

static void
s_encode_part (void *arg, uint32_t part)
{
    s_build_t *build = arg;
    const uint32_t lists = build->self->header.lists;
    float *work = kith_alloc64 (5 * (size_t) build->self->header.dim * sizeof *work);
    if (!work) {
        atomic_store (&build->failed, true);
        return;
    }
    part += build->first_part;
    for (uint32_t list = part * LISTS; list < lists && list < (part + 1) * LISTS; list++)
        s_encode_list (build, list, work);
    free (work);
}

static int
s_encode (s_build_t *build, kith_error_t *error)
{
    uint32_t parts = (build->self->header.lists + LISTS - 1) / LISTS;
    for (uint32_t first = 0; first < parts; first += PARTS) {
        if (!s_go_on (build, ENCODE + (CALIBRATE - ENCODE) * first / parts))
            return s_cancelled (error);
        build->first_part = first;
        s_run (build, parts - first < PARTS ? parts - first : PARTS, s_encode_part,
               build);
        if (atomic_load (&build->failed))
            return s_no_memory (error);
    }
    kith_ivf_header_t *header = &build->self->header;
    for (uint32_t list = 0; list < header->lists; list++)
        header->radius = fmaxf (header->radius, build->radii [list]);
    return 0;
}

//  ---------------------------------------------------------------------
//  Build

static bool
s_make_room (s_build_t *build)
{
    kith_ivf_t *self = build->self;
    const kith_ivf_header_t *header = &self->header;
    const size_t lists = header->lists, dim = header->dim;
    size_t book =
        kith_quantiser_book_floats ((kith_index_code_t) header->code, header->dim);
    self->centres = build->centres =
        kith_ivf_own (self, kith_huge_new (lists * dim * sizeof (float)));
    self->mean = build->mean = kith_ivf_own (self, kith_alloc64 (dim * sizeof (float)));
    self->starts = build->starts =
        kith_ivf_own (self, kith_alloc64 ((lists + 1) * sizeof (uint32_t)));
    self->counts = build->counts =
        kith_ivf_own (self, kith_alloc64 (lists * sizeof (uint32_t)));
    self->quantiser.book = build->book =
        book ? kith_ivf_own (self, kith_alloc64 (book * sizeof (float))) : NULL;
    build->halves = kith_alloc64 (lists * sizeof (float));
    build->radii = kith_alloc64 (lists * sizeof (float));
    build->list_of = kith_huge_new ((header->rows + (size_t) 1) * sizeof (uint32_t));
    return build->centres && build->mean && build->starts && build->counts
           && (build->book || !book) && build->halves && build->radii && build->list_of;
}

static int
s_build (s_build_t *build, kith_error_t *error)
{
    kith_ivf_t *self = build->self;
    if (!kith_quantiser_init (&self->quantiser, (kith_index_code_t) self->header.code,
                              self->index.rows.metric, self->header.dim,
                              self->header.seed)
        || !s_make_room (build) || !s_draw (build))
        return s_no_memory (error);
    if (build->sampled && (s_train (build, error) != 0 || s_assign (build, error) != 0))
        return -1;
    if (s_lay (build, error) != 0 || s_fit (build, error) != 0)
        return -1;
    free (build->sample);
    build->sample = NULL;
    if (s_encode (build, error) != 0)
        return -1;
    if (!kith_ivf_face (self))
        return s_no_memory (error);
    if (!s_go_on (build, CALIBRATE))
        return s_cancelled (error);
    return kith_ivf_calibrate (self, build->params, error);
}

kith_index_t *
kith_ivf_build (const kith_rows_t *rows, const kith_index_params_t *params,
                kith_error_t *error)
{
    kith_ivf_t *self = kith_new (sizeof *self);
    self->index.rows = *rows;
    self->vector_bytes = kith_vector_bytes (rows->type, rows->dim);
    self->header =
        (kith_ivf_header_t){.magic = KITH_IVF_MAGIC,
                            .rows = rows->rows,
                            .dim = rows->dim,
                            .metric = (uint32_t) rows->metric,
                            .type = (uint32_t) rows->type,
                            .code = kith_ivf_code (rows, params),
                            .lists = kith_ivf_lists (rows, params),
                            .seed = params->seed,
                            .recall = params->recall > 0 ? params->recall : 0.95f};
    s_build_t build = {
        .self = self, .params = params, .sampled = s_sampled (rows, self->header.lists)};
    int status = s_build (&build, error);
    free (build.sample);
    free (build.halves);
    free (build.radii);
    free (build.list_of);
    if (status != 0) {
        kith_ivf_free (self);
        return NULL;
    }
    return &self->index;
}
