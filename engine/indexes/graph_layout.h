//  graph_layout.h - what the files of the graph share: its arrays, codes, beam and scratch memory
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_GRAPH_LAYOUT_H
#define KITH_GRAPH_LAYOUT_H

#include "engine/indexes/graph.h"
#include "storage/huge.h"

#define KITH_GRAPH_EMPTY 0xffffffffu    //  no link here, nor after it
#define KITH_GRAPH_MAGIC 0x35474b48u    //  layout version in the first digit
#define KITH_GRAPH_LEVELS_MAX 8u        //  upper levels
#define KITH_GRAPH_DEGREE_MAX 256u
#define KITH_GRAPH_BATCH_MAX (6 * KITH_GRAPH_DEGREE_MAX)    //  neighbours of six nodes
#define KITH_GRAPH_TRAILER 8u      //  bytes {float shift, float scale} of a coded row
#define KITH_GRAPH_LISTED 4096u    //  rows of a filter listed at once
#define KITH_GRAPH_CODE_AHEAD                                                            \
    256u    //  bytes of a code asked for; the rest the hardware finds
#define KITH_GRAPH_SHALLOWS 3u    //  depths of a refine by codes
#define KITH_GRAPH_EFFORT_MAX 65536u
#define KITH_GRAPH_SAMPLE 1024u    //  rows that calibration asks with
#define KITH_GRAPH_GRID_MAX 24u    //  calibrated efforts
#define KITH_GRAPH_LISTS_MAX 1024u
#define KITH_GRAPH_LIST_GRID_MAX 20u    //  calibrated counts of lists
#define KITH_GRAPH_ROWS_MAX                                                              \
    0x7fffffffu    //  the top bit of an id in a beam says expanded

//  Section ids
typedef enum {
    KITH_GRAPH_HEADER = 1,
    KITH_GRAPH_LINKS = 2,    //  uint32 [rows] [degree]
    KITH_GRAPH_UPPER_ROWS =
        3,    //  uint32: rows of level 1, those of level 2 first and so on
    KITH_GRAPH_UPPER_LINKS =
        4,    //  uint32 [counts [level]] [upper_degree], level after level: positions
    KITH_GRAPH_TWINS = 5,    //  uint32 [rows]: next equal row; absent if all rows differ
    KITH_GRAPH_CODES = 6,    //  uint8 [rows] [code_bytes]
    KITH_GRAPH_SCALE = 7,    //  float [coded] {middle, half}: see graph_codes.c
    KITH_GRAPH_TRAILERS =
        8,    //  float [rows] {shift, scale}; absent if they lie at the ends of the codes
    KITH_GRAPH_CENTRES = 9,          //  float [lists] [dim]: see graph_lists.h
    KITH_GRAPH_LIST_STARTS = 10,     //  uint32 [lists + 1]: of each list in the members
    KITH_GRAPH_LIST_MEMBERS = 11,    //  uint32 [rows]: rows of list after list
    KITH_GRAPH_CODED = 12    //  uint32 [coded]: dimensions that are coded; absent if all
} kith_graph_section_id_t;

typedef enum {
    KITH_GRAPH_FLOATS = 0,     //  no codes: the vectors themselves
    KITH_GRAPH_NIBBLES = 1,    //  4 bits per dimension
    KITH_GRAPH_BYTES = 2,      //  7 bits per dimension
    KITH_GRAPH_BITS = 3        //  1 bit per dimension, rotated
} kith_graph_code_t;

//  One calibrated effort, which may be below k; recall of the mean query and of a one-sided 95 % bound, at k = 10 and k = 100
typedef struct {
    uint32_t effort;
    float recall10, bound10;
    float recall100, bound100;
} kith_graph_point_t;

