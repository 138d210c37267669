//  check_kernels.c - every kernel of every instruction set of this CPU against the scalar one, bit for bit
//  SPDX-License-Identifier: Apache-2.0
//
//  All types of vectors, all dimensions 1 .. 1100, odd addresses, ordinary, tiny, huge, signed-zero, denormal, infinite and NaN
//  values; buffers end where the vector ends, so that a sanitizer build sees a read past it. The scalar kernels themselves are held against
//  double precision and plain loops. Prints which instruction sets ran; needs base and kernels only, so that it runs for other
//  architectures under an emulator.
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "tests/kernels/check.h"

static const char *const s_types [] = {"float32", "float16", "bfloat16", "int8",
                                       "binary"};

static float
s_special (kith_random_t *random)
{
    const float values [] = {0.0f,   -0.0f,   INFINITY, -INFINITY, NAN,
                             1e-45f, -1e-45f, 1e-40f,   3e38f};
    return values [kith_random_below (random, sizeof values / sizeof values [0])];
}

float
check_value (kith_random_t *random, kind_t kind)
{
    uint64_t any = kith_random_next (random);
    if (kind == MIXED) {
        //  Exponents from those of denormals to 2^60, whose squares still are finite
        uint32_t bits = (uint32_t) any & 0x807fffff;
        bits |= (uint32_t) ((any >> 32) % 188) << 23;
        float value;
        memcpy (&value, &bits, sizeof value);
        return value;
    }
    if (kind == SPECIAL && any % 40 == 0)
        return s_special (random);
    return (float) (int32_t) (any >> 32) * 0x1p-31f;
}

//  Sixteen bits whose value is of the kind: of a bfloat16 the upper half of a float, of a float16 exponents that keep below 2
static uint16_t
s_half (kith_random_t *random, kind_t kind, kith_vector_t type)
{
    uint16_t any = (uint16_t) kith_random_next (random);
    if (kind == MIXED || (kind == SPECIAL && any % 40 == 0))
        return (uint16_t) kith_random_next (random);
    if (type == KITH_VECTOR_FLOAT16)
        return (uint16_t) ((any & 0x83ff) | (10 + kith_random_below (random, 6)) << 10);
    float value = check_value (random, PLAIN);
    uint32_t bits;
    memcpy (&bits, &value, sizeof bits);
    return (uint16_t) (bits >> 16);
}

static void
s_fill (kith_random_t *random, kith_vector_t type, kind_t kind, uint32_t dim, char *out)
{
    size_t bytes = kith_vector_bytes (type, dim);
    for (size_t at = 0; at < bytes;) {
        if (type == KITH_VECTOR_FLOAT32) {
            float value = check_value (random, kind);
            memcpy (out + at, &value, sizeof value);
            at += sizeof value;
        }
        else if (type == KITH_VECTOR_FLOAT16 || type == KITH_VECTOR_BFLOAT16) {
            uint16_t half = s_half (random, kind, type);
            memcpy (out + at, &half, sizeof half);
            at += sizeof half;
        }
        else {
            //  Bits above the dimension are set too: they must not count
            const signed char large [] = {-128, 127, 0, -1};
            uint64_t any = kith_random_next (random);
            out [at++] = kind == SPECIAL ? (char) large [any % 4] : (char) any;
        }
    }
}

void
check_report (check_t *check, const char *kernel, uint32_t dim, kind_t kind)
{
    check->failures++;
    if (check->failures < 20)
        fprintf (stderr, "%s %s differs from scalar: dim %u, values %d\n",
                 check->fast->name, kernel, dim, (int) kind);
}

//  Equal bits, or both not a number (which operand's NaN survives is not specified)
static void
s_same (check_t *check, const float *a, const float *b, uint32_t count,
        const char *kernel, uint32_t dim, kind_t kind)
{
    for (uint32_t index = 0; index < count; index++) {
        bool same = memcmp (a + index, b + index, sizeof *a) == 0
                    || (isnan (a [index]) && isnan (b [index]));
        check->checks++;
        if (!same)
            check_report (check, kernel, dim, kind);
    }
}

