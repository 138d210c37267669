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

//  A beam too wide for a guide
static void
s_put_each (kith_near_put_t *put, const kith_near_t *sorted, uint32_t count)
{
    kith_near_t *near = put->near;
    for (uint32_t index = 0; index < count; index++) {
        uint32_t place = put->size;
        while (place > 0 && near [place - 1].distance > sorted [index].distance)
            place--;
        if (place == put->capacity)
            return;
        put->size += put->size < put->capacity;
        memmove (near + place + 1, near + place, (put->size - 1 - place) * sizeof *near);
        near [place] = sorted [index];
        put->first = place < put->first ? place : put->first;
    }
}

static void
s_merge (kith_near_put_t *put, const s_fresh_t *fresh, uint32_t count)
{
    kith_near_t sorted [FRESH_MAX + EIGHT];    //  s_spread reads eight
    uint8_t gaps [BEAM_MAX / EIGHT + 1];
    s_sort (fresh, count, sorted);
    if (put->capacity > BEAM_MAX) {
        s_put_each (put, sorted, count);
        return;
    }
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

void
kith_fill_near_avx512 (kith_kernels_t *table)
{
    table->near_put = s_put;
}
