//  near_avx512.c - nodes put into a sorted beam, without branches on what is near: AVX-512 F
//  SPDX-License-Identifier: Apache-2.0
//
//  Which of a step's nodes are near enough, and where they belong, cannot be foretold: branches on it are missed half of the time. So what is
//  near enough is compressed into a register of sixteen, sorted by counting what comes before each, and its place in the beam is
//  counted too: first among the first of every eight nodes, then among eight. The beam is then moved by eights, from its end: vpexpandq opens the gaps.
#include <immintrin.h>
#include <math.h>

#include "engine/kernels/isa.h"

enum {
    FRESH_MAX = 16,     //  nodes of one merge
    BEAM_MAX = 8192,    //  nodes of a beam whose guide finds room on the stack
    EIGHT = 8
};

typedef struct {
    float distances [2 * FRESH_MAX];
    uint32_t ids [2 * FRESH_MAX];
    uint32_t count;
} s_fresh_t;

//  Sorts the first FRESH_MAX at most, ascending; of equal ones the earlier stays first
static void
s_sort (const s_fresh_t *fresh, uint32_t count, kith_near_t *sorted)
{
    const __m512 all = _mm512_loadu_ps (fresh->distances);
    __m512i rank = _mm512_setzero_si512 ();
    for (uint32_t index = 0; index < count; index++) {
        const __m512 one = _mm512_set1_ps (fresh->distances [index]);
        const __mmask16 later = (__mmask16) (0xfffeu << index);
        const __mmask16 behind = _mm512_mask_cmp_ps_mask (later, one, all, _CMP_LE_OQ)
                                 | _mm512_cmp_ps_mask (one, all, _CMP_LT_OQ);
        rank = _mm512_mask_add_epi32 (rank, behind, rank, _mm512_set1_epi32 (1));
    }
    uint32_t places [FRESH_MAX];
    _mm512_storeu_si512 (places, rank);
    for (uint32_t index = 0; index < count; index++)
        sorted [places [index]] =
            (kith_near_t){.distance = fresh->distances [index], .id = fresh->ids [index]};
}

//  The first distance of every eight nodes of a beam, which tell where to look
typedef struct {
    const kith_near_t *near;
    uint32_t size;
    uint32_t count;    //  of firsts
    __m512 firsts [BEAM_MAX / EIGHT / 16];
} s_guide_t;

static void
s_guide (const kith_near_put_t *put, s_guide_t *guide)
{
    const __m512i strides = _mm512_mullo_epi32 (
        _mm512_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_set1_epi32 (EIGHT));
    guide->near = put->near;
    guide->size = put->size;
    guide->count = 0;
    for (uint32_t first = 0; first < put->size; first += 16 * EIGHT) {
        const uint32_t left = (put->size - first + EIGHT - 1) / EIGHT;
        const __mmask16 there = left < 16 ? (__mmask16) ((1u << left) - 1) : 0xffff;
        guide->firsts [guide->count++] =
            _mm512_mask_i32gather_ps (_mm512_set1_ps (INFINITY), there, strides,
                                      put->near + first, sizeof (kith_near_t));
    }
}

//  How many nodes of the beam are no farther
static inline uint32_t
s_no_farther (const s_guide_t *guide, float distance)
{
    const __m512 one = _mm512_set1_ps (distance);
    uint32_t block = 0;
    for (uint32_t index = 0; index < guide->count; index++)
        block += (uint32_t) __builtin_popcount (
            _mm512_cmp_ps_mask (guide->firsts [index], one, _CMP_LE_OQ));
    if (block == 0)
        return 0;
    const uint32_t base = (block - 1) * EIGHT, left = guide->size - base;
    const __mmask16 distances =
        left < EIGHT ? (__mmask16) (((1u << 2 * left) - 1) & 0x5555) : 0x5555;
    const __m512 eight = _mm512_maskz_loadu_ps (distances, guide->near + base);
    return base
           + (uint32_t) __builtin_popcount (
               _mm512_mask_cmp_ps_mask (distances, eight, one, _CMP_LE_OQ));
}