//  One query and rows, as a kernel of one, four and many takes them
typedef struct {
    kith_vector_t type;
    uint32_t dim;
    kind_t kind;
    size_t stride;
    const char *query;
    const char *rows;
    const void *four [4];
} case_t;

static void
s_check_measure (check_t *check, const case_t *what, kith_metric_t metric)
{
    kith_measure_t fast, scalar;
    if (metric == KITH_METRIC_COSINE    //  its kernel is that of IP
        || !kith_kernels_measure (check->fast, what->type, metric, &fast)
        || !kith_kernels_measure (check->scalar, what->type, metric, &scalar))
        return;
    char name [64];
    snprintf (name, sizeof name, "%s %s", s_types [what->type],
              kith_metric_name (metric));
    float a [ROWS], b [ROWS];
    fast.rows (what->query, what->rows, what->stride, ROWS, what->dim, a);
    scalar.rows (what->query, what->rows, what->stride, ROWS, what->dim, b);
    s_same (check, a, b, ROWS, name, what->dim, what->kind);
    float c [4], d [4] = {b [3], b [2], b [1], b [0]};
    fast.four (what->query, what->four, what->dim, c);
    s_same (check, c, d, 4, name, what->dim, what->kind);
    c [0] = fast.pair (what->query, what->four [0], what->dim);
    s_same (check, c, d, 1, name, what->dim, what->kind);
}

static void
s_check_measures (check_t *check, uint32_t dim, kind_t kind)
{
    for (kith_vector_t type = KITH_VECTOR_FLOAT32; type <= KITH_VECTOR_BINARY; type++) {
        size_t bytes = kith_vector_bytes (type, dim);
        //  One odd byte in front: nothing may rely on alignment
        char *query = malloc (1 + bytes);
        char *rows = malloc (1 + (ROWS - 1) * (bytes + 3) + bytes);
        case_t what = {.type = type,
                       .dim = dim,
                       .kind = kind,
                       .stride = bytes + 3,
                       .query = query + 1,
                       .rows = rows + 1};
        s_fill (&check->random, type, kind, dim, query + 1);
        for (uint32_t row = 0; row < ROWS; row++) {
            char *at = rows + 1 + row * what.stride;
            s_fill (&check->random, type, kind, dim, at);
            if (row < 4)
                what.four [3 - row] = at;
        }
        for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_JACCARD;
             metric++)
            s_check_measure (check, &what, metric);
        free (rows);
        free (query);
    }
}

//  The largest sums that integers must hold
static void
s_check_largest (check_t *check)
{
    char *a = malloc (DIM_LARGE), *b = malloc (DIM_LARGE);
    memset (a, -128, DIM_LARGE);
    memset (b, 127, DIM_LARGE);
    const void *const rows [4] = {a, b, a, b};
    for (uint32_t dim = DIM_LARGE - 1; dim <= DIM_LARGE; dim++) {
        float fast [8], scalar [8];
        check->fast->int8_l2.four (a, rows, dim, fast);
        check->fast->int8_dot.four (a, rows, dim, fast + 4);
        check->scalar->int8_l2.four (a, rows, dim, scalar);
        check->scalar->int8_dot.four (a, rows, dim, scalar + 4);
        s_same (check, fast, scalar, 8, "int8 largest", dim, SPECIAL);
        float l2 = 255.0f * 255.0f * (float) dim;
        s_same (check, fast + 1, &l2, 1, "int8 largest", dim, SPECIAL);
    }
    free (b);
    free (a);
}

