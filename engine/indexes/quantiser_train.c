//  quantiser_train.c - fits a quantiser to residuals and codes rows
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/quantiser.h"
#include "engine/indexes/rotate.h"

enum {
    LEVELS = 127,    //  of SQ8
    ENTRIES = 16,    //  of a table
    ROUNDS = 10
};

typedef struct {
    const kith_quantiser_t *self;
    const float *residuals;
    uint32_t count;
    float *book;
} s_fit_t;

//  ---------------------------------------------------------------------
//  PQ4

static inline float
s_value (const s_fit_t *fit, uint32_t point, uint32_t dimension)
{
    const uint32_t dim = fit->self->dim;
    float value = dimension < dim ? fit->residuals [(size_t) point * dim + dimension] : 0;
    return isfinite (value) ? value : 0;
}

//  The nearest of 16 centres of one pair of dimensions
static inline uint32_t
s_nearest (const float *book, const float *halves, float first, float second)
{
    float dots [ENTRIES], least;
    for (uint32_t entry = 0; entry < ENTRIES; entry++)
        dots [entry] = first * book [entry] + second * book [ENTRIES + entry];
    return kith_kernels ()->nearest (dots, halves, ENTRIES, &least);
}

static void
s_halves (const float *book, float *halves)
{
    for (uint32_t entry = 0; entry < ENTRIES; entry++)
        halves [entry] = (book [entry] * book [entry]
                          + book [ENTRIES + entry] * book [ENTRIES + entry])
                         / 2;
}

//  One round of Lloyd's algorithm; a centre without points goes to the point after the last one given so
static void
s_round (const s_fit_t *fit, uint32_t sub, float *book)
{
    float halves [ENTRIES];
    double sums [2][ENTRIES] = {{0}};
    uint32_t sizes [ENTRIES] = {0};
    s_halves (book, halves);
    for (uint32_t point = 0; point < fit->count; point++) {
        float first = s_value (fit, point, 2 * sub);
        float second = s_value (fit, point, 2 * sub + 1);
        uint32_t entry = s_nearest (book, halves, first, second);
        sums [0][entry] += (double) first;
        sums [1][entry] += (double) second;
        sizes [entry]++;
    }
    for (uint32_t entry = 0; entry < ENTRIES; entry++)
        for (uint32_t each = 0; each < 2; each++) {
            uint32_t point =
                (uint32_t) ((uint64_t) (entry * 7 + 3) * fit->count / (16 * 7));
            book [each * ENTRIES + entry] =
                sizes [entry] ? (float) (sums [each][entry] / sizes [entry])
                              : s_value (fit, point, 2 * sub + each);
        }
}

//  Begins on a spiral over the spread of the points: even coverage, and the same every time
static void
s_fit_sub (void *arg, uint32_t sub)
{
    const s_fit_t *fit = arg;
    float *book = fit->book + (size_t) sub * 2 * ENTRIES;
    double mean [2] = {0}, spread [2] = {0};
    for (uint32_t point = 0; point < fit->count; point++)
        for (uint32_t each = 0; each < 2; each++) {
            double value = (double) s_value (fit, point, 2 * sub + each);
            mean [each] += value / fit->count;
            spread [each] += value * value / fit->count;
        }
    for (uint32_t entry = 0; entry < ENTRIES; entry++) {
        double radius = 1.8 * sqrt ((entry + 0.5) / ENTRIES);
        double angle = 2.399963 * entry;
        for (uint32_t each = 0; each < 2; each++) {
            double deviation = sqrt (fmax (0, spread [each] - mean [each] * mean [each]));
            double along = each ? sin (angle) : cos (angle);
            book [each * ENTRIES + entry] =
                (float) (mean [each] + deviation * radius * along);
        }
    }
    for (uint32_t round = 0; round < ROUNDS; round++)
        s_round (fit, sub, book);
}

//  ---------------------------------------------------------------------
//  SQ8