//  Moves the beam from `first` on to open a gap at each bit of gaps, and fills it; count: gaps
static void
s_spread (kith_near_put_t *put, const uint8_t *gaps, const kith_near_t *fresh,
          uint32_t count, uint32_t size)
{
    kith_near_t *near = put->near;
    for (uint32_t block = (size - 1) / EIGHT + 1; count > 0;) {
        block--;
        const __mmask8 gap = gaps [block];
        count -= (uint32_t) __builtin_popcount (gap);
        //  Before this block there are `count` gaps
        const uint32_t from = block * EIGHT - count;
        const uint32_t left = put->size > from ? put->size - from : 0;
        const __mmask8 there = left < EIGHT ? (__mmask8) ((1u << left) - 1) : 0xff;
        __m512i eight = _mm512_maskz_loadu_epi64 (there, near + from);
        eight = _mm512_maskz_expand_epi64 ((__mmask8) ~gap, eight);
        eight = _mm512_mask_expand_epi64 (eight, gap, _mm512_loadu_si512 (fresh + count));
        _mm512_storeu_si512 (near + block * EIGHT, eight);
    }
}

static void
s_merge (kith_near_put_t *put, const s_fresh_t *fresh, uint32_t count)
{
    kith_near_t sorted [FRESH_MAX + EIGHT];    //  s_spread reads eight
    uint8_t gaps [BEAM_MAX / EIGHT + 1];
    s_sort (fresh, count, sorted);
    s_guide_t guide;
    s_guide (put, &guide);
    const uint32_t least = s_no_farther (&guide, sorted [0].distance);
    const uint32_t size =
        put->size + count < put->capacity ? put->size + count : put->capacity;
    if (least >= put->capacity)
        return;
    for (uint32_t block = least / EIGHT; block <= size / EIGHT; block++)
        gaps [block] = 0;
    uint32_t kept = 0;
    for (uint32_t index = 0; index < count; index++) {
        const uint32_t place = index + s_no_farther (&guide, sorted [index].distance);
        const bool in = place < size;
        gaps [(in ? place : size) / EIGHT] |= (uint8_t) (in << place % EIGHT);
        kept += in;
    }
    s_spread (put, gaps, sorted, kept, size);
    put->size = size;
    put->first = least < put->first ? least : put->first;
}

static void
s_put (kith_near_put_t *put)
{
    if (put->capacity > BEAM_MAX) {
        kith_near_put_scalar (put);
        return;
    }
    s_fresh_t fresh = {.count = 0};
    float worst = kith_near_worst (put);
    for (uint32_t index = 0; index < put->count; index += FRESH_MAX) {
        const uint32_t left = put->count - index;
        const __mmask16 there =
            left < FRESH_MAX ? (__mmask16) ((1u << left) - 1) : 0xffff;
        const __m512 distances = _mm512_maskz_loadu_ps (there, put->distances + index);
        const __m512i ids = _mm512_maskz_loadu_epi32 (there, put->ids + index);
        const __mmask16 near = _mm512_mask_cmp_ps_mask (
            there, distances, _mm512_set1_ps (worst), _CMP_LT_OQ);
        _mm512_storeu_ps (fresh.distances + fresh.count,
                          _mm512_maskz_compress_ps (near, distances));
        _mm512_storeu_si512 (fresh.ids + fresh.count,
                             _mm512_maskz_compress_epi32 (near, ids));
        fresh.count += (uint32_t) __builtin_popcount (near);
        if (fresh.count < FRESH_MAX)
            continue;
        s_merge (put, &fresh, FRESH_MAX);
        fresh.count -= FRESH_MAX;
        memcpy (fresh.distances, fresh.distances + FRESH_MAX, sizeof fresh.distances / 2);
        memcpy (fresh.ids, fresh.ids + FRESH_MAX, sizeof fresh.ids / 2);
        worst = kith_near_worst (put);
    }
    if (fresh.count)
        s_merge (put, &fresh, fresh.count);
}

//  ---------------------------------------------------------------------
//  The nearest of many

//  Sixteen nodes, those that are there
typedef struct {
    __m512i low, high;
    __mmask16 there;
} s_nodes_t;

static inline s_nodes_t
s_nodes (const kith_near_t *near, uint32_t count, uint32_t index)
{
    const uint32_t left = count - index;
    const __mmask16 there = left < 16 ? (__mmask16) ((1u << left) - 1) : 0xffff;
    return (s_nodes_t){.low = _mm512_maskz_loadu_epi64 ((__mmask8) there, near + index),
                       .high = _mm512_maskz_loadu_epi64 ((__mmask8) (there >> EIGHT),
                                                         near + index + EIGHT),
                       .there = there};
}