//  Products that vanish leave -0 in every lane, which a tail must not touch
static void
s_check_underflow (check_t *check)
{
    enum { DIM = 64 };
    float a [DIM], b [DIM];
    uint16_t c [DIM], d [DIM];
    for (uint32_t index = 0; index < DIM; index++) {
        a [index] = 0x1p-100f;
        b [index] = -0x1p-100f;
        c [index] = 0x0d80;    //  the same as bfloat16
        d [index] = 0x8d80;
    }
    const void *const floats [4] = {b, b, b, b}, *const halves [4] = {d, d, d, d};
    for (uint32_t dim = 1; dim <= DIM; dim++) {
        float fast [10], scalar [10];
        fast [8] = check->fast->dot (a, b, dim);
        fast [9] = check->fast->bfloat16_dot.pair (c, d, dim);
        check->fast->dot4 (a, floats, dim, fast);
        check->fast->bfloat16_dot.four (c, halves, dim, fast + 4);
        scalar [8] = check->scalar->dot (a, b, dim);
        scalar [9] = check->scalar->bfloat16_dot.pair (c, d, dim);
        check->scalar->dot4 (a, floats, dim, scalar);
        check->scalar->bfloat16_dot.four (c, halves, dim, scalar + 4);
        s_same (check, fast, scalar, 10, "underflow", dim, SPECIAL);
    }
}

