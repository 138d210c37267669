//  vector.c - vectors as columns store them: halves, bytes and bits, made of float32 numbers and back
//  SPDX-License-Identifier: Apache-2.0
#include "base/vector.h"

#include <math.h>

static uint32_t
s_bits (float value)
{
    uint32_t bits;
    memcpy (&bits, &value, sizeof bits);
    return bits;
}

static float
s_float (uint32_t bits)
{
    float value;
    memcpy (&value, &bits, sizeof value);
    return value;
}

//  ---------------------------------------------------------------------
//  Halves

//  bits >> shift, the nearest, ties to even
static uint32_t
s_round (uint32_t bits, uint32_t shift)
{
    uint32_t half = (1u << (shift - 1)) - 1;
    return (bits + half + (bits >> shift & 1)) >> shift;
}

uint16_t
kith_half_of_float (float value)
{
    uint32_t bits = s_bits (value);
    uint32_t sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u)
        return (uint16_t) (sign | 0x7e00u | (bits >> 13 & 0x1ffu));
    //  65520 and above round to infinity
    if (bits >= 0x477ff000u)
        return (uint16_t) (sign | 0x7c00u);
    //  The exponent is biased by 127 there, by 15 here; a carry of the rounding goes into it, as it must
    if (bits >= 0x38800000u)
        return (uint16_t) (sign | s_round (bits - (112u << 23), 13));
    //  Below 2^-14: a multiple of 2^-24. Less than half of that is nothing.
    uint32_t shift = 126 - (bits >> 23);
    if (shift > 24)
        return (uint16_t) sign;
    return (uint16_t) (sign | s_round ((bits & 0x7fffffu) | 0x800000u, shift));
}

