//  graph_walk.c - the search loop of the graph: beam, marks, distances
//  SPDX-License-Identifier: Apache-2.0
//
//  What costs time is waiting for memory: links of the next node and vectors (or codes) of a whole row are asked for
//  before they are used. The beam is one sorted array; no heap comes near it at widths below thousands.
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/graph_layout.h"

enum {
    LINE = 64,
    EXPAND = 2,        //  nodes expanded at once
    EXPAND_MAX = 6,    //  by a beam of WIDE nodes: what is next is known further ahead
    WIDE = 128,
    LINES_AHEAD = 8    //  of a vector; the rest the hardware finds
};

kith_graph_scratch_t *
kith_graph_scratch_new (void)
{
    return kith_new (sizeof (kith_graph_scratch_t));
}

void
kith_graph_scratch_destroy (kith_graph_scratch_t **self_p)
{
    assert (self_p);
    kith_graph_scratch_t *self = *self_p;
    if (!self)
        return;
    free (self->marks);
    kith_bits_free (&self->alive);
    free (self->beam.near);
    free (self->vector);
    free (self->stored);
    free (self->code);
    free (self);
    *self_p = NULL;
}

//  ---------------------------------------------------------------------
//  Beam

bool
kith_graph_beam_reset (kith_graph_beam_t *beam, uint32_t capacity)
{
    beam->size = 0;
    beam->next = 0;
    beam->capacity = capacity;
    beam->window = capacity;
    if (capacity > beam->room) {
        free (beam->near);
        beam->room = 0;
        beam->near =
            kith_alloc64 ((capacity + (size_t) KITH_NEAR_MORE) * sizeof *beam->near);
        if (!beam->near)
            return false;
        beam->room = capacity;
    }
    return true;
}

bool
kith_graph_beam_begin (const kith_graph_t *self, kith_graph_beam_t *beam, uint32_t effort,
                       uint32_t k)
{
    const uint32_t kept = kith_graph_kept (self, k, effort);
    if (!kith_graph_beam_reset (beam, effort > kept ? effort : kept))
        return false;
    beam->window = effort;
    return true;
}

void
kith_graph_beam_put (kith_graph_beam_t *beam, float distance, uint32_t id)
{
    uint32_t size = beam->size;
    if (size == beam->capacity) {
        if (size == 0 || !(distance < beam->near [size - 1].distance))
            return;
        size--;
    }
    uint32_t place = 0;
    for (uint32_t length = size; length > 0;) {
        uint32_t half = length / 2;
        bool after = beam->near [place + half].distance <= distance;
        place += after ? half + 1 : 0;
        length = after ? length - half - 1 : half;
    }
    memmove (beam->near + place + 1, beam->near + place,
             (size - place) * sizeof *beam->near);
    beam->near [place] = (kith_near_t){.distance = distance, .id = id};
    beam->size = size + 1;
    if (place < beam->next)
        beam->next = place;
}

void
kith_graph_beam_put_all (kith_graph_beam_t *beam, const float *distances,
                         const uint32_t *ids, uint32_t count)
{
    kith_near_put_t put = {.near = beam->near,
                           .size = beam->size,
                           .capacity = beam->capacity,
                           .first = beam->next,
                           .distances = distances,
                           .ids = ids,
                           .count = count};
    kith_kernels ()->near_put (&put);
    beam->size = put.size;
    beam->next = put.first;
}

uint32_t
kith_graph_beam_take (kith_graph_beam_t *beam)
{
    kith_near_t *best = &beam->near [beam->next];
    uint32_t node = best->id;
    best->id |= KITH_GRAPH_EXPANDED;
    uint32_t next = beam->next + 1;
    while (next < beam->size && (beam->near [next].id & KITH_GRAPH_EXPANDED))
        next++;
    beam->next = next;
    return node;
}

//  ---------------------------------------------------------------------
//  Query

void
kith_graph_forget (kith_graph_scratch_t *scratch)
{
    scratch->epoch++;
    if (scratch->epoch == 0) {
        memset (scratch->marks, 0, scratch->marks_count);
        scratch->epoch = 1;
    }
}

static bool
s_make_marks (const kith_graph_t *self, kith_graph_scratch_t *scratch)
{
    if (scratch->marks_count < self->capacity) {
        free (scratch->marks);
        scratch->marks_count = 0;
        scratch->marks = kith_huge_new (self->capacity);
        if (!scratch->marks)
            return false;
        scratch->marks_count = self->capacity;
        scratch->epoch = 0;
    }
    return true;
}