//  What sixteen bits mean, by another way than the kernels'
static double
s_meaning (uint16_t half, kith_vector_t type)
{
    int fraction_bits = type == KITH_VECTOR_FLOAT16 ? 10 : 7;
    int exponent_max = type == KITH_VECTOR_FLOAT16 ? 31 : 255;
    int bias = exponent_max / 2;
    int fraction = half & ((1 << fraction_bits) - 1);
    int exponent = (half & 0x7fff) >> fraction_bits;
    double value;
    if (exponent == exponent_max)
        value = fraction ? (double) NAN : (double) INFINITY;
    else if (exponent == 0)
        value = ldexp (fraction, 1 - bias - fraction_bits);
    else
        value = ldexp (fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
    return half & 0x8000 ? -value : value;
}

//  All 65,536 of them, from an odd address on
static void
s_check_widen (check_t *check, kith_vector_t type)
{
    enum { ALL = 65536 };
    char *halves = malloc (1 + ALL * sizeof (uint16_t));
    float *out = malloc (ALL * sizeof *out);
    kith_widen_fn *widen = type == KITH_VECTOR_FLOAT16 ? check->fast->float16_widen
                                                       : check->fast->bfloat16_widen;
    for (uint32_t half = 0; half < ALL; half++) {
        uint16_t bits = (uint16_t) half;
        memcpy (halves + 1 + half * sizeof bits, &bits, sizeof bits);
    }
    for (size_t first = 0, count = 1; first < ALL; first += count, count = count % 37 + 1)
        widen (halves + 1 + first * sizeof (uint16_t),
               count < ALL - first ? count : ALL - first, out + first);
    for (uint32_t half = 0; half < ALL; half++) {
        float value = (float) s_meaning ((uint16_t) half, type);
        s_same (check, out + half, &value, 1, "widen", half, SPECIAL);
    }
    free (out);
    free (halves);
}

static void
s_check_keep (check_t *check, uint32_t count, kind_t kind)
{
    float *values = malloc (3 * count * sizeof (float));
    for (uint32_t index = 0; index < 3 * count; index++)
        values [index] = check_value (&check->random, kind);
    kith_keep_t keep = {.dots = values,
                        .scale = values + count,
                        .shift = values + 2 * count,
                        .limit = check_value (&check->random, kind),
                        .count = count};
    uint32_t *fast = calloc (count, sizeof *fast);
    uint32_t *scalar = calloc (count, sizeof *scalar);
    uint32_t found = check->fast->keep (&keep, fast);
    check->checks++;
    if (found != check->scalar->keep (&keep, scalar)
        || memcmp (fast, scalar, found * sizeof *fast) != 0)
        check_report (check, "keep", count, kind);
    free (scalar);
    free (fast);
    free (values);
}

static void
s_check_codes (check_t *check, uint32_t bytes, bool extreme)
{
    uint8_t *data = malloc (12 * bytes);
    for (uint32_t index = 0; index < 12 * bytes; index++)
        data [index] = extreme ? 0xff : (uint8_t) kith_random_next (&check->random);
    if (extreme)
        memset (data, 0x80, 8 * bytes);    //  query of -128
    const uint8_t *const codes [4] = {data + 8 * bytes, data + 9 * bytes,
                                      data + 10 * bytes, data + 11 * bytes};
    int32_t fast [4], scalar [4];
    check->fast->nibbles4 ((const int8_t *) data, codes, bytes, fast);
    check->scalar->nibbles4 ((const int8_t *) data, codes, bytes, scalar);
    check->checks += 4;
    if (memcmp (fast, scalar, sizeof fast) != 0)
        check_report (check, "nibbles4", bytes, PLAIN);
    check->fast->bytes4 ((const int8_t *) data, codes, bytes, fast);
    check->scalar->bytes4 ((const int8_t *) data, codes, bytes, scalar);
    if (memcmp (fast, scalar, sizeof fast) != 0)
        check_report (check, "bytes4", bytes, PLAIN);
    check->fast->full4 ((const int8_t *) data, codes, bytes, fast);
    check->scalar->full4 ((const int8_t *) data, codes, bytes, scalar);
    if (memcmp (fast, scalar, sizeof fast) != 0)
        check_report (check, "full4", bytes, PLAIN);
    check->fast->bits4 ((const int8_t *) data, codes, bytes, fast);
    check->scalar->bits4 ((const int8_t *) data, codes, bytes, scalar);
    if (memcmp (fast, scalar, sizeof fast) != 0)
        check_report (check, "bits4", bytes, PLAIN);
    free (data);
}

//  Distances by codes of some rows, the last of which lies at the end of the memory
static void
s_check_code_rows (check_t *check, uint32_t count, uint32_t bytes, bool apart)
{
    enum { CODES = 9, TRAILER = 8 };
    uint8_t trailers [CODES * TRAILER];
    int8_t *query = malloc (8 * bytes);
    uint8_t *codes = malloc (CODES * bytes);
    uint32_t rows [COUNT];
    float fast [COUNT], scalar [COUNT];
    for (uint32_t at = 0; at < 8 * bytes; at++)
        query [at] = (int8_t) kith_random_next (&check->random);
    for (uint32_t at = 0; at < CODES * bytes; at++)
        codes [at] = (uint8_t) kith_random_next (&check->random);
    for (uint32_t at = 0; at < sizeof trailers; at++)
        trailers [at] = (uint8_t) kith_random_next (&check->random);
    for (uint32_t index = 0; index < count; index++)
        rows [index] = (uint32_t) kith_random_below (&check->random, CODES);
    kith_coded_t coded = {.query = query,
                          .codes = codes,
                          .bytes = bytes,
                          .trailers = apart ? trailers : codes + bytes - TRAILER,
                          .trailer_step = apart ? TRAILER : bytes,
                          .base = check_value (&check->random, PLAIN),
                          .step = check_value (&check->random, PLAIN),
                          .rows = rows,
                          .count = count,
                          .ahead = count % 3 * 4};
    check->fast->nibbles_rows (&coded, fast);
    check->scalar->nibbles_rows (&coded, scalar);
    s_same (check, fast, scalar, count, "nibbles_rows", bytes, MIXED);
    check->fast->bytes_rows (&coded, fast);
    check->scalar->bytes_rows (&coded, scalar);
    s_same (check, fast, scalar, count, "bytes_rows", bytes, MIXED);
    check->fast->bits_rows (&coded, fast);
    check->scalar->bits_rows (&coded, scalar);
    s_same (check, fast, scalar, count, "bits_rows", bytes, MIXED);
    free (codes);
    free (query);
}

//  A query on the scale of codes; what is behind it must stay
static void
s_check_query (check_t *check, uint32_t dim, kind_t kind)
{
    float *vector = malloc (dim * sizeof *vector),
          *halves = malloc (dim * 2 * sizeof *halves);
    float *scaled [2];
    int8_t *levels [2];
    const kith_kernels_t *tables [] = {check->scalar, check->fast};
    float widest [2];
    int32_t sums [2];
    s_fill (&check->random, KITH_VECTOR_FLOAT32, kind, dim, (char *) vector);
    s_fill (&check->random, KITH_VECTOR_FLOAT32, PLAIN, 2 * dim, (char *) halves);
    for (int each = 0; each < 2; each++) {
        scaled [each] = calloc (dim + 16, sizeof (float));
        levels [each] = calloc (dim + 16, 1);
        widest [each] = tables [each]->query_scale (vector, halves, dim, scaled [each]);
        const float up = widest [0] > 0 && isfinite (widest [0]) ? 127 / widest [0] : 0;
        sums [each] =
            isfinite (widest [0])
                ? tables [each]->query_round (scaled [0], dim, up, levels [each])
                : 0;
    }
    s_same (check, scaled [1], scaled [0], dim + 16, "query_scale", dim, kind);
    if (memcmp (&widest [0], &widest [1], sizeof *widest) != 0 && widest [0] <= FLT_MAX)
        check_report (check, "query_scale", dim, kind);
    if (sums [0] != sums [1] || memcmp (levels [0], levels [1], dim + 16) != 0)
        check_report (check, "query_round", dim, kind);
    for (int each = 0; each < 2; each++) {
        free (scaled [each]);
        free (levels [each]);
    }
    free (vector);
    free (halves);
}

//  A beam as it must become, by the words of kith_near_put_fn
static void
s_model_put (kith_near_put_t *put)
{
    for (uint32_t index = 0; index < put->count; index++) {
        const float distance = put->distances [index];
        uint32_t place = 0;
        while (place < put->size && put->near [place].distance <= distance)
            place++;
        if (!(distance < INFINITY) || place == put->capacity)
            continue;
        put->size += put->size < put->capacity;
        memmove (put->near + place + 1, put->near + place,
                 (put->size - 1 - place) * sizeof *put->near);
        put->near [place] = (kith_near_t){distance, put->ids [index]};
        put->first = place < put->first ? place : put->first;
    }
}

//  Nodes into beams that fill up, of a few distances so that many are equal, some of which are no numbers
static void
s_check_near (check_t *check, uint32_t capacity)
{
    enum { MOST = 150, TURNS = 12 };
    kith_near_put_t puts [3];
    float distances [MOST];
    uint32_t ids [MOST], next = 0;
    bool same = true;
    for (int each = 0; each < 3; each++)
        puts [each] = (kith_near_put_t){
            .near = malloc ((capacity + KITH_NEAR_MORE) * sizeof (kith_near_t)),
            .capacity = capacity,
            .distances = distances,
            .ids = ids};
    for (uint32_t turn = 0; turn < TURNS && same; turn++) {
        const uint32_t count = (uint32_t) kith_random_below (&check->random, MOST);
        for (uint32_t index = 0; index < count; index++) {
            const uint64_t draw = kith_random_below (&check->random, 400);
            ids [index] = next++;
            distances [index] = draw == 0   ? NAN
                                : draw == 1 ? INFINITY
                                            : (float) draw - 200 - (float) turn * 9;
        }
        for (int each = 0; each < 3; each++) {
            puts [each].count = count;
            puts [each].first = turn % 3 ? 5 : UINT32_MAX;
        }
        s_model_put (&puts [0]);
        check->scalar->near_put (&puts [1]);
        check->fast->near_put (&puts [2]);
        for (int each = 1; each < 3; each++)
            same = same && puts [each].size == puts [0].size
                   && puts [each].first == puts [0].first
                   && memcmp (puts [each].near, puts [0].near,
                              puts [0].size * sizeof (kith_near_t))
                          == 0;
    }
    if (!same)
        check_report (check, "near_put", capacity, MIXED);
    for (int each = 0; each < 3; each++)
        free (puts [each].near);
}

//  Words that are empty, sparse, dense or full, against a look at each bit
static void
s_check_set (check_t *check, uint32_t count)
{
    uint64_t *words = malloc (count * sizeof *words);
    uint32_t *rows = malloc ((2000 + KITH_SET_MORE) * sizeof *rows), found = 0;
    for (uint32_t index = 0; index < count; index++) {
        uint64_t any = kith_random_next (&check->random);
        uint64_t few = any & kith_random_next (&check->random)
                       & kith_random_next (&check->random)
                       & kith_random_next (&check->random);
        uint64_t kinds [] = {0, few, any, UINT64_MAX, few & (few - 1)};
        words [index] = kinds [kith_random_below (&check->random, 5)];
    }
    kith_set_t set = {.words = words, .count = count};
    bool same = true;
    const uint32_t most = 64 + (uint32_t) kith_random_below (&check->random, 1000);
    for (uint32_t bit = 0, listed = 0, place = 0; bit < 64 * count; bit++) {
        if (!(words [bit / 64] >> bit % 64 & 1))
            continue;
        while (place == listed && set.next < set.count) {
            listed = check->fast->set_list (&set, most, rows);
            same &= listed <= most;
            place = 0;
        }
        same &= place < listed && rows [place++] == bit;
        found++;
    }
    check->checks += 2;
    if (!same || check->fast->set_list (&set, most, rows) != 0)
        check_report (check, "set_list", count, PLAIN);
    if (check->fast->set_count (words, count) != found)
        check_report (check, "set_count", count, PLAIN);
    free (rows);
    free (words);
}

//  Number `index` of a vector
static double
s_number (const char *vector, kith_vector_t type, uint32_t index)
{
    float value;
    uint16_t half;
    switch (type) {
        case KITH_VECTOR_FLOAT32:
            memcpy (&value, vector + index * sizeof value, sizeof value);
            return (double) value;
        case KITH_VECTOR_FLOAT16:
        case KITH_VECTOR_BFLOAT16:
            memcpy (&half, vector + index * sizeof half, sizeof half);
            return s_meaning (half, type);
        case KITH_VECTOR_INT8:
            return (double) (signed char) vector [index];
        case KITH_VECTOR_BINARY:
            return (double) (vector [index / 8] >> index % 8 & 1);
    }
    return 0;
}

static void
s_check_fastscan (check_t *check, uint32_t subs, bool extreme)
{
    enum { BLOCKS = 3 };
    size_t stride = subs * 16 + 64, table = subs * 16;
    uint8_t *data = malloc (1 + table + BLOCKS * stride);
    for (size_t index = 0; index < 1 + table + BLOCKS * stride; index++)
        data [index] = extreme ? 0xff : (uint8_t) kith_random_next (&check->random);
    kith_fastscan_t scan = {.codes = data + 1 + table,
                            .stride = stride,
                            .table = data + 1,
                            .subs = subs,
                            .blocks = BLOCKS};
    float fast [BLOCKS * KITH_FASTSCAN_ROWS], scalar [BLOCKS * KITH_FASTSCAN_ROWS];
    check->fast->fastscan (&scan, fast);
    check->scalar->fastscan (&scan, scalar);
    s_same (check, fast, scalar, BLOCKS * KITH_FASTSCAN_ROWS, "fastscan", subs, PLAIN);
    free (data);
}

static void
s_check_judge (check_t *check, kind_t kind)
{
    enum { BLOCKS = 3, COUNTED = BLOCKS * KITH_FASTSCAN_ROWS };
    kith_factors_t factors [BLOCKS];
    float products [COUNTED], fast [COUNTED], scalar [COUNTED];
    uint32_t fast_masks [BLOCKS], scalar_masks [BLOCKS];
    for (uint32_t at = 0; at < COUNTED; at++) {
        uint32_t row = at % KITH_FASTSCAN_ROWS, block = at / KITH_FASTSCAN_ROWS;
        factors [block].shift [row] = check_value (&check->random, kind);
        factors [block].scale [row] = check_value (&check->random, kind);
        factors [block].error [row] = check_value (&check->random, kind);
        products [at] = check_value (&check->random, kind);
    }
    kith_judge_t judge = {.products = products,
                          .factors = factors,
                          .stride = sizeof *factors,
                          .step = check_value (&check->random, kind),
                          .bias = check_value (&check->random, kind),
                          .reach = check_value (&check->random, kind),
                          .limit = check_value (&check->random, kind),
                          .blocks = BLOCKS};
    check->fast->judge (&judge, fast, fast_masks);
    check->scalar->judge (&judge, scalar, scalar_masks);
    s_same (check, fast, scalar, COUNTED, "judge", 0, kind);
    if (memcmp (fast_masks, scalar_masks, sizeof fast_masks) != 0)
        check_report (check, "judge", 0, kind);
}

static void
s_check_rotate (check_t *check, uint32_t dim, kind_t kind)
{
    float *values = malloc (6 * dim * sizeof (float));
    for (uint32_t index = 0; index < 6 * dim; index++)
        values [index] = index < 4 * dim
                             ? (kith_random_next (&check->random) & 1 ? 1.0f : -1.0f)
                             : check_value (&check->random, kind);
    memcpy (values + 5 * dim, values + 4 * dim, dim * sizeof (float));
    check->fast->rotate (values, dim, values + 4 * dim);
    check->scalar->rotate (values, dim, values + 5 * dim);
    s_same (check, values + 4 * dim, values + 5 * dim, dim, "rotate", dim, kind);
    free (values);
}

static void
s_check_nearest (check_t *check, uint32_t count, kind_t kind)
{
    float *values = malloc (2 * count * sizeof (float));
    for (uint32_t index = 0; index < 2 * count; index++)
        values [index] = check_value (&check->random, kind);
    //  Equals too: the first must win
    values [count - 1] = values [0];
    values [2 * count - 1] = values [count];
    float fast, scalar;
    uint32_t one = check->fast->nearest (values, values + count, count, &fast);
    uint32_t other = check->scalar->nearest (values, values + count, count, &scalar);
    s_same (check, &fast, &scalar, 1, "nearest", count, kind);
    if (one != other)
        check_report (check, "nearest", count, kind);
    free (values);
}

//  The scalar kernels themselves against double precision
static void
s_check_scalar_pair (check_t *check, kith_vector_t type, uint32_t dim)
{
    size_t bytes = kith_vector_bytes (type, dim);
    char *a = malloc (bytes), *b = malloc (bytes);
    double dot = 0, l2 = 0, either = 0, size = 0;
    s_fill (&check->random, type, PLAIN, dim, a);
    s_fill (&check->random, type, PLAIN, dim, b);
    for (uint32_t index = 0; index < dim; index++) {
        double left = s_number (a, type, index), right = s_number (b, type, index);
        dot += left * right;
        l2 += (left - right) * (left - right);
        either += fmax (left, right);
        size += fabs (left * right) + (left - right) * (left - right);
    }
    bool binary = type == KITH_VECTOR_BINARY;
    double limit = binary || type == KITH_VECTOR_INT8 ? 0 : 1e-6 * (size + 1);
    const double wanted [] = {[KITH_METRIC_L2] = l2,
                              [KITH_METRIC_IP] = dot,
                              [KITH_METRIC_HAMMING] = l2,
                              [KITH_METRIC_JACCARD] = either > 0 ? l2 / either : 0};
    for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_JACCARD; metric++) {
        kith_measure_t measure;
        if (metric == KITH_METRIC_COSINE
            || !kith_kernels_measure (check->scalar, type, metric, &measure))
            continue;
        double slack = metric == KITH_METRIC_JACCARD ? 1e-7 : limit;
        check->checks++;
        if (!(fabs ((double) measure.pair (a, b, dim) - wanted [metric]) <= slack))
            check_report (check, kith_metric_name (metric), dim, PLAIN);
    }
    free (b);
    free (a);
}

