//  graph_codes.c - short codes of the rows, by which the graph is walked
//  SPDX-License-Identifier: Apache-2.0
//
//  Each dimension has a middle m and a half width h of its own (real data are far from isotropic); a value is coded as round ((x - m
//  + h) / step) in 16 (or 128) levels of step = 2 h / 15 (or 127). The query stays finer: q [i] * step [i] in 8 bits. With the centre of the
//  levels moved to zero the product is step_q * (sum of q8 * code - centre * sum of q8). A row's trailer {shift, scale} turns it into a
//  distance: shift - scale * product, where scale has the factor <r, r> / <r, coded r> that takes out the part of the coding error along
//  the row itself (r = x - m; as in RaBitQ, Gao and Long 2024). The product of q and m is the same for all rows and left out.
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/graph_layout.h"

enum {
    TRAILER = 8,    //  {float shift, float scale}
    SAMPLE = 4096,
    BATCH = 4096    //  rows coded in one part
};

uint32_t
kith_graph_code_bytes (kith_graph_code_t code, uint32_t dim)
{
    switch (code) {
        case KITH_GRAPH_FLOATS:
            return 0;
        case KITH_GRAPH_NIBBLES:
            return (uint32_t) kith_round64 ((dim + 1) / 2 + TRAILER);
        case KITH_GRAPH_BYTES:
            return (uint32_t) kith_round64 (dim + TRAILER);
    }
    return 0;
}

static inline float
s_levels (const kith_graph_t *self)
{
    return self->header.code == KITH_GRAPH_NIBBLES ? 15 : 127;
}

//  ---------------------------------------------------------------------
//  Scale

typedef struct {
    const kith_graph_t *self;
    float *scale;
    float *values;    //  dim x sampled
    uint32_t sampled;
} s_fit_t;

//  Mean squared error of coding the values with half width `half`
static double
s_error (const float *values, uint32_t count, float middle, float half, float levels)
{
    float step = 2 * half / levels;
    double sum = 0;
    for (uint32_t index = 0; index < count; index++) {
        float level = (values [index] - middle + half) / step;
        level = level < 0 ? 0 : level > levels ? levels : (float) (int) (level + 0.5f);
        float error = values [index] - (middle - half + level * step);
        sum += (double) (error * error);
    }
    return sum / count;
}

static void
s_fit_dimension (void *arg, uint32_t dimension)
{
    const s_fit_t *fit = arg;
    const float *values = fit->values + (size_t) dimension * fit->sampled;
    double sum = 0;
    for (uint32_t index = 0; index < fit->sampled; index++)
        sum += (double) values [index];
    float middle = (float) (sum / fit->sampled);
    float widest = 0;
    for (uint32_t index = 0; index < fit->sampled; index++)
        widest = fmaxf (widest, fabsf (values [index] - middle));
    float best = widest;
    double best_error = (double) INFINITY;
    for (float share = 1; share > 0.1f && widest > 0; share -= 0.0625f) {
        double error =
            s_error (values, fit->sampled, middle, widest * share, s_levels (fit->self));
        if (error < best_error) {
            best_error = error;
            best = widest * share;
        }
    }
    fit->scale [2 * dimension] = middle;
    fit->scale [2 * dimension + 1] = best;
}

static float
s_factor (const kith_graph_t *self, uint32_t row)
{
    if (self->rows.metric != KITH_METRIC_COSINE)
        return 1;
    return self->rows.norms [row] > 0 ? 1 / self->rows.norms [row] : 0;
}

static bool
s_fit (kith_graph_t *self, float *scale, kith_parallel_t *parallel)
{
    uint32_t rows = self->rows.rows, dim = self->rows.dim;
    s_fit_t fit = {
        .self = self, .scale = scale, .sampled = rows < SAMPLE ? rows : SAMPLE};
    fit.values = kith_huge_new ((size_t) fit.sampled * dim * sizeof (float));
    if (!fit.values)
        return false;
    float *room = NULL;
    bool good = true;
    for (uint32_t index = 0; good && index < fit.sampled; index++) {
        uint32_t row = (uint32_t) ((uint64_t) index * rows / fit.sampled);
        const float *vector =
            kith_graph_numbers (self, kith_graph_vector (self, row), &room);
        good = vector != NULL;
        for (uint32_t each = 0; good && each < dim; each++)
            fit.values [(size_t) each * fit.sampled + index] =
                vector [each] * s_factor (self, row);
    }
    if (good)
        kith_graph_run (parallel, dim, s_fit_dimension, &fit);
    free (fit.values);
    free (room);
    return good;
}

//  ---------------------------------------------------------------------
//  Rows

typedef struct {
    const kith_graph_t *self;
    uint8_t *codes;
} s_encoder_t;

