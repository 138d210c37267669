//  test_vector.c - halves against doubles, and vectors of every type made of numbers
//  SPDX-License-Identifier: Apache-2.0
//
//  The oracle of rounding: of all halves, none is nearer in double, and of two as near the even one was taken.
#include "base/vector.h"

#include "base/random.h"

#include <criterion/criterion.h>
#include <math.h>

//  What a half means, computed another way
static double
s_value (uint16_t bits, int fraction_bits, int bias)
{
    int exponent = (bits & 0x7fff) >> fraction_bits;
    int fraction = bits & ((1 << fraction_bits) - 1);
    int exponent_max = (0x7fff >> fraction_bits);
    double value = exponent ? ldexp (fraction + (1 << fraction_bits),
                                     exponent - bias - fraction_bits)
                            : ldexp (fraction, 1 - bias - fraction_bits);
    if (exponent == exponent_max)
        value = fraction ? (double) NAN : (double) INFINITY;
    return bits & 0x8000 ? -value : value;
}

static float
s_random_float (kith_random_t *random)
{
    uint32_t bits = (uint32_t) kith_random_next (random);
    float value;
    //  Half of them where halves are
    if (kith_random_below (random, 2))
        bits = (bits & 0x807fffffu)
               | (uint32_t) (100 + kith_random_below (random, 45)) << 23;
    //  Some in the middle between two of either kind
    if (kith_random_below (random, 4) == 0)
        bits = (bits & 0xffffe000u) | 0x1000u;
    if (kith_random_below (random, 4) == 0)
        bits = (bits & 0xffff0000u) | 0x8000u;
    memcpy (&value, &bits, sizeof value);
    return value;
}

//  Neighbours of a half in the order of the numbers; infinity counts as the next power of two
static double
s_place (uint16_t bits, int fraction_bits, int bias)
{
    uint16_t infinite = (uint16_t) (0x7fff & ~((1 << fraction_bits) - 1));
    if ((bits & 0x7fff) != infinite)
        return s_value (bits, fraction_bits, bias);
    double next = ldexp (1, bias + 1);
    return bits & 0x8000 ? -next : next;
}

static void
s_check_nearest (float value, uint16_t half, int fraction_bits, int bias)
{
    if (isnan (value)) {
        cr_assert (isnan (s_value (half, fraction_bits, bias)));
        return;
    }
    cr_assert_eq (half >> 15, (uint16_t) (signbit (value) != 0));
    if (isinf (value)) {
        cr_assert (isinf (s_value (half, fraction_bits, bias)));
        return;
    }
    double off = fabs (s_place (half, fraction_bits, bias) - (double) value);
    uint16_t infinite = (uint16_t) (0x7fff & ~((1 << fraction_bits) - 1));
    for (int step = -1; step <= 1; step += 2) {
        int other = (half & 0x7fff) + step;
        if (other < 0 || other > infinite)
            continue;
        uint16_t near = (uint16_t) (other | (half & 0x8000));
        double distance = fabs (s_place (near, fraction_bits, bias) - (double) value);
        //  Far above all of them infinity is right
        if ((half & 0x7fff) == infinite
            && fabs ((double) value) >= s_place (infinite, fraction_bits, bias))
            continue;
        cr_assert (off < distance || (off <= distance && half % 2 == 0),
                   "%a became %04x, %04x is nearer", (double) value, half, near);
    }
}

Test (vector, halves_are_the_nearest)
{
    kith_random_t random;
    kith_random_seed (&random, 1);
    static const float some [] = {0,
                                  -0.0f,
                                  1,
                                  65504,
                                  65519.996f,
                                  65520,
                                  -65520,
                                  1e30f,
                                  0x1p-24f,
                                  0x1p-25f,
                                  0x1.000002p-25f,
                                  0x1p-14f,
                                  0x1.ffffffp-15f,
                                  0x1.ffcp-15f,
                                  3.38953e38f,
                                  3.3961775e38f,
                                  3.4028235e38f,
                                  0x1p-133f,
                                  0x1p-149f,
                                  INFINITY,
                                  -INFINITY,
                                  NAN};
    for (size_t index = 0; index < sizeof some / sizeof some [0]; index++) {
        s_check_nearest (some [index], kith_half_of_float (some [index]), 10, 15);
        s_check_nearest (some [index], kith_bfloat_of_float (some [index]), 7, 127);
    }
    for (uint32_t round = 0; round < 300000; round++) {
        float value = s_random_float (&random);
        s_check_nearest (value, kith_half_of_float (value), 10, 15);
        s_check_nearest (value, kith_bfloat_of_float (value), 7, 127);
    }
}

Test (vector, every_half_there_and_back)
{
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float half = kith_float_of_half ((uint16_t) bits);
        float bfloat = kith_float_of_bfloat ((uint16_t) bits);
        double wanted = s_value ((uint16_t) bits, 10, 15);
        cr_assert ((isnan (half) && isnan (wanted))
                   || !((double) half < wanted || (double) half > wanted));
        wanted = s_value ((uint16_t) bits, 7, 127);
        cr_assert ((isnan (bfloat) && isnan (wanted))
                   || !((double) bfloat < wanted || (double) bfloat > wanted));
        if (!isnan (half))
            cr_assert_eq (kith_half_of_float (half), bits);
        if (!isnan (bfloat))
            cr_assert_eq (kith_bfloat_of_float (bfloat), bits);
    }
}

