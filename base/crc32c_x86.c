//  crc32c_x86.c - the checksum by the instruction of SSE 4.2
//  SPDX-License-Identifier: Apache-2.0
//
//  One crc32 instruction takes three cycles but a new one can start in each: so three lanes of a block are
//  summed side by side, then brought together by carry-less products (Gopal et al., "Fast CRC Computation
//  for iSCSI Polynomial Using CRC32 Instruction", 2011).
#include "base/bytes.h"
#include "base/crc32c_cpu.h"

#include <nmmintrin.h>
#include <wmmintrin.h>

#define LANE_BYTES ((size_t) 512)

//  x^(8 n - 33) modulo the polynomial, bits reversed: times a checksum, then reduced by one more crc32
//  instruction, it is what n zero bytes make of that checksum
#define AFTER_ONE_LANE 0xdd7e3b0cu
#define AFTER_TWO_LANES 0x170076fau

_Static_assert(LANE_BYTES == 512, "the two constants are for lanes of 512 bytes");

bool
kith_crc32c_cpu_has (void)
{
    return __builtin_cpu_supports ("sse4.2") && __builtin_cpu_supports ("pclmul");
}

static inline uint64_t
s_product (uint64_t crc, uint32_t constant)
{
    __m128i product = _mm_clmulepi64_si128 (_mm_cvtsi64_si128 ((int64_t) crc),
                                            _mm_cvtsi32_si128 ((int) constant), 0);
    return (uint64_t) _mm_cvtsi128_si64 (product);
}

static uint64_t
s_three_lanes (uint64_t crc, const uint8_t *data)
{
    uint64_t lane0 = crc, lane1 = 0, lane2 = 0;
    for (size_t at = 0; at < LANE_BYTES; at += 8) {
        lane0 = _mm_crc32_u64 (lane0, kith_get_u64 (data + at));
        lane1 = _mm_crc32_u64 (lane1, kith_get_u64 (data + LANE_BYTES + at));
        lane2 = _mm_crc32_u64 (lane2, kith_get_u64 (data + 2 * LANE_BYTES + at));
    }
    uint64_t moved =
        s_product (lane0, AFTER_TWO_LANES) ^ s_product (lane1, AFTER_ONE_LANE);
    return _mm_crc32_u64 (0, moved) ^ lane2;
}

uint32_t
kith_crc32c_by_cpu (uint32_t crc, const uint8_t *data, size_t size)
{
    uint64_t sum = crc;
    for (; size >= 3 * LANE_BYTES; data += 3 * LANE_BYTES, size -= 3 * LANE_BYTES)
        sum = s_three_lanes (sum, data);
    for (; size >= 8; data += 8, size -= 8)
        sum = _mm_crc32_u64 (sum, kith_get_u64 (data));
    for (; size; data++, size--)
        sum = _mm_crc32_u8 ((uint32_t) sum, *data);
    return (uint32_t) sum;
}