static void
s_store (uint8_t *code, bool nibbles, uint32_t half, uint32_t index, uint32_t level)
{
    if (!nibbles)
        code [index] = (uint8_t) level;
    else if (index < half)
        code [index] = (uint8_t) (code [index] | level);
    else
        code [index - half] = (uint8_t) (code [index - half] | level << 4);
}

static void
s_encode_row (const kith_graph_t *self, uint32_t row, const float *vector, uint8_t *code)
{
    float levels = s_levels (self), factor = s_factor (self, row);
    uint32_t bytes = self->header.code_bytes;
    double length = 0, product = 0, square = 0;
    for (uint32_t index = 0; index < self->rows.dim; index++) {
        float middle = self->scale [2 * index], half = self->scale [2 * index + 1];
        float value = vector [index] * factor;
        float step = 2 * half / levels;
        float level = step > 0 ? (value - middle + half) / step : 0;
        level = !(level > 0) ? 0 : level > levels ? levels : (float) (int) (level + 0.5f);
        s_store (code, self->header.code == KITH_GRAPH_NIBBLES, bytes - TRAILER, index,
                 (uint32_t) level);
        double rest = (double) (value - middle);
        length += rest * rest;
        product += rest * (double) (level * step - half);
        square += (double) value * (double) value;
    }
    double scale = product > 0 ? length / product : 1;
    scale = !(scale > 0.5) ? 0.5 : scale > 2 ? 2 : scale;
    bool l2 = self->rows.metric == KITH_METRIC_L2;
    float trailer [2] = {l2 ? (float) square : 0, (float) (l2 ? 2 * scale : scale)};
    memcpy (code + bytes - sizeof trailer, trailer, sizeof trailer);
}

void
kith_graph_encode_row (const kith_graph_t *self, uint32_t row, uint8_t *codes)
{
    float *room = NULL;
    const float *vector = kith_graph_numbers (self, kith_graph_vector (self, row), &room);
    assert (vector);
    s_encode_row (self, row, vector, codes + (size_t) row * self->header.code_bytes);
    free (room);
}

static void
s_encode_part (void *arg, uint32_t part)
{
    const s_encoder_t *encoder = arg;
    uint32_t rows = encoder->self->rows.rows;
    uint32_t last = rows - part * BATCH < BATCH ? rows : part * BATCH + BATCH;
    for (uint32_t row = part * BATCH; row < last; row++)
        kith_graph_encode_row (encoder->self, row, encoder->codes);
}

bool
kith_graph_encode (kith_graph_t *self, kith_graph_code_t code, kith_parallel_t *parallel)
{
    uint32_t bytes = kith_graph_code_bytes (code, self->rows.dim);
    self->header.code = code;
    self->header.code_bytes = bytes;
    if (code == KITH_GRAPH_FLOATS || self->rows.rows == 0)
        return true;
    float *scale = kith_alloc64 (2 * (size_t) self->rows.dim * sizeof (float));
    uint8_t *codes = kith_huge_new ((size_t) self->rows.rows * bytes);
    kith_graph_own (self, scale);
    kith_graph_own (self, codes);
    self->scale = scale;
    self->codes = codes;
    if (!scale || !codes || !s_fit (self, scale, parallel))
        return false;
    s_encoder_t encoder = {.self = self, .codes = codes};
    kith_graph_run (parallel, (self->rows.rows + BATCH - 1) / BATCH, s_encode_part,
                    &encoder);
    return true;
}

void
kith_graph_encode_query (const kith_graph_t *self, kith_graph_scratch_t *scratch)
{
    uint32_t dim = self->rows.dim, bytes = self->header.code_bytes;
    bool nibbles = self->header.code == KITH_GRAPH_NIBBLES;
    float per_level = 2 / s_levels (self), widest = 0;
    for (uint32_t index = 0; index < dim; index++)
        widest =
            fmaxf (widest, fabsf (scratch->vector [index] * self->scale [2 * index + 1]));
    float up = widest > 0 && isfinite (widest) ? 127 / widest : 0;
    int32_t sum = 0;
    memset (scratch->code, 0, 2 * (size_t) bytes);
    for (uint32_t index = 0; index < dim && up > 0; index++) {
        float value = scratch->vector [index] * self->scale [2 * index + 1] * up;
        int8_t level = (int8_t) (value < 0 ? value - 0.5f : value + 0.5f);
        uint32_t half = bytes - TRAILER;
        scratch->code [nibbles && index >= half ? bytes + index - half : index] = level;
        sum += level;
    }
    scratch->code_step = up > 0 ? per_level / up : 0;
    scratch->code_base = -scratch->code_step * s_levels (self) / 2 * (float) sum;
}