//  Rows and four are pair, row by row
static void
s_check_scalar_forms (check_t *check)
{
    uint8_t data [8 * 64];
    for (size_t at = 0; at < sizeof data; at++)
        data [at] = (uint8_t) (at * 37 % 61);
    const void *const four [4] = {data + 64, data + 128, data + 192, data + 256};
    for (kith_vector_t type = KITH_VECTOR_FLOAT16; type <= KITH_VECTOR_BINARY; type++)
        for (kith_metric_t metric = KITH_METRIC_L2; metric <= KITH_METRIC_JACCARD;
             metric++) {
            kith_measure_t measure;
            float rows [7], fours [4], pair;
            if (!kith_kernels_measure (check->scalar, type, metric, &measure))
                continue;
            measure.rows (data, data + 64, 64, 7, 32, rows);
            measure.four (data, four, 32, fours);
            s_same (check, rows, fours, 4, "scalar forms", 32, PLAIN);
            for (uint32_t row = 0; row < 7; row++) {
                pair = measure.pair (data, data + 64 + row * 64, 32);
                s_same (check, &rows [row], &pair, 1, "scalar forms", 32, PLAIN);
            }
        }
}

static uint64_t
s_check_scalar (check_t *check)
{
    s_check_scalar_forms (check);
    for (uint32_t dim = 1; dim <= DIM_MAX; dim += 3)
        for (kith_vector_t type = KITH_VECTOR_FLOAT32; type <= KITH_VECTOR_BINARY; type++)
            s_check_scalar_pair (check, type, dim);
    s_check_widen (check, KITH_VECTOR_FLOAT16);
    s_check_widen (check, KITH_VECTOR_BFLOAT16);
    for (uint32_t count = 1; count <= COUNT; count++)
        s_check_set (check, count);
    check_panels (check);
    return check->failures;
}

