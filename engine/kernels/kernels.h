//  kernels.h - the table of distance kernels, chosen once for the CPU
//  SPDX-License-Identifier: Apache-2.0
//
//  Scores: float32 sums in one fixed order on every ISA, so that they are bit-equal (ENGINE 3.00): 16 lanes, lane i sums the
//  products of elements i, i + 16, i + 32 ... with one fused multiply-add each (a tail shorter than 16 fills the lanes from 0 with fma, the others
//  untouched); then lanes i and i + 8 are added, then i and i + 4, i + 2, i + 1. float16 and bfloat16 numbers are widened to float32, exactly, and
//  summed in that order; int8 and binary vectors have exact integer sums, rounded once. The scalar kernels are the specification.
//  Vectors may lie at any address. No allocation, no errno. docs/internals/kernels.md says more.
#ifndef KITH_KERNELS_H
#define KITH_KERNELS_H

#include "base/base.h"
#include "engine/kernels/fastscan.h"

typedef enum {
    KITH_METRIC_L2 = 1,         //  score: squared distance, ascending
    KITH_METRIC_IP = 2,         //  score: inner product, descending
    KITH_METRIC_COSINE = 3,     //  score: cosine, descending
    KITH_METRIC_HAMMING = 4,    //  binary; score: bits that differ, ascending
    KITH_METRIC_JACCARD =
        5    //  binary; score: share of differing bits among those that either has, ascending
} kith_metric_t;

//  How the numbers of a vector are stored
typedef enum {
    KITH_VECTOR_FLOAT32 = 0,
    KITH_VECTOR_FLOAT16 = 1,
    KITH_VECTOR_BFLOAT16 = 2,
    KITH_VECTOR_INT8 = 3,
    KITH_VECTOR_BINARY = 4    //  a bit a dimension, the lowest of each byte first
} kith_vector_t;

//  Levels of instruction sets, each with all of those before it on the same architecture
typedef enum {
    KITH_ISA_SCALAR = 0,
    KITH_ISA_AVX2 = 1,          //  with FMA, F16C, POPCNT (Haswell, Zen)
    KITH_ISA_AVX512 = 2,        //  F, BW, VL, DQ (Skylake-X)
    KITH_ISA_AVX512VNNI = 3,    //  VNNI (Cascade Lake)
    KITH_ISA_AVX512ICL = 4,     //  VPOPCNTDQ, BITALG, VBMI, VBMI2 (Ice Lake, Zen 4)
    KITH_ISA_NEON = 5,          //  aarch64
    KITH_ISA_NEONDOT = 6,       //  dot products of bytes (Cortex-A76, Neoverse N1)
    KITH_ISA_AMX = 7,           //  tiles of bytes (Sapphire Rapids)
    KITH_ISA_LAST = KITH_ISA_AMX
} kith_isa_t;

typedef float (kith_pair_fn) (const void *a, const void *b, uint32_t dim);

//  Four rows at once, gathered: out [i] = f (query, rows [i])
typedef void (kith_gather4_fn) (const void *query, const void *const rows [4],
                                uint32_t dim, float out [4]);

//  Rows one after another, `stride` bytes apart: out [i] = f (query, first + i * stride)
typedef void (kith_rows_fn) (const void *query, const void *first, size_t stride,
                             uint32_t count, uint32_t dim, float *out);

//  Which of count products may still be near enough: the positions i with not (shift [i] - scale [i] * dots [i] > limit),
//  one fused operation; a NaN stays.
typedef struct {
    const float *dots, *scale, *shift;
    float limit;
    uint32_t count;
} kith_keep_t;

//  Writes the kept positions, ascending, to kept (room for count) and returns how many.
typedef uint32_t (kith_keep_fn) (const kith_keep_t *keep, uint32_t *kept);

//  Integer products of a query with four codes of `bytes` bytes (a multiple of 64), exact. nibbles: two dimensions per byte, low
//  nibble times query [i], high nibble times query [bytes + i]. bytes: codes 0 .. 127 (the top bit is ignored). full: codes 0 .. 255.
//  bits: a dimension per bit, the lowest of each byte first, times query [8 * bytes].
typedef void (kith_codes4_fn) (const int8_t *query, const uint8_t *const codes [4],
                               uint32_t bytes, int32_t out [4]);

//  Coded rows, each with a trailer {float shift, float scale} in its code or elsewhere, and a query in the same code
typedef struct {
    const int8_t *query;
    const uint8_t *codes;       //  of row 0 and all that follow
    uint32_t bytes;             //  of a code
    uint32_t trailer_step;      //  bytes from a trailer to the next
    const uint8_t *trailers;    //  of row 0 and all that follow
    float base, step;           //  of the query's numbers
    const uint32_t *rows;
    uint32_t count;    //  rows
    uint32_t ahead;    //  how many rows before its turn a code is asked for; 0: it is not
} kith_coded_t;

