//  ivf_layout.h - what the files of the inverted lists share: sections, arrays, a query on its way
//  SPDX-License-Identifier: Apache-2.0
//
//  Rows are grouped about the centres of a k-means (Sivic and Zisserman 2003; Jegou, Douze and Schmid 2011); a query meets the lists whose
//  centres are nearest, in blocks of 32 codes (quantiser.h). A code only says which rows cannot be near enough; the others
//  are scored by the lent vectors.
#ifndef KITH_IVF_LAYOUT_H
#define KITH_IVF_LAYOUT_H

#include "engine/indexes/index_class.h"
#include "engine/indexes/quantiser.h"

#define KITH_IVF_MAGIC 0x3246564bu    //  "KVF2": layout version in the last letter
#define KITH_IVF_EMPTY 0xffffffffu    //  no row here
#define KITH_IVF_GRID_MAX 64u         //  calibrated points
#define KITH_IVF_LISTS_MAX 65536u
#define KITH_IVF_CHUNK 8u         //  blocks judged by one limit
#define KITH_IVF_PENDING 1024u    //  candidates that wait for their vectors
#define KITH_IVF_VISITS 4u        //  of a batch whose candidates wait at once

//  Section ids
typedef enum {
    KITH_IVF_HEADER = KITH_INDEX_HEADER,
    KITH_IVF_CENTRES = 2,    //  float [lists] [dim]
    KITH_IVF_MEAN = 3,       //  float [dim]
    KITH_IVF_STARTS = 4,     //  uint32 [lists + 1]: first block of each list
    KITH_IVF_COUNTS = 5,     //  uint32 [lists]: rows
    KITH_IVF_IDS =
        6,    //  uint32 [blocks] [32]: rows, ascending in a list; at a list's end KITH_IVF_EMPTY
    KITH_IVF_BLOCKS = 7,    //  [blocks] of kith_quantiser_block_bytes
    KITH_IVF_BOOK = 8       //  float: of the quantiser; absent if it has none
} kith_ivf_section_id_t;

//  What was measured with `lists` probed and errors allowed for `reach` times
typedef struct {
    uint32_t lists;
    float reach;
    float recall10, bound10;
    float recall100, bound100;
    float recall1000, bound1000;
} kith_ivf_point_t;

typedef struct {
    uint32_t magic;
    uint32_t rows, dim, metric;
    uint32_t type;    //  kith_vector_t
    uint32_t code;    //  kith_index_code_t
    uint32_t lists, blocks;
    uint32_t grid;    //  points
    uint32_t zero;
    uint64_t seed;    //  of the rotation
    float recall;     //  what was asked for at the build
    float radius;     //  the longest residual
    kith_ivf_point_t points [KITH_IVF_GRID_MAX];
} kith_ivf_header_t;

typedef struct {
    kith_index_t index;
    kith_ivf_header_t header;
    size_t vector_bytes;    //  of a row
    const float *centres, *mean;
    const uint32_t *starts, *counts, *ids;
    const uint8_t *blocks;
    kith_quantiser_t quantiser;
    //  Made of the centres when the index is built or opened
    kith_quantiser_t coarse;    //  codes of the centres, about the mean
    uint8_t *coarse_blocks;     //  of 32 lists
    float *coarse_book;         //  of coarse, or null
    float *squares;             //  square length of each centre
    void *owned [8];            //  freed with the index
    uint32_t owned_count;
} kith_ivf_t;

//  A list as a query sees it
typedef struct {
    float order;    //  the less, the nearer
    float base;     //  see quantiser.h
    float away;     //  |q - c|
    uint32_t list;
} kith_ivf_near_t;

typedef struct {
    float least;
    uint32_t row;
} kith_ivf_candidate_t;

//  Candidates whose vectors were asked for
typedef struct {
    kith_ivf_candidate_t of [KITH_IVF_PENDING];
    uint32_t count;
} kith_ivf_pending_t;

//  A query on its way
typedef struct {
    const kith_index_query_t *query;
    const void *exact;      //  as it came, of the rows' type
    const float *vector;    //  its numbers; of length 1 for cosine
    float norm;             //  as it came
    float square;           //  of vector
    float size;    //  of the numbers that are added up: what rounding is measured by
    kith_quantiser_asked_t asked;
    float reach;
    float limit;    //  a distance that k rows are known to be within
    uint64_t compared;
    kith_ivf_pending_t *pending;    //  of scratch; empty between asks
    kith_topk_t *top;
} kith_ivf_ask_t;

