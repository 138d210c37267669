//  disk_bits.c - codes of a bit a dimension, d / 8 + 12 bytes a row (RaBitQ)
//  SPDX-License-Identifier: Apache-2.0
//
//  RaBitQ (Gao and Long, SIGMOD 2024): with m the mean of the rows and P a random rotation a row is coded as the signs s of P (x - m).
//  Of a query q then <q - m, x - m> is about |x - m|^2 / sum |P (x - m)| * <P (q - m), s>, without bias. What is left of a distance,
//  <m, x - m> and |x|^2, is the row's alone and kept exactly in its trailer {float shift, float scale, u32 ones}: distance = shift - scale
//  * product, up to a constant of the query. P (q - m) is cut into 16 steps, four planes of bits, so that the product comes from counts of differing bits.
#include "engine/indexes/disk_bits.h"

#include <math.h>

#include "base/bytes.h"
#include "engine/indexes/rotate.h"
#include "engine/kernels/kernels.h"
#include "storage/huge.h"

enum {
    TRAILER = 12,
    SAMPLE = 4096,    //  rows that the mean is taken of
    BATCH = 4096,     //  rows coded in one part
    PLANES = 4,
    STEPS = 15
};

//  The rotation is the same for all indexes: nothing of it is stored
#define SEED 0x6b697468u

struct kith_disk_bits {
    kith_rows_t rows;    //  lent
    uint32_t bytes;      //  of a code
    uint32_t plane;      //  bytes of its bits
    float *signs;        //  of the rotation, owned
    const float *middle;
    const uint8_t *codes;
    float *own_middle;    //  null: lent
    uint8_t *own_codes;
};

static uint32_t
s_plane_bytes (uint32_t dim)
{
    return (dim + 7) / 8;
}

uint32_t
kith_disk_bits_bytes (uint32_t dim)
{
    return (s_plane_bytes (dim) + TRAILER + 3) / 4 * 4;
}

static kith_disk_bits_t *
s_new (const kith_rows_t *rows)
{
    kith_disk_bits_t *self = kith_new (sizeof *self);
    self->rows = *rows;
    self->bytes = kith_disk_bits_bytes (rows->dim);
    self->plane = s_plane_bytes (rows->dim);
    self->signs = kith_rotate_new (rows->dim, SEED);
    if (!self->signs)
        kith_disk_bits_destroy (&self);
    return self;
}

void
kith_disk_bits_destroy (kith_disk_bits_t **self_p)
{
    assert (self_p);
    kith_disk_bits_t *self = *self_p;
    if (!self)
        return;
    free (self->signs);
    free (self->own_middle);
    free (self->own_codes);
    free (self);
    *self_p = NULL;
}

kith_disk_bits_t *
kith_disk_bits_open (const kith_rows_t *rows, const uint8_t *codes, const float *middle)
{
    kith_disk_bits_t *self = s_new (rows);
    if (self) {
        self->codes = codes;
        self->middle = middle;
    }
    return self;
}

const uint8_t *
kith_disk_bits_codes (const kith_disk_bits_t *self)
{
    return self->codes;
}

const float *
kith_disk_bits_middle (const kith_disk_bits_t *self)
{
    return self->middle;
}

//  ---------------------------------------------------------------------
//  Rows

//  A row's numbers, in room if they are not float32
static const float *
s_numbers (const kith_disk_bits_t *self, uint32_t row, float *room)
{
    return kith_vector_numbers (self->rows.type, kith_rows_vector (&self->rows, row),
                                self->rows.dim, room);
}

//  What a row is multiplied with before it is coded: cosine is of rows of length 1
static float
s_factor (const kith_disk_bits_t *self, float norm)
{
    if (self->rows.metric != KITH_METRIC_COSINE)
        return 1;
    return norm > 0 ? 1 / norm : 0;
}

static float
s_row_factor (const kith_disk_bits_t *self, uint32_t row)
{
    return s_factor (self, self->rows.norms ? self->rows.norms [row] : 0);
}

