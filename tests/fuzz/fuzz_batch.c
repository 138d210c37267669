//  fuzz_batch.c - hostile bytes as a batch of columns; all that is accepted is read and gathered
//  SPDX-License-Identifier: Apache-2.0
#include "base/column.h"
#include "base/random.h"
#include "tests/fuzz/fuzz.h"

//  Reads every value
static uint64_t
s_touch (const kith_column_t *column)
{
    uint64_t sum = 0;
    bool text = column->type == KITH_TYPE_VARCHAR || column->type == KITH_TYPE_JSON;
    for (uint32_t row = 0; row < column->rows; row++) {
        uint32_t length = 0;
        sum += kith_column_valid (column, row);
        if (text) {
            const char *at = kith_column_string (column, row, &length);
            sum += kith_hash64 (at, length);
        }
        else if (kith_type_is_vector (column->type))
            sum += kith_hash64 (kith_column_fixed (column, row),
                                kith_type_width (column->type, column->dim));
        else
            sum += kith_column_real (column, row) > 0;
    }
    return sum;
}

static void
s_gather (const kith_batch_t *batch, const uint32_t *rows, uint32_t count)
{
    static kith_batch_t again;
    kith_bytes_t out = {0};
    kith_batch_gather (&out, batch, rows, count);
    int rc = kith_batch_open (&again, out.data, out.size, NULL);
    assert (rc == 0 && again.count == batch->count);
    (void) rc;
    kith_bytes_free (&out);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static kith_batch_t batch;
    kith_error_t error;
    uint8_t *bytes = kith_new (size);
    if (size)
        memcpy (bytes, data, size);
    if (kith_batch_open (&batch, bytes, size, &error) == 0) {
        uint64_t sum = 0;
        for (uint32_t index = 0; index < batch.count; index++)
            sum += s_touch (&batch.columns [index]);
        s_gather (&batch, NULL, 0);
        uint32_t last = batch.rows - 1;
        if (batch.rows)
            s_gather (&batch,
                      (const uint32_t [3]){last, (uint32_t) (sum % batch.rows), 0}, 3);
    }
    else
        assert (error.code != KITH_OK && error.message [0]);
    free (bytes);
    return 0;
}