//  Scratch memory
typedef struct {
    float *vectors;     //  of `asks` queries
    uint8_t *tables;    //  of `asks` queries
    float *work;        //  2 x dim
    uint8_t *coarse;    //  table
    float *values;      //  of the coarse blocks, or of a seed's
    kith_ivf_near_t *near, *spare;
    uint32_t near_room, values_room;
    size_t vectors_room, tables_room, work_room, coarse_room;
    kith_ivf_pending_t pending [KITH_IVF_VISITS];    //  some wait while one is filled
} kith_ivf_scratch_t;

//  Data that self frees (null is fine); returns data.
void *kith_ivf_own (kith_ivf_t *self, void *data);
void kith_ivf_free (kith_ivf_t *self);

//  Lists that an index of so many rows has unless told otherwise.
uint32_t kith_ivf_lists (const kith_rows_t *rows, const kith_index_params_t *params);
kith_index_code_t
kith_ivf_code (const kith_rows_t *rows, const kith_index_params_t *params);

//  Of the rows' type
static inline const void *
kith_ivf_vector (const kith_ivf_t *self, uint32_t row)
{
    return (const char *) self->index.rows.vectors + row * self->vector_bytes;
}

static inline uint32_t
kith_ivf_coarse_blocks (uint32_t lists)
{
    return (lists + KITH_FASTSCAN_ROWS - 1) / KITH_FASTSCAN_ROWS;
}

//  Codes the centres. False: no memory.
bool kith_ivf_face (kith_ivf_t *self);

//  Bytes of what kith_ivf_face makes.
uint64_t kith_ivf_face_bytes (uint32_t lists, uint32_t dim);

//  Room for `asks` queries and for all lists. False: no memory.
bool kith_ivf_room (const kith_ivf_t *self, kith_ivf_scratch_t *scratch, uint32_t asks);

//  Makes query number `number` of `query` ready, with the scratch memory of `slot`.
void kith_ivf_ask (const kith_ivf_t *self, kith_ivf_scratch_t *scratch, uint32_t slot,
                   const kith_index_query_t *query, uint32_t number, kith_ivf_ask_t *ask);

//  The nearest `wanted` lists into scratch->near, nearest first; returns how many.
uint32_t kith_ivf_pick (const kith_ivf_t *self, kith_ivf_scratch_t *scratch,
                        const kith_ivf_ask_t *ask, uint32_t wanted);

//  Scans a list: what may be near enough is scored and offered to ask->top.
void
kith_ivf_scan (const kith_ivf_t *self, kith_ivf_ask_t *ask, const kith_ivf_near_t *near);

//  About how many rows of a list may be answered: as its first block has it. To look at all would cost more than to scan.
uint32_t kith_ivf_live (const kith_ivf_t *self, const kith_bits_t *live, uint32_t list);

//  Scores what still waits; must follow the last scan of an ask before another's with the same ask->pending.
void kith_ivf_settle (const kith_ivf_t *self, kith_ivf_ask_t *ask);

//  The least distance that a row in a list can have with no error allowed for, and what one unit of reach takes off when
//  the row is at `distance`: what calibration measures.
void kith_ivf_bound (const kith_ivf_t *self, const kith_ivf_ask_t *ask,
                     const kith_ivf_near_t *near, uint32_t slot, float distance,
                     float *least, float *unit);

//  How a search is answered
typedef struct {
    uint32_t lists;    //  to probe
    uint32_t most;     //  with a filter: as long as too few live rows were met
    uint64_t live;     //  rows that are to be met with a filter; 0: does not matter
    float reach;
    bool scan;    //  compare all live rows instead
    bool
        codes;    //  when a filter starves a probe: scan the codes of all lists, not all live rows
} kith_ivf_plan_t;

kith_ivf_plan_t kith_ivf_plan (const kith_ivf_t *self, const kith_index_query_t *query);

//  Functions of the class
kith_index_t *kith_ivf_build (const kith_rows_t *rows, const kith_index_params_t *params,
                              kith_error_t *error);
kith_index_t *kith_ivf_open (const kith_rows_t *rows, const kith_section_t *sections,
                             size_t count, kith_error_t *error);
uint64_t kith_ivf_search (const kith_index_t *self, const kith_index_query_t *query,
                          void *scratch, kith_topk_t *tops, bool *stopped);
uint64_t
kith_ivf_build_bytes (const kith_rows_t *rows, const kith_index_params_t *params);
uint32_t kith_ivf_effort (const kith_index_t *self, float recall, uint32_t k);

//  Measures the lists on rows of their own and fills header's points. CANCELLED or NO_MEMORY.
int kith_ivf_calibrate (kith_ivf_t *self, const kith_index_params_t *params,
                        kith_error_t *error);
uint64_t kith_ivf_calibrate_bytes (const kith_rows_t *rows, uint32_t threads);

#endif
