//  fuzz_disk.c - opens sections of a disk index that the input damaged, and searches what opens
//  SPDX-License-Identifier: Apache-2.0
//
//  Of damaged blocks every second input makes the checksums right again: what is behind them is checked too.
#include "base/bytes.h"
#include "engine/indexes/disk_layout.h"
#include "tests/fuzz/index_fuzz.h"

static const index_fuzz_case_t s_cases [] = {
    {KITH_INDEX_DISK, KITH_CODE_AUTO, KITH_VECTOR_FLOAT32, KITH_METRIC_L2,
     INDEX_FUZZ_PLAIN},
    {KITH_INDEX_DISK, KITH_CODE_AUTO, KITH_VECTOR_FLOAT32, KITH_METRIC_COSINE,
     INDEX_FUZZ_TWINS},
    {KITH_INDEX_DISK, KITH_CODE_AUTO, KITH_VECTOR_FLOAT16, KITH_METRIC_COSINE,
     INDEX_FUZZ_TWINS},
    {KITH_INDEX_DISK, KITH_CODE_RABITQ, KITH_VECTOR_INT8, KITH_METRIC_L2,
     INDEX_FUZZ_PLAIN},
};

static void
s_mend (const kith_section_t *whole, uint8_t *const *bytes, size_t count)
{
    kith_disk_header_t header = {0};
    for (size_t index = 0; index < count; index++)
        if (whole [index].id == KITH_DISK_HEADER)
            memcpy (&header, whole [index].data, sizeof header);
    for (size_t index = 0; index < count; index++) {
        if (whole [index].id != KITH_DISK_RECORDS)
            continue;
        for (uint32_t block = 0; block < header.blocks; block++) {
            uint8_t *at = bytes [index] + (size_t) block * KITH_BLOCK_BYTES;
            kith_disk_block_close (&header, at, kith_get_u32 (at + 4),
                                   kith_get_u32 (at + 8));
        }
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    index_fuzz (s_cases, sizeof s_cases / sizeof s_cases [0], s_mend, data, size);
    return 0;
}
