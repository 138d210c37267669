//  fuzz_npy - hostile bytes as .npy and .fbin files; every number of what is accepted can be read
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "clients/cli/npy.h"
#include "tests/fuzz/fuzz.h"

static void
s_read (const kith_npy_t *array, size_t size)
{
    uint64_t numbers = array->rows * array->dim;
    if (numbers * array->width > size)
        abort ();
    for (uint64_t index = 0; index < numbers; index++) {
        int64_t value;
        (void) kith_npy_real (array, index);
        (void) kith_npy_int (array, index, &value);
    }
    float *floats = kith_new ((size_t) array->dim * sizeof *floats);
    for (uint64_t row = 0; row < array->rows; row++)
        kith_npy_floats (array, row, 1, floats);
    free (floats);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    kith_npy_t array;
    kith_error_t error = {.at = -1};
    //  A copy of the very size, so that a read behind it is seen
    uint8_t *copy = malloc (size ? size : 1);
    if (size)
        memcpy (copy, data, size);
    if (kith_npy_open (&array, copy, size, "a.npy", &error) == 0)
        s_read (&array, size);
    else if (!error.message [0])
        abort ();
    if (kith_fbin_open (&array, "fbin", copy, size, "a.fbin", &error) == 0)
        s_read (&array, size);
    free (copy);
    return 0;
}
