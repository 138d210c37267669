//  index.h - one interface to every kind of vector index
//  SPDX-License-Identifier: Apache-2.0
//
//  An index is made over the rows of one segment (kith_rows_t: lent by the caller, they outlive the index) and answers with exact scores,
//  whatever codes it walked by. Plain functions on plain memory: the caller brings threads (base/parallel.h), progress, the cancel
//  flag, the memory limit and, for deadlines, a question that is asked now and then. What a search finds goes into
//  kith_topk_t, with kith_score_distance of kith_score as distances.
//
//  Kinds are registered in index.c; index_class.h is what a kind has to bring.
#ifndef KITH_INDEX_H
#define KITH_INDEX_H

#include "base/bits.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/topk.h"
#include "engine/indexes/flat.h"
#include "storage/block_reader.h"
#include "storage/snapshot.h"

#define KITH_INDEX_SECTIONS_MAX 32u    //  of one index file
#define KITH_INDEX_RECORDS                                                               \
    256u    //  section that is read in blocks, where it lies: never copied into memory

typedef enum {
    KITH_INDEX_AUTO = 0,     //  chosen by rows, dimension and memory
    KITH_INDEX_FLAT = 1,     //  no structure: every row is compared
    KITH_INDEX_GRAPH = 2,    //  "graph", alias "hnsw"
    KITH_INDEX_IVF = 3,      //  inverted lists
    KITH_INDEX_DISK = 4,     //  graph in 4 KiB records of a file, codes in memory
    KITH_INDEX_BIN = 5       //  binary vectors
} kith_index_kind_t;

//  How an index codes the vectors that it walks or scans by
typedef enum {
    KITH_CODE_AUTO = 0,       //  by calibration
    KITH_CODE_FLOAT32 = 1,    //  the vectors themselves
    KITH_CODE_SQ8 = 2,        //  a byte a dimension
    KITH_CODE_SQ4 = 3,        //  half a byte a dimension
    KITH_CODE_RABITQ = 4,     //  a bit a dimension
    KITH_CODE_PQ4 = 5         //  4-bit product quantiser in FastScan blocks
} kith_index_code_t;
#define KITH_CODE_LAST KITH_CODE_PQ4

typedef struct {
    kith_index_kind_t kind;
    kith_index_code_t code;
    uint32_t degree;          //  links of a row (graph, disk); 0: by dimension
    uint32_t build_effort;    //  beam width of a build; 0: 150
    uint32_t lists;           //  ivf; 0: by rows
    float recall;             //  what calibration aims at; 0: 0.95
    uint64_t seed;            //  the same seed gives the same index, whatever the threads
    uint64_t memory_max;      //  bytes that the loaded index may take; 0: no limit
    kith_parallel_t *parallel;    //  null: serial
    //  Called now and then with rows done; false cancels the build.
    bool (*progress) (void *arg, uint64_t done, uint64_t of);
    void *progress_arg;
} kith_index_params_t;

//  A search, of one query or many
typedef struct {
    const float
        *queries;          //  nq x dim, 64-byte aligned (binary rows: nq x dim / 8 bytes)
    const float *norms;    //  kith_norm of each; null unless cosine
    uint32_t nq;
    uint32_t k;
    uint32_t effort;    //  explicit: beam width, lists or candidates; 0: by recall
    float recall;       //  wanted; 0: what the index was built for
    const kith_bits_t *live;    //  rows that may be answered; null: all
    uint32_t part;              //  of the hits
    uint64_t first_row;         //  added to each hit's row
    bool (*stop) (
        void *arg);    //  deadline and cancel: true ends the search; null: never
    void *stop_arg;
} kith_index_query_t;

//  A range: all rows whose distance (kith_score_distance) is at most `radius` and more than `beyond` (-inf: no inner border).
typedef struct {
    float radius;
    float beyond;
    uint32_t most;    //  rows, the nearest of the range; KITH_K_MAX at most
} kith_index_range_t;

typedef struct {
    kith_index_kind_t kind;
    kith_index_code_t code;
    uint32_t rows;
    uint32_t degree;    //  graph, disk
    uint32_t lists;     //  ivf
    uint64_t bytes;     //  in memory beside the vectors
    float recall;       //  calibrated at `effort`
    uint32_t effort;
    float reads, hops;    //  disk: of a query at `effort`, as in kith_index_cost_t
} kith_index_info_t;

//  What a search cost of a file
typedef struct {
    uint64_t reads;        //  blocks
    uint64_t hops;         //  reads of which each was found by the one before
    const char *reader;    //  "io_uring", "pread", "memory"; "" if nothing was read
} kith_index_cost_t;

typedef struct kith_index kith_index_t;

