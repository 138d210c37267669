//  disk_layout.h - what the files of the disk index share: blocks of records, what stays in memory, a search under way
//  SPDX-License-Identifier: Apache-2.0
//
//  A block of one or more pages of 4 KiB is the unit of every read. It holds nodes: a row's number, its norm, its links and its
//  vector, so that one read gives the exact score and the way on. Block b is:
//
//      u32 crc        CRC32C of the rest of the block
//      u32 number     b: a block read from the wrong place is found out
//      u32 nodes      1 .. per_block
//      u32 0
//      per_block times: u32 row, u32 links in use, f32 norm, u32 [degree] rows linked, vector [dim] as rows are stored, zeros to a multiple of 4
//      zeros
//
//  In memory stay the codes by which a search chooses what to read, the block of each row, and a graph over a sample of the rows to begin from.
#ifndef KITH_DISK_LAYOUT_H
#define KITH_DISK_LAYOUT_H

#include "engine/indexes/disk_graph.h"
#include "engine/indexes/index_class.h"
#include "storage/block_reader.h"
#include "storage/huge.h"

#define KITH_DISK_MAGIC 0x33444b48u    //  "HKD3": layout version in the last digit
#define KITH_DISK_HEAD 16u             //  bytes of a block before its nodes
#define KITH_DISK_NODE 12u             //  bytes of a node before its links
#define KITH_DISK_DEGREE_MAX 256u
#define KITH_DISK_NODES_MAX 64u    //  of a block: at least 12 + 4 * 16 + 4 bytes each
#define KITH_DISK_EFFORT_MAX 65536u
#define KITH_DISK_WIDTH_MIN 4u     //  reads under way when a search begins
#define KITH_DISK_WIDTH_MAX 32u    //  and at most
#define KITH_DISK_SAMPLE 256u      //  rows that calibration asks with
#define KITH_DISK_GRID_MAX 24u     //  calibrated efforts
#define KITH_DISK_ENTRIES 4u       //  rows that a search begins with
#define KITH_DISK_GROUP 4u         //  queries of one call that are answered side by side

//  Section ids
typedef enum {
    KITH_DISK_HEADER = KITH_INDEX_HEADER,
    KITH_DISK_PLACES = 2,    //  u32 [rows]: block of each row
    KITH_DISK_CODES = 3,     //  u8 [rows] [code_bytes]
    KITH_DISK_SCALE = 4,     //  f32 [dim] {middle, half}; rabitq: {middle}
    KITH_DISK_TWINS = 5,     //  u32 [rows]: next equal row; absent if all rows differ
    KITH_DISK_SAMPLE_ROWS = 6,       //  u32 [sampled], ascending
    KITH_DISK_SAMPLE_VECTORS = 7,    //  [sampled] [dim], as rows are stored
    KITH_DISK_SAMPLE_NORMS = 8,      //  f32 [sampled], cosine alone
    KITH_DISK_TRAILERS = 9,          //  f32 [rows] {shift, scale}; absent if in the codes
    KITH_DISK_ENTRY = 32,            //  first of the sections of the sample's graph
    KITH_DISK_ENTRY_END = 64,
    KITH_DISK_RECORDS = KITH_INDEX_RECORDS
} kith_disk_section_id_t;

//  One calibrated effort: as kith_graph_point_t, and what it cost
typedef struct {
    uint32_t effort;
    float recall10, bound10;
    float recall100, bound100;
    float reads, hops;    //  of a query, on average
} kith_disk_point_t;

typedef struct {
    uint32_t magic;
    uint32_t rows, dim, metric;
    uint32_t type;    //  kith_vector_t
    uint32_t degree;
    uint32_t node_bytes;    //  of a node in a block
    uint32_t per_block;     //  nodes
    uint32_t pages;         //  of a block
    uint32_t blocks;
    uint32_t code;    //  kith_index_code_t
    uint32_t code_bytes;
    uint32_t sampled;
    uint32_t grid;
    float recall;    //  what was asked for at the build
    kith_disk_point_t points [KITH_DISK_GRID_MAX];
} kith_disk_header_t;