//  kith_near_key of each
static inline __m512i
s_keys (const s_nodes_t *nodes)
{
    const __m512i evens =
        _mm512_setr_epi32 (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i bits = _mm512_permutex2var_epi32 (nodes->low, evens, nodes->high);
    return _mm512_xor_si512 (bits, _mm512_srli_epi32 (_mm512_srai_epi32 (bits, 31), 1));
}

static uint32_t
s_count (const kith_near_t *near, uint32_t count, int32_t key)
{
    const __m512i most = _mm512_set1_epi32 (key);
    uint32_t found = 0;
    for (uint32_t index = 0; index < count; index += 16) {
        const s_nodes_t nodes = s_nodes (near, count, index);
        found += (uint32_t) __builtin_popcount (
            _mm512_mask_cmple_epi32_mask (nodes.there, s_keys (&nodes), most));
    }
    return found;
}

//  Appends the wanted of eight nodes; returns how many there are then
static inline uint32_t
s_append (kith_near_t *near, uint32_t kept, uint32_t wanted, __m512i eight)
{
    const uint32_t more = (uint32_t) __builtin_popcount (wanted);
    _mm512_mask_storeu_epi64 (near + kept, (__mmask8) ((1u << more) - 1),
                              _mm512_maskz_compress_epi64 ((__mmask8) wanted, eight));
    return kept + more;
}

//  Nodes with less than a key, and of those with just that key the first `equal`. No store goes beyond what is read already.
static void
s_keep_nearest (kith_near_t *near, uint32_t count, int32_t key, uint32_t equal)
{
    const __m512i most = _mm512_set1_epi32 (key);
    uint32_t kept = 0;
    for (uint32_t index = 0; index < count; index += 16) {
        const s_nodes_t nodes = s_nodes (near, count, index);
        const __m512i keys = s_keys (&nodes);
        uint32_t wanted = _mm512_mask_cmplt_epi32_mask (nodes.there, keys, most);
        uint32_t last = _mm512_mask_cmpeq_epi32_mask (nodes.there, keys, most);
        for (; last && equal; last &= last - 1, equal--)
            wanted |= last & -last;
        kept = s_append (near, kept, wanted & 0xff, nodes.low);
        kept = s_append (near, kept, wanted >> EIGHT, nodes.high);
    }
}

//  As in near_scalar.c, but an end as soon as a key divides the nodes as wanted
static float
s_select (kith_near_t *near, uint32_t count, uint32_t most)
{
    __m512i least = _mm512_set1_epi32 (INT32_MAX),
            largest = _mm512_set1_epi32 (INT32_MIN);
    for (uint32_t index = 0; index < count; index += 16) {
        const s_nodes_t nodes = s_nodes (near, count, index);
        const __m512i keys = s_keys (&nodes);
        least = _mm512_mask_min_epi32 (least, nodes.there, least, keys);
        largest = _mm512_mask_max_epi32 (largest, nodes.there, largest, keys);
    }
    int32_t low = _mm512_reduce_min_epi32 (least),
            high = _mm512_reduce_max_epi32 (largest);
    uint32_t within = count;
    while (low < high && within != most) {
        const int32_t middle = kith_near_between (low, high);
        const uint32_t found = s_count (near, count, middle);
        if (found < most)
            low = middle + 1;
        else {
            high = middle;
            within = found;
        }
    }
    //  All nodes up to `high` are wanted, or of those with that very key the first
    uint32_t equal = most;
    if (within != most)
        equal -= s_count (near, count, high - 1);
    s_keep_nearest (near, count, high, equal);
    if (within != most)
        return kith_near_of_key (high);
    largest = _mm512_set1_epi32 (INT32_MIN);
    for (uint32_t index = 0; index < most; index += 16) {
        const s_nodes_t nodes = s_nodes (near, most, index);
        largest = _mm512_mask_max_epi32 (largest, nodes.there, largest, s_keys (&nodes));
    }
    return kith_near_of_key (_mm512_reduce_max_epi32 (largest));
}

void
kith_fill_near_avx512 (kith_kernels_t *table)
{
    table->near_put = s_put;
    table->near_select = s_select;
}
