//  fuzz_ivf.c - opens sections of inverted lists of every code that the input damaged, and searches what opens
//  SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/index_fuzz.h"

static const index_fuzz_case_t s_cases [] = {
    {KITH_INDEX_IVF, KITH_CODE_PQ4, KITH_VECTOR_FLOAT32, KITH_METRIC_L2,
     INDEX_FUZZ_PLAIN},
    {KITH_INDEX_IVF, KITH_CODE_RABITQ, KITH_VECTOR_FLOAT32, KITH_METRIC_COSINE,
     INDEX_FUZZ_PLAIN},
    {KITH_INDEX_IVF, KITH_CODE_SQ8, KITH_VECTOR_FLOAT32, KITH_METRIC_IP,
     INDEX_FUZZ_PLAIN},
    {KITH_INDEX_IVF, KITH_CODE_FLOAT32, KITH_VECTOR_FLOAT32, KITH_METRIC_L2,
     INDEX_FUZZ_TWINS},
    {KITH_INDEX_IVF, KITH_CODE_RABITQ, KITH_VECTOR_FLOAT16, KITH_METRIC_COSINE,
     INDEX_FUZZ_PLAIN},
    {KITH_INDEX_IVF, KITH_CODE_PQ4, KITH_VECTOR_INT8, KITH_METRIC_L2,
     INDEX_FUZZ_TWINS},
};

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    index_fuzz (s_cases, sizeof s_cases / sizeof s_cases [0], NULL, data, size);
    return 0;
}