typedef struct {
    kith_index_t index;    //  first: the index is the handle
    kith_disk_header_t header;
    const kith_disk_header_t *stored;    //  the section, or &header
    const uint32_t *places, *twins, *sample_rows;
    const void *sample_vectors;
    const float *sample_norms;
    const uint8_t *records;    //  mapped, or made by the build; null: in a file alone
    kith_blocks_t *blocks;     //  where reads go
    kith_disk_coder_t *coder;
    kith_graph_t *entry;    //  over the sample
    void *owned [8];        //  freed with the index
    uint32_t owned_count;
} kith_disk_t;

//  What a search cost
typedef struct {
    uint64_t reads;    //  blocks
    uint64_t hops;    //  longest chain of reads of which each was found by the one before
    uint32_t width;    //  reads under way at the end
} kith_disk_cost_t;

//  A node as it lies in a block
typedef struct {
    uint32_t row, count;
    float norm;
    const uint8_t *links;     //  u32 [count], at any address
    const uint8_t *vector;    //  [dim], as rows are stored
} kith_disk_node_t;

typedef struct {
    float distance;
    uint32_t id;    //  with KITH_DISK_TAKEN
} kith_disk_near_t;

#define KITH_DISK_TAKEN 0x80000000u

//  The nearest rows by code, ascending; `next` is the first not taken
typedef struct {
    kith_disk_near_t *near;
    uint32_t size, capacity, next;
    uint32_t room;    //  allocated
} kith_disk_beam_t;

//  A read on its way
typedef struct {
    uint32_t row, block;
    bool done;
    int failed;
    const uint8_t *data;
} kith_disk_flight_t;

//  A search's scratch memory, and its queue of reads
typedef struct kith_disk_scratch {
    kith_disk_code_scratch_t *code;    //  the query as a code
    kith_graph_scratch_t *entry;       //  of the sample's graph
    uint8_t *marks;                    //  marks [row] == epoch: seen in this search
    uint8_t *hops;    //  of a seen row: reads that led to it, with KITH_DISK_READ
    uint32_t marks_count;
    uint8_t epoch;
    kith_disk_beam_t beam;
    kith_disk_beam_t found;    //  rows of a filtered search that may be answered
    uint8_t *rooms;            //  WIDTH_MAX blocks
    size_t rooms_bytes;
    kith_block_reader_t *memory, *file;    //  made when first used
    kith_disk_flight_t flights [KITH_DISK_WIDTH_MAX];
    uint32_t oldest, flying;    //  in flights, a ring
    uint32_t unsent;            //  of the newest: not given to the reader so far
    uint32_t rows [KITH_DISK_DEGREE_MAX];
    float distances [KITH_DISK_DEGREE_MAX];
    uint64_t compared;
    uint32_t offered;    //  rows that came into the answer or were not good enough
    kith_disk_cost_t cost;
    kith_error_t error;    //  code 0: none
    struct kith_disk_scratch
        *more [KITH_DISK_GROUP - 1];    //  of queries answered with it
} kith_disk_scratch_t;

#define KITH_DISK_READ 0x80u        //  its record was scored
#define KITH_DISK_HOPS_MAX 0x7fu    //  more are not told apart

//  A question to the walk
typedef struct {
    const void *query;    //  of the rows' type
    float norm;
    uint32_t k, effort;
    const kith_bits_t *live;    //  null: all
    uint32_t live_count;
    uint64_t reads_max;    //  of a walk: more cost as much as a scan
    uint32_t without;      //  row that is left out (calibration); KITH_DISK_NONE: none
    uint32_t part;
    uint64_t first_row;
    bool (*stop) (void *arg);
    void *stop_arg;
} kith_disk_ask_t;

#define KITH_DISK_NONE 0xffffffffu