Test (vector, numbers_there_and_back)
{
    kith_random_t random;
    kith_random_seed (&random, 2);
    for (kith_type_t type = KITH_TYPE_FLOAT_VECTOR; type <= KITH_TYPE_BINARY_VECTOR;
         type++) {
        float numbers [24], back [24];
        uint8_t stored [24 * 4 + 1];
        for (uint32_t index = 0; index < 24; index++)
            numbers [index] = (float) kith_random_below (&random, 2);
        stored [kith_type_width (type, 24)] = 0xa5;
        cr_assert_eq (kith_vector_encode (type, 24, numbers, 24, stored, NULL), 0);
        cr_assert_eq (stored [kith_type_width (type, 24)], 0xa5);
        kith_vector_decode (type, 24, stored, back);
        cr_assert_arr_eq (numbers, back, sizeof back);
        cr_assert (kith_vector_finite (type, 24, stored, 1));
    }
}

Test (vector, bits_and_bytes_of_a_binary_vector)
{
    static const float bits [16] = {1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    static const float bytes [2] = {13, 130};
    uint8_t a [2], b [2];
    cr_assert_eq (kith_vector_encode (KITH_TYPE_BINARY_VECTOR, 16, bits, 16, a, NULL), 0);
    cr_assert_eq (kith_vector_encode (KITH_TYPE_BINARY_VECTOR, 16, bytes, 2, b, NULL), 0);
    cr_assert_arr_eq (a, b, 2);
    cr_assert_eq (a [0], 13);
    cr_assert_eq (a [1], 130);
}

Test (vector, what_does_not_fit_is_refused)
{
    static const struct {
        kith_type_t type;
        uint32_t dim;
        float number;
        size_t count;
        kith_code_t code;
        const char *message;
    } cases [] = {
        {KITH_TYPE_FLOAT_VECTOR, 2, 1, 3, KITH_ERR_DIMENSION_MISMATCH,
         "a vector of 3 numbers, 2 expected"},
        {KITH_TYPE_FLOAT_VECTOR, 2, NAN, 2, KITH_ERR_NOT_FINITE,
         "number 2 is not finite"},
        {KITH_TYPE_FLOAT16_VECTOR, 2, 65520, 2, KITH_ERR_TYPE_MISMATCH,
         "number 2 is 65520; float16_vector holds -65504 to 65504"},
        {KITH_TYPE_FLOAT16_VECTOR, 2, -INFINITY, 2, KITH_ERR_NOT_FINITE,
         "number 2 is not finite"},
        {KITH_TYPE_BFLOAT16_VECTOR, 2, 3.4e38f, 2, KITH_ERR_TYPE_MISMATCH,
         "number 2 is 3.4e+38; bfloat16_vector holds -3.38953e38 to 3.38953e38"},
        {KITH_TYPE_BFLOAT16_VECTOR, 2, NAN, 2, KITH_ERR_NOT_FINITE,
         "number 2 is not finite"},
        {KITH_TYPE_INT8_VECTOR, 2, 128, 2, KITH_ERR_TYPE_MISMATCH,
         "number 2 is 128; int8_vector holds whole numbers from -128 to 127"},
        {KITH_TYPE_INT8_VECTOR, 2, -128.5f, 2, KITH_ERR_TYPE_MISMATCH,
         "number 2 is -128.5; int8_vector holds whole numbers from -128 to 127"},
        {KITH_TYPE_INT8_VECTOR, 2, NAN, 2, KITH_ERR_NOT_FINITE, "number 2 is not finite"},
        {KITH_TYPE_BINARY_VECTOR, 16, 256, 2, KITH_ERR_TYPE_MISMATCH,
         "number 2 is 256; 2 numbers are bytes, from 0 to 255"},
        {KITH_TYPE_BINARY_VECTOR, 16, 0.5f, 2, KITH_ERR_TYPE_MISMATCH,
         "number 2 is 0.5; 2 numbers are bytes, from 0 to 255"},
        {KITH_TYPE_BINARY_VECTOR, 16, 2, 16, KITH_ERR_TYPE_MISMATCH,
         "number 2 is 2; 16 numbers are bits, 0 or 1"},
        {KITH_TYPE_BINARY_VECTOR, 16, NAN, 16, KITH_ERR_TYPE_MISMATCH,
         "number 2 is nan; 16 numbers are bits, 0 or 1"},
        {KITH_TYPE_BINARY_VECTOR, 16, 1, 3, KITH_ERR_DIMENSION_MISMATCH,
         "a vector of 3 numbers, 16 bits or 2 bytes expected"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++) {
        float numbers [16] = {0, cases [index].number};
        uint8_t out [64];
        kith_error_t error = {0};
        cr_assert_eq (kith_vector_encode (cases [index].type, cases [index].dim, numbers,
                                          cases [index].count, out, &error),
                      -1);
        cr_assert_eq (error.code, cases [index].code, "%zu: %s", index, error.message);
        cr_assert_str_eq (error.message, cases [index].message);
    }
}

Test (vector, infinities_are_found_wherever_they_are)
{
    for (kith_type_t type = KITH_TYPE_FLOAT_VECTOR; type <= KITH_TYPE_BFLOAT16_VECTOR;
         type++) {
        uint32_t width = kith_type_width (type, 1);
        for (uint32_t place = 0; place < 30; place++) {
            uint8_t vectors [30 * 4] = {0};
            cr_assert (kith_vector_finite (type, 10, vectors, 3));
            vectors [(place + 1) * width - 1] =
                type == KITH_TYPE_FLOAT16_VECTOR ? 0x7c : 0xff;
            vectors [(place + 1) * width - 2] = 0x80;
            cr_assert (!kith_vector_finite (type, 10, vectors, 3));
            cr_assert_eq (kith_vector_finite (type, 10, vectors, 1), place >= 10);
        }
    }
}
