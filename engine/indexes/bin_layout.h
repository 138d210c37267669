//  bin_layout.h - what an index over binary vectors consists of, for its own files
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_BIN_LAYOUT_H
#define KITH_BIN_LAYOUT_H

#include "engine/indexes/index_class.h"

#define KITH_BIN_MAGIC 0x31424b48u    //  "HKB1"
#define KITH_BIN_LISTS_MAX (1u << 20)
#define KITH_BIN_GRID_MAX 64u
#define KITH_BIN_DEPTHS 3u    //  recall@10, @100 and @1000 are measured

//  Sections of the stored index; the header is KITH_INDEX_HEADER
enum {
    KITH_BIN_CENTROIDS = 2,    //  lists x bytes
    KITH_BIN_STARTS =
        3,                //  lists + 1 positions: list l is [starts [l], starts [l + 1])
    KITH_BIN_IDS = 4,     //  row at each position
    KITH_BIN_CODES = 5    //  its vector
};

typedef struct {
    uint32_t probes;    //  lists
    float recall [KITH_BIN_DEPTHS];
    float bound [KITH_BIN_DEPTHS];    //  one-sided, 95 %
} kith_bin_point_t;

typedef struct {
    uint32_t magic;
    uint32_t rows, dim, metric;
    uint32_t lists;    //  0: every row is compared
    uint32_t grid;     //  points
    float recall;      //  what was asked for at the build
    uint32_t spare;
    kith_bin_point_t points [KITH_BIN_GRID_MAX];
} kith_bin_header_t;

typedef struct {
    kith_index_t index;
    kith_bin_header_t header;
    const uint8_t *centroids;
    const uint32_t *starts;
    const uint32_t *ids;
    const uint8_t *codes;
    bool owned;    //  the four were allocated here, not mapped
} kith_bin_t;

//  Room for the lists of one index in order of distance
typedef struct {
    float *distances;
    uint32_t *order;
    uint32_t *buckets;
    uint32_t lists;    //  that there is room for
} kith_bin_order_t;

//  Grows as needed; false: no memory.
bool kith_bin_order_reserve (kith_bin_order_t *self, uint32_t lists);
void kith_bin_order_free (kith_bin_order_t *self);

//  Fills order with the `wanted` nearest lists at least, nearest first (all of them: within 1 / 2048 of the largest distance).
void kith_bin_order_fill (kith_bin_order_t *self, const kith_bin_t *bin,
                          const void *query, uint32_t wanted);

//  Draws rows, asks for their neighbours with themselves left out, and fills the header's points. list_of: list of each row. False: no
//  memory.
bool kith_bin_calibrate (kith_bin_t *self, const uint32_t *list_of,
                         const kith_index_params_t *params);

//  CANCELLED or NO_MEMORY on failure.
kith_index_t *kith_bin_build (const kith_rows_t *rows, const kith_index_params_t *params,
                              kith_error_t *error);
//  Uses sections in place; every list and row is checked.
kith_index_t *kith_bin_open (const kith_rows_t *rows, const kith_section_t *sections,
                             size_t count, kith_error_t *error);

//  Lists that a build makes of such rows; 0: none.
uint32_t kith_bin_lists (const kith_rows_t *rows, const kith_index_params_t *params);
void kith_bin_destroy (kith_index_t *index);

static inline size_t
kith_bin_bytes (const kith_rows_t *rows)
{
    return kith_vector_bytes (KITH_VECTOR_BINARY, rows->dim);
}

static inline kith_measure_t
kith_bin_measure (const kith_rows_t *rows)
{
    kith_measure_t measure = {0};
    bool binary =
        kith_kernels_measure (kith_kernels (), rows->type, rows->metric, &measure);
    assert (binary);
    return measure;
}

//  Runs fn for parts 0 .. parts - 1 on the caller's threads, or here if there are none
static inline void
kith_bin_run (const kith_index_params_t *params, uint32_t parts, kith_part_fn *fn,
              void *arg)
{
    if (params->parallel)
        params->parallel->run (params->parallel, parts, fn, arg);
    else
        for (uint32_t part = 0; part < parts; part++)
            fn (arg, part);
}

#endif