static bool
s_make_room (const kith_graph_t *self, kith_graph_scratch_t *scratch)
{
    if (scratch->vector_room < self->rows.dim) {
        free (scratch->vector);
        free (scratch->stored);
        scratch->vector_room = 0;
        //  Each on a line of its own
        size_t each = kith_round64 (self->rows.dim * sizeof (float));
        scratch->vector = kith_alloc64 (3 * each);
        scratch->stored = kith_alloc64 (each);
        if (!scratch->vector || !scratch->stored)
            return false;
        scratch->scaled = scratch->vector + each / sizeof (float);
        scratch->rotated = scratch->scaled + each / sizeof (float);
        scratch->vector_room = self->rows.dim;
    }
    const uint32_t code_bytes = (uint32_t) kith_graph_query_bytes (self);
    if (scratch->code_room < code_bytes) {
        free (scratch->code);
        scratch->code_room = 0;
        scratch->code = kith_alloc64 (code_bytes);
        if (!scratch->code)
            return false;
        scratch->code_room = code_bytes;
    }
    return true;
}

bool
kith_graph_prepare (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                    const void *vector, float norm)
{
    return s_make_marks (self, scratch)
           && kith_graph_prepare_scan (self, scratch, vector, norm);
}

bool
kith_graph_prepare_scan (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                         const void *vector, float norm)
{
    if (!s_make_room (self, scratch))
        return false;
    const float *numbers =
        kith_vector_numbers (self->rows.type, vector, self->rows.dim, scratch->vector);
    float factor = 1;
    if (self->rows.metric == KITH_METRIC_COSINE)
        factor = norm > 0 ? 1 / norm : 0;
    for (uint32_t index = 0; factor != 1 && index < self->rows.dim; index++)
        scratch->vector [index] = numbers [index] * factor;
    if (factor == 1 && numbers != scratch->vector)
        memcpy (scratch->vector, numbers, self->rows.dim * sizeof *numbers);
    scratch->factor = factor;
    if (self->rows.type != KITH_VECTOR_FLOAT32)
        memcpy (scratch->stored, vector, kith_graph_vector_bytes (self));
    if (self->codes)
        kith_graph_encode_query (self, scratch);
    scratch->compared = 0;
    return true;
}

//  ---------------------------------------------------------------------
//  Distances

static inline void
s_prefetch_vector (const kith_graph_t *self, uint32_t row)
{
    const char *vector = kith_graph_vector (self, row);
    size_t bytes = kith_graph_vector_bytes (self);
    if (bytes > LINES_AHEAD * LINE)
        bytes = LINES_AHEAD * LINE;
    for (size_t at = 0; at < bytes; at += LINE)
        __builtin_prefetch (vector + at);
}

void
kith_graph_exact_distances (const kith_graph_t *self, const kith_graph_scratch_t *scratch,
                            const uint32_t *rows, uint32_t count, float *distances)
{
    const bool plain = self->rows.type == KITH_VECTOR_FLOAT32;
    const void *query = plain ? scratch->vector : scratch->stored;
    const float factor = plain ? 1 : scratch->factor;
    const float sign = self->rows.metric == KITH_METRIC_L2 ? factor : -factor;
    kith_gather4_fn *four = kith_graph_four (self);
    for (uint32_t index = 0; index < count && index < 8; index++)
        s_prefetch_vector (self, rows [index]);
    for (uint32_t first = 0; first < count; first += 4) {
        const void *vectors [4];
        float products [4];
        uint32_t left = count - first < 4 ? count - first : 4;
        for (uint32_t each = 0; each < 4; each++)
            vectors [each] =
                kith_graph_vector (self, rows [first + (each < left ? each : 0)]);
        for (uint32_t ahead = first + 8; ahead < first + 12 && ahead < count; ahead++)
            s_prefetch_vector (self, rows [ahead]);
        four (query, vectors, self->rows.dim, products);
        for (uint32_t each = 0; each < left; each++)
            distances [first + each] = sign * products [each];
    }
    if (self->rows.metric == KITH_METRIC_COSINE)
        for (uint32_t index = 0; index < count; index++) {
            float norm = self->rows.norms [rows [index]];
            distances [index] = norm > 0 ? distances [index] / norm : 0;
        }
}

void
kith_graph_distances (const kith_graph_t *self, const kith_graph_scratch_t *scratch,
                      const uint32_t *rows, uint32_t count, float *distances)
{
    if (self->codes) {
        const kith_coded_t coded = kith_graph_coded (self, scratch, rows, count);
        kith_graph_by_code (self) (&coded, distances);
    }
    else
        kith_graph_exact_distances (self, scratch, rows, count, distances);
}