//  Scratch memory of searches, reused by one thread at a time for indexes of all kinds; grows as needed.
typedef struct kith_index_scratch kith_index_scratch_t;
kith_index_scratch_t *kith_index_scratch_new (void);
void kith_index_scratch_destroy (kith_index_scratch_t **self_p);

//  Kind and code of a name ("graph", "hnsw", "sq4"); -1 with the names that are allowed.
int kith_index_kind_of (const char *name, kith_index_kind_t *kind, kith_error_t *error);
int kith_index_code_of (const char *name, kith_index_code_t *code, kith_error_t *error);
const char *kith_index_kind_name (kith_index_kind_t kind);
const char *kith_index_code_name (kith_index_code_t code);

//  Puts a kind in the place of AUTO; other kinds stay. INVALID: the kind or code makes no sense for such rows.
int kith_index_settle (const kith_rows_t *rows, kith_index_params_t *params,
                       kith_error_t *error);

//  Bytes that a build needs beside the vectors, and that the loaded index will: told before either begins.
uint64_t
kith_index_build_bytes (const kith_rows_t *rows, const kith_index_params_t *params);
uint64_t
kith_index_load_bytes (const kith_rows_t *rows, const kith_index_params_t *params);

//  Trains, builds and calibrates over all rows. CANCELLED, NO_MEMORY (also: would take more than memory_max) or INVALID.
kith_index_t *kith_index_build (const kith_rows_t *rows,
                                const kith_index_params_t *params, kith_error_t *error);
void kith_index_destroy (kith_index_t **self_p);

//  Sections to store: they point into the index. Returns how many.
size_t kith_index_sections (const kith_index_t *self,
                            kith_section_t sections [KITH_INDEX_SECTIONS_MAX]);

//  Uses stored sections in place (they outlive the index). Every id, count and position is checked against rows: hostile
//  bytes end in CORRUPT. rows are those of the build.
kith_index_t *kith_index_open (const kith_rows_t *rows, const kith_section_t *sections,
                               size_t count, kith_error_t *error);

//  Reads the records (KITH_INDEX_RECORDS) from these blocks from now on, not from the section; before the first search. blocks are
//  taken, also on failure: they are not as many bytes as the records (CORRUPT), or this kind has none (INVALID). With blocks of a
//  file the section need not outlive this call, and is none of the sections that the index gives.
int
kith_index_use_blocks (kith_index_t *self, kith_blocks_t **blocks_p, kith_error_t *error);

//  Pushes the k nearest that it finds into tops [0 .. nq); adds the rows compared to *compared (may be null). CANCELLED: query->stop
//  said so, the tops hold what was found until then. IO, CORRUPT: a record could not be read or is damaged; NO_MEMORY.
int kith_index_search (const kith_index_t *self, const kith_index_query_t *query,
                       kith_index_scratch_t *scratch, kith_topk_t *tops,
                       uint64_t *compared, kith_error_t *error);

//  What the last search with this scratch of an index of self's kind cost, over all its queries.
void kith_index_explain (const kith_index_t *self, const kith_index_scratch_t *scratch,
                         kith_index_cost_t *cost);

//  The rows of a range about one query (query->k is ignored), the nearest first, sorted; top is initialised here and freed by the caller.
int kith_index_range (const kith_index_t *self, const kith_index_query_t *query,
                      const kith_index_range_t *range, kith_index_scratch_t *scratch,
                      kith_topk_t *top, kith_error_t *error);

//  Walks outward from one query: each call of next appends up to `count` further hits, in order of distance as far as the index
//  can tell, none twice. query and its vectors are copied; live must outlive the iterator. Returns how many; 0: there are no more.
typedef struct kith_index_iterator kith_index_iterator_t;
kith_index_iterator_t *
kith_index_iterator_new (const kith_index_t *self, const kith_index_query_t *query);
void kith_index_iterator_destroy (kith_index_iterator_t **self_p);
uint32_t
kith_index_iterator_next (kith_index_iterator_t *self, kith_index_scratch_t *scratch,
                          kith_hit_t *hits, uint32_t count);

//  Scores rows exactly and pushes those that are live: the last step of every search, for the caller's own candidates.
void kith_index_rerank (const kith_index_t *self, const kith_index_query_t *query,
                        const uint32_t *rows, uint32_t count, kith_topk_t *top);

//  Calibrated effort for a recall@k, and the recall@10 that was measured at an effort (1: exact).
uint32_t kith_index_effort (const kith_index_t *self, float recall, uint32_t k);
float kith_index_recall (const kith_index_t *self, uint32_t effort);
kith_index_kind_t kith_index_kind (const kith_index_t *self);

void kith_index_describe (const kith_index_t *self, kith_index_info_t *info);

#endif
