//  fuzz_bin.c - opens sections of indexes of binary vectors that the input damaged, and searches what opens
//  SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/index_fuzz.h"

static const index_fuzz_case_t s_cases [] = {
    {KITH_INDEX_BIN, KITH_CODE_AUTO, KITH_VECTOR_BINARY, KITH_METRIC_HAMMING,
     INDEX_FUZZ_PLAIN},
    {KITH_INDEX_BIN, KITH_CODE_AUTO, KITH_VECTOR_BINARY, KITH_METRIC_JACCARD,
     INDEX_FUZZ_TWINS},
};

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    index_fuzz (s_cases, sizeof s_cases / sizeof s_cases [0], NULL, data, size);
    return 0;
}