//  ---------------------------------------------------------------------
//  Steps

uint32_t
kith_graph_collect (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                    uint32_t level, uint32_t node, uint32_t count)
{
    const kith_graph_layer_t *layer = &self->layers [level];
    const uint32_t *links = layer->links + (size_t) node * layer->degree;
    const uint8_t epoch = scratch->epoch;
    uint8_t *marks = scratch->marks;
    uint32_t first = count;
    for (uint32_t index = 0; index < layer->degree; index++) {
        //  Who links may be at work: what a link leads to was there before it (graph_link.h)
        uint32_t other = __atomic_load_n (&links [index], __ATOMIC_ACQUIRE);
        if (other == KITH_GRAPH_EMPTY)
            break;
        scratch->ids [count] = other;
        count += marks [other] != epoch;
        marks [other] = epoch;
    }
    for (uint32_t index = first; index < count; index++) {
        uint32_t row =
            layer->rows ? layer->rows [scratch->ids [index]] : scratch->ids [index];
        scratch->rows [index] = row;
        if (self->codes)
            kith_graph_prefetch_code (self, row);
    }
    scratch->compared += count - first;
    return count;
}

uint32_t
kith_graph_beam_ahead (const kith_graph_t *self, kith_graph_beam_t *beam, uint32_t level,
                       uint32_t most, uint32_t *nodes)
{
    uint32_t taken = 0;
    while (taken < most && kith_graph_beam_open (beam)) {
        nodes [taken] = kith_graph_beam_take (beam);
        kith_graph_prefetch_links (&self->layers [level], nodes [taken]);
        taken++;
    }
    const uint32_t end = beam->size < beam->window ? beam->size : beam->window;
    for (uint32_t index = beam->next, ahead = 0; index < end && ahead < most; index++)
        if (!(beam->near [index].id & KITH_GRAPH_EXPANDED)) {
            kith_graph_prefetch_links (&self->layers [level], beam->near [index].id);
            ahead++;
        }
    return taken;
}

uint32_t
kith_graph_expand (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                   uint32_t level)
{
    uint32_t nodes [EXPAND_MAX], count = 0;
    const uint32_t most = scratch->beam.window >= WIDE ? EXPAND_MAX : EXPAND;
    uint32_t taken = kith_graph_beam_ahead (self, &scratch->beam, level, most, nodes);
    for (uint32_t index = 0; index < taken; index++)
        count = kith_graph_collect (self, scratch, level, nodes [index], count);
    return count;
}

uint32_t
kith_graph_descend (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                    uint32_t level)
{
    const uint32_t levels = __atomic_load_n (&self->header.levels, __ATOMIC_ACQUIRE);
    if (levels == 0)
        return self->header.entry;
    uint32_t best = 0;
    float best_distance;
    kith_graph_distances (self, scratch, self->upper_rows, 1, &best_distance);
    for (uint32_t above = levels; above > level; above--) {
        uint32_t from = KITH_GRAPH_EMPTY;
        kith_graph_forget (scratch);
        while (from != best) {
            from = best;
            uint32_t count = kith_graph_collect (self, scratch, above, from, 0);
            kith_graph_distances (self, scratch, scratch->rows, count,
                                  scratch->distances);
            for (uint32_t index = 0; index < count; index++)
                if (scratch->distances [index] < best_distance) {
                    best_distance = scratch->distances [index];
                    best = scratch->ids [index];
                }
        }
    }
    return level == 0 ? self->upper_rows [best] : best;
}

void
kith_graph_walk (const kith_graph_t *self, kith_graph_scratch_t *scratch, uint32_t level,
                 uint32_t entry)
{
    const kith_graph_layer_t *layer = &self->layers [level];
    kith_graph_beam_t *beam = &scratch->beam;
    float distance;
    uint32_t row = layer->rows ? layer->rows [entry] : entry;
    kith_graph_distances (self, scratch, &row, 1, &distance);
    scratch->marks [entry] = scratch->epoch;
    kith_graph_beam_put (beam, distance, entry);
    kith_graph_walk_on (self, scratch, level);
}

void
kith_graph_walk_on (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                    uint32_t level)
{
    kith_graph_beam_t *beam = &scratch->beam;
    while (kith_graph_beam_open (beam)) {
        uint32_t count = kith_graph_expand (self, scratch, level);
        kith_graph_distances (self, scratch, scratch->rows, count, scratch->distances);
        kith_graph_beam_put_all (beam, scratch->distances, scratch->ids, count);
    }
}