//  Distances by code: shift - scale * (base + step * product), each step rounded to float32
typedef void (kith_codes_rows_fn) (const kith_coded_t *coded, float *out);

//  Rows of a bitmap: a bit a row, the lowest of a word first
typedef uint32_t (kith_set_count_fn) (const uint64_t *words, size_t count);

typedef struct {
    const uint64_t *words;
    uint32_t count;    //  words
    uint32_t next;     //  the first that is not listed
} kith_set_t;

//  Lists the rows of words from `next` on, ascending, as long as there is room for all of a word among `most`, and moves `next`. rows has room
//  for KITH_SET_MORE more, which may be written too. Returns how many.
#define KITH_SET_MORE 16u
typedef uint32_t (kith_set_list_fn) (kith_set_t *set, uint32_t most, uint32_t *rows);

//  A node of a beam and how far it is
typedef struct {
    float distance;
    uint32_t id;
} kith_near_t;

//  Nodes to be put into a beam that is sorted by distance. near has room for KITH_NEAR_MORE more than capacity, which may be written too.
#define KITH_NEAR_MORE 16u
typedef struct {
    kith_near_t *near;
    uint32_t size, capacity;
    uint32_t first;    //  lowered to the least place that a new node takes
    const float *distances;
    const uint32_t *ids;
    uint32_t count;
} kith_near_put_t;

//  Puts them in as if one after another: each behind the nodes that are no farther, and none that is not nearer than the last of a full beam.
//  Sets size and first.
typedef void (kith_near_put_fn) (kith_near_put_t *put);

//  Leaves the `most` (1 .. count) nearest of count nodes in the order that they had, of those that are as far as the last the first. No distance
//  is a NaN; -0 is before 0. Returns the distance of the farthest of them. What is behind them is lost.
typedef float (kith_near_select_fn) (kith_near_t *near, uint32_t count, uint32_t most);

//  (vector - middles) times halves, of dim numbers; `halves` are dim of each, middles behind. Returns the largest magnitude.
typedef float (kith_query_scale_fn) (const float *vector, const float *halves,
                                     uint32_t dim, float *scaled);

//  Numbers times `up`, none beyond 127 then, rounded half away from zero. Returns their sum.
typedef int32_t (kith_query_round_fn) (const float *scaled, uint32_t count, float up,
                                       int8_t *levels);

//  Products of some queries with panels of coded rows, all in bytes (codes 0 .. 127). A panel holds KITH_PANEL_ROWS rows, four dimensions
//  of each after another: [steps] [KITH_PANEL_ROWS] [4], 64-byte aligned, zeros
//  where there is no dimension.
#define KITH_PANEL_ROWS 16u
#define KITH_PANEL_QUERIES 16u
typedef struct {
    const int8_t
        *queries [KITH_PANEL_QUERIES];    //  4 x steps numbers of each, all there
    uint32_t asking;    //  how many of them are wanted, the first; others may be left out
    uint32_t steps;
    const uint8_t *panels;
    uint32_t count;       //  panels
    int32_t *products;    //  [KITH_PANEL_QUERIES] [products_step], exact
    uint32_t products_step;
} kith_panels_t;
typedef void (kith_panels_fn) (const kith_panels_t *panels);

//  A panel made from the codes of its rows, each a multiple of 64 bytes: steps of four dimensions from the low bits of the first `low` words
//  of 32 bits, then, where a byte holds two dimensions, those from the high nibbles of the first `high`.
typedef struct {
    const uint8_t *codes [KITH_PANEL_ROWS];
    uint32_t low, high;
    uint32_t mask;    //  of a word: 0x0f0f0f0f for nibbles, 0x7f7f7f7f for bytes
    uint8_t *panel;
} kith_panel_fill_t;
typedef void (kith_panel_fill_fn) (const kith_panel_fill_t *fill);

//  Rows of panels that are near enough to one query. near has room for all rows and KITH_NEAR_MORE more, which may be written too.
typedef struct {
    const int32_t *products;
    const float *shifts, *scales;    //  trailers of the rows
    const uint32_t *rows;
    uint32_t count;
    float base, step;    //  of the query's numbers
    float worst;
    kith_near_t *near;
} kith_panel_near_t;

//  Appends the rows whose distance by code, shift - scale * (base + step * product), each step rounded to float32, is at most worst;
//  a NaN is not. Arrays have room for whole panels. Returns how many.
typedef uint32_t (kith_panel_near_fn) (const kith_panel_near_t *near);

//  One measure of vectors of one type: one to one, one to four, one to many. L2 is squared.
typedef struct {
    kith_pair_fn *pair;
    kith_gather4_fn *four;
    kith_rows_fn *rows;
} kith_measure_t;

