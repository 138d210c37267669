//  npy.h - arrays of numbers in files: NumPy's .npy (1, 2 or 3), .fbin .u8bin .i8bin, read in place
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_NPY_H
#define KITH_NPY_H

#include "base/error.h"

typedef enum {
    KITH_NPY_BOOL,
    KITH_NPY_INT,    //  of `width` bytes
    KITH_NPY_UINT,
    KITH_NPY_FLOAT,    //  2, 4 or 8 bytes
    KITH_NPY_BFLOAT    //  2 bytes: the upper half of a float
} kith_npy_kind_t;

//  An array of `rows` rows of `dim` numbers, one after another. A view into the bytes it was opened on.
typedef struct {
    kith_npy_kind_t kind;
    uint32_t width;    //  bytes of a number
    bool matrix;       //  two dimensions; else dim is 1
    uint64_t rows;
    uint64_t dim;
    const uint8_t *data;
} kith_npy_t;

//  Opens the bytes of a file; `name` stands for it in errors, which say at which byte what was expected. INVALID.
int kith_npy_open (kith_npy_t *self, const void *bytes, uint64_t size, const char *name,
                   kith_error_t *error);

//  Rows and numbers a row, two u32, then the numbers: "fbin" (float32), "u8bin", "i8bin".
bool kith_fbin_format (const char *format);
int kith_fbin_open (kith_npy_t *self, const char *format, const void *bytes,
                    uint64_t size, const char *name, kith_error_t *error);

//  Number `index` (row * dim + column) as an integer or a real; the first says false when it is not one or does not
//  fit.
bool kith_npy_int (const kith_npy_t *self, uint64_t index, int64_t *value);
double kith_npy_real (const kith_npy_t *self, uint64_t index);

//  Rows [row, row + count) as float32, into out (count * dim numbers).
void kith_npy_floats (const kith_npy_t *self, uint64_t row, uint64_t count, float *out);

#endif
