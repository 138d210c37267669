//  flat.c - exact search over rows of one contiguous block
//  SPDX-License-Identifier: Apache-2.0
//
//  Few queries: the score kernels over blocks of rows that stay in cache while all queries pass. Many: BLAS tiles whose
//  products, with a margin for the rounding of both sides, only tell which rows cannot enter; the others get the exact score,
//  so that answers do not depend on how many queries came together. float16 and bfloat16 become float32 for BLAS, exactly, so that
//  the float32 kernels give their scores too; int8 and binary vectors are compared by their own kernels, which are faster than BLAS.
#include "engine/indexes/flat.h"

#include <float.h>
#include <math.h>

#include "base/bytes.h"
#include "engine/kernels/gemm.h"

enum {
    BLOCK = 256,       //  rows that one bound is applied to
    LISTED = 4096,     //  rows listed before they are compared
    TILE = 512,        //  rows of one BLAS tile
    QUERIES = 1024,    //  queries of one BLAS tile, each of which packs its rows anew
    SPAN = 1024,       //  rows compared in one stream though not all are live
    WASTE =
        192,      //  bytes of dead rows read for a live one, which fetching it would cost
    AHEAD = 8,    //  gathered rows asked for before their turn
    MANY = 8      //  from so many queries on BLAS wins
};

typedef struct {
    const kith_rows_t *rows;
    const kith_kernels_t *kernels;
    kith_measure_t measure;
    size_t bytes;           //  of a vector
    const void *queries;    //  of the rows' type
    const float *wide;      //  the same as float32, for BLAS
    const float *query_norms;
    uint32_t nq;
    uint32_t part;
    uint64_t first_row;
    kith_topk_t *tops;
} s_search_t;

//  Rows of one tile, with what the bound needs to know of them
typedef struct {
    uint32_t ids [TILE + KITH_SET_MORE];
    uint32_t count;
    const float *vectors;    //  count x dim: of the block itself, or packed
    float *packed;           //  TILE x dim, null while not needed
    float scale [TILE];      //  see kith_keep_t
    float shift [TILE];
    float norm_max;
} s_tile_t;

static const void *
s_vector (const s_search_t *search, uint32_t row)
{
    return (const char *) search->rows->vectors + row * search->bytes;
}

static void
s_offer (const s_search_t *search, uint32_t query, uint32_t row, float product)
{
    const kith_rows_t *rows = search->rows;
    float norm = rows->norms ? rows->norms [row] : 0;
    float query_norm = search->query_norms ? search->query_norms [query] : 0;
    float score = kith_score_of_product (rows->metric, product, query_norm, norm);
    float distance = kith_score_distance (rows->metric, score);
    if (distance <= kith_topk_worst (&search->tops [query]))
        kith_topk_push (&search->tops [query],
                        (kith_hit_t){.distance = distance,
                                     .part = search->part,
                                     .row = row + search->first_row});
}

//  Ids of the live rows from *next_p on, a multiple of 64, as many as there is room for; moves *next_p behind them. Returns how many.
static uint32_t
s_list (const s_search_t *search, const kith_bits_t *live, uint32_t *next_p,
        uint32_t room, uint32_t *ids)
{
    const uint32_t rows = search->rows->rows;
    uint32_t found = 0;
    if (!live)
        for (; *next_p < rows && found < room; *next_p += 1)
            ids [found++] = *next_p;
    if (*next_p >= rows || !live)
        return found;
    kith_set_t set = {.words = live->words, .count = rows / 64, .next = *next_p / 64};
    found = search->kernels->set_list (&set, room, ids);
    *next_p = set.next * 64;
    //  The bits of later rows may be in the last word
    if (set.next == set.count && rows % 64 && found + 64 <= room) {
        uint64_t word = live->words [set.next] & (((uint64_t) 1 << rows % 64) - 1);
        for (; word; word &= word - 1)
            ids [found++] = *next_p + (uint32_t) __builtin_ctzll (word);
        *next_p = rows;
    }
    return found;
}

//  ---------------------------------------------------------------------
//  Few queries