//  float32 of the same value, for each of count numbers
typedef void (kith_widen_fn) (const void *halves, size_t count, float *out);

typedef struct {
    kith_isa_t isa;
    const char *name;          //  in the configuration: "avx512vnni"
    const char *says;          //  for people: "avx512 vnni"
    kith_pair_fn *dot, *l2;    //  float32
    kith_gather4_fn *dot4, *l2_4;
    kith_rows_fn *dot_rows, *l2_rows;
    kith_measure_t float16_dot, float16_l2, bfloat16_dot, bfloat16_l2;
    kith_measure_t int8_dot, int8_l2, hamming, jaccard;
    kith_widen_fn *float16_widen, *bfloat16_widen;
    kith_keep_fn *keep;
    kith_codes4_fn *nibbles4, *bytes4, *full4, *bits4;
    kith_codes_rows_fn *nibbles_rows, *bytes_rows, *bits_rows;
    kith_fastscan_fn *fastscan;
    kith_judge_fn *judge;
    kith_nearest_fn *nearest;
    kith_rotate_fn *rotate;
    kith_set_count_fn *set_count;
    kith_set_list_fn *set_list;
    kith_near_put_fn *near_put;
    kith_near_select_fn *near_select;
    kith_query_scale_fn *query_scale;
    kith_query_round_fn *query_round;
    kith_panel_fill_fn *panel_fill;
    kith_panels_fn *panels;
    kith_panel_near_fn *panel_near;
    float panel_rate;    //  products of bytes in 10 ns, for estimates of cost
} kith_kernels_t;

//  The table in use: the best that the CPU has, or what kith_kernels_choose said. The one global of Kith.
const kith_kernels_t *kith_kernels (void);

//  Table of an ISA; null if this CPU lacks it. For tests, and the configuration's `kernels` key.
const kith_kernels_t *kith_kernels_of (kith_isa_t isa);

//  Chooses by name ("scalar", "avx2", "avx512", "avx512vnni", "avx512icl", "amx", "neon", "neondot", "auto") before any other thread runs; -1:
//  unknown or not on this CPU.
int kith_kernels_choose (const char *name);

//  The kernels whose results kith_score_of_product takes, for vectors of a type. False: the metric makes no sense for it (Hamming
//  and Jaccard are for binary vectors, the others for numbers).
bool kith_kernels_measure (const kith_kernels_t *kernels, kith_vector_t type,
                           kith_metric_t metric, kith_measure_t *measure);

//  The kernel of those that compares one vector with four; the metric makes sense for the type.
kith_gather4_fn *kith_kernels_four (kith_vector_t type, kith_metric_t metric);

//  count numbers of a type (not binary) as float32, exactly: themselves if they are, else widened into room.
const float *
kith_vector_numbers (kith_vector_t type, const void *vector, size_t count, float *room);

//  Bytes of a vector of dim numbers.
size_t kith_vector_bytes (kith_vector_t type, uint32_t dim);

//  "l2", "ip", "cosine", "hamming", "jaccard"; 0: none such.
const char *kith_metric_name (kith_metric_t metric);
kith_metric_t kith_metric_of_name (const char *name);

//  Sum of squares, by dot. For cosine, rows are NOT normalised in storage: the score is
//  dot (a, b) / (norm (a) * norm (b)) with norm = sqrtf (dot (x, x)); a zero vector scores 0.
float kith_norm (const void *vector, uint32_t dim);

//  The same of a vector of any type; 0 for binary ones, which need none.
float kith_norm_of (kith_vector_t type, const void *vector, uint32_t dim);

//  Whether smaller scores are better
static inline bool
kith_metric_ascends (kith_metric_t metric)
{
    return metric != KITH_METRIC_IP && metric != KITH_METRIC_COSINE;
}

//  Smaller-is-better distance of a metric from its score (itself, or -score for IP and cosine), and back.
static inline float
kith_score_distance (kith_metric_t metric, float score)
{
    return kith_metric_ascends (metric) ? score : -score;
}

//  The score that every answer carries: exact, one kernel, bit-equal everywhere. norms are kith_norm of each side
//  (ignored unless cosine). float32 vectors.
float kith_score (kith_metric_t metric, const void *a, float norm_a, const void *b,
                  float norm_b, uint32_t dim);

//  The same for vectors of any type, each with its norm. The metric makes sense for the type.
typedef struct {
    const void *vector;
    float norm;
} kith_side_t;
float kith_score_of (kith_vector_t type, kith_metric_t metric, kith_side_t a,
                     kith_side_t b, uint32_t dim);

//  The same from what a kernel of kith_kernels_measure returned. A pair whose sum overflowed to a NaN comes last (cosine: scores 0).
float
kith_score_of_product (kith_metric_t metric, float product, float norm_a, float norm_b);

#endif