static bool
s_fit (kith_disk_bits_t *self)
{
    uint32_t rows = self->rows.rows, dim = self->rows.dim;
    uint32_t sampled = rows < SAMPLE ? rows : SAMPLE;
    double *sums = kith_alloc64 (dim * sizeof *sums);
    float *room = kith_alloc64 (dim * sizeof *room);
    self->own_middle = kith_alloc64 (dim * sizeof *self->own_middle);
    self->middle = self->own_middle;
    bool made = sums && room && self->own_middle;
    for (uint32_t each = 0; made && each < sampled; each++) {
        uint32_t row = (uint32_t) ((uint64_t) each * rows / sampled);
        const float *vector = s_numbers (self, row, room);
        for (uint32_t index = 0; index < dim; index++)
            sums [index] += (double) (vector [index] * s_row_factor (self, row));
    }
    for (uint32_t index = 0; made && index < dim; index++) {
        float mean = (float) (sums [index] / sampled);
        self->own_middle [index] = isfinite (mean) ? mean : 0;
    }
    free (sums);
    free (room);
    return made;
}

//  room: 2 x dim
static void
s_encode_row (const kith_disk_bits_t *self, uint32_t row, float *room, uint8_t *code)
{
    uint32_t dim = self->rows.dim, ones = 0;
    float *rest = room, *turned = room + dim, factor = s_row_factor (self, row);
    const float *vector = s_numbers (self, row, turned);
    double square = 0, length = 0, middle = 0, sum = 0;
    for (uint32_t index = 0; index < dim; index++) {
        float value = vector [index] * factor;
        rest [index] = value - self->middle [index];
        square += (double) value * (double) value;
        length += (double) rest [index] * (double) rest [index];
        middle += (double) self->middle [index] * (double) rest [index];
    }
    kith_rotate (self->signs, dim, rest, turned);
    for (uint32_t index = 0; index < dim; index++) {
        bool one = turned [index] > 0;
        sum += fabs ((double) turned [index]);
        ones += one;
        code [index / 8] = (uint8_t) (code [index / 8] | one << index % 8);
    }
    bool l2 = self->rows.metric == KITH_METRIC_L2;
    double scale = sum > 0 ? length / sum : 0;
    float trailer [2] = {(float) (l2 ? square - 2 * middle : -middle),
                         (float) (l2 ? 2 * scale : scale)};
    memcpy (code + self->bytes - TRAILER, trailer, sizeof trailer);
    kith_put_u32 (code + self->bytes - 4, ones);
}

typedef struct {
    const kith_disk_bits_t *self;
    uint8_t *codes;
    float *rooms;    //  2 x dim for each part
} s_encoder_t;

static void
s_encode_part (void *arg, uint32_t part)
{
    const s_encoder_t *encoder = arg;
    const kith_disk_bits_t *self = encoder->self;
    uint32_t rows = self->rows.rows;
    uint32_t last = rows - part * BATCH < BATCH ? rows : part * BATCH + BATCH;
    for (uint32_t row = part * BATCH; row < last; row++)
        s_encode_row (self, row, encoder->rooms + (size_t) part * 2 * self->rows.dim,
                      encoder->codes + (size_t) row * self->bytes);
}

kith_disk_bits_t *
kith_disk_bits_new (const kith_rows_t *rows, kith_parallel_t *parallel)
{
    kith_disk_bits_t *self = s_new (rows);
    if (!self)
        return NULL;
    uint32_t parts = (rows->rows + BATCH - 1) / BATCH;
    self->own_codes = kith_huge_new ((size_t) rows->rows * self->bytes);
    self->codes = self->own_codes;
    float *rooms = kith_alloc64 ((size_t) parts * 2 * rows->dim * sizeof *rooms);
    s_encoder_t encoder = {.self = self, .codes = self->own_codes, .rooms = rooms};
    if (self->own_codes && rooms && s_fit (self)) {
        kith_parallel_t *threads = parallel ? parallel : kith_parallel_serial ();
        threads->run (threads, parts, s_encode_part, &encoder);
    }
    else
        kith_disk_bits_destroy (&self);
    free (rooms);
    return self;
}

