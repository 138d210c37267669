//  codes_scalar.c - products of a query with quantised rows: the specification
//  SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/codes_rows.h"
#include "engine/kernels/isa.h"

static void
s_nibbles4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
            int32_t out [4])
{
    for (uint32_t row = 0; row < 4; row++) {
        int32_t sum = 0;
        for (uint32_t index = 0; index < bytes; index++) {
            sum += (codes [row][index] & 15) * query [index];
            sum += (codes [row][index] >> 4) * query [bytes + index];
        }
        out [row] = sum;
    }
}

static void
s_bytes4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
          int32_t out [4])
{
    for (uint32_t row = 0; row < 4; row++) {
        int32_t sum = 0;
        for (uint32_t index = 0; index < bytes; index++)
            sum += (codes [row][index] & 127) * query [index];
        out [row] = sum;
    }
}

static void
s_full4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
         int32_t out [4])
{
    for (uint32_t row = 0; row < 4; row++) {
        int32_t sum = 0;
        for (uint32_t index = 0; index < bytes; index++)
            sum += codes [row][index] * query [index];
        out [row] = sum;
    }
}

static void
s_bits4 (const int8_t *query, const uint8_t *const codes [4], uint32_t bytes,
         int32_t out [4])
{
    for (uint32_t row = 0; row < 4; row++) {
        int32_t sum = 0;
        for (uint32_t index = 0; index < 8 * bytes; index++)
            sum += (codes [row][index / 8] >> index % 8 & 1) * query [index];
        out [row] = sum;
    }
}

KITH_CODES_ROWS (s_nibbles_rows, s_nibbles4);
KITH_CODES_ROWS (s_bytes_rows, s_bytes4);
KITH_CODES_ROWS (s_bits_rows, s_bits4);

void
kith_fill_codes_scalar (kith_kernels_t *table)
{
    table->nibbles4 = s_nibbles4;
    table->nibbles_rows = s_nibbles_rows;
    table->bytes4 = s_bytes4;
    table->bytes_rows = s_bytes_rows;
    table->full4 = s_full4;
    table->bits4 = s_bits4;
    table->bits_rows = s_bits_rows;
}