typedef struct {
    uint32_t magic;
    uint32_t rows, dim, metric;
    uint32_t degree, upper_degree;
    uint32_t levels;                            //  upper levels
    uint32_t counts [KITH_GRAPH_LEVELS_MAX];    //  rows of upper level 1, 2, ...
    uint32_t entry;    //  row where a search begins when there is no upper level
    uint32_t code, code_bytes;    //  kith_graph_code_t; 0 with floats
    uint32_t coded;               //  dimensions that are coded
    uint32_t shallow;    //  0 .. 2: how little of a look at the vectors the codes need
    uint32_t grid;       //  points
    float recall;        //  what was asked for at the build
    kith_graph_point_t points [KITH_GRAPH_GRID_MAX];
    uint32_t lists;        //  0: none
    uint32_t list_grid;    //  points of which the effort is a count of lists
    kith_graph_point_t list_points [KITH_GRAPH_LIST_GRID_MAX];
} kith_graph_header_t;

//  One row of so many of a level is in the level above too
static inline uint32_t
kith_graph_thinning (const kith_graph_header_t *header)
{
    return header->degree / 2;
}

//  Nodes of one level. In level 0 a node is a row, above it is a position in `rows`.
typedef struct {
    const uint32_t *links;
    const uint32_t *rows;    //  null: level 0
    uint32_t degree;
    uint32_t count;
} kith_graph_layer_t;

//  What a graph that changes has beside: see graph_live.c
typedef struct kith_graph_live kith_graph_live_t;

struct kith_graph {
    kith_rows_t
        rows;    //  rows.rows grows in a live graph: readers take kith_graph_count
    uint32_t capacity;          //  rows that there is room for
    kith_graph_live_t *live;    //  null: the graph does not change
    kith_graph_header_t header;
    const kith_graph_header_t *stored;    //  the section, or &header
    kith_graph_layer_t layers [1 + KITH_GRAPH_LEVELS_MAX];
    const uint32_t *links, *upper_rows, *upper_links, *twins;
    const uint8_t *codes;
    const uint8_t *trailers;    //  null: in the codes
    const float *scale;
    const uint32_t *coded;    //  the dimensions that are coded, ascending; null: all
    const float *centres;     //  null: no lists
    const uint32_t *list_starts, *members;
    //  Not stored: the half widths of scale one after another, then the middles; signs of the rotation (bits)
    const float *halves, *signs;
    const float *list_halves;    //  half the square length of each centre, or zeros
    uint64_t
        *twinned;    //  a bit a row: it has a twin behind it; null: none has. Not stored
    void *owned [24];    //  freed with the graph
    uint32_t owned_count;
};

#define KITH_GRAPH_EXPANDED 0x80000000u    //  in the id of a node in a beam

//  The nearest nodes found so far, ascending; `next` is the first not expanded. Only the first `window` of them are expanded: those
//  behind are kept for an exact look.
typedef struct {
    kith_near_t *near;
    uint32_t size;
    uint32_t capacity;
    uint32_t window;
    uint32_t next;
    uint32_t room;    //  allocated
} kith_graph_beam_t;

struct kith_graph_scratch {
    uint8_t *marks;    //  marks [node] == epoch: seen in this search
    uint32_t marks_count;
    uint8_t epoch;
    kith_bits_t alive;    //  rows of a live graph that this search may answer
    kith_graph_beam_t beam;
    float *vector;              //  the query's numbers; of length 1 for cosine
    float *scaled, *rotated;    //  the same on its way to a code
    void *stored;               //  the query as rows are stored, when that is not float32
    float factor;               //  of the query's numbers, to be of length 1; else 1
    int8_t *code;               //  kith_graph_query_bytes
    uint32_t vector_room, code_room;
    float code_base, code_step;             //  product = base + step * integer product
    uint32_t ids [KITH_GRAPH_BATCH_MAX];    //  nodes whose distances are wanted next
    uint32_t rows [KITH_GRAPH_BATCH_MAX];
    float distances [KITH_GRAPH_BATCH_MAX];
    uint32_t listed [KITH_GRAPH_LISTED + KITH_SET_MORE];    //  rows that a filter leaves
    uint64_t compared;
};