//  ---------------------------------------------------------------------
//  Query

void
kith_disk_bits_query_free (kith_disk_bits_query_t *query)
{
    free (query->numbers);
    free (query->planes);
    *query = (kith_disk_bits_query_t){0};
}

static bool
s_make_room (const kith_disk_bits_t *self, kith_disk_bits_query_t *query)
{
    uint32_t dim = self->rows.dim;
    if (query->room >= dim)
        return true;
    kith_disk_bits_query_free (query);
    query->numbers = kith_alloc64 (2 * (size_t) dim * sizeof *query->numbers);
    query->planes = kith_alloc64 (PLANES * (size_t) self->plane);
    if (!query->numbers || !query->planes)
        return false;
    query->room = dim;
    return true;
}

bool
kith_disk_bits_prepare (const kith_disk_bits_t *self, kith_disk_bits_query_t *query,
                        const void *vector, float norm)
{
    if (!s_make_room (self, query))
        return false;
    uint32_t dim = self->rows.dim;
    float *rest = query->numbers, *turned = query->numbers + dim;
    float factor = s_factor (self, norm), least = INFINITY, most = -INFINITY;
    const float *numbers = kith_vector_numbers (self->rows.type, vector, dim, turned);
    for (uint32_t index = 0; index < dim; index++)
        rest [index] = numbers [index] * factor - self->middle [index];
    kith_rotate (self->signs, dim, rest, turned);
    for (uint32_t index = 0; index < dim; index++) {
        least = fminf (least, turned [index]);
        most = fmaxf (most, turned [index]);
    }
    float step = (most - least) / STEPS;
    float up = step > 0 && isfinite (step) ? 1 / step : 0;
    memset (query->planes, 0, PLANES * (size_t) self->plane);
    for (uint32_t index = 0; index < dim && up > 0; index++) {
        uint32_t level = (uint32_t) ((turned [index] - least) * up + 0.5f);
        level = level < STEPS ? level : STEPS;
        for (uint32_t plane = 0; plane < PLANES; plane++) {
            uint8_t *byte = query->planes + plane * self->plane + index / 8;
            *byte = (uint8_t) (*byte | (level >> plane & 1) << index % 8);
        }
    }
    //  The levels where a code has a one sum to (all levels + 15 ones - differing bits, the planes weighed) / 2
    query->base = -least * (float) dim;
    query->per_one = 2 * least + STEPS * step;
    query->per_bit = step;
    return true;
}

void
kith_disk_bits_distances (const kith_disk_bits_t *self,
                          const kith_disk_bits_query_t *query, const uint32_t *rows,
                          uint32_t count, float *distances)
{
    kith_gather4_fn *four = kith_kernels ()->hamming.four;
    for (uint32_t index = 0; index < count; index++) {
        const uint8_t *code = self->codes + (size_t) rows [index] * self->bytes;
        for (uint32_t at = 0; at < self->bytes + 63 && at < 256; at += 64)
            __builtin_prefetch (code + at);
    }
    for (uint32_t first = 0; first < count; first += 4) {
        const void *codes [4];
        float differ [4] = {0, 0, 0, 0};
        uint32_t left = count - first < 4 ? count - first : 4;
        for (uint32_t each = 0; each < 4; each++)
            codes [each] =
                self->codes
                + (size_t) rows [first + (each < left ? each : 0)] * self->bytes;
        for (uint32_t plane = 0; plane < PLANES; plane++) {
            float bits [4];
            four (query->planes + plane * self->plane, codes, 8 * self->plane, bits);
            for (uint32_t each = 0; each < 4; each++)
                differ [each] += (float) (1u << plane) * bits [each];
        }
        for (uint32_t each = 0; each < left; each++) {
            const uint8_t *end = (const uint8_t *) codes [each] + self->bytes;
            float trailer [2];
            memcpy (trailer, end - TRAILER, sizeof trailer);
            float product = query->base + query->per_one * (float) kith_get_u32 (end - 4)
                            - query->per_bit * differ [each];
            distances [first + each] = trailer [0] - trailer [1] * product;
        }
    }
}