//  How a search ended
typedef enum {
    KITH_DISK_ANSWERED = 0,
    KITH_DISK_SHORT = 1,      //  the walk found too few, or cost too much: scan the codes
    KITH_DISK_STOPPED = 2,    //  ask->stop said so
    KITH_DISK_FAILED = 3,     //  scratch->error says why
    KITH_DISK_MORE = 4        //  not yet
} kith_disk_end_t;

//  Sets node_bytes, per_block, pages and blocks from rows, dim, type and degree.
void kith_disk_lay (kith_disk_header_t *header);

//  Bytes of the records.
uint64_t kith_disk_record_bytes (const kith_disk_header_t *header);

//  Makes self free data when it ends (null is fine); returns data.
void *kith_disk_own (kith_disk_t *self, void *data);

//  The node in slot `slot` of a sound block.
static inline kith_disk_node_t
kith_disk_node (const kith_disk_header_t *header, const uint8_t *block, uint32_t slot)
{
    const uint8_t *at = block + KITH_DISK_HEAD + (size_t) slot * header->node_bytes;
    kith_disk_node_t node = {.links = at + KITH_DISK_NODE,
                             .vector = at + KITH_DISK_NODE + 4 * (size_t) header->degree};
    memcpy (&node.row, at, 4);
    memcpy (&node.count, at + 4, 4);
    memcpy (&node.norm, at + 8, 4);
    return node;
}

//  Makes a block sound: its number and its checksum.
void kith_disk_block_close (const kith_disk_header_t *header, uint8_t *block,
                            uint32_t number, uint32_t nodes);

//  Why block `number` is none of this index's; null: it is sound.
const char *
kith_disk_block_fault (const kith_disk_t *self, const uint8_t *block, uint32_t number);

//  Links of a row: `wanted` rounded, 0: by dimension and type. Codes in memory (AUTO: sq4, or
//  rabitq where memory_max allows no more), and all the bytes there with those. Rows in the sample. How the sample's graph is built.
uint32_t kith_disk_degree (const kith_rows_t *rows, uint32_t wanted);
kith_index_code_t
kith_disk_code (const kith_rows_t *rows, const kith_index_params_t *params);
uint64_t kith_disk_load_bytes (const kith_rows_t *rows, kith_index_code_t code,
                               const kith_index_params_t *params);
uint32_t kith_disk_sampled (uint32_t rows);
kith_graph_params_t kith_disk_sample_params (const kith_index_params_t *params);

//  Lays out what a graph build found: places, records, sample. NO_MEMORY or CANCELLED.
int kith_disk_pack (kith_disk_t *self, const kith_disk_links_t *links,
                    const kith_index_params_t *params, kith_error_t *error);

//  Opens stored sections, in place.
kith_index_t *kith_disk_open (const kith_rows_t *rows, const kith_section_t *sections,
                              size_t count, kith_error_t *error);
void kith_disk_destroy (kith_disk_t **self_p);
size_t kith_disk_sections (const kith_disk_t *self, kith_section_t *sections);
kith_rows_t kith_disk_sample (const kith_disk_t *self);    //  as rows of the entry graph

kith_disk_scratch_t *kith_disk_scratch_new (void);
void kith_disk_scratch_destroy (kith_disk_scratch_t **self_p);

//  Room, query and code for a search; false: no memory (scratch->error).
bool kith_disk_prepare (const kith_disk_t *self, kith_disk_scratch_t *scratch,
                        const kith_disk_ask_t *ask);

//  A search on its way through the graph
typedef struct {
    const kith_disk_t *self;
    kith_disk_scratch_t *scratch;
    const kith_disk_ask_t *ask;
    kith_topk_t *top;
    uint32_t streak;    //  reads of use, one after another
    uint32_t met,
        met_live;    //  rows found by links, and of them those that may be answered
} kith_disk_walk_t;

//  Sends the first reads of a walk, after kith_disk_prepare. False: no memory (scratch->error).
bool kith_disk_walk_begin (kith_disk_walk_t *walk);

//  Waits for one read, takes it and sends those that follow from it. MORE: to be called again; else nothing is under way any more.
kith_disk_end_t kith_disk_walk_step (kith_disk_walk_t *walk);