//  Rows beside the prepared query, as kernels compare codes
static inline kith_coded_t
kith_graph_coded (const kith_graph_t *self, const kith_graph_scratch_t *scratch,
                  const uint32_t *rows, uint32_t count)
{
    return (kith_coded_t){
        .query = scratch->code,
        .codes = self->codes,
        .bytes = self->header.code_bytes,
        .trailers = self->trailers
                        ? self->trailers
                        : self->codes + self->header.code_bytes - KITH_GRAPH_TRAILER,
        .trailer_step = self->trailers ? KITH_GRAPH_TRAILER : self->header.code_bytes,
        .base = scratch->code_base,
        .step = scratch->code_step,
        .rows = rows,
        .count = count};
}

//  The kernel that compares codes
static inline kith_codes_rows_fn *
kith_graph_by_code (const kith_graph_t *self)
{
    const kith_kernels_t *kernels = kith_kernels ();
    return self->header.code == KITH_GRAPH_NIBBLES ? kernels->nibbles_rows
           : self->header.code == KITH_GRAPH_BITS  ? kernels->bits_rows
                                                   : kernels->bytes_rows;
}

static inline uint32_t
kith_graph_count (const kith_graph_t *self)
{
    return __atomic_load_n (&self->rows.rows, __ATOMIC_ACQUIRE);
}

//  Rows of a live graph (the first `rows`) that are not removed and in `wanted` (null: all), into scratch->alive. Null: no
//  row is left out.
const kith_bits_t *
kith_graph_live_rows (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                      uint32_t rows, const kith_bits_t *wanted);

//  Points layers at the arrays, after header and pointers are set.
void kith_graph_lay (kith_graph_t *self);

//  Makes scratch ready to ask self for `vector`: room, epoch, query and its code. False: no memory.
bool kith_graph_prepare (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                         const void *vector, float norm);

//  The same without what only a walk needs: marks of what was seen.
bool kith_graph_prepare_scan (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                              const void *vector, float norm);

//  A new epoch: nothing is seen yet.
void kith_graph_forget (kith_graph_scratch_t *scratch);

//  Distances of the prepared query to rows, by codes if there are any: right up to a constant of the query.
void kith_graph_distances (const kith_graph_t *self, const kith_graph_scratch_t *scratch,
                           const uint32_t *rows, uint32_t count, float *distances);

//  The same by the vectors, whether there are codes or not.
void
kith_graph_exact_distances (const kith_graph_t *self, const kith_graph_scratch_t *scratch,
                            const uint32_t *rows, uint32_t count, float *distances);

void kith_graph_live_destroy (kith_graph_live_t **self_p);

//  Makes self free data when it ends (null is fine); returns data.
void *kith_graph_own (kith_graph_t *self, void *data);

//  Frees data that self owns.
void kith_graph_disown (kith_graph_t *self, const void *data);

//  Empties beam for `capacity` nodes, all of which may be expanded; false: no memory.
bool kith_graph_beam_reset (kith_graph_beam_t *beam, uint32_t capacity);

//  Empties beam for a search of k answers that expands the nearest `effort` nodes; false: no memory.
bool kith_graph_beam_begin (const kith_graph_t *self, kith_graph_beam_t *beam,
                            uint32_t effort, uint32_t k);

//  Whether a node is left to expand: one of the window, or any as long as there are fewer than shall be kept.
static inline bool
kith_graph_beam_open (const kith_graph_beam_t *beam)
{
    return beam->next < beam->size
           && (beam->next < beam->window || beam->size < beam->capacity);
}

//  Puts a node where it belongs unless it is worse than all of a full beam.
void kith_graph_beam_put (kith_graph_beam_t *beam, float distance, uint32_t id);

//  The same for many, as if one after another; the beam is moved once for all of them.
void kith_graph_beam_put_all (kith_graph_beam_t *beam, const float *distances,
                              const uint32_t *ids, uint32_t count);

//  Takes the first node that is not expanded.
uint32_t kith_graph_beam_take (kith_graph_beam_t *beam);

