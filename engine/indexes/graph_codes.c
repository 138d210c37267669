//  graph_codes.c - short codes of the rows, by which the graph is walked
//  SPDX-License-Identifier: Apache-2.0
//
//  Each dimension has a middle m and a half width h of its own (real data are far from isotropic); a value is coded as round ((x - m
//  + h) / step) in 2 (or 16, or 128) levels of step = 2 h / 1 (or 15, or 127). The query stays finer: q [i] * step [i] in 8 bits. With the
//  centre of the levels moved to zero the product is step_q * (sum of q8 * code - centre * sum of q8). A row's trailer {shift, scale} turns it
//  into a distance: shift - scale * product, where scale has the factor <r, r> / <r, coded r> that takes out the part of the coding error
//  along the row itself (r = x - m; as in RaBitQ, Gao and Long 2024). The middles are taken off the query too: the error is in proportion to its
//  length, and <m, r> is a number of the row alone, kept exactly in shift. The product of q and m is the same for all rows and left out.
//  One bit a dimension tells the more the less dimensions differ: rows and query are rotated at random before they are coded so.
#include <math.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "engine/indexes/graph_layout.h"
#include "engine/indexes/rotate.h"

#define SLIGHT 0.001    //  of the variance: a code of half a byte loses more by rounding
#define ROTATION 0x6b697468u    //  seed: the same for all graphs, so that none is stored

enum {
    SAMPLE = 4096,
    LANES = 16,     //  sums side by side
    BATCH = 4096    //  rows coded in one part
};

//  Bytes of the code alone
static uint32_t
s_plain_bytes (kith_graph_code_t code, uint32_t dim)
{
    switch (code) {
        case KITH_GRAPH_FLOATS:
            return 0;
        case KITH_GRAPH_NIBBLES:
            return (dim + 1) / 2;
        case KITH_GRAPH_BYTES:
            return dim;
        case KITH_GRAPH_BITS:
            return (dim + 7) / 8;
    }
    return 0;
}

uint32_t
kith_graph_code_bytes (kith_graph_code_t code, uint32_t dim)
{
    return (uint32_t) kith_round64 (s_plain_bytes (code, dim));
}

//  Trailers by themselves lie eight in a line: less to wait for than a line of each row that holds nothing else
uint32_t
kith_graph_trailer_bytes (kith_graph_code_t code, uint32_t dim)
{
    const uint32_t plain = s_plain_bytes (code, dim);
    return plain > 0 && kith_round64 (plain) < kith_round64 (plain + KITH_GRAPH_TRAILER)
               ? KITH_GRAPH_TRAILER
               : 0;
}

//  Bytes of a code that dimensions may have
static inline uint32_t
s_room (const kith_graph_t *self)
{
    return self->header.code_bytes - (self->trailers ? 0 : KITH_GRAPH_TRAILER);
}

//  Dimensions in a byte of a code
static inline uint32_t
s_packed (const kith_graph_t *self)
{
    switch ((kith_graph_code_t) self->header.code) {
        case KITH_GRAPH_FLOATS:
        case KITH_GRAPH_BYTES:
            return 1;
        case KITH_GRAPH_NIBBLES:
            return 2;
        case KITH_GRAPH_BITS:
            return 8;
    }
    return 1;
}

//  Dimensions in the low nibbles of a code, or all that there are
static inline uint32_t
s_low (const kith_graph_t *self)
{
    const uint32_t coded = self->header.coded;
    return s_packed (self) == 2 && coded > s_room (self) ? s_room (self) : coded;
}

size_t
kith_graph_query_bytes (const kith_graph_t *self)
{
    return (size_t) s_packed (self) * self->header.code_bytes;
}

static inline float
s_levels (const kith_graph_t *self)
{
    switch (s_packed (self)) {
        case 8:
            return 1;
        case 2:
            return 15;
        default:
            return 127;
    }
}

static bool
s_make_signs (kith_graph_t *self)
{
    if (self->header.code != KITH_GRAPH_BITS)
        return true;
    self->signs = kith_graph_own (self, kith_rotate_new (self->rows.dim, ROTATION));
    return self->signs != NULL;
}