//  Best-first through the graph, dozens of reads ahead: see disk_walk.c. After kith_disk_prepare.
kith_disk_end_t kith_disk_walk (const kith_disk_t *self, kith_disk_scratch_t *scratch,
                                const kith_disk_ask_t *ask, kith_topk_t *top);

//  Compares all codes that may be answered and reads the best of them. After kith_disk_prepare, or a walk that was short.
kith_disk_end_t kith_disk_scan (const kith_disk_t *self, kith_disk_scratch_t *scratch,
                                const kith_disk_ask_t *ask, kith_topk_t *top);

//  Empties a beam; false: no memory.
bool kith_disk_beam_reset (kith_disk_beam_t *beam, uint32_t capacity);

//  Puts a row where it belongs unless it is worse than all of a full beam; id may have KITH_DISK_TAKEN.
void kith_disk_beam_put (kith_disk_beam_t *beam, float distance, uint32_t id);

//  Takes the first row that is not taken.
uint32_t kith_disk_beam_take (kith_disk_beam_t *beam);

static inline float
kith_disk_beam_worst (const kith_disk_beam_t *beam)
{
    return beam->size < beam->capacity ? __builtin_inff ()
                                       : beam->near [beam->size - 1].distance;
}

//  The pipeline: reads of whole blocks come back in the order in which they were sent, so that an answer does not depend on how fast
//  each was. send: asks for row's block unless it is under way.
void kith_disk_send (const kith_disk_t *self, kith_disk_scratch_t *scratch, uint32_t row);

//  Gives the reader what was sent.
void kith_disk_flush (const kith_disk_t *self, kith_disk_scratch_t *scratch);

//  Waits for the oldest. Null: it failed, or is not sound (scratch->error).
const uint8_t *kith_disk_wait (const kith_disk_t *self, kith_disk_scratch_t *scratch,
                               kith_disk_flight_t *flight);

//  Waits for all, wanted or not: their rooms are used again.
void kith_disk_drain (kith_disk_scratch_t *scratch);

//  What this search knows of a row
static inline bool
kith_disk_seen (const kith_disk_scratch_t *scratch, uint32_t row)
{
    return scratch->marks [row] == scratch->epoch;
}

static inline bool
kith_disk_read (const kith_disk_scratch_t *scratch, uint32_t row)
{
    return kith_disk_seen (scratch, row) && (scratch->hops [row] & KITH_DISK_READ);
}

static inline void
kith_disk_see (kith_disk_scratch_t *scratch, uint32_t row, uint32_t hops)
{
    scratch->marks [row] = scratch->epoch;
    scratch->hops [row] =
        (uint8_t) (hops < KITH_DISK_HOPS_MAX ? hops : KITH_DISK_HOPS_MAX);
}

//  Scores a node exactly and offers it and its twins, each row once in a search.
void kith_disk_offer (const kith_disk_t *self, kith_disk_scratch_t *scratch,
                      const kith_disk_ask_t *ask, const kith_disk_node_t *node,
                      kith_topk_t *top);

//  Answers the queries of a call: see disk_search.c.
kith_disk_end_t
kith_disk_search (const kith_disk_t *self, const kith_index_query_t *query,
                  kith_disk_scratch_t *scratch, kith_topk_t *tops, uint64_t *compared);

//  Measures recall -> effort on rows themselves; false: failed (error).
bool kith_disk_calibrate (kith_disk_t *self, const kith_index_params_t *params,
                          kith_error_t *error);
uint32_t kith_disk_effort (const kith_disk_t *self, float recall, uint32_t k);
float kith_disk_recall (const kith_disk_t *self, uint32_t effort);

//  Reads and hops of a query, as measured about that effort; 0: not measured.
void
kith_disk_cost_at (const kith_disk_t *self, uint32_t effort, float *reads, float *hops);

//  How many codes of a scan are worth a read for k answers.
static inline uint32_t
kith_disk_depth (uint32_t k)
{
    return 2 * (2 * k + 40);
}

#endif