//  Asks for the links of a node before they are read.
static inline void
kith_graph_prefetch_links (const kith_graph_layer_t *layer, uint32_t node)
{
    const uint32_t *links = layer->links + (size_t) node * layer->degree;
    for (uint32_t index = 0; index < layer->degree; index += 64 / sizeof *links)
        __builtin_prefetch (links + index);
}

//  Takes up to `most` nodes of a level that are not expanded, and asks for their links and those of as many that are likely to be
//  next. Returns how many.
uint32_t kith_graph_beam_ahead (const kith_graph_t *self, kith_graph_beam_t *beam,
                                uint32_t level, uint32_t most, uint32_t *nodes);

//  Lists the links of node not seen before into scratch->ids and ->rows from `count` on, marks them, asks for their codes; returns
//  the new count.
uint32_t kith_graph_collect (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                             uint32_t level, uint32_t node, uint32_t count);

//  The same for the best two nodes of the beam that are not expanded: the second is nearly always the next, and waiting for the memory
//  of both at once costs little more than for one. Returns how many are listed.
uint32_t kith_graph_expand (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                            uint32_t level);

//  Nearest node of each level from the top down to `level` by greedy steps; returns the position in `level`
//  (a row if level is 0).
uint32_t kith_graph_descend (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                             uint32_t level);

//  Best-first search of one level from node `entry`; scratch->beam holds what was found.
void kith_graph_walk (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                      uint32_t level, uint32_t entry);

//  Goes on with a walk that has ended, in a wider window.
void kith_graph_walk_on (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                         uint32_t level);

//  Scale and codes of all rows, owned by self; floats if `code` says so. False: no memory.
bool
kith_graph_encode (kith_graph_t *self, kith_graph_code_t code, kith_parallel_t *parallel);

//  The numbers of a row as a walk compares them, for cosine of length 1. point: dim.
void kith_graph_point (const kith_graph_t *self, uint32_t row, float *point);

//  The code of one row, into the places of it in codes and trailers (null: in the codes).
//  room: 2 x dim.
void kith_graph_encode_row (const kith_graph_t *self, uint32_t row, float *room,
                            uint8_t *codes, uint8_t *trailers);

//  Asks for the code of a row before it is compared.
static inline void
kith_graph_prefetch_code (const kith_graph_t *self, uint32_t row)
{
    const uint32_t bytes = self->header.code_bytes;
    for (uint32_t at = 0; at < bytes && at < KITH_GRAPH_CODE_AHEAD; at += 64)
        __builtin_prefetch (self->codes + (size_t) row * bytes + at);
    if (self->trailers)
        __builtin_prefetch (self->trailers + (size_t) row * KITH_GRAPH_TRAILER);
}

//  Leaves dimensions that hardly differ from row to row out of codes of this kind, where these take fewer lines then; owned by self.
//  False: no memory.
bool kith_graph_choose_coded (kith_graph_t *self, kith_graph_code_t code);

//  Makes what codes need and is not stored, from header and scale; owned by self. False: no memory.
bool kith_graph_derive (kith_graph_t *self);

//  Bytes of a query's code.
size_t kith_graph_query_bytes (const kith_graph_t *self);

//  The query as a code, into scratch.
void kith_graph_encode_query (const kith_graph_t *self, kith_graph_scratch_t *scratch);

//  The query's code in scratch with a byte a coded dimension, in order; not of single bits.
void kith_graph_plain_query (const kith_graph_t *self,
                             const kith_graph_scratch_t *scratch, int8_t *code);

//  Codes of 1 .. KITH_PANEL_ROWS rows as a panel of that, and their trailers; the first stands for those that are missing.
void
kith_graph_plain_codes (const kith_graph_t *self, const uint32_t *rows, uint32_t count,
                        uint8_t *panel, float *shifts, float *scales);

//  Bytes of one row's code: whole lines, with the trailer if that needs no further one.
uint32_t kith_graph_code_bytes (kith_graph_code_t code, uint32_t dim);