static double
s_error (const s_fit_t *fit, uint32_t dimension, float half)
{
    float step = 2 * half / LEVELS;
    double sum = 0;
    for (uint32_t point = 0; point < fit->count; point++) {
        float value = s_value (fit, point, dimension);
        float level = (value + half) / step;
        //  Not a number where all values are the same and a step has no width
        level = !(level > 0) ? 0 : level > LEVELS ? LEVELS : (float) (int) (level + 0.5f);
        double error = (double) (value - (level * step - half));
        sum += error * error;
    }
    return sum;
}

//  Half the width of a dimension's levels: the one with the least error
static void
s_fit_dimension (void *arg, uint32_t dimension)
{
    const s_fit_t *fit = arg;
    float widest = 0;
    for (uint32_t point = 0; point < fit->count; point++)
        widest = fmaxf (widest, fabsf (s_value (fit, point, dimension)));
    float best = widest;
    double least = (double) INFINITY;
    for (float share = 1; share > 0.3f && widest > 0; share -= 0.125f) {
        double error = s_error (fit, dimension, widest * share);
        if (error < least) {
            least = error;
            best = widest * share;
        }
    }
    fit->book [dimension] = best;
}

bool
kith_quantiser_fit (const kith_quantiser_t *self, const float *residuals, uint32_t count,
                    kith_parallel_t *parallel, float *book)
{
    s_fit_t fit = {.self = self, .residuals = residuals, .count = count, .book = book};
    if (!parallel)
        parallel = kith_parallel_serial ();
    if (self->code == KITH_CODE_PQ4)
        parallel->run (parallel, self->subs, s_fit_sub, &fit);
    else if (self->code == KITH_CODE_SQ8)
        parallel->run (parallel, self->dim, s_fit_dimension, &fit);
    return true;
}

//  ---------------------------------------------------------------------
//  Rows

//  Sums over dimensions from which a row's factors follow
typedef struct {
    double rr, rh, hh;    //  |r|^2, <r, h>, |h|^2
    double oh;            //  <c - m, h>
    double cr;            //  <c, r>
} s_sums_t;

void
kith_quantiser_doubt (uint8_t *block, uint32_t row)
{
    kith_factors_t *factors = (void *) block;
    factors->shift [row] = -INFINITY;
    factors->scale [row] = factors->error [row] = 0;
}

static float
s_store_factors (const kith_quantiser_t *self, const s_sums_t *sums, uint8_t *block,
                 uint32_t row)
{
    kith_factors_t *factors = (void *) block;
    bool l2 = self->metric == KITH_METRIC_L2;
    double scale = sums->rh > 0 ? sums->rr / sums->rh : 0;
    //  Without a guess the whole residual is error
    double error = scale > 0 ? scale * scale * sums->hh - sums->rr : sums->rr;
    error = sqrt (fmax (0, error) / (self->dim > 1 ? self->dim - 1 : 1));
    double shift = l2 ? sums->rr + 2 * scale * sums->oh : scale * sums->oh - sums->cr;
    double by = l2 ? 2 : 1;
    float stored [3] = {(float) shift, (float) (-by * scale), (float) (by * error)};
    if (!isfinite (stored [0]) || !isfinite (stored [1]) || !isfinite (stored [2])) {
        kith_quantiser_doubt (block, row);
        return 0;
    }
    factors->shift [row] = stored [0];
    factors->scale [row] = stored [1];
    factors->error [row] = stored [2];
    return (float) sqrt (sums->rr);
}

static inline void
s_add (s_sums_t *sums, float r, float h, float offset)
{
    sums->rr += (double) r * (double) r;
    sums->rh += (double) r * (double) h;
    sums->hh += (double) h * (double) h;
    sums->oh += (double) offset * (double) h;
}

static void
s_put_nibble (uint8_t *block, uint32_t sub, uint32_t row, uint32_t code)
{
    uint8_t *at = block + sizeof (kith_factors_t) + 16 * (size_t) sub + row % 16;
    *at = (uint8_t) (row < 16 ? (*at & 0xf0) | code : (*at & 0x0f) | code << 4);
}

