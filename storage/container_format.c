//  container_format.c - joins checksums of blocks to the checksum of the file, so that it is read once
//  SPDX-License-Identifier: Apache-2.0
//
//  A CRC is the remainder of the message, a polynomial over GF(2), by the generator. Zeros appended to a
//  message multiply it by a power of x; so CRC (a . b) = CRC (a) * x^(8 * bytes of b) + CRC (b). Polynomials
//  are bit-reversed, as CRC32C is: bit 31 is the coefficient of x^0.
#include "storage/container_format.h"

#define GENERATOR 0x82f63b78u    //  Castagnoli, bit-reversed

//  a * b modulo the generator
static uint32_t
s_multiply (uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b & 1 ? b >> 1 ^ GENERATOR : b >> 1;
    }
    return product;
}

uint32_t
kith_container_shift (uint64_t bytes)
{
    uint32_t power = 1u << 31;     //  x^0
    uint32_t square = 1u << 23;    //  x^8
    for (; bytes; bytes >>= 1) {
        if (bytes & 1)
            power = s_multiply (power, square);
        square = s_multiply (square, square);
    }
    return power;
}

uint32_t
kith_container_combine (uint32_t crc_a, uint32_t crc_b, uint32_t shift)
{
    return s_multiply (shift, crc_a) ^ crc_b;
}