//  The first lines of a row that no neighbour brings along; the hardware finds the rest
static void
s_prefetch (const s_search_t *search, uint32_t row)
{
    const char *vector = s_vector (search, row);
    for (size_t at = 0; at < search->bytes && at < 512; at += 64)
        __builtin_prefetch (vector + at);
}

//  Products of all rows from the first id to the last, of which those of the ids are kept
static void
s_products_dense (const s_search_t *search, const void *query, const uint32_t *ids,
                  uint32_t count, float *products)
{
    float all [SPAN];
    uint32_t span = ids [count - 1] - ids [0] + 1;
    search->measure.rows (query, s_vector (search, ids [0]), search->bytes, span,
                          search->rows->dim, all);
    for (uint32_t index = 0; index < count; index++)
        products [index] = all [ids [index] - ids [0]];
}

static void
s_products (const s_search_t *search, const void *query, const uint32_t *ids,
            uint32_t count, float *products)
{
    const kith_measure_t *measure = &search->measure;
    uint32_t dim = search->rows->dim;
    uint32_t span = ids [count - 1] - ids [0] + 1;
    if (span == count) {
        measure->rows (query, s_vector (search, ids [0]), search->bytes, count, dim,
                       products);
        return;
    }
    if (span <= SPAN && (span - count) * search->bytes <= count * (size_t) WASTE) {
        s_products_dense (search, query, ids, count, products);
        return;
    }
    uint32_t index = 0;
    for (; index + 4 <= count; index += 4) {
        const void *gathered [4];
        for (uint32_t ahead = index + AHEAD; ahead < index + AHEAD + 4 && ahead < count;
             ahead++)
            s_prefetch (search, ids [ahead]);
        for (uint32_t each = 0; each < 4; each++)
            gathered [each] = s_vector (search, ids [index + each]);
        measure->four (query, gathered, dim, products + index);
    }
    for (; index < count; index++)
        products [index] = measure->pair (query, s_vector (search, ids [index]), dim);
}

//  Offers what is not plainly worse than the worst held. Cosine would divide for each row: a product with a little slack tells as much.
static void
s_offer_block (const s_search_t *search, uint32_t query, const uint32_t *ids,
               const float *products, uint32_t count)
{
    const float *norms = search->rows->norms;
    kith_metric_t metric = search->rows->metric;
    float query_norm = search->query_norms ? search->query_norms [query] : 0;
    float worst = kith_topk_worst (&search->tops [query]);
    for (uint32_t index = 0; index < count; index++) {
        float distance = kith_score_distance (metric, products [index]);
        float limit = worst;
        if (metric == KITH_METRIC_COSINE) {
            limit = worst * (query_norm * norms [ids [index]]);
            limit += fabsf (limit) * 1e-5f + FLT_MIN;
        }
        if (distance > limit)
            continue;
        s_offer (search, query, ids [index], products [index]);
        worst = kith_topk_worst (&search->tops [query]);
    }
}

static uint64_t
s_search_few (const s_search_t *search, const kith_bits_t *live)
{
    const kith_rows_t *rows = search->rows;
    uint32_t ids [LISTED + KITH_SET_MORE];
    float products [BLOCK];
    uint64_t compared = 0;
    for (uint32_t next = 0; next < rows->rows;) {
        const uint32_t listed = s_list (search, live, &next, LISTED, ids);
        for (uint32_t first = 0; first < listed; first += BLOCK) {
            const uint32_t count = listed - first < BLOCK ? listed - first : BLOCK;
            for (uint32_t query = 0; query < search->nq; query++) {
                s_products (search,
                            (const char *) search->queries + query * search->bytes,
                            ids + first, count, products);
                s_offer_block (search, query, ids + first, products, count);
            }
        }
        compared += (uint64_t) listed * search->nq;
    }
    return compared;
}

//  ---------------------------------------------------------------------
//  Many queries
//
//  Both sums differ from the true product by at most n u |q| |x| (n additions, u = 2^-24); s_slack is twice that for both and
//  for what is computed here. Whatever compares as not a number is kept.

static float
s_slack (uint32_t dim)
{
    return (float) (dim + 32) * 0x1p-22f;
}