static void
s_encode_pairs (const kith_quantiser_t *self, const kith_quantiser_centre_t *centre,
                const float *r, uint8_t *block, uint32_t row, s_sums_t *sums)
{
    float halves [ENTRIES];
    for (uint32_t sub = 0; 2 * sub < self->dim; sub++) {
        const float *book = self->book + (size_t) sub * 2 * ENTRIES;
        bool both = 2 * sub + 1 < self->dim;
        float second = both ? r [2 * sub + 1] : 0;
        s_halves (book, halves);
        uint32_t code = s_nearest (book, halves, r [2 * sub], second);
        s_put_nibble (block, sub, row, code);
        s_add (sums, r [2 * sub], book [code], centre->offset [2 * sub]);
        if (both)
            s_add (sums, second, book [ENTRIES + code], centre->offset [2 * sub + 1]);
    }
}

static void
s_encode_signs (const kith_quantiser_t *self, const kith_quantiser_centre_t *centre,
                const float *r, uint8_t *block, uint32_t row, s_sums_t *sums)
{
    float *turned = centre->scratch + self->dim;
    kith_rotate (self->signs, self->dim, r, turned);
    for (uint32_t sub = 0; 4 * sub < self->dim; sub++) {
        uint32_t code = 0;
        for (uint32_t each = 0; each < 4 && 4 * sub + each < self->dim; each++) {
            uint32_t at = 4 * sub + each;
            uint32_t bit = turned [at] > 0;
            code |= bit << each;
            s_add (sums, turned [at], bit ? 1.0f : -1.0f, centre->turned [at]);
        }
        s_put_nibble (block, sub, row, code);
    }
}

static void
s_encode_bytes (const kith_quantiser_t *self, const kith_quantiser_centre_t *centre,
                const float *r, uint8_t *block, uint32_t row, s_sums_t *sums)
{
    uint8_t *codes =
        block + sizeof (kith_factors_t) + row * (size_t) kith_round64 (self->dim);
    for (uint32_t each = 0; each < self->dim; each++) {
        float half = self->book [each], step = 2 * half / LEVELS;
        float level = step > 0 ? (r [each] + half) / step : 0;
        level = !(level > 0) ? 0 : level > LEVELS ? LEVELS : (float) (int) (level + 0.5f);
        codes [each] = (uint8_t) level;
        s_add (sums, r [each], level * step - half, centre->offset [each]);
    }
}

//  The vector itself: its product is the distance, up to a factor
static void
s_encode_floats (const kith_quantiser_t *self, const float *x, uint8_t *block,
                 uint32_t row)
{
    kith_factors_t *factors = (void *) block;
    factors->shift [row] = 0;
    factors->scale [row] = self->metric == KITH_METRIC_L2 ? 1 : -1;
    factors->error [row] = 0;
    memcpy (block + sizeof *factors + row * (self->dim * sizeof *x), x,
            self->dim * sizeof *x);
}

void
kith_quantiser_face (const kith_quantiser_t *self, kith_quantiser_centre_t *centre)
{
    if (self->code == KITH_CODE_RABITQ)
        kith_rotate (self->signs, self->dim, centre->offset, centre->turned);
}

float
kith_quantiser_encode (const kith_quantiser_t *self,
                       const kith_quantiser_centre_t *centre, const float *x,
                       uint8_t *block, uint32_t row)
{
    float *r = centre->scratch;
    s_sums_t sums = {0};
    for (uint32_t each = 0; each < self->dim; each++) {
        r [each] = x [each] - centre->centre [each];
        sums.cr += (double) centre->centre [each] * (double) r [each];
    }
    if (self->code == KITH_CODE_FLOAT32) {
        s_encode_floats (self, x, block, row);
        return 0;
    }
    if (self->code == KITH_CODE_PQ4)
        s_encode_pairs (self, centre, r, block, row, &sums);
    else if (self->code == KITH_CODE_RABITQ)
        s_encode_signs (self, centre, r, block, row, &sums);
    else
        s_encode_bytes (self, centre, r, block, row, &sums);
    return s_store_factors (self, &sums, block, row);
}