bool
kith_graph_derive (kith_graph_t *self)
{
    const uint32_t coded = self->header.coded;
    float *halves = kith_alloc64 (2 * (size_t) coded * sizeof *halves);
    kith_graph_own (self, halves);
    for (uint32_t index = 0; halves && index < coded; index++) {
        halves [index] = self->scale [2 * index + 1];
        halves [coded + index] = self->scale [2 * index];
    }
    self->halves = halves;
    return halves && (self->signs || s_make_signs (self));
}

static float
s_factor (const kith_graph_t *self, uint32_t row)
{
    if (self->rows.metric != KITH_METRIC_COSINE)
        return 1;
    return self->rows.norms [row] > 0 ? 1 / self->rows.norms [row] : 0;
}

void
kith_graph_point (const kith_graph_t *self, uint32_t row, float *point)
{
    const float *vector = kith_vector_numbers (
        self->rows.type, kith_graph_vector (self, row), self->rows.dim, point);
    const float factor = s_factor (self, row);
    for (uint32_t index = 0; index < self->rows.dim; index++)
        point [index] = vector [index] * factor;
}

//  What is coded of a vector: itself, or into room its rotation or those of its dimensions that are coded
static const float *
s_coded (const kith_graph_t *self, const float *vector, float *room)
{
    if (self->header.code == KITH_GRAPH_BITS)
        kith_rotate (self->signs, self->rows.dim, vector, room);
    else if (self->coded)
        for (uint32_t index = 0; index < self->header.coded; index++)
            room [index] = vector [self->coded [index]];
    else
        return vector;
    return room;
}

//  The same of a row, for cosine of length 1. room: 2 x dim; returns a half of it
static const float *
s_input (const kith_graph_t *self, uint32_t row, float *room)
{
    kith_graph_point (self, row, room);
    return s_coded (self, room, room + self->rows.dim);
}

//  ---------------------------------------------------------------------
//  Which dimensions are coded

typedef struct {
    double mean, variance;
    uint32_t dimension;
} s_spread_t;

static int
s_compare_spread (const void *a, const void *b)
{
    const s_spread_t *left = a, *right = b;
    if (left->variance != right->variance)
        return left->variance < right->variance ? -1 : 1;
    return left->dimension < right->dimension ? -1 : 1;
}