static void
s_weigh (const s_search_t *search, s_tile_t *tile)
{
    const kith_rows_t *rows = search->rows;
    float slack = s_slack (rows->dim);
    tile->norm_max = 0;
    for (uint32_t index = 0; index < tile->count; index++) {
        const float *vector = tile->vectors + (size_t) index * rows->dim;
        float norm;
        if (rows->metric == KITH_METRIC_COSINE) {
            //  Below 1e-15 squares lose bits or vanish: such a row is always scored exactly
            norm = rows->norms [tile->ids [index]];
            bool tiny = norm > 0 && norm < 1e-15f;
            tile->scale [index] = norm > 0 && !tiny ? 1 / norm : 0;
            tile->shift [index] = tiny ? -INFINITY : 0;
        }
        else {
            float square = search->kernels->dot (vector, vector, rows->dim);
            norm = sqrtf (square);
            tile->scale [index] = 1;
            tile->shift [index] =
                rows->metric == KITH_METRIC_L2 ? square / 2 - slack * square : 0;
        }
        if (!(norm <= tile->norm_max))
            tile->norm_max = norm;
    }
}

//  What shift - scale * product must not exceed for a row that might still enter
static float
s_limit (const s_search_t *search, uint32_t query, float query_norm, float norm_max)
{
    float worst = kith_topk_worst (&search->tops [query]);
    float slack = s_slack (search->rows->dim);
    float square = query_norm * query_norm;
    if (isinf (worst) || isinf (query_norm * norm_max))
        return INFINITY;
    switch (search->rows->metric) {
        case KITH_METRIC_L2:
            return (worst - square) / 2 + slack * (worst + square) + FLT_MIN;
        case KITH_METRIC_IP:
            return worst + slack * (fabsf (worst) + query_norm * norm_max) + FLT_MIN;
        case KITH_METRIC_COSINE:
            return query_norm < 1e-15f ? INFINITY
                                       : worst * query_norm + slack * query_norm;
        case KITH_METRIC_HAMMING:
        case KITH_METRIC_JACCARD:
            return INFINITY;
    }
    return INFINITY;
}

static void
s_select (const s_search_t *search, const s_tile_t *tile, uint32_t query,
          const float *dots)
{
    const kith_rows_t *rows = search->rows;
    const float *vector = search->wide + (size_t) query * rows->dim;
    kith_pair_fn *pair =
        rows->metric == KITH_METRIC_L2 ? search->kernels->l2 : search->kernels->dot;
    float norm =
        search->query_norms ? search->query_norms [query] : kith_norm (vector, rows->dim);
    uint32_t kept [BLOCK];
    for (uint32_t first = 0; first < tile->count; first += BLOCK) {
        kith_keep_t keep = {.dots = dots + first,
                            .scale = tile->scale + first,
                            .shift = tile->shift + first,
                            .limit = s_limit (search, query, norm, tile->norm_max),
                            .count = tile->count - first < BLOCK ? tile->count - first
                                                                 : BLOCK};
        uint32_t found = search->kernels->keep (&keep, kept);
        for (uint32_t index = 0; index < found; index++) {
            uint32_t at = first + kept [index];
            float product =
                pair (vector, tile->vectors + (size_t) at * rows->dim, rows->dim);
            s_offer (search, query, tile->ids [at], product);
        }
    }
}

//  Lists the next live rows from *next_p on; packs them unless they lie together. False: no more.
static bool
s_tile_fill (const s_search_t *search, const kith_bits_t *live, uint32_t *next_p,
             s_tile_t *tile)
{
    const kith_rows_t *rows = search->rows;
    tile->count = s_list (search, live, next_p, TILE, tile->ids);
    if (tile->count == 0)
        return *next_p < rows->rows;
    tile->vectors = s_vector (search, tile->ids [0]);
    if (rows->type != KITH_VECTOR_FLOAT32
        || tile->ids [tile->count - 1] - tile->ids [0] + 1 != tile->count) {
        for (uint32_t index = 0; index < tile->count; index++) {
            float *to = tile->packed + (size_t) index * rows->dim;
            const void *vector = s_vector (search, tile->ids [index]);
            if (kith_vector_numbers (rows->type, vector, rows->dim, to) != to)
                memcpy (to, vector, rows->dim * sizeof *to);
        }
        tile->vectors = tile->packed;
    }
    s_weigh (search, tile);
    return true;
}