//  Bytes of one row's trailer where it lies apart, else 0.
uint32_t kith_graph_trailer_bytes (kith_graph_code_t code, uint32_t dim);

//  How many of a walked beam are worth an exact look for k answers: by codes some more than k.
uint32_t kith_graph_depth (const kith_graph_t *self, uint32_t k);

//  How many nodes the beam of a search for k answers keeps at least, however few of them, `effort`, it expands.
uint32_t kith_graph_kept (const kith_graph_t *self, uint32_t k, uint32_t effort);

//  The nearest so many nodes are expanded: as asked for, but k at least; else by recall, which may take fewer.
uint32_t
kith_graph_effort_of (const kith_graph_t *self, const kith_graph_query_t *options);

//  Calibrated efforts, ascending
typedef struct {
    const kith_graph_point_t *points;
    uint32_t count;
} kith_graph_grid_t;

//  The least effort whose bound is a recall@k; the last if none is.
double kith_graph_grid_effort (const kith_graph_grid_t *grid, float recall, uint32_t k);

//  Whether an effort of the grid has that bound.
bool kith_graph_grid_reaches (const kith_graph_grid_t *grid, float recall, uint32_t k);

//  The bound of recall@k that a walk of an effort was calibrated to.
float kith_graph_promised (const kith_graph_t *self, uint32_t effort, uint32_t k);

//  The recall that is asked for; of a search by an effort, what a walk of `effort` was calibrated to.
float kith_graph_recall_of (const kith_graph_t *self, const kith_graph_query_t *options,
                            uint32_t effort);

//  A query on its way
typedef struct {
    const void *query;    //  as rows are stored
    float norm;
    uint32_t rows;    //  of the graph when the search began: later ones are no answers
    const kith_graph_query_t *options;
    bool apart;    //  twins are in the beam on their own
} kith_graph_ask_t;

//  Offers the best `depth` of a beam, and their twins, to top with exact scores.
void kith_graph_refine (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                        const kith_graph_beam_t *beam, const kith_graph_ask_t *ask,
                        uint32_t depth, kith_topk_t *top);

//  How a search is answered
typedef enum {
    KITH_GRAPH_WALK = 1,
    KITH_GRAPH_SCAN_CODES =
        2,                 //  all codes that may be answered, the best of them exactly
    KITH_GRAPH_SCAN = 3    //  all vectors that may be answered
} kith_graph_way_t;

typedef struct {
    kith_graph_way_t way;
    uint32_t effort;
    uint32_t rows;      //  of the graph when the search began
    uint32_t live;      //  of them that may be answered
    uint32_t listed;    //  of these in scratch->listed, the first
    kith_set_t set;     //  the others
    uint64_t budget;    //  rows that a filtered walk may compare
    uint32_t sample;    //  answerable rows that such a walk begins with
    //  Costs: of a step of a plain walk, of comparing the sample, and of the cheaper scan
    double plain, sampling, scan;
} kith_graph_plan_t;

//  Chooses by estimated cost (ENGINE 3.7): see graph_filter.c. Without a filter scratch is not used.
kith_graph_plan_t
kith_graph_plan (const kith_graph_t *self, kith_graph_scratch_t *scratch, uint32_t rows,
                 uint32_t effort, const kith_graph_query_t *options);

//  Walks, gathering only rows that may be answered. False: nothing was offered, scan instead.
bool kith_graph_search_live (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                             const kith_graph_ask_t *ask, const kith_graph_plan_t *plan,
                             kith_topk_t *top);

//  Compares all codes of rows that may be answered. False: there are no codes, or no memory; nothing was offered.
bool kith_graph_scan_codes (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                            const kith_graph_ask_t *ask, const kith_graph_plan_t *plan,
                            kith_topk_t *top);