static int
s_compare_dimension (const void *a, const void *b)
{
    const uint32_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

static uint32_t
s_sampled (const kith_graph_t *self)
{
    return self->rows.rows < SAMPLE ? self->rows.rows : SAMPLE;
}

static uint32_t
s_sample (const kith_graph_t *self, uint32_t index)
{
    return (uint32_t) ((uint64_t) index * self->rows.rows / s_sampled (self));
}

//  How far each dimension spreads over the sample: the least comes first. Returns the sum.
static double
s_spread (const kith_graph_t *self, float *point, s_spread_t *spread)
{
    const uint32_t sampled = s_sampled (self), dim = self->rows.dim;
    for (uint32_t each = 0; each < dim; each++)
        spread [each] = (s_spread_t){.dimension = each};
    for (uint32_t index = 0; index < sampled; index++) {
        kith_graph_point (self, s_sample (self, index), point);
        for (uint32_t each = 0; each < dim; each++)
            spread [each].mean += (double) point [each] / sampled;
    }
    for (uint32_t index = 0; index < sampled; index++) {
        kith_graph_point (self, s_sample (self, index), point);
        for (uint32_t each = 0; each < dim; each++) {
            const double stray = (double) point [each] - spread [each].mean;
            spread [each].variance += stray * stray / sampled;
        }
    }
    qsort (spread, dim, sizeof *spread, s_compare_spread);
    double sum = 0;
    for (uint32_t each = 0; each < dim; each++)
        sum += spread [each].variance;
    return sum;
}

//  Lines of memory that a code takes
static uint32_t
s_lines (kith_graph_code_t code, uint32_t coded)
{
    return kith_graph_code_bytes (code, coded) / 64
           + (kith_graph_trailer_bytes (code, coded) > 0);
}

//  The most dimensions that take as few lines as those which spread must be coded
static uint32_t
s_count_coded (const s_spread_t *spread, uint32_t dim, double sum, kith_graph_code_t code)
{
    double left_out = 0;
    uint32_t least = dim, most = dim;
    for (; least > 1; least--) {
        left_out += spread [dim - least].variance;
        if (!(left_out <= SLIGHT * sum))
            break;
    }
    const uint32_t lines = s_lines (code, least);
    while (s_lines (code, most) > lines)
        most--;
    return most;
}

bool
kith_graph_choose_coded (kith_graph_t *self, kith_graph_code_t code)
{
    const uint32_t dim = self->rows.dim;
    kith_graph_disown (self, self->coded);
    self->coded = NULL;
    self->header.coded = dim;
    if (code == KITH_GRAPH_FLOATS || code == KITH_GRAPH_BITS || s_lines (code, dim) == 1
        || self->rows.rows == 0)
        return true;
    float *point = kith_alloc64 (dim * sizeof *point);
    s_spread_t *spread = kith_alloc64 (dim * sizeof *spread);
    uint32_t *coded = NULL;
    bool done = point && spread;
    uint32_t count = dim;
    if (done) {
        const double sum = s_spread (self, point, spread);
        count = s_count_coded (spread, dim, sum, code);
    }
    if (count < dim) {
        coded = kith_graph_own (self, kith_alloc64 (count * sizeof *coded));
        done = coded != NULL;
    }
    if (coded) {
        for (uint32_t index = 0; index < count; index++)
            coded [index] = spread [dim - count + index].dimension;
        qsort (coded, count, sizeof *coded, s_compare_dimension);
        self->coded = coded;
        self->header.coded = count;
    }
    free (point);
    free (spread);
    return done;
}

//  ---------------------------------------------------------------------
//  Scale

typedef struct {
    const kith_graph_t *self;
    float *scale;
    float *values;    //  coded x sampled
    uint32_t sampled;
} s_fit_t;

//  How the values of a dimension are coded
typedef struct {
    float low, step, scale, levels;    //  scale: levels of a unit
} s_coding_t;

//  The level next to a place among them; without a branch, so that a compiler does some at once
static inline int
s_level (float place, float most)
{
    place = place < most ? place : most;
    place = place > 0 ? place : 0;
    return (int) (place + 0.5f);
}

static inline float
s_error (const s_coding_t *coding, float value)
{
    const int level = s_level ((value - coding->low) * coding->scale, coding->levels);
    return value - (coding->low + (float) level * coding->step);
}

//  Sum of squared errors of coding the values with half width `half`, in LANES sums that a compiler keeps in registers
static float
s_errors (const float *values, uint32_t count, float middle, float half, float levels)
{
    const s_coding_t coding = {.low = middle - half,
                               .step = 2 * half / levels,
                               .scale = levels / (2 * half),
                               .levels = levels};
    float sums [LANES] = {0};
    uint32_t first = 0;
    for (; first + LANES <= count; first += LANES)
        for (uint32_t lane = 0; lane < LANES; lane++) {
            const float error = s_error (&coding, values [first + lane]);
            sums [lane] += error * error;
        }
    for (; first < count; first++) {
        const float error = s_error (&coding, values [first]);
        sums [first % LANES] += error * error;
    }
    for (uint32_t lanes = LANES / 2; lanes > 0; lanes /= 2)
        for (uint32_t lane = 0; lane < lanes; lane++)
            sums [lane] += sums [lane + lanes];
    return sums [0];
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
    float best_error = INFINITY;
    for (float share = 1; share > 0.1f && widest > 0; share -= 0.0625f) {
        const float error =
            s_errors (values, fit->sampled, middle, widest * share, s_levels (fit->self));
        if (error < best_error) {
            best_error = error;
            best = widest * share;
        }
    }
    fit->scale [2 * dimension] = middle;
    fit->scale [2 * dimension + 1] = best;
}

static bool
s_fit (kith_graph_t *self, float *scale, kith_parallel_t *parallel)
{
    const uint32_t coded = self->header.coded;
    s_fit_t fit = {.self = self, .scale = scale, .sampled = s_sampled (self)};
    fit.values = kith_huge_new ((size_t) fit.sampled * coded * sizeof (float));
    float *room = kith_alloc64 (2 * (size_t) self->rows.dim * sizeof *room);
    for (uint32_t index = 0; fit.values && room && index < fit.sampled; index++) {
        const float *input = s_input (self, s_sample (self, index), room);
        for (uint32_t each = 0; each < coded; each++)
            fit.values [(size_t) each * fit.sampled + index] = input [each];
    }
    bool done = fit.values && room;
    if (done)
        kith_graph_run (parallel, coded, s_fit_dimension, &fit);
    free (room);
    free (fit.values);
    return done;
}

//  ---------------------------------------------------------------------
//  Rows

typedef struct {
    const kith_graph_t *self;
    uint8_t *codes, *trailers;
    atomic_bool failed;    //  no memory
} s_encoder_t;

//  Puts the level of every coded dimension into a code that is 0
static void
s_pack (const kith_graph_t *self, const uint8_t *levels, uint8_t *code)
{
    const uint32_t coded = self->header.coded, low = s_low (self);
    if (s_packed (self) == 8) {
        for (uint32_t index = 0; index < coded; index++)
            code [index / 8] = (uint8_t) (code [index / 8] | levels [index] << index % 8);
        return;
    }
    memcpy (code, levels, low);
    for (uint32_t index = 0; index < coded - low; index++)
        code [index] = (uint8_t) (code [index] | levels [low + index] << 4);
}

//  What a code tells of a row beside its levels
typedef struct {
    double length;     //  of what is left of the row without the middles, squared
    double product;    //  of that and what the levels say of it
    double square;     //  of the row
    double aside;      //  product of the middles and what is left
} s_told_t;

//  The level of every coded dimension. Sums are made in LANES parts that a compiler keeps in registers.
static s_told_t
s_level_all (const kith_graph_t *self, const float *input, uint8_t *levels)
{
    const uint32_t coded = self->header.coded;
    const float most = s_levels (self);
    const float *halves = self->halves, *middles = self->halves + coded;
    double sums [4][LANES] = {{0}};
    for (uint32_t first = 0; first < coded; first += LANES) {
        const uint32_t some = coded - first < LANES ? coded - first : LANES;
        float values [LANES] = {0}, half [LANES] = {0}, middle [LANES] = {0};
        uint8_t level [LANES];
        memcpy (values, input + first, some * sizeof (float));
        memcpy (half, halves + first, some * sizeof (float));
        memcpy (middle, middles + first, some * sizeof (float));
        for (uint32_t lane = 0; lane < LANES; lane++) {
            const float left = values [lane] - middle [lane];
            const float step = 2 * half [lane] / most;
            //  Where all values are the same the level does not matter
            const int place =
                s_level ((left + half [lane]) / (step > 0 ? step : 1), most);
            level [lane] = (uint8_t) place;
            sums [0][lane] += (double) left * (double) left;
            sums [1][lane] +=
                (double) left * (double) ((float) place * step - half [lane]);
            sums [2][lane] += (double) values [lane] * (double) values [lane];
            sums [3][lane] += (double) middle [lane] * (double) left;
        }
        memcpy (levels + first, level, some);
    }
    for (uint32_t lane = 1; lane < LANES; lane++)
        for (uint32_t sum = 0; sum < 4; sum++)
            sums [sum][0] += sums [sum][lane];
    return (s_told_t){.length = sums [0][0],
                      .product = sums [1][0],
                      .square = sums [2][0],
                      .aside = sums [3][0]};
}

void
kith_graph_encode_row (const kith_graph_t *self, uint32_t row, float *room,
                       uint8_t *codes, uint8_t *trailers)
{
    uint8_t *code = codes + (size_t) row * self->header.code_bytes;
    const float *input = s_input (self, row, room);
    uint8_t *levels = (uint8_t *) (input == room ? room + self->rows.dim : room);
    const s_told_t told = s_level_all (self, input, levels);
    s_pack (self, levels, code);
    double scale = told.product > 0 ? told.length / told.product : 1;
    scale = !(scale > 0.5) ? 0.5 : scale > 2 ? 2 : scale;
    bool l2 = self->rows.metric == KITH_METRIC_L2;
    float trailer [2] = {(float) (l2 ? told.square - 2 * told.aside : -told.aside),
                         (float) (l2 ? 2 * scale : scale)};
    memcpy (trailers ? trailers + (size_t) row * KITH_GRAPH_TRAILER
                     : code + s_room (self),
            trailer, sizeof trailer);
}

static void
s_encode_part (void *arg, uint32_t part)
{
    s_encoder_t *encoder = arg;
    uint32_t rows = encoder->self->rows.rows;
    uint32_t last = rows - part * BATCH < BATCH ? rows : part * BATCH + BATCH;
    float *room = kith_alloc64 (2 * (size_t) encoder->self->rows.dim * sizeof *room);
    if (!room)
        atomic_store (&encoder->failed, true);
    for (uint32_t row = part * BATCH; room && row < last; row++)
        kith_graph_encode_row (encoder->self, row, room, encoder->codes,
                               encoder->trailers);
    free (room);
}

bool
kith_graph_encode (kith_graph_t *self, kith_graph_code_t code, kith_parallel_t *parallel)
{
    const uint32_t coded = self->header.coded;
    uint32_t bytes = kith_graph_code_bytes (code, coded);
    self->header.code = code;
    self->header.code_bytes = bytes;
    if (code == KITH_GRAPH_FLOATS || self->rows.rows == 0)
        return true;
    float *scale = kith_alloc64 (2 * (size_t) coded * sizeof (float));
    uint8_t *codes = kith_huge_new ((size_t) self->rows.rows * bytes);
    kith_graph_own (self, scale);
    kith_graph_own (self, codes);
    self->scale = scale;
    self->codes = codes;
    uint8_t *trailers = NULL;
    if (kith_graph_trailer_bytes (code, coded)) {
        trailers = kith_huge_new ((size_t) self->rows.rows * KITH_GRAPH_TRAILER);
        self->trailers = kith_graph_own (self, trailers);
        if (!trailers)
            return false;
    }
    if (!scale || !codes || !s_make_signs (self) || !s_fit (self, scale, parallel)
        || !kith_graph_derive (self))
        return false;
    s_encoder_t encoder = {.self = self, .codes = codes, .trailers = trailers};
    kith_graph_run (parallel, (self->rows.rows + BATCH - 1) / BATCH, s_encode_part,
                    &encoder);
    return !atomic_load (&encoder.failed);
}

//  ---------------------------------------------------------------------
//  Query

void
kith_graph_encode_query (const kith_graph_t *self, kith_graph_scratch_t *scratch)
{
    const uint32_t coded = self->header.coded, bytes = self->header.code_bytes;
    const float *vector = s_coded (self, scratch->vector, scratch->rotated);
    const kith_kernels_t *kernels = kith_kernels ();
    float widest = kernels->query_scale (vector, self->halves, coded, scratch->scaled);
    float up = widest > 0 && isfinite (widest) ? 127 / widest : 0;
    int32_t sum = 0;
    memset (scratch->code, 0, kith_graph_query_bytes (self));
    if (up > 0) {
        //  Nibbles: the second half of the dimensions meets the high ones
        const uint32_t half = s_low (self);
        sum = kernels->query_round (scratch->scaled, half, up, scratch->code);
        sum += kernels->query_round (scratch->scaled + half, coded - half, up,
                                     scratch->code + bytes);
    }
    scratch->code_step = up > 0 ? 2 / s_levels (self) / up : 0;
    scratch->code_base = -scratch->code_step * s_levels (self) / 2 * (float) sum;
}

//  ---------------------------------------------------------------------
//  A byte a coded dimension

void
kith_graph_plain_query (const kith_graph_t *self, const kith_graph_scratch_t *scratch,
                        int8_t *code)
{
    const uint32_t low = s_low (self);
    memcpy (code, scratch->code, low);
    memcpy (code + low, scratch->code + self->header.code_bytes,
            self->header.coded - low);
}

//  Where a byte holds two dimensions the high nibbles begin at a multiple of eight dimensions
void
kith_graph_plain_codes (const kith_graph_t *self, const uint32_t *rows, uint32_t count,
                        uint8_t *panel, float *shifts, float *scales)
{
    const uint32_t bytes = self->header.code_bytes, low = s_low (self);
    kith_panel_fill_t fill = {.low = (low + 3) / 4,
                              .high = (self->header.coded - low + 3) / 4,
                              .mask = s_packed (self) == 2 ? 0x0f0f0f0f : 0x7f7f7f7f,
                              .panel = panel};
    for (uint32_t each = 0; each < KITH_PANEL_ROWS; each++) {
        const uint32_t row = rows [each < count ? each : 0];
        const uint8_t *code = self->codes + (size_t) row * bytes;
        float trailer [2];
        memcpy (trailer,
                self->trailers ? self->trailers + (size_t) row * KITH_GRAPH_TRAILER
                               : code + bytes - KITH_GRAPH_TRAILER,
                sizeof trailer);
        fill.codes [each] = code;
        shifts [each] = trailer [0];
        scales [each] = trailer [1];
    }
    kith_kernels ()->panel_fill (&fill);
}