static uint64_t
s_search_many (const s_search_t *search, const kith_bits_t *live, s_tile_t *tile,
               float *products)
{
    const kith_rows_t *rows = search->rows;
    uint64_t compared = 0;
    uint32_t next = 0;
    while (s_tile_fill (search, live, &next, tile)
           && (tile->count || next < rows->rows)) {
        for (uint32_t first = 0; first < search->nq && tile->count; first += QUERIES) {
            uint32_t count = search->nq - first < QUERIES ? search->nq - first : QUERIES;
            kith_gemm (search->wide + (size_t) first * rows->dim, count, rows->dim,
                       tile->vectors, tile->count, rows->dim, rows->dim, products);
            for (uint32_t query = 0; query < count; query++)
                s_select (search, tile, first + query,
                          products + (size_t) query * tile->count);
        }
        compared += (uint64_t) tile->count * search->nq;
    }
    return compared;
}

//  Memory of a search by BLAS; null members: there is none
typedef struct {
    s_tile_t *tile;
    float *products;
    float *wide;    //  queries
} s_memory_t;

static bool
s_memory_take (const s_search_t *search, bool packs, s_memory_t *memory)
{
    bool widens = search->rows->type != KITH_VECTOR_FLOAT32;
    size_t bytes = search->rows->dim * sizeof (float);
    uint32_t width = search->nq < QUERIES ? search->nq : QUERIES;
    memory->tile = kith_alloc64 (sizeof *memory->tile);
    memory->products = kith_alloc64 ((size_t) width * TILE * sizeof (float));
    memory->wide = widens ? kith_alloc64 (search->nq * bytes) : NULL;
    if (memory->tile)
        memory->tile->packed = packs || widens ? kith_alloc64 (TILE * bytes) : NULL;
    return memory->tile && memory->products && (memory->wide || !widens)
           && (memory->tile->packed || !(packs || widens));
}

static void
s_memory_free (s_memory_t *memory)
{
    if (memory->tile)
        free (memory->tile->packed);
    free (memory->tile);
    free (memory->products);
    free (memory->wide);
}

static bool
s_by_blas (const s_search_t *search)
{
    return search->nq >= MANY && search->rows->type != KITH_VECTOR_INT8
           && search->rows->type != KITH_VECTOR_BINARY;
}

uint64_t
kith_flat_search (const kith_rows_t *rows, const void *queries, const float *query_norms,
                  uint32_t nq, const kith_bits_t *live, uint32_t part, uint64_t first_row,
                  kith_topk_t *tops)
{
    bool cosine = rows->metric == KITH_METRIC_COSINE;
    assert (!cosine || (rows->norms && query_norms) || !rows->rows);
    assert (!live || live->count >= rows->rows);
    s_search_t search = {.rows = rows,
                         .kernels = kith_kernels (),
                         .bytes = kith_vector_bytes (rows->type, rows->dim),
                         .queries = queries,
                         .wide = queries,
                         .query_norms = cosine ? query_norms : NULL,
                         .nq = nq,
                         .part = part,
                         .first_row = first_row,
                         .tops = tops};
    bool sensible =
        kith_kernels_measure (search.kernels, rows->type, rows->metric, &search.measure);
    assert (sensible);
    if (!s_by_blas (&search))
        return s_search_few (&search, live);
    uint64_t compared;
    s_memory_t memory;
    if (s_memory_take (&search, live != NULL, &memory)) {
        if (memory.wide)
            search.wide = kith_vector_numbers (rows->type, queries,
                                               (size_t) nq * rows->dim, memory.wide);
        compared = s_search_many (&search, live, memory.tile, memory.products);
    }
    else
        compared = s_search_few (&search, live);
    s_memory_free (&memory);
    return compared;
}