//  Rows that were drawn to measure the graph with, and how far their 10th and 100th neighbours are
typedef struct {
    const kith_bits_t *live;    //  rows that count; null: all
    const kith_bits_t *away;    //  rows that do not, as they are not in yet; null: none
    uint32_t count;
    uint32_t rows [KITH_GRAPH_SAMPLE];
    float distance10 [KITH_GRAPH_SAMPLE];
    float distance100 [KITH_GRAPH_SAMPLE];
} kith_graph_truth_t;

//  Draws rows of truth->live; none when there are too few.
void kith_graph_draw (const kith_graph_t *self, uint64_t seed, kith_graph_truth_t *truth);

//  Searches the neighbours of the first drawn rows exactly; those of the others are found by calibration. False: no memory.
bool kith_graph_find_truth (const kith_graph_t *self, kith_parallel_t *parallel,
                            kith_graph_truth_t *truth);

//  Rows that a refine scores for k, by header's `shallow`.
static inline uint32_t
kith_graph_shallow (uint32_t shallow, uint32_t k)
{
    //  Measured for 10; the rows that a code's error mixes up with the k-th are in proportion to k
    const uint32_t more = shallow == 0 ? 50 : shallow == 1 ? 20 : 6;
    return k + (k > 10 ? (uint32_t) ((uint64_t) more * k / 10) : more);
}

//  Shares of the 10 nearest that a scan of all codes finds within the depth of a refine, by `shallow`. False: no memory.
bool
kith_graph_code_recall (const kith_graph_t *self, kith_graph_truth_t *truth,
                        kith_parallel_t *parallel, float recalls [KITH_GRAPH_SHALLOWS]);

//  Fills header's points: each drawn row asks, itself left out if it is in. Writes the distances of those that were not searched.
//  False: no memory.
bool kith_graph_calibrate (kith_graph_t *self, kith_graph_truth_t *truth,
                           kith_parallel_t *parallel);

//  Links what cannot be reached from the entry; order: the nodes of level 0. False: no memory.
bool kith_graph_mend (kith_graph_t *self, uint32_t *links, const uint32_t *order,
                      uint32_t count);

//  Runs fn for parts 0 .. parts - 1 on self's threads, or here if parallel is null.
static inline void
kith_graph_run (kith_parallel_t *parallel, uint32_t parts, kith_part_fn *fn, void *arg)
{
    if (parallel)
        parallel->run (parallel, parts, fn, arg);
    else
        for (uint32_t part = 0; part < parts; part++)
            fn (arg, part);
}

//  The next row that is equal to row; EMPTY: none. Later than row.
static inline uint32_t
kith_graph_twin (const kith_graph_t *self, uint32_t row)
{
    return __atomic_load_n (&self->twins [row], __ATOMIC_ACQUIRE);
}

//  Most rows have no twin, and a bit tells so without a miss of the cache
static inline bool
kith_graph_has_twin (const kith_graph_t *self, uint32_t row)
{
    return self->twinned
           && (__atomic_load_n (&self->twinned [row / 64], __ATOMIC_RELAXED) >> row % 64
               & 1);
}

//  Makes twinned from twins, for `rows` rows; owned by self. False: no memory.
bool kith_graph_mark_twins (kith_graph_t *self, uint32_t rows);

//  Bytes of a stored vector
static inline size_t
kith_graph_vector_bytes (const kith_graph_t *self)
{
    const kith_vector_t type = self->rows.type;
    return (size_t) self->rows.dim
           * (type == KITH_VECTOR_FLOAT32 ? 4
              : type == KITH_VECTOR_INT8  ? 1
                                          : 2);
}

//  A row's vector as it is stored
static inline const void *
kith_graph_vector (const kith_graph_t *self, uint32_t row)
{
    return (const char *) self->rows.vectors + row * kith_graph_vector_bytes (self);
}

//  The kernel that compares a stored vector with four others; its results are what kith_score_of_product takes.
static inline kith_gather4_fn *
kith_graph_four (const kith_graph_t *self)
{
    return kith_kernels_four (self->rows.type, self->rows.metric);
}

#endif