static uint64_t
s_check_isa (check_t *check)
{
    for (uint32_t dim = 1; dim <= DIM_MAX; dim++)
        for (kind_t kind = PLAIN; kind < KINDS; kind++)
            s_check_measures (check, dim, kind);
    s_check_largest (check);
    s_check_underflow (check);
    s_check_widen (check, KITH_VECTOR_FLOAT16);
    s_check_widen (check, KITH_VECTOR_BFLOAT16);
    for (uint32_t count = 1; count <= COUNT; count++)
        for (kind_t kind = PLAIN; kind < KINDS; kind++)
            s_check_keep (check, count, kind);
    for (uint32_t bytes = 64; bytes <= 16384;
         bytes += bytes < 1024 ? 64 : 4096 - bytes % 4096) {
        s_check_codes (check, bytes, false);
        s_check_codes (check, bytes, true);
    }
    check_panels (check);
    for (uint32_t capacity = 1; capacity < 400; capacity++)
        s_check_near (check, capacity);
    s_check_near (check, 8192);
    s_check_near (check, 8200);
    for (uint32_t count = 1; count <= COUNT; count++) {
        s_check_set (check, count);
        s_check_code_rows (check, count, 64 + count % 4 * 64, false);
        s_check_code_rows (check, count, 64 + count % 4 * 64, true);
    }
    for (uint32_t subs = 4; subs <= 1100; subs += subs < 600 ? 4 : 252) {
        s_check_fastscan (check, subs, false);
        s_check_fastscan (check, subs, true);
    }
    for (uint32_t count = 1; count <= COUNT; count++)
        for (kind_t kind = PLAIN; kind < KINDS; kind++) {
            s_check_judge (check, kind);
            s_check_nearest (check, count, kind);
            s_check_query (check, count, kind);
            s_check_rotate (check, count * 3, kind);
            s_check_rotate (check, count, kind);
        }
    return check->failures;
}

int
main (void)
{
    const kith_kernels_t *scalar = kith_kernels_of (KITH_ISA_SCALAR);
    uint64_t failures = 0;
    for (kith_isa_t isa = KITH_ISA_SCALAR; isa <= KITH_ISA_LAST; isa++) {
        check_t check = {.fast = kith_kernels_of (isa), .scalar = scalar};
        if (!check.fast) {
            printf ("instruction set %d: not on this CPU, not run\n", (int) isa);
            continue;
        }
        kith_random_seed (&check.random, 7 + isa);
        failures +=
            isa == KITH_ISA_SCALAR ? s_check_scalar (&check) : s_check_isa (&check);
        printf ("%s: %" PRIu64 " comparisons, %" PRIu64 " differences\n",
                check.fast->name, check.checks, check.failures);
    }
    if (kith_kernels_choose ("no such") != -1 || kith_kernels_choose ("scalar") != 0
        || kith_kernels ()->isa != KITH_ISA_SCALAR)
        failures++;
    return failures ? 1 : 0;
}