float
kith_float_of_half (uint16_t half)
{
    uint32_t sign = (uint32_t) (half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 31u, fraction = half & 1023u;
    if (exponent == 31)
        return s_float (sign | 0x7f800000u | fraction << 13);
    if (exponent)
        return s_float (sign | (exponent + 112) << 23 | fraction << 13);
    float value = (float) fraction * 0x1p-24f;
    return sign ? -value : value;
}

uint16_t
kith_bfloat_of_float (float value)
{
    uint32_t bits = s_bits (value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t) (bits >> 16 | 0x40u);
    //  A carry of the rounding may make it infinity
    uint32_t sign = bits >> 16 & 0x8000u;
    return (uint16_t) (sign | s_round (bits & 0x7fffffffu, 16));
}

float
kith_float_of_bfloat (uint16_t half)
{
    return s_float ((uint32_t) half << 16);
}

//  ---------------------------------------------------------------------
//  Whole vectors

static int
s_refuse (kith_type_t type, size_t place, float number, kith_error_t *error)
{
    static const char *const holds [] = {
        [KITH_TYPE_FLOAT16_VECTOR] = "-65504 to 65504",
        [KITH_TYPE_BFLOAT16_VECTOR] = "-3.38953e38 to 3.38953e38",
        [KITH_TYPE_INT8_VECTOR] = "whole numbers from -128 to 127"};
    if (!isfinite (number))
        return kith_error_set (error, KITH_ERR_NOT_FINITE, "number %zu is not finite",
                               place + 1);
    return kith_error_set (error, KITH_ERR_TYPE_MISMATCH, "number %zu is %g; %s holds %s",
                           place + 1, (double) number, kith_type_name (type),
                           holds [type]);
}

static int
s_encode_halves (kith_type_t type, const float *numbers, size_t count, uint8_t *out,
                 kith_error_t *error)
{
    for (size_t index = 0; index < count; index++) {
        bool half = type == KITH_TYPE_FLOAT16_VECTOR;
        uint16_t bits = half ? kith_half_of_float (numbers [index])
                             : kith_bfloat_of_float (numbers [index]);
        uint16_t infinite = half ? 0x7c00u : 0x7f80u;
        if ((bits & infinite) == infinite)
            return s_refuse (type, index, numbers [index], error);
        kith_put_u16 (out + index * 2, bits);
    }
    return 0;
}

static int
s_encode_bytes (const float *numbers, size_t count, uint8_t *out, kith_error_t *error)
{
    for (size_t index = 0; index < count; index++) {
        float number = numbers [index];
        //  Also false for a NaN
        if (!(number >= -128 && number <= 127) || truncf (number) != number)
            return s_refuse (KITH_TYPE_INT8_VECTOR, index, number, error);
        out [index] = (uint8_t) (int8_t) number;
    }
    return 0;
}

//  Of dim numbers that are bits, or of dim / 8 that are bytes
static int
s_encode_bits (uint32_t dim, const float *numbers, size_t count, uint8_t *out,
               kith_error_t *error)
{
    bool whole = count == dim / 8;
    float most = whole ? 255 : 1;
    memset (out, 0, dim / 8);
    for (size_t index = 0; index < count; index++) {
        float number = numbers [index];
        if (!(number >= 0 && number <= most) || truncf (number) != number)
            return kith_error_set (error, KITH_ERR_TYPE_MISMATCH,
                                   "number %zu is %g; %zu numbers are %s", index + 1,
                                   (double) number, count,
                                   whole ? "bytes, from 0 to 255" : "bits, 0 or 1");
        unsigned value = (unsigned) number;
        out [whole ? index : index / 8] |=
            (uint8_t) (whole ? value : value << (index % 8));
    }
    return 0;
}

int
kith_vector_encode (kith_type_t type, uint32_t dim, const float *numbers, size_t count,
                    void *out, kith_error_t *error)
{
    assert (kith_type_is_vector (type));
    bool binary = type == KITH_TYPE_BINARY_VECTOR;
    if (count != dim && !(binary && count == dim / 8))
        return binary ? kith_error_set (error, KITH_ERR_DIMENSION_MISMATCH,
                                        "a vector of %zu numbers, %" PRIu32
                                        " bits or %" PRIu32 " bytes expected",
                                        count, dim, dim / 8)
                      : kith_error_set (error, KITH_ERR_DIMENSION_MISMATCH,
                                        "a vector of %zu numbers, %" PRIu32 " expected",
                                        count, dim);
    if (binary)
        return s_encode_bits (dim, numbers, count, out, error);
    if (type == KITH_TYPE_INT8_VECTOR)
        return s_encode_bytes (numbers, count, out, error);
    if (type != KITH_TYPE_FLOAT_VECTOR)
        return s_encode_halves (type, numbers, count, out, error);
    memcpy (out, numbers, count * sizeof *numbers);
    for (size_t index = 0; index < count && !kith_vector_finite (type, dim, numbers, 1);
         index++) {
        if (!isfinite (numbers [index]))
            return s_refuse (type, index, numbers [index], error);
    }
    return 0;
}

void
kith_vector_decode (kith_type_t type, uint32_t dim, const void *vector, float *numbers)
{
    const uint8_t *at = vector;
    assert (kith_type_is_vector (type));
    if (type == KITH_TYPE_FLOAT_VECTOR)
        memcpy (numbers, vector, dim * sizeof *numbers);
    for (uint32_t index = 0; type != KITH_TYPE_FLOAT_VECTOR && index < dim; index++) {
        if (type == KITH_TYPE_BINARY_VECTOR)
            numbers [index] = (float) (at [index / 8] >> (index % 8) & 1);
        else if (type == KITH_TYPE_INT8_VECTOR)
            numbers [index] = (float) (int8_t) at [index];
        else if (type == KITH_TYPE_FLOAT16_VECTOR)
            numbers [index] = kith_float_of_half (kith_get_u16 (at + (size_t) index * 2));
        else
            numbers [index] =
                kith_float_of_bfloat (kith_get_u16 (at + (size_t) index * 2));
    }
}

//  All exponent bits set is what infinity and NaN share; no early exit, so that it is done many at a time

static bool
s_finite_halves (const uint8_t *at, size_t count, uint32_t exponent)
{
    uint32_t bad = 0;
    for (size_t index = 0; index < count; index++)
        bad |= (uint32_t) ((kith_get_u16 (at + index * 2) & exponent) == exponent);
    return !bad;
}

bool
kith_vector_finite (kith_type_t type, uint32_t dim, const void *vectors, size_t count)
{
    const uint8_t *at = vectors;
    count *= dim;
    if (type == KITH_TYPE_FLOAT16_VECTOR)
        return s_finite_halves (at, count, 0x7c00u);
    if (type == KITH_TYPE_BFLOAT16_VECTOR)
        return s_finite_halves (at, count, 0x7f80u);
    uint32_t bad = 0;
    for (size_t index = 0; type == KITH_TYPE_FLOAT_VECTOR && index < count; index++) {
        uint32_t bits = kith_get_u32 (at + index * 4) & 0x7f800000u;
        bad |= (uint32_t) (bits == 0x7f800000u);
    }
    return !bad;
}
